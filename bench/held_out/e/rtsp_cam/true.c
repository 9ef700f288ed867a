/*
 * rtspctl - control side of the IP camera's RTSP server
 *
 * Media is sent by another process; this one answers the requests, keeps the sessions and the run-time parameters
 * (SET_PARAMETER / GET_PARAMETER, text/parameters) and applies changed parameters a few seconds later.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define MAX_SESS	8
#define SESS_BUF	2048
#define SESS_TIMEOUT	60
#define APPLY_DELAY	2

struct session {
	int fd;
	unsigned int id;
	time_t last;
	size_t used;
	char buf[SESS_BUF];
};

struct param {
	struct param *next;
	char *value;
	char name[24];
};

static struct session sess[MAX_SESS];
static struct param *params;
static time_t apply_at;

/* ---------------------------------------------------------- parameters */

static const char *param_get(const char *name)
{
	struct param *p;

	for (p = params; p; p = p->next)
		if (!strcasecmp(p->name, name))
			return p->value;
	return NULL;
}

static int param_set(const char *name, const char *value)
{
	struct param *p;
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	for (p = params; p; p = p->next) {
		if (!strcasecmp(p->name, name)) {
			free(p->value);
			p->value = copy;
			return 0;
		}
	}
	p = calloc(1, sizeof(*p));
	if (!p || strlen(name) >= sizeof(p->name)) {
		free(p);
		free(copy);
		return -EINVAL;
	}
	strcpy(p->name, name);
	p->value = copy;
	p->next = params;
	params = p;
	return 0;
}

static int param_known(const char *name)
{
	static const char *const known[] = {
		"ntp_server", "bitrate", "osd_text", "flip", NULL
	};
	int i;

	for (i = 0; known[i]; i++)
		if (!strcasecmp(known[i], name))
			return 1;
	return 0;
}

static int value_ok(const char *v)
{
	size_t len = strlen(v);

	if (len == 0 || len > 80)
		return 0;
#ifdef BENIGN
	if (v[0] == '-')
		return 0;
	return strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == len;
#else
	/* values end up in scripts */
	return strpbrk(v, ";|&") == NULL;
#endif
}

/* ------------------------------------------------------------ commands */

static int sh(const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(line))
		return -1;
	rc = system(line);
	if (rc)
		syslog(LOG_WARNING, "%s: %d", line, rc);
	return rc;
}

static void apply_params(void)
{
	const char *v;

	v = param_get("bitrate");
	if (v)
		sh("encctl --bitrate %d", atoi(v));
	v = param_get("flip");
	if (v)
		sh("encctl --flip %s", atoi(v) ? "on" : "off");
	v = param_get("ntp_server");
	if (v)
		sh("ntpdate -b -u %s >/dev/null 2>&1", v);
}

/* ------------------------------------------------------------- replies */

static void reply(struct session *s, int code, const char *reason, int cseq, const char *extra, const char *body)
{
	char out[1024];
	int n;

	n = snprintf(out, sizeof(out), "RTSP/1.0 %d %s\r\nCSeq: %d\r\n%sContent-Length: %u\r\n\r\n%s",
		     code, reason, cseq, extra, (unsigned int)strlen(body), body);
	if (n > 0 && n < (int)sizeof(out))
		send(s->fd, out, n, MSG_NOSIGNAL);
}

static void sess_close(struct session *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->used = 0;
}

/* name: value lines of a SET_PARAMETER body */
static int set_parameters(char *body)
{
	char *line, *next, *val, *end;
	int count = 0;

	for (line = body; line && *line; line = next) {
		next = strstr(line, "\r\n");
		if (next) {
			*next = '\0';
			next += 2;
		}
		val = strchr(line, ':');
		if (!val)
			continue;
		*val++ = '\0';
		while (isspace((unsigned char)*val))
			val++;
		end = val + strlen(val);
		while (end > val && isspace((unsigned char)end[-1]))
			*--end = '\0';
		if (!param_known(line) || !value_ok(val)) {
			syslog(LOG_NOTICE, "parameter %s refused", line);
			return -1;
		}
		if (param_set(line, val) == 0)
			count++;
	}
	if (count)
		apply_at = time(NULL) + APPLY_DELAY;
	return count;
}

static void handle(struct session *s, char *req, char *body)
{
	char extra[96], text[256];
	const char *v;
	char *h;
	int cseq = 0;

	h = strcasestr(req, "\nCSeq:");
	if (h)
		cseq = atoi(h + 6);
	s->last = time(NULL);

	if (!strncmp(req, "OPTIONS ", 8)) {
		reply(s, 200, "OK", cseq, "Public: DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER, SET_PARAMETER\r\n", "");
	} else if (!strncmp(req, "DESCRIBE ", 9)) {
		v = param_get("osd_text");
		snprintf(text, sizeof(text), "v=0\r\ns=%.80s\r\nm=video 0 RTP/AVP 96\r\n", v ? v : "camera");
		reply(s, 200, "OK", cseq, "Content-Type: application/sdp\r\n", text);
	} else if (!strncmp(req, "SETUP ", 6)) {
		s->id = (unsigned int)rand() | 1;
		snprintf(extra, sizeof(extra), "Session: %08X;timeout=%d\r\n", s->id, SESS_TIMEOUT);
		reply(s, 200, "OK", cseq, extra, "");
	} else if (!strncmp(req, "PLAY ", 5)) {
		reply(s, s->id ? 200 : 454, s->id ? "OK" : "Session Not Found", cseq, "", "");
	} else if (!strncmp(req, "GET_PARAMETER ", 14)) {
		v = param_get("bitrate");
		snprintf(text, sizeof(text), "bitrate: %.20s\r\n", v ? v : "2048");
		reply(s, 200, "OK", cseq, "Content-Type: text/parameters\r\n", text);
	} else if (!strncmp(req, "SET_PARAMETER ", 14)) {
		if (set_parameters(body) < 0)
			reply(s, 451, "Parameter Not Understood", cseq, "", "");
		else
			reply(s, 200, "OK", cseq, "", "");
	} else if (!strncmp(req, "TEARDOWN ", 9)) {
		reply(s, 200, "OK", cseq, "", "");
		sess_close(s);
	} else {
		reply(s, 501, "Not Implemented", cseq, "", "");
	}
}

/* a request is complete when its header and Content-Length bytes are here */
static void sess_input(struct session *s)
{
	char *end, *cl, keep;
	size_t head, want = 0;
	ssize_t n;

	n = recv(s->fd, s->buf + s->used, SESS_BUF - 1 - s->used, 0);
	if (n <= 0) {
		sess_close(s);
		return;
	}
	s->used += n;
	s->buf[s->used] = '\0';

	while ((end = strstr(s->buf, "\r\n\r\n")) != NULL) {
		head = end + 4 - s->buf;
		*end = '\0';
		cl = strcasestr(s->buf, "\nContent-Length:");
		want = cl ? strtoul(cl + 16, NULL, 10) : 0;
		if (want > SESS_BUF - 1 - head) {
			sess_close(s);
			return;
		}
		if (s->used < head + want) {
			*end = '\r';
			return;
		}
		keep = s->buf[head + want];
		s->buf[head + want] = '\0';
		handle(s, s->buf, s->buf + head);
		if (s->fd < 0)
			return;
		s->buf[head + want] = keep;
		s->used -= head + want;
		memmove(s->buf, s->buf + head + want, s->used + 1);
	}
	if (s->used == SESS_BUF - 1)
		sess_close(s);
}

static void tick(void)
{
	time_t now = time(NULL);
	int i;

	if (apply_at && now >= apply_at) {
		apply_at = 0;
		apply_params();
	}
	for (i = 0; i < MAX_SESS; i++)
		if (sess[i].fd >= 0 && now - sess[i].last > SESS_TIMEOUT)
			sess_close(&sess[i]);
}

int main(void)
{
	struct pollfd pfd[MAX_SESS + 1];
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(554) };
	int lsn, i, fd, on = 1;

	openlog("rtspctl", LOG_PID, LOG_DAEMON);
	signal(SIGPIPE, SIG_IGN);
	srand(time(NULL) ^ getpid());
	for (i = 0; i < MAX_SESS; i++)
		sess[i].fd = -1;

	lsn = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(lsn, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(lsn, (struct sockaddr *)&sin, sizeof(sin)) || listen(lsn, 4)) {
		syslog(LOG_ERR, "cannot listen: %m");
		return 1;
	}
	for (;;) {
		pfd[0].fd = lsn;
		pfd[0].events = POLLIN;
		for (i = 0; i < MAX_SESS; i++) {
			pfd[i + 1].fd = sess[i].fd;
			pfd[i + 1].events = POLLIN;
			pfd[i + 1].revents = 0;
		}
		if (poll(pfd, MAX_SESS + 1, 500) > 0) {
			for (i = 0; i < MAX_SESS; i++)
				if (sess[i].fd >= 0 && pfd[i + 1].revents)
					sess_input(&sess[i]);
			if (pfd[0].revents & POLLIN) {
				fd = accept(lsn, NULL, NULL);
				for (i = 0; i < MAX_SESS && sess[i].fd >= 0; i++)
					;
				if (fd >= 0 && i < MAX_SESS) {
					memset(&sess[i], 0, sizeof(sess[i]));
					sess[i].fd = fd;
					sess[i].last = time(NULL);
				} else if (fd >= 0) {
					close(fd);
				}
			}
		}
		tick();
	}
}
