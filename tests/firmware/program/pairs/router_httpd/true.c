/*
 * A router's small web server: hand-written query-string parser, a key-value store with setters and getters that
 * every page uses, and pages that apply what is stored.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_KEYS 48

struct entry {
    char key[24];
    char value[96];
};

struct request {
    int fd;
    char method[8];
    char path[64];
    char *query;
    time_t when;
};

struct page {
    const char *path;
    void (*serve)(struct request *);
};

static struct entry store[MAX_KEYS];
static int stored;
static unsigned long served;

static struct entry *find(const char *key)
{
    for (int i = 0; i < stored; i++)
        if (strcmp(store[i].key, key) == 0)
            return &store[i];
    return NULL;
}

static int kv_set(const char *key, const char *value)
{
    struct entry *e = find(key);
    if (!e) {
        if (stored == MAX_KEYS)
            return -1;
        e = &store[stored++];
        strncpy(e->key, key, sizeof e->key - 1);
        e->key[sizeof e->key - 1] = 0;
    }
    strncpy(e->value, value, sizeof e->value - 1);
    e->value[sizeof e->value - 1] = 0;
    return 0;
}

static const char *kv_get(const char *key)
{
    struct entry *e = find(key);
    return e ? e->value : "";
}

static void load_defaults(void)
{
    static const char *const defaults[][2] = {
        {"lan_ip", "192.168.1.1"}, {"lan_mask", "255.255.255.0"}, {"wan_proto", "dhcp"},
        {"diag_host", "localhost"}, {"diag_count", "4"},          {"hostname", "router"},
    };
    for (unsigned i = 0; i < sizeof defaults / sizeof *defaults; i++)
        kv_set(defaults[i][0], defaults[i][1]);
}

static int from_hex(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

static void url_decode(char *s)
{
    char *o = s;
    while (*s) {
        if (*s == '%' && s[1] && s[2]) {
            *o++ = (char)(from_hex(s[1]) << 4 | from_hex(s[2]));
            s += 3;
        } else if (*s == '+') {
            *o++ = ' ';
            s++;
        } else {
            *o++ = *s++;
        }
    }
    *o = 0;
}

static void parse_query(char *query)
{
    char *pair = query;
    while (pair && *pair) {
        char *next = strchr(pair, '&'), *value;
        if (next)
            *next++ = 0;
        value = strchr(pair, '=');
        if (value) {
            *value++ = 0;
            url_decode(value);
            kv_set(pair, value);
        }
        pair = next;
    }
}

static void header(struct request *r, int status, const char *type)
{
    char text[160];
    int n = snprintf(text, sizeof text, "HTTP/1.0 %d OK\r\nContent-Type: %s\r\nConnection: close\r\n\r\n", status, type);
    write(r->fd, text, (size_t)n);
}

static void page_status(struct request *r)
{
    char text[256];
    int n;
    header(r, 200, "text/html");
    n = snprintf(text, sizeof text, "<h1>%.40s</h1><p>%.20s/%.20s, %lu pages</p>", kv_get("hostname"),
                 kv_get("lan_ip"), kv_get("lan_mask"), served);
    write(r->fd, text, (size_t)n);
}

static void page_set(struct request *r)
{
    if (r->query)
        parse_query(r->query);
    header(r, 200, "text/plain");
    write(r->fd, "saved\n", 6);
}

static int fit_for_shell(const char *s)
{
    if (!*s)
        return 0;
#ifdef BENIGN
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '.'))
            return 0;
#endif
    return 1;
}

static void page_ping(struct request *r)
{
    char line[192], out[256];
    FILE *p;
    const char *host = kv_get("diag_host");
    int count = atoi(kv_get("diag_count"));
    header(r, 200, "text/plain");
    if (!fit_for_shell(host))
        return;
    if (count < 1 || count > 20)
        count = 4;
    snprintf(line, sizeof line, "ping -c %d %s 2>&1", count, host);
    p = popen(line, "r");
    if (!p)
        return;
    while (fgets(out, sizeof out, p))
        write(r->fd, out, strlen(out));
    pclose(p);
}

static void page_restart(struct request *r)
{
    header(r, 200, "text/plain");
    system("(sleep 1; reboot) &");
}

static const struct page pages[] = {
    {"/", page_status}, {"/set.cgi", page_set}, {"/ping.cgi", page_ping}, {"/restart.cgi", page_restart},
};

static void dispatch(struct request *r)
{
    served++;
    for (unsigned i = 0; i < sizeof pages / sizeof *pages; i++)
        if (strcmp(pages[i].path, r->path) == 0) {
            pages[i].serve(r);
            return;
        }
    header(r, 404, "text/plain");
}

static void serve(int fd)
{
    char text[2048], *space, *end;
    struct request r = {.fd = fd, .when = time(NULL)};
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    if (n <= 0)
        return;
    text[n] = 0;
    space = strchr(text, ' ');
    if (!space || space - text >= (long)sizeof r.method)
        return;
    memcpy(r.method, text, (size_t)(space - text));
    end = strpbrk(space + 1, " \r\n");
    if (end)
        *end = 0;
    r.query = strchr(space + 1, '?');
    if (r.query)
        *r.query++ = 0;
    strncpy(r.path, space + 1, sizeof r.path - 1);
    if (strcmp(r.method, "GET") == 0)
        dispatch(&r);
    else
        header(&r, 405, "text/plain");
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET};
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    load_defaults();
    me.sin_port = htons(8080);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 16) < 0) {
        perror("httpd");
        return 1;
    }
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        serve(c);
        close(c);
    }
}
