/* DVR event uploader: settings come over the client protocol (text lines), the alarm thread sends snapshots by ftp */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <time.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

#define PARAM_MAX 128

enum { P_FTP_HOST, P_FTP_USER, P_FTP_PASS, P_FTP_DIR, P_SENSITIVITY, P_CHANNEL, P_COUNT };

static const char *const ParamNames[P_COUNT] = {
    "FtpHost", "FtpUser", "FtpPass", "FtpDir", "MotionSensitivity", "Channel"
};

static char *Params[P_COUNT];
static pthread_mutex_t ParamLock = PTHREAD_MUTEX_INITIALIZER;
static volatile int AlarmPending;

static void DvrLog(const char *fmt, ...)
{
    va_list ap;
    FILE *f = fopen("/tmp/dvr_event.log", "a");
    if (!f)
        return;
    fprintf(f, "%lu ", (unsigned long)time(NULL));
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fputc('\n', f);
    fclose(f);
}

static int ParamSet(int id, const char *value)
{
    char *copy;

    if (strlen(value) >= PARAM_MAX)
        return -1;
    copy = strdup(value);
    if (!copy)
        return -1;
    pthread_mutex_lock(&ParamLock);
    free(Params[id]);
    Params[id] = copy;
    pthread_mutex_unlock(&ParamLock);
    return 0;
}

static void ParamGet(int id, char *out, size_t size)
{
    pthread_mutex_lock(&ParamLock);
    snprintf(out, size, "%s", Params[id] ? Params[id] : "");
    pthread_mutex_unlock(&ParamLock);
}

static int ParamId(const char *name)
{
    int i;
    for (i = 0; i < P_COUNT; i++)
        if (strcmp(ParamNames[i], name) == 0)
            return i;
    return -1;
}

/* value for the shell, spaces and quotes in passwords must survive */
static void ShellQuote(char *dst, size_t size, const char *src)
{
    size_t n = 0;

    dst[n++] = '"';
    for (; *src && n + 4 < size; src++) {
        if (*src == '"' || *src == '\\')
            dst[n++] = '\\';
        dst[n++] = *src;
    }
    dst[n++] = '"';
    dst[n] = 0;
}

static int ShellRun(const char *cmd)
{
    int st = 0;
    pid_t pid = fork();

    if (pid < 0)
        return -1;
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, &st, 0) < 0)
        ;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void UploadSnapshot(void)
{
    char v[PARAM_MAX], cmd[2600];
    char user[4 * PARAM_MAX + 8], pass[4 * PARAM_MAX + 8];
    char host[4 * PARAM_MAX + 8], dir[4 * PARAM_MAX + 8];
    int ch, rc;

    ParamGet(P_FTP_HOST, v, sizeof(v));
    if (!v[0] || v[0] == '-')
        return;
    ShellQuote(host, sizeof(host), v);
    ParamGet(P_FTP_USER, v, sizeof(v));
    ShellQuote(user, sizeof(user), v);
    ParamGet(P_FTP_PASS, v, sizeof(v));
    ShellQuote(pass, sizeof(pass), v);
    ParamGet(P_FTP_DIR, v, sizeof(v));
    if (v[0] != '/')
        strcpy(v, "/");
    ShellQuote(dir, sizeof(dir), v);
    ParamGet(P_CHANNEL, v, sizeof(v));
    ch = atoi(v);
    if (ch < 1 || ch > 16)
        ch = 1;
    snprintf(cmd, sizeof(cmd), "snapshot -c %d -o /tmp/ev.jpg && ftpput -u %s -p %s %s %s/ev%ld.jpg /tmp/ev.jpg",
             ch, user, pass, host, dir, (long)time(NULL));
    rc = ShellRun(cmd);
    DvrLog("upload channel %d: %d", ch, rc);
}

static void *AlarmThread(void *arg)
{
    time_t last = 0;

    for (;;) {
        usleep(200000);
        if (!AlarmPending)
            continue;
        AlarmPending = 0;
        if (time(NULL) - last < 3)
            continue;
        last = time(NULL);
        UploadSnapshot();
    }
    return NULL;
}

static void DoSet(FILE *io, char *args)
{
    char *sv = NULL;
    char *name = strtok_r(args, "=", &sv);
    char *val = strtok_r(NULL, "\r\n", &sv);
    int id;

    if (!name || (id = ParamId(name)) < 0) {
        fprintf(io, "404 no such parameter\n");
        return;
    }
    if (ParamSet(id, val ? val : "") < 0)
        fprintf(io, "413 too long\n");
    else
        fprintf(io, "200 set\n");
}

static void DoGet(FILE *io, char *args)
{
    char v[PARAM_MAX];
    int id;

    args[strcspn(args, "\r\n")] = 0;
    id = ParamId(args);
    if (id < 0 || id == P_FTP_PASS) {
        fprintf(io, "404 no such parameter\n");
        return;
    }
    ParamGet(id, v, sizeof(v));
    fprintf(io, "200 %s\n", v);
}

static void DoTrigger(FILE *io, char *args)
{
    AlarmPending = 1;
    fprintf(io, "200 queued\n");
}

static const struct { const char *verb; void (*fn)(FILE *, char *); } Verbs[] = {
    { "SET ", DoSet }, { "GET ", DoGet }, { "TRIGGER", DoTrigger },
};

static void *ClientThread(void *arg)
{
    int fd = (int)(long)arg;
    FILE *io = fdopen(fd, "r+");
    char *line = NULL;
    size_t cap = 0, i;

    if (!io) {
        close(fd);
        return NULL;
    }
    setvbuf(io, NULL, _IONBF, 0);
    while (getline(&line, &cap, io) > 0) {
        if (strlen(line) > 400)
            break;
        for (i = 0; i < 3; i++)
            if (strncmp(line, Verbs[i].verb, strlen(Verbs[i].verb)) == 0) {
                Verbs[i].fn(io, line + strlen(Verbs[i].verb));
                break;
            }
        if (i == 3)
            fprintf(io, "400 what\n");
    }
    free(line);
    fclose(io);
    return NULL;
}

int main(void)
{
    struct sockaddr_in sa;
    pthread_t th;
    int srv, fd, on = 1;

    ParamSet(P_FTP_DIR, "/");
    ParamSet(P_FTP_USER, "anonymous");
    ParamSet(P_SENSITIVITY, "40");
    ParamSet(P_CHANNEL, "1");
    srv = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(srv, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(34599);
    if (bind(srv, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(srv, 4) < 0) {
        DvrLog("cannot listen");
        return 1;
    }
    pthread_create(&th, NULL, AlarmThread, NULL);
    for (;;) {
        fd = accept(srv, NULL, NULL);
        if (fd < 0)
            continue;
        if (pthread_create(&th, NULL, ClientThread, (void *)(long)fd) == 0)
            pthread_detach(th);
        else
            close(fd);
    }
}
