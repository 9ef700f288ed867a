/*
 * sipua.c - user agent core of the desk phone (signalling only).
 *
 * Answers OPTIONS, takes INVITE far enough to ring, understands the
 * "check-sync" and "message-summary" notifications of the usual exchanges.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SIP_PORT        5060
#define SIP_MAXMSG      4096
#define SIP_MAXHDR      40

typedef struct {
    const char *name;       /* points into the message */
    char       *value;
} SipHeader;

typedef struct {
    char     *method;
    char     *uri;
    char     *body;
    int       headerCount;
    SipHeader header[SIP_MAXHDR];
} SipMessage;

typedef struct {
    char   registrar[64];
    char   user[32];
    int    registerEvery;
    time_t registerAt;
    int    cseq;
} Account;

typedef struct {
    int    ringing;
    time_t ringUntil;
    char   caller[48];
    int    waitingMessages;
    int    resync;
} PhoneState;

static Account    account = { "", "100", 300, 0, 1 };
static PhoneState phone;
static int        sipSock;
static int        logLevel = 1;

#define LOG(lvl, ...) do { if ((lvl) <= logLevel) { \
        printf("[sip] " __VA_ARGS__); putchar('\n'); fflush(stdout); } } while (0)

static void loadAccount(const char *path)
{
    char line[128], key[24], value[64];
    FILE *f = fopen(path, "r");

    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, " %23[a-z_] = %63s", key, value) != 2)
            continue;
        if (!strcmp(key, "registrar"))
            memcpy(account.registrar, value, sizeof(account.registrar));
        else if (!strcmp(key, "user"))
            snprintf(account.user, sizeof(account.user), "%.31s", value);
        else if (!strcmp(key, "expires"))
            account.registerEvery = atoi(value);
        else if (!strcmp(key, "log"))
            logLevel = atoi(value);
    }
    fclose(f);
}

static char *nextLine(char **cursor)
{
    char *line = *cursor, *end;

    if (!line || !*line)
        return NULL;
    end = strstr(line, "\r\n");
    if (end) {
        *end = '\0';
        *cursor = end + 2;
    } else {
        *cursor = NULL;
    }
    return line;
}

static int parseMessage(char *raw, SipMessage *msg)
{
    char *line, *colon;

    memset(msg, 0, sizeof(*msg));
    line = nextLine(&raw);
    if (!line)
        return -1;
    msg->method = line;
    msg->uri = strchr(line, ' ');
    if (!msg->uri)
        return -1;
    *msg->uri++ = '\0';
    while ((line = nextLine(&raw)) != NULL && *line) {
        colon = strchr(line, ':');
        if (!colon || msg->headerCount == SIP_MAXHDR)
            continue;
        *colon++ = '\0';
        while (*colon == ' ' || *colon == '\t')
            colon++;
        msg->header[msg->headerCount].name = line;
        msg->header[msg->headerCount].value = colon;
        msg->headerCount++;
    }
    msg->body = raw ? raw : (char *)"";
    return 0;
}

static const char *headerOf(const SipMessage *msg, const char *name, const char *compact)
{
    int i;

    for (i = 0; i < msg->headerCount; i++)
        if (!strcasecmp(msg->header[i].name, name) ||
            (compact && !strcasecmp(msg->header[i].name, compact)))
            return msg->header[i].value;
    return "";
}

/*
 * Where the response goes: to the port of the topmost Via if it has one and
 * the sent-by is no "rport" client, else to where the packet came from.
 */
static void responseAddress(const SipMessage *msg, const struct sockaddr_in *from,
                            struct sockaddr_in *to)
{
    const char *via = headerOf(msg, "Via", "v");
    char *colon;
    char sentBy[128];

    *to = *from;
    if (strstr(via, ";rport"))
        return;
#ifdef BENIGN
    if (sscanf(via, "SIP/2.0/UDP %127[^; ]", sentBy) != 1)
#else
    if (sscanf(via, "SIP/2.0/UDP %[^; ]", sentBy) != 1)
#endif
        return;
    colon = strchr(sentBy, ':');
    if (colon) {
        int port = atoi(colon + 1);
        if (port > 1023 && port < 65536)
            to->sin_port = htons((unsigned short)port);
    } else {
        to->sin_port = htons(SIP_PORT);
    }
    LOG(2, "via %s, answering port %u", sentBy, ntohs(to->sin_port));
}

static void respond(const SipMessage *msg, const struct sockaddr_in *from, const char *status)
{
    static char out[SIP_MAXMSG + 512];
    struct sockaddr_in to;
    int n;

    responseAddress(msg, from, &to);
    n = snprintf(out, sizeof(out),
                 "SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=8d1f\r\n"
                 "Call-ID: %s\r\nCSeq: %s\r\nUser-Agent: DeskPhone/2.7\r\nContent-Length: 0\r\n\r\n",
                 status, headerOf(msg, "Via", "v"), headerOf(msg, "From", "f"),
                 headerOf(msg, "To", "t"), headerOf(msg, "Call-ID", "i"),
                 headerOf(msg, "CSeq", NULL));
    if (n > 0 && n < (int)sizeof(out))
        sendto(sipSock, out, (size_t)n, 0, (struct sockaddr *)&to, sizeof(to));
}

static void onOptions(SipMessage *msg, const struct sockaddr_in *from)
{
    respond(msg, from, phone.ringing ? "486 Busy Here" : "200 OK");
}

static void onInvite(SipMessage *msg, const struct sockaddr_in *from)
{
    const char *f = headerOf(msg, "From", "f");
    size_t n;

    if (phone.ringing) {
        respond(msg, from, "486 Busy Here");
        return;
    }
    if (*f == '"')
        f++;
    n = strcspn(f, "\"<;");
    if (n >= sizeof(phone.caller))
        n = sizeof(phone.caller) - 1;
    memcpy(phone.caller, f, n);
    phone.caller[n] = '\0';
    phone.ringing = 1;
    phone.ringUntil = time(NULL) + 30;
    LOG(1, "call from %s", phone.caller);
    respond(msg, from, "180 Ringing");
}

static void onBye(SipMessage *msg, const struct sockaddr_in *from)
{
    phone.ringing = 0;
    respond(msg, from, "200 OK");
}

static void onNotify(SipMessage *msg, const struct sockaddr_in *from)
{
    const char *event = headerOf(msg, "Event", "o");
    char *p;

    if (!strncmp(event, "check-sync", 10)) {
        phone.resync = 1;
    } else if (!strcmp(event, "message-summary")) {
        p = strcasestr(msg->body, "Voice-Message:");
        if (p)
            phone.waitingMessages = atoi(p + 14);
    } else {
        respond(msg, from, "489 Bad Event");
        return;
    }
    respond(msg, from, "200 OK");
}

static const struct {
    const char *method;
    void (*handle)(SipMessage *, const struct sockaddr_in *);
} methods[] = {
    { "OPTIONS", onOptions },
    { "INVITE",  onInvite },
    { "CANCEL",  onBye },
    { "BYE",     onBye },
    { "NOTIFY",  onNotify },
    { NULL, NULL }
};

static void sendRegister(void)
{
    char out[512];
    struct sockaddr_in to;
    int n;

    memset(&to, 0, sizeof(to));
    to.sin_family = AF_INET;
    to.sin_port = htons(SIP_PORT);
    if (!inet_aton(account.registrar, &to.sin_addr))
        return;
    n = snprintf(out, sizeof(out),
                 "REGISTER sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP 0.0.0.0;rport;branch=z9hG4bK%d\r\n"
                 "From: <sip:%s@%s>;tag=1\r\nTo: <sip:%s@%s>\r\nCSeq: %d REGISTER\r\nContent-Length: 0\r\n\r\n",
                 account.registrar, account.cseq, account.user, account.registrar,
                 account.user, account.registrar, account.cseq);
    account.cseq++;
    if (n > 0 && n < (int)sizeof(out))
        sendto(sipSock, out, (size_t)n, 0, (struct sockaddr *)&to, sizeof(to));
}

static void timers(void)
{
    time_t now = time(NULL);

    if (phone.ringing && now > phone.ringUntil)
        phone.ringing = 0;
    if (phone.resync) {
        phone.resync = 0;
        loadAccount("/etc/phone/account.conf");
        account.registerAt = 0;
    }
    if (account.registrar[0] && now >= account.registerAt) {
        account.registerAt = now + account.registerEvery;
        sendRegister();
    }
}

int main(void)
{
    static char packet[SIP_MAXMSG];
    struct sockaddr_in local, peer;
    SipMessage msg;
    int i;

    loadAccount("/etc/phone/account.conf");
    sipSock = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&local, 0, sizeof(local));
    local.sin_family = AF_INET;
    local.sin_port = htons(SIP_PORT);
    if (bind(sipSock, (struct sockaddr *)&local, sizeof(local))) {
        perror("sipua: bind");
        return 1;
    }
    for (;;) {
        struct timeval wait = { 1, 0 };
        fd_set rd;
        FD_ZERO(&rd);
        FD_SET(sipSock, &rd);
        if (select(sipSock + 1, &rd, NULL, NULL, &wait) > 0) {
            socklen_t len = sizeof(peer);
            ssize_t n = recvfrom(sipSock, packet, sizeof(packet) - 1, 0, (struct sockaddr *)&peer, &len);
            if (n > 0) {
                packet[n] = '\0';
                if (parseMessage(packet, &msg) == 0)
                    for (i = 0; methods[i].method; i++)
                        if (!strcmp(msg.method, methods[i].method))
                            methods[i].handle(&msg, &peer);
            }
        }
        timers();
    }
}
