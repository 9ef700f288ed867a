/*
 * bkagent - backup appliance agent
 *
 * Connects to the scheduler of the provider and takes orders, one per line:
 *
 *     JOB <id> <volume> <HH:MM> [full|incr]
 *     DROP <id>
 *     LIST
 *     PING
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/types.h>

typedef struct job_s {
    unsigned      id;
    char          volume[80];
    int           minute_of_day;
    int           full;
    int           last_yday;
    struct job_s *next;
} job_t;

typedef struct {
    char host[128];
    char service[16];
    char serial[32];
    int  retry;
} config_t;

static config_t conf = { "sched.bkbox.example", "7443", "000000", 30 };

static const struct {
    const char *name;
    const char *path;
} volumes[] = {
    { "photos",    "/srv/photos" },
    { "documents", "/srv/documents" },
    { "mail",      "/srv/mail" },
    { "system",    "/etc" },
};

static job_t *jobs;
static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(const char *fmt, ...)
{
    va_list ap;
    char when[24];
    time_t now = time(NULL);

    strftime(when, sizeof(when), "%F %T", localtime(&now));
    fprintf(stderr, "%s bkagent: ", when);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static void load_config(const char *file)
{
    FILE *f = fopen(file, "r");
    char line[200], *eq;

    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\r\n")] = 0;
        if (line[0] == '#' || !(eq = strchr(line, '=')))
            continue;
        *eq++ = 0;
        if (!strcmp(line, "host"))
            snprintf(conf.host, sizeof(conf.host), "%s", eq);
        else if (!strcmp(line, "service"))
            snprintf(conf.service, sizeof(conf.service), "%s", eq);
        else if (!strcmp(line, "serial"))
            snprintf(conf.serial, sizeof(conf.serial), "%s", eq);
        else if (!strcmp(line, "retry"))
            conf.retry = atoi(eq) > 0 ? atoi(eq) : 30;
    }
    fclose(f);
}

/* a volume of the appliance, or NULL */
static const char *find_volume(const char *text)
{
    size_t i;

    for (i = 0; i < sizeof(volumes) / sizeof(volumes[0]); i++) {
        /* "photos/2024" and the like are allowed as well */
        if (strncmp(text, volumes[i].name, strlen(volumes[i].name)) == 0)
            return volumes[i].path;
    }
    return NULL;
}

static void remove_job(unsigned id)
{
    job_t **pp, *j;

    pthread_mutex_lock(&jobs_lock);
    for (pp = &jobs; (j = *pp) != NULL; pp = &j->next)
        if (j->id == id) {
            *pp = j->next;
            free(j);
            break;
        }
    pthread_mutex_unlock(&jobs_lock);
}

static int order_job(char **save, FILE *out)
{
    char *id = strtok_r(NULL, " ", save);
    char *vol = strtok_r(NULL, " ", save);
    char *at = strtok_r(NULL, " ", save);
    char *kind = strtok_r(NULL, " ", save);
    const char *path;
    int hh, mm;
    job_t *j;

    if (!id || !vol || !at || sscanf(at, "%2d:%2d", &hh, &mm) != 2)
        return -1;
    if (hh < 0 || hh > 23 || mm < 0 || mm > 59)
        return -1;
    path = find_volume(vol);
    if (!path || strlen(vol) >= sizeof(j->volume) || strstr(vol, ".."))
        return -1;
    j = calloc(1, sizeof(*j));
    if (!j)
        return -1;
    j->id = (unsigned)strtoul(id, NULL, 10);
    strcpy(j->volume, vol);
    j->minute_of_day = hh * 60 + mm;
    j->full = kind && strcmp(kind, "full") == 0;
    j->last_yday = -1;

    remove_job(j->id);
    pthread_mutex_lock(&jobs_lock);
    j->next = jobs;
    jobs = j;
    pthread_mutex_unlock(&jobs_lock);
    fprintf(out, "OK %u %s\n", j->id, path);
    return 0;
}

static int order_drop(char **save, FILE *out)
{
    char *id = strtok_r(NULL, " ", save);

    if (!id)
        return -1;
    remove_job((unsigned)strtoul(id, NULL, 10));
    fprintf(out, "OK\n");
    return 0;
}

static int order_list(char **save, FILE *out)
{
    job_t *j;

    (void)save;
    pthread_mutex_lock(&jobs_lock);
    for (j = jobs; j; j = j->next)
        fprintf(out, "%u %s %02d:%02d %s\n", j->id, j->volume,
                j->minute_of_day / 60, j->minute_of_day % 60, j->full ? "full" : "incr");
    pthread_mutex_unlock(&jobs_lock);
    fprintf(out, "OK\n");
    return 0;
}

static int order_ping(char **save, FILE *out)
{
    (void)save;
    fprintf(out, "PONG %s\n", conf.serial);
    return 0;
}

static const struct {
    const char *word;
    int (*fn)(char **, FILE *);
} orders[] = {
    { "JOB", order_job }, { "DROP", order_drop }, { "LIST", order_list }, { "PING", order_ping },
};

static void run_job(const job_t *j)
{
    char cmd[320], line[160];
    FILE *p;
    unsigned lines = 0;

    snprintf(cmd, sizeof(cmd), "cd /srv && tar -cvf /backup/job%u.%s.tar %s %s 2>/dev/null",
             j->id, j->full ? "full" : "incr", j->full ? "" : "--newer-mtime=yesterday", j->volume);
    note("job %u starts", j->id);
    p = popen(cmd, "r");
    if (!p) {
        note("popen: %s", strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), p))
        lines++;
    note("job %u: %u entries, status %d", j->id, lines, pclose(p));
}

static void *clock_thread(void *arg)
{
    struct tm tm;
    time_t now;
    job_t *j;

    (void)arg;
    for (;;) {
        now = time(NULL);
        localtime_r(&now, &tm);
        pthread_mutex_lock(&jobs_lock);
        for (j = jobs; j; j = j->next)
            if (j->minute_of_day == tm.tm_hour * 60 + tm.tm_min && j->last_yday != tm.tm_yday) {
                j->last_yday = tm.tm_yday;
                run_job(j);
            }
        pthread_mutex_unlock(&jobs_lock);
        sleep(20);
    }
    return NULL;
}

static int dial(void)
{
    struct addrinfo hint, *res, *a;
    int fd = -1;

    memset(&hint, 0, sizeof(hint));
    hint.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(conf.host, conf.service, &hint, &res) != 0)
        return -1;
    for (a = res; a; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (fd < 0)
            continue;
        if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(res);
    return fd;
}

static void talk(int fd)
{
    FILE *in = fdopen(fd, "r");
    FILE *out = fdopen(dup(fd), "w");
    char *line = NULL, *word, *save;
    size_t cap = 0, i;

    if (!in || !out) {
        close(fd);
        return;
    }
    fprintf(out, "HELLO %s\n", conf.serial);
    fflush(out);
    while (getline(&line, &cap, in) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        save = NULL;
        word = strtok_r(line, " ", &save);
        if (!word)
            continue;
        for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
            if (!strcmp(orders[i].word, word))
                break;
        if (i == sizeof(orders) / sizeof(orders[0]) || orders[i].fn(&save, out) < 0)
            fprintf(out, "ERR\n");
        fflush(out);
    }
    free(line);
    fclose(out);
    fclose(in);
}

int main(int argc, char **argv)
{
    pthread_t t;

    load_config(argc > 1 ? argv[1] : "/etc/bkagent.conf");
    signal(SIGPIPE, SIG_IGN);
    pthread_create(&t, NULL, clock_thread, NULL);
    for (;;) {
        int fd = dial();

        if (fd >= 0) {
            note("connected to %s", conf.host);
            talk(fd);
            note("connection lost");
        }
        sleep((unsigned)conf.retry);
    }
}
