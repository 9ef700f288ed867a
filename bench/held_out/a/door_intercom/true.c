/*
 * Door intercom with a small SIP stack over UDP. A privileged child opens the door, rings and dials; the stack talks to
 * it through a socketpair, in structures. The number to dial comes from the header lines of a REFER.
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIP_PORT 5062

enum order_kind { ORDER_DOOR = 1, ORDER_RING, ORDER_DIAL, ORDER_LEVEL };

struct order {
    enum order_kind kind;
    int number;
    char target[64];
};

struct message {
    char *method, *uri;
    char *call_id, *from, *via, *cseq, *refer_to;
    char *body;
    int expires, length;
};

struct call {
    char id[64];
    time_t start;
    int used;
};

static int order_fd = -1;
static struct call calls[4];
static struct sockaddr_in peer;
static socklen_t peer_size;
static int sip_fd;
static FILE *journal;

static void jot(const char *format, ...)
{
    va_list ap;
    if (!journal)
        return;
    va_start(ap, format);
    vfprintf(journal, format, ap);
    va_end(ap);
    fputc('\n', journal);
    fflush(journal);
}

/* ---- privileged child ---- */

static void in_shell(const char *line)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

static void carry_out(const struct order *o)
{
    char line[128];
    switch (o->kind) {
    case ORDER_DOOR:
        snprintf(line, sizeof line, "gpio-pulse door %d", o->number);
        break;
    case ORDER_RING:
        snprintf(line, sizeof line, "ringer -n %d", o->number);
        break;
    case ORDER_LEVEL:
        snprintf(line, sizeof line, "amixer sset Speaker %d", o->number);
        break;
    case ORDER_DIAL:
        snprintf(line, sizeof line, "dialer --number %s", o->target);
        break;
    default:
        return;
    }
    in_shell(line);
}

static void child(int fd)
{
    struct order o;
    for (;;) {
        ssize_t n = read(fd, &o, sizeof o);
        if (n == 0 || (n < 0 && errno != EINTR))
            _exit(0);
        if (n == (ssize_t)sizeof o) {
            o.target[sizeof o.target - 1] = 0;
            carry_out(&o);
        }
    }
}

static int start_child(void)
{
    int pair[2];
    pid_t pid;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
        return -1;
    pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        close(pair[0]);
        child(pair[1]);
    }
    close(pair[1]);
    order_fd = pair[0];
    return 0;
}

static void order(enum order_kind kind, int number, const char *target)
{
    struct order o;
    memset(&o, 0, sizeof o);
    o.kind = kind;
    o.number = number;
    if (target)
        strncpy(o.target, target, sizeof o.target - 1);
    if (write(order_fd, &o, sizeof o) != (ssize_t)sizeof o)
        jot("the child does not listen: %s", strerror(errno));
}

/* ---- header lines ---- */

static char *trim(char *s)
{
    char *end;
    while (isspace((unsigned char)*s))
        s++;
    end = s + strlen(s);
    while (end > s && isspace((unsigned char)end[-1]))
        *--end = 0;
    return s;
}

static void header_line(struct message *m, char *line)
{
    char *colon = strchr(line, ':'), *value;
    if (!colon)
        return;
    *colon = 0;
    value = trim(colon + 1);
    if (!strcasecmp(line, "Call-ID") || !strcasecmp(line, "i"))
        m->call_id = value;
    else if (!strcasecmp(line, "From") || !strcasecmp(line, "f"))
        m->from = value;
    else if (!strcasecmp(line, "Via") || !strcasecmp(line, "v"))
        m->via = value;
    else if (!strcasecmp(line, "CSeq"))
        m->cseq = value;
    else if (!strcasecmp(line, "Refer-To") || !strcasecmp(line, "r"))
        m->refer_to = value;
    else if (!strcasecmp(line, "Expires"))
        m->expires = atoi(value);
    else if (!strcasecmp(line, "Content-Length") || !strcasecmp(line, "l"))
        m->length = atoi(value);
}

static int parse(char *text, struct message *m)
{
    char *line = text, *next;
    memset(m, 0, sizeof *m);
    for (int number = 0; line; line = next, number++) {
        next = strstr(line, "\r\n");
        if (next) {
            *next = 0;
            next += 2;
        }
        if (number == 0) {
            m->method = line;
            if (!(m->uri = strchr(line, ' ')))
                return -1;
            *m->uri++ = 0;
            m->uri[strcspn(m->uri, " ")] = 0;
        } else if (*line == 0) {
            m->body = next;
            break;
        } else
            header_line(m, line);
    }
    return m->call_id && m->via && m->cseq ? 0 : -1;
}

static void respond(const struct message *m, int code, const char *reason)
{
    char text[1500];
    int n = snprintf(text, sizeof text, "SIP/2.0 %d %s\r\nVia: %s\r\nFrom: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
                     "Content-Length: 0\r\n\r\n", code, reason, m->via, m->from ? m->from : "", m->call_id, m->cseq);
    if (n > 0 && n < (int)sizeof text)
        sendto(sip_fd, text, (size_t)n, 0, (struct sockaddr *)&peer, peer_size);
}

static struct call *call_of(const char *id, int make)
{
    struct call *empty = NULL;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i].used && !strcmp(calls[i].id, id))
            return &calls[i];
        if (!calls[i].used)
            empty = &calls[i];
    }
    if (!make || !empty || strlen(id) >= sizeof empty->id)
        return NULL;
    strcpy(empty->id, id);
    empty->start = time(NULL);
    empty->used = 1;
    return empty;
}

/* The user part of "<sip:4711@host>". */
static int user_part(const char *uri, char *to, size_t room)
{
    const char *start = strstr(uri, "sip:");
    size_t n;
    if (!start)
        return -1;
    start += 4;
    n = strcspn(start, "@>");
    if (n == 0 || n >= room)
        return -1;
    memcpy(to, start, n);
    to[n] = 0;
    return 0;
}

static int dialable(const char *number)
{
#ifdef BENIGN
    for (const char *s = number; *s; s++)
        if (*s < '0' || *s > '9')
            return 0;
    return 1;
#else
    return *number >= '0' && *number <= '9';
#endif
}

static void on_invite(struct message *m)
{
    struct call *c = call_of(m->call_id, 1);
    if (!c) {
        respond(m, 486, "Busy Here");
        return;
    }
    jot("call %s from %s", c->id, m->from ? m->from : "nobody");
    respond(m, 180, "Ringing");
    order(ORDER_RING, 3, NULL);
    respond(m, 200, "OK");
}

static void on_bye(struct message *m)
{
    struct call *c = call_of(m->call_id, 0);
    if (c) {
        jot("call of %ld s", (long)(time(NULL) - c->start));
        c->used = 0;
    }
    respond(m, 200, "OK");
}

static void on_refer(struct message *m)
{
    char number[40];
    if (!call_of(m->call_id, 0)) {
        respond(m, 481, "No Call");
        return;
    }
    if (!m->refer_to || user_part(m->refer_to, number, sizeof number) < 0 || !dialable(number)) {
        respond(m, 400, "Bad Refer-To");
        return;
    }
    order(ORDER_DIAL, 0, number);
    respond(m, 202, "Accepted");
}

static void on_info(struct message *m)
{
    char *signal = m->body ? strstr(m->body, "Signal=") : NULL;
    if (!call_of(m->call_id, 0) || !signal) {
        respond(m, 400, "Bad Request");
        return;
    }
    if (signal[7] == '#')
        order(ORDER_DOOR, 4, NULL);
    else if (isdigit((unsigned char)signal[7]))
        order(ORDER_LEVEL, (signal[7] - '0') * 10, NULL);
    respond(m, 200, "OK");
}

static void datagram(char *text)
{
    struct message m;
    if (parse(text, &m) < 0)
        return;
    if (!strcmp(m.method, "INVITE"))
        on_invite(&m);
    else if (!strcmp(m.method, "BYE") || !strcmp(m.method, "CANCEL"))
        on_bye(&m);
    else if (!strcmp(m.method, "REFER"))
        on_refer(&m);
    else if (!strcmp(m.method, "INFO"))
        on_info(&m);
    else if (!strcmp(m.method, "OPTIONS"))
        respond(&m, 200, "OK");
    else if (strcmp(m.method, "ACK") != 0)
        respond(&m, 501, "Not Implemented");
}

static void expire(void)
{
    time_t now = time(NULL);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].used && now - calls[i].start > 180)
            calls[i].used = 0;
}

int main(void)
{
    static char text[2048];
    struct sockaddr_in me;
    if (start_child() < 0) {
        perror("intercom");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    journal = fopen("/tmp/intercom.log", "a");
    sip_fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(SIP_PORT);
    me.sin_addr.s_addr = INADDR_ANY;
    if (bind(sip_fd, (struct sockaddr *)&me, sizeof me) < 0) {
        perror("bind");
        return 1;
    }
    for (;;) {
        struct pollfd p = {sip_fd, POLLIN, 0};
        if (poll(&p, 1, 10000) > 0) {
            peer_size = sizeof peer;
            ssize_t n = recvfrom(sip_fd, text, sizeof text - 1, 0, (struct sockaddr *)&peer, &peer_size);
            if (n > 0) {
                text[n] = 0;
                datagram(text);
            }
        }
        expire();
    }
}
