/*
 * climated - climate computer for two greenhouse bays
 *
 * The parent speaks the line protocol with the grower's PC; the child owns
 * the actuators and gets its orders through a pipe, so that a hanging relay
 * board never blocks the network side.
 *
 *   SET <bay> <temp> <hum>      set points
 *   VENT <bay> <percent>        hand drive of the vents
 *   IRR <bay> <program>         start an irrigation program
 *   GET <bay>
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <ctype.h>
#include <signal.h>
#include <time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define CLIM_PORT   4242
#define NBAYS       2
#define LINELEN     160

struct bay {
    double t_set, h_set;
    double t_now, h_now;
    int    vent;
    time_t irrigated;
};

static struct bay bays[NBAYS];
static int act_pipe[2] = { -1, -1 };
static int port = CLIM_PORT;

/* ---------- actuator child ---------- */

static void act_vent(const char *bay, const char *arg)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof(path), "/dev/relay/vent%d", atoi(bay));
    f = fopen(path, "w");
    if (f) {
        fprintf(f, "%d\n", atoi(arg));
        fclose(f);
    }
}

/* programs are little scripts below /etc/irrigation */
static void act_irrigate(const char *bay, const char *arg)
{
    char cmd[256];

    snprintf(cmd, sizeof(cmd), "sh /etc/irrigation/%s.sh %d >>/var/log/irr.log 2>&1",
             arg, atoi(bay));
    if (system(cmd) != 0)
        fprintf(stderr, "climated: program %s failed\n", arg);
}

static const struct order {
    char   code;
    void (*fn)(const char *, const char *);
} orders[] = {
    { 'V', act_vent },
    { 'I', act_irrigate },
};

static void actuator_main(int rfd)
{
    char line[LINELEN + 16];
    FILE *in = fdopen(rfd, "r");
    unsigned i;

    if (in == NULL)
        _exit(1);
    while (fgets(line, sizeof(line), in) != NULL) {
        char *bay, *arg;

        bay = strtok(line + 1, " \n");
        arg = strtok(NULL, "\n");
        if (bay == NULL || arg == NULL)
            continue;
        for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
            if (orders[i].code == line[0])
                orders[i].fn(bay, arg);
    }
    _exit(0);
}

static int start_actuator(void)
{
    pid_t pid;

    if (pipe(act_pipe) < 0)
        return -1;
    pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        close(act_pipe[1]);
        actuator_main(act_pipe[0]);
    }
    close(act_pipe[0]);
    return 0;
}

static void order(char code, int bay, const char *arg)
{
    char line[LINELEN + 16];
    int n = snprintf(line, sizeof(line), "%c %d %s\n", code, bay, arg);

    if (n > 0 && n < (int)sizeof(line) && write(act_pipe[1], line, n) != n)
        fprintf(stderr, "climated: actuator gone (%s)\n", strerror(errno));
}

/* ---------- network side ---------- */

static void say(int fd, const char *s)
{
    send(fd, s, strlen(s), 0);
}

static void do_line(int fd, char *line)
{
    char *cmd = strtok(line, " \r\n");
    char *bay = strtok(NULL, " \r\n");
    char *rest = strtok(NULL, "\r\n");
    char out[128];
    int b;

    if (cmd == NULL || bay == NULL) {
        say(fd, "ERR syntax\n");
        return;
    }
    b = atoi(bay);
    if (b < 0 || b >= NBAYS) {
        say(fd, "ERR bay\n");
        return;
    }
    if (strcmp(cmd, "GET") == 0) {
        snprintf(out, sizeof(out), "BAY %d T %.1f/%.1f H %.1f/%.1f V %d\n", b,
                 bays[b].t_now, bays[b].t_set, bays[b].h_now, bays[b].h_set, bays[b].vent);
        say(fd, out);
        return;
    }
    if (rest == NULL) {
        say(fd, "ERR value\n");
        return;
    }
    if (strcmp(cmd, "SET") == 0) {
        double t, h;
        if (sscanf(rest, "%lf %lf", &t, &h) != 2 || t < 0 || t > 45 || h < 0 || h > 100) {
            say(fd, "ERR range\n");
            return;
        }
        bays[b].t_set = t;
        bays[b].h_set = h;
    } else if (strcmp(cmd, "VENT") == 0) {
        bays[b].vent = atoi(rest);
        order('V', b, rest);
    } else if (strcmp(cmd, "IRR") == 0) {
        if (time(NULL) - bays[b].irrigated < 60) {
            say(fd, "ERR too soon\n");
            return;
        }
        bays[b].irrigated = time(NULL);
        order('I', b, rest);
    } else {
        say(fd, "ERR command\n");
        return;
    }
    say(fd, "OK\n");
}

static void control_tick(void)
{
    int i;
    char pct[8];
    FILE *f;

    for (i = 0; i < NBAYS; i++) {
        char path[48];
        int want;

        snprintf(path, sizeof(path), "/var/run/sensor%d", i);
        if ((f = fopen(path, "r")) != NULL) {
            if (fscanf(f, "%lf %lf", &bays[i].t_now, &bays[i].h_now) != 2)
                bays[i].t_now = bays[i].t_set;
            fclose(f);
        }
        want = bays[i].t_now > bays[i].t_set + 1.0 ? 100 :
               bays[i].t_now < bays[i].t_set - 1.0 ? 0 : bays[i].vent;
        if (want != bays[i].vent) {
            bays[i].vent = want;
            snprintf(pct, sizeof(pct), "%d", want);
            order('V', i, pct);
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    char buf[LINELEN];
    size_t fill = 0;
    int ls, c = -1, i;

    if (argc > 1 && atoi(argv[1]) > 0)
        port = atoi(argv[1]);
    signal(SIGPIPE, SIG_IGN);
    for (i = 0; i < NBAYS; i++) {
        bays[i].t_set = bays[i].t_now = 21.0;
        bays[i].h_set = bays[i].h_now = 70.0;
    }
    if (start_actuator() < 0)
        return 1;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(port);
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 1) < 0)
        return 1;
    for (;;) {
        struct timeval tv = { 5, 0 };
        fd_set rd;
        int top = c < 0 ? ls : c;

        FD_ZERO(&rd);
        FD_SET(top, &rd);
        if (select(top + 1, &rd, NULL, NULL, &tv) <= 0) {
            control_tick();
            continue;
        }
        if (c < 0) {
            c = accept(ls, NULL, NULL);
            fill = 0;
            continue;
        }
        {
            ssize_t n = recv(c, buf + fill, sizeof(buf) - 1 - fill, 0);
            char *nl;

            if (n <= 0) {
                close(c);
                c = -1;
                continue;
            }
            fill += n;
            buf[fill] = '\0';
            while ((nl = strchr(buf, '\n')) != NULL) {
                char one[LINELEN];
                *nl++ = '\0';
                strcpy(one, buf);
                memmove(buf, nl, strlen(nl) + 1);
                fill = strlen(buf);
                do_line(c, one);
            }
            if (fill == sizeof(buf) - 1)
                fill = 0;
        }
    }
}
