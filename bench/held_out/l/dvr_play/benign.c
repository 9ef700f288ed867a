/*
 * playd.c   playback service for the PC viewer (TCP 34590)
 *
 * Three processes share the listening socket. Every request is a
 * fixed header in network order and a body of hdr.bytes octets.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define PLAY_PORT     34590
#define PLAY_PROCS    3
#define PLAY_MAGIC    0x50423031u       /* PB01 */
#define PLAY_MAX_REPLY 4096
#define PLAY_MAX_REQ  512
#define REC_DIR       "/mnt/rec"

#define RQ_LIST   1
#define RQ_OPEN   2
#define RQ_BOOKMARK 3
#define RQ_BYE    9

typedef struct play_hdr {
    uint32_t magic;
    uint16_t type;
    uint16_t bytes;
    uint32_t cookie;
} play_hdr_t;

typedef struct play_conn {
    int      fd;
    int      chan;
    uint32_t cookie;
    unsigned served;
} play_conn_t;

static int readn(int fd, void *buf, size_t n)
{
    size_t off = 0;

    while (off < n) {
        ssize_t k = read(fd, (char *)buf + off, n - off);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return -1;
        off += (size_t)k;
    }
    return 0;
}

static int writen(int fd, const void *buf, size_t n)
{
    size_t off = 0;

    while (off < n) {
        ssize_t k = write(fd, (const char *)buf + off, n - off);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return -1;
        off += (size_t)k;
    }
    return 0;
}

static int play_reply(play_conn_t *c, uint16_t type, const void *body, size_t bytes)
{
    play_hdr_t h;

    if (bytes > PLAY_MAX_REPLY)
        return -1;
    h.magic = htonl(PLAY_MAGIC);
    h.type = htons((uint16_t)(type | 0x8000));
    h.bytes = htons((uint16_t)bytes);
    h.cookie = htonl(c->cookie);
    if (writen(c->fd, &h, sizeof h) < 0)
        return -1;
    c->served++;
    return bytes ? writen(c->fd, body, bytes) : 0;
}

static int play_list(play_conn_t *c, const uint8_t *body, size_t bytes)
{
    char out[PLAY_MAX_REPLY], dir[64];
    struct dirent *de;
    size_t used = 0;
    DIR *d;

    if (bytes < 1 || body[0] >= 16)
        return play_reply(c, RQ_LIST, NULL, 0);
    c->chan = body[0];
    snprintf(dir, sizeof dir, REC_DIR "/ch%02d", c->chan);
    d = opendir(dir);
    if (d == NULL)
        return play_reply(c, RQ_LIST, NULL, 0);
    while ((de = readdir(d)) != NULL) {
        size_t l = strlen(de->d_name);
        if (de->d_name[0] == '.')
            continue;
        if (used + l + 1 > sizeof out)
            break;
        memcpy(out + used, de->d_name, l);
        used += l;
        out[used++] = '\n';
    }
    closedir(d);
    return play_reply(c, RQ_LIST, out, used);
}

static int play_open(play_conn_t *c, const uint8_t *body, size_t bytes)
{
    char path[96], chunk[PLAY_MAX_REPLY];
    ssize_t k;
    unsigned day, seq;
    int fd;

    if (bytes < 8)
        return play_reply(c, RQ_OPEN, NULL, 0);
    day = (unsigned)body[0] << 24 | body[1] << 16 | body[2] << 8 | body[3];
    seq = (unsigned)body[4] << 24 | body[5] << 16 | body[6] << 8 | body[7];
    snprintf(path, sizeof path, REC_DIR "/ch%02d/%08u-%04u.h264", c->chan, day, seq);
    fd = open(path, O_RDONLY);
    if (fd < 0) {
        syslog(LOG_INFO, "no %s", path);
        return play_reply(c, RQ_OPEN, NULL, 0);
    }
    while ((k = read(fd, chunk, sizeof chunk)) > 0) {
        if (play_reply(c, RQ_OPEN, chunk, (size_t)k) < 0) {
            close(fd);
            return -1;
        }
    }
    close(fd);
    return play_reply(c, RQ_OPEN, NULL, 0);
}

static int play_bookmark(play_conn_t *c, const uint8_t *body, size_t bytes)
{
    FILE *f = fopen(REC_DIR "/bookmarks", "ab");
    size_t i;

    if (f != NULL) {
        fprintf(f, "%d ", c->chan);
        for (i = 0; i < bytes; i++)
            fputc(body[i] >= 0x20 && body[i] < 0x7f ? body[i] : '.', f);
        fputc('\n', f);
        fclose(f);
    }
    return play_reply(c, RQ_BOOKMARK, NULL, 0);
}

static int play_one(play_conn_t *c)
{
    uint8_t body[PLAY_MAX_REQ];
    play_hdr_t h;
    size_t bytes;

    if (readn(c->fd, &h, sizeof h) < 0)
        return -1;
    if (ntohl(h.magic) != PLAY_MAGIC) {
        syslog(LOG_NOTICE, "bad magic %08x", (unsigned)ntohl(h.magic));
        return -1;
    }
    bytes = ntohs(h.bytes);
    c->cookie = ntohl(h.cookie);
    if (bytes > PLAY_MAX_REQ) {
        syslog(LOG_NOTICE, "request of %u bytes", (unsigned)bytes);
        return -1;
    }
    if (readn(c->fd, body, bytes) < 0)
        return -1;
    switch (ntohs(h.type)) {
    case RQ_LIST:
        return play_list(c, body, bytes);
    case RQ_OPEN:
        return play_open(c, body, bytes);
    case RQ_BOOKMARK:
        return play_bookmark(c, body, bytes);
    case RQ_BYE:
        return -1;
    }
    return play_reply(c, 0, NULL, 0);
}

static void play_process(int ls)
{
    for (;;) {
        play_conn_t c;
        int one = 1;

        memset(&c, 0, sizeof c);
        c.fd = accept(ls, NULL, NULL);
        if (c.fd < 0)
            continue;
        setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        while (play_one(&c) == 0)
            ;
        syslog(LOG_INFO, "closed after %u replies", c.served);
        close(c.fd);
    }
}

static pid_t spawn(int ls)
{
    pid_t p = fork();

    if (p == 0) {
        play_process(ls);
        _exit(0);
    }
    return p;
}

int main(void)
{
    struct sockaddr_in sa;
    int ls, i, one = 1;

    openlog("playd", LOG_PID, LOG_LOCAL3);
    signal(SIGPIPE, SIG_IGN);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    if (ls < 0)
        return 1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(PLAY_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 8) < 0) {
        syslog(LOG_ERR, "port %d: %s", PLAY_PORT, strerror(errno));
        return 1;
    }
    for (i = 0; i < PLAY_PROCS; i++)
        spawn(ls);
    for (;;) {
        if (wait(NULL) < 0) {
            sleep(5);
            continue;
        }
        sleep(1);
        spawn(ls);
    }
}
