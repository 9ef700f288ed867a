// evse-link: connection of the wallbox to the charge point backend.
//
// Speaks OCPP-J frames, one per line, over plain TCP or TLS. libssl is
// opened at run time because the small image comes without it.
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 3072

struct conn;

struct transport {
    const char *name;
    int (*start)(struct conn *c);
    int (*recv)(struct conn *c, char *buf, int cap);
    int (*send)(struct conn *c, const char *buf, int len);
    void (*stop)(struct conn *c);
};

struct conn {
    const struct transport *tr;
    int fd;
    void *ssl;
    char in[FRAME_MAX];
    int have;
    unsigned seq;
};

struct diag_job {
    char *location;
    int retries;
    int wait;
    time_t due;
};

static struct {
    char host[80];
    char port[8];
    char station[32];
    bool tls;
    int heartbeat;
} cfg = { "csms.charge.example", "9210", "WB-000000", false, 60 };

static struct diag_job *diag;
static bool available = true;

static void logmsg(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("evse-link: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

static int plain_start(struct conn *c)
{
    return c->fd >= 0 ? 0 : -1;
}

static int plain_recv(struct conn *c, char *buf, int cap)
{
    return (int)recv(c->fd, buf, (size_t)cap, 0);
}

static int plain_send(struct conn *c, const char *buf, int len)
{
    return (int)send(c->fd, buf, (size_t)len, MSG_NOSIGNAL);
}

static void plain_stop(struct conn *c)
{
    close(c->fd);
}

static struct {
    void *(*client_method)(void);
    void *(*ctx_new)(const void *);
    void *(*ssl_new)(void *);
    int (*set_fd)(void *, int);
    int (*connect)(void *);
    int (*read)(void *, void *, int);
    int (*write)(void *, const void *, int);
    void (*free)(void *);
    void *ctx;
} ossl;

static int ossl_load(void)
{
    void *h;

    if (ossl.ctx)
        return 0;
    h = dlopen("libssl.so.1.1", RTLD_NOW | RTLD_GLOBAL);
    if (!h)
        return -1;
    *(void **)&ossl.client_method = dlsym(h, "TLS_client_method");
    *(void **)&ossl.ctx_new = dlsym(h, "SSL_CTX_new");
    *(void **)&ossl.ssl_new = dlsym(h, "SSL_new");
    *(void **)&ossl.set_fd = dlsym(h, "SSL_set_fd");
    *(void **)&ossl.connect = dlsym(h, "SSL_connect");
    *(void **)&ossl.read = dlsym(h, "SSL_read");
    *(void **)&ossl.write = dlsym(h, "SSL_write");
    *(void **)&ossl.free = dlsym(h, "SSL_free");
    if (!ossl.client_method || !ossl.ctx_new || !ossl.ssl_new || !ossl.set_fd || !ossl.connect ||
        !ossl.read || !ossl.write || !ossl.free)
        return -1;
    ossl.ctx = ossl.ctx_new(ossl.client_method());
    return ossl.ctx ? 0 : -1;
}

static int tls_start(struct conn *c)
{
    if (ossl_load() < 0)
        return -1;
    c->ssl = ossl.ssl_new(ossl.ctx);
    if (!c->ssl)
        return -1;
    ossl.set_fd(c->ssl, c->fd);
    return ossl.connect(c->ssl) == 1 ? 0 : -1;
}

static int tls_recv(struct conn *c, char *buf, int cap)
{
    return ossl.read(c->ssl, buf, cap);
}

static int tls_send(struct conn *c, const char *buf, int len)
{
    return ossl.write(c->ssl, buf, len);
}

static void tls_stop(struct conn *c)
{
    if (c->ssl)
        ossl.free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
}

static const struct transport transports[] = {
    { "tcp", plain_start, plain_recv, plain_send, plain_stop },
    { "tls", tls_start, tls_recv, tls_send, tls_stop },
};

// text after "key": at the current spot of the frame, strings unescaped
static char *json_get(const char *json, const char *key)
{
    size_t klen = strlen(key);
    const char *p = json;
    char *out, *o;

    while ((p = strchr(p, '"'))) {
        p++;
        if (strncmp(p, key, klen) || p[klen] != '"')
            continue;
        p += klen + 1;
        p += strspn(p, " \t");
        if (*p == ':')
            break;
    }
    if (!p)
        return NULL;
    p++;
    p += strspn(p, " \t");
    if (*p != '"')
        return strndup(p, strcspn(p, ",}] \t"));
    out = o = malloc(strlen(p) + 1);
    if (!out)
        return NULL;
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1]) {
            p++;
            *o++ = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
        } else {
            *o++ = *p;
        }
    }
    *o = 0;
    return out;
}

static int json_int(const char *json, const char *key, int dflt)
{
    char *t = json_get(json, key);
    int v = t ? (int)strtol(t, NULL, 10) : dflt;

    free(t);
    return v;
}

static const char *act_heartbeat_interval(const char *json)
{
    int v = json_int(json, "value", 0);

    if (v < 10 || v > 3600)
        return "Rejected";
    cfg.heartbeat = v;
    return "Accepted";
}

static const char *act_availability(const char *json)
{
    char *t = json_get(json, "type");

    available = t && !strcmp(t, "Operative");
    free(t);
    return "Accepted";
}

static const char *act_diagnostics(const char *json)
{
    char *loc = json_get(json, "location");

    if (!loc || strlen(loc) > 512 || (strncmp(loc, "ftp://", 6) && strncmp(loc, "http://", 7))) {
        free(loc);
        return "Rejected";
    }
    if (!diag)
        diag = calloc(1, sizeof *diag);
    if (!diag) {
        free(loc);
        return "Rejected";
    }
    free(diag->location);
    diag->location = loc;
    diag->retries = json_int(json, "retries", 1);
    if (diag->retries < 1 || diag->retries > 5)
        diag->retries = 1;
    diag->wait = json_int(json, "retryInterval", 60);
    diag->due = time(NULL) + 3;
    return "Accepted";
}

static const struct action {
    const char *name;
    const char *(*run)(const char *json);
} actions[] = {
    { "ChangeConfiguration", act_heartbeat_interval },
    { "ChangeAvailability", act_availability },
    { "GetDiagnostics", act_diagnostics },
};

// Backslash everything the shell might care about. NULL: cannot be written.
static char *shell_escape(const char *s)
{
    char *out = malloc(2 * strlen(s) + 1), *o = out;

    for (; out && *s; s++) {
        if (*s == '\n' || *s == '\r' || *s == '\t') {
            free(out);
            return NULL;
        }
        if (strchr(" ;|&<>'\"\\*?[]()#!", *s))
            *o++ = '\\';
        *o++ = *s;
    }
    if (out)
        *o = 0;
    return out;
}

static void diag_tick(void)
{
    char *esc, *cmd = NULL, line[128];
    FILE *p;

    if (!diag || !diag->due || time(NULL) < diag->due)
        return;
    diag->due = 0;
    esc = shell_escape(diag->location);
    if (esc && asprintf(&cmd, "curl -sS -m 300 -T /var/log/evse.log %s 2>&1", esc) > 0) {
        p = popen(cmd, "r");
        while (p && fgets(line, sizeof line, p))
            logmsg("curl: %.*s", (int)strcspn(line, "\n"), line);
        if ((!p || pclose(p) != 0) && --diag->retries > 0)
            diag->due = time(NULL) + diag->wait;
        free(cmd);
    }
    free(esc);
}

static void say(struct conn *c, const char *fmt, ...)
{
    char buf[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    if (n > 0 && n < (int)sizeof buf)
        c->tr->send(c, buf, n);
}

// [2,"id","Action",{...}]
static void on_frame(struct conn *c, char *f)
{
    char id[40], action[40];
    int at = 0;

    if (sscanf(f, "[2,\"%39[^\"]\",\"%39[^\"]\",%n", id, action, &at) != 2 || !at)
        return;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (!strcmp(actions[i].name, action)) {
            say(c, "[3,\"%s\",{\"status\":\"%s\"}]\n", id, actions[i].run(f + at));
            return;
        }
    say(c, "[4,\"%s\",\"NotImplemented\",\"\",{}]\n", id);
}

static int on_readable(struct conn *c)
{
    int n = c->tr->recv(c, c->in + c->have, FRAME_MAX - 1 - c->have);
    char *nl;

    if (n <= 0)
        return -1;
    c->have += n;
    c->in[c->have] = 0;
    while ((nl = memchr(c->in, '\n', (size_t)c->have))) {
        *nl++ = 0;
        on_frame(c, c->in);
        c->have -= (int)(nl - c->in);
        memmove(c->in, nl, (size_t)c->have);
    }
    return c->have < FRAME_MAX - 1 ? 0 : -1;
}

static int dial(void)
{
    struct addrinfo *ai, h = { .ai_socktype = SOCK_STREAM, .ai_family = AF_INET };
    int fd;

    if (getaddrinfo(cfg.host, cfg.port, &h, &ai))
        return -1;
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen)) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(ai);
    return fd;
}

static void session(struct conn *c)
{
    time_t beat = 0;

    say(c, "[2,\"b0\",\"BootNotification\",{\"chargePointModel\":\"%s\"}]\n", cfg.station);
    for (;;) {
        struct pollfd pf = { c->fd, POLLIN, 0 };

        if (poll(&pf, 1, 500) > 0 && on_readable(c) < 0)
            return;
        if (time(NULL) >= beat) {
            beat = time(NULL) + cfg.heartbeat;
            say(c, "[2,\"h%u\",\"Heartbeat\",{}]\n", c->seq++);
        }
        diag_tick();
    }
}

int main(int argc, char **argv)
{
    static struct conn c;
    int o;

    while ((o = getopt(argc, argv, "h:p:s:t")) != -1) {
        if (o == 'h') snprintf(cfg.host, sizeof cfg.host, "%s", optarg);
        else if (o == 'p') snprintf(cfg.port, sizeof cfg.port, "%s", optarg);
        else if (o == 's') snprintf(cfg.station, sizeof cfg.station, "%s", optarg);
        else if (o == 't') cfg.tls = true;
    }
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        memset(&c, 0, sizeof c);
        c.tr = &transports[cfg.tls];
        c.fd = dial();
        if (c.fd >= 0) {
            if (c.tr->start(&c) == 0)
                session(&c);
            c.tr->stop(&c);
        }
        logmsg("%s: no link over %s, %s", cfg.host, c.tr->name, available ? "open" : "closed");
        sleep(10);
    }
}
