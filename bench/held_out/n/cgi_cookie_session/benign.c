/* login.cgi / status.cgi (one binary, linked twice) - ADSL router web UI */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <fcntl.h>
#include <time.h>
#include <sys/file.h>

#define SESS_FILE  "/var/run/web.sess"
#define SESS_IDLE  600

typedef struct {
    char   sid[40];
    char   lang[8];
    char   user[24];
    time_t seen;
} web_session_t;

static web_session_t g_sess;
static char g_sid[40];
static char g_lang[8] = "en";

static void out_head(const char *type)
{
    printf("Content-Type: %s\r\nPragma: no-cache\r\n\r\n", type);
}

static int sess_load(void)
{
    int fd = open(SESS_FILE, O_RDONLY);
    int ok;

    if (fd < 0)
        return 0;
    flock(fd, LOCK_SH);
    ok = read(fd, &g_sess, sizeof(g_sess)) == (ssize_t)sizeof(g_sess);
    close(fd);
    g_sess.sid[sizeof(g_sess.sid) - 1] = '\0';
    g_sess.user[sizeof(g_sess.user) - 1] = '\0';
    g_sess.lang[sizeof(g_sess.lang) - 1] = '\0';
    return ok;
}

static void sess_store(void)
{
    int fd = open(SESS_FILE, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0)
        return;
    flock(fd, LOCK_EX);
    write(fd, &g_sess, sizeof(g_sess));
    close(fd);
}

static void cookie_value(const char *name, char *dst, size_t cap)
{
    const char *c = getenv("HTTP_COOKIE");
    size_t nl = strlen(name);

    while (c && *c) {
        while (*c == ' ' || *c == ';')
            c++;
        if (strncasecmp(c, name, nl) == 0 && c[nl] == '=') {
            size_t n;

            c += nl + 1;
            n = strcspn(c, ";");
            if (n >= cap)
                n = cap - 1;
            memcpy(dst, c, n);
            dst[n] = '\0';
            return;
        }
        c = strchr(c, ';');
    }
}

static int query_is(const char *key, const char *val)
{
    const char *q = getenv("QUERY_STRING");
    size_t kl = strlen(key), vl = strlen(val);

    while (q && *q) {
        if (strncmp(q, key, kl) == 0 && q[kl] == '=' &&
            strncmp(q + kl + 1, val, vl) == 0 &&
            (q[kl + 1 + vl] == '&' || q[kl + 1 + vl] == '\0'))
            return 1;
        q = strchr(q, '&');
        if (q)
            q++;
    }
    return 0;
}

static void read_cookies(void)
{
    char sid[40] = "", lang[8] = "en";

    cookie_value("SESSIONID", sid, sizeof(sid));
    cookie_value("lang", lang, sizeof(lang));
    memcpy(g_sid, sid, sizeof(g_sid));
    memcpy(g_lang, lang, sizeof(g_lang));
}

static int logged_in(void)
{
    if (!sess_load() || !g_sid[0])
        return 0;
    if (strcmp(g_sid, g_sess.sid) != 0)
        return 0;
    if (time(NULL) - g_sess.seen > SESS_IDLE)
        return 0;
    g_sess.seen = time(NULL);
    sess_store();
    return 1;
}

static void new_sid(char *sid, size_t cap)
{
    unsigned char r[16] = { 0 };
    size_t i;
    FILE *f = fopen("/dev/urandom", "rb");

    if (f) {
        fread(r, 1, sizeof(r), f);
        fclose(f);
    }
    for (i = 0; i < sizeof(r) && 2 * i + 3 <= cap; i++)
        sprintf(sid + 2 * i, "%02x", r[i]);
}

static int stored_password(char *pw, int cap)
{
    FILE *f = fopen("/etc/web.pw", "r");

    if (!f)
        return 0;
    if (!fgets(pw, cap, f))
        pw[0] = '\0';
    fclose(f);
    pw[strcspn(pw, "\r\n")] = '\0';
    return pw[0] != '\0';
}

static void do_login(void)
{
    char body[128], want[64];
    size_t n = fread(body, 1, sizeof(body) - 1, stdin);
    char *pw;

    body[n] = '\0';
    pw = strstr(body, "pw=");
    if (!pw || !stored_password(want, sizeof(want))) {
        out_head("text/plain");
        puts("login failed");
        return;
    }
    pw += 3;
    pw[strcspn(pw, "&\r\n")] = '\0';
    if (strcmp(pw, want) != 0) {
        sleep(2);
        out_head("text/plain");
        puts("login failed");
        return;
    }
    memset(&g_sess, 0, sizeof(g_sess));
    new_sid(g_sess.sid, sizeof(g_sess.sid));
    strcpy(g_sess.user, "admin");
    memcpy(g_sess.lang, g_lang, sizeof(g_sess.lang));
    g_sess.seen = time(NULL);
    sess_store();
    printf("Set-Cookie: SESSIONID=%s; Path=/; HttpOnly\r\n", g_sess.sid);
    out_head("text/plain");
    puts("ok");
}

static void show_file(const char *title, const char *path)
{
    char line[200];
    FILE *f = fopen(path, "r");

    printf("[%s]\n", title);
    while (f && fgets(line, sizeof(line), f))
        fputs(line, stdout);
    if (f)
        fclose(f);
}

static void do_status(void)
{
    if (!logged_in()) {
        printf("Status: 302 Found\r\nLocation: /login_%s.html\r\n", strcmp(g_lang, "de") ? "en" : "de");
        out_head("text/html");
        return;
    }
    out_head("text/plain");
    printf("user %s\n", g_sess.user);
    if (query_is("view", "dsl"))
        show_file("dsl", "/proc/driver/dsl/status");
    else if (query_is("view", "lan"))
        show_file("lan", "/proc/net/dev");
    else
        show_file("system", "/proc/uptime");
}

int main(int argc, char **argv)
{
    const char *me = strrchr(argv[0], '/');

    me = me ? me + 1 : argv[0];
    read_cookies();
    if (strcmp(me, "login.cgi") == 0)
        do_login();
    else
        do_status();
    return 0;
}
