/*
 * valsync - back office link of the on-board ticket validator
 *
 * The depot system opens a connection when the bus is in reach, pushes the
 * list of blocked cards, the fare table and the clock, and fetches the taps.
 *
 *   frame:  STX cmd(1) seq(1) count(2, BE) payload
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define VS_PORT       20443
#define STX           0x02
#define HOTLIST_MAX   2000
#define FARES_MAX     64
#define TAPS_MAX      4096

#define C_HOT_BEGIN   'B'
#define C_HOT_PART    'P'
#define C_HOT_COMMIT  'C'
#define C_FARES       'F'
#define C_CLOCK       'T'
#define C_GET_TAPS    'G'

typedef struct __attribute__((packed)) {
    uint8_t  uid[7];
    uint8_t  reason;
} HotEntry;

typedef struct __attribute__((packed)) {
    uint8_t  product;
    uint8_t  zones;
    uint16_t cents;
} Fare;

typedef struct {
    uint8_t  uid[7];
    uint8_t  result;
    uint32_t when;
} Tap;

static struct {
    HotEntry entry[HOTLIST_MAX];
    unsigned count;
} staging, active;

static Fare     fares[FARES_MAX];
static unsigned n_fares;
static Tap      taps[TAPS_MAX];
static unsigned n_taps;
static unsigned line_no = 0, vehicle_no = 0;
static pthread_rwlock_t data_lock = PTHREAD_RWLOCK_INITIALIZER;

static int get_bytes(int fd, void *to, size_t n)
{
    size_t off = 0;

    while (off < n) {
        ssize_t r = read(fd, (char *)to + off, n - off);

        if (r == 0)
            return -1;
        if (r < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        off += (size_t)r;
    }
    return 0;
}

static void ack(int fd, uint8_t cmd, uint8_t seq, uint8_t code)
{
    uint8_t a[4] = { STX, (uint8_t)(cmd | 0x80), seq, code };

    if (write(fd, a, sizeof a) != (ssize_t)sizeof a)
        syslog(LOG_WARNING, "ack not sent");
}

static int by_uid(const void *a, const void *b)
{
    return memcmp(a, b, 7);
}

static int hot_begin(int fd, unsigned count)
{
    (void)fd;
    (void)count;
    staging.count = 0;
    return 0;
}

static int hot_part(int fd, unsigned count)
{
    if (count == 0 || count > HOTLIST_MAX - staging.count) {
        syslog(LOG_ERR, "blocked list part of %u", count);
        return -1;
    }
    if (get_bytes(fd, &staging.entry[staging.count], count * sizeof(HotEntry)) < 0)
        return -1;
    staging.count += count;
    return 0;
}

static int hot_commit(int fd, unsigned count)
{
    (void)fd;
    if (count != staging.count) {
        syslog(LOG_ERR, "blocked list: %u announced, %u received", count, staging.count);
        return 1;
    }
    qsort(staging.entry, staging.count, sizeof(HotEntry), by_uid);
    pthread_rwlock_wrlock(&data_lock);
    active = staging;
    pthread_rwlock_unlock(&data_lock);
    syslog(LOG_INFO, "%u blocked cards", active.count);
    return 0;
}

static int fares_in(int fd, unsigned count)
{
    Fare tmp[FARES_MAX];
    unsigned i;

    if (count > FARES_MAX)
        return -1;
    if (get_bytes(fd, tmp, count * sizeof(Fare)) < 0)
        return -1;
    pthread_rwlock_wrlock(&data_lock);
    for (i = 0; i < count; i++) {
        fares[i] = tmp[i];
        fares[i].cents = ntohs(tmp[i].cents);
    }
    n_fares = count;
    pthread_rwlock_unlock(&data_lock);
    return 0;
}

static int clock_in(int fd, unsigned count)
{
    uint32_t t;
    struct timeval tv;

    if (count != 1 || get_bytes(fd, &t, sizeof t) < 0)
        return -1;
    tv.tv_sec = (time_t)ntohl(t);
    tv.tv_usec = 0;
    return settimeofday(&tv, NULL) == 0 ? 0 : 1;
}

static int taps_out(int fd, unsigned count)
{
    unsigned n;

    pthread_rwlock_wrlock(&data_lock);
    n = n_taps < count ? n_taps : count;
    if (n && write(fd, taps, n * sizeof(Tap)) == (ssize_t)(n * sizeof(Tap))) {
        memmove(taps, taps + n, (n_taps - n) * sizeof(Tap));
        n_taps -= n;
    }
    pthread_rwlock_unlock(&data_lock);
    return 0;
}

static const struct {
    uint8_t cmd;
    int (*fn)(int, unsigned);
} frames[] = {
    { C_HOT_BEGIN, hot_begin },
    { C_HOT_PART, hot_part },
    { C_HOT_COMMIT, hot_commit },
    { C_FARES, fares_in },
    { C_CLOCK, clock_in },
    { C_GET_TAPS, taps_out },
};

static void depot_session(int fd)
{
    uint8_t h[5];
    unsigned i;
    int rc;

    while (get_bytes(fd, h, sizeof h) == 0) {
        if (h[0] != STX) {
            syslog(LOG_ERR, "framing lost");
            return;
        }
        for (i = 0; i < sizeof frames / sizeof frames[0]; i++)
            if (frames[i].cmd == h[1])
                break;
        if (i == sizeof frames / sizeof frames[0]) {
            ack(fd, h[1], h[2], 0xff);
            return;
        }
        rc = frames[i].fn(fd, (unsigned)h[3] << 8 | h[4]);
        ack(fd, h[1], h[2], rc == 0 ? 0 : 1);
        if (rc < 0)
            return;
    }
}

/* ----------------------------------------------------- card side, a thread */

static int card_blocked(const uint8_t uid[7])
{
    int r;

    pthread_rwlock_rdlock(&data_lock);
    r = bsearch(uid, active.entry, active.count, sizeof(HotEntry), by_uid) != NULL;
    pthread_rwlock_unlock(&data_lock);
    return r;
}

static void *reader_main(void *dev)
{
    int fd = open((const char *)dev, O_RDWR | O_NOCTTY);
    uint8_t uid[7];

    if (fd < 0) {
        syslog(LOG_ERR, "card reader: %s", strerror(errno));
        return NULL;
    }
    while (get_bytes(fd, uid, sizeof uid) == 0) {
        int bad = card_blocked(uid);

        write(fd, bad ? "R" : "G", 1);
        pthread_rwlock_wrlock(&data_lock);
        if (n_taps < TAPS_MAX) {
            memcpy(taps[n_taps].uid, uid, 7);
            taps[n_taps].result = (uint8_t)bad;
            taps[n_taps].when = (uint32_t)time(NULL);
            n_taps++;
        }
        pthread_rwlock_unlock(&data_lock);
    }
    close(fd);
    return NULL;
}

static void read_vehicle(void)
{
    FILE *f = fopen("/etc/vehicle", "r");

    if (!f)
        return;
    if (fscanf(f, "line %u vehicle %u", &line_no, &vehicle_no) != 2)
        syslog(LOG_WARNING, "/etc/vehicle is not complete");
    fclose(f);
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    struct timeval tv = { 30, 0 };
    pthread_t th;
    int ls, c, yes = 1;

    openlog("valsync", LOG_PID, LOG_LOCAL2);
    signal(SIGPIPE, SIG_IGN);
    read_vehicle();
    pthread_create(&th, NULL, reader_main, argc > 1 ? argv[1] : "/dev/ttyS1");
    ls = socket(AF_INET, SOCK_STREAM, 0);
    if (ls < 0)
        return 1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(VS_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 1) < 0) {
        syslog(LOG_ERR, "port %d: %s", VS_PORT, strerror(errno));
        return 1;
    }
    syslog(LOG_INFO, "line %u vehicle %u ready", line_no, vehicle_no);
    for (;;) {
        c = accept(ls, NULL, NULL);
        if (c < 0)
            continue;
        setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        depot_session(c);
        close(c);
    }
}
