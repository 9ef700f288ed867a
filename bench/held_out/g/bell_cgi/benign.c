/* doorbell: /cgi-bin/event.cgi
 * The phone app posts its notification settings here.
 * Body: application/x-www-form-urlencoded, or text/xml from the older app.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define STATE_FILE "/mnt/config/event.conf"

typedef struct rule {
    char who[32];
    char tone[16];
    int  from, to;      /* minutes of day */
    int  enabled;
} rule_t;

typedef struct ctx {
    const char *method, *type, *uri;
    long length;
    rule_t rules[8];
    int nrules;
    int status;
    char note[80];
} ctx_t;

static void fail(ctx_t *c, int status, const char *note)
{
    c->status = status;
    snprintf(c->note, sizeof(c->note), "%s", note);
}

/* ------------------------------------------------ stored rules ------- */

static void rules_load(ctx_t *c)
{
    char line[128];
    FILE *f = fopen(STATE_FILE, "r");

    if (!f)
        return;
    while (c->nrules < 8 && fgets(line, sizeof(line), f)) {
        rule_t *r = &c->rules[c->nrules];
        memset(r, 0, sizeof(*r));
        if (sscanf(line, "%31[^,],%15[^,],%d,%d,%d", r->who, r->tone, &r->from, &r->to, &r->enabled) == 5)
            c->nrules++;
    }
    fclose(f);
}

static int rules_store(ctx_t *c)
{
    int i;
    FILE *f = fopen(STATE_FILE ".new", "w");

    if (!f)
        return -1;
    for (i = 0; i < c->nrules; i++)
        fprintf(f, "%s,%s,%d,%d,%d\n", c->rules[i].who, c->rules[i].tone,
                c->rules[i].from, c->rules[i].to, c->rules[i].enabled);
    fclose(f);
    return rename(STATE_FILE ".new", STATE_FILE);
}

static rule_t *rule_for(ctx_t *c, const char *who)
{
    int i;
    for (i = 0; i < c->nrules; i++)
        if (!strcmp(c->rules[i].who, who))
            return &c->rules[i];
    if (c->nrules >= 8)
        return NULL;
    memset(&c->rules[c->nrules], 0, sizeof(rule_t));
    snprintf(c->rules[c->nrules].who, sizeof(c->rules[0].who), "%s", who);
    return &c->rules[c->nrules++];
}

/* ------------------------------------------------ fields ------------- */

static int f_tone(rule_t *r, const char *v)
{
    static const char *tones[] = { "ding", "dong", "westminster", "silent" };
    unsigned i;
    for (i = 0; i < 4; i++)
        if (!strcmp(v, tones[i])) {
            strcpy(r->tone, tones[i]);
            return 0;
        }
    return -1;
}

static int f_minutes(const char *v)
{
    int h = 0, m = 0;
    if (sscanf(v, "%d:%d", &h, &m) != 2 || h < 0 || h > 23 || m < 0 || m > 59)
        return -1;
    return h * 60 + m;
}

static int f_from(rule_t *r, const char *v) { r->from = f_minutes(v); return r->from < 0 ? -1 : 0; }
static int f_to(rule_t *r, const char *v)   { r->to = f_minutes(v);   return r->to < 0 ? -1 : 0; }
static int f_on(rule_t *r, const char *v)   { r->enabled = *v == '1'; return 0; }

static const struct field {
    const char *name;
    int (*set)(rule_t *, const char *);
} fields[] = {
    { "tone", f_tone }, { "from", f_from }, { "to", f_to }, { "on", f_on },
};

static void apply_field(ctx_t *c, rule_t *r, const char *name, const char *value)
{
    unsigned i;
    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (!strcmp(fields[i].name, name)) {
            if (fields[i].set(r, value) < 0)
                fail(c, 400, "bad value");
            return;
        }
}

/* ------------------------------------------------ body parsers ------- */

static char *urldecode(char *s)
{
    char *r = s, *w = s, hex[3] = { 0 };
    for (; *r; r++) {
        if (*r == '%' && isxdigit((unsigned char)r[1]) && isxdigit((unsigned char)r[2])) {
            hex[0] = r[1];
            hex[1] = r[2];
            *w++ = (char)strtol(hex, NULL, 16);
            r += 2;
        } else {
            *w++ = *r == '+' ? ' ' : *r;
        }
    }
    *w = 0;
    return s;
}

static void clean_who(char *s)
{
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != ' ')
            *s = '_';
}

static void parse_form(ctx_t *c, char *body)
{
    rule_t *r = NULL;
    char *pair, *rest = body;

    while ((pair = strsep(&rest, "&"))) {
        char *v = strchr(pair, '=');
        if (!v)
            continue;
        *v++ = 0;
        urldecode(v);
        if (!strcmp(pair, "who")) {
            clean_who(v);
            r = rule_for(c, v);
        } else if (r) {
            apply_field(c, r, pair, v);
        }
    }
}

static char *tag(char *xml, const char *name, char **after)
{
    char open[24], close[24], *a, *b;

    snprintf(open, sizeof(open), "<%s>", name);
    snprintf(close, sizeof(close), "</%s>", name);
    if (!(a = strstr(xml, open)) || !(b = strstr(a, close)))
        return NULL;
    *b = 0;
    *after = b + strlen(close);
    return a + strlen(open);
}

static void parse_xml(ctx_t *c, char *body)
{
    char *after = body, *who = tag(body, "who", &after), *v;
    rule_t *r;
    unsigned i;

    if (!who)
        return fail(c, 400, "no <who>");
    clean_who(who);
    if (!(r = rule_for(c, who)))
        return fail(c, 507, "table full");
    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if ((v = tag(after, fields[i].name, &after)))
            apply_field(c, r, fields[i].name, v);
}

/* ------------------------------------------------ request ------------ */

static long body_read(char *dst, long n)
{
    long got = 0;
    while (got < n) {
        size_t k = fread(dst + got, 1, (size_t)(n - got), stdin);
        if (k == 0)
            break;
        got += (long)k;
    }
    dst[got] = 0;
    return got;
}

static void do_post(ctx_t *c)
{
    char body[1024];

    if (c->length <= 0 || c->length > (long)sizeof(body) - 1) {
        fail(c, 413, "body size");
        return;
    }
    if (body_read(body, c->length) != c->length) {
        fail(c, 400, "short body");
        return;
    }
    if (c->type && !strncasecmp(c->type, "text/xml", 8))
        parse_xml(c, body);
    else
        parse_form(c, body);
    if (c->status == 200 && rules_store(c) < 0)
        fail(c, 500, "flash");
}

static void do_get(ctx_t *c)
{
    c->status = 200;
}

static void ctx_init(ctx_t *c)
{
    const char *l = getenv("CONTENT_LENGTH");

    memset(c, 0, sizeof(*c));
    c->method = getenv("REQUEST_METHOD");
    c->type = getenv("CONTENT_TYPE");
    c->uri = getenv("REQUEST_URI");
    c->length = l ? strtol(l, NULL, 10) : 0;
    c->status = 200;
}

static void answer(const ctx_t *c)
{
    int i;

    printf("Status: %d\r\nContent-Type: text/xml\r\n\r\n<event status=\"%d\" note=\"%s\">\n",
           c->status, c->status, c->note);
    for (i = 0; i < c->nrules; i++)
        printf("  <rule who=\"%s\" tone=\"%s\" from=\"%d\" to=\"%d\" on=\"%d\"/>\n", c->rules[i].who,
               c->rules[i].tone, c->rules[i].from, c->rules[i].to, c->rules[i].enabled);
    printf("</event>\n");
    fflush(stdout);
}

int main(void)
{
    ctx_t c;

    ctx_init(&c);
    rules_load(&c);
    if (c.method && !strcmp(c.method, "POST"))
        do_post(&c);
    else if (c.method && !strcmp(c.method, "GET"))
        do_get(&c);
    else
        fail(&c, 405, "method");
    answer(&c);
    if (c.status == 200)
        system("killall -USR1 eventd");
    return 0;
}
