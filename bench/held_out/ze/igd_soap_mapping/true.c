/*
 * igdd - Internet gateway control point of the home router
 *
 * Only the part that serves /ctl/IPConn: SOAP actions of the WANIPConnection
 * service.  The packet filter reads the map file written here.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <signal.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <syslog.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define IGD_PORT      49152
#define IGD_MAXHEAD   2048
#define IGD_MAXBODY   16384
#define IGD_MAPPINGS  32
#define MAP_FILE      "/var/run/igdd.map"

struct mapping {
	int used;
	unsigned short ext_port;
	unsigned short int_port;
	char proto[4];
	struct in_addr client;
	char desc[40];
	time_t expires;
};

struct soap {
	int fd;
	const char *body;
	const char *peer;
};

static struct mapping maps[IGD_MAPPINGS];
static int maps_dirty;

/* --- text between <tag ...> and </tag>, allocated --------------------- */

static char *soap_arg(const char *body, const char *tag)
{
	size_t tl = strlen(tag), n;
	const char *p = body, *e;
	char *r;

	while ((p = strchr(p, '<')) != NULL) {
		p++;
		if (strncmp(p, tag, tl) == 0 && (p[tl] == '>' || isspace((unsigned char)p[tl]))) {
			p = strchr(p, '>');
			if (p == NULL)
				return NULL;
			p++;
			e = strchr(p, '<');
			if (e == NULL)
				return NULL;
			while (p < e && isspace((unsigned char)*p))
				p++;
			n = (size_t)(e - p);
			while (n > 0 && isspace((unsigned char)p[n - 1]))
				n--;
			r = malloc(n + 1);
			if (r == NULL)
				return NULL;
			memcpy(r, p, n);
			r[n] = '\0';
			return r;
		}
	}
	return NULL;
}

static long soap_num(const char *body, const char *tag, long lo, long hi)
{
	char *s = soap_arg(body, tag), *end;
	long v = -1;

	if (s == NULL)
		return -1;
	if (isdigit((unsigned char)*s)) {
		v = strtol(s, &end, 10);
		if (*end != '\0' || v < lo || v > hi)
			v = -1;
	}
	free(s);
	return v;
}

/* --- replies ------------------------------------------------------------ */

static void http_send(int fd, const char *status, const char *body)
{
	char head[200];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 %s\r\nContent-Type: text/xml\r\nContent-Length: %u\r\n"
			 "Connection: close\r\nServer: igdd/1.2 UPnP/1.1\r\n\r\n",
			 status, (unsigned)strlen(body));

	send(fd, head, (size_t)n, MSG_NOSIGNAL | MSG_MORE);
	send(fd, body, strlen(body), MSG_NOSIGNAL);
}

static int soap_fault(struct soap *s, int code, const char *text)
{
	char buf[320];

	snprintf(buf, sizeof(buf), "<s:Fault><detail><UPnPError><errorCode>%d</errorCode>"
		 "<errorDescription>%s</errorDescription></UPnPError></detail></s:Fault>", code, text);
	http_send(s->fd, "500 Internal Server Error", buf);
	return -code;
}

static int soap_ok(struct soap *s, const char *inner)
{
	char buf[400];

	snprintf(buf, sizeof(buf), "<s:Envelope><s:Body>%s</s:Body></s:Envelope>", inner);
	http_send(s->fd, "200 OK", buf);
	return 0;
}

/* --- actions ------------------------------------------------------------ */

static struct mapping *find_map(unsigned short port, const char *proto, int create)
{
	struct mapping *spare = NULL;
	int i;

	for (i = 0; i < IGD_MAPPINGS; i++) {
		if (maps[i].used && maps[i].ext_port == port && strcmp(maps[i].proto, proto) == 0)
			return &maps[i];
		if (!maps[i].used && spare == NULL)
			spare = &maps[i];
	}
	return create ? spare : NULL;
}

static const char *get_proto(const char *body)
{
	char *p = soap_arg(body, "NewProtocol");
	const char *r = NULL;

	if (p && strcmp(p, "TCP") == 0)
		r = "TCP";
	else if (p && strcmp(p, "UDP") == 0)
		r = "UDP";
	free(p);
	return r;
}

static int act_add(struct soap *s)
{
	const char *proto = get_proto(s->body);
	long ext = soap_num(s->body, "NewExternalPort", 1, 65535);
	long intern = soap_num(s->body, "NewInternalPort", 1, 65535);
	long lease = soap_num(s->body, "NewLeaseDuration", 0, 604800);
	char client[INET_ADDRSTRLEN];
	struct mapping *m;
	struct in_addr a;
	char *arg, *desc;

	if (proto == NULL || ext < 0 || intern < 0)
		return soap_fault(s, 402, "Invalid Args");
	arg = soap_arg(s->body, "NewInternalClient");
	if (arg == NULL)
		return soap_fault(s, 402, "Invalid Args");
	strcpy(client, arg);
	free(arg);
	if (inet_pton(AF_INET, client, &a) != 1) {
		syslog(LOG_NOTICE, "%s asks for client %.15s", s->peer, client);
		return soap_fault(s, 402, "Invalid Args");
	}
	m = find_map((unsigned short)ext, proto, 1);
	if (m == NULL)
		return soap_fault(s, 728, "NoPortMapsAvailable");
	desc = soap_arg(s->body, "NewPortMappingDescription");
	m->used = 1;
	m->ext_port = (unsigned short)ext;
	m->int_port = (unsigned short)intern;
	m->client = a;
	strcpy(m->proto, proto);
	snprintf(m->desc, sizeof(m->desc), "%s", desc ? desc : "");
	m->expires = lease > 0 ? time(NULL) + lease : 0;
	free(desc);
	maps_dirty = 1;
	return soap_ok(s, "<u:AddPortMappingResponse/>");
}

static int act_delete(struct soap *s)
{
	const char *proto = get_proto(s->body);
	long ext = soap_num(s->body, "NewExternalPort", 1, 65535);
	struct mapping *m = NULL;

	if (proto && ext > 0)
		m = find_map((unsigned short)ext, proto, 0);
	if (m == NULL)
		return soap_fault(s, 714, "NoSuchEntryInArray");
	m->used = 0;
	maps_dirty = 1;
	return soap_ok(s, "<u:DeletePortMappingResponse/>");
}

static int act_extip(struct soap *s)
{
	return soap_ok(s, "<u:GetExternalIPAddressResponse><NewExternalIPAddress>192.0.2.17"
			  "</NewExternalIPAddress></u:GetExternalIPAddressResponse>");
}

static int act_status(struct soap *s)
{
	return soap_ok(s, "<u:GetStatusInfoResponse><NewConnectionStatus>Connected"
			  "</NewConnectionStatus></u:GetStatusInfoResponse>");
}

static const struct {
	const char *name;
	int (*fn)(struct soap *);
} actions[] = {
	{ "AddPortMapping", act_add },
	{ "DeletePortMapping", act_delete },
	{ "GetExternalIPAddress", act_extip },
	{ "GetStatusInfo", act_status },
};

/* --- http --------------------------------------------------------------- */

static void serve(int fd, const char *peer)
{
	static char head[IGD_MAXHEAD + 1];
	struct soap s = { fd, NULL, peer };
	size_t len = 0, have, want, i;
	char *end = NULL, *act, *cl, *body;

	while (len < IGD_MAXHEAD && end == NULL) {
		ssize_t r = recv(fd, head + len, IGD_MAXHEAD - len, 0);

		if (r <= 0)
			return;
		len += (size_t)r;
		head[len] = '\0';
		end = strstr(head, "\r\n\r\n");
	}
	if (end == NULL || strncmp(head, "POST /ctl/IPConn ", 17) != 0)
		return;
	cl = strcasestr(head, "\nContent-Length:");
	act = strcasestr(head, "\nSOAPAction:");
	if (cl == NULL || act == NULL || cl > end || act > end)
		return;
	want = strtoul(cl + 16, NULL, 10);
	act = strchr(act, '#');
	if (want == 0 || want > IGD_MAXBODY || act == NULL || act > end)
		return;
	act++;
	body = malloc(want + 1);
	if (body == NULL)
		return;
	have = len - (size_t)(end + 4 - head);
	if (have > want)
		have = want;
	memcpy(body, end + 4, have);
	while (have < want) {
		ssize_t r = recv(fd, body + have, want - have, 0);

		if (r <= 0)
			break;
		have += (size_t)r;
	}
	body[have] = '\0';
	s.body = body;
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		size_t al = strlen(actions[i].name);

		if (strncmp(act, actions[i].name, al) == 0 && !isalnum((unsigned char)act[al])) {
			actions[i].fn(&s);
			break;
		}
	}
	if (i == sizeof(actions) / sizeof(actions[0]))
		soap_fault(&s, 401, "Invalid Action");
	free(body);
}

static void housekeeping(void)
{
	time_t now = time(NULL);
	char ip[INET_ADDRSTRLEN];
	FILE *f;
	int i;

	for (i = 0; i < IGD_MAPPINGS; i++) {
		if (maps[i].used && maps[i].expires && maps[i].expires <= now) {
			maps[i].used = 0;
			maps_dirty = 1;
		}
	}
	if (!maps_dirty || (f = fopen(MAP_FILE, "w")) == NULL)
		return;
	for (i = 0; i < IGD_MAPPINGS; i++)
		if (maps[i].used)
			fprintf(f, "%s %u %s %u\n", maps[i].proto, maps[i].ext_port,
				inet_ntop(AF_INET, &maps[i].client, ip, sizeof(ip)), maps[i].int_port);
	fclose(f);
	maps_dirty = 0;
}

int main(void)
{
	struct sockaddr_in sa;
	int ls, on = 1;

	signal(SIGPIPE, SIG_IGN);
	openlog("igdd", LOG_PID, LOG_DAEMON);
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(IGD_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) || listen(ls, 8)) {
		syslog(LOG_ERR, "port %d: %m", IGD_PORT);
		return 1;
	}
	for (;;) {
		struct timeval tv = { 5, 0 };
		struct sockaddr_in ca;
		socklen_t cl = sizeof(ca);
		char peer[INET_ADDRSTRLEN];
		int fd = accept(ls, (struct sockaddr *)&ca, &cl);

		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		inet_ntop(AF_INET, &ca.sin_addr, peer, sizeof(peer));
		serve(fd, peer);
		close(fd);
		housekeeping();
	}
}
