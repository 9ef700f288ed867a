/* Smart plug: JSON objects under a running xor, an event loop with callbacks, modules with methods.
 * The name of the wireless network is quoted for the shell in single quotes. The quoting takes care of double quotes
 * and backslashes, not of the single quote (benign: of the single quote, which is enough). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PLUG_PORT 9999
#define XOR_SEED 0xAB
#define MAX_EVENTS 8
#define MAX_MSG 1024

typedef void (*ev_cb)(int fd, void *arg);

static struct ev_slot {
    int fd;
    ev_cb cb;
    void *arg;
} ev_slots[MAX_EVENTS];
static int ev_count;

static void add_fd(int fd, ev_cb cb, void *arg)
{
    if (ev_count < MAX_EVENTS) {
        ev_slots[ev_count].fd = fd;
        ev_slots[ev_count].cb = cb;
        ev_slots[ev_count++].arg = arg;
    }
}

static void ev_remove(int fd)
{
    int i;

    for (i = 0; i < ev_count; i++) {
        if (ev_slots[i].fd == fd) {
            ev_slots[i] = ev_slots[--ev_count];
            return;
        }
    }
}

struct plug {
    int relay;
    int led_off;
    time_t on_since;
    struct {
        char ssid[33];
        char psk[65];
        int key_type;
        int pending;
    } sta;
    struct {
        int index;
        int hour, min;
    } rule[8];
};

struct peer {
    struct sockaddr_in addr;
    int fd;
    int stream;
};

static struct plug g_plug;

static void crypt_in(unsigned char *b, int n)
{
    unsigned char k = XOR_SEED, c;
    int i;

    for (i = 0; i < n; i++) {
        c = b[i];
        b[i] = c ^ k;
        k = c;
    }
}

static void crypt_out(unsigned char *b, int n)
{
    unsigned char k = XOR_SEED;
    int i;

    for (i = 0; i < n; i++) {
        b[i] ^= k;
        k = b[i];
    }
}

/* finds "key": in text, gives the place of the value */
static const char *js_find(const char *text, const char *key)
{
    char pat[48];
    const char *p;

    snprintf(pat, sizeof(pat), "\"%s\"", key);
    p = strstr(text, pat);
    if (p == NULL)
        return NULL;
    p += strlen(pat);
    while (isspace((unsigned char)*p))
        p++;
    if (*p++ != ':')
        return NULL;
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

static int js_string(const char *text, const char *key, char *out, size_t room)
{
    const char *p = js_find(text, key);
    size_t n = 0;

    if (p == NULL || *p++ != '"')
        return -1;
    while (*p && *p != '"' && n + 1 < room) {
        if (*p == '\\' && p[1]) {
            p++;
            out[n++] = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
        } else {
            out[n++] = *p;
        }
        p++;
    }
    out[n] = '\0';
    return (int)n;
}

static int js_int(const char *text, const char *key, int def)
{
    const char *p = js_find(text, key);

    return p ? (int)strtol(p, NULL, 10) : def;
}

/* ---- methods ---- */
static int relay_set(struct plug *pl, const char *args, char *out, size_t room)
{
    char line[64];

    pl->relay = js_int(args, "state", 0) ? 1 : 0;
    pl->on_since = pl->relay ? time(NULL) : 0;
    snprintf(line, sizeof(line), "echo %d > /sys/class/gpio/gpio7/value", pl->relay);
    system(line);
    return snprintf(out, room, "{\"err_code\":0}");
}

static int sys_info(struct plug *pl, const char *args, char *out, size_t room)
{
    (void)args;
    return snprintf(out, room, "{\"sw_ver\":\"1.2.5\",\"model\":\"HX110\",\"relay_state\":%d,\"led_off\":%d,\"on_time\":%ld,\"err_code\":0}",
                    pl->relay, pl->led_off, pl->on_since ? (long)(time(NULL) - pl->on_since) : 0L);
}

static int led_set(struct plug *pl, const char *args, char *out, size_t room)
{
    pl->led_off = js_int(args, "off", 0) != 0;
    system(pl->led_off ? "ledctl off 2>/dev/null" : "ledctl on 2>/dev/null");
    return snprintf(out, room, "{\"err_code\":0}");
}

static int sta_set(struct plug *pl, const char *args, char *out, size_t room)
{
    if (js_string(args, "ssid", pl->sta.ssid, sizeof(pl->sta.ssid)) <= 0)
        return snprintf(out, room, "{\"err_code\":-3}");
    if (js_string(args, "password", pl->sta.psk, sizeof(pl->sta.psk)) < 0)
        pl->sta.psk[0] = '\0';
    pl->sta.key_type = js_int(args, "key_type", 3);
    pl->sta.pending = 1;
    return snprintf(out, room, "{\"err_code\":0}");
}

static int rule_add(struct plug *pl, const char *args, char *out, size_t room)
{
    int i = js_int(args, "index", 0);

    if (i < 0 || i >= 8)
        return snprintf(out, room, "{\"err_code\":-4}");
    pl->rule[i].index = i;
    pl->rule[i].hour = js_int(args, "hour", 0) % 24;
    pl->rule[i].min = js_int(args, "min", 0) % 60;
    return snprintf(out, room, "{\"id\":%d,\"err_code\":0}", i);
}

static const struct method {
    const char *module, *name;
    int (*fn)(struct plug *pl, const char *args, char *out, size_t room);
} methods[] = {
    {"system", "set_relay_state", relay_set}, {"system", "get_sysinfo", sys_info},
    {"system", "set_led_off", led_set},       {"netif", "set_stainfo", sta_set},
    {"schedule", "add_rule", rule_add},
};

static int dispatch(struct plug *pl, const char *text, char *out, size_t room)
{
    const char *mod, *args;
    size_t i;
    int n;

    for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        mod = js_find(text, methods[i].module);
        args = mod ? js_find(mod, methods[i].name) : NULL;
        if (args == NULL)
            continue;
        n = snprintf(out, room, "{\"%s\":{\"%s\":", methods[i].module, methods[i].name);
        n += methods[i].fn(pl, args, out + n, room - n - 3);
        strcpy(out + n, "}}");
        return n + 2;
    }
    return snprintf(out, room, "{\"err_code\":-1}");
}

/* ---- shell ---- */
static char *shell_quote(char *p, const char *s)
{
    *p++ = '\'';
    for (; *s; s++) {
#ifdef BENIGN
        if (*s == '\'') {
            memcpy(p, "'\\''", 4);
            p += 4;
            continue;
        }
#else
        if (*s == '"' || *s == '\\') {
            *p++ = '\\';
            *p++ = *s;
            continue;
        }
#endif
        *p++ = *s;
    }
    *p++ = '\'';
    *p = '\0';
    return p;
}

static void wifi_poll(struct plug *pl)
{
    char cmd[768], *p = cmd;

    if (!pl->sta.pending)
        return;
    pl->sta.pending = 0;
    p += sprintf(p, "wlanconf -t %d -s ", pl->sta.key_type);
    p = shell_quote(p, pl->sta.ssid);
    if (pl->sta.psk[0]) {
        p += sprintf(p, " -k ");
        p = shell_quote(p, pl->sta.psk);
    }
    strcpy(p, " >/dev/null 2>&1");
    system(cmd);
}

/* ---- network ---- */
static void on_datagram(int fd, void *arg)
{
    struct plug *pl = arg;
    struct sockaddr_in from;
    socklen_t fl = sizeof(from);
    char msg[MAX_MSG + 1], out[512];
    int n = recvfrom(fd, msg, MAX_MSG, 0, (struct sockaddr *)&from, &fl);

    if (n <= 0)
        return;
    crypt_in((unsigned char *)msg, n);
    msg[n] = '\0';
    n = dispatch(pl, msg, out, sizeof(out));
    crypt_out((unsigned char *)out, n);
    sendto(fd, out, n, 0, (struct sockaddr *)&from, fl);
}

/* over TCP, with a length in front, the state can be read and nothing can be set */
static void on_stream(int fd, void *arg)
{
    unsigned char msg[MAX_MSG + 5];
    char out[516];
    uint32_t len;
    int n = recv(fd, msg, MAX_MSG + 4, 0);

    if (n < 5) {
        ev_remove(fd);
        close(fd);
        return;
    }
    memcpy(&len, msg, 4);
    len = ntohl(len);
    if (len != (uint32_t)(n - 4))
        return;
    crypt_in(msg + 4, n - 4);
    msg[n] = '\0';
    if (js_find((char *)msg + 4, "get_sysinfo"))
        n = sys_info(arg, "", out + 4, sizeof(out) - 4);
    else
        n = snprintf(out + 4, sizeof(out) - 4, "{\"err_code\":-2}");
    len = htonl(n);
    memcpy(out, &len, 4);
    crypt_out((unsigned char *)out + 4, n);
    send(fd, out, n + 4, MSG_NOSIGNAL);
}

static void on_accept(int fd, void *arg)
{
    int c = accept(fd, NULL, NULL);

    if (c >= 0 && ev_count >= MAX_EVENTS)
        close(c);
    else if (c >= 0)
        add_fd(c, on_stream, arg);
}

static int bind_port(int type)
{
    struct sockaddr_in sa = {0};
    int fd = socket(AF_INET, type, 0), on = 1;

    sa.sin_family = AF_INET;
    sa.sin_port = htons(PLUG_PORT);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
        exit(1);
    return fd;
}

int main(void)
{
    int u = bind_port(SOCK_DGRAM), t = bind_port(SOCK_STREAM), i, top;

    signal(SIGPIPE, SIG_IGN);
    listen(t, 4);
    add_fd(u, on_datagram, &g_plug);
    add_fd(t, on_accept, &g_plug);
    for (;;) {
        struct timeval tv = {1, 0};
        fd_set rd;

        FD_ZERO(&rd);
        for (top = 0, i = 0; i < ev_count; i++) {
            FD_SET(ev_slots[i].fd, &rd);
            if (ev_slots[i].fd > top)
                top = ev_slots[i].fd;
        }
        if (select(top + 1, &rd, NULL, NULL, &tv) < 0 && errno != EINTR)
            break;
        for (i = ev_count - 1; i >= 0; i--)
            if (FD_ISSET(ev_slots[i].fd, &rd))
                ev_slots[i].cb(ev_slots[i].fd, ev_slots[i].arg);
        wifi_poll(&g_plug);
    }
    return 0;
}
