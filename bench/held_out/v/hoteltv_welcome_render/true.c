/* hospd.c - hospitality agent of the in-room TV.
 * Listens for the head-end's multicast, shows the greeting page, keeps the
 * volume limit and channel lock. Receiver thread -> ring -> worker. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdbool.h>
#include <unistd.h>
#include <fcntl.h>
#include <time.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define HOSP_GROUP   "239.77.10.1"
#define HOSP_PORT    5577
#define RING_SLOTS   16
#define TLV_TEXT_MAX 200

enum msg_type { MSG_CHECKIN = 1, MSG_CHECKOUT, MSG_VOLUME, MSG_CHLOCK, MSG_CLOCK };
enum tlv_type { TLV_GUEST = 0x10, TLV_LANG = 0x11, TLV_NUM = 0x20 };

typedef struct {
    uint16_t type;
    uint16_t room;
    uint16_t len;
    uint8_t  body[1024];
} hosp_msg_t;

typedef struct {
    hosp_msg_t      slot[RING_SLOTS];
    unsigned        head, tail;
    pthread_mutex_t mtx;
    pthread_cond_t  cv;
} ring_t;

static ring_t ring = { .mtx = PTHREAD_MUTEX_INITIALIZER,
                       .cv  = PTHREAD_COND_INITIALIZER };

static struct {
    uint16_t room;
    int      vol_limit;
    bool     ch_lock;
    char     guest[TLV_TEXT_MAX + 1];
    char     lang[4];
    bool     occupied;
} tv = { .room = 101, .vol_limit = 60, .lang = "en" };

static FILE *logf;

#define LOG(...) do { if (logf) { fprintf(logf, "[%ld] ", (long)time(NULL)); \
        fprintf(logf, __VA_ARGS__); fputc('\n', logf); fflush(logf); } } while (0)

static uint16_t be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static void ring_put(const hosp_msg_t *m)
{
    pthread_mutex_lock(&ring.mtx);
    if (ring.head - ring.tail < RING_SLOTS) {
        ring.slot[ring.head % RING_SLOTS] = *m;
        ring.head++;
        pthread_cond_signal(&ring.cv);
    } else {
        LOG("ring full, message type %u dropped", m->type);
    }
    pthread_mutex_unlock(&ring.mtx);
}

static void ring_get(hosp_msg_t *m)
{
    pthread_mutex_lock(&ring.mtx);
    while (ring.head == ring.tail)
        pthread_cond_wait(&ring.cv, &ring.mtx);
    *m = ring.slot[ring.tail % RING_SLOTS];
    ring.tail++;
    pthread_mutex_unlock(&ring.mtx);
}

/* find a TLV in the body; returns its length or -1 */
static int tlv_find(const hosp_msg_t *m, uint8_t want, const uint8_t **val)
{
    size_t off = 0;

    while (off + 2 <= m->len) {
        uint8_t t = m->body[off], l = m->body[off + 1];

        if (off + 2 + l > m->len)
            return -1;
        if (t == want) {
            *val = m->body + off + 2;
            return l;
        }
        off += 2 + (size_t)l;
    }
    return -1;
}

static void *receiver(void *arg)
{
    int s = *(int *)arg;
    uint8_t pkt[1100];

    for (;;) {
        hosp_msg_t m;
        ssize_t n = recvfrom(s, pkt, sizeof pkt, 0, NULL, NULL);

        if (n < 10 || memcmp(pkt, "HTVX", 4) != 0)
            continue;
        m.type = be16(pkt + 4);
        m.room = be16(pkt + 6);
        m.len  = be16(pkt + 8);
        if (m.len > n - 10 || m.len > sizeof m.body)
            continue;
        if (m.room != tv.room && m.room != 0xffff)
            continue;
        memcpy(m.body, pkt + 10, m.len);
        ring_put(&m);
    }
    return NULL;
}

/* greeting page: rendered to a PNG which the launcher shows at power-on */
static int render_greeting(void)
{
    char cmd[512], line[80];
    FILE *pp;

    snprintf(cmd, sizeof cmd,
             "/opt/tv/bin/txt2png -f /opt/tv/fonts/sans.ttf -t \"%s\" "
             "-o /tmp/greeting.png 2>&1", tv.guest);
    pp = popen(cmd, "r");
    if (!pp) {
        LOG("renderer not started");
        return -1;
    }
    while (fgets(line, sizeof line, pp)) {
        line[strcspn(line, "\n")] = '\0';
        LOG("txt2png: %s", line);
    }
    return pclose(pp);
}

static void save_state(void)
{
    FILE *f = fopen("/var/lib/hospd.state", "w");

    if (!f)
        return;
    fprintf(f, "occupied=%d\nvolmax=%d\nlock=%d\n",
            tv.occupied, tv.vol_limit, tv.ch_lock);
    fclose(f);
}

static void do_checkin(const hosp_msg_t *m)
{
    const uint8_t *v;
    int l = tlv_find(m, TLV_GUEST, &v);

    if (l <= 0 || l > TLV_TEXT_MAX) {
        LOG("check-in without guest");
        return;
    }
    memcpy(tv.guest, v, l);
    tv.guest[l] = '\0';
    l = tlv_find(m, TLV_LANG, &v);
    if (l == 2) {
        memcpy(tv.lang, v, 2);
        tv.lang[2] = '\0';
    }
    tv.occupied = true;
    LOG("check-in, %zu characters, language %s", strlen(tv.guest), tv.lang);
    if (render_greeting() != 0)
        LOG("greeting not rendered");
    save_state();
}

static void do_checkout(const hosp_msg_t *m)
{
    (void)m;
    tv.occupied = false;
    memset(tv.guest, 0, sizeof tv.guest);
    unlink("/tmp/greeting.png");
    save_state();
}

static int tlv_num(const hosp_msg_t *m, int dflt)
{
    const uint8_t *v;

    return tlv_find(m, TLV_NUM, &v) == 2 ? be16(v) : dflt;
}

static void worker_loop(void)
{
    hosp_msg_t m;

    for (;;) {
        ring_get(&m);
        switch (m.type) {
        case MSG_CHECKIN:
            do_checkin(&m);
            break;
        case MSG_CHECKOUT:
            do_checkout(&m);
            break;
        case MSG_VOLUME: {
            int v = tlv_num(&m, tv.vol_limit);
            char cmd[64];

            if (v > 100)
                v = 100;
            tv.vol_limit = v;
            snprintf(cmd, sizeof cmd, "/opt/tv/bin/volmax %d", v);
            system(cmd);
            save_state();
            break;
        }
        case MSG_CHLOCK:
            tv.ch_lock = tlv_num(&m, 0) != 0;
            save_state();
            break;
        case MSG_CLOCK: {
            struct timespec ts = { 0, 0 };
            const uint8_t *v;

            if (tlv_find(&m, TLV_NUM, &v) == 4) {
                ts.tv_sec = (time_t)be16(v) << 16 | be16(v + 2);
                clock_settime(CLOCK_REALTIME, &ts);
            }
            break;
        }
        default:
            LOG("type %u ignored", m.type);
        }
    }
}

static int open_group(void)
{
    struct sockaddr_in a;
    struct ip_mreq mr;
    int on = 1, s = socket(AF_INET, SOCK_DGRAM, 0);

    if (s < 0)
        return -1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(HOSP_PORT);
    a.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(s, (struct sockaddr *)&a, sizeof a) < 0) {
        close(s);
        return -1;
    }
    mr.imr_multiaddr.s_addr = inet_addr(HOSP_GROUP);
    mr.imr_interface.s_addr = htonl(INADDR_ANY);
    setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof mr);
    return s;
}

int main(int argc, char *argv[])
{
    pthread_t th;
    int s;

    if (argc > 1)
        tv.room = (uint16_t)atoi(argv[1]);
    logf = fopen("/tmp/hospd.log", "a");
    s = open_group();
    if (s < 0) {
        perror("hospd");
        return 1;
    }
    LOG("room %u up", tv.room);
    if (pthread_create(&th, NULL, receiver, &s) != 0)
        return 1;
    worker_loop();
    return 0;
}
