/*
 * cradled -- private channel between the baby camera and its parent unit
 *
 * A parent unit proves itself with the knock, then sends packets
 *     op (1)  length (2, little endian)  data
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <time.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CRADLE_PORT   18554
#define KNOCK_LEN     12
#define TUNES         6
#define TUNE_NAME     48

#define OP_STATUS     0x01
#define OP_LIGHT      0x02
#define OP_TUNE_NAME  0x11
#define OP_TUNE_PLAY  0x12
#define OP_SCHEDULE   0x21
#define OP_BYE        0x7f

struct cradle {
    int     light;
    int     playing;
    int     volume;
    uint8_t night_from, night_to;
    char    tunes[TUNES][TUNE_NAME];
    uint32_t packets;
};

typedef int op_fn(struct cradle *c, int fd, uint16_t len);

static struct cradle cradle = {
    .volume = 3,
    .night_from = 19,
    .night_to = 7,
    .tunes = { "Waves", "Rain", "Heartbeat", "Fan", "Music box", "Birds" },
};

static const uint8_t knock[KNOCK_LEN] = {
    0x00, 0x10, 0x10, 0x18, 0x08, 0x20, 0x50, 0x28, 0xc8, 0x02, 0xca, 0xfa
};

static uint8_t rol8(uint8_t v, unsigned n)
{
    return (uint8_t)(v << n | v >> (8 - n));
}

static int recv_full(int fd, void *buf, size_t want)
{
    size_t got = 0;

    while (got < want) {
        ssize_t r = recv(fd, (char *)buf + got, want - got, 0);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return -1;
        got += (size_t)r;
    }
    return 0;
}

static int skip(int fd, size_t n)
{
    char junk[64];

    while (n) {
        size_t k = n < sizeof(junk) ? n : sizeof(junk);

        if (recv_full(fd, junk, k))
            return -1;
        n -= k;
    }
    return 0;
}

static int answer(int fd, uint8_t op, const void *data, uint8_t len)
{
    uint8_t out[3 + 255];

    out[0] = op | 0x80;
    out[1] = len;
    out[2] = 0;
    memcpy(out + 3, data, len);
    return send(fd, out, 3u + len, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int check_knock(int fd)
{
    uint8_t k[KNOCK_LEN];
    int i, bad = 0;

    if (recv_full(fd, k, sizeof(k)))
        return -1;
    for (i = 0; i < KNOCK_LEN; i++)
        bad += (uint8_t)(rol8(k[i], 3) ^ 0x6b) != knock[i];
    return bad ? -1 : 0;
}

/* ------------------------------------------------------------ operations */

static int op_status(struct cradle *c, int fd, uint16_t len)
{
    uint8_t st[6];

    if (skip(fd, len))
        return -1;
    st[0] = (uint8_t)c->light;
    st[1] = (uint8_t)c->playing;
    st[2] = (uint8_t)c->volume;
    st[3] = c->night_from;
    st[4] = c->night_to;
    st[5] = (uint8_t)c->packets;
    return answer(fd, OP_STATUS, st, sizeof(st));
}

static int op_light(struct cradle *c, int fd, uint16_t len)
{
    uint8_t v;

    if (len != 1 || recv_full(fd, &v, 1))
        return -1;
    c->light = v > 100 ? 100 : v;
    return answer(fd, OP_LIGHT, &v, 1);
}

/* number of the tune, then its new name */
static int op_tune_name(struct cradle *c, int fd, uint16_t len)
{
    char name[TUNE_NAME];
    uint8_t idx;
    size_t i;

    if (len < 2 || recv_full(fd, &idx, 1))
        return -1;
    len--;
    if (idx >= TUNES || len >= sizeof(name))
        return skip(fd, len);
    memset(name, 0, sizeof(name));
    if (recv_full(fd, name, len))
        return -1;
    for (i = 0; i < sizeof(name) - 1; i++)
        if ((unsigned char)name[i] < ' ' && name[i])
            name[i] = '?';
    name[sizeof(name) - 1] = '\0';
    memcpy(c->tunes[idx], name, sizeof(name));
    fprintf(stderr, "cradled: tune %u is now %s\n", idx, name);
    return answer(fd, OP_TUNE_NAME, &idx, 1);
}

static int op_tune_play(struct cradle *c, int fd, uint16_t len)
{
    uint8_t v[2];
    char path[64];
    pid_t pid;

    if (len != 2 || recv_full(fd, v, 2))
        return -1;
    if (v[0] >= TUNES || v[1] > 10)
        return 0;
    c->playing = v[0] + 1;
    c->volume = v[1];
    snprintf(path, sizeof(path), "/usr/share/tunes/%u.wav", v[0]);
    pid = fork();
    if (pid == 0) {
        execl("/usr/bin/aplay", "aplay", "-q", path, (char *)NULL);
        _exit(1);
    }
    return answer(fd, OP_TUNE_PLAY, v, 2);
}

static int op_schedule(struct cradle *c, int fd, uint16_t len)
{
    uint8_t h[2];

    if (len != sizeof(h) || recv_full(fd, h, sizeof(h)))
        return -1;
    if (h[0] > 23 || h[1] > 23)
        return -1;
    c->night_from = h[0];
    c->night_to = h[1];
    return answer(fd, OP_SCHEDULE, h, 2);
}

static int op_bye(struct cradle *c, int fd, uint16_t len)
{
    (void)c;
    (void)fd;
    (void)len;
    return -1;
}

static const struct {
    uint8_t op;
    op_fn  *fn;
} ops[] = {
    { OP_STATUS,    op_status    },
    { OP_LIGHT,     op_light     },
    { OP_TUNE_NAME, op_tune_name },
    { OP_TUNE_PLAY, op_tune_play },
    { OP_SCHEDULE,  op_schedule  },
    { OP_BYE,       op_bye       },
};

static void parent_unit(int fd)
{
    uint8_t h[3];

    if (check_knock(fd))
        return;
    while (recv_full(fd, h, sizeof(h)) == 0) {
        uint16_t len = (uint16_t)(h[1] | h[2] << 8);
        op_fn *fn = NULL;
        size_t i;

        for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
            if (ops[i].op == h[0])
                fn = ops[i].fn;
        cradle.packets++;
        if (fn ? fn(&cradle, fd, len) : skip(fd, len))
            break;
    }
}

static void night_light(int sig)
{
    time_t now = time(NULL);
    int hour = (int)(now / 3600 % 24);
    int night = hour >= cradle.night_from || hour < cradle.night_to;

    (void)sig;
    if (night && cradle.light == 0)
        cradle.light = 5;
}

int main(void)
{
    struct itimerval it = { { 60, 0 }, { 60, 0 } };
    struct sockaddr_in sa;
    struct sigaction act;
    int ls, on = 1;

    memset(&act, 0, sizeof(act));
    act.sa_handler = night_light;
    act.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    setitimer(ITIMER_REAL, &it, NULL);

    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(CRADLE_PORT);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 1) < 0) {
        perror("cradled");
        return 1;
    }
    for (;;) {
        int fd = accept(ls, NULL, NULL);

        if (fd < 0)
            continue;
        parent_unit(fd);
        close(fd);
    }
}
