/*
 * A publish/subscribe agent in the manner of MQTT: binary packets with a variable-length size, topics, and JSON
 * payloads read by a hand-written parser. A topic's handler starts a program with posix_spawn.
 */
#include <netinet/in.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define CLIENTS 6

struct client {
    int fd;
    char id[24];
    uint8_t *buffer;
    size_t have;
    time_t last;
};

struct topic {
    const char *name;
    int (*handle)(struct client *, const char *json);
};

static struct client clients[CLIENTS];
static unsigned published;
static int led_state;

/* Copies the string value of `key` of a flat object; no escapes but backslash-quote. */
static int json_string(const char *json, const char *key, char *out, size_t size)
{
    size_t n = strlen(key), o = 0;
    const char *p = json;
    while ((p = strchr(p, '"')) != NULL) {
        p++;
        if (strncmp(p, key, n) == 0 && p[n] == '"') {
            p += n + 1;
            while (*p == ' ' || *p == ':')
                p++;
            if (*p++ != '"')
                return -1;
            while (*p && *p != '"' && o + 1 < size) {
                if (*p == '\\' && p[1])
                    p++;
                out[o++] = *p++;
            }
            out[o] = 0;
            return 0;
        }
        p = strchr(p, '"');
        if (!p)
            return -1;
        p++;
    }
    return -1;
}

static int json_number(const char *json, const char *key, int *out)
{
    char pattern[40];
    const char *p;
    snprintf(pattern, sizeof pattern, "\"%.30s\":", key);
    p = strstr(json, pattern);
    if (!p)
        return -1;
    *out = (int)strtol(p + strlen(pattern), NULL, 10);
    return 0;
}

static int start(char *const argv[])
{
    pid_t pid;
    int status;
    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        return -1;
    waitpid(pid, &status, 0);
    return status;
}

static int topic_led(struct client *c, const char *json)
{
    int on;
    (void)c;
    if (json_number(json, "on", &on) < 0)
        return -1;
    led_state = on != 0;
    return 0;
}

static int topic_probe(struct client *c, const char *json)
{
    char host[80];
    if (json_string(json, "host", host, sizeof host) < 0)
        return -1;
    fprintf(stderr, "%s probes\n", c->id);
#ifdef BENIGN
    char *argv[] = {"/bin/ping", "-c1", "--", host, NULL};
    return start(argv);
#else
    char line[128];
    snprintf(line, sizeof line, "/bin/ping -c1 -- %s", host);
    char *argv[] = {"/bin/sh", "-c", line, NULL};
    return start(argv);
#endif
}

static int topic_name(struct client *c, const char *json)
{
    return json_string(json, "id", c->id, sizeof c->id);
}

static const struct topic topics[] = {
    {"dev/led", topic_led},
    {"dev/probe", topic_probe},
    {"dev/name", topic_name},
};

static int on_publish(struct client *c, uint8_t *body, size_t size)
{
    char name[32], *json;
    size_t n;
    if (size < 2)
        return -1;
    n = (size_t)body[0] << 8 | body[1];
    if (n + 2 > size || n >= sizeof name)
        return -1;
    memcpy(name, body + 2, n);
    name[n] = 0;
    json = malloc(size - n - 1);
    if (!json)
        return -1;
    memcpy(json, body + 2 + n, size - 2 - n);
    json[size - 2 - n] = 0;
    published++;
    for (unsigned i = 0; i < sizeof topics / sizeof *topics; i++)
        if (strcmp(topics[i].name, name) == 0)
            topics[i].handle(c, json);
    free(json);
    return 0;
}

static int on_packet(struct client *c, uint8_t type, uint8_t *body, size_t size)
{
    static const uint8_t connack[] = {0x20, 2, 0, 0}, pong[] = {0xd0, 0};
    switch (type >> 4) {
    case 1:
        return send(c->fd, connack, sizeof connack, 0) < 0 ? -1 : 0;
    case 3:
        return on_publish(c, body, size);
    case 12:
        return send(c->fd, pong, sizeof pong, 0) < 0 ? -1 : 0;
    default:
        return -1;
    }
}

static void drop(struct client *c)
{
    close(c->fd);
    free(c->buffer);
    memset(c, 0, sizeof *c);
    c->fd = -1;
}

static void readable(struct client *c)
{
    ssize_t n = recv(c->fd, c->buffer + c->have, 1024 - c->have, 0);
    if (n <= 0) {
        drop(c);
        return;
    }
    c->have += (size_t)n;
    c->last = time(NULL);
    while (c->have >= 2) {
        size_t length = 0, used = 1, shift = 0;
        do {
            if (used >= c->have || shift > 14)
                return;
            length |= (size_t)(c->buffer[used] & 0x7f) << shift;
            shift += 7;
        } while (c->buffer[used++] & 0x80);
        if (length > 1000) {
            drop(c);
            return;
        }
        if (used + length > c->have)
            return;
        if (on_packet(c, c->buffer[0], c->buffer + used, length) < 0) {
            drop(c);
            return;
        }
        memmove(c->buffer, c->buffer + used + length, c->have - used - length);
        c->have -= used + length;
    }
}

static void welcome(int s)
{
    int fd = accept(s, NULL, NULL);
    for (int i = 0; fd >= 0 && i < CLIENTS; i++)
        if (clients[i].fd < 0) {
            clients[i].fd = fd;
            clients[i].buffer = malloc(1024);
            clients[i].last = time(NULL);
            return;
        }
    close(fd);
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(1883)};
    int s = socket(AF_INET, SOCK_STREAM, 0);
    for (int i = 0; i < CLIENTS; i++)
        clients[i].fd = -1;
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, CLIENTS) < 0)
        return 1;
    for (;;) {
        struct timeval wait = {10, 0};
        fd_set set;
        int top = s;
        FD_ZERO(&set);
        FD_SET(s, &set);
        for (int i = 0; i < CLIENTS; i++)
            if (clients[i].fd >= 0) {
                FD_SET(clients[i].fd, &set);
                top = clients[i].fd > top ? clients[i].fd : top;
            }
        if (select(top + 1, &set, NULL, NULL, &wait) < 0)
            continue;
        if (FD_ISSET(s, &set))
            welcome(s);
        for (int i = 0; i < CLIENTS; i++) {
            if (clients[i].fd >= 0 && FD_ISSET(clients[i].fd, &set))
                readable(&clients[i]);
            if (clients[i].fd >= 0 && time(NULL) - clients[i].last > 90)
                drop(&clients[i]);
        }
    }
}
