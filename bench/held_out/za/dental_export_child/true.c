/* imgbox - box below the dental chair.  Takes X-ray frames from the sensor
 * docks over TCP, stores them, and lets a child process convert them for
 * the practice server (the converter eats memory; if it dies, only the
 * child goes down with it).
 *
 *   struct on the wire (little endian):
 *     "DXR1"  u16 tooth  u16 width  u16 height  u8 idlen  u8 flags
 *     id[idlen]  pixels[width*height*2]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <ctype.h>
#include <signal.h>
#include <unistd.h>
#include <time.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define DXR_PORT    5106
#define STORE_DIR   "/data/xray"
#define MAX_DIM     2048

struct dxr_head {
    char     magic[4];
    uint8_t  tooth[2];
    uint8_t  width[2];
    uint8_t  height[2];
    uint8_t  idlen;
    uint8_t  flags;
};

struct conf {
    char server[64];
    int  quality;
    int  keep_days;
};

static struct conf conf = { "practice", 95, 30 };
static FILE  *to_child;
static pid_t  child;
static unsigned frame_no;

static unsigned le16(const uint8_t *p)
{
    return p[0] | p[1] << 8;
}

static void note(const char *who, const char *what)
{
    char ts[24];
    time_t t = time(NULL);
    struct tm tm;

    strftime(ts, sizeof ts, "%H:%M:%S", localtime_r(&t, &tm));
    fprintf(stderr, "%s %s: %s\n", ts, who, what);
}

static void load_conf(void)
{
    char line[128], *k, *v;
    FILE *f = fopen("/etc/imgbox.conf", "r");

    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        k = strtok(line, "=");
        v = strtok(NULL, "\r\n");
        if (!k || !v)
            continue;
        if (!strcmp(k, "server"))
            snprintf(conf.server, sizeof conf.server, "%s", v);
        else if (!strcmp(k, "quality"))
            conf.quality = atoi(v);
        else if (!strcmp(k, "keep"))
            conf.keep_days = atoi(v);
    }
    fclose(f);
}

/* ---------------------------------------------------------- child side */

static void convert(unsigned no, unsigned tooth, char *patient)
{
    char cmd[600], out[128];
    FILE *p;

    snprintf(cmd, sizeof cmd,
             "dxrconv -q %d -t %u --patient=%s -o //%s/inbox " STORE_DIR "/f%06u.raw",
             conf.quality, tooth, patient, conf.server, no);
    p = popen(cmd, "r");
    if (!p) {
        note("export", "popen failed");
        return;
    }
    while (fgets(out, sizeof out, p)) {
        out[strcspn(out, "\n")] = 0;
        note("dxrconv", out);
    }
    if (pclose(p) != 0)
        note("export", "converter reported an error");
}

static void child_main(int fd)
{
    char line[400], *verb, *a, *b, *c;
    FILE *in = fdopen(fd, "r");

    if (!in)
        _exit(1);
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        verb = strtok(line, "\t");
        if (!verb)
            continue;
        if (!strcmp(verb, "X")) {
            a = strtok(NULL, "\t");
            b = strtok(NULL, "\t");
            c = strtok(NULL, "\t");
            if (a && b && c)
                convert((unsigned)atoi(a), (unsigned)atoi(b), c);
        } else if (!strcmp(verb, "P")) {
            char cmd[128];
            snprintf(cmd, sizeof cmd, "find " STORE_DIR " -name '*.raw' -mtime +%d -delete",
                     conf.keep_days);
            system(cmd);
        }
    }
    _exit(0);
}

static int start_child(void)
{
    int pfd[2];

    if (pipe(pfd))
        return -1;
    child = fork();
    if (child < 0)
        return -1;
    if (child == 0) {
        close(pfd[1]);
        signal(SIGALRM, SIG_DFL);
        child_main(pfd[0]);
    }
    close(pfd[0]);
    to_child = fdopen(pfd[1], "w");
    if (!to_child)
        return -1;
    setvbuf(to_child, NULL, _IOLBF, 512);
    return 0;
}

static void check_child(void)
{
    int st;

    if (child > 0 && waitpid(child, &st, WNOHANG) == child) {
        note("imgbox", "export child died, restarting");
        if (to_child)
            fclose(to_child);
        to_child = NULL;
        start_child();
    }
}

/* --------------------------------------------------------- parent side */

static int store_frame(unsigned no, const uint8_t *px, size_t n)
{
    char path[64];
    FILE *f;
    int ok;

    snprintf(path, sizeof path, STORE_DIR "/f%06u.raw", no);
    f = fopen(path, "wb");
    if (!f)
        return -1;
    ok = fwrite(px, 1, n, f) == n;
    if (fclose(f))
        ok = 0;
    return ok ? 0 : -1;
}

static int take_frame(FILE *in, FILE *back)
{
    struct dxr_head h;
    char id[256];
    uint8_t *px;
    size_t n;
    unsigned w, ht, i;

    if (fread(&h, sizeof h, 1, in) != 1)
        return -1;
    w = le16(h.width);
    ht = le16(h.height);
    if (memcmp(h.magic, "DXR1", 4) || w == 0 || ht == 0 || w > MAX_DIM || ht > MAX_DIM)
        return -1;
    if (h.idlen == 0 || fread(id, 1, h.idlen, in) != h.idlen)
        return -1;
    id[h.idlen] = 0;
    for (i = 0; i < h.idlen; i++)          /* would break the pipe's lines */
        if (id[i] == '\n' || id[i] == '\t')
            id[i] = ' ';
    n = (size_t)w * ht * 2;
    px = malloc(n);
    if (!px)
        return -1;
    if (fread(px, 1, n, in) != n) {
        free(px);
        return -1;
    }
    frame_no++;
    if (store_frame(frame_no, px, n) == 0) {
        check_child();
        if (to_child)
            fprintf(to_child, "X\t%u\t%u\t%s\n", frame_no, le16(h.tooth), id);
        fputc(0, back);
    } else {
        note("imgbox", "disk full?");
        fputc(1, back);
    }
    fflush(back);
    free(px);
    return 0;
}

static void purge_timer(int sig)
{
    (void)sig;
    alarm(3600);
}

int main(void)
{
    struct sockaddr_in a;
    time_t purge_at = time(NULL) + 3600;
    int s, on = 1;

    load_conf();
    mkdir(STORE_DIR, 0700);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, purge_timer);
    if (start_child()) {
        note("imgbox", "no export child");
        return 1;
    }
    alarm(3600);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(DXR_PORT);
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 2)) {
        note("imgbox", strerror(errno));
        return 1;
    }
    for (;;) {
        int c = accept(s, NULL, NULL);
        FILE *in, *back;

        if (time(NULL) > purge_at && to_child) {
            purge_at = time(NULL) + 3600;
            fputs("P\n", to_child);
        }
        if (c < 0)
            continue;
        in = fdopen(c, "rb");
        back = fdopen(dup(c), "wb");
        if (in && back)
            while (take_frame(in, back) == 0)
                ;
        if (back)
            fclose(back);
        if (in)
            fclose(in);
    }
}
