// Emergency telephone unit of a lift: service port for the maintenance
// company. Text lines, one command each. Numbers are kept in the phone
// book and dialled by the alarm button or by the periodic test call.

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { PORT = 4003, SLOTS = 6, NUMLEN = 48, JOURNAL = 64 };

struct entry {
    char   number[NUMLEN];
    int    rings;
    time_t last;
};

struct event {
    time_t when;
    char   text[60];
};

static struct entry    book[SLOTS];
static struct event    journal[JOURNAL];
static unsigned        jpos;
static pthread_mutex_t mtx = PTHREAD_MUTEX_INITIALIZER;
static int             pending = -1;      // slot to be called by the ticker
static int             testhours = 72;
static time_t          nexttest;

static void note(const char *fmt, ...)
{
    va_list ap;
    struct event *e = &journal[jpos++ % JOURNAL];

    e->when = time(NULL);
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
}

static int run(char *line)
{
    char *argv[] = { "sh", "-c", line, NULL };
    pid_t pid;
    int   st;

    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) != 0)
        return -1;
    while (waitpid(pid, &st, 0) == -1)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static int dial(const struct entry *e)
{
    char line[160];

    if (e->number[0] == '\0')
        return -1;
    snprintf(line, sizeof line, "/opt/voice/call --rings %d --to %s >/dev/null 2>&1",
             e->rings, e->number);
    return run(line);
}

static void *ticker(void *arg)
{
    (void)arg;
    for (;;) {
        struct entry e;
        int slot;

        sleep(1);
        pthread_mutex_lock(&mtx);
        slot = pending;
        pending = -1;
        if (slot < 0 && time(NULL) >= nexttest) {
            slot = 0;
            nexttest = time(NULL) + testhours * 3600L;
        }
        if (slot >= 0) {
            e = book[slot];
            book[slot].last = time(NULL);
        }
        pthread_mutex_unlock(&mtx);
        if (slot >= 0) {
            int rc = dial(&e);
            pthread_mutex_lock(&mtx);
            note("call slot %d -> %d", slot, rc);
            pthread_mutex_unlock(&mtx);
        }
    }
    return NULL;
}

static int valid_number(const char *s)
{
    size_t n = 0;

    if (*s == '+')
        s++;
    for (; *s; s++, n++)
        if (!isdigit((unsigned char)*s))
            return 0;
    return n >= 3 && n < NUMLEN - 1;
}

static int slot_of(const char *s)
{
    if (!s || !isdigit((unsigned char)s[0]) || s[1])
        return -1;
    return s[0] - '0' < SLOTS ? s[0] - '0' : -1;
}

// ---- commands: arguments are fetched with strtok_r from *save

static void c_set(FILE *out, char **save)
{
    int   slot  = slot_of(strtok_r(NULL, " \t", save));
    char *num   = strtok_r(NULL, " \t", save);
    char *rings = strtok_r(NULL, " \t", save);

    if (slot < 0 || !num) {
        fputs("E1 usage: SET slot number [rings]\r\n", out);
        return;
    }
    if (!valid_number(num)) {
        fputs("E2 number\r\n", out);
        return;
    }
    pthread_mutex_lock(&mtx);
    snprintf(book[slot].number, sizeof book[slot].number, "%s", num);
    book[slot].rings = rings ? atoi(rings) : 8;
    if (book[slot].rings < 1 || book[slot].rings > 30)
        book[slot].rings = 8;
    note("slot %d changed", slot);
    pthread_mutex_unlock(&mtx);
    fputs("OK\r\n", out);
}

static void c_get(FILE *out, char **save)
{
    int slot = slot_of(strtok_r(NULL, " \t", save));

    if (slot < 0) {
        fputs("E1\r\n", out);
        return;
    }
    pthread_mutex_lock(&mtx);
    fprintf(out, "%d %s %d %ld\r\n", slot, book[slot].number[0] ? book[slot].number : "-",
            book[slot].rings, (long)book[slot].last);
    pthread_mutex_unlock(&mtx);
}

static void c_test(FILE *out, char **save)
{
    int slot = slot_of(strtok_r(NULL, " \t", save));

    if (slot < 0) {
        fputs("E1\r\n", out);
        return;
    }
    pthread_mutex_lock(&mtx);
    pending = slot;
    pthread_mutex_unlock(&mtx);
    fputs("OK calling\r\n", out);
}

static void c_period(FILE *out, char **save)
{
    char *h = strtok_r(NULL, " \t", save);
    int   v = h ? atoi(h) : 0;

    if (v < 1 || v > 720) {
        fputs("E3 1..720 hours\r\n", out);
        return;
    }
    pthread_mutex_lock(&mtx);
    testhours = v;
    nexttest = time(NULL) + v * 3600L;
    note("test period %d h", v);
    pthread_mutex_unlock(&mtx);
    fputs("OK\r\n", out);
}

static void c_journal(FILE *out, char **save)
{
    unsigned i, from;

    (void)save;
    pthread_mutex_lock(&mtx);
    from = jpos > JOURNAL ? jpos - JOURNAL : 0;
    for (i = from; i < jpos; i++)
        fprintf(out, "%ld %s\r\n", (long)journal[i % JOURNAL].when, journal[i % JOURNAL].text);
    pthread_mutex_unlock(&mtx);
    fputs("OK\r\n", out);
}

typedef void command(FILE *, char **);

static const char *const names[]   = { "SET", "GET", "TEST", "PERIOD", "JOURNAL" };
static command *const    handlers[] = { c_set, c_get, c_test, c_period, c_journal };

static void session(int fd)
{
    FILE  *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    char  *line = NULL, *save, *verb;
    size_t cap = 0, i;

    if (in && out) {
        fputs("LIFT-ET 2.4 ready\r\n", out);
        fflush(out);
        while (getline(&line, &cap, in) != -1) {
            line[strcspn(line, "\r\n")] = '\0';
            verb = strtok_r(line, " \t", &save);
            if (!verb)
                continue;
            if (strcmp(verb, "QUIT") == 0)
                break;
            for (i = 0; i < sizeof names / sizeof names[0]; i++)
                if (strcmp(verb, names[i]) == 0)
                    break;
            if (i < sizeof names / sizeof names[0])
                handlers[i](out, &save);
            else
                fputs("E0 unknown\r\n", out);
            fflush(out);
        }
    }
    free(line);
    if (in)
        fclose(in);
    if (out)
        fclose(out);
}

int main(void)
{
    struct sockaddr_in a;
    pthread_t t;
    int ls, on = 1;

    signal(SIGPIPE, SIG_IGN);
    nexttest = time(NULL) + testhours * 3600L;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = INADDR_ANY;
    a.sin_port = htons(PORT);
    if (ls < 0 || bind(ls, (struct sockaddr *)&a, sizeof a) < 0 || listen(ls, 1) < 0) {
        perror("lift-et");
        return 1;
    }
    if (pthread_create(&t, NULL, ticker, NULL) != 0)
        return 1;
    for (;;) {
        int c = accept(ls, NULL, NULL);
        if (c >= 0)
            session(c);
    }
}
