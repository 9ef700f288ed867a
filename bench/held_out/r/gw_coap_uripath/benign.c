/* coap server of a wireless sensor gateway */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <poll.h>
#include <syslog.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define COAP_PORT     5683
#define COAP_MTU      1280

#define OPT_URI_PATH   11
#define OPT_CONTENT    12
#define OPT_URI_QUERY  15

#define CODE(c, d)    (((c) << 5) | (d))
#define METHOD_GET    1
#define METHOD_PUT    3

struct coap_req;
typedef int (*coap_handler)(struct coap_req *r, char *out, int size);

struct coap_req {
	uint8_t  type;
	uint8_t  code;
	uint16_t mid;
	uint8_t  token[8];
	uint8_t  tkl;
	int      format;
	int      uri_len;
	char     uri[96];
	char     query[64];
	coap_handler handler;
	const uint8_t *payload;
	int      payload_len;
	struct sockaddr_in6 from;
};

struct sensor {
	char label[24];
	int  raw;
	int  period;
	int  age;
};

static struct sensor sensors[4] = {
	{ "supply", 0, 60, 0 }, { "return", 0, 60, 0 }, { "room", 0, 60, 0 }, { "outdoor", 0, 300, 0 },
};
static int relay_state;
static int sock;

/* ---- resources ---- */

static int res_core(struct coap_req *r, char *out, int size)
{
	r->format = 40;
	return snprintf(out, size, "</s/temp>;rt=\"temp\",</s/label>,</c/relay>;rt=\"switch\",</c/period>");
}

static struct sensor *pick_sensor(struct coap_req *r)
{
	unsigned i = 0;
	const char *p = strstr(r->query, "id=");

	if (p)
		i = (unsigned)atoi(p + 3);
	return i < 4 ? &sensors[i] : NULL;
}

static int res_temp(struct coap_req *r, char *out, int size)
{
	struct sensor *s = pick_sensor(r);

	if (!s)
		return -CODE(4, 4);
	if (r->code != METHOD_GET)
		return -CODE(4, 5);
	return snprintf(out, size, "{\"t\":%d.%d,\"age\":%d}", s->raw / 10, abs(s->raw % 10), s->age);
}

static int res_label(struct coap_req *r, char *out, int size)
{
	struct sensor *s = pick_sensor(r);
	int n;

	if (!s)
		return -CODE(4, 4);
	if (r->code == METHOD_PUT) {
		n = r->payload_len;
		if (n > (int)sizeof(s->label) - 1)
			n = sizeof(s->label) - 1;
		memcpy(s->label, r->payload, n);
		s->label[n] = '\0';
		return 0;
	}
	return snprintf(out, size, "%s", s->label);
}

static int payload_int(struct coap_req *r, int *v)
{
	char t[12];

	if (r->payload_len < 1 || r->payload_len >= (int)sizeof(t))
		return -1;
	memcpy(t, r->payload, r->payload_len);
	t[r->payload_len] = '\0';
	*v = atoi(t);
	return 0;
}

static int res_relay(struct coap_req *r, char *out, int size)
{
	FILE *fp;
	int v;

	if (r->code == METHOD_PUT) {
		if (payload_int(r, &v) < 0)
			return -CODE(4, 0);
		relay_state = v != 0;
		if ((fp = fopen("/sys/class/gpio/gpio7/value", "w")) != NULL) {
			fprintf(fp, "%d", relay_state);
			fclose(fp);
		}
		return 0;
	}
	return snprintf(out, size, "%d", relay_state);
}

static int res_period(struct coap_req *r, char *out, int size)
{
	struct sensor *s = pick_sensor(r);
	int v;

	if (!s)
		return -CODE(4, 4);
	if (r->code == METHOD_PUT) {
		if (payload_int(r, &v) < 0 || v < 10 || v > 3600)
			return -CODE(4, 0);
		s->period = v;
		return 0;
	}
	return snprintf(out, size, "%d", s->period);
}

static const struct {
	const char *uri;
	coap_handler fn;
} resources[] = {
	{ ".well-known/core", res_core },
	{ "s/temp", res_temp },
	{ "s/label", res_label },
	{ "c/relay", res_relay },
	{ "c/period", res_period },
};

/* ---- message ---- */

/* one path segment; RFC 7252 allows 0 to 255 bytes */
static int add_segment(struct coap_req *r, const uint8_t *v, unsigned len)
{
	if (len > 255)
		return -1;
	if ((unsigned)r->uri_len + len + 2 > sizeof(r->uri))
		return -1;
	if (r->uri_len)
		r->uri[r->uri_len++] = '/';
	memcpy(r->uri + r->uri_len, v, len);
	r->uri_len += len;
	r->uri[r->uri_len] = '\0';
	return 0;
}

static int add_query(struct coap_req *r, const uint8_t *v, unsigned len)
{
	size_t have = strlen(r->query);

	if (have + len + 2 > sizeof(r->query))
		return -1;
	if (have)
		r->query[have++] = '&';
	memcpy(r->query + have, v, len);
	r->query[have + len] = '\0';
	return 0;
}

static int ext_value(const uint8_t **pp, const uint8_t *end, unsigned nibble, unsigned *out)
{
	const uint8_t *p = *pp;

	if (nibble < 13)
		*out = nibble;
	else if (nibble == 13) {
		if (end - p < 1)
			return -1;
		*out = 13 + *p++;
	} else if (nibble == 14) {
		if (end - p < 2)
			return -1;
		*out = 269 + (p[0] << 8) + p[1];
		p += 2;
	} else
		return -1;
	*pp = p;
	return 0;
}

static int parse_options(struct coap_req *r, const uint8_t *p, const uint8_t *end)
{
	unsigned num = 0, delta, len;
	uint8_t b;

	while (p < end) {
		b = *p++;
		if (b == 0xff) {
			if (p == end)
				return -1;
			r->payload = p;
			r->payload_len = end - p;
			return 0;
		}
		if (ext_value(&p, end, b >> 4, &delta) < 0 || ext_value(&p, end, b & 15, &len) < 0)
			return -1;
		if (len > (unsigned)(end - p))
			return -1;
		num += delta;
		switch (num) {
		case OPT_URI_PATH:
			if (add_segment(r, p, len) < 0)
				return -1;
			break;
		case OPT_URI_QUERY:
			if (add_query(r, p, len) < 0)
				return -1;
			break;
		case OPT_CONTENT:
			break;
		default:
			if (num & 1)		/* critical */
				return -1;
		}
		p += len;
	}
	return 0;
}

static void send_reply(struct coap_req *r, int code, const char *body, int n)
{
	uint8_t out[COAP_MTU];
	int k = 0;

	out[k++] = 0x40 | (r->type == 0 ? 0x20 : 0x10) | r->tkl;
	out[k++] = code;
	out[k++] = r->mid >> 8;
	out[k++] = r->mid & 0xff;
	memcpy(out + k, r->token, r->tkl);
	k += r->tkl;
	if (n > 0 && n < 1024) {
		if (r->format) {
			out[k++] = (OPT_CONTENT << 4) | 1;
			out[k++] = r->format;
		}
		out[k++] = 0xff;
		memcpy(out + k, body, n);
		k += n;
	}
	sendto(sock, out, k, 0, (struct sockaddr *)&r->from, sizeof(r->from));
}

static void coap_input(void)
{
	uint8_t pkt[COAP_MTU];
	struct coap_req *r;
	socklen_t fl = sizeof(r->from);
	char body[512];
	unsigned i;
	int n, rc;

	r = calloc(1, sizeof(*r));
	if (!r)
		return;
	n = recvfrom(sock, pkt, sizeof(pkt), 0, (struct sockaddr *)&r->from, &fl);
	if (n < 4 || (pkt[0] >> 6) != 1)
		goto out;
	r->type = (pkt[0] >> 4) & 3;
	r->tkl = pkt[0] & 15;
	r->code = pkt[1];
	r->mid = (pkt[2] << 8) | pkt[3];
	if (r->tkl > 8 || n < 4 + r->tkl || r->type > 1)
		goto out;
	memcpy(r->token, pkt + 4, r->tkl);
	if (parse_options(r, pkt + 4 + r->tkl, pkt + n) < 0) {
		send_reply(r, CODE(4, 2), NULL, 0);
		goto out;
	}
	for (i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		if (!strcmp(resources[i].uri, r->uri))
			r->handler = resources[i].fn;
	if (!r->handler) {
		syslog(LOG_INFO, "no resource %s", r->uri);
		send_reply(r, CODE(4, 4), NULL, 0);
		goto out;
	}
	rc = r->handler(r, body, sizeof(body));
	if (rc < 0)
		send_reply(r, -rc, NULL, 0);
	else if (r->code == METHOD_PUT)
		send_reply(r, CODE(2, 4), NULL, 0);
	else
		send_reply(r, CODE(2, 5), body, rc < (int)sizeof(body) ? rc : 0);
out:
	free(r);
}

static void read_sensors(void)
{
	char path[64];
	FILE *fp;
	int i, v;

	for (i = 0; i < 4; i++) {
		if (++sensors[i].age < sensors[i].period)
			continue;
		snprintf(path, sizeof(path), "/sys/class/hwmon/hwmon%d/temp1_input", i);
		if (!(fp = fopen(path, "r")))
			continue;
		if (fscanf(fp, "%d", &v) == 1) {
			sensors[i].raw = v / 100;
			sensors[i].age = 0;
		}
		fclose(fp);
	}
}

int main(void)
{
	struct sockaddr_in6 sa;
	struct pollfd pf;

	openlog("coapd", 0, LOG_DAEMON);
	sock = socket(AF_INET6, SOCK_DGRAM, 0);
	memset(&sa, 0, sizeof(sa));
	sa.sin6_family = AF_INET6;
	sa.sin6_addr = in6addr_any;
	sa.sin6_port = htons(COAP_PORT);
	if (sock < 0 || bind(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		syslog(LOG_ERR, "bind: %m");
		return 1;
	}
	pf.fd = sock;
	pf.events = POLLIN;
	for (;;) {
		if (poll(&pf, 1, 1000) > 0)
			coap_input();
		else
			read_sensors();
	}
}
