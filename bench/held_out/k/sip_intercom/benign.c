/* door station: call signalling */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SIP_PORT   5060
#define SIP_MAX    3000
#define RING_SEC   30

typedef enum { CALL_IDLE, CALL_RINGING, CALL_TALK } CallState;

typedef struct {
    CallState state;
    time_t    since;
    char      callId[96];
    char      caller[80];
    struct sockaddr_in peer;
    int       rtpPort;
} Call;

typedef struct {
    char  *text;
    char  *body;
    char   via[256];
    char   from[256];
    char   to[256];
    char   cseq[64];
    char   callId[96];
} SipMsg;

typedef struct {
    char   buf[2048];
    size_t len;
} Out;

static Call    theCall;
static int     sipFd = -1;
static char    stationName[32] = "door1";
static FILE   *callLog;

static void outAdd(Out *o, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (o->len >= sizeof(o->buf) - 1)
        return;
    va_start(ap, fmt);
    n = vsnprintf(o->buf + o->len, sizeof(o->buf) - o->len, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    o->len += (size_t)n;
    if (o->len > sizeof(o->buf) - 1)
        o->len = sizeof(o->buf) - 1;
}

static char *findHeader(const SipMsg *m, const char *name, const char *brief)
{
    char *p = m->text;
    size_t nl = strlen(name), bl = brief ? strlen(brief) : 0;

    while ((p = strchr(p, '\n')) != NULL) {
        p++;
        if (m->body && p >= m->body)
            return NULL;
        if (!strncasecmp(p, name, nl) && p[nl] == ':')
            p += nl + 1;
        else if (bl && !strncasecmp(p, brief, bl) && p[bl] == ':')
            p += bl + 1;
        else
            continue;
        while (*p == ' ')
            p++;
        return p;
    }
    return NULL;
}

static int copyHeader(const SipMsg *m, const char *name, const char *brief, char *dst, size_t dstLen)
{
    const char *p = findHeader(m, name, brief);
    size_t n;

    if (!p) {
        dst[0] = '\0';
        return -1;
    }
    n = strcspn(p, "\r\n");
    if (n > dstLen - 1)
        n = dstLen - 1;
    memcpy(dst, p, n);
    dst[n] = '\0';
    return 0;
}

static void answer(const SipMsg *m, const struct sockaddr_in *to, int code, const char *reason, const char *sdp)
{
    Out o;

    o.len = 0;
    outAdd(&o, "SIP/2.0 %d %s\r\n", code, reason);
    outAdd(&o, "Via: %s\r\nFrom: %s\r\nTo: %s%s\r\n", m->via, m->from, m->to,
           strstr(m->to, "tag=") ? "" : ";tag=ds01");
    outAdd(&o, "Call-ID: %s\r\nCSeq: %s\r\nUser-Agent: DoorStation\r\n", m->callId, m->cseq);
    if (sdp)
        outAdd(&o, "Content-Type: application/sdp\r\nContent-Length: %u\r\n\r\n%s", (unsigned)strlen(sdp), sdp);
    else
        outAdd(&o, "Content-Length: 0\r\n\r\n");
    sendto(sipFd, o.buf, o.len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void setLed(int on)
{
    int fd = open("/sys/class/leds/call/brightness", O_WRONLY);

    if (fd >= 0) {
        if (write(fd, on ? "1\n" : "0\n", 2) != 2)
            perror("led");
        close(fd);
    }
}

static void callEnd(const char *why)
{
    if (theCall.state == CALL_IDLE)
        return;
    if (callLog) {
        fprintf(callLog, "%ld end %s (%s)\n", (long)time(NULL), theCall.caller, why);
        fflush(callLog);
    }
    setLed(0);
    memset(&theCall, 0, sizeof(theCall));
}

static int callerName(SipMsg *m, char *dst, size_t dstLen)
{
    char user[64], host[64];
    const char *p = strstr(m->text, "\nFrom:");

    if (!p)
        p = strstr(m->text, "\nf:");
    if (!p || !(p = strstr(p, "sip:")))
        return -1;
    if (sscanf(p, "sip:%63[^@\r\n]@%63[^;>\r\n]", user, host) != 2)
        return -1;
    if (!strncmp(host, "127.", 4))
        snprintf(dst, dstLen, "%.60s", user);
    else
        snprintf(dst, dstLen, "%.40s@%.36s", user, host);
    return 0;
}

static int sdpPort(const SipMsg *m)
{
    const char *p;
    int port;

    if (!m->body || !(p = strstr(m->body, "m=audio ")))
        return 0;
    port = atoi(p + 8);
    return port > 0 && port < 65536 ? port : 0;
}

static void onInvite(SipMsg *m, const struct sockaddr_in *from)
{
    char name[80];

    if (theCall.state != CALL_IDLE && strcmp(theCall.callId, m->callId)) {
        answer(m, from, 486, "Busy Here", NULL);
        return;
    }
    if (callerName(m, name, sizeof(name)) < 0) {
        answer(m, from, 400, "Bad From", NULL);
        return;
    }
    theCall.state = CALL_RINGING;
    theCall.since = time(NULL);
    theCall.peer = *from;
    theCall.rtpPort = sdpPort(m);
    memcpy(theCall.callId, m->callId, sizeof(theCall.callId));
    memcpy(theCall.caller, name, sizeof(theCall.caller));
    if (callLog) {
        fprintf(callLog, "%ld call %s\n", (long)theCall.since, name);
        fflush(callLog);
    }
    setLed(1);
    answer(m, from, 180, "Ringing", NULL);
    answer(m, from, 200, "OK", "v=0\r\ns=door\r\nm=audio 7078 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n");
}

static void onAck(SipMsg *m, const struct sockaddr_in *from)
{
    (void)from;
    if (theCall.state == CALL_RINGING && !strcmp(theCall.callId, m->callId)) {
        theCall.state = CALL_TALK;
        theCall.since = time(NULL);
    }
}

static void onBye(SipMsg *m, const struct sockaddr_in *from)
{
    if (strcmp(theCall.callId, m->callId)) {
        answer(m, from, 481, "Call Does Not Exist", NULL);
        return;
    }
    answer(m, from, 200, "OK", NULL);
    callEnd("bye");
}

static void onOptions(SipMsg *m, const struct sockaddr_in *from)
{
    answer(m, from, 200, stationName, NULL);
}

static const struct {
    const char *method;
    void (*fn)(SipMsg *, const struct sockaddr_in *);
} methods[] = {
    { "INVITE ", onInvite },
    { "ACK ", onAck },
    { "BYE ", onBye },
    { "CANCEL ", onBye },
    { "OPTIONS ", onOptions },
};

static void onPacket(char *pkt, const struct sockaddr_in *from)
{
    SipMsg m;
    unsigned i;

    memset(&m, 0, sizeof(m));
    m.text = pkt;
    m.body = strstr(pkt, "\r\n\r\n");
    if (m.body)
        m.body += 4;
    if (copyHeader(&m, "Via", "v", m.via, sizeof(m.via)) < 0)
        return;
    copyHeader(&m, "From", "f", m.from, sizeof(m.from));
    copyHeader(&m, "To", "t", m.to, sizeof(m.to));
    copyHeader(&m, "CSeq", NULL, m.cseq, sizeof(m.cseq));
    if (copyHeader(&m, "Call-ID", "i", m.callId, sizeof(m.callId)) < 0)
        return;
    for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (!strncmp(pkt, methods[i].method, strlen(methods[i].method))) {
            methods[i].fn(&m, from);
            return;
        }
    }
    answer(&m, from, 405, "Method Not Allowed", NULL);
}

int main(int argc, char **argv)
{
    static char pkt[SIP_MAX + 1];
    struct sockaddr_in me, from;

    if (argc > 1)
        snprintf(stationName, sizeof(stationName), "%s", argv[1]);
    callLog = fopen("/var/log/calls", "a");
    sipFd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof(me));
    me.sin_family = AF_INET;
    me.sin_port = htons(SIP_PORT);
    me.sin_addr.s_addr = INADDR_ANY;
    if (sipFd < 0 || bind(sipFd, (struct sockaddr *)&me, sizeof(me)) < 0) {
        perror("sip");
        return 1;
    }
    for (;;) {
        struct timeval tv = { 1, 0 };
        socklen_t fl = sizeof(from);
        fd_set r;
        ssize_t n;

        FD_ZERO(&r);
        FD_SET(sipFd, &r);
        if (select(sipFd + 1, &r, NULL, NULL, &tv) > 0) {
            n = recvfrom(sipFd, pkt, SIP_MAX, 0, (struct sockaddr *)&from, &fl);
            if (n > 12) {
                pkt[n] = '\0';
                onPacket(pkt, &from);
            }
        }
        if (theCall.state == CALL_RINGING && time(NULL) - theCall.since > RING_SEC)
            callEnd("timeout");
    }
}
