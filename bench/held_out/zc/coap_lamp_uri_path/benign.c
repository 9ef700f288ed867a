/*
 * coaplamp.c
 *
 * CoAP (RFC 7252) endpoint of a ceiling lamp.  Small subset: GET/PUT,
 * Uri-Path and Content-Format, piggybacked answers.
 */
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define COAP_PORT        5683
#define COAP_MAX_PDU     1152
#define PATH_MAX_LEN     192

#define OPT_URI_PATH     11
#define OPT_CONTENT_FMT  12
#define OPT_ACCEPT       17

#define CODE(c, d)       (((c) << 5) | (d))
#define C_GET            CODE(0, 1)
#define C_PUT            CODE(0, 3)
#define C_CHANGED        CODE(2, 4)
#define C_CONTENT        CODE(2, 5)
#define C_BAD_REQUEST    CODE(4, 0)
#define C_NOT_FOUND      CODE(4, 4)
#define C_NOT_ALLOWED    CODE(4, 5)
#define C_TOO_LARGE      CODE(4, 13)

struct coap_req {
    uint8_t        type;
    uint8_t        code;
    uint16_t       mid;
    uint8_t        tkl;
    uint8_t        token[8];
    uint16_t       format;
    const uint8_t *payload;
    size_t         payload_len;
};

struct resource {
    const char *path;
    uint8_t (*get)(char *out, size_t cap);
    uint8_t (*put)(const char *val);
};

/* lamp state, the fade runs from the 50 ms tick */
static struct {
    int level, target, step;
    int kelvin;
    bool power;
} lamp = { 0, 0, 4, 2700, false };

static struct {
    unsigned long rx, malformed, notfound;
} counters;

/* ---------------------------------------------------------- resources */

static uint8_t power_get(char *out, size_t cap)
{
    snprintf(out, cap, "%s", lamp.power ? "on" : "off");
    return C_CONTENT;
}

static uint8_t power_put(const char *v)
{
    if (!strcmp(v, "on"))
        lamp.power = true;
    else if (!strcmp(v, "off"))
        lamp.power = false;
    else
        return C_BAD_REQUEST;
    lamp.target = lamp.power ? 200 : 0;
    return C_CHANGED;
}

static uint8_t level_get(char *out, size_t cap)
{
    snprintf(out, cap, "%d", lamp.level);
    return C_CONTENT;
}

static uint8_t level_put(const char *v)
{
    int x = atoi(v);

    if (x < 0 || x > 255)
        return C_BAD_REQUEST;
    lamp.target = x;
    lamp.power = x > 0;
    return C_CHANGED;
}

static uint8_t kelvin_get(char *out, size_t cap)
{
    snprintf(out, cap, "%d", lamp.kelvin);
    return C_CONTENT;
}

static uint8_t kelvin_put(const char *v)
{
    int x = atoi(v);

    if (x < 2200 || x > 6500)
        return C_BAD_REQUEST;
    lamp.kelvin = x;
    return C_CHANGED;
}

static uint8_t stats_get(char *out, size_t cap)
{
    snprintf(out, cap, "%lu/%lu/%lu", counters.rx, counters.malformed, counters.notfound);
    return C_CONTENT;
}

static uint8_t core_get(char *out, size_t cap)
{
    snprintf(out, cap, "</light/power>,</light/level>,</light/kelvin>,</sys/stats>");
    return C_CONTENT;
}

static const struct resource resources[] = {
    { "light/power",      power_get,  power_put  },
    { "light/level",      level_get,  level_put  },
    { "light/kelvin",     kelvin_get, kelvin_put },
    { "sys/stats",        stats_get,  NULL       },
    { ".well-known/core", core_get,   NULL       },
};

/* -------------------------------------------------------------- parse */

/* nibble with its extension bytes; -1 on error */
static long opt_ext(unsigned nib, const uint8_t **pp, const uint8_t *end)
{
    const uint8_t *p = *pp;
    long v;

    if (nib < 13)
        return (long)nib;
    if (nib == 13) {
        if (end - p < 1)
            return -1;
        v = 13 + p[0];
        *pp = p + 1;
        return v;
    }
    if (nib == 14) {
        if (end - p < 2)
            return -1;
        v = 269 + (p[0] << 8 | p[1]);
        *pp = p + 2;
        return v;
    }
    return -1;
}

static uint8_t lookup(const struct coap_req *rq, const char *path, char *out, size_t cap)
{
    char val[32];
    size_t i, n;

    for (i = 0; i < sizeof resources / sizeof resources[0]; i++) {
        if (strcmp(resources[i].path, path) != 0)
            continue;
        if (rq->code == C_GET)
            return resources[i].get(out, cap);
        if (rq->code != C_PUT || !resources[i].put)
            return C_NOT_ALLOWED;
        n = rq->payload_len;
        if (n >= sizeof val)
            return C_TOO_LARGE;
        memcpy(val, rq->payload, n);
        val[n] = '\0';
        return resources[i].put(val);
    }
    counters.notfound++;
    return C_NOT_FOUND;
}

/* options and payload; the answer's code is returned */
static uint8_t process(struct coap_req *rq, const uint8_t *p, const uint8_t *end,
                       char *out, size_t cap)
{
    char path[PATH_MAX_LEN];
    unsigned number = 0;
    unsigned used = 0, need;
    long delta, olen;

    while (p < end && *p != 0xff) {
        unsigned hdr = *p++;

        delta = opt_ext(hdr >> 4, &p, end);
        if (delta < 0)
            return C_BAD_REQUEST;
        olen = opt_ext(hdr & 15, &p, end);
        if (olen < 0 || olen > end - p)
            return C_BAD_REQUEST;
        number += (unsigned)delta;
        switch (number) {
        case OPT_URI_PATH:
            need = used + olen + 1;         /* segment and slash */
            if (need > sizeof path)
                return C_TOO_LARGE;
            memcpy(path + used, p, (size_t)olen);
            path[used + olen] = '/';
            used = need;
            break;
        case OPT_CONTENT_FMT:
            rq->format = olen == 0 ? 0 : olen == 1 ? p[0] : 0xffff;
            break;
        case OPT_ACCEPT:
            break;
        default:
            if (number & 1)                 /* critical and unknown */
                return C_BAD_REQUEST;
        }
        p += olen;
    }
    path[used ? used - 1 : 0] = '\0';
    if (p < end) {
        rq->payload = p + 1;
        rq->payload_len = (size_t)(end - p - 1);
    }
    if (rq->format != 0)
        return C_BAD_REQUEST;
    return lookup(rq, path, out, cap);
}

static size_t handle(const uint8_t *pdu, size_t len, uint8_t *ans)
{
    struct coap_req rq;
    char text[160] = "";
    size_t n = 0, tl;

    counters.rx++;
    memset(&rq, 0, sizeof rq);
    if (len < 4 || (pdu[0] >> 6) != 1 || (pdu[0] & 15) > 8 || len < 4u + (pdu[0] & 15)) {
        counters.malformed++;
        return 0;
    }
    rq.type = (pdu[0] >> 4) & 3;
    rq.tkl = pdu[0] & 15;
    rq.code = pdu[1];
    rq.mid = (uint16_t)(pdu[2] << 8 | pdu[3]);
    memcpy(rq.token, pdu + 4, rq.tkl);
    rq.payload = pdu + len;
    if (rq.type > 1 || rq.code == 0)
        return 0;

    ans[n++] = (uint8_t)(0x40 | (rq.type == 0 ? 0x20 : 0x10) | rq.tkl);
    ans[n++] = process(&rq, pdu + 4 + rq.tkl, pdu + len, text, sizeof text);
    ans[n++] = rq.mid >> 8;
    ans[n++] = rq.mid & 0xff;
    memcpy(ans + n, rq.token, rq.tkl);
    n += rq.tkl;
    tl = strlen(text);
    if (tl) {
        ans[n++] = 0xff;
        memcpy(ans + n, text, tl);
        n += tl;
    }
    return n;
}

static void fade_tick(void)
{
    if (lamp.level < lamp.target)
        lamp.level += lamp.target - lamp.level < lamp.step ? lamp.target - lamp.level : lamp.step;
    else if (lamp.level > lamp.target)
        lamp.level -= lamp.level - lamp.target < lamp.step ? lamp.level - lamp.target : lamp.step;
}

int main(void)
{
    static uint8_t pdu[COAP_MAX_PDU], ans[256];
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(COAP_PORT) };
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) != 0) {
        perror("coaplamp");
        return 1;
    }
    for (;;) {
        struct timeval tv = { 0, 50000 };
        struct sockaddr_in peer;
        socklen_t pl = sizeof peer;
        fd_set r;

        FD_ZERO(&r);
        FD_SET(s, &r);
        if (select(s + 1, &r, NULL, NULL, &tv) > 0) {
            ssize_t k = recvfrom(s, pdu, sizeof pdu, 0, (struct sockaddr *)&peer, &pl);
            if (k > 0) {
                size_t n = handle(pdu, (size_t)k, ans);
                if (n)
                    sendto(s, ans, n, 0, (struct sockaddr *)&peer, pl);
            }
        } else {
            fade_tick();
        }
    }
}
