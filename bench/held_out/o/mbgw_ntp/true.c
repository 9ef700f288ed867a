/*
 * mbgwd - configuration agent of the MB-4xx Modbus/TCP serial gateway
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <syslog.h>
#include <poll.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CFG_PORT        17184
#define CFG_MAGIC       0x4d42u
#define CFG_VER         2

enum { OP_PING = 0, OP_GET_INFO, OP_SET_SERIAL, OP_SET_NTP, OP_SET_TRAP, OP_MAX };

struct cfg_hdr {
	uint16_t magic;
	uint8_t  ver;
	uint8_t  op;
	uint16_t seq;
	uint16_t len;
};

struct gw_state {
	int      baud;
	int      parity;
	char     ntp_server[64];
	int      ntp_dirty;
	struct in_addr trap_addr;
	unsigned ntp_runs;
	uint32_t rx_ok, rx_bad;
};

static struct gw_state g_gw = { 9600, 'N', "192.0.2.123", 1 };
static int g_sock = -1;

static void gw_log(int pri, const char *fmt, ...)
{
	va_list ap;
	char line[256];

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	syslog(pri, "%s", line);
}

static int reply(const struct sockaddr_in *to, const struct cfg_hdr *h,
		 const void *data, uint16_t len)
{
	uint8_t out[256];
	struct cfg_hdr r = *h;

	if (len > sizeof(out) - sizeof(r))
		return -1;
	r.op |= 0x80;
	r.len = htons(len);
	memcpy(out, &r, sizeof(r));
	if (len)
		memcpy(out + sizeof(r), data, len);
	return sendto(g_sock, out, sizeof(r) + len, 0,
		      (const struct sockaddr *)to, sizeof(*to));
}

static int op_ping(const struct sockaddr_in *from, const struct cfg_hdr *h,
		   const uint8_t *p, size_t n)
{
	return reply(from, h, "OK", 2);
}

static int op_info(const struct sockaddr_in *from, const struct cfg_hdr *h,
		   const uint8_t *p, size_t n)
{
	char info[160];
	int k = snprintf(info, sizeof(info), "MB-410 fw 2.3.7 baud=%d par=%c ntp=%s",
			 g_gw.baud, g_gw.parity, g_gw.ntp_server);

	if (k >= (int)sizeof(info))
		k = sizeof(info) - 1;
	return reply(from, h, info, k);
}

static int op_serial(const struct sockaddr_in *from, const struct cfg_hdr *h,
		     const uint8_t *p, size_t n)
{
	static const int rates[] = { 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200 };

	if (n < 2 || p[0] >= sizeof(rates) / sizeof(rates[0]))
		return -1;
	if (p[1] != 'N' && p[1] != 'E' && p[1] != 'O')
		return -1;
	g_gw.baud = rates[p[0]];
	g_gw.parity = p[1];
	gw_log(LOG_INFO, "serial %d 8%c1", g_gw.baud, g_gw.parity);
	return reply(from, h, "OK", 2);
}

static int op_ntp(const struct sockaddr_in *from, const struct cfg_hdr *h,
		  const uint8_t *p, size_t n)
{
	char host[64];
	struct in_addr a;

	if (n == 0 || n >= sizeof(host))
		return -1;
	memcpy(host, p, n);
	host[n] = '\0';
	if (inet_aton(host, &a) == 0) {
		gw_log(LOG_WARNING, "ntp: not an address");
		return reply(from, h, "EADDR", 5);
	}
	strcpy(g_gw.ntp_server, host);
	g_gw.ntp_dirty = 1;
	return reply(from, h, "OK", 2);
}

static int op_trap(const struct sockaddr_in *from, const struct cfg_hdr *h,
		   const uint8_t *p, size_t n)
{
	if (n != 4)
		return -1;
	memcpy(&g_gw.trap_addr, p, 4);
	gw_log(LOG_INFO, "trap sink %s", inet_ntoa(g_gw.trap_addr));
	return reply(from, h, "OK", 2);
}

typedef int (*op_fn)(const struct sockaddr_in *, const struct cfg_hdr *,
		     const uint8_t *, size_t);

static const op_fn op_table[OP_MAX] = {
	[OP_PING]       = op_ping,
	[OP_GET_INFO]   = op_info,
	[OP_SET_SERIAL] = op_serial,
	[OP_SET_NTP]    = op_ntp,
	[OP_SET_TRAP]   = op_trap,
};

static void on_packet(void)
{
	uint8_t buf[512];
	struct sockaddr_in from;
	socklen_t fl = sizeof(from);
	struct cfg_hdr h;
	ssize_t n;
	size_t len;

	n = recvfrom(g_sock, buf, sizeof(buf), 0, (struct sockaddr *)&from, &fl);
	if (n < (ssize_t)sizeof(h)) {
		g_gw.rx_bad++;
		return;
	}
	memcpy(&h, buf, sizeof(h));
	len = ntohs(h.len);
	if (ntohs(h.magic) != CFG_MAGIC || h.ver != CFG_VER ||
	    len != (size_t)n - sizeof(h) || h.op >= OP_MAX) {
		g_gw.rx_bad++;
		return;
	}
	g_gw.rx_ok++;
	if (op_table[h.op](&from, &h, buf + sizeof(h), len) < 0)
		gw_log(LOG_NOTICE, "op %u from %s refused", h.op, inet_ntoa(from.sin_addr));
}

static void ntp_tick(void)
{
	char cmd[128];
	int rc;

	if (!g_gw.ntp_dirty && (g_gw.ntp_runs++ % 360) != 0)
		return;
	g_gw.ntp_dirty = 0;
	snprintf(cmd, sizeof(cmd), "/usr/sbin/ntpdate -u %s >/dev/null 2>&1", g_gw.ntp_server);
	rc = system(cmd);
	if (rc != 0)
		gw_log(LOG_WARNING, "time sync failed rc=%d", rc);
}

int main(void)
{
	struct sockaddr_in sa;
	struct itimerspec its = { { 10, 0 }, { 10, 0 } };
	struct pollfd pfd[2];
	uint64_t exp;
	int tfd;

	openlog("mbgwd", LOG_PID, LOG_DAEMON);
	g_sock = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(CFG_PORT);
	sa.sin_addr.s_addr = htonl(INADDR_ANY);
	if (g_sock < 0 || bind(g_sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		gw_log(LOG_ERR, "bind: %m");
		return 1;
	}
	tfd = timerfd_create(CLOCK_MONOTONIC, 0);
	if (tfd < 0 || timerfd_settime(tfd, 0, &its, NULL) < 0)
		return 1;
	pfd[0].fd = g_sock;
	pfd[0].events = POLLIN;
	pfd[1].fd = tfd;
	pfd[1].events = POLLIN;
	for (;;) {
		if (poll(pfd, 2, -1) < 0)
			continue;
		if (pfd[0].revents & POLLIN)
			on_packet();
		if ((pfd[1].revents & POLLIN) && read(tfd, &exp, sizeof(exp)) == sizeof(exp))
			ntp_tick();
	}
}
