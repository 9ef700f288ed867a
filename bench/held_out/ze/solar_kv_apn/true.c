/*
 * sunlogd: data logger of the string inverter.
 * Settings live in a small hashed key-value store; the portal and the
 * installer's app change them through a text port, a timer thread looks
 * after the cellular modem.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <strings.h>
#include <ctype.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

enum { PORT = 8484, BUCKETS = 31, LINE = 200, VALMAX = 80 };

typedef int (*check_fn)(const char *value);

struct kv {
    struct kv *next;
    const char *key;
    char *value;
    check_fn check;
};

static struct kv *table[BUCKETS];
static pthread_mutex_t kv_mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile int modem_restart = 0;

/* ---------------------------------------------------------------- checks */

static int check_number(const char *v)
{
    if (!*v || strlen(v) > 8)
        return 0;
    for (; *v; v++)
        if (!isdigit((unsigned char)*v))
            return 0;
    return 1;
}

static int check_onoff(const char *v)
{
    return !strcmp(v, "on") || !strcmp(v, "off");
}

static int check_text(const char *v)
{
    size_t n = strlen(v);

    return n < 60;
}

static int check_apn(const char *v)
{
    size_t n = strlen(v);

    return n > 0 && n < 60 && v[0] != '.' && v[0] != '-' && v[n - 1] != '.';
}

/* ----------------------------------------------------------------- store */

static unsigned hash(const char *s)
{
    unsigned h = 5381;

    while (*s)
        h = h * 33 + (unsigned char)*s++;
    return h % BUCKETS;
}

static struct kv *kv_find(const char *key)
{
    struct kv *e;

    for (e = table[hash(key)]; e; e = e->next)
        if (!strcasecmp(e->key, key))
            return e;
    return NULL;
}

static void kv_define(const char *key, const char *value, check_fn check)
{
    struct kv *e = malloc(sizeof *e);
    unsigned h = hash(key);

    if (!e)
        abort();
    e->key = key;
    e->value = strdup(value);
    e->check = check;
    e->next = table[h];
    table[h] = e;
}

static int kv_set(const char *key, const char *value)
{
    struct kv *e;
    char *copy;
    int ok = 0;

    pthread_mutex_lock(&kv_mutex);
    e = kv_find(key);
    if (e && e->check(value) && (copy = strdup(value)) != NULL) {
        free(e->value);
        e->value = copy;
        ok = 1;
    }
    pthread_mutex_unlock(&kv_mutex);
    return ok;
}

static int kv_get(const char *key, char *out, size_t size)
{
    struct kv *e;
    int ok = 0;

    pthread_mutex_lock(&kv_mutex);
    e = kv_find(key);
    if (e && e->value) {
        snprintf(out, size, "%s", e->value);
        ok = 1;
    }
    pthread_mutex_unlock(&kv_mutex);
    return ok;
}

static long kv_num(const char *key, long def)
{
    char buf[16];

    return kv_get(key, buf, sizeof buf) ? strtol(buf, NULL, 10) : def;
}

/* ----------------------------------------------------------------- modem */

static int do_cmd(const char *fmt, ...)
{
    char buf[320];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof buf)
        return -1;
    return system(buf);
}

static void modem_dial(void)
{
    char apn[VALMAX];

    if (!kv_get("modem.apn", apn, sizeof apn))
        return;
    do_cmd("killall -q pppd");
    do_cmd("sed -i 's/CGDCONT.*/CGDCONT=1,IP,%s/' /var/ppp/chat", apn);
    do_cmd("pppd call gsm unit 0 mtu %ld &", kv_num("modem.mtu", 1400));
}

static void upload_readings(void)
{
    FILE *f = fopen("/var/log/readings.new", "a");

    if (!f)
        return;
    fprintf(f, "%ld;%d\n", (long)time(NULL), rand() % 4000);
    fclose(f);
}

static void *timer_thread(void *unused)
{
    unsigned ticks = 0;

    (void)unused;
    for (;;) {
        char on[8];

        sleep(1);
        ticks++;
        if (modem_restart) {
            modem_restart = 0;
            if (kv_get("modem.enable", on, sizeof on) && !strcmp(on, "on"))
                modem_dial();
        }
        if (ticks % 60 == 0)
            upload_readings();
    }
    return NULL;
}

/* ------------------------------------------------------------- text port */

static void say(int fd, const char *fmt, ...)
{
    char buf[LINE];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    if (n > 0)
        send(fd, buf, (size_t)n < sizeof buf ? (size_t)n : sizeof buf - 1, MSG_NOSIGNAL);
}

static int handle_line(int fd, char *line)
{
    char *verb = line, *key, *val, out[VALMAX];

    key = strchr(verb, ' ');
    if (key)
        *key++ = '\0';
    if (!strcasecmp(verb, "quit"))
        return 0;
    if (!strcasecmp(verb, "restart")) {
        modem_restart = 1;
        say(fd, "ok\r\n");
        return 1;
    }
    if (!key) {
        say(fd, "?\r\n");
        return 1;
    }
    if (!strcasecmp(verb, "get")) {
        if (kv_get(key, out, sizeof out))
            say(fd, "%s=%s\r\n", key, out);
        else
            say(fd, "unknown\r\n");
    } else if (!strcasecmp(verb, "set") && (val = strchr(key, '=')) != NULL) {
        *val++ = '\0';
        say(fd, kv_set(key, val) ? "ok\r\n" : "refused\r\n");
    } else {
        say(fd, "?\r\n");
    }
    return 1;
}

static void *client_thread(void *arg)
{
    int fd = *(int *)arg;
    char line[LINE];
    size_t n = 0;
    char c;

    free(arg);
    say(fd, "sunlogd\r\n");
    while (recv(fd, &c, 1, 0) == 1) {
        if (c == '\r')
            continue;
        if (c == '\n') {
            line[n] = '\0';
            n = 0;
            if (!handle_line(fd, line))
                break;
        } else if (n < sizeof line - 1) {
            line[n++] = c;
        }
    }
    close(fd);
    return NULL;
}

int main(void)
{
    struct sockaddr_in a = { 0 };
    pthread_t t;
    int s, one = 1;

    signal(SIGPIPE, SIG_IGN);
    kv_define("plant.name", "Plant", check_text);
    kv_define("plant.peak", "4000", check_number);
    kv_define("portal.period", "300", check_number);
    kv_define("modem.enable", "on", check_onoff);
    kv_define("modem.apn", "internet", check_apn);
    kv_define("modem.mtu", "1400", check_number);
    pthread_create(&t, NULL, timer_thread, NULL);

    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    a.sin_family = AF_INET;
    a.sin_port = htons(PORT);
    a.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 5)) {
        perror("sunlogd");
        return 1;
    }
    for (;;) {
        int *fd = malloc(sizeof *fd);

        if (!fd)
            return 1;
        *fd = accept(s, NULL, NULL);
        if (*fd < 0 || pthread_create(&t, NULL, client_thread, fd)) {
            if (*fd >= 0)
                close(*fd);
            free(fd);
            continue;
        }
        pthread_detach(t);
    }
}
