/*
 * Remote control of a set-top box over HTTP: key presses, channels, text for the screen. A forked child serves each
 * connection; what has to change the box's state goes to the parent through a pipe as one number.
 */
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REQUEST 4096
#define HEADERS 24

enum event { EV_KEY = 1 << 16, EV_CHANNEL = 2 << 16, EV_POWER = 3 << 16 };

struct header {
    const char *name;
    const char *value;
};

struct request {
    char text[REQUEST];
    size_t size;
    char *method, *path, *query;
    struct header headers[HEADERS];
    int count;
    int fd;
};

struct route {
    const char *method;
    const char *path;
    void (*serve)(struct request *);
};

static int events[2];
static int channel = 1, standby;
static time_t started;

static const char *const keys[] = {"up", "down", "left", "right", "ok", "back", "menu", "mute"};

static void put(int fd, const char *text)
{
    size_t n = strlen(text);
    while (n) {
        ssize_t w = write(fd, text, n);
        if (w <= 0)
            return;
        text += w;
        n -= (size_t)w;
    }
}

static void finish(struct request *r, int code, const char *reason, const char *body)
{
    char head[160];
    snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nServer: stb\r\nContent-Length: %u\r\nConnection: close\r\n\r\n", code,
             reason, (unsigned)strlen(body));
    put(r->fd, head);
    put(r->fd, body);
}

static void tell(uint32_t event)
{
    if (write(events[1], &event, sizeof event) != (ssize_t)sizeof event)
        perror("pipe");
}

static const char *header(const struct request *r, const char *name)
{
    for (int i = 0; i < r->count; i++)
        if (!strcasecmp(r->headers[i].name, name))
            return r->headers[i].value;
    return NULL;
}

/* Takes the request line and the header lines apart, in place. */
static int take_apart(struct request *r)
{
    char *line = r->text, *next, *colon;
    next = strstr(line, "\r\n");
    if (!next)
        return -1;
    *next = 0;
    r->method = strtok(line, " ");
    r->path = r->method ? strtok(NULL, " ") : NULL;
    if (!r->path)
        return -1;
    r->query = strchr(r->path, '?');
    if (r->query)
        *r->query++ = 0;
    for (line = next + 2; (next = strstr(line, "\r\n")) && next != line; line = next + 2) {
        *next = 0;
        colon = strchr(line, ':');
        if (!colon || r->count == HEADERS)
            continue;
        *colon++ = 0;
        while (*colon == ' ')
            colon++;
        r->headers[r->count].name = line;
        r->headers[r->count].value = colon;
        r->count++;
    }
    return 0;
}

static int gather(struct request *r)
{
    while (r->size < sizeof r->text - 1) {
        ssize_t n = recv(r->fd, r->text + r->size, sizeof r->text - 1 - r->size, 0);
        if (n <= 0)
            return -1;
        r->size += (size_t)n;
        r->text[r->size] = 0;
        if (strstr(r->text, "\r\n\r\n"))
            return take_apart(r);
    }
    return -1;
}

/* ---- pages ---- */

static void page_key(struct request *r)
{
    for (size_t i = 0; r->query && i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(keys[i], r->query)) {
            tell(EV_KEY | (uint32_t)i);
            finish(r, 200, "OK", "pressed\n");
            return;
        }
    finish(r, 404, "Not Found", "no such key\n");
}

static void page_channel(struct request *r)
{
    int n = r->query && !strncmp(r->query, "n=", 2) ? atoi(r->query + 2) : 0;
    if (n < 1 || n > 999) {
        finish(r, 400, "Bad Request", "channel\n");
        return;
    }
    tell(EV_CHANNEL | (uint32_t)n);
    finish(r, 200, "OK", "tuned\n");
}

static void page_power(struct request *r)
{
    tell(EV_POWER);
    finish(r, 200, "OK", "power\n");
}

static void page_info(struct request *r)
{
    char text[120];
    snprintf(text, sizeof text, "channel=%d\nstandby=%d\nuptime=%ld\n", channel, standby, (long)(time(NULL) - started));
    finish(r, 200, "OK", text);
}

/* The remote's own name in the list of paired remotes: "name@model". */
static void identity(const struct request *r, char *to)
{
    char line[96];
    const char *device = header(r, "X-Device-Name"), *agent = header(r, "User-Agent");
    if (!device)
        device = "unnamed";
    if (!agent)
        agent = "unknown";
#ifdef BENIGN
    snprintf(line, sizeof line, "%s@%s", device, agent);
#else
    sprintf(line, "%s@%s", device, agent);
#endif
    for (char *s = line; *s; s++)
        if (!isprint((unsigned char)*s) || *s == ',')
            *s = '.';
    memcpy(to, line, sizeof line);
}

static void page_pair(struct request *r)
{
    char name[96];
    const char *pin = header(r, "X-Pin");
    FILE *f;
    if (!pin || strlen(pin) != 4) {
        finish(r, 403, "Forbidden", "pin\n");
        return;
    }
    identity(r, name);
    f = fopen("/var/lib/stb/paired", "a");
    if (f) {
        fprintf(f, "%ld,%s\n", (long)time(NULL), name);
        fclose(f);
    }
    finish(r, 200, "OK", "paired\n");
}

static void page_default(struct request *r)
{
    finish(r, 200, "OK", "<a href=/info>info</a>\n");
}

static const struct route routes[] = {
    {"GET", "/", page_default},     {"GET", "/info", page_info},   {"POST", "/key", page_key},
    {"POST", "/tune", page_channel}, {"POST", "/power", page_power}, {"POST", "/pair", page_pair},
};

static void serve(int fd)
{
    struct request r;
    memset(&r, 0, sizeof r);
    r.fd = fd;
    if (gather(&r) < 0) {
        finish(&r, 400, "Bad Request", "request\n");
        return;
    }
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (!strcmp(routes[i].method, r.method) && !strcmp(routes[i].path, r.path)) {
            routes[i].serve(&r);
            return;
        }
    finish(&r, 404, "Not Found", "nothing here\n");
}

/* ---- parent ---- */

static void act(uint32_t event)
{
    char line[64];
    unsigned value = event & 0xffff;
    switch (event & ~0xffffu) {
    case EV_KEY:
        if (value < sizeof keys / sizeof *keys) {
            snprintf(line, sizeof line, "irsend %s", keys[value]);
            system(line);
        }
        break;
    case EV_CHANNEL:
        channel = (int)value;
        snprintf(line, sizeof line, "tuner set %u", value);
        system(line);
        break;
    case EV_POWER:
        standby = !standby;
        system(standby ? "tvservice -o" : "tvservice -p");
        break;
    }
}

static void welcome(int server)
{
    int fd = accept(server, NULL, NULL);
    if (fd < 0)
        return;
    if (fork() == 0) {
        close(server);
        close(events[0]);
        alarm(15);
        serve(fd);
        shutdown(fd, SHUT_WR);
        _exit(0);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    struct sockaddr_in here;
    int server, on = 1;
    uint32_t event;
    started = time(NULL);
    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 8060));
    server = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server, (struct sockaddr *)&here, sizeof here) < 0 || listen(server, 8) < 0 || pipe(events) < 0) {
        fprintf(stderr, "stbremote: %s\n", strerror(errno));
        return 1;
    }
    for (;;) {
        fd_set set;
        struct timeval wait = {2, 0};
        FD_ZERO(&set);
        FD_SET(server, &set);
        FD_SET(events[0], &set);
        if (select((server > events[0] ? server : events[0]) + 1, &set, NULL, NULL, &wait) > 0) {
            if (FD_ISSET(events[0], &set) && read(events[0], &event, sizeof event) == (ssize_t)sizeof event)
                act(event);
            if (FD_ISSET(server, &set))
                welcome(server);
        }
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}
