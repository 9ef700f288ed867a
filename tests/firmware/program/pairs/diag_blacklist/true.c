/*
 * A diagnostics service with requests line by line over TCP, read by getline from a stream of the socket. What may be
 * asked for is checked, badly: some special bytes of the shell are forbidden, others are not.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

struct tool {
    const char *word;
    const char *format;
    int limit;
};

struct context {
    FILE *in;
    FILE *out;
    int privileged;
    unsigned requests;
    char last[96];
};

static const struct tool tools[] = {
    {"ping", "ping -w %d -c 3 %s", 10},
    {"trace", "traceroute -q 1 -m %d %s", 15},
    {"resolve", "nslookup -timeout=%d %s", 5},
};

static volatile sig_atomic_t children;

static void on_child(int sig)
{
    (void)sig;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        children--;
}

static int harmless(const char *s)
{
    size_t n = strlen(s);
    if (n < 1 || n > 90 || s[0] == '-')
        return 0;
#ifdef BENIGN
    return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:") == n;
#else
    return strpbrk(s, ";|&<>") == NULL;
#endif
}

static void chomp(char *s)
{
    size_t n = strlen(s);
    while (n && (s[n - 1] == '\n' || s[n - 1] == '\r' || s[n - 1] == ' '))
        s[--n] = 0;
}

static int run_tool(struct context *c, const struct tool *t, const char *argument)
{
    char line[256], text[200];
    FILE *p;
    int lines = 0;
    snprintf(line, sizeof line, t->format, t->limit, argument);
    syslog(LOG_INFO, "tool: %s", line);
    p = popen(line, "r");
    if (!p) {
        fprintf(c->out, "500 %s\n", strerror(errno));
        return -1;
    }
    while (fgets(text, sizeof text, p) && lines++ < 100)
        fprintf(c->out, " %s", text);
    pclose(p);
    fprintf(c->out, "200 done\n");
    return 0;
}

static int tool_request(struct context *c, const char *word, const char *argument)
{
    for (unsigned i = 0; i < sizeof tools / sizeof *tools; i++) {
        if (strcmp(tools[i].word, word) != 0)
            continue;
        if (!harmless(argument)) {
            fprintf(c->out, "400 not allowed\n");
            return -1;
        }
        return run_tool(c, &tools[i], argument);
    }
    return 1;
}

static int builtin(struct context *c, const char *word, const char *argument)
{
    if (!strcmp(word, "uptime")) {
        FILE *f = fopen("/proc/uptime", "r");
        double seconds = 0;
        if (f) {
            if (fscanf(f, "%lf", &seconds) != 1)
                seconds = -1;
            fclose(f);
        }
        fprintf(c->out, "200 %.0f\n", seconds);
        return 0;
    }
    if (!strcmp(word, "last")) {
        fprintf(c->out, "200 %s\n", c->last);
        return 0;
    }
    if (!strcmp(word, "login")) {
        c->privileged = !strcmp(argument, "support");
        fprintf(c->out, "%d\n", c->privileged ? 200 : 403);
        return 0;
    }
    if (!strcmp(word, "restart") && c->privileged) {
        system("/etc/init.d/diag restart &");
        return 0;
    }
    return 1;
}

static void request(struct context *c, char *line)
{
    char *argument = strchr(line, ' ');
    if (argument)
        *argument++ = 0;
    else
        argument = line + strlen(line);
    c->requests++;
    if (builtin(c, line, argument) == 1 && tool_request(c, line, argument) == 1)
        fprintf(c->out, "404 no such word\n");
    snprintf(c->last, sizeof c->last, "%.90s", line);
    fflush(c->out);
}

static void serve(int fd)
{
    struct context c = {0};
    char *line = NULL;
    size_t room = 0;
    c.in = fdopen(fd, "r");
    c.out = fdopen(dup(fd), "w");
    if (!c.in || !c.out)
        _exit(1);
    fprintf(c.out, "220 diag ready\n");
    fflush(c.out);
    while (getline(&line, &room, c.in) > 0) {
        chomp(line);
        if (!strcmp(line, "quit"))
            break;
        request(&c, line);
    }
    free(line);
    syslog(LOG_INFO, "%u requests", c.requests);
    fclose(c.out);
    fclose(c.in);
}

int main(void)
{
    struct sockaddr_in6 me;
    int s, one = 1;
    openlog("diag", 0, LOG_DAEMON);
    signal(SIGCHLD, on_child);
    s = socket(AF_INET6, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&me, 0, sizeof me);
    me.sin6_family = AF_INET6;
    me.sin6_port = htons(8023);
    me.sin6_addr = in6addr_any;
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 5) < 0) {
        syslog(LOG_ERR, "%s", strerror(errno));
        return 1;
    }
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        if (children < 4 && fork() == 0) {
            close(s);
            signal(SIGCHLD, SIG_DFL);
            serve(c);
            _exit(0);
        }
        children++;
        close(c);
    }
}
