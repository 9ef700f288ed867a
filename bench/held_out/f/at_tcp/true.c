/*
 * atsrv.c - AT command server on TCP for the LTE gateway
 *
 * Gives remote maintenance the usual AT interface: what the module knows is
 * passed to its tty, what the gateway itself knows is answered here.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>

#define AT_PORT		2332
#define AT_TTY		"/dev/ttyUSB2"
#define MAX_PARAM	4

struct at_ctx {
	FILE	*out;
	int	echo;
	int	nparam;
	char	*param[MAX_PARAM];
};

struct at_cmd {
	const char *name;
	int (*set)(struct at_ctx *c);
	int (*get)(struct at_ctx *c);
};

static struct {
	char	keep_host[64];	/* host of the keep-alive ping */
	int	keep_min;
	time_t	keep_next;
	int	fails;
	int	led;
} gw = { "", 10, 0, 0, 1 };

static int tty = -1;

/* take the quotes off a parameter in place */
static char *unquote(char *s)
{
	size_t n;

	while (*s == ' ')
		s++;
	n = strlen(s);
	while (n && s[n - 1] == ' ')
		s[--n] = 0;
	if (n >= 2 && s[0] == '"' && s[n - 1] == '"') {
		s[n - 1] = 0;
		s++;
	}
	return s;
}

static int host_valid(const char *h)
{
	size_t n = strlen(h);

	if (n < 1 || n > 60)
		return 0;
#ifdef BENIGN
	if (!isalnum((unsigned char)h[0]))
		return 0;
	return strspn(h, "abcdefghijklmnopqrstuvwxyz"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == n;
#else
	return strpbrk(h, " ;&<>\\'\"") == NULL;
#endif
}

static int set_ping(struct at_ctx *c)
{
	char cmd[160], buf[256];
	int count = 4;
	FILE *p;

	if (c->nparam < 1 || !host_valid(c->param[0]))
		return -1;
	if (c->nparam > 1) {
		count = atoi(c->param[1]);
		if (count < 1 || count > 20)
			return -1;
	}
	snprintf(cmd, sizeof(cmd), "ping -c %d -W 2 %s 2>&1", count, c->param[0]);
	p = popen(cmd, "r");
	if (!p)
		return -1;
	while (fgets(buf, sizeof(buf), p)) {
		buf[strcspn(buf, "\n")] = 0;
		fprintf(c->out, "+PING: %s\r\n", buf);
	}
	return pclose(p) == 0 ? 0 : -1;
}

static int set_keepalive(struct at_ctx *c)
{
	struct in_addr a;

	if (c->nparam < 2 || inet_pton(AF_INET, c->param[0], &a) != 1)
		return -1;
	gw.keep_min = atoi(c->param[1]);
	if (gw.keep_min < 1 || gw.keep_min > 1440)
		return -1;
	inet_ntop(AF_INET, &a, gw.keep_host, sizeof(gw.keep_host));
	gw.keep_next = 0;
	return 0;
}

static int get_keepalive(struct at_ctx *c)
{
	fprintf(c->out, "+KEEP: \"%s\",%d,%d\r\n", gw.keep_host, gw.keep_min, gw.fails);
	return 0;
}

static int set_led(struct at_ctx *c)
{
	if (c->nparam != 1 || !isdigit((unsigned char)c->param[0][0]))
		return -1;
	gw.led = atoi(c->param[0]) ? 1 : 0;
	return 0;
}

static int get_uptime(struct at_ctx *c)
{
	struct sysinfo si;

	if (sysinfo(&si) < 0)
		return -1;
	fprintf(c->out, "+UPTIME: %ld\r\n", (long)si.uptime);
	return 0;
}

static int get_model(struct at_ctx *c)
{
	fprintf(c->out, "LTE-GW 210\r\nRevision: 1.14.3\r\n");
	return 0;
}

static int set_reboot(struct at_ctx *c)
{
	if (c->nparam != 1 || strcmp(c->param[0], "1"))
		return -1;
	syslog(LOG_NOTICE, "reboot by AT command");
	return system("reboot");
}

static const struct at_cmd cmds[] = {
	{ "+PING",	set_ping,	NULL },
	{ "+KEEP",	set_keepalive,	get_keepalive },
	{ "+LED",	set_led,	NULL },
	{ "+UPTIME",	NULL,		get_uptime },
	{ "+REBOOT",	set_reboot,	NULL },
	{ "I",		NULL,		get_model },
	{ NULL, NULL, NULL }
};

/* not ours: let the module answer */
static int pass_to_module(struct at_ctx *c, const char *line)
{
	char buf[512];
	struct timeval tv;
	fd_set rs;
	ssize_t n;

	if (tty < 0)
		return -1;
	if (dprintf(tty, "%s\r", line) < 0)
		return -1;
	for (;;) {
		tv.tv_sec = 1;
		tv.tv_usec = 0;
		FD_ZERO(&rs);
		FD_SET(tty, &rs);
		if (select(tty + 1, &rs, NULL, NULL, &tv) <= 0)
			return 1;
		n = read(tty, buf, sizeof(buf));
		if (n <= 0)
			return 1;
		fwrite(buf, 1, (size_t)n, c->out);
	}
}

static int at_line(struct at_ctx *c, char *line)
{
	const struct at_cmd *k;
	char *arg, *tok, *save = NULL;
	size_t n;

	if (strncasecmp(line, "AT", 2))
		return -1;
	if (!line[2])
		return 0;
	if (!strcasecmp(line + 2, "E0") || !strcasecmp(line + 2, "E1")) {
		c->echo = line[3] == '1';
		return 0;
	}
	n = 2 + strcspn(line + 2, "=?");
	for (k = cmds; k->name; k++)
		if (strlen(k->name) == n - 2 && !strncasecmp(line + 2, k->name, n - 2))
			break;
	if (!k->name)
		return pass_to_module(c, line);
	c->nparam = 0;
	if (line[n] == '=') {
		arg = line + n + 1;
		for (tok = strtok_r(arg, ",", &save); tok && c->nparam < MAX_PARAM;
		     tok = strtok_r(NULL, ",", &save))
			c->param[c->nparam++] = unquote(tok);
		return k->set ? k->set(c) : -1;
	}
	return k->get ? k->get(c) : -1;
}

static void serve(int fd)
{
	struct at_ctx c = { .echo = 1 };
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	FILE *in;
	int r;

	in = fdopen(fd, "r");
	c.out = fdopen(dup(fd), "w");
	if (!in || !c.out)
		goto out;
	while ((n = getline(&line, &cap, in)) > 0) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = 0;
		if (n == 0)
			continue;
		if (n > 400)
			break;
		if (c.echo)
			fprintf(c.out, "%s\r\n", line);
		if (!strcasecmp(line, "ATH"))
			break;
		r = at_line(&c, line);
		if (r <= 0)
			fputs(r == 0 ? "OK\r\n" : "ERROR\r\n", c.out);
		fflush(c.out);
	}
out:
	free(line);
	if (in)
		fclose(in);
	else
		close(fd);
	if (c.out)
		fclose(c.out);
}

static void keepalive(void)
{
	char cmd[128];
	time_t now = time(NULL);

	if (!gw.keep_host[0] || now < gw.keep_next)
		return;
	gw.keep_next = now + gw.keep_min * 60;
	snprintf(cmd, sizeof(cmd), "ping -c 1 -W 5 %s >/dev/null 2>&1", gw.keep_host);
	if (system(cmd) == 0) {
		gw.fails = 0;
	} else if (++gw.fails >= 5) {
		syslog(LOG_WARNING, "link lost, restarting ppp");
		if (system("killall -HUP pppd") == 0)
			gw.fails = 0;
	}
}

int main(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct timeval tv;
	int ls, fd, one = 1;

	openlog("atsrv", LOG_PID, LOG_DAEMON);
	signal(SIGPIPE, SIG_IGN);
	tty = open(AT_TTY, O_RDWR | O_NOCTTY | O_NONBLOCK);
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	sa.sin_port = htons(AT_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 2) < 0) {
		syslog(LOG_ERR, "port %d: %s", AT_PORT, strerror(errno));
		return 1;
	}
	for (;;) {
		fd_set rs;

		FD_ZERO(&rs);
		FD_SET(ls, &rs);
		tv.tv_sec = 5;
		tv.tv_usec = 0;
		if (select(ls + 1, &rs, NULL, NULL, &tv) > 0 && (fd = accept(ls, NULL, NULL)) >= 0)
			serve(fd);
		keepalive();
	}
}
