/* apguard: station filter of the access point. The part that talks to the
 * controller runs as nobody; a root child does the work, fed by a pipe. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <pwd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#define GUARD_PORT 8229
#define MAX_STA    64

enum guard_op { OP_BLOCK = 1, OP_ALLOW, OP_FLUSH, OP_KICK };

struct guard_msg {
	int op;
	int band;
	char mac[64];
};

struct station {
	char mac[64];
	int blocked;
};

static struct station sta[MAX_STA];
static int nsta;
static int to_child = -1;

static void die(const char *why)
{
	perror(why);
	exit(EXIT_FAILURE);
}

/* ------------------------------------------------ root side */

static int run_and_wait(const char *prog, const char *verb, const char *mac, const char *tail)
{
	pid_t pid;
	int st;

	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		char line[256];

		snprintf(line, sizeof(line), "%s %s %s %s", prog, verb, mac, tail);
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void child_loop(int fd)
{
	struct guard_msg m;
	size_t have = 0;
	ssize_t n;

	for (;;) {
		n = read(fd, (char *)&m + have, sizeof(m) - have);
		if (n == 0)
			_exit(0);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			_exit(1);
		}
		have += n;
		if (have < sizeof(m))
			continue;
		have = 0;
		m.mac[sizeof(m.mac) - 1] = 0;
		switch (m.op) {
		case OP_BLOCK:
			run_and_wait("/usr/sbin/stafilter", "add", m.mac, "drop");
			break;
		case OP_ALLOW:
			run_and_wait("/usr/sbin/stafilter", "del", m.mac, "drop");
			break;
		case OP_KICK:
			run_and_wait("/usr/sbin/hostapd_kick", m.band == 5 ? "ath1" : "ath0", m.mac, "now");
			break;
		case OP_FLUSH:
			run_and_wait("/usr/sbin/stafilter", "flush", "all", "drop");
			break;
		}
	}
}

/* ------------------------------------------------ network side */

static int post(int op, int band, const char *mac)
{
	struct guard_msg m;

	memset(&m, 0, sizeof(m));
	m.op = op;
	m.band = band;
	snprintf(m.mac, sizeof(m.mac), "%s", mac);
	return write(to_child, &m, sizeof(m)) == (ssize_t)sizeof(m) ? 0 : -1;
}

static struct station *lookup(const char *mac, int create)
{
	int i;

	for (i = 0; i < nsta; i++)
		if (strcasecmp(sta[i].mac, mac) == 0)
			return &sta[i];
	if (!create || nsta == MAX_STA)
		return NULL;
	strncpy(sta[nsta].mac, mac, sizeof(sta[nsta].mac) - 1);
	return &sta[nsta++];
}

static int cmd_block(char **w, int n)
{
	struct station *s;

	if (n < 2 || w[1][0] == '-' || strlen(w[1]) >= sizeof(s->mac))
		return 400;
	s = lookup(w[1], 1);
	if (!s)
		return 507;
	s->blocked = 1;
	return post(OP_BLOCK, 0, s->mac) ? 500 : 200;
}

static int cmd_allow(char **w, int n)
{
	struct station *s;

	if (n < 2)
		return 400;
	s = lookup(w[1], 0);
	if (!s)
		return 404;
	s->blocked = 0;
	return post(OP_ALLOW, 0, s->mac) ? 500 : 200;
}

static int cmd_kick(char **w, int n)
{
	struct station *s;

	if (n < 3)
		return 400;
	s = lookup(w[1], 0);
	if (!s)
		return 404;
	return post(OP_KICK, atoi(w[2]), s->mac) ? 500 : 200;
}

static int cmd_flush(char **w, int n)
{
	(void)w;
	(void)n;
	memset(sta, 0, sizeof(sta));
	nsta = 0;
	return post(OP_FLUSH, 0, "") ? 500 : 200;
}

struct verb {
	const char *word;
	int (*fn)(char **, int);
};

static const struct verb verbs[] = {
	{ "block", cmd_block },
	{ "allow", cmd_allow },
	{ "kick", cmd_kick },
	{ "flush", cmd_flush },
};

static int one_line(char *line)
{
	char *w[6], *sp, *t;
	int n = 0;
	unsigned i;

	for (t = strtok_r(line, " \t\r\n", &sp); t && n < 6; t = strtok_r(NULL, " \t\r\n", &sp))
		w[n++] = t;
	if (n == 0)
		return 0;
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(w[0], verbs[i].word) == 0)
			return verbs[i].fn(w, n);
	return 501;
}

static void controller(int fd)
{
	char line[200], ans[48];
	FILE *f = fdopen(fd, "r");
	int rc, blocked, i;

	if (!f) {
		close(fd);
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		rc = one_line(line);
		if (rc == 0)
			continue;
		for (blocked = i = 0; i < nsta; i++)
			blocked += sta[i].blocked;
		snprintf(ans, sizeof(ans), "%d %d/%d\r\n", rc, blocked, nsta);
		if (send(fd, ans, strlen(ans), MSG_NOSIGNAL) < 0)
			break;
	}
	fclose(f);
}

int main(void)
{
	struct sockaddr_in a;
	struct passwd *pw;
	int p[2], l, c, on = 1;

	signal(SIGPIPE, SIG_IGN);
	if (pipe(p) < 0)
		die("pipe");
	switch (fork()) {
	case -1:
		die("fork");
		break;
	case 0:
		close(p[1]);
		child_loop(p[0]);
		_exit(0);
	}
	close(p[0]);
	to_child = p[1];
	pw = getpwnam("nobody");
	l = socket(AF_INET, SOCK_STREAM, 0);
	if (l < 0)
		die("socket");
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons(GUARD_PORT);
	if (bind(l, (void *)&a, sizeof(a)) < 0)
		die("bind");
	listen(l, 1);
	if (pw && setuid(pw->pw_uid) < 0)
		die("setuid");
	while ((c = accept(l, NULL, NULL)) >= 0) {
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		controller(c);
	}
	return 0;
}
