/* igdd: small UPnP IGD control point endpoint (WANIPConnection only) */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <unistd.h>
#include <signal.h>
#include <time.h>
#include <syslog.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define IGD_PORT   49152
#define REQ_MAX    8192

struct mapping {
	struct mapping *next;
	unsigned short eport, iport;
	char proto[4];
	char client[40];
	char desc[32];
	time_t expires;
};

static struct mapping *maps;
static int nmaps;

static int sh(const char *fmt, ...)
{
	char buf[300];
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (r < 0 || r >= (int)sizeof(buf))
		return -1;
	syslog(LOG_DEBUG, "%s", buf);
	return system(buf);
}

/* value of <name ...>value</name> */
static int soap_arg(const char *body, const char *name, char *out, size_t osz)
{
	size_t nl = strlen(name), n;
	const char *p = body, *v, *e;

	out[0] = 0;
	while ((p = strchr(p, '<')) != NULL) {
		p++;
		if (strncmp(p, name, nl) || (p[nl] != '>' && p[nl] != ' '))
			continue;
		if (!(v = strchr(p, '>')))
			return 0;
		v++;
		if (!(e = strchr(v, '<')))
			return 0;
		n = e - v;
		if (n > osz - 1)
			n = osz - 1;
		memcpy(out, v, n);
		out[n] = 0;
		return n > 0;
	}
	return 0;
}

static unsigned short port_arg(const char *body, const char *name)
{
	char t[8];
	long v;

	if (!soap_arg(body, name, t, sizeof(t)))
		return 0;
	v = strtol(t, NULL, 10);
	return v > 0 && v < 65536 ? (unsigned short)v : 0;
}

static int proto_arg(const char *body, char *proto)
{
	char t[8];

	soap_arg(body, "NewProtocol", t, sizeof(t));
	if (!strcasecmp(t, "TCP"))
		strcpy(proto, "tcp");
	else if (!strcasecmp(t, "UDP"))
		strcpy(proto, "udp");
	else
		return 0;
	return 1;
}

static struct mapping **find_map(unsigned short eport, const char *proto)
{
	struct mapping **m;

	for (m = &maps; *m; m = &(*m)->next)
		if ((*m)->eport == eport && !strcmp((*m)->proto, proto))
			break;
	return m;
}

static void drop_map(struct mapping **m)
{
	struct mapping *x = *m;

	*m = x->next;
	nmaps--;
	sh("iptables -t nat -D IGD -p %s --dport %u -j DNAT --to %s:%u",
	   x->proto, x->eport, x->client, x->iport);
	free(x);
}

static int add_port_mapping(const char *body, char *res, size_t rsz)
{
	struct mapping *m;
	char lease[12];
	struct in_addr ia;

	if (nmaps >= 64)
		return 728;
	m = calloc(1, sizeof(*m));
	if (!m)
		return 501;
	m->eport = port_arg(body, "NewExternalPort");
	m->iport = port_arg(body, "NewInternalPort");
	soap_arg(body, "NewPortMappingDescription", m->desc, sizeof(m->desc));
	if (!m->eport || !m->iport || !proto_arg(body, m->proto) ||
	    !soap_arg(body, "NewInternalClient", m->client, sizeof(m->client))) {
		free(m);
		return 402;
	}
	if (inet_pton(AF_INET, m->client, &ia) != 1) {
		free(m);
		return 402;
	}
	if (*find_map(m->eport, m->proto)) {
		free(m);
		return 718;
	}
	soap_arg(body, "NewLeaseDuration", lease, sizeof(lease));
	if (atoi(lease) > 0)
		m->expires = time(NULL) + atoi(lease);
	m->next = maps;
	maps = m;
	nmaps++;
	sh("iptables -t nat -A IGD -p %s --dport %u -j DNAT --to %s:%u",
	   m->proto, m->eport, m->client, m->iport);
	return 0;
}

static int delete_port_mapping(const char *body, char *res, size_t rsz)
{
	struct mapping **m;
	char proto[4];

	if (!proto_arg(body, proto))
		return 402;
	m = find_map(port_arg(body, "NewExternalPort"), proto);
	if (!*m)
		return 714;
	drop_map(m);
	return 0;
}

static int get_external_ip(const char *body, char *res, size_t rsz)
{
	FILE *f = fopen("/var/run/wan.ip", "r");
	char ip[20] = "0.0.0.0";

	if (f) {
		fscanf(f, "%19s", ip);
		fclose(f);
	}
	snprintf(res, rsz, "<NewExternalIPAddress>%s</NewExternalIPAddress>", ip);
	return 0;
}

static const struct {
	const char *name;
	int (*call)(const char *body, char *res, size_t rsz);
} actions[] = {
	{ "AddPortMapping", add_port_mapping },
	{ "DeletePortMapping", delete_port_mapping },
	{ "GetExternalIPAddress", get_external_ip },
};

static void expire(void)
{
	struct mapping **m = &maps;
	time_t now = time(NULL);

	while (*m) {
		if ((*m)->expires && (*m)->expires <= now)
			drop_map(m);
		else
			m = &(*m)->next;
	}
}

static void http(int c)
{
	static char req[REQ_MAX + 1];
	char out[512], res[128] = "";
	size_t have = 0, i;
	char *body = NULL, *h, *act;
	int rc = 401, n;
	long cl = 0;

	while (have < REQ_MAX) {
		ssize_t r = read(c, req + have, REQ_MAX - have);
		if (r <= 0)
			return;
		have += r;
		req[have] = 0;
		if (!body && (body = strstr(req, "\r\n\r\n")) != NULL) {
			body += 4;
			h = strcasestr(req, "Content-Length:");
			cl = h ? strtol(h + 15, NULL, 10) : 0;
		}
		if (body && (long)strlen(body) >= cl)
			break;
	}
	if (!body)
		return;
	act = strchr(req, '#');
	if (strncmp(req, "POST /ctl/IPConn", 16) == 0 && act) {
		for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
			if (!strncmp(act + 1, actions[i].name, strlen(actions[i].name))) {
				rc = actions[i].call(body, res, sizeof(res));
				break;
			}
		}
	}
	n = snprintf(out, sizeof(out), "HTTP/1.1 %s\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n"
		     "<s:Envelope><s:Body>%s<errorCode>%d</errorCode></s:Body></s:Envelope>",
		     rc ? "500 Error" : "200 OK", res, rc);
	send(c, out, n, MSG_NOSIGNAL);
}

int main(void)
{
	struct sockaddr_in sin = { 0 };
	int ls, on = 1;

	openlog("igdd", 0, LOG_DAEMON);
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(IGD_PORT);
	if (bind(ls, (struct sockaddr *)&sin, sizeof(sin)) || listen(ls, 8))
		return 1;
	for (;;) {
		struct timeval tv = { 5, 0 };
		fd_set r;

		FD_ZERO(&r);
		FD_SET(ls, &r);
		if (select(ls + 1, &r, NULL, NULL, &tv) > 0) {
			int c = accept(ls, NULL, NULL);
			if (c >= 0) {
				http(c);
				close(c);
			}
		}
		expire();
	}
}
