/*
 * rtsplite -- tiny RTSP front of the door station. Answers OPTIONS, DESCRIBE,
 * SETUP, PLAY, TEARDOWN; the media itself is sent by another task, which is
 * told by a command file.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define RTSP_PORT   8554
#define SDP_ROOT    "/usr/share/rtsplite/sdp"
#define REQBUF      1024
#define URI_MAX_    320

struct rtsp {
    struct rtsp *next;
    int sock;
    int got;
    int cseq;
    int rtp_port;
    int playing;
    unsigned long id;
    time_t alive;
    char peer[16];
    char uri[URI_MAX_];
    char req[REQBUF];
};

static struct rtsp *sessions;
static unsigned long next_id = 1000;

static void put(struct rtsp *r, const char *s, size_t n)
{
    if (send(r->sock, s, n, MSG_NOSIGNAL) != (ssize_t)n)
        r->alive = 0;
}

static void status(struct rtsp *r, int code, const char *text, const char *more)
{
    char h[400];
    int n;

    n = snprintf(h, sizeof h, "RTSP/1.0 %d %s\r\nCSeq: %d\r\n%s\r\n", code, text, r->cseq, more);
    if (n > 0 && n < (int)sizeof h)
        put(r, h, n);
}

static void tell_media(struct rtsp *r, const char *verb)
{
    FILE *f = fopen("/tmp/media.cmd", "a");

    if (!f)
        return;
    fprintf(f, "%s %lu %s %d\n", verb, r->id, r->peer, r->rtp_port);
    fclose(f);
}

/* path part of rtsp://host[:port]/path, or NULL */
static const char *uri_path(const char *uri)
{
    const char *p;

    if (strncasecmp(uri, "rtsp://", 7) != 0)
        return NULL;
    p = strchr(uri + 7, '/');
    if (!p || strstr(p, ".."))
        return NULL;
    return p;
}

static void do_options(struct rtsp *r)
{
    status(r, 200, "OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n");
}

static void do_describe(struct rtsp *r)
{
    char file[sizeof(SDP_ROOT) + URI_MAX_ + 8];
    char sdp[1024], head[96];
    const char *p = uri_path(r->uri);
    size_t n;
    FILE *f;

    if (!p) {
        status(r, 400, "Bad Request", "");
        return;
    }
    strcpy(file, SDP_ROOT);
    strcat(file, p);
    strcat(file, ".sdp");
    f = fopen(file, "r");
    if (!f) {
        status(r, 404, "Not Found", "");
        return;
    }
    n = fread(sdp, 1, sizeof sdp, f);
    fclose(f);
    snprintf(head, sizeof head, "Content-Type: application/sdp\r\nContent-Length: %lu\r\n",
             (unsigned long)n);
    status(r, 200, "OK", head);
    put(r, sdp, n);
}

static void do_setup(struct rtsp *r)
{
    char head[128];
    char *p = strcasestr(r->req, "client_port=");

    r->rtp_port = p ? atoi(p + 12) : 0;
    if (r->rtp_port < 1024 || r->rtp_port > 65534) {
        status(r, 461, "Unsupported Transport", "");
        return;
    }
    r->id = next_id++;
    snprintf(head, sizeof head,
             "Transport: RTP/AVP;unicast;client_port=%d-%d\r\nSession: %lu;timeout=60\r\n",
             r->rtp_port, r->rtp_port + 1, r->id);
    status(r, 200, "OK", head);
}

static void do_play(struct rtsp *r)
{
    char head[48];

    if (!r->id) {
        status(r, 454, "Session Not Found", "");
        return;
    }
    r->playing = 1;
    tell_media(r, "start");
    snprintf(head, sizeof head, "Session: %lu\r\n", r->id);
    status(r, 200, "OK", head);
}

static void do_teardown(struct rtsp *r)
{
    if (r->playing)
        tell_media(r, "stop");
    r->playing = 0;
    status(r, 200, "OK", "");
    r->alive = 0;
}

static const struct {
    const char *method;
    void (*fn)(struct rtsp *);
} methods[] = {
    { "OPTIONS", do_options },
    { "DESCRIBE", do_describe },
    { "SETUP", do_setup },
    { "PLAY", do_play },
    { "TEARDOWN", do_teardown },
};

static void request(struct rtsp *r)
{
    char *c = strcasestr(r->req, "CSeq:");
    size_t i, ml, ul;
    char *u;

    r->cseq = c ? atoi(c + 5) : 0;
    r->alive = time(NULL);
    ml = strcspn(r->req, " \r\n");
    if (r->req[ml] != ' ') {
        status(r, 400, "Bad Request", "");
        return;
    }
    u = r->req + ml + 1;
    ul = strcspn(u, " \r\n");
    if (ul >= sizeof r->uri) {
        status(r, 414, "Request-URI Too Long", "");
        return;
    }
    memcpy(r->uri, u, ul);
    r->uri[ul] = '\0';
    for (i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strlen(methods[i].method) == ml && !strncmp(r->req, methods[i].method, ml)) {
            methods[i].fn(r);
            return;
        }
    }
    status(r, 501, "Not Implemented", "");
}

static void input(struct rtsp *r)
{
    ssize_t n = recv(r->sock, r->req + r->got, sizeof r->req - 1 - r->got, 0);
    char *end;

    if (n <= 0) {
        r->alive = 0;
        return;
    }
    r->got += (int)n;
    r->req[r->got] = '\0';
    end = strstr(r->req, "\r\n\r\n");
    if (end) {
        request(r);
        r->got = 0;
    } else if (r->got == (int)sizeof r->req - 1) {
        r->alive = 0;
    }
}

static void sweep(void)
{
    struct rtsp **pp = &sessions, *r;
    time_t now = time(NULL);

    while ((r = *pp) != NULL) {
        if (now - r->alive > 90) {
            if (r->playing)
                tell_media(r, "stop");
            close(r->sock);
            *pp = r->next;
            free(r);
        } else {
            pp = &r->next;
        }
    }
}

static void welcome(int ls)
{
    struct sockaddr_in sa;
    socklen_t sl = sizeof sa;
    struct rtsp *r;
    int s = accept(ls, (struct sockaddr *)&sa, &sl);

    if (s < 0)
        return;
    r = calloc(1, sizeof *r);
    if (!r || s >= FD_SETSIZE) {
        free(r);
        close(s);
        return;
    }
    r->sock = s;
    r->alive = time(NULL);
    inet_ntop(AF_INET, &sa.sin_addr, r->peer, sizeof r->peer);
    r->next = sessions;
    sessions = r;
}

int main(void)
{
    struct sockaddr_in sa;
    struct rtsp *r;
    int ls, on = 1;

    ls = socket(AF_INET, SOCK_STREAM, 0);
    if (ls < 0)
        return 1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(RTSP_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, 4)) {
        perror("rtsplite");
        return 1;
    }
    for (;;) {
        struct timeval tv = { 5, 0 };
        int top = ls;
        fd_set in;

        FD_ZERO(&in);
        FD_SET(ls, &in);
        for (r = sessions; r; r = r->next) {
            FD_SET(r->sock, &in);
            if (r->sock > top)
                top = r->sock;
        }
        if (select(top + 1, &in, NULL, NULL, &tv) > 0) {
            for (r = sessions; r; r = r->next)
                if (FD_ISSET(r->sock, &in))
                    input(r);
            if (FD_ISSET(ls, &in))
                welcome(ls);
        }
        sweep();
    }
}
