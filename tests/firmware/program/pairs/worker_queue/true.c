/*
 * jobd: a TCP receiver thread puts jobs into a linked list; a worker thread takes them out and runs them through
 * a printf-like wrapper around system().
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { JOB_PING = 1, JOB_ROUTE = 2, JOB_TRACE = 3, JOB_STATE = 4 };

struct job {
    struct job *next;
    int kind;
    time_t born;
    size_t length;
    char *target;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct job *head, *tail;
    unsigned depth, dropped;
};

static struct queue todo = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL, 0, 0};
static const char *log_path = "/var/log/jobd.log";

static void log_line(const char *format, ...)
{
    va_list ap;
    FILE *f = fopen(log_path, "a");
    if (!f)
        return;
    fprintf(f, "%ld ", (long)time(NULL));
    va_start(ap, format);
    vfprintf(f, format, ap);
    va_end(ap);
    fputc('\n', f);
    fclose(f);
}

static int run(const char *format, ...)
{
    char line[512];
    va_list ap;
    int n, status;
    va_start(ap, format);
    n = vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof line)
        return -1;
    status = system(line);
    if (status)
        log_line("status %d", status);
    return status;
}

static int queue_put(struct queue *q, struct job *j)
{
    int ok = 0;
    pthread_mutex_lock(&q->lock);
    if (q->depth < 64) {
        j->next = NULL;
        if (q->tail)
            q->tail->next = j;
        else
            q->head = j;
        q->tail = j;
        q->depth++;
        ok = 1;
        pthread_cond_signal(&q->filled);
    } else {
        q->dropped++;
    }
    pthread_mutex_unlock(&q->lock);
    return ok;
}

static struct job *queue_get(struct queue *q)
{
    struct job *j;
    pthread_mutex_lock(&q->lock);
    while (!q->head)
        pthread_cond_wait(&q->filled, &q->lock);
    j = q->head;
    q->head = j->next;
    if (!q->head)
        q->tail = NULL;
    q->depth--;
    pthread_mutex_unlock(&q->lock);
    return j;
}

static void job_free(struct job *j)
{
    free(j->target);
    free(j);
}

static struct job *job_new(int kind, const char *text, size_t length)
{
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->target = malloc(length + 1);
    if (!j->target) {
        free(j);
        return NULL;
    }
    memcpy(j->target, text, length);
    j->target[length] = 0;
    j->kind = kind;
    j->length = length;
    j->born = time(NULL);
    return j;
}

static void *worker(void *arg)
{
    struct queue *q = arg;
    for (;;) {
        struct job *j = queue_get(q);
        if (time(NULL) - j->born > 30) {
            log_line("job too old");
            job_free(j);
            continue;
        }
        log_line("job %d for %s", j->kind, j->target);
        switch (j->kind) {
        case JOB_PING:
#ifdef BENIGN
            run("ping -c 1 %s", "192.168.1.1");
#else
            run("ping -c 1 %s", j->target);
#endif
            break;
        case JOB_ROUTE:
            run("ip route flush cache");
            break;
        case JOB_TRACE:
#ifdef BENIGN
            run("traceroute -m %u 192.168.1.1", (unsigned)j->length);
#else
            run("traceroute -m 8 %s", j->target);
#endif
            break;
        case JOB_STATE:
            log_line("depth %u dropped %u", q->depth, q->dropped);
            break;
        }
        job_free(j);
    }
    return NULL;
}

static int read_all(int fd, void *to, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = recv(fd, (char *)to + done, size - done, 0);
        if (n <= 0)
            return -1;
        done += (size_t)n;
    }
    return 0;
}

static void serve(int fd)
{
    uint8_t head[4];
    char body[256];
    while (read_all(fd, head, sizeof head) == 0) {
        size_t length = (size_t)head[2] << 8 | head[3];
        struct job *j;
        if (head[0] != 0xa5 || length >= sizeof body)
            return;
        if (length && read_all(fd, body, length) < 0)
            return;
        j = job_new(head[1], body, length);
        if (j && !queue_put(&todo, j))
            job_free(j);
        send(fd, "\x06", 1, 0);
    }
}

static void *receiver(void *arg)
{
    int s = *(int *)arg;
    for (;;) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        int c = accept(s, (struct sockaddr *)&peer, &size);
        if (c < 0)
            continue;
        log_line("connection from %s", inet_ntoa(peer.sin_addr));
        serve(c);
        close(c);
    }
    return NULL;
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(7070)};
    pthread_t threads[2];
    static int s;
    int one = 1;
    s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0)
        return 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 8) < 0) {
        log_line("cannot listen");
        return 1;
    }
    pthread_create(&threads[0], NULL, receiver, &s);
    pthread_create(&threads[1], NULL, worker, &todo);
    for (;;) {
        sleep(60);
        log_line("alive, %u waiting", todo.depth);
    }
}
