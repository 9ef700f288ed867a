/*
 * hdlcd - optical/TCP head of the EM3 electricity meter
 *
 * wrapper frames:  7E | type | seg flags | len hi | len lo | payload | fcs(2)
 * Segments are put together in the session until the final one arrives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <poll.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define HDLCD_PORT   4059
#define FLAG         0x7e
#define SEG_FIRST    0x01
#define SEG_LAST     0x02
#define SEG_MAX      512
#define APDU_MAX     1024
#define MAX_SESS     4
#define IDLE_LIMIT   120

struct session {
	int      fd;
	time_t   seen;
	uint8_t  apdu[APDU_MAX];
	uint16_t fill;
	uint8_t  associated;
	uint8_t  client_sap;
	int    (*complete)(struct session *);
};

static struct session *sess[MAX_SESS];
static uint32_t reg_energy = 1234567, reg_power = 420, reg_volt = 2301;

static uint16_t fcs16(const uint8_t *p, size_t n)
{
	uint16_t crc = 0xffff;
	int k;

	while (n--) {
		crc ^= *p++;
		for (k = 0; k < 8; k++)
			crc = crc & 1 ? (crc >> 1) ^ 0x8408 : crc >> 1;
	}
	return crc ^ 0xffff;
}

static int send_apdu(struct session *s, uint8_t type, const uint8_t *p, uint16_t n)
{
	uint8_t f[5 + 64 + 2];
	uint16_t c;

	if (n > 64)
		return -1;
	f[0] = FLAG;
	f[1] = type;
	f[2] = SEG_FIRST | SEG_LAST;
	f[3] = n >> 8;
	f[4] = n & 0xff;
	memcpy(f + 5, p, n);
	c = fcs16(f + 1, 4 + n);
	f[5 + n] = c >> 8;
	f[6 + n] = c & 0xff;
	return send(s->fd, f, 7 + n, MSG_NOSIGNAL) == 7 + n ? 0 : -1;
}

static int get_register(struct session *s, const uint8_t *obis)
{
	uint32_t v;
	uint8_t r[5];

	if (obis[0] == 1 && obis[1] == 8 && obis[2] == 0)
		v = reg_energy;
	else if (obis[0] == 16 && obis[1] == 7 && obis[2] == 0)
		v = reg_power;
	else if (obis[0] == 32 && obis[1] == 7 && obis[2] == 0)
		v = reg_volt;
	else
		return send_apdu(s, 0xd8, (const uint8_t *)"\x04", 1);
	r[0] = 6;
	r[1] = v >> 24;
	r[2] = v >> 16;
	r[3] = v >> 8;
	r[4] = v;
	return send_apdu(s, 0xc4, r, 5);
}

static int apdu_complete(struct session *s)
{
	uint16_t n = s->fill;

	s->fill = 0;
	if (n < 2)
		return -1;
	switch (s->apdu[0]) {
	case 0x60:
		s->associated = 1;
		s->client_sap = s->apdu[1];
		return send_apdu(s, 0x61, (const uint8_t *)"\x00", 1);
	case 0xc0:
		if (!s->associated || n < 5)
			return send_apdu(s, 0xd8, (const uint8_t *)"\x01", 1);
		return get_register(s, s->apdu + 2);
	case 0x62:
		s->associated = 0;
		return send_apdu(s, 0x63, (const uint8_t *)"\x00", 1);
	}
	return send_apdu(s, 0xd8, (const uint8_t *)"\x02", 1);
}

static int read_full(int fd, uint8_t *p, size_t n)
{
	ssize_t k;

	while (n) {
		k = read(fd, p, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		p += k;
		n -= k;
	}
	return 0;
}

static int on_frame(struct session *s)
{
	uint8_t f[4 + SEG_MAX + 2];
	uint16_t len, c;

	if (read_full(s->fd, f, 1) < 0)
		return -1;
	if (f[0] != FLAG)
		return 0;
	if (read_full(s->fd, f, 4) < 0)
		return -1;
	len = f[2] << 8 | f[3];
	if (len > SEG_MAX)
		return -1;
	if (read_full(s->fd, f + 4, len + 2) < 0)
		return -1;
	c = f[4 + len] << 8 | f[5 + len];
	if (c != fcs16(f, 4 + len))
		return 0;
	if (f[1] & SEG_FIRST)
		s->fill = 0;
	if (len > sizeof(s->apdu)) {
		s->fill = 0;
		return send_apdu(s, 0xd8, (const uint8_t *)"\x03", 1);
	}
	memcpy(s->apdu + s->fill, f + 4, len);
	s->fill += len;
	if (f[1] & SEG_LAST)
		return s->complete(s);
	return 0;
}

static void drop(int i)
{
	close(sess[i]->fd);
	free(sess[i]);
	sess[i] = NULL;
}

static void admit(int ls)
{
	int i, fd = accept(ls, NULL, NULL);

	if (fd < 0)
		return;
	for (i = 0; i < MAX_SESS; i++)
		if (!sess[i])
			break;
	if (i == MAX_SESS || !(sess[i] = calloc(1, sizeof(struct session)))) {
		close(fd);
		return;
	}
	sess[i]->fd = fd;
	sess[i]->seen = time(NULL);
	sess[i]->complete = apdu_complete;
}

static void housekeeping(void)
{
	time_t now = time(NULL);
	int i;

	reg_energy += reg_power / 36;
	for (i = 0; i < MAX_SESS; i++)
		if (sess[i] && now - sess[i]->seen > IDLE_LIMIT)
			drop(i);
}

int main(void)
{
	struct sockaddr_in a;
	struct pollfd pf[MAX_SESS + 1];
	int ls, i;

	ls = socket(AF_INET, SOCK_STREAM, 0);
	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons(HDLCD_PORT);
	if (bind(ls, (struct sockaddr *)&a, sizeof(a)) || listen(ls, 2))
		return 1;
	for (;;) {
		for (i = 0; i < MAX_SESS; i++) {
			pf[i].fd = sess[i] ? sess[i]->fd : -1;
			pf[i].events = POLLIN;
			pf[i].revents = 0;
		}
		pf[MAX_SESS].fd = ls;
		pf[MAX_SESS].events = POLLIN;
		pf[MAX_SESS].revents = 0;
		if (poll(pf, MAX_SESS + 1, 10000) == 0)
			housekeeping();
		for (i = 0; i < MAX_SESS; i++) {
			if (!sess[i] || !pf[i].revents)
				continue;
			sess[i]->seen = time(NULL);
			if (on_frame(sess[i]) < 0)
				drop(i);
		}
		if (pf[MAX_SESS].revents & POLLIN)
			admit(ls);
	}
}
