/* Home gateway: a front process takes messages with topics from the network and hands them over a socket pair to the
 * back process, which has the rights, and carries out what devices are due. The pulse time of a device is checked as a
 * number and kept as text (benign: the number is rendered again). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BUS_PORT 1884
#define SIG "MQTL"
#define TOPIC_MAX 64
#define PAYLOAD_MAX 256
#define POOL_BLOCKS 6
#define MAX_DEV 8

enum { PKT_CONNECT = 1, PKT_PUBLISH = 3, PKT_PING = 12 };

/* header on the wire */
struct bus_head {
    char sig[4];
    uint8_t type;
    uint8_t topic_len;
    uint16_t payload_len;
} __attribute__((packed));

/* between the two processes */
struct ipc_msg {
    int op;
    int peer;
    char topic[TOPIC_MAX];
    char payload[PAYLOAD_MAX];
};

struct device {
    char name[16];
    int gpio;
    int power;
    int dirty;
    time_t due;
    struct {
        char pulse[64];
        int color, dimmer;
        int schedule[7];
    } set;
};

static struct {
    int port;
    int ipc;
    struct device dev[MAX_DEV];
    int ndev;
} gw = {BUS_PORT, -1, {{"", 0, 0, 0, 0, {"", 0, 0, {0}}}}, 0};

/* ---- pool of blocks for messages ---- */
static struct block {
    struct block *next;
    struct ipc_msg msg;
} blocks[POOL_BLOCKS], *free_blocks;

static void pool_init(void)
{
    int i;

    for (i = 0; i < POOL_BLOCKS; i++) {
        blocks[i].next = free_blocks;
        free_blocks = &blocks[i];
    }
}

static struct ipc_msg *msg_alloc(void)
{
    struct block *b = free_blocks;

    if (b == NULL)
        return NULL;
    free_blocks = b->next;
    memset(&b->msg, 0, sizeof(b->msg));
    return &b->msg;
}

static void msg_free(struct ipc_msg *m)
{
    struct block *b = (struct block *)((char *)m - offsetof(struct block, msg));

    b->next = free_blocks;
    free_blocks = b;
}

/* ---- back process ---- */
static int do_cmd(const char *fmt, ...)
{
    char line[256];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(line))
        return -1;
    return system(line);
}

static void dev_power(struct device *d, const char *val)
{
    if (strcmp(val, "toggle") == 0)
        d->power = !d->power;
    else
        d->power = strcmp(val, "on") == 0;
    do_cmd("gpioctl %d %d 2>/dev/null", d->gpio, d->power);
}

static void dev_dimmer(struct device *d, const char *val)
{
    d->set.dimmer = atoi(val);
    if (d->set.dimmer < 0 || d->set.dimmer > 100)
        d->set.dimmer = 100;
    do_cmd("pwmctl %d %d 2>/dev/null", d->gpio, d->set.dimmer);
}

static void dev_pulse(struct device *d, const char *val)
{
    int secs = atoi(val);

    if (secs < 1 || secs > 3600) {
        fprintf(stderr, "%s: pulse time out of range\n", d->name);
        return;
    }
#ifdef BENIGN
    snprintf(d->set.pulse, sizeof(d->set.pulse), "%d", secs);
#else
    snprintf(d->set.pulse, sizeof(d->set.pulse), "%s", val);
#endif
    d->dirty = 1;
    d->due = time(NULL) + 1;
}

static void dev_color(struct device *d, const char *val)
{
    static const struct {
        const char *name;
        int rgb;
    } colors[] = {{"red", 0xff0000}, {"green", 0x00ff00}, {"blue", 0x0000ff}, {"white", 0xffffff}};
    unsigned i;

    for (i = 0; i < sizeof(colors) / sizeof(colors[0]); i++) {
        if (strcmp(colors[i].name, val) == 0) {
            d->set.color = colors[i].rgb;
            do_cmd("ledctl %s %06x 2>/dev/null", colors[i].name, d->set.color);
        }
    }
}

static const struct topic_def {
    const char *leaf;
    void (*fn)(struct device *d, const char *val);
} topics[] = {{"power", dev_power}, {"dimmer", dev_dimmer}, {"pulsetime", dev_pulse}, {"color", dev_color}};

/* cmnd/<device>/<leaf> */
static void back_dispatch(const struct ipc_msg *m)
{
    const char *name = m->topic + 5, *leaf = strchr(name, '/');
    unsigned i;
    int k;

    if (leaf == NULL)
        return;
    for (k = 0; k < gw.ndev; k++) {
        struct device *d = &gw.dev[k];

        if (strlen(d->name) != (size_t)(leaf - name) || strncmp(d->name, name, leaf - name))
            continue;
        for (i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
            if (strcmp(topics[i].leaf, leaf + 1) == 0)
                topics[i].fn(d, m->payload);
    }
}

static void back_timers(time_t now)
{
    int k;

    for (k = 0; k < gw.ndev; k++) {
        struct device *d = &gw.dev[k];

        if (!d->dirty || now < d->due)
            continue;
        d->dirty = 0;
        do_cmd("gpiopulse -g %d -t %s 2>/dev/null &", d->gpio, d->set.pulse);
    }
}

static void back_main(void)
{
    struct ipc_msg m;
    struct pollfd p = {gw.ipc, POLLIN, 0};

    for (;;) {
        if (poll(&p, 1, 500) > 0) {
            ssize_t n = recv(gw.ipc, &m, sizeof(m), 0);

            if (n <= 0)
                _exit(0);
            if (n == (ssize_t)sizeof(m) && m.op == PKT_PUBLISH)
                back_dispatch(&m);
        }
        back_timers(time(NULL));
    }
}

/* ---- front process ---- */
static int read_all(int fd, void *buf, size_t len)
{
    unsigned char *p = buf;

    while (len > 0) {
        ssize_t n = read(fd, p, len);

        if (n <= 0)
            return -1;
        p += n;
        len -= n;
    }
    return 0;
}

static int front_publish(int fd, const struct bus_head *h)
{
    struct ipc_msg *m;
    int len = ntohs(h->payload_len), rc = -1;

    if (h->topic_len >= TOPIC_MAX || len >= PAYLOAD_MAX)
        return -1;
    m = msg_alloc();
    if (m == NULL)
        return -1;
    m->op = PKT_PUBLISH;
    m->peer = fd;
    if (read_all(fd, m->topic, h->topic_len) == 0 && read_all(fd, m->payload, len) == 0) {
        rc = 0;
        if (strncmp(m->topic, "cmnd/", 5) == 0 && send(gw.ipc, m, sizeof(*m), MSG_NOSIGNAL) < 0)
            rc = -1;
    }
    msg_free(m);
    return rc;
}

static int front_packet(int fd)
{
    struct bus_head h;
    char ok[4] = {'O', 'K', 0, 0};

    if (read_all(fd, &h, sizeof(h)) < 0)
        return -1;
    if (memcmp(h.sig, SIG, 4) != 0)
        return -1;
    switch (h.type) {
    case PKT_CONNECT:
        ok[3] = gw.ndev;
        break;
    case PKT_PUBLISH:
        if (front_publish(fd, &h) < 0)
            return -1;
        break;
    case PKT_PING:
        break;
    default:
        return -1;
    }
    return send(fd, ok, sizeof(ok), MSG_NOSIGNAL) == sizeof(ok) ? 0 : -1;
}

static void front_main(int lfd)
{
    struct pollfd pfd[8];
    int n = 1, i, fd;

    pfd[0].fd = lfd;
    pfd[0].events = POLLIN;
    for (;;) {
        if (poll(pfd, n, -1) < 0)
            continue;
        for (i = n - 1; i > 0; i--) {
            if (pfd[i].revents && front_packet(pfd[i].fd) < 0) {
                close(pfd[i].fd);
                pfd[i] = pfd[--n];
            }
        }
        if (!(pfd[0].revents & POLLIN))
            continue;
        fd = accept(lfd, NULL, NULL);
        if (fd >= 0 && n < 8) {
            pfd[n].fd = fd;
            pfd[n].revents = 0;
            pfd[n++].events = POLLIN;
        } else if (fd >= 0) {
            close(fd);
        }
    }
}

static void dev_add(const char *name, int gpio)
{
    struct device *d = &gw.dev[gw.ndev++];

    snprintf(d->name, sizeof(d->name), "%s", name);
    strcpy(d->set.pulse, "10");
    d->gpio = gpio;
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa = {0};
    int lfd, sp[2], on = 1;

    if (argc > 1)
        gw.port = atoi(argv[1]);
    pool_init();
    dev_add("lamp", 11);
    dev_add("door", 12);
    dev_add("pump", 17);
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, sp) < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    if (fork() == 0) {
        close(sp[0]);
        gw.ipc = sp[1];
        back_main();
    }
    close(sp[1]);
    gw.ipc = sp[0];
    lfd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sa.sin_family = AF_INET;
    sa.sin_port = htons((unsigned short)gw.port);
    if (bind(lfd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(lfd, 4) < 0)
        return 1;
    front_main(lfd);
    return 0;
}
