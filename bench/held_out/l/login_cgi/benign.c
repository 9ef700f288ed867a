/* login.cgi for the EnviroLog data logger web pages */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>

#define SESS_DIR   "/var/run/web"
#define PASSWD     "/etc/web.passwd"
#define LOCK_FILE  "/var/run/web/lock"

struct account {
    char name[32];
    unsigned long hash;
    int level;
};

static unsigned long mix(const char *salt, const char *s)
{
    unsigned long h = 5381;
    int round;

    for (round = 0; round < 64; round++) {
        const char *p;
        for (p = salt; *p; p++)
            h = (h * 33 + (unsigned char)*p) & 0xffffffffUL;
        for (p = s; *p; p++)
            h = (h * 33 ^ (unsigned char)*p) & 0xffffffffUL;
    }
    return h;
}

static int find_account(const char *name, struct account *a)
{
    char row[96];
    FILE *f = fopen(PASSWD, "r");
    int hit = 0;

    if (!f)
        return 0;
    while (!hit && fgets(row, sizeof row, f)) {
        if (row[0] == '#')
            continue;
        if (sscanf(row, "%31[^:]:%lx:%d", a->name, &a->hash, &a->level) != 3)
            continue;
        hit = strcmp(a->name, name) == 0;
    }
    fclose(f);
    return hit;
}

static int locked_out(void)
{
    struct stat st;

    if (stat(LOCK_FILE, &st) != 0)
        return 0;
    if (time(NULL) - st.st_mtime > 60) {
        unlink(LOCK_FILE);
        return 0;
    }
    return st.st_size >= 5;
}

static void count_failure(void)
{
    int fd = open(LOCK_FILE, O_WRONLY | O_CREAT | O_APPEND, 0600);

    if (fd < 0)
        return;
    if (write(fd, ".", 1) != 1)
        perror("lock");
    close(fd);
}

static int random_token(char *out, size_t room)
{
    unsigned char r[8];
    size_t i;
    int fd = open("/dev/urandom", O_RDONLY);

    if (fd < 0)
        return -1;
    if (read(fd, r, sizeof r) != (ssize_t)sizeof r) {
        close(fd);
        return -1;
    }
    close(fd);
    for (i = 0; i < sizeof r && 2 * i + 2 < room; i++)
        snprintf(out + 2 * i, 3, "%02x", (unsigned)r[i]);
    return 0;
}

static int open_session(const struct account *a, char *token, size_t room)
{
    char path[80];
    FILE *f;

    if (random_token(token, room) < 0)
        return -1;
    mkdir(SESS_DIR, 0700);
    snprintf(path, sizeof path, "%s/s_%s", SESS_DIR, token);
    f = fopen(path, "w");
    if (!f)
        return -1;
    fprintf(f, "%s %d %ld\n", a->name, a->level, (long)time(NULL));
    return fclose(f);
}

static void redirect(const char *where, const char *cookie)
{
    printf("Status: 302 Found\r\n");
    if (cookie)
        printf("Set-Cookie: sid=%s; Path=/; HttpOnly\r\n", cookie);
    printf("Location: %s\r\n\r\n", where);
}

static void login_page(const char *why)
{
    printf("Content-Type: text/html\r\n\r\n<html><body>\n");
    printf("<h3>EnviroLog</h3><p>%s</p>\n", why);
    printf("<form method=post action=/cgi-bin/login.cgi>"
           "User <input name=user> Password <input name=pass type=password>"
           "<select name=lang><option>en<option>de<option>fr</select>"
           "<input type=submit></form></body></html>\n");
}

static void logout(void)
{
    const char *c = getenv("HTTP_COOKIE");
    char sid[20], path[80];

    c = c ? strstr(c, "sid=") : NULL;
    if (c && sscanf(c, "sid=%16[0-9a-f]", sid) == 1) {
        snprintf(path, sizeof path, "%s/s_%s", SESS_DIR, sid);
        unlink(path);
    }
    redirect("/index.html", NULL);
}

static int try_login(const char *form)
{
    char user[64], pass[64], lang[8];
    char token[20];
    struct account acc;

    strcpy(lang, "en");
    if (sscanf(form, "user=%63[^&]&pass=%63[^&]&lang=%7[a-z]", user, pass, lang) < 2)
        return -EINVAL;
    if (locked_out())
        return -EAGAIN;
    if (!find_account(user, &acc) || mix(acc.name, pass) != acc.hash) {
        count_failure();
        return -EACCES;
    }
    if (open_session(&acc, token, sizeof token) != 0)
        return -EIO;
    redirect(strcmp(lang, "de") == 0 ? "/de/main.html" :
             strcmp(lang, "fr") == 0 ? "/fr/main.html" : "/en/main.html", token);
    return 0;
}

static char *read_body(void)
{
    const char *cl = getenv("CONTENT_LENGTH");
    unsigned long n = cl ? strtoul(cl, NULL, 10) : 0;
    char *b;

    if (n == 0 || n > 2000)
        return NULL;
    b = malloc(n + 1);
    if (!b)
        return NULL;
    n = fread(b, 1, n, stdin);
    b[n] = '\0';
    b[strcspn(b, "\r\n")] = '\0';
    return b;
}

int main(void)
{
    const char *m = getenv("REQUEST_METHOD");
    const char *q = getenv("QUERY_STRING");
    char *form;

    if (m && strcasecmp(m, "GET") == 0) {
        if (q && strcmp(q, "logout") == 0)
            logout();
        else
            login_page("Please log in.");
        return 0;
    }
    form = read_body();
    if (!form) {
        login_page("Incomplete form.");
        return 0;
    }
    switch (try_login(form)) {
    case 0:
        break;
    case -EINVAL:
        login_page("Incomplete form.");
        break;
    case -EAGAIN:
        login_page("Too many attempts, wait one minute.");
        break;
    case -EACCES:
        login_page("Wrong name or password.");
        break;
    default:
        login_page("Internal error.");
    }
    free(form);
    return 0;
}
