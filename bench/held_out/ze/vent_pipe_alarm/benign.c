/*-----------------------------------------------------------------------
 * alarmrelay - remote alarm annunciator of the bedside ventilator
 *
 * The network side (parent) takes datagrams of the ventilators, tests and
 * filters them and hands the records to the annunciator (child) through a
 * pipe.  The child keeps the list of open alarms and drives the panel.
 *-----------------------------------------------------------------------*/
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <stdarg.h>
#include <signal.h>
#include <unistd.h>
#include <errno.h>
#include <time.h>
#include <poll.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define RELAY_PORT    6100
#define RELAY_MAGIC   "VNTA"
#define DGRAM_SIZE    600
#define HEAD_SIZE     10
#define TEXT_SIZE     80
#define OPEN_ALARMS   20
#define MAX_RATE      25

/* kinds of records */
#define K_ALARM_ON    1
#define K_ALARM_OFF   2
#define K_TREND       3
#define K_ANNOUNCE    4

struct record {
    uint16_t kind;
    uint16_t length;
    uint32_t bed;
    uint32_t priority;
};

struct alarm {
    int      used;
    uint32_t bed;
    uint32_t priority;
    time_t   since;
    char     text[TEXT_SIZE];
};

static struct alarm alarms[OPEN_ALARMS];
static char banner[TEXT_SIZE] = "ready";
static long trend_count;

static void say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fprintf(stderr, "alarmrelay[%d] ", (int)getpid());
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

/*------------------------------------------------------------ annunciator */

static struct alarm *find_alarm(uint32_t bed, int create)
{
    struct alarm *spare = NULL;
    int i;

    for (i = 0; i < OPEN_ALARMS; i++) {
        if (alarms[i].used && alarms[i].bed == bed)
            return &alarms[i];
        if (!alarms[i].used && spare == NULL)
            spare = &alarms[i];
    }
    return create ? spare : NULL;
}

static void alarm_on(const struct record *r, const char *text)
{
    struct alarm *a = find_alarm(r->bed, 1);

    if (a == NULL) {
        say("list of alarms is full");
        return;
    }
    if (!a->used)
        a->since = time(NULL);
    a->used = 1;
    a->bed = r->bed;
    a->priority = r->priority;
    snprintf(a->text, sizeof(a->text), "%s", text);
}

static void alarm_off(const struct record *r, const char *text)
{
    struct alarm *a = find_alarm(r->bed, 0);

    (void)text;
    if (a)
        a->used = 0;
}

static void trend(const struct record *r, const char *text)
{
    (void)r;
    (void)text;
    trend_count++;
}

static void announce(const struct record *r, const char *text)
{
    (void)r;
    snprintf(banner, sizeof(banner), "%s", text);
}

static void (*const actions[])(const struct record *, const char *) = {
    [K_ALARM_ON]  = alarm_on,
    [K_ALARM_OFF] = alarm_off,
    [K_TREND]     = trend,
    [K_ANNOUNCE]  = announce,
};

static void show_panel(void)
{
    struct alarm *worst = NULL;
    int i;

    for (i = 0; i < OPEN_ALARMS; i++)
        if (alarms[i].used && (worst == NULL || alarms[i].priority > worst->priority))
            worst = &alarms[i];
    if (worst)
        say("BED %u  %s  (%ld s)", (unsigned)worst->bed, worst->text,
            (long)(time(NULL) - worst->since));
    else
        say("%s", banner);
}

/* one record of the pipe; 0 at its end */
static int next_record(int fd)
{
    struct record r;
    char text[TEXT_SIZE];
    ssize_t n;

    n = read(fd, &r, sizeof(r));
    if (n != (ssize_t)sizeof(r))
        return 0;
    if (r.length >= sizeof(text)) {
        size_t left = r.length;

        say("record of %u octets dropped", r.length);
        while (left > 0) {
            n = read(fd, text, left < sizeof(text) ? left : sizeof(text));
            if (n <= 0)
                return 0;
            left -= (size_t)n;
        }
        return 1;
    }
    n = 0;
    if (r.length > 0) {
        n = read(fd, text, r.length);
        if (n != (ssize_t)r.length)
            return 0;
    }
    text[n] = '\0';
    if (r.kind >= K_ALARM_ON && r.kind <= K_ANNOUNCE)
        actions[r.kind](&r, text);
    return 1;
}

static void annunciator(int fd)
{
    time_t shown = 0;

    for (;;) {
        struct pollfd p = { fd, POLLIN, 0 };

        if (poll(&p, 1, 1000) > 0 && next_record(fd) == 0)
            break;
        if (time(NULL) - shown >= 5) {
            show_panel();
            shown = time(NULL);
        }
    }
    say("annunciator stops");
    _exit(0);
}

/*----------------------------------------------------------- network side */

static pid_t child_pid;
static int child_fd = -1;

static int start_annunciator(void)
{
    int p[2];

    if (pipe(p) < 0)
        return -1;
    child_pid = fork();
    if (child_pid < 0) {
        close(p[0]);
        close(p[1]);
        return -1;
    }
    if (child_pid == 0) {
        close(p[1]);
        annunciator(p[0]);
    }
    close(p[0]);
    child_fd = p[1];
    return 0;
}

static int within_rate(void)
{
    static time_t second;
    static int count;
    time_t now = time(NULL);

    if (now != second) {
        second = now;
        count = 0;
    }
    return ++count <= MAX_RATE;
}

/* magic(4) kind(1) priority(1) bed(2) length(2) text */
static void datagram(const uint8_t *d, size_t n)
{
    uint8_t out[sizeof(struct record) + DGRAM_SIZE];
    struct record r;

    if (n < HEAD_SIZE || memcmp(d, RELAY_MAGIC, 4) != 0)
        return;
    if (!within_rate())
        return;
    memset(&r, 0, sizeof(r));
    r.kind = d[4];
    r.priority = d[5];
    r.bed = (uint32_t)(d[6] << 8 | d[7]);
    r.length = (uint16_t)(d[8] << 8 | d[9]);
    if (r.length > n - HEAD_SIZE) {
        say("short datagram for bed %u", (unsigned)r.bed);
        return;
    }
    if (r.bed == 0 || r.bed > 999 || r.priority > 3)
        return;
    memcpy(out, &r, sizeof(r));
    memcpy(out + sizeof(r), d + HEAD_SIZE, r.length);
    if (write(child_fd, out, sizeof(r) + r.length) < 0) {
        say("annunciator is gone: %s", strerror(errno));
        close(child_fd);
        waitpid(child_pid, NULL, 0);
        if (start_annunciator() < 0)
            exit(1);
    }
}

int main(void)
{
    uint8_t *buf = malloc(DGRAM_SIZE);
    struct sockaddr_in me;
    int s;

    signal(SIGPIPE, SIG_IGN);
    if (buf == NULL || start_annunciator() < 0)
        return 1;
    s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof(me));
    me.sin_family = AF_INET;
    me.sin_port = htons(RELAY_PORT);
    me.sin_addr.s_addr = htonl(INADDR_ANY);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof(me)) < 0) {
        say("bind: %s", strerror(errno));
        return 1;
    }
    for (;;) {
        ssize_t n = recvfrom(s, buf, DGRAM_SIZE, 0, NULL, NULL);

        if (n > 0)
            datagram(buf, (size_t)n);
    }
}
