/* Web server of a small router: form handlers put values in nvram, the rc part of the main loop applies them.
 * The name of the time server reaches the shell: its check is only logged (benign: the form is refused). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#define HTTPD_PORT 80
#define NVRAM_MAX 48
#define REQ_MAX 4096

#define RC_LAN 0x01
#define RC_NTP 0x02
#define RC_WAN_MTU 0x04
#define RC_DIAG 0x08

#define F_GET 1
#define F_POST 2

struct webs_var {
    char *name;
    char *value;
    struct webs_var *next;
};

typedef struct webs_rec {
    int fd;
    int is_post;
    char path[128];
    char body[2048];
    struct webs_var *vars;
    int done;
} *webs_t;

struct nv_pair {
    char key[32];
    char val[128];
};

static struct nv_pair nvram_tab[NVRAM_MAX];
static int nvram_cnt;
static unsigned int rc_pending;
static int http_port = HTTPD_PORT;
static char req_buf[REQ_MAX];

/* ---- nvram ---- */
static const char *nvram_get(const char *key)
{
    int i;

    for (i = 0; i < nvram_cnt; i++)
        if (strcmp(nvram_tab[i].key, key) == 0)
            return nvram_tab[i].val;
    return "";
}

static int nvram_set(const char *key, const char *val)
{
    struct nv_pair *nv = NULL;
    int i;

    for (i = 0; i < nvram_cnt; i++)
        if (strcmp(nvram_tab[i].key, key) == 0)
            nv = &nvram_tab[i];
    if (nv == NULL) {
        if (nvram_cnt >= NVRAM_MAX)
            return -1;
        nv = &nvram_tab[nvram_cnt++];
        snprintf(nv->key, sizeof(nv->key), "%s", key);
    }
    if (strlen(val) >= sizeof(nv->val))
        return -1;
    strcpy(nv->val, val);
    return 0;
}

static int doSystem(const char *fmt, ...)
{
    char cmd[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(cmd))
        return -1;
    syslog(LOG_DEBUG, "doSystem: %s", cmd);
    return system(cmd);
}

/* ---- request variables ---- */
static int hexval(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower(c);
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static char *websUnescape(const char *s, size_t len)
{
    char *out = malloc(len + 1), *p = out;
    size_t i;

    if (out == NULL)
        return NULL;
    for (i = 0; i < len; i++) {
        if (s[i] == '+') {
            *p++ = ' ';
        } else if (s[i] == '%' && i + 2 < len && hexval(s[i + 1]) >= 0 && hexval(s[i + 2]) >= 0) {
            *p++ = (char)(hexval(s[i + 1]) << 4 | hexval(s[i + 2]));
            i += 2;
        } else {
            *p++ = s[i];
        }
    }
    *p = '\0';
    return out;
}

static void websAddVars(webs_t wp, const char *s)
{
    while (*s) {
        size_t n = strcspn(s, "&");
        const char *eq = memchr(s, '=', n);

        if (eq) {
            struct webs_var *v = malloc(sizeof(*v));

            if (v == NULL)
                return;
            v->name = websUnescape(s, (size_t)(eq - s));
            v->value = websUnescape(eq + 1, n - (size_t)(eq - s) - 1);
            v->next = wp->vars;
            wp->vars = v;
        }
        s += n;
        if (*s == '&')
            s++;
    }
}

static char *websGetVar(webs_t wp, const char *name, char *def)
{
    struct webs_var *v;

    for (v = wp->vars; v; v = v->next)
        if (v->name && v->value && strcmp(v->name, name) == 0)
            return v->value;
    return def;
}

static void websFree(webs_t wp)
{
    while (wp->vars) {
        struct webs_var *next = wp->vars->next;

        free(wp->vars->name);
        free(wp->vars->value);
        free(wp->vars);
        wp->vars = next;
    }
    close(wp->fd);
    free(wp);
}

static void websReply(webs_t wp, int code, const char *text)
{
    char out[512];
    int n = snprintf(out, sizeof(out), "HTTP/1.0 %d %s\r\nServer: GoForm\r\nContent-Type: text/html\r\n\r\n<html>%s</html>\n",
                     code, code == 200 ? "OK" : "Error", text);

    if (n > 0)
        send(wp->fd, out, n < (int)sizeof(out) ? (size_t)n : sizeof(out) - 1, MSG_NOSIGNAL);
    wp->done = 1;
}

static int isHostName(const char *s)
{
    size_t i;

    if (*s == '\0' || *s == '-' || *s == '.')
        return 0;
    for (i = 0; s[i]; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '.' ||
              s[i] == '-'))
            return 0;
    return i < 64;
}

/* ---- forms ---- */
static void formSetLan(webs_t wp, char *path)
{
    char *ip = websGetVar(wp, "lanIp", "192.168.1.1");
    char *mask = websGetVar(wp, "lanMask", "255.255.255.0");
    struct in_addr a, m;

    (void)path;
    if (inet_pton(AF_INET, ip, &a) != 1 || inet_pton(AF_INET, mask, &m) != 1) {
        websReply(wp, 400, "bad address");
        return;
    }
    nvram_set("lan_ip", ip);
    nvram_set("lan_mask", mask);
    rc_pending |= RC_LAN;
    websReply(wp, 200, "lan saved");
}

static void formSetTime(webs_t wp, char *path)
{
    char *server = websGetVar(wp, "ntpServer", "pool.ntp.org");
    char *zone = websGetVar(wp, "timeZone", "0");
    char num[16];

    if (!isHostName(server)) {
        syslog(LOG_WARNING, "%s: strange ntp server from form", path);
#ifdef BENIGN
        websReply(wp, 400, "bad server");
        return;
#endif
    }
    snprintf(num, sizeof(num), "%d", atoi(zone));
    nvram_set("ntp_zone", num);
    if (nvram_set("ntp_server", server) < 0) {
        websReply(wp, 400, "too long");
        return;
    }
    rc_pending |= RC_NTP;
    websReply(wp, 200, "time saved");
}

static void formSetMtu(webs_t wp, char *path)
{
    int mtu = atoi(websGetVar(wp, "mtu", "1500"));
    char num[16];

    (void)path;
    if (mtu < 576 || mtu > 1500)
        mtu = 1492;
    snprintf(num, sizeof(num), "%d", mtu);
    nvram_set("wan_mtu", num);
    rc_pending |= RC_WAN_MTU;
    websReply(wp, 200, "mtu saved");
}

static void formDiag(webs_t wp, char *path)
{
    char *host = websGetVar(wp, "pingAddr", "");

    (void)path;
    if (!isHostName(host)) {
        websReply(wp, 400, "bad host");
        return;
    }
    nvram_set("diag_host", host);
    rc_pending |= RC_DIAG;
    websReply(wp, 200, "started");
}

static const struct form_def {
    const char *name;
    void (*handler)(webs_t wp, char *path);
    int flags;
} form_tab[] = {
    {"setLan", formSetLan, F_POST},
    {"setSysTime", formSetTime, F_GET | F_POST},
    {"setWanMtu", formSetMtu, F_POST},
    {"diagPing", formDiag, F_GET | F_POST},
    {NULL, NULL, 0},
};

static void websDispatch(webs_t wp)
{
    const struct form_def *f;

    if (strncmp(wp->path, "/goform/", 8) == 0) {
        for (f = form_tab; f->name; f++) {
            if (strcmp(wp->path + 8, f->name) == 0 && (f->flags & (wp->is_post ? F_POST : F_GET))) {
                f->handler(wp, wp->path);
                break;
            }
        }
    }
    if (!wp->done)
        websReply(wp, 404, "not found");
}

/* ---- rc: applies what the forms have left in nvram ---- */
static void rc_service(void)
{
    unsigned int todo = rc_pending;

    rc_pending = 0;
    if (todo & RC_LAN)
        doSystem("ifconfig br0 %s netmask %s up", nvram_get("lan_ip"), nvram_get("lan_mask"));
    if (todo & RC_WAN_MTU)
        doSystem("ifconfig eth1 mtu %s", nvram_get("wan_mtu"));
    if (todo & RC_NTP) {
        system("killall -q ntpclient");
        doSystem("ntpclient -s -i 3600 -z %s -h %s >/dev/null 2>&1 &", nvram_get("ntp_zone"), nvram_get("ntp_server"));
    }
    if (todo & RC_DIAG)
        doSystem("ping -c 4 %s > /var/ping.log 2>&1 &", nvram_get("diag_host"));
}

static void websAccept(int lfd)
{
    int fd = accept(lfd, NULL, NULL), got = 0, n;
    char *line, *q, *body;
    struct timeval tv = {3, 0};
    webs_t wp;

    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    while (got < REQ_MAX - 1 && (n = recv(fd, req_buf + got, REQ_MAX - 1 - got, 0)) > 0) {
        got += n;
        req_buf[got] = '\0';
        body = strstr(req_buf, "\r\n\r\n");
        if (body) {
            char *cl = strcasestr(req_buf, "Content-Length:");
            if (cl == NULL || (int)strlen(body + 4) >= atoi(cl + 15))
                break;
        }
    }
    req_buf[got] = '\0';
    wp = calloc(1, sizeof(*wp));
    if (wp == NULL) {
        close(fd);
        return;
    }
    wp->fd = fd;
    wp->is_post = strncmp(req_buf, "POST ", 5) == 0;
    body = strstr(req_buf, "\r\n\r\n");
    if (body)
        snprintf(wp->body, sizeof(wp->body), "%s", body + 4);
    line = strtok(req_buf, "\r\n");
    line = line ? strchr(line, ' ') : NULL;
    if (line) {
        line++;
        line[strcspn(line, " ")] = '\0';
        q = strchr(line, '?');
        if (q) {
            *q++ = '\0';
            websAddVars(wp, q);
        }
        snprintf(wp->path, sizeof(wp->path), "%s", line);
        if (wp->is_post)
            websAddVars(wp, wp->body);
        websDispatch(wp);
    }
    websFree(wp);
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    int lfd, on = 1, opt;

    while ((opt = getopt(argc, argv, "p:")) != -1)
        if (opt == 'p')
            http_port = atoi(optarg);
    signal(SIGPIPE, SIG_IGN);
    openlog("goform", LOG_PID, LOG_DAEMON);
    nvram_set("ntp_server", "pool.ntp.org");
    nvram_set("lan_ip", "192.168.1.1");
    lfd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons((unsigned short)http_port);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    if (lfd < 0 || bind(lfd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(lfd, 8) < 0) {
        perror("httpd");
        return 1;
    }
    for (;;) {
        struct timeval tv = {1, 0};
        fd_set rd;

        FD_ZERO(&rd);
        FD_SET(lfd, &rd);
        if (select(lfd + 1, &rd, NULL, NULL, &tv) > 0 && FD_ISSET(lfd, &rd))
            websAccept(lfd);
        else if (rc_pending)
            rc_service();
    }
}
