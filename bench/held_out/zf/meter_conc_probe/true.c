/*
 * conc-linkd: head-end link of the meter data concentrator
 *
 * Frame on the wire (as the old GPRS one):
 *
 *	68h  len  len  68h  ctl  seq  body[len - 2]  sum  16h
 *
 * The receiver must never wait for the PLC modem, so anything that takes
 * time is put in the work queue.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <pthread.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define LINK_PORT	7300
#define FRAME_START	0x68
#define FRAME_END	0x16
#define BODY_MAX	253
#define WORK_LIMIT	32
#define METER_MAX	512

enum {
	CTL_LINK_TEST	= 0x01,
	CTL_CLOCK	= 0x08,
	CTL_METER_ADD	= 0x10,
	CTL_METER_DEL	= 0x11,
	CTL_METER_PROBE	= 0x12,
	CTL_STATS	= 0x20,
};

enum { ST_OK, ST_FORMAT, ST_BUSY, ST_UNKNOWN };

struct work {
	STAILQ_ENTRY(work) next;
	void (*run)(struct work *w);
	int phase;
	char ident[32];
};

struct meter {
	uint8_t addr[6];
	uint8_t in_use;
	time_t last_seen;
};

static STAILQ_HEAD(, work) work_head = STAILQ_HEAD_INITIALIZER(work_head);
static pthread_mutex_t work_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_cond = PTHREAD_COND_INITIALIZER;
static int work_count;

static struct meter meters[METER_MAX];
static struct {
	unsigned int frames;
	unsigned int bad_sum;
	unsigned int probes;
	unsigned int probe_fail;
} stats;

static void link_log(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "<6>linkd[%d]: ", getpid());
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static int work_push(struct work *w)
{
	int ret = 0;

	pthread_mutex_lock(&work_lock);
	if (work_count >= WORK_LIMIT) {
		ret = -EBUSY;
		goto out;
	}
	STAILQ_INSERT_TAIL(&work_head, w, next);
	work_count++;
	pthread_cond_signal(&work_cond);
out:
	pthread_mutex_unlock(&work_lock);
	return ret;
}

static struct work *work_pop(void)
{
	struct work *w;

	pthread_mutex_lock(&work_lock);
	while (STAILQ_EMPTY(&work_head))
		pthread_cond_wait(&work_cond, &work_lock);
	w = STAILQ_FIRST(&work_head);
	STAILQ_REMOVE_HEAD(&work_head, next);
	work_count--;
	pthread_mutex_unlock(&work_lock);
	return w;
}

static void run_probe(struct work *w)
{
	char *cmd = NULL;
	char line[96];
	FILE *pipe;

	if (asprintf(&cmd, "/usr/sbin/plcping -q -n 3 -p %d %s", w->phase, w->ident) < 0)
		return;
	stats.probes++;
	pipe = popen(cmd, "r");
	if (!pipe)
		goto out;
	while (fgets(line, sizeof(line), pipe)) {
		line[strcspn(line, "\n")] = '\0';
		link_log("probe %s", line);
	}
	if (pclose(pipe) != 0)
		stats.probe_fail++;
out:
	free(cmd);
}

static void run_save(struct work *w)
{
	FILE *f = fopen("/var/lib/conc/meters", "w");
	int i, j;

	(void)w;
	if (!f)
		return;
	for (i = 0; i < METER_MAX; i++) {
		if (!meters[i].in_use)
			continue;
		for (j = 5; j >= 0; j--)
			fprintf(f, "%02x", meters[i].addr[j]);
		fputc('\n', f);
	}
	fclose(f);
}

static void *worker(void *arg)
{
	struct work *w;

	for (;;) {
		w = work_pop();
		w->run(w);
		free(w);
	}
	return arg;
}

static int queue_save(void)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w)
		return ST_BUSY;
	w->run = run_save;
	if (work_push(w)) {
		free(w);
		return ST_BUSY;
	}
	return ST_OK;
}

/* The ident goes to a command line */
static int ident_ok(const char *s)
{
	if (!*s || *s == '-')
		return 0;
	for (; *s; s++) {
		switch (*s) {
		case ';':
		case '|':
		case '&':
		case '<':
		case '>':
		case '\'':
		case '"':
		case '\\':
		case ' ':
		case '\n':
			return 0;
		}
	}
	return 1;
}

static int on_link_test(const uint8_t *body, size_t len)
{
	(void)body;
	return len == 0 ? ST_OK : ST_FORMAT;
}

static int on_clock(const uint8_t *body, size_t len)
{
	struct timespec ts = { 0, 0 };

	if (len != 4)
		return ST_FORMAT;
	ts.tv_sec = (time_t)((uint32_t)body[0] << 24 | (uint32_t)body[1] << 16 |
			     (uint32_t)body[2] << 8 | body[3]);
	if (clock_settime(CLOCK_REALTIME, &ts))
		link_log("clock: %s", strerror(errno));
	return ST_OK;
}

static struct meter *meter_find(const uint8_t *addr)
{
	int i;

	for (i = 0; i < METER_MAX; i++)
		if (meters[i].in_use && !memcmp(meters[i].addr, addr, 6))
			return &meters[i];
	return NULL;
}

static int on_meter_add(const uint8_t *body, size_t len)
{
	int i;

	if (len != 6)
		return ST_FORMAT;
	if (meter_find(body))
		return ST_OK;
	for (i = 0; i < METER_MAX; i++) {
		if (meters[i].in_use)
			continue;
		memcpy(meters[i].addr, body, 6);
		meters[i].in_use = 1;
		return queue_save();
	}
	return ST_BUSY;
}

static int on_meter_del(const uint8_t *body, size_t len)
{
	struct meter *m;

	if (len != 6)
		return ST_FORMAT;
	m = meter_find(body);
	if (!m)
		return ST_UNKNOWN;
	m->in_use = 0;
	return queue_save();
}

/* body: phase(1) ident(1..24 characters, maker and serial number) */
static int on_meter_probe(const uint8_t *body, size_t len)
{
	struct work *w;

	if (len < 2 || len > 25 || body[0] < 1 || body[0] > 3)
		return ST_FORMAT;
	w = calloc(1, sizeof(*w));
	if (!w)
		return ST_BUSY;
	w->run = run_probe;
	w->phase = body[0];
	memcpy(w->ident, body + 1, len - 1);
	if (!ident_ok(w->ident)) {
		link_log("probe: ident refused");
		free(w);
		return ST_FORMAT;
	}
	if (work_push(w)) {
		free(w);
		return ST_BUSY;
	}
	return ST_OK;
}

static int on_stats(const uint8_t *body, size_t len)
{
	(void)body;
	(void)len;
	link_log("frames %u bad %u probes %u failed %u queue %d", stats.frames,
		 stats.bad_sum, stats.probes, stats.probe_fail, work_count);
	return ST_OK;
}

static int dispatch(uint8_t ctl, const uint8_t *body, size_t len)
{
	static const struct {
		uint8_t ctl;
		int (*fn)(const uint8_t *body, size_t len);
	} tab[] = {
		{ CTL_LINK_TEST,	on_link_test },
		{ CTL_CLOCK,		on_clock },
		{ CTL_METER_ADD,	on_meter_add },
		{ CTL_METER_DEL,	on_meter_del },
		{ CTL_METER_PROBE,	on_meter_probe },
		{ CTL_STATS,		on_stats },
	};
	size_t i;

	for (i = 0; i < sizeof(tab) / sizeof(tab[0]); i++)
		if (tab[i].ctl == ctl)
			return tab[i].fn(body, len);
	return ST_UNKNOWN;
}

static int get_bytes(int fd, uint8_t *p, size_t n)
{
	ssize_t r;

	while (n) {
		r = recv(fd, p, n, 0);
		if (r <= 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static void serve(int fd)
{
	uint8_t head[4], buf[BODY_MAX + 2 + 2], ack[9];
	uint8_t sum;
	int i, len;

	while (!get_bytes(fd, head, sizeof(head))) {
		len = head[1];
		if (head[0] != FRAME_START || head[3] != FRAME_START ||
		    head[1] != head[2] || len < 2)
			return;
		if (get_bytes(fd, buf, (size_t)len + 2) || buf[len + 1] != FRAME_END)
			return;
		stats.frames++;
		for (sum = 0, i = 0; i < len; i++)
			sum += buf[i];
		if (sum != buf[len]) {
			stats.bad_sum++;
			continue;
		}
		ack[0] = ack[3] = FRAME_START;
		ack[1] = ack[2] = 3;
		ack[4] = buf[0] | 0x80;
		ack[5] = buf[1];
		ack[6] = (uint8_t)dispatch(buf[0], buf + 2, (size_t)len - 2);
		ack[7] = (uint8_t)(ack[4] + ack[5] + ack[6]);
		ack[8] = FRAME_END;
		if (send(fd, ack, sizeof(ack), 0) < 0)
			return;
	}
}

int main(void)
{
	struct sockaddr_in sin;
	pthread_t tid;
	int srv, fd, one = 1;

	signal(SIGPIPE, SIG_IGN);
	srv = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(srv, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(LINK_PORT);
	if (bind(srv, (struct sockaddr *)&sin, sizeof(sin)) || listen(srv, 1)) {
		link_log("bind: %s", strerror(errno));
		return 1;
	}
	if (pthread_create(&tid, NULL, worker, NULL))
		return 1;
	while ((fd = accept(srv, NULL, NULL)) >= 0) {
		link_log("head-end connected");
		serve(fd);
		close(fd);
	}
	return 1;
}
