/**
 * rdiagd - remote diagnostics of the set-top box.
 *
 * The head-end connects and sends one JSON job per connection:
 *    {"id":7,"tool":"trace","target":"cdn3.example.net","count":4}
 * The connection thread parses it into a job, a single worker runs the jobs
 * in their order and keeps the results, which are asked for with
 *    {"id":7,"tool":"result"}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <unistd.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

#define DEFAULT_PORT  8765
#define JOB_TEXT      1024
#define RESULTS       16

struct Job {
    struct Job *next;
    int         id;
    int         count;
    const struct Tool *tool;
    char       *target;
};

struct Tool {
    const char *name;
    const char *format;
    int         needs_target;
};

struct Result {
    int    id;
    time_t when;
    char   text[JOB_TEXT];
};

static const struct Tool tools[] = {
    { "ping",   "ping -c %d -W 2 \"%s\" 2>&1",             1 },
    { "trace",  "traceroute -q 1 -m %d \"%s\" 2>&1",       1 },
    { "lookup", "nslookup -timeout=%d \"%s\" 2>&1",        1 },
    { "tuner",  "cat /proc/tuner%d/status 2>&1",           0 },
};

static struct Job     *jobHead, *jobTail;
static pthread_mutex_t jobLock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  jobReady = PTHREAD_COND_INITIALIZER;
static struct Result   results[RESULTS];
static unsigned        resultNext;
static int             verbose;

static const char *skipSpace(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

/* one flat object; calls back per member */
static int jsonWalk(const char *p, int (*member)(void *, const char *, const char *), void *arg)
{
    char key[32], val[256];

    p = skipSpace(p);
    if (*p++ != '{')
        return -1;
    for (;;) {
        size_t n = 0;
        p = skipSpace(p);
        if (*p == '}')
            return 0;
        if (*p++ != '"')
            return -1;
        while (*p && *p != '"' && n < sizeof(key) - 1)
            key[n++] = *p++;
        key[n] = '\0';
        if (*p++ != '"')
            return -1;
        p = skipSpace(p);
        if (*p++ != ':')
            return -1;
        p = skipSpace(p);
        n = 0;
        if (*p == '"') {
            for (p++; *p && *p != '"'; p++) {
                if (*p == '\\' && p[1])
                    p++;
                if (n < sizeof(val) - 1)
                    val[n++] = *p;
            }
            if (*p++ != '"')
                return -1;
        } else {
            while (*p && *p != ',' && *p != '}' && n < sizeof(val) - 1)
                val[n++] = *p++;
        }
        val[n] = '\0';
        if (member(arg, key, val) < 0)
            return -1;
        p = skipSpace(p);
        if (*p == ',')
            p++;
        else if (*p != '}')
            return -1;
    }
}

static int targetOk(const char *s)
{
    const char *c;

    if (!*s || strlen(s) > 200)
        return 0;
    for (c = s; *c; c++) {
        if (strchr(" ;|&<>'\"\n", *c))
            return 0;
    }
    return 1;
}

static int jobMember(void *arg, const char *key, const char *val)
{
    struct Job *job = arg;
    size_t i;

    if (!strcmp(key, "id")) {
        job->id = atoi(val);
    } else if (!strcmp(key, "count")) {
        job->count = atoi(val);
        if (job->count < 0 || job->count > 30)
            return -1;
    } else if (!strcmp(key, "tool")) {
        for (i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
            if (!strcmp(val, tools[i].name))
                job->tool = &tools[i];
    } else if (!strcmp(key, "target")) {
        if (!targetOk(val))
            return -1;
        free(job->target);
        job->target = strdup(val);
    }
    return 0;
}

static void jobFree(struct Job *job)
{
    free(job->target);
    free(job);
}

static void enqueue(struct Job *job)
{
    pthread_mutex_lock(&jobLock);
    job->next = NULL;
    if (jobTail)
        jobTail->next = job;
    else
        jobHead = job;
    jobTail = job;
    pthread_cond_signal(&jobReady);
    pthread_mutex_unlock(&jobLock);
}

static void runJob(const struct Job *job)
{
    char cmd[320], text[JOB_TEXT];
    size_t n;
    FILE *p;

    if (job->tool->needs_target)
        snprintf(cmd, sizeof(cmd), job->tool->format, job->count, job->target);
    else
        snprintf(cmd, sizeof(cmd), job->tool->format, job->count);
    if (verbose)
        fprintf(stderr, "rdiagd: job %d: %s\n", job->id, cmd);
    p = popen(cmd, "r");
    if (!p)
        return;
    n = fread(text, 1, sizeof(text) - 1, p);
    text[n] = '\0';
    pclose(p);

    pthread_mutex_lock(&jobLock);
    results[resultNext].id = job->id;
    results[resultNext].when = time(NULL);
    memcpy(results[resultNext].text, text, n + 1);
    resultNext = (resultNext + 1) % RESULTS;
    pthread_mutex_unlock(&jobLock);
}

static void *worker(void *unused)
{
    struct Job *job;

    for (;;) {
        pthread_mutex_lock(&jobLock);
        while (!jobHead)
            pthread_cond_wait(&jobReady, &jobLock);
        job = jobHead;
        jobHead = job->next;
        if (!jobHead)
            jobTail = NULL;
        pthread_mutex_unlock(&jobLock);
        runJob(job);
        jobFree(job);
    }
    return unused;
}

static void sendResult(int fd, int id)
{
    char text[JOB_TEXT] = "pending\n";
    int i;

    pthread_mutex_lock(&jobLock);
    for (i = 0; i < RESULTS; i++)
        if (results[i].when && results[i].id == id)
            memcpy(text, results[i].text, sizeof(text));
    pthread_mutex_unlock(&jobLock);
    text[sizeof(text) - 1] = '\0';
    send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void *connection(void *arg)
{
    int fd = (int)(long)arg;
    FILE *in = fdopen(fd, "r");
    char buf[2048];
    struct Job *job;
    size_t n;

    if (!in) {
        close(fd);
        return NULL;
    }
    /* the head-end shuts its sending side down behind the job */
    n = fread(buf, 1, sizeof(buf) - 1, in);
    buf[n] = '\0';
    job = calloc(1, sizeof(*job));
    if (job) {
        job->count = 4;
        if (jsonWalk(buf, jobMember, job) < 0) {
            send(fd, "error\n", 6, MSG_NOSIGNAL);
            jobFree(job);
        } else if (!job->tool) {
            sendResult(fd, job->id);
            jobFree(job);
        } else if (job->tool->needs_target && !job->target) {
            send(fd, "no target\n", 10, MSG_NOSIGNAL);
            jobFree(job);
        } else {
            enqueue(job);
            send(fd, "queued\n", 7, MSG_NOSIGNAL);
        }
    }
    fclose(in);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    struct timeval tv = { 10, 0 };
    pthread_t t;
    int ls, opt, one = 1, port = DEFAULT_PORT;

    while ((opt = getopt(argc, argv, "vp:")) != -1) {
        if (opt == 'v')
            verbose = 1;
        else if (opt == 'p')
            port = atoi(optarg);
    }
    signal(SIGPIPE, SIG_IGN);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(port);
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 4) < 0) {
        perror("rdiagd");
        return 1;
    }
    pthread_create(&t, NULL, worker, NULL);
    for (;;) {
        int fd = accept(ls, NULL, NULL);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        if (pthread_create(&t, NULL, connection, (void *)(long)fd) == 0)
            pthread_detach(t);
        else
            close(fd);
    }
}
