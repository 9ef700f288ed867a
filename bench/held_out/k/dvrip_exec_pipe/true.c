/* recorder control service; a small helper started first does the privileged work */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <poll.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define DVRIP_PORT    34567
#define DVRIP_HEAD    20
#define DVRIP_MAXBODY 4096

#define MSG_LOGIN     1000
#define MSG_KEEPALIVE 1006
#define MSG_SYSINFO   1020
#define MSG_SETCONF   1040
#define MSG_OPMACHINE 1450

enum { JOB_NONE = 0, JOB_TIMEZONE, JOB_REBOOT, JOB_SAVECLOCK, JOB_BRIGHT };

typedef struct {
    int32_t op;
    int32_t a;
    int32_t b;
    char    text[80];
} Job;

typedef struct {
    uint32_t session;
    uint32_t seq;
    uint16_t msg;
    uint32_t len;
} DvrHead;

static int       g_jobFd = -1;
static uint32_t  g_session = 0x10;
static int       g_logged;

/* ---- helper process ---- */

static int readAll(int fd, void *buf, size_t len)
{
    uint8_t *p = buf;

    while (len > 0) {
        ssize_t n = read(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static void doTimezone(const Job *j)
{
    char line[160];

    fprintf(stderr, "timezone %s\n", j->text);
    snprintf(line, sizeof(line), "echo \"%s\" > /etc/TZ; date -k", j->text);
    if (system(line) != 0)
        fprintf(stderr, "timezone failed\n");
}

static void doReboot(const Job *j)
{
    (void)j;
    sync();
    if (system("reboot") != 0)
        fprintf(stderr, "reboot failed\n");
}

static void doSaveClock(const Job *j)
{
    (void)j;
    if (system("hwclock -w") != 0)
        fprintf(stderr, "hwclock failed\n");
}

static void doBright(const Job *j)
{
    char line[96];

    snprintf(line, sizeof(line), "hicolor -c %d -b %d", (int)j->a, (int)j->b);
    if (system(line) != 0)
        fprintf(stderr, "hicolor failed\n");
}

typedef void (*JobFn)(const Job *);

static JobFn const jobTable[] = { NULL, doTimezone, doReboot, doSaveClock, doBright };

static void helperLoop(int fd)
{
    Job j;

    while (readAll(fd, &j, sizeof(j)) == 0) {
        if (j.op <= 0 || j.op >= (int)(sizeof(jobTable) / sizeof(jobTable[0])))
            continue;
        j.text[sizeof(j.text) - 1] = '\0';
        jobTable[j.op](&j);
    }
    _exit(0);
}

static int helperStart(void)
{
    int fds[2];
    pid_t pid;

    if (pipe(fds) < 0)
        return -1;
    pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        close(fds[1]);
        helperLoop(fds[0]);
    }
    close(fds[0]);
    g_jobFd = fds[1];
    return 0;
}

static int postJob(const Job *j)
{
    return write(g_jobFd, j, sizeof(*j)) == (ssize_t)sizeof(*j) ? 0 : -1;
}

/* ---- service ---- */

static uint32_t ld32(const uint8_t *p)
{
    return p[0] | (p[1] << 8) | (p[2] << 16) | ((uint32_t)p[3] << 24);
}

static void st32(uint8_t *p, uint32_t v)
{
    int i;
    for (i = 0; i < 4; i++, v >>= 8)
        p[i] = v & 0xff;
}

static int jsonStr(const char *js, const char *name, char *out, size_t outSize)
{
    const char *p = js, *e;
    size_t nl = strlen(name);

    while ((p = strchr(p, '"')) != NULL) {
        p++;
        if (strncmp(p, name, nl) == 0 && p[nl] == '"') {
            p += nl + 1;
            p += strspn(p, " :");
            if (*p != '"')
                return -1;
            p++;
            e = strchr(p, '"');
            if (e == NULL || (size_t)(e - p) >= outSize)
                return -1;
            memcpy(out, p, (size_t)(e - p));
            out[e - p] = '\0';
            return 0;
        }
    }
    return -1;
}

static int jsonInt(const char *js, const char *name, int *out)
{
    const char *p = strstr(js, name);

    if (p == NULL)
        return -1;
    p += strlen(name);
    p += strspn(p, "\" :");
    return sscanf(p, "%d", out) == 1 ? 0 : -1;
}

static void answer(int fd, const DvrHead *h, const char *body)
{
    uint8_t out[DVRIP_HEAD + 512];
    size_t n = strlen(body);

    if (n > 512)
        n = 512;
    memset(out, 0, DVRIP_HEAD);
    out[0] = 0xff;
    out[1] = 0x01;
    st32(out + 4, g_session);
    st32(out + 8, h->seq);
    out[14] = (h->msg + 1) & 0xff;
    out[15] = (h->msg + 1) >> 8;
    st32(out + 16, (uint32_t)n);
    memcpy(out + DVRIP_HEAD, body, n);
    send(fd, out, DVRIP_HEAD + n, MSG_NOSIGNAL);
}

static void answerRet(int fd, const DvrHead *h, int ret)
{
    char b[96];

    snprintf(b, sizeof(b), "{ \"Name\" : \"\", \"Ret\" : %d, \"SessionID\" : \"0x%08X\" }\n", ret, (unsigned)g_session);
    answer(fd, h, b);
}

static int setTimezone(const char *js)
{
    Job j;

    memset(&j, 0, sizeof(j));
    j.op = JOB_TIMEZONE;
    if (jsonStr(js, "TimeZone", j.text, sizeof(j.text)) < 0)
        return 101;
    return postJob(&j) == 0 ? 100 : 103;
}

static int setConf(const char *js)
{
    char name[48];
    Job j;
    int c, b;

    if (jsonStr(js, "Name", name, sizeof(name)) < 0)
        return 101;
    if (strcmp(name, "System.TimeZone") == 0)
        return setTimezone(js);
    if (strcmp(name, "AVEnc.VideoColor") == 0) {
        if (jsonInt(js, "Channel", &c) < 0 || jsonInt(js, "Brightness", &b) < 0)
            return 101;
        memset(&j, 0, sizeof(j));
        j.op = JOB_BRIGHT;
        j.a = c;
        j.b = b;
        return postJob(&j) == 0 ? 100 : 103;
    }
    return 102;
}

static void onMessage(int fd, const DvrHead *h, const char *js)
{
    char user[32];
    Job j;

    switch (h->msg) {
    case MSG_LOGIN:
        if (jsonStr(js, "UserName", user, sizeof(user)) == 0 && user[0]) {
            g_logged = 1;
            g_session++;
            answerRet(fd, h, 100);
        } else {
            answerRet(fd, h, 203);
        }
        break;
    case MSG_KEEPALIVE:
        answerRet(fd, h, 100);
        break;
    case MSG_SYSINFO:
        answer(fd, h, "{ \"SystemInfo\" : { \"HardWare\" : \"HI3520\", \"VideoInChannel\" : 4 } }\n");
        break;
    case MSG_SETCONF:
        answerRet(fd, h, setConf(js));
        break;
    case MSG_OPMACHINE:
        if (!g_logged) {
            answerRet(fd, h, 106);
            break;
        }
        memset(&j, 0, sizeof(j));
        j.op = strstr(js, "\"Reboot\"") ? JOB_REBOOT : JOB_SAVECLOCK;
        answerRet(fd, h, postJob(&j) == 0 ? 100 : 103);
        break;
    default:
        answerRet(fd, h, 102);
    }
}

static void serve(int fd)
{
    uint8_t head[DVRIP_HEAD];
    char *body;
    DvrHead h;

    g_logged = 0;
    body = malloc(DVRIP_MAXBODY + 1);
    if (body == NULL)
        return;
    while (readAll(fd, head, sizeof(head)) == 0) {
        if (head[0] != 0xff)
            break;
        h.session = ld32(head + 4);
        h.seq = ld32(head + 8);
        h.msg = (uint16_t)(head[14] | (head[15] << 8));
        h.len = ld32(head + 16);
        if (h.len > DVRIP_MAXBODY || readAll(fd, body, h.len) < 0)
            break;
        body[h.len] = '\0';
        onMessage(fd, &h, body);
    }
    free(body);
}

int main(void)
{
    struct sockaddr_in sa;
    int ls, fd, yes = 1;

    signal(SIGPIPE, SIG_IGN);
    if (helperStart() < 0) {
        perror("helper");
        return 1;
    }
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(DVRIP_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 3) < 0) {
        perror("listen");
        return 1;
    }
    while ((fd = accept(ls, NULL, NULL)) >= 0) {
        serve(fd);
        close(fd);
    }
    return 0;
}
