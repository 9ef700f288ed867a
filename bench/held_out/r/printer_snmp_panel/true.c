/*
 * snmp agent of the printer: a handful of system objects, SET allowed with
 * the private community. The location is shown on the operator panel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

typedef unsigned char u8;

#define SNMP_PORT	161
#define PANEL_COLS	40

#define BER_INT		0x02
#define BER_OCTETS	0x04
#define BER_NULL	0x05
#define BER_OID		0x06
#define BER_SEQ		0x30
#define PDU_GET		0xa0
#define PDU_RESPONSE	0xa2
#define PDU_SET		0xa3

#define ERR_NOERROR	0
#define ERR_NOSUCH	2
#define ERR_BADVALUE	3
#define ERR_READONLY	4

struct ber {
	const u8 *p;
	const u8 *end;
};

struct panel {
	char contact[64];
	char name[64];
	char location[64];
	unsigned long pages;
	int changed;
};

static struct panel panel = { "", "LP-2400", "unknown", 0, 0 };
static volatile sig_atomic_t ticks;

/* next TLV; leaves b behind it, value in v */
static int ber_next(struct ber *b, struct ber *v)
{
	int tag;
	unsigned long len;

	if (b->end - b->p < 2)
		return -1;
	tag = *b->p++;
	len = *b->p++;
	if (len & 0x80) {
		int n = len & 0x7f;

		if (n < 1 || n > 2 || b->end - b->p < n)
			return -1;
		for (len = 0; n; n--)
			len = (len << 8) | *b->p++;
	}
	if (len > (unsigned long)(b->end - b->p))
		return -1;
	v->p = b->p;
	v->end = b->p + len;
	b->p += len;
	return tag;
}

static long ber_int(const struct ber *v)
{
	const u8 *p = v->p;
	long n = 0;

	if (v->end - p > 4)
		return -1;
	for (; p < v->end; p++)
		n = (n << 8) | *p;
	return n;
}

/* ---- objects ---- */

static int text_value(char *dst, int size, const struct ber *v)
{
	int n = v->end - v->p, i, o = 0;

	if (n >= size)
		return ERR_BADVALUE;
	for (i = 0; i < n; i++) {
		int c = v->p[i];

		/* the panel has no glyphs for these */
		if (!isprint(c) || c == '"' || c == '\\')
			continue;
		dst[o++] = c;
	}
	dst[o] = '\0';
	return ERR_NOERROR;
}

static int set_contact(const struct ber *v)
{
	return text_value(panel.contact, sizeof(panel.contact), v);
}

static int set_name(const struct ber *v)
{
	return text_value(panel.name, sizeof(panel.name), v);
}

static int set_location(const struct ber *v)
{
	int rc = text_value(panel.location, sizeof(panel.location), v);

	if (rc == ERR_NOERROR)
		panel.changed = 1;
	return rc;
}

static int get_contact(char *out, int size) { return snprintf(out, size, "%s", panel.contact); }
static int get_name(char *out, int size) { return snprintf(out, size, "%s", panel.name); }
static int get_location(char *out, int size) { return snprintf(out, size, "%s", panel.location); }
static int get_descr(char *out, int size) { return snprintf(out, size, "LP-2400 network printer, %lu pages", panel.pages); }

static const struct object {
	u8 oid[12];
	int oidlen;
	int (*get)(char *out, int size);
	int (*set)(const struct ber *v);
} objects[] = {
	{ { 0x2b, 6, 1, 2, 1, 1, 1, 0 }, 8, get_descr, NULL },
	{ { 0x2b, 6, 1, 2, 1, 1, 4, 0 }, 8, get_contact, set_contact },
	{ { 0x2b, 6, 1, 2, 1, 1, 5, 0 }, 8, get_name, set_name },
	{ { 0x2b, 6, 1, 2, 1, 1, 6, 0 }, 8, get_location, set_location },
};
#define N_OBJECTS (sizeof(objects) / sizeof(objects[0]))

static const struct object *find_object(const struct ber *oid)
{
	unsigned i;

	for (i = 0; i < N_OBJECTS; i++)
		if (oid->end - oid->p == objects[i].oidlen && !memcmp(oid->p, objects[i].oid, objects[i].oidlen))
			return &objects[i];
	return NULL;
}

/* ---- answer, built from its end to its start ---- */

static int push(u8 *base, int pos, const void *data, int n)
{
	if (pos < n)
		return -1;
	memcpy(base + pos - n, data, n);
	return pos - n;
}

static int push_head(u8 *base, int pos, int tag, int len)
{
	u8 h[4];

	if (pos < 0)
		return -1;
	h[0] = tag;
	if (len < 128) {
		h[1] = len;
		return push(base, pos, h, 2);
	}
	h[1] = 0x82;
	h[2] = len >> 8;
	h[3] = len;
	return push(base, pos, h, 4);
}

static int push_tlv(u8 *base, int pos, int tag, const void *data, int n)
{
	if (pos < 0)
		return -1;
	pos = push(base, pos, data, n);
	return push_head(base, pos, tag, n);
}

static int answer(u8 *out, int size, long version, const struct ber *comm, const struct ber *reqid,
		  const struct ber *oid, int err, const char *text, int textlen)
{
	int pos = size;
	u8 b;

	if (text)
		pos = push_tlv(out, pos, BER_OCTETS, text, textlen);
	else
		pos = push_tlv(out, pos, BER_NULL, "", 0);
	pos = push_tlv(out, pos, BER_OID, oid->p, oid->end - oid->p);
	pos = push_head(out, pos, BER_SEQ, size - pos);
	pos = push_head(out, pos, BER_SEQ, size - pos);
	b = err ? 1 : 0;
	pos = push_tlv(out, pos, BER_INT, &b, 1);
	b = err;
	pos = push_tlv(out, pos, BER_INT, &b, 1);
	pos = push_tlv(out, pos, BER_INT, reqid->p, reqid->end - reqid->p);
	pos = push_head(out, pos, PDU_RESPONSE, size - pos);
	pos = push_tlv(out, pos, BER_OCTETS, comm->p, comm->end - comm->p);
	b = version;
	pos = push_tlv(out, pos, BER_INT, &b, 1);
	return push_head(out, pos, BER_SEQ, size - pos);
}

static int community_is(const struct ber *c, const char *name)
{
	int n = strlen(name);

	return c->end - c->p == n && !memcmp(c->p, name, n);
}

static void snmp_packet(int fd, const u8 *pkt, int len, struct sockaddr_in *from)
{
	struct ber b = { pkt, pkt + len }, msg, ver, comm, pdu, reqid, tmp, list, vb, oid, val;
	const struct object *o;
	u8 out[1024];
	char text[128];
	int type, vtag, err = ERR_NOERROR, n = -1, pos;
	long version;

	if (ber_next(&b, &msg) != BER_SEQ || ber_next(&msg, &ver) != BER_INT || ber_next(&msg, &comm) != BER_OCTETS)
		return;
	version = ber_int(&ver);
	if (version != 0 && version != 1)
		return;
	type = ber_next(&msg, &pdu);
	if (type != PDU_GET && type != PDU_SET)
		return;
	if (ber_next(&pdu, &reqid) != BER_INT || ber_next(&pdu, &tmp) != BER_INT ||
	    ber_next(&pdu, &tmp) != BER_INT || ber_next(&pdu, &list) != BER_SEQ)
		return;
	if (ber_next(&list, &vb) != BER_SEQ || ber_next(&vb, &oid) != BER_OID)
		return;
	vtag = ber_next(&vb, &val);
	if (vtag < 0)
		return;
	o = find_object(&oid);
	if (type == PDU_SET) {
		if (!community_is(&comm, "private"))
			return;
		if (!o)
			err = ERR_NOSUCH;
		else if (!o->set)
			err = ERR_READONLY;
		else if (vtag != BER_OCTETS)
			err = ERR_BADVALUE;
		else
			err = o->set(&val);
	} else {
		if (!community_is(&comm, "public") && !community_is(&comm, "private"))
			return;
		if (!o)
			err = ERR_NOSUCH;
	}
	if (!err)
		n = o->get(text, sizeof(text));
	pos = answer(out, sizeof(out), version, &comm, &reqid, &oid, err, err ? NULL : text, n);
	if (pos >= 0)
		sendto(fd, out + pos, sizeof(out) - pos, 0, (struct sockaddr *)from, sizeof(*from));
}

/* ---- panel ---- */

static void panel_show(void)
{
	FILE *fp;
	char cmd[160];

	snprintf(cmd, sizeof(cmd), "/usr/bin/lcdmsg -r 2 -w %d \"%s\"", PANEL_COLS, panel.location);
	fp = popen(cmd, "w");
	if (!fp) {
		perror("lcdmsg");
		return;
	}
	fprintf(fp, "\n");
	if (pclose(fp) != 0)
		fprintf(stderr, "lcdmsg failed\n");
}

static void read_pages(void)
{
	FILE *fp = fopen("/var/spool/counter", "r");

	if (!fp)
		return;
	if (fscanf(fp, "%lu", &panel.pages) != 1)
		panel.pages = 0;
	fclose(fp);
}

static void on_alarm(int sig)
{
	(void)sig;
	ticks++;
}

int main(void)
{
	struct sigaction act;
	struct itimerval it = { { 5, 0 }, { 5, 0 } };
	struct sockaddr_in sa, from;
	socklen_t fl;
	u8 pkt[1500];
	int fd, n, seen = 0;

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(SNMP_PORT);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		perror("snmp");
		return 1;
	}
	memset(&act, 0, sizeof(act));
	act.sa_handler = on_alarm;		/* no SA_RESTART */
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &it, NULL);

	for (;;) {
		fl = sizeof(from);
		n = recvfrom(fd, pkt, sizeof(pkt), 0, (struct sockaddr *)&from, &fl);
		if (n > 0)
			snmp_packet(fd, pkt, n, &from);
		else if (n < 0 && errno != EINTR)
			break;
		if (seen != ticks) {
			seen = ticks;
			read_pages();
			if (panel.changed) {
				panel.changed = 0;
				panel_show();
			}
		}
	}
	return 1;
}
