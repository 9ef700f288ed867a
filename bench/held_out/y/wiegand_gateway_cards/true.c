/*
 * wgate: door controller between wiegand readers and the access server
 *
 * The server connects and sends packets
 *     u8 0xA5 | u8 op | u16 length (LE) | data | u8 xor of data
 * Wiegand frames from the readers arrive through /dev/wiegandN.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <fcntl.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define GATE_PORT     4050
#define READERS       2
#define CARD_MAX      256
#define DATA_MAX      1024
#define SYNC          0xA5

#define OP_PING       0x01
#define OP_CARDS      0x10
#define OP_CLEAR      0x11
#define OP_OPEN       0x20
#define OP_SETTIME    0x30
#define OP_DOORNAME   0x31

struct card {
	uint32_t number;
	uint16_t doors;
	uint16_t schedule;
};

struct door {
	int      fd;
	int      strike;            /* seconds */
	time_t   close_at;
	char     name[20];
};

static struct card cards[CARD_MAX];
static unsigned    ncards;
static struct door doors[READERS];
static time_t      last_server;

static int rd_full(int s, void *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = recv(s, (char *)buf + got, len - got, 0);
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

static void strike(struct door *d, int on)
{
	unsigned char b = on ? 'U' : 'L';

	if (d->fd >= 0 && write(d->fd, &b, 1) != 1)
		perror("strike");
	d->close_at = on ? time(NULL) + d->strike : 0;
}

static const struct card *card_find(uint32_t no)
{
	unsigned i;

	for (i = 0; i < ncards; i++)
		if (cards[i].number == no)
			return &cards[i];
	return NULL;
}

/* 26 bit frame in the low bits: P FFFFFFFF NNNNNNNNNNNNNNNN P */
static void wiegand_frame(int door, uint32_t bits)
{
	uint32_t even = 0, odd = 0, no;
	const struct card *c;
	int i;

	for (i = 0; i < 13; i++)
		odd ^= (bits >> i) & 1;
	for (i = 13; i < 26; i++)
		even ^= (bits >> i) & 1;
	if (even != 0 || odd != 1) {
		fprintf(stderr, "wgate: parity, reader %d\n", door);
		return;
	}
	no = (bits >> 1) & 0xffffff;
	c = card_find(no);
	if (c && (c->doors & (1u << door)))
		strike(&doors[door], 1);
	else
		fprintf(stderr, "wgate: card %u refused at %s\n", no, doors[door].name);
}

static int op_cards(const uint8_t *d, unsigned len)
{
	unsigned n, i;

	if (len < 2)
		return 1;
	n = d[0] | d[1] << 8;
	if (2 + n * 8 > len || ncards + n > CARD_MAX)
		return 1;
	d += 2;
	for (i = 0; i < n; i++, d += 8) {
		struct card *c = &cards[ncards++];
		c->number = d[0] | d[1] << 8 | d[2] << 16 | (uint32_t)d[3] << 24;
		c->doors = d[4] | d[5] << 8;
		c->schedule = d[6] | d[7] << 8;
	}
	return 0;
}

static int op_clear(const uint8_t *d, unsigned len)
{
	ncards = 0;
	return 0;
}

static int op_open(const uint8_t *d, unsigned len)
{
	if (len < 1 || d[0] >= READERS)
		return 1;
	strike(&doors[d[0]], 1);
	return 0;
}

static int op_settime(const uint8_t *d, unsigned len)
{
	struct timespec ts = { 0, 0 };

	if (len != 4)
		return 1;
	ts.tv_sec = d[0] | d[1] << 8 | d[2] << 16 | (uint32_t)d[3] << 24;
	return clock_settime(CLOCK_REALTIME, &ts) ? 2 : 0;
}

static int op_doorname(const uint8_t *d, unsigned len)
{
	if (len < 2 || len > sizeof doors[0].name || d[0] >= READERS)
		return 1;
	memcpy(doors[d[0]].name, d + 1, len - 1);
	doors[d[0]].name[len - 1] = '\0';
	return 0;
}

static int op_ping(const uint8_t *d, unsigned len)
{
	return 0;
}

static const struct {
	uint8_t op;
	int (*fn)(const uint8_t *, unsigned);
} optab[] = {
	{ OP_PING, op_ping },   { OP_CARDS, op_cards },     { OP_CLEAR, op_clear },
	{ OP_OPEN, op_open },   { OP_SETTIME, op_settime }, { OP_DOORNAME, op_doorname },
};

static int server_packet(int s)
{
	uint8_t head[4], data[DATA_MAX], sum, x = 0;
	uint8_t ack[3] = { SYNC, 0, 0xff };
	unsigned len, i;

	if (rd_full(s, head, 4) < 0)
		return -1;
	if (head[0] != SYNC)
		return -1;
	len = head[2] | head[3] << 8;
	if (len && rd_full(s, data, len) < 0)
		return -1;
	if (rd_full(s, &sum, 1) < 0)
		return -1;
	for (i = 0; i < len; i++)
		x ^= data[i];
	ack[1] = head[1];
	if (x == sum)
		for (i = 0; i < sizeof optab / sizeof optab[0]; i++)
			if (optab[i].op == head[1])
				ack[2] = (uint8_t)optab[i].fn(data, len);
	last_server = time(NULL);
	return send(s, ack, 3, 0) == 3 ? 0 : -1;
}

static void doors_init(void)
{
	char dev[32];
	int i;

	for (i = 0; i < READERS; i++) {
		snprintf(dev, sizeof dev, "/dev/wiegand%d", i);
		doors[i].fd = open(dev, O_RDWR);
		doors[i].strike = 5;
		snprintf(doors[i].name, sizeof doors[i].name, "door %d", i);
	}
}

int main(void)
{
	struct sockaddr_in a;
	int ls, srv = -1, one = 1, i;

	signal(SIGPIPE, SIG_IGN);
	doors_init();
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	memset(&a, 0, sizeof a);
	a.sin_family = AF_INET;
	a.sin_port = htons(GATE_PORT);
	a.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(ls, (struct sockaddr *)&a, sizeof a) < 0 || listen(ls, 1) < 0) {
		perror("wgate");
		return 1;
	}
	for (;;) {
		struct timeval tv = { 0, 500000 };
		fd_set r;
		int max = ls;

		FD_ZERO(&r);
		FD_SET(ls, &r);
		if (srv >= 0) {
			FD_SET(srv, &r);
			if (srv > max)
				max = srv;
		}
		for (i = 0; i < READERS; i++)
			if (doors[i].fd >= 0) {
				FD_SET(doors[i].fd, &r);
				if (doors[i].fd > max)
					max = doors[i].fd;
			}
		if (select(max + 1, &r, NULL, NULL, &tv) < 0)
			continue;
		for (i = 0; i < READERS; i++) {
			uint32_t bits;
			if (doors[i].close_at && time(NULL) >= doors[i].close_at)
				strike(&doors[i], 0);
			if (doors[i].fd >= 0 && FD_ISSET(doors[i].fd, &r) &&
			    read(doors[i].fd, &bits, 4) == 4)
				wiegand_frame(i, bits);
		}
		if (srv >= 0 && FD_ISSET(srv, &r) && server_packet(srv) < 0) {
			close(srv);
			srv = -1;
		}
		if (FD_ISSET(ls, &r)) {
			int c = accept(ls, NULL, NULL);
			if (c >= 0) {
				if (srv >= 0)
					close(srv);
				srv = c;
			}
		}
	}
}
