/* ata_sip.c
 *
 * SIP user agent of the analog telephone adapter (one FXS port).
 * Incoming: INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY.  Registration is refreshed by a timer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SIP_BUF     2048
#define VIA_LEN     96
#define CALLID_LEN  96

#ifdef BENIGN
#define VIA_FMT     "SIP/2.0/UDP %95s"
#else
#define VIA_FMT     "SIP/2.0/UDP %s"
#endif

typedef enum { LINE_IDLE, LINE_RINGING, LINE_TALKING } line_state;

struct call {
    line_state state;
    char id[CALLID_LEN];
    char caller[64];
    struct sockaddr_in peer;
    int ring_ticks;
};

struct settings {
    char user[32];
    char proxy[64];
    int port;
    int expires;
    int ring_max;
};

static struct settings set = { "100", "192.168.1.10", 5060, 300, 120 };
static struct call line1;
static int sip_fd;
static volatile sig_atomic_t ticks;
static int reg_left;
static unsigned cseq = 1;
static int message_waiting;

static void tick_handler(int s)
{
    (void) s;
    ticks++;
}

/* ---------- settings file: name value ---------- */
static void read_settings(const char *path)
{
    char buf[128], name[32], value[64];
    FILE *fp;

    fp = fopen(path, "r");
    if (!fp)
        return;
    while (fgets(buf, sizeof(buf), fp)) {
        if (buf[0] == '#' || sscanf(buf, "%31s %63s", name, value) != 2)
            continue;
        if (!strcmp(name, "user"))
            snprintf(set.user, sizeof(set.user), "%.31s", value);
        else if (!strcmp(name, "proxy"))
            snprintf(set.proxy, sizeof(set.proxy), "%s", value);
        else if (!strcmp(name, "port"))
            set.port = atoi(value);
        else if (!strcmp(name, "expires"))
            set.expires = atoi(value);
    }
    fclose(fp);
}

/* ---------- the line interface ---------- */
static void slic(const char *what)
{
    FILE *fp = fopen("/proc/slic/ctl", "w");

    if (fp) {
        fprintf(fp, "0 %s\n", what);
        fclose(fp);
    }
}

/* ---------- headers ---------- */

/* start of the value of a header (long or short form) within the message, 0 if there is none */
static const char *sip_header(const char *msg, const char *name, char brief)
{
    const char *p;
    size_t n = strlen(name);

    for (p = strchr(msg, '\n'); p; p = strchr(p, '\n')) {
        p++;
        if (*p == '\r' || *p == '\n')
            break;
        if (!strncasecmp(p, name, n) && p[n] == ':')
            p += n + 1;
        else if (tolower((unsigned char) p[0]) == brief && p[1] == ':')
            p += 2;
        else
            continue;
        while (*p == ' ' || *p == '\t')
            p++;
        return p;
    }
    return 0;
}

static int copy_header(const char *msg, const char *name, char brief, char *out, size_t size)
{
    const char *p = sip_header(msg, name, brief);
    size_t i = 0;

    if (!p)
        return 0;
    while (p[i] && p[i] != '\r' && p[i] != '\n' && i < size - 1) {
        out[i] = p[i];
        i++;
    }
    out[i] = 0;
    return 1;
}

static void sip_send(const char *text, int len, const struct sockaddr_in *to)
{
    if (sendto(sip_fd, text, len, 0, (const struct sockaddr *) to, sizeof(*to)) < 0)
        perror("sendto");
}

static void sip_answer(const char *msg, const struct sockaddr_in *to, const char *status)
{
    char via[VIA_LEN];
    char callid[CALLID_LEN], from[128], num[32];
    char out[1024];
    const char *p;
    int len;

    p = sip_header(msg, "Via", 'v');
    if (!p || sscanf(p, VIA_FMT, via) != 1)
        return;
    if (!copy_header(msg, "Call-ID", 'i', callid, sizeof(callid)) ||
        !copy_header(msg, "From", 'f', from, sizeof(from)) || !copy_header(msg, "CSeq", 0, num, sizeof(num)))
        return;
    len = snprintf(out, sizeof(out),
                   "SIP/2.0 %s\r\nVia: SIP/2.0/UDP %s\r\nFrom: %s\r\nTo: <sip:%s@%s>;tag=a1\r\n"
                   "Call-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n",
                   status, via, from, set.user, set.proxy, callid, num);
    if (len > 0 && len < (int) sizeof(out))
        sip_send(out, len, to);
}

static void sip_register(void)
{
    char out[512];
    struct sockaddr_in to;
    int len;

    memset(&to, 0, sizeof(to));
    to.sin_family = AF_INET;
    to.sin_port = htons(5060);
    if (inet_pton(AF_INET, set.proxy, &to.sin_addr) != 1)
        return;
    len = snprintf(out, sizeof(out),
                   "REGISTER sip:%s SIP/2.0\r\nFrom: <sip:%s@%s>\r\nTo: <sip:%s@%s>\r\nCSeq: %u REGISTER\r\n"
                   "Expires: %d\r\nContent-Length: 0\r\n\r\n",
                   set.proxy, set.user, set.proxy, set.user, set.proxy, cseq++, set.expires);
    if (len > 0 && len < (int) sizeof(out))
        sip_send(out, len, &to);
}

/* ---------- methods ---------- */
static void m_invite(const char *msg, const struct sockaddr_in *from)
{
    char id[CALLID_LEN];

    if (!copy_header(msg, "Call-ID", 'i', id, sizeof(id)))
        return;
    if (line1.state != LINE_IDLE && strcmp(line1.id, id)) {
        sip_answer(msg, from, "486 Busy Here");
        return;
    }
    strcpy(line1.id, id);
    copy_header(msg, "From", 'f', line1.caller, sizeof(line1.caller));
    line1.peer = *from;
    line1.state = LINE_RINGING;
    line1.ring_ticks = 0;
    slic("ring");
    sip_answer(msg, from, "180 Ringing");
}

static void m_bye(const char *msg, const struct sockaddr_in *from)
{
    char id[CALLID_LEN];

    if (!copy_header(msg, "Call-ID", 'i', id, sizeof(id)) || strcmp(id, line1.id)) {
        sip_answer(msg, from, "481 Call Does Not Exist");
        return;
    }
    slic("idle");
    memset(&line1, 0, sizeof(line1));
    sip_answer(msg, from, "200 OK");
}

static void m_ack(const char *msg, const struct sockaddr_in *from)
{
    (void) msg;
    (void) from;
    if (line1.state == LINE_RINGING)
        line1.state = LINE_TALKING;
}

static void m_options(const char *msg, const struct sockaddr_in *from)
{
    sip_answer(msg, from, line1.state == LINE_IDLE ? "200 OK" : "486 Busy Here");
}

static void m_notify(const char *msg, const struct sockaddr_in *from)
{
    const char *p = strstr(msg, "Messages-Waiting:");

    if (p) {
        p += 17;
        while (*p == ' ')
            p++;
        message_waiting = !strncasecmp(p, "yes", 3);
        slic(message_waiting ? "mwi on" : "mwi off");
    }
    sip_answer(msg, from, "200 OK");
}

static const struct {
    const char *method;
    void (*handle)(const char *, const struct sockaddr_in *);
} methods[] = {
    { "INVITE", m_invite }, { "ACK", m_ack }, { "BYE", m_bye }, { "CANCEL", m_bye },
    { "OPTIONS", m_options }, { "NOTIFY", m_notify },
};

static void once_a_second(void)
{
    if (--reg_left <= 0) {
        sip_register();
        reg_left = set.expires / 2;
    }
    if (line1.state == LINE_RINGING && ++line1.ring_ticks > set.ring_max) {
        slic("idle");
        memset(&line1, 0, sizeof(line1));
    }
}

int main(int argc, char **argv)
{
    static char msg[SIP_BUF];
    struct itimerval it = { { 1, 0 }, { 1, 0 } };
    struct sigaction sa;
    struct sockaddr_in me, from;
    char method[16];
    socklen_t flen;
    unsigned i;
    int n, done = 0;

    read_settings(argc > 1 ? argv[1] : "/etc/ata/sip.cfg");
    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = tick_handler;
    sigaction(SIGALRM, &sa, 0);

    sip_fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof(me));
    me.sin_family = AF_INET;
    me.sin_port = htons(set.port);
    if (sip_fd < 0 || bind(sip_fd, (struct sockaddr *) &me, sizeof(me)) < 0) {
        perror("sip");
        return 1;
    }
    setitimer(ITIMER_REAL, &it, 0);
    for (;;) {
        flen = sizeof(from);
        n = recvfrom(sip_fd, msg, SIP_BUF - 1, 0, (struct sockaddr *) &from, &flen);
        while (done != ticks) {
            once_a_second();
            done++;
        }
        if (n <= 0)
            continue;
        msg[n] = 0;
        if (sscanf(msg, "%15s", method) != 1 || !strncmp(method, "SIP/2.0", 7))
            continue;
        for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
            if (!strcmp(method, methods[i].method))
                break;
        if (i < sizeof(methods) / sizeof(methods[0]))
            methods[i].handle(msg, &from);
        else
            sip_answer(msg, &from, "501 Not Implemented");
    }
}
