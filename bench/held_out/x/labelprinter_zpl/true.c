/*
 * lpsrv: raw port of the label printer.
 *
 * Understands the small part of the label language we need:
 *   ^XA            begin of a label
 *   ^FOx,y         position of the next field
 *   ^CFsize        height of the letters
 *   ^FDtext^FS     field
 *   ^PQn           number of copies
 *   ^XZ            end, the label is printed
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#define RAW_PORT    9100
#define JOB_SIZE    65536
#define MAX_FIELDS  16
#define TEXT_SIZE   96

#define CLAMP(v, lo, hi)  ((v) < (lo) ? (lo) : (v) > (hi) ? (hi) : (v))

typedef struct {
    int  x, y;
    int  height;
    char text[TEXT_SIZE];
} field_t;

typedef struct {
    field_t fields[MAX_FIELDS];
    int     nfields;
    int     x, y, height;
    int     copies;
    int     open;
} label_t;

static struct {
    unsigned jobs, labels, bad;
    int      darkness;
    char     device[64];
} printer = { 0, 0, 0, 8, "/dev/usb/lp1" };

static void stamp(const char *what, unsigned n)
{
    char t[32];
    time_t now = time(NULL);

    strftime(t, sizeof t, "%F %T", localtime(&now));
    fprintf(stderr, "%s %s %u\n", t, what, n);
}

static void label_reset(label_t *l)
{
    memset(l, 0, sizeof *l);
    l->height = 20;
    l->copies = 1;
}

static void emit(FILE *out, const label_t *l)
{
    int i, c;

    for (c = 0; c < l->copies; c++) {
        fprintf(out, "\033@\033D%c", (char)printer.darkness);
        for (i = 0; i < l->nfields; i++)
            fprintf(out, "\033P%d;%d;%dT%s\n", l->fields[i].x, l->fields[i].y,
                    l->fields[i].height, l->fields[i].text);
        fputc('\f', out);
    }
}

static void print_label(const label_t *l)
{
    FILE *out = fopen(printer.device, "w");

    if (!out) {
        printer.bad++;
        return;
    }
    emit(out, l);
    fclose(out);
    printer.labels += l->copies;
}

static const char *num(const char *p, int *v)
{
    char *e;
    long n = strtol(p, &e, 10);

    *v = (int)CLAMP(n, 0, 32000);
    return e;
}

/* from ^FD to ^FS; returns the place behind it, NULL when it does not end */
static const char *field_data(label_t *l, const char *p)
{
    const char *end = strstr(p, "^FS");
    field_t *f;
    size_t n;

    if (!end)
        return NULL;
    if (l->nfields >= MAX_FIELDS)
        return end + 3;
    f = &l->fields[l->nfields];
    f->x = l->x;
    f->y = l->y;
    f->height = l->height;
    n = end - p;
    memcpy(f->text, p, n);
    f->text[n] = 0;
    l->nfields++;
    return end + 3;
}

static int interpret(const char *job)
{
    label_t l;
    const char *p = job;

    label_reset(&l);
    while ((p = strchr(p, '^')) != NULL) {
        p++;
        if (!strncmp(p, "XA", 2)) {
            label_reset(&l);
            l.open = 1;
            p += 2;
        } else if (!l.open) {
            continue;
        } else if (!strncmp(p, "FO", 2)) {
            p = num(p + 2, &l.x);
            if (*p == ',')
                p = num(p + 1, &l.y);
        } else if (!strncmp(p, "CF", 2)) {
            p = num(p + 2, &l.height);
            l.height = CLAMP(l.height, 8, 200);
        } else if (!strncmp(p, "FD", 2)) {
            p = field_data(&l, p + 2);
            if (!p)
                return -1;
        } else if (!strncmp(p, "PQ", 2)) {
            p = num(p + 2, &l.copies);
            l.copies = CLAMP(l.copies, 1, 99);
        } else if (!strncmp(p, "XZ", 2)) {
            print_label(&l);
            l.open = 0;
            p += 2;
        }
    }
    return l.open ? -1 : 0;
}

static void host_status(int fd)
{
    char s[96];
    int n = snprintf(s, sizeof s, "\002%u,%u,%u,%d\003\r\n",
                     printer.jobs, printer.labels, printer.bad, printer.darkness);
    send(fd, s, n, MSG_NOSIGNAL);
}

static void darkness(const char *p)
{
    int v;

    num(p, &v);
    printer.darkness = CLAMP(v, 1, 30);
}

static void job(int fd)
{
    struct timeval tv = { 5, 0 };
    FILE *in;
    char *buf;
    size_t n = 0, got;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    buf = malloc(JOB_SIZE + 1);
    in = buf ? fdopen(fd, "r") : NULL;
    if (!in) {
        free(buf);
        close(fd);
        return;
    }
    while (n < JOB_SIZE && (got = fread(buf + n, 1, CLAMP(JOB_SIZE - n, 1, 4096), in)) > 0)
        n += got;
    buf[n] = 0;
    printer.jobs++;
    if (!strncmp(buf, "~HS", 3))
        host_status(fd);
    else if (!strncmp(buf, "~SD", 3))
        darkness(buf + 3);
    else if (interpret(buf) < 0) {
        printer.bad++;
        stamp("bad job", printer.jobs);
    }
    fclose(in);
    free(buf);
}

int main(int argc, char **argv)
{
    struct sockaddr_in a;
    int s, c, on = 1;

    if (argc > 1)
        snprintf(printer.device, sizeof printer.device, "%s", argv[1]);
    signal(SIGPIPE, SIG_IGN);
    if ((s = socket(AF_INET, SOCK_STREAM, 0)) < 0)
        return 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(RAW_PORT);
    a.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 3) < 0) {
        perror("lpsrv");
        return 1;
    }
    stamp("ready on", RAW_PORT);
    for (;;) {
        c = accept(s, NULL, NULL);
        if (c >= 0)
            job(c);
    }
}
