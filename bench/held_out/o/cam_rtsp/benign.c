/* rtsp_srv.c - minimal RTSP front end (IPC-2000 cameras) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdint.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define RTSP_PORT    554
#define RTSP_BUF     2048

typedef enum { ST_INIT, ST_READY, ST_PLAY } rtsp_state;

typedef struct rtsp_client {
    int         fd;
    int         cseq;
    rtsp_state  state;
    unsigned    session;
    int         rtp_port, rtcp_port;
    int         channel;
    struct sockaddr_in peer;
} rtsp_client;

typedef struct rtsp_req {
    const char *line;
    const char *headers;
} rtsp_req;

static int g_viewers;
static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *find_header(const char *h, const char *name)
{
    size_t n = strlen(name);

    while (h && *h) {
        if (!strncasecmp(h, name, n) && h[n] == ':') {
            h += n + 1;
            while (*h == ' ')
                h++;
            return h;
        }
        h = strstr(h, "\r\n");
        if (h)
            h += 2;
    }
    return NULL;
}

static void send_reply(rtsp_client *c, const char *status, const char *extra, const char *body)
{
    char out[1536];
    int n;

    n = snprintf(out, sizeof(out), "RTSP/1.0 %s\r\nCSeq: %d\r\nServer: IPC-2000\r\n%sContent-Length: %d\r\n\r\n%s",
                 status, c->cseq, extra ? extra : "", body ? (int)strlen(body) : 0, body ? body : "");
    if (n > 0 && n < (int)sizeof(out))
        send(c->fd, out, n, MSG_NOSIGNAL);
}

static int channel_of(const char *url)
{
    const char *p = strstr(url, "/ch");
    int ch = p ? atoi(p + 3) : 0;

    return ch >= 0 && ch < 4 ? ch : 0;
}

static int do_options(rtsp_client *c, rtsp_req *r)
{
    send_reply(c, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", NULL);
    return 0;
}

static int do_describe(rtsp_client *c, rtsp_req *r)
{
    char sdp[400];

    snprintf(sdp, sizeof(sdp), "v=0\r\no=- %u 1 IN IP4 0.0.0.0\r\ns=ch%d\r\nt=0 0\r\n"
             "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n",
             c->session, c->channel);
    send_reply(c, "200 OK", "Content-Type: application/sdp\r\n", sdp);
    return 0;
}

static int do_setup(rtsp_client *c, rtsp_req *r)
{
    char extra[160];
    const char *t = find_header(r->headers, "Transport"), *p;

    if (!t || !(p = strstr(t, "client_port=")) ||
        sscanf(p + 12, "%d-%d", &c->rtp_port, &c->rtcp_port) != 2) {
        send_reply(c, "461 Unsupported Transport", NULL, NULL);
        return 0;
    }
    c->state = ST_READY;
    snprintf(extra, sizeof(extra), "Transport: RTP/AVP;unicast;client_port=%d-%d;server_port=6970-6971\r\nSession: %08X\r\n",
             c->rtp_port, c->rtcp_port, c->session);
    send_reply(c, "200 OK", extra, NULL);
    return 0;
}

static int do_play(rtsp_client *c, rtsp_req *r)
{
    if (c->state != ST_READY) {
        send_reply(c, "455 Method Not Valid in This State", NULL, NULL);
        return 0;
    }
    c->state = ST_PLAY;
    pthread_mutex_lock(&g_lock);
    g_viewers++;
    pthread_mutex_unlock(&g_lock);
    send_reply(c, "200 OK", "Range: npt=0.000-\r\n", NULL);
    return 0;
}

static int do_teardown(rtsp_client *c, rtsp_req *r)
{
    send_reply(c, "200 OK", NULL, NULL);
    return -1;
}

static const struct {
    const char *name;
    int (*handler)(rtsp_client *, rtsp_req *);
} g_methods[] = {
    { "OPTIONS", do_options }, { "DESCRIBE", do_describe }, { "SETUP", do_setup },
    { "PLAY", do_play }, { "TEARDOWN", do_teardown },
};

static int handle_request(rtsp_client *c, char *msg)
{
    char method[32], url[256], version[16];
    rtsp_req r;
    const char *h;
    char *eol = strstr(msg, "\r\n");
    size_t i;

    if (!eol)
        return -1;
    *eol = '\0';
    r.line = msg;
    r.headers = eol + 2;
    if (sscanf(msg, "%31s %255s %15s", method, url, version) != 3)
        return -1;
    if (strncmp(version, "RTSP/", 5))
        return -1;
    h = find_header(r.headers, "CSeq");
    c->cseq = h ? atoi(h) : 0;
    c->channel = channel_of(url);
    for (i = 0; i < sizeof(g_methods) / sizeof(g_methods[0]); i++)
        if (!strcmp(method, g_methods[i].name))
            return g_methods[i].handler(c, &r);
    send_reply(c, "501 Not Implemented", NULL, NULL);
    return 0;
}

static void *client_main(void *arg)
{
    rtsp_client *c = arg;
    char buf[RTSP_BUF];
    size_t fill = 0;
    char *end;
    ssize_t n;

    for (;;) {
        n = recv(c->fd, buf + fill, sizeof(buf) - 1 - fill, 0);
        if (n <= 0)
            break;
        fill += (size_t)n;
        buf[fill] = '\0';
        while ((end = strstr(buf, "\r\n\r\n")) != NULL) {
            size_t used;
            end[2] = '\0';
            used = (size_t)(end + 4 - buf);
            if (handle_request(c, buf) < 0)
                goto done;
            memmove(buf, buf + used, fill - used + 1);
            fill -= used;
        }
        if (fill >= sizeof(buf) - 1)
            break;
    }
done:
    if (c->state == ST_PLAY) {
        pthread_mutex_lock(&g_lock);
        g_viewers--;
        pthread_mutex_unlock(&g_lock);
    }
    printf("rtsp: %s left, %d viewers\n", inet_ntoa(c->peer.sin_addr), g_viewers);
    close(c->fd);
    free(c);
    return NULL;
}

int main(void)
{
    struct sockaddr_in a;
    rtsp_client *c;
    socklen_t sl;
    pthread_t t;
    int s, one = 1;

    signal(SIGPIPE, SIG_IGN);
    srand((unsigned)time(NULL));
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons(RTSP_PORT);
    if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 5) < 0) {
        perror("rtsp");
        return 1;
    }
    for (;;) {
        c = calloc(1, sizeof(*c));
        if (!c)
            return 1;
        sl = sizeof(c->peer);
        c->fd = accept(s, (struct sockaddr *)&c->peer, &sl);
        if (c->fd < 0) {
            free(c);
            continue;
        }
        c->session = (unsigned)rand();
        if (pthread_create(&t, NULL, client_main, c) == 0)
            pthread_detach(t);
        else {
            close(c->fd);
            free(c);
        }
    }
}
