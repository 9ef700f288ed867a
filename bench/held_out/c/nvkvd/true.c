// nvkvd: settings server. Line protocol, one thread per connection.
//   get K | set K V | del K | import N (N lines K=V follow) | commit | list | quit
// "commit" hands the settings to the system.

#define _GNU_SOURCE
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_PORT 7071
#define NBUCKETS     32

typedef struct Entry {
    struct Entry *next;
    char         *key;
    char         *val;
    int           dirty;
} Entry;

static Entry          *buckets[NBUCKETS];
static pthread_mutex_t kvLock = PTHREAD_MUTEX_INITIALIZER;
static int             quiet;

static void note(const char *fmt, ...)
{
    va_list ap;
    if (quiet) return;
    va_start(ap, fmt);
    fputs("nvkvd: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputs("\n", stderr);
    va_end(ap);
}

static unsigned hashKey(const char *k)
{
    unsigned h = 5381;
    while (*k) h = h * 33u + (unsigned char)*k++;
    return h % NBUCKETS;
}

static Entry *findEntry(const char *key)
{
    Entry *e;
    for (e = buckets[hashKey(key)]; e; e = e->next)
        if (strcmp(e->key, key) == 0) return e;
    return NULL;
}

/* ---- getters and setters ---- */

const char *kvGet(const char *key)
{
    Entry *e = findEntry(key);
    return e ? e->val : "";
}

int kvSet(const char *key, const char *val)
{
    Entry *e = findEntry(key);
    char  *copy = strdup(val);
    if (!copy) return -1;
    if (e) {
        free(e->val);
    } else {
        unsigned h = hashKey(key);
        e = calloc(1, sizeof *e);
        if (!e || !(e->key = strdup(key))) {
            free(e);
            free(copy);
            return -1;
        }
        e->next = buckets[h];
        buckets[h] = e;
    }
    e->val = copy;
    e->dirty = 1;
    return 0;
}

int kvDel(const char *key)
{
    Entry **pp = &buckets[hashKey(key)];
    while (*pp) {
        if (strcmp((*pp)->key, key) == 0) {
            Entry *gone = *pp;
            *pp = gone->next;
            free(gone->key);
            free(gone->val);
            free(gone);
            return 0;
        }
        pp = &(*pp)->next;
    }
    return -1;
}

static int plainText(const char *s)
{
    if (*s == '-') return 0;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("._-:/", *s)) return 0;
    return 1;
}

/* ---- run a command, printf style ---- */

static int runf(const char *fmt, ...)
{
    char    line[1024];
    va_list ap;
    int     n;
    va_start(ap, fmt);
    n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof line) {
        note("command too long");
        return -1;
    }
    return system(line);
}

static int applyHostname(void)
{
    const char *h = kvGet("lan.hostname");
    if (!*h) return 0;
    return runf("hostname %s", h);
}

static int applyLed(void)
{
    int on = atoi(kvGet("led.power"));
    return runf("echo %d > /tmp/.led_power", on != 0);
}

static int applyMtu(void)
{
    int mtu = atoi(kvGet("lan.mtu"));
    if (mtu < 576 || mtu > 1500) return 0;
    return runf("ip link set dev lan0 mtu %d 2>/dev/null", mtu);
}

static const struct {
    const char *name;
    int (*apply)(void);
} appliers[] = {
    { "lan.hostname", applyHostname },
    { "led.power",    applyLed },
    { "lan.mtu",      applyMtu },
};

static int commitAll(void)
{
    size_t i;
    int    done = 0;
    for (i = 0; i < sizeof appliers / sizeof appliers[0]; i++) {
        Entry *e = findEntry(appliers[i].name);
        if (!e || !e->dirty) continue;
        e->dirty = 0;
        appliers[i].apply();
        done++;
    }
    return done;
}

/* ---- commands ---- */

static void cmdImport(FILE *io, int count)
{
    char  *line = NULL;
    size_t cap = 0;
    int    taken = 0;
    while (count-- > 0) {
        ssize_t n = getline(&line, &cap, io);
        char   *eq;
        if (n <= 0) break;
        line[strcspn(line, "\r\n")] = '\0';
        eq = strchr(line, '=');
        if (!eq) continue;
        *eq++ = '\0';
        if (!plainText(line)) continue;
#ifdef BENIGN
        if (!plainText(eq)) continue;
#endif
        if (kvSet(line, eq) == 0) taken++;
    }
    free(line);
    fprintf(io, "OK %d\n", taken);
}

static void cmdList(FILE *io)
{
    int    i;
    Entry *e;
    for (i = 0; i < NBUCKETS; i++)
        for (e = buckets[i]; e; e = e->next) fprintf(io, "%s=%s\n", e->key, e->val);
    fputs(".\n", io);
}

static int oneLine(FILE *io, char *line)
{
    char *save = NULL;
    char *verb, *key, *val;

    line[strcspn(line, "\r\n")] = '\0';
    verb = strtok_r(line, " ", &save);
    if (!verb) return 0;
    if (!strcasecmp(verb, "quit")) return -1;
    if (!strcasecmp(verb, "list")) { cmdList(io); return 0; }
    if (!strcasecmp(verb, "commit")) { fprintf(io, "OK %d\n", commitAll()); return 0; }
    key = strtok_r(NULL, " ", &save);
    if (!key) { fputs("ERR key\n", io); return 0; }
    if (!strcasecmp(verb, "import")) { cmdImport(io, atoi(key)); return 0; }
    if (!strcasecmp(verb, "get")) { fprintf(io, "%s\n", kvGet(key)); return 0; }
    if (!strcasecmp(verb, "del")) { fputs(kvDel(key) ? "ERR none\n" : "OK\n", io); return 0; }
    if (!strcasecmp(verb, "set")) {
        val = strtok_r(NULL, "", &save);
        if (!val || !plainText(key) || !plainText(val)) { fputs("ERR value\n", io); return 0; }
        fputs(kvSet(key, val) ? "ERR memory\n" : "OK\n", io);
        return 0;
    }
    fputs("ERR verb\n", io);
    return 0;
}

static void *serve(void *arg)
{
    int    fd = (int)(long)arg;
    FILE  *io = fdopen(fd, "r+");
    char  *line = NULL;
    size_t cap = 0;
    int    rc = 0;

    if (!io) {
        close(fd);
        return NULL;
    }
    setvbuf(io, NULL, _IOLBF, 0);
    while (rc == 0 && getline(&line, &cap, io) > 0) {
        pthread_mutex_lock(&kvLock);
        rc = oneLine(io, line);
        pthread_mutex_unlock(&kvLock);
        fflush(io);
    }
    free(line);
    fclose(io);
    return NULL;
}

int main(int argc, char *argv[])
{
    int                port = DEFAULT_PORT, opt, s, on = 1;
    struct sockaddr_in a;

    while ((opt = getopt(argc, argv, "p:q")) != -1) {
        if (opt == 'p') port = atoi(optarg);
        else if (opt == 'q') quiet = 1;
        else return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    kvSet("lan.mtu", "1500");
    kvSet("led.power", "1");
    s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0) return 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons((unsigned short)port);
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 8)) {
        perror("nvkvd");
        return 1;
    }
    note("ready on %d", port);
    for (;;) {
        pthread_t t;
        int       c = accept(s, NULL, NULL);
        if (c < 0) continue;
        if (pthread_create(&t, NULL, serve, (void *)(long)c)) close(c);
        else pthread_detach(t);
    }
}
