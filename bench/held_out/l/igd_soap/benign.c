/*
 * miniigd - WANIPConnection service of the NR-5 router.
 * Only what consoles and torrent clients ask for.
 */
#define _GNU_SOURCE
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <syslog.h>

#define IGD_PORT    49431
#define REQ_MAX     8192
#define WAN_IF      "eth1"

struct mapping {
    struct mapping *next;
    unsigned short  ext_port, int_port;
    int             udp;
    time_t          expires;
    char           *client;
    char           *descr;
};

static struct mapping *map_list;

static int ipt(const char *fmt, ...)
{
    char args[300], full[360];
    va_list ap;

    va_start(ap, fmt);
    if (vsnprintf(args, sizeof(args), fmt, ap) >= (int)sizeof(args)) {
        va_end(ap);
        return -1;
    }
    va_end(ap);
    snprintf(full, sizeof(full), "iptables -t nat %s 2>/dev/null", args);
    return system(full);
}

/* returns a fresh copy of the text between <tag ...> and </tag> */
static char *xml_text(const char *xml, const char *tag)
{
    size_t tl = strlen(tag);
    const char *p = xml, *e;
    char *out;

    for (;;) {
        p = strchr(p, '<');
        if (!p)
            return NULL;
        p++;
        if (strncmp(p, tag, tl) == 0 && (p[tl] == '>' || p[tl] == ' '))
            break;
    }
    p = strchr(p, '>');
    if (!p)
        return NULL;
    p++;
    e = strchr(p, '<');
    if (!e || e[1] != '/')
        return NULL;
    out = malloc(e - p + 1);
    if (!out)
        return NULL;
    memcpy(out, p, e - p);
    out[e - p] = '\0';
    return out;
}

static long xml_num(const char *xml, const char *tag, long dflt)
{
    char *t = xml_text(xml, tag);
    long v = t && *t ? strtol(t, NULL, 10) : dflt;

    free(t);
    return v;
}

static int looks_like_addr(const char *s)
{
    size_t digits = strspn(s, "0123456789.");

    if (digits < 7 || strlen(s) > 64)
        return 0;
    return s[0] != '.' && s[digits] == '\0';
}

static void map_free(struct mapping *m)
{
    free(m->client);
    free(m->descr);
    free(m);
}

static struct mapping **map_find(unsigned short port, int udp)
{
    struct mapping **pp;

    for (pp = &map_list; *pp; pp = &(*pp)->next)
        if ((*pp)->ext_port == port && (*pp)->udp == udp)
            return pp;
    return NULL;
}

static void map_remove(struct mapping **pp)
{
    struct mapping *m = *pp;

    *pp = m->next;
    ipt("-D PREROUTING -i " WAN_IF " -p %s --dport %u -j DNAT --to %s:%u",
        m->udp ? "udp" : "tcp", m->ext_port, m->client, m->int_port);
    syslog(LOG_INFO, "removed %u (%s)", m->ext_port, m->descr);
    map_free(m);
}

static int soap_add(const char *xml, char *out, size_t room)
{
    struct mapping *m, **old;
    char *proto;
    long ext, in, lease;

    (void)out;
    (void)room;
    ext = xml_num(xml, "NewExternalPort", 0);
    in = xml_num(xml, "NewInternalPort", 0);
    lease = xml_num(xml, "NewLeaseDuration", 0);
    if (ext < 1024 || ext > 65535 || in < 1 || in > 65535)
        return 716;
    m = calloc(1, sizeof(*m));
    if (!m)
        return 501;
    m->ext_port = (unsigned short)ext;
    m->int_port = (unsigned short)in;
    proto = xml_text(xml, "NewProtocol");
    m->udp = proto && strcasecmp(proto, "UDP") == 0;
    free(proto);
    m->client = xml_text(xml, "NewInternalClient");
    m->descr = xml_text(xml, "NewPortMappingDescription");
    if (!m->descr)
        m->descr = strdup("-");
    if (!m->client || !m->descr || !looks_like_addr(m->client)) {
        map_free(m);
        return 402;
    }
    if (lease <= 0 || lease > 604800)
        lease = 604800;
    m->expires = time(NULL) + lease;
    old = map_find(m->ext_port, m->udp);
    if (old)
        map_remove(old);
    if (ipt("-A PREROUTING -i " WAN_IF " -p %s --dport %u -j DNAT --to %s:%u",
            m->udp ? "udp" : "tcp", m->ext_port, m->client, m->int_port) != 0)
        syslog(LOG_WARNING, "iptables failed for %u", m->ext_port);
    m->next = map_list;
    map_list = m;
    return 0;
}

static int soap_delete(const char *xml, char *out, size_t room)
{
    char *proto = xml_text(xml, "NewProtocol");
    struct mapping **pp;

    (void)out;
    (void)room;
    pp = map_find((unsigned short)xml_num(xml, "NewExternalPort", 0),
                  proto && strcasecmp(proto, "UDP") == 0);
    free(proto);
    if (!pp)
        return 714;
    map_remove(pp);
    return 0;
}

static int soap_count(const char *xml, char *out, size_t room)
{
    struct mapping *m;
    int n = 0;

    (void)xml;
    for (m = map_list; m; m = m->next)
        n++;
    snprintf(out, room, "<NewPortMappingNumberOfEntries>%d</NewPortMappingNumberOfEntries>", n);
    return 0;
}

static const struct {
    const char *action;
    int (*fn)(const char *, char *, size_t);
} soap[] = {
    { "AddPortMapping", soap_add },
    { "DeletePortMapping", soap_delete },
    { "GetPortMappingNumberOfEntries", soap_count },
};

static int read_request(int fd, char *buf, size_t room)
{
    size_t n = 0, need = 0;
    char *body, *cl;
    ssize_t r;

    while (n < room - 1) {
        r = recv(fd, buf + n, room - 1 - n, 0);
        if (r <= 0)
            return -1;
        n += (size_t)r;
        buf[n] = '\0';
        body = strstr(buf, "\r\n\r\n");
        if (!body)
            continue;
        if (!need) {
            cl = strcasestr(buf, "content-length:");
            need = (size_t)(body + 4 - buf) + (cl ? strtoul(cl + 15, NULL, 10) : 0);
        }
        if (n >= need)
            return 0;
    }
    return -1;
}

static void serve(int fd)
{
    static char req[REQ_MAX];
    char inner[256] = "", resp[900];
    const char *action;
    size_t i;
    int err = 401, len;

    if (read_request(fd, req, sizeof(req)) < 0)
        return;
    action = strcasestr(req, "SOAPAction:");
    action = action ? strchr(action, '#') : NULL;
    if (strncmp(req, "POST ", 5) == 0 && action) {
        for (i = 0; i < sizeof(soap) / sizeof(soap[0]); i++)
            if (strncmp(action + 1, soap[i].action, strlen(soap[i].action)) == 0)
                err = soap[i].fn(strstr(req, "\r\n\r\n") + 4, inner, sizeof(inner));
    }
    if (err)
        snprintf(inner, sizeof(inner), "<errorCode>%d</errorCode>", err);
    len = snprintf(resp, sizeof(resp),
                   "HTTP/1.0 %d %s\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n"
                   "<?xml version=\"1.0\"?><s:Envelope><s:Body>%s</s:Body></s:Envelope>",
                   err ? 500 : 200, err ? "Error" : "OK", inner);
    if (send(fd, resp, (size_t)len, MSG_NOSIGNAL) < 0)
        syslog(LOG_DEBUG, "client went away");
}

int main(void)
{
    struct sockaddr_in sin;
    struct timeval tv;
    fd_set rd;
    int ls, fd, one = 1;

    openlog("miniigd", 0, LOG_DAEMON);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(IGD_PORT);
    if (ls < 0 || bind(ls, (struct sockaddr *)&sin, sizeof(sin)) || listen(ls, 8)) {
        syslog(LOG_ERR, "no socket");
        return 1;
    }
    for (;;) {
        struct mapping **pp;
        time_t now;

        FD_ZERO(&rd);
        FD_SET(ls, &rd);
        tv.tv_sec = 10;
        tv.tv_usec = 0;
        if (select(ls + 1, &rd, NULL, NULL, &tv) > 0 && (fd = accept(ls, NULL, NULL)) >= 0) {
            tv.tv_sec = 5;
            tv.tv_usec = 0;
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
            serve(fd);
            close(fd);
        }
        now = time(NULL);
        for (pp = &map_list; *pp;) {
            if ((*pp)->expires <= now)
                map_remove(pp);
            else
                pp = &(*pp)->next;
        }
    }
}
