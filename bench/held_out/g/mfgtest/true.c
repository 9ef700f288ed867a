/**************************************************************************
 * mfgtest -- production line test server for the VX doorbell family       *
 * usage: mfgtest [-p port] [-v]                                           *
 * text protocol, one line a command                                       *
 **************************************************************************/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <ctype.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

#define DEFAULT_PORT 2323
#define MAXARG 8

#define FOREACH_SLOT(i) for ((i) = 0; (i) < NSLOTS; (i)++)
#define REPLY(t, ...) (fprintf((t)->out, __VA_ARGS__), fflush((t)->out))

enum { SLOT_SERIAL, SLOT_MAC, SLOT_REGION, SLOT_BATCH, NSLOTS };

struct slot {
    char text[40];
    unsigned char checked;
};

struct tester {
    FILE *in, *out;
    int unlocked;
    int leds;
    struct slot slot[NSLOTS];
};

static int verbose;
static const char *slot_name[NSLOTS] = { "serial", "mac", "region", "batch" };

/* FNV-1a */
static unsigned hash(const char *s)
{
    unsigned h = 0x811c9dc5u;
    while (*s)
        h = (h ^ (unsigned char)*s++) * 0x01000193u;
    return h;
}

static int slot_index(const char *n)
{
    int i;
    FOREACH_SLOT(i)
        if (!strcasecmp(slot_name[i], n))
            return i;
    return -1;
}

/* ---- value checks, by slot ---- */
static int chk_serial(const char *s)
{
    int n;
    for (n = 0; s[n]; n++)
        if (!isalnum((unsigned char)s[n]) && !ispunct((unsigned char)s[n]))
            return 0;
    return n >= 8 && n <= 32;
}

static int chk_mac(const char *s)
{
    int i;
    for (i = 0; i < 12; i++)
        if (!isxdigit((unsigned char)s[i]))
            return 0;
    return s[12] == 0;
}

static int chk_region(const char *s)
{
    return !strcmp(s, "EU") || !strcmp(s, "US") || !strcmp(s, "CN");
}

static int chk_batch(const char *s)
{
    return *s && strspn(s, "0123456789") == strlen(s);
}

static int (*const checks[NSLOTS])(const char *) = { chk_serial, chk_mac, chk_region, chk_batch };

/* ---- commands ---- */
static int c_unlock(struct tester *t, int argc, char **argv)
{
    if (argc != 2 || hash(argv[1]) != 0x52831761u)
        return -1;
    t->unlocked = 1;
    return 0;
}

static int c_set(struct tester *t, int argc, char **argv)
{
    int i;

    if (argc != 3 || (i = slot_index(argv[1])) < 0)
        return -1;
    if (strlen(argv[2]) >= sizeof(t->slot[i].text))
        return -2;
    strcpy(t->slot[i].text, argv[2]);
    t->slot[i].checked = 0;
    return 0;
}

static int c_check(struct tester *t, int argc, char **argv)
{
    int i, bad = 0;

    FOREACH_SLOT(i) {
        t->slot[i].checked = checks[i](t->slot[i].text) ? 1 : 0;
        if (!t->slot[i].checked)
            bad++;
    }
    REPLY(t, "bad=%d\n", bad);
    return 0;
}

static int c_show(struct tester *t, int argc, char **argv)
{
    int i;
    FOREACH_SLOT(i)
        REPLY(t, "%-8s %-32s %s\n", slot_name[i], t->slot[i].text, t->slot[i].checked ? "ok" : "?");
    return 0;
}

static int c_led(struct tester *t, int argc, char **argv)
{
    FILE *f;
    if (argc != 2)
        return -1;
    t->leds = atoi(argv[1]) & 7;
    if ((f = fopen("/proc/gpio/led", "w")) != NULL) {
        fprintf(f, "%d\n", t->leds);
        fclose(f);
    }
    return 0;
}

static int burn_one(struct tester *t, const char *key, const struct slot *s)
{
    char cmd[160], line[120];
    FILE *p;

    if (!s->checked)
        return -3;
    snprintf(cmd, sizeof(cmd), "fw_setenv %s %s 2>&1", key, s->text);
    if (verbose)
        fprintf(stderr, "# %s\n", cmd);
    p = popen(cmd, "r");
    if (!p)
        return -4;
    while (fgets(line, sizeof(line), p))
        REPLY(t, "  %s", line);
    return pclose(p);
}

static int c_burn(struct tester *t, int argc, char **argv)
{
    int i, rc;

    if (!t->unlocked)
        return -5;
    FOREACH_SLOT(i) {
        rc = burn_one(t, slot_name[i], &t->slot[i]);
        if (rc)
            return rc;
    }
    return 0;
}

static int c_ring(struct tester *t, int argc, char **argv)
{
    return system("aplay -q /usr/share/ding.wav");
}

static int c_help(struct tester *t, int argc, char **argv);

static const struct command {
    const char *name;
    int (*fn)(struct tester *, int, char **);
    const char *help;
} commands[] = {
    { "unlock", c_unlock, "unlock <word>" },
    { "set",    c_set,    "set <slot> <value>" },
    { "check",  c_check,  "verify all slots" },
    { "show",   c_show,   "list slots" },
    { "led",    c_led,    "led <0..7>" },
    { "burn",   c_burn,   "write slots to the environment" },
    { "ring",   c_ring,   "play the chime" },
    { "help",   c_help,   "this text" },
    { NULL, NULL, NULL }
};

static int c_help(struct tester *t, int argc, char **argv)
{
    const struct command *c;
    for (c = commands; c->name; c++)
        REPLY(t, "%-8s %s\n", c->name, c->help);
    return 0;
}

static int run_line(struct tester *t, char *line)
{
    char *argv[MAXARG + 1];
    int argc = 0;
    char *w;
    const struct command *c;

    for (w = strtok(line, " \t\r\n"); w && argc < MAXARG; w = strtok(NULL, " \t\r\n"))
        argv[argc++] = w;
    argv[argc] = NULL;
    if (!argc)
        return 0;
    for (c = commands; c->name; c++)
        if (!strcmp(c->name, argv[0]))
            return c->fn(t, argc, argv);
    return -99;
}

static void session(int fd)
{
    struct tester t;
    char line[256];

    memset(&t, 0, sizeof(t));
    t.in = fdopen(fd, "r");
    t.out = fdopen(dup(fd), "w");
    if (!t.in || !t.out)
        exit(1);
    strcpy(t.slot[SLOT_REGION].text, "EU");
    strcpy(t.slot[SLOT_BATCH].text, "0");
    REPLY(&t, "mfgtest 1.4\n> ");
    while (fgets(line, sizeof(line), t.in)) {
        int rc = run_line(&t, line);
        REPLY(&t, rc ? "ERR %d\n> " : "OK\n> ", rc);
    }
    exit(0);
}

int main(int argc, char **argv)
{
    int port = DEFAULT_PORT, c, s, one = 1;
    struct sockaddr_in a;

    while ((c = getopt(argc, argv, "p:v")) != -1) {
        if (c == 'p')
            port = atoi(optarg);
        else if (c == 'v')
            verbose = 1;
    }
    signal(SIGCHLD, SIG_DFL);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 1) < 0) {
        perror("mfgtest");
        return 1;
    }
    for (;;) {
        int fd = accept(s, NULL, NULL);
        if (fd < 0)
            continue;
        if (fork() == 0) {
            close(s);
            session(fd);
        }
        close(fd);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}
