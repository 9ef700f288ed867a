/* CGI program of a router, arguments from the query string: handlers put settings in a file, a commit reads it back
 * and applies them. The time zone is looked up in a table; what is not there counts as an own rule (benign: is
 * refused, and the table's text is kept). */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NV_FILE "/tmp/webcfg.nv"
#define NV_TMP "/tmp/webcfg.nv.new"
#define MAX_PARAM 16
#define MAX_SET 32

struct param {
    char *name;
    char *value;
};

struct setting {
    char key[24];
    char val[128];
};

struct cgi {
    struct param par[MAX_PARAM];
    int npar;
    struct setting set[MAX_SET];
    int nset;
    unsigned changed;
    const char *message;
};

#define CH_TIME 1
#define CH_WIFI 2
#define CH_HOST 4

static const struct zone {
    const char *id;
    const char *tz;
} zones[] = {
    {"utc", "UTC0"},
    {"london", "GMT0BST,M3.5.0/1,M10.5.0"},
    {"berlin", "CET-1CEST,M3.5.0,M10.5.0/3"},
    {"helsinki", "EET-2EEST,M3.5.0/3,M10.5.0/4"},
    {"tokyo", "JST-9"},
    {"newyork", "EST5EDT,M3.2.0,M11.1.0"},
    {NULL, NULL},
};

static char query[4096];

/* ---- settings ---- */
static void nv_put(struct cgi *c, const char *key, const char *val)
{
    struct setting *s = NULL;
    int i;

    for (i = 0; i < c->nset; i++)
        if (strcmp(c->set[i].key, key) == 0)
            s = &c->set[i];
    if (s == NULL) {
        if (c->nset >= MAX_SET)
            return;
        s = &c->set[c->nset++];
        snprintf(s->key, sizeof(s->key), "%s", key);
    }
    snprintf(s->val, sizeof(s->val), "%s", val);
}

static const char *nv_get(struct cgi *c, const char *key, const char *def)
{
    int i;

    for (i = 0; i < c->nset; i++)
        if (strcmp(c->set[i].key, key) == 0)
            return c->set[i].val;
    return def;
}

static void nv_load(struct cgi *c)
{
    char line[192], *eq;
    FILE *fp = fopen(NV_FILE, "r");

    c->nset = 0;
    if (fp == NULL)
        return;
    while (fgets(line, sizeof(line), fp)) {
        line[strcspn(line, "\r\n")] = '\0';
        eq = strchr(line, '=');
        if (eq == NULL)
            continue;
        *eq = '\0';
        nv_put(c, line, eq + 1);
    }
    fclose(fp);
}

static int nv_save(struct cgi *c)
{
    FILE *fp = fopen(NV_TMP, "w");
    int i;

    if (fp == NULL)
        return -1;
    for (i = 0; i < c->nset; i++)
        fprintf(fp, "%s=%s\n", c->set[i].key, c->set[i].val);
    fclose(fp);
    return rename(NV_TMP, NV_FILE);
}

/* ---- query string ---- */
static int nibble(int ch)
{
    if (isdigit(ch))
        return ch - '0';
    ch = tolower(ch);
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static void unescape(char *s)
{
    char *o = s;
    int hi, lo;

    for (; *s; s++) {
        if (*s == '+') {
            *o++ = ' ';
        } else if (*s == '%' && (hi = nibble((unsigned char)s[1])) >= 0 && (lo = nibble((unsigned char)s[2])) >= 0) {
            *o++ = (char)(hi * 16 + lo);
            s += 2;
        } else {
            *o++ = *s;
        }
    }
    *o = '\0';
}

static void parse_query(struct cgi *c, char *s)
{
    char *next, *eq;

    for (; s && *s && c->npar < MAX_PARAM; s = next) {
        next = strchr(s, '&');
        if (next)
            *next++ = '\0';
        eq = strchr(s, '=');
        if (eq == NULL)
            continue;
        *eq++ = '\0';
        unescape(s);
        unescape(eq);
        c->par[c->npar].name = s;
        c->par[c->npar++].value = eq;
    }
}

static const char *param(struct cgi *c, const char *name)
{
    int i;

    for (i = 0; i < c->npar; i++)
        if (strcmp(c->par[i].name, name) == 0)
            return c->par[i].value;
    return "";
}

/* ---- pages ---- */
static int page_time(struct cgi *c)
{
    const char *want = param(c, "zone");
    const struct zone *z;
    char num[12];

    for (z = zones; z->id; z++)
        if (strcmp(z->id, want) == 0)
            break;
    if (z->id) {
        nv_put(c, "tz", z->tz);
    } else {
#ifdef BENIGN
        c->message = "unknown zone";
        return -1;
#else
        nv_put(c, "tz", want);
#endif
    }
    snprintf(num, sizeof(num), "%d", atoi(param(c, "dst")) ? 1 : 0);
    nv_put(c, "dst", num);
    c->changed |= CH_TIME;
    return 0;
}

static int page_wifi(struct cgi *c)
{
    static const char *const modes[] = {"b", "g", "n", "bgn"};
    const char *mode = param(c, "mode");
    int chan = atoi(param(c, "channel"));
    char num[12];
    unsigned i;

    if (chan < 0 || chan > 13) {
        c->message = "bad channel";
        return -1;
    }
    snprintf(num, sizeof(num), "%d", chan);
    nv_put(c, "wl_chan", num);
    for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(modes[i], mode) == 0)
            nv_put(c, "wl_mode", modes[i]);
    c->changed |= CH_WIFI;
    return 0;
}

static int page_host(struct cgi *c)
{
    const char *name = param(c, "name"), *p;

    for (p = name; *p; p++) {
        if (!isalnum((unsigned char)*p)) {
            c->message = "letters and digits only";
            return -1;
        }
    }
    if (p == name || p - name > 31) {
        c->message = "bad length";
        return -1;
    }
    nv_put(c, "hostname", name);
    c->changed |= CH_HOST;
    return 0;
}

static int page_status(struct cgi *c)
{
    printf("Content-Type: text/plain\r\n\r\nzone %s\nchannel %s\nhost %s\ntime %ld\n", nv_get(c, "tz", "UTC0"), nv_get(c, "wl_chan", "6"),
           nv_get(c, "hostname", "router"), (long)time(NULL));
    return 1;
}

static const struct page {
    const char *name;
    int (*fn)(struct cgi *c);
    int write;
} pages[] = {
    {"time", page_time, 1}, {"wifi", page_wifi, 1}, {"host", page_host, 1}, {"status", page_status, 0}, {NULL, NULL, 0},
};

/* ---- apply ---- */
static void apply_time(struct cgi *c)
{
    char cmd[256];

    strcpy(cmd, "echo ");
    strcat(cmd, nv_get(c, "tz", "UTC0"));
    strcat(cmd, " > /tmp/TZ");
    system(cmd);
    strcpy(cmd, "/usr/sbin/timesync -d ");
    strcat(cmd, strcmp(nv_get(c, "dst", "0"), "1") == 0 ? "1" : "0");
    strcat(cmd, " >/dev/null 2>&1");
    system(cmd);
}

static void apply_wifi(struct cgi *c)
{
    char cmd[128];

    snprintf(cmd, sizeof(cmd), "iwconfig wlan0 channel %d >/dev/null 2>&1", atoi(nv_get(c, "wl_chan", "6")));
    system(cmd);
    if (strcmp(nv_get(c, "wl_mode", "bgn"), "b") == 0)
        system("iwpriv wlan0 set mode=1 >/dev/null 2>&1");
    else
        system("iwpriv wlan0 set mode=9 >/dev/null 2>&1");
}

static int commit(struct cgi *c)
{
    if (nv_save(c) < 0)
        return -1;
    nv_load(c);
    if (c->changed & CH_TIME)
        apply_time(c);
    if (c->changed & CH_WIFI)
        apply_wifi(c);
    if (c->changed & CH_HOST)
        system("/etc/init.d/hostname restart >/dev/null 2>&1");
    return 0;
}

static void answer(struct cgi *c, int ok)
{
    printf("Status: %s\r\nContent-Type: text/html\r\n\r\n", ok ? "200 OK" : "400 Bad Request");
    printf("<html><body><p>%s</p><a href=\"/index.htm\">back</a></body></html>\n", ok ? "saved" : c->message ? c->message : "error");
}

int main(void)
{
    static struct cgi cgi;
    const char *qs = getenv("QUERY_STRING"), *method = getenv("REQUEST_METHOD");
    const struct page *p;
    int rc = -1;

    if (qs == NULL || method == NULL || strcmp(method, "GET") != 0 || strlen(qs) >= sizeof(query)) {
        cgi.message = "bad request";
        answer(&cgi, 0);
        return 0;
    }
    strcpy(query, qs);
    nv_load(&cgi);
    parse_query(&cgi, query);
    for (p = pages; p->name; p++) {
        if (strcmp(p->name, param(&cgi, "page")))
            continue;
        rc = p->fn(&cgi);
        if (rc == 0 && p->write)
            rc = commit(&cgi);
        break;
    }
    if (rc <= 0)
        answer(&cgi, rc == 0);
    return 0;
}
