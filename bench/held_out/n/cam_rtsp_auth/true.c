/* rtspd - minimal RTSP front of the encoder */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define RTSP_PORT 554

typedef struct rtsp_session {
    int      sock;
    int      cseq;
    unsigned id;
    int      playing;
    char     url[128];
    char     transport[64];
} rtsp_session;

static unsigned next_id = 0x1000;
static int active;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void rlog(const rtsp_session *s, const char *fmt, ...)
{
    char b[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(b, sizeof b, fmt, ap);
    va_end(ap);
    fprintf(stderr, "rtsp[%x] %s\n", s->id, b);
}

static void reply(rtsp_session *s, int code, const char *reason, const char *extra)
{
    char b[512];
    int n = snprintf(b, sizeof b, "RTSP/1.0 %d %s\r\nCSeq: %d\r\n%s\r\n",
                     code, reason, s->cseq, extra ? extra : "");

    if (n > 0 && n < (int)sizeof b)
        send(s->sock, b, n, MSG_NOSIGNAL);
}

static const char *header(const char *req, const char *name)
{
    size_t l = strlen(name);
    const char *p = req;

    while ((p = strstr(p, "\r\n")) != NULL) {
        p += 2;
        if (strncasecmp(p, name, l) == 0 && p[l] == ':') {
            p += l + 1;
            while (*p == ' ')
                p++;
            return p;
        }
    }
    return NULL;
}

static int b64val(int c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    if (c == '/') return 63;
    return -1;
}

static void b64dec(char *out, size_t cap, const char *in)
{
    unsigned acc = 0;
    int bits = 0;
    size_t n = 0;

    while (b64val(*in) >= 0 && n + 1 < cap) {
        acc = (acc << 6) | b64val(*in++);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (char)(acc >> bits);
        }
    }
    out[n] = 0;
}

static int check_auth(rtsp_session *s, const char *req)
{
    const char *h = header(req, "Authorization");
    char scheme[16], cred[64], plain[64];

    if (!h)
        return 0;
    if (sscanf(h, "%15s %s", scheme, cred) != 2)
        return 0;
    if (strcasecmp(scheme, "Basic") != 0) {
        rlog(s, "scheme %s", scheme);
        return 0;
    }
    b64dec(plain, sizeof plain, cred);
    return strcmp(plain, "admin:12345") == 0;
}

static int m_options(rtsp_session *s, const char *req)
{
    reply(s, 200, "OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n");
    return 0;
}

static int m_describe(rtsp_session *s, const char *req)
{
    static const char sdp[] = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=live\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n";
    char x[80];

    if (!check_auth(s, req)) {
        reply(s, 401, "Unauthorized", "WWW-Authenticate: Basic realm=\"cam\"\r\n");
        return 0;
    }
    snprintf(x, sizeof x, "Content-Type: application/sdp\r\nContent-Length: %d\r\n", (int)sizeof sdp - 1);
    reply(s, 200, "OK", x);
    send(s->sock, sdp, sizeof sdp - 1, MSG_NOSIGNAL);
    return 0;
}

static int m_setup(rtsp_session *s, const char *req)
{
    const char *t = header(req, "Transport");
    char x[160];
    size_t n;

    if (!t) {
        reply(s, 461, "Unsupported Transport", NULL);
        return 0;
    }
    n = strcspn(t, "\r\n");
    if (n >= sizeof s->transport)
        n = sizeof s->transport - 1;
    memcpy(s->transport, t, n);
    s->transport[n] = 0;
    snprintf(x, sizeof x, "Transport: %s\r\nSession: %x\r\n", s->transport, s->id);
    reply(s, 200, "OK", x);
    return 0;
}

static int m_play(rtsp_session *s, const char *req)
{
    if (!s->transport[0]) {
        reply(s, 455, "Method Not Valid in This State", NULL);
        return 0;
    }
    s->playing = 1;
    rlog(s, "play %s", s->url);
    reply(s, 200, "OK", NULL);
    return 0;
}

static int m_teardown(rtsp_session *s, const char *req)
{
    s->playing = 0;
    reply(s, 200, "OK", NULL);
    return 1;
}

static const struct {
    const char *verb;
    int (*fn)(rtsp_session *, const char *);
} methods[] = {
    { "OPTIONS", m_options }, { "DESCRIBE", m_describe }, { "SETUP", m_setup },
    { "PLAY", m_play }, { "TEARDOWN", m_teardown },
};

static int request(rtsp_session *s, const char *req)
{
    char verb[16];
    const char *h;
    size_t i;

    if (sscanf(req, "%15s %127s", verb, s->url) != 2)
        return 1;
    h = header(req, "CSeq");
    s->cseq = h ? atoi(h) : 0;
    for (i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].verb, verb) == 0)
            return methods[i].fn(s, req);
    reply(s, 501, "Not Implemented", NULL);
    return 0;
}

static void *client(void *arg)
{
    rtsp_session *s = arg;
    char buf[2048];
    size_t have = 0;

    for (;;) {
        ssize_t n = recv(s->sock, buf + have, sizeof buf - 1 - have, 0);

        if (n <= 0)
            break;
        have += n;
        buf[have] = 0;
        if (strstr(buf, "\r\n\r\n")) {
            if (request(s, buf))
                break;
            have = 0;
        } else if (have == sizeof buf - 1) {
            break;
        }
    }
    close(s->sock);
    free(s);
    pthread_mutex_lock(&lock);
    active--;
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(void)
{
    struct sockaddr_in sin;
    int ls, one = 1;

    signal(SIGPIPE, SIG_IGN);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&sin, 0, sizeof sin);
    sin.sin_family = AF_INET;
    sin.sin_port = htons(RTSP_PORT);
    if (bind(ls, (void *)&sin, sizeof sin) || listen(ls, 8))
        return 1;
    for (;;) {
        int c = accept(ls, NULL, NULL);
        rtsp_session *s;
        pthread_t t;

        if (c < 0)
            continue;
        pthread_mutex_lock(&lock);
        if (active >= 8 || !(s = calloc(1, sizeof *s))) {
            pthread_mutex_unlock(&lock);
            close(c);
            continue;
        }
        s->sock = c;
        s->id = next_id++;
        active++;
        pthread_mutex_unlock(&lock);
        if (pthread_create(&t, NULL, client, s) == 0)
            pthread_detach(t);
    }
}
