// couchd: remote control service of the game streaming box.
// The phone app sends one JSON object per line, e.g.
//   {"op":"launch","title":"0a1b2c3d4e5f","host":"10.0.0.4","fps":60}
// Operation names are kept as FNV-1a hashes only (the app team changes them).
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>
#include <poll.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

extern char **environ;

enum { COUCH_PORT = 47995, MAX_CONN = 5, LINE_MAX_ = 700 };

struct conn {
    int fd;
    int have;
    char line[LINE_MAX_];
};

struct session {
    char title[64];
    int fps;
    int bitrate;
    bool wanted;
    time_t start_at;
    pid_t pid;
};

struct box {
    struct session cur;
    struct conn conn[MAX_CONN];
    int volume;
    unsigned launched, rejected;
};

static struct box *box;

static uint32_t fnv1a(const char *s)
{
    uint32_t h = 2166136261u;
    while (*s) {
        h ^= (uint8_t)*s++;
        h *= 16777619u;
    }
    return h;
}

// finds "key": and gives the raw position of its value
static const char *json_find(const char *js, const char *key)
{
    size_t kl = strlen(key);
    for (const char *p = strchr(js, '"'); p; p = strchr(p + 1, '"')) {
        if (strncmp(p + 1, key, kl) == 0 && p[kl + 1] == '"') {
            p += kl + 2;
            while (isspace((unsigned char)*p))
                p++;
            if (*p == '\0')
                break;
            if (*p != ':')
                continue;
            p++;
            while (isspace((unsigned char)*p))
                p++;
            return p;
        }
    }
    return NULL;
}

static bool json_str(const char *js, const char *key, char *out, size_t cap)
{
    const char *p = json_find(js, key);
    size_t n = 0;

    if (!p || *p != '"')
        return false;
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1])
            p++;
        if (n + 1 >= cap)
            return false;
        out[n++] = *p;
    }
    out[n] = '\0';
    return *p == '"';
}

static int json_int(const char *js, const char *key, int lo, int hi, int def)
{
    const char *p = json_find(js, key);
    if (!p)
        return def;
    long v = strtol(p, NULL, 10);
    return v < lo ? lo : v > hi ? hi : (int)v;
}

static void say(struct conn *c, const char *what)
{
    char b[100];
    int n = snprintf(b, sizeof b, "{\"result\":\"%s\"}\n", what);
    send(c->fd, b, (size_t)n, MSG_NOSIGNAL);
}

static void stop_session(void)
{
    if (box->cur.pid > 0) {
        kill(box->cur.pid, SIGTERM);
        box->cur.pid = 0;
    }
    box->cur.wanted = false;
}

static bool title_valid(const char *t)
{
    size_t n = strlen(t);
    return n >= 4 && n < 40 && strspn(t, "0123456789abcdef") == n;
}

static void op_launch(struct conn *c, const char *js)
{
    char title[64];

    if (!json_str(js, "title", title, sizeof title) || !title_valid(title)) {
        box->rejected++;
        say(c, "bad title");
        return;
    }
    stop_session();
    memcpy(box->cur.title, title, sizeof title);
    box->cur.fps = json_int(js, "fps", 24, 120, 60);
    box->cur.bitrate = json_int(js, "bitrate", 1000, 80000, 15000);
    box->cur.start_at = time(NULL) + 1;
    box->cur.wanted = true;
    say(c, "launching");
}

static void op_quit(struct conn *c, const char *js)
{
    (void)js;
    stop_session();
    say(c, "stopped");
}

static void op_volume(struct conn *c, const char *js)
{
    box->volume = json_int(js, "level", 0, 100, box->volume);
    say(c, "ok");
}

static void op_info(struct conn *c, const char *js)
{
    (void)js;
    char b[80];
    snprintf(b, sizeof b, "launched %u rejected %u volume %d", box->launched,
             box->rejected, box->volume);
    say(c, b);
}

static const struct {
    uint32_t hash;
    void (*fn)(struct conn *, const char *);
} ops[] = {
    { 0xf1b83866u, op_launch },
    { 0x47878736u, op_quit },
    { 0x2ee0698fu, op_volume },
    { 0x0fb40705u, op_info },
};

static void handle_line(struct conn *c)
{
    char op[24];

    if (!json_str(c->line, "op", op, sizeof op)) {
        say(c, "no op");
        return;
    }
    uint32_t h = fnv1a(op);
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ops[i].hash == h) {
            ops[i].fn(c, c->line);
            return;
        }
    say(c, "unknown op");
}

static void start_if_due(void)
{
    struct session *s = &box->cur;
    char cmd[256];
    char *argv[] = { "sh", "-c", cmd, NULL };

    if (!s->wanted || s->start_at > time(NULL))
        return;
    s->wanted = false;
    snprintf(cmd, sizeof cmd, "exec /opt/couch/stream --fps %d --rate %d /opt/titles/%s.desc >/tmp/stream.log 2>&1",
             s->fps, s->bitrate, s->title);
    if (posix_spawn(&s->pid, "/bin/sh", NULL, NULL, argv, environ) == 0)
        box->launched++;
    else
        s->pid = 0;
}

static void close_conn(struct conn *c)
{
    close(c->fd);
    c->fd = -1;
    c->have = 0;
}

static void pump(struct conn *c)
{
    ssize_t n = recv(c->fd, c->line + c->have, sizeof c->line - 1 - c->have, 0);
    if (n <= 0) {
        close_conn(c);
        return;
    }
    c->have += (int)n;
    c->line[c->have] = '\0';
    char *nl;
    while ((nl = memchr(c->line, '\n', c->have)) != NULL) {
        *nl = '\0';
        handle_line(c);
        int used = (int)(nl + 1 - c->line);
        c->have -= used;
        memmove(c->line, nl + 1, c->have);
    }
    if (c->have >= LINE_MAX_ - 1)
        close_conn(c);
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(COUCH_PORT) };
    int ls = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    box = calloc(1, sizeof *box);
    if (!box)
        return 1;
    for (int i = 0; i < MAX_CONN; i++)
        box->conn[i].fd = -1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, 4)) {
        perror("couchd");
        return 1;
    }
    for (;;) {
        struct pollfd pf[MAX_CONN + 1] = { { .fd = ls, .events = POLLIN } };
        for (int i = 0; i < MAX_CONN; i++)
            pf[i + 1] = (struct pollfd){ .fd = box->conn[i].fd, .events = POLLIN };
        if (poll(pf, MAX_CONN + 1, 300) > 0) {
            for (int i = 0; i < MAX_CONN; i++)
                if (box->conn[i].fd >= 0 && pf[i + 1].revents)
                    pump(&box->conn[i]);
            if (pf[0].revents & POLLIN) {
                int fd = accept(ls, NULL, NULL), i;
                for (i = 0; i < MAX_CONN && box->conn[i].fd >= 0; i++)
                    ;
                if (fd >= 0 && i < MAX_CONN)
                    box->conn[i].fd = fd;
                else if (fd >= 0)
                    close(fd);
            }
        }
        int st;
        pid_t p = waitpid(-1, &st, WNOHANG);
        if (p > 0 && p == box->cur.pid)
            box->cur.pid = 0;
        start_if_due();
    }
}
