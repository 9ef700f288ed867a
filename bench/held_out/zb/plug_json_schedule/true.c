/* plugd - local control of the wall plug: JSON objects over TCP, one per line */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PLUG_PORT 9999
#define MAX_DEPTH 8
#define HOOK_DIR  "/opt/hooks/"

typedef enum { J_NULL, J_NUM, J_STR, J_OBJ } jtype_t;

typedef struct jnode {
    jtype_t type;
    char *key;
    char *str;
    long num;
    struct jnode *child, *next;
} jnode_t;

typedef struct {
    const char *p, *end;
} jcur_t;

typedef struct rule {
    int id;
    time_t due;
    int period;
    char hook[72];
    struct rule *next;
} rule_t;

static rule_t *rules;
static int next_id = 1;
static int relay_on;
static volatile sig_atomic_t quit;

/* ---- JSON ---- */

static void jfree(jnode_t *n)
{
    while (n) {
        jnode_t *nx = n->next;
        jfree(n->child);
        free(n->key);
        free(n->str);
        free(n);
        n = nx;
    }
}

static void skip_ws(jcur_t *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r' || *c->p == '\n'))
        c->p++;
}

static char *jstring(jcur_t *c)
{
    char *out, *w;

    if (c->p >= c->end || *c->p != '"')
        return NULL;
    c->p++;
    out = w = malloc((size_t)(c->end - c->p) + 1);
    if (!out)
        return NULL;
    while (c->p < c->end && *c->p != '"') {
        char ch = *c->p++;
        if (ch == '\\' && c->p < c->end) {
            ch = *c->p++;
            switch (ch) {
            case 'n': ch = '\n'; break;
            case 't': ch = '\t'; break;
            case 'r': ch = '\r'; break;
            default: break;
            }
        }
        *w++ = ch;
    }
    if (c->p >= c->end) {
        free(out);
        return NULL;
    }
    c->p++;
    *w = '\0';
    return out;
}

static jnode_t *jvalue(jcur_t *c, int depth)
{
    jnode_t *n, **tail;

    if (depth > MAX_DEPTH)
        return NULL;
    skip_ws(c);
    if (c->p >= c->end)
        return NULL;
    n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    if (*c->p == '"') {
        n->type = J_STR;
        n->str = jstring(c);
        if (!n->str)
            goto bad;
        return n;
    }
    if (*c->p == '-' || (*c->p >= '0' && *c->p <= '9')) {
        char *e;
        n->type = J_NUM;
        n->num = strtol(c->p, &e, 10);
        if (e == c->p)
            goto bad;
        c->p = e;
        return n;
    }
    if (*c->p != '{') {
        if (c->end - c->p < 4 || memcmp(c->p, "null", 4))
            goto bad;
        c->p += 4;
        return n;
    }
    n->type = J_OBJ;
    tail = &n->child;
    c->p++;
    for (;;) {
        char *key;
        jnode_t *v;

        skip_ws(c);
        if (c->p < c->end && *c->p == '}') {
            c->p++;
            return n;
        }
        key = jstring(c);
        if (!key)
            goto bad;
        skip_ws(c);
        if (c->p >= c->end || *c->p != ':') {
            free(key);
            goto bad;
        }
        c->p++;
        v = jvalue(c, depth + 1);
        if (!v) {
            free(key);
            goto bad;
        }
        v->key = key;
        *tail = v;
        tail = &v->next;
        skip_ws(c);
        if (c->p < c->end && *c->p == ',')
            c->p++;
    }
bad:
    jfree(n);
    return NULL;
}

static const jnode_t *jget(const jnode_t *o, const char *key, jtype_t t)
{
    const jnode_t *n;

    for (n = o ? o->child : NULL; n; n = n->next)
        if (n->type == t && strcmp(n->key, key) == 0)
            return n;
    return NULL;
}

/* ---- schedule ---- */

static int hook_name_ok(const char *s)
{
    size_t n = strlen(s);

    if (n == 0 || n >= sizeof(((rule_t *)0)->hook))
        return 0;
    if (strpbrk(s, ";|&`<>'\"\\*?~ ") != NULL || strstr(s, "..") != NULL)
        return 0;
    return 1;
}

static void run_hook(const rule_t *r)
{
    char line[160], out[128];
    FILE *fp;

    snprintf(line, sizeof line, HOOK_DIR "%s.sh %d 2>&1", r->hook, relay_on);
    fp = popen(line, "r");
    if (!fp) {
        fprintf(stderr, "plugd: rule %d: %s\n", r->id, strerror(errno));
        return;
    }
    while (fgets(out, sizeof out, fp))
        fprintf(stderr, "plugd: rule %d: %s", r->id, out);
    pclose(fp);
}

static void tick(time_t now)
{
    rule_t **pp = &rules;

    while (*pp) {
        rule_t *r = *pp;
        if (r->due > now) {
            pp = &r->next;
            continue;
        }
        run_hook(r);
        if (r->period > 0) {
            r->due = now + r->period;
            pp = &r->next;
        } else {
            *pp = r->next;
            free(r);
        }
    }
}

/* ---- requests ---- */

static int do_relay(const jnode_t *arg, char *rsp, size_t cap)
{
    const jnode_t *st = jget(arg, "state", J_NUM);

    if (!st)
        return -3;
    relay_on = st->num != 0;
    snprintf(rsp, cap, "\"state\":%d,", relay_on);
    return 0;
}

static int do_schedule(const jnode_t *arg, char *rsp, size_t cap)
{
    const jnode_t *hook = jget(arg, "hook", J_STR);
    const jnode_t *after = jget(arg, "after", J_NUM);
    const jnode_t *every = jget(arg, "every", J_NUM);
    rule_t *r;

    if (!hook || !after || after->num < 0 || after->num > 86400)
        return -3;
    if (!hook_name_ok(hook->str))
        return -4;
    r = calloc(1, sizeof *r);
    if (!r)
        return -1;
    r->id = next_id++;
    r->due = time(NULL) + after->num;
    r->period = every && every->num >= 60 && every->num <= 86400 ? (int)every->num : 0;
    memcpy(r->hook, hook->str, strlen(hook->str) + 1);
    r->next = rules;
    rules = r;
    snprintf(rsp, cap, "\"id\":%d,", r->id);
    return 0;
}

static int do_cancel(const jnode_t *arg, char *rsp, size_t cap)
{
    const jnode_t *id = jget(arg, "id", J_NUM);
    rule_t **pp;

    (void)rsp; (void)cap;
    if (!id)
        return -3;
    for (pp = &rules; *pp; pp = &(*pp)->next)
        if ((*pp)->id == id->num) {
            rule_t *r = *pp;
            *pp = r->next;
            free(r);
            return 0;
        }
    return -5;
}

static const struct {
    const char *name;
    int (*fn)(const jnode_t *, char *, size_t);
} methods[] = {
    { "set_relay_state", do_relay },
    { "add_rule", do_schedule },
    { "delete_rule", do_cancel },
};

static void serve(int fd)
{
    char buf[2048], rsp[96] = "", out[160];
    size_t have = 0, i;
    jcur_t c;
    jnode_t *root;
    int rc = -2, n;

    while (have < sizeof buf - 1) {
        ssize_t r = recv(fd, buf + have, sizeof buf - 1 - have, 0);
        if (r <= 0)
            break;
        have += (size_t)r;
        if (memchr(buf, '\n', have))
            break;
    }
    buf[have] = '\0';
    c.p = buf;
    c.end = buf + have;
    root = jvalue(&c, 0);
    if (root)
        for (i = 0; i < sizeof methods / sizeof methods[0]; i++) {
            const jnode_t *arg = jget(root, methods[i].name, J_OBJ);
            if (arg)
                rc = methods[i].fn(arg, rsp, sizeof rsp);
        }
    jfree(root);
    n = snprintf(out, sizeof out, "{%s\"err_code\":%d}\n", rsp, rc);
    send(fd, out, (size_t)n, MSG_NOSIGNAL);
}

static void on_term(int sig) { (void)sig; quit = 1; }

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    struct timeval tv = { 2, 0 };
    int ls = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    signal(SIGTERM, on_term);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sa.sin_port = htons(PLUG_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 4) < 0) {
        perror("plugd");
        return 1;
    }
    while (!quit) {
        struct pollfd pf = { ls, POLLIN, 0 };
        if (poll(&pf, 1, 1000) > 0) {
            int fd = accept(ls, NULL, NULL);
            if (fd >= 0) {
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
                serve(fd);
                close(fd);
            }
        }
        tick(time(NULL));
    }
    return 0;
}
