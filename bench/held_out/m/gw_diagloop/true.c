#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define DIAG_PORT   5916
#define EV_MAX      12
#define RX_MAX      1024

struct ev_source;
typedef void (*ev_cb)(struct ev_source *src, short revents);

struct ev_source {
    int    fd;
    ev_cb  cb;
    void  *priv;
};

struct session {
    char   rx[RX_MAX];
    size_t used;
};

struct request {
    char method[24];
    char target[128];
    int  count;
    int  id;
};

typedef int (*method_fn)(int fd, const struct request *rq);

struct method {
    const char *name;
    method_fn   fn;
    struct method *next;
};

static struct ev_source ev_tab[EV_MAX];
static struct method *method_head;

static struct ev_source *ev_add(int fd, ev_cb cb, void *priv)
{
    int i;

    for (i = 0; i < EV_MAX; i++) {
        if (!ev_tab[i].cb) {
            ev_tab[i].fd = fd;
            ev_tab[i].cb = cb;
            ev_tab[i].priv = priv;
            return &ev_tab[i];
        }
    }
    return NULL;
}

static void ev_del(struct ev_source *s)
{
    close(s->fd);
    free(s->priv);
    memset(s, 0, sizeof(*s));
}

static void ev_run(void)
{
    struct pollfd pf[EV_MAX];
    struct ev_source *map[EV_MAX];
    int i, n;

    for (;;) {
        for (i = 0, n = 0; i < EV_MAX; i++) {
            if (!ev_tab[i].cb)
                continue;
            pf[n].fd = ev_tab[i].fd;
            pf[n].events = POLLIN;
            pf[n].revents = 0;
            map[n++] = &ev_tab[i];
        }
        if (poll(pf, n, 5000) <= 0)
            continue;
        for (i = 0; i < n; i++)
            if (pf[i].revents && map[i]->cb)
                map[i]->cb(map[i], pf[i].revents);
    }
}

static void method_register(const char *name, method_fn fn)
{
    struct method *m = malloc(sizeof(*m));

    if (!m)
        exit(1);
    m->name = name;
    m->fn = fn;
    m->next = method_head;
    method_head = m;
}

static const char *json_find(const char *js, const char *key)
{
    size_t kl = strlen(key);
    const char *p = js;

    while ((p = strchr(p, '"')) != NULL) {
        p++;
        if (strncmp(p, key, kl) == 0 && p[kl] == '"') {
            p += kl + 1;
            while (*p == ' ' || *p == ':')
                p++;
            return p;
        }
        p = strchr(p, '"');
        if (!p)
            break;
        p++;
    }
    return NULL;
}

static int json_str(const char *js, const char *key, char *out, size_t cap)
{
    const char *p = json_find(js, key);
    size_t n = 0;

    out[0] = 0;
    if (!p || *p != '"')
        return -1;
    for (p++; *p && *p != '"' && n + 1 < cap; p++) {
        if (*p == '\\' && p[1])
            p++;
        out[n++] = *p;
    }
    out[n] = 0;
    return *p == '"' ? 0 : -1;
}

static int json_int(const char *js, const char *key, int def)
{
    const char *p = json_find(js, key);

    return p ? atoi(p) : def;
}

static void say(int fd, int id, const char *state, const char *text)
{
    char out[512];
    int n;

    n = snprintf(out, sizeof(out), "{\"id\":%d,\"%s\":\"%s\"}\n", id, state, text);
    if (n >= (int)sizeof(out))
        n = sizeof(out) - 1;
    if (write(fd, out, n) < 0)
        return;
}

static int stream_tool(int fd, int id, const char *cmd)
{
    char line[256];
    FILE *p = popen(cmd, "r");

    if (!p)
        return -errno;
    while (fgets(line, sizeof(line), p)) {
        line[strcspn(line, "\n")] = 0;
        say(fd, id, "line", line);
    }
    return pclose(p);
}

static int m_ping(int fd, const struct request *rq)
{
    char cmd[256];
    snprintf(cmd, sizeof(cmd), "ping -c %d -W 2 %s 2>&1", rq->count, rq->target);
    return stream_tool(fd, rq->id, cmd);
}

static int m_routes(int fd, const struct request *rq)
{
    return stream_tool(fd, rq->id, "ip route show");
}

static int m_echo(int fd, const struct request *rq)
{
    say(fd, rq->id, "echo", rq->target);
    return 0;
}

static int decode(const char *line, struct request *rq)
{
    memset(rq, 0, sizeof(*rq));
    if (json_str(line, "method", rq->method, sizeof(rq->method)) < 0)
        return -1;
    json_str(line, "target", rq->target, sizeof(rq->target));
    rq->count = json_int(line, "count", 4);
    if (rq->count < 1 || rq->count > 20)
        rq->count = 4;
    rq->id = json_int(line, "id", 0);
    return 0;
}

static void handle_line(int fd, const char *line)
{
    struct request rq;
    struct method *m;
    int rc = -ENOSYS;

    if (decode(line, &rq) < 0) {
        say(fd, 0, "error", "parse");
        return;
    }
    for (m = method_head; m; m = m->next) {
        if (strcmp(m->name, rq.method) == 0) {
            rc = m->fn(fd, &rq);
            break;
        }
    }
    say(fd, rq.id, rc == 0 ? "done" : "error", rq.method);
}

static void on_client(struct ev_source *src, short revents)
{
    struct session *ss = src->priv;
    ssize_t n;
    char *nl;

    (void)revents;
    n = read(src->fd, ss->rx + ss->used, sizeof(ss->rx) - 1 - ss->used);
    if (n <= 0) {
        ev_del(src);
        return;
    }
    ss->used += n;
    ss->rx[ss->used] = 0;
    while ((nl = strchr(ss->rx, '\n')) != NULL) {
        size_t eat = nl - ss->rx + 1;

        *nl = 0;
        handle_line(src->fd, ss->rx);
        memmove(ss->rx, ss->rx + eat, ss->used - eat + 1);
        ss->used -= eat;
    }
    if (ss->used >= sizeof(ss->rx) - 1)
        ev_del(src);
}

static void on_accept(struct ev_source *src, short revents)
{
    struct session *ss;
    int fd = accept(src->fd, NULL, NULL);

    (void)revents;
    if (fd < 0)
        return;
    ss = calloc(1, sizeof(*ss));
    if (!ss || !ev_add(fd, on_client, ss)) {
        free(ss);
        close(fd);
    }
}

int main(void)
{
    struct sockaddr_in sa;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(DIAG_PORT);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 3)) {
        perror("diagd");
        return EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_IGN);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    method_register("diag.ping", m_ping);
    method_register("diag.routes", m_routes);
    method_register("diag.echo", m_echo);
    ev_add(fd, on_accept, NULL);
    ev_run();
    return 0;
}
