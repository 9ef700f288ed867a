/*
 *  ledsignd -- upload service of the shop window LED sign
 *
 *  PUT /slot/<n>   (chunked or with a length) stores a picture or an animation
 *  GET /info       geometry and brightness
 *  POST /level/<n> brightness
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SIGN_PORT   8010
#define SLOTS       16
#define MAX_CHUNK   65536
#define MAX_SLOT    (2L * 1024 * 1024)

struct conn {
	int   fd;
	size_t pos, fill;
	char  buf[2048];
};

struct req {
	char  method[8];
	char  path[128];
	int   chunked;
	long  length;
};

static struct {
	long  bytes;
	time_t stored;
} slot[SLOTS];

static int level = 70;
static int show_slot;
static volatile sig_atomic_t rotate;

static int refill(struct conn *c)
{
	ssize_t n;

	do
		n = read(c->fd, c->buf, sizeof c->buf);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -1;
	c->pos = 0;
	c->fill = (size_t)n;
	return 0;
}

static int get_line(struct conn *c, char *line, size_t size)
{
	size_t n = 0;

	for (;;) {
		char ch;

		if (c->pos == c->fill && refill(c) < 0)
			return -1;
		ch = c->buf[c->pos++];
		if (ch == '\n')
			break;
		if (ch != '\r' && n + 1 < size)
			line[n++] = ch;
	}
	line[n] = '\0';
	return (int)n;
}

/* what is still buffered first, the rest right from the socket */
static int get_bytes(struct conn *c, char *dst, size_t want)
{
	size_t n = c->fill - c->pos;

	if (n > want)
		n = want;
	memcpy(dst, c->buf + c->pos, n);
	c->pos += n;
	while (n < want) {
		ssize_t r = read(c->fd, dst + n, want - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		n += (size_t)r;
	}
	return 0;
}

static void answer(struct conn *c, int code, const char *text)
{
	char out[512];
	int n = snprintf(out, sizeof out,
			 "HTTP/1.1 %d %s\r\nServer: ledsignd\r\n"
			 "Content-Length: %u\r\nConnection: close\r\n\r\n%s",
			 code, code < 300 ? "OK" : "Failed",
			 (unsigned)strlen(text), text);

	if (n > 0 && n < (int)sizeof out && write(c->fd, out, (size_t)n) != n)
		syslog(LOG_DEBUG, "short answer");
}

static int store(int out, const char *p, size_t n, long *total)
{
	if (*total + (long)n > MAX_SLOT)
		return -1;
	if (write(out, p, n) != (ssize_t)n)
		return -1;
	*total += (long)n;
	return 0;
}

static long put_plain(struct conn *c, int out, long length)
{
	char block[1024];
	long total = 0;

	while (total < length) {
		size_t n = (size_t)(length - total);

		if (n > sizeof block)
			n = sizeof block;
		if (get_bytes(c, block, n) < 0 || store(out, block, n, &total) < 0)
			return -1;
	}
	return total;
}

static long put_chunked(struct conn *c, int out)
{
	char block[1024];
	char line[64];
	long total = 0;

	for (;;) {
		unsigned long left;

		if (get_line(c, line, sizeof line) < 0)
			return -1;
		if (!isxdigit((unsigned char)line[0]))
			return -1;
		left = strtoul(line, NULL, 16);
		if (left == 0)
			break;
		if (left > MAX_CHUNK)
			return -1;
		while (left > 0) {
			size_t n = left;

			if (n > sizeof block)
				n = sizeof block;
			if (get_bytes(c, block, n) < 0 || store(out, block, n, &total) < 0)
				return -1;
			left -= n;
		}
		if (get_line(c, line, sizeof line) != 0)
			return -1;
	}
	while (get_line(c, line, sizeof line) > 0)
		;
	return total;
}

static void h_put(struct conn *c, struct req *r, int no)
{
	char tmp[64], name[64];
	long n;
	int out;

	if (no < 0 || no >= SLOTS) {
		answer(c, 404, "slot\n");
		return;
	}
	snprintf(tmp, sizeof tmp, "/data/sign/slot%d.new", no);
	snprintf(name, sizeof name, "/data/sign/slot%d", no);
	out = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (out < 0) {
		answer(c, 500, "flash\n");
		return;
	}
	n = r->chunked ? put_chunked(c, out) : put_plain(c, out, r->length);
	close(out);
	if (n <= 0 || rename(tmp, name) < 0) {
		unlink(tmp);
		answer(c, 400, "upload\n");
		return;
	}
	slot[no].bytes = n;
	slot[no].stored = time(NULL);
	syslog(LOG_INFO, "slot %d: %ld bytes", no, n);
	answer(c, 201, "stored\n");
}

static void h_info(struct conn *c, struct req *r, int no)
{
	char text[256];
	int i, used = 0;

	(void)r;
	(void)no;
	for (i = 0; i < SLOTS; i++)
		used += slot[i].bytes > 0;
	snprintf(text, sizeof text, "size=128x32\nlevel=%d\nused=%d\nshow=%d\n",
		 level, used, show_slot);
	answer(c, 200, text);
}

static void h_level(struct conn *c, struct req *r, int no)
{
	(void)r;
	if (no < 0 || no > 100) {
		answer(c, 400, "level\n");
		return;
	}
	level = no;
	answer(c, 200, "ok\n");
}

static const struct route {
	const char *method;
	const char *prefix;
	void (*fn)(struct conn *c, struct req *r, int no);
} routes[] = {
	{ "PUT",  "/slot/",  h_put },
	{ "GET",  "/info",   h_info },
	{ "POST", "/level/", h_level },
	{ NULL, NULL, NULL }
};

static void serve(int fd)
{
	struct conn c = { .fd = fd };
	struct req r;
	char line[512];
	const struct route *rt;
	struct timeval tv = { 15, 0 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	memset(&r, 0, sizeof r);
	if (get_line(&c, line, sizeof line) <= 0 ||
	    sscanf(line, "%7s %127s", r.method, r.path) != 2)
		return;
	while (get_line(&c, line, sizeof line) > 0) {
		if (!strncasecmp(line, "Content-Length:", 15))
			r.length = strtol(line + 15, NULL, 10);
		else if (!strncasecmp(line, "Transfer-Encoding:", 18))
			r.chunked = strcasestr(line + 18, "chunked") != NULL;
		else if (!strncasecmp(line, "Expect:", 7) &&
			 write(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25) != 25)
			return;
	}
	for (rt = routes; rt->method; rt++) {
		size_t n = strlen(rt->prefix);

		if (strcmp(rt->method, r.method) || strncmp(rt->prefix, r.path, n))
			continue;
		rt->fn(&c, &r, isdigit((unsigned char)r.path[n]) ? atoi(r.path + n) : -1);
		return;
	}
	answer(&c, 404, "path\n");
}

static void on_alarm(int sig)
{
	(void)sig;
	rotate = 1;
}

static void next_picture(void)
{
	int i;

	rotate = 0;
	for (i = 1; i <= SLOTS; i++) {
		int s = (show_slot + i) % SLOTS;

		if (slot[s].bytes > 0) {
			char target[64];

			snprintf(target, sizeof target, "slot%d", s);
			unlink("/data/sign/current");
			if (symlink(target, "/data/sign/current") == 0)
				show_slot = s;
			return;
		}
	}
}

int main(void)
{
	struct sockaddr_in me = { .sin_family = AF_INET, .sin_port = htons(SIGN_PORT) };
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval it = { { 10, 0 }, { 10, 0 } };
	int on = 1, s;

	openlog("ledsignd", LOG_PID, LOG_DAEMON);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 3) < 0) {
		syslog(LOG_ERR, "cannot listen: %m");
		return 1;
	}
	for (;;) {
		int fd = accept(s, NULL, NULL);

		if (fd >= 0) {
			serve(fd);
			close(fd);
		}
		if (rotate)
			next_picture();
	}
}
