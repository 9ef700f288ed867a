/*
 * lpsrvd.c - line printer daemon, PS-1 parallel/USB print server
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <unistd.h>
#include <fcntl.h>
#include <errno.h>
#include <time.h>
#include <poll.h>
#include <syslog.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define LPD_PORT	515
#define MAXQ		3
#define MAXJOBS		32
#define CF_MAX		8192

struct pqueue {
	char name[16];
	char dev[32];
	int  acct;
	int  printed;
};

struct job {
	struct job *next;
	struct pqueue *q;
	char host[32];
	char user[32];
	char title[100];
	long bytes;
	int  have_cf, have_df;
	time_t when;
};

static struct pqueue queues[MAXQ] = {
	{ "lp1", "/dev/lp0", 1, 0 },
	{ "lp2", "/dev/lp1", 1, 0 },
	{ "usb", "/dev/usb/lp0", 1, 0 },
};
static struct job *jobhead;
static int njobs;
static int uptime_ticks;
static volatile int stop_flag;

static void on_term(int s) { (void)s; stop_flag = 1; }

static int run_cmd(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(cmd))
		return -1;
	return system(cmd);
}

/* one line of the LPD dialogue, up to the newline */
static int get_line(int fd, char *buf, int size)
{
	int n = 0;
	char c;

	while (read(fd, &c, 1) == 1) {
		if (c == '\n') {
			buf[n] = 0;
			return n;
		}
		if (n >= size - 1)
			return -1;
		buf[n++] = c;
	}
	return -1;
}

static int get_bytes(int fd, char *buf, long want)
{
	long got = 0;
	while (got < want) {
		ssize_t r = read(fd, buf + got, want - got);
		if (r <= 0)
			return -1;
		got += r;
	}
	return 0;
}

static void ack(int fd, char code)
{
	if (write(fd, &code, 1) != 1)
		syslog(LOG_NOTICE, "peer gone");
}

static struct pqueue *find_queue(const char *name)
{
	int i;
	for (i = 0; i < MAXQ; i++)
		if (!strcmp(queues[i].name, name))
			return &queues[i];
	return NULL;
}

static struct job *new_job(struct pqueue *q)
{
	struct job *j;
	if (njobs >= MAXJOBS)
		return NULL;
	j = calloc(1, sizeof(*j));
	if (!j)
		return NULL;
	j->q = q;
	strcpy(j->user, "nobody");
	strcpy(j->host, "unknown");
	strcpy(j->title, "untitled");
	j->next = jobhead;
	jobhead = j;
	njobs++;
	return j;
}

static void only_alnum(char *dst, const char *src, int size)
{
	int n = 0;
	while (*src && n < size - 1) {
		if (isalnum((unsigned char)*src))
			dst[n++] = *src;
		src++;
	}
	dst[n] = 0;
}

/* titles land in the accounting log between double quotes */
static void clean_title(char *t)
{
	for (; *t; t++) {
		switch (*t) {
		case ';': case '|': case '&':
		case '<': case '>': case '"':
		case '\\': case '\'': case '\r':
			*t = '_';
			break;
		}
	}
}

static void cf_host(struct job *j, char *a) { only_alnum(j->host, a, sizeof(j->host)); }
static void cf_user(struct job *j, char *a) { only_alnum(j->user, a, sizeof(j->user)); }

static void cf_title(struct job *j, char *a)
{
	strncpy(j->title, a, sizeof(j->title) - 1);
	j->title[sizeof(j->title) - 1] = 0;
	clean_title(j->title);
}

static void cf_ignore(struct job *j, char *a)
{
	(void)j;
	syslog(LOG_DEBUG, "control line of %d bytes skipped", (int)strlen(a));
}

static const struct { char key; void (*fn)(struct job *, char *); } cf_tab[] = {
	{ 'H', cf_host }, { 'P', cf_user }, { 'J', cf_title },
	{ 'N', cf_ignore }, { 'U', cf_ignore }, { 'f', cf_ignore },
	{ 'l', cf_ignore }, { 0, NULL }
};

static void parse_control(struct job *j, char *text)
{
	char *line;
	int i;

	while ((line = strsep(&text, "\n")) != NULL) {
		if (!*line)
			continue;
		for (i = 0; cf_tab[i].fn; i++)
			if (cf_tab[i].key == line[0]) {
				cf_tab[i].fn(j, line + 1);
				break;
			}
	}
	j->have_cf = 1;
}

static int recv_control(int fd, struct job *j, long cnt)
{
	char *text, z;

	if (cnt <= 0 || cnt > CF_MAX)
		return -1;
	text = malloc(cnt + 1);
	if (!text)
		return -1;
	if (get_bytes(fd, text, cnt) < 0 || get_bytes(fd, &z, 1) < 0) {
		free(text);
		return -1;
	}
	text[cnt] = 0;
	parse_control(j, text);
	free(text);
	return 0;
}

static int recv_data(int fd, struct job *j, long cnt)
{
	char blk[1024], z;
	int out = open(j->q->dev, O_WRONLY | O_NONBLOCK);

	while (cnt > 0) {
		long want = cnt > (long)sizeof(blk) ? (long)sizeof(blk) : cnt;
		if (get_bytes(fd, blk, want) < 0)
			break;
		if (out >= 0 && write(out, blk, want) < 0)
			syslog(LOG_WARNING, "device write failed");
		j->bytes += want;
		cnt -= want;
	}
	if (out >= 0)
		close(out);
	if (cnt > 0 || get_bytes(fd, &z, 1) < 0)
		return -1;
	j->have_df = 1;
	j->when = time(NULL);
	return 0;
}

static void receive_job(int fd, struct pqueue *q)
{
	char line[256];
	struct job *j = new_job(q);

	if (!j) {
		ack(fd, 1);
		return;
	}
	ack(fd, 0);
	while (get_line(fd, line, sizeof(line)) > 0) {
		long cnt = atol(line + 1);
		ack(fd, 0);
		if (line[0] == 2) {
			if (recv_control(fd, j, cnt) < 0)
				return;
		} else if (line[0] == 3) {
			if (recv_data(fd, j, cnt) < 0)
				return;
		} else
			return;
		ack(fd, 0);
	}
}

static void send_queue(int fd, struct pqueue *q)
{
	char line[160];
	struct job *j;
	int n;

	n = snprintf(line, sizeof(line), "%s is ready, %d printed\n", q->name, q->printed);
	write(fd, line, n);
	for (j = jobhead; j; j = j->next)
		if (j->q == q) {
			n = snprintf(line, sizeof(line), "%-16.16s %ld bytes\n", j->user, j->bytes);
			write(fd, line, n);
		}
}

static void serve(int fd)
{
	char line[128];
	struct pqueue *q;

	if (get_line(fd, line, sizeof(line)) < 1)
		return;
	line[1 + strcspn(line + 1, " \t\r")] = 0;
	q = find_queue(line + 1);
	if (!q) {
		ack(fd, 1);
		return;
	}
	switch (line[0]) {
	case 2: receive_job(fd, q); break;
	case 3: case 4: send_queue(fd, q); break;
	default: ack(fd, 1);
	}
}

static void account(struct job *j)
{
	if (j->q->acct)
		run_cmd("/usr/sbin/lpacct -q %s -u %s -h %s -b %ld -t \"%s\"",
			j->q->name, j->user, j->host, j->bytes, j->title);
	j->q->printed++;
}

/* called about once a second */
static void tick(void)
{
	struct job **pp = &jobhead, *j;
	time_t now = time(NULL);

	uptime_ticks++;
	while ((j = *pp) != NULL) {
		if (j->have_cf && j->have_df && now - j->when >= 2) {
			*pp = j->next;
			account(j);
			free(j);
			njobs--;
		} else
			pp = &j->next;
	}
}

int main(void)
{
	struct sockaddr_in sa;
	struct pollfd pf;
	int s, c, on = 1;

	openlog("lpsrvd", LOG_PID, LOG_LPR);
	signal(SIGTERM, on_term);
	signal(SIGPIPE, SIG_IGN);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(LPD_PORT);
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 4) < 0)
		return 1;
	while (!stop_flag) {
		pf.fd = s;
		pf.events = POLLIN;
		if (poll(&pf, 1, 1000) > 0 && (c = accept(s, NULL, NULL)) >= 0) {
			struct timeval tv = { 20, 0 };
			setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
			serve(c);
			close(c);
		}
		tick();
	}
	return 0;
}
