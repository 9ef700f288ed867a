/* panicbased: base station for body-worn alarm pendants.
 * Pendants (via the radio head) send short text datagrams:
 *     PB1 <id> <verb> [name=value,...]
 * The one-second tick walks the list of wearers and raises the alarm. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define BASE_PORT   5190
#define GRACE_SECS  10
#define LOST_SECS   900

enum wstate { W_IDLE, W_PRESSED, W_RAISED };

typedef struct wearer {
    struct wearer *next;
    unsigned       id;
    enum wstate    state;
    time_t         pressed_at;
    time_t         last_seen;
    int            battery;
    int            tries;
    char          *contact;
} wearer_t;

static wearer_t *g_wearers;
static int       g_count;
static FILE     *g_log;

static void note(unsigned id, const char *what)
{
    if (!g_log)
        return;
    fprintf(g_log, "%ld pendant %u: %s\n", (long)time(NULL), id, what);
    fflush(g_log);
}

static wearer_t *wearer_by_id(unsigned id, int create)
{
    wearer_t *w;

    for (w = g_wearers; w; w = w->next)
        if (w->id == id)
            return w;
    if (!create || g_count >= 64)
        return NULL;
    w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->id = id;
    w->next = g_wearers;
    g_wearers = w;
    g_count++;
    note(id, "enrolled");
    return w;
}

/* contact numbers: 3 .. 20 characters as printed on the enrolment form */
static int contact_valid(const char *p)
{
    size_t n = strlen(p);
    size_t i;

    if (n < 3 || n > 20)
        return 0;
    for (i = 0; i < n; i++)
        if (!(p[i] >= '0' && p[i] <= '9') && !(i == 0 && p[i] == '+'))
            return 0;
    return 1;
}

static void on_enrol(wearer_t *w, char *attrs)
{
    char *save = NULL, *kv, *eq;

    for (kv = strtok_r(attrs, ",", &save); kv; kv = strtok_r(NULL, ",", &save)) {
        eq = strchr(kv, '=');
        if (!eq)
            continue;
        *eq++ = 0;
        if (strcmp(kv, "contact") == 0) {
            if (!contact_valid(eq)) {
                note(w->id, "contact refused");
                continue;
            }
            free(w->contact);
            w->contact = strdup(eq);
        } else if (strcmp(kv, "bat") == 0) {
            w->battery = atoi(eq);
        }
    }
}

static void on_press(wearer_t *w, char *attrs)
{
    (void)attrs;
    if (w->state == W_IDLE) {
        w->state = W_PRESSED;
        w->pressed_at = time(NULL);
        w->tries = 0;
        note(w->id, "button pressed");
    }
}

static void on_cancel(wearer_t *w, char *attrs)
{
    (void)attrs;
    w->state = W_IDLE;
    note(w->id, "cancelled");
}

static void on_beat(wearer_t *w, char *attrs)
{
    char *b = strstr(attrs, "bat=");
    if (b)
        w->battery = atoi(b + 4);
}

static const struct {
    const char *verb;
    void (*run)(wearer_t *, char *);
    int  create;
} handlers[] = {
    { "ENROL",  on_enrol,  1 },
    { "PRESS",  on_press,  0 },
    { "CANCEL", on_cancel, 0 },
    { "BEAT",   on_beat,   0 },
};

static void take_datagram(char *msg)
{
    char verb[12] = "", *rest;
    unsigned id, i;
    int used = 0;
    wearer_t *w;

    if (sscanf(msg, "PB1 %u %11s %n", &id, verb, &used) < 2)
        return;
    rest = used ? msg + used : msg + strlen(msg);
    for (i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (strcmp(verb, handlers[i].verb))
            continue;
        w = wearer_by_id(id, handlers[i].create);
        if (!w)
            return;
        w->last_seen = time(NULL);
        handlers[i].run(w, rest);
        return;
    }
}

static int send_sms(const wearer_t *w)
{
    char cmd[160], reply[64] = "";
    FILE *p;

    snprintf(cmd, sizeof cmd, "/usr/bin/smsc -n %s -t 'ALARM pendant %u' 2>&1",
             w->contact, w->id);
    p = popen(cmd, "r");
    if (!p)
        return -1;
    if (!fgets(reply, sizeof reply, p))
        reply[0] = 0;
    pclose(p);
    return strncmp(reply, "OK", 2) ? -1 : 0;
}

static void tick(void)
{
    time_t now = time(NULL);
    wearer_t *w;

    for (w = g_wearers; w; w = w->next) {
        if (w->state == W_PRESSED && now - w->pressed_at >= GRACE_SECS) {
            if (!w->contact) {
                note(w->id, "no contact");
                w->state = W_RAISED;
            } else if (send_sms(w) == 0 || ++w->tries >= 3) {
                w->state = W_RAISED;
                note(w->id, "alarm raised");
            }
        }
        if (w->last_seen && now - w->last_seen > LOST_SECS) {
            note(w->id, "out of range");
            w->last_seen = 0;
        }
        if (w->battery && w->battery < 10) {
            note(w->id, "battery low");
            w->battery = 0;
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    struct timeval tv;
    char buf[512];
    fd_set rd;
    ssize_t n;
    time_t last = 0;
    int s;

    g_log = fopen(argc > 1 ? argv[1] : "/var/log/panic.log", "a");
    s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(BASE_PORT);
    if (bind(s, (struct sockaddr *)&sa, sizeof sa)) {
        perror("bind");
        return 1;
    }
    for (;;) {
        FD_ZERO(&rd);
        FD_SET(s, &rd);
        tv.tv_sec = 1;
        tv.tv_usec = 0;
        if (select(s + 1, &rd, NULL, NULL, &tv) > 0) {
            n = recvfrom(s, buf, sizeof buf - 1, 0, NULL, NULL);
            if (n > 0) {
                buf[n] = 0;
                buf[strcspn(buf, "\r\n")] = 0;
                take_datagram(buf);
            }
        }
        if (time(NULL) != last) {
            last = time(NULL);
            tick();
        }
    }
}
