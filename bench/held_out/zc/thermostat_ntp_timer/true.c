/*	$Id: thermd.c,v 1.31 ops Exp $	*/

/*
 * thermd - control daemon of the wall thermostat.  One process, one
 * select loop, a line protocol for the installer's tool on tcp/2023.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/select.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define	THERMD_PORT	2023
#define	NCLIENT		8
#define	LINESZ		256
#define	HOSTSZ		128

struct conf {
	int	c_target;		/* tenths of a degree */
	int	c_hyst;
	int	c_interval;		/* seconds between clock syncs */
	char	c_room[32];
	char	c_timesrv[HOSTSZ];
};

struct client {
	int	cl_fd;
	size_t	cl_len;
	char	cl_buf[LINESZ];
};

struct cmd {
	const char *name;
	void	(*func)(struct client *, char *);
};

static struct conf *cf;
static struct client clients[NCLIENT];
static time_t next_sync, next_sample;
static int temp_now = 201;
static int relay_on;

static void	cmd_get(struct client *, char *);
static void	cmd_help(struct client *, char *);
static void	cmd_quit(struct client *, char *);
static void	cmd_room(struct client *, char *);
static void	cmd_sync(struct client *, char *);
static void	cmd_target(struct client *, char *);
static void	cmd_timeserver(struct client *, char *);
static void	cmd_interval(struct client *, char *);

static const struct cmd cmds[] = {
	{ "get",	cmd_get },
	{ "help",	cmd_help },
	{ "interval",	cmd_interval },
	{ "quit",	cmd_quit },
	{ "room",	cmd_room },
	{ "sync",	cmd_sync },
	{ "target",	cmd_target },
	{ "timeserver",	cmd_timeserver },
};
#define	NCMDS	(sizeof(cmds) / sizeof(cmds[0]))

static void
reply(struct client *cl, const char *fmt, ...)
{
	char buf[LINESZ];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf) - 2, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(buf) - 3)
		n = sizeof(buf) - 3;
	buf[n++] = '\r';
	buf[n++] = '\n';
	if (send(cl->cl_fd, buf, n, MSG_NOSIGNAL) < 0)
		syslog(LOG_DEBUG, "send: %m");
}

static void
drop(struct client *cl)
{
	close(cl->cl_fd);
	cl->cl_fd = -1;
	cl->cl_len = 0;
}

static void
cmd_get(struct client *cl, char *arg)
{
	(void)arg;
	reply(cl, "temp %d.%d target %d.%d relay %s room %s",
	    temp_now / 10, temp_now % 10, cf->c_target / 10,
	    cf->c_target % 10, relay_on ? "on" : "off", cf->c_room);
}

static void
cmd_help(struct client *cl, char *arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < NCMDS; i++)
		reply(cl, "  %s", cmds[i].name);
}

static void
cmd_quit(struct client *cl, char *arg)
{
	(void)arg;
	reply(cl, "bye");
	drop(cl);
}

static void
cmd_room(struct client *cl, char *arg)
{
	snprintf(cf->c_room, sizeof(cf->c_room), "%s", arg);
	reply(cl, "ok");
}

static void
cmd_target(struct client *cl, char *arg)
{
	int v = atoi(arg);

	if (v < 50 || v > 300) {
		reply(cl, "err range");
		return;
	}
	cf->c_target = v;
	reply(cl, "ok");
}

static void
cmd_interval(struct client *cl, char *arg)
{
	int v = atoi(arg);

	if (v < 5) {
		reply(cl, "err range");
		return;
	}
	cf->c_interval = v;
	reply(cl, "ok");
}

static void
cmd_sync(struct client *cl, char *arg)
{
	(void)arg;
	next_sync = time(NULL) + 1;
	reply(cl, "scheduled");
}

/*
 * We have no resolver on the box, so the server has to be an address.
 */
static void
cmd_timeserver(struct client *cl, char *arg)
{
	struct in_addr in;

	if (strlen(arg) >= HOSTSZ || inet_aton(arg, &in) == 0) {
		reply(cl, "err address");
		return;
	}
	snprintf(cf->c_timesrv, sizeof(cf->c_timesrv), "%s", arg);
	next_sync = time(NULL) + 5;
	reply(cl, "ok");
}

static void
clock_sync(void)
{
	char cmd[HOSTSZ + 64], line[128];
	FILE *fp;
	double off = 0.0;
	char *p;

	if (cf->c_timesrv[0] == '\0')
		return;
	snprintf(cmd, sizeof(cmd), "/usr/sbin/ntpdate -u %s 2>&1",
	    cf->c_timesrv);
	if ((fp = popen(cmd, "r")) == NULL) {
		syslog(LOG_ERR, "ntpdate: %m");
		return;
	}
	while (fgets(line, sizeof(line), fp) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if ((p = strstr(line, "offset ")) != NULL)
			off = strtod(p + 7, NULL);
	}
	if (pclose(fp) != 0)
		syslog(LOG_WARNING, "ntpdate %s failed", cf->c_timesrv);
	else
		syslog(LOG_INFO, "clock stepped by %.3f", off);
}

static void
sample(void)
{
	/* the sensor driver is polled elsewhere, we model the room here */
	temp_now += relay_on ? 2 : -1;
	if (temp_now < cf->c_target - cf->c_hyst)
		relay_on = 1;
	else if (temp_now > cf->c_target + cf->c_hyst)
		relay_on = 0;
}

static void
dispatch(struct client *cl, char *line)
{
	char *arg;
	size_t i, n;

	while (isspace((unsigned char)*line))
		line++;
	n = strcspn(line, " \t");
	arg = line + n;
	if (*arg != '\0')
		*arg++ = '\0';
	while (isspace((unsigned char)*arg))
		arg++;
	if (n == 0)
		return;
	for (i = 0; i < NCMDS; i++) {
		if (strcasecmp(cmds[i].name, line) == 0) {
			cmds[i].func(cl, arg);
			return;
		}
	}
	reply(cl, "err unknown");
}

static void
input(struct client *cl)
{
	ssize_t n;
	char *nl, line[LINESZ];
	size_t len;

	n = recv(cl->cl_fd, cl->cl_buf + cl->cl_len,
	    sizeof(cl->cl_buf) - cl->cl_len - 1, 0);
	if (n <= 0) {
		drop(cl);
		return;
	}
	cl->cl_len += n;
	cl->cl_buf[cl->cl_len] = '\0';
	while (cl->cl_fd != -1 &&
	    (nl = memchr(cl->cl_buf, '\n', cl->cl_len)) != NULL) {
		len = nl - cl->cl_buf;
		memcpy(line, cl->cl_buf, len);
		line[len] = '\0';
		line[strcspn(line, "\r")] = '\0';
		cl->cl_len -= len + 1;
		memmove(cl->cl_buf, nl + 1, cl->cl_len);
		dispatch(cl, line);
	}
	if (cl->cl_len >= sizeof(cl->cl_buf) - 1)
		cl->cl_len = 0;			/* overlong line */
}

static int
listen_on(int port)
{
	struct sockaddr_in sin;
	int s, on = 1;

	if ((s = socket(AF_INET, SOCK_STREAM, 0)) < 0)
		err(1, "socket");
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(port);
	sin.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		err(1, "bind");
	if (listen(s, 5) < 0)
		err(1, "listen");
	return s;
}

int
main(void)
{
	struct timeval tv;
	time_t now;
	fd_set rd;
	int s, fd, i, max;

	openlog("thermd", LOG_PID, LOG_DAEMON);
	signal(SIGPIPE, SIG_IGN);
	if ((cf = calloc(1, sizeof(*cf))) == NULL)
		err(1, NULL);
	cf->c_target = 205;
	cf->c_hyst = 4;
	cf->c_interval = 3600;
	strcpy(cf->c_room, "hall");
	for (i = 0; i < NCLIENT; i++)
		clients[i].cl_fd = -1;
	s = listen_on(THERMD_PORT);
	next_sync = next_sample = time(NULL) + 10;

	for (;;) {
		FD_ZERO(&rd);
		FD_SET(s, &rd);
		max = s;
		for (i = 0; i < NCLIENT; i++) {
			if (clients[i].cl_fd == -1)
				continue;
			FD_SET(clients[i].cl_fd, &rd);
			if (clients[i].cl_fd > max)
				max = clients[i].cl_fd;
		}
		tv.tv_sec = 1;
		tv.tv_usec = 0;
		if (select(max + 1, &rd, NULL, NULL, &tv) < 0) {
			if (errno == EINTR)
				continue;
			err(1, "select");
		}
		if (FD_ISSET(s, &rd) && (fd = accept(s, NULL, NULL)) >= 0) {
			for (i = 0; i < NCLIENT; i++)
				if (clients[i].cl_fd == -1)
					break;
			if (i == NCLIENT || fd >= FD_SETSIZE)
				close(fd);
			else {
				clients[i].cl_fd = fd;
				clients[i].cl_len = 0;
				FD_CLR(fd, &rd);
			}
		}
		for (i = 0; i < NCLIENT; i++)
			if (clients[i].cl_fd != -1 &&
			    FD_ISSET(clients[i].cl_fd, &rd))
				input(&clients[i]);
		now = time(NULL);
		if (now >= next_sample) {
			sample();
			next_sample = now + 10;
		}
		if (now >= next_sync) {
			clock_sync();
			next_sync = now + cf->c_interval;
		}
	}
}
