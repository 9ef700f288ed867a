/*
 * TrackBox 3 - server link.
 *
 * The unit keeps a TCP connection to the fleet server and gets lines such as
 *     *TB,<imei>,INTV,60#
 *     *TB,<imei>,FOTA,203.0.113.4,80,tb3_0412.bin#
 * FOTA is not done while the engine runs; the order is kept until the
 * ignition was off for half a minute.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <unistd.h>
#include <fcntl.h>
#include <time.h>
#include <errno.h>
#include <signal.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <arpa/inet.h>

#define IMEI_LEN        15
#define MAX_ARGS        8
#define OFF_BEFORE_FOTA 30

struct fota_order {
    char host[40];
    int  port;
    char file[48];
    int  tries;
};

struct geofence { double lat, lon; int radius; };

static struct {
    char   imei[IMEI_LEN + 1];
    char   server[64];
    char   server_port[8];
    int    interval;
    int    speed_limit;
    struct geofence fence[5];
    struct fota_order *fota;
    int    ignition;
    time_t ignition_off_since;
    time_t next_report;
    int    sock;
} tb = { "000000000000000", "fleet.example.net", "6950", 60, 120 };

typedef int (*cmd_fn)(int argc, char **argv);

static void tb_log(const char *fmt, ...)
{
    static FILE *f;
    va_list ap;

    if (!f && !(f = fopen("/data/tb.log", "a")))
        return;
    fprintf(f, "%ld ", (long)time(NULL));
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fputc('\n', f);
    fflush(f);
}

static int shell(const char *fmt, ...)
{
    char buf[384];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof buf)
        return -1;
    n = system(buf);
    tb_log("shell rc %d", n);
    return n;
}

static void link_send(const char *fmt, ...)
{
    char buf[200];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof buf)
        n = sizeof buf - 1;
    if (n > 0 && tb.sock >= 0)
        send(tb.sock, buf, n, MSG_NOSIGNAL);
}

/* ------------------------------------------------------------- commands */

static int c_interval(int argc, char **argv)
{
    int v = argc > 0 ? atoi(argv[0]) : 0;

    if (v < 5 || v > 86400)
        return -1;
    tb.interval = v;
    return 0;
}

static int c_speed(int argc, char **argv)
{
    if (argc < 1)
        return -1;
    tb.speed_limit = atoi(argv[0]);
    return 0;
}

static int c_fence(int argc, char **argv)
{
    int i;

    if (argc < 4)
        return -1;
    i = atoi(argv[0]);
    if (i < 0 || i > 4)
        return -1;
    tb.fence[i].lat = atof(argv[1]);
    tb.fence[i].lon = atof(argv[2]);
    tb.fence[i].radius = atoi(argv[3]);
    return 0;
}

static int c_relay(int argc, char **argv)
{
    int fd;

    if (argc < 1 || (fd = open("/sys/class/gpio/gpio4/value", O_WRONLY)) < 0)
        return -1;
    write(fd, atoi(argv[0]) ? "1" : "0", 1);
    close(fd);
    return 0;
}

static int file_ok(const char *f)
{
    size_t n = strlen(f);

    if (n < 5 || n >= sizeof tb.fota->file)
        return 0;
    if (strcmp(f + n - 4, ".bin") != 0)
        return 0;
    return strchr(f, '/') == NULL && strstr(f, "..") == NULL;
}

static int c_fota(int argc, char **argv)
{
    struct in_addr a;
    struct fota_order *o;
    int port;

    if (argc < 3)
        return -1;
    port = atoi(argv[1]);
    if (inet_pton(AF_INET, argv[0], &a) != 1 || port < 1 || port > 65535)
        return -1;
    if (!file_ok(argv[2]))
        return -1;
    o = calloc(1, sizeof *o);
    if (!o)
        return -1;
    snprintf(o->host, sizeof o->host, "%s", inet_ntoa(a));
    o->port = port;
    strcpy(o->file, argv[2]);
    free(tb.fota);
    tb.fota = o;
    tb_log("fota order from %s", o->host);
    return 0;
}

static int c_reboot(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    link_send("*TB,%s,OK,REBOOT#", tb.imei);
    sync();
    return shell("/sbin/reboot");
}

static const struct { const char *word; cmd_fn fn; } cmds[] = {
    { "INTV", c_interval },
    { "SPEED", c_speed },
    { "FENCE", c_fence },
    { "RELAY", c_relay },
    { "FOTA", c_fota },
    { "REBOOT", c_reboot },
    { NULL, NULL }
};

static void handle_line(char *line)
{
    char *argv[MAX_ARGS], *w, *word;
    int argc = 0, i, rc = -1;

    w = strtok(line, ",");
    if (!w || strcmp(w, "*TB") != 0)
        return;
    w = strtok(NULL, ",");
    if (!w || strcmp(w, tb.imei) != 0)
        return;
    word = strtok(NULL, ",");
    if (!word)
        return;
    while (argc < MAX_ARGS && (w = strtok(NULL, ",")) != NULL)
        argv[argc++] = w;
    for (i = 0; cmds[i].word; i++)
        if (strcmp(cmds[i].word, word) == 0)
            break;
    if (cmds[i].fn)
        rc = cmds[i].fn(argc, argv);
    link_send("*TB,%s,%s,%.16s#", tb.imei, rc == 0 ? "OK" : "FAIL", word);
}

/* --------------------------------------------------------------- timers */

static void read_ignition(void)
{
    FILE *f = fopen("/sys/class/gpio/gpio7/value", "r");
    int on = 0;

    if (f) {
        if (fscanf(f, "%d", &on) != 1)
            on = 0;
        fclose(f);
    }
    if (tb.ignition && !on)
        tb.ignition_off_since = time(NULL);
    tb.ignition = on;
}

static void run_fota(void)
{
    struct fota_order *o = tb.fota;

    if (shell("wget -q -T 60 -O /tmp/fota.bin http://%s:%d/tb3/%s",
              o->host, o->port, o->file) == 0 &&
        shell("/usr/sbin/fwverify /tmp/fota.bin && /usr/sbin/fwinstall /tmp/fota.bin") == 0) {
        link_send("*TB,%s,FOTA,DONE#", tb.imei);
    } else if (++o->tries < 3) {
        tb.ignition_off_since = time(NULL);
        return;
    }
    free(o);
    tb.fota = NULL;
}

static void on_second(void)
{
    time_t now = time(NULL);

    read_ignition();
    if (now >= tb.next_report) {
        tb.next_report = now + tb.interval;
        link_send("*TB,%s,POS,%ld,%d#", tb.imei, (long)now, tb.ignition);
    }
    if (tb.fota && !tb.ignition && now - tb.ignition_off_since >= OFF_BEFORE_FOTA)
        run_fota();
}

static int link_open(void)
{
    struct addrinfo h, *ai;
    int s;

    memset(&h, 0, sizeof h);
    h.ai_family = AF_INET;
    h.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(tb.server, tb.server_port, &h, &ai) != 0)
        return -1;
    s = socket(ai->ai_family, ai->ai_socktype, 0);
    if (s >= 0 && connect(s, ai->ai_addr, ai->ai_addrlen) < 0) {
        close(s);
        s = -1;
    }
    freeaddrinfo(ai);
    return s;
}

static void read_conf(void)
{
    char l[128];
    FILE *f = fopen("/data/tb.conf", "r");

    while (f && fgets(l, sizeof l, f)) {
        sscanf(l, "imei %15s", tb.imei);
        sscanf(l, "server %63s %7s", tb.server, tb.server_port);
    }
    if (f)
        fclose(f);
}

int main(void)
{
    char buf[512];
    size_t fill = 0;

    signal(SIGPIPE, SIG_IGN);
    read_conf();
    tb.sock = -1;
    for (;;) {
        struct pollfd p;

        if (tb.sock < 0 && (tb.sock = link_open()) >= 0) {
            fill = 0;
            link_send("*TB,%s,LOGIN#", tb.imei);
        }
        p.fd = tb.sock;
        p.events = POLLIN;
        if (poll(&p, 1, 1000) > 0 && tb.sock >= 0) {
            ssize_t n = recv(tb.sock, buf + fill, sizeof buf - 1 - fill, 0);
            char *e;

            if (n <= 0) {
                close(tb.sock);
                tb.sock = -1;
            } else {
                fill += n;
                buf[fill] = '\0';
                while ((e = strchr(buf, '#')) != NULL) {
                    *e++ = '\0';
                    handle_line(buf + strspn(buf, "\r\n"));
                    fill = strlen(e);
                    memmove(buf, e, fill + 1);
                }
                if (fill >= sizeof buf - 1)
                    fill = 0;
            }
        }
        on_second();
    }
}
