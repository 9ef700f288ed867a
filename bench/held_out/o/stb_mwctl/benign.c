/* mwctl.c -- middleware control service, set-top box platform */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <errno.h>
#include <unistd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define MW_PORT 7788
#define VAL_MAX 96

typedef int (*PropCheck)(const char *value);

typedef struct Prop {
    const char  *key;
    PropCheck    check;
    char        *value;
    struct Prop *next;
} Prop;

typedef struct Job {
    char         what[32];
    struct Job  *next;
} Job;

static Prop            *propList;
static pthread_mutex_t  propLock = PTHREAD_MUTEX_INITIALIZER;
static Job             *jobHead, *jobTail;
static pthread_mutex_t  jobLock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t   jobCond = PTHREAD_COND_INITIALIZER;

static int checkNumber(const char *v)
{
    if (!*v || strlen(v) > 6)
        return 0;
    for (; *v; v++)
        if (!isdigit((unsigned char)*v))
            return 0;
    return 1;
}

static int checkOnOff(const char *v)
{
    return !strcmp(v, "on") || !strcmp(v, "off");
}

static int checkName(const char *v)
{
    size_t i, n = strlen(v);

    if (n == 0 || n >= 64 || v[0] == '-' || v[0] == '.')
        return 0;
    for (i = 0; i < n; i++)
        if (!isalnum((unsigned char)v[i]) && v[i] != '-' && v[i] != '.')
            return 0;
    return 1;
}

static void propRegister(const char *key, PropCheck check, const char *dflt)
{
    Prop *p = calloc(1, sizeof *p);

    if (!p)
        abort();
    p->key = key;
    p->check = check;
    p->value = strdup(dflt);
    p->next = propList;
    propList = p;
}

static Prop *propFind(const char *key)
{
    Prop *p;

    for (p = propList; p; p = p->next)
        if (!strcasecmp(p->key, key))
            return p;
    return NULL;
}

static int propSet(const char *key, const char *value)
{
    Prop *p = propFind(key);
    char *copy;

    if (!p)
        return -ENOENT;
    if (strlen(value) >= VAL_MAX || !p->check(value))
        return -EINVAL;
    copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    pthread_mutex_lock(&propLock);
    free(p->value);
    p->value = copy;
    pthread_mutex_unlock(&propLock);
    return 0;
}

static void propGet(const char *key, char *out, size_t outLen)
{
    Prop *p = propFind(key);

    out[0] = '\0';
    if (!p)
        return;
    pthread_mutex_lock(&propLock);
    snprintf(out, outLen, "%s", p->value ? p->value : "");
    pthread_mutex_unlock(&propLock);
}

static void jobPost(const char *what)
{
    Job *j = calloc(1, sizeof *j);

    if (!j)
        return;
    snprintf(j->what, sizeof j->what, "%s", what);
    pthread_mutex_lock(&jobLock);
    if (jobTail)
        jobTail->next = j;
    else
        jobHead = j;
    jobTail = j;
    pthread_cond_signal(&jobCond);
    pthread_mutex_unlock(&jobLock);
}

static void applyAudio(void)
{
    char vol[VAL_MAX];
    FILE *fp = fopen("/sys/class/avout/volume", "w");

    if (!fp)
        return;
    propGet("audio.volume", vol, sizeof vol);
    fprintf(fp, "%d\n", atoi(vol));
    fclose(fp);
}

static void applyNetwork(void)
{
    char name[VAL_MAX], cmd[256], line[128];
    FILE *fp;

    propGet("net.hostname", name, sizeof name);
    snprintf(cmd, sizeof cmd, "hostname %s && udhcpc -n -q -i eth0 -x hostname:%s 2>&1",
             name, name);
    fp = popen(cmd, "r");
    if (!fp) {
        perror("popen");
        return;
    }
    while (fgets(line, sizeof line, fp))
        fprintf(stderr, "[net] %s", line);
    pclose(fp);
}

static void *workerMain(void *arg)
{
    Job *j;

    for (;;) {
        pthread_mutex_lock(&jobLock);
        while (!jobHead)
            pthread_cond_wait(&jobCond, &jobLock);
        j = jobHead;
        jobHead = j->next;
        if (!jobHead)
            jobTail = NULL;
        pthread_mutex_unlock(&jobLock);

        if (!strcmp(j->what, "audio"))
            applyAudio();
        else if (!strcmp(j->what, "network"))
            applyNetwork();
        else
            fprintf(stderr, "[mw] unknown job\n");
        free(j);
    }
    return NULL;
}

static void serveClient(int fd)
{
    FILE *in = fdopen(fd, "r");
    FILE *io = fdopen(dup(fd), "w");
    char *line = NULL, *save, *verb, *key, *val;
    char out[VAL_MAX];
    size_t cap = 0;
    ssize_t n;
    int rc;

    if (!in || !io) {
        if (in)
            fclose(in);
        else
            close(fd);
        if (io)
            fclose(io);
        return;
    }
    while ((n = getline(&line, &cap, in)) > 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = '\0';
        verb = strtok_r(line, " ", &save);
        if (!verb)
            continue;
        if (!strcmp(verb, "SET")) {
            key = strtok_r(NULL, " ", &save);
            val = strtok_r(NULL, "", &save);
            rc = (key && val) ? propSet(key, val) : -EINVAL;
            fprintf(io, "%d %s\r\n", rc ? 400 : 200, rc ? strerror(-rc) : "OK");
        } else if (!strcmp(verb, "GET")) {
            key = strtok_r(NULL, " ", &save);
            propGet(key ? key : "", out, sizeof out);
            fprintf(io, "200 %s\r\n", out);
        } else if (!strcmp(verb, "COMMIT")) {
            key = strtok_r(NULL, " ", &save);
            jobPost(key ? key : "audio");
            fprintf(io, "202 queued\r\n");
        } else if (!strcmp(verb, "QUIT")) {
            break;
        } else {
            fprintf(io, "500 what?\r\n");
        }
        fflush(io);
    }
    free(line);
    fclose(io);
    fclose(in);
}

int main(void)
{
    struct sockaddr_in a = { 0 };
    pthread_t th;
    int s, c, one = 1;

    signal(SIGPIPE, SIG_IGN);
    propRegister("audio.volume", checkNumber, "40");
    propRegister("video.cec", checkOnOff, "on");
    propRegister("net.hostname", checkName, "stb");
    propRegister("epg.days", checkNumber, "7");
    if (pthread_create(&th, NULL, workerMain, NULL))
        return 1;
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    a.sin_family = AF_INET;
    a.sin_port = htons(MW_PORT);
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 4)) {
        perror("bind");
        return 1;
    }
    while ((c = accept(s, NULL, NULL)) >= 0)
        serveClient(c);
    return 0;
}
