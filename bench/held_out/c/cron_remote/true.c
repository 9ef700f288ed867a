/*
 * cronr: the head unit plans jobs on this box.
 *
 *  +------+-----+----+-------+-------+--------+---------+
 *  | SCHD | ver | op | ident | delay | arglen | arg ... |
 *  +------+-----+----+-------+-------+--------+---------+
 *     4      1    1     2       2       2
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define CRON_PORT 6111
#define HDR_SIZE  12
#define ARG_MAX_LEN 200

enum op { OP_BACKUP = 1, OP_CLEAN, OP_BEEP, OP_MODIFY = 16, OP_CANCEL, OP_LIST };

struct task;
typedef void (*task_fn)(struct task *);

struct task {
	LIST_ENTRY(task) link;
	uint16_t ident;
	time_t   when;
	task_fn  run;
	char    *arg;
};

static LIST_HEAD(, task) tasks = LIST_HEAD_INITIALIZER(tasks);

struct message {
	uint8_t  ver, op;
	uint16_t ident, delay, arglen;
	char     arg[ARG_MAX_LEN + 1];
};

static FILE *logfile;

#define LOG(...) do { \
		if (logfile) { fprintf(logfile, __VA_ARGS__); fflush(logfile); } \
	} while (0)

/* ------------------------------------------------------------ running */

static void run_backup(struct task *t)
{
	char *line = NULL;
	size_t need = strlen(t->arg) * 2 + 64;

	line = malloc(need);
	if (!line)
		return;
	strcpy(line, "tar cf /tmp/");
	strcat(line, t->arg);
	strcat(line, ".tar /data/");
	strcat(line, t->arg);
	strcat(line, " 2>/dev/null");
	LOG("task %u: %s\n", t->ident, line);
	if (system(line) != 0)
		LOG("task %u failed\n", t->ident);
	free(line);
}

static void run_clean(struct task *t)
{
	int days = atoi(t->arg);
	char line[96];

	if (days < 1 || days > 365)
		days = 30;
	snprintf(line, sizeof(line), "find /data/old -mtime +%d -delete 2>/dev/null", days);
	if (system(line) != 0)
		LOG("task %u failed\n", t->ident);
}

static void run_beep(struct task *t)
{
	FILE *f = fopen("/dev/buzzer", "w");

	if (!f)
		return;
	fprintf(f, "%d\n", atoi(t->arg));
	fclose(f);
}

static const task_fn runners[] = { NULL, run_backup, run_clean, run_beep };

static void run_due(void)
{
	struct task *t, *next;
	time_t now = time(NULL);

	for (t = LIST_FIRST(&tasks); t; t = next) {
		next = LIST_NEXT(t, link);
		if (t->when > now)
			continue;
		LIST_REMOVE(t, link);
		t->run(t);
		free(t->arg);
		free(t);
	}
}

/* ----------------------------------------------------------- planning */

static bool arg_fits(const char *s)
{
	if (!*s || strlen(s) > 64)
		return false;
	do {
		if (!isalnum((unsigned char)*s) && *s != '_')
			return false;
	} while (*++s);
	return true;
}

static struct task *find_task(uint16_t ident)
{
	struct task *t;

	LIST_FOREACH(t, &tasks, link)
		if (t->ident == ident)
			return t;
	return NULL;
}

static bool plan(const struct message *m)
{
	struct task *t;

	if (find_task(m->ident) || !arg_fits(m->arg))
		return false;
	t = calloc(1, sizeof(*t));
	if (!t)
		return false;
	t->ident = m->ident;
	t->when = time(NULL) + m->delay;
	t->run = runners[m->op];
	t->arg = strdup(m->arg);
	if (!t->arg) {
		free(t);
		return false;
	}
	LIST_INSERT_HEAD(&tasks, t, link);
	LOG("task %u planned\n", t->ident);
	return true;
}

static bool modify(const struct message *m)
{
	struct task *t = find_task(m->ident);
	char *copy;

	if (!t)
		return false;
	t->when = time(NULL) + m->delay;
	if (m->arglen == 0)
		return true;
#ifdef BENIGN
	if (!arg_fits(m->arg))
		return false;
#else
	if (!arg_fits(t->arg))
		return false;
#endif
	copy = strdup(m->arg);
	if (!copy)
		return false;
	free(t->arg);
	t->arg = copy;
	return true;
}

static bool cancel(const struct message *m)
{
	struct task *t = find_task(m->ident);

	if (!t)
		return false;
	LIST_REMOVE(t, link);
	free(t->arg);
	free(t);
	return true;
}

static void list(int fd)
{
	struct task *t;
	char line[64];
	int n;

	LIST_FOREACH(t, &tasks, link) {
		n = snprintf(line, sizeof(line), "%u %ld\n", t->ident, (long)(t->when - time(NULL)));
		if (send(fd, line, (size_t)n, MSG_NOSIGNAL) < 0)
			return;
	}
}

/* ------------------------------------------------------------ network */

static int get_message(int fd, struct message *m)
{
	uint8_t h[HDR_SIZE];

	if (recv(fd, h, sizeof(h), MSG_WAITALL) != (ssize_t)sizeof(h))
		return -1;
	if (memcmp(h, "SCHD", 4))
		return -1;
	m->ver = h[4];
	m->op = h[5];
	m->ident = (uint16_t)(h[6] << 8 | h[7]);
	m->delay = (uint16_t)(h[8] << 8 | h[9]);
	m->arglen = (uint16_t)(h[10] << 8 | h[11]);
	if (m->ver != 1 || m->arglen > ARG_MAX_LEN)
		return -1;
	if (m->arglen && recv(fd, m->arg, m->arglen, MSG_WAITALL) != m->arglen)
		return -1;
	m->arg[m->arglen] = '\0';
	return 0;
}

static void client(int fd)
{
	struct timeval tv = { 3, 0 };
	struct message m;
	bool ok;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	while (get_message(fd, &m) == 0) {
		switch (m.op) {
		case OP_BACKUP:
		case OP_CLEAN:
		case OP_BEEP:
			ok = plan(&m);
			break;
		case OP_MODIFY:
			ok = modify(&m);
			break;
		case OP_CANCEL:
			ok = cancel(&m);
			break;
		case OP_LIST:
			list(fd);
			ok = true;
			break;
		default:
			ok = false;
		}
		if (send(fd, ok ? "+" : "-", 1, MSG_NOSIGNAL) < 0)
			break;
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa;
	int s, on = 1;

	logfile = argc > 1 ? fopen(argv[1], "a") : NULL;
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (s < 0)
		return 1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(CRON_PORT);
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 3) < 0)
		return 1;
	for (;;) {
		struct timeval tv = { 1, 0 };
		fd_set rd;

		FD_ZERO(&rd);
		FD_SET(s, &rd);
		if (select(s + 1, &rd, NULL, NULL, &tv) == 1) {
			int fd = accept(s, NULL, NULL);

			if (fd >= 0)
				client(fd);
		}
		run_due();
	}
}
