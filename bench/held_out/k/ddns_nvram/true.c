/* webd - settings pages and dynamic DNS of the gateway */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <ctype.h>
#include <signal.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define WEB_PORT 8081
#define NV_FILE  "/etc/nvram.conf"

struct nv_ent {
    struct nv_ent *next;
    char *name;
    char *value;
};

static struct nv_ent *nv_hash[16];
static volatile sig_atomic_t tick_pending;
static int ddns_left = 60;

static unsigned nv_slot(const char *name)
{
    unsigned h = 5381;

    while (*name)
        h = h * 33 + (unsigned char)*name++;
    return h & 15;
}

static const char *nv_get(const char *name)
{
    struct nv_ent *e;

    for (e = nv_hash[nv_slot(name)]; e; e = e->next)
        if (strcmp(e->name, name) == 0)
            return e->value;
    return "";
}

static int nv_get_int(const char *name, int def)
{
    const char *v = nv_get(name);

    return *v ? atoi(v) : def;
}

static int nv_set(const char *name, const char *value)
{
    struct nv_ent *e;
    unsigned s = nv_slot(name);
    char *copy = strdup(value);

    if (!copy)
        return -1;
    for (e = nv_hash[s]; e; e = e->next) {
        if (strcmp(e->name, name) == 0) {
            free(e->value);
            e->value = copy;
            return 0;
        }
    }
    e = malloc(sizeof *e);
    if (e == NULL || (e->name = strdup(name)) == NULL) {
        free(e);
        free(copy);
        return -1;
    }
    e->value = copy;
    e->next = nv_hash[s];
    nv_hash[s] = e;
    return 0;
}

static void nv_load(void)
{
    FILE *f = fopen(NV_FILE, "r");
    char *line = NULL, *eq;
    size_t cap = 0;

    if (f == NULL)
        return;
    while (getline(&line, &cap, f) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        eq = strchr(line, '=');
        if (eq == NULL)
            continue;
        *eq++ = '\0';
        nv_set(line, eq);
    }
    free(line);
    fclose(f);
}

static void nv_commit(void)
{
    FILE *f = fopen(NV_FILE, "w");
    struct nv_ent *e;
    int i;

    if (f == NULL)
        return;
    for (i = 0; i < 16; i++)
        for (e = nv_hash[i]; e; e = e->next)
            fprintf(f, "%s=%s\n", e->name, e->value);
    fclose(f);
}

static int doSystem(const char *fmt, ...)
{
    char *cmd = NULL;
    va_list ap;
    int rc;

    va_start(ap, fmt);
    rc = vasprintf(&cmd, fmt, ap);
    va_end(ap);
    if (rc < 0)
        return -1;
    rc = system(cmd);
    free(cmd);
    return rc;
}

static void ddns_update(void)
{
    const char *host = nv_get("ddns_hostname");
    const char *user = nv_get("ddns_username");
    const char *pass = nv_get("ddns_passwd");
    int prov = nv_get_int("ddns_provider", 0);
    int period = nv_get_int("ddns_period", 600);
    static const char *const sys[] = {
        "dyndns@dyndns.org", "default@no-ip.com", "default@freedns.afraid.org", "default@zoneedit.com"
    };

    ddns_left = period < 60 ? 60 : period;
    if (nv_get_int("ddns_enable", 0) == 0 || *host == '\0')
        return;
    if (prov < 0 || prov > 3)
        prov = 0;
    doSystem("killall -q inadyn");
    doSystem("/usr/sbin/inadyn --username %s --password %s --alias %s --dyndns_system %s --iterations 1",
             user, pass, host, sys[prov]);
    doSystem("echo %ld > /var/run/ddns.last", (long)time(NULL));
}

static void on_alarm(int sig)
{
    (void)sig;
    tick_pending = 1;
}

static void run_timers(void)
{
    if (!tick_pending)
        return;
    tick_pending = 0;
    ddns_left -= 10;
    if (ddns_left <= 0)
        ddns_update();
}

static void unescape(char *s)
{
    char *o = s, h[3] = "";

    for (; *s; s++) {
        if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
            h[0] = s[1];
            h[1] = s[2];
            *o++ = (char)strtol(h, NULL, 16);
            s += 2;
        } else {
            *o++ = (*s == '+') ? ' ' : *s;
        }
    }
    *o = '\0';
}

struct page {
    const char *path;
    const char *const *keys;
    void (*apply)(void);
};

static void apply_ddns(void) { ddns_left = 10; }
static void apply_lan(void)
{
    int lease = nv_get_int("dhcp_lease", 1440);

    doSystem("echo 'lease %d' > /tmp/udhcpd.lease", lease);
}

static const char *const ddns_keys[] = {
    "ddns_enable", "ddns_provider", "ddns_hostname", "ddns_username", "ddns_passwd", "ddns_period", NULL
};
static const char *const lan_keys[] = { "dhcp_lease", "dhcp_enable", "lan_domain", NULL };

static const struct page pages[] = {
    { "/goform/setDdns", ddns_keys, apply_ddns },
    { "/goform/setLan", lan_keys, apply_lan },
};

static int handle_form(char *url)
{
    char *q = strchr(url, '?'), *pair, *next, *eq;
    unsigned i, k;

    if (q == NULL)
        return 404;
    *q++ = '\0';
    for (i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (strcmp(url, pages[i].path) == 0)
            break;
    if (i == sizeof pages / sizeof pages[0])
        return 404;
    for (pair = q; pair; pair = next) {
        next = strchr(pair, '&');
        if (next)
            *next++ = '\0';
        eq = strchr(pair, '=');
        if (eq == NULL)
            continue;
        *eq++ = '\0';
        unescape(eq);
        for (k = 0; pages[i].keys[k]; k++)
            if (strcmp(pages[i].keys[k], pair) == 0)
                nv_set(pair, eq);
    }
    nv_commit();
    pages[i].apply();
    return 200;
}

static void client(int fd)
{
    char *line = NULL, *url, *end;
    size_t cap = 0;
    FILE *io = fdopen(fd, "r+");
    int code = 400;

    if (io == NULL) {
        close(fd);
        return;
    }
    if (getline(&line, &cap, io) > 0 && strncmp(line, "GET ", 4) == 0) {
        url = line + 4;
        end = strchr(url, ' ');
        if (end) {
            *end = '\0';
            code = handle_form(url);
        }
    }
    fseek(io, 0, SEEK_CUR);
    fprintf(io, "HTTP/1.0 %d %s\r\nContent-Length: 0\r\n\r\n", code, code == 200 ? "OK" : "Error");
    free(line);
    fclose(io);
}

int main(void)
{
    struct sockaddr_in sin = { 0 };
    struct itimerval it = { { 10, 0 }, { 10, 0 } };
    struct sigaction act;
    int s, c, on = 1;

    memset(&act, 0, sizeof act);
    act.sa_handler = on_alarm;
    sigaction(SIGALRM, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
    nv_load();
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sin.sin_family = AF_INET;
    sin.sin_port = htons(WEB_PORT);
    if (bind(s, (struct sockaddr *)&sin, sizeof sin) < 0 || listen(s, 8) < 0) {
        perror("webd");
        return 1;
    }
    setitimer(ITIMER_REAL, &it, NULL);
    for (;;) {
        c = accept(s, NULL, NULL);
        if (c >= 0)
            client(c);
        else if (errno != EINTR)
            sleep(1);
        run_timers();
    }
}
