/*
 * Node of a radio mesh. A receiver thread takes datagrams with recvmsg() and puts them into a ring; a worker applies
 * them: neighbours are remembered, routes are handed to the kernel through the ip tool.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define RING 16
#define NEIGHBOURS 32
#define BODY 240

struct frame {
    struct in_addr from;
    unsigned ifindex;
    uint16_t size;
    char body[BODY];
};

static struct {
    struct frame frames[RING];
    unsigned head, tail;
    unsigned long lost;
    pthread_mutex_t lock;
    pthread_cond_t more;
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static struct neighbour {
    struct in_addr address;
    time_t heard;
    int quality;
} neighbours[NEIGHBOURS];

static int udp;
static int max_age = 120;
static const char *const device = "mesh0";

static void ring_put(const struct frame *f)
{
    pthread_mutex_lock(&ring.lock);
    if (ring.head - ring.tail == RING)
        ring.lost++;
    else {
        ring.frames[ring.head % RING] = *f;
        ring.head++;
        pthread_cond_signal(&ring.more);
    }
    pthread_mutex_unlock(&ring.lock);
}

/* 1 with a frame, 0 when none came within a second. */
static int ring_get(struct frame *f)
{
    struct timespec until;
    int got = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    pthread_mutex_lock(&ring.lock);
    while (ring.head == ring.tail)
        if (pthread_cond_timedwait(&ring.more, &ring.lock, &until) != 0)
            break;
    if (ring.head != ring.tail) {
        *f = ring.frames[ring.tail % RING];
        ring.tail++;
        got = 1;
    }
    pthread_mutex_unlock(&ring.lock);
    return got;
}

static struct neighbour *neighbour_of(struct in_addr address)
{
    struct neighbour *oldest = neighbours;
    for (int i = 0; i < NEIGHBOURS; i++) {
        if (neighbours[i].address.s_addr == address.s_addr)
            return &neighbours[i];
        if (neighbours[i].heard < oldest->heard)
            oldest = &neighbours[i];
    }
    memset(oldest, 0, sizeof *oldest);
    oldest->address = address;
    return oldest;
}

static void answer(const struct frame *f, const char *text)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(4305), .sin_addr = f->from};
    sendto(udp, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to);
}

static int is_address(const char *text)
{
#ifdef BENIGN
    struct in_addr parsed;
    return inet_pton(AF_INET, text, &parsed) == 1;
#else
    int dots = 0;
    for (const char *s = text; *s; s++)
        dots += *s == '.';
    return dots == 3;
#endif
}

static int route_command(const char *verb, const char *net, const char *gateway)
{
    char line[200];
    int n = snprintf(line, sizeof line, "ip route %s %s/32 via %s dev %s", verb, net, gateway, device);
    if (n >= (int)sizeof line)
        return -1;
    return system(line);
}

static void route(struct frame *f, char *rest)
{
    char *state, *verb = strtok_r(rest, " ", &state), *net, *gateway;
    if (!verb)
        return;
    net = strtok_r(NULL, " ", &state);
    gateway = strtok_r(NULL, "\r\n", &state);
    if (!net || !gateway || !is_address(net) || !is_address(gateway)) {
        answer(f, "MESH1 NAK\n");
        return;
    }
    if (strcmp(verb, "add") == 0)
        route_command("replace", net, gateway);
    else if (strcmp(verb, "del") == 0)
        route_command("del", net, gateway);
    else
        return;
    answer(f, "MESH1 ACK\n");
}

static void hello(const struct frame *f, const char *rest)
{
    struct neighbour *n = neighbour_of(f->from);
    n->heard = time(NULL);
    n->quality = atoi(rest);
    if (n->quality < 0 || n->quality > 255)
        n->quality = 0;
}

static void channel(const struct frame *f, const char *rest)
{
    char line[64];
    int number = atoi(rest);
    if (number < 1 || number > 13)
        return;
    snprintf(line, sizeof line, "iw dev mesh0 set channel %d", number);
    if (system(line) == 0)
        answer(f, "MESH1 ACK\n");
}

static void dump(const struct frame *f)
{
    char text[64], address[INET_ADDRSTRLEN];
    for (int i = 0; i < NEIGHBOURS; i++) {
        if (!neighbours[i].heard)
            continue;
        inet_ntop(AF_INET, &neighbours[i].address, address, sizeof address);
        snprintf(text, sizeof text, "MESH1 N %s %d\n", address, neighbours[i].quality);
        answer(f, text);
    }
}

static void apply(struct frame *f)
{
    char *body = f->body;
    if (strncmp(body, "MESH1 ", 6) != 0) {
        syslog(LOG_NOTICE, "foreign frame of %u bytes from %s", f->size, inet_ntoa(f->from));
        return;
    }
    body += 6;
    switch (*body) {
    case 'H':
        hello(f, body + 1);
        break;
    case 'R':
        if (body[1] == ' ')
            route(f, body + 2);
        break;
    case 'C':
        channel(f, body + 1);
        break;
    case 'D':
        dump(f);
        break;
    case 'L':
        syslog(LOG_INFO, "%s says: %s", inet_ntoa(f->from), body + 1);
        break;
    case 'F':
        system("ip route flush dev mesh0 proto static");
        break;
    }
}

static void age(void)
{
    time_t now = time(NULL);
    for (int i = 0; i < NEIGHBOURS; i++)
        if (neighbours[i].heard && now - neighbours[i].heard > max_age) {
            syslog(LOG_INFO, "neighbour %s is gone", inet_ntoa(neighbours[i].address));
            memset(&neighbours[i], 0, sizeof neighbours[i]);
        }
}

static void *worker(void *unused)
{
    struct frame f;
    (void)unused;
    for (;;) {
        if (ring_get(&f))
            apply(&f);
        age();
    }
    return NULL;
}

static void *receiver(void *unused)
{
    (void)unused;
    for (;;) {
        struct frame f;
        struct sockaddr_in from;
        char control[128];
        struct iovec part = {f.body, BODY - 1};
        struct msghdr m;
        memset(&f, 0, sizeof f);
        memset(&m, 0, sizeof m);
        m.msg_name = &from;
        m.msg_namelen = sizeof from;
        m.msg_iov = &part;
        m.msg_iovlen = 1;
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        ssize_t n = recvmsg(udp, &m, 0);
        if (n <= 0)
            continue;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
            if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
                struct in_pktinfo info;
                memcpy(&info, CMSG_DATA(c), sizeof info);
                f.ifindex = (unsigned)info.ipi_ifindex;
            }
        f.from = from.sin_addr;
        f.size = (uint16_t)n;
        f.body[n] = 0;
        ring_put(&f);
    }
    return NULL;
}

static void configure(const char *path)
{
    char key[32];
    int value;
    FILE *f = fopen(path, "r");
    if (!f)
        return;
    while (fscanf(f, "%31s %d", key, &value) == 2)
        if (strcmp(key, "max_age") == 0 && value > 0)
            max_age = value;
    fclose(f);
}

int main(void)
{
    struct sockaddr_in me;
    pthread_t threads[2];
    int on = 1;
    openlog("meshd", LOG_PID, LOG_DAEMON);
    configure("/etc/meshd.conf");
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    if (udp < 0)
        return 1;
    setsockopt(udp, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(4305);
    if (bind(udp, (struct sockaddr *)&me, sizeof me) < 0) {
        syslog(LOG_ERR, "bind: %m");
        return 1;
    }
    if (pthread_create(&threads[0], NULL, worker, NULL) || pthread_create(&threads[1], NULL, receiver, NULL))
        return 1;
    pthread_join(threads[1], NULL);
    return 0;
}
