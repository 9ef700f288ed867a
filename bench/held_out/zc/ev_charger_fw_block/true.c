/* -------------------------------------------------------------------
 *  fwrecv.c     firmware receiver of the wallbox (depot tool protocol)
 *
 *  All fields big endian. A transfer is a sequence of blocks of up to
 *  4 KiB, a block is filled by chunks in any order and then committed.
 * ------------------------------------------------------------------- */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define FW_PORT    7777
#define FW_MAGIC   0x45564657u        /* EVFW */
#define FW_BLOCK   4096u
#define FW_IDLE    20
#define FW_CONNS   3
#define FW_IMAGE   "/tmp/fw.img"

enum { T_BEGIN = 1, T_CHUNK = 2, T_COMMIT = 3, T_FINISH = 4, T_ABORT = 5 };
enum { RC_OK = 0, RC_STATE = 1, RC_RANGE = 2, RC_SUM = 3, RC_IO = 4, RC_TYPE = 9 };

#pragma pack(push, 1)
typedef struct {
    uint32_t magic;
    uint8_t  type;
    uint8_t  flags;
    uint16_t seq;
    uint32_t offset;
    uint32_t length;
} fw_hdr;

typedef struct {
    uint32_t magic;
    uint16_t seq;
    uint16_t result;
} fw_ack;
#pragma pack(pop)

typedef struct fw_sess fw_sess;

struct fw_sess {
    int      fd;
    int      image;
    int      active;
    time_t   seen;
    uint32_t blocks;
    uint32_t fill;
    uint8_t  block[FW_BLOCK];
    void   (*on_close)(fw_sess *);
};

static fw_sess *conns[FW_CONNS];

static void lg(const char *what, long v)
{
    char t[32];
    time_t now = time(NULL);

    strftime(t, sizeof t, "%H:%M:%S", localtime(&now));
    fprintf(stderr, "%s fwrecv: %s %ld\n", t, what, v);
}

static int read_full(int fd, void *buf, size_t n)
{
    char *p = buf;

    while (n) {
        ssize_t k = read(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return -1;
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

static uint32_t sum32(const uint8_t *p, size_t n)
{
    uint32_t a = 1, b = 0;

    while (n--) {
        a = (a + *p++) % 65521u;
        b = (b + a) % 65521u;
    }
    return b << 16 | a;
}

/* ------------------------------------------------------------ requests */

static int rq_begin(fw_sess *s, const fw_hdr *h)
{
    (void)h;
    if (s->image >= 0)
        close(s->image);
    s->image = open(FW_IMAGE, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (s->image < 0)
        return RC_IO;
    s->active = 1;
    s->blocks = 0;
    s->fill = 0;
    memset(s->block, 0xff, sizeof s->block);
    return RC_OK;
}

static int rq_chunk(fw_sess *s, const fw_hdr *h)
{
    if (!s->active)
        return -1;
    if (h->offset >= FW_BLOCK || h->length > FW_BLOCK) {
        lg("chunk out of block", (long)h->offset);
        return -1;
    }
    if (read_full(s->fd, s->block + h->offset, h->length) < 0)
        return -1;
    if (h->offset + h->length > s->fill)
        s->fill = h->offset + h->length;
    return RC_OK;
}

static int rq_commit(fw_sess *s, const fw_hdr *h)
{
    uint32_t want;

    if (read_full(s->fd, &want, sizeof want) < 0)
        return -1;
    if (!s->active || s->fill == 0)
        return RC_STATE;
    if (s->fill > FW_BLOCK)
        s->fill = FW_BLOCK;
    if ((h->flags & 1) && sum32(s->block, s->fill) != ntohl(want))
        return RC_SUM;
    if (write(s->image, s->block, s->fill) != (ssize_t)s->fill)
        return RC_IO;
    s->blocks++;
    s->fill = 0;
    memset(s->block, 0xff, sizeof s->block);
    return RC_OK;
}

static int rq_finish(fw_sess *s, const fw_hdr *h)
{
    (void)h;
    if (!s->active)
        return RC_STATE;
    s->active = 0;
    lg("image complete, blocks", (long)s->blocks);
    return fsync(s->image) == 0 ? RC_OK : RC_IO;
}

static int rq_abort(fw_sess *s, const fw_hdr *h)
{
    (void)h;
    s->active = 0;
    if (s->image >= 0) {
        close(s->image);
        s->image = -1;
        unlink(FW_IMAGE);
    }
    return RC_OK;
}

static int (*const requests[])(fw_sess *, const fw_hdr *) = {
    [T_BEGIN]  = rq_begin,
    [T_CHUNK]  = rq_chunk,
    [T_COMMIT] = rq_commit,
    [T_FINISH] = rq_finish,
    [T_ABORT]  = rq_abort,
};

/* ------------------------------------------------------------ sessions */

static void sess_default_close(fw_sess *s)
{
    if (s->active)
        lg("closed within a transfer, block", (long)s->blocks);
    if (s->image >= 0)
        close(s->image);
    close(s->fd);
}

static void sess_drop(int i)
{
    fw_sess *s = conns[i];

    conns[i] = NULL;
    s->on_close(s);
    free(s);
}

static void sess_new(int fd)
{
    struct timeval to = { 5, 0 };
    fw_sess *s;
    int i;

    for (i = 0; i < FW_CONNS && conns[i]; i++)
        ;
    if (i == FW_CONNS || !(s = calloc(1, sizeof *s))) {
        close(fd);
        return;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &to, sizeof to);
    s->fd = fd;
    s->image = -1;
    s->seen = time(NULL);
    s->on_close = sess_default_close;
    conns[i] = s;
}

static int sess_input(fw_sess *s)
{
    fw_hdr h;
    fw_ack a;
    int r = RC_TYPE;

    if (read_full(s->fd, &h, sizeof h) < 0 || ntohl(h.magic) != FW_MAGIC)
        return -1;
    h.seq = ntohs(h.seq);
    h.offset = ntohl(h.offset);
    h.length = ntohl(h.length);
    s->seen = time(NULL);
    if (h.type >= T_BEGIN && h.type <= T_ABORT)
        r = requests[h.type](s, &h);
    if (r < 0)
        return -1;
    a.magic = htonl(FW_MAGIC);
    a.seq = htons(h.seq);
    a.result = htons((uint16_t)r);
    return write(s->fd, &a, sizeof a) == (ssize_t)sizeof a ? 0 : -1;
}

static int open_port(void)
{
    struct sockaddr_in sa;
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (s < 0)
        return -1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(FW_PORT);
    if (bind(s, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(s, 2) < 0) {
        close(s);
        return -1;
    }
    return s;
}

int main(void)
{
    struct pollfd p[1 + FW_CONNS];
    int idx[1 + FW_CONNS];
    int ls, n, i, fd;
    time_t now;

    signal(SIGPIPE, SIG_IGN);
    if ((ls = open_port()) < 0) {
        perror("fwrecv");
        return 1;
    }
    for (;;) {
        p[0].fd = ls;
        p[0].events = POLLIN;
        p[0].revents = 0;
        for (n = 1, i = 0; i < FW_CONNS; i++)
            if (conns[i]) {
                p[n].fd = conns[i]->fd;
                p[n].events = POLLIN;
                p[n].revents = 0;
                idx[n++] = i;
            }
        if (poll(p, (nfds_t)n, 1000) < 0 && errno != EINTR)
            return 1;
        for (i = 1; i < n; i++)
            if (p[i].revents && sess_input(conns[idx[i]]) < 0)
                sess_drop(idx[i]);
        if ((p[0].revents & POLLIN) && (fd = accept(ls, NULL, NULL)) >= 0)
            sess_new(fd);
        now = time(NULL);
        for (i = 0; i < FW_CONNS; i++)
            if (conns[i] && now - conns[i]->seen > FW_IDLE)
                sess_drop(i);
    }
}
