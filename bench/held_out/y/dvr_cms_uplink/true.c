/* cmslink.c - keeps the DVR registered at the central management server.
 *
 * The recorder dials out (NAT friendly); CMS frames are
 *   magic(4) | cmd(2) | seq(2) | len(4) | payload
 * all fields big endian. The receiver thread only parses frames; everything
 * that touches the recorder is done by the worker.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <pthread.h>
#include <netdb.h>
#include <time.h>
#include <sys/socket.h>
#include <arpa/inet.h>

#define CMS_MAGIC    0x434d5331u
#define MAX_PAYLOAD  65536
#define CHANNELS     16

enum { C_HELLO = 1, C_KEEPALIVE, C_OSD_TEXT, C_REC_START, C_REC_STOP, C_TIME };

typedef struct Frame {
    uint16_t cmd, seq;
    uint32_t len;
    struct Frame *next;
    unsigned char data[1];
} Frame;

typedef struct {
    char text[128];
    uint8_t x, y;
    uint8_t shown;
    uint8_t recording;
    time_t  changed;
} Channel;

typedef struct {
    char server[64];
    char service[8];
    char serial[24];
    int  keepalive;
} Config;

static Config   g_cfg = { "cms.local", "7100", "DVR000000", 30 };
static Channel  g_ch[CHANNELS];
static Frame   *q_head, **q_tail = &q_head;
static int      q_count;
static pthread_mutex_t q_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  q_cond = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t tx_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int    g_sock = -1;

static void readConfig(const char *path)
{
    char k[32], v[64], line[128];
    FILE *f = fopen(path, "r");
    if (!f) return;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%31[^= ] = %63s", k, v) != 2) continue;
        if (!strcmp(k, "server")) snprintf(g_cfg.server, sizeof g_cfg.server, "%s", v);
        if (!strcmp(k, "service")) snprintf(g_cfg.service, sizeof g_cfg.service, "%s", v);
        if (!strcmp(k, "serial")) snprintf(g_cfg.serial, sizeof g_cfg.serial, "%s", v);
        if (!strcmp(k, "keepalive")) g_cfg.keepalive = atoi(v);
    }
    fclose(f);
}

static int sendFrame(uint16_t cmd, uint16_t seq, const void *p, uint32_t len)
{
    unsigned char h[12];
    uint32_t m = htonl(CMS_MAGIC), l = htonl(len);
    uint16_t c = htons(cmd), s = htons(seq);
    int ok = -1;

    memcpy(h, &m, 4); memcpy(h + 4, &c, 2); memcpy(h + 6, &s, 2); memcpy(h + 8, &l, 4);
    pthread_mutex_lock(&tx_lock);
    if (g_sock >= 0 && send(g_sock, h, 12, MSG_NOSIGNAL) == 12)
        ok = (!len || send(g_sock, p, len, MSG_NOSIGNAL) == (ssize_t)len) ? 0 : -1;
    pthread_mutex_unlock(&tx_lock);
    return ok;
}

static int recvAll(int s, void *buf, size_t n)
{
    unsigned char *p = buf;
    while (n) {
        ssize_t r = recv(s, p, n, 0);
        if (r <= 0) return -1;
        p += r; n -= (size_t)r;
    }
    return 0;
}

static void post(Frame *f)
{
    f->next = NULL;
    pthread_mutex_lock(&q_lock);
    *q_tail = f;
    q_tail = &f->next;
    q_count++;
    pthread_cond_signal(&q_cond);
    pthread_mutex_unlock(&q_lock);
}

static Frame *take(void)
{
    Frame *f;
    pthread_mutex_lock(&q_lock);
    while (!q_head) pthread_cond_wait(&q_cond, &q_lock);
    f = q_head;
    q_head = f->next;
    if (!q_head) q_tail = &q_head;
    q_count--;
    pthread_mutex_unlock(&q_lock);
    return f;
}

/* channel(1) x(1) y(1) text(...) */
static int setOsd(const Frame *f)
{
    char text[128];
    uint32_t tlen;
    Channel *c;

    if (f->len < 4 || f->data[0] >= CHANNELS) return -1;
    tlen = f->len - 3;
    memcpy(text, f->data + 3, tlen);
    text[tlen] = '\0';

    c = &g_ch[f->data[0]];
    c->x = f->data[1];
    c->y = f->data[2];
    c->shown = 1;
    c->changed = time(NULL);
    snprintf(c->text, sizeof c->text, "%s", text);
    printf("cms: osd %u at %u,%u '%s'\n", f->data[0], c->x, c->y, c->text);
    return 0;
}

static int setRecording(const Frame *f, int on)
{
    if (f->len < 1 || f->data[0] >= CHANNELS) return -1;
    g_ch[f->data[0]].recording = (uint8_t)on;
    g_ch[f->data[0]].changed = time(NULL);
    printf("cms: channel %u recording %s\n", f->data[0], on ? "on" : "off");
    return 0;
}

static int setClock(const Frame *f)
{
    uint32_t t;
    struct timespec ts = { 0, 0 };
    if (f->len != 4) return -1;
    memcpy(&t, f->data, 4);
    ts.tv_sec = ntohl(t);
    return clock_settime(CLOCK_REALTIME, &ts);
}

static void *workerMain(void *unused)
{
    (void)unused;
    for (;;) {
        Frame *f = take();
        unsigned char status = 0;
        switch (f->cmd) {
        case C_OSD_TEXT:  status = setOsd(f) < 0; break;
        case C_REC_START: status = setRecording(f, 1) < 0; break;
        case C_REC_STOP:  status = setRecording(f, 0) < 0; break;
        case C_TIME:      status = setClock(f) < 0; break;
        default:          status = 0xff;
        }
        sendFrame(f->cmd | 0x8000, f->seq, &status, 1);
        free(f);
    }
    return NULL;
}

static void *keepaliveMain(void *unused)
{
    uint16_t n = 0;
    (void)unused;
    for (;;) {
        sleep(g_cfg.keepalive > 0 ? g_cfg.keepalive : 30);
        if (g_sock >= 0 && sendFrame(C_KEEPALIVE, n++, NULL, 0) < 0)
            fprintf(stderr, "cms: keepalive failed\n");
    }
    return NULL;
}

static int dial(void)
{
    struct addrinfo hint, *ai, *a;
    int s = -1;
    memset(&hint, 0, sizeof hint);
    hint.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(g_cfg.server, g_cfg.service, &hint, &ai)) return -1;
    for (a = ai; a; a = a->ai_next) {
        s = socket(a->ai_family, a->ai_socktype, 0);
        if (s >= 0 && connect(s, a->ai_addr, a->ai_addrlen) == 0) break;
        if (s >= 0) close(s);
        s = -1;
    }
    freeaddrinfo(ai);
    return s;
}

static void session(int s)
{
    unsigned char h[12];
    uint32_t magic, len;
    uint16_t v;

    sendFrame(C_HELLO, 0, g_cfg.serial, (uint32_t)strlen(g_cfg.serial));
    while (recvAll(s, h, sizeof h) == 0) {
        Frame *f;
        memcpy(&magic, h, 4);
        memcpy(&len, h + 8, 4);
        len = ntohl(len);
        if (ntohl(magic) != CMS_MAGIC || len > MAX_PAYLOAD) {
            fprintf(stderr, "cms: bad frame\n");
            return;
        }
        f = malloc(sizeof *f + len);
        if (!f) return;
        memcpy(&v, h + 4, 2); f->cmd = ntohs(v);
        memcpy(&v, h + 6, 2); f->seq = ntohs(v);
        f->len = len;
        if (recvAll(s, f->data, len) < 0) { free(f); return; }
        if (f->cmd == C_KEEPALIVE) { free(f); continue; }
        post(f);
    }
}

int main(int argc, char **argv)
{
    pthread_t t;
    readConfig(argc > 1 ? argv[1] : "/mnt/mtd/cms.cfg");
    pthread_create(&t, NULL, workerMain, NULL);
    pthread_create(&t, NULL, keepaliveMain, NULL);
    for (;;) {
        int s = dial();
        if (s >= 0) {
            g_sock = s;
            session(s);
            g_sock = -1;
            close(s);
        }
        sleep(10);
    }
}
