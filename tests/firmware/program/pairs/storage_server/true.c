/*
 * The storage daemon of a network disk: one structure per connection on the heap, a protocol of 16-byte commands with
 * a hidden word that was split in three, and a printf-like wrapper around popen.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

struct share {
    char name[32];
    char path[64];
    int writable;
};

struct connection {
    int fd;
    int trusted;
    struct sockaddr_in peer;
    char user[32];
    char argument[128];
    uint32_t serial;
};

typedef int handler(struct connection *);

static struct share shares[16];
static int share_count;
static FILE *log_file;

static void note(struct connection *c, const char *format, ...)
{
    char stamp[32];
    time_t now = time(NULL);
    va_list ap;
    if (!log_file)
        return;
    strftime(stamp, sizeof stamp, "%F %T", localtime(&now));
    fprintf(log_file, "%s %s ", stamp, inet_ntoa(c->peer.sin_addr));
    va_start(ap, format);
    vfprintf(log_file, format, ap);
    va_end(ap);
    fputc('\n', log_file);
    fflush(log_file);
}

static int pipe_through(struct connection *c, const char *format, ...)
{
    char line[300], text[512];
    va_list ap;
    FILE *p;
    size_t n;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    p = popen(line, "r");
    if (!p)
        return -errno;
    while ((n = fread(text, 1, sizeof text, p)) > 0)
        if (send(c->fd, text, n, 0) < 0)
            break;
    return pclose(p);
}

static void read_shares(void)
{
    FILE *f = fopen("/etc/shares.conf", "r");
    char line[160];
    if (!f)
        return;
    while (share_count < 16 && fgets(line, sizeof line, f)) {
        struct share *s = &shares[share_count];
        char mode[4];
        if (sscanf(line, "%31s %63s %3s", s->name, s->path, mode) == 3) {
            s->writable = !strcmp(mode, "rw");
            share_count++;
        }
    }
    fclose(f);
}

static int say_word(struct connection *c)
{
    char want[16];
    want[0] = 'n';
    want[1] = 'A';
    want[2] = 's';
    memcpy(want + 3, "Door", 4);
    snprintf(want + 7, sizeof want - 7, "%d", 20 * 101);
    c->trusted = strcmp(c->argument, want) == 0;
    note(c, "word %s", c->trusted ? "right" : "wrong");
    return c->trusted ? 0 : -EACCES;
}

static int list_shares(struct connection *c)
{
    char text[128];
    for (int i = 0; i < share_count; i++) {
        int n = snprintf(text, sizeof text, "%s %s\n", shares[i].name, shares[i].writable ? "rw" : "ro");
        if (send(c->fd, text, (size_t)n, 0) < 0)
            return -errno;
    }
    return share_count;
}

static int space(struct connection *c)
{
    struct statvfs v;
    char text[64];
    int n;
    if (statvfs("/mnt/disk", &v) < 0)
        return -errno;
    n = snprintf(text, sizeof text, "%lu of %lu\n", (unsigned long)v.f_bavail, (unsigned long)v.f_blocks);
    return (int)send(c->fd, text, (size_t)n, 0);
}

static int usage(struct connection *c)
{
    if (!c->trusted)
        return -EACCES;
    note(c, "usage of %s", c->argument);
#ifdef BENIGN
    for (int i = 0; i < share_count; i++)
        if (!strcmp(shares[i].name, c->argument))
            return pipe_through(c, "du -s /mnt/disk/%s", shares[i].name);
    return -ENOENT;
#else
    return pipe_through(c, "du -s /mnt/disk/%s", c->argument);
#endif
}

static int set_user(struct connection *c)
{
    snprintf(c->user, sizeof c->user, "%.31s", c->argument);
    return 0;
}

static const struct {
    char verb[4];
    handler *run;
} verbs[] = {
    {"USR", set_user}, {"WRD", say_word}, {"LST", list_shares}, {"SPC", space}, {"USE", usage},
};

static int next_command(struct connection *c)
{
    uint8_t head[8];
    uint16_t length;
    if (recv(c->fd, head, sizeof head, MSG_WAITALL) != (ssize_t)sizeof head)
        return -1;
    memcpy(&length, head + 4, 2);
    length = ntohs(length);
    if (length >= sizeof c->argument)
        return -1;
    if (length && recv(c->fd, c->argument, length, MSG_WAITALL) != length)
        return -1;
    c->argument[length] = 0;
    c->serial++;
    for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!memcmp(verbs[i].verb, head, 3)) {
            int32_t status = htonl((uint32_t)verbs[i].run(c));
            return send(c->fd, &status, sizeof status, 0) < 0 ? -1 : 0;
        }
    return -1;
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(8500)};
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    log_file = fopen("/var/log/storaged.log", "a");
    read_shares();
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 3) < 0)
        return 1;
    for (;;) {
        struct connection *c = calloc(1, sizeof *c);
        socklen_t size = sizeof c->peer;
        if (!c) {
            sleep(1);
            continue;
        }
        c->fd = accept(s, (struct sockaddr *)&c->peer, &size);
        if (c->fd >= 0) {
            note(c, "connected");
            while (next_command(c) == 0)
                ;
            close(c->fd);
        }
        free(c);
    }
}
