/* nasctl.c
 *
 * Control daemon for share management.  The network half runs as "nobody";
 * everything that needs root is done by the helper process at the other end
 * of a pipe.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CTL_PORT   8730
#define SHARE_ROOT "/srv/shares"
#define LINE_MAX_  256

enum helper_op { OP_MKSHARE = 1, OP_SPINDOWN, OP_SYNC, OP_LAST };

struct helper_req {
    unsigned short op;
    unsigned short quota_gb;
    char name[64];
    char owner[32];
};

static int helper_fd = -1;
static char ctl_password[48] = "admin";

/* ===================================================== helper (root) ===== */

static void hlog(const char *msg, const char *arg)
{
    time_t t = time(NULL);
    char stamp[32];

    strftime(stamp, sizeof(stamp), "%F %T", localtime(&t));
    fprintf(stderr, "%s helper: %s %s\n", stamp, msg, arg);
}

static int name_allowed(const char *name)
{
    const char *p;

    if (name[0] == '\0' || name[0] == '-')
        return 0;
    for (p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-')
            return 0;
    return 1;
}

static void h_mkshare(const struct helper_req *r)
{
    char cmd[512];

    if (!name_allowed(r->name) || !name_allowed(r->owner)) {
        hlog("refused share", r->name);
        return;
    }
    snprintf(cmd, sizeof(cmd),
             "mkdir -p " SHARE_ROOT "/%s && chown %s " SHARE_ROOT "/%s",
             r->name, r->owner, r->name);
    if (system(cmd) != 0) {
        hlog("cannot create", r->name);
        return;
    }
    if (r->quota_gb) {
        snprintf(cmd, sizeof(cmd), "quotatool -u %s -bl %uG " SHARE_ROOT,
                 r->owner, r->quota_gb);
        system(cmd);
    }
    hlog("created", r->name);
}

static void h_spindown(const struct helper_req *r)
{
    system("hdparm -y /dev/sda >/dev/null 2>&1");
    hlog("spin down", "sda");
}

static void h_sync(const struct helper_req *r)
{
    sync();
}

static void (*const helper_ops[OP_LAST])(const struct helper_req *) = {
    [OP_MKSHARE]  = h_mkshare,
    [OP_SPINDOWN] = h_spindown,
    [OP_SYNC]     = h_sync,
};

static void helper_main(int fd)
{
    struct helper_req r;
    size_t have = 0;

    for (;;) {
        ssize_t n = read(fd, (char *)&r + have, sizeof(r) - have);
        if (n == 0)
            _exit(0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            _exit(1);
        }
        have += n;
        if (have < sizeof(r))
            continue;
        have = 0;
        r.name[sizeof(r.name) - 1] = '\0';
        r.owner[sizeof(r.owner) - 1] = '\0';
        if (r.op < OP_LAST && helper_ops[r.op])
            helper_ops[r.op](&r);
    }
}

static void helper_start(void)
{
    int p[2];
    pid_t pid;

    if (pipe(p) < 0) {
        perror("pipe");
        exit(1);
    }
    pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(1);
    }
    if (pid == 0) {
        close(p[1]);
        helper_main(p[0]);
    }
    close(p[0]);
    helper_fd = p[1];
}

/* ===================================================== network half ====== */

static void tell(int fd, const char *s)
{
    send(fd, s, strlen(s), MSG_NOSIGNAL);
}

static void helper_send(const struct helper_req *r)
{
    const char *p = (const char *)r;
    size_t left = sizeof(*r);

    while (left) {
        ssize_t n = write(helper_fd, p, left);
        if (n <= 0)
            return;
        p += n;
        left -= n;
    }
}

/* MKSHARE <owner> <quota> <name> */
static void c_mkshare(int fd, char *args)
{
    struct helper_req r;
    char *owner, *quota, *name;

    owner = strsep(&args, " ");
    quota = strsep(&args, " ");
    name = args;
    if (!owner || !quota || !name) {
        tell(fd, "501 usage: MKSHARE owner quota name\r\n");
        return;
    }
    memset(&r, 0, sizeof(r));
    r.op = OP_MKSHARE;
    r.quota_gb = (unsigned short)strtoul(quota, NULL, 10);
    strncpy(r.owner, owner, sizeof(r.owner) - 1);
    strncpy(r.name, name, sizeof(r.name) - 1);
    helper_send(&r);
    tell(fd, "250 queued\r\n");
}

static void c_simple(int fd, char *args)
{
    struct helper_req r;

    memset(&r, 0, sizeof(r));
    r.op = args && !strcmp(args, "disk") ? OP_SPINDOWN : OP_SYNC;
    helper_send(&r);
    tell(fd, "250 queued\r\n");
}

static void c_version(int fd, char *args)
{
    tell(fd, "220 nasctl 3.1\r\n");
}

static const struct {
    const char *word;
    int need_auth;
    void (*fn)(int, char *);
} commands[] = {
    { "VERSION", 0, c_version },
    { "MKSHARE", 1, c_mkshare },
    { "SLEEP",   1, c_simple  },
};

static int read_line(int fd, char *buf, int size)
{
    int n = 0;
    char c;

    while (n < size - 1) {
        if (recv(fd, &c, 1, 0) != 1)
            return -1;
        if (c == '\n')
            break;
        if (c != '\r')
            buf[n++] = c;
    }
    buf[n] = '\0';
    return n;
}

static void session(int fd)
{
    char line[LINE_MAX_], *args;
    int authed = 0;
    unsigned i;

    tell(fd, "220 nasctl ready\r\n");
    while (read_line(fd, line, sizeof(line)) >= 0) {
        args = line;
        char *word = strsep(&args, " ");
        if (!strcmp(word, "AUTH")) {
            authed = args && !strcmp(args, ctl_password);
            tell(fd, authed ? "230 ok\r\n" : "530 wrong password\r\n");
            continue;
        }
        if (!strcmp(word, "QUIT"))
            return;
        for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
            if (!strcmp(word, commands[i].word))
                break;
        if (i == sizeof(commands) / sizeof(commands[0]))
            tell(fd, "500 what?\r\n");
        else if (commands[i].need_auth && !authed)
            tell(fd, "530 log in first\r\n");
        else
            commands[i].fn(fd, args);
    }
}

int main(void)
{
    struct sockaddr_in sa;
    struct timeval tv = { 30, 0 };
    int s, fd, one = 1;

    signal(SIGPIPE, SIG_IGN);
    helper_start();
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(CTL_PORT);
    if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) || listen(s, 4)) {
        perror("bind");
        return 1;
    }
    setgid(65534);
    setuid(65534);
    while ((fd = accept(s, NULL, NULL)) >= 0 || errno == EINTR) {
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        session(fd);
        close(fd);
    }
    return 0;
}
