/*
 * Landing panel of a lift: the group controller sends records (type, length, value) behind a small binary header.
 * The panel shows floors, plays announcements and reports its state. A request for an announcement names a sound clip.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PANEL_PORT 20547
#define PANEL_MAGIC 0x4c494654u
#define PANEL_CONF "/etc/liftpanel.conf"
#define MAX_CARS 4

enum { T_CAR = 1, T_FLOOR = 2, T_DIRECTION = 3, T_CLIP = 4, T_LEVEL = 5, T_TEXT = 6, T_CONFIRM = 7 };

struct record {
    uint8_t type;
    uint8_t size;
    const uint8_t *value;
};

struct car {
    int floor;
    int direction;
    time_t seen;
};

struct speech {
    char clip[64];
    int repeat;
    int busy;
    time_t last;
};

struct panel {
    int sock;
    struct sockaddr_in peer;
    socklen_t peer_size;
    uint8_t in[600];
    size_t in_size;
    uint8_t out[160];
    size_t out_size;
    uint16_t sequence;
    struct car cars[MAX_CARS];
    struct speech speech;
    char message[33];
    int volume;
    int night;
    int verbose;
    unsigned long good, bad;
};

typedef int (*operation)(struct panel *, const uint8_t *, size_t);

static void note(struct panel *p, const char *format, ...)
{
    va_list ap;
    if (!p->verbose)
        return;
    va_start(ap, format);
    fprintf(stderr, "[%ld] ", (long)time(NULL));
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
}

static uint16_t get16(const uint8_t *b)
{
    return (uint16_t)(b[0] << 8 | b[1]);
}

static uint32_t get32(const uint8_t *b)
{
    return (uint32_t)get16(b) << 16 | get16(b + 2);
}

static void put16(struct panel *p, unsigned v)
{
    if (p->out_size + 2 > sizeof p->out)
        return;
    p->out[p->out_size++] = (uint8_t)(v >> 8);
    p->out[p->out_size++] = (uint8_t)v;
}

static uint16_t checksum(const uint8_t *b, size_t n)
{
    uint32_t sum = 0;
    while (n--)
        sum += *b++;
    return (uint16_t)(sum ^ 0xffff);
}

/* Steps to the next record; 0 at the end or when a record runs over the end of the packet. */
static int next_record(const uint8_t **at, const uint8_t *end, struct record *r)
{
    const uint8_t *b = *at;
    if (end - b < 2 || end - b - 2 < b[1])
        return 0;
    r->type = b[0];
    r->size = b[1];
    r->value = b + 2;
    *at = b + 2 + b[1];
    return 1;
}

static int find_record(const uint8_t *b, size_t n, int type, struct record *r)
{
    const uint8_t *end = b + n;
    while (next_record(&b, end, r))
        if (r->type == type)
            return 1;
    return 0;
}

static int record_number(const uint8_t *b, size_t n, int type, int fallback)
{
    struct record r;
    int v = 0;
    if (!find_record(b, n, type, &r) || r.size == 0 || r.size > 3)
        return fallback;
    for (int i = 0; i < r.size; i++)
        v = v << 8 | r.value[i];
    return v;
}

static int record_text(const uint8_t *b, size_t n, int type, char *to, size_t room)
{
    struct record r;
    if (!find_record(b, n, type, &r) || r.size >= room)
        return 0;
    memcpy(to, r.value, r.size);
    to[r.size] = 0;
    return r.size;
}

static int speech_play(struct panel *p)
{
    char line[160];
    snprintf(line, sizeof line, "aplay -q /usr/share/lift/%s.wav >/dev/null 2>&1", p->speech.clip);
    note(p, "play %d times", p->speech.repeat);
    p->speech.last = time(NULL);
    for (int i = 0; i < p->speech.repeat; i++)
        if (system(line) != 0)
            return -1;
    return 0;
}

static int speech_start(struct panel *p, int repeat)
{
    if (p->night && p->volume > 20)
        p->volume = 20;
    p->speech.repeat = repeat < 1 ? 1 : repeat > 3 ? 3 : repeat;
    p->speech.busy = 1;
    int rc = speech_play(p);
    p->speech.busy = 0;
    return rc;
}

#ifdef BENIGN
static int clip_name(const char *s)
{
    if (!*s)
        return 0;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_')
            return 0;
    return 1;
}
#else
static int clip_name(const char *s)
{
    return isalnum((unsigned char)*s) && strlen(s) > 2;
}
#endif

static int speech_request(struct panel *p, const uint8_t *b, size_t n)
{
    char clip[sizeof p->speech.clip];
    if (p->speech.busy || time(NULL) - p->speech.last < 1)
        return 2;
    if (!record_text(b, n, T_CLIP, clip, sizeof clip) || !clip_name(clip))
        return 3;
    strcpy(p->speech.clip, clip);
    return speech_start(p, record_number(b, n, T_LEVEL, 1)) < 0 ? 4 : 0;
}

static int op_hello(struct panel *p, const uint8_t *b, size_t n)
{
    (void)b;
    (void)n;
    put16(p, 0x0204);
    put16(p, (unsigned)p->volume);
    return 0;
}

static int op_position(struct panel *p, const uint8_t *b, size_t n)
{
    int car = record_number(b, n, T_CAR, -1);
    if (car < 0 || car >= MAX_CARS)
        return 1;
    p->cars[car].floor = record_number(b, n, T_FLOOR, 0);
    p->cars[car].direction = record_number(b, n, T_DIRECTION, 0);
    p->cars[car].seen = time(NULL);
    return 0;
}

static int op_announce(struct panel *p, const uint8_t *b, size_t n)
{
    return speech_request(p, b, n);
}

static int op_volume(struct panel *p, const uint8_t *b, size_t n)
{
    char line[64];
    int level = record_number(b, n, T_LEVEL, -1);
    if (level < 0 || level > 100)
        return 1;
    p->volume = level;
    snprintf(line, sizeof line, "amixer -q set Master %d%%", level);
    return system(line) == 0 ? 0 : 4;
}

static int op_message(struct panel *p, const uint8_t *b, size_t n)
{
    if (!record_text(b, n, T_TEXT, p->message, sizeof p->message))
        return 1;
    note(p, "message \"%s\"", p->message);
    return 0;
}

static int op_restart(struct panel *p, const uint8_t *b, size_t n)
{
    if (record_number(b, n, T_CONFIRM, 0) != 0x55)
        return 1;
    note(p, "restart asked for");
    return system("/etc/init.d/liftpanel restart") == 0 ? 0 : 4;
}

static int op_state(struct panel *p, const uint8_t *b, size_t n)
{
    (void)b;
    (void)n;
    for (int i = 0; i < MAX_CARS; i++) {
        put16(p, (unsigned)p->cars[i].floor);
        put16(p, (unsigned)p->cars[i].direction);
    }
    return 0;
}

static const operation operations[] = {op_hello, op_position, op_announce, op_volume, op_message, op_restart, op_state};

static void answer(struct panel *p, int opcode, int status)
{
    p->out[0] = (uint8_t)(opcode | 0x80);
    p->out[1] = (uint8_t)status;
    p->out[2] = (uint8_t)(p->sequence >> 8);
    p->out[3] = (uint8_t)p->sequence;
    sendto(p->sock, p->out, p->out_size, 0, (struct sockaddr *)&p->peer, p->peer_size);
}

/* Header: magic (4), opcode (1), flags (1), sequence (2), size of the records (2), checksum of the records (2). */
static void packet(struct panel *p)
{
    const uint8_t *b = p->in;
    size_t size;
    unsigned opcode;
    if (p->in_size < 12 || get32(b) != PANEL_MAGIC)
        goto bad;
    size = get16(b + 8);
    if (size > p->in_size - 12 || checksum(b + 12, size) != get16(b + 10))
        goto bad;
    opcode = b[4];
    if (opcode >= sizeof operations / sizeof *operations)
        goto bad;
    p->good++;
    p->sequence = get16(b + 6);
    p->out_size = 4;
    answer(p, (int)opcode, operations[opcode](p, b + 12, size));
    return;
bad:
    p->bad++;
    note(p, "bad packet of %u bytes from %s", (unsigned)p->in_size, inet_ntoa(p->peer.sin_addr));
}

static void tick(struct panel *p)
{
    time_t now = time(NULL);
    struct tm *t = localtime(&now);
    if (t)
        p->night = t->tm_hour >= 22 || t->tm_hour < 6;
    for (int i = 0; i < MAX_CARS; i++)
        if (p->cars[i].seen && now - p->cars[i].seen > 30) {
            note(p, "car %d is silent", i);
            p->cars[i].seen = 0;
        }
}

static void configure(struct panel *p)
{
    char line[128];
    int v;
    FILE *f = fopen(PANEL_CONF, "r");
    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "volume %d", &v) == 1)
            p->volume = v;
        else if (sscanf(line, "verbose %d", &v) == 1)
            p->verbose = v;
    }
    fclose(f);
}

int main(void)
{
    static struct panel panel;
    struct panel *p = &panel;
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(PANEL_PORT)};
    p->volume = 60;
    configure(p);
    p->sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (p->sock < 0 || bind(p->sock, (struct sockaddr *)&me, sizeof me) < 0) {
        perror("liftpanel");
        return 1;
    }
    for (;;) {
        fd_set set;
        struct timeval wait = {5, 0};
        FD_ZERO(&set);
        FD_SET(p->sock, &set);
        if (select(p->sock + 1, &set, NULL, NULL, &wait) > 0) {
            p->peer_size = sizeof p->peer;
            ssize_t n = recvfrom(p->sock, p->in, sizeof p->in, 0, (struct sockaddr *)&p->peer, &p->peer_size);
            if (n > 0) {
                p->in_size = (size_t)n;
                packet(p);
            }
        }
        tick(p);
    }
}
