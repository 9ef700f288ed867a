/* rptd.c - setup server of a Wi-Fi repeater.  One process, select loop. */
#include <sys/types.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>

#define HTTP_PORT 80
#define MAX_CONN  6
#define DBG(...)  do { if (debug) fprintf(stderr, "rptd: " __VA_ARGS__); } while (0)

static int debug;

/* ---------------------------------------------------------------- store */
typedef struct kv_s {
    struct kv_s *next;
    char *name;
    char *text;
} kv_t;

static kv_t *kv_list;
static int   kv_dirty;

static kv_t *kv_find(const char *name)
{
    kv_t *k;
    for (k = kv_list; k; k = k->next)
        if (!strcmp(k->name, name))
            return k;
    return NULL;
}

const char *kv_get(const char *name, const char *dflt)
{
    kv_t *k = kv_find(name);
    return k ? k->text : dflt;
}

int kv_set(const char *name, const char *text)
{
    kv_t *k = kv_find(name);
    char *copy = strdup(text);

    if (!copy)
        return -1;
    if (!k) {
        k = calloc(1, sizeof(*k));
        if (!k || !(k->name = strdup(name))) {
            free(k);
            free(copy);
            return -1;
        }
        k->next = kv_list;
        kv_list = k;
    }
    free(k->text);
    k->text = copy;
    kv_dirty = 1;
    return 0;
}

static void kv_save(void)
{
    FILE *f = fopen("/etc/config/rpt.dat", "w");
    kv_t *k;

    if (!f)
        return;
    for (k = kv_list; k; k = k->next)
        fprintf(f, "%s=%s\n", k->name, k->text);
    fclose(f);
    kv_dirty = 0;
}

/* ---------------------------------------------------------------- shell */
static int sh_run(const char *fmt, ...)
{
    char cmd[768];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(cmd))
        return -1;
    DBG("exec: %s\n", cmd);
    return system(cmd);
}

/* makes one shell word of s */
static int sh_quote(const char *s, char *out, size_t size)
{
    size_t n = 0;

    out[n++] = '\'';
    for (; *s; s++) {
        if (n + 6 > size)
            return -1;
        if (*s == '\'') {
            memcpy(out + n, "'\\'", 3);
            n += 3;
        }
        out[n++] = *s;
    }
    out[n++] = '\'';
    out[n] = 0;
    return 0;
}

/* ---------------------------------------------------------------- radio */
static time_t join_at;

static void join_upstream(void)
{
    char ssid[300], psk[300];
    const char *sec = kv_get("sta_sec", "psk2");

    if (sh_quote(kv_get("sta_ssid", ""), ssid, sizeof(ssid)) ||
        sh_quote(kv_get("sta_key", ""), psk, sizeof(psk))) {
        DBG("names too long\n");
        return;
    }
    sh_run("ifconfig apcli0 down");
    sh_run("iwpriv apcli0 set ApCliSsid=%s", ssid);
    if (!strcmp(sec, "open")) {
        sh_run("iwpriv apcli0 set ApCliAuthMode=OPEN");
    } else {
        sh_run("iwpriv apcli0 set ApCliAuthMode=%s", strcmp(sec, "psk") ? "WPA2PSK" : "WPAPSK");
        sh_run("iwpriv apcli0 set ApCliWPAPSK=%s", psk);
    }
    sh_run("ifconfig apcli0 up");
}

static void tick(time_t now)
{
    if (kv_dirty)
        kv_save();
    if (join_at && now >= join_at) {
        join_at = 0;
        join_upstream();
    }
}

/* ---------------------------------------------------------------- http */
typedef struct {
    int    fd;
    size_t have;
    time_t since;
    char   buf[1024];
} conn_t;

static conn_t conns[MAX_CONN];

static void conn_close(conn_t *c)
{
    close(c->fd);
    c->fd = -1;
    c->have = 0;
}

static void answer(conn_t *c, const char *status, const char *text)
{
    char out[400];
    int n = snprintf(out, sizeof(out), "HTTP/1.0 %s\r\nContent-Length: %u\r\n\r\n%s",
                     status, (unsigned)strlen(text), text);
    if (n > 0 && n < (int)sizeof(out))
        write(c->fd, out, n);
    conn_close(c);
}

static void unescape(char *s)
{
    char *d = s;
    unsigned v;

    while (*s) {
        if (*s == '%' && sscanf(s + 1, "%2x", &v) == 1 && s[1] && s[2]) {
            *d++ = (char)v;
            s += 3;
        } else {
            *d++ = *s == '+' ? ' ' : *s;
            s++;
        }
    }
    *d = 0;
}

static void set_station(char *args)
{
    char *item, *eq;

    while ((item = strsep(&args, "&")) != NULL) {
        if (!(eq = strchr(item, '=')))
            continue;
        *eq++ = 0;
        unescape(eq);
        if (!strcmp(item, "ssid") && strlen(eq) <= 32)
            kv_set("sta_ssid", eq);
        else if (!strcmp(item, "key") && strlen(eq) <= 64)
            kv_set("sta_key", eq);
        else if (!strcmp(item, "sec") && (!strcmp(eq, "open") || !strcmp(eq, "psk") || !strcmp(eq, "psk2")))
            kv_set("sta_sec", eq);
    }
    join_at = time(NULL) + 3;
}

static void request(conn_t *c)
{
    char *uri, *args;

    if (strncmp(c->buf, "GET ", 4)) {
        answer(c, "405 Not Allowed", "");
        return;
    }
    uri = c->buf + 4;
    uri[strcspn(uri, " \r\n")] = 0;
    args = strchr(uri, '?');
    if (args)
        *args++ = 0;
    if (!strcmp(uri, "/goform/setSta") && args) {
        set_station(args);
        answer(c, "200 OK", "{\"result\":0}");
    } else if (!strcmp(uri, "/goform/getSta")) {
        char t[120];
        snprintf(t, sizeof(t), "{\"ssid\":\"%s\",\"sec\":\"%s\"}", kv_get("sta_ssid", ""), kv_get("sta_sec", ""));
        answer(c, "200 OK", t);
    } else
        answer(c, "404 Not Found", "");
}

static void conn_read(conn_t *c)
{
    ssize_t n = recv(c->fd, c->buf + c->have, sizeof(c->buf) - 1 - c->have, 0);

    if (n <= 0) {
        conn_close(c);
        return;
    }
    c->have += n;
    c->buf[c->have] = 0;
    if (strstr(c->buf, "\r\n\r\n"))
        request(c);
    else if (c->have == sizeof(c->buf) - 1)
        answer(c, "413 Too Large", "");
}

int main(int argc, char **argv)
{
    struct sockaddr_in sin;
    int ls, i, one = 1;

    debug = argc > 1 && !strcmp(argv[1], "-d");
    signal(SIGPIPE, SIG_IGN);
    for (i = 0; i < MAX_CONN; i++)
        conns[i].fd = -1;
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(HTTP_PORT);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(ls, (struct sockaddr *)&sin, sizeof(sin)) || listen(ls, 5)) {
        perror("rptd");
        return 1;
    }
    for (;;) {
        struct timeval tv = { 1, 0 };
        int max = ls;
        fd_set rd;

        FD_ZERO(&rd);
        FD_SET(ls, &rd);
        for (i = 0; i < MAX_CONN; i++) {
            if (conns[i].fd >= 0 && time(NULL) - conns[i].since > 20)
                conn_close(&conns[i]);
            if (conns[i].fd >= 0) {
                FD_SET(conns[i].fd, &rd);
                if (conns[i].fd > max)
                    max = conns[i].fd;
            }
        }
        if (select(max + 1, &rd, NULL, NULL, &tv) > 0) {
            for (i = 0; i < MAX_CONN; i++)
                if (conns[i].fd >= 0 && FD_ISSET(conns[i].fd, &rd))
                    conn_read(&conns[i]);
            if (FD_ISSET(ls, &rd)) {
                int fd = accept(ls, NULL, NULL);
                for (i = 0; i < MAX_CONN && conns[i].fd >= 0; i++)
                    ;
                if (fd >= 0 && i < MAX_CONN) {
                    conns[i].fd = fd;
                    conns[i].since = time(NULL);
                    conns[i].have = 0;
                } else if (fd >= 0)
                    close(fd);
            }
        }
        tick(time(NULL));
    }
}
