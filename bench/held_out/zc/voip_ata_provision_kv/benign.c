/*
 * provd -- provisioning push for the two-port telephone adapter.
 * The operator's server connects and sends an ini-like text, ended by a
 * line with a single dot.  Items land in the key-value store; a timer
 * thread acts on them later.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <signal.h>
#include <unistd.h>
#include <pthread.h>
#include <time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define PROV_PORT 5090
#define KV_BUCKETS 31
#define TICK_SECS 2

/* ------------------------------------------------------------ kv store */

typedef struct kv_node {
	struct kv_node *next;
	char *key;
	char *val;
} kv_node;

static kv_node *kv_bucket[KV_BUCKETS];
static pthread_mutex_t kv_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned kv_hash(const char *s)
{
	unsigned h = 5381;
	while (*s)
		h = h * 33 + (unsigned char)*s++;
	return h % KV_BUCKETS;
}

static int kv_set(const char *key, const char *val)
{
	unsigned h = kv_hash(key);
	kv_node *n;
	char *v = strdup(val);

	if (!v)
		return -1;
	pthread_mutex_lock(&kv_lock);
	for (n = kv_bucket[h]; n; n = n->next)
		if (!strcmp(n->key, key))
			break;
	if (n) {
		free(n->val);
		n->val = v;
	} else if ((n = malloc(sizeof *n)) && (n->key = strdup(key))) {
		n->val = v;
		n->next = kv_bucket[h];
		kv_bucket[h] = n;
	} else {
		free(n);
		free(v);
		v = NULL;
	}
	pthread_mutex_unlock(&kv_lock);
	return v ? 0 : -1;
}

/* returns a copy, or a copy of dflt */
static char *kv_get(const char *key, const char *dflt)
{
	kv_node *n;
	char *r = NULL;

	pthread_mutex_lock(&kv_lock);
	for (n = kv_bucket[kv_hash(key)]; n; n = n->next)
		if (!strcmp(n->key, key)) {
			r = strdup(n->val);
			break;
		}
	pthread_mutex_unlock(&kv_lock);
	return r ? r : strdup(dflt);
}

static int kv_get_int(const char *key, int dflt)
{
	char *v = kv_get(key, "");
	int r = dflt;

	if (v && *v)
		r = atoi(v);
	free(v);
	return r;
}

/* --------------------------------------------------------------- shell */

/* Put s between double quotes for the shell.  -1 when it does not fit. */
static int quote(char *out, size_t cap, const char *s)
{
	size_t n = 0;

	if (cap < 3)
		return -1;
	out[n++] = '"';
	for (; *s; s++) {
		switch (*s) {
		case '"':
		case '\\':
		case '`':
		case '$':
			if (n + 4 > cap)
				return -1;
			out[n++] = '\\';
			break;
		default:
			break;
		}
		if (n + 3 > cap)
			return -1;
		out[n++] = *s;
	}
	out[n++] = '"';
	out[n] = '\0';
	return 0;
}

static int shell(const char *fmt, ...)
{
	char *line = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (r < 0)
		return -1;
	r = system(line);
	free(line);
	return r;
}

/* ---------------------------------------------------------- validators */

static int chk_text(const char *v)
{
	size_t n = strlen(v);

	if (n == 0 || n > 100)
		return 0;
	for (; *v; v++)
		if (!isprint((unsigned char)*v))
			return 0;
	return 1;
}

static int chk_num(const char *v)
{
	size_t n = strlen(v);
	return n > 0 && n < 6 && strspn(v, "0123456789") == n;
}

static int chk_bool(const char *v)
{
	return !strcmp(v, "0") || !strcmp(v, "1");
}

static int chk_codec(const char *v)
{
	return !strcmp(v, "g711a") || !strcmp(v, "g711u") || !strcmp(v, "g729");
}

static const struct item {
	const char *key;
	int (*check)(const char *);
} items[] = {
	{ "line1.user",      chk_text },
	{ "line1.display",   chk_text },
	{ "line1.codec",     chk_codec },
	{ "line2.user",      chk_text },
	{ "line2.display",   chk_text },
	{ "line2.codec",     chk_codec },
	{ "sip.port",        chk_num },
	{ "sip.expires",     chk_num },
	{ "syslog.enable",   chk_bool },
	{ "syslog.server",   chk_text },
	{ "syslog.interval", chk_num },
};

/* -------------------------------------------------------- provisioning */

static char *trim(char *s)
{
	char *e;

	while (isspace((unsigned char)*s))
		s++;
	e = s + strlen(s);
	while (e > s && isspace((unsigned char)e[-1]))
		*--e = '\0';
	return s;
}

static int apply(const char *section, const char *name, const char *val)
{
	char key[64];
	size_t i;

	snprintf(key, sizeof key, "%s.%s", section, name);
	for (i = 0; i < sizeof items / sizeof items[0]; i++)
		if (!strcmp(items[i].key, key))
			return items[i].check(val) ? kv_set(key, val) : -1;
	return -1;
}

static void session(int fd)
{
	char section[32] = "", *line = NULL, *p, *eq;
	size_t cap = 0;
	int good = 0, bad = 0;
	FILE *fp = fdopen(fd, "r");

	if (!fp) {
		close(fd);
		return;
	}
	while (getline(&line, &cap, fp) > 0) {
		p = trim(line);
		if (*p == '\0' || *p == ';' || *p == '#')
			continue;
		if (!strcmp(p, "."))
			break;
		if (*p == '[') {
			p[strcspn(p, "]")] = '\0';
			snprintf(section, sizeof section, "%.31s", p + 1);
			continue;
		}
		if (!(eq = strchr(p, '='))) {
			bad++;
			continue;
		}
		*eq++ = '\0';
		if (apply(section, trim(p), trim(eq)) == 0)
			good++;
		else
			bad++;
	}
	dprintf(fd, "applied %d rejected %d\r\n", good, bad);
	fclose(fp);
	free(line);
}

/* --------------------------------------------------------------- timer */

static unsigned long ticks;

static void report(void)
{
	char q[256];
	char *srv = kv_get("syslog.server", "");

	if (srv && *srv) {
		if (quote(q, sizeof q, srv) < 0)
			fprintf(stderr, "provd: server name too long\n");
		else
			shell("logger -t ata -n %s -P 514 \"alive, tick %lu, sip port %d\"",
			      q, ticks, kv_get_int("sip.port", 5060));
	}
	free(srv);
}

static void *timer(void *unused)
{
	time_t due = 0, now;

	(void)unused;
	for (;;) {
		sleep(TICK_SECS);
		ticks++;
		now = time(NULL);
		if (kv_get_int("syslog.enable", 0) && now >= due) {
			int iv = kv_get_int("syslog.interval", 300);
			report();
			due = now + (iv < 10 ? 10 : iv);
		}
	}
	return NULL;
}

int main(void)
{
	struct sockaddr_in a;
	pthread_t t;
	int s, c, one = 1;

	signal(SIGPIPE, SIG_IGN);
	if ((s = socket(AF_INET, SOCK_STREAM, 0)) < 0)
		return 1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	memset(&a, 0, sizeof a);
	a.sin_family = AF_INET;
	a.sin_port = htons(PROV_PORT);
	if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 2) < 0) {
		perror("provd");
		return 1;
	}
	kv_set("sip.port", "5060");
	if (pthread_create(&t, NULL, timer, NULL) != 0)
		return 1;
	for (;;) {
		if ((c = accept(s, NULL, NULL)) < 0) {
			if (errno == EINTR)
				continue;
			return 1;
		}
		session(c);
	}
}
