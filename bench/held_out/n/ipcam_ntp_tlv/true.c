/*
 * camcfgd - configuration daemon of the HX-2100 dome camera
 * UDP, binary header, TLV body.  The time sync itself is done by the
 * housekeeping thread so that a slow NTP server never stalls the receiver.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdarg.h>
#include <ctype.h>
#include <unistd.h>
#include <time.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CAM_PORT        34571
#define CAM_MAGIC       0x48583231u     /* HX21 */
#define CAM_PKT_MAX     1024

enum {
    TLV_OSD_TITLE = 1,
    TLV_IR_MODE,
    TLV_NTP_HOST,
    TLV_NTP_PERIOD,
    TLV_BITRATE,
    TLV_COUNT
};

typedef struct {
    uint32_t magic;
    uint16_t seq;
    uint16_t body_len;
} __attribute__((packed)) cam_hdr_t;

typedef struct {
    char     osd_title[48];
    char     ntp_host[64];
    unsigned ntp_period;
    int      ir_mode;
    unsigned bitrate_kbps;
    int      ntp_dirty;
} cam_cfg_t;

static cam_cfg_t g_cfg = {
    .osd_title = "CAM 01",
    .ntp_host = "pool.ntp.org",
    .ntp_period = 3600,
    .bitrate_kbps = 2048,
};
static pthread_mutex_t g_cfg_lock = PTHREAD_MUTEX_INITIALIZER;
static int g_log_level = 1;

static void cam_log(int lvl, const char *fmt, ...)
{
    va_list ap;
    time_t now;

    if (lvl > g_log_level)
        return;
    now = time(NULL);
    fprintf(stderr, "[%ld] camcfgd: ", (long)now);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static int tlv_copy_text(char *dst, size_t cap, const uint8_t *v, size_t n)
{
    if (n == 0 || n >= cap)
        return -1;
    memcpy(dst, v, n);
    dst[n] = '\0';
    return 0;
}

static uint32_t tlv_u32(const uint8_t *v, size_t n)
{
    uint32_t r = 0;
    size_t i;

    for (i = 0; i < n && i < 4; i++)
        r = (r << 8) | v[i];
    return r;
}

static int on_osd_title(const uint8_t *v, size_t n)
{
    return tlv_copy_text(g_cfg.osd_title, sizeof(g_cfg.osd_title), v, n);
}

static int on_ir_mode(const uint8_t *v, size_t n)
{
    uint32_t m = tlv_u32(v, n);

    if (m > 2)
        return -1;
    g_cfg.ir_mode = (int)m;
    return 0;
}

static int on_ntp_host(const uint8_t *v, size_t n)
{
    char host[64];
    size_t i;

    if (tlv_copy_text(host, sizeof(host), v, n) < 0)
        return -1;
    for (i = 0; host[i]; i++) {
        if (!isprint((unsigned char)host[i]))
            return -1;
    }
    memcpy(g_cfg.ntp_host, host, sizeof(g_cfg.ntp_host));
    g_cfg.ntp_dirty = 1;
    return 0;
}

static int on_ntp_period(const uint8_t *v, size_t n)
{
    uint32_t p = tlv_u32(v, n);

    if (p < 60 || p > 86400)
        return -1;
    g_cfg.ntp_period = p;
    return 0;
}

static int on_bitrate(const uint8_t *v, size_t n)
{
    uint32_t b = tlv_u32(v, n);

    if (b < 64 || b > 16384)
        return -1;
    g_cfg.bitrate_kbps = b;
    return 0;
}

typedef int (*tlv_fn)(const uint8_t *v, size_t n);

static const tlv_fn g_tlv_tab[TLV_COUNT] = {
    [TLV_OSD_TITLE]  = on_osd_title,
    [TLV_IR_MODE]    = on_ir_mode,
    [TLV_NTP_HOST]   = on_ntp_host,
    [TLV_NTP_PERIOD] = on_ntp_period,
    [TLV_BITRATE]    = on_bitrate,
};

static void *housekeeping(void *arg)
{
    char cmd[160];
    unsigned elapsed = 0;
    int run;

    (void)arg;
    for (;;) {
        sleep(5);
        elapsed += 5;
        pthread_mutex_lock(&g_cfg_lock);
        run = g_cfg.ntp_dirty || elapsed >= g_cfg.ntp_period;
        if (run) {
            snprintf(cmd, sizeof(cmd), "/usr/sbin/ntpdate -u %s >/dev/null 2>&1", g_cfg.ntp_host);
            g_cfg.ntp_dirty = 0;
            elapsed = 0;
        }
        pthread_mutex_unlock(&g_cfg_lock);
        if (run && system(cmd) != 0)
            cam_log(1, "time sync failed");
    }
    return NULL;
}

static int cam_dispatch(const uint8_t *p, size_t left)
{
    int applied = 0;

    pthread_mutex_lock(&g_cfg_lock);
    while (left >= 3) {
        unsigned type = p[0];
        size_t len = ((size_t)p[1] << 8) | p[2];

        p += 3;
        left -= 3;
        if (len > left)
            break;
        if (type < TLV_COUNT && g_tlv_tab[type]) {
            if (g_tlv_tab[type](p, len) == 0)
                applied++;
            else
                cam_log(1, "tlv %u rejected", type);
        }
        p += len;
        left -= len;
    }
    pthread_mutex_unlock(&g_cfg_lock);
    return applied;
}

int main(void)
{
    struct sockaddr_in sa, peer;
    socklen_t plen;
    uint8_t pkt[CAM_PKT_MAX];
    cam_hdr_t hdr;
    pthread_t th;
    ssize_t n;
    int s;

    s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0)
        return 1;
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(CAM_PORT);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        cam_log(0, "bind failed");
        return 1;
    }
    if (pthread_create(&th, NULL, housekeeping, NULL) != 0)
        return 1;

    for (;;) {
        plen = sizeof(peer);
        n = recvfrom(s, pkt, sizeof(pkt), 0, (struct sockaddr *)&peer, &plen);
        if (n < (ssize_t)sizeof(hdr))
            continue;
        memcpy(&hdr, pkt, sizeof(hdr));
        if (ntohl(hdr.magic) != CAM_MAGIC)
            continue;
        if (ntohs(hdr.body_len) != n - (ssize_t)sizeof(hdr))
            continue;
        hdr.body_len = htons((uint16_t)cam_dispatch(pkt + sizeof(hdr), n - sizeof(hdr)));
        sendto(s, &hdr, sizeof(hdr), 0, (struct sockaddr *)&peer, plen);
    }
}
