/*  pktfwd-lite: packet forwarder of the outdoor LoRa gateway.
    Up side: radio frames are sent as JSON to the network server.
    Down side: PULL_RESP from the server is queued, the transmit thread takes
    a packet when its time has come.                                        */

#include <netdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PROTO          2
#define PUSH_DATA      0
#define PULL_DATA      2
#define PULL_RESP      3
#define PULL_ACK       4
#define TX_ACK         5
#define MAX_JSON       2048
#define MAX_PENDING    16

typedef struct downlink {
    struct downlink *next;
    uint32_t  when;         /* ms, own clock */
    uint16_t  token;
    double    freq;
    int       power;
    char     *datr;         /* "SF9BW125" */
    char     *codr;         /* "4/5" */
    char     *data;         /* base64 */
} downlink_t;

typedef struct {
    int fd;
    uint8_t eui[8];
    char server[100];
    char service[8];
    unsigned keepalive;
    unsigned rx_total, tx_total, tx_late, tx_bad;
} fwd_t;

static fwd_t fwd = { -1, { 0x00, 0x80, 0, 0, 0xa0, 0, 0x12, 0x34 }, "lns.example.net",
                     "1700", 10, 0, 0, 0, 0 };
static pthread_mutex_t list_mtx = PTHREAD_MUTEX_INITIALIZER;
static downlink_t *list;
static int list_len;

static uint32_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint32_t)ts.tv_sec * 1000u + (uint32_t)(ts.tv_nsec / 1000000);
}

/* ----- JSON, as much as needed ----- */

static const char *js_value(const char *js, const char *key)
{
    char pat[24];
    const char *p;

    snprintf(pat, sizeof(pat), "\"%s\":", key);
    p = strstr(js, pat);
    if (!p)
        return NULL;
    p += strlen(pat);
    while (*p == ' ')
        p++;
    return p;
}

static char *js_text(const char *js, const char *key)
{
    const char *p = js_value(js, key), *e;

    if (!p || *p != '"')
        return NULL;
    e = strchr(++p, '"');
    return e ? strndup(p, (size_t)(e - p)) : NULL;
}

static double js_number(const char *js, const char *key, double dflt)
{
    const char *p = js_value(js, key);
    return p ? strtod(p, NULL) : dflt;
}

/* ----- queue ----- */

static void downlink_free(downlink_t *d)
{
    free(d->datr);
    free(d->codr);
    free(d->data);
    free(d);
}

static int downlink_add(downlink_t *d)
{
    downlink_t **pp;
    int ok = 0;

    pthread_mutex_lock(&list_mtx);
    if (list_len < MAX_PENDING) {
        for (pp = &list; *pp && (int32_t)((*pp)->when - d->when) <= 0; pp = &(*pp)->next)
            ;
        d->next = *pp;
        *pp = d;
        list_len++;
        ok = 1;
    }
    pthread_mutex_unlock(&list_mtx);
    return ok;
}

static downlink_t *downlink_due(void)
{
    downlink_t *d = NULL;

    pthread_mutex_lock(&list_mtx);
    if (list && (int32_t)(list->when - now_ms()) < 40) {
        d = list;
        list = d->next;
        list_len--;
    }
    pthread_mutex_unlock(&list_mtx);
    return d;
}

/* ----- radio ----- */

static int radio_write(const uint8_t *reg, size_t n)
{
    FILE *f = fopen("/dev/spidev0.0", "wb");
    size_t done;

    if (!f)
        return -1;
    done = fwrite(reg, 1, n, f);
    fclose(f);
    return done == n ? 0 : -1;
}

static int b64_decode(const char *s, uint8_t *out, int max)
{
    static const char abc[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t acc = 0;
    int bits = 0, n = 0;

    for (; *s && *s != '='; s++) {
        const char *p = strchr(abc, *s);
        if (!p)
            return -1;
        acc = acc << 6 | (uint32_t)(p - abc);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            if (n >= max)
                return -1;
            out[n++] = (uint8_t)(acc >> bits);
        }
    }
    return n;
}

static int transmit(const downlink_t *d)
{
    uint8_t frame[8 + 255];
    char bw[12];
    int sf = 0, n, khz, cr = 1;

    if (sscanf(d->datr, "SF%2dBW%11s", &sf, bw) != 2)
        return -1;
    khz = atoi(bw);
    if (sf < 7 || sf > 12 || (khz != 125 && khz != 250 && khz != 500))
        return -1;
    if (d->codr && sscanf(d->codr, "4/%d", &cr) == 1)
        cr = cr < 5 || cr > 8 ? 5 : cr;
    n = b64_decode(d->data, frame + 8, 255);
    if (n <= 0)
        return -1;
    frame[0] = 0x80;
    frame[1] = (uint8_t)sf;
    frame[2] = (uint8_t)(khz / 125);
    frame[3] = (uint8_t)cr;
    frame[4] = (uint8_t)(d->power < 0 ? 0 : d->power > 27 ? 27 : d->power);
    frame[5] = (uint8_t)((uint32_t)(d->freq * 10) >> 8);
    frame[6] = (uint8_t)(uint32_t)(d->freq * 10);
    frame[7] = (uint8_t)n;
    return radio_write(frame, (size_t)n + 8);
}

static void *tx_thread(void *arg)
{
    fwd_t *f = arg;

    for (;;) {
        downlink_t *d = downlink_due();
        if (!d) {
            usleep(10000);
            continue;
        }
        if ((int32_t)(now_ms() - d->when) > 200)
            f->tx_late++;
        else if (transmit(d) < 0)
            f->tx_bad++;
        else
            f->tx_total++;
        downlink_free(d);
    }
    return NULL;
}

/* ----- network ----- */

static void tx_ack(fwd_t *f, uint16_t token, const char *error)
{
    char pkt[128];
    int n;

    pkt[0] = PROTO;
    pkt[1] = (char)(token >> 8);
    pkt[2] = (char)token;
    pkt[3] = TX_ACK;
    memcpy(pkt + 4, f->eui, 8);
    n = 12 + snprintf(pkt + 12, sizeof(pkt) - 12, "{\"txpk_ack\":{\"error\":\"%s\"}}", error);
    send(f->fd, pkt, (size_t)n, 0);
}

static void pull_resp(fwd_t *f, uint16_t token, const char *json)
{
    const char *txpk = js_value(json, "txpk");
    downlink_t *d;

    if (!txpk || !(d = calloc(1, sizeof(*d))))
        return;
    d->token = token;
    d->when = now_ms() + (uint32_t)js_number(txpk, "delay", 50) % 60000u;
    d->freq = js_number(txpk, "freq", 868.1);
    d->power = (int)js_number(txpk, "powe", 14);
    d->datr = js_text(txpk, "datr");
    d->codr = js_text(txpk, "codr");
    d->data = js_text(txpk, "data");
    if (!d->datr || !d->data) {
        downlink_free(d);
        tx_ack(f, token, "FORMAT");
    } else if (!downlink_add(d)) {
        downlink_free(d);
        tx_ack(f, token, "COLLISION_PACKET");
    } else {
        tx_ack(f, token, "NONE");
    }
}

static void *down_thread(void *arg)
{
    fwd_t *f = arg;
    uint8_t *pkt = malloc(MAX_JSON + 5);

    while (pkt) {
        ssize_t n = recv(f->fd, pkt, MAX_JSON + 4, 0);
        uint16_t token;

        if (n < 4 || pkt[0] != PROTO)
            continue;
        pkt[n] = '\0';
        token = (uint16_t)(pkt[1] << 8 | pkt[2]);
        f->rx_total++;
        if (pkt[3] == PULL_RESP)
            pull_resp(f, token, (char *)pkt + 4);
    }
    return NULL;
}

static void send_head(fwd_t *f, uint8_t kind, const char *json)
{
    uint8_t pkt[512];
    uint16_t token = (uint16_t)random();
    size_t n = json ? strlen(json) : 0;

    if (n > sizeof(pkt) - 12)
        return;
    pkt[0] = PROTO;
    pkt[1] = (uint8_t)(token >> 8);
    pkt[2] = (uint8_t)token;
    pkt[3] = kind;
    memcpy(pkt + 4, f->eui, 8);
    if (json)
        memcpy(pkt + 12, json, n);
    send(f->fd, pkt, 12 + n, 0);
}

static int dial(fwd_t *f)
{
    struct addrinfo hints, *ai;
    struct timeval tv = { 1, 0 };

    memset(&hints, 0, sizeof(hints));
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_DGRAM;
    if (getaddrinfo(f->server, f->service, &hints, &ai) != 0)
        return -1;
    f->fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
    if (f->fd < 0 || connect(f->fd, ai->ai_addr, ai->ai_addrlen) < 0)
        return -1;
    setsockopt(f->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    freeaddrinfo(ai);
    return 0;
}

static void configure(fwd_t *f)
{
    char line[200];
    FILE *fp = fopen("/etc/pktfwd.conf", "r");

    while (fp && fgets(line, sizeof(line), fp)) {
        sscanf(line, "server %99s", f->server);
        sscanf(line, "port %7[0-9]", f->service);
        sscanf(line, "keepalive %u", &f->keepalive);
    }
    if (fp)
        fclose(fp);
    if (f->keepalive < 5)
        f->keepalive = 5;
}

int main(void)
{
    pthread_t a, b;
    char stat[256];

    configure(&fwd);
    while (dial(&fwd) < 0) {
        fprintf(stderr, "pktfwd: cannot reach %s\n", fwd.server);
        sleep(10);
    }
    if (pthread_create(&a, NULL, down_thread, &fwd) || pthread_create(&b, NULL, tx_thread, &fwd))
        return 1;
    for (;;) {
        send_head(&fwd, PULL_DATA, NULL);
        snprintf(stat, sizeof(stat),
                 "{\"stat\":{\"rxnb\":%u,\"txnb\":%u,\"late\":%u,\"bad\":%u}}",
                 fwd.rx_total, fwd.tx_total, fwd.tx_late, fwd.tx_bad);
        send_head(&fwd, PUSH_DATA, stat);
        sleep(fwd.keepalive);
    }
}
