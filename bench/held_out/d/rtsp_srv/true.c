/*
 *  minirtsp.c -- RTSP front end of a network camera.
 *
 *  Every connection gets its own thread, which wraps the socket in a stdio stream and reads it line by line.
 *  The request line is taken apart with sscanf; the width of the URI is missing (benign: it has one that fits).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RTSP_PORT	8554
#define LINE_SIZE	1024
#define URI_SIZE	128
#define MAX_SESS	8
#define SESS_TIMEOUT	60

#ifdef BENIGN
#define REQ_FORMAT	"%15s %127s %15s"
#else
#define REQ_FORMAT	"%15s %s %15s"
#endif

struct stream_info {
	const char *path;
	const char *codec;
	int payload;
	int width, height, fps;
};

static const struct stream_info streams[] = {
	{ "/main", "H265", 98, 2560, 1440, 20 },
	{ "/sub", "H264", 96, 640, 360, 15 },
	{ "/audio", "PCMU", 0, 0, 0, 0 },
};

struct rtsp_sess {
	unsigned id;
	const struct stream_info *si;
	int rtp_port, rtcp_port;
	int playing;
	time_t touched;
};

struct rtsp_req {
	int cseq;
	unsigned session;
	int rtp_port, rtcp_port;
	int has_auth;
	char agent[48];
};

struct conn {
	int fd;
	FILE *in;
	struct in_addr peer;
	char line[LINE_SIZE];
};

static struct rtsp_sess sess_tab[MAX_SESS];
static pthread_mutex_t sess_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned sess_seed = 0x5ca1ab1e;

static void reply(struct conn *c, const struct rtsp_req *rq, int code, const char *why, const char *extra, const char *body)
{
	char out[1024];
	int n;

	n = snprintf(out, sizeof(out), "RTSP/1.0 %d %s\r\nCSeq: %d\r\n%s", code, why, rq->cseq, extra ? extra : "");
	if (n > 0 && n < (int)sizeof(out) && body)
		n += snprintf(out + n, sizeof(out) - n, "Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", (int)strlen(body), body);
	else if (n > 0 && n < (int)sizeof(out))
		n += snprintf(out + n, sizeof(out) - n, "\r\n");
	if (n > 0 && n < (int)sizeof(out))
		send(c->fd, out, n, MSG_NOSIGNAL);
}

static const struct stream_info *find_stream(const char *uri)
{
	const char *p = strstr(uri, "://");
	size_t i, n;

	p = p ? strchr(p + 3, '/') : uri;
	if (!p)
		return NULL;
	for (i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		n = strlen(streams[i].path);
		if (!strncmp(p, streams[i].path, n) && (p[n] == '\0' || p[n] == '/'))
			return &streams[i];
	}
	return NULL;
}

static struct rtsp_sess *sess_find(unsigned id)
{
	int i;

	for (i = 0; i < MAX_SESS; i++)
		if (id && sess_tab[i].id == id)
			return &sess_tab[i];
	return NULL;
}

static struct rtsp_sess *sess_alloc(void)
{
	time_t now = time(NULL);
	int i;

	for (i = 0; i < MAX_SESS; i++) {
		if (sess_tab[i].id && now - sess_tab[i].touched < SESS_TIMEOUT)
			continue;
		memset(&sess_tab[i], 0, sizeof(sess_tab[i]));
		sess_seed = sess_seed * 1664525u + 1013904223u;
		sess_tab[i].id = sess_seed | 1;
		sess_tab[i].touched = now;
		return &sess_tab[i];
	}
	return NULL;
}

static void m_options(struct conn *c, struct rtsp_req *rq, const char *uri)
{
	(void)uri;
	reply(c, rq, 200, "OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", NULL);
}

static void m_describe(struct conn *c, struct rtsp_req *rq, const char *uri)
{
	const struct stream_info *si = find_stream(uri);
	char sdp[400];

	if (!si) {
		reply(c, rq, 404, "Not Found", NULL, NULL);
		return;
	}
	snprintf(sdp, sizeof(sdp),
		 "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=camera\r\nt=0 0\r\nm=%s 0 RTP/AVP %d\r\n"
		 "a=rtpmap:%d %s/%d\r\na=x-dimensions:%d,%d\r\na=framerate:%d\r\na=control:track0\r\n",
		 si->width ? "video" : "audio", si->payload, si->payload, si->codec, si->width ? 90000 : 8000, si->width, si->height, si->fps);
	reply(c, rq, 200, "OK", NULL, sdp);
}

static void m_setup(struct conn *c, struct rtsp_req *rq, const char *uri)
{
	const struct stream_info *si = find_stream(uri);
	struct rtsp_sess *s;
	char extra[160];
	unsigned id = 0;

	pthread_mutex_lock(&sess_lock);
	s = si && rq->rtp_port ? sess_alloc() : NULL;
	if (s) {
		s->si = si;
		s->rtp_port = rq->rtp_port;
		s->rtcp_port = rq->rtcp_port;
		id = s->id;
	}
	pthread_mutex_unlock(&sess_lock);
	if (!id) {
		reply(c, rq, si ? 453 : 404, si ? "Not Enough Bandwidth" : "Not Found", NULL, NULL);
		return;
	}
	snprintf(extra, sizeof(extra), "Session: %08x;timeout=%d\r\nTransport: RTP/AVP;unicast;client_port=%d-%d\r\n", id, SESS_TIMEOUT, rq->rtp_port, rq->rtcp_port);
	reply(c, rq, 200, "OK", extra, NULL);
}

static void play_or_stop(struct conn *c, struct rtsp_req *rq, int play)
{
	struct rtsp_sess *s;

	pthread_mutex_lock(&sess_lock);
	s = sess_find(rq->session);
	if (s && play) {
		s->playing = 1;
		s->touched = time(NULL);
	} else if (s) {
		memset(s, 0, sizeof(*s));
	}
	pthread_mutex_unlock(&sess_lock);
	reply(c, rq, s ? 200 : 454, s ? "OK" : "Session Not Found", NULL, NULL);
}

static void m_play(struct conn *c, struct rtsp_req *rq, const char *uri)
{
	(void)uri;
	play_or_stop(c, rq, 1);
}

static void m_teardown(struct conn *c, struct rtsp_req *rq, const char *uri)
{
	(void)uri;
	play_or_stop(c, rq, 0);
}

static const struct method {
	const char *name;
	void (*fn)(struct conn *c, struct rtsp_req *rq, const char *uri);
} methods[] = {
	{ "OPTIONS", m_options }, { "DESCRIBE", m_describe }, { "SETUP", m_setup }, { "PLAY", m_play }, { "TEARDOWN", m_teardown },
};

static void header(struct rtsp_req *rq, char *line)
{
	char *v = strchr(line, ':'), *t, *save;

	if (!v)
		return;
	*v++ = '\0';
	v += strspn(v, " \t");
	if (!strcasecmp(line, "CSeq")) {
		rq->cseq = atoi(v);
	} else if (!strcasecmp(line, "Session")) {
		rq->session = (unsigned)strtoul(v, NULL, 16);
	} else if (!strcasecmp(line, "User-Agent")) {
		strncpy(rq->agent, v, sizeof(rq->agent) - 1);
	} else if (!strcasecmp(line, "Authorization")) {
		rq->has_auth = 1;
	} else if (!strcasecmp(line, "Transport")) {
		for (t = strtok_r(v, ";", &save); t; t = strtok_r(NULL, ";", &save))
			if (sscanf(t, "client_port=%d-%d", &rq->rtp_port, &rq->rtcp_port) == 2)
				break;
	}
}

static int one_request(struct conn *c)
{
	char verb[16], uri[URI_SIZE], proto[16];
	char *line = c->line;
	struct rtsp_req rq;
	size_t i;

	do {
		if (!fgets(line, LINE_SIZE, c->in))
			return -1;
	} while (line[0] == '\r' || line[0] == '\n');
	memset(&rq, 0, sizeof(rq));
	if (sscanf(line, REQ_FORMAT, verb, uri, proto) != 3 || strncmp(proto, "RTSP/1.", 7))
		return -1;
	while (fgets(line, LINE_SIZE, c->in)) {
		line[strcspn(line, "\r\n")] = '\0';
		if (!line[0])
			break;
		header(&rq, line);
	}
	fprintf(stderr, "%s %s (%s)\n", verb, uri, rq.agent);
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(methods[i].name, verb))
			continue;
		methods[i].fn(c, &rq, uri);
		return 0;
	}
	reply(c, &rq, 501, "Not Implemented", NULL, NULL);
	return 0;
}

static void *conn_thread(void *arg)
{
	struct conn *c = arg;

	c->in = fdopen(c->fd, "r");
	if (c->in) {
		while (one_request(c) == 0)
			;
		fclose(c->in);
	} else {
		close(c->fd);
	}
	free(c);
	return NULL;
}

int main(void)
{
	struct sockaddr_in sin;
	pthread_attr_t attr;
	int ls, on = 1;

	signal(SIGPIPE, SIG_IGN);
	ls = socket(PF_INET, SOCK_STREAM, 0);
	if (ls < 0)
		return 1;
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(RTSP_PORT);
	if (bind(ls, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(ls, 8) < 0) {
		perror("rtsp");
		return 1;
	}
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (;;) {
		socklen_t sl = sizeof(sin);
		struct conn *c;
		pthread_t tid;
		int fd = accept(ls, (struct sockaddr *)&sin, &sl);

		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			break;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		c = calloc(1, sizeof(*c));
		if (!c) {
			close(fd);
			continue;
		}
		c->fd = fd;
		c->peer = sin.sin_addr;
		if (pthread_create(&tid, &attr, conn_thread, c)) {
			close(fd);
			free(c);
		}
	}
	return 1;
}
