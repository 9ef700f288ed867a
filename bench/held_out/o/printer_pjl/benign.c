/* pjld.c: raw port (AppSocket) front end with PJL interpreter, LP-55 series */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define RAW_PORT 9100
#define UEL "\033%-12345X"

struct pjl_env {
	int copies;
	int duplex;
	int density;
	char display[40];
};

struct pjl_job {
	char name[80];
	char user[80];
	long bytes;
	time_t start;
	struct pjl_env env;
};

static struct pjl_env dflt_env = { 1, 0, 3, "READY" };
static unsigned page_total;

static char *skip(char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

static int quoted(char *s, char *out, size_t n)
{
	char *e;

	s = skip(s);
	if (*s == '=')
		s = skip(s + 1);
	if (*s != '"')
		return -1;
	e = strchr(++s, '"');
	if (!e || (size_t)(e - s) >= n)
		return -1;
	memcpy(out, s, e - s);
	out[e - s] = 0;
	return 0;
}

static void account(const struct pjl_job *j)
{
	char bytes[24], name[96], user[96];
	int pfd[2];
	pid_t pid;
	FILE *p;

	snprintf(bytes, sizeof bytes, "--bytes=%ld", j->bytes);
	snprintf(name, sizeof name, "--name=%s", j->name);
	snprintf(user, sizeof user, "--user=%s", j->user);
	if (pipe(pfd) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		dup2(pfd[1], 1);
		close(pfd[0]);
		execl("/usr/libexec/jobacct", "jobacct", name, user, bytes, (char *)NULL);
		_exit(127);
	}
	close(pfd[1]);
	p = fdopen(pfd[0], "r");
	if (!p) {
		close(pfd[0]);
		return;
	}
	if (fscanf(p, "%u", &page_total) != 1)
		page_total++;
	fclose(p);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void pjl_set(struct pjl_job *j, char *arg)
{
	char *eq = strchr(arg, '=');
	int v;

	if (!eq)
		return;
	v = atoi(skip(eq + 1));
	if (!strncasecmp(arg, "COPIES", 6)) {
		if (v >= 1 && v <= 999)
			j->env.copies = v;
	} else if (!strncasecmp(arg, "DENSITY", 7)) {
		if (v >= 1 && v <= 5)
			j->env.density = v;
	} else if (!strncasecmp(arg, "DUPLEX", 6)) {
		j->env.duplex = !strncasecmp(skip(eq + 1), "ON", 2);
	} else if (!strncasecmp(arg, "USERNAME", 8)) {
		quoted(eq, j->user, sizeof j->user);
	} else if (!strncasecmp(arg, "JOBNAME", 7)) {
		quoted(eq, j->name, sizeof j->name);
	}
}

static void pjl_info(FILE *out, char *arg)
{
	if (!strncasecmp(arg, "ID", 2))
		fprintf(out, "@PJL INFO ID\r\n\"LP-5510\"\r\n\f");
	else if (!strncasecmp(arg, "STATUS", 6))
		fprintf(out, "@PJL INFO STATUS\r\nCODE=10001\r\nDISPLAY=\"%s\"\r\nONLINE=TRUE\r\n\f",
			dflt_env.display);
	else if (!strncasecmp(arg, "PAGECOUNT", 9))
		fprintf(out, "@PJL INFO PAGECOUNT\r\n%u\r\n\f", page_total);
	fflush(out);
}

/* returns 1 when the language is entered and page data follow */
static int pjl_line(struct pjl_job *j, FILE *out, char *s)
{
	char *name;

	if (!strncmp(s, UEL, sizeof UEL - 1))
		s += sizeof UEL - 1;
	if (strncasecmp(s, "@PJL", 4))
		return 0;
	s = skip(s + 4);
	if (!strncasecmp(s, "SET ", 4)) {
		pjl_set(j, skip(s + 4));
	} else if (!strncasecmp(s, "INFO ", 5)) {
		pjl_info(out, skip(s + 5));
	} else if (!strncasecmp(s, "JOB", 3)) {
		name = strcasestr(s, "NAME");
		if (name)
			quoted(name + 4, j->name, sizeof j->name);
		j->start = time(NULL);
	} else if (!strncasecmp(s, "RDYMSG", 6)) {
		name = strcasestr(s, "DISPLAY");
		if (name)
			quoted(name + 7, dflt_env.display, sizeof dflt_env.display);
	} else if (!strncasecmp(s, "ENTER", 5)) {
		return 1;
	}
	return 0;
}

static void spool(FILE *in, struct pjl_job *j)
{
	char block[4096];
	size_t n;
	FILE *eng = fopen("/dev/usb/engine0", "w");

	while ((n = fread(block, 1, sizeof block, in)) > 0) {
		j->bytes += n;
		if (eng)
			fwrite(block, 1, n, eng);
	}
	if (eng)
		fclose(eng);
}

static void session(int fd)
{
	struct pjl_job job;
	char line[512];
	FILE *in = fdopen(fd, "r");
	FILE *out = fdopen(dup(fd), "w");

	memset(&job, 0, sizeof job);
	job.env = dflt_env;
	strcpy(job.name, "untitled");
	strcpy(job.user, "guest");
	if (in && out) {
		while (fgets(line, sizeof line, in)) {
			line[strcspn(line, "\r\n")] = 0;
			if (pjl_line(&job, out, line)) {
				spool(in, &job);
				break;
			}
		}
		if (job.bytes > 0)
			account(&job);
	}
	if (out)
		fclose(out);
	if (in)
		fclose(in);
}

int main(void)
{
	struct sockaddr_in sin;
	int s, c, on = 1;

	signal(SIGPIPE, SIG_IGN);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	memset(&sin, 0, sizeof sin);
	sin.sin_family = AF_INET;
	sin.sin_port = htons(RAW_PORT);
	sin.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(s, (struct sockaddr *)&sin, sizeof sin) < 0 || listen(s, 1) < 0) {
		perror("pjld");
		return 1;
	}
	for (;;) {
		c = accept(s, NULL, NULL);
		if (c >= 0)
			session(c);
	}
}
