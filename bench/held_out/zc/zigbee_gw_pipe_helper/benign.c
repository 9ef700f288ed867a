/*
 * zgwd: LAN side of the Zigbee gateway. The daemon itself runs without
 * privileges after start; a helper, forked first, keeps root and takes
 * requests over a pipe, one per line.
 *
 *   datagram    "zgw1 <verb> <args>"
 *   pipe        "<letter> <argument>\n"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include <poll.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define ZGW_UDP_PORT   4900
#define ZGW_TAG        "zgw1 "
#define MAX_PERMIT     32
#define PERMIT_SECS    600

struct permit {
    char   addr[96];
    time_t until;
    int    used;
};

static struct permit permits[MAX_PERMIT];
static int helper_fd = -1;
static unsigned long rx_ok, rx_bad;

static void note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "zgwd[%d]: ", (int)getpid());
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

/* ---- helper process ------------------------------------------------ */

static void h_allow(const char *arg)
{
    char cmd[256];
    snprintf(cmd, sizeof cmd, "ebtables -t filter -I ZGW -s %s -j ACCEPT", arg);
    if (system(cmd) != 0)
        note("allow failed");
}

static void h_revoke(const char *arg)
{
    char cmd[256];
    snprintf(cmd, sizeof cmd, "ebtables -t filter -D ZGW -s %s -j ACCEPT", arg);
    if (system(cmd) != 0)
        note("revoke failed");
}

static void h_channel(const char *arg)
{
    FILE *fp = fopen("/tmp/zgw.channel", "w");
    if (!fp)
        return;
    fprintf(fp, "%d\n", atoi(arg));
    fclose(fp);
}

static void helper_loop(int fd)
{
    char line[160];
    FILE *in = fdopen(fd, "r");

    if (!in)
        _exit(1);
    while (fgets(line, sizeof line, in)) {
        char *nl = strchr(line, '\n');
        if (!nl)
            continue;
        *nl = '\0';
        if (line[0] == '\0' || line[1] != ' ')
            continue;
        switch (line[0]) {
        case 'A': h_allow(line + 2);   break;
        case 'R': h_revoke(line + 2);  break;
        case 'C': h_channel(line + 2); break;
        default:  note("helper: '%c'?", line[0]);
        }
    }
    fclose(in);
    _exit(0);
}

static int helper_start(void)
{
    int pfd[2];
    pid_t pid;

    if (pipe(pfd) < 0)
        return -1;
    pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        close(pfd[1]);
        helper_loop(pfd[0]);
    }
    close(pfd[0]);
    helper_fd = pfd[1];
    return 0;
}

static int helper_send(char op, const char *arg)
{
    char msg[128];
    int n = snprintf(msg, sizeof msg, "%c %s\n", op, arg);

    if (n < 0 || n >= (int)sizeof msg)
        return -1;
    return write(helper_fd, msg, (size_t)n) == n ? 0 : -1;
}

/* ---- permits ------------------------------------------------------- */

/* Turn the argument into the address used by the filter. */
static int take_mac(const char *arg, char *out, size_t outsz)
{
    unsigned b[6];
    size_t len = strlen(arg);

    if (len < 17 || len >= outsz)
        return -1;
    if (sscanf(arg, "%2x:%2x:%2x:%2x:%2x:%2x",
               &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
        return -1;
    if (b[0] & 1)
        return -1;              /* group address */
    snprintf(out, outsz, "%02x:%02x:%02x:%02x:%02x:%02x",
             b[0] & 0xff, b[1] & 0xff, b[2] & 0xff,
             b[3] & 0xff, b[4] & 0xff, b[5] & 0xff);
    return 0;
}

static struct permit *permit_find(const char *addr)
{
    int i;
    for (i = 0; i < MAX_PERMIT; i++)
        if (permits[i].used && !strcmp(permits[i].addr, addr))
            return &permits[i];
    return NULL;
}

static const char *v_permit(char *arg)
{
    char addr[96];
    struct permit *p;
    int i;

    if (take_mac(arg, addr, sizeof addr) < 0)
        return "bad address";
    p = permit_find(addr);
    if (!p) {
        for (i = 0; i < MAX_PERMIT && permits[i].used; i++)
            ;
        if (i == MAX_PERMIT)
            return "table full";
        p = &permits[i];
        p->used = 1;
        strcpy(p->addr, addr);
        if (helper_send('A', p->addr) < 0)
            return "helper";
    }
    p->until = time(NULL) + PERMIT_SECS;
    return "ok";
}

static const char *v_revoke(char *arg)
{
    char addr[96];
    struct permit *p;

    if (take_mac(arg, addr, sizeof addr) < 0)
        return "bad address";
    p = permit_find(addr);
    if (!p)
        return "not found";
    p->until = 0;               /* the sweep takes it out */
    return "ok";
}

static const char *v_channel(char *arg)
{
    char num[8];
    int c = atoi(arg);

    if (c < 11 || c > 26)
        return "bad channel";
    snprintf(num, sizeof num, "%d", c);
    return helper_send('C', num) < 0 ? "helper" : "ok";
}

static const char *v_stat(char *arg)
{
    static char out[64];
    (void)arg;
    snprintf(out, sizeof out, "ok=%lu bad=%lu", rx_ok, rx_bad);
    return out;
}

static void permits_sweep(time_t now)
{
    int i;
    for (i = 0; i < MAX_PERMIT; i++) {
        if (permits[i].used && permits[i].until <= now) {
            helper_send('R', permits[i].addr);
            permits[i].used = 0;
        }
    }
}

static const struct verb {
    const char *word;
    const char *(*fn)(char *arg);
} verbs[] = {
    { "permit",  v_permit  },
    { "revoke",  v_revoke  },
    { "channel", v_channel },
    { "stat",    v_stat    },
};

static void datagram(int s)
{
    char buf[200];
    struct sockaddr_in from;
    socklen_t fl = sizeof from;
    const char *ans = "unknown verb";
    char *verb, *arg;
    size_t i;
    ssize_t n = recvfrom(s, buf, sizeof buf - 1, 0, (struct sockaddr *)&from, &fl);

    if (n <= 0)
        return;
    buf[n] = '\0';
    buf[strcspn(buf, "\r\n")] = '\0';
    if (strncmp(buf, ZGW_TAG, sizeof ZGW_TAG - 1) != 0) {
        rx_bad++;
        return;
    }
    rx_ok++;
    verb = buf + sizeof ZGW_TAG - 1;
    arg = strchr(verb, ' ');
    if (arg)
        *arg++ = '\0';
    else
        arg = verb + strlen(verb);
    for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (!strcmp(verbs[i].word, verb)) {
            ans = verbs[i].fn(arg);
            break;
        }
    }
    sendto(s, ans, strlen(ans), 0, (struct sockaddr *)&from, fl);
}

int main(void)
{
    struct sockaddr_in me;
    struct pollfd pf;
    int s;

    signal(SIGPIPE, SIG_IGN);
    if (helper_start() < 0) {
        note("no helper: %s", strerror(errno));
        return 1;
    }
    s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(ZGW_UDP_PORT);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0) {
        note("bind: %s", strerror(errno));
        return 1;
    }
    if (getuid() == 0 && setuid(65534) < 0)
        note("setuid: %s", strerror(errno));
    pf.fd = s;
    pf.events = POLLIN;
    for (;;) {
        int r = poll(&pf, 1, 2000);
        if (r < 0 && errno != EINTR)
            break;
        if (r > 0 && (pf.revents & POLLIN))
            datagram(s);
        permits_sweep(time(NULL));
    }
    return 1;
}
