/*
 * A TR-069 agent: the connection request arrives on TCP 7547, the order is kept in a session on the heap, and the
 * session's timer carries it out when its delay is over.
 */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum state { IDLE, INFORMED, WAITING, WORKING };

struct transfer {
    char *url;
    char *kind;
    int delay;
    time_t at;
};

struct session {
    enum state state;
    struct transfer *transfer;
    int retries;
    time_t started;
    char event[32];
    struct session *next;
};

static struct session *sessions;
static int inform_interval = 300;

static struct session *session_new(void)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->started = time(NULL);
    strcpy(s->event, "6 CONNECTION REQUEST");
    s->next = sessions;
    sessions = s;
    return s;
}

static void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    free(t->url);
    free(t->kind);
    free(t);
}

static char *element(const char *xml, const char *name)
{
    size_t n = strlen(name);
    const char *p = xml;
    while ((p = strchr(p, '<')) != NULL) {
        p++;
        if (strncmp(p, name, n) == 0 && p[n] == '>') {
            const char *from = p + n + 1, *to = strchr(from, '<');
            if (!to)
                return NULL;
            return strndup(from, (size_t)(to - from));
        }
    }
    return NULL;
}

static int order_download(struct session *s, const char *xml)
{
    struct transfer *t = calloc(1, sizeof *t);
    char *delay;
    if (!t)
        return -1;
    t->url = element(xml, "URL");
    t->kind = element(xml, "FileType");
    delay = element(xml, "DelaySeconds");
    t->delay = delay ? atoi(delay) : 0;
    free(delay);
    if (!t->url || t->delay < 0) {
        transfer_free(t);
        return -1;
    }
    t->at = time(NULL) + t->delay;
    transfer_free(s->transfer);
    s->transfer = t;
    s->state = WAITING;
    return 0;
}

static int order_reboot(struct session *s, const char *xml)
{
    (void)xml;
    s->state = IDLE;
    syslog(LOG_NOTICE, "reboot ordered");
    return system("reboot -d 3");
}

static int order_interval(struct session *s, const char *xml)
{
    char *v = element(xml, "PeriodicInformInterval");
    (void)s;
    if (v) {
        inform_interval = atoi(v) > 30 ? atoi(v) : 30;
        free(v);
    }
    return 0;
}

static int fetch(const struct transfer *t)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
#ifdef BENIGN
        execl("/usr/bin/wget", "wget", "-q", "-O", "/tmp/fw.img", "--", t->url, (char *)NULL);
#else
        char line[600];
        snprintf(line, sizeof line, "wget -q -O /tmp/fw.img -- %s", t->url);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
#endif
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, &status, 0);
    return status;
}

static void on_timer(void)
{
    time_t now = time(NULL);
    struct session **link = &sessions;
    while (*link) {
        struct session *s = *link;
        if (s->state == WAITING && s->transfer->at <= now) {
            s->state = WORKING;
            syslog(LOG_INFO, "transfer of %s", s->transfer->kind ? s->transfer->kind : "?");
            if (fetch(s->transfer) != 0 && ++s->retries < 3) {
                s->transfer->at = now + 60;
                s->state = WAITING;
            } else {
                s->state = IDLE;
            }
        }
        if (s->state == IDLE && now - s->started > inform_interval) {
            *link = s->next;
            transfer_free(s->transfer);
            free(s);
        } else {
            link = &s->next;
        }
    }
}

static const char *body_of(const char *request)
{
    const char *p = strstr(request, "\r\n\r\n");
    return p ? p + 4 : "";
}

static void connection(int c)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    static const char bad[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    char *text = malloc(8192);
    size_t have = 0;
    ssize_t n;
    int status = -1;
    struct session *s;
    if (!text)
        return;
    while (have < 8191 && (n = recv(c, text + have, 8191 - have, 0)) > 0) {
        have += (size_t)n;
        text[have] = 0;
        if (strstr(text, "</SOAP-ENV:Envelope>"))
            break;
    }
    text[have] = 0;
    s = session_new();
    if (s) {
        const char *xml = body_of(text);
        s->state = INFORMED;
        if (strstr(xml, "<cwmp:Download>"))
            status = order_download(s, xml);
        else if (strstr(xml, "<cwmp:Reboot>"))
            status = order_reboot(s, xml);
        else if (strstr(xml, "<cwmp:SetParameterValues>"))
            status = order_interval(s, xml);
        if (status != 0)
            s->state = IDLE;
    }
    if (status == 0)
        send(c, ok, sizeof ok - 1, 0);
    else
        send(c, bad, sizeof bad - 1, 0);
    free(text);
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(7547)};
    int s = socket(AF_INET, SOCK_STREAM, 0);
    openlog("cwmpd", LOG_PID, LOG_DAEMON);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 2) < 0)
        return 1;
    for (;;) {
        struct pollfd p = {s, POLLIN, 0};
        if (poll(&p, 1, 5000) > 0) {
            int c = accept(s, NULL, NULL);
            if (c >= 0) {
                connection(c);
                close(c);
            }
        }
        on_timer();
    }
}
