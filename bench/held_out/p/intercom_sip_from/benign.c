/* door station: minimal SIP user agent. INVITE rings, the caller is shown on the indoor panel by the display timer */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <errno.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SIP_PORT 5060
#define SIP_MTU  2048

typedef enum { CALL_IDLE, CALL_RING, CALL_TALK } call_state_e;

typedef struct {
	char caller[64];
	char host[64];
	char call_id[128];
	unsigned cseq;
	call_state_e state;
	time_t since;
	void (*on_end)(void);
} call_t;

typedef struct {
	struct sockaddr_in src;
	const char *via;
	const char *from;
	const char *to;
	const char *cid;
	const char *cseq;
} sip_msg_t;

static call_t *call;
static int sip_fd;
static int relay_ms = 3000;

static void ui_event(const char *what, const char *who)
{
	FILE *f = fopen("/tmp/panel.fifo", "a");
	if (!f)
		return;
	fprintf(f, "%s|%s\n", what, who);
	fclose(f);
}

static void ring_stop(void)
{
	ui_event("ringoff", "");
}

/* value of a header up to the end of its line, copied to buf */
static const char *hdr(const char *msg, const char *name, char *buf, size_t size)
{
	size_t nl = strlen(name), n;
	const char *p = msg;

	while ((p = strstr(p, "\r\n")) != NULL) {
		p += 2;
		if (strncasecmp(p, name, nl) || p[nl] != ':')
			continue;
		p += nl + 1;
		while (*p == ' ')
			p++;
		n = strcspn(p, "\r\n");
		if (n >= size)
			n = size - 1;
		memcpy(buf, p, n);
		buf[n] = 0;
		return buf;
	}
	buf[0] = 0;
	return buf;
}

static void answer(const sip_msg_t *m, int code, const char *reason)
{
	char out[SIP_MTU + 512];
	int n = snprintf(out, sizeof(out),
		"SIP/2.0 %d %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=dp1\r\nCall-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n",
		code, reason, m->via, m->from, m->to, m->cid, m->cseq);
	if (n > 0 && n < (int)sizeof(out))
		sendto(sip_fd, out, n, 0, (struct sockaddr *)&m->src, sizeof(m->src));
}

/* "Name" <sip:user@host:port>;tag=... */
static int parse_uri(const char *v, call_t *c)
{
	const char *u = strstr(v, "sip:");

	if (!u)
		return -1;
	if (sscanf(u, "sip:%63[^@>]@%63[^:;>]", c->caller, c->host) < 1)
		return -1;
	return 0;
}

static void on_invite(sip_msg_t *m)
{
	if (call->state != CALL_IDLE) {
		answer(m, 486, "Busy Here");
		return;
	}
	answer(m, 100, "Trying");
	if (parse_uri(m->from, call) < 0) {
		answer(m, 400, "Bad From");
		return;
	}
	snprintf(call->call_id, sizeof(call->call_id), "%s", m->cid);
	call->cseq = strtoul(m->cseq, NULL, 10);
	call->state = CALL_RING;
	call->since = time(NULL);
	answer(m, 180, "Ringing");
}

static void on_ack(sip_msg_t *m)
{
	if (call->state == CALL_RING && !strcmp(m->cid, call->call_id))
		call->state = CALL_TALK;
}

static void on_bye(sip_msg_t *m)
{
	if (call->state == CALL_IDLE || strcmp(m->cid, call->call_id)) {
		answer(m, 481, "No Call");
		return;
	}
	call->on_end();
	call->state = CALL_IDLE;
	answer(m, 200, "OK");
}

static void on_options(sip_msg_t *m)
{
	answer(m, 200, "OK");
}

static void on_info(sip_msg_t *m)
{
	/* DTMF '#' opens the door only in a call */
	if (call->state == CALL_TALK) {
		FILE *f = fopen("/sys/class/relay/door", "w");
		if (f) {
			fprintf(f, "%d\n", relay_ms);
			fclose(f);
		}
	}
	answer(m, 200, "OK");
}

static const struct {
	const char *method;
	void (*fn)(sip_msg_t *);
} methods[] = {
	{ "INVITE ", on_invite }, { "ACK ", on_ack }, { "BYE ", on_bye },
	{ "CANCEL ", on_bye }, { "OPTIONS ", on_options }, { "INFO ", on_info },
};

static void sip_input(char *msg, struct sockaddr_in *src)
{
	char via[256], from[400], to[256], cid[128], cseq[64];
	sip_msg_t m;
	size_t i;

	m.src = *src;
	m.via = hdr(msg, "Via", via, sizeof(via));
	m.from = hdr(msg, "From", from, sizeof(from));
	m.to = hdr(msg, "To", to, sizeof(to));
	m.cid = hdr(msg, "Call-ID", cid, sizeof(cid));
	m.cseq = hdr(msg, "CSeq", cseq, sizeof(cseq));
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!strncmp(msg, methods[i].method, strlen(methods[i].method))) {
			methods[i].fn(&m);
			return;
		}
	if (strncmp(msg, "SIP/2.0", 7))
		answer(&m, 501, "Not Implemented");
}

static void display_timer(void)
{
	static time_t last;
	char text[160];
	time_t now = time(NULL);

	if (now == last)
		return;
	last = now;
	if (call->state == CALL_RING) {
		snprintf(text, sizeof(text), "%s (%s) %lds", call->caller, call->host, (long)(now - call->since));
		ui_event("ring", text);
		if (now - call->since > 45) {
			call->on_end();
			call->state = CALL_IDLE;
		}
	}
}

int main(void)
{
	struct sockaddr_in sa, from;
	char buf[SIP_MTU];
	socklen_t fl;
	int n;

	call = calloc(1, sizeof(*call));
	if (!call)
		return 1;
	call->on_end = ring_stop;
	sip_fd = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(SIP_PORT);
	if (bind(sip_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		perror("bind");
		return 1;
	}
	for (;;) {
		fd_set r;
		struct timeval tv = { 0, 500000 };

		FD_ZERO(&r);
		FD_SET(sip_fd, &r);
		if (select(sip_fd + 1, &r, NULL, NULL, &tv) > 0) {
			fl = sizeof(from);
			n = recvfrom(sip_fd, buf, sizeof(buf) - 1, 0, (struct sockaddr *)&from, &fl);
			if (n > 0) {
				buf[n] = 0;
				sip_input(buf, &from);
			}
		}
		display_timer();
	}
}
