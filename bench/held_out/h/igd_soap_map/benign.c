/* mapd: SOAP endpoint for port mappings, as found on access points and small building routers */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <time.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define DEFAULT_PORT 49152
#define MAX_MAPS     32

enum map_state { MAP_FREE, MAP_NEW, MAP_CHECKED, MAP_ACTIVE, MAP_EXPIRED };
enum proto { PROTO_BAD, PROTO_TCP, PROTO_UDP };

struct mapping {
    enum map_state state;
    enum proto proto;
    int ext_port, int_port;
    char client[40];
    char descr[32];
    time_t until;
};

struct soap {
    const char *action;
    const char *body;
    char *reply;
    size_t cap;
};

static struct mapping maps[MAX_MAPS];
static char wan_if[16] = "eth1";
static int http_port = DEFAULT_PORT;

/* ----- command runner ----- */

static int sysf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int sysf(const char *fmt, ...)
{
    char buf[384];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    if (n <= 0 || n >= (int)sizeof(buf))
        return -1;
    return system(buf);
}

/* ----- xml ----- */

static int tag_value(const char *xml, const char *tag, char *out, size_t cap)
{
    const char *p = xml, *e;
    size_t tl = strlen(tag), n;

    while ((p = strchr(p, '<')) != NULL) {
        p++;
        if (strncmp(p, tag, tl) || (p[tl] != '>' && p[tl] != ' '))
            continue;
        p = strchr(p, '>');
        if (!p)
            return -1;
        p++;
        e = strchr(p, '<');
        if (!e)
            return -1;
        n = (size_t)(e - p);
        if (n >= cap)
            return -1;
        memcpy(out, p, n);
        out[n] = '\0';
        return (int)n;
    }
    return -1;
}

static int tag_int(const char *xml, const char *tag, int lo, int hi)
{
    char v[12];
    char *end;
    long x;
    if (tag_value(xml, tag, v, sizeof(v)) <= 0)
        return -1;
    x = strtol(v, &end, 10);
    return *end || x < lo || x > hi ? -1 : (int)x;
}

/* ----- mappings ----- */

static int check_client(struct mapping *m)
{
    unsigned a, b, c, d;

    if (sscanf(m->client, "%3u.%3u.%3u.%3u", &a, &b, &c, &d) != 4)
        return 0;
    if (a > 255 || b > 255 || c > 255 || d > 255 || a == 127 || a == 0)
        return 0;
    snprintf(m->client, sizeof(m->client), "%u.%u.%u.%u", a, b, c, d);
    m->state = MAP_CHECKED;
    return 1;
}

static struct mapping *map_find(int ext_port, enum proto pr)
{
    int i;
    for (i = 0; i < MAX_MAPS; i++)
        if (maps[i].state != MAP_FREE && maps[i].ext_port == ext_port && maps[i].proto == pr)
            return &maps[i];
    return NULL;
}

static struct mapping *map_alloc(void)
{
    int i;
    for (i = 0; i < MAX_MAPS; i++)
        if (maps[i].state == MAP_FREE)
            return &maps[i];
    return NULL;
}

static const char *proto_name(enum proto p) { return p == PROTO_UDP ? "udp" : "tcp"; }

static enum proto get_proto(const char *xml)
{
    char v[8];
    if (tag_value(xml, "NewProtocol", v, sizeof(v)) < 0)
        return PROTO_BAD;
    return !strcmp(v, "TCP") ? PROTO_TCP : !strcmp(v, "UDP") ? PROTO_UDP : PROTO_BAD;
}

static void rule(const struct mapping *m, char op)
{
    sysf("iptables -t nat -%c PREROUTING -i %s -p %s --dport %d -j DNAT --to %s:%d",
         op, wan_if, proto_name(m->proto), m->ext_port, m->client, m->int_port);
}

static int soap_add(struct soap *s)
{
    int ep = tag_int(s->body, "NewExternalPort", 1, 65535);
    int ip = tag_int(s->body, "NewInternalPort", 1, 65535);
    int lease = tag_int(s->body, "NewLeaseDuration", 0, 604800);
    enum proto pr = get_proto(s->body);
    struct mapping *m;

    if (ep < 0 || ip < 0 || pr == PROTO_BAD)
        return 402;
    if (map_find(ep, pr))
        return 718;
    m = map_alloc();
    if (!m)
        return 501;
    memset(m, 0, sizeof(*m));
    m->ext_port = ep;
    m->int_port = ip;
    m->proto = pr;
    m->until = time(NULL) + (lease > 0 ? lease : 604800);
    if (tag_value(s->body, "NewPortMappingDescription", m->descr, sizeof(m->descr)) < 0)
        strcpy(m->descr, "-");
    if (tag_value(s->body, "NewInternalClient", m->client, sizeof(m->client)) <= 0)
        return 402;
    m->state = MAP_NEW;
    if (!check_client(m)) {
        m->state = MAP_FREE;
        return 402;
    }
    return 200;
}

static int soap_delete(struct soap *s)
{
    int ep = tag_int(s->body, "NewExternalPort", 1, 65535);
    struct mapping *m = map_find(ep, get_proto(s->body));
    if (!m)
        return 714;
    m->state = m->state == MAP_ACTIVE ? MAP_EXPIRED : MAP_FREE;
    return 200;
}

static int soap_get(struct soap *s)
{
    int ix = tag_int(s->body, "NewPortMappingIndex", 0, MAX_MAPS - 1);
    if (ix < 0 || maps[ix].state == MAP_FREE)
        return 713;
    snprintf(s->reply, s->cap, "<NewExternalPort>%d</NewExternalPort><NewInternalPort>%d</NewInternalPort>"
             "<NewProtocol>%s</NewProtocol><NewPortMappingDescription>%s</NewPortMappingDescription>",
             maps[ix].ext_port, maps[ix].int_port, proto_name(maps[ix].proto), maps[ix].descr);
    return 200;
}

static int soap_status(struct soap *s)
{
    snprintf(s->reply, s->cap, "<NewConnectionStatus>Connected</NewConnectionStatus>");
    return 200;
}

typedef int (*soap_fn)(struct soap *);
static const struct { const char *name; soap_fn fn; } actions[] = {
    { "AddPortMapping", soap_add },
    { "DeletePortMapping", soap_delete },
    { "GetGenericPortMappingEntry", soap_get },
    { "GetStatusInfo", soap_status },
};

static void map_timer(void)
{
    time_t now = time(NULL);
    int i;

    for (i = 0; i < MAX_MAPS; i++) {
        struct mapping *m = &maps[i];
        switch (m->state) {
        case MAP_CHECKED:
            rule(m, 'A');
            m->state = MAP_ACTIVE;
            break;
        case MAP_ACTIVE:
            if (now < m->until)
                break;
            /* fall through */
        case MAP_EXPIRED:
            rule(m, 'D');
            m->state = MAP_FREE;
            break;
        default:
            break;
        }
    }
}

/* ----- http ----- */

static void http_client(int fd)
{
    char buf[6144], out[900], inner[600] = "", act[48] = "";
    struct soap s = { act, NULL, inner, sizeof(inner) };
    size_t n = 0, i;
    char *h, *sep = NULL;
    long want = 0;
    int code = 401, k;

    while (n < sizeof(buf) - 1) {
        ssize_t r = read(fd, buf + n, sizeof(buf) - 1 - n);
        if (r <= 0)
            break;
        n += (size_t)r;
        buf[n] = '\0';
        if (!sep && (sep = strstr(buf, "\r\n\r\n")) != NULL) {
            h = strcasestr(buf, "content-length:");
            want = h ? atol(h + 15) : 0;
        }
        if (sep && (long)(n - (size_t)(sep + 4 - buf)) >= want)
            break;
    }
    if (!sep)
        return;
    *sep = '\0';
    s.body = sep + 4;
    h = strcasestr(buf, "soapaction:");
    if (h && (h = strchr(h, '#')) != NULL) {
        for (h++, i = 0; i < sizeof(act) - 1 && *h && *h != '"' && *h != '\r'; i++)
            act[i] = *h++;
        act[i] = '\0';
    }
    for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (!strcmp(actions[i].name, s.action))
            code = actions[i].fn(&s);
    k = snprintf(out, sizeof(out), "HTTP/1.0 %d -\r\nContent-Type: text/xml\r\n\r\n"
                 "<s:Envelope><s:Body>%s</s:Body></s:Envelope>\r\n", code == 200 ? 200 : 500, inner);
    if (k > 0 && k < (int)sizeof(out))
        send(fd, out, (size_t)k, MSG_NOSIGNAL);
}

static void config(const char *path)
{
    char l[100];
    FILE *f = fopen(path, "r");
    if (!f)
        return;
    while (fgets(l, sizeof(l), f)) {
        int v;
        if (sscanf(l, "http_port = %d", &v) == 1 && v > 0 && v < 65536)
            http_port = v;
        else
            sscanf(l, "wan = %15[a-z0-9.]", wan_if);
    }
    fclose(f);
}

int main(int argc, char **argv)
{
    struct sockaddr_in a;
    struct timeval tv = { 1, 0 };
    int s, c, one = 1;

    config(argc > 1 ? argv[1] : "/etc/mapd.conf");
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons((unsigned short)http_port);
    if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 4) < 0)
        return 1;
    for (;;) {
        c = accept(s, NULL, NULL);
        if (c >= 0) {
            setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
            http_client(c);
            close(c);
        }
        map_timer();
    }
}
