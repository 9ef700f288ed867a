// liftcomm.c - link between the crane's PLC and the operating desk
//
// Frames:  A5 type seq(2) len(2) payload          (integers big endian)
// One receiver thread per desk, one worker that owns the crane data.

#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <time.h>
#include <pthread.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define LIFT_PORT      20480
#define FRAME_SYNC     0xA5
#define PAYLOAD_LIMIT  1024
#define CURVE_POINTS   24
#define QUEUE_LIMIT    32

enum frame_type {
    FT_ALIVE    = 0x01,
    FT_JOYSTICK = 0x10,
    FT_CURVE    = 0x20,
    FT_LIMITS   = 0x21,
    FT_TEXT     = 0x30,
};

struct point {
    uint16_t radius_cm;
    uint16_t load_kg;
};

struct frame {
    struct frame *next;
    int      desk;
    uint8_t  type;
    uint16_t seq;
    uint16_t len;
    uint8_t  payload[PAYLOAD_LIMIT];
};

struct crane {
    int16_t  joy[3];
    uint16_t max_radius, max_load;
    uint16_t curve_peak, curve_reach;
    unsigned curve_count;
    uint8_t  curve_slot;
    char     text[33];
    time_t   last_alive;
    int      stopped;
};

static struct crane crane = { .max_radius = 2500, .max_load = 3000 };

static struct {
    struct frame   *head, *tail;
    int             count;
    pthread_mutex_t lock;
    pthread_cond_t  more;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static void note(const char *what, long value)
{
    fprintf(stderr, "liftcomm %ld: %s %ld\n", (long)time(NULL), what, value);
}

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

// ---------------------------------------------------------------- queue

static int queue_put(struct frame *f)
{
    int rc = -1;

    f->next = NULL;
    pthread_mutex_lock(&queue.lock);
    if (queue.count < QUEUE_LIMIT) {
        if (queue.tail)
            queue.tail->next = f;
        else
            queue.head = f;
        queue.tail = f;
        queue.count++;
        rc = 0;
        pthread_cond_signal(&queue.more);
    }
    pthread_mutex_unlock(&queue.lock);
    return rc;
}

// waits at most one second
static struct frame *queue_get(void)
{
    struct frame *f;
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += 1;
    pthread_mutex_lock(&queue.lock);
    while (queue.head == NULL)
        if (pthread_cond_timedwait(&queue.more, &queue.lock, &ts) == ETIMEDOUT)
            break;
    f = queue.head;
    if (f) {
        queue.head = f->next;
        if (queue.head == NULL)
            queue.tail = NULL;
        queue.count--;
    }
    pthread_mutex_unlock(&queue.lock);
    return f;
}

// --------------------------------------------------------------- frames

static int on_alive(const struct frame *f)
{
    (void)f;
    crane.last_alive = time(NULL);
    if (crane.stopped) {
        crane.stopped = 0;
        note("desk is back", f->desk);
    }
    return 0;
}

static int on_joystick(const struct frame *f)
{
    int i;

    if (f->len != 6)
        return -EINVAL;
    for (i = 0; i < 3; i++)
        crane.joy[i] = (int16_t)be16(f->payload + 2 * i);
    crane.last_alive = time(NULL);
    return 0;
}

static int interpolate(const struct point *p, unsigned n, unsigned radius)
{
    unsigned i;

    for (i = 1; i < n; i++) {
        unsigned r0 = ntohs(p[i - 1].radius_cm), r1 = ntohs(p[i].radius_cm);
        int l0 = ntohs(p[i - 1].load_kg), l1 = ntohs(p[i].load_kg);

        if (radius >= r0 && radius <= r1 && r1 > r0)
            return l0 + (l1 - l0) * (int)(radius - r0) / (int)(r1 - r0);
    }
    return 0;
}

// slot(1) count(1) count * { radius(2) load(2) }
static int on_curve(const struct frame *f)
{
    struct point pts[CURVE_POINTS];
    unsigned count, i, peak = 0;

    if (f->len < 2)
        return -EINVAL;
    count = f->payload[1];
    if (count < 2 || f->len != 2 + count * sizeof(struct point))
        return -EINVAL;
    memcpy(pts, f->payload + 2, count * sizeof(struct point));
    for (i = 0; i < count; i++)
        if (ntohs(pts[i].load_kg) > peak)
            peak = ntohs(pts[i].load_kg);
    if (peak > crane.max_load)
        return -ERANGE;
    crane.curve_slot = f->payload[0];
    crane.curve_count = count;
    crane.curve_peak = (uint16_t)peak;
    crane.curve_reach = (uint16_t)interpolate(pts, count, crane.max_radius / 2);
    note("load curve, points", (long)count);
    return 0;
}

static int on_limits(const struct frame *f)
{
    unsigned r, l;

    if (f->len != 4)
        return -EINVAL;
    r = be16(f->payload);
    l = be16(f->payload + 2);
    if (r < 100 || r > 6000 || l > 12000)
        return -ERANGE;
    crane.max_radius = (uint16_t)r;
    crane.max_load = (uint16_t)l;
    return 0;
}

static int on_text(const struct frame *f)
{
    size_t n = f->len;

    if (n > sizeof(crane.text) - 1)
        n = sizeof(crane.text) - 1;
    memcpy(crane.text, f->payload, n);
    crane.text[n] = '\0';
    return 0;
}

static int (*const frame_table[256])(const struct frame *) = {
    [FT_ALIVE]    = on_alive,
    [FT_JOYSTICK] = on_joystick,
    [FT_CURVE]    = on_curve,
    [FT_LIMITS]   = on_limits,
    [FT_TEXT]     = on_text,
};

static void acknowledge(const struct frame *f, int rc)
{
    uint8_t a[7] = { FRAME_SYNC, (uint8_t)(f->type | 0x80), (uint8_t)(f->seq >> 8), (uint8_t)f->seq,
                     0, 1, (uint8_t)-rc };

    send(f->desk, a, sizeof a, MSG_NOSIGNAL);
}

static void *worker(void *arg)
{
    for (;;) {
        struct frame *f = queue_get();

        if (f) {
            int rc = frame_table[f->type] ? frame_table[f->type](f) : -ENOSYS;

            acknowledge(f, rc);
            free(f);
        }
        if (!crane.stopped && crane.last_alive && time(NULL) - crane.last_alive > 2) {
            memset(crane.joy, 0, sizeof crane.joy);
            crane.stopped = 1;
            note("desk lost, stopped", 0);
        }
    }
    return arg;
}

// ------------------------------------------------------------- receiver

static int recv_all(int fd, void *buf, size_t n)
{
    uint8_t *p = buf;

    while (n) {
        ssize_t r = recv(fd, p, n, 0);

        if (r <= 0)
            return -1;
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

static void *receiver(void *arg)
{
    int fd = (int)(intptr_t)arg;
    uint8_t h[6];

    while (recv_all(fd, h, sizeof h) == 0) {
        struct frame *f;

        if (h[0] != FRAME_SYNC || be16(h + 4) > PAYLOAD_LIMIT)
            break;
        f = malloc(sizeof *f);
        if (f == NULL)
            break;
        f->desk = fd;
        f->type = h[1];
        f->seq = (uint16_t)be16(h + 2);
        f->len = (uint16_t)be16(h + 4);
        if (recv_all(fd, f->payload, f->len) || queue_put(f)) {
            free(f);
            break;
        }
    }
    note("desk closed", fd);
    shutdown(fd, SHUT_RDWR);
    sleep(2);
    close(fd);
    return NULL;
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(LIFT_PORT) };
    pthread_t tid;
    int ls, on = 1;

    signal(SIGPIPE, SIG_IGN);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, 2)) {
        perror("liftcomm");
        return 1;
    }
    pthread_create(&tid, NULL, worker, NULL);
    for (;;) {
        int fd = accept(ls, NULL, NULL);

        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (pthread_create(&tid, NULL, receiver, (void *)(intptr_t)fd))
            close(fd);
        else
            pthread_detach(tid);
    }
}
