/*
 * kvmserv - management channel of the 8-port KVM-over-IP switch.
 *
 * Line protocol on the management port. The public words (port, name, beep)
 * are in the manual; the words for our own tools are kept scrambled so that
 * they do not show up in a hex dump of the firmware.
 */
#define _GNU_SOURCE
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define KVM_PORT      5921
#define KVM_PORTS     8
#define MAX_SESS      4
#define LINE_MAX_     512
#define KEY0          0x6d

typedef struct session {
    int   fd;
    int   used;
    char  line[LINE_MAX_];
    int   fill;
    int   service;              /* unlocked by one of our tools */
    time_t seen;
} session_t;

typedef struct {
    char  name[KVM_PORTS][20];
    int   active;
    int   beep;
    char  vm_share[128];        /* //host/share of the virtual media */
    char  vm_image[128];
    pid_t vm_pid;
} kvm_t;

static kvm_t kvm = { .active = 0, .beep = 1 };
static session_t sess[MAX_SESS];
extern char **environ;

static void sess_say(session_t *s, const char *t)
{
    send(s->fd, t, strlen(t), MSG_NOSIGNAL);
}

/* ------------------------------------------------------------ public words */

static void w_port(session_t *s, char *arg)
{
    char cmd[48];
    int p = atoi(arg);

    if (p < 1 || p > KVM_PORTS) {
        sess_say(s, "-ERR port\r\n");
        return;
    }
    kvm.active = p - 1;
    snprintf(cmd, sizeof cmd, "/bin/kvmswitch %d", p);
    system(cmd);
    if (kvm.beep)
        system("/bin/beep 1");
    sess_say(s, "+OK\r\n");
}

static void w_name(session_t *s, char *arg)
{
    char *sp = strchr(arg, ' ');
    int p = atoi(arg);

    if (!sp || p < 1 || p > KVM_PORTS) {
        sess_say(s, "-ERR name\r\n");
        return;
    }
    snprintf(kvm.name[p - 1], sizeof kvm.name[0], "%s", sp + 1);
    sess_say(s, "+OK\r\n");
}

static void w_list(session_t *s, char *arg)
{
    char b[64];
    int i;

    (void)arg;
    for (i = 0; i < KVM_PORTS; i++) {
        snprintf(b, sizeof b, "%c%d %s\r\n", i == kvm.active ? '*' : ' ', i + 1,
                 kvm.name[i]);
        sess_say(s, b);
    }
}

static void w_beep(session_t *s, char *arg)
{
    kvm.beep = atoi(arg) != 0;
    sess_say(s, "+OK\r\n");
}

/* ----------------------------------------------------------- service words */

static void w_unlock(session_t *s, char *arg)
{
    (void)arg;
    s->service = 1;
    syslog(LOG_INFO, "service session");
    sess_say(s, "+SVC\r\n");
}

static void vmedia_start(void)
{
    pid_t pid;
    char *argv[8];

    argv[0] = "vmediad";
    argv[1] = "--share";
    argv[2] = kvm.vm_share;
    argv[3] = "--image";
    argv[4] = kvm.vm_image;
    argv[5] = "--lun";
    argv[6] = "0";
    argv[7] = NULL;
    if (posix_spawn(&pid, "/usr/sbin/vmediad", NULL, NULL, argv, environ) != 0) {
        syslog(LOG_ERR, "vmediad not started");
        return;
    }
    kvm.vm_pid = pid;
}

/* arg: //host/share image */
static void w_vmedia(session_t *s, char *arg)
{
    char *img = strrchr(arg, ' ');

    if (!s->service) {
        sess_say(s, "-ERR\r\n");
        return;
    }
    if (!img || strncmp(arg, "//", 2) != 0) {
        sess_say(s, "-ERR share\r\n");
        return;
    }
    *img++ = '\0';
    if (strlen(arg) >= sizeof kvm.vm_share || strlen(img) >= sizeof kvm.vm_image) {
        sess_say(s, "-ERR long\r\n");
        return;
    }
    if (kvm.vm_pid > 0) {
        kill(kvm.vm_pid, SIGTERM);
        kvm.vm_pid = 0;
    }
    strcpy(kvm.vm_share, arg);
    strcpy(kvm.vm_image, img);
    vmedia_start();
    sess_say(s, kvm.vm_pid ? "+OK\r\n" : "-ERR start\r\n");
}

static void w_eject(session_t *s, char *arg)
{
    (void)arg;
    if (s->service && kvm.vm_pid > 0) {
        kill(kvm.vm_pid, SIGTERM);
        kvm.vm_pid = 0;
    }
    sess_say(s, "+OK\r\n");
}

/* word bytes are x ^ (KEY0 + position) */
static const struct word {
    uint8_t len;
    uint8_t code[12];
    void  (*fn)(session_t *, char *);
} words[] = {
    { 4, { 0x1d, 0x01, 0x1d, 0x04 }, w_port },                          /* port   */
    { 4, { 0x03, 0x0f, 0x02, 0x15 }, w_name },                          /* name   */
    { 4, { 0x01, 0x07, 0x1c, 0x04 }, w_list },                          /* list   */
    { 4, { 0x0f, 0x0b, 0x0a, 0x00 }, w_beep },                          /* beep   */
    { 9, { 0x1e, 0x18, 0x0c, 0x5d, 0x04, 0x1c, 0x1f, 0x17, 0x1e }, w_unlock },
    { 9, { 0x1e, 0x18, 0x0c, 0x5d, 0x1c, 0x17, 0x17, 0x1d, 0x14 }, w_vmedia },
    { 9, { 0x1e, 0x18, 0x0c, 0x5d, 0x14, 0x18, 0x16, 0x17, 0x01 }, w_eject },
};

static int word_is(const struct word *w, const char *s, size_t n)
{
    size_t i;

    if (n != w->len)
        return 0;
    for (i = 0; i < n; i++)
        if (((uint8_t)s[i] ^ (uint8_t)(KEY0 + i)) != w->code[i])
            return 0;
    return 1;
}

static void sess_line(session_t *s)
{
    size_t n = strcspn(s->line, " "), i;
    char *arg = s->line + n;

    while (*arg == ' ')
        arg++;
    for (i = 0; i < sizeof words / sizeof words[0]; i++)
        if (word_is(&words[i], s->line, n)) {
            words[i].fn(s, arg);
            return;
        }
    sess_say(s, "-ERR word\r\n");
}

static void sess_end(session_t *s)
{
    close(s->fd);
    memset(s, 0, sizeof *s);
}

static void sess_read(session_t *s)
{
    char in[256];
    ssize_t n = recv(s->fd, in, sizeof in, 0), i;

    if (n <= 0) {
        sess_end(s);
        return;
    }
    s->seen = time(NULL);
    for (i = 0; i < n; i++) {
        if (in[i] == '\n') {
            if (s->fill && s->line[s->fill - 1] == '\r')
                s->fill--;
            s->line[s->fill] = '\0';
            sess_line(s);
            s->fill = 0;
        } else if (s->fill < LINE_MAX_ - 1) {
            s->line[s->fill++] = in[i];
        }
    }
}

static void reap(void)
{
    int st;
    pid_t p;

    while ((p = waitpid(-1, &st, WNOHANG)) > 0)
        if (p == kvm.vm_pid) {
            syslog(LOG_NOTICE, "vmediad ended with %d", st);
            kvm.vm_pid = 0;
        }
}

int main(int argc, char **argv)
{
    struct epoll_event ev, got[MAX_SESS + 1];
    struct sockaddr_in a;
    int ep, ls, on = 1, i, n;

    (void)argc;
    openlog(argv[0], LOG_PID, LOG_DAEMON);
    signal(SIGPIPE, SIG_IGN);
    for (i = 0; i < KVM_PORTS; i++)
        snprintf(kvm.name[i], sizeof kvm.name[0], "Server %d", i + 1);
    ls = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(KVM_PORT);
    if (bind(ls, (struct sockaddr *)&a, sizeof a) < 0 || listen(ls, 4) < 0) {
        syslog(LOG_ERR, "listen: %s", strerror(errno));
        return 1;
    }
    ep = epoll_create1(EPOLL_CLOEXEC);
    ev.events = EPOLLIN;
    ev.data.ptr = NULL;
    epoll_ctl(ep, EPOLL_CTL_ADD, ls, &ev);
    for (;;) {
        n = epoll_wait(ep, got, MAX_SESS + 1, 2000);
        for (i = 0; i < n; i++) {
            session_t *s = got[i].data.ptr;
            int fd, k;

            if (s) {
                if (s->used)
                    sess_read(s);
                continue;
            }
            fd = accept4(ls, NULL, NULL, SOCK_CLOEXEC);
            if (fd < 0)
                continue;
            for (k = 0; k < MAX_SESS && sess[k].used; k++)
                ;
            if (k == MAX_SESS) {
                close(fd);
                continue;
            }
            sess[k].used = 1;
            sess[k].fd = fd;
            sess[k].seen = time(NULL);
            ev.events = EPOLLIN;
            ev.data.ptr = &sess[k];
            epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
        }
        for (i = 0; i < MAX_SESS; i++)
            if (sess[i].used && time(NULL) - sess[i].seen > 600)
                sess_end(&sess[i]);
        reap();
    }
}
