/*
 * chimehubd - wireless doorbell receiver and chime hub
 *
 * Door buttons and the phone app talk to us with small UDP datagrams:
 *     <verb> <key>=<value>[,<key>=<value>...]
 * The melody is played some 100 ms later from the tick, because the RF
 * amplifier has to be switched on first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <syslog.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CHIME_PORT   5514
#define MELODY_LEN   48
#define MAX_BUTTONS  6
#define AMP_DELAY    1

struct button {
    int  id;
    int  battery;
    time_t last_press;
};

static struct {
    char melody[MELODY_LEN];
    int  volume;
    int  quiet_from, quiet_to;
    int  pending;
    time_t play_at;
    struct button btn[MAX_BUTTONS];
    int  nbtn;
} hub = { "westminster", 7, 22, 7, 0, 0 };

static int verbose;

static void chlog(int prio, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (verbose) {
        vfprintf(stderr, fmt, ap);
        fputc('\n', stderr);
    } else {
        vsyslog(prio, fmt, ap);
    }
    va_end(ap);
}

static int shell(const char *fmt, ...)
{
    char line[256];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(line))
        return -1;
    chlog(LOG_DEBUG, "run: %s", line);
    return system(line);
}

/* value of key in "a=b,c=d"; 1 when found */
static int get_field(const char *args, const char *key, char *out, size_t outsz)
{
    size_t kl = strlen(key);
    const char *p = args;

    while (p && *p) {
        if (strncmp(p, key, kl) == 0 && p[kl] == '=') {
            const char *v = p + kl + 1;
            size_t n = strcspn(v, ",\r\n");
            if (n >= outsz)
                n = outsz - 1;
            memcpy(out, v, n);
            out[n] = 0;
            return 1;
        }
        p = strchr(p, ',');
        if (p)
            p++;
    }
    return 0;
}

static int melody_ok(const char *m)
{
    if (!*m)
        return 0;
    /* the name goes to a command line */
    if (strpbrk(m, ";|&<> /"))
        return 0;
    return 1;
}

static int do_set(const char *args, char *reply, size_t rsz)
{
    char val[MELODY_LEN];

    if (get_field(args, "melody", val, sizeof(val))) {
        if (!melody_ok(val)) {
            snprintf(reply, rsz, "ERR melody\n");
            return -1;
        }
        snprintf(hub.melody, sizeof(hub.melody), "%s", val);
    }
    if (get_field(args, "volume", val, sizeof(val))) {
        int v = atoi(val);
        if (v < 0) v = 0;
        if (v > 10) v = 10;
        hub.volume = v;
    }
    if (get_field(args, "quiet", val, sizeof(val))) {
        int a, b;
        if (sscanf(val, "%d-%d", &a, &b) == 2 && a >= 0 && a < 24 && b >= 0 && b < 24) {
            hub.quiet_from = a;
            hub.quiet_to = b;
        }
    }
    snprintf(reply, rsz, "OK\n");
    return 0;
}

static int do_ring(const char *args, char *reply, size_t rsz)
{
    char val[12];
    int id, i;

    if (!get_field(args, "id", val, sizeof(val))) {
        snprintf(reply, rsz, "ERR id\n");
        return -1;
    }
    id = atoi(val);
    for (i = 0; i < hub.nbtn; i++)
        if (hub.btn[i].id == id)
            break;
    if (i == hub.nbtn) {
        if (hub.nbtn >= MAX_BUTTONS) {
            snprintf(reply, rsz, "ERR full\n");
            return -1;
        }
        hub.btn[hub.nbtn++].id = id;
    }
    hub.btn[i].last_press = time(NULL);
    if (get_field(args, "bat", val, sizeof(val)))
        hub.btn[i].battery = atoi(val);
    hub.pending = 1;
    hub.play_at = time(NULL) + AMP_DELAY;
    snprintf(reply, rsz, "OK\n");
    return 0;
}

static int do_stat(const char *args, char *reply, size_t rsz)
{
    (void)args;
    snprintf(reply, rsz, "MELODY %s VOL %d BUTTONS %d\n", hub.melody, hub.volume, hub.nbtn);
    return 0;
}

static const struct {
    const char *verb;
    int (*fn)(const char *, char *, size_t);
} verbs[] = {
    { "SET ",  do_set  },
    { "RING ", do_ring },
    { "STAT",  do_stat },
};

static int quiet_now(void)
{
    time_t t = time(NULL);
    struct tm tm;
    int h;

    localtime_r(&t, &tm);
    h = tm.tm_hour;
    if (hub.quiet_from <= hub.quiet_to)
        return h >= hub.quiet_from && h < hub.quiet_to;
    return h >= hub.quiet_from || h < hub.quiet_to;
}

static void tick(void)
{
    if (!hub.pending || time(NULL) < hub.play_at)
        return;
    hub.pending = 0;
    if (quiet_now()) {
        chlog(LOG_INFO, "quiet hours, chime suppressed");
        return;
    }
    shell("amixer -q sset Master %d%%", hub.volume * 10);
    if (shell("aplay -q /usr/share/chimes/%s.wav", hub.melody) != 0)
        chlog(LOG_WARNING, "chime failed");
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa, peer;
    char pkt[512], reply[128];
    int s;

    if (argc > 1 && strcmp(argv[1], "-v") == 0)
        verbose = 1;
    openlog("chimehubd", LOG_PID, LOG_DAEMON);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(CHIME_PORT);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    if (s < 0 || bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        chlog(LOG_ERR, "bind: %s", strerror(errno));
        return 1;
    }
    for (;;) {
        fd_set rd;
        struct timeval tv = { 0, 250000 };

        FD_ZERO(&rd);
        FD_SET(s, &rd);
        if (select(s + 1, &rd, NULL, NULL, &tv) > 0) {
            socklen_t pl = sizeof(peer);
            size_t i;
            ssize_t n = recvfrom(s, pkt, sizeof(pkt) - 1, 0, (struct sockaddr *)&peer, &pl);
            if (n > 0) {
                pkt[n] = 0;
                snprintf(reply, sizeof(reply), "ERR verb\n");
                for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
                    size_t vl = strlen(verbs[i].verb);
                    if (strncmp(pkt, verbs[i].verb, vl) == 0) {
                        verbs[i].fn(pkt + vl, reply, sizeof(reply));
                        break;
                    }
                }
                sendto(s, reply, strlen(reply), 0, (struct sockaddr *)&peer, pl);
            }
        }
        tick();
    }
}
