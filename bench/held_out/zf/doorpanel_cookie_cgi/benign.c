/*
 * panel.cgi - web pages of the door station.
 *
 *   ?page=login   POST  user=..&pin=..
 *   ?page=open    POST  relay=1
 *   ?page=calls   GET
 *   ?page=volume  POST  level=0..10
 *   ?page=logout
 *
 * A session is a file under /tmp/panel, its name is the user's.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SESSION_DIR   "/tmp/panel"
#define SESSION_TTL   1800
#define USERS_FILE    "/etc/panel/users"
#define CALLS_FILE    "/var/lib/panel/calls"
#define RELAY_GPIO    "/sys/class/gpio/gpio%d/value"
#define BODY_MAX      512

typedef struct {
    char     user[24];
    uint32_t key;
} session_t;

typedef struct {
    const char *name;
    int         needs_login;
    int         post_only;
    void      (*show)(session_t *s, const char *body);
} page_t;

static void panel_log(const char *fmt, ...)
{
    FILE *f = fopen("/var/log/panel.log", "a");
    const char *peer = getenv("REMOTE_ADDR");
    va_list ap;

    if (!f)
        return;
    fprintf(f, "%ld %.40s ", (long)time(NULL), peer ? peer : "-");
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fputc('\n', f);
    fclose(f);
}

static void head(const char *status, const char *extra)
{
    printf("Status: %s\r\nContent-Type: text/html; charset=utf-8\r\n%s\r\n"
           "<!DOCTYPE html><title>Door station</title>\n", status, extra ? extra : "");
}

/* Copies the value of key from a=b&c=d; no decoding, our values have no
 * need of it. */
static int arg_get(const char *s, const char *key, char *out, size_t size)
{
    size_t klen = strlen(key), n;

    while (s && *s) {
        const char *next = strchr(s, '&');

        if (!strncmp(s, key, klen) && s[klen] == '=') {
            s += klen + 1;
            n = next ? (size_t)(next - s) : strlen(s);
            if (n >= size)
                return -1;
            memcpy(out, s, n);
            out[n] = '\0';
            return 0;
        }
        s = next ? next + 1 : NULL;
    }
    return -1;
}

static int name_ok(const char *s)
{
    if (!*s)
        return 0;
    for (; *s; s++)
        if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s))
            return 0;
    return 1;
}

static void session_path(char *out, size_t size, const char *user)
{
    snprintf(out, size, SESSION_DIR "/%s", user);
}

static int session_new(session_t *s, const char *user)
{
    char path[64];
    FILE *f;

    f = fopen("/dev/urandom", "rb");
    if (!f || fread(&s->key, sizeof(s->key), 1, f) != 1) {
        if (f)
            fclose(f);
        return -1;
    }
    fclose(f);
    snprintf(s->user, sizeof(s->user), "%s", user);
    mkdir(SESSION_DIR, 0700);
    session_path(path, sizeof(path), s->user);
    f = fopen(path, "w");
    if (!f)
        return -1;
    fprintf(f, "%08x\n", s->key);
    fclose(f);
    return 0;
}

/* Cookie: uid=<name>; key=<8 hex digits> */
static int session_find(session_t *s)
{
    const char *cookie = getenv("HTTP_COOKIE");
    char uid[24], key[16], path[64];
    unsigned stored = 0;
    struct stat st;
    FILE *f;
    int n;

    if (!cookie || !(cookie = strstr(cookie, "uid=")))
        return 0;
    if (sscanf(cookie, "uid=%23[^;]; key=%15s", uid, key) != 2 || !name_ok(uid))
        return 0;
    session_path(path, sizeof(path), uid);
    if (stat(path, &st) < 0 || time(NULL) - st.st_mtime > SESSION_TTL)
        return 0;
    f = fopen(path, "r");
    if (!f)
        return 0;
    n = fscanf(f, "%8x", &stored);
    fclose(f);
    if (n != 1 || stored != (unsigned)strtoul(key, NULL, 16))
        return 0;
    snprintf(s->user, sizeof(s->user), "%s", uid);
    s->key = stored;
    return 1;
}

static int pin_ok(const char *user, const char *pin)
{
    char name[24], stored[16];
    FILE *f = fopen(USERS_FILE, "r");
    int ok = 0;

    if (!f)
        return 0;
    while (!ok && fscanf(f, "%23s %15s", name, stored) == 2)
        ok = !strcmp(name, user) && !strcmp(stored, pin);
    fclose(f);
    return ok;
}

static void show_login(session_t *s, const char *body)
{
    char user[24], pin[16], cookie[128];

    if (arg_get(body, "user", user, sizeof(user)) || arg_get(body, "pin", pin, sizeof(pin))
        || !name_ok(user) || !pin_ok(user, pin) || session_new(s, user)) {
        panel_log("login refused");
        sleep(2);
        head("403 Forbidden", NULL);
        printf("<p>Wrong name or PIN</p>\n");
        return;
    }
    snprintf(cookie, sizeof(cookie), "Set-Cookie: uid=%s\r\nSet-Cookie: key=%08x\r\n",
             s->user, s->key);
    head("200 OK", cookie);
    printf("<p>Hello %s</p><a href='?page=calls'>Calls</a>\n", s->user);
}

static void show_open(session_t *s, const char *body)
{
    char arg[8], path[64];
    int relay;
    FILE *f;

    relay = arg_get(body, "relay", arg, sizeof(arg)) ? 1 : atoi(arg);
    if (relay < 1 || relay > 2) {
        head("400 Bad Request", NULL);
        return;
    }
    snprintf(path, sizeof(path), RELAY_GPIO, 40 + relay);
    f = fopen(path, "w");
    if (f) {
        fputs("1\n", f);
        fflush(f);
        sleep(3);
        fputs("0\n", f);
        fclose(f);
    }
    panel_log("door %d opened by %s", relay, s->user);
    head("200 OK", NULL);
    printf("<p>Door %d was open for three seconds</p>\n", relay);
}

static void show_calls(session_t *s, const char *body)
{
    char line[128];
    FILE *f = fopen(CALLS_FILE, "r");
    char *p;

    (void)s;
    (void)body;
    head("200 OK", NULL);
    printf("<ul>\n");
    while (f && fgets(line, sizeof(line), f)) {
        printf("<li>");
        for (p = line; *p && *p != '\n'; p++)
            putchar(*p == '<' || *p == '&' ? '?' : *p);
        printf("</li>\n");
    }
    printf("</ul>\n");
    if (f)
        fclose(f);
}

static void show_volume(session_t *s, const char *body)
{
    char arg[8];
    int level = arg_get(body, "level", arg, sizeof(arg)) ? -1 : atoi(arg);
    FILE *f;

    (void)s;
    if (level < 0 || level > 10 || !(f = fopen("/etc/panel/volume", "w"))) {
        head("400 Bad Request", NULL);
        return;
    }
    fprintf(f, "%d\n", level);
    fclose(f);
    head("200 OK", NULL);
    printf("<p>Volume %d</p>\n", level);
}

static void show_logout(session_t *s, const char *body)
{
    char path[64];

    (void)body;
    session_path(path, sizeof(path), s->user);
    unlink(path);
    head("200 OK", "Set-Cookie: key=0; Max-Age=0\r\n");
    printf("<p>Good bye</p>\n");
}

static const page_t pages[] = {
    { "login",  0, 1, show_login  },
    { "open",   1, 1, show_open   },
    { "calls",  1, 0, show_calls  },
    { "volume", 1, 1, show_volume },
    { "logout", 1, 0, show_logout },
};

int main(void)
{
    const char *method = getenv("REQUEST_METHOD");
    const char *length = getenv("CONTENT_LENGTH");
    char body[BODY_MAX + 1] = "", page[16];
    session_t session;
    size_t i, len;

    memset(&session, 0, sizeof(session));
    if (method && !strcmp(method, "POST") && length) {
        len = strtoul(length, NULL, 10);
        if (len > BODY_MAX)
            len = BODY_MAX;
        len = fread(body, 1, len, stdin);
        body[len] = '\0';
    }
    if (arg_get(getenv("QUERY_STRING"), "page", page, sizeof(page)))
        strcpy(page, "calls");
    for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(pages[i].name, page) != 0)
            continue;
        if (pages[i].needs_login && !session_find(&session)) {
            head("401 Unauthorized", NULL);
            printf("<p>Please log in</p>\n");
            return 0;
        }
        if (pages[i].post_only && (!method || strcmp(method, "POST") != 0)) {
            head("405 Method Not Allowed", NULL);
            return 0;
        }
        pages[i].show(&session, body);
        return 0;
    }
    head("404 Not Found", NULL);
    return 0;
}
