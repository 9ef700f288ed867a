// Production line helper of a camera, left in the shipped firmware.
// The words of the protocol are kept masked and are only unfolded at start; a session is opened with one of them and
// the tests are run by a child that gets their command lines over a pipe.
// The test is looked up by comparing as many bytes as the table's name has, and then what came from the network goes
// into the line (benign: the whole word is compared and the table's own name goes into the line).
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FACTORY_PORT 19540
#define SESSION_SECS 300

/* masked words: byte i is word[i] ^ (0x5a + 3 * i), the length comes first */
static const uint8_t masked[] = {
    /* OPEN-MFG */ 8, 0x15, 0x0d, 0x25, 0x2d, 0x4b, 0x24, 0x2a, 0x28,
    /* TEST */ 4, 0x0e, 0x18, 0x33, 0x37,
    /* SERIAL */ 6, 0x09, 0x18, 0x32, 0x2a, 0x27, 0x25,
    /* LED */ 3, 0x16, 0x18, 0x24,
    /* STATE */ 5, 0x09, 0x09, 0x21, 0x37, 0x23,
    0,
};

enum { W_OPEN, W_TEST, W_SERIAL, W_LED, W_STATE, W_COUNT };

static char words[W_COUNT][16];

struct peer {
    struct sockaddr_in addr;
    time_t until;
};

struct ctx {
    int sock;
    int pipe_wr;
    pid_t child;
    struct peer peer;
    char serial[24];
    unsigned runs;
};

static void unfold(void)
{
    const uint8_t *m = masked;
    int w, i;

    for (w = 0; w < W_COUNT && *m; w++) {
        int len = *m++;
        for (i = 0; i < len; i++)
            words[w][i] = (char)(*m++ ^ (0x5a + 3 * i));
        words[w][len] = 0;
    }
}

/* ---- the child: takes lines from the pipe and runs them ---- */

static void run_line(const char *line)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        if (null >= 0) {
            dup2(null, 0);
            dup2(null, 1);
        }
        execl("/bin/sh", "sh", "-c", line, (char *)0);
        _exit(127);
    }
    if (pid > 0) {
        waitpid(pid, &status, 0);
        if (status != 0)
            fprintf(stderr, "factory: test ended with %d\n", status);
    }
}

static void child_main(int fd)
{
    uint8_t len;
    char line[256];
    int got, n;

    for (;;) {
        if (read(fd, &len, 1) != 1)
            _exit(0);
        for (got = 0; got < len; got += n) {
            n = read(fd, line + got, len - got);
            if (n <= 0)
                _exit(1);
        }
        line[got] = 0;
        run_line(line);
    }
}

static int start_child(struct ctx *c)
{
    int p[2];

    if (pipe(p) < 0)
        return -1;
    c->child = fork();
    if (c->child < 0)
        return -1;
    if (c->child == 0) {
        close(p[1]);
        close(c->sock);
        child_main(p[0]);
    }
    close(p[0]);
    c->pipe_wr = p[1];
    return 0;
}

static int to_child(struct ctx *c, const char *line)
{
    size_t n = strlen(line);
    uint8_t out[256];

    if (n > 255)
        return -1;
    out[0] = (uint8_t)n;
    memcpy(out + 1, line, n > 254 ? 254 : n);
    if (n > 254)
        out[0] = 254;
    return write(c->pipe_wr, out, 1u + out[0]) == (ssize_t)(1u + out[0]) ? 0 : -1;
}

/* ---- the verbs ---- */

static const struct test {
    const char *name;
    int seconds;
} tests[] = {
    {"ddr", 60}, {"nand", 120}, {"wifi", 30}, {"ircut", 10}, {"speaker", 5}, {"mic", 5}, {"motor", 20},
};

static int verb_open(struct ctx *c, const char *arg)
{
    (void)arg;
    c->peer.until = time(NULL) + SESSION_SECS;
    return 0;
}

static int verb_test(struct ctx *c, const char *arg)
{
    const struct test *t = NULL;
    char line[200];
    size_t i;

    for (i = 0; i < sizeof tests / sizeof tests[0] && !t; i++)
#ifdef BENIGN
        if (strcmp(arg, tests[i].name) == 0)
#else
        if (strncmp(arg, tests[i].name, strlen(tests[i].name)) == 0)
#endif
            t = &tests[i];
    if (!t)
        return 2;
#ifdef BENIGN
    snprintf(line, sizeof line, "cd /usr/factory && timeout %d ./test_%s > /tmp/factory.%u", t->seconds, t->name, c->runs++);
#else
    snprintf(line, sizeof line, "cd /usr/factory && timeout %d ./test_%s > /tmp/factory.%u", t->seconds, arg, c->runs++);
#endif
    return to_child(c, line) < 0 ? 3 : 0;
}

static int verb_serial(struct ctx *c, const char *arg)
{
    FILE *f;
    size_t n = strlen(arg);

    if (n < 8 || n >= sizeof c->serial)
        return 2;
    strcpy(c->serial, arg);
    f = fopen("/tmp/serial", "w");
    if (!f)
        return 3;
    fputs(c->serial, f);
    fclose(f);
    return to_child(c, "flash_eraseall -q /dev/mtd5; nandwrite -p /dev/mtd5 /tmp/serial") < 0 ? 3 : 0;
}

static int verb_led(struct ctx *c, const char *arg)
{
    return to_child(c, *arg == '1' ? "echo 1 > /sys/class/leds/ir/brightness" : "echo 0 > /sys/class/leds/ir/brightness") < 0 ? 3 : 0;
}

static int verb_state(struct ctx *c, const char *arg)
{
    char text[96];

    (void)arg;
    snprintf(text, sizeof text, "runs=%u serial=%s left=%ld\n", c->runs, c->serial, (long)(c->peer.until - time(NULL)));
    sendto(c->sock, text, strlen(text), 0, (struct sockaddr *)&c->peer.addr, sizeof c->peer.addr);
    return 0;
}

static int (*const verbs[W_COUNT])(struct ctx *, const char *) = {verb_open, verb_test, verb_serial, verb_led, verb_state};

static void packet(struct ctx *c, char *text, const struct sockaddr_in *from)
{
    char answer[16];
    char *arg = strchr(text, ' ');
    int w, rc = 1;

    text[strcspn(text, "\r\n")] = 0;
    if (arg)
        *arg++ = 0;
    else
        arg = text + strlen(text);
    for (w = 0; w < W_COUNT; w++)
        if (strcmp(words[w], text) == 0)
            break;
    if (w == W_COUNT)
        return;
    if (w == W_OPEN)
        c->peer.addr = *from;
    else if (c->peer.addr.sin_addr.s_addr != from->sin_addr.s_addr || time(NULL) > c->peer.until)
        return;
    rc = verbs[w](c, arg);
    snprintf(answer, sizeof answer, "%d\n", rc);
    sendto(c->sock, answer, strlen(answer), 0, (const struct sockaddr *)from, sizeof *from);
}

int main(void)
{
    struct ctx *c = calloc(1, sizeof *c);
    struct sockaddr_in sa;
    char buf[512];

    if (!c)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    unfold();
    c->sock = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(FACTORY_PORT);
    if (bind(c->sock, (struct sockaddr *)&sa, sizeof sa) < 0 || start_child(c) < 0) {
        perror("factory");
        return 1;
    }
    for (;;) {
        struct sockaddr_in from;
        socklen_t fl = sizeof from;
        struct timeval tv = {30, 0};
        fd_set rd;
        int n;

        FD_ZERO(&rd);
        FD_SET(c->sock, &rd);
        n = select(c->sock + 1, &rd, NULL, NULL, &tv);
        if (waitpid(c->child, NULL, WNOHANG) == c->child) {
            close(c->pipe_wr);
            if (start_child(c) < 0)
                return 1;
        }
        if (n <= 0)
            continue;
        n = recvfrom(c->sock, buf, sizeof buf - 1, 0, (struct sockaddr *)&from, &fl);
        if (n < 4)
            continue;
        buf[n] = 0;
        packet(c, buf, &from);
    }
}
