/* diag.cgi - "Administration > Diagnostics" of the router's web pages */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <stdarg.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#define MAXPAIRS 24
#define MAXPOST  4096

typedef struct pair { char *name; char *value; } pair_t;

static pair_t pairs[MAXPAIRS];
static int npairs;

static void x2c_all(char *s)
{
	int i, j;
	char h[3];

	for (i = 0, j = 0; s[i]; i++, j++) {
		if (s[i] == '+')
			s[j] = ' ';
		else if (s[i] == '%' && isxdigit((unsigned char)s[i + 1]) && isxdigit((unsigned char)s[i + 2])) {
			h[0] = s[i + 1];
			h[1] = s[i + 2];
			h[2] = 0;
			s[j] = (char)strtol(h, NULL, 16);
			i += 2;
		} else
			s[j] = s[i];
	}
	s[j] = 0;
}

static void parse_pairs(char *q)
{
	char *tok, *save = NULL, *eq;

	for (tok = strtok_r(q, "&", &save); tok && npairs < MAXPAIRS; tok = strtok_r(NULL, "&", &save)) {
		eq = strchr(tok, '=');
		if (!eq)
			continue;
		*eq++ = 0;
		x2c_all(tok);
		x2c_all(eq);
		pairs[npairs].name = tok;
		pairs[npairs].value = eq;
		npairs++;
	}
}

static const char *web_get(const char *name, const char *dflt)
{
	int i;
	for (i = 0; i < npairs; i++)
		if (!strcmp(pairs[i].name, name))
			return pairs[i].value;
	return dflt;
}

static int web_int(const char *name, int dflt, int lo, int hi)
{
	int v = atoi(web_get(name, ""));
	if (v == 0)
		v = dflt;
	if (v < lo) v = lo;
	if (v > hi) v = hi;
	return v;
}

static int do_system(const char *fmt, ...)
{
	char buf[600];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(buf))
		return -1;
	fflush(stdout);
	return system(buf);
}

static void html_head(const char *title)
{
	printf("Content-Type: text/html\r\nCache-Control: no-cache\r\n\r\n");
	printf("<html><head><title>%s</title></head><body><h3>%s</h3>\n", title, title);
}

static void html_tail(void)
{
	printf("</body></html>\n");
}

static void show_file(const char *path)
{
	char line[256];
	FILE *f = fopen(path, "r");

	if (!f) {
		printf("<p>no result</p>");
		return;
	}
	printf("<pre>");
	while (fgets(line, sizeof(line), f))
		fputs(line, stdout);
	printf("</pre>");
	fclose(f);
}

static const char *target_addr(void)
{
	const char *a = web_get("ping_addr", "");
	struct in_addr in;
	struct in6_addr in6;

	/* only literal addresses */
	if (inet_pton(AF_INET, a, &in) != 1 && inet_pton(AF_INET6, a, &in6) != 1)
		return NULL;
	return a;
}

static void act_ping(void)
{
	const char *addr = target_addr();
	int cnt = web_int("ping_count", 4, 1, 20);
	int size = web_int("ping_size", 56, 16, 1400);

	html_head("Ping");
	if (!addr) {
		printf("<p>wrong address</p>");
		html_tail();
		return;
	}
	do_system("ping -c %d -s %d %s > /tmp/ping.log 2>&1", cnt, size, addr);
	show_file("/tmp/ping.log");
	html_tail();
}

static void act_trace(void)
{
	const char *addr = target_addr();
	int hops = web_int("hops", 15, 1, 30);

	html_head("Traceroute");
	if (addr) {
		do_system("traceroute -n -m %d %s > /tmp/trace.log 2>&1", hops, addr);
		show_file("/tmp/trace.log");
	} else
		printf("<p>wrong address</p>");
	html_tail();
}

static void act_log(void)
{
	html_head("Log");
	do_system("logread | tail -n %d > /tmp/log.txt", web_int("lines", 50, 1, 500));
	show_file("/tmp/log.txt");
	html_tail();
}

static const struct {
	const char *name;
	void (*fn)(void);
} actions[] = {
	{ "ping", act_ping }, { "trace", act_trace }, { "log", act_log },
};

int main(void)
{
	char *method = getenv("REQUEST_METHOD");
	char *buf = NULL;
	const char *act;
	size_t i;

	if (!method) {
		fprintf(stderr, "diag.cgi: not run by a web server\n");
		return 1;
	}
	if (!strcmp(method, "POST")) {
		char *cl = getenv("CONTENT_LENGTH");
		long len = cl ? atol(cl) : 0;
		size_t got;

		if (len <= 0 || len > MAXPOST) {
			printf("Status: 413 Too Large\r\n\r\n");
			return 0;
		}
		buf = malloc(len + 1);
		if (!buf)
			return 1;
		got = fread(buf, 1, len, stdin);
		buf[got] = 0;
	} else {
		char *qs = getenv("QUERY_STRING");
		buf = strdup(qs ? qs : "");
		if (!buf)
			return 1;
	}
	parse_pairs(buf);
	act = web_get("action", "log");
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (!strcmp(act, actions[i].name)) {
			actions[i].fn();
			free(buf);
			return 0;
		}
	printf("Status: 404 Not Found\r\n\r\n");
	free(buf);
	return 0;
}
