/* Control daemon of a video recorder: binary header, sessions, configuration; a tick of the loop uploads snapshots.
 * The fields of the ftp account are put in double quotes, of which only the quote itself is taken out (benign: every
 * byte outside of a whitelist is replaced). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DVR_PORT 34567
#define DVR_MAGIC 0x44565231u
#define MAX_BODY 1024
#define MAX_CLIENTS 8
#define CHANNELS 4

enum { CMD_LOGIN = 0x03e8, CMD_KEEPALIVE = 0x03ee, CMD_SET_FTP = 0x0410, CMD_SET_REC = 0x0412, CMD_PTZ = 0x0578, CMD_SNAP = 0x0618 };

struct dvr_head {
    uint32_t magic;
    uint32_t session;
    uint16_t cmd;
    uint16_t flags;
    uint32_t len;
} __attribute__((packed));

struct ftp_account {
    int enable;
    int port;
    char host[64];
    char user[32];
    char pass[32];
    char dir[64];
};

struct rec_plan {
    int from, to, quality;
};

static struct dvr_config {
    struct {
        int dhcp;
        struct ftp_account ftp;
    } net;
    struct {
        struct rec_plan plan[7];
        char title[24];
    } chan[CHANNELS];
    int snap_request;
    int ptz_speed;
} g_cfg;

struct session {
    uint32_t id;
    int fd;
    int logged_in;
    time_t last;
    int have;
    unsigned char *buf;
    struct session *next;
};

/* what goes over the wire for the ftp account */
struct ftp_msg {
    uint16_t enable;
    uint16_t port;
    char host[64];
    char user[32];
    char pass[32];
    char dir[64];
} __attribute__((packed));

struct login_msg {
    char user[16];
    char pass[16];
} __attribute__((packed));

struct rec_msg {
    uint8_t channel, day, from, to, quality;
} __attribute__((packed));

struct request {
    struct session *ses;
    const struct dvr_head *head;
    const unsigned char *body;
    uint32_t len;
    int result;
};

static struct session *g_sessions;
static uint32_t g_next_id = 0x1000;

static void copy_field(char *dst, size_t room, const char *src, size_t max)
{
    size_t i, o = 0;

    for (i = 0; i < max && src[i] && o + 1 < room; i++) {
        char c = src[i];
#ifdef BENIGN
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '/')
            dst[o++] = c;
        else
            dst[o++] = '_';
#else
        if (c != '"' && c != '\\')
            dst[o++] = c;
        else
            dst[o++] = '_';
#endif
    }
    dst[o] = '\0';
}

static int set_account(struct ftp_account *acc, const struct ftp_msg *m)
{
    acc->enable = ntohs(m->enable) != 0;
    acc->port = ntohs(m->port);
    copy_field(acc->host, sizeof(acc->host), m->host, sizeof(m->host));
    copy_field(acc->user, sizeof(acc->user), m->user, sizeof(m->user));
    copy_field(acc->pass, sizeof(acc->pass), m->pass, sizeof(m->pass));
    copy_field(acc->dir, sizeof(acc->dir), m->dir, sizeof(m->dir));
    return acc->host[0] ? 0 : -1;
}

static void on_login(struct request *rq)
{
    const struct login_msg *m = (const struct login_msg *)rq->body;

    if (rq->len < sizeof(*m) || strncmp(m->user, "admin", sizeof(m->user)) || strncmp(m->pass, "tlJwpbo6", sizeof(m->pass))) {
        rq->result = 203;
        return;
    }
    rq->ses->logged_in = 1;
    rq->ses->id = g_next_id++;
    rq->result = 100;
}

static void on_keepalive(struct request *rq)
{
    rq->ses->last = time(NULL);
    rq->result = 100;
}

static void on_set_ftp(struct request *rq)
{
    if (rq->len < sizeof(struct ftp_msg)) {
        rq->result = 102;
        return;
    }
    rq->result = set_account(&g_cfg.net.ftp, (const struct ftp_msg *)rq->body) == 0 ? 100 : 103;
}

static void on_set_rec(struct request *rq)
{
    const struct rec_msg *m = (const struct rec_msg *)rq->body;

    if (rq->len < sizeof(*m) || m->channel >= CHANNELS || m->day >= 7) {
        rq->result = 102;
        return;
    }
    g_cfg.chan[m->channel].plan[m->day].from = m->from;
    g_cfg.chan[m->channel].plan[m->day].to = m->to;
    g_cfg.chan[m->channel].plan[m->day].quality = m->quality;
    rq->result = 100;
}

static void on_ptz(struct request *rq)
{
    char line[96];

    if (rq->len < 2) {
        rq->result = 102;
        return;
    }
    g_cfg.ptz_speed = rq->body[1] & 0x3f;
    snprintf(line, sizeof(line), "ptzctl -a %u -s %d > /dev/null 2>&1", (unsigned)rq->body[0], g_cfg.ptz_speed);
    system(line);
    rq->result = 100;
}

static void on_snap(struct request *rq)
{
    g_cfg.snap_request = rq->len ? (rq->body[0] % CHANNELS) + 1 : 1;
    rq->result = 100;
}

static const struct {
    uint16_t cmd;
    const char *name;
    void (*handler)(struct request *rq);
    int need_login;
} cmd_table[] = {
    {CMD_LOGIN, "login", on_login, 0}, {CMD_KEEPALIVE, "keepalive", on_keepalive, 1}, {CMD_SET_FTP, "ftp", on_set_ftp, 1},
    {CMD_SET_REC, "record", on_set_rec, 1}, {CMD_PTZ, "ptz", on_ptz, 1},              {CMD_SNAP, "snap", on_snap, 1},
};

static void answer(struct session *s, uint16_t cmd, int result)
{
    unsigned char out[sizeof(struct dvr_head) + 4];
    struct dvr_head h;
    uint32_t code = htonl((uint32_t)result);

    h.magic = htonl(DVR_MAGIC);
    h.session = htonl(s->id);
    h.cmd = htons(cmd + 1);
    h.flags = 0;
    h.len = htonl(4);
    memcpy(out, &h, sizeof(h));
    memcpy(out + sizeof(h), &code, 4);
    send(s->fd, out, sizeof(out), MSG_NOSIGNAL);
}

static int handle_packet(struct session *s, const struct dvr_head *h, const unsigned char *body, uint32_t len)
{
    struct request rq = {s, h, body, len, 404};
    uint16_t cmd = ntohs(h->cmd);
    unsigned i;

    for (i = 0; i < sizeof(cmd_table) / sizeof(cmd_table[0]); i++) {
        if (cmd_table[i].cmd != cmd)
            continue;
        if (cmd_table[i].need_login && (!s->logged_in || ntohl(h->session) != s->id))
            rq.result = 105;
        else
            cmd_table[i].handler(&rq);
        break;
    }
    answer(s, cmd, rq.result);
    return rq.result;
}

static int session_input(struct session *s)
{
    const struct dvr_head *h = (const struct dvr_head *)s->buf;
    int n = recv(s->fd, s->buf + s->have, sizeof(*h) + MAX_BODY - s->have, 0);
    uint32_t len;

    if (n <= 0)
        return -1;
    s->have += n;
    s->last = time(NULL);
    while (s->have >= (int)sizeof(*h)) {
        if (ntohl(h->magic) != DVR_MAGIC)
            return -1;
        len = ntohl(h->len);
        if (len > MAX_BODY)
            return -1;
        if (s->have < (int)(sizeof(*h) + len))
            break;
        handle_packet(s, h, s->buf + sizeof(*h), len);
        s->have -= sizeof(*h) + len;
        memmove(s->buf, s->buf + sizeof(*h) + len, s->have);
    }
    return 0;
}

static void session_new(int fd)
{
    struct session *s, *e;
    int count = 0;

    for (e = g_sessions; e; e = e->next)
        count++;
    s = count < MAX_CLIENTS ? calloc(1, sizeof(*s)) : NULL;
    if (s == NULL || (s->buf = malloc(sizeof(struct dvr_head) + MAX_BODY)) == NULL) {
        free(s);
        close(fd);
        return;
    }
    s->fd = fd;
    s->last = time(NULL);
    s->next = g_sessions;
    g_sessions = s;
}

static void session_drop(struct session *dead)
{
    struct session **pp;

    for (pp = &g_sessions; *pp; pp = &(*pp)->next) {
        if (*pp == dead) {
            *pp = dead->next;
            close(dead->fd);
            free(dead->buf);
            free(dead);
            return;
        }
    }
}

static int build_upload(char *out, const struct ftp_account *acc, int channel)
{
    char *p = out;

    p += sprintf(p, "ftpput -P %d ", acc->port);
    if (acc->user[0])
        p += sprintf(p, "-u \"%s\" -p \"%s\" ", acc->user, acc->pass);
    p += sprintf(p, "\"%s\" ", acc->host);
    p += sprintf(p, "\"%s/ch%d_%ld.jpg\" ", acc->dir, channel, (long)time(NULL));
    p += sprintf(p, "/tmp/snap%d.jpg 2>&1", channel);
    return (int)(p - out);
}

static void upload_tick(struct dvr_config *cfg)
{
    char cmd[512], line[128];
    FILE *fp;

    if (!cfg->snap_request || !cfg->net.ftp.enable)
        return;
    build_upload(cmd, &cfg->net.ftp, cfg->snap_request - 1);
    cfg->snap_request = 0;
    fp = popen(cmd, "r");
    if (fp == NULL)
        return;
    while (fgets(line, sizeof(line), fp))
        fprintf(stderr, "ftpput: %s", line);
    pclose(fp);
}

int main(void)
{
    struct sockaddr_in sa = {0};
    struct pollfd pfd[MAX_CLIENTS + 1];
    struct session *map[MAX_CLIENTS + 1], *s;
    int lfd = socket(AF_INET, SOCK_STREAM, 0), on = 1, n, i;

    signal(SIGPIPE, SIG_IGN);
    g_cfg.net.ftp.port = 21;
    setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(DVR_PORT);
    if (bind(lfd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(lfd, 5) < 0)
        return 1;
    for (;;) {
        pfd[0].fd = lfd;
        pfd[0].events = POLLIN;
        n = 1;
        for (s = g_sessions; s && n <= MAX_CLIENTS; s = s->next) {
            map[n] = s;
            pfd[n].fd = s->fd;
            pfd[n++].events = POLLIN;
        }
        if (poll(pfd, n, 2000) < 0 && errno != EINTR)
            return 1;
        for (i = 1; i < n; i++)
            if (pfd[i].revents && session_input(map[i]) < 0)
                session_drop(map[i]);
        if (pfd[0].revents & POLLIN) {
            int fd = accept(lfd, NULL, NULL);
            if (fd >= 0)
                session_new(fd);
        }
        upload_tick(&g_cfg);
    }
}
