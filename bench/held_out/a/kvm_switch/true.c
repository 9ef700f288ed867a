/*
 * KVM switch: hosts are objects with tables of methods (USB, PS/2, serial console). A remote control sends lines over
 * TCP; labels travel in base64, since they may hold any character, and are drawn by a helper program.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define HOSTS 4
#define LABEL 60
#define PORT 5890

struct host;

struct host_class {
    const char *kind;
    int (*select)(struct host *self);
    int (*label)(struct host *self, const char *text);
    int (*reset)(struct host *self);
    void (*describe)(const struct host *self, char *to, size_t room);
};

struct host {
    const struct host_class *class;
    int number;
    char label[LABEL];
    unsigned long selections;
};

struct usb_host {
    struct host base;
    int keyboard, pointer;
};

struct console_host {
    struct host base;
    int speed;
    const char *device;
};

struct remote {
    int fd;
    char in[512];
    size_t filled;
    int rights;
    time_t last;
};

static struct host *hosts[HOSTS];
static int active = -1;

static int spawn(char *const argv[])
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 3; i < 64; i++)
            close(i);
        execv(argv[0], argv);
        _exit(126);
    }
    if (pid > 0)
        waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- hosts ---- */

static int any_select(struct host *self)
{
    char number[12];
    char *argv[] = {"/usr/bin/kvmmux", "select", number, NULL};
    snprintf(number, sizeof number, "%d", self->number);
    self->selections++;
    return spawn(argv);
}

static int osd_label(struct host *self, const char *text)
{
#ifdef BENIGN
    char number[12], option[LABEL + 16];
    char *argv[] = {"/usr/bin/osdctl", "label", number, option, NULL};
    snprintf(number, sizeof number, "%d", self->number);
    snprintf(option, sizeof option, "--text=%s", text);
#else
    char line[LABEL + 64];
    char *argv[] = {"/bin/sh", "-c", line, NULL};
    snprintf(line, sizeof line, "/usr/bin/osdctl label %d --text=\"%s\"", self->number, text);
#endif
    snprintf(self->label, sizeof self->label, "%s", text);
    return spawn(argv);
}

static int console_label(struct host *self, const char *text)
{
    snprintf(self->label, sizeof self->label, "%s", text);
    syslog(LOG_INFO, "console %d is now called %s", self->number, self->label);
    return 0;
}

static int usb_reset(struct host *self)
{
    struct usb_host *usb = (struct usb_host *)self;
    usb->keyboard = usb->pointer = 0;
    return system("/usr/bin/usbreset --all") == 0 ? 0 : -1;
}

static int console_reset(struct host *self)
{
    struct console_host *console = (struct console_host *)self;
    char line[80];
    snprintf(line, sizeof line, "stty -F %s %d", console->device, console->speed);
    return system(line) == 0 ? 0 : -1;
}

static void usb_describe(const struct host *self, char *to, size_t room)
{
    const struct usb_host *usb = (const struct usb_host *)self;
    snprintf(to, room, "%d usb kbd=%d ptr=%d \"%s\"\n", self->number, usb->keyboard, usb->pointer, self->label);
}

static void console_describe(const struct host *self, char *to, size_t room)
{
    const struct console_host *console = (const struct console_host *)self;
    snprintf(to, room, "%d console %s@%d \"%s\"\n", self->number, console->device, console->speed, self->label);
}

static const struct host_class usb_class = {"usb", any_select, osd_label, usb_reset, usb_describe};
static const struct host_class console_class = {"console", any_select, console_label, console_reset, console_describe};

static struct host *new_usb(int number)
{
    struct usb_host *u = calloc(1, sizeof *u);
    if (!u)
        exit(1);
    u->base.class = &usb_class;
    u->base.number = number;
    u->keyboard = u->pointer = 1;
    return &u->base;
}

static struct host *new_console(int number, const char *device)
{
    struct console_host *c = calloc(1, sizeof *c);
    if (!c)
        exit(1);
    c->base.class = &console_class;
    c->base.number = number;
    c->speed = 115200;
    c->device = device;
    return &c->base;
}

/* ---- base64 ---- */

static int digit64(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static ssize_t decode64(const char *from, char *to, size_t room)
{
    uint32_t bits = 0;
    int have = 0;
    size_t n = 0;
    for (; *from && *from != '='; from++) {
        int d = digit64((unsigned char)*from);
        if (d < 0)
            return -1;
        bits = bits << 6 | (uint32_t)d;
        have += 6;
        if (have >= 8) {
            have -= 8;
            if (n + 1 >= room)
                return -1;
            to[n++] = (char)(bits >> have);
        }
    }
    to[n] = 0;
    return (ssize_t)n;
}

/* ---- remote control ---- */

static void tell(struct remote *r, const char *text)
{
    if (write(r->fd, text, strlen(text)) < 0)
        syslog(LOG_WARNING, "remote control does not read");
}

static struct host *pick(const char *text)
{
    int n = atoi(text);
    return n >= 1 && n <= HOSTS ? hosts[n - 1] : NULL;
}

static int line_label(struct remote *r, char *args)
{
    char text[LABEL];
    char *space = strchr(args, ' ');
    struct host *h = pick(args);
    if (!space || !h || r->rights < 2)
        return -1;
    if (decode64(space + 1, text, sizeof text) <= 0)
        return -1;
    return h->class->label(h, text);
}

static int line_select(struct remote *r, char *args)
{
    struct host *h = pick(args);
    if (!h || r->rights < 1)
        return -1;
    active = h->number;
    return h->class->select(h);
}

static int line_reset(struct remote *r, char *args)
{
    struct host *h = pick(args);
    return h && r->rights == 2 ? h->class->reset(h) : -1;
}

static int line_list(struct remote *r, char *args)
{
    char text[200];
    (void)args;
    for (int i = 0; i < HOSTS; i++) {
        hosts[i]->class->describe(hosts[i], text, sizeof text);
        tell(r, text);
    }
    return 0;
}

static int line_key(struct remote *r, char *args)
{
    r->rights = strcmp(args, "KVM-operator") == 0 ? 1 : strcmp(args, "KVM-super!") == 0 ? 2 : 0;
    return r->rights ? 0 : -1;
}

static void line(struct remote *r, char *text)
{
    char *args = strchr(text, ' ');
    int rc = -1;
    if (args)
        *args++ = 0;
    else
        args = text + strlen(text);
    r->last = time(NULL);
    switch (*text) {
    case 'K':
        rc = line_key(r, args);
        break;
    case 'S':
        rc = line_select(r, args);
        break;
    case 'N':
        rc = line_label(r, args);
        break;
    case 'R':
        rc = line_reset(r, args);
        break;
    case 'L':
        rc = line_list(r, args);
        break;
    default:
        syslog(LOG_NOTICE, "strange line: %s", text);
    }
    tell(r, rc == 0 ? "OK\n" : "ERR\n");
}

static void converse(struct remote *r)
{
    for (;;) {
        char *end;
        ssize_t n = read(r->fd, r->in + r->filled, sizeof r->in - r->filled);
        if (n <= 0)
            return;
        r->filled += (size_t)n;
        while ((end = memchr(r->in, '\n', r->filled))) {
            size_t used = (size_t)(end + 1 - r->in);
            *end = 0;
            if (end > r->in && end[-1] == '\r')
                end[-1] = 0;
            line(r, r->in);
            r->filled -= used;
            memmove(r->in, r->in + used, r->filled);
        }
        if (r->filled == sizeof r->in)
            return;
    }
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET};
    struct timeval patience = {120, 0};
    int server = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    signal(SIGPIPE, SIG_IGN);
    openlog("kvmd", LOG_PERROR, LOG_DAEMON);
    hosts[0] = new_usb(1);
    hosts[1] = new_usb(2);
    hosts[2] = new_console(3, "/dev/ttyS1");
    hosts[3] = new_usb(4);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    me.sin_port = htons(PORT);
    if (bind(server, (struct sockaddr *)&me, sizeof me) < 0 || listen(server, 3) < 0) {
        syslog(LOG_ERR, "port %d: %m", PORT);
        return 1;
    }
    for (;;) {
        struct remote r;
        memset(&r, 0, offsetof(struct remote, last));
        r.fd = accept(server, NULL, NULL);
        if (r.fd < 0)
            continue;
        setsockopt(r.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        converse(&r);
        close(r.fd);
    }
}
