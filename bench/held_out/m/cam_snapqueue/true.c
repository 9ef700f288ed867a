#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <pthread.h>
#include <time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define JOB_PORT      15004
#define JOB_DEPTH     16
#define JOB_TEXT      120

#define JOB_SNAP      0x11
#define JOB_LED       0x12
#define JOB_STAT      0x13

typedef struct job_s {
	struct job_s *next;
	uint8_t  type;
	uint8_t  chn;
	uint16_t seq;
	char     text[JOB_TEXT];
} job_t;

typedef struct {
	pthread_mutex_t lock;
	pthread_cond_t  cond;
	job_t *head;
	job_t *tail;
	int    count;
} jobq_t;

static jobq_t   s_queue = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL, 0 };
static unsigned s_done, s_dropped;

static uint16_t rd16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}

static int q_put(jobq_t *q, job_t *j)
{
	int ok = 0;

	pthread_mutex_lock(&q->lock);
	if (q->count < JOB_DEPTH) {
		j->next = NULL;
		if (q->tail)
			q->tail->next = j;
		else
			q->head = j;
		q->tail = j;
		q->count++;
		ok = 1;
		pthread_cond_signal(&q->cond);
	}
	pthread_mutex_unlock(&q->lock);
	return ok;
}

static job_t *q_get(jobq_t *q)
{
	job_t *j;

	pthread_mutex_lock(&q->lock);
	while (!q->head)
		pthread_cond_wait(&q->cond, &q->lock);
	j = q->head;
	q->head = j->next;
	if (!q->head)
		q->tail = NULL;
	q->count--;
	pthread_mutex_unlock(&q->lock);
	return j;
}

static int frame_ok(const uint8_t *p, int n)
{
	if (n < 8)
		return 0;
	if (p[0] != 'J' || p[1] != 'Q')
		return 0;
	return rd16(p + 6) <= n - 8;
}

static void frame_text(job_t *j, const uint8_t *p, unsigned len)
{
	if (len > JOB_TEXT - 1)
		len = JOB_TEXT - 1;
	memcpy(j->text, p, len);
	j->text[len] = 0;
}

static job_t *frame_to_job(const uint8_t *p)
{
	job_t *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->type = p[2];
	j->chn = p[3];
	j->seq = rd16(p + 4);
	frame_text(j, p + 8, rd16(p + 6));
	return j;
}

static void *rx_thread(void *arg)
{
	int fd = *(int *)arg;
	uint8_t pkt[512];

	for (;;) {
		ssize_t n = recv(fd, pkt, sizeof(pkt), 0);
		job_t *j;

		if (n <= 0)
			continue;
		if (!frame_ok(pkt, (int)n))
			continue;
		j = frame_to_job(pkt);
		if (!j)
			continue;
		if (!q_put(&s_queue, j)) {
			s_dropped++;
			free(j);
		}
	}
	return NULL;
}

static void drain_output(FILE *pp)
{
	char line[128];

	while (fgets(line, sizeof(line), pp)) {
		line[strcspn(line, "\r\n")] = 0;
		fprintf(stderr, "[snap] %s\n", line);
	}
}

static void build_snap(char *dst, size_t cap, const job_t *j)
{
	snprintf(dst, cap, "/app/bin/snapctl -c %u -q %s -o /tmp/snap_%u.jpg",
		 (unsigned)j->chn, j->text, (unsigned)j->seq);
}

static int run_capture(const char *cmd)
{
	FILE *pp = popen(cmd, "r");

	if (!pp)
		return -1;
	drain_output(pp);
	return pclose(pp);
}

static int do_snap(const job_t *j)
{
	char cmd[256];

	build_snap(cmd, sizeof(cmd), j);
	return run_capture(cmd);
}

static int do_led(const job_t *j)
{
	FILE *f = fopen("/proc/driver/led", "w");

	if (!f)
		return -1;
	fputs(strcmp(j->text, "on") == 0 ? "1" : "0", f);
	fclose(f);
	return 0;
}

static int do_stat(const job_t *j)
{
	fprintf(stderr, "[stat] chn=%u done=%u drop=%u tag=%s\n",
		j->chn, s_done, s_dropped, j->text);
	return 0;
}

static int work_one(const job_t *j)
{
	switch (j->type) {
	case JOB_SNAP:
		return do_snap(j);
	case JOB_LED:
		return do_led(j);
	case JOB_STAT:
		return do_stat(j);
	}
	return -1;
}

static void *work_thread(void *arg)
{
	(void)arg;
	for (;;) {
		job_t *j = q_get(&s_queue);

		if (work_one(j) != 0)
			fprintf(stderr, "[job] seq %u failed\n", j->seq);
		s_done++;
		free(j);
	}
	return NULL;
}

static int open_port(int port)
{
	struct sockaddr_in sin;
	int fd = socket(PF_INET, SOCK_DGRAM, IPPROTO_UDP);

	if (fd < 0)
		return -1;
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(port);
	sin.sin_addr.s_addr = INADDR_ANY;
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	pthread_t rx, wk;
	int fd;

	(void)argc;
	fd = open_port(JOB_PORT);
	if (fd < 0) {
		fprintf(stderr, "%s: port busy\n", argv[0]);
		return 1;
	}
	if (pthread_create(&wk, NULL, work_thread, NULL) != 0)
		return 1;
	if (pthread_create(&rx, NULL, rx_thread, &fd) != 0)
		return 1;
	for (;;) {
		sleep(300);
		fprintf(stderr, "[snap] alive done=%u\n", s_done);
	}
	return 0;
}
