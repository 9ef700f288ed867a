// tagbridge: collects values from the PLC gateways in the hall and publishes
// them to the plant broker (MQTT-SN, QoS -1, over UDP).
//
// A gateway keeps one TCP connection open and writes a line for each value:
//   site=north;area=press4;tag=oil.temp;value=61.4;unit=C
//
// Settings come from /etc/tagbridge.conf; there is no built-in port.
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define MAXCONN   16
#define LINEMAX   400
#define FIELD     96
#define MAXTAGS   256

typedef struct Tag Tag;
struct Tag {
    Tag   *next;
    char   site[FIELD];
    char   area[FIELD];
    char   name[FIELD];
    char   unit[8];
    double value;
    double published;
    time_t seen;
    int    fresh;
};

typedef struct {
    int  fd;
    int  len;
    char buf[LINEMAX];
} Conn;

static struct {
    int      port;
    int      period;
    double   deadband;
    char     prefix[16];
    struct sockaddr_in broker;
} conf = { .period = 5, .deadband = 0.05, .prefix = "plant" };

static Tag *tags;
static int  tagCount;
static Conn conns[MAXCONN];
static int  brokerFd = -1;
static FILE *logFile;
static volatile sig_atomic_t stopping;

static void logf_(const char *fmt, ...)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm tm;
    va_list ap;

    if (!logFile)
        return;
    localtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%F %T", &tm);
    fprintf(logFile, "%s ", stamp);
    va_start(ap, fmt);
    vfprintf(logFile, fmt, ap);
    va_end(ap);
    fputc('\n', logFile);
    fflush(logFile);
}

static void readConf(const char *path)
{
    char line[200], *eq, *v;
    FILE *f = fopen(path, "r");

    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\r\n")] = 0;
        if (line[0] == '#' || !(eq = strchr(line, '=')))
            continue;
        *eq = 0;
        v = eq + 1;
        if (!strcmp(line, "port"))
            conf.port = atoi(v);
        else if (!strcmp(line, "period"))
            conf.period = atoi(v);
        else if (!strcmp(line, "deadband"))
            conf.deadband = atof(v);
        else if (!strcmp(line, "prefix"))
            snprintf(conf.prefix, sizeof(conf.prefix), "%.15s", v);
        else if (!strcmp(line, "log"))
            logFile = fopen(v, "a");
        else if (!strcmp(line, "broker")) {
            conf.broker.sin_family = AF_INET;
            conf.broker.sin_port = htons(1884);
            if (!inet_aton(v, &conf.broker.sin_addr))
                conf.broker.sin_family = 0;
        }
    }
    fclose(f);
}

static Tag *findTag(const char *site, const char *area, const char *name)
{
    Tag *t;

    for (t = tags; t; t = t->next)
        if (!strcmp(t->name, name) && !strcmp(t->area, area) && !strcmp(t->site, site))
            return t;
    if (tagCount >= MAXTAGS || !(t = calloc(1, sizeof(*t))))
        return NULL;
    strncpy(t->site, site, FIELD - 1);
    strncpy(t->area, area, FIELD - 1);
    strncpy(t->name, name, FIELD - 1);
    t->next = tags;
    tags = t;
    tagCount++;
    return t;
}

static int topicSafe(const char *s)
{
    return *s && !strpbrk(s, "/+#") && strlen(s) < FIELD;
}

static void takeLine(char *line)
{
    char *site = "", *area = "", *name = "", *value = NULL, *unit = "";
    char *word, *save, *eq;
    Tag *t;

    for (word = strtok_r(line, ";", &save); word; word = strtok_r(NULL, ";", &save)) {
        if (!(eq = strchr(word, '=')))
            continue;
        *eq++ = 0;
        if (!strcmp(word, "site"))
            site = eq;
        else if (!strcmp(word, "area"))
            area = eq;
        else if (!strcmp(word, "tag"))
            name = eq;
        else if (!strcmp(word, "value"))
            value = eq;
        else if (!strcmp(word, "unit"))
            unit = eq;
    }
    if (!value || !topicSafe(site) || !topicSafe(area) || !topicSafe(name)) {
        logf_("line without a usable tag");
        return;
    }
    if (!(t = findTag(site, area, name)))
        return;
    t->value = strtod(value, NULL);
    snprintf(t->unit, sizeof(t->unit), "%.7s", unit);
    t->seen = time(NULL);
    t->fresh = 1;
}

static void sendPublish(const char *topic, const char *text)
{
    static unsigned char pkt[255];
    size_t tl = strlen(topic), vl = strlen(text);

    if (brokerFd < 0 || 9 + tl + vl > sizeof(pkt))
        return;
    pkt[0] = (unsigned char)(9 + tl + vl);
    pkt[1] = 0x0c;
    pkt[2] = 0x60;
    pkt[3] = (unsigned char)(tl >> 8);
    pkt[4] = (unsigned char)tl;
    pkt[5] = pkt[6] = 0;
    memcpy(pkt + 7, topic, tl);
    pkt[7 + tl] = '=';
    memcpy(pkt + 8 + tl, text, vl);
    pkt[8 + tl + vl] = 0;
    sendto(brokerFd, pkt, 9 + tl + vl, 0, (struct sockaddr *)&conf.broker, sizeof(conf.broker));
}

// prefix/site/area/tag
static void publishTag(Tag *t)
{
    char topic[96], text[48];
    double d = t->value - t->published;

    t->fresh = 0;
    if (d < conf.deadband && d > -conf.deadband)
        return;
#ifdef BENIGN
    if (strlen(conf.prefix) + strlen(t->site) + strlen(t->area) + strlen(t->name) + 3 >= sizeof(topic)) {
#else
    if (strlen(t->site) >= sizeof(topic) || strlen(t->area) >= sizeof(topic) || strlen(t->name) >= sizeof(topic)) {
#endif
        logf_("topic too long for %s", t->name);
        return;
    }
    strcpy(topic, conf.prefix);
    strcat(topic, "/");
    strcat(topic, t->site);
    strcat(topic, "/");
    strcat(topic, t->area);
    strcat(topic, "/");
    strcat(topic, t->name);
    snprintf(text, sizeof(text), "%g %s", t->value, t->unit);
    sendPublish(topic, text);
    t->published = t->value;
}

static void period(void)
{
    Tag **pp = &tags, *t;
    time_t now = time(NULL);

    while ((t = *pp)) {
        if (t->fresh)
            publishTag(t);
        if (now - t->seen > 3600) {
            *pp = t->next;
            free(t);
            tagCount--;
        } else {
            pp = &t->next;
        }
    }
}

static int serviceConn(Conn *c)
{
    char *nl;
    ssize_t n = read(c->fd, c->buf + c->len, sizeof(c->buf) - 1 - (size_t)c->len);

    if (n <= 0)
        return -1;
    c->len += (int)n;
    c->buf[c->len] = 0;
    while ((nl = strchr(c->buf, '\n'))) {
        *nl = 0;
        takeLine(c->buf);
        c->len -= (int)(nl + 1 - c->buf);
        memmove(c->buf, nl + 1, (size_t)c->len + 1);
    }
    return c->len < LINEMAX - 1 ? 0 : -1;
}

static void onTerm(int sig)
{
    (void)sig;
    stopping = 1;
}

int main(int argc, char **argv)
{
    struct pollfd p[MAXCONN + 1];
    struct sockaddr_in a = { 0 };
    time_t next = 0;
    int i, ls, on = 1;

    readConf(argc > 1 ? argv[1] : "/etc/tagbridge.conf");
    if (conf.port <= 0 || conf.port > 65535 || conf.period < 1) {
        fprintf(stderr, "tagbridge: no usable port or period in the configuration\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, onTerm);
    if (conf.broker.sin_family)
        brokerFd = socket(AF_INET, SOCK_DGRAM, 0);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    a.sin_family = AF_INET;
    a.sin_port = htons((unsigned short)conf.port);
    if (bind(ls, (struct sockaddr *)&a, sizeof(a)) || listen(ls, 4)) {
        fprintf(stderr, "tagbridge: %s\n", strerror(errno));
        return 1;
    }
    for (i = 0; i < MAXCONN; i++)
        conns[i].fd = -1;
    while (!stopping) {
        for (i = 0; i < MAXCONN; i++) {
            p[i].fd = conns[i].fd;
            p[i].events = POLLIN;
            p[i].revents = 0;
        }
        p[MAXCONN].fd = ls;
        p[MAXCONN].events = POLLIN;
        if (poll(p, MAXCONN + 1, 1000) > 0) {
            for (i = 0; i < MAXCONN; i++)
                if (p[i].revents && serviceConn(&conns[i]) < 0) {
                    close(conns[i].fd);
                    conns[i].fd = -1;
                }
            if (p[MAXCONN].revents & POLLIN) {
                int fd = accept(ls, NULL, NULL);
                for (i = 0; fd >= 0 && i < MAXCONN; i++)
                    if (conns[i].fd < 0) {
                        conns[i].fd = fd;
                        conns[i].len = 0;
                        fd = -1;
                    }
                if (fd >= 0)
                    close(fd);
            }
        }
        if (time(NULL) >= next) {
            next = time(NULL) + conf.period;
            period();
        }
    }
    period();           // what came in last is not lost
    logf_("stopped, %d tags", tagCount);
    return 0;
}
