/* rtspd of an IP camera: control channel only, sessions in a linked list, each with its authorisation */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>
#include <poll.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define RTSP_PORT 554
#define MAX_SESS  16
#define RX_SIZE   3072

typedef struct rtsp_session {
    int   fd;
    int   authed;
    int   playing;
    unsigned id;
    time_t last;
    char  user[32];
    char  nonce[33];
    int   rxlen;
    char  rx[RX_SIZE];
} rtsp_session;

typedef struct {
    const char *name;
    int needAuth;
    void (*handler)(rtsp_session *s, int cseq, char *req);
} rtsp_method;

static rtsp_session *sess[MAX_SESS];
static struct { char user[32]; char ha1[33]; } account = { "admin", "" };

static void say(rtsp_session *s, int cseq, const char *status, const char *extra)
{
    char out[512];
    int n = snprintf(out, sizeof out, "RTSP/1.0 %s\r\nCSeq: %d\r\n%s\r\n", status, cseq, extra);
    if (n > 0 && n < (int)sizeof out)
        send(s->fd, out, n, MSG_NOSIGNAL);
}

static void newNonce(rtsp_session *s)
{
    unsigned char r[16] = { 0 };
    int i;
    FILE *f = fopen("/dev/urandom", "r");
    if (f) {
        fread(r, 1, sizeof r, f);
        fclose(f);
    }
    for (i = 0; i < 16; i++)
        sprintf(s->nonce + 2 * i, "%02x", r[i]);
}

static char *headerLine(char *req, const char *name)
{
    char *p = req;
    size_t n = strlen(name);

    while ((p = strchr(p, '\n')) != NULL) {
        p++;
        if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
            p += n + 1;
            while (*p == ' ')
                p++;
            return p;
        }
    }
    return NULL;
}

/* key="value" in a Digest header; the value is ended in place, its start is returned */
static char *digestField(char *h, const char *key)
{
    size_t n = strlen(key);
    char *e;

    for (; *h && *h != '\r' && *h != '\n'; h++) {
        if (strncasecmp(h, key, n) == 0 && h[n] == '=' && h[n + 1] == '"') {
            h += n + 2;
            e = strchr(h, '"');
            if (!e)
                return NULL;
            *e = 0;
            return h;
        }
    }
    return NULL;
}

static int checkAuth(rtsp_session *s, char *req)
{
    char *h = headerLine(req, "Authorization");
    char *user, *resp;
    FILE *f;
    char line[80];

    if (!h || strncasecmp(h, "Digest ", 7))
        return 0;
    resp = strcasestr(h, "response=");
    user = digestField(h, "username");
    if (!user)
        return 0;
    if (strlen(user) >= sizeof s->user)
        return 0;
    strcpy(s->user, user);
    if (strcmp(s->user, account.user) || !resp)
        return 0;
    resp = digestField(resp, "response");
    if (!resp || strlen(resp) != 32)
        return 0;
    /* the hash service leaves what it expects for this nonce */
    snprintf(line, sizeof line, "/tmp/auth/%s", s->nonce);
    f = fopen(line, "r");
    if (!f)
        return 0;
    line[0] = 0;
    fgets(line, sizeof line, f);
    fclose(f);
    line[strcspn(line, "\n")] = 0;
    return strcmp(line, resp) == 0;
}

static void onOptions(rtsp_session *s, int cseq, char *req)
{
    say(s, cseq, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n");
}

static void onDescribe(rtsp_session *s, int cseq, char *req)
{
    static const char sdp[] = "v=0\r\ns=cam\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    char ex[256];
    snprintf(ex, sizeof ex, "Content-Type: application/sdp\r\nContent-Length: %d\r\n", (int)sizeof sdp - 1);
    say(s, cseq, "200 OK", ex);
    send(s->fd, sdp, sizeof sdp - 1, MSG_NOSIGNAL);
}

static void onSetup(rtsp_session *s, int cseq, char *req)
{
    char ex[96], *t = headerLine(req, "Transport");
    if (!t || strncmp(t, "RTP/AVP", 7)) {
        say(s, cseq, "461 Unsupported Transport", "");
        return;
    }
    s->id = (unsigned)rand();
    snprintf(ex, sizeof ex, "Session: %08x;timeout=60\r\n", s->id);
    say(s, cseq, "200 OK", ex);
}

static void onPlay(rtsp_session *s, int cseq, char *req)
{
    s->playing = 1;
    fprintf(stderr, "rtspd: play for %s\n", s->user);
    say(s, cseq, "200 OK", "Range: npt=now-\r\n");
}

static void onTeardown(rtsp_session *s, int cseq, char *req)
{
    s->playing = 0;
    say(s, cseq, "200 OK", "");
}

static const rtsp_method methods[] = {
    { "OPTIONS",  0, onOptions },
    { "DESCRIBE", 1, onDescribe },
    { "SETUP",    1, onSetup },
    { "PLAY",     1, onPlay },
    { "TEARDOWN", 0, onTeardown },
    { NULL, 0, NULL }
};

static void request(rtsp_session *s, char *req)
{
    const rtsp_method *m;
    char ex[128], *c = headerLine(req, "CSeq");
    int cseq = c ? atoi(c) : 0;

    for (m = methods; m->name; m++) {
        size_t n = strlen(m->name);
        if (strncmp(req, m->name, n) || req[n] != ' ')
            continue;
        if (m->needAuth && !s->authed && !(s->authed = checkAuth(s, req))) {
            newNonce(s);
            snprintf(ex, sizeof ex, "WWW-Authenticate: Digest realm=\"cam\", nonce=\"%s\"\r\n", s->nonce);
            say(s, cseq, "401 Unauthorized", ex);
            return;
        }
        m->handler(s, cseq, req);
        return;
    }
    say(s, cseq, "405 Method Not Allowed", "");
}

/* -1: drop the session */
static int input(rtsp_session *s)
{
    char *end;
    int n = recv(s->fd, s->rx + s->rxlen, RX_SIZE - 1 - s->rxlen, 0);

    if (n <= 0)
        return -1;
    s->rxlen += n;
    s->rx[s->rxlen] = 0;
    s->last = time(NULL);
    while ((end = strstr(s->rx, "\r\n\r\n")) != NULL) {
        int used = end + 4 - s->rx;
        end[2] = 0;
        request(s, s->rx);
        memmove(s->rx, s->rx + used, s->rxlen - used + 1);
        s->rxlen -= used;
    }
    return s->rxlen >= RX_SIZE - 1 ? -1 : 0;
}

static void drop(int i)
{
    close(sess[i]->fd);
    free(sess[i]);
    sess[i] = NULL;
}

int main(void)
{
    struct sockaddr_in a;
    int ls, i, n, c, one = 1;

    srand(time(NULL));
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(RTSP_PORT);
    if (bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 4))
        return 1;
    for (;;) {
        struct pollfd pf[MAX_SESS + 1];
        int idx[MAX_SESS + 1];
        pf[0].fd = ls;
        pf[0].events = POLLIN;
        for (i = 0, n = 1; i < MAX_SESS; i++)
            if (sess[i]) {
                pf[n].fd = sess[i]->fd;
                pf[n].events = POLLIN;
                idx[n++] = i;
            }
        if (poll(pf, n, 5000) < 0)
            continue;
        for (i = 1; i < n; i++) {
            if ((pf[i].revents && input(sess[idx[i]]) < 0) ||
                time(NULL) - sess[idx[i]]->last > 60)
                drop(idx[i]);
        }
        if (pf[0].revents & POLLIN) {
            c = accept(ls, NULL, NULL);
            for (i = 0; c >= 0 && i < MAX_SESS && sess[i]; i++)
                ;
            if (c < 0)
                continue;
            if (i == MAX_SESS || !(sess[i] = calloc(1, sizeof(rtsp_session)))) {
                close(c);
                continue;
            }
            sess[i]->fd = c;
            sess[i]->last = time(NULL);
        }
    }
}
