/*
 * rcud.c -- "phone as remote" receiver of the set-top box
 *
 * Every message is an 8 byte header and a body:
 *
 *    0      1      2        4            8
 *    +------+------+--------+------------+-----------
 *    | vers | type | length | sequence   | body ...
 *    +------+------+--------+------------+-----------
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define RCU_PORT	8802
#define RCU_VERSION	2
#define RCU_MAXBODY	2048
#define RCU_MAXCLIENT	4
#define OSD_SOCKET	"/tmp/osd.sock"

enum rcu_type {
	RT_HELLO = 1,
	RT_KEY,
	RT_CHANNEL,
	RT_TEXT,
	RT_POINTER,
	RT_BYE,
	RT_LAST
};

struct rcu_header {
	uint8_t		version;
	uint8_t		type;
	uint16_t	length;
	uint32_t	sequence;
};

struct client {
	int		fd;
	int		greeted;
	uint32_t	sequence;
	time_t		last;
	char		device[24];
};

static struct client	clients[RCU_MAXCLIENT];
static int		osd = -1;
static time_t		osd_clear_at;
static unsigned		stat_keys, stat_texts;

static int
recv_full(int fd, void *buf, size_t len)
{
	size_t off = 0;
	ssize_t n;

	while (off < len) {
		n = recv(fd, (char *)buf + off, len - off, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return (-1);
		off += n;
	}
	return (0);
}

static int
recv_skip(int fd, size_t len)
{
	char junk[128];
	size_t n;

	while (len > 0) {
		n = len < sizeof(junk) ? len : sizeof(junk);
		if (recv_full(fd, junk, n) == -1)
			return (-1);
		len -= n;
	}
	return (0);
}

static void
osd_show(const char *text, int seconds)
{
	if (osd == -1)
		return;
	if (send(osd, text, strlen(text), MSG_DONTWAIT) == -1)
		syslog(LOG_DEBUG, "osd: %m");
	osd_clear_at = seconds ? time(NULL) + seconds : 0;
}

static void
osd_open(void)
{
	struct sockaddr_un sun;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	strncpy(sun.sun_path, OSD_SOCKET, sizeof(sun.sun_path) - 1);
	osd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (osd != -1 && connect(osd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		close(osd);
		osd = -1;
	}
}

static void
key_inject(uint16_t code)
{
	int fd;

	fd = open("/dev/rcu0", O_WRONLY | O_NONBLOCK);
	if (fd == -1)
		return;
	if (write(fd, &code, sizeof(code)) != sizeof(code))
		syslog(LOG_NOTICE, "key %u lost", code);
	close(fd);
	stat_keys++;
}

/*
 * Message handlers. Each one has to consume len bytes.
 */
static int
msg_hello(struct client *c, size_t len)
{
	if (len == 0 || len >= sizeof(c->device))
		return (-1);
	if (recv_full(c->fd, c->device, len) == -1)
		return (-1);
	c->device[len] = '\0';
	c->greeted = 1;
	syslog(LOG_INFO, "remote \"%s\" connected", c->device);
	return (0);
}

static int
msg_key(struct client *c, size_t len)
{
	uint16_t code[2];

	if (len != sizeof(code))
		return (-1);
	if (recv_full(c->fd, code, sizeof(code)) == -1)
		return (-1);
	if (ntohs(code[1]) != 0)
		key_inject(ntohs(code[0]));
	return (0);
}

static int
msg_channel(struct client *c, size_t len)
{
	char digits[8], banner[32];
	size_t i;

	if (len == 0 || len >= sizeof(digits))
		return (recv_skip(c->fd, len));
	if (recv_full(c->fd, digits, len) == -1)
		return (-1);
	digits[len] = '\0';
	for (i = 0; i < len; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return (0);
		key_inject(0x200 + digits[i] - '0');
	}
	snprintf(banner, sizeof(banner), "CH %s", digits);
	osd_show(banner, 3);
	return (0);
}

static int
msg_text(struct client *c, size_t len)
{
	char text[256];
	size_t i;

	if (len == 0)
		return (0);
	if (len >= sizeof(text))
		return (recv_skip(c->fd, len));
	if (recv_full(c->fd, text, len) == -1)
		return (-1);
	text[len] = '\0';
	for (i = 0; text[i] != '\0'; i++)
		if ((unsigned char)text[i] < ' ')
			text[i] = ' ';
	osd_show(text, 8);
	stat_texts++;
	return (0);
}

static int
msg_pointer(struct client *c, size_t len)
{
	int16_t xy[2];

	if (len != sizeof(xy))
		return (recv_skip(c->fd, len));
	return (recv_full(c->fd, xy, sizeof(xy)));
}

static int
msg_bye(struct client *c, size_t len)
{
	(void)c;
	(void)len;
	return (-1);
}

static int (*const handlers[RT_LAST])(struct client *, size_t) = {
	NULL,
	msg_hello,
	msg_key,
	msg_channel,
	msg_text,
	msg_pointer,
	msg_bye,
};

static void
client_drop(struct client *c)
{
	if (c->fd == -1)
		return;
	close(c->fd);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

static int
client_input(struct client *c)
{
	struct rcu_header h;
	size_t len;

	if (recv_full(c->fd, &h, sizeof(h)) == -1)
		return (-1);
	if (h.version != RCU_VERSION || h.type == 0 || h.type >= RT_LAST)
		return (-1);
	len = ntohs(h.length);
	if (len > RCU_MAXBODY) {
		syslog(LOG_NOTICE, "message of %zu bytes", len);
		return (-1);
	}
	if (!c->greeted && h.type != RT_HELLO)
		return (-1);
	c->last = time(NULL);
	c->sequence = ntohl(h.sequence);
	return (handlers[h.type](c, len));
}

static void
client_accept(int ls)
{
	struct timeval tv = { 5, 0 };
	int fd, i;

	fd = accept(ls, NULL, NULL);
	if (fd == -1)
		return;
	for (i = 0; i < RCU_MAXCLIENT; i++)
		if (clients[i].fd == -1)
			break;
	if (i == RCU_MAXCLIENT) {
		close(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	clients[i].fd = fd;
	clients[i].last = time(NULL);
}

int
main(void)
{
	struct pollfd pfd[RCU_MAXCLIENT + 1];
	struct sockaddr_in sin;
	int i, ls, on = 1;

	openlog("rcud", 0, LOG_USER);
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < RCU_MAXCLIENT; i++)
		clients[i].fd = -1;
	osd_open();
	if ((ls = socket(AF_INET, SOCK_STREAM, 0)) == -1)
		err(1, "socket");
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(RCU_PORT);
	if (bind(ls, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "bind");
	if (listen(ls, 2) == -1)
		err(1, "listen");
	for (;;) {
		pfd[0].fd = ls;
		pfd[0].events = POLLIN;
		for (i = 0; i < RCU_MAXCLIENT; i++) {
			pfd[i + 1].fd = clients[i].fd;
			pfd[i + 1].events = POLLIN;
			pfd[i + 1].revents = 0;
		}
		if (poll(pfd, RCU_MAXCLIENT + 1, 1000) == -1)
			continue;
		for (i = 0; i < RCU_MAXCLIENT; i++) {
			if (pfd[i + 1].revents != 0 && client_input(&clients[i]) == -1)
				client_drop(&clients[i]);
			else if (clients[i].fd != -1 && time(NULL) - clients[i].last > 600)
				client_drop(&clients[i]);
		}
		if (pfd[0].revents & POLLIN)
			client_accept(ls);
		if (osd_clear_at != 0 && time(NULL) >= osd_clear_at)
			osd_show("\f", 0);
	}
}
