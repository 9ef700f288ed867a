/*
 * provd.c - auto provisioning of the IP phone
 *
 * Every "interval" seconds the phone fetches http://<server>/<mac>.cfg and
 * walks over its lines ("P231=value").  Parameters land in a table with a
 * setter per entry; what must be applied is flagged and done afterwards.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <spawn.h>
#include <unistd.h>
#include <syslog.h>
#include <netdb.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>

extern char **environ;

#define APPLY_NTP   0x01
#define APPLY_SIP   0x02
#define APPLY_RING  0x04
#define VAL_LEN     96

typedef struct phone_cfg {
    char sip_server[VAL_LEN];
    char sip_user[VAL_LEN];
    char ntp_server[VAL_LEN];
    int  sip_port;
    int  ring_volume;
    int  interval;
    unsigned apply;
} phone_cfg_t;

typedef int (*setter_t)(phone_cfg_t *, const char *);

static char prov_server[VAL_LEN] = "prov.example.net";
static char prov_mac[16] = "000b82000000";

static int copy_val(char *dst, const char *v)
{
    if (strlen(v) >= VAL_LEN)
        return -EINVAL;
    strcpy(dst, v);
    return 0;
}

static int set_sip_server(phone_cfg_t *c, const char *v)
{
    c->apply |= APPLY_SIP;
    return copy_val(c->sip_server, v);
}

static int set_sip_user(phone_cfg_t *c, const char *v)
{
    c->apply |= APPLY_SIP;
    return copy_val(c->sip_user, v);
}

static int set_sip_port(phone_cfg_t *c, const char *v)
{
    int n = atoi(v);
    if (n < 1 || n > 65535)
        return -EINVAL;
    c->sip_port = n;
    c->apply |= APPLY_SIP;
    return 0;
}

static int set_ntp(phone_cfg_t *c, const char *v)
{
    if (strcmp(c->ntp_server, v) == 0)
        return 0;
    if (copy_val(c->ntp_server, v) < 0)
        return -EINVAL;
    c->apply |= APPLY_NTP;
    return 0;
}

static int set_ring(phone_cfg_t *c, const char *v)
{
    int n = atoi(v);
    c->ring_volume = n < 0 ? 0 : n > 7 ? 7 : n;
    c->apply |= APPLY_RING;
    return 0;
}

static int set_interval(phone_cfg_t *c, const char *v)
{
    int n = atoi(v);
    if (n < 60)
        return -EINVAL;
    c->interval = n;
    return 0;
}

static const struct {
    const char *pnum;
    setter_t set;
} params[] = {
    { "P47",  set_sip_server },
    { "P35",  set_sip_user },
    { "P48",  set_sip_port },
    { "P30",  set_ntp },
    { "P345", set_ring },
    { "P193", set_interval },
};

static char *trim(char *s)
{
    char *e;
    while (isspace((unsigned char)*s))
        s++;
    e = s + strlen(s);
    while (e > s && isspace((unsigned char)e[-1]))
        *--e = '\0';
    return s;
}

static int config_line(phone_cfg_t *c, char *line)
{
    char *eq, *key, *val;
    size_t i;

    line = trim(line);
    if (*line == '\0' || *line == '#')
        return 0;
    if ((eq = strchr(line, '=')) == NULL)
        return -EINVAL;
    *eq = '\0';
    key = trim(line);
    val = trim(eq + 1);
    for (i = 0; i < sizeof(params) / sizeof(params[0]); i++)
        if (strcmp(params[i].pnum, key) == 0)
            return params[i].set(c, val);
    return 0;       /* not for this model */
}

static int http_open(const char *host)
{
    struct addrinfo hints, *res, *r;
    int fd = -1;

    memset(&hints, 0, sizeof(hints));
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host, "80", &hints, &res) != 0)
        return -1;
    for (r = res; r != NULL; r = r->ai_next) {
        fd = socket(r->ai_family, r->ai_socktype, r->ai_protocol);
        if (fd < 0)
            continue;
        if (connect(fd, r->ai_addr, r->ai_addrlen) == 0)
            break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(res);
    return fd;
}

static int fetch_config(phone_cfg_t *c)
{
    char *line = NULL, req[256];
    size_t cap = 0;
    int fd, status = 0, bad = 0, n;
    FILE *in;

    fd = http_open(prov_server);
    if (fd < 0)
        return -1;
    n = snprintf(req, sizeof(req), "GET /cfg%s.txt HTTP/1.0\r\nHost: %s\r\n"
                 "User-Agent: IPPhone/1.4\r\n\r\n", prov_mac, prov_server);
    if (write(fd, req, n) != n || (in = fdopen(fd, "r")) == NULL) {
        close(fd);
        return -1;
    }
    if (getline(&line, &cap, in) > 0)
        sscanf(line, "HTTP/%*s %d", &status);
    while (getline(&line, &cap, in) > 0)
        if (strcmp(line, "\r\n") == 0 || strcmp(line, "\n") == 0)
            break;
    if (status == 200)
        while (getline(&line, &cap, in) > 0)
            if (config_line(c, line) < 0)
                bad++;
    free(line);
    fclose(in);
    if (bad)
        syslog(LOG_WARNING, "%d bad lines in the configuration", bad);
    return status == 200 ? 0 : -1;
}

static int run(char *const argv[])
{
    pid_t pid;
    int st;

    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        return -1;
    while (waitpid(pid, &st, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void apply_ntp(const phone_cfg_t *c)
{
    char *kill_av[] = { "/usr/bin/killall", "ntpd", NULL };
    char *av[] = { "/usr/sbin/ntpd", "-p", (char *)c->ntp_server, NULL };

    run(kill_av);
    run(av);
    syslog(LOG_INFO, "time server changed");
}

static void apply_sip(const phone_cfg_t *c)
{
    FILE *f = fopen("/var/run/sipua.conf", "w");
    char *av[] = { "/usr/bin/killall", "-HUP", "sipua", NULL };

    if (f == NULL)
        return;
    fprintf(f, "server=%s\nport=%d\nuser=%s\n", c->sip_server, c->sip_port, c->sip_user);
    fclose(f);
    run(av);
}

static void apply_ring(const phone_cfg_t *c)
{
    char lvl[8];
    char *av[] = { "/usr/bin/amixer", "set", "Ring", lvl, NULL };

    snprintf(lvl, sizeof(lvl), "%d", c->ring_volume);
    run(av);
}

int main(int argc, char **argv)
{
    phone_cfg_t *cfg = calloc(1, sizeof(*cfg));
    int opt;

    if (cfg == NULL)
        return 1;
    cfg->sip_port = 5060;
    cfg->interval = 3600;
    while ((opt = getopt(argc, argv, "s:m:")) != -1) {
        if (opt == 's')
            snprintf(prov_server, sizeof(prov_server), "%s", optarg);
        else if (opt == 'm')
            snprintf(prov_mac, sizeof(prov_mac), "%s", optarg);
    }
    openlog("provd", LOG_PID, LOG_DAEMON);
    for (;;) {
        if (fetch_config(cfg) == 0) {
            if (cfg->apply & APPLY_NTP)
                apply_ntp(cfg);
            if (cfg->apply & APPLY_SIP)
                apply_sip(cfg);
            if (cfg->apply & APPLY_RING)
                apply_ring(cfg);
            cfg->apply = 0;
        } else {
            syslog(LOG_NOTICE, "provisioning failed");
        }
        sleep(cfg->interval);
    }
}
