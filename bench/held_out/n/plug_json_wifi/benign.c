// smartplug local control: JSON over UDP (the cloud link is another process)
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stdbool.h>
#include <unistd.h>
#include <time.h>
#include <errno.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define LOCAL_PORT 10010

static struct {
    bool relay;
    int  led;
    int  countdown;      // seconds until toggle, 0 = off
    time_t started;
} plug;

static void dbg(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
}

static int shell_do(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof line)
        return -1;
    return system(line);
}

// finds "key" : and returns the start of the value
static const char *json_find(const char *js, const char *key)
{
    size_t kl = strlen(key);
    const char *p = js;

    while ((p = strchr(p, '"')) != NULL) {
        p++;
        if (strncmp(p, key, kl) == 0 && p[kl] == '"') {
            p += kl + 1;
            while (*p == ' ' || *p == '\t')
                p++;
            if (*p == ':') {
                p++;
                while (*p == ' ' || *p == '\t')
                    p++;
                return p;
            }
        }
    }
    return NULL;
}

static bool json_str(const char *js, const char *key, char *out, size_t cap)
{
    const char *p = json_find(js, key);
    size_t n = 0;

    if (!p || *p != '"')
        return false;
    for (p++; *p && *p != '"'; p++) {
        char c = *p;
        if (c == '\\') {
            c = *++p;
            if (!c)
                return false;
            if (c == 'n')
                c = '\n';
            else if (c == 't')
                c = '\t';
        }
        if (n + 1 >= cap)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return *p == '"';
}

static bool json_int(const char *js, const char *key, int *v)
{
    const char *p = json_find(js, key);
    char *e;
    long l;

    if (!p)
        return false;
    l = strtol(p, &e, 10);
    if (e == p || l < 0 || l > 1000000)
        return false;
    *v = (int)l;
    return true;
}

static void set_gpio(int pin, int val)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/sys/class/gpio/gpio%d/value", pin);
    if ((f = fopen(path, "w")) != NULL) {
        fprintf(f, "%d", val);
        fclose(f);
    }
}

static const char *do_relay(const char *js)
{
    int v;
    if (!json_int(js, "state", &v))
        return "bad state";
    plug.relay = v != 0;
    set_gpio(12, plug.relay);
    return NULL;
}

static const char *do_countdown(const char *js)
{
    int v;
    if (!json_int(js, "seconds", &v) || v > 86400)
        return "bad seconds";
    plug.countdown = v;
    plug.started = time(NULL);
    return NULL;
}

// a word in single quotes for sh; every quote inside becomes '\''
static bool sh_quote(char *out, size_t cap, const char *in)
{
    size_t n = 0;

    if (cap < 3)
        return false;
    out[n++] = '\'';
    for (; *in; in++) {
        if (n + 6 > cap)
            return false;
        if (*in == '\'') {
            memcpy(out + n, "'\\''", 4);
            n += 4;
        } else {
            out[n++] = *in;
        }
    }
    out[n++] = '\'';
    out[n] = '\0';
    return true;
}

static const char *do_wifi(const char *js)
{
    char ssid[33], psk[65];
    char qssid[140], qpsk[270];

    if (!json_str(js, "ssid", ssid, sizeof ssid) || !ssid[0])
        return "bad ssid";
    if (!json_str(js, "psk", psk, sizeof psk))
        psk[0] = '\0';
    if (psk[0] && strlen(psk) < 8)
        return "bad psk";
    dbg("join '%s'\n", ssid);
    if (!sh_quote(qssid, sizeof qssid, ssid) || !sh_quote(qpsk, sizeof qpsk, psk))
        return "bad ssid";
    if (shell_do("/usr/bin/wlan_join -- %s %s &", qssid, qpsk) != 0)
        return "join failed";
    return NULL;
}

static const struct method {
    const char *name;
    const char *(*fn)(const char *);
} methods[] = {
    { "relay.set",     do_relay },
    { "countdown.set", do_countdown },
    { "wifi.join",     do_wifi },
    { NULL, NULL }
};

static void tick(void)
{
    if (plug.countdown && time(NULL) - plug.started >= plug.countdown) {
        plug.countdown = 0;
        plug.relay = !plug.relay;
        set_gpio(12, plug.relay);
    }
    plug.led ^= 1;
    set_gpio(13, plug.led);
}

int main(void)
{
    struct sockaddr_in a = { 0 }, from;
    struct timeval tv = { 1, 0 };
    char in[1025], out[128], name[32];
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    a.sin_family = AF_INET;
    a.sin_port = htons(LOCAL_PORT);
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) < 0) {
        dbg("bind: %s\n", strerror(errno));
        return 1;
    }
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    for (;;) {
        socklen_t fl = sizeof from;
        ssize_t n = recvfrom(s, in, sizeof in - 1, 0, (struct sockaddr *)&from, &fl);
        const struct method *m;
        const char *err = "unknown method";

        tick();
        if (n <= 0)
            continue;
        in[n] = '\0';
        if (!json_str(in, "method", name, sizeof name))
            continue;
        for (m = methods; m->name; m++) {
            if (strcmp(m->name, name) == 0) {
                err = m->fn(in);
                break;
            }
        }
        snprintf(out, sizeof out, "{\"ok\":%s,\"err\":\"%s\"}", err ? "false" : "true", err ? err : "");
        sendto(s, out, strlen(out), 0, (struct sockaddr *)&from, fl);
    }
}
