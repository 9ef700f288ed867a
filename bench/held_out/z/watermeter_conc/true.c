/*****************************************************************************
 * wmconc.c   Water meter concentrator, uplink from radio heads over UDP
 *
 * Frame:  0x68 ver:8 headid:16be nrec:8 { rec }   crc:16be
 * rec:    L:8 C:8 M:16le A:32le CI:8 payload[L - 8]
 *****************************************************************************/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define WM_UDP_PORT     4059
#define WM_START        0x68
#define WM_HDR          5
#define WM_FIXED        8
#define WM_DIF_MAX      64
#define WM_METERS       200

struct wm_record {
    uint16_t maker;
    uint32_t serial;
    uint8_t  ci;
    uint8_t  dlen;
    uint8_t  data[WM_DIF_MAX];
};

struct wm_meter {
    uint32_t serial;
    uint16_t maker;
    uint32_t litres;
    time_t   stamp;
    unsigned frames;
};

static struct wm_meter  meters[WM_METERS];
static int              n_meters;
static unsigned long    stat_frames, stat_crc, stat_short;
static volatile sig_atomic_t flush_due;

static const char *csv_path = "/var/spool/wm/readings.csv";

static uint16_t crc16(const uint8_t *p, size_t n)
{
    uint16_t crc = 0;
    int i;

    while (n--) {
        crc ^= (uint16_t)(*p++ << 8);
        for (i = 0; i < 8; i++)
            crc = (crc & 0x8000) ? (uint16_t)((crc << 1) ^ 0x3d65) : (uint16_t)(crc << 1);
    }
    return (uint16_t)~crc;
}

static uint32_t le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void maker_text(uint16_t m, char out[4])
{
    out[0] = (char)(((m >> 10) & 31) + 64);
    out[1] = (char)(((m >> 5) & 31) + 64);
    out[2] = (char)((m & 31) + 64);
    out[3] = 0;
}

static struct wm_meter *meter_lookup(uint16_t maker, uint32_t serial)
{
    int i;

    for (i = 0; i < n_meters; i++)
        if (meters[i].serial == serial && meters[i].maker == maker)
            return &meters[i];
    if (n_meters == WM_METERS)
        return NULL;
    memset(&meters[n_meters], 0, sizeof meters[0]);
    meters[n_meters].serial = serial;
    meters[n_meters].maker = maker;
    return &meters[n_meters++];
}

/* DIF 0x04 (32 bit int) VIF 0x13 (litres); DIF 0x0c is the BCD variant */
static int volume_of(const struct wm_record *r, uint32_t *litres)
{
    unsigned i, v = 0;

    if (r->dlen < 6 || r->data[1] != 0x13)
        return -1;
    if (r->data[0] == 0x04) {
        *litres = le32(r->data + 2);
        return 0;
    }
    if (r->data[0] == 0x0c) {
        for (i = 0; i < 4; i++) {
            uint8_t b = r->data[5 - i];
            v = v * 100 + (b >> 4) * 10 + (b & 15);
        }
        *litres = v;
        return 0;
    }
    return -1;
}

static void account(const struct wm_record *r)
{
    struct wm_meter *m;
    uint32_t l;

    if (r->ci != 0x72 && r->ci != 0x7a)
        return;
    if (volume_of(r, &l) < 0)
        return;
    m = meter_lookup(r->maker, r->serial);
    if (!m)
        return;
    m->litres = l;
    m->stamp = time(NULL);
    m->frames++;
}

/* returns bytes consumed, 0 if the record is damaged */
static size_t unpack_record(const uint8_t *p, size_t left, struct wm_record *r)
{
    uint8_t len;

    if (left < 1 + WM_FIXED)
        return 0;
    len = p[0];
    if (len < WM_FIXED || (size_t)len + 1 > left)
        return 0;
    r->maker  = (uint16_t)(p[2] | p[3] << 8);
    r->serial = le32(p + 4);
    r->ci     = p[8];
    r->dlen   = (uint8_t)(len - WM_FIXED);
    memcpy(r->data, p + 1 + WM_FIXED, r->dlen);
    return (size_t)len + 1;
}

static void on_frame(const uint8_t *f, size_t n)
{
    struct wm_record rec;
    size_t off = WM_HDR, used;
    unsigned i;

    if (n < WM_HDR + 2 || f[0] != WM_START) {
        stat_short++;
        return;
    }
    if (crc16(f, n - 2) != (uint16_t)(f[n - 2] << 8 | f[n - 1])) {
        stat_crc++;
        return;
    }
    stat_frames++;
    for (i = 0; i < f[4]; i++) {
        used = unpack_record(f + off, n - 2 - off, &rec);
        if (!used) {
            stat_short++;
            break;
        }
        account(&rec);
        off += used;
    }
}

static void on_alarm(int sig)
{
    (void)sig;
    flush_due = 1;
    alarm(60);
}

static void flush_csv(void)
{
    FILE *f = fopen(csv_path, "a");
    char mk[4];
    int i;

    if (!f)
        return;
    for (i = 0; i < n_meters; i++) {
        if (!meters[i].stamp)
            continue;
        maker_text(meters[i].maker, mk);
        fprintf(f, "%ld;%s;%08x;%u;%u\n", (long)meters[i].stamp, mk,
                (unsigned)meters[i].serial, (unsigned)meters[i].litres,
                meters[i].frames);
        meters[i].stamp = 0;
    }
    fprintf(f, "# frames %lu crc %lu short %lu\n", stat_frames, stat_crc, stat_short);
    fclose(f);
}

static int open_uplink(void)
{
    struct sockaddr_in a;
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(WM_UDP_PORT);
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) < 0) {
        perror("uplink");
        exit(1);
    }
    return s;
}

int main(int argc, char **argv)
{
    static uint8_t pkt[1472];
    struct sigaction sa;
    ssize_t n;
    int s;

    if (argc > 1)
        csv_path = argv[1];
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = on_alarm;
    sigaction(SIGALRM, &sa, NULL);
    s = open_uplink();
    alarm(60);
    for (;;) {
        n = recv(s, pkt, sizeof pkt, 0);
        if (n > 0)
            on_frame(pkt, (size_t)n);
        if (flush_due) {
            flush_due = 0;
            flush_csv();
        }
    }
}
