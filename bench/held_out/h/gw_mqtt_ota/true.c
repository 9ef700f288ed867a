// edgegw: commissioning broker of an industrial gateway (MQTT 3.1.1 subset)
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

extern char **environ;

enum { MQ_CONNECT = 1, MQ_CONNACK, MQ_PUBLISH, MQ_PUBACK, MQ_PINGREQ = 12, MQ_PINGRESP, MQ_DISCONNECT };

struct work_item {
    struct work_item *next;
    void (*run)(struct work_item *);
    int number;
    size_t len;
    char data[];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t ready;
    struct work_item *head, *tail;
    int depth;
} q = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL, 0 };

struct conn {
    int fd;
    bool connected;
    uint8_t flags;
    uint8_t *pkt;
    uint32_t len;
    char client[24];
};

static char gw_name[32] = "edge-gw";
static int poll_ms = 1000;

/* character classes after RFC 3986 */
#define U 1     /* unreserved and % */
#define S 2     /* sub-delims */
#define G 4     /* gen-delims */
static const uint8_t cls[128] = {
    ['A' ... 'Z'] = U, ['a' ... 'z'] = U, ['0' ... '9'] = U,
    ['-'] = U, ['.'] = U, ['_'] = U, ['~'] = U, ['%'] = U,
    ['!'] = S, ['$'] = S, ['&'] = S, ['\''] = S, ['('] = S, [')'] = S,
    ['*'] = S, ['+'] = S, [','] = S, [';'] = S, ['='] = S,
    [':'] = G, ['/'] = G, ['?'] = G, ['#'] = G, ['@'] = G,
};

static bool url_ok(const char *u)
{
    if (strncmp(u, "http://", 7) != 0 && strncmp(u, "https://", 8) != 0)
        return false;
    for (; *u; u++)
        if ((*u & 0x80) || !(cls[(uint8_t)*u] & (U | S | G)))
            return false;
    return true;
}

/* ---- worker side ---- */

static bool shell_line(const char *line)
{
    const char *argv[] = { "sh", "-c", line, NULL };
    pid_t pid;
    int st = 0;
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, (char *const *)argv, environ) != 0)
        return false;
    waitpid(pid, &st, 0);
    return WIFEXITED(st) && WEXITSTATUS(st) == 0;
}

static void work_ota(struct work_item *w)
{
    char cmd[400];
    int n;
    if (!url_ok(w->data)) {
        fprintf(stderr, "ota: url refused\n");
        return;
    }
    n = snprintf(cmd, sizeof cmd, "wget -q -T 20 -O /tmp/fw.bin \"%s\"", w->data);
    if (n < 0 || n >= (int)sizeof cmd)
        return;
    if (shell_line(cmd))
        shell_line("/usr/sbin/fwupdate /tmp/fw.bin");
}

static void work_baud(struct work_item *w)
{
    static const int allowed[] = { 9600, 19200, 38400, 57600, 115200 };
    char cmd[64];
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        if (allowed[i] == w->number) {
            snprintf(cmd, sizeof cmd, "stty -F /dev/ttyS2 %d", allowed[i]);
            shell_line(cmd);
        }
}

static void work_name(struct work_item *w)
{
    FILE *f;
    snprintf(gw_name, sizeof gw_name, "%s", w->data);
    if ((f = fopen("/data/gwname", "w"))) {
        fprintf(f, "%s\n", gw_name);
        fclose(f);
    }
}

static void work_poll(struct work_item *w)
{
    poll_ms = w->number < 100 ? 100 : w->number;
}

static void enqueue(void (*run)(struct work_item *), const uint8_t *data, size_t len)
{
    struct work_item *w;
    if (len > 1024 || !(w = calloc(1, sizeof *w + len + 1)))
        return;
    memcpy(w->data, data, len);
    w->len = len;
    w->number = atoi(w->data);
    w->run = run;
    pthread_mutex_lock(&q.lock);
    if (q.depth >= 32) {
        pthread_mutex_unlock(&q.lock);
        free(w);
        return;
    }
    if (q.tail)
        q.tail->next = w;
    else
        q.head = w;
    q.tail = w;
    q.depth++;
    pthread_cond_signal(&q.ready);
    pthread_mutex_unlock(&q.lock);
}

static void *worker_main(void *unused)
{
    (void)unused;
    for (;;) {
        struct work_item *w;
        pthread_mutex_lock(&q.lock);
        while (!q.head)
            pthread_cond_wait(&q.ready, &q.lock);
        w = q.head;
        q.head = w->next;
        if (!q.head)
            q.tail = NULL;
        q.depth--;
        pthread_mutex_unlock(&q.lock);
        w->run(w);
        free(w);
    }
    return NULL;
}

/* ---- topics, sorted ---- */

struct topic { const char *name; void (*run)(struct work_item *); };
static const struct topic topics[] = {
    { "gw/cfg/name", work_name },
    { "gw/cfg/poll", work_poll },
    { "gw/ota/url", work_ota },
    { "gw/serial/baud", work_baud },
};

static int topic_cmp(const void *a, const void *b)
{
    return strcmp(a, ((const struct topic *)b)->name);
}

/* ---- protocol ---- */

static bool get_n(int fd, uint8_t *p, size_t n)
{
    while (n) {
        ssize_t r = recv(fd, p, n, 0);
        if (r <= 0)
            return false;
        p += r;
        n -= (size_t)r;
    }
    return true;
}

static bool get_packet(struct conn *c, uint8_t *type)
{
    uint8_t b;
    uint32_t len = 0;
    int shift = 0;
    if (!get_n(c->fd, type, 1))
        return false;
    do {
        if (shift > 14 || !get_n(c->fd, &b, 1))
            return false;
        len |= (uint32_t)(b & 0x7f) << shift;
        shift += 7;
    } while (b & 0x80);
    if (len > 2048)
        return false;
    free(c->pkt);
    c->pkt = malloc(len + 1);
    c->len = len;
    c->flags = *type & 15;
    *type >>= 4;
    return c->pkt && get_n(c->fd, c->pkt, len);
}

static bool on_connect(struct conn *c)
{
    static const uint8_t ack[] = { MQ_CONNACK << 4, 2, 0, 0 };
    if (c->len < 12 || memcmp(c->pkt, "\0\4MQTT\4", 7) != 0)
        return false;
    uint32_t n = (uint32_t)c->pkt[10] << 8 | c->pkt[11];
    if (n > c->len - 12)
        return false;
    if (n > sizeof c->client - 1)
        n = sizeof c->client - 1;
    memcpy(c->client, c->pkt + 12, n);
    c->client[n] = 0;
    c->connected = true;
    return send(c->fd, ack, sizeof ack, MSG_NOSIGNAL) == sizeof ack;
}

static bool on_publish(struct conn *c)
{
    char name[64];
    uint32_t tl, off;
    if (!c->connected || c->len < 2)
        return false;
    tl = (uint32_t)c->pkt[0] << 8 | c->pkt[1];
    off = 2 + tl;
    if (off > c->len || tl >= sizeof name)
        return false;
    memcpy(name, c->pkt + 2, tl);
    name[tl] = 0;
    if (c->flags & 6) {
        uint8_t ack[4] = { MQ_PUBACK << 4, 2, 0, 0 };
        if (off + 2 > c->len)
            return false;
        memcpy(ack + 2, c->pkt + off, 2);
        off += 2;
        send(c->fd, ack, 4, MSG_NOSIGNAL);
    }
    const struct topic *t = bsearch(name, topics, sizeof topics / sizeof topics[0], sizeof topics[0], topic_cmp);
    if (t)
        enqueue(t->run, c->pkt + off, c->len - off);
    return true;
}

static bool on_ping(struct conn *c)
{
    static const uint8_t pong[] = { MQ_PINGRESP << 4, 0 };
    return send(c->fd, pong, 2, MSG_NOSIGNAL) == 2;
}

static bool on_disconnect(struct conn *c)
{
    c->connected = false;
    return false;
}

static bool (*const on_type[16])(struct conn *) = {
    [MQ_CONNECT] = on_connect, [MQ_PUBLISH] = on_publish,
    [MQ_PINGREQ] = on_ping, [MQ_DISCONNECT] = on_disconnect,
};

static void *conn_main(void *arg)
{
    struct conn *c = arg;
    uint8_t type;
    while (get_packet(c, &type) && on_type[type] && on_type[type](c))
        ;
    close(c->fd);
    free(c->pkt);
    free(c);
    return NULL;
}

int main(void)
{
    pthread_t t;
    int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(1883) };

    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 16) < 0)
        return 1;
    if (pthread_create(&t, NULL, worker_main, NULL))
        return 1;
    for (;;) {
        int fd = accept(s, NULL, NULL);
        struct conn *c = fd < 0 ? NULL : calloc(1, sizeof *c);
        if (!c) {
            if (fd >= 0)
                close(fd);
            continue;
        }
        c->fd = fd;
        if (pthread_create(&t, NULL, conn_main, c) == 0)
            pthread_detach(t);
        else {
            close(fd);
            free(c);
        }
    }
}
