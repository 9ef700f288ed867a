#define _GNU_SOURCE
/* cgi port of a p/t camera: snapshot, parameters and motor */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <fcntl.h>
#include <signal.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CGI_PORT   8081
#define REQ_MAX    4096
#define MAX_USERS  8

typedef struct {
    char name[32];
    char pwd[32];
    int  level;            /* 0 visitor 1 operator 2 admin */
} USER_S;

typedef struct {
    int fd;
    struct sockaddr_in peer;
    char *req;
    char *query;
    int level;
} CONN_S;

static USER_S s_users[MAX_USERS] = { { "admin", "", 2 } };
static int s_userNum = 1;
static struct { int brightness, contrast, flip, speed; } s_param = { 128, 128, 0, 5 };
static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static int s_motorFd = -1;
static int s_failCount;

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int Base64Decode(const char *in, char *out, int max)
{
    unsigned acc = 0;
    int bits = 0, n = 0;
    const char *p;

    for (; *in && *in != '=' && *in != '\r' && *in != ' '; in++) {
        p = strchr(b64, *in);
        if (!p)
            return -1;
        acc = (acc << 6) | (unsigned)(p - b64);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            if (n >= max)
                return -1;
            out[n++] = (char)(acc >> bits);
        }
    }
    return n;
}

static void SendText(int fd, const char *s)
{
    send(fd, s, strlen(s), MSG_NOSIGNAL);
}

static void SendHead(int fd, int code, const char *type, long len)
{
    char h[256];

    snprintf(h, sizeof(h),
             "HTTP/1.1 %d %s\r\nServer: NetIPCam\r\n%sContent-Type: %s\r\nContent-Length: %ld\r\n"
             "Connection: close\r\n\r\n",
             code, code == 200 ? "OK" : code == 401 ? "Unauthorized" : "Error",
             code == 401 ? "WWW-Authenticate: Basic realm=\"NetIPCam\"\r\n" : "", type, len);
    SendText(fd, h);
}

static const char *FindHeader(const char *req, const char *name)
{
    const char *p = req;
    size_t n = strlen(name);

    while ((p = strstr(p, "\r\n")) != NULL) {
        p += 2;
        if (!strncasecmp(p, name, n) && p[n] == ':') {
            p += n + 1;
            while (*p == ' ')
                p++;
            return p;
        }
    }
    return NULL;
}

static int LookupUser(const char *user, const char *pwd)
{
    int i, level = -1;

    pthread_mutex_lock(&s_lock);
    for (i = 0; i < s_userNum; i++)
        if (!strcmp(s_users[i].name, user) && !strcmp(s_users[i].pwd, pwd))
            level = s_users[i].level;
    if (level < 0)
        s_failCount++;
    pthread_mutex_unlock(&s_lock);
    return level;
}

static int CheckAuth(const char *req)
{
    char user[32];
    char pwd[32];
    char plain[1024];
    const char *h;
    char *colon;
    int n;

    h = FindHeader(req, "Authorization");
    if (!h || strncasecmp(h, "Basic ", 6))
        return -1;
    n = Base64Decode(h + 6, plain, sizeof(plain) - 1);
    if (n <= 0)
        return -1;
    plain[n] = '\0';
    colon = strchr(plain, ':');
    if (!colon)
        return -1;
    if (colon - plain >= (int)sizeof(user) || strlen(colon + 1) >= sizeof(pwd))
        return -1;
    memcpy(user, plain, colon - plain);
    user[colon - plain] = '\0';
    strcpy(pwd, colon + 1);
    return LookupUser(user, pwd);
}

/* integer parameter from the query */
static int QueryInt(const char *q, const char *key, int def)
{
    size_t n = strlen(key);

    while (q && *q) {
        if (!strncmp(q, key, n) && q[n] == '=')
            return atoi(q + n + 1);
        q = strchr(q, '&');
        if (q)
            q++;
    }
    return def;
}

static void CgiSnapshot(CONN_S *c)
{
    char buf[2048];
    struct stat st;
    int fd = open("/tmp/snap.jpg", O_RDONLY), n;

    if (fd < 0 || fstat(fd, &st) < 0) {
        if (fd >= 0)
            close(fd);
        SendHead(c->fd, 503, "text/plain", 0);
        return;
    }
    SendHead(c->fd, 200, "image/jpeg", st.st_size);
    while ((n = read(fd, buf, sizeof(buf))) > 0)
        if (send(c->fd, buf, n, MSG_NOSIGNAL) != n)
            break;
    close(fd);
}

static int Clamp(int v, int lo, int hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static void CgiGetParam(CONN_S *c)
{
    char t[160];

    snprintf(t, sizeof(t), "var brightness=%d;\r\nvar contrast=%d;\r\nvar flip=%d;\r\nvar speed=%d;\r\n",
             s_param.brightness, s_param.contrast, s_param.flip, s_param.speed);
    SendHead(c->fd, 200, "text/plain", strlen(t));
    SendText(c->fd, t);
}

static void CgiSetParam(CONN_S *c)
{
    FILE *fp;

    pthread_mutex_lock(&s_lock);
    s_param.brightness = Clamp(QueryInt(c->query, "brightness", s_param.brightness), 0, 255);
    s_param.contrast = Clamp(QueryInt(c->query, "contrast", s_param.contrast), 0, 255);
    s_param.flip = QueryInt(c->query, "flip", s_param.flip) & 3;
    s_param.speed = Clamp(QueryInt(c->query, "speed", s_param.speed), 1, 10);
    fp = fopen("/mnt/mtd/param.bin", "wb");
    if (fp) {
        fwrite(&s_param, sizeof(s_param), 1, fp);
        fclose(fp);
    }
    pthread_mutex_unlock(&s_lock);
    SendHead(c->fd, 200, "text/plain", 4);
    SendText(c->fd, "ok\r\n");
}

static void CgiMotor(CONN_S *c)
{
    static const int steps[] = { 0, 4, 8, 16, 32, 64 };
    int cmd = QueryInt(c->query, "command", 1);
    int deg = Clamp(QueryInt(c->query, "degree", 1), 0, 5);

    if (s_motorFd >= 0 && cmd >= 0 && cmd < 8)
        ioctl(s_motorFd, 0x4d00 + cmd, steps[deg] * s_param.speed);
    SendHead(c->fd, 200, "text/plain", 4);
    SendText(c->fd, "ok\r\n");
}

static const struct {
    const char *path;
    int level;
    void (*fn)(CONN_S *c);
} s_cgi[] = {
    { "/snapshot.cgi", 0, CgiSnapshot },
    { "/get_camera_params.cgi", 0, CgiGetParam },
    { "/camera_control.cgi", 1, CgiSetParam },
    { "/decoder_control.cgi", 1, CgiMotor },
};

static int ReadRequest(CONN_S *c)
{
    int n = 0, r;

    while (n < REQ_MAX) {
        r = recv(c->fd, c->req + n, REQ_MAX - n, 0);
        if (r <= 0)
            return -1;
        n += r;
        c->req[n] = '\0';
        if (strstr(c->req, "\r\n\r\n"))
            return n;
    }
    return -1;
}

static void *ConnThread(void *arg)
{
    CONN_S *c = arg;
    char *path, *e;
    unsigned i;

    c->req = malloc(REQ_MAX + 1);
    if (!c->req || ReadRequest(c) < 0)
        goto out;
    c->level = CheckAuth(c->req);
    if (c->level < 0) {
        SendHead(c->fd, 401, "text/html", 0);
        goto out;
    }
    if (strncmp(c->req, "GET ", 4))
        goto out;
    path = c->req + 4;
    e = strpbrk(path, " \r\n");
    if (!e)
        goto out;
    *e = '\0';
    c->query = strchr(path, '?');
    if (c->query)
        *c->query++ = '\0';
    for (i = 0; i < sizeof(s_cgi) / sizeof(s_cgi[0]); i++) {
        if (strcmp(path, s_cgi[i].path))
            continue;
        if (c->level < s_cgi[i].level)
            break;
        s_cgi[i].fn(c);
        goto out;
    }
    SendHead(c->fd, 404, "text/html", 0);
out:
    close(c->fd);
    free(c->req);
    free(c);
    return NULL;
}

static void LoadUsers(void)
{
    char line[128];
    FILE *fp = fopen("/mnt/mtd/users", "r");
    USER_S u;

    if (!fp)
        return;
    s_userNum = 0;
    while (s_userNum < MAX_USERS && fgets(line, sizeof(line), fp)) {
        memset(&u, 0, sizeof(u));
        if (sscanf(line, "%31s %31s %d", u.name, u.pwd, &u.level) == 3)
            s_users[s_userNum++] = u;
    }
    fclose(fp);
}

int main(void)
{
    struct sockaddr_in sa;
    socklen_t len;
    pthread_attr_t attr;
    pthread_t t;
    int ls, on = 1;

    signal(SIGPIPE, SIG_IGN);
    LoadUsers();
    s_motorFd = open("/dev/motor", O_RDWR);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(CGI_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 8) < 0)
        return 1;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (;;) {
        CONN_S *c = calloc(1, sizeof(*c));

        if (!c) {
            sleep(1);
            continue;
        }
        len = sizeof(c->peer);
        c->fd = accept(ls, (struct sockaddr *)&c->peer, &len);
        if (c->fd < 0 || pthread_create(&t, &attr, ConnThread, c)) {
            if (c->fd >= 0)
                close(c->fd);
            free(c);
        }
    }
}
