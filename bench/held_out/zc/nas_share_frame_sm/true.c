/**
 * @file   sharectl.c
 * @brief  Share controller of the NAS front board link (framed, TCP bridge)
 *
 *  Frame:  SOF1 SOF2 CMD LEN PAYLOAD[LEN] SUM
 *  SUM  :  two's complement of the byte sum CMD..PAYLOAD
 */
#include <stdint.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <poll.h>
#include <time.h>
#include <signal.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define LINK_PORT        6060u
#define SOF1             0xA5u
#define SOF2             0x5Au
#define PAYLOAD_MAX      200u
#define SHARE_NAME_MAX   100u
#define SHARE_CNT        4u
#define NETBIOS_LEN      12u

#define CMD_PING         0x01u
#define CMD_SHARE_NEW    0x10u
#define CMD_SHARE_DEL    0x11u
#define CMD_SHARE_LIST   0x12u
#define CMD_BUZZER       0x20u

#define ST_OK            0x00u
#define ST_PARAM         0x01u
#define ST_FULL          0x02u
#define ST_UNKNOWN       0x7Fu

#define ARRAY_LEN(a)     (sizeof(a) / sizeof((a)[0]))
#define TICKS_MS         500

/* ------------------------------------------------------------------------- */
typedef enum { RX_SOF1, RX_SOF2, RX_CMD, RX_LEN, RX_DATA, RX_SUM } RxState_t;

typedef struct {
    RxState_t state;
    uint8_t   cmd;
    uint8_t   len;
    uint8_t   pos;
    uint8_t   sum;
    uint8_t   data[PAYLOAD_MAX + 1u];
} Rx_t;

typedef enum { SH_FREE, SH_CREATE, SH_ACTIVE, SH_REMOVE } ShareState_t;

typedef struct {
    ShareState_t state;
    uint16_t     quota_gb;
    char         name[SHARE_NAME_MAX];
} Share_t;

static Rx_t    rx;
static Share_t shares[SHARE_CNT];
static int     link_fd = -1;
static uint8_t buzzer;
static struct { uint32_t frames, sum_err, len_err; } stats;

/* ------------------------------------------------------------------------- */
static void Link_Send(uint8_t cmd, const uint8_t *p, uint8_t n)
{
    uint8_t out[PAYLOAD_MAX + 5u];
    uint8_t sum = (uint8_t)(cmd + n);
    uint8_t i;

    out[0] = SOF1;
    out[1] = SOF2;
    out[2] = cmd;
    out[3] = n;
    for (i = 0u; i < n; i++) {
        out[4u + i] = p[i];
        sum = (uint8_t)(sum + p[i]);
    }
    out[4u + n] = (uint8_t)(0u - sum);
    (void)send(link_fd, out, 5u + n, MSG_NOSIGNAL);
}

static void Link_Status(uint8_t cmd, uint8_t st)
{
    Link_Send((uint8_t)(cmd | 0x80u), &st, 1u);
}

/* ------------------------------------------------------------------------- */
#define IS_NAME_CHAR(c) ((((c) >= 'a') && ((c) <= 'z')) || (((c) >= 'A') && ((c) <= 'Z')) || \
                         (((c) >= '0') && ((c) <= '9')) || ((c) == '_'))

static bool Share_NameOk(const uint8_t *n, uint8_t len)
{
    uint8_t i;

    if ((len == 0u) || (len >= SHARE_NAME_MAX)) {
        return false;
    }
    for (i = 0u; (i < len) && (i < NETBIOS_LEN); i++) {
        if (!IS_NAME_CHAR(n[i])) {
            return false;
        }
    }
    return true;
}

static Share_t *Share_Find(const char *name)
{
    size_t i;

    for (i = 0u; i < ARRAY_LEN(shares); i++) {
        if ((shares[i].state != SH_FREE) && (strcmp(shares[i].name, name) == 0)) {
            return &shares[i];
        }
    }
    return NULL;
}

/* Payload: quota(2, BE) name(n) */
static void Cmd_ShareNew(const Rx_t *f)
{
    size_t i;
    uint8_t n;

    if ((f->len < 3u) || !Share_NameOk(&f->data[2], (uint8_t)(f->len - 2u))) {
        Link_Status(f->cmd, ST_PARAM);
        return;
    }
    n = (uint8_t)(f->len - 2u);
    for (i = 0u; i < ARRAY_LEN(shares); i++) {
        if (shares[i].state == SH_FREE) {
            shares[i].quota_gb = (uint16_t)((f->data[0] << 8) | f->data[1]);
            memcpy(shares[i].name, &f->data[2], n);
            shares[i].name[n] = '\0';
            shares[i].state = SH_CREATE;
            Link_Status(f->cmd, ST_OK);
            return;
        }
    }
    Link_Status(f->cmd, ST_FULL);
}

static void Cmd_ShareDel(const Rx_t *f)
{
    Share_t *s = Share_Find((const char *)f->data);

    if (s == NULL) {
        Link_Status(f->cmd, ST_PARAM);
        return;
    }
    s->state = SH_REMOVE;
    Link_Status(f->cmd, ST_OK);
}

static void Cmd_ShareList(const Rx_t *f)
{
    uint8_t out[SHARE_CNT * 3u];
    size_t i;

    for (i = 0u; i < SHARE_CNT; i++) {
        out[3u * i] = (uint8_t)shares[i].state;
        out[3u * i + 1u] = (uint8_t)(shares[i].quota_gb >> 8);
        out[3u * i + 2u] = (uint8_t)shares[i].quota_gb;
    }
    Link_Send((uint8_t)(f->cmd | 0x80u), out, (uint8_t)sizeof(out));
}

static void Cmd_Ping(const Rx_t *f)
{
    Link_Send((uint8_t)(f->cmd | 0x80u), f->data, f->len);
}

static void Cmd_Buzzer(const Rx_t *f)
{
    buzzer = (f->len > 0u) ? f->data[0] : 0u;
    Link_Status(f->cmd, ST_OK);
}

typedef struct {
    uint8_t cmd;
    void  (*fn)(const Rx_t *f);
} CmdEntry_t;

static const CmdEntry_t cmd_table[] = {
    { CMD_PING,       Cmd_Ping      },
    { CMD_SHARE_NEW,  Cmd_ShareNew  },
    { CMD_SHARE_DEL,  Cmd_ShareDel  },
    { CMD_SHARE_LIST, Cmd_ShareList },
    { CMD_BUZZER,     Cmd_Buzzer    },
};

static void Frame_Dispatch(const Rx_t *f)
{
    size_t i;

    stats.frames++;
    for (i = 0u; i < ARRAY_LEN(cmd_table); i++) {
        if (cmd_table[i].cmd == f->cmd) {
            cmd_table[i].fn(f);
            return;
        }
    }
    Link_Status(f->cmd, ST_UNKNOWN);
}

/* ------------------------------------------------------------------------- */
static void Rx_Byte(uint8_t b)
{
    switch (rx.state) {
    case RX_SOF1:
        if (b == SOF1) { rx.state = RX_SOF2; }
        break;
    case RX_SOF2:
        rx.state = (b == SOF2) ? RX_CMD : RX_SOF1;
        break;
    case RX_CMD:
        rx.cmd = b;
        rx.sum = b;
        rx.state = RX_LEN;
        break;
    case RX_LEN:
        if (b > PAYLOAD_MAX) {
            stats.len_err++;
            rx.state = RX_SOF1;
            break;
        }
        rx.len = b;
        rx.pos = 0u;
        rx.sum = (uint8_t)(rx.sum + b);
        rx.state = (b == 0u) ? RX_SUM : RX_DATA;
        break;
    case RX_DATA:
        rx.data[rx.pos++] = b;
        rx.sum = (uint8_t)(rx.sum + b);
        if (rx.pos >= rx.len) { rx.state = RX_SUM; }
        break;
    case RX_SUM:
        rx.data[rx.len] = 0u;
        if ((uint8_t)(rx.sum + b) == 0u) {
            Frame_Dispatch(&rx);
        } else {
            stats.sum_err++;
        }
        rx.state = RX_SOF1;
        break;
    }
}

/* ------------------------------------------------------------------------- */
static void Share_Tick(Share_t *s)
{
    char cmd[320];

    switch (s->state) {
    case SH_CREATE:
        snprintf(cmd, sizeof(cmd), "mkdir -p /mnt/vol1/%s && setquota -d /mnt/vol1/%s %u",
                 s->name, s->name, (unsigned)s->quota_gb);
        s->state = SH_ACTIVE;
        if (system(cmd) != 0) {
            fprintf(stderr, "sharectl: create failed\n");
        }
        break;
    case SH_REMOVE:
        snprintf(cmd, sizeof(cmd), "rmdir /mnt/vol1/%s", s->name);
        s->state = SH_FREE;
        if (system(cmd) != 0) {
            fprintf(stderr, "sharectl: remove failed\n");
        }
        break;
    default:
        break;
    }
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    struct pollfd pfd[2];
    int one = 1;
    size_t k;

    signal(SIGPIPE, SIG_IGN);
    sa.sin_port = htons(LINK_PORT);
    pfd[0].fd = socket(AF_INET, SOCK_STREAM, 0);
    pfd[0].events = POLLIN;
    pfd[1].events = POLLIN;
    (void)setsockopt(pfd[0].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if ((bind(pfd[0].fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) || (listen(pfd[0].fd, 1) != 0)) {
        perror("sharectl");
        return EXIT_FAILURE;
    }
    for (;;) {
        pfd[0].revents = 0;
        pfd[1].revents = 0;
        pfd[1].fd = link_fd;
        (void)poll(pfd, 2, TICKS_MS);
        if ((pfd[0].revents & POLLIN) != 0) {
            if (link_fd >= 0) {
                (void)close(link_fd);
                pfd[1].revents = 0;
            }
            link_fd = accept(pfd[0].fd, NULL, NULL);
            rx.state = RX_SOF1;
        } else if ((pfd[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            uint8_t chunk[64];
            ssize_t n = recv(link_fd, chunk, sizeof(chunk), 0);
            ssize_t i;
            if (n <= 0) {
                (void)close(link_fd);
                link_fd = -1;
            }
            for (i = 0; i < n; i++) {
                Rx_Byte(chunk[i]);
            }
        }
        for (k = 0u; k < SHARE_CNT; k++) {
            Share_Tick(&shares[k]);
        }
    }
}
