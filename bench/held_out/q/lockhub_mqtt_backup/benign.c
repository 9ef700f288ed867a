/*
 * lockhubd - local broker side of the LX-200 lock hub
 *
 * The app publishes to the hub directly when the cloud is away. Only
 * CONNECT, PUBLISH (QoS 0/1), PINGREQ and DISCONNECT are answered.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LH_PORT          1883
#define LH_MAX_PACKET    4096
#define LH_BACKUP_PERIOD 3600

enum {
	MQ_CONNECT = 1,
	MQ_CONNACK = 2,
	MQ_PUBLISH = 3,
	MQ_PUBACK = 4,
	MQ_PINGREQ = 12,
	MQ_PINGRESP = 13,
	MQ_DISCONNECT = 14,
};

/* ---- settings store ------------------------------------------------ */

struct kv {
	struct kv *next;
	char *key;
	char *val;
};

static struct kv *kv_head;
static pthread_mutex_t kv_lock = PTHREAD_MUTEX_INITIALIZER;

static int kv_set(const char *key, const char *val)
{
	struct kv *e;
	char *dup = strdup(val);

	if (!dup)
		return -ENOMEM;
	pthread_mutex_lock(&kv_lock);
	for (e = kv_head; e; e = e->next)
		if (!strcmp(e->key, key))
			break;
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e || !(e->key = strdup(key))) {
			free(e);
			free(dup);
			pthread_mutex_unlock(&kv_lock);
			return -ENOMEM;
		}
		e->next = kv_head;
		kv_head = e;
	}
	free(e->val);
	e->val = dup;
	pthread_mutex_unlock(&kv_lock);
	return 0;
}

static int kv_get(const char *key, char *out, size_t cap)
{
	struct kv *e;
	int rc = -ENOENT;

	pthread_mutex_lock(&kv_lock);
	for (e = kv_head; e; e = e->next) {
		if (strcmp(e->key, key))
			continue;
		if (strlen(e->val) < cap) {
			strcpy(out, e->val);
			rc = 0;
		}
		break;
	}
	pthread_mutex_unlock(&kv_lock);
	return rc;
}

static long kv_get_long(const char *key, long dflt)
{
	char tmp[32];

	if (kv_get(key, tmp, sizeof(tmp)))
		return dflt;
	return strtol(tmp, NULL, 10);
}

/* ---- topics -------------------------------------------------------- */

static time_t backup_due;

static int set_number(const char *key, const char *text, long lo, long hi)
{
	char tmp[24];
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || end == text || v < lo || v > hi)
		return -EINVAL;
	snprintf(tmp, sizeof(tmp), "%ld", v);
	return kv_set(key, tmp);
}

static int on_autolock(const char *p)
{
	return set_number("autolock.sec", p, 5, 600);
}

static int on_volume(const char *p)
{
	return set_number("beep.volume", p, 0, 10);
}

static int on_pin(const char *p)
{
	size_t i, n = strlen(p);

	if (n < 4 || n > 8)
		return -EINVAL;
	for (i = 0; i < n; i++)
		if (!isdigit((unsigned char)p[i]))
			return -EINVAL;
	return kv_set("user.pin", p);
}

static int on_backup_host(const char *p)
{
	struct in_addr a;

	/* 10.0.0.5 only, there is no resolver on the lock network */
	if (strlen(p) > 100 || inet_pton(AF_INET, p, &a) != 1)
		return -EINVAL;
	return kv_set("backup.host", p);
}

static int on_backup_now(const char *p)
{
	if (strcmp(p, "1") && strcmp(p, "now"))
		return -EINVAL;
	backup_due = time(NULL) + 2;
	return 0;
}

static const struct topic {
	const char *name;
	int (*fn)(const char *payload);
} topics[] = {
	{ "lx200/set/autolock", on_autolock },
	{ "lx200/set/volume", on_volume },
	{ "lx200/set/pin", on_pin },
	{ "lx200/set/backuphost", on_backup_host },
	{ "lx200/cmd/backup", on_backup_now },
};

static void dispatch(const char *name, const char *payload)
{
	size_t i;
	int rc;

	for (i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		if (strcmp(topics[i].name, name))
			continue;
		rc = topics[i].fn(payload);
		if (rc)
			syslog(LOG_WARNING, "topic %s refused (%d)", name, rc);
		return;
	}
	syslog(LOG_DEBUG, "no such topic: %s", name);
}

/* ---- housekeeping thread ------------------------------------------- */

static void run_backup(void)
{
	char host[128];
	char cmd[320];
	char line[160];
	FILE *fp;

	if (kv_get("backup.host", host, sizeof(host)))
		return;
	snprintf(cmd, sizeof(cmd),
		 "tftp -p -l /data/lockhub.db -r lx200.db %s 2>&1", host);
	fp = popen(cmd, "r");
	if (!fp) {
		syslog(LOG_ERR, "backup: %m");
		return;
	}
	while (fgets(line, sizeof(line), fp))
		syslog(LOG_INFO, "backup: %s", line);
	if (pclose(fp) != 0)
		syslog(LOG_WARNING, "backup to %s failed", host);
}

static void *housekeeper(void *arg)
{
	(void)arg;
	for (;;) {
		sleep(1);
		if (time(NULL) < backup_due)
			continue;
		backup_due = time(NULL) +
			     kv_get_long("backup.period", LH_BACKUP_PERIOD);
		run_backup();
	}
	return NULL;
}

/* ---- MQTT ---------------------------------------------------------- */

static int recv_all(int fd, void *buf, size_t n)
{
	uint8_t *p = buf;

	while (n) {
		ssize_t r = recv(fd, p, n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int recv_varint(int fd, uint32_t *out)
{
	uint32_t v = 0;
	uint8_t b;
	int shift;

	for (shift = 0; shift < 28; shift += 7) {
		if (recv_all(fd, &b, 1))
			return -1;
		v |= (uint32_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*out = v;
			return 0;
		}
	}
	return -1;
}

static int handle_publish(int fd, uint8_t flags, const uint8_t *p, uint32_t n)
{
	uint32_t tlen, pos;
	char *topic, *payload;

	if (n < 2)
		return -1;
	tlen = (uint32_t)p[0] << 8 | p[1];
	pos = 2 + tlen;
	if (pos > n)
		return -1;
	topic = strndup((const char *)p + 2, tlen);
	if (((flags >> 1) & 3) == 1) {
		uint8_t ack[4] = { MQ_PUBACK << 4, 2, 0, 0 };

		if (pos + 2 > n) {
			free(topic);
			return -1;
		}
		ack[2] = p[pos];
		ack[3] = p[pos + 1];
		pos += 2;
		if (send(fd, ack, sizeof(ack), MSG_NOSIGNAL) < 0)
			syslog(LOG_DEBUG, "puback: %m");
	}
	payload = strndup((const char *)p + pos, n - pos);
	if (topic && payload)
		dispatch(topic, payload);
	free(topic);
	free(payload);
	return 0;
}

static void serve(int fd)
{
	static const uint8_t connack[] = { MQ_CONNACK << 4, 2, 0, 0 };
	static const uint8_t pong[] = { MQ_PINGRESP << 4, 0 };
	uint8_t *body = malloc(LH_MAX_PACKET);
	uint8_t first;
	uint32_t n;
	int ok = 0;

	while (body && !recv_all(fd, &first, 1) && !recv_varint(fd, &n)) {
		if (n > LH_MAX_PACKET || recv_all(fd, body, n))
			break;
		switch (first >> 4) {
		case MQ_CONNECT:
			ok = n >= 10 && !memcmp(body + 2, "MQTT", 4);
			if (!ok || send(fd, connack, 4, MSG_NOSIGNAL) != 4)
				goto out;
			break;
		case MQ_PUBLISH:
			if (!ok || handle_publish(fd, first & 15, body, n))
				goto out;
			break;
		case MQ_PINGREQ:
			if (send(fd, pong, 2, MSG_NOSIGNAL) != 2)
				goto out;
			break;
		default:
			goto out;
		}
	}
out:
	free(body);
	close(fd);
}

int main(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct timeval tv = { 90, 0 };
	pthread_t th;
	int s, c, one = 1;

	openlog("lockhubd", LOG_PID, LOG_DAEMON);
	kv_set("backup.host", "192.168.4.1");
	kv_set("backup.period", "3600");
	backup_due = time(NULL) + LH_BACKUP_PERIOD;
	if (pthread_create(&th, NULL, housekeeper, NULL))
		return 1;
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	sa.sin_port = htons(LH_PORT);
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) || listen(s, 4)) {
		syslog(LOG_ERR, "port %d: %m", LH_PORT);
		return 1;
	}
	for (;;) {
		c = accept(s, NULL, NULL);
		if (c < 0)
			continue;
		setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		serve(c);
	}
}
