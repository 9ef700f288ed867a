/*
 * lora_fwd - packet forwarder of the outdoor gateway (UDP protocol v2).
 * Up: PUSH_DATA with statistics.  Down: PULL_DATA / PULL_RESP / TX_ACK.
 */
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>

#define MSG(args...)        fprintf(stderr, args)
#define PROTOCOL_VERSION    2
#define PKT_PUSH_DATA       0
#define PKT_PUSH_ACK        1
#define PKT_PULL_DATA       2
#define PKT_PULL_RESP       3
#define PKT_PULL_ACK        4
#define PKT_TX_ACK          5
#define JIT_DEPTH           16
#define TX_PAYLOAD_MAX      256
#define DOWN_BUFF           2048

struct tx_pkt {
    uint32_t freq_hz;
    uint32_t count_us;
    bool     immediate;
    int8_t   power;
    uint8_t  sf;
    uint16_t bw_khz;
    uint16_t size;
    uint8_t  payload[TX_PAYLOAD_MAX];
};

struct jit {
    struct tx_pkt  ent[JIT_DEPTH];
    int            used;
    pthread_mutex_t mx;
};

static struct jit jitq = { .mx = PTHREAD_MUTEX_INITIALIZER };
static uint8_t gw_eui[8] = { 0xAA, 0x55, 0x5A, 0, 0, 0, 1, 1 };
static char serv_addr[64] = "router.lora.example";
static char serv_port_down[8] = "1700";
static int keepalive_s = 10;
static unsigned n_tx, n_dropped, n_ack;
static int sock_down = -1;

static void parse_conf(const char *path)
{
    char line[160];
    FILE *f = fopen(path, "r");

    if (f == NULL) {
        MSG("WARNING: no %s, defaults are used\n", path);
        return;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        sscanf(line, " server_address = %63s", serv_addr);
        sscanf(line, " serv_port_down = %7s", serv_port_down);
        sscanf(line, " keepalive = %d", &keepalive_s);
    }
    fclose(f);
}

static int b64_digit(int c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    if (c == '/') return 63;
    return -1;
}

/* decode in[0..len) to out, at most cap bytes; number of bytes or -1 */
static int b64_to_bin(const char *in, int len, uint8_t *out, int cap)
{
    uint32_t acc = 0;
    int i, bits = 0, n = 0;

    for (i = 0; i < len && in[i] != '='; i++) {
        int d = b64_digit((unsigned char)in[i]);

        if (d < 0)
            return -1;
        acc = acc << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            if (n >= cap)
                return -1;
            out[n++] = (uint8_t)(acc >> bits);
        }
    }
    return n;
}

/* pointer to the value of a member, blanks skipped */
static const char *json_member(const char *js, const char *name)
{
    char key[24];
    const char *p;

    snprintf(key, sizeof key, "\"%s\":", name);
    p = strstr(js, key);
    if (p == NULL)
        return NULL;
    p += strlen(key);
    while (*p == ' ')
        p++;
    return p;
}

static bool json_number(const char *js, const char *name, double *v)
{
    const char *p = json_member(js, name);
    char *e;

    if (p == NULL)
        return false;
    *v = strtod(p, &e);
    return e != p;
}

static void send_tx_ack(uint8_t tok_h, uint8_t tok_l, const char *error)
{
    uint8_t b[128] = { PROTOCOL_VERSION, tok_h, tok_l, PKT_TX_ACK };
    int n = 12;

    memcpy(b + 4, gw_eui, 8);
    if (error != NULL)
        n += snprintf((char *)b + 12, sizeof b - 12,
                      "{\"txpk_ack\":{\"error\":\"%s\"}}", error);
    send(sock_down, b, (size_t)n, 0);
    n_ack++;
}

static const char *jit_enqueue(const struct tx_pkt *p)
{
    const char *err = NULL;

    pthread_mutex_lock(&jitq.mx);
    if (jitq.used == JIT_DEPTH)
        err = "COLLISION_PACKET";
    else
        jitq.ent[jitq.used++] = *p;
    pthread_mutex_unlock(&jitq.mx);
    return err;
}

static const char *handle_txpk(const char *js)
{
    struct tx_pkt pkt;
    uint8_t raw[DOWN_BUFF];
    const char *p, *e;
    double v;
    unsigned sf, bw;
    int n;

    memset(&pkt, 0, sizeof pkt);
    if (strstr(js, "\"txpk\"") == NULL)
        return "BAD_JSON";
    p = json_member(js, "imme");
    if (p != NULL && strncmp(p, "true", 4) == 0) {
        pkt.immediate = true;
    } else if (json_number(js, "tmst", &v)) {
        pkt.count_us = (uint32_t)v;
    } else {
        return "TOO_LATE";
    }
    if (!json_number(js, "freq", &v) || v < 863.0 || v > 870.0)
        return "TX_FREQ";
    pkt.freq_hz = (uint32_t)(v * 1e6);
    pkt.power = json_number(js, "powe", &v) && v >= 0 && v <= 27 ? (int8_t)v : 14;
    p = json_member(js, "datr");
    if (p == NULL || sscanf(p, "\"SF%2uBW%3u\"", &sf, &bw) != 2 || sf < 7 || sf > 12)
        return "TX_DATR";
    pkt.sf = (uint8_t)sf;
    pkt.bw_khz = (uint16_t)bw;
    if (!json_number(js, "size", &v) || v < 0 || v > 65535)
        return "BAD_SIZE";
    pkt.size = (uint16_t)v;

    p = json_member(js, "data");
    if (p == NULL || *p != '"' || (e = strchr(++p, '"')) == NULL)
        return "BAD_DATA";
    n = b64_to_bin(p, (int)(e - p), raw, sizeof raw);
    if (n < 0)
        return "BAD_DATA";
    if (n != pkt.size)
        MSG("WARNING: size %u but %d bytes of data\n", pkt.size, n);
    memcpy(pkt.payload, raw, (size_t)n);
    pkt.size = (uint16_t)n;
    return jit_enqueue(&pkt);
}

static void *thread_jit(void *arg)
{
    struct tx_pkt p;

    (void)arg;
    for (;;) {
        usleep(10000);
        pthread_mutex_lock(&jitq.mx);
        if (jitq.used == 0) {
            pthread_mutex_unlock(&jitq.mx);
            continue;
        }
        p = jitq.ent[0];
        memmove(&jitq.ent[0], &jitq.ent[1], sizeof jitq.ent[0] * (size_t)--jitq.used);
        pthread_mutex_unlock(&jitq.mx);
        MSG("INFO: tx %u Hz SF%u %u bytes\n", (unsigned)p.freq_hz, p.sf, p.size);
        n_tx++;
    }
    return NULL;
}

static void send_stat(void)
{
    uint8_t b[256] = { PROTOCOL_VERSION, (uint8_t)rand(), (uint8_t)rand(), PKT_PUSH_DATA };
    int n;

    memcpy(b + 4, gw_eui, 8);
    n = snprintf((char *)b + 12, sizeof b - 12,
                 "{\"stat\":{\"txnb\":%u,\"drop\":%u,\"ackr\":%u}}", n_tx, n_dropped, n_ack);
    send(sock_down, b, 12 + (size_t)n, 0);
}

static void pull_loop(void)
{
    uint8_t req[12] = { PROTOCOL_VERSION, 0, 0, PKT_PULL_DATA };
    uint8_t buf[DOWN_BUFF + 1];
    time_t last = 0;

    memcpy(req + 4, gw_eui, 8);
    for (;;) {
        ssize_t n;
        const char *err;

        if (time(NULL) - last >= keepalive_s) {
            last = time(NULL);
            req[1] = (uint8_t)rand();
            req[2] = (uint8_t)rand();
            send(sock_down, req, sizeof req, 0);
            send_stat();
        }
        n = recv(sock_down, buf, DOWN_BUFF, 0);
        if (n < 4 || buf[0] != PROTOCOL_VERSION)
            continue;
        switch (buf[3]) {
        case PKT_PULL_ACK:
        case PKT_PUSH_ACK:
            break;
        case PKT_PULL_RESP:
            buf[n] = 0;
            err = handle_txpk((char *)buf + 4);
            if (err != NULL) {
                n_dropped++;
                MSG("WARNING: downlink refused, %s\n", err);
            }
            send_tx_ack(buf[1], buf[2], err);
            break;
        default:
            MSG("WARNING: packet type %u\n", buf[3]);
        }
    }
}

int main(int argc, char **argv)
{
    struct addrinfo hints, *res;
    struct timeval tv = { 0, 200000 };
    pthread_t th;

    parse_conf(argc > 1 ? argv[1] : "/etc/lora_fwd.conf");
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_DGRAM;
    if (getaddrinfo(serv_addr, serv_port_down, &hints, &res) != 0) {
        MSG("ERROR: cannot resolve %s\n", serv_addr);
        return EXIT_FAILURE;
    }
    sock_down = socket(res->ai_family, SOCK_DGRAM, 0);
    if (sock_down < 0 || connect(sock_down, res->ai_addr, res->ai_addrlen) != 0)
        return EXIT_FAILURE;
    freeaddrinfo(res);
    setsockopt(sock_down, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    if (pthread_create(&th, NULL, thread_jit, NULL) != 0)
        return EXIT_FAILURE;
    pull_loop();
    return 0;
}
