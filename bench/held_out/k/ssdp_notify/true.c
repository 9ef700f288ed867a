#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>
#include <syslog.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SSDP_PORT 1900
#define SSDP_GRP  "239.255.255.250"
#define LINE_SIZE 180

enum ssdp_kind { K_NONE, K_SEARCH, K_ALIVE, K_BYEBYE };
enum ssdp_req  { R_NONE, R_ALL, R_ROOT, R_UDN, R_SERVICE, R_DEVICE };

typedef struct ssdp_event {
    enum ssdp_kind kind;
    enum ssdp_req  req;
    int  mx;
    int  max_age;
    char udn[LINE_SIZE];
    char type[LINE_SIZE];
} ssdp_event;

typedef struct neighbour {
    struct neighbour *next;
    struct in_addr addr;
    time_t expires;
    char udn[64];
    char location[128];
} neighbour;

static neighbour *neigh_list;
static unsigned neigh_count;
static char my_udn[64] = "uuid:3f7a0c10-1dd2-11b2-a35f-000000000000";
static int sock = -1;

static const char *header(const char *msg, const char *name, char *val, size_t max)
{
    const char *p = msg;
    size_t nl = strlen(name), i;

    while ((p = strchr(p, '\n')) != NULL) {
        p++;
        if (strncasecmp(p, name, nl) == 0 && p[nl] == ':') {
            p += nl + 1;
            while (*p == ' ' || *p == '\t')
                p++;
            for (i = 0; p[i] && p[i] != '\r' && p[i] != '\n' && i < max - 1; i++)
                val[i] = p[i];
            val[i] = '\0';
            return val;
        }
    }
    return NULL;
}

/* splits a USN / ST / NT value into its udn and type parts */
static int unique_service_name(const char *cmd, ssdp_event *evt)
{
    const char *p, *q;
    int found = 0;

    if ((p = strstr(cmd, "uuid:")) != NULL) {
        q = strstr(p, "::");
        if (q != NULL) {
            size_t n = q - p;
            memcpy(evt->udn, p, n);
            evt->udn[n] = '\0';
        } else {
            snprintf(evt->udn, sizeof evt->udn, "%s", p);
        }
        evt->req = R_UDN;
        found = 1;
    }
    if ((p = strstr(cmd, "urn:")) != NULL) {
        if (strstr(p, ":service:"))
            evt->req = R_SERVICE;
        else if (strstr(p, ":device:"))
            evt->req = R_DEVICE;
        snprintf(evt->type, sizeof evt->type, "%s", p);
        found = 1;
    }
    if (strstr(cmd, "upnp:rootdevice")) {
        evt->req = R_ROOT;
        found = 1;
    }
    if (strcmp(cmd, "ssdp:all") == 0) {
        evt->req = R_ALL;
        found = 1;
    }
    return found ? 0 : -1;
}

static void neigh_expire(time_t now)
{
    neighbour **pp = &neigh_list, *n;

    while ((n = *pp) != NULL) {
        if (n->expires <= now) {
            *pp = n->next;
            free(n);
            neigh_count--;
        } else {
            pp = &n->next;
        }
    }
}

static void neigh_update(const ssdp_event *evt, struct in_addr from, const char *loc)
{
    neighbour *n;

    for (n = neigh_list; n; n = n->next)
        if (strncmp(n->udn, evt->udn, sizeof n->udn - 1) == 0)
            break;
    if (evt->kind == K_BYEBYE) {
        if (n)
            n->expires = 0;
        return;
    }
    if (!n) {
        if (neigh_count >= 64 || !(n = calloc(1, sizeof *n)))
            return;
        n->next = neigh_list;
        neigh_list = n;
        neigh_count++;
        snprintf(n->udn, sizeof n->udn, "%.63s", evt->udn);
    }
    n->addr = from;
    n->expires = time(NULL) + evt->max_age;
    snprintf(n->location, sizeof n->location, "%.127s", loc ? loc : "");
}

static void reply_search(const ssdp_event *evt, const struct sockaddr_in *to)
{
    char out[768];
    const char *st;
    int n;

    switch (evt->req) {
    case R_ALL:
    case R_ROOT:
        st = "upnp:rootdevice";
        break;
    case R_UDN:
        if (strcmp(evt->udn, my_udn))
            return;
        st = my_udn;
        break;
    case R_DEVICE:
        st = "urn:schemas-upnp-org:device:MediaServer:1";
        if (strcmp(evt->type, st))
            return;
        break;
    case R_SERVICE:
        st = "urn:schemas-upnp-org:service:ContentDirectory:1";
        if (strcmp(evt->type, st))
            return;
        break;
    default:
        return;
    }
    n = snprintf(out, sizeof out,
                 "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\n"
                 "SERVER: Linux/2.6 UPnP/1.0 NasMedia/1.2\r\nST: %s\r\nUSN: %s::%s\r\n\r\n",
                 st, my_udn, st);
    sendto(sock, out, (size_t)n, 0, (const struct sockaddr *)to, sizeof *to);
}

static void handle_search(const char *msg, const struct sockaddr_in *from)
{
    ssdp_event evt;
    char val[1024], mx[16];

    memset(&evt, 0, sizeof evt);
    evt.kind = K_SEARCH;
    if (!header(msg, "MAN", val, sizeof val) || !strstr(val, "ssdp:discover"))
        return;
    if (header(msg, "MX", mx, sizeof mx))
        evt.mx = atoi(mx);
    if (!header(msg, "ST", val, sizeof val))
        return;
    if (unique_service_name(val, &evt) < 0)
        return;
    if (evt.mx > 0 && evt.mx < 4)
        usleep((useconds_t)(rand() % (evt.mx * 1000)) * 100);
    reply_search(&evt, from);
}

static void handle_notify(const char *msg, const struct sockaddr_in *from)
{
    ssdp_event evt;
    char usn[1024], nts[32], cc[48], loc[256];
    const char *l, *p;

    memset(&evt, 0, sizeof evt);
    if (!header(msg, "NTS", nts, sizeof nts))
        return;
    if (strcmp(nts, "ssdp:alive") == 0)
        evt.kind = K_ALIVE;
    else if (strcmp(nts, "ssdp:byebye") == 0)
        evt.kind = K_BYEBYE;
    else
        return;
    evt.max_age = 1800;
    if (header(msg, "CACHE-CONTROL", cc, sizeof cc) && (p = strchr(cc, '=')) != NULL) {
        evt.max_age = atoi(p + 1);
        if (evt.max_age < 60 || evt.max_age > 86400)
            evt.max_age = 1800;
    }
    if (!header(msg, "USN", usn, sizeof usn))
        return;
    if (unique_service_name(usn, &evt) < 0)
        return;
    l = header(msg, "LOCATION", loc, sizeof loc);
    neigh_update(&evt, from->sin_addr, l);
}

static int ssdp_open(void)
{
    struct sockaddr_in a;
    struct ip_mreq mr;
    int one = 1;

    if ((sock = socket(AF_INET, SOCK_DGRAM, 0)) < 0)
        return -1;
    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(SSDP_PORT);
    a.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(sock, (struct sockaddr *)&a, sizeof a) < 0)
        return -1;
    mr.imr_multiaddr.s_addr = inet_addr(SSDP_GRP);
    mr.imr_interface.s_addr = htonl(INADDR_ANY);
    if (setsockopt(sock, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof mr) < 0)
        syslog(LOG_WARNING, "membership: %m");
    return 0;
}

int main(int argc, char **argv)
{
    char pkt[2048];

    openlog("ssdpd", LOG_PID, LOG_DAEMON);
    if (argc > 1)
        snprintf(my_udn, sizeof my_udn, "uuid:%.58s", argv[1]);
    srand((unsigned)getpid());
    if (ssdp_open() < 0) {
        syslog(LOG_ERR, "cannot open socket: %m");
        return 1;
    }
    for (;;) {
        struct sockaddr_in from;
        socklen_t fl = sizeof from;
        struct timeval tv = { 10, 0 };
        fd_set fds;
        ssize_t n;

        FD_ZERO(&fds);
        FD_SET(sock, &fds);
        if (select(sock + 1, &fds, NULL, NULL, &tv) <= 0) {
            neigh_expire(time(NULL));
            continue;
        }
        n = recvfrom(sock, pkt, sizeof pkt - 1, 0, (struct sockaddr *)&from, &fl);
        if (n <= 0)
            continue;
        pkt[n] = '\0';
        if (strncmp(pkt, "M-SEARCH ", 9) == 0)
            handle_search(pkt, &from);
        else if (strncmp(pkt, "NOTIFY ", 7) == 0)
            handle_notify(pkt, &from);
    }
}
