/*
 * A serial-to-network bridge: a select loop over clients kept in an array of structures; lines that start with AT+
 * are for the bridge itself, all else goes to the serial line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MAX 10

typedef struct {
    int fd;
    int used;
    int echo;
    time_t last;
    char line[200];
    unsigned fill;
} client_t;

typedef struct {
    int listen_fd;
    int tty_fd;
    int port;
    char device[32];
    client_t client[MAX];
    unsigned long to_tty, from_tty;
} bridge_t;

static bridge_t bridge = {.listen_fd = -1, .tty_fd = -1, .port = 4001, .device = "/dev/ttyS1"};

static void answer(client_t *c, const char *format, ...)
{
    char text[160];
    va_list ap;
    int n;
    va_start(ap, format);
    n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (n > (int)sizeof text)
        n = sizeof text;
    if (send(c->fd, text, (size_t)n, 0) < 0)
        c->used = 0;
}

static int do_command(const char *format, ...)
{
    char *text = NULL;
    va_list ap;
    int status;
    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        text = NULL;
    va_end(ap);
    if (!text)
        return -1;
    status = system(text);
    free(text);
    return status;
}

static void open_tty(void)
{
    struct termios t;
    bridge.tty_fd = open(bridge.device, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (bridge.tty_fd < 0)
        return;
    if (tcgetattr(bridge.tty_fd, &t) == 0) {
        cfmakeraw(&t);
        cfsetspeed(&t, B115200);
        tcsetattr(bridge.tty_fd, TCSANOW, &t);
    }
}

static void at_speed(client_t *c, const char *value)
{
#ifdef BENIGN
    static const int speeds[] = {9600, 19200, 38400, 57600, 115200};
    int v = atoi(value);
    for (unsigned i = 0; i < sizeof speeds / sizeof *speeds; i++)
        if (speeds[i] == v) {
            answer(c, "%s\r\n", do_command("stty -F %s speed %d", bridge.device, v) ? "ERROR" : "OK");
            return;
        }
    answer(c, "ERROR\r\n");
#else
    answer(c, "%s\r\n", do_command("stty -F %s speed %s", bridge.device, value) ? "ERROR" : "OK");
#endif
}

static void at_echo(client_t *c, const char *value)
{
    c->echo = *value == '1';
    answer(c, "OK\r\n");
}

static void at_info(client_t *c, const char *value)
{
    (void)value;
    answer(c, "bridge %s to %lu from %lu\r\nOK\r\n", bridge.device, bridge.to_tty, bridge.from_tty);
}

static void at_reset(client_t *c, const char *value)
{
    (void)value;
    close(bridge.tty_fd);
    open_tty();
    answer(c, "OK\r\n");
}

static const struct {
    const char *verb;
    void (*run)(client_t *, const char *);
} verbs[] = {{"SPEED=", at_speed}, {"ECHO=", at_echo}, {"INFO", at_info}, {"RESET", at_reset}};

static void line_done(client_t *c)
{
    c->line[c->fill] = 0;
    if (c->echo)
        answer(c, "%.150s\r\n", c->line);
    if (strncmp(c->line, "AT+", 3) == 0) {
        for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++) {
            size_t n = strlen(verbs[i].verb);
            if (strncmp(c->line + 3, verbs[i].verb, n) == 0) {
                verbs[i].run(c, c->line + 3 + n);
                break;
            }
        }
    } else if (bridge.tty_fd >= 0) {
        ssize_t n = write(bridge.tty_fd, c->line, c->fill);
        if (n > 0)
            bridge.to_tty += (unsigned long)n;
    }
    c->fill = 0;
}

static void from_client(client_t *c)
{
    char chunk[128];
    ssize_t n = read(c->fd, chunk, sizeof chunk);
    if (n <= 0) {
        close(c->fd);
        c->used = 0;
        return;
    }
    c->last = time(NULL);
    for (ssize_t i = 0; i < n; i++) {
        if (chunk[i] == '\r' || chunk[i] == '\n') {
            if (c->fill)
                line_done(c);
        } else if (c->fill < sizeof c->line - 1) {
            c->line[c->fill++] = chunk[i];
        }
    }
}

static void from_tty(void)
{
    char chunk[256];
    ssize_t n = read(bridge.tty_fd, chunk, sizeof chunk);
    if (n <= 0)
        return;
    bridge.from_tty += (unsigned long)n;
    for (int i = 0; i < MAX; i++)
        if (bridge.client[i].used && send(bridge.client[i].fd, chunk, (size_t)n, 0) < 0)
            bridge.client[i].used = 0;
}

static void newcomer(void)
{
    int fd = accept(bridge.listen_fd, NULL, NULL);
    if (fd < 0)
        return;
    for (int i = 0; i < MAX; i++)
        if (!bridge.client[i].used) {
            memset(&bridge.client[i], 0, sizeof bridge.client[i]);
            bridge.client[i].fd = fd;
            bridge.client[i].used = 1;
            bridge.client[i].last = time(NULL);
            return;
        }
    close(fd);
}

static int start(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET};
    int one = 1;
    bridge.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(bridge.listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    me.sin_port = htons((unsigned short)bridge.port);
    if (bind(bridge.listen_fd, (struct sockaddr *)&me, sizeof me) < 0)
        return -errno;
    return listen(bridge.listen_fd, MAX);
}

int main(void)
{
    if (start() < 0)
        return 1;
    open_tty();
    for (;;) {
        fd_set r;
        int top = bridge.listen_fd;
        FD_ZERO(&r);
        FD_SET(bridge.listen_fd, &r);
        if (bridge.tty_fd >= 0)
            FD_SET(bridge.tty_fd, &r);
        top = bridge.tty_fd > top ? bridge.tty_fd : top;
        for (int i = 0; i < MAX; i++)
            if (bridge.client[i].used) {
                FD_SET(bridge.client[i].fd, &r);
                top = bridge.client[i].fd > top ? bridge.client[i].fd : top;
            }
        if (select(top + 1, &r, NULL, NULL, NULL) <= 0)
            continue;
        if (FD_ISSET(bridge.listen_fd, &r))
            newcomer();
        if (bridge.tty_fd >= 0 && FD_ISSET(bridge.tty_fd, &r))
            from_tty();
        for (int i = 0; i < MAX; i++)
            if (bridge.client[i].used && FD_ISSET(bridge.client[i].fd, &r))
                from_client(&bridge.client[i]);
    }
}
