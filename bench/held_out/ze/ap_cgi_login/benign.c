/*
 * admin.cgi of the ceiling access point
 *
 * Pages: login, logout, state, led.  The form arrives on standard input,
 * sessions are small files below /tmp/ap_sess.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>

#define FORM_MAX      4096
#define USER_MAX      32
#define PASS_MAX      64
#define SESS_DIR      "/tmp/ap_sess"
#define AUDIT_FILE    "/tmp/ap_audit.log"
#define ACCOUNT_FILE  "/etc/ap/accounts"

typedef struct {
    char *name;
    char *value;
} field;

static field fields[16];
static int   nfields;
static char  body[FORM_MAX + 1];

static const char *env(const char *name)
{
    const char *v = getenv(name);
    return v ? v : "";
}

static const char *get(const char *name)
{
    int i;
    for (i = 0; i < nfields; i++)
        if (strcmp(fields[i].name, name) == 0)
            return fields[i].value;
    return "";
}

static int xval(int c)
{
    return isdigit(c) ? c - '0' : (tolower(c) - 'a' + 10) & 15;
}

static char *decode(char *s)
{
    char *r = s, *w = s;

    while (*r) {
        if (*r == '+') {
            *w++ = ' ';
            r++;
        } else if (*r == '%' && isxdigit((unsigned char)r[1]) && isxdigit((unsigned char)r[2])) {
            *w++ = (char)(xval((unsigned char)r[1]) * 16 + xval((unsigned char)r[2]));
            r += 3;
        } else {
            *w++ = *r++;
        }
    }
    *w = '\0';
    return s;
}

static void read_form(void)
{
    long want = atol(env("CONTENT_LENGTH"));
    size_t got;
    char *p, *save;

    if (strcmp(env("REQUEST_METHOD"), "POST") != 0)
        return;
    if (want <= 0 || want > FORM_MAX)
        return;
    got = fread(body, 1, (size_t)want, stdin);
    body[got] = '\0';
    for (p = strtok_r(body, "&", &save); p && nfields < 16; p = strtok_r(NULL, "&", &save)) {
        char *eq = strchr(p, '=');

        if (eq == NULL)
            continue;
        *eq = '\0';
        fields[nfields].name = decode(p);
        fields[nfields].value = decode(eq + 1);
        nfields++;
    }
}

/* ---- audit trail ----------------------------------------------------- */

static void audit(const char *event, const char *user)
{
    char line[224];
    char stamp[32];
    time_t now = time(NULL);
    struct stat st;
    int fd;

    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", gmtime(&now));
    sprintf(line, "%s %.16s user=%s addr=%.45s agent=%.60s\n",
            stamp, event, user, env("REMOTE_ADDR"), env("HTTP_USER_AGENT"));
    if (stat(AUDIT_FILE, &st) == 0 && st.st_size > 65536)
        unlink(AUDIT_FILE);
    fd = open(AUDIT_FILE, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0)
        return;
    if (write(fd, line, strlen(line)) < 0)
        perror("audit");
    close(fd);
}

/* ---- accounts and sessions ------------------------------------------- */

static int check_account(const char *user, const char *pass)
{
    char line[160], u[40], p[80];
    FILE *f = fopen(ACCOUNT_FILE, "r");
    int found = 0;

    if (f == NULL)
        return 0;
    while (!found && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%39[^:]:%79[^\r\n]", u, p) == 2)
            found = strcmp(u, user) == 0 && strcmp(p, pass) == 0;
    }
    fclose(f);
    return found;
}

static unsigned long new_token(void)
{
    unsigned long t = 0;
    int fd = open("/dev/urandom", O_RDONLY);

    if (fd >= 0) {
        if (read(fd, &t, sizeof t) != (ssize_t)sizeof t)
            t = 0;
        close(fd);
    }
    return t;
}

static int session_file(char *path, size_t size)
{
    const char *c = strstr(env("HTTP_COOKIE"), "apsid=");
    char hex[17];
    size_t n = 0;

    if (c == NULL)
        return -1;
    for (c += 6; n < sizeof hex - 1 && isxdigit((unsigned char)*c); c++)
        hex[n++] = *c;
    hex[n] = '\0';
    if (n < 8)
        return -1;
    snprintf(path, size, "%s/%s", SESS_DIR, hex);
    return 0;
}

static int logged_in(void)
{
    char path[64];
    struct stat st;

    return session_file(path, sizeof path) == 0 && stat(path, &st) == 0 &&
           time(NULL) - st.st_mtime < 1800;
}

static void page(const char *extra, const char *text)
{
    printf("Content-Type: text/html\r\n%s\r\n<html><body>%s</body></html>\n", extra, text);
}

/* ---- pages ----------------------------------------------------------- */

static void page_login(void)
{
    const char *user = get("user"), *pass = get("pass");
    char path[64], cookie[80];
    unsigned long token;
    int fd;

    if (*user == '\0') {
        page("", "<form method=post><input name=user><input name=pass type=password></form>");
        return;
    }
    if (strlen(user) > USER_MAX || strlen(pass) > PASS_MAX) {
        page("", "Name or password too long");
        return;
    }
    if (!check_account(user, pass)) {
        audit("login-failed", user);
        page("", "Login failed");
        return;
    }
    token = new_token();
    mkdir(SESS_DIR, 0700);
    snprintf(path, sizeof path, "%s/%016lx", SESS_DIR, token);
    fd = token ? open(path, O_WRONLY | O_CREAT | O_EXCL, 0600) : -1;
    if (fd < 0) {
        page("", "No session");
        return;
    }
    close(fd);
    audit("login", user);
    snprintf(cookie, sizeof cookie, "Set-Cookie: apsid=%016lx; HttpOnly\r\n", token);
    page(cookie, "Welcome");
}

static void page_logout(void)
{
    char path[64];

    if (session_file(path, sizeof path) == 0)
        unlink(path);
    audit("logout", "-");
    page("Set-Cookie: apsid=; Max-Age=0\r\n", "Bye");
}

static void page_state(void)
{
    char text[128];
    double up = 0;
    FILE *f;

    if (!logged_in()) {
        page("", "Please log in");
        return;
    }
    f = fopen("/proc/uptime", "r");
    if (f) {
        if (fscanf(f, "%lf", &up) != 1)
            up = 0;
        fclose(f);
    }
    snprintf(text, sizeof text, "up %.0f s", up);
    page("", text);
}

static void page_led(void)
{
    FILE *f;

    if (!logged_in()) {
        page("", "Please log in");
        return;
    }
    f = fopen("/sys/class/leds/ap:blue/brightness", "w");
    if (f) {
        fputs(strcmp(get("led"), "on") == 0 ? "1" : "0", f);
        fclose(f);
    }
    page("", "LED set");
}

static const struct {
    const char *name;
    void      (*show)(void);
} pages[] = {
    { "login",  page_login  },
    { "logout", page_logout },
    { "state",  page_state  },
    { "led",    page_led    },
};

int main(void)
{
    const char *want;
    size_t i;

    read_form();
    want = get("page");
    if (*want == '\0')
        want = "login";
    for (i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcasecmp(pages[i].name, want) == 0) {
            pages[i].show();
            return 0;
        }
    }
    page("Status: 404 Not Found\r\n", "No such page");
    return 0;
}
