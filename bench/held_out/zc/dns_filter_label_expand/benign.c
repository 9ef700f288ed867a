/*
 * dnsfilt.c -- parental-control resolver of the home router.  Blocked
 * names get the address of the notice page, all else goes upstream.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define DNS_PORT	53
#define NAME_SZ		256
#define PKT_SZ		1500
#define NPENDING	128
#define NOTICE_ADDR	"192.168.1.254"
#define UPSTREAM_ADDR	"192.0.2.53"

struct dnshdr {
	uint16_t id;
	uint16_t flags;
	uint16_t qd, an, ns, ar;
} __attribute__((packed));

struct pending {
	int in_use;
	uint16_t id;		/* of the client */
	time_t since;
	struct sockaddr_in who;
};

struct rule {
	struct rule *next;
	unsigned long hits;
	char suffix[64];
};

static struct pending pend[NPENDING];
static struct rule *rules;
static int sock_lan, sock_up;
static unsigned long n_query, n_blocked, n_bad, n_expired;

static void
add_rule(const char *suffix)
{
	struct rule *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return;
	snprintf(r->suffix, sizeof(r->suffix), "%s", suffix);
	r->next = rules;
	rules = r;
}

static void
load_rules(const char *file)
{
	char line[128], *p;
	FILE *fp = fopen(file, "r");

	if (fp == NULL)
		return;
	while (fgets(line, sizeof(line), fp) != NULL) {
		p = line + strcspn(line, " \t\r\n#");
		*p = '\0';
		if (line[0] != '\0')
			add_rule(line);
	}
	fclose(fp);
}

/*
 * Expand the name at off into dotted form.  Returns the offset behind
 * the name in the message or -1.
 */
static int
expand_name(const uint8_t *msg, int len, int off, char *dst, size_t dstsz)
{
	int end = -1, hops = 0, l;
	size_t n = 0;

	while (off < len) {
		l = msg[off];
		if (l == 0) {
			dst[n > 0 ? n - 1 : 0] = '\0';
			return end < 0 ? off + 1 : end;
		}
		if ((l & 0xc0) == 0xc0) {
			if (off + 1 >= len || ++hops > 8)
				return -1;
			if (end < 0)
				end = off + 2;
			off = (l & 0x3f) << 8 | msg[off + 1];
			continue;
		}
		if (l > 63 || off + 1 + l > len || n + l + 2 > dstsz)
			return -1;
		memcpy(dst + n, msg + off + 1, l);
		n += l;
		dst[n++] = '.';
		off += 1 + l;
	}
	return -1;
}

static struct rule *
match(const char *name)
{
	struct rule *r;
	size_t nl = strlen(name), sl;

	for (r = rules; r != NULL; r = r->next) {
		sl = strlen(r->suffix);
		if (sl > nl || strcasecmp(name + nl - sl, r->suffix) != 0)
			continue;
		if (sl == nl || name[nl - sl - 1] == '.')
			return r;
	}
	return NULL;
}

static void
answer_notice(const uint8_t *q, int qlen, const struct sockaddr_in *to)
{
	uint8_t out[PKT_SZ + 16];
	struct dnshdr h;
	static const uint8_t rr[] = { 0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4 };
	in_addr_t a = inet_addr(NOTICE_ADDR);

	memcpy(&h, q, sizeof(h));
	h.flags = htons(0x8180);
	h.an = htons(1);
	h.ns = h.ar = 0;
	memcpy(out, q, qlen);
	memcpy(out, &h, sizeof(h));
	memcpy(out + qlen, rr, sizeof(rr));
	memcpy(out + qlen + sizeof(rr), &a, 4);
	sendto(sock_lan, out, qlen + sizeof(rr) + 4, 0,
	    (const struct sockaddr *)to, sizeof(*to));
}

static void
forward(uint8_t *q, int len, const struct sockaddr_in *from)
{
	struct sockaddr_in up;
	struct dnshdr h;
	int i;

	for (i = 0; i < NPENDING && pend[i].in_use; i++)
		continue;
	if (i == NPENDING)
		return;
	memcpy(&h, q, sizeof(h));
	pend[i].in_use = 1;
	pend[i].id = h.id;
	pend[i].since = time(NULL);
	pend[i].who = *from;
	h.id = htons(0x4000 + i);
	memcpy(q, &h, sizeof(h));
	memset(&up, 0, sizeof(up));
	up.sin_family = AF_INET;
	up.sin_port = htons(53);
	up.sin_addr.s_addr = inet_addr(UPSTREAM_ADDR);
	if (sendto(sock_up, q, len, 0, (struct sockaddr *)&up, sizeof(up)) < 0)
		pend[i].in_use = 0;
}

static void
query(uint8_t *pkt, int len, const struct sockaddr_in *from)
{
	char name[NAME_SZ];
	struct dnshdr h;
	struct rule *r;
	uint16_t type;
	int off;

	memcpy(&h, pkt, sizeof(h));
	if ((ntohs(h.flags) & 0xf800) != 0 || ntohs(h.qd) != 1) {
		n_bad++;
		return;
	}
	off = expand_name(pkt, len, sizeof(h), name, sizeof(name));
	if (off < 0 || off + 4 > len) {
		n_bad++;
		return;
	}
	type = (uint16_t)(pkt[off] << 8 | pkt[off + 1]);
	n_query++;
	r = match(name);
	if (r == NULL) {
		forward(pkt, len, from);
		return;
	}
	r->hits++;
	n_blocked++;
	if (type == 1)
		answer_notice(pkt, off + 4, from);
}

static void
from_lan(void)
{
	uint8_t pkt[PKT_SZ];
	struct sockaddr_in sin;
	socklen_t sl = sizeof(sin);
	ssize_t n;

	n = recvfrom(sock_lan, pkt, sizeof(pkt), 0, (struct sockaddr *)&sin, &sl);
	if (n >= (ssize_t)sizeof(struct dnshdr))
		query(pkt, (int)n, &sin);
}

static void
from_upstream(void)
{
	uint8_t pkt[PKT_SZ];
	struct dnshdr h;
	struct pending *p;
	ssize_t n;
	int i;

	n = recv(sock_up, pkt, sizeof(pkt), 0);
	if (n < (ssize_t)sizeof(h))
		return;
	memcpy(&h, pkt, sizeof(h));
	i = ntohs(h.id) - 0x4000;
	if (i < 0 || i >= NPENDING || !pend[i].in_use)
		return;
	p = &pend[i];
	h.id = p->id;
	memcpy(pkt, &h, sizeof(h));
	sendto(sock_lan, pkt, n, 0, (struct sockaddr *)&p->who, sizeof(p->who));
	p->in_use = 0;
}

static void
expire(void)
{
	time_t now = time(NULL);
	int i;

	for (i = 0; i < NPENDING; i++)
		if (pend[i].in_use && now - pend[i].since > 5) {
			pend[i].in_use = 0;
			n_expired++;
		}
}

static void
stats(void)
{
	FILE *fp = fopen("/tmp/dnsfilt.stat", "w");
	struct rule *r;

	if (fp == NULL)
		return;
	fprintf(fp, "query %lu blocked %lu bad %lu expired %lu\n",
	    n_query, n_blocked, n_bad, n_expired);
	for (r = rules; r != NULL; r = r->next)
		fprintf(fp, "%8lu %s\n", r->hits, r->suffix);
	fclose(fp);
}

int
main(int argc, char *argv[])
{
	struct sockaddr_in sin;
	struct pollfd pfd[2];
	time_t next = 0;

	load_rules(argc > 1 ? argv[1] : "/etc/dnsfilt.rules");
	add_rule("casino.example");
	add_rule("ads.example");
	sock_lan = socket(AF_INET, SOCK_DGRAM, 0);
	sock_up = socket(AF_INET, SOCK_DGRAM, 0);
	if (sock_lan < 0 || sock_up < 0)
		return 1;
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(DNS_PORT);
	if (bind(sock_lan, (struct sockaddr *)&sin, sizeof(sin)) < 0) {
		perror("bind");
		return 1;
	}
	pfd[0].fd = sock_lan;
	pfd[1].fd = sock_up;
	pfd[0].events = pfd[1].events = POLLIN;
	for (;;) {
		if (poll(pfd, 2, 1000) > 0) {
			if (pfd[0].revents & POLLIN)
				from_lan();
			if (pfd[1].revents & POLLIN)
				from_upstream();
		}
		expire();
		if (time(NULL) >= next) {
			stats();
			next = time(NULL) + 30;
		}
	}
}
