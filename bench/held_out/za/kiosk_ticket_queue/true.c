/*
 * ticketd: print daemon of the self-service kiosk.
 *
 * Protocol on the till network (text lines):
 *    TITLE <text>    PRINTER <n>    COPIES <n>
 *    DATA            ... lines ...  "."
 *    STATUS          QUIT
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <signal.h>
#include <unistd.h>
#include <time.h>
#include <pthread.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define TICKETD_PORT 6101
#define SPOOL        "/var/spool/ticketd"
#define QLEN         16

struct ticket {
    char title[80];
    char file[64];
    int  printer;
    int  copies;
};

struct queue {
    struct ticket  *slot[QLEN];
    unsigned        head, tail;
    pthread_mutex_t mx;
    pthread_cond_t  more;
};

static struct queue q = { .mx = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };
static unsigned printed, failed, serial;
static const char *const devs[] = { "receipt0", "receipt1", "a4" };

static int q_put(struct ticket *t)
{
    int ok = 0;

    pthread_mutex_lock(&q.mx);
    if (q.head - q.tail < QLEN) {
        q.slot[q.head++ % QLEN] = t;
        ok = 1;
        pthread_cond_signal(&q.more);
    }
    pthread_mutex_unlock(&q.mx);
    return ok;
}

static struct ticket *q_get(void)
{
    struct ticket *t;

    pthread_mutex_lock(&q.mx);
    while (q.head == q.tail)
        pthread_cond_wait(&q.more, &q.mx);
    t = q.slot[q.tail++ % QLEN];
    pthread_mutex_unlock(&q.mx);
    return t;
}

/* the lp of the BSP is a script that wants a shell and the PATH of profile */
static int print_ticket(const struct ticket *t)
{
    char cmd[320];
    int st;
    pid_t pid;

    snprintf(cmd, sizeof cmd, ". /etc/profile; lp -d %s -n %d -t \"%s\" %s",
             devs[t->printer], t->copies, t->title, t->file);
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
        _exit(127);
    }
    if (pid < 0)
        return -1;
    if (waitpid(pid, &st, 0) != pid)
        return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void *printer_thread(void *unused)
{
    (void)unused;
    for (;;) {
        struct ticket *t = q_get();
        int try;

        for (try = 0; try < 3; try++) {
            if (print_ticket(t) == 0)
                break;
            sleep(2 << try);
        }
        if (try < 3)
            printed++;
        else
            failed++;
        fprintf(stderr, "ticketd: %s %s\n", t->file, try < 3 ? "printed" : "FAILED");
        unlink(t->file);
        free(t);
    }
    return NULL;
}

static void clean_title(char *s)
{
    char *d = s;

    /* till software likes to send tabs, semicolons and quotes */
    for (; *s; s++) {
        switch (*s) {
        case '\t': *d++ = ' '; break;
        case '"': case ';': case '|': case '\\': break;
        default:
            if ((unsigned char)*s >= ' ')
                *d++ = *s;
        }
    }
    *d = 0;
}

static int take_data(FILE *in, char **line, size_t *cap, const char *file)
{
    FILE *f = fopen(file, "w");
    size_t total = 0;
    ssize_t n;

    while ((n = getline(line, cap, in)) > 0) {
        if (!strcmp(*line, ".\r\n") || !strcmp(*line, ".\n"))
            break;
        total += (size_t)n;
        if (f && total < 65536)
            fputs(*line, f);
    }
    if (!f)
        return -1;
    fclose(f);
    return n > 0 ? 0 : -1;
}

static void *session(void *arg)
{
    int fd = (int)(long)arg;
    FILE *in = fdopen(fd, "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    struct ticket cur;

    memset(&cur, 0, sizeof cur);
    strcpy(cur.title, "ticket");
    cur.copies = 1;
    while (in && (n = getline(&line, &cap, in)) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (!strncasecmp(line, "TITLE ", 6)) {
            snprintf(cur.title, sizeof cur.title, "%s", line + 6);
            clean_title(cur.title);
            dprintf(fd, "200 title\r\n");
        } else if (!strncasecmp(line, "PRINTER ", 8)) {
            int p = atoi(line + 8);
            if (p < 0 || p > 2) {
                dprintf(fd, "500 no such printer\r\n");
                continue;
            }
            cur.printer = p;
            dprintf(fd, "200 printer %s\r\n", devs[p]);
        } else if (!strncasecmp(line, "COPIES ", 7)) {
            int c = atoi(line + 7);
            cur.copies = c < 1 ? 1 : c > 5 ? 5 : c;
            dprintf(fd, "200 copies\r\n");
        } else if (!strcasecmp(line, "DATA")) {
            struct ticket *t = malloc(sizeof *t);
            if (!t)
                break;
            snprintf(cur.file, sizeof cur.file, SPOOL "/t%ld-%u.txt",
                     (long)time(NULL), __sync_fetch_and_add(&serial, 1));
            dprintf(fd, "300 go ahead\r\n");
            *t = cur;
            if (take_data(in, &line, &cap, cur.file) < 0 || !q_put(t)) {
                unlink(cur.file);
                free(t);
                dprintf(fd, "400 not queued\r\n");
            } else
                dprintf(fd, "200 queued\r\n");
        } else if (!strcasecmp(line, "STATUS"))
            dprintf(fd, "200 printed=%u failed=%u waiting=%u\r\n", printed, failed, q.head - q.tail);
        else if (!strcasecmp(line, "QUIT"))
            break;
        else
            dprintf(fd, "500 what?\r\n");
    }
    free(line);
    if (in)
        fclose(in);
    else
        close(fd);
    return NULL;
}

int main(void)
{
    struct sockaddr_in a;
    pthread_t t;
    int s, on = 1;

    signal(SIGPIPE, SIG_IGN);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(TICKETD_PORT);
    a.sin_addr.s_addr = INADDR_ANY;
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 8)) {
        perror("ticketd");
        return 1;
    }
    pthread_create(&t, NULL, printer_thread, NULL);
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        if (pthread_create(&t, NULL, session, (void *)(long)c)) {
            close(c);
            continue;
        }
        pthread_detach(t);
    }
}
