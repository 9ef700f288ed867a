// SPDX-License-Identifier: BSD-2-Clause
/*
 * bacfcu - BACnet/IP face of a fan coil controller
 *
 * Just enough of the protocol: Who-Is, ReadProperty and WriteProperty for
 * the device and eight analog values.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define BAC_PORT		47808
#define BAC_MTU			1476
#define NAME_SIZE		32
#define AV_COUNT		8

#define BVLC_TYPE		0x81
#define BVLC_UNICAST		0x0a
#define BVLC_BROADCAST		0x0b

#define PDU_CONFIRMED		0x00
#define PDU_UNCONFIRMED		0x10
#define PDU_SIMPLE_ACK		0x20
#define PDU_COMPLEX_ACK		0x30
#define PDU_ERROR		0x50

#define SVC_WHO_IS		8
#define SVC_READ_PROP		12
#define SVC_WRITE_PROP		15

#define OBJ_AV			2
#define OBJ_DEVICE		8

#define PROP_DESCRIPTION	28
#define PROP_OBJECT_NAME	77
#define PROP_PRESENT_VALUE	85

#define TAG_REAL		4
#define TAG_STRING		7

#define dbg(fmt, ...)	do { if (verbose) fprintf(stderr, fmt "\n", ##__VA_ARGS__); } while (0)

struct av {
	char name[NAME_SIZE];
	float value;
	float low, high;
};

struct cursor {
	const uint8_t *p;
	const uint8_t *end;
};

struct tag {
	uint8_t number;
	uint8_t context;	/* class bit */
	uint8_t opening;
	uint32_t len;
};

struct prop_ref {
	uint16_t type;
	uint32_t inst;
	uint32_t prop;
};

static struct av avs[AV_COUNT] = {
	{ "SetpointHeat", 20.0f,  5.0f, 35.0f },
	{ "SetpointCool", 25.0f, 10.0f, 40.0f },
	{ "FanSpeed",      0.0f,  0.0f,  3.0f },
	{ "ValveHeat",     0.0f,  0.0f, 100.0f },
	{ "ValveCool",     0.0f,  0.0f, 100.0f },
	{ "RoomTemp",     21.0f, -20.0f, 60.0f },
	{ "DeadBand",      1.0f,  0.5f,  5.0f },
	{ "Override",      0.0f,  0.0f,  1.0f },
};
static char device_name[NAME_SIZE] = "FCU-1";
static uint32_t device_id = 41007;
static int verbose;
static int sock = -1;
static volatile int names_dirty;

static int tag_get(struct cursor *c, struct tag *t)
{
	uint8_t b;

	if (c->p >= c->end)
		return -1;
	b = *c->p++;
	t->number = b >> 4;
	t->context = (b >> 3) & 1;
	t->opening = 0;
	t->len = b & 7;
	if (t->context && t->len >= 6) {	/* opening, closing */
		t->opening = t->len == 6;
		t->len = 0;
		return 0;
	}
	if (t->len == 5) {
		if (c->p >= c->end)
			return -1;
		t->len = *c->p++;
		if (t->len == 254) {
			if (c->end - c->p < 2)
				return -1;
			t->len = (uint32_t)c->p[0] << 8 | c->p[1];
			c->p += 2;
		}
	}
	if (t->len > (uint32_t)(c->end - c->p))
		return -1;
	return 0;
}

static uint32_t uint_get(struct cursor *c, uint32_t len)
{
	uint32_t v = 0;

	while (len--)
		v = v << 8 | *c->p++;
	return v;
}

static int prop_ref_get(struct cursor *c, struct prop_ref *r)
{
	struct tag t;
	uint32_t v;

	if (tag_get(c, &t) || !t.context || t.number != 0 || t.len != 4)
		return -1;
	v = uint_get(c, 4);
	r->type = (uint16_t)(v >> 22);
	r->inst = v & 0x3fffff;
	if (tag_get(c, &t) || !t.context || t.number != 1 || t.len < 1 || t.len > 4)
		return -1;
	r->prop = uint_get(c, t.len);
	return 0;
}

static size_t put_string(uint8_t *o, const char *s)
{
	size_t n = strlen(s) + 1;

	*o++ = TAG_STRING << 4 | 5;
	*o++ = (uint8_t)n;
	*o++ = 0;		/* UTF-8 */
	memcpy(o, s, n - 1);
	return n + 2;
}

static size_t put_real(uint8_t *o, float f)
{
	uint32_t v;

	memcpy(&v, &f, sizeof(v));
	o[0] = TAG_REAL << 4 | 4;
	o[1] = v >> 24;
	o[2] = v >> 16;
	o[3] = v >> 8;
	o[4] = v;
	return 5;
}

/* Handlers give the length of the answer's APDU, 0 for none, < 0 for error. */
static int svc_who_is(uint8_t invoke, struct cursor *c, uint8_t *out)
{
	uint32_t id = (uint32_t)OBJ_DEVICE << 22 | device_id;

	(void)invoke;
	(void)c;
	out[0] = PDU_UNCONFIRMED;
	out[1] = 0;		/* I-Am */
	out[2] = 0xc4;
	out[3] = id >> 24;
	out[4] = id >> 16;
	out[5] = id >> 8;
	out[6] = id;
	out[7] = 0x22;
	out[8] = BAC_MTU >> 8;
	out[9] = BAC_MTU & 0xff;
	out[10] = 0x91;
	out[11] = 3;
	out[12] = 0x21;
	out[13] = 99;
	return 14;
}

static int svc_read_prop(uint8_t invoke, struct cursor *c, uint8_t *out)
{
	const uint8_t *ref = c->p;
	struct prop_ref r;
	size_t n, reflen;

	if (prop_ref_get(c, &r))
		return -1;
	reflen = (size_t)(c->p - ref);
	if (reflen > 16)
		return -1;
	out[0] = PDU_COMPLEX_ACK;
	out[1] = invoke;
	out[2] = SVC_READ_PROP;
	memcpy(out + 3, ref, reflen);
	n = 3 + reflen;
	out[n++] = 0x3e;
	if (r.type == OBJ_DEVICE && r.prop == PROP_OBJECT_NAME)
		n += put_string(out + n, device_name);
	else if (r.type == OBJ_AV && r.inst < AV_COUNT && r.prop == PROP_OBJECT_NAME)
		n += put_string(out + n, avs[r.inst].name);
	else if (r.type == OBJ_AV && r.inst < AV_COUNT && r.prop == PROP_PRESENT_VALUE)
		n += put_real(out + n, avs[r.inst].value);
	else if (r.type == OBJ_DEVICE && r.prop == PROP_DESCRIPTION)
		n += put_string(out + n, "fan coil unit");
	else
		return -1;
	out[n++] = 0x3f;
	return (int)n;
}

static int write_name(const struct prop_ref *r, struct cursor *c, const struct tag *t)
{
	char name[NAME_SIZE];
	uint32_t len;
	int i;

	if (t->number != TAG_STRING || t->len < 2)
		return -1;
	if (*c->p++ != 0)	/* only UTF-8 */
		return -1;
	len = t->len - 1;
	if (len >= sizeof(name))
		return -1;
	memcpy(name, c->p, len);
	name[len] = '\0';
	c->p += len;
	for (i = 0; i < AV_COUNT; i++) {
		if (strcmp(avs[i].name, name) == 0)
			return -1;	/* names are unique */
	}
	dbg("name of %u/%u is now %s", r->type, r->inst, name);
	if (r->type == OBJ_DEVICE)
		snprintf(device_name, sizeof(device_name), "%s", name);
	else if (r->type == OBJ_AV && r->inst < AV_COUNT)
		snprintf(avs[r->inst].name, sizeof(avs[0].name), "%s", name);
	else
		return -1;
	names_dirty = 1;
	return 0;
}

static int write_value(const struct prop_ref *r, struct cursor *c, const struct tag *t)
{
	uint32_t raw;
	float f;

	if (t->number != TAG_REAL || t->len != 4 || r->type != OBJ_AV || r->inst >= AV_COUNT)
		return -1;
	raw = uint_get(c, 4);
	memcpy(&f, &raw, sizeof(f));
	if (!(f >= avs[r->inst].low && f <= avs[r->inst].high))
		return -1;
	avs[r->inst].value = f;
	return 0;
}

static int svc_write_prop(uint8_t invoke, struct cursor *c, uint8_t *out)
{
	struct prop_ref r;
	struct tag t;
	int err = -1;

	if (prop_ref_get(c, &r))
		return -1;
	if (tag_get(c, &t) || t.number != 3 || !t.opening)
		return -1;
	if (tag_get(c, &t) || t.context)
		return -1;
	if (r.prop == PROP_OBJECT_NAME)
		err = write_name(&r, c, &t);
	else if (r.prop == PROP_PRESENT_VALUE)
		err = write_value(&r, c, &t);
	if (err)
		return err;
	out[0] = PDU_SIMPLE_ACK;
	out[1] = invoke;
	out[2] = SVC_WRITE_PROP;
	return 3;
}

static const struct service {
	uint8_t pdu;
	uint8_t choice;
	int (*fn)(uint8_t invoke, struct cursor *c, uint8_t *out);
} services[] = {
	{ PDU_UNCONFIRMED,	SVC_WHO_IS,	svc_who_is },
	{ PDU_CONFIRMED,	SVC_READ_PROP,	svc_read_prop },
	{ PDU_CONFIRMED,	SVC_WRITE_PROP,	svc_write_prop },
};

static void handle(const uint8_t *pkt, size_t n, const struct sockaddr_in *from)
{
	uint8_t out[128] = { BVLC_TYPE, BVLC_UNICAST, 0, 0, 0x01, 0x00 };
	struct cursor c;
	uint8_t pdu, invoke = 0, choice;
	size_t i;
	int len = 0;

	if (n < 8 || pkt[0] != BVLC_TYPE || (pkt[1] != BVLC_UNICAST && pkt[1] != BVLC_BROADCAST))
		return;
	if (((size_t)pkt[2] << 8 | pkt[3]) != n || pkt[4] != 1 || (pkt[5] & 0x28))
		return;		/* routed packets are not for us */
	c.p = pkt + 6;
	c.end = pkt + n;
	pdu = *c.p++ & 0xf0;
	if (pdu == PDU_CONFIRMED) {
		if (c.end - c.p < 3)
			return;
		invoke = c.p[1];
		c.p += 2;
	}
	choice = *c.p++;
	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		if (services[i].pdu != pdu || services[i].choice != choice)
			continue;
		len = services[i].fn(invoke, &c, out + 6);
		break;
	}
	if (len < 0) {
		out[6] = PDU_ERROR;
		out[7] = invoke;
		out[8] = choice;
		out[9] = 0x91;
		out[10] = 2;	/* class property */
		out[11] = 0x91;
		out[12] = 37;	/* value out of range */
		len = 7;
	}
	if (len > 0) {
		out[3] = (uint8_t)(len + 6);
		sendto(sock, out, (size_t)len + 6, 0, (const struct sockaddr *)from, sizeof(*from));
	}
}

static void *housekeeping(void *arg)
{
	int i;

	for (;;) {
		FILE *f;

		sleep(10);
		if (!names_dirty || !(f = fopen("/var/lib/bacfcu/names", "w")))
			continue;
		names_dirty = 0;
		fprintf(f, "%s\n", device_name);
		for (i = 0; i < AV_COUNT; i++)
			fprintf(f, "%s\n", avs[i].name);
		fclose(f);
	}
	return arg;
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET }, from;
	uint8_t pkt[BAC_MTU];
	pthread_t tid;

	if (argc > 1)
		device_id = (uint32_t)strtoul(argv[1], NULL, 10) & 0x3fffff;
	verbose = argc > 2;
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	sin.sin_port = htons(BAC_PORT);
	if (sock < 0 || bind(sock, (struct sockaddr *)&sin, sizeof(sin)) < 0) {
		perror("bacfcu");
		return 1;
	}
	pthread_create(&tid, NULL, housekeeping, NULL);
	for (;;) {
		socklen_t fl = sizeof(from);
		ssize_t n = recvfrom(sock, pkt, sizeof(pkt), 0, (struct sockaddr *)&from, &fl);

		if (n > 0)
			handle(pkt, (size_t)n, &from);
	}
}
