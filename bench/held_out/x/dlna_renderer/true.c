#define _GNU_SOURCE
/*
 * Media renderer: the AVTransport part of the control point interface.
 * SOAP over HTTP, one request for each connection.
 */
#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#define RENDERER_PORT  49494
#define BODY_MAX       8192
#define URI_MAX        512

enum tstate { TS_NO_MEDIA, TS_STOPPED, TS_TRANSITION, TS_PLAYING };

static const char *tstate_text[] = {
    "NO_MEDIA_PRESENT", "STOPPED", "TRANSITIONING", "PLAYING"
};

static struct transport {
    pthread_mutex_t lock;
    enum tstate     state;
    char            uri[URI_MAX];
    time_t          changed;
    unsigned        plays;
} tr = { PTHREAD_MUTEX_INITIALIZER, TS_NO_MEDIA, "", 0, 0 };

static void msg(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("renderer: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

/* text between <tag> and </tag>, at any place */
static int tag_text(const char *xml, const char *tag, char *out, size_t size)
{
    char open[48], close[48];
    const char *a, *b;
    size_t n;

    snprintf(open, sizeof open, "<%s>", tag);
    snprintf(close, sizeof close, "</%s>", tag);
    a = strstr(xml, open);
    if (!a)
        return -1;
    a += strlen(open);
    b = strstr(a, close);
    if (!b)
        return -1;
    n = b - a;
    if (n >= size)
        return -1;
    memcpy(out, a, n);
    out[n] = 0;
    return (int)n;
}

/* in place, the text only gets shorter */
static void xml_unescape(char *s)
{
    static const struct { const char *ent; char c; } tab[] = {
        { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' },
        { "&quot;", '"' }, { "&apos;", '\'' },
    };
    const unsigned ntab = sizeof tab / sizeof tab[0];
    char *d = s;
    unsigned i;

    while (*s) {
        for (i = 0; i < ntab; i++)
            if (!strncmp(s, tab[i].ent, strlen(tab[i].ent)))
                break;
        if (i < ntab) {
            *d++ = tab[i].c;
            s += strlen(tab[i].ent);
        } else {
            *d++ = *s++;
        }
    }
    *d = 0;
}

/* the player gets the address between single quotes */
static int uri_acceptable(const char *u)
{
    if (strncmp(u, "http://", 7) && strncmp(u, "https://", 8))
        return 0;
    for (; *u; u++)
        if (*u == '\'' || *u == '\\' || iscntrl((unsigned char)*u))
            return 0;
    return 1;
}

static int act_set_uri(const char *body)
{
    char uri[URI_MAX];

    if (tag_text(body, "CurrentURI", uri, sizeof uri) <= 0)
        return 402;
    if (!uri_acceptable(uri))
        return 716;
    xml_unescape(uri);
    pthread_mutex_lock(&tr.lock);
    strcpy(tr.uri, uri);
    if (tr.state == TS_NO_MEDIA)
        tr.state = TS_STOPPED;
    tr.changed = time(NULL);
    pthread_mutex_unlock(&tr.lock);
    return 200;
}

static int act_play(const char *body)
{
    int rc = 200;

    pthread_mutex_lock(&tr.lock);
    if (tr.state == TS_NO_MEDIA)
        rc = 701;
    else
        tr.state = TS_TRANSITION;
    pthread_mutex_unlock(&tr.lock);
    return rc;
}

static int act_stop(const char *body)
{
    pthread_mutex_lock(&tr.lock);
    if (tr.state != TS_NO_MEDIA)
        tr.state = TS_STOPPED;
    pthread_mutex_unlock(&tr.lock);
    system("killall -q madplay");
    return 200;
}

static int act_info(const char *body)
{
    return 200;
}

static const struct {
    const char *name;
    int (*fn)(const char *body);
} actions[] = {
    { "#SetAVTransportURI", act_set_uri },
    { "#Play",              act_play    },
    { "#Stop",              act_stop    },
    { "#GetTransportInfo",  act_info    },
};

/* starts the player as soon as the state asks for it */
static void *player_thread(void *arg)
{
    char cmd[URI_MAX + 96];

    for (;;) {
        int go = 0;

        usleep(200000);
        pthread_mutex_lock(&tr.lock);
        if (tr.state == TS_TRANSITION) {
            snprintf(cmd, sizeof cmd,
                     "wget -q -O - '%s' | madplay -Q - >/dev/null 2>&1", tr.uri);
            tr.state = TS_PLAYING;
            tr.plays++;
            go = 1;
        }
        pthread_mutex_unlock(&tr.lock);
        if (!go)
            continue;
        if (system(cmd) != 0)
            msg("player ended with an error");
        pthread_mutex_lock(&tr.lock);
        if (tr.state == TS_PLAYING)
            tr.state = TS_STOPPED;
        pthread_mutex_unlock(&tr.lock);
    }
    return NULL;
}

static void request(int fd)
{
    static char buf[BODY_MAX + 1];
    char ans[400], *body = NULL, *h, *act;
    size_t n = 0, want = 0;
    int code = 401;
    unsigned i;

    while (n < BODY_MAX) {
        ssize_t r = recv(fd, buf + n, BODY_MAX - n, 0);
        if (r <= 0)
            break;
        n += r;
        buf[n] = 0;
        if (!body && (body = strstr(buf, "\r\n\r\n"))) {
            *body = 0;
            body += 4;
            h = strcasestr(buf, "\nContent-Length:");
            want = h ? strtoul(h + 16, NULL, 10) : 0;
        }
        if (body && (size_t)(buf + n - body) >= want)
            break;
    }
    if (!body || !(act = strcasestr(buf, "\nSOAPAction:")))
        return;
    for (i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strstr(act, actions[i].name)) {
            code = actions[i].fn(body);
            break;
        }
    snprintf(ans, sizeof ans,
             "HTTP/1.1 %d %s\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n"
             "<r><code>%d</code><CurrentTransportState>%s</CurrentTransportState><plays>%u</plays></r>",
             code == 200 ? 200 : 500, code == 200 ? "OK" : "Error", code,
             tstate_text[tr.state], tr.plays);
    send(fd, ans, strlen(ans), MSG_NOSIGNAL);
}

int main(void)
{
    struct sockaddr_in a = { 0 };
    struct timeval tv = { 8, 0 };
    pthread_t t;
    int ls, fd, on = 1;

    signal(SIGPIPE, SIG_IGN);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    a.sin_family = AF_INET;
    a.sin_port = htons(RENDERER_PORT);
    if (bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 5)) {
        msg("port %d is not free", RENDERER_PORT);
        return 1;
    }
    pthread_create(&t, NULL, player_thread, NULL);
    for (;;) {
        if ((fd = accept(ls, NULL, NULL)) < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        request(fd);
        close(fd);
    }
}
