/*
 * dimnode.c - eight channel dimmer pack, Art-Net side
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <fcntl.h>
#include <time.h>
#include <pthread.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define ARTNET_PORT   0x1936
#define ARTNET_ID     "Art-Net"
#define PKT_MAX       1500
#define DMX_CHANNELS  512
#define OUTPUTS       4

enum art_op {
	OpPoll      = 0x2000,
	OpPollReply = 0x2100,
	OpDmx       = 0x5000,
	OpAddress   = 0x6000,
	OpIpProg    = 0xf800
};

typedef struct universe {
	uint16_t addr;
	uint8_t  seq;
	uint8_t  priority;
	uint16_t used;
	uint8_t  dmx[DMX_CHANNELS];
	struct timespec when;
	struct universe *next;
} universe_t;

typedef struct {
	char short_name[18];
	char long_name[64];
	uint16_t base;
	int spi;
	uint8_t level[OUTPUTS];
	uint8_t target[OUTPUTS];
	uint16_t start;
	universe_t *first;
	pthread_mutex_t mtx;
} node_t;

static node_t node = {
	"DimNode", "DimNode 4 channel dimmer", 0, -1, {0}, {0}, 1, NULL,
	PTHREAD_MUTEX_INITIALIZER
};
static int trace;

static void tr(const char *fmt, ...)
{
	va_list ap;

	if (!trace)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
}

static void config(const char *file)
{
	char key[20];
	int val;
	FILE *fp = fopen(file, "r");

	if (!fp)
		return;
	while (fscanf(fp, "%19s %d", key, &val) == 2) {
		if (!strcmp(key, "universe"))
			node.base = (uint16_t)(val & 0x7fff);
		else if (!strcmp(key, "start") && val >= 1 && val <= DMX_CHANNELS - OUTPUTS + 1)
			node.start = (uint16_t)val;
		else if (!strcmp(key, "trace"))
			trace = val;
	}
	fclose(fp);
}

/* a node keeps only the universes around its base */
static universe_t *universe_get(uint16_t addr)
{
	universe_t *u;

	if (addr < node.base || addr >= node.base + OUTPUTS)
		return NULL;
	for (u = node.first; u; u = u->next)
		if (u->addr == addr)
			return u;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->addr = addr;
	u->next = node.first;
	node.first = u;
	tr("universe %u\n", addr);
	return u;
}

static void send_poll_reply(int s, const struct sockaddr_in *to)
{
	uint8_t r[239];

	memset(r, 0, sizeof(r));
	memcpy(r, ARTNET_ID, 8);
	r[8] = OpPollReply & 0xff;
	r[9] = OpPollReply >> 8;
	r[14] = ARTNET_PORT & 0xff;
	r[15] = ARTNET_PORT >> 8;
	r[18] = node.base >> 8;
	r[19] = (node.base >> 4) & 0x0f;
	memcpy(r + 26, node.short_name, sizeof(node.short_name));
	memcpy(r + 44, node.long_name, sizeof(node.long_name));
	r[173] = 1;
	sendto(s, r, sizeof(r), 0, (const struct sockaddr *)to, sizeof(*to));
}

static void on_poll(int s, const uint8_t *p, size_t n, const struct sockaddr_in *from)
{
	send_poll_reply(s, from);
}

static void on_dmx(int s, const uint8_t *p, size_t n, const struct sockaddr_in *from)
{
	universe_t *u;
	uint16_t addr, len;

	if (n < 20)
		return;
	addr = p[14] | (p[15] & 0x7f) << 8;
	len = p[16] << 8 | p[17];
	if (len < 2 || len > n - 18) {
		tr("dmx: length %u\n", len);
		return;
	}
	pthread_mutex_lock(&node.mtx);
	u = universe_get(addr);
	if (u && (p[12] == 0 || (int8_t)(p[12] - u->seq) >= 0 || u->used == 0)) {
		u->seq = p[12];
		memcpy(u->dmx, p + 18, len);
		u->used = len;
		clock_gettime(CLOCK_MONOTONIC, &u->when);
	}
	pthread_mutex_unlock(&node.mtx);
}

static void on_address(int s, const uint8_t *p, size_t n, const struct sockaddr_in *from)
{
	if (n < 107)
		return;
	pthread_mutex_lock(&node.mtx);
	if (p[14]) {
		memcpy(node.short_name, p + 14, sizeof(node.short_name));
		node.short_name[sizeof(node.short_name) - 1] = 0;
	}
	if (p[32]) {
		memcpy(node.long_name, p + 32, sizeof(node.long_name));
		node.long_name[sizeof(node.long_name) - 1] = 0;
	}
	pthread_mutex_unlock(&node.mtx);
	tr("named %s\n", node.short_name);
	send_poll_reply(s, from);
}

static const struct {
	uint16_t op;
	void (*fn)(int s, const uint8_t *p, size_t n, const struct sockaddr_in *from);
} ops[] = {
	{ OpPoll, on_poll },
	{ OpDmx, on_dmx },
	{ OpAddress, on_address },
};

static void spi_write(const uint8_t *v, size_t n)
{
	if (node.spi < 0)
		node.spi = open("/dev/spidev0.0", O_WRONLY);
	if (node.spi >= 0 && write(node.spi, v, n) < 0) {
		close(node.spi);
		node.spi = -1;
	}
}

/* 40 times a second: go one step to the wanted level */
static void *fader(void *unused)
{
	const struct timespec step = { 0, 25000000 };
	struct timespec now;
	universe_t *u;
	int i, moved;

	for (;;) {
		nanosleep(&step, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		pthread_mutex_lock(&node.mtx);
		for (u = node.first; u; u = u->next) {
			if (u->addr != node.base)
				continue;
			for (i = 0; i < OUTPUTS; i++) {
				int ch = node.start - 1 + i;
				if (ch < u->used)
					node.target[i] = u->dmx[ch];
				if (now.tv_sec - u->when.tv_sec > 10)
					node.target[i] = 0;
			}
		}
		moved = 0;
		for (i = 0; i < OUTPUTS; i++) {
			int d = node.target[i] - node.level[i];
			if (d == 0)
				continue;
			if (d > 16)
				d = 16;
			if (d < -16)
				d = -16;
			node.level[i] = (uint8_t)(node.level[i] + d);
			moved = 1;
		}
		if (moved)
			spi_write(node.level, sizeof(node.level));
		pthread_mutex_unlock(&node.mtx);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static uint8_t pkt[PKT_MAX];
	struct sockaddr_in me, from;
	pthread_t th;
	size_t i;
	int s, on = 1;

	config(argc > 1 ? argv[1] : "/etc/dimnode.conf");
	s = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(s, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	memset(&me, 0, sizeof(me));
	me.sin_family = AF_INET;
	me.sin_port = htons(ARTNET_PORT);
	if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof(me)) < 0) {
		perror("dimnode");
		return 1;
	}
	pthread_create(&th, NULL, fader, NULL);
	for (;;) {
		socklen_t fl = sizeof(from);
		ssize_t n = recvfrom(s, pkt, sizeof(pkt), 0, (struct sockaddr *)&from, &fl);
		uint16_t op;

		if (n < 12 || memcmp(pkt, ARTNET_ID, 8) != 0)
			continue;
		op = (uint16_t)(pkt[8] | pkt[9] << 8);
		for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
			if (ops[i].op == op) {
				ops[i].fn(s, pkt, (size_t)n, &from);
				break;
			}
	}
}
