/*
 *  psconsole.c  -  command console of the print server, started by inetd
 *                  for every telnet connection (stdin/stdout = socket)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CFG "/flash/psconsole.cfg"
#define MAXARGS 8
#define LINE 160

struct entry {
	struct entry *next;
	int port;		/* 1..3, 0 = whole box */
	char key[16];
	char val[64];
};

static struct entry *list;
static int nent;
static int privileged;
static int timeout_s = 300;
static char prompt[20] = "PS> ";
static int changed;

/* telnet negotiation out, cr/lf off */
static void tidy(char *s)
{
	unsigned char *r = (unsigned char *)s, *w = r;
	while (*r) {
		if (*r == 255 && r[1] && r[2]) {
			r += 3;
			continue;
		}
		if (*r >= 32 && *r < 127)
			*w++ = *r;
		r++;
	}
	*w = 0;
}

static struct entry *find(int port, const char *key)
{
	struct entry *e;
	for (e = list; e; e = e->next)
		if (e->port == port && !strcasecmp(e->key, key))
			return e;
	return NULL;
}

static int store(int port, const char *key, const char *val)
{
	struct entry *e = find(port, key);
	if (!e) {
		if (nent >= 40)
			return -1;
		e = (struct entry *)calloc(1, sizeof(*e));
		if (!e)
			return -1;
		e->port = port;
		snprintf(e->key, sizeof(e->key), "%s", key);
		e->next = list;
		list = e;
		nent++;
	}
	snprintf(e->val, sizeof(e->val), "%s", val);
	changed = 1;
	return 0;
}

static int say(const char *s)
{
	fputs(s, stdout);
	fputs("\r\n", stdout);
	return 0;
}

/* --------------------------------------------------------- commands */

static int c_help(int n, char **a);

static int c_set(int n, char **a)
{
	int port = 0, i = 1;
	if (!privileged)
		return say("%E need login");
	if (n > 3 && !strcasecmp(a[1], "port")) {
		port = atoi(a[2]);
		i = 3;
	}
	if (n < i + 2 || port < 0 || port > 3)
		return say("%E set [port <n>] <key> <value>");
	for (; i + 1 < n; i += 2)
		if (store(port, a[i], a[i + 1]) < 0)
			return say("%E table full");
	return say("ok");
}

static int c_clear(int n, char **a)
{
	struct entry **pp, *e;
	if (!privileged || n < 2)
		return say("%E clear <key>");
	for (pp = &list; (e = *pp) != NULL; )
		if (!strcasecmp(e->key, a[1])) {
			*pp = e->next;
			free(e);
			nent--;
			changed = 1;
		} else
			pp = &e->next;
	return say("ok");
}

/* one line with all settings of a port */
static int show_port(int port)
{
	char out[256];
	char item[96];
	struct entry *e;

	snprintf(out, sizeof(out), "port %d:", port);
	for (e = list; e; e = e->next) {
		if (e->port != port)
			continue;
		snprintf(item, sizeof(item), " %s=%s", e->key, e->val);
		if (strlen(out) + strlen(item) >= sizeof(out)) {
			say(out);
			out[0] = 0;
		}
		strcat(out, item);
	}
	return say(out);
}

static int c_show(int n, char **a)
{
	int p;
	char t[64];
	time_t now = time(NULL);
	if (n < 2)
		return say("%E show time|port|all");
	if (!strcasecmp(a[1], "time")) {
		strftime(t, sizeof(t), "%Y-%m-%d %H:%M:%S", localtime(&now));
		return say(t);
	}
	if (!strcasecmp(a[1], "port") && n > 2)
		return show_port(atoi(a[2]));
	for (p = 0; p <= 3; p++)
		show_port(p);
	return 0;
}

static int c_login(int n, char **a)
{
	struct entry *e = find(0, "password");
	privileged = n > 1 && !strcmp(a[1], e ? e->val : "access");
	return say(privileged ? "welcome" : "%E no");
}

static int c_timeout(int n, char **a)
{
	int v = n > 1 ? atoi(a[1]) : 0;
	if (v < 10 || v > 3600)
		return say("%E timeout 10..3600");
	timeout_s = v;
	return say("ok");
}

static int c_prompt(int n, char **a)
{
	if (n > 1)
		snprintf(prompt, sizeof(prompt), "%.16s> ", a[1]);
	return 0;
}

static int c_save(int n, char **a)
{
	FILE *f;
	struct entry *e;
	(void)n; (void)a;
	if (!privileged)
		return say("%E need login");
	f = fopen(CFG, "w");
	if (!f)
		return say("%E flash");
	for (e = list; e; e = e->next)
		fprintf(f, "%d %s %s\n", e->port, e->key, e->val);
	fclose(f);
	changed = 0;
	return say("saved");
}

static int c_quit(int n, char **a)
{
	(void)n; (void)a;
	return -1;
}

static const struct command {
	const char *name;
	int (*fn)(int, char **);
	const char *help;
} commands[] = {
	{ "clear",   c_clear,   "clear a key" },
	{ "help",    c_help,    "this text" },
	{ "login",   c_login,   "become privileged" },
	{ "prompt",  c_prompt,  "change the prompt" },
	{ "quit",    c_quit,    "end" },
	{ "save",    c_save,    "write to flash" },
	{ "set",     c_set,     "set [port n] key value ..." },
	{ "show",    c_show,    "show time|port n|all" },
	{ "timeout", c_timeout, "idle timeout" },
};
#define NCMD ((int)(sizeof(commands) / sizeof(commands[0])))

static int c_help(int n, char **a)
{
	int i;
	(void)n; (void)a;
	for (i = 0; i < NCMD; i++)
		printf("%-10s%s\r\n", commands[i].name, commands[i].help);
	return 0;
}

static int dispatch(char *line)
{
	char *argv[MAXARGS], *t;
	int n = 0, i, hit = -1;

	for (t = strtok(line, " \t"); t && n < MAXARGS; t = strtok(NULL, " \t"))
		argv[n++] = t;
	if (n == 0)
		return 0;
	for (i = 0; i < NCMD; i++)
		if (!strncasecmp(commands[i].name, argv[0], strlen(argv[0]))) {
			if (hit >= 0 && strlen(argv[0]) < 2)
				return say("%E ambiguous");
			if (hit < 0)
				hit = i;
		}
	if (hit < 0)
		return say("%E unknown, try help");
	return commands[hit].fn(n, argv);
}

static void on_alarm(int s)
{
	(void)s;
	_exit(0);
}

static void load(void)
{
	char line[LINE], key[16], val[64];
	int port;
	FILE *f = fopen(CFG, "r");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%d %15s %63s", &port, key, val) == 3)
			store(port, key, val);
	fclose(f);
	changed = 0;
}

int main(void)
{
	struct sockaddr_in peer;
	socklen_t pl = sizeof(peer);
	char line[LINE];

	if (getpeername(0, (struct sockaddr *)&peer, &pl) == 0 && peer.sin_family == AF_INET)
		printf("Print server console, you are %s\r\n", inet_ntoa(peer.sin_addr));
	signal(SIGALRM, on_alarm);
	load();
	for (;;) {
		fputs(prompt, stdout);
		fflush(stdout);
		alarm(timeout_s);
		if (!fgets(line, sizeof(line), stdin))
			break;
		alarm(0);
		tidy(line);
		if (dispatch(line) < 0)
			break;
	}
	if (changed)
		say("unsaved changes dropped");
	return 0;
}
