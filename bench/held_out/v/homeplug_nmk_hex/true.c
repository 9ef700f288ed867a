// plcmgr: LAN management of the powerline adapter (discovery, pairing, LEDs)
//
// Datagram: 'P' 'L' ver op  then TLVs  type(1) len(1) value
// The receiver answers discovery itself; what changes the modem goes to the
// worker since the modem needs seconds for it.
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>

static const uint16_t kPort = 8912;
static const size_t kNmkLen = 16;

typedef enum { OP_DISCOVER = 1, OP_SET_KEY, OP_SET_LED, OP_RENAME, OP_FACTORY } PlcOp;
typedef enum { T_NMK = 1, T_LED = 2, T_NAME = 3 } PlcTlv;

typedef struct Job {
    STAILQ_ENTRY(Job) link;
    PlcOp op;
    char key[64];
    int led;
} Job;

static STAILQ_HEAD(, Job) jobs = STAILQ_HEAD_INITIALIZER(jobs);
static pthread_mutex_t jobsMutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t jobsCond = PTHREAD_COND_INITIALIZER;

static char deviceName[33] = "PLC adapter";
static char ifName[16] = "eth0";
static int ledMode = 1;
static unsigned jobsDone, jobsFailed;

static void logLine(const char *fmt, ...)
{
    va_list ap;
    char ts[16];
    time_t now = time(NULL);
    struct tm tm;

    strftime(ts, sizeof ts, "%H:%M:%S", localtime_r(&now, &tm));
    flockfile(stderr);
    fprintf(stderr, "%s plcmgr ", ts);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    funlockfile(stderr);
}

// Runs a tool and logs what it prints; returns its exit status.
static int runTool(const char *fmt, ...)
{
    char cmd[256], out[128];
    va_list ap;
    FILE *p;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof cmd)
        return -1;
    p = popen(cmd, "r");
    if (!p)
        return -1;
    while (fgets(out, sizeof out, p)) {
        out[strcspn(out, "\r\n")] = '\0';
        logLine("| %s", out);
    }
    return pclose(p);
}

static const uint8_t *findTlv(const uint8_t *p, size_t len, PlcTlv type, size_t *vlen)
{
    while (len >= 2) {
        size_t l = p[1];

        if (l > len - 2)
            return NULL;
        if (p[0] == type) {
            *vlen = l;
            return p + 2;
        }
        p += 2 + l;
        len -= 2 + l;
    }
    return NULL;
}

static int nibble(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The key may be written with or without colons: 32 or 47 characters.
static bool keyFromText(const uint8_t *v, size_t len, char *key, size_t cap)
{
    if ((len != 2 * kNmkLen && len != 3 * kNmkLen - 1) || len >= cap)
        return false;
    if (nibble(v[0]) < 0 || nibble(v[len - 1]) < 0)
        return false;
    memcpy(key, v, len);
    key[len] = '\0';
    return true;
}

static void jobPost(const Job *proto)
{
    Job *j = malloc(sizeof *j);

    if (!j) {
        logLine("no memory");
        return;
    }
    *j = *proto;
    pthread_mutex_lock(&jobsMutex);
    STAILQ_INSERT_TAIL(&jobs, j, link);
    pthread_cond_signal(&jobsCond);
    pthread_mutex_unlock(&jobsMutex);
}

static void jobSetKey(const Job *j)
{
    if (runTool("plctool -i %s -K %s -R 2>&1", ifName, j->key) != 0) {
        jobsFailed++;
        logLine("the modem refused the key");
        return;
    }
    sleep(2);
    runTool("plctool -i %s -m 2>&1", ifName);
}

static void jobSetLed(const Job *j)
{
    ledMode = j->led;
    runTool("ledctl power %d link %d", ledMode, ledMode);
}

static void jobFactory(const Job *j)
{
    (void)j;
    runTool("plctool -i %s -T 2>&1", ifName);
    strcpy(deviceName, "PLC adapter");
    ledMode = 1;
}

static void *worker(void *arg)
{
    static void (*const run[])(const Job *) = {
        [OP_SET_KEY] = jobSetKey, [OP_SET_LED] = jobSetLed, [OP_FACTORY] = jobFactory,
    };

    (void)arg;
    for (;;) {
        Job *j;

        pthread_mutex_lock(&jobsMutex);
        while (STAILQ_EMPTY(&jobs))
            pthread_cond_wait(&jobsCond, &jobsMutex);
        j = STAILQ_FIRST(&jobs);
        STAILQ_REMOVE_HEAD(&jobs, link);
        pthread_mutex_unlock(&jobsMutex);
        if ((size_t)j->op < sizeof run / sizeof run[0] && run[j->op])
            run[j->op](j);
        jobsDone++;
        free(j);
    }
    return NULL;
}

static void answer(int s, const struct sockaddr_in *to, uint8_t op, uint8_t code)
{
    char b[64];
    int n = snprintf(b, sizeof b, "PL%c%c%c%s", 1, op | 0x80, code + '0',
                     op == OP_DISCOVER ? deviceName : "");

    sendto(s, b, (size_t)n, 0, (const struct sockaddr *)to, sizeof *to);
}

static uint8_t handle(uint8_t op, const uint8_t *tlv, size_t len)
{
    Job j;
    const uint8_t *v;
    size_t n, i;

    memset(&j, 0, sizeof j);
    j.op = op;
    switch (op) {
    case OP_DISCOVER:
        return 0;
    case OP_SET_KEY:
        v = findTlv(tlv, len, T_NMK, &n);
        if (!v || !keyFromText(v, n, j.key, sizeof j.key))
            return 2;
        break;
    case OP_SET_LED:
        v = findTlv(tlv, len, T_LED, &n);
        if (!v || n != 1 || v[0] > 2)
            return 2;
        j.led = v[0];
        break;
    case OP_RENAME:
        v = findTlv(tlv, len, T_NAME, &n);
        if (!v || n == 0 || n >= sizeof deviceName)
            return 2;
        for (i = 0; i < n; i++)
            deviceName[i] = isprint(v[i]) ? (char)v[i] : '_';
        deviceName[n] = '\0';
        return 0;
    case OP_FACTORY:
        break;
    default:
        return 1;
    }
    jobPost(&j);
    return 0;
}

static void loadConfig(const char *file)
{
    FILE *f = fopen(file, "r");
    char l[80];

    if (!f)
        return;
    while (fgets(l, sizeof l, f)) {
        sscanf(l, "iface %15s", ifName);
        sscanf(l, "name %32[^\n]", deviceName);
        sscanf(l, "led %d", &ledMode);
    }
    fclose(f);
}

int main(int argc, char **argv)
{
    struct sockaddr_in me = { .sin_family = AF_INET }, peer;
    pthread_t th;
    uint8_t pkt[600];
    int s;

    loadConfig(argc > 1 ? argv[1] : "/etc/plcmgr.conf");
    s = socket(AF_INET, SOCK_DGRAM, 0);
    me.sin_port = htons(kPort);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0) {
        logLine("port %u: %s", kPort, strerror(errno));
        return 1;
    }
    if (pthread_create(&th, NULL, worker, NULL) != 0)
        return 1;
    for (;;) {
        socklen_t sl = sizeof peer;
        ssize_t n = recvfrom(s, pkt, sizeof pkt, 0, (struct sockaddr *)&peer, &sl);

        if (n < 4 || pkt[0] != 'P' || pkt[1] != 'L' || pkt[2] != 1)
            continue;
        answer(s, &peer, pkt[3], handle(pkt[3], pkt + 4, (size_t)n - 4));
    }
}
