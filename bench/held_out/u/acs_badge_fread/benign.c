/*
 * acsd.c
 *
 * Host interface of the badge reader.  The controller opens a TCP
 * connection and sends frames, all numbers big endian:
 *
 *   0  sync  0xA55A
 *   2  cmd
 *   3  flags
 *   4  seq
 *   6  length of the body
 *   8  body, then one byte XOR over the body
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <syslog.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define ACS_PORT      4370
#define SYNC          0xA55A
#define FRAME_MAX     8192      /* whole frame on the wire */
#define BODY_SIZE     1024
#define MAX_BADGES    2000

#define GET16(p)      ((uint16_t)((p)[0] << 8 | (p)[1]))
#define GET32(p)      ((uint32_t)GET16(p) << 16 | GET16((p) + 2))

struct badge {
    uint32_t number;
    uint32_t pin;
    uint16_t zones;
    uint16_t valid_days;
};

struct conn {
    FILE *in;
    int fd;
    uint16_t seq;
    uint16_t length;
    uint8_t cmd;
    uint8_t flags;
    uint8_t body[BODY_SIZE];
    unsigned frames, errors;
    int (*answer)(struct conn *c, uint8_t status, const void *data, size_t n);
};

static struct badge *badges;
static unsigned badge_count;
static pthread_mutex_t badge_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int door_open_until;
static unsigned unlock_secs = 5;
static uint16_t reader_zone = 1;

static int send_answer(struct conn *c, uint8_t status, const void *data, size_t n)
{
    uint8_t out[300];

    if (n > sizeof out - 9)
        return -1;
    out[0] = SYNC >> 8;
    out[1] = SYNC & 0xff;
    out[2] = c->cmd | 0x80;
    out[3] = status;
    out[4] = c->seq >> 8;
    out[5] = c->seq & 0xff;
    out[6] = (uint8_t)(n >> 8);
    out[7] = (uint8_t)n;
    if (n > 0)
        memcpy(out + 8, data, n);
    out[8 + n] = 0;
    for (size_t i = 0; i < n; i++)
        out[8 + n] ^= out[8 + i];
    return send(c->fd, out, 9 + n, MSG_NOSIGNAL) == (ssize_t)(9 + n) ? 0 : -1;
}

/* ---- commands ---- */

static int cmd_clock(struct conn *c)
{
    struct timespec ts = { 0, 0 };

    if (c->length != 4)
        return 2;
    ts.tv_sec = GET32(c->body);
    if (clock_settime(CLOCK_REALTIME, &ts) != 0)
        return 3;
    return 0;
}

static int cmd_add_badges(struct conn *c)
{
    const uint8_t *p = c->body;
    unsigned n = c->length / 12;
    int rc = 0;

    if (c->length % 12 != 0)
        return 2;
    pthread_mutex_lock(&badge_lock);
    for (; n > 0; n--, p += 12) {
        unsigned i;
        for (i = 0; i < badge_count; i++)
            if (badges[i].number == GET32(p))
                break;
        if (i == MAX_BADGES) {
            rc = 4;
            break;
        }
        badges[i].number = GET32(p);
        badges[i].pin = GET32(p + 4);
        badges[i].zones = GET16(p + 8);
        badges[i].valid_days = GET16(p + 10);
        if (i == badge_count)
            badge_count++;
    }
    pthread_mutex_unlock(&badge_lock);
    return rc;
}

static int cmd_clear(struct conn *c)
{
    pthread_mutex_lock(&badge_lock);
    badge_count = 0;
    pthread_mutex_unlock(&badge_lock);
    syslog(LOG_NOTICE, "badges cleared");
    return 0;
}

static int cmd_unlock(struct conn *c)
{
    FILE *f;

    if (c->length >= 1)
        unlock_secs = c->body[0];
    if (unlock_secs < 1 || unlock_secs > 60)
        unlock_secs = 5;
    f = fopen("/sys/class/gpio/gpio17/value", "w");
    if (f == NULL)
        return 3;
    fputs("1\n", f);
    fclose(f);
    door_open_until = (int)time(NULL) + unlock_secs;
    return 0;
}

static int cmd_message(struct conn *c)
{
    char text[64];
    size_t n = c->length < sizeof text ? c->length : sizeof text - 1;
    FILE *f = fopen("/dev/vfd", "w");

    memcpy(text, c->body, n);
    text[n] = '\0';
    if (f == NULL)
        return 3;
    fprintf(f, "\f%s\n", text);
    fclose(f);
    return 0;
}

static int cmd_info(struct conn *c)
{
    char info[80];
    int n = snprintf(info, sizeof info, "ACS-R2;zone=%u;badges=%u;frames=%u;errors=%u",
                     reader_zone, badge_count, c->frames, c->errors);

    c->answer(c, 0, info, n);
    return -1;
}

static int (*const commands[16])(struct conn *) = {
    [0x1] = cmd_info,
    [0x2] = cmd_clock,
    [0x4] = cmd_add_badges,
    [0x5] = cmd_clear,
    [0x8] = cmd_unlock,
    [0x9] = cmd_message,
};

/* 1 = a frame is there, 0 = damaged one, -1 = end */
static int read_frame(struct conn *c)
{
    uint8_t h[8], sum = 0;
    int check;

    if (fread(h, 1, sizeof h, c->in) != sizeof h)
        return -1;
    if (GET16(h) != SYNC)
        return -1;
    c->cmd = h[2];
    c->flags = h[3];
    c->seq = GET16(h + 4);
    c->length = GET16(h + 6);
    if (c->length > sizeof c->body) {
        syslog(LOG_WARNING, "frame of %u bytes", c->length);
        return -1;
    }
    if (fread(c->body, 1, c->length, c->in) != c->length)
        return -1;
    check = fgetc(c->in);
    if (check == EOF)
        return -1;
    for (unsigned i = 0; i < c->length; i++)
        sum ^= c->body[i];
    c->frames++;
    return sum == check;
}

static void *conn_thread(void *arg)
{
    struct conn *c = arg;
    int r;

    while ((r = read_frame(c)) >= 0) {
        int status = 1;

        if (r == 0) {
            c->errors++;
        } else if (c->cmd < 16 && commands[c->cmd] != NULL) {
            status = commands[c->cmd](c);
        }
        if (status >= 0 && c->answer(c, (uint8_t)status, NULL, 0) != 0)
            break;
        if (c->errors > 20)
            break;
    }
    syslog(LOG_INFO, "controller gone after %u frames", c->frames);
    fclose(c->in);
    free(c);
    return NULL;
}

static void *door_timer(void *arg)
{
    for (;;) {
        usleep(250000);
        if (door_open_until != 0 && time(NULL) >= door_open_until) {
            FILE *f = fopen("/sys/class/gpio/gpio17/value", "w");
            door_open_until = 0;
            if (f != NULL) {
                fputs("0\n", f);
                fclose(f);
            }
        }
    }
    return NULL;
}

static void read_settings(void)
{
    FILE *f = fopen("/etc/acs/reader.cfg", "r");
    unsigned zone, secs;

    if (f == NULL)
        return;
    if (fscanf(f, "zone %u unlock %u", &zone, &secs) == 2) {
        reader_zone = (uint16_t)zone;
        unlock_secs = secs;
    }
    fclose(f);
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    pthread_t t;
    int ls, on = 1;

    openlog("acsd", LOG_PID, LOG_AUTH);
    read_settings();
    badges = calloc(MAX_BADGES + 1, sizeof *badges);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    sa.sin_port = htons(ACS_PORT);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (badges == NULL || bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, 2)) {
        syslog(LOG_ERR, "start failed: %m");
        return 1;
    }
    pthread_create(&t, NULL, door_timer, NULL);
    for (;;) {
        struct conn *c;
        int fd = accept(ls, NULL, NULL);

        if (fd < 0)
            continue;
        c = calloc(1, sizeof *c);
        if (c == NULL || (c->in = fdopen(fd, "rb")) == NULL) {
            free(c);
            close(fd);
            continue;
        }
        c->fd = fd;
        c->answer = send_answer;
        if (pthread_create(&t, NULL, conn_thread, c) != 0) {
            fclose(c->in);
            free(c);
        } else {
            pthread_detach(t);
        }
    }
}
