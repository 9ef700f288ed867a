/*
 * cloudlink - keeps the connection of the building gateway to the vendor cloud
 * and carries out the orders which come down on it, one text line each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <signal.h>
#include <errno.h>
#include <unistd.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define QLEN 8

enum task_kind { T_NONE, T_UPGRADE, T_RESTART, T_REPORT };

struct task {
    enum task_kind kind;
    char           url[192];
    char           ver[24];
    int            delay;
};

static struct {
    struct task     slot[QLEN];
    unsigned        head, tail;
    pthread_mutex_t mtx;
    pthread_cond_t  more;
} queue = { .mtx = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static char cloud_host[64] = "link.example.com";
static char cloud_port[8] = "8883";
static char device_id[32] = "BG-000000";
static int  report_every = 300;

static void load_config(void)
{
    char line[160], key[32], val[64];
    FILE *f = fopen("/etc/cloudlink.conf", "r");

    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%31[^= ] = %63s", key, val) != 2)
            continue;
        if (!strcmp(key, "host"))
            snprintf(cloud_host, sizeof cloud_host, "%s", val);
        else if (!strcmp(key, "port"))
            snprintf(cloud_port, sizeof cloud_port, "%s", val);
        else if (!strcmp(key, "id"))
            snprintf(device_id, sizeof device_id, "%s", val);
    }
    fclose(f);
}

static int enqueue(const struct task *t)
{
    int ok = 0;

    pthread_mutex_lock(&queue.mtx);
    if (queue.tail - queue.head < QLEN) {
        queue.slot[queue.tail++ % QLEN] = *t;
        pthread_cond_signal(&queue.more);
        ok = 1;
    }
    pthread_mutex_unlock(&queue.mtx);
    return ok;
}

static void fetch_and_flash(const struct task *t)
{
    int st = 0;
    pid_t pid;

    pid = fork();
    if (pid < 0)
        return;
    if (pid == 0) {
        execl("/usr/bin/curl", "curl", "-s", "-o", "/tmp/fw.bin", "--", t->url, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, &st, 0);
    if (!WIFEXITED(st) || WEXITSTATUS(st) != 0) {
        fprintf(stderr, "cloudlink: download of %s failed\n", t->ver);
        return;
    }
    if (system("fwverify /tmp/fw.bin && sysupgrade /tmp/fw.bin") != 0)
        fprintf(stderr, "cloudlink: image refused\n");
}

static void write_report(void)
{
    FILE *f = fopen("/var/spool/cloudlink/report", "w");

    if (!f)
        return;
    fprintf(f, "id=%s time=%ld\n", device_id, (long)time(NULL));
    fclose(f);
}

static void *worker(void *arg)
{
    struct task t;

    for (;;) {
        pthread_mutex_lock(&queue.mtx);
        while (queue.head == queue.tail)
            pthread_cond_wait(&queue.more, &queue.mtx);
        t = queue.slot[queue.head++ % QLEN];
        pthread_mutex_unlock(&queue.mtx);

        if (t.delay > 0)
            sleep((unsigned)t.delay);
        switch (t.kind) {
        case T_UPGRADE: fetch_and_flash(&t); break;
        case T_RESTART: system("/etc/init.d/bacstack restart"); break;
        case T_REPORT:  write_report(); break;
        default: break;
        }
    }
    return NULL;
}

static void *reporter(void *arg)
{
    struct task t = { .kind = T_REPORT };

    for (;;) {
        sleep((unsigned)report_every);
        enqueue(&t);
    }
    return NULL;
}

/* cmd=upgrade;ver=1.2.3;url=http://...;delay=5 */
static void order(char *line, FILE *up)
{
    struct task t;
    char *part, *save, *v;

    memset(&t, 0, sizeof t);
    for (part = strtok_r(line, ";", &save); part; part = strtok_r(NULL, ";", &save)) {
        v = strchr(part, '=');
        if (!v)
            continue;
        *v++ = '\0';
        if (!strcmp(part, "cmd")) {
            if (!strcmp(v, "upgrade"))
                t.kind = T_UPGRADE;
            else if (!strcmp(v, "restart"))
                t.kind = T_RESTART;
            else if (!strcmp(v, "report"))
                t.kind = T_REPORT;
        } else if (!strcmp(part, "url")) {
            snprintf(t.url, sizeof t.url, "%s", v);
        } else if (!strcmp(part, "ver")) {
            snprintf(t.ver, sizeof t.ver, "%s", v);
        } else if (!strcmp(part, "delay")) {
            t.delay = atoi(v);
            if (t.delay < 0 || t.delay > 3600)
                t.delay = 0;
        } else if (!strcmp(part, "every")) {
            if (atoi(v) >= 10)
                report_every = atoi(v);
        }
    }
    if (t.kind == T_UPGRADE && strncmp(t.url, "http://", 7) && strncmp(t.url, "https://", 8))
        t.kind = T_NONE;
    if (t.kind == T_NONE) {
        fprintf(up, "err\n");
    } else {
        fprintf(up, "%s\n", enqueue(&t) ? "ack" : "busy");
    }
    fflush(up);
}

static int dial(void)
{
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *ai, *p;
    int fd = -1;

    if (getaddrinfo(cloud_host, cloud_port, &hints, &ai) != 0)
        return -1;
    for (p = ai; p; p = p->ai_next) {
        fd = socket(p->ai_family, p->ai_socktype, p->ai_protocol);
        if (fd < 0)
            continue;
        if (connect(fd, p->ai_addr, p->ai_addrlen) == 0)
            break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(ai);
    return fd;
}

int main(void)
{
    pthread_t a, b;
    FILE *down, *up;
    char line[512];
    int fd, wait = 5;

    signal(SIGPIPE, SIG_IGN);
    load_config();
    pthread_create(&a, NULL, worker, NULL);
    pthread_create(&b, NULL, reporter, NULL);
    for (;;) {
        fd = dial();
        if (fd < 0) {
            sleep((unsigned)wait);
            wait = wait < 300 ? wait * 2 : 300;
            continue;
        }
        wait = 5;
        down = fdopen(fd, "r");
        up = fdopen(dup(fd), "w");
        if (down && up) {
            fprintf(up, "hello %s\n", device_id);
            fflush(up);
            while (fgets(line, sizeof line, down)) {
                line[strcspn(line, "\r\n")] = '\0';
                order(line, up);
            }
        }
        if (up)
            fclose(up);
        if (down)
            fclose(down);
        sleep(2);
    }
}
