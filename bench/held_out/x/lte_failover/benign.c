/**
 * failoverd - watches the wired line of the router and switches to LTE.
 *
 * Management is by UDP from the operator's platform:
 *
 *     mgmt/1
 *     probe: <address>
 *     interval: <seconds>
 *     losses: <n>
 *     force: wan|lte|auto
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <syslog.h>
#include <unistd.h>

#define DEFAULT_PORT 4950
#define MAGIC_LINE   "mgmt/1"

typedef enum { LINE_WAN, LINE_LTE } line_t;
typedef enum { FORCE_AUTO, FORCE_WAN, FORCE_LTE } force_t;

typedef struct {
    unsigned short port;
    unsigned       interval;
    unsigned       max_losses;
    force_t        force;
    struct in_addr probe;
} settings_t;

typedef struct {
    line_t         active;
    unsigned       losses;
    unsigned       countdown;
    unsigned long  probes;
    unsigned long  switches;
} runtime_t;

static settings_t st;
static runtime_t  rt;
static volatile sig_atomic_t ticks;

static void on_alarm(int sig)
{
    (void)sig;
    ticks++;
}

/** system() with a format; returns the exit status */
static int xsystem(const char *fmt, ...)
{
    char     line[200];
    va_list  ap;
    int      rc;

    va_start(ap, fmt);
    rc = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (rc < 0 || (size_t)rc >= sizeof(line)) {
        syslog(LOG_ERR, "command too long");
        return -1;
    }
    rc = system(line);
    if (rc == -1)
        syslog(LOG_ERR, "system: %m");
    return rc;
}

static int set_probe(const char *val)
{
    struct in_addr a;

    if (inet_pton(AF_INET, val, &a) != 1)
        return -1;
    st.probe = a;
    return 0;
}

static void defaults(void)
{
    st.port       = DEFAULT_PORT;
    st.interval   = 10;
    st.max_losses = 3;
    st.force      = FORCE_AUTO;
    set_probe("9.9.9.9");
    rt.active     = LINE_WAN;
    rt.countdown  = st.interval;
}

static void load_file(const char *path)
{
    char  line[200], key[32], val[64];
    FILE *f = fopen(path, "r");

    if (f == NULL) {
        syslog(LOG_INFO, "%s: %m, defaults are used", path);
        return;
    }
    while (fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "%31[^=]=%63s", key, val) != 2)
            continue;
        if (strcmp(key, "port") == 0)
            st.port = (unsigned short)atoi(val);
        else if (strcmp(key, "interval") == 0 && atoi(val) > 0)
            st.interval = (unsigned)atoi(val);
    }
    fclose(f);
}

static void use_line(line_t l)
{
    if (rt.active == l)
        return;
    rt.active = l;
    rt.switches++;
    syslog(LOG_NOTICE, "now on %s", l == LINE_WAN ? "wan" : "lte");
    xsystem("ip route replace default dev %s metric 1", l == LINE_WAN ? "eth0" : "wwan0");
}

static int probe_wan(void)
{
    char text[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &st.probe, text, sizeof(text));
    rt.probes++;
    return xsystem("ping -q -I eth0 -c 1 -W 2 %s >/dev/null 2>&1", text) == 0;
}

static void second(void)
{
    if (st.force != FORCE_AUTO) {
        use_line(st.force == FORCE_WAN ? LINE_WAN : LINE_LTE);
        return;
    }
    if (rt.countdown > 0 && --rt.countdown > 0)
        return;
    rt.countdown = st.interval;
    if (probe_wan()) {
        rt.losses = 0;
        use_line(LINE_WAN);
    } else if (++rt.losses >= st.max_losses) {
        use_line(LINE_LTE);
    }
}

static const char *manage(char *text)
{
    char *line, *val, *ctx = NULL;

    line = strtok_r(text, "\n", &ctx);
    if (line == NULL || strcmp(line, MAGIC_LINE) != 0)
        return "not for me";
    while ((line = strtok_r(NULL, "\n", &ctx)) != NULL) {
        val = strstr(line, ": ");
        if (val == NULL)
            return "syntax";
        *val = '\0';
        val += 2;
        if (strcmp(line, "probe") == 0) {
            if (set_probe(val) < 0)
                return "probe";
        } else if (strcmp(line, "interval") == 0) {
            unsigned long n = strtoul(val, NULL, 10);
            if (n < 1 || n > 3600)
                return "interval";
            st.interval = rt.countdown = (unsigned)n;
        } else if (strcmp(line, "losses") == 0) {
            unsigned long n = strtoul(val, NULL, 10);
            if (n < 1 || n > 50)
                return "losses";
            st.max_losses = (unsigned)n;
        } else if (strcmp(line, "force") == 0) {
            st.force = strcmp(val, "wan") == 0 ? FORCE_WAN
                     : strcmp(val, "lte") == 0 ? FORCE_LTE : FORCE_AUTO;
        }
    }
    return NULL;
}

static void management(int s)
{
    char               buf[600], ans[120];
    struct sockaddr_in peer;
    socklen_t          pl = sizeof(peer);
    const char        *err;
    ssize_t            n;

    n = recvfrom(s, buf, sizeof(buf) - 1, 0, (struct sockaddr *)&peer, &pl);
    if (n <= 0)
        return;
    buf[n] = '\0';
    err = manage(buf);
    n = snprintf(ans, sizeof(ans), "mgmt/1 %s line=%d probes=%lu switches=%lu\n",
                 err ? err : "ok", rt.active, rt.probes, rt.switches);
    sendto(s, ans, (size_t)n, 0, (struct sockaddr *)&peer, pl);
}

int main(int argc, char **argv)
{
    struct sockaddr_in a;
    struct sigaction   sa;
    struct itimerval   it = { { 1, 0 }, { 1, 0 } };
    int                s, done = 0;

    openlog("failoverd", LOG_PID, LOG_DAEMON);
    defaults();
    load_file(argc > 1 ? argv[1] : "/etc/failover.conf");

    s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons(st.port);
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0) {
        syslog(LOG_ERR, "port %d: %m", st.port);
        return EXIT_FAILURE;
    }
    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = on_alarm;            /* no SA_RESTART: recvfrom wakes up */
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &it, NULL);
    for (;;) {
        management(s);
        while (done != ticks) {
            done++;
            second();
        }
    }
}
