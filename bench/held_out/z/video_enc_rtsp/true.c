/*
 * encoder/rtspd.c
 *
 * Control channel of the 4-channel video encoder.  Speaks enough of RTSP for
 * the common recorders; media is pushed by the DSP firmware, we only tell it
 * where to.  Single process, select() loop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define RTSP_PORT	554
#define MAX_CONN	12
#define REQ_BYTES	2048
#define SESS_TIMEOUT	60

#define HDR_EACH(p)	for (; (p) && *(p) && *(p) != '\r'; (p) = next_line(p))

struct stream_sess {
	int	in_use;
	unsigned id;
	int	channel;
	int	rtp_port;
	int	playing;
	time_t	touched;
	char	agent[64];
	char	owner[32];
};

struct conn {
	int	fd;
	int	fill;
	struct stream_sess *sess;
	char	buf[REQ_BYTES + 1];
};

static struct conn conns[MAX_CONN];
static struct stream_sess sessions[MAX_CONN];
static int listen_port = RTSP_PORT;

static void elog(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static const char *next_line(const char *p)
{
	p = strstr(p, "\r\n");
	return p ? p + 2 : NULL;
}

static const char *header(const char *req, const char *name)
{
	size_t n = strlen(name);
	const char *p = next_line(req);

	HDR_EACH(p) {
		if (!strncasecmp(p, name, n) && p[n] == ':') {
			p += n + 1;
			while (*p == ' ')
				p++;
			return p;
		}
	}
	return NULL;
}

static int cseq(const char *req)
{
	const char *h = header(req, "CSeq");

	return h ? atoi(h) : 0;
}

static void answer(struct conn *c, const char *req, int code, const char *extra)
{
	char out[512];
	int n;

	n = snprintf(out, sizeof(out), "RTSP/1.0 %d %s\r\nCSeq: %d\r\n%s\r\n",
		     code, code == 200 ? "OK" : "Error", cseq(req), extra);
	if (n > (int)sizeof(out) - 1)
		n = sizeof(out) - 1;
	send(c->fd, out, n, MSG_NOSIGNAL);
}

static struct stream_sess *sess_new(void)
{
	int i;

	for (i = 0; i < MAX_CONN; i++)
		if (!sessions[i].in_use) {
			memset(&sessions[i], 0, sizeof(sessions[i]));
			sessions[i].in_use = 1;
			sessions[i].id = (unsigned)rand();
			sessions[i].touched = time(NULL);
			return &sessions[i];
		}
	return NULL;
}

/* Authorization: Digest username="...", realm="...", ... */
static void note_owner(struct stream_sess *s, const char *auth)
{
	const char *u, *e;
	size_t n;

	u = strstr(auth, "username=\"");
	if (!u)
		return;
	u += strlen("username=\"");
	e = strchr(u, '"');
	if (!e)
		return;
	n = e - u;
	memcpy(s->owner, u, n);
	s->owner[n] = '\0';
}

static void note_agent(struct stream_sess *s, const char *ua)
{
	size_t n = strcspn(ua, "\r\n");

	if (n > sizeof(s->agent) - 1)
		n = sizeof(s->agent) - 1;
	memcpy(s->agent, ua, n);
	s->agent[n] = '\0';
}

static void m_options(struct conn *c, const char *req)
{
	answer(c, req, 200, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n");
}

static void m_describe(struct conn *c, const char *req)
{
	answer(c, req, 200, "Content-Type: application/sdp\r\nContent-Length: 0\r\n");
}

static void m_setup(struct conn *c, const char *req)
{
	char extra[96];
	const char *t = header(req, "Transport"), *h, *p;

	if (!t || !(p = strstr(t, "client_port="))) {
		answer(c, req, 461, "");
		return;
	}
	if (!c->sess)
		c->sess = sess_new();
	if (!c->sess) {
		answer(c, req, 453, "");
		return;
	}
	c->sess->rtp_port = atoi(p + 12);
	p = strstr(req, "/ch");
	c->sess->channel = p ? atoi(p + 3) & 3 : 0;
	if ((h = header(req, "User-Agent")))
		note_agent(c->sess, h);
	if ((h = header(req, "Authorization")))
		note_owner(c->sess, h);
	snprintf(extra, sizeof(extra), "Session: %08x;timeout=%d\r\n",
		 c->sess->id, SESS_TIMEOUT);
	answer(c, req, 200, extra);
}

static void m_play(struct conn *c, const char *req)
{
	if (!c->sess) {
		answer(c, req, 454, "");
		return;
	}
	c->sess->playing = 1;
	elog("play ch%d -> port %d for %s (%s)", c->sess->channel,
	     c->sess->rtp_port, c->sess->owner, c->sess->agent);
	answer(c, req, 200, "Range: npt=0-\r\n");
}

static void m_teardown(struct conn *c, const char *req)
{
	if (c->sess)
		c->sess->in_use = 0;
	c->sess = NULL;
	answer(c, req, 200, "");
}

static const struct method {
	const char *name;
	void (*go)(struct conn *, const char *);
} methods[] = {
	{ "OPTIONS ",	m_options },
	{ "DESCRIBE ",	m_describe },
	{ "SETUP ",	m_setup },
	{ "PLAY ",	m_play },
	{ "TEARDOWN ",	m_teardown },
};

static void hangup(struct conn *c)
{
	if (c->sess)
		c->sess->in_use = 0;
	close(c->fd);
	c->fd = -1;
	c->fill = 0;
	c->sess = NULL;
}

static void on_readable(struct conn *c)
{
	size_t i;
	ssize_t n;

	n = recv(c->fd, c->buf + c->fill, REQ_BYTES - c->fill, 0);
	if (n <= 0) {
		hangup(c);
		return;
	}
	c->fill += n;
	c->buf[c->fill] = '\0';
	if (!strstr(c->buf, "\r\n\r\n")) {
		if (c->fill == REQ_BYTES)
			hangup(c);
		return;
	}
	if (c->sess)
		c->sess->touched = time(NULL);
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!strncmp(c->buf, methods[i].name, strlen(methods[i].name)))
			break;
	if (i < sizeof(methods) / sizeof(methods[0]))
		methods[i].go(c, c->buf);
	else
		answer(c, c->buf, 501, "");
	c->fill = 0;
}

static void expire(void)
{
	time_t now = time(NULL);
	int i;

	for (i = 0; i < MAX_CONN; i++)
		if (conns[i].fd >= 0 && conns[i].sess && !conns[i].sess->playing &&
		    now - conns[i].sess->touched > SESS_TIMEOUT) {
			elog("session %08x expired", conns[i].sess->id);
			hangup(&conns[i]);
		}
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin;
	struct timeval tv;
	fd_set rd;
	int ls, i, top, fd, on = 1;

	if (argc > 1)
		listen_port = atoi(argv[1]);
	srand((unsigned)time(NULL));
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(listen_port);
	if (bind(ls, (struct sockaddr *)&sin, sizeof(sin)) || listen(ls, 4)) {
		elog("cannot listen on %d", listen_port);
		return 1;
	}
	for (i = 0; i < MAX_CONN; i++)
		conns[i].fd = -1;
	for (;;) {
		FD_ZERO(&rd);
		FD_SET(ls, &rd);
		top = ls;
		for (i = 0; i < MAX_CONN; i++)
			if (conns[i].fd >= 0) {
				FD_SET(conns[i].fd, &rd);
				if (conns[i].fd > top)
					top = conns[i].fd;
			}
		tv.tv_sec = 5;
		tv.tv_usec = 0;
		if (select(top + 1, &rd, NULL, NULL, &tv) > 0) {
			for (i = 0; i < MAX_CONN; i++)
				if (conns[i].fd >= 0 && FD_ISSET(conns[i].fd, &rd))
					on_readable(&conns[i]);
			if (FD_ISSET(ls, &rd) && (fd = accept(ls, NULL, NULL)) >= 0) {
				for (i = 0; i < MAX_CONN && conns[i].fd >= 0; i++)
					;
				if (i < MAX_CONN)
					conns[i].fd = fd;
				else
					close(fd);
			}
		}
		expire();
	}
}
