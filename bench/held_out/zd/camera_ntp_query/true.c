// time.cgi : time settings page of the dome camera
//   GET /cgi-bin/time.cgi?action=set&server=pool.ntp.org&tz=3&interval=12
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <unistd.h>
#include <errno.h>
#include <time.h>
#include <sys/file.h>

#define CONF_PATH   "/tmp/camera_time.conf"
#define LOG_PATH    "/tmp/camera_cgi.log"
#define MAX_KEYS    16
#define MAX_PARAMS  12

typedef struct { char key[24]; char val[128]; } KeyVal;

static KeyVal g_store[MAX_KEYS];
static int    g_storeCount;

typedef struct { char *name; char *value; } Param;
static Param g_params[MAX_PARAMS];
static int   g_paramCount;

static const char *g_zones[] = {
    "UTC", "WET-1", "CET-1CEST", "EET-2EEST", "MSK-3", "GST-4", "IST-5:30",
    "CST-8", "JST-9", "AEST-10"
};
#define ZONE_COUNT ((int)(sizeof g_zones / sizeof g_zones[0]))

static void logLine(const char *what, int code)
{
    FILE *fp = fopen(LOG_PATH, "a");
    time_t t = time(NULL);
    char stamp[32];

    if (fp == NULL)
        return;
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", localtime(&t));
    fprintf(fp, "%s time.cgi %s %d\n", stamp, what, code);
    fclose(fp);
}

/* ------------------------------------------------------------------ */
/* settings                                                           */

static KeyVal *confFind(const char *key)
{
    for (int i = 0; i < g_storeCount; i++)
        if (strcmp(g_store[i].key, key) == 0)
            return &g_store[i];
    return NULL;
}

static int confSet(const char *key, const char *val)
{
    KeyVal *kv = confFind(key);

    if (kv == NULL) {
        if (g_storeCount >= MAX_KEYS)
            return -1;
        kv = &g_store[g_storeCount++];
        snprintf(kv->key, sizeof kv->key, "%s", key);
    }
    snprintf(kv->val, sizeof kv->val, "%s", val);
    return 0;
}

static void confSetInt(const char *key, int n)
{
    char tmp[16];
    snprintf(tmp, sizeof tmp, "%d", n);
    confSet(key, tmp);
}

static const char *confGet(const char *key, const char *dflt)
{
    KeyVal *kv = confFind(key);
    return kv != NULL && kv->val[0] != '\0' ? kv->val : dflt;
}

static int confSave(void)
{
    FILE *fp = fopen(CONF_PATH, "w");

    if (fp == NULL)
        return -1;
    flock(fileno(fp), LOCK_EX);
    for (int i = 0; i < g_storeCount; i++)
        fprintf(fp, "%s=%s\n", g_store[i].key, g_store[i].val);
    return fclose(fp);
}

/* ------------------------------------------------------------------ */
/* request                                                            */

static int hexDigit(int c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = tolower(c);
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

static void urlDecode(char *s)
{
    char *w = s;

    while (*s != '\0') {
        if (*s == '%' && hexDigit((unsigned char)s[1]) >= 0
                      && hexDigit((unsigned char)s[2]) >= 0) {
            *w++ = (char)(hexDigit((unsigned char)s[1]) << 4 | hexDigit((unsigned char)s[2]));
            s += 3;
        } else if (*s == '+') {
            *w++ = ' ';
            s++;
        } else {
            *w++ = *s++;
        }
    }
    *w = '\0';
}

static void splitQuery(char *q)
{
    char *save = NULL;

    for (char *t = strtok_r(q, "&", &save); t != NULL && g_paramCount < MAX_PARAMS;
         t = strtok_r(NULL, "&", &save)) {
        char *eq = strchr(t, '=');
        if (eq == NULL)
            continue;
        *eq = '\0';
        g_params[g_paramCount].name = t;
        g_params[g_paramCount].value = eq + 1;
        g_paramCount++;
    }
}

static char *param(const char *name)
{
    for (int i = 0; i < g_paramCount; i++)
        if (strcmp(g_params[i].name, name) == 0)
            return g_params[i].value;
    return NULL;
}

/* host name or address; IPv6 addresses come with their colons */
static int isHost(const char *s)
{
    size_t n = strlen(s);

    if (n == 0 || n > 100 || s[0] == '-')
        return 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (!isalnum(c) && c != '.' && c != '-' && c != '%')
            return 0;
    }
    return 1;
}

static void head(const char *status)
{
    printf("Status: %s\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n\r\n", status);
}

static int syncNow(void)
{
    char cmd[256], line[160];
    FILE *p;
    int rc;

    snprintf(cmd, sizeof cmd, "ntpdate -u -t 2 %s 2>&1", confGet("ntp.server", "pool.ntp.org"));
    fflush(stdout);
    p = popen(cmd, "r");
    if (p == NULL)
        return -1;
    while (fgets(line, sizeof line, p) != NULL)
        printf("# %s", line);
    rc = pclose(p);
    logLine("sync", rc);
    return rc;
}

static int doGet(void)
{
    head("200 OK");
    printf("server=%s\n", confGet("ntp.server", "pool.ntp.org"));
    printf("tz=%s\n", confGet("tz", "UTC"));
    printf("interval=%s\n", confGet("ntp.interval", "24"));
    return 0;
}

static int doSet(void)
{
    char *server = param("server");
    char *tz = param("tz");
    char *iv = param("interval");

    if (server != NULL) {
        if (!isHost(server)) {
            head("400 Bad Request");
            puts("bad server");
            return 1;
        }
        urlDecode(server);
        confSet("ntp.server", server);
    }
    if (tz != NULL) {
        int z = atoi(tz);
        if (z < 0 || z >= ZONE_COUNT) {
            head("400 Bad Request");
            puts("bad zone");
            return 1;
        }
        confSet("tz", g_zones[z]);
    }
    if (iv != NULL) {
        int h = atoi(iv);
        if (h < 1 || h > 168)
            h = 24;
        confSetInt("ntp.interval", h);
    }
    if (confSave() != 0)
        logLine("save", errno);
    head("200 OK");
    puts("saved");
    syncNow();
    return 0;
}

static int doNow(void)
{
    time_t t = time(NULL);

    head("200 OK");
    printf("now=%ld\n%s", (long)t, ctime(&t));
    return 0;
}

static const struct { const char *name; int (*fn)(void); } g_actions[] = {
    { "get", doGet }, { "set", doSet }, { "now", doNow },
};

int main(void)
{
    const char *method = getenv("REQUEST_METHOD");
    const char *qs = getenv("QUERY_STRING");
    const char *act;
    char *copy;

    if (method == NULL || strcmp(method, "GET") != 0 || qs == NULL) {
        head("405 Method Not Allowed");
        return 0;
    }
    if (strlen(qs) > 1024) {
        head("414 URI Too Long");
        return 0;
    }
    copy = strdup(qs);
    if (copy == NULL)
        return 1;
    splitQuery(copy);
    act = param("action");
    if (act == NULL)
        act = "get";
    for (size_t i = 0; i < sizeof g_actions / sizeof g_actions[0]; i++) {
        if (strcmp(act, g_actions[i].name) == 0) {
            int rc = g_actions[i].fn();
            logLine(g_actions[i].name, rc);
            free(copy);
            return 0;
        }
    }
    head("404 Not Found");
    free(copy);
    return 0;
}
