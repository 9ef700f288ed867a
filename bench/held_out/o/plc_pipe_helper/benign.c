/**
 * rtc_agent - runtime controller agent for the PC-7 compact PLC.
 * The network side runs unprivileged, a helper started before the drop of
 * rights carries out maintenance requests which it gets over a pipe.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <unistd.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define AGENT_PORT   20547
#define FRAME_SYNC   0xAA55
#define SVC_VARREAD  0x10
#define SVC_VARWRITE 0x11
#define SVC_ROUTE    0x30
#define SVC_ARCHIVE  0x31
#define N_VARS       256

#pragma pack(push, 1)
typedef struct {
    uint16_t sync;
    uint8_t  service;
    uint8_t  flags;
    uint32_t length;
} frame_header_t;
#pragma pack(pop)

static int32_t  plc_vars[N_VARS];
static int      helper_fd = -1;

/* ------------------------------------------------------------ helper */

static void helper_archive(const char *project)
{
    char out[256];
    int st;
    pid_t pid;

    if (project[0] == '.' || strchr(project, '/'))
        return;
    snprintf(out, sizeof(out), "/data/archive/%s.tgz", project);
    pid = fork();
    if (pid == 0) {
        execl("/bin/tar", "tar", "-czf", out, "-C", "/data/projects", "--", project, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &st, 0) < 0 || st != 0)
        fprintf(stderr, "helper: archive failed\n");
}

static void helper_route(const char *arg)
{
    unsigned a, b, c, d;
    char cmd[128];

    if (sscanf(arg, "%u.%u.%u.%u", &a, &b, &c, &d) != 4 || a > 255 || b > 255 || c > 255 || d > 255)
        return;
    snprintf(cmd, sizeof(cmd), "ip route replace default via %u.%u.%u.%u", a, b, c, d);
    system(cmd);
}

static void helper_loop(int fd)
{
    FILE *in = fdopen(fd, "r");
    char line[160];

    if (!in)
        _exit(1);
    while (fgets(line, sizeof(line), in)) {
        line[strcspn(line, "\n")] = '\0';
        switch (line[0]) {
        case 'A':
            helper_archive(line + 1);
            break;
        case 'R':
            helper_route(line + 1);
            break;
        default:
            fprintf(stderr, "helper: unknown request\n");
        }
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
        helper_loop(p[0]);
    }
    close(p[0]);
    helper_fd = p[1];
    return 0;
}

static int helper_request(char kind, const char *arg)
{
    char msg[128];
    int n = snprintf(msg, sizeof(msg), "%c%s\n", kind, arg);

    if (n >= (int)sizeof(msg))
        return -1;
    return write(helper_fd, msg, n) == n ? 0 : -1;
}

/* ------------------------------------------------------------ network */

static int recv_all(int s, void *buf, size_t n)
{
    uint8_t *p = buf;
    ssize_t k;

    while (n > 0) {
        k = recv(s, p, n, 0);
        if (k <= 0)
            return -1;
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

static int send_status(int s, uint8_t svc, uint8_t status, int32_t value)
{
    uint8_t out[12] = { 0xAA, 0x55, 0, 0, 0, 0, 0, 4 };

    out[2] = svc | 0x80;
    out[3] = status;
    value = (int32_t)htonl((uint32_t)value);
    memcpy(out + 8, &value, 4);
    return send(s, out, sizeof(out), MSG_NOSIGNAL) == sizeof(out) ? 0 : -1;
}

static int service(int s, const frame_header_t *h, uint8_t *body, uint32_t len)
{
    uint32_t v;

    switch (h->service) {
    case SVC_VARREAD:
        if (len < 1)
            return send_status(s, h->service, 2, 0);
        return send_status(s, h->service, 0, plc_vars[body[0]]);
    case SVC_VARWRITE:
        if (len < 5)
            return send_status(s, h->service, 2, 0);
        memcpy(&v, body + 1, 4);
        plc_vars[body[0]] = (int32_t)ntohl(v);
        return send_status(s, h->service, 0, 0);
    case SVC_ROUTE:
        body[len] = '\0';
        return send_status(s, h->service, helper_request('R', (char *)body) ? 3 : 0, 0);
    case SVC_ARCHIVE:
        body[len] = '\0';
        if (len == 0 || len > 64)
            return send_status(s, h->service, 2, 0);
        return send_status(s, h->service, helper_request('A', (char *)body) ? 3 : 0, 0);
    default:
        return send_status(s, h->service, 1, 0);
    }
}

static void connection(int s)
{
    frame_header_t h;
    uint8_t body[512 + 1];
    uint32_t len;

    for (;;) {
        if (recv_all(s, &h, sizeof(h)) < 0)
            return;
        if (ntohs(h.sync) != FRAME_SYNC)
            return;
        len = ntohl(h.length);
        if (len > 512)
            return;
        if (recv_all(s, body, len) < 0)
            return;
        if (service(s, &h, body, len) < 0)
            return;
    }
}

int main(void)
{
    struct sockaddr_in addr;
    int ls, cs, one = 1;

    signal(SIGPIPE, SIG_IGN);
    if (start_helper() < 0)
        return 1;
    if (setgid(100) < 0 || setuid(1001) < 0)
        fprintf(stderr, "agent: keep rights\n");
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_port = htons(AGENT_PORT);
    if (bind(ls, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(ls, 2) < 0) {
        perror("bind");
        return 1;
    }
    while ((cs = accept(ls, NULL, NULL)) >= 0) {
        connection(cs);
        close(cs);
    }
    return 0;
}
