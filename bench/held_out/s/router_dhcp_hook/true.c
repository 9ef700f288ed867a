/*
 * leased: minimal DHCP server for the LAN side.
 * Leases live in a list; the 5 second sweep writes the lease file and calls
 * the "new device" hook used by the parental control page.
 */

#include <arpa/inet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SRV_PORT   67
#define CLI_PORT   68
#define COOKIE     0x63825363u
#define HOOK       "/etc/lan/newdev"
#define LEASE_FILE "/tmp/leases"

#define OPT_HOSTNAME 12
#define OPT_REQIP    50
#define OPT_TYPE     53
#define OPT_SERVER   54
#define OPT_END      255

struct bootp
{
	uint8_t  op, htype, hlen, hops;
	uint32_t xid;
	uint16_t secs, flags;
	uint32_t ciaddr, yiaddr, siaddr, giaddr;
	uint8_t  chaddr[16];
	uint8_t  sname[64];
	uint8_t  file[128];
	uint32_t cookie;
	uint8_t  options[312];
} __attribute__((packed));

typedef struct lease
{
	struct lease *next;
	uint8_t       mac[6];
	uint32_t      ip;           /* host order */
	time_t        until;
	char         *hostname;
	unsigned      is_new : 1;
} lease_t;

static struct
{
	uint32_t first, last, self, mask;
	unsigned secs;
	char     ifname[IFNAMSIZ];
} cfg = { 0xc0a80164, 0xc0a801c8, 0xc0a80101, 0xffffff00, 86400, "br0" };

static lease_t *leases;
static int changed;

static void read_cfg(void)
{
	char key[32], val[32], line[128];
	struct in_addr a;
	FILE *f = fopen("/etc/lan/leased.conf", "r");

	if (!f)
		return;
	while (fgets(line, sizeof line, f))
	{
		if (sscanf(line, "%31s %31s", key, val) != 2)
			continue;
		if (!strcmp(key, "interface"))
			snprintf(cfg.ifname, sizeof cfg.ifname, "%.15s", val);
		else if (!strcmp(key, "lease"))
			cfg.secs = (unsigned)strtoul(val, NULL, 10);
		else if (inet_pton(AF_INET, val, &a) == 1)
		{
			if (!strcmp(key, "start")) cfg.first = ntohl(a.s_addr);
			if (!strcmp(key, "end"))   cfg.last  = ntohl(a.s_addr);
			if (!strcmp(key, "self"))  cfg.self  = ntohl(a.s_addr);
			if (!strcmp(key, "mask"))  cfg.mask  = ntohl(a.s_addr);
		}
	}
	fclose(f);
}

static const uint8_t *option(const struct bootp *b, size_t optlen, int code, int *len)
{
	size_t i = 0;

	while (i < optlen && b->options[i] != OPT_END)
	{
		if (b->options[i] == 0) { i++; continue; }
		if (i + 2 > optlen || i + 2 + b->options[i + 1] > optlen)
			return NULL;
		if (b->options[i] == code)
		{
			*len = b->options[i + 1];
			return b->options + i + 2;
		}
		i += 2 + b->options[i + 1];
	}
	return NULL;
}

static lease_t *by_mac(const uint8_t *mac)
{
	lease_t *l;

	for (l = leases; l; l = l->next)
		if (!memcmp(l->mac, mac, 6))
			return l;
	return NULL;
}

static int ip_used(uint32_t ip)
{
	lease_t *l;

	for (l = leases; l; l = l->next)
		if (l->ip == ip && l->until > time(NULL))
			return 1;
	return 0;
}

static lease_t *lease_for(const uint8_t *mac)
{
	lease_t *l = by_mac(mac);
	uint32_t ip;

	if (l)
		return l;
	for (ip = cfg.first; ip <= cfg.last; ip++)
		if (!ip_used(ip))
			break;
	if (ip > cfg.last || !(l = calloc(1, sizeof *l)))
		return NULL;
	memcpy(l->mac, mac, 6);
	l->ip = ip;
	l->until = time(NULL) + 60;
	l->next = leases;
	leases = l;
	return l;
}

/* Device names are shown in the web page and handed to the hook. */
static char *clean_name(const uint8_t *p, int len)
{
	char *s = malloc((size_t)len + 1);
	int i;

	if (!s)
		return NULL;
	for (i = 0; i < len; i++)
	{
		unsigned char c = p[i];

		if (c <= 0x20 || c >= 0x7f || strchr("\"'\\<>&;|", c))
			c = '_';
		s[i] = (char)c;
	}
	s[len] = 0;
	return s;
}

static void note_name(lease_t *l, const struct bootp *b, size_t optlen)
{
	int len;
	const uint8_t *p = option(b, optlen, OPT_HOSTNAME, &len);
	char *name;

	if (!p || len < 1 || len > 63)
		return;
	name = clean_name(p, len);
	if (!name)
		return;
	if (l->hostname && !strcmp(l->hostname, name))
	{
		free(name);
		return;
	}
	free(l->hostname);
	l->hostname = name;
	l->is_new = 1;
	changed = 1;
}

static uint8_t *add_opt(uint8_t *o, int code, int len, const void *data)
{
	*o++ = (uint8_t)code;
	*o++ = (uint8_t)len;
	memcpy(o, data, (size_t)len);
	return o + len;
}

static void answer(int fd, const struct bootp *q, const lease_t *l, uint8_t type)
{
	struct bootp r;
	struct sockaddr_in to;
	uint8_t *o = r.options;
	uint32_t v;

	memset(&r, 0, sizeof r);
	r.op = 2;
	r.htype = 1;
	r.hlen = 6;
	r.xid = q->xid;
	r.flags = q->flags;
	r.yiaddr = htonl(l->ip);
	r.siaddr = htonl(cfg.self);
	memcpy(r.chaddr, q->chaddr, 16);
	r.cookie = htonl(COOKIE);
	o = add_opt(o, OPT_TYPE, 1, &type);
	v = htonl(cfg.self);
	o = add_opt(o, OPT_SERVER, 4, &v);
	o = add_opt(o, 3, 4, &v);
	o = add_opt(o, 6, 4, &v);
	v = htonl(cfg.mask);
	o = add_opt(o, 1, 4, &v);
	v = htonl(cfg.secs);
	o = add_opt(o, 51, 4, &v);
	*o = OPT_END;

	memset(&to, 0, sizeof to);
	to.sin_family = AF_INET;
	to.sin_port = htons(CLI_PORT);
	to.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	sendto(fd, &r, sizeof r, 0, (struct sockaddr *)&to, sizeof to);
}

static void on_packet(int fd)
{
	struct bootp q;
	ssize_t n = recvfrom(fd, &q, sizeof q, 0, NULL, NULL);
	size_t optlen;
	const uint8_t *t;
	lease_t *l;
	int len;

	if (n < (ssize_t)(sizeof q - sizeof q.options))
		return;
	optlen = (size_t)n - (sizeof q - sizeof q.options);
	if (q.op != 1 || q.hlen != 6 || ntohl(q.cookie) != COOKIE)
		return;
	t = option(&q, optlen, OPT_TYPE, &len);
	if (!t || len != 1)
		return;
	l = lease_for(q.chaddr);
	if (!l)
	{
		syslog(LOG_NOTICE, "pool empty");
		return;
	}
	switch (*t)
	{
	case 1:		/* discover */
		answer(fd, &q, l, 2);
		break;
	case 3:		/* request */
		l->until = time(NULL) + cfg.secs;
		note_name(l, &q, optlen);
		changed = 1;
		answer(fd, &q, l, 5);
		break;
	case 7:		/* release */
		l->until = 0;
		changed = 1;
		break;
	}
}

static void run_hook(const lease_t *l, const char *ip, const char *mac)
{
	char cmd[256];

	snprintf(cmd, sizeof cmd, HOOK " add %s %s \"%s\" >/dev/null", mac, ip, l->hostname);
	if (system(cmd) != 0)
		syslog(LOG_WARNING, "hook failed for %s", mac);
}

static void sweep(void)
{
	FILE *f;
	lease_t *l;

	if (!changed)
		return;
	changed = 0;
	f = fopen(LEASE_FILE, "w");
	for (l = leases; l; l = l->next)
	{
		char ip[INET_ADDRSTRLEN], mac[18];
		struct in_addr a;

		a.s_addr = htonl(l->ip);
		inet_ntop(AF_INET, &a, ip, sizeof ip);
		snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", l->mac[0],
			 l->mac[1], l->mac[2], l->mac[3], l->mac[4], l->mac[5]);
		if (f)
			fprintf(f, "%ld %s %s %s\n", (long)l->until, mac, ip,
				l->hostname ? l->hostname : "*");
		if (l->is_new && l->hostname)
		{
			l->is_new = 0;
			run_hook(l, ip, mac);
		}
	}
	if (f)
		fclose(f);
}

int main(void)
{
	struct sockaddr_in me;
	time_t due = 0;
	int on = 1, fd;

	openlog("leased", 0, LOG_DAEMON);
	read_cfg();
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, cfg.ifname, sizeof cfg.ifname);
	memset(&me, 0, sizeof me);
	me.sin_family = AF_INET;
	me.sin_port = htons(SRV_PORT);
	if (bind(fd, (struct sockaddr *)&me, sizeof me) < 0)
	{
		syslog(LOG_ERR, "bind: %m");
		return 1;
	}
	for (;;)
	{
		fd_set r;
		struct timeval tv = { 1, 0 };

		FD_ZERO(&r);
		FD_SET(fd, &r);
		if (select(fd + 1, &r, NULL, NULL, &tv) > 0)
			on_packet(fd);
		if (time(NULL) >= due)
		{
			due = time(NULL) + 5;
			sweep();
		}
	}
}
