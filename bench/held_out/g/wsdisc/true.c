// SPDX-License-Identifier: MIT
// wsdisc: minimal WS-Discovery responder for ONVIF devices.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct span {
	const char *p;
	size_t n;
};

struct wsd_peer {
	struct sockaddr_in addr;
	time_t last;
	unsigned probes;
	struct wsd_peer *next;
};

struct wsd {
	int fd;
	char uuid[48];
	char scopes[160];
	char xaddr[96];
	unsigned seq;
	struct wsd_peer *peers;
	time_t next_gc;
};

typedef int (*wsd_action_fn)(struct wsd *, struct wsd_peer *, struct span hdr, struct span body);

static const char tmpl_head[] =
	"<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
	"xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" "
	"xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><s:Header>";

/* ---------------------------------------------------------------- xml --- */

static inline bool span_eq(struct span s, const char *z)
{
	return s.n == strlen(z) && memcmp(s.p, z, s.n) == 0;
}

static struct span span_trim(struct span s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\r' || *s.p == '\n' || *s.p == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

/* locate <[ns:]name ...>content</ ; namespace prefixes are ignored */
static bool xml_child(struct span in, const char *name, struct span *out)
{
	size_t i = 0, nl = strlen(name);

	while (i < in.n) {
		const char *lt = memchr(in.p + i, '<', in.n - i);
		size_t j, start;

		if (!lt)
			return false;
		j = start = (size_t)(lt - in.p) + 1;
		while (j < in.n && in.p[j] != '>' && in.p[j] != ' ') {
			if (in.p[j] == ':')
				start = j + 1;
			j++;
		}
		if (j - start == nl && memcmp(in.p + start, name, nl) == 0 && lt[1] != '/') {
			while (j < in.n && in.p[j] != '>')
				j++;
			if (j >= in.n)
				return false;
			j++;
			out->p = in.p + j;
			/* closing tag with any prefix */
			for (size_t k = j; k + 2 + nl < in.n; k++) {
				if (in.p[k] != '<' || in.p[k + 1] != '/')
					continue;
				size_t e = k + 2;
				size_t q = e;
				while (q < in.n && in.p[q] != '>') {
					if (in.p[q] == ':')
						e = q + 1;
					q++;
				}
				if (q - e == nl && memcmp(in.p + e, name, nl) == 0) {
					out->n = k - j;
					return true;
				}
			}
			return false;
		}
		i = j + 1;
	}
	return false;
}

/* -------------------------------------------------------------- peers --- */

static struct wsd_peer *peer_get(struct wsd *w, const struct sockaddr_in *a)
{
	struct wsd_peer *p;
	unsigned count = 0;

	for (p = w->peers; p; p = p->next, count++)
		if (p->addr.sin_addr.s_addr == a->sin_addr.s_addr && p->addr.sin_port == a->sin_port)
			return p;
	if (count > 256 || !(p = calloc(1, sizeof *p)))
		return NULL;
	p->addr = *a;
	p->next = w->peers;
	w->peers = p;
	return p;
}

static void peers_gc(struct wsd *w, time_t now)
{
	struct wsd_peer **pp = &w->peers;

	while (*pp) {
		struct wsd_peer *p = *pp;
		if (now - p->last > 120) {
			*pp = p->next;
			free(p);
		} else {
			pp = &p->next;
		}
	}
}

/* ------------------------------------------------------------ replies --- */

static int build_relates(char *dst, size_t cap, struct span id)
{
	static const char open[] = "<a:RelatesTo>", close[] = "</a:RelatesTo>";
	char *d = dst;

	if (id.n == 0)
		return -1;
	memcpy(d, open, sizeof open - 1);
	d += sizeof open - 1;
	for (size_t i = 0; i < id.n; i++)
		*d++ = (id.p[i] == '<' || id.p[i] == '>') ? '_' : id.p[i];
	memcpy(d, close, sizeof close);
	return (int)(d - dst + sizeof close - 1);
}

static int send_reply(struct wsd *w, struct wsd_peer *p, const char *action, const char *what, struct span id)
{
	char relates[192];
	char *msg = NULL;
	int n, rc;

	if (build_relates(relates, sizeof relates, id) < 0)
		return -EINVAL;
	n = asprintf(&msg,
		"%s<a:MessageID>urn:uuid:%s-%u</a:MessageID>%s<a:Action>%s</a:Action></s:Header>"
		"<s:Body><d:%s><d:Match><a:EndpointReference><a:Address>urn:uuid:%s</a:Address>"
		"</a:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>%s</d:Scopes>"
		"<d:XAddrs>%s</d:XAddrs></d:Match></d:%s></s:Body></s:Envelope>",
		tmpl_head, w->uuid, w->seq++, relates, action, what, w->uuid, w->scopes, w->xaddr, what);
	if (n < 0)
		return -ENOMEM;
	rc = sendto(w->fd, msg, (size_t)n, 0, (struct sockaddr *)&p->addr, sizeof p->addr);
	free(msg);
	return rc < 0 ? -errno : 0;
}

static int on_probe(struct wsd *w, struct wsd_peer *p, struct span hdr, struct span body)
{
	struct span id, types;

	if (!xml_child(hdr, "MessageID", &id))
		return -EINVAL;
	if (xml_child(body, "Types", &types) && types.n) {
		types = span_trim(types);
		if (!memmem(types.p, types.n, "NetworkVideoTransmitter", 23) &&
		    !memmem(types.p, types.n, "Device", 6))
			return 0;
	}
	p->probes++;
	return send_reply(w, p, "http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches",
			  "ProbeMatches", span_trim(id));
}

static int on_resolve(struct wsd *w, struct wsd_peer *p, struct span hdr, struct span body)
{
	struct span id, addr;

	if (!xml_child(hdr, "MessageID", &id) || !xml_child(body, "Address", &addr))
		return -EINVAL;
	if (!memmem(addr.p, addr.n, w->uuid, strlen(w->uuid)))
		return 0;
	return send_reply(w, p, "http://schemas.xmlsoap.org/ws/2005/04/discovery/ResolveMatches",
			  "ResolveMatches", span_trim(id));
}

static int on_bye(struct wsd *w, struct wsd_peer *p, struct span hdr, struct span body)
{
	p->last = 0;
	return 0;
}

static const struct {
	const char *uri;
	wsd_action_fn fn;
} actions[] = {
	{ "http://schemas.xmlsoap.org/ws/2005/04/discovery/Bye", on_bye },
	{ "http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe", on_probe },
	{ "http://schemas.xmlsoap.org/ws/2005/04/discovery/Resolve", on_resolve },
};

static int handle_datagram(struct wsd *w, const struct sockaddr_in *from, struct span pkt)
{
	struct span hdr, body, act;
	struct wsd_peer *p;

	if (!xml_child(pkt, "Header", &hdr) || !xml_child(pkt, "Body", &body))
		return -EINVAL;
	if (!xml_child(hdr, "Action", &act))
		return -EINVAL;
	act = span_trim(act);
	p = peer_get(w, from);
	if (!p)
		return -ENOMEM;
	p->last = time(NULL);
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
		if (span_eq(act, actions[i].uri))
			return actions[i].fn(w, p, hdr, body);
	return -ENOSYS;
}

static void load_identity(struct wsd *w)
{
	FILE *f = fopen("/etc/onvif/uuid", "r");

	snprintf(w->uuid, sizeof w->uuid, "00000000-0000-4000-8000-000000000001");
	if (f) {
		char line[48];
		if (fgets(line, sizeof line, f)) {
			line[strcspn(line, "\r\n")] = 0;
			snprintf(w->uuid, sizeof w->uuid, "%s", line);
		}
		fclose(f);
	}
	snprintf(w->scopes, sizeof w->scopes, "onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/CAM");
	snprintf(w->xaddr, sizeof w->xaddr, "http://192.168.1.64/onvif/device_service");
}

static int wsd_open(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(3702) };
	struct ip_mreq mr = { 0 };
	int on = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
		close(fd);
		return -1;
	}
	mr.imr_multiaddr.s_addr = inet_addr("239.255.255.250");
	setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof mr);
	return fd;
}

int main(void)
{
	struct wsd *w = calloc(1, sizeof *w);
	static char buf[8192];

	if (!w || (w->fd = wsd_open()) < 0) {
		perror("wsdisc");
		return 1;
	}
	load_identity(w);
	for (;;) {
		struct pollfd pf = { .fd = w->fd, .events = POLLIN };
		time_t now = time(NULL);

		if (now >= w->next_gc) {
			peers_gc(w, now);
			w->next_gc = now + 30;
		}
		if (poll(&pf, 1, 1000) <= 0)
			continue;
		struct sockaddr_in from;
		socklen_t fl = sizeof from;
		ssize_t n = recvfrom(w->fd, buf, sizeof buf, 0, (struct sockaddr *)&from, &fl);
		if (n <= 0)
			continue;
		int rc = handle_datagram(w, &from, (struct span){ buf, (size_t)n });
		if (rc < 0 && rc != -ENOSYS)
			fprintf(stderr, "wsdisc: drop (%d)\n", rc);
	}
}
