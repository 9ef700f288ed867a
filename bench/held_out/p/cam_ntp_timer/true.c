#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <errno.h>
#include <sys/types.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define HTTP_PORT 8088

typedef struct {
    char   ntpServer[64];
    int    ntpInterval;
    int    ntpEnable;
    time_t ntpNext;
} TimeCfg;

typedef struct {
    int brightness, contrast, flip;
    char osdText[32];
} ImageCfg;

typedef struct {
    TimeCfg  *time;
    ImageCfg *image;
    int       logLevel;
} CamCtx;

typedef int (*CgiFn)(CamCtx *ctx, char *query, int fd);

static void camLog(CamCtx *ctx, int lvl, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    if (lvl > ctx->logLevel)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    fprintf(stderr, "[camd] %s\n", line);
}

static int runCmd(const char *fmt, ...)
{
    char cmd[512];
    va_list ap;
    int n;
    va_start(ap, fmt);
    n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(cmd))
        return -1;
    return system(cmd);
}

static int hexVal(int c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = tolower(c);
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

static void urlDecode(char *s)
{
    char *d = s;
    while (*s) {
        if (*s == '%' && hexVal((unsigned char)s[1]) >= 0 && hexVal((unsigned char)s[2]) >= 0) {
            *d++ = (char)(hexVal((unsigned char)s[1]) * 16 + hexVal((unsigned char)s[2]));
            s += 3;
        } else if (*s == '+') {
            *d++ = ' ';
            s++;
        } else {
            *d++ = *s++;
        }
    }
    *d = 0;
}

/* copies the decoded value of key into out, 0 when found */
static int queryGet(const char *query, const char *key, char *out, size_t outLen)
{
    size_t klen = strlen(key);
    const char *p = query;
    while (p && *p) {
        const char *e = strchr(p, '&');
        size_t len = e ? (size_t)(e - p) : strlen(p);
        if (len > klen && p[klen] == '=' && strncmp(p, key, klen) == 0) {
            size_t vlen = len - klen - 1;
            if (vlen >= outLen)
                vlen = outLen - 1;
            memcpy(out, p + klen + 1, vlen);
            out[vlen] = 0;
            urlDecode(out);
            return 0;
        }
        p = e ? e + 1 : NULL;
    }
    return -1;
}

static int validHost(const char *h)
{
    size_t i;
    if (h[0] == '-' || h[0] == 0)
        return 0;
    for (i = 0; h[i]; i++)
        if (isspace((unsigned char)h[i]) && h[i] != ' ')
            return 0;
    return i < 64;
}

static void reply(int fd, int code, const char *text)
{
    char out[256];
    int n = snprintf(out, sizeof(out),
        "HTTP/1.0 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
        code, code == 200 ? "OK" : "Error", strlen(text), text);
    if (n > 0 && n < (int)sizeof(out))
        send(fd, out, n, MSG_NOSIGNAL);
}

static int cgiNtp(CamCtx *ctx, char *query, int fd)
{
    char val[64];
    if (queryGet(query, "server", val, sizeof(val)) == 0) {
        if (!validHost(val)) {
            reply(fd, 400, "bad server\n");
            return -1;
        }
        snprintf(ctx->time->ntpServer, sizeof(ctx->time->ntpServer), "%s", val);
    }
    if (queryGet(query, "interval", val, sizeof(val)) == 0) {
        int v = atoi(val);
        ctx->time->ntpInterval = v < 60 ? 60 : v > 86400 ? 86400 : v;
    }
    if (queryGet(query, "enable", val, sizeof(val)) == 0)
        ctx->time->ntpEnable = val[0] == '1';
    ctx->time->ntpNext = time(NULL) + 5;
    camLog(ctx, 2, "ntp set, interval %d", ctx->time->ntpInterval);
    reply(fd, 200, "ok\n");
    return 0;
}

static int cgiImage(CamCtx *ctx, char *query, int fd)
{
    char val[32];
    if (queryGet(query, "brightness", val, sizeof(val)) == 0)
        ctx->image->brightness = atoi(val) & 0xff;
    if (queryGet(query, "contrast", val, sizeof(val)) == 0)
        ctx->image->contrast = atoi(val) & 0xff;
    if (queryGet(query, "flip", val, sizeof(val)) == 0)
        ctx->image->flip = atoi(val) != 0;
    if (queryGet(query, "osd", val, sizeof(val)) == 0)
        strcpy(ctx->image->osdText, val);
    runCmd("ispctl -b %d -c %d -f %d", ctx->image->brightness, ctx->image->contrast, ctx->image->flip);
    reply(fd, 200, "ok\n");
    return 0;
}

static int cgiStatus(CamCtx *ctx, char *query, int fd)
{
    char t[128];
    snprintf(t, sizeof(t), "osd=%s\nntp=%d\nnow=%ld\n", ctx->image->osdText,
             ctx->time->ntpEnable, (long)time(NULL));
    reply(fd, 200, t);
    return 0;
}

static const struct { const char *path; CgiFn fn; } cgiTable[] = {
    { "/cgi-bin/ntp.cgi",    cgiNtp },
    { "/cgi-bin/image.cgi",  cgiImage },
    { "/cgi-bin/status.cgi", cgiStatus },
};

static void serve(CamCtx *ctx, int fd)
{
    char req[2048], *p, *q, *e;
    size_t i;
    int n = recv(fd, req, sizeof(req) - 1, 0);
    if (n <= 0)
        return;
    req[n] = 0;
    if (strncmp(req, "GET ", 4) != 0) {
        reply(fd, 405, "method\n");
        return;
    }
    p = req + 4;
    e = strpbrk(p, " \r\n");
    if (e)
        *e = 0;
    q = strchr(p, '?');
    if (q)
        *q++ = 0;
    for (i = 0; i < sizeof(cgiTable) / sizeof(cgiTable[0]); i++)
        if (strcmp(p, cgiTable[i].path) == 0) {
            cgiTable[i].fn(ctx, q ? q : "", fd);
            return;
        }
    reply(fd, 404, "no such page\n");
}

static void onTick(CamCtx *ctx)
{
    TimeCfg *t = ctx->time;
    time_t now = time(NULL);
    if (!t->ntpEnable || !t->ntpServer[0] || now < t->ntpNext)
        return;
    t->ntpNext = now + t->ntpInterval;
    camLog(ctx, 1, "ntp sync with %s", t->ntpServer);
    if (runCmd("/usr/bin/ntpclient -s -c 1 -h %s >/dev/null 2>&1", t->ntpServer) != 0)
        camLog(ctx, 0, "ntp sync failed");
}

int main(void)
{
    CamCtx *ctx = calloc(1, sizeof(*ctx));
    struct sockaddr_in sa;
    int ls, on = 1;

    if (!ctx)
        return 1;
    ctx->time = calloc(1, sizeof(TimeCfg));
    ctx->image = calloc(1, sizeof(ImageCfg));
    if (!ctx->time || !ctx->image)
        return 1;
    strcpy(ctx->time->ntpServer, "pool.ntp.org");
    ctx->time->ntpInterval = 3600;
    ctx->time->ntpEnable = 1;
    ctx->logLevel = 1;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(HTTP_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 4) < 0) {
        perror("bind");
        return 1;
    }
    for (;;) {
        fd_set rd;
        struct timeval tv = { 1, 0 };
        FD_ZERO(&rd);
        FD_SET(ls, &rd);
        if (select(ls + 1, &rd, NULL, NULL, &tv) > 0) {
            int c = accept(ls, NULL, NULL);
            if (c >= 0) {
                serve(ctx, c);
                close(c);
            }
        }
        onTick(ctx);
    }
}
