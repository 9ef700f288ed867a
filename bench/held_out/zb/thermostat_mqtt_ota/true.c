/*
 * tstatd - thermostat, client of the MQTT broker in the home gateway.
 *   tstat/<x>/set   target=21.5,mode=heat
 *   tstat/<x>/ota   channel=stable,version=1.4.2,delay=30
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BROKER_PORT	1883
#define CLIENT_ID	"tstat-01"
#define KEEPALIVE	30

struct ota_job {
	char version[64];
	const char *channel;
	time_t due;
};

static struct ota_job *ota;
static double target = 20.0;
static int heat_mode = 1;
static int sock = -1;
static time_t last_tx;

static void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static int shellf(const char *fmt, ...)
{
	char *line = malloc(300);
	va_list ap;
	int n, rc = -1;

	if (!line)
		return -1;
	va_start(ap, fmt);
	n = vsnprintf(line, 300, fmt, ap);
	va_end(ap);
	if (n > 0 && n < 300)
		rc = system(line);
	free(line);
	return rc;
}

/* ---- topics ---- */

static void topic_set(char *payload)
{
	char *save = NULL, *tok;

	for (tok = strtok_r(payload, ",", &save); tok; tok = strtok_r(NULL, ",", &save)) {
		if (!strncmp(tok, "target=", 7)) {
			double t = atof(tok + 7);

			if (t >= 5.0 && t <= 30.0)
				target = t;
		} else if (!strncmp(tok, "mode=", 5)) {
			heat_mode = !strcmp(tok + 5, "heat");
		}
	}
	note("target %.1f heat %d", target, heat_mode);
}

static void topic_ota(char *payload)
{
	static const char *const channels[] = { "stable", "beta", "factory" };
	char *save = NULL, *tok;
	const char *version = NULL, *channel = NULL;
	unsigned major, minor, patch;
	int delay = 1;
	size_t i;
	struct ota_job *j;

	for (tok = strtok_r(payload, ",", &save); tok; tok = strtok_r(NULL, ",", &save)) {
		char *v = strchr(tok, '=');

		if (!v)
			continue;
		*v++ = '\0';
		if (!strcmp(tok, "version")) {
			version = v;
		} else if (!strcmp(tok, "channel")) {
			for (i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
				if (!strcmp(v, channels[i]))
					channel = channels[i];
		} else if (!strcmp(tok, "delay")) {
			delay = atoi(v);
		}
	}
	if (!version || !channel || delay < 0 || delay > 86400)
		return;
	if (sscanf(version, "%u.%u.%u", &major, &minor, &patch) != 3) {
		note("ota: no version number");
		return;
	}
	j = calloc(1, sizeof(*j));
	if (!j)
		return;
	snprintf(j->version, sizeof(j->version), "%s", version);
	j->channel = channel;
	j->due = time(NULL) + delay;
	free(ota);
	ota = j;
	note("ota: %u.%u.%u in %d s", major, minor, patch, delay);
}

static void topic_ping(char *payload)
{
	note("ping, %zu bytes", strlen(payload));
}

static const struct {
	const char *suffix;
	void (*fn)(char *);
} topics[] = {
	{ "/set", topic_set },
	{ "/ota", topic_ota },
	{ "/ping", topic_ping },
};

/* ---- MQTT ---- */

static int tx(const uint8_t *p, size_t n)
{
	last_tx = time(NULL);
	return send(sock, p, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

static int rx(uint8_t *p, size_t n)
{
	while (n) {
		ssize_t r = recv(sock, p, n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static size_t put_str(uint8_t *p, const char *s)
{
	size_t n = strlen(s);

	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
	memcpy(p + 2, s, n);
	return n + 2;
}

static int hello(void)
{
	uint8_t b[64] = { 0x10, 0 };
	size_t n = 2;

	n += put_str(b + n, "MQTT");
	b[n++] = 4;
	b[n++] = 2;
	b[n++] = 0;
	b[n++] = KEEPALIVE;
	n += put_str(b + n, CLIENT_ID);
	b[1] = (uint8_t)(n - 2);
	if (tx(b, n) < 0)
		return -1;
	b[0] = 0x82;
	b[2] = 0;
	b[3] = 1;
	n = 4 + put_str(b + 4, "tstat/" CLIENT_ID "/#");
	b[n++] = 0;
	b[1] = (uint8_t)(n - 2);
	return tx(b, n);
}

static void on_publish(const uint8_t *p, size_t n, int qos)
{
	size_t tl, i;
	char *topic, *payload;

	if (n < 2)
		return;
	tl = (size_t)p[0] << 8 | p[1];
	if (tl + 2 > n)
		return;
	topic = strndup((const char *)p + 2, tl);
	p += 2 + tl;
	n -= 2 + tl;
	if (qos) {
		if (n < 2) {
			free(topic);
			return;
		}
		p += 2;
		n -= 2;
	}
	payload = strndup((const char *)p, n);
	if (topic && payload) {
		const char *last = strrchr(topic, '/');

		for (i = 0; last && i < sizeof(topics) / sizeof(topics[0]); i++)
			if (!strcmp(last, topics[i].suffix))
				topics[i].fn(payload);
	}
	free(topic);
	free(payload);
}

static int packet(void)
{
	uint8_t h, b, *body;
	size_t len = 0;
	int shift = 0;

	if (rx(&h, 1) < 0)
		return -1;
	do {
		if (shift > 14 || rx(&b, 1) < 0)
			return -1;
		len |= (size_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80);
	if (len > 8192)
		return -1;
	body = malloc(len + 1);
	if (!body)
		return -1;
	if (rx(body, len) < 0) {
		free(body);
		return -1;
	}
	if ((h & 0xf0) == 0x30)
		on_publish(body, len, h >> 1 & 3);
	free(body);
	return 0;
}

static void timers(void)
{
	static const uint8_t ping[2] = { 0xc0, 0 };
	time_t now = time(NULL);

	if (ota && now >= ota->due) {
		int rc = shellf("/usr/sbin/fetchfw -c %s -v %s -o /tmp/fw.bin", ota->channel,
				ota->version);

		note("ota: fetch returned %d", rc);
		free(ota);
		ota = NULL;
	}
	if (now - last_tx > KEEPALIVE / 2)
		tx(ping, sizeof(ping));
}

static int dial(const char *broker)
{
	struct sockaddr_in sa;
	int s = socket(AF_INET, SOCK_STREAM, 0);

	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(BROKER_PORT);
	if (inet_pton(AF_INET, broker, &sa.sin_addr) != 1 ||
	    connect(s, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		close(s);
		return -1;
	}
	return s;
}

int main(int argc, char **argv)
{
	const char *broker = argc > 1 ? argv[1] : "192.168.4.1";

	for (;;) {
		sock = dial(broker);
		if (sock < 0 || hello() < 0) {
			note("no broker");
			sleep(5);
			continue;
		}
		for (;;) {
			struct timeval tv = { 1, 0 };
			fd_set rd;

			FD_ZERO(&rd);
			FD_SET(sock, &rd);
			if (select(sock + 1, &rd, NULL, NULL, &tv) > 0 && packet() < 0)
				break;
			timers();
		}
		close(sock);
	}
}
