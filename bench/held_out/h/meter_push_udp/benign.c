/*
 * pulsed - collects pulse counts pushed by sub-meters and feeds them into
 * the round-robin data base of the energy gateway.
 *
 *   datagram:  u32 "GRID"  u32 "PULS"  u8 version  u8 count
 *              count * { u8 kind, u8 len, payload }
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>
#include <string.h>
#include <ctype.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <syslog.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define ID_LEN   14
#define NBUCKET  16
#define MAGIC_0  0x47524944u
#define MAGIC_1  0x50554c53u

enum { EL_ID = 1, EL_COUNT = 2, EL_RATE = 3, EL_BATT = 4, EL_NAME = 5 };

struct meter {
    struct meter *next;
    uint8_t id[ID_LEN];
    uint32_t count, rate;
    uint8_t batt;
    char name[24];
    int dirty;
    time_t seen;
};

struct config {
    int port;
    int flush_every;
    char rrd_dir[64];
    int max_meters;
};

struct frame {
    uint8_t id[ID_LEN];
    int have_id;
    uint32_t count, rate;
    uint8_t batt;
    char name[24];
};

static struct config cfg = { 0, 30, "/data/rrd", 100 };
static struct meter *table[NBUCKET];
static int meters;

static uint32_t u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static unsigned bucket_of(const uint8_t *id)
{
    unsigned i, h = 0;
    for (i = 0; i < ID_LEN; i++)
        h = h * 131 + id[i];
    return h % NBUCKET;
}

static struct meter *meter_get(const uint8_t *id)
{
    unsigned b = bucket_of(id);
    struct meter *m;
    for (m = table[b]; m; m = m->next)
        if (!memcmp(m->id, id, ID_LEN))
            return m;
    if (meters >= cfg.max_meters || !(m = calloc(1, sizeof *m)))
        return NULL;
    memcpy(m->id, id, ID_LEN);
    m->next = table[b];
    table[b] = m;
    meters++;
    return m;
}

/* file name of a meter's data base */
static void id_text(const uint8_t *id, char *out, size_t cap)
{
    size_t n = 0, o = 0;
    while (n < ID_LEN && o + 2 < cap && isgraph(id[n])) {
        out[o++] = "0123456789abcdef"[id[n] >> 4];
        out[o++] = "0123456789abcdef"[id[n] & 15];
        n++;
    }
    out[o] = 0;
}

static int sh(const char *fmt, ...)
{
    char line[300];
    va_list ap;
    int n;
    va_start(ap, fmt);
    n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof line)
        return -1;
    n = system(line);
    if (n != 0)
        syslog(LOG_WARNING, "command failed with %d", n);
    return n;
}

/* ---- elements ---- */
static void el_id(struct frame *f, const uint8_t *p, unsigned n)
{
    if (n == 0 || n > ID_LEN)
        return;
    memset(f->id, 0, ID_LEN);
    memcpy(f->id, p, n);
    f->have_id = 1;
}

static void el_count(struct frame *f, const uint8_t *p, unsigned n)
{
    if (n == 4)
        f->count = u32(p);
}

static void el_rate(struct frame *f, const uint8_t *p, unsigned n)
{
    if (n == 4)
        f->rate = u32(p);
}

static void el_batt(struct frame *f, const uint8_t *p, unsigned n)
{
    if (n == 1)
        f->batt = p[0] > 100 ? 100 : p[0];
}

static void el_name(struct frame *f, const uint8_t *p, unsigned n)
{
    unsigned i, o = 0;
    for (i = 0; i < n && o < sizeof f->name - 1; i++)
        if (isprint(p[i]))
            f->name[o++] = (char)p[i];
    f->name[o] = 0;
}

static void (*const elements[])(struct frame *, const uint8_t *, unsigned) = {
    NULL, el_id, el_count, el_rate, el_batt, el_name
};

static int decode(const uint8_t *p, size_t n, struct frame *f)
{
    unsigned cnt;
    memset(f, 0, sizeof *f);
    if (n < 10)
        return -1;
    if (u32(p) != MAGIC_0 || u32(p + 4) != MAGIC_1 || p[8] != 2)
        return -1;
    cnt = p[9];
    p += 10;
    n -= 10;
    while (cnt--) {
        unsigned kind, len;
        if (n < 2)
            return -1;
        kind = p[0];
        len = p[1];
        p += 2;
        n -= 2;
        if (len > n)
            return -1;
        if (kind < sizeof elements / sizeof elements[0] && elements[kind])
            elements[kind](f, p, len);
        p += len;
        n -= len;
    }
    return f->have_id ? 0 : -1;
}

static void take(const struct frame *f)
{
    struct meter *m = meter_get(f->id);
    if (!m)
        return;
    m->count = f->count;
    m->rate = f->rate;
    m->batt = f->batt;
    memcpy(m->name, f->name, sizeof m->name);
    m->dirty = 1;
    m->seen = time(NULL);
    if (m->batt < 10)
        syslog(LOG_NOTICE, "meter \"%s\" battery low", m->name);
}

static void flush_one(struct meter *m)
{
    char id[2 * ID_LEN + 2];
    id_text(m->id, id, sizeof id);
    sh("rrdtool update %s/%s.rrd N:%lu:%lu", cfg.rrd_dir, id,
       (unsigned long)m->count, (unsigned long)m->rate);
    m->dirty = 0;
}

static void flush_all(void)
{
    struct meter *m;
    int i;
    for (i = 0; i < NBUCKET; i++)
        for (m = table[i]; m; m = m->next)
            if (m->dirty)
                flush_one(m);
}

static int read_config(const char *path)
{
    char line[128], key[32], val[64];
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#' || sscanf(line, "%31s %63s", key, val) != 2)
            continue;
        if (!strcmp(key, "listen"))
            cfg.port = atoi(val);
        else if (!strcmp(key, "flush"))
            cfg.flush_every = atoi(val);
        else if (!strcmp(key, "meters"))
            cfg.max_meters = atoi(val);
        else if (!strcmp(key, "rrd"))
            snprintf(cfg.rrd_dir, sizeof cfg.rrd_dir, "%s", val);
    }
    fclose(f);
    return cfg.port > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    struct timeval tv = { 1, 0 };
    time_t next;
    int s;

    openlog("pulsed", 0, LOG_DAEMON);
    if (read_config(argc > 1 ? argv[1] : "/etc/pulsed.conf") < 0) {
        syslog(LOG_ERR, "no usable configuration");
        return 1;
    }
    s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons((uint16_t)cfg.port);
    if (bind(s, (struct sockaddr *)&sa, sizeof sa) < 0)
        return 1;
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    next = time(NULL) + cfg.flush_every;
    for (;;) {
        uint8_t pkt[512];
        struct frame f;
        ssize_t n = recvfrom(s, pkt, sizeof pkt, 0, NULL, NULL);
        if (n > 0 && decode(pkt, (size_t)n, &f) == 0)
            take(&f);
        if (time(NULL) >= next) {
            flush_all();
            next = time(NULL) + cfg.flush_every;
        }
    }
}
