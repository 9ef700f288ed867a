/*
 * Local API of the sweeping robot (HTTP/1.0, JSON bodies).
 * Slow jobs run in a helper process that is fed through a pipe.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <netinet/in.h>

enum { API_PORT = 8053, REQ_MAX = 2048, URL_MAX_LEN = 200 };

struct robot {
    int  cleaning;
    int  fan;
    int  battery;
    int  docked;
    char last_error[32];
};

static struct robot rb = { 0, 2, 87, 1, "" };
static int helper_fd = -1;

/* ------------------------------------------------------------- helper */

static void run_job(const char *kind, const char *arg)
{
    pid_t pid = fork();
    if (pid < 0)
        return;
    if (pid == 0) {
        if (!strcmp(kind, "voice")) {
            char sh[320];
            snprintf(sh, sizeof sh, "wget -q -O /mnt/data/voice.pkg \"%s\"", arg);
            execl("/bin/sh", "sh", "-c", sh, (char *)NULL);
        } else if (!strcmp(kind, "locate")) {
            execl("/usr/bin/aplay", "aplay", "-q", "/opt/sounds/here.wav", (char *)NULL);
        } else if (!strcmp(kind, "maplog")) {
            execl("/bin/sh", "sh", "-c", "tar czf /mnt/data/map.tgz /mnt/map", (char *)NULL);
        }
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

static void helper_main(int rfd)
{
    char line[512], *kind, *arg;
    FILE *in = fdopen(rfd, "r");

    if (!in)
        _exit(1);
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        kind = strtok(line, "\t");
        arg = strtok(NULL, "\t");
        if (kind)
            run_job(kind, arg ? arg : "");
    }
    _exit(0);
}

static int start_helper(void)
{
    int p[2];
    pid_t pid;

    if (pipe(p) < 0)
        return -1;
    pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        close(p[1]);
        helper_main(p[0]);
    }
    close(p[0]);
    helper_fd = p[1];
    return 0;
}

static int post_job(const char *kind, const char *arg)
{
    char line[300];
    int n = snprintf(line, sizeof line, "%s\t%s\n", kind, arg);

    if (n < 0 || n >= (int)sizeof line)
        return -1;
    return write(helper_fd, line, n) == n ? 0 : -1;
}

/* --------------------------------------------------------------- JSON */

static int json_member(const char *body, const char *key, char *out, size_t cap)
{
    const char *p = body;
    size_t klen = strlen(key), i = 0;

    while ((p = strchr(p, '"')) != NULL) {
        p++;
        if (!strncmp(p, key, klen) && p[klen] == '"') {
            p += klen + 1;
            p += strspn(p, " \t:");
            break;
        }
    }
    if (!p)
        return -1;
    if (*p == '"') {
        for (p++; *p && *p != '"'; p++) {
            if ((unsigned char)*p < 0x20 || i + 1 >= cap)
                return -1;
            out[i++] = *p;
        }
    } else {
        while (*p && !strchr(",} \r\n", *p)) {
            if (i + 1 >= cap)
                return -1;
            out[i++] = *p++;
        }
    }
    out[i] = 0;
    return (int)i;
}

/* ----------------------------------------------------------- handlers */

static int h_status(const char *body, char *out, size_t n)
{
    (void)body;
    snprintf(out, n, "{\"cleaning\":%d,\"fan\":%d,\"battery\":%d,\"docked\":%d,\"error\":\"%s\"}",
             rb.cleaning, rb.fan, rb.battery, rb.docked, rb.last_error);
    return 200;
}

static int h_clean(const char *body, char *out, size_t n)
{
    char v[16];
    if (json_member(body, "fan", v, sizeof v) > 0) {
        rb.fan = atoi(v);
        if (rb.fan < 1 || rb.fan > 4)
            rb.fan = 2;
    }
    rb.cleaning = 1;
    rb.docked = 0;
    snprintf(out, n, "{\"result\":\"ok\"}");
    return 200;
}

static int h_dock(const char *body, char *out, size_t n)
{
    (void)body;
    rb.cleaning = 0;
    rb.docked = 1;
    snprintf(out, n, "{\"result\":\"ok\"}");
    return 200;
}

static int h_locate(const char *body, char *out, size_t n)
{
    (void)body;
    snprintf(out, n, "{\"result\":\"%s\"}", post_job("locate", "-") ? "busy" : "ok");
    return 200;
}

static int h_voice(const char *body, char *out, size_t n)
{
    char url[URL_MAX_LEN];

    if (json_member(body, "url", url, sizeof url) < 0 || strncmp(url, "http://", 7)) {
        snprintf(rb.last_error, sizeof rb.last_error, "voice: bad url");
        snprintf(out, n, "{\"result\":\"bad url\"}");
        return 400;
    }
    snprintf(out, n, "{\"result\":\"%s\"}", post_job("voice", url) ? "busy" : "ok");
    return 200;
}

static const struct route {
    const char *method, *path;
    int (*h)(const char *, char *, size_t);
} routes[] = {
    { "GET", "/api/v1/status", h_status },
    { "PUT", "/api/v1/clean",  h_clean  },
    { "PUT", "/api/v1/dock",   h_dock   },
    { "PUT", "/api/v1/locate", h_locate },
    { "PUT", "/api/v1/voice",  h_voice  },
};

static void serve(int fd)
{
    char req[REQ_MAX + 1], out[256], hdr[128], method[8], path[64], *body;
    int got = 0, n, code = 404;
    size_t i;

    while (got < REQ_MAX) {
        n = recv(fd, req + got, REQ_MAX - got, 0);
        if (n <= 0)
            break;
        got += n;
        req[got] = 0;
        body = strstr(req, "\r\n\r\n");
        if (body && (!strncmp(req, "GET", 3) || strchr(body, '}')))
            break;
    }
    req[got] = 0;
    body = strstr(req, "\r\n\r\n");
    if (!body || sscanf(req, "%7s %63s", method, path) != 2)
        return;
    strcpy(out, "{\"result\":\"not found\"}");
    for (i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (!strcmp(routes[i].method, method) && !strcmp(routes[i].path, path))
            code = routes[i].h(body + 4, out, sizeof out);
    n = snprintf(hdr, sizeof hdr, "HTTP/1.0 %d X\r\nContent-Length: %d\r\n\r\n",
                 code, (int)strlen(out));
    send(fd, hdr, n, 0);
    send(fd, out, strlen(out), 0);
}

int main(void)
{
    struct sockaddr_in a;
    struct timeval tv = { 5, 0 };
    int s, c, one = 1;

    signal(SIGPIPE, SIG_IGN);
    if (start_helper() < 0)
        return 1;
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(API_PORT);
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 4))
        return 1;
    for (;;) {
        c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        serve(c);
        close(c);
    }
}
