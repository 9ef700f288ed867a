/* evsed: OCPP style backend link of the wallbox
 *
 * Every message on the wire: 16 bit length (network order) and JSON text
 *   [2,"<id>","<Action>",{...}]      call of the backend
 *   [3,"<id>",{...}]                 our answer
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <netdb.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#define MSG_LEN 2000

typedef enum { EV_NONE, EV_CONNECTED, EV_CHARGING } EvState;

static struct {
    EvState state;
    int     limitAmps;
    int     available;
    int     heartbeat;
    char    vendor[32];
} g_evse = { EV_NONE, 16, 1, 60, "WB-11" };

/* pending diagnostics upload, taken up by onTimer() */
static struct {
    int    pending;
    time_t notBefore;
    int    retries;
    char   location[200];
} g_diag;

static int g_sock = -1;

/* ------------------------------------------------------------- JSON bits */

/* the next quoted string after p, NULL if there is none or it is too long */
static const char *nextString(const char *p, char *out, size_t size)
{
    size_t n = 0;

    while (*p && *p != '"')
        p++;
    if (*p != '"')
        return NULL;
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1])
            p++;
        if (n + 1 >= size)
            return NULL;
        out[n++] = *p;
    }
    out[n] = '\0';
    return *p == '"' ? p + 1 : NULL;
}

/* position behind "key": of the payload */
static const char *member(const char *json, const char *key)
{
    size_t n = strlen(key);
    const char *p = json;

    while ((p = strchr(p, '"')) != NULL) {
        p++;
        if (strncmp(p, key, n) == 0 && p[n] == '"') {
            p += n + 1;
            while (isspace((unsigned char)*p))
                p++;
            if (*p == ':')
                return p + 1;
        }
    }
    return NULL;
}

static int memberInt(const char *json, const char *key, int dflt)
{
    const char *p = member(json, key);

    return p ? (int)strtol(p, NULL, 10) : dflt;
}

/* ------------------------------------------------------------- handlers */

static const char *doChangeAvailability(const char *payload)
{
    char type[16];
    const char *p = member(payload, "type");

    if (p == NULL || nextString(p, type, sizeof(type)) == NULL)
        return "{\"status\":\"Rejected\"}";
    g_evse.available = strcmp(type, "Operative") == 0;
    return "{\"status\":\"Accepted\"}";
}

static const char *doSetLimit(const char *payload)
{
    int a = memberInt(payload, "limit", -1);

    if (a < 6 || a > 16)
        return "{\"status\":\"Rejected\"}";
    g_evse.limitAmps = a;
    return "{\"status\":\"Accepted\"}";
}

static const char *doHeartbeatInterval(const char *payload)
{
    int s = memberInt(payload, "interval", 0);

    if (s >= 10 && s <= 3600)
        g_evse.heartbeat = s;
    return "{\"status\":\"Accepted\"}";
}

static int locationValid(const char *s)
{
    if (strncmp(s, "ftp://", 6) != 0 && strncmp(s, "https://", 8) != 0)
        return 0;
    return strpbrk(s, ";|<>'\"\\ \t\r\n") == NULL;
}

static const char *doGetDiagnostics(const char *payload)
{
    char loc[sizeof(g_diag.location)];
    const char *p = member(payload, "location");

    if (p == NULL || nextString(p, loc, sizeof(loc)) == NULL || !locationValid(loc)) {
        syslog(LOG_WARNING, "GetDiagnostics: no usable location");
        return "{}";
    }
    strcpy(g_diag.location, loc);
    g_diag.retries = memberInt(payload, "retries", 1);
    if (g_diag.retries < 1 || g_diag.retries > 5)
        g_diag.retries = 1;
    g_diag.notBefore = time(NULL) + 5;
    g_diag.pending = 1;
    return "{\"fileName\":\"diag.tgz\"}";
}

static const struct {
    const char *action;
    const char *(*fn)(const char *);
} g_actions[] = {
    { "ChangeAvailability", doChangeAvailability },
    { "SetLimit",           doSetLimit },
    { "HeartbeatInterval",  doHeartbeatInterval },
    { "GetDiagnostics",     doGetDiagnostics },
};

/* -------------------------------------------------------------- sending */

static int sendMsg(const char *text)
{
    size_t n = strlen(text);
    uint8_t h[2] = { (uint8_t)(n >> 8), (uint8_t)n };

    if (send(g_sock, h, 2, MSG_NOSIGNAL) != 2)
        return -1;
    return send(g_sock, text, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

static int handleMsg(const char *json)
{
    char id[40], action[32], answer[256];
    const char *p, *res = NULL;
    size_t i;

    if (strncmp(json, "[2,", 3) != 0)
        return 0;
    p = nextString(json, id, sizeof(id));
    if (p == NULL || (p = nextString(p, action, sizeof(action))) == NULL)
        return -1;
    for (i = 0; i < sizeof(g_actions) / sizeof(g_actions[0]); i++)
        if (strcmp(action, g_actions[i].action) == 0)
            res = g_actions[i].fn(p);
    syslog(LOG_DEBUG, "call %s", action);
    if (res != NULL)
        snprintf(answer, sizeof(answer), "[3,\"%s\",%s]", id, res);
    else
        snprintf(answer, sizeof(answer), "[4,\"%s\",\"NotImplemented\",\"\",{}]", id);
    return sendMsg(answer);
}

/* --------------------------------------------------------------- timers */

static int uploadDiag(void)
{
    char line[400];
    int st;
    pid_t pid;

    snprintf(line, sizeof(line),
             "tar czf /tmp/diag.tgz /var/log/evse && curl -s -m 120 -T /tmp/diag.tgz %s/diag.tgz",
             g_diag.location);
    pid = fork();
    if (pid == 0) {
        close(g_sock);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &st, 0) < 0)
        return -1;
    return WIFEXITED(st) && WEXITSTATUS(st) == 0 ? 0 : -1;
}

static void readEvState(void)
{
    FILE *f = fopen("/run/evse/pilot", "r");
    int c = f ? fgetc(f) : 'A';

    g_evse.state = c == 'C' ? EV_CHARGING : c == 'B' ? EV_CONNECTED : EV_NONE;
    if (f)
        fclose(f);
}

static int onTimer(void)
{
    static time_t nextBeat;
    time_t now = time(NULL);

    readEvState();
    if (g_diag.pending && g_evse.state != EV_CHARGING && now >= g_diag.notBefore) {
        if (uploadDiag() == 0 || --g_diag.retries <= 0) {
            g_diag.pending = 0;
            syslog(LOG_INFO, "diagnostics upload finished");
        } else {
            g_diag.notBefore = now + 60;
        }
    }
    if (now >= nextBeat) {
        char hb[128];

        nextBeat = now + g_evse.heartbeat;
        snprintf(hb, sizeof(hb), "[2,\"%ld\",\"Heartbeat\",{\"state\":%d,\"limit\":%d}]",
                 (long)now, (int)g_evse.state, g_evse.limitAmps);
        return sendMsg(hb);
    }
    return 0;
}

/* ----------------------------------------------------------- connection */

static int readN(void *buf, size_t n)
{
    char *p = buf;

    while (n > 0) {
        ssize_t r = recv(g_sock, p, n, 0);
        if (r <= 0)
            return -1;
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

static int dialBackend(const char *host, const char *port)
{
    struct addrinfo hints, *ai;

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host, port, &hints, &ai) != 0)
        return -1;
    g_sock = socket(ai->ai_family, ai->ai_socktype, 0);
    if (g_sock >= 0 && connect(g_sock, ai->ai_addr, ai->ai_addrlen) < 0) {
        close(g_sock);
        g_sock = -1;
    }
    freeaddrinfo(ai);
    return g_sock < 0 ? -1 : 0;
}

static void session(void)
{
    struct pollfd pf = { g_sock, POLLIN, 0 };
    char json[MSG_LEN + 1];
    uint8_t h[2];

    for (;;) {
        int r = poll(&pf, 1, 1000);

        if (r < 0 && errno != EINTR)
            return;
        if (r > 0) {
            unsigned len;

            if (readN(h, 2) < 0)
                return;
            len = (unsigned)h[0] << 8 | h[1];
            if (len > MSG_LEN || readN(json, len) < 0)
                return;
            json[len] = '\0';
            if (handleMsg(json) < 0)
                return;
        }
        if (onTimer() < 0)
            return;
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: evsed host port\n");
        return 2;
    }
    openlog("evsed", LOG_PID, LOG_DAEMON);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        if (dialBackend(argv[1], argv[2]) == 0) {
            syslog(LOG_NOTICE, "backend connected");
            session();
            close(g_sock);
            g_sock = -1;
        }
        sleep(15);
    }
}
