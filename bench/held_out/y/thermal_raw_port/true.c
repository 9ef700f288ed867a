/*
 * rawprn - raw port server for the 58 mm / 80 mm thermal printer boards
 *
 * Takes an ESC/POS stream from port 9100 and drives the head through
 * /dev/thermal. The stream is fed to the interpreter byte by byte, so that
 * it does not matter how the packets are cut.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <signal.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define RAW_PORT     9100
#define HEAD_DOTS    576
#define LINE_CHARS   48
#define NVIMG_BYTES  4096
#define IDLE_SECS    30

enum st { S_TEXT, S_ESC, S_GS, S_ESC_ARG, S_GS_V, S_GS_HDR, S_IMG, S_NV_LEN, S_NV };

struct interp {
	enum st       st;
	unsigned char op;
	unsigned char hdr[8];
	int           nhdr;
	char          line[LINE_CHARS + 1];
	int           col;
	int           bold, align, under;
	unsigned      width_bytes, rows, row, x;
	unsigned char raster[HEAD_DOTS / 8];
	unsigned char nvimg[NVIMG_BYTES];
	unsigned      nv_len, nv_pos;
	unsigned long lines_printed;
};

static struct interp ip;
static int head_fd = -1;
static int paper_out;

static void head_write(const void *p, size_t n)
{
	const unsigned char *b = p;

	while (n && head_fd >= 0) {
		ssize_t w = write(head_fd, b, n);
		if (w < 0) {
			if (errno == EINTR)
				continue;
			if (errno == ENOSPC)
				paper_out = 1;
			return;
		}
		b += w;
		n -= (size_t)w;
	}
}

static void flush_line(void)
{
	unsigned char tag[3];

	tag[0] = 'T';
	tag[1] = (unsigned char)((ip.bold << 4) | (ip.under << 2) | ip.align);
	tag[2] = (unsigned char)ip.col;
	head_write(tag, 3);
	head_write(ip.line, (size_t)ip.col);
	ip.col = 0;
	ip.lines_printed++;
}

static void put_char(unsigned char c)
{
	if (c < 0x20)
		return;
	ip.line[ip.col++] = (char)c;
	if (ip.col >= LINE_CHARS)
		flush_line();
}

static void reset_interp(void)
{
	ip.st = S_TEXT;
	ip.col = ip.bold = ip.align = ip.under = 0;
	ip.nhdr = 0;
}

/* GS v 0 m xL xH yL yH: raster image */
static void raster_begin(void)
{
	ip.width_bytes = ip.hdr[2] | ip.hdr[3] << 8;
	ip.rows = ip.hdr[4] | ip.hdr[5] << 8;
	ip.row = ip.x = 0;
	if (ip.width_bytes == 0 || ip.rows == 0)
		reset_interp();
	else
		ip.st = S_IMG;
}

static size_t raster_feed(const unsigned char *p, size_t n)
{
	size_t want = ip.width_bytes - ip.x;

	if (want > n)
		want = n;
	memcpy(ip.raster + ip.x, p, want);
	ip.x += want;
	if (ip.x == ip.width_bytes) {
		unsigned char tag[3];
		tag[0] = 'G';
		tag[1] = (unsigned char)ip.width_bytes;
		tag[2] = (unsigned char)(ip.width_bytes >> 8);
		head_write(tag, 3);
		head_write(ip.raster, ip.width_bytes);
		ip.x = 0;
		if (++ip.row == ip.rows)
			ip.st = S_TEXT;
	}
	return want;
}

static void esc_arg(unsigned char v)
{
	switch (ip.op) {
	case 'E': ip.bold = v & 1; break;
	case '-': ip.under = v & 3; break;
	case 'a': ip.align = v % 3; break;
	case 'd':
		if (ip.col)
			flush_line();
		while (v--)
			head_write("F", 1);
		break;
	}
	ip.st = S_TEXT;
}

static void feed_byte(unsigned char c)
{
	switch (ip.st) {
	case S_TEXT:
		if (c == 0x1b)
			ip.st = S_ESC;
		else if (c == 0x1d)
			ip.st = S_GS;
		else if (c == '\n')
			flush_line();
		else
			put_char(c);
		break;
	case S_ESC:
		ip.op = c;
		if (c == '@')
			reset_interp();
		else if (c == 'E' || c == '-' || c == 'a' || c == 'd')
			ip.st = S_ESC_ARG;
		else
			ip.st = S_TEXT;
		break;
	case S_ESC_ARG:
		esc_arg(c);
		break;
	case S_GS:
		ip.nhdr = 0;
		if (c == 'v')
			ip.st = S_GS_HDR;
		else if (c == '*')
			ip.st = S_NV_LEN;
		else if (c == 'V')
			ip.st = S_GS_V;
		else
			ip.st = S_TEXT;
		break;
	case S_GS_V:
		head_write("C", 1);
		ip.st = S_TEXT;
		break;
	case S_GS_HDR:
		ip.hdr[ip.nhdr++] = c;
		if (ip.nhdr == 6)
			raster_begin();
		break;
	case S_NV_LEN:
		ip.hdr[ip.nhdr++] = c;
		if (ip.nhdr == 2) {
			ip.nv_len = ip.hdr[0] | ip.hdr[1] << 8;
			ip.nv_pos = 0;
			ip.st = ip.nv_len && ip.nv_len <= NVIMG_BYTES ? S_NV : S_TEXT;
		}
		break;
	case S_NV:
		ip.nvimg[ip.nv_pos++] = c;
		if (ip.nv_pos == ip.nv_len)
			ip.st = S_TEXT;
		break;
	case S_IMG:
		break;
	}
}

static void feed(const unsigned char *p, size_t n)
{
	while (n) {
		size_t k = 1;
		if (ip.st == S_IMG)
			k = raster_feed(p, n);
		else
			feed_byte(*p);
		p += k;
		n -= k;
	}
}

static int listen_on(int port)
{
	struct sockaddr_in a;
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	memset(&a, 0, sizeof a);
	a.sin_family = AF_INET;
	a.sin_port = htons((unsigned short)port);
	if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 1) < 0)
		return -1;
	return s;
}

int main(void)
{
	struct pollfd pf[2];
	static unsigned char buf[1460];
	time_t last = 0;
	int job = -1, ls;

	signal(SIGPIPE, SIG_IGN);
	head_fd = open("/dev/thermal", O_WRONLY);
	if (head_fd < 0)
		fprintf(stderr, "rawprn: no head, dry run\n");
	ls = listen_on(RAW_PORT);
	if (ls < 0) {
		perror("rawprn");
		return 1;
	}
	for (;;) {
		pf[0].fd = job < 0 ? ls : -1;
		pf[1].fd = paper_out ? -1 : job;
		pf[0].events = pf[1].events = POLLIN;
		pf[0].revents = pf[1].revents = 0;
		if (poll(pf, 2, 1000) < 0 && errno != EINTR)
			return 1;
		if (pf[0].revents & POLLIN) {
			job = accept(ls, NULL, NULL);
			reset_interp();
			last = time(NULL);
		}
		if (job >= 0 && pf[1].revents) {
			ssize_t n = recv(job, buf, sizeof buf, 0);
			if (n > 0) {
				feed(buf, (size_t)n);
				last = time(NULL);
			} else {
				last = 0;
			}
		}
		if (job >= 0 && time(NULL) - last > IDLE_SECS) {
			fprintf(stderr, "rawprn: job end, %lu lines\n", ip.lines_printed);
			close(job);
			job = -1;
			paper_out = 0;
		}
	}
}
