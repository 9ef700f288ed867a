/*******************************************************************
 * sess.cgi - session and login pages of the 8-port managed switch
 *
 * The session id travels in the cookie "sid", the state of a session
 * in a small file named after it.
 *******************************************************************/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>

#define SESS_DIR     "/tmp/sess/"
#define SESS_EXT     ".ses"
#define SID_LEN      32
#define IDLE_MAX     600
#define COOKIE_MAX   2048
#define BODY_MAX     1024

typedef struct {
    long  stamp;
    int   level;              /* 0 nobody, 1 monitor, 2 admin */
    int   page;
    char  user[16];
} Session;

typedef struct {
    char user[16];
    char pass[16];
    int  level;
} Account;

static const Account accounts[] = {
    { "admin",   "switch8",  2 },
    { "monitor", "look",     1 },
};

static char sid[COOKIE_MAX];
static Session sess;

/* ------------------------------------------------------- utilities */
static const char *Env(const char *name)
{
    const char *v = getenv(name);
    return v ? v : "";
}

static void Head(const char *extra)
{
    printf("Content-Type: text/html\r\n%s\r\n", extra);
}

static void Message(const char *text)
{
    Head("");
    printf("<html><body><p>%s</p><a href=\"/login.htm\">Login</a></body></html>\n", text);
}

static void NewSid(char *out)
{
    unsigned char rnd[SID_LEN / 2];
    FILE *fp = fopen("/dev/urandom", "rb");
    int i;

    memset(rnd, 0, sizeof rnd);
    if (fp) {
        if (fread(rnd, 1, sizeof rnd, fp) != sizeof rnd)
            rnd[0] = (unsigned char)time(NULL);
        fclose(fp);
    }
    for (i = 0; i < SID_LEN / 2; i++)
        sprintf(out + 2 * i, "%02x", rnd[i]);
}

/* --------------------------------------------------------- cookies */
/* a session id is made of hex digits, anything else never reaches a path */
static int SidValid(const char *s)
{
    return *s && s[strspn(s, "0123456789abcdef")] == '\0';
}

static int CookieSid(char *out, size_t cap)
{
    static char jar[COOKIE_MAX];
    char *tok;

    snprintf(jar, sizeof jar, "%s", Env("HTTP_COOKIE"));
    for (tok = strtok(jar, "; "); tok; tok = strtok(NULL, "; ")) {
        if (strncmp(tok, "sid=", 4) != 0)
            continue;
        if (!SidValid(tok + 4))
            return 0;
        snprintf(out, cap, "%s", tok + 4);
        return 1;
    }
    return 0;
}

/* -------------------------------------------------------- sessions */
static FILE *SessOpen(const char *id, const char *mode)
{
    char path[64];

    strcpy(path, SESS_DIR);
    strcat(path, id);
    strcat(path, SESS_EXT);
    return fopen(path, mode);
}

static int SessLoad(void)
{
    FILE *fp = SessOpen(sid, "r");
    int n;

    if (!fp)
        return 0;
    n = fscanf(fp, "%ld %d %d %15s", &sess.stamp, &sess.level, &sess.page, sess.user);
    fclose(fp);
    return n == 4 && time(NULL) - sess.stamp <= IDLE_MAX;
}

static int SessStore(void)
{
    FILE *fp = SessOpen(sid, "w");

    if (!fp)
        return 0;
    sess.stamp = (long)time(NULL);
    fprintf(fp, "%ld %d %d %s\n", sess.stamp, sess.level, sess.page, sess.user);
    return fclose(fp) == 0;
}

/* ------------------------------------------------------------ form */
static char body[BODY_MAX + 1];

static void ReadBody(void)
{
    long n = strtol(Env("CONTENT_LENGTH"), NULL, 10);

    if (n <= 0 || n > BODY_MAX)
        return;
    n = (long)fread(body, 1, (size_t)n, stdin);
    body[n] = '\0';
}

static int Field(const char *name, char *out, size_t cap)
{
    size_t nl = strlen(name), vl;
    const char *p = body;

    while (*p) {
        if (strncmp(p, name, nl) == 0 && p[nl] == '=') {
            p += nl + 1;
            vl = strcspn(p, "&");
            if (vl >= cap)
                return 0;
            memcpy(out, p, vl);
            out[vl] = '\0';
            return 1;
        }
        p += strcspn(p, "&");
        if (*p)
            p++;
    }
    return 0;
}

/* ----------------------------------------------------------- pages */
static void PageLogin(void)
{
    char user[16], pass[16], cookie[96];
    size_t i;

    if (!Field("user", user, sizeof user) || !Field("pass", pass, sizeof pass)) {
        Message("Missing field");
        return;
    }
    for (i = 0; i < sizeof accounts / sizeof accounts[0]; i++) {
        if (strcmp(accounts[i].user, user) || strcmp(accounts[i].pass, pass))
            continue;
        memset(&sess, 0, sizeof sess);
        NewSid(sid);
        sess.level = accounts[i].level;
        strcpy(sess.user, accounts[i].user);
        if (!SessStore()) {
            Message("Storage error");
            return;
        }
        snprintf(cookie, sizeof cookie, "Set-Cookie: sid=%.32s; HttpOnly\r\n", sid);
        Head(cookie);
        printf("<html><body>Welcome %s</body></html>\n", sess.user);
        return;
    }
    Message("Login failed");
}

static void PageLogout(void)
{
    sess.level = 0;
    sess.page = 0;
    SessStore();
    Message("Goodbye");
}

static void PagePorts(void)
{
    int p;

    Head("");
    printf("<html><body><h3>Ports (%s)</h3><table>", sess.user);
    for (p = 1; p <= 8; p++) {
        char f[64];
        int speed = 0;
        FILE *fp;

        snprintf(f, sizeof f, "/sys/class/net/lan%d/speed", p);
        fp = fopen(f, "r");
        if (fp) {
            if (fscanf(fp, "%d", &speed) != 1)
                speed = 0;
            fclose(fp);
        }
        printf("<tr><td>%d</td><td>%d</td></tr>", p, speed);
    }
    printf("</table></body></html>\n");
    sess.page = 1;
    SessStore();
}

static void PageName(void)
{
    char name[32];
    FILE *fp;
    char *c;

    if (!Field("name", name, sizeof name)) {
        Message("Name too long");
        return;
    }
    for (c = name; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '-';
    fp = fopen("/tmp/switch.name", "w");
    if (fp) {
        fprintf(fp, "%s\n", name);
        fclose(fp);
    }
    sess.page = 2;
    SessStore();
    Message("Saved");
}

static const struct {
    const char *path;
    int   level;
    void (*show)(void);
} pages[] = {
    { "/login",  0, PageLogin  },
    { "/logout", 1, PageLogout },
    { "/ports",  1, PagePorts  },
    { "/name",   2, PageName   },
};

int main(void)
{
    const char *path = Env("PATH_INFO");
    size_t i;

    mkdir(SESS_DIR, 0700);
    ReadBody();
    for (i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(pages[i].path, path) != 0)
            continue;
        if (pages[i].level > 0) {
            if (!CookieSid(sid, sizeof sid) || !SessLoad()) {
                Message("Session expired");
                return 0;
            }
            if (sess.level < pages[i].level) {
                Message("Not allowed");
                return 0;
            }
        }
        pages[i].show();
        return 0;
    }
    Message("No such page");
    return 0;
}
