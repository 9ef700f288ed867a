/*
 * sv_register: registration port of the surveillance storage unit.
 *
 * Recorders announce their cameras, each camera gets a volume directory with
 * a quota. The network side drops its rights after start; the part that
 * creates volumes stays root in a child and is fed records through a pipe.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SV_PORT         7010
#define SV_MAGIC        0x53564e53u
#define SV_UID          998
#define SV_MAXBODY      256
#define VOL_NAMELEN     40
#define NDISKS          4

#define SV_OP_HELLO     1
#define SV_OP_ADDVOL    2
#define SV_OP_DELVOL    3
#define SV_OP_USAGE     4

#define ST_OK           0
#define ST_BADREQ       1
#define ST_BADNAME      2
#define ST_NOSPACE      3

struct sv_hdr {
    uint32_t magic;
    uint8_t  op;
    uint8_t  version;
    uint16_t length;
} __attribute__((packed));

struct sv_addvol {
    uint32_t camera;
    uint32_t quota_mb;
    char     name[VOL_NAMELEN];
} __attribute__((packed));

struct vol_rec {
    int      op;
    unsigned disk;
    uint32_t camera;
    uint32_t quota_mb;
    char     name[VOL_NAMELEN + 1];
};

static int helper_fd = -1;
static uint32_t committed_mb[NDISKS];
static uint32_t disk_mb = 1800000;
static FILE *audit;

static void audit_line(const char *what, unsigned a, unsigned b)
{
    if (!audit)
        return;
    fprintf(audit, "%ld %s %u %u\n", (long)time(NULL), what, a, b);
    fflush(audit);
}

/* ------------------------------------------------ root side, in the child */

static int name_usable(const char *n)
{
    /* it becomes one path component */
    if (n[0] == '\0' || n[0] == '.')
        return 0;
    return n[strspn(n, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                       "0123456789._-")] == '\0';
}

static int run_script(const char *script)
{
    int st;
    pid_t pid = fork();

    if (pid < 0)
        return -1;
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, &st, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void helper_main(int fd)
{
    FILE *in = fdopen(fd, "r");
    struct vol_rec r;
    char script[300];

    if (!in)
        _exit(1);
    while (fread(&r, sizeof r, 1, in) == 1) {
        r.name[VOL_NAMELEN] = '\0';
        if (!name_usable(r.name)) {
            audit_line("refused", r.camera, 0);
            continue;
        }
        if (r.op == SV_OP_ADDVOL)
            snprintf(script, sizeof script,
                     "D=/mnt/disk%u/%s; mkdir -p $D && chown rec:rec $D && "
                     "xfs_quota -x -c 'limit -p bhard=%um cam%u' /mnt/disk%u",
                     r.disk, r.name, (unsigned)r.quota_mb, (unsigned)r.camera, r.disk);
        else
            snprintf(script, sizeof script,
                     "mv /mnt/disk%u/%s /mnt/disk%u/.trash-%u", r.disk, r.name,
                     r.disk, (unsigned)r.camera);
        audit_line(r.op == SV_OP_ADDVOL ? "create" : "trash", r.camera, r.disk);
        if (run_script(script) != 0)
            audit_line("script failed", r.camera, r.disk);
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

/* ------------------------------------------------------------ network side */

static int recv_full(int s, void *buf, size_t n)
{
    char *p = buf;

    while (n) {
        ssize_t r = recv(s, p, n, 0);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return -1;
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

static void send_status(int s, uint8_t op, uint8_t st, uint32_t val)
{
    unsigned char o[10];
    uint32_t m = htonl(SV_MAGIC);

    memcpy(o, &m, 4);
    o[4] = op | 0x80;
    o[5] = st;
    val = htonl(val);
    memcpy(o + 6, &val, 4);
    send(s, o, sizeof o, MSG_NOSIGNAL);
}

static int pick_disk(uint32_t quota)
{
    int i, best = -1;

    for (i = 0; i < NDISKS; i++) {
        if (quota > disk_mb || committed_mb[i] > disk_mb - quota)
            continue;
        if (best < 0 || committed_mb[i] < committed_mb[best])
            best = i;
    }
    return best;
}

static void op_volume(int s, uint8_t op, const unsigned char *body, size_t len)
{
    struct sv_addvol a;
    struct vol_rec r;
    int d;

    if (len < sizeof a) {
        send_status(s, op, ST_BADREQ, 0);
        return;
    }
    memcpy(&a, body, sizeof a);
    memset(&r, 0, sizeof r);
    r.op = op;
    r.camera = ntohl(a.camera);
    r.quota_mb = ntohl(a.quota_mb);
    memcpy(r.name, a.name, VOL_NAMELEN);
    if (op == SV_OP_ADDVOL) {
        d = pick_disk(r.quota_mb);
        if (d < 0) {
            send_status(s, op, ST_NOSPACE, 0);
            return;
        }
        committed_mb[d] += r.quota_mb;
    } else {
        d = (int)(r.camera % NDISKS);
    }
    r.disk = (unsigned)d;
    if (write(helper_fd, &r, sizeof r) != (ssize_t)sizeof r) {
        send_status(s, op, ST_BADREQ, 0);
        return;
    }
    send_status(s, op, ST_OK, r.disk);
}

static void session(int s)
{
    struct sv_hdr h;
    unsigned char body[SV_MAXBODY];

    for (;;) {
        size_t len;

        if (recv_full(s, &h, sizeof h) < 0)
            return;
        len = ntohs(h.length);
        if (ntohl(h.magic) != SV_MAGIC || h.version != 1 || len > sizeof body)
            return;
        if (recv_full(s, body, len) < 0)
            return;
        switch (h.op) {
        case SV_OP_HELLO:
            send_status(s, h.op, ST_OK, NDISKS);
            break;
        case SV_OP_ADDVOL:
        case SV_OP_DELVOL:
            op_volume(s, h.op, body, len);
            break;
        case SV_OP_USAGE:
            if (len >= 1 && body[0] < NDISKS)
                send_status(s, h.op, ST_OK, committed_mb[body[0]]);
            else
                send_status(s, h.op, ST_BADREQ, 0);
            break;
        default:
            send_status(s, h.op, ST_BADREQ, 0);
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    struct timeval tv = { 20, 0 };
    int ls, c, on = 1;

    if (argc > 1)
        disk_mb = (uint32_t)strtoul(argv[1], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    audit = fopen("/var/log/sv_register.log", "a");
    if (start_helper() < 0)
        return 1;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(SV_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 5) < 0)
        return 1;
    if (getuid() == 0 && setuid(SV_UID) < 0)
        return 1;
    while ((c = accept(ls, NULL, NULL)) >= 0 || errno == EINTR) {
        if (c < 0)
            continue;
        setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        session(c);
        close(c);
    }
    return 0;
}
