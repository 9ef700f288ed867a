/*
 * Power strip with a line protocol: words are registered at start-up, settings live in a store of keys and values, and
 * an alarm applies what was set. One thing is applied by a helper program, through the shell.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define OUTLETS 8
#define BUCKETS 32

struct entry {
    char *key;
    char *value;
    struct entry *next;
};

struct word {
    const char *name;
    int level;
    int (*call)(FILE *out, char *rest);
    struct word *next;
};

static struct entry *store[BUCKETS];
static struct word *words;
static unsigned char outlet[OUTLETS];
static volatile sig_atomic_t dirty;
static int access_level;
static long ticks;

static unsigned bucket(const char *key)
{
    uint32_t h = 2166136261u;
    while (*key)
        h = (h ^ (unsigned char)*key++) * 16777619u;
    return h % BUCKETS;
}

static const char *setting(const char *key)
{
    for (struct entry *e = store[bucket(key)]; e; e = e->next)
        if (strcmp(e->key, key) == 0)
            return e->value;
    return "";
}

static int set(const char *key, const char *value)
{
    unsigned b = bucket(key);
    struct entry *e;
    char *copy = strdup(value);
    if (!copy)
        return -1;
    for (e = store[b]; e; e = e->next)
        if (strcmp(e->key, key) == 0)
            break;
    if (!e) {
        if (!(e = calloc(1, sizeof *e)) || !(e->key = strdup(key))) {
            free(e);
            free(copy);
            return -1;
        }
        e->next = store[b];
        store[b] = e;
    }
    char *old = e->value;
    e->value = copy;
    free(old);
    return 0;
}

static void defaults(void)
{
    set("name", "strip");
    set("beep.seconds", "0");
    set("load.limit", "16");
    set("contact", "nobody");
}

static void add_word(const char *name, int level, int (*call)(FILE *, char *))
{
    struct word *w = malloc(sizeof *w);
    if (!w)
        return;
    w->name = name;
    w->level = level;
    w->call = call;
    w->next = words;
    words = w;
}

/* ---- what the alarm does ---- */

static void apply_beep(void)
{
    char line[120];
    const char *seconds = setting("beep.seconds");
    if (!*seconds)
        return;
#ifdef BENIGN
    snprintf(line, sizeof line, "/usr/sbin/pductl beep --every %d", atoi(seconds));
#else
    snprintf(line, sizeof line, "/usr/sbin/pductl beep --every %s", seconds);
#endif
    system(line);
}

static void apply_outlets(void)
{
    char line[80];
    unsigned mask = 0;
    for (int i = 0; i < OUTLETS; i++)
        mask |= (unsigned)(outlet[i] != 0) << i;
    snprintf(line, sizeof line, "/usr/sbin/pductl relays 0x%02x", mask);
    system(line);
}

static void apply_limit(void)
{
    FILE *f = fopen("/var/run/pdu.limit", "w");
    if (f) {
        fprintf(f, "%d\n", atoi(setting("load.limit")));
        fclose(f);
    }
}

static void on_alarm(int number)
{
    (void)number;
    ticks++;
    if (dirty) {
        dirty = 0;
        apply_outlets();
        apply_limit();
        apply_beep();
    }
    if (ticks % 3600 == 0)
        system("/usr/sbin/pductl log-energy");
}

/* ---- words ---- */

static int do_login(FILE *out, char *rest)
{
    char *user = strsep(&rest, " "), *pass = strsep(&rest, " ");
    if (user && pass && strcmp(user, "admin") == 0 && strcmp(pass, "power") == 0)
        access_level = 2;
    else
        access_level = user && strcmp(user, "guest") == 0;
    fprintf(out, "level %d\n", access_level);
    return 0;
}

static int do_switch(FILE *out, char *rest)
{
    char *which = strsep(&rest, " "), *what = strsep(&rest, " ");
    int n = which ? atoi(which) : 0;
    if (n < 1 || n > OUTLETS || !what)
        return -1;
    outlet[n - 1] = strcmp(what, "on") == 0;
    dirty = 1;
    fprintf(out, "outlet %d %s\n", n, outlet[n - 1] ? "on" : "off");
    return 0;
}

static int do_set(FILE *out, char *rest)
{
    static const char *const known[] = {"name", "beep.seconds", "load.limit", "contact"};
    char *key = strsep(&rest, " ");
    if (!key || !rest || strlen(rest) > 64)
        return -1;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], key) == 0) {
            if (set(key, rest) < 0)
                return -1;
            dirty = 1;
            fprintf(out, "%s is set\n", key);
            return 0;
        }
    return -1;
}

static int do_get(FILE *out, char *rest)
{
    char *key = strsep(&rest, " ");
    if (!key)
        return -1;
    fprintf(out, "%s=%s\n", key, setting(key));
    return 0;
}

static int do_show(FILE *out, char *rest)
{
    (void)rest;
    for (int i = 0; i < OUTLETS; i++)
        fprintf(out, "%d:%s ", i + 1, outlet[i] ? "on" : "off");
    fprintf(out, "(%s, %s)\n", setting("name"), setting("contact"));
    return 0;
}

static int do_quit(FILE *out, char *rest)
{
    (void)rest;
    fputs("bye\n", out);
    return 1;
}

static void register_words(void)
{
    add_word("quit", 0, do_quit);
    add_word("login", 0, do_login);
    add_word("show", 1, do_show);
    add_word("get", 1, do_get);
    add_word("set", 2, do_set);
    add_word("switch", 2, do_switch);
}

static int one_line(FILE *out, char *line)
{
    char *name = strsep(&line, " ");
    for (struct word *w = words; w; w = w->next) {
        if (strcmp(w->name, name) != 0)
            continue;
        if (w->level > access_level) {
            fputs("login first\n", out);
            return 0;
        }
        int rc = w->call(out, line);
        if (rc < 0)
            fputs("wrong use\n", out);
        return rc;
    }
    fputs("unknown word\n", out);
    return 0;
}

static void serve(int fd)
{
    char line[160];
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    if (!in || !out) {
        if (in)
            fclose(in);
        else
            close(fd);
        if (out)
            fclose(out);
        return;
    }
    setvbuf(out, NULL, _IOLBF, 512);
    access_level = 0;
    fputs("PDU-8\n", out);
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\r\n")] = 0;
        if (*line && one_line(out, line) > 0)
            break;
    }
    fclose(in);
    fclose(out);
}

int main(int argc, char **argv)
{
    struct sockaddr_in here;
    struct sigaction action;
    struct itimerval every = {{1, 0}, {1, 0}};
    int server, on = 1, port = 2300;
    if (argc > 1)
        port = atoi(argv[1]);
    defaults();
    register_words();
    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    setitimer(ITIMER_REAL, &every, NULL);
    server = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons((uint16_t)port);
    if (bind(server, (struct sockaddr *)&here, sizeof here) < 0 || listen(server, 1) < 0) {
        perror("pdud");
        return 1;
    }
    for (;;) {
        int fd = accept(server, NULL, NULL);
        if (fd >= 0)
            serve(fd);
        else if (errno != EINTR)
            sleep(1);
    }
}
