/*
 * mediad: discovery part.  The receiver thread takes NOTIFY announcements and
 * queues them, the worker keeps the table of devices shown in the TV menu.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <time.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SSDP_PORT   1900
#define SSDP_GROUP  "239.255.255.250"
#define MAX_DEV     32
#define QLEN        8

struct announce {
    struct in_addr from;
    size_t         len;
    char          *text;
};

struct device {
    int    used;
    char   usn[128];
    char   location[128];
    char   label[160];
    time_t expires;
};

static struct announce  queue[QLEN];
static unsigned         q_head, q_tail;
static pthread_mutex_t  q_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t   q_cond = PTHREAD_COND_INITIALIZER;

static struct device    devices[MAX_DEV];

static int q_put(struct announce *a)
{
    int rc = -1;

    pthread_mutex_lock(&q_lock);
    if (q_head - q_tail < QLEN) {
        queue[q_head % QLEN] = *a;
        q_head++;
        pthread_cond_signal(&q_cond);
        rc = 0;
    }
    pthread_mutex_unlock(&q_lock);
    return rc;
}

static int q_get(struct announce *a, int seconds)
{
    struct timespec ts;
    int rc = 0;

    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += seconds;
    pthread_mutex_lock(&q_lock);
    while (q_head == q_tail && rc == 0)
        rc = pthread_cond_timedwait(&q_cond, &q_lock, &ts);
    if (q_head != q_tail) {
        *a = queue[q_tail % QLEN];
        q_tail++;
        rc = 0;
    } else {
        rc = -1;
    }
    pthread_mutex_unlock(&q_lock);
    return rc;
}

/* finds a header line; ends it with a zero byte and returns the value */
static char *take_header(char *copy, const char *name)
{
    size_t nl = strlen(name);
    char *line = copy, *eol;

    while (line && *line) {
        eol = strstr(line, "\r\n");
        if (strncasecmp(line, name, nl) == 0 && line[nl] == ':') {
            line += nl + 1;
            while (*line == ' ' || *line == '\t')
                line++;
            if (eol && eol >= line)
                *eol = '\0';
            return line;
        }
        line = eol ? eol + 2 : NULL;
    }
    return NULL;
}

static char *header_dup(const char *text, const char *name)
{
    char *copy = strdup(text);
    char *v, *r = NULL;

    if (copy) {
        v = take_header(copy, name);
        if (v)
            r = strdup(v);
        free(copy);
    }
    return r;
}

static struct device *dev_lookup(const char *usn, int create)
{
    struct device *hole = NULL;
    int i;

    for (i = 0; i < MAX_DEV; i++) {
        if (devices[i].used && strcmp(devices[i].usn, usn) == 0)
            return &devices[i];
        if (!devices[i].used && !hole)
            hole = &devices[i];
    }
    if (!create || !hole)
        return NULL;
    memset(hole, 0, sizeof(*hole));
    hole->used = 1;
    snprintf(hole->usn, sizeof(hole->usn), "%s", usn);
    return hole;
}

static void set_label(struct device *d, struct in_addr from, const char *server)
{
    char ip[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &from, ip, sizeof(ip));
    snprintf(d->label, sizeof(d->label), "%s (%s)", server ? server : "unknown", ip);
}

static void on_alive(struct announce *a)
{
    char *usn = header_dup(a->text, "USN");
    char *loc = header_dup(a->text, "LOCATION");
    char *srv = header_dup(a->text, "SERVER");
    char *cc = header_dup(a->text, "CACHE-CONTROL");
    struct device *d;
    int age = 1800;
    char *eq;

    if (usn && loc && (d = dev_lookup(usn, 1)) != NULL) {
        if (cc && strncasecmp(cc, "max-age", 7) == 0 && (eq = strchr(cc, '=')) != NULL)
            age = atoi(eq + 1);
        if (age < 60 || age > 86400)
            age = 1800;
        snprintf(d->location, sizeof(d->location), "%s", loc);
        set_label(d, a->from, srv);
        d->expires = time(NULL) + age;
    }
    free(usn);
    free(loc);
    free(srv);
    free(cc);
}

static void on_byebye(struct announce *a)
{
    char *usn = header_dup(a->text, "USN");
    struct device *d;

    if (usn && (d = dev_lookup(usn, 0)) != NULL)
        d->used = 0;
    free(usn);
}

static const struct {
    const char *nts;
    void (*fn)(struct announce *);
} kinds[] = {
    { "ssdp:alive",  on_alive },
    { "ssdp:update", on_alive },
    { "ssdp:byebye", on_byebye },
};

static void write_table(void)
{
    FILE *f = fopen("/var/run/mediad.devices.new", "w");
    time_t now = time(NULL);
    int i;

    for (i = 0; i < MAX_DEV; i++) {
        if (devices[i].used && devices[i].expires < now)
            devices[i].used = 0;
        if (f && devices[i].used)
            fprintf(f, "%s\t%s\n", devices[i].location, devices[i].label);
    }
    if (f) {
        fclose(f);
        rename("/var/run/mediad.devices.new", "/var/run/mediad.devices");
    }
}

static void *worker(void *arg)
{
    struct announce a;
    size_t i;

    for (;;) {
        if (q_get(&a, 5) == 0) {
            char *nts = header_dup(a.text, "NTS");

            for (i = 0; nts && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                if (strcmp(kinds[i].nts, nts) == 0)
                    kinds[i].fn(&a);
            }
            free(nts);
            free(a.text);
        }
        write_table();
    }
    return NULL;
}

static void receiver(int s)
{
    char pkt[1500];

    for (;;) {
        struct sockaddr_in peer;
        socklen_t pl = sizeof(peer);
        struct announce a;
        ssize_t n = recvfrom(s, pkt, sizeof(pkt) - 1, 0, (struct sockaddr *)&peer, &pl);

        if (n <= 0)
            continue;
        pkt[n] = '\0';
        if (strncmp(pkt, "NOTIFY * ", 9) != 0)
            continue;
        a.from = peer.sin_addr;
        a.len = (size_t)n;
        a.text = strdup(pkt);
        if (a.text && q_put(&a) < 0)
            free(a.text);
    }
}

int main(void)
{
    struct sockaddr_in me;
    struct ip_mreq mr;
    pthread_t t;
    int s, on = 1;

    s = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&me, 0, sizeof(me));
    me.sin_family = AF_INET;
    me.sin_port = htons(SSDP_PORT);
    if (bind(s, (struct sockaddr *)&me, sizeof(me)) < 0)
        return 1;
    mr.imr_multiaddr.s_addr = inet_addr(SSDP_GROUP);
    mr.imr_interface.s_addr = htonl(INADDR_ANY);
    setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr));
    if (pthread_create(&t, NULL, worker, NULL) != 0)
        return 1;
    receiver(s);
    return 0;
}
