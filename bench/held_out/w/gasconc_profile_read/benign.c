/*
 * gasconcd - data concentrator for up to 64 gas meters.
 *
 * Radio gateways connect over TCP and forward frames:
 *   0      0x68
 *   1..4   meter number, little endian
 *   5      type
 *   6..7   length of the data, little endian
 * The data follow.  An acknowledge of one byte (0xE5) is returned.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdbool.h>
#include <unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define HDR_LEN       8
#define FRAME_MAX     1024
#define PROFILE_SLOTS 96
#define METERS        64
#define GATEWAYS      10

enum frame_type { FT_READING = 0x01, FT_STATUS = 0x02, FT_PROFILE = 0x10, FT_KEEPALIVE = 0x7f };
enum rx_state { RX_HEADER, RX_SMALL, RX_PROFILE };

typedef struct meter {
	uint32_t number;
	uint32_t litres;
	uint8_t  valve;
	uint8_t  battery;
	time_t   heard;
	uint8_t  profile[PROFILE_SLOTS * 4];
	unsigned profile_len;
	bool     dirty;
	struct meter *next;
} meter_t;

typedef struct gateway {
	int           fd;
	enum rx_state state;
	uint8_t       hdr[HDR_LEN];
	uint8_t       small[32];
	uint8_t      *dst;
	unsigned      want, got;
	meter_t      *meter;
	time_t        last;
	unsigned      frames;
} gateway_t;

static meter_t *meters;
static int n_meters;
static gateway_t *gw[GATEWAYS];
static const char *export_dir = "/var/spool/gasconc";
static volatile sig_atomic_t quit;

static void on_signal(int sig) { (void)sig; quit = 1; }

static uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static meter_t *meter_get(uint32_t number)
{
	meter_t *m;

	for (m = meters; m != NULL; m = m->next)
		if (m->number == number)
			return m;
	if (n_meters >= METERS)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->number = number;
	m->next = meters;
	meters = m;
	n_meters++;
	return m;
}

static void expect(gateway_t *g, enum rx_state st, uint8_t *dst, unsigned want)
{
	g->state = st;
	g->dst = dst;
	g->want = want;
	g->got = 0;
}

/* header is complete: decide where the data go */
static int header_done(gateway_t *g)
{
	unsigned len = g->hdr[6] | (unsigned)g->hdr[7] << 8;

	if (g->hdr[0] != 0x68 || len > FRAME_MAX)
		return -1;
	g->meter = meter_get(le32(g->hdr + 1));
	if (g->meter == NULL)
		return -1;
	g->meter->heard = time(NULL);

	switch (g->hdr[5]) {
	case FT_READING:
	case FT_STATUS:
		if (len == 0 || len > sizeof(g->small))
			return -1;
		memset(g->small, 0, sizeof(g->small));
		expect(g, RX_SMALL, g->small, len);
		return 0;
	case FT_PROFILE:
		if (len == 0 || len % 4 || len > sizeof(g->meter->profile))
			return -1;
		g->meter->profile_len = 0;
		expect(g, RX_PROFILE, g->meter->profile, len);
		return 0;
	case FT_KEEPALIVE:
		if (len != 0)
			return -1;
		expect(g, RX_HEADER, g->hdr, HDR_LEN);
		return 0;
	}
	return -1;
}

static int data_done(gateway_t *g)
{
	static const uint8_t ack = 0xe5;
	meter_t *m = g->meter;

	if (g->state == RX_PROFILE) {
		m->profile_len = g->want;
		m->dirty = true;
	} else if (g->hdr[5] == FT_READING) {
		m->litres = le32(g->small);
	} else {
		m->valve = g->small[0];
		m->battery = g->small[1];
	}
	g->frames++;
	expect(g, RX_HEADER, g->hdr, HDR_LEN);
	return send(g->fd, &ack, 1, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

static int gateway_readable(gateway_t *g)
{
	ssize_t n = read(g->fd, g->dst + g->got, g->want - g->got);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	g->last = time(NULL);
	g->got += (unsigned)n;
	if (g->got < g->want)
		return 0;
	return g->state == RX_HEADER ? header_done(g) : data_done(g);
}

static void gateway_close(int i)
{
	fprintf(stderr, "gasconcd: gateway %d gone, %u frames\n", i, gw[i]->frames);
	close(gw[i]->fd);
	free(gw[i]);
	gw[i] = NULL;
}

static void gateway_open(int fd)
{
	int i;

	for (i = 0; i < GATEWAYS; i++) {
		if (gw[i] != NULL)
			continue;
		gw[i] = calloc(1, sizeof(gateway_t));
		if (gw[i] == NULL)
			break;
		gw[i]->fd = fd;
		gw[i]->last = time(NULL);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		expect(gw[i], RX_HEADER, gw[i]->hdr, HDR_LEN);
		return;
	}
	close(fd);
}

/* every minute: write profiles that changed, throw out silent gateways */
static void housekeeping(time_t now)
{
	char path[160];
	unsigned k;
	meter_t *m;
	FILE *f;
	int i;

	for (m = meters; m != NULL; m = m->next) {
		if (!m->dirty)
			continue;
		m->dirty = false;
		snprintf(path, sizeof(path), "%s/%08u.csv", export_dir, (unsigned)m->number);
		f = fopen(path, "w");
		if (f == NULL) {
			fprintf(stderr, "gasconcd: %s: %s\n", path, strerror(errno));
			continue;
		}
		fprintf(f, "# total %u battery %u valve %u\n", (unsigned)m->litres, m->battery, m->valve);
		for (k = 0; k + 4 <= m->profile_len; k += 4)
			fprintf(f, "%u,%u\n", k / 4, (unsigned)le32(m->profile + k));
		fclose(f);
	}
	for (i = 0; i < GATEWAYS; i++)
		if (gw[i] != NULL && now - gw[i]->last > 900)
			gateway_close(i);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa;
	int port = 4061, opt, ls, i, one = 1;
	time_t next = time(NULL) + 60;

	while ((opt = getopt(argc, argv, "p:d:")) != -1) {
		if (opt == 'p')
			port = atoi(optarg);
		else if (opt == 'd')
			export_dir = optarg;
		else
			return 2;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGPIPE, SIG_IGN);

	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons((uint16_t)port);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 5) < 0) {
		perror("gasconcd");
		return 1;
	}
	while (!quit) {
		struct timeval tv = { 5, 0 };
		fd_set rd;
		int top = ls, r;

		FD_ZERO(&rd);
		FD_SET(ls, &rd);
		for (i = 0; i < GATEWAYS; i++)
			if (gw[i] != NULL) {
				FD_SET(gw[i]->fd, &rd);
				if (gw[i]->fd > top)
					top = gw[i]->fd;
			}
		r = select(top + 1, &rd, NULL, NULL, &tv);
		if (r > 0) {
			for (i = 0; i < GATEWAYS; i++)
				if (gw[i] != NULL && FD_ISSET(gw[i]->fd, &rd) && gateway_readable(gw[i]) < 0)
					gateway_close(i);
			if (FD_ISSET(ls, &rd)) {
				int fd = accept(ls, NULL, NULL);
				if (fd >= 0)
					gateway_open(fd);
			}
		}
		if (time(NULL) >= next) {
			housekeeping(time(NULL));
			next += 60;
		}
	}
	for (i = 0; i < GATEWAYS; i++)
		if (gw[i] != NULL)
			gateway_close(i);
	return 0;
}
