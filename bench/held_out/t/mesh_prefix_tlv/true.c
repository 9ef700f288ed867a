/*
 * meshd: neighbour discovery for the mesh access points
 *
 * datagram: u32 magic, u32 node, u16 seqno, u8 ttl, u8 flags, then TLVs
 *           (u8 type, u8 length, value)
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MESH_PORT      6255
#define MESH_MAGIC     0x4d534831u
#define HOLD_DOWN      5
#define NEIGH_TIMEOUT  60
#define MAX_NEIGH      64

enum tlv_type {
	TLV_NAME = 1,
	TLV_METRIC = 2,
	TLV_PREFIX = 3,
	TLV_CHANNEL = 4,
	TLV_MAX
};

struct neigh {
	struct neigh *next;
	uint32_t node;
	uint16_t seqno;
	struct in_addr addr;
	char name[33];
	uint8_t channel;
	uint16_t metric;
	char prefix[48];
	bool has_prefix;
	bool routed;
	time_t since;
	time_t seen;
};

static struct neigh *neighbours;
static unsigned n_neigh;
static int loglevel = 1;

#define log_at(lvl, ...) do { \
	if (loglevel >= (lvl)) { \
		fprintf(stderr, "meshd: " __VA_ARGS__); \
		fputc('\n', stderr); \
	} \
} while (0)

static int run_shell(const char *cmd)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct neigh *neigh_find(uint32_t node, bool create)
{
	struct neigh *n;

	for (n = neighbours; n; n = n->next)
		if (n->node == node)
			return n;
	if (!create || n_neigh >= MAX_NEIGH)
		return NULL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->node = node;
	n->since = time(NULL);
	n->next = neighbours;
	neighbours = n;
	n_neigh++;
	return n;
}

/* ------------------------------------------------------------ TLV parsers */

static void tlv_name(struct neigh *n, const uint8_t *v, unsigned len)
{
	if (len > sizeof(n->name) - 1)
		len = sizeof(n->name) - 1;
	memcpy(n->name, v, len);
	n->name[len] = '\0';
}

static void tlv_metric(struct neigh *n, const uint8_t *v, unsigned len)
{
	if (len == 2)
		n->metric = v[0] << 8 | v[1];
}

static void tlv_channel(struct neigh *n, const uint8_t *v, unsigned len)
{
	if (len == 1 && v[0] >= 1 && v[0] <= 173)
		n->channel = v[0];
}

static void tlv_prefix(struct neigh *n, const uint8_t *v, unsigned len)
{
	char text[48], *slash;

	if (len >= sizeof(text))
		return;
	memcpy(text, v, len);
	text[len] = '\0';
	slash = strchr(text, '/');
	if (!slash)
		return;
	if (atoi(slash + 1) < 8 || atoi(slash + 1) > 32)
		return;
	strcpy(n->prefix, text);
	n->has_prefix = true;
	n->routed = false;
	n->since = time(NULL);
}

static void (*const tlv_parsers[TLV_MAX])(struct neigh *, const uint8_t *, unsigned) = {
	[TLV_NAME]    = tlv_name,
	[TLV_METRIC]  = tlv_metric,
	[TLV_PREFIX]  = tlv_prefix,
	[TLV_CHANNEL] = tlv_channel,
};

static void packet(const uint8_t *p, size_t len, const struct sockaddr_in *from)
{
	uint32_t magic, node;
	struct neigh *n;

	if (len < 12)
		return;
	memcpy(&magic, p, 4);
	memcpy(&node, p + 4, 4);
	if (ntohl(magic) != MESH_MAGIC || p[10] == 0)
		return;
	n = neigh_find(ntohl(node), true);
	if (!n) {
		log_at(1, "neighbour table full");
		return;
	}
	n->seqno = p[8] << 8 | p[9];
	n->addr = from->sin_addr;
	n->seen = time(NULL);
	p += 12;
	len -= 12;
	while (len >= 2) {
		unsigned type = p[0], vlen = p[1];

		p += 2;
		len -= 2;
		if (vlen > len)
			break;
		if (type < TLV_MAX && tlv_parsers[type])
			tlv_parsers[type](n, p, vlen);
		p += vlen;
		len -= vlen;
	}
	log_at(2, "node %08x name %s metric %u", n->node, n->name, n->metric);
}

/* ------------------------------------------------------------ timers */

static void route_add(struct neigh *n)
{
	char cmd[192], via[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &n->addr, via, sizeof(via));
	snprintf(cmd, sizeof(cmd), "ip route replace %s via %s dev mesh0 metric %u",
		 n->prefix, via, n->metric);
	log_at(1, "%s", cmd);
	n->routed = run_shell(cmd) == 0;
	n->since = time(NULL);
}

static void expire(void)
{
	struct neigh **pp = &neighbours, *n;
	char cmd[96], via[INET_ADDRSTRLEN];
	time_t now = time(NULL);

	while ((n = *pp) != NULL) {
		if (now - n->seen <= NEIGH_TIMEOUT) {
			pp = &n->next;
			continue;
		}
		*pp = n->next;
		n_neigh--;
		if (n->routed) {
			inet_ntop(AF_INET, &n->addr, via, sizeof(via));
			snprintf(cmd, sizeof(cmd), "ip route flush via %s dev mesh0", via);
			run_shell(cmd);
		}
		free(n);
	}
}

static void on_timer(void)
{
	struct neigh *n;
	time_t now = time(NULL);

	expire();
	for (n = neighbours; n; n = n->next)
		if (n->has_prefix && !n->routed && now - n->since >= HOLD_DOWN)
			route_add(n);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(MESH_PORT) };
	struct timeval tv = { 1, 0 };
	uint8_t buf[1500];
	int s, on = 1;

	if (argc > 1)
		loglevel = atoi(argv[1]);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(s, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		perror("meshd");
		return 1;
	}
	time_t last = 0;
	for (;;) {
		struct sockaddr_in from;
		socklen_t fl = sizeof(from);
		ssize_t len = recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&from, &fl);

		if (len > 0)
			packet(buf, len, &from);
		if (time(NULL) != last) {
			last = time(NULL);
			on_timer();
		}
	}
}
