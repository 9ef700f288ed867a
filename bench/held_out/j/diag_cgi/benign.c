/* diag.cgi : Tools -> Network diagnostics page */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

struct cgi_var {
	char *name;
	char *value;
	struct cgi_var *next;
};

struct diag_tool {
	const char *act;
	const char *title;
	void (*show)(const char *target);
};

static struct cgi_var *var_list;

static int hexval(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower(c);
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static char *url_unescape(const char *s, size_t n)
{
	char *out = malloc(n + 1);
	char *d = out;
	size_t i;
	int hi, lo;

	if (out == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		if (s[i] == '+') {
			*d++ = ' ';
		} else if (s[i] == '%' && i + 2 < n) {
			hi = hexval((unsigned char)s[i + 1]);
			lo = hexval((unsigned char)s[i + 2]);
			if (hi >= 0 && lo >= 0) {
				*d++ = (char)(hi * 16 + lo);
				i += 2;
			} else {
				*d++ = s[i];
			}
		} else {
			*d++ = s[i];
		}
	}
	*d = '\0';
	return out;
}

static void cgi_add(const char *k, size_t kn, const char *v, size_t vn)
{
	struct cgi_var *cv = calloc(1, sizeof(*cv));

	if (cv == NULL)
		return;
	cv->name = url_unescape(k, kn);
	cv->value = url_unescape(v, vn);
	if (cv->name == NULL || cv->value == NULL) {
		free(cv->name);
		free(cv->value);
		free(cv);
		return;
	}
	cv->next = var_list;
	var_list = cv;
}

static void cgi_parse(const char *qs)
{
	const char *amp, *eq, *end;

	while (*qs) {
		amp = strchr(qs, '&');
		end = amp ? amp : qs + strlen(qs);
		eq = memchr(qs, '=', end - qs);
		if (eq)
			cgi_add(qs, eq - qs, eq + 1, end - eq - 1);
		if (!amp)
			break;
		qs = amp + 1;
	}
}

static const char *cgi_get(const char *name, const char *def)
{
	struct cgi_var *cv;

	for (cv = var_list; cv; cv = cv->next)
		if (strcmp(cv->name, name) == 0)
			return cv->value;
	return def;
}

static void html_puts(const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<': fputs("&lt;", stdout); break;
		case '>': fputs("&gt;", stdout); break;
		case '&': fputs("&amp;", stdout); break;
		default:  putchar(*s);
		}
	}
}

static void run_to_page(const char *cmd)
{
	char buf[200];
	FILE *pp;
	int lines = 0;

	fflush(stdout);
	pp = popen(cmd, "r");
	if (!pp) {
		printf("cannot start tool\n");
		return;
	}
	while (fgets(buf, sizeof(buf), pp) && lines++ < 100)
		html_puts(buf);
	pclose(pp);
}

static void show_ping(const char *target)
{
	char cmd[192];
	int n = atoi(cgi_get("count", "4"));

	if (n < 1 || n > 10)
		n = 4;
	snprintf(cmd, sizeof(cmd), "ping -c %d -W 2 %s 2>&1", n, target);
	run_to_page(cmd);
}

static void show_trace(const char *target)
{
	char cmd[192];
	int hops = atoi(cgi_get("hops", "16"));

	if (hops < 1 || hops > 30)
		hops = 16;
	snprintf(cmd, sizeof(cmd), "traceroute -n -m %d %s 2>&1", hops, target);
	run_to_page(cmd);
}

static void show_lookup(const char *target)
{
	char cmd[192];

	snprintf(cmd, sizeof(cmd), "nslookup %s 2>&1", target);
	run_to_page(cmd);
}

static void show_arp(const char *target)
{
	char line[160];
	FILE *fp = fopen("/proc/net/arp", "r");

	if (!fp)
		return;
	while (fgets(line, sizeof(line), fp))
		if (strstr(line, target))
			html_puts(line);
	fclose(fp);
}

static const struct diag_tool tools[] = {
	{ "ping",   "Ping",        show_ping },
	{ "trace",  "Trace route", show_trace },
	{ "lookup", "Name lookup", show_lookup },
	{ "arp",    "ARP entry",   show_arp },
	{ NULL, NULL, NULL }
};

static int clean_target(const char *in, char *out, size_t max)
{
	struct in_addr a4;
	struct in6_addr a6;

	if (inet_pton(AF_INET, in, &a4) == 1)
		return inet_ntop(AF_INET, &a4, out, max) ? 0 : -1;
	if (inet_pton(AF_INET6, in, &a6) == 1)
		return inet_ntop(AF_INET6, &a6, out, max) ? 0 : -1;
	return -1;
}

int main(void)
{
	const struct diag_tool *t;
	const char *qs = getenv("QUERY_STRING");
	const char *act;
	char target[96];

	printf("Content-Type: text/html\r\nCache-Control: no-cache\r\n\r\n");
	printf("<html><head><title>Diagnostics</title></head><body>\n");
	if (qs)
		cgi_parse(qs);

	act = cgi_get("act", "");
	for (t = tools; t->act; t++)
		if (strcmp(t->act, act) == 0)
			break;

	if (t->act == NULL) {
		printf("<form method=get><input name=host><select name=act>");
		for (t = tools; t->act; t++)
			printf("<option value=%s>%s</option>", t->act, t->title);
		printf("</select><input type=submit></form>\n");
	} else if (clean_target(cgi_get("host", ""), target, sizeof(target)) < 0) {
		printf("<p class=err>Bad address</p>\n");
	} else {
		printf("<h3>%s ", t->title);
		html_puts(target);
		printf("</h3><pre>\n");
		t->show(target);
		printf("</pre>\n");
	}
	printf("</body></html>\n");
	return 0;
}
