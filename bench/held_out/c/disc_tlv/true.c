/*
 * discd - answers the vendor tool's discovery broadcasts and lets it set
 * a few labels.  Datagram: magic, type, flags, sequence, then TLVs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/select.h>
#include <sys/socket.h>

typedef uint8_t  u8;
typedef uint16_t u16;
typedef uint32_t u32;

#define DISC_PORT   10505
#define DISC_MAGIC  0x44534356u     /* "DSCV" */
#define PKT_MAX     1400

#define T_PROBE     1
#define T_LABEL     2
#define T_LOCATE    3

#define TLV_END     0
#define TLV_MODEL   1
#define TLV_LABEL   2
#define TLV_OWNER   3
#define TLV_SECONDS 4

typedef struct {
    u32 magic;
    u8  type;
    u8  flags;
    u16 seq;
} disc_hdr_t;

typedef struct {
    const u8 *p;
    size_t    left;
} rd_t;

typedef struct {
    u8  data[PKT_MAX];
    size_t len;
} wr_t;

typedef struct {
    char model[24];
    char label[48];
    char owner[48];
    time_t blink_until;
    u32 probes, labels, drops;
} device_t;

static device_t dev = { "SX-2200", "unnamed", "", 0, 0, 0, 0 };
static int g_sock;
static int g_debug;

static int rd_tlv(rd_t *r, u8 *type, const u8 **val, size_t *len)
{
    size_t n;

    if (r->left < 3)
        return 0;
    *type = r->p[0];
    n = ((size_t)r->p[1] << 8) | r->p[2];
    if (n > r->left - 3)
        return 0;
    *val = r->p + 3;
    *len = n;
    r->p += 3 + n;
    r->left -= 3 + n;
    return *type != TLV_END;
}

static void wr_tlv(wr_t *w, u8 type, const void *val, size_t len)
{
    if (w->len + 3 + len > sizeof(w->data))
        return;
    w->data[w->len++] = type;
    w->data[w->len++] = (u8)(len >> 8);
    w->data[w->len++] = (u8)len;
    memcpy(w->data + w->len, val, len);
    w->len += len;
}

static void answer(const struct sockaddr_in *to, u8 type, u16 seq)
{
    wr_t w;
    disc_hdr_t h;

    h.magic = htonl(DISC_MAGIC);
    h.type = type | 0x80;
    h.flags = 0;
    h.seq = htons(seq);
    memcpy(w.data, &h, sizeof(h));
    w.len = sizeof(h);
    wr_tlv(&w, TLV_MODEL, dev.model, strlen(dev.model));
    wr_tlv(&w, TLV_LABEL, dev.label, strlen(dev.label));
    wr_tlv(&w, TLV_OWNER, dev.owner, strlen(dev.owner));
    sendto(g_sock, w.data, w.len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static int on_probe(rd_t *r)
{
    u8 t;
    const u8 *v;
    size_t n;

    dev.probes++;
    while (rd_tlv(r, &t, &v, &n))
        if (t == TLV_MODEL && (n != strlen(dev.model) || memcmp(v, dev.model, n)))
            return 0;
    return 1;
}

static int usable(const char *s)
{
    return s[0] > ' ' && s[0] != '#';
}

static int on_label(rd_t *r)
{
    struct {
        char label[48];
        char owner[48];
    } in;
    u8 t;
    const u8 *v;
    size_t n;

    memset(&in, 0, sizeof(in));
    while (rd_tlv(r, &t, &v, &n)) {
        switch (t) {
        case TLV_LABEL:
            if (n >= sizeof(in.label)) {
                dev.drops++;
                return 0;
            }
            memcpy(in.label, v, n);
            in.label[n] = '\0';
            break;
        case TLV_OWNER:
#ifdef BENIGN
            if (n >= sizeof(in.owner)) {
#else
            if (n >= PKT_MAX) {
#endif
                dev.drops++;
                return 0;
            }
            memcpy(in.owner, v, n);
            in.owner[n] = '\0';
            break;
        default:
            break;
        }
    }
    if (usable(in.label)) {
        memcpy(dev.label, in.label, sizeof(dev.label));
        dev.labels++;
    }
    if (usable(in.owner)) {
        memcpy(dev.owner, in.owner, sizeof(dev.owner) - 1);
        dev.labels++;
    }
    return 1;
}

static int on_locate(rd_t *r)
{
    u8 t;
    const u8 *v;
    size_t n;
    u32 seconds = 10;

    while (rd_tlv(r, &t, &v, &n))
        if (t == TLV_SECONDS && n == 2)
            seconds = ((u32)v[0] << 8) | v[1];
    if (seconds > 600)
        seconds = 600;
    dev.blink_until = time(NULL) + (time_t)seconds;
    return 1;
}

typedef int (*on_fn)(rd_t *);
static const on_fn handlers[] = { NULL, on_probe, on_label, on_locate };

static void on_datagram(const u8 *p, size_t n, const struct sockaddr_in *from)
{
    u32 magic;
    u16 seq;
    u8 type;
    rd_t r;

    if (n < sizeof(disc_hdr_t))
        return;
    memcpy(&magic, p, sizeof(magic));
    if (ntohl(magic) != DISC_MAGIC) {
        dev.drops++;
        return;
    }
    type = p[4];
    seq = (u16)(p[6] << 8 | p[7]);
    r.p = p + sizeof(disc_hdr_t);
    r.left = n - sizeof(disc_hdr_t);
    if (type >= sizeof(handlers) / sizeof(handlers[0]) || !handlers[type])
        return;
    if (g_debug)
        fprintf(stderr, "discd: type %u seq %u, %zu bytes\n", type, seq, n);
    if (handlers[type](&r))
        answer(from, type, seq);
}

static void led(int on)
{
    FILE *f = fopen("/sys/class/leds/locate/brightness", "w");

    if (f) {
        fputs(on ? "1\n" : "0\n", f);
        fclose(f);
    }
}

static void every_second(void)
{
    static int lit;

    if (dev.blink_until > time(NULL)) {
        lit = !lit;
        led(lit);
    } else if (lit) {
        lit = 0;
        led(0);
    }
}

int main(int argc, char **argv)
{
    static u8 pkt[PKT_MAX];
    struct sockaddr_in a;

    g_debug = argc > 1 && argv[1][0] == '-' && argv[1][1] == 'd';
    g_sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (g_sock < 0)
        return 1;
    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons(DISC_PORT);
    if (bind(g_sock, (struct sockaddr *)&a, sizeof(a)) < 0) {
        perror("discd: bind");
        return 1;
    }
    for (;;) {
        struct timeval tv = { 1, 0 };
        fd_set rs;

        FD_ZERO(&rs);
        FD_SET(g_sock, &rs);
        if (select(g_sock + 1, &rs, NULL, NULL, &tv) > 0) {
            struct sockaddr_in from;
            socklen_t fl = sizeof(from);
            ssize_t n = recvfrom(g_sock, pkt, sizeof(pkt), 0, (struct sockaddr *)&from, &fl);

            if (n > 0)
                on_datagram(pkt, (size_t)n, &from);
        }
        every_second();
    }
}
