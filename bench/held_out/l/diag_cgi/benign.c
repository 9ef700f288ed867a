/* diag.cgi - "Network tools" page of the RG-11 home router */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define MAXARG 8

typedef struct { char *k; char *v; } Arg;

static Arg  args[MAXARG];
static int  nargs;
static char query[512];

static const struct tool {
	const char *id, *title, *fmt;
	int dflt, max;
} tools[] = {
	{ "ping",  "Ping",       "ping -c %d -W 2 %s 2>&1",          4, 20 },
	{ "trace", "Traceroute", "traceroute -n -m %d %s 2>&1",     12, 30 },
	{ "arp",   "ARP probe",  "arping -c %d -I br0 %s 2>&1",      3, 10 },
};

static int hexval(int c)
{
	if (c >= '0' && c <= '9') return c - '0';
	c = tolower(c);
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	return -1;
}

static void unescape(char *s)
{
	char *d = s;
	for (; *s; s++) {
		if (*s == '+')
			*d++ = ' ';
		else if (*s == '%' && hexval((unsigned char)s[1]) >= 0 && hexval((unsigned char)s[2]) >= 0) {
			*d++ = (char)(hexval((unsigned char)s[1]) * 16 + hexval((unsigned char)s[2]));
			s += 2;
		} else
			*d++ = *s;
	}
	*d = 0;
}

static void parse_query(void)
{
	const char *q = getenv("QUERY_STRING");
	char *p, *eq;

	if (!q || strlen(q) >= sizeof query)
		return;
	strcpy(query, q);
	for (p = strtok(query, "&"); p && nargs < MAXARG; p = strtok(NULL, "&")) {
		eq = strchr(p, '=');
		if (!eq)
			continue;
		*eq++ = 0;
		unescape(eq);
		args[nargs].k = p;
		args[nargs].v = eq;
		nargs++;
	}
}

static const char *arg(const char *k)
{
	int i;
	for (i = 0; i < nargs; i++)
		if (!strcmp(args[i].k, k))
			return args[i].v;
	return "";
}

static void put_html(const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<': fputs("&lt;", stdout); break;
		case '>': fputs("&gt;", stdout); break;
		case '&': fputs("&amp;", stdout); break;
		case '"': fputs("&quot;", stdout); break;
		default:  putchar(*s);
		}
	}
}

static void page_top(const char *title)
{
	printf("Content-Type: text/html\r\nCache-Control: no-store\r\n\r\n");
	printf("<html><head><title>RG-11 - %s</title></head><body><h2>%s</h2>\n", title, title);
}

static void page_end(void)
{
	printf("<p><a href=\"/tools.html\">Back</a></p></body></html>\n");
}

static void audit(const char *tool)
{
	const char *who = getenv("REMOTE_ADDR");
	FILE *f = fopen("/var/log/diag.log", "a");

	if (!f)
		return;
	fprintf(f, "%lu %.20s %.40s\n", (unsigned long)time(NULL), tool, who ? who : "-");
	fclose(f);
}

/* fills dst with the address as it is given to the tools */
static int clean_target(const char *src, char *dst, size_t room)
{
	struct in_addr a;

	if (*src == '-')
		return 0;
	if (inet_pton(AF_INET, src, &a) != 1)
		return 0;
	return inet_ntop(AF_INET, &a, dst, (socklen_t)room) != NULL;
}

static int run_tool(const struct tool *t)
{
	char target[64], cmd[160], line[256];
	int count, lines = 0;
	FILE *p;

	if (!clean_target(arg("addr"), target, sizeof target)) {
		printf("<p class=err>Please enter a valid address.</p>\n");
		return -1;
	}
	count = atoi(arg("n"));
	if (count < 1 || count > t->max)
		count = t->dflt;
	snprintf(cmd, sizeof cmd, t->fmt, count, target);
	audit(t->id);
	p = popen(cmd, "r");
	if (!p) {
		printf("<p class=err>%s failed.</p>\n", t->title);
		return -1;
	}
	printf("<pre>\n");
	fflush(stdout);
	while (fgets(line, sizeof line, p) && lines++ < 200) {
		put_html(line);
		fflush(stdout);
	}
	printf("</pre>\n");
	return pclose(p);
}

static void show_routes(void)
{
	char line[256];
	FILE *f = fopen("/proc/net/route", "r");

	printf("<pre>\n");
	while (f && fgets(line, sizeof line, f))
		put_html(line);
	printf("</pre>\n");
	if (f)
		fclose(f);
}

int main(void)
{
	const char *id;
	size_t i;

	parse_query();
	id = arg("tool");
	if (!strcmp(id, "route")) {
		page_top("Routing table");
		show_routes();
		page_end();
		return 0;
	}
	for (i = 0; i < sizeof tools / sizeof *tools; i++) {
		if (strcmp(id, tools[i].id))
			continue;
		page_top(tools[i].title);
		run_tool(&tools[i]);
		page_end();
		return 0;
	}
	page_top("Network tools");
	printf("<p>Unknown tool ");
	put_html(id);
	printf("</p>\n");
	page_end();
	return 0;
}
