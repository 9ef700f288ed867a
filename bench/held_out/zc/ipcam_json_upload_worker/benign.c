// camctl - control channel of the camera (newline-terminated JSON objects,
// TCP). Connection threads only parse and enqueue; everything slow is done
// by the single worker thread.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { CAMCTL_PORT = 8899, QUEUE_LEN = 16, MSG_MAX = 2048 };

// ---------------------------------------------------------------- jobs

typedef enum { JOB_SNAPSHOT, JOB_UPLOAD, JOB_PTZ, JOB_LED } JobKind;

typedef struct Job {
    JobKind kind;
    int a, b;
    char url[256];
    struct Job *next;
} Job;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    Job *head, **tail;
    int count;
} JobQueue;

static JobQueue queue = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
    .head = NULL,
    .tail = &queue.head,
};

static struct {
    int pan, tilt, led;
    unsigned shots, uploads, failures;
} state;

static bool queue_push(Job *job)
{
    bool ok = false;
    pthread_mutex_lock(&queue.lock);
    if (queue.count < QUEUE_LEN) {
        job->next = NULL;
        *queue.tail = job;
        queue.tail = &job->next;
        queue.count++;
        ok = true;
        pthread_cond_signal(&queue.wake);
    }
    pthread_mutex_unlock(&queue.lock);
    return ok;
}

static Job *queue_pop(void)
{
    pthread_mutex_lock(&queue.lock);
    while (!queue.head)
        pthread_cond_wait(&queue.wake, &queue.lock);
    Job *job = queue.head;
    queue.head = job->next;
    if (!queue.head)
        queue.tail = &queue.head;
    queue.count--;
    pthread_mutex_unlock(&queue.lock);
    return job;
}

// ---------------------------------------------------------------- JSON
// Flat objects only: {"key": "string" | number | true | false, ...}

typedef struct {
    char key[24];
    char str[256];
    long num;
    bool is_str;
} Field;

typedef struct {
    Field f[8];
    int n;
} Object;

static const char *skip_ws(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')
        p++;
    return p;
}

static const char *json_string(const char *p, char *out, size_t cap)
{
    size_t n = 0;
    if (*p++ != '"')
        return NULL;
    while (*p && *p != '"') {
        char c = *p++;
        if (c == '\\') {
            switch (*p) {
            case 'n': c = '\n'; break;
            case 't': c = '\t'; break;
            case '"': case '\\': case '/': c = *p; break;
            default: return NULL;
            }
            p++;
        }
        if (n + 1 >= cap)
            return NULL;
        out[n++] = c;
    }
    if (*p != '"')
        return NULL;
    out[n] = '\0';
    return p + 1;
}

static bool json_object(const char *p, Object *o)
{
    o->n = 0;
    p = skip_ws(p);
    if (*p++ != '{')
        return false;
    for (;;) {
        p = skip_ws(p);
        if (*p == '}')
            return true;
        if (o->n == (int)(sizeof o->f / sizeof o->f[0]))
            return false;
        Field *f = &o->f[o->n];
        memset(f, 0, sizeof *f);
        if (!(p = json_string(p, f->key, sizeof f->key)))
            return false;
        p = skip_ws(p);
        if (*p++ != ':')
            return false;
        p = skip_ws(p);
        if (*p == '"') {
            f->is_str = true;
            if (!(p = json_string(p, f->str, sizeof f->str)))
                return false;
        } else if (!strncmp(p, "true", 4)) {
            f->num = 1;
            p += 4;
        } else if (!strncmp(p, "false", 5)) {
            p += 5;
        } else {
            char *end;
            f->num = strtol(p, &end, 10);
            if (end == p)
                return false;
            p = end;
        }
        o->n++;
        p = skip_ws(p);
        if (*p == ',')
            p++;
        else if (*p != '}')
            return false;
    }
}

static const Field *field(const Object *o, const char *key)
{
    for (int i = 0; i < o->n; i++)
        if (!strcmp(o->f[i].key, key))
            return &o->f[i];
    return NULL;
}

static int number(const Object *o, const char *key, int lo, int hi)
{
    const Field *f = field(o, key);
    long v = f ? f->num : 0;
    return v < lo ? lo : v > hi ? hi : (int)v;
}

// ---------------------------------------------------------------- requests

static bool url_acceptable(const char *u)
{
    if (strncmp(u, "ftp://", 6) != 0 && strncmp(u, "http://", 7) != 0)
        return false;
    return strpbrk(u, " \t\r\n\"'\\") == NULL;
}

static const char *req_upload(const Object *o, Job *job)
{
    const Field *f = field(o, "url");
    if (!f || !f->is_str)
        return "url missing";
    if (!url_acceptable(f->str))
        return "bad url";
    job->kind = JOB_UPLOAD;
    memcpy(job->url, f->str, sizeof job->url);
    return NULL;
}

static const char *req_snapshot(const Object *o, Job *job)
{
    job->kind = JOB_SNAPSHOT;
    job->a = number(o, "quality", 10, 95);
    return NULL;
}

static const char *req_ptz(const Object *o, Job *job)
{
    job->kind = JOB_PTZ;
    job->a = number(o, "pan", -170, 170);
    job->b = number(o, "tilt", -45, 90);
    return NULL;
}

static const char *req_led(const Object *o, Job *job)
{
    job->kind = JOB_LED;
    job->a = number(o, "on", 0, 1);
    return NULL;
}

static const struct {
    const char *name;
    const char *(*parse)(const Object *, Job *);
} requests[] = {
    { "snapshot", req_snapshot },
    { "upload", req_upload },
    { "ptz", req_ptz },
    { "led", req_led },
};

static const char *handle(const char *msg)
{
    Object o;
    if (!json_object(msg, &o))
        return "syntax";
    const Field *f = field(&o, "method");
    if (!f || !f->is_str)
        return "no method";
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (strcmp(requests[i].name, f->str))
            continue;
        Job *job = calloc(1, sizeof *job);
        if (!job)
            return "memory";
        const char *e = requests[i].parse(&o, job);
        if (!e && !queue_push(job))
            e = "busy";
        if (e)
            free(job);
        return e;
    }
    return "unknown method";
}

// ---------------------------------------------------------------- worker

static void run_upload(const Job *job)
{
    pid_t pid;
    int st = -1;
    char url[256];

    snprintf(url, sizeof url, "%s", job->url);
    char *argv[] = { "curl", "-g", "-s", "-m", "30", "-T", "/tmp/snap.jpg", url, NULL };
    if (posix_spawn(&pid, "/usr/bin/curl", NULL, NULL, argv, environ) == 0)
        waitpid(pid, &st, 0);
    if (st == 0)
        state.uploads++;
    else
        state.failures++;
    printf("upload %s: status %d\n", job->url, st);
}

static void run_snapshot(int quality)
{
    FILE *fp = fopen("/tmp/snap.jpg", "wb");
    if (!fp)
        return;
    fprintf(fp, "\xff\xd8q=%d t=%ld\xff\xd9", quality, (long)time(NULL));
    fclose(fp);
    state.shots++;
}

static void *worker(void *arg)
{
    (void)arg;
    for (;;) {
        Job *job = queue_pop();
        switch (job->kind) {
        case JOB_SNAPSHOT: run_snapshot(job->a); break;
        case JOB_UPLOAD:   run_upload(job); break;
        case JOB_PTZ:      state.pan = job->a; state.tilt = job->b; break;
        case JOB_LED:      state.led = job->a; break;
        }
        free(job);
    }
    return NULL;
}

static void *connection(void *arg)
{
    int fd = (int)(long)arg;
    char buf[MSG_MAX];
    size_t have = 0;
    for (;;) {
        ssize_t n = recv(fd, buf + have, sizeof buf - 1 - have, 0);
        if (n <= 0)
            break;
        have += (size_t)n;
        buf[have] = '\0';
        char *nl;
        while ((nl = strchr(buf, '\n'))) {
            *nl++ = '\0';
            const char *e = handle(buf);
            char out[128];
            int k = e ? snprintf(out, sizeof out, "{\"error\":\"%s\"}\n", e)
                      : snprintf(out, sizeof out, "{\"ok\":true,\"shots\":%u,\"failures\":%u}\n",
                                 state.shots, state.failures);
            send(fd, out, (size_t)k, MSG_NOSIGNAL);
            have -= (size_t)(nl - buf);
            memmove(buf, nl, have + 1);
        }
        if (have == sizeof buf - 1)
            break;
    }
    close(fd);
    return NULL;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(CAMCTL_PORT) };
    if (s < 0)
        return 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 4)) {
        perror("camctl");
        return 1;
    }
    pthread_t t;
    if (pthread_create(&t, NULL, worker, NULL))
        return 1;
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        if (pthread_create(&t, NULL, connection, (void *)(long)c))
            close(c);
        else
            pthread_detach(t);
    }
}
