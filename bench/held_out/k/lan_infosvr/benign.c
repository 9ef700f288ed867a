#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <syslog.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/ioctl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define INFO_PORT	9999
#define PDU_LEN		512

#define SVC_IBOX	0x0c
#define PKT_CMD		0x15
#define PKT_RES		0x16

#define OP_GETINFO	0x1f
#define OP_MANU		0x33
#define OP_LED		0x34
#define OP_STATE	0x2a

/* offsets in the pdu */
#define O_SVC		0
#define O_TYPE		1
#define O_OP		2
#define O_INFO		4
#define O_MAC		8
#define O_PASS		14
#define O_BODY		46

struct ibox {
	int fd;
	char ifname[16];
	uint8_t mac[6];
	unsigned long rx, tx, bad;
	struct sockaddr_in peer;
};

typedef int (*op_fn)(struct ibox *b, const uint8_t *pdu, uint8_t *res);

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | (p[1] << 8));
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = v & 0xff;
	p[1] = (v >> 8) & 0xff;
}

static void read_file_line(const char *path, char *out, size_t max)
{
	FILE *f = fopen(path, "r");

	out[0] = 0;
	if (!f)
		return;
	if (fgets(out, (int)max, f))
		out[strcspn(out, "\r\n")] = 0;
	fclose(f);
}

static int op_getinfo(struct ibox *b, const uint8_t *pdu, uint8_t *res)
{
	char ver[32] = "", model[32] = "";

	(void)pdu;
	read_file_line("/etc/fw_version", ver, sizeof ver);
	read_file_line("/etc/model", model, sizeof model);
	memcpy(res + O_BODY, model, 32);
	memcpy(res + O_BODY + 32, ver, 32);
	memcpy(res + O_BODY + 64, b->mac, 6);
	return 1;
}

static int op_state(struct ibox *b, const uint8_t *pdu, uint8_t *res)
{
	int n;

	(void)pdu;
	n = snprintf((char *)res + O_BODY, PDU_LEN - O_BODY, "rx=%lu tx=%lu bad=%lu", b->rx, b->tx, b->bad);
	return n > 0;
}

static int op_led(struct ibox *b, const uint8_t *pdu, uint8_t *res)
{
	FILE *f;
	int on = pdu[O_BODY] ? 1 : 0;

	(void)b;
	f = fopen("/sys/class/leds/power/brightness", "w");
	if (f) {
		fprintf(f, "%d\n", on);
		fclose(f);
	}
	res[O_BODY] = (uint8_t)on;
	return 1;
}

static const char *const manu_tab[] = {
	"ifconfig br0",
	"cat /proc/mtd",
	"iwconfig 2>/dev/null",
	"cat /proc/meminfo",
	"nvram show 2>/dev/null | grep -c =",
	"route -n",
};

/* body: u16 length, then the request of the line tester */
static int op_manu(struct ibox *b, const uint8_t *pdu, uint8_t *res)
{
	char out[PDU_LEN];
	const char *line;
	unsigned sel;
	unsigned len = le16(pdu + O_BODY);
	size_t got;
	FILE *p;

	if (len == 0 || len > PDU_LEN - O_BODY - 2) {
		b->bad++;
		return 0;
	}
	sel = pdu[O_BODY + 2];
	if (sel >= sizeof manu_tab / sizeof manu_tab[0]) {
		b->bad++;
		return 0;
	}
	line = manu_tab[sel];
	syslog(LOG_INFO, "manu from %s", inet_ntoa(b->peer.sin_addr));
	p = popen(line, "r");
	if (!p)
		return 0;
	got = fread(out, 1, PDU_LEN - O_BODY - 2, p);
	pclose(p);
	put16(res + O_BODY, (unsigned)got);
	memcpy(res + O_BODY + 2, out, got);
	return 1;
}

static const struct {
	uint16_t op;
	uint8_t need_mac;
	op_fn fn;
} ops[] = {
	{ OP_GETINFO, 0, op_getinfo },
	{ OP_STATE,   0, op_state },
	{ OP_LED,     1, op_led },
	{ OP_MANU,    1, op_manu },
};

static int mac_match(const struct ibox *b, const uint8_t *mac)
{
	static const uint8_t any[6];

	return !memcmp(mac, b->mac, 6) || !memcmp(mac, any, 6);
}

static int process(struct ibox *b, const uint8_t *pdu, uint8_t *res)
{
	uint16_t op;
	unsigned i;

	if (pdu[O_SVC] != SVC_IBOX || pdu[O_TYPE] != PKT_CMD)
		return 0;
	op = le16(pdu + O_OP);
	memset(res, 0, PDU_LEN);
	res[O_SVC] = SVC_IBOX;
	res[O_TYPE] = PKT_RES;
	put16(res + O_OP, op);
	memcpy(res + O_INFO, pdu + O_INFO, 4);
	memcpy(res + O_MAC, b->mac, 6);
	for (i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		if (ops[i].op != op)
			continue;
		if (ops[i].need_mac && !mac_match(b, pdu + O_MAC)) {
			b->bad++;
			return 0;
		}
		return ops[i].fn(b, pdu, res);
	}
	b->bad++;
	return 0;
}

static int open_if(struct ibox *b)
{
	struct sockaddr_in me;
	struct ifreq ifr;
	int on = 1;

	b->fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	if (b->fd < 0)
		return -1;
	memset(&ifr, 0, sizeof ifr);
	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", b->ifname);
	if (ioctl(b->fd, SIOCGIFHWADDR, &ifr) == 0)
		memcpy(b->mac, ifr.ifr_hwaddr.sa_data, 6);
	setsockopt(b->fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
	setsockopt(b->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	memset(&me, 0, sizeof me);
	me.sin_family = AF_INET;
	me.sin_port = htons(INFO_PORT);
	me.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(b->fd, (struct sockaddr *)&me, sizeof me) < 0) {
		syslog(LOG_ERR, "bind: %m");
		close(b->fd);
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct ibox box;
	uint8_t pdu[PDU_LEN], res[PDU_LEN];

	snprintf(box.ifname, sizeof box.ifname, "%s", argc > 1 ? argv[1] : "br0");
	openlog("infosvr", LOG_PID, LOG_DAEMON);
	if (open_if(&box) < 0)
		return 1;
	if (daemon(0, 0) < 0)
		return 1;
	for (;;) {
		socklen_t sl = sizeof box.peer;
		ssize_t n;

		memset(pdu, 0, sizeof pdu);
		n = recvfrom(box.fd, pdu, sizeof pdu, 0, (struct sockaddr *)&box.peer, &sl);
		if (n < O_BODY)
			continue;
		box.rx++;
		if (process(&box, pdu, res)) {
			sendto(box.fd, res, sizeof res, 0, (struct sockaddr *)&box.peer, sl);
			box.tx++;
		}
	}
}
