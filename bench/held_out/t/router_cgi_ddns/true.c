/*
 * apply.cgi : settings back end of the web pages
 * environment: REQUEST_METHOD, CONTENT_LENGTH, REMOTE_ADDR
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/file.h>

#define CFG_PATH   "/var/etc/web.cfg"
#define LOG_PATH   "/var/log/apply.log"
#define MAX_BODY   4096
#define MAX_VARS   32
#define MAX_CFG    64

struct var { char *key; char *val; };

static struct var form[MAX_VARS];
static int nform;

static struct { char key[32]; char val[160]; } cfg[MAX_CFG];
static int ncfg;

/* ------------------------------------------------------------ logging */

static void weblog(const char *what, const char *detail)
{
    FILE *f = fopen(LOG_PATH, "a");
    const char *ip = getenv("REMOTE_ADDR");

    if (!f)
        return;
    fprintf(f, "%ld %s %s %s\n", (long)time(NULL), ip ? ip : "-", what, detail);
    fclose(f);
}

/* ------------------------------------------------------------ config */

static const char *cfg_get(const char *key, const char *def)
{
    int i;

    for (i = 0; i < ncfg; i++)
        if (!strcmp(cfg[i].key, key))
            return cfg[i].val;
    return def;
}

static int cfg_set(const char *key, const char *val)
{
    int i;

    for (i = 0; i < ncfg; i++)
        if (!strcmp(cfg[i].key, key))
            break;
    if (i == ncfg) {
        if (ncfg == MAX_CFG)
            return -1;
        ncfg++;
        snprintf(cfg[i].key, sizeof(cfg[i].key), "%s", key);
    }
    snprintf(cfg[i].val, sizeof(cfg[i].val), "%s", val);
    return 0;
}

static void cfg_load(void)
{
    char line[256], *eq;
    FILE *f = fopen(CFG_PATH, "r");

    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\r\n")] = '\0';
        eq = strchr(line, '=');
        if (!eq)
            continue;
        *eq++ = '\0';
        cfg_set(line, eq);
    }
    fclose(f);
}

static int cfg_commit(void)
{
    FILE *f = fopen(CFG_PATH ".new", "w");
    int i;

    if (!f)
        return -1;
    for (i = 0; i < ncfg; i++)
        fprintf(f, "%s=%s\n", cfg[i].key, cfg[i].val);
    fclose(f);
    return rename(CFG_PATH ".new", CFG_PATH);
}

/* ------------------------------------------------------------ form */

static int hexval(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void url_decode(char *s)
{
    char *d = s;

    while (*s) {
        if (*s == '+') {
            *d++ = ' ';
            s++;
        } else if (*s == '%' && hexval(s[1] & 255) >= 0 && hexval(s[2] & 255) >= 0) {
            *d++ = hexval(s[1] & 255) * 16 + hexval(s[2] & 255);
            s += 3;
        } else
            *d++ = *s++;
    }
    *d = '\0';
}

static void form_parse(char *body)
{
    char *tok, *save = NULL, *eq;

    for (tok = strtok_r(body, "&", &save); tok && nform < MAX_VARS;
         tok = strtok_r(NULL, "&", &save)) {
        eq = strchr(tok, '=');
        if (!eq)
            continue;
        *eq++ = '\0';
        url_decode(tok);
        url_decode(eq);
        form[nform].key = tok;
        form[nform++].val = eq;
    }
}

static const char *form_get(const char *key)
{
    int i;

    for (i = 0; i < nform; i++)
        if (!strcmp(form[i].key, key))
            return form[i].val;
    return "";
}

static void reply(int ok, const char *msg)
{
    printf("Content-Type: application/json\r\nCache-Control: no-cache\r\n\r\n");
    printf("{\"result\":%d,\"message\":\"%s\"}\n", ok ? 0 : 1, msg);
}

/* ------------------------------------------------------------ actions */

static int hostname_ok(const char *s)
{
    size_t n = strlen(s);

    if (n == 0 || n > 128)
        return 0;
    return strpbrk(s, ";|&<>'\"\\ \t\r\n") == NULL;
}

static void ddns_update(void)
{
    char cmd[320], line[128], status[64] = "unknown";
    FILE *p;

    snprintf(cmd, sizeof(cmd), "/usr/sbin/ddnsc -i wan0 -n \"%s\" 2>&1",
             cfg_get("ddns_host", "localhost"));
    p = popen(cmd, "r");
    if (!p) {
        weblog("ddns", "popen failed");
        return;
    }
    while (fgets(line, sizeof(line), p))
        if (!strncmp(line, "status:", 7)) {
            line[strcspn(line, "\r\n")] = '\0';
            snprintf(status, sizeof(status), "%s", line + 7);
        }
    pclose(p);
    weblog("ddns", status);
}

static int act_ddns(void)
{
    const char *host = form_get("hostname");

    if (!strcmp(form_get("enable"), "0")) {
        cfg_set("ddns_on", "0");
        return cfg_commit();
    }
    if (!hostname_ok(host)) {
        weblog("ddns", "bad host name");
        return -1;
    }
    cfg_set("ddns_on", "1");
    cfg_set("ddns_host", host);
    cfg_commit();
    ddns_update();
    return 0;
}

static int act_lan(void)
{
    unsigned a, b, c, d;
    char ip[16];

    if (sscanf(form_get("lan_ip"), "%3u.%3u.%3u.%3u", &a, &b, &c, &d) != 4 ||
        a > 223 || b > 255 || c > 255 || d > 254)
        return -1;
    snprintf(ip, sizeof(ip), "%u.%u.%u.%u", a, b, c, d);
    cfg_set("lan_ip", ip);
    return cfg_commit();
}

static int act_led(void)
{
    cfg_set("led", atoi(form_get("on")) ? "1" : "0");
    return cfg_commit();
}

static const struct action {
    const char *name;
    int (*run)(void);
} actions[] = {
    { "lan_set",  act_lan },
    { "led_set",  act_led },
    { "ddns_set", act_ddns },
    { NULL, NULL }
};

int main(void)
{
    static char body[MAX_BODY + 1];
    const char *method = getenv("REQUEST_METHOD");
    const char *cl = getenv("CONTENT_LENGTH");
    const struct action *a;
    const char *name;
    long len;
    size_t got;

    if (!method || strcmp(method, "POST") || !cl) {
        reply(0, "post only");
        return 0;
    }
    len = strtol(cl, NULL, 10);
    if (len <= 0 || len > MAX_BODY) {
        reply(0, "bad length");
        return 0;
    }
    got = fread(body, 1, (size_t)len, stdin);
    body[got] = '\0';
    cfg_load();
    form_parse(body);
    name = form_get("action");
    for (a = actions; a->name; a++)
        if (!strcmp(a->name, name)) {
            if (a->run() == 0)
                reply(1, "saved");
            else
                reply(0, "invalid value");
            return 0;
        }
    reply(0, "unknown action");
    return 0;
}
