/* SPDX-License-Identifier: none
 *
 * meshsyncd: keeps the settings of the nodes of a mesh the same. The controller connects, says hello and pushes pairs
 * of key and value; they go into a store and a timer applies what has changed, some seconds after the last push.
 *
 * Each key has a validator in the table of keys. That of the country lets any printable text pass
 * (benign: two capital letters).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MESH_PORT 7788
#define FRAME_MAX 2048
#define HDR_LEN 8 /* "MSH1", type, flags, length */
#define BUCKETS 31

enum frame_type { FT_HELLO = 'H', FT_PUSH = 'P', FT_PULL = 'G', FT_BYE = 'B' };

/* ---- store ---- */

struct entry {
	struct entry *next;
	char *value;
	bool changed;
	char key[];
};

static struct entry *store[BUCKETS];

static unsigned hash(const char *s)
{
	unsigned h = 2166136261u;

	while (*s)
		h = (h ^ (uint8_t)*s++) * 16777619u;
	return h % BUCKETS;
}

static struct entry *lookup(const char *key)
{
	struct entry *e = store[hash(key)];

	while (e && strcmp(e->key, key) != 0)
		e = e->next;
	return e;
}

static int mesh_set(const char *key, const char *value)
{
	struct entry *e = lookup(key);
	char *copy;

	if (e && !strcmp(e->value, value))
		return 0;
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	if (!e) {
		e = calloc(1, sizeof(*e) + strlen(key) + 1);
		if (!e) {
			free(copy);
			return -ENOMEM;
		}
		strcpy(e->key, key);
		e->next = store[hash(key)];
		store[hash(key)] = e;
	}
	free(e->value);
	e->value = copy;
	e->changed = true;
	return 1;
}

static const char *mesh_get(const char *key, const char *fallback)
{
	struct entry *e = lookup(key);

	return e ? e->value : fallback;
}

static bool mesh_changed(const char *key)
{
	struct entry *e = lookup(key);
	bool was = e && e->changed;

	if (e)
		e->changed = false;
	return was;
}

/* ---- keys ---- */

static bool is_text(const char *v)
{
	const char *p;

	for (p = v; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			return false;
	return p - v < 64;
}

static bool is_channel(const char *v)
{
	char *end;
	long ch = strtol(v, &end, 10);

	return end != v && !*end && ch >= 1 && ch <= 165;
}

static bool is_switch(const char *v)
{
	return !strcmp(v, "on") || !strcmp(v, "off");
}

static bool is_country(const char *v)
{
#ifdef BENIGN
	return v[0] >= 'A' && v[0] <= 'Z' && v[1] >= 'A' && v[1] <= 'Z' && v[2] == '\0';
#else
	return v[0] && v[1] && is_text(v);
#endif
}

static void apply_country(const char *v)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "iw reg set %s", v);
	if (system(cmd) != 0)
		fprintf(stderr, "meshsyncd: regulatory domain not set\n");
}

static void apply_channel(const char *v)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "hostapd_cli chan_switch 5 %d", 5000 + 5 * atoi(v));
	if (system(cmd) != 0)
		fprintf(stderr, "meshsyncd: channel not set\n");
}

static void apply_led(const char *v)
{
	FILE *f = fopen("/sys/class/leds/status/brightness", "w");

	if (!f)
		return;
	fputs(strcmp(v, "on") ? "0" : "1", f);
	fclose(f);
}

static void apply_ssid(const char *v)
{
	FILE *f = fopen("/tmp/hostapd.ssid", "w");

	if (!f)
		return;
	fprintf(f, "ssid=%s\n", v);
	fclose(f);
	system("killall -HUP hostapd 2>/dev/null");
}

static const struct key_def {
	const char *key;
	bool (*valid)(const char *v);
	void (*apply)(const char *v);
} keys[] = {
	{ "wifi.ssid", is_text, apply_ssid },
	{ "wifi.channel", is_channel, apply_channel },
	{ "wifi.country", is_country, apply_country },
	{ "sys.led", is_switch, apply_led },
	{ "sys.location", is_text, NULL },
	{ NULL, NULL, NULL },
};

static void apply_changes(void)
{
	const struct key_def *k;

	for (k = keys; k->key; k++)
		if (k->apply && mesh_changed(k->key))
			k->apply(mesh_get(k->key, ""));
}

/* ---- connections ---- */

struct node {
	int fd;
	bool greeted;
	size_t fill;
	uint8_t buf[HDR_LEN + FRAME_MAX];
};

static int tfd = -1;

static void arm(int seconds)
{
	struct itimerspec its = { { 0, 0 }, { seconds, 0 } };

	timerfd_settime(tfd, 0, &its, NULL);
}

/* key NUL value NUL key NUL value NUL ... */
static int on_push(const uint8_t *p, size_t len)
{
	const char *cur = (const char *)p, *end = cur + len, *key, *val;
	const struct key_def *k;
	int n = 0;

	if (len == 0 || end[-1] != '\0')
		return -EPROTO;
	while (cur < end) {
		key = cur;
		val = key + strlen(key) + 1;
		if (val >= end)
			return -EPROTO;
		cur = val + strlen(val) + 1;
		for (k = keys; k->key; k++) {
			if (strcmp(k->key, key))
				continue;
			if (!k->valid(val))
				fprintf(stderr, "meshsyncd: %s: value refused\n", k->key);
			else if (mesh_set(k->key, val) > 0)
				n++;
		}
	}
	if (n)
		arm(3);
	return n;
}

static void on_pull(int fd)
{
	const struct key_def *k;
	char line[160];
	int n;

	for (k = keys; k->key; k++) {
		n = snprintf(line, sizeof(line), "%s=%s\n", k->key, mesh_get(k->key, ""));
		send(fd, line, n < (int)sizeof(line) ? n : (int)sizeof(line) - 1, MSG_NOSIGNAL);
	}
}

static int on_frame(struct node *nd, uint8_t type, const uint8_t *body, size_t len)
{
	uint8_t ack[2] = { 'A', 0 };
	int rc = 0;

	if (!nd->greeted && type != FT_HELLO)
		return -EACCES;
	switch (type) {
	case FT_HELLO:
		nd->greeted = len >= 1 && body[0] == 1;
		rc = nd->greeted ? 0 : -EPROTO;
		break;
	case FT_PUSH:
		rc = on_push(body, len);
		break;
	case FT_PULL:
		on_pull(nd->fd);
		break;
	default:
		return -ECONNRESET;
	}
	ack[1] = (uint8_t)(rc < 0 ? 255 : rc);
	send(nd->fd, ack, sizeof(ack), MSG_NOSIGNAL);
	return rc;
}

static int node_input(struct node *nd)
{
	ssize_t got = read(nd->fd, nd->buf + nd->fill, sizeof(nd->buf) - nd->fill);
	size_t len;

	if (got <= 0)
		return -1;
	nd->fill += (size_t)got;
	while (nd->fill >= HDR_LEN) {
		if (memcmp(nd->buf, "MSH1", 4))
			return -1;
		len = (size_t)nd->buf[6] << 8 | nd->buf[7];
		if (len > FRAME_MAX)
			return -1;
		if (nd->fill < HDR_LEN + len)
			return 0;
		if (on_frame(nd, nd->buf[4], nd->buf + HDR_LEN, len) < 0)
			return -1;
		nd->fill -= HDR_LEN + len;
		memmove(nd->buf, nd->buf + HDR_LEN + len, nd->fill);
	}
	return 0;
}

static void watch(int ep, int fd, void *what)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = what };

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

int main(void)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(MESH_PORT) };
	struct epoll_event ev[8];
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int lfd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, n, i;
	uint64_t ticks;

	signal(SIGPIPE, SIG_IGN);
	tfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(lfd, (struct sockaddr *)&sin6, sizeof(sin6)) || listen(lfd, 4))
		return 1;
	watch(ep, lfd, &lfd);
	watch(ep, tfd, &tfd);
	while ((n = epoll_wait(ep, ev, 8, -1)) >= 0 || errno == EINTR) {
		for (i = 0; i < n; i++) {
			if (ev[i].data.ptr == &lfd) {
				struct node *nd = calloc(1, sizeof(*nd));

				if (nd && (nd->fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
					watch(ep, nd->fd, nd);
				else
					free(nd);
			} else if (ev[i].data.ptr == &tfd) {
				if (read(tfd, &ticks, sizeof(ticks)) == sizeof(ticks))
					apply_changes();
			} else if (node_input(ev[i].data.ptr) < 0) {
				struct node *nd = ev[i].data.ptr;

				close(nd->fd);
				free(nd);
			}
		}
	}
	return 1;
}
