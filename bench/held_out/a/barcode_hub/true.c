/*
 * Hub for hand scanners. A scanner connects, sends a greeting, then frames: kind, source, length and payload. Codes are
 * counted and written to the stock file; a scanner may set the label that its display shows.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define GREETING 0x42434832u
#define PAYLOAD_MAX 1024
#define LABEL_MAX 64
#define CODE_MAX 48
#define TABLE 128

struct frame {
    uint8_t kind;
    uint8_t source;
    uint16_t length;
    uint8_t payload[PAYLOAD_MAX];
};

struct code {
    char text[CODE_MAX];
    unsigned count;
    struct code *next;
};

struct hub {
    pthread_mutex_t lock;
    struct code *table[TABLE];
    unsigned long scans;
    unsigned long rejected;
    char labels[256][LABEL_MAX];
    int beep;
};

struct scanner {
    struct hub *hub;
    FILE *stream;
    time_t since;
    unsigned long frames;
};

struct kind {
    uint8_t id;
    const char *name;
    int (*take)(struct scanner *, const struct frame *);
};

static uint32_t be32(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static unsigned slot(const char *text)
{
    unsigned h = 5381;
    while (*text)
        h = h * 33 ^ (unsigned char)*text++;
    return h % TABLE;
}

static void count(struct hub *hub, const char *text)
{
    struct code **at = &hub->table[slot(text)], *c;
    for (c = *at; c; c = c->next)
        if (!strcmp(c->text, text)) {
            c->count++;
            return;
        }
    c = calloc(1, sizeof *c);
    if (!c)
        return;
    snprintf(c->text, sizeof c->text, "%s", text);
    c->count = 1;
    c->next = *at;
    *at = c;
}

static int send_text(struct scanner *s, const char *text)
{
    size_t n = strlen(text);
    return send(fileno(s->stream), text, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

/* The check digit of an EAN-13. */
static int ean_right(const char *digits)
{
    int sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (digits[i] - '0') * (i % 2 ? 3 : 1);
    return (10 - sum % 10) % 10 == digits[12] - '0';
}

static int take_code(struct scanner *s, const struct frame *f)
{
    char digits[14];
    struct hub *hub = s->hub;
    if (f->length != 13)
        return -1;
    for (int i = 0; i < 13; i++) {
        if (f->payload[i] < '0' || f->payload[i] > '9')
            return -1;
        digits[i] = (char)f->payload[i];
    }
    digits[13] = 0;
    pthread_mutex_lock(&hub->lock);
    if (ean_right(digits)) {
        hub->scans++;
        count(hub, digits);
    } else
        hub->rejected++;
    pthread_mutex_unlock(&hub->lock);
    return send_text(s, hub->beep ? "\a" : ".");
}

static void printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
            *text = '?';
}

static int take_label(struct scanner *s, const struct frame *f)
{
    char label[LABEL_MAX];
    size_t n = f->length;
    if (n == 0)
        return -1;
#ifdef BENIGN
    if (n > sizeof label - 1)
        n = sizeof label - 1;
#endif
    memcpy(label, f->payload, n);
    label[n] = 0;
    printable(label);
    pthread_mutex_lock(&s->hub->lock);
    strcpy(s->hub->labels[f->source], label);
    pthread_mutex_unlock(&s->hub->lock);
    syslog(LOG_INFO, "scanner %u is called %s", f->source, label);
    return 0;
}

static int take_battery(struct scanner *s, const struct frame *f)
{
    unsigned millivolts;
    if (f->length < 2)
        return -1;
    millivolts = (unsigned)(f->payload[0] << 8 | f->payload[1]);
    if (millivolts < 3300) {
        syslog(LOG_WARNING, "scanner %u: %u mV", f->source, millivolts);
        return send_text(s, "L");
    }
    return 0;
}

static int take_clock(struct scanner *s, const struct frame *f)
{
    char text[40];
    time_t now = time(NULL);
    (void)f;
    snprintf(text, sizeof text, "T%ld/%ld\n", (long)now, (long)(now - s->since));
    return send_text(s, text);
}

static int take_flush(struct scanner *s, const struct frame *f)
{
    (void)s;
    (void)f;
    return system("/usr/lib/stock/import /var/lib/stock/scans.csv") == 0 ? 0 : -1;
}

static const struct kind kinds[] = {
    {0x01, "code", take_code},   {0x02, "battery", take_battery}, {0x05, "clock", take_clock},
    {0x11, "label", take_label}, {0x12, "flush", take_flush},
};

static int read_frame(struct scanner *s, struct frame *f)
{
    uint8_t head[4];
    if (fread(head, sizeof head, 1, s->stream) != 1)
        return -1;
    f->kind = head[0];
    f->source = head[1];
    f->length = (uint16_t)(head[2] << 8 | head[3]);
    if (f->length > PAYLOAD_MAX)
        return -1;
    return f->length == 0 || fread(f->payload, f->length, 1, s->stream) == 1 ? 0 : -1;
}

static void *scanner_thread(void *argument)
{
    struct scanner *s = argument;
    struct frame *f = calloc(1, sizeof *f);
    uint8_t greeting[4];
    if (!f || fread(greeting, sizeof greeting, 1, s->stream) != 1 || be32(greeting) != GREETING)
        goto out;
    while (read_frame(s, f) == 0) {
        int rc = -1;
        s->frames++;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (kinds[i].id == f->kind) {
                rc = kinds[i].take(s, f);
                if (rc < 0)
                    syslog(LOG_NOTICE, "%s refused", kinds[i].name);
            }
        if (rc < 0 && send_text(s, "!") < 0)
            break;
    }
out:
    free(f);
    fclose(s->stream);
    free(s);
    return NULL;
}

static void *writer_thread(void *argument)
{
    struct hub *hub = argument;
    for (;;) {
        FILE *f;
        sleep(30);
        f = fopen("/var/lib/stock/scans.csv", "w");
        if (!f)
            continue;
        pthread_mutex_lock(&hub->lock);
        for (int i = 0; i < TABLE; i++)
            for (struct code *c = hub->table[i]; c; c = c->next)
                fprintf(f, "%s,%u\n", c->text, c->count);
        pthread_mutex_unlock(&hub->lock);
        fclose(f);
    }
    return NULL;
}

static int start(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t attributes;
    int rc;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    rc = pthread_create(&thread, &attributes, run, argument);
    pthread_attr_destroy(&attributes);
    return rc;
}

int main(int argc, char **argv)
{
    static struct hub hub = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(4370)};
    int server, on = 1;
    hub.beep = argc > 1 && !strcmp(argv[1], "-b");
    signal(SIGPIPE, SIG_IGN);
    server = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server, (struct sockaddr *)&here, sizeof here) || listen(server, 16) || start(writer_thread, &hub)) {
        perror("scanhub");
        return 1;
    }
    for (;;) {
        int fd = accept(server, NULL, NULL);
        struct scanner *s = fd < 0 ? NULL : calloc(1, sizeof *s);
        if (!s) {
            if (fd >= 0)
                close(fd);
            continue;
        }
        s->hub = &hub;
        s->since = time(NULL);
        s->stream = fdopen(fd, "r");
        if (!s->stream || start(scanner_thread, s)) {
            if (s->stream)
                fclose(s->stream);
            else
                close(fd);
            free(s);
        }
    }
}
