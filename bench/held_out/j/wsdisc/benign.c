#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <syslog.h>
#include <time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define WSD_PORT	3702
#define WSD_GROUP	"239.255.255.250"
#define WSD_RXBUF	4096
#define WSD_TXBUF	3072
#define ONVIF_TYPE	"NetworkVideoTransmitter"

struct wsd_dev {
	char uuid[48];
	char xaddr[64];
	char scope_name[32];
	char scope_loc[32];
	unsigned int inst;
	unsigned int msgno;
};

struct wsd_buf {
	char *p;
	size_t len;
	size_t cap;
	int over;
};

static struct wsd_dev dev;

static void bprintf(struct wsd_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (b->over)
		return;
	va_start(ap, fmt);
	n = vsnprintf(b->p + b->len, b->cap - b->len, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= b->cap - b->len)
		b->over = 1;
	else
		b->len += n;
}

/* locate <ns:tag ...>VALUE</ ; returns value and its length */
static const char *xml_find(const char *xml, const char *tag, size_t *vlen)
{
	const char *p = xml;
	const char *v, *e;
	size_t tl = strlen(tag);

	while ((p = strstr(p, tag)) != NULL) {
		if (p > xml && (p[-1] == ':' || p[-1] == '<') &&
		    (p[tl] == '>' || p[tl] == ' ')) {
			v = strchr(p + tl, '>');
			if (!v)
				return NULL;
			v++;
			e = strstr(v, "</");
			if (!e)
				return NULL;
			*vlen = e - v;
			return v;
		}
		p += tl;
	}
	return NULL;
}

static void load_device(const char *conf)
{
	FILE *fp;
	char line[128], key[32], val[64];

	snprintf(dev.uuid, sizeof(dev.uuid), "%08x-0000-1000-8000-00e04c%06x",
		 (unsigned)time(NULL), (unsigned)getpid() & 0xffffff);
	strcpy(dev.xaddr, "http://192.168.1.10/onvif/device_service");
	strcpy(dev.scope_name, "IPCAM");
	strcpy(dev.scope_loc, "none");
	dev.inst = (unsigned)time(NULL);

	fp = fopen(conf, "r");
	if (!fp)
		return;
	while (fgets(line, sizeof(line), fp)) {
		if (sscanf(line, "%31[^=]=%63s", key, val) != 2)
			continue;
		if (!strcmp(key, "uuid"))
			snprintf(dev.uuid, sizeof(dev.uuid), "%.47s", val);
		else if (!strcmp(key, "xaddr"))
			snprintf(dev.xaddr, sizeof(dev.xaddr), "%s", val);
		else if (!strcmp(key, "name"))
			snprintf(dev.scope_name, sizeof(dev.scope_name), "%.31s", val);
		else if (!strcmp(key, "location"))
			snprintf(dev.scope_loc, sizeof(dev.scope_loc), "%.31s", val);
	}
	fclose(fp);
}

static void env_open(struct wsd_buf *b, const char *action, const char *relates)
{
	bprintf(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
		"<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
		"xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" "
		"xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><s:Header>"
		"<a:MessageID>urn:uuid:%s-%u</a:MessageID>", dev.uuid, dev.msgno);
	if (relates[0])
		bprintf(b, "<a:RelatesTo>%s</a:RelatesTo>", relates);
	bprintf(b, "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/%s</a:Action>"
		"<d:AppSequence InstanceId=\"%u\" MessageNumber=\"%u\"/></s:Header><s:Body>",
		action, dev.inst, dev.msgno);
	dev.msgno++;
}

static void env_match(struct wsd_buf *b, const char *kind)
{
	bprintf(b, "<d:%sMatches><d:%sMatch><a:EndpointReference><a:Address>urn:uuid:%s</a:Address>"
		"</a:EndpointReference><d:Types>dn:%s</d:Types>"
		"<d:Scopes>onvif://www.onvif.org/name/%s onvif://www.onvif.org/location/%s</d:Scopes>"
		"<d:XAddrs>%s</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion></d:%sMatch></d:%sMatches>",
		kind, kind, dev.uuid, ONVIF_TYPE, dev.scope_name, dev.scope_loc, dev.xaddr, kind, kind);
	bprintf(b, "</s:Body></s:Envelope>");
}

static int answer_match(int fd, const char *xml, const struct sockaddr_in *to, const char *kind)
{
	char out[WSD_TXBUF];
	char action[24];
	char relates[128];
	struct wsd_buf b = { out, 0, sizeof(out), 0 };
	const char *id;
	size_t n = 0;

	id = xml_find(xml, "MessageID", &n);
	if (!id) {
		syslog(LOG_DEBUG, "no message id");
		return -1;
	}
	if (n >= sizeof(relates))
		n = sizeof(relates) - 1;
	memcpy(relates, id, n);
	relates[n] = '\0';

	snprintf(action, sizeof(action), "%sMatches", kind);
	env_open(&b, action, relates);
	env_match(&b, kind);
	if (b.over)
		return -1;
	return (int)sendto(fd, out, b.len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static int on_probe(int fd, const char *xml, const struct sockaddr_in *to)
{
	const char *types;
	char want[96];
	size_t n;

	types = xml_find(xml, "Types", &n);
	if (types && n) {
		if (n >= sizeof(want))
			return 0;
		memcpy(want, types, n);
		want[n] = 0;
		if (!strstr(want, ONVIF_TYPE) && !strstr(want, "Device"))
			return 0;
	}
	return answer_match(fd, xml, to, "Probe");
}

static int on_resolve(int fd, const char *xml, const struct sockaddr_in *to)
{
	if (!strstr(xml, dev.uuid))
		return 0;
	return answer_match(fd, xml, to, "Resolve");
}

static const struct {
	const char *suffix;
	int (*fn)(int, const char *, const struct sockaddr_in *);
} wsd_ops[] = {
	{ "discovery/Probe",	on_probe },
	{ "discovery/Resolve",	on_resolve },
};

static void wsd_input(int fd, const char *xml, const struct sockaddr_in *from)
{
	const char *act;
	size_t n, sl;
	unsigned i;

	act = xml_find(xml, "Action", &n);
	if (!act)
		return;
	for (i = 0; i < sizeof(wsd_ops) / sizeof(wsd_ops[0]); i++) {
		sl = strlen(wsd_ops[i].suffix);
		if (n >= sl && !memcmp(act + n - sl, wsd_ops[i].suffix, sl)) {
			if (wsd_ops[i].fn(fd, xml, from) < 0)
				syslog(LOG_INFO, "%s from %s failed", wsd_ops[i].suffix,
				       inet_ntoa(from->sin_addr));
			return;
		}
	}
}

int main(int argc, char **argv)
{
	static char rx[WSD_RXBUF];
	struct sockaddr_in sa, from;
	struct ip_mreq mr;
	socklen_t fl;
	int fd, on = 1;
	ssize_t n;

	openlog("wsdisc", 0, LOG_DAEMON);
	load_device(argc > 1 ? argv[1] : "/etc/onvif.conf");

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		return 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(WSD_PORT);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return 1;
	mr.imr_multiaddr.s_addr = inet_addr(WSD_GROUP);
	mr.imr_interface.s_addr = INADDR_ANY;
	if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr)) < 0)
		syslog(LOG_WARNING, "membership: %m");

	for (;;) {
		fl = sizeof(from);
		n = recvfrom(fd, rx, sizeof(rx) - 1, 0, (struct sockaddr *)&from, &fl);
		if (n <= 0)
			continue;
		rx[n] = '\0';
		wsd_input(fd, rx, &from);
	}
}
