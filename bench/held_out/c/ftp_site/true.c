/* siteftpd - control-connection-only FTP used by the installer's laptop
 * to look after files on the data partition.  One process per login. */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <unistd.h>

#define FTP_PORT_DEFAULT 2121
#define IDLE_SECONDS     120

struct login {
    FILE *in;
    FILE *out;
    char *user;
    int   authed;
    int   tries;
    mode_t mask;
};

static const char *password = "1234";
static int  open_logins;

static void reply(struct login *l, int code, const char *fmt, ...)
{
    va_list ap;

    fprintf(l->out, "%d ", code);
    va_start(ap, fmt);
    vfprintf(l->out, fmt, ap);
    va_end(ap);
    fputs("\r\n", l->out);
    fflush(l->out);
}

static int shellf(const char *fmt, ...)
{
    char    *cmd = malloc(2048);
    int      n, rc = -1;
    va_list  ap;

    if (cmd == NULL)
        return -1;
    va_start(ap, fmt);
    n = vsnprintf(cmd, 2048, fmt, ap);
    va_end(ap);
    if (n > 0 && n < 2048) {
        syslog(LOG_DEBUG, "+ %s", cmd);
        rc = system(cmd);
    }
    free(cmd);
    return rc;
}

static int safe_name(const char *s)
{
    if (*s == '\0' || *s == '/' || *s == '-' || strstr(s, "..") != NULL)
        return 0;
    while (*s != '\0') {
        unsigned char c = (unsigned char)*s++;
#ifdef BENIGN
        if (!isalnum(c) && c != '.' && c != '_' && c != '-' && c != ' ')
#else
        if (c < ' ' || c == '"' || c == '`' || c == ';' || c == '|' || c == '&')
#endif
            return 0;
    }
    return 1;
}

/* ---- SITE ---- */

static void site_chmod(struct login *l, char *args)
{
    unsigned mode;
    char    *name = args + strspn(args, "01234567");

    if (name == args || *name != ' ') {
        reply(l, 501, "SITE CHMOD mode name");
        return;
    }
    mode = (unsigned)strtoul(args, NULL, 8) & 0777;
    name++;
    if (!safe_name(name)) {
        reply(l, 553, "Name not allowed");
        return;
    }
    if (shellf("chmod -R %o \"./%s\" 2>/dev/null", mode, name) == 0)
        reply(l, 200, "Mode changed");
    else
        reply(l, 550, "Failed");
}

static void site_umask(struct login *l, char *args)
{
    if (*args != '\0')
        l->mask = (mode_t)(strtoul(args, NULL, 8) & 0777);
    umask(l->mask);
    reply(l, 200, "Umask %03o", (unsigned)l->mask);
}

static void site_free(struct login *l, char *args)
{
    char  line[200];
    FILE *p = popen("df -k . | tail -n 1", "r");

    (void)args;
    if (p == NULL || fgets(line, sizeof(line), p) == NULL) {
        reply(l, 550, "Not known");
    } else {
        line[strcspn(line, "\n")] = '\0';
        reply(l, 200, "%s", line);
    }
    if (p != NULL)
        pclose(p);
}

static const struct {
    const char *name;
    void (*fn)(struct login *, char *);
} site_table[] = {
    { "CHMOD", site_chmod },
    { "UMASK", site_umask },
    { "FREE",  site_free },
};

/* ---- commands ---- */

static char *split(char *line)
{
    char *p = line + strcspn(line, " ");

    if (*p != '\0')
        *p++ = '\0';
    return p;
}

static void c_user(struct login *l, char *args)
{
    free(l->user);
    l->user = strdup(args);
    l->authed = 0;
    reply(l, 331, "Password please");
}

static void c_pass(struct login *l, char *args)
{
    if (l->user != NULL && strcmp(args, password) == 0) {
        l->authed = 1;
        syslog(LOG_INFO, "login: %s", l->user);
        reply(l, 230, "Welcome");
        return;
    }
    if (++l->tries >= 3) {
        reply(l, 421, "Too many tries");
        exit(0);
    }
    sleep(1);
    reply(l, 530, "No");
}

static void c_pwd(struct login *l, char *args)
{
    char dir[512];

    (void)args;
    if (getcwd(dir, sizeof(dir)) == NULL)
        strcpy(dir, "/");
    reply(l, 257, "\"%s\"", dir);
}

static void c_cwd(struct login *l, char *args)
{
    if (chdir(args) == 0)
        reply(l, 250, "Changed");
    else
        reply(l, 550, "%s", strerror(errno));
}

static void c_size(struct login *l, char *args)
{
    struct stat st;

    if (stat(args, &st) == 0 && S_ISREG(st.st_mode))
        reply(l, 213, "%ld", (long)st.st_size);
    else
        reply(l, 550, "No such file");
}

static void c_dele(struct login *l, char *args)
{
    if (!safe_name(args) || unlink(args) != 0)
        reply(l, 550, "Not deleted");
    else
        reply(l, 250, "Deleted");
}

static void c_site(struct login *l, char *args)
{
    char  *rest = split(args);
    size_t i;

    for (i = 0; i < sizeof(site_table) / sizeof(site_table[0]); i++) {
        if (strcasecmp(site_table[i].name, args) == 0) {
            site_table[i].fn(l, rest);
            return;
        }
    }
    reply(l, 504, "SITE what?");
}

static void c_noop(struct login *l, char *args)
{
    (void)args;
    reply(l, 200, "OK");
}

static void c_quit(struct login *l, char *args)
{
    (void)args;
    reply(l, 221, "Bye");
    exit(0);
}

static const struct command {
    const char *name;
    int         needs_login;
    void      (*fn)(struct login *, char *);
} commands[] = {
    { "USER", 0, c_user }, { "PASS", 0, c_pass }, { "NOOP", 0, c_noop }, { "QUIT", 0, c_quit },
    { "PWD",  1, c_pwd },  { "CWD",  1, c_cwd },  { "SIZE", 1, c_size }, { "DELE", 1, c_dele },
    { "SITE", 1, c_site }, { NULL, 0, NULL }
};

static void talk(int fd)
{
    struct login         *l = calloc(1, sizeof(*l));
    const struct command *c;
    char                  line[512];

    if (l == NULL || (l->in = fdopen(fd, "r")) == NULL || (l->out = fdopen(dup(fd), "w")) == NULL)
        exit(1);
    l->mask = 022;
    reply(l, 220, "siteftpd");
    for (;;) {
        char *args;

        alarm(IDLE_SECONDS);
        if (fgets(line, sizeof(line), l->in) == NULL)
            break;
        line[strcspn(line, "\r\n")] = '\0';
        args = split(line);
        for (c = commands; c->name != NULL; c++)
            if (strcasecmp(c->name, line) == 0)
                break;
        if (c->name == NULL)
            reply(l, 502, "Not implemented");
        else if (c->needs_login && !l->authed)
            reply(l, 530, "Log in first");
        else
            c->fn(l, args);
    }
    exit(0);
}

static void on_child(int sig)
{
    int saved = errno;

    (void)sig;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        open_logins--;
    errno = saved;
}

int main(int argc, char **argv)
{
    struct sockaddr_in sin;
    int port = FTP_PORT_DEFAULT, o, s, fd, on = 1;

    while ((o = getopt(argc, argv, "p:w:")) != -1) {
        switch (o) {
        case 'p': port = atoi(optarg); break;
        case 'w': password = optarg; break;
        default:  fprintf(stderr, "usage: %s [-p port] [-w password] [dir]\n", argv[0]); return 1;
        }
    }
    if (optind < argc && chdir(argv[optind]) < 0)
        return 1;
    openlog("siteftpd", LOG_PID, LOG_FTP);
    signal(SIGCHLD, on_child);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((unsigned short)port);
    if (s < 0 || bind(s, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(s, 4) < 0)
        return 1;
    for (;;) {
        fd = accept(s, NULL, NULL);
        if (fd < 0)
            continue;
        if (open_logins >= 8) {
            close(fd);
            continue;
        }
        switch (fork()) {
        case 0:
            signal(SIGCHLD, SIG_DFL);
            close(s);
            talk(fd);
            break;
        case -1:
            break;
        default:
            open_logins++;
        }
        close(fd);
    }
}
