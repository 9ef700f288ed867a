/*
 * p2pd: "view from anywhere" agent of the network video recorder.
 *
 * Phones in the same network and the rendezvous servers send short UDP packets to port 32100:
 *
 *     0   4  "NVRP"
 *     4   1  type
 *     5   1  flags
 *     6   2  length of the body, big endian
 *     8   .. body
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#define P2P_HEAD        8
#define P2P_MTU         1280
#define P2P_SESSIONS    6
#define P2P_IDLE        30
#define DID_LEN         20
#define CRED_LEN        64

enum p2p_type {
    P2P_HELLO       = 0x00,
    P2P_HELLO_ACK   = 0x01,
    P2P_LAN_SEARCH  = 0x30,
    P2P_PUNCH       = 0x41,
    P2P_LOGIN       = 0x60,
    P2P_ALIVE       = 0xE0,
    P2P_ALIVE_ACK   = 0xE1,
    P2P_CLOSE       = 0xF0,
    P2P_ERROR       = 0xFF
};

struct packet {
    const uint8_t *body;
    size_t body_len;            /* as the header says */
    struct sockaddr_in peer;
    uint8_t type;
    uint8_t flags;
};

struct session {
    bool used;
    bool authorised;
    time_t seen;
    struct sockaddr_in peer;
    char user[24];
    uint32_t nonce;
};

struct agent {
    int sock;
    int timer;
    int ep;
    char did[DID_LEN + 1];
    char password[32];
    struct session sessions[P2P_SESSIONS];
    unsigned dropped, refused;
};

typedef int (*type_handler)(struct agent *, const struct packet *);

static int p2p_send(struct agent *a, const struct sockaddr_in *to, uint8_t type, const void *body, uint16_t len)
{
    uint8_t out[P2P_HEAD + 256] = { 'N', 'V', 'R', 'P' };

    if (len > 256)
        return -EMSGSIZE;
    out[4] = type;
    out[6] = (uint8_t)(len >> 8);
    out[7] = (uint8_t)len;
    if (len)
        memcpy(out + P2P_HEAD, body, len);
    if (sendto(a->sock, out, P2P_HEAD + len, 0, (const struct sockaddr *)to, sizeof(*to)) < 0)
        return -errno;
    return 0;
}

static struct session *session_find(struct agent *a, const struct sockaddr_in *peer, bool create)
{
    struct session *spare = NULL;

    for (size_t i = 0; i < P2P_SESSIONS; ++i) {
        struct session *s = &a->sessions[i];
        if (!s->used) {
            if (!spare)
                spare = s;
        } else if (s->peer.sin_addr.s_addr == peer->sin_addr.s_addr && s->peer.sin_port == peer->sin_port) {
            return s;
        }
    }
    if (!create || !spare)
        return NULL;
    memset(spare, 0, sizeof(*spare));
    spare->used = true;
    spare->peer = *peer;
    spare->nonce = (uint32_t)random();
    spare->seen = time(NULL);
    return spare;
}

static int on_hello(struct agent *a, const struct packet *p)
{
    uint8_t body[8];

    memcpy(body, &p->peer.sin_addr, 4);
    memcpy(body + 4, &p->peer.sin_port, 2);
    body[6] = body[7] = 0;
    return p2p_send(a, &p->peer, P2P_HELLO_ACK, body, sizeof(body));
}

static int on_search(struct agent *a, const struct packet *p)
{
    return p2p_send(a, &p->peer, P2P_PUNCH, a->did, DID_LEN);
}

static int on_punch(struct agent *a, const struct packet *p)
{
    struct session *s;

    if (p->body_len != DID_LEN || memcmp(p->body, a->did, DID_LEN) != 0)
        return -EPERM;
    s = session_find(a, &p->peer, true);
    if (!s)
        return -ENOSPC;
    return p2p_send(a, &p->peer, P2P_PUNCH, &s->nonce, sizeof(s->nonce));
}

/* "user:password", xored with the nonce of the session */
static bool check_login(struct agent *a, struct session *s, const struct packet *p)
{
    uint8_t cred[CRED_LEN];
    const uint8_t *key = (const uint8_t *)&s->nonce;
    size_t ulen, plen = strlen(a->password);
    uint8_t *colon;

#ifdef BENIGN
    if (p->body_len < 3 || p->body_len > sizeof(cred))
        return false;
#else
    if (p->body_len < 3)
        return false;
#endif
    memcpy(cred, p->body, p->body_len);
    for (size_t i = 0; i < p->body_len; ++i)
        cred[i] ^= key[i & 3];
    colon = memchr(cred, ':', p->body_len);
    if (!colon)
        return false;
    ulen = (size_t)(colon - cred);
    if (ulen == 0 || ulen >= sizeof(s->user))
        return false;
    if (p->body_len - ulen - 1 != plen || memcmp(colon + 1, a->password, plen) != 0)
        return false;
    memcpy(s->user, cred, ulen);
    s->user[ulen] = '\0';
    return true;
}

static int on_login(struct agent *a, const struct packet *p)
{
    struct session *s = session_find(a, &p->peer, true);
    uint8_t result;

    if (!s)
        return -ENOSPC;
    s->seen = time(NULL);
    s->authorised = check_login(a, s, p);
    if (!s->authorised)
        a->refused++;
    result = s->authorised ? 0 : 1;
    return p2p_send(a, &p->peer, P2P_LOGIN, &result, 1);
}

static int on_alive(struct agent *a, const struct packet *p)
{
    struct session *s = session_find(a, &p->peer, false);

    if (!s)
        return -ENOENT;
    s->seen = time(NULL);
    return p2p_send(a, &p->peer, P2P_ALIVE_ACK, NULL, 0);
}

static int on_close(struct agent *a, const struct packet *p)
{
    struct session *s = session_find(a, &p->peer, false);

    if (s)
        s->used = false;
    return 0;
}

static const struct {
    enum p2p_type type;
    type_handler handler;
} handlers[] = {
    { P2P_HELLO, on_hello },
    { P2P_LAN_SEARCH, on_search },
    { P2P_PUNCH, on_punch },
    { P2P_LOGIN, on_login },
    { P2P_ALIVE, on_alive },
    { P2P_CLOSE, on_close },
};

static void on_packet(struct agent *a)
{
    static uint8_t raw[P2P_MTU];
    struct packet p;
    socklen_t plen = sizeof(p.peer);
    ssize_t n = recvfrom(a->sock, raw, sizeof(raw), MSG_DONTWAIT, (struct sockaddr *)&p.peer, &plen);

    if (n < P2P_HEAD || memcmp(raw, "NVRP", 4) != 0) {
        a->dropped++;
        return;
    }
    p.type = raw[4];
    p.flags = raw[5];
    p.body_len = (size_t)raw[6] << 8 | raw[7];
    p.body = raw + P2P_HEAD;
    if (p.body_len > (size_t)n - P2P_HEAD) {
        a->dropped++;
        return;
    }
    for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); ++i) {
        if (handlers[i].type == p.type) {
            int rc = handlers[i].handler(a, &p);
            if (rc < 0) {
                int32_t code = htonl((uint32_t)-rc);
                p2p_send(a, &p.peer, P2P_ERROR, &code, sizeof(code));
            }
            return;
        }
    }
}

static void on_timer(struct agent *a)
{
    uint64_t ticks;
    time_t now = time(NULL);

    if (read(a->timer, &ticks, sizeof(ticks)) != sizeof(ticks))
        return;
    for (size_t i = 0; i < P2P_SESSIONS; ++i)
        if (a->sessions[i].used && now - a->sessions[i].seen > P2P_IDLE)
            a->sessions[i].used = false;
}

static void load(struct agent *a, const char *path)
{
    FILE *f = fopen(path, "r");

    memcpy(a->did, "NVRA-000001-ABCDEFGH", DID_LEN);
    snprintf(a->password, sizeof(a->password), "888888");
    if (!f)
        return;
    if (fscanf(f, "%20s %31s", a->did, a->password) != 2)
        fprintf(stderr, "p2pd: %s is damaged\n", path);
    fclose(f);
}

int main(void)
{
    static struct agent agent;
    struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(32100) };
    struct itimerspec each = { .it_interval = { .tv_sec = 5 }, .it_value = { .tv_sec = 5 } };
    struct epoll_event ev;

    load(&agent, "/etc/p2p.conf");
    srandom((unsigned)(time(NULL) ^ getpid()));
    agent.sock = socket(AF_INET, SOCK_DGRAM, 0);
    agent.timer = timerfd_create(CLOCK_MONOTONIC, 0);
    agent.ep = epoll_create1(0);
    if (agent.sock < 0 || agent.timer < 0 || agent.ep < 0)
        return EXIT_FAILURE;
    if (bind(agent.sock, (struct sockaddr *)&local, sizeof(local)) != 0) {
        perror("p2pd: bind");
        return EXIT_FAILURE;
    }
    timerfd_settime(agent.timer, 0, &each, NULL);
    ev.events = EPOLLIN;
    ev.data.fd = agent.sock;
    epoll_ctl(agent.ep, EPOLL_CTL_ADD, agent.sock, &ev);
    ev.data.fd = agent.timer;
    epoll_ctl(agent.ep, EPOLL_CTL_ADD, agent.timer, &ev);

    for (;;) {
        int n = epoll_wait(agent.ep, &ev, 1, -1);
        if (n < 0 && errno != EINTR)
            break;
        if (n != 1)
            continue;
        if (ev.data.fd == agent.sock)
            on_packet(&agent);
        else
            on_timer(&agent);
    }
    return EXIT_FAILURE;
}
