/*
 * timed: keeps the clock of a recorder. The server's name arrives over UDP, is kept in a global structure, and
 * is used much later, when the interval timer has run out.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

struct settings {
    int enabled;
    int interval;
    char zone[24];
    char server[2][64];
    int failures;
};

static struct settings now_used = {1, 3600, "UTC", {"pool.ntp.org", ""}, 0};
static volatile sig_atomic_t due;
static unsigned ticks;

static void on_alarm(int sig)
{
    (void)sig;
    due = 1;
}

static void start_timer(int seconds)
{
    struct itimerval t;
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = on_alarm;
    sigemptyset(&a.sa_mask);
    sigaction(SIGALRM, &a, NULL);
    t.it_value.tv_sec = seconds;
    t.it_value.tv_usec = 0;
    t.it_interval = t.it_value;
    setitimer(ITIMER_REAL, &t, NULL);
}

static int plausible_name(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n >= 64)
        return 0;
#ifdef BENIGN
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (!isalnum(c) && c != '.' && !(c == '-' && i > 0))
            return 0;
    }
#endif
    return 1;
}

static void set_interval(const char *value)
{
    int v = atoi(value);
    if (v < 60)
        v = 60;
    if (v > 86400)
        v = 86400;
    now_used.interval = v;
    start_timer(v);
}

static void set_zone(const char *value)
{
    strncpy(now_used.zone, value, sizeof now_used.zone - 1);
    now_used.zone[sizeof now_used.zone - 1] = 0;
    setenv("TZ", now_used.zone, 1);
    tzset();
}

static void set_server(int index, const char *value)
{
    if (!plausible_name(value)) {
        syslog(LOG_WARNING, "server name refused");
        return;
    }
    snprintf(now_used.server[index], sizeof now_used.server[index], "%s", value);
    syslog(LOG_INFO, "server %d is %s", index, now_used.server[index]);
}

static void apply_line(char *line)
{
    char *eq = strchr(line, '=');
    if (!eq)
        return;
    *eq++ = 0;
    if (!strcmp(line, "enabled"))
        now_used.enabled = *eq == '1';
    else if (!strcmp(line, "interval"))
        set_interval(eq);
    else if (!strcmp(line, "zone"))
        set_zone(eq);
    else if (!strcmp(line, "server"))
        set_server(0, eq);
    else if (!strcmp(line, "server2"))
        set_server(1, eq);
    else
        syslog(LOG_DEBUG, "unknown key %s", line);
}

static void apply_packet(char *text)
{
    char *save = NULL, *line;
    if (strncmp(text, "TIMECFG\n", 8) != 0)
        return;
    for (line = strtok_r(text + 8, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        apply_line(line);
}

static int synchronise(const struct settings *s, int which)
{
    char cmd[160];
    if (!s->server[which][0])
        return -1;
    snprintf(cmd, sizeof cmd, "/usr/sbin/ntpdate -t 2 -u %s >/dev/null 2>&1", s->server[which]);
    return system(cmd);
}

static void on_due(void)
{
    due = 0;
    ticks++;
    if (!now_used.enabled)
        return;
    if (synchronise(&now_used, 0) == 0 || synchronise(&now_used, 1) == 0) {
        now_used.failures = 0;
        system("/sbin/hwclock -w");
    } else if (++now_used.failures > 5) {
        syslog(LOG_ERR, "clock not set for %d rounds", now_used.failures);
    }
}

int main(void)
{
    struct sockaddr_in me, from;
    char packet[512];
    int s;
    openlog("timed", LOG_PID, LOG_DAEMON);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_addr.s_addr = htonl(INADDR_ANY);
    me.sin_port = htons(8123);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0) {
        syslog(LOG_ERR, "cannot bind");
        return 1;
    }
    start_timer(now_used.interval);
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(s, packet, sizeof packet - 1, 0, (struct sockaddr *)&from, &size);
        if (n > 0) {
            packet[n] = 0;
            syslog(LOG_DEBUG, "%zd bytes from %s", n, inet_ntoa(from.sin_addr));
            apply_packet(packet);
        }
        if (due)
            on_due();
    }
}
