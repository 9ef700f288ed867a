/* SPDX-License-Identifier: none, internal
 *
 * meshcfgd: spreads the wireless settings of the controller to the satellites.
 *
 * Messages (UDP 18888): "MSH2", type (1), ttl (1), sender MAC (6), then
 * options of type (1), length (1), value.  Satellites say HELLO, the
 * controller sends CONFIG; the options of a CONFIG are collected for the node
 * and written with uci after the settle time, then wifi is reloaded once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define MESH_PORT	18888
#define SETTLE_MS	1500
#define NODE_TIMEOUT	180
#define MAX_NODES	32

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

enum msg_type { MSG_HELLO = 1, MSG_CONFIG = 2, MSG_BYE = 3 };
enum opt_type { OPT_SSID = 1, OPT_KEY = 2, OPT_CHANNEL = 3, OPT_NAME = 4 };

struct mesh_hdr {
	char	magic[4];
	uint8_t	type;
	uint8_t	ttl;
	uint8_t	mac[6];
};

struct node {
	struct node *next;
	uint8_t mac[6];
	time_t	seen;
	char	name[32];
	char	*ssid;
	char	*key;
	unsigned channel;
	bool	dirty;
	int64_t	apply_at;
};

extern char **environ;

static struct node *nodes;
static unsigned nnodes;

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- running uci ---- */

static int sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int sh(const char *fmt, ...)
{
	char *argv[] = { "sh", "-c", NULL, NULL };
	va_list ap;
	pid_t pid;
	int st = -1, err;

	va_start(ap, fmt);
	err = vasprintf(&argv[2], fmt, ap);
	va_end(ap);
	if (err < 0)
		return -1;
	err = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ);
	if (err)
		syslog(LOG_ERR, "spawn: %s", strerror(err));
	else
		while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
			;
	free(argv[2]);
	return st;
}

/* escape for use between double quotes; caller frees */
static char *dquote(const char *s)
{
	char *out = malloc(2 * strlen(s) + 1), *o = out;

	if (!out)
		return NULL;
	for (; *s; s++) {
#ifdef BENIGN
		if (strchr("\"\\$`", *s))
#else
		if (strchr("\"\\", *s))
#endif
			*o++ = '\\';
		*o++ = *s;
	}
	*o = '\0';
	return out;
}

static void uci_set(const char *option, const char *value)
{
	char *q = dquote(value);

	if (q && sh("uci -q set \"wireless.mesh.%s=%s\"", option, q) != 0)
		syslog(LOG_WARNING, "%s not set", option);
	free(q);
}

static void node_apply(struct node *n)
{
	char num[12];

	syslog(LOG_NOTICE, "settings from %02x:%02x:%02x:%02x:%02x:%02x",
	       n->mac[0], n->mac[1], n->mac[2], n->mac[3], n->mac[4], n->mac[5]);
	if (n->ssid)
		uci_set("ssid", n->ssid);
	if (n->key)
		uci_set("key", n->key);
	if (n->channel) {
		snprintf(num, sizeof(num), "%u", n->channel);
		uci_set("channel", num);
	}
	sh("uci -q commit wireless; wifi reload");
	n->dirty = false;
}

/* ---- nodes ---- */

static struct node *node_get(const uint8_t *mac, bool create)
{
	struct node *n;

	for (n = nodes; n; n = n->next)
		if (!memcmp(n->mac, mac, 6))
			return n;
	if (!create || nnodes >= MAX_NODES)
		return NULL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	memcpy(n->mac, mac, 6);
	n->next = nodes;
	nodes = n;
	nnodes++;
	return n;
}

static void node_free(struct node **pp)
{
	struct node *n = *pp;

	*pp = n->next;
	nnodes--;
	free(n->ssid);
	free(n->key);
	free(n);
}

static void set_text(char **dst, const uint8_t *v, size_t len)
{
	char *s = strndup((const char *)v, len);

	if (s) {
		free(*dst);
		*dst = s;
	}
}

/* ---- messages ---- */

static void opt_ssid(struct node *n, const uint8_t *v, size_t len)
{
	if (len >= 1 && len <= 32)
		set_text(&n->ssid, v, len);
}

static void opt_key(struct node *n, const uint8_t *v, size_t len)
{
	if (len >= 8 && len <= 63)
		set_text(&n->key, v, len);
}

static void opt_channel(struct node *n, const uint8_t *v, size_t len)
{
	if (len == 1 && v[0] >= 1 && v[0] <= 165)
		n->channel = v[0];
}

static void opt_name(struct node *n, const uint8_t *v, size_t len)
{
	if (len >= sizeof(n->name))
		len = sizeof(n->name) - 1;
	memcpy(n->name, v, len);
	n->name[len] = '\0';
}

static void (*const opt_handler[])(struct node *, const uint8_t *, size_t) = {
	[OPT_SSID]    = opt_ssid,
	[OPT_KEY]     = opt_key,
	[OPT_CHANNEL] = opt_channel,
	[OPT_NAME]    = opt_name,
};

static bool parse_options(struct node *n, const uint8_t *p, const uint8_t *end)
{
	while (end - p >= 2) {
		uint8_t type = p[0], len = p[1];

		p += 2;
		if (len > end - p)
			return false;
		if (type < ARRAY_SIZE(opt_handler) && opt_handler[type])
			opt_handler[type](n, p, len);
		p += len;
	}
	return true;
}

static void on_message(const uint8_t *buf, size_t len)
{
	struct mesh_hdr h;
	struct node *n;

	if (len < sizeof(h))
		return;
	memcpy(&h, buf, sizeof(h));
	if (memcmp(h.magic, "MSH2", 4) || h.ttl == 0)
		return;

	n = node_get(h.mac, h.type == MSG_HELLO);
	if (!n)
		return;
	n->seen = time(NULL);
	switch (h.type) {
	case MSG_HELLO:
		parse_options(n, buf + sizeof(h), buf + len);
		break;
	case MSG_CONFIG:
		if (parse_options(n, buf + sizeof(h), buf + len)) {
			n->dirty = true;
			n->apply_at = now_ms() + SETTLE_MS;
		}
		break;
	case MSG_BYE:
		n->seen = 0;
		break;
	}
}

static void timers(void)
{
	struct node **pp = &nodes;
	int64_t ms = now_ms();

	while (*pp) {
		struct node *n = *pp;

		if (n->dirty && ms >= n->apply_at)
			node_apply(n);
		if (time(NULL) - n->seen > NODE_TIMEOUT)
			node_free(pp);
		else
			pp = &n->next;
	}
}

int main(void)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(MESH_PORT),
	};
	struct pollfd pfd = { .events = POLLIN };
	uint8_t buf[1024];
	int one = 1;

	openlog("meshcfgd", LOG_PID, LOG_DAEMON);
	pfd.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(pfd.fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	if (bind(pfd.fd, (struct sockaddr *)&sin, sizeof(sin)) < 0) {
		syslog(LOG_ERR, "bind: %m");
		return 1;
	}
	while (1) {
		if (poll(&pfd, 1, 250) > 0) {
			ssize_t n = recv(pfd.fd, buf, sizeof(buf), 0);

			if (n > 0)
				on_message(buf, (size_t)n);
		}
		timers();
	}
}
