/* ssdpd.c: UPnP announcements for the router. Very old code, do not touch. -- wl */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <time.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SSDP_ADDR "239.255.255.250"
#define NTGT 6
#define NPEND 16

struct target { char *urn; char *suffix; };

struct pending {
	int used;
	int tgt;
	time_t due;
	struct sockaddr_in to;
};

static struct target tgts[NTGT] = {
	{ "upnp:rootdevice", "::upnp:rootdevice" },
	{ "uuid:5ca1ab1e-0000-1000-8000-c0ffee000001", "" },
	{ "urn:schemas-upnp-org:device:InternetGatewayDevice:1", "::igd" },
	{ "urn:schemas-upnp-org:device:WANDevice:1", "::wand" },
	{ "urn:schemas-upnp-org:service:WANIPConnection:1", "::wanip" },
	{ "urn:schemas-upnp-org:service:Layer3Forwarding:1", "::l3f" },
};

static struct pending pend[NPEND];
static int sk;
static char lanip[16] = "192.168.0.1";
static unsigned nsearch, nnotify, nbad;
static time_t alive_at;

static char *
skipline(char *p)
{
	while (*p && *p != '\n')
		p++;
	return *p ? p + 1 : p;
}

/* pointer to value of header, or 0 */
static char *
header(char *msg, char *name)
{
	int n = strlen(name);
	char *p;

	for (p = skipline(msg); *p && *p != '\r'; p = skipline(p))
		if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
			p += n + 1;
			while (*p == ' ' || *p == '\t')
				p++;
			return p;
		}
	return 0;
}

static int
target_no(char *st)
{
	int i;

	for (i = 0; i < NTGT; i++)
		if (strcmp(st, tgts[i].urn) == 0)
			return i;
	if (strcmp(st, "ssdp:all") == 0)
		return NTGT;
	return -1;
}

static void
schedule(int t, struct sockaddr_in *to, int mx)
{
	int i;

	if (mx < 1)
		mx = 1;
	if (mx > 5)
		mx = 5;
	for (i = 0; i < NPEND; i++)
		if (!pend[i].used) {
			pend[i].used = 1;
			pend[i].tgt = t;
			pend[i].due = time(0) + rand() % mx;
			pend[i].to = *to;
			return;
		}
}

static int
get_search(char *msg, int *mx)
{
	char st[96];
	char man[32];
	char *h;

	h = header(msg, "MAN");
	if (h == 0 || strncmp(h, "\"ssdp:discover\"", 15) != 0)
		return -2;
	h = header(msg, "MX");
	*mx = h ? atoi(h) : 1;
	h = header(msg, "ST");
	if (h == 0 || sscanf(h, "%[^\r\n ]", st) != 1)
		return -2;
	return target_no(st);
}

static int
do_search(char *msg, struct sockaddr_in *from)
{
	int mx, t, i;

	nsearch++;
	t = get_search(msg, &mx);
	if (t < 0)
		return t == -2;
	if (t < NTGT)
		schedule(t, from, mx);
	else
		for (i = 0; i < NTGT; i++)
			schedule(i, from, mx);
	return 0;
}

static int
do_notify(char *msg, struct sockaddr_in *from)
{
	char *h = header(msg, "NTS");

	if (h == 0)
		return 1;
	if (strncmp(h, "ssdp:alive", 10) && strncmp(h, "ssdp:byebye", 11))
		return 1;
	nnotify++;
	return 0;
}

static int
do_stat(char *msg, struct sockaddr_in *from)
{
	char out[128];
	int n;

	n = snprintf(out, sizeof out, "search=%u notify=%u bad=%u\r\n", nsearch, nnotify, nbad);
	sendto(sk, out, n, 0, (struct sockaddr *)from, sizeof *from);
	return 0;
}

static struct {
	char *verb;
	int (*fn)(char *, struct sockaddr_in *);
} verbs[] = {
	{ "M-SEARCH * ", do_search },
	{ "NOTIFY * ", do_notify },
	{ "X-STAT * ", do_stat },
	{ 0, 0 }
};

static void
answer(struct pending *p)
{
	char out[600];
	int n;

	n = snprintf(out, sizeof out,
	    "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\n"
	    "LOCATION: http://%s:5000/rootDesc.xml\r\nSERVER: Linux UPnP/1.0 rtr/1.0\r\n"
	    "ST: %s\r\nUSN: uuid:5ca1ab1e-0000-1000-8000-c0ffee000001%s\r\n\r\n",
	    lanip, tgts[p->tgt].urn, tgts[p->tgt].suffix);
	if (n > 0 && n < (int)sizeof out)
		sendto(sk, out, n, 0, (struct sockaddr *)&p->to, sizeof p->to);
	p->used = 0;
}

static void
alive(void)
{
	struct sockaddr_in mc;
	char out[600];
	int i, n;

	memset(&mc, 0, sizeof mc);
	mc.sin_family = AF_INET;
	mc.sin_port = htons(1900);
	mc.sin_addr.s_addr = inet_addr(SSDP_ADDR);
	for (i = 0; i < NTGT; i++) {
		n = snprintf(out, sizeof out,
		    "NOTIFY * HTTP/1.1\r\nHOST: %s:1900\r\nNTS: ssdp:alive\r\n"
		    "LOCATION: http://%s:5000/rootDesc.xml\r\nNT: %s\r\n\r\n",
		    SSDP_ADDR, lanip, tgts[i].urn);
		sendto(sk, out, n, 0, (struct sockaddr *)&mc, sizeof mc);
	}
}

static void
timers(void)
{
	time_t now = time(0);
	int i;

	for (i = 0; i < NPEND; i++)
		if (pend[i].used && pend[i].due <= now)
			answer(&pend[i]);
	if (now >= alive_at) {
		alive();
		alive_at = now + 600;
	}
}

static void
input(void)
{
	static char msg[2048];
	struct sockaddr_in from;
	socklen_t fl = sizeof from;
	int n, i;

	n = recvfrom(sk, msg, sizeof msg - 1, 0, (struct sockaddr *)&from, &fl);
	if (n <= 0)
		return;
	msg[n] = 0;
	for (i = 0; verbs[i].verb; i++)
		if (strncmp(msg, verbs[i].verb, strlen(verbs[i].verb)) == 0) {
			if (verbs[i].fn(msg, &from))
				nbad++;
			return;
		}
	nbad++;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in sin;
	struct ip_mreq mr;
	int on = 1;

	if (argc > 1)
		snprintf(lanip, sizeof lanip, "%s", argv[1]);
	sk = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(sk, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	memset(&sin, 0, sizeof sin);
	sin.sin_family = AF_INET;
	sin.sin_port = htons(1900);
	sin.sin_addr.s_addr = INADDR_ANY;
	if (bind(sk, (struct sockaddr *)&sin, sizeof sin) < 0) {
		perror("bind");
		exit(1);
	}
	mr.imr_multiaddr.s_addr = inet_addr(SSDP_ADDR);
	mr.imr_interface.s_addr = inet_addr(lanip);
	setsockopt(sk, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof mr);
	srand(getpid());
	for (;;) {
		fd_set r;
		struct timeval tv;

		FD_ZERO(&r);
		FD_SET(sk, &r);
		tv.tv_sec = 0;
		tv.tv_usec = 250000;
		if (select(sk + 1, &r, 0, 0, &tv) > 0)
			input();
		timers();
	}
}
