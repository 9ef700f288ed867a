/* thermod: room thermostat, talks MQTT 3.1.1 to the home broker */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <netdb.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define MQTT_CONNECT    0x10
#define MQTT_PUBLISH    0x30
#define MQTT_SUBSCRIBE  0x82
#define MQTT_PINGREQ    0xC0
#define KEEPALIVE       30
#define PACKET_LIMIT    2048

struct config {
	char broker[64];
	char port[6];
	char client_id[24];
	int  hysteresis_dk;		/* tenths of a kelvin */
};

struct thermo {
	int    target_dk;
	int    room_dk;
	int    mode;			/* 0 off, 1 heat, 2 eco */
	int    valve_open;
	char  *clock_text;
	time_t last_ping;
	time_t last_minute;
};

static struct config cfg = { "broker.local", "1883", "thermo-1", 5 };
static struct thermo th = { 2100, 2000, 1, 0, NULL, 0, 0 };

static void info(const char *fmt, ...)
{
	va_list ap;

	fputs("thermod: ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

static int sh(const char *fmt, ...)
{
	char buf[PACKET_LIMIT + 128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	return system(buf);
}

/* ---------------------------------------------------------- control loop */

static void sample_room(void)
{
	FILE *f = fopen("/sys/bus/iio/devices/iio:device0/in_temp_input", "r");
	int milli;

	if (!f)
		return;
	if (fscanf(f, "%d", &milli) == 1)
		th.room_dk = milli / 10;
	fclose(f);
}

static void control(void)
{
	int want = th.valve_open;
	int target = th.mode == 2 ? th.target_dk - 300 : th.target_dk;

	if (th.mode == 0)
		want = 0;
	else if (th.room_dk < target - cfg.hysteresis_dk)
		want = 1;
	else if (th.room_dk > target + cfg.hysteresis_dk)
		want = 0;
	if (want != th.valve_open) {
		FILE *f = fopen("/sys/class/gpio/gpio4/value", "w");

		th.valve_open = want;
		info("valve %s at %d.%02d", want ? "open" : "closed",
		     th.room_dk / 100, th.room_dk % 100);
		if (f) {
			fprintf(f, "%d", want);
			fclose(f);
		}
	}
}

/* ---------------------------------------------------------- topics */

static void topic_target(const char *text, size_t n)
{
	double v = atof(text);

	if (v >= 5.0 && v <= 30.0) {
		th.target_dk = (int)(v * 100.0 + 0.5);
		info("target %d", th.target_dk);
	}
}

static void topic_mode(const char *text, size_t n)
{
	if (!strcmp(text, "off"))
		th.mode = 0;
	else if (!strcmp(text, "heat"))
		th.mode = 1;
	else if (!strcmp(text, "eco"))
		th.mode = 2;
	else
		info("unknown mode");
}

static void topic_clock(const char *text, size_t n)
{
	if (n < 5 || text[2] != ':') {
		info("bad clock");
		return;
	}
	free(th.clock_text);
	th.clock_text = strdup(text);
}

static const struct topic {
	const char *name;
	void (*fn)(const char *text, size_t n);
} topics[] = {
	{ "heat/target", topic_target },
	{ "heat/mode",   topic_mode   },
	{ "heat/clock",  topic_clock  },
};

#define N_TOPICS (sizeof(topics) / sizeof(topics[0]))

static void set_clock(void)
{
	char *text = th.clock_text;

	th.clock_text = NULL;
	char *end;
	long h = strtol(text, &end, 10);
	long m = *end == ':' ? strtol(end + 1, &end, 10) : -1;

	if (h >= 0 && h <= 23 && m >= 0 && m <= 59) {
		info("clock set to %02ld:%02ld", h, m);
		sh("date -s %02ld:%02ld && hwclock -w -u", h, m);
	}
	free(text);
}

/* ---------------------------------------------------------- MQTT */

static int put_string(uint8_t *p, const char *s)
{
	size_t n = strlen(s);

	p[0] = n >> 8;
	p[1] = n & 255;
	memcpy(p + 2, s, n);
	return 2 + n;
}

static int mqtt_open(void)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM }, *ai;
	uint8_t p[128];
	int fd, n = 2;
	size_t i;

	if (getaddrinfo(cfg.broker, cfg.port, &hint, &ai))
		return -1;
	fd = socket(ai->ai_family, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		freeaddrinfo(ai);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	freeaddrinfo(ai);
	p[0] = MQTT_CONNECT;
	n += put_string(p + n, "MQTT");
	p[n++] = 4;
	p[n++] = 2;
	p[n++] = 0;
	p[n++] = KEEPALIVE * 2;
	n += put_string(p + n, cfg.client_id);
	p[1] = n - 2;
	send(fd, p, n, 0);
	for (i = 0; i < N_TOPICS; i++) {
		n = 2;
		p[0] = MQTT_SUBSCRIBE;
		p[n++] = 0;
		p[n++] = i + 1;
		n += put_string(p + n, topics[i].name);
		p[n++] = 0;
		p[1] = n - 2;
		send(fd, p, n, 0);
	}
	info("connected to %s", cfg.broker);
	return fd;
}

static int read_n(int fd, uint8_t *p, size_t n)
{
	ssize_t r;

	for (; n; p += r, n -= r)
		if ((r = read(fd, p, n)) <= 0)
			return -1;
	return 0;
}

static void on_publish(uint8_t *p, size_t len)
{
	size_t tl, i;
	char text[PACKET_LIMIT + 1];

	if (len < 2)
		return;
	tl = p[0] << 8 | p[1];
	if (tl > len - 2)
		return;
	memcpy(text, p + 2 + tl, len - 2 - tl);
	text[len - 2 - tl] = '\0';
	for (i = 0; i < N_TOPICS; i++)
		if (strlen(topics[i].name) == tl && !memcmp(topics[i].name, p + 2, tl)) {
			topics[i].fn(text, strlen(text));
			return;
		}
}

static int on_packet(int fd)
{
	uint8_t type, b, *body;
	size_t len = 0;
	int shift = 0;

	if (read_n(fd, &type, 1))
		return -1;
	do {
		if (shift > 21 || read_n(fd, &b, 1))
			return -1;
		len |= (size_t)(b & 127) << shift;
		shift += 7;
	} while (b & 128);
	if (len > PACKET_LIMIT)
		return -1;
	body = malloc(len + 1);
	if (!body)
		return -1;
	if (read_n(fd, body, len)) {
		free(body);
		return -1;
	}
	if ((type & 0xF0) == MQTT_PUBLISH)
		on_publish(body, len);
	free(body);
	return 0;
}

static void timers(int fd)
{
	time_t now = time(NULL);

	if (now - th.last_ping >= KEEPALIVE) {
		uint8_t ping[2] = { MQTT_PINGREQ, 0 };

		send(fd, ping, 2, 0);
		th.last_ping = now;
	}
	if (now / 60 != th.last_minute) {
		th.last_minute = now / 60;
		sample_room();
		control();
		if (th.clock_text)
			set_clock();
	}
}

int main(int argc, char **argv)
{
	struct pollfd pf;

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1)
		snprintf(cfg.broker, sizeof(cfg.broker), "%s", argv[1]);
	for (;;) {
		pf.fd = mqtt_open();
		pf.events = POLLIN;
		if (pf.fd < 0) {
			sleep(5);
			continue;
		}
		for (;;) {
			if (poll(&pf, 1, 1000) > 0 && on_packet(pf.fd) < 0)
				break;
			timers(pf.fd);
		}
		close(pf.fd);
		info("connection lost");
	}
}
