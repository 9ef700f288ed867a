/*
 * lp9100 - raw port listener of the LP-4 series
 *
 * usage: lp9100 [-p port] [-d spool-directory] [-v]
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#define ACCT_TOOL "/usr/sbin/acct-add"
#define UEL       "\033%-12345X"

struct job {
	char name[80];
	char user[64];
	int copies;
	int duplex;
	long bytes;
	int pages;
	time_t start;
};

struct pjl_var {
	const char *name;
	void (*set)(struct job *, const char *);
};

static int verbose;
static const char *spool_dir = "/var/spool/lp";
static volatile sig_atomic_t alarm_hit;

static void on_alarm(int sig)
{
	alarm_hit = 1;
}

static void say(const char *a, const char *b)
{
	if (verbose)
		fprintf(stderr, "lp9100: %s %s\n", a, b);
}

/* removes blanks and one pair of double quotes around the value */
static char *clean(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	if (n >= 2 && s[0] == '"' && s[n - 1] == '"') {
		s[n - 1] = '\0';
		s++;
	}
	return s;
}

static void set_name(struct job *j, const char *v)
{
	strncpy(j->name, v, sizeof(j->name) - 1);
}

static void set_user(struct job *j, const char *v)
{
	strncpy(j->user, v, sizeof(j->user) - 1);
}

static void set_copies(struct job *j, const char *v)
{
	j->copies = atoi(v);
	if (j->copies < 1 || j->copies > 99)
		j->copies = 1;
}

static void set_duplex(struct job *j, const char *v)
{
	j->duplex = !strcasecmp(v, "ON");
}

static const struct pjl_var pjl_vars[] = {
	{ "JOBNAME",	set_name },
	{ "USERNAME",	set_user },
	{ "COPIES",	set_copies },
	{ "DUPLEX",	set_duplex },
	{ NULL,		NULL }
};

static void pjl_set(struct job *j, char *arg)
{
	const struct pjl_var *v;
	char *eq = strchr(arg, '=');

	if (eq == NULL)
		return;
	*eq++ = '\0';
	arg = clean(arg);
	for (v = pjl_vars; v->name != NULL; v++) {
		if (!strcasecmp(v->name, arg)) {
			v->set(j, clean(eq));
			return;
		}
	}
	say("unknown variable", arg);
}

static void pjl_line(struct job *j, char *line, FILE *out)
{
	char *s = line + 4;

	while (*s == ' ')
		s++;
	if (!strncasecmp(s, "SET ", 4))
		pjl_set(j, s + 4);
	else if (!strncasecmp(s, "INFO ID", 7)) {
		fputs("@PJL INFO ID\r\n\"LP-4 Series\"\r\n\f", out);
		fflush(out);
	} else if (!strncasecmp(s, "INFO STATUS", 11)) {
		fputs("@PJL INFO STATUS\r\nCODE=10001\r\nONLINE=TRUE\r\n\f", out);
		fflush(out);
	} else if (!strncasecmp(s, "ENTER LANGUAGE", 14))
		say("data follows,", clean(s));
}

static void account(const struct job *j)
{
	int status;
	char cmd[256], ans[80];
	FILE *p;

	snprintf(cmd, sizeof(cmd), ACCT_TOOL " -u '%s' -n %d -b %ld",
	    j->user, j->pages * j->copies, j->bytes);
	p = popen(cmd, "r");
	if (p == NULL) {
		say("accounting:", strerror(errno));
		return;
	}
	while (fgets(ans, sizeof(ans), p) != NULL)
		say("acct-add:", clean(ans));
	status = pclose(p);
	if (status != 0)
		say("accounting failed for", j->user);
}

static void job_end(struct job *j)
{
	if (j->bytes == 0 && j->pages == 0)
		return;
	if (j->pages == 0)
		j->pages = 1;
	say("job", j->name);
	if (j->user[0] != '\0')
		account(j);
	j->bytes = 0;
	j->pages = 0;
}

static void session(int fd)
{
	char line[1024], path[128];
	struct job job;
	FILE *in, *out, *spool;

	memset(&job, 0, sizeof(job));
	job.copies = 1;
	job.start = time(NULL);
	in = fdopen(fd, "r");
	out = fdopen(dup(fd), "w");
	if (in == NULL || out == NULL)
		_exit(1);
	snprintf(path, sizeof(path), "%s/job%ld.%d", spool_dir,
	    (long)job.start, (int)getpid());
	spool = fopen(path, "w");
	alarm(90);
	while (!alarm_hit && fgets(line, sizeof(line), in) != NULL) {
		char *s = line;

		alarm(90);
		if (!strncmp(s, UEL, sizeof(UEL) - 1)) {
			job_end(&job);
			s += sizeof(UEL) - 1;
		}
		if (!strncmp(s, "@PJL", 4)) {
			pjl_line(&job, s, out);
			continue;
		}
		job.bytes += strlen(s);
		if (strchr(s, '\f') != NULL)
			job.pages++;
		if (spool != NULL)
			fputs(s, spool);
	}
	alarm(0);
	job_end(&job);
	if (spool != NULL)
		fclose(spool);
	fclose(out);
	fclose(in);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin;
	struct sigaction sa;
	int c, s, port = 9100, on = 1;

	while ((c = getopt(argc, argv, "p:d:v")) != -1) {
		switch (c) {
		case 'p': port = atoi(optarg); break;
		case 'd': spool_dir = optarg; break;
		case 'v': verbose = 1; break;
		default: return 2;
		}
	}
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_alarm;
	sigaction(SIGALRM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(port);
	if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(s, 5) < 0) {
		perror("lp9100");
		return 1;
	}
	for (;;) {
		int fd = accept(s, NULL, NULL);
		pid_t pid;

		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (fd < 0)
			continue;
		pid = fork();
		if (pid == 0) {
			close(s);
			session(fd);
			_exit(0);
		}
		close(fd);
	}
}
