/* httpd of the router: settings page and the dynamic DNS updater behind it */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define HTTP_PORT	8080
#define REQ_MAX		8192

/* ---------------------------------------------------------------- checks */

static int v_bool(const char *s)
{
	return (s[0] == '0' || s[0] == '1') && s[1] == 0;
}

static int v_printable(const char *s)
{
	if (strlen(s) > 63)
		return 0;
	while (*s)
		if (!isprint((unsigned char)*s++))
			return 0;
	return 1;
}

static int v_account(const char *s)
{
	size_t i;

	if (strlen(s) > 63 || !isalnum((unsigned char)s[0]))
		return 0;
	for (i = 1; s[i]; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("._@-", s[i]))
			return 0;
	return 1;
}

static int v_hostname(const char *s)
{
	int label = 0;

	if (strlen(s) > 100)
		return 0;
	for (; *s; s++) {
		if (isalnum((unsigned char)*s)) {
			label++;
		} else if ((*s == '-' || *s == '.') && label) {
			if (*s == '.')
				label = 0;
		} else {
			return 0;
		}
	}
	return label > 0;
}

static int v_minutes(const char *s)
{
	int n = 0;

	if (!*s)
		return 0;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return 0;
		n = n * 10 + (*s - '0');
		if (n > 10080)
			return 0;
	}
	return n > 0;
}

/* ---------------------------------------------------------------- store */

struct nv {
	const char *key;
	char *val;
	const char *dflt;
	int (*valid)(const char *);
};

static struct nv store[] = {
	{ "ddns_enable",   NULL, "0",                 v_bool },
	{ "ddns_server",   NULL, "members.dyn.local", v_hostname },
	{ "ddns_host",     NULL, "router.dyn.local",  v_hostname },
	{ "ddns_user",     NULL, "admin",             v_account },
	{ "ddns_pass",     NULL, "",                  v_printable },
	{ "ddns_interval", NULL, "60",                v_minutes },
	{ "ntp_account",   NULL, "anonymous",         v_account },
	{ "lan_name",      NULL, "router",            v_hostname },
	{ "admin_note",    NULL, "",                  v_printable },
};

static struct nv *nv_find(const char *key)
{
	size_t i;

	for (i = 0; i < sizeof(store) / sizeof(store[0]); i++)
		if (strcmp(store[i].key, key) == 0)
			return &store[i];
	return NULL;
}

static const char *nv_get(const char *key)
{
	struct nv *e = nv_find(key);

	if (!e)
		return "";
	return e->val ? e->val : e->dflt;
}

static int nv_set(const char *key, const char *val)
{
	struct nv *e = nv_find(key);
	char *copy;

	if (!e || !e->valid(val))
		return -1;
	copy = strdup(val);
	if (!copy)
		return -1;
	free(e->val);
	e->val = copy;
	return 0;
}

/* ---------------------------------------------------------------- ddns */

static volatile sig_atomic_t ticks;
static int ddns_dirty;
static time_t ddns_next;

static void on_alarm(int sig)
{
	(void)sig;
	ticks++;
}

static void ddns_write_pass(void)
{
	FILE *f = fopen("/var/run/ddns.pass", "w");

	if (!f)
		return;
	fprintf(f, "%s\n", nv_get("ddns_pass"));
	fclose(f);
}

static void ddns_update(time_t now)
{
	char cmd[512], answer[128];
	FILE *p;

	if (strcmp(nv_get("ddns_enable"), "1"))
		return;
	if (!ddns_dirty && now < ddns_next)
		return;
	ddns_dirty = 0;
	ddns_next = now + 60L * atoi(nv_get("ddns_interval"));
	ddns_write_pass();
	snprintf(cmd, sizeof(cmd),
		 "/usr/sbin/ddnsup -s %s -n %s -u %s -f /var/run/ddns.pass 2>/dev/null",
		 nv_get("ddns_server"), nv_get("ddns_host"), nv_get("ddns_user"));
	p = popen(cmd, "r");
	if (!p)
		return;
	if (fgets(answer, sizeof(answer), p))
		syslog(LOG_INFO, "ddns: %s", answer);
	pclose(p);
}

/* ---------------------------------------------------------------- http */

static int unhex(char c)
{
	if (c >= '0' && c <= '9') return c - '0';
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	if (c >= 'A' && c <= 'F') return c - 'A' + 10;
	return -1;
}

static char *decode(char *s)
{
	char *r = s, *w = s;

	for (; *r; r++) {
		if (*r == '+')
			*w++ = ' ';
		else if (*r == '%' && unhex(r[1]) >= 0 && unhex(r[2]) >= 0) {
			*w++ = (char)(unhex(r[1]) << 4 | unhex(r[2]));
			r += 2;
		} else
			*w++ = *r;
	}
	*w = 0;
	return s;
}

static void reply(int fd, int code, const char *text)
{
	char out[512];
	int n = snprintf(out, sizeof(out),
			 "HTTP/1.0 %d X\r\nContent-Type: text/plain\r\n\r\n%s\n", code, text);

	if (n >= (int)sizeof(out))
		n = sizeof(out) - 1;
	send(fd, out, (size_t)n, MSG_NOSIGNAL);
}

static void page_apply(int fd, char *body)
{
	char *item, *save = NULL;
	int bad = 0;

	for (item = strtok_r(body, "&", &save); item; item = strtok_r(NULL, "&", &save)) {
		char *eq = strchr(item, '=');

		if (!eq)
			continue;
		*eq = 0;
		if (nv_set(item, decode(eq + 1)) < 0)
			bad++;
		else if (strncmp(item, "ddns_", 5) == 0)
			ddns_dirty = 1;
	}
	reply(fd, bad ? 422 : 200, bad ? "some settings were refused" : "saved");
}

static void page_status(int fd, char *body)
{
	char text[256];

	(void)body;
	snprintf(text, sizeof(text), "host=%s server=%s enabled=%s",
		 nv_get("ddns_host"), nv_get("ddns_server"), nv_get("ddns_enable"));
	reply(fd, 200, text);
}

static const struct page {
	const char *prefix;
	void (*fn)(int, char *);
} pages[] = {
	{ "POST /apply.cgi ", page_apply },
	{ "GET /status ",     page_status },
};

static void client(int fd)
{
	static char req[REQ_MAX + 1];
	size_t have = 0, want = 0, i;
	char *body = NULL, *cl;

	while (have < REQ_MAX) {
		ssize_t n = recv(fd, req + have, REQ_MAX - have, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
		req[have] = 0;
		if (!body && (body = strstr(req, "\r\n\r\n"))) {
			body += 4;
			cl = strcasestr(req, "\r\nContent-Length:");
			want = (size_t)(body - req) + (cl ? strtoul(cl + 17, NULL, 10) : 0);
		}
		if (body && have >= want)
			break;
	}
	req[have] = 0;
	if (!body)
		return;
	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strncmp(req, pages[i].prefix, strlen(pages[i].prefix)) == 0) {
			pages[i].fn(fd, body);
			return;
		}
	reply(fd, 404, "no such page");
}

int main(void)
{
	struct itimerval it = { { 1, 0 }, { 1, 0 } };
	struct timeval tv = { 5, 0 };
	struct sigaction sact;
	struct sockaddr_in sa;
	int ls, on = 1;

	openlog("httpd", 0, LOG_DAEMON);
	memset(&sact, 0, sizeof(sact));
	sact.sa_handler = on_alarm;
	sigaction(SIGALRM, &sact, NULL);
	setitimer(ITIMER_REAL, &it, NULL);

	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(HTTP_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) || listen(ls, 8))
		return 1;
	for (;;) {
		struct pollfd pfd = { .fd = ls, .events = POLLIN };

		if (poll(&pfd, 1, -1) > 0) {
			int fd = accept(ls, NULL, NULL);

			if (fd >= 0) {
				setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
				client(fd);
				close(fd);
			}
		}
		if (ticks) {
			ticks = 0;
			ddns_update(time(NULL));
		}
	}
}
