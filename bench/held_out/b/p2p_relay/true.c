/* Relay for peer-to-peer cameras: packets go into a ring of fixed slots and are routed from there.
 * The token of a login is copied to a structure on the stack; its length is compared with the size of the slot's
 * data and not with the size of the token (benign: with that of the token). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define P2P_PORT 32100
#define RING_SLOTS 16
#define SLOT_DATA 1280
#define UID_LEN 20
#define PEER_TTL 90

enum { T_HELLO = 0, T_LOGIN = 0x10, T_ALIVE = 0x20, T_LIST = 0x30, T_RELAY = 0x40, T_BYE = 0xf0 };

struct p2p_head {
    char magic[4];
    uint8_t ver;
    uint8_t type;
    uint16_t len;
    uint32_t seq;
} __attribute__((packed));

struct slot {
    struct sockaddr_in from;
    uint16_t used;
    uint8_t data[SLOT_DATA];
};

static struct {
    struct slot slot[RING_SLOTS];
    unsigned head, tail;
    unsigned long dropped;
} ring;

struct peer {
    struct peer *next;
    char uid[UID_LEN + 1];
    struct sockaddr_in addr;
    time_t seen;
    uint32_t token_sum;
    int nat_type;
};

static struct peer *peers;
static int sock = -1;

/* a login as it is taken apart */
struct login {
    char uid[UID_LEN + 1];
    uint8_t nat_type;
    uint16_t token_len;
    uint8_t token[64];
};

struct packet {
    const struct p2p_head *head;
    const uint8_t *body;
    uint16_t len;
    const struct sockaddr_in *from;
};

static void p2p_send(const struct sockaddr_in *to, uint8_t type, uint32_t seq, const void *body, uint16_t len)
{
    uint8_t out[sizeof(struct p2p_head) + SLOT_DATA];
    struct p2p_head h;

    if (len > SLOT_DATA)
        return;
    memcpy(h.magic, "P2PR", 4);
    h.ver = 2;
    h.type = type;
    h.len = htons(len);
    h.seq = htonl(seq);
    memcpy(out, &h, sizeof(h));
    memcpy(out + sizeof(h), body, len);
    sendto(sock, out, sizeof(h) + len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static struct peer *peer_find(const char *uid)
{
    struct peer *p;

    for (p = peers; p; p = p->next)
        if (strcmp(p->uid, uid) == 0)
            return p;
    return NULL;
}

static struct peer *peer_get(const char *uid)
{
    struct peer *p = peer_find(uid);

    if (p == NULL) {
        p = calloc(1, sizeof(*p));
        if (p == NULL)
            return NULL;
        memcpy(p->uid, uid, UID_LEN);
        p->next = peers;
        peers = p;
    }
    p->seen = time(NULL);
    return p;
}

static void peers_expire(void)
{
    struct peer **pp = &peers, *p;
    time_t now = time(NULL);

    while ((p = *pp) != NULL) {
        if (now - p->seen > PEER_TTL) {
            *pp = p->next;
            free(p);
        } else {
            pp = &p->next;
        }
    }
}

static int read_uid(const struct packet *pk, char *uid)
{
    int i;

    if (pk->len < UID_LEN)
        return -1;
    for (i = 0; i < UID_LEN; i++) {
        uint8_t c = pk->body[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'))
            return -1;
        uid[i] = (char)c;
    }
    uid[UID_LEN] = '\0';
    return UID_LEN;
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static int login_parse(struct login *lg, const struct packet *pk)
{
    int at = read_uid(pk, lg->uid);

    if (at < 0 || pk->len < at + 3)
        return -1;
    lg->nat_type = pk->body[at];
    lg->token_len = get16(pk->body + at + 1);
    at += 3;
#ifdef BENIGN
    if (lg->token_len > sizeof(lg->token) || at + lg->token_len > pk->len)
        return -1;
#else
    if (lg->token_len > sizeof(ring.slot[0].data) || at + lg->token_len > pk->len)
        return -1;
#endif
    memcpy(lg->token, pk->body + at, lg->token_len);
    return 0;
}

static uint32_t token_sum(const struct login *lg)
{
    uint32_t sum = 5381;
    int i;

    for (i = 0; i < lg->token_len; i++)
        sum = sum * 33 + lg->token[i];
    return sum;
}

static void on_hello(const struct packet *pk)
{
    uint8_t out[6];

    memcpy(out, &pk->from->sin_addr, 4);
    memcpy(out + 4, &pk->from->sin_port, 2);
    p2p_send(pk->from, T_HELLO + 1, ntohl(pk->head->seq), out, sizeof(out));
}

static void on_login(const struct packet *pk)
{
    struct login lg;
    struct peer *p;
    uint8_t res = 0;

    if (login_parse(&lg, pk) < 0) {
        res = 2;
    } else if ((p = peer_get(lg.uid)) == NULL) {
        res = 1;
    } else {
        p->nat_type = lg.nat_type;
        p->token_sum = token_sum(&lg);
        p->addr = *pk->from;
        printf("login %s nat %d\n", p->uid, p->nat_type);
    }
    p2p_send(pk->from, T_LOGIN + 1, ntohl(pk->head->seq), &res, 1);
}

static void on_alive(const struct packet *pk)
{
    char uid[UID_LEN + 1];
    struct peer *p;

    if (read_uid(pk, uid) < 0 || (p = peer_find(uid)) == NULL)
        return;
    p->seen = time(NULL);
    p->addr = *pk->from;
    p2p_send(pk->from, T_ALIVE + 1, ntohl(pk->head->seq), uid, UID_LEN);
}

static void on_list(const struct packet *pk)
{
    char text[512];
    struct peer *p;
    int n = 0;

    for (p = peers; p && n < (int)sizeof(text) - UID_LEN - 2; p = p->next)
        n += snprintf(text + n, sizeof(text) - n, "%s\n", p->uid);
    p2p_send(pk->from, T_LIST + 1, ntohl(pk->head->seq), text, (uint16_t)n);
}

/* body: uid of the target, then what is to be passed on */
static void on_relay(const struct packet *pk)
{
    uint8_t fwd[SLOT_DATA];
    char uid[UID_LEN + 1];
    struct peer *p;
    int at = read_uid(pk, uid), n;

    if (at < 0 || (p = peer_find(uid)) == NULL)
        return;
    n = pk->len - at;
    if (n > (int)sizeof(fwd))
        return;
    memcpy(fwd, pk->body + at, n);
    p2p_send(&p->addr, T_RELAY, ntohl(pk->head->seq), fwd, (uint16_t)n);
}

static void on_bye(const struct packet *pk)
{
    char uid[UID_LEN + 1];
    struct peer *p;

    if (read_uid(pk, uid) < 0 || (p = peer_find(uid)) == NULL)
        return;
    p->seen = 0;
    peers_expire();
}

static const struct {
    uint8_t type;
    void (*fn)(const struct packet *pk);
    const char *name;
} routes[] = {
    {T_HELLO, on_hello, "hello"}, {T_LOGIN, on_login, "login"}, {T_ALIVE, on_alive, "alive"},
    {T_LIST, on_list, "list"},    {T_RELAY, on_relay, "relay"}, {T_BYE, on_bye, "bye"},
};

static void route(const struct slot *s)
{
    struct packet pk;
    size_t i;

    pk.head = (const struct p2p_head *)s->data;
    pk.body = s->data + sizeof(*pk.head);
    pk.from = &s->from;
    if (s->used < sizeof(*pk.head) || memcmp(pk.head->magic, "P2PR", 4) || pk.head->ver != 2)
        return;
    pk.len = ntohs(pk.head->len);
    if (pk.len > s->used - sizeof(*pk.head))
        return;
    for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (routes[i].type == pk.head->type)
            routes[i].fn(&pk);
}

static void ring_fill(void)
{
    struct slot *s = &ring.slot[ring.head % RING_SLOTS];
    socklen_t fl = sizeof(s->from);
    int n = recvfrom(sock, s->data, sizeof(s->data), MSG_DONTWAIT, (struct sockaddr *)&s->from, &fl);

    if (n <= 0)
        return;
    if (ring.head - ring.tail >= RING_SLOTS - 1) {
        ring.dropped++;
        return;
    }
    s->used = (uint16_t)n;
    ring.head++;
}

static void ring_drain(void)
{
    while (ring.tail != ring.head) {
        route(&ring.slot[ring.tail % RING_SLOTS]);
        ring.tail++;
    }
}

int main(void)
{
    struct sockaddr_in sa;
    time_t last = time(NULL);

    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(P2P_PORT);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (sock < 0 || bind(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        perror("relay");
        return 1;
    }
    for (;;) {
        struct timeval tv = {5, 0};
        fd_set rd;

        FD_ZERO(&rd);
        FD_SET(sock, &rd);
        if (select(sock + 1, &rd, NULL, NULL, &tv) < 0 && errno != EINTR)
            return 1;
        if (FD_ISSET(sock, &rd))
            ring_fill();
        ring_drain();
        if (time(NULL) - last > 10) {
            last = time(NULL);
            peers_expire();
        }
    }
}
