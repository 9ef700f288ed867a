/* belld.c: local web interface and button handling of the video doorbell
 * (c) the firmware team
 *
 * GET /api/chime?file=NAME&volume=N   melody of the next ring
 * GET /api/night?from=HH&to=HH        quiet hours
 * GET /api/status
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define WEB_PORT        8899
#define CHIME_DIR       "/mnt/flash/sound"
#define BUTTON          "/sys/class/gpio/gpio5/value"

#define LOGI(f, ...)    log_line('I', f, ##__VA_ARGS__)
#define LOGW(f, ...)    log_line('W', f, ##__VA_ARGS__)

struct http_request {
    char method[8];
    char path[64];
    char query[512];
    struct in_addr peer;
};

struct bell_settings {
    char chime[64];
    int  volume;
    int  night_from, night_to;
    int  rings;
};

static struct bell_settings bell = { "dingdong", 80, -1, -1, 0 };
static pthread_mutex_t bell_mutex = PTHREAD_MUTEX_INITIALIZER;

static void log_line(char level, const char *fmt, ...)
{
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    va_list ap;

    pthread_mutex_lock(&m);
    fprintf(stderr, "%c belld: ", level);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    pthread_mutex_unlock(&m);
}

/* run a program of the base system */
static int do_cmd(const char *fmt, ...)
{
    char buf[256];
    va_list ap;
    int rc;

    va_start(ap, fmt);
    rc = vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    if (rc < 0 || (size_t)rc >= sizeof(buf)) {
        LOGW("command too long");
        return -1;
    }
    rc = system(buf);
    if (rc != 0)
        LOGW("'%s' gave %d", buf, rc);
    return rc;
}

/* value of a query parameter, decoded; NULL if it is not there */
static char *http_get_param(const struct http_request *req, const char *name, char *out, size_t size)
{
    const char *p = req->query;
    size_t len = strlen(name), n = 0;

    while (*p) {
        if (strncmp(p, name, len) == 0 && p[len] == '=') {
            p += len + 1;
            while (*p && *p != '&' && n < size - 1) {
                unsigned int ch = (unsigned char)*p++;
                if (ch == '+')
                    ch = ' ';
                if (ch == '%') {
                    char hex[3] = { 0, 0, 0 };
                    if (p[0] == 0 || p[1] == 0)
                        break;
                    hex[0] = p[0];
                    hex[1] = p[1];
                    ch = (unsigned int)strtoul(hex, NULL, 16);
                    p += 2;
                }
                out[n++] = (char)ch;
            }
            out[n] = 0;
            return out;
        }
        p += strcspn(p, "&");
        if (*p)
            p++;
    }
    return NULL;
}

static int chime_name_ok(const char *name)
{
    if (!*name || strstr(name, ".."))
        return 0;
    return name[strcspn(name, "/;| \t")] == 0;
}

static int api_chime(const struct http_request *req, char *resp, size_t size)
{
    char name[64], vol[8];

    if (!http_get_param(req, "file", name, sizeof(name))) {
        snprintf(resp, size, "{\"error\":\"file\"}");
        return 400;
    }
    if (!chime_name_ok(name)) {
        LOGW("chime name from %s refused", inet_ntoa(req->peer));
        snprintf(resp, size, "{\"error\":\"name\"}");
        return 400;
    }
    pthread_mutex_lock(&bell_mutex);
    strcpy(bell.chime, name);
    if (http_get_param(req, "volume", vol, sizeof(vol)))
        bell.volume = atoi(vol) < 0 ? 0 : atoi(vol) > 100 ? 100 : atoi(vol);
    pthread_mutex_unlock(&bell_mutex);
    snprintf(resp, size, "{\"ok\":true}");
    return 200;
}

static int api_night(const struct http_request *req, char *resp, size_t size)
{
    char from[8], to[8];
    int f, t;

    if (!http_get_param(req, "from", from, sizeof(from)) || !http_get_param(req, "to", to, sizeof(to)))
        return 400;
    f = atoi(from);
    t = atoi(to);
    if (f < 0 || f > 23 || t < 0 || t > 23)
        return 400;
    pthread_mutex_lock(&bell_mutex);
    bell.night_from = f;
    bell.night_to = t;
    pthread_mutex_unlock(&bell_mutex);
    snprintf(resp, size, "{\"ok\":true}");
    return 200;
}

static int api_status(const struct http_request *req, char *resp, size_t size)
{
    pthread_mutex_lock(&bell_mutex);
    snprintf(resp, size, "{\"rings\":%d,\"volume\":%d,\"night\":[%d,%d]}",
             bell.rings, bell.volume, bell.night_from, bell.night_to);
    pthread_mutex_unlock(&bell_mutex);
    return 200;
}

static struct route {
    const char *path;
    int (*handler)(const struct http_request *, char *, size_t);
} routes[] = {
    { "/api/chime",  api_chime },
    { "/api/night",  api_night },
    { "/api/status", api_status },
    { NULL, NULL }
};

static int quiet_now(const struct bell_settings *b)
{
    time_t t = time(NULL);
    int h = localtime(&t)->tm_hour;

    if (b->night_from < 0)
        return 0;
    if (b->night_from <= b->night_to)
        return h >= b->night_from && h < b->night_to;
    return h >= b->night_from || h < b->night_to;
}

static void ring(void)
{
    struct bell_settings now;

    pthread_mutex_lock(&bell_mutex);
    bell.rings++;
    now = bell;
    pthread_mutex_unlock(&bell_mutex);
    LOGI("ring %d", now.rings);
    do_cmd("/usr/bin/snapshot -o /tmp/ring%d.jpg", now.rings % 10);
    if (quiet_now(&now))
        return;
    do_cmd("amixer -q set Speaker %d%%", now.volume);
    do_cmd("aplay -q %s/%s.wav &", CHIME_DIR, now.chime);
}

static void *button_thread(void *arg)
{
    int last = 0;

    for (;;) {
        char c = '0';
        int fd = open(BUTTON, O_RDONLY);
        if (fd >= 0) {
            if (read(fd, &c, 1) != 1)
                c = '0';
            close(fd);
        }
        if (c == '1' && !last)
            ring();
        last = c == '1';
        usleep(50000);
    }
    return NULL;
}

static void handle(int fd, struct in_addr peer)
{
    char buf[1024], resp[256] = "", head[160];
    struct http_request req;
    struct route *r;
    int code = 404, n;
    ssize_t got, total = 0;

    while ((got = recv(fd, buf + total, sizeof(buf) - 1 - total, 0)) > 0) {
        total += got;
        buf[total] = 0;
        if (strstr(buf, "\r\n") || total == (ssize_t)sizeof(buf) - 1)
            break;
    }
    if (total <= 0)
        return;
    memset(&req, 0, sizeof(req));
    req.peer = peer;
    if (sscanf(buf, "%7s %63[^? ]?%511[^ ]", req.method, req.path, req.query) < 2)
        return;
    if (strcmp(req.method, "GET") == 0) {
        for (r = routes; r->path; r++)
            if (strcmp(r->path, req.path) == 0)
                code = r->handler(&req, resp, sizeof(resp));
    }
    n = snprintf(head, sizeof(head), "HTTP/1.1 %d -\r\nContent-Type: application/json\r\n"
                 "Connection: close\r\nContent-Length: %d\r\n\r\n", code, (int)strlen(resp));
    send(fd, head, n, 0);
    send(fd, resp, strlen(resp), 0);
}

int main(int argc, char *argv[])
{
    int port = argc > 1 ? atoi(argv[1]) : WEB_PORT;
    struct sockaddr_in addr;
    pthread_t tid;
    int s, yes = 1;

    signal(SIGPIPE, SIG_IGN);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_port = htons(port);
    addr.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(s, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(s, 5) < 0) {
        LOGW("port %d is not free", port);
        return 1;
    }
    pthread_create(&tid, NULL, button_thread, NULL);
    LOGI("ready on port %d", port);
    while (1) {
        struct sockaddr_in peer;
        socklen_t pl = sizeof(peer);
        struct timeval tv = { 5, 0 };
        int fd = accept(s, (struct sockaddr *)&peer, &pl);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        handle(fd, peer.sin_addr);
        close(fd);
    }
}
