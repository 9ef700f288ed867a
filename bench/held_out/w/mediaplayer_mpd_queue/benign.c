// jukeboxd: network control of the media player, protocol modelled on MPD
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stdbool.h>
#include <strings.h>
#include <unistd.h>
#include <time.h>
#include <signal.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

#define MAX_ARGS   4
#define MUSIC_DIR  "/media/usb0/music"

typedef struct Track {
    int           id;
    char         *path;
    struct Track *next;
} Track;

typedef struct {
    pthread_mutex_t mtx;
    pthread_cond_t  wake;
    Track          *head;
    int             nextId;
    int             count;
    bool            playing;
    bool            repeat;
    int             volume;
    char            current[256];
    time_t          started;
} Player;

static Player gPlayer = {
    .mtx = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
    .nextId = 1,
    .volume = 60,
};

typedef struct {
    FILE *out;
    int   argc;
    char *argv[MAX_ARGS];
} Request;

static int logLevel = 1;

static void trace(int lvl, const char *fmt, ...)
{
    if (lvl > logLevel)
        return;
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "[%ld] ", (long)time(NULL));
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

static int shell(const char *fmt, ...)
{
    char line[640];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(line))
        return -1;
    trace(2, "shell: %s", line);
    return system(line);
}

// ---------------------------------------------------------------- player

static int playFile(const char *path)
{
    trace(1, "playing %s", path);
    char full[512];
    if (snprintf(full, sizeof(full), MUSIC_DIR "/%s", path) >= (int)sizeof(full))
        return -1;
    char *const av[] = { "ffplay", "-nodisp", "-autoexit", full, NULL };
    int status = -1;
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        execvp(av[0], av);
        _exit(127);
    }
    if (waitpid(pid, &status, 0) < 0)
        return -1;
    return status;
}

static void *playerMain(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&gPlayer.mtx);
        while (!gPlayer.playing || gPlayer.head == NULL)
            pthread_cond_wait(&gPlayer.wake, &gPlayer.mtx);

        Track *t = gPlayer.head;
        gPlayer.head = t->next;
        gPlayer.count--;
        snprintf(gPlayer.current, sizeof(gPlayer.current), "%s", t->path);
        gPlayer.started = time(NULL);
        pthread_mutex_unlock(&gPlayer.mtx);

        int rc = playFile(t->path);
        if (rc != 0)
            trace(1, "decoder returned %d for track %d", rc, t->id);

        pthread_mutex_lock(&gPlayer.mtx);
        gPlayer.current[0] = '\0';
        if (gPlayer.repeat && rc == 0) {
            Track **pp = &gPlayer.head;
            while (*pp)
                pp = &(*pp)->next;
            t->next = NULL;
            *pp = t;
            gPlayer.count++;
            t = NULL;
        }
        pthread_mutex_unlock(&gPlayer.mtx);
        if (t) {
            free(t->path);
            free(t);
        }
    }
    return NULL;
}

// -------------------------------------------------------------- commands

static int cmdAdd(Request *r)
{
    const char *p = r->argv[1];

    if (p[0] == '/' || strstr(p, "..") != NULL || strlen(p) > 240) {
        fprintf(r->out, "ACK [50@0] {add} directory or file not found\n");
        return -1;
    }
    Track *t = malloc(sizeof(*t));
    if (t == NULL)
        return -1;
    t->path = strdup(p);
    t->next = NULL;
    pthread_mutex_lock(&gPlayer.mtx);
    t->id = gPlayer.nextId++;
    Track **pp = &gPlayer.head;
    while (*pp)
        pp = &(*pp)->next;
    *pp = t;
    gPlayer.count++;
    pthread_cond_signal(&gPlayer.wake);
    pthread_mutex_unlock(&gPlayer.mtx);
    fprintf(r->out, "Id: %d\n", t->id);
    return 0;
}

static int cmdClear(Request *r)
{
    (void)r;
    pthread_mutex_lock(&gPlayer.mtx);
    while (gPlayer.head) {
        Track *t = gPlayer.head;
        gPlayer.head = t->next;
        free(t->path);
        free(t);
    }
    gPlayer.count = 0;
    pthread_mutex_unlock(&gPlayer.mtx);
    return 0;
}

static int cmdPlay(Request *r)
{
    pthread_mutex_lock(&gPlayer.mtx);
    gPlayer.playing = strcasecmp(r->argv[0], "play") == 0;
    pthread_cond_signal(&gPlayer.wake);
    pthread_mutex_unlock(&gPlayer.mtx);
    return 0;
}

static int cmdSetVol(Request *r)
{
    int v = atoi(r->argv[1]);

    if (v < 0 || v > 100) {
        fprintf(r->out, "ACK [2@0] {setvol} need 0..100\n");
        return -1;
    }
    gPlayer.volume = v;
    return shell("amixer -q set Master %d%%", v) == 0 ? 0 : -1;
}

static int cmdRepeat(Request *r)
{
    gPlayer.repeat = r->argv[1][0] == '1';
    return 0;
}

static int cmdStatus(Request *r)
{
    pthread_mutex_lock(&gPlayer.mtx);
    fprintf(r->out, "volume: %d\nrepeat: %d\nplaylistlength: %d\nstate: %s\n",
            gPlayer.volume, gPlayer.repeat, gPlayer.count, gPlayer.playing ? "play" : "stop");
    if (gPlayer.current[0])
        fprintf(r->out, "file: %s\nelapsed: %ld\n", gPlayer.current,
                (long)(time(NULL) - gPlayer.started));
    pthread_mutex_unlock(&gPlayer.mtx);
    return 0;
}

static const struct {
    const char *name;
    int         args;
    int       (*run)(Request *);
} kCommands[] = {
    { "add",    1, cmdAdd    },
    { "clear",  0, cmdClear  },
    { "play",   0, cmdPlay   },
    { "stop",   0, cmdPlay   },
    { "setvol", 1, cmdSetVol },
    { "repeat", 1, cmdRepeat },
    { "status", 0, cmdStatus },
};

// words are split at blanks; "..." keeps blanks, backslash escapes one char
static int splitLine(char *s, Request *r)
{
    r->argc = 0;
    while (*s && r->argc < MAX_ARGS) {
        while (*s == ' ' || *s == '\t')
            s++;
        if (!*s)
            break;
        char *w = s;
        r->argv[r->argc++] = w;
        if (*s == '"') {
            s++;
            while (*s && *s != '"') {
                if (*s == '\\' && s[1])
                    s++;
                *w++ = *s++;
            }
            if (*s != '"')
                return -1;
            s++;
        } else {
            while (*s && *s != ' ' && *s != '\t')
                *w++ = *s++;
            if (*s)
                s++;
        }
        *w = '\0';
    }
    return r->argc;
}

static void *clientMain(void *arg)
{
    int fd = (int)(long)arg;
    FILE *in = fdopen(fd, "r");
    FILE *out = fdopen(dup(fd), "w");
    char line[512];
    Request req;

    if (!in || !out)
        goto done;
    req.out = out;
    fprintf(out, "OK MPD 0.19.0\n");
    fflush(out);
    while (fgets(line, sizeof(line), in)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (splitLine(line, &req) < 1) {
            fprintf(out, "ACK [5@0] {} no command given\n");
            fflush(out);
            continue;
        }
        if (!strcmp(req.argv[0], "close"))
            break;
        size_t i, n = sizeof(kCommands) / sizeof(kCommands[0]);
        for (i = 0; i < n; i++)
            if (!strcasecmp(kCommands[i].name, req.argv[0]))
                break;
        if (i == n)
            fprintf(out, "ACK [5@0] {} unknown command\n");
        else if (req.argc - 1 < kCommands[i].args)
            fprintf(out, "ACK [2@0] {%s} wrong number of arguments\n", kCommands[i].name);
        else if (kCommands[i].run(&req) == 0)
            fprintf(out, "OK\n");
        fflush(out);
    }
done:
    if (in)
        fclose(in);
    if (out)
        fclose(out);
    return NULL;
}

int main(int argc, char **argv)
{
    int opt;
    while ((opt = getopt(argc, argv, "v")) != -1)
        if (opt == 'v')
            logLevel++;
    signal(SIGPIPE, SIG_IGN);

    pthread_t tid;
    pthread_create(&tid, NULL, playerMain, NULL);

    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(6600) };
    if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) || listen(s, 4)) {
        perror("jukeboxd");
        return 1;
    }
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        if (pthread_create(&tid, NULL, clientMain, (void *)(long)c) == 0)
            pthread_detach(tid);
        else
            close(c);
    }
}
