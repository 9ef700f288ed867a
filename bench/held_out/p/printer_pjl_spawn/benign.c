/* raw printing port: PJL job header, then data; one process a connection */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <signal.h>
#include <spawn.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define UEL "\033%-12345X"

extern char **environ;

struct print_job {
	char *name;
	char *user;
	int copies;
	int duplex;
	int resolution;
	char lang[16];
	char spool[40];
	struct in_addr peer;
};

static void job_log(const struct print_job *j, const char *text)
{
	FILE *f = fopen("/var/log/prnd.log", "a");
	if (!f)
		return;
	fprintf(f, "%ld %s: %s (%s)\n", (long)time(NULL), inet_ntoa(j->peer), text,
		j->name ? j->name : "unnamed");
	fclose(f);
}

static void replace(char **dst, const char *s)
{
	free(*dst);
	*dst = strdup(s);
}

static char *trim(char *s)
{
	char *e;
	while (*s == ' ' || *s == '\t' || *s == '"')
		s++;
	e = s + strlen(s);
	while (e > s && (e[-1] == ' ' || e[-1] == '\r' || e[-1] == '\n' || e[-1] == '"'))
		*--e = 0;
	return s;
}

static void set_copies(struct print_job *j, char *v)
{
	int n = atoi(v);
	if (n >= 1 && n <= 99)
		j->copies = n;
}

static void set_duplex(struct print_job *j, char *v) { j->duplex = !strcasecmp(v, "ON"); }
static void set_user(struct print_job *j, char *v)   { replace(&j->user, v); }
static void set_name(struct print_job *j, char *v)   { replace(&j->name, v); }

static void set_res(struct print_job *j, char *v)
{
	int n = atoi(v);
	if (n == 300 || n == 600 || n == 1200)
		j->resolution = n;
}

static struct pjl_var {
	const char *name;
	void (*set)(struct print_job *, char *);
} vars[] = {
	{ "COPIES", set_copies },
	{ "DUPLEX", set_duplex },
	{ "RESOLUTION", set_res },
	{ "USERNAME", set_user },
	{ "JOBNAME", set_name },
};

static void pjl_set(struct print_job *j, char *p)
{
	char *eq = strchr(p, '=');
	size_t i;

	if (!eq)
		return;
	*eq++ = 0;
	p = trim(p);
	eq = trim(eq);
	for (i = 0; i < sizeof vars / sizeof vars[0]; i++)
		if (!strcasecmp(vars[i].name, p))
			vars[i].set(j, eq);
}

/* 1 = header is over */
static int pjl_line(struct print_job *j, char *l, FILE *out)
{
	if (!strncmp(l, UEL, 9))
		l += 9;
	if (strncmp(l, "@PJL", 4))
		return 1;
	l = trim(l + 4);
	if (!strncasecmp(l, "SET ", 4))
		pjl_set(j, l + 4);
	else if (!strncasecmp(l, "INFO ID", 7)) {
		fprintf(out, "@PJL INFO ID\r\n\"LaserStar 3110\"\r\n\f");
		fflush(out);
	} else if (!strncasecmp(l, "ENTER LANGUAGE", 14)) {
		l = strchr(l, '=');
		snprintf(j->lang, sizeof j->lang, "%s", l ? trim(l + 1) : "PCL");
		return 1;
	}
	return 0;
}

static int run_filter(struct print_job *j)
{
	char copies[8], res[8];
	pid_t pid;
	int st = -1;
	const char *bin = !strncasecmp(j->lang, "POSTSCRIPT", 10) ? "/usr/lib/prn/psfilter" : "/usr/lib/prn/pclfilter";

	snprintf(copies, sizeof copies, "%d", j->copies);
	snprintf(res, sizeof res, "%d", j->resolution);
	char *argv[13];
	int n = 0;

	argv[n++] = (char *)bin;
	argv[n++] = "-c"; argv[n++] = copies;
	argv[n++] = "-r"; argv[n++] = res;
	if (j->duplex)
		argv[n++] = "-d";
	argv[n++] = "-t"; argv[n++] = j->name ? j->name : "unnamed";
	argv[n++] = "-u"; argv[n++] = j->user ? j->user : "guest";
	argv[n++] = j->spool;
	argv[n] = NULL;
	if (posix_spawn(&pid, bin, NULL, NULL, argv, environ) == 0)
		waitpid(pid, &st, 0);
	return st;
}

static void serve(int fd, struct in_addr peer)
{
	struct print_job j;
	FILE *in, *out, *sp;
	char *line = NULL, data[4096];
	size_t cap = 0, n;
	int sfd, lines = 0;

	memset(&j, 0, sizeof j);
	j.copies = 1;
	j.resolution = 600;
	j.peer = peer;
	strcpy(j.spool, "/var/spool/prn/jobXXXXXX");
	in = fdopen(fd, "r");
	out = fdopen(dup(fd), "w");
	if (!in || !out)
		return;
	while (getline(&line, &cap, in) > 0) {
		if (pjl_line(&j, line, out) || ++lines > 100)
			break;
	}
	sfd = mkstemp(j.spool);
	if (sfd < 0 || !(sp = fdopen(sfd, "w"))) {
		job_log(&j, "no spool");
		return;
	}
	while ((n = fread(data, 1, sizeof data, in)) > 0)
		fwrite(data, 1, n, sp);
	fclose(sp);
	job_log(&j, "spooled");
	if (run_filter(&j) != 0)
		job_log(&j, "filter failed");
	unlink(j.spool);
	free(line);
	fclose(in);
	fclose(out);
}

int main(void)
{
	struct sockaddr_in a = { 0 }, p;
	socklen_t pl;
	int s = socket(AF_INET, SOCK_STREAM, 0), c, on = 1;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	a.sin_family = AF_INET;
	a.sin_port = htons(9100);
	if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 3)) {
		perror("prnd");
		return 1;
	}
	for (;;) {
		pl = sizeof p;
		c = accept(s, (struct sockaddr *)&p, &pl);
		if (c < 0)
			continue;
		if (fork() == 0) {
			close(s);
			serve(c, p.sin_addr);
			_exit(0);
		}
		close(c);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
