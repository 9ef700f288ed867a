/* bacd.c - very small BACnet/IP server of the heat meter gateway.
 * Supports ReadProperty(object-name, present-value) and
 * WriteProperty(object-name, present-value), plus I-Am on Who-Is. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACNET_PORT   0xBAC0
#define MAX_APDU      1476
#define NOBJ          6
#define NAME_SZ       64

#define PDU_CONFIRMED   0x00
#define PDU_UNCONFIRMED 0x10
#define PDU_SIMPLE_ACK  0x20
#define PDU_COMPLEX_ACK 0x30
#define PDU_ERROR       0x50

#define SVC_READ_PROP   12
#define SVC_WRITE_PROP  15
#define SVC_WHO_IS      8

#define PROP_NAME       77
#define PROP_VALUE      85

#define TAG_UNSIGNED    2
#define TAG_REAL        4
#define TAG_STRING      7

typedef struct {
  uint32_t id;
  char     name[NAME_SZ];
  float    value;
  int      writable;
} object_t;

typedef struct {
  uint8_t  number;
  uint8_t  context;
  uint32_t length;
} tag_t;

typedef struct {
  const uint8_t *p;
  size_t left;
} cursor_t;

static object_t objects[NOBJ] = {
  { 0x00000001, "supply temperature", 65.0f, 0 },
  { 0x00000002, "return temperature", 41.5f, 0 },
  { 0x00000003, "flow",               0.32f, 0 },
  { 0x00400001, "valve command",      0.0f,  1 },
  { 0x00800001, "heating limit",      15.0f, 1 },
  { 0x02000fa1, "heat meter gateway", 0.0f,  0 },
};
static int sock_fd;
static int names_changed;
static time_t save_at;

static object_t *find_object(uint32_t id)
{
  int i;
  for (i = 0; i < NOBJ; i++)
    if (objects[i].id == id)
      return &objects[i];
  return NULL;
}

static uint32_t be_n(const uint8_t *p, size_t n)
{
  uint32_t v = 0;
  while (n--)
    v = v << 8 | *p++;
  return v;
}

/* Reads one tag head. The value (if any) must lie within the packet. */
static int tag_head(cursor_t *c, tag_t *t)
{
  uint8_t b;

  if (c->left < 1)
    return -1;
  b = *c->p++;
  c->left--;
  t->number = b >> 4;
  t->context = (b >> 3) & 1;
  t->length = b & 7;
  if (t->number == 15)
    return -1;
  if (t->context && t->length >= 6) {       /* opening, closing */
    t->length = 0;
    return 1;
  }
  if (t->length == 5) {
    if (c->left < 1)
      return -1;
    t->length = *c->p++;
    c->left--;
    if (t->length == 254) {
      if (c->left < 2)
        return -1;
      t->length = be_n(c->p, 2);
      c->p += 2;
      c->left -= 2;
    } else if (t->length == 255) {
      return -1;
    }
  }
  return t->length > c->left ? -1 : 0;
}

static int tag_unsigned(cursor_t *c, int number, uint32_t *out)
{
  tag_t t;

  if (tag_head(c, &t) != 0 || !t.context || t.number != number)
    return -1;
  if (t.length < 1 || t.length > 4)
    return -1;
  *out = be_n(c->p, t.length);
  c->p += t.length;
  c->left -= t.length;
  return 0;
}

static size_t put_string(uint8_t *o, const char *s)
{
  size_t n = strlen(s);

  o[0] = TAG_STRING << 4 | 5;
  o[1] = (uint8_t)(n + 1);
  o[2] = 0;                       /* UTF-8 */
  memcpy(o + 3, s, n);
  return n + 3;
}

static size_t put_real(uint8_t *o, float f)
{
  uint32_t v;

  memcpy(&v, &f, 4);
  v = htonl(v);
  o[0] = TAG_REAL << 4 | 4;
  memcpy(o + 1, &v, 4);
  return 5;
}

static size_t error_pdu(uint8_t *o, uint8_t invoke, uint8_t svc, uint8_t code)
{
  o[0] = PDU_ERROR;
  o[1] = invoke;
  o[2] = svc;
  o[3] = 0x91; o[4] = 2;
  o[5] = 0x91; o[6] = code;
  return 7;
}

static size_t read_property(cursor_t *c, uint8_t invoke, uint8_t *o)
{
  uint32_t id, prop;
  object_t *ob;
  size_t n = 0;

  if (tag_unsigned(c, 0, &id) < 0 || tag_unsigned(c, 1, &prop) < 0)
    return error_pdu(o, invoke, SVC_READ_PROP, 29);
  ob = find_object(id);
  if (!ob)
    return error_pdu(o, invoke, SVC_READ_PROP, 31);
  o[n++] = PDU_COMPLEX_ACK;
  o[n++] = invoke;
  o[n++] = SVC_READ_PROP;
  o[n++] = 0x0c;
  id = htonl(id);
  memcpy(o + n, &id, 4);
  n += 4;
  o[n++] = 0x19;
  o[n++] = (uint8_t)prop;
  o[n++] = 0x3e;
  if (prop == PROP_NAME)
    n += put_string(o + n, ob->name);
  else if (prop == PROP_VALUE)
    n += put_real(o + n, ob->value);
  else
    return error_pdu(o, invoke, SVC_READ_PROP, 32);
  o[n++] = 0x3f;
  return n;
}

static int rename_object(object_t *ob, const uint8_t *p, uint32_t len)
{
  char name[NAME_SZ];
  int i;

  if (len < 2 || p[0] != 0)
    return -1;
  p++;
  len--;
  memset(name, 0, sizeof name);
  memcpy(name, p, len);
  name[NAME_SZ - 1] = 0;
  for (i = 0; i < NOBJ; i++)
    if (&objects[i] != ob && strcmp(objects[i].name, name) == 0)
      return -1;
  memcpy(ob->name, name, sizeof ob->name);
  names_changed = 1;
  save_at = time(NULL) + 10;
  return 0;
}

static size_t write_property(cursor_t *c, uint8_t invoke, uint8_t *o)
{
  uint32_t id, prop, raw;
  object_t *ob;
  tag_t t;
  int rc = -1;

  if (tag_unsigned(c, 0, &id) < 0 || tag_unsigned(c, 1, &prop) < 0 ||
      tag_head(c, &t) != 1 || t.number != 3 || tag_head(c, &t) != 0)
    return error_pdu(o, invoke, SVC_WRITE_PROP, 29);
  ob = find_object(id);
  if (!ob)
    return error_pdu(o, invoke, SVC_WRITE_PROP, 31);
  if (prop == PROP_VALUE && t.number == TAG_REAL && t.length == 4 && ob->writable) {
    raw = be_n(c->p, 4);
    memcpy(&ob->value, &raw, 4);
    rc = 0;
  } else if (prop == PROP_NAME && t.number == TAG_STRING) {
    rc = rename_object(ob, c->p, t.length);
  }
  if (rc < 0)
    return error_pdu(o, invoke, SVC_WRITE_PROP, 9);
  o[0] = PDU_SIMPLE_ACK;
  o[1] = invoke;
  o[2] = SVC_WRITE_PROP;
  return 3;
}

static size_t who_is(uint8_t *o)
{
  static const uint8_t iam[] = {
    PDU_UNCONFIRMED, 0, 0xc4, 0x02, 0x00, 0x0f, 0xa1,
    0x22, 0x05, 0xc4, 0x91, 0x03, 0x21, 0x7b
  };
  memcpy(o, iam, sizeof iam);
  return sizeof iam;
}

static size_t apdu(const uint8_t *p, size_t n, uint8_t *o)
{
  cursor_t c;

  if (n < 2)
    return 0;
  if ((p[0] & 0xf0) == PDU_UNCONFIRMED)
    return p[1] == SVC_WHO_IS ? who_is(o) : 0;
  if ((p[0] & 0xf8) != PDU_CONFIRMED || n < 4)
    return 0;
  c.p = p + 4;
  c.left = n - 4;
  switch (p[3]) {
  case SVC_READ_PROP:
    return read_property(&c, p[2], o);
  case SVC_WRITE_PROP:
    return write_property(&c, p[2], o);
  }
  return error_pdu(o, p[2], p[3], 9);
}

static void on_packet(void)
{
  uint8_t in[MAX_APDU + 32], out[256];
  struct sockaddr_in from;
  socklen_t fl = sizeof from;
  size_t len, n;
  ssize_t got = recvfrom(sock_fd, in, sizeof in, 0, (struct sockaddr *)&from, &fl);

  if (got < 7 || in[0] != 0x81 || (in[1] != 0x0a && in[1] != 0x0b))
    return;
  len = be_n(in + 2, 2);
  if (len < 7 || len > (size_t)got || in[4] != 1 || (in[5] & 0xa8))
    return;
  n = apdu(in + 6, len - 6, out + 6);
  if (n == 0)
    return;
  out[0] = 0x81;
  out[1] = 0x0a;
  out[2] = (uint8_t)((n + 6) >> 8);
  out[3] = (uint8_t)(n + 6);
  out[4] = 1;
  out[5] = 0;
  sendto(sock_fd, out, n + 6, 0, (struct sockaddr *)&from, fl);
}

static void save_names(void)
{
  int i;
  FILE *f = fopen("/data/bacnames", "w");

  names_changed = 0;
  if (!f)
    return;
  for (i = 0; i < NOBJ; i++)
    fprintf(f, "%08x %s\n", (unsigned)objects[i].id, objects[i].name);
  fclose(f);
}

int main(void)
{
  struct sockaddr_in a;

  sock_fd = socket(AF_INET, SOCK_DGRAM, 0);
  memset(&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_port = htons(BACNET_PORT);
  if (bind(sock_fd, (struct sockaddr *)&a, sizeof a) < 0) {
    perror("bacd");
    return 1;
  }
  for (;;) {
    struct pollfd pf = { sock_fd, POLLIN, 0 };
    if (poll(&pf, 1, 1000) > 0)
      on_packet();
    if (names_changed && time(NULL) >= save_at)
      save_names();
  }
}
