// Recorder job server: accepts job frames from the desktop client,
// a worker executes them one after another.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/statvfs.h>

#define JOB_PORT   37210
#define FRAME_TAG  0x4e56524aUL
#define ARG_MAX_   96
#define QUEUE_MAX  32

enum job_kind { JOB_NONE, JOB_FSCK = 3, JOB_FORMAT = 4, JOB_SPACE = 5, JOB_LOCK = 6, JOB_KEEP = 7 };

struct frame {
    uint32_t tag;
    uint16_t kind;
    uint16_t len;
    uint32_t serial;
};

struct job {
    struct job *next;
    int kind;
    uint32_t serial;
    char arg[ARG_MAX_];
};

struct volume {
    const char *name;
    const char *dev;
    const char *mnt;
    int locked;
};

static struct volume volumes[] = {
    { "hdd0",  "sda1", "/mnt/hdd0", 0 },
    { "hdd1",  "sdb1", "/mnt/hdd1", 0 },
    { "esata", "sdc1", "/mnt/esata", 0 },
    { "usb",   "sdd1", "/mnt/usb", 0 },
};

static struct job *q_head, **q_tail = &q_head;
static int q_len;
static pthread_mutex_t q_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t q_more = PTHREAD_COND_INITIALIZER;
static int keep_days = 30;

static void note(const char *text, const char *extra)
{
    char stamp[32];
    time_t t = time(NULL);
    struct tm tm;

    localtime_r(&t, &tm);
    strftime(stamp, sizeof stamp, "%m-%d %H:%M:%S", &tm);
    fprintf(stderr, "%s jobs: %s %s\n", stamp, text, extra);
}

static int push_job(struct job *j)
{
    int ok = 0;

    pthread_mutex_lock(&q_lock);
    if (q_len < QUEUE_MAX) {
        j->next = NULL;
        *q_tail = j;
        q_tail = &j->next;
        q_len++;
        ok = 1;
        pthread_cond_signal(&q_more);
    }
    pthread_mutex_unlock(&q_lock);
    return ok;
}

static struct job *pop_job(void)
{
    struct job *j;

    pthread_mutex_lock(&q_lock);
    while (q_head == NULL)
        pthread_cond_wait(&q_more, &q_lock);
    j = q_head;
    q_head = j->next;
    if (q_head == NULL)
        q_tail = &q_head;
    q_len--;
    pthread_mutex_unlock(&q_lock);
    return j;
}

static struct volume *find_volume(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof volumes / sizeof volumes[0]; i++)
        if (strncmp(name, volumes[i].name, strlen(volumes[i].name)) == 0)
            return &volumes[i];
    return NULL;
}

static int shell(const char *what, const char *on)
{
    char line[200];
    int rc;

    snprintf(line, sizeof line, "/usr/local/bin/%s /dev/vol/%s </dev/null >>/tmp/jobs.log 2>&1",
             what, on);
    rc = system(line);
    if (rc != 0)
        note("failed", what);
    return rc;
}

static void do_fsck(struct volume *v, const struct job *j)
{
    if (v->locked) {
        note("volume locked", v->name);
        return;
    }
    shell("volcheck -p", j->arg);
}

static void do_format(struct volume *v, const struct job *j)
{
    char what[48];

    if (v->locked) {
        note("volume locked", v->name);
        return;
    }
    snprintf(what, sizeof what, "volformat -s %u", (unsigned)j->serial);
    shell(what, v->dev);
}

static void do_space(struct volume *v, const struct job *j)
{
    struct statvfs st;
    char text[64];

    (void)j;
    if (statvfs(v->mnt, &st) != 0) {
        note("statvfs", v->mnt);
        return;
    }
    snprintf(text, sizeof text, "%s %lu MB", v->name,
             (unsigned long)((unsigned long long)st.f_bavail * st.f_frsize >> 20));
    note("free", text);
}

static void do_lock(struct volume *v, const struct job *j)
{
    v->locked = strstr(j->arg, ":on") != NULL;
    note(v->locked ? "locked" : "unlocked", v->name);
}

static const struct {
    int kind;
    void (*run)(struct volume *, const struct job *);
} actions[] = {
    { JOB_FSCK, do_fsck },
    { JOB_FORMAT, do_format },
    { JOB_SPACE, do_space },
    { JOB_LOCK, do_lock },
};

static void *worker(void *unused)
{
    struct volume *v;
    struct job *j;
    size_t i;

    (void)unused;
    for (;;) {
        j = pop_job();
        if (j->kind == JOB_KEEP) {
            int d = atoi(j->arg);
            if (d > 0 && d < 3650)
                keep_days = d;
            free(j);
            continue;
        }
        v = find_volume(j->arg);
        if (v == NULL) {
            note("no such volume", j->arg);
            free(j);
            continue;
        }
        for (i = 0; i < sizeof actions / sizeof actions[0]; i++)
            if (actions[i].kind == j->kind)
                actions[i].run(v, j);
        free(j);
    }
    return NULL;
}

static int recv_all(int s, void *dst, size_t want)
{
    unsigned char *p = dst;

    while (want > 0) {
        ssize_t n = recv(s, p, want, 0);
        if (n <= 0)
            return -1;
        p += n;
        want -= (size_t)n;
    }
    return 0;
}

static void *session(void *arg)
{
    int s = (int)(intptr_t)arg;
    struct frame f;

    while (recv_all(s, &f, sizeof f) == 0) {
        unsigned len = ntohs(f.len);
        unsigned char ack;
        struct job *j;

        if (ntohl(f.tag) != FRAME_TAG || len >= ARG_MAX_)
            break;
        j = calloc(1, sizeof *j);
        if (j == NULL)
            break;
        j->kind = ntohs(f.kind);
        j->serial = ntohl(f.serial);
        if (recv_all(s, j->arg, len) != 0) {
            free(j);
            break;
        }
        j->arg[len] = 0;
        ack = 0;
        if (!push_job(j)) {
            free(j);
            ack = 1;
        }
        if (send(s, &ack, 1, 0) != 1)
            break;
    }
    close(s);
    return NULL;
}

int main(void)
{
    struct sockaddr_in me;
    pthread_t t;
    int ls, s, one = 1;

    signal(SIGPIPE, SIG_IGN);
    if (pthread_create(&t, NULL, worker, NULL) != 0)
        return 1;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(JOB_PORT);
    if (bind(ls, (struct sockaddr *)&me, sizeof me) != 0 || listen(ls, 4) != 0) {
        note("cannot listen", "");
        return 1;
    }
    while ((s = accept(ls, NULL, NULL)) >= 0) {
        if (pthread_create(&t, NULL, session, (void *)(intptr_t)s) != 0)
            close(s);
        else
            pthread_detach(t);
    }
    return 0;
}
