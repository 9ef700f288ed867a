/* Firmware update daemon: lines with key=value, jobs with a reference count, a worker thread that carries them out.
 * The address of the image becomes part of a line for the shell (benign: an argument of a program that is started
 * without one; it always begins with http://). */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define FWUPD_PORT 7329
#define GREETING "FWUPD/1 "
#define IMAGE "/tmp/fw.img"
#define MAX_ARGS 8

enum job_state { JOB_NEW, JOB_RUNNING, JOB_DONE, JOB_FAILED };

struct job {
    int refs;
    int id;
    enum job_state state;
    char url[256];
    char md5[33];
    long size;
    char cmd[512];
    struct job *next;
};

struct kv {
    char *key;
    char *val;
};

struct client {
    int fd;
    struct kv args[MAX_ARGS];
    int nargs;
    char line[1024];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first, *last;
    struct job *current;
    int next_id;
} queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL, NULL, 1};

static struct {
    char model[16];
    char version[16];
    int slot;
} board = {"AX2200", "2.0.17", 0};

static void job_ref(struct job *j)
{
    __sync_add_and_fetch(&j->refs, 1);
}

static void job_unref(struct job *j)
{
    if (j && __sync_sub_and_fetch(&j->refs, 1) == 0)
        free(j);
}

static void say(struct client *c, const char *text)
{
    send(c->fd, text, strlen(text), MSG_NOSIGNAL);
    send(c->fd, "\r\n", 2, MSG_NOSIGNAL);
}

static const char *arg(struct client *c, const char *key)
{
    int i;

    for (i = 0; i < c->nargs; i++)
        if (strcmp(c->args[i].key, key) == 0)
            return c->args[i].val;
    return NULL;
}

static void queue_put(struct job *j)
{
    pthread_mutex_lock(&queue.lock);
    j->id = queue.next_id++;
    job_ref(j);
    if (queue.last)
        queue.last->next = j;
    else
        queue.first = j;
    queue.last = j;
    pthread_cond_signal(&queue.wake);
    pthread_mutex_unlock(&queue.lock);
}

static struct job *queue_get(void)
{
    struct job *j;

    pthread_mutex_lock(&queue.lock);
    while (queue.first == NULL)
        pthread_cond_wait(&queue.wake, &queue.lock);
    j = queue.first;
    queue.first = j->next;
    if (queue.first == NULL)
        queue.last = NULL;
    job_unref(queue.current);
    queue.current = j;
    job_ref(j);
    j->state = JOB_RUNNING;
    pthread_mutex_unlock(&queue.lock);
    return j;
}

/* ---- worker ---- */
static int job_fetch(struct job *j)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
#ifdef BENIGN
        execlp("wget", "wget", "-q", "-O", IMAGE, j->url, (char *)NULL);
#else
        execl("/bin/sh", "sh", "-c", j->cmd, (char *)NULL);
#endif
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, &status, 0);
    return status;
}

static int job_verify(const struct job *j)
{
    char line[64] = "";
    struct stat st;
    FILE *fp;

    if (stat(IMAGE, &st) < 0 || (j->size && st.st_size != j->size))
        return -1;
    fp = popen("md5sum " IMAGE, "r");
    if (fp == NULL)
        return -1;
    if (fgets(line, sizeof(line), fp) == NULL)
        line[0] = '\0';
    pclose(fp);
    return strncmp(line, j->md5, 32) == 0 ? 0 : -1;
}

static void *worker(void *unused)
{
    (void)unused;
    for (;;) {
        struct job *j = queue_get();

        printf("job %d: %s\n", j->id, j->url);
        if (job_fetch(j) != 0 || job_verify(j) != 0) {
            j->state = JOB_FAILED;
            unlink(IMAGE);
        } else {
            char cmd[80];

            snprintf(cmd, sizeof(cmd), "mtd -s %d write " IMAGE " firmware", !board.slot);
            j->state = system(cmd) == 0 ? JOB_DONE : JOB_FAILED;
        }
        job_unref(j);
    }
    return NULL;
}

/* ---- verbs ---- */
static void verb_status(struct client *c)
{
    static const char *const names[] = {"new", "running", "done", "failed"};
    char text[96];

    pthread_mutex_lock(&queue.lock);
    if (queue.current)
        snprintf(text, sizeof(text), "200 job %d %s", queue.current->id, names[queue.current->state]);
    else
        snprintf(text, sizeof(text), "200 idle");
    pthread_mutex_unlock(&queue.lock);
    say(c, text);
}

static void verb_version(struct client *c)
{
    char text[96];

    snprintf(text, sizeof(text), "200 %s %s slot %d", board.model, board.version, board.slot);
    say(c, text);
}

static int is_md5(const char *s)
{
    int i;

    for (i = 0; s[i]; i++)
        if (!isxdigit((unsigned char)s[i]))
            return 0;
    return i == 32;
}

static void job_prepare(struct job *j, const char *url, const char *md5)
{
    char *p = j->cmd;

    strcpy(j->url, url);
    strcpy(j->md5, md5);
    strcpy(p, "wget -q -O " IMAGE " ");
    p += strlen(p);
    p += sprintf(p, "\"%s\"", url);
    strcpy(p, " 2>/dev/null");
}

static void verb_fetch(struct client *c)
{
    const char *url = arg(c, "url"), *md5 = arg(c, "md5"), *size = arg(c, "size");
    struct job *j;

    if (url == NULL || md5 == NULL || !is_md5(md5)) {
        say(c, "400 url and md5 are needed");
        return;
    }
    if (strncmp(url, "http://", 7) || strlen(url) >= sizeof(j->url)) {
        say(c, "400 bad url");
        return;
    }
    j = calloc(1, sizeof(*j));
    if (j == NULL) {
        say(c, "500 memory");
        return;
    }
    j->refs = 1;
    job_prepare(j, url, md5);
    j->size = size ? strtol(size, NULL, 10) : 0;
    queue_put(j);
    job_unref(j);
    say(c, "202 queued");
}

static void verb_slot(struct client *c)
{
    const char *n = arg(c, "n");
    char cmd[48];

    if (n == NULL) {
        say(c, "400 n is needed");
        return;
    }
    board.slot = atoi(n) & 1;
    sprintf(cmd, "fw_setenv bootslot %d", board.slot);
    system(cmd);
    say(c, "200 ok");
}

static void verb_reboot(struct client *c)
{
    say(c, "200 bye");
    system("(sleep 3; reboot -f) &");
}

static const struct verb {
    const char *name;
    void (*fn)(struct client *c);
} verbs[] = {
    {"status", verb_status}, {"version", verb_version}, {"fetch", verb_fetch}, {"slot", verb_slot}, {"reboot", verb_reboot}, {NULL, NULL},
};

static void split_args(struct client *c, char *s)
{
    char *save = NULL, *tok;

    c->nargs = 0;
    for (tok = strtok_r(s, "&", &save); tok && c->nargs < MAX_ARGS; tok = strtok_r(NULL, "&", &save)) {
        char *eq = strchr(tok, '=');

        if (eq == NULL)
            continue;
        *eq = '\0';
        c->args[c->nargs].key = tok;
        c->args[c->nargs++].val = eq + 1;
    }
}

/* FWUPD/1 verb key=value&key=value */
static void handle_line(struct client *c)
{
    const struct verb *v;
    char *name, *rest;

    if (strncmp(c->line, GREETING, strlen(GREETING)) != 0) {
        say(c, "400 what?");
        return;
    }
    name = c->line + strlen(GREETING);
    rest = strchr(name, ' ');
    if (rest)
        *rest++ = '\0';
    split_args(c, rest ? rest : name + strlen(name));
    for (v = verbs; v->name; v++) {
        if (strcmp(v->name, name) == 0) {
            v->fn(c);
            return;
        }
    }
    say(c, "404 no such verb");
}

static void serve(struct client *c)
{
    size_t have = 0;
    char ch;

    while (recv(c->fd, &ch, 1, 0) == 1) {
        if (ch == '\r')
            continue;
        if (ch != '\n') {
            if (have + 1 < sizeof(c->line))
                c->line[have++] = ch;
            continue;
        }
        c->line[have] = '\0';
        have = 0;
        handle_line(c);
    }
    close(c->fd);
}

int main(void)
{
    static struct client client;
    struct sockaddr_in sa = {0};
    pthread_t tid;
    int lfd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    signal(SIGPIPE, SIG_IGN);
    setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(FWUPD_PORT);
    if (bind(lfd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(lfd, 3) < 0)
        return 1;
    if (pthread_create(&tid, NULL, worker, NULL) != 0)
        return 1;
    for (;;) {
        client.fd = accept(lfd, NULL, NULL);
        if (client.fd >= 0)
            serve(&client);
    }
}
