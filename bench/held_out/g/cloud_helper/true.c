/*
 * cloudagentd - keeps the NVR connected to the vendor cloud
 *
 * The process forks early: the parent owns the socket, the child ("doer")
 * runs with more rights and gets fixed-size orders through a pipe.
 */
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONF "/etc/cloud.conf"

enum { ORD_NOP, ORD_REBOOT, ORD_UPGRADE, ORD_SNAPSHOT, ORD_SYNC };

struct order {
	uint32_t kind;
	uint32_t arg;
	char     text[256];
};

struct agent {
	char host[128];
	char port[8];
	char devid[40];
	int  sock;
	int  doer;
	int  registered;
	time_t last_ping;
	unsigned pings;
};

/* --------------------------------------------------------------------- */

static int write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

static int read_all(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = read(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

/* ---------------------------------------------------------- the doer --- */

static void doer_upgrade(const struct order *o)
{
	char line[400];

	snprintf(line, sizeof line, "wget -q -O /tmp/fw.img %s && fwtool -v /tmp/fw.img -f %u",
		 o->text, o->arg);
	if (system(line) != 0)
		fprintf(stderr, "doer: upgrade failed\n");
}

static void doer_main(int fd)
{
	struct order o;

	while (read_all(fd, &o, sizeof o) == 0) {
		o.text[sizeof o.text - 1] = 0;
		switch (o.kind) {
		case ORD_REBOOT:
			system("sync; reboot");
			break;
		case ORD_UPGRADE:
			doer_upgrade(&o);
			break;
		case ORD_SNAPSHOT: {
			char line[80];
			snprintf(line, sizeof line, "snapcap -c %u -o /tmp/snap%u.jpg", o.arg, o.arg);
			system(line);
			break;
		}
		case ORD_SYNC:
			sync();
			break;
		}
	}
	_exit(0);
}

static int doer_start(void)
{
	int p[2];
	pid_t pid;

	if (pipe(p) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		close(p[1]);
		doer_main(p[0]);
	}
	close(p[0]);
	return p[1];
}

static int order_send(struct agent *a, uint32_t kind, uint32_t arg, const char *text)
{
	struct order o;

	memset(&o, 0, sizeof o);
	o.kind = kind;
	o.arg = arg;
	if (text) {
		if (strlen(text) >= sizeof o.text)
			return -1;
		strcpy(o.text, text);
	}
	return write_all(a->doer, &o, sizeof o);
}

/* ------------------------------------------------------- cloud messages - */

/* value of "key" from flat json, unescaped into dst; -1 if missing */
static int jget(const char *js, const char *key, char *dst, size_t cap)
{
	char pat[40];
	const char *p;
	size_t n = 0;

	snprintf(pat, sizeof pat, "\"%s\"", key);
	p = strstr(js, pat);
	if (!p)
		return -1;
	p += strlen(pat);
	p += strspn(p, " \t:");
	if (*p != '"') {
		while (n + 1 < cap && (isdigit((unsigned char)*p) || *p == '-'))
			dst[n++] = *p++;
		dst[n] = 0;
		return n ? (int)n : -1;
	}
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		if (n + 1 >= cap)
			return -1;
		dst[n++] = *p;
	}
	dst[n] = 0;
	return (int)n;
}

static int url_ok(const char *u)
{
	if (strncmp(u, "http://", 7) && strncmp(u, "https://", 8))
		return 0;
	return strpbrk(u, " \t\r\n;|&<>`'\"") == NULL;
}

static int msg_register(struct agent *a, const char *js)
{
	char res[8];

	if (jget(js, "result", res, sizeof res) < 0)
		return -1;
	a->registered = atoi(res) == 0;
	return 0;
}

static int msg_upgrade(struct agent *a, const char *js)
{
	char url[240], force[8];

	if (!a->registered)
		return -1;
	if (jget(js, "url", url, sizeof url) < 0)
		return -1;
	if (!url_ok(url)) {
		fprintf(stderr, "cloud: bad url\n");
		return -1;
	}
	return order_send(a, ORD_UPGRADE, jget(js, "force", force, sizeof force) > 0 && atoi(force), url);
}

static int msg_snapshot(struct agent *a, const char *js)
{
	char ch[8];

	if (jget(js, "channel", ch, sizeof ch) < 0)
		return -1;
	return order_send(a, ORD_SNAPSHOT, (uint32_t)atoi(ch) % 16, NULL);
}

static int msg_reboot(struct agent *a, const char *js)
{
	return a->registered ? order_send(a, ORD_REBOOT, 0, NULL) : -1;
}

static int msg_pong(struct agent *a, const char *js)
{
	a->pings = 0;
	return order_send(a, ORD_SYNC, 0, NULL);
}

static const struct { const char *cmd; int (*fn)(struct agent *, const char *); } msgs[] = {
	{ "register_ack", msg_register },
	{ "upgrade",      msg_upgrade },
	{ "snapshot",     msg_snapshot },
	{ "reboot",       msg_reboot },
	{ "pong",         msg_pong },
};

static int on_message(struct agent *a, const char *js)
{
	char cmd[24];
	size_t i;

	if (jget(js, "cmd", cmd, sizeof cmd) < 0)
		return -1;
	for (i = 0; i < sizeof msgs / sizeof *msgs; i++)
		if (!strcmp(cmd, msgs[i].cmd))
			return msgs[i].fn(a, js);
	return 0;
}

/* --------------------------------------------------------------- link --- */

static int send_msg(struct agent *a, const char *js)
{
	uint8_t h[4];
	size_t n = strlen(js);

	h[0] = n >> 24; h[1] = n >> 16; h[2] = n >> 8; h[3] = n;
	if (send(a->sock, h, 4, MSG_NOSIGNAL) != 4)
		return -1;
	return send(a->sock, js, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

static int load_conf(struct agent *a)
{
	FILE *f = fopen(CONF, "r");
	char line[160];

	if (!f)
		return -1;
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "host=", 5))
			snprintf(a->host, sizeof a->host, "%s", line + 5);
		else if (!strncmp(line, "port=", 5))
			snprintf(a->port, sizeof a->port, "%s", line + 5);
		else if (!strncmp(line, "devid=", 6))
			snprintf(a->devid, sizeof a->devid, "%s", line + 6);
	}
	fclose(f);
	return a->host[0] && a->port[0] ? 0 : -1;
}

static int link_up(struct agent *a)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM }, *ai, *i;
	char hello[128];

	if (getaddrinfo(a->host, a->port, &hint, &ai))
		return -1;
	a->sock = -1;
	for (i = ai; i; i = i->ai_next) {
		a->sock = socket(i->ai_family, i->ai_socktype, i->ai_protocol);
		if (a->sock >= 0 && connect(a->sock, i->ai_addr, i->ai_addrlen) == 0)
			break;
		if (a->sock >= 0)
			close(a->sock);
		a->sock = -1;
	}
	freeaddrinfo(ai);
	if (a->sock < 0)
		return -1;
	a->registered = 0;
	snprintf(hello, sizeof hello, "{\"cmd\":\"register\",\"id\":\"%s\"}", a->devid);
	return send_msg(a, hello);
}

static void link_run(struct agent *a)
{
	struct timeval tv = { 20, 0 };

	setsockopt(a->sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	for (;;) {
		uint8_t h[4];
		uint32_t n;
		char *js;
		ssize_t r = recv(a->sock, h, 4, MSG_WAITALL);

		if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (++a->pings > 3 || send_msg(a, "{\"cmd\":\"ping\"}") < 0)
				return;
			continue;
		}
		if (r != 4)
			return;
		n = (uint32_t)h[0] << 24 | h[1] << 16 | h[2] << 8 | h[3];
		if (n == 0 || n > 65536 || !(js = malloc(n + 1)))
			return;
		if (recv(a->sock, js, n, MSG_WAITALL) != (ssize_t)n) {
			free(js);
			return;
		}
		js[n] = 0;
		on_message(a, js);
		free(js);
	}
}

int main(void)
{
	struct agent a;

	memset(&a, 0, sizeof a);
	signal(SIGPIPE, SIG_IGN);
	if (load_conf(&a) < 0)
		return 1;
	a.doer = doer_start();
	if (a.doer < 0)
		return 1;
	for (;;) {
		if (link_up(&a) == 0)
			link_run(&a);
		if (a.sock >= 0)
			close(a.sock);
		sleep(10);
	}
}
