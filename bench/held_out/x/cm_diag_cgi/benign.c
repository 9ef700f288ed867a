/*
 * diag.cgi - diagnostics page of the cable modem
 *
 * parameters (GET or POST):  action=ping|trace|lookup|levels
 *                            host=...  count=...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>

#define POST_LIMIT 4096

/* ---------------------------------------------------------------- params */

struct param {
    struct param *next;
    char *key;
    char *val;
};

static struct param *params;

static void param_set(const char *key, const char *val)
{
    struct param *p;

    for (p = params; p; p = p->next) {
        if (!strcmp(p->key, key)) {
            free(p->val);
            p->val = strdup(val);
            return;
        }
    }
    p = malloc(sizeof(*p));
    if (!p)
        exit(1);
    p->key = strdup(key);
    p->val = strdup(val);
    p->next = params;
    params = p;
}

static const char *param_get(const char *key, const char *dflt)
{
    struct param *p;

    for (p = params; p; p = p->next)
        if (!strcmp(p->key, key))
            return p->val;
    return dflt;
}

static int param_int(const char *key, int dflt, int lo, int hi)
{
    const char *s = param_get(key, NULL);
    int v = s ? atoi(s) : dflt;

    if (v < lo)
        v = lo;
    if (v > hi)
        v = hi;
    return v;
}

static void url_decode(char *s)
{
    char *d = s, hex[3];

    while (*s) {
        if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
            hex[0] = s[1];
            hex[1] = s[2];
            hex[2] = 0;
            *d++ = (char)strtol(hex, NULL, 16);
            s += 3;
        } else {
            *d++ = *s == '+' ? ' ' : *s;
            s++;
        }
    }
    *d = 0;
}

static void parse_form(char *text)
{
    char *item, *eq;

    for (item = strtok(text, "&"); item; item = strtok(NULL, "&")) {
        eq = strchr(item, '=');
        if (!eq)
            continue;
        *eq++ = 0;
        url_decode(item);
        url_decode(eq);
        param_set(item, eq);
    }
}

static void read_request(void)
{
    const char *method = getenv("REQUEST_METHOD");
    const char *qs = getenv("QUERY_STRING");
    const char *cl = getenv("CONTENT_LENGTH");
    char *copy;

    if (qs && *qs) {
        copy = strdup(qs);
        parse_form(copy);
        free(copy);
    }
    if (method && !strcmp(method, "POST") && cl) {
        long n = atol(cl);
        size_t got;

        if (n <= 0 || n > POST_LIMIT)
            return;
        copy = malloc(n + 1);
        if (!copy)
            return;
        got = fread(copy, 1, n, stdin);
        copy[got] = 0;
        parse_form(copy);
        free(copy);
    }
}

/* ---------------------------------------------------------------- output */

static void html_out(const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '<': fputs("&lt;", stdout); break;
        case '>': fputs("&gt;", stdout); break;
        case '&': fputs("&amp;", stdout); break;
        default:  putchar(*s);
        }
    }
}

static int show_command(const char *cmd)
{
    char line[256];
    FILE *p = popen(cmd, "r");

    if (!p) {
        printf("<p class=err>cannot start the test</p>\n");
        return -1;
    }
    printf("<pre>\n");
    while (fgets(line, sizeof(line), p))
        html_out(line);
    printf("</pre>\n");
    return pclose(p);
}

/* put a value between single quotes for the shell */
static int quote(char *out, size_t size, const char *in)
{
    size_t o = 0;

    if (size < 8)
        return -1;
    out[o++] = '\'';
    for (; *in; in++) {
        if (o + 6 > size)
            return -1;
        if (*in == '\'') {
            memcpy(out + o, "'\\''", 4);
            o += 4;
            continue;
        }
        out[o++] = *in;
    }
    out[o++] = '\'';
    out[o] = 0;
    return 0;
}

/* ---------------------------------------------------------------- actions */

static int host_arg(char *out, size_t size)
{
    const char *h = param_get("host", "");

    if (!*h || strlen(h) > 120 || quote(out, size, h) < 0) {
        printf("<p class=err>Please enter a host name or an address.</p>\n");
        return -1;
    }
    return 0;
}

static void act_ping(void)
{
    char h[256], cmd[400];

    if (host_arg(h, sizeof(h)) < 0)
        return;
    snprintf(cmd, sizeof(cmd), "ping -c %d -- %s 2>&1", param_int("count", 4, 1, 20), h);
    show_command(cmd);
}

static void act_trace(void)
{
    char h[256], cmd[400];

    if (host_arg(h, sizeof(h)) < 0)
        return;
    snprintf(cmd, sizeof(cmd), "traceroute -m %d -- %s 2>&1", param_int("hops", 15, 1, 30), h);
    show_command(cmd);
}

static void act_lookup(void)
{
    char h[256], cmd[400];

    if (host_arg(h, sizeof(h)) < 0)
        return;
    snprintf(cmd, sizeof(cmd), "nslookup %s 2>&1", h);
    show_command(cmd);
}

static void act_levels(void)
{
    FILE *f = fopen("/proc/docsis/levels", "r");
    char line[160];

    if (!f) {
        printf("<p>No levels at the moment.</p>\n");
        return;
    }
    printf("<pre>");
    while (fgets(line, sizeof(line), f))
        html_out(line);
    printf("</pre>");
    fclose(f);
}

static const struct {
    const char *name;
    const char *title;
    void (*fn)(void);
} actions[] = {
    { "ping",   "Ping",            act_ping   },
    { "trace",  "Trace route",     act_trace  },
    { "lookup", "Name lookup",     act_lookup },
    { "levels", "Channel levels",  act_levels },
};

int main(void)
{
    const char *a;
    unsigned i;
    time_t now = time(NULL);

    read_request();
    a = param_get("action", "levels");
    printf("Content-Type: text/html\r\nCache-Control: no-cache\r\n\r\n");
    printf("<html><head><title>Diagnostics</title></head><body>\n");
    for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, a))
            continue;
        printf("<h2>%s</h2>\n", actions[i].title);
        fflush(stdout);
        actions[i].fn();
        break;
    }
    printf("<hr>%s</body></html>\n", ctime(&now));
    return 0;
}
