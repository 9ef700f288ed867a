/* ============================================================
 * cloudlink.c  -  portal client of the string inverter
 *
 * Keeps a connection to the portal, sends the yield every minute
 * and obeys lines of the form   #word#argument#argument
 * ============================================================ */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <netdb.h>
#include <syslog.h>
#include <sys/time.h>
#include <sys/socket.h>

typedef struct {
    char host[64];
    char service[8];
    char serial[20];
    int  report_secs;
} Config;

typedef struct {
    int   limit_percent;
    int   relay;
    char *zone;
    int   zone_pending;
    int   reboot_pending;
} Plant;

static Config g_conf = { "portal.sunlink.example", "10443", "000000", 60 };
static Plant  g_plant = { 100, 1, NULL, 0, 0 };
static FILE  *g_portal;

static void ReadConfig(const char *path)
{
    FILE *f = fopen(path, "r");
    char  buf[160];
    char *key, *val;

    if (!f)
        return;
    while (fgets(buf, sizeof buf, f)) {
        key = strtok(buf, " =\t\r\n");
        val = strtok(NULL, " =\t\r\n");
        if (!key || !val || *key == ';')
            continue;
        if (!strcmp(key, "portal"))
            snprintf(g_conf.host, sizeof g_conf.host, "%s", val);
        else if (!strcmp(key, "service"))
            snprintf(g_conf.service, sizeof g_conf.service, "%s", val);
        else if (!strcmp(key, "serial"))
            snprintf(g_conf.serial, sizeof g_conf.serial, "%s", val);
        else if (!strcmp(key, "report"))
            g_conf.report_secs = atoi(val);
    }
    fclose(f);
    if (g_conf.report_secs < 5)
        g_conf.report_secs = 5;
}

static long ReadRegister(const char *name)
{
    char  path[96];
    long  v = 0;
    FILE *f;

    snprintf(path, sizeof path, "/run/inverter/%s", name);
    f = fopen(path, "r");
    if (f) {
        if (fscanf(f, "%ld", &v) != 1)
            v = 0;
        fclose(f);
    }
    return v;
}

static void WriteRegister(const char *name, long v)
{
    char  path[96];
    FILE *f;

    snprintf(path, sizeof path, "/run/inverter/%s", name);
    f = fopen(path, "w");
    if (f) {
        fprintf(f, "%ld\n", v);
        fclose(f);
    }
}

/* ---------------- orders of the portal ---------------- */

static int OnLimit(int argc, char **argv)
{
    long v;

    if (argc != 1)
        return -1;
    v = strtol(argv[0], NULL, 10);
    if (v < 0 || v > 100)
        return -1;
    g_plant.limit_percent = (int)v;
    WriteRegister("limit", v);
    return 0;
}

static int OnRelay(int argc, char **argv)
{
    if (argc != 1)
        return -1;
    g_plant.relay = strcmp(argv[0], "on") == 0;
    WriteRegister("relay", g_plant.relay);
    return 0;
}

static int OnZone(int argc, char **argv)
{
    char *copy;

    if (argc != 1 || strlen(argv[0]) > 60)
        return -1;
    copy = strdup(argv[0]);
    if (!copy)
        return -1;
    free(g_plant.zone);
    g_plant.zone = copy;
    g_plant.zone_pending = 1;
    return 0;
}

static int OnReport(int argc, char **argv)
{
    int s = argc == 1 ? atoi(argv[0]) : 0;

    if (s < 5 || s > 3600)
        return -1;
    g_conf.report_secs = s;
    return 0;
}

static int OnRestart(int argc, char **argv)
{
    g_plant.reboot_pending = 1;
    return 0;
}

typedef int (*OrderFn)(int argc, char **argv);

static const struct Order {
    char    word[12];
    OrderFn fn;
} g_orders[] = {
    { "LIMIT",   OnLimit   },
    { "RELAY",   OnRelay   },
    { "TIMEZONE", OnZone   },
    { "REPORT",  OnReport  },
    { "RESTART", OnRestart },
};

static void Obey(char *line)
{
    char    *argv[6], *word;
    int      argc = 0, rc = -1;
    unsigned i;

    word = strtok(line, "#\r\n");
    if (!word)
        return;
    while (argc < 6 && (argv[argc] = strtok(NULL, "#\r\n")) != NULL)
        argc++;
    for (i = 0; i < sizeof g_orders / sizeof g_orders[0]; i++) {
        if (!strcmp(g_orders[i].word, word)) {
            rc = g_orders[i].fn(argc, argv);
            break;
        }
    }
    syslog(LOG_INFO, "order %.16s: %d", word, rc);
    fprintf(g_portal, "#%s#%s\n", g_conf.serial, rc ? "NAK" : "ACK");
    fflush(g_portal);
}

/* ---------------- periodic work ---------------- */

static void Housekeeping(void)
{
    char cmd[160];

    if (g_plant.zone_pending) {
        g_plant.zone_pending = 0;
        snprintf(cmd, sizeof cmd, "ln -sf /usr/share/zoneinfo/%s /etc/localtime", g_plant.zone);
        if (system(cmd) != 0)
            syslog(LOG_WARNING, "time zone not set");
        else
            tzset();
    }
    if (g_plant.reboot_pending) {
        g_plant.reboot_pending = 0;
        system("/sbin/reboot -d 5");
    }
}

static void Report(void)
{
    fprintf(g_portal, "#%s#P%ld#E%ld#T%ld#L%d\n", g_conf.serial,
            ReadRegister("power"), ReadRegister("energy"),
            ReadRegister("heatsink"), g_plant.limit_percent);
    fflush(g_portal);
}

static int Connect(void)
{
    struct addrinfo hints, *ai, *p;
    int s = -1;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(g_conf.host, g_conf.service, &hints, &ai))
        return -1;
    for (p = ai; p; p = p->ai_next) {
        s = socket(p->ai_family, p->ai_socktype, p->ai_protocol);
        if (s < 0)
            continue;
        if (connect(s, p->ai_addr, p->ai_addrlen) == 0)
            break;
        close(s);
        s = -1;
    }
    freeaddrinfo(ai);
    return s;
}

static void Session(int s)
{
    char   buf[256];
    size_t fill = 0;
    time_t next = 0;
    struct timeval tv = { 1, 0 };

    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    fprintf(g_portal, "#%s#HELLO\n", g_conf.serial);
    fflush(g_portal);
    for (;;) {
        ssize_t n = recv(s, buf + fill, sizeof buf - 1 - fill, 0);
        char *nl;

        if (n == 0)
            return;
        if (n > 0) {
            fill += (size_t)n;
            buf[fill] = '\0';
            while ((nl = strchr(buf, '\n')) != NULL) {
                *nl++ = '\0';
                Obey(buf);
                fill = strlen(nl);
                memmove(buf, nl, fill + 1);
            }
            if (fill == sizeof buf - 1)
                fill = 0;
        }
        if (time(NULL) >= next) {
            next = time(NULL) + g_conf.report_secs;
            Report();
        }
        Housekeeping();
        if (ferror(g_portal))
            return;
    }
}

int main(int argc, char **argv)
{
    openlog("cloudlink", 0, LOG_DAEMON);
    signal(SIGPIPE, SIG_IGN);
    ReadConfig(argc > 1 ? argv[1] : "/etc/cloudlink.ini");
    for (;;) {
        int s = Connect();
        if (s >= 0 && (g_portal = fdopen(s, "w")) != NULL) {
            syslog(LOG_INFO, "portal connected");
            Session(s);
            fclose(g_portal);
        }
        sleep(30);
    }
}
