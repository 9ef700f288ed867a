/* wanipc.c - UPnP IGD control point for the home router, port mapping service */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define HTTP_PORT	49152
#define REQ_MAX		8192
#define MAP_MAX		32
#define DESC_SZ		64

struct mapping {
	int used;
	unsigned short ext_port, int_port;
	char proto[4];
	char client[16];
	char desc[DESC_SZ];
	time_t expires;
};

struct reply {
	int code;
	char xml[1024];
};

static struct mapping maps[MAP_MAX];

static int soap_arg(const char *body, const char *name, char *out, size_t n)
{
	char tag[64];
	const char *b, *e;
	size_t len;

	snprintf(tag, sizeof tag, "<%s>", name);
	b = strstr(body, tag);
	if (!b)
		return -1;
	b += strlen(tag);
	snprintf(tag, sizeof tag, "</%s>", name);
	e = strstr(b, tag);
	if (!e)
		return -1;
	len = e - b;
	if (len >= n)
		len = n - 1;
	memcpy(out, b, len);
	out[len] = 0;
	return (int)len;
}

static struct mapping *lookup(unsigned short port, const char *proto)
{
	int i;

	for (i = 0; i < MAP_MAX; i++)
		if (maps[i].used && maps[i].ext_port == port && !strcmp(maps[i].proto, proto))
			return &maps[i];
	return NULL;
}

static struct mapping *slot(void)
{
	int i;

	for (i = 0; i < MAP_MAX; i++)
		if (!maps[i].used)
			return &maps[i];
	return NULL;
}

static void label(struct mapping *m, const char *descr)
{
	snprintf(m->desc, sizeof m->desc, "%s", descr);
	if (m->expires && strlen(m->desc) + sizeof " (lease)" <= sizeof m->desc)
		strcat(m->desc, " (lease)");
}

static void fault(struct reply *r, int code, const char *txt)
{
	r->code = 500;
	snprintf(r->xml, sizeof r->xml, "<UPnPError><errorCode>%d</errorCode>"
		 "<errorDescription>%s</errorDescription></UPnPError>", code, txt);
}

static void add_mapping(const char *body, struct reply *r)
{
	char val[256], descr[256], proto[8];
	struct in_addr in;
	struct mapping *m;
	long ext, in_port, lease = 0;

	if (soap_arg(body, "NewExternalPort", val, sizeof val) <= 0)
		goto args;
	ext = strtol(val, NULL, 10);
	if (soap_arg(body, "NewInternalPort", val, sizeof val) <= 0)
		goto args;
	in_port = strtol(val, NULL, 10);
	if (ext < 1 || ext > 65535 || in_port < 1 || in_port > 65535)
		goto args;
	if (soap_arg(body, "NewProtocol", proto, sizeof proto) != 3 ||
	    (strcmp(proto, "TCP") && strcmp(proto, "UDP")))
		goto args;
	if (soap_arg(body, "NewInternalClient", val, sizeof val) <= 0 ||
	    inet_pton(AF_INET, val, &in) != 1)
		goto args;
	if (soap_arg(body, "NewPortMappingDescription", descr, sizeof descr) < 0)
		descr[0] = 0;

	m = lookup(ext, proto);
	if (!m)
		m = slot();
	if (!m) {
		fault(r, 501, "Action Failed");
		return;
	}
	m->used = 1;
	m->ext_port = ext;
	m->int_port = in_port;
	strcpy(m->proto, proto);
	inet_ntop(AF_INET, &in, m->client, sizeof m->client);
	if (soap_arg(body, "NewLeaseDuration", val, sizeof val) > 0)
		lease = strtol(val, NULL, 10);
	m->expires = lease > 0 ? time(NULL) + lease : 0;
	label(m, descr);
	syslog(LOG_INFO, "map %s %u -> %s:%u", m->proto, m->ext_port, m->client, m->int_port);
	r->code = 200;
	snprintf(r->xml, sizeof r->xml, "<u:AddPortMappingResponse/>");
	return;
args:
	fault(r, 402, "Invalid Args");
}

static void del_mapping(const char *body, struct reply *r)
{
	char val[16], proto[8];
	struct mapping *m = NULL;

	if (soap_arg(body, "NewExternalPort", val, sizeof val) > 0 &&
	    soap_arg(body, "NewProtocol", proto, sizeof proto) == 3)
		m = lookup(atoi(val), proto);
	if (!m) {
		fault(r, 714, "NoSuchEntryInArray");
		return;
	}
	memset(m, 0, sizeof *m);
	r->code = 200;
	snprintf(r->xml, sizeof r->xml, "<u:DeletePortMappingResponse/>");
}

static void get_entry(const char *body, struct reply *r)
{
	char val[16];
	int i;

	if (soap_arg(body, "NewPortMappingIndex", val, sizeof val) <= 0 ||
	    (i = atoi(val)) < 0 || i >= MAP_MAX || !maps[i].used) {
		fault(r, 713, "SpecifiedArrayIndexInvalid");
		return;
	}
	r->code = 200;
	snprintf(r->xml, sizeof r->xml, "<NewExternalPort>%u</NewExternalPort><NewProtocol>%s</NewProtocol>"
		 "<NewInternalClient>%s</NewInternalClient><NewPortMappingDescription>%s</NewPortMappingDescription>",
		 maps[i].ext_port, maps[i].proto, maps[i].client, maps[i].desc);
}

static const struct {
	const char *action;
	void (*fn)(const char *, struct reply *);
} soap_actions[] = {
	{ "#AddPortMapping", add_mapping },
	{ "#DeletePortMapping", del_mapping },
	{ "#GetGenericPortMappingEntry", get_entry },
};

static void expire(void)
{
	time_t now = time(NULL);
	int i;

	for (i = 0; i < MAP_MAX; i++)
		if (maps[i].used && maps[i].expires && maps[i].expires <= now)
			memset(&maps[i], 0, sizeof maps[i]);
}

static void http_conn(int c)
{
	static char req[REQ_MAX + 1];
	char head[160];
	struct reply r = { 404, "" };
	size_t have = 0;
	long want = -1;
	char *body = NULL, *act, *cl;
	ssize_t n;
	unsigned i;

	while (have < REQ_MAX) {
		n = recv(c, req + have, REQ_MAX - have, 0);
		if (n <= 0)
			break;
		have += n;
		req[have] = 0;
		if (!body && (body = strstr(req, "\r\n\r\n"))) {
			body += 4;
			cl = strcasestr(req, "Content-Length:");
			want = cl ? strtol(cl + 15, NULL, 10) : 0;
		}
		if (body && (long)(have - (body - req)) >= want)
			break;
	}
	req[have] = 0;
	act = strcasestr(req, "SOAPAction:");
	for (i = 0; body && act && i < sizeof soap_actions / sizeof soap_actions[0]; i++) {
		char *hit = strstr(act, soap_actions[i].action);
		if (hit && hit < body) {
			soap_actions[i].fn(body, &r);
			break;
		}
	}
	n = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Type: text/xml\r\nContent-Length: %u\r\n"
		     "Connection: close\r\n\r\n", r.code, (unsigned)strlen(r.xml));
	send(c, head, n, MSG_NOSIGNAL);
	send(c, r.xml, strlen(r.xml), MSG_NOSIGNAL);
}

int main(void)
{
	struct sockaddr_in sa = { 0 };
	struct timeval tv;
	fd_set fds;
	int s, c;

	s = socket(AF_INET, SOCK_STREAM, 0);
	sa.sin_family = AF_INET;
	sa.sin_port = htons(HTTP_PORT);
	if (bind(s, (struct sockaddr *)&sa, sizeof sa) || listen(s, 5))
		return 1;
	for (;;) {
		FD_ZERO(&fds);
		FD_SET(s, &fds);
		tv.tv_sec = 30;
		tv.tv_usec = 0;
		if (select(s + 1, &fds, NULL, NULL, &tv) > 0 && (c = accept(s, NULL, NULL)) >= 0) {
			http_conn(c);
			close(c);
		}
		expire();
	}
}
