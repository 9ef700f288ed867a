/* dash cam: message channel for the phone application */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <pthread.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define MSG_PORT     7878
#define SD_CLIPS     "/mnt/sd/DCIM"
#define KEY          0x5a

/* names of the operations, not for the eye of strings(1) */
typedef struct { uint8_t id; uint8_t len; uint8_t txt[12]; } OpName;

enum { OP_LOGIN, OP_STATE, OP_RECORD, OP_DELETE, OP_GSENSOR, OP_COUNT };

static const OpName op_names[OP_COUNT] = {
    { OP_LOGIN,   5, { 'l'^KEY,'o'^KEY,'g'^KEY,'i'^KEY,'n'^KEY } },
    { OP_STATE,   5, { 's'^KEY,'t'^KEY,'a'^KEY,'t'^KEY,'e'^KEY } },
    { OP_RECORD,  6, { 'r'^KEY,'e'^KEY,'c'^KEY,'o'^KEY,'r'^KEY,'d'^KEY } },
    { OP_DELETE,  8, { 'd'^KEY,'e'^KEY,'l'^KEY,'_'^KEY,'c'^KEY,'l'^KEY,'i'^KEY,'p'^KEY } },
    { OP_GSENSOR, 7, { 'g'^KEY,'s'^KEY,'e'^KEY,'n'^KEY,'s'^KEY,'o'^KEY,'r'^KEY } },
};

typedef struct {
    int      fd;
    uint32_t token;
    int      logged_in;
} Session;

static volatile int recording = 1;
static volatile int gsensor_level = 2;
static volatile uint32_t recorded_s;

static int op_by_name(const char *name)
{
    size_t n = strlen(name), i;
    int k;

    for (k = 0; k < OP_COUNT; k++) {
        if (op_names[k].len != n)
            continue;
        for (i = 0; i < n; i++)
            if ((uint8_t)(name[i] ^ KEY) != op_names[k].txt[i])
                break;
        if (i == n)
            return op_names[k].id;
    }
    return -1;
}

/* "field":"text" or "field":number, without escapes */
static int field(const char *m, const char *name, char *out, size_t size)
{
    char pat[24];
    const char *p, *e;

    snprintf(pat, sizeof pat, "\"%s\":", name);
    p = strstr(m, pat);
    if (!p)
        return 0;
    p += strlen(pat);
    while (*p == ' ')
        p++;
    if (*p == '"') {
        e = strchr(++p, '"');
    } else {
        e = strpbrk(p, ",}");
    }
    if (!e || (size_t)(e - p) >= size)
        return 0;
    memcpy(out, p, e - p);
    out[e - p] = 0;
    return 1;
}

static int clip_name_ok(const char *s)
{
    /* stay in the folder of the clips */
    if (!*s || *s == '/' || strstr(s, ".."))
        return 0;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("_-./", *s))
            return 0;
    return 1;
}

static int delete_clip(const char *name, char *why, size_t size)
{
    char cmd[256];
    FILE *p;

    why[0] = 0;
    snprintf(cmd, sizeof cmd, "rm -f %s/%s %s/thumb/%s.jpg 2>&1", SD_CLIPS, name, SD_CLIPS, name);
    p = popen(cmd, "r");
    if (!p)
        return -1;
    if (fgets(why, size, p))
        why[strcspn(why, "\"\n")] = 0;
    return pclose(p);
}

static void answer(Session *s, int rval, const char *text)
{
    char out[300];
    int n = snprintf(out, sizeof out, "{\"rval\":%d,\"token\":%u,\"param\":\"%.160s\"}\n",
                     rval, (unsigned)s->token, text);
    send(s->fd, out, n, MSG_NOSIGNAL);
}

static void handle(Session *s, const char *m)
{
    char op[16], param[72], tok[16], note[128];
    int id;

    if (!field(m, "op", op, sizeof op) || (id = op_by_name(op)) < 0) {
        answer(s, -23, "unknown");
        return;
    }
    if (id == OP_LOGIN) {
        s->token = (uint32_t)time(NULL) & 0xffff;
        s->logged_in = 1;
        answer(s, 0, "welcome");
        return;
    }
    if (!s->logged_in || !field(m, "token", tok, sizeof tok) || strtoul(tok, NULL, 10) != s->token) {
        answer(s, -4, "token");
        return;
    }
    switch (id) {
    case OP_STATE:
        snprintf(note, sizeof note, "rec %d for %u s, g %d", recording, (unsigned)recorded_s, gsensor_level);
        answer(s, 0, note);
        break;
    case OP_RECORD:
        recording = field(m, "param", param, sizeof param) && !strcmp(param, "on");
        recorded_s = 0;
        answer(s, 0, recording ? "on" : "off");
        break;
    case OP_GSENSOR:
        if (!field(m, "param", param, sizeof param) || atoi(param) < 0 || atoi(param) > 5) {
            answer(s, -14, "range");
            break;
        }
        gsensor_level = atoi(param);
        answer(s, 0, "ok");
        break;
    case OP_DELETE:
        if (!field(m, "param", param, sizeof param) || !clip_name_ok(param)) {
            answer(s, -14, "name");
            break;
        }
        id = delete_clip(param, note, sizeof note);
        answer(s, id ? -1 : 0, note);
        break;
    }
}

static void *session_thread(void *arg)
{
    Session *s = arg;
    char in[1024], *e;
    size_t used = 0;
    ssize_t r;

    while ((r = recv(s->fd, in + used, sizeof in - 1 - used, 0)) > 0) {
        used += r;
        in[used] = 0;
        /* a message ends with its brace */
        while ((e = strchr(in, '}')) != NULL) {
            char one[1024];
            size_t n = e - in + 1;

            memcpy(one, in, n);
            one[n] = 0;
            handle(s, one);
            memmove(in, in + n, used - n + 1);
            used -= n;
        }
        if (used >= sizeof in - 1)
            break;
    }
    close(s->fd);
    free(s);
    return NULL;
}

static void *record_timer(void *arg)
{
    for (;;) {
        sleep(1);
        if (recording)
            recorded_s++;
    }
    return NULL;
}

int main(void)
{
    struct sockaddr_in a;
    pthread_t t;
    int ls = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    signal(SIGPIPE, SIG_IGN);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(MSG_PORT);
    if (bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 2))
        return 1;
    pthread_create(&t, NULL, record_timer, NULL);
    for (;;) {
        Session *s = calloc(1, sizeof *s);
        if (!s) {
            sleep(1);
            continue;
        }
        s->fd = accept(ls, NULL, NULL);
        if (s->fd < 0 || pthread_create(&t, NULL, session_thread, s)) {
            if (s->fd >= 0)
                close(s->fd);
            free(s);
            continue;
        }
        pthread_detach(t);
    }
}
