/* line printer receiver of the print server, started by inetd for each connection */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <syslog.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/types.h>
#include <sys/file.h>
#include <sys/stat.h>

#define SPOOL     "/var/spool/lpd"
#define MAX_CF    4096
#define MAX_DF    (8L * 1024 * 1024)
#define DEVICE    "/dev/usb/lp0"

typedef struct {
    char host[64];
    char user[32];
    char title[80];
    char class_[32];
    int  copies;
    char mode;
} JOBINFO;

static char  Spool_df[64];
static long  Df_size;
static int   Have_cf;
static JOBINFO Last;

static void ack(int c)
{
    putchar(c);
    fflush(stdout);
}

/* one command line ended by \n; returns its length or -1 */
static int get_line(char *buf, int size)
{
    int c, n = 0;

    while ((c = getchar()) != EOF) {
        if (c == '\n') {
            buf[n] = 0;
            return n;
        }
        if (n >= size - 1)
            return -1;
        buf[n++] = (char)c;
    }
    return -1;
}

static int next_job_number(void)
{
    int fd, n = 0;
    char b[16];
    ssize_t k;

    fd = open(SPOOL "/.seq", O_RDWR | O_CREAT, 0644);
    if (fd < 0)
        return (int)(getpid() % 1000);
    flock(fd, LOCK_EX);
    k = read(fd, b, sizeof(b) - 1);
    if (k > 0) {
        b[k] = 0;
        n = (atoi(b) + 1) % 1000;
    }
    lseek(fd, 0, SEEK_SET);
    k = snprintf(b, sizeof(b), "%03d\n", n);
    if (write(fd, b, (size_t)k) != k)
        syslog(LOG_WARNING, "seq: %m");
    close(fd);
    return n;
}

static void log_job(const JOBINFO *j)
{
    syslog(LOG_INFO, "job '%.60s' user %s host %s copies %d", j->title, j->user, j->host, j->copies);
}

static int control_file(char *cf)
{
    JOBINFO job;
    char *line, *save = NULL;

    memset(&job, 0, sizeof(job));
    job.copies = 0;
    job.mode = 'f';
    for (line = strtok_r(cf, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        char *arg = line + 1;

        switch (line[0]) {
        case 'H':
            snprintf(job.host, sizeof(job.host), "%s", arg);
            break;
        case 'P':
            snprintf(job.user, sizeof(job.user), "%s", arg);
            break;
        case 'C':
            snprintf(job.class_, sizeof(job.class_), "%s", arg);
            break;
        case 'J':
            while (isspace((unsigned char)*arg))
                arg++;
            strcpy(job.title, arg);
            break;
        case 'f':
        case 'l':
        case 'o':
        case 'p':
            job.mode = line[0];
            if (job.copies < 99)
                job.copies++;
            break;
        case 'U':
        case 'N':
        case 'W':
        case 'L':
            break;
        default:
            syslog(LOG_DEBUG, "control line %c ignored", isprint((unsigned char)line[0]) ? line[0] : '?');
        }
    }
    if (job.host[0] == 0 || job.user[0] == 0)
        return -1;
    log_job(&job);
    Last = job;
    Have_cf = 1;
    return 0;
}

static int receive_cf(long count)
{
    char *cf;
    size_t got;

    if (count <= 0 || count > MAX_CF) {
        syslog(LOG_WARNING, "control file of %ld bytes refused", count);
        return -1;
    }
    cf = malloc((size_t)count + 1);
    if (cf == NULL)
        return -1;
    ack(0);
    got = fread(cf, 1, (size_t)count, stdin);
    cf[got] = 0;
    if (got != (size_t)count || getchar() != 0) {
        free(cf);
        return -1;
    }
    if (control_file(cf) < 0) {
        free(cf);
        return -1;
    }
    free(cf);
    return 0;
}

static int receive_df(long count)
{
    char b[4096];
    FILE *f;

    if (count < 0 || count > MAX_DF)
        return -1;
    snprintf(Spool_df, sizeof(Spool_df), "%s/df%03d", SPOOL, next_job_number());
    f = fopen(Spool_df, "w");
    if (f == NULL) {
        syslog(LOG_ERR, "%s: %m", Spool_df);
        return -1;
    }
    ack(0);
    Df_size = 0;
    while (count > 0) {
        size_t want = count > (long)sizeof(b) ? sizeof(b) : (size_t)count;
        size_t n = fread(b, 1, want, stdin);

        if (n == 0)
            break;
        if (fwrite(b, 1, n, f) != n)
            break;
        count -= (long)n;
        Df_size += (long)n;
    }
    fclose(f);
    if (count != 0 || getchar() != 0) {
        unlink(Spool_df);
        Spool_df[0] = 0;
        return -1;
    }
    return 0;
}

static void print_job(void)
{
    char b[2048];
    FILE *in, *out;
    size_t n;
    int k;

    if (!Have_cf || Spool_df[0] == 0)
        return;
    out = fopen(DEVICE, "w");
    for (k = 0; out != NULL && k < (Last.copies ? Last.copies : 1); k++) {
        in = fopen(Spool_df, "r");
        if (in == NULL)
            break;
        while ((n = fread(b, 1, sizeof(b), in)) > 0)
            if (fwrite(b, 1, n, out) != n)
                break;
        fclose(in);
        if (Last.mode == 'p')
            fputc('\f', out);
    }
    if (out != NULL)
        fclose(out);
    unlink(Spool_df);
    Spool_df[0] = 0;
}

static int queue_known(const char *q)
{
    static const char *const names[] = { "lp", "raw", "text", "PASSTHRU" };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], q) == 0)
            return 1;
    return 0;
}

static int receive_job(const char *queue)
{
    char sub[160];
    int rc, n;

    if (!queue_known(queue)) {
        ack(1);
        return -1;
    }
    ack(0);
    while ((n = get_line(sub, sizeof(sub))) > 0) {
        long count = strtol(sub + 1, NULL, 10);

        switch (sub[0]) {
        case 1:
            if (Spool_df[0])
                unlink(Spool_df);
            Spool_df[0] = 0;
            Have_cf = 0;
            rc = 0;
            break;
        case 2:
            rc = receive_cf(count);
            break;
        case 3:
            rc = receive_df(count);
            break;
        default:
            rc = -1;
        }
        if (rc < 0) {
            ack(1);
            return -1;
        }
        ack(0);
    }
    print_job();
    return 0;
}

static void send_state(const char *queue, int full)
{
    printf("%.32s is %s\n", queue, access(DEVICE, W_OK) == 0 ? "ready" : "offline");
    if (full)
        printf("spool %s\n", SPOOL);
    fflush(stdout);
}

int main(void)
{
    char line[128];
    int rc = 0;

    openlog("in.lpd", LOG_PID, LOG_LPR);
    signal(SIGPIPE, SIG_IGN);
    alarm(600);
    if (get_line(line, sizeof(line)) <= 0)
        return 1;
    line[1 + strcspn(line + 1, " \t\r")] = 0;
    switch (line[0]) {
    case 1:
        ack(0);
        break;
    case 2:
        rc = receive_job(line + 1);
        break;
    case 3:
        send_state(line + 1, 0);
        break;
    case 4:
        send_state(line + 1, 1);
        break;
    default:
        syslog(LOG_NOTICE, "command %d", line[0]);
        rc = -1;
    }
    return rc < 0;
}
