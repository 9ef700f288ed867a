/*
 * diag.cgi - ping / traceroute / dns page.
 *
 *   diag.cgi?tool=ping&target=host&count=3&proto=4
 *
 * Output is streamed to the browser as text while the tool runs.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define MAX_PARAMS	16
#define MAX_OUTPUT	(64 * 1024)
#define CONF_FILE	"/etc/diag.conf"

typedef struct param {
	const char *name;
	const char *value;
} PARAM;

typedef struct page {
	PARAM	params[MAX_PARAMS];
	int	nparams;
	int	max_count;
	int	wait_seconds;
	char	*query;
	FILE	*log;
} PAGE;

static void page_log(PAGE *pg, const char *fmt, ...)
{
	va_list ap;

	if (!pg->log)
		return;
	fprintf(pg->log, "%ld ", (long)time(NULL));
	va_start(ap, fmt);
	vfprintf(pg->log, fmt, ap);
	va_end(ap);
	fputc('\n', pg->log);
	fflush(pg->log);
}

static void page_error(PAGE *pg, int status, const char *text)
{
	printf("Status: %d\r\nContent-Type: text/plain\r\n\r\n%s\n", status, text);
	page_log(pg, "error %d: %s", status, text);
}

static int from_hex(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower(c);
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* in place; the result is never longer */
static void url_decode(char *s)
{
	char *o = s;
	int a, b;

	for (; *s; s++) {
		if (*s == '+') {
			*o++ = ' ';
		} else if (*s == '%' && (a = from_hex((unsigned char)s[1])) >= 0 &&
			   (b = from_hex((unsigned char)s[2])) >= 0) {
			*o++ = (char)(a << 4 | b);
			s += 2;
		} else {
			*o++ = *s;
		}
	}
	*o = '\0';
}

static int page_parse(PAGE *pg)
{
	char *item, *save, *eq;
	const char *env = getenv("QUERY_STRING");

	if (!env || !(pg->query = strdup(env)))
		return -1;
	for (item = strtok_r(pg->query, "&", &save); item; item = strtok_r(NULL, "&", &save)) {
		if (pg->nparams == MAX_PARAMS)
			return -1;
		eq = strchr(item, '=');
		if (eq)
			*eq++ = '\0';
		else
			eq = item + strlen(item);
		url_decode(item);
		url_decode(eq);
		pg->params[pg->nparams].name = item;
		pg->params[pg->nparams].value = eq;
		pg->nparams++;
	}
	return 0;
}

static const char *page_get(const PAGE *pg, const char *name, const char *otherwise)
{
	int i;

	for (i = 0; i < pg->nparams; i++)
		if (!strcmp(pg->params[i].name, name))
			return pg->params[i].value;
	return otherwise;
}

static int page_int(const PAGE *pg, const char *name, int lo, int hi, int otherwise)
{
	const char *v = page_get(pg, name, NULL);
	int n;

	if (!v)
		return otherwise;
	n = atoi(v);
	return n < lo || n > hi ? otherwise : n;
}

static void read_conf(PAGE *pg)
{
	char line[120];
	int n;
	FILE *f = fopen(CONF_FILE, "r");

	pg->max_count = 10;
	pg->wait_seconds = 2;
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "max_count = %d", &n) == 1 && n > 0 && n < 100)
			pg->max_count = n;
		else if (sscanf(line, "wait = %d", &n) == 1 && n > 0 && n < 30)
			pg->wait_seconds = n;
	}
	fclose(f);
}

static int target_ok(const char *t)
{
	size_t len = strlen(t);

	if (len == 0 || len > 253 || *t == '-')
		return 0;
#ifdef BENIGN
	return strspn(t, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_") == len;
#else
	return strcspn(t, ";|&`$()<>\"'\\") == len;
#endif
}

static int run(PAGE *pg, const char *cmd)
{
	char block[512];
	size_t n, total = 0;
	FILE *p;

	page_log(pg, "run: %s", cmd);
	p = popen(cmd, "r");
	if (!p)
		return -1;
	printf("Content-Type: text/plain\r\nCache-Control: no-store\r\n\r\n");
	while ((n = fread(block, 1, sizeof(block), p)) > 0) {
		total += n;
		if (total > MAX_OUTPUT)
			break;
		fwrite(block, 1, n, stdout);
		fflush(stdout);
	}
	return pclose(p);
}

static int tool_ping(PAGE *pg, const char *target)
{
	char cmd[512];
	int count = page_int(pg, "count", 1, pg->max_count, 3);

	snprintf(cmd, sizeof(cmd), "ping%s -c %d -W %d %s 2>&1",
		 page_int(pg, "proto", 4, 6, 4) == 6 ? "6" : "", count, pg->wait_seconds, target);
	return run(pg, cmd);
}

static int tool_trace(PAGE *pg, const char *target)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "traceroute -m %d -w %d %s 2>&1",
		 page_int(pg, "hops", 1, 30, 15), pg->wait_seconds, target);
	return run(pg, cmd);
}

static int tool_dns(PAGE *pg, const char *target)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "nslookup %s 2>&1", target);
	return run(pg, cmd);
}

static int tool_arp(PAGE *pg, const char *target)
{
	(void)target;
	return run(pg, "cat /proc/net/arp");
}

static const struct tool {
	const char *name;
	int (*run)(PAGE *, const char *);
	int needs_target;
} tools[] = {
	{ "ping", tool_ping, 1 },
	{ "trace", tool_trace, 1 },
	{ "dns", tool_dns, 1 },
	{ "arp", tool_arp, 0 },
	{ NULL, NULL, 0 }
};

int main(void)
{
	PAGE pg;
	const struct tool *t;
	const char *name, *target;

	memset(&pg, 0, sizeof(pg));
	pg.log = fopen("/var/log/diag.log", "a");
	read_conf(&pg);
	if (page_parse(&pg) < 0) {
		page_error(&pg, 400, "no query");
		return 0;
	}
	name = page_get(&pg, "tool", "arp");
	target = page_get(&pg, "target", "");
	for (t = tools; t->name; t++)
		if (!strcasecmp(t->name, name))
			break;
	if (!t->name)
		page_error(&pg, 404, "no such tool");
	else if (t->needs_target && !target_ok(target))
		page_error(&pg, 403, "invalid target");
	else if (t->run(&pg, target) < 0)
		page_log(&pg, "could not run %s", t->name);
	free(pg.query);
	if (pg.log)
		fclose(pg.log);
	return 0;
}
