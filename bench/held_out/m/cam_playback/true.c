#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <signal.h>
#include <syslog.h>
#include <sys/types.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define PB_PORT       34571
#define PB_HDR_LEN    20
#define PB_MAGIC      0xA5
#define PB_MAX_DATA   4096
#define PB_NAME_LEN   256

#define PB_LOGIN      1000
#define PB_OPEN       1420
#define PB_DATA       1422
#define PB_CLOSE      1424
#define PB_KEEPALIVE  1006

typedef struct {
	uint8_t  magic;
	uint8_t  version;
	uint32_t session;
	uint32_t seq;
	uint16_t msg;
	uint32_t len;
} PbHead;

typedef struct {
	int      sock;
	uint32_t session;
	FILE    *rec;
	int      alive;
} PbClient;

static uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | (p[1] << 8));
}

static uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | ((uint32_t)p[1] << 8) |
	       ((uint32_t)p[2] << 16) | ((uint32_t)p[3] << 24);
}

static void put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static int RecvAll(int s, void *dst, uint32_t n)
{
	uint8_t *p = dst;

	while (n > 0) {
		ssize_t r = recv(s, p, n, 0);

		if (r <= 0)
			return -1;
		p += r;
		n -= (uint32_t)r;
	}
	return 0;
}

static int SkipBytes(int s, uint32_t n)
{
	uint8_t tmp[128];

	while (n > 0) {
		uint32_t k = n < sizeof(tmp) ? n : (uint32_t)sizeof(tmp);

		if (RecvAll(s, tmp, k) < 0)
			return -1;
		n -= k;
	}
	return 0;
}

static int RecvHead(int s, PbHead *h)
{
	uint8_t raw[PB_HDR_LEN];

	if (RecvAll(s, raw, sizeof(raw)) < 0)
		return -1;
	h->magic = raw[0];
	h->version = raw[1];
	h->session = get_le32(raw + 4);
	h->seq = get_le32(raw + 8);
	h->msg = get_le16(raw + 14);
	h->len = get_le32(raw + 16);
	return h->magic == PB_MAGIC ? 0 : -1;
}

static int HeadSane(const PbHead *h)
{
	return h->version <= 1 && h->len <= PB_MAX_DATA;
}

static int SendHead(PbClient *c, const PbHead *req, uint32_t status, uint32_t len)
{
	uint8_t raw[PB_HDR_LEN];

	memset(raw, 0, sizeof(raw));
	raw[0] = PB_MAGIC;
	raw[1] = 1;
	put_le32(raw + 4, c->session);
	put_le32(raw + 8, req->seq);
	raw[12] = (uint8_t)status;
	raw[14] = (uint8_t)((req->msg + 1) & 0xff);
	raw[15] = (uint8_t)((req->msg + 1) >> 8);
	put_le32(raw + 16, len);
	return send(c->sock, raw, sizeof(raw), 0) == (ssize_t)sizeof(raw) ? 0 : -1;
}

static int NameAllowed(const char *name)
{
	if (strncmp(name, "/rec/", 5))
		return 0;
	return strstr(name, "..") == NULL;
}

static void CloseRec(PbClient *c)
{
	if (c->rec)
		fclose(c->rec);
	c->rec = NULL;
}

static int OpenRec(PbClient *c, const char *name)
{
	char full[PB_NAME_LEN + 32];

	if (!NameAllowed(name))
		return 103;
	CloseRec(c);
	snprintf(full, sizeof(full), "/mnt/sd%s", name);
	c->rec = fopen(full, "rb");
	return c->rec ? 100 : 110;
}

static int OnOpen(PbClient *c, const PbHead *h)
{
	char name[PB_NAME_LEN];

	memset(name, 0, sizeof(name));
	if (RecvAll(c->sock, name, h->len) < 0)
		return -1;
	name[PB_NAME_LEN - 1] = 0;
	syslog(LOG_INFO, "playback open %s", name);
	return SendHead(c, h, OpenRec(c, name), 0);
}

static int OnLogin(PbClient *c, const PbHead *h)
{
	uint8_t token[16];

	if (h->len != sizeof(token)) {
		if (SkipBytes(c->sock, h->len) < 0)
			return -1;
		return SendHead(c, h, 205, 0);
	}
	if (RecvAll(c->sock, token, sizeof(token)) < 0)
		return -1;
	c->session = get_le32(token) ^ get_le32(token + 4) ^ 0x1000;
	return SendHead(c, h, 100, 0);
}

static int OnData(PbClient *c, const PbHead *h)
{
	uint8_t *blk;
	size_t n;
	int rc;

	if (SkipBytes(c->sock, h->len) < 0)
		return -1;
	if (!c->rec)
		return SendHead(c, h, 104, 0);
	blk = malloc(PB_MAX_DATA);
	if (!blk)
		return -1;
	n = fread(blk, 1, PB_MAX_DATA, c->rec);
	rc = SendHead(c, h, 100, (uint32_t)n);
	if (rc == 0 && n > 0)
		rc = send(c->sock, blk, n, 0) == (ssize_t)n ? 0 : -1;
	free(blk);
	return rc;
}

static int OnClose(PbClient *c, const PbHead *h)
{
	if (SkipBytes(c->sock, h->len) < 0)
		return -1;
	CloseRec(c);
	return SendHead(c, h, 100, 0);
}

static int OnMessage(PbClient *c, const PbHead *h)
{
	switch (h->msg) {
	case PB_LOGIN:
		return OnLogin(c, h);
	case PB_OPEN:
		return OnOpen(c, h);
	case PB_DATA:
		return OnData(c, h);
	case PB_CLOSE:
		return OnClose(c, h);
	case PB_KEEPALIVE:
		c->alive++;
		break;
	default:
		break;
	}
	if (SkipBytes(c->sock, h->len) < 0)
		return -1;
	return SendHead(c, h, 100, 0);
}

static void ServeClient(int sock)
{
	struct timeval tv = { 30, 0 };
	PbClient c;
	PbHead h;

	memset(&c, 0, sizeof(c));
	c.sock = sock;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	while (RecvHead(sock, &h) == 0) {
		if (!HeadSane(&h))
			break;
		if (OnMessage(&c, &h) < 0)
			break;
	}
	CloseRec(&c);
	close(sock);
}

static int Listen(int port)
{
	struct sockaddr_in a;
	int on = 1, s = socket(AF_INET, SOCK_STREAM, 0);

	if (s < 0)
		return -1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons((uint16_t)port);
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 2)) {
		close(s);
		return -1;
	}
	return s;
}

int main(void)
{
	int s;

	openlog("playback", 0, LOG_LOCAL1);
	signal(SIGPIPE, SIG_IGN);
	s = Listen(PB_PORT);
	if (s < 0)
		return 1;
	for (;;) {
		int c = accept(s, NULL, NULL);

		if (c >= 0)
			ServeClient(c);
	}
}
