/* SPDX-License-Identifier: none
 *
 * wtp-agent: access point side of the controller protocol.
 *
 * message: ver(1) type(1) session(2) len(2) then TLVs: t(2) l(2) v(l)
 *
 * Client bans are kept in a list and expire by the timer.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdarg.h>
#include <stdbool.h>
#include <unistd.h>
#include <time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define AGENT_PORT   12223
#define PROTO_VER    2

enum msg_type { MSG_ECHO = 1, MSG_STATS = 5, MSG_STA_BAN = 9, MSG_STA_UNBAN = 10,
		MSG_TXPOWER = 12 };
enum tlv_type { TLV_STA = 0x21, TLV_SECS = 0x22, TLV_RADIO = 0x30, TLV_DBM = 0x31 };

struct tlv {
	uint16_t t, l;
	const uint8_t *v;
};

struct ban {
	struct ban *next;
	char sta[24];
	time_t until;
	bool applied;
};

struct agent {
	int fd;
	struct ban *bans;
	uint32_t rx, bad;
	int loglevel;
};

static void __attribute__((format(printf, 3, 4)))
ag_log(struct agent *a, int lvl, const char *fmt, ...)
{
	va_list ap;

	if (lvl > a->loglevel)
		return;
	va_start(ap, fmt);
	vdprintf(2, fmt, ap);
	va_end(ap);
}

static int sh(struct agent *a, const char *fmt, ...)
{
	char *cmd = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&cmd, fmt, ap);
	va_end(ap);
	if (r < 0)
		return -1;
	ag_log(a, 2, "sh: %s\n", cmd);
	r = system(cmd);
	free(cmd);
	return r;
}

static inline uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool tlv_find(const uint8_t *p, size_t n, uint16_t t, struct tlv *out)
{
	while (n >= 4) {
		uint16_t l = be16(p + 2);

		if (l > n - 4)
			return false;
		if (be16(p) == t) {
			out->t = t;
			out->l = l;
			out->v = p + 4;
			return true;
		}
		p += 4 + l;
		n -= 4 + l;
	}
	return false;
}

static uint32_t tlv_u32(const uint8_t *p, size_t n, uint16_t t, uint32_t def)
{
	struct tlv v;

	if (!tlv_find(p, n, t, &v) || v.l != 4)
		return def;
	return (uint32_t)v.v[0] << 24 | v.v[1] << 16 | v.v[2] << 8 | v.v[3];
}

/* station address into text; the controller sends it as text, 17 bytes */
static bool sta_text(const struct tlv *v, char *out, size_t size)
{
	if (v->l == 0 || v->l >= size)
		return false;
	memcpy(out, v->v, v->l);
	out[v->l] = '\0';
	return true;
}

static struct ban *ban_lookup(struct agent *a, const char *sta)
{
	struct ban *b;

	for (b = a->bans; b; b = b->next)
		if (!strcmp(b->sta, sta))
			return b;
	return NULL;
}

static int msg_ban(struct agent *a, const uint8_t *p, size_t n)
{
	uint32_t secs = tlv_u32(p, n, TLV_SECS, 300);
	struct tlv v;
	struct ban *b;
	char sta[24];

	if (!tlv_find(p, n, TLV_STA, &v) || !sta_text(&v, sta, sizeof(sta)))
		return -1;
	b = ban_lookup(a, sta);
	if (!b) {
		b = calloc(1, sizeof(*b));
		if (!b)
			return -1;
		memcpy(b->sta, sta, sizeof(b->sta));
		b->next = a->bans;
		a->bans = b;
	}
	b->until = time(NULL) + (secs > 86400 ? 86400 : secs);
	return 0;
}

static int msg_unban(struct agent *a, const uint8_t *p, size_t n)
{
	struct tlv v;
	struct ban *b;
	char sta[24];

	if (!tlv_find(p, n, TLV_STA, &v) || !sta_text(&v, sta, sizeof(sta)))
		return -1;
	b = ban_lookup(a, sta);
	if (b)
		b->until = 0;
	return b ? 0 : -1;
}

static int msg_txpower(struct agent *a, const uint8_t *p, size_t n)
{
	uint32_t radio = tlv_u32(p, n, TLV_RADIO, 0);
	uint32_t dbm = tlv_u32(p, n, TLV_DBM, 20);

	if (radio > 1 || dbm > 30)
		return -1;
	return sh(a, "iw dev wlan%u set txpower fixed %u", radio, dbm * 100);
}

static int msg_echo(struct agent *a, const uint8_t *p, size_t n)
{
	return 0;
}

static int msg_stats(struct agent *a, const uint8_t *p, size_t n)
{
	ag_log(a, 1, "rx %u bad %u\n", a->rx, a->bad);
	return 0;
}

static int (*const handlers[16])(struct agent *, const uint8_t *, size_t) = {
	[MSG_ECHO] = msg_echo,
	[MSG_STATS] = msg_stats,
	[MSG_STA_BAN] = msg_ban,
	[MSG_STA_UNBAN] = msg_unban,
	[MSG_TXPOWER] = msg_txpower,
};

static void ban_timer(struct agent *a)
{
	time_t now = time(NULL);
	struct ban **pp = &a->bans, *b;

	while ((b = *pp) != NULL) {
		if (!b->applied) {
			sh(a, "iwpriv ra0 set ACLAddEntry=%s", b->sta);
			sh(a, "iwpriv ra0 set DisConnectSta=%s", b->sta);
			b->applied = true;
		}
		if (now >= b->until) {
			sh(a, "iwpriv ra0 set ACLDelEntry=%s", b->sta);
			*pp = b->next;
			free(b);
			continue;
		}
		pp = &b->next;
	}
}

static void input(struct agent *a, uint8_t *m, size_t n, struct sockaddr_in *from)
{
	int rc = -1;
	uint8_t type;

	a->rx++;
	if (n < 6 || m[0] != PROTO_VER || be16(m + 4) != n - 6) {
		a->bad++;
		return;
	}
	type = m[1];
	if (type < 16 && handlers[type])
		rc = handlers[type](a, m + 6, n - 6);
	m[4] = 0;
	m[5] = rc ? 1 : 0;
	m[1] = type | 0x80;
	sendto(a->fd, m, 6, 0, (struct sockaddr *)from, sizeof(*from));
}

int main(int argc, char **argv)
{
	struct agent ag = { .fd = -1, .loglevel = argc > 1 ? atoi(argv[1]) : 1 };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(AGENT_PORT) };
	struct timeval tv = { .tv_sec = 1 };
	uint8_t pkt[1500];

	ag.fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (ag.fd < 0 || bind(ag.fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		return 1;
	setsockopt(ag.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	for (;;) {
		struct sockaddr_in from;
		socklen_t fl = sizeof(from);
		ssize_t n = recvfrom(ag.fd, pkt, sizeof(pkt), 0, (struct sockaddr *)&from, &fl);

		if (n > 0)
			input(&ag, pkt, (size_t)n, &from);
		ban_timer(&ag);
	}
}
