/*****************************************************************************
 * sipnotify.c : handles unsolicited NOTIFY / MESSAGE for the SP-30x IP phone
 *****************************************************************************/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SIP_PORT      5060
#define SIP_MAX_MSG   2048
#define SIP_MAX_HDR   24

typedef struct {
    const char *name;
    const char *value;
} SIP_HDR;

typedef struct {
    char    method[16];
    SIP_HDR hdr[SIP_MAX_HDR];
    int     nHdr;
    char   *body;
} SIP_MSG;

static struct {
    int     sock;
    int     mwiCount;
    char    cfgUrl[256];
    int     cfgPending;
    time_t  cfgDue;
} gPhone;

static void Log(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "SIPN: ");
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

static int RunCmd(const char *fmt, ...)
{
    char    buf[1400];
    va_list ap;
    int     n;

    va_start(ap, fmt);
    n = vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(buf))
        return -1;
    return system(buf);
}

/* put a string between single quotes for the shell */
static int QuoteArg(char *dst, size_t size, const char *src)
{
    size_t o = 0;

    if (size < 8)
        return -1;
    dst[o++] = '\'';
    while (*src) {
        if (o + 6 > size)
            return -1;
        if (*src == '\'') {
            dst[o++] = '\'';
            dst[o++] = '\\';
            dst[o++] = '\'';
            dst[o++] = '\'';
            src++;
            continue;
        }
        dst[o++] = *src++;
    }
    dst[o++] = '\'';
    dst[o] = '\0';
    return 0;
}

static const char *GetHdr(const SIP_MSG *m, const char *name)
{
    int i;

    for (i = 0; i < m->nHdr; i++)
        if (strcasecmp(m->hdr[i].name, name) == 0)
            return m->hdr[i].value;
    return NULL;
}

static int ParseMsg(char *raw, SIP_MSG *m)
{
    char *p = raw, *eol, *colon;

    memset(m, 0, sizeof(*m));
    eol = strstr(p, "\r\n");
    if (!eol)
        return -1;
    *eol = '\0';
    if (sscanf(p, "%15s", m->method) != 1)
        return -1;
    p = eol + 2;
    while (m->nHdr < SIP_MAX_HDR) {
        eol = strstr(p, "\r\n");
        if (!eol)
            return -1;
        *eol = '\0';
        if (eol == p) {
            m->body = eol + 2;
            return 0;
        }
        colon = strchr(p, ':');
        if (colon) {
            *colon++ = '\0';
            while (*colon == ' ')
                colon++;
            m->hdr[m->nHdr].name = p;
            m->hdr[m->nHdr].value = colon;
            m->nHdr++;
        }
        p = eol + 2;
    }
    return -1;
}

static void Respond(const SIP_MSG *m, int code, const char *reason,
                    const struct sockaddr_in *to)
{
    char out[1024];
    const char *via = GetHdr(m, "Via"), *cid = GetHdr(m, "Call-ID"), *cseq = GetHdr(m, "CSeq");
    int n;

    n = snprintf(out, sizeof(out),
                 "SIP/2.0 %d %s\r\nVia: %.300s\r\nCall-ID: %.200s\r\nCSeq: %.60s\r\n"
                 "Content-Length: 0\r\n\r\n", code, reason,
                 via ? via : "", cid ? cid : "", cseq ? cseq : "");
    if (n > 0 && n < (int)sizeof(out))
        sendto(gPhone.sock, out, n, 0, (const struct sockaddr *)to, sizeof(*to));
}

static int EvtMessageSummary(SIP_MSG *m)
{
    const char *p = strstr(m->body, "Voice-Message:");

    gPhone.mwiCount = p ? atoi(p + 14) : 0;
    Log("mwi %d", gPhone.mwiCount);
    return 200;
}

static int EvtUaProfile(SIP_MSG *m)
{
    const char *url = GetHdr(m, "X-Profile-URL");

    if (!url || strlen(url) >= sizeof(gPhone.cfgUrl))
        return 400;
    if (strncmp(url, "http://", 7) && strncmp(url, "https://", 8))
        return 400;
    strcpy(gPhone.cfgUrl, url);
    gPhone.cfgPending = 1;
    gPhone.cfgDue = time(NULL) + 3;
    return 200;
}

static int EvtCheckSync(SIP_MSG *m)
{
    gPhone.cfgPending = gPhone.cfgUrl[0] != 0;
    gPhone.cfgDue = time(NULL);
    return 200;
}

static const struct { const char *evt; int (*fn)(SIP_MSG *); } kEvents[] = {
    { "message-summary", EvtMessageSummary },
    { "ua-profile",      EvtUaProfile },
    { "check-sync",      EvtCheckSync },
    { NULL, NULL }
};

static void Poll(void)
{
    char arg[1100];

    if (!gPhone.cfgPending || time(NULL) < gPhone.cfgDue)
        return;
    gPhone.cfgPending = 0;
    if (QuoteArg(arg, sizeof(arg), gPhone.cfgUrl) < 0)
        return;
    if (RunCmd("wget -q -T 20 -O /tmp/profile.xml %s && /usr/bin/cfgload /tmp/profile.xml", arg))
        Log("profile load failed");
}

int main(void)
{
    struct sockaddr_in me, from;
    struct timeval tv = { 1, 0 };
    static char raw[SIP_MAX_MSG + 1];
    SIP_MSG msg;
    socklen_t fl;
    ssize_t n;
    int i, code;

    gPhone.sock = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof(me));
    me.sin_family = AF_INET;
    me.sin_port = htons(SIP_PORT);
    if (bind(gPhone.sock, (struct sockaddr *)&me, sizeof(me)) != 0)
        return 1;
    setsockopt(gPhone.sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    for (;;) {
        Poll();
        fl = sizeof(from);
        n = recvfrom(gPhone.sock, raw, SIP_MAX_MSG, 0, (struct sockaddr *)&from, &fl);
        if (n <= 0)
            continue;
        raw[n] = '\0';
        if (ParseMsg(raw, &msg) < 0)
            continue;
        code = 405;
        if (!strcmp(msg.method, "NOTIFY")) {
            const char *ev = GetHdr(&msg, "Event");
            code = 489;
            for (i = 0; ev && kEvents[i].evt; i++)
                if (!strcasecmp(ev, kEvents[i].evt))
                    code = kEvents[i].fn(&msg);
        } else if (!strcmp(msg.method, "OPTIONS")) {
            code = 200;
        }
        Respond(&msg, code, code == 200 ? "OK" : "Rejected", &from);
    }
}
