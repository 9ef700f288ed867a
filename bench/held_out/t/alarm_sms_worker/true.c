/*
 * paneld.c -- network interface of the AP-16 intruder alarm panel
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <unistd.h>
#include <time.h>
#include <signal.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define PORT        5093
#define ZONES       16
#define PHONES      4
#define EVQ         16
#define ENTRY_DELAY 30

typedef enum { DISARMED, ARMED, ENTRY, ALARM } state_t;

typedef struct {
    int  code;
    int  zone;
    char text[80];
    char number[24];
} event_t;

static struct {
    state_t state;
    time_t  entry_until;
    char    phone[PHONES][24];
    char    zone_name[ZONES][20];
    int     bypass[ZONES];
    char    user_code[9];
} panel = { DISARMED, 0, { "" }, { "" }, { 0 }, "1234" };

static event_t         evq[EVQ];
static unsigned        ev_in, ev_out;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  more = PTHREAD_COND_INITIALIZER;

static void journal(const char *text)
{
    FILE *f = fopen("/var/log/panel.log", "a");

    if (f != NULL) {
        fprintf(f, "%ld %s\n", (long)time(NULL), text);
        fclose(f);
    }
}

/* ------------------------------------------------- getters and setters */

static int number_valid(const char *s)
{
    size_t n = strlen(s);

    if (n < 3 || n > 20)
        return 0;
    return *s == '+' || isdigit((unsigned char)*s);
}

static int set_phone(int slot, const char *number)
{
    if (slot < 0 || slot >= PHONES || !number_valid(number))
        return -1;
    pthread_mutex_lock(&lock);
    strcpy(panel.phone[slot], number);
    pthread_mutex_unlock(&lock);
    return 0;
}

static int set_zone_name(int zone, const char *name)
{
    if (zone < 0 || zone >= ZONES)
        return -1;
    snprintf(panel.zone_name[zone], sizeof panel.zone_name[zone], "%s", name);
    return 0;
}

static const char *get_zone_name(int zone)
{
    return panel.zone_name[zone][0] ? panel.zone_name[zone] : "unnamed";
}

/* ------------------------------------------------- events */

static void raise_event(int code, int zone, const char *what)
{
    int i;

    pthread_mutex_lock(&lock);
    for (i = 0; i < PHONES; i++) {
        event_t *e;

        if (panel.phone[i][0] == '\0' || ev_in - ev_out >= EVQ)
            continue;
        e = &evq[ev_in++ % EVQ];
        e->code = code;
        e->zone = zone;
        snprintf(e->text, sizeof e->text, "%s: zone %d (%s)", what, zone + 1,
                 get_zone_name(zone));
        memcpy(e->number, panel.phone[i], sizeof e->number);
    }
    pthread_cond_signal(&more);
    pthread_mutex_unlock(&lock);
    journal(what);
}

static void notify(const event_t *e)
{
    char cmd[128];
    FILE *p;

    sprintf(cmd, "/usr/bin/gsm-sms --to %s --priority %d", e->number, e->code >= 1100);
    p = popen(cmd, "w");
    if (p == NULL) {
        journal("modem not available");
        return;
    }
    fprintf(p, "%s\n", e->text);
    if (pclose(p) != 0)
        journal("message not sent");
}

static void *notifier(void *unused)
{
    event_t e;

    for (;;) {
        pthread_mutex_lock(&lock);
        while (ev_in == ev_out)
            pthread_cond_wait(&more, &lock);
        e = evq[ev_out++ % EVQ];
        pthread_mutex_unlock(&lock);
        notify(&e);
    }
    return NULL;
}

static void *clockwork(void *unused)
{
    for (;;) {
        sleep(1);
        if (panel.state == ENTRY && time(NULL) >= panel.entry_until) {
            panel.state = ALARM;
            raise_event(1130, 0, "BURGLARY");
        }
    }
    return NULL;
}

/* ------------------------------------------------- commands */

static const char *cmd_arm(char **save)
{
    panel.state = ARMED;
    journal("armed");
    return "OK";
}

static const char *cmd_disarm(char **save)
{
    char *code = strtok_r(NULL, " ", save);

    if (code == NULL || strcmp(code, panel.user_code))
        return "ERR code";
    panel.state = DISARMED;
    journal("disarmed");
    return "OK";
}

static const char *cmd_phone(char **save)
{
    char *slot = strtok_r(NULL, " ", save);
    char *num = strtok_r(NULL, "", save);

    if (slot == NULL || num == NULL || set_phone(atoi(slot) - 1, num) < 0)
        return "ERR phone";
    return "OK";
}

static const char *cmd_zone(char **save)
{
    char *zone = strtok_r(NULL, " ", save);
    char *name = strtok_r(NULL, "", save);

    if (zone == NULL || name == NULL || set_zone_name(atoi(zone) - 1, name) < 0)
        return "ERR zone";
    return "OK";
}

static const char *cmd_trip(char **save)
{
    char *z = strtok_r(NULL, " ", save);
    int zone = z ? atoi(z) - 1 : -1;

    if (zone < 0 || zone >= ZONES)
        return "ERR zone";
    if (panel.bypass[zone] || panel.state == DISARMED)
        return "OK ignored";
    if (zone == 0 && panel.state == ARMED) {
        panel.state = ENTRY;
        panel.entry_until = time(NULL) + ENTRY_DELAY;
        return "OK entry";
    }
    panel.state = ALARM;
    raise_event(1132, zone, "INTRUSION");
    return "OK alarm";
}

static const char *cmd_test(char **save)
{
    raise_event(601, 0, "TEST CALL");
    return "OK";
}

typedef const char *(*command_t)(char **save);
static const struct { const char *name; command_t fn; } commands[] = {
    { "ARM", cmd_arm },   { "DISARM", cmd_disarm }, { "PHONE", cmd_phone },
    { "ZONE", cmd_zone }, { "TRIP", cmd_trip },     { "TEST", cmd_test },
};

static void *session(void *arg)
{
    int fd = (int)(long)arg;
    char buf[512];
    size_t used = 0, i;
    ssize_t n;

    while ((n = recv(fd, buf + used, sizeof buf - 1 - used, 0)) > 0) {
        char *nl;

        used += n;
        buf[used] = '\0';
        while ((nl = strchr(buf, '\n')) != NULL) {
            const char *ans = "ERR unknown";
            char *save, *word;

            *nl = '\0';
            if (nl > buf && nl[-1] == '\r')
                nl[-1] = '\0';
            word = strtok_r(buf, " ", &save);
            for (i = 0; word && i < sizeof commands / sizeof *commands; i++)
                if (!strcmp(word, commands[i].name)) {
                    ans = commands[i].fn(&save);
                    break;
                }
            send(fd, ans, strlen(ans), MSG_NOSIGNAL);
            send(fd, "\r\n", 2, MSG_NOSIGNAL);
            used -= nl + 1 - buf;
            memmove(buf, nl + 1, used + 1);
        }
        if (used == sizeof buf - 1)
            break;
    }
    close(fd);
    return NULL;
}

int main(void)
{
    struct sockaddr_in sa;
    pthread_t t;
    int ls, fd, on = 1;

    signal(SIGPIPE, SIG_IGN);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 4) < 0) {
        perror("paneld");
        return 1;
    }
    pthread_create(&t, NULL, notifier, NULL);
    pthread_create(&t, NULL, clockwork, NULL);
    while ((fd = accept(ls, NULL, NULL)) >= 0)
        if (pthread_create(&t, NULL, session, (void *)(long)fd) == 0)
            pthread_detach(t);
        else
            close(fd);
    return 0;
}
