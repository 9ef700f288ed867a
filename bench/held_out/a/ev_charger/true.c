/*
 * Charge point controller. The back office speaks lines of JSON over TCP. Actions are registered at start-up by the
 * modules of the controller. An upload of diagnostics is only noted down; the heartbeat timer starts it later.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 1000
#define LINE_MAX_BYTES 2048
#define CONNECTORS 2

typedef struct json_pair {
    char *name;
    char *value;
    struct json_pair *next;
} json_pair;

typedef struct upload_job {
    char *location;
    int retries;
    time_t due;
} upload_job;

typedef struct connector {
    int available;
    int charging;
    char tag[24];
    long meter;
} connector;

typedef struct station {
    int listener;
    int client;
    char line[LINE_MAX_BYTES];
    size_t used;
    connector connectors[CONNECTORS];
    upload_job *job;
    int heartbeat;
    time_t next_beat;
} station;

typedef const char *(*action_fn)(station *, const json_pair *);

static struct {
    const char *name;
    action_fn run;
} actions[16];
static int action_count;

static void register_handler(const char *name, action_fn run)
{
    if (action_count == (int)(sizeof actions / sizeof *actions))
        return;
    actions[action_count].name = name;
    actions[action_count].run = run;
    action_count++;
}

static int shell(const char *format, ...)
{
    char command[1400];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(command, sizeof command, format, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof command)
        return -1;
    return system(command);
}

/* ---- JSON: one flat object of strings, numbers and words ---- */

static const char *skip(const char *s)
{
    while (*s == ' ' || *s == '\t' || *s == '\r')
        s++;
    return s;
}

static const char *json_string(const char *s, char **out)
{
    size_t n = 0;
    char *to = malloc(strlen(s) + 1);
    if (!to)
        return NULL;
    for (s++; *s && *s != '"'; s++) {
        if (*s == '\\') {
            s++;
            if (!*s)
                break;
            to[n++] = *s == 'n' ? '\n' : *s == 't' ? '\t' : *s;
        } else
            to[n++] = *s;
    }
    to[n] = 0;
    if (*s != '"') {
        free(to);
        return NULL;
    }
    *out = to;
    return s + 1;
}

static const char *json_word(const char *s, char **out)
{
    size_t n = strcspn(s, ",} \t\r");
    *out = n ? strndup(s, n) : NULL;
    return *out ? s + n : NULL;
}

static void json_free(json_pair *p)
{
    while (p) {
        json_pair *next = p->next;
        free(p->name);
        free(p->value);
        free(p);
        p = next;
    }
}

static json_pair *json_parse(const char *s)
{
    json_pair *list = NULL;
    s = skip(s);
    if (*s++ != '{')
        return NULL;
    for (;;) {
        json_pair *p;
        s = skip(s);
        if (*s == '}')
            return list;
        if (*s != '"' || !(p = calloc(1, sizeof *p)))
            break;
        p->next = list;
        list = p;
        if (!(s = json_string(s, &p->name)))
            break;
        s = skip(s);
        if (*s++ != ':')
            break;
        s = skip(s);
        s = *s == '"' ? json_string(s, &p->value) : json_word(s, &p->value);
        if (!s)
            break;
        s = skip(s);
        if (*s == ',')
            s++;
    }
    json_free(list);
    return NULL;
}

static const char *json_get(const json_pair *p, const char *name)
{
    for (; p; p = p->next)
        if (p->value && strcmp(p->name, name) == 0)
            return p->value;
    return NULL;
}

static connector *which(station *st, const json_pair *p)
{
    const char *id = json_get(p, "connectorId");
    int n = id ? atoi(id) : 0;
    return n >= 1 && n <= CONNECTORS ? &st->connectors[n - 1] : NULL;
}

/* ---- quoting for the shell ---- */

static char *quote(const char *s)
{
    char *text = malloc(strlen(s) * 4 + 3), *to = text;
    if (!text)
        return NULL;
    *to++ = '\'';
    for (; *s; s++) {
        if (*s == '\'') {
#ifdef BENIGN
            *to++ = '\'';
            *to++ = '\\';
            *to++ = '\'';
#else
            *to++ = '\\';
#endif
        }
        *to++ = *s;
    }
    *to++ = '\'';
    *to = 0;
    return text;
}

/* ---- actions ---- */

static const char *act_boot(station *st, const json_pair *p)
{
    const char *beat = json_get(p, "interval");
    if (beat && atoi(beat) > 0)
        st->heartbeat = atoi(beat);
    return "Accepted";
}

static const char *act_start(station *st, const json_pair *p)
{
    connector *c = which(st, p);
    const char *tag = json_get(p, "idTag");
    if (!c || !tag || !c->available || c->charging)
        return "Rejected";
    snprintf(c->tag, sizeof c->tag, "%s", tag);
    c->charging = 1;
    syslog(LOG_INFO, "charging for %s", c->tag);
    return shell("relayctl close %d", (int)(c - st->connectors)) == 0 ? "Accepted" : "Faulted";
}

static const char *act_stop(station *st, const json_pair *p)
{
    connector *c = which(st, p);
    if (!c || !c->charging)
        return "Rejected";
    c->charging = 0;
    return shell("relayctl open %d", (int)(c - st->connectors)) == 0 ? "Accepted" : "Faulted";
}

static const char *act_diagnostics(station *st, const json_pair *p)
{
    const char *where = json_get(p, "location"), *retries = json_get(p, "retries");
    upload_job *job;
    if (!where || !*where || strlen(where) > 255 || st->job)
        return "Rejected";
    if (!(job = calloc(1, sizeof *job)))
        return "Rejected";
    job->location = quote(where);
    job->retries = retries ? atoi(retries) : 0;
    job->due = time(NULL) + 1;
    if (!job->location) {
        free(job);
        return "Rejected";
    }
    st->job = job;
    return "Accepted";
}

static const char *act_reset(station *st, const json_pair *p)
{
    const char *kind = json_get(p, "type");
    (void)st;
    if (kind && strcmp(kind, "Hard") == 0)
        return system("reboot -f") == 0 ? "Accepted" : "Rejected";
    return system("/etc/init.d/ocppd restart") == 0 ? "Accepted" : "Rejected";
}

static void diagnostics_init(void)
{
    register_handler("GetDiagnostics", act_diagnostics);
    register_handler("Reset", act_reset);
}

static void charging_init(void)
{
    register_handler("BootNotification", act_boot);
    register_handler("RemoteStart", act_start);
    register_handler("RemoteStop", act_stop);
}

/* ---- network ---- */

static void reply(station *st, const char *status)
{
    char text[96];
    int n = snprintf(text, sizeof text, "{\"status\":\"%s\",\"time\":%ld}\n", status, (long)time(NULL));
    if (write(st->client, text, (size_t)n) < 0)
        syslog(LOG_WARNING, "write: %s", strerror(errno));
}

static void one_line(station *st)
{
    json_pair *p = json_parse(st->line);
    const char *action = json_get(p, "action"), *status = "NotImplemented";
    for (int i = 0; action && i < action_count; i++)
        if (strcmp(actions[i].name, action) == 0) {
            status = actions[i].run(st, p);
            break;
        }
    reply(st, status);
    json_free(p);
}

static int readable(station *st)
{
    char *end;
    ssize_t n = read(st->client, st->line + st->used, sizeof st->line - 1 - st->used);
    if (n <= 0)
        return -1;
    st->used += (size_t)n;
    while ((end = memchr(st->line, '\n', st->used))) {
        size_t whole = (size_t)(end - st->line) + 1;
        *end = 0;
        one_line(st);
        memmove(st->line, st->line + whole, st->used - whole);
        st->used -= whole;
    }
    return st->used == sizeof st->line - 1 ? -1 : 0;
}

static void heartbeat(station *st)
{
    time_t now = time(NULL);
    upload_job *job = st->job;
    for (int i = 0; i < CONNECTORS; i++)
        st->connectors[i].meter += st->connectors[i].charging;
    if (now >= st->next_beat) {
        st->next_beat = now + st->heartbeat;
        syslog(LOG_DEBUG, "meters %ld %ld", st->connectors[0].meter, st->connectors[1].meter);
    }
    if (!job || now < job->due)
        return;
    if (shell("tar cz /var/log/ocpp | curl -s -g -T - https://%s", job->location) != 0 && job->retries-- > 0) {
        job->due = now + 60;
        return;
    }
    free(job->location);
    free(job);
    st->job = NULL;
}

int main(int argc, char **argv)
{
    station *st = calloc(1, sizeof *st);
    struct sockaddr_in me;
    int on = 1;
    if (!st)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    openlog("ocppd", LOG_PID, LOG_DAEMON);
    charging_init();
    diagnostics_init();
    st->client = -1;
    st->heartbeat = 300;
    for (int i = 0; i < CONNECTORS; i++)
        st->connectors[i].available = 1;
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 8887));
    st->listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(st->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(st->listener, (struct sockaddr *)&me, sizeof me) < 0 || listen(st->listener, 2) < 0) {
        syslog(LOG_ERR, "bind: %s", strerror(errno));
        return 1;
    }
    for (;;) {
        struct pollfd fds[2] = {{st->listener, POLLIN, 0}, {st->client, POLLIN, 0}};
        poll(fds, 2, TICK_MS);
        if (fds[0].revents & POLLIN) {
            int fd = accept(st->listener, NULL, NULL);
            if (st->client >= 0)
                close(st->client);
            st->client = fd;
            st->used = 0;
        } else if (st->client >= 0 && fds[1].revents && readable(st) < 0) {
            close(st->client);
            st->client = -1;
        }
        heartbeat(st);
    }
}
