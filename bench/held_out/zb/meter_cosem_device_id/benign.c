/* COSEM wrapper server of the electricity meter (read-out and set-up port) */
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COSEM_PORT   4059
#define APDU_MAX     1024
#define LOG_SLOTS    16

#define TAG_GET      0xC0
#define TAG_SET      0xC1
#define TAG_ACTION   0xC3
#define TAG_RELEASE  0x62
#define TAG_ERROR    0xD8

enum { RES_OK = 0, RES_HW = 1, RES_DENIED = 3, RES_UNDEFINED = 4, RES_SIZE = 11 };

typedef struct {
    uint8_t  tag;
    uint16_t attr;
    uint16_t n;
    const uint8_t *body;
    uint8_t *rsp;
    size_t   rsp_len;
} apdu_t;

typedef struct {
    uint32_t import_wh, export_wh;
    uint16_t volts[3];
    char     maker[32];
    uint32_t id_hash;
    time_t   clock_offset;
    struct { time_t when; uint16_t attr; uint8_t res; } log[LOG_SLOTS];
    unsigned log_pos;
} meter_t;

static meter_t meter = { .import_wh = 1843220, .volts = { 2301, 2298, 2305 } };

static uint16_t rd16(const uint8_t *p) { return (uint16_t)((p[0] << 8) | p[1]); }
static uint32_t rd32(const uint8_t *p) { return (uint32_t)rd16(p) << 16 | rd16(p + 2); }
static void wr16(uint8_t *p, uint16_t v) { p[0] = v >> 8; p[1] = v & 255; }
static void wr32(uint8_t *p, uint32_t v) { wr16(p, v >> 16); wr16(p + 2, v & 0xffff); }

static void log_op(uint16_t attr, uint8_t res)
{
    unsigned i = meter.log_pos++ % LOG_SLOTS;

    meter.log[i].when = time(NULL) + meter.clock_offset;
    meter.log[i].attr = attr;
    meter.log[i].res = res;
}

/* ---- attributes, each with a reader and a writer ---- */

static uint8_t get_energy(apdu_t *a)
{
    wr32(a->rsp, meter.import_wh);
    wr32(a->rsp + 4, meter.export_wh);
    a->rsp_len = 8;
    return RES_OK;
}

static uint8_t get_volts(apdu_t *a)
{
    int i;

    for (i = 0; i < 3; i++)
        wr16(a->rsp + 2 * i, meter.volts[i]);
    a->rsp_len = 6;
    return RES_OK;
}

static uint8_t get_log(apdu_t *a)
{
    unsigned i;
    uint8_t *p = a->rsp;

    for (i = 0; i < LOG_SLOTS; i++, p += 7) {
        wr32(p, (uint32_t)meter.log[i].when);
        wr16(p + 4, meter.log[i].attr);
        p[6] = meter.log[i].res;
    }
    a->rsp_len = (size_t)(p - a->rsp);
    return RES_OK;
}

static uint8_t set_clock(apdu_t *a)
{
    if (a->n < 4)
        return RES_SIZE;
    meter.clock_offset = (time_t)rd32(a->body) - time(NULL);
    return RES_OK;
}

static uint8_t get_id(apdu_t *a)
{
    size_t n = strlen(meter.maker);

    memcpy(a->rsp, meter.maker, n);
    wr32(a->rsp + n, meter.id_hash);
    a->rsp_len = n + 4;
    return RES_OK;
}

/* body: two octet strings, maker and serial number, each behind its length */
static uint8_t set_id(apdu_t *a)
{
    char id[64];
    const uint8_t *maker, *serial;
    uint8_t maker_len, serial_len;
    unsigned total;
    uint32_t h = 5381;
    char *p;

    if (a->n < 2)
        return RES_SIZE;
    maker_len = a->body[0];
    if (maker_len + 2u > a->n)
        return RES_SIZE;
    maker = a->body + 1;
    serial_len = maker[maker_len];
    if (maker_len + serial_len + 2u > a->n)
        return RES_SIZE;
    serial = maker + maker_len + 1;

    total = maker_len + serial_len + 1;
    if (total > sizeof id - 1)
        return RES_SIZE;
    memcpy(id, maker, maker_len);
    id[maker_len] = '-';
    memcpy(id + maker_len + 1, serial, serial_len);
    id[total] = '\0';

    for (p = id; *p; p++)
        h = h * 33 + (uint8_t)*p;
    meter.id_hash = h;
    snprintf(meter.maker, sizeof meter.maker, "%.31s", id);
    return RES_OK;
}

typedef uint8_t (*attr_fn)(apdu_t *);

static const struct attr {
    uint16_t id;
    attr_fn get, set;
} attrs[] = {
    { 0x0101, get_energy, NULL },
    { 0x0102, get_volts,  NULL },
    { 0x0203, get_log,    NULL },
    { 0x0801, NULL,       set_clock },
    { 0x2A01, get_id,     set_id },
};

static uint8_t dispatch(apdu_t *a)
{
    size_t i;
    attr_fn fn;
    uint8_t res;

    for (i = 0; i < sizeof attrs / sizeof attrs[0]; i++) {
        if (attrs[i].id != a->attr)
            continue;
        fn = a->tag == TAG_GET ? attrs[i].get : attrs[i].set;
        if (!fn)
            return RES_DENIED;
        res = fn(a);
        if (a->tag == TAG_SET)
            log_op(a->attr, res);
        return res;
    }
    return RES_UNDEFINED;
}

static int read_full(int fd, uint8_t *p, size_t n)
{
    while (n > 0) {
        struct pollfd pf = { fd, POLLIN, 0 };
        ssize_t r;

        if (poll(&pf, 1, 20000) <= 0)
            return -1;
        r = recv(fd, p, n, 0);
        if (r <= 0)
            return -1;
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

/*
 * wrapper: version(2) source(2) destination(2) length(2)
 * apdu:    tag(1) invoke(1) attribute(2) length(2) body
 */
static int exchange(int fd)
{
    static uint8_t in[APDU_MAX], out[APDU_MAX];
    uint8_t hdr[8];
    uint16_t len;
    apdu_t a;
    uint8_t res;

    if (read_full(fd, hdr, sizeof hdr) < 0)
        return -1;
    len = rd16(hdr + 6);
    if (rd16(hdr) != 1 || len < 2 || len > sizeof in)
        return -1;
    if (read_full(fd, in, len) < 0)
        return -1;

    memset(&a, 0, sizeof a);
    a.tag = in[0];
    a.rsp = out + 8 + 3;
    if (a.tag == TAG_RELEASE)
        return -1;
    if ((a.tag == TAG_GET || a.tag == TAG_SET) && len >= 6 && rd16(in + 4) <= len - 6) {
        a.attr = rd16(in + 2);
        a.n = rd16(in + 4);
        a.body = in + 6;
        res = dispatch(&a);
    } else {
        a.tag = TAG_ERROR - 4;
        res = RES_HW;
    }
    memcpy(out, hdr, 2);
    memcpy(out + 2, hdr + 4, 2);
    memcpy(out + 4, hdr + 2, 2);
    wr16(out + 6, (uint16_t)(3 + a.rsp_len));
    out[8] = a.tag + 4;
    out[9] = in[1];
    out[10] = res;
    return send(fd, out, 11 + a.rsp_len, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int main(void)
{
    struct sockaddr_in sa;
    int ls, one = 1;

    ls = socket(AF_INET, SOCK_STREAM, 0);
    if (ls < 0)
        return 1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(COSEM_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, 1)) {
        perror("cosemd");
        return 1;
    }
    for (;;) {
        int fd = accept(ls, NULL, NULL);

        if (fd < 0)
            continue;
        while (exchange(fd) == 0)
            meter.import_wh++;
        close(fd);
    }
}
