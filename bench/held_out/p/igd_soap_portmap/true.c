/* igdd: WANIPConnection of a home router. HTTP control URL, leases kept in a list and renewed/expired by a thread */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <syslog.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define IGD_PORT 49152
#define MAX_MAP  32

typedef struct portmap {
	struct portmap *next;
	unsigned short ext_port;
	unsigned short int_port;
	char proto[4];
	char client[40];
	char descr[64];
	time_t expires;
	int state;                 /* 0 wanted, 1 installed */
} portmap_t;

static portmap_t *maps;
static int map_count;
static pthread_mutex_t map_lock = PTHREAD_MUTEX_INITIALIZER;
static char wan_if[16] = "eth1";

static int soap_arg(const char *body, const char *name, char *dst, size_t dstlen)
{
	const char *p = body, *end;
	size_t nl = strlen(name), l;

	while ((p = strchr(p, '<')) != NULL) {
		p++;
		if (strncmp(p, name, nl) || (p[nl] != '>' && p[nl] != ' '))
			continue;
		p = strchr(p, '>');
		if (!p)
			return -1;
		p++;
		end = strchr(p, '<');
		if (!end)
			return -1;
		l = end - p;
		if (l >= dstlen)
			return -1;
		memcpy(dst, p, l);
		dst[l] = 0;
		return 0;
	}
	return -1;
}

static portmap_t *map_find(unsigned ext, const char *proto)
{
	portmap_t *m;

	for (m = maps; m; m = m->next)
		if (m->ext_port == ext && !strcmp(m->proto, proto))
			return m;
	return NULL;
}

static void fw_rule(char op, const portmap_t *m)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "iptables -t nat -%c UPNP -i %s -p %s --dport %u -j DNAT --to-destination %s:%u",
		 op, wan_if, m->proto, m->ext_port, m->client, m->int_port);
	if (system(cmd))
		syslog(LOG_ERR, "iptables failed for port %u", m->ext_port);
}

static int add_port_mapping(const char *body, char *rsp, size_t n)
{
	char ext[12], in[12], proto[8], client[40], lease[16];
	portmap_t *m;
	int dur;

	if (soap_arg(body, "NewExternalPort", ext, sizeof(ext)) ||
	    soap_arg(body, "NewInternalPort", in, sizeof(in)) ||
	    soap_arg(body, "NewProtocol", proto, sizeof(proto)) ||
	    soap_arg(body, "NewInternalClient", client, sizeof(client)))
		return 402;
	if (strcasecmp(proto, "TCP") && strcasecmp(proto, "UDP"))
		return 402;
	if (client[0] == 0 || !strncmp(client, "127.", 4) || !strcmp(client, "0.0.0.0"))
		return 402;
	if (atoi(ext) <= 0 || atoi(ext) > 65535 || atoi(in) <= 0 || atoi(in) > 65535)
		return 402;
	dur = soap_arg(body, "NewLeaseDuration", lease, sizeof(lease)) ? 0 : atoi(lease);

	pthread_mutex_lock(&map_lock);
	m = map_find(atoi(ext), strcasecmp(proto, "TCP") ? "udp" : "tcp");
	if (!m) {
		if (map_count >= MAX_MAP || !(m = calloc(1, sizeof(*m)))) {
			pthread_mutex_unlock(&map_lock);
			return 728;
		}
		m->ext_port = atoi(ext);
		strcpy(m->proto, strcasecmp(proto, "TCP") ? "udp" : "tcp");
		m->next = maps;
		maps = m;
		map_count++;
	} else if (m->state == 1) {
		fw_rule('D', m);
		m->state = 0;
	}
	m->int_port = atoi(in);
	strcpy(m->client, client);
	if (soap_arg(body, "NewPortMappingDescription", m->descr, sizeof(m->descr)))
		strcpy(m->descr, "upnp");
	m->expires = dur > 0 ? time(NULL) + dur : 0;
	pthread_mutex_unlock(&map_lock);
	snprintf(rsp, n, "<u:AddPortMappingResponse/>");
	return 0;
}

static int delete_port_mapping(const char *body, char *rsp, size_t n)
{
	char ext[12], proto[8];
	portmap_t *m;
	int rc = 714;

	if (soap_arg(body, "NewExternalPort", ext, sizeof(ext)) ||
	    soap_arg(body, "NewProtocol", proto, sizeof(proto)))
		return 402;
	pthread_mutex_lock(&map_lock);
	m = map_find(atoi(ext), strcasecmp(proto, "TCP") ? "udp" : "tcp");
	if (m) {
		m->expires = 1;
		rc = 0;
	}
	pthread_mutex_unlock(&map_lock);
	snprintf(rsp, n, "<u:DeletePortMappingResponse/>");
	return rc;
}

static int get_external_ip(const char *body, char *rsp, size_t n)
{
	char ip[32] = "0.0.0.0";
	FILE *f = fopen("/var/run/wan_ip", "r");

	if (f) {
		fscanf(f, "%31s", ip);
		fclose(f);
	}
	snprintf(rsp, n, "<NewExternalIPAddress>%s</NewExternalIPAddress>", ip);
	return 0;
}

static const struct action {
	const char *name;
	int (*fn)(const char *body, char *rsp, size_t n);
} soap_actions[] = {
	{ "#AddPortMapping", add_port_mapping },
	{ "#DeletePortMapping", delete_port_mapping },
	{ "#GetExternalIPAddress", get_external_ip },
};

static void *lease_thread(void *unused)
{
	portmap_t **pp, *m;
	time_t now;

	for (;;) {
		sleep(2);
		now = time(NULL);
		pthread_mutex_lock(&map_lock);
		for (pp = &maps; (m = *pp) != NULL; ) {
			if (m->expires && m->expires <= now) {
				if (m->state == 1)
					fw_rule('D', m);
				*pp = m->next;
				map_count--;
				free(m);
				continue;
			}
			if (m->state == 0) {
				fw_rule('A', m);
				m->state = 1;
			}
			pp = &m->next;
		}
		pthread_mutex_unlock(&map_lock);
	}
	return NULL;
}

static void handle_http(int fd)
{
	static char req[6000];
	char rsp[512] = "", out[800], *body, *act;
	int n, have = 0, err = 401;
	size_t i;

	while (have < (int)sizeof(req) - 1) {
		n = recv(fd, req + have, sizeof(req) - 1 - have, 0);
		if (n <= 0)
			break;
		have += n;
		req[have] = 0;
		if (strstr(req, ":Envelope>") && strstr(req, "</"))
			break;
	}
	req[have] = 0;
	act = strcasestr(req, "SOAPAction:");
	body = strstr(req, "\r\n\r\n");
	if (!act || !body)
		return;
	for (i = 0; i < sizeof(soap_actions) / sizeof(soap_actions[0]); i++) {
		if (!strstr(act, soap_actions[i].name))
			continue;
		err = soap_actions[i].fn(body + 4, rsp, sizeof(rsp));
		break;
	}
	if (err)
		snprintf(rsp, sizeof(rsp), "<UPnPError><errorCode>%d</errorCode></UPnPError>", err);
	n = snprintf(out, sizeof(out), "HTTP/1.1 %s\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s",
		     err ? "500 Error" : "200 OK", (int)strlen(rsp), rsp);
	send(fd, out, n, MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a;
	pthread_t t;
	int s, c, one = 1;

	openlog("igdd", LOG_PID, LOG_DAEMON);
	if (argc > 1)
		snprintf(wan_if, sizeof(wan_if), "%s", argv[1]);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons(IGD_PORT);
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 5)) {
		syslog(LOG_ERR, "bind: %m");
		return 1;
	}
	system("iptables -t nat -F UPNP");
	pthread_create(&t, NULL, lease_thread, NULL);
	while ((c = accept(s, NULL, NULL)) >= 0) {
		handle_http(c);
		close(c);
	}
	return 0;
}
