/* ota_queue.c -- over-the-air update agent
 *
 * A receiver thread takes JSON datagrams, e.g.
 *   {"cmd":"fetch","id":7,"image":{"url":"http://host/fw.bin","size":123}}
 * and hands jobs to the worker through a bounded queue.
 */

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { OTA_PORT = 5690, QUEUE_DEPTH = 8, URL_MAX = 256, JSON_DEPTH = 4 };

typedef enum { JOB_FETCH, JOB_REPORT, JOB_FORGET } job_kind;

typedef struct job {
    job_kind           kind;
    int                id;
    long               size;
    char               url[URL_MAX];
    struct sockaddr_in from;
} job_t;

typedef struct {
    job_t          *slot[QUEUE_DEPTH];
    unsigned        head, tail;
    pthread_mutex_t lock;
    pthread_cond_t  nonempty;
} queue_t;

static queue_t queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .nonempty = PTHREAD_COND_INITIALIZER };
static int     sock_fd = -1;
static int     jobs_done;
static int     last_result;

/* ------------------------------------------------------------- queue -- */

static int queue_put(queue_t *q, job_t *j)
{
    int rc = -1;

    pthread_mutex_lock(&q->lock);
    if (q->head - q->tail < QUEUE_DEPTH) {
        q->slot[q->head++ % QUEUE_DEPTH] = j;
        pthread_cond_signal(&q->nonempty);
        rc = 0;
    }
    pthread_mutex_unlock(&q->lock);
    return rc;
}

static job_t *queue_get(queue_t *q)
{
    job_t *j;

    pthread_mutex_lock(&q->lock);
    while (q->head == q->tail)
        pthread_cond_wait(&q->nonempty, &q->lock);
    j = q->slot[q->tail++ % QUEUE_DEPTH];
    pthread_mutex_unlock(&q->lock);
    return j;
}

/* -------------------------------------------------------------- json -- */

typedef struct {
    const char *p;
    const char *end;
    int         depth;
} json_t;

typedef void (*json_cb)(job_t *job, const char *key, const char *value);

static void ws(json_t *j)
{
    while (j->p < j->end && isspace((unsigned char)*j->p))
        j->p++;
}

static int json_string(json_t *j, char *out, size_t room)
{
    size_t n = 0;

    if (j->p >= j->end || *j->p != '"')
        return -1;
    j->p++;
    while (j->p < j->end && *j->p != '"') {
        char c = *j->p++;

        if (c == '\\') {
            if (j->p >= j->end)
                return -1;
            c = *j->p++;
            if (c == 'n')
                c = '\n';
            else if (c == 't')
                c = '\t';
        }
        if (n + 1 >= room)
            return -1;
        out[n++] = c;
    }
    if (j->p >= j->end)
        return -1;
    j->p++;
    out[n] = '\0';
    return 0;
}

static int json_number(json_t *j, char *out, size_t room)
{
    size_t n = 0;

    while (j->p < j->end && (isdigit((unsigned char)*j->p) || *j->p == '-')) {
        if (n + 1 >= room)
            return -1;
        out[n++] = *j->p++;
    }
    out[n] = '\0';
    return n ? 0 : -1;
}

static int json_object(json_t *j, job_t *job, json_cb cb)
{
    char key[32], value[URL_MAX];

    if (++j->depth > JSON_DEPTH)
        return -1;
    ws(j);
    if (j->p >= j->end || *j->p++ != '{')
        return -1;
    for (;;) {
        ws(j);
        if (json_string(j, key, sizeof key) < 0)
            return -1;
        ws(j);
        if (j->p >= j->end || *j->p++ != ':')
            return -1;
        ws(j);
        if (j->p >= j->end)
            return -1;
        if (*j->p == '{') {
            if (json_object(j, job, cb) < 0)
                return -1;
        } else {
            int rc = *j->p == '"' ? json_string(j, value, sizeof value)
                                  : json_number(j, value, sizeof value);

            if (rc < 0)
                return -1;
            cb(job, key, value);
        }
        ws(j);
        if (j->p >= j->end)
            return -1;
        if (*j->p == ',') {
            j->p++;
            continue;
        }
        if (*j->p++ != '}')
            return -1;
        j->depth--;
        return 0;
    }
}

static void on_pair(job_t *job, const char *key, const char *value)
{
    if (strcmp(key, "cmd") == 0) {
        if (strcmp(value, "fetch") == 0)
            job->kind = JOB_FETCH;
        else if (strcmp(value, "forget") == 0)
            job->kind = JOB_FORGET;
    } else if (strcmp(key, "id") == 0) {
        job->id = atoi(value);
    } else if (strcmp(key, "size") == 0) {
        job->size = atol(value);
    } else if (strcmp(key, "url") == 0) {
        snprintf(job->url, sizeof job->url, "%s", value);
    }
}

/* ------------------------------------------------------------ worker -- */

static int url_ok(const char *url)
{
    if (strncmp(url, "http://", 7) != 0)
        return 0;
    for (; *url; url++) {
#ifdef BENIGN
        if (!isalnum((unsigned char)*url) && *url != '/' && *url != ':' && *url != '.' && *url != '_')
            return 0;
#else
        if (!isgraph((unsigned char)*url) || *url == ';' || *url == '`' || *url == '\'')
            return 0;
#endif
    }
    return 1;
}

static int run_shell(const char *line)
{
    int   st = -1;
    pid_t pid = fork();

    if (pid < 0)
        return -1;
    if (pid == 0) {
        int nul = open("/dev/null", O_RDWR);

        if (nul >= 0) {
            dup2(nul, 0);
            dup2(nul, 1);
        }
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
        ;
    return st;
}

static int do_fetch(const job_t *j)
{
    char line[URL_MAX + 96];

    if (j->size <= 0 || j->size > 32L * 1024 * 1024)
        return -1;
    if (!url_ok(j->url)) {
        syslog(LOG_WARNING, "job %d: url refused", j->id);
        return -1;
    }
    snprintf(line, sizeof line, "wget -q -T 10 -O /tmp/ota_%d.bin %s", j->id, j->url);
    syslog(LOG_INFO, "job %d: fetching %ld bytes", j->id, j->size);
    return run_shell(line);
}

static void do_report(const job_t *j)
{
    char text[96];
    int  n = snprintf(text, sizeof text, "{\"id\":%d,\"done\":%d,\"last\":%d}", j->id, jobs_done, last_result);

    sendto(sock_fd, text, (size_t)n, 0, (const struct sockaddr *)&j->from, sizeof j->from);
}

static void do_forget(const job_t *j)
{
    char path[48];

    snprintf(path, sizeof path, "/tmp/ota_%d.bin", j->id);
    unlink(path);
}

static void worker(void)
{
    for (;;) {
        job_t *j = queue_get(&queue);

        switch (j->kind) {
        case JOB_FETCH:
            last_result = do_fetch(j);
            jobs_done++;
            break;
        case JOB_REPORT:
            do_report(j);
            break;
        case JOB_FORGET:
            do_forget(j);
            break;
        }
        free(j);
    }
}

static void *receiver(void *unused)
{
    static char datagram[1500];

    (void)unused;
    for (;;) {
        struct sockaddr_in from;
        socklen_t          fl = sizeof from;
        ssize_t            n = recvfrom(sock_fd, datagram, sizeof datagram, 0, (struct sockaddr *)&from, &fl);
        json_t             js;
        job_t             *j;

        if (n <= 0)
            continue;
        j = calloc(1, sizeof *j);
        if (!j)
            continue;
        j->kind = JOB_REPORT;
        j->from = from;
        js.p = datagram;
        js.end = datagram + n;
        js.depth = 0;
        if (json_object(&js, j, on_pair) < 0 || queue_put(&queue, j) < 0) {
            syslog(LOG_NOTICE, "datagram dropped");
            free(j);
        }
    }
    return NULL;
}

int main(void)
{
    struct sockaddr_in me = { .sin_family = AF_INET };
    pthread_t          t;

    openlog("ota", LOG_PID, LOG_DAEMON);
    sock_fd = socket(AF_INET, SOCK_DGRAM, 0);
    me.sin_port = htons(OTA_PORT);
    if (sock_fd < 0 || bind(sock_fd, (struct sockaddr *)&me, sizeof me) < 0) {
        syslog(LOG_ERR, "bind: %m");
        return 1;
    }
    if (pthread_create(&t, NULL, receiver, NULL) != 0)
        return 1;
    worker();
    return 0;
}
