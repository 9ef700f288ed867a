/* hubd: LAN control of a Zigbee hub. The network part drops privileges; a helper child with root rights does system work. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <signal.h>
#include <fcntl.h>
#include <ctype.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define HUB_PORT 6668
#define NDEV 16

struct device {
    int  used;
    int  id;
    int  level;
    char name[24];
};

static struct device devs[NDEV];
static int helper_fd = -1;

/* ---------------------------------------------------------------- helper */

static void h_led(char *arg)
{
    int on = arg ? atoi(arg) : 0;
    FILE *f = fopen("/sys/class/leds/hub:blue/brightness", "w");
    if (f) {
        fprintf(f, "%d\n", on ? 255 : 0);
        fclose(f);
    }
}

static void h_zone(char *arg)
{
    pid_t pid;
    char cmd[200];

    if (!arg || strlen(arg) > 100)
        return;
    snprintf(cmd, sizeof cmd, "ln -sf /usr/share/zoneinfo/%s /etc/localtime; date > /tmp/date", arg);
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", cmd, (char *)0);
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

static void h_restart(char *arg)
{
    system("/etc/init.d/zigbeed restart");
}

static void helper_main(int fd)
{
    FILE *in = fdopen(fd, "r");
    char line[256], *verb, *arg;

    if (!in)
        _exit(1);
    while (fgets(line, sizeof line, in)) {
        verb = strtok(line, " \n");
        if (!verb)
            continue;
        arg = strtok(NULL, "\n");
        if (!strcmp(verb, "LED"))
            h_led(arg);
        else if (!strcmp(verb, "ZONE"))
            h_zone(arg);
        else if (!strcmp(verb, "RESTART"))
            h_restart(arg);
        else
            fprintf(stderr, "helper: ? %s\n", verb);
    }
    fclose(in);
    _exit(0);
}

static void helper_send(const char *verb, const char *arg)
{
    char line[256];
    int n = snprintf(line, sizeof line, "%s %s\n", verb, arg);
    if (n > 0 && n < (int)sizeof line)
        write(helper_fd, line, n);
}

/* ---------------------------------------------------------------- network */

static struct device *dev_by_id(int id)
{
    int i;
    for (i = 0; i < NDEV; i++)
        if (devs[i].used && devs[i].id == id)
            return &devs[i];
    return NULL;
}

static void cmd_level(char *rest, char *out, size_t sz)
{
    int id, lv;
    struct device *d;

    if (sscanf(rest, "%d %d", &id, &lv) != 2 || !(d = dev_by_id(id))) {
        snprintf(out, sz, "err device\n");
        return;
    }
    d->level = lv < 0 ? 0 : lv > 100 ? 100 : lv;
    snprintf(out, sz, "ok %s %d\n", d->name, d->level);
}

static void cmd_add(char *rest, char *out, size_t sz)
{
    int i, id;
    char nm[24];

    if (sscanf(rest, "%d %23s", &id, nm) != 2) {
        snprintf(out, sz, "err args\n");
        return;
    }
    for (i = 0; i < NDEV; i++)
        if (!devs[i].used) {
            devs[i].used = 1;
            devs[i].id = id;
            strcpy(devs[i].name, nm);
            snprintf(out, sz, "ok slot %d\n", i);
            return;
        }
    snprintf(out, sz, "err full\n");
}

static void cmd_tz(char *rest, char *out, size_t sz)
{
    helper_send("ZONE", rest);
    snprintf(out, sz, "ok\n");
}

static void cmd_led(char *rest, char *out, size_t sz)
{
    helper_send("LED", atoi(rest) ? "1" : "0");
    snprintf(out, sz, "ok\n");
}

static void cmd_reset(char *rest, char *out, size_t sz)
{
    helper_send("RESTART", "-");
    memset(devs, 0, sizeof devs);
    snprintf(out, sz, "ok\n");
}

static void dispatch(char *line, char *out, size_t sz)
{
    char *rest = strchr(line, ' ');

    if (rest)
        *rest++ = 0;
    else
        rest = line + strlen(line);
    if (!strcmp(line, "level"))
        cmd_level(rest, out, sz);
    else if (!strcmp(line, "add"))
        cmd_add(rest, out, sz);
    else if (!strcmp(line, "timezone"))
        cmd_tz(rest, out, sz);
    else if (!strcmp(line, "led"))
        cmd_led(rest, out, sz);
    else if (!strcmp(line, "reset"))
        cmd_reset(rest, out, sz);
    else
        snprintf(out, sz, "err command\n");
}

static void client(int c)
{
    char buf[192], out[96];
    size_t have = 0;
    ssize_t n;
    char *nl;

    while ((n = recv(c, buf + have, sizeof buf - 1 - have, 0)) > 0) {
        have += n;
        buf[have] = 0;
        while ((nl = strchr(buf, '\n')) != NULL) {
            *nl = 0;
            if (nl > buf && nl[-1] == '\r')
                nl[-1] = 0;
            dispatch(buf, out, sizeof out);
            send(c, out, strlen(out), MSG_NOSIGNAL);
            have -= nl + 1 - buf;
            memmove(buf, nl + 1, have + 1);
            if (strlen(buf) != have)
                return;
        }
        if (have >= sizeof buf - 1)
            return;
    }
}

int main(void)
{
    int pfd[2], s, c, one = 1;
    struct sockaddr_in a;
    pid_t pid;

    signal(SIGPIPE, SIG_IGN);
    if (pipe(pfd) < 0)
        return 1;
    pid = fork();
    if (pid < 0)
        return 1;
    if (pid == 0) {
        close(pfd[1]);
        helper_main(pfd[0]);
    }
    close(pfd[0]);
    helper_fd = pfd[1];
    fcntl(helper_fd, F_SETFD, FD_CLOEXEC);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(HUB_PORT);
    a.sin_addr.s_addr = INADDR_ANY;
    if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 5) < 0)
        return 1;
    setgid(65534);
    setuid(65534);
    while ((c = accept(s, NULL, NULL)) >= 0) {
        client(c);
        close(c);
    }
    return 0;
}
