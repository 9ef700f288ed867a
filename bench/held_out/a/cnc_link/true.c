/*
 * Link to a milling machine. The drawing office loads programs block by block: each block has a header with its length
 * and a checksum of its bytes. Blocks are turned into steps for the motion queue; single orders are handled at once.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 256
#define STEPS 512

enum block_kind { KIND_HELLO = 0x10, KIND_GCODE = 0x20, KIND_STOP = 0x21, KIND_HOME = 0x22, KIND_STATE = 0x30, KIND_TOOL = 0x31 };

struct block_header {
    uint16_t mark;
    uint8_t kind;
    uint8_t sum;
    uint32_t length;
};

struct step {
    char letter;
    int code;
    double x, y, z, feed;
};

struct machine {
    struct step queue[STEPS];
    unsigned head, tail;
    double x, y, z;
    int tool, running, alarm;
    unsigned long lines, faults;
};

struct link {
    struct machine *machine;
    int fd;
    int greeted;
    char office[32];
    unsigned long blocks;
};

static struct machine mill;

/* All of n bytes, in as many parts as they come. */
static int receive(int fd, void *to, size_t n)
{
    uint8_t *at = to;
    while (n) {
        ssize_t got = recv(fd, at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        at += got;
        n -= (size_t)got;
    }
    return 0;
}

static int say(struct link *l, const char *text)
{
    return send(l->fd, text, strlen(text), MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int queue_step(struct machine *m, const struct step *s)
{
    if (m->head - m->tail == STEPS)
        return -1;
    m->queue[m->head++ % STEPS] = *s;
    return 0;
}

/* One line of G-code, such as "G1 X10.5 Y2 F300". */
static int gcode_line(struct machine *m, const char *line)
{
    struct step s = {0, 0, m->x, m->y, m->z, 0};
    char *end;
    while (*line) {
        char letter = (char)toupper((unsigned char)*line);
        double value;
        if (isspace((unsigned char)letter)) {
            line++;
            continue;
        }
        if (letter == '(' || letter == ';')
            break;
        value = strtod(line + 1, &end);
        if (end == line + 1)
            return -1;
        switch (letter) {
        case 'G':
        case 'M':
            s.letter = letter;
            s.code = value >= 0 && value < 1000 ? (int)value : -1;
            break;
        case 'X':
            s.x = value;
            break;
        case 'Y':
            s.y = value;
            break;
        case 'Z':
            s.z = value;
            break;
        case 'F':
            s.feed = value;
            break;
        case 'N':
            break;
        default:
            return -1;
        }
        line = end;
    }
    if (!s.letter)
        return 0;
    m->lines++;
    return queue_step(m, &s);
}

static uint8_t sum_of(const uint8_t *b, size_t n)
{
    uint8_t sum = 0x5a;
    while (n--)
        sum = (uint8_t)(sum + *b++);
    return sum;
}

static int gcode_block(struct link *l, const struct block_header *h)
{
    char text[BLOCK + 1], *line, *next;
    int bad = 0;
#ifdef BENIGN
    if (h->length > BLOCK)
        return -1;
#endif
    if (receive(l->fd, text, h->length) < 0)
        return -1;
    if (sum_of((uint8_t *)text, h->length) != h->sum)
        return say(l, "SUM\n");
    text[h->length] = 0;
    for (line = text; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        bad += gcode_line(l->machine, line) < 0;
    }
    l->machine->faults += (unsigned long)bad;
    return say(l, bad ? "BAD\n" : "OK\n");
}

static int hello_block(struct link *l, const struct block_header *h)
{
    if (h->length >= sizeof l->office || receive(l->fd, l->office, h->length) < 0)
        return -1;
    l->office[h->length] = 0;
    l->greeted = 1;
    fprintf(stderr, "office %s\n", l->office);
    return say(l, "MILL 3-axis\n");
}

static int tool_block(struct link *l, const struct block_header *h)
{
    uint8_t number;
    char line[48];
    if (h->length != 1 || receive(l->fd, &number, 1) < 0)
        return -1;
    if (number > 24)
        return say(l, "BAD\n");
    l->machine->tool = number;
    snprintf(line, sizeof line, "toolchanger --slot %d", number);
    return say(l, system(line) == 0 ? "OK\n" : "BAD\n");
}

static int state_block(struct link *l)
{
    char text[160];
    struct machine *m = l->machine;
    snprintf(text, sizeof text, "x=%.3f y=%.3f z=%.3f tool=%d queue=%u faults=%lu\n", m->x, m->y, m->z, m->tool,
             m->head - m->tail, m->faults);
    return say(l, text);
}

static int block(struct link *l)
{
    uint8_t raw[8];
    struct block_header h;
    if (receive(l->fd, raw, sizeof raw) < 0)
        return -1;
    h.mark = (uint16_t)(raw[0] | raw[1] << 8);
    h.kind = raw[2];
    h.sum = raw[3];
    memcpy(&h.length, raw + 4, 4);
    h.length = ntohl(h.length);
    if (h.mark != 0xc0de)
        return -1;
    l->blocks++;
    if (h.kind != KIND_HELLO && !l->greeted)
        return say(l, "HELLO?\n");
    switch (h.kind) {
    case KIND_HELLO:
        return hello_block(l, &h);
    case KIND_GCODE:
        return gcode_block(l, &h);
    case KIND_STOP:
        l->machine->tail = l->machine->head;
        return say(l, system("motionctl stop") == 0 ? "OK\n" : "BAD\n");
    case KIND_HOME:
        l->machine->x = l->machine->y = l->machine->z = 0;
        return say(l, system("motionctl home") == 0 ? "OK\n" : "BAD\n");
    case KIND_STATE:
        return state_block(l);
    case KIND_TOOL:
        return tool_block(l, &h);
    }
    return -1;
}

static void motion(struct machine *m)
{
    struct step *s;
    if (m->head == m->tail || m->alarm)
        return;
    s = &m->queue[m->tail++ % STEPS];
    if (s->letter == 'G' && (s->code == 0 || s->code == 1)) {
        m->x = s->x;
        m->y = s->y;
        m->z = s->z;
    } else if (s->letter == 'M' && (s->code == 3 || s->code == 5)) {
        m->running = s->code == 3;
        system(m->running ? "spindle on" : "spindle off");
    }
}

static int open_port(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    a.sin_port = htons(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int main(void)
{
    struct link l = {.machine = &mill, .fd = -1};
    int server = open_port(5007);
    if (server < 0) {
        perror("cnclink");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        struct pollfd p[2] = {{server, POLLIN, 0}, {l.fd, POLLIN, 0}};
        poll(p, 2, 50);
        if (l.fd >= 0 && p[1].revents && block(&l) < 0) {
            close(l.fd);
            l.fd = -1;
        }
        if (p[0].revents & POLLIN) {
            int fd = accept(server, NULL, NULL);
            if (fd >= 0) {
                if (l.fd >= 0)
                    close(l.fd);
                memset(&l, 0, sizeof l);
                l.machine = &mill;
                l.fd = fd;
            }
        }
        motion(&mill);
    }
}
