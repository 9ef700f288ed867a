/* sensor hub: registration and readings of the wireless probes, udp */
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define HUB_PORT 17185
#define T_SERIAL 0x01
#define T_NAME   0x02
#define T_UNIT   0x03
#define T_VALUE  0x10
#define T_BATT   0x11

typedef struct probe_t {
	struct probe_t *next;
	uint32_t serial;
	char name[32];
	char unit[8];
	int32_t last;
	uint8_t batt;
	uint16_t samples;
	time_t seen;
} probe_t;

typedef struct {
	uint32_t serial;
	int has_name;
	int has_value;
	char name[32];
	char unit[8];
	int32_t value;
	uint8_t batt;
} report_t;

typedef int (*tlv_fn)(report_t *, const uint8_t *, unsigned);

static probe_t *probes;
static int nprobes;

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int tlv_serial(report_t *r, const uint8_t *v, unsigned l)
{
	if (l != 4)
		return -1;
	r->serial = be32(v);
	return 0;
}

static int tlv_name(report_t *r, const uint8_t *v, unsigned l)
{
	if (l == 0)
		return -1;
	memcpy(r->name, v, l);
	r->name[sizeof(r->name) - 1] = 0;
	r->has_name = 1;
	return 0;
}

static int tlv_unit(report_t *r, const uint8_t *v, unsigned l)
{
	if (l >= sizeof(r->unit))
		l = sizeof(r->unit) - 1;
	memcpy(r->unit, v, l);
	r->unit[l] = 0;
	return 0;
}

static int tlv_value(report_t *r, const uint8_t *v, unsigned l)
{
	if (l == 4)
		r->value = (int32_t)be32(v);
	else if (l == 2)
		r->value = (int16_t)(v[0] << 8 | v[1]);
	else
		return -1;
	r->has_value = 1;
	return 0;
}

static int tlv_batt(report_t *r, const uint8_t *v, unsigned l)
{
	if (l != 1)
		return -1;
	r->batt = v[0] > 100 ? 100 : v[0];
	return 0;
}

static tlv_fn handler(uint8_t tag)
{
	static const struct {
		uint8_t tag;
		tlv_fn fn;
	} tab[] = {
		{ T_SERIAL, tlv_serial },
		{ T_NAME, tlv_name },
		{ T_UNIT, tlv_unit },
		{ T_VALUE, tlv_value },
		{ T_BATT, tlv_batt },
	};
	size_t i;

	for (i = 0; i < sizeof(tab) / sizeof(*tab); i++)
		if (tab[i].tag == tag)
			return tab[i].fn;
	return NULL;
}

static probe_t *probe_get(uint32_t serial)
{
	probe_t *p;

	for (p = probes; p; p = p->next)
		if (p->serial == serial)
			return p;
	if (nprobes >= 200)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->serial = serial;
	snprintf(p->name, sizeof(p->name), "probe-%08x", (unsigned)serial);
	p->next = probes;
	probes = p;
	nprobes++;
	return p;
}

static int crc_ok(const uint8_t *d, size_t n)
{
	uint16_t crc = 0xffff;
	size_t i;
	int b;

	for (i = 0; i + 2 < n; i++) {
		crc ^= d[i];
		for (b = 0; b < 8; b++)
			crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
	}
	return d[n - 2] == (crc & 0xff) && d[n - 1] == crc >> 8;
}

static int digest(const uint8_t *d, size_t n)
{
	report_t rep;
	probe_t *p;
	size_t pos = 0;

	memset(&rep, 0, sizeof(rep));
	while (pos + 2 <= n) {
		uint8_t tag = d[pos], l = d[pos + 1];
		tlv_fn fn = handler(tag);

		pos += 2;
		if (l > n - pos)
			return -1;
		if (fn && fn(&rep, d + pos, l) != 0)
			return -1;
		pos += l;
	}
	if (rep.serial == 0)
		return -1;
	p = probe_get(rep.serial);
	if (!p)
		return -1;
	if (rep.has_name)
		memcpy(p->name, rep.name, sizeof(p->name));
	if (rep.unit[0])
		memcpy(p->unit, rep.unit, sizeof(p->unit));
	if (rep.has_value) {
		p->last = rep.value;
		p->samples++;
	}
	p->batt = rep.batt;
	p->seen = time(NULL);
	return 0;
}

static void on_socket(int fd)
{
	struct sockaddr_in peer;
	socklen_t pl = sizeof(peer);
	uint8_t pkt[576], ack[2];
	ssize_t n;

	n = recvfrom(fd, pkt, sizeof(pkt), 0, (struct sockaddr *)&peer, &pl);
	if (n < 5 || pkt[0] != 'S' || pkt[1] != 'H' || !crc_ok(pkt, n))
		return;
	ack[0] = pkt[2];
	ack[1] = digest(pkt + 3, n - 5) == 0 ? 0x06 : 0x15;
	sendto(fd, ack, sizeof(ack), 0, (struct sockaddr *)&peer, pl);
}

static void write_table(int fd)
{
	uint64_t fired;
	time_t now = time(NULL);
	probe_t *p;
	FILE *f;

	if (read(fd, &fired, sizeof(fired)) != (ssize_t)sizeof(fired))
		return;
	f = fopen("/tmp/probes.tmp", "w");
	if (!f)
		return;
	for (p = probes; p; p = p->next)
		fprintf(f, "%08x;%s;%ld.%02d;%s;%u;%ld\n", (unsigned)p->serial, p->name,
			(long)p->last / 100, abs((int)(p->last % 100)), p->unit, p->batt,
			(long)(now - p->seen));
	fclose(f);
	rename("/tmp/probes.tmp", "/tmp/probes.csv");
}

int main(void)
{
	struct itimerspec every = { { 30, 0 }, { 30, 0 } };
	struct epoll_event ev, got[4];
	struct sockaddr_in me;
	int us, tm, ep, i, n;

	us = socket(AF_INET, SOCK_DGRAM, 0);
	tm = timerfd_create(CLOCK_MONOTONIC, 0);
	ep = epoll_create1(0);
	if (us < 0 || tm < 0 || ep < 0) {
		perror("hub");
		return 1;
	}
	memset(&me, 0, sizeof(me));
	me.sin_family = AF_INET;
	me.sin_port = htons(HUB_PORT);
	if (bind(us, (struct sockaddr *)&me, sizeof(me)) < 0) {
		perror("bind");
		return 1;
	}
	timerfd_settime(tm, 0, &every, NULL);
	ev.events = EPOLLIN;
	ev.data.fd = us;
	epoll_ctl(ep, EPOLL_CTL_ADD, us, &ev);
	ev.data.fd = tm;
	epoll_ctl(ep, EPOLL_CTL_ADD, tm, &ev);
	for (;;) {
		n = epoll_wait(ep, got, 4, -1);
		for (i = 0; i < n; i++) {
			if (got[i].data.fd == us)
				on_socket(us);
			else
				write_table(tm);
		}
	}
}
