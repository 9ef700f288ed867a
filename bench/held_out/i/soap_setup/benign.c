/* setup.cgi -- SOAP configuration endpoint of the AR-series home routers */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <arpa/inet.h>

#define BODY_MAX 16384

typedef enum { RES_OK, RES_ERROR, RES_REBOOT, RES_BADREQ } result_t;
static const char *result_name[] = { "OK", "ERROR", "REBOOT", "BAD_REQUEST" };

typedef struct route {
	char dest[48];
	char gw[48];
	int  prefix;
	int  metric;
	struct route *next;
} route_t;

static struct {
	route_t *routes;
	int nroutes;
	int wan_mtu;
	int changed;
} conf;

/* ---- output ---------------------------------------------------------- */

static void respond(const char *action, result_t r, const char *extra)
{
	printf("Content-Type: text/xml\r\n\r\n");
	printf("<?xml version=\"1.0\"?><soap:Envelope><soap:Body><%sResponse>"
	       "<%sResult>%s</%sResult>%s</%sResponse></soap:Body></soap:Envelope>\n",
	       action, action, result_name[r], action, extra ? extra : "", action);
}

static int do_cmd(const char *fmt, ...)
{
	char *cmd = NULL;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = vasprintf(&cmd, fmt, ap);
	va_end(ap);
	if (rc < 0)
		return -1;
	rc = system(cmd);
	free(cmd);
	return rc;
}

/* ---- request parsing ------------------------------------------------- */

static char *read_body(void)
{
	const char *cl = getenv("CONTENT_LENGTH");
	long want = cl ? strtol(cl, NULL, 10) : 0;
	char *b;
	size_t got;

	if (want <= 0 || want > BODY_MAX)
		return NULL;
	b = malloc((size_t)want + 1);
	if (!b)
		return NULL;
	got = fread(b, 1, (size_t)want, stdin);
	b[got] = '\0';
	return b;
}

/* duplicate text between <name> and </name> */
static char *tag_dup(const char *xml, const char *name)
{
	char open[64], close[64];
	const char *s, *e;

	snprintf(open, sizeof open, "<%s>", name);
	snprintf(close, sizeof close, "</%s>", name);
	s = strstr(xml, open);
	if (!s)
		return NULL;
	s += strlen(open);
	e = strstr(s, close);
	return e ? strndup(s, (size_t)(e - s)) : NULL;
}

static int tag_int(const char *xml, const char *name, int dflt)
{
	char *t = tag_dup(xml, name);
	int v = t ? atoi(t) : dflt;

	free(t);
	return v;
}

/* take a dotted quad out of the request */
static int take_addr(char dst[48], const char *txt)
{
	struct in_addr ia;

	if (!txt || strlen(txt) >= 48)
		return -1;
	if (inet_pton(AF_INET, txt, &ia) != 1)
		return -1;
	if (ia.s_addr == INADDR_NONE)
		return -1;
	strcpy(dst, txt);
	return 0;
}

static int mask_to_prefix(const char *txt)
{
	struct in_addr m;
	unsigned v;
	int p = 0;

	if (!txt || !inet_aton(txt, &m))
		return -1;
	v = ntohl(m.s_addr);
	while (v & 0x80000000u) {
		p++;
		v <<= 1;
	}
	return v ? -1 : p;
}

/* ---- actions --------------------------------------------------------- */

static result_t a_get_mtu(const char *xml, char *out, size_t n)
{
	snprintf(out, n, "<Mtu>%d</Mtu>", conf.wan_mtu ? conf.wan_mtu : 1500);
	return RES_OK;
}

static result_t a_get_routes(const char *xml, char *out, size_t n)
{
	snprintf(out, n, "<Count>%d</Count>", conf.nroutes);
	return RES_OK;
}

static result_t a_reboot(const char *xml, char *out, size_t n)
{
	return RES_REBOOT;
}

static result_t a_set_mtu(const char *xml, char *out, size_t n)
{
	int v = tag_int(xml, "Mtu", 0);

	if (v < 576 || v > 1500)
		return RES_ERROR;
	conf.wan_mtu = v;
	conf.changed |= 1;
	return RES_OK;
}

static int add_route(const char *entry)
{
	route_t *r = calloc(1, sizeof *r);
	char *dest = tag_dup(entry, "Destination");
	char *gw = tag_dup(entry, "NextHop");
	char *mask = tag_dup(entry, "SubnetMask");
	int rc = -1;

	if (r && !take_addr(r->dest, dest) && !take_addr(r->gw, gw)) {
		r->prefix = mask_to_prefix(mask);
		r->metric = tag_int(entry, "Metric", 1);
		if (r->prefix >= 0 && r->metric > 0 && r->metric < 16) {
			r->next = conf.routes;
			conf.routes = r;
			conf.nroutes++;
			r = NULL;
			rc = 0;
		}
	}
	free(r);
	free(dest);
	free(gw);
	free(mask);
	return rc;
}

static result_t a_set_routes(const char *xml, char *out, size_t n)
{
	const char *p = xml;
	int count = 0;

	while (count < 16 && (p = strstr(p, "<RouteEntry>")) != NULL) {
		const char *e = strstr(p, "</RouteEntry>");
		char *one;
		int rc;

		if (!e)
			break;
		one = strndup(p, (size_t)(e - p));
		if (!one)
			break;
		rc = add_route(one);
		free(one);
		if (rc)
			return RES_ERROR;
		p = e;
		count++;
	}
	conf.changed |= 2;
	return RES_OK;
}

struct soap_action {
	const char *name;
	result_t (*fn)(const char *xml, char *out, size_t n);
	int need_body;
};

static const struct soap_action table[] = {
	{ "GetStaticRoutes", a_get_routes, 0 },
	{ "GetWanMtu",       a_get_mtu,    0 },
	{ "Reboot",          a_reboot,     0 },
	{ "SetStaticRoutes", a_set_routes, 1 },
	{ "SetWanMtu",       a_set_mtu,    1 },
};

static int by_name(const void *a, const void *b)
{
	return strcmp((const char *)a, ((const struct soap_action *)b)->name);
}

/* ---- commit ---------------------------------------------------------- */

static void commit_routes(void)
{
	route_t *r;

	do_cmd("ip route flush proto static");
	for (r = conf.routes; r; r = r->next)
		do_cmd("ip route replace %s/%d via %s metric %d proto static",
		       r->dest, r->prefix, r->gw, r->metric);
}

static void commit(void)
{
	if (conf.changed & 1)
		do_cmd("ip link set dev eth1 mtu %d", conf.wan_mtu);
	if (conf.changed & 2)
		commit_routes();
}

int main(void)
{
	const char *sa = getenv("HTTP_SOAPACTION");
	char name[48], extra[256] = "";
	const struct soap_action *act;
	char *body, *q;
	result_t r;

	if (!sa || !(sa = strrchr(sa, '/'))) {
		respond("Unknown", RES_BADREQ, NULL);
		return 0;
	}
	snprintf(name, sizeof name, "%s", sa + 1);
	if ((q = strchr(name, '"')) != NULL)
		*q = '\0';
	act = bsearch(name, table, sizeof table / sizeof table[0], sizeof table[0], by_name);
	body = read_body();
	if (!act || (act->need_body && !body)) {
		respond("Unknown", RES_BADREQ, NULL);
		return 0;
	}
	r = act->fn(body, extra, sizeof extra);
	respond(act->name, r, extra);
	fflush(stdout);
	if (r == RES_REBOOT)
		do_cmd("/sbin/reboot");
	else
		commit();
	free(body);
	return 0;
}
