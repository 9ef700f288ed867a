/*
 * confd/roster.c - conference room phone: roster of participants pushed by
 * the bridge as XML over HTTP, shown on the display by the UI thread.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define PUSH_PORT   8480
#define NAME_SZ     40
#define ROLE_SZ     16
#define DISPLAY_W   24
#define REQ_SZ      12288

#define DBG(lvl, ...) \
    do { if ((lvl) <= debug_level) { fprintf(stderr, "confd: " __VA_ARGS__); \
         fputc('\n', stderr); } } while (0)

typedef struct participant participant_t;
struct participant {
    participant_t *next;
    char  name[NAME_SZ];
    char  role[ROLE_SZ];
    int   muted;
    int   speaking;
    void (*paint)(const participant_t *, char *row, size_t w);
};

typedef struct {
    char            title[64];
    participant_t  *first;
    int             count;
    unsigned        revision;
    time_t          started;
    pthread_mutex_t lock;
} roster_t;

static roster_t roster = { .lock = PTHREAD_MUTEX_INITIALIZER };
static int debug_level = 1;
static volatile int ring_volume = 5;

static void paint_plain(const participant_t *p, char *row, size_t w)
{
    snprintf(row, w, "%c %-.20s", p->muted ? 'x' : ' ', p->name);
}

static void paint_host(const participant_t *p, char *row, size_t w)
{
    snprintf(row, w, "* %-.20s", p->name);
}

/* Finds <tag>text</tag> in [s, end) and copies the text, cut to cap - 1.
 * Returns the place behind the closing tag or NULL. */
static const char *xml_elem(const char *s, const char *end, const char *tag,
                            char *out, size_t cap)
{
    char open[32], close_[32];
    const char *b, *e;
    size_t n;

    snprintf(open, sizeof open, "<%s>", tag);
    snprintf(close_, sizeof close_, "</%s>", tag);
    b = strstr(s, open);
    if (!b || b >= end)
        return NULL;
    b += strlen(open);
    e = strstr(b, close_);
    if (!e || e > end)
        return NULL;
    n = (size_t)(e - b);
    if (n >= cap)
        n = cap - 1;
    memcpy(out, b, n);
    out[n] = '\0';
    return e + strlen(close_);
}

/* &amp; &lt; &gt; &quot; in place, text only gets shorter */
static void xml_unescape(char *s)
{
    static const struct { const char *ent; int len; char c; } map[] = {
        { "&amp;", 5, '&' }, { "&lt;", 4, '<' }, { "&gt;", 4, '>' }, { "&quot;", 6, '"' },
    };
    char *d = s;

    while (*s) {
        unsigned i;

        for (i = 0; i < 4; i++)
            if (!strncmp(s, map[i].ent, map[i].len))
                break;
        if (i < 4) {
            *d++ = map[i].c;
            s += map[i].len;
        } else {
            *d++ = *s++;
        }
    }
    *d = '\0';
}

static void roster_clear(void)
{
    participant_t *p;

    while ((p = roster.first) != NULL) {
        roster.first = p->next;
        free(p);
    }
    roster.count = 0;
}

static void participant_add(const char *xml, const char *end)
{
    char text[256];
    participant_t *p = calloc(1, sizeof *p);

    if (!p)
        return;
    p->paint = paint_plain;
    if (xml_elem(xml, end, "Role", text, sizeof text)) {
        snprintf(p->role, sizeof p->role, "%s", text);
        if (!strcasecmp(p->role, "host"))
            p->paint = paint_host;
    }
    if (xml_elem(xml, end, "Muted", text, sizeof text))
        p->muted = !strcmp(text, "true");
    if (!xml_elem(xml, end, "DisplayName", text, sizeof text)) {
        free(p);
        return;
    }
    xml_unescape(text);
    strcpy(p->name, text);
    p->next = roster.first;
    roster.first = p;
    roster.count++;
}

static int push_roster(const char *xml)
{
    const char *s = xml, *b, *e;
    const char *end = xml + strlen(xml);

    pthread_mutex_lock(&roster.lock);
    roster_clear();
    if (!xml_elem(xml, end, "Title", roster.title, sizeof roster.title))
        strcpy(roster.title, "Conference");
    while ((b = strstr(s, "<Participant>")) != NULL) {
        e = strstr(b, "</Participant>");
        if (!e)
            break;
        if (roster.count < 50)
            participant_add(b, e);
        s = e + 14;
    }
    roster.revision++;
    if (!roster.started)
        roster.started = time(NULL);
    DBG(1, "roster %u with %d participants", roster.revision, roster.count);
    pthread_mutex_unlock(&roster.lock);
    return 200;
}

static int push_volume(const char *xml)
{
    char v[16];

    if (!xml_elem(xml, xml + strlen(xml), "Level", v, sizeof v))
        return 400;
    ring_volume = atoi(v) % 11;
    return 200;
}

static int push_end(const char *xml)
{
    (void)xml;
    pthread_mutex_lock(&roster.lock);
    roster_clear();
    roster.started = 0;
    roster.revision++;
    pthread_mutex_unlock(&roster.lock);
    return 200;
}

static const struct {
    const char *root;
    int (*fn)(const char *);
} pushes[] = {
    { "<ConferenceRoster>", push_roster },
    { "<PhoneVolume>", push_volume },
    { "<ConferenceEnd>", push_end },
};

static int dispatch(const char *xml)
{
    unsigned i;

    for (i = 0; i < sizeof pushes / sizeof pushes[0]; i++)
        if (strstr(xml, pushes[i].root))
            return pushes[i].fn(xml);
    return 422;
}

static void *ui_thread(void *arg)
{
    unsigned seen = 0;
    FILE *fb = fopen("/dev/lcd0", "w");

    (void)arg;
    for (;;) {
        participant_t *p;
        char row[DISPLAY_W + 1];

        usleep(250000);
        pthread_mutex_lock(&roster.lock);
        if (roster.revision != seen && fb) {
            seen = roster.revision;
            fprintf(fb, "\f%.24s\n", roster.title);
            for (p = roster.first; p; p = p->next) {
                p->paint(p, row, sizeof row);
                fprintf(fb, "%s\n", row);
            }
            fflush(fb);
        }
        pthread_mutex_unlock(&roster.lock);
    }
    return NULL;
}

static void serve(int fd)
{
    char *req = malloc(REQ_SZ), *body = NULL, *cl, out[64];
    size_t got = 0, need = 0;
    int code = 400, n;

    if (!req)
        return;
    while (got < REQ_SZ - 1) {
        ssize_t r = recv(fd, req + got, REQ_SZ - 1 - got, 0);

        if (r <= 0)
            break;
        got += (size_t)r;
        req[got] = '\0';
        if (!body && (body = strstr(req, "\r\n\r\n")) != NULL) {
            body += 4;
            cl = strstr(req, "Content-Length:");
            need = cl ? strtoul(cl + 15, NULL, 10) : 0;
        }
        if (body && got - (size_t)(body - req) >= need)
            break;
    }
    if (body && !strncmp(req, "POST /push", 10))
        code = dispatch(body);
    n = snprintf(out, sizeof out, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", code);
    send(fd, out, (size_t)n, MSG_NOSIGNAL);
    free(req);
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { 0 };
    pthread_t ui;
    int ls, fd, on = 1, opt;

    while ((opt = getopt(argc, argv, "d:")) != -1)
        if (opt == 'd')
            debug_level = atoi(optarg);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    a.sin_family = AF_INET;
    a.sin_port = htons(PUSH_PORT);
    if (bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 4)) {
        perror("confd");
        return 1;
    }
    pthread_create(&ui, NULL, ui_thread, NULL);
    while ((fd = accept(ls, NULL, NULL)) >= 0) {
        struct timeval tv = { 8, 0 };

        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        serve(fd);
        close(fd);
    }
    return 0;
}
