// lgwmgr: management agent of the outdoor LoRa gateway.
//
// Small JSON datagrams from the network server change the settings; they are
// collected for a moment and made effective by the tick of the main loop.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdbool.h>
#include <stdint.h>
#include <ctype.h>
#include <time.h>
#include <errno.h>
#include <unistd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define MGMT_PORT      17800
#define SETTLE_SECONDS 2
#define HOST_MAX       64

static struct {
    char     log_host[HOST_MAX];
    int      log_port;
    int      log_level;
    uint32_t freq_khz;
    int      tx_power;
    bool     log_dirty;
    bool     radio_dirty;
    time_t   due;
    unsigned rx_ok, rx_bad;
} gw = {
    .log_host = "",
    .log_port = 514,
    .log_level = 5,
    .freq_khz = 868100,
    .tx_power = 14,
};

static int sock = -1;
static struct sockaddr_in peer;

// --- JSON -------------------------------------------------------------

static const char *json_value(const char *js, const char *key)
{
    size_t klen = strlen(key);
    const char *p = js;

    while ((p = strchr(p, '"')) != NULL) {
        p++;
        if (strncmp(p, key, klen) == 0 && p[klen] == '"') {
            p += klen + 1;
            while (isspace((unsigned char)*p))
                p++;
            if (*p == ':') {
                p++;
                while (isspace((unsigned char)*p))
                    p++;
                return p;
            }
            continue;
        }
        while (*p && *p != '"') {
            if (*p == '\\' && p[1])
                p++;
            p++;
        }
        if (*p == '"')
            p++;
    }
    return NULL;
}

static bool json_str(const char *js, const char *key, char *out, size_t size)
{
    const char *p = json_value(js, key);
    size_t n = 0;

    if (p == NULL || *p != '"')
        return false;
    for (p++; *p && *p != '"'; p++) {
        char c = *p;

        if (c == '\\') {
            c = *++p;
            if (c == '\0')
                return false;
            if (c == 'n')
                c = '\n';
            else if (c == 't')
                c = '\t';
        }
        if (n + 1 >= size)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return *p == '"';
}

static bool json_int(const char *js, const char *key, long *out)
{
    const char *p = json_value(js, key);
    char *end;

    if (p == NULL)
        return false;
    *out = strtol(p, &end, 10);
    return end != p;
}

// --- replies ----------------------------------------------------------

static void reply(const char *status, const char *detail)
{
    char buf[256];
    int n = snprintf(buf, sizeof buf, "{\"status\":\"%s\",\"detail\":\"%s\",\"ok\":%u,\"bad\":%u}",
                     status, detail, gw.rx_ok, gw.rx_bad);

    if (n > 0 && n < (int)sizeof buf)
        sendto(sock, buf, (size_t)n, 0, (struct sockaddr *)&peer, sizeof peer);
}

// --- commands ---------------------------------------------------------

static bool valid_host(const char *host)
{
    struct in_addr a;

    if (strlen(host) >= INET_ADDRSTRLEN)
        return false;
    return inet_pton(AF_INET, host, &a) == 1;
}

static const char *cmd_setlog(const char *js)
{
    char host[HOST_MAX];
    long v;

    if (!json_str(js, "host", host, sizeof host))
        return "no host";
    if (!valid_host(host))
        return "bad host";
    if (json_int(js, "port", &v)) {
        if (v < 1 || v > 65535)
            return "bad port";
        gw.log_port = (int)v;
    }
    if (json_int(js, "level", &v) && v >= 0 && v <= 7)
        gw.log_level = (int)v;
    strcpy(gw.log_host, host);
    gw.log_dirty = true;
    gw.due = time(NULL) + SETTLE_SECONDS;
    return NULL;
}

static const char *cmd_setradio(const char *js)
{
    long v;

    if (json_int(js, "freq", &v)) {
        if (v < 863000 || v > 870000)
            return "bad frequency";
        gw.freq_khz = (uint32_t)v;
    }
    if (json_int(js, "power", &v)) {
        if (v < 0 || v > 27)
            return "bad power";
        gw.tx_power = (int)v;
    }
    gw.radio_dirty = true;
    gw.due = time(NULL) + SETTLE_SECONDS;
    return NULL;
}

static const char *cmd_stat(const char *js)
{
    (void)js;
    printf("lgwmgr: %u good, %u bad, %u kHz, %d dBm\n",
           gw.rx_ok, gw.rx_bad, (unsigned)gw.freq_khz, gw.tx_power);
    return NULL;
}

static const struct command {
    const char *name;
    const char *(*run)(const char *js);
} commands[] = {
    { "setlog",   cmd_setlog   },
    { "setradio", cmd_setradio },
    { "stat",     cmd_stat     },
    { NULL, NULL }
};

static void handle_datagram(const char *js)
{
    char name[24];
    const struct command *c;
    const char *err = "unknown command";

    if (*js != '{' || !json_str(js, "cmd", name, sizeof name)) {
        gw.rx_bad++;
        return;
    }
    for (c = commands; c->name; c++) {
        if (strcmp(c->name, name) == 0) {
            err = c->run(js);
            break;
        }
    }
    if (err) {
        gw.rx_bad++;
        reply("error", err);
    } else {
        gw.rx_ok++;
        reply("ok", name);
    }
}

// --- tick -------------------------------------------------------------

static void restart_syslog(void)
{
    char line[256];

    snprintf(line, sizeof line, "killall -q syslogd; syslogd -l %d -R %s:%d",
             gw.log_level + 1, gw.log_host, gw.log_port);
    if (system(line) != 0)
        fprintf(stderr, "lgwmgr: syslogd not restarted\n");
}

static void write_radio(void)
{
    FILE *f = fopen("/var/run/lgw_radio.conf", "w");

    if (f == NULL)
        return;
    fprintf(f, "freq=%u\npower=%d\n", (unsigned)gw.freq_khz, gw.tx_power);
    fclose(f);
}

static void tick(void)
{
    if (gw.due == 0 || time(NULL) < gw.due)
        return;
    gw.due = 0;
    if (gw.log_dirty) {
        gw.log_dirty = false;
        restart_syslog();
    }
    if (gw.radio_dirty) {
        gw.radio_dirty = false;
        write_radio();
    }
}

int main(void)
{
    struct sockaddr_in me = { .sin_family = AF_INET };
    static char pkt[1025];

    sock = socket(AF_INET, SOCK_DGRAM, 0);
    me.sin_port = htons(MGMT_PORT);
    me.sin_addr.s_addr = htonl(INADDR_ANY);
    if (sock < 0 || bind(sock, (struct sockaddr *)&me, sizeof me) < 0) {
        perror("lgwmgr");
        return EXIT_FAILURE;
    }
    for (;;) {
        struct timeval tv = { .tv_sec = 1 };
        fd_set rd;

        FD_ZERO(&rd);
        FD_SET(sock, &rd);
        if (select(sock + 1, &rd, NULL, NULL, &tv) > 0) {
            socklen_t sl = sizeof peer;
            ssize_t n = recvfrom(sock, pkt, sizeof pkt - 1, 0, (struct sockaddr *)&peer, &sl);

            if (n > 0) {
                pkt[n] = '\0';
                handle_datagram(pkt);
            }
        }
        tick();
    }
}
