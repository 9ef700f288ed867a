/*
 * bactrl.c - BACnet/IP style point server for the RX-200 room controller
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define BVLC_TYPE       0x81
#define BVLC_UNICAST    0x0a
#define BVLC_BCAST      0x0b
#define PDU_CONFIRMED   0x00
#define SVC_READ        12
#define SVC_WRITE       15
#define PROP_NAME       77
#define PROP_PRESENT    85
#define PROP_DESC       28
#define NUM_POINTS      12
#define NAME_LEN        32
#define DESC_LEN        48

typedef struct point {
    uint16_t inst;
    uint8_t  writable;
    char     name[NAME_LEN];
    char     desc[DESC_LEN];
    int32_t  present;
    void   (*on_change)(struct point *);
} point_t;

static point_t *points[NUM_POINTS];
static int sock_fd;
static unsigned long cnt_rx, cnt_err;

static uint16_t be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void valve_changed(point_t *pt)
{
    if (pt->present < 0)
        pt->present = 0;
    if (pt->present > 1000)
        pt->present = 1000;
    printf("valve %u -> %d\n", pt->inst, pt->present);
}

static void lamp_changed(point_t *pt)
{
    pt->present = !!pt->present;
    printf("lamp %u -> %d\n", pt->inst, pt->present);
}

static point_t *find_point(uint16_t inst)
{
    int i;

    for (i = 0; i < NUM_POINTS; i++)
        if (points[i] && points[i]->inst == inst)
            return points[i];
    return NULL;
}

/*
 * Application tag: 0x75 = character string with extended length,
 * 0x31 = signed integer.  Length is one byte, or 254 followed by two bytes.
 */
static int decode_len(const uint8_t *p, size_t avail, size_t *len, size_t *used)
{
    if (avail < 1)
        return -1;
    if (p[0] < 254) {
        *len = p[0];
        *used = 1;
    } else {
        if (avail < 3)
            return -1;
        *len = be16(p + 1);
        *used = 3;
    }
    if (*len > avail - *used)
        return -1;
    return 0;
}

static int write_string(char *field, size_t size, const uint8_t *p, size_t avail)
{
    size_t len, used;

    if (decode_len(p, avail, &len, &used) < 0)
        return -1;
    p += used;
    if (len < 1 || p[0] != 0)           /* character set: UTF-8 only */
        return -1;
    p++;
    len--;
    if (len >= size)
        len = size - 1;
    memcpy(field, p, len);
    field[len] = '\0';
    return 0;
}

static int svc_write(const uint8_t *p, size_t n)
{
    point_t *pt;
    uint8_t prop;

    if (n < 5)
        return -1;
    pt = find_point(be16(p));
    prop = p[2];
    if (!pt || !pt->writable)
        return -1;
    if (prop == PROP_PRESENT && p[3] == 0x31 && n >= 8) {
        pt->present = (int32_t)be32(p + 4);
        if (pt->on_change)
            pt->on_change(pt);
        return 0;
    }
    if (p[3] != 0x75)
        return -1;
    if (prop == PROP_NAME)
        return write_string(pt->name, sizeof(pt->name), p + 4, n - 4);
    if (prop == PROP_DESC)
        return write_string(pt->desc, sizeof(pt->desc), p + 4, n - 4);
    return -1;
}

static int svc_read(const uint8_t *p, size_t n, uint8_t *out, size_t osz)
{
    point_t *pt;

    if (n < 3 || !(pt = find_point(be16(p))))
        return -1;
    switch (p[2]) {
    case PROP_NAME:
        return snprintf((char *)out, osz, "%s", pt->name);
    case PROP_DESC:
        return snprintf((char *)out, osz, "%s", pt->desc);
    case PROP_PRESENT:
        return snprintf((char *)out, osz, "%d", pt->present);
    }
    return -1;
}

static void handle_frame(const uint8_t *f, size_t n, const struct sockaddr_in *src)
{
    uint8_t resp[128];
    uint8_t invoke, svc;
    int r = -1;

    cnt_rx++;
    if (n < 10 || f[0] != BVLC_TYPE || (f[1] != BVLC_UNICAST && f[1] != BVLC_BCAST))
        goto bad;
    if (be16(f + 2) != n || f[4] != 0x01)
        goto bad;
    if ((f[6] & 0xf0) != PDU_CONFIRMED)
        goto bad;
    invoke = f[8];
    svc = f[9];
    memset(resp, 0, sizeof(resp));
    resp[0] = BVLC_TYPE;
    resp[1] = BVLC_UNICAST;
    resp[4] = 0x01;
    resp[7] = invoke;
    resp[8] = svc;
    if (svc == SVC_WRITE)
        r = svc_write(f + 10, n - 10);
    else if (svc == SVC_READ)
        r = svc_read(f + 10, n - 10, resp + 9, sizeof(resp) - 9);
    resp[6] = r < 0 ? 0x50 : (svc == SVC_READ ? 0x30 : 0x20);
    if (r < 0)
        r = 0;
    resp[3] = (uint8_t)(9 + r);
    sendto(sock_fd, resp, 9 + r, 0, (const struct sockaddr *)src, sizeof(*src));
    return;
bad:
    cnt_err++;
}

static void setup_points(void)
{
    int i;

    for (i = 0; i < NUM_POINTS; i++) {
        point_t *pt = calloc(1, sizeof(*pt));
        if (!pt)
            exit(2);
        pt->inst = i + 1;
        pt->writable = i >= 4;
        snprintf(pt->name, sizeof(pt->name), "%s-%d", i < 4 ? "TEMP" : i < 8 ? "VALVE" : "LAMP", i);
        pt->on_change = i < 4 ? NULL : i < 8 ? valve_changed : lamp_changed;
        points[i] = pt;
    }
}

static void poll_inputs(void)
{
    int i;
    char path[64];
    FILE *fp;

    for (i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "/sys/bus/iio/devices/iio:device0/in_temp%d_raw", i);
        fp = fopen(path, "r");
        if (!fp)
            continue;
        if (fscanf(fp, "%d", &points[i]->present) != 1)
            points[i]->present = -1;
        fclose(fp);
    }
}

int main(void)
{
    struct sockaddr_in me = { 0 }, src;
    uint8_t frame[1497];
    socklen_t sl;
    ssize_t n;
    fd_set rd;
    struct timeval tv;
    time_t last = 0;

    setup_points();
    sock_fd = socket(AF_INET, SOCK_DGRAM, 0);
    me.sin_family = AF_INET;
    me.sin_port = htons(47808);
    if (bind(sock_fd, (struct sockaddr *)&me, sizeof(me)) < 0) {
        perror("bactrl");
        return 1;
    }
    for (;;) {
        FD_ZERO(&rd);
        FD_SET(sock_fd, &rd);
        tv.tv_sec = 5;
        tv.tv_usec = 0;
        if (select(sock_fd + 1, &rd, NULL, NULL, &tv) > 0) {
            sl = sizeof(src);
            n = recvfrom(sock_fd, frame, sizeof(frame), 0, (struct sockaddr *)&src, &sl);
            if (n > 0)
                handle_frame(frame, (size_t)n, &src);
        }
        if (time(NULL) - last >= 5) {
            last = time(NULL);
            poll_inputs();
        }
    }
}
