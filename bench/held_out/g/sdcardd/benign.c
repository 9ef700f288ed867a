/* sdcardd: storage housekeeping of the camera.  The web UI and the phone app
 * talk to it with one-line requests:  format?slot=0&fs=vfat&size=512          */
#include <arpa/inet.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---------------- ring of tasks ---------------- */
#define RING 8u

typedef enum { TASK_FORMAT, TASK_MOUNT, TASK_UMOUNT, TASK_PRUNE } task_kind_t;
typedef enum { FS_VFAT, FS_EXT4, FS_EXFAT, FS_COUNT } fs_t;

typedef struct {
    task_kind_t kind;
    fs_t fs;
    int slot;
    int days;
    char size[24];
} task_t;

static struct {
    task_t slots[RING];
    unsigned rd, wr;
    pthread_mutex_t m;
    pthread_cond_t c;
} ring = { .m = PTHREAD_MUTEX_INITIALIZER, .c = PTHREAD_COND_INITIALIZER };

static const char *const fs_name[FS_COUNT] = { "vfat", "ext4", "exfat" };
static volatile int last_result;
static volatile unsigned done_count;

static int ring_push(const task_t *t)
{
    int ok = 0;

    pthread_mutex_lock(&ring.m);
    if (ring.wr - ring.rd < RING) {
        ring.slots[ring.wr++ % RING] = *t;
        pthread_cond_signal(&ring.c);
        ok = 1;
    }
    pthread_mutex_unlock(&ring.m);
    return ok;
}

static void ring_pop(task_t *t)
{
    pthread_mutex_lock(&ring.m);
    while (ring.wr == ring.rd)
        pthread_cond_wait(&ring.c, &ring.m);
    *t = ring.slots[ring.rd++ % RING];
    pthread_mutex_unlock(&ring.m);
}

/* ---------------- worker ---------------- */
static int spawn_sh(char *cmd)
{
    char *av[] = { "sh", "-c", cmd, NULL };
    pid_t pid;
    int st;

    if (posix_spawnp(&pid, "sh", NULL, NULL, av, environ) != 0)
        return -1;
    if (waitpid(pid, &st, 0) < 0)
        return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static int w_format(const task_t *t)
{
    char cmd[200];

    if (t->size[0])
        snprintf(cmd, sizeof(cmd), "umount /mnt/sd%d; sdpart /dev/mmcblk%d %s && mkfs.%s /dev/mmcblk%dp1",
                 t->slot, t->slot, t->size, fs_name[t->fs], t->slot);
    else
        snprintf(cmd, sizeof(cmd), "umount /mnt/sd%d; mkfs.%s /dev/mmcblk%dp1", t->slot, fs_name[t->fs], t->slot);
    return spawn_sh(cmd);
}

static int w_mount(const task_t *t)
{
    char cmd[100];
    snprintf(cmd, sizeof(cmd), "mount -t %s /dev/mmcblk%dp1 /mnt/sd%d", fs_name[t->fs], t->slot, t->slot);
    return spawn_sh(cmd);
}

static int w_umount(const task_t *t)
{
    char cmd[60];
    snprintf(cmd, sizeof(cmd), "umount /mnt/sd%d", t->slot);
    return spawn_sh(cmd);
}

static int w_prune(const task_t *t)
{
    char cmd[100];
    snprintf(cmd, sizeof(cmd), "find /mnt/sd%d/rec -mtime +%d -delete", t->slot, t->days);
    return spawn_sh(cmd);
}

static int (*const work[])(const task_t *) = {
    [TASK_FORMAT] = w_format, [TASK_MOUNT] = w_mount, [TASK_UMOUNT] = w_umount, [TASK_PRUNE] = w_prune,
};

static void *worker(void *p)
{
    task_t t;

    for (;;) {
        ring_pop(&t);
        last_result = work[t.kind](&t);
        done_count++;
    }
    return p;
}

/* ---------------- requests ---------------- */
typedef struct {
    int fd;
    char *keys[8], *vals[8];
    int n;
} req_t;

static const char *arg(const req_t *r, const char *k)
{
    for (int i = 0; i < r->n; i++)
        if (!strcmp(r->keys[i], k))
            return r->vals[i];
    return NULL;
}

static void answer(const req_t *r, const char *s)
{
    send(r->fd, s, strlen(s), MSG_NOSIGNAL);
}

static int get_slot(const req_t *r, int *slot)
{
    const char *v = arg(r, "slot");
    if (!v || (v[0] != '0' && v[0] != '1') || v[1])
        return 0;
    *slot = v[0] - '0';
    return 1;
}

static int get_fs(const req_t *r, fs_t *fs)
{
    const char *v = arg(r, "fs");
    for (int i = 0; v && i < FS_COUNT; i++)
        if (!strcmp(v, fs_name[i])) {
            *fs = (fs_t)i;
            return 1;
        }
    return 0;
}

static int get_size(const req_t *r, char *dst, size_t cap)
{
    const char *v = arg(r, "size");
    int mb;

    if (!v)
        return 1;                 /* optional: whole card */
    mb = atoi(v);
    if (mb < 64 || mb > 131072)
        return 0;
    snprintf(dst, cap, "%d", mb);
    return 1;
}

static void submit(req_t *r, task_t *t)
{
    answer(r, ring_push(t) ? "202 queued\n" : "503 busy\n");
}

static void rq_format(req_t *r)
{
    task_t t = { .kind = TASK_FORMAT };

    if (!get_slot(r, &t.slot) || !get_fs(r, &t.fs) || !get_size(r, t.size, sizeof(t.size)))
        answer(r, "400 args\n");
    else
        submit(r, &t);
}

static void rq_mount(req_t *r)
{
    task_t t = { .kind = TASK_MOUNT };

    if (!get_slot(r, &t.slot) || !get_fs(r, &t.fs))
        answer(r, "400 args\n");
    else
        submit(r, &t);
}

static void rq_umount(req_t *r)
{
    task_t t = { .kind = TASK_UMOUNT };

    if (!get_slot(r, &t.slot))
        answer(r, "400 args\n");
    else
        submit(r, &t);
}

static void rq_prune(req_t *r)
{
    task_t t = { .kind = TASK_PRUNE };
    const char *d = arg(r, "days");

    t.days = d ? atoi(d) : 30;
    if (!get_slot(r, &t.slot) || t.days < 1)
        answer(r, "400 args\n");
    else
        submit(r, &t);
}

static void rq_free(req_t *r)
{
    struct statvfs v;
    char s[80];
    int slot;

    if (!get_slot(r, &slot)) {
        answer(r, "400 args\n");
        return;
    }
    snprintf(s, sizeof(s), "/mnt/sd%d", slot);
    if (statvfs(s, &v) != 0) {
        answer(r, "404 no card\n");
        return;
    }
    snprintf(s, sizeof(s), "200 %lu KiB\n", (unsigned long)(v.f_bavail / 1024 * v.f_bsize));
    answer(r, s);
}

static void rq_status(req_t *r)
{
    char s[64];
    snprintf(s, sizeof(s), "200 last=%d done=%u\n", last_result, done_count);
    answer(r, s);
}

static const struct { const char *verb; void (*fn)(req_t *); } verbs[] = {
    { "format", rq_format }, { "mount", rq_mount }, { "umount", rq_umount },
    { "prune", rq_prune },   { "free", rq_free },   { "status", rq_status },
};

static void split_args(req_t *r, char *q)
{
    char *s = NULL;

    for (char *p = strtok_r(q, "&", &s); p && r->n < 8; p = strtok_r(NULL, "&", &s)) {
        char *e = strchr(p, '=');
        if (!e)
            continue;
        *e = 0;
        r->keys[r->n] = p;
        r->vals[r->n++] = e + 1;
    }
}

static void request(int fd, char *line)
{
    req_t r = { .fd = fd };
    char *q = strchr(line, '?');

    if (q) {
        *q++ = 0;
        split_args(&r, q);
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (!strcmp(line, verbs[i].verb)) {
            verbs[i].fn(&r);
            return;
        }
    answer(&r, "404 verb\n");
}

static void serve(int fd)
{
    char buf[512];
    size_t have = 0;
    ssize_t n;

    while ((n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
        char *nl;
        have += (size_t)n;
        buf[have] = 0;
        while ((nl = strchr(buf, '\n')) != NULL) {
            size_t used = (size_t)(nl - buf) + 1;
            *nl = 0;
            if (nl > buf && nl[-1] == '\r')
                nl[-1] = 0;
            request(fd, buf);
            memmove(buf, buf + used, have - used + 1);
            have -= used;
        }
        if (have == sizeof(buf) - 1)
            break;
    }
}

int main(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(8899) };
    pthread_t th;
    int one = 1, l = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(l, (struct sockaddr *)&sin, sizeof(sin)) || listen(l, 3))
        return 1;
    if (pthread_create(&th, NULL, worker, NULL))
        return 1;
    for (;;) {
        int fd = accept(l, NULL, NULL);
        if (fd < 0)
            continue;
        serve(fd);
        close(fd);
    }
}
