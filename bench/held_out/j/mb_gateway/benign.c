/* mb_gateway.c -- Modbus/TCP to RTU bridge for the RS485 board */
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <termios.h>
#include <signal.h>
#include <errno.h>
#include <poll.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define MB_PORT       1502
#define MB_HDR        7
#define MB_ADU_MAX    256
#define MB_FRAME_MAX  1024

#define EX_ILLEGAL_FN 0x01
#define EX_GATEWAY    0x0B

struct gw_stats {
	unsigned long rx;
	unsigned long tx;
	unsigned long errors;
	unsigned long timeouts;
};

struct gw {
	int serial;
	int verbose;
	const char *tty;
	struct gw_stats st;
};

static struct gw gw;

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t crc16(const uint8_t *p, size_t n)
{
	uint16_t crc = 0xFFFF;
	int b;

	while (n--) {
		crc ^= *p++;
		for (b = 0; b < 8; b++)
			crc = (crc & 1) ? (crc >> 1) ^ 0xA001 : crc >> 1;
	}
	return crc;
}

static int recv_n(int fd, uint8_t *buf, int n)
{
	int got = 0;

	while (got < n) {
		int r = recv(fd, buf + got, n - got, 0);

		if (r == 0)
			return -1;
		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		got += r;
	}
	return got;
}

static int serial_open(const char *tty)
{
	struct termios t;
	int fd = open(tty, O_RDWR | O_NOCTTY);

	if (fd < 0)
		return -1;
	if (tcgetattr(fd, &t) == 0) {
		cfmakeraw(&t);
		cfsetispeed(&t, B19200);
		cfsetospeed(&t, B19200);
		t.c_cflag |= CLOCAL | CREAD | PARENB;
		tcsetattr(fd, TCSANOW, &t);
	}
	return fd;
}

/* Send one RTU frame, wait for the answer. Returns answer length without CRC. */
static int rtu_exchange(const uint8_t *req, int len, uint8_t *ans, int max)
{
	uint8_t crc[2];
	uint16_t c = crc16(req, len);
	struct pollfd pf;
	int got = 0, r;

	crc[0] = c & 0xFF;
	crc[1] = c >> 8;
	tcflush(gw.serial, TCIFLUSH);
	if (write(gw.serial, req, len) != len || write(gw.serial, crc, 2) != 2)
		return -1;
	pf.fd = gw.serial;
	pf.events = POLLIN;
	while (got < max) {
		r = poll(&pf, 1, got ? 20 : 500);
		if (r <= 0)
			break;
		r = read(gw.serial, ans + got, max - got);
		if (r <= 0)
			break;
		got += r;
	}
	if (got == 0) {
		gw.st.timeouts++;
		return -1;
	}
	if (got < 4)
		return -1;
	c = crc16(ans, got - 2);
	if (ans[got - 2] != (c & 0xFF) || ans[got - 1] != (c >> 8))
		return -1;
	return got - 2;
}

static int fn_allowed(uint8_t fn)
{
	static const uint8_t ok[] = { 1, 2, 3, 4, 5, 6, 15, 16, 22, 23 };
	size_t i;

	for (i = 0; i < sizeof(ok); i++)
		if (ok[i] == fn)
			return 1;
	return 0;
}

static int send_adu(int fd, const uint8_t *hdr, const uint8_t *body, int n)
{
	uint8_t out[6 + MB_ADU_MAX];

	if (n > MB_ADU_MAX)
		return -1;
	memcpy(out, hdr, 4);
	put16(out + 4, (uint16_t)n);
	memcpy(out + 6, body, n);
	if (send(fd, out, 6 + n, MSG_NOSIGNAL) != 6 + n)
		return -1;
	gw.st.tx++;
	return 0;
}

static int send_exception(int fd, const uint8_t *hdr, uint8_t unit, uint8_t fn, uint8_t ex)
{
	uint8_t b[3];

	b[0] = unit;
	b[1] = fn | 0x80;
	b[2] = ex;
	gw.st.errors++;
	return send_adu(fd, hdr, b, 3);
}

static int one_request(int fd)
{
	uint8_t hdr[MB_HDR];
	uint8_t adu[MB_ADU_MAX];
	uint8_t ans[MB_ADU_MAX];
	int len, n;

	if (recv_n(fd, hdr, MB_HDR) < 0)
		return -1;
	if (be16(hdr + 2) != 0)
		return -1;
	len = be16(hdr + 4);
	if (len < 2 || len > MB_ADU_MAX)
		return -1;
	adu[0] = hdr[6];
	if (recv_n(fd, adu + 1, len - 1) < 0)
		return -1;
	gw.st.rx++;
	if (gw.verbose)
		printf("unit %u fn %u len %d\n", adu[0], adu[1], len);

	if (!fn_allowed(adu[1]))
		return send_exception(fd, hdr, adu[0], adu[1], EX_ILLEGAL_FN);
	n = rtu_exchange(adu, len, ans, sizeof(ans));
	if (n < 2)
		return send_exception(fd, hdr, adu[0], adu[1], EX_GATEWAY);
	return send_adu(fd, hdr, ans, n);
}

static void dump_stats(void)
{
	FILE *f = fopen("/tmp/mbgw.stat", "w");

	if (!f)
		return;
	fprintf(f, "rx %lu\ntx %lu\nerr %lu\ntimeout %lu\n",
	        gw.st.rx, gw.st.tx, gw.st.errors, gw.st.timeouts);
	fclose(f);
}

static int listen_on(int port)
{
	struct sockaddr_in a;
	int one = 1;
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (s < 0)
		return -1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons(port);
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 4)) {
		close(s);
		return -1;
	}
	return s;
}

int main(int argc, char **argv)
{
	int s, c, o;

	gw.tty = "/dev/ttyS1";
	while ((o = getopt(argc, argv, "vd:")) != -1) {
		if (o == 'v')
			gw.verbose = 1;
		else if (o == 'd')
			gw.tty = optarg;
		else
			return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	gw.serial = serial_open(gw.tty);
	if (gw.serial < 0) {
		fprintf(stderr, "%s: %s\n", gw.tty, strerror(errno));
		return 1;
	}
	s = listen_on(MB_PORT);
	if (s < 0) {
		fprintf(stderr, "listen: %s\n", strerror(errno));
		return 1;
	}
	for (;;) {
		c = accept(s, NULL, NULL);
		if (c < 0)
			continue;
		while (one_request(c) == 0)
			;
		close(c);
		dump_stats();
	}
}
