#define _GNU_SOURCE
/* poolctl.c  -  controller for pump, heater and underwater lights
 *
 * Text port for the wall panel and the phone app:
 *   STATUS | PUMP ON|OFF | HEAT <deg> | LIGHTS <show> | SCHED <hh:mm> <show>
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define POOL_PORT 6680
#define SHOWLEN   64

static const char *shows[] = {
    "party", "romance", "caribbean", "american", "sunset", "royal", "off", NULL
};

struct sched {
    int  set;
    int  hour, minute;
    char show[SHOWLEN];
    int  last_yday;
};

struct pool {
    int pump_on;
    int heat_target;
    float water;
    char show[SHOWLEN];
    struct sched evening;
};

static struct pool *pool;
static pthread_mutex_t lk = PTHREAD_MUTEX_INITIALIZER;
static FILE *logfp;

static void plog(const char *who, const char *what)
{
    char t[24];
    time_t now = time(NULL);
    struct tm tm;

    localtime_r(&now, &tm);
    strftime(t, sizeof t, "%m-%d %H:%M:%S", &tm);
    if (logfp) {
        fprintf(logfp, "%s [%s] %s\n", t, who, what);
        fflush(logfp);
    }
}

static void pool_defaults(void)
{
    FILE *f;
    char key[16];
    int v;

    pool = calloc(1, sizeof *pool);
    if (!pool)
        exit(1);
    pool->heat_target = 26;
    strcpy(pool->show, "off");
    f = fopen("/etc/pool.conf", "r");
    if (!f)
        return;
    while (fscanf(f, "%15s %d", key, &v) == 2) {
        if (!strcmp(key, "heat"))
            pool->heat_target = v;
        else if (!strcmp(key, "pump"))
            pool->pump_on = v;
    }
    fclose(f);
}

static int show_known(const char *s)
{
    int i;

    for (i = 0; shows[i]; i++)
        if (strcasecmp(s, shows[i]) == 0)
            return 1;
    return 0;
}

/* run one line of shell, wait for it */
static int sh(const char *line)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        execl("/bin/sh", "sh", "-c", line, (char *)0);
        _exit(127);
    }
    if (pid < 0)
        return -1;
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        ;
    return status;
}

static void lights(const char *show)
{
    char line[160];

    snprintf(line, sizeof line, "lightctl --zone pool --show %s --fade 2", show);
    if (sh(line) != 0)
        plog("lights", "lightctl failed");
}

static void pump(int on)
{
    sh(on ? "gpioset 0 12=1" : "gpioset 0 12=0");
    plog("pump", on ? "on" : "off");
}

static float read_water(void)
{
    FILE *f = fopen("/sys/bus/w1/devices/28-pool/temperature", "r");
    long m = 0;

    if (!f)
        return -1;
    if (fscanf(f, "%ld", &m) != 1)
        m = -1000;
    fclose(f);
    return m / 1000.0f;
}

static void *timer_main(void *unused)
{
    int heat = 0;

    (void)unused;
    for (;;) {
        struct tm tm;
        time_t now;
        char show[SHOWLEN] = "";

        sleep(10);
        now = time(NULL);
        localtime_r(&now, &tm);
        pthread_mutex_lock(&lk);
        pool->water = read_water();
        if (pool->evening.set && tm.tm_hour == pool->evening.hour &&
            tm.tm_min == pool->evening.minute &&
            tm.tm_yday != pool->evening.last_yday) {
            pool->evening.last_yday = tm.tm_yday;
            strcpy(show, pool->evening.show);
            strcpy(pool->show, show);
        }
        if (pool->pump_on && pool->water > 0 &&
            (pool->water < pool->heat_target) != heat) {
            heat = !heat;
            sh(heat ? "gpioset 0 13=1" : "gpioset 0 13=0");
        }
        pthread_mutex_unlock(&lk);
        if (show[0]) {
            plog("timer", show);
            lights(show);
        }
    }
    return NULL;
}

static const char *do_lights(char *arg)
{
    if (!show_known(arg))
        return "ERR unknown show";
    if (strlen(arg) >= SHOWLEN)
        return "ERR too long";
    pthread_mutex_lock(&lk);
    strcpy(pool->show, arg);
    pthread_mutex_unlock(&lk);
    lights(arg);
    return "OK";
}

static const char *do_sched(char *arg)
{
    int h, m, used = 0;

    if (sscanf(arg, "%d:%d %n", &h, &m, &used) < 2 || !used)
        return "ERR use SCHED hh:mm show";
    if (h < 0 || h > 23 || m < 0 || m > 59)
        return "ERR time";
    arg += used;
    if (!show_known(arg))
        return "ERR unknown show";
    pthread_mutex_lock(&lk);
    snprintf(pool->evening.show, SHOWLEN, "%s", arg);
    pool->evening.hour = h;
    pool->evening.minute = m;
    pool->evening.last_yday = -1;
    pool->evening.set = 1;
    pthread_mutex_unlock(&lk);
    return "OK";
}

static const char *do_pump(char *arg)
{
    int on = !strcasecmp(arg, "on");

    pthread_mutex_lock(&lk);
    pool->pump_on = on;
    pthread_mutex_unlock(&lk);
    pump(on);
    return "OK";
}

static const char *do_heat(char *arg)
{
    int t = atoi(arg);

    if (t < 10 || t > 34)
        return "ERR 10..34";
    pthread_mutex_lock(&lk);
    pool->heat_target = t;
    pthread_mutex_unlock(&lk);
    return "OK";
}

static const char *do_status(char *arg)
{
    static __thread char b[160];

    (void)arg;
    pthread_mutex_lock(&lk);
    snprintf(b, sizeof b, "OK pump=%d heat=%d water=%.1f show=%s",
             pool->pump_on, pool->heat_target, pool->water, pool->show);
    pthread_mutex_unlock(&lk);
    return b;
}

static struct verb {
    const char *name;
    const char *(*fn)(char *);
} verbs[] = {
    { "STATUS", do_status }, { "PUMP", do_pump }, { "HEAT", do_heat },
    { "LIGHTS", do_lights }, { "SCHED", do_sched }, { 0, 0 }
};

static void *panel(void *p)
{
    int fd = (int)(long)p;
    FILE *f = fdopen(fd, "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    if (!f) {
        close(fd);
        return NULL;
    }
    while ((n = getline(&line, &cap, f)) > 0) {
        const char *ans = "ERR verb";
        char *arg;
        struct verb *v;

        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = '\0';
        arg = strchr(line, ' ');
        if (arg)
            *arg++ = '\0';
        else
            arg = line + n;
        for (v = verbs; v->name; v++)
            if (!strcmp(v->name, line)) {
                ans = v->fn(arg);
                break;
            }
        if (send(fd, ans, strlen(ans), MSG_NOSIGNAL) < 0 ||
            send(fd, "\r\n", 2, MSG_NOSIGNAL) < 0)
            break;
    }
    free(line);
    fclose(f);
    return NULL;
}

int main(void)
{
    struct sockaddr_in a;
    pthread_attr_t at;
    pthread_t th;
    int ls, c, on = 1;

    logfp = fopen("/var/log/pool.log", "a");
    pool_defaults();
    pthread_attr_init(&at);
    pthread_attr_setdetachstate(&at, PTHREAD_CREATE_DETACHED);
    pthread_create(&th, &at, timer_main, NULL);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(POOL_PORT);
    if (bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 4)) {
        plog("main", strerror(errno));
        return 1;
    }
    pump(pool->pump_on);
    while ((c = accept(ls, NULL, NULL)) >= 0)
        if (pthread_create(&th, &at, panel, (void *)(long)c))
            close(c);
    return 0;
}
