/*
 * diag.cgi - diagnostics pages of the DOCSIS cable modem web interface.
 * Called by the small web server; request in the environment and on stdin.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_PARAMS   16
#define CONF_FILE    "/nvram/diag.conf"
#define LOG_FILE     "/var/log/diag.log"

struct param {
	char name[24];
	char value[160];
};

struct request {
	struct param params[MAX_PARAMS];
	int nparams;
	const char *remote;
};

struct settings {
	int max_hops;
	int wait_secs;
	int verbose;
	char wan_if[16];
};

static struct settings cfg = { 20, 2, 0, "cm0" };

static void dlog(const char *fmt, ...)
{
	char stamp[32];
	time_t now = time(NULL);
	va_list ap;
	FILE *fp = fopen(LOG_FILE, "a");

	if (fp == NULL)
		return;
	strftime(stamp, sizeof(stamp), "%d.%m. %H:%M:%S", localtime(&now));
	fprintf(fp, "%s diag[%d]: ", stamp, (int)getpid());
	va_start(ap, fmt);
	vfprintf(fp, fmt, ap);
	va_end(ap);
	fputc('\n', fp);
	fclose(fp);
}

static void load_settings(void)
{
	char line[128], key[32], val[32];
	FILE *fp = fopen(CONF_FILE, "r");

	if (fp == NULL)
		return;
	while (fgets(line, sizeof(line), fp) != NULL) {
		if (line[0] == '#' || sscanf(line, "%31[a-z_] = %31s", key, val) != 2)
			continue;
		if (strcmp(key, "max_hops") == 0)
			cfg.max_hops = atoi(val);
		else if (strcmp(key, "wait") == 0)
			cfg.wait_secs = atoi(val);
		else if (strcmp(key, "verbose") == 0)
			cfg.verbose = atoi(val);
		else if (strcmp(key, "wan_if") == 0)
			snprintf(cfg.wan_if, sizeof(cfg.wan_if), "%s", val);
	}
	fclose(fp);
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

/* decode up to '&' or '='; gives the place behind the piece */
static const char *take_piece(const char *src, int stop, char *dst, size_t size)
{
	size_t n = 0;

	while (*src != '\0' && *src != '&' && *src != stop) {
		int c = (unsigned char)*src++;

		if (c == '+') {
			c = ' ';
		} else if (c == '%' && hexval((unsigned char)src[0]) >= 0 &&
			   hexval((unsigned char)src[1]) >= 0) {
			c = hexval((unsigned char)src[0]) * 16 + hexval((unsigned char)src[1]);
			src += 2;
		}
		if (n + 1 < size)
			dst[n++] = (char)c;
	}
	dst[n] = '\0';
	return src;
}

static void parse_params(struct request *rq, const char *text)
{
	while (*text != '\0' && rq->nparams < MAX_PARAMS) {
		struct param *p = &rq->params[rq->nparams];

		p->value[0] = '\0';
		text = take_piece(text, '=', p->name, sizeof(p->name));
		if (*text == '=')
			text = take_piece(text + 1, '&', p->value, sizeof(p->value));
		if (*text == '&')
			text++;
		if (p->name[0] != '\0')
			rq->nparams++;
	}
}

static const char *param(const struct request *rq, const char *name)
{
	int i;

	for (i = 0; i < rq->nparams; i++)
		if (strcmp(rq->params[i].name, name) == 0)
			return rq->params[i].value;
	return NULL;
}

static int host_ok(const char *host)
{
	const char *p;

	if (*host == '\0' || *host == '-' || strlen(host) > 120)
		return 0;
	for (p = host; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '.' && *p != '-' && *p != ':')
			return 0;
	return 1;
}

static void html_puts(const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<': fputs("&lt;", stdout); break;
		case '>': fputs("&gt;", stdout); break;
		case '&': fputs("&amp;", stdout); break;
		default: putchar(*s);
		}
	}
}

static int page_signal(struct request *rq)
{
	char line[200];
	FILE *fp = fopen("/proc/docsis/downstream", "r");

	puts("<h3>Downstream</h3><pre>");
	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL)
		html_puts(line);
	puts("</pre>");
	if (fp != NULL)
		fclose(fp);
	return 0;
}

static int page_trace(struct request *rq)
{
	const char *host = param(rq, "target");
	const char *hops = param(rq, "hops");
	int n = cfg.max_hops;
	char cmd[320], line[256];
	FILE *pp;

	if (host == NULL || !host_ok(host)) {
		puts("<p class=err>No valid target</p>");
		dlog("trace from %s refused", rq->remote);
		return 1;
	}
	if (hops != NULL)
		n = atoi(hops);
	if (n < 1 || n > 40)
		n = 20;
	snprintf(cmd, sizeof(cmd), "traceroute -n -m %d -w %d -i %s %s 2>&1",
		 n, cfg.wait_secs, cfg.wan_if, host);
	if (cfg.verbose)
		dlog("run '%s'", cmd);
	pp = popen(cmd, "r");
	if (pp == NULL)
		return 1;
	puts("<pre>");
	while (fgets(line, sizeof(line), pp) != NULL) {
		html_puts(line);
		fflush(stdout);
	}
	puts("</pre>");
	return pclose(pp) != 0;
}

static int page_reset_counters(struct request *rq)
{
	FILE *fp = fopen("/proc/docsis/counters", "w");

	if (fp == NULL)
		return 1;
	fputs("0\n", fp);
	fclose(fp);
	dlog("counters cleared by %s", rq->remote);
	puts("<p>Counters cleared.</p>");
	return 0;
}

static const struct {
	const char *op;
	int (*fn)(struct request *);
} pages[] = {
	{ "signal", page_signal },
	{ "trace", page_trace },
	{ "clear", page_reset_counters },
};

int main(void)
{
	static struct request rq;
	static char body[2048];
	const char *qs = getenv("QUERY_STRING");
	const char *method = getenv("REQUEST_METHOD");
	const char *op;
	size_t i;

	load_settings();
	rq.remote = getenv("REMOTE_ADDR") ? getenv("REMOTE_ADDR") : "?";
	if (qs != NULL)
		parse_params(&rq, qs);
	if (method != NULL && strcmp(method, "POST") == 0) {
		long len = getenv("CONTENT_LENGTH") ? atol(getenv("CONTENT_LENGTH")) : 0;

		if (len > 0 && len < (long)sizeof(body)) {
			size_t got = fread(body, 1, (size_t)len, stdin);

			body[got] = '\0';
			parse_params(&rq, body);
		}
	}
	printf("Content-Type: text/html\r\nCache-Control: no-cache\r\n\r\n<html><body>\n");
	op = param(&rq, "op");
	for (i = 0; op != NULL && i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(op, pages[i].op) == 0) {
			if (pages[i].fn(&rq) != 0)
				puts("<p>Failed.</p>");
			break;
		}
	}
	puts("</body></html>");
	return 0;
}
