/* HomePlug AV adapter, setup page. Runs as /cgi-bin/plc.cgi */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TMPL_DIR  "/www/tmpl/"
#define LOGFILE   "/var/log/plc_cgi.log"
#define MAXPAIRS  24
#define MAXBODY   4096

typedef struct { char *k; char *v; } pair_t;

static pair_t pairs[MAXPAIRS];
static int    npairs;
static char   plc_if[16] = "br0";
static int    led_mode;

static void note(const char *ev, const char *arg)
{
    FILE *f = fopen(LOGFILE, "a");
    if (f == NULL)
        return;
    fprintf(f, "%ld %s %.40s\n", (long)time(NULL), ev, arg ? arg : "-");
    fclose(f);
}

static void undo_pct(char *s)
{
    char *w = s;
    while (*s) {
        unsigned x;
        if (*s == '+') {
            *w++ = ' ';
            s++;
        } else if (s[0] == '%' && s[1] && s[2] && sscanf(s + 1, "%2x", &x) == 1) {
            *w++ = (char)x;
            s += 3;
        } else
            *w++ = *s++;
    }
    *w = '\0';
}

static void split_form(char *body)
{
    char *tok, *save = NULL;

    for (tok = strtok_r(body, "&", &save); tok && npairs < MAXPAIRS;
         tok = strtok_r(NULL, "&", &save)) {
        char *eq = strchr(tok, '=');
        if (!eq)
            continue;
        *eq++ = '\0';
        undo_pct(tok);
        undo_pct(eq);
        pairs[npairs].k = tok;
        pairs[npairs].v = eq;
        npairs++;
    }
}

static const char *form(const char *k)
{
    int i;
    for (i = 0; i < npairs; i++)
        if (!strcmp(pairs[i].k, k))
            return pairs[i].v;
    return "";
}

static void page(const char *title, const char *msg)
{
    printf("Content-Type: text/html\r\nCache-Control: no-cache\r\n\r\n");
    printf("<html><head><title>%s</title></head><body><h3>%s</h3><p>%s</p>"
           "<a href=/cgi-bin/plc.cgi>back</a></body></html>\n", title, title, msg);
}

/* puts s in single quotes for the shell; 0 if it does not fit */
static int sq(char *dst, size_t cap, const char *s)
{
    size_t n = 0;

    if (cap < 3)
        return 0;
    dst[n++] = '\'';
    for (; *s; s++) {
        if (n + 2 > cap - 1)
            return 0;
        dst[n++] = *s;
    }
    dst[n++] = '\'';
    dst[n] = '\0';
    return 1;
}

static void act_network(void)
{
    const char *pw = form("netpass");
    char quoted[320], cmd[448];
    size_t l = strlen(pw);

    if (l < 8 || l > 64) {
        page("Powerline network", "The password has to have 8 to 64 characters.");
        return;
    }
    if (!sq(quoted, sizeof quoted, pw)) {
        page("Powerline network", "Password too long.");
        return;
    }
    snprintf(cmd, sizeof cmd, "hpav-nmk %s > /tmp/nmk && plctool -i %s -J local -K /tmp/nmk",
             quoted, plc_if);
    note("netpass", "changed");
    if (system(cmd) != 0) {
        page("Powerline network", "Adapter did not answer.");
        return;
    }
    page("Powerline network", "Password stored. Pair the other adapters.");
}

static void act_led(void)
{
    led_mode = atoi(form("mode"));
    if (led_mode < 0 || led_mode > 2)
        led_mode = 0;
    switch (led_mode) {
    case 0: system("plcled on"); break;
    case 1: system("plcled dim"); break;
    case 2: system("plcled off"); break;
    }
    page("LEDs", "done");
}

static void act_reset(void)
{
    if (strcmp(form("sure"), "yes")) {
        page("Factory reset", "not confirmed");
        return;
    }
    note("reset", NULL);
    system("plctool -i br0 -T local");
    page("Factory reset", "The adapter restarts.");
}

static void act_show(void)
{
    FILE *p = popen("plcstat -t -i br0", "r");
    char l[200];

    printf("Content-Type: text/plain\r\n\r\n");
    if (!p)
        return;
    while (fgets(l, sizeof l, p))
        fputs(l, stdout);
    pclose(p);
}

static void read_conf(void)
{
    char l[80];
    FILE *f = fopen("/etc/plc.conf", "r");
    if (!f)
        return;
    while (fgets(l, sizeof l, f))
        sscanf(l, "ifname %15s", plc_if);
    fclose(f);
}

int main(void)
{
    static char body[MAXBODY + 1];
    const char *m = getenv("REQUEST_METHOD");
    const char *cl = getenv("CONTENT_LENGTH");
    const char *a;

    read_conf();
    if (m == NULL || strcmp(m, "POST") != 0) {
        act_show();
        return 0;
    }
    if (cl) {
        long want = strtol(cl, NULL, 10);
        size_t got;
        if (want < 0 || want > MAXBODY) {
            page("Error", "request too big");
            return 0;
        }
        got = fread(body, 1, (size_t)want, stdin);
        body[got] = '\0';
    }
    split_form(body);
    a = form("action");
    if (!strcmp(a, "network"))
        act_network();
    else if (!strcmp(a, "led"))
        act_led();
    else if (!strcmp(a, "reset"))
        act_reset();
    else
        page("Error", "unknown action");
    return 0;
}
