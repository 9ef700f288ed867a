#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>
#include <poll.h>
#include <syslog.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define DHCP_PORT    67
#define DHCP_FIXED   240
#define DHCP_COOKIE  0x63825363u
#define LEASES       32
#define HOST_CAP     64

#define OPT_PAD      0
#define OPT_HOST     12
#define OPT_REQIP    50
#define OPT_TYPE     53
#define OPT_VENDOR   60
#define OPT_END      255

struct lease {
    uint8_t  mac[6];
    uint32_t ip;
    time_t   until;
    char     host[HOST_CAP];
};

struct txn {
    uint8_t  mac[6];
    uint8_t  type;
    uint32_t req_ip;
    char     host[HOST_CAP];
    int      is_phone;
};

typedef void (*opt_fn)(struct txn *t, const uint8_t *data, unsigned len);

static opt_fn       opt_table[256];
static struct lease pool[LEASES];

static uint32_t be32(const uint8_t *p)
{
    return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) |
           ((uint32_t)p[2] << 8) | p[3];
}

static void opt_register(unsigned code, opt_fn fn)
{
    if (code < 256)
        opt_table[code] = fn;
}

static void tidy_name(char *s)
{
    for (; *s; s++) {
        if (!isalnum((unsigned char)*s) && *s != '-')
            *s = '_';
        else
            *s = (char)tolower((unsigned char)*s);
    }
}

static void opt_type(struct txn *t, const uint8_t *data, unsigned len)
{
    if (len == 1)
        t->type = data[0];
}

static void opt_reqip(struct txn *t, const uint8_t *data, unsigned len)
{
    if (len == 4)
        t->req_ip = be32(data);
}

static void opt_vendor(struct txn *t, const uint8_t *data, unsigned len)
{
    t->is_phone = len >= 12 && memcmp(data, "android-dhcp", 12) == 0;
}

static void opt_host(struct txn *t, const uint8_t *data, unsigned len)
{
    char name[HOST_CAP];

    if (len == 0)
        return;
    if (len > sizeof(name) - 1)
        len = sizeof(name) - 1;
    memcpy(name, data, len);
    name[len] = '\0';
    tidy_name(name);
    if (strcmp(name, "localhost") == 0)
        return;
    snprintf(t->host, sizeof(t->host), "%s", name);
    syslog(LOG_DEBUG, "hostname %s", name);
}

static void walk_options(struct txn *t, const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p != OPT_END) {
        unsigned code = *p++;
        unsigned len;

        if (code == OPT_PAD)
            continue;
        if (p >= end)
            return;
        len = *p++;
        if (len > (unsigned)(end - p))
            return;
        if (opt_table[code])
            opt_table[code](t, p, len);
        p += len;
    }
}

static struct lease *lease_for(const struct txn *t)
{
    struct lease *spare = NULL;
    time_t now = time(NULL);
    int i;

    for (i = 0; i < LEASES; i++) {
        if (pool[i].until && memcmp(pool[i].mac, t->mac, 6) == 0)
            return &pool[i];
        if (!spare && pool[i].until < now)
            spare = &pool[i];
    }
    if (spare) {
        memset(spare, 0, sizeof(*spare));
        memcpy(spare->mac, t->mac, 6);
        spare->ip = 0xC0A80164u + (uint32_t)(spare - pool);
    }
    return spare;
}

static void on_discover(const struct txn *t)
{
    struct lease *l = lease_for(t);

    if (l)
        l->until = time(NULL) + 60;
}

static void on_request(const struct txn *t)
{
    struct lease *l = lease_for(t);

    if (!l)
        return;
    if (t->req_ip && t->req_ip != l->ip)
        syslog(LOG_INFO, "client wants other address");
    memcpy(l->host, t->host, sizeof(l->host));
    l->until = time(NULL) + (t->is_phone ? 3600 : 86400);
}

static void on_release(const struct txn *t)
{
    struct lease *l = lease_for(t);

    if (l)
        memset(l, 0, sizeof(*l));
}

static void (*const msg_table[])(const struct txn *) = {
    NULL, on_discover, NULL, on_request, NULL, NULL, NULL, on_release
};

static void on_packet(const uint8_t *pkt, size_t n)
{
    struct txn t;

    if (n < DHCP_FIXED || pkt[0] != 1 || pkt[1] != 1 || pkt[2] != 6)
        return;
    if (be32(pkt + 236) != DHCP_COOKIE)
        return;
    memset(&t, 0, sizeof(t));
    memcpy(t.mac, pkt + 28, 6);
    walk_options(&t, pkt + DHCP_FIXED, pkt + n);
    if (t.type < sizeof(msg_table) / sizeof(msg_table[0]) && msg_table[t.type])
        msg_table[t.type](&t);
}

static void dump_leases(void)
{
    FILE *f = fopen("/var/lib/leases.txt", "w");
    int i;

    if (!f)
        return;
    for (i = 0; i < LEASES; i++) {
        struct in_addr ia;

        if (!pool[i].until)
            continue;
        ia.s_addr = htonl(pool[i].ip);
        fprintf(f, "%02x:%02x:%02x:%02x:%02x:%02x %s %ld %s\n",
                pool[i].mac[0], pool[i].mac[1], pool[i].mac[2],
                pool[i].mac[3], pool[i].mac[4], pool[i].mac[5],
                inet_ntoa(ia), (long)pool[i].until, pool[i].host);
    }
    fclose(f);
}

int main(void)
{
    static uint8_t pkt[1500];
    struct sockaddr_in a;
    struct pollfd pf;
    time_t last = 0;

    openlog("gwdhcp", LOG_PID, LOG_DAEMON);
    opt_register(OPT_HOST, opt_host);
    opt_register(OPT_REQIP, opt_reqip);
    opt_register(OPT_TYPE, opt_type);
    opt_register(OPT_VENDOR, opt_vendor);
    pf.fd = socket(AF_INET, SOCK_DGRAM, 0);
    pf.events = POLLIN;
    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons(DHCP_PORT);
    a.sin_addr.s_addr = htonl(INADDR_ANY);
    if (pf.fd < 0 || bind(pf.fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        syslog(LOG_ERR, "cannot bind");
        return 1;
    }
    for (;;) {
        pf.revents = 0;
        if (poll(&pf, 1, 1000) > 0) {
            ssize_t n = recv(pf.fd, pkt, sizeof(pkt), 0);

            if (n > 0)
                on_packet(pkt, (size_t)n);
        }
        if (time(NULL) - last > 120) {
            last = time(NULL);
            dump_leases();
        }
    }
}
