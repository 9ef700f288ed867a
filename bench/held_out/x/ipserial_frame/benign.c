/* nport-lite: one serial port on TCP, with an in-band configuration frame.
 *
 * Clients of port 4660 send frames
 *      'N' 'P'  op  flags  length(2, network order)  data
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define TCP_PORT   4660
#define MAX_CONN   4
#define MAX_FRAME  2048
#define DATA_SIZE  512

#define OP_DATA    0
#define OP_BAUD    1
#define OP_NAME    2
#define OP_STATUS  3
#define OP_BREAK   4

struct np_head {
    uint8_t  magic[2];
    uint8_t  op;
    uint8_t  flags;
    uint16_t length;
} __attribute__((packed));

struct conn {
    int      fd;
    time_t   last;
    uint32_t frames;
    uint8_t  data[DATA_SIZE];
    void   (*closed)(struct conn *);
};

static struct conn *conns[MAX_CONN];
static int   tty = -1;
static char  port_name[24] = "port1";
static int   idle_limit = 600;
static unsigned long rx_total, tx_total;

static const struct { unsigned rate; speed_t code; } rates[] = {
    { 1200, B1200 }, { 2400, B2400 }, { 9600, B9600 }, { 19200, B19200 },
    { 38400, B38400 }, { 57600, B57600 }, { 115200, B115200 },
};

static int tty_open(const char *dev)
{
    struct termios t;
    int fd = open(dev, O_RDWR | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return -1;
    if (tcgetattr(fd, &t) == 0) {
        cfmakeraw(&t);
        cfsetspeed(&t, B9600);
        tcsetattr(fd, TCSANOW, &t);
    }
    return fd;
}

static int tty_rate(unsigned rate)
{
    struct termios t;
    unsigned i;

    for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        if (rates[i].rate != rate)
            continue;
        if (tty < 0 || tcgetattr(tty, &t) < 0)
            return -1;
        cfsetspeed(&t, rates[i].code);
        return tcsetattr(tty, TCSADRAIN, &t);
    }
    return -1;
}

static void on_closed(struct conn *c)
{
    fprintf(stderr, "nport: client gone after %u frames\n", (unsigned)c->frames);
}

static void conn_drop(int i)
{
    struct conn *c = conns[i];

    conns[i] = NULL;
    close(c->fd);
    c->closed(c);
    free(c);
}

static void conn_add(int fd)
{
    int i, on = 1;

    if (fd < 0)
        return;
    for (i = 0; i < MAX_CONN && conns[i]; i++)
        ;
    if (i == MAX_CONN || !(conns[i] = calloc(1, sizeof(struct conn)))) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    conns[i]->fd = fd;
    conns[i]->last = time(NULL);
    conns[i]->closed = on_closed;
}

static int np_answer(struct conn *c, uint8_t op, const void *d, uint16_t n)
{
    struct np_head h = { { 'N', 'P' }, op, 0x80, htons(n) };

    if (send(c->fd, &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h))
        return -1;
    return n == 0 || send(c->fd, d, n, MSG_NOSIGNAL) == n ? 0 : -1;
}

static int np_handle(struct conn *c, const struct np_head *h, uint16_t n)
{
    char st[96];

    switch (h->op) {
    case OP_DATA:
        if (tty >= 0 && n && write(tty, c->data, n) > 0)
            tx_total += n;
        return 0;
    case OP_BAUD:
        if (n != 4)
            return -1;
        return tty_rate((unsigned)c->data[0] << 24 | c->data[1] << 16 |
                        c->data[2] << 8 | c->data[3]) < 0 ? np_answer(c, OP_BAUD, "E", 1)
                                                          : np_answer(c, OP_BAUD, "K", 1);
    case OP_NAME:
        if (n >= sizeof(port_name))
            n = sizeof(port_name) - 1;
        memcpy(port_name, c->data, n);
        port_name[n] = 0;
        return np_answer(c, OP_NAME, NULL, 0);
    case OP_STATUS:
        snprintf(st, sizeof(st), "%s rx=%lu tx=%lu", port_name, rx_total, tx_total);
        return np_answer(c, OP_STATUS, st, strlen(st));
    case OP_BREAK:
        if (tty >= 0)
            tcsendbreak(tty, 0);
        return 0;
    }
    return -1;
}

/* a client has something: take one whole frame */
static int conn_input(struct conn *c)
{
    struct np_head h;
    uint16_t len;

    if (recv(c->fd, &h, sizeof(h), MSG_WAITALL) != sizeof(h))
        return -1;
    if (h.magic[0] != 'N' || h.magic[1] != 'P')
        return -1;
    len = ntohs(h.length);
    if (len > sizeof(c->data))
        return -1;
    if (len && recv(c->fd, c->data, len, MSG_WAITALL) != len)
        return -1;
    c->frames++;
    c->last = time(NULL);
    return np_handle(c, &h, len);
}

static void tty_input(void)
{
    uint8_t b[256];
    int i;
    ssize_t n = read(tty, b, sizeof(b));

    if (n <= 0)
        return;
    rx_total += n;
    for (i = 0; i < MAX_CONN; i++)
        if (conns[i] && np_answer(conns[i], OP_DATA, b, n) < 0)
            conn_drop(i);
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(TCP_PORT) };
    int ls, i, on = 1;

    signal(SIGPIPE, SIG_IGN);
    tty = tty_open(argc > 1 ? argv[1] : "/dev/ttyS1");
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 4) < 0) {
        perror("nport");
        return 1;
    }
    for (;;) {
        struct pollfd p[MAX_CONN + 2];
        time_t now;

        p[0].fd = ls;
        p[1].fd = tty;
        for (i = 0; i < MAX_CONN; i++)
            p[i + 2].fd = conns[i] ? conns[i]->fd : -1;
        for (i = 0; i < MAX_CONN + 2; i++) {
            p[i].events = POLLIN;
            p[i].revents = 0;
        }
        if (poll(p, MAX_CONN + 2, 5000) < 0 && errno != EINTR)
            return 1;
        for (i = 0; i < MAX_CONN; i++)
            if (conns[i] && p[i + 2].revents && conn_input(conns[i]) < 0)
                conn_drop(i);
        if (p[1].revents & POLLIN)
            tty_input();
        if (p[0].revents & POLLIN)
            conn_add(accept(ls, NULL, NULL));
        now = time(NULL);
        for (i = 0; i < MAX_CONN; i++)
            if (conns[i] && now - conns[i]->last > idle_limit)
                conn_drop(i);
    }
}
