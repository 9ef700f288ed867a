// zighub: northbound JSON-lines API of the Zigbee hub
//   {"cmd":"join","id":"00158d0001a2b3c4","model":"plug"}
//   {"cmd":"ota","id":"00158d0001a2b3c4","url":"http://..."}
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <inttypes.h>
#include <unistd.h>
#include <poll.h>
#include <time.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define NBUCKET 32
#define NCONN   8

enum OtaState { OTA_IDLE, OTA_REJECTED, OTA_READY, OTA_BUSY, OTA_DONE };

struct Device {
    uint64_t       eui;
    char           model[24];
    char           url[200];
    enum OtaState  ota;
    time_t         ota_since;
    struct Device *next;
};

struct Conn {
    int    fd;
    size_t used;
    char   buf[2048];
};

struct Field {
    char key[16];
    char val[256];
};

struct Request {
    struct Field f[8];
    int          n;
};

static struct Device *g_dev[NBUCKET];
static struct Conn    g_conn[NCONN];

// ---------------------------------------------------------------- devices

static unsigned bucket(uint64_t eui) { return (unsigned)((eui ^ (eui >> 17)) % NBUCKET); }

static struct Device *device_find(uint64_t eui)
{
    struct Device *d = g_dev[bucket(eui)];
    while (d && d->eui != eui)
        d = d->next;
    return d;
}

static struct Device *device_add(uint64_t eui)
{
    struct Device *d = device_find(eui);
    if (d)
        return d;
    d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->eui = eui;
    d->next = g_dev[bucket(eui)];
    g_dev[bucket(eui)] = d;
    return d;
}

// ------------------------------------------------------------------- JSON

static const char *skip_ws(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\r')
        p++;
    return p;
}

// string with escapes; returns the position behind the closing quote
static const char *json_string(const char *p, char *out, size_t cap)
{
    size_t n = 0;

    if (*p++ != '"')
        return NULL;
    while (*p && *p != '"') {
        int c = *p++;
        if (c == '\\') {
            c = *p ? *p++ : 0;
            switch (c) {
            case 'n': c = '\n'; break;
            case 't': c = '\t'; break;
            case 'r': c = '\r'; break;
            case '"': case '\\': case '/': break;
            default: return NULL;
            }
        }
        if (n + 1 >= cap)
            return NULL;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return *p == '"' ? p + 1 : NULL;
}

static int json_parse(const char *p, struct Request *r)
{
    r->n = 0;
    p = skip_ws(p);
    if (*p++ != '{')
        return -1;
    for (;;) {
        struct Field *f = &r->f[r->n];
        if (r->n == 8)
            return -1;
        p = json_string(skip_ws(p), f->key, sizeof f->key);
        if (!p)
            return -1;
        p = skip_ws(p);
        if (*p++ != ':')
            return -1;
        p = json_string(skip_ws(p), f->val, sizeof f->val);
        if (!p)
            return -1;
        r->n++;
        p = skip_ws(p);
        if (*p == '}')
            return 0;
        if (*p++ != ',')
            return -1;
    }
}

static const char *req_get(const struct Request *r, const char *key)
{
    for (int i = 0; i < r->n; i++)
        if (!strcmp(r->f[i].key, key))
            return r->f[i].val;
    return "";
}

static struct Device *req_device(const struct Request *r)
{
    return device_find(strtoull(req_get(r, "id"), NULL, 16));
}

// --------------------------------------------------------------- commands

static const char *cmd_join(struct Conn *c, const struct Request *r)
{
    struct Device *d = device_add(strtoull(req_get(r, "id"), NULL, 16));
    if (!d)
        return "full";
    snprintf(d->model, sizeof d->model, "%.23s", req_get(r, "model"));
    return NULL;
}

static const char *cmd_leave(struct Conn *c, const struct Request *r)
{
    struct Device *d = req_device(r), **pp;
    if (!d)
        return "unknown";
    for (pp = &g_dev[bucket(d->eui)]; *pp != d; pp = &(*pp)->next)
        ;
    *pp = d->next;
    free(d);
    return NULL;
}

static const char *cmd_list(struct Conn *c, const struct Request *r)
{
    for (int i = 0; i < NBUCKET; i++)
        for (struct Device *d = g_dev[i]; d; d = d->next)
            dprintf(c->fd, "{\"id\":\"%016" PRIx64 "\",\"ota\":%d}\n", d->eui, d->ota);
    return NULL;
}

static int url_acceptable(const char *u)
{
    if (strncmp(u, "http://", 7) || strlen(u) > 180)
        return 0;
    return strpbrk(u + 7, " ;|&'\"`<>\\") == NULL;
}

static const char *cmd_ota(struct Conn *c, const struct Request *r)
{
    struct Device *d = req_device(r);
    const char *url = req_get(r, "url");
    if (!d)
        return "unknown";
    if (d->ota == OTA_BUSY)
        return "busy";
    snprintf(d->url, sizeof d->url, "%s", url);
    d->ota = url_acceptable(d->url) ? OTA_READY : OTA_REJECTED;
    d->ota_since = time(NULL);
    return d->ota == OTA_READY ? NULL : "url";
}

static const struct {
    const char *name;
    const char *(*run)(struct Conn *, const struct Request *);
} g_cmds[] = {
    { "join", cmd_join }, { "leave", cmd_leave }, { "list", cmd_list }, { "ota", cmd_ota },
};

static void handle_line(struct Conn *c, const char *line)
{
    struct Request r;
    const char *err = "cmd";
    if (json_parse(line, &r) < 0) {
        dprintf(c->fd, "{\"error\":\"syntax\"}\n");
        return;
    }
    for (size_t i = 0; i < sizeof g_cmds / sizeof g_cmds[0]; i++)
        if (!strcmp(g_cmds[i].name, req_get(&r, "cmd")))
            err = g_cmds[i].run(c, &r);
    dprintf(c->fd, "{\"result\":\"%s\"}\n", err ? err : "ok");
}

// -------------------------------------------------------------------- OTA

static int fetch(const struct Device *d)
{
    char cmd[320], line[128];
    FILE *p;
    snprintf(cmd, sizeof cmd, "wget -q -O /tmp/%016" PRIx64 ".ota %s 2>&1", d->eui, d->url);
    if (!(p = popen(cmd, "r")))
        return -1;
    while (fgets(line, sizeof line, p))
        fprintf(stderr, "ota: %s", line);
    return pclose(p);
}

static void ota_timer(void)
{
    for (int i = 0; i < NBUCKET; i++)
        for (struct Device *d = g_dev[i]; d; d = d->next) {
            if (d->ota != OTA_READY || time(NULL) - d->ota_since < 3)
                continue;
            d->ota = OTA_BUSY;
            d->ota = fetch(d) == 0 ? OTA_DONE : OTA_IDLE;
        }
}

// -------------------------------------------------------------------- net

static int conn_input(struct Conn *c)
{
    char *nl;
    ssize_t n = read(c->fd, c->buf + c->used, sizeof c->buf - 1 - c->used);
    if (n <= 0)
        return -1;
    c->used += (size_t)n;
    c->buf[c->used] = 0;
    while ((nl = memchr(c->buf, '\n', c->used))) {
        *nl++ = 0;
        handle_line(c, c->buf);
        c->used -= (size_t)(nl - c->buf);
        memmove(c->buf, nl, c->used + 1);
    }
    return c->used < sizeof c->buf - 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    int port = 8088, opt, ls, on = 1;

    while ((opt = getopt(argc, argv, "p:")) != -1)
        if (opt == 'p')
            port = atoi(optarg);
    for (int i = 0; i < NCONN; i++)
        g_conn[i].fd = -1;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sa.sin_port = htons((uint16_t)port);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, 4))
        return 1;
    for (;;) {
        struct pollfd pf[NCONN + 1];
        for (int i = 0; i < NCONN; i++)
            pf[i] = (struct pollfd){ g_conn[i].fd, POLLIN, 0 };
        pf[NCONN] = (struct pollfd){ ls, POLLIN, 0 };
        poll(pf, NCONN + 1, 1000);
        for (int i = 0; i < NCONN; i++)
            if (pf[i].revents && conn_input(&g_conn[i]) < 0) {
                close(g_conn[i].fd);
                g_conn[i].fd = -1;
            }
        if (pf[NCONN].revents) {
            int fd = accept(ls, NULL, NULL), i = 0;
            while (i < NCONN && g_conn[i].fd >= 0)
                i++;
            if (fd >= 0 && i < NCONN)
                g_conn[i] = (struct Conn){ .fd = fd };
            else if (fd >= 0)
                close(fd);
        }
        ota_timer();
    }
}
