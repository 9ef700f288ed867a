/*
 * coapnode: CoAP (RFC 7252) server of the lighting gateway.
 * Only confirmable/non-confirmable GET and PUT, no blockwise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define COAP_PORT      5683
#define COAP_MTU       1152
#define OPT_URI_PATH   11
#define OPT_URI_QUERY  15

#define CODE_GET       1
#define CODE_PUT       3
#define CODE_CONTENT   69
#define CODE_CHANGED   68
#define CODE_BAD       128
#define CODE_NOTFOUND  132
#define CODE_METHOD    133

struct coap_req {
    uint8_t  code;
    uint16_t mid;
    uint8_t  tok[8];
    uint8_t  toklen;
    char     path[96];
    const uint8_t *payload;
    size_t   paylen;
};

static uint8_t dim_level = 128;
static uint8_t scene;
static time_t  boot_time;

static int add_segment(struct coap_req *r, const uint8_t *seg, size_t len)
{
    char part[COAP_MTU + 2];

    part[0] = '/';
    memcpy(part + 1, seg, len);
    part[len + 1] = '\0';
    if (len + 1 >= sizeof(r->path))
        return -1;
    strcat(r->path, part);
    return 0;
}

static int ext_value(unsigned nib, const uint8_t **p, const uint8_t *end, unsigned *out)
{
    if (nib < 13) {
        *out = nib;
        return 0;
    }
    if (nib == 13) {
        if (end - *p < 1)
            return -1;
        *out = (*p)[0] + 13;
        *p += 1;
        return 0;
    }
    if (nib == 14) {
        if (end - *p < 2)
            return -1;
        *out = ((*p)[0] << 8 | (*p)[1]) + 269;
        *p += 2;
        return 0;
    }
    return -1;
}

static int coap_parse(struct coap_req *r, const uint8_t *b, size_t n)
{
    const uint8_t *p = b, *end = b + n;
    unsigned opt = 0;

    memset(r, 0, sizeof(*r));
    if (n < 4 || (b[0] >> 6) != 1)
        return -1;
    r->toklen = b[0] & 15;
    r->code = b[1];
    r->mid = (uint16_t)(b[2] << 8 | b[3]);
    p += 4;
    if (r->toklen > 8 || end - p < r->toklen)
        return -1;
    memcpy(r->tok, p, r->toklen);
    p += r->toklen;

    while (p < end) {
        unsigned delta, len, nibbles;

        if (*p == 0xff) {
            r->payload = p + 1;
            r->paylen = end - p - 1;
            return r->paylen ? 0 : -1;
        }
        nibbles = *p++;
        if (ext_value(nibbles >> 4, &p, end, &delta) < 0)
            return -1;
        if (ext_value(nibbles & 15, &p, end, &len) < 0)
            return -1;
        if (len > (size_t)(end - p))
            return -1;
        opt += delta;
        switch (opt) {
        case OPT_URI_PATH:
            if (add_segment(r, p, len) < 0)
                return -1;
            break;
        case OPT_URI_QUERY:
            break;
        default:
            if (opt & 1)            /* critical and not known */
                return -1;
        }
        p += len;
    }
    return 0;
}

/* ---- resources ---- */

static int res_dim(struct coap_req *r, char *out, size_t cap)
{
    if (r->code == CODE_PUT) {
        unsigned v = 0;
        size_t i;

        for (i = 0; i < r->paylen && i < 3; i++) {
            if (r->payload[i] < '0' || r->payload[i] > '9')
                return CODE_BAD;
            v = v * 10 + (r->payload[i] - '0');
        }
        if (v > 255)
            return CODE_BAD;
        dim_level = (uint8_t)v;
        out[0] = '\0';
        return CODE_CHANGED;
    }
    snprintf(out, cap, "%u", dim_level);
    return CODE_CONTENT;
}

static int res_scene(struct coap_req *r, char *out, size_t cap)
{
    if (r->code == CODE_PUT) {
        if (r->paylen != 1)
            return CODE_BAD;
        scene = r->payload[0];
        out[0] = '\0';
        return CODE_CHANGED;
    }
    snprintf(out, cap, "%u", scene);
    return CODE_CONTENT;
}

static int res_uptime(struct coap_req *r, char *out, size_t cap)
{
    if (r->code != CODE_GET)
        return CODE_METHOD;
    snprintf(out, cap, "%ld", (long)(time(NULL) - boot_time));
    return CODE_CONTENT;
}

static const struct resource {
    const char *path;
    int (*handle)(struct coap_req *, char *, size_t);
} resources[] = {
    { "/light/dim",   res_dim },
    { "/light/scene", res_scene },
    { "/sys/uptime",  res_uptime },
};

static size_t coap_answer(const struct coap_req *r, int code, const char *text, uint8_t *o, size_t cap)
{
    size_t n = 0, t = strlen(text);

    o[n++] = (uint8_t)(0x60 | r->toklen);
    o[n++] = (uint8_t)code;
    o[n++] = r->mid >> 8;
    o[n++] = r->mid & 255;
    memcpy(o + n, r->tok, r->toklen);
    n += r->toklen;
    if (t && n + 1 + t <= cap) {
        o[n++] = 0xff;
        memcpy(o + n, text, t);
        n += t;
    }
    return n;
}

static void handle_datagram(int s, const uint8_t *b, size_t n, struct sockaddr *sa, socklen_t sl)
{
    struct coap_req req;
    uint8_t out[128];
    char text[64] = "";
    int code = CODE_NOTFOUND;
    size_t i;

    if (coap_parse(&req, b, n) < 0)
        return;
    for (i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        if (strcmp(resources[i].path, req.path) == 0) {
            code = resources[i].handle(&req, text, sizeof(text));
            break;
        }
    }
    n = coap_answer(&req, code, text, out, sizeof(out));
    sendto(s, out, n, 0, sa, sl);
}

static void apply_outputs(void)
{
    FILE *f = fopen("/sys/class/pwm/pwmchip0/pwm0/duty_cycle", "w");

    if (f) {
        fprintf(f, "%u\n", dim_level * 3900u);
        fclose(f);
    }
}

int main(void)
{
    struct sockaddr_in6 me, peer;
    struct timeval tv = { 0, 200000 };
    uint8_t buf[COAP_MTU];
    int s = socket(AF_INET6, SOCK_DGRAM, 0);

    boot_time = time(NULL);
    memset(&me, 0, sizeof(me));
    me.sin6_family = AF_INET6;
    me.sin6_port = htons(COAP_PORT);
    me.sin6_addr = in6addr_any;
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof(me)) < 0) {
        perror("coapnode");
        return 1;
    }
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    for (;;) {
        socklen_t sl = sizeof(peer);
        ssize_t n = recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&peer, &sl);

        if (n > 0)
            handle_datagram(s, buf, (size_t)n, (struct sockaddr *)&peer, sl);
        apply_outputs();
    }
}
