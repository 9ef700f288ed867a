/*
 * imgstore.c - storage node of the intra-oral imaging box
 *
 * The sensor software pushes one study per connection: preamble of 16 bytes,
 * then implicit VR little endian data elements, pixel data last.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <ctype.h>
#include <errno.h>
#include <unistd.h>
#include <time.h>
#include <signal.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define TAG(g, e)        ((uint32_t)(g) << 16 | (e))
#define TAG_MODALITY     TAG(0x0008, 0x0060)
#define TAG_PAT_NAME     TAG(0x0010, 0x0010)
#define TAG_PAT_ID       TAG(0x0010, 0x0020)
#define TAG_TOOTH        TAG(0x0018, 0x1030)
#define TAG_ROWS         TAG(0x0028, 0x0010)
#define TAG_COLS         TAG(0x0028, 0x0011)
#define TAG_PIXELS       TAG(0x7fe0, 0x0010)

#define MAX_TEXT   512
#define MAX_PIXELS (16u << 20)

typedef struct Study Study;
struct Study {
	Study    *next;
	char     *patientId;
	char     *patientName;
	char      modality[4];
	int       tooth;
	uint16_t  rows, cols;
	uint8_t  *pixels;
	uint32_t  pixelLen;
	time_t    arrived;
};

static pthread_mutex_t queueLock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  queueCond = PTHREAD_COND_INITIALIZER;
static Study *queueHead, **queueTail = &queueHead;
static unsigned stored, rejected;
static const char *imageRoot = "/data/img";

static void StudyFree(Study *s)
{
	free(s->patientId);
	free(s->patientName);
	free(s->pixels);
	free(s);
}

/* ----------------------------------------------------------- input side */

static int ReadAll(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len > 0) {
		ssize_t n = read(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int Skip(int fd, uint32_t len)
{
	char junk[256];

	while (len) {
		uint32_t n = len < sizeof junk ? len : (uint32_t)sizeof junk;
		if (ReadAll(fd, junk, n) < 0)
			return -1;
		len -= n;
	}
	return 0;
}

/* a text element: letters, digits and a few signs, trailing blanks cut */
static char *ReadText(int fd, uint32_t len)
{
	char text[MAX_TEXT + 1];
	uint32_t i;

	if (len == 0 || len > MAX_TEXT || ReadAll(fd, text, len) < 0)
		return NULL;
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\0'))
		len--;
	text[len] = '\0';
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '-')
			text[i] = '_';
	return strdup(text);
}

static int ReadU16(int fd, uint32_t len, uint16_t *out)
{
	uint8_t b[2];

	if (len != 2 || ReadAll(fd, b, 2) < 0)
		return -1;
	*out = (uint16_t)(b[0] | b[1] << 8);
	return 0;
}

static int ReadElement(int fd, Study *s, int *last)
{
	uint8_t h[8];
	uint32_t tag, len;
	uint16_t v;
	char *t;

	if (ReadAll(fd, h, sizeof h) < 0)
		return -1;
	tag = TAG(h[0] | h[1] << 8, h[2] | h[3] << 8);
	len = h[4] | (uint32_t)h[5] << 8 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 24;

	switch (tag) {
	case TAG_PAT_ID:
		free(s->patientId);
		s->patientId = ReadText(fd, len);
		return s->patientId ? 0 : -1;
	case TAG_PAT_NAME:
		free(s->patientName);
		s->patientName = ReadText(fd, len);
		return s->patientName ? 0 : -1;
	case TAG_MODALITY:
		t = ReadText(fd, len);
		if (!t)
			return -1;
		strncpy(s->modality, t, sizeof s->modality - 1);
		free(t);
		return 0;
	case TAG_TOOTH:
		if (ReadU16(fd, len, &v) < 0 || v > 85)
			return -1;
		s->tooth = v;
		return 0;
	case TAG_ROWS:
		return ReadU16(fd, len, &s->rows);
	case TAG_COLS:
		return ReadU16(fd, len, &s->cols);
	case TAG_PIXELS:
		if (len == 0 || len > MAX_PIXELS || s->pixels)
			return -1;
		s->pixels = malloc(len);
		if (!s->pixels || ReadAll(fd, s->pixels, len) < 0)
			return -1;
		s->pixelLen = len;
		*last = 1;
		return 0;
	default:
		return Skip(fd, len);
	}
}

static void *Receive(void *arg)
{
	int fd = (int)(intptr_t)arg, last = 0;
	char preamble[16];
	Study *s = calloc(1, sizeof *s);

	if (!s || ReadAll(fd, preamble, sizeof preamble) < 0)
		goto bad;
	strcpy(s->modality, "IO");
	while (!last)
		if (ReadElement(fd, s, &last) < 0)
			goto bad;
	if (!s->patientId || !s->patientName || (uint32_t)s->rows * s->cols > s->pixelLen)
		goto bad;
	s->arrived = time(NULL);

	pthread_mutex_lock(&queueLock);
	*queueTail = s;
	queueTail = &s->next;
	pthread_cond_signal(&queueCond);
	pthread_mutex_unlock(&queueLock);
	write(fd, "\x00\x00", 2);
	close(fd);
	return NULL;
bad:
	rejected++;
	write(fd, "\x01\x10", 2);
	close(fd);
	if (s)
		StudyFree(s);
	return NULL;
}

/* --------------------------------------------------------- storage side */

static int Store(const Study *s)
{
	char path[128];
	FILE *f;
	size_t n;

	mkdir(imageRoot, 0750);
	if (snprintf(path, sizeof path, "%s/%s-%s-%s%02d-%ld.raw", imageRoot, s->patientId, s->patientName,
		     s->modality, s->tooth, (long)s->arrived) >= (int)sizeof path)
		return -1;
	f = fopen(path, "wb");
	if (!f) {
		fprintf(stderr, "imgstore: %s: %s\n", path, strerror(errno));
		return -1;
	}
	fprintf(f, "P5\n%u %u\n255\n", s->cols, s->rows);
	n = fwrite(s->pixels, 1, s->pixelLen, f);
	if (fclose(f) != 0 || n != s->pixelLen) {
		unlink(path);
		return -1;
	}
	return 0;
}

static void *StoreLoop(void *arg)
{
	(void)arg;
	for (;;) {
		struct timespec until;
		Study *s;

		pthread_mutex_lock(&queueLock);
		while (!queueHead) {
			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_sec += 60;
			if (pthread_cond_timedwait(&queueCond, &queueLock, &until) == ETIMEDOUT)
				fprintf(stderr, "imgstore: %u stored, %u rejected\n", stored, rejected);
		}
		s = queueHead;
		queueHead = s->next;
		if (!queueHead)
			queueTail = &queueHead;
		pthread_mutex_unlock(&queueLock);

		if (Store(s) == 0)
			stored++;
		else
			rejected++;
		StudyFree(s);
	}
	return NULL;
}

int main(void)
{
	struct sockaddr_in sa;
	pthread_t th;
	int ls, on = 1;

	signal(SIGPIPE, SIG_IGN);
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	memset(&sa, 0, sizeof sa);
	sa.sin_family = AF_INET;
	sa.sin_port = htons(11112);
	if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 4) < 0) {
		perror("imgstore");
		return 1;
	}
	pthread_create(&th, NULL, StoreLoop, NULL);
	for (;;) {
		int fd = accept(ls, NULL, NULL);

		if (fd < 0)
			continue;
		if (pthread_create(&th, NULL, Receive, (void *)(intptr_t)fd) != 0)
			close(fd);
		else
			pthread_detach(th);
	}
}
