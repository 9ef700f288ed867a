/*
 * poled: vehicle counter on a pole.  Radar samples come from a FIFO, totals
 * are exported over a tiny web interface and pushed to a collector by FTP
 * every upload period.
 *
 *   GET /counts                          JSON totals
 *   GET /set?period=900&host=..&lane=1   configuration
 *   GET /reset
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <fcntl.h>
#include <time.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define HTTP_PORT 8081
#define MAX_LANES 4
#define NPARAM    8

struct http_req {
	int fd;
	char path[64];
	int nparam;
	struct { char name[24]; char value[128]; } param[NPARAM];
};

struct kv { const char *key; char value[128]; };

static struct kv settings[] = {
	{ "period", "900" },
	{ "host",   "" },
	{ "site",   "pole-1" },
	{ "lane",   "2" },
	{ NULL,     "" },
};

static unsigned long counts[MAX_LANES][3];
static time_t next_upload;

static void logmsg(const char *fmt, ...)
{
	va_list ap;
	FILE *f = fopen("/tmp/poled.log", "a");
	if (!f)
		return;
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fputc('\n', f);
	fclose(f);
}

static const char *setting(const char *key)
{
	struct kv *s;
	for (s = settings; s->key; s++)
		if (!strcmp(s->key, key))
			return s->value;
	return "";
}

static void setting_put(const char *key, const char *value)
{
	struct kv *s;
	for (s = settings; s->key; s++)
		if (!strcmp(s->key, key))
			snprintf(s->value, sizeof s->value, "%s", value);
}

static int setting_int(const char *key, int lo, int hi)
{
	int v = atoi(setting(key));
	return v < lo ? lo : v > hi ? hi : v;
}

static int do_system(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof cmd, fmt, ap);
	va_end(ap);
	logmsg("run: %s", cmd);
	return system(cmd);
}

static int hexv(char c)
{
	if (c >= '0' && c <= '9') return c - '0';
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	if (c >= 'A' && c <= 'F') return c - 'A' + 10;
	return -1;
}

/* copies up to one of the stop characters, decoding; returns the stop */
static const char *http_word(const char *s, const char *stop, char *dst, size_t size)
{
	size_t n = 0;

	while (*s && !strchr(stop, *s)) {
		char c = *s++;
		if (c == '%' && hexv(s[0]) >= 0 && hexv(s[1]) >= 0) {
			c = (char)(hexv(s[0]) << 4 | hexv(s[1]));
			s += 2;
		} else if (c == '+')
			c = ' ';
		if (n + 1 < size)
			dst[n++] = c;
	}
	dst[n] = '\0';
	return s;
}

static int http_parse(struct http_req *r, const char *text)
{
	const char *s;

	if (strncmp(text, "GET ", 4))
		return -1;
	s = http_word(text + 4, "? \r\n", r->path, sizeof r->path);
	r->nparam = 0;
	while ((*s == '?' || *s == '&') && r->nparam < NPARAM) {
		s = http_word(s + 1, "=& \r\n", r->param[r->nparam].name,
			      sizeof r->param[0].name);
		r->param[r->nparam].value[0] = '\0';
		if (*s == '=')
			s = http_word(s + 1, "& \r\n", r->param[r->nparam].value,
				      sizeof r->param[0].value);
		r->nparam++;
	}
	return 0;
}

static const char *http_get_param(const struct http_req *r, const char *name)
{
	int i;
	for (i = 0; i < r->nparam; i++)
		if (!strcmp(r->param[i].name, name))
			return r->param[i].value;
	return NULL;
}

static void http_send(struct http_req *r, int code, const char *body)
{
	char h[128];
	int n = snprintf(h, sizeof h, "HTTP/1.0 %d %s\r\nContent-Length: %u\r\n\r\n", code,
			 code == 200 ? "OK" : "Error", (unsigned)strlen(body));
	write(r->fd, h, n);
	write(r->fd, body, strlen(body));
}

static void web_counts(struct http_req *r)
{
	char b[512];
	int i, n, lanes = setting_int("lane", 1, MAX_LANES);

	n = snprintf(b, sizeof b, "{\"period\":%d,\"lanes\":[", setting_int("period", 60, 86400));
	for (i = 0; i < lanes; i++)
		n += snprintf(b + n, sizeof b - n, "%s[%lu,%lu,%lu]", i ? "," : "",
			      counts[i][0] % 1000000, counts[i][1] % 1000000,
			      counts[i][2] % 1000000);
	snprintf(b + n, sizeof b - n, "]}");
	http_send(r, 200, b);
}

static void web_set(struct http_req *r)
{
	const char *v;

	if ((v = http_get_param(r, "period")) != NULL)
		setting_put("period", v);
	if ((v = http_get_param(r, "lane")) != NULL)
		setting_put("lane", v);
	if ((v = http_get_param(r, "host")) != NULL) {
		struct in_addr in;
		if (inet_pton(AF_INET, v, &in) != 1) {
			http_send(r, 400, "host must be an address");
			return;
		}
		setting_put("host", v);
	}
	next_upload = time(NULL) + setting_int("period", 60, 86400);
	http_send(r, 200, "ok");
}

static void web_reset(struct http_req *r)
{
	memset(counts, 0, sizeof counts);
	http_send(r, 200, "ok");
}

static const struct { const char *path; void (*fn)(struct http_req *); } pages[] = {
	{ "/counts", web_counts }, { "/set", web_set }, { "/reset", web_reset },
};

static void web_client(int fd)
{
	static struct http_req rq;
	char buf[2048];
	ssize_t n = read(fd, buf, sizeof buf - 1);
	size_t i;

	if (n <= 0)
		return;
	buf[n] = '\0';
	rq.fd = fd;
	if (http_parse(&rq, buf) == 0)
		for (i = 0; i < sizeof pages / sizeof pages[0]; i++)
			if (!strcmp(rq.path, pages[i].path)) {
				pages[i].fn(&rq);
				return;
			}
	http_send(&rq, 404, "not found");
}

static void radar_input(int fd)
{
	unsigned char rec[2];
	/* lane, class */
	while (read(fd, rec, 2) == 2)
		if (rec[0] < MAX_LANES && rec[1] < 3)
			counts[rec[0]][rec[1]]++;
}

static void upload(void)
{
	FILE *f = fopen("/tmp/counts.csv", "w");
	int i;

	if (!f)
		return;
	for (i = 0; i < MAX_LANES; i++)
		fprintf(f, "%ld;%d;%lu;%lu;%lu\n", (long)time(NULL), i, counts[i][0],
			counts[i][1], counts[i][2]);
	fclose(f);
	if (do_system("ftpput -u pole -p pole %s %s.csv /tmp/counts.csv", setting("host"),
		      setting("site")) != 0)
		logmsg("upload failed");
}

int main(void)
{
	struct sockaddr_in sa = { 0 };
	struct pollfd p[2];
	int one = 1;

	signal(SIGPIPE, SIG_IGN);
	p[0].fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(p[0].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	sa.sin_family = AF_INET;
	sa.sin_port = htons(HTTP_PORT);
	if (bind(p[0].fd, (struct sockaddr *)&sa, sizeof sa) || listen(p[0].fd, 5))
		return 1;
	p[1].fd = open("/var/run/radar.fifo", O_RDONLY | O_NONBLOCK);
	p[0].events = p[1].events = POLLIN;
	next_upload = time(NULL) + 900;
	for (;;) {
		if (poll(p, 2, 1000) > 0) {
			if (p[0].revents & POLLIN) {
				int c = accept(p[0].fd, NULL, NULL);
				if (c >= 0) {
					web_client(c);
					close(c);
				}
			}
			if (p[1].revents & POLLIN)
				radar_input(p[1].fd);
		}
		if (time(NULL) >= next_upload) {
			next_upload = time(NULL) + setting_int("period", 60, 86400);
			if (setting("host")[0])
				upload();
		}
	}
}
