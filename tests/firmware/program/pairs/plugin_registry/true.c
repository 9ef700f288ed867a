/*
 * A gateway's agent whose modules register their verbs at run time in a list on the heap. Arguments arrive as hex digits
 * and are decoded first; the network module runs a shell by execv with an argument vector.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef int (*verb_fn)(void *state, const char *argument);

struct verb {
    struct verb *next;
    char name[12];
    verb_fn call;
    void *state;
    unsigned calls;
};

struct network_state {
    int mtu;
    int restarts;
    time_t changed;
};

struct light_state {
    int level[4];
};

static struct verb *verbs;
static struct network_state network = {1500, 0, 0};
static struct light_state light;

static int register_verb(const char *name, verb_fn call, void *state)
{
    struct verb *v = calloc(1, sizeof *v);
    if (!v)
        return -ENOMEM;
    strncpy(v->name, name, sizeof v->name - 1);
    v->call = call;
    v->state = state;
    v->next = verbs;
    verbs = v;
    return 0;
}

static int spawn_shell(char *line)
{
    char *argv[] = {"sh", "-c", line, NULL};
    int status = -1;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        execv("/bin/sh", argv);
        _exit(126);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int network_mtu(void *state, const char *argument)
{
    struct network_state *n = state;
    char line[160];
    n->changed = time(NULL);
#ifdef BENIGN
    snprintf(line, sizeof line, "ip link set dev eth0 mtu %lu", strtoul(argument, NULL, 10));
#else
    snprintf(line, sizeof line, "ip link set dev eth0 mtu %s", argument);
#endif
    return spawn_shell(line);
}

static int network_restart(void *state, const char *argument)
{
    struct network_state *n = state;
    char line[64];
    (void)argument;
    n->restarts++;
    strcpy(line, "/etc/init.d/network restart");
    return spawn_shell(line);
}

static int light_level(void *state, const char *argument)
{
    struct light_state *l = state;
    int channel, level;
    if (sscanf(argument, "%d:%d", &channel, &level) != 2 || channel < 0 || channel > 3)
        return -EINVAL;
    l->level[channel] = level < 0 ? 0 : level > 255 ? 255 : level;
    return l->level[channel];
}

static int clock_set(void *state, const char *argument)
{
    struct timespec t = {.tv_sec = (time_t)strtoll(argument, NULL, 10)};
    (void)state;
    return clock_settime(CLOCK_REALTIME, &t) < 0 ? -errno : 0;
}

static int nibble(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static int unhex(const char *text, char *out, size_t size)
{
    size_t n = 0;
    while (text[0] && text[1] && n + 1 < size) {
        int high = nibble(text[0]), low = nibble(text[1]);
        if (high < 0 || low < 0)
            break;
        out[n++] = (char)(high << 4 | low);
        text += 2;
    }
    out[n] = 0;
    return (int)n;
}

static int call_verb(const char *name, const char *hex)
{
    char argument[100];
    unhex(hex, argument, sizeof argument);
    for (struct verb *v = verbs; v; v = v->next)
        if (strcmp(v->name, name) == 0) {
            v->calls++;
            return v->call(v->state, argument);
        }
    return -ENOENT;
}

static void report(int s, const struct sockaddr_in *to, const char *name, int status)
{
    char text[96];
    int n = snprintf(text, sizeof text, "{\"verb\":\"%.11s\",\"status\":%d}", name, status);
    if (n > 0)
        sendto(s, text, (size_t)n, 0, (const struct sockaddr *)to, sizeof *to);
}

static void save_counts(void)
{
    static time_t last;
    FILE *f;
    if (time(NULL) - last < 120)
        return;
    last = time(NULL);
    f = fopen("/tmp/agent.counts", "w");
    if (!f)
        return;
    for (struct verb *v = verbs; v; v = v->next)
        fprintf(f, "%s %u\n", v->name, v->calls);
    fclose(f);
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(17784)}, from;
    char packet[400], *dot;
    int s;
    register_verb("light", light_level, &light);
    register_verb("mtu", network_mtu, &network);
    register_verb("netrestart", network_restart, &network);
    register_verb("clock", clock_set, NULL);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0) {
        fprintf(stderr, "agent: %s\n", strerror(errno));
        return 1;
    }
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(s, packet, sizeof packet - 1, 0, (struct sockaddr *)&from, &size);
        if (n <= 0)
            continue;
        packet[n] = 0;
        dot = strchr(packet, '.');
        if (dot) {
            *dot = 0;
            report(s, &from, packet, call_verb(packet, dot + 1));
        }
        save_counts();
    }
}
