/* stb-prov: provisioning of the set-top box.
   The head end sends XML by multicast; what is to be fetched is kept in
   a list and loaded by a thread in the background. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GROUP "239.255.42.1"
#define PROV_PORT 5004
#define LOG(lvl, ...) do { if ((lvl) <= verbosity) { printf("[prov] " __VA_ARGS__); putchar('\n'); fflush(stdout); } } while (0)

extern char **environ;

struct guide {
    struct guide *next;
    char *url;
    int   source;
    int   every;        /* seconds */
    time_t due;
    int   fails;
};

struct box {
    pthread_mutex_t lock;
    struct guide *guides;
    char region[16];
    int standby;
    int volume_limit;
    unsigned version;
};

static struct box box = { PTHREAD_MUTEX_INITIALIZER, NULL, "default", 0, 100, 0 };
static int verbosity = 1;

/* copies the text of <tag>...</tag>; malloc'ed */
static char *xml_text(const char *xml, const char *tag)
{
    char open[40], close[40];
    const char *a, *b;
    char *r;

    snprintf(open, sizeof open, "<%s>", tag);
    snprintf(close, sizeof close, "</%s>", tag);
    a = strstr(xml, open);
    if (a == NULL)
        return NULL;
    a += strlen(open);
    b = strstr(a, close);
    if (b == NULL)
        return NULL;
    r = malloc(b - a + 1);
    if (r != NULL) {
        memcpy(r, a, b - a);
        r[b - a] = '\0';
    }
    return r;
}

static int xml_int(const char *xml, const char *tag, int dflt)
{
    char *t = xml_text(xml, tag);
    int v = t != NULL ? atoi(t) : dflt;

    free(t);
    return v;
}

static int spawn_wait(char *const argv[])
{
    pid_t pid;
    int st;

    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        return -1;
    if (waitpid(pid, &st, 0) < 0)
        return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static int fetch_guide(int source, const char *url)
{
    char file[64];
    int rc;

    snprintf(file, sizeof file, "/tmp/epg/%d.xml.gz", source);
    char line[640];
    char *argv[] = { "sh", "-c", line, NULL };

    snprintf(line, sizeof line, "wget -q -T 20 -O %s '%s' && gunzip -f %s", file, url, file);
    rc = spawn_wait(argv);
    LOG(1, "guide %d: %d", source, rc);
    return rc;
}

static void *loader(void *arg)
{
    for (;;) {
        struct guide *g;
        char *url = NULL;
        int source = 0, rc;

        sleep(1);
        pthread_mutex_lock(&box.lock);
        for (g = box.guides; g != NULL && !box.standby; g = g->next) {
            if (time(NULL) >= g->due) {
                url = strdup(g->url);
                source = g->source;
                g->due = time(NULL) + g->every;
                break;
            }
        }
        pthread_mutex_unlock(&box.lock);
        if (url == NULL)
            continue;
        rc = fetch_guide(source, url);
        free(url);
        pthread_mutex_lock(&box.lock);
        for (g = box.guides; g != NULL; g = g->next) {
            if (g->source != source)
                continue;
            g->fails = rc == 0 ? 0 : g->fails + 1;
            if (g->fails > 0 && g->fails < 5)
                g->due = time(NULL) + 30 * g->fails;
        }
        pthread_mutex_unlock(&box.lock);
    }
    return NULL;
}

static void on_guide(const char *xml)
{
    int source = xml_int(xml, "source", 0);
    char *url = xml_text(xml, "epgUrl");
    struct guide *g;

    if (url == NULL || strlen(url) > 400 ||
        (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)) {
        LOG(1, "guide without a usable address");
        free(url);
        return;
    }
    pthread_mutex_lock(&box.lock);
    for (g = box.guides; g != NULL; g = g->next)
        if (g->source == source)
            break;
    if (g == NULL && (g = calloc(1, sizeof *g)) != NULL) {
        g->source = source;
        g->next = box.guides;
        box.guides = g;
    }
    if (g != NULL) {
        free(g->url);
        g->url = url;
        g->every = xml_int(xml, "refresh", 3600);
        if (g->every < 300)
            g->every = 300;
        g->due = time(NULL) + 2;
        g->fails = 0;
    } else {
        free(url);
    }
    pthread_mutex_unlock(&box.lock);
}

static void on_region(const char *xml)
{
    char *name = xml_text(xml, "name");
    FILE *fp;

    if (name == NULL)
        return;
    pthread_mutex_lock(&box.lock);
    snprintf(box.region, sizeof box.region, "%s", name);
    fp = fopen("/data/region", "w");
    if (fp != NULL) {
        fprintf(fp, "%s\n", box.region);
        fclose(fp);
    }
    pthread_mutex_unlock(&box.lock);
    free(name);
}

static void on_power(const char *xml)
{
    pthread_mutex_lock(&box.lock);
    box.standby = xml_int(xml, "standby", 0) != 0;
    box.volume_limit = xml_int(xml, "volumeLimit", box.volume_limit);
    if (box.volume_limit < 0 || box.volume_limit > 100)
        box.volume_limit = 100;
    pthread_mutex_unlock(&box.lock);
    LOG(2, "standby %d, volume %d", box.standby, box.volume_limit);
}

static const struct topic {
    const char *tag;
    void (*take)(const char *xml);
} topics[] = {
    { "guide", on_guide },
    { "region", on_region },
    { "power", on_power },
};

static void provision(const char *xml)
{
    unsigned version = (unsigned)xml_int(xml, "version", 0);
    size_t i;

    if (strncmp(xml, "<?xml", 5) != 0)
        return;
    if (version != 0 && version <= box.version) {
        LOG(2, "version %u is known", version);
        return;
    }
    for (i = 0; i < sizeof topics / sizeof *topics; i++) {
        char *part = xml_text(xml, topics[i].tag);

        if (part != NULL) {
            topics[i].take(part);
            free(part);
        }
    }
    box.version = version;
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa, from;
    struct ip_mreq mreq;
    static char pkt[4096];
    pthread_t th;
    int s, on = 1;

    if (argc > 1 && strcmp(argv[1], "-v") == 0)
        verbosity = 2;
    s = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    sa.sin_port = htons(PROV_PORT);
    if (s < 0 || bind(s, (struct sockaddr *)&sa, sizeof sa) != 0) {
        LOG(0, "no socket");
        return 1;
    }
    mreq.imr_multiaddr.s_addr = inet_addr(GROUP);
    mreq.imr_interface.s_addr = htonl(INADDR_ANY);
    setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof mreq);
    if (pthread_create(&th, NULL, loader, NULL) != 0)
        return 1;
    for (;;) {
        socklen_t fl = sizeof from;
        ssize_t n = recvfrom(s, pkt, sizeof pkt - 1, 0, (struct sockaddr *)&from, &fl);

        if (n <= 0)
            continue;
        pkt[n] = '\0';
        LOG(2, "%d bytes of %s", (int)n, inet_ntoa(from.sin_addr));
        provision(pkt);
    }
}
