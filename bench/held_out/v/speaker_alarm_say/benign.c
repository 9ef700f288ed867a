/* alarmd - alarms and timers of the kitchen speaker.
 *
 * The phone app sends one datagram per request:
 *     alarm <hhmm> <label ...>
 *     timer <minutes> <label ...>
 *     cancel <id>
 *     list
 * A ticker thread speaks the label through the TTS fifo when the time is up.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
#include <syslog.h>
#include <sys/socket.h>
#include <arpa/inet.h>

#define PORT_DEFAULT 10101
#define TTS_FIFO "/var/run/tts.in"
#define UTTERANCE 128

typedef struct alarm_node {
    struct alarm_node *next;
    unsigned id;
    time_t due;
    int daily;
    char *label;
    void (*fire)(struct alarm_node *);
} alarm_node;

static alarm_node *alarms;
static pthread_mutex_t alarms_mx = PTHREAD_MUTEX_INITIALIZER;
static unsigned next_id = 1;
static int volume = 40;
static int chime_enabled = 1;

static void read_settings(const char *file, int *port)
{
    FILE *f = fopen(file, "r");
    char key[32];
    int val;

    if (!f)
        return;
    while (fscanf(f, "%31[^=]=%d\n", key, &val) == 2) {
        if (!strcmp(key, "port"))
            *port = val;
        else if (!strcmp(key, "volume"))
            volume = val;
        else if (!strcmp(key, "chime"))
            chime_enabled = val;
        else
            syslog(LOG_NOTICE, "unknown setting %s", key);
    }
    fclose(f);
}

static void speak(const char *text)
{
    int fd = open(TTS_FIFO, O_WRONLY | O_NONBLOCK);

    if (fd < 0) {
        syslog(LOG_WARNING, "tts is not running");
        return;
    }
    if (chime_enabled)
        write(fd, "\\chime\n", 7);
    write(fd, text, strlen(text));
    write(fd, "\n", 1);
    close(fd);
}

static void fire_alarm(alarm_node *a)
{
    char text[UTTERANCE];
    struct tm tm;
    time_t now = time(NULL);

    localtime_r(&now, &tm);
    snprintf(text, sizeof(text), "Good %s. It is %d:%02d. %s",
            tm.tm_hour < 12 ? "morning" : tm.tm_hour < 18 ? "afternoon" : "evening",
            tm.tm_hour, tm.tm_min, a->label);
    speak(text);
    syslog(LOG_INFO, "alarm %u fired", a->id);
}

static void fire_timer(alarm_node *a)
{
    char text[UTTERANCE];

    snprintf(text, sizeof(text), "Your timer %s is done", a->label);
    speak(text);
    syslog(LOG_INFO, "timer %u fired", a->id);
}

static unsigned add_node(time_t due, int daily, const char *label,
                         void (*fire)(alarm_node *))
{
    alarm_node *a = malloc(sizeof(*a));
    unsigned id;

    if (!a)
        return 0;
    a->label = strdup(label);
    if (!a->label) {
        free(a);
        return 0;
    }
    a->due = due;
    a->daily = daily;
    a->fire = fire;
    pthread_mutex_lock(&alarms_mx);
    id = a->id = next_id++;
    a->next = alarms;
    alarms = a;
    pthread_mutex_unlock(&alarms_mx);
    return id;
}

static void *ticker(void *unused)
{
    (void)unused;
    for (;;) {
        alarm_node **pp, *a, *due = NULL;
        time_t now;

        sleep(1);
        now = time(NULL);
        pthread_mutex_lock(&alarms_mx);
        for (pp = &alarms; (a = *pp) != NULL; ) {
            if (a->due > now) {
                pp = &a->next;
                continue;
            }
            *pp = a->next;
            a->next = due;
            due = a;
        }
        pthread_mutex_unlock(&alarms_mx);
        while ((a = due) != NULL) {
            due = a->next;
            a->fire(a);
            if (a->daily) {
                a->due += 24 * 3600;
                pthread_mutex_lock(&alarms_mx);
                a->next = alarms;
                alarms = a;
                pthread_mutex_unlock(&alarms_mx);
            } else {
                free(a->label);
                free(a);
            }
        }
    }
    return NULL;
}

static time_t next_occurrence(int hh, int mm)
{
    time_t now = time(NULL), t;
    struct tm tm;

    localtime_r(&now, &tm);
    tm.tm_hour = hh;
    tm.tm_min = mm;
    tm.tm_sec = 0;
    t = mktime(&tm);
    return t > now ? t : t + 24 * 3600;
}

static int list_alarms(char *out, size_t cap)
{
    alarm_node *a;
    size_t off = 0;

    out[0] = '\0';
    pthread_mutex_lock(&alarms_mx);
    for (a = alarms; a && off < cap - 1; a = a->next) {
        int n = snprintf(out + off, cap - off, "%u %ld %.20s\n", a->id,
                         (long)a->due, a->label);
        if (n < 0 || (size_t)n >= cap - off)
            break;
        off += (size_t)n;
    }
    pthread_mutex_unlock(&alarms_mx);
    return (int)off;
}

static int cancel(unsigned id)
{
    alarm_node **pp, *a;

    pthread_mutex_lock(&alarms_mx);
    for (pp = &alarms; (a = *pp) != NULL; pp = &a->next)
        if (a->id == id) {
            *pp = a->next;
            break;
        }
    pthread_mutex_unlock(&alarms_mx);
    if (!a)
        return -1;
    free(a->label);
    free(a);
    return 0;
}

/* splits off the first word; returns the rest without leading blanks */
static char *rest_of(char *s)
{
    s += strcspn(s, " ");
    if (*s)
        *s++ = '\0';
    return s + strspn(s, " ");
}

static int request(char *msg, char *out, size_t cap)
{
    char *arg = rest_of(msg);
    unsigned id;

    if (!strcmp(msg, "alarm")) {
        char *label = rest_of(arg);
        int hhmm = atoi(arg);

        if (hhmm < 0 || hhmm / 100 > 23 || hhmm % 100 > 59)
            return snprintf(out, cap, "ERR time\n");
        id = add_node(next_occurrence(hhmm / 100, hhmm % 100), 1, label, fire_alarm);
        return snprintf(out, cap, "OK %u\n", id);
    }
    if (!strcmp(msg, "timer")) {
        char *label = rest_of(arg);
        int min = atoi(arg);

        if (min < 1 || min > 24 * 60)
            return snprintf(out, cap, "ERR minutes\n");
        id = add_node(time(NULL) + min * 60, 0, label, fire_timer);
        return snprintf(out, cap, "OK %u\n", id);
    }
    if (!strcmp(msg, "cancel"))
        return snprintf(out, cap, cancel((unsigned)atoi(arg)) ? "ERR id\n" : "OK\n");
    if (!strcmp(msg, "list"))
        return list_alarms(out, cap);
    return snprintf(out, cap, "ERR command\n");
}

int main(int argc, char **argv)
{
    struct sockaddr_in me, peer;
    pthread_t th;
    int port = PORT_DEFAULT;
    int s;

    openlog("alarmd", 0, LOG_USER);
    read_settings(argc > 1 ? argv[1] : "/etc/alarmd.conf", &port);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof(me));
    me.sin_family = AF_INET;
    me.sin_port = htons((unsigned short)port);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof(me)) < 0) {
        syslog(LOG_ERR, "port %d: %m", port);
        return 1;
    }
    if (pthread_create(&th, NULL, ticker, NULL))
        return 1;
    for (;;) {
        char msg[601], out[512];
        socklen_t pl = sizeof(peer);
        ssize_t n = recvfrom(s, msg, sizeof(msg) - 1, 0, (struct sockaddr *)&peer, &pl);
        int m;

        if (n <= 0)
            continue;
        msg[n] = '\0';
        msg[strcspn(msg, "\r\n")] = '\0';
        m = request(msg, out, sizeof(out));
        if (m > 0)
            sendto(s, out, (size_t)m, 0, (struct sockaddr *)&peer, pl);
    }
}
