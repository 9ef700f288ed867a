/* meshd - neighbour supervision of a mesh router (UDP 4919)
 *
 *  +-------+------+-----+-------+-----------+
 *  | key 8 | type | cnt | seq 2 | TLVs ...  |
 *  +-------+------+-----+-------+-----------+
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESH_UDP_PORT 4919
#define NBUCKET 32

#define TLV_MAC   0x01
#define TLV_ADDR  0x02
#define TLV_NAME  0x03
#define TLV_RSSI  0x04

typedef struct mesh_node {
    uint8_t  mac[6];
    uint8_t  valid;          /* address may be used */
    int8_t   rssi;
    uint16_t seq;
    char     addr[46];
    char     name[24];
    time_t   seen;
    int      lost;
    struct mesh_node *chain;
} mesh_node_t;

typedef struct {
    const uint8_t *cur, *end;
} rd_t;

static mesh_node_t *bucket[NBUCKET];
static int node_count;
static int sock;

/* ---- the join key is not kept readable ---- */
static const uint8_t key_x[8] = { 0x37, 0x69, 0x29, 0x32, 0x77, 0x10, 0x6b, 0x34 };

static int key_match(const uint8_t *p)
{
    uint8_t acc = 0;
    for (int i = 0; i < 8; i++)
        acc |= (uint8_t)(p[i] ^ key_x[i] ^ 0x5a);
    return acc == 0;
}

/* ---- node hash ---- */
static unsigned mac_hash(const uint8_t *m)
{
    unsigned h = 5381;
    for (int i = 0; i < 6; i++)
        h = h * 33 + m[i];
    return h % NBUCKET;
}

static mesh_node_t *node_lookup(const uint8_t *mac, int create)
{
    unsigned h = mac_hash(mac);
    mesh_node_t *n;

    for (n = bucket[h]; n; n = n->chain)
        if (!memcmp(n->mac, mac, 6))
            return n;
    if (!create || node_count >= 64)
        return NULL;
    n = calloc(1, sizeof(*n));
    if (!n)
        return NULL;
    memcpy(n->mac, mac, 6);
    n->chain = bucket[h];
    bucket[h] = n;
    node_count++;
    return n;
}

/* ---- tlv ---- */
static int rd_tlv(rd_t *r, uint8_t *t, const uint8_t **v, unsigned *l)
{
    if (r->end - r->cur < 2)
        return 0;
    *t = r->cur[0];
    *l = r->cur[1];
    if ((unsigned)(r->end - r->cur - 2) < *l)
        return 0;
    *v = r->cur + 2;
    r->cur += 2 + *l;
    return 1;
}

static int rd_find(rd_t r, uint8_t want, const uint8_t **v, unsigned *l)
{
    uint8_t t;
    while (rd_tlv(&r, &t, v, l))
        if (t == want)
            return 1;
    return 0;
}

static void set_addr(mesh_node_t *n, const uint8_t *v, unsigned l)
{
    if (l >= sizeof(n->addr))
        return;
    memcpy(n->addr, v, l);
    n->addr[l] = 0;
}

static void check_addr(mesh_node_t *n)
{
    uint8_t raw[16];

    n->valid = inet_pton(AF_INET, n->addr, raw) == 1 || inet_pton(AF_INET6, n->addr, raw) == 1;
}

/* ---- message types ---- */
static int m_announce(rd_t r, mesh_node_t *n, struct sockaddr_in *from)
{
    const uint8_t *v;
    unsigned l;

    if (rd_find(r, TLV_ADDR, &v, &l))
        set_addr(n, v, l);
    else
        snprintf(n->addr, sizeof(n->addr), "%s", inet_ntoa(from->sin_addr));
    check_addr(n);
    if (rd_find(r, TLV_NAME, &v, &l) && l < sizeof(n->name)) {
        memcpy(n->name, v, l);
        n->name[l] = 0;
    }
    n->lost = 0;
    return 1;
}

static int m_metric(rd_t r, mesh_node_t *n, struct sockaddr_in *from)
{
    const uint8_t *v;
    unsigned l;

    if (rd_find(r, TLV_RSSI, &v, &l) && l == 1)
        n->rssi = (int8_t)v[0];
    return 0;
}

/* node has roamed / renumbered: same as announce but keeps counters */
static int m_update(rd_t r, mesh_node_t *n, struct sockaddr_in *from)
{
    const uint8_t *v;
    unsigned l;

    if (!n->valid)
        return 0;
    if (rd_find(r, TLV_ADDR, &v, &l)) {
        set_addr(n, v, l);
        check_addr(n);
    }
    if (rd_find(r, TLV_RSSI, &v, &l) && l == 1)
        n->rssi = (int8_t)v[0];
    return 1;
}

static int m_leave(rd_t r, mesh_node_t *n, struct sockaddr_in *from)
{
    n->valid = 0;
    n->addr[0] = 0;
    return 1;
}

typedef int (*msg_fn)(rd_t, mesh_node_t *, struct sockaddr_in *);

static const msg_fn by_type[] = {
    [1] = m_announce,
    [2] = m_metric,
    [3] = m_update,
    [6] = m_leave,
};

static void rx(const uint8_t *p, size_t len, struct sockaddr_in *from)
{
    rd_t r;
    const uint8_t *mac;
    unsigned l;
    mesh_node_t *n;
    uint8_t type;
    uint16_t seq;

    if (len < 12 || !key_match(p))
        return;
    type = p[8];
    seq = (uint16_t)(p[10] << 8 | p[11]);
    r.cur = p + 12;
    r.end = p + len;
    if (type >= sizeof(by_type) / sizeof(by_type[0]) || !by_type[type])
        return;
    if (!rd_find(r, TLV_MAC, &mac, &l) || l != 6)
        return;
    n = node_lookup(mac, type == 1);
    if (!n || (n->seq && (int16_t)(seq - n->seq) <= 0 && type != 1))
        return;
    n->seq = seq;
    n->seen = time(NULL);
    if (by_type[type](r, n, from)) {
        uint8_t ok[12];
        memcpy(ok, p, 12);
        ok[8] = 0x80 | type;
        sendto(sock, ok, sizeof(ok), 0, (struct sockaddr *)from, sizeof(*from));
    }
}

/* ---- supervision ---- */
static int reachable(const mesh_node_t *n)
{
    char cmd[128];
    char out[64];
    FILE *p;
    int ok = 0;

    snprintf(cmd, sizeof(cmd), "ping -c 1 -W 1 %s 2>/dev/null", n->addr);
    p = popen(cmd, "r");
    if (!p)
        return 0;
    while (fgets(out, sizeof(out), p))
        if (strstr(out, "ttl="))
            ok = 1;
    pclose(p);
    return ok;
}

static void supervise(time_t now)
{
    for (int i = 0; i < NBUCKET; i++) {
        for (mesh_node_t *n = bucket[i]; n; n = n->chain) {
            if (!n->valid || now - n->seen < 30)
                continue;
            if (reachable(n))
                n->lost = 0;
            else if (++n->lost > 5)
                n->valid = 0;
        }
    }
}

static void dump(void)
{
    FILE *f = fopen("/tmp/mesh.nodes", "w");
    if (!f)
        return;
    for (int i = 0; i < NBUCKET; i++)
        for (mesh_node_t *n = bucket[i]; n; n = n->chain)
            fprintf(f, "%02x:%02x:%02x:%02x:%02x:%02x %s %d %d\n", n->mac[0], n->mac[1], n->mac[2],
                    n->mac[3], n->mac[4], n->mac[5], n->name, n->rssi, n->lost);
    fclose(f);
}

int main(void)
{
    static uint8_t pkt[1500];
    struct sockaddr_in sa;
    time_t next = 0;

    sock = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_addr.s_addr = INADDR_ANY;
    sa.sin_port = htons(MESH_UDP_PORT);
    if (bind(sock, (struct sockaddr *)&sa, sizeof(sa)) != 0)
        return 1;
    while (1) {
        struct pollfd pf = { sock, POLLIN, 0 };
        time_t now;

        if (poll(&pf, 1, 2000) > 0) {
            struct sockaddr_in from;
            socklen_t fl = sizeof(from);
            ssize_t n = recvfrom(sock, pkt, sizeof(pkt), 0, (struct sockaddr *)&from, &fl);
            if (n > 0)
                rx(pkt, (size_t)n, &from);
        }
        now = time(NULL);
        if (now >= next) {
            supervise(now);
            dump();
            next = now + 10;
        }
    }
}
