#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <errno.h>
#include <time.h>
#include <signal.h>
#include <syslog.h>
#include <sys/types.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define DVR_MAGIC        0x44565254u
#define DVR_PORT         8301
#define DVR_MAX_CLIENT   8
#define DVR_MAX_TASK     32
#define DVR_MAX_BODY     512

enum {
	DVR_OP_HELLO = 1,
	DVR_OP_ADD   = 2,
	DVR_OP_CLEAR = 3,
	DVR_OP_LIST  = 4,
};

enum {
	TASK_SNAP = 1,
	TASK_RECORD,
	TASK_PTZ,
};

struct dvr_hdr {
	uint32_t magic;
	uint16_t op;
	uint16_t len;
};

struct dvr_task {
	struct dvr_task *next;
	time_t           due;
	uint8_t          type;
	char             chan[48];
};

struct dvr_client {
	int fd;
	struct sockaddr_in peer;
};

static struct dvr_client clients[DVR_MAX_CLIENT];
static struct dvr_task *task_head;
static int task_num;

static int read_full(int fd, void *buf, size_t want)
{
	uint8_t *p = buf;
	size_t got = 0;
	ssize_t n;

	while (got < want) {
		n = read(fd, p + got, want - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		got += n;
	}
	return 0;
}

static void reply(int fd, uint16_t op, const void *data, uint16_t len)
{
	struct dvr_hdr h;

	h.magic = htonl(DVR_MAGIC);
	h.op = htons(op | 0x8000);
	h.len = htons(len);
	if (write(fd, &h, sizeof(h)) != (ssize_t)sizeof(h))
		return;
	if (len && write(fd, data, len) != len)
		syslog(LOG_WARNING, "short reply");
}

static int task_add(uint32_t delay, uint8_t type, const char *arg, size_t alen)
{
	struct dvr_task *t, **pp;
	char tmp[48];

	if (task_num >= DVR_MAX_TASK)
		return -ENOSPC;
	if (alen == 0 || alen >= sizeof(tmp))
		return -EINVAL;
	memcpy(tmp, arg, alen);
	tmp[alen] = '\0';

	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->due = time(NULL) + delay;
	t->type = type;
	snprintf(t->chan, sizeof(t->chan), "%s", tmp);

	for (pp = &task_head; *pp && (*pp)->due <= t->due; pp = &(*pp)->next)
		;
	t->next = *pp;
	*pp = t;
	task_num++;
	syslog(LOG_DEBUG, "task type %u in %u s", type, delay);
	return 0;
}

static void task_clear(void)
{
	struct dvr_task *t;

	while ((t = task_head) != NULL) {
		task_head = t->next;
		free(t);
	}
	task_num = 0;
}

static void task_run(struct dvr_task *t)
{
	char cmd[128];
	char line[128];
	FILE *fp;

	switch (t->type) {
	case TASK_SNAP:
		snprintf(cmd, sizeof(cmd), "/usr/sbin/dvrctl snap -c %s 2>&1", t->chan);
		break;
	case TASK_RECORD:
		snprintf(cmd, sizeof(cmd), "/usr/sbin/dvrctl rec -c %s -t 60 2>&1", t->chan);
		break;
	case TASK_PTZ:
		snprintf(cmd, sizeof(cmd), "/usr/sbin/ptzctl -c %s home", t->chan);
		break;
	default:
		return;
	}

	fp = popen(cmd, "r");
	if (!fp) {
		syslog(LOG_ERR, "popen: %s", strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), fp)) {
		line[strcspn(line, "\n")] = 0;
		syslog(LOG_INFO, "dvrctl: %s", line);
	}
	pclose(fp);
}

static void task_tick(time_t now)
{
	struct dvr_task *t;

	while ((t = task_head) != NULL && t->due <= now) {
		task_head = t->next;
		task_num--;
		task_run(t);
		free(t);
	}
}

static int op_add(int fd, const uint8_t *body, size_t len)
{
	uint32_t delay;
	uint8_t type, alen;
	int rc;
	uint8_t st;

	if (len < 4)
		return -1;
	delay = ((uint32_t)body[0] << 8) | body[1];
	type = body[2];
	alen = body[3];
	if ((size_t)alen + 4 > len)
		return -1;
	rc = task_add(delay, type, (const char *)body + 4, alen);
	st = rc < 0 ? (uint8_t)-rc : 0;
	reply(fd, DVR_OP_ADD, &st, 1);
	return 0;
}

static void op_list(int fd)
{
	uint8_t out[DVR_MAX_TASK * 5];
	struct dvr_task *t;
	size_t o = 0;
	uint32_t left;
	time_t now = time(NULL);

	for (t = task_head; t && o + 5 <= sizeof(out); t = t->next) {
		left = t->due > now ? htonl((uint32_t)(t->due - now)) : 0;
		out[o++] = t->type;
		memcpy(out + o, &left, 4);
		o += 4;
	}
	reply(fd, DVR_OP_LIST, out, (uint16_t)o);
}

static int client_serve(struct dvr_client *c)
{
	struct dvr_hdr h;
	uint8_t body[DVR_MAX_BODY];
	uint16_t len;

	if (read_full(c->fd, &h, sizeof(h)) < 0)
		return -1;
	if (ntohl(h.magic) != DVR_MAGIC)
		return -1;
	len = ntohs(h.len);
	if (len > sizeof(body))
		return -1;
	if (len && read_full(c->fd, body, len) < 0)
		return -1;

	switch (ntohs(h.op)) {
	case DVR_OP_HELLO:
		reply(c->fd, DVR_OP_HELLO, "DVR-1604", 8);
		return 0;
	case DVR_OP_ADD:
		return op_add(c->fd, body, len);
	case DVR_OP_CLEAR:
		task_clear();
		reply(c->fd, DVR_OP_CLEAR, NULL, 0);
		return 0;
	case DVR_OP_LIST:
		op_list(c->fd);
		return 0;
	}
	syslog(LOG_NOTICE, "unknown op %u from %s", ntohs(h.op), inet_ntoa(c->peer.sin_addr));
	return -1;
}

int main(void)
{
	struct sockaddr_in sa;
	struct timeval tv;
	fd_set rd;
	int lfd, i, mx, fd, on = 1;
	socklen_t sl;

	openlog("dvrtaskd", LOG_PID, LOG_DAEMON);
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < DVR_MAX_CLIENT; i++)
		clients[i].fd = -1;

	lfd = socket(AF_INET, SOCK_STREAM, 0);
	if (lfd < 0)
		return 1;
	setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_addr.s_addr = INADDR_ANY;
	sa.sin_port = htons(DVR_PORT);
	if (bind(lfd, (struct sockaddr *)&sa, sizeof(sa)) || listen(lfd, 4)) {
		syslog(LOG_ERR, "bind: %m");
		return 1;
	}

	for (;;) {
		FD_ZERO(&rd);
		FD_SET(lfd, &rd);
		mx = lfd;
		for (i = 0; i < DVR_MAX_CLIENT; i++) {
			if (clients[i].fd < 0)
				continue;
			FD_SET(clients[i].fd, &rd);
			if (clients[i].fd > mx)
				mx = clients[i].fd;
		}
		tv.tv_sec = 1;
		tv.tv_usec = 0;
		if (select(mx + 1, &rd, NULL, NULL, &tv) < 0)
			continue;
		task_tick(time(NULL));

		if (FD_ISSET(lfd, &rd)) {
			sl = sizeof(sa);
			fd = accept(lfd, (struct sockaddr *)&sa, &sl);
			for (i = 0; fd >= 0 && i < DVR_MAX_CLIENT; i++) {
				if (clients[i].fd < 0) {
					clients[i].fd = fd;
					clients[i].peer = sa;
					fd = -1;
				}
			}
			if (fd >= 0)
				close(fd);
			continue;
		}
		for (i = 0; i < DVR_MAX_CLIENT; i++) {
			if (clients[i].fd < 0 || !FD_ISSET(clients[i].fd, &rd))
				continue;
			if (client_serve(&clients[i]) < 0) {
				close(clients[i].fd);
				clients[i].fd = -1;
			}
		}
	}
}
