/*
 * ptz.cgi - presets and tours of the dome camera
 *
 * Called by the web server, GET with a query string or POST with a form.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define MAX_PARAMS	32
#define MAX_BODY	4096
#define MAX_LABEL	64
#define PTZCTL		"/usr/sbin/ptzctl"

struct param {
	char *key;
	char *val;
};

struct request {
	char *raw;
	struct param p[MAX_PARAMS];
	int n;
	int dropped;
};

struct tour_step {
	char label[MAX_LABEL];
	int dwell;
	struct tour_step *next;
};

static struct tour_step *tour_head;
static struct tour_step **tour_tail = &tour_head;
static int tour_speed = 5;

static int run(const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(line)) {
		syslog(LOG_ERR, "command too long");
		return -1;
	}
	n = system(line);
	if (n)
		syslog(LOG_WARNING, "ptzctl returned %d", n);
	return n;
}

static int hexval(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower(c);
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static void url_decode(char *s)
{
	char *w = s;

	while (*s) {
		if (*s == '+') {
			*w++ = ' ';
			s++;
		} else if (*s == '%' && s[1] && hexval((unsigned char)s[1]) >= 0 &&
			   hexval((unsigned char)s[2]) >= 0) {
			*w++ = (char)(hexval((unsigned char)s[1]) * 16 +
				      hexval((unsigned char)s[2]));
			s += 3;
		} else {
			*w++ = *s++;
		}
	}
	*w = '\0';
}

/* nothing but letters, digits and a few marks */
static int plain_text(const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (isalnum(c))
			continue;
		if (strchr("%+-_.,", c))
			continue;
		return 0;
	}
	return 1;
}

static void split_params(struct request *rq)
{
	char *s = rq->raw;

	while (s && *s && rq->n < MAX_PARAMS) {
		char *next = strchr(s, '&');
		char *eq;

		if (next)
			*next++ = '\0';
		eq = strchr(s, '=');
		if (eq) {
			*eq++ = '\0';
			url_decode(eq);
			if (plain_text(eq)) {
				rq->p[rq->n].key = s;
				rq->p[rq->n].val = eq;
				rq->n++;
			} else {
				rq->dropped++;
			}
		}
		s = next;
	}
	if (rq->dropped)
		syslog(LOG_NOTICE, "%d parameters dropped", rq->dropped);
}

static const char *get(const struct request *rq, const char *key)
{
	int i;

	for (i = 0; i < rq->n; i++)
		if (!strcmp(rq->p[i].key, key))
			return rq->p[i].val;
	return NULL;
}

static int get_int(const struct request *rq, const char *key, int lo, int hi, int def)
{
	const char *v = get(rq, key);
	int n;

	if (!v || !*v)
		return def;
	n = atoi(v);
	return n < lo ? lo : n > hi ? hi : n;
}

static void tour_append(const char *label, int dwell)
{
	struct tour_step *st = calloc(1, sizeof(*st));

	if (!st)
		return;
	snprintf(st->label, sizeof(st->label), "%s", label);
	st->dwell = dwell;
	*tour_tail = st;
	tour_tail = &st->next;
}

static int tour_play(void)
{
	struct tour_step *st;
	int played = 0;

	for (st = tour_head; st; st = st->next) {
		syslog(LOG_INFO, "tour step %d", played);
		run(PTZCTL " goto --speed=%d --label=%s", tour_speed, st->label);
		sleep((unsigned)st->dwell);
		played++;
	}
	return played;
}

static int h_move(const struct request *rq)
{
	int pan = get_int(rq, "pan", -180, 180, 0);
	int tilt = get_int(rq, "tilt", -90, 90, 0);

	return run(PTZCTL " move --pan=%d --tilt=%d", pan, tilt);
}

static int h_home(const struct request *rq)
{
	(void)rq;
	return run(PTZCTL " home");
}

static int h_tour(const struct request *rq)
{
	int dwell = get_int(rq, "dwell", 0, 30, 5);
	int i, n = 0;

	tour_speed = get_int(rq, "speed", 1, 10, 5);
	for (i = 0; i < rq->n; i++) {
		if (strcmp(rq->p[i].key, "label"))
			continue;
		if (!rq->p[i].val[0])
			continue;
		tour_append(rq->p[i].val, dwell);
		n++;
	}
	return n ? 0 : -1;
}

static int h_status(const struct request *rq)
{
	time_t now = time(NULL);
	struct tm *tm = localtime(&now);

	(void)rq;
	printf("\"time\":\"%02d:%02d:%02d\",", tm->tm_hour, tm->tm_min, tm->tm_sec);
	return 0;
}

static const struct action {
	const char *name;
	int (*fn)(const struct request *);
} actions[] = {
	{ "move",   h_move },
	{ "home",   h_home },
	{ "tour",   h_tour },
	{ "status", h_status },
	{ NULL, NULL }
};

static char *read_input(void)
{
	const char *method = getenv("REQUEST_METHOD");
	const char *qs;
	char *buf;
	long len;

	if (method && !strcmp(method, "POST")) {
		const char *cl = getenv("CONTENT_LENGTH");

		len = cl ? strtol(cl, NULL, 10) : 0;
		if (len <= 0 || len >= MAX_BODY)
			return NULL;
		buf = malloc((size_t)len + 1);
		if (!buf)
			return NULL;
		len = (long)fread(buf, 1, (size_t)len, stdin);
		buf[len] = '\0';
		return buf;
	}
	qs = getenv("QUERY_STRING");
	return qs ? strdup(qs) : NULL;
}

int main(void)
{
	static struct request rq;
	const struct action *a;
	const char *name;
	int rc = -1, steps = 0;

	openlog("ptz.cgi", LOG_PID, LOG_LOCAL3);
	rq.raw = read_input();
	if (!rq.raw) {
		printf("Status: 400 Bad Request\r\n\r\n");
		return 0;
	}
	split_params(&rq);
	printf("Content-Type: application/json\r\n\r\n{");
	name = get(&rq, "action");
	for (a = actions; name && a->name; a++)
		if (!strcmp(a->name, name)) {
			rc = a->fn(&rq);
			break;
		}
	fflush(stdout);
	if (tour_head)
		steps = tour_play();
	printf("\"result\":%d,\"steps\":%d}\n", rc, steps);
	free(rq.raw);
	closelog();
	return 0;
}
