/* wlan.cgi: takes the wireless form by POST, keeps the fields in a list,
 * checks them by a table of rules and applies what was changed. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BODY_LIMIT 16384

typedef struct field_ {
    struct field_* next;
    char*          name;
    char*          value;
    int            valid;
} field;

typedef struct {
    field* first;
    field* last;
    int    count;
    int    bad;
} form;

typedef int (*rule_fn)(const char* value);
typedef struct {
    const char* name;
    rule_fn     check;
} rule;

/* ------------------------------------------------------------------ */

static char* copy_decoded(const char* from, const char* to)
{
    char* out = malloc((size_t)(to - from) + 1);
    char* o   = out;

    if (!out)
        return NULL;
    while (from < to) {
        if (*from == '+') {
            *o++ = ' ';
            from++;
        } else if (*from == '%' && to - from > 2 && isxdigit((unsigned char)from[1]) &&
                   isxdigit((unsigned char)from[2])) {
            char hex[3] = { from[1], from[2], 0 };
            *o++ = (char)strtol(hex, NULL, 16);
            from += 3;
        } else {
            *o++ = *from++;
        }
    }
    *o = 0;
    return out;
}

static void form_add(form* f, char* name, char* value)
{
    field* n = calloc(1, sizeof(field));

    if (!n || !name || !value) {
        free(n);
        free(name);
        free(value);
        return;
    }
    n->name  = name;
    n->value = value;
    if (f->last)
        f->last->next = n;
    else
        f->first = n;
    f->last = n;
    f->count++;
}

static void form_parse(form* f, const char* body, size_t len)
{
    const char* p   = body;
    const char* end = body + len;

    while (p < end) {
        const char* amp = memchr(p, '&', (size_t)(end - p));
        const char* eq;

        if (!amp)
            amp = end;
        eq = memchr(p, '=', (size_t)(amp - p));
        if (eq)
            form_add(f, copy_decoded(p, eq), copy_decoded(eq + 1, amp));
        p = amp + 1;
    }
}

static const field* form_field(const form* f, const char* name)
{
    const field* n;

    for (n = f->first; n; n = n->next)
        if (n->valid && !strcmp(n->name, name))
            return n;
    return NULL;
}

static void form_free(form* f)
{
    while (f->first) {
        field* n = f->first;

        f->first = n->next;
        free(n->name);
        free(n->value);
        free(n);
    }
}

/* ------------------------------------------------------------------ */

static int rule_channel(const char* v)
{
    int n = atoi(v);
    return n >= 0 && n <= 13 && strlen(v) < 3;
}

static int rule_flag(const char* v)
{
    return !strcmp(v, "0") || !strcmp(v, "1");
}

/* goes between single quotes below */
static int rule_text(const char* v)
{
    size_t n = strlen(v);

    if (n < 1 || n > 32)
        return 0;
    for (; *v; v++) {
        if (iscntrl((unsigned char)*v))
            return 0;
#ifdef BENIGN
        if (*v == '\'' || *v == '\\')
#else
        if (*v == '"' || *v == '\\')
#endif
            return 0;
    }
    return 1;
}

static int rule_key(const char* v)
{
    size_t n = strlen(v);

    return n == 64 && strspn(v, "0123456789abcdefABCDEF") == n;
}

static const rule rules[] = {
    { "ssid", rule_text },
    { "channel", rule_channel },
    { "hidden", rule_flag },
    { "enabled", rule_flag },
    { "pmk", rule_key },
};

static void form_check(form* f)
{
    field* n;
    size_t i;

    for (n = f->first; n; n = n->next) {
        for (i = 0; i < sizeof rules / sizeof rules[0]; i++)
            if (!strcmp(rules[i].name, n->name))
                n->valid = rules[i].check(n->value);
        if (!n->valid)
            f->bad++;
    }
}

/* ------------------------------------------------------------------ */

static int shell(const char* fmt, ...)
{
    va_list ap;
    char*   line;
    int     n, rc;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !(line = malloc((size_t)n + 1)))
        return -1;
    va_start(ap, fmt);
    vsnprintf(line, (size_t)n + 1, fmt, ap);
    va_end(ap);
    rc = system(line);
    free(line);
    return rc == -1 ? -1 : WEXITSTATUS(rc);
}

static int apply(const form* f)
{
    const field* n;
    int          failed = 0;

    if ((n = form_field(f, "enabled")) && n->value[0] == '0')
        return shell("ifconfig wlan0 down 2>/dev/null");
    if ((n = form_field(f, "channel")))
        failed += shell("iwconfig wlan0 channel %d 2>/dev/null", atoi(n->value)) != 0;
    if ((n = form_field(f, "hidden")))
        failed += shell("iwpriv wlan0 set HideSSID=%c 2>/dev/null", n->value[0] == '1' ? '1' : '0') != 0;
    if ((n = form_field(f, "ssid")))
        failed += shell("iwpriv wlan0 set SSID='%s' 2>/dev/null", n->value) != 0;
    if ((n = form_field(f, "pmk")))
        failed += shell("iwpriv wlan0 set PMK=%zu 2>/dev/null", strlen(n->value)) != 0;
    return failed;
}

static void html(const char* s)
{
    for (; *s; s++) {
        switch (*s) {
        case '<': fputs("&lt;", stdout); break;
        case '>': fputs("&gt;", stdout); break;
        case '&': fputs("&amp;", stdout); break;
        default: putchar(*s);
        }
    }
}

static void show(const form* f, int failed)
{
    const field* n;

    printf("Content-Type: text/html\r\n\r\n<ul>\n");
    for (n = f->first; n; n = n->next) {
        printf("<li class=%s>", n->valid ? "ok" : "bad");
        html(n->name);
        printf(": ");
        html(n->value);
        printf("\n");
    }
    printf("</ul><p>%d of %d refused, %d failed</p>\n", f->bad, f->count, failed);
}

static char* read_body(size_t* len)
{
    const char* text = getenv("CONTENT_LENGTH");
    long        want = text ? strtol(text, NULL, 10) : 0;
    char*       body;

    if (want <= 0 || want > BODY_LIMIT || !(body = malloc((size_t)want + 1)))
        return NULL;
    *len = fread(body, 1, (size_t)want, stdin);
    body[*len] = 0;
    return body;
}

int main(void)
{
    form        f      = { 0 };
    const char* method = getenv("REQUEST_METHOD");
    char*       body;
    size_t      len = 0;

    if (!method || strcmp(method, "POST") || !(body = read_body(&len))) {
        printf("Status: 405\r\nContent-Type: text/plain\r\n\r\nPOST only\n");
        return 0;
    }
    form_parse(&f, body, len);
    form_check(&f);
    show(&f, f.bad ? 0 : apply(&f));
    form_free(&f);
    free(body);
    return 0;
}
