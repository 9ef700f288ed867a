/* apply.cgi - wireless page of the access point (runs under the web server) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <ctype.h>
#include <time.h>

#define NV_FILE "/etc/nvram.txt"
#define NV_MAX 64
#define BODY_MAX 4096

struct nv { char k[32]; char v[96]; };
static struct nv nv_tab[NV_MAX];
static int nv_cnt, nv_dirty;

struct field { char *name; char *value; struct field *next; };
static struct field *form;

/* --- nvram --------------------------------------------------------- */
static struct nv *nv_slot(const char *k)
{
    int i;
    for (i = 0; i < nv_cnt; i++)
        if (!strcmp(nv_tab[i].k, k)) return &nv_tab[i];
    return NULL;
}

char *nvram_get(const char *k)
{
    struct nv *e = nv_slot(k);
    return e ? e->v : "";
}

void nvram_set(const char *k, const char *v)
{
    struct nv *e = nv_slot(k);
    if (!e) {
        if (nv_cnt >= NV_MAX) return;
        e = &nv_tab[nv_cnt++];
        snprintf(e->k, sizeof e->k, "%s", k);
    }
    snprintf(e->v, sizeof e->v, "%s", v);
    nv_dirty = 1;
}

static void nvram_load(void)
{
    char line[160], *eq;
    FILE *f = fopen(NV_FILE, "r");
    if (!f) return;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if ((eq = strchr(line, '=')) == NULL) continue;
        *eq = 0;
        /* wireless keys are read by wland itself, never by this page */
        if (!strncmp(line, "lan_", 4) || !strcmp(line, "country") || !strcmp(line, "led"))
            nvram_set(line, eq + 1);
    }
    fclose(f);
    nv_dirty = 0;
}

static void nvram_commit(void)
{
    FILE *f;
    int i;
    if (!nv_dirty || !(f = fopen(NV_FILE ".new", "w"))) return;
    for (i = 0; i < nv_cnt; i++)
        fprintf(f, "%s=%s\n", nv_tab[i].k, nv_tab[i].v);
    fclose(f);
    rename(NV_FILE ".new", NV_FILE);
}

/* --- form ---------------------------------------------------------- */
static int hexval(int c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = tolower(c);
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

static void url_decode(char *s)
{
    char *d = s;
    while (*s) {
        if (*s == '+') { *d++ = ' '; s++; }
        else if (*s == '%' && hexval(s[1]) >= 0 && hexval(s[2]) >= 0) {
            *d++ = (char)(hexval(s[1]) << 4 | hexval(s[2]));
            s += 3;
        } else *d++ = *s++;
    }
    *d = 0;
}

/* printable, nothing the shell would touch inside double quotes */
static int safe_text(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 32 || (unsigned char)*s > 126 || strchr("`$\"\\;|&<>'!", *s))
            return 0;
    return 1;
}

static void add_field(char *name, char *value)
{
    struct field *f;
    url_decode(name);
    url_decode(value);
    if (!safe_text(value)) return;
    f = malloc(sizeof *f);
    if (!f) return;
    f->name = name;
    f->value = value;
    f->next = form;
    form = f;
}

static void parse_form(char *s)
{
    char *pair, *eq;
    while (s && (pair = strsep(&s, "&")) != NULL) {
        eq = strchr(pair, '=');
        if (!eq) continue;
        *eq = 0;
        add_field(pair, eq + 1);
    }
}

static const char *field(const char *name)
{
    struct field *f;
    for (f = form; f; f = f->next)
        if (!strcmp(f->name, name)) return f->value;
    return NULL;
}

static char *read_body(void)
{
    const char *cl = getenv("CONTENT_LENGTH"), *m = getenv("REQUEST_METHOD");
    long n = cl ? strtol(cl, NULL, 10) : 0;
    char *b;
    if (!m || strcmp(m, "POST") || n <= 0 || n > BODY_MAX) return NULL;
    b = malloc((size_t)n + 1);
    if (!b) return NULL;
    n = (long)fread(b, 1, (size_t)n, stdin);
    b[n] = 0;
    return b;
}

/* --- actions ------------------------------------------------------- */
static int doit(const char *fmt, ...)
{
    char cmd[256];
    va_list ap;
    int n;
    va_start(ap, fmt);
    n = vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof cmd) return -1;
    return system(cmd);
}

static void page(const char *msg)
{
    printf("Content-Type: text/html\r\nCache-Control: no-store\r\n\r\n"
           "<html><body><p>%s</p><p>%ld</p></body></html>\n", msg, (long)time(NULL));
}

static int act_basic(void)
{
    const char *ssid = field("ssid"), *ch = field("channel");
    int c = ch ? atoi(ch) : 0;
    if (!ssid || !*ssid || strlen(ssid) > 64) return -1;
    nvram_set("wl_ssid", ssid);
    if (c >= 1 && c <= 13) {
        char num[8];
        snprintf(num, sizeof num, "%d", c);
        nvram_set("wl_channel", num);
    }
    return 0;
}

static int act_led(void)
{
    const char *v = field("led");
    if (!v) return -1;
    nvram_set("led", !strcmp(v, "on") ? "1" : "0");
    return doit("echo %d > /sys/class/leds/wlan/brightness", !strcmp(v, "on"));
}

static int act_country(void)
{
    const char *v = field("cc");
    if (!v || strlen(v) != 2 || !isalpha((unsigned char)v[0]) || !isalpha((unsigned char)v[1])) return -1;
    nvram_set("country", v);
    return 0;
}

static int act_apply(void)
{
    char *ssid = nvram_get("wl_ssid"), *ch = nvram_get("wl_channel");
    int rc = 0;
    if (*ch) rc |= doit("iwconfig ath0 channel %d", atoi(ch));
    if (*ssid) rc |= doit("iwconfig ath0 essid \"%s\"", ssid);
    return rc;
}

static const struct action { const char *name; int (*fn)(void); int apply; } actions[] = {
    { "basic", act_basic, 1 },
    { "country", act_country, 0 },
    { "led", act_led, 0 },
    { NULL, NULL, 0 }
};

int main(void)
{
    char *qs = getenv("QUERY_STRING"), *body;
    const char *act = NULL;
    const struct action *a;
    int rc = -1;

    nvram_load();
    if (qs && *qs) parse_form(strdup(qs));
    body = read_body();
    if (body) parse_form(body);
    act = field("action");
    for (a = actions; act && a->name; a++)
        if (!strcmp(a->name, act)) {
            rc = a->fn();
            if (rc == 0 && a->apply) rc = act_apply();
            break;
        }
    if (rc == 0) {
        nvram_commit();
        page("Settings saved.");
    } else
        page("Request refused.");
    return 0;
}
