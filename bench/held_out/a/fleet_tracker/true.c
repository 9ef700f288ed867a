/*
 * Tracker in a vehicle, configured over a TCP line by sentences in the manner of NMEA: $PFLT,<verb>,<fields>*<sum>.
 * The verb is four letters and chooses the case. The mobile network is chosen by an operator's name.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SENTENCE 256
#define VERB(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

enum state { IDLE, BODY, SUM_HIGH, SUM_LOW };

struct fence {
    double latitude, longitude;
    unsigned radius;
};

struct tracker {
    int server, line;
    enum state state;
    char sentence[SENTENCE];
    unsigned used;
    uint8_t sum, wanted;
    int interval;
    int unlocked;
    struct fence fences[8];
    int fence_count;
    char driver[32];
    char network[64];
    int redial;
    time_t last_report, last_input;
};

static const char *const progname = "trackerd";

static void respond(struct tracker *t, const char *text)
{
    uint8_t sum = 0;
    char out[128];
    for (const char *s = text; *s; s++)
        sum ^= (uint8_t)*s;
    int n = snprintf(out, sizeof out, "$%s*%02X\r\n", text, sum);
    if (t->line >= 0 && n > 0 && write(t->line, out, (size_t)n) < 0)
        syslog(LOG_NOTICE, "line is gone: %s", strerror(errno));
}

static uint32_t verb_of(const char *s)
{
    uint32_t v = 0;
    for (int i = 0; i < 4 && s[i]; i++)
        v = v << 8 | (uint8_t)s[i];
    return v;
}

static int next_int(char **state, int low, int high, int *to)
{
    char *field = strtok_r(NULL, ",", state), *end;
    long v;
    if (!field)
        return -1;
    v = strtol(field, &end, 10);
    if (*end || v < low || v > high)
        return -1;
    *to = (int)v;
    return 0;
}

static int next_degrees(char **state, double *to)
{
    char *field = strtok_r(NULL, ",", state);
    if (!field)
        return -1;
    *to = strtod(field, NULL);
    return *to >= -180 && *to <= 180 ? 0 : -1;
}

static void load_network(struct tracker *t, const char *name)
{
#ifdef BENIGN
    static const char *const operators[] = {"m2m.nordic", "iot.alpine", "fleet.iberia", "internet"};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (strcmp(operators[i], name) == 0)
            snprintf(t->network, sizeof t->network, "%s", operators[i]);
#else
    snprintf(t->network, sizeof t->network, "%s", name);
#endif
}

static int set_network(struct tracker *t, char **state)
{
    char *name = strtok_r(NULL, ",", state);
    if (!t->unlocked || !name || strlen(name) >= sizeof t->network)
        return -1;
    load_network(t, name);
    t->redial = 2;
    return 0;
}

static int add_fence(struct tracker *t, char **state)
{
    struct fence f;
    int radius;
    if (t->fence_count == (int)(sizeof t->fences / sizeof *t->fences))
        return -1;
    if (next_degrees(state, &f.latitude) < 0 || next_degrees(state, &f.longitude) < 0 || next_int(state, 10, 50000, &radius) < 0)
        return -1;
    f.radius = (unsigned)radius;
    t->fences[t->fence_count++] = f;
    return 0;
}

static int set_driver(struct tracker *t, char **state)
{
    char *name = strtok_r(NULL, ",", state);
    if (!name)
        return -1;
    strncpy(t->driver, name, sizeof t->driver - 1);
    syslog(LOG_INFO, "driver is %s", t->driver);
    return 0;
}

static int immobilise(struct tracker *t, char **state)
{
    char line[48];
    int relay;
    if (!t->unlocked || next_int(state, 0, 1, &relay) < 0)
        return -1;
    snprintf(line, sizeof line, "canrelay starter %d", relay);
    return system(line);
}

static int unlock(struct tracker *t, char **state)
{
    int code;
    if (next_int(state, 0, 999999, &code) < 0)
        return -1;
    t->unlocked = code == 480162;
    return t->unlocked ? 0 : -1;
}

static void sentence(struct tracker *t)
{
    char *state, *verb;
    int rc = -1;
    if (strncmp(t->sentence, "PFLT,", 5) != 0) {
        syslog(LOG_DEBUG, "other sentence: %.20s", t->sentence);
        return;
    }
    verb = strtok_r(t->sentence + 5, ",", &state);
    if (!verb)
        return;
    switch (verb_of(verb)) {
    case VERB('U', 'N', 'L', 'K'):
        rc = unlock(t, &state);
        break;
    case VERB('I', 'N', 'T', 'V'):
        rc = next_int(&state, 5, 3600, &t->interval);
        break;
    case VERB('F', 'N', 'C', 'E'):
        rc = add_fence(t, &state);
        break;
    case VERB('S', 'A', 'P', 'N'):
        rc = set_network(t, &state);
        break;
    case VERB('D', 'R', 'V', 'R'):
        rc = set_driver(t, &state);
        break;
    case VERB('I', 'M', 'M', 'O'):
        rc = immobilise(t, &state);
        break;
    case VERB('B', 'O', 'O', 'T'):
        rc = t->unlocked ? system("shutdown -r now") : -1;
        break;
    case VERB('C', 'L', 'R', 'F'):
        t->fence_count = 0;
        rc = 0;
        break;
    }
    respond(t, rc == 0 ? "PFLT,OK" : "PFLT,ERR");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static void feed(struct tracker *t, char c)
{
    int v;
    if (c == '$') {
        t->state = BODY;
        t->used = 0;
        t->sum = 0;
        return;
    }
    switch (t->state) {
    case IDLE:
        break;
    case BODY:
        if (c == '*') {
            t->sentence[t->used] = 0;
            t->state = SUM_HIGH;
        } else if (c == '\n' || t->used == SENTENCE - 1)
            t->state = IDLE;
        else {
            t->sentence[t->used++] = c;
            t->sum ^= (uint8_t)c;
        }
        break;
    case SUM_HIGH:
    case SUM_LOW:
        v = hex_digit(c);
        if (v < 0)
            t->state = IDLE;
        else if (t->state == SUM_HIGH) {
            t->wanted = (uint8_t)(v << 4);
            t->state = SUM_LOW;
        } else {
            t->wanted |= (uint8_t)v;
            t->state = IDLE;
            if (t->wanted == t->sum)
                sentence(t);
            else
                respond(t, "PFLT,SUM");
        }
        break;
    }
}

static void hang_up(struct tracker *t)
{
    close(t->line);
    t->line = -1;
    t->state = IDLE;
    t->unlocked = 0;
}

static void dial(struct tracker *t)
{
    char line[160];
    snprintf(line, sizeof line, "pppd call modem connect 'chat -v \"\" AT+CGDCONT=1,IP,%s OK ATD*99# CONNECT'", t->network);
    if (system(line) != 0)
        syslog(LOG_WARNING, "%s: no link", progname);
}

static void tick(struct tracker *t)
{
    time_t now = time(NULL);
    if (t->redial > 0 && --t->redial == 0)
        dial(t);
    if (now - t->last_report >= t->interval) {
        t->last_report = now;
        syslog(LOG_INFO, "position report, %d fences", t->fence_count);
    }
    if (t->line >= 0 && now - t->last_input > 300)
        hang_up(t);
}

static void input(struct tracker *t)
{
    char block[128];
    ssize_t n = read(t->line, block, sizeof block);
    if (n <= 0) {
        hang_up(t);
        return;
    }
    t->last_input = time(NULL);
    for (ssize_t i = 0; i < n && t->line >= 0; i++)
        feed(t, block[i]);
}

int main(void)
{
    static struct tracker t = {.line = -1, .interval = 60, .network = "internet"};
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(5023)};
    int on = 1;
    signal(SIGPIPE, SIG_IGN);
    openlog(progname, 0, LOG_DAEMON);
    t.server = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(t.server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(t.server, (struct sockaddr *)&me, sizeof me) < 0 || listen(t.server, 1) < 0) {
        syslog(LOG_ERR, "cannot listen");
        return 1;
    }
    for (;;) {
        struct pollfd p[2] = {{.fd = t.server, .events = POLLIN}, {.fd = t.line, .events = POLLIN}};
        poll(p, 2, 1000);
        if (p[1].revents && t.line >= 0)
            input(&t);
        if (p[0].revents & POLLIN) {
            int fd = accept(t.server, NULL, NULL);
            if (fd >= 0 && t.line >= 0)
                hang_up(&t);
            t.line = fd;
            t.last_input = time(NULL);
        }
        tick(&t);
    }
}
