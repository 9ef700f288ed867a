#define _GNU_SOURCE
/*
 * NVR private protocol, media/control connection
 *
 *  0  magic f6 00 00 00
 *  4  version
 *  5  encode
 *  6  message id  (le16)
 *  8  session     (le32)
 *  12 sequence    (le32)
 *  16 body length (le32)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdarg.h>
#include <unistd.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <pthread.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>

#define CTRL_PORT       37790
#define PKT_HEAD        20
#define PKT_MAX_BODY    0x10000
#define CTRL_BUF        2048
#define PIECE           1024

enum {
    ID_LOGIN = 1000, ID_LOGOUT, ID_KEEPALIVE, ID_CHANNEL_TITLE = 1040, ID_TIME_SYNC = 1450, ID_SYSINFO = 1020
};

enum { RET_OK = 100, RET_FAIL = 101, RET_NOTLOGIN = 103, RET_AUTH = 106, RET_FORMAT = 117 };

typedef struct login_body {
    char user[16];
    char pass[32];
    uint8_t type;
    uint8_t pad[3];
} login_body;

typedef struct session {
    int fd;
    uint32_t id;
    int logged;
    time_t last;
    uint32_t seq;
    struct session *next;
} session;

struct packet {
    uint16_t id;
    uint32_t seq;
    uint32_t len;
};

static session *g_sessions;
static pthread_mutex_t g_mtx = PTHREAD_MUTEX_INITIALIZER;
static uint32_t g_nextId = 0x10;
static char g_titles[16][32];
static char g_password[33] = "tlJwpbo6";

static uint32_t le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = v, p[1] = v >> 8, p[2] = v >> 16, p[3] = v >> 24;
}

static void trace(const session *s, const char *fmt, ...)
{
    char text[128];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    printf("[ctrl %08x] %s\n", s->id, text);
}

static int reply(session *s, const struct packet *p, int ret, const void *data, uint32_t len)
{
    uint8_t out[PKT_HEAD + 4 + 512];

    if (len > 512)
        len = 512;
    memset(out, 0, PKT_HEAD);
    out[0] = 0xf6;
    out[4] = 1;
    out[6] = (p->id + 1) & 0xff;
    out[7] = (p->id + 1) >> 8;
    put32(out + 8, s->id);
    put32(out + 12, p->seq);
    put32(out + 16, 4 + len);
    put32(out + PKT_HEAD, ret);
    if (len)
        memcpy(out + PKT_HEAD + 4, data, len);
    return send(s->fd, out, PKT_HEAD + 4 + len, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int on_login(session *s, const struct packet *p, const uint8_t *body)
{
    login_body lb;

    if (p->len < sizeof(lb))
        return reply(s, p, RET_FORMAT, NULL, 0);
    memcpy(&lb, body, sizeof(lb));
    lb.user[sizeof(lb.user) - 1] = 0;
    lb.pass[sizeof(lb.pass) - 1] = 0;
    if (strcmp(lb.user, "admin") || strcmp(lb.pass, g_password)) {
        trace(s, "login of %s refused", lb.user);
        return reply(s, p, RET_AUTH, NULL, 0);
    }
    s->logged = 1;
    trace(s, "login of %s type %d", lb.user, lb.type);
    return reply(s, p, RET_OK, NULL, 0);
}

static int on_logout(session *s, const struct packet *p, const uint8_t *body)
{
    (void)body;
    s->logged = 0;
    reply(s, p, RET_OK, NULL, 0);
    return -1;
}

static int on_keepalive(session *s, const struct packet *p, const uint8_t *body)
{
    (void)body;
    return reply(s, p, RET_OK, NULL, 0);
}

static int on_title(session *s, const struct packet *p, const uint8_t *body)
{
    uint32_t ch, n;

    if (p->len < 5)
        return reply(s, p, RET_FORMAT, NULL, 0);
    ch = body[0];
    n = p->len - 1;
    if (ch >= 16)
        return reply(s, p, RET_FAIL, NULL, 0);
    if (n > sizeof(g_titles[0]) - 1)
        n = sizeof(g_titles[0]) - 1;
    memcpy(g_titles[ch], body + 1, n);
    g_titles[ch][n] = 0;
    return reply(s, p, RET_OK, NULL, 0);
}

static int on_time(session *s, const struct packet *p, const uint8_t *body)
{
    struct timeval tv = { 0, 0 };

    if (p->len < 4)
        return reply(s, p, RET_FORMAT, NULL, 0);
    tv.tv_sec = le32(body);
    return reply(s, p, settimeofday(&tv, NULL) < 0 ? RET_FAIL : RET_OK, NULL, 0);
}

static int on_sysinfo(session *s, const struct packet *p, const uint8_t *body)
{
    char info[256];
    int n = snprintf(info, sizeof(info), "{\"HardWare\":\"NVR-T16\",\"SoftWare\":\"V4.02.R11\",\"Title0\":\"%s\"}", g_titles[0]);

    (void)body;
    if (n >= (int)sizeof(info))
        n = sizeof(info) - 1;
    return reply(s, p, RET_OK, info, n);
}

static const struct {
    uint16_t id;
    uint8_t need_login;
    int (*fn)(session *, const struct packet *, const uint8_t *);
} handlers[] = {
    { ID_LOGIN, 0, on_login },
    { ID_LOGOUT, 1, on_logout },
    { ID_KEEPALIVE, 1, on_keepalive },
    { ID_SYSINFO, 1, on_sysinfo },
    { ID_CHANNEL_TITLE, 1, on_title },
    { ID_TIME_SYNC, 1, on_time },
};

static int dispatch(session *s, const struct packet *p, const uint8_t *body)
{
    unsigned i;

    for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        if (handlers[i].id != p->id)
            continue;
        if (handlers[i].need_login && !s->logged)
            return reply(s, p, RET_NOTLOGIN, NULL, 0);
        return handlers[i].fn(s, p, body);
    }
    trace(s, "unknown message %u", p->id);
    return reply(s, p, RET_FAIL, NULL, 0);
}

static int read_head(session *s, uint8_t *h)
{
    int got = 0, r;

    while (got < PKT_HEAD) {
        r = recv(s->fd, h + got, PKT_HEAD - got, 0);
        if (r <= 0)
            return -1;
        got += r;
    }
    return h[0] == 0xf6 ? 0 : -1;
}

static int one_packet(session *s)
{
    uint8_t head[PKT_HEAD];
    uint8_t body[CTRL_BUF];
    struct packet p;
    uint32_t got = 0, want;
    int r;

    if (read_head(s, head) < 0)
        return -1;
    p.id = head[6] | head[7] << 8;
    p.seq = le32(head + 12);
    p.len = le32(head + 16);
    if (p.len >= sizeof(body)) {
        trace(s, "body of %u bytes", p.len);
        return -1;
    }
    while (got < p.len) {
        want = p.len - got;
        if (want > PIECE)
            want = PIECE;
        r = recv(s->fd, body + got, want, 0);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return -1;
        got += r;
    }
    s->last = time(NULL);
    s->seq = p.seq;
    return dispatch(s, &p, body);
}

static void *session_thread(void *arg)
{
    session *s = arg, **pp;
    int one = 1;

    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    while (one_packet(s) == 0)
        ;
    pthread_mutex_lock(&g_mtx);
    for (pp = &g_sessions; *pp; pp = &(*pp)->next)
        if (*pp == s) {
            *pp = s->next;
            break;
        }
    pthread_mutex_unlock(&g_mtx);
    trace(s, "closed");
    close(s->fd);
    free(s);
    return NULL;
}

/* drop silent sessions */
static void *watch_thread(void *arg)
{
    session *s;

    (void)arg;
    for (;;) {
        time_t now;

        sleep(10);
        now = time(NULL);
        pthread_mutex_lock(&g_mtx);
        for (s = g_sessions; s; s = s->next)
            if (now - s->last > 60)
                shutdown(s->fd, SHUT_RDWR);
        pthread_mutex_unlock(&g_mtx);
    }
    return NULL;
}

static void load_settings(void)
{
    FILE *fp = fopen("/mnt/mtd/Config/passwd", "r");
    int i;

    for (i = 0; i < 16; i++)
        snprintf(g_titles[i], sizeof(g_titles[i]), "CAM %02d", i + 1);
    if (!fp)
        return;
    if (fscanf(fp, "%32s", g_password) != 1)
        strcpy(g_password, "tlJwpbo6");
    fclose(fp);
}

int main(void)
{
    struct sockaddr_in sa;
    pthread_t t;
    int l, on = 1;

    signal(SIGPIPE, SIG_IGN);
    load_settings();
    l = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(CTRL_PORT);
    if (bind(l, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(l, 8) < 0) {
        perror("ctrl port");
        return 1;
    }
    pthread_create(&t, NULL, watch_thread, NULL);
    for (;;) {
        session *s;
        int c = accept(l, NULL, NULL);

        if (c < 0)
            continue;
        s = calloc(1, sizeof(*s));
        if (!s) {
            close(c);
            continue;
        }
        s->fd = c;
        s->last = time(NULL);
        pthread_mutex_lock(&g_mtx);
        s->id = g_nextId++;
        s->next = g_sessions;
        g_sessions = s;
        pthread_mutex_unlock(&g_mtx);
        if (pthread_create(&t, NULL, session_thread, s) == 0)
            pthread_detach(t);
        else
            session_thread(s);
    }
}
