/*
 * Key-card encoder of the hotel lock system.
 *
 * Front desk -> encoder, binary:
 *   'K' 'E' | op u8 | seq u8 | len u16 (network order) | body
 * The body of ISSUE/AUDIT orders is a list of  tag u8, len u8, bytes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define ENC_PORT   9100
#define BODY_MAX   1024

enum { OP_HELLO = 1, OP_ISSUE, OP_VOID, OP_COUNT, OP_NOPS };
enum { TAG_ROOM = 0x10, TAG_NIGHTS, TAG_GUEST, TAG_DESK };
enum { ST_OK = 0, ST_BADOP, ST_BADBODY, ST_FULL };

typedef struct {
    uint16_t room;
    uint8_t  nights;
    char     guest[40];
    char     desk[16];
} card_t;

typedef struct { card_t card; char pending; } slot_t;

#define SLOTS 16
static slot_t          slots[SLOTS];
static pthread_mutex_t slot_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  slot_cond = PTHREAD_COND_INITIALIZER;
static unsigned        issued, voided;

static int do_cmd(const char *fmt, ...)
{
    char   *line;
    int     n, rc;
    va_list ap;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !(line = malloc((size_t)n + 1)))
        return -1;
    va_start(ap, fmt);
    vsnprintf(line, (size_t)n + 1, fmt, ap);
    va_end(ap);
    rc = system(line);
    free(line);
    return rc;
}

/* copy of a text field as it may appear in the audit line */
static void text_field(char *dst, size_t cap, const uint8_t *src, size_t n)
{
    size_t i;

    if (n > cap - 1)
        n = cap - 1;
    for (i = 0; i < n; i++)
        dst[i] = isprint(src[i]) && src[i] != '"' && src[i] != '\\' ? (char)src[i] : '_';
    dst[n] = '\0';
}

static int parse_card(const uint8_t *b, size_t len, card_t *c)
{
    size_t off = 0;
    uint8_t tag, n;

    memset(c, 0, sizeof *c);
    while (off + 2 <= len) {
        tag = b[off];
        n = b[off + 1];
        off += 2;
        if (off + n > len)
            return -1;
        switch (tag) {
        case TAG_ROOM:
            if (n != 2)
                return -1;
            c->room = (uint16_t)(b[off] << 8 | b[off + 1]);
            break;
        case TAG_NIGHTS:
            if (n != 1 || b[off] > 30)
                return -1;
            c->nights = b[off];
            break;
        case TAG_GUEST:
            text_field(c->guest, sizeof c->guest, b + off, n);
            break;
        case TAG_DESK:
            text_field(c->desk, sizeof c->desk, b + off, n);
            break;
        default:
            break;
        }
        off += n;
    }
    return c->room ? 0 : -1;
}

static uint8_t op_hello(const uint8_t *b, size_t n)
{
    (void)b; (void)n;
    return ST_OK;
}

static uint8_t op_issue(const uint8_t *b, size_t n)
{
    card_t c;
    int i, st = ST_FULL;

    if (parse_card(b, n, &c) < 0)
        return ST_BADBODY;
    pthread_mutex_lock(&slot_lock);
    for (i = 0; i < SLOTS; i++)
        if (!slots[i].pending) {
            slots[i].card = c;
            slots[i].pending = 'I';
            st = ST_OK;
            pthread_cond_signal(&slot_cond);
            break;
        }
    pthread_mutex_unlock(&slot_lock);
    return (uint8_t)st;
}

static uint8_t op_void(const uint8_t *b, size_t n)
{
    uint16_t room;
    int i;

    if (n < 2)
        return ST_BADBODY;
    room = (uint16_t)(b[0] << 8 | b[1]);
    pthread_mutex_lock(&slot_lock);
    for (i = 0; i < SLOTS; i++)
        if (slots[i].pending && slots[i].card.room == room)
            slots[i].pending = 0;
    voided++;
    pthread_mutex_unlock(&slot_lock);
    return ST_OK;
}

static uint8_t op_count(const uint8_t *b, size_t n)
{
    (void)b; (void)n;
    return (uint8_t)(issued > 255 ? 255 : issued);
}

static uint8_t (*const ops[OP_NOPS])(const uint8_t *, size_t) = {
    [OP_HELLO] = op_hello,
    [OP_ISSUE] = op_issue,
    [OP_VOID]  = op_void,
    [OP_COUNT] = op_count,
};

static void write_track(const card_t *c)
{
    FILE *f = fopen("/dev/ttyS1", "w");
    if (!f)
        return;
    fprintf(f, "\x1bw%%%04u%02u%u?\x1c", c->room, c->nights, issued & 0xffff);
    fclose(f);
}

static void *encoder_thread(void *arg)
{
    card_t c;
    int i;

    (void)arg;
    for (;;) {
        pthread_mutex_lock(&slot_lock);
        for (;;) {
            for (i = 0; i < SLOTS && !slots[i].pending; i++)
                ;
            if (i < SLOTS)
                break;
            pthread_cond_wait(&slot_cond, &slot_lock);
        }
        c = slots[i].card;
        slots[i].pending = 0;
        issued++;
        pthread_mutex_unlock(&slot_lock);

        write_track(&c);
        do_cmd("logger -p local3.info -t encoder \"room %u, %u nights, %s by %s\"",
               c.room, c.nights, c.guest[0] ? c.guest : "-", c.desk[0] ? c.desk : "-");
    }
    return NULL;
}

static int read_exact(int fd, void *buf, size_t n)
{
    uint8_t *p = buf;
    ssize_t r;

    while (n) {
        r = recv(fd, p, n, 0);
        if (r <= 0)
            return -1;
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

static void desk_session(int fd)
{
    uint8_t h[6], body[BODY_MAX], ans[5];
    size_t len;

    while (read_exact(fd, h, sizeof h) == 0) {
        if (h[0] != 'K' || h[1] != 'E')
            break;
        len = (size_t)(h[4] << 8 | h[5]);
        if (len > sizeof body || read_exact(fd, body, len) < 0)
            break;
        ans[0] = 'K';
        ans[1] = 'A';
        ans[2] = h[2];
        ans[3] = h[3];
        ans[4] = h[2] < OP_NOPS && ops[h[2]] ? ops[h[2]](body, len) : ST_BADOP;
        send(fd, ans, sizeof ans, MSG_NOSIGNAL);
    }
    close(fd);
}

int main(void)
{
    struct sockaddr_in sa;
    pthread_t th;
    int s, c, on = 1;

    if (pthread_create(&th, NULL, encoder_thread, NULL))
        return 1;
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(ENC_PORT);
    if (bind(s, (struct sockaddr *)&sa, sizeof sa) || listen(s, 2)) {
        perror("encoder");
        return 1;
    }
    for (;;)
        if ((c = accept(s, NULL, NULL)) >= 0)
            desk_session(c);
}
