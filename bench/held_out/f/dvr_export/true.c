/*
 * netsdk_srv.c
 *
 * Private protocol service of the DVR (port 34567).
 * Head is 20 bytes, little endian:
 *   0xff  version  rsv rsv  | session(4) | sequence(4) | rsv rsv msgid(2) | length(4)
 * Body is JSON text.
 *
 * One thread per connection reads the frames; slow work (search, export)
 * is given to the worker thread.
 */
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#define SRV_PORT        34567
#define HEAD_LEN        20
#define BODY_MAX        4096
#define HEAD_FLAG       0xff

#define MSG_LOGIN       1000
#define MSG_KEEPALIVE   1006
#define MSG_TIMESET     1450
#define MSG_LOGEXPORT   1446

#define RET_OK          100
#define RET_UNKNOWN     102
#define RET_BADPARAM    103
#define RET_NOLOGIN     105

#define DBG(fmt, args...) fprintf(stderr, "[%s:%d] " fmt "\n", __FUNCTION__, __LINE__, ##args)

struct client {
	int fd;
	int refs;
	uint32_t session;
	uint32_t seq;
	time_t alive;
	pthread_mutex_t wlock;
};

struct job {
	struct job *next;
	struct client *cli;
	uint32_t seq;
	int (*work)(struct job *);
	char begin[32];
	char end[32];
};

static struct {
	struct job *head, **tail;
	pthread_mutex_t lock;
	pthread_cond_t more;
	int count;
} queue = { NULL, &queue.head, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };

static uint32_t next_session = 0x10;

static uint32_t le32(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }
static void put_le32(uint8_t *p, uint32_t v) { p[0] = v; p[1] = v >> 8; p[2] = v >> 16; p[3] = v >> 24; }

static void cli_put(struct client *c)
{
	if (__sync_sub_and_fetch(&c->refs, 1) == 0) {
		close(c->fd);
		pthread_mutex_destroy(&c->wlock);
		free(c);
	}
}

static void send_ret(struct client *c, uint32_t seq, int msgid, int ret, const char *extra)
{
	uint8_t buf[HEAD_LEN + 512];
	int n;

	n = snprintf((char *)buf + HEAD_LEN, 512, "{ \"Ret\" : %d, \"SessionID\" : \"0x%08X\"%s }\n",
		     ret, c->session, extra ? extra : "");
	if (n < 0 || n >= 512)
		return;
	memset(buf, 0, HEAD_LEN);
	buf[0] = HEAD_FLAG;
	buf[1] = 1;
	put_le32(buf + 4, c->session);
	put_le32(buf + 8, seq);
	buf[14] = (msgid + 1) & 0xff;
	buf[15] = (msgid + 1) >> 8;
	put_le32(buf + 16, n);
	pthread_mutex_lock(&c->wlock);
	send(c->fd, buf, HEAD_LEN + n, MSG_NOSIGNAL);
	pthread_mutex_unlock(&c->wlock);
}

/* find "key" : "value", good enough for what the clients send */
static int json_text(const char *js, const char *key, char *out, int max)
{
	char pat[40];
	const char *p, *e;

	snprintf(pat, sizeof(pat), "\"%s\"", key);
	p = strstr(js, pat);
	if (!p)
		return -1;
	p += strlen(pat);
	while (isspace((unsigned char)*p) || *p == ':')
		p++;
	if (*p != '"')
		return -1;
	p++;
	e = strchr(p, '"');
	if (!e || e - p >= max)
		return -1;
	memcpy(out, p, e - p);
	out[e - p] = 0;
	return e - p;
}

/* 2014-01-31 */
static int date_ok(const char *s)
{
	static const char form[] = "dddd-dd-dd";
	int i;

	for (i = 0; form[i]; i++) {
		if (form[i] == 'd' ? !isdigit((unsigned char)s[i]) : s[i] != form[i])
			return 0;
	}
#ifdef BENIGN
	return s[i] == '\0';
#else
	return 1;
#endif
}

/* ---------------------------------------------------------------- worker */

static int export_log(struct job *j)
{
	char cmd[256], extra[96];
	int r;

	snprintf(cmd, sizeof(cmd), "cd /mnt/sda1/log && /usr/bin/logpack -b %s -e %s -o /tmp/export.tgz",
		 j->begin, j->end);
	DBG("%s", cmd);
	r = system(cmd);
	snprintf(extra, sizeof(extra), ", \"File\" : \"/tmp/export.tgz\", \"Code\" : %d", r);
	send_ret(j->cli, j->seq, MSG_LOGEXPORT, r == 0 ? RET_OK : RET_UNKNOWN, extra);
	return r;
}

static void *worker(void *arg)
{
	struct job *j;

	(void)arg;
	for (;;) {
		pthread_mutex_lock(&queue.lock);
		while (!queue.head)
			pthread_cond_wait(&queue.more, &queue.lock);
		j = queue.head;
		queue.head = j->next;
		if (!queue.head)
			queue.tail = &queue.head;
		queue.count--;
		pthread_mutex_unlock(&queue.lock);
		j->work(j);
		cli_put(j->cli);
		free(j);
	}
	return NULL;
}

static int post(struct job *j)
{
	int full;

	pthread_mutex_lock(&queue.lock);
	full = queue.count >= 8;
	if (!full) {
		j->next = NULL;
		*queue.tail = j;
		queue.tail = &j->next;
		queue.count++;
		pthread_cond_signal(&queue.more);
	}
	pthread_mutex_unlock(&queue.lock);
	return full ? -1 : 0;
}

/* -------------------------------------------------------------- messages */

static int on_login(struct client *c, const char *js)
{
	char user[32], hash[40];

	if (json_text(js, "UserName", user, sizeof(user)) < 0 ||
	    json_text(js, "PassWord", hash, sizeof(hash)) < 0)
		return RET_BADPARAM;
	/* hash of the empty password */
	if (strcmp(user, "default") || strcmp(hash, "tlJwpbo6"))
		return RET_NOLOGIN;
	c->session = __sync_fetch_and_add(&next_session, 1);
	return RET_OK;
}

static int on_keepalive(struct client *c, const char *js)
{
	(void)js;
	c->alive = time(NULL);
	return RET_OK;
}

static int on_timeset(struct client *c, const char *js)
{
	char text[32];
	struct tm tm;
	struct timeval tv = { 0, 0 };

	(void)c;
	memset(&tm, 0, sizeof(tm));
	if (json_text(js, "OPTimeSetting", text, sizeof(text)) < 0)
		return RET_BADPARAM;
	if (sscanf(text, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return RET_BADPARAM;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	tv.tv_sec = mktime(&tm);
	return settimeofday(&tv, NULL) == 0 ? RET_OK : RET_UNKNOWN;
}

static int on_logexport(struct client *c, const char *js)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return RET_UNKNOWN;
	if (json_text(js, "BeginDate", j->begin, sizeof(j->begin)) < 0 ||
	    json_text(js, "EndDate", j->end, sizeof(j->end)) < 0 ||
	    !date_ok(j->begin) || !date_ok(j->end)) {
		free(j);
		return RET_BADPARAM;
	}
	j->cli = c;
	j->seq = c->seq;
	j->work = export_log;
	__sync_add_and_fetch(&c->refs, 1);
	if (post(j) < 0) {
		cli_put(c);
		free(j);
		return RET_UNKNOWN;
	}
	return 0;		/* the worker answers */
}

static const struct {
	int msgid;
	int need_login;
	int (*proc)(struct client *, const char *);
} msg_tab[] = {
	{ MSG_LOGIN,     0, on_login },
	{ MSG_KEEPALIVE, 1, on_keepalive },
	{ MSG_TIMESET,   1, on_timeset },
	{ MSG_LOGEXPORT, 1, on_logexport },
};

static int read_full(int fd, void *buf, int len)
{
	int n, got = 0;

	while (got < len) {
		n = recv(fd, (char *)buf + got, len - got, 0);
		if (n <= 0)
			return -1;
		got += n;
	}
	return got;
}

static void *client_thread(void *arg)
{
	struct client *c = arg;
	uint8_t head[HEAD_LEN];
	char *body = malloc(BODY_MAX + 1);
	uint32_t len;
	unsigned i;
	int msgid, ret;

	while (body && read_full(c->fd, head, HEAD_LEN) > 0) {
		if (head[0] != HEAD_FLAG)
			break;
		msgid = head[14] | head[15] << 8;
		len = le32(head + 16);
		if (len > BODY_MAX || read_full(c->fd, body, len) < 0)
			break;
		body[len] = 0;
		c->seq = le32(head + 8);
		ret = RET_UNKNOWN;
		for (i = 0; i < sizeof(msg_tab) / sizeof(msg_tab[0]); i++)
			if (msg_tab[i].msgid == msgid)
				ret = msg_tab[i].need_login && !c->session ? RET_NOLOGIN : msg_tab[i].proc(c, body);
		if (ret)
			send_ret(c, c->seq, msgid, ret, NULL);
	}
	free(body);
	shutdown(c->fd, SHUT_RDWR);
	cli_put(c);
	return NULL;
}

int main(void)
{
	struct sockaddr_in addr;
	struct client *c;
	pthread_t tid;
	int s, fd, on = 1;

	signal(SIGPIPE, SIG_IGN);
	s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&addr, 0, sizeof(addr));
	addr.sin_family = AF_INET;
	addr.sin_port = htons(SRV_PORT);
	if (bind(s, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(s, 10) < 0) {
		DBG("port %d: %s", SRV_PORT, strerror(errno));
		return -1;
	}
	pthread_create(&tid, NULL, worker, NULL);
	while ((fd = accept(s, NULL, NULL)) >= 0) {
		c = calloc(1, sizeof(*c));
		if (!c) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		c->fd = fd;
		c->refs = 1;
		pthread_mutex_init(&c->wlock, NULL);
		if (pthread_create(&tid, NULL, client_thread, c) == 0)
			pthread_detach(tid);
		else
			cli_put(c);
	}
	return 0;
}
