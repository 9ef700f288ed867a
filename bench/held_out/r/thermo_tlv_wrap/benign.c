#define _GNU_SOURCE
// room controller: zones are set by the wall panel and the app with TLV datagrams
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdbool.h>
#include <unistd.h>
#include <pthread.h>
#include <time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define PANEL_PORT  8899
#define ZONES       8
#define QUEUE_LEN   16
#define PKT_MAX     1400

enum tlv_type { TLV_END = 0, TLV_ZONE, TLV_SETPOINT, TLV_NAME, TLV_MODE, TLV_QUERY, TLV_PROGRAM, TLV_LAST };

struct datagram {
    struct sockaddr_in from;
    uint16_t len;
    uint8_t data[PKT_MAX];
};

struct zone {
    int16_t setpoint;           // 1/10 degree
    int16_t actual;
    uint8_t mode;
    uint8_t program[28];
    char name[32];
    void (*changed)(struct zone *z);
    time_t when;
};

struct request {
    struct datagram *d;
    struct zone *zone;
    int answers;
};

static struct zone g_zone[ZONES];
static int g_sock;
static int g_dropped;

static struct {
    struct datagram *slot[QUEUE_LEN];
    unsigned rd, wr;
    pthread_mutex_t mtx;
    pthread_cond_t cnd;
} g_q = { .mtx = PTHREAD_MUTEX_INITIALIZER, .cnd = PTHREAD_COND_INITIALIZER };

static pthread_mutex_t g_zone_mtx = PTHREAD_MUTEX_INITIALIZER;

static bool q_push(struct datagram *d)
{
    bool ok = false;

    pthread_mutex_lock(&g_q.mtx);
    if (g_q.wr - g_q.rd < QUEUE_LEN) {
        g_q.slot[g_q.wr++ % QUEUE_LEN] = d;
        pthread_cond_signal(&g_q.cnd);
        ok = true;
    }
    pthread_mutex_unlock(&g_q.mtx);
    return ok;
}

static struct datagram *q_pop(void)
{
    struct datagram *d;

    pthread_mutex_lock(&g_q.mtx);
    while (g_q.wr == g_q.rd)
        pthread_cond_wait(&g_q.cnd, &g_q.mtx);
    d = g_q.slot[g_q.rd++ % QUEUE_LEN];
    pthread_mutex_unlock(&g_q.mtx);
    return d;
}

// ---------------------------------------------------------------- outputs

static void valve_changed(struct zone *z)
{
    char path[48];
    FILE *fp;
    int n = (int)(z - g_zone);

    snprintf(path, sizeof path, "/sys/class/gpio/gpio%d/value", 32 + n);
    if ((fp = fopen(path, "w")) == NULL)
        return;
    fputs(z->mode && z->actual < z->setpoint ? "1" : "0", fp);
    fclose(fp);
}

static void touch(struct zone *z)
{
    z->when = time(NULL);
    if (z->changed)
        z->changed(z);
}

// ---------------------------------------------------------------- TLVs

static int t_zone(struct request *r, const uint8_t *v, uint8_t len)
{
    if (len != 1 || v[0] >= ZONES)
        return -1;
    r->zone = &g_zone[v[0]];
    return 0;
}

static int t_setpoint(struct request *r, const uint8_t *v, uint8_t len)
{
    int t;

    if (!r->zone || len != 2)
        return -1;
    t = (int16_t)(v[0] << 8 | v[1]);
    if (t < 50 || t > 350)
        return -1;
    r->zone->setpoint = t;
    touch(r->zone);
    return 0;
}

static int t_name(struct request *r, const uint8_t *v, uint8_t len)
{
    struct zone *z = r->zone;
    uint16_t need = len + 1;    // with the closing zero

    if (!z)
        return -1;
    if (need > sizeof z->name) {
        fprintf(stderr, "zone name of %u bytes\n", len);
        return -1;
    }
    memcpy(z->name, v, len);
    z->name[need - 1] = '\0';
    return 0;
}

static int t_mode(struct request *r, const uint8_t *v, uint8_t len)
{
    if (!r->zone || len != 1 || v[0] > 3)
        return -1;
    r->zone->mode = v[0];
    touch(r->zone);
    return 0;
}

static int t_program(struct request *r, const uint8_t *v, uint8_t len)
{
    // pairs: hour slot, temperature step
    if (!r->zone || len > sizeof r->zone->program || (len & 1))
        return -1;
    memset(r->zone->program, 0, sizeof r->zone->program);
    memcpy(r->zone->program, v, len);
    return 0;
}

static int t_query(struct request *r, const uint8_t *v, uint8_t len)
{
    uint8_t out[96];
    struct zone *z = r->zone;
    size_t n;

    (void)v;
    if (!z || len != 0 || r->answers++ > 8)
        return -1;
    n = strnlen(z->name, sizeof z->name - 1);
    out[0] = 0x54;
    out[1] = z - g_zone;
    out[2] = z->setpoint >> 8;
    out[3] = z->setpoint;
    out[4] = z->actual >> 8;
    out[5] = z->actual;
    out[6] = z->mode;
    out[7] = n;
    memcpy(out + 8, z->name, n);
    sendto(g_sock, out, 8 + n, 0, (struct sockaddr *)&r->d->from, sizeof r->d->from);
    return 0;
}

static int (*const s_tlv[TLV_LAST])(struct request *, const uint8_t *, uint8_t) = {
    [TLV_ZONE] = t_zone,
    [TLV_SETPOINT] = t_setpoint,
    [TLV_NAME] = t_name,
    [TLV_MODE] = t_mode,
    [TLV_QUERY] = t_query,
    [TLV_PROGRAM] = t_program,
};

static void handle(struct datagram *d)
{
    struct request r = { .d = d };
    const uint8_t *p = d->data + 4, *end = d->data + d->len;

    // 'T' 'H' version count
    if (d->len < 4 || d->data[0] != 'T' || d->data[1] != 'H' || d->data[2] != 1)
        return;
    pthread_mutex_lock(&g_zone_mtx);
    while (end - p >= 2) {
        uint8_t type = p[0], len = p[1];

        p += 2;
        if (type == TLV_END || len > end - p)
            break;
        if (type >= TLV_LAST || !s_tlv[type] || s_tlv[type](&r, p, len) < 0)
            break;
        p += len;
    }
    pthread_mutex_unlock(&g_zone_mtx);
}

// ---------------------------------------------------------------- threads

static void *rx_thread(void *arg)
{
    (void)arg;
    for (;;) {
        struct datagram *d = malloc(sizeof *d);
        socklen_t fl = sizeof d->from;
        ssize_t n;

        if (!d) {
            usleep(100000);
            continue;
        }
        n = recvfrom(g_sock, d->data, sizeof d->data, 0, (struct sockaddr *)&d->from, &fl);
        if (n <= 0) {
            free(d);
            continue;
        }
        d->len = n;
        if (!q_push(d)) {
            g_dropped++;
            free(d);
        }
    }
    return NULL;
}

static void *work_thread(void *arg)
{
    (void)arg;
    for (;;) {
        struct datagram *d = q_pop();

        handle(d);
        free(d);
    }
    return NULL;
}

static void measure(void)
{
    char path[64];

    for (int i = 0; i < ZONES; i++) {
        FILE *fp;
        int v;

        snprintf(path, sizeof path, "/sys/bus/iio/devices/iio:device0/in_voltage%d_raw", i);
        if ((fp = fopen(path, "r")) == NULL)
            continue;
        if (fscanf(fp, "%d", &v) == 1) {
            pthread_mutex_lock(&g_zone_mtx);
            g_zone[i].actual = (int16_t)(v * 10 / 33 - 100);
            if (g_zone[i].changed)
                g_zone[i].changed(&g_zone[i]);
            pthread_mutex_unlock(&g_zone_mtx);
        }
        fclose(fp);
    }
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    pthread_t a, b;

    for (int i = 0; i < ZONES; i++) {
        g_zone[i].setpoint = 200;
        g_zone[i].mode = 1;
        g_zone[i].changed = valve_changed;
        snprintf(g_zone[i].name, sizeof g_zone[i].name, "Zone %d", i + 1);
    }
    g_sock = socket(AF_INET, SOCK_DGRAM, 0);
    sa.sin_port = htons(PANEL_PORT);
    if (g_sock < 0 || bind(g_sock, (struct sockaddr *)&sa, sizeof sa) < 0) {
        perror("panel");
        return 1;
    }
    pthread_create(&a, NULL, rx_thread, NULL);
    pthread_create(&b, NULL, work_thread, NULL);
    for (;;) {
        sleep(30);
        measure();
        if (g_dropped) {
            fprintf(stderr, "%d datagrams lost\n", g_dropped);
            g_dropped = 0;
        }
    }
}
