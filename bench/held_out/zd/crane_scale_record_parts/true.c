// Weighing indicator of a harbour crane: takes load records from the radio
// gateway. A record may be sent in several parts (flag MORE), the parts are
// joined by the receiving thread and the record goes to the worker's queue.
//
// Part:  u8 type, u8 flags, u16 length (little endian), data
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LISTEN_PORT 9761
#define RECORD_MAX 4096
#define FLAG_MORE 0x01
#define QUEUE_LEN 16

enum { REC_LOAD = 1, REC_TARE = 2, REC_TICKET = 3, REC_CLOCK = 4 };

typedef struct record {
    uint8_t type;
    uint16_t size;
    uint8_t *data;
} record_t;

typedef struct {
    record_t item[QUEUE_LEN];
    unsigned in, out;
    pthread_mutex_t mutex;
    pthread_cond_t ready;
} queue_t;

static queue_t queue = {.mutex = PTHREAD_MUTEX_INITIALIZER, .ready = PTHREAD_COND_INITIALIZER};

static struct {
    int32_t tare_g;
    int64_t total_g;
    uint32_t lifts;
    char last_ticket[40];
    time_t clock_delta;
} scale;

static int queue_push(uint8_t type, const uint8_t *data, uint16_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    if (copy == NULL) return -1;
    memcpy(copy, data, size);

    pthread_mutex_lock(&queue.mutex);
    if (queue.in - queue.out >= QUEUE_LEN) {
        pthread_mutex_unlock(&queue.mutex);
        free(copy);
        return -1;
    }
    record_t *r = &queue.item[queue.in++ % QUEUE_LEN];
    r->type = type;
    r->size = size;
    r->data = copy;
    pthread_cond_signal(&queue.ready);
    pthread_mutex_unlock(&queue.mutex);
    return 0;
}

static record_t queue_pop(void) {
    record_t r;
    pthread_mutex_lock(&queue.mutex);
    while (queue.in == queue.out) pthread_cond_wait(&queue.ready, &queue.mutex);
    r = queue.item[queue.out++ % QUEUE_LEN];
    pthread_mutex_unlock(&queue.mutex);
    return r;
}

static uint16_t le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static int32_t le32(const uint8_t *p) { return (int32_t)(le16(p) | (uint32_t)le16(p + 2) << 16); }

// ---------------------------------------------------------------- worker

static void do_load(const record_t *r) {
    for (unsigned at = 0; at + 4 <= r->size; at += 4) {
        int32_t gross = le32(r->data + at);
        if (gross < 0 || gross > 80000000) continue;
        scale.total_g += (int64_t)gross - scale.tare_g;
        scale.lifts++;
    }
}

static void do_tare(const record_t *r) {
    if (r->size != 4) return;
    int32_t t = le32(r->data);
    if (t >= 0 && t < 5000000) scale.tare_g = t;
}

static void do_ticket(const record_t *r) {
    size_t n = r->size < sizeof scale.last_ticket - 1 ? r->size : sizeof scale.last_ticket - 1;
    memcpy(scale.last_ticket, r->data, n);
    scale.last_ticket[n] = '\0';
    FILE *f = fopen("/tmp/tickets.log", "a");
    if (f == NULL) return;
    fprintf(f, "%ld;%s;%u;%lld\n", (long)(time(NULL) + scale.clock_delta), scale.last_ticket,
            scale.lifts, (long long)scale.total_g);
    fclose(f);
    scale.total_g = 0;
    scale.lifts = 0;
}

static void do_clock(const record_t *r) {
    if (r->size == 4) scale.clock_delta = (time_t)(uint32_t)le32(r->data) - time(NULL);
}

static void (*const work[])(const record_t *) = {NULL, do_load, do_tare, do_ticket, do_clock};

static void *worker_main(void *unused) {
    (void)unused;
    for (;;) {
        record_t r = queue_pop();
        if (r.type < sizeof work / sizeof work[0] && work[r.type] != NULL) work[r.type](&r);
        free(r.data);
    }
    return NULL;
}

// -------------------------------------------------------------- receiver

static int recv_exact(int fd, void *to, size_t n) {
    uint8_t *p = to;
    while (n > 0) {
        ssize_t k = recv(fd, p, n, 0);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return -1;
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

typedef struct {
    int fd;
    uint8_t type;
    uint16_t fill;
    unsigned parts;
} assembly_t;

static void receive_records(int fd) {
    uint8_t record[RECORD_MAX];
    uint8_t head[4];
    assembly_t as = {.fd = fd};

    while (recv_exact(fd, head, sizeof head) == 0) {
        uint16_t len = le16(head + 2);
        uint16_t end = as.fill + len;

        if (as.parts > 0 && head[0] != as.type) return;
        if (end > sizeof record) {
            fprintf(stderr, "scale: record too long\n");
            return;
        }
        if (recv_exact(fd, record + as.fill, len) != 0) return;
        as.type = head[0];
        as.fill = end;
        as.parts++;
        if (head[1] & FLAG_MORE) continue;

        uint8_t answer = queue_push(as.type, record, as.fill) == 0 ? 0x06 : 0x15;
        send(fd, &answer, 1, MSG_NOSIGNAL);
        as.fill = 0;
        as.parts = 0;
    }
}

static void *receiver_main(void *arg) {
    int ls = *(int *)arg;
    for (;;) {
        int fd = accept(ls, NULL, NULL);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            break;
        }
        struct timeval tv = {30, 0};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        receive_records(fd);
        close(fd);
    }
    return NULL;
}

static void status_line(void) {
    FILE *f = fopen("/tmp/scale.status", "w");
    if (f == NULL) return;
    fprintf(f, "lifts %u total %lld tare %d ticket %s\n", scale.lifts, (long long)scale.total_g,
            scale.tare_g, scale.last_ticket);
    fclose(f);
}

int main(void) {
    int ls = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(LISTEN_PORT)};
    pthread_t rx, wk;

    signal(SIGPIPE, SIG_IGN);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 1) < 0) {
        perror("scale");
        return 1;
    }
    if (pthread_create(&wk, NULL, worker_main, NULL) != 0 ||
        pthread_create(&rx, NULL, receiver_main, &ls) != 0)
        return 1;
    for (;;) {
        sleep(5);
        status_line();
    }
}
