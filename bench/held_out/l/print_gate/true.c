/*
 * rawgate: raw port (9101) of the LabelJet print box.
 * PJL preamble, then the job data until the peer closes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>

enum { RAW_PORT = 9101, MAX_JOB = 16 * 1024 * 1024 };

struct pjl {
	char jobname[81];
	char user[33];
	int copies;
	int density;
	int duplex;
};

struct pjl_var {
	const char *key;
	void (*set)(struct pjl *, const char *);
};

static void set_jobname(struct pjl *p, const char *v)
{
	snprintf(p->jobname, sizeof p->jobname, "%s", v);
}

static void set_user(struct pjl *p, const char *v)
{
	snprintf(p->user, sizeof p->user, "%s", v);
}

static int in_range(const char *v, int lo, int hi, int dflt)
{
	char *end;
	long n = strtol(v, &end, 10);

	return end == v || n < lo || n > hi ? dflt : (int)n;
}

static void set_copies(struct pjl *p, const char *v)
{
	p->copies = in_range(v, 1, 99, 1);
}

static void set_density(struct pjl *p, const char *v)
{
	p->density = in_range(v, 1, 5, 3);
}

static void set_duplex(struct pjl *p, const char *v)
{
	p->duplex = strcasecmp(v, "ON") == 0;
}

static const struct pjl_var vars[] = {
	{ "JOBNAME", set_jobname },
	{ "USERNAME", set_user },
	{ "COPIES", set_copies },
	{ "DENSITY", set_density },
	{ "DUPLEX", set_duplex },
	{ NULL, NULL }
};

/* "@PJL SET KEY=value" or KEY="value" */
static void pjl_line(struct pjl *p, char *line)
{
	const struct pjl_var *v;
	char *key, *val, *end;

	if (strncmp(line, "@PJL SET ", 9) != 0)
		return;
	key = line + 9;
	val = strchr(key, '=');
	if (!val)
		return;
	*val++ = '\0';
	end = val + strlen(val);
	if (end - val >= 2 && val[0] == '"' && end[-1] == '"') {
		end[-1] = '\0';
		val++;
	}
	for (v = vars; v->key; v++)
		if (strcasecmp(key, v->key) == 0)
			v->set(p, val);
}

static int quote_into(char *dst, size_t room, const char *src)
{
	size_t n = 0;

	for (; *src; src++) {
		if (n + 3 > room)
			break;
		if (strchr("\"\\", *src))
			dst[n++] = '\\';
		dst[n++] = *src;
	}
	dst[n] = '\0';
	return (int)n;
}

static FILE *open_spooler(const struct pjl *p)
{
	char title[168], cmd[320];

	quote_into(title, sizeof title, p->jobname[0] ? p->jobname : "untitled");
	snprintf(cmd, sizeof cmd, "/usr/bin/lp -s -d label -n %d -o density=%d%s -t \"%s\" -",
		 p->copies, p->density, p->duplex ? " -o duplex" : "", title);
	return popen(cmd, "w");
}

static void account(const struct pjl *p, const char *peer, long bytes)
{
	char when[24];
	time_t now = time(NULL);
	FILE *f;

	f = fopen("/var/spool/account.csv", "a");
	if (!f)
		return;
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", localtime(&now));
	fprintf(f, "%s,%s,%s,%d,%ld\n", when, peer, p->user, p->copies, bytes);
	fclose(f);
}

static int copy_job(FILE *in, FILE *out, const char *first, long *total)
{
	char block[4096];
	size_t n;

	*total = 0;
	if (*first) {
		n = strlen(first);
		if (fwrite(first, 1, n, out) != n)
			return -1;
		*total += (long)n;
	}
	while ((n = fread(block, 1, sizeof block, in)) > 0) {
		if (fwrite(block, 1, n, out) != n)
			return -1;
		*total += (long)n;
		if (*total > MAX_JOB)
			return -1;
	}
	return 0;
}

static void serve(int fd, const char *peer)
{
	struct pjl job = { .copies = 1, .density = 3 };
	char line[256];
	long bytes = 0;
	FILE *in, *sp;

	in = fdopen(fd, "r");
	if (!in)
		return;
	line[0] = '\0';
	while (fgets(line, sizeof line, in)) {
		char *s = line;

		if (strncmp(s, "\033%-12345X", 9) == 0)
			s += 9;
		if (strncmp(s, "@PJL", 4) != 0)
			break;
		s[strcspn(s, "\r\n")] = '\0';
		pjl_line(&job, s);
		if (strncmp(s, "@PJL ENTER LANGUAGE", 19) == 0) {
			line[0] = '\0';
			break;
		}
		line[0] = '\0';
	}
	sp = open_spooler(&job);
	if (!sp) {
		fclose(in);
		return;
	}
	if (copy_job(in, sp, line, &bytes) < 0)
		fprintf(stderr, "rawgate: job from %s broken off\n", peer);
	pclose(sp);
	account(&job, peer, bytes);
	fclose(in);
}

static void reap(int sig)
{
	int e = errno;

	(void)sig;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = e;
}

int main(void)
{
	struct sockaddr_in sa, cl;
	int ls, fd, yes = 1;

	signal(SIGCHLD, reap);
	ls = socket(AF_INET, SOCK_STREAM, 0);
	if (ls < 0) {
		perror("socket");
		return 1;
	}
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	memset(&sa, 0, sizeof sa);
	sa.sin_family = AF_INET;
	sa.sin_port = htons(RAW_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 5) < 0) {
		perror("bind");
		return 1;
	}
	for (;;) {
		socklen_t sl = sizeof cl;

		fd = accept(ls, (struct sockaddr *)&cl, &sl);
		if (fd < 0)
			continue;
		switch (fork()) {
		case 0:
			signal(SIGCHLD, SIG_DFL);
			close(ls);
			serve(fd, inet_ntoa(cl.sin_addr));
			_exit(0);
		case -1:
			perror("fork");
			break;
		}
		close(fd);
	}
}
