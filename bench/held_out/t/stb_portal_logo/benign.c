/*
 * portald.c - keeps the channel list of the box in step with the portal
 *
 * The portal answers with one record per line:
 *     CH|<number>|<name>|<stream>|<logo address>
 *     MSG|<text>
 *     NEXT|<seconds>
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <spawn.h>
#include <time.h>
#include <errno.h>
#include <syslog.h>
#include <netdb.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <sys/socket.h>

#define LOGO_DIR  "/data/logos"
#define MAX_CH    500

extern char **environ;

struct channel {
    struct channel *next;
    int   number;
    char *name;
    char *stream;
    char *logo;
    int   logo_done;
    int   logo_tries;
};

struct portal {
    char  host[128];
    char  port[8];
    char  box_id[32];
    int   interval;
    int   n_channels;
    struct channel *channels;
};

static struct portal portal = { "portal.iptv.lan", "8000", "STB00000000", 3600, 0, NULL };

static void read_settings(const char *path)
{
    char *line = NULL;
    size_t cap = 0;
    FILE *f = fopen(path, "r");

    if (f == NULL)
        return;
    while (getline(&line, &cap, f) > 0) {
        char *key = strtok(line, " =\t\r\n");
        char *val = strtok(NULL, " =\t\r\n");

        if (key == NULL || val == NULL)
            continue;
        if (strcmp(key, "host") == 0)
            snprintf(portal.host, sizeof(portal.host), "%s", val);
        else if (strcmp(key, "port") == 0)
            snprintf(portal.port, sizeof(portal.port), "%s", val);
        else if (strcmp(key, "box") == 0)
            snprintf(portal.box_id, sizeof(portal.box_id), "%s", val);
    }
    free(line);
    fclose(f);
}

static struct channel *channel_get(int number)
{
    struct channel *c;

    for (c = portal.channels; c; c = c->next)
        if (c->number == number)
            return c;
    if (portal.n_channels >= MAX_CH)
        return NULL;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->number = number;
    c->next = portal.channels;
    portal.channels = c;
    portal.n_channels++;
    return c;
}

static void replace(char **slot, const char *text)
{
    free(*slot);
    *slot = text ? strdup(text) : NULL;
}

static void rec_channel(char *rest)
{
    char *save = NULL;
    char *num    = strtok_r(rest, "|", &save);
    char *name   = strtok_r(NULL, "|", &save);
    char *stream = strtok_r(NULL, "|", &save);
    char *logo   = strtok_r(NULL, "|", &save);
    struct channel *c;

    if (stream == NULL) {
        syslog(LOG_NOTICE, "short channel record");
        return;
    }
    c = channel_get(atoi(num));
    if (c == NULL)
        return;
    replace(&c->name, name);
    replace(&c->stream, stream);
    if (logo && (c->logo == NULL || strcmp(c->logo, logo))) {
        if (strncmp(logo, "http://", 7) && strncmp(logo, "https://", 8))
            return;
        replace(&c->logo, logo);
        c->logo_done = 0;
        c->logo_tries = 0;
    }
}

static void rec_message(char *rest)
{
    FILE *f = fopen("/tmp/osd_message", "w");

    if (f) {
        fprintf(f, "%s\n", rest);
        fclose(f);
    }
}

static void rec_next(char *rest)
{
    int s = atoi(rest);

    if (s >= 30 && s <= 86400)
        portal.interval = s;
}

static int portal_open(void)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
    int fd = -1, rc;

    rc = getaddrinfo(portal.host, portal.port, &hints, &list);
    if (rc) {
        syslog(LOG_WARNING, "%s: %s", portal.host, gai_strerror(rc));
        return -1;
    }
    for (a = list; a; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            break;
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd;
}

static void portal_sync(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int fd = portal_open();
    FILE *io;

    if (fd < 0)
        return;
    io = fdopen(fd, "r+");
    if (io == NULL) {
        close(fd);
        return;
    }
    fprintf(io, "LIST %s\n", portal.box_id);
    fflush(io);
    while ((n = getline(&line, &cap, io)) > 0 && n < 2048) {
        char *bar;

        line[strcspn(line, "\r\n")] = '\0';
        bar = strchr(line, '|');
        if (bar == NULL)
            continue;
        *bar++ = '\0';
        if (!strcmp(line, "CH"))
            rec_channel(bar);
        else if (!strcmp(line, "MSG"))
            rec_message(bar);
        else if (!strcmp(line, "NEXT"))
            rec_next(bar);
    }
    free(line);
    fclose(io);
    syslog(LOG_INFO, "%d channels", portal.n_channels);
}

static int fetch_logo(const struct channel *c)
{
    char file[64];
    pid_t pid;
    int status, rc;

    snprintf(file, sizeof(file), LOGO_DIR "/%d.png", c->number);
    char *argv[] = { "wget", "-q", "-T", "10", "-O", file, c->logo, NULL };
    rc = posix_spawn(&pid, "/usr/bin/wget", NULL, NULL, argv, environ);
    if (rc != 0) {
        syslog(LOG_ERR, "spawn: %s", strerror(rc));
        return -1;
    }
    if (waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* one logo per second is enough */
static void logo_tick(void)
{
    struct channel *c;

    for (c = portal.channels; c; c = c->next) {
        if (c->logo == NULL || c->logo_done || c->logo_tries >= 3)
            continue;
        c->logo_tries++;
        if (fetch_logo(c) == 0)
            c->logo_done = 1;
        return;
    }
}

int main(int argc, char **argv)
{
    time_t next = 0;

    openlog("portald", LOG_PID, LOG_USER);
    read_settings(argc > 1 ? argv[1] : "/etc/portal.conf");
    mkdir(LOGO_DIR, 0755);
    for (;;) {
        time_t now = time(NULL);

        if (now >= next) {
            portal_sync();
            next = now + portal.interval;
        }
        logo_tick();
        sleep(1);
    }
    return 0;
}
