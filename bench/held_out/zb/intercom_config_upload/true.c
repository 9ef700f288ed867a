/* icom-web: configuration upload of the video intercom */
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HTTP_PORT	8000
#define LINE_LEN	512
#define MAX_APTS	40
#define RING_DEFAULT	25

struct apt {
	unsigned number;
	char name[24];
	char sip[48];
};

struct config {
	struct apt apt[MAX_APTS];
	int n_apts;
	int ring_secs;
	int volume;
	time_t applied;
};

struct http_req {
	int fd;
	char method[8];
	char path[64];
	int content_length;
	int is_form;
};

static struct config cfg = { .ring_secs = RING_DEFAULT, .volume = 5 };
static volatile sig_atomic_t save_due;

static void trace(const char *fmt, ...)
{
	char msg[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	fprintf(stderr, "icom-web: %s\n", msg);
}

static int read_n(int fd, char *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		size_t part = n - got > 1024 ? 1024 : n - got;
		ssize_t r = read(fd, p + got, part);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		got += (size_t)r;
	}
	return (int)got;
}

static int read_line(int fd, char *line, size_t cap)
{
	size_t n = 0;
	char c;

	for (;;) {
		ssize_t r = read(fd, &c, 1);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		if (c == '\n')
			break;
		if (c != '\r' && n + 1 < cap)
			line[n++] = c;
	}
	line[n] = '\0';
	return (int)n;
}

static void respond(struct http_req *r, int code, const char *fmt, ...)
{
	char body[300], head[128];
	va_list ap;
	int n, h;

	va_start(ap, fmt);
	n = vsnprintf(body, sizeof(body), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(body))
		n = sizeof(body) - 1;
	h = snprintf(head, sizeof(head), "HTTP/1.0 %d Intercom\r\nContent-Length: %d\r\n\r\n", code, n);
	send(r->fd, head, (size_t)h, MSG_NOSIGNAL);
	send(r->fd, body, (size_t)n, MSG_NOSIGNAL);
}

/* one line of a configuration: "apt 12 Miller sip:12@10.0.0.2", "ring 30" */
static int config_line(struct config *c, const char *line)
{
	struct apt a;
	int v;

	while (isspace((unsigned char)*line))
		line++;
	if (*line == '\0' || *line == '#')
		return 0;
	if (sscanf(line, "apt %u %23s %47s", &a.number, a.name, a.sip) == 3) {
		if (c->n_apts >= MAX_APTS)
			return -1;
		c->apt[c->n_apts++] = a;
		return 0;
	}
	if (sscanf(line, "ring %d", &v) == 1 && v >= 5 && v <= 120) {
		c->ring_secs = v;
		return 0;
	}
	if (sscanf(line, "volume %d", &v) == 1 && v >= 0 && v <= 10) {
		c->volume = v;
		return 0;
	}
	return -1;
}

static void do_upload(struct http_req *r)
{
	char body[4096];
	char *line, *save = NULL;
	struct config fresh;
	int n, bad = 0;

	if (r->content_length > (int)sizeof(body) - 1) {
		respond(r, 413, "configuration too large\n");
		return;
	}
	n = read_n(r->fd, body, (size_t)r->content_length);
	if (n != r->content_length) {
		respond(r, 400, "short body\n");
		return;
	}
	body[n] = '\0';
	memset(&fresh, 0, sizeof(fresh));
	fresh.ring_secs = RING_DEFAULT;
	fresh.volume = cfg.volume;
	for (line = strtok_r(body, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
		if (config_line(&fresh, line) < 0)
			bad++;
	if (bad) {
		respond(r, 422, "%d lines not understood\n", bad);
		return;
	}
	fresh.applied = time(NULL);
	cfg = fresh;
	alarm(2);
	trace("%d apartments, ring %d s", cfg.n_apts, cfg.ring_secs);
	respond(r, 200, "%d apartments\n", cfg.n_apts);
}

static void do_show(struct http_req *r)
{
	respond(r, 200, "apartments %d\nring %d\nvolume %d\napplied %ld\n",
		cfg.n_apts, cfg.ring_secs, cfg.volume, (long)cfg.applied);
}

static void do_reset(struct http_req *r)
{
	memset(&cfg, 0, sizeof(cfg));
	cfg.ring_secs = RING_DEFAULT;
	alarm(2);
	respond(r, 200, "reset\n");
}

static void (*lookup(const struct http_req *r))(struct http_req *)
{
	static const struct {
		const char *method, *path;
		void (*fn)(struct http_req *);
	} table[] = {
		{ "POST", "/config", do_upload },
		{ "GET", "/config", do_show },
		{ "POST", "/reset", do_reset },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(r->method, table[i].method) && !strcmp(r->path, table[i].path))
			return table[i].fn;
	return NULL;
}

static void client(int fd)
{
	struct http_req r = { .fd = fd };
	void (*fn)(struct http_req *);
	char line[LINE_LEN];

	if (read_line(fd, line, sizeof(line)) <= 0)
		return;
	if (sscanf(line, "%7s %63s", r.method, r.path) != 2)
		return;
	while (read_line(fd, line, sizeof(line)) > 0) {
		if (!strncasecmp(line, "Content-Length:", 15))
			r.content_length = atoi(line + 15);
		else if (!strncasecmp(line, "Content-Type:", 13))
			r.is_form = strstr(line, "form") != NULL;
	}
	fn = lookup(&r);
	if (!fn)
		respond(&r, 404, "no %s\n", r.path);
	else if (r.is_form)
		respond(&r, 415, "plain text, please\n");
	else
		fn(&r);
}

static void on_alarm(int sig)
{
	(void)sig;
	save_due = 1;
}

static void save_config(void)
{
	FILE *f = fopen("/etc/icom.conf", "w");
	int i;

	if (!f)
		return;
	fprintf(f, "ring %d\nvolume %d\n", cfg.ring_secs, cfg.volume);
	for (i = 0; i < cfg.n_apts; i++)
		fprintf(f, "apt %u %s %s\n", cfg.apt[i].number, cfg.apt[i].name, cfg.apt[i].sip);
	fclose(f);
}

static void load_config(void)
{
	FILE *f = fopen("/etc/icom.conf", "r");
	char line[LINE_LEN];

	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		config_line(&cfg, line);
	fclose(f);
}

int main(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct timeval tv = { 10, 0 };
	struct sigaction act;
	int ls, fd, on = 1;

	memset(&act, 0, sizeof(act));
	act.sa_handler = on_alarm;
	sigaction(SIGALRM, &act, NULL);
	load_config();
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	sa.sin_port = htons(HTTP_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 4) < 0) {
		trace("bind: %s", strerror(errno));
		return 1;
	}
	for (;;) {
		fd = accept(ls, NULL, NULL);
		if (fd >= 0) {
			setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
			client(fd);
			close(fd);
		}
		if (save_due) {
			save_due = 0;
			save_config();
		}
	}
}
