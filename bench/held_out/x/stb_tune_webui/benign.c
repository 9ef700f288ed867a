/* Satellite receiver: small web interface of the front end service. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define HTTP_PORT   8001
#define REQ_MAX     2048
#define VAL_MAX     96
#define LOG_LINES   16

typedef struct {
    int    fd;
    char   path[128];
    char   query[1024];
} WebReq;

typedef void (*WebFunc)(WebReq *r);

static char gLog[LOG_LINES][128];
static int  gLogPos;
static int  gVolume = 40;
static int  gMuted;
static char gLastTune[160] = "none";

static void addLog(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(gLog[gLogPos], sizeof gLog[0], fmt, ap);
    va_end(ap);
    gLogPos = (gLogPos + 1) % LOG_LINES;
}

/* run a helper of the front end */
static int feRun(const char *fmt, ...)
{
    char cmd[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof cmd)
        return -1;
    addLog("run: %s", cmd);
    return system(cmd);
}

static int hexDigit(int c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* value of a query parameter, decoded; 1 when it is there */
static int webParam(const WebReq *r, const char *name, char *out, int size)
{
    const char *p = r->query;
    size_t nl = strlen(name);
    int o = 0;

    while (*p) {
        if (!strncmp(p, name, nl) && p[nl] == '=') {
            p += nl + 1;
            while (*p && *p != '&' && o < size - 1) {
                if (*p == '+') {
                    out[o++] = ' ';
                    p++;
                } else if (*p == '%' && hexDigit(p[1]) >= 0 && hexDigit(p[2]) >= 0) {
                    out[o++] = hexDigit(p[1]) * 16 + hexDigit(p[2]);
                    p += 3;
                } else {
                    out[o++] = *p++;
                }
            }
            out[o] = 0;
            return 1;
        }
        p = strchr(p, '&');
        if (!p)
            break;
        p++;
    }
    return 0;
}

static void reply(WebReq *r, int code, const char *fmt, ...)
{
    char body[1024], head[160];
    va_list ap;
    int n;

    va_start(ap, fmt);
    vsnprintf(body, sizeof body, fmt, ap);
    va_end(ap);
    n = snprintf(head, sizeof head,
                 "HTTP/1.0 %d X\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
                 code, (int)strlen(body));
    send(r->fd, head, n, MSG_NOSIGNAL);
    send(r->fd, body, strlen(body), MSG_NOSIGNAL);
}

static void pageHome(WebReq *r)
{
    reply(r, 200, "tuned: %s\nvolume: %d%s\n", gLastTune, gVolume, gMuted ? " (mute)" : "");
}

static void pageVolume(WebReq *r)
{
    char v[VAL_MAX];
    int n;

    if (!webParam(r, "v", v, sizeof v)) {
        reply(r, 400, "v missing\n");
        return;
    }
    n = atoi(v);
    if (n < 0) n = 0;
    if (n > 100) n = 100;
    gVolume = n;
    feRun("amixer -q set Master %d%%", n);
    reply(r, 200, "volume %d\n", n);
}

static void pageMute(WebReq *r)
{
    gMuted = !gMuted;
    feRun("amixer -q set Master %s", gMuted ? "mute" : "unmute");
    reply(r, 200, "mute %d\n", gMuted);
}

static void pageTune(WebReq *r)
{
    char freq[VAL_MAX], sr[VAL_MAX], pol[VAL_MAX];
    int vertical = 0;
    long lf, ls;
    char *e1, *e2;

    if (!webParam(r, "freq", freq, sizeof freq) || !webParam(r, "sr", sr, sizeof sr)) {
        reply(r, 400, "freq and sr are needed\n");
        return;
    }
    if (webParam(r, "pol", pol, sizeof pol))
        vertical = (pol[0] == 'v' || pol[0] == 'V');
    lf = strtol(freq, &e1, 10);
    ls = strtol(sr, &e2, 10);
    if (*e1 || *e2 || lf < 950 || lf > 12750 || ls < 1000 || ls > 45000) {
        reply(r, 400, "out of range\n");
        return;
    }
    feRun("/usr/bin/dvbtune -f %ld -s %ld -p %c", lf, ls, vertical ? 'V' : 'H');
    snprintf(gLastTune, sizeof gLastTune, "%ld/%ld", lf, ls);
    reply(r, 200, "tuned to %s\n", gLastTune);
}

static void pageLog(WebReq *r)
{
    char all[900];
    int i, o = 0;

    all[0] = 0;
    for (i = 0; i < LOG_LINES && o < (int)sizeof all - 140; i++)
        if (gLog[i][0])
            o += snprintf(all + o, sizeof all - o, "%s\n", gLog[i]);
    reply(r, 200, "%s", all);
}

static const struct { const char *path; WebFunc fn; } gPages[] = {
    { "/",           pageHome   },
    { "/web/volume", pageVolume },
    { "/web/mute",   pageMute   },
    { "/web/tune",   pageTune   },
    { "/web/log",    pageLog    },
    { NULL, NULL }
};

static void serve(int fd)
{
    char buf[REQ_MAX];
    WebReq rq;
    char *sp, *end, *qm;
    int n, i;

    n = recv(fd, buf, sizeof buf - 1, 0);
    if (n <= 0)
        return;
    buf[n] = 0;
    rq.fd = fd;
    rq.query[0] = 0;
    if (strncmp(buf, "GET ", 4)) {
        reply(&rq, 501, "only GET\n");
        return;
    }
    sp = buf + 4;
    end = strpbrk(sp, " \r\n");
    if (end)
        *end = 0;
    qm = strchr(sp, '?');
    if (qm) {
        *qm++ = 0;
        snprintf(rq.query, sizeof rq.query, "%s", qm);
    }
    snprintf(rq.path, sizeof rq.path, "%s", sp);
    for (i = 0; gPages[i].path; i++) {
        if (!strcmp(gPages[i].path, rq.path)) {
            gPages[i].fn(&rq);
            return;
        }
    }
    reply(&rq, 404, "no such page\n");
}

int main(void)
{
    struct sockaddr_in a;
    struct timeval tv = { 5, 0 };
    int ls, c, one = 1;

    signal(SIGPIPE, SIG_IGN);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(HTTP_PORT);
    a.sin_addr.s_addr = INADDR_ANY;
    if (bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 8)) {
        perror("webui");
        return 1;
    }
    addLog("web interface started at %ld", (long)time(NULL));
    for (;;) {
        c = accept(ls, NULL, NULL);
        if (c < 0)
            continue;
        setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        serve(c);
        close(c);
    }
}
