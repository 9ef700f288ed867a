/* zbhubd.c - local control channel of the Zigbee hub */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdarg.h>
#include <inttypes.h>
#include <unistd.h>
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <signal.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

/* 32 bit FNV-1a of the member and command names, see doc/localproto.txt */
#define H_OP        0x5f342caau
#define H_ADDR      0x33d30b45u
#define H_DELAY     0x4ed1f1d8u
#define H_CHANNEL   0x5f299f4eu
#define OP_PERMIT   0xe8d82516u
#define OP_JOIN     0xc922bc79u
#define OP_FORGET   0x282c316cu
#define OP_CHANNEL  0x21c252a4u

struct join {
	struct join *next;
	time_t   due;
	int      tries;
	char     ieee[48];
};

struct msg {
	uint32_t op;
	char     addr[48];
	int      delay;
	int      channel;
};

static struct {
	struct join *joins;
	int      njoins;
	int      channel;
	time_t   permit_until;
	unsigned rx, bad;
} hub = { .channel = 15 };

static volatile sig_atomic_t stop;
static void on_term(int s) { (void)s; stop = 1; }

static void say(const char *f, ...)
{
	va_list ap;
	va_start(ap, f);
	fputs("zbhubd: ", stderr);
	vfprintf(stderr, f, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static uint32_t fnv(const char *s, size_t n)
{
	uint32_t h = 2166136261u;
	while (n--) {
		h ^= (unsigned char)*s++;
		h *= 16777619u;
	}
	return h;
}

static const char *ws(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')
		p++;
	return p;
}

/* {"a":"text","b":12,...}; returns 0 when the whole object was understood */
static int parse(const char *p, struct msg *m)
{
	memset(m, 0, sizeof *m);
	p = ws(p);
	if (*p++ != '{')
		return -1;
	for (;;) {
		const char *k, *v;
		size_t kn, vn;
		uint32_t h;

		p = ws(p);
		if (*p == '}')
			return 0;
		if (*p++ != '"')
			return -1;
		k = p;
		p = strchr(p, '"');
		if (!p)
			return -1;
		kn = (size_t)(p - k);
		p = ws(p + 1);
		if (*p++ != ':')
			return -1;
		p = ws(p);
		if (*p == '"') {
			v = ++p;
			while (*p && *p != '"')
				p++;
			if (!*p)
				return -1;
			vn = (size_t)(p - v);
			p++;
		} else {
			v = p;
			while (*p == '-' || (*p >= '0' && *p <= '9'))
				p++;
			vn = (size_t)(p - v);
			if (vn == 0)
				return -1;
		}
		h = fnv(k, kn);
		if (h == H_OP) {
			m->op = fnv(v, vn);
		} else if (h == H_ADDR) {
			if (vn >= sizeof m->addr)
				return -1;
			memcpy(m->addr, v, vn);
			m->addr[vn] = 0;
		} else if (h == H_DELAY) {
			m->delay = atoi(v);
		} else if (h == H_CHANNEL) {
			m->channel = atoi(v);
		}
		p = ws(p);
		if (*p == ',')
			p++;
	}
}

static void set_channel(int ch)
{
	char cmd[64];

	if (ch < 11 || ch > 26)
		return;
	hub.channel = ch;
	snprintf(cmd, sizeof cmd, "zbctl channel %d", ch);
	system(cmd);
}

static int add_join(const char *addr, int delay)
{
	struct join *j;

	if (addr[0] == 0)
		return -1;
	if (hub.njoins >= 32)
		return -1;
	j = calloc(1, sizeof *j);
	if (!j)
		return -1;
	strcpy(j->ieee, addr);
	if (delay < 0)
		delay = 0;
	if (delay > 300)
		delay = 300;
	j->due = time(NULL) + delay;
	j->next = hub.joins;
	hub.joins = j;
	hub.njoins++;
	return 0;
}

static void forget_all(void)
{
	while (hub.joins) {
		struct join *j = hub.joins;
		hub.joins = j->next;
		free(j);
	}
	hub.njoins = 0;
}

static int try_join(struct join *j)
{
	char cmd[128];

	snprintf(cmd, sizeof cmd, "zbctl join --ch %d --ieee 0x%s", hub.channel, j->ieee);
	say("join attempt %d", j->tries + 1);
	return system(cmd);
}

static void run_due(void)
{
	struct join **pp = &hub.joins;
	time_t now = time(NULL);

	while (*pp) {
		struct join *j = *pp;

		if (j->due > now || now > hub.permit_until) {
			pp = &j->next;
			continue;
		}
		if (try_join(j) == 0 || ++j->tries >= 3) {
			*pp = j->next;
			free(j);
			hub.njoins--;
		} else {
			j->due = now + 10;
			pp = &j->next;
		}
	}
}

static const char *dispatch(const struct msg *m)
{
	switch (m->op) {
	case OP_PERMIT:
		hub.permit_until = time(NULL) + (m->delay > 0 && m->delay < 600 ? m->delay : 60);
		return "{\"rc\":0}";
	case OP_JOIN:
		return add_join(m->addr, m->delay) == 0 ? "{\"rc\":0}" : "{\"rc\":-2}";
	case OP_FORGET:
		forget_all();
		return "{\"rc\":0}";
	case OP_CHANNEL:
		set_channel(m->channel);
		return "{\"rc\":0}";
	}
	return "{\"rc\":-1}";
}

int main(void)
{
	struct sockaddr_in me = { 0 }, from;
	struct pollfd pf;
	struct msg m;
	char dg[513];
	time_t last = 0;

	signal(SIGTERM, on_term);
	pf.fd = socket(AF_INET, SOCK_DGRAM, 0);
	pf.events = POLLIN;
	me.sin_family = AF_INET;
	me.sin_port = htons(9123);
	if (pf.fd < 0 || bind(pf.fd, (struct sockaddr *)&me, sizeof me) < 0) {
		say("bind: %s", strerror(errno));
		return 1;
	}
	while (!stop) {
		int r = poll(&pf, 1, 1000);

		if (r > 0 && (pf.revents & POLLIN)) {
			socklen_t fl = sizeof from;
			ssize_t n = recvfrom(pf.fd, dg, sizeof dg - 1, 0, (struct sockaddr *)&from, &fl);
			const char *answer = "{\"rc\":-3}";

			if (n > 0) {
				dg[n] = 0;
				hub.rx++;
				if (parse(dg, &m) == 0)
					answer = dispatch(&m);
				else
					hub.bad++;
				sendto(pf.fd, answer, strlen(answer), 0, (struct sockaddr *)&from, fl);
			}
		}
		if (time(NULL) != last) {
			last = time(NULL);
			run_due();
		}
	}
	say("%u datagrams, %u bad", hub.rx, hub.bad);
	forget_all();
	return 0;
}
