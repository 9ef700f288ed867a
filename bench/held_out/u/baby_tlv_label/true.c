/*
 * nurseryd - parent unit link of the baby monitor
 *
 * The parent units and the phone app send small datagrams made of
 * type/length/value records.  Answers go back to the sender.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <poll.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define LINK_PORT      6001
#define LINK_MAGIC     0x424d
#define LINK_VERSION   2
#define MAX_UNITS      4
#define LABEL_LEN      32

enum {
	T_LABEL = 1,
	T_VOLUME = 2,
	T_LULLABY = 3,
	T_LIGHT = 4,
	T_ALARM_LEVEL = 5,
	T_BYE = 9
};

struct unit {
	struct sockaddr_in addr;
	time_t seen;
	uint8_t volume;
	uint8_t lullaby;
	uint8_t light;
	uint8_t alarm_level;
	char label[LABEL_LEN];
	void (*on_alarm)(struct unit *u, int level);
};

struct nursery {
	struct unit *units[MAX_UNITS];
	int sock;
	int temp_tenths;
	int noise;
	time_t next_sample;
	time_t next_announce;
};

static struct nursery nur;
static int log_level = 1;

static void say(int level, const char *fmt, ...)
{
	va_list ap;

	if (level > log_level)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void alarm_to_unit(struct unit *u, int level)
{
	uint8_t pkt[8] = { 0x42, 0x4d, LINK_VERSION, 1, 0x81, 2, 0, 0 };

	pkt[6] = (uint8_t)level;
	pkt[7] = u->alarm_level;
	sendto(nur.sock, pkt, sizeof(pkt), 0, (struct sockaddr *)&u->addr, sizeof(u->addr));
}

static struct unit *unit_for(const struct sockaddr_in *from)
{
	int i, spare = -1;

	for (i = 0; i < MAX_UNITS; i++) {
		struct unit *u = nur.units[i];

		if (u == NULL) {
			if (spare < 0)
				spare = i;
		} else if (u->addr.sin_addr.s_addr == from->sin_addr.s_addr &&
			   u->addr.sin_port == from->sin_port) {
			return u;
		}
	}
	if (spare < 0)
		return NULL;
	nur.units[spare] = calloc(1, sizeof(struct unit));
	if (nur.units[spare] == NULL)
		return NULL;
	nur.units[spare]->addr = *from;
	nur.units[spare]->volume = 50;
	nur.units[spare]->alarm_level = 60;
	nur.units[spare]->on_alarm = alarm_to_unit;
	strcpy(nur.units[spare]->label, "parent");
	say(1, "new unit %s", inet_ntoa(from->sin_addr));
	return nur.units[spare];
}

/* one function per record type */
static int rec_label(struct unit *u, const uint8_t *val, unsigned len)
{
	if (len == 0)
		return -1;
	memcpy(u->label, val, len);
	u->label[len] = '\0';
	say(1, "unit is now called '%s'", u->label);
	return 0;
}

static int rec_volume(struct unit *u, const uint8_t *val, unsigned len)
{
	if (len != 1 || val[0] > 100)
		return -1;
	u->volume = val[0];
	return 0;
}

static int rec_lullaby(struct unit *u, const uint8_t *val, unsigned len)
{
	static const char *const tunes[] = { "off", "brahms", "rain", "waves", "heart" };

	if (len != 1 || val[0] >= sizeof(tunes) / sizeof(tunes[0]))
		return -1;
	u->lullaby = val[0];
	say(2, "tune %s", tunes[val[0]]);
	return 0;
}

static int rec_light(struct unit *u, const uint8_t *val, unsigned len)
{
	FILE *fp;

	if (len != 1)
		return -1;
	u->light = val[0];
	fp = fopen("/sys/class/leds/night/brightness", "w");
	if (fp != NULL) {
		fprintf(fp, "%u\n", u->light);
		fclose(fp);
	}
	return 0;
}

static int rec_alarm_level(struct unit *u, const uint8_t *val, unsigned len)
{
	if (len != 2)
		return -1;
	u->alarm_level = val[0];
	return 0;
}

static const struct {
	uint8_t type;
	int (*fn)(struct unit *, const uint8_t *, unsigned);
} records[] = {
	{ T_LABEL, rec_label },
	{ T_VOLUME, rec_volume },
	{ T_LULLABY, rec_lullaby },
	{ T_LIGHT, rec_light },
	{ T_ALARM_LEVEL, rec_alarm_level },
};

static void drop_unit(struct unit *u)
{
	int i;

	for (i = 0; i < MAX_UNITS; i++)
		if (nur.units[i] == u)
			nur.units[i] = NULL;
	free(u);
}

static int handle_packet(const uint8_t *p, size_t n, const struct sockaddr_in *from)
{
	struct unit *u;
	size_t off = 4;
	unsigned left, i;

	if (n < 4 || (p[0] << 8 | p[1]) != LINK_MAGIC || p[2] != LINK_VERSION)
		return -1;
	u = unit_for(from);
	if (u == NULL)
		return -1;
	u->seen = time(NULL);
	for (left = p[3]; left > 0; left--) {
		unsigned type, len;

		if (off + 2 > n)
			return -1;
		type = p[off];
		len = p[off + 1];
		off += 2;
		if (off + len > n)
			return -1;
		if (type == T_BYE) {
			drop_unit(u);
			return 0;
		}
		for (i = 0; i < sizeof(records) / sizeof(records[0]); i++)
			if (records[i].type == type && records[i].fn(u, p + off, len) < 0)
				say(1, "record %u refused", type);
		off += len;
	}
	return 0;
}

static int read_number(const char *path, int dflt)
{
	char t[32];
	FILE *fp = fopen(path, "r");

	if (fp == NULL)
		return dflt;
	if (fgets(t, sizeof(t), fp) != NULL)
		dflt = atoi(t);
	fclose(fp);
	return dflt;
}

static void sample(void)
{
	int i;

	nur.temp_tenths = read_number("/run/nursery/temp", nur.temp_tenths);
	nur.noise = read_number("/run/nursery/noise", 0);
	for (i = 0; i < MAX_UNITS; i++) {
		struct unit *u = nur.units[i];

		if (u != NULL && nur.noise > u->alarm_level)
			u->on_alarm(u, nur.noise);
	}
}

static void announce(time_t now)
{
	char text[128];
	int i, n;

	for (i = 0; i < MAX_UNITS; i++) {
		struct unit *u = nur.units[i];

		if (u == NULL)
			continue;
		if (now - u->seen > 120) {
			say(1, "unit '%s' lost", u->label);
			drop_unit(u);
			continue;
		}
		n = snprintf(text, sizeof(text), "N:%s;T:%d;V:%u;L:%u", u->label,
			     nur.temp_tenths, u->volume, u->lullaby);
		if (n > 0 && n < (int)sizeof(text))
			sendto(nur.sock, text, n, 0, (struct sockaddr *)&u->addr, sizeof(u->addr));
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa;
	uint8_t pkt[1024];

	if (argc > 1)
		log_level = atoi(argv[1]);
	nur.sock = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(LINK_PORT);
	if (bind(nur.sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		say(0, "bind: %s", strerror(errno));
		return 1;
	}
	for (;;) {
		struct pollfd pf = { nur.sock, POLLIN, 0 };
		time_t now;

		if (poll(&pf, 1, 500) > 0) {
			struct sockaddr_in from;
			socklen_t fl = sizeof(from);
			ssize_t n = recvfrom(nur.sock, pkt, sizeof(pkt), 0, (struct sockaddr *)&from, &fl);

			if (n > 0 && handle_packet(pkt, (size_t)n, &from) < 0)
				say(1, "bad packet from %s", inet_ntoa(from.sin_addr));
		}
		now = time(NULL);
		if (now >= nur.next_sample) {
			nur.next_sample = now + 1;
			sample();
		}
		if (now >= nur.next_announce) {
			nur.next_announce = now + 10;
			announce(now);
		}
	}
}
