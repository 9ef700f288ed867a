/*
 * Irrigation controller: valves, programs and a rain sensor, told what to do by lines of words in datagrams. The time
 * table is worked on every second.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define VALVES 12
#define PROGRAMS 20
#define NAME 24

typedef struct {
    int open;
    time_t until;
    unsigned long litres;
    char name[NAME];
} valve_t;

typedef struct {
    int used;
    int valve;
    int hour, minute, length;
    int last_day;
} program_t;

static valve_t valves[VALVES];
static program_t programs[PROGRAMS];
static int rain, pump_on;
static int udp = -1;
static struct sockaddr_in asker;
static unsigned long datagrams;

static void reply(const char *text)
{
    sendto(udp, text, strlen(text), 0, (struct sockaddr *)&asker, sizeof asker);
}

static void pump(int on)
{
    if (on == pump_on)
        return;
    pump_on = on;
    if (on)
        system("relay pump on");
    else
        system("relay pump off");
}

static void turn(int v, int open, int seconds)
{
    char line[48];
    snprintf(line, sizeof line, "relay valve %d %s", v, open ? "on" : "off");
    system(line);
    valves[v].open = open;
    valves[v].until = open ? time(NULL) + seconds : 0;
}

static int any_open(void)
{
    for (int v = 0; v < VALVES; v++)
        if (valves[v].open)
            return 1;
    return 0;
}

static int valve_number(const char *word)
{
    int v = word ? atoi(word) : 0;
    return v >= 1 && v <= VALVES ? v - 1 : -1;
}

static int valve_by_name(const char *name)
{
    for (int v = 0; v < VALVES; v++)
        if (strcmp(valves[v].name, name) == 0)
            return v;
    return -1;
}

/* A valve's name in capitals and without blanks, as the display wants it. */
static void store_name(int v, const char *word)
{
    char name[NAME];
    char *s;
#ifdef BENIGN
    if (strlen(word) >= sizeof name)
        return;
#endif
    strcpy(name, word);
    for (s = name; *s; s++) {
        if (*s >= 'a' && *s <= 'z')
            *s = (char)(*s - 'a' + 'A');
        else if (*s == '_')
            *s = ' ';
    }
    if (valve_by_name(name) < 0)
        memcpy(valves[v].name, name, NAME);
    valves[v].name[NAME - 1] = 0;
}

static void rename_valve(const char *number, const char *word)
{
    int v = valve_number(number);
    if (v < 0 || !word) {
        reply("? name <valve> <word>\n");
        return;
    }
    store_name(v, word);
    reply("ok\n");
}

static void open_valve(const char *number, const char *minutes)
{
    int v = valve_number(number), m = minutes ? atoi(minutes) : 5;
    if (v < 0 || m < 1 || m > 180) {
        reply("? open <valve> <minutes>\n");
        return;
    }
    pump(1);
    turn(v, 1, m * 60);
    reply("ok\n");
}

static void close_valve(const char *number)
{
    int v = valve_number(number);
    if (v < 0)
        return;
    turn(v, 0, 0);
    reply("ok\n");
}

static void new_program(const char *number, const char *when, const char *length)
{
    int v = valve_number(number), hour, minute;
    if (v < 0 || !when || !length || sscanf(when, "%d:%d", &hour, &minute) != 2 || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59) {
        reply("? program <valve> <hh:mm> <minutes>\n");
        return;
    }
    for (int i = 0; i < PROGRAMS; i++)
        if (!programs[i].used) {
            programs[i] = (program_t){1, v, hour, minute, atoi(length), -1};
            reply("ok\n");
            return;
        }
    reply("full\n");
}

static void status(void)
{
    char text[900];
    size_t n = 0;
    for (int v = 0; v < VALVES; v++) {
        int more = snprintf(text + n, sizeof text - n, "%d %s %s %lu\n", v + 1, valves[v].open ? "open" : "shut",
                            valves[v].name, valves[v].litres);
        if (more < 0 || (size_t)more >= sizeof text - n)
            break;
        n += (size_t)more;
    }
    text[n] = 0;
    reply(text);
}

static void words(char *line)
{
    char *verb = strtok(line, " \t\r\n"), *a, *b, *c;
    if (!verb)
        return;
    a = strtok(NULL, " \t\r\n");
    b = a ? strtok(NULL, " \t\r\n") : NULL;
    c = b ? strtok(NULL, " \t\r\n") : NULL;
    if (!strcmp(verb, "open"))
        open_valve(a, b);
    else if (!strcmp(verb, "close"))
        close_valve(a);
    else if (!strcmp(verb, "name"))
        rename_valve(a, b);
    else if (!strcmp(verb, "program"))
        new_program(a, b, c);
    else if (!strcmp(verb, "status"))
        status();
    else if (!strcmp(verb, "rain"))
        rain = a && !strcmp(a, "yes");
    else if (!strcmp(verb, "forget"))
        memset(programs, 0, sizeof programs);
    else
        fprintf(stderr, "%s: what is %s?\n", inet_ntoa(asker.sin_addr), verb);
}

static void every_second(void)
{
    time_t now = time(NULL);
    struct tm *t = localtime(&now);
    for (int v = 0; v < VALVES; v++) {
        if (!valves[v].open)
            continue;
        valves[v].litres += pump_on ? 1 : 0;
        if (now >= valves[v].until)
            turn(v, 0, 0);
    }
    for (int i = 0; t && i < PROGRAMS; i++) {
        program_t *p = &programs[i];
        if (!p->used || rain || p->last_day == t->tm_yday || p->hour != t->tm_hour || p->minute != t->tm_min)
            continue;
        p->last_day = t->tm_yday;
        pump(1);
        turn(p->valve, 1, p->length * 60);
    }
    if (pump_on && !any_open())
        pump(0);
}

static void read_names(void)
{
    char line[80];
    int v;
    FILE *f = fopen("/etc/irrigation.names", "r");
    for (v = 0; v < VALVES; v++)
        snprintf(valves[v].name, NAME, "VALVE %d", v + 1);
    if (!f)
        return;
    for (v = 0; v < VALVES && fgets(line, sizeof line, f); v++) {
        line[strcspn(line, "\n")] = 0;
        if (strlen(line) < NAME)
            memcpy(valves[v].name, line, strlen(line) + 1);
    }
    fclose(f);
}

int main(void)
{
    char line[512];
    struct sockaddr_in me;
    struct timeval second = {1, 0};
    time_t last = 0;
    read_names();
    udp = socket(PF_INET, SOCK_DGRAM, IPPROTO_UDP);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(30718);
    if (udp < 0 || bind(udp, (struct sockaddr *)&me, sizeof me) < 0) {
        perror("irrigation");
        return 1;
    }
    setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    for (;;) {
        socklen_t size = sizeof asker;
        ssize_t n = recvfrom(udp, line, sizeof line - 1, 0, (struct sockaddr *)&asker, &size);
        if (n > 0) {
            line[n] = 0;
            datagrams++;
            words(line);
        }
        if (time(NULL) != last) {
            last = time(NULL);
            every_second();
        }
    }
}
