// framefeed: downloads the pictures of a subscribed feed to the photo frame
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

#define FEED_BYTES (64 * 1024)
#define MAX_ITEMS  20

struct config {
    char host[80];
    char path[120];
    char store[80];
    int  every;        // minutes
};

struct picture {
    char *title;
    char *url;
    int   seq;
    struct picture *next;
};

static struct config cfg = { "feed.frame.example", "/rss/home.xml", "/media/photos", 30 };

static struct picture *todo;
static pthread_mutex_t todo_mx = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  todo_cv = PTHREAD_COND_INITIALIZER;
static int next_seq = 1;

// ---- configuration -------------------------------------------------------

static void read_config(const char *file)
{
    FILE *f = fopen(file, "r");
    char key[32], val[128], line[200];

    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, " %31[a-z] = %127s", key, val) != 2)
            continue;
        if (!strcmp(key, "host"))
            snprintf(cfg.host, sizeof cfg.host, "%s", val);
        else if (!strcmp(key, "path"))
            snprintf(cfg.path, sizeof cfg.path, "%s", val);
        else if (!strcmp(key, "store"))
            snprintf(cfg.store, sizeof cfg.store, "%s", val);
        else if (!strcmp(key, "every") && atoi(val) > 0)
            cfg.every = atoi(val);
    }
    fclose(f);
}

// ---- fetching the feed ---------------------------------------------------

static int dial(const char *host)
{
    struct addrinfo want = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list, *a;
    int s = -1;

    if (getaddrinfo(host, "80", &want, &list))
        return -1;
    for (a = list; a && s < 0; a = a->ai_next) {
        s = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (s >= 0 && connect(s, a->ai_addr, a->ai_addrlen)) {
            close(s);
            s = -1;
        }
    }
    freeaddrinfo(list);
    return s;
}

static char *fetch_feed(void)
{
    char req[320];
    char *text = malloc(FEED_BYTES + 1);
    size_t have = 0;
    ssize_t n;
    int s;

    if (!text)
        return NULL;
    s = dial(cfg.host);
    if (s < 0) {
        free(text);
        return NULL;
    }
    n = snprintf(req, sizeof req, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", cfg.path, cfg.host);
    if (send(s, req, n, 0) != n)
        have = 0;
    while (have < FEED_BYTES) {
        n = recv(s, text + have, FEED_BYTES - have, 0);
        if (n <= 0)
            break;
        have += n;
    }
    close(s);
    text[have] = 0;
    return text;
}

// ---- picking items out of the XML ----------------------------------------

static char *between(const char *from, const char *limit, const char *open, char stop)
{
    const char *b = memmem(from, limit - from, open, strlen(open));
    const char *e;

    if (!b)
        return NULL;
    b += strlen(open);
    e = memchr(b, stop, limit - b);
    return e ? strndup(b, e - b) : NULL;
}

static int known(const char *url)
{
    struct picture *p;

    for (p = todo; p; p = p->next)
        if (!strcmp(p->url, url))
            return 1;
    return 0;
}

static void add_item(char *title, char *url)
{
    struct picture *p, **tail;

    pthread_mutex_lock(&todo_mx);
    p = known(url) ? NULL : calloc(1, sizeof *p);
    if (p) {
        p->title = title;
        p->url = url;
        p->seq = next_seq++;
        for (tail = &todo; *tail; tail = &(*tail)->next)
            ;
        *tail = p;
        pthread_cond_signal(&todo_cv);
    } else {
        free(title);
        free(url);
    }
    pthread_mutex_unlock(&todo_mx);
}

static int scan_feed(const char *xml)
{
    const char *it = xml, *end;
    char *title, *url;
    int n = 0;

    while (n < MAX_ITEMS && (it = strstr(it, "<item>")) != NULL) {
        end = strstr(it, "</item>");
        if (!end)
            break;
        title = between(it, end, "<title>", '<');
        url = between(it, end, "<enclosure url=\"", '"');
        if (url && strlen(url) < 400 && !strncmp(url, "http", 4)) {
            add_item(title, url);
            n++;
        } else {
            free(title);
            free(url);
        }
        it = end;
    }
    return n;
}

// ---- download worker -----------------------------------------------------

// puts s into single quotes for the shell
static char *shell_word(const char *s)
{
    char *w = malloc(strlen(s) * 4 + 3), *o = w;

    if (!w)
        return NULL;
    *o++ = '\'';
    for (; *s; s++) {
        if (*s == '\'') {
            memcpy(o, "'\\''", 4);
            o += 4;
        } else
            *o++ = *s;
    }
    *o++ = '\'';
    *o = 0;
    return w;
}

static void download(const struct picture *p)
{
    char *word = shell_word(p->url), *cmd;

    if (!word)
        return;
    if (asprintf(&cmd, "wget -q -T 30 -O '%s/%04d.jpg' %s", cfg.store, p->seq, word) >= 0) {
        if (system(cmd) != 0)
            fprintf(stderr, "framefeed: %d not loaded\n", p->seq);
        free(cmd);
    }
    free(word);
}

static void write_caption(const struct picture *p)
{
    char name[128];
    FILE *f;
    const char *t;

    snprintf(name, sizeof name, "%s/%04d.txt", cfg.store, p->seq);
    f = fopen(name, "w");
    if (!f)
        return;
    for (t = p->title ? p->title : ""; *t; t++)
        fputc(isprint((unsigned char)*t) ? *t : ' ', f);
    fclose(f);
}

static void *worker(void *arg)
{
    struct picture *p;

    (void)arg;
    for (;;) {
        pthread_mutex_lock(&todo_mx);
        while (!todo)
            pthread_cond_wait(&todo_cv, &todo_mx);
        p = todo;
        todo = p->next;
        pthread_mutex_unlock(&todo_mx);
        download(p);
        write_caption(p);
        free(p->title);
        free(p->url);
        free(p);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t th;
    char *feed;
    int n;

    read_config(argc > 1 ? argv[1] : "/etc/framefeed.conf");
    if (pthread_create(&th, NULL, worker, NULL))
        return 1;
    for (;;) {
        feed = fetch_feed();
        if (feed) {
            n = scan_feed(feed);
            printf("%ld: %d items\n", (long)time(NULL), n);
            free(feed);
        }
        sleep(cfg.every * 60);
    }
}
