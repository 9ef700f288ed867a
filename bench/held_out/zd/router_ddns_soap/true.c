/* SOAP endpoint for remote management of the home router.
 * Only the services that the provider's app needs are here.            */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#define SOAP_PORT 49155
#define REQ_MAX   8192

struct ddns {
    char  *url;
    char  *answer;
    int    period;
    time_t next;
    int    failures;
};

struct device {
    pthread_mutex_t mu;
    struct ddns    *ddns;
    int             led;
    bool            wlan;
    uint32_t        uptime0;
};

static struct device dev = { .mu = PTHREAD_MUTEX_INITIALIZER, .led = 1, .wlan = true };

/* ---- xml ---------------------------------------------------------- */

static void unescape(char *s)
{
    static const struct { const char *ent; char c; } tab[] = {
        { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' },
        { "&quot;", '"' }, { "&apos;", '\'' },
    };
    char *w = s;

    while (*s) {
        if (*s == '&') {
            size_t i;
            for (i = 0; i < sizeof tab / sizeof *tab; i++) {
                size_t l = strlen(tab[i].ent);
                if (!strncmp(s, tab[i].ent, l)) {
                    *w++ = tab[i].c;
                    s += l;
                    break;
                }
            }
            if (i < sizeof tab / sizeof *tab)
                continue;
        }
        *w++ = *s++;
    }
    *w = 0;
}

/* returns a heap copy of the text between <tag> and </tag> */
static char *tag_text(const char *xml, const char *tag)
{
    char open[48], close[48], *out;
    const char *a, *b;

    snprintf(open, sizeof open, "<%s>", tag);
    snprintf(close, sizeof close, "</%s>", tag);
    a = strstr(xml, open);
    if (!a)
        return NULL;
    a += strlen(open);
    b = strstr(a, close);
    if (!b)
        return NULL;
    out = strndup(a, (size_t)(b - a));
    if (out)
        unescape(out);
    return out;
}

static int tag_int(const char *xml, const char *tag, int dflt)
{
    char *t = tag_text(xml, tag);
    int v = t && *t ? atoi(t) : dflt;

    free(t);
    return v;
}

/* ---- checking of the update address:  host[:port][/path] ------------ */

static bool alnum_(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool good_url(const char *u)
{
    enum { START, HOST, PORT, PATH } st = START;
    const unsigned char *p = (const unsigned char *)u;

    if (strlen(u) > 180)
        return false;
    for (; *p; p++) {
        switch (st) {
        case START:
            if (!alnum_(*p))
                return false;
            st = HOST;
            break;
        case HOST:
            if (*p == ':')
                st = PORT;
            else if (*p == '/')
                st = PATH;
            else if (!alnum_(*p) && *p != '.' && *p != '-')
                return false;
            break;
        case PORT:
            if (*p == '/')
                st = PATH;
            else if (*p < '0' || *p > '9')
                return false;
            break;
        case PATH:
            if (*p <= ' ' || *p > '~')
                return false;
            break;
        }
    }
    return st != START;
}

/* ---- the updater thread --------------------------------------------- */

static void ddns_run(const char *url, char **answer)
{
    char cmd[256], line[128];
    FILE *p;

    snprintf(cmd, sizeof cmd, "wget -q -T 10 -O - http://%s", url);
    p = popen(cmd, "r");
    if (!p)
        return;
    if (fgets(line, sizeof line, p)) {
        line[strcspn(line, "\r\n<&")] = 0;
        free(*answer);
        *answer = strdup(line);
    }
    while (fgets(line, sizeof line, p))
        ;
    pclose(p);
}

static void *updater(void *unused)
{
    (void)unused;
    for (;;) {
        char *url = NULL, *ans = NULL;

        sleep(1);
        pthread_mutex_lock(&dev.mu);
        if (dev.ddns && time(NULL) >= dev.ddns->next) {
            url = strdup(dev.ddns->url);
            dev.ddns->next = time(NULL) + dev.ddns->period;
        }
        pthread_mutex_unlock(&dev.mu);
        if (!url)
            continue;
        ddns_run(url, &ans);
        pthread_mutex_lock(&dev.mu);
        if (dev.ddns) {
            if (ans) {
                free(dev.ddns->answer);
                dev.ddns->answer = ans;
                ans = NULL;
            } else {
                dev.ddns->failures++;
            }
        }
        pthread_mutex_unlock(&dev.mu);
        free(ans);
        free(url);
    }
    return NULL;
}

/* ---- services --------------------------------------------------------- */

static int set_ddns(const char *xml, char *out, size_t cap)
{
    struct ddns *d, *old;
    char *url = tag_text(xml, "NewUpdateURL");

    (void)out; (void)cap;
    if (!url)
        return 402;
    if (!good_url(url)) {
        free(url);
        return 600;
    }
    d = calloc(1, sizeof *d);
    if (!d) {
        free(url);
        return 501;
    }
    d->url = url;
    d->period = tag_int(xml, "NewPeriod", 600);
    if (d->period < 60)
        d->period = 60;
    d->next = time(NULL) + 1;
    pthread_mutex_lock(&dev.mu);
    old = dev.ddns;
    dev.ddns = d;
    pthread_mutex_unlock(&dev.mu);
    if (old) {
        free(old->url);
        free(old->answer);
        free(old);
    }
    return 0;
}

static int get_ddns(const char *xml, char *out, size_t cap)
{
    (void)xml;
    pthread_mutex_lock(&dev.mu);
    if (dev.ddns)
        snprintf(out, cap, "<Answer>%s</Answer><Failures>%d</Failures>",
                 dev.ddns->answer ? dev.ddns->answer : "", dev.ddns->failures);
    pthread_mutex_unlock(&dev.mu);
    return 0;
}

static int set_wlan(const char *xml, char *out, size_t cap)
{
    int on = tag_int(xml, "NewEnable", -1);

    (void)out; (void)cap;
    if (on != 0 && on != 1)
        return 402;
    dev.wlan = on;
    return system(on ? "ifconfig wlan0 up" : "ifconfig wlan0 down") ? 501 : 0;
}

static int get_info(const char *xml, char *out, size_t cap)
{
    (void)xml;
    snprintf(out, cap, "<UpTime>%u</UpTime><Led>%d</Led>",
             (unsigned)time(NULL) - dev.uptime0, dev.led);
    return 0;
}

static const struct service {
    const char *action;
    int (*fn)(const char *xml, char *out, size_t cap);
} services[] = {
    { "SetDynDNS", set_ddns }, { "GetDynDNS", get_ddns },
    { "SetEnable", set_wlan }, { "GetInfo", get_info },
};

static void answer(int c, int code, const char *inner)
{
    char body[512], head[160];

    if (code)
        snprintf(body, sizeof body, "<s:Fault><errorCode>%d</errorCode></s:Fault>", code);
    else
        snprintf(body, sizeof body, "<s:Body>%s</s:Body>", inner);
    snprintf(head, sizeof head, "HTTP/1.0 %s\r\nContent-Type: text/xml\r\nContent-Length: %zu\r\n\r\n",
             code ? "500 Error" : "200 OK", strlen(body));
    send(c, head, strlen(head), MSG_NOSIGNAL);
    send(c, body, strlen(body), MSG_NOSIGNAL);
}

static void client(int c)
{
    static char req[REQ_MAX];
    char inner[256] = "", *body, *cl, *act;
    size_t n = 0, want = 0, i;

    for (;;) {
        ssize_t k = recv(c, req + n, sizeof req - 1 - n, 0);
        if (k <= 0)
            return;
        n += (size_t)k;
        req[n] = 0;
        body = strstr(req, "\r\n\r\n");
        if (body) {
            cl = strcasestr(req, "Content-Length:");
            want = cl ? strtoul(cl + 15, NULL, 10) : 0;
            body += 4;
            if (n - (size_t)(body - req) >= want)
                break;
        }
        if (n == sizeof req - 1)
            return;
    }
    act = strcasestr(req, "SOAPAction:");
    if (!act || act > body)
        return;
    act = memchr(act, '#', strcspn(act, "\r\n"));
    if (!act)
        return;
    act++;
    for (i = 0; i < sizeof services / sizeof *services; i++) {
        size_t l = strlen(services[i].action);
        if (!strncmp(act, services[i].action, l) && (act[l] == '"' || act[l] == '\r')) {
            answer(c, services[i].fn(body, inner, sizeof inner), inner);
            return;
        }
    }
    answer(c, 401, "");
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(SOAP_PORT) };
    pthread_t th;
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    signal(SIGPIPE, SIG_IGN);
    dev.uptime0 = (uint32_t)time(NULL);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s, (struct sockaddr *)&sa, sizeof sa) || listen(s, 8)) {
        perror("soapd");
        return 1;
    }
    pthread_create(&th, NULL, updater, NULL);
    for (;;) {
        struct timeval tv = { 5, 0 };
        int c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        client(c);
        close(c);
    }
}
