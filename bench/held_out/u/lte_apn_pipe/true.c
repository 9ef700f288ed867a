/*
 * wwan-ui: settings page of the LTE router.
 * The parent serves HTTP, the child (root) talks to the modem.  Both are
 * joined by a pipe carrying fixed-size messages.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#define UI_PORT   8000
#define MODEM_DEV "/dev/cdc-wdm0"

enum msg_op { OP_CONNECT = 1, OP_DISCONNECT, OP_MODE, OP_LED };

struct msg {
    int op;
    int arg;
    char apn[104];
    char user[64];
};

static int to_child = -1;
static int roaming_allowed;

/* ------------------------------------------------------------------ */
/* modem side                                                          */

static char modem_answer[256];

static int run_qmi(const char *cmd)
{
    FILE *pp = popen(cmd, "r");
    char line[128];

    modem_answer[0] = '\0';
    if (!pp)
        return -1;
    while (fgets(line, sizeof line, pp)) {
        if (strlen(modem_answer) + strlen(line) < sizeof modem_answer)
            strcat(modem_answer, line);
    }
    return pclose(pp);
}

static int modem_connect(const struct msg *m)
{
    char cmd[384];

    if (m->arg == 0 || m->arg > 3)
        return -1;
    snprintf(cmd, sizeof cmd,
             "qmicli -d " MODEM_DEV " --wds-start-network=\"apn=%s,ip-type=4,auth=%s,username=%s\" --client-no-release-cid",
             m->apn, m->arg == 1 ? "NONE" : m->arg == 2 ? "PAP" : "CHAP", m->user);
    return run_qmi(cmd);
}

static int modem_disconnect(const struct msg *m)
{
    return run_qmi("qmicli -d " MODEM_DEV " --wds-stop-network=disable-autoconnect");
}

static int modem_mode(const struct msg *m)
{
    static const char *const modes[] = { "lte", "umts|lte", "gsm|umts|lte" };
    char cmd[128];

    if (m->arg < 0 || m->arg > 2)
        return -1;
    snprintf(cmd, sizeof cmd, "qmicli -d " MODEM_DEV " --nas-set-system-selection-preference='%s'",
             modes[m->arg]);
    return run_qmi(cmd);
}

static int modem_led(const struct msg *m)
{
    FILE *f = fopen("/sys/class/leds/wwan/brightness", "w");

    if (!f)
        return -1;
    fprintf(f, "%d\n", m->arg != 0);
    fclose(f);
    return 0;
}

static int (*const modem_ops[])(const struct msg *) = {
    [OP_CONNECT] = modem_connect,
    [OP_DISCONNECT] = modem_disconnect,
    [OP_MODE] = modem_mode,
    [OP_LED] = modem_led,
};

static void modem_loop(int fd)
{
    struct msg m;
    size_t have = 0;

    for (;;) {
        ssize_t n = read(fd, (char *)&m + have, sizeof m - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += (size_t)n;
        if (have < sizeof m)
            continue;
        have = 0;
        m.apn[sizeof m.apn - 1] = '\0';
        m.user[sizeof m.user - 1] = '\0';
        if (m.op < OP_CONNECT || m.op > OP_LED)
            continue;
        int rc = modem_ops[m.op](&m);
        syslog(rc ? LOG_WARNING : LOG_INFO, "modem op %d: %d", m.op, rc);
    }
    _exit(0);
}

/* ------------------------------------------------------------------ */
/* web side                                                            */

static int form_field(const char *form, const char *name, char *out, size_t size)
{
    size_t nl = strlen(name), k = 0;
    const char *p = form;

    while (p && *p) {
        if (!strncmp(p, name, nl) && p[nl] == '=') {
            for (p += nl + 1; *p && *p != '&' && k + 1 < size; p++) {
                if (*p == '%' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
                    char hex[3] = { p[1], p[2], 0 };
                    out[k++] = (char)strtol(hex, NULL, 16);
                    p += 2;
                } else {
                    out[k++] = *p == '+' ? ' ' : *p;
                }
            }
            out[k] = '\0';
            return 1;
        }
        p = strchr(p, '&');
        if (p)
            p++;
    }
    out[0] = '\0';
    return 0;
}

static void respond(int fd, int code, const char *body)
{
    char out[512];
    int n = snprintf(out, sizeof out,
                     "HTTP/1.1 %d %s\r\nServer: wwan-ui\r\nConnection: close\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     code, code == 200 ? "OK" : "Error", strlen(body), body);

    if (n > 0 && n < (int)sizeof out)
        send(fd, out, (size_t)n, MSG_NOSIGNAL);
}

static void submit(const char *path, const char *form, int fd)
{
    struct msg m;
    char num[16];

    memset(&m, 0, sizeof m);
    if (!strcmp(path, "/wwan/profile")) {
        m.op = OP_CONNECT;
        form_field(form, "apn", m.apn, sizeof m.apn);
        form_field(form, "user", m.user, sizeof m.user);
        form_field(form, "auth", num, sizeof num);
        m.arg = num[0] ? atoi(num) : 1;
        if (!m.apn[0]) {
            respond(fd, 400, "apn is missing\n");
            return;
        }
    } else if (!strcmp(path, "/wwan/off")) {
        m.op = OP_DISCONNECT;
    } else if (!strcmp(path, "/wwan/mode")) {
        m.op = OP_MODE;
        form_field(form, "mode", num, sizeof num);
        m.arg = atoi(num);
    } else if (!strcmp(path, "/wwan/roaming")) {
        roaming_allowed = form_field(form, "allow", num, sizeof num) && num[0] == '1';
        respond(fd, 200, "saved\n");
        return;
    } else {
        respond(fd, 404, "no such page\n");
        return;
    }
    if (write(to_child, &m, sizeof m) != (ssize_t)sizeof m)
        respond(fd, 500, "modem service is down\n");
    else
        respond(fd, 200, "accepted\n");
}

static void serve(int fd)
{
    char req[2048], path[64], *body, *cl;
    size_t have = 0, want = 0;
    ssize_t n;

    for (;;) {
        n = recv(fd, req + have, sizeof req - 1 - have, 0);
        if (n <= 0)
            return;
        have += (size_t)n;
        req[have] = '\0';
        body = strstr(req, "\r\n\r\n");
        if (body) {
            body += 4;
            cl = strcasestr(req, "\r\nContent-Length:");
            want = cl && cl < body ? strtoul(cl + 17, NULL, 10) : 0;
            if ((size_t)(req + have - body) >= want)
                break;
        }
        if (have == sizeof req - 1) {
            respond(fd, 413, "too long\n");
            return;
        }
    }
    if (sscanf(req, "POST %63[^ ?]", path) == 1)
        submit(path, body, fd);
    else
        respond(fd, 405, "POST only\n");
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(UI_PORT) };
    int pfd[2], ls, one = 1;

    openlog("wwan-ui", LOG_PID, LOG_USER);
    if (pipe(pfd) != 0)
        return 1;
    switch (fork()) {
    case -1:
        return 1;
    case 0:
        close(pfd[1]);
        modem_loop(pfd[0]);
    }
    close(pfd[0]);
    to_child = pfd[1];
    signal(SIGPIPE, SIG_IGN);

    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, 8)) {
        syslog(LOG_ERR, "port %d: %m", UI_PORT);
        return 1;
    }
    for (;;) {
        struct timeval tmo = { 10, 0 };
        int fd = accept(ls, NULL, NULL);

        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tmo, sizeof tmo);
        serve(fd);
        close(fd);
    }
}
