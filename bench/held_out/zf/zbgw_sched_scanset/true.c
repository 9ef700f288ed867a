/* zbgw/sched.c
 *
 * Scheduler of the Zigbee gateway.  The phone app speaks lines to it:
 *
 *   AT 07:30 livingroom on            run every day at 07:30
 *   IN 600 garden off                 run once in ten minutes
 *   LIST / DROP <id> / SCENE <name> / PING / BYE
 *
 * Jobs are kept on the heap, the clock thread runs the ones that are due.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define SCHED_PORT   8810
#define JOBS_MAX     64
#define JOBS_FILE    "/data/zbgw/jobs"

#define LOG(tag, ...) do { \
        flockfile(stderr); \
        fprintf(stderr, "[sched/%s] ", tag); \
        fprintf(stderr, __VA_ARGS__); \
        fputc('\n', stderr); \
        funlockfile(stderr); \
    } while (0)

typedef struct zb_job {
    struct zb_job *next;
    unsigned       id;
    int            daily;        /* minute of the day, or -1 */
    time_t         due;          /* for the ones that run once */
    int            last_day;
    char           group[24];
    char           action[32];
} zb_job;

typedef struct {
    FILE    *in;
    FILE    *out;
    int      closing;
} zb_client;

static zb_job         *jobs;
static unsigned        jobs_count, jobs_next_id = 1;
static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER;
static char            scene_now[24] = "none";

static void job_insert(zb_job *j)
{
    pthread_mutex_lock(&jobs_lock);
    j->id = jobs_next_id++;
    j->next = jobs;
    jobs = j;
    jobs_count++;
    pthread_mutex_unlock(&jobs_lock);
}

static int job_remove(unsigned id)
{
    zb_job **pp, *j = NULL;

    pthread_mutex_lock(&jobs_lock);
    for (pp = &jobs; *pp; pp = &(*pp)->next) {
        if ((*pp)->id == id) {
            j = *pp;
            *pp = j->next;
            jobs_count--;
            break;
        }
    }
    pthread_mutex_unlock(&jobs_lock);
    free(j);
    return j ? 0 : -1;
}

static void jobs_save(void)
{
    FILE *f = fopen(JOBS_FILE, "w");

    if (!f)
        return;
    pthread_mutex_lock(&jobs_lock);
    for (zb_job *j = jobs; j; j = j->next)
        if (j->daily >= 0)
            fprintf(f, "%d %s %s\n", j->daily, j->group, j->action);
    pthread_mutex_unlock(&jobs_lock);
    fclose(f);
}

/* Reads "<group> <action>" into the job. */
static int job_target(zb_job *j, const char *s)
{
    int used = 0;

    if (sscanf(s, "%23[^ ;|&<>] %31[^;|&<>]%n", j->group, j->action, &used) != 2)
        return -1;
    return s[used] == '\0' ? 0 : -1;
}

static int do_at(zb_client *c, char *arg)
{
    int hh, mm, used = 0;
    zb_job *j;

    if (sscanf(arg, "%2d:%2d %n", &hh, &mm, &used) != 2 || used == 0
        || hh < 0 || hh > 23 || mm < 0 || mm > 59)
        return -EINVAL;
    if (jobs_count >= JOBS_MAX)
        return -ENOSPC;
    j = calloc(1, sizeof(*j));
    if (!j)
        return -ENOMEM;
    j->daily = hh * 60 + mm;
    j->last_day = -1;
    if (job_target(j, arg + used) < 0) {
        free(j);
        return -EINVAL;
    }
    job_insert(j);
    fprintf(c->out, "daily at %02d:%02d\n", hh, mm);
    jobs_save();
    return 0;
}

static int do_in(zb_client *c, char *arg)
{
    int secs, used = 0;
    zb_job *j;

    if (sscanf(arg, "%6d %n", &secs, &used) != 1 || used == 0 || secs < 1 || secs > 86400)
        return -EINVAL;
    if (jobs_count >= JOBS_MAX)
        return -ENOSPC;
    j = calloc(1, sizeof(*j));
    if (!j)
        return -ENOMEM;
    j->daily = -1;
    j->due = time(NULL) + secs;
    if (job_target(j, arg + used) < 0) {
        free(j);
        return -EINVAL;
    }
    fprintf(c->out, "runs in %d s\n", secs);
    job_insert(j);
    return 0;
}

static int do_list(zb_client *c, char *arg)
{
    (void)arg;
    pthread_mutex_lock(&jobs_lock);
    for (zb_job *j = jobs; j; j = j->next) {
        if (j->daily >= 0)
            fprintf(c->out, "%u daily %02d:%02d %s %s\n", j->id, j->daily / 60,
                    j->daily % 60, j->group, j->action);
        else
            fprintf(c->out, "%u once %ld %s %s\n", j->id, (long)(j->due - time(NULL)),
                    j->group, j->action);
    }
    pthread_mutex_unlock(&jobs_lock);
    return 0;
}

static int do_drop(zb_client *c, char *arg)
{
    (void)c;
    if (job_remove((unsigned)strtoul(arg, NULL, 10)) < 0)
        return -ENOENT;
    jobs_save();
    return 0;
}

static int do_scene(zb_client *c, char *arg)
{
    static const char *const known[] = { "none", "home", "away", "night", "party" };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!strcmp(known[i], arg)) {
            snprintf(scene_now, sizeof(scene_now), "%s", known[i]);
            fprintf(c->out, "scene %s\n", scene_now);
            return 0;
        }
    }
    return -ENOENT;
}

static int do_ping(zb_client *c, char *arg)
{
    (void)arg;
    fprintf(c->out, "pong %u %s\n", jobs_count, scene_now);
    return 0;
}

static int do_bye(zb_client *c, char *arg)
{
    (void)arg;
    c->closing = 1;
    return 0;
}

static const struct {
    const char *verb;
    int (*run)(zb_client *c, char *arg);
} verbs[] = {
    { "AT", do_at }, { "IN", do_in }, { "LIST", do_list }, { "DROP", do_drop },
    { "SCENE", do_scene }, { "PING", do_ping }, { "BYE", do_bye },
};

static void handle_line(zb_client *c, char *line)
{
    char *arg;
    int rc = -ENOSYS;

    line[strcspn(line, "\r\n")] = '\0';
    arg = strchr(line, ' ');
    if (arg)
        *arg++ = '\0';
    else
        arg = line + strlen(line);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (!strcasecmp(verbs[i].verb, line)) {
            rc = verbs[i].run(c, arg);
            break;
        }
    }
    if (rc < 0)
        fprintf(c->out, "ERR %s\n", strerror(-rc));
    else
        fprintf(c->out, "OK\n");
    fflush(c->out);
}

static void *client_thread(void *arg)
{
    int fd = (int)(intptr_t)arg;
    zb_client c = { 0 };
    char *line = NULL;
    size_t cap = 0;

    c.in = fdopen(fd, "r");
    c.out = fdopen(dup(fd), "w");
    if (c.in && c.out)
        while (!c.closing && getline(&line, &cap, c.in) > 0)
            handle_line(&c, line);
    free(line);
    if (c.in)
        fclose(c.in);
    else
        close(fd);
    if (c.out)
        fclose(c.out);
    return NULL;
}

static void job_run(const zb_job *j)
{
    char cmd[128];

    snprintf(cmd, sizeof(cmd), "/usr/bin/zbctl -q group %s %s", j->group, j->action);
    LOG("run", "%s", cmd);
    if (system(cmd) != 0)
        LOG("run", "job %u failed", j->id);
}

static void *clock_thread(void *arg)
{
    for (;;) {
        time_t now = time(NULL);
        struct tm tm;
        zb_job due;
        unsigned drop = 0;
        int found = 0;

        localtime_r(&now, &tm);
        pthread_mutex_lock(&jobs_lock);
        for (zb_job *j = jobs; j && !found; j = j->next) {
            if (j->daily >= 0) {
                if (j->daily != tm.tm_hour * 60 + tm.tm_min || j->last_day == tm.tm_yday)
                    continue;
                j->last_day = tm.tm_yday;
            } else if (j->due > now) {
                continue;
            } else {
                drop = j->id;
            }
            due = *j;
            found = 1;
        }
        pthread_mutex_unlock(&jobs_lock);
        if (found)
            job_run(&due);
        else
            sleep(1);
        if (drop)
            job_remove(drop);
    }
    return arg;
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(SCHED_PORT) };
    pthread_t tid;
    int srv, on = 1;

    signal(SIGPIPE, SIG_IGN);
    srv = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(srv, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(srv, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(srv, 4) < 0) {
        LOG("main", "port %d: %s", SCHED_PORT, strerror(errno));
        return 1;
    }
    pthread_create(&tid, NULL, clock_thread, NULL);
    for (;;) {
        int fd = accept(srv, NULL, NULL);

        if (fd < 0)
            continue;
        if (pthread_create(&tid, NULL, client_thread, (void *)(intptr_t)fd) != 0)
            close(fd);
        else
            pthread_detach(tid);
    }
}
