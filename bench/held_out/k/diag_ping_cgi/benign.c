#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>

#define MAX_POST  4096
#define MAX_PARAM 24
#define LOGF      "/tmp/diag.log"

typedef struct {
    char *key;
    char *val;
} param_t;

static param_t  g_param[MAX_PARAM];
static int      g_nparam;

static int hexv(int c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

static void url_decode(char *s)
{
    char *d = s;

    while (*s) {
        if (*s == '+') {
            *d++ = ' ';
            s++;
        } else if (*s == '%' && hexv((unsigned char)s[1]) >= 0 && hexv((unsigned char)s[2]) >= 0) {
            *d++ = (char)(hexv((unsigned char)s[1]) * 16 + hexv((unsigned char)s[2]));
            s += 3;
        } else {
            *d++ = *s++;
        }
    }
    *d = 0;
}

static void parse_params(char *q)
{
    char *item, *sv = NULL, *eq;

    for (item = strtok_r(q, "&", &sv); item; item = strtok_r(NULL, "&", &sv)) {
        if (g_nparam >= MAX_PARAM)
            break;
        eq = strchr(item, '=');
        if (!eq)
            continue;
        *eq = 0;
        url_decode(item);
        url_decode(eq + 1);
        g_param[g_nparam].key = item;
        g_param[g_nparam].val = eq + 1;
        g_nparam++;
    }
}

static const char *param(const char *k, const char *dflt)
{
    int i;

    for (i = 0; i < g_nparam; i++)
        if (!strcmp(g_param[i].key, k))
            return g_param[i].val;
    return dflt;
}

static int param_int(const char *k, int lo, int hi, int dflt)
{
    const char *v = param(k, NULL);
    int n;

    if (!v || !*v)
        return dflt;
    n = atoi(v);
    if (n < lo) n = lo;
    if (n > hi) n = hi;
    return n;
}

static void html(const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '<': fputs("&lt;", stdout); break;
        case '>': fputs("&gt;", stdout); break;
        case '&': fputs("&amp;", stdout); break;
        case '"': fputs("&quot;", stdout); break;
        default:  putchar(*s);
        }
    }
}

static void note(const char *what, const char *dest)
{
    FILE *f = fopen(LOGF, "a");
    if (!f)
        return;
    fprintf(f, "%ld %s %.64s\n", (long)time(NULL), what, dest);
    fclose(f);
}

static void page_start(const char *title)
{
    printf("Content-type: text/html\r\nCache-Control: no-cache\r\n\r\n");
    printf("<html><head><title>%s</title></head><body><h3>%s</h3>\n", title, title);
}

static void page_end(void)
{
    printf("</body></html>\n");
}

static int dest_valid(const char *d)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-";
    const char *p;

    if (!*d || strlen(d) > 64)
        return 0;
    if (*d == '-')
        return 0;
    for (p = d; *p; p++)
        if (!strchr(good, *p))
            return 0;
    return 1;
}

static int show(const char *cmd)
{
    char line[256];
    FILE *p;
    int rows = 0;

    fflush(stdout);
    p = popen(cmd, "r");
    if (!p) {
        printf("<p>internal error</p>\n");
        return -1;
    }
    printf("<pre>");
    while (fgets(line, sizeof line, p)) {
        html(line);
        if (++rows % 4 == 0)
            fflush(stdout);
    }
    printf("</pre>\n");
    return pclose(p);
}

static void do_ping(void)
{
    const char *dest = param("dest", "");
    int count = param_int("count", 1, 20, 4);
    int size = param_int("size", 8, 1472, 56);
    char cmd[192];

    page_start("Ping");
    if (!dest_valid(dest)) {
        printf("<p>Invalid destination: ");
        html(dest);
        printf("</p>\n");
        page_end();
        return;
    }
    note("ping", dest);
    snprintf(cmd, sizeof cmd, "ping -c %d -s %d %s 2>&1", count, size, dest);
    if (show(cmd) != 0)
        printf("<p>no answer</p>\n");
    page_end();
}

static void do_trace(void)
{
    const char *dest = param("dest", "");
    int hops = param_int("hops", 1, 64, 30);
    char cmd[192];

    page_start("Traceroute");
    if (!dest_valid(dest)) {
        printf("<p>Invalid destination</p>\n");
        page_end();
        return;
    }
    note("trace", dest);
    snprintf(cmd, sizeof cmd, "traceroute -m %d -w 3 %s 2>&1", hops, dest);
    show(cmd);
    page_end();
}

static void do_arp(void)
{
    page_start("ARP table");
    show("cat /proc/net/arp");
    page_end();
}

static void do_history(void)
{
    FILE *f = fopen(LOGF, "r");
    char line[160];

    page_start("History");
    printf("<pre>");
    while (f && fgets(line, sizeof line, f))
        html(line);
    printf("</pre>");
    if (f)
        fclose(f);
    page_end();
}

static const struct {
    const char *act;
    void (*run)(void);
} pages[] = {
    { "ping", do_ping },
    { "trace", do_trace },
    { "arp", do_arp },
    { "history", do_history },
};

int main(void)
{
    const char *m = getenv("REQUEST_METHOD");
    const char *cl = getenv("CONTENT_LENGTH");
    char *buf;
    long len = cl ? atol(cl) : 0;
    size_t got;
    unsigned i;

    if (!m || strcasecmp(m, "POST") || len <= 0 || len > MAX_POST) {
        printf("Status: 400 Bad Request\r\n\r\n");
        return 0;
    }
    buf = malloc(len + 1);
    if (!buf)
        return 1;
    got = fread(buf, 1, len, stdin);
    buf[got] = 0;
    buf[strcspn(buf, "\r\n")] = 0;
    parse_params(buf);
    for (i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (!strcmp(param("action", "history"), pages[i].act)) {
            pages[i].run();
            return 0;
        }
    }
    page_start("Diagnostics");
    printf("<p>unknown action</p>");
    page_end();
    return 0;
}
