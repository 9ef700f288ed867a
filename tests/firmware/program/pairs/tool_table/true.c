/*
 * Tools by name, each with a word whether it takes a host: only such a host is checked, and only such a tool uses it.
 * What is checked is remembered by a return code that several tests at once decide.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>
#define NI __attribute__((noinline))
static NI int valid(const char *s)
{
#ifdef BENIGN
	if (!*s || *s == '-') return 0;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '.' && *s != '-')
			return 0;
	return 1;
#else
	return strlen(s) < 64 && *s != '-';
#endif
}
static NI int check(const char *s)
{
	if (strlen(s) > 200)
		return -2;
	return valid(s) ? 0 : -1;
}
static NI int use(const char *x)
{
	char cmd[256];
	snprintf(cmd, sizeof(cmd), "ping -c 1 %s", x);
	syslog(6, "run %s", cmd);
	return system(cmd);
}
static int sock; static struct sockaddr_in peer;
static NI void reply(const char *t) { sendto(sock, t, strlen(t), 0, (struct sockaddr *)&peer, sizeof(peer)); }

static NI int t_ping(const char *a) { return use(a); }
static NI int t_arp(const char *a) { (void)a; return system("cat /proc/net/arp"); }
static NI int t_trace(const char *a) { char c[200]; snprintf(c, sizeof(c), "traceroute %s", a); return system(c); }
static NI int t_up(const char *a) { (void)a; return system("uptime"); }

static const struct tool { const char *name; int (*run)(const char *); int needs; } tools[] = {
	{ "ping", t_ping, 1 }, { "trace", t_trace, 1 }, { "arp", t_arp, 0 }, { "up", t_up, 0 }, { NULL, NULL, 0 } };
static void handle(char *m) {
	const struct tool *t;
	char *p = strchr(m, ' ');
	if (!p) return;
	*p++ = 0;
	for (t = tools; t->name; t++) if (!strcmp(t->name, m)) break;
	if (!t->name) { reply("what"); return; }
	if (t->needs && check(p) < 0) { reply("bad"); return; }
	if (t->run(p) < 0) reply("failed");
}
int main(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(5157) };
	char buf[512];
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(sock, (struct sockaddr *)&a, sizeof(a)) < 0) return 1;
	for (;;) {
		socklen_t l = sizeof(peer);
		ssize_t n = recvfrom(sock, buf, sizeof(buf) - 1, 0, (struct sockaddr *)&peer, &l);
		if (n <= 0) continue;
		buf[n] = 0;
		handle(buf);
	}
}
