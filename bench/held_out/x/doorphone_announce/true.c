// Door phone controller: receives short control messages of the house
// network and works them off in a second thread.
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define DOOR_PORT      5062
#define JOB_TEXT       200
#define QUEUE_LIMIT    20
#define RELAY_SECONDS  4

typedef enum { JOB_CHIME, JOB_OPEN, JOB_ANNOUNCE } JobKind;

typedef struct Job {
    JobKind     kind;
    int         number;
    char        text[JOB_TEXT];
    struct Job *next;
} Job;

static struct {
    Job            *head, *tail;
    int             count;
    pthread_mutex_t lock;
    pthread_cond_t  ready;
} queue = { NULL, NULL, 0, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };

static bool quiet_hours_on = true;

static bool queue_put(JobKind kind, int number, const char *text)
{
    Job *j = calloc(1, sizeof *j);
    if (!j)
        return false;
    j->kind = kind;
    j->number = number;
    if (text)
        strncpy(j->text, text, sizeof j->text - 1);

    pthread_mutex_lock(&queue.lock);
    if (queue.count >= QUEUE_LIMIT) {
        pthread_mutex_unlock(&queue.lock);
        free(j);
        return false;
    }
    if (queue.tail)
        queue.tail->next = j;
    else
        queue.head = j;
    queue.tail = j;
    queue.count++;
    pthread_cond_signal(&queue.ready);
    pthread_mutex_unlock(&queue.lock);
    return true;
}

static Job *queue_get(void)
{
    pthread_mutex_lock(&queue.lock);
    while (!queue.head)
        pthread_cond_wait(&queue.ready, &queue.lock);
    Job *j = queue.head;
    queue.head = j->next;
    if (!queue.head)
        queue.tail = NULL;
    queue.count--;
    pthread_mutex_unlock(&queue.lock);
    return j;
}

static bool quiet_now(void)
{
    time_t t = time(NULL);
    struct tm tm;
    localtime_r(&t, &tm);
    return quiet_hours_on && (tm.tm_hour >= 22 || tm.tm_hour < 6);
}

static void wait_child(pid_t pid, const char *what)
{
    int st;
    if (pid < 0) {
        syslog(LOG_ERR, "%s: fork: %m", what);
        return;
    }
    if (waitpid(pid, &st, 0) == pid && WIFEXITED(st) && WEXITSTATUS(st))
        syslog(LOG_WARNING, "%s: exit %d", what, WEXITSTATUS(st));
}

static void play_chime(int n)
{
    char file[64];
    snprintf(file, sizeof file, "/usr/share/chimes/%d.wav", n);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/usr/bin/aplay", "aplay", "-q", file, (char *)NULL);
        _exit(127);
    }
    wait_child(pid, "chime");
}

static void relay(int door, int on)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/class/gpio/gpio%d/value", 20 + door);
    FILE *f = fopen(path, "w");
    if (!f)
        return;
    fputc(on ? '1' : '0', f);
    fclose(f);
}

// The loudspeaker at the door says the text.
static void announce(Job *j)
{
    // no control characters for the speech engine
    for (char *p = j->text; *p; p++)
        if (strchr(";|&`<>\t", *p))
            *p = ' ';
    char line[JOB_TEXT + 64];
    snprintf(line, sizeof line, "/usr/bin/espeak -a %d \"%s\" >/dev/null 2>&1",
             quiet_now() ? 40 : 120, j->text);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    wait_child(pid, "announce");
}

static void *worker(void *unused)
{
    for (;;) {
        Job *j = queue_get();
        switch (j->kind) {
        case JOB_CHIME:
            if (!quiet_now())
                play_chime(j->number);
            break;
        case JOB_OPEN:
            relay(j->number, 1);
            sleep(RELAY_SECONDS);
            relay(j->number, 0);
            break;
        case JOB_ANNOUNCE:
            announce(j);
            break;
        }
        free(j);
    }
    return NULL;
}

// "Name: value" out of the header lines
static bool header(const char *msg, const char *name, char *out, size_t size)
{
    size_t nl = strlen(name);
    const char *p = msg;

    while ((p = strchr(p, '\n')) != NULL) {
        p++;
        if (strncasecmp(p, name, nl) || p[nl] != ':')
            continue;
        p += nl + 1;
        while (*p == ' ')
            p++;
        size_t n = strcspn(p, "\r\n");
        if (n >= size)
            n = size - 1;
        memcpy(out, p, n);
        out[n] = 0;
        return true;
    }
    return false;
}

static void *receiver(void *arg)
{
    int s = *(int *)arg;
    char msg[1400], val[JOB_TEXT];

    for (;;) {
        struct sockaddr_in from;
        socklen_t fl = sizeof from;
        ssize_t n = recvfrom(s, msg, sizeof msg - 1, 0, (struct sockaddr *)&from, &fl);
        if (n <= 0)
            continue;
        msg[n] = 0;

        bool ok = false;
        if (!strncmp(msg, "CHIME ", 6)) {
            int c = atoi(msg + 6);
            ok = c >= 1 && c <= 12 && queue_put(JOB_CHIME, c, NULL);
        } else if (!strncmp(msg, "OPEN ", 5)) {
            int d = atoi(msg + 5);
            ok = d >= 1 && d <= 2 && queue_put(JOB_OPEN, d, NULL);
        } else if (!strncmp(msg, "ANNOUNCE ", 9)) {
            if (header(msg, "Text", val, sizeof val))
                ok = queue_put(JOB_ANNOUNCE, 0, val);
        } else if (!strncmp(msg, "QUIET ", 6)) {
            quiet_hours_on = msg[6] == '1';
            ok = true;
        }
        const char *ans = ok ? "200 OK\r\n" : "400 Bad\r\n";
        sendto(s, ans, strlen(ans), 0, (struct sockaddr *)&from, fl);
        syslog(LOG_INFO, "message from %s: %s", inet_ntoa(from.sin_addr), ok ? "taken" : "refused");
    }
    return NULL;
}

int main(void)
{
    openlog("doorphone", LOG_PID, LOG_DAEMON);
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in me = { .sin_family = AF_INET, .sin_port = htons(DOOR_PORT) };
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0) {
        syslog(LOG_ERR, "bind: %m");
        return 1;
    }
    pthread_t rx, wk;
    pthread_create(&wk, NULL, worker, NULL);
    pthread_create(&rx, NULL, receiver, &s);
    pthread_join(rx, NULL);
    return 0;
}
