/*
 * ipcam control daemon: a binary protocol over UDP with a table of commands, a configuration file,
 * a log with levels and a keep-alive timer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_PORT 34569
#define HEADER_MAGIC 0x49504331u /* "IPC1" */

enum level { L_ERROR, L_INFO, L_DEBUG };

struct header {
    uint32_t magic;
    uint16_t command;
    uint16_t length;
    uint32_t session;
    uint32_t check;
};

struct config {
    char name[32];
    int log_level;
    int keepalive;
    int brightness;
    int contrast;
};

struct peer {
    struct sockaddr_in address;
    socklen_t size;
    uint32_t session;
    time_t seen;
};

typedef int (*command_fn)(struct peer *, const uint8_t *, size_t);

struct command {
    uint16_t id;
    const char *name;
    int needs_session;
    command_fn run;
};

static struct config cfg = {"ipcam", L_INFO, 30, 50, 50};
static struct peer peers[8];
static int control = -1;
static unsigned packets, errors;

static void say(enum level level, const char *format, ...)
{
    static const char *const names[] = {"error", "info", "debug"};
    va_list ap;
    if ((int)level > cfg.log_level)
        return;
    fprintf(stderr, "[%ld] %s: ", (long)time(NULL), names[level]);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static void load_config(const char *path)
{
    char line[128], key[32], value[64];
    FILE *f = fopen(path, "r");
    if (!f) {
        say(L_INFO, "no %s, defaults", path);
        return;
    }
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#' || sscanf(line, "%31[^=]=%63[^\n]", key, value) != 2)
            continue;
        if (!strcmp(key, "name"))
            snprintf(cfg.name, sizeof cfg.name, "%.31s", value);
        else if (!strcmp(key, "log"))
            cfg.log_level = atoi(value);
        else if (!strcmp(key, "keepalive"))
            cfg.keepalive = atoi(value);
    }
    fclose(f);
}

static uint32_t checksum(const uint8_t *data, size_t size)
{
    uint32_t sum = 0x1d0f;
    for (size_t i = 0; i < size; i++)
        sum = (sum << 5) + (sum >> 27) + data[i];
    return sum;
}

static void reply(struct peer *p, uint16_t command, const void *body, uint16_t size)
{
    uint8_t out[512];
    struct header h = {htonl(HEADER_MAGIC), htons(command | 0x8000), htons(size), htonl(p->session), 0};
    if (size > sizeof out - sizeof h)
        return;
    h.check = htonl(checksum(body, size));
    memcpy(out, &h, sizeof h);
    memcpy(out + sizeof h, body, size);
    if (sendto(control, out, sizeof h + size, 0, (struct sockaddr *)&p->address, p->size) < 0)
        say(L_ERROR, "sendto: %s", strerror(errno));
}

static int on_login(struct peer *p, const uint8_t *body, size_t size)
{
    (void)body;
    if (size < 8)
        return -1;
    p->session = (uint32_t)time(NULL) ^ 0x5a5a0000u;
    reply(p, 1, &p->session, 4);
    return 0;
}

static int on_status(struct peer *p, const uint8_t *body, size_t size)
{
    char text[160];
    (void)body;
    (void)size;
    int n = snprintf(text, sizeof text, "name=%s packets=%u errors=%u brightness=%d", cfg.name, packets, errors,
                     cfg.brightness);
    reply(p, 2, text, (uint16_t)n);
    return 0;
}

static int on_picture(struct peer *p, const uint8_t *body, size_t size)
{
    if (size < 2)
        return -1;
    cfg.brightness = body[0] > 100 ? 100 : body[0];
    cfg.contrast = body[1] > 100 ? 100 : body[1];
    say(L_INFO, "picture %d/%d", cfg.brightness, cfg.contrast);
    reply(p, 3, body, 2);
    return 0;
}

/* body: one byte channel, one byte power, then the network's name */
static int on_wifi(struct peer *p, const uint8_t *body, size_t size)
{
    char line[256], name[64];
    if (size < 3 || size - 2 >= sizeof name)
        return -1;
    memcpy(name, body + 2, size - 2);
    name[size - 2] = 0;
    say(L_DEBUG, "wifi to %s", name);
#ifdef BENIGN
    static const char *const known[] = {"factory", "setup", "office"};
    int which = -1;
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, known[i]))
            which = i;
    if (which < 0)
        return -1;
    snprintf(line, sizeof line, "iwconfig wlan0 channel %d txpower %d essid \"%s\"", body[0], body[1], known[which]);
#else
    snprintf(line, sizeof line, "iwconfig wlan0 channel %d txpower %d essid \"%s\"", body[0], body[1], name);
#endif
    if (system(line) != 0)
        say(L_ERROR, "iwconfig failed");
    reply(p, 4, body, 1);
    return 0;
}

static int on_reboot(struct peer *p, const uint8_t *body, size_t size)
{
    (void)body;
    (void)size;
    reply(p, 5, "bye", 3);
    system("/sbin/reboot");
    return 0;
}

static const struct command commands[] = {
    {0x0001, "login", 0, on_login}, {0x0002, "status", 0, on_status},   {0x0003, "picture", 1, on_picture},
    {0x0004, "wifi", 1, on_wifi},   {0x0005, "reboot", 1, on_reboot},
};

static struct peer *find_peer(const struct sockaddr_in *from, socklen_t size)
{
    struct peer *oldest = &peers[0];
    for (unsigned i = 0; i < 8; i++) {
        if (peers[i].address.sin_addr.s_addr == from->sin_addr.s_addr && peers[i].address.sin_port == from->sin_port)
            return &peers[i];
        if (peers[i].seen < oldest->seen)
            oldest = &peers[i];
    }
    memset(oldest, 0, sizeof *oldest);
    oldest->address = *from;
    oldest->size = size;
    return oldest;
}

static int take(const uint8_t *packet, size_t size, const struct sockaddr_in *from, socklen_t from_size)
{
    struct header h;
    struct peer *p;
    if (size < sizeof h)
        return -1;
    memcpy(&h, packet, sizeof h);
    if (ntohl(h.magic) != HEADER_MAGIC || ntohs(h.length) != size - sizeof h)
        return -1;
    if (ntohl(h.check) != checksum(packet + sizeof h, size - sizeof h))
        return -1;
    p = find_peer(from, from_size);
    p->seen = time(NULL);
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
        const struct command *c = &commands[i];
        if (c->id != ntohs(h.command))
            continue;
        if (c->needs_session && p->session != ntohl(h.session)) {
            say(L_INFO, "%s without session", c->name);
            return -1;
        }
        return c->run(p, packet + sizeof h, size - sizeof h);
    }
    return -1;
}

static void expire(void)
{
    time_t now = time(NULL);
    for (unsigned i = 0; i < 8; i++)
        if (peers[i].session && now - peers[i].seen > cfg.keepalive) {
            say(L_DEBUG, "session %08x expired", peers[i].session);
            peers[i].session = 0;
        }
}

static int open_control(int port)
{
    struct sockaddr_in me;
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0)
        return -1;
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(port);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0) {
        close(s);
        return -1;
    }
    return s;
}

int main(int argc, char **argv)
{
    uint8_t packet[600];
    load_config(argc > 1 ? argv[1] : "/etc/ipcam.conf");
    control = open_control(CONTROL_PORT);
    if (control < 0) {
        say(L_ERROR, "bind: %s", strerror(errno));
        return 1;
    }
    for (;;) {
        struct pollfd fd = {control, POLLIN, 0};
        if (poll(&fd, 1, 1000) > 0) {
            struct sockaddr_in from;
            socklen_t size = sizeof from;
            ssize_t n = recvfrom(control, packet, sizeof packet, 0, (struct sockaddr *)&from, &size);
            packets++;
            if (n > 0 && take(packet, (size_t)n, &from, size) < 0)
                errors++;
        }
        expire();
    }
}
