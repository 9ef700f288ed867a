/*
 * Console of the cellular router (TCP 2323): status, APN, port checks and a ping that runs in the background.
 *
 * Session thread per client; a diagnosis thread takes the ping jobs one after another and keeps the last output of
 * each. "enable" needs the service word, which is kept xored.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <stdint.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#define JOBS       8
#define LINE_MAX_  160

enum job_state { FREE, WAITING, RUNNING, DONE };

struct job {
	enum job_state state;
	int number;
	int count;
	char *host;
	char *output;
	time_t finished;
};

struct session {
	FILE *in, *out;
	int enabled;
	int quit;
};

static struct job jobs[JOBS];
static int next_number = 1;
static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t jobs_waiting;

static struct { char apn[40]; int rat; int roaming; } modem = { "internet", 0, 0 };

static const unsigned char service_word[] = {		/* xor 0x5a + position */
	0x29, 0x2d, 0x3f, 0x70, 0x09, 0x28, 0x01, 0x0f, 0x55
};

static int is_service_word(const char *s)
{
	unsigned i, diff = 0;

	if (strlen(s) != sizeof(service_word))
		return 0;
	for (i = 0; i < sizeof(service_word); i++)
		diff |= (unsigned char)s[i] ^ service_word[i] ^ (0x5a + i);
	return diff == 0;
}

/* ---- diagnosis thread ---- */

static char *collect(FILE *p)
{
	size_t have = 0, room = 256, n;
	char *text = malloc(room), *more;

	while (text && (n = fread(text + have, 1, room - have - 1, p)) > 0) {
		have += n;
		if (room - have > 1)
			continue;
		if (room >= 8192)
			break;
		more = realloc(text, room *= 2);
		if (!more)
			break;
		text = more;
	}
	if (text)
		text[have] = '\0';
	return text;
}

static void *diagnosis(void *arg)
{
	struct job *j;
	char cmd[160], *text;
	FILE *p;
	int i;

	(void)arg;
	for (;;) {
		while (sem_wait(&jobs_waiting) != 0)
			;
		pthread_mutex_lock(&jobs_lock);
		for (i = 0, j = NULL; i < JOBS; i++)
			if (jobs[i].state == WAITING && (!j || jobs[i].number < j->number))
				j = &jobs[i];
		if (j) {
			j->state = RUNNING;
			snprintf(cmd, sizeof(cmd), "ping -c %d -I wwan0 %s 2>&1", j->count, j->host);
		}
		pthread_mutex_unlock(&jobs_lock);
		if (!j)
			continue;

		text = NULL;
		p = popen(cmd, "r");
		if (p) {
			text = collect(p);
			pclose(p);
		}
		pthread_mutex_lock(&jobs_lock);
		free(j->output);
		j->output = text;
		j->finished = time(NULL);
		j->state = DONE;
		pthread_mutex_unlock(&jobs_lock);
	}
	return NULL;
}

static int job_new(const char *host, int count)
{
	struct job *j = NULL;
	int i, number = -1;

	pthread_mutex_lock(&jobs_lock);
	for (i = 0; i < JOBS; i++) {
		if (jobs[i].state == FREE) {
			j = &jobs[i];
			break;
		}
		if (jobs[i].state == DONE && (!j || jobs[i].finished < j->finished))
			j = &jobs[i];
	}
	if (j) {
		free(j->host);
		j->host = strdup(host);
		j->count = count;
		j->state = j->host ? WAITING : FREE;
		number = j->number = next_number++;
	}
	pthread_mutex_unlock(&jobs_lock);
	if (j)
		sem_post(&jobs_waiting);
	return number;
}

/* ---- commands ---- */

static int host_ok(const char *h)
{
	int n;

	if (!isalnum((unsigned char)*h))
		return 0;
	for (n = 0; h[n]; n++) {
#ifdef BENIGN
		if (!isalnum((unsigned char)h[n]) && h[n] != '.' && h[n] != '-')
			return 0;
#else
		if (!isgraph((unsigned char)h[n]))
			return 0;
#endif
	}
	return n <= 64;
}

static void cmd_ping(struct session *s, char **save)
{
	char *host = strtok_r(NULL, " \t", save);
	char *arg = strtok_r(NULL, " \t", save);
	int count = arg ? atoi(arg) : 4, number;

	if (!host || !host_ok(host)) {
		fputs("% bad host\r\n", s->out);
		return;
	}
	if (count < 1 || count > 20)
		count = 4;
	number = job_new(host, count);
	if (number < 0)
		fputs("% busy\r\n", s->out);
	else
		fprintf(s->out, "job %d\r\n", number);
}

static void cmd_result(struct session *s, char **save)
{
	char *arg = strtok_r(NULL, " \t", save);
	int i, number = arg ? atoi(arg) : 0;

	pthread_mutex_lock(&jobs_lock);
	for (i = 0; i < JOBS; i++) {
		if (jobs[i].state == FREE || jobs[i].number != number)
			continue;
		if (jobs[i].state == DONE)
			fprintf(s->out, "%s\r\n", jobs[i].output ? jobs[i].output : "% failed");
		else
			fputs("not finished\r\n", s->out);
		break;
	}
	pthread_mutex_unlock(&jobs_lock);
	if (i == JOBS)
		fputs("% no such job\r\n", s->out);
}

static void cmd_apn(struct session *s, char **save)
{
	char *arg = strtok_r(NULL, " \t", save);

	if (arg && strlen(arg) < sizeof(modem.apn))
		strcpy(modem.apn, arg);
	fprintf(s->out, "apn %s\r\n", modem.apn);
}

static void cmd_show(struct session *s, char **save)
{
	(void)save;
	fprintf(s->out, "apn %s\r\nrat %d\r\nroaming %s\r\n", modem.apn, modem.rat, modem.roaming ? "yes" : "no");
}

static void cmd_roaming(struct session *s, char **save)
{
	char *arg = strtok_r(NULL, " \t", save);

	modem.roaming = arg && !strcmp(arg, "on");
	system(modem.roaming ? "modemctl roaming 1" : "modemctl roaming 0");
	fputs("ok\r\n", s->out);
}

static void cmd_enable(struct session *s, char **save)
{
	char *word = strtok_r(NULL, " \t", save);

	s->enabled = word && is_service_word(word);
	fputs(s->enabled ? "ok\r\n" : "% denied\r\n", s->out);
}

static void cmd_exit(struct session *s, char **save)
{
	(void)save;
	s->quit = 1;
}

static const struct command {
	const char *word;
	int privileged;
	void (*run)(struct session *, char **);
} commands[] = {
	{ "show", 0, cmd_show }, { "enable", 0, cmd_enable }, { "exit", 0, cmd_exit }, { "result", 0, cmd_result },
	{ "ping", 1, cmd_ping }, { "apn", 1, cmd_apn }, { "roaming", 1, cmd_roaming },
};

static void *session(void *arg)
{
	struct session s = { fdopen((int)(intptr_t)arg, "r"), fdopen(dup((int)(intptr_t)arg), "w"), 0, 0 };
	char line[LINE_MAX_], *save, *word;
	unsigned i;

	if (!s.in || !s.out) {
		close((int)(intptr_t)arg);
		return NULL;
	}
	while (!s.quit) {
		fputs(s.enabled ? "router# " : "router> ", s.out);
		fflush(s.out);
		if (!fgets(line, sizeof(line), s.in))
			break;
		line[strcspn(line, "\r\n")] = '\0';
		word = strtok_r(line, " \t", &save);
		if (!word)
			continue;
		for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
			if (!strcmp(commands[i].word, word))
				break;
		if (i == sizeof(commands) / sizeof(commands[0]))
			fprintf(s.out, "%% unknown: %s\r\n", word);
		else if (commands[i].privileged && !s.enabled)
			fputs("% not enabled\r\n", s.out);
		else
			commands[i].run(&s, &save);
	}
	fclose(s.out);
	fclose(s.in);
	return NULL;
}

int main(void)
{
	struct sockaddr_in a;
	pthread_t t;
	int l, c, on = 1;

	signal(SIGPIPE, SIG_IGN);
	sem_init(&jobs_waiting, 0, 0);
	l = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons(2323);
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(l, 4) < 0) {
		perror("console");
		return 1;
	}
	if (pthread_create(&t, NULL, diagnosis, NULL))
		return 1;
	for (;;) {
		c = accept(l, NULL, NULL);
		if (c < 0)
			continue;
		if (pthread_create(&t, NULL, session, (void *)(intptr_t)c) == 0)
			pthread_detach(t);
		else
			close(c);
	}
}
