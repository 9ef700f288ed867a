/*****************************************************************************
 * chartsync.c - fetches chart tiles from the bridge server for the plotter
 *
 * Frame (big endian):
 *   0  u16 magic 0x4353 "CS"
 *   2  u8  version (1)
 *   3  u8  kind
 *   4  u16 length of payload
 *   6  payload
 *****************************************************************************/
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CS_PORT      20110
#define CS_HDR       6
#define CS_MAXPAY    1024
#define CS_MAXJOBS   40

enum cs_kind { CS_PING = 1, CS_POSITION, CS_FETCH, CS_CANCEL, CS_LIST };

struct job {
	struct job *next;
	uint16_t    id;
	uint8_t     server[4];
	time_t      when;
	char       *tile;
};

static struct job *g_jobs;
static int         g_njobs;
static uint16_t    g_lastid;
static int32_t     g_lat, g_lon;
static unsigned    g_done, g_failed;

static uint16_t rd16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static int32_t  rd32(const uint8_t *p)
{
	return (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

static void reply(int fd, uint8_t kind, const void *pay, uint16_t len)
{
	uint8_t f[CS_HDR + 256];

	if (len > 256)
		len = 256;
	f[0] = 0x43; f[1] = 0x53; f[2] = 1; f[3] = kind | 0x80;
	f[4] = (uint8_t)(len >> 8); f[5] = (uint8_t)len;
	memcpy(f + CS_HDR, pay, len);
	send(fd, f, CS_HDR + (size_t)len, MSG_NOSIGNAL);
}

/*---------------------------------------------------------------------------*/
/* running of a job                                                          */

static int fetch(const struct job *j)
{
	char local[32], host[20], line[120];
	int pp[2], st;
	pid_t pid;
	FILE *p;

	snprintf(host, sizeof(host), "%u.%u.%u.%u", j->server[0], j->server[1],
		 j->server[2], j->server[3]);
	snprintf(local, sizeof(local), "/tmp/tile.%u", j->id);
	if (pipe(pp) < 0)
		return -1;
	pid = fork();
	if (pid < 0) {
		close(pp[0]);
		close(pp[1]);
		return -1;
	}
	if (pid == 0) {
		dup2(pp[1], 1);
		dup2(pp[1], 2);
		close(pp[0]);
		execlp("tftp", "tftp", "-g", "-l", local, "-r", j->tile, host, (char *)NULL);
		_exit(127);
	}
	close(pp[1]);
	p = fdopen(pp[0], "r");
	while (p && fgets(line, sizeof(line), p))
		fprintf(stderr, "tftp: %s", line);
	if (p)
		fclose(p);
	if (waitpid(pid, &st, 0) < 0)
		return -1;
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void drop(struct job **pp)
{
	struct job *j = *pp;

	*pp = j->next;
	free(j->tile);
	free(j);
	g_njobs--;
}

static void run_due(void)
{
	struct job **pp = &g_jobs;
	time_t now = time(NULL);

	while (*pp) {
		if ((*pp)->when > now) {
			pp = &(*pp)->next;
			continue;
		}
		if (fetch(*pp) == 0)
			g_done++;
		else
			g_failed++;
		drop(pp);
	}
}

/*---------------------------------------------------------------------------*/
/* handlers: one for each kind                                               */

static void on_ping(int fd, const uint8_t *p, uint16_t len)
{
	reply(fd, CS_PING, p, len);
}

static void on_position(int fd, const uint8_t *p, uint16_t len)
{
	if (len != 8)
		return;
	g_lat = rd32(p);
	g_lon = rd32(p + 4);
	reply(fd, CS_POSITION, "", 0);
}

/* payload: ipv4[4] delay(u16) tile name */
static void on_fetch(int fd, const uint8_t *p, uint16_t len)
{
	struct job *j;
	uint8_t ans[2] = { 0, 0 };

	if (len < 7 || g_njobs >= CS_MAXJOBS) {
		reply(fd, CS_FETCH, ans, 2);
		return;
	}
	j = calloc(1, sizeof(*j));
	if (!j)
		return;
	memcpy(j->server, p, 4);
	j->when = time(NULL) + rd16(p + 4);
	j->tile = malloc((size_t)len - 6 + 1);
	if (!j->tile) {
		free(j);
		return;
	}
	memcpy(j->tile, p + 6, (size_t)len - 6);
	j->tile[len - 6] = '\0';
	if (++g_lastid == 0)
		g_lastid = 1;
	j->id = g_lastid;
	j->next = g_jobs;
	g_jobs = j;
	g_njobs++;
	ans[0] = (uint8_t)(j->id >> 8);
	ans[1] = (uint8_t)j->id;
	reply(fd, CS_FETCH, ans, 2);
}

static void on_cancel(int fd, const uint8_t *p, uint16_t len)
{
	struct job **pp;

	if (len != 2)
		return;
	for (pp = &g_jobs; *pp; pp = &(*pp)->next) {
		if ((*pp)->id == rd16(p)) {
			drop(pp);
			break;
		}
	}
	reply(fd, CS_CANCEL, p, 2);
}

static void on_list(int fd, const uint8_t *p, uint16_t len)
{
	uint8_t out[2 * CS_MAXJOBS];
	uint16_t n = 0;
	struct job *j;

	(void)p; (void)len;
	for (j = g_jobs; j && n + 2u <= sizeof(out); j = j->next) {
		out[n++] = (uint8_t)(j->id >> 8);
		out[n++] = (uint8_t)j->id;
	}
	reply(fd, CS_LIST, out, n);
}

static void (*const g_handlers[])(int, const uint8_t *, uint16_t) = {
	[CS_PING] = on_ping, [CS_POSITION] = on_position, [CS_FETCH] = on_fetch,
	[CS_CANCEL] = on_cancel, [CS_LIST] = on_list,
};

static int read_full(int fd, void *buf, size_t n)
{
	uint8_t *b = buf;

	while (n) {
		ssize_t k = read(fd, b, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		b += k;
		n -= (size_t)k;
	}
	return 0;
}

static int one_frame(int fd)
{
	uint8_t h[CS_HDR], pay[CS_MAXPAY];
	uint16_t len;

	if (read_full(fd, h, sizeof(h)) || rd16(h) != 0x4353 || h[2] != 1)
		return -1;
	len = rd16(h + 4);
	if (len > sizeof(pay) || read_full(fd, pay, len))
		return -1;
	if (h[3] < sizeof(g_handlers) / sizeof(g_handlers[0]) && g_handlers[h[3]])
		g_handlers[h[3]](fd, pay, len);
	return 0;
}

int main(void)
{
	struct sockaddr_in sa;
	int ls = socket(AF_INET, SOCK_STREAM, 0), c = -1, on = 1;

	signal(SIGPIPE, SIG_IGN);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(CS_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) || listen(ls, 1)) {
		perror("chartsync");
		return 1;
	}
	for (;;) {
		struct timeval tv = { 1, 0 };
		fd_set r;

		FD_ZERO(&r);
		FD_SET(c < 0 ? ls : c, &r);
		if (select((c < 0 ? ls : c) + 1, &r, NULL, NULL, &tv) > 0) {
			if (c < 0) {
				c = accept(ls, NULL, NULL);
			} else if (one_frame(c)) {
				close(c);
				c = -1;
			}
		}
		run_due();
	}
}
