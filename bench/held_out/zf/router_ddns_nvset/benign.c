/*
 * ddns.cgi - dynamic DNS page of the router.
 *
 *   POST /cgi-bin/ddns.cgi    provider=..&host=..&user=..&pass=..&mode=..
 *   GET  /cgi-bin/ddns.cgi    state as JSON
 *
 * Settings live in the nv store; "apply" reads them back from there, the
 * same code runs at boot with the argument "boot".
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NV_FILE     "/etc/nvstore"
#define NV_TEMP     "/etc/nvstore.new"
#define DDNS_SECRET "/var/run/ddns.secret"
#define POST_MAX    4096
#define ARG_MAX_N   24

#define LOGE(...) log_line('E', __VA_ARGS__)
#define LOGI(...) log_line('I', __VA_ARGS__)

typedef struct nv_item {
    struct nv_item *next;
    char *key;
    char *value;
} nv_item;

typedef struct {
    const char *key;
    const char *value;
} form_arg;

typedef struct {
    const char *id;
    const char *url;
} ddns_provider;

static nv_item *nv_first;
static form_arg args[ARG_MAX_N];
static int      args_n;

static const ddns_provider providers[] = {
    { "dyn",     "members.dyndns.example/nic/update" },
    { "noip",    "dynupdate.no-ip.example/nic/update" },
    { "freedns", "freedns.afraid.example/dynamic/update" },
};

static void log_line(char level, const char *fmt, ...)
{
    FILE *f = fopen("/var/log/web.log", "a");
    va_list ap;

    if (!f)
        return;
    fprintf(f, "%ld %c ddns: ", (long)time(NULL), level);
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fputc('\n', f);
    fclose(f);
}

/* ---- nv store ---------------------------------------------------------- */

static const char *nv_get(const char *key, const char *dflt)
{
    for (nv_item *i = nv_first; i; i = i->next)
        if (!strcmp(i->key, key))
            return i->value;
    return dflt;
}

static int nv_set(const char *key, const char *value)
{
    nv_item *i;
    char *copy = strdup(value);

    if (!copy)
        return -1;
    for (i = nv_first; i; i = i->next) {
        if (!strcmp(i->key, key)) {
            free(i->value);
            i->value = copy;
            return 0;
        }
    }
    i = calloc(1, sizeof(*i));
    if (!i || !(i->key = strdup(key))) {
        free(copy);
        free(i);
        return -1;
    }
    i->value = copy;
    i->next = nv_first;
    nv_first = i;
    return 0;
}

static void nv_load(void)
{
    char line[512];
    FILE *f = fopen(NV_FILE, "r");

    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        char *eq = strchr(line, '=');
        if (!eq)
            continue;
        *eq++ = '\0';
        eq[strcspn(eq, "\r\n")] = '\0';
        nv_set(line, eq);
    }
    fclose(f);
}

static int nv_commit(void)
{
    FILE *f = fopen(NV_TEMP, "w");

    if (!f) {
        LOGE("nv: %s", strerror(errno));
        return -1;
    }
    for (nv_item *i = nv_first; i; i = i->next)
        fprintf(f, "%s=%s\n", i->key, i->value);
    if (fclose(f) != 0)
        return -1;
    return rename(NV_TEMP, NV_FILE);
}

/* ---- form -------------------------------------------------------------- */

static int hexval(int c)
{
    if (isdigit(c))
        return c - '0';
    return isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

static void form_decode(char *s)
{
    char *o = s;

    for (; *s; s++) {
        int h, l;
        if (*s == '+') {
            *o++ = ' ';
        } else if (*s == '%' && (h = hexval((unsigned char)s[1])) >= 0
                   && (l = hexval((unsigned char)s[2])) >= 0) {
            *o++ = (char)(h * 16 + l);
            s += 2;
        } else {
            *o++ = *s;
        }
    }
    *o = '\0';
}

static void form_parse(char *body)
{
    char *pair;

    while ((pair = strsep(&body, "&")) != NULL && args_n < ARG_MAX_N) {
        char *eq = strchr(pair, '=');
        if (!eq)
            continue;
        *eq++ = '\0';
        form_decode(pair);
        form_decode(eq);
        args[args_n].key = pair;
        args[args_n].value = eq;
        args_n++;
    }
}

static const char *form_arg_get(const char *key)
{
    for (int i = 0; i < args_n; i++)
        if (!strcmp(args[i].key, key))
            return args[i].value;
    return "";
}

/* ---- values ------------------------------------------------------------ */

static int is_printable(const char *s)
{
    for (; *s; s++)
        if (iscntrl((unsigned char)*s))
            return 0;
    return 1;
}

/* a name with a domain, as the provider wants it */
static int host_valid(const char *s)
{
    size_t n = strlen(s);

    if (n < 4 || n > 120 || !isalnum((unsigned char)s[0]))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '.')
            return 0;
    return strchr(s, '.') != NULL && isalnum((unsigned char)s[n - 1]);
}

static const ddns_provider *provider_find(const char *id)
{
    for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
        if (!strcmp(providers[i].id, id))
            return &providers[i];
    return NULL;
}

/* ---- applying ---------------------------------------------------------- */

static int run(const char *fmt, ...)
{
    char cmd[600];
    va_list ap;
    int n, rc;

    va_start(ap, fmt);
    n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(cmd))
        return -1;
    rc = system(cmd);
    if (rc != 0)
        LOGE("exit %d", rc);
    return rc;
}

static void secret_write(void)
{
    FILE *f;

    umask(077);
    f = fopen(DDNS_SECRET, "w");
    if (!f)
        return;
    fprintf(f, "%s\n%s\n", nv_get("ddns_user", ""), nv_get("ddns_pass", ""));
    fclose(f);
}

static void ddns_apply(void)
{
    const ddns_provider *p = provider_find(nv_get("ddns_provider", ""));

    run("killall -q ddnsc");
    if (!p || strcmp(nv_get("ddns_mode", "off"), "on") != 0)
        return;
    secret_write();
    LOGI("starting for %s", nv_get("ddns_host", ""));
    run("ddnsc -b -u http://%s -h %s -s " DDNS_SECRET " -i %d", p->url,
        nv_get("ddns_host", ""), atoi(nv_get("ddns_interval", "600")));
}

/* ---- pages ------------------------------------------------------------- */

static void reply(int status, const char *msg)
{
    printf("Status: %d\r\nContent-Type: application/json\r\nCache-Control: no-cache\r\n\r\n"
           "{\"result\":\"%s\"}\n", status, msg);
}

static void page_state(void)
{
    FILE *f = fopen("/var/run/ddns.state", "r");
    char last[64] = "never";

    if (f) {
        if (fgets(last, sizeof(last), f))
            last[strcspn(last, "\r\n")] = '\0';
        fclose(f);
    }
    printf("Content-Type: application/json\r\n\r\n{\"mode\":\"%s\",\"provider\":\"%s\","
           "\"last\":\"%s\"}\n", nv_get("ddns_mode", "off"), nv_get("ddns_provider", ""), last);
}

static void page_save(void)
{
    const char *mode = form_arg_get("mode");
    const char *host = form_arg_get("host");
    const char *user = form_arg_get("user");
    const char *pass = form_arg_get("pass");

    if (!strcmp(mode, "off")) {
        nv_set("ddns_mode", "off");
    } else {
        const ddns_provider *p = provider_find(form_arg_get("provider"));
        if (!p || !host_valid(host) || !is_printable(user) || !is_printable(pass)
            || strlen(user) > 64 || strlen(pass) > 64) {
            reply(400, "invalid");
            return;
        }
        nv_set("ddns_mode", "on");
        nv_set("ddns_provider", p->id);
        nv_set("ddns_host", host);
        nv_set("ddns_user", user);
        nv_set("ddns_pass", pass);
    }
    if (nv_commit() != 0) {
        reply(500, "store");
        return;
    }
    ddns_apply();
    reply(200, "saved");
}

int main(int argc, char **argv)
{
    const char *method = getenv("REQUEST_METHOD");
    const char *cl = getenv("CONTENT_LENGTH");
    static char body[POST_MAX + 1];
    long len;
    size_t got;

    nv_load();
    if (argc > 1 && !strcmp(argv[1], "boot")) {
        ddns_apply();
        return 0;
    }
    if (!method || strcasecmp(method, "POST") != 0) {
        page_state();
        return 0;
    }
    len = cl ? strtol(cl, NULL, 10) : 0;
    if (len <= 0 || len > POST_MAX) {
        reply(413, "length");
        return 0;
    }
    got = fread(body, 1, (size_t)len, stdin);
    body[got] = '\0';
    form_parse(body);
    page_save();
    return 0;
}
