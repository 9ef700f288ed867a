/*
 * upscard.c  --  network card of the UPS, line protocol server
 *
 *   GET VAR <ups> <var>
 *   SET VAR <ups> <var> <value>
 *   INSTCMD <ups> <cmd>
 *   LIST VAR <ups>
 *   LOGOUT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <signal.h>
#include <syslog.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define UPS_PORT     3493
#define LINE_SIZE    512
#define VAL_SIZE     64
#define MAX_CLIENTS  8

struct upsvar {
    const char *name;
    int         rw;
    char        value[VAL_SIZE];
};

static struct upsvar vars[] = {
    { "battery.charge",      0, "100" },
    { "battery.charge.low",  1, "20" },
    { "battery.runtime",     0, "1860" },
    { "input.voltage",       0, "230.4" },
    { "input.transfer.high", 1, "264" },
    { "input.transfer.low",  1, "184" },
    { "ups.delay.shutdown",  1, "60" },
    { "ups.id",              1, "UPS1" },
    { "ups.contact",         1, "unset" },
    { "ups.status",          0, "OL" },
    { NULL, 0, "" }
};

static pthread_mutex_t var_lock = PTHREAD_MUTEX_INITIALIZER;
static int nclients;
static int test_left;

static struct upsvar *find_var(const char *name)
{
    struct upsvar *v;

    for (v = vars; v->name; v++)
        if (strcmp(v->name, name) == 0)
            return v;
    return NULL;
}

static void set_value(struct upsvar *v, const char *val)
{
    pthread_mutex_lock(&var_lock);
    strncpy(v->value, val, VAL_SIZE - 1);
    v->value[VAL_SIZE - 1] = '\0';
    pthread_mutex_unlock(&var_lock);
}

/* the state machine of the battery, once in a second */
static void *ups_task(void *arg)
{
    char tmp[16];
    int charge = 100;

    for (;;) {
        sleep(1);
        if (test_left > 0) {
            if (charge > 30)
                charge--;
            if (--test_left == 0)
                set_value(find_var("ups.status"), "OL CHRG");
        } else if (charge < 100) {
            charge++;
            if (charge == 100)
                set_value(find_var("ups.status"), "OL");
        }
        snprintf(tmp, sizeof tmp, "%d", charge);
        set_value(find_var("battery.charge"), tmp);
    }
    return NULL;
}

static void cmd_get(FILE *out, const char *line)
{
    char ups[32], var[32];
    struct upsvar *v;

    if (sscanf(line, "GET VAR %31s %31s", ups, var) != 2) {
        fputs("ERR INVALID-ARGUMENT\n", out);
        return;
    }
    v = find_var(var);
    if (!v) {
        fputs("ERR VAR-NOT-SUPPORTED\n", out);
        return;
    }
    pthread_mutex_lock(&var_lock);
    fprintf(out, "VAR %s %s \"%s\"\n", ups, var, v->value);
    pthread_mutex_unlock(&var_lock);
}

static void cmd_set(FILE *out, const char *line)
{
    char ups[32], var[32], val[VAL_SIZE];
    struct upsvar *v;

    if (sscanf(line, "SET VAR %31s %31s %63s", ups, var, val) != 3) {
        fputs("ERR INVALID-ARGUMENT\n", out);
        return;
    }
    v = find_var(var);
    if (!v) {
        fputs("ERR VAR-NOT-SUPPORTED\n", out);
        return;
    }
    if (!v->rw) {
        fputs("ERR READONLY\n", out);
        return;
    }
    set_value(v, val);
    syslog(LOG_NOTICE, "%s: %s set", ups, var);
    fputs("OK\n", out);
}

static void cmd_inst(FILE *out, const char *line)
{
    char ups[32], what[32];

    if (sscanf(line, "INSTCMD %31s %31s", ups, what) != 2) {
        fputs("ERR INVALID-ARGUMENT\n", out);
        return;
    }
    if (!strcmp(what, "test.battery.start")) {
        test_left = 30;
        set_value(find_var("ups.status"), "OB DISCHRG");
    } else if (!strcmp(what, "test.battery.stop")) {
        test_left = 0;
        set_value(find_var("ups.status"), "OL CHRG");
    } else {
        fputs("ERR CMD-NOT-SUPPORTED\n", out);
        return;
    }
    fputs("OK\n", out);
}

static void cmd_list(FILE *out, const char *line)
{
    struct upsvar *v;

    fputs("BEGIN LIST VAR\n", out);
    pthread_mutex_lock(&var_lock);
    for (v = vars; v->name; v++)
        fprintf(out, "VAR %s \"%s\"\n", v->name, v->value);
    pthread_mutex_unlock(&var_lock);
    fputs("END LIST VAR\n", out);
}

static void *client(void *arg)
{
    int fd = (int)(long)arg;
    FILE *in = fdopen(fd, "r");
    FILE *out = fdopen(dup(fd), "w");
    char line[LINE_SIZE];

    if (in && out) {
        setvbuf(out, NULL, _IOLBF, 0);
        while (fgets(line, sizeof line, in)) {
            if (!strncmp(line, "GET VAR ", 8))
                cmd_get(out, line);
            else if (!strncmp(line, "SET VAR ", 8))
                cmd_set(out, line);
            else if (!strncmp(line, "INSTCMD ", 8))
                cmd_inst(out, line);
            else if (!strncmp(line, "LIST VAR", 8))
                cmd_list(out, line);
            else if (!strncmp(line, "LOGOUT", 6))
                break;
            else
                fputs("ERR UNKNOWN-COMMAND\n", out);
        }
    }
    if (out)
        fclose(out);
    if (in)
        fclose(in);
    else
        close(fd);
    __sync_sub_and_fetch(&nclients, 1);
    return NULL;
}

int main(void)
{
    struct sockaddr_in a;
    pthread_t th;
    int s, c, on = 1;

    signal(SIGPIPE, SIG_IGN);
    openlog("upscard", 0, LOG_DAEMON);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(UPS_PORT);
    if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 5) < 0)
        return 1;
    pthread_create(&th, NULL, ups_task, NULL);
    while ((c = accept(s, NULL, NULL)) >= 0) {
        if (__sync_add_and_fetch(&nclients, 1) > MAX_CLIENTS ||
            pthread_create(&th, NULL, client, (void *)(long)c)) {
            __sync_sub_and_fetch(&nclients, 1);
            close(c);
            continue;
        }
        pthread_detach(th);
    }
    return 0;
}
