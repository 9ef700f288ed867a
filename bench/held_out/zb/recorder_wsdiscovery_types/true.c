/*
 * wsdd.c - WS-Discovery responder of the recorder (ONVIF)
 *
 * Answers Probe and Resolve, notes Hello and Bye of the cameras around.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define WSD_PORT	3702
#define WSD_GROUP	"239.255.255.250"
#define PEER_TIMEOUT	300

struct peer {
	char epr[64];
	char addr[INET_ADDRSTRLEN];
	time_t seen;
	struct peer *next;
};

struct wsd {
	int fd;
	char uuid[48];
	char xaddr[64];
	struct peer *peers;
	unsigned probes, matches, hellos;
	char doc[4096];
	struct sockaddr_in from;
};

/* text of the first element with this local name, whatever its prefix */
static int xml_text(const char *doc, const char *tag, char *out, size_t cap)
{
	size_t tl = strlen(tag), len;
	const char *p = doc, *e;

	for (;;) {
		p = strchr(p, '<');
		if (!p)
			return -1;
		p++;
		e = p + strcspn(p, " :/>\t\r\n");
		if (*e == ':')
			p = e + 1;
		if (strncmp(p, tag, tl) == 0 && strchr(" \t\r\n>", p[tl]) && p[tl])
			break;
	}
	p = strchr(p, '>');
	if (!p)
		return -1;
	p++;
	while (isspace((unsigned char)*p))
		p++;
	e = strchr(p, '<');
	if (!e)
		return -1;
	while (e > p && isspace((unsigned char)e[-1]))
		e--;
	len = (size_t)(e - p);
	if (len > cap - 1)
		len = cap - 1;
	memcpy(out, p, len);
	out[len] = '\0';
	return (int)len;
}

static void send_match(struct wsd *w, const char *kind, const char *msgid)
{
	char out[1400];
	int n;

	n = snprintf(out, sizeof(out),
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
		"<e:Envelope><e:Header><w:RelatesTo>%.120s</w:RelatesTo></e:Header><e:Body>"
		"<d:%sMatches><d:%sMatch><w:Address>urn:uuid:%s</w:Address>"
		"<d:Types>dn:NetworkVideoStorage</d:Types><d:XAddrs>%s</d:XAddrs>"
		"</d:%sMatch></d:%sMatches></e:Body></e:Envelope>",
		msgid, kind, kind, w->uuid, w->xaddr, kind, kind);
	if (n > 0 && n < (int)sizeof(out))
		sendto(w->fd, out, (size_t)n, 0, (struct sockaddr *)&w->from, sizeof(w->from));
}

static int type_known(const char *qname)
{
	const char *local = strchr(qname, ':');

	local = local ? local + 1 : qname;
	return !strcmp(local, "NetworkVideoStorage") || !strcmp(local, "Device");
}

static void on_probe(struct wsd *w)
{
	char types[256], msgid[128];
	char *t, *save = NULL;
	int hit = 0;

	w->probes++;
	if (xml_text(w->doc, "MessageID", msgid, sizeof(msgid)) < 0)
		return;
	if (xml_text(w->doc, "Types", types, sizeof(w->doc)) <= 0) {
		hit = 1;
	} else {
		for (t = strtok_r(types, " \t\r\n", &save); t; t = strtok_r(NULL, " \t\r\n", &save))
			hit |= type_known(t);
	}
	if (!hit)
		return;
	w->matches++;
	send_match(w, "Probe", msgid);
}

static void on_resolve(struct wsd *w)
{
	char epr[64], msgid[128];

	if (xml_text(w->doc, "MessageID", msgid, sizeof(msgid)) < 0 ||
	    xml_text(w->doc, "Address", epr, sizeof(epr)) <= 0)
		return;
	if (!strstr(epr, w->uuid))
		return;
	send_match(w, "Resolve", msgid);
}

static struct peer *peer_find(struct wsd *w, const char *epr)
{
	struct peer *p;

	for (p = w->peers; p; p = p->next)
		if (!strcmp(p->epr, epr))
			return p;
	return NULL;
}

static void on_hello(struct wsd *w)
{
	struct peer *p;
	char epr[64];
	int n = 0;

	if (xml_text(w->doc, "Address", epr, sizeof(epr)) <= 0)
		return;
	w->hellos++;
	p = peer_find(w, epr);
	if (!p) {
		for (p = w->peers; p; p = p->next)
			n++;
		if (n >= 64 || !(p = calloc(1, sizeof(*p))))
			return;
		strcpy(p->epr, epr);
		p->next = w->peers;
		w->peers = p;
		syslog(LOG_INFO, "new device %s", epr);
	}
	inet_ntop(AF_INET, &w->from.sin_addr, p->addr, sizeof(p->addr));
	p->seen = time(NULL);
}

static void on_bye(struct wsd *w)
{
	struct peer *p;
	char epr[64];

	if (xml_text(w->doc, "Address", epr, sizeof(epr)) <= 0)
		return;
	p = peer_find(w, epr);
	if (p)
		p->seen = 0;
}

static const struct {
	const char *action;
	void (*fn)(struct wsd *);
} actions[] = {
	{ "discovery/Probe",   on_probe },
	{ "discovery/Resolve", on_resolve },
	{ "discovery/Hello",   on_hello },
	{ "discovery/Bye",     on_bye },
};

static void datagram(struct wsd *w)
{
	socklen_t sl = sizeof(w->from);
	char action[160];
	const char *tail;
	ssize_t n;
	size_t i;

	n = recvfrom(w->fd, w->doc, sizeof(w->doc) - 1, 0, (struct sockaddr *)&w->from, &sl);
	if (n <= 0)
		return;
	w->doc[n] = '\0';
	if (xml_text(w->doc, "Action", action, sizeof(action)) <= 0)
		return;
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		tail = strstr(action, "discovery/");
		if (tail && !strcmp(tail, actions[i].action)) {
			actions[i].fn(w);
			return;
		}
	}
}

static void expire(struct wsd *w)
{
	struct peer **pp = &w->peers;
	time_t now = time(NULL);

	while (*pp) {
		struct peer *p = *pp;

		if (now - p->seen > PEER_TIMEOUT) {
			syslog(LOG_INFO, "device %s (%s) is gone", p->epr, p->addr);
			*pp = p->next;
			free(p);
		} else {
			pp = &p->next;
		}
	}
}

static void load_config(struct wsd *w)
{
	FILE *f = fopen("/etc/wsdd.conf", "r");
	char line[128], val[64];

	strcpy(w->uuid, "1419d68a-1dd2-11b2-a105-000000000001");
	strcpy(w->xaddr, "http://192.168.1.20/onvif/device_service");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "uuid=%47s", val) == 1)
			snprintf(w->uuid, sizeof(w->uuid), "%.47s", val);
		else if (sscanf(line, "xaddr=%63s", val) == 1)
			strcpy(w->xaddr, val);
	}
	fclose(f);
}

int main(void)
{
	static struct wsd w;
	struct sockaddr_in sa;
	struct ip_mreq mr;
	int one = 1;

	openlog("wsdd", LOG_PID, LOG_DAEMON);
	load_config(&w);
	w.fd = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(w.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(WSD_PORT);
	if (bind(w.fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		syslog(LOG_ERR, "bind: %m");
		return 1;
	}
	mr.imr_multiaddr.s_addr = inet_addr(WSD_GROUP);
	mr.imr_interface.s_addr = htonl(INADDR_ANY);
	if (setsockopt(w.fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr)) < 0)
		syslog(LOG_WARNING, "no multicast: %m");
	for (;;) {
		struct pollfd pf = { w.fd, POLLIN, 0 };

		if (poll(&pf, 1, 10000) > 0)
			datagram(&w);
		expire(&w);
	}
}
