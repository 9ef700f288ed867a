/*
 * A small FTP server for a camera's pictures: the current folder is a field of the session; a path is put together on
 * the stack with memcpy, whose count in the true program is the length of its source alone.
 */
#include <ctype.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct session {
    int fd;
    int logged_in;
    char user[24];
    char cwd[48];
    time_t since;
};

struct command {
    const char *verb;
    int needs_login;
    void (*run)(struct session *, const char *);
};

static const char root[] = "/media/pictures";

static void reply(struct session *s, const char *format, ...)
{
    char text[256];
    va_list ap;
    int n;
    va_start(ap, format);
    n = vsnprintf(text, sizeof text - 2, format, ap);
    va_end(ap);
    if (n < 0)
        return;
    if (n > (int)sizeof text - 3)
        n = (int)sizeof text - 3;
    memcpy(text + n, "\r\n", 2);
    send(s->fd, text, (size_t)n + 2, 0);
}

static void on_user(struct session *s, const char *argument)
{
    snprintf(s->user, sizeof s->user, "%.23s", argument);
    reply(s, "331 password for %s", s->user);
}

static void on_pass(struct session *s, const char *argument)
{
    s->logged_in = strlen(argument) > 0;
    reply(s, s->logged_in ? "230 welcome" : "530 no");
}

static void on_pwd(struct session *s, const char *argument)
{
    (void)argument;
    reply(s, "257 \"%s\"", s->cwd);
}

static void on_size(struct session *s, const char *argument)
{
    char path[96];
    struct stat st;
    size_t n, count;
    if (strstr(argument, "..")) {
        reply(s, "550 no");
        return;
    }
    strcpy(path, root);
    strcat(path, "/");
    n = strlen(path);
    count = strlen(argument) + 1;
#ifdef BENIGN
    if (count > sizeof path - n)
        count = sizeof path - n;
#endif
    memcpy(path + n, argument, count);
    path[sizeof path - 1] = 0;
    if (stat(path, &st) < 0)
        reply(s, "550 not there");
    else
        reply(s, "213 %ld", (long)st.st_size);
}

static void on_cwd(struct session *s, const char *argument)
{
    size_t n = strlen(argument);
    if (n == 0 || n >= sizeof s->cwd || strstr(argument, "..")) {
        reply(s, "550 no");
        return;
    }
    memcpy(s->cwd, argument, n + 1);
    reply(s, "250 now in %s", s->cwd);
}

static void on_list(struct session *s, const char *argument)
{
    DIR *d = opendir(root);
    struct dirent *e;
    int n = 0;
    (void)argument;
    if (!d) {
        reply(s, "550 no folder");
        return;
    }
    while ((e = readdir(d)) != NULL && n < 200)
        if (e->d_name[0] != '.') {
            reply(s, "226-%.80s", e->d_name);
            n++;
        }
    closedir(d);
    reply(s, "226 %d files", n);
}

static void on_quit(struct session *s, const char *argument)
{
    (void)argument;
    reply(s, "221 after %ld s", (long)(time(NULL) - s->since));
    shutdown(s->fd, SHUT_RDWR);
}

static const struct command commands[] = {
    {"USER", 0, on_user}, {"PASS", 0, on_pass}, {"PWD", 1, on_pwd},   {"SIZE", 1, on_size},
    {"CWD", 1, on_cwd},   {"LIST", 1, on_list}, {"QUIT", 0, on_quit},
};

static void one_line(struct session *s, char *line)
{
    char *argument = line;
    while (*argument && !isspace((unsigned char)*argument))
        argument++;
    if (*argument)
        *argument++ = 0;
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcasecmp(commands[i].verb, line) != 0)
            continue;
        if (commands[i].needs_login && !s->logged_in)
            reply(s, "530 log in first");
        else
            commands[i].run(s, argument);
        return;
    }
    reply(s, "502 unknown");
}

static void serve(int fd)
{
    struct session s = {.fd = fd, .since = time(NULL), .cwd = "/"};
    static char buffer[1024];
    size_t fill = 0;
    ssize_t n;
    reply(&s, "220 pictures");
    while ((n = recv(fd, buffer + fill, sizeof buffer - 1 - fill, 0)) > 0) {
        char *end;
        fill += (size_t)n;
        buffer[fill] = 0;
        while ((end = strstr(buffer, "\r\n")) != NULL) {
            size_t used = (size_t)(end - buffer) + 2;
            *end = 0;
            one_line(&s, buffer);
            memmove(buffer, buffer + used, fill - used + 1);
            fill -= used;
        }
        if (fill == sizeof buffer - 1)
            break;
    }
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(2121)};
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 2) < 0)
        return 1;
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        serve(c);
        close(c);
    }
}
