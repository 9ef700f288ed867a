// pjld - raw printing port of the label printer.
// The parent takes connections and splits the stream into PJL lines and page data; a child process, fed through a
// pipe, keeps the accounting and moves finished spool files on.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct config {
    int port;
    int max_pages;
    char spool[48];
} cfg = {.port = 9100, .max_pages = 500, .spool = "/var/spool/pjl"};

static struct printer {
    char status[32];
    int copies;
    int pages;
    int density;
    unsigned job;
} prn = {.status = "READY", .copies = 1, .density = 8};

static void load_config(const char *file)
{
    char *line = NULL;
    size_t room = 0;
    FILE *f = fopen(file, "re");
    if (f == NULL)
        return;
    while (getline(&line, &room, f) > 0) {
        int v;
        if (sscanf(line, "port = %d", &v) == 1 && v > 0 && v < 65536)
            cfg.port = v;
        else if (sscanf(line, "max_pages = %d", &v) == 1)
            cfg.max_pages = v;
    }
    free(line);
    fclose(f);
}

// ---- the accounting child: lines "J<tab>pages<tab>name" and "S<tab>job" ----------------------------------------

static void account_job(int pages, const char *name)
{
    char number[16];
    snprintf(number, sizeof number, "%d", pages);
#ifdef BENIGN
    setenv("JOB_PAGES", number, 1);
    setenv("JOB_NAME", name, 1);
    if (system("printf '%s;%s\\n' \"$JOB_PAGES\" \"$JOB_NAME\" >> /var/log/printjobs.csv") != 0)
        warnx("accounting failed");
#else
    char *cmd;
    if (asprintf(&cmd, "printf '%%s;%%s\\n' \"%s\" \"%s\" >> /var/log/printjobs.csv", number, name) < 0)
        return;
    if (system(cmd) != 0)
        warnx("accounting failed");
    free(cmd);
#endif
}

static void send_spool(unsigned job)
{
    char cmd[128];
    snprintf(cmd, sizeof cmd, "labelengine %s/%u.prn && rm -f %s/%u.prn", "/var/spool/pjl", job, "/var/spool/pjl", job);
    system(cmd);
}

static void accounting(int fd)
{
    char line[512];
    FILE *in = fdopen(fd, "r");
    if (in == NULL)
        _exit(1);
    while (fgets(line, sizeof line, in) != NULL) {
        char *tab;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[1] != '\t')
            continue;
        switch (line[0]) {
        case 'J':
            tab = strchr(line + 2, '\t');
            if (tab != NULL)
                account_job(atoi(line + 2), tab + 1);
            break;
        case 'S':
            send_spool((unsigned)strtoul(line + 2, NULL, 10));
            break;
        }
    }
    _exit(0);
}

static int child_pipe = -1;

static void start_child(void)
{
    int p[2];
    if (pipe(p) < 0)
        err(1, "pipe");
    pid_t pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (pid == 0) {
        close(p[1]);
        accounting(p[0]);
    }
    close(p[0]);
    child_pipe = p[1];
}

__attribute__((format(printf, 1, 2))) static void tell_child(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vdprintf(child_pipe, fmt, ap);
    va_end(ap);
}

// ---- PJL --------------------------------------------------------------------------------------------------------

struct job {
    char name[80];
    FILE *spool;
    bool reading_data;
};

// NAME = "text" or NAME=text; returns the text within line, or NULL
static char *pjl_value(char *line, const char *name)
{
    char *p = strcasestr(line, name);
    if (p == NULL)
        return NULL;
    p += strlen(name);
    p += strspn(p, " \t");
    if (*p++ != '=')
        return NULL;
    p += strspn(p, " \t");
    if (*p == '"') {
        char *q = strchr(++p, '"');
        if (q == NULL)
            return NULL;
        *q = '\0';
    } else
        p[strcspn(p, " \t\r\n")] = '\0';
    return p;
}

static void pjl_info(FILE *out, const char *what)
{
    if (strncasecmp(what, "ID", 2) == 0)
        fprintf(out, "@PJL INFO ID\r\n\"LabelMate 400\"\r\n\f");
    else if (strncasecmp(what, "STATUS", 6) == 0)
        fprintf(out, "@PJL INFO STATUS\r\nCODE=%d\r\nDISPLAY=\"%s\"\r\n\f", 10001, prn.status);
    else if (strncasecmp(what, "PAGECOUNT", 9) == 0)
        fprintf(out, "@PJL INFO PAGECOUNT\r\n%d\r\n\f", prn.pages);
    else
        fprintf(out, "@PJL INFO\r\n?\r\n\f");
    fflush(out);
}

static void job_end(struct job *j)
{
    if (j->spool != NULL) {
        fclose(j->spool);
        j->spool = NULL;
        tell_child("S\t%u\n", prn.job);
    }
    if (j->name[0] != '\0') {
        tell_child("J\t%d\t%s\n", prn.copies, j->name);
        prn.pages += prn.copies;
    }
    j->name[0] = '\0';
    j->reading_data = false;
}

static void pjl_line(struct job *j, char *line, FILE *out)
{
    char *v;
    line += strspn(line, " ");
    if (strncasecmp(line, "JOB", 3) == 0) {
        v = pjl_value(line, "NAME");
        snprintf(j->name, sizeof j->name, "%s", v != NULL ? v : "untitled");
        prn.job++;
    } else if (strncasecmp(line, "EOJ", 3) == 0) {
        job_end(j);
    } else if (strncasecmp(line, "SET", 3) == 0) {
        if ((v = pjl_value(line, "COPIES")) != NULL) {
            prn.copies = atoi(v);
            if (prn.copies < 1 || prn.copies > cfg.max_pages)
                prn.copies = 1;
        } else if ((v = pjl_value(line, "DENSITY")) != NULL)
            prn.density = atoi(v);
    } else if (strncasecmp(line, "RDYMSG", 6) == 0) {
        if ((v = pjl_value(line, "DISPLAY")) != NULL)
            snprintf(prn.status, sizeof prn.status, "%s", v);
    } else if (strncasecmp(line, "INFO ", 5) == 0) {
        pjl_info(out, line + 5);
    } else if (strncasecmp(line, "ENTER", 5) == 0) {
        char path[96];
        snprintf(path, sizeof path, "%s/%u.prn", cfg.spool, prn.job);
        j->spool = fopen(path, "w");
        j->reading_data = true;
    }
}

static void client(int fd)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    struct job job = {.spool = NULL};
    int fd2 = dup(fd);
    FILE *in = fdopen(fd, "r"), *out = fdopen(fd2, "w");

    if (in == NULL || out == NULL)
        err(1, "fdopen");
    while ((n = getline(&line, &room, in)) > 0) {
        char *p = line;
        if (strncmp(p, "\033%-12345X", 9) == 0) {       // universal exit language
            job.reading_data = false;
            p += 9;
        }
        if (strncmp(p, "@PJL", 4) == 0)
            pjl_line(&job, p + 4, out);
        else if (job.reading_data && job.spool != NULL)
            fwrite(p, 1, (size_t)(line + n - p), job.spool);
    }
    job_end(&job);
    free(line);
    fclose(out);
    fclose(in);
}

int main(int argc, char *argv[])
{
    load_config(argc > 1 ? argv[1] : "/etc/pjld.conf");
    signal(SIGPIPE, SIG_IGN);
    start_child();

    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0)
        err(1, "socket");
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)cfg.port)};
    if (bind(s, (struct sockaddr *)&any, sizeof any) < 0 || listen(s, 3) < 0)
        err(1, "port %d", cfg.port);
    for (;;) {
        int c = accept4(s, NULL, NULL, SOCK_CLOEXEC);
        if (c >= 0)
            client(c);
    }
}
