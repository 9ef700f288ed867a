/* ssdp responder of a wifi router: M-SEARCH is queued and answered after its MX delay by a timer */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <signal.h>
#include <time.h>
#include <errno.h>
#include <unistd.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SSDP_PORT  1900
#define PEND_MAX   8

struct pending {
	int used;
	int delay;
	char *target;
	struct sockaddr_in to;
};

struct ssdp_cfg {
	char location[64];
	char server[48];
	char uuid[40];
	int max_age;
	int verbose;
};

static struct pending pend[PEND_MAX];
static struct ssdp_cfg cfg = {
	"http://192.168.1.1:49152/rootDesc.xml",
	"Linux/3.10 UPnP/1.0 RouterOS-W/2.4",
	"7e2f91aa-3c1b-4dd8-91b2-0a1b2c3d4e5f",
	1800, 0
};
static char tx_buf[512];
static int sock;
static volatile sig_atomic_t tick;

static void on_tick(int s)
{
	tick = 1;
}

static void load_cfg(const char *path)
{
	char line[160], *v;
	FILE *f = fopen(path, "r");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n")] = 0;
		v = strchr(line, '=');
		if (!v)
			continue;
		*v++ = 0;
		if (!strcmp(line, "location"))
			snprintf(cfg.location, sizeof(cfg.location), "%s", v);
		else if (!strcmp(line, "uuid"))
			snprintf(cfg.uuid, sizeof(cfg.uuid), "%s", v);
		else if (!strcmp(line, "max_age"))
			cfg.max_age = atoi(v);
		else if (!strcmp(line, "verbose"))
			cfg.verbose = atoi(v);
	}
	fclose(f);
}

static int header_value(char *pkt, const char *name, char **val, size_t *len)
{
	size_t n = strlen(name);
	char *p = pkt;

	while ((p = strchr(p, '\n'))) {
		p++;
		if (strncasecmp(p, name, n) || p[n] != ':')
			continue;
		p += n + 1;
		p += strspn(p, " \t");
		*val = p;
		*len = strcspn(p, "\r\n");
		return 1;
	}
	return 0;
}

static int st_known(const char *st)
{
	static const char *const prefix[] = {
		"ssdp:all", "upnp:rootdevice", "uuid:",
		"urn:schemas-upnp-org:device:", "urn:schemas-upnp-org:service:", NULL
	};
	int i;

	for (i = 0; prefix[i]; i++)
		if (!strncmp(st, prefix[i], strlen(prefix[i])))
			return 1;
	return 0;
}

static void search(char *pkt, struct sockaddr_in *from)
{
	char *st, *v;
	size_t stl, l;
	int mx = 1, i;

	if (!header_value(pkt, "MAN", &v, &l) || strncmp(v, "\"ssdp:discover\"", 15))
		return;
	if (!header_value(pkt, "ST", &st, &stl))
		return;
	if (header_value(pkt, "MX", &v, &l))
		mx = atoi(v);
	if (mx < 1)
		mx = 1;
	if (mx > 5)
		mx = 5;
	for (i = 0; i < PEND_MAX; i++)
		if (!pend[i].used)
			break;
	if (i == PEND_MAX)
		return;
	v = strndup(st, stl);
	if (!v)
		return;
	if (!st_known(v)) {
		free(v);
		return;
	}
	pend[i].target = v;
	pend[i].to = *from;
	pend[i].delay = 1 + rand() % mx;
	pend[i].used = 1;
}

static void answer(struct pending *p)
{
	char date[40];
	time_t now = time(NULL);
	int n;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
	n = snprintf(tx_buf, sizeof(tx_buf), "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=%d\r\nDATE: %s\r\nEXT:\r\n"
		    "LOCATION: %s\r\nSERVER: %s\r\nST: %s\r\nUSN: uuid:%s::%s\r\n\r\n",
		    cfg.max_age, date, cfg.location, cfg.server, p->target, cfg.uuid, p->target);
	if (n > 0 && n < (int)sizeof(tx_buf))
		sendto(sock, tx_buf, n, 0, (struct sockaddr *)&p->to, sizeof(p->to));
	if (cfg.verbose)
		fprintf(stderr, "ssdp: answered %s\n", inet_ntoa(p->to.sin_addr));
}

static void run_pending(void)
{
	int i;

	for (i = 0; i < PEND_MAX; i++) {
		if (!pend[i].used || --pend[i].delay > 0)
			continue;
		answer(&pend[i]);
		free(pend[i].target);
		pend[i].target = NULL;
		pend[i].used = 0;
	}
}

static void notify_alive(void)
{
	struct sockaddr_in m;
	char msg[400];
	int n;

	memset(&m, 0, sizeof(m));
	m.sin_family = AF_INET;
	m.sin_port = htons(SSDP_PORT);
	m.sin_addr.s_addr = inet_addr("239.255.255.250");
	n = snprintf(msg, sizeof(msg), "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nCACHE-CONTROL: max-age=%d\r\n"
		     "LOCATION: %s\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\nUSN: uuid:%s::upnp:rootdevice\r\n\r\n",
		     cfg.max_age, cfg.location, cfg.uuid);
	if (n > 0 && n < (int)sizeof(msg))
		sendto(sock, msg, n, 0, (struct sockaddr *)&m, sizeof(m));
}

int main(int argc, char **argv)
{
	struct itimerval it = { { 1, 0 }, { 1, 0 } };
	struct sigaction sa;
	struct sockaddr_in me, from;
	struct ip_mreq mr;
	socklen_t fl;
	char pkt[1500];
	int n, one = 1, secs = 0;

	load_cfg(argc > 1 ? argv[1] : "/etc/ssdp.conf");
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&me, 0, sizeof(me));
	me.sin_family = AF_INET;
	me.sin_port = htons(SSDP_PORT);
	if (bind(sock, (struct sockaddr *)&me, sizeof(me)) < 0)
		return 1;
	mr.imr_multiaddr.s_addr = inet_addr("239.255.255.250");
	mr.imr_interface.s_addr = INADDR_ANY;
	setsockopt(sock, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr));
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_tick;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	for (;;) {
		fl = sizeof(from);
		n = recvfrom(sock, pkt, sizeof(pkt) - 1, 0, (struct sockaddr *)&from, &fl);
		if (n > 0) {
			pkt[n] = 0;
			if (!strncmp(pkt, "M-SEARCH * ", 11))
				search(pkt, &from);
		}
		if (tick) {
			tick = 0;
			run_pending();
			if (++secs % 600 == 0)
				notify_alive();
		}
	}
}
