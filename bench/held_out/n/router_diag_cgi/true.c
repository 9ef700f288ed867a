/* diag.cgi - "Network tools" page of the WR841-class routers */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <unistd.h>
#include <time.h>
#include <sys/wait.h>

#define MAX_ARGS 16

struct qarg {
    char name[24];
    char value[128];
};

static struct qarg args[MAX_ARGS];
static int nargs;

static int hexv(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower(c);
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static void url_decode(char *out, size_t outsz, const char *in, size_t n)
{
    size_t o = 0, i;

    for (i = 0; i < n && o + 1 < outsz; i++) {
        if (in[i] == '+') {
            out[o++] = ' ';
        } else if (in[i] == '%' && i + 2 < n && hexv((unsigned char)in[i + 1]) >= 0 &&
                   hexv((unsigned char)in[i + 2]) >= 0) {
            out[o++] = (char)(hexv((unsigned char)in[i + 1]) * 16 + hexv((unsigned char)in[i + 2]));
            i += 2;
        } else {
            out[o++] = in[i];
        }
    }
    out[o] = 0;
}

static void parse_query(const char *qs)
{
    while (*qs && nargs < MAX_ARGS) {
        size_t len = strcspn(qs, "&");
        const char *eq = memchr(qs, '=', len);

        if (eq) {
            url_decode(args[nargs].name, sizeof(args[nargs].name), qs, eq - qs);
            url_decode(args[nargs].value, sizeof(args[nargs].value), eq + 1, qs + len - eq - 1);
            nargs++;
        }
        qs += len;
        if (*qs == '&')
            qs++;
    }
}

static const char *get_arg(const char *name, const char *def)
{
    int i;

    for (i = 0; i < nargs; i++)
        if (!strcmp(args[i].name, name))
            return args[i].value;
    return def;
}

static void log_access(const char *page)
{
    FILE *f = fopen("/tmp/cgi.log", "a");

    if (!f)
        return;
    fprintf(f, "%ld %s\n", (long)time(NULL), page);
    fclose(f);
}

static void html_escape_line(const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '<': fputs("&lt;", stdout); break;
        case '>': fputs("&gt;", stdout); break;
        case '&': fputs("&amp;", stdout); break;
        default: putchar(*s);
        }
    }
}

/* characters that must not get near the tools */
static int bad_chars(const char *s)
{
    return strpbrk(s, ";|&<>'\"\\ ") != NULL || s[0] == '-';
}

static void page_trace(void)
{
    const char *host = get_arg("host", "");
    int hops = atoi(get_arg("hops", "15"));
    char line[256];
    FILE *p;

    if (hops < 1 || hops > 30)
        hops = 15;
    if (!*host || bad_chars(host)) {
        puts("<p>Invalid host.</p>");
        return;
    }
    snprintf(line, sizeof(line), "traceroute -m %d %s 2>&1", hops, host);
    p = popen(line, "r");
    if (!p) {
        puts("<p>Internal error.</p>");
        return;
    }
    puts("<pre>");
    while (fgets(line, sizeof(line), p))
        html_escape_line(line);
    pclose(p);
    puts("</pre>");
}

static void page_arp(void)
{
    char line[160];
    FILE *f = fopen("/proc/net/arp", "r");

    puts("<pre>");
    while (f && fgets(line, sizeof(line), f))
        html_escape_line(line);
    if (f)
        fclose(f);
    puts("</pre>");
}

static void page_uptime(void)
{
    double up = 0;
    FILE *f = fopen("/proc/uptime", "r");

    if (f) {
        if (fscanf(f, "%lf", &up) != 1)
            up = 0;
        fclose(f);
    }
    printf("<p>Up %ld minutes</p>\n", (long)up / 60);
}

static const struct {
    const char *name;
    void (*show)(void);
} pages[] = {
    { "uptime", page_uptime },
    { "arp",    page_arp },
    { "trace",  page_trace },
};

int main(void)
{
    const char *qs = getenv("QUERY_STRING");
    const char *tool;
    size_t i;

    printf("Content-Type: text/html\r\nCache-Control: no-cache\r\n\r\n");
    if (!qs) {
        puts("<p>No request</p>");
        return 0;
    }
    parse_query(qs);
    tool = get_arg("tool", "uptime");
    puts("<html><body>");
    for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (!strcmp(tool, pages[i].name)) {
            log_access(pages[i].name);
            pages[i].show();
            break;
        }
    }
    puts("</body></html>");
    return 0;
}
