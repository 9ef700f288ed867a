/* wandhcp.c: small DHCP client for the WAN side
 *
 * INIT -> SELECTING -> REQUESTING -> BOUND -> RENEWING, the interface is
 * configured from the main loop once the lease is settled.
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>
#include <string.h>
#include <stdint.h>
#include <ctype.h>
#include <time.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CLIENT_PORT 68
#define SERVER_PORT 67
#define COOKIE      0x63825363u

#define OPT_MASK     1
#define OPT_ROUTER   3
#define OPT_DNS      6
#define OPT_DOMAIN   15
#define OPT_REQIP    50
#define OPT_LEASE    51
#define OPT_MSGTYPE  53
#define OPT_SERVERID 54
#define OPT_PARAMS   55
#define OPT_END      255

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK };
enum state { S_INIT, S_SELECTING, S_REQUESTING, S_BOUND };

struct dhcp_msg {
    uint8_t  op, htype, hlen, hops;
    uint32_t xid;
    uint16_t secs, flags;
    uint32_t ciaddr, yiaddr, siaddr, giaddr;
    uint8_t  chaddr[16];
    uint8_t  sname[64];
    uint8_t  file[128];
    uint32_t cookie;
    uint8_t  options[308];
} __attribute__((packed));

struct lease {
    uint32_t ip, mask, router, dns, server;
    uint32_t seconds;
    int      msgtype;
    char     domain[128];
};

static enum state st = S_INIT;
static struct lease *cur;
static uint32_t xid;
static time_t deadline, apply_at;
static uint8_t mac[6] = { 0x00, 0x1d, 0xaa, 0x10, 0x20, 0x30 };
static const char *ifname = "eth1";

static void run(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof line)
        return;
    n = system(line);
    if (n != 0)
        fprintf(stderr, "wandhcp: command returned %d\n", n);
}

static char *ip2s(uint32_t a, char *buf)
{
    struct in_addr in;

    in.s_addr = a;
    inet_ntop(AF_INET, &in, buf, INET_ADDRSTRLEN);
    return buf;
}

/* The name ends up in resolv.conf, keep junk out of it. */
static int domain_ok(const char *s)
{
    const char *p;

    if (*s == '\0' || *s == '-' || *s == '.')
        return 0;
    for (p = s; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (!isgraph(c) || c == '/' || c == '#' || c == '"')
            return 0;
    }
    return 1;
}

static void apply_lease(const struct lease *l)
{
    char a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN];

    run("ifconfig %s %s netmask %s up", ifname, ip2s(l->ip, a), ip2s(l->mask, b));
    if (l->router)
        run("route del default 2>/dev/null; route add default gw %s", ip2s(l->router, a));
    run("echo nameserver %s > /etc/resolv.conf", ip2s(l->dns ? l->dns : l->server, a));
    if (l->domain[0] && domain_ok(l->domain))
        run("echo search %s >> /etc/resolv.conf", l->domain);
    fprintf(stderr, "wandhcp: %s bound to %s for %u s\n", ifname,
            ip2s(l->ip, a), (unsigned)l->seconds);
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return v;
}

static int parse_options(const uint8_t *o, int n, struct lease *l)
{
    int i = 0;

    while (i < n && o[i] != OPT_END) {
        int code = o[i++], len;

        if (code == 0)
            continue;
        if (i >= n)
            return -1;
        len = o[i++];
        if (i + len > n)
            return -1;
        switch (code) {
        case OPT_MSGTYPE:
            if (len == 1)
                l->msgtype = o[i];
            break;
        case OPT_MASK:
            if (len == 4)
                l->mask = get32(o + i);
            break;
        case OPT_ROUTER:
            if (len >= 4)
                l->router = get32(o + i);
            break;
        case OPT_DNS:
            if (len >= 4)
                l->dns = get32(o + i);
            break;
        case OPT_SERVERID:
            if (len == 4)
                l->server = get32(o + i);
            break;
        case OPT_LEASE:
            if (len == 4)
                l->seconds = ntohl(get32(o + i));
            break;
        case OPT_DOMAIN:
            if (len < (int)sizeof l->domain) {
                memcpy(l->domain, o + i, (size_t)len);
                l->domain[len] = '\0';
            }
            break;
        default:
            break;
        }
        i += len;
    }
    return l->msgtype ? 0 : -1;
}

static uint8_t *opt_add(uint8_t *p, int code, const void *data, int len)
{
    *p++ = (uint8_t)code;
    *p++ = (uint8_t)len;
    memcpy(p, data, (size_t)len);
    return p + len;
}

static void send_msg(int s, int type)
{
    static const uint8_t want[] = { OPT_MASK, OPT_ROUTER, OPT_DNS, OPT_DOMAIN, OPT_LEASE };
    struct dhcp_msg m;
    struct sockaddr_in to;
    uint8_t t = (uint8_t)type, *p;

    memset(&m, 0, sizeof m);
    m.op = 1;
    m.htype = 1;
    m.hlen = 6;
    m.xid = htonl(xid);
    m.flags = htons(0x8000);
    memcpy(m.chaddr, mac, 6);
    m.cookie = htonl(COOKIE);
    p = opt_add(m.options, OPT_MSGTYPE, &t, 1);
    p = opt_add(p, OPT_PARAMS, want, sizeof want);
    if (type == REQUEST && cur) {
        p = opt_add(p, OPT_REQIP, &cur->ip, 4);
        p = opt_add(p, OPT_SERVERID, &cur->server, 4);
    }
    *p = OPT_END;
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons(SERVER_PORT);
    to.sin_addr.s_addr = htonl(INADDR_BROADCAST);
    if (sendto(s, &m, sizeof m, 0, (struct sockaddr *)&to, sizeof to) < 0)
        perror("wandhcp: sendto");
}

static void on_reply(int s, const struct dhcp_msg *m, int n)
{
    struct lease *l;
    int optlen = n - (int)(sizeof *m - sizeof m->options);

    if (optlen <= 0 || m->op != 2 || ntohl(m->xid) != xid || ntohl(m->cookie) != COOKIE)
        return;
    if (memcmp(m->chaddr, mac, 6))
        return;
    l = calloc(1, sizeof *l);
    if (!l)
        return;
    l->ip = m->yiaddr;
    l->mask = htonl(0xffffff00u);
    l->seconds = 3600;
    if (parse_options(m->options, optlen, l) < 0) {
        free(l);
        return;
    }
    if (st == S_SELECTING && l->msgtype == OFFER) {
        free(cur);
        cur = l;
        st = S_REQUESTING;
        deadline = time(NULL) + 5;
        send_msg(s, REQUEST);
    } else if (st == S_REQUESTING && l->msgtype == ACK) {
        if (l->seconds < 60)
            l->seconds = 60;
        free(cur);
        cur = l;
        st = S_BOUND;
        apply_at = time(NULL) + 1;
        deadline = time(NULL) + (time_t)(l->seconds / 2);
    } else {
        if (l->msgtype == NAK)
            st = S_INIT;
        free(l);
    }
}

static void tick(int s)
{
    time_t now = time(NULL);

    if (apply_at && now >= apply_at) {
        apply_at = 0;
        apply_lease(cur);
    }
    if (st == S_INIT) {
        xid = (uint32_t)rand();
        st = S_SELECTING;
        deadline = now + 5;
        send_msg(s, DISCOVER);
    } else if (now >= deadline) {
        if (st == S_BOUND) {
            st = S_REQUESTING;
            deadline = now + 30;
            send_msg(s, REQUEST);
        } else {
            st = S_INIT;
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in me;
    struct dhcp_msg m;
    struct pollfd pf;
    int s, on = 1;

    if (argc > 1)
        ifname = argv[1];
    srand((unsigned)(time(NULL) ^ getpid()));
    s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0) {
        perror("wandhcp: socket");
        return 1;
    }
    setsockopt(s, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(CLIENT_PORT);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0) {
        perror("wandhcp: bind");
        return 1;
    }
    pf.fd = s;
    pf.events = POLLIN;
    for (;;) {
        if (poll(&pf, 1, 1000) > 0) {
            ssize_t n = recv(s, &m, sizeof m, 0);

            if (n > 0)
                on_reply(s, &m, (int)n);
        }
        tick(s);
    }
}
