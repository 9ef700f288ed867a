/* SML-like pull service of the E350 energy meter concentrator */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <pthread.h>
#include <time.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define SML_TCP_PORT   7259
#define REASM_MAX      4096
#define LABEL_LEN      64
#define MAX_OBIS       48

enum { ST_IDLE, ST_OPEN, ST_DATA, ST_DEAD };
enum { OP_OPEN = 0x01, OP_FRAG = 0x02, OP_COMMIT = 0x03, OP_LIST = 0x04, OP_CLOSE = 0x05 };
enum { TAG_OBIS = 0x10, TAG_VALUE = 0x11, TAG_UNIT = 0x12, TAG_TEXT = 0x20, TAG_TEXT_CONT = 0x21, TAG_END = 0x7f };

struct reading {
    uint8_t obis[6];
    int64_t value;
    uint8_t unit;
    time_t at;
    struct reading *next;
};

struct session {
    int fd;
    int state;
    uint8_t *reasm;
    unsigned pos;
    unsigned frames;
    struct reading cur;
};

static struct reading *readings;
static int n_readings;
static pthread_mutex_t rd_lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *logf_;

static uint16_t be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static int read_full(int fd, uint8_t *p, unsigned n)
{
    while (n) {
        ssize_t r = recv(fd, p, n, 0);
        if (r <= 0)
            return -1;
        p += r;
        n -= (unsigned)r;
    }
    return 0;
}

static void reply(struct session *s, uint8_t op, uint8_t rc)
{
    uint8_t f[6] = { 0x1b, 0x1b, op | 0x80, 0, 1, rc };
    send(s->fd, f, sizeof f, MSG_NOSIGNAL);
}

static void journal(const char *label, unsigned n, const struct reading *r)
{
    if (!logf_)
        logf_ = fopen("/var/log/sml.log", "a");
    if (!logf_)
        return;
    fprintf(logf_, "%02x-%02x:%02x.%02x.%02x*%02x ", r->obis[0], r->obis[1], r->obis[2],
            r->obis[3], r->obis[4], r->obis[5]);
    fwrite(label, 1, n, logf_);
    fputc('\n', logf_);
    fflush(logf_);
}

static void store_reading(const struct reading *src)
{
    struct reading *r;

    pthread_mutex_lock(&rd_lock);
    for (r = readings; r; r = r->next)
        if (!memcmp(r->obis, src->obis, 6))
            break;
    if (!r && n_readings < MAX_OBIS) {
        r = calloc(1, sizeof *r);
        if (r) {
            memcpy(r->obis, src->obis, 6);
            r->next = readings;
            readings = r;
            n_readings++;
        }
    }
    if (r) {
        r->value = src->value;
        r->unit = src->unit;
        r->at = time(NULL);
    }
    pthread_mutex_unlock(&rd_lock);
}

static void tlv_obis(struct reading *r, const uint8_t *v, unsigned len)
{
    if (len == 6)
        memcpy(r->obis, v, 6);
}

static void tlv_value(struct reading *r, const uint8_t *v, unsigned len)
{
    int64_t x = 0;
    if (len > 8)
        return;
    while (len--)
        x = (int64_t)((uint64_t)x << 8 | *v++);
    r->value = x;
}

/* one committed list: a run of TLVs, a text may be split over several */
static int walk_list(struct session *s, const uint8_t *p, unsigned left)
{
    char label[LABEL_LEN];
    unsigned used = 0;

    while (left >= 3) {
        uint8_t tag = p[0];
        unsigned len = be16(p + 1);
        p += 3;
        left -= 3;
        if (len > left)
            return -1;
        switch (tag) {
        case TAG_OBIS:  tlv_obis(&s->cur, p, len); break;
        case TAG_VALUE: tlv_value(&s->cur, p, len); break;
        case TAG_UNIT:  if (len == 1) s->cur.unit = p[0]; break;
        case TAG_TEXT:
            used = 0;
            /* fall through */
        case TAG_TEXT_CONT:
            if (len > sizeof label)
                return -1;
            memcpy(label + used, p, len);
            used += len;
            break;
        case TAG_END:
            store_reading(&s->cur);
            journal(label, used, &s->cur);
            used = 0;
            memset(&s->cur, 0, sizeof s->cur);
            break;
        default:
            break;
        }
        p += len;
        left -= len;
    }
    return 0;
}

static int op_open(struct session *s, const uint8_t *b, unsigned n)
{
    (void)b;
    if (n < 4)
        return -1;
    s->pos = 0;
    s->state = ST_OPEN;
    return 0;
}

static int op_frag(struct session *s, const uint8_t *b, unsigned n)
{
    if (s->state != ST_OPEN && s->state != ST_DATA)
        return -1;
    if (n > REASM_MAX - s->pos)
        return -1;
    memcpy(s->reasm + s->pos, b, n);
    s->pos += n;
    s->state = ST_DATA;
    return 0;
}

static int op_commit(struct session *s, const uint8_t *b, unsigned n)
{
    int rc;
    (void)b; (void)n;
    if (s->state != ST_DATA)
        return -1;
    rc = walk_list(s, s->reasm, s->pos);
    s->pos = 0;
    s->state = ST_OPEN;
    return rc;
}

static int op_list(struct session *s, const uint8_t *b, unsigned n)
{
    uint8_t out[5 + 6 + 8];
    struct reading *r;
    (void)b; (void)n;

    pthread_mutex_lock(&rd_lock);
    for (r = readings; r; r = r->next) {
        int i;
        memcpy(out, "\x1b\x1b\x84\x00\x0e", 5);
        memcpy(out + 5, r->obis, 6);
        for (i = 0; i < 8; i++)
            out[11 + i] = (uint8_t)((uint64_t)r->value >> (56 - 8 * i));
        send(s->fd, out, sizeof out, MSG_NOSIGNAL);
    }
    pthread_mutex_unlock(&rd_lock);
    return 0;
}

static int op_close(struct session *s, const uint8_t *b, unsigned n)
{
    (void)b; (void)n;
    s->state = ST_DEAD;
    return 0;
}

static int (*const op_table[])(struct session *, const uint8_t *, unsigned) = {
    [OP_OPEN] = op_open, [OP_FRAG] = op_frag, [OP_COMMIT] = op_commit,
    [OP_LIST] = op_list, [OP_CLOSE] = op_close,
};

static void *session_main(void *arg)
{
    struct session s;
    uint8_t hdr[5], body[1024];

    memset(&s, 0, sizeof s);
    s.fd = (int)(intptr_t)arg;
    s.reasm = malloc(REASM_MAX);
    while (s.reasm && s.state != ST_DEAD && read_full(s.fd, hdr, 5) == 0) {
        unsigned n = be16(hdr + 3);
        uint8_t op = hdr[2];
        if (hdr[0] != 0x1b || hdr[1] != 0x1b || n > sizeof body)
            break;
        if (n && read_full(s.fd, body, n) < 0)
            break;
        s.frames++;
        if (op >= sizeof op_table / sizeof op_table[0] || !op_table[op]) {
            reply(&s, op, 0xee);
            continue;
        }
        reply(&s, op, op_table[op](&s, body, n) == 0 ? 0 : 1);
    }
    free(s.reasm);
    close(s.fd);
    return NULL;
}

static void expire_readings(void)
{
    struct reading **pp, *r;
    time_t now = time(NULL);

    pthread_mutex_lock(&rd_lock);
    for (pp = &readings; (r = *pp) != NULL; ) {
        if (now - r->at > 86400) {
            *pp = r->next;
            free(r);
            n_readings--;
        } else {
            pp = &r->next;
        }
    }
    pthread_mutex_unlock(&rd_lock);
}

int main(void)
{
    struct sockaddr_in a;
    int ls = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(SML_TCP_PORT);
    a.sin_addr.s_addr = htonl(INADDR_ANY);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 4)) {
        perror("bind");
        return 1;
    }
    for (;;) {
        pthread_t t;
        int c = accept(ls, NULL, NULL);
        if (c < 0)
            continue;
        expire_readings();
        if (pthread_create(&t, NULL, session_main, (void *)(intptr_t)c) == 0)
            pthread_detach(t);
        else
            close(c);
    }
}
