/* concentrator of electricity meters: wrapper frames (version, source, destination, length) over TCP;
 * a reader thread fills frame slots, the store thread writes registers to flash every few seconds */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <errno.h>
#include <pthread.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define DC_PORT     4059
#define APDU_MAX    512
#define METERS      64

struct wrapper {
	uint16_t version;
	uint16_t src;
	uint16_t dst;
	int16_t  length;
} __attribute__((packed));

struct session {
	int      fd;
	uint32_t frames;
	uint32_t bad;
	uint8_t  apdu[APDU_MAX];
	time_t   seen;
};

struct meter {
	uint16_t sap;
	uint32_t import_wh;
	uint32_t export_wh;
	uint16_t volt;
	time_t   stamp;
	uint8_t  dirty;
};

static struct meter meters[METERS];
static int nmeters;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static struct meter *meter_get(uint16_t sap)
{
	int i;

	for (i = 0; i < nmeters; i++)
		if (meters[i].sap == sap)
			return &meters[i];
	if (nmeters == METERS)
		return NULL;
	meters[nmeters].sap = sap;
	return &meters[nmeters++];
}

static int rx(int fd, void *dst, size_t want)
{
	uint8_t *p = dst;
	ssize_t n;

	while (want > 0) {
		n = recv(fd, p, want > 256 ? 256 : want, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		want -= n;
	}
	return 0;
}

/* ---- services ---- */

static int svc_data(struct meter *m, const uint8_t *a, int len)
{
	if (len < 11)
		return -1;
	m->import_wh = be32(a + 1);
	m->export_wh = be32(a + 5);
	m->volt = a[9] << 8 | a[10];
	m->stamp = time(NULL);
	m->dirty = 1;
	return 0;
}

static int svc_event(struct meter *m, const uint8_t *a, int len)
{
	FILE *f;

	if (len < 3)
		return -1;
	f = fopen("/var/log/meter_events", "a");
	if (f) {
		fprintf(f, "%ld %u code %u/%u\n", (long)time(NULL), m->sap, a[1], a[2]);
		fclose(f);
	}
	return 0;
}

static int svc_clear(struct meter *m, const uint8_t *a, int len)
{
	m->import_wh = m->export_wh = 0;
	m->dirty = 1;
	return 0;
}

struct service {
	uint8_t tag;
	int (*fn)(struct meter *, const uint8_t *, int);
};

static const struct service services[] = {
	{ 0x0f, svc_data },
	{ 0xc2, svc_event },
	{ 0xc7, svc_clear },
};

static int apdu_dispatch(uint16_t src, const uint8_t *a, int len)
{
	struct meter *m;
	unsigned i;
	int rc = -1;

	pthread_mutex_lock(&lock);
	m = meter_get(src);
	if (m && len > 0)
		for (i = 0; i < sizeof(services) / sizeof(services[0]); i++)
			if (services[i].tag == a[0])
				rc = services[i].fn(m, a, len);
	pthread_mutex_unlock(&lock);
	return rc;
}

static void confirm(struct session *s, const struct wrapper *w, int rc)
{
	struct {
		struct wrapper w;
		uint8_t body[2];
	} __attribute__((packed)) r;

	r.w.version = htons(1);
	r.w.src = htons(w->dst);
	r.w.dst = htons(w->src);
	r.w.length = htons(2);
	r.body[0] = 0xd8;
	r.body[1] = rc ? 2 : 0;
	send(s->fd, &r, sizeof(r), MSG_NOSIGNAL);
}

static void *reader(void *arg)
{
	struct session *s = arg;
	struct wrapper w;
	int rc;

	while (rx(s->fd, &w, sizeof(w)) == 0) {
		w.version = ntohs(w.version);
		w.src = ntohs(w.src);
		w.dst = ntohs(w.dst);
		w.length = ntohs(w.length);
		if (w.version != 1) {
			s->bad++;
			break;
		}
		if (w.length > APDU_MAX) {
			s->bad++;
			break;
		}
		if (rx(s->fd, s->apdu, w.length) < 0)
			break;
		s->frames++;
		s->seen = time(NULL);
		rc = apdu_dispatch(w.src, s->apdu, w.length);
		confirm(s, &w, rc);
	}
	fprintf(stderr, "session closed, %u frames, %u bad\n", s->frames, s->bad);
	close(s->fd);
	free(s);
	return NULL;
}

static void *store(void *arg)
{
	struct meter snap[METERS];
	int i, n;
	FILE *f;

	for (;;) {
		sleep(10);
		pthread_mutex_lock(&lock);
		n = nmeters;
		memcpy(snap, meters, sizeof(snap));
		for (i = 0; i < n; i++)
			meters[i].dirty = 0;
		pthread_mutex_unlock(&lock);
		f = fopen("/mnt/flash/registers.csv", "a");
		if (!f)
			continue;
		for (i = 0; i < n; i++)
			if (snap[i].dirty)
				fprintf(f, "%u;%u;%u;%u;%ld\n", snap[i].sap, snap[i].import_wh,
					snap[i].export_wh, snap[i].volt, (long)snap[i].stamp);
		fclose(f);
	}
	return NULL;
}

int main(void)
{
	struct sockaddr_in sin;
	struct session *s;
	pthread_t t;
	int l, c, one = 1;

	l = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(DC_PORT);
	if (bind(l, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(l, 16) < 0) {
		perror("bind");
		return 1;
	}
	pthread_create(&t, NULL, store, NULL);
	while ((c = accept(l, NULL, NULL)) >= 0) {
		s = calloc(1, sizeof(*s));
		if (!s) {
			close(c);
			continue;
		}
		s->fd = c;
		if (pthread_create(&t, NULL, reader, s)) {
			close(c);
			free(s);
		} else
			pthread_detach(t);
	}
	return 0;
}
