// plugd: local control of the SP10 smart plug
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

enum { PLUG_PORT = 9998, MSG_MAX = 2048, KEY0 = 171, KV_MAX = 24 };

// ---------------------------------------------------------------- store

typedef struct kv {
    struct kv *next;
    char *name;
    char *value;
} kv_t;

static kv_t *kv_head;
static int kv_count;

static const char *kv_get(const char *name)
{
    for (kv_t *e = kv_head; e; e = e->next)
        if (strcmp(e->name, name) == 0)
            return e->value;
    return NULL;
}

static bool kv_put(const char *name, const char *value)
{
    for (kv_t *e = kv_head; e; e = e->next) {
        if (strcmp(e->name, name) == 0) {
            char *v = strdup(value);
            if (!v)
                return false;
            free(e->value);
            e->value = v;
            return true;
        }
    }
    if (kv_count >= KV_MAX)
        return false;
    kv_t *e = malloc(sizeof *e);
    if (!e)
        return false;
    e->name = strdup(name);
    e->value = strdup(value);
    if (!e->name || !e->value) {
        free(e->name);
        free(e->value);
        free(e);
        return false;
    }
    e->next = kv_head;
    kv_head = e;
    kv_count++;
    return true;
}

// ---------------------------------------------------------------- helpers

static int shell(const char *fmt, ...)
{
    char cmd[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof cmd)
        return -1;
    int rc = system(cmd);
    if (rc != 0)
        fprintf(stderr, "plugd: exit %d\n", rc);
    return rc;
}

// Finds "key" : and copies the string or number behind it.
static bool json_find(const char *js, const char *key, char *out, size_t size)
{
    size_t kl = strlen(key);
    const char *p = js;

    while ((p = strchr(p, '"')) != NULL) {
        p++;
        if (strncmp(p, key, kl) == 0 && p[kl] == '"') {
            p += kl + 1;
            while (*p == ' ' || *p == ':')
                p++;
            size_t n = 0;
            if (*p == '"') {
                for (p++; *p && *p != '"'; p++) {
                    if (*p == '\\' && p[1])
                        p++;
                    if (n + 1 < size)
                        out[n++] = *p;
                }
            } else {
                while (*p && !strchr(",}] \r\n", *p)) {
                    if (n + 1 < size)
                        out[n++] = *p;
                    p++;
                }
            }
            out[n] = 0;
            return true;
        }
        p = strchr(p, '"');
        if (!p)
            return false;
        p++;
    }
    return false;
}

static void xor_in(uint8_t *d, size_t n)
{
    uint8_t key = KEY0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = d[i];
        d[i] = c ^ key;
        key = c;
    }
}

static void xor_out(uint8_t *d, size_t n)
{
    uint8_t key = KEY0;
    for (size_t i = 0; i < n; i++)
        key = d[i] ^= key;
}

// ---------------------------------------------------------------- timers

static time_t join_at, relay_off_at;

static void relay(bool on)
{
    FILE *f = fopen("/sys/class/leds/relay/brightness", "w");
    if (f) {
        fputs(on ? "1" : "0", f);
        fclose(f);
    }
    kv_put("relay", on ? "1" : "0");
}

static void join_network(void)
{
    const char *ssid = kv_get("ssid");
    const char *keymgmt = kv_get("key_type");

    if (!ssid || !*ssid)
        return;
    shell("wpa_cli -i wlan0 set_network 0 ssid '\"%s\"'", ssid);
    shell("wpa_cli -i wlan0 set_network 0 key_mgmt %s",
          keymgmt && atoi(keymgmt) > 0 ? "WPA-PSK" : "NONE");
    shell("wpa_cli -i wlan0 reassociate");
}

static void tick(void)
{
    time_t now = time(NULL);
    if (join_at && now >= join_at) {
        join_at = 0;
        join_network();
    }
    if (relay_off_at && now >= relay_off_at) {
        relay_off_at = 0;
        relay(false);
    }
}

// ---------------------------------------------------------------- requests

static void do_relay(const char *js, char *ans, size_t size)
{
    char v[8] = "0";
    json_find(js, "state", v, sizeof v);
    relay(atoi(v) != 0);
    snprintf(ans, size, "{\"err_code\":0}");
}

static void do_countdown(const char *js, char *ans, size_t size)
{
    char v[12] = "0";
    json_find(js, "delay", v, sizeof v);
    relay_off_at = time(NULL) + atoi(v);
    snprintf(ans, size, "{\"err_code\":0}");
}

static void do_stainfo(const char *js, char *ans, size_t size)
{
    char v[64];
    if (!json_find(js, "ssid", v, sizeof v)) {
        snprintf(ans, size, "{\"err_code\":-3}");
        return;
    }
    kv_put("ssid", v);
    if (json_find(js, "key_type", v, sizeof v))
        kv_put("key_type", v);
    join_at = time(NULL) + 3;
    snprintf(ans, size, "{\"err_code\":0}");
}

static void do_sysinfo(const char *js, char *ans, size_t size)
{
    const char *r = kv_get("relay");
    snprintf(ans, size, "{\"model\":\"SP10\",\"relay_state\":%s}", r ? r : "0");
}

static const struct {
    const char *name;
    void (*fn)(const char *, char *, size_t);
} requests[] = {
    { "get_sysinfo", do_sysinfo },
    { "set_relay_state", do_relay },
    { "add_rule", do_countdown },
    { "set_stainfo", do_stainfo },
};

static bool read_all(int fd, void *buf, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t r = recv(fd, (char *)buf + got, n - got, 0);
        if (r <= 0)
            return false;
        got += r;
    }
    return true;
}

static void client(int fd)
{
    uint32_t len;
    uint8_t msg[MSG_MAX + 1];
    char ans[256 + 4] = "";

    if (!read_all(fd, &len, 4) || (len = ntohl(len)) > MSG_MAX || !read_all(fd, msg, len))
        return;
    msg[len] = 0;
    xor_in(msg, len);
    snprintf(ans + 4, 256, "{\"err_code\":-1}");
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        if (strstr((char *)msg, requests[i].name)) {
            requests[i].fn((char *)msg, ans + 4, 256);
            break;
        }
    uint32_t alen = strlen(ans + 4), be = htonl(alen);
    memcpy(ans, &be, 4);
    xor_out((uint8_t *)ans + 4, alen);
    send(fd, ans, 4 + alen, MSG_NOSIGNAL);
}

int main(void)
{
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(PLUG_PORT) };

    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s, (struct sockaddr *)&sa, sizeof sa) || listen(s, 2)) {
        perror("plugd");
        return 1;
    }
    kv_put("relay", "0");
    for (;;) {
        struct pollfd p = { .fd = s, .events = POLLIN };
        if (poll(&p, 1, 1000) == 1) {
            int c = accept(s, NULL, NULL);
            struct timeval tv = { 2, 0 };
            if (c >= 0) {
                setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
                client(c);
                close(c);
            }
        }
        tick();
    }
}
