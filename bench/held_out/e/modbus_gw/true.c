/*
 * mbgw: Modbus/TCP to serial gateway with a supervision of the upstream host.
 *
 * The vendor function 0x65 reads and writes text settings (name, location, host to supervise). The supervised host
 * is pinged on every alarm, the result is shown in an input register.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

#define NREGS        128
#define ADU_MAX      260
#define FN_READ      0x03
#define FN_READ_IN   0x04
#define FN_WRITE     0x06
#define FN_WRITE_M   0x10
#define FN_VENDOR    0x65

#define EX_FUNCTION  1
#define EX_ADDRESS   2
#define EX_VALUE     3

enum { S_NAME, S_LOCATION, S_WATCHDOG, S_MAX };

static uint16_t holding[NREGS], input_regs[8];
static char settings[S_MAX][64] = { "GW-101", "cabinet", "" };
static volatile sig_atomic_t alarm_due;
static unsigned long requests, exceptions;

static unsigned get16(const uint8_t *p) { return p[0] << 8 | p[1]; }
static void put16(uint8_t *p, unsigned v) { p[0] = v >> 8; p[1] = v; }

static void on_alarm(int sig)
{
    (void)sig;
    alarm_due = 1;
}

/* ---- settings ---- */

static int host_valid(const char *text)
{
    struct in_addr a;
#ifdef BENIGN
    return inet_pton(AF_INET, text, &a) == 1;
#else
    return inet_aton(text, &a) != 0;
#endif
}

static int setting_write(int which, const uint8_t *text, size_t len)
{
    char tmp[sizeof settings[0]];

    if (which < 0 || which >= S_MAX || len >= sizeof tmp)
        return EX_ADDRESS;
    memcpy(tmp, text, len);
    tmp[len] = '\0';
    if (which == S_WATCHDOG && len != 0 && !host_valid(tmp))
        return EX_VALUE;
    strcpy(settings[which], tmp);
    return 0;
}

static const char *setting_read(int which)
{
    return which >= 0 && which < S_MAX ? settings[which] : "";
}

/* ---- supervision ---- */

static int spawn_shell(char *line)
{
    char *argv[] = { "sh", "-c", line, NULL };
    pid_t pid;
    int st;

    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) != 0)
        return -1;
    while (waitpid(pid, &st, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void supervise(void)
{
    const char *host = setting_read(S_WATCHDOG);
    char line[128];

    if (*host == '\0')
        return;
    snprintf(line, sizeof line, "ping -c 1 -W 1 %s > /dev/null 2>&1", host);
    if (spawn_shell(line) == 0) {
        input_regs[0]++;
        input_regs[1] = 0;
    } else if (++input_regs[1] == 30) {
        input_regs[2]++;
        spawn_shell("/etc/init.d/network restart");
    }
}

/* ---- modbus ---- */

/* PDU in, PDU out; the length of the answer */
static int exception(uint8_t *out, uint8_t fn, int code)
{
    exceptions++;
    out[0] = fn | 0x80;
    out[1] = code;
    return 2;
}

static int read_regs(const uint8_t *in, int len, uint8_t *out, const uint16_t *regs, unsigned limit)
{
    unsigned first, n, i;

    if (len < 5)
        return exception(out, in[0], EX_VALUE);
    first = get16(in + 1);
    n = get16(in + 3);
    if (n == 0 || n > 120)
        return exception(out, in[0], EX_VALUE);
    if (first + n > limit)
        return exception(out, in[0], EX_ADDRESS);
    out[0] = in[0];
    out[1] = n * 2;
    for (i = 0; i < n; i++)
        put16(out + 2 + i * 2, regs[first + i]);
    return 2 + n * 2;
}

static int write_regs(const uint8_t *in, int len, uint8_t *out)
{
    unsigned first = get16(in + 1), n, i;

    if (in[0] == FN_WRITE) {
        if (first >= NREGS)
            return exception(out, in[0], EX_ADDRESS);
        holding[first] = get16(in + 3);
    } else {
        n = get16(in + 3);
        if (len < 6 || in[5] != n * 2 || len < (int)(6 + n * 2))
            return exception(out, in[0], EX_VALUE);
        if (first + n > NREGS)
            return exception(out, in[0], EX_ADDRESS);
        for (i = 0; i < n; i++)
            holding[first + i] = get16(in + 6 + i * 2);
    }
    memcpy(out, in, 5);
    return 5;
}

/* 65 op which len text */
static int vendor(const uint8_t *in, int len, uint8_t *out)
{
    const char *text;
    int rc, n;

    if (len < 3)
        return exception(out, in[0], EX_VALUE);
    switch (in[1]) {
    case 0:
        text = setting_read(in[2]);
        n = strlen(text);
        out[0] = in[0];
        out[1] = n;
        memcpy(out + 2, text, n);
        return n + 2;
    case 1:
        if (len < 4 || in[3] > len - 4)
            return exception(out, in[0], EX_VALUE);
        rc = setting_write(in[2], in + 4, in[3]);
        if (rc != 0)
            return exception(out, in[0], rc);
        out[0] = in[0];
        out[1] = 0;
        return 2;
    case 2:
        spawn_shell("/sbin/savecfg");
        out[0] = in[0];
        out[1] = 0;
        return 2;
    }
    return exception(out, in[0], EX_FUNCTION);
}

static int process(const uint8_t *in, int len, uint8_t *out)
{
    requests++;
    switch (in[0]) {
    case FN_READ:
        return read_regs(in, len, out, holding, NREGS);
    case FN_READ_IN:
        return read_regs(in, len, out, input_regs, 8);
    case FN_WRITE:
    case FN_WRITE_M:
        if (len < 5)
            break;
        return write_regs(in, len, out);
    case FN_VENDOR:
        return vendor(in, len, out);
    }
    return exception(out, in[0], EX_FUNCTION);
}

static int read_full(int fd, uint8_t *p, int want)
{
    int have = 0, n;

    while (have < want) {
        n = read(fd, p + have, want - have);
        if (n == -1 && errno == EINTR) {
            if (alarm_due) {
                alarm_due = 0;
                supervise();
            }
            continue;
        }
        if (n <= 0)
            return -1;
        have += n;
    }
    return have;
}

static void serve(int fd)
{
    uint8_t adu[ADU_MAX], out[ADU_MAX + 8];
    int len, n;

    for (;;) {
        if (read_full(fd, adu, 7) < 0)
            return;
        len = get16(adu + 4) - 1;
        if (get16(adu + 2) != 0 || len < 1 || len > ADU_MAX - 7)
            return;
        if (read_full(fd, adu + 7, len) < 0)
            return;
        memcpy(out, adu, 7);
        n = process(adu + 7, len, out + 7);
        put16(out + 4, n + 1);
        if (write(fd, out, n + 7) != n + 7)
            return;
    }
}

int main(void)
{
    struct itimerval every = { { 5, 0 }, { 5, 0 } };
    struct sigaction act;
    struct sockaddr_in addr;
    int s, c, yes = 1;

    memset(&act, 0, sizeof act);
    act.sa_handler = on_alarm;          /* no SA_RESTART: read and accept have to return */
    sigaction(SIGALRM, &act, NULL);
    signal(SIGPIPE, SIG_IGN);

    if ((s = socket(PF_INET, SOCK_STREAM, 0)) == -1) {
        perror("socket");
        exit(1);
    }
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    memset(&addr, 0, sizeof addr);
    addr.sin_family = AF_INET;
    addr.sin_port = htons(502);
    if (bind(s, (struct sockaddr *)&addr, sizeof addr) == -1 || listen(s, 2) == -1) {
        perror("bind");
        exit(1);
    }
    setitimer(ITIMER_REAL, &every, NULL);
    for (;;) {
        c = accept(s, NULL, NULL);
        if (alarm_due) {
            alarm_due = 0;
            supervise();
        }
        if (c == -1)
            continue;
        serve(c);
        close(c);
    }
}
