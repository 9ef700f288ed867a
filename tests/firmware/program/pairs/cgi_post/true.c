/*
 * apply.cgi: a CGI program of an access point. The form arrives on stdin (CONTENT_LENGTH says how long), the
 * session in a cookie; fields are decoded into a table and pages act on them.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FIELDS 40

struct field {
    char *name;
    char *value;
};

struct form {
    struct field field[FIELDS];
    int count;
};

struct page {
    const char *action;
    void (*apply)(const struct form *);
};

static int hex(int c)
{
    return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : 0;
}

static char *decode(char *s)
{
    char *r = s, *w = s;
    for (; *r; r++) {
        if (*r == '+') {
            *w++ = ' ';
        } else if (*r == '%' && r[1] && r[2]) {
            *w++ = (char)(hex((unsigned char)r[1]) * 16 + hex((unsigned char)r[2]));
            r += 2;
        } else {
            *w++ = *r;
        }
    }
    *w = 0;
    return s;
}

static void split(struct form *f, char *text)
{
    char *save, *pair;
    for (pair = strtok_r(text, "&", &save); pair && f->count < FIELDS; pair = strtok_r(NULL, "&", &save)) {
        char *eq = strchr(pair, '=');
        if (!eq)
            continue;
        *eq = 0;
        f->field[f->count].name = decode(pair);
        f->field[f->count].value = decode(eq + 1);
        f->count++;
    }
}

static const char *get(const struct form *f, const char *name, const char *otherwise)
{
    for (int i = 0; i < f->count; i++)
        if (!strcmp(f->field[i].name, name))
            return f->field[i].value;
    return otherwise;
}

static void copy_value(char *to, size_t size, const char *from)
{
    size_t i;
    for (i = 0; i + 1 < size && from[i]; i++) {
#ifdef BENIGN
        unsigned char c = (unsigned char)from[i];
        if (!isalnum(c) && c != '.' && c != '/')
            break;
#endif
        to[i] = from[i];
    }
    to[i] = 0;
}

static void page_time(const struct form *f)
{
    char server[72], zone[40], line[200];
    copy_value(server, sizeof server, get(f, "ntp_server", "pool.ntp.org"));
    copy_value(zone, sizeof zone, get(f, "zone", "UTC"));
    snprintf(line, sizeof line, "echo %s > /etc/TZ; ntpclient -s -h %s", zone, server);
    if (system(line) == 0)
        printf("<p>time is set</p>\n");
    else
        printf("<p>no answer from the server</p>\n");
}

static void page_lan(const struct form *f)
{
    int a = atoi(get(f, "a", "192")), b = atoi(get(f, "b", "168")), c = atoi(get(f, "c", "0")), d = atoi(get(f, "d", "1"));
    char line[96];
    if (a < 1 || a > 223 || b < 0 || b > 255 || c < 0 || c > 255 || d < 1 || d > 254) {
        printf("<p>bad address</p>\n");
        return;
    }
    snprintf(line, sizeof line, "ifconfig br0 %d.%d.%d.%d netmask 255.255.255.0", a, b, c, d);
    system(line);
    printf("<p>br0 is %d.%d.%d.%d</p>\n", a, b, c, d);
}

static void page_name(const struct form *f)
{
    const char *name = get(f, "name", "ap");
    FILE *out = fopen("/etc/device.name", "w");
    if (!out)
        return;
    fprintf(out, "%s\n", name);
    fclose(out);
    printf("<p>renamed</p>\n");
}

static void page_restart(const struct form *f)
{
    (void)f;
    printf("<p>restarting</p>\n");
    fflush(stdout);
    system("reboot &");
}

static const struct page pages[] = {
    {"time", page_time}, {"lan", page_lan}, {"name", page_name}, {"restart", page_restart},
};

static int session_valid(void)
{
    const char *cookie = getenv("HTTP_COOKIE");
    char want[40] = "";
    FILE *f = fopen("/tmp/session", "r");
    int ok = 0;
    if (f) {
        if (fgets(want, sizeof want, f)) {
            want[strcspn(want, "\n")] = 0;
            ok = cookie && want[0] && strstr(cookie, want) != NULL;
        }
        fclose(f);
    }
    return ok;
}

static char *read_body(void)
{
    const char *length = getenv("CONTENT_LENGTH");
    size_t size = length ? (size_t)strtoul(length, NULL, 10) : 0;
    char *body;
    if (size == 0 || size > 16384)
        return NULL;
    body = malloc(size + 1);
    if (!body)
        return NULL;
    size = fread(body, 1, size, stdin);
    body[size] = 0;
    return body;
}

int main(void)
{
    static struct form form;
    const char *method = getenv("REQUEST_METHOD"), *action;
    char *body;
    printf("Content-Type: text/html\r\n\r\n<html><body>\n");
    if (!method || strcmp(method, "POST") != 0) {
        printf("<p>POST only</p></body></html>\n");
        return 0;
    }
    body = read_body();
    if (!body) {
        printf("<p>empty form</p></body></html>\n");
        return 0;
    }
    split(&form, body);
    action = get(&form, "action", "");
    if (strcmp(action, "time") != 0 && !session_valid()) {
        printf("<p>log in first</p></body></html>\n");
        return 0;
    }
    for (unsigned i = 0; i < sizeof pages / sizeof *pages; i++)
        if (!strcmp(pages[i].action, action))
            pages[i].apply(&form);
    printf("<hr>%ld</body></html>\n", (long)time(NULL));
    free(body);
    return 0;
}
