/* Dynamic DNS client: asks one of several services over HTTP, and tells the rest of the system the address that the
 * answer names. The address is looked at after the hook was run with it (benign: before). */
#define _GNU_SOURCE
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define REPLY_MAX 2048
#define NV_MAX 24

struct ddns_reply {
    int status;
    int length;
    char code[16];
    char address[64];
};

struct ddns_job;

struct ddns_service {
    const char *name;
    const char *host;
    const char *path;
    int (*parse)(struct ddns_job *job, char *body);
};

struct ddns_job {
    const struct ddns_service *service;
    const char *host;
    const char *port;
    int fd;
    int failures;
    time_t next;
    struct ddns_reply reply;
    char raw[REPLY_MAX];
};

struct nv {
    const char *key;
    char val[96];
};

static struct nv nv_tab[NV_MAX] = {
    {"ddns_user", "anonymous"}, {"ddns_host", "myrouter.example.org"}, {"ddns_service", "dyn"}, {"ddns_ip", "0.0.0.0"}, {"ddns_interval", "600"},
};

static char *nvram_get(const char *key)
{
    int i;

    for (i = 0; i < NV_MAX && nv_tab[i].key; i++)
        if (strcmp(nv_tab[i].key, key) == 0)
            return nv_tab[i].val;
    return NULL;
}

static int nvram_set(const char *key, const char *val)
{
    char *v = nvram_get(key);

    if (v == NULL || strlen(val) >= sizeof(nv_tab[0].val))
        return -1;
    strcpy(v, val);
    return 0;
}

static int do_system(const char *fmt, ...)
{
    char *line = NULL;
    va_list ap;
    int rc;

    va_start(ap, fmt);
    rc = vasprintf(&line, fmt, ap);
    va_end(ap);
    if (rc < 0)
        return -1;
    rc = system(line);
    free(line);
    return rc;
}

static int valid_address(const char *s)
{
    int dots = 0, digits = 0, value = 0;

    for (; *s; s++) {
        if (*s == '.') {
            if (digits == 0 || ++dots > 3)
                return 0;
            digits = value = 0;
        } else if (*s >= '0' && *s <= '9') {
            value = value * 10 + (*s - '0');
            if (++digits > 3 || value > 255)
                return 0;
        } else {
            return 0;
        }
    }
    return dots == 3 && digits > 0;
}

/* ---- what services say ---- */
static void take_word(char *dst, size_t room, const char **src)
{
    size_t n = 0;

    while (**src == ' ')
        (*src)++;
    while (**src && **src != ' ' && **src != '\r' && **src != '\n') {
        if (n + 1 < room)
            dst[n++] = **src;
        (*src)++;
    }
    dst[n] = '\0';
}

/* good 1.2.3.4 */
static int parse_dyn(struct ddns_job *job, char *body)
{
    struct ddns_reply *r = &job->reply;
    const char *p = body;

    take_word(r->code, sizeof(r->code), &p);
    take_word(r->address, sizeof(r->address), &p);
    if (strcmp(r->code, "good") == 0 || strcmp(r->code, "nochg") == 0)
        return r->address[0] ? 0 : -1;
    if (strcmp(r->code, "badauth") == 0)
        job->failures += 10;
    return -1;
}

/* <ErrCount>0</ErrCount>...<IP>1.2.3.4</IP> */
static int parse_xml(struct ddns_job *job, char *body)
{
    struct ddns_reply *r = &job->reply;
    char *p = strstr(body, "<ErrCount>"), *e;

    if (p == NULL || atoi(p + 10) != 0)
        return -1;
    strcpy(r->code, "done");
    p = strstr(body, "<IP>");
    e = p ? strchr(p + 4, '<') : NULL;
    if (e == NULL || e - p - 4 >= (int)sizeof(r->address))
        return -1;
    memcpy(r->address, p + 4, e - p - 4);
    r->address[e - p - 4] = '\0';
    return 0;
}

static const struct ddns_service services[] = {
    {"dyn", "members.dyndns.org", "/nic/update", parse_dyn},
    {"noip", "dynupdate.no-ip.com", "/nic/update", parse_dyn},
    {"cheap", "dynamicdns.park-your-domain.com", "/update", parse_xml},
    {NULL, NULL, NULL, NULL},
};

/* ---- network ---- */
static int ddns_connect(struct ddns_job *job)
{
    struct addrinfo hints, *res, *ai;
    struct timeval tv = {10, 0};

    memset(&hints, 0, sizeof(hints));
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    job->fd = -1;
    if (getaddrinfo(job->host, job->port, &hints, &res) != 0)
        return -1;
    for (ai = res; ai; ai = ai->ai_next) {
        int fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);

        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0) {
            job->fd = fd;
            break;
        }
        close(fd);
    }
    freeaddrinfo(res);
    return job->fd < 0 ? -1 : 0;
}

static int ddns_ask(struct ddns_job *job)
{
    char req[512];
    int n = snprintf(req, sizeof(req), "GET %s?hostname=%s&user=%s HTTP/1.0\r\nHost: %s\r\nUser-Agent: ddnsu/0.9\r\n\r\n", job->service->path,
                     nvram_get("ddns_host"), nvram_get("ddns_user"), job->service->host);

    if (n < 0 || n >= (int)sizeof(req))
        return -1;
    return send(job->fd, req, n, MSG_NOSIGNAL) == n ? 0 : -1;
}

static int ddns_receive(struct ddns_job *job)
{
    int got = 0, n;

    while (got < REPLY_MAX - 1) {
        n = recv(job->fd, job->raw + got, REPLY_MAX - 1 - got, 0);
        if (n <= 0)
            break;
        got += n;
    }
    job->raw[got] = '\0';
    return got;
}

static char *ddns_headers(struct ddns_job *job)
{
    char *body = strstr(job->raw, "\r\n\r\n"), *h;

    if (body == NULL || strncmp(job->raw, "HTTP/1.", 7) != 0)
        return NULL;
    job->reply.status = atoi(job->raw + 9);
    h = strcasestr(job->raw, "Content-Length:");
    job->reply.length = h && h < body ? atoi(h + 15) : -1;
    return body + 4;
}

/* ---- the new address ---- */
static int ddns_publish(struct ddns_job *job)
{
    const struct ddns_reply *r = &job->reply;
    const char *old = nvram_get("ddns_ip");

    if (strcmp(old, r->address) == 0)
        return 0;
#ifdef BENIGN
    if (!valid_address(r->address)) {
        syslog(LOG_ERR, "%s: no address in answer", job->service->name);
        return -1;
    }
#endif
    do_system("/etc/ddns/changed.sh %s %s 2>/dev/null", job->service->name, r->address);
#ifndef BENIGN
    if (!valid_address(r->address)) {
        syslog(LOG_ERR, "%s: no address in answer", job->service->name);
        return -1;
    }
#endif
    nvram_set("ddns_ip", r->address);
    syslog(LOG_INFO, "address is now %s", r->address);
    return 0;
}

static int ddns_once(struct ddns_job *job)
{
    char *body;
    int rc = -1;

    memset(&job->reply, 0, sizeof(job->reply));
    if (ddns_connect(job) < 0)
        return -1;
    if (ddns_ask(job) == 0 && ddns_receive(job) > 0) {
        body = ddns_headers(job);
        if (body && job->reply.status == 200)
            rc = job->service->parse(job, body);
    }
    close(job->fd);
    if (rc == 0)
        rc = ddns_publish(job);
    return rc;
}

static void set_led(int on)
{
    do_system("echo %d > /sys/class/leds/ddns/brightness 2>/dev/null", on);
}

static const struct ddns_service *service_by_name(const char *name)
{
    const struct ddns_service *s;

    for (s = services; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return &services[0];
}

int main(int argc, char **argv)
{
    static struct ddns_job job;
    int interval = atoi(nvram_get("ddns_interval")), once = 0, opt;

    job.port = "80";
    while ((opt = getopt(argc, argv, "s:h:p:1")) != -1) {
        switch (opt) {
        case 's':
            nvram_set("ddns_service", optarg);
            break;
        case 'h':
            job.host = optarg;
            break;
        case 'p':
            job.port = optarg;
            break;
        case '1':
            once = 1;
            break;
        default:
            return 2;
        }
    }
    signal(SIGPIPE, SIG_IGN);
    openlog("ddnsu", LOG_PID, LOG_DAEMON);
    job.service = service_by_name(nvram_get("ddns_service"));
    if (job.host == NULL)
        job.host = job.service->host;
    do {
        if (time(NULL) >= job.next) {
            int rc = ddns_once(&job);

            job.failures = rc < 0 ? job.failures + 1 : 0;
            job.next = time(NULL) + interval * (job.failures > 5 ? 6 : 1);
            set_led(rc == 0);
        }
        if (!once)
            sleep(5);
    } while (!once);
    return 0;
}
