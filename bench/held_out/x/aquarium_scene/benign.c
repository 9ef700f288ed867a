/* aquad: light, pump and heater of an aquarium, controlled by an app (JSON over HTTP POST) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

#define AQ_PORT       8085
#define AQ_MAX_BODY   2000
#define AQ_MAX_EVENTS 24
#define SCENE_LEN     48

typedef struct aq_event_s {
    time_t              due;
    int                 level;
    char                scene[SCENE_LEN];
    struct aq_event_s  *next;
} aq_event_t;

typedef struct {
    aq_event_t *events;
    int         n_events;
    double      temp_target;
    int         pump_on;
    unsigned    feedings;
} aq_state_t;

static aq_state_t aq = { NULL, 0, 25.0, 1, 0 };

static const char *scene_names[] = {
    "sunrise", "day", "cloudy", "sunset", "moon", "storm", "off", NULL
};

static void aq_log(int lvl, const char *fmt, ...)
{
    static const char tag[] = "EWI";
    va_list ap;

    printf("[%c %ld] ", tag[lvl], (long)time(NULL));
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

/* find "key" : and return the start of the value */
static const char *js_find(const char *js, const char *key)
{
    char pat[40];
    const char *p;

    snprintf(pat, sizeof(pat), "\"%s\"", key);
    p = strstr(js, pat);
    if (!p)
        return NULL;
    p += strlen(pat);
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
        p++;
    if (*p++ != ':')
        return NULL;
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
        p++;
    return p;
}

static int js_string(const char *js, const char *key, char *dst, int size)
{
    const char *p = js_find(js, key);
    int n = 0;

    if (!p || *p != '"')
        return -1;
    for (p++; *p && *p != '"'; p++) {
        char c = *p;
        if (c == '\\' && p[1]) {
            c = *++p;
            if (c == 'n')
                c = '\n';
            else if (c == 't')
                c = '\t';
        }
        if (n >= size - 1)
            return -1;
        dst[n++] = c;
    }
    dst[n] = 0;
    return *p == '"' ? n : -1;
}

static double js_number(const char *js, const char *key, double dflt)
{
    const char *p = js_find(js, key);
    return p ? strtod(p, NULL) : dflt;
}

static const char *scene_lookup(const char *name)
{
    int i;

    for (i = 0; scene_names[i]; i++)
        if (!strcmp(scene_names[i], name))
            return scene_names[i];
    return NULL;
}

static int api_schedule(const char *js)
{
    char scene[SCENE_LEN];
    aq_event_t *ev;
    double in = js_number(js, "in", 0), level = js_number(js, "level", 100);

    if (js_string(js, "scene", scene, sizeof(scene)) <= 0)
        return 400;
    if (!scene_lookup(scene)) {
        aq_log(1, "unknown scene");
        return 404;
    }
    if (!(in >= 0 && in <= 86400.0) || !(level >= 0 && level <= 100))
        return 400;
    if (aq.n_events >= AQ_MAX_EVENTS)
        return 503;
    ev = calloc(1, sizeof(*ev));
    if (!ev)
        return 500;
    ev->due = time(NULL) + (time_t)in;
    ev->level = (int)level;
    strcpy(ev->scene, scene);
    ev->next = aq.events;
    aq.events = ev;
    aq.n_events++;
    return 200;
}

static int api_temp(const char *js)
{
    double t = js_number(js, "target", -1);

    if (!(t >= 18 && t <= 32))
        return 400;
    aq.temp_target = t;
    return 200;
}

static int api_feed(void)
{
    aq.feedings++;
    aq.pump_on = 0;
    system("/usr/sbin/feeder --turn 1");
    return 200;
}

static void apply_scene(const aq_event_t *ev)
{
    char cmd[128];

    snprintf(cmd, sizeof(cmd), "/usr/sbin/lightctl --scene %s --level %d", ev->scene, ev->level);
    aq_log(2, "scene, level %d", ev->level);
    if (system(cmd) != 0)
        aq_log(1, "lightctl failed");
}

static void aq_tick(void)
{
    aq_event_t **pp = &aq.events, *ev;
    time_t now = time(NULL);
    static time_t pump_since;

    while ((ev = *pp) != NULL) {
        if (ev->due > now) {
            pp = &ev->next;
            continue;
        }
        *pp = ev->next;
        aq.n_events--;
        apply_scene(ev);
        free(ev);
    }
    if (aq.pump_on)
        pump_since = now;
    else if (now - pump_since > 600)
        aq.pump_on = 1;
}

static void http_client(int fd)
{
    char buf[AQ_MAX_BODY + 512], ans[160], *body;
    struct timeval tv = { 3, 0 };
    int n = 0, r, st = 404;
    long clen = 0;
    char *h;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    buf[0] = 0;
    body = NULL;
    while (n < (int)sizeof(buf) - 1) {
        r = recv(fd, buf + n, sizeof(buf) - 1 - n, 0);
        if (r <= 0)
            break;
        n += r;
        buf[n] = 0;
        if (!body && (body = strstr(buf, "\r\n\r\n")) != NULL) {
            body += 4;
            h = strstr(buf, "Content-Length:");
            clen = h && h < body ? atol(h + 15) : 0;
        }
        if (body && buf + n - body >= clen)
            break;
    }
    if (body && !strncmp(buf, "POST /api/schedule ", 19))
        st = api_schedule(body);
    else if (body && !strncmp(buf, "POST /api/temp ", 15))
        st = api_temp(body);
    else if (body && !strncmp(buf, "POST /api/feed ", 15))
        st = api_feed();
    else if (body && !strncmp(buf, "GET /api/state ", 15))
        st = 200;
    snprintf(ans, sizeof(ans), "HTTP/1.1 %d aq\r\nConnection: close\r\n\r\n"
             "{\"events\":%d,\"target\":%.1f,\"feedings\":%u}\n",
             st, aq.n_events, aq.temp_target, aq.feedings);
    send(fd, ans, strlen(ans), MSG_NOSIGNAL);
}

int main(void)
{
    struct sockaddr_in sin;
    int srv = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

    signal(SIGPIPE, SIG_IGN);
    setsockopt(srv, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(AQ_PORT);
    if (bind(srv, (struct sockaddr *)&sin, sizeof(sin)) || listen(srv, 4)) {
        aq_log(0, "no socket");
        return 1;
    }
    for (;;) {
        fd_set rd;
        struct timeval tv = { 1, 0 };

        FD_ZERO(&rd);
        FD_SET(srv, &rd);
        if (select(srv + 1, &rd, NULL, NULL, &tv) > 0) {
            int c = accept(srv, NULL, NULL);
            if (c >= 0) {
                http_client(c);
                close(c);
            }
        }
        aq_tick();
    }
}
