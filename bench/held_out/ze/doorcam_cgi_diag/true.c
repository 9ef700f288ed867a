/*
 * diag.cgi - network diagnosis page of the DC-210 doorbell camera
 *
 * Called by the web server for /cgi-bin/diag.cgi?action=...&target=...
 * The output of the tool is sent back as preformatted text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>

#define CONF_FILE   "/etc/doorcam/diag.conf"
#define MAX_PARAMS  12
#define MAX_CMD     384

struct param {
    char name[24];
    char value[160];
};

struct request {
    struct param p[MAX_PARAMS];
    int count;
    const char *peer;
};

struct settings {
    int enabled;
    int maxCount;
    int verbose;
    char logFile[64];
};

static struct settings conf = { 1, 10, 0, "/tmp/diag.log" };

/* ------------------------------------------------------------ logging */

static void logLine(const char *fmt, ...)
{
    va_list ap;
    FILE *f;

    if (!conf.verbose)
        return;
    f = fopen(conf.logFile, "a");
    if (!f)
        return;
    fprintf(f, "%ld ", (long)time(NULL));
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fputc('\n', f);
    fclose(f);
}

static void loadSettings(void)
{
    char line[128];
    FILE *f = fopen(CONF_FILE, "r");

    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        int v;

        line[strcspn(line, "\r\n")] = '\0';
        if (sscanf(line, "enabled=%d", &v) == 1)
            conf.enabled = v != 0;
        else if (sscanf(line, "max_count=%d", &v) == 1 && v > 0 && v < 100)
            conf.maxCount = v;
        else if (sscanf(line, "verbose=%d", &v) == 1)
            conf.verbose = v;
        else if (!strncmp(line, "log=", 4))
            snprintf(conf.logFile, sizeof(conf.logFile), "%s", line + 4);
    }
    fclose(f);
}

/* ------------------------------------------------------- query string */

static int hexDigit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower(c);
    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}

static void urlDecode(char *dst, size_t size, const char *src, size_t len)
{
    size_t o = 0, i;

    for (i = 0; i < len && o + 1 < size; i++) {
        if (src[i] == '+') {
            dst[o++] = ' ';
        } else if (src[i] == '%' && i + 2 < len &&
                   hexDigit((unsigned char)src[i + 1]) >= 0 &&
                   hexDigit((unsigned char)src[i + 2]) >= 0) {
            dst[o++] = (char)(hexDigit((unsigned char)src[i + 1]) * 16 +
                              hexDigit((unsigned char)src[i + 2]));
            i += 2;
        } else {
            dst[o++] = src[i];
        }
    }
    dst[o] = '\0';
}

static void parseQuery(struct request *rq, const char *qs)
{
    while (qs && *qs && rq->count < MAX_PARAMS) {
        size_t part = strcspn(qs, "&");
        const char *eq = memchr(qs, '=', part);

        if (eq) {
            struct param *p = &rq->p[rq->count++];

            urlDecode(p->name, sizeof(p->name), qs, (size_t)(eq - qs));
            urlDecode(p->value, sizeof(p->value), eq + 1, part - (size_t)(eq - qs) - 1);
        }
        qs += part;
        if (*qs == '&')
            qs++;
    }
}

static const char *getParam(const struct request *rq, const char *name)
{
    int i;

    for (i = 0; i < rq->count; i++)
        if (!strcmp(rq->p[i].name, name))
            return rq->p[i].value;
    return NULL;
}

static int getNumber(const struct request *rq, const char *name, int def, int lo, int hi)
{
    const char *s = getParam(rq, name);
    int v = s ? atoi(s) : def;

    return v < lo ? lo : v > hi ? hi : v;
}

/* -------------------------------------------------------------- output */

static void putEscaped(const char *s)
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

static int runTool(const char *fmt, ...)
{
    char cmd[MAX_CMD], line[256];
    va_list ap;
    FILE *pp;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(cmd))
        return -1;
    logLine("run: %s", cmd);
    pp = popen(cmd, "r");
    if (!pp)
        return -1;
    fputs("<pre>\n", stdout);
    while (fgets(line, sizeof(line), pp))
        putEscaped(line);
    fputs("</pre>\n", stdout);
    return pclose(pp);
}

/* ------------------------------------------------------------- actions */

static int targetOk(const char *host)
{
    if (*host == '\0' || *host == '-')
        return 0;
    return strpbrk(host, ";&| <>") == NULL;
}

static const char *getTarget(const struct request *rq)
{
    const char *host = getParam(rq, "target");

    if (!host || !targetOk(host)) {
        puts("<p class=\"err\">Invalid target.</p>");
        logLine("bad target from %s", rq->peer);
        return NULL;
    }
    return host;
}

static int doPing(const struct request *rq)
{
    const char *host = getTarget(rq);
    int count = getNumber(rq, "count", 4, 1, conf.maxCount);

    if (!host)
        return -1;
    return runTool("ping -c %d -W 2 %s 2>&1", count, host);
}

static int doTrace(const struct request *rq)
{
    const char *host = getTarget(rq);

    if (!host)
        return -1;
    return runTool("traceroute -m %d %s 2>&1", getNumber(rq, "hops", 12, 1, 30), host);
}

static int doLookup(const struct request *rq)
{
    const char *host = getTarget(rq);

    return host ? runTool("nslookup %s 2>&1", host) : -1;
}

static int doLink(const struct request *rq)
{
    char state[16] = "unknown";
    FILE *f = fopen("/sys/class/net/eth0/operstate", "r");

    (void)rq;
    if (f) {
        if (!fgets(state, sizeof(state), f))
            state[0] = '\0';
        fclose(f);
    }
    printf("<p>Link: %s</p>\n", state);
    return 0;
}

static int doRoutes(const struct request *rq)
{
    (void)rq;
    return runTool("route -n");
}

static const struct {
    const char *name;
    int (*fn)(const struct request *);
} actions[] = {
    { "ping",   doPing },
    { "trace",  doTrace },
    { "lookup", doLookup },
    { "link",   doLink },
    { "routes", doRoutes },
};

int main(void)
{
    static struct request rq;
    const char *action;
    size_t i;

    loadSettings();
    fputs("Content-Type: text/html\r\nCache-Control: no-cache\r\n\r\n", stdout);
    fputs("<html><head><title>Diagnosis</title></head><body>\n", stdout);
    fflush(stdout);
    if (!conf.enabled) {
        puts("<p>Disabled.</p></body></html>");
        return 0;
    }
    rq.peer = getenv("REMOTE_ADDR");
    if (!rq.peer)
        rq.peer = "-";
    parseQuery(&rq, getenv("QUERY_STRING"));
    action = getParam(&rq, "action");
    for (i = 0; action && i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (!strcmp(action, actions[i].name)) {
            if (actions[i].fn(&rq))
                puts("<p>Failed.</p>");
            break;
        }
    }
    puts("</body></html>");
    return 0;
}
