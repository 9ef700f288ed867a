// signaged.c -- content service of the digital signage player
// SPDX-License-Identifier: LicenseRef-Vendor

#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;

enum { kQueueSize = 32, kUrlMax = 256, kRequestMax = 8192 };

struct item {
    char url[kUrlMax];
    int seconds;
    unsigned number;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct item ring[kQueueSize];
    unsigned head, tail;
    unsigned fetched, failed;
    unsigned next_number;
} content = { .lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER };

static int brightness = 80;

#define LOG(...) do { fprintf(stderr, "signaged: " __VA_ARGS__); fputc('\n', stderr); } while (0)

static int run(const char *fmt, ...)
{
    char *line = NULL;
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || (line = malloc((size_t)n + 1)) == NULL)
        return -1;
    va_start(ap, fmt);
    vsnprintf(line, (size_t)n + 1, fmt, ap);
    va_end(ap);
    int rc = system(line);
    free(line);
    return rc;
}

static int fetch(const struct item *it)
{
    return run("wget -q -T 30 -O /data/media/%05u.bin \"%s\"", it->number, it->url);
}

static void *fetcher(void *ignored)
{
    (void)ignored;
    for (;;) {
        struct item it;

        pthread_mutex_lock(&content.lock);
        while (content.head == content.tail)
            pthread_cond_wait(&content.filled, &content.lock);
        it = content.ring[content.tail % kQueueSize];
        content.tail++;
        pthread_mutex_unlock(&content.lock);

        time_t t0 = time(NULL);
        int rc = fetch(&it);
        LOG("item %u: rc %d after %ld s", it.number, rc, (long)(time(NULL) - t0));

        pthread_mutex_lock(&content.lock);
        if (rc == 0)
            content.fetched++;
        else
            content.failed++;
        pthread_mutex_unlock(&content.lock);
        if (rc == 0) {
            FILE *f = fopen("/data/playlist.txt", "a");
            if (f) {
                fprintf(f, "%05u %d\n", it.number, it.seconds);
                fclose(f);
            }
        }
    }
    return NULL;
}

static bool enqueue(const char *url, int seconds)
{
    bool ok = false;

    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return false;
    if (strchr(url, '"') != NULL)
        return false;
    pthread_mutex_lock(&content.lock);
    if (content.head - content.tail < kQueueSize) {
        struct item *it = &content.ring[content.head % kQueueSize];
        snprintf(it->url, sizeof(it->url), "%s", url);
        it->seconds = seconds;
        it->number = content.next_number++ % 100000;
        content.head++;
        pthread_cond_signal(&content.filled);
        ok = true;
    }
    pthread_mutex_unlock(&content.lock);
    return ok;
}

// ------------------------------------------------------------------ JSON

struct cursor {
    const char *p;
};

static void skip_blank(struct cursor *c)
{
    while (isspace((unsigned char)*c->p))
        c->p++;
}

static bool accept_char(struct cursor *c, char ch)
{
    skip_blank(c);
    if (*c->p != ch)
        return false;
    c->p++;
    return true;
}

static bool get_string(struct cursor *c, char *out, size_t size)
{
    size_t n = 0;

    if (!accept_char(c, '"'))
        return false;
    while (*c->p && *c->p != '"') {
        char ch = *c->p++;
        if (ch == '\\') {
            ch = *c->p++;
            if (ch == 'n')
                ch = '\n';
            else if (ch == 't')
                ch = '\t';
            else if (ch == '\0')
                return false;
        }
        if (n + 1 >= size)
            return false;
        out[n++] = ch;
    }
    out[n] = '\0';
    return accept_char(c, '"');
}

static bool get_number(struct cursor *c, int *out)
{
    char *end;

    skip_blank(c);
    *out = (int)strtol(c->p, &end, 10);
    if (end == c->p)
        return false;
    c->p = end;
    return true;
}

// [ {"url": "...", "secs": 10}, ... ]
static int parse_playlist(const char *text)
{
    struct cursor c = { text };
    int count = 0;

    if (!accept_char(&c, '['))
        return -1;
    while (accept_char(&c, '{')) {
        char key[16], url[kUrlMax] = "";
        int secs = 10;

        do {
            if (!get_string(&c, key, sizeof(key)) || !accept_char(&c, ':'))
                return -1;
            if (strcmp(key, "url") == 0) {
                if (!get_string(&c, url, sizeof(url)))
                    return -1;
            } else if (strcmp(key, "secs") == 0) {
                if (!get_number(&c, &secs) || secs < 1 || secs > 3600)
                    return -1;
            } else {
                return -1;
            }
        } while (accept_char(&c, ','));
        if (!accept_char(&c, '}') || !enqueue(url, secs))
            return -1;
        count++;
        if (!accept_char(&c, ','))
            break;
    }
    return accept_char(&c, ']') ? count : -1;
}

// ------------------------------------------------------------------ HTTP

static void answer(int fd, int code, const char *fmt, ...)
{
    char body[256], head[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(body, sizeof(body), fmt, ap);
    va_end(ap);
    snprintf(head, sizeof(head), "HTTP/1.0 %d %s\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n", code, code == 200 ? "OK" : "Error", strlen(body));
    send(fd, head, strlen(head), MSG_NOSIGNAL);
    send(fd, body, strlen(body), MSG_NOSIGNAL);
}

static void post_playlist(int fd, const char *body)
{
    int n = parse_playlist(body);

    if (n < 0)
        answer(fd, 400, "{\"error\":\"playlist\"}");
    else
        answer(fd, 200, "{\"queued\":%d}", n);
}

static void post_brightness(int fd, const char *body)
{
    int v = atoi(body);

    if (v < 0 || v > 100) {
        answer(fd, 400, "{\"error\":\"range\"}");
        return;
    }
    brightness = v;
    FILE *f = fopen("/sys/class/backlight/lvds/brightness", "w");
    if (f) {
        fprintf(f, "%d\n", v);
        fclose(f);
    }
    answer(fd, 200, "{}");
}

static void get_status(int fd, const char *body)
{
    (void)body;
    pthread_mutex_lock(&content.lock);
    unsigned w = content.head - content.tail, ok = content.fetched, bad = content.failed;
    pthread_mutex_unlock(&content.lock);
    answer(fd, 200, "{\"waiting\":%u,\"fetched\":%u,\"failed\":%u,\"brightness\":%d}", w, ok, bad, brightness);
}

static const struct route {
    const char *method, *path;
    void (*handler)(int, const char *);
} routes[] = {
    { "POST", "/api/playlist",   post_playlist },
    { "POST", "/api/brightness", post_brightness },
    { "GET",  "/api/status",     get_status },
};

static void serve(int fd)
{
    static char req[kRequestMax + 1];
    size_t got = 0, need = 0;
    char *body = NULL, method[8], path[64];

    while (got < kRequestMax) {
        ssize_t n = recv(fd, req + got, kRequestMax - got, 0);
        if (n <= 0)
            break;
        got += (size_t)n;
        req[got] = '\0';
        if (body == NULL && (body = strstr(req, "\r\n\r\n")) != NULL) {
            char *cl = strcasestr(req, "\r\nContent-Length:");
            body += 4;
            need = cl ? strtoul(cl + 17, NULL, 10) : 0;
        }
        if (body != NULL && got - (size_t)(body - req) >= need)
            break;
    }
    if (body == NULL || sscanf(req, "%7s %63s", method, path) != 2) {
        answer(fd, 400, "{\"error\":\"request\"}");
        return;
    }
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (!strcmp(routes[i].method, method) && !strcmp(routes[i].path, path)) {
            routes[i].handler(fd, body);
            return;
        }
    answer(fd, 404, "{\"error\":\"path\"}");
}

int main(void)
{
    const char *env = getenv("SIGNAGE_PORT");
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(env ? (uint16_t)atoi(env) : 8085) };
    pthread_t tid;
    int ls, on = 1;

    signal(SIGPIPE, SIG_IGN);
    pthread_create(&tid, NULL, fetcher, NULL);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 5) < 0) {
        LOG("bind: %s", strerror(errno));
        return 1;
    }
    for (;;) {
        struct timeval tv = { 10, 0 };
        int fd = accept(ls, NULL, NULL);

        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        serve(fd);
        close(fd);
    }
}
