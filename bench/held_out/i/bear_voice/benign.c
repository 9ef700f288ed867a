/* bearvoice: play phrases and lullabies in the plush. App talks UDP to us. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <ctype.h>
#include <unistd.h>
#include <spawn.h>
#include <pthread.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

extern char **environ;

#define RING        16
#define MSG_MAX     512
#define MAGIC0      0x48554747u
#define MAGIC1      0x4d453031u

enum tlv_type { T_NOP, T_SELECT, T_VOLUME, T_PLAY, T_STOP, T_SLEEP, T__COUNT };

struct voice_req {
	uint16_t len;
	uint8_t data[MSG_MAX];
};

static struct {
	struct voice_req slot[RING];
	unsigned head, count;
	pthread_mutex_t lock;
	pthread_cond_t more;
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

struct player {
	char *phrase;           /* heap, replaced by T_SELECT */
	int volume;
	int sleep_min;
	pid_t pid;
};

typedef int (*tlv_fn)(struct player *, const uint8_t *, unsigned);

static inline uint32_t ld32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---------------------------------------------------------------- queue */

static void ring_push(const uint8_t *p, unsigned n)
{
	struct voice_req *r;

	pthread_mutex_lock(&ring.lock);
	if (ring.count < RING) {
		r = &ring.slot[(ring.head + ring.count) % RING];
		memcpy(r->data, p, n);
		r->len = n;
		ring.count++;
		pthread_cond_signal(&ring.more);
	}
	pthread_mutex_unlock(&ring.lock);
}

static void ring_pop(struct voice_req *out)
{
	pthread_mutex_lock(&ring.lock);
	while (!ring.count)
		pthread_cond_wait(&ring.more, &ring.lock);
	*out = ring.slot[ring.head];
	ring.head = (ring.head + 1) % RING;
	ring.count--;
	pthread_mutex_unlock(&ring.lock);
}

/* --------------------------------------------------------------- player */

static int shell(struct player *pl, const char *line)
{
	char *argv[] = { "sh", "-c", (char *)line, NULL };

	return posix_spawn(&pl->pid, "/bin/sh", NULL, NULL, argv, environ);
}

static void player_reap(struct player *pl)
{
	int st;

	if (pl->pid > 0 && waitpid(pl->pid, &st, WNOHANG) == pl->pid)
		pl->pid = 0;
}

/* phrase packs are stored under their content hash */
static int phrase_ok(const char *s)
{
	size_t n = strlen(s);

	if (n < 1 || n > 40)
		return 0;
	for (; *s; s++)
		if (!isxdigit((unsigned char)*s))
			return 0;
	return 1;
}

static int do_nop(struct player *pl, const uint8_t *v, unsigned n)
{
	player_reap(pl);
	return 0;
}

static int do_select(struct player *pl, const uint8_t *v, unsigned n)
{
	char *s = malloc(n + 1);

	if (!s)
		return -1;
	memcpy(s, v, n);
	s[n] = 0;
	if (!phrase_ok(s)) {
		free(s);
		return -1;
	}
	free(pl->phrase);
	pl->phrase = s;
	return 0;
}

static int do_volume(struct player *pl, const uint8_t *v, unsigned n)
{
	char line[64];

	if (n != 1 || v[0] > 100)
		return -1;
	pl->volume = v[0];
	snprintf(line, sizeof line, "amixer -q sset Speaker %d%%", pl->volume);
	return shell(pl, line);
}

static int do_play(struct player *pl, const uint8_t *v, unsigned n)
{
	char line[160];
	int times = n == 1 ? v[0] & 7 : 1;

	player_reap(pl);
	if (!pl->phrase || pl->pid > 0)
		return -1;
	snprintf(line, sizeof line, "madplay -Q -r%d /opt/voice/%s.mp3", times, pl->phrase);
	return shell(pl, line);
}

static int do_stop(struct player *pl, const uint8_t *v, unsigned n)
{
	player_reap(pl);
	return shell(pl, "killall madplay");
}

static int do_sleep(struct player *pl, const uint8_t *v, unsigned n)
{
	if (n != 1)
		return -1;
	pl->sleep_min = v[0];
	return 0;
}

static const tlv_fn tlv_tab[T__COUNT] = {
	[T_NOP]    = do_nop,
	[T_SELECT] = do_select,
	[T_VOLUME] = do_volume,
	[T_PLAY]   = do_play,
	[T_STOP]   = do_stop,
	[T_SLEEP]  = do_sleep,
};

static void run_request(struct player *pl, const struct voice_req *r)
{
	unsigned off = 10;

	while (off + 2 <= r->len) {
		unsigned t = r->data[off], n = r->data[off + 1];

		off += 2;
		if (n > r->len - off)
			break;
		if (t < T__COUNT && tlv_tab[t](pl, r->data + off, n) < 0)
			fprintf(stderr, "tlv %u refused\n", t);
		off += n;
	}
}

static void *worker(void *arg)
{
	struct player *pl = arg;
	struct voice_req r;

	for (;;) {
		ring_pop(&r);
		run_request(pl, &r);
	}
	return NULL;
}

/* ------------------------------------------------------------- receiver */

static int frame_ok(const uint8_t *p, int n)
{
	uint16_t sum = 0;
	int i;

	if (n < 10)
		return 0;
	if (ld32(p) != MAGIC0 || ld32(p + 4) != MAGIC1)
		return 0;
	for (i = 10; i < n; i++)
		sum += p[i];
	return p[8] == sum >> 8 && p[9] == (sum & 255);
}

static int open_socket(void)
{
	struct sockaddr_in sa;
	const char *e = getenv("BEAR_PORT");
	int port = 10007, fd;

	if (e && atoi(e) > 0)
		port = atoi(e);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&sa, 0, sizeof sa);
	sa.sin_family = AF_INET;
	sa.sin_port = htons(port);
	sa.sin_addr.s_addr = INADDR_ANY;
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa)) {
		perror("bearvoice");
		exit(1);
	}
	return fd;
}

int main(void)
{
	static struct player pl = { .volume = 40 };
	static uint8_t buf[MSG_MAX];
	pthread_t tid;
	int fd = open_socket();

	if (pthread_create(&tid, NULL, worker, &pl))
		return 1;
	for (;;) {
		int n = recv(fd, buf, sizeof buf, 0);

		if (n > 0 && frame_ok(buf, n))
			ring_push(buf, n);
	}
}
