#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SSDP_PORT   1900
#define SSDP_GROUP  "239.255.255.250"
#define SSDP_RX     1400
#define ST_CAP      512
#define HDR_CAP     192

typedef void (*timer_fn)(void *arg);

struct timer_ev {
    struct timer_ev *next;
    time_t   due;
    timer_fn fn;
    void    *arg;
};

struct search {
    int    sock;
    struct sockaddr_in peer;
    char   st[ST_CAP];
};

typedef int (*verb_handler)(int sock, const char *msg, const struct sockaddr_in *peer);

struct verb_entry {
    const char  *verb;
    verb_handler fn;
};

static struct timer_ev *timers;
static char gw_uuid[40] = "3f1c9a20-77aa-4e10-9c01-a0f3c1000000";
static char gw_addr[INET_ADDRSTRLEN] = "192.168.1.1";
static unsigned answered;

static int timer_add(int delay, timer_fn fn, void *arg)
{
    struct timer_ev *t = malloc(sizeof(*t));

    if (!t)
        return -ENOMEM;
    t->due = time(NULL) + delay;
    t->fn = fn;
    t->arg = arg;
    t->next = timers;
    timers = t;
    return 0;
}

static void timer_run(void)
{
    struct timer_ev **pp = &timers;
    time_t now = time(NULL);

    while (*pp) {
        struct timer_ev *t = *pp;

        if (t->due > now) {
            pp = &t->next;
            continue;
        }
        *pp = t->next;
        t->fn(t->arg);
        free(t);
    }
}

static int hdr_copy(const char *msg, const char *name, char *out, size_t cap)
{
    size_t nl = strlen(name), n;
    const char *p = msg;

    while ((p = strstr(p, "\r\n")) != NULL) {
        p += 2;
        if (strncasecmp(p, name, nl) != 0 || p[nl] != ':')
            continue;
        p += nl + 1;
        p += strspn(p, " \t");
        n = strcspn(p, "\r\n");
        if (n >= cap)
            n = cap - 1;
        memcpy(out, p, n);
        out[n] = '\0';
        return 0;
    }
    out[0] = '\0';
    return -ENOENT;
}

static int st_known(const char *st)
{
    if (strcasecmp(st, "ssdp:all") == 0)
        return 1;
    if (strcasecmp(st, "upnp:rootdevice") == 0)
        return 1;
    if (strncasecmp(st, "urn:schemas-upnp-org:", 21) == 0)
        return 1;
    return strncasecmp(st, "uuid:", 5) == 0;
}

static void fill_usn(char *usn, size_t cap, const char *st)
{
    size_t room;

    memset(usn, 0, cap);
    strcpy(usn, "USN: uuid:");
    strcat(usn, gw_uuid);
    room = cap - strlen(usn) - 5;
    if (strncasecmp(st, "uuid:", 5) != 0 && strlen(st) <= room) {
        strcat(usn, "::");
        strcat(usn, st);
    }
    strcat(usn, "\r\n");
}

static void answer_search(void *arg)
{
    struct search *s = arg;
    char usn[HDR_CAP];
    char out[1024];
    int n;

    fill_usn(usn, sizeof(usn), s->st);
    n = snprintf(out, sizeof(out),
                 "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\n"
                 "LOCATION: http://%s:5000/root.xml\r\nST: %s\r\n%s\r\n",
                 gw_addr, s->st, usn);
    if (n > 0 && n < (int)sizeof(out)) {
        sendto(s->sock, out, n, 0, (struct sockaddr *)&s->peer, sizeof(s->peer));
        answered++;
    }
    free(s);
}

static int on_msearch(int sock, const char *msg, const struct sockaddr_in *peer)
{
    struct search *s;
    char man[32], mx[8];
    int wait;

    if (hdr_copy(msg, "MAN", man, sizeof(man)) < 0 || !strstr(man, "ssdp:discover"))
        return -EINVAL;
    hdr_copy(msg, "MX", mx, sizeof(mx));
    wait = atoi(mx);
    if (wait < 1 || wait > 5)
        wait = 1;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    if (hdr_copy(msg, "ST", s->st, sizeof(s->st)) < 0 || !st_known(s->st)) {
        free(s);
        return -ENOENT;
    }
    s->sock = sock;
    s->peer = *peer;
    if (timer_add(wait, answer_search, s) < 0) {
        free(s);
        return -ENOMEM;
    }
    return 0;
}

static int on_notify(int sock, const char *msg, const struct sockaddr_in *peer)
{
    char nts[32];

    (void)sock;
    if (hdr_copy(msg, "NTS", nts, sizeof(nts)) == 0)
        fprintf(stderr, "ssdp: %s from %s\n", nts, inet_ntoa(peer->sin_addr));
    return 0;
}

static const struct verb_entry verb_tab[] = {
    { "M-SEARCH ", on_msearch },
    { "NOTIFY ",   on_notify },
};

static void heartbeat(void *arg)
{
    fprintf(stderr, "ssdp: %u answered\n", answered);
    timer_add(60, heartbeat, arg);
}

static void on_readable(int sock)
{
    struct sockaddr_in peer;
    socklen_t pl = sizeof(peer);
    char rx[SSDP_RX + 1];
    ssize_t n;
    size_t i;

    n = recvfrom(sock, rx, SSDP_RX, 0, (struct sockaddr *)&peer, &pl);
    if (n <= 0)
        return;
    rx[n] = '\0';
    for (i = 0; i < sizeof(verb_tab) / sizeof(verb_tab[0]); i++) {
        if (strncmp(rx, verb_tab[i].verb, strlen(verb_tab[i].verb)) == 0) {
            verb_tab[i].fn(sock, rx, &peer);
            break;
        }
    }
}

static int open_group(void)
{
    struct sockaddr_in a;
    struct ip_mreq mr;
    int on = 1;
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    if (s < 0)
        return -errno;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons(SSDP_PORT);
    a.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0) {
        close(s);
        return -errno;
    }
    memset(&mr, 0, sizeof(mr));
    mr.imr_multiaddr.s_addr = inet_addr(SSDP_GROUP);
    mr.imr_interface.s_addr = htonl(INADDR_ANY);
    setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr));
    return s;
}

static void load_identity(void)
{
    FILE *f = fopen("/etc/gw/identity", "r");

    if (!f)
        return;
    if (fscanf(f, "%36s %15s", gw_uuid, gw_addr) != 2)
        fprintf(stderr, "ssdp: identity incomplete\n");
    fclose(f);
}

int main(void)
{
    struct pollfd pf;
    int s;

    load_identity();
    s = open_group();
    if (s < 0)
        return 1;
    timer_add(60, heartbeat, NULL);
    pf.fd = s;
    pf.events = POLLIN;
    for (;;) {
        pf.revents = 0;
        if (poll(&pf, 1, 500) > 0 && (pf.revents & POLLIN))
            on_readable(s);
        timer_run();
    }
}
