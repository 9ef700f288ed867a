/*
 * A print server: the port is given as a string to getaddrinfo; a request is left in a global buffer under a lock, and
 * a worker thread that looks for it now and then runs it.
 */
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define JOB_PORT "9101"

static struct {
    pthread_mutex_t lock;
    char request[128];
    int full;
    unsigned done, refused;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char printer_name[40] = "lp0";
static char spool[64] = "/var/spool/lpd";
static int paper = 1;

static void read_config(const char *path)
{
    char line[120];
    FILE *f = fopen(path, "r");
    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        char *value = strchr(line, ' ');
        if (!value)
            continue;
        *value++ = 0;
        value[strcspn(value, "\n")] = 0;
        if (!strcmp(line, "printer")) {
            strncpy(printer_name, value, sizeof printer_name - 1);
        } else if (!strcmp(line, "spool")) {
            strncpy(spool, value, sizeof spool - 1);
        } else if (!strcmp(line, "paper")) {
            paper = atoi(value);
        }
    }
    fclose(f);
}

static int submit(const char *text)
{
    int ok = 0;
    pthread_mutex_lock(&shared.lock);
    if (!shared.full) {
        snprintf(shared.request, sizeof shared.request, "%.127s", text);
        shared.full = 1;
        ok = 1;
    } else {
        shared.refused++;
    }
    pthread_mutex_unlock(&shared.lock);
    return ok;
}

static int run_and_log(const char *line)
{
    char text[160];
    FILE *p = popen(line, "r"), *log;
    if (!p)
        return -1;
    log = fopen("/var/log/printd.log", "a");
    while (fgets(text, sizeof text, p))
        if (log)
            fputs(text, log);
    if (log)
        fclose(log);
    return pclose(p);
}

static void carry_out(const char *request)
{
#ifdef BENIGN
    static const char *const tools[] = {"lpc status", "lpq -a", "lprm -", "lpc restart all"};
    int which = request[0] - '0';
    if (which >= 0 && which < 4)
        run_and_log(tools[which]);
#else
    char line[200];
    snprintf(line, sizeof line, "lpc %s lp0 2>&1", request);
    run_and_log(line);
#endif
}

static void *worker(void *unused)
{
    char mine[sizeof shared.request];
    (void)unused;
    for (;;) {
        int have;
        pthread_mutex_lock(&shared.lock);
        have = shared.full;
        if (have) {
            memcpy(mine, shared.request, sizeof mine);
            shared.full = 0;
        }
        pthread_mutex_unlock(&shared.lock);
        if (have) {
            carry_out(mine);
            shared.done++;
        }
        usleep(200000);
    }
    return NULL;
}

static int listen_on(const char *port)
{
    struct addrinfo want, *found = NULL, *a;
    int s = -1, one = 1;
    memset(&want, 0, sizeof want);
    want.ai_family = AF_UNSPEC;
    want.ai_socktype = SOCK_STREAM;
    want.ai_flags = AI_PASSIVE;
    if (getaddrinfo(NULL, port, &want, &found) != 0)
        return -1;
    for (a = found; a; a = a->ai_next) {
        s = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (s < 0)
            continue;
        setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(s, a->ai_addr, a->ai_addrlen) == 0 && listen(s, 5) == 0)
            break;
        close(s);
        s = -1;
    }
    freeaddrinfo(found);
    return s;
}

static void client(int c)
{
    char line[160];
    FILE *f = fdopen(c, "r+");
    if (!f) {
        close(c);
        return;
    }
    setvbuf(f, NULL, _IONBF, 0);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        if (!strcmp(line, "status"))
            fprintf(f, "%s %s paper=%d done=%u refused=%u\n", printer_name, spool, paper, shared.done, shared.refused);
        else if (!strncmp(line, "control:", 8))
            fprintf(f, "%s\n", submit(line + 8) ? "taken" : "busy");
        else if (!strcmp(line, "bye"))
            break;
        else
            fprintf(f, "?\n");
    }
    fclose(f);
}

int main(int argc, char **argv)
{
    pthread_t t;
    int s;
    read_config(argc > 1 ? argv[1] : "/etc/printd.conf");
    s = listen_on(JOB_PORT);
    if (s < 0 || pthread_create(&t, NULL, worker, NULL) != 0)
        return 1;
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c >= 0)
            client(c);
    }
}
