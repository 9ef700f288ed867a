/* evse/backoffice.c
 *
 * Charging station, wallbox cluster: the group controller in the car park
 * connects to each station and drives it with lines of text,
 *
 *   AUTH,<connector>,<idtag>,<parent>,<valid-until>
 *   START,<connector>,<limit-amps>
 *   STOP,<connector>
 *   TARIFF,<cent-per-kwh>,<text>
 *   STATUS
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define BO_PORT          6790
#define BO_LINE          1024
#define BO_CONNECTORS    2
#define BO_MAX_ARGS      6
#define BO_TAG_LEN       20       /* idToken of the specification */

enum log_lvl { LOG_D, LOG_I, LOG_W };

#define LOG(lvl, ...) do { \
        if ((lvl) >= log_min) { \
            fprintf(stderr, "%c bo: ", "DIW"[lvl]); \
            fprintf(stderr, __VA_ARGS__); \
            fputc('\n', stderr); \
        } \
    } while (0)

typedef struct {
    int      charging;
    int      authorised;
    int      limit;
    unsigned wh;
    time_t   valid_until;
    time_t   started;
} connector_t;

typedef struct {
    int   argc;
    char *argv[BO_MAX_ARGS];
    FILE *out;
} bo_call_t;

typedef struct {
    const char *name;
    int         min_args;
    int       (*fn)(bo_call_t *call);
} bo_verb_t;

static connector_t     conns[BO_CONNECTORS];
static pthread_mutex_t conns_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned        tariff_cent;
static char            tariff_text[48];
static enum log_lvl    log_min = LOG_I;
static FILE           *journal;

static connector_t *connector_of(const char *arg)
{
    int n = atoi(arg);

    if (n < 1 || n > BO_CONNECTORS)
        return NULL;
    return &conns[n - 1];
}

static void journal_add(const char *text)
{
    char stamp[24];
    time_t now = time(NULL);
    struct tm tm;

    if (!journal)
        journal = fopen("/data/evse/journal.csv", "a");
    if (!journal)
        return;
    strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", gmtime_r(&now, &tm));
    fprintf(journal, "%s;%s\n", stamp, text);
    fflush(journal);
}

static void led_colour(int connector, const char *colour)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof(path), "/run/leds/conn%d", connector);
    f = fopen(path, "w");
    if (!f)
        return;
    fputs(colour, f);
    fclose(f);
}

static int do_auth(bo_call_t *call)
{
    char entry[96];
    connector_t *c = connector_of(call->argv[1]);
    const char *tag = call->argv[2];
    const char *parent = call->argv[3];
    long until;

    if (!c)
        return -ENODEV;
    if (strlen(parent) > BO_TAG_LEN)
        LOG(LOG_W, "parent tag is too long");
    until = call->argc > 4 ? strtol(call->argv[4], NULL, 10) : 0;
    if (until && until < (long)time(NULL)) {
        LOG(LOG_W, "tag has expired");
        return -EKEYEXPIRED;
    }
    sprintf(entry, "auth;%d;%s;%s;%ld", (int)(c - conns) + 1, tag, parent, until);
    journal_add(entry);
    pthread_mutex_lock(&conns_lock);
    c->authorised = 1;
    c->valid_until = (time_t)until;
    pthread_mutex_unlock(&conns_lock);
    led_colour((int)(c - conns) + 1, "blue");
    return 0;
}

static int do_start(bo_call_t *call)
{
    connector_t *c = connector_of(call->argv[1]);
    int limit = atoi(call->argv[2]);

    if (!c)
        return -ENODEV;
    if (limit < 6 || limit > 32)
        return -ERANGE;
    if (!c->authorised || c->charging)
        return -EPERM;
    pthread_mutex_lock(&conns_lock);
    c->limit = limit;
    c->charging = 1;
    c->started = time(NULL);
    c->wh = 0;
    pthread_mutex_unlock(&conns_lock);
    led_colour((int)(c - conns) + 1, "cyan");
    return 0;
}

static int do_stop(bo_call_t *call)
{
    char entry[96];
    connector_t *c = connector_of(call->argv[1]);

    if (!c || !c->charging)
        return -ENODEV;
    pthread_mutex_lock(&conns_lock);
    c->charging = 0;
    c->authorised = 0;
    snprintf(entry, sizeof(entry), "stop;%d;%u;%ld", (int)(c - conns) + 1, c->wh,
             (long)(time(NULL) - c->started));
    pthread_mutex_unlock(&conns_lock);
    journal_add(entry);
    led_colour((int)(c - conns) + 1, "green");
    return 0;
}

static int do_tariff(bo_call_t *call)
{
    tariff_cent = (unsigned)atoi(call->argv[1]) % 1000;
    snprintf(tariff_text, sizeof(tariff_text), "%s", call->argv[2]);
    return 0;
}

static int do_status(bo_call_t *call)
{
    int i;

    for (i = 0; i < BO_CONNECTORS; i++)
        fprintf(call->out, "conn,%d,%s,%d,%u\n", i + 1,
                conns[i].charging ? "charging" : conns[i].authorised ? "ready" : "idle",
                conns[i].limit, conns[i].wh);
    fprintf(call->out, "tariff,%u,%s\n", tariff_cent, tariff_text);
    return 0;
}

static const bo_verb_t verbs[] = {
    { "AUTH",   4, do_auth   },
    { "START",  3, do_start  },
    { "STOP",   2, do_stop   },
    { "TARIFF", 3, do_tariff },
    { "STATUS", 1, do_status },
};

static void handle_line(char *line, FILE *out)
{
    bo_call_t call = { 0 };
    char *word, *save = NULL;
    size_t i;
    int rc;

    line[strcspn(line, "\r\n")] = '\0';
    for (word = strtok_r(line, ",", &save); word && call.argc < BO_MAX_ARGS;
         word = strtok_r(NULL, ",", &save))
        call.argv[call.argc++] = word;
    if (call.argc == 0)
        return;
    call.out = out;
    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (!strcmp(verbs[i].name, call.argv[0]))
            break;
    if (i == sizeof(verbs) / sizeof(verbs[0]))
        rc = -ENOSYS;
    else if (call.argc < verbs[i].min_args)
        rc = -EINVAL;
    else
        rc = verbs[i].fn(&call);
    LOG(LOG_D, "%s: %d", call.argv[0], rc);
    fprintf(out, rc == 0 ? "ok\n" : "error,%d\n", -rc);
    fflush(out);
}

static void *meter_thread(void *arg)
{
    int i;

    (void)arg;
    for (;;) {
        sleep(1);
        pthread_mutex_lock(&conns_lock);
        for (i = 0; i < BO_CONNECTORS; i++) {
            connector_t *c = &conns[i];

            if (c->charging)
                c->wh += (unsigned)(c->limit * 230) / 3600;
            if (c->authorised && !c->charging && c->valid_until
                && c->valid_until < time(NULL)) {
                c->authorised = 0;
                LOG(LOG_I, "connector %d: authorisation is over", i + 1);
            }
        }
        pthread_mutex_unlock(&conns_lock);
    }
    return NULL;
}

static void serve(int fd)
{
    static char line[BO_LINE];
    FILE *in = fdopen(fd, "r");
    FILE *out = fdopen(dup(fd), "w");

    if (in && out) {
        fprintf(out, "evse,2,%d\n", BO_CONNECTORS);
        fflush(out);
        while (fgets(line, sizeof(line), in))
            handle_line(line, out);
    }
    if (out)
        fclose(out);
    if (in)
        fclose(in);
    else
        close(fd);
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    pthread_t tid;
    int port = BO_PORT, srv, fd, opt;

    while ((opt = getopt(argc, argv, "dp:")) != -1) {
        if (opt == 'd')
            log_min = LOG_D;
        else if (opt == 'p')
            port = atoi(optarg);
        else
            return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    srv = socket(AF_INET, SOCK_STREAM, 0);
    opt = 1;
    setsockopt(srv, SOL_SOCKET, SO_REUSEADDR, &opt, sizeof(opt));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons((uint16_t)port);
    if (bind(srv, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(srv, 1) < 0) {
        LOG(LOG_W, "port %d: %s", port, strerror(errno));
        return 1;
    }
    pthread_create(&tid, NULL, meter_thread, NULL);
    while ((fd = accept(srv, NULL, NULL)) >= 0) {
        LOG(LOG_I, "controller connected");
        serve(fd);
    }
    return 1;
}
