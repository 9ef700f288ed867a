/*
 * clid - management CLI of the AirSpan-5 wireless bridge
 * One forked process per operator session, settings kept in a flat store.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <syslog.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CLI_PORT      2323
#define MAX_ARGS      8
#define IDLE_SECONDS  300

struct cfg_item {
    const char *key;
    char        val[64];
    int         dirty;
};

static struct cfg_item cfg[] = {
    { "hostname",  "airspan",     0 },
    { "radio.chan", "36",         0 },
    { "radio.txp",  "17",         0 },
    { "link.peer",  "10.1.0.2",   0 },
    { "log.host",   "",           0 },
    { NULL, "", 0 }
};

struct session {
    FILE  *io;
    time_t started;
    int    commands;
    int    done;
};

struct verb {
    const char *word;
    int       (*fn)(struct session *, int, char **);
    const char *usage;
};

static int shell_cmd(const char *fmt, ...)
{
    char line[256];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof line)
        return -1;
    syslog(LOG_DEBUG, "run: %s", line);
    return system(line);
}

static struct cfg_item *cfg_find(const char *key)
{
    struct cfg_item *c;
    for (c = cfg; c->key; c++)
        if (!strcmp(c->key, key))
            return c;
    return NULL;
}

static const char *cfg_get(const char *key)
{
    struct cfg_item *c = cfg_find(key);
    return c ? c->val : "";
}

static int cfg_set(const char *key, const char *val)
{
    struct cfg_item *c = cfg_find(key);
    if (!c || strlen(val) >= sizeof c->val)
        return -1;
    strcpy(c->val, val);
    c->dirty = 1;
    return 0;
}

static int is_number(const char *s, int lo, int hi)
{
    char *end;
    long v;

    if (!isdigit((unsigned char)*s))
        return 0;
    v = strtol(s, &end, 10);
    return *end == 0 && v >= lo && v <= hi;
}

static int host_ok(const char *s)
{
    if (!*s || strlen(s) > 60)
        return 0;
    return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")] == 0;
}

static int v_show(struct session *s, int argc, char **argv)
{
    struct cfg_item *c;

    for (c = cfg; c->key; c++)
        if (argc < 2 || !strncmp(c->key, argv[1], strlen(argv[1])))
            fprintf(s->io, "  %-12s %s%s\r\n", c->key, c->val, c->dirty ? " *" : "");
    return 0;
}

static int v_set(struct session *s, int argc, char **argv)
{
    if (argc != 3)
        return -1;
    if (!strcmp(argv[1], "radio.chan") && !is_number(argv[2], 36, 165)) {
        fprintf(s->io, "%% bad channel\r\n");
        return 0;
    }
    if (!strcmp(argv[1], "radio.txp") && !is_number(argv[2], 0, 27)) {
        fprintf(s->io, "%% bad power\r\n");
        return 0;
    }
    if (strcmp(argv[1], "radio.chan") && strcmp(argv[1], "radio.txp") && !host_ok(argv[2])) {
        fprintf(s->io, "%% bad name\r\n");
        return 0;
    }
    if (cfg_set(argv[1], argv[2]) < 0)
        fprintf(s->io, "%% no such item\r\n");
    return 0;
}

static int v_apply(struct session *s, int argc, char **argv)
{
    struct cfg_item *c;
    int rc = 0;

    (void)argc; (void)argv;
    for (c = cfg; c->key; c++) {
        if (!c->dirty)
            continue;
        if (!strcmp(c->key, "hostname"))
            rc |= shell_cmd("hostname %s", c->val);
        else if (!strcmp(c->key, "radio.chan"))
            rc |= shell_cmd("iwconfig ath0 channel %d", atoi(c->val));
        else if (!strcmp(c->key, "radio.txp"))
            rc |= shell_cmd("iwconfig ath0 txpower %d", atoi(c->val));
        else if (!strcmp(c->key, "log.host"))
            rc |= shell_cmd("killall syslogd; syslogd -R %s", c->val);
        c->dirty = 0;
    }
    fprintf(s->io, rc ? "%% apply failed\r\n" : "ok\r\n");
    return 0;
}

static int v_link(struct session *s, int argc, char **argv)
{
    (void)argc; (void)argv;
    fprintf(s->io, "peer %s, up %ld s\r\n", cfg_get("link.peer"),
            (long)(time(NULL) - s->started));
    return 0;
}

static int v_exit(struct session *s, int argc, char **argv)
{
    (void)argc; (void)argv;
    s->done = 1;
    return 0;
}

static const struct verb verbs[] = {
    { "show",  v_show,  "show [prefix]" },
    { "set",   v_set,   "set <item> <value>" },
    { "apply", v_apply, "apply" },
    { "link",  v_link,  "link" },
    { "exit",  v_exit,  "exit" },
};

static void dispatch(struct session *s, char *line)
{
    char *argv[MAX_ARGS], *save = NULL, *w;
    int argc = 0;
    size_t i;

    for (w = strtok_r(line, " \t\r\n", &save); w && argc < MAX_ARGS;
         w = strtok_r(NULL, " \t\r\n", &save))
        argv[argc++] = w;
    if (!argc)
        return;
    s->commands++;
    for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].word, argv[0]))
            continue;
        if (verbs[i].fn(s, argc, argv) < 0)
            fprintf(s->io, "usage: %s\r\n", verbs[i].usage);
        return;
    }
    fprintf(s->io, "%% unknown command\r\n");
}

static void serve(int fd)
{
    struct session s;
    char *line = NULL;
    size_t cap = 0;

    memset(&s, 0, sizeof s);
    s.started = time(NULL);
    s.io = fdopen(fd, "r+");
    if (!s.io)
        _exit(1);
    setvbuf(s.io, NULL, _IONBF, 0);
    fprintf(s.io, "AirSpan-5 bridge, fw 2.7.1\r\n");
    while (!s.done) {
        alarm(IDLE_SECONDS);
        fprintf(s.io, "%s> ", cfg_get("hostname"));
        if (getline(&line, &cap, s.io) <= 0)
            break;
        dispatch(&s, line);
    }
    syslog(LOG_INFO, "session closed after %d commands", s.commands);
    free(line);
    fclose(s.io);
}

int main(void)
{
    struct sockaddr_in a;
    int ls, fd, one = 1;

    openlog("clid", LOG_PID, LOG_DAEMON);
    signal(SIGCHLD, SIG_DFL);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(CLI_PORT);
    a.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(ls, (struct sockaddr *)&a, sizeof a) < 0 || listen(ls, 4) < 0) {
        syslog(LOG_ERR, "port %d: %s", CLI_PORT, strerror(errno));
        return 1;
    }
    for (;;) {
        fd = accept(ls, NULL, NULL);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (fd < 0)
            continue;
        if (fork() == 0) {
            close(ls);
            serve(fd);
            _exit(0);
        }
        close(fd);
    }
}
