/*
 * dockd - offload service of the eight bay body-worn camera dock
 *
 * Cameras speak a small framed protocol on the USB network of the dock:
 *   "BWC1" | type (be16) | flags (be16) | body length (be32) | body
 * The body of a HELLO / CLIP / COMMIT frame is a list of TLVs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>
#include <ctype.h>
#include <errno.h>
#include <time.h>
#include <signal.h>
#include <pthread.h>
#include <syslog.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define DOCK_PORT      5170
#define FRAME_HDR      12
#define FRAME_MAX      2048
#define STORE_ROOT     "/mnt/evidence"

enum { FT_HELLO = 1, FT_CLIP = 2, FT_COMMIT = 3, FT_BYE = 4 };
enum { TAG_SERIAL = 0x01, TAG_BADGE = 0x02, TAG_BATTERY = 0x03, TAG_CLIPLEN = 0x04, TAG_CLOCK = 0x05 };

struct bay_session {
	int      fd;
	int      bay;
	char     serial[24];
	char     badge[64];
	int      battery;
	uint32_t clip_bytes;
	int32_t  clock_skew;
	unsigned frames;
};

struct offload_job {
	struct offload_job *next;
	int    bay;
	char   badge[64];
	uint32_t bytes;
	time_t queued;
};

static pthread_mutex_t q_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  q_wait = PTHREAD_COND_INITIALIZER;
static struct offload_job *q_head, *q_tail;
static unsigned long jobs_done, jobs_failed;
static int verbose;

static void dlog(int prio, const char *fmt, ...)
{
	va_list ap;
	char line[256];

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (verbose)
		fprintf(stderr, "dockd: %s\n", line);
	syslog(prio, "%s", line);
}

static uint16_t be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int read_full(int fd, uint8_t *dst, size_t want)
{
	size_t got = 0;

	while (got < want) {
		ssize_t n = recv(fd, dst + got, want - got, 0);
		if (n == 0)
			return -1;
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		got += (size_t)n;
	}
	return 0;
}

/* ---- TLV handlers ------------------------------------------------ */

static int tlv_serial(struct bay_session *s, const uint8_t *v, unsigned len)
{
	if (len == 0 || len >= sizeof s->serial)
		return -1;
	memcpy(s->serial, v, len);
	s->serial[len] = '\0';
	return 0;
}

static int badge_ok(const char *b)
{
	/* badge becomes a directory name: letters, digits, dash, underscore */
	if (*b == '\0')
		return 0;
	for (; *b; b++)
		if (!((*b >= '0' && *b <= '9') || (*b >= 'A' && *b <= 'Z') ||
		      (*b >= 'a' && *b <= 'z') || *b == '-' || *b == '_'))
			return 0;
	return 1;
}

static int tlv_badge(struct bay_session *s, const uint8_t *v, unsigned len)
{
	char tmp[64];

	if (len >= sizeof tmp)
		return -1;
	memcpy(tmp, v, len);
	tmp[len] = '\0';
	if (!badge_ok(tmp)) {
		dlog(LOG_WARNING, "bay %d: badge refused", s->bay);
		return -1;
	}
	strcpy(s->badge, tmp);
	return 0;
}

static int tlv_battery(struct bay_session *s, const uint8_t *v, unsigned len)
{
	if (len != 1 || v[0] > 100)
		return -1;
	s->battery = v[0];
	return 0;
}

static int tlv_cliplen(struct bay_session *s, const uint8_t *v, unsigned len)
{
	if (len != 4)
		return -1;
	s->clip_bytes += be32(v);
	return 0;
}

static int tlv_clock(struct bay_session *s, const uint8_t *v, unsigned len)
{
	if (len != 4)
		return -1;
	s->clock_skew = (int32_t)((uint32_t)time(NULL) - be32(v));
	return 0;
}

static const struct {
	uint8_t tag;
	const char *name;
	int (*fn)(struct bay_session *, const uint8_t *, unsigned);
} tlv_table[] = {
	{ TAG_SERIAL,  "serial",  tlv_serial  },
	{ TAG_BADGE,   "badge",   tlv_badge   },
	{ TAG_BATTERY, "battery", tlv_battery },
	{ TAG_CLIPLEN, "cliplen", tlv_cliplen },
	{ TAG_CLOCK,   "clock",   tlv_clock   },
};

static int walk_tlvs(struct bay_session *s, const uint8_t *p, size_t left)
{
	while (left >= 2) {
		uint8_t tag = p[0];
		unsigned len = p[1], i;

		if (len + 2 > left)
			return -1;
		for (i = 0; i < sizeof tlv_table / sizeof tlv_table[0]; i++) {
			if (tlv_table[i].tag != tag)
				continue;
			if (tlv_table[i].fn(s, p + 2, len) < 0) {
				dlog(LOG_NOTICE, "bay %d: bad %s", s->bay, tlv_table[i].name);
				return -1;
			}
			break;
		}
		p += len + 2;
		left -= len + 2;
	}
	return left ? -1 : 0;
}

/* ---- offload queue ----------------------------------------------- */

static int enqueue(const struct bay_session *s)
{
	struct offload_job *j = calloc(1, sizeof *j);

	if (!j)
		return -1;
	j->bay = s->bay;
	j->bytes = s->clip_bytes;
	j->queued = time(NULL);
	memcpy(j->badge, s->badge, sizeof j->badge);
	pthread_mutex_lock(&q_lock);
	if (q_tail)
		q_tail->next = j;
	else
		q_head = j;
	q_tail = j;
	pthread_cond_signal(&q_wait);
	pthread_mutex_unlock(&q_lock);
	return 0;
}

static int run_offload(const struct offload_job *j)
{
	char cmd[320], line[128];
	FILE *p;
	int files = 0;

	snprintf(cmd, sizeof cmd,
		 "mkdir -p " STORE_ROOT "/%s && find /media/bay%d -name '*.mp4' -exec mv -v {} "
		 STORE_ROOT "/%s/ \\;", j->badge, j->bay, j->badge);
	p = popen(cmd, "r");
	if (!p)
		return -1;
	while (fgets(line, sizeof line, p))
		files++;
	if (pclose(p) != 0)
		return -1;
	dlog(LOG_INFO, "bay %d: %d files, %u bytes", j->bay, files, (unsigned)j->bytes);
	return 0;
}

static void *offload_worker(void *arg)
{
	(void)arg;
	for (;;) {
		struct offload_job *j;

		pthread_mutex_lock(&q_lock);
		while (!q_head)
			pthread_cond_wait(&q_wait, &q_lock);
		j = q_head;
		q_head = j->next;
		if (!q_head)
			q_tail = NULL;
		pthread_mutex_unlock(&q_lock);

		if (run_offload(j) < 0)
			jobs_failed++;
		else
			jobs_done++;
		if (time(NULL) - j->queued > 600)
			dlog(LOG_WARNING, "bay %d: offload took long", j->bay);
		free(j);
	}
	return NULL;
}

/* ---- one camera -------------------------------------------------- */

static void send_status(int fd, uint16_t code)
{
	uint8_t r[8] = { 'B', 'W', 'C', 'R', 0, 0, 0, 0 };

	r[4] = (uint8_t)(code >> 8);
	r[5] = (uint8_t)code;
	send(fd, r, sizeof r, MSG_NOSIGNAL);
}

static void *camera_thread(void *arg)
{
	struct bay_session *s = arg;
	uint8_t hdr[FRAME_HDR], body[FRAME_MAX];
	uint32_t len;

	while (read_full(s->fd, hdr, sizeof hdr) == 0) {
		if (memcmp(hdr, "BWC1", 4) != 0)
			break;
		len = be32(hdr + 8);
		if (len > sizeof body || read_full(s->fd, body, len) < 0)
			break;
		s->frames++;
		if (be16(hdr + 4) == FT_BYE)
			break;
		if (walk_tlvs(s, body, len) < 0) {
			send_status(s->fd, 400);
			continue;
		}
		if (be16(hdr + 4) == FT_COMMIT) {
			if (!s->badge[0] || enqueue(s) < 0) {
				send_status(s->fd, 409);
				continue;
			}
			s->clip_bytes = 0;
		}
		send_status(s->fd, 200);
	}
	dlog(LOG_INFO, "bay %d closed after %u frames (skew %d, battery %d%%)",
	     s->bay, s->frames, (int)s->clock_skew, s->battery);
	close(s->fd);
	free(s);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a;
	pthread_t tid;
	int ls, one = 1;

	verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
	openlog("dockd", LOG_PID, LOG_DAEMON);
	signal(SIGPIPE, SIG_IGN);
	pthread_create(&tid, NULL, offload_worker, NULL);

	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	memset(&a, 0, sizeof a);
	a.sin_family = AF_INET;
	a.sin_addr.s_addr = htonl(INADDR_ANY);
	a.sin_port = htons(DOCK_PORT);
	if (bind(ls, (struct sockaddr *)&a, sizeof a) < 0 || listen(ls, 8) < 0) {
		dlog(LOG_ERR, "bind: %s", strerror(errno));
		return 1;
	}
	for (;;) {
		struct sockaddr_in peer;
		socklen_t pl = sizeof peer;
		int fd = accept(ls, (struct sockaddr *)&peer, &pl);
		struct bay_session *s;

		if (fd < 0)
			continue;
		s = calloc(1, sizeof *s);
		if (!s) {
			close(fd);
			continue;
		}
		s->fd = fd;
		s->bay = (int)(ntohl(peer.sin_addr.s_addr) & 7);
		if (pthread_create(&tid, NULL, camera_thread, s) != 0) {
			close(fd);
			free(s);
			continue;
		}
		pthread_detach(tid);
	}
}
