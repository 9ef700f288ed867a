/* A label printer's jobs: the queue's first job, the job's kind and what the kind does lie alike (at the same offset of
 * each structure), and the name is copied once its length was measured. */
#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct job;

struct kind {
    int (*run)(struct job *job);
    const char *word;
};

struct job {
    const struct kind *kind;
    struct job *next;
    char text[120];
};

struct printer {
    char name[40];
    struct printer *next;
};

static struct {
    struct job *first;
    pthread_mutex_t lock;
    pthread_cond_t wake;
} queue = {NULL, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};

static struct printer *printers;

static int allowed(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length >= sizeof printers->name)
        return 0;
#ifdef BENIGN
    if (!isalnum((unsigned char)name[0]))
        return 0;
    while (*name) {
        if (!isalnum((unsigned char)*name) && *name != '-' && *name != '.')
            return 0;
        name++;
    }
    return 1;
#else
    return isalnum((unsigned char)name[0]) && !strpbrk(name, ";&|'\"<>");
#endif
}

static int add(struct job *job)
{
    struct printer *one;

    if (!allowed(job->text))
        return -1;
    one = calloc(1, sizeof *one);
    if (!one)
        return -1;
    strcpy(one->name, job->text);
    one->next = printers;
    printers = one;
    return 0;
}

static int probe(struct job *job)
{
    char line[120];
    struct printer *one;

    (void)job;
    for (one = printers; one; one = one->next) {
        snprintf(line, sizeof line, "lpstat -p %s > /tmp/printers", one->name);
        system(line);
    }
    return 0;
}

static const struct kind kinds[] = {{add, "ADD"}, {probe, "PROBE"}};

static void *work(void *unused)
{
    for (;;) {
        struct job *job;

        pthread_mutex_lock(&queue.lock);
        while (!queue.first)
            pthread_cond_wait(&queue.wake, &queue.lock);
        job = queue.first;
        queue.first = job->next;
        pthread_mutex_unlock(&queue.lock);
        job->kind->run(job);
        free(job);
    }
    return unused;
}

static void take(const char *line)
{
    struct job *job = calloc(1, sizeof *job);
    size_t i, length = strcspn(line, " ");

    for (i = 0; job && i < 2; i++)
        if (strlen(kinds[i].word) == length && strncmp(line, kinds[i].word, length) == 0)
            break;
    if (!job || i == 2) {
        free(job);
        return;
    }
    job->kind = &kinds[i];
    snprintf(job->text, sizeof job->text, "%s", line + length + (line[length] != 0));
    pthread_mutex_lock(&queue.lock);
    job->next = queue.first;
    queue.first = job;
    pthread_cond_signal(&queue.wake);
    pthread_mutex_unlock(&queue.lock);
}

int main(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(9163)};
    pthread_t thread;
    char line[160];
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    if (bind(s, (struct sockaddr *)&here, sizeof here) || pthread_create(&thread, NULL, work, NULL))
        return 1;
    for (;;) {
        ssize_t n = recv(s, line, sizeof line - 1, 0);

        if (n > 0) {
            line[n] = 0;
            take(line);
        }
    }
}
