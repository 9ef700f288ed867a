/*
 * HVAC gateway: bridges wall thermostats (TCP) to the RS485 air handler.
 *
 * frame:  'H' 'G'  cmd(1)  seq(1)  len(2, BE)  payload(len)
 * payload is a list of TLVs: type(1) len(1) value
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <poll.h>
#include <time.h>
#include <signal.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define GW_PORT      4660
#define MAX_CLIENTS  8
#define MAX_PAYLOAD  1024
#define ZONES        12

enum { CMD_HELLO = 1, CMD_ZONE_CFG = 2, CMD_REPORT = 3, CMD_QUERY = 4 };
enum { T_ZONE = 1, T_SETPOINT = 2, T_NAME = 3, T_MODE = 4, T_TEMP = 5 };

struct zone {
    char     name[24];
    int16_t  setpoint;
    int16_t  temp;
    uint8_t  mode;
    uint8_t  dirty;
    void   (*apply)(struct zone *z);
};

struct client {
    int      fd;
    uint8_t  buf[6 + MAX_PAYLOAD];
    size_t   have;
    time_t   seen;
};

static struct zone  *zones;
static struct client cl[MAX_CLIENTS];
static int           rs485 = -1;

#define LOG(...) do { printf("[hvac] " __VA_ARGS__); putchar('\n'); } while (0)

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void apply_air(struct zone *z)
{
    uint8_t m[6];

    m[0] = 0xA5;
    m[1] = (uint8_t)(z - zones);
    m[2] = (uint8_t)(z->setpoint >> 8);
    m[3] = (uint8_t)z->setpoint;
    m[4] = z->mode;
    m[5] = m[1] ^ m[2] ^ m[3] ^ m[4];
    if (rs485 >= 0)
        write(rs485, m, sizeof m);
    LOG("zone %s -> %d mode %u", z->name, z->setpoint, z->mode);
}

static int zone_config(const uint8_t *p, size_t n)
{
    struct zone *z = NULL;
    size_t off = 0;

    while (off + 2 <= n) {
        uint8_t t = p[off], l = p[off + 1];
        const uint8_t *v = p + off + 2;

        if (off + 2 + l > n)
            return -1;
        if (t == T_ZONE) {
            if (l != 1 || v[0] >= ZONES)
                return -1;
            z = &zones[v[0]];
        } else if (z == NULL) {
            return -1;
        } else switch (t) {
        case T_SETPOINT:
            if (l != 2)
                return -1;
            z->setpoint = (int16_t)be16(v);
            z->dirty = 1;
            break;
        case T_NAME:
            if (l == 0 || l >= sizeof z->name)
                return -1;
            memcpy(z->name, v, l);
            z->name[l] = 0;
            break;
        case T_MODE:
            if (l != 1 || v[0] > 4)
                return -1;
            z->mode = v[0];
            z->dirty = 1;
            break;
        default:
            break;          /* newer thermostats send more */
        }
        off += 2 + l;
    }
    return 0;
}

static int zone_report(const uint8_t *p, size_t n)
{
    if (n != 3 || p[0] >= ZONES)
        return -1;
    zones[p[0]].temp = (int16_t)be16(p + 1);
    return 0;
}

static void answer(struct client *c, uint8_t cmd, uint8_t seq, int rc)
{
    uint8_t r[7] = { 'H', 'G', (uint8_t)(cmd | 0x80), seq, 0, 1, (uint8_t)(rc ? 1 : 0) };
    send(c->fd, r, sizeof r, MSG_NOSIGNAL);
}

static void query(struct client *c)
{
    char line[96];
    int i;

    for (i = 0; i < ZONES; i++) {
        int k = snprintf(line, sizeof line, "%d %.23s %d/%d\n", i, zones[i].name,
                         zones[i].temp, zones[i].setpoint);
        send(c->fd, line, (size_t)k, MSG_NOSIGNAL);
    }
}

static void handle_frame(struct client *c, uint8_t cmd, uint8_t seq,
                         const uint8_t *p, size_t n)
{
    int rc = 0;

    switch (cmd) {
    case CMD_HELLO:    break;
    case CMD_ZONE_CFG: rc = zone_config(p, n); break;
    case CMD_REPORT:   rc = zone_report(p, n); break;
    case CMD_QUERY:    query(c); return;
    default:           rc = -1;
    }
    answer(c, cmd, seq, rc);
}

static int on_readable(struct client *c)
{
    ssize_t k = recv(c->fd, c->buf + c->have, sizeof c->buf - c->have, 0);

    if (k <= 0)
        return -1;
    c->have += (size_t)k;
    c->seen = time(NULL);
    while (c->have >= 6) {
        size_t len = be16(c->buf + 4);

        if (c->buf[0] != 'H' || c->buf[1] != 'G' || len > MAX_PAYLOAD)
            return -1;
        if (c->have < 6 + len)
            break;
        handle_frame(c, c->buf[2], c->buf[3], c->buf + 6, len);
        c->have -= 6 + len;
        memmove(c->buf, c->buf + 6 + len, c->have);
    }
    return 0;
}

static void drop(struct client *c)
{
    close(c->fd);
    c->fd = -1;
    c->have = 0;
}

static void every_second(void)
{
    time_t now = time(NULL);
    int i;

    for (i = 0; i < ZONES; i++)
        if (zones[i].dirty) {
            zones[i].dirty = 0;
            zones[i].apply(&zones[i]);
        }
    for (i = 0; i < MAX_CLIENTS; i++)
        if (cl[i].fd >= 0 && now - cl[i].seen > 120)
            drop(&cl[i]);
}

int main(void)
{
    struct sockaddr_in sa = { 0 };
    struct pollfd pf[MAX_CLIENTS + 1];
    time_t last = 0;
    int ls, i, on = 1;

    zones = calloc(ZONES, sizeof *zones);
    if (!zones)
        return 1;
    for (i = 0; i < ZONES; i++) {
        snprintf(zones[i].name, sizeof zones[i].name, "zone%d", i);
        zones[i].setpoint = 210;
        zones[i].apply = apply_air;
    }
    for (i = 0; i < MAX_CLIENTS; i++)
        cl[i].fd = -1;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(GW_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 4) < 0)
        return 1;
    for (;;) {
        pf[0].fd = ls;
        pf[0].events = POLLIN;
        for (i = 0; i < MAX_CLIENTS; i++) {
            pf[i + 1].fd = cl[i].fd;
            pf[i + 1].events = POLLIN;
            pf[i + 1].revents = 0;
        }
        if (poll(pf, MAX_CLIENTS + 1, 500) > 0) {
            for (i = 0; i < MAX_CLIENTS; i++)
                if (cl[i].fd >= 0 && (pf[i + 1].revents & (POLLIN | POLLHUP | POLLERR)))
                    if (on_readable(&cl[i]) < 0)
                        drop(&cl[i]);
            if (pf[0].revents & POLLIN) {
                int fd = accept(ls, NULL, NULL);
                for (i = 0; fd >= 0 && i < MAX_CLIENTS; i++)
                    if (cl[i].fd < 0) {
                        cl[i].fd = fd;
                        cl[i].have = 0;
                        cl[i].seen = time(NULL);
                        fd = -1;
                    }
                if (fd >= 0)
                    close(fd);
            }
        }
        if (time(NULL) != last) {
            last = time(NULL);
            every_second();
        }
    }
}
