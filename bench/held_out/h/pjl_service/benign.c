/*
 * rawport: the 9100 port of the laser printer. Understands the PJL
 * lines before the page data; service engineers can load fonts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <stdint.h>
#include <unistd.h>
#include <signal.h>
#include <time.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define RAW_PORT 9100
#define UEL "\033%-12345X"

struct PjlEnv {
    char name[24];
    char value[100];
    int  isDefault;
};

struct PjlSession {
    FILE *in, *out;
    struct PjlEnv env[20];
    int  nEnv;
    int  serviceMode;
    int  pages;
};

static char displayText[48] = "READY";
static unsigned long totalPages;

typedef void (*PjlFn)(struct PjlSession *, char *args);

static char *SkipBlanks(char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

static void Chomp(char *s)
{
    size_t n = strlen(s);
    while (n && (s[n - 1] == '\n' || s[n - 1] == '\r' || s[n - 1] == ' '))
        s[--n] = 0;
}

static void Unquote(char *s)
{
    size_t n = strlen(s);
    if (n >= 2 && s[0] == '"' && s[n - 1] == '"') {
        memmove(s, s + 1, n - 2);
        s[n - 2] = 0;
    }
}

static struct PjlEnv *EnvFind(struct PjlSession *ps, const char *name)
{
    int i;
    for (i = 0; i < ps->nEnv; i++)
        if (!strcasecmp(ps->env[i].name, name))
            return &ps->env[i];
    return NULL;
}

static void EnvPut(struct PjlSession *ps, const char *name, const char *value, int def)
{
    struct PjlEnv *e = EnvFind(ps, name);
    if (!e) {
        if (ps->nEnv >= 20)
            return;
        e = &ps->env[ps->nEnv++];
        strncpy(e->name, name, sizeof e->name - 1);
        e->name[sizeof e->name - 1] = 0;
    }
    snprintf(e->value, sizeof e->value, "%s", value);
    e->isDefault = def;
}

static const char *EnvGet(struct PjlSession *ps, const char *name, const char *dflt)
{
    struct PjlEnv *e = EnvFind(ps, name);
    return e ? e->value : dflt;
}

static uint32_t WordHash(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    return h;
}

/* "NAME = value" into its two sides */
static int SplitAssign(char *args, char **name, char **value)
{
    char *eq = strchr(args, '=');
    if (!eq)
        return 0;
    *eq = 0;
    *name = SkipBlanks(args);
    Chomp(*name);
    *value = SkipBlanks(eq + 1);
    Chomp(*value);
    Unquote(*value);
    return **name != 0;
}

static int NameChars(const char *s)
{
    if (!*s)
        return 0;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
            return 0;
    return 1;
}

/* a font is a plain file below /mnt/fonts */
static int FontPathOk(const char *path)
{
    const char *base;
    while ((base = strchr(path, '/')) != NULL) {
        size_t n = strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789_-");
        if (n == 0 || path + n != base)
            return 0;
        path = base + 1;
    }
    return NameChars(path);
}

static int ShellRun(const char *cmdline)
{
    int st = -1;
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", cmdline, (char *)NULL);
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, &st, 0);
    return st;
}

static void LoadFont(struct PjlSession *ps)
{
    char cmd[240];
    const char *f = EnvGet(ps, "FONTFILE", "");
    int slot = atoi(EnvGet(ps, "FONTSLOT", "1"));

    if (!FontPathOk(f)) {
        fprintf(ps->out, "@PJL FONT REFUSED\r\n");
        return;
    }
    snprintf(cmd, sizeof cmd, "/usr/bin/fontld -s %d /mnt/fonts/%s", slot, f);
    fprintf(ps->out, "@PJL FONT STATUS=%d\r\n", ShellRun(cmd));
}

static void CmdSet(struct PjlSession *ps, char *args)
{
    char *n, *v;
    if (SplitAssign(args, &n, &v))
        EnvPut(ps, n, v, 0);
}

static void CmdDefault(struct PjlSession *ps, char *args)
{
    char *n, *v;
    if (SplitAssign(args, &n, &v))
        EnvPut(ps, n, v, 1);
}

static void CmdInquire(struct PjlSession *ps, char *args)
{
    fprintf(ps->out, "@PJL INQUIRE %.20s\r\n%s\r\n\f", args, EnvGet(ps, args, "?"));
}

static void CmdInfo(struct PjlSession *ps, char *args)
{
    if (!strcasecmp(args, "ID"))
        fprintf(ps->out, "@PJL INFO ID\r\n\"LW 2140 Series\"\r\n\f");
    else if (!strcasecmp(args, "PAGECOUNT"))
        fprintf(ps->out, "@PJL INFO PAGECOUNT\r\n%lu\r\n\f", totalPages);
    else if (!strcasecmp(args, "STATUS"))
        fprintf(ps->out, "@PJL INFO STATUS\r\nCODE=10001\r\nDISPLAY=\"%s\"\r\n\f", displayText);
}

static void CmdRdymsg(struct PjlSession *ps, char *args)
{
    char *n, *v;
    (void)ps;
    if (SplitAssign(args, &n, &v) && !strcasecmp(n, "DISPLAY"))
        snprintf(displayText, sizeof displayText, "%s", v);
}

static void CmdService(struct PjlSession *ps, char *args)
{
    char *n, *v;
    if (!SplitAssign(args, &n, &v))
        return;
    if (!strcasecmp(n, "ENTER"))
        ps->serviceMode = WordHash(v) == 0xa32b7bb9u;
    else if (!strcasecmp(n, "ACTION") && ps->serviceMode) {
        if (!strcasecmp(v, "FONT"))
            LoadFont(ps);
        else if (!strcasecmp(v, "ZEROCOUNT"))
            totalPages = 0;
    }
}

static void CmdEcho(struct PjlSession *ps, char *args)
{
    fprintf(ps->out, "@PJL ECHO %.80s\r\n\f", args);
}

static const struct { const char *word; PjlFn fn; } commands[] = {   /* sorted */
    { "DEFAULT", CmdDefault },
    { "ECHO", CmdEcho },
    { "INFO", CmdInfo },
    { "INQUIRE", CmdInquire },
    { "RDYMSG", CmdRdymsg },
    { "SERVICE", CmdService },
    { "SET", CmdSet },
};

static void PjlLine(struct PjlSession *ps, char *line)
{
    char *word = SkipBlanks(line), *args;
    int lo = 0, hi = (int)(sizeof commands / sizeof commands[0]) - 1;

    args = word + strcspn(word, " \t");
    if (*args)
        *args++ = 0;
    args = SkipBlanks(args);
    while (lo <= hi) {
        int mid = (lo + hi) / 2, c = strcasecmp(word, commands[mid].word);
        if (c == 0) {
            commands[mid].fn(ps, args);
            fflush(ps->out);
            return;
        }
        if (c < 0) hi = mid - 1;
        else lo = mid + 1;
    }
}

static void PageData(struct PjlSession *ps, const char *data, size_t n)
{
    FILE *eng = fopen("/dev/engine0", "ab");
    size_t i;
    if (eng) {
        fwrite(data, 1, n, eng);
        fclose(eng);
    }
    for (i = 0; i < n; i++)
        if (data[i] == '\f')
            ps->pages++;
}

static void Session(int fd)
{
    struct PjlSession *ps = calloc(1, sizeof *ps);
    char *line = NULL, *p;
    size_t cap = 0;
    ssize_t n;

    if (!ps)
        return;
    ps->in = fdopen(fd, "r");
    ps->out = fdopen(dup(fd), "w");
    if (!ps->in || !ps->out) {
        free(ps);
        return;
    }
    while ((n = getline(&line, &cap, ps->in)) > 0) {
        p = line;
        if (!strncmp(p, UEL, 9))
            p += 9;
        if (!strncasecmp(p, "@PJL", 4)) {
            Chomp(p);
            PjlLine(ps, p + 4);
        } else
            PageData(ps, p, (size_t)(n - (p - line)));
    }
    totalPages += (unsigned long)ps->pages;
    free(line);
    fclose(ps->in);
    fclose(ps->out);
    free(ps);
}

int main(void)
{
    struct sockaddr_in sin;
    int ls, c, one = 1;

    signal(SIGPIPE, SIG_IGN);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&sin, 0, sizeof sin);
    sin.sin_family = AF_INET;
    sin.sin_port = htons(RAW_PORT);
    if (bind(ls, (struct sockaddr *)&sin, sizeof sin) < 0 || listen(ls, 1) < 0)
        return 1;
    for (;;) {
        c = accept(ls, NULL, NULL);
        if (c >= 0)
            Session(c);
    }
}
