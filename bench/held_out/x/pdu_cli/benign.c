/*  pdu-cli.c: command line of the switched power strip, over TCP.  */

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;

#define N_OUTLETS   8
#define N_KEYS      16
#define ARGV_MAX    6

struct cli {
    int  fd;
    int  done;
    char line[256];
    int  len;
};

struct command {
    const char *word;
    int         min_args;
    void      (*fn)(struct cli *c, int argc, char **argv);
    const char *help;
};

/* ---- settings --------------------------------------------------------- */

static struct { char key[24]; char val[80]; int changed; } settings[N_KEYS] = {
    { "sys.name",     "pdu-8",   0 },
    { "sys.location", "rack",    0 },
    { "syslog.host",  "0.0.0.0", 0 },
    { "power.delay",  "5",       0 },
};

static const char *setting_get(const char *key)
{
    int i;

    for (i = 0; i < N_KEYS && settings[i].key[0]; i++)
        if (!strcmp(settings[i].key, key))
            return settings[i].val;
    return NULL;
}

static int setting_set(const char *key, const char *val)
{
    int i;

    for (i = 0; i < N_KEYS && settings[i].key[0]; i++) {
        if (strcmp(settings[i].key, key))
            continue;
        snprintf(settings[i].val, sizeof settings[i].val, "%s", val);
        settings[i].changed = 1;
        return 0;
    }
    return -1;
}

static int setting_changed(const char *key)
{
    int i;

    for (i = 0; i < N_KEYS && settings[i].key[0]; i++)
        if (!strcmp(settings[i].key, key) && settings[i].changed) {
            settings[i].changed = 0;
            return 1;
        }
    return 0;
}

static int host_valid(const char *s)
{
    unsigned char a[16];

    return inet_pton(AF_INET, s, a) == 1 || inet_pton(AF_INET6, s, a) == 1;
}

/* ---- outlets ---------------------------------------------------------- */

static struct { int on; time_t cycle_at; } outlet[N_OUTLETS];

static void outlet_write(int n, int on)
{
    char path[48];
    FILE *f;

    outlet[n].on = on;
    snprintf(path, sizeof path, "/sys/class/leds/relay%d/brightness", n);
    f = fopen(path, "w");
    if (f) {
        fprintf(f, "%d\n", on);
        fclose(f);
    }
}

/* ---- shell jobs ------------------------------------------------------- */

static int job(const char *fmt, ...)
{
    char text[256];
    char *av[4];
    va_list ap;
    pid_t pid;
    int st;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    av[0] = "sh";
    av[1] = "-c";
    av[2] = text;
    av[3] = NULL;
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, av, environ))
        return -1;
    if (waitpid(pid, &st, 0) != pid)
        return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

/* ---- commands --------------------------------------------------------- */

static void do_help(struct cli *c, int argc, char **argv);

static void do_set(struct cli *c, int argc, char **argv)
{
    if (!strcmp(argv[1], "syslog.host") && !host_valid(argv[2])) {
        dprintf(c->fd, "bad host\r\n");
        return;
    }
    if (setting_set(argv[1], argv[2]) < 0)
        dprintf(c->fd, "no such setting\r\n");
}

static void do_get(struct cli *c, int argc, char **argv)
{
    const char *v = setting_get(argv[1]);
    dprintf(c->fd, "%s\r\n", v ? v : "(none)");
}

static void do_commit(struct cli *c, int argc, char **argv)
{
    int rc = 0;

    if (setting_changed("syslog.host"))
        rc = job("killall syslogd; /sbin/syslogd -R %s:514 -L", setting_get("syslog.host"));
    dprintf(c->fd, "commit: %d\r\n", rc);
}

static void do_outlet(struct cli *c, int argc, char **argv)
{
    int n = atoi(argv[1]) - 1;

    if (n < 0 || n >= N_OUTLETS) {
        dprintf(c->fd, "outlet 1 to %d\r\n", N_OUTLETS);
    } else if (!strcmp(argv[2], "on")) {
        outlet_write(n, 1);
    } else if (!strcmp(argv[2], "off")) {
        outlet_write(n, 0);
    } else if (!strcmp(argv[2], "cycle")) {
        outlet_write(n, 0);
        outlet[n].cycle_at = time(NULL) + atoi(setting_get("power.delay"));
    }
}

static void do_status(struct cli *c, int argc, char **argv)
{
    int i;

    for (i = 0; i < N_OUTLETS; i++)
        dprintf(c->fd, "outlet %d: %s\r\n", i + 1, outlet[i].on ? "on" : "off");
}

static void do_quit(struct cli *c, int argc, char **argv)
{
    c->done = 1;
}

static const struct command commands[] = {
    { "help",   0, do_help,   "this list" },
    { "status", 0, do_status, "state of the outlets" },
    { "outlet", 2, do_outlet, "outlet <n> on|off|cycle" },
    { "set",    2, do_set,    "set <key> <value>" },
    { "get",    1, do_get,    "get <key>" },
    { "commit", 0, do_commit, "make the settings work" },
    { "quit",   0, do_quit,   "good bye" },
    { NULL, 0, NULL, NULL }
};

static void do_help(struct cli *c, int argc, char **argv)
{
    const struct command *k;

    for (k = commands; k->word; k++)
        dprintf(c->fd, "  %-8s %s\r\n", k->word, k->help);
}

static void cli_line(struct cli *c)
{
    char *argv[ARGV_MAX], *p, *sv;
    const struct command *k;
    int argc = 0;

    for (p = strtok_r(c->line, " \t\r", &sv); p && argc < ARGV_MAX; p = strtok_r(NULL, " \t\r", &sv))
        argv[argc++] = p;
    if (argc) {
        for (k = commands; k->word && strcmp(k->word, argv[0]); k++)
            ;
        if (!k->word)
            dprintf(c->fd, "unknown, try help\r\n");
        else if (argc - 1 < k->min_args)
            dprintf(c->fd, "usage: %s\r\n", k->help);
        else
            k->fn(c, argc, argv);
    }
    if (!c->done)
        dprintf(c->fd, "%s> ", setting_get("sys.name"));
}

static void cli_input(struct cli *c)
{
    char in[64];
    int i, n = recv(c->fd, in, sizeof in, 0);

    if (n <= 0)
        c->done = 1;
    for (i = 0; i < n && !c->done; i++) {
        if (in[i] == '\n') {
            c->line[c->len] = 0;
            c->len = 0;
            cli_line(c);
        } else if (c->len < (int)sizeof c->line - 1) {
            c->line[c->len++] = in[i];
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in a;
    struct cli *cur = NULL;
    int i, ls, on = 1, port = 2323;

    if (argc > 1)
        port = atoi(argv[1]);
    signal(SIGPIPE, SIG_IGN);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    if (bind(ls, (struct sockaddr *)&a, sizeof a) < 0 || listen(ls, 1) < 0) {
        fprintf(stderr, "pdu-cli: %s\n", strerror(errno));
        return 1;
    }
    for (;;) {
        struct timeval tv = { 1, 0 };
        int fd = cur ? cur->fd : ls;
        fd_set r;

        FD_ZERO(&r);
        FD_SET(fd, &r);
        if (select(fd + 1, &r, NULL, NULL, &tv) > 0) {
            if (cur) {
                cli_input(cur);
                if (cur->done) {
                    close(cur->fd);
                    free(cur);
                    cur = NULL;
                }
            } else if ((fd = accept(ls, NULL, NULL)) >= 0) {
                cur = calloc(1, sizeof *cur);
                if (cur)
                    cur->fd = fd;
                else
                    close(fd);
            }
        }
        for (i = 0; i < N_OUTLETS; i++)
            if (outlet[i].cycle_at && time(NULL) >= outlet[i].cycle_at) {
                outlet[i].cycle_at = 0;
                outlet_write(i, 1);
            }
    }
}
