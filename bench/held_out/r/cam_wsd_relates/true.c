#define _GNU_SOURCE
/*
 * ws-discovery responder of an onvif camera
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <unistd.h>
#include <errno.h>
#include <syslog.h>
#include <time.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>

#define WSD_GROUP  "239.255.255.250"
#define WSD_PORT   3702
#define WSD_MAX    8192

struct wsd_pending {
	struct wsd_pending *next;
	struct sockaddr_in to;
	long due;			/* ms */
	int resolve;
	char *msgid;
};

struct wsd_device {
	char uuid[48];
	char name[32];
	char hardware[32];
	char location[32];
	unsigned short http_port;
	unsigned instance;
	unsigned number;
};

static struct wsd_device dev = { "", "IPC", "IPC-HI3518", "country/china", 80, 0, 0 };
static struct wsd_pending *pending;
static int npending;
static int wsd_sock = -1;

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000L + ts.tv_nsec / 1000000;
}

/* text of the first element with this local name, any prefix; malloc'ed */
static char *xml_text(const char *doc, const char *name)
{
	const char *p = doc, *q, *e;
	size_t n = strlen(name);

	while ((p = strchr(p, '<')) != NULL) {
		p++;
		if (*p == '/' || *p == '?' || *p == '!')
			continue;
		q = p + strcspn(p, ": >/");
		if (*q == ':')
			p = q + 1;
		if (strncmp(p, name, n) || !strchr(" >/\t\r\n", p[n]))
			continue;
		p = strchr(p, '>');
		if (!p)
			return NULL;
		if (p[-1] == '/')
			return strdup("");
		p++;
		while (isspace((unsigned char)*p))
			p++;
		e = strchr(p, '<');
		if (!e)
			return NULL;
		while (e > p && isspace((unsigned char)e[-1]))
			e--;
		return strndup(p, e - p);
	}
	return NULL;
}

static int is_uuid(const char *s)
{
	int i;

	for (i = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return 0;
		} else if (!isxdigit((unsigned char)s[i]))
			return 0;
	}
	return s[36] == '\0';
}

/* "urn:uuid:..." of new tools and "uuid:..." of old ones */
static int valid_msgid(const char *id)
{
	if (!strncmp(id, "urn:", 4))
		id += 4;
	if (strncmp(id, "uuid:", 5))
		return 0;
	if (!is_uuid(id + 5))
		syslog(LOG_DEBUG, "odd message id");
	return 1;
}

static int wants_us(const char *doc, int *resolve)
{
	char *types, *epr;
	int ok = 1;

	*resolve = 0;
	if (strstr(doc, "/discovery/Resolve")) {
		epr = xml_text(doc, "Address");
		*resolve = 1;
		ok = epr && !strcmp(epr, dev.uuid);
		free(epr);
		return ok;
	}
	if (!strstr(doc, "/discovery/Probe"))
		return 0;
	types = xml_text(doc, "Types");
	if (types && *types)
		ok = strstr(types, "NetworkVideoTransmitter") || strstr(types, "Device");
	free(types);
	return ok;
}

static void queue_answer(const struct sockaddr_in *to, char *msgid, int resolve)
{
	struct wsd_pending *w;

	if (npending >= 32 || (w = calloc(1, sizeof(*w))) == NULL) {
		free(msgid);
		return;
	}
	w->to = *to;
	w->msgid = msgid;
	w->resolve = resolve;
	w->due = now_ms() + 20 + rand() % 400;	/* APP_MAX_DELAY */
	w->next = pending;
	pending = w;
	npending++;
}

static void wsd_input(void)
{
	static char buf[WSD_MAX + 1];
	struct sockaddr_in from;
	socklen_t fl = sizeof(from);
	char *id;
	int n, resolve;

	n = recvfrom(wsd_sock, buf, WSD_MAX, 0, (struct sockaddr *)&from, &fl);
	if (n <= 0)
		return;
	buf[n] = '\0';
	if (!strstr(buf, "Envelope") || !wants_us(buf, &resolve))
		return;
	id = xml_text(buf, "MessageID");
	if (!id || !valid_msgid(id)) {
		free(id);
		return;
	}
	queue_answer(&from, id, resolve);
}

static int local_addr(char *out, size_t size)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	strcpy(ifr.ifr_name, "eth0");
	if (ioctl(wsd_sock, SIOCGIFADDR, &ifr) < 0) {
		snprintf(out, size, "192.168.1.88");
		return -1;
	}
	snprintf(out, size, "%s", inet_ntoa(((struct sockaddr_in *)&ifr.ifr_addr)->sin_addr));
	return 0;
}

static const char envelope[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
	"<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
	"xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" "
	"xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" "
	"xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\"><s:Header>"
	"<a:RelatesTo>%s</a:RelatesTo>"
	"<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/%s</a:Action>"
	"<d:AppSequence InstanceId=\"%u\" MessageNumber=\"%u\"/></s:Header><s:Body>"
	"<d:%s><d:%s><a:EndpointReference><a:Address>%s</a:Address></a:EndpointReference>"
	"<d:Types>dn:NetworkVideoTransmitter</d:Types>"
	"<d:Scopes>onvif://www.onvif.org/name/%s onvif://www.onvif.org/hardware/%s onvif://www.onvif.org/location/%s</d:Scopes>"
	"<d:XAddrs>http://%s:%u/onvif/device_service</d:XAddrs>"
	"<d:MetadataVersion>1</d:MetadataVersion></d:%s></d:%s></s:Body></s:Envelope>";

static void wsd_answer(const struct wsd_pending *w)
{
	char relates[64];
	char addr[32];
	char *out = malloc(4096);
	const char *outer = w->resolve ? "ResolveMatches" : "ProbeMatches";
	const char *inner = w->resolve ? "ResolveMatch" : "ProbeMatch";
	int n;

	if (!out)
		return;
	strcpy(relates, w->msgid);
	local_addr(addr, sizeof(addr));
	n = snprintf(out, 4096, envelope, relates, outer, dev.instance, ++dev.number, outer, inner,
		     dev.uuid, dev.name, dev.hardware, dev.location, addr, dev.http_port, inner, outer);
	if (n > 0 && n < 4096)
		sendto(wsd_sock, out, n, 0, (const struct sockaddr *)&w->to, sizeof(w->to));
	free(out);
}

static void wsd_timer(void)
{
	struct wsd_pending **pp = &pending, *w;
	long now = now_ms();

	while ((w = *pp) != NULL) {
		if (w->due > now) {
			pp = &w->next;
			continue;
		}
		*pp = w->next;
		npending--;
		wsd_answer(w);
		free(w->msgid);
		free(w);
	}
}

static void load_device(void)
{
	char line[128], *val;
	unsigned char mac[6] = { 0, 0x23, 0x63, 0x51, 0x10, 0x01 };
	struct ifreq ifr;
	FILE *fp = fopen("/mnt/mtd/onvif.ini", "r");

	while (fp && fgets(line, sizeof(line), fp)) {
		line[strcspn(line, "\r\n")] = '\0';
		if (!(val = strchr(line, '=')))
			continue;
		*val++ = '\0';
		if (!strcmp(line, "name"))
			snprintf(dev.name, sizeof(dev.name), "%s", val);
		else if (!strcmp(line, "hardware"))
			snprintf(dev.hardware, sizeof(dev.hardware), "%s", val);
		else if (!strcmp(line, "location"))
			snprintf(dev.location, sizeof(dev.location), "%s", val);
		else if (!strcmp(line, "http"))
			dev.http_port = atoi(val);
	}
	if (fp)
		fclose(fp);
	memset(&ifr, 0, sizeof(ifr));
	strcpy(ifr.ifr_name, "eth0");
	if (ioctl(wsd_sock, SIOCGIFHWADDR, &ifr) == 0)
		memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	snprintf(dev.uuid, sizeof(dev.uuid), "urn:uuid:1419d68a-1dd2-11b2-a105-%02x%02x%02x%02x%02x%02x",
		 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	dev.instance = time(NULL);
	srand(dev.instance ^ mac[5]);
}

int main(void)
{
	struct sockaddr_in sa;
	struct ip_mreq mr;
	int on = 1;

	openlog("wsdd", 0, LOG_DAEMON);
	wsd_sock = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(wsd_sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_addr.s_addr = htonl(INADDR_ANY);
	sa.sin_port = htons(WSD_PORT);
	if (bind(wsd_sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		syslog(LOG_ERR, "bind: %s", strerror(errno));
		return 1;
	}
	load_device();
	mr.imr_multiaddr.s_addr = inet_addr(WSD_GROUP);
	mr.imr_interface.s_addr = htonl(INADDR_ANY);
	if (setsockopt(wsd_sock, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr)) < 0)
		syslog(LOG_WARNING, "multicast: %s", strerror(errno));
	for (;;) {
		fd_set fds;
		struct timeval tv = { 0, 20000 };

		FD_ZERO(&fds);
		FD_SET(wsd_sock, &fds);
		if (select(wsd_sock + 1, &fds, NULL, NULL, &tv) > 0)
			wsd_input();
		wsd_timer();
	}
}
