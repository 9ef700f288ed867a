/*
 * lampgw - bridge between a ZigBee lamp hub and the vendor's cloud.
 *
 * Connects to the MQTT broker, subscribes to cmd/<serial>/# and carries out what is published there. Firmware updates
 * are announced by the cloud and fetched by the housekeeping thread at the hour given.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MQTT_CONNECT     0x10
#define MQTT_CONNACK     0x20
#define MQTT_PUBLISH     0x30
#define MQTT_SUBSCRIBE   0x82
#define MQTT_PINGREQ     0xC0
#define MQTT_MAX         2048
#define KEEPALIVE        60

typedef struct update_s {
    char *url;
    char version[16];
    int   hour;                 /* -1: at once */
} update_t;

typedef struct lamp_s {
    struct lamp_s *next;
    unsigned addr;
    int level;
    bool on;
} lamp_t;

typedef struct {
    pthread_mutex_t lock;
    int sock;
    char serial[20];
    lamp_t *lamps;
    update_t *update;           /* waiting, or NULL */
    time_t last_tx;
} gateway_t;

static gateway_t *gateway_new(const char *serial)
{
    gateway_t *gw = calloc(1, sizeof(gateway_t));
    if (!gw)
        abort();
    pthread_mutex_init(&gw->lock, NULL);
    snprintf(gw->serial, sizeof(gw->serial), "%s", serial);
    gw->sock = -1;
    return gw;
}

static void update_free(update_t *u)
{
    if (u)
        free(u->url);
    free(u);
}

/* ------------------------------------------------------------------ lamps */

static lamp_t *lamp_get(gateway_t *gw, unsigned addr)
{
    lamp_t *l;
    for (l = gw->lamps; l; l = l->next)
        if (l->addr == addr)
            return l;
    l = calloc(1, sizeof(*l));
    if (l) {
        l->addr = addr;
        l->next = gw->lamps;
        gw->lamps = l;
    }
    return l;
}

static void lamp_send(const lamp_t *l)
{
    FILE *tty = fopen("/dev/ttyS1", "w");
    if (!tty)
        return;
    fprintf(tty, "AT+ZCL=%04X,%d,%d\r", l->addr, l->on, l->level);
    fclose(tty);
}

/* --------------------------------------------------------- topic handlers */

static void topic_level(gateway_t *gw, const char *sub, char *payload)
{
    lamp_t *l = lamp_get(gw, (unsigned)strtoul(sub, NULL, 16) & 0xffff);
    int level = atoi(payload);
    if (!l || level < 0 || level > 254)
        return;
    l->level = level;
    l->on = level > 0;
    lamp_send(l);
}

static void topic_all(gateway_t *gw, const char *sub, char *payload)
{
    (void)sub;
    for (lamp_t *l = gw->lamps; l; l = l->next) {
        l->on = payload[0] == '1';
        lamp_send(l);
    }
}

static bool url_acceptable(const char *url)
{
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return false;
    if (strlen(url) > 160)
        return false;
#ifdef BENIGN
    for (const char *p = url; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        if (!plain && *p != '/' && *p != ':' && *p != '.' && *p != '_' && *p != '-')
            return false;
    }
#endif
    return true;
}

/* payload: version|hour|url */
static void topic_ota(gateway_t *gw, const char *sub, char *payload)
{
    char *hour = strchr(payload, '|'), *url = hour ? strchr(hour + 1, '|') : NULL;
    update_t *u;

    (void)sub;
    if (!url)
        return;
    *hour++ = '\0';
    *url++ = '\0';
    if (!url_acceptable(url)) {
        fprintf(stderr, "lampgw: update from %s refused\n", url);
        return;
    }
    if (!(u = calloc(1, sizeof(*u))))
        return;
    u->url = strdup(url);
    u->hour = *hour ? atoi(hour) : -1;
    snprintf(u->version, sizeof(u->version), "%s", payload);
    update_free(gw->update);
    gw->update = u;
}

static void topic_pair(gateway_t *gw, const char *sub, char *payload)
{
    (void)gw;
    (void)sub;
    if (payload[0] == '1')
        system("zbtool permit-join &");
}

typedef void (*topic_fn)(gateway_t *, const char *, char *);
static const struct { const char *prefix; topic_fn fn; } topics[] = {
    { "level/", topic_level }, { "all", topic_all }, { "ota", topic_ota }, { "pair", topic_pair },
};

static void on_publish(gateway_t *gw, uint8_t *p, size_t len)
{
    char topic[64], payload[256], mine[40];
    size_t tlen, plen, n;

    if (len < 2)
        return;
    tlen = (size_t)p[0] << 8 | p[1];
    if (tlen + 2 > len || tlen >= sizeof(topic))
        return;
    memcpy(topic, p + 2, tlen);
    topic[tlen] = '\0';
    plen = len - 2 - tlen;
    if (plen >= sizeof(payload))
        return;
    memcpy(payload, p + 2 + tlen, plen);
    payload[plen] = '\0';

    n = (size_t)snprintf(mine, sizeof(mine), "cmd/%s/", gw->serial);
    if (strncmp(topic, mine, n) != 0)
        return;
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        size_t k = strlen(topics[i].prefix);
        if (strncmp(topic + n, topics[i].prefix, k) == 0) {
            pthread_mutex_lock(&gw->lock);
            topics[i].fn(gw, topic + n + k, payload);
            pthread_mutex_unlock(&gw->lock);
            return;
        }
    }
}

/* ------------------------------------------------------------------- MQTT */

static bool read_n(int fd, void *buf, size_t n)
{
    for (uint8_t *p = buf; n > 0;) {
        ssize_t got = read(fd, p, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

static bool mqtt_write(gateway_t *gw, uint8_t type, const uint8_t *body, size_t len)
{
    uint8_t head[2] = { type, (uint8_t)len };       /* ours are always short */
    gw->last_tx = time(NULL);
    return send(gw->sock, head, 2, MSG_NOSIGNAL) == 2 && send(gw->sock, body, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool mqtt_hello(gateway_t *gw)
{
    uint8_t b[96] = { 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, KEEPALIVE };
    size_t n = strlen(gw->serial);
    int k;

    b[11] = (uint8_t)n;
    memcpy(b + 12, gw->serial, n);
    if (!mqtt_write(gw, MQTT_CONNECT, b, 12 + n) || !read_n(gw->sock, b, 4) || b[0] != MQTT_CONNACK || b[3] != 0)
        return false;
    b[0] = 0;
    b[1] = 1;
    k = snprintf((char *)b + 4, sizeof(b) - 5, "cmd/%s/#", gw->serial);
    b[2] = 0;
    b[3] = (uint8_t)k;
    b[4 + k] = 0;
    return mqtt_write(gw, MQTT_SUBSCRIBE, b, 5 + (size_t)k);
}

static void mqtt_loop(gateway_t *gw)
{
    static uint8_t packet[MQTT_MAX];
    uint8_t type, byte;
    size_t len;
    int shift;

    while (read_n(gw->sock, &type, 1)) {
        len = shift = 0;
        do {
            if (shift > 21 || !read_n(gw->sock, &byte, 1))
                return;
            len |= (size_t)(byte & 0x7f) << shift;
            shift += 7;
        } while (byte & 0x80);
        if (len > sizeof(packet) || !read_n(gw->sock, packet, len))
            return;
        if ((type & 0xf6) == MQTT_PUBLISH)          /* QoS 0 */
            on_publish(gw, packet, len);
    }
}

static int broker_connect(const char *host, const char *port)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list, *ai;
    int fd = -1;

    if (getaddrinfo(host, port, &hints, &list) != 0)
        return -1;
    for (ai = list; ai; ai = ai->ai_next) {
        fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
        if (fd < 0)
            continue;
        if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
            break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd;
}

/* --------------------------------------------------------- housekeeping */

static void *housekeeping(void *arg)
{
    gateway_t *gw = arg;
    char cmd[256];

    for (;; sleep(1)) {
        time_t now = time(NULL);
        struct tm tm;
        update_t *u = NULL;

        localtime_r(&now, &tm);
        pthread_mutex_lock(&gw->lock);
        if (gw->update && (gw->update->hour < 0 || gw->update->hour == tm.tm_hour)) {
            u = gw->update;
            gw->update = NULL;
        }
        if (gw->sock >= 0 && now - gw->last_tx > KEEPALIVE / 2)
            mqtt_write(gw, MQTT_PINGREQ, NULL, 0);
        pthread_mutex_unlock(&gw->lock);
        if (!u)
            continue;
        if (u->url && snprintf(cmd, sizeof(cmd), "wget -q -O /tmp/fw.bin '%s' && fwupdate /tmp/fw.bin", u->url) <
                          (int)sizeof(cmd)) {
            fprintf(stderr, "lampgw: update to %s\n", u->version);
            if (system(cmd) != 0)
                fprintf(stderr, "lampgw: update failed\n");
        }
        update_free(u);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    gateway_t *gw = gateway_new(argc > 1 ? argv[1] : "LG0000001");
    const char *host = argc > 2 ? argv[2] : "mqtt.example.com";
    pthread_t t;

    signal(SIGPIPE, SIG_IGN);
    if (pthread_create(&t, NULL, housekeeping, gw) != 0)
        return 1;
    for (;; sleep(5)) {
        gw->sock = broker_connect(host, "1883");
        if (gw->sock < 0)
            continue;
        if (mqtt_hello(gw))
            mqtt_loop(gw);
        pthread_mutex_lock(&gw->lock);
        close(gw->sock);
        gw->sock = -1;
        pthread_mutex_unlock(&gw->lock);
    }
}
