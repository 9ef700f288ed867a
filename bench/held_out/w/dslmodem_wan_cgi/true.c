/*
 * wancfg.cgi - WAN page of the ADSL2+ modem router web interface
 *
 * POST fields: mode, ppp_user, ppp_pass, vpi, vci, mtu, mru, lcp
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <ctype.h>
#include <errno.h>
#include <time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/stat.h>

#define BODY_MAX   4096
#define CONF_FILE  "/etc/wan.conf"
#define LOG_FILE   "/var/log/wancfg.log"

typedef enum { WAN_PPPOE, WAN_PPPOA, WAN_BRIDGE } wan_mode_t;

typedef struct {
	wan_mode_t mode;
	char user[128];
	char pass[128];
	int  vpi, vci;
	int  mtu;
	int  lcp;
} wan_conf_t;

static wan_conf_t wan = { WAN_PPPOE, "", "", 8, 35, 1492, 30 };
static const char *errfield;

static void logmsg(const char *what, const char *detail)
{
	FILE *f = fopen(LOG_FILE, "a");
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;

	if (f == NULL)
		return;
	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%b %d %H:%M:%S", &tm);
	fprintf(f, "%s %s %s\n", stamp, what, detail ? detail : "");
	fclose(f);
}

static int hexval(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower(c);
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static void url_decode(char *s)
{
	char *d = s;

	while (*s) {
		if (*s == '+') {
			*d++ = ' ';
			s++;
		} else if (*s == '%' && hexval((unsigned char)s[1]) >= 0 &&
			   hexval((unsigned char)s[2]) >= 0) {
			*d++ = (char)(hexval((unsigned char)s[1]) << 4 | hexval((unsigned char)s[2]));
			s += 3;
		} else {
			*d++ = *s++;
		}
	}
	*d = '\0';
}

/* ------------------------------------------------------------- fields */

static int set_mode(const char *v)
{
	if (!strcmp(v, "pppoe"))
		wan.mode = WAN_PPPOE;
	else if (!strcmp(v, "pppoa"))
		wan.mode = WAN_PPPOA;
	else if (!strcmp(v, "bridge"))
		wan.mode = WAN_BRIDGE;
	else
		return -1;
	return 0;
}

static int set_user(const char *v)
{
	size_t n = strlen(v);

	if (n == 0 || n >= sizeof(wan.user))
		return -1;
	memcpy(wan.user, v, n + 1);
	return 0;
}

static int set_pass(const char *v)
{
	size_t n = strlen(v);

	if (n >= sizeof(wan.pass))
		return -1;
	memcpy(wan.pass, v, n + 1);
	return 0;
}

static int ranged(const char *v, int lo, int hi, int *out)
{
	char *end;
	long n = strtol(v, &end, 10);

	if (end == v || *end || n < lo || n > hi)
		return -1;
	*out = (int)n;
	return 0;
}

static int set_vpi(const char *v) { return ranged(v, 0, 255, &wan.vpi); }
static int set_vci(const char *v) { return ranged(v, 32, 65535, &wan.vci); }
static int set_mtu(const char *v) { return ranged(v, 576, 1500, &wan.mtu); }
static int set_lcp(const char *v) { return ranged(v, 0, 600, &wan.lcp); }

static const struct field {
	const char *name;
	int (*set)(const char *);
} fields[] = {
	{ "mode",     set_mode },
	{ "ppp_user", set_user },
	{ "ppp_pass", set_pass },
	{ "vpi",      set_vpi  },
	{ "vci",      set_vci  },
	{ "mtu",      set_mtu  },
	{ "lcp",      set_lcp  },
	{ NULL, NULL }
};

static int parse_form(char *body)
{
	char *pair, *save = NULL;

	for (pair = strtok_r(body, "&", &save); pair; pair = strtok_r(NULL, "&", &save)) {
		char *val = strchr(pair, '=');
		const struct field *f;

		if (val == NULL)
			continue;
		*val++ = '\0';
		url_decode(val);
		for (f = fields; f->name; f++) {
			if (strcmp(f->name, pair))
				continue;
			if (f->set(val) < 0) {
				errfield = f->name;
				return -1;
			}
		}
	}
	return 0;
}

/* -------------------------------------------------------------- apply */

static int save_conf(void)
{
	FILE *f = fopen(CONF_FILE ".new", "w");

	if (!f)
		return -1;
	fchmod(fileno(f), 0600);
	fprintf(f, "mode=%d\nvpi=%d\nvci=%d\nmtu=%d\nlcp=%d\n",
		(int)wan.mode, wan.vpi, wan.vci, wan.mtu, wan.lcp);
	if (fclose(f) != 0)
		return -1;
	return rename(CONF_FILE ".new", CONF_FILE);
}

/* 'text' for the shell; every ' of the text is escaped */
static int sh_quote(char *dst, size_t size, const char *src)
{
	size_t n = 0;

	if (size < 8)
		return -1;
	dst[n++] = '\'';
	for (; *src; src++) {
		if (n + 6 >= size)
			return -1;
		if (*src == '\'') {
			dst[n++] = '\\';
			dst[n++] = '\'';
		} else {
			dst[n++] = *src;
		}
	}
	dst[n++] = '\'';
	dst[n] = '\0';
	return 0;
}

static int sh_run(const char *line)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (pid == 0) {
		freopen("/dev/null", "w", stdout);
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int wan_restart(void)
{
	char user[600], pass[600], line[1536];

	if (wan.mode == WAN_BRIDGE) {
		snprintf(line, sizeof(line), "killall -q pppd; atmbr -c %d.%d && brctl addif br0 nas0",
			 wan.vpi, wan.vci);
		return sh_run(line);
	}
	if (sh_quote(user, sizeof(user), wan.user) < 0 ||
	    sh_quote(pass, sizeof(pass), wan.pass) < 0)
		return -1;
	snprintf(line, sizeof(line),
		 "killall -q pppd; sleep 1; /usr/sbin/pppup %s --vc %d.%d --mtu %d --lcp %d --user %s --pass %s",
		 wan.mode == WAN_PPPOA ? "-a" : "-e", wan.vpi, wan.vci, wan.mtu, wan.lcp, user, pass);
	return sh_run(line);
}

static void page(const char *status, const char *msg)
{
	printf("Status: %s\r\nContent-Type: text/html\r\nCache-Control: no-store\r\n\r\n", status);
	printf("<html><head><title>WAN</title></head><body><p>%s</p>"
	       "<a href=\"/wan.htm\">back</a></body></html>\n", msg);
}

int main(void)
{
	const char *method = getenv("REQUEST_METHOD");
	const char *cl = getenv("CONTENT_LENGTH");
	static char body[BODY_MAX + 1];
	char msg[96];
	long want;
	size_t got;

	if (method == NULL || strcmp(method, "POST") != 0) {
		page("405 Method Not Allowed", "POST only");
		return 0;
	}
	want = cl ? strtol(cl, NULL, 10) : 0;
	if (want <= 0 || want > BODY_MAX) {
		page("400 Bad Request", "bad length");
		return 0;
	}
	got = fread(body, 1, (size_t)want, stdin);
	body[got] = '\0';

	if (parse_form(body) < 0) {
		snprintf(msg, sizeof(msg), "Field %s is not valid.", errfield);
		logmsg("rejected", errfield);
		page("200 OK", msg);
		return 0;
	}
	if (save_conf() < 0)
		logmsg("save failed", strerror(errno));
	if (wan_restart() != 0) {
		logmsg("restart failed", NULL);
		page("200 OK", "The connection could not be started.");
		return 0;
	}
	logmsg("restarted", wan.mode == WAN_BRIDGE ? "bridge" : "ppp");
	page("200 OK", "Settings saved, line is being restarted.");
	return 0;
}
