/* nvrstord - network storage control of the recorder */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <pthread.h>
#include <syslog.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define NVR_MAGIC   0x4e565253u      /* NVRS */
#define NVR_PORT    9020
#define MAX_BODY    512

enum { OP_PING = 1, OP_NAS_MOUNT = 0x21, OP_NAS_UMOUNT = 0x22, OP_DISK_INFO = 0x30 };

struct nvr_hdr {
	uint32_t magic;
	uint16_t op;
	uint16_t seq;
	uint32_t len;
};

struct nas_req {                     /* body of OP_NAS_MOUNT */
	char     server[64];
	char     share[128];
	uint8_t  slot;
	uint8_t  rsv[3];
};

struct job {
	struct job *next;
	uint16_t    op;
	uint32_t    len;
	uint8_t     body[MAX_BODY];
};

static struct job *q_head, *q_tail;
static int q_count;
static pthread_mutex_t q_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  q_cond = PTHREAD_COND_INITIALIZER;
static int mounted[4];

static int q_push(struct job *j)
{
	int rc = -1;

	pthread_mutex_lock(&q_lock);
	if (q_count < 32) {
		j->next = NULL;
		if (q_tail)
			q_tail->next = j;
		else
			q_head = j;
		q_tail = j;
		q_count++;
		rc = 0;
		pthread_cond_signal(&q_cond);
	}
	pthread_mutex_unlock(&q_lock);
	return rc;
}

static struct job *q_pop(void)
{
	struct job *j;

	pthread_mutex_lock(&q_lock);
	while (!q_head)
		pthread_cond_wait(&q_cond, &q_lock);
	j = q_head;
	q_head = j->next;
	if (!q_head)
		q_tail = NULL;
	q_count--;
	pthread_mutex_unlock(&q_lock);
	return j;
}

static int nas_mount(const struct nas_req *r)
{
	char dir[32];
	int rc;

	if (r->slot >= 4)
		return -1;
	snprintf(dir, sizeof(dir), "/mnt/nas%u", r->slot);
	char cmd[320], line[128];
	FILE *fp;

	snprintf(cmd, sizeof(cmd), "mount -t nfs -o nolock,soft -- %s:%s %s 2>&1",
		 r->server, r->share, dir);
	fp = popen(cmd, "r");
	if (!fp)
		return -1;
	while (fgets(line, sizeof(line), fp))
		syslog(LOG_INFO, "mount: %s", line);
	rc = pclose(fp);
	if (rc == 0)
		mounted[r->slot] = 1;
	return rc;
}

static int nas_umount(unsigned slot)
{
	char cmd[64];

	if (slot >= 4 || !mounted[slot])
		return -1;
	snprintf(cmd, sizeof(cmd), "umount -l /mnt/nas%u", slot);
	mounted[slot] = 0;
	return system(cmd);
}

static void *worker(void *arg)
{
	struct job *j;
	struct nas_req rq;
	int rc;

	for (;;) {
		j = q_pop();
		rc = -1;
		switch (j->op) {
		case OP_NAS_MOUNT:
			if (j->len < sizeof(rq))
				break;
			memcpy(&rq, j->body, sizeof(rq));
			rq.server[sizeof(rq.server) - 1] = 0;
			rq.share[sizeof(rq.share) - 1] = 0;
			if (!rq.server[0] || rq.share[0] != '/')
				break;
			rc = nas_mount(&rq);
			break;
		case OP_NAS_UMOUNT:
			if (j->len >= 1)
				rc = nas_umount(j->body[0]);
			break;
		case OP_DISK_INFO:
			rc = system("/usr/sbin/smartctl -a /dev/sda > /tmp/disk.txt");
			break;
		}
		syslog(LOG_NOTICE, "job op %04x rc %d", j->op, rc);
		free(j);
	}
	return NULL;
}

static int recv_all(int fd, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		ssize_t n = recv(fd, p, len, 0);
		if (n <= 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

static void *receiver(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct nvr_hdr h;
	struct job *j;

	while (recv_all(fd, &h, sizeof(h)) == 0) {
		h.magic = ntohl(h.magic);
		h.op = ntohs(h.op);
		h.len = ntohl(h.len);
		if (h.magic != NVR_MAGIC || h.len > MAX_BODY) {
			syslog(LOG_WARNING, "bad header");
			break;
		}
		j = calloc(1, sizeof(*j));
		if (!j)
			break;
		j->op = h.op;
		j->len = h.len;
		if (recv_all(fd, j->body, h.len) < 0) {
			free(j);
			break;
		}
		if (h.op == OP_PING) {
			send(fd, &h.seq, sizeof(h.seq), MSG_NOSIGNAL);
			free(j);
			continue;
		}
		if (q_push(j) < 0)
			free(j);
	}
	close(fd);
	return NULL;
}

int main(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	pthread_t t;
	int s, c, one = 1;

	openlog("nvrstord", LOG_PID, LOG_DAEMON);
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (s < 0)
		return 1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	a.sin_port = htons(NVR_PORT);
	a.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 8)) {
		syslog(LOG_ERR, "bind: %m");
		return 1;
	}
	pthread_create(&t, NULL, worker, NULL);
	while ((c = accept(s, NULL, NULL)) >= 0) {
		if (pthread_create(&t, NULL, receiver, (void *)(intptr_t)c)) {
			close(c);
			continue;
		}
		pthread_detach(t);
	}
	return 0;
}
