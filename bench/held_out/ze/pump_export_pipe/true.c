/***************************************************************************
 *  MODULE:   expsrv.c
 *  PRODUCT:  IP-4 infusion pump, communication board
 *
 *  The ward server connects on TCP 5210 and sends text commands.  Exports
 *  of the therapy log are done by a child process with access to the log
 *  partition; requests reach it as lines over a pipe.
 ***************************************************************************/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <signal.h>
#include <unistd.h>
#include <time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define EXP_PORT        5210
#define LINE_LEN        256
#define NAME_LEN        40

typedef enum { RES_OK = 0, RES_SYNTAX, RES_STATE, RES_RANGE, RES_IO } result_t;

typedef struct {
    unsigned rate_ml_h10;
    unsigned vtbi_ml;
    unsigned bed;
    int      alarm_muted;
    time_t   mute_until;
    FILE    *to_child;
    FILE    *reply;
    int      hello;
} pump_t;

static pump_t pump;

static void log_event(const char *what, const char *detail)
{
    struct tm tm;
    time_t now = time(NULL);
    char stamp[24];

    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &tm);
    fprintf(stderr, "%s expsrv[%d] %s: %s\n", stamp, (int)getpid(), what, detail);
}

/***************************************************************************
 *  Child: export of logs
 ***************************************************************************/
static int run_shell(const char *line)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, &status, 0);
    return status;
}

static int name_ok(const char *s)
{
    if (*s == '\0' || *s == '.' || *s == '-')
        return 0;
    return strchr(s, '/') == NULL && strlen(s) < NAME_LEN;
}

static void child_export(char *kind, char *ward, char *file)
{
    char cmd[256];
    const char *log;

    if (!name_ok(ward) || !name_ok(file)) {
        log_event("export", "name refused");
        return;
    }
    if (strcmp(kind, "therapy") == 0)
        log = "/log/therapy.db";
    else if (strcmp(kind, "alarm") == 0)
        log = "/log/alarm.db";
    else
        return;
    snprintf(cmd, sizeof cmd, "mkdir -p /export/%s && gzip -c %s > /export/%s/%s.gz",
             ward, log, ward, file);
    if (run_shell(cmd) != 0)
        log_event("export", "failed");
}

static void child_main(int fd)
{
    FILE *in = fdopen(fd, "r");
    char line[LINE_LEN];

    if (in == NULL)
        _exit(1);
    while (fgets(line, sizeof line, in) != NULL) {
        char *op, *a, *b, *c, *save;

        line[strcspn(line, "\n")] = '\0';
        op = strtok_r(line, "|", &save);
        a = strtok_r(NULL, "|", &save);
        b = strtok_r(NULL, "|", &save);
        c = strtok_r(NULL, "|", &save);
        if (op == NULL)
            continue;
        if (*op == 'X' && a && b && c)
            child_export(a, b, c);
        else if (*op == 'P')
            run_shell("rm -f /export/*/*.gz");
        else if (*op == 'S')
            sync();
    }
    _exit(0);
}

static int start_child(void)
{
    int p[2];
    pid_t pid;

    if (pipe(p) < 0)
        return -1;
    pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        close(p[1]);
        child_main(p[0]);
    }
    close(p[0]);
    pump.to_child = fdopen(p[1], "w");
    return pump.to_child ? 0 : -1;
}

/***************************************************************************
 *  Commands of the ward server
 ***************************************************************************/
static result_t cmd_hello(char *args)
{
    if (strcmp(args, "WARDSRV/2") != 0)
        return RES_SYNTAX;
    pump.hello = 1;
    return RES_OK;
}

static result_t cmd_rate(char *args)
{
    unsigned whole, tenth = 0;

    if (sscanf(args, "%4u.%1u", &whole, &tenth) < 1)
        return RES_SYNTAX;
    if (whole > 999)
        return RES_RANGE;
    pump.rate_ml_h10 = whole * 10 + tenth;
    return RES_OK;
}

static result_t cmd_bed(char *args)
{
    unsigned bed = (unsigned)strtoul(args, NULL, 10);

    if (bed == 0 || bed > 400)
        return RES_RANGE;
    pump.bed = bed;
    return RES_OK;
}

static result_t cmd_mute(char *args)
{
    (void)args;
    pump.alarm_muted = 1;
    pump.mute_until = time(NULL) + 120;
    return RES_OK;
}

static result_t cmd_export(char *args)
{
    char *save, *kind, *ward, *file;

    kind = strtok_r(args, " ,", &save);
    ward = strtok_r(NULL, ",", &save);
    file = strtok_r(NULL, ",", &save);
    if (!kind || !ward || !file)
        return RES_SYNTAX;
    if (strchr(args, '|') || strchr(ward, '|') || strchr(file, '|'))
        return RES_SYNTAX;
    fprintf(pump.to_child, "X|%s|%s|%s\n", kind, ward, file);
    return fflush(pump.to_child) ? RES_IO : RES_OK;
}

static result_t cmd_purge(char *args)
{
    (void)args;
    fputs("P\nS\n", pump.to_child);
    return fflush(pump.to_child) ? RES_IO : RES_OK;
}

static result_t cmd_state(char *args)
{
    (void)args;
    fprintf(pump.reply, "BED %u RATE %u.%u VTBI %u MUTE %d\r\n", pump.bed,
            pump.rate_ml_h10 / 10, pump.rate_ml_h10 % 10, pump.vtbi_ml, pump.alarm_muted);
    return RES_OK;
}

static const struct {
    const char *word;
    int         needs_hello;
    result_t  (*fn)(char *);
} commands[] = {
    { "HELLO",  0, cmd_hello  },
    { "STATE",  0, cmd_state  },
    { "RATE",   1, cmd_rate   },
    { "BED",    1, cmd_bed    },
    { "MUTE",   1, cmd_mute   },
    { "EXPORT", 1, cmd_export },
    { "PURGE",  1, cmd_purge  },
};

static result_t dispatch(char *line)
{
    char *args = line + strcspn(line, " ");
    size_t i;

    if (*args)
        *args++ = '\0';
    for (i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(line, commands[i].word))
            continue;
        if (commands[i].needs_hello && !pump.hello)
            return RES_STATE;
        return commands[i].fn(args);
    }
    return RES_SYNTAX;
}

static void serve(int fd)
{
    static const char *const text[] = { "OK", "E SYNTAX", "E STATE", "E RANGE", "E IO" };
    char line[LINE_LEN - 16];
    FILE *in = fdopen(fd, "r");
    int fd2;

    if (in == NULL) {
        close(fd);
        return;
    }
    fd2 = dup(fd);
    pump.reply = fd2 < 0 ? NULL : fdopen(fd2, "w");
    if (pump.reply == NULL) {
        if (fd2 >= 0)
            close(fd2);
        fclose(in);
        return;
    }
    pump.hello = 0;
    while (fgets(line, sizeof line, in) != NULL) {
        result_t r;

        line[strcspn(line, "\r\n")] = '\0';
        if (pump.alarm_muted && time(NULL) >= pump.mute_until)
            pump.alarm_muted = 0;
        r = dispatch(line);
        fprintf(pump.reply, "%s\r\n", text[r]);
        if (fflush(pump.reply) != 0)
            break;
    }
    fclose(pump.reply);
    fclose(in);
    pump.reply = NULL;
}

int main(void)
{
    struct sockaddr_in sin;
    int ls, on = 1;

    signal(SIGPIPE, SIG_IGN);
    pump.vtbi_ml = 100;
    if (start_child() < 0) {
        log_event("start", "no export process");
        return 1;
    }
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&sin, 0, sizeof sin);
    sin.sin_family = AF_INET;
    sin.sin_port = htons(EXP_PORT);
    sin.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(ls, (struct sockaddr *)&sin, sizeof sin) < 0 || listen(ls, 2) < 0) {
        log_event("start", "port in use");
        return 1;
    }
    for (;;) {
        int fd = accept(ls, NULL, NULL);

        if (fd >= 0)
            serve(fd);
    }
}
