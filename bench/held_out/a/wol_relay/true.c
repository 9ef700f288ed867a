/*
 * Relay that wakes machines in another network. Requests are small INI texts in datagrams. A request is honoured when
 * the checksum of its key is right. Waking goes through the ether-wake tool, whose output is returned.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define KEY_SUM 0xca1b04ceu
#define HISTORY 10

typedef struct {
    char key[32];
    char mac[72];
    char iface[8];
    char comment[64];
    int delay;
    int repeat;
    int bridge;
    int authentic;
} request_t;

typedef struct {
    time_t when;
    char who[INET_ADDRSTRLEN];
    int result;
} history_t;

typedef enum { OUTSIDE, IN_AUTH, IN_WAKE, IN_OPTIONS, IN_OTHER } section_t;

static history_t history[HISTORY];
static unsigned history_at;
static int sock;
static int max_repeat = 5;
static int verbose;

static uint32_t sum_of(const char *s)
{
    uint32_t a = 0x811c9dc5u;
    for (; *s; s++) {
        a ^= (uint8_t)*s;
        a *= 0x01000193u;
    }
    return a ^ a >> 15;
}

static void keep(char *to, size_t room, const char *from)
{
    size_t n = strlen(from);
    if (n >= room)
        n = room - 1;
    memcpy(to, from, n);
    to[n] = 0;
}

static char *strip(char *s)
{
    size_t n;
    s += strspn(s, " \t");
    for (n = strlen(s); n && strchr(" \t\r", s[n - 1]); n--)
        ;
    s[n] = 0;
    return s;
}

static section_t section_of(const char *line)
{
    static const struct {
        const char *name;
        section_t section;
    } names[] = {{"[auth]", IN_AUTH}, {"[wake]", IN_WAKE}, {"[options]", IN_OPTIONS}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(line, names[i].name) == 0)
            return names[i].section;
    return IN_OTHER;
}

static void assign(request_t *r, section_t section, const char *key, const char *value)
{
    if (section == IN_AUTH) {
        if (strcmp(key, "key") == 0) {
            keep(r->key, sizeof r->key, value);
            r->authentic = sum_of(r->key) == KEY_SUM;
        }
    } else if (section == IN_WAKE) {
        if (strcmp(key, "mac") == 0)
            keep(r->mac, sizeof r->mac, value);
        else if (strcmp(key, "bridge") == 0)
            r->bridge = atoi(value);
        else if (strcmp(key, "comment") == 0)
            keep(r->comment, sizeof r->comment, value);
    } else if (section == IN_OPTIONS) {
        if (strcmp(key, "repeat") == 0)
            r->repeat = atoi(value);
        else if (strcmp(key, "delay") == 0)
            r->delay = atoi(value);
    }
}

static void ini(request_t *r, char *text)
{
    section_t section = OUTSIDE;
    while (text && *text) {
        char *end = strchr(text, '\n'), *line, *equals;
        if (end)
            *end++ = 0;
        line = strip(text);
        text = end;
        if (*line == 0 || *line == '#')
            continue;
        if (*line == '[') {
            section = section_of(line);
            continue;
        }
        equals = strchr(line, '=');
        if (!equals)
            continue;
        *equals = 0;
        assign(r, section, strip(line), strip(equals + 1));
    }
}

#ifdef BENIGN
static int nibble(int c)
{
    if (isdigit(c))
        return c - '0';
    c = tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The address in its usual form. */
static int normal(const char *text, char *to, size_t room)
{
    uint8_t b[6];
    for (int i = 0; i < 6; i++) {
        int high = nibble((unsigned char)text[0]), low = high < 0 ? -1 : nibble((unsigned char)text[1]);
        if (low < 0 || (i < 5 && text[2] != ':' && text[2] != '-'))
            return -1;
        b[i] = (uint8_t)(high << 4 | low);
        text += i < 5 ? 3 : 2;
    }
    if (*text)
        return -1;
    snprintf(to, room, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
    return 0;
}
#else
/* The address in its usual form. */
static int normal(const char *text, char *to, size_t room)
{
    size_t n = 0;
    int colons = 0;
    for (; *text && n + 1 < room; text++) {
        to[n] = (char)(*text == '-' ? ':' : tolower((unsigned char)*text));
        colons += to[n++] == ':';
    }
    to[n] = 0;
    return colons >= 5 ? 0 : -1;
}
#endif

static int run(const char *command, char *out, size_t room)
{
    size_t n;
    FILE *f = popen(command, "r");
    if (!f)
        return -1;
    n = fread(out, 1, room - 1, f);
    out[n] = 0;
    return pclose(f);
}

static int wake(const request_t *r, char *out, size_t room)
{
    char mac[72], command[128];
    int rc = -1, times = r->repeat < 1 ? 1 : r->repeat > max_repeat ? max_repeat : r->repeat;
    if (normal(r->mac, mac, sizeof mac) < 0) {
        snprintf(out, room, "bad address\n");
        return -1;
    }
    snprintf(command, sizeof command, "ether-wake -i br%d %s 2>&1", r->bridge, mac);
    while (times--) {
        rc = run(command, out, room);
        if (r->delay > 0 && r->delay < 1000)
            usleep((unsigned)r->delay * 1000);
    }
    return rc;
}

static void remember(const struct sockaddr_in *who, int result)
{
    history_t *h = &history[history_at++ % HISTORY];
    h->when = time(NULL);
    h->result = result;
    inet_ntop(AF_INET, &who->sin_addr, h->who, sizeof h->who);
}

static void report(const struct sockaddr_in *to)
{
    char text[600];
    size_t n = 0;
    for (int i = 0; i < HISTORY; i++)
        if (history[i].when && n + 64 < sizeof text)
            n += (size_t)snprintf(text + n, sizeof text - n, "%ld %s %d\n", (long)history[i].when, history[i].who,
                                  history[i].result);
    sendto(sock, text, n, 0, (const struct sockaddr *)to, sizeof *to);
}

static void save_history(void)
{
    FILE *f;
    static unsigned saved;
    if (saved == history_at)
        return;
    saved = history_at;
    if (!(f = fopen("/tmp/wol.history", "w")))
        return;
    for (int i = 0; i < HISTORY; i++)
        fprintf(f, "%ld %s %d\n", (long)history[i].when, history[i].who, history[i].result);
    fclose(f);
    system("sync");
}

static void datagram(char *text, const struct sockaddr_in *from)
{
    char out[400] = "";
    request_t r;
    memset(&r, 0, sizeof r);
    r.repeat = 1;
    if (strncmp(text, "history", 7) == 0) {
        report(from);
        return;
    }
    ini(&r, text);
    if (verbose)
        fprintf(stderr, "request from %s (%s)\n", inet_ntoa(from->sin_addr), r.comment);
    if (!r.authentic) {
        remember(from, -2);
        return;
    }
    remember(from, wake(&r, out, sizeof out));
    sendto(sock, out, strlen(out), 0, (const struct sockaddr *)from, sizeof *from);
}

int main(int argc, char **argv)
{
    static char text[1025];
    struct sockaddr_in me, from;
    struct timeval wait = {30, 0};
    socklen_t size;
    int port = argc > 1 ? atoi(argv[1]) : 40009;
    verbose = getenv("WOL_VERBOSE") != NULL;
    sock = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons((uint16_t)port);
    if (bind(sock, (struct sockaddr *)&me, sizeof me) < 0) {
        fprintf(stderr, "wolrelay: %s\n", strerror(errno));
        return 1;
    }
    for (;;) {
        ssize_t n;
        size = sizeof from;
        n = recvfrom(sock, text, sizeof text - 1, 0, (struct sockaddr *)&from, &size);
        if (n > 0) {
            text[n] = 0;
            datagram(text, &from);
        }
        save_history();
    }
}
