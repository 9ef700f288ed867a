/*
 * The peer-to-peer helper of a video recorder: UDP packets of a fixed header and a body of type-length-value records.
 * One record's value is copied into a buffer on the stack with the length that the packet names.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD 12

enum { T_END = 0, T_DEVICE = 1, T_CHANNEL = 2, T_RELAY = 3, T_NONCE = 4 };

struct peer_state {
    char device[40];
    int channel;
    struct in_addr relay;
    uint16_t relay_port;
    uint32_t nonce;
    time_t touched;
};

struct counters {
    unsigned in, out, malformed, keepalive;
};

static struct peer_state state;
static struct counters counters;
static int fd = -1;
static struct sockaddr_in master;

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static void send_to(const struct sockaddr_in *to, uint8_t op, const void *body, uint16_t size)
{
    uint8_t out[256] = {0xf1, op, 0, 0};
    if (size > sizeof out - HEAD)
        return;
    out[2] = (uint8_t)(size >> 8);
    out[3] = (uint8_t)size;
    put32(out + 4, state.nonce);
    put32(out + 8, (uint32_t)time(NULL));
    memcpy(out + HEAD, body, size);
    if (sendto(fd, out, HEAD + size, 0, (const struct sockaddr *)to, sizeof *to) > 0)
        counters.out++;
}

static int record_device(const uint8_t *value, unsigned length)
{
    char name[32];
#ifdef BENIGN
    if (length >= sizeof name)
        return -1;
#endif
    memcpy(name, value, length);
    name[sizeof name - 1] = 0;
    if (strncmp(name, "DVR", 3) != 0)
        return -1;
    snprintf(state.device, sizeof state.device, "%s", name);
    return 0;
}

static int record(unsigned type, const uint8_t *value, unsigned length)
{
    switch (type) {
    case T_DEVICE:
        return record_device(value, length);
    case T_CHANNEL:
        if (length != 1 || value[0] > 16)
            return -1;
        state.channel = value[0];
        return 0;
    case T_RELAY:
        if (length != 6)
            return -1;
        memcpy(&state.relay, value, 4);
        state.relay_port = be16(value + 4);
        return 0;
    case T_NONCE:
        if (length != 4)
            return -1;
        state.nonce = be32(value);
        return 0;
    default:
        return 0;
    }
}

static int walk(const uint8_t *body, unsigned size)
{
    unsigned at = 0;
    while (at + 4 <= size) {
        unsigned type = be16(body + at), length = be16(body + at + 2);
        at += 4;
        if (type == T_END)
            break;
        if (at + length > size)
            return -1;
        if (record(type, body + at, length) < 0)
            return -1;
        at += length;
    }
    return 0;
}

static void take(const uint8_t *packet, unsigned size, const struct sockaddr_in *from)
{
    unsigned length;
    if (size < HEAD || packet[0] != 0xf1) {
        counters.malformed++;
        return;
    }
    length = be16(packet + 2);
    if (length + HEAD > size) {
        counters.malformed++;
        return;
    }
    state.touched = time(NULL);
    switch (packet[1]) {
    case 0x30:
        send_to(from, 0x31, state.device, (uint16_t)strlen(state.device));
        break;
    case 0x40:
        if (walk(packet + HEAD, length) < 0)
            counters.malformed++;
        else
            send_to(from, 0x41, &state.channel, 1);
        break;
    case 0xe0:
        counters.keepalive++;
        send_to(from, 0xe1, "", 0);
        break;
    }
}

static void announce(void)
{
    static time_t last;
    time_t now = time(NULL);
    if (now - last < 20)
        return;
    last = now;
    if (master.sin_port)
        send_to(&master, 0x10, state.device, (uint16_t)strlen(state.device));
    if (counters.malformed > 1000) {
        fprintf(stderr, "in %u out %u malformed %u\n", counters.in, counters.out, counters.malformed);
        counters.malformed = 0;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(32108)};
    uint8_t packet[1472];
    if (argc > 2) {
        master.sin_family = AF_INET;
        master.sin_addr.s_addr = inet_addr(argv[1]);
        master.sin_port = htons((uint16_t)atoi(argv[2]));
    }
    strcpy(state.device, "DVR-000000");
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&me, sizeof me) < 0)
        return 1;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 2000) > 0) {
            struct sockaddr_in from;
            socklen_t n = sizeof from;
            ssize_t size = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &n);
            if (size > 0) {
                counters.in++;
                take(packet, (unsigned)size, &from);
            }
        }
        announce();
    }
}
