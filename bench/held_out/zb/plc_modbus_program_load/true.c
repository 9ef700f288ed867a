/*
 * Soft PLC, Modbus/TCP slave. The operator panel writes the name of a control
 * program into holding registers and sets a coil, the scan cycle loads it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MB_PORT      502
#define N_REGS       512
#define N_COILS      64
#define N_CLIENTS    6

#define REG_NAME     100            /* two characters each, high byte first */
#define REG_NAME_LEN 16
#define REG_SETPOINT 0
#define REG_UPTIME   200
#define COIL_LOAD    7
#define COIL_RUN     0

#define EX_FUNCTION  1
#define EX_ADDRESS   2
#define EX_VALUE     3

typedef struct {
    int      fd;
    unsigned len;
    uint8_t  buf[260];
} mb_client;

static uint16_t  regs[N_REGS];
static uint8_t   coils[N_COILS];
static mb_client clients[N_CLIENTS];
static uint8_t   name_char[256];
static time_t    started;

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static void put16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }

static void init_tables(void)
{
    int c;

    for (c = '0'; c <= '9'; c++)
        name_char[c] = 1;
    for (c = 'a'; c <= 'z'; c++)
        name_char[c] = name_char[c - 'a' + 'A'] = 1;
    name_char['_'] = 1;
    name_char[0] = 1;               /* padding */
}

static int reg_store(unsigned addr, uint16_t v)
{
    if (addr >= N_REGS)
        return EX_ADDRESS;
    if (addr >= REG_NAME && addr < REG_NAME + REG_NAME_LEN) {
        if (!name_char[v & 0xff])
            return EX_VALUE;
    }
    if (addr == REG_SETPOINT && v > 1200)
        return EX_VALUE;
    if (addr >= REG_UPTIME && addr < REG_UPTIME + 2)
        return EX_ADDRESS;
    regs[addr] = v;
    return 0;
}

/* every handler gets the PDU behind the function code and returns the length
   of the answer behind the function code, or minus an exception */
static int fc_read_coils(const uint8_t *p, unsigned n, uint8_t *out)
{
    unsigned addr, cnt, i;

    if (n < 4)
        return -EX_VALUE;
    addr = get16(p);
    cnt = get16(p + 2);
    if (cnt < 1 || addr + cnt > N_COILS)
        return -EX_ADDRESS;
    out[0] = (uint8_t)((cnt + 7) / 8);
    memset(out + 1, 0, out[0]);
    for (i = 0; i < cnt; i++)
        if (coils[addr + i])
            out[1 + i / 8] |= (uint8_t)(1 << (i % 8));
    return 1 + out[0];
}

static int fc_read_regs(const uint8_t *p, unsigned n, uint8_t *out)
{
    unsigned addr, cnt, i;

    if (n < 4)
        return -EX_VALUE;
    addr = get16(p);
    cnt = get16(p + 2);
    if (cnt < 1 || cnt > 120 || addr + cnt > N_REGS)
        return -EX_ADDRESS;
    out[0] = (uint8_t)(cnt * 2);
    for (i = 0; i < cnt; i++)
        put16(out + 1 + 2 * i, regs[addr + i]);
    return 1 + (int)cnt * 2;
}

static int fc_write_coil(const uint8_t *p, unsigned n, uint8_t *out)
{
    unsigned addr;

    if (n < 4)
        return -EX_VALUE;
    addr = get16(p);
    if (addr >= N_COILS)
        return -EX_ADDRESS;
    coils[addr] = p[2] == 0xff;
    memcpy(out, p, 4);
    return 4;
}

static int fc_write_reg(const uint8_t *p, unsigned n, uint8_t *out)
{
    int ex;

    if (n < 4)
        return -EX_VALUE;
    ex = reg_store(get16(p), get16(p + 2));
    if (ex)
        return -ex;
    memcpy(out, p, 4);
    return 4;
}

static int fc_write_regs(const uint8_t *p, unsigned n, uint8_t *out)
{
    unsigned addr, cnt, i;
    int ex;

    if (n < 5)
        return -EX_VALUE;
    addr = get16(p);
    cnt = get16(p + 2);
    if (cnt < 1 || cnt > 123 || n < 5 + 2 * cnt)
        return -EX_VALUE;
    for (i = 0; i < cnt; i++) {
        ex = reg_store(addr + i, get16(p + 5 + 2 * i));
        if (ex)
            return -ex;
    }
    memcpy(out, p, 4);
    return 4;
}

typedef int (*fc_fn)(const uint8_t *, unsigned, uint8_t *);

static const fc_fn fc_table[17] = {
    [1] = fc_read_coils,
    [3] = fc_read_regs,
    [5] = fc_write_coil,
    [6] = fc_write_reg,
    [16] = fc_write_regs,
};

static void answer(mb_client *c, unsigned pdu_len)
{
    uint8_t out[300];
    uint8_t fc = c->buf[7];
    int n;

    if (fc < sizeof fc_table / sizeof fc_table[0] && fc_table[fc])
        n = fc_table[fc](c->buf + 8, pdu_len - 1, out + 8);
    else
        n = -EX_FUNCTION;
    memcpy(out, c->buf, 8);
    if (n < 0) {
        out[7] |= 0x80;
        out[8] = (uint8_t)-n;
        n = 1;
    }
    put16(out + 4, (unsigned)n + 2);
    send(c->fd, out, (size_t)n + 8, MSG_NOSIGNAL);
}

static void drop(mb_client *c)
{
    close(c->fd);
    c->fd = -1;
    c->len = 0;
}

static void readable(mb_client *c)
{
    ssize_t n = recv(c->fd, c->buf + c->len, sizeof c->buf - c->len, 0);

    if (n <= 0) {
        drop(c);
        return;
    }
    c->len += (unsigned)n;
    while (c->len >= 8) {
        unsigned len = get16(c->buf + 4);
        unsigned whole = len + 6;

        if (get16(c->buf + 2) != 0 || len < 2 || whole > sizeof c->buf) {
            drop(c);
            return;
        }
        if (c->len < whole)
            return;
        answer(c, len - 1);
        c->len -= whole;
        memmove(c->buf, c->buf + whole, c->len);
    }
}

static void load_program(void)
{
    char name[2 * REG_NAME_LEN + 1], cmd[160];
    unsigned i;
    int rc;

    for (i = 0; i < REG_NAME_LEN; i++) {
        name[2 * i] = (char)(regs[REG_NAME + i] >> 8);
        name[2 * i + 1] = (char)(regs[REG_NAME + i] & 0xff);
    }
    name[2 * REG_NAME_LEN] = '\0';
    if (!name[0])
        return;
    snprintf(cmd, sizeof cmd, "plcload /plc/prog/%s.st /plc/active 2>/dev/null", name);
    rc = system(cmd);
    coils[COIL_RUN] = rc == 0;
    if (rc)
        fprintf(stderr, "plc: load failed (%d)\n", rc);
}

static void scan_cycle(void)
{
    unsigned long up = (unsigned long)(time(NULL) - started);

    regs[REG_UPTIME] = (uint16_t)(up >> 16);
    regs[REG_UPTIME + 1] = (uint16_t)up;
    if (coils[COIL_LOAD]) {
        coils[COIL_LOAD] = 0;
        load_program();
    }
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    struct pollfd pf[N_CLIENTS + 1];
    int ls, on = 1, i;

    started = time(NULL);
    init_tables();
    for (i = 0; i < N_CLIENTS; i++)
        clients[i].fd = -1;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sa.sin_port = htons(MB_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, N_CLIENTS) < 0) {
        fprintf(stderr, "plc: %s\n", strerror(errno));
        return 1;
    }
    for (;;) {
        pf[N_CLIENTS].fd = ls;
        pf[N_CLIENTS].events = POLLIN;
        for (i = 0; i < N_CLIENTS; i++) {
            pf[i].fd = clients[i].fd;
            pf[i].events = POLLIN;
        }
        if (poll(pf, N_CLIENTS + 1, 100) > 0) {
            for (i = 0; i < N_CLIENTS; i++)
                if (clients[i].fd >= 0 && (pf[i].revents & (POLLIN | POLLHUP | POLLERR)))
                    readable(&clients[i]);
            if (pf[N_CLIENTS].revents & POLLIN) {
                int fd = accept(ls, NULL, NULL);

                for (i = 0; fd >= 0 && i < N_CLIENTS; i++)
                    if (clients[i].fd < 0) {
                        clients[i].fd = fd;
                        clients[i].len = 0;
                        fd = -1;
                    }
                if (fd >= 0)
                    close(fd);
            }
        }
        scan_cycle();
    }
}
