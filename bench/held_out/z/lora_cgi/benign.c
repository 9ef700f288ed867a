/* lora.cgi - LoRa gateway: packet forwarder settings page */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <time.h>
#include <sys/file.h>
#include <unistd.h>

#define CONF      "/etc/lora/forwarder.conf"
#define LOGFILE   "/var/log/lora_cgi.log"
#define BODY_MAX  4096

typedef struct node {
    char *name;
    char *value;
    struct node *next;
} node;

static node *params;     /* what the browser sent            */
static node *settings;   /* what is in the file              */
static int   n_changed;

static void put(node **list, const char *name, const char *value)
{
    node *n;
    for (n = *list; n; n = n->next)
        if (!strcmp(n->name, name)) {
            free(n->value);
            n->value = strdup(value);
            return;
        }
    n = malloc(sizeof *n);
    if (!n) exit(1);
    n->name = strdup(name);
    n->value = strdup(value);
    n->next = *list;
    *list = n;
}

static const char *get(node *list, const char *name, const char *dflt)
{
    for (; list; list = list->next)
        if (!strcmp(list->name, name))
            return list->value;
    return dflt;
}

static void logline(const char *what, const char *arg)
{
    FILE *f = fopen(LOGFILE, "a");
    const char *ip = getenv("REMOTE_ADDR");
    if (!f) return;
    fprintf(f, "%ld %s %s %s\n", (long)time(NULL), ip ? ip : "-", what, arg);
    fclose(f);
}

static void load_settings(void)
{
    char line[256], *eq;
    FILE *f = fopen(CONF, "r");
    if (!f) return;
    flock(fileno(f), LOCK_SH);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        if (line[0] == '#' || !(eq = strchr(line, '=')))
            continue;
        *eq = 0;
        put(&settings, line, eq + 1);
    }
    fclose(f);
}

static void save_settings(void)
{
    node *n;
    FILE *f = fopen(CONF, "w");
    if (!f) return;
    flock(fileno(f), LOCK_EX);
    for (n = settings; n; n = n->next)
        fprintf(f, "%s=%s\n", n->name, n->value);
    fclose(f);
}

static int hexval(int c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void unescape(char *s)
{
    char *w = s;
    while (*s) {
        if (*s == '+') {
            *w++ = ' ';
            s++;
        } else if (*s == '%' && hexval((unsigned char)s[1]) >= 0 && hexval((unsigned char)s[2]) >= 0) {
            *w++ = (char)(hexval((unsigned char)s[1]) * 16 + hexval((unsigned char)s[2]));
            s += 3;
        } else
            *w++ = *s++;
    }
    *w = 0;
}

static void split_form(char *body)
{
    char *pair, *eq;
    for (pair = strtok(body, "&"); pair; pair = strtok(NULL, "&")) {
        eq = strchr(pair, '=');
        if (!eq) continue;
        *eq++ = 0;
        unescape(pair);
        unescape(eq);
        put(&params, pair, eq);
    }
}

static int read_form(void)
{
    const char *cl = getenv("CONTENT_LENGTH"), *m = getenv("REQUEST_METHOD");
    static char body[BODY_MAX + 1];
    long want;
    size_t got;

    if (!m || strcasecmp(m, "POST") || !cl)
        return -1;
    want = atol(cl);
    if (want <= 0 || want > BODY_MAX)
        return -1;
    got = fread(body, 1, (size_t)want, stdin);
    body[got] = 0;
    split_form(body);
    return 0;
}

static void change(const char *key, const char *val)
{
    if (strcmp(get(settings, key, ""), val)) {
        put(&settings, key, val);
        n_changed++;
        logline("set", key);
    }
}

/* ------------------------------------------------ the individual fields */

static int f_region(const char *v)
{
    static const char *const plans[] = {
        "EU868", "US915", "AU915", "AS923", "IN865", "KR920", NULL
    };
    int i;
    for (i = 0; plans[i]; i++)
        if (!strcasecmp(v, plans[i])) {
            change("region", plans[i]);
            return 0;
        }
    return -1;
}

static int f_power(const char *v)
{
    char t[8];
    int p = atoi(v);
    if (p < 2 || p > 27) return -1;
    snprintf(t, sizeof t, "%d", p);
    change("power", t);
    return 0;
}

static int f_eui(const char *v)
{
    size_t i;
    if (strlen(v) != 16) return -1;
    for (i = 0; i < 16; i++)
        if (!isxdigit((unsigned char)v[i])) return -1;
    change("eui", v);
    return 0;
}

static const struct field {
    const char *name;
    int (*set)(const char *);
} fields[] = {
    { "region", f_region },
    { "power",  f_power  },
    { "eui",    f_eui    },
};

static int restart_forwarder(void)
{
    char *cmd;
    size_t n;
    int rc;
    const char *region = get(params, "region", NULL) ? get(settings, "region", "EU868") : "auto";
    const char *eui = get(params, "eui", NULL) ? get(settings, "eui", "0") : "0";

    n = strlen(region) + strlen(eui) + 80;
    cmd = malloc(n);
    if (!cmd) return -1;
    snprintf(cmd, n, "/etc/init.d/lora_fwd restart %s %s >/dev/null 2>&1", region, eui);
    rc = system(cmd);
    free(cmd);
    return rc;
}

int main(void)
{
    size_t i;
    const char *v, *bad = NULL;

    printf("Content-Type: text/html\r\nCache-Control: no-store\r\n\r\n");
    load_settings();
    if (read_form() == 0) {
        for (i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            v = get(params, fields[i].name, NULL);
            if (v && fields[i].set(v) < 0)
                bad = fields[i].name;
        }
        if (bad) {
            printf("<p class=err>Field %s is not valid.</p>\n", bad);
            logline("rejected", bad);
        } else if (n_changed) {
            save_settings();
            printf("<p>%s</p>\n", restart_forwarder() ? "Restart failed" : "Saved");
        }
    }
    printf("<form method=post>\n");
    for (i = 0; i < sizeof fields / sizeof fields[0]; i++)
        printf("%s <input name=%s><br>\n", fields[i].name, fields[i].name);
    printf("<input type=submit></form>\n");
    return 0;
}
