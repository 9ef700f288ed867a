/* thermod: local HTTP api of the wall thermostat, one worker does the slow things */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <pthread.h>
#include <time.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define API_PORT   8088
#define RING       16
#define ARG_LEN    72

enum job_kind { JOB_SETPOINT, JOB_TZ, JOB_FAN, JOB_SAVE };

struct job {
    enum job_kind kind;
    int num;
    char arg[ARG_LEN];
};

struct thermostat {
    pthread_mutex_t mu;
    pthread_cond_t  more;
    struct job ring[RING];
    unsigned head, tail;
    int setpoint_tenths;
    int fan;
    char tz[ARG_LEN];
    unsigned requests;
};

struct request {
    char *method, *path, *query;
    int client;
    struct thermostat *t;
};

static const struct zone { const char *city; const char *posix; } zones[] = {
    { "Amsterdam", "CET-1CEST,M3.5.0,M10.5.0/3" },
    { "Chicago",   "CST6CDT,M3.2.0,M11.1.0" },
    { "Denver",    "MST7MDT,M3.2.0,M11.1.0" },
    { "Helsinki",  "EET-2EEST,M3.5.0/3,M10.5.0/4" },
    { "London",    "GMT0BST,M3.5.0/1,M10.5.0" },
    { "New_York",  "EST5EDT,M3.2.0,M11.1.0" },
    { "Sydney",    "AEST-10AEDT,M10.1.0,M4.1.0/3" },
    { "UTC",       "UTC0" },
};
#define NZONES (sizeof zones / sizeof zones[0])

/* ---------- queue ---------- */
static int push(struct thermostat *t, enum job_kind k, int num, const char *arg)
{
    int ok = 0;
    pthread_mutex_lock(&t->mu);
    if (t->head - t->tail < RING) {
        struct job *j = &t->ring[t->head % RING];
        j->kind = k;
        j->num = num;
        snprintf(j->arg, sizeof j->arg, "%s", arg ? arg : "");
        t->head++;
        ok = 1;
        pthread_cond_signal(&t->more);
    }
    pthread_mutex_unlock(&t->mu);
    return ok;
}

static void pull(struct thermostat *t, struct job *out)
{
    pthread_mutex_lock(&t->mu);
    while (t->head == t->tail)
        pthread_cond_wait(&t->more, &t->mu);
    *out = t->ring[t->tail % RING];
    t->tail++;
    pthread_mutex_unlock(&t->mu);
}

/* ---------- worker ---------- */
/* a city of the table, or else a POSIX TZ rule as some installers type it */
static const char *resolve_zone(const char *want)
{
    for (unsigned i = 0; i < NZONES; i++)
        if (strcmp(zones[i].city, want) == 0)
            return zones[i].posix;
    for (unsigned i = 0; i < NZONES; i++)
        if (strlen(want) < 48 && !strcmp(zones[i].posix, want))
            return want;
    return zones[NZONES - 1].posix;
}

static void work_tz(struct thermostat *t, const struct job *j)
{
    char cmd[160], answer[40] = "";
    const char *rule = resolve_zone(j->arg);
    FILE *p;

    snprintf(cmd, sizeof cmd, "echo \"%s\" >/etc/TZ; TZ=\"%s\" date +%%H:%%M", rule, rule);
    p = popen(cmd, "r");
    if (!p)
        return;
    if (fgets(answer, sizeof answer, p))
        fprintf(stderr, "local time now %s", answer);
    pclose(p);
    pthread_mutex_lock(&t->mu);
    snprintf(t->tz, sizeof t->tz, "%s", rule);
    pthread_mutex_unlock(&t->mu);
}

static void work_fan(struct thermostat *t, const struct job *j)
{
    FILE *f = fopen("/sys/class/gpio/gpio17/value", "w");
    if (f) {
        fputs(j->num ? "1" : "0", f);
        fclose(f);
    }
    t->fan = j->num;
}

static void work_setpoint(struct thermostat *t, const struct job *j)
{
    int v = j->num;
    if (v < 50) v = 50;
    if (v > 300) v = 300;
    t->setpoint_tenths = v;
}

static void work_save(struct thermostat *t, const struct job *j)
{
    FILE *f = fopen("/data/thermo.ini", "w");
    (void)j;
    if (!f)
        return;
    fprintf(f, "setpoint=%d\nfan=%d\ntz=%s\n", t->setpoint_tenths, t->fan, t->tz);
    fclose(f);
}

static void (*const work[])(struct thermostat *, const struct job *) = {
    [JOB_SETPOINT] = work_setpoint,
    [JOB_TZ] = work_tz,
    [JOB_FAN] = work_fan,
    [JOB_SAVE] = work_save,
};

static void *worker(void *p)
{
    struct thermostat *t = p;
    struct job j;
    for (;;) {
        pull(t, &j);
        if ((unsigned)j.kind < sizeof work / sizeof work[0])
            work[j.kind](t, &j);
    }
    return NULL;
}

/* ---------- http ---------- */
static int nib(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

static int query_value(const char *q, const char *key, char *out, size_t cap)
{
    size_t kl = strlen(key), n = 0;
    while (q && *q) {
        if (!strncmp(q, key, kl) && q[kl] == '=') {
            for (q += kl + 1; *q && *q != '&' && n + 1 < cap; q++) {
                if (*q == '%' && nib(q[1]) >= 0 && nib(q[2]) >= 0) {
                    out[n++] = (char)(nib(q[1]) * 16 + nib(q[2]));
                    q += 2;
                } else {
                    out[n++] = *q;
                }
            }
            out[n] = 0;
            return 1;
        }
        q = strchr(q, '&');
        if (q)
            q++;
    }
    return 0;
}

static void respond(int fd, int code, const char *json)
{
    char out[400];
    int n = snprintf(out, sizeof out,
                     "HTTP/1.1 %d -\r\nContent-Type: application/json\r\nContent-Length: %u\r\n"
                     "Connection: close\r\n\r\n%s", code, (unsigned)strlen(json), json);
    if (n > 0 && n < (int)sizeof out)
        send(fd, out, (size_t)n, MSG_NOSIGNAL);
}

static void api_status(struct request *r)
{
    char js[200];
    snprintf(js, sizeof js, "{\"setpoint\":%d,\"fan\":%d,\"requests\":%u}",
             r->t->setpoint_tenths, r->t->fan, r->t->requests);
    respond(r->client, 200, js);
}

static void api_number(struct request *r, enum job_kind k)
{
    char v[12];
    if (!query_value(r->query, "v", v, sizeof v)) {
        respond(r->client, 400, "{}");
        return;
    }
    respond(r->client, push(r->t, k, atoi(v), NULL) ? 202 : 503, "{}");
}

static void api_setpoint(struct request *r) { api_number(r, JOB_SETPOINT); }
static void api_fan(struct request *r) { api_number(r, JOB_FAN); }

static void api_clock(struct request *r)
{
    char v[ARG_LEN];
    if (!query_value(r->query, "zone", v, sizeof v)) {
        respond(r->client, 400, "{}");
        return;
    }
    respond(r->client, push(r->t, JOB_TZ, 0, v) ? 202 : 503, "{}");
}

static void api_save(struct request *r)
{
    respond(r->client, push(r->t, JOB_SAVE, 0, NULL) ? 202 : 503, "{}");
}

static uint32_t djb(const char *s)
{
    uint32_t h = 5381;
    while (*s)
        h = (h << 5) + h + (uint8_t)*s++;
    return h & 15;
}

static struct route { const char *path; void (*fn)(struct request *); struct route *next; } *routes[16];

static void route_add(const char *path, void (*fn)(struct request *))
{
    struct route *r = malloc(sizeof *r);
    if (!r)
        exit(1);
    r->path = path;
    r->fn = fn;
    r->next = routes[djb(path)];
    routes[djb(path)] = r;
}

static void serve(struct thermostat *t, int c)
{
    char buf[1024], *save = NULL;
    struct request r = { .client = c, .t = t };
    ssize_t n = recv(c, buf, sizeof buf - 1, 0);
    if (n <= 0)
        return;
    buf[n] = 0;
    r.method = strtok_r(buf, " ", &save);
    r.path = strtok_r(NULL, " \r\n", &save);
    if (!r.method || !r.path)
        return;
    r.query = strchr(r.path, '?');
    if (r.query)
        *r.query++ = 0;
    t->requests++;
    for (struct route *x = routes[djb(r.path)]; x; x = x->next)
        if (!strcmp(x->path, r.path)) {
            x->fn(&r);
            return;
        }
    respond(c, 404, "{}");
}

int main(void)
{
    static struct thermostat t = { .setpoint_tenths = 200 };
    pthread_t th;
    struct sockaddr_in a = { .sin_family = AF_INET };
    int s, c, one = 1;

    pthread_mutex_init(&t.mu, NULL);
    pthread_cond_init(&t.more, NULL);
    route_add("/api/status", api_status);
    route_add("/api/setpoint", api_setpoint);
    route_add("/api/fan", api_fan);
    route_add("/api/clock", api_clock);
    route_add("/api/save", api_save);
    if (pthread_create(&th, NULL, worker, &t))
        return 1;
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    a.sin_port = htons(API_PORT);
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 5))
        return 1;
    while ((c = accept(s, NULL, NULL)) >= 0) {
        serve(&t, c);
        close(c);
    }
    return 0;
}
