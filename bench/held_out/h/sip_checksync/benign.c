/* phone-prov: provisioning part of the IP phone's SIP agent.
 * A privileged helper is forked first; it does the fetching. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define SIP_PORT 5060

#define LOG(...) do { if (verbose) { fprintf(stderr, "prov: " __VA_ARGS__); fputc('\n', stderr); } } while (0)
#define PROV_F_HAVE   0x01
#define PROV_F_VALID  0x02
#define PROV_F_DUE    0x04

static int verbose;

struct prov {
	unsigned flags;
	char server[120];
	int interval;
	time_t last;
	int runs;
};

struct sipmsg {
	char method[16];
	char event[32];
	char via[160], from[160], to[160], callid[100], cseq[40];
	char ctype[48];
	char *body;
};

struct agent {
	int fd;
	int helper_wr;
	struct prov prov;
	char ringtone[24];
	int mwi;
	struct sockaddr_in peer;
};

/* ------------------------------------------------ helper process */

static void helper_fetch(const char *server)
{
	char cmd[300], line[100];
	FILE *p;

	snprintf(cmd, sizeof(cmd), "tftp -g -r phone.cfg -l /tmp/phone.cfg %s 2>&1", server);
	p = popen(cmd, "r");
	if (!p)
		return;
	while (fgets(line, sizeof(line), p))
		LOG("helper: fetch says %d bytes", (int)strlen(line));
	pclose(p);
}

static void helper_ring(const char *tone)
{
	static const char *const known[] = { "classic", "soft", "office", "silent" };
	unsigned i;
	char cmd[80];
	for (i = 0; i < 4; i++)
		if (!strcmp(known[i], tone)) {
			snprintf(cmd, sizeof(cmd), "/usr/bin/ringset %s", known[i]);
			system(cmd);
		}
}

static void helper_main(int rd)
{
	char line[256];
	FILE *in = fdopen(rd, "r");

	if (!in)
		_exit(1);
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "FETCH ", 6))
			helper_fetch(line + 6);
		else if (!strncmp(line, "RING ", 5))
			helper_ring(line + 5);
	}
	_exit(0);
}

static int start_helper(void)
{
	int p[2];
	pid_t pid;
	if (pipe(p) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		close(p[1]);
		helper_main(p[0]);
	}
	close(p[0]);
	return p[1];
}

static void tell_helper(struct agent *a, const char *verb, const char *arg)
{
	char line[200];
	int n = snprintf(line, sizeof(line), "%s %s\n", verb, arg);
	if (n > 0 && n < (int)sizeof(line) && write(a->helper_wr, line, n) != n)
		LOG("helper gone");
}

/* ------------------------------------------------ settings */

static int server_name_ok(const char *s)
{
	const char *p = s;
	if (!isalnum((unsigned char)*p))
		return 0;
	for (; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '.' && *p != '-')
			return 0;
	return p - s < 64;
}

static void set_server(struct agent *a, const char *val)
{
	struct prov *pv = &a->prov;

	snprintf(pv->server, sizeof(pv->server), "%s", val);
	pv->flags |= PROV_F_HAVE;
	if (server_name_ok(pv->server)) {
		pv->flags |= PROV_F_VALID;
	} else {
		pv->flags &= ~PROV_F_VALID;
		LOG("odd server name of %d bytes", (int)strlen(val));
	}
}

static void set_interval(struct agent *a, const char *val)
{
	int v = atoi(val);
	if (v >= 60 && v <= 86400)
		a->prov.interval = v;
}

static void set_ring(struct agent *a, const char *val)
{
	snprintf(a->ringtone, sizeof(a->ringtone), "%s", val);
	if (!strpbrk(a->ringtone, "\r\n"))
		tell_helper(a, "RING", a->ringtone);
}

static const struct {
	const char *key;
	void (*set)(struct agent *, const char *);
} settings[] = {
	{ "prov.interval", set_interval },
	{ "prov.server", set_server },
	{ "ring.tone", set_ring },
};

/* ------------------------------------------------ sip */

static void hdr_copy(char *dst, size_t cap, const char *v)
{
	snprintf(dst, cap, "%s", v);
}

static int sip_parse(char *buf, struct sipmsg *m)
{
	char *line, *save = buf, *v, *sp;

	memset(m, 0, sizeof(*m));
	line = strsep(&save, "\n");
	sp = strchr(line, ' ');
	if (!sp || sp - line >= (int)sizeof(m->method))
		return -1;
	memcpy(m->method, line, sp - line);
	while ((line = strsep(&save, "\n")) != NULL) {
		line[strcspn(line, "\r")] = 0;
		if (!*line)
			break;
		v = strchr(line, ':');
		if (!v)
			return -1;
		*v++ = 0;
		v += strspn(v, " ");
		if (!strcasecmp(line, "Via")) hdr_copy(m->via, sizeof(m->via), v);
		else if (!strcasecmp(line, "From")) hdr_copy(m->from, sizeof(m->from), v);
		else if (!strcasecmp(line, "To")) hdr_copy(m->to, sizeof(m->to), v);
		else if (!strcasecmp(line, "Call-ID")) hdr_copy(m->callid, sizeof(m->callid), v);
		else if (!strcasecmp(line, "CSeq")) hdr_copy(m->cseq, sizeof(m->cseq), v);
		else if (!strcasecmp(line, "Event")) hdr_copy(m->event, sizeof(m->event), v);
		else if (!strcasecmp(line, "Content-Type")) hdr_copy(m->ctype, sizeof(m->ctype), v);
	}
	m->body = save;
	return m->via[0] && m->callid[0] ? 0 : -1;
}

static void sip_answer(struct agent *a, struct sipmsg *m, int code, const char *text)
{
	char out[900];
	int n = snprintf(out, sizeof(out),
		"SIP/2.0 %d %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
		"Content-Length: 0\r\n\r\n", code, text, m->via, m->from, m->to, m->callid, m->cseq);
	if (n < (int)sizeof(out))
		sendto(a->fd, out, n, 0, (struct sockaddr *)&a->peer, sizeof(a->peer));
}

/* INFO carries "key=value" lines from the PBX */
static int do_info(struct agent *a, struct sipmsg *m)
{
	char *line, *eq;
	unsigned i;

	if (strcasecmp(m->ctype, "application/phone-settings") || !m->body)
		return 415;
	while ((line = strsep(&m->body, "\n")) != NULL) {
		line[strcspn(line, "\r")] = 0;
		eq = strchr(line, '=');
		if (!eq)
			continue;
		*eq++ = 0;
		for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
			if (!strcmp(settings[i].key, line))
				settings[i].set(a, eq);
	}
	return 200;
}

static int do_notify(struct agent *a, struct sipmsg *m)
{
	if (!strncasecmp(m->event, "check-sync", 10)) {
		a->prov.flags |= PROV_F_DUE;
		return 200;
	}
	if (!strcasecmp(m->event, "message-summary")) {
		a->mwi = m->body && strstr(m->body, "yes") != NULL;
		return 200;
	}
	return 489;
}

static int do_options(struct agent *a, struct sipmsg *m)
{
	(void)m;
	return a->fd >= 0 ? 200 : 503;
}

static const struct {
	const char *method;
	int (*fn)(struct agent *, struct sipmsg *);
} methods[] = { { "INFO", do_info }, { "NOTIFY", do_notify }, { "OPTIONS", do_options } };

static void prov_timer(struct agent *a)
{
	struct prov *pv = &a->prov;
	time_t now = time(NULL);

	if (now - pv->last >= pv->interval)
		pv->flags |= PROV_F_DUE;
	if (!(pv->flags & PROV_F_DUE))
		return;
	pv->flags &= ~PROV_F_DUE;
	pv->last = now;
	if ((pv->flags & (PROV_F_HAVE | PROV_F_VALID)) == (PROV_F_HAVE | PROV_F_VALID)) {
		tell_helper(a, "FETCH", pv->server);
		pv->runs++;
	}
}

static void sip_input(struct agent *a)
{
	char buf[2000];
	socklen_t sl = sizeof(a->peer);
	struct sipmsg m;
	unsigned i;
	ssize_t n = recvfrom(a->fd, buf, sizeof(buf) - 1, 0, (struct sockaddr *)&a->peer, &sl);

	if (n <= 0)
		return;
	buf[n] = 0;
	if (sip_parse(buf, &m) < 0)
		return;
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!strcmp(methods[i].method, m.method)) {
			sip_answer(a, &m, methods[i].fn(a, &m), "-");
			return;
		}
	sip_answer(a, &m, 405, "Method Not Allowed");
}

int main(int argc, char **argv)
{
	struct agent ag;
	struct sockaddr_in sa;
	struct timeval tv = { 1, 0 };
	int port = SIP_PORT, o;

	while ((o = getopt(argc, argv, "vp:")) != -1) {
		if (o == 'v') verbose = 1;
		if (o == 'p') port = atoi(optarg);
	}
	memset(&ag, 0, sizeof(ag));
	ag.prov.interval = 3600;
	ag.prov.last = time(NULL);
	signal(SIGPIPE, SIG_IGN);
	ag.helper_wr = start_helper();
	if (ag.helper_wr < 0)
		return 1;
	ag.fd = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(port);
	if (bind(ag.fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return 1;
	setsockopt(ag.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	for (;;) {
		sip_input(&ag);
		prov_timer(&ag);
	}
}
