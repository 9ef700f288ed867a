/**
 * @file   dc09rx.c
 * @brief  ANSI/SIA DC-09 receiver module of the alarm concentrator panel
 *
 * Listens on the port given in /etc/panel.conf (listen_port), validates the
 * frames, queues the events, and a logger thread forwards them to the
 * keypads through a fifo.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <pthread.h>
#include <syslog.h>
#include <sys/socket.h>
#include <netinet/in.h>

typedef struct event {
	struct event *next;
	char   account[20];
	char   zone[8];
	char   text[48];
	time_t when;
} event_t;

typedef struct {
	int      port;
	char     fifo[96];
	int      verbose;
	char     prefix[8];
} config_t;

typedef struct {
	int      sock;
	unsigned seq;
	unsigned nframes, nbad;
} session_t;

static config_t cfg = { .fifo = "/var/run/keypad.fifo" };
static event_t *evq_head, *evq_tail;
static pthread_mutex_t evq_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  evq_cond = PTHREAD_COND_INITIALIZER;

static void load_config(const char *file)
{
	char line[256], key[32], val[96];
	FILE *f = fopen(file, "r");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#' || sscanf(line, " %31[^= ] = %95s", key, val) != 2)
			continue;
		if (!strcmp(key, "listen_port"))
			cfg.port = atoi(val);
		else if (!strcmp(key, "fifo"))
			snprintf(cfg.fifo, sizeof(cfg.fifo), "%s", val);
		else if (!strcmp(key, "verbose"))
			cfg.verbose = atoi(val);
		else if (!strcmp(key, "account_prefix"))
			snprintf(cfg.prefix, sizeof(cfg.prefix), "%s", val);
	}
	fclose(f);
}

static void evq_post(const char *acct, const char *zone, const char *text)
{
	event_t *e = calloc(1, sizeof(*e));

	if (!e)
		return;
	snprintf(e->account, sizeof(e->account), "%s", acct);
	snprintf(e->zone, sizeof(e->zone), "%s", zone);
	snprintf(e->text, sizeof(e->text), "%s", text);
	e->when = time(NULL);
	pthread_mutex_lock(&evq_lock);
	if (evq_tail)
		evq_tail->next = e;
	else
		evq_head = e;
	evq_tail = e;
	pthread_cond_signal(&evq_cond);
	pthread_mutex_unlock(&evq_lock);
}

static void *logger(void *unused)
{
	for (;;) {
		event_t *e;
		FILE *f;

		pthread_mutex_lock(&evq_lock);
		while (!evq_head)
			pthread_cond_wait(&evq_cond, &evq_lock);
		e = evq_head;
		evq_head = e->next;
		if (!evq_head)
			evq_tail = NULL;
		pthread_mutex_unlock(&evq_lock);

		syslog(LOG_NOTICE, "event acct=%s zone=%s %s", e->account, e->zone, e->text);
		f = fopen(cfg.fifo, "a");
		if (f) {
			fprintf(f, "%ld\t%s\t%s\n", (long)e->when, e->zone, e->text);
			fclose(f);
		}
		free(e);
	}
	return unused;
}

/* CRC-16/ARC as in the standard, over everything from the first quote */
static uint16_t dc09_crc(const char *s, size_t n)
{
	uint16_t crc = 0;
	size_t i;
	int b;

	for (i = 0; i < n; i++) {
		crc ^= (uint8_t)s[i];
		for (b = 0; b < 8; b++)
			crc = (crc & 1) ? (crc >> 1) ^ 0xA001 : crc >> 1;
	}
	return crc;
}

static void answer(session_t *s, const char *id, const char *acct)
{
	char body[96], out[128];
	int n;

	n = snprintf(body, sizeof(body), "\"%s\"%04uL0#%.19s[]", id, s->seq, acct);
	n = snprintf(out, sizeof(out), "\n%04X%04X%s\r", dc09_crc(body, n), (unsigned)n, body);
	send(s->sock, out, n, MSG_NOSIGNAL);
}

static int acct_allowed(const char *acct)
{
	size_t n = strlen(cfg.prefix);

	return n == 0 || !strncmp(acct, cfg.prefix, n);
}

/** "#1234|1131 01 015": event, partition, zone */
static int msg_adm_cid(session_t *s, const char *data)
{
	char acct[20], event[8], part[4], zone[8];

	if (sscanf(data, "[#%[^]|]|%7s %3s %7[0-9]", acct, event, part, zone) != 4)
		return -1;
	if (!acct_allowed(acct))
		return -1;
	evq_post(acct, zone, event);
	answer(s, "ACK", acct);
	return 0;
}

/** "#1234|NBA01^FRONT DOOR^" */
static int msg_sia_dcs(session_t *s, const char *data)
{
	char acct[20], code[8], zone[8], text[48];

	text[0] = '\0';
	if (sscanf(data, "[#%19[^]|]|N%2[A-Z]%7[0-9]^%47[^]^]", acct, code, zone, text) < 3)
		return -1;
	if (!acct_allowed(acct))
		return -1;
	evq_post(acct, zone, text[0] ? text : code);
	answer(s, "ACK", acct);
	return 0;
}

static int msg_null(session_t *s, const char *data)
{
	answer(s, "ACK", "0");
	return 0;
}

static const struct {
	const char *id;
	int (*handle)(session_t *, const char *);
} msg_types[] = {
	{ "ADM-CID", msg_adm_cid },
	{ "NULL",    msg_null },
	{ "SIA-DCS", msg_sia_dcs },
};

static int frame(session_t *s, const char *f, size_t n)
{
	unsigned crc, len, i;
	char id[16];
	const char *data;

	s->nframes++;
	if (n < 12 || sscanf(f, "%4X%4X", &crc, &len) != 2)
		return -1;
	f += 8;
	n -= 8;
	if (len != n || dc09_crc(f, n) != crc)
		return -1;
	if (sscanf(f, "\"%15[^\"]\"%4u", id, &s->seq) != 2)
		return -1;
	data = strchr(f, '[');
	if (!data)
		return -1;
	for (i = 0; i < sizeof(msg_types) / sizeof(msg_types[0]); i++)
		if (!strcmp(id, msg_types[i].id))
			return msg_types[i].handle(s, data);
	return -1;
}

static void session(int sock)
{
	session_t s = { .sock = sock };
	char buf[1024];
	size_t fill = 0;

	for (;;) {
		ssize_t n = recv(sock, buf + fill, sizeof(buf) - 1 - fill, 0);
		char *cr, *lf;

		if (n <= 0)
			break;
		fill += n;
		buf[fill] = '\0';
		while ((cr = memchr(buf, '\r', fill)) != NULL) {
			size_t used = cr + 1 - buf;

			*cr = '\0';
			lf = memchr(buf, '\n', used);
			if (lf && frame(&s, lf + 1, cr - lf - 1) < 0) {
				s.nbad++;
				answer(&s, "NAK", "0");
			}
			memmove(buf, buf + used, fill - used + 1);
			fill -= used;
		}
		if (fill >= sizeof(buf) - 1)
			break;
	}
	if (cfg.verbose)
		syslog(LOG_INFO, "session end, %u frames %u bad", s.nframes, s.nbad);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	pthread_t th;
	int ls, c, one = 1;

	openlog("dc09rx", 0, LOG_LOCAL2);
	load_config(argc > 1 ? argv[1] : "/etc/panel.conf");
	if (cfg.port <= 0 || cfg.port > 65535) {
		syslog(LOG_ERR, "no listen_port configured");
		return 1;
	}
	pthread_create(&th, NULL, logger, NULL);
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	sa.sin_port = htons((uint16_t)cfg.port);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 8) < 0)
		return 1;
	for (;;) {
		c = accept(ls, NULL, NULL);
		if (c < 0)
			continue;
		session(c);
		close(c);
	}
}
