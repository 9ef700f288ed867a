#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

/*
 * parkcamd: overlay and barrier interface of the car park camera PC-7
 *
 *   GET /api/overlay?plate=..&lane=..&note=..   text burnt into the picture
 *   GET /api/barrier?open=1                     opens the barrier for a while
 *   GET /api/ir?level=0..100                    infrared lamp
 *   GET /api/status
 */

#define LISTEN_PORT 8181
#define OSD_PIPE    "/tmp/osd.fifo"

struct overlay {
    char   plate[64];
    char   lane[64];
    char   note[128];
    bool   changed;
    time_t updated;
    unsigned serial;
};

struct request {
    char  path[64];
    char  query[768];
};

static struct overlay *ov;
static pthread_mutex_t ov_mutex = PTHREAD_MUTEX_INITIALIZER;
static time_t barrier_close_at;
static int ir_level = 40;

/* ------------------------------------------------------------------ utils */

static int unhex(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* value of a query parameter, decoded and cut to size; false when absent */
static bool get_param(const struct request *rq, const char *name, char *out, size_t size)
{
    const char *p = rq->query;
    size_t nl = strlen(name), n = 0;

    while (*p) {
        if (!strncmp(p, name, nl) && p[nl] == '=') {
            for (p += nl + 1; *p && *p != '&' && n + 1 < size; p++) {
                char c = *p;

                if (c == '+')
                    c = ' ';
                else if (c == '%' && unhex(p[1]) >= 0 && unhex(p[2]) >= 0) {
                    c = (char)(unhex(p[1]) << 4 | unhex(p[2]));
                    p += 2;
                }
                if ((unsigned char)c >= ' ')
                    out[n++] = c;
            }
            out[n] = '\0';
            return true;
        }
        p = strchr(p, '&');
        if (!p)
            break;
        p++;
    }
    return false;
}

static void respond(int fd, int code, const char *json)
{
    char buf[512];

    snprintf(buf, sizeof(buf), "HTTP/1.0 %d x\r\nContent-Type: application/json\r\n"
             "Content-Length: %d\r\n\r\n%s", code, (int)strlen(json), json);
    send(fd, buf, strlen(buf), MSG_NOSIGNAL);
}

static void gpio(const char *name, int value)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof(path), "/dev/gpio/%s", name);
    f = fopen(path, "w");
    if (f) {
        fprintf(f, "%d", value);
        fclose(f);
    }
}

/* ------------------------------------------------------------------ pages */

static void page_overlay(int fd, const struct request *rq)
{
    pthread_mutex_lock(&ov_mutex);
    if (get_param(rq, "plate", ov->plate, sizeof(ov->plate)))
        ov->changed = true;
    if (get_param(rq, "lane", ov->lane, sizeof(ov->lane)))
        ov->changed = true;
    if (get_param(rq, "note", ov->note, sizeof(ov->note)))
        ov->changed = true;
    ov->updated = time(NULL);
    pthread_mutex_unlock(&ov_mutex);
    respond(fd, 200, "{\"ok\":true}");
}

static void page_barrier(int fd, const struct request *rq)
{
    char v[8];

    if (!get_param(rq, "open", v, sizeof(v))) {
        respond(fd, 400, "{\"ok\":false}");
        return;
    }
    gpio("barrier", v[0] == '1');
    barrier_close_at = v[0] == '1' ? time(NULL) + 12 : 0;
    respond(fd, 200, "{\"ok\":true}");
}

static void page_ir(int fd, const struct request *rq)
{
    char v[8];
    int n;

    if (get_param(rq, "level", v, sizeof(v))) {
        n = atoi(v);
        if (n < 0 || n > 100) {
            respond(fd, 400, "{\"ok\":false}");
            return;
        }
        ir_level = n;
        gpio("ir", n);
    }
    respond(fd, 200, "{\"ok\":true}");
}

static void page_status(int fd, const struct request *rq)
{
    char js[128];

    snprintf(js, sizeof(js), "{\"ir\":%d,\"barrier\":%s,\"serial\":%u}", ir_level,
             barrier_close_at ? "true" : "false", ov->serial);
    respond(fd, 200, js);
}

struct page {
    const char *path;
    void (*handler)(int, const struct request *);
};

static const struct page pages[] = {
    { "/api/overlay", page_overlay },
    { "/api/barrier", page_barrier },
    { "/api/ir",      page_ir },
    { "/api/status",  page_status },
};

/* ------------------------------------------------------------------ render */

static void render(void)
{
    char line[96];
    FILE *f;

    strftime(line, sizeof(line), "%d.%m.%Y %H:%M ", localtime(&ov->updated));
    strcat(line, ov->plate);
    if (ov->lane[0]) {
        strcat(line, " / ");
        strcat(line, ov->lane);
    }
    if (ov->note[0]) {
        strcat(line, " - ");
        strcat(line, ov->note);
    }
    f = fopen(OSD_PIPE, "w");
    if (f) {
        fprintf(f, "%s\n", line);
        fclose(f);
    }
    ov->serial++;
}

static void *render_thread(void *arg)
{
    struct timespec pause = { 0, 250000000 };

    for (;;) {
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&ov_mutex);
        if (ov->changed) {
            ov->changed = false;
            render();
        }
        pthread_mutex_unlock(&ov_mutex);
        if (barrier_close_at && time(NULL) >= barrier_close_at) {
            barrier_close_at = 0;
            gpio("barrier", 0);
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------ server */

static void serve(int fd)
{
    char buf[1024];
    struct request rq;
    char *target, *end, *q;
    size_t have = 0, i;
    ssize_t n;

    while (have < sizeof(buf) - 1) {
        n = recv(fd, buf + have, sizeof(buf) - 1 - have, 0);
        if (n <= 0)
            return;
        have += n;
        buf[have] = '\0';
        if (strstr(buf, "\r\n"))
            break;
    }
    if (strncmp(buf, "GET ", 4)) {
        respond(fd, 405, "{}");
        return;
    }
    target = buf + 4;
    end = strpbrk(target, " \r\n");
    if (!end)
        return;
    *end = '\0';
    q = strchr(target, '?');
    if (q)
        *q++ = '\0';
    snprintf(rq.path, sizeof(rq.path), "%s", target);
    snprintf(rq.query, sizeof(rq.query), "%s", q ? q : "");
    for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (!strcmp(rq.path, pages[i].path)) {
            pages[i].handler(fd, &rq);
            return;
        }
    respond(fd, 404, "{}");
}

int main(void)
{
    struct sockaddr_in sa = { 0 };
    struct timeval tv = { 4, 0 };
    pthread_t thr;
    int s, c, one = 1;

    signal(SIGPIPE, SIG_IGN);
    ov = calloc(1, sizeof(*ov));
    if (!ov)
        return 1;
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(LISTEN_PORT);
    if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) || listen(s, 8)) {
        perror("parkcamd");
        return 1;
    }
    pthread_create(&thr, NULL, render_thread, NULL);
    for (;;) {
        c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        serve(c);
        close(c);
    }
}
