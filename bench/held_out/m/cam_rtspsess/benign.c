#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdint.h>
#include <unistd.h>
#include <signal.h>
#include <pthread.h>
#include <time.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define RTSP_PORT     5540
#define RTSP_BUF      2048
#define RTSP_HOST     64
#define RTSP_PATH     128

typedef enum { M_NONE, M_OPTIONS, M_DESCRIBE, M_SETUP, M_PLAY, M_TEARDOWN } rtsp_method;

typedef struct {
	int  fd;
	int  cseq;
	int  stream;
	int  rtp_port;
	unsigned session;
	int  playing;
} rtsp_conn;

static const struct { const char *word; rtsp_method m; } method_names[] = {
	{ "OPTIONS ",  M_OPTIONS },
	{ "DESCRIBE ", M_DESCRIBE },
	{ "SETUP ",    M_SETUP },
	{ "PLAY ",     M_PLAY },
	{ "TEARDOWN ", M_TEARDOWN },
};

static int rtsp_write(rtsp_conn *c, const char *p, int n)
{
	return send(c->fd, p, n, 0) == n ? 0 : -1;
}

static int clamp_len(int n, int cap)
{
	if (n < 0)
		return 0;
	return n >= cap ? cap - 1 : n;
}

static int rtsp_status(rtsp_conn *c, int code, const char *text, const char *extra)
{
	char out[512];
	int n;

	n = snprintf(out, sizeof(out), "RTSP/1.0 %d %s\r\nCSeq: %d\r\n%s\r\n",
		     code, text, c->cseq, extra);
	return rtsp_write(c, out, clamp_len(n, sizeof(out)));
}

static rtsp_method parse_method(const char *req)
{
	size_t i;

	for (i = 0; i < sizeof(method_names) / sizeof(method_names[0]); i++)
		if (!strncmp(req, method_names[i].word, strlen(method_names[i].word)))
			return method_names[i].m;
	return M_NONE;
}

static const char *find_header(const char *req, const char *name)
{
	size_t n = strlen(name);
	const char *p = req;

	while ((p = strstr(p, "\r\n")) != NULL) {
		p += 2;
		if (!strncasecmp(p, name, n) && p[n] == ':') {
			p += n + 1;
			while (*p == ' ')
				p++;
			return p;
		}
	}
	return NULL;
}

static int header_int(const char *req, const char *name, int def)
{
	const char *p = find_header(req, name);

	return p ? atoi(p) : def;
}

static int stream_from_path(const char *path)
{
	if (!strncmp(path, "live/main", 9))
		return 0;
	if (!strncmp(path, "live/sub", 8))
		return 1;
	if (!strncmp(path, "live/third", 10))
		return 2;
	return -1;
}

static void access_log(const char *host, const char *path)
{
	FILE *f = fopen("/tmp/rtsp_access.log", "a");

	if (!f)
		return;
	fprintf(f, "%ld %s /%s\n", (long)time(NULL), host, path);
	fclose(f);
}

static int select_stream(rtsp_conn *c, const char *uri)
{
	char host[RTSP_HOST];
	char path[RTSP_PATH];

	host[0] = path[0] = 0;
	if (sscanf(uri, "rtsp://%63[^/]/%127s", host, path) != 2)
		return -1;
	access_log(host, path);
	c->stream = stream_from_path(path);
	return c->stream;
}

static int parse_transport(rtsp_conn *c, const char *req)
{
	const char *p = find_header(req, "Transport");
	int port;

	if (!p)
		return -1;
	p = strstr(p, "client_port=");
	if (!p)
		return -1;
	port = atoi(p + 12);
	if (port < 1024 || port > 65534)
		return -1;
	c->rtp_port = port;
	return 0;
}

static const char *skip_word(const char *req)
{
	const char *p = strchr(req, ' ');

	while (p && *p == ' ')
		p++;
	return p ? p : req;
}

static int on_describe(rtsp_conn *c, const char *req)
{
	char sdp[384], out[640];
	int n;

	if (select_stream(c, skip_word(req)) < 0)
		return rtsp_status(c, 404, "Not Found", "");
	snprintf(sdp, sizeof(sdp), "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=cam%d\r\n"
		 "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n",
		 c->stream);
	n = snprintf(out, sizeof(out), "RTSP/1.0 200 OK\r\nCSeq: %d\r\nContent-Type: application/sdp\r\n"
		     "Content-Length: %d\r\n\r\n%s", c->cseq, (int)strlen(sdp), sdp);
	return rtsp_write(c, out, clamp_len(n, sizeof(out)));
}

static int on_setup(rtsp_conn *c, const char *req)
{
	char extra[160];

	if (c->stream < 0 || parse_transport(c, req) < 0)
		return rtsp_status(c, 461, "Unsupported Transport", "");
	c->session = (unsigned)random();
	snprintf(extra, sizeof(extra), "Session: %08X\r\nTransport: RTP/AVP;unicast;client_port=%d-%d\r\n",
		 c->session, c->rtp_port, c->rtp_port + 1);
	return rtsp_status(c, 200, "OK", extra);
}

static int on_play(rtsp_conn *c)
{
	if (!c->session)
		return rtsp_status(c, 454, "Session Not Found", "");
	c->playing = 1;
	return rtsp_status(c, 200, "OK", "");
}

static int rtsp_handle(rtsp_conn *c, const char *req)
{
	c->cseq = header_int(req, "CSeq", 0);
	switch (parse_method(req)) {
	case M_OPTIONS:
		return rtsp_status(c, 200, "OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n");
	case M_DESCRIBE:
		return on_describe(c, req);
	case M_SETUP:
		return on_setup(c, req);
	case M_PLAY:
		return on_play(c);
	case M_TEARDOWN:
		rtsp_status(c, 200, "OK", "");
		return -1;
	default:
		return rtsp_status(c, 405, "Method Not Allowed", "");
	}
}

static int read_request(int fd, char *buf, int cap)
{
	int used = 0;

	while (used < cap - 1) {
		int n = recv(fd, buf + used, cap - 1 - used, 0);

		if (n <= 0)
			return -1;
		used += n;
		buf[used] = 0;
		if (strstr(buf, "\r\n\r\n"))
			return used;
	}
	return -1;
}

static void *conn_thread(void *arg)
{
	rtsp_conn *c = arg;
	char *buf = malloc(RTSP_BUF);

	while (buf && read_request(c->fd, buf, RTSP_BUF) > 0)
		if (rtsp_handle(c, buf) < 0)
			break;
	free(buf);
	close(c->fd);
	free(c);
	return NULL;
}

static void spawn_conn(int fd)
{
	rtsp_conn *c = calloc(1, sizeof(*c));
	pthread_t t;

	if (c) {
		c->fd = fd;
		c->stream = -1;
		if (pthread_create(&t, NULL, conn_thread, c) == 0) {
			pthread_detach(t);
			return;
		}
	}
	free(c);
	close(fd);
}

int main(void)
{
	struct sockaddr_in sa;
	int one = 1, ls;

	signal(SIGPIPE, SIG_IGN);
	srandom((unsigned)time(NULL));
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(RTSP_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 8) < 0)
		return 1;
	for (;;) {
		int fd = accept(ls, NULL, NULL);

		if (fd >= 0)
			spawn_conn(fd);
	}
}
