// smart plug daemon: length-prefixed, autokey-xored JSON over TCP
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdbool.h>
#include <unistd.h>
#include <time.h>
#include <poll.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <arpa/inet.h>

enum { PLUG_PORT = 9999, MAX_JSON = 2048, XOR_SEED = 171 };

struct client {
    int fd;
    size_t need, have;
    uint8_t hdr[4];
    size_t hdr_have;
    uint8_t *msg;
};

static struct {
    bool relay;
    bool led_off;
    char alias[32];
    time_t on_since;
    time_t countdown;
    bool countdown_to;
} plug = { .alias = "Plug" };

static void set_relay(bool on)
{
    FILE *f = fopen("/sys/class/gpio/gpio12/value", "w");
    if (f) {
        fputc(on ? '1' : '0', f);
        fclose(f);
    }
    plug.relay = on;
    plug.on_since = on ? time(NULL) : 0;
}

static void crypt_in(uint8_t *p, size_t n)
{
    uint8_t k = XOR_SEED;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = p[i];
        p[i] ^= k;
        k = c;
    }
}

static void send_json(int fd, const char *s)
{
    size_t n = strlen(s);
    uint8_t *b = malloc(n + 4), k = XOR_SEED;
    uint32_t be = htonl((uint32_t)n);
    if (!b)
        return;
    memcpy(b, &be, 4);
    for (size_t i = 0; i < n; i++)
        k = b[4 + i] = (uint8_t)s[i] ^ k;
    send(fd, b, n + 4, MSG_NOSIGNAL);
    free(b);
}

/* finds "key" : and returns what stands behind the colon */
static const char *json_find(const char *js, const char *key)
{
    size_t kl = strlen(key);
    for (const char *p = js; (p = strchr(p, '"')) != NULL; p++) {
        if (strncmp(p + 1, key, kl) || p[1 + kl] != '"')
            continue;
        p += kl + 2;
        while (*p == ' ' || *p == ':')
            p++;
        return p;
    }
    return NULL;
}

/* allocated copy of a string member, escapes resolved */
static char *json_str(const char *js, const char *key)
{
    const char *v = json_find(js, key);
    if (!v || *v != '"')
        return NULL;
    char *out = malloc(strlen(v) + 1), *d = out;
    if (!out)
        return NULL;
    for (v++; *v && *v != '"'; v++) {
        if (*v == '\\' && v[1]) {
            v++;
            *d++ = *v == 'n' ? '\n' : *v == 't' ? '\t' : *v;
        } else {
            *d++ = *v;
        }
    }
    *d = '\0';
    return out;
}

static int json_int(const char *js, const char *key, int def)
{
    const char *v = json_find(js, key);
    return v ? atoi(v) : def;
}

static int fetch_firmware(const char *url)
{
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        for (int i = 3; i < 64; i++)
            close(i);
        char *cmd;
        if (asprintf(&cmd, "wget -q -T 30 -O /tmp/fw.bin %s", url) < 0)
            _exit(127);
        execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
        _exit(127);
    }
    return 0;
}

static void on_sysinfo(int fd, const char *js)
{
    char b[256];
    long up = plug.on_since ? (long)(time(NULL) - plug.on_since) : 0;
    snprintf(b, sizeof b, "{\"system\":{\"get_sysinfo\":{\"relay_state\":%d,"
             "\"on_time\":%ld,\"led_off\":%d,\"err_code\":0}}}",
             plug.relay, up, plug.led_off);
    send_json(fd, b);
}

static void on_relay(int fd, const char *js)
{
    set_relay(json_int(js, "state", 0) != 0);
    send_json(fd, "{\"system\":{\"set_relay_state\":{\"err_code\":0}}}");
}

static void on_alias(int fd, const char *js)
{
    char *a = json_str(js, "alias");
    if (a)
        snprintf(plug.alias, sizeof plug.alias, "%s", a);
    free(a);
    send_json(fd, "{\"system\":{\"set_dev_alias\":{\"err_code\":0}}}");
}

static void on_countdown(int fd, const char *js)
{
    int delay = json_int(js, "delay", 0);
    plug.countdown_to = json_int(js, "act", 0) != 0;
    plug.countdown = delay > 0 ? time(NULL) + delay : 0;
    send_json(fd, "{\"count_down\":{\"add_rule\":{\"err_code\":0}}}");
}

static void on_download(int fd, const char *js)
{
    char *url = json_str(js, "url");
    int rc = -1;
    if (url && !strncmp(url, "http://", 7) && strlen(url) < 512)
        rc = fetch_firmware(url);
    free(url);
    send_json(fd, rc ? "{\"system\":{\"download_firmware\":{\"err_code\":-1}}}"
                     : "{\"system\":{\"download_firmware\":{\"err_code\":0}}}");
}

static const struct method {
    const char *name;
    void (*call)(int, const char *);
} methods[] = {
    { "get_sysinfo", on_sysinfo },   { "set_relay_state", on_relay },
    { "set_dev_alias", on_alias },   { "add_rule", on_countdown },
    { "download_firmware", on_download },
};

static void dispatch(int fd, const char *js)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (json_find(js, methods[i].name)) {
            methods[i].call(fd, js);
            return;
        }
    send_json(fd, "{\"err_code\":-2,\"err_msg\":\"method not support\"}");
}

static void drop(struct client *c)
{
    close(c->fd);
    free(c->msg);
    memset(c, 0, sizeof *c);
    c->fd = -1;
}

static void client_input(struct client *c)
{
    ssize_t n;
    if (c->hdr_have < 4) {
        n = recv(c->fd, c->hdr + c->hdr_have, 4 - c->hdr_have, 0);
        if (n <= 0) {
            drop(c);
            return;
        }
        c->hdr_have += (size_t)n;
        if (c->hdr_have < 4)
            return;
        uint32_t be;
        memcpy(&be, c->hdr, 4);
        c->need = ntohl(be);
        if (c->need == 0 || c->need > MAX_JSON || !(c->msg = malloc(c->need + 1)))
            drop(c);
        return;
    }
    n = recv(c->fd, c->msg + c->have, c->need - c->have, 0);
    if (n <= 0) {
        drop(c);
        return;
    }
    c->have += (size_t)n;
    if (c->have < c->need)
        return;
    crypt_in(c->msg, c->need);
    c->msg[c->need] = '\0';
    dispatch(c->fd, (char *)c->msg);
    free(c->msg);
    c->msg = NULL;
    c->have = c->need = c->hdr_have = 0;
}

int main(void)
{
    struct client cl[8];
    struct pollfd pf[9];
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(PLUG_PORT) };
    int ls = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    signal(SIGCHLD, SIG_IGN);
    memset(cl, 0, sizeof cl);
    for (int i = 0; i < 8; i++)
        cl[i].fd = -1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, 8))
        return 1;
    for (;;) {
        pf[0] = (struct pollfd){ ls, POLLIN, 0 };
        for (int i = 0; i < 8; i++)
            pf[i + 1] = (struct pollfd){ cl[i].fd, POLLIN, 0 };
        int r = poll(pf, 9, 1000);
        if (plug.countdown && time(NULL) >= plug.countdown) {
            plug.countdown = 0;
            set_relay(plug.countdown_to);
        }
        if (r <= 0)
            continue;
        for (int i = 0; i < 8; i++)
            if (cl[i].fd >= 0 && pf[i + 1].revents)
                client_input(&cl[i]);
        if (pf[0].revents & POLLIN) {
            int s = accept(ls, NULL, NULL), i;
            for (i = 0; i < 8 && cl[i].fd >= 0; i++)
                ;
            if (i < 8 && s >= 0)
                cl[i].fd = s;
            else if (s >= 0)
                close(s);
        }
    }
}
