// doorstation.c: JSON control channel of the video intercom, indoor unit side
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define CTRL_PORT 8600

typedef struct alarm_entry {
    unsigned due;                 // minutes of day
    int volume;
    char *tone;
    struct alarm_entry *next;
} alarm_entry;

static alarm_entry *alarms;
static volatile sig_atomic_t tick;
static int door_locked = 1;
static int last_minute = -1;

static const char *const tone_names[] = { "dingdong", "westminster", "classic", "bird", "buzz" };

static void on_alarm(int sig) { tick = 1; }

// ---- tiny JSON reader: one flat object, string and integer members ----

typedef struct { const char *p; } jr;

static void j_ws(jr *j) { while (isspace((unsigned char)*j->p)) j->p++; }

static char *j_string(jr *j)
{
    const char *s;
    char *out, *o;

    j_ws(j);
    if (*j->p != '"')
        return NULL;
    s = ++j->p;
    while (*s && *s != '"') {
        if (*s == '\\' && s[1])
            s++;
        s++;
    }
    if (*s != '"')
        return NULL;
    out = o = malloc(s - j->p + 1);
    if (!out)
        return NULL;
    while (j->p < s) {
        if (*j->p == '\\') {
            j->p++;
            *o++ = *j->p == 'n' ? '\n' : *j->p == 't' ? '\t' : *j->p;
            j->p++;
        } else {
            *o++ = *j->p++;
        }
    }
    *o = '\0';
    j->p++;
    return out;
}

static char *j_member(const char *text, const char *name)
{
    jr j = { text };
    char *key, *val, num[16];
    size_t n;

    j_ws(&j);
    if (*j.p++ != '{')
        return NULL;
    for (;;) {
        key = j_string(&j);
        if (!key)
            return NULL;
        j_ws(&j);
        if (*j.p != ':') {
            free(key);
            return NULL;
        }
        j.p++;
        j_ws(&j);
        if (*j.p == '"') {
            val = j_string(&j);
        } else {
            n = strspn(j.p, "-0123456789");
            snprintf(num, sizeof num, "%.*s", (int)(n > 15 ? 15 : n), j.p);
            j.p += n;
            val = strdup(num);
        }
        if (!val || !strcmp(key, name)) {
            free(key);
            return val;
        }
        free(key);
        free(val);
        j_ws(&j);
        if (*j.p != ',')
            return NULL;
        j.p++;
    }
}

static int j_int(const char *text, const char *name, int dflt)
{
    char *v = j_member(text, name);
    int r = v && *v ? atoi(v) : dflt;

    free(v);
    return r;
}

// ---- methods ----

static const char *m_lock(const char *req)
{
    door_locked = j_int(req, "locked", 1) != 0;
    return "{\"result\":\"ok\"}";
}

static const char *m_state(const char *req)
{
    return door_locked ? "{\"locked\":1}" : "{\"locked\":0}";
}

static const char *m_add_alarm(const char *req)
{
    alarm_entry *a;
    char *tone = j_member(req, "tone");
    unsigned i;

    if (!tone)
        return "{\"error\":\"tone\"}";
    for (i = 0; i < sizeof tone_names / sizeof tone_names[0]; i++)
        if (!strcmp(tone, tone_names[i]))
            break;
    if (i == sizeof tone_names / sizeof tone_names[0]) {
        free(tone);
        return "{\"error\":\"unknown tone\"}";
    }
    a = malloc(sizeof *a);
    if (!a) {
        free(tone);
        return "{\"error\":\"memory\"}";
    }
    a->due = (unsigned)j_int(req, "hour", 7) * 60 + (unsigned)j_int(req, "minute", 0);
    a->volume = j_int(req, "volume", 60);
    a->tone = tone;
    a->next = alarms;
    alarms = a;
    return "{\"result\":\"ok\"}";
}

static const char *m_clear(const char *req)
{
    alarm_entry *a;

    while ((a = alarms)) {
        alarms = a->next;
        free(a->tone);
        free(a);
    }
    return "{\"result\":\"ok\"}";
}

static struct method {
    const char *name;
    const char *(*call)(const char *);
} methods[] = {
    { "door.lock", m_lock }, { "door.state", m_state },
    { "alarm.add", m_add_alarm }, { "alarm.clear", m_clear },
};

static void play(const alarm_entry *a)
{
    char cmd[300];
    FILE *p;

    snprintf(cmd, sizeof cmd, "amixer -q set Master %d%%; aplay -q /usr/share/tones/%s.wav",
             a->volume, a->tone);
    p = popen(cmd, "w");
    if (p)
        pclose(p);
}

static void minute_check(void)
{
    time_t now = time(NULL);
    struct tm *tm = localtime(&now);
    alarm_entry *a;
    int m = tm->tm_hour * 60 + tm->tm_min;

    if (m == last_minute)
        return;
    last_minute = m;
    for (a = alarms; a; a = a->next)
        if ((int)a->due == m)
            play(a);
}

static void serve(int c)
{
    char req[1024];
    size_t have = 0;
    ssize_t n;
    char *name;
    const char *ans = "{\"error\":\"method\"}";
    unsigned i;

    while (have < sizeof req - 1) {
        n = recv(c, req + have, sizeof req - 1 - have, 0);
        if (n <= 0)
            break;
        have += n;
        if (memchr(req, '}', have))
            break;
    }
    req[have] = '\0';
    name = j_member(req, "method");
    for (i = 0; name && i < sizeof methods / sizeof methods[0]; i++)
        if (!strcmp(methods[i].name, name))
            ans = methods[i].call(req);
    free(name);
    send(c, ans, strlen(ans), MSG_NOSIGNAL);
}

int main(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(CTRL_PORT) };
    struct itimerval it = { { 5, 0 }, { 5, 0 } };
    struct sigaction sa = { .sa_handler = on_alarm };
    int s = socket(AF_INET, SOCK_STREAM, 0), c;

    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 3))
        return 1;
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &it, NULL);
    for (;;) {
        c = accept(s, NULL, NULL);
        if (c >= 0) {
            serve(c);
            close(c);
        }
        if (tick) {
            tick = 0;
            minute_check();
        }
    }
}
