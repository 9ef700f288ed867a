/* igdd.c: WAN IP connection service of the router (SOAP over HTTP, TCP 52869) */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <stdarg.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define REQ_MAX   6144
#define MAP_MAX   32

typedef struct mapping_s {
	struct mapping_s *next;
	char *ext_port;
	char *int_port;
	char *client;
	char *proto;
	char *descr;
	time_t expires;		/* 0: never */
	int active;
} mapping_t;

typedef struct {
	int fd;
	char *req;		/* whole request */
	char *body;
	int error;
} soap_t;

static mapping_t *maps;
static int nmaps;
static char wan_if[16] = "ppp0";

static int run(const char *fmt, ...)
{
	char buf[384];
	va_list ap;
	va_start(ap, fmt);
	if (vsnprintf(buf, sizeof buf, fmt, ap) >= (int)sizeof buf) {
		va_end(ap);
		return -1;
	}
	va_end(ap);
	return system(buf);
}

/* --- XML --- */

/* text of <tag ...>text</tag>, on the heap; NULL when absent */
static char *xml_text(const char *xml, const char *tag)
{
	const char *p = xml, *start, *end;
	size_t n = strlen(tag);
	char *out;

	for (;;) {
		p = strchr(p, '<');
		if (p == NULL)
			return NULL;
		p++;
		if (strncmp(p, tag, n) == 0 && (p[n] == '>' || isspace((unsigned char)p[n])))
			break;
	}
	start = strchr(p, '>');
	if (start == NULL)
		return NULL;
	start++;
	end = strstr(start, "</");
	if (end == NULL)
		return NULL;
	out = malloc(end - start + 1);
	if (out == NULL)
		return NULL;
	memcpy(out, start, end - start);
	out[end - start] = '\0';
	return out;
}

/* --- mappings --- */

static void map_free(mapping_t *m)
{
	free(m->ext_port);
	free(m->int_port);
	free(m->client);
	free(m->proto);
	free(m->descr);
	free(m);
}

static int port_ok(const char *s)
{
#ifdef BENIGN
	char *end;
	long v;
	if (!isdigit((unsigned char)*s))
		return 0;
	v = strtol(s, &end, 10);
	return *end == '\0' && v > 0 && v < 65536;
#else
	int v = atoi(s);
	return v > 0 && v < 65536;
#endif
}

static int map_valid(const mapping_t *m)
{
	struct in_addr a;
	if (!m->ext_port || !m->int_port || !m->client || !m->proto)
		return 0;
	if (strcmp(m->proto, "TCP") != 0 && strcmp(m->proto, "UDP") != 0)
		return 0;
	if (inet_pton(AF_INET, m->client, &a) != 1)
		return 0;
	return port_ok(m->ext_port) && port_ok(m->int_port);
}

static void map_rule(const mapping_t *m, const char *op)
{
	run("iptables -t nat -%s PREROUTING -i %s -p %s --dport %s -j DNAT --to %s:%s", op, wan_if,
	    m->proto, m->ext_port, m->client, m->int_port);
}

static mapping_t **map_find(const char *ext, const char *proto)
{
	mapping_t **pp;
	for (pp = &maps; *pp; pp = &(*pp)->next)
		if (strcmp((*pp)->ext_port, ext) == 0 && strcmp((*pp)->proto, proto) == 0)
			break;
	return pp;
}

/* rules are put in and taken out by the timer only, to keep iptables from running concurrently */
static void map_timer(void)
{
	mapping_t **pp = &maps, *m;
	time_t now = time(NULL);

	while ((m = *pp) != NULL) {
		if (!m->active) {
			map_rule(m, "A");
			m->active = 1;
		}
		if (m->expires && m->expires <= now) {
			map_rule(m, "D");
			*pp = m->next;
			map_free(m);
			nmaps--;
			continue;
		}
		pp = &m->next;
	}
}

/* --- actions --- */

static void soap_answer(soap_t *s, const char *action, const char *inner)
{
	char buf[1024], hdr[160];
	int n, h;
	if (s->error)
		n = snprintf(buf, sizeof buf, "<s:Envelope><s:Body><s:Fault><errorCode>%d</errorCode></s:Fault>"
			     "</s:Body></s:Envelope>", s->error);
	else
		n = snprintf(buf, sizeof buf, "<s:Envelope><s:Body><u:%sResponse>%s</u:%sResponse></s:Body>"
			     "</s:Envelope>", action, inner, action);
	if (n >= (int)sizeof buf)
		n = sizeof buf - 1;
	h = snprintf(hdr, sizeof hdr, "HTTP/1.1 %s\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n",
		     s->error ? "500 Error" : "200 OK", n);
	send(s->fd, hdr, h, MSG_NOSIGNAL);
	send(s->fd, buf, n, MSG_NOSIGNAL);
}

static void act_add(soap_t *s)
{
	mapping_t *m = calloc(1, sizeof *m), **old;
	char *lease;

	if (m == NULL || nmaps >= MAP_MAX) {
		free(m);
		s->error = 728;
		return;
	}
	m->ext_port = xml_text(s->body, "NewExternalPort");
	m->int_port = xml_text(s->body, "NewInternalPort");
	m->client = xml_text(s->body, "NewInternalClient");
	m->proto = xml_text(s->body, "NewProtocol");
	m->descr = xml_text(s->body, "NewPortMappingDescription");
	if (!map_valid(m)) {
		map_free(m);
		s->error = 402;
		return;
	}
	lease = xml_text(s->body, "NewLeaseDuration");
	if (lease && atoi(lease) > 0)
		m->expires = time(NULL) + atoi(lease);
	free(lease);
	old = map_find(m->ext_port, m->proto);
	if (*old) {
		map_free(m);
		s->error = 718;
		return;
	}
	m->next = maps;
	maps = m;
	nmaps++;
	soap_answer(s, "AddPortMapping", "");
}

static void act_delete(soap_t *s)
{
	char *ext = xml_text(s->body, "NewExternalPort");
	char *proto = xml_text(s->body, "NewProtocol");
	mapping_t **pp;

	if (ext && proto && *(pp = map_find(ext, proto)) != NULL) {
		(*pp)->expires = 1;
		soap_answer(s, "DeletePortMapping", "");
	} else
		s->error = 714;
	free(ext);
	free(proto);
}

static void act_address(soap_t *s)
{
	char inner[96], ip[32] = "0.0.0.0";
	FILE *f = fopen("/var/run/wan_ip", "r");
	if (f) {
		if (fscanf(f, "%31s", ip) != 1)
			strcpy(ip, "0.0.0.0");
		fclose(f);
	}
	snprintf(inner, sizeof inner, "<NewExternalIPAddress>%s</NewExternalIPAddress>", ip);
	soap_answer(s, "GetExternalIPAddress", inner);
}

static void act_reconnect(soap_t *s)
{
	run("killall -HUP pppd; sleep 1; ifup %s", wan_if);
	soap_answer(s, "RequestConnection", "");
}

static const struct action {
	const char *name;
	void (*fn)(soap_t *);
} actions[] = {
	{ "AddPortMapping", act_add },
	{ "DeletePortMapping", act_delete },
	{ "GetExternalIPAddress", act_address },
	{ "RequestConnection", act_reconnect },
	{ NULL, NULL }
};

static void serve(int fd)
{
	static char buf[REQ_MAX + 1];
	const struct action *a;
	soap_t s = { fd, buf, NULL, 0 };
	char *name, *cl;
	int have = 0, n;

	while (have < REQ_MAX && (n = recv(fd, buf + have, REQ_MAX - have, 0)) > 0) {
		have += n;
		buf[have] = '\0';
		s.body = strstr(buf, "\r\n\r\n");
		if (s.body == NULL)
			continue;
		cl = strcasestr(buf, "content-length:");
		if (cl == NULL || buf + have - (s.body + 4) >= atoi(cl + 15))
			break;
	}
	if (have == 0 || s.body == NULL || strncmp(buf, "POST ", 5) != 0)
		return;
	*s.body = '\0';
	s.body += 4;
	name = strcasestr(buf, "\nSOAPAction:");
	name = name ? strchr(name, '#') : NULL;
	if (name) {
		name++;
		name[strcspn(name, "\"\r\n")] = '\0';
		for (a = actions; a->name; a++)
			if (strcmp(a->name, name) == 0)
				break;
		if (a->name)
			a->fn(&s);
		else
			s.error = 401;
	} else
		s.error = 401;
	if (s.error)
		soap_answer(&s, "", "");
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin;
	struct timeval tv = { 1, 0 };
	int s, c, one = 1;

	if (argc > 1)
		snprintf(wan_if, sizeof wan_if, "%s", argv[1]);
	signal(SIGPIPE, SIG_IGN);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	memset(&sin, 0, sizeof sin);
	sin.sin_family = AF_INET;
	sin.sin_port = htons(52869);
	if (bind(s, (struct sockaddr *)&sin, sizeof sin) || listen(s, 5)) {
		fprintf(stderr, "igdd: %s\n", strerror(errno));
		return 1;
	}
	for (;;) {
		c = accept(s, NULL, NULL);
		if (c >= 0) {
			setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
			serve(c);
			close(c);
		}
		map_timer();
	}
}
