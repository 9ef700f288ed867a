#define _GNU_SOURCE
/*
 * igdd.c - Internet Gateway Device, WANIPConnection control endpoint.
 * SOAP over HTTP/1.1, one request per connection.
 *
 * Copyright (C) Homelink Systems. SDK release 4.2
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <unistd.h>
#include <signal.h>
#include <time.h>
#include <errno.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define IGD_HTTP_PORT      49152
#define IGD_REQ_MAX        8192
#define IGD_WAN_IF         "ppp0"
#define IGD_DEF_LEASE      3600

typedef enum { IGD_OK = 0, IGD_BADREQ = 402, IGD_NOENTRY = 714, IGD_CONFLICT = 718 } igd_rc_t;

typedef struct igd_map_s {
    struct igd_map_s *next;
    int     ext_port;
    int     int_port;
    int     is_udp;
    time_t  expires;
    char    client[64];
    char    descr[64];
} igd_map_t;

static igd_map_t *g_maps;
static int g_log_level = 1;

static void igd_log(int lvl, const char *fmt, ...)
{
    va_list ap;

    if (lvl > g_log_level)
        return;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

/* ------------------------------------------------------------ execution */
static int igd_shell(const char *fmt, ...)
{
    char line[400];
    va_list ap;
    pid_t pid;
    int st, n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(line))
        return -1;
    igd_log(2, "sh: %s", line);

    pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, &st, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void igd_rule(char op, const igd_map_t *m)
{
    igd_shell("iptables -t nat -%c IGD -i " IGD_WAN_IF " -p %s --dport %d -j DNAT --to-destination %s:%d",
              op, m->is_udp ? "udp" : "tcp", m->ext_port, m->client, m->int_port);
}

/* ------------------------------------------------------------------ XML */
/* Content of the first <name>...</name>, with or without name space.     */
static int xml_tag(const char *xml, const char *name, char *out, size_t outsz)
{
    size_t nl = strlen(name), n;
    const char *p = xml, *e;

    while ((p = strchr(p, '<')) != NULL) {
        const char *t = ++p;
        const char *colon;

        e = strpbrk(t, " >/");
        if (e == NULL)
            return -1;
        colon = memchr(t, ':', (size_t)(e - t));
        if (colon != NULL)
            t = colon + 1;
        if ((size_t)(e - t) != nl || strncmp(t, name, nl) != 0)
            continue;
        p = strchr(e, '>');
        if (p == NULL)
            return -1;
        if (p[-1] == '/') {
            out[0] = '\0';
            return 0;
        }
        p++;
        e = strchr(p, '<');
        if (e == NULL)
            return -1;
        n = (size_t)(e - p);
        if (n >= outsz)
            return -1;
        memcpy(out, p, n);
        out[n] = '\0';
        return 0;
    }
    return -1;
}

static int xml_int(const char *xml, const char *name, int dflt)
{
    char b[16];

    if (xml_tag(xml, name, b, sizeof(b)) != 0 || b[0] == '\0')
        return dflt;
    return atoi(b);
}

/* ------------------------------------------------------------- mappings */
static int client_on_lan(const char *c)
{
    struct in_addr in;
    unsigned long a;

    if (inet_pton(AF_INET, c, &in) != 1)
        return 0;
    a = ntohl(in.s_addr);
    return (a >> 16) == 0xc0a8 || (a >> 24) == 10 || (a >> 16) == 0xac10;
}

static igd_map_t **map_slot(int port, int is_udp)
{
    igd_map_t **pp;

    for (pp = &g_maps; *pp != NULL; pp = &(*pp)->next)
        if ((*pp)->ext_port == port && (*pp)->is_udp == is_udp)
            break;
    return pp;
}

static int xml_proto(const char *xml)
{
    char b[8];

    if (xml_tag(xml, "NewProtocol", b, sizeof(b)) != 0)
        return 0;
    return strcasecmp(b, "UDP") == 0;
}

static igd_rc_t soap_add(const char *xml, char *resp, size_t rsz)
{
    igd_map_t *m, **pp;
    int lease;

    (void)resp;
    (void)rsz;
    m = calloc(1, sizeof(*m));
    if (m == NULL)
        return IGD_BADREQ;
    m->ext_port = xml_int(xml, "NewExternalPort", 0);
    m->int_port = xml_int(xml, "NewInternalPort", 0);
    m->is_udp = xml_proto(xml);
    lease = xml_int(xml, "NewLeaseDuration", IGD_DEF_LEASE);
    if (m->ext_port < 1024 || m->ext_port > 65535 || m->int_port < 1 || m->int_port > 65535 ||
        xml_tag(xml, "NewInternalClient", m->client, sizeof(m->client)) != 0 ||
        !client_on_lan(m->client)) {
        free(m);
        return IGD_BADREQ;
    }
    if (xml_tag(xml, "NewPortMappingDescription", m->descr, sizeof(m->descr)) != 0)
        strcpy(m->descr, "upnp");
    pp = map_slot(m->ext_port, m->is_udp);
    if (*pp != NULL) {
        free(m);
        return IGD_CONFLICT;
    }
    m->expires = time(NULL) + (lease > 0 && lease < 604800 ? lease : IGD_DEF_LEASE);
    *pp = m;
    igd_rule('A', m);
    return IGD_OK;
}

static igd_rc_t soap_delete(const char *xml, char *resp, size_t rsz)
{
    igd_map_t **pp, *m;

    (void)resp;
    (void)rsz;
    pp = map_slot(xml_int(xml, "NewExternalPort", 0), xml_proto(xml));
    if ((m = *pp) == NULL)
        return IGD_NOENTRY;
    *pp = m->next;
    igd_rule('D', m);
    free(m);
    return IGD_OK;
}

static igd_rc_t soap_lookup(const char *xml, char *resp, size_t rsz)
{
    igd_map_t *m = *map_slot(xml_int(xml, "NewExternalPort", 0), xml_proto(xml));

    if (m == NULL)
        return IGD_NOENTRY;
    snprintf(resp, rsz, "<NewInternalPort>%d</NewInternalPort><NewInternalClient>%s</NewInternalClient>"
             "<NewPortMappingDescription>%s</NewPortMappingDescription>",
             m->int_port, m->client, m->descr);
    return IGD_OK;
}

static igd_rc_t soap_extip(const char *xml, char *resp, size_t rsz)
{
    (void)xml;
    snprintf(resp, rsz, "<NewExternalIPAddress>%s</NewExternalIPAddress>", "203.0.113.7");
    return IGD_OK;
}

static const struct {
    const char *action;
    igd_rc_t (*fn)(const char *xml, char *resp, size_t rsz);
} g_actions[] = {
    { "AddPortMapping",              soap_add },
    { "DeletePortMapping",           soap_delete },
    { "GetSpecificPortMappingEntry", soap_lookup },
    { "GetExternalIPAddress",        soap_extip },
};

static void expire_maps(time_t now)
{
    igd_map_t **pp = &g_maps, *m;

    while ((m = *pp) != NULL) {
        if (m->expires > now) {
            pp = &m->next;
            continue;
        }
        *pp = m->next;
        igd_rule('D', m);
        free(m);
    }
}

/* ----------------------------------------------------------------- HTTP */
static void http_reply(int fd, int code, const char *body)
{
    char h[1024];
    int n = snprintf(h, sizeof(h), "HTTP/1.1 %d %s\r\nContent-Type: text/xml\r\nContent-Length: %u\r\n"
                     "Connection: close\r\n\r\n%s", code, code == 200 ? "OK" : "Error",
                     (unsigned)strlen(body), body);

    if (n > (int)sizeof(h) - 1)
        n = (int)sizeof(h) - 1;
    send(fd, h, (size_t)n, MSG_NOSIGNAL);
}

static void http_serve(int fd)
{
    static char req[IGD_REQ_MAX + 1];
    char resp[512], body[700], *hdr_end = NULL, *sa, *cl;
    size_t have = 0, want = 0, i;
    ssize_t n;

    for (;;) {
        n = recv(fd, req + have, IGD_REQ_MAX - have, 0);
        if (n <= 0)
            break;
        have += (size_t)n;
        req[have] = '\0';
        if (hdr_end == NULL && (hdr_end = strstr(req, "\r\n\r\n")) != NULL) {
            cl = strcasestr(req, "\r\nContent-Length:");
            want = (size_t)(hdr_end + 4 - req);
            if (cl != NULL && cl < hdr_end)
                want += strtoul(cl + 17, NULL, 10);
        }
        if (hdr_end != NULL && have >= want)
            break;
        if (have == IGD_REQ_MAX)
            break;
    }
    if (hdr_end == NULL || strncmp(req, "POST /ctl/IPConn ", 17) != 0) {
        http_reply(fd, 404, "");
        return;
    }
    sa = strcasestr(req, "\r\nSOAPAction:");
    if (sa == NULL || sa > hdr_end || (sa = strchr(sa, '#')) == NULL) {
        http_reply(fd, 400, "");
        return;
    }
    sa++;
    for (i = 0; i < sizeof(g_actions) / sizeof(g_actions[0]); i++) {
        size_t l = strlen(g_actions[i].action);
        igd_rc_t rc;

        if (strncmp(sa, g_actions[i].action, l) != 0 || sa[l] != '"')
            continue;
        resp[0] = '\0';
        rc = g_actions[i].fn(hdr_end + 4, resp, sizeof(resp));
        igd_log(1, "%s -> %d", g_actions[i].action, rc);
        if (rc == IGD_OK)
            snprintf(body, sizeof(body), "<s:Body><u:%sResponse>%s</u:%sResponse></s:Body>",
                     g_actions[i].action, resp, g_actions[i].action);
        else
            snprintf(body, sizeof(body), "<s:Fault><errorCode>%d</errorCode></s:Fault>", rc);
        http_reply(fd, rc == IGD_OK ? 200 : 500, body);
        return;
    }
    http_reply(fd, 401, "");
}

int main(int argc, char **argv)
{
    struct sockaddr_in sin;
    struct timeval tv;
    fd_set rd;
    int ls, fd, on = 1;

    if (argc > 1 && strcmp(argv[1], "-v") == 0)
        g_log_level = 2;
    signal(SIGPIPE, SIG_IGN);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    if (ls < 0)
        return 1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(IGD_HTTP_PORT);
    if (bind(ls, (struct sockaddr *)&sin, sizeof(sin)) != 0 || listen(ls, 8) != 0) {
        perror("igdd");
        return 1;
    }
    for (;;) {
        FD_ZERO(&rd);
        FD_SET(ls, &rd);
        tv.tv_sec = 5;
        tv.tv_usec = 0;
        if (select(ls + 1, &rd, NULL, NULL, &tv) > 0) {
            fd = accept(ls, NULL, NULL);
            if (fd >= 0) {
                struct timeval to = { 3, 0 };
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &to, sizeof(to));
                http_serve(fd);
                close(fd);
            }
        }
        expire_maps(time(NULL));
    }
}
