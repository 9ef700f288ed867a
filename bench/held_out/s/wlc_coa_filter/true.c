/* coad - dynamic authorization (RFC 5176 style) for the hotspot controller.
 *
 * A CoA-Request names a session and may change its filter and its timeout;
 * the changes are pushed to the shaper once a second, together with expiry. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum {
	DISCONNECT_REQ = 40, DISCONNECT_ACK = 41, DISCONNECT_NAK = 42,
	COA_REQ = 43, COA_ACK = 44, COA_NAK = 45
};

enum {
	ATTR_USER_NAME = 1, ATTR_FILTER_ID = 11, ATTR_SESSION_TIMEOUT = 27,
	ATTR_CALLING_STATION = 31, ATTR_ACCT_SESSION = 44
};

struct sess {
	struct sess *next;
	uint32_t mark;			/* class number in the shaper */
	time_t expires;
	int dirty;
	int gone;
	char id[32];
	char user[64];
	char filter[128];
	unsigned down, up;		/* kbit/s */
};

struct radhdr {
	uint8_t code;
	uint8_t id;
	uint16_t len;
	uint8_t auth[16];
};

struct attr {
	const uint8_t *data;
	size_t len;
};

static struct sess *sessions;
static uint32_t next_mark = 0x100;
static in_addr_t servers[8];
static int nservers;

static void load_servers(void)
{
	char line[64];
	struct in_addr a;
	FILE *f = fopen("/etc/coad.servers", "r");

	if (!f)
		return;
	while (nservers < 8 && fgets(line, sizeof line, f)) {
		line[strcspn(line, " \t\r\n#")] = 0;
		if (inet_pton(AF_INET, line, &a) == 1)
			servers[nservers++] = a.s_addr;
	}
	fclose(f);
}

static int server_known(in_addr_t a)
{
	int i;

	if (nservers == 0)
		return 1;
	for (i = 0; i < nservers; i++)
		if (servers[i] == a)
			return 1;
	return 0;
}

static int get_attr(const uint8_t *p, size_t len, int type, struct attr *a)
{
	while (len >= 2) {
		if (p[1] < 2 || p[1] > len)
			return -1;
		if (p[0] == type) {
			a->data = p + 2;
			a->len = p[1] - 2;
			return 1;
		}
		len -= p[1];
		p += p[1];
	}
	return 0;
}

static void attr_text(char *dst, size_t size, const struct attr *a)
{
	size_t n = a->len < size - 1 ? a->len : size - 1;

	memcpy(dst, a->data, n);
	dst[n] = 0;
}

static struct sess *sess_by_id(const char *id)
{
	struct sess *s;

	for (s = sessions; s; s = s->next)
		if (!s->gone && strcmp(s->id, id) == 0)
			return s;
	return NULL;
}

static struct sess *sess_new(const char *id)
{
	struct sess *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	snprintf(s->id, sizeof s->id, "%s", id);
	s->mark = next_mark++;
	s->expires = time(NULL) + 3600;
	s->down = 2048;
	s->up = 512;
	s->next = sessions;
	sessions = s;
	return s;
}

static int set_filter(struct sess *s, const struct attr *a)
{
	char text[128];
	unsigned down, up;

	attr_text(text, sizeof text, a);
	if (sscanf(text, "rate=%u/%u", &down, &up) != 2)
		return -1;
	if (down < 64 || down > 100000 || up < 64 || up > 100000)
		return -1;
	memcpy(s->filter, text, sizeof s->filter);
	s->down = down;
	s->up = up;
	s->dirty = 1;
	return 0;
}

static int coa(const uint8_t *attrs, size_t len)
{
	struct attr a;
	struct sess *s;
	char id[32];

	if (get_attr(attrs, len, ATTR_ACCT_SESSION, &a) != 1)
		return -1;
	attr_text(id, sizeof id, &a);
	s = sess_by_id(id);
	if (!s && !(s = sess_new(id)))
		return -1;
	if (get_attr(attrs, len, ATTR_USER_NAME, &a) == 1)
		attr_text(s->user, sizeof s->user, &a);
	if (get_attr(attrs, len, ATTR_SESSION_TIMEOUT, &a) == 1 && a.len == 4) {
		uint32_t t;

		memcpy(&t, a.data, 4);
		s->expires = time(NULL) + ntohl(t) % 604800;
	}
	if (get_attr(attrs, len, ATTR_FILTER_ID, &a) == 1 && set_filter(s, &a) < 0) {
		syslog(LOG_WARNING, "session %s: filter refused", s->id);
		return -1;
	}
	return 0;
}

static int disconnect(const uint8_t *attrs, size_t len)
{
	struct attr a;
	struct sess *s;
	char id[32];

	if (get_attr(attrs, len, ATTR_ACCT_SESSION, &a) != 1)
		return -1;
	attr_text(id, sizeof id, &a);
	s = sess_by_id(id);
	if (!s)
		return -1;
	s->expires = 0;
	return 0;
}

static void shell(const char *cmd)
{
	int st;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	if (pid > 0 && waitpid(pid, &st, 0) == pid && st != 0)
		syslog(LOG_ERR, "shaper: status %d", st);
}

static void push(struct sess *s)
{
	char cmd[256];

	snprintf(cmd, sizeof cmd, "/usr/sbin/shaper set %u %s", s->mark, s->filter);
	shell(cmd);
	s->dirty = 0;
}

static void every_second(void)
{
	struct sess **pp, *s;
	char cmd[64];
	time_t now = time(NULL);

	for (pp = &sessions; (s = *pp) != NULL; ) {
		if (s->expires <= now) {
			snprintf(cmd, sizeof cmd, "/usr/sbin/shaper del %u", s->mark);
			shell(cmd);
			*pp = s->next;
			free(s);
			continue;
		}
		if (s->dirty)
			push(s);
		pp = &s->next;
	}
}

static void handle(int fd)
{
	uint8_t pkt[1024];
	struct radhdr h;
	struct sockaddr_in from;
	socklen_t fl = sizeof from;
	ssize_t n = recvfrom(fd, pkt, sizeof pkt, 0, (struct sockaddr *)&from, &fl);
	size_t len;
	int r;

	if (n < (ssize_t)sizeof h || !server_known(from.sin_addr.s_addr))
		return;
	memcpy(&h, pkt, sizeof h);
	len = ntohs(h.len);
	if (len < sizeof h || len > (size_t)n)
		return;
	switch (h.code) {
	case COA_REQ:
		r = coa(pkt + sizeof h, len - sizeof h);
		h.code = r < 0 ? COA_NAK : COA_ACK;
		break;
	case DISCONNECT_REQ:
		r = disconnect(pkt + sizeof h, len - sizeof h);
		h.code = r < 0 ? DISCONNECT_NAK : DISCONNECT_ACK;
		break;
	default:
		return;
	}
	h.len = htons(sizeof h);
	sendto(fd, &h, sizeof h, 0, (struct sockaddr *)&from, fl);
}

int main(void)
{
	struct sockaddr_in sin;
	time_t last = 0;
	int fd;

	openlog("coad", LOG_PID, LOG_DAEMON);
	load_servers();
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&sin, 0, sizeof sin);
	sin.sin_family = AF_INET;
	sin.sin_port = htons(3799);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof sin) < 0) {
		syslog(LOG_ERR, "bind: %m");
		return 1;
	}
	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (poll(&p, 1, 1000) > 0)
			handle(fd);
		if (time(NULL) != last) {
			last = time(NULL);
			every_second();
		}
	}
}
