/*
 * Smart socket "SP2" - CoAP endpoint.
 * Resources: /relay  /power  /led  /.well-known/core  /sched/<slot>
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

#define COAP_PORT 5683

enum { COAP_GET = 1, COAP_POST, COAP_PUT, COAP_DELETE };
enum { OPT_URI_PATH = 11, OPT_CONTENT_FORMAT = 12, OPT_URI_QUERY = 15 };

#define COAP_CODE(c, d)     (((c) << 5) | (d))

typedef struct coap_opt {
    uint16_t        num;
    uint16_t        len;
    const uint8_t  *val;
} coap_opt_t;

typedef struct coap_pdu {
    uint8_t         type, tkl, code;
    uint16_t        mid;
    uint8_t         token[8];
    coap_opt_t      opts[16];
    unsigned        nopts;
    const uint8_t  *payload;
    size_t          payload_len;
} coap_pdu_t;

typedef struct resource {
    const char *path;
    int (*handler)(const coap_pdu_t *req, const char *path, char *out, size_t outsz);
} resource_t;

static struct {
    bool     relay, led;
    uint32_t mwh;
    struct { uint8_t hour, min; bool on, used; } slot[8];
} plug;

static void gpio_set(int pin, bool on)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/sys/class/gpio/gpio%d/value", pin);
    f = fopen(path, "w");
    if (f) {
        fputc(on ? '1' : '0', f);
        fclose(f);
    }
}

/* ---- option decoding ------------------------------------------------- */

static bool ext_value(const uint8_t **p, const uint8_t *end, unsigned nib, unsigned *out)
{
    if (nib < 13) {
        *out = nib;
    } else if (nib == 13) {
        if (end - *p < 1)
            return false;
        *out = 13 + (*p)[0];
        *p += 1;
    } else if (nib == 14) {
        if (end - *p < 2)
            return false;
        *out = 269 + (((*p)[0] << 8) | (*p)[1]);
        *p += 2;
    } else {
        return false;
    }
    return true;
}

static bool coap_decode(coap_pdu_t *pdu, const uint8_t *buf, size_t len)
{
    const uint8_t *p = buf + 4, *end = buf + len;
    unsigned num = 0;

    memset(pdu, 0, sizeof *pdu);
    if (len < 4 || (buf[0] >> 6) != 1)
        return false;
    pdu->type = (buf[0] >> 4) & 3;
    pdu->tkl = buf[0] & 15;
    pdu->code = buf[1];
    pdu->mid = (uint16_t)((buf[2] << 8) | buf[3]);
    if (pdu->tkl > 8 || end - p < pdu->tkl)
        return false;
    memcpy(pdu->token, p, pdu->tkl);
    p += pdu->tkl;

    while (p < end) {
        unsigned delta, olen;
        uint8_t b = *p++;

        if (b == 0xff) {
            pdu->payload = p;
            pdu->payload_len = (size_t)(end - p);
            break;
        }
        if (!ext_value(&p, end, b >> 4, &delta) || !ext_value(&p, end, b & 15, &olen))
            return false;
        if ((size_t)(end - p) < olen)
            return false;
        num += delta;
        if (pdu->nopts < 16) {
            coap_opt_t *o = &pdu->opts[pdu->nopts++];
            o->num = (uint16_t)num;
            o->len = (uint16_t)olen;
            o->val = p;
        }
        p += olen;
    }
    return true;
}

/* glue the Uri-Path options together: a/b/c */
static void join_path(const coap_pdu_t *pdu, char *dst, size_t cap)
{
    size_t n = 0;
    unsigned i;

    for (i = 0; i < pdu->nopts; i++) {
        const coap_opt_t *o = &pdu->opts[i];

        if (o->num != OPT_URI_PATH)
            continue;
        if (n + o->len + 2 > cap)
            break;
        if (n)
            dst[n++] = '/';
        memcpy(dst + n, o->val, o->len);
        n += o->len;
    }
    dst[n] = '\0';
}

/* ---- resources ------------------------------------------------------- */

static int on_off(const coap_pdu_t *req)
{
    if (req->payload_len == 1 && (req->payload[0] == '0' || req->payload[0] == '1'))
        return req->payload[0] - '0';
    return -1;
}

static int res_relay(const coap_pdu_t *req, const char *path, char *out, size_t outsz)
{
    if (req->code == COAP_PUT) {
        int v = on_off(req);

        if (v < 0)
            return COAP_CODE(4, 0);
        plug.relay = v;
        gpio_set(12, v);
        return COAP_CODE(2, 4);
    }
    snprintf(out, outsz, "%d", plug.relay);
    return COAP_CODE(2, 5);
}

static int res_led(const coap_pdu_t *req, const char *path, char *out, size_t outsz)
{
    int v = on_off(req);

    if (req->code != COAP_PUT || v < 0)
        return COAP_CODE(4, 5);
    plug.led = v;
    gpio_set(5, v);
    return COAP_CODE(2, 4);
}

static int res_power(const coap_pdu_t *req, const char *path, char *out, size_t outsz)
{
    snprintf(out, outsz, "{\"mwh\":%u}", plug.mwh);
    return COAP_CODE(2, 5);
}

static int res_core(const coap_pdu_t *req, const char *path, char *out, size_t outsz)
{
    snprintf(out, outsz, "</relay>,</power>,</led>,</sched/0>");
    return COAP_CODE(2, 5);
}

static int res_sched(const coap_pdu_t *req, const char *path, char *out, size_t outsz)
{
    const char *s = strchr(path, '/');
    int slot = s ? atoi(s + 1) : -1;

    if (slot < 0 || slot >= 8)
        return COAP_CODE(4, 4);
    if (req->code == COAP_DELETE) {
        plug.slot[slot].used = false;
        return COAP_CODE(2, 2);
    }
    if (req->payload_len != 3 || req->payload[0] > 23 || req->payload[1] > 59)
        return COAP_CODE(4, 0);
    plug.slot[slot].hour = req->payload[0];
    plug.slot[slot].min = req->payload[1];
    plug.slot[slot].on = req->payload[2] != 0;
    plug.slot[slot].used = true;
    return COAP_CODE(2, 4);
}

static const resource_t resources[] = {
    { ".well-known/core", res_core  },
    { "led",              res_led   },
    { "power",            res_power },
    { "relay",            res_relay },
    { "sched",            res_sched },
};

static __attribute__((noinline)) int dispatch(const coap_pdu_t *req, char *out, size_t outsz)
{
    char path[64];
    size_t i;

    join_path(req, path, sizeof path);
    for (i = 0; i < sizeof resources / sizeof resources[0]; i++) {
        size_t l = strlen(resources[i].path);

        if (!strncmp(path, resources[i].path, l) && (path[l] == '\0' || path[l] == '/'))
            return resources[i].handler(req, path, out, outsz);
    }
    return COAP_CODE(4, 4);
}

static void run_schedule(void)
{
    time_t now = time(NULL);
    struct tm tm;
    int i;

    localtime_r(&now, &tm);
    for (i = 0; i < 8; i++)
        if (plug.slot[i].used && plug.slot[i].hour == tm.tm_hour && plug.slot[i].min == tm.tm_min) {
            plug.relay = plug.slot[i].on;
            gpio_set(12, plug.relay);
        }
    if (plug.relay)
        plug.mwh += 3;
}

static size_t coap_encode(uint8_t *dst, const coap_pdu_t *req, int code, const char *body)
{
    size_t n = 4, bl = strlen(body);

    dst[0] = (uint8_t)(0x40 | ((req->type == 0 ? 2 : 1) << 4) | req->tkl);
    dst[1] = (uint8_t)code;
    dst[2] = (uint8_t)(req->mid >> 8);
    dst[3] = (uint8_t)req->mid;
    memcpy(dst + n, req->token, req->tkl);
    n += req->tkl;
    if (bl) {
        dst[n++] = 0xff;
        memcpy(dst + n, body, bl);
        n += bl;
    }
    return n;
}

int main(void)
{
    struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(COAP_PORT) };
    struct timeval tv = { .tv_sec = 1 };
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
        return EXIT_FAILURE;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    for (;;) {
        uint8_t in[1280], out[320];
        char body[256] = "";
        struct sockaddr_in6 peer;
        socklen_t plen = sizeof peer;
        coap_pdu_t pdu;
        ssize_t n = recvfrom(fd, in, sizeof in, 0, (struct sockaddr *)&peer, &plen);

        if (n > 0 && coap_decode(&pdu, in, (size_t)n) && pdu.code >= COAP_GET && pdu.code <= COAP_DELETE) {
            int code = dispatch(&pdu, body, sizeof body);
            sendto(fd, out, coap_encode(out, &pdu, code, body), 0, (struct sockaddr *)&peer, plen);
        }
        run_schedule();
    }
}
