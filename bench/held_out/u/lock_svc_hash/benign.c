/* gatelockd: bridge between the smart locks (868 MHz) and the LAN.
 * Plain text over TCP.  Normal words are in the table; the words of the
 * factory are known only by their hash. */
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <signal.h>
#include <pthread.h>
#include <unistd.h>

#define GATE_PORT  9123
#define MAX_LOCKS  6

struct lock {
    uint32_t id;
    int      bolted;
    int      battery;
    time_t   relock_at;
};

struct session {
    int    fd;
    FILE  *in;
    int    bad;
    char   reply[512];
};

static struct lock locks[MAX_LOCKS];
static int nlocks;
static int relock_secs = 30;
static pthread_mutex_t lk = PTHREAD_MUTEX_INITIALIZER;

static uint32_t word_hash(const char *s)
{
    uint32_t h = 2166136261u;

    while (*s) {
        h ^= (unsigned char)tolower((unsigned char)*s++);
        h *= 16777619u;
    }
    return h;
}

static void radio_send(uint32_t id, int bolt)
{
    FILE *f = fopen("/dev/rf868", "w");

    if (f) {
        fprintf(f, "T%08x%c\n", (unsigned)id, bolt ? 'L' : 'U');
        fclose(f);
    }
}

static void load_locks(void)
{
    FILE *f = fopen("/etc/gatelock/locks", "r");
    unsigned id;

    while (f && nlocks < MAX_LOCKS && fscanf(f, "%x", &id) == 1) {
        locks[nlocks].id = id;
        locks[nlocks].bolted = 1;
        locks[nlocks].battery = 100;
        nlocks++;
    }
    if (f)
        fclose(f);
}

static struct lock *lock_arg(const char *arg)
{
    char *end;
    unsigned long n = strtoul(arg, &end, 10);

    if (end == arg || *end || n < 1 || n > (unsigned long)nlocks)
        return NULL;
    return &locks[n - 1];
}

/* -------- words everyone may use -------- */

static int w_state(struct session *s, char *arg)
{
    size_t n = 0;
    int i;

    pthread_mutex_lock(&lk);
    for (i = 0; i < nlocks; i++)
        n += snprintf(s->reply + n, sizeof s->reply - n, "%d:%08x:%s:%d%%\n", i + 1,
                      (unsigned)locks[i].id, locks[i].bolted ? "locked" : "open", locks[i].battery);
    pthread_mutex_unlock(&lk);
    return 0;
}

static int w_bolt(struct session *s, char *arg)
{
    struct lock *l = lock_arg(arg);

    if (!l)
        return -1;
    pthread_mutex_lock(&lk);
    l->bolted = 1;
    l->relock_at = 0;
    pthread_mutex_unlock(&lk);
    radio_send(l->id, 1);
    return 0;
}

static int w_relock(struct session *s, char *arg)
{
    int n = atoi(arg);

    if (n < 5 || n > 600)
        return -1;
    relock_secs = n;
    return 0;
}

/* -------- words of the service technician -------- */

static int w_journal(struct session *s, char *arg)
{
    char cmd[160];
    size_t n = 0, k;
    FILE *p;
    char *end;
    unsigned long lines = strtoul(arg, &end, 10);

    if (end == arg || lines == 0 || lines > 500)
        return -1;

    snprintf(cmd, sizeof cmd, "logread -l %lu 2>&1", lines);
    p = popen(cmd, "r");
    if (!p)
        return -1;
    while (n + 1 < sizeof s->reply &&
           (k = fread(s->reply + n, 1, sizeof s->reply - 1 - n, p)) > 0)
        n += k;
    s->reply[n] = 0;
    pclose(p);
    return 0;
}

static int w_learn(struct session *s, char *arg)
{
    FILE *f = fopen("/dev/rf868", "w");

    if (!f)
        return -1;
    fputs("LEARN\n", f);
    fclose(f);
    return 0;
}

static int w_wipe(struct session *s, char *arg)
{
    return system("rm -f /etc/gatelock/locks && sync");
}

static const struct {
    const char *word;
    int (*fn)(struct session *, char *);
} words[] = {
    { "state",  w_state  },
    { "bolt",   w_bolt   },
    { "relock", w_relock },
};

static const struct {
    uint32_t hash;
    int (*fn)(struct session *, char *);
} service[] = {
    { 0x5ab91aa9u, w_journal },
    { 0x1e0b2c44u, w_learn },
    { 0x9d5502afu, w_wipe },
};

static int dispatch(struct session *s, char *line)
{
    char *arg = line + strcspn(line, " \t");
    uint32_t h;
    unsigned i;

    if (*arg)
        *arg++ = 0;
    while (*arg == ' ')
        arg++;
    for (i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strcmp(words[i].word, line))
            return words[i].fn(s, arg);
    h = word_hash(line);
    for (i = 0; i < sizeof service / sizeof service[0]; i++)
        if (service[i].hash == h)
            return service[i].fn(s, arg);
    s->bad++;
    return -1;
}

static void *serve(void *p)
{
    struct session *s = p;
    char line[200];

    s->in = fdopen(s->fd, "r");
    while (s->in && s->bad < 10 && fgets(line, sizeof line, s->in)) {
        line[strcspn(line, "\r\n")] = 0;
        if (!line[0])
            continue;
        s->reply[0] = 0;
        strcat(s->reply, dispatch(s, line) ? "error\n" : "");
        if (!s->reply[0])
            strcpy(s->reply, "ok\n");
        if (send(s->fd, s->reply, strlen(s->reply), 0) < 0)
            break;
    }
    if (s->in)
        fclose(s->in);
    else
        close(s->fd);
    free(s);
    return NULL;
}

static void *relock_timer(void *p)
{
    int i;

    for (;;) {
        time_t now = time(NULL);

        pthread_mutex_lock(&lk);
        for (i = 0; i < nlocks; i++) {
            if (!locks[i].bolted && locks[i].relock_at == 0)
                locks[i].relock_at = now + relock_secs;
            if (locks[i].relock_at && now >= locks[i].relock_at) {
                locks[i].relock_at = 0;
                locks[i].bolted = 1;
                radio_send(locks[i].id, 1);
            }
        }
        pthread_mutex_unlock(&lk);
        sleep(1);
    }
    return NULL;
}

int main(void)
{
    struct sockaddr_in a;
    pthread_t t;
    int s, one = 1;

    load_locks();
    signal(SIGPIPE, SIG_IGN);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(GATE_PORT);
    if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 3) < 0)
        return 1;
    pthread_create(&t, NULL, relock_timer, NULL);
    for (;;) {
        struct session *ses = calloc(1, sizeof *ses);
        if (!ses) {
            sleep(1);
            continue;
        }
        ses->fd = accept(s, NULL, NULL);
        if (ses->fd >= 0)
            setsockopt(ses->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (ses->fd < 0 || pthread_create(&t, NULL, serve, ses)) {
            if (ses->fd >= 0)
                close(ses->fd);
            free(ses);
            continue;
        }
        pthread_detach(t);
    }
}
