// clipd: export service of the 8 channel recorder.
// Clients connect by TCP and ask for pieces of a recording to be
// written to the USB stick; one worker does the jobs in turn.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

enum { CLIPD_PORT = 5920, CHANNELS = 8, QUEUE_MAX = 32 };

struct stamp {
    int year, mon, day, hour, min, sec;
};

struct job {
    struct job *next;
    unsigned id;
    int channel;
    struct stamp from;
    struct stamp to;
};

static struct {
    pthread_mutex_t mtx;
    pthread_cond_t more;
    struct job *head, **tail;
    unsigned count, next_id, done, failed;
} q = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &q.head, 0, 1, 0, 0 };

static char usb_dir[64] = "/mnt/usb";
static int nice_level = 10;

static bool parse_stamp(const char *s, struct stamp *t)
{
    if (sscanf(s, "%4d%2d%2dT%2d%2d%2d", &t->year, &t->mon, &t->day,
               &t->hour, &t->min, &t->sec) != 6)
        return false;
    return t->year >= 2000 && t->year < 2100 && t->mon >= 1 && t->mon <= 12 &&
           t->day >= 1 && t->day <= 31 && t->hour >= 0 && t->hour < 24 &&
           t->min >= 0 && t->min < 60 && t->sec >= 0 && t->sec < 60;
}

static bool queue_put(struct job *j)
{
    bool ok = false;

    pthread_mutex_lock(&q.mtx);
    if (q.count < QUEUE_MAX) {
        j->id = q.next_id++;
        j->next = NULL;
        *q.tail = j;
        q.tail = &j->next;
        q.count++;
        ok = true;
        pthread_cond_signal(&q.more);
    }
    pthread_mutex_unlock(&q.mtx);
    return ok;
}

static struct job *queue_get(void)
{
    pthread_mutex_lock(&q.mtx);
    while (q.head == NULL)
        pthread_cond_wait(&q.more, &q.mtx);
    struct job *j = q.head;
    q.head = j->next;
    if (q.head == NULL)
        q.tail = &q.head;
    q.count--;
    pthread_mutex_unlock(&q.mtx);
    return j;
}

static void *worker(void *arg)
{
    char line[256];

    (void)arg;
    for (;;) {
        struct job *j = queue_get();
        int rc;

        snprintf(line, sizeof line,
                 "nice -n %d dvrmux -c %d -s %04d%02d%02dT%02d%02d%02d"
                 " -e %04d%02d%02dT%02d%02d%02d -o %s/clip%04u.avi",
                 nice_level, j->channel,
                 j->from.year, j->from.mon, j->from.day, j->from.hour, j->from.min, j->from.sec,
                 j->to.year, j->to.mon, j->to.day, j->to.hour, j->to.min, j->to.sec,
                 usb_dir, j->id);
        syslog(LOG_INFO, "job %u started, channel %d", j->id, j->channel);
        rc = system(line);
        pthread_mutex_lock(&q.mtx);
        if (rc == 0)
            q.done++;
        else
            q.failed++;
        pthread_mutex_unlock(&q.mtx);
        syslog(rc ? LOG_WARNING : LOG_INFO, "job %u ended with %d", j->id, rc);
        free(j);
    }
    return NULL;
}

static void cmd_export(FILE *io, char *args)
{
    char from[32], to[32];
    int channel;

    if (sscanf(args, "%d %31s %31s", &channel, from, to) != 3 ||
        channel < 1 || channel > CHANNELS) {
        fputs("400 usage: EXPORT channel from to\r\n", io);
        return;
    }
    struct job *j = calloc(1, sizeof *j);
    if (j == NULL) {
        fputs("500 memory\r\n", io);
        return;
    }
    j->channel = channel;
    if (!parse_stamp(from, &j->from) || !parse_stamp(to, &j->to)) {
        fputs("400 bad time\r\n", io);
        free(j);
        return;
    }
    if (!queue_put(j)) {
        fputs("503 queue is full\r\n", io);
        free(j);
        return;
    }
    fputs("202 queued\r\n", io);
}

static void cmd_status(FILE *io, char *args)
{
    pthread_mutex_lock(&q.mtx);
    fprintf(io, "200 waiting=%u done=%u failed=%u\r\n", q.count, q.done, q.failed);
    pthread_mutex_unlock(&q.mtx);
}

static void cmd_flush(FILE *io, char *args)
{
    unsigned n = 0;

    pthread_mutex_lock(&q.mtx);
    while (q.head != NULL) {
        struct job *j = q.head;
        q.head = j->next;
        free(j);
        n++;
    }
    q.tail = &q.head;
    q.count = 0;
    pthread_mutex_unlock(&q.mtx);
    fprintf(io, "200 dropped %u\r\n", n);
}

static const struct command {
    const char *word;
    void (*run)(FILE *io, char *args);
} commands[] = {
    { "EXPORT", cmd_export },
    { "STATUS", cmd_status },
    { "FLUSH", cmd_flush },
    { NULL, NULL },
};

static void *client(void *arg)
{
    int fd = (int)(intptr_t)arg;
    FILE *io = fdopen(fd, "r+");
    char line[160];

    if (io == NULL) {
        close(fd);
        return NULL;
    }
    setvbuf(io, NULL, _IONBF, 0);
    fputs("220 clipd\r\n", io);
    while (fgets(line, sizeof line, io) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (strcasecmp(line, "QUIT") == 0)
            break;
        size_t n = strcspn(line, " ");
        const struct command *c;
        for (c = commands; c->word; c++) {
            if (strlen(c->word) == n && strncasecmp(c->word, line, n) == 0) {
                c->run(io, line + n);
                break;
            }
        }
        if (c->word == NULL)
            fputs("500 unknown\r\n", io);
    }
    fclose(io);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(CLIPD_PORT) };
    pthread_t th;
    int on = 1, opt;

    while ((opt = getopt(argc, argv, "d:n:")) != -1) {
        if (opt == 'd')
            snprintf(usb_dir, sizeof usb_dir, "%s", optarg);
        else if (opt == 'n')
            nice_level = atoi(optarg);
    }
    openlog("clipd", LOG_PID, LOG_DAEMON);
    signal(SIGPIPE, SIG_IGN);
    int ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (ls < 0 || bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 4) < 0) {
        syslog(LOG_ERR, "cannot listen: %m");
        return 1;
    }
    pthread_create(&th, NULL, worker, NULL);
    for (;;) {
        int fd = accept(ls, NULL, NULL);
        if (fd < 0)
            continue;
        if (pthread_create(&th, NULL, client, (void *)(intptr_t)fd) != 0)
            close(fd);
        else
            pthread_detach(th);
    }
}
