/*
 * dmrd - discovery daemon of the set-top box: remembers media servers
 * announced in the home network and fetches their descriptions.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <time.h>
#include <netdb.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SSDP_GROUP "239.255.255.250"
#define SSDP_PORT  1900
#define HASHSZ     31

typedef struct server_s {
    struct server_s *next;
    char *usn;
    char *location;
    char  banner[48];
    time_t expires;
    int   probed;
    int   score;
} server_t;

typedef struct {
    char *nt, *nts, *usn, *location, *server, *cache, *st;
} headers_t;

static server_t *bucket[HASHSZ];
static int nservers;
static int sock_fd = -1;
static char my_uuid[48] = "uuid:5f9ec1b3-ed59-79bb-4530-4f6c1a90d1e1";

static unsigned str_hash(const char *s)
{
    unsigned h = 5381;
    while (*s)
        h = h * 33 + (unsigned char)*s++;
    return h % HASHSZ;
}

static server_t *lookup(const char *usn)
{
    server_t *s;
    for (s = bucket[str_hash(usn)]; s; s = s->next)
        if (strcmp(s->usn, usn) == 0)
            return s;
    return NULL;
}

static server_t *add_server(const char *usn)
{
    unsigned h = str_hash(usn);
    server_t *s;
    if (nservers >= 64)
        return NULL;
    s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->usn = strdup(usn);
    s->next = bucket[h];
    bucket[h] = s;
    nservers++;
    return s;
}

static void drop_server(const char *usn)
{
    server_t **pp = &bucket[str_hash(usn)], *s;
    for (; (s = *pp) != NULL; pp = &s->next)
        if (strcmp(s->usn, usn) == 0) {
            *pp = s->next;
            free(s->usn);
            free(s->location);
            free(s);
            nservers--;
            return;
        }
}

static char *trim(char *s)
{
    char *e;
    while (*s == ' ' || *s == '\t')
        s++;
    e = s + strlen(s);
    while (e > s && (e[-1] == ' ' || e[-1] == '\r' || e[-1] == '\t'))
        *--e = 0;
    return s;
}

static void split_headers(char *text, headers_t *h)
{
    static const struct { const char *name; size_t off; } map[] = {
        { "NT", offsetof(headers_t, nt) }, { "NTS", offsetof(headers_t, nts) },
        { "USN", offsetof(headers_t, usn) }, { "LOCATION", offsetof(headers_t, location) },
        { "SERVER", offsetof(headers_t, server) }, { "CACHE-CONTROL", offsetof(headers_t, cache) },
        { "ST", offsetof(headers_t, st) },
    };
    char *line, *colon;
    unsigned i;

    memset(h, 0, sizeof(*h));
    while ((line = strsep(&text, "\n")) != NULL) {
        colon = strchr(line, ':');
        if (!colon)
            continue;
        *colon = 0;
        for (i = 0; i < sizeof(map) / sizeof(map[0]); i++)
            if (!strcasecmp(trim(line), map[i].name))
                *(char **)((char *)h + map[i].off) = trim(colon + 1);
    }
}

static int max_age(const char *cc)
{
    const char *p = cc ? strstr(cc, "max-age") : NULL;
    int v;
    if (!p || !(p = strchr(p, '=')))
        return 1800;
    v = atoi(p + 1);
    return v < 60 ? 60 : v > 7200 ? 7200 : v;
}

static void on_notify(headers_t *h, struct sockaddr_in *from)
{
    server_t *s;
    (void)from;
    if (!h->usn || !h->nts)
        return;
    if (!strcmp(h->nts, "ssdp:byebye")) {
        drop_server(h->usn);
        return;
    }
    if (strcmp(h->nts, "ssdp:alive") || !h->location)
        return;
    if (!h->nt || !strstr(h->nt, "MediaServer"))
        return;
    s = lookup(h->usn);
    if (!s)
        s = add_server(h->usn);
    if (!s)
        return;
    if (!s->location || strcmp(s->location, h->location)) {
        free(s->location);
        s->location = strdup(h->location);
        s->probed = 0;
    }
    if (h->server)
        snprintf(s->banner, sizeof(s->banner), "%s", h->server);
    s->expires = time(NULL) + max_age(h->cache);
}

static void on_search(headers_t *h, struct sockaddr_in *from)
{
    char out[400];
    int n;
    if (!h->st || (strcmp(h->st, "ssdp:all") && strcmp(h->st, "upnp:rootdevice")))
        return;
    n = snprintf(out, sizeof(out),
        "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nST: upnp:rootdevice\r\n"
        "USN: %s::upnp:rootdevice\r\nSERVER: STB/2.1 UPnP/1.0\r\n\r\n", my_uuid);
    sendto(sock_fd, out, n, 0, (struct sockaddr *)from, sizeof(*from));
}

static const struct { const char *verb; void (*fn)(headers_t *, struct sockaddr_in *); } verbs[] = {
    { "NOTIFY * ", on_notify },
    { "M-SEARCH * ", on_search },
};

static int fetch(const char *host, int port, const char *path)
{
    char req[512], ans[256];
    struct addrinfo hint, *ai;
    char ps[12];
    int fd, n, ok = 0;
    struct timeval tv = { 3, 0 };

    memset(&hint, 0, sizeof(hint));
    hint.ai_family = AF_INET;
    hint.ai_socktype = SOCK_STREAM;
    snprintf(ps, sizeof(ps), "%d", port & 0xffff);
    if (getaddrinfo(host, ps, &hint, &ai) != 0)
        return 0;
    fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0) {
        n = snprintf(req, sizeof(req), "GET %.300s HTTP/1.0\r\nHost: %.100s\r\n\r\n", path, host);
        send(fd, req, n, MSG_NOSIGNAL);
        n = recv(fd, ans, sizeof(ans) - 1, 0);
        if (n > 12) {
            ans[n] = 0;
            ok = strstr(ans, " 200 ") != NULL;
        }
    }
    close(fd);
    freeaddrinfo(ai);
    return ok;
}

static void probe(server_t *s)
{
    char host[64];
    char path[128];
    int port = 80;

    path[0] = '/';
    path[1] = 0;
    if (sscanf(s->location, "http://%63[^:/]:%d%127s", host, &port, path) < 2)
        if (sscanf(s->location, "http://%63[^:/]%127s", host, path) < 1)
            return;
    s->score += fetch(host, port, path) ? 1 : -1;
}

static void housekeeping(void)
{
    time_t now = time(NULL);
    server_t *s, *nx;
    int i;
    for (i = 0; i < HASHSZ; i++)
        for (s = bucket[i]; s; s = nx) {
            nx = s->next;
            if (s->expires < now) {
                drop_server(s->usn);
            } else if (!s->probed && s->location) {
                s->probed = 1;
                probe(s);
            }
        }
}

int main(void)
{
    struct sockaddr_in sa, from;
    struct ip_mreq mr;
    struct timeval tv = { 5, 0 };
    char dgram[1500];
    socklen_t fl;
    unsigned i;
    int n;

    sock_fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(SSDP_PORT);
    if (bind(sock_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
        return 1;
    mr.imr_multiaddr.s_addr = inet_addr(SSDP_GROUP);
    mr.imr_interface.s_addr = htonl(INADDR_ANY);
    setsockopt(sock_fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr));
    setsockopt(sock_fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    for (;;) {
        headers_t h;
        char *body;
        fl = sizeof(from);
        n = recvfrom(sock_fd, dgram, sizeof(dgram) - 1, 0, (struct sockaddr *)&from, &fl);
        if (n > 0) {
            dgram[n] = 0;
            body = strchr(dgram, '\n');
            for (i = 0; body && i < 2; i++)
                if (!strncmp(dgram, verbs[i].verb, strlen(verbs[i].verb))) {
                    split_headers(body + 1, &h);
                    verbs[i].fn(&h, &from);
                    break;
                }
        }
        housekeeping();
    }
}
