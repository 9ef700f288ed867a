/*
 * wallboxd: the app and the back office talk JSON, one object per line, on
 * TCP 8887.  {"op":"set","owner":"...","site":"..."} stores values, other
 * operations are "get", "start", "stop" and "limit".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdbool.h>
#include <ctype.h>
#include <signal.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define WB_PORT       8887
#define WB_LINE       1024
#define WB_MEMBERS    16
#define DISPLAY_DEV   "/dev/ttyDISP0"
#define DISPLAY_CHARS 128

/* ---- value store ----------------------------------------------------- */

typedef struct Value Value;
struct Value {
    char  *name;
    char  *text;
    Value *next;
};

static Value           *store;
static pthread_mutex_t  storeLock = PTHREAD_MUTEX_INITIALIZER;
static bool             storeChanged = true;

static const char *const settable[] = { "owner", "site", "tariff", "color", "lang" };

static void store_set(const char *name, const char *text)
{
    char  *copy = strdup(text);
    Value *v;

    if (!copy)
        return;
    pthread_mutex_lock(&storeLock);
    for (v = store; v; v = v->next)
        if (strcmp(v->name, name) == 0)
            break;
    if (!v) {
        v = calloc(1, sizeof *v);
        if (v && !(v->name = strdup(name))) {
            free(v);
            v = NULL;
        }
        if (!v) {
            pthread_mutex_unlock(&storeLock);
            free(copy);
            return;
        }
        v->next = store;
        store = v;
    }
    free(v->text);
    v->text = copy;
    storeChanged = true;
    pthread_mutex_unlock(&storeLock);
}

/* the lock must be held as long as the result is used */
static const char *store_get(const char *name)
{
    Value *v;

    for (v = store; v; v = v->next)
        if (strcmp(v->name, name) == 0)
            return v->text;
    return "";
}

/* ---- JSON ------------------------------------------------------------- */

typedef struct {
    char *key;
    char *val;
} Member;

static char *take_string(char **pp)
{
    char *r = *pp, *start, *w;

    if (*r != '"')
        return NULL;
    start = w = ++r;
    while (*r && *r != '"') {
        if (*r == '\\' && r[1]) {
            r++;
            *w++ = *r == 'n' ? ' ' : *r;
            r++;
        } else {
            *w++ = *r++;
        }
    }
    if (*r != '"')
        return NULL;
    *pp = r + 1;
    *w = '\0';
    return start;
}

static char *blank(char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

/* flat objects only; strings stay in place, numbers are kept as text */
static int parse_object(char *p, Member *m, int max)
{
    int n = 0;

    p = blank(p);
    if (*p++ != '{')
        return -1;
    for (;;) {
        p = blank(p);
        if (*p == '}' || n == max)
            return n;
        if (!(m[n].key = take_string(&p)))
            return -1;
        p = blank(p);
        if (*p++ != ':')
            return -1;
        p = blank(p);
        if (*p == '"') {
            if (!(m[n].val = take_string(&p)))
                return -1;
            p = blank(p);
        } else {
            m[n].val = p;
            p += strcspn(p, ",} ");
            if (*p == ' ') {
                *p++ = '\0';
                p = blank(p);
            }
        }
        n++;
        if (*p == '}') {
            *p = '\0';
            return n;
        }
        if (*p != ',')
            return -1;
        *p++ = '\0';
    }
}

static const char *member(const Member *m, int n, const char *key)
{
    int i;

    for (i = 0; i < n; i++)
        if (strcmp(m[i].key, key) == 0)
            return m[i].val;
    return NULL;
}

/* ---- operations ------------------------------------------------------- */

static int  limitAmps = 16;
static bool charging;

static const char *op_set(const Member *m, int n)
{
    size_t k;
    int i, done = 0;

    for (i = 0; i < n; i++)
        for (k = 0; k < sizeof settable / sizeof settable[0]; k++)
            if (strcmp(m[i].key, settable[k]) == 0) {
                store_set(m[i].key, m[i].val);
                done++;
            }
    return done ? "stored" : "nothing to store";
}

static const char *op_get(const Member *m, int n)
{
    const char *key = member(m, n, "key");
    const char *r;

    if (!key)
        return "no key";
    pthread_mutex_lock(&storeLock);
    r = *store_get(key) ? "set" : "empty";
    pthread_mutex_unlock(&storeLock);
    return r;
}

static const char *op_start(const Member *m, int n)
{
    (void)m;
    (void)n;
    charging = true;
    storeChanged = true;
    return "charging";
}

static const char *op_stop(const Member *m, int n)
{
    (void)m;
    (void)n;
    charging = false;
    storeChanged = true;
    return "stopped";
}

static const char *op_limit(const Member *m, int n)
{
    const char *a = member(m, n, "amps");
    int v = a ? atoi(a) : 0;

    if (v < 6 || v > 32)
        return "out of range";
    limitAmps = v;
    return "limited";
}

static const struct {
    const char *op;
    const char *(*fn)(const Member *, int);
} ops[] = {
    { "set", op_set }, { "get", op_get }, { "start", op_start },
    { "stop", op_stop }, { "limit", op_limit },
};

static void handle(int fd, char *line)
{
    Member      m[WB_MEMBERS];
    const char *op, *result = "bad request";
    char        out[96];
    size_t      i;
    int         n = parse_object(line, m, WB_MEMBERS);

    if (n > 0 && (op = member(m, n, "op")) != NULL)
        for (i = 0; i < sizeof ops / sizeof ops[0]; i++)
            if (strcmp(ops[i].op, op) == 0)
                result = ops[i].fn(m, n);
    n = snprintf(out, sizeof out, "{\"result\":\"%s\"}\n", result);
    if (send(fd, out, (size_t)n, MSG_NOSIGNAL) < 0)
        perror("wallboxd: send");
}

/* ---- display ---------------------------------------------------------- */

static void refresh_display(void)
{
    char        line[DISPLAY_CHARS];
    const char *site, *owner, *tariff;
    int         fd;

    pthread_mutex_lock(&storeLock);
    storeChanged = false;
    site = store_get("site");
    owner = store_get("owner");
    tariff = store_get("tariff");
    strcpy(line, charging ? "CHARGING " : "FREE ");
    strcat(line, site);
    strcat(line, " / ");
    strcat(line, owner);
    strcat(line, " / ");
    strcat(line, tariff);
    strcat(line, "\r\n");
    pthread_mutex_unlock(&storeLock);

    fd = open(DISPLAY_DEV, O_WRONLY | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        fputs(line, stderr);
        return;
    }
    if (write(fd, line, strlen(line)) < 0)
        perror(DISPLAY_DEV);
    close(fd);
}

static void *display_timer(void *arg)
{
    struct timespec half = { 0, 500000000L };

    for (;;) {
        nanosleep(&half, NULL);
        if (storeChanged)
            refresh_display();
    }
    return arg;
}

static void *client(void *arg)
{
    int   fd = (int)(long)arg;
    FILE *in = fdopen(fd, "r");
    char *line = malloc(WB_LINE);

    if (in && line)
        while (fgets(line, WB_LINE, in))
            handle(fd, line);
    free(line);
    if (in)
        fclose(in);
    else
        close(fd);
    return NULL;
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    pthread_t t;
    int s, on = 1;

    signal(SIGPIPE, SIG_IGN);
    store_set("site", "Garage");
    store_set("owner", "-");
    store_set("tariff", "0.29");
    pthread_create(&t, NULL, display_timer, NULL);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sa.sin_port = htons(WB_PORT);
    if (bind(s, (struct sockaddr *)&sa, sizeof sa) || listen(s, 4)) {
        perror("wallboxd");
        return 1;
    }
    for (;;) {
        int c = accept(s, NULL, NULL);

        if (c < 0)
            continue;
        if (pthread_create(&t, NULL, client, (void *)(long)c))
            close(c);
        else
            pthread_detach(t);
    }
}
