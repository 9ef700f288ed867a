/*
 * lpq_srv -- job status port for the print server module
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdbool.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <err.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

#define LPQ_PORT     9515
#define MAX_JOBS     20
#define SPOOL_LOG    "/var/spool/lpq.log"

typedef struct job {
	int    id;
	int    copies;
	time_t when;
	char   owner[32];
	char   title[64];
} job_t;

typedef struct session {
	FILE *in;
	FILE *out;
	char  user[32];
	bool  quit;
} session_t;

typedef void (*verb_fn)(session_t *s, char *rest);

static job_t jobs[MAX_JOBS];
static int   njobs;
static int   next_id = 100;

static void say(session_t *s, int code, const char *msg)
{
	fprintf(s->out, "%03d %s\r\n", code, msg);
	fflush(s->out);
}

static void log_job(const job_t *j)
{
	FILE *f = fopen(SPOOL_LOG, "a");

	if (f == NULL)
		return;
	fprintf(f, "%ld %d %s x%d %s\n", (long)j->when, j->id, j->owner, j->copies, j->title);
	fclose(f);
}

static void verb_user(session_t *s, char *rest)
{
	snprintf(s->user, sizeof s->user, "%s", rest);
	say(s, 200, "hello");
}

static void verb_job(session_t *s, char *rest)
{
	char name[64];
	char media[32];
	int  copies = 1;
	job_t *j;

	if (s->user[0] == '\0') {
		say(s, 530, "USER first");
		return;
	}
	media[0] = '\0';
	if (sscanf(rest, "%s %d %s", name, &copies, media) < 1) {
		say(s, 501, "JOB title [copies [media]]");
		return;
	}
	if (copies < 1 || copies > 99)
		copies = 1;
	if (media[0] != '\0' && strcmp(media, "a4") && strcmp(media, "letter")) {
		say(s, 504, "media not loaded");
		return;
	}
	if (njobs == MAX_JOBS) {
		say(s, 452, "queue full");
		return;
	}
	j = &jobs[njobs++];
	j->id = next_id++;
	j->copies = copies;
	j->when = time(NULL);
	snprintf(j->owner, sizeof j->owner, "%s", s->user);
	snprintf(j->title, sizeof j->title, "%s", name);
	log_job(j);
	fprintf(s->out, "250 %d\r\n", j->id);
	fflush(s->out);
}

static void verb_list(session_t *s, char *rest)
{
	int i;

	(void)rest;
	for (i = 0; i < njobs; i++)
		fprintf(s->out, "211-%d %s x%d %s\r\n", jobs[i].id, jobs[i].owner,
		    jobs[i].copies, jobs[i].title);
	say(s, 211, "end");
}

static void verb_cancel(session_t *s, char *rest)
{
	int id = atoi(rest);
	int i;

	for (i = 0; i < njobs; i++) {
		if (jobs[i].id != id)
			continue;
		if (strcmp(jobs[i].owner, s->user) != 0) {
			say(s, 550, "not yours");
			return;
		}
		memmove(&jobs[i], &jobs[i + 1], (size_t)(njobs - i - 1) * sizeof jobs[0]);
		njobs--;
		say(s, 250, "gone");
		return;
	}
	say(s, 550, "no such job");
}

static void verb_quit(session_t *s, char *rest)
{
	(void)rest;
	say(s, 221, "bye");
	s->quit = true;
}

static const struct {
	const char *word;
	verb_fn     fn;
} verbs[] = {
	{ "USER",   verb_user },
	{ "JOB",    verb_job },
	{ "LIST",   verb_list },
	{ "CANCEL", verb_cancel },
	{ "QUIT",   verb_quit },
};

static void run_line(session_t *s, char *line)
{
	char *word, *rest;
	size_t i;

	word = strtok(line, " \t\r\n");
	if (word == NULL)
		return;
	rest = strtok(NULL, "\r\n");
	if (rest == NULL)
		rest = line + strlen(line);

	for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		if (strcasecmp(word, verbs[i].word) == 0) {
			verbs[i].fn(s, rest);
			return;
		}
	}
	say(s, 500, "what?");
}

static void serve(int fd)
{
	session_t s;
	char line[512];

	memset(&s, 0, sizeof s);
	s.in = fdopen(fd, "r");
	s.out = fdopen(dup(fd), "w");
	if (s.in == NULL || s.out == NULL) {
		warn("fdopen");
		close(fd);
		return;
	}
	say(&s, 220, "PSM-2 ready");
	while (!s.quit && fgets(line, sizeof line, s.in) != NULL)
		run_line(&s, line);
	fclose(s.out);
	fclose(s.in);
}

int main(void)
{
	struct sockaddr_in sin;
	int ls, fd, on = 1;

	signal(SIGPIPE, SIG_IGN);
	if ((ls = socket(AF_INET, SOCK_STREAM, 0)) < 0)
		err(1, "socket");
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	memset(&sin, 0, sizeof sin);
	sin.sin_family = AF_INET;
	sin.sin_port = htons(LPQ_PORT);
	if (bind(ls, (struct sockaddr *)&sin, sizeof sin) < 0)
		err(1, "bind");
	if (listen(ls, 3) < 0)
		err(1, "listen");
	for (;;) {
		if ((fd = accept(ls, NULL, NULL)) < 0)
			continue;
		serve(fd);
	}
}
