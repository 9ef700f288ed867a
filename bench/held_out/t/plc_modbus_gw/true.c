/*
 * mbgate - Modbus/TCP <-> RTU gateway
 *
 * Unit 255 is the gateway itself (local registers), every other unit number
 * is forwarded to the RS-485 line.  Environment: MBGATE_PORT, MBGATE_TTY.
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

#define N_CLIENTS   8
#define N_REGS      128
#define RX_SIZE     1024
#define RTU_SIZE    256
#define LOCAL_UNIT  255

#define EX_FUNCTION 1
#define EX_ADDRESS  2
#define EX_VALUE    3
#define EX_BUSY     6

struct client {
    int     fd;
    size_t  have;
    uint8_t rx[RX_SIZE];
};

struct rtu_line {
    int      tty;
    uint8_t  frame[RTU_SIZE];
    size_t   frame_len;
    int      state;             /* 0 idle, 1 to be sent, 2 waiting */
    int      ticks;
    struct client *from;
    uint16_t transaction;
    unsigned long errors;
};

static struct client   clients[N_CLIENTS];
static struct rtu_line rtu;
static uint16_t        regs[N_REGS];

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static void set16(uint8_t *p, unsigned v) { p[0] = v >> 8; p[1] = v & 255; }

static uint16_t crc16(const uint8_t *p, size_t n)
{
    uint16_t crc = 0xffff;
    int i;

    while (n--) {
        crc ^= *p++;
        for (i = 0; i < 8; i++)
            crc = crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1;
    }
    return crc;
}

static void send_adu(struct client *c, uint16_t trans, const uint8_t *unit, size_t n)
{
    uint8_t out[6 + RTU_SIZE];

    if (n > RTU_SIZE)
        return;
    set16(out, trans);
    set16(out + 2, 0);
    set16(out + 4, n);
    memcpy(out + 6, unit, n);
    if (c->fd >= 0)
        send(c->fd, out, 6 + n, MSG_NOSIGNAL);
}

static void send_exception(struct client *c, const uint8_t *adu, int code)
{
    uint8_t u[3] = { adu[6], (uint8_t)(adu[7] | 0x80), (uint8_t)code };

    send_adu(c, get16(adu), u, sizeof u);
}

/* ---- local registers: fn(adu, length of unit part), 0 or exception -------- */

static int fn_read(struct client *c, const uint8_t *adu, size_t len)
{
    uint8_t u[3 + 2 * 125];
    unsigned addr, qty, i;

    if (len < 6)
        return EX_VALUE;
    addr = get16(adu + 8);
    qty = get16(adu + 10);
    if (qty == 0 || qty > 125)
        return EX_VALUE;
    if (addr + qty > N_REGS)
        return EX_ADDRESS;
    u[0] = adu[6];
    u[1] = adu[7];
    u[2] = qty * 2;
    for (i = 0; i < qty; i++)
        set16(u + 3 + 2 * i, regs[addr + i]);
    send_adu(c, get16(adu), u, 3 + 2 * qty);
    return 0;
}

static int fn_write_one(struct client *c, const uint8_t *adu, size_t len)
{
    unsigned addr;

    if (len < 6)
        return EX_VALUE;
    addr = get16(adu + 8);
    if (addr >= N_REGS)
        return EX_ADDRESS;
    regs[addr] = get16(adu + 10);
    send_adu(c, get16(adu), adu + 6, 6);
    return 0;
}

static int fn_write_many(struct client *c, const uint8_t *adu, size_t len)
{
    unsigned addr, qty, i;

    if (len < 7)
        return EX_VALUE;
    addr = get16(adu + 8);
    qty = get16(adu + 10);
    if (qty == 0 || qty > 123 || adu[12] != qty * 2 || len < 7 + qty * 2)
        return EX_VALUE;
    if (addr + qty > N_REGS)
        return EX_ADDRESS;
    for (i = 0; i < qty; i++)
        regs[addr + i] = get16(adu + 13 + 2 * i);
    send_adu(c, get16(adu), adu + 6, 6);
    return 0;
}

static int (*const local_fn[17])(struct client *, const uint8_t *, size_t) = {
    [3] = fn_read, [4] = fn_read, [6] = fn_write_one, [16] = fn_write_many,
};

/* ---- serial side ----------------------------------------------------------- */

static int rtu_submit(struct client *c, const uint8_t *adu, size_t len)
{
    uint16_t crc;

    if (rtu.tty < 0 || rtu.state != 0)
        return EX_BUSY;
    memcpy(rtu.frame, adu + 6, len);
    crc = crc16(rtu.frame, len);
    rtu.frame[len] = crc & 255;
    rtu.frame[len + 1] = crc >> 8;
    rtu.frame_len = len + 2;
    rtu.transaction = get16(adu);
    rtu.from = c;
    rtu.state = 1;
    return 0;
}

static void rtu_tick(void)
{
    uint8_t ans[RTU_SIZE];
    ssize_t n;

    if (rtu.state == 1) {
        if (write(rtu.tty, rtu.frame, rtu.frame_len) < 0)
            rtu.errors++;
        rtu.state = 2;
        rtu.ticks = 0;
        return;
    }
    if (rtu.state == 2 && ++rtu.ticks > 10) {
        n = read(rtu.tty, ans, sizeof ans);
        if (n >= 4 && crc16(ans, n) == 0)
            send_adu(rtu.from, rtu.transaction, ans, n - 2);
        else
            rtu.errors++;
        rtu.state = 0;
    }
}

/* ---- TCP side -------------------------------------------------------------- */

static void drop(struct client *c)
{
    close(c->fd);
    c->fd = -1;
    c->have = 0;
}

static void on_data(struct client *c)
{
    ssize_t n = recv(c->fd, c->rx + c->have, sizeof c->rx - c->have, 0);

    if (n <= 0) {
        drop(c);
        return;
    }
    c->have += n;
    while (c->have >= 8) {
        size_t len = get16(c->rx + 4);
        int ex;

        if (get16(c->rx + 2) != 0 || len < 2 || len > sizeof c->rx - 6) {
            drop(c);
            return;
        }
        if (c->have < 6 + len)
            return;
        if (c->rx[6] != LOCAL_UNIT)
            ex = rtu_submit(c, c->rx, len);
        else if (c->rx[7] < 17 && local_fn[c->rx[7]])
            ex = local_fn[c->rx[7]](c, c->rx, len);
        else
            ex = EX_FUNCTION;
        if (ex)
            send_exception(c, c->rx, ex);
        c->have -= 6 + len;
        memmove(c->rx, c->rx + 6 + len, c->have);
    }
}

static void on_connect(int ls)
{
    int i, fd = accept(ls, NULL, NULL);

    if (fd < 0)
        return;
    for (i = 0; i < N_CLIENTS; i++)
        if (clients[i].fd < 0) {
            clients[i].fd = fd;
            clients[i].have = 0;
            return;
        }
    close(fd);
}

int main(void)
{
    const char *e = getenv("MBGATE_PORT"), *tty = getenv("MBGATE_TTY");
    struct sockaddr_in sa = { .sin_family = AF_INET };
    struct termios tio;
    int ls, i, on = 1;

    signal(SIGPIPE, SIG_IGN);
    for (i = 0; i < N_CLIENTS; i++)
        clients[i].fd = -1;
    rtu.tty = open(tty ? tty : "/dev/ttyS1", O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (rtu.tty >= 0 && tcgetattr(rtu.tty, &tio) == 0) {
        cfmakeraw(&tio);
        cfsetspeed(&tio, B19200);
        tcsetattr(rtu.tty, TCSANOW, &tio);
    }
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sa.sin_port = htons(e ? atoi(e) : 502);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, N_CLIENTS)) {
        perror("mbgate");
        return 1;
    }
    for (;;) {
        struct timeval tv = { 0, 10000 };
        fd_set rd;
        int max = ls;

        FD_ZERO(&rd);
        FD_SET(ls, &rd);
        for (i = 0; i < N_CLIENTS; i++)
            if (clients[i].fd >= 0) {
                FD_SET(clients[i].fd, &rd);
                if (clients[i].fd > max)
                    max = clients[i].fd;
            }
        if (select(max + 1, &rd, NULL, NULL, &tv) > 0) {
            for (i = 0; i < N_CLIENTS; i++)
                if (clients[i].fd >= 0 && FD_ISSET(clients[i].fd, &rd))
                    on_data(&clients[i]);
            if (FD_ISSET(ls, &rd))
                on_connect(ls);
        }
        rtu_tick();
    }
}
