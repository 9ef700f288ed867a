#define _GNU_SOURCE
/*
 * onvifd - minimal ONVIF device service for the SD-4xx dome series.
 *
 * One process, one listening socket. SOAP requests are answered inline;
 * everything that touches other daemons is deferred to the housekeeping
 * tick so that the client gets its answer first.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define ONVIF_PORT      8000
#define REQ_MAX         16384
#define SCOPE_MAX       160
#define SCOPE_PREFIX    "onvif://www.onvif.org/"

struct dome {
    char ifname[16];
    char model[32];
    char scope[SCOPE_MAX];
    int  scope_dirty;
    int  pan, tilt, zoom;
    int  preset_home;
    int  ir_cut;
    time_t reboot_at;
    time_t wsdd_restart_at;
};

static struct dome g_dome = {
    .ifname = "eth0",
    .model = "SD-422",
    .scope = SCOPE_PREFIX "type/ptz",
};

struct soap_req {
    int fd;
    char *head;
    char *body;
    size_t body_len;
};

static void logmsg(int prio, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsyslog(prio, fmt, ap);
    va_end(ap);
}

static void load_config(const char *path)
{
    char line[128], val[64];
    FILE *fp = fopen(path, "r");

    if (!fp)
        return;
    while (fgets(line, sizeof(line), fp)) {
        if (sscanf(line, "interface=%15s", g_dome.ifname) == 1)
            continue;
        if (sscanf(line, "model=%31s", g_dome.model) == 1)
            continue;
        if (sscanf(line, "home_preset=%63s", val) == 1)
            g_dome.preset_home = atoi(val);
    }
    fclose(fp);
}

/* Text between <x:local> and the next '<'; the prefix may be any or none. */
static int xml_text(const char *doc, const char *local, char *out, size_t cap)
{
    size_t n = strlen(local);
    const char *p = doc;

    while ((p = strstr(p, local)) != NULL) {
        if (p > doc && (p[-1] == '<' || p[-1] == ':') && p[n] == '>') {
            const char *e;
            size_t len;

            p += n + 1;
            e = strchr(p, '<');
            if (!e)
                return -1;
            len = (size_t)(e - p);
            if (len >= cap)
                return -1;
            memcpy(out, p, len);
            out[len] = '\0';
            return (int)len;
        }
        p += n;
    }
    return -1;
}

static void soap_reply(struct soap_req *rq, int code, const char *inner)
{
    char body[1024], head[256];
    int bl, hl;

    bl = snprintf(body, sizeof(body),
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s="
        "\"http://www.w3.org/2003/05/soap-envelope\"><s:Body>%s</s:Body>"
        "</s:Envelope>", inner);
    if (bl >= (int)sizeof(body))
        bl = sizeof(body) - 1;
    hl = snprintf(head, sizeof(head),
        "HTTP/1.1 %d %s\r\nContent-Type: application/soap+xml\r\n"
        "Content-Length: %d\r\nConnection: close\r\n\r\n",
        code, code == 200 ? "OK" : "Bad Request", bl);
    send(rq->fd, head, hl, MSG_NOSIGNAL);
    send(rq->fd, body, bl, MSG_NOSIGNAL);
}

static void soap_fault(struct soap_req *rq, const char *why)
{
    char b[256];

    snprintf(b, sizeof(b), "<s:Fault><s:Reason>%s</s:Reason></s:Fault>", why);
    soap_reply(rq, 400, b);
}

static int scope_item_ok(const char *s)
{
    if (strncmp(s, SCOPE_PREFIX, strlen(SCOPE_PREFIX)) != 0)
        return 0;
    /* the item is handed on in double quotes, keep it from leaving them */
    for (; *s; s++)
        if (*s == '"' || *s == '\\' || *s == ';' || *s == '|')
            return 0;
    return 1;
}

static void op_get_info(struct soap_req *rq)
{
    char b[256];

    snprintf(b, sizeof(b), "<tds:GetDeviceInformationResponse><tds:Model>%s"
        "</tds:Model></tds:GetDeviceInformationResponse>", g_dome.model);
    soap_reply(rq, 200, b);
}

static void op_get_scopes(struct soap_req *rq)
{
    char b[512];

    snprintf(b, sizeof(b), "<tds:GetScopesResponse><tt:ScopeItem>%s"
        "</tt:ScopeItem></tds:GetScopesResponse>", g_dome.scope);
    soap_reply(rq, 200, b);
}

static void op_set_scopes(struct soap_req *rq)
{
    char item[SCOPE_MAX];

    if (xml_text(rq->body, "Scopes", item, sizeof(item)) <= 0) {
        soap_fault(rq, "ter:EmptyScope");
        return;
    }
    if (!scope_item_ok(item)) {
        soap_fault(rq, "ter:InvalidScope");
        return;
    }
    strcpy(g_dome.scope, item);
    g_dome.scope_dirty = 1;
    g_dome.wsdd_restart_at = time(NULL) + 3;
    soap_reply(rq, 200, "<tds:SetScopesResponse/>");
}

static void op_reboot(struct soap_req *rq)
{
    g_dome.reboot_at = time(NULL) + 5;
    soap_reply(rq, 200, "<tds:SystemRebootResponse><tds:Message>5 s"
        "</tds:Message></tds:SystemRebootResponse>");
}

static void op_goto_home(struct soap_req *rq)
{
    g_dome.pan = g_dome.tilt = 0;
    g_dome.zoom = 1;
    soap_reply(rq, 200, "<tptz:GotoHomePositionResponse/>");
}

static void op_abs_move(struct soap_req *rq)
{
    char v[16];

    if (xml_text(rq->body, "Pan", v, sizeof(v)) > 0)
        g_dome.pan = atoi(v) % 360;
    if (xml_text(rq->body, "Tilt", v, sizeof(v)) > 0)
        g_dome.tilt = atoi(v) % 90;
    soap_reply(rq, 200, "<tptz:AbsoluteMoveResponse/>");
}

static const struct {
    const char *action;
    void (*fn)(struct soap_req *);
} ops[] = {
    { "GetDeviceInformation", op_get_info },
    { "GetScopes", op_get_scopes },
    { "SetScopes", op_set_scopes },
    { "SystemReboot", op_reboot },
    { "GotoHomePosition", op_goto_home },
    { "AbsoluteMove", op_abs_move },
};

static int read_request(int fd, char *buf, struct soap_req *rq)
{
    size_t got = 0, want = 0;
    char *p;

    rq->fd = fd;
    rq->body = NULL;
    while (got < REQ_MAX - 1) {
        ssize_t n = recv(fd, buf + got, REQ_MAX - 1 - got, 0);

        if (n <= 0)
            return -1;
        got += n;
        buf[got] = '\0';
        p = strstr(buf, "\r\n\r\n");
        if (!p)
            continue;
        if (!rq->body) {
            char *cl = strcasestr(buf, "Content-Length:");

            rq->head = buf;
            rq->body = p + 4;
            want = cl ? strtoul(cl + 15, NULL, 10) : 0;
            if (want > REQ_MAX)
                return -1;
        }
        rq->body_len = got - (rq->body - buf);
        if (rq->body_len >= want)
            return 0;
    }
    return -1;
}

static void serve(int fd)
{
    static char buf[REQ_MAX];
    struct soap_req rq;
    size_t i;

    if (read_request(fd, buf, &rq) < 0)
        return;
    if (strncmp(buf, "POST /onvif/", 12) != 0) {
        soap_fault(&rq, "ter:NotFound");
        return;
    }
    for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        char tag[64];

        snprintf(tag, sizeof(tag), "%s", ops[i].action);
        if (strstr(rq.body, tag)) {
            logmsg(LOG_INFO, "onvif %s", tag);
            ops[i].fn(&rq);
            return;
        }
    }
    soap_fault(&rq, "ter:ActionNotSupported");
}

static void restart_discovery(void)
{
    char cmd[320];

    snprintf(cmd, sizeof(cmd),
        "/usr/bin/killall -q wsdd; /usr/sbin/wsdd -i %s -s \"%s\" &",
        g_dome.ifname, g_dome.scope);
    if (system(cmd) != 0)
        logmsg(LOG_WARNING, "wsdd restart failed");
}

static void housekeeping(void)
{
    time_t now = time(NULL);

    if (g_dome.scope_dirty && now >= g_dome.wsdd_restart_at) {
        g_dome.scope_dirty = 0;
        restart_discovery();
    }
    if (g_dome.reboot_at && now >= g_dome.reboot_at) {
        g_dome.reboot_at = 0;
        system("/sbin/reboot");
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    struct pollfd pfd;
    int one = 1;

    openlog("onvifd", LOG_PID, LOG_DAEMON);
    signal(SIGPIPE, SIG_IGN);
    load_config(argc > 1 ? argv[1] : "/etc/dome.conf");
    pfd.fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(pfd.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(ONVIF_PORT);
    if (bind(pfd.fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        listen(pfd.fd, 4) < 0) {
        logmsg(LOG_ERR, "bind: %s", strerror(errno));
        return 1;
    }
    pfd.events = POLLIN;
    for (;;) {
        int r = poll(&pfd, 1, 1000);

        if (r > 0) {
            int c = accept(pfd.fd, NULL, NULL);

            if (c >= 0) {
                struct timeval tv = { 5, 0 };

                setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
                serve(c);
                close(c);
            }
        }
        housekeeping();
    }
}
