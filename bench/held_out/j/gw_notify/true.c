#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <unistd.h>

/* Meldungsdienst des Hausgateways */

#define QUEUE_DEPTH   16u
#define LINE_MAX_LEN  768u
#define TEXT_MAX_LEN  200u

typedef enum
{
    EVT_NONE = 0,
    EVT_ALARM,
    EVT_NOTE,
    EVT_QUIT
} EventKind_t;

typedef struct
{
    EventKind_t kind;
    int         level;
    char        text[TEXT_MAX_LEN];
} Event_t;

typedef struct
{
    Event_t         slot[QUEUE_DEPTH];
    unsigned        head;
    unsigned        count;
    pthread_mutex_t lock;
    pthread_cond_t  filled;
} EventQueue_t;

static EventQueue_t queue_ =
{
    .lock   = PTHREAD_MUTEX_INITIALIZER,
    .filled = PTHREAD_COND_INITIALIZER
};

static bool Queue_Put(EventQueue_t *self, const Event_t *evt)
{
    bool ok = false;

    pthread_mutex_lock(&self->lock);
    if (self->count < QUEUE_DEPTH)
    {
        self->slot[(self->head + self->count) % QUEUE_DEPTH] = *evt;
        self->count++;
        ok = true;
        pthread_cond_signal(&self->filled);
    }
    pthread_mutex_unlock(&self->lock);
    return ok;
}

static void Queue_Get(EventQueue_t *self, Event_t *evt)
{
    pthread_mutex_lock(&self->lock);
    while (self->count == 0u)
    {
        pthread_cond_wait(&self->filled, &self->lock);
    }
    *evt = self->slot[self->head];
    self->head = (self->head + 1u) % QUEUE_DEPTH;
    self->count--;
    pthread_mutex_unlock(&self->lock);
}

/* Liefert den Wert eines Schluessels aus einem flachen JSON-Objekt. */
static bool Json_GetString(const char *json, const char *key, char *out, size_t outSize)
{
    char pattern[40];
    const char *pos;
    size_t n = 0u;

    snprintf(pattern, sizeof(pattern), "\"%s\"", key);
    pos = strstr(json, pattern);
    if (pos == NULL)
    {
        return false;
    }
    pos += strlen(pattern);
    while (*pos == ' ' || *pos == ':' || *pos == '\t')
    {
        pos++;
    }
    if (*pos != '"')
    {
        return false;
    }
    pos++;
    while (*pos != '\0' && *pos != '"')
    {
        char c = *pos++;

        if (c == '\\')
        {
            c = *pos;
            if (c == '\0')
            {
                break;
            }
            pos++;
            if (c == 'n')
            {
                c = '\n';
            }
            else if (c == 't')
            {
                c = '\t';
            }
        }
        if (n + 1u >= outSize)
        {
            return false;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return (*pos == '"');
}

static int Json_GetInt(const char *json, const char *key, int fallback)
{
    char pattern[40];
    const char *pos;

    snprintf(pattern, sizeof(pattern), "\"%s\":", key);
    pos = strstr(json, pattern);
    return (pos != NULL) ? (int)strtol(pos + strlen(pattern), NULL, 10) : fallback;
}

static void Notify_Emit(const Event_t *evt)
{
    char command[TEXT_MAX_LEN + 80u];
    int status = 0;
    pid_t child;

    snprintf(command, sizeof(command), "/usr/bin/logger -t gw%d -p user.%s -- '%s'",
             evt->level, (evt->kind == EVT_ALARM) ? "alert" : "notice", evt->text);
    child = fork();
    if (child < 0)
    {
        fprintf(stderr, "fork: %s\n", strerror(errno));
        return;
    }
    if (child == 0)
    {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    {
        fprintf(stderr, "logger failed (%d)\n", status);
    }
}

static void *Worker_Main(void *arg)
{
    Event_t evt;

    (void)arg;
    for (;;)
    {
        Queue_Get(&queue_, &evt);
        switch (evt.kind)
        {
            case EVT_ALARM:
            case EVT_NOTE:
                Notify_Emit(&evt);
                break;
            case EVT_QUIT:
                return NULL;
            default:
                break;
        }
    }
}

static const char *Session_HandleLine(const char *line)
{
    Event_t evt;
    char kind[16];

    memset(&evt, 0, sizeof(evt));
    if (!Json_GetString(line, "type", kind, sizeof(kind)))
    {
        return "{\"rc\":-1}\n";
    }
    if (strcmp(kind, "alarm") == 0)
    {
        evt.kind = EVT_ALARM;
    }
    else if (strcmp(kind, "note") == 0)
    {
        evt.kind = EVT_NOTE;
    }
    else if (strcmp(kind, "ping") == 0)
    {
        return "{\"rc\":0,\"pong\":1}\n";
    }
    else
    {
        return "{\"rc\":-2}\n";
    }
    evt.level = Json_GetInt(line, "level", 3);
    if (!Json_GetString(line, "text", evt.text, sizeof(evt.text)))
    {
        return "{\"rc\":-3}\n";
    }
    return Queue_Put(&queue_, &evt) ? "{\"rc\":0}\n" : "{\"rc\":-4}\n";
}

static void *Session_Main(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char line[LINE_MAX_LEN];
    FILE *in = fdopen(fd, "r");

    if (in == NULL)
    {
        close(fd);
        return NULL;
    }
    while (fgets(line, (int)sizeof(line), in) != NULL)
    {
        const char *answer = Session_HandleLine(line);

        if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
        {
            break;
        }
    }
    fclose(in);
    return NULL;
}

static uint16_t Config_ReadPort(const char *path)
{
    FILE *f = fopen(path, "r");
    unsigned port = 5022u;

    if (f != NULL)
    {
        if (fscanf(f, "listen = %u", &port) != 1)
        {
            port = 5022u;
        }
        fclose(f);
    }
    return (uint16_t)port;
}

int main(int argc, char **argv)
{
    struct sockaddr_in addr;
    pthread_t tid;
    int server;
    int one = 1;

    signal(SIGPIPE, SIG_IGN);
    server = socket(AF_INET, SOCK_STREAM, 0);
    if (server < 0)
    {
        perror("socket");
        return EXIT_FAILURE;
    }
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_port = htons(Config_ReadPort((argc > 1) ? argv[1] : "/etc/hausgw/notify.conf"));
    addr.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(server, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(server, 5) != 0)
    {
        perror("bind/listen");
        return EXIT_FAILURE;
    }
    if (pthread_create(&tid, NULL, Worker_Main, NULL) != 0)
    {
        return EXIT_FAILURE;
    }
    for (;;)
    {
        int fd = accept(server, NULL, NULL);

        if (fd < 0)
        {
            continue;
        }
        if (pthread_create(&tid, NULL, Session_Main, (void *)(intptr_t)fd) != 0)
        {
            close(fd);
            continue;
        }
        pthread_detach(tid);
    }
}
