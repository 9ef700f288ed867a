/* doorsip.c -- call control of the door station DS-4 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SIP_PORT     5062
#define RELAY_GPIO   "/sys/class/gpio/gpio17/value"
#define CFG_FILE     "/etc/doorsip.conf"

typedef struct SipMsg {
    char method[16];
    char uri[128];
    char callId[80];
    char from[96];
    char cseq[32];
    char contentType[32];
    int  contentLength;
    const char *body;
} SipMsg;

typedef struct Station {
    int    sock;
    int    inCall;
    int    relayOn;
    time_t relayOffAt;
    time_t callStarted;
    int    openSeconds;
    int    maxCallSeconds;
    char   pin[12];
    struct sockaddr_in peer;
} Station;

static Station st = { -1, 0, 0, 0, 0, 3, 120, "4711" };

static void LoadConfig(void)
{
    char line[128];
    FILE *f = fopen(CFG_FILE, "r");

    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        int v;
        if (sscanf(line, "open_seconds=%d", &v) == 1 && v > 0 && v < 60)
            st.openSeconds = v;
        else if (sscanf(line, "max_call=%d", &v) == 1 && v > 0)
            st.maxCallSeconds = v;
        else if (strncmp(line, "pin=", 4) == 0) {
            line[strcspn(line, "\r\n")] = 0;
            snprintf(st.pin, sizeof st.pin, "%s", line + 4);
        }
    }
    fclose(f);
}

static void SetRelay(int on)
{
    FILE *f = fopen(RELAY_GPIO, "w");

    if (f) {
        fputs(on ? "1" : "0", f);
        fclose(f);
    }
    st.relayOn = on;
    syslog(LOG_INFO, "door relay %s", on ? "on" : "off");
}

/* ---- header handlers ------------------------------------------------ */

static void HdrCallId(SipMsg *m, const char *v)
{
    snprintf(m->callId, sizeof m->callId, "%s", v);
}

static void HdrFrom(SipMsg *m, const char *v)
{
    snprintf(m->from, sizeof m->from, "%s", v);
}

static void HdrCSeq(SipMsg *m, const char *v)
{
    snprintf(m->cseq, sizeof m->cseq, "%s", v);
}

static void HdrType(SipMsg *m, const char *v)
{
    snprintf(m->contentType, sizeof m->contentType, "%s", v);
}

static void HdrLength(SipMsg *m, const char *v)
{
    m->contentLength = atoi(v);
}

static const struct HdrEntry {
    const char *name;
    const char *compact;
    void (*set)(SipMsg *, const char *);
} hdrTable[] = {
    { "Call-ID",        "i", HdrCallId },
    { "From",           "f", HdrFrom   },
    { "CSeq",           "",  HdrCSeq   },
    { "Content-Type",   "c", HdrType   },
    { "Content-Length", "l", HdrLength },
};

static int ParseMessage(char *data, SipMsg *m)
{
    char *line, *next;
    size_t i;

    memset(m, 0, sizeof *m);
    next = strstr(data, "\r\n");
    if (!next)
        return -1;
    *next = 0;
    if (sscanf(data, "%s %s", m->method, m->uri) != 2)
        return -1;
    for (line = next + 2; *line; line = next + 2) {
        char *colon;

        next = strstr(line, "\r\n");
        if (!next)
            return -1;
        if (next == line) {
            m->body = line + 2;
            break;
        }
        *next = 0;
        colon = strchr(line, ':');
        if (!colon)
            continue;
        *colon++ = 0;
        while (*colon == ' ' || *colon == '\t')
            colon++;
        for (i = 0; i < sizeof hdrTable / sizeof hdrTable[0]; i++) {
            if (!strcasecmp(line, hdrTable[i].name) ||
                !strcasecmp(line, hdrTable[i].compact)) {
                hdrTable[i].set(m, colon);
                break;
            }
        }
    }
    return 0;
}

static void Answer(const SipMsg *m, int code, const char *reason)
{
    char out[512];
    int n = snprintf(out, sizeof out,
                     "SIP/2.0 %d %s\r\nCall-ID: %s\r\nFrom: %s\r\nCSeq: %s\r\n"
                     "Content-Length: 0\r\n\r\n",
                     code, reason, m->callId, m->from, m->cseq);

    if (n >= (int)sizeof out)
        n = sizeof out - 1;
    sendto(st.sock, out, n, 0, (struct sockaddr *)&st.peer, sizeof st.peer);
}

/* ---- methods -------------------------------------------------------- */

static void OnInvite(SipMsg *m)
{
    if (st.inCall) {
        Answer(m, 486, "Busy Here");
        return;
    }
    st.inCall = 1;
    st.callStarted = time(NULL);
    syslog(LOG_INFO, "call from %s to %s", m->from, m->uri);
    Answer(m, 200, "OK");
}

static void OnBye(SipMsg *m)
{
    st.inCall = 0;
    Answer(m, 200, "OK");
}

static void OnInfo(SipMsg *m)
{
    const char *sig;

    if (!st.inCall || strcasecmp(m->contentType, "application/dtmf-relay") || !m->body) {
        Answer(m, 415, "Unsupported Media Type");
        return;
    }
    sig = strstr(m->body, "Signal=");
    if (sig && !strncmp(sig + 7, st.pin, strlen(st.pin))) {
        SetRelay(1);
        st.relayOffAt = time(NULL) + st.openSeconds;
    }
    Answer(m, 200, "OK");
}

static void OnOptions(SipMsg *m)
{
    Answer(m, 200, "OK");
}

static const struct {
    const char *method;
    void (*fn)(SipMsg *);
} methods[] = {
    { "INVITE", OnInvite }, { "BYE", OnBye },
    { "INFO", OnInfo }, { "OPTIONS", OnOptions },
};

static void OnDatagram(void)
{
    char pkt[2048];
    SipMsg msg;
    socklen_t sl = sizeof st.peer;
    ssize_t n;
    size_t i;

    n = recvfrom(st.sock, pkt, sizeof pkt - 1, 0, (struct sockaddr *)&st.peer, &sl);
    if (n <= 0)
        return;
    pkt[n] = 0;
    if (ParseMessage(pkt, &msg) < 0) {
        syslog(LOG_WARNING, "malformed packet of %d bytes", (int)n);
        return;
    }
    for (i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (!strcmp(msg.method, methods[i].method)) {
            methods[i].fn(&msg);
            return;
        }
    Answer(&msg, 501, "Not Implemented");
}

static void Timers(void)
{
    time_t now = time(NULL);

    if (st.relayOn && now >= st.relayOffAt)
        SetRelay(0);
    if (st.inCall && now - st.callStarted > st.maxCallSeconds) {
        syslog(LOG_INFO, "call timed out");
        st.inCall = 0;
    }
}

int main(void)
{
    struct sockaddr_in a = { 0 };
    struct pollfd pf;

    openlog("doorsip", LOG_PID, LOG_DAEMON);
    LoadConfig();
    st.sock = socket(AF_INET, SOCK_DGRAM, 0);
    a.sin_family = AF_INET;
    a.sin_port = htons(SIP_PORT);
    a.sin_addr.s_addr = INADDR_ANY;
    if (bind(st.sock, (struct sockaddr *)&a, sizeof a) < 0) {
        syslog(LOG_ERR, "bind: %m");
        return 1;
    }
    pf.fd = st.sock;
    pf.events = POLLIN;
    for (;;) {
        if (poll(&pf, 1, 500) > 0 && (pf.revents & POLLIN))
            OnDatagram();
        Timers();
    }
}
