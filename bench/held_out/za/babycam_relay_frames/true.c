/* relayd - baby monitor base station.
 * The camera pushes audio and picture packets over TCP, parent units
 * connect to the second port and get the newest ones.  */
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CAM_PORT     6310
#define PARENT_PORT  6311
#define AUDIO_BYTES  640          /* 20 ms */
#define PICT_BYTES   16384
#define MAX_PARENTS  4
#define CRY_LEVEL    6000

enum { PK_AUDIO = 1, PK_PICT = 2, PK_TEMP = 3, PK_ALIVE = 4 };

struct pkthdr {
    uint8_t  sync;               /* 0x7e */
    uint8_t  type;
    uint16_t len;
    uint32_t stamp;
} __attribute__((packed));

struct latest {
    pthread_mutex_t lock;
    pthread_cond_t  fresh;
    uint32_t        stamp;
    int             audio_len;
    uint8_t         audio[AUDIO_BYTES];
    int             pict_len;
    uint8_t        *pict;
    int             temp10;
    unsigned        serial;
    int             cry;
};

static struct latest *now_;
static int parents[MAX_PARENTS];
static pthread_mutex_t parents_lock = PTHREAD_MUTEX_INITIALIZER;

static void logf_(const char *m, long v)
{
    fprintf(stderr, "relayd[%ld]: %s %ld\n", (long)time(NULL), m, v);
}

static int recv_all(int fd, void *p, size_t n)
{
    uint8_t *b = p;

    while (n) {
        ssize_t k = recv(fd, b, n, 0);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return -1;
        b += k;
        n -= (size_t)k;
    }
    return 0;
}

static int send_all(int fd, const void *p, size_t n)
{
    const uint8_t *b = p;

    while (n) {
        ssize_t k = send(fd, b, n, MSG_NOSIGNAL);
        if (k <= 0)
            return -1;
        b += k;
        n -= (size_t)k;
    }
    return 0;
}

static void measure_cry(struct latest *l)
{
    long sum = 0;
    int i;

    for (i = 0; i + 1 < l->audio_len; i += 2) {
        int16_t s = (int16_t)(l->audio[i] | l->audio[i + 1] << 8);
        sum += s < 0 ? -s : s;
    }
    l->cry = l->audio_len > 1 && sum / (l->audio_len / 2) > CRY_LEVEL;
    if (l->cry)
        logf_("cry", sum);
}

static int take_audio(int fd, size_t len)
{
    int rc;

    pthread_mutex_lock(&now_->lock);
    rc = recv_all(fd, now_->audio, len);
    now_->audio_len = rc ? 0 : (int)len;
    measure_cry(now_);
    now_->serial++;
    pthread_cond_broadcast(&now_->fresh);
    pthread_mutex_unlock(&now_->lock);
    return rc;
}

static int take_pict(int fd, size_t len)
{
    uint8_t *p = malloc(len ? len : 1);

    if (!p)
        return -1;
    if (recv_all(fd, p, len)) {
        free(p);
        return -1;
    }
    pthread_mutex_lock(&now_->lock);
    free(now_->pict);
    now_->pict = p;
    now_->pict_len = (int)len;
    now_->serial++;
    pthread_cond_broadcast(&now_->fresh);
    pthread_mutex_unlock(&now_->lock);
    return 0;
}

static int take_temp(int fd, size_t len)
{
    uint8_t b[2];

    if (len != sizeof b || recv_all(fd, b, sizeof b))
        return -1;
    now_->temp10 = b[0] << 8 | b[1];
    if (now_->temp10 > 280)
        logf_("room too warm", now_->temp10);
    return 0;
}

static int take_alive(int fd, size_t len)
{
    (void)fd;
    return len ? -1 : 0;
}

static int (*const takers[])(int, size_t) = {
    NULL, take_audio, take_pict, take_temp, take_alive
};

static void *camera_thread(void *arg)
{
    int fd = (int)(intptr_t)arg;
    struct timeval tv = { 15, 0 };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    logf_("camera on", fd);
    for (;;) {
        struct pkthdr h;
        size_t len;

        if (recv_all(fd, &h, sizeof h))
            break;
        len = ntohs(h.len);
        if (h.sync != 0x7e || h.type < PK_AUDIO || h.type > PK_ALIVE || len > PICT_BYTES) {
            logf_("bad packet", h.type);
            break;
        }
        now_->stamp = ntohl(h.stamp);
        if (takers[h.type](fd, len))
            break;
    }
    logf_("camera off", fd);
    close(fd);
    return NULL;
}

static void *fanout_thread(void *unused)
{
    static uint8_t out[16 + AUDIO_BYTES];
    unsigned seen = 0;

    (void)unused;
    for (;;) {
        size_t n;
        int i;

        pthread_mutex_lock(&now_->lock);
        while (seen == now_->serial)
            pthread_cond_wait(&now_->fresh, &now_->lock);
        seen = now_->serial;
        n = now_->audio_len > AUDIO_BYTES ? AUDIO_BYTES : (size_t)now_->audio_len;
        out[0] = 0x7e;
        out[1] = (uint8_t)now_->cry;
        out[2] = (uint8_t)(n >> 8);
        out[3] = (uint8_t)n;
        out[4] = (uint8_t)(now_->temp10 >> 8);
        out[5] = (uint8_t)now_->temp10;
        memcpy(out + 6, now_->audio, n);
        pthread_mutex_unlock(&now_->lock);
        pthread_mutex_lock(&parents_lock);
        for (i = 0; i < MAX_PARENTS; i++)
            if (parents[i] >= 0 && send_all(parents[i], out, 6 + n)) {
                close(parents[i]);
                parents[i] = -1;
            }
        pthread_mutex_unlock(&parents_lock);
    }
    return NULL;
}

static int listen_on(int port)
{
    struct sockaddr_in a = { 0 };
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    a.sin_family = AF_INET;
    a.sin_port = htons((uint16_t)port);
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 4))
        return -1;
    return s;
}

static void *parent_thread(void *unused)
{
    int ls = listen_on(PARENT_PORT);

    (void)unused;
    for (;;) {
        int i, fd = accept(ls, NULL, NULL);

        if (fd < 0) {
            sleep(1);
            continue;
        }
        pthread_mutex_lock(&parents_lock);
        for (i = 0; i < MAX_PARENTS; i++)
            if (parents[i] < 0)
                break;
        if (i < MAX_PARENTS)
            parents[i] = fd;
        else
            close(fd);
        pthread_mutex_unlock(&parents_lock);
    }
    return NULL;
}

int main(void)
{
    pthread_t t;
    int ls, i;

    signal(SIGPIPE, SIG_IGN);
    now_ = calloc(1, sizeof *now_);
    if (!now_)
        return 1;
    pthread_mutex_init(&now_->lock, NULL);
    pthread_cond_init(&now_->fresh, NULL);
    for (i = 0; i < MAX_PARENTS; i++)
        parents[i] = -1;
    if ((ls = listen_on(CAM_PORT)) < 0)
        return 1;
    pthread_create(&t, NULL, fanout_thread, NULL);
    pthread_create(&t, NULL, parent_thread, NULL);
    for (;;) {
        int c = accept(ls, NULL, NULL);
        if (c >= 0 && pthread_create(&t, NULL, camera_thread, (void *)(intptr_t)c) == 0)
            pthread_detach(t);
    }
}
