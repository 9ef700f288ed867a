/* plugd.c - local HTTP API of the smart plug
 *
 *   GET /relay?state=1
 *   GET /sched?slot=2&at=07:30&days=mtwtf&name=coffee
 *   GET /info
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <signal.h>
#include <unistd.h>
#include <time.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

#define HTTP_PORT 8081
#define SLOTS     8

enum { MON = 1, TUE = 2, WED = 4, THU = 8, FRI = 16, SAT = 32, SUN = 64 };

struct slot {
    int in_use;
    int hour, minute;
    unsigned days;
    int state;
    time_t last;
    char name[32];
};

static struct {
    int relay;
    unsigned long requests, errors;
    time_t started;
    struct slot slot[SLOTS];
} plug;

static int client;

static void respond(int code, const char *fmt, ...)
{
    char body[512], head[160];
    va_list ap;
    int n, h;

    va_start(ap, fmt);
    n = vsnprintf(body, sizeof body, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    if (n >= (int)sizeof body)
        n = sizeof body - 1;
    h = snprintf(head, sizeof head,
                 "HTTP/1.0 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
                 code, code == 200 ? "OK" : "Bad", n);
    send(client, head, h, MSG_NOSIGNAL);
    send(client, body, n, MSG_NOSIGNAL);
    if (code != 200)
        plug.errors++;
}

static void set_relay(int on, const char *who)
{
    FILE *f;

    if (plug.relay == on)
        return;
    plug.relay = on;
    f = fopen("/sys/class/gpio/gpio14/value", "w");
    if (f) {
        fprintf(f, "%d", on);
        fclose(f);
    }
    fprintf(stderr, "relay %s by %s\n", on ? "on" : "off", who);
}

/* "mtwtfss" style: letters in order, others as two letters with commas */
static unsigned parse_days(const char *s)
{
    static const struct { const char *w; unsigned m; } tab[] = {
        { "all", 127 }, { "work", 31 }, { "weekend", 96 },
        { "mo", MON }, { "tu", TUE }, { "we", WED }, { "th", THU },
        { "fr", FRI }, { "sa", SAT }, { "su", SUN },
    };
    unsigned m = 0;
    size_t i, l;

    while (*s) {
        l = strcspn(s, ",");
        for (i = 0; i < sizeof tab / sizeof tab[0]; i++)
            if (strlen(tab[i].w) == l && strncasecmp(tab[i].w, s, l) == 0)
                m |= tab[i].m;
        s += l;
        if (*s == ',')
            s++;
    }
    return m;
}

static void h_relay(const char *query)
{
    int st;

    if (sscanf(query, "state=%d", &st) != 1) {
        respond(400, "state?\n");
        return;
    }
    set_relay(st != 0, "http");
    respond(200, "relay=%d\n", plug.relay);
}

static void h_sched(const char *query)
{
    char days[24], name[32];
    unsigned mask;
    int no, hh, mm, n;
    struct slot *s;

    n = sscanf(query, "slot=%d&at=%d:%d&days=%[^&]&name=%31[^&]",
               &no, &hh, &mm, days, name);
    if (n < 4 || no < 0 || no >= SLOTS || hh < 0 || hh > 23 || mm < 0 || mm > 59) {
        respond(400, "usage: slot=&at=&days=&name=\n");
        return;
    }
    mask = parse_days(days);
    if (mask == 0) {
        respond(400, "days?\n");
        return;
    }
    s = &plug.slot[no];
    s->hour = hh;
    s->minute = mm;
    s->days = mask;
    s->state = !s->state;
    s->last = 0;
    snprintf(s->name, sizeof s->name, "%s", n == 5 ? name : "unnamed");
    s->in_use = 1;
    respond(200, "slot %d '%s' %02d:%02d mask %u\n", no, s->name, hh, mm, mask);
}

static void h_info(const char *query)
{
    char list[300];
    size_t used = 0;
    int i;

    (void)query;
    list[0] = '\0';
    for (i = 0; i < SLOTS; i++) {
        int k;
        if (!plug.slot[i].in_use)
            continue;
        k = snprintf(list + used, sizeof list - used, "%d %s\n", i, plug.slot[i].name);
        if (k < 0 || (size_t)k >= sizeof list - used)
            break;
        used += k;
    }
    respond(200, "up=%ld req=%lu err=%lu relay=%d\n%s", (long)(time(NULL) - plug.started),
            plug.requests, plug.errors, plug.relay, list);
}

static void h_forget(const char *query)
{
    int no;

    if (sscanf(query, "slot=%d", &no) == 1 && no >= 0 && no < SLOTS) {
        memset(&plug.slot[no], 0, sizeof plug.slot[no]);
        respond(200, "ok\n");
    } else
        respond(400, "slot?\n");
}

static const struct route {
    const char *path;
    void (*fn)(const char *query);
} routes[] = {
    { "/relay", h_relay },
    { "/sched", h_sched },
    { "/forget", h_forget },
    { "/info", h_info },
};

static void serve(int fd)
{
    char req[1024], method[8], uri[512];
    const char *query = "";
    struct timeval to = { 2, 0 };
    size_t have = 0, i;
    ssize_t n;
    char *q;

    client = fd;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &to, sizeof to);
    do {
        n = read(fd, req + have, sizeof req - 1 - have);
        if (n <= 0)
            break;
        have += n;
        req[have] = '\0';
    } while (have < sizeof req - 1 && !strstr(req, "\r\n\r\n"));
    if (have == 0)
        return;
    plug.requests++;
    if (sscanf(req, "%7s %511s", method, uri) != 2 || strcmp(method, "GET") != 0) {
        respond(400, "method\n");
        return;
    }
    q = strchr(uri, '?');
    if (q) {
        *q = '\0';
        query = q + 1;
    }
    for (i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (strcmp(routes[i].path, uri) == 0) {
            routes[i].fn(query);
            return;
        }
    respond(404, "no such page\n");
}

static void run_schedule(time_t now)
{
    struct tm tm;
    int i, wd;

    localtime_r(&now, &tm);
    wd = (tm.tm_wday + 6) % 7;
    for (i = 0; i < SLOTS; i++) {
        struct slot *s = &plug.slot[i];
        if (!s->in_use || !(s->days & (1u << wd)))
            continue;
        if (s->hour == tm.tm_hour && s->minute == tm.tm_min && now - s->last > 60) {
            s->last = now;
            set_relay(s->state, s->name);
        }
    }
}

int main(void)
{
    struct sockaddr_in a;
    struct timeval tv;
    fd_set rd;
    int ls, fd, one = 1;

    signal(SIGPIPE, SIG_IGN);
    plug.started = time(NULL);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(HTTP_PORT);
    if (ls < 0 || bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 4)) {
        perror("plugd");
        return 1;
    }
    while (1) {
        FD_ZERO(&rd);
        FD_SET(ls, &rd);
        tv.tv_sec = 1;
        tv.tv_usec = 0;
        if (select(ls + 1, &rd, NULL, NULL, &tv) < 0 && errno != EINTR)
            return 1;
        if (FD_ISSET(ls, &rd) && (fd = accept(ls, NULL, NULL)) >= 0) {
            serve(fd);
            close(fd);
        }
        run_schedule(time(NULL));
    }
}
