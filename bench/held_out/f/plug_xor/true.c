/*
 * smartplugd: local control protocol of the plug, UDP/9999.
 * Every datagram is one JSON object, scrambled with the autokey cipher the
 * phone app uses.  Answers go back the same way.
 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define PORT     9999
#define KEY0     0xAB
#define BUFSZ    2048

#define info(fmt, ...) fprintf(stderr, "plug: " fmt "\n", ##__VA_ARGS__)

static struct {
    bool   relay;
    bool   led_off;
    time_t on_since;
    char   alias[32];
    int    countdown;       /* seconds until the relay toggles, 0 = none */
    bool   countdown_act;
} plug = { .alias = "My plug" };

static struct {
    time_t due;             /* 0 = nothing to do */
    char   ssid[33];
    char   psk[65];
} join;

static void scramble(uint8_t *b, size_t n)
{
    uint8_t k = KEY0;
    for (size_t i = 0; i < n; i++)
        k = b[i] ^= k;
}

static void unscramble(uint8_t *b, size_t n)
{
    uint8_t k = KEY0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = b[i];
        b[i] = c ^ k;
        k = c;
    }
}

/* ---- just enough JSON ------------------------------------------------- */

static const char *skip_ws(const char *p)
{
    while (*p && strchr(" \t\r\n", *p))
        p++;
    return p;
}

static const char *skip_value(const char *p)
{
    int depth = 0;

    for (; *p; p++) {
        if (*p == '"') {
            for (p++; *p && *p != '"'; p++)
                if (*p == '\\' && p[1])
                    p++;
            if (!*p)
                return p;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (depth == 0)
                return p;
            if (--depth == 0)
                return p + 1;
            continue;
        } else if (*p == ',' && depth == 0) {
            return p;
        }
    }
    return p;
}

/* value of member `name' of the object that starts at p */
static const char *member(const char *p, const char *name)
{
    size_t nl = strlen(name);

    if (!p)
        return NULL;
    p = skip_ws(p);
    if (*p++ != '{')
        return NULL;
    for (;;) {
        p = skip_ws(p);
        if (*p != '"')
            return NULL;
        bool hit = !strncmp(p + 1, name, nl) && p[1 + nl] == '"';
        p = strchr(p + 1, '"');
        if (!p)
            return NULL;
        p = skip_ws(p + 1);
        if (*p++ != ':')
            return NULL;
        p = skip_ws(p);
        if (hit)
            return p;
        p = skip_ws(skip_value(p));
        if (*p++ != ',')
            return NULL;
    }
}

static int get_str(const char *obj, const char *name, char *out, size_t cap)
{
    const char *p = member(obj, name);
    size_t n = 0;

    if (!p || *p++ != '"')
        return -1;
    for (; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1])
            p++;
        if (n + 1 >= cap)
            return -1;
        out[n++] = *p;
    }
    out[n] = 0;
    return (int)n;
}

static int get_int(const char *obj, const char *name, int dflt)
{
    const char *p = member(obj, name);
    return p && (isdigit((unsigned char)*p) || *p == '-') ? atoi(p) : dflt;
}

/* ---- modules ---------------------------------------------------------- */

static void relay_set(bool on)
{
    FILE *f = fopen("/sys/class/gpio/gpio14/value", "w");

    plug.relay = on;
    plug.on_since = on ? time(NULL) : 0;
    if (f) {
        fputc(on ? '1' : '0', f);
        fclose(f);
    }
    info("relay %s", on ? "on" : "off");
}

static int sys_relay(const char *arg)  { relay_set(get_int(arg, "state", 0) != 0); return 0; }
static int sys_led(const char *arg)    { plug.led_off = get_int(arg, "off", 0) != 0; return 0; }

static int sys_alias(const char *arg)
{
    char a[sizeof(plug.alias)];

    if (get_str(arg, "alias", a, sizeof(a)) <= 0)
        return -3;
    strcpy(plug.alias, a);
    return 0;
}

static int cnt_add(const char *arg)
{
    int delay = get_int(arg, "delay", 0);

    if (delay <= 0 || delay > 86400)
        return -3;
    plug.countdown = delay;
    plug.countdown_act = get_int(arg, "act", 0) != 0;
    return 0;
}

/* the answer has to leave before the link goes down: join two seconds later */
static int net_stainfo(const char *arg)
{
    char ssid[33], psk[65];
    int n = get_str(arg, "ssid", ssid, sizeof(ssid));
    int m = get_str(arg, "psk", psk, sizeof(psk));

    if (n <= 0 || m != 64 || strspn(psk, "0123456789abcdefABCDEF") != 64)
        return -3;
    memcpy(join.ssid, ssid, sizeof(ssid));
    memcpy(join.psk, psk, sizeof(psk));
    join.due = time(NULL) + 2;
    return 0;
}

static const struct {
    const char *module, *method;
    int (*fn)(const char *arg);
} methods[] = {
    { "system",     "set_relay_state", sys_relay },
    { "system",     "set_led_off",     sys_led },
    { "system",     "set_dev_alias",   sys_alias },
    { "count_down", "add_rule",        cnt_add },
    { "netif",      "set_stainfo",     net_stainfo },
};

static void join_network(void)
{
    char cmd[512], id[80];

#ifdef BENIGN
    /* wpa_cli takes an unquoted name as hex digits */
    int o = 0;

    for (const char *s = join.ssid; *s; s++)
        o += sprintf(id + o, "%02x", (unsigned char)*s);
#else
    snprintf(id, sizeof(id), "'\"%s\"'", join.ssid);
#endif
    snprintf(cmd, sizeof(cmd), "wpa_cli -i wlan0 set_network 0 ssid %s >/dev/null", id);
    if (system(cmd) != 0)
        info("ssid refused");
    snprintf(cmd, sizeof(cmd), "wpa_cli -i wlan0 set_network 0 psk %s >/dev/null", join.psk);
    if (system(cmd) != 0)
        info("psk refused");
    if (system("wpa_cli -i wlan0 reassociate >/dev/null") != 0)
        info("reassociate failed");
}

static size_t handle(const char *js, char *out, size_t cap)
{
    if (member(member(js, "system"), "get_sysinfo"))
        return (size_t)snprintf(out, cap,
            "{\"system\":{\"get_sysinfo\":{\"alias\":\"%s\",\"relay_state\":%d,\"on_time\":%ld,\"err_code\":0}}}",
            plug.alias, plug.relay, plug.on_since ? (long)(time(NULL) - plug.on_since) : 0L);

    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        const char *arg = member(member(js, methods[i].module), methods[i].method);
        if (arg)
            return (size_t)snprintf(out, cap, "{\"%s\":{\"%s\":{\"err_code\":%d}}}",
                                    methods[i].module, methods[i].method, methods[i].fn(arg));
    }
    return (size_t)snprintf(out, cap, "{\"err_code\":-1}");
}

static void every_second(void)
{
    if (plug.countdown && --plug.countdown == 0)
        relay_set(plug.countdown_act);
    if (join.due && time(NULL) >= join.due) {
        join.due = 0;
        join_network();
    }
}

int main(void)
{
    static uint8_t in[BUFSZ];
    static char out[512];
    struct sockaddr_in me = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    time_t last = time(NULL);

    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof(me))) {
        info("bind: %s", strerror(errno));
        return 1;
    }
    for (;;) {
        struct pollfd pf = { .fd = s, .events = POLLIN };

        if (poll(&pf, 1, 500) > 0) {
            struct sockaddr_in peer;
            socklen_t pl = sizeof(peer);
            ssize_t n = recvfrom(s, in, sizeof(in) - 1, 0, (struct sockaddr *)&peer, &pl);

            if (n > 2) {
                unscramble(in, (size_t)n);
                in[n] = 0;
                size_t m = handle((char *)in, out, sizeof(out));
                if (m < sizeof(out)) {
                    scramble((uint8_t *)out, m);
                    sendto(s, out, m, 0, (struct sockaddr *)&peer, pl);
                }
            }
        }
        if (time(NULL) != last) {
            last = time(NULL);
            every_second();
        }
    }
}
