/*
 * rtspd - RTSP control connection of an IP camera
 * One thread per client, the socket is read line by line through stdio.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RTSP_PORT 554
#define MAX_CLIENTS 8

enum { M_OPTIONS, M_DESCRIBE, M_SETUP, M_PLAY, M_TEARDOWN, M_COUNT };

typedef struct {
    FILE *in;
    int fd;
    int cseq;
    int authed;
    int playing;
    unsigned session;
    char nonce[20];
    int rtp_port;
    char track[32];
} client_t;

typedef struct {
    char user[32];
    char hash[33];
    int level;
} account_t;

static const account_t accounts[] = {
    { "admin",  "5c1ff2a1e0c4b2f6a7d80d14fe3b9a02", 2 },
    { "viewer", "0b3ee5d7c9f81246a1b2c3d4e5f60718", 1 },
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int n_clients;
static unsigned long n_denied;

static void log_access(const char *what, const char *who)
{
    char ts[24];
    struct tm tm;
    time_t now = time(NULL);

    localtime_r(&now, &tm);
    strftime(ts, sizeof ts, "%F %T", &tm);
    fprintf(stderr, "[%s] rtspd: %s %.40s\n", ts, what, who);
}

static void send_status(client_t *c, int code, const char *text, const char *extra)
{
    char out[512];
    int n;

    n = snprintf(out, sizeof out, "RTSP/1.0 %d %s\r\nCSeq: %d\r\n%s\r\n",
                 code, text, c->cseq, extra ? extra : "");
    if (n > 0 && n < (int)sizeof out)
        send(c->fd, out, (size_t)n, MSG_NOSIGNAL);
}

/* short keyed hash over the account's secret and the nonce (FNV-1a) */
static uint32_t mix(uint32_t h, const char *s)
{
    while (*s) {
        h ^= (unsigned char)*s++;
        h *= 16777619u;
    }
    return h;
}

static int response_ok(const account_t *a, const client_t *c, const char *resp)
{
    char want[9];
    uint32_t h = 2166136261u;

    h = mix(h, a->hash);
    h = mix(h, ":");
    h = mix(h, c->nonce);
    snprintf(want, sizeof want, "%08x", h);
    return strcasecmp(want, resp) == 0;
}

/* Authorization: Digest username="x", realm="cam", nonce="..", response=".." */
static void hdr_authorization(client_t *c, const char *value)
{
    char user[32], resp[40];
    const char *p;
    size_t i;

    c->authed = 0;
    if (strncasecmp(value, "Digest ", 7) != 0)
        return;
    p = strcasestr(value, "username=\"");
    if (!p || sscanf(p + 10, "%[^\"]", user) != 1)
        return;
    p = strcasestr(value, "response=\"");
    if (!p || sscanf(p + 10, "%39[0-9a-fA-F]", resp) != 1)
        return;
    for (i = 0; i < sizeof accounts / sizeof accounts[0]; i++)
        if (strcmp(accounts[i].user, user) == 0 && response_ok(&accounts[i], c, resp)) {
            c->authed = accounts[i].level;
            return;
        }
    log_access("denied", user);
    pthread_mutex_lock(&lock);
    n_denied++;
    pthread_mutex_unlock(&lock);
}

static void hdr_cseq(client_t *c, const char *value)
{
    c->cseq = atoi(value);
}

static void hdr_transport(client_t *c, const char *value)
{
    const char *p = strstr(value, "client_port=");
    int port;

    if (p && sscanf(p + 12, "%d", &port) == 1 && port > 1023 && port < 65535)
        c->rtp_port = port;
}

static const struct {
    const char *name;
    void (*fn)(client_t *, const char *);
} headers[] = {
    { "CSeq:", hdr_cseq },
    { "Authorization:", hdr_authorization },
    { "Transport:", hdr_transport },
};

static int m_options(client_t *c)
{
    send_status(c, 200, "OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n");
    return 0;
}

static int m_describe(client_t *c)
{
    static const char sdp[] = "v=0\r\ns=cam\r\nm=video 0 RTP/AVP 96\r\n";
    char extra[96];

    snprintf(extra, sizeof extra, "Content-Type: application/sdp\r\nContent-Length: %zu\r\n",
             sizeof sdp - 1);
    send_status(c, 200, "OK", extra);
    send(c->fd, sdp, sizeof sdp - 1, MSG_NOSIGNAL);
    return 0;
}

static int m_setup(client_t *c)
{
    char extra[160];

    if (!c->rtp_port) {
        send_status(c, 461, "Unsupported Transport", NULL);
        return 0;
    }
    c->session = (unsigned)random();
    snprintf(extra, sizeof extra, "Session: %08x\r\nTransport: RTP/AVP;unicast;client_port=%d\r\n",
             c->session, c->rtp_port);
    send_status(c, 200, "OK", extra);
    return 0;
}

static int m_play(client_t *c)
{
    c->playing = c->session != 0;
    log_access("play", c->track);
    send_status(c, c->playing ? 200 : 454, c->playing ? "OK" : "Session Not Found", NULL);
    return 0;
}

static int m_teardown(client_t *c)
{
    c->playing = 0;
    send_status(c, 200, "OK", NULL);
    return -1;
}

static const struct {
    const char *word;
    int level;
    int (*fn)(client_t *);
} methods[M_COUNT] = {
    [M_OPTIONS]  = { "OPTIONS",  0, m_options },
    [M_DESCRIBE] = { "DESCRIBE", 1, m_describe },
    [M_SETUP]    = { "SETUP",    1, m_setup },
    [M_PLAY]     = { "PLAY",     1, m_play },
    [M_TEARDOWN] = { "TEARDOWN", 0, m_teardown },
};

static int request(client_t *c, char **line, size_t *cap)
{
    char word[16], url[128];
    const char *slash;
    ssize_t n;
    size_t i;
    int m;

    if (getline(line, cap, c->in) <= 0)
        return -1;
    if (sscanf(*line, "%15s %127s", word, url) != 2)
        return -1;
    slash = strrchr(url, '/');
    snprintf(c->track, sizeof c->track, "%.31s", slash ? slash + 1 : "");
    while ((n = getline(line, cap, c->in)) > 0) {
        char *l = *line;

        while (n > 0 && (l[n - 1] == '\n' || l[n - 1] == '\r'))
            l[--n] = '\0';
        if (n == 0)
            break;
        for (i = 0; i < sizeof headers / sizeof headers[0]; i++) {
            size_t k = strlen(headers[i].name);

            if (strncasecmp(l, headers[i].name, k) == 0)
                headers[i].fn(c, l + k + strspn(l + k, " \t"));
        }
    }
    for (m = 0; m < M_COUNT; m++)
        if (strcmp(methods[m].word, word) == 0)
            break;
    if (m == M_COUNT) {
        send_status(c, 501, "Not Implemented", NULL);
        return 0;
    }
    if (c->authed < methods[m].level) {
        char extra[96];

        snprintf(extra, sizeof extra, "WWW-Authenticate: Digest realm=\"cam\", nonce=\"%s\"\r\n",
                 c->nonce);
        send_status(c, 401, "Unauthorized", extra);
        return 0;
    }
    return methods[m].fn(c);
}

static void *client_main(void *arg)
{
    client_t *c = arg;
    char *line = NULL;
    size_t cap = 0;

    c->in = fdopen(c->fd, "r");
    if (c->in) {
        while (request(c, &line, &cap) == 0)
            ;
        fclose(c->in);
    } else {
        close(c->fd);
    }
    free(line);
    free(c);
    pthread_mutex_lock(&lock);
    n_clients--;
    pthread_mutex_unlock(&lock);
    return NULL;
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(RTSP_PORT) };
    int ls = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    srandom((unsigned)time(NULL));
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 4) < 0) {
        perror("rtspd");
        return 1;
    }
    for (;;) {
        int fd = accept(ls, NULL, NULL), full;
        client_t *c;
        pthread_t t;

        if (fd < 0)
            continue;
        pthread_mutex_lock(&lock);
        full = n_clients >= MAX_CLIENTS;
        if (!full)
            n_clients++;
        pthread_mutex_unlock(&lock);
        c = full ? NULL : calloc(1, sizeof *c);
        if (!c) {
            close(fd);
            continue;
        }
        c->fd = fd;
        snprintf(c->nonce, sizeof c->nonce, "%08lx%08lx", random(), random());
        if (pthread_create(&t, NULL, client_main, c) == 0)
            pthread_detach(t);
    }
}
