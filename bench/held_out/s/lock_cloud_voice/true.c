/* lockd: cloud link of the door lock. The lock dials the broker, receives
 * shadow updates ("key=value" lines in PUBLISH) and applies them from its
 * housekeeping tick, never from the receive path. */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

typedef struct transport {
    int  fd;
    int (*open)(struct transport *t, const char *host, const char *service);
    int (*rd)(struct transport *t, void *buf, size_t len);
    int (*wr)(struct transport *t, const void *buf, size_t len);
    void (*close)(struct transport *t);
} transport_t;

typedef struct kv {
    struct kv *next;
    char      *key;
    char      *val;
    int        dirty;
} kv_t;

#define KV_BUCKETS 16
static kv_t *kv_tab[KV_BUCKETS];

static char  cfg_host[96]  = "shadow.lock-cloud.example";
static char  cfg_port[8]   = "1883";
static char  cfg_id[32]    = "LK000000";
static int   autolock_secs = 30;
static int   beep_level    = 2;
static int   keepalive     = 60;

/* ------------------------------------------------------------- transport */

static int tcp_open(transport_t *t, const char *host, const char *service)
{
    struct addrinfo hints, *res, *ai;

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host, service, &hints, &res) != 0)
        return -1;
    t->fd = -1;
    for (ai = res; ai; ai = ai->ai_next) {
        int fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
        if (fd < 0)
            continue;
        if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0) {
            t->fd = fd;
            break;
        }
        close(fd);
    }
    freeaddrinfo(res);
    return t->fd < 0 ? -1 : 0;
}

static int tcp_rd(transport_t *t, void *buf, size_t len)
{
    uint8_t *p = buf;
    size_t done = 0;

    while (done < len) {
        ssize_t n = recv(t->fd, p + done, len - done, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        done += (size_t)n;
    }
    return 0;
}

static int tcp_wr(transport_t *t, const void *buf, size_t len)
{
    return send(t->fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

static void tcp_close(transport_t *t)
{
    close(t->fd);
    t->fd = -1;
}

static transport_t cloud = { -1, tcp_open, tcp_rd, tcp_wr, tcp_close };

/* -------------------------------------------------------- key-value store */

static unsigned kv_hash(const char *s)
{
    unsigned h = 5381;

    while (*s)
        h = h * 33 + (unsigned char)*s++;
    return h % KV_BUCKETS;
}

static kv_t *kv_find(const char *key)
{
    kv_t *k;

    for (k = kv_tab[kv_hash(key)]; k; k = k->next)
        if (!strcmp(k->key, key))
            return k;
    return NULL;
}

static int kv_set(const char *key, const char *val)
{
    kv_t *k = kv_find(key);
    char *copy = strdup(val);

    if (!copy)
        return -1;
    if (!k) {
        unsigned h = kv_hash(key);
        k = calloc(1, sizeof(*k));
        if (!k || !(k->key = strdup(key))) {
            free(k);
            free(copy);
            return -1;
        }
        k->next = kv_tab[h];
        kv_tab[h] = k;
    }
    if (k->val && !strcmp(k->val, copy)) {
        free(copy);
        return 0;
    }
    free(k->val);
    k->val = copy;
    k->dirty = 1;
    return 1;
}

static const char *kv_take(const char *key)
{
    kv_t *k = kv_find(key);

    if (!k || !k->dirty)
        return NULL;
    k->dirty = 0;
    return k->val;
}

/* ------------------------------------------------------------- validation */

static int v_number(const char *v)
{
    size_t n = strspn(v, "0123456789");
    return n > 0 && n < 6 && v[n] == '\0';
}

static int v_lang(const char *v)
{
    size_t n = strlen(v);

    /* stay inside /data/voice */
    if (n < 2 || n > 24)
        return 0;
    return strchr(v, '/') == NULL && strchr(v, '.') == NULL;
}

static int v_text(const char *v)
{
    return strlen(v) <= 40;
}

static const struct {
    const char *key;
    int (*valid)(const char *v);
} shadow_keys[] = {
    { "lock.autolock", v_number },
    { "beep.level",    v_number },
    { "voice.lang",    v_lang   },
    { "door.alias",    v_text   },
};

static void shadow_line(const char *key, const char *val)
{
    size_t i;

    for (i = 0; i < sizeof(shadow_keys) / sizeof(shadow_keys[0]); i++) {
        if (strcmp(shadow_keys[i].key, key))
            continue;
        if (shadow_keys[i].valid(val))
            kv_set(key, val);
        else
            fprintf(stderr, "lockd: %s refused\n", key);
        return;
    }
}

static void shadow_update(char *text)
{
    char *line, *save = NULL;

    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *eq = strchr(line, '=');
        if (!eq)
            continue;
        *eq++ = '\0';
        eq[strcspn(eq, "\r")] = '\0';
        shadow_line(line, eq);
    }
}

/* ---------------------------------------------------------- housekeeping */

static int run_shell(char *cmd)
{
    char *argv[] = { "sh", "-c", cmd, NULL };
    pid_t pid;
    int st;

    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) != 0)
        return -1;
    while (waitpid(pid, &st, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void tick(void)
{
    const char *v;
    char cmd[160];

    if ((v = kv_take("lock.autolock")) != NULL)
        autolock_secs = atoi(v);
    if ((v = kv_take("beep.level")) != NULL) {
        beep_level = atoi(v) & 3;
        snprintf(cmd, sizeof(cmd), "amixer -q sset Beep %d", beep_level * 30);
        run_shell(cmd);
    }
    if ((v = kv_take("voice.lang")) != NULL) {
        snprintf(cmd, sizeof(cmd),
                 "rm -rf /tmp/voice/*; tar -xzf /data/voice/%s.tgz -C /tmp/voice", v);
        if (run_shell(cmd) != 0)
            fprintf(stderr, "lockd: voice pack failed\n");
    }
    if ((v = kv_take("door.alias")) != NULL)
        fprintf(stderr, "lockd: now called '%s'\n", v);
}

/* ------------------------------------------------------------------- MQTT */

static int mqtt_hello(void)
{
    uint8_t p[128];
    size_t idl = strlen(cfg_id), n = 0;
    static const char topic[] = "lock/shadow/set";

    p[n++] = 0x10;
    p[n++] = (uint8_t)(12 + idl);
    memcpy(p + n, "\0\4MQTT\4\2", 8);
    n += 8;
    p[n++] = (uint8_t)(keepalive >> 8);
    p[n++] = (uint8_t)keepalive;
    p[n++] = 0;
    p[n++] = (uint8_t)idl;
    memcpy(p + n, cfg_id, idl);
    n += idl;
    p[n++] = 0x82;
    p[n++] = (uint8_t)(5 + sizeof(topic) - 1);
    p[n++] = 0;
    p[n++] = 1;
    p[n++] = 0;
    p[n++] = sizeof(topic) - 1;
    memcpy(p + n, topic, sizeof(topic) - 1);
    n += sizeof(topic) - 1;
    p[n++] = 0;
    return cloud.wr(&cloud, p, n);
}

static int mqtt_packet(void)
{
    uint8_t type, b;
    uint32_t len = 0;
    int shift = 0;
    char *body;

    if (cloud.rd(&cloud, &type, 1) < 0)
        return -1;
    do {
        if (shift > 21 || cloud.rd(&cloud, &b, 1) < 0)
            return -1;
        len |= (uint32_t)(b & 0x7f) << shift;
        shift += 7;
    } while (b & 0x80);
    if (len > 4096)
        return -1;
    body = malloc(len + 1);
    if (!body)
        return -1;
    if (len && cloud.rd(&cloud, body, len) < 0) {
        free(body);
        return -1;
    }
    body[len] = '\0';
    if ((type & 0xf0) == 0x30 && len > 2) {
        uint32_t tl = ((uint8_t)body[0] << 8 | (uint8_t)body[1]) + 2u;
        if (type & 0x06)
            tl += 2;
        if (tl < len)
            shadow_update(body + tl);
    }
    free(body);
    return 0;
}

static void load_config(void)
{
    char line[160];
    FILE *f = fopen("/etc/lockd.conf", "r");

    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "broker %95s %7s", cfg_host, cfg_port) >= 1)
            continue;
        if (sscanf(line, "id %31s", cfg_id) == 1)
            continue;
    }
    fclose(f);
}

int main(void)
{
    static const uint8_t ping[2] = { 0xc0, 0 };
    time_t next_ping = 0;

    signal(SIGPIPE, SIG_IGN);
    load_config();
    for (;;) {
        struct pollfd pfd;

        if (cloud.fd < 0) {
            if (cloud.open(&cloud, cfg_host, cfg_port) < 0 || mqtt_hello() < 0) {
                if (cloud.fd >= 0)
                    cloud.close(&cloud);
                sleep(10);
                continue;
            }
        }
        pfd.fd = cloud.fd;
        pfd.events = POLLIN;
        if (poll(&pfd, 1, 1000) > 0 && mqtt_packet() < 0) {
            cloud.close(&cloud);
            continue;
        }
        if (time(NULL) >= next_ping) {
            cloud.wr(&cloud, ping, sizeof(ping));
            next_ping = time(NULL) + keepalive / 2;
        }
        tick();
    }
}
