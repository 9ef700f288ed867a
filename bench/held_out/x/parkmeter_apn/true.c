/*
 * pmd - parking meter daemon
 *
 * Keeps the tariff table, the payment modem and the back office session.
 * The back office opens a TCP session and talks a line protocol:
 *
 *    STATUS
 *    TARIFF <zone> <cents per hour>
 *    APN <access point name>
 *    HOLD <minutes>
 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#define PMD_PORT     5210
#define PMD_CONF     "/etc/pmd.conf"
#define NZONES       8
#define REDIAL_WAIT  15

static struct {
    int    port;
    int    debug;
    int    tariff[NZONES];
    time_t hold_until;
} cfg = { PMD_PORT, 0, { 150, 150, 200, 200, 300, 300, 0, 0 }, 0 };

static struct {
    char   apn[64];
    int    pending;
    time_t when;
    int    dials;
    char   last[80];
} modem = { "m2m.parking.net", 0, 0, 0, "never dialled" };

static volatile sig_atomic_t stop_req;

static void plog(const char *fmt, ...)
{
    char stamp[24];
    time_t now = time(NULL);
    va_list ap;

    strftime(stamp, sizeof(stamp), "%H:%M:%S", localtime(&now));
    fprintf(stderr, "%s pmd: ", stamp);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static void load_conf(void)
{
    char line[128], *eq;
    FILE *f = fopen(PMD_CONF, "r");

    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\r\n")] = 0;
        eq = strchr(line, '=');
        if (!eq || line[0] == '#')
            continue;
        *eq++ = 0;
        if (!strcmp(line, "port"))
            cfg.port = atoi(eq);
        else if (!strcmp(line, "debug"))
            cfg.debug = atoi(eq);
    }
    fclose(f);
}

/* is this something the operator can have meant as an access point? */
static int apn_valid(const char *s)
{
    size_t n = strlen(s);

    if (n < 1 || n >= sizeof(modem.apn))
        return 0;
    if (*s == '.' || *s == '-' || s[n - 1] == '.')
        return 0;
    return 1;
}

static void modem_request_redial(const char *apn)
{
    snprintf(modem.apn, sizeof(modem.apn), "%s", apn);
    modem.pending = 1;
    modem.when = time(NULL) + REDIAL_WAIT;
    plog("redial with new apn in %d s", REDIAL_WAIT);
}

static void modem_dial(void)
{
    char cmd[192], out[80];
    FILE *p;

    snprintf(cmd, sizeof(cmd),
             "/usr/sbin/chat -T %s -f /etc/ppp/meter.chat < /dev/ttyS2 > /dev/ttyS2",
             modem.apn);
    p = popen(cmd, "r");
    if (!p) {
        plog("chat: %s", strerror(errno));
        return;
    }
    modem.dials++;
    while (fgets(out, sizeof(out), p)) {
        out[strcspn(out, "\r\n")] = 0;
        snprintf(modem.last, sizeof(modem.last), "%s", out);
    }
    pclose(p);
}

static void tick(void)
{
    time_t now = time(NULL);

    if (cfg.hold_until && now >= cfg.hold_until) {
        plog("hold is over");
        cfg.hold_until = 0;
    }
    if (modem.pending && now >= modem.when) {
        modem.pending = 0;
        modem_dial();
    }
}

static void do_line(int fd, char *line)
{
    char *save = NULL;
    char *verb = strtok_r(line, " \t\r\n", &save);
    char *a1 = strtok_r(NULL, " \t\r\n", &save);
    char *a2 = a1 ? strtok_r(NULL, " \t\r\n", &save) : NULL;

    if (!verb)
        return;
    if (!strcasecmp(verb, "STATUS")) {
        dprintf(fd, "200 dials=%d pending=%d hold=%d last=%s\r\n", modem.dials,
                modem.pending, cfg.hold_until != 0, modem.last);
    } else if (!strcasecmp(verb, "TARIFF") && a2) {
        int z = atoi(a1), c = atoi(a2);
        if (z < 0 || z >= NZONES || c < 0 || c > 5000) {
            dprintf(fd, "501 range\r\n");
            return;
        }
        cfg.tariff[z] = c;
        dprintf(fd, "200 zone %d now %d\r\n", z, c);
    } else if (!strcasecmp(verb, "APN") && a1) {
        if (!apn_valid(a1)) {
            dprintf(fd, "501 bad apn\r\n");
            return;
        }
        modem_request_redial(a1);
        dprintf(fd, "200 ok\r\n");
    } else if (!strcasecmp(verb, "HOLD") && a1) {
        int m = atoi(a1);
        if (m < 1 || m > 1440)
            m = 60;
        cfg.hold_until = time(NULL) + m * 60;
        dprintf(fd, "200 hold %d\r\n", m);
    } else {
        dprintf(fd, "500 what?\r\n");
    }
}

static void session(int fd)
{
    struct timeval tv = { 20, 0 };
    char *line = NULL;
    size_t cap = 0;
    int count = 0;
    FILE *in;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    in = fdopen(fd, "r");
    if (!in) {
        close(fd);
        return;
    }
    dprintf(fd, "220 meter ready\r\n");
    while (count++ < 32 && getline(&line, &cap, in) > 0) {
        if (cfg.debug)
            plog("< %s", line);
        do_line(fd, line);
        tick();
    }
    free(line);
    fclose(in);
}

static void on_term(int s) { stop_req = 1; }

int main(void)
{
    struct sockaddr_in sa;
    int s, on = 1;

    load_conf();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_term);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(cfg.port);
    if (s < 0 || bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 4) < 0) {
        plog("cannot listen on %d: %s", cfg.port, strerror(errno));
        return 1;
    }
    while (!stop_req) {
        struct pollfd pfd = { s, POLLIN, 0 };
        if (poll(&pfd, 1, 1000) > 0 && (pfd.revents & POLLIN)) {
            int c = accept(s, NULL, NULL);
            if (c >= 0)
                session(c);
        }
        tick();
    }
    return 0;
}
