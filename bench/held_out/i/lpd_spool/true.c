// lpd.c -- RFC1179 front end for receipt printers
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <signal.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>

typedef unsigned char u8;

#define MAXCTL  4096
#define MAXDATA (8u << 20)
#define LOGD(...) do { if (gDebug) fprintf(stderr, "[lpd] " __VA_ARGS__); } while (0)

typedef struct PrintJob {
	struct PrintJob *next;
	unsigned  seq;
	int       hasBanner;
	int       copies;
	char      host[64];
	char      user[64];
	char      title[128];
	char      dataPath[64];
} PrintJob;

typedef struct {
	pthread_mutex_t mtx;
	pthread_cond_t  cv;
	PrintJob *head, **tail;
	int depth;
} JobQueue;

static int gDebug;
static unsigned gSeq = 100;
static JobQueue gQueue = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL, 0 };

static void QueuePut(JobQueue *q, PrintJob *j)
{
	pthread_mutex_lock(&q->mtx);
	j->next = NULL;
	if (!q->head) q->head = j;
	else          *q->tail = j;
	q->tail = &j->next;
	q->depth++;
	pthread_cond_signal(&q->cv);
	pthread_mutex_unlock(&q->mtx);
}

static PrintJob *QueueTake(JobQueue *q)
{
	PrintJob *j;
	pthread_mutex_lock(&q->mtx);
	while (!q->head)
		pthread_cond_wait(&q->cv, &q->mtx);
	j = q->head;
	q->head = j->next;
	q->depth--;
	pthread_mutex_unlock(&q->mtx);
	return j;
}

/* ---- control file lines ------------------------------------------- */

static void SetField(char *dst, size_t sz, const char *arg)
{
	strncpy(dst, arg, sz - 1);
	dst[sz - 1] = 0;
}

static void CtlHost(PrintJob *j, const char *a)   { SetField(j->host, sizeof j->host, a); }
static void CtlUser(PrintJob *j, const char *a)   { SetField(j->user, sizeof j->user, a); }
static void CtlTitle(PrintJob *j, const char *a)  { SetField(j->title, sizeof j->title, a); }
static void CtlBanner(PrintJob *j, const char *a) { (void)a; j->hasBanner = 1; }
static void CtlPrint(PrintJob *j, const char *a)  { (void)a; if (j->copies < 9) j->copies++; }

static void (*const ctlTable[26 * 2])(PrintJob *, const char *) = {
	['H' - 'A'] = CtlHost,
	['P' - 'A'] = CtlUser,
	['J' - 'A'] = CtlTitle,
	['L' - 'A'] = CtlBanner,
	[26 + 'f' - 'a'] = CtlPrint,
	[26 + 'l' - 'a'] = CtlPrint,
	[26 + 'o' - 'a'] = CtlPrint,
};

static void ParseControl(PrintJob *j, char *text)
{
	char *line;
	while ((line = strsep(&text, "\n")) != NULL) {
		int idx = -1;
		if (*line >= 'A' && *line <= 'Z') idx = *line - 'A';
		if (*line >= 'a' && *line <= 'z') idx = 26 + *line - 'a';
		if (idx >= 0 && ctlTable[idx])
			ctlTable[idx](j, line + 1);
	}
}

/* ---- connection side ---------------------------------------------- */

static int ReadFull(int fd, void *p, size_t n)
{
	u8 *b = p;
	while (n) {
		ssize_t k = recv(fd, b, n, 0);
		if (k <= 0) return -1;
		b += k; n -= k;
	}
	return 0;
}

static int ReadLine(int fd, char *dst, int sz)
{
	int n = 0;
	char c;
	while (n < sz - 1) {
		if (recv(fd, &c, 1, 0) != 1) return -1;
		if (c == '\n') break;
		dst[n++] = c;
	}
	dst[n] = 0;
	return n;
}

static void Ack(int fd, u8 code) { send(fd, &code, 1, MSG_NOSIGNAL); }

static int TakeControl(int fd, unsigned long len, PrintJob *j)
{
	char *txt;
	u8 z;
	if (len == 0 || len > MAXCTL) return -1;
	txt = malloc(len + 1);
	if (!txt) return -1;
	Ack(fd, 0);
	if (ReadFull(fd, txt, len) || ReadFull(fd, &z, 1)) { free(txt); return -1; }
	txt[len] = 0;
	ParseControl(j, txt);
	free(txt);
	Ack(fd, 0);
	return 0;
}

static int TakeData(int fd, unsigned long len, PrintJob *j)
{
	static char chunk[8192];
	int out;
	u8 z;
	if (len > MAXDATA) return -1;
	snprintf(j->dataPath, sizeof j->dataPath, "/var/spool/lpd/df%06u", j->seq);
	out = open(j->dataPath, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (out < 0) return -1;
	Ack(fd, 0);
	while (len) {
		size_t want = len < sizeof chunk ? len : sizeof chunk;
		if (ReadFull(fd, chunk, want)) { close(out); return -1; }
		if (write(out, chunk, want) < 0) LOGD("spool full\n");
		len -= want;
	}
	close(out);
	if (ReadFull(fd, &z, 1)) return -1;
	Ack(fd, 0);
	return 0;
}

static void ReceiveJob(int fd)
{
	char line[128];
	PrintJob *j = calloc(1, sizeof *j);
	if (!j) return;
	j->seq = ++gSeq;
	Ack(fd, 0);
	while (ReadLine(fd, line, sizeof line) > 0) {
		unsigned long len = strtoul(line + 1, NULL, 10);
		int rc = -1;
		switch (line[0]) {
		case 1: free(j); return;                /* abort */
		case 2: rc = TakeControl(fd, len, j); break;
		case 3: rc = TakeData(fd, len, j); break;
		}
		if (rc) { Ack(fd, 1); free(j); return; }
	}
	if (j->dataPath[0]) QueuePut(&gQueue, j);
	else free(j);
}

/* ---- printing side ------------------------------------------------- */

/* put a title between single quotes, dropping separators */
static int QuoteArg(char *dst, size_t sz, const char *s)
{
	size_t n = 0;
	dst[n++] = '\'';
	for (; *s; s++) {
		if (*s == ';' || *s == '|' || *s == '&') continue;
		if (n + 3 > sz) return -1;
		dst[n++] = *s;
	}
	dst[n++] = '\'';
	dst[n] = 0;
	return 0;
}

static void PrintBanner(const PrintJob *j, FILE *prn)
{
	char arg[600], cmd[700], row[160];
	FILE *p;
	if (QuoteArg(arg, sizeof arg, j->title[0] ? j->title : "untitled") < 0) return;
	snprintf(cmd, sizeof cmd, "/usr/bin/figlet -w 42 -- %s", arg);
	p = popen(cmd, "r");
	if (!p) return;
	while (fgets(row, sizeof row, p)) fputs(row, prn);
	pclose(p);
	fprintf(prn, "%s@%s job %u\n\f", j->user, j->host, j->seq);
}

static void CopyData(const PrintJob *j, FILE *prn)
{
	char b[1024];
	size_t n;
	FILE *d = fopen(j->dataPath, "rb");
	if (!d) return;
	while ((n = fread(b, 1, sizeof b, d)) > 0) fwrite(b, 1, n, prn);
	fclose(d);
}

static void *Printer(void *arg)
{
	(void)arg;
	for (;;) {
		PrintJob *j = QueueTake(&gQueue);
		FILE *prn = fopen("/dev/usb/lp0", "wb");
		if (prn) {
			int i;
			if (j->hasBanner) PrintBanner(j, prn);
			for (i = 0; i < (j->copies ? j->copies : 1); i++) CopyData(j, prn);
			fclose(prn);
		}
		unlink(j->dataPath);
		free(j);
	}
	return NULL;
}

static void SendState(int fd)
{
	char s[64];
	int n = snprintf(s, sizeof s, "lp is ready, %d queued\n", gQueue.depth);
	send(fd, s, n, MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(515) };
	pthread_t t;
	int s, one = 1;

	gDebug = argc > 1 && !strcmp(argv[1], "-d");
	signal(SIGPIPE, SIG_IGN);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 4)) { perror("lpd"); return 1; }
	pthread_create(&t, NULL, Printer, NULL);
	for (;;) {
		char q[64];
		int c = accept(s, NULL, NULL);
		if (c < 0) continue;
		if (ReadLine(c, q, sizeof q) > 0) {
			LOGD("cmd %d queue %s\n", q[0], q + 1);
			if (q[0] == 2) ReceiveJob(c);
			else if (q[0] == 3 || q[0] == 4) SendState(c);
		}
		close(c);
	}
}
