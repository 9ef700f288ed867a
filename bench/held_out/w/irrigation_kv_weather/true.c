/*
 * sprinkled - eight zone irrigation controller
 *
 * GET /set?zone1.minutes=12&weather.station=EDDM
 * GET /get?key=zone1.minutes
 * GET /run?zone=3
 * GET /stop
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <errno.h>
#include <time.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

#define ZONES     8
#define VAL_MAX   64
#define STORE     "/etc/sprinkled.kv"

/* ------------------------------------------------- key-value store */

typedef int (*check_fn)(const char *);

static int is_number(const char *v)
{
    size_t n = strlen(v);

    return n > 0 && n < 6 && strspn(v, "0123456789") == n;
}

static int is_clock(const char *v)
{
    int h, m, used = 0;

    return sscanf(v, "%2d:%2d%n", &h, &m, &used) == 2 && v[used] == '\0' &&
           h >= 0 && h < 24 && m >= 0 && m < 60;
}

static int is_text(const char *v)
{
    for (; *v; v++)
        if (!isprint((unsigned char)*v))
            return 0;
    return 1;
}

static int is_code(const char *v)
{
    size_t n = strspn(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

    return n >= 3 && n <= 8 && v[n] == '\0';
}

static struct entry {
    const char *key;
    check_fn    ok;
    char        value[VAL_MAX];
} kv[] = {
    { "zone1.minutes", is_number, "10" }, { "zone2.minutes", is_number, "10" },
    { "zone3.minutes", is_number, "10" }, { "zone4.minutes", is_number, "10" },
    { "zone5.minutes", is_number, "0" },  { "zone6.minutes", is_number, "0" },
    { "zone7.minutes", is_number, "0" },  { "zone8.minutes", is_number, "0" },
    { "start",         is_clock,  "05:30" },
    { "garden.name",   is_text,   "garden" },
    { "rain.limit",    is_number, "4" },
    { "weather.station", is_text, "EDDM" },
    { "pin.hash",      is_code,   "NONE" },
};
#define NKV (sizeof kv / sizeof kv[0])

static struct entry *kv_find(const char *key)
{
    size_t i;

    for (i = 0; i < NKV; i++)
        if (strcmp(kv[i].key, key) == 0)
            return &kv[i];
    return NULL;
}

static const char *kv_get(const char *key)
{
    struct entry *e = kv_find(key);

    return e ? e->value : "";
}

static int kv_get_int(const char *key)
{
    return atoi(kv_get(key));
}

static int kv_set(const char *key, const char *value)
{
    struct entry *e = kv_find(key);

    if (!e || strlen(value) >= VAL_MAX || !e->ok(value))
        return -1;
    strcpy(e->value, value);
    return 0;
}

static void kv_save(void)
{
    FILE *f = fopen(STORE, "w");
    size_t i;

    if (!f)
        return;
    for (i = 0; i < NKV; i++)
        fprintf(f, "%s=%s\n", kv[i].key, kv[i].value);
    fclose(f);
}

static void kv_load(void)
{
    char line[160], *eq;
    FILE *f = fopen(STORE, "r");

    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if ((eq = strchr(line, '=')) == NULL)
            continue;
        *eq = '\0';
        if (kv_set(line, eq + 1) < 0)
            fprintf(stderr, "sprinkled: %s ignored\n", line);
    }
    fclose(f);
}

/* ------------------------------------------------- outside world */

static int capture(char *out, size_t size, const char *fmt, ...)
{
    char cmd[256];
    va_list ap;
    size_t n;
    FILE *p;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    if (len < 0 || len >= (int)sizeof cmd || (p = popen(cmd, "r")) == NULL)
        return -1;
    n = fread(out, 1, size - 1, p);
    out[n] = '\0';
    return pclose(p);
}

static int rain_mm;
static int active_zone;
static time_t zone_until, next_weather;
static int last_start_yday = -1;

static void valve(int zone, int on)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/sys/class/gpio/gpio%d/value", 40 + zone);
    f = fopen(path, "w");
    if (!f)
        return;
    fputs(on ? "1" : "0", f);
    fclose(f);
}

static void zone_stop(void)
{
    if (active_zone)
        valve(active_zone, 0);
    active_zone = 0;
}

static void zone_start(int zone)
{
    char key[24];
    int min;

    zone_stop();
    for (; zone <= ZONES; zone++) {
        snprintf(key, sizeof key, "zone%d.minutes", zone);
        min = kv_get_int(key);
        if (min <= 0 || min > 120)
            continue;
        active_zone = zone;
        zone_until = time(NULL) + min * 60;
        valve(zone, 1);
        return;
    }
}

static void ask_weather(void)
{
    char text[128];

    if (capture(text, sizeof text, "wget -q -T 20 -O - 'http://wx.sprinkled.example/rain?st=%s'",
                kv_get("weather.station")) != 0) {
        fprintf(stderr, "sprinkled: no weather\n");
        return;
    }
    rain_mm = atoi(text);
}

static void second(time_t now)
{
    struct tm tm;
    int h = 0, m = 0;

    if (now >= next_weather) {
        next_weather = now + 3600;
        ask_weather();
    }
    if (active_zone && now >= zone_until)
        zone_start(active_zone + 1);
    localtime_r(&now, &tm);
    sscanf(kv_get("start"), "%d:%d", &h, &m);
    if (tm.tm_hour == h && tm.tm_min == m && tm.tm_yday != last_start_yday) {
        last_start_yday = tm.tm_yday;
        if (rain_mm < kv_get_int("rain.limit"))
            zone_start(1);
    }
}

/* ------------------------------------------------- web */

static void decode(char *s)
{
    char *d = s, hex[3] = "";

    for (; *s; s++) {
        if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
            hex[0] = s[1];
            hex[1] = s[2];
            *d++ = (char)strtol(hex, NULL, 16);
            s += 2;
        } else {
            *d++ = *s == '+' ? ' ' : *s;
        }
    }
    *d = '\0';
}

static void out(int fd, int code, const char *text)
{
    char r[256];
    int n = snprintf(r, sizeof r, "HTTP/1.0 %d\r\nContent-Type: text/plain\r\n\r\n%s\n", code, text);

    send(fd, r, n < (int)sizeof r ? (size_t)n : sizeof r - 1, MSG_NOSIGNAL);
}

static void web_set(int fd, char *query)
{
    char *item, *value, *save = NULL;
    int bad = 0;

    for (item = strtok_r(query, "&", &save); item; item = strtok_r(NULL, "&", &save)) {
        value = strchr(item, '=');
        if (!value) {
            bad++;
            continue;
        }
        *value++ = '\0';
        decode(value);
        if (kv_set(item, value) < 0)
            bad++;
        else if (strncmp(item, "weather.", 8) == 0)
            next_weather = time(NULL) + 2;
    }
    kv_save();
    out(fd, bad ? 400 : 200, bad ? "some values refused" : "saved");
}

static void web_get(int fd, char *query)
{
    out(fd, 200, strncmp(query, "key=", 4) == 0 && strcmp(query + 4, "pin.hash") ? kv_get(query + 4) : "");
}

static void web_run(int fd, char *query)
{
    int z = strncmp(query, "zone=", 5) == 0 ? atoi(query + 5) : 0;

    if (z < 1 || z > ZONES) {
        out(fd, 400, "zone?");
        return;
    }
    zone_start(z);
    out(fd, 200, "running");
}

static void web_stop(int fd, char *query)
{
    (void)query;
    zone_stop();
    out(fd, 200, "stopped");
}

static void client(int fd)
{
    static const struct { const char *path; void (*fn)(int, char *); } page[] = {
        { "/set", web_set }, { "/get", web_get }, { "/run", web_run }, { "/stop", web_stop },
    };
    struct timeval tv = { 3, 0 };
    char req[1024], *path, *query, *end;
    ssize_t n;
    size_t i;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    n = recv(fd, req, sizeof req - 1, 0);
    if (n <= 0)
        return;
    req[n] = '\0';
    if (strncmp(req, "GET ", 4) != 0 || (end = strchr(req + 4, ' ')) == NULL) {
        out(fd, 400, "GET only");
        return;
    }
    *end = '\0';
    path = req + 4;
    query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    else
        query = end;
    for (i = 0; i < sizeof page / sizeof page[0]; i++)
        if (strcmp(page[i].path, path) == 0) {
            page[i].fn(fd, query);
            return;
        }
    out(fd, 404, "not here");
}

int main(void)
{
    struct sockaddr_in sa;
    struct pollfd pf;
    time_t last = 0;
    int on = 1;

    signal(SIGPIPE, SIG_IGN);
    kv_load();
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(8181);
    pf.fd = socket(AF_INET, SOCK_STREAM, 0);
    pf.events = POLLIN;
    setsockopt(pf.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(pf.fd, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(pf.fd, 4) < 0) {
        fprintf(stderr, "sprinkled: %s\n", strerror(errno));
        return 1;
    }
    for (;;) {
        if (poll(&pf, 1, 500) > 0) {
            int fd = accept(pf.fd, NULL, NULL);
            if (fd >= 0) {
                client(fd);
                close(fd);
            }
        }
        if (time(NULL) != last) {
            last = time(NULL);
            second(last);
        }
    }
}
