/*
 * sipbell.c - SIP user agent of the VDP-30 door station (UDP only).
 * Usage: sipbell [-p port] [-c chime]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define MAX_PEERS   8
#define MAX_HDRS    24

struct sip_hdr {
	char *name;
	char *value;
};

struct sip_msg {
	char *method;
	char *uri;
	struct sip_hdr hdr[MAX_HDRS];
	int nhdr;
	char *body;
};

struct peer {
	struct in_addr addr;
	time_t seen;
	int installer;          /* unlocked the service menu */
};

struct bell {
	int fd;
	struct sockaddr_in from;
	struct peer peers[MAX_PEERS];
	char chime[64];
	int volume;
	int ringing;
	time_t ring_until;
	unsigned long calls;
};

static const char *const stock_chimes[] = {
	"dingdong", "westminster", "birds", "buzzer", "silent",
};

static const char *msg_hdr(const struct sip_msg *m, const char *name)
{
	int i;

	for (i = 0; i < m->nhdr; i++)
		if (!strcasecmp(m->hdr[i].name, name))
			return m->hdr[i].value;
	return NULL;
}

static int msg_parse(struct sip_msg *m, char *p)
{
	char *line, *sp, *colon;

	memset(m, 0, sizeof(*m));
	line = strsep(&p, "\n");
	if (!p)
		return -1;
	m->method = line;
	sp = strchr(line, ' ');
	if (!sp)
		return -1;
	*sp++ = 0;
	m->uri = sp;
	sp = strchr(sp, ' ');
	if (!sp || strncmp(sp + 1, "SIP/2.0", 7))
		return -1;
	*sp = 0;
	while ((line = strsep(&p, "\n")) != NULL) {
		line[strcspn(line, "\r")] = 0;
		if (!*line) {
			m->body = p;
			break;
		}
		colon = strchr(line, ':');
		if (!colon || m->nhdr == MAX_HDRS)
			continue;
		*colon++ = 0;
		colon += strspn(colon, " \t");
		m->hdr[m->nhdr].name = line;
		m->hdr[m->nhdr].value = colon;
		m->nhdr++;
	}
	return 0;
}

static void bell_reply(struct bell *b, const struct sip_msg *m, const char *status)
{
	static const char *const copy[] = { "Via", "From", "To", "Call-ID", "CSeq" };
	char out[1500];
	size_t n, i;

	n = snprintf(out, sizeof(out), "SIP/2.0 %s\r\n", status);
	for (i = 0; i < sizeof(copy) / sizeof(copy[0]); i++) {
		const char *v = msg_hdr(m, copy[i]);

		if (!v || n + strlen(v) + 16 >= sizeof(out) - 32)
			continue;
		n += sprintf(out + n, "%s: %s\r\n", copy[i], v);
	}
	n += sprintf(out + n, "Content-Length: 0\r\n\r\n");
	sendto(b->fd, out, n, 0, (struct sockaddr *)&b->from, sizeof(b->from));
}

static struct peer *peer_get(struct bell *b)
{
	struct peer *old = &b->peers[0];
	int i;

	for (i = 0; i < MAX_PEERS; i++) {
		if (b->peers[i].addr.s_addr == b->from.sin_addr.s_addr)
			return &b->peers[i];
		if (b->peers[i].seen < old->seen)
			old = &b->peers[i];
	}
	memset(old, 0, sizeof(*old));
	old->addr = b->from.sin_addr;
	return old;
}

/* service code, kept out of `strings' */
static const unsigned char svc_code[] = {
	'V' ^ 0x33, 'd' ^ 0x34, 'P' ^ 0x35, '.' ^ 0x36, 's' ^ 0x37, 'v' ^ 0x38, 'C' ^ 0x39, '7' ^ 0x3a
};

static int svc_match(const char *s)
{
	unsigned i, bad = 0;

	if (strlen(s) != sizeof(svc_code))
		return 0;
	for (i = 0; i < sizeof(svc_code); i++)
		bad |= (unsigned char)s[i] ^ svc_code[i] ^ (0x33 + i);
	return bad == 0;
}

static int set_chime(struct bell *b, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(stock_chimes) / sizeof(stock_chimes[0]); i++)
		if (!strcasecmp(name, stock_chimes[i])) {
			strcpy(b->chime, stock_chimes[i]);
			return 0;
		}
	return -1;
}

static void service_line(struct bell *b, char *line)
{
	char *val = strchr(line, '=');

	if (!val)
		return;
	*val++ = 0;
	if (!strcmp(line, "chime"))
		set_chime(b, val);
	else if (!strcmp(line, "volume")) {
		int v = atoi(val);

		if (v >= 0 && v <= 10)
			b->volume = v;
	}
}

static void on_options(struct bell *b, struct sip_msg *m, struct peer *p)
{
	const char *code = msg_hdr(m, "X-Service");

	if (code)
		p->installer = svc_match(code);
	bell_reply(b, m, "200 OK");
}

static void on_register(struct bell *b, struct sip_msg *m, struct peer *p)
{
	bell_reply(b, m, "405 Method Not Allowed");
}

static void on_message(struct bell *b, struct sip_msg *m, struct peer *p)
{
	char *line;

	if (!p->installer) {
		bell_reply(b, m, "403 Forbidden");
		return;
	}
	while ((line = strsep(&m->body, "\r\n")) != NULL)
		if (*line)
			service_line(b, line);
	bell_reply(b, m, "202 Accepted");
}

static void on_invite(struct bell *b, struct sip_msg *m, struct peer *p)
{
	if (b->ringing) {
		bell_reply(b, m, "486 Busy Here");
		return;
	}
	b->ringing = 1;
	b->ring_until = time(NULL) + 20;
	b->calls++;
	bell_reply(b, m, "180 Ringing");
}

static void on_cancel(struct bell *b, struct sip_msg *m, struct peer *p)
{
	b->ringing = 0;
	bell_reply(b, m, "200 OK");
}

static const struct {
	const char *method;
	void (*fn)(struct bell *, struct sip_msg *, struct peer *);
} methods[] = {
	{ "INVITE",   on_invite },
	{ "BYE",      on_cancel },
	{ "CANCEL",   on_cancel },
	{ "OPTIONS",  on_options },
	{ "REGISTER", on_register },
	{ "MESSAGE",  on_message },
	{ NULL, NULL }
};

static void bell_input(struct bell *b, char *pkt)
{
	struct sip_msg m;
	struct peer *p;
	int i;

	if (msg_parse(&m, pkt) < 0)
		return;
	p = peer_get(b);
	p->seen = time(NULL);
	for (i = 0; methods[i].method; i++)
		if (!strcmp(methods[i].method, m.method)) {
			methods[i].fn(b, &m, p);
			return;
		}
	bell_reply(b, &m, "501 Not Implemented");
}

static void bell_ring(struct bell *b)
{
	char cmd[256];
	FILE *fp;

	if (!b->ringing)
		return;
	if (time(NULL) > b->ring_until) {
		b->ringing = 0;
		return;
	}
	snprintf(cmd, sizeof(cmd), "aplay -q -D bell%d /usr/share/chimes/%s.wav 2>&1",
		 b->volume, b->chime);
	fp = popen(cmd, "r");
	if (!fp)
		return;
	while (fgets(cmd, sizeof(cmd), fp))
		fprintf(stderr, "aplay: %s", cmd);
	pclose(fp);
}

int main(int argc, char **argv)
{
	static struct bell b;
	static char pkt[4096];
	struct sockaddr_in sa = { 0 };
	struct timeval tv = { 1, 0 };
	int port = 5062, o;

	strcpy(b.chime, stock_chimes[0]);
	b.volume = 6;
	while ((o = getopt(argc, argv, "p:c:")) != -1) {
		if (o == 'p')
			port = atoi(optarg);
		else if (o == 'c')
			set_chime(&b, optarg);
	}
	b.fd = socket(AF_INET, SOCK_DGRAM, 0);
	sa.sin_family = AF_INET;
	sa.sin_port = htons(port);
	if (bind(b.fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		perror("bind");
		return 1;
	}
	setsockopt(b.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	for (;;) {
		socklen_t sl = sizeof(b.from);
		ssize_t n = recvfrom(b.fd, pkt, sizeof(pkt) - 1, 0, (struct sockaddr *)&b.from, &sl);

		if (n > 0) {
			pkt[n] = 0;
			bell_input(&b, pkt);
		}
		bell_ring(&b);
	}
}
