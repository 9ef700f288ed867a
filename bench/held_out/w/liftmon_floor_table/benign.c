/* liftmond.c
 *
 * Remote monitor for up to 8 lift cars.  Each car controller keeps one TCP
 * connection open and sends telegrams:
 *
 *   0x02  car  kind  len(hi) len(lo)  payload[len]  bcc
 *
 * A supervision thread watches for silent cars and stuck doors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <errno.h>
#include <time.h>
#include <pthread.h>
#include <syslog.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define NCARS        8
#define NFLOORS      64
#define LABEL        4
#define PAYLOAD_MAX  1024
#define STX          0x02

#define K_POSITION   'P'
#define K_DOOR       'D'
#define K_FAULT      'F'
#define K_FLOORS     'L'
#define K_HEARTBEAT  'H'

typedef struct {
	uint32_t seq;
	time_t   at;
	uint16_t code;
	uint8_t  floor;
} FAULT_REC;

typedef struct {
	uint8_t   present;
	uint8_t   floor;
	int8_t    direction;
	uint8_t   door;
	uint8_t   nfloors;
	char      label[NFLOORS][LABEL];
	time_t    last_seen;
	time_t    door_since;
	uint32_t  trips;
	FAULT_REC fault[16];
	unsigned  nfault;
	void    (*alarm)(int car, int code);
} CAR;

static CAR car_tab[NCARS];
static pthread_mutex_t car_mtx = PTHREAD_MUTEX_INITIALIZER;

static void alarm_default(int car, int code)
{
	syslog(LOG_ALERT, "car %d: alarm %d", car + 1, code);
}

static void label_of(const CAR *c, unsigned floor, char *out)
{
	if (floor < c->nfloors && floor < NFLOORS) {
		memcpy(out, c->label[floor], LABEL);
		out[LABEL] = 0;
	} else {
		snprintf(out, LABEL + 1, "%u", floor & 0xff);
	}
}

/* ------------------------------------------------------- telegram kinds */

static int on_position(CAR *c, const uint8_t *p, unsigned len)
{
	char txt[LABEL + 1];

	if (len < 2)
		return -1;
	if (c->floor != p[0]) {
		c->trips++;
		label_of(c, p[0], txt);
		syslog(LOG_DEBUG, "car %d at %s", (int)(c - car_tab) + 1, txt);
	}
	c->floor = p[0];
	c->direction = (int8_t)p[1];
	return 0;
}

static int on_door(CAR *c, const uint8_t *p, unsigned len)
{
	if (len != 1)
		return -1;
	if (c->door != p[0])
		c->door_since = time(NULL);
	c->door = p[0];
	return 0;
}

static int on_fault(CAR *c, const uint8_t *p, unsigned len)
{
	FAULT_REC *f;

	if (len < 6)
		return -1;
	f = &c->fault[c->nfault++ % 16];
	f->seq = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	f->code = (uint16_t)(p[4] << 8 | p[5]);
	f->floor = c->floor;
	f->at = time(NULL);
	if (f->code >= 900)
		c->alarm((int)(c - car_tab), f->code);
	return 0;
}

/* count, then count labels of four characters */
static int on_floors(CAR *c, const uint8_t *p, unsigned len)
{
	unsigned n;

	if (len < 1)
		return -1;
	n = p[0];
	if (n == 0 || n > NFLOORS || len < 1 + n * LABEL)
		return -1;
	memcpy(c->label, p + 1, n * LABEL);
	c->nfloors = (uint8_t)n;
	syslog(LOG_INFO, "car %d serves %u floors", (int)(c - car_tab) + 1, n);
	return 0;
}

static int on_heartbeat(CAR *c, const uint8_t *p, unsigned len)
{
	(void)c; (void)p; (void)len;
	return 0;
}

static const struct {
	uint8_t kind;
	int (*fn)(CAR *, const uint8_t *, unsigned);
} kinds[] = {
	{ K_POSITION,  on_position },
	{ K_DOOR,      on_door },
	{ K_FAULT,     on_fault },
	{ K_FLOORS,    on_floors },
	{ K_HEARTBEAT, on_heartbeat },
};

/* ------------------------------------------------------------- receiver */

static int get(int fd, void *buf, size_t n)
{
	uint8_t *b = buf;

	while (n) {
		ssize_t r = recv(fd, b, n, 0);
		if (r <= 0) {
			if (r < 0 && errno == EINTR)
				continue;
			return -1;
		}
		b += r;
		n -= (size_t)r;
	}
	return 0;
}

static int telegram(int fd)
{
	uint8_t h[5], body[PAYLOAD_MAX + 1], bcc = 0;
	unsigned len, i;
	int rc = -1;
	CAR *c;

	do {
		if (get(fd, h, 1) < 0)
			return -1;
	} while (h[0] != STX);
	if (get(fd, h + 1, 4) < 0)
		return -1;
	len = (unsigned)h[3] << 8 | h[4];
	if (h[1] >= NCARS || len > PAYLOAD_MAX)
		return -1;
	if (get(fd, body, len + 1) < 0)
		return -1;
	for (i = 0; i < len; i++)
		bcc ^= body[i];
	if (bcc != body[len]) {
		syslog(LOG_NOTICE, "car %d: bcc error", h[1] + 1);
		send(fd, "\x15", 1, MSG_NOSIGNAL);
		return 0;
	}

	pthread_mutex_lock(&car_mtx);
	c = &car_tab[h[1]];
	c->present = 1;
	c->last_seen = time(NULL);
	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].kind == h[2])
			rc = kinds[i].fn(c, body, len);
	pthread_mutex_unlock(&car_mtx);

	send(fd, rc == 0 ? "\x06" : "\x15", 1, MSG_NOSIGNAL);
	return 0;
}

static void *receiver(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct timeval tv = { 90, 0 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	while (telegram(fd) == 0)
		;
	close(fd);
	return NULL;
}

/* ---------------------------------------------------------- supervision */

static void *supervise(void *arg)
{
	char txt[LABEL + 1];
	int i;

	(void)arg;
	for (;;) {
		time_t now = time(NULL);

		pthread_mutex_lock(&car_mtx);
		for (i = 0; i < NCARS; i++) {
			CAR *c = &car_tab[i];

			if (!c->present)
				continue;
			if (now - c->last_seen > 60) {
				c->present = 0;
				c->alarm(i, 1);
			}
			if (c->door && now - c->door_since > 180) {
				label_of(c, c->floor, txt);
				syslog(LOG_WARNING, "car %d: door open at %s", i + 1, txt);
				c->door_since = now;
				c->alarm(i, 2);
			}
		}
		pthread_mutex_unlock(&car_mtx);
		sleep(5);
	}
	return NULL;
}

int main(void)
{
	struct sockaddr_in sa;
	pthread_t t;
	int i, s, one = 1;

	openlog("liftmond", LOG_PID, LOG_LOCAL3);
	for (i = 0; i < NCARS; i++)
		car_tab[i].alarm = alarm_default;

	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	memset(&sa, 0, sizeof sa);
	sa.sin_family = AF_INET;
	sa.sin_port = htons(4410);
	if (bind(s, (struct sockaddr *)&sa, sizeof sa) || listen(s, NCARS)) {
		syslog(LOG_ERR, "%m");
		return 1;
	}
	pthread_create(&t, NULL, supervise, NULL);
	for (;;) {
		int fd = accept(s, NULL, NULL);
		if (fd < 0)
			continue;
		if (pthread_create(&t, NULL, receiver, (void *)(intptr_t)fd))
			close(fd);
		else
			pthread_detach(t);
	}
}
