/*
 * nvr_ctl.c - binary control protocol of 8/16 channel recorders
 * header (network order): magic(4) ver(1) chn(1) cmd(2) len(2) rsv(2)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <signal.h>
#include <time.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define NVR_PORT      37788
#define NVR_MAGIC     0x4e565243
#define NVR_CHANNELS  16
#define NVR_BODY      256

typedef struct {
    uint32_t magic;
    uint8_t  ver;
    uint8_t  chn;
    uint16_t cmd;
    uint16_t len;
    uint16_t rsv;
} __attribute__((packed)) NVR_HEAD;

typedef struct {
    char     name[NVR_BODY];
    int      recording;
    int      motion;
    time_t   last_event;
    void   (*on_event)(int chn);
} NVR_CHANNEL;

static NVR_CHANNEL *g_chn[NVR_CHANNELS];
static unsigned g_events;

static void event_count(int chn)
{
    g_events++;
    g_chn[chn]->last_event = time(NULL);
}

static int recv_full(int fd, void *p, int len)
{
    char *c = p;
    int got = 0, r;

    while (got < len) {
        r = recv(fd, c + got, len - got, 0);
        if (r <= 0)
            return -1;
        got += r;
    }
    return got;
}

static int skip(int fd, int len)
{
    char junk[128];

    while (len > 0) {
        int k = len > (int)sizeof(junk) ? (int)sizeof(junk) : len;

        if (recv_full(fd, junk, k) < 0)
            return -1;
        len -= k;
    }
    return 0;
}

static void send_head(int fd, const NVR_HEAD *h, int status)
{
    NVR_HEAD r = *h;

    r.magic = htonl(NVR_MAGIC);
    r.cmd = htons(h->cmd | 0x8000);
    r.len = 0;
    r.rsv = htons((uint16_t)status);
    send(fd, &r, sizeof(r), MSG_NOSIGNAL);
}

static int cmd_set_name(int fd, const NVR_HEAD *h)
{
    NVR_CHANNEL *c = g_chn[h->chn];
    int len = h->len;

    if (len > 1024) {
        if (skip(fd, len) < 0)
            return -1;
        send_head(fd, h, 2);
        return 0;
    }
    memset(c->name, 0, sizeof(c->name));
    if (recv_full(fd, c->name, len) < 0)
        return -1;
    printf("channel %d renamed\n", h->chn);
    send_head(fd, h, 0);
    return 0;
}

static int cmd_get_name(int fd, const NVR_HEAD *h)
{
    NVR_HEAD r = *h;
    size_t n = strnlen(g_chn[h->chn]->name, NVR_BODY);

    if (skip(fd, h->len) < 0)
        return -1;
    r.magic = htonl(NVR_MAGIC);
    r.cmd = htons(h->cmd | 0x8000);
    r.len = htons((uint16_t)n);
    send(fd, &r, sizeof(r), MSG_NOSIGNAL);
    send(fd, g_chn[h->chn]->name, n, MSG_NOSIGNAL);
    return 0;
}

static int cmd_record(int fd, const NVR_HEAD *h)
{
    uint8_t on;

    if (h->len != 1 || recv_full(fd, &on, 1) < 0)
        return -1;
    g_chn[h->chn]->recording = on != 0;
    send_head(fd, h, 0);
    return 0;
}

static int cmd_motion(int fd, const NVR_HEAD *h)
{
    uint8_t area[32];
    int i, sum = 0;

    if (h->len > sizeof(area))
        return -1;
    if (recv_full(fd, area, h->len) < 0)
        return -1;
    for (i = 0; i < h->len; i++)
        sum += area[i] != 0;
    g_chn[h->chn]->motion = sum;
    send_head(fd, h, 0);
    return 0;
}

static int cmd_keepalive(int fd, const NVR_HEAD *h)
{
    if (skip(fd, h->len) < 0)
        return -1;
    send_head(fd, h, 0);
    return 0;
}

struct nvr_cmd {
    uint16_t cmd;
    int (*proc)(int fd, const NVR_HEAD *h);
};

static const struct nvr_cmd g_cmds[] = {
    { 0x0001, cmd_keepalive },
    { 0x0101, cmd_get_name },
    { 0x0102, cmd_set_name },
    { 0x0110, cmd_record },
    { 0x0120, cmd_motion },
};

/* motion detector poll, once a second */
static void *motion_timer(void *arg)
{
    int i;

    for (;;) {
        sleep(1);
        for (i = 0; i < NVR_CHANNELS; i++) {
            if (g_chn[i]->motion > 4 && g_chn[i]->recording)
                g_chn[i]->on_event(i);
        }
    }
    return NULL;
}

static void *client_thread(void *arg)
{
    int fd = (int)(intptr_t)arg;
    NVR_HEAD h;
    size_t i;

    while (recv_full(fd, &h, sizeof(h)) > 0) {
        int rc = -1;

        if (ntohl(h.magic) != NVR_MAGIC || h.chn >= NVR_CHANNELS)
            break;
        h.cmd = ntohs(h.cmd);
        h.len = ntohs(h.len);
        for (i = 0; i < sizeof(g_cmds) / sizeof(g_cmds[0]); i++) {
            if (g_cmds[i].cmd == h.cmd) {
                rc = g_cmds[i].proc(fd, &h);
                break;
            }
        }
        if (rc < 0)
            break;
    }
    close(fd);
    return NULL;
}

int main(void)
{
    struct sockaddr_in sa;
    pthread_t t;
    int i, ls, on = 1;

    signal(SIGPIPE, SIG_IGN);
    for (i = 0; i < NVR_CHANNELS; i++) {
        g_chn[i] = calloc(1, sizeof(NVR_CHANNEL));
        if (!g_chn[i])
            return 1;
        snprintf(g_chn[i]->name, sizeof(g_chn[i]->name), "Channel %02d", i + 1);
        g_chn[i]->on_event = event_count;
    }
    pthread_create(&t, NULL, motion_timer, NULL);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(NVR_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 4) < 0) {
        perror("nvr_ctl");
        return 1;
    }
    for (;;) {
        int c = accept(ls, NULL, NULL);

        if (c < 0)
            continue;
        if (pthread_create(&t, NULL, client_thread, (void *)(intptr_t)c) != 0)
            close(c);
        else
            pthread_detach(t);
    }
}
