/* backupsvc.c: recording backup scheduler of the NVR.
 * A small HTTP front end adds jobs, a scheduler thread starts them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdint.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define DEFAULT_PORT 8765
#define REQ_MAX      2048

typedef struct BackupJob {
    struct BackupJob *next;
    unsigned          id;
    char             *target;      /* user@host::module or a path */
    int               channel;
    time_t            due;
    unsigned          period;      /* s, 0 = once */
    int               lastRc;
} BackupJob;

static BackupJob      *g_jobs;
static unsigned        g_nextId = 1;
static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned short  g_port = DEFAULT_PORT;
static char            g_root[128] = "/mnt/hdd0/rec";

static void LogLine(const char *what, unsigned id)
{
    time_t t = time(NULL);
    char stamp[32];
    struct tm tm;
    localtime_r(&t, &tm);
    strftime(stamp, sizeof stamp, "%F %T", &tm);
    fprintf(stderr, "%s backupsvc: %s (%u)\n", stamp, what, id);
}

static void LoadConfig(const char *file)
{
    char l[200];
    FILE *f = fopen(file, "r");
    if (!f)
        return;
    while (fgets(l, sizeof l, f)) {
        l[strcspn(l, "\r\n")] = 0;
        if (!strncmp(l, "port=", 5))
            g_port = (unsigned short)atoi(l + 5);
        else if (!strncmp(l, "root=", 5))
            snprintf(g_root, sizeof g_root, "%s", l + 5);
    }
    fclose(f);
}

static int HexVal(int c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/* returns malloc'ed, decoded value of a parameter or NULL */
static char *HttpParam(const char *query, const char *name)
{
    size_t nl = strlen(name);
    const char *p = query;

    while (p && *p) {
        const char *end = p + strcspn(p, "& ");
        if ((size_t)(end - p) > nl && !strncmp(p, name, nl) && p[nl] == '=') {
            char *out = malloc(end - p + 1), *o = out;
            if (!out)
                return NULL;
            for (p += nl + 1; p < end; p++) {
                if (*p == '+')
                    *o++ = ' ';
                else if (*p == '%' && end - p > 2 && HexVal(p[1]) >= 0 && HexVal(p[2]) >= 0) {
                    *o++ = (char)(HexVal(p[1]) << 4 | HexVal(p[2]));
                    p += 2;
                } else
                    *o++ = *p;
            }
            *o = 0;
            return out;
        }
        if (*end != '&')
            break;
        p = end + 1;
    }
    return NULL;
}

static void Reply(int fd, int code, const char *body)
{
    char h[256];
    int n = snprintf(h, sizeof h, "HTTP/1.0 %d X\r\nContent-Type: text/plain\r\n\r\n%s\n", code, body);
    if (n > (int)sizeof h - 1)
        n = sizeof h - 1;
    send(fd, h, n, MSG_NOSIGNAL);
}

static void OnAdd(int fd, const char *q)
{
    char *target = HttpParam(q, "target");
    char *ch = HttpParam(q, "ch");
    char *in = HttpParam(q, "in");
    char *every = HttpParam(q, "every");
    BackupJob *j = NULL;
    unsigned id;

    if (!target || !*target || strlen(target) > 200)
        Reply(fd, 400, "target");
    else if ((j = calloc(1, sizeof *j)) != NULL) {
        j->target = target;
        target = NULL;
        j->channel = ch ? atoi(ch) & 31 : 0;
        j->due = time(NULL) + (in ? atoi(in) : 60);
        j->period = every ? (unsigned)atoi(every) : 0;
        pthread_mutex_lock(&g_lock);
        j->id = id = g_nextId++;
        j->next = g_jobs;
        g_jobs = j;
        pthread_mutex_unlock(&g_lock);
        LogLine("job added", id);
        Reply(fd, 200, "added");
    }
    free(target);
    free(ch);
    free(in);
    free(every);
}

static void OnList(int fd, const char *q)
{
    char body[128];
    unsigned n = 0, bad = 0;
    BackupJob *j;
    (void)q;
    pthread_mutex_lock(&g_lock);
    for (j = g_jobs; j; j = j->next) {
        n++;
        if (j->lastRc)
            bad++;
    }
    pthread_mutex_unlock(&g_lock);
    snprintf(body, sizeof body, "jobs=%u failed=%u", n, bad);
    Reply(fd, 200, body);
}

static int RunBackup(const char *src, const char *target)
{
    char from[256];
    int st;
    pid_t p;

    snprintf(from, sizeof from, "%s/", src);
    p = fork();
    if (p < 0)
        return -1;
    if (p == 0) {
        execl("/usr/bin/rsync", "rsync", "-a", "--timeout=30", "--", from, target, (char *)NULL);
        _exit(127);
    }
    return waitpid(p, &st, 0) == p ? st : -1;
}

static void *Scheduler(void *arg)
{
    (void)arg;
    for (;;) {
        BackupJob **pp, *j = NULL;
        time_t now = time(NULL);
        char src[192];
        int rc;

        pthread_mutex_lock(&g_lock);
        for (pp = &g_jobs; *pp; pp = &(*pp)->next)
            if ((*pp)->due <= now) {
                j = *pp;
                *pp = j->next;       /* taken off while it runs */
                break;
            }
        pthread_mutex_unlock(&g_lock);
        if (!j) {
            sleep(1);
            continue;
        }
        snprintf(src, sizeof src, "%s/ch%02d", g_root, j->channel);
        rc = RunBackup(src, j->target);
        LogLine(rc ? "job failed" : "job done", j->id);
        j->lastRc = rc;
        if (!j->period) {
            free(j->target);
            free(j);
            continue;
        }
        j->due = time(NULL) + j->period;
        pthread_mutex_lock(&g_lock);
        j->next = g_jobs;
        g_jobs = j;
        pthread_mutex_unlock(&g_lock);
    }
    return NULL;
}

int main(void)
{
    struct sockaddr_in a;
    pthread_t th;
    int ls, one = 1;

    signal(SIGPIPE, SIG_IGN);
    LoadConfig("/etc/backupsvc.conf");
    pthread_create(&th, NULL, Scheduler, NULL);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(g_port);
    if (bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 4))
        return 1;
    for (;;) {
        char req[REQ_MAX];
        int c = accept(ls, NULL, NULL);
        ssize_t n;
        if (c < 0)
            continue;
        n = recv(c, req, sizeof req - 1, 0);
        if (n > 0) {
            req[n] = 0;
            req[strcspn(req, "\r\n")] = 0;
            if (!strncmp(req, "GET /backup/add?", 16))
                OnAdd(c, req + 16);
            else if (!strncmp(req, "GET /backup/list", 16))
                OnList(c, req + 16);
            else
                Reply(c, 404, "no");
        }
        close(c);
    }
}
