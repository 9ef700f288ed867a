/*	diagd: diagnostics for the web page.
 *
 *	The parent, which listens, drops nothing itself but never runs
 *	anything either: requests go over a pipe to a child that does.
 *	Text protocol:   PING host count | TRACE host | LOOKUP host | VERSION
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sys/select.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT_DIAG	4141
#define HOSTLEN		128

enum msgtype { M_PING = 'p', M_TRACE = 't', M_LOOKUP = 'l' };

struct imsg {
	unsigned int	type;
	int		count;
	unsigned int	hostlen;
	/* hostlen bytes follow, no terminator */
};

struct peer {
	FILE	*in;
	int	 fd;
	int	 nreq;
};

static int	to_child, from_child;
static int	timeout_s = 3;

static int
full_write(int fd, const void *v, size_t n)
{
	const char	*p = v;
	ssize_t		 w;

	while (n > 0) {
		w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return (-1);
		p += w;
		n -= (size_t)w;
	}
	return (0);
}

static int
full_read(int fd, void *v, size_t n)
{
	char	*p = v;
	ssize_t	 r;

	while (n > 0) {
		r = read(fd, p, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return (-1);
		p += r;
		n -= (size_t)r;
	}
	return (0);
}

/* ---- child ---- */

/* A host is what the resolver takes. */
static int
valid_host(const char *h)
{
	size_t	i, n = strlen(h);

	if (n == 0 || h[0] == '-')
		return (0);
#ifdef BENIGN
	for (i = 0; i < n; i++)
#else
	for (i = 0; i < n && h[i] != ' '; i++)
#endif
		if (!isalnum((unsigned char)h[i]) && h[i] != '.' &&
		    h[i] != '-' && h[i] != ':')
			return (0);
	return (1);
}

static void
child_run(const char *cmd)
{
	char	 chunk[256];
	size_t	 n;
	unsigned total = 0, zero = 0;
	FILE	*p;

	p = popen(cmd, "r");
	if (p != NULL) {
		while ((n = fread(chunk, 1, sizeof(chunk), p)) > 0) {
			unsigned len = (unsigned)n;

			if (total + len > 16384)
				continue;
			total += len;
			full_write(STDOUT_FILENO, &len, sizeof(len));
			full_write(STDOUT_FILENO, chunk, n);
		}
		pclose(p);
	}
	full_write(STDOUT_FILENO, &zero, sizeof(zero));
}

static void
child_main(void)
{
	struct imsg	 m;
	char		 host[HOSTLEN + 1], cmd[HOSTLEN + 80];

	while (full_read(STDIN_FILENO, &m, sizeof(m)) == 0) {
		if (m.hostlen > HOSTLEN)
			_exit(1);
		if (full_read(STDIN_FILENO, host, m.hostlen) < 0)
			break;
		host[m.hostlen] = '\0';
		cmd[0] = '\0';
		if (valid_host(host)) {
			switch (m.type) {
			case M_PING:
				snprintf(cmd, sizeof(cmd), "ping -c %d -W %d %s 2>&1",
				    m.count, timeout_s, host);
				break;
			case M_TRACE:
				snprintf(cmd, sizeof(cmd), "traceroute -n -w %d %s 2>&1",
				    timeout_s, host);
				break;
			case M_LOOKUP:
				snprintf(cmd, sizeof(cmd), "nslookup %s 2>&1", host);
				break;
			}
		}
		child_run(cmd[0] ? cmd : "echo invalid request");
	}
	_exit(0);
}

static void
spawn_child(void)
{
	int	a[2], b[2];
	pid_t	pid;

	if (pipe(a) == -1 || pipe(b) == -1)
		err(1, "pipe");
	if ((pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		dup2(a[0], STDIN_FILENO);
		dup2(b[1], STDOUT_FILENO);
		close(a[0]); close(a[1]);
		close(b[0]); close(b[1]);
		child_main();
	}
	close(a[0]);
	close(b[1]);
	to_child = a[1];
	from_child = b[0];
}

/* ---- parent ---- */

static void
relay_answer(struct peer *pe)
{
	char		chunk[256];
	unsigned	len;

	while (full_read(from_child, &len, sizeof(len)) == 0 && len > 0) {
		if (len > sizeof(chunk) || full_read(from_child, chunk, len) < 0)
			errx(1, "child out of step");
		if (send(pe->fd, chunk, len, MSG_NOSIGNAL) < 0)
			continue;
	}
}

static int
request(struct peer *pe, enum msgtype type, const char *host, int count)
{
	struct imsg	m;
	size_t		n = strlen(host);

	if (n > HOSTLEN) {
		dprintf(pe->fd, "500 too long\n");
		return (0);
	}
	memset(&m, 0, sizeof(m));
	m.type = type;
	m.count = count;
	m.hostlen = (unsigned)n;
	if (full_write(to_child, &m, sizeof(m)) < 0 ||
	    full_write(to_child, host, n) < 0)
		return (-1);
	relay_answer(pe);
	dprintf(pe->fd, "200 done\n");
	return (0);
}

static int
do_ping(struct peer *pe, char *args)
{
	char	*last = strrchr(args, ' ');
	int	 count = 2;

	if (last != NULL && isdigit((unsigned char)last[1])) {
		*last++ = '\0';
		count = atoi(last);
		if (count < 1 || count > 9)
			count = 2;
	}
	return (request(pe, M_PING, args, count));
}

static int
do_trace(struct peer *pe, char *args)
{
	return (request(pe, M_TRACE, args, 0));
}

static int
do_lookup(struct peer *pe, char *args)
{
	return (request(pe, M_LOOKUP, args, 0));
}

static int
do_version(struct peer *pe, char *args)
{
	(void)args;
	dprintf(pe->fd, "diagd 1.4 (%d requests)\n", pe->nreq);
	return (0);
}

static const struct verb {
	const char	*word;
	int		(*handler)(struct peer *, char *);
} verbs[] = {
	{ "PING",	do_ping },
	{ "TRACE",	do_trace },
	{ "LOOKUP",	do_lookup },
	{ "VERSION",	do_version },
	{ NULL,		NULL }
};

static void
session(int fd)
{
	struct peer		 pe;
	const struct verb	*v;
	char			 line[256], *args;

	pe.fd = fd;
	pe.nreq = 0;
	if ((pe.in = fdopen(fd, "r")) == NULL) {
		close(fd);
		return;
	}
	while (fgets(line, sizeof(line), pe.in) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		args = line + strcspn(line, " ");
		if (*args != '\0')
			*args++ = '\0';
		pe.nreq++;
		for (v = verbs; v->word != NULL; v++)
			if (strcmp(v->word, line) == 0)
				break;
		if (v->word == NULL) {
			dprintf(fd, "500 what?\n");
			continue;
		}
		if (v->handler(&pe, args) < 0)
			break;
	}
	fclose(pe.in);
}

int
main(void)
{
	struct sockaddr_in	sin;
	int			s, c, on = 1;

	signal(SIGPIPE, SIG_IGN);
	spawn_child();
	if ((s = socket(AF_INET, SOCK_STREAM, 0)) == -1)
		err(1, "socket");
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(PORT_DIAG);
	if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "bind");
	if (listen(s, 5) == -1)
		err(1, "listen");
	for (;;) {
		if ((c = accept(s, NULL, NULL)) == -1)
			continue;
		session(c);
	}
}
