/* lampcoap - CoAP endpoint of the LED driver LD-3
 *
 * RFC 7252 subset: confirmable and non-confirmable GET/PUT, no blocks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <time.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#define COAP_PORT 5683
#define COAP_MTU  1280

#define CODE(c, d) (((c) << 5) | (d))
#define GET       CODE(0, 1)
#define PUT       CODE(0, 3)
#define CHANGED   CODE(2, 4)
#define CONTENT   CODE(2, 5)
#define BAD_REQ   CODE(4, 0)
#define BAD_OPT   CODE(4, 2)
#define NOT_FOUND CODE(4, 4)
#define NOT_ALLOW CODE(4, 5)

#define OPT_OBSERVE   6
#define OPT_URI_PATH  11
#define OPT_URI_QUERY 15

struct lamp {
    int level;          /* 0..254 */
    int target;
    int kelvin;
    int fade_ms;
    unsigned scene;
    char label[24];
} lamp = { 0, 0, 2700, 400, 0, "lamp" };

struct request {
    uint8_t type, code, tkl;
    uint16_t mid;
    const uint8_t *token;
    const uint8_t *payload;
    int paylen;
    int observe;
    int fade;
};

struct observer {
    struct sockaddr_in who;
    uint8_t token[8], tkl;
    int used;
    time_t expires;
} observers[4];

static int sock;

/* ------------------------------------------------------------------ */
/* resources                                                            */

static int number(const struct request *rq, int lo, int hi, int *out)
{
    char tmp[12];
    int v;

    if (rq->paylen <= 0 || rq->paylen >= (int)sizeof tmp)
        return -1;
    memcpy(tmp, rq->payload, rq->paylen);
    tmp[rq->paylen] = 0;
    v = atoi(tmp);
    if (v < lo || v > hi)
        return -1;
    *out = v;
    return 0;
}

static int res_level(struct request *rq, char *out, int cap)
{
    if (rq->code == PUT) {
        if (number(rq, 0, 254, &lamp.target))
            return BAD_REQ;
        if (rq->fade > 0)
            lamp.fade_ms = rq->fade;
        return CHANGED;
    }
    snprintf(out, cap, "%d", lamp.level);
    return CONTENT;
}

static int res_kelvin(struct request *rq, char *out, int cap)
{
    if (rq->code == PUT)
        return number(rq, 2000, 6500, &lamp.kelvin) ? BAD_REQ : CHANGED;
    snprintf(out, cap, "%d", lamp.kelvin);
    return CONTENT;
}

static int res_label(struct request *rq, char *out, int cap)
{
    if (rq->code == PUT) {
        int n = rq->paylen < (int)sizeof lamp.label - 1 ? rq->paylen : (int)sizeof lamp.label - 1;

        memcpy(lamp.label, rq->payload, n);
        lamp.label[n] = 0;
        return CHANGED;
    }
    snprintf(out, cap, "%s", lamp.label);
    return CONTENT;
}

static int res_core(struct request *rq, char *out, int cap)
{
    if (rq->code != GET)
        return NOT_ALLOW;
    snprintf(out, cap, "</lamp/level>;obs,</lamp/kelvin>,</lamp/label>");
    return CONTENT;
}

static const struct resource {
    const char *path;
    int (*fn)(struct request *, char *, int);
} resources[] = {
    { "/lamp/level", res_level },
    { "/lamp/kelvin", res_kelvin },
    { "/lamp/label", res_label },
    { "/.well-known/core", res_core },
};

/* ------------------------------------------------------------------ */

static int build(uint8_t *o, int type, int code, uint16_t mid, const uint8_t *tok, int tkl,
                 const char *text)
{
    int n = 4, l = (int)strlen(text);

    o[0] = (uint8_t)(0x40 | (type << 4) | tkl);
    o[1] = (uint8_t)code;
    o[2] = mid >> 8;
    o[3] = mid & 255;
    memcpy(o + n, tok, tkl);
    n += tkl;
    if (l) {
        o[n++] = 0xff;
        memcpy(o + n, text, l);
        n += l;
    }
    return n;
}

static void add_observer(const struct sockaddr_in *who, const struct request *rq)
{
    int i;

    for (i = 0; i < 4; i++)
        if (!observers[i].used) {
            observers[i].who = *who;
            observers[i].tkl = rq->tkl;
            memcpy(observers[i].token, rq->token, rq->tkl);
            observers[i].expires = time(NULL) + 600;
            observers[i].used = 1;
            return;
        }
}

static void notify(void)
{
    static uint16_t mid = 100;
    uint8_t o[64];
    char v[12];
    int i, n;

    snprintf(v, sizeof v, "%d", lamp.level);
    for (i = 0; i < 4; i++) {
        if (!observers[i].used)
            continue;
        if (time(NULL) > observers[i].expires) {
            observers[i].used = 0;
            continue;
        }
        n = build(o, 1, CONTENT, mid++, observers[i].token, observers[i].tkl, v);
        sendto(sock, o, n, 0, (struct sockaddr *)&observers[i].who, sizeof observers[i].who);
    }
}

/* one step of the dimmer, ten times a second */
static void step(void)
{
    int d = lamp.target - lamp.level, m = 254 * 100 / (lamp.fade_ms > 100 ? lamp.fade_ms : 100);
    FILE *f;

    if (!d)
        return;
    if (d > m) d = m;
    if (d < -m) d = -m;
    lamp.level += d;
    f = fopen("/sys/class/pwm/pwmchip0/pwm0/duty_cycle", "w");
    if (f) {
        fprintf(f, "%d\n", lamp.level * 3921);
        fclose(f);
    }
    if (lamp.level == lamp.target)
        notify();
}

static int ext(int v, const uint8_t **p, const uint8_t *end)
{
    if (v < 13)
        return v;
    if (v == 13 && end - *p >= 1) {
        v = 13 + (*p)[0];
        *p += 1;
        return v;
    }
    if (v == 14 && end - *p >= 2) {
        v = 269 + ((*p)[0] << 8) + (*p)[1];
        *p += 2;
        return v;
    }
    return -1;
}

/* returns a response code; out gets the text of the response */
static int process(struct request *rq, const uint8_t *p, const uint8_t *end,
                   const struct sockaddr_in *who, char *out, int cap)
{
    char path[64], seg[64];
    int opt = 0;
    unsigned i;

    path[0] = 0;
    while (p < end && *p != 0xff) {
        int delta = *p >> 4, len = *p & 15;

        p++;
        delta = ext(delta, &p, end);
        len = ext(len, &p, end);
        if (delta < 0 || len < 0 || len > end - p)
            return BAD_OPT;
        opt += delta;
        switch (opt) {
        case OPT_URI_PATH:
            if (len >= (int)sizeof seg)
                return NOT_FOUND;
            memcpy(seg, p, len);
            seg[len] = 0;
            strcat(path, "/");
            strcat(path, seg);
            break;
        case OPT_URI_QUERY:
            if (len > 5 && len < (int)sizeof seg && !memcmp(p, "fade=", 5)) {
                memcpy(seg, p, len);
                seg[len] = 0;
                rq->fade = atoi(seg + 5);
            }
            break;
        case OPT_OBSERVE:
            rq->observe = len == 0;
            break;
        default:
            if (opt & 1)
                return BAD_OPT;
        }
        p += len;
    }
    if (p < end) {
        rq->payload = p + 1;
        rq->paylen = (int)(end - p - 1);
    }
    for (i = 0; i < sizeof resources / sizeof resources[0]; i++) {
        if (strcmp(resources[i].path, path))
            continue;
        if (rq->observe && resources[i].fn == res_level)
            add_observer(who, rq);
        return resources[i].fn(rq, out, cap);
    }
    return NOT_FOUND;
}

int main(void)
{
    static uint8_t in[COAP_MTU], out[COAP_MTU];
    struct sockaddr_in a, who;
    struct timeval tv = { 0, 100000 };

    sock = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(COAP_PORT);
    if (sock < 0 || bind(sock, (struct sockaddr *)&a, sizeof a) < 0) {
        perror("lampcoap");
        return 1;
    }
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    for (;;) {
        socklen_t sl = sizeof who;
        struct request rq;
        char text[256] = "";
        int n = recvfrom(sock, in, sizeof in, 0, (struct sockaddr *)&who, &sl), code;

        step();
        if (n < 4 || in[0] >> 6 != 1)
            continue;
        memset(&rq, 0, sizeof rq);
        rq.type = (in[0] >> 4) & 3;
        rq.tkl = in[0] & 15;
        rq.code = in[1];
        rq.mid = (uint16_t)(in[2] << 8 | in[3]);
        rq.token = in + 4;
        if (rq.type > 1 || rq.tkl > 8 || n < 4 + rq.tkl)
            continue;
        if (rq.code != GET && rq.code != PUT)
            code = NOT_ALLOW;
        else
            code = process(&rq, in + 4 + rq.tkl, in + n, &who, text, sizeof text);
        n = build(out, rq.type == 0 ? 2 : 1, code, rq.mid, rq.token, rq.tkl,
                  code == CONTENT ? text : "");
        sendto(sock, out, n, 0, (struct sockaddr *)&who, sl);
    }
}
