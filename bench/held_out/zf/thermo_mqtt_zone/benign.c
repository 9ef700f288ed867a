// SPDX-License-Identifier: GPL-2.0
/*
 * thermo-mq: MQTT side of the multi zone thermostat
 *
 * Set points come from the broker as
 *	clima/<house>/<zone>/<attr>/set
 * and are left as files for the control loop in /run/thermo/<zone>/<attr>.
 */
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define CONF_FILE	"/etc/thermo/mqtt.conf"
#define RUN_DIR		"/run/thermo"
#define PKT_MAX		2048
#define PART_MAX	128
#define PATH_SIZE	96
#define KEEPALIVE	60

#define MQ_CONNECT	0x10
#define MQ_CONNACK	0x20
#define MQ_PUBLISH	0x30
#define MQ_PUBACK	0x40
#define MQ_SUBSCRIBE	0x82
#define MQ_SUBACK	0x90
#define MQ_PINGREQ	0xc0
#define MQ_PINGRESP	0xd0

struct conf {
	char host[64];
	char port[8];
	char client[24];
	char house[32];
};

struct link {
	int fd;
	uint16_t pid;
	time_t last_tx;
	unsigned int missed;
	uint8_t pkt[PKT_MAX + 1];
	size_t len;
};

static struct conf conf = {
	.host = "broker.local",
	.port = "1883",
	.client = "thermo-01",
	.house = "home",
};

static void conf_load(void)
{
	char line[160], key[16], val[64];
	FILE *f = fopen(CONF_FILE, "r");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %15[a-z] = %63s", key, val) != 2)
			continue;
		if (!strcmp(key, "host"))
			snprintf(conf.host, sizeof(conf.host), "%s", val);
		else if (!strcmp(key, "port"))
			snprintf(conf.port, sizeof(conf.port), "%.7s", val);
		else if (!strcmp(key, "client"))
			snprintf(conf.client, sizeof(conf.client), "%.23s", val);
		else if (!strcmp(key, "house"))
			snprintf(conf.house, sizeof(conf.house), "%.31s", val);
	}
	fclose(f);
}

static int tx(struct link *l, const uint8_t *p, size_t n)
{
	l->last_tx = time(NULL);
	return send(l->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -EIO;
}

static size_t put_str(uint8_t *o, const char *s)
{
	size_t n = strlen(s);

	o[0] = n >> 8;
	o[1] = n & 0xff;
	memcpy(o + 2, s, n);
	return n + 2;
}

static int send_connect(struct link *l)
{
	uint8_t b[64] = { MQ_CONNECT, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 0x02, 0, KEEPALIVE };
	size_t n = 12;

	n += put_str(b + n, conf.client);
	b[1] = (uint8_t)(n - 2);
	return tx(l, b, n);
}

static int send_subscribe(struct link *l)
{
	uint8_t b[96] = { MQ_SUBSCRIBE, 0 };
	char filter[64];
	size_t n = 4;

	l->pid++;
	b[2] = l->pid >> 8;
	b[3] = l->pid & 0xff;
	snprintf(filter, sizeof(filter), "clima/%s/#", conf.house);
	n += put_str(b + n, filter);
	b[n++] = 1;
	b[1] = (uint8_t)(n - 2);
	return tx(l, b, n);
}

static int store(const char *zone, const char *attr, const char *value)
{
	char path[PATH_SIZE];
	FILE *f;

	if (strchr(zone, '.') || strchr(attr, '.'))
		return -EINVAL;
	if (sizeof(RUN_DIR) + strlen(zone) + strlen(attr) + 2 > sizeof(path))
		return -ENAMETOOLONG;
	strcpy(path, RUN_DIR "/");
	strcat(path, zone);
	mkdir(path, 0755);
	strcat(path, "/");
	strcat(path, attr);
	f = fopen(path, "w");
	if (!f) {
		fprintf(stderr, "thermo-mq: %s: %s\n", path, strerror(errno));
		return -errno;
	}
	fprintf(f, "%s\n", value);
	fclose(f);
	return 0;
}

/* topic and value are terminated, topic is taken to pieces */
static void on_message(char *topic, const char *value)
{
	char *part[5];
	char *save = NULL, *p;
	int n = 0;

	for (p = strtok_r(topic, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
		if (n == 5)
			return;
		part[n++] = p;
	}
	if (n != 5 || strcmp(part[0], "clima") || strcmp(part[1], conf.house) ||
	    strcmp(part[4], "set"))
		return;
	if (store(part[2], part[3], value) < 0)
		fprintf(stderr, "thermo-mq: message dropped\n");
}

static int on_publish(struct link *l, uint8_t *p, size_t n)
{
	char topic[512], value[32];
	uint8_t qos = (l->pkt[0] >> 1) & 3;
	size_t tlen, vlen;

	if (n < 2)
		return -EPROTO;
	tlen = (size_t)p[0] << 8 | p[1];
	p += 2;
	n -= 2;
	if (tlen > n)
		return -EPROTO;
	if (tlen >= sizeof(topic))
		return 0;
	memcpy(topic, p, tlen);
	topic[tlen] = '\0';
	p += tlen;
	n -= tlen;
	if (qos) {
		uint8_t ack[4] = { MQ_PUBACK, 2 };

		if (n < 2)
			return -EPROTO;
		ack[2] = p[0];
		ack[3] = p[1];
		p += 2;
		n -= 2;
		if (tx(l, ack, sizeof(ack)))
			return -EIO;
	}
	vlen = n < sizeof(value) ? n : sizeof(value) - 1;
	memcpy(value, p, vlen);
	value[vlen] = '\0';
	on_message(topic, value);
	return 0;
}

static int on_connack(struct link *l, uint8_t *p, size_t n)
{
	if (n < 2 || p[1] != 0)
		return -EACCES;
	return send_subscribe(l);
}

static int on_suback(struct link *l, uint8_t *p, size_t n)
{
	(void)l;
	return n >= 3 && p[2] <= 2 ? 0 : -EACCES;
}

static int on_pong(struct link *l, uint8_t *p, size_t n)
{
	(void)p;
	(void)n;
	l->missed = 0;
	return 0;
}

static const struct {
	uint8_t type;
	int (*fn)(struct link *l, uint8_t *p, size_t n);
} handlers[] = {
	{ MQ_CONNACK,	on_connack },
	{ MQ_PUBLISH,	on_publish },
	{ MQ_SUBACK,	on_suback },
	{ MQ_PINGRESP,	on_pong },
};

/* Takes whole packets from the front of the buffer. */
static int consume(struct link *l)
{
	size_t body, hdr, shift, i;
	int err;

	for (;;) {
		body = 0;
		shift = 0;
		hdr = 1;
		do {
			if (hdr >= l->len)
				return hdr > 4 ? -EPROTO : 0;
			body |= (size_t)(l->pkt[hdr] & 0x7f) << shift;
			shift += 7;
		} while ((l->pkt[hdr++] & 0x80) && hdr <= 4);
		if (hdr + body > PKT_MAX)
			return -EMSGSIZE;
		if (l->len < hdr + body)
			return 0;
		for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
			if (handlers[i].type != (l->pkt[0] & 0xf0))
				continue;
			err = handlers[i].fn(l, l->pkt + hdr, body);
			if (err < 0)
				return err;
		}
		l->len -= hdr + body;
		memmove(l->pkt, l->pkt + hdr + body, l->len);
	}
}

static int dial(void)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct addrinfo *ai;
	int fd;

	if (getaddrinfo(conf.host, conf.port, &hints, &ai))
		return -1;
	fd = socket(ai->ai_family, ai->ai_socktype, 0);
	if (fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(ai);
	return fd;
}

static int session(struct link *l)
{
	struct pollfd pfd = { .fd = l->fd, .events = POLLIN };
	const uint8_t ping[2] = { MQ_PINGREQ, 0 };
	ssize_t n;
	int err;

	err = send_connect(l);
	while (!err) {
		if (poll(&pfd, 1, 1000) > 0) {
			n = recv(l->fd, l->pkt + l->len, PKT_MAX - l->len, 0);
			if (n <= 0)
				return -EPIPE;
			l->len += (size_t)n;
			err = consume(l);
		} else if (time(NULL) - l->last_tx >= KEEPALIVE / 2) {
			if (l->missed++ > 3)
				return -ETIMEDOUT;
			err = tx(l, ping, sizeof(ping));
		}
	}
	return err;
}

int main(void)
{
	static struct link l;

	conf_load();
	mkdir(RUN_DIR, 0755);
	for (;;) {
		memset(&l, 0, sizeof(l));
		l.fd = dial();
		if (l.fd >= 0) {
			fprintf(stderr, "thermo-mq: link down (%d)\n", session(&l));
			close(l.fd);
		}
		sleep(10);
	}
}
