/*
 * cfgd.c - configuration service of the protocol converter PTU-4
 *
 * Frame:  5A 45 | ver | op | len(2) | payload | crc(2)        big endian
 * SET carries a chain of items  id(1) len(1) value.  Changed settings are
 * made effective when the line has been quiet for some seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <poll.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define PTU_PORT   4660
#define MAX_BODY   1024
#define MAX_PEERS  4
#define QUIET_SECS 2

enum { OP_IDENT = 1, OP_SET = 2, OP_GET = 3, OP_SYNC = 4 };
enum { ID_HOSTNAME = 0x21, ID_BAUD = 0x31, ID_PARITY = 0x32, ID_UNIT = 0x33, ID_LOCATION = 0x40 };

typedef uint8_t  u8;
typedef uint16_t u16;
typedef uint32_t u32;

struct ptu_config {
	char hostname[64];
	char location[48];
	u32  baud;
	char parity;
	u8   unit;
	unsigned changed;
};

#define CHG_HOST 1u
#define CHG_UART 2u

static struct ptu_config g_cfg = { "ptu4", "", 19200, 'E', 1, 0 };
static time_t g_last_set;

struct peer {
	int fd;
	size_t fill;
	u8 buf[6 + MAX_BODY + 2];
};

static struct peer g_peers[MAX_PEERS];

static u16 crc16(const u8 *p, size_t n)
{
	u16 crc = 0xffff;
	int k;

	while (n--) {
		crc ^= *p++;
		for (k = 0; k < 8; k++)
			crc = (u16)(crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1);
	}
	return crc;
}

static u16 get16(const u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}

/* ------------------------------------------------------------- settings */

static int set_hostname(const u8 *v, size_t n)
{
	char name[64];
	size_t i;

	if (n == 0 || n > 48)
		return -EINVAL;
	memcpy(name, v, n);
	name[n] = '\0';
	if (!isalpha((u8)name[0]) || name[n - 1] == '-')
		return -EINVAL;
	for (i = 0; i < n; i++)
		if (!isalnum((u8)name[i]) && name[i] != '-')
			return -EINVAL;
	strcpy(g_cfg.hostname, name);
	g_cfg.changed |= CHG_HOST;
	return 0;
}

static int set_location(const u8 *v, size_t n)
{
	if (n >= sizeof(g_cfg.location))
		return -EINVAL;
	memcpy(g_cfg.location, v, n);
	g_cfg.location[n] = '\0';
	return 0;
}

static int set_baud(const u8 *v, size_t n)
{
	u32 b;

	if (n != 4)
		return -EINVAL;
	b = (u32)get16(v) << 16 | get16(v + 2);
	if (b != 9600 && b != 19200 && b != 38400 && b != 115200)
		return -ERANGE;
	g_cfg.baud = b;
	g_cfg.changed |= CHG_UART;
	return 0;
}

static int set_parity(const u8 *v, size_t n)
{
	if (n != 1 || (*v != 'N' && *v != 'E' && *v != 'O'))
		return -EINVAL;
	g_cfg.parity = (char)*v;
	g_cfg.changed |= CHG_UART;
	return 0;
}

static int set_unit(const u8 *v, size_t n)
{
	if (n != 1 || *v == 0 || *v > 247)
		return -EINVAL;
	g_cfg.unit = *v;
	return 0;
}

static const struct item {
	u8 id;
	int (*set)(const u8 *, size_t);
} g_items[] = {
	{ ID_HOSTNAME, set_hostname },
	{ ID_BAUD,     set_baud },
	{ ID_PARITY,   set_parity },
	{ ID_UNIT,     set_unit },
	{ ID_LOCATION, set_location },
};

static int apply_set(const u8 *p, size_t n)
{
	size_t i;
	int rc = 0;

	while (n >= 2) {
		u8 id = p[0], len = p[1];

		p += 2;
		n -= 2;
		if (len > n)
			return -EBADMSG;
		for (i = 0; i < sizeof(g_items) / sizeof(g_items[0]); i++)
			if (g_items[i].id == id)
				rc = g_items[i].set(p, len);
		if (rc)
			return rc;
		p += len;
		n -= len;
	}
	g_last_set = time(NULL);
	return n ? -EBADMSG : 0;
}

static void make_effective(void)
{
	char cmd[192];
	FILE *f;

	if (g_cfg.changed & CHG_UART) {
		sprintf(cmd, "stty -F /dev/ttyS1 %u %s", (unsigned)g_cfg.baud,
			g_cfg.parity == 'N' ? "-parenb" : g_cfg.parity == 'E' ? "parenb -parodd" : "parenb parodd");
		if (system(cmd))
			fprintf(stderr, "cfgd: stty failed\n");
	}
	if (g_cfg.changed & CHG_HOST) {
		sprintf(cmd, "hostname %s && /etc/init.d/mdns restart", g_cfg.hostname);
		if (system(cmd))
			fprintf(stderr, "cfgd: hostname failed\n");
		f = fopen("/etc/hostname.new", "w");
		if (f) {
			fprintf(f, "%s\n", g_cfg.hostname);
			fclose(f);
		}
	}
	g_cfg.changed = 0;
}

/* --------------------------------------------------------------- frames */

static void send_frame(int fd, u8 op, const void *body, size_t n)
{
	u8 out[6 + 128 + 2];
	u16 c;

	if (n > 128)
		n = 128;
	out[0] = 0x5a;
	out[1] = 0x45;
	out[2] = 1;
	out[3] = op | 0x80;
	out[4] = (u8)(n >> 8);
	out[5] = (u8)n;
	memcpy(out + 6, body, n);
	c = crc16(out, 6 + n);
	out[6 + n] = (u8)(c >> 8);
	out[7 + n] = (u8)c;
	send(fd, out, n + 8, MSG_NOSIGNAL);
}

static void handle_frame(struct peer *pe, const u8 *body, size_t n, u8 op)
{
	char text[128];
	u8 rc;

	switch (op) {
	case OP_IDENT:
		send_frame(pe->fd, op, "PTU-4 1.09", 10);
		break;
	case OP_SET:
		rc = (u8)-apply_set(body, n);
		send_frame(pe->fd, op, &rc, 1);
		break;
	case OP_GET:
		snprintf(text, sizeof(text), "%s;%u;%c;%u", g_cfg.hostname, (unsigned)g_cfg.baud,
			 g_cfg.parity, g_cfg.unit);
		send_frame(pe->fd, op, text, strlen(text));
		break;
	case OP_SYNC:
		sync();
		send_frame(pe->fd, op, "", 0);
		break;
	default:
		fprintf(stderr, "cfgd: op %u\n", op);
	}
}

/* returns -1 when the peer has to be dropped */
static int peer_input(struct peer *pe)
{
	ssize_t r = recv(pe->fd, pe->buf + pe->fill, sizeof(pe->buf) - pe->fill, 0);

	if (r <= 0)
		return -1;
	pe->fill += (size_t)r;
	while (pe->fill >= 8) {
		size_t n = get16(pe->buf + 4);

		if (pe->buf[0] != 0x5a || pe->buf[1] != 0x45 || n > MAX_BODY)
			return -1;
		if (pe->fill < n + 8)
			break;
		if (crc16(pe->buf, n + 6) != get16(pe->buf + 6 + n))
			return -1;
		handle_frame(pe, pe->buf + 6, n, pe->buf[3]);
		pe->fill -= n + 8;
		memmove(pe->buf, pe->buf + n + 8, pe->fill);
	}
	return 0;
}

int main(void)
{
	struct sockaddr_in sa;
	int ls, i, on = 1;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < MAX_PEERS; i++)
		g_peers[i].fd = -1;
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(PTU_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) || listen(ls, 2)) {
		perror("cfgd");
		return 1;
	}
	for (;;) {
		struct pollfd pf[MAX_PEERS + 1];

		pf[0].fd = ls;
		pf[0].events = POLLIN;
		for (i = 0; i < MAX_PEERS; i++) {
			pf[i + 1].fd = g_peers[i].fd;
			pf[i + 1].events = POLLIN;
			pf[i + 1].revents = 0;
		}
		if (poll(pf, MAX_PEERS + 1, 1000) > 0) {
			for (i = 0; i < MAX_PEERS; i++) {
				if (g_peers[i].fd < 0 || !(pf[i + 1].revents & (POLLIN | POLLHUP | POLLERR)))
					continue;
				if (peer_input(&g_peers[i]) < 0) {
					close(g_peers[i].fd);
					g_peers[i].fd = -1;
				}
			}
			if (pf[0].revents & POLLIN) {
				int fd = accept(ls, NULL, NULL);

				for (i = 0; i < MAX_PEERS && fd >= 0; i++) {
					if (g_peers[i].fd < 0) {
						g_peers[i].fd = fd;
						g_peers[i].fill = 0;
						fd = -1;
					}
				}
				if (fd >= 0)
					close(fd);
			}
		}
		if (g_cfg.changed && time(NULL) - g_last_set >= QUIET_SECS)
			make_effective();
	}
}
