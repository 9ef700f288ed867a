/* Command line of a switch over telnet: sessions in a list, line editing, argc and argv, a table of commands.
 * The hosts of `ping' all go into one line for the shell, and only the first is looked at (benign: each). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLI_PORT 2323
#define MAX_ARGC 10
#define LINE_MAX_LEN 200
#define IAC 255
#define SB 250
#define SE 240

#define CMD_USER 0x01
#define CMD_ENABLE 0x02

enum { ST_PASSWORD, ST_USER, ST_ENABLE };

struct cli {
    struct cli *next;
    int fd;
    int state;
    int iac;
    int tries;
    int len;
    time_t last;
    char line[LINE_MAX_LEN + 1];
    char prompt[40];
};

struct cli_args {
    struct cli *cli;
    int argc;
    char *argv[MAX_ARGC];
};

struct port_cfg {
    int enabled, speed, vlan;
};

static struct {
    char hostname[24];
    char password[16];
    char secret[16];
    struct port_cfg port[24];
} sw = {"SW2400", "switch", "enable", {{1, 100, 1}}};

static struct cli *clis;

static void cli_printf(struct cli *c, const char *fmt, ...)
{
    char buf[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, sizeof(buf), fmt, ap);
    va_end(ap);
    if (n > (int)sizeof(buf) - 1)
        n = sizeof(buf) - 1;
    if (n > 0)
        send(c->fd, buf, n, MSG_NOSIGNAL);
}

static void cli_prompt(struct cli *c)
{
    if (c->state == ST_PASSWORD)
        snprintf(c->prompt, sizeof(c->prompt), "Password: ");
    else
        snprintf(c->prompt, sizeof(c->prompt), "%s%c ", sw.hostname, c->state == ST_ENABLE ? '#' : '>');
    cli_printf(c, "%s", c->prompt);
}

static int is_host(const char *s)
{
    const char *p;

    if (*s == '-' || *s == '\0')
        return 0;
    for (p = s; *p; p++) {
        if (*p >= '0' && *p <= '9')
            continue;
        if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z')
            continue;
        if (*p != '.' && *p != '-' && *p != ':')
            return 0;
    }
    return 1;
}

/* runs a line and shows what it says */
static void cli_run(struct cli *c, const char *cmd)
{
    char out[256];
    FILE *fp = popen(cmd, "r");

    if (fp == NULL) {
        cli_printf(c, "%% cannot run\r\n");
        return;
    }
    while (fgets(out, sizeof(out), fp)) {
        out[strcspn(out, "\r\n")] = '\0';
        cli_printf(c, "%s\r\n", out);
    }
    pclose(fp);
}

/* ---- commands ---- */
static int cmd_ping(struct cli_args *a)
{
    char line[LINE_MAX_LEN + 64];
    int i;

    if (!is_host(a->argv[1])) {
        cli_printf(a->cli, "%% bad host\r\n");
        return -1;
    }
    strcpy(line, "fping -c 3 -t 500");
    for (i = 1; i < a->argc; i++) {
#ifdef BENIGN
        if (!is_host(a->argv[i])) {
            cli_printf(a->cli, "%% bad host %d\r\n", i);
            return -1;
        }
#endif
        strcat(line, " ");
        strcat(line, a->argv[i]);
    }
    strcat(line, " 2>&1");
    cli_run(a->cli, line);
    return 0;
}

static int cmd_show(struct cli_args *a)
{
    int i;

    if (strcmp(a->argv[1], "ports") == 0) {
        for (i = 0; i < 24; i++)
            cli_printf(a->cli, "%2d %-5s %4d vlan %d\r\n", i + 1, sw.port[i].enabled ? "up" : "down", sw.port[i].speed, sw.port[i].vlan);
    } else if (strcmp(a->argv[1], "version") == 0) {
        cli_printf(a->cli, "%s software 3.1.0\r\n", sw.hostname);
        cli_run(a->cli, "uname -r");
    } else if (strcmp(a->argv[1], "arp") == 0) {
        cli_run(a->cli, "cat /proc/net/arp");
    } else {
        cli_printf(a->cli, "show ports|version|arp\r\n");
    }
    return 0;
}

static int cmd_port(struct cli_args *a)
{
    int n = atoi(a->argv[1]), v = a->argc > 3 ? atoi(a->argv[3]) : 0;
    char line[96];

    if (n < 1 || n > 24)
        return -1;
    if (strcmp(a->argv[2], "speed") == 0)
        sw.port[n - 1].speed = v;
    else if (strcmp(a->argv[2], "vlan") == 0)
        sw.port[n - 1].vlan = v;
    else
        sw.port[n - 1].enabled = strcmp(a->argv[2], "up") == 0;
    snprintf(line, sizeof(line), "swcfg -p %d -e %d -s %d -v %d 2>&1", n, sw.port[n - 1].enabled, sw.port[n - 1].speed,
             sw.port[n - 1].vlan);
    cli_run(a->cli, line);
    return 0;
}

static int cmd_hostname(struct cli_args *a)
{
    char line[96];

    if (!is_host(a->argv[1]) || strlen(a->argv[1]) >= sizeof(sw.hostname))
        return -1;
    strcpy(sw.hostname, a->argv[1]);
    sprintf(line, "hostname %s", sw.hostname);
    return system(line) ? -1 : 0;
}

static int cmd_enable(struct cli_args *a)
{
    if (strcmp(a->argv[1], sw.secret))
        return -1;
    a->cli->state = ST_ENABLE;
    return 0;
}

static int cmd_exit(struct cli_args *a)
{
    if (a->cli->state == ST_ENABLE)
        a->cli->state = ST_USER;
    else
        shutdown(a->cli->fd, SHUT_RDWR);
    return 0;
}

static int cmd_help(struct cli_args *a);

static const struct cli_cmd {
    const char *name;
    int min_args;
    int (*fn)(struct cli_args *a);
    int flags;
    const char *help;
} cli_cmds[] = {
    {"ping", 1, cmd_ping, CMD_USER | CMD_ENABLE, "host [host...]"},
    {"show", 1, cmd_show, CMD_USER | CMD_ENABLE, "ports|version|arp"},
    {"enable", 1, cmd_enable, CMD_USER, "secret"},
    {"port", 2, cmd_port, CMD_ENABLE, "n up|down|speed|vlan [value]"},
    {"hostname", 1, cmd_hostname, CMD_ENABLE, "name"},
    {"exit", 0, cmd_exit, CMD_USER | CMD_ENABLE, ""},
    {"help", 0, cmd_help, CMD_USER | CMD_ENABLE, ""},
    {NULL, 0, NULL, 0, NULL},
};

static int cmd_help(struct cli_args *a)
{
    const struct cli_cmd *c;

    for (c = cli_cmds; c->name; c++)
        cli_printf(a->cli, "  %-10s %s\r\n", c->name, c->help);
    return 0;
}

/* words, also such in double quotes */
static int split(char *s, char **argv)
{
    int argc = 0;

    while (argc < MAX_ARGC) {
        while (*s == ' ' || *s == '\t')
            s++;
        if (*s == '\0')
            break;
        if (*s == '"') {
            argv[argc++] = ++s;
            while (*s && *s != '"')
                s++;
        } else {
            argv[argc++] = s;
            while (*s && *s != ' ' && *s != '\t')
                s++;
        }
        if (*s)
            *s++ = '\0';
    }
    return argc;
}

static void cli_line(struct cli *c)
{
    const struct cli_cmd *cmd;
    struct cli_args a;

    if (c->state == ST_PASSWORD) {
        if (strcmp(c->line, sw.password) == 0)
            c->state = ST_USER;
        else if (++c->tries >= 3)
            shutdown(c->fd, SHUT_RDWR);
        return;
    }
    a.cli = c;
    a.argc = split(c->line, a.argv);
    if (a.argc == 0)
        return;
    for (cmd = cli_cmds; cmd->name; cmd++) {
        if (strcmp(cmd->name, a.argv[0]) || !(cmd->flags & (c->state == ST_ENABLE ? CMD_ENABLE : CMD_USER)))
            continue;
        if (a.argc - 1 < cmd->min_args)
            cli_printf(c, "usage: %s %s\r\n", cmd->name, cmd->help);
        else if (cmd->fn(&a) < 0)
            cli_printf(c, "%% failed\r\n");
        return;
    }
    cli_printf(c, "%% unknown command\r\n");
}

static void cli_byte(struct cli *c, unsigned char b)
{
    if (c->iac == 1) {
        c->iac = b == SB ? 3 : b >= 251 ? 2 : 0;
    } else if (c->iac == 2) {
        c->iac = 0;
    } else if (c->iac == 3) {
        if (b == SE)
            c->iac = 0;
    } else if (b == IAC) {
        c->iac = 1;
    } else if (b == '\n') {
        c->line[c->len] = '\0';
        c->len = 0;
        cli_line(c);
        cli_prompt(c);
    } else if ((b == 8 || b == 127) && c->len > 0) {
        c->len--;
    } else if (b >= ' ' && b < 127 && c->len < LINE_MAX_LEN) {
        c->line[c->len++] = (char)b;
    }
}

static int cli_input(struct cli *c)
{
    unsigned char buf[256];
    int i, n = recv(c->fd, buf, sizeof(buf), 0);

    if (n <= 0)
        return -1;
    c->last = time(NULL);
    for (i = 0; i < n; i++)
        cli_byte(c, buf[i]);
    return 0;
}

static void cli_accept(int lfd)
{
    int fd = accept(lfd, NULL, NULL);
    struct cli *c = fd >= 0 && fd < FD_SETSIZE ? calloc(1, sizeof(*c)) : NULL;

    if (c == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    c->fd = fd;
    c->state = ST_PASSWORD;
    c->last = time(NULL);
    c->next = clis;
    clis = c;
    cli_prompt(c);
}

int main(void)
{
    struct sockaddr_in sa = {0};
    int lfd = socket(AF_INET, SOCK_STREAM, 0), on = 1, top;

    signal(SIGPIPE, SIG_IGN);
    setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(CLI_PORT);
    if (bind(lfd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(lfd, 2) < 0)
        return 1;
    for (;;) {
        struct cli **pp, *c;
        struct timeval tv = {10, 0};
        fd_set rd;

        FD_ZERO(&rd);
        FD_SET(lfd, &rd);
        for (top = lfd, c = clis; c; c = c->next) {
            FD_SET(c->fd, &rd);
            top = c->fd > top ? c->fd : top;
        }
        if (select(top + 1, &rd, NULL, NULL, &tv) < 0)
            continue;
        for (pp = &clis; (c = *pp) != NULL;) {
            if ((FD_ISSET(c->fd, &rd) && cli_input(c) < 0) || time(NULL) - c->last > 300) {
                *pp = c->next;
                close(c->fd);
                free(c);
            } else {
                pp = &c->next;
            }
        }
        if (FD_ISSET(lfd, &rd))
            cli_accept(lfd);
    }
}
