/*
 * A set-top box: discovery on one UDP port, control on another TCP port, one poll loop for both. Only what comes over
 * the control port is put into a command.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define DISCOVERY 10086
#define CONTROL 10087

struct box {
    char name[32];
    char last_seen[64];
    int volume, channel, standby;
    time_t since;
};

struct peer {
    int fd;
    char text[256];
    size_t fill;
};

static struct box box = {"stb-0001", "", 30, 1, 0, 0};
static struct peer peers[4];
#ifdef BENIGN
static unsigned char allowed[256];
#endif

static void init_table(void)
{
#ifdef BENIGN
    for (int c = 'a'; c <= 'z'; c++)
        allowed[c] = 1;
    for (int c = 'A'; c <= 'Z'; c++)
        allowed[c] = 1;
    for (int c = '0'; c <= '9'; c++)
        allowed[c] = 1;
    allowed['.'] = allowed['_'] = 1;
#endif
    box.since = time(NULL);
}

static int argument_ok(const char *s)
{
    if (!*s)
        return 0;
#ifdef BENIGN
    for (; *s; s++)
        if (!allowed[(unsigned char)*s])
            return 0;
#endif
    return 1;
}

static void say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        syslog(LOG_DEBUG, "peer left");
}

static int play(const char *what)
{
    char line[320];
    if (!argument_ok(what))
        return -1;
    snprintf(line, sizeof line, "/usr/bin/player --stop-other %s &", what);
    return system(line);
}

static void control_line(struct peer *p, char *line)
{
    char text[128];
    syslog(LOG_INFO, "control: %.60s", line);
    if (!strncmp(line, "volume ", 7)) {
        int v = atoi(line + 7);
        box.volume = v < 0 ? 0 : v > 100 ? 100 : v;
        snprintf(text, sizeof text, "amixer -q set Master %d%%", box.volume);
        system(text);
        say(p->fd, "ok\n");
    } else if (!strncmp(line, "channel ", 8)) {
        box.channel = atoi(line + 8) & 1023;
        say(p->fd, "ok\n");
    } else if (!strncmp(line, "playfile ", 9)) {
        say(p->fd, play(line + 9) == 0 ? "ok\n" : "error\n");
    } else if (!strcmp(line, "state")) {
        snprintf(text, sizeof text, "%s v=%d c=%d s=%d up=%ld\n", box.name, box.volume, box.channel, box.standby,
                 (long)(time(NULL) - box.since));
        say(p->fd, text);
    } else if (!strcmp(line, "standby")) {
        box.standby = !box.standby;
        system(box.standby ? "tvservice -o" : "tvservice -p");
        say(p->fd, "ok\n");
    } else {
        say(p->fd, "what?\n");
    }
}

static void control_readable(struct peer *p)
{
    ssize_t n = recv(p->fd, p->text + p->fill, sizeof p->text - 1 - p->fill, 0);
    char *end;
    if (n <= 0) {
        close(p->fd);
        p->fd = -1;
        return;
    }
    p->fill += (size_t)n;
    p->text[p->fill] = 0;
    while ((end = strchr(p->text, '\n')) != NULL) {
        size_t used = (size_t)(end - p->text) + 1;
        *end = 0;
        control_line(p, p->text);
        memmove(p->text, p->text + used, p->fill - used + 1);
        p->fill -= used;
    }
    if (p->fill == sizeof p->text - 1)
        p->fill = 0;
}

static void discovery_readable(int s)
{
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    char packet[128], text[160];
    ssize_t n = recvfrom(s, packet, sizeof packet - 1, 0, (struct sockaddr *)&from, &size);
    if (n <= 0)
        return;
    packet[n] = 0;
    if (strncmp(packet, "WHOIS", 5) != 0)
        return;
    snprintf(box.last_seen, sizeof box.last_seen, "%s %.40s", inet_ntoa(from.sin_addr), packet + 5);
    n = snprintf(text, sizeof text, "IAM %s %d", box.name, CONTROL);
    sendto(s, text, (size_t)n, 0, (struct sockaddr *)&from, size);
}

static int open_port(int type, int port)
{
    struct sockaddr_in me;
    int s = socket(AF_INET, type, 0), one = 1;
    if (s < 0)
        return -1;
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons((uint16_t)port);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || (type == SOCK_STREAM && listen(s, 4) < 0)) {
        close(s);
        return -1;
    }
    return s;
}

static void newcomer(int s)
{
    int c = accept(s, NULL, NULL);
    for (int i = 0; c >= 0 && i < 4; i++)
        if (peers[i].fd < 0) {
            peers[i].fd = c;
            peers[i].fill = 0;
            return;
        }
    if (c >= 0)
        close(c);
}

int main(void)
{
    int udp = open_port(SOCK_DGRAM, DISCOVERY), tcp = open_port(SOCK_STREAM, CONTROL);
    openlog("stbd", LOG_PID, LOG_DAEMON);
    init_table();
    if (udp < 0 || tcp < 0)
        return 1;
    for (int i = 0; i < 4; i++)
        peers[i].fd = -1;
    for (;;) {
        struct pollfd p[6] = {{udp, POLLIN, 0}, {tcp, POLLIN, 0}};
        for (int i = 0; i < 4; i++)
            p[2 + i] = (struct pollfd){peers[i].fd, POLLIN, 0};
        if (poll(p, 6, 60000) <= 0)
            continue;
        if (p[0].revents)
            discovery_readable(udp);
        if (p[1].revents)
            newcomer(tcp);
        for (int i = 0; i < 4; i++)
            if (p[2 + i].revents && peers[i].fd >= 0)
                control_readable(&peers[i]);
    }
}
