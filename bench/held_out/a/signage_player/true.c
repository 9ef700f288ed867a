/*
 * Player of a digital sign. The content server pushes play lists in XML over TCP, a tag per line; the entries go into a
 * linked list, and a player thread takes them from there and starts the viewer. Titles are drawn over the picture.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SPOOL "/var/spool/sign"
#define ITEM_TEXT 96
#define MAX_ITEMS 64

struct item {
    struct item *next;
    unsigned id;
    int seconds;
    char title[ITEM_TEXT];
};

struct playlist {
    struct item *first, **last;
    int count;
    pthread_mutex_t lock;
    pthread_cond_t filled;
};

struct parser {
    struct playlist *list;
    struct item *open;
    int depth;
    char sign[24];
    int errors;
};

static struct playlist main_list;
static FILE *logfile;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int brightness = 80;

static void logline(const char *level, const char *format, ...)
{
    va_list ap;
    pthread_mutex_lock(&log_lock);
    fprintf(logfile, "%ld %-5s ", (long)time(NULL), level);
    va_start(ap, format);
    vfprintf(logfile, format, ap);
    va_end(ap);
    fputc('\n', logfile);
    fflush(logfile);
    pthread_mutex_unlock(&log_lock);
}

/* ---- list ---- */

static void list_init(struct playlist *l)
{
    l->first = NULL;
    l->last = &l->first;
    l->count = 0;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->filled, NULL);
}

static int list_append(struct playlist *l, struct item *i)
{
    int rc = -1;
    i->next = NULL;
    pthread_mutex_lock(&l->lock);
    if (l->count < MAX_ITEMS) {
        *l->last = i;
        l->last = &i->next;
        l->count++;
        pthread_cond_signal(&l->filled);
        rc = 0;
    }
    pthread_mutex_unlock(&l->lock);
    return rc;
}

static struct item *list_take(struct playlist *l)
{
    struct item *i;
    pthread_mutex_lock(&l->lock);
    while (!l->first)
        pthread_cond_wait(&l->filled, &l->lock);
    i = l->first;
    l->first = i->next;
    if (!l->first)
        l->last = &l->first;
    l->count--;
    pthread_mutex_unlock(&l->lock);
    return i;
}

static void list_clear(struct playlist *l)
{
    struct item *i, *next;
    pthread_mutex_lock(&l->lock);
    for (i = l->first; i; i = next) {
        next = i->next;
        free(i);
    }
    l->first = NULL;
    l->last = &l->first;
    l->count = 0;
    pthread_mutex_unlock(&l->lock);
}

/* ---- player ---- */

/* Makes a title fit for the command line. */
static void tame(char *title)
{
    for (char *s = title; *s; s++) {
        unsigned char c = (unsigned char)*s;
#ifdef BENIGN
        if (!isalnum(c) && c != ' ' && c != '.' && c != ',')
            *s = '_';
#else
        if (c == ';' || c == '|' || c == '&' || c == '"' || c == '\\' || c == '\n')
            *s = '_';
#endif
    }
}

static void show(struct item *i)
{
    char command[256];
    tame(i->title);
    snprintf(command, sizeof command, "fbview -b %d -t %d -c \"%s\" " SPOOL "/%u.jpg", brightness, i->seconds, i->title, i->id);
    if (system(command) != 0)
        logline("warn", "viewer failed for %u", i->id);
}

static void *player(void *list)
{
    for (;;) {
        struct item *i = list_take(list);
        logline("info", "show %u for %d s", i->id, i->seconds);
        show(i);
        free(i);
    }
    return NULL;
}

/* ---- XML ---- */

/* Copies the value of name="..." out of a tag. */
static int attribute(const char *tag, const char *name, char *to, size_t room)
{
    size_t n = strlen(name), used = 0;
    const char *s = tag;
    while ((s = strstr(s, name))) {
        if (s > tag && s[-1] == ' ' && s[n] == '=' && (s[n + 1] == '"' || s[n + 1] == '\''))
            break;
        s += n;
    }
    if (!s)
        return -1;
    char delimiter = s[n + 1];
    for (s += n + 2; *s && *s != delimiter && used + 1 < room; s++)
        to[used++] = *s;
    to[used] = 0;
    return *s == delimiter ? 0 : -1;
}

static long attribute_number(const char *tag, const char *name, long otherwise)
{
    char text[16];
    return attribute(tag, name, text, sizeof text) == 0 ? strtol(text, NULL, 10) : otherwise;
}

static void unescape(char *s)
{
    static const struct {
        const char *from;
        char to;
    } names[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    char *to = s;
    while (*s) {
        size_t i;
        for (i = 0; i < sizeof names / sizeof *names; i++)
            if (strncmp(s, names[i].from, strlen(names[i].from)) == 0)
                break;
        if (i < sizeof names / sizeof *names) {
            *to++ = names[i].to;
            s += strlen(names[i].from);
        } else
            *to++ = *s++;
    }
    *to = 0;
}

static void open_item(struct parser *p, const char *tag)
{
    struct item *i = calloc(1, sizeof *i);
    if (!i)
        return;
    i->id = (unsigned)attribute_number(tag, "id", 0);
    i->seconds = (int)attribute_number(tag, "seconds", 10);
    if (attribute(tag, "title", i->title, sizeof i->title) < 0)
        strcpy(i->title, "untitled");
    unescape(i->title);
    free(p->open);
    p->open = i;
}

static void close_item(struct parser *p)
{
    if (!p->open)
        return;
    if (p->open->seconds < 1 || p->open->seconds > 3600 || list_append(p->list, p->open) < 0) {
        p->errors++;
        free(p->open);
    }
    p->open = NULL;
}

static void element(struct parser *p, char *tag)
{
    char line[80];
    if (!strncmp(tag, "playlist", 8)) {
        if (attribute(tag, "sign", p->sign, sizeof p->sign) < 0)
            strcpy(p->sign, "?");
        p->depth = 1;
        logline("info", "play list for %s", p->sign);
    } else if (p->depth == 0)
        p->errors++;
    else if (!strncmp(tag, "item ", 5)) {
        open_item(p, tag);
        if (tag[strlen(tag) - 1] == '/')
            close_item(p);
    } else if (!strncmp(tag, "/item", 5))
        close_item(p);
    else if (!strncmp(tag, "clear", 5))
        list_clear(p->list);
    else if (!strncmp(tag, "backlight", 9)) {
        long level = attribute_number(tag, "level", 80);
        if (level >= 0 && level <= 100) {
            brightness = (int)level;
            snprintf(line, sizeof line, "echo %ld > /sys/class/backlight/panel/brightness", level);
            system(line);
        }
    } else if (!strncmp(tag, "screen-off", 10))
        system("vbetool dpms off");
    else if (!strncmp(tag, "/playlist", 9))
        p->depth = 0;
}

static void session(int fd)
{
    struct parser p = {.list = &main_list};
    char *line = NULL, *start, *end;
    size_t room = 0;
    FILE *f = fdopen(fd, "r+");
    if (!f) {
        close(fd);
        return;
    }
    while (getline(&line, &room, f) > 0) {
        for (start = strchr(line, '<'); start; start = strchr(end + 1, '<')) {
            end = strchr(start, '>');
            if (!end)
                break;
            *end = 0;
            if (start[1] != '?' && start[1] != '!' && start[1])
                element(&p, start + 1);
        }
    }
    logline("info", "session over, %d errors", p.errors);
    free(p.open);
    free(line);
    fclose(f);
}

int main(int argc, char **argv)
{
    struct sockaddr_in here;
    pthread_t thread;
    int server, on = 1;
    logfile = argc > 1 ? fopen(argv[1], "a") : stderr;
    if (!logfile)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    list_init(&main_list);
    if (pthread_create(&thread, NULL, player, &main_list) != 0)
        return 1;
    server = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons(7236);
    here.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(server, (struct sockaddr *)&here, sizeof here) || listen(server, 4)) {
        logline("error", "cannot listen");
        return 1;
    }
    for (;;) {
        int fd = accept(server, NULL, NULL);
        if (fd >= 0)
            session(fd);
    }
}
