/*
 * castd - wireless presentation box
 *
 * Laptops and phones PUT single slides (JPEG, PNG or raw RGB565) to /slide;
 * the body may come with Content-Length or in chunks.  The newest slide
 * of the presenter who holds the floor is shown.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdarg.h>
#include <errno.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SLIDE_MAX   65536
#define FLOOR_SECS  120

typedef struct slide {
    uint8_t  data[SLIDE_MAX];
    size_t   len;
    int      format;
    in_addr_t owner;
    void   (*release)(struct slide *);
} slide_t;

typedef struct {
    int       fd;
    in_addr_t peer;
    char      inbuf[2048];
    size_t    pos, fill;
} client_t;

static pthread_mutex_t stage_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  stage_cond = PTHREAD_COND_INITIALIZER;
static slide_t  *next_slide;
static in_addr_t floor_owner;
static time_t    floor_until;
static unsigned  shown, dropped;

static void say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fprintf(stderr, "castd[%ld]: ", (long)time(NULL));
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

static void slide_release(slide_t *s)
{
    free(s);
}

/* -------------------------------------------------------------- display */

static int to_file(const slide_t *s, const char *name)
{
    FILE *f = fopen(name, "wb");
    size_t n;

    if (!f)
        return -1;
    n = fwrite(s->data, 1, s->len, f);
    return fclose(f) == 0 && n == s->len ? 0 : -1;
}

static int show_jpeg(const slide_t *s) { return to_file(s, "/run/cast/frame.jpg"); }
static int show_png(const slide_t *s)  { return to_file(s, "/run/cast/frame.png"); }
static int show_raw(const slide_t *s)  { return to_file(s, "/dev/fb0"); }

static const struct {
    const char *mime;
    uint8_t     sig[2];
    int       (*show)(const slide_t *);
} decoders[] = {
    { "image/jpeg", { 0xff, 0xd8 }, show_jpeg },
    { "image/png",  { 0x89, 0x50 }, show_png },
    { "image/raw",  { 0, 0 },       show_raw },
};
#define NDEC (int)(sizeof decoders / sizeof decoders[0])

static void *presenter(void *arg)
{
    (void)arg;
    for (;;) {
        slide_t *s;

        pthread_mutex_lock(&stage_lock);
        while (!next_slide)
            pthread_cond_wait(&stage_cond, &stage_lock);
        s = next_slide;
        next_slide = NULL;
        pthread_mutex_unlock(&stage_lock);

        if (decoders[s->format].sig[0] && memcmp(s->data, decoders[s->format].sig, 2) != 0)
            dropped++;
        else if (decoders[s->format].show(s) == 0)
            shown++;
        s->release(s);
    }
    return NULL;
}

/* the floor is kept for two minutes after the last slide */
static bool take_floor(in_addr_t who)
{
    time_t now = time(NULL);
    bool mine;

    pthread_mutex_lock(&stage_lock);
    mine = floor_owner == who || now >= floor_until;
    if (mine) {
        floor_owner = who;
        floor_until = now + FLOOR_SECS;
    }
    pthread_mutex_unlock(&stage_lock);
    return mine;
}

static void stage(slide_t *s)
{
    pthread_mutex_lock(&stage_lock);
    if (next_slide) {
        dropped++;
        next_slide->release(next_slide);
    }
    next_slide = s;
    pthread_cond_signal(&stage_cond);
    pthread_mutex_unlock(&stage_lock);
}

/* ---------------------------------------------------------------- input */

static int fill(client_t *c)
{
    ssize_t n = recv(c->fd, c->inbuf, sizeof c->inbuf, 0);

    if (n <= 0)
        return -1;
    c->pos = 0;
    c->fill = (size_t)n;
    return 0;
}

static int get_line(client_t *c, char *line, size_t size)
{
    size_t n = 0;

    for (;;) {
        char ch;

        if (c->pos == c->fill && fill(c) < 0)
            return -1;
        ch = c->inbuf[c->pos++];
        if (ch == '\n')
            break;
        if (ch != '\r' && n + 1 < size)
            line[n++] = ch;
    }
    line[n] = '\0';
    return (int)n;
}

static int get_bytes(client_t *c, uint8_t *dst, size_t want)
{
    while (want > 0) {
        size_t have = c->fill - c->pos;

        if (have > 0) {
            if (have > want)
                have = want;
            memcpy(dst, c->inbuf + c->pos, have);
            c->pos += have;
        } else {
            ssize_t n = recv(c->fd, dst, want, 0);
            if (n <= 0)
                return -1;
            have = (size_t)n;
        }
        dst += have;
        want -= have;
    }
    return 0;
}

static int body_plain(client_t *c, slide_t *s, unsigned long len)
{
    if (len == 0 || len > SLIDE_MAX)
        return 413;
    if (get_bytes(c, s->data, len) < 0)
        return 400;
    s->len = len;
    return 0;
}

static int body_chunked(client_t *c, slide_t *s)
{
    char line[64], *end;
    unsigned long n;

    s->len = 0;
    for (;;) {
        if (get_line(c, line, sizeof line) <= 0)
            return 400;
        n = strtoul(line, &end, 16);
        if (end == line)
            return 400;
        if (n == 0)
            break;
        if (n > SLIDE_MAX)
            return 413;
        if (get_bytes(c, s->data + s->len, n) < 0)
            return 400;
        s->len += n;
        if (get_line(c, line, sizeof line) != 0)
            return 400;
    }
    while (get_line(c, line, sizeof line) > 0)
        ;
    return s->len ? 0 : 400;
}

static void status(client_t *c, int code)
{
    char r[128];
    int n = snprintf(r, sizeof r, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                     code, code == 200 ? "OK" : "Refused");

    send(c->fd, r, (size_t)n, MSG_NOSIGNAL);
}

static int put_slide(client_t *c, int format, bool chunked, unsigned long len)
{
    slide_t *s;
    int rc;

    if (!take_floor(c->peer))
        return 423;
    s = calloc(1, sizeof *s);
    if (!s)
        return 503;
    s->format = format;
    s->owner = c->peer;
    s->release = slide_release;
    rc = chunked ? body_chunked(c, s) : body_plain(c, s, len);
    if (rc != 0) {
        s->release(s);
        return rc;
    }
    stage(s);
    return 200;
}

static void *client_main(void *arg)
{
    client_t *c = arg;
    struct timeval tv = { 15, 0 };
    char line[256], method[8] = "", path[64] = "";
    unsigned long len = 0;
    bool chunked = false;
    int format = 0, code, i;

    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    if (get_line(c, line, sizeof line) <= 0 || sscanf(line, "%7s %63s", method, path) != 2)
        goto out;
    while (get_line(c, line, sizeof line) > 0) {
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            len = strtoul(line + 15, NULL, 10);
        else if (strncasecmp(line, "Transfer-Encoding:", 18) == 0)
            chunked = strstr(line + 18, "chunked") != NULL;
        else if (strncasecmp(line, "Content-Type:", 13) == 0)
            for (i = 0; i < NDEC; i++)
                if (strstr(line + 13, decoders[i].mime))
                    format = i;
    }
    if (!strcmp(method, "PUT") && !strcmp(path, "/slide"))
        code = put_slide(c, format, chunked, len);
    else if (!strcmp(method, "GET") && !strcmp(path, "/floor"))
        code = take_floor(c->peer) ? 200 : 423;
    else
        code = 404;
    status(c, code);
    say("%s %s: %d (%u shown, %u dropped)", method, path, code, shown, dropped);
out:
    close(c->fd);
    free(c);
    return NULL;
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(8008) };
    pthread_t t;
    int ls, on = 1;

    signal(SIGPIPE, SIG_IGN);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 8) < 0) {
        say("bind: %s", strerror(errno));
        return 1;
    }
    pthread_create(&t, NULL, presenter, NULL);
    for (;;) {
        struct sockaddr_in peer;
        socklen_t pl = sizeof peer;
        client_t *c = calloc(1, sizeof *c);

        if (!c)
            return 1;
        c->fd = accept(ls, (struct sockaddr *)&peer, &pl);
        if (c->fd < 0) {
            free(c);
            continue;
        }
        c->peer = peer.sin_addr.s_addr;
        if (pthread_create(&t, NULL, client_main, c) != 0) {
            close(c->fd);
            free(c);
            continue;
        }
        pthread_detach(t);
    }
}
