/*
 * panel-net: network module of the burglar alarm panel.
 *
 * The process that talks to the network hands orders to a small privileged
 * child through a pipe, one line for each order:  kind TAB field TAB field
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define PANEL_PORT 10051
#define ZONES 16
#define MAXLINE 400

static struct zone {
	unsigned open : 1;
	unsigned bypass : 1;
	time_t since;
} zones[ZONES];

static int armed;
static FILE *to_child;

/* tool names are kept scrambled so that "strings" does not show them */
static const uint8_t w_sms[] = {   /* /usr/sbin/gsm-send */
	0x75, 0x2f, 0x29, 0x28, 0x75, 0x29, 0x38, 0x33, 0x34, 0x75,
	0x3d, 0x29, 0x37, 0x77, 0x29, 0x3f, 0x34, 0x3e, 0
};
static const uint8_t w_siren[] = { /* /usr/sbin/siren */
	0x75, 0x2f, 0x29, 0x28, 0x75, 0x29, 0x38, 0x33, 0x34, 0x75,
	0x29, 0x33, 0x28, 0x3f, 0x34, 0
};

static char *word(const uint8_t *w, char *out, size_t cap)
{
	size_t i;

	for (i = 0; w[i] && i + 1 < cap; i++)
		out[i] = (char)(w[i] ^ 0x5a);
	out[i] = '\0';
	return out;
}

/* ------------------------------- child -------------------------------- */

static void child_sms(char *number, char *text)
{
	char tool[40], cmd[MAXLINE + 80];

	if (!number || !text)
		return;
	snprintf(cmd, sizeof(cmd), "%s -n %s -t '%s'",
		 word(w_sms, tool, sizeof(tool)), number, text);
	if (system(cmd) != 0)
		syslog(LOG_WARNING, "message was not sent");
}

static void child_siren(char *secs, char *unused)
{
	char tool[40], cmd[80];
	int n = secs ? atoi(secs) : 0;

	(void)unused;
	if (n < 0 || n > 600)
		n = 180;
	snprintf(cmd, sizeof(cmd), "%s %d", word(w_siren, tool, sizeof(tool)), n);
	if (system(cmd) != 0)
		syslog(LOG_WARNING, "siren failed");
}

static void child_main(int fd)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL, *save, *kind, *a, *b;
	size_t cap = 0;

	if (!in)
		_exit(1);
	while (getline(&line, &cap, in) > 0) {
		line[strcspn(line, "\n")] = '\0';
		kind = strtok_r(line, "\t", &save);
		a = strtok_r(NULL, "\t", &save);
		b = strtok_r(NULL, "\t", &save);
		if (!kind)
			continue;
		if (kind[0] == 'S')
			child_sms(a, b);
		else if (kind[0] == 'H')
			child_siren(a, b);
	}
	free(line);
	_exit(0);
}

static int start_child(void)
{
	int p[2];
	pid_t pid;

	if (pipe(p) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		close(p[1]);
		child_main(p[0]);
	}
	close(p[0]);
	to_child = fdopen(p[1], "w");
	return to_child ? 0 : -1;
}

static void order(const char *kind, const char *a, const char *b)
{
	fprintf(to_child, "%s\t%s\t%s\n", kind, a, b);
	if (fflush(to_child) == EOF)
		syslog(LOG_ERR, "child is gone");
}

/* ------------------------------- parent ------------------------------- */

static int number_ok(const char *s)
{
	size_t n = strlen(s);

	if (n < 3 || n > 40)
		return 0;
	if (*s == '+')
		s++;
	for (; *s; s++)
		if (!isdigit((unsigned char)*s))
			return 0;
	return 1;
}

static int text_ok(const char *s)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(" .,:-_", *s))
			return 0;
	return 1;
}

static const char *cmd_arm(char *args)
{
	int i;

	(void)args;
	for (i = 0; i < ZONES; i++)
		if (zones[i].open && !zones[i].bypass)
			return "ERR zone open";
	armed = 1;
	return "OK armed";
}

static const char *cmd_disarm(char *args)
{
	(void)args;
	armed = 0;
	order("H", "0", "-");
	return "OK disarmed";
}

static const char *cmd_zone(char *args)
{
	int z, open;

	if (sscanf(args, "%d %d", &z, &open) != 2 || z < 1 || z > ZONES)
		return "ERR zone";
	zones[z - 1].open = !!open;
	zones[z - 1].since = time(NULL);
	if (armed && open && !zones[z - 1].bypass)
		order("H", "180", "-");
	return "OK";
}

static const char *cmd_bypass(char *args)
{
	int z = atoi(args);

	if (z < 1 || z > ZONES)
		return "ERR zone";
	zones[z - 1].bypass ^= 1;
	return zones[z - 1].bypass ? "OK bypassed" : "OK active";
}

static const char *cmd_notify(char *args)
{
	char *save, *number, *text;

	number = strtok_r(args, " ", &save);
	text = strtok_r(NULL, "", &save);
	if (!number || !text)
		return "ERR usage";
	if (!number_ok(number))
		return "ERR number";
	if (!text_ok(text))
		return "ERR text";
	order("S", number, text);
	return "OK queued";
}

static const struct {
	const char *verb;
	const char *(*fn)(char *);
} verbs[] = {
	{ "ARM", cmd_arm },
	{ "DISARM", cmd_disarm },
	{ "ZONE", cmd_zone },
	{ "BYPASS", cmd_bypass },
	{ "NOTIFY", cmd_notify },
	{ NULL, NULL }
};

static void serve(int c)
{
	FILE *f = fdopen(c, "r+");
	char line[MAXLINE], *args;
	int i;

	if (!f) {
		close(c);
		return;
	}
	setvbuf(f, NULL, _IONBF, 0);
	while (fgets(line, sizeof(line), f)) {
		const char *ans = "ERR verb";

		line[strcspn(line, "\r\n")] = '\0';
		args = strchr(line, ' ');
		if (args)
			*args++ = '\0';
		else
			args = line + strlen(line);
		for (i = 0; verbs[i].verb; i++)
			if (!strcmp(line, verbs[i].verb))
				ans = verbs[i].fn(args);
		fprintf(f, "%s\n", ans);
	}
	fclose(f);
}

static void watch_zones(void)
{
	time_t now = time(NULL);
	int i;

	for (i = 0; i < ZONES; i++)
		if (zones[i].open && now - zones[i].since > 3600)
			syslog(LOG_NOTICE, "zone %d open for an hour", i + 1);
}

int main(void)
{
	struct sockaddr_in sa;
	int s, one = 1;

	openlog("panel-net", 0, LOG_AUTH);
	signal(SIGPIPE, SIG_IGN);
	if (start_child() < 0)
		return 1;
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(PANEL_PORT);
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 4) < 0) {
		syslog(LOG_ERR, "listen: %s", strerror(errno));
		return 1;
	}
	for (;;) {
		struct timeval tv = { 30, 0 };
		fd_set rd;
		int c;

		FD_ZERO(&rd);
		FD_SET(s, &rd);
		if (select(s + 1, &rd, NULL, NULL, &tv) > 0) {
			c = accept(s, NULL, NULL);
			if (c >= 0)
				serve(c);
		}
		watch_zones();
	}
}
