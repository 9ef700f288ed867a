/* webui.c -- embedded web server of the two-port telephone adapter */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define HTTP_PORT  8088
#define MAX_VARS   24
#define LINE_PORTS 2

typedef struct webvar  { char *name, *value; } webvar_t;
typedef struct webs {
    int       sock;
    FILE     *out;
    char     *path;
    webvar_t  vars[MAX_VARS];
    int       nvars;
} webs_t;

struct fxs {
    char user[32];
    char server[64];
    int  codec;
    int  hooks;
} lines[LINE_PORTS] = {
    { "1001", "sip.example.net", 0, 0 },
    { "1002", "sip.example.net", 8, 0 },
};

static time_t boot_time;

static int xd(int c)
{
    return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

static void url_decode(char *s)
{
    char *d = s;

    for (; *s; s++) {
        if (*s == '%' && xd((unsigned char)s[1]) >= 0 && xd((unsigned char)s[2]) >= 0) {
            *d++ = (char)(xd((unsigned char)s[1]) << 4 | xd((unsigned char)s[2]));
            s += 2;
        } else {
            *d++ = *s == '+' ? ' ' : *s;
        }
    }
    *d = '\0';
}

static char *websGetVar(webs_t *wp, const char *name, char *dflt)
{
    int i;

    for (i = 0; i < wp->nvars; i++)
        if (strcmp(wp->vars[i].name, name) == 0)
            return wp->vars[i].value;
    return dflt;
}

static void websParseQuery(webs_t *wp, char *q)
{
    char *amp, *eq;

    while (q && *q && wp->nvars < MAX_VARS) {
        amp = strchr(q, '&');
        if (amp)
            *amp++ = '\0';
        eq = strchr(q, '=');
        if (eq) {
            *eq++ = '\0';
            url_decode(q);
            url_decode(eq);
            wp->vars[wp->nvars].name = q;
            wp->vars[wp->nvars].value = eq;
            wp->nvars++;
        }
        q = amp;
    }
}

static void websHeader(webs_t *wp, int code)
{
    fprintf(wp->out, "HTTP/1.0 %d %s\r\nServer: ata-web\r\n"
            "Content-Type: text/plain\r\n\r\n", code, code == 200 ? "OK" : "Error");
}

static void formStatus(webs_t *wp)
{
    int i;

    websHeader(wp, 200);
    fprintf(wp->out, "uptime %ld\n", (long)(time(NULL) - boot_time));
    for (i = 0; i < LINE_PORTS; i++)
        fprintf(wp->out, "line %d: %s@%s codec %d\n", i + 1,
                lines[i].user, lines[i].server, lines[i].codec);
}

static void formLine(webs_t *wp)
{
    int n = atoi(websGetVar(wp, "line", "1"));
    char *user = websGetVar(wp, "user", ""), *srv = websGetVar(wp, "server", "");

    if (n < 1 || n > LINE_PORTS || strlen(user) >= sizeof lines[0].user ||
        strlen(srv) >= sizeof lines[0].server) {
        websHeader(wp, 400);
        return;
    }
    if (*user)
        strcpy(lines[n - 1].user, user);
    if (*srv)
        strcpy(lines[n - 1].server, srv);
    lines[n - 1].codec = atoi(websGetVar(wp, "codec", "0"));
    websHeader(wp, 200);
    fprintf(wp->out, "saved\n");
}

static FILE *fetch_open(char *server, char *file, pid_t *pid)
{
    char cmd[256];

    *pid = 0;
    snprintf(cmd, sizeof cmd, "tftp -g -l /tmp/prov.cfg -r '%s' '%s' 2>&1", file, server);
    return popen(cmd, "r");
}

static void formProvision(webs_t *wp)
{
    char *server = websGetVar(wp, "tftp", "");
    char *file = websGetVar(wp, "file", "ata.cfg");
    char line[128];
    pid_t pid = 0;
    FILE *in;

    if (!*server || strlen(server) > 80 || strlen(file) > 80) {
        websHeader(wp, 400);
        return;
    }
    in = fetch_open(server, file, &pid);
    websHeader(wp, in ? 200 : 500);
    if (!in)
        return;
    while (fgets(line, sizeof line, in))
        fprintf(wp->out, "> %s", line);
    if (pid > 0) {
        fclose(in);
        waitpid(pid, NULL, 0);
    } else {
        pclose(in);
    }
}

static void formReboot(webs_t *wp)
{
    websHeader(wp, 200);
    fprintf(wp->out, "going down\n");
    fflush(wp->out);
    system("sync; reboot");
}

static struct {
    const char *url;
    void (*form)(webs_t *);
} forms[] = {
    { "/goform/status",    formStatus },
    { "/goform/line",      formLine },
    { "/goform/provision", formProvision },
    { "/goform/reboot",    formReboot },
};

static void websProcess(webs_t *wp, char *req)
{
    char *method, *uri, *q, *body;
    unsigned i;

    body = strstr(req, "\r\n\r\n");
    if (body) {
        *body = '\0';
        body += 4;
    }
    method = strtok(req, " ");
    uri = strtok(NULL, " \r\n");
    if (!method || !uri) {
        websHeader(wp, 400);
        return;
    }
    q = strchr(uri, '?');
    if (q)
        *q++ = '\0';
    wp->path = uri;
    websParseQuery(wp, q);
    if (strcmp(method, "POST") == 0)
        websParseQuery(wp, body);
    for (i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (strcmp(forms[i].url, uri) == 0) {
            forms[i].form(wp);
            return;
        }
    websHeader(wp, 404);
}

static void websAccept(int sock)
{
    char buf[4096];
    webs_t w;
    int got = 0, n;
    char *body, *cl;

    while (got < (int)sizeof buf - 1) {
        n = recv(sock, buf + got, sizeof buf - 1 - got, 0);
        if (n <= 0)
            break;
        got += n;
        buf[got] = '\0';
        body = strstr(buf, "\r\n\r\n");
        if (!body)
            continue;
        cl = strstr(buf, "Content-Length: ");
        if (!cl || buf + got - (body + 4) >= atoi(cl + 16))
            break;
    }
    if (got <= 0)
        return;
    buf[got] = '\0';
    memset(&w, 0, sizeof w);
    w.sock = sock;
    w.out = fdopen(dup(sock), "w");
    if (!w.out)
        return;
    websProcess(&w, buf);
    fclose(w.out);
}

int main(int argc, char *argv[])
{
    struct sockaddr_in me;
    struct timeval tmo = { 8, 0 };
    int port = HTTP_PORT, s, c, on = 1;

    if (argc == 3 && strcmp(argv[1], "-p") == 0)
        port = atoi(argv[2]);
    boot_time = time(NULL);
    signal(SIGPIPE, SIG_IGN);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(port);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 5) < 0) {
        perror("webui");
        return 1;
    }
    for (;;) {
        c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tmo, sizeof tmo);
        websAccept(c);
        close(c);
    }
}
