/*
 * evrec - event recorder of the NVR.
 *
 * Cameras announce events by datagrams, a receiver thread checks and queues
 * them, a worker cuts the clip out of the ring recording.
 */
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define EVENT_PORT	7681
#define QUEUE_LEN	32
#define MAX_CAM		16

/* problems found in an event */
#define BAD_CAM		0x01
#define BAD_TYPE	0x02
#define BAD_CLIP	0x04
#define BAD_LEAD	0x08
#define BAD_FATAL	(BAD_CAM | BAD_TYPE | BAD_CLIP | BAD_LEAD)

enum ev_type { EV_NONE, EV_MOTION, EV_INPUT, EV_TAMPER };

struct event {
	int cam;
	enum ev_type type;
	int lead;
	time_t when;
	char clip[80];
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct event *slot[QUEUE_LEN];
	unsigned head, tail;
};

static struct queue q = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.filled = PTHREAD_COND_INITIALIZER,
};

static struct {
	unsigned received, dropped, odd, written;
} stats;

static int q_put(struct event *ev)
{
	int rc = -1;

	pthread_mutex_lock(&q.lock);
	if (q.head - q.tail < QUEUE_LEN) {
		q.slot[q.head++ % QUEUE_LEN] = ev;
		pthread_cond_signal(&q.filled);
		rc = 0;
	}
	pthread_mutex_unlock(&q.lock);
	return rc;
}

static struct event *q_get(void)
{
	struct event *ev;

	pthread_mutex_lock(&q.lock);
	while (q.head == q.tail)
		pthread_cond_wait(&q.filled, &q.lock);
	ev = q.slot[q.tail++ % QUEUE_LEN];
	pthread_mutex_unlock(&q.lock);
	return ev;
}

/* "EVT cam=3 type=motion lead=5 clip=gate" */
static int parse_event(char *text, struct event *ev)
{
	char *save = NULL, *word;

	word = strtok_r(text, " \r\n", &save);
	if (!word || strcmp(word, "EVT"))
		return -1;
	while ((word = strtok_r(NULL, " \r\n", &save))) {
		char *val = strchr(word, '=');

		if (!val)
			return -1;
		*val++ = '\0';
		if (!strcmp(word, "cam")) {
			ev->cam = atoi(val);
		} else if (!strcmp(word, "lead")) {
			ev->lead = atoi(val);
		} else if (!strcmp(word, "type")) {
			if (!strcmp(val, "motion"))
				ev->type = EV_MOTION;
			else if (!strcmp(val, "input"))
				ev->type = EV_INPUT;
			else if (!strcmp(val, "tamper"))
				ev->type = EV_TAMPER;
		} else if (!strcmp(word, "clip")) {
			snprintf(ev->clip, sizeof(ev->clip), "%s", val);
		}
	}
	return 0;
}

static unsigned check_event(const struct event *ev)
{
	unsigned bad = 0;
	const char *s;

	if (ev->cam < 1 || ev->cam > MAX_CAM)
		bad |= BAD_CAM;
	if (ev->type == EV_NONE)
		bad |= BAD_TYPE;
	if (ev->lead < 0 || ev->lead > 60)
		bad |= BAD_LEAD;
	if (!isalnum((unsigned char)ev->clip[0]))
		bad |= BAD_CLIP;
	for (s = ev->clip; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '-' && *s != '_')
			bad |= BAD_CLIP;
	return bad;
}

static void *receiver(void *arg)
{
	int fd = *(int *)arg;
	char pkt[512];

	for (;;) {
		struct event *ev;
		unsigned bad;
		ssize_t n = recvfrom(fd, pkt, sizeof(pkt) - 1, 0, NULL, NULL);

		if (n <= 0)
			continue;
		pkt[n] = '\0';
		stats.received++;
		ev = calloc(1, sizeof(*ev));
		if (!ev)
			continue;
		ev->when = time(NULL);
		if (parse_event(pkt, ev) < 0) {
			stats.dropped++;
			free(ev);
			continue;
		}
		bad = check_event(ev);
		if (bad) {
			stats.odd++;
			syslog(LOG_NOTICE, "event of camera %d: problems %#x", ev->cam, bad);
		}
		if ((bad & BAD_FATAL) || q_put(ev) < 0) {
			stats.dropped++;
			free(ev);
		}
	}
	return NULL;
}

static int sh(const char *cmd)
{
	pid_t pid = fork();
	int st;

	if (pid < 0)
		return -1;
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static int cut_motion(const struct event *ev)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "ringcut -c %d -l %d -o /rec/motion/%s.mp4",
		 ev->cam, ev->lead, ev->clip);
	return sh(cmd);
}

static int cut_input(const struct event *ev)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "ringcut -c %d -l %d -t 30 -o /rec/input/%s.mp4 && sync",
		 ev->cam, ev->lead, ev->clip);
	return sh(cmd);
}

static int cut_tamper(const struct event *ev)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "ringcut -c %d -l 60 -o /rec/tamper/%ld.mp4",
		 ev->cam, (long)ev->when);
	return sh(cmd);
}

static int (*const cutters[])(const struct event *) = {
	[EV_MOTION] = cut_motion,
	[EV_INPUT] = cut_input,
	[EV_TAMPER] = cut_tamper,
};

static void *worker(void *arg)
{
	(void)arg;
	for (;;) {
		struct event *ev = q_get();

		if (cutters[ev->type] && cutters[ev->type](ev) == 0)
			stats.written++;
		else
			syslog(LOG_WARNING, "clip of camera %d not written", ev->cam);
		free(ev);
	}
	return NULL;
}

int main(void)
{
	struct sockaddr_in sa;
	pthread_t rx, wk;
	int fd;

	openlog("evrec", LOG_PID, LOG_DAEMON);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		return 1;
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_addr.s_addr = htonl(INADDR_ANY);
	sa.sin_port = htons(EVENT_PORT);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		syslog(LOG_ERR, "bind: %s", strerror(errno));
		return 1;
	}
	if (pthread_create(&rx, NULL, receiver, &fd) ||
	    pthread_create(&wk, NULL, worker, NULL))
		return 1;
	for (;;) {
		sleep(60);
		syslog(LOG_INFO, "rx %u dropped %u odd %u written %u",
		       stats.received, stats.dropped, stats.odd, stats.written);
	}
}
