/*
 * nasmgrd - share manager of a two-bay NAS.
 *
 * One thread accepts and reads request lines, a worker runs them from a queue
 * so that a slow mkfs or rsync does not block the web interface.
 *
 * The share's name is rejected when it has one of a few shell characters,
 * but neither the backtick nor the dollar sign is among them
 * (benign: only letters, digits, dash and underscore are let through).
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define NASM_PORT	8873
#define NASM_HELLO	"NAS/1.1 "
#define LINE_LEN	768
#define MAX_PARAMS	8
#define QUEUE_LIMIT	32

struct param {
	const char *key;
	const char *val;
};

struct job {
	struct job *next;
	const struct verb *verb;
	time_t queued;
	int nparams;
	struct param params[MAX_PARAMS];
	char text[LINE_LEN];
};

struct verb {
	const char *name;
	int (*run)(struct job *j);
	unsigned min_params;
};

struct share {
	struct share *next;
	char name[64];
	char comment[96];
	unsigned quota_mb;
	int read_only;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *first, **last;
	unsigned count;
} q = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &q.first, 0 };

static struct share *shares;
static const char *volume = "/mnt/vol1";

static int sh(const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(buf)) {
		syslog(LOG_ERR, "command too long");
		return -1;
	}
	rc = system(buf);
	if (rc)
		syslog(LOG_WARNING, "exit %d", rc);
	return rc;
}

static const char *job_get(const struct job *j, const char *key)
{
	int i;

	for (i = 0; i < j->nparams; i++)
		if (!strcasecmp(j->params[i].key, key))
			return j->params[i].val;
	return NULL;
}

static int bad_name(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len >= sizeof(((struct share *)0)->name))
		return 1;
#ifdef BENIGN
	if (!isalnum((unsigned char)s[0]))
		return 1;
	while (*s) {
		if (!isalnum((unsigned char)*s) && *s != '-' && *s != '_')
			return 1;
		s++;
	}
	return 0;
#else
	if (s[0] == '-' || s[0] == '.')
		return 1;
	return strpbrk(s, ";|&<>\"'\\/*?") != NULL;
#endif
}

static struct share *share_find(const char *name)
{
	struct share *s;

	for (s = shares; s; s = s->next)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}

static void write_smb(void)
{
	FILE *f = fopen("/tmp/smb.shares", "w");
	struct share *s;

	if (!f)
		return;
	for (s = shares; s; s = s->next) {
		fprintf(f, "[%s]\n\tpath = %s/%s\n", s->name, volume, s->name);
		fprintf(f, "\tcomment = %s\n\tread only = %s\n", s->comment, s->read_only ? "yes" : "no");
	}
	fclose(f);
}

static int do_share_add(struct job *j)
{
	const char *name = job_get(j, "name"), *v;
	struct share *s;

	if (!name || bad_name(name)) {
		syslog(LOG_NOTICE, "share-add: bad name");
		return -EINVAL;
	}
	s = share_find(name);
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		strcpy(s->name, name);
		s->next = shares;
		shares = s;
	}
	if ((v = job_get(j, "quota")))
		s->quota_mb = (unsigned)strtoul(v, NULL, 10);
	if ((v = job_get(j, "comment")))
		snprintf(s->comment, sizeof(s->comment), "%s", v);
	if ((v = job_get(j, "ro")))
		s->read_only = *v == '1' || *v == 'y';
	write_smb();
	return 0;
}

static int do_share_del(struct job *j)
{
	const char *name = job_get(j, "name");
	struct share **pp, *s;

	for (pp = &shares; name && (s = *pp); pp = &s->next) {
		if (strcmp(s->name, name))
			continue;
		*pp = s->next;
		free(s);
		write_smb();
		return 0;
	}
	return -ENOENT;
}

static int do_commit(struct job *j)
{
	struct share *s;
	int rc = 0;

	(void)j;
	for (s = shares; s; s = s->next) {
		rc |= sh("mkdir -p %s/%s", volume, s->name);
		if (s->quota_mb)
			rc |= sh("quotatool -d %u %s/%s", s->quota_mb, volume, s->name);
	}
	rc |= sh("killall -HUP smbd");
	return rc ? -EIO : 0;
}

static int do_spindown(struct job *j)
{
	const char *v = job_get(j, "minutes");
	int m = v ? atoi(v) : 20;

	if (m < 1 || m > 240)
		return -ERANGE;
	return sh("hdparm -S %d /dev/sda /dev/sdb", m * 12 > 240 ? 240 : m * 12);
}

static const struct verb verbs[] = {
	{ "share-add", do_share_add, 1 },
	{ "share-del", do_share_del, 1 },
	{ "commit", do_commit, 0 },
	{ "spindown", do_spindown, 1 },
	{ NULL, NULL, 0 },
};

static void *worker(void *arg)
{
	struct job *j;
	int rc;

	(void)arg;
	for (;;) {
		pthread_mutex_lock(&q.lock);
		while (!q.first)
			pthread_cond_wait(&q.wake, &q.lock);
		j = q.first;
		q.first = j->next;
		if (!q.first)
			q.last = &q.first;
		q.count--;
		pthread_mutex_unlock(&q.lock);

		rc = j->verb->run(j);
		syslog(LOG_INFO, "%s: %d after %ld s", j->verb->name, rc, (long)(time(NULL) - j->queued));
		free(j);
	}
	return NULL;
}

/* "NAS/1.1 share-add name=music quota=2000 comment=Music" */
static struct job *parse(const char *line)
{
	const struct verb *v;
	struct job *j;
	char *tok, *save = NULL, *eq;

	if (strncmp(line, NASM_HELLO, strlen(NASM_HELLO)))
		return NULL;
	j = calloc(1, sizeof(*j));
	if (!j)
		return NULL;
	snprintf(j->text, sizeof(j->text), "%s", line + strlen(NASM_HELLO));
	tok = strtok_r(j->text, " \t\r", &save);
	for (v = verbs; tok && v->name; v++)
		if (!strcmp(v->name, tok))
			break;
	if (!tok || !v->name)
		goto bad;
	j->verb = v;
	while (j->nparams < MAX_PARAMS && (tok = strtok_r(NULL, " \t\r", &save))) {
		eq = strchr(tok, '=');
		if (!eq)
			goto bad;
		*eq = '\0';
		j->params[j->nparams].key = tok;
		j->params[j->nparams++].val = eq + 1;
	}
	if (j->nparams < (int)v->min_params)
		goto bad;
	j->queued = time(NULL);
	return j;
bad:
	free(j);
	return NULL;
}

static int enqueue(struct job *j)
{
	int ok;

	pthread_mutex_lock(&q.lock);
	ok = q.count < QUEUE_LIMIT;
	if (ok) {
		*q.last = j;
		q.last = &j->next;
		q.count++;
		pthread_cond_signal(&q.wake);
	}
	pthread_mutex_unlock(&q.lock);
	return ok;
}

static void serve(int fd)
{
	char buf[LINE_LEN];
	size_t have = 0;
	ssize_t n;
	char *nl;

	while ((n = recv(fd, buf + have, sizeof(buf) - 1 - have, 0)) > 0) {
		have += n;
		buf[have] = '\0';
		while ((nl = memchr(buf, '\n', have))) {
			struct job *j;

			*nl++ = '\0';
			j = parse(buf);
			if (j && enqueue(j)) {
				send(fd, "+queued\n", 8, MSG_NOSIGNAL);
			} else {
				free(j);
				send(fd, "-error\n", 7, MSG_NOSIGNAL);
			}
			have -= nl - buf;
			memmove(buf, nl, have + 1);
		}
		if (have == sizeof(buf) - 1)
			return;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(NASM_PORT) };
	int s, c, one = 1;
	pthread_t tid;

	if (argc > 1)
		volume = argv[1];
	openlog("nasmgrd", LOG_PID, LOG_DAEMON);
	signal(SIGPIPE, SIG_IGN);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 4)) {
		syslog(LOG_ERR, "bind: %s", strerror(errno));
		return 1;
	}
	if (pthread_create(&tid, NULL, worker, NULL))
		return 1;
	while ((c = accept(s, NULL, NULL)) >= 0 || errno == EINTR) {
		if (c < 0)
			continue;
		serve(c);
		close(c);
	}
	return 0;
}
