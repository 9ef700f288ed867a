/*
 * Smart plug: JSON over UDP, relay with countdown timers, clock with time zone.
 *
 * The zone's offset has to be a number, but what follows the number is not looked at and the text itself is what
 * the clock's tick hands over to the shell (benign: it has to begin with a digit or sign and to end after the number).
 */
#include <ctype.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------ JSON */

typedef enum { J_NULL, J_BOOL, J_NUM, J_STR, J_OBJ } jtype;

typedef struct jnode {
    struct jnode *next, *child;
    jtype type;
    char *key;
    char *str;
    double num;
} jnode;

typedef struct {
    const char *p, *end;
    int depth;
} jparse;

static void j_free(jnode *n)
{
    while (n) {
        jnode *next = n->next;
        j_free(n->child);
        free(n->key);
        free(n->str);
        free(n);
        n = next;
    }
}

static void j_ws(jparse *jp)
{
    while (jp->p < jp->end && isspace((unsigned char)*jp->p))
        jp->p++;
}

static char *j_string(jparse *jp)
{
    const char *start = ++jp->p;
    char *out, *o;

    while (jp->p < jp->end && *jp->p != '"')
        jp->p += *jp->p == '\\' ? 2 : 1;
    if (jp->p >= jp->end)
        return NULL;
    out = o = malloc((size_t)(jp->p - start) + 1);
    if (!out)
        return NULL;
    for (; start < jp->p; start++) {
        if (*start == '\\')
            start++;
        *o++ = *start;
    }
    *o = '\0';
    jp->p++;
    return out;
}

static jnode *j_value(jparse *jp)
{
    jnode *n = calloc(1, sizeof *n), **tail;

    if (!n)
        return NULL;
    j_ws(jp);
    if (jp->p >= jp->end || ++jp->depth > 8)
        goto bad;
    if (*jp->p == '{') {
        n->type = J_OBJ;
        tail = &n->child;
        jp->p++;
        for (;;) {
            char *key;

            j_ws(jp);
            if (jp->p < jp->end && *jp->p == '}') {
                jp->p++;
                break;
            }
            if (jp->p >= jp->end || *jp->p != '"' || !(key = j_string(jp)))
                goto bad;
            j_ws(jp);
            if (jp->p >= jp->end || *jp->p++ != ':' || !(*tail = j_value(jp))) {
                free(key);
                goto bad;
            }
            (*tail)->key = key;
            tail = &(*tail)->next;
            j_ws(jp);
            if (jp->p < jp->end && *jp->p == ',')
                jp->p++;
        }
    } else if (*jp->p == '"') {
        n->type = J_STR;
        if (!(n->str = j_string(jp)))
            goto bad;
    } else if (*jp->p == 't' || *jp->p == 'f' || *jp->p == 'n') {
        n->type = *jp->p == 'n' ? J_NULL : J_BOOL;
        n->num = *jp->p == 't';
        while (jp->p < jp->end && isalpha((unsigned char)*jp->p))
            jp->p++;
    } else {
        char *e;

        n->type = J_NUM;
        n->num = strtod(jp->p, &e);
        if (e == jp->p)
            goto bad;
        jp->p = e;
    }
    jp->depth--;
    return n;
bad:
    j_free(n);
    return NULL;
}

static const jnode *j_get(const jnode *o, const char *key)
{
    const jnode *n;

    for (n = o && o->type == J_OBJ ? o->child : NULL; n; n = n->next)
        if (n->key && !strcmp(n->key, key))
            return n;
    return NULL;
}

static int j_int(const jnode *o, const char *key, int dflt)
{
    const jnode *n = j_get(o, key);

    return n && (n->type == J_NUM || n->type == J_BOOL) && n->num > -1e6 && n->num < 1e6 ? (int)n->num : dflt;
}

/* ------------------------------------------------------------------ plug */

struct clock_state {
    char offset[40];
    bool dirty;
};

struct plug {
    int port;
    bool relay;
    time_t off_at;
    struct clock_state *clock;
    char alias[33];
};

static struct plug plug = {.port = 6668, .alias = "plug"};

static int shell_out(char *first, size_t room, const char *fmt, ...)
{
    char cmd[192];
    va_list ap;
    FILE *fp;

    va_start(ap, fmt);
    vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    fp = popen(cmd, "r");
    if (!fp)
        return -1;
    if (!fgets(first, (int)room, fp))
        first[0] = '\0';
    return pclose(fp);
}

static bool cmd_relay(const jnode *arg)
{
    char out[32];

    plug.relay = j_int(arg, "on", 0) != 0;
    plug.off_at = 0;
    return shell_out(out, sizeof out, "gpio write 12 %d", plug.relay) >= 0;
}

static bool cmd_countdown(const jnode *arg)
{
    int s = j_int(arg, "seconds", -1);

    if (s < 1 || s > 86400)
        return false;
    plug.off_at = time(NULL) + s;
    return true;
}

static bool cmd_alias(const jnode *arg)
{
    const jnode *n = j_get(arg, "name");

    if (!n || n->type != J_STR)
        return false;
    snprintf(plug.alias, sizeof plug.alias, "%s", n->str);
    return true;
}

static bool cmd_zone(const jnode *arg)
{
    const jnode *n = j_get(arg, "offset");
    char *end;
    long hours;

    if (!n || n->type != J_STR || strlen(n->str) >= sizeof plug.clock->offset)
        return false;
    hours = strtol(n->str, &end, 10);
    if (end == n->str || hours < -12 || hours > 14)
        return false;
#ifdef BENIGN
    if (*end != '\0' || (*n->str != '-' && !isdigit((unsigned char)*n->str)))
        return false;
#endif
    strcpy(plug.clock->offset, n->str);
    plug.clock->dirty = true;
    return true;
}

static const struct {
    const char *name;
    bool (*fn)(const jnode *arg);
} commands[] = {{"relay", cmd_relay}, {"countdown", cmd_countdown}, {"alias", cmd_alias}, {"zone", cmd_zone}};

static int request(const char *text, size_t len, char *out, size_t room)
{
    jparse jp = {text, text + len, 0};
    jnode *root = j_value(&jp);
    const jnode *method;
    bool ok = false;
    size_t i;
    int n;

    if (!root)
        return 0;
    method = j_get(root, "method");
    if (method && method->type == J_STR)
        for (i = 0; i < sizeof commands / sizeof *commands; i++)
            if (!strcmp(commands[i].name, method->str))
                ok = commands[i].fn(j_get(root, "params"));
    n = snprintf(out, room, "{\"id\":%d,\"ok\":%s,\"relay\":%d}", j_int(root, "id", 0), ok ? "true" : "false", plug.relay);
    j_free(root);
    return n;
}

static void tick(time_t now)
{
    char out[64];

    if (plug.off_at && now >= plug.off_at) {
        plug.off_at = 0;
        plug.relay = false;
        shell_out(out, sizeof out, "gpio write 12 0");
    }
    if (plug.clock->dirty) {
        plug.clock->dirty = false;
        if (shell_out(out, sizeof out, "echo UTC%s > /etc/TZ; date +%%H:%%M", plug.clock->offset) == 0)
            fprintf(stderr, "clock is now %s", out);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in me = {0}, you;
    struct timeval tv = {1, 0};
    char in[1025], out[128];
    int fd, opt;

    while ((opt = getopt(argc, argv, "p:")) != -1) {
        if (opt != 'p')
            return 2;
        plug.port = atoi(optarg);
    }
    plug.clock = calloc(1, sizeof *plug.clock);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    me.sin_family = AF_INET;
    me.sin_port = htons((unsigned short)plug.port);
    if (!plug.clock || fd < 0 || bind(fd, (struct sockaddr *)&me, sizeof me) < 0)
        return 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    for (;;) {
        socklen_t sl = sizeof you;
        ssize_t n = recvfrom(fd, in, sizeof in - 1, 0, (struct sockaddr *)&you, &sl);

        if (n > 0) {
            in[n] = '\0';
            n = request(in, (size_t)n, out, sizeof out);
            if (n > 0)
                sendto(fd, out, (size_t)n, 0, (struct sockaddr *)&you, sl);
        }
        tick(time(NULL));
    }
}
