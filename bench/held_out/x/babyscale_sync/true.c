/*
 * Baby scale, cloud synchronisation.
 *
 * Frame from and to the cloud:
 *    u8 type, u16 length (big endian), payload
 */
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/types.h>

enum frame_type {
    FT_HELLO    = 0x01,
    FT_ACK      = 0x02,
    FT_WEIGHT   = 0x10,
    FT_PROFILE  = 0x20,
    FT_CLOCK    = 0x21,
    FT_INTERVAL = 0x22,
    FT_BYE      = 0x7f,
};

#define FRAME_MAX    1024
#define MAX_BABIES   4
#define NAME_LEN     32
#define MEAS_MAX     64

struct profile {
    uint32_t id;
    uint32_t born;
    uint16_t birth_g;
    char     name[NAME_LEN];
};

struct measurement {
    uint32_t when;
    uint32_t baby;
    uint16_t grams;
};

struct scale {
    char     host[64];
    char     port[8];
    unsigned interval;
    int32_t  clock_off;
    struct profile babies[MAX_BABIES];
    int      nbabies;
    struct measurement meas[MEAS_MAX];
    int      nmeas;
};

static struct scale *scale;

static uint16_t rd16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t rd32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static void wr16(uint8_t *p, uint16_t v) { p[0] = v >> 8; p[1] = v; }
static void wr32(uint8_t *p, uint32_t v) { wr16(p, v >> 16); wr16(p + 2, v); }

static int read_full(int fd, void *buf, size_t n)
{
    uint8_t *p = buf;

    while (n) {
        ssize_t r = read(fd, p, n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return -1;
        p += r;
        n -= r;
    }
    return 0;
}

static int send_frame(int fd, uint8_t type, const void *data, uint16_t len)
{
    uint8_t head[3];

    head[0] = type;
    wr16(head + 1, len);
    if (send(fd, head, 3, MSG_NOSIGNAL) != 3)
        return -1;
    if (len && send(fd, data, len, MSG_NOSIGNAL) != len)
        return -1;
    return 0;
}

static void store_profile(const struct profile *p)
{
    int i;

    for (i = 0; i < scale->nbabies; i++)
        if (scale->babies[i].id == p->id)
            break;
    if (i == MAX_BABIES) {
        fprintf(stderr, "scale: no room for profile %u\n", (unsigned)p->id);
        return;
    }
    if (i == scale->nbabies)
        scale->nbabies++;
    scale->babies[i] = *p;
    fprintf(stderr, "scale: profile %u is %s\n", (unsigned)p->id, p->name);
}

/* id(4) born(4) birth weight(2) name length(1) name */
static int on_profile(const uint8_t *d, size_t len)
{
    struct profile p;
    size_t nlen;

    if (len < 11)
        return -1;
    memset(&p, 0, sizeof(p));
    p.id = rd32(d);
    p.born = rd32(d + 4);
    p.birth_g = rd16(d + 8);
    nlen = d[10];
    if (11 + nlen > len)
        return -1;
    memcpy(p.name, d + 11, nlen);
    store_profile(&p);
    return 0;
}

static int on_clock(const uint8_t *d, size_t len)
{
    if (len != 4)
        return -1;
    scale->clock_off = (int32_t)(rd32(d) - (uint32_t)time(NULL));
    return 0;
}

static int on_interval(const uint8_t *d, size_t len)
{
    uint16_t v;

    if (len != 2)
        return -1;
    v = rd16(d);
    if (v < 30)
        v = 30;
    scale->interval = v;
    return 0;
}

static int upload(int fd)
{
    uint8_t rec[10];
    int i;

    for (i = 0; i < scale->nmeas; i++) {
        wr32(rec, scale->meas[i].when + scale->clock_off);
        wr32(rec + 4, scale->meas[i].baby);
        wr16(rec + 8, scale->meas[i].grams);
        if (send_frame(fd, FT_WEIGHT, rec, sizeof(rec)) < 0)
            return -1;
    }
    scale->nmeas = 0;
    return send_frame(fd, FT_BYE, NULL, 0);
}

static void sync_session(int fd)
{
    uint8_t head[3], *pay;
    int rc = 0;

    pay = malloc(FRAME_MAX);
    if (!pay)
        return;
    if (send_frame(fd, FT_HELLO, "BS20", 4) < 0 || upload(fd) < 0)
        goto out;
    while (rc == 0 && read_full(fd, head, 3) == 0) {
        uint16_t len = rd16(head + 1);

        if (len > FRAME_MAX || read_full(fd, pay, len) < 0)
            break;
        switch (head[0]) {
        case FT_ACK:      break;
        case FT_PROFILE:  rc = on_profile(pay, len);  break;
        case FT_CLOCK:    rc = on_clock(pay, len);    break;
        case FT_INTERVAL: rc = on_interval(pay, len); break;
        case FT_BYE:      rc = 1; break;
        default:
            fprintf(stderr, "scale: frame %02x ignored\n", head[0]);
        }
    }
out:
    free(pay);
}

static int dial(void)
{
    struct addrinfo hints, *res, *ai;
    int fd = -1;

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(scale->host, scale->port, &hints, &res))
        return -1;
    for (ai = res; ai; ai = ai->ai_next) {
        fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
        if (fd < 0)
            continue;
        if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
            break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(res);
    return fd;
}

static void poll_sensor(void)
{
    FILE *f = fopen("/sys/class/hwmon/hwmon0/weight_input", "r");
    int g = 0;

    if (!f)
        return;
    if (fscanf(f, "%d", &g) == 1 && g > 500 && g < 25000 && scale->nmeas < MEAS_MAX) {
        struct measurement *m = &scale->meas[scale->nmeas++];
        m->when = time(NULL);
        m->baby = scale->nbabies ? scale->babies[0].id : 0;
        m->grams = g;
    }
    fclose(f);
}

int main(int argc, char **argv)
{
    scale = calloc(1, sizeof(*scale));
    if (!scale)
        return 1;
    snprintf(scale->host, sizeof(scale->host), "%s", argc > 1 ? argv[1] : "sync.babyscale.example");
    snprintf(scale->port, sizeof(scale->port), "%s", argc > 2 ? argv[2] : "9443");
    scale->interval = 300;
    for (;;) {
        int fd;

        poll_sensor();
        fd = dial();
        if (fd >= 0) {
            sync_session(fd);
            close(fd);
        }
        sleep(scale->interval);
    }
}
