/*
 * labeld - raw port of the LP-2 label printer, a subset of ZPL.
 *
 *   ^XA .. ^XZ   label format: ^FO ^FD ^PQ
 *   ~DYname,total<LF><total bytes>    download of an image to a slot
 *   ~JA          cancel all
 *   ~HS          host status
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <signal.h>
#include <syslog.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define RAW_PORT	9100
#define N_SLOTS		6
#define SLOT_BYTES	8192
#define MAX_FIELDS	20

typedef unsigned char u8;

typedef struct {
	char name[12];
	long length;
	u8 *data;
} slot_t;

typedef struct {
	int x, y;
	char text[64];
} field_t;

static slot_t slots[N_SLOTS];
static field_t fields[MAX_FIELDS];
static int n_fields, copies, in_label, cur_x, cur_y;
static int darkness = 10, speed = 3;
static unsigned long labels_done;
static FILE *conn;

static void slots_init(void)
{
	int i;

	for (i = 0; i < N_SLOTS; i++) {
		slots[i].data = malloc(SLOT_BYTES);
		if (!slots[i].data) {
			syslog(LOG_ERR, "no memory for slot %d", i);
			exit(1);
		}
	}
}

static void load_settings(void)
{
	FILE *f = fopen("/etc/labeld.conf", "r");
	char l[64];

	if (!f)
		return;
	while (fgets(l, sizeof(l), f)) {
		if (!strncmp(l, "darkness=", 9))
			darkness = atoi(l + 9);
		else if (!strncmp(l, "speed=", 6))
			speed = atoi(l + 6);
	}
	fclose(f);
}

static slot_t *slot_for(const char *name)
{
	int i;

	for (i = 0; i < N_SLOTS; i++)
		if (!strcmp(slots[i].name, name))
			return &slots[i];
	for (i = 0; i < N_SLOTS; i++)
		if (!slots[i].name[0])
			return &slots[i];
	return NULL;
}

/* text up to the next command or line end; the terminator stays unread */
static void take_text(char *out, int cap)
{
	int c, n = 0;

	while ((c = getc(conn)) != EOF) {
		if (c == '^' || c == '~' || c == '\n') {
			ungetc(c, conn);
			break;
		}
		if (n < cap - 1 && c != '\r')
			out[n++] = (char)c;
	}
	out[n] = 0;
}

static void cmd_xa(char *arg)
{
	(void)arg;
	n_fields = 0;
	copies = 1;
	in_label = 1;
	cur_x = cur_y = 0;
}

static void cmd_fo(char *arg)
{
	cur_x = atoi(arg);
	arg = strchr(arg, ',');
	cur_y = arg ? atoi(arg + 1) : 0;
}

static void cmd_fd(char *arg)
{
	field_t *f;

	if (!in_label || n_fields >= MAX_FIELDS)
		return;
	f = &fields[n_fields++];
	f->x = cur_x;
	f->y = cur_y;
	strncpy(f->text, arg, sizeof(f->text) - 1);
	f->text[sizeof(f->text) - 1] = 0;
}

static void cmd_pq(char *arg)
{
	copies = atoi(arg);
	if (copies < 1 || copies > 999)
		copies = 1;
}

static void cmd_xz(char *arg)
{
	FILE *head;
	int i, k;

	(void)arg;
	if (!in_label)
		return;
	in_label = 0;
	head = fopen("/dev/thermal0", "w");
	if (!head) {
		syslog(LOG_WARNING, "print head: %s", strerror(errno));
		return;
	}
	for (k = 0; k < copies; k++) {
		fprintf(head, "S%d D%d\n", speed, darkness);
		for (i = 0; i < n_fields; i++)
			fprintf(head, "T%d,%d,%s\n", fields[i].x, fields[i].y, fields[i].text);
		fprintf(head, "F\n");
		labels_done++;
	}
	fclose(head);
}

static void skip_bytes(long n)
{
	while (n-- > 0 && getc(conn) != EOF)
		;
}

static void cmd_dy(char *arg)
{
	char *comma = strchr(arg, ',');
	slot_t *s;
	long total;

	if (!comma)
		return;
	*comma++ = 0;
	total = strtol(comma, NULL, 10);
	if (getc(conn) != '\n')
		return;
	if (total <= 0)
		return;
	s = slot_for(arg);
	if (!s || strlen(arg) >= sizeof(s->name)) {
		skip_bytes(total);
		return;
	}
	strcpy(s->name, arg);
	s->length = (long)fread(s->data, 1, (size_t)total, conn);
	if (s->length != total)
		syslog(LOG_NOTICE, "image %s is short", s->name);
	else
		syslog(LOG_INFO, "image %s stored", s->name);
}

static void cmd_xg(char *arg)
{
	slot_t *s;
	FILE *head;

	s = slot_for(arg);
	if (!s || !s->name[0] || s->length <= 0 || s->length > SLOT_BYTES)
		return;
	head = fopen("/dev/thermal0", "w");
	if (head) {
		fprintf(head, "I%d,%d,%ld\n", cur_x, cur_y, s->length);
		fwrite(s->data, 1, (size_t)s->length, head);
		fclose(head);
	}
}

static void cmd_ja(char *arg)
{
	(void)arg;
	in_label = 0;
	n_fields = 0;
}

static void cmd_hs(char *arg)
{
	char b[64];

	(void)arg;
	sprintf(b, "\002%03d,%d,%d,%lu\003\r\n", copies % 1000, in_label, darkness, labels_done);
	send(fileno(conn), b, strlen(b), MSG_NOSIGNAL);
}

static const struct {
	char prefix;
	char word[3];
	void (*run)(char *);
} table[] = {
	{ '^', "XA", cmd_xa }, { '^', "XZ", cmd_xz }, { '^', "FO", cmd_fo },
	{ '^', "FD", cmd_fd }, { '^', "PQ", cmd_pq }, { '^', "XG", cmd_xg },
	{ '~', "DY", cmd_dy }, { '~', "JA", cmd_ja }, { '~', "HS", cmd_hs },
};

static void run_job(void)
{
	int c, i;
	char w[3], arg[128];

	while ((c = getc(conn)) != EOF) {
		if (c != '^' && c != '~')
			continue;
		w[0] = (char)getc(conn);
		w[1] = (char)getc(conn);
		w[2] = 0;
		take_text(arg, sizeof(arg));
		for (i = 0; i < (int)(sizeof(table) / sizeof(table[0])); i++)
			if (table[i].prefix == c && !strcmp(table[i].word, w)) {
				table[i].run(arg);
				break;
			}
	}
}

static void idle_alarm(int sig)
{
	(void)sig;
	/* only interrupts the blocking read */
}

int main(void)
{
	struct sockaddr_in a;
	struct sigaction sa;
	int ls, fd, on = 1;

	openlog("labeld", LOG_PID, LOG_LPR);
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = idle_alarm;
	sigaction(SIGALRM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	load_settings();
	slots_init();
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons(RAW_PORT);
	if (bind(ls, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(ls, 1) < 0) {
		syslog(LOG_ERR, "port %d: %s", RAW_PORT, strerror(errno));
		return 1;
	}
	for (;;) {
		fd = accept(ls, NULL, NULL);
		if (fd < 0)
			continue;
		conn = fdopen(fd, "r");
		if (!conn) {
			close(fd);
			continue;
		}
		alarm(120);
		run_job();
		alarm(0);
		fclose(conn);
	}
}
