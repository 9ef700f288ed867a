#define _GNU_SOURCE
/*
 * cloud agent of the metering gateway. The agent runs unprivileged and passes
 * orders to a helper over a pipe.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <ctype.h>
#include <unistd.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <syslog.h>
#include <time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

#define CONF_FILE   "/etc/gwagent.conf"
#define RX_SIZE     4096

enum order_id { ORD_NONE, ORD_TIME, ORD_RESTART, ORD_TUNNEL, ORD_LEVEL };

struct order {
    uint16_t id;
    uint16_t seq;
    int32_t num;
    char text[120];
};

struct agent {
    char cloud_host[64];
    char cloud_port[8];
    char serial[24];
    int interval;
    int sock;
    int pipe_wr;
    uint16_t seq;
    unsigned long sent;
    char rx[RX_SIZE + 1];
    size_t rx_len;
};

/* ---------------- json, first level only ---------------- */

static const char *json_value(const char *js, const char *key)
{
    char pat[32];
    const char *p;

    snprintf(pat, sizeof pat, "\"%s\"", key);
    p = strstr(js, pat);
    if (!p)
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

static int json_string(const char *js, const char *key, char *out, size_t size)
{
    const char *p = json_value(js, key);
    size_t n = 0;

    if (!p || *p++ != '"')
        return -1;
    for (; *p && *p != '"'; p++) {
        char c = *p;

        if (c == '\\' && p[1]) {
            c = *++p;
            if (c == 'n')
                c = '\n';
            else if (c == 't')
                c = '\t';
        }
        if (n + 1 >= size)
            return -1;
        out[n++] = c;
    }
    out[n] = '\0';
    return (int)n;
}

static long json_number(const char *js, const char *key, long def)
{
    const char *p = json_value(js, key);

    return p && (isdigit((unsigned char)*p) || *p == '-') ? strtol(p, NULL, 10) : def;
}

/* ---------------- helper ---------------- */

static int host_ok(const char *h)
{
    if (*h == '-' || strlen(h) < 3)
        return 0;
    return h[strspn(h, "abcdefghijklmnopqrstuvwxyz0123456789.-")] == '\0';
}

static void do_time(const struct order *o)
{
    struct timespec ts = { o->num, 0 };

    if (o->num > 1500000000 && clock_settime(CLOCK_REALTIME, &ts) < 0)
        syslog(LOG_ERR, "settime: %m");
}

static void do_restart(const struct order *o)
{
    int rc = system(o->num ? "/sbin/reboot" : "/etc/init.d/meterd restart");

    if (rc)
        syslog(LOG_WARNING, "restart %d", rc);
}

static void do_tunnel(const struct order *o)
{
    char cmd[256];
    int rc;

    if (!host_ok(o->text) || o->num < 1024 || o->num > 65535) {
        syslog(LOG_WARNING, "tunnel order %u refused", o->seq);
        return;
    }
    snprintf(cmd, sizeof cmd,
             "dbclient -y -N -f -i /etc/keys/support -R %d:127.0.0.1:22 gw@%s", (int)o->num, o->text);
    rc = system(cmd);
    syslog(LOG_NOTICE, "tunnel port %d: %d", (int)o->num, rc);
}

static void do_level(const struct order *o)
{
    setlogmask(LOG_UPTO(o->num & 7));
}

static void (*const helper_ops[])(const struct order *) = {
    [ORD_NONE] = NULL,
    [ORD_TIME] = do_time,
    [ORD_RESTART] = do_restart,
    [ORD_TUNNEL] = do_tunnel,
    [ORD_LEVEL] = do_level,
};

static void helper_main(int fd)
{
    struct order o;
    size_t got = 0;
    ssize_t r;

    for (;;) {
        r = read(fd, (char *)&o + got, sizeof o - got);
        if (r <= 0) {
            if (r < 0 && errno == EINTR)
                continue;
            _exit(0);
        }
        got += r;
        if (got < sizeof o)
            continue;
        got = 0;
        o.text[sizeof o.text - 1] = '\0';
        if (o.id < sizeof helper_ops / sizeof helper_ops[0] && helper_ops[o.id])
            helper_ops[o.id](&o);
    }
}

/* ---------------- agent ---------------- */

static void pass_order(struct agent *a, const struct order *o)
{
    if (write(a->pipe_wr, o, sizeof *o) != (ssize_t)sizeof *o)
        syslog(LOG_ERR, "helper pipe: %m");
}

static void on_message(struct agent *a, const char *js)
{
    struct order o;
    char op[16];

    memset(&o, 0, sizeof o);
    if (json_string(js, "op", op, sizeof op) < 0)
        return;
    o.seq = ++a->seq;
    if (!strcmp(op, "time")) {
        o.id = ORD_TIME;
        o.num = json_number(js, "epoch", 0);
    } else if (!strcmp(op, "restart")) {
        o.id = ORD_RESTART;
        o.num = json_number(js, "full", 0);
    } else if (!strcmp(op, "tunnel")) {
        o.id = ORD_TUNNEL;
        o.num = json_number(js, "port", 0);
        if (json_string(js, "relay", o.text, sizeof o.text) < 0)
            return;
    } else if (!strcmp(op, "loglevel")) {
        o.id = ORD_LEVEL;
        o.num = json_number(js, "level", 5);
    } else if (!strcmp(op, "interval")) {
        long n = json_number(js, "seconds", 60);

        if (n >= 10 && n <= 3600)
            a->interval = n;
        return;
    } else
        return;
    pass_order(a, &o);
}

static int cloud_connect(struct agent *a)
{
    struct addrinfo hints, *res, *ai;
    int s = -1;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(a->cloud_host, a->cloud_port, &hints, &res))
        return -1;
    for (ai = res; ai; ai = ai->ai_next) {
        s = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
        if (s < 0)
            continue;
        if (connect(s, ai->ai_addr, ai->ai_addrlen) == 0)
            break;
        close(s);
        s = -1;
    }
    freeaddrinfo(res);
    a->rx_len = 0;
    return s;
}

static int send_beat(struct agent *a)
{
    char msg[160];
    double kwh = 0;
    FILE *fp = fopen("/var/run/meter.total", "r");
    int n;

    if (fp) {
        if (fscanf(fp, "%lf", &kwh) != 1)
            kwh = 0;
        fclose(fp);
    }
    n = snprintf(msg, sizeof msg, "{\"sn\":\"%s\",\"n\":%lu,\"kwh\":%.3f}\n", a->serial, ++a->sent, kwh);
    return send(a->sock, msg, n, MSG_NOSIGNAL) == n ? 0 : -1;
}

static int read_cloud(struct agent *a)
{
    ssize_t r = recv(a->sock, a->rx + a->rx_len, RX_SIZE - a->rx_len, 0);
    char *start = a->rx, *nl;

    if (r <= 0)
        return -1;
    a->rx_len += r;
    a->rx[a->rx_len] = '\0';
    while ((nl = memchr(start, '\n', a->rx + a->rx_len - start)) != NULL) {
        *nl = '\0';
        on_message(a, start);
        start = nl + 1;
    }
    a->rx_len -= start - a->rx;
    memmove(a->rx, start, a->rx_len);
    return a->rx_len == RX_SIZE ? -1 : 0;
}

static void session(struct agent *a)
{
    time_t next = 0;

    for (;;) {
        struct pollfd pf = { a->sock, POLLIN, 0 };
        time_t now = time(NULL);

        if (now >= next) {
            if (send_beat(a) < 0)
                return;
            next = now + a->interval;
        }
        if (poll(&pf, 1, 1000) > 0 && read_cloud(a) < 0)
            return;
    }
}

static void load_conf(struct agent *a)
{
    char line[128], key[32], val[64];
    FILE *fp;

    strcpy(a->cloud_host, "cloud.example-metering.net");
    strcpy(a->cloud_port, "18080");
    strcpy(a->serial, "GW00000000");
    a->interval = 60;
    fp = fopen(CONF_FILE, "r");
    if (!fp)
        return;
    while (fgets(line, sizeof line, fp)) {
        if (sscanf(line, "%31[a-z_] = %63s", key, val) != 2)
            continue;
        if (!strcmp(key, "host"))
            snprintf(a->cloud_host, sizeof a->cloud_host, "%s", val);
        else if (!strcmp(key, "port"))
            snprintf(a->cloud_port, sizeof a->cloud_port, "%.7s", val);
        else if (!strcmp(key, "serial"))
            snprintf(a->serial, sizeof a->serial, "%.23s", val);
    }
    fclose(fp);
}

int main(void)
{
    struct agent *a = calloc(1, sizeof *a);
    struct passwd *pw;
    int pp[2];

    if (!a || pipe(pp) < 0)
        return 1;
    openlog("gwagent", LOG_PID, LOG_DAEMON);
    signal(SIGPIPE, SIG_IGN);
    load_conf(a);
    switch (fork()) {
    case -1:
        return 1;
    case 0:
        close(pp[1]);
        helper_main(pp[0]);
        _exit(0);
    }
    close(pp[0]);
    a->pipe_wr = pp[1];
    pw = getpwnam("nobody");
    if (pw && (setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0))
        syslog(LOG_WARNING, "still root");
    for (;;) {
        a->sock = cloud_connect(a);
        if (a->sock >= 0) {
            syslog(LOG_INFO, "connected to %s", a->cloud_host);
            session(a);
            close(a->sock);
        }
        sleep(15);
    }
}
