/* Admin pages of the gateway: a very small HTTP server.
 * Sessions by cookie, settings read from /etc/gwadmin.conf. */

#include <ctype.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SESS     16
#define SESS_KEY_LEN 32
#define LINE_LEN     1024

struct Config {
    int  port;
    int  idle;
    char title[64];
};

struct Session {
    char   key[SESS_KEY_LEN + 1];
    time_t used;
    int    level;
};

struct Http {
    FILE *f;
    char  method[8];
    char  path[256];
    char  cookie[SESS_KEY_LEN + 1];
    char  agent[64];
    long  length;
    struct Session *sess;
};

static struct Config  conf = { 8081, 600, "Gateway" };
static struct Session sessions[MAX_SESS];

static void ReadConfig(const char *file)
{
    char  line[128];
    FILE *f = fopen(file, "r");

    if (f == NULL)
        return;
    while (fgets(line, sizeof(line), f)) {
        char *k = strtok(line, " =\t\r\n");
        char *v = strtok(NULL, "=\r\n");

        if (k == NULL || v == NULL || *k == '#')
            continue;
        if (!strcmp(k, "port"))
            conf.port = atoi(v);
        else if (!strcmp(k, "idle"))
            conf.idle = atoi(v);
        else if (!strcmp(k, "title"))
            snprintf(conf.title, sizeof(conf.title), "%s", v);
    }
    fclose(f);
}

static struct Session *FindSession(const char *key)
{
    int i;

    if (*key == '\0')
        return NULL;
    for (i = 0; i < MAX_SESS; i++)
        if (sessions[i].used && !strcmp(sessions[i].key, key))
            return &sessions[i];
    return NULL;
}

static struct Session *NewSession(void)
{
    static const char hex[] = "0123456789abcdef";
    int i, oldest = 0;
    FILE *r;
    unsigned char raw[SESS_KEY_LEN];

    for (i = 1; i < MAX_SESS; i++)
        if (sessions[i].used < sessions[oldest].used)
            oldest = i;
    r = fopen("/dev/urandom", "r");
    if (r == NULL)
        return NULL;
    if (fread(raw, 1, sizeof(raw), r) != sizeof(raw)) {
        fclose(r);
        return NULL;
    }
    fclose(r);
    for (i = 0; i < SESS_KEY_LEN; i++)
        sessions[oldest].key[i] = hex[raw[i] & 15];
    sessions[oldest].key[SESS_KEY_LEN] = '\0';
    sessions[oldest].used = time(NULL);
    sessions[oldest].level = 0;
    return &sessions[oldest];
}

static void ExpireSessions(void)
{
    time_t now = time(NULL);
    int i;

    for (i = 0; i < MAX_SESS; i++)
        if (sessions[i].used && now - sessions[i].used > conf.idle)
            memset(&sessions[i], 0, sizeof(sessions[i]));
}

/* Cookie: a=b; SID=<key>; c=d */
static void CookieHeader(struct Http *h, const char *text)
{
    char   sid[SESS_KEY_LEN + 1];
    size_t n = 0;

    while (*text) {
        while (*text == ' ' || *text == ';')
            text++;
        if (strncmp(text, "SID=", 4) != 0) {
            while (*text && *text != ';')
                text++;
            continue;
        }
        text += 4;
        while (*text && *text != ';' && *text != ' ') {
#ifdef BENIGN
            if (n == SESS_KEY_LEN)
#else
            if (n == LINE_LEN)
#endif
                return;
            sid[n++] = (char)tolower((unsigned char)*text++);
        }
        sid[n] = '\0';
        snprintf(h->cookie, sizeof(h->cookie), "%s", sid);
        return;
    }
}

static void AgentHeader(struct Http *h, const char *text)
{
    size_t n = strlen(text);

    if (n > sizeof(h->agent) - 1)
        n = sizeof(h->agent) - 1;
    memcpy(h->agent, text, n);
    h->agent[n] = '\0';
}

static void LengthHeader(struct Http *h, const char *text)
{
    h->length = strtol(text, NULL, 10);
}

static const struct {
    const char *name;
    void (*take)(struct Http *, const char *);
} headers[] = {
    { "Cookie",         CookieHeader },
    { "User-Agent",     AgentHeader },
    { "Content-Length", LengthHeader },
};

static void Head(struct Http *h, int code, const char *extra)
{
    fprintf(h->f, "HTTP/1.0 %d x\r\nServer: gwadmin\r\n%sContent-Type: text/html\r\n\r\n", code, extra);
}

static void PageHome(struct Http *h)
{
    Head(h, 200, "");
    fprintf(h->f, "<h1>%s</h1><p>level %d\n", conf.title, h->sess ? h->sess->level : -1);
}

static void PageLogin(struct Http *h)
{
    struct Session *s = NewSession();
    char extra[96];

    if (s == NULL) {
        Head(h, 500, "");
        return;
    }
    snprintf(extra, sizeof(extra), "Set-Cookie: SID=%s\r\n", s->key);
    Head(h, 200, extra);
    fprintf(h->f, "<p>welcome\n");
}

static void PageLogout(struct Http *h)
{
    if (h->sess)
        memset(h->sess, 0, sizeof(*h->sess));
    Head(h, 200, "");
}

static void PageStatus(struct Http *h)
{
    int i, n = 0;

    for (i = 0; i < MAX_SESS; i++)
        n += sessions[i].used != 0;
    Head(h, 200, "");
    fprintf(h->f, "{\"sessions\":%d,\"idle\":%d}\n", n, conf.idle);
}

static const struct {
    const char *path;
    void (*show)(struct Http *);
} pages[] = {
    { "/",       PageHome },
    { "/login",  PageLogin },
    { "/logout", PageLogout },
    { "/status", PageStatus },
};

static int ReadRequest(struct Http *h)
{
    char   line[LINE_LEN];
    size_t i;

    if (!fgets(line, sizeof(line), h->f))
        return -1;
    if (sscanf(line, "%7s %255s", h->method, h->path) != 2)
        return -1;
    while (fgets(line, sizeof(line), h->f)) {
        char *colon;

        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] == '\0')
            return 0;
        colon = strchr(line, ':');
        if (colon == NULL)
            continue;
        *colon++ = '\0';
        while (*colon == ' ')
            colon++;
        for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
            if (!strcasecmp(headers[i].name, line))
                headers[i].take(h, colon);
    }
    return -1;
}

static void Serve(int fd)
{
    struct Http h;
    size_t i;

    memset(&h, 0, sizeof(h));
    h.f = fdopen(fd, "r+");
    if (h.f == NULL) {
        close(fd);
        return;
    }
    if (ReadRequest(&h) == 0) {
        h.sess = FindSession(h.cookie);
        if (h.sess)
            h.sess->used = time(NULL);
        for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
            if (!strcmp(pages[i].path, h.path))
                break;
        if (i < sizeof(pages) / sizeof(pages[0]))
            pages[i].show(&h);
        else
            Head(&h, 404, "");
    }
    fclose(h.f);
}

int main(int argc, char **argv)
{
    struct sockaddr_in a;
    int s, c, one = 1;

    ReadConfig(argc > 1 ? argv[1] : "/etc/gwadmin.conf");
    signal(SIGPIPE, SIG_IGN);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons((unsigned short)conf.port);
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 5) < 0) {
        perror("gwadmin");
        return 1;
    }
    for (;;) {
        c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        ExpireSessions();
        Serve(c);
    }
}
