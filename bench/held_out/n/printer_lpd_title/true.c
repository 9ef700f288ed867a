/* lpdlite - RFC 1179 receiver for the network print box */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <unistd.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define LPD_PORT     515
#define CF_MAX       4096
#define DF_MAX       (8L * 1024 * 1024)

struct print_job {
    char host[64];
    char owner[32];
    char title[100];
    char spool[32];
    long bytes;
};

static unsigned job_no = 1;

static void note(const char *fmt, ...)
{
    FILE *f = fopen("/var/log/lpd.log", "a");
    va_list ap;

    if (!f)
        return;
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fputc('\n', f);
    fclose(f);
}

static void ack(FILE *out, int code)
{
    fputc(code, out);
    fflush(out);
}

static void keep(char *dst, size_t cap, const char *src)
{
    snprintf(dst, cap, "%s", src);
}

/* The title ends up between double quotes on the banner command line. */
static void tidy_title(char *t)
{
    char *w = t;

    for (; *t; t++) {
        if (*t == '"' || *t == '\\' || *t == ';' || *t == '|' || *t == '&')
            continue;
        *w++ = *t;
    }
    *w = '\0';
}

static int control_file(FILE *in, long size, struct print_job *j)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    if (size <= 0 || size > CF_MAX)
        return -1;
    while (size > 0 && (n = getline(&line, &cap, in)) > 0) {
        size -= n;
        line[strcspn(line, "\r\n")] = '\0';
        switch (line[0]) {
        case 'H':
            keep(j->host, sizeof(j->host), line + 1);
            break;
        case 'P':
            keep(j->owner, sizeof(j->owner), line + 1);
            break;
        case 'J':
            keep(j->title, sizeof(j->title), line + 1);
            tidy_title(j->title);
            break;
        default:
            break;
        }
    }
    free(line);
    fgetc(in);                          /* trailing zero octet */
    return 0;
}

static int data_file(FILE *in, long size, struct print_job *j)
{
    char blk[4096];
    FILE *sp;

    if (size <= 0 || size > DF_MAX)
        return -1;
    snprintf(j->spool, sizeof(j->spool), "/tmp/df%05u", job_no++ % 100000);
    sp = fopen(j->spool, "wb");
    if (!sp)
        return -1;
    while (size > 0) {
        size_t want = size > (long)sizeof(blk) ? sizeof(blk) : (size_t)size;
        size_t got = fread(blk, 1, want, in);

        if (got == 0)
            break;
        fwrite(blk, 1, got, sp);
        size -= got;
        j->bytes += got;
    }
    fclose(sp);
    fgetc(in);
    return size == 0 ? 0 : -1;
}

static void print_out(struct print_job *j)
{
    char cmd[256], buf[2048];
    FILE *filter, *sp;
    size_t n;

    sp = fopen(j->spool, "rb");
    if (!sp)
        return;
    snprintf(cmd, sizeof(cmd), "/usr/lib/lpd/filter -b \"%s\" > /dev/usb/lp0", j->title);
    filter = popen(cmd, "w");
    if (filter) {
        while ((n = fread(buf, 1, sizeof(buf), sp)) > 0)
            fwrite(buf, 1, n, filter);
        pclose(filter);
    }
    fclose(sp);
    unlink(j->spool);
    note("job from %s@%s, %ld bytes", j->owner, j->host, j->bytes);
}

static void receive_job(FILE *in, FILE *out)
{
    struct print_job j;
    char line[160];
    int rc;

    memset(&j, 0, sizeof(j));
    keep(j.title, sizeof(j.title), "untitled");
    ack(out, 0);
    while (fgets(line, sizeof(line), in)) {
        long size = strtol(line + 1, NULL, 10);

        ack(out, 0);
        if (line[0] == 2)
            rc = control_file(in, size, &j);
        else if (line[0] == 3)
            rc = data_file(in, size, &j);
        else
            break;
        ack(out, rc ? 1 : 0);
        if (rc)
            break;
    }
    if (j.spool[0])
        print_out(&j);
}

static void queue_state(FILE *out)
{
    fprintf(out, "lp is ready, %u jobs since power on\n", job_no - 1);
    fflush(out);
}

static void connection(int fd)
{
    FILE *in = fdopen(fd, "rb");
    FILE *out = fdopen(dup(fd), "wb");
    char line[160];

    if (in && out && fgets(line, sizeof(line), in)) {
        switch (line[0]) {
        case 2:
            receive_job(in, out);
            break;
        case 3:
        case 4:
            queue_state(out);
            break;
        default:
            ack(out, 1);
        }
    }
    if (out)
        fclose(out);
    if (in)
        fclose(in);
}

int main(void)
{
    struct sockaddr_in sin;
    int s, c, on = 1;

    signal(SIGPIPE, SIG_IGN);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(LPD_PORT);
    if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(s, 5) < 0) {
        perror("lpdlite");
        return 1;
    }
    for (;;) {
        c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        connection(c);
    }
}
