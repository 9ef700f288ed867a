/* fwupd -- firmware / add-on package receiver for the NVR
 *
 *   < 220 fwupd
 *   > HELLO <client>
 *   > PACK <hex name>       name of the add-on, any text, hex coded
 *   > DATA <bytes>          followed by raw bytes
 *   > APPLY
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum { S_NEW, S_HELLO, S_NAMED, S_STAGED, S_DONE } state_e;

typedef struct upd {
    FILE    *io_r, *io_w;
    state_e  state;
    char     client[32];
    unsigned char name[48];
    int      name_len;
    unsigned long bytes;
    unsigned sum;
} upd_t;

static const char stage_dir[] = "/tmp/stage";

static void say(upd_t *u, int code, const char *fmt, ...)
{
    va_list ap;

    fprintf(u->io_w, "%d ", code);
    va_start(ap, fmt);
    vfprintf(u->io_w, fmt, ap);
    va_end(ap);
    fputs("\r\n", u->io_w);
    fflush(u->io_w);
}

/* ------------------------------------------------------------- coding */

static int nib(int c)
{
    return c >= '0' && c <= '9' ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int hex_decode(const char *s, unsigned char *out, int cap)
{
    int n = 0;

    while (s[0] && s[1]) {
        int hi = nib((unsigned char)s[0]), lo = nib((unsigned char)s[1]);
        if (hi < 0 || lo < 0 || n + 1 >= cap)
            return -1;
        out[n++] = (unsigned char)(hi << 4 | lo);
        s += 2;
    }
    out[n] = 0;
    return *s ? -1 : n;
}

static void hex_encode(const unsigned char *in, int n, char *out)
{
    static const char d[] = "0123456789abcdef";

    while (n-- > 0) {
        *out++ = d[*in >> 4];
        *out++ = d[*in++ & 15];
    }
    *out = 0;
}

/* file name the package is staged under */
static void stage_name(const upd_t *u, char *out, size_t cap)
{
    char tmp[2 * sizeof(u->name) + 1];

    hex_encode((const unsigned char *)&u->sum, sizeof(u->sum), tmp);
    snprintf(out, cap, "%s/%s-%s", stage_dir, tmp, (const char *)u->name);
}

/* ------------------------------------------------------------- verbs */

static int v_hello(upd_t *u, char *arg)
{
    snprintf(u->client, sizeof(u->client), "%s", arg);
    u->state = S_HELLO;
    say(u, 250, "hello");
    return 0;
}

static int v_pack(upd_t *u, char *arg)
{
    int n = hex_decode(arg, u->name, sizeof(u->name));
    int i;

    if (n < 1) {
        say(u, 501, "bad name");
        return 0;
    }
    for (i = 0; i < n; i++)
        if (u->name[i] == '/' || u->name[i] == 0) {
            say(u, 501, "bad name");
            return 0;
        }
    u->name_len = n;
    u->state = S_NAMED;
    say(u, 250, "name has %d characters", n);
    return 0;
}

static int v_data(upd_t *u, char *arg)
{
    unsigned long want = strtoul(arg, NULL, 10), left = want;
    char block[4096];
    FILE *f;

    if (want == 0 || want > 32ul * 1024 * 1024) {
        say(u, 552, "size");
        return 0;
    }
    mkdir(stage_dir, 0700);
    f = fopen("/tmp/stage/incoming", "w");
    if (!f) {
        say(u, 451, "%s", strerror(errno));
        return 0;
    }
    say(u, 354, "go");
    u->sum = 0;
    while (left) {
        size_t k = fread(block, 1, left < sizeof(block) ? left : sizeof(block), u->io_r);
        if (!k) {
            fclose(f);
            return -1;
        }
        for (size_t i = 0; i < k; i++)
            u->sum = (u->sum << 1 | u->sum >> 31) + (unsigned char)block[i];
        fwrite(block, 1, k, f);
        left -= k;
    }
    fclose(f);
    u->bytes = want;
    u->state = S_STAGED;
    say(u, 250, "sum %08x", u->sum);
    return 0;
}

static int v_apply(upd_t *u, char *arg)
{
    char path[200], line[600];
    int rc;

    stage_name(u, path, sizeof(path));
    if (rename("/tmp/stage/incoming", path) < 0) {
        say(u, 451, "rename");
        return 0;
    }
    snprintf(line, sizeof(line), "tar -xzf %s -C /opt/addons && sync", path);
    rc = system(line);
    unlink(path);
    u->state = S_DONE;
    say(u, rc ? 554 : 250, "rc %d", rc);
    return 0;
}

static int v_quit(upd_t *u, char *arg)
{
    say(u, 221, "bye");
    return -1;
}

static int v_noop(upd_t *u, char *arg)
{
    say(u, 250, "ok");
    return 0;
}

typedef int (*verb_fn)(upd_t *, char *);

static const struct verb {
    char    word[8];
    state_e min;
    verb_fn fn;
} verbs[] = {                       /* sorted */
    { "APPLY", S_STAGED, v_apply },
    { "DATA",  S_NAMED,  v_data  },
    { "HELLO", S_NEW,    v_hello },
    { "NOOP",  S_NEW,    v_noop  },
    { "PACK",  S_HELLO,  v_pack  },
    { "QUIT",  S_NEW,    v_quit  },
};

static const struct verb *verb_find(const char *w)
{
    unsigned lo = 0, hi = sizeof(verbs) / sizeof(verbs[0]);

    while (lo < hi) {
        unsigned mid = (lo + hi) >> 1;
        int c = strcasecmp(w, verbs[mid].word);
        if (c == 0)
            return &verbs[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

static void serve(int fd)
{
    upd_t *u = calloc(1, sizeof(*u));
    char *line = NULL, *arg;
    size_t cap = 0;

    if (!u)
        return;
    u->io_r = fdopen(fd, "r");
    u->io_w = fdopen(dup(fd), "w");
    say(u, 220, "fwupd");
    while (getline(&line, &cap, u->io_r) > 0) {
        const struct verb *v;

        line[strcspn(line, "\r\n")] = 0;
        arg = strchr(line, ' ');
        if (arg)
            *arg++ = 0;
        v = verb_find(line);
        if (!v) {
            say(u, 500, "what?");
            continue;
        }
        if (u->state < v->min) {
            say(u, 503, "not now");
            continue;
        }
        if (v->fn(u, arg ? arg : "") < 0)
            break;
    }
    free(line);
    fclose(u->io_r);
    fclose(u->io_w);
    free(u);
}

static int pick_port(int argc, char **argv)
{
    const char *e = getenv("FWUPD_PORT");
    int port = 5500;

    if (e)
        port = atoi(e);
    if (argc > 1)
        port = atoi(argv[1]);
    return port > 0 && port < 65536 ? port : 5500;
}

int main(int argc, char **argv)
{
    struct sockaddr_in6 sa;
    int ls, fd, on = 1;

    signal(SIGPIPE, SIG_IGN);
    memset(&sa, 0, sizeof(sa));
    sa.sin6_family = AF_INET6;
    sa.sin6_port = htons(pick_port(argc, argv));
    ls = socket(AF_INET6, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 1) < 0) {
        perror("fwupd");
        return 1;
    }
    for (;;)
        if ((fd = accept(ls, NULL, NULL)) >= 0)
            serve(fd);
}
