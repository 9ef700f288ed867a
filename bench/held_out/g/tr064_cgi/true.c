/* -----------------------------------------------------------------------
 *  tr064.cgi: SOAP control of the DSL box (Time and DeviceInfo services).
 *  The web server gives the request on stdin and the usual CGI variables.
 * ----------------------------------------------------------------------- */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define NAME_LEN  40
#define VALUE_LEN 100

enum xstate { X_TEXT, X_OPEN, X_NAME, X_ATTRS, X_CLOSE, X_ENTITY };

struct xparse {
    enum xstate state;
    char name[NAME_LEN];
    int  name_len;
    char value[VALUE_LEN];
    int  value_len;
    char entity[8];
    int  entity_len;
    bool overflow;
    void (*on_value)(void *user, const char *name, const char *value);
    void *user;
};

struct soap {
    char ntp1[VALUE_LEN];
    char ntp2[VALUE_LEN];
    char zone[VALUE_LEN];
    char prov[VALUE_LEN];
    int  dst;
    int  faults;
    const char *fault_text;
};

/* ---- streaming xml ---------------------------------------------------- */

static void x_put(struct xparse *x, char c)
{
    if (x->value_len < VALUE_LEN - 1)
        x->value[x->value_len++] = c;
    else
        x->overflow = true;
}

static void x_entity(struct xparse *x)
{
    static const struct { const char *n; char c; } ent[] = {
        { "lt", '<' }, { "gt", '>' }, { "amp", '&' }, { "quot", '"' }, { "apos", '\'' },
    };
    x->entity[x->entity_len] = 0;
    for (size_t i = 0; i < sizeof ent / sizeof ent[0]; i++)
        if (!strcmp(ent[i].n, x->entity))
            x_put(x, ent[i].c);
}

static void x_feed(struct xparse *x, char c)
{
    switch (x->state) {
    case X_TEXT:
        if (c == '<')
            x->state = X_OPEN;
        else if (c == '&') {
            x->entity_len = 0;
            x->state = X_ENTITY;
        } else
            x_put(x, c);
        break;
    case X_ENTITY:
        if (c == ';') {
            x_entity(x);
            x->state = X_TEXT;
        } else if (x->entity_len < (int)sizeof x->entity - 1)
            x->entity[x->entity_len++] = c;
        break;
    case X_OPEN:
        if (c == '/') {
            x->value[x->value_len] = 0;
            if (x->name_len && !x->overflow)
                x->on_value(x->user, x->name, x->value);
            x->name_len = 0;
            x->state = X_CLOSE;
            break;
        }
        x->name_len = 0;
        x->state = X_NAME;
        /* fall through */
    case X_NAME:
        if (c == '>' || c == ' ' || c == '/') {
            x->name[x->name_len] = 0;
            x->value_len = 0;
            x->overflow = false;
            x->state = c == '>' ? X_TEXT : X_ATTRS;
        } else if (c == ':')
            x->name_len = 0;
        else if (x->name_len < NAME_LEN - 1)
            x->name[x->name_len++] = c;
        break;
    case X_ATTRS:
    case X_CLOSE:
        if (c == '>') {
            x->value_len = 0;
            x->state = X_TEXT;
        }
        break;
    }
}

/* ---- value tests ------------------------------------------------------ */

static bool host_valid(const char *v)
{
    static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    size_t n = strspn(v, ok);

    if (*v == '-')
        return false;
    return n >= 4 && strchr(v, '.') != NULL && strchr(v, ' ') == NULL;
}

static bool zone_valid(const char *v)
{
    static const char *zones[] = { "CET-1CEST", "GMT0BST", "EST5EDT", "UTC0", NULL };
    for (const char **z = zones; *z; z++)
        if (!strcmp(*z, v))
            return true;
    return false;
}

/* ---- setters ---------------------------------------------------------- */

static void soap_fault(struct soap *s, const char *text)
{
    s->faults++;
    s->fault_text = text;
}

static void set_ntp1(struct soap *s, const char *v)
{
    if (!host_valid(v))
        return soap_fault(s, "NewNTPServer1");
    strcpy(s->ntp1, v);
}

static void set_ntp2(struct soap *s, const char *v)
{
    if (*v == 0) {
        s->ntp2[0] = 0;
        return;
    }
    if (!host_valid(v))
        return soap_fault(s, "NewNTPServer2");
    strcpy(s->ntp2, v);
}

static void set_zone(struct soap *s, const char *v)
{
    if (!zone_valid(v))
        return soap_fault(s, "NewLocalTimeZone");
    strcpy(s->zone, v);
}

static void set_dst(struct soap *s, const char *v)
{
    s->dst = v[0] == '1';
}

static void set_prov(struct soap *s, const char *v)
{
    strcpy(s->prov, v);
}

static const struct { const char *tag; void (*set)(struct soap *, const char *); } setters[] = {
    { "NewNTPServer1",          set_ntp1 },
    { "NewNTPServer2",          set_ntp2 },
    { "NewLocalTimeZone",       set_zone },
    { "NewDaylightSavingsUsed", set_dst  },
    { "NewProvisioningCode",    set_prov },
};

static void soap_value(void *user, const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof setters / sizeof setters[0]; i++)
        if (!strcmp(setters[i].tag, name)) {
            setters[i].set(user, value);
            return;
        }
}

/* ---- doing ------------------------------------------------------------ */

static int sh(const char *fmt, ...)
{
    char *cmd = NULL, *argv[4];
    pid_t pid;
    int st = -1;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&cmd, fmt, ap) < 0)
        cmd = NULL;
    va_end(ap);
    if (!cmd)
        return -1;
    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = cmd;
    argv[3] = NULL;
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) == 0)
        waitpid(pid, &st, 0);
    free(cmd);
    return st;
}

static int do_set_ntp(struct soap *s)
{
    if (!s->ntp1[0])
        return -1;
    if (s->ntp2[0])
        sh("killall sntpc; sntpc -s %s -s %s -d", s->ntp1, s->ntp2);
    else
        sh("killall sntpc; sntpc -s %s -d", s->ntp1);
    if (s->zone[0])
        sh("echo %s > /var/TZ", s->zone);
    return 0;
}

static int do_get_info(struct soap *s)
{
    printf("<NewTime>0</NewTime><NewDst>%d</NewDst>", s->dst);
    return 0;
}

static int do_provision(struct soap *s)
{
    FILE *f = fopen("/var/provisioning", "w");
    if (!f)
        return -1;
    fprintf(f, "%s\n", s->prov);
    fclose(f);
    return 0;
}

static const struct { const char *name; int (*run)(struct soap *); } acts[] = {
    { "#SetNTPServers",       do_set_ntp },
    { "#GetInfo",             do_get_info },
    { "#SetProvisioningCode", do_provision },
};

static int run_action(const char *soapaction, struct soap *s)
{
    const char *h = strchr(soapaction, '#');
    if (!h)
        return -1;
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        size_t n = strlen(acts[i].name);
        if (!strncmp(h, acts[i].name, n) && (h[n] == 0 || h[n] == '"'))
            return acts[i].run(s);
    }
    return -1;
}

static long feed_stdin(struct xparse *x, long want)
{
    char chunk[512];
    long left = want;

    while (left > 0) {
        size_t k = fread(chunk, 1, left < (long)sizeof chunk ? (size_t)left : sizeof chunk, stdin);
        if (k == 0)
            break;
        for (size_t i = 0; i < k; i++)
            if (chunk[i])
                x_feed(x, chunk[i]);
        left -= (long)k;
    }
    return want - left;
}

int main(void)
{
    const char *cl = getenv("CONTENT_LENGTH"), *act = getenv("HTTP_SOAPACTION");
    struct soap s;
    struct xparse x;
    int rc = -1;

    memset(&s, 0, sizeof s);
    memset(&x, 0, sizeof x);
    x.on_value = soap_value;
    x.user = &s;
    printf("Content-Type: text/xml\r\n\r\n<s:Envelope><s:Body>");
    if (cl && act) {
        long n = atol(cl);
        if (n > 0 && n < 100000 && feed_stdin(&x, n) == n && s.faults == 0) {
            fflush(stdout);
            rc = run_action(act, &s);
        }
    }
    if (rc)
        printf("<s:Fault><errorCode>%d</errorCode><detail>%s</detail></s:Fault>",
               s.faults ? 402 : 501, s.fault_text ? s.fault_text : "");
    printf("</s:Body></s:Envelope>\n");
    return 0;
}
