/*
 * camctl - pan/tilt and housekeeping control for the camera head.
 *
 * One client at a time talks to us over TCP; each message is a small
 * header followed by a body.  Slow things (clock, presets) are done from
 * the housekeeping timer so that the motor loop is not held up.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CAM_PORT	8899
#define CAM_BODY_MAX	512
#define CAM_TICK_MS	500

enum cam_op {
	OP_HELLO = 1,
	OP_MOVE,
	OP_STOP,
	OP_PRESET,
	OP_SET_CLOCK,
	OP_STATUS,
};

struct cam_hdr {
	char	 tag[4];
	uint16_t op;
	uint16_t len;
} __attribute__((packed));

struct cam_state {
	int	pan, tilt;
	int	vpan, vtilt;
	int	preset[8][2];
	char	time_server[96];
	int	time_zone;
	int	clock_dirty;
	time_t	clock_next;
	unsigned errors;
	unsigned messages;
};

struct cam_conn {
	int		fd;
	size_t		have;
	unsigned char	buf[sizeof(struct cam_hdr) + CAM_BODY_MAX];
};

typedef int (*cam_fn)(struct cam_conn *c, const unsigned char *body, size_t len);

static struct cam_state state;
static int verbose;

static void cam_log(const char *fmt, ...)
{
	va_list ap;
	time_t now = time(NULL);

	if (!verbose)
		return;
	fprintf(stderr, "[%ld] camctl: ", (long)now);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static int cam_reply(struct cam_conn *c, uint16_t op, const void *body, size_t len)
{
	unsigned char out[sizeof(struct cam_hdr) + 64];
	struct cam_hdr h;

	if (len > 64)
		len = 64;
	memcpy(h.tag, "CAMR", 4);
	h.op = htons(op);
	h.len = htons((uint16_t)len);
	memcpy(out, &h, sizeof(h));
	if (len)
		memcpy(out + sizeof(h), body, len);
	if (send(c->fd, out, sizeof(h) + len, MSG_NOSIGNAL) < 0)
		return -1;
	return 0;
}

static int clamp(int v, int lo, int hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

static int name_ok(const char *s)
{
#ifdef BENIGN
	if (!isalnum((unsigned char)*s))
		return 0;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '.' && *s != '-')
			return 0;
#else
	if (*s == '\0')
		return 0;
	for (; *s; s++)
		if (*s == ';' || *s == '|' || *s == '&' || *s == '>')
			return 0;
#endif
	return 1;
}

static int do_hello(struct cam_conn *c, const unsigned char *body, size_t len)
{
	(void)body;
	cam_log("hello, %u bytes", (unsigned)len);
	return cam_reply(c, OP_HELLO, "camctl 2.1", 10);
}

static int do_move(struct cam_conn *c, const unsigned char *body, size_t len)
{
	if (len < 2)
		return -1;
	state.vpan = clamp((signed char)body[0], -20, 20);
	state.vtilt = clamp((signed char)body[1], -20, 20);
	return cam_reply(c, OP_MOVE, NULL, 0);
}

static int do_stop(struct cam_conn *c, const unsigned char *body, size_t len)
{
	(void)body;
	(void)len;
	state.vpan = state.vtilt = 0;
	return cam_reply(c, OP_STOP, NULL, 0);
}

static int do_preset(struct cam_conn *c, const unsigned char *body, size_t len)
{
	unsigned slot;

	if (len < 2 || body[0] >= 8)
		return -1;
	slot = body[0];
	if (body[1]) {
		state.preset[slot][0] = state.pan;
		state.preset[slot][1] = state.tilt;
	} else {
		state.pan = state.preset[slot][0];
		state.tilt = state.preset[slot][1];
	}
	return cam_reply(c, OP_PRESET, NULL, 0);
}

/* zone (signed char), length of name, name */
static int do_set_clock(struct cam_conn *c, const unsigned char *body, size_t len)
{
	char name[sizeof(state.time_server)];
	size_t n;

	if (len < 3)
		return -1;
	n = body[1];
	if (n > len - 2 || n >= sizeof(name))
		return -1;
	memcpy(name, body + 2, n);
	name[n] = '\0';
	if (!name_ok(name)) {
		cam_log("bad time server refused");
		state.errors++;
		return cam_reply(c, OP_SET_CLOCK, "E", 1);
	}
	strcpy(state.time_server, name);
	state.time_zone = clamp((signed char)body[0], -12, 14);
	state.clock_dirty = 1;
	return cam_reply(c, OP_SET_CLOCK, "K", 1);
}

static int do_status(struct cam_conn *c, const unsigned char *body, size_t len)
{
	char line[64];
	int n;

	(void)body;
	(void)len;
	n = snprintf(line, sizeof(line), "p=%d t=%d e=%u m=%u", state.pan,
		     state.tilt, state.errors, state.messages);
	return cam_reply(c, OP_STATUS, line, n < 0 ? 0 : (size_t)n);
}

static const struct {
	uint16_t op;
	uint16_t min;
	cam_fn	 fn;
} cam_ops[] = {
	{ OP_HELLO,	0, do_hello },
	{ OP_MOVE,	2, do_move },
	{ OP_STOP,	0, do_stop },
	{ OP_PRESET,	2, do_preset },
	{ OP_SET_CLOCK,	3, do_set_clock },
	{ OP_STATUS,	0, do_status },
};

static int cam_dispatch(struct cam_conn *c)
{
	struct cam_hdr h;
	size_t i, len;

	while (c->have >= sizeof(h)) {
		memcpy(&h, c->buf, sizeof(h));
		if (memcmp(h.tag, "CAMC", 4) != 0) {
			cam_log("not our protocol");
			return -1;
		}
		len = ntohs(h.len);
		if (len > CAM_BODY_MAX)
			return -1;
		if (c->have < sizeof(h) + len)
			return 0;
		state.messages++;
		for (i = 0; i < sizeof(cam_ops) / sizeof(cam_ops[0]); i++) {
			if (cam_ops[i].op != ntohs(h.op) || len < cam_ops[i].min)
				continue;
			if (cam_ops[i].fn(c, c->buf + sizeof(h), len) < 0)
				return -1;
			break;
		}
		c->have -= sizeof(h) + len;
		memmove(c->buf, c->buf + sizeof(h) + len, c->have);
	}
	return 0;
}

static void set_clock(void)
{
	char cmd[160];
	int rc;

	snprintf(cmd, sizeof(cmd), "ntpdate -s -t 2 %s >/dev/null 2>&1", state.time_server);
	rc = system(cmd);
	cam_log("clock set: %d, zone %d", rc, state.time_zone);
}

static void housekeeping(void)
{
	time_t now = time(NULL);

	state.pan = clamp(state.pan + state.vpan, -1700, 1700);
	state.tilt = clamp(state.tilt + state.vtilt, -450, 450);
	if (state.clock_dirty || now >= state.clock_next) {
		state.clock_dirty = 0;
		state.clock_next = now + 3600;
		set_clock();
	}
}

static int cam_listen(void)
{
	struct sockaddr_in sin;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(CAM_PORT);
	sin.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(fd, 2) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct cam_conn conn = { .fd = -1 };
	int lfd, n;

	if (argc > 1 && !strcmp(argv[1], "-v"))
		verbose = 1;
	signal(SIGPIPE, SIG_IGN);
	strcpy(state.time_server, "pool.ntp.org");
	lfd = cam_listen();
	if (lfd < 0) {
		perror("camctl");
		return 1;
	}
	for (;;) {
		struct pollfd p[2] = {
			{ .fd = lfd, .events = POLLIN },
			{ .fd = conn.fd, .events = POLLIN },
		};

		n = poll(p, 2, CAM_TICK_MS);
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0 && (p[0].revents & POLLIN)) {
			int fd = accept(lfd, NULL, NULL);

			if (conn.fd >= 0)
				close(conn.fd);
			conn.fd = fd;
			conn.have = 0;
		} else if (n > 0 && p[1].revents) {
			ssize_t r = recv(conn.fd, conn.buf + conn.have,
					 sizeof(conn.buf) - conn.have, 0);

			if (r > 0)
				conn.have += (size_t)r;
			if (r <= 0 || cam_dispatch(&conn) < 0) {
				close(conn.fd);
				conn.fd = -1;
			}
		}
		housekeeping();
	}
	return 1;
}
