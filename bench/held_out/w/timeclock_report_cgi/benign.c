/*
 * punch.cgi -- web front of the wall mounted time clock
 *
 *   ?action=status
 *   ?action=report&from=2024-05-01&emp=1042
 *   ?action=adjust&emp=1042&minutes=-15        (needs a session)
 *   ?action=beep&on=1                          (needs a session)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <time.h>
#include <errno.h>
#include <sys/stat.h>

#define MAXPARAM   12
#define VALLEN     160
#define PUNCHES    "/var/lib/clock/punches.csv"
#define ADJUST     "/var/lib/clock/adjust.csv"
#define SESSION    "/tmp/clock.sid"

struct param {
	char name[16];
	char value[VALLEN];
};

static struct param params[MAXPARAM];
static int nparam;
static int debug;

static int unhex(int c)
{
	if (c >= '0' && c <= '9') return c - '0';
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	if (c >= 'A' && c <= 'F') return c - 'A' + 10;
	return -1;
}

/* copy up to one of the stop characters, undoing the URL encoding */
static const char *take(const char *s, const char *stop, char *dst, size_t size)
{
	size_t n = 0;

	while (*s && !strchr(stop, *s)) {
		int c = (unsigned char)*s++;

		if (c == '+') {
			c = ' ';
		} else if (c == '%' && unhex(s[0]) >= 0 && unhex(s[1]) >= 0) {
			c = unhex(s[0]) * 16 + unhex(s[1]);
			s += 2;
		}
		if (n + 1 < size)
			dst[n++] = (char)c;
	}
	dst[n] = '\0';
	return s;
}

static void read_params(const char *q)
{
	while (q && *q && nparam < MAXPARAM) {
		struct param *p = &params[nparam];

		q = take(q, "=&", p->name, sizeof p->name);
		p->value[0] = '\0';
		if (*q == '=')
			q = take(q + 1, "&", p->value, sizeof p->value);
		if (*q == '&')
			q++;
		if (p->name[0])
			nparam++;
	}
}

static const char *param(const char *name, const char *dflt)
{
	int i;

	for (i = 0; i < nparam; i++)
		if (!strcmp(params[i].name, name))
			return params[i].value;
	return dflt;
}

static void head(const char *type)
{
	printf("Content-Type: %s\r\nCache-Control: no-cache\r\n\r\n", type);
}

static int fail(int code, const char *why)
{
	printf("Status: %d\r\n", code);
	head("text/plain");
	printf("error: %s\n", why);
	if (debug)
		fprintf(stderr, "punch.cgi: %d %s\n", code, why);
	return 0;
}

static int have_session(void)
{
	char sid[40] = "";
	const char *cookie = getenv("HTTP_COOKIE"), *at;
	FILE *f = fopen(SESSION, "r");

	if (!f)
		return 0;
	if (!fgets(sid, sizeof sid, f))
		sid[0] = '\0';
	fclose(f);
	sid[strcspn(sid, "\r\n")] = '\0';
	if (strlen(sid) < 16 || !cookie)
		return 0;
	at = strstr(cookie, "sid=");
	return at && strncmp(at + 4, sid, strlen(sid)) == 0;
}

/* ------------------------------------------------------------- actions */

static int act_status(void)
{
	struct stat st;
	time_t now = time(NULL);
	char when[32];

	strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime(&now));
	head("text/plain");
	printf("clock: %s\n", when);
	if (stat(PUNCHES, &st) == 0)
		printf("punches: %ld bytes\n", (long)st.st_size);
	return 0;
}

static int good_date(const char *s, char out[16])
{
	int y, m, d;

	if (sscanf(s, "%4d-%2d-%2d", &y, &m, &d) != 3)
		return 0;
	if (y < 2000 || y > 2099 || m < 1 || m > 12 || d < 1 || d > 31)
		return 0;
	snprintf(out, 16, "%04d-%02d-%02d", y, m, d);
	return 1;
}

static int act_report(void)
{
	const char *from = param("from", "");
	unsigned long emp = strtoul(param("emp", "0"), NULL, 10);
	char cmd[400], line[200];
	char date[16];
	int rows = 0;
	FILE *p;

	if (!good_date(from, date))
		return fail(400, "from: YYYY-MM-DD");
	snprintf(cmd, sizeof cmd,
		 "awk -F, '$1 >= \"%s\" && (%lu == 0 || $2 == %lu)' " PUNCHES " | sort", date, emp, emp);
	fflush(stdout);
	p = popen(cmd, "r");
	if (!p)
		return fail(500, strerror(errno));
	head("text/csv");
	puts("date,employee,in,out");
	while (fgets(line, sizeof line, p)) {
		fputs(line, stdout);
		rows++;
	}
	pclose(p);
	if (debug)
		fprintf(stderr, "punch.cgi: %d rows\n", rows);
	return 0;
}

static int act_adjust(void)
{
	unsigned long emp = strtoul(param("emp", "0"), NULL, 10);
	long minutes = strtol(param("minutes", "0"), NULL, 10);
	time_t now = time(NULL);
	char when[16];
	FILE *f;

	if (!have_session())
		return fail(403, "login first");
	if (emp == 0 || minutes < -720 || minutes > 720)
		return fail(400, "emp, minutes");
	f = fopen(ADJUST, "a");
	if (!f)
		return fail(500, strerror(errno));
	strftime(when, sizeof when, "%Y-%m-%d", localtime(&now));
	fprintf(f, "%s,%lu,%ld\n", when, emp, minutes);
	fclose(f);
	head("text/plain");
	puts("ok");
	return 0;
}

static int act_beep(void)
{
	FILE *f;

	if (!have_session())
		return fail(403, "login first");
	f = fopen("/sys/class/leds/buzzer/brightness", "w");
	if (!f)
		return fail(500, strerror(errno));
	fputs(!strcmp(param("on", "0"), "1") ? "1\n" : "0\n", f);
	fclose(f);
	head("text/plain");
	puts("ok");
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(void);
} actions[] = {
	{ "status", act_status },
	{ "report", act_report },
	{ "adjust", act_adjust },
	{ "beep",   act_beep   },
};

int main(void)
{
	const char *want;
	size_t i;

	debug = getenv("PUNCH_DEBUG") != NULL;
	read_params(getenv("QUERY_STRING"));
	want = param("action", "status");
	for (i = 0; i < sizeof actions / sizeof actions[0]; i++)
		if (!strcmp(actions[i].name, want))
			return actions[i].fn();
	return fail(404, "unknown action");
}
