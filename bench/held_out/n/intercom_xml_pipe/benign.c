/* doorstation: control protocol (XML on TCP) and privileged helper */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define DS_PORT      8067
#define DS_MSG_MAX   2048
#define DS_NAME_MAX  80

enum helper_op { OP_PLAY = 1, OP_OPEN = 2, OP_VOLUME = 3 };

/* what goes over the pipe from the network process to the helper */
struct helper_msg {
    int  op;
    int  num;
    char name[DS_NAME_MAX];
};

static int helper_fd = -1;

/* ---------------------------------------------------------------- helper */

static void helper_play(const struct helper_msg *m)
{
    char file[256];
    pid_t pid;

    if (strchr(m->name, '/'))
        return;
    snprintf(file, sizeof(file), "/opt/chimes/%s.wav", m->name);
    pid = fork();
    if (pid == 0) {
        execlp("aplay", "aplay", "-q", file, (char *)NULL);
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

static void helper_open(const struct helper_msg *m)
{
    FILE *f = fopen(m->num == 2 ? "/dev/relay2" : "/dev/relay1", "w");

    if (!f)
        return;
    fputs("1\n", f);
    fflush(f);
    sleep(3);
    fputs("0\n", f);
    fclose(f);
}

static void helper_volume(const struct helper_msg *m)
{
    char cmd[64];

    snprintf(cmd, sizeof(cmd), "amixer -q sset Master %d%%", m->num);
    system(cmd);
}

static void helper_main(int fd)
{
    struct helper_msg m;

    signal(SIGINT, SIG_IGN);
    while (read(fd, &m, sizeof(m)) == (ssize_t)sizeof(m)) {
        m.name[sizeof(m.name) - 1] = '\0';
        switch (m.op) {
        case OP_PLAY:   helper_play(&m);   break;
        case OP_OPEN:   helper_open(&m);   break;
        case OP_VOLUME: helper_volume(&m); break;
        default:
            fprintf(stderr, "helper: op %d?\n", m.op);
        }
    }
    _exit(0);
}

static void start_helper(void)
{
    int p[2];
    pid_t pid;

    if (pipe(p) < 0)
        exit(1);
    pid = fork();
    if (pid < 0)
        exit(1);
    if (pid == 0) {
        close(p[1]);
        helper_main(p[0]);
    }
    close(p[0]);
    helper_fd = p[1];
}

/* --------------------------------------------------------------- network */

static int xml_tag(const char *xml, const char *tag, char *out, size_t cap)
{
    char mark[40];
    const char *b, *e;

    snprintf(mark, sizeof(mark), "<%s>", tag);
    b = strstr(xml, mark);
    if (!b)
        return -1;
    b += strlen(mark);
    snprintf(mark, sizeof(mark), "</%s>", tag);
    e = strstr(b, mark);
    if (!e || (size_t)(e - b) >= cap)
        return -1;
    memcpy(out, b, e - b);
    out[e - b] = '\0';
    return (int)(e - b);
}

static int to_helper(struct helper_msg *m)
{
    return write(helper_fd, m, sizeof(*m)) == (ssize_t)sizeof(*m) ? 0 : -1;
}

static int req_chime(const char *xml)
{
    struct helper_msg m;

    memset(&m, 0, sizeof(m));
    m.op = OP_PLAY;
    if (xml_tag(xml, "Melody", m.name, sizeof(m.name)) <= 0)
        return 400;
    return to_helper(&m) ? 500 : 200;
}

static int req_open(const char *xml)
{
    struct helper_msg m;
    char pin[12], door[4];

    memset(&m, 0, sizeof(m));
    m.op = OP_OPEN;
    if (xml_tag(xml, "Pin", pin, sizeof(pin)) <= 0)
        return 400;
    if (strcmp(pin, getenv("DS_PIN") ? getenv("DS_PIN") : "4711"))
        return 403;
    if (xml_tag(xml, "Door", door, sizeof(door)) > 0)
        m.num = atoi(door);
    return to_helper(&m) ? 500 : 200;
}

static int req_volume(const char *xml)
{
    struct helper_msg m;
    char v[8];

    memset(&m, 0, sizeof(m));
    m.op = OP_VOLUME;
    if (xml_tag(xml, "Level", v, sizeof(v)) <= 0)
        return 400;
    m.num = atoi(v);
    if (m.num < 0 || m.num > 100)
        return 400;
    return to_helper(&m) ? 500 : 200;
}

struct request {
    const char *name;
    int (*fn)(const char *);
};

static const struct request requests[] = {
    { "RingChime", req_chime },
    { "OpenDoor",  req_open },
    { "SetVolume", req_volume },
};

static void answer(int fd, int code)
{
    char b[80];
    int n = snprintf(b, sizeof(b), "<Response><Status>%d</Status></Response>\n", code);

    send(fd, b, n, MSG_NOSIGNAL);
}

static void session(int fd)
{
    char msg[DS_MSG_MAX + 1], action[32];
    size_t have = 0, i;

    while (have < DS_MSG_MAX) {
        ssize_t n = recv(fd, msg + have, DS_MSG_MAX - have, 0);

        if (n <= 0)
            return;
        have += n;
        msg[have] = '\0';
        if (strstr(msg, "</Request>"))
            break;
    }
    if (xml_tag(msg, "Action", action, sizeof(action)) <= 0) {
        answer(fd, 400);
        return;
    }
    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        if (!strcmp(requests[i].name, action)) {
            answer(fd, requests[i].fn(msg));
            return;
        }
    }
    answer(fd, 404);
}

int main(void)
{
    struct sockaddr_in sin;
    int s, c, one = 1;

    start_helper();
    signal(SIGPIPE, SIG_IGN);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(DS_PORT);
    if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) || listen(s, 4)) {
        perror("doorstation");
        return 1;
    }
    while ((c = accept(s, NULL, NULL)) >= 0) {
        session(c);
        close(c);
    }
    return 0;
}
