/*
 * evse-cs: charge point side of the back office link.
 *
 * Connects to the central system (address in /etc/evse.ini) and speaks
 * OCPP-like JSON arrays, one per line:
 *    [2,"id","Action",{...}]     call
 *    [3,"id",{...}]              result
 *    [4,"id","code","text",{}]   error
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <netdb.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>

#define RXBUF      4096
#define HEARTBEAT  30

struct fw_task {
    char   *url;
    int     retries;
    int     interval;
    time_t  when;
};

struct evse {
    char  host[80];
    char  port[8];
    char  id[32];
    int   sock;
    int   max_amps;
    int   charging;
    char  tag[21];
    struct fw_task *fw;
    time_t next_hb;
    unsigned msgno;
};

static struct evse cp = { .host = "csms.local", .port = "9220", .id = "CP001",
                          .sock = -1, .max_amps = 16 };

static void elog(const char *f, ...)
{
    va_list ap;
    time_t t = time(NULL);

    va_start(ap, f);
    fprintf(stderr, "<%ld> ", (long)t);
    vfprintf(stderr, f, ap);
    fputc('\n', stderr);
    va_end(ap);
}

static int sys(const char *f, ...)
{
    char *cmd = malloc(1024);
    va_list ap;
    int n, rc = -1;

    if (!cmd)
        return -1;
    va_start(ap, f);
    n = vsnprintf(cmd, 1024, f, ap);
    va_end(ap);
    if (n > 0 && n < 1024)
        rc = system(cmd);
    free(cmd);
    return rc;
}

static void read_ini(const char *path)
{
    char l[128];
    FILE *f = fopen(path, "r");

    if (!f)
        return;
    while (fgets(l, sizeof l, f)) {
        char *k = strtok(l, " =\r\n"), *v = strtok(NULL, " =\r\n");
        if (!k || !v || *k == '#')
            continue;
        if (!strcmp(k, "host"))      snprintf(cp.host, sizeof cp.host, "%s", v);
        else if (!strcmp(k, "port")) snprintf(cp.port, sizeof cp.port, "%s", v);
        else if (!strcmp(k, "id"))   snprintf(cp.id, sizeof cp.id, "%s", v);
    }
    fclose(f);
}

static void tx(const char *f, ...)
{
    char b[512];
    va_list ap;
    int n;

    va_start(ap, f);
    n = vsnprintf(b, sizeof b - 1, f, ap);
    va_end(ap);
    if (n < 0 || cp.sock < 0)
        return;
    if (n > (int)sizeof b - 2)
        n = sizeof b - 2;
    b[n++] = '\n';
    send(cp.sock, b, n, MSG_NOSIGNAL);
}

/* parses a JSON string at *s (which stands on the quote) */
static char *jstring(const char **s)
{
    const char *p = *s;
    char *out, *o;

    if (*p != '"')
        return NULL;
    out = o = malloc(strlen(p) + 1);
    if (!out)
        return NULL;
    for (p++; *p && *p != '"'; p++) {
        if (*p != '\\') {
            *o++ = *p;
            continue;
        }
        p++;
        if (*p == 'n') *o++ = '\n';
        else if (*p == 't') *o++ = '\t';
        else if (*p == 'u') {
            unsigned u;
            if (strlen(p) > 4 && sscanf(p + 1, "%4x", &u) == 1) {
                *o++ = u < 0x80 && u ? (char)u : '?';
                p += 4;
            }
        } else if (*p)
            *o++ = *p;
        else
            break;
    }
    *o = 0;
    if (*p != '"') {
        free(out);
        return NULL;
    }
    *s = p + 1;
    return out;
}

static const char *jkey(const char *obj, const char *key)
{
    char pat[40];
    const char *p;

    snprintf(pat, sizeof pat, "\"%s\"", key);
    p = strstr(obj, pat);
    if (!p)
        return NULL;
    p += strlen(pat);
    p += strspn(p, " \t:");
    return p;
}

static char *jget(const char *obj, const char *key)
{
    const char *p = jkey(obj, key);
    return p ? jstring(&p) : NULL;
}

static int jint(const char *obj, const char *key, int def)
{
    const char *p = jkey(obj, key);
    return p ? atoi(p) : def;
}

static int url_ok(const char *u)
{
    if (strlen(u) > 400)
        return 0;
    if (strncmp(u, "http://", 7) && strncmp(u, "ftp://", 6) && strncmp(u, "https://", 8))
        return 0;
    for (; *u; u++)
        if (!isalnum((unsigned char)*u) && !strchr("/:._-~%?=&+@", *u))
            return 0;
    return 1;
}

static const char *on_update_firmware(const char *obj)
{
    struct fw_task *t;
    char *loc = jget(obj, "location");

    if (!loc || !url_ok(loc)) {
        free(loc);
        return NULL;
    }
    t = calloc(1, sizeof *t);
    if (!t) {
        free(loc);
        return NULL;
    }
    t->url = loc;
    t->retries = jint(obj, "retries", 1);
    t->interval = jint(obj, "retryInterval", 60);
    t->when = time(NULL) + 5;
    if (cp.fw) {
        free(cp.fw->url);
        free(cp.fw);
    }
    cp.fw = t;
    return "{}";
}

static const char *on_remote_start(const char *obj)
{
    char *tag = jget(obj, "idTag");

    if (!tag)
        return NULL;
    snprintf(cp.tag, sizeof cp.tag, "%s", tag);
    free(tag);
    cp.charging = 1;
    sys("pwmctl start %d", cp.max_amps);
    return "{\"status\":\"Accepted\"}";
}

static const char *on_remote_stop(const char *obj)
{
    (void)obj;
    cp.charging = 0;
    sys("pwmctl stop");
    return "{\"status\":\"Accepted\"}";
}

static const char *on_limit(const char *obj)
{
    int a = jint(obj, "limit", 0);

    if (a < 6 || a > 32)
        return "{\"status\":\"Rejected\"}";
    cp.max_amps = a;
    return "{\"status\":\"Accepted\"}";
}

static const struct action {
    const char *name;
    const char *(*fn)(const char *);
} actions[] = {
    { "UpdateFirmware",         on_update_firmware },
    { "RemoteStartTransaction", on_remote_start },
    { "RemoteStopTransaction",  on_remote_stop },
    { "SetChargingProfile",     on_limit },
    { NULL, NULL }
};

static void on_message(const char *m)
{
    const struct action *a;
    char *id, *name;

    if (strncmp(m, "[2,", 3) != 0)
        return;                       /* results and errors: nobody waits */
    m += 3;
    id = jstring(&m);
    if (!id)
        return;
    m += strspn(m, ", ");
    name = jstring(&m);
    for (a = actions; name && a->name; a++)
        if (!strcmp(a->name, name)) {
            const char *r = a->fn(m);
            if (r)
                tx("[3,\"%.36s\",%s]", id, r);
            else
                tx("[4,\"%.36s\",\"FormationViolation\",\"\",{}]", id);
            break;
        }
    if (!name || !a->name)
        tx("[4,\"%.36s\",\"NotImplemented\",\"\",{}]", id);
    free(name);
    free(id);
}

static void timers(void)
{
    time_t now = time(NULL);
    struct fw_task *t = cp.fw;

    if (now >= cp.next_hb) {
        cp.next_hb = now + HEARTBEAT;
        tx("[2,\"%u\",\"Heartbeat\",{}]", ++cp.msgno);
    }
    if (!t || now < t->when || cp.charging)
        return;
    tx("[2,\"%u\",\"FirmwareStatusNotification\",{\"status\":\"Downloading\"}]", ++cp.msgno);
    if (sys("wget -q -T 60 -O /tmp/evse.fw '%s' && fwverify /tmp/evse.fw && fwinstall /tmp/evse.fw", t->url) == 0)
        t->retries = 0;
    if (t->retries-- > 0) {
        t->when = now + t->interval;
        return;
    }
    cp.fw = NULL;
    free(t->url);
    free(t);
}

static int dial(void)
{
    struct addrinfo h, *r = NULL, *i;
    int s = -1;

    memset(&h, 0, sizeof h);
    h.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(cp.host, cp.port, &h, &r))
        return -1;
    for (i = r; i; i = i->ai_next) {
        s = socket(i->ai_family, i->ai_socktype, i->ai_protocol);
        if (s >= 0 && connect(s, i->ai_addr, i->ai_addrlen) == 0)
            break;
        if (s >= 0)
            close(s);
        s = -1;
    }
    freeaddrinfo(r);
    return s;
}

int main(void)
{
    static char rx[RXBUF];
    size_t have = 0;

    signal(SIGPIPE, SIG_IGN);
    read_ini("/etc/evse.ini");
    for (;;) {
        struct timeval tv = { 1, 0 };
        fd_set r;
        char *nl;
        ssize_t n;

        if (cp.sock < 0) {
            have = 0;
            if ((cp.sock = dial()) < 0) {
                elog("no central system");
                sleep(10);
                continue;
            }
            tx("[2,\"%u\",\"BootNotification\",{\"chargePointSerialNumber\":\"%s\"}]",
               ++cp.msgno, cp.id);
        }
        FD_ZERO(&r);
        FD_SET(cp.sock, &r);
        if (select(cp.sock + 1, &r, NULL, NULL, &tv) > 0) {
            n = recv(cp.sock, rx + have, sizeof rx - 1 - have, 0);
            if (n <= 0) {
                close(cp.sock);
                cp.sock = -1;
                continue;
            }
            have += n;
            rx[have] = 0;
            while ((nl = strchr(rx, '\n')) != NULL) {
                *nl = 0;
                on_message(rx);
                have -= nl + 1 - rx;
                memmove(rx, nl + 1, have + 1);
            }
            if (have == sizeof rx - 1)
                have = 0;
        }
        timers();
    }
}
