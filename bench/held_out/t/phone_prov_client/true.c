/*
 * autoprov: fetches <mac>.cfg from the provisioning server every few
 * hours and merges it into the run-time account table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <ctype.h>
#include <errno.h>
#include <unistd.h>
#include <netdb.h>
#include <time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

#define N_ACCOUNTS    4
#define CFG_LIMIT     32768
#define LOCAL_CFG     "/config/autoprov.ini"

enum set_type { T_STR, T_INT, T_BOOL };

struct account {
    char display[32];
    char user[32];
    char auth[32];
    char secret[48];
    char registrar[64];
    int  port;
    int  expires;
    int  enabled;
};

struct phone {
    struct account acc[N_ACCOUNTS];
    int  dirty[N_ACCOUNTS];
    int  interval;
    char server[64];
    char path[64];
    char mac[16];
    FILE *log;
};

struct setting {
    const char   *key;
    enum set_type type;
    size_t        off;
    size_t        size;
};

#define FIELD(f) offsetof(struct account, f), sizeof(((struct account *)0)->f)

static const struct setting settings[] = {
    { "display_name",  T_STR,  FIELD(display)   },
    { "user_name",     T_STR,  FIELD(user)      },
    { "auth_name",     T_STR,  FIELD(auth)      },
    { "password",      T_STR,  FIELD(secret)    },
    { "sip_server",    T_STR,  FIELD(registrar) },
    { "sip_port",      T_INT,  FIELD(port)      },
    { "expires",       T_INT,  FIELD(expires)   },
    { "enable",        T_BOOL, FIELD(enabled)   },
};

static struct phone *ph;

static void plog(const char *tag, const char *text)
{
    if (ph->log) {
        fprintf(ph->log, "%ld [%s] %s\n", (long)time(NULL), tag, text);
        fflush(ph->log);
    }
}

static char *trim(char *s)
{
    char *e;

    while (*s && isspace((unsigned char)*s))
        s++;
    e = s + strlen(s);
    while (e > s && isspace((unsigned char)e[-1]))
        *--e = '\0';
    return s;
}

static void account_defaults(struct account *a)
{
    memset(a, 0, sizeof(*a));
    a->port = 5060;
    a->expires = 3600;
}

static int apply(int idx, const struct setting *s, const char *val)
{
    char *field = (char *)&ph->acc[idx] + s->off;

    switch (s->type) {
    case T_STR:
        strcpy(field, val);
        break;
    case T_INT:
        *(int *)field = (int)strtol(val, NULL, 10);
        break;
    case T_BOOL:
        *(int *)field = val[0] == '1' || !strcasecmp(val, "yes");
        break;
    default:
        return -1;
    }
    ph->dirty[idx] = 1;
    return 0;
}

/* account.<n>.<key> = <value> */
static void cfg_line(char *line)
{
    char *eq, *key, *val, *dot;
    long n;
    size_t i;

    line = trim(line);
    if (*line == '#' || *line == '\0')
        return;
    eq = strchr(line, '=');
    if (!eq) {
        plog("cfg", "line without '='");
        return;
    }
    *eq = '\0';
    key = trim(line);
    val = trim(eq + 1);
    if (!strcmp(key, "prov.interval")) {
        n = strtol(val, NULL, 10);
        if (n >= 60 && n <= 86400)
            ph->interval = (int)n;
        return;
    }
    if (strncmp(key, "account.", 8))
        return;
    n = strtol(key + 8, &dot, 10);
    if (n < 1 || n > N_ACCOUNTS || *dot != '.')
        return;
    for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (!strcmp(dot + 1, settings[i].key)) {
            apply((int)n - 1, &settings[i], val);
            return;
        }
    }
    plog("unknown", key);
}

static int http_connect(const char *host)
{
    struct addrinfo hints, *res, *r;
    struct timeval tv = { 10, 0 };
    int fd = -1;

    memset(&hints, 0, sizeof(hints));
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host, "80", &hints, &res))
        return -1;
    for (r = res; r; r = r->ai_next) {
        fd = socket(r->ai_family, r->ai_socktype, r->ai_protocol);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        if (connect(fd, r->ai_addr, r->ai_addrlen) == 0)
            break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(res);
    return fd;
}

static char *http_fetch(void)
{
    char req[256];
    char *buf;
    size_t have = 0;
    int fd, n;

    fd = http_connect(ph->server);
    if (fd < 0) {
        plog("http", "no connection");
        return NULL;
    }
    n = snprintf(req, sizeof(req), "GET %s/%s.cfg HTTP/1.0\r\nHost: %s\r\n"
                 "User-Agent: IPT-620 2.4\r\n\r\n", ph->path, ph->mac, ph->server);
    if (send(fd, req, n, 0) != n || (buf = malloc(CFG_LIMIT + 1)) == NULL) {
        close(fd);
        return NULL;
    }
    while (have < CFG_LIMIT) {
        ssize_t r = recv(fd, buf + have, CFG_LIMIT - have, 0);
        if (r <= 0)
            break;
        have += r;
    }
    close(fd);
    buf[have] = '\0';
    return buf;
}

static void provision(void)
{
    char *reply = http_fetch();
    char *body, *line, *save = NULL;
    int code = 0, i;

    if (!reply)
        return;
    body = strstr(reply, "\r\n\r\n");
    if (!body || sscanf(reply, "HTTP/1.%*d %d", &code) != 1 || code != 200) {
        plog("http", "no configuration");
        free(reply);
        return;
    }
    for (line = strtok_r(body + 4, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        cfg_line(line);
    free(reply);
    for (i = 0; i < N_ACCOUNTS; i++) {
        if (ph->dirty[i]) {
            ph->dirty[i] = 0;
            plog("register", ph->acc[i].user);
        }
    }
}

static void load_local(void)
{
    char line[160];
    FILE *f = fopen(LOCAL_CFG, "r");

    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        sscanf(line, "server=%63[^\r\n]", ph->server);
        sscanf(line, "path=%63[^\r\n]", ph->path);
        sscanf(line, "mac=%15[0-9a-fA-F]", ph->mac);
    }
    fclose(f);
}

int main(void)
{
    int i;

    ph = calloc(1, sizeof(*ph));
    if (!ph)
        return 1;
    ph->interval = 7200;
    strcpy(ph->server, "prov.local");
    strcpy(ph->path, "/cfg");
    strcpy(ph->mac, "000000000000");
    ph->log = fopen("/var/log/autoprov.log", "a");
    for (i = 0; i < N_ACCOUNTS; i++)
        account_defaults(&ph->acc[i]);
    load_local();
    for (;;) {
        provision();
        sleep(ph->interval);
    }
}
