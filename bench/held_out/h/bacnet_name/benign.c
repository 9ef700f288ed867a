/* bldgctl: small BACnet-flavoured object server of an HVAC controller (UDP) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define BVLC_TYPE       0x81
#define BIP_PORT        0xBAC0
#define OBJ_NAME_MAX    128
#define MTU             600

enum service {
    SVC_WHO_IS = 0x08,
    SVC_WHO_HAS = 0x07,
    SVC_READ = 0x0c,
    SVC_WRITE = 0x0f,
    SVC_AUTH = 0x12,
};

enum prop { PROP_NAME = 77, PROP_PRESENT = 85, PROP_UNITS = 117, PROP_LOW = 59, PROP_HIGH = 45 };

struct object {
    uint32_t oid;
    float present, low, high;
    uint8_t units;
    uint8_t alarm;
    char *name;
};

struct objdb {
    struct object *v;
    unsigned count, cap;
};

struct peer {
    struct sockaddr_in addr;
    time_t auth_until;
};

struct controller {
    int sock;
    struct objdb db;
    struct peer peers[8];
    uint32_t device_id;
    unsigned long rx, dropped;
};

struct pkt {
    const uint8_t *p;
    unsigned left;
    struct sockaddr_in from;
};

static unsigned take8(struct pkt *k)
{
    if (!k->left) return 0;
    k->left--;
    return *k->p++;
}
static unsigned take16(struct pkt *k) { unsigned a = take8(k); return a << 8 | take8(k); }
static uint32_t take32(struct pkt *k) { uint32_t a = take16(k); return a << 16 | take16(k); }

/* installer password, not in the clear */
static const uint8_t pw_enc[8] = { 0x18, 0x37, 0x29, 0x08, 0x35, 0x35, 0x2e, 0x63 };

static int password_ok(const uint8_t *p, unsigned n)
{
    unsigned i, diff = 0;
    if (n != sizeof pw_enc)
        return 0;
    for (i = 0; i < n; i++)
        diff |= (p[i] ^ 0x5a) ^ pw_enc[i];
    return diff == 0;
}

static struct object *db_find(struct objdb *d, uint32_t oid)
{
    unsigned lo = 0, hi = d->count;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (d->v[mid].oid == oid)
            return &d->v[mid];
        if (d->v[mid].oid < oid) lo = mid + 1;
        else hi = mid;
    }
    return NULL;
}

static void db_add(struct objdb *d, uint32_t oid, const char *name, float lo, float hi)
{
    struct object *o;
    if (d->count == d->cap) {
        unsigned nc = d->cap ? d->cap * 2 : 8;
        struct object *nv = realloc(d->v, nc * sizeof *nv);
        if (!nv) return;
        d->v = nv;
        d->cap = nc;
    }
    o = &d->v[d->count++];
    memset(o, 0, sizeof *o);
    o->oid = oid;
    o->low = lo;
    o->high = hi;
    o->name = strdup(name);
}

static void send_to(struct controller *c, const struct sockaddr_in *to, uint8_t svc, const void *b, unsigned n)
{
    uint8_t hdr[5] = { BVLC_TYPE, 0x0a, 0, 0, svc };
    struct iovec iov[2] = { { hdr, 5 }, { (void *)b, n } };
    struct msghdr m;
    memset(&m, 0, sizeof m);
    hdr[2] = (uint8_t)((n + 5) >> 8);
    hdr[3] = (uint8_t)(n + 5);
    m.msg_name = (void *)to;
    m.msg_namelen = sizeof *to;
    m.msg_iov = iov;
    m.msg_iovlen = 2;
    sendmsg(c->sock, &m, 0);
}

static struct peer *peer_of(struct controller *c, const struct sockaddr_in *a, int make)
{
    unsigned i, old = 0;
    for (i = 0; i < 8; i++) {
        if (c->peers[i].addr.sin_addr.s_addr == a->sin_addr.s_addr)
            return &c->peers[i];
        if (c->peers[i].auth_until < c->peers[old].auth_until)
            old = i;
    }
    if (!make) return NULL;
    c->peers[old].addr = *a;
    c->peers[old].auth_until = 0;
    return &c->peers[old];
}

static void svc_whois(struct controller *c, struct pkt *k)
{
    uint32_t id = htonl(c->device_id);
    send_to(c, &k->from, 0x00, &id, 4);
}

static void svc_auth(struct controller *c, struct pkt *k)
{
    if (password_ok(k->p, k->left)) {
        struct peer *p = peer_of(c, &k->from, 1);
        p->auth_until = time(NULL) + 120;
        send_to(c, &k->from, SVC_AUTH, "\x01", 1);
    } else
        c->dropped++;
}

static void set_name(struct object *o, struct pkt *k)
{
    unsigned n = take8(k);
    char *s;
    if (n > k->left || n == 0 || n >= OBJ_NAME_MAX)
        return;
    s = malloc(n + 1);
    if (!s) return;
    memcpy(s, k->p, n);
    s[n] = 0;
    free(o->name);
    o->name = s;
}

static void svc_write(struct controller *c, struct pkt *k)
{
    struct peer *p = peer_of(c, &k->from, 0);
    struct object *o = db_find(&c->db, take32(k));
    unsigned prop = take8(k);

    if (!p || p->auth_until < time(NULL) || !o) {
        c->dropped++;
        return;
    }
    switch (prop) {
    case PROP_NAME: set_name(o, k); break;
    case PROP_PRESENT: o->present = (float)(int16_t)take16(k) / 10; break;
    case PROP_LOW: o->low = (float)(int16_t)take16(k) / 10; break;
    case PROP_HIGH: o->high = (float)(int16_t)take16(k) / 10; break;
    case PROP_UNITS: o->units = (uint8_t)take8(k); break;
    }
    send_to(c, &k->from, SVC_WRITE, &prop, 1);
}

static void svc_read(struct controller *c, struct pkt *k)
{
    struct object *o = db_find(&c->db, take32(k));
    if (!o)
        return;
    if (take8(k) == PROP_NAME)
        send_to(c, &k->from, SVC_READ, o->name, (unsigned)strlen(o->name));
    else
        send_to(c, &k->from, SVC_READ, &o->present, sizeof o->present);
}

static int describe(struct controller *c, const struct object *o, char *out, unsigned cap)
{
    char tmp[96];
    int n = sprintf(tmp, "dev%u/%.80s", (unsigned)c->device_id, o->name);
    if ((unsigned)n >= cap)
        n = (int)cap - 1;
    memcpy(out, tmp, (size_t)n);
    out[n] = 0;
    return n;
}

static void svc_whohas(struct controller *c, struct pkt *k)
{
    struct object *o = db_find(&c->db, take32(k));
    char text[256];
    int n;
    if (!o)
        return;
    n = describe(c, o, text, sizeof text);
    send_to(c, &k->from, 0x01, text, (unsigned)n);
}

struct svc_entry { uint8_t code; void (*fn)(struct controller *, struct pkt *); };

static const struct svc_entry services[] = {
    { SVC_WHO_HAS, svc_whohas },
    { SVC_WHO_IS, svc_whois },
    { SVC_READ, svc_read },
    { SVC_WRITE, svc_write },
    { SVC_AUTH, svc_auth },
};

static void alarms(struct controller *c)
{
    unsigned i;
    for (i = 0; i < c->db.count; i++) {
        struct object *o = &c->db.v[i];
        uint8_t a = o->present < o->low || o->present > o->high;
        if (a != o->alarm)
            fprintf(stderr, "object %08x %s\n", (unsigned)o->oid, a ? "in alarm" : "normal");
        o->alarm = a;
    }
}

static void receive(struct controller *c)
{
    uint8_t buf[MTU];
    struct iovec iov = { buf, sizeof buf };
    struct msghdr m;
    struct pkt k;
    unsigned i, svc;
    ssize_t n;

    memset(&m, 0, sizeof m);
    memset(&k.from, 0, sizeof k.from);
    m.msg_name = &k.from;
    m.msg_namelen = sizeof k.from;
    m.msg_iov = &iov;
    m.msg_iovlen = 1;
    n = recvmsg(c->sock, &m, 0);
    if (n < 5)
        return;
    k.p = buf;
    k.left = (unsigned)n;
    c->rx++;
    if (take8(&k) != BVLC_TYPE || take8(&k) != 0x0a || take16(&k) != (unsigned)n)
        return;
    svc = take8(&k);
    for (i = 0; i < sizeof services / sizeof services[0]; i++)
        if (services[i].code == svc) {
            services[i].fn(c, &k);
            return;
        }
    c->dropped++;
}

int main(void)
{
    static struct controller ctl;
    struct sockaddr_in a;
    struct timeval tv = { 2, 0 };

    ctl.device_id = 260001;
    db_add(&ctl.db, 0x00000001, "Supply air temperature", 10, 35);
    db_add(&ctl.db, 0x00000002, "Return air temperature", 10, 35);
    db_add(&ctl.db, 0x00400001, "Damper position", 0, 100);
    db_add(&ctl.db, 0x00c00004, "Fan enable", 0, 1);
    ctl.sock = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(BIP_PORT);
    if (ctl.sock < 0 || bind(ctl.sock, (struct sockaddr *)&a, sizeof a) < 0)
        return 1;
    setsockopt(ctl.sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    for (;;) {
        receive(&ctl);
        alarms(&ctl);
    }
}
