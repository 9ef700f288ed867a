/*
 * dlmsd - COSEM server of the three phase meter EM3
 *
 * Frame: version(2) source(2) destination(2) length(2) apdu(length)
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <signal.h>
#include <time.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define DLMS_PORT     4059
#define APDU_MAX      640
#define WRAP_VERSION  1
#define MAX_SESSIONS  4

#define TAG_AARQ      0x60
#define TAG_RLRQ      0x62
#define TAG_GET_REQ   0xC0
#define TAG_SET_REQ   0xC1

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;

struct obis {
	u8 code[6];
	const char *text;
	u32 (*read)(void);
	int (*write)(u32 v);
};

struct session {
	int fd;
	int associated;
	u16 client_sap;
	u8 apdu[APDU_MAX];
	u16 apdu_len;
	u8 out[64];
	u16 out_len;
	time_t last;
	void (*release)(struct session *);
};

static pthread_mutex_t meter_lock = PTHREAD_MUTEX_INITIALIZER;
static u32 energy_import = 1289331, energy_export = 2201;
static u32 demand_period = 900;
static int sessions;
static FILE *logf;

static void log_event(const char *what, unsigned v)
{
	if (!logf)
		return;
	fprintf(logf, "%lu %s %u\n", (unsigned long)time(NULL), what, v);
	fflush(logf);
}

static u16 be16(const u8 *p)
{
	return p[0] << 8 | p[1];
}

static u32 be32(const u8 *p)
{
	return (u32)be16(p) << 16 | be16(p + 2);
}

static void put16(u8 *p, u16 v)
{
	p[0] = v >> 8;
	p[1] = v;
}

/* ---------------------------------------------------------------- objects */

static u32 rd_import(void) { return energy_import; }
static u32 rd_export(void) { return energy_export; }
static u32 rd_clock(void)  { return (u32)time(NULL); }
static u32 rd_period(void) { return demand_period; }

static int wr_period(u32 v)
{
	if (v != 300 && v != 900 && v != 1800)
		return -1;
	demand_period = v;
	log_event("demand_period", v);
	return 0;
}

static const struct obis objects[] = {
	{ { 1, 0, 1, 8, 0, 255 }, "import",        rd_import, NULL      },
	{ { 1, 0, 2, 8, 0, 255 }, "export",        rd_export, NULL      },
	{ { 0, 0, 1, 0, 0, 255 }, "clock",         rd_clock,  NULL      },
	{ { 1, 0, 0, 8, 0, 255 }, "demand period", rd_period, wr_period },
};

static const struct obis *find_object(const u8 *code)
{
	unsigned i;

	for (i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
		if (memcmp(objects[i].code, code, 6) == 0)
			return &objects[i];
	return NULL;
}

/* ---------------------------------------------------------------- services */

static void svc_aarq(struct session *s)
{
	static const u8 aare[] = { 0x61, 0x09, 0xA1, 0x07, 0x02, 0x01, 0x00 };

	s->associated = 1;
	memcpy(s->out + 8, aare, sizeof(aare));
	s->out_len = sizeof(aare);
	log_event("associate", s->client_sap);
}

static void svc_get(struct session *s)
{
	const struct obis *o;
	u32 v;

	s->out[8] = 0xC4;
	s->out[9] = 1;
	s->out[10] = s->apdu[2];
	s->out[11] = 1;			/* object undefined */
	s->out_len = 4;
	if (!s->associated || s->apdu_len < 12)
		return;
	o = find_object(s->apdu + 5);
	if (!o)
		return;
	pthread_mutex_lock(&meter_lock);
	v = o->read();
	pthread_mutex_unlock(&meter_lock);
	s->out[11] = 0;
	s->out[12] = 6;
	put16(s->out + 13, v >> 16);
	put16(s->out + 15, v);
	s->out_len = 9;
}

static void svc_set(struct session *s)
{
	const struct obis *o;

	s->out[8] = 0xC5;
	s->out[9] = 1;
	s->out[10] = s->apdu[2];
	s->out[11] = 3;			/* read-write denied */
	s->out_len = 4;
	if (!s->associated || s->apdu_len < 18)
		return;
	o = find_object(s->apdu + 5);
	if (!o || !o->write)
		return;
	pthread_mutex_lock(&meter_lock);
	if (o->write(be32(s->apdu + 14)) == 0)
		s->out[11] = 0;
	pthread_mutex_unlock(&meter_lock);
}

static int dispatch(struct session *s)
{
	s->out_len = 0;
	switch (s->apdu[0]) {
	case TAG_AARQ:
		svc_aarq(s);
		break;
	case TAG_GET_REQ:
		svc_get(s);
		break;
	case TAG_SET_REQ:
		svc_set(s);
		break;
	case TAG_RLRQ:
		return -1;
	default:
		log_event("unknown tag", s->apdu[0]);
	}
	return 0;
}

/* ---------------------------------------------------------------- wrapper */

static int recv_exact(int fd, u8 *p, size_t n)
{
	while (n) {
		ssize_t r = recv(fd, p, n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		p += r;
		n -= r;
	}
	return 0;
}

static int read_frame(struct session *s)
{
	u8 hdr[8];
	u16 len;

	if (recv_exact(s->fd, hdr, sizeof(hdr)) < 0)
		return -1;
	if (be16(hdr) != WRAP_VERSION)
		return -1;
	s->client_sap = be16(hdr + 2);
	len = be16(hdr + 6);
	if (len == 0)
		return -1;
	if (recv_exact(s->fd, s->apdu, len) < 0)
		return -1;
	s->apdu_len = len;
	s->last = time(NULL);
	return 0;
}

static void write_frame(struct session *s)
{
	if (!s->out_len)
		return;
	put16(s->out, WRAP_VERSION);
	put16(s->out + 2, 1);
	put16(s->out + 4, s->client_sap);
	put16(s->out + 6, s->out_len);
	send(s->fd, s->out, 8 + s->out_len, MSG_NOSIGNAL);
}

static void session_release(struct session *s)
{
	log_event("release", s->client_sap);
	close(s->fd);
	free(s);
	__sync_fetch_and_sub(&sessions, 1);
}

static void *session_thread(void *arg)
{
	struct session *s = arg;

	while (read_frame(s) == 0) {
		if (dispatch(s) < 0)
			break;
		write_frame(s);
	}
	s->release(s);
	return NULL;
}

/* fakes the pulses of the metering chip */
static void *pulse_thread(void *arg)
{
	for (;;) {
		sleep(1);
		pthread_mutex_lock(&meter_lock);
		energy_import++;
		pthread_mutex_unlock(&meter_lock);
	}
	return NULL;
}

int main(void)
{
	struct sockaddr_in sa;
	pthread_t t;
	int ls, on = 1;

	signal(SIGPIPE, SIG_IGN);
	logf = fopen("/var/log/dlmsd.log", "a");
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(DLMS_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, MAX_SESSIONS) < 0) {
		perror("dlmsd");
		return 1;
	}
	pthread_create(&t, NULL, pulse_thread, NULL);
	for (;;) {
		struct session *s;
		int fd = accept(ls, NULL, NULL);

		if (fd < 0)
			continue;
		if (sessions >= MAX_SESSIONS || (s = calloc(1, sizeof(*s))) == NULL) {
			close(fd);
			continue;
		}
		s->fd = fd;
		s->release = session_release;
		__sync_fetch_and_add(&sessions, 1);
		if (pthread_create(&t, NULL, session_thread, s))
			session_release(s);
		else
			pthread_detach(t);
	}
}
