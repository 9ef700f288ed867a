/*
 * hpweb.c -- small web interface of the WP-7 heat pump controller
 *
 * GET /            page with the current values
 * GET /set?k=v&..  change set points
 * GET /log         last events
 *
 * Set points are handed to the control board with the hpbus tool every few
 * seconds, several changes are collected.
 */
#include <sys/types.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_PORT 8081
#define FLUSH_EVERY  5
#define NLOG         32
#define NCONN        8
#define VALLEN       48

typedef struct setpoint {
    const char *key;
    const char *unit;
    int         reg;            /* register on the control board */
    int         min, max;
    char        text[VALLEN];   /* what is written to the register */
    int         dirty;
} setpoint;

static setpoint sp[] = {
    { "room",     "C",   0x10,  5,  30, "21", 0 },
    { "curve",    "",    0x11,  0,  40, "12", 0 },
    { "dhw",      "C",   0x12, 30,  65, "48", 0 },
    { "legion",   "h",   0x13,  0, 168, "0",  0 },
    { "fan",      "%",   0x14, 20, 100, "60", 0 },
    { "bivalent", "C",   0x15, -20, 10, "-7", 0 },
};
#define NSP ((int)(sizeof sp / sizeof sp[0]))

static char evlog[NLOG][80];
static int  evpos;
static struct { int fd; int len; time_t since; char buf[1024]; } conn[NCONN];
static int  supply_temp, outside_temp;

static void event(const char *what, const char *key)
{
    time_t t = time(NULL);
    struct tm *tm = localtime(&t);

    snprintf(evlog[evpos], sizeof evlog[0], "%02d:%02d:%02d %s %.20s",
             tm->tm_hour, tm->tm_min, tm->tm_sec, what, key);
    evpos = (evpos + 1) % NLOG;
}

static setpoint *find_sp(const char *key)
{
    int i;

    for (i = 0; i < NSP; i++)
        if (strcmp(sp[i].key, key) == 0)
            return &sp[i];
    return NULL;
}

static int hexval(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

static void unquote(char *s)
{
    char *d = s;

    while (*s) {
        if (s[0] == '%' && hexval(s[1]) >= 0 && hexval(s[2]) >= 0) {
            *d++ = (char)(hexval(s[1]) * 16 + hexval(s[2]));
            s += 3;
        } else {
            *d++ = *s == '+' ? ' ' : *s;
            s++;
        }
    }
    *d = '\0';
}

/* 0 done, -1 unknown name, -2 out of range */
static int change(const char *key, const char *val)
{
    setpoint *p = find_sp(key);
    int v;

    if (p == NULL)
        return -1;
    v = atoi(val);
    if (v < p->min || v > p->max) {
        event("out of range", key);
        return -2;
    }
    snprintf(p->text, sizeof p->text, "%s", val);
    p->dirty = 1;
    event("changed", key);
    return 0;
}

static int handle_query(char *q)
{
    int bad = 0;

    while (q && *q) {
        char *next = strchr(q, '&'), *eq;

        if (next)
            *next++ = '\0';
        eq = strchr(q, '=');
        if (eq) {
            *eq++ = '\0';
            unquote(eq);
            if (change(q, eq) < 0)
                bad++;
        }
        q = next;
    }
    return bad;
}

static void put(int fd, const char *s)
{
    send(fd, s, strlen(s), MSG_NOSIGNAL);
}

static void page_values(int fd)
{
    char line[200];
    int i;

    put(fd, "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<table>\n");
    snprintf(line, sizeof line, "<tr><td>outside</td><td>%d</td></tr>"
             "<tr><td>supply</td><td>%d</td></tr>\n", outside_temp, supply_temp);
    put(fd, line);
    for (i = 0; i < NSP; i++) {
        snprintf(line, sizeof line, "<tr><td>%s</td><td>%d %s</td></tr>\n",
                 sp[i].key, atoi(sp[i].text), sp[i].unit);
        put(fd, line);
    }
    put(fd, "</table>\n");
}

static void page_log(int fd)
{
    int i;

    put(fd, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n");
    for (i = 0; i < NLOG; i++) {
        const char *l = evlog[(evpos + i) % NLOG];

        if (*l) {
            put(fd, l);
            put(fd, "\n");
        }
    }
}

static void request(int fd, char *req)
{
    char *path, *q, *end;

    if (strncmp(req, "GET ", 4) != 0) {
        put(fd, "HTTP/1.0 501 Not Implemented\r\n\r\n");
        return;
    }
    path = req + 4;
    end = path + strcspn(path, " \r\n");
    *end = '\0';
    q = strchr(path, '?');
    if (q)
        *q++ = '\0';
    if (strcmp(path, "/") == 0) {
        page_values(fd);
    } else if (strcmp(path, "/log") == 0) {
        page_log(fd);
    } else if (strcmp(path, "/set") == 0) {
        if (handle_query(q))
            put(fd, "HTTP/1.0 400 Bad Request\r\n\r\nnot all values taken\n");
        else
            put(fd, "HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n");
    } else {
        put(fd, "HTTP/1.0 404 Not Found\r\n\r\n");
    }
}

static void flush_setpoints(void)
{
    char cmd[160];
    int i;

    for (i = 0; i < NSP; i++) {
        if (!sp[i].dirty)
            continue;
        sp[i].dirty = 0;
        snprintf(cmd, sizeof cmd, "/usr/bin/hpbus -q write 0x%02x %s",
                 (unsigned)sp[i].reg, sp[i].text);
        if (system(cmd) != 0)
            event("bus error", sp[i].key);
    }
}

static void sample(void)
{
    FILE *p = popen("/usr/bin/hpbus -q read 0x40 0x41", "r");

    if (p) {
        if (fscanf(p, "%d %d", &outside_temp, &supply_temp) != 2)
            event("no sample", "");
        pclose(p);
    }
}

static void conn_close(int i)
{
    close(conn[i].fd);
    conn[i].fd = -1;
    conn[i].len = 0;
}

static void conn_input(int i)
{
    int n = recv(conn[i].fd, conn[i].buf + conn[i].len,
                 sizeof conn[i].buf - 1 - conn[i].len, 0);

    if (n <= 0) {
        conn_close(i);
        return;
    }
    conn[i].len += n;
    conn[i].buf[conn[i].len] = '\0';
    if (strstr(conn[i].buf, "\r\n\r\n")) {
        request(conn[i].fd, conn[i].buf);
        conn_close(i);
    } else if (conn[i].len >= (int)sizeof conn[i].buf - 1) {
        put(conn[i].fd, "HTTP/1.0 431 Too Large\r\n\r\n");
        conn_close(i);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in sin;
    int port = argc > 1 ? atoi(argv[1]) : DEFAULT_PORT;
    int ls, i, one = 1;
    time_t flushed = 0, sampled = 0;

    signal(SIGPIPE, SIG_IGN);
    for (i = 0; i < NCONN; i++)
        conn[i].fd = -1;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&sin, 0, sizeof sin);
    sin.sin_family = AF_INET;
    sin.sin_port = htons(port);
    if (bind(ls, (struct sockaddr *)&sin, sizeof sin) < 0 || listen(ls, 5) < 0) {
        perror("hpweb");
        return 1;
    }
    for (;;) {
        struct timeval tv = { 1, 0 };
        fd_set rd;
        int max = ls;
        time_t now;

        FD_ZERO(&rd);
        FD_SET(ls, &rd);
        for (i = 0; i < NCONN; i++)
            if (conn[i].fd >= 0) {
                FD_SET(conn[i].fd, &rd);
                if (conn[i].fd > max)
                    max = conn[i].fd;
            }
        if (select(max + 1, &rd, NULL, NULL, &tv) > 0) {
            for (i = 0; i < NCONN; i++)
                if (conn[i].fd >= 0 && FD_ISSET(conn[i].fd, &rd))
                    conn_input(i);
            if (FD_ISSET(ls, &rd)) {
                int c = accept(ls, NULL, NULL);

                for (i = 0; i < NCONN && conn[i].fd >= 0; i++)
                    ;
                if (i == NCONN || c < 0) {
                    if (c >= 0)
                        close(c);
                } else {
                    conn[i].fd = c;
                    conn[i].since = time(NULL);
                }
            }
        }
        now = time(NULL);
        for (i = 0; i < NCONN; i++)
            if (conn[i].fd >= 0 && now - conn[i].since > 15)
                conn_close(i);
        if (now - flushed >= FLUSH_EVERY) {
            flushed = now;
            flush_setpoints();
        }
        if (now - sampled >= 60) {
            sampled = now;
            sample();
        }
    }
}
