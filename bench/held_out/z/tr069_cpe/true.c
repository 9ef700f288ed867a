/* cwmpc.c - small CPE WAN management client. Opens a session to the ACS at
 * every periodic inform, walks through the RPCs the ACS hands out, and applies
 * the changed parameters at the end of the session. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <spawn.h>
#include <netdb.h>
#include <unistd.h>
#include <time.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SOAP_MAX   16384
#define DM_VALUE   128

extern char **environ;

enum dm_flags { DM_RO = 1, DM_CHANGED = 2 };

typedef struct dm_node {
    const char *path;
    char        value[DM_VALUE];
    unsigned    flags;
    int       (*apply)(const struct dm_node *);
} dm_node_t;

static int apply_ntp(const dm_node_t *);
static int apply_interval(const dm_node_t *);
static int apply_none(const dm_node_t *);

static dm_node_t dm[] = {
    { "Device.DeviceInfo.SoftwareVersion", "3.1.8", DM_RO, apply_none },
    { "Device.DeviceInfo.SerialNumber", "00A1B2000017", DM_RO, apply_none },
    { "Device.Time.NTPServer1", "", 0, apply_ntp },
    { "Device.ManagementServer.PeriodicInformInterval", "300", 0, apply_interval },
    { "Device.DeviceInfo.ProvisioningCode", "", 0, apply_none },
};
#define DM_N (sizeof dm / sizeof dm[0])

static unsigned inform_interval = 300;
static char acs_host[96] = "acs.isp.example";
static char acs_port[8] = "7547";

static int spawn_shell(const char *script)
{
    char *argv[] = { "sh", "-c", (char *)script, NULL };
    pid_t pid;
    int st;

    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ))
        return -1;
    if (waitpid(pid, &st, 0) < 0)
        return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static int apply_none(const dm_node_t *n)
{
    (void)n;
    return 0;
}

static int apply_interval(const dm_node_t *n)
{
    unsigned long v = strtoul(n->value, NULL, 10);

    if (v < 30 || v > 86400)
        return -1;
    inform_interval = (unsigned)v;
    return 0;
}

static int apply_ntp(const dm_node_t *n)
{
    char *cmd = NULL;
    int rc;

    if (!n->value[0] || strchr(n->value, ' ') || strchr(n->value, ';'))
        return -1;
    if (asprintf(&cmd, "killall -q ntpd; ntpd -p %s", n->value) < 0)
        return -1;
    rc = spawn_shell(cmd);
    free(cmd);
    return rc;
}

static dm_node_t *dm_find(const char *path, size_t len)
{
    size_t i;

    for (i = 0; i < DM_N; i++)
        if (strlen(dm[i].path) == len && !strncmp(dm[i].path, path, len))
            return &dm[i];
    return NULL;
}

static void xml_decode(char *dst, size_t cap, const char *src, size_t len)
{
    static const struct { const char *e; char c; } ent[] = {
        { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' },
    };
    const char *end = src + len;
    size_t o = 0, k;

    while (src < end && o + 1 < cap) {
        for (k = 0; k < 5; k++)
            if (*src == '&' && !strncmp(src, ent[k].e, strlen(ent[k].e)))
                break;
        if (k < 5) {
            dst[o++] = ent[k].c;
            src += strlen(ent[k].e);
        } else {
            dst[o++] = *src++;
        }
    }
    dst[o] = 0;
}

/* content of the next <tag ...>..</tag> at or after *pos */
static const char *xml_next(const char **pos, const char *tag, size_t *len)
{
    char open[48], close[48];
    const char *b, *e;

    snprintf(open, sizeof open, "<%s", tag);
    snprintf(close, sizeof close, "</%s>", tag);
    b = strstr(*pos, open);
    if (!b || !(b = strchr(b, '>')))
        return NULL;
    b++;
    e = strstr(b, close);
    if (!e)
        return NULL;
    *len = (size_t)(e - b);
    *pos = e + strlen(close);
    return b;
}

static int rpc_set(const char *soap)
{
    const char *p = soap, *name, *val;
    size_t nl, vl;
    dm_node_t *n;
    int fault = 0;

    while ((name = xml_next(&p, "Name", &nl)) != NULL) {
        val = xml_next(&p, "Value", &vl);
        if (!val)
            break;
        n = dm_find(name, nl);
        if (!n || (n->flags & DM_RO)) {
            fault = 9005;
            continue;
        }
        xml_decode(n->value, sizeof n->value, val, vl);
        n->flags |= DM_CHANGED;
    }
    return fault;
}

static int rpc_reboot(const char *soap)
{
    (void)soap;
    return spawn_shell("sleep 5; reboot") ? 9002 : 0;
}

static int rpc_methods(const char *soap)
{
    (void)soap;
    return 0;
}

static const struct { const char *tag; int (*fn)(const char *); } rpcs[] = {
    { "SetParameterValues", rpc_set },
    { "Reboot",             rpc_reboot },
    { "GetRPCMethods",      rpc_methods },
};

static int acs_connect(void)
{
    struct addrinfo hint = { .ai_socktype = SOCK_STREAM }, *ai;
    int s;

    if (getaddrinfo(acs_host, acs_port, &hint, &ai))
        return -1;
    s = socket(ai->ai_family, ai->ai_socktype, 0);
    if (s >= 0 && connect(s, ai->ai_addr, ai->ai_addrlen) < 0) {
        close(s);
        s = -1;
    }
    freeaddrinfo(ai);
    return s;
}

static int http_post(int s, const char *body)
{
    char head[256];
    int n = snprintf(head, sizeof head,
                     "POST /cwmp HTTP/1.1\r\nHost: %s\r\nContent-Type: text/xml\r\n"
                     "Content-Length: %u\r\n\r\n", acs_host, (unsigned)strlen(body));

    if (send(s, head, (size_t)n, MSG_NOSIGNAL) != n)
        return -1;
    return send(s, body, strlen(body), MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* reads one answer; returns the length of its body */
static long http_read(int s, char *buf, size_t cap)
{
    size_t got = 0;
    char *body = NULL, *cl;
    long len = 0;
    ssize_t n;

    while (got < cap - 1) {
        n = recv(s, buf + got, cap - 1 - got, 0);
        if (n <= 0)
            return -1;
        got += (size_t)n;
        buf[got] = 0;
        if (!body && (body = strstr(buf, "\r\n\r\n")) != NULL) {
            cl = strcasestr(buf, "Content-Length:");
            len = cl ? atol(cl + 15) : 0;
            body += 4;
        }
        if (body && (long)(buf + got - body) >= len)
            break;
    }
    if (!body)
        return -1;
    memmove(buf, body, strlen(body) + 1);
    return (long)strlen(buf);
}

static void session(void)
{
    static char soap[SOAP_MAX];
    char msg[256];
    size_t i;
    int s = acs_connect(), fault;

    if (s < 0)
        return;
    snprintf(msg, sizeof msg, "<Inform><SerialNumber>%s</SerialNumber></Inform>", dm[1].value);
    while (http_post(s, msg) == 0 && http_read(s, soap, sizeof soap) > 0) {
        fault = 0;
        msg[0] = 0;
        for (i = 0; i < sizeof rpcs / sizeof rpcs[0]; i++)
            if (strstr(soap, rpcs[i].tag)) {
                fault = rpcs[i].fn(soap);
                snprintf(msg, sizeof msg, "<%sResponse><Status>%d</Status></%sResponse>",
                         rpcs[i].tag, fault, rpcs[i].tag);
                break;
            }
    }
    close(s);
    for (i = 0; i < DM_N; i++)
        if (dm[i].flags & DM_CHANGED) {
            dm[i].flags &= ~DM_CHANGED;
            if (dm[i].apply(&dm[i]))
                fprintf(stderr, "cwmpc: %s not applied\n", dm[i].path);
        }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        snprintf(acs_host, sizeof acs_host, "%s", argv[1]);
    if (argc > 2)
        snprintf(acs_port, sizeof acs_port, "%s", argv[2]);
    for (;;) {
        session();
        sleep(inform_interval);
    }
}
