/* portal.cgi: local web portal of the string inverter.
   GET /portal.cgi?do=<action>&... ; answers are small JSON texts.
   Runs once per request, keeps what it must in /tmp/portal.ini */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#define INI   "/tmp/portal.ini"
#define ARGS  12
#define VLEN  128

struct arg { char name[24]; char val[VLEN]; };
struct set { char label[VLEN]; int limit; int night; long changed; };

static struct arg args[ARGS];
static int nargs;
static struct set cur;

/* -------- request ---------------------------------------------------- */

static int nib(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* decode [s,e) into dst; false when it is too long or badly coded */
static int undo(const char *s, const char *e, char *dst, size_t cap)
{
  size_t n = 0;
  while (s < e) {
    char c = *s++;
    if (c == '+') c = ' ';
    else if (c == '%') {
      if (e - s < 2 || nib(s[0]) < 0 || nib(s[1]) < 0) return 0;
      c = (char)(nib(s[0]) << 4 | nib(s[1]));
      s += 2;
    }
    if (n + 1 >= cap) return 0;
    dst[n++] = c;
  }
  dst[n] = 0;
  return 1;
}

static void parse_query(const char *q)
{
  while (*q && nargs < ARGS) {
    const char *amp = q + strcspn(q, "&");
    const char *eq = memchr(q, '=', (size_t)(amp - q));
    if (eq && undo(q, eq, args[nargs].name, sizeof args[nargs].name)
           && undo(eq + 1, amp, args[nargs].val, sizeof args[nargs].val))
      nargs++;
    q = *amp ? amp + 1 : amp;
  }
}

static const char *arg(const char *name)
{
  int i;
  for (i = 0; i < nargs; i++)
    if (!strcmp(args[i].name, name)) return args[i].val;
  return NULL;
}

/* -------- settings --------------------------------------------------- */

static void load(void)
{
  char line[256];
  FILE *f = fopen(INI, "r");
  cur.limit = 100;
  strcpy(cur.label, "inverter");
  if (!f) return;
  while (fgets(line, sizeof line, f)) {
    char *v = strchr(line, '=');
    if (!v) continue;
    *v++ = 0;
    v[strcspn(v, "\n")] = 0;
    if (!strcmp(line, "label")) snprintf(cur.label, sizeof cur.label, "%s", v);
    else if (!strcmp(line, "limit")) cur.limit = atoi(v);
    else if (!strcmp(line, "night")) cur.night = atoi(v);
    else if (!strcmp(line, "changed")) cur.changed = atol(v);
  }
  fclose(f);
}

static int save(void)
{
  FILE *f = fopen(INI, "w");
  if (!f) return 0;
  cur.changed = (long)time(NULL);
  fprintf(f, "label=%s\nlimit=%d\nnight=%d\nchanged=%ld\n",
          cur.label, cur.limit, cur.night, cur.changed);
  return fclose(f) == 0;
}

/* -------- event hook: goes to the installer's remote log -------------- */

static int hook(const char *what, const char *text)
{
  char cmd[320];
  int rc;
  snprintf(cmd, sizeof cmd,
           "logger -t portal \"%s: %s\"; lcdmsg -l 2 \"%s\"", what, text, text);
  rc = system(cmd);
  return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

/* -------- actions ---------------------------------------------------- */

static void head(const char *status)
{
  printf("Status: %s\r\nContent-Type: application/json\r\n\r\n", status);
}

static void fail(const char *why)
{
  head("400 Bad Request");
  printf("{\"error\":\"%s\"}\n", why);
}

static void js(const char *s)
{
  putchar('"');
  for (; *s; s++) {
    if (*s == '"' || *s == '\\') putchar('\\');
    if ((unsigned char)*s >= 0x20) putchar(*s);
  }
  putchar('"');
}

static int printable(const char *s)
{
  size_t n = strlen(s);
  if (n == 0 || n > 60) return 0;
  for (; *s; s++)
    if (!isprint((unsigned char)*s)) return 0;
  return 1;
}

static void do_label(void)
{
  const char *l = arg("label");
  if (!l || !printable(l)) { fail("label"); return; }
  snprintf(cur.label, sizeof cur.label, "%s", l);
  if (!save()) { fail("store"); return; }
  hook("label", cur.label);
  head("200 OK");
  printf("{\"label\":"); js(cur.label); printf("}\n");
}

static void do_limit(void)
{
  const char *p = arg("percent");
  char t[16];
  int v;
  if (!p || (v = atoi(p)) < 0 || v > 100) { fail("percent"); return; }
  cur.limit = v;
  if (!save()) { fail("store"); return; }
  snprintf(t, sizeof t, "%d", v);
  hook("limit", t);
  head("200 OK");
  printf("{\"limit\":%d}\n", v);
}

static void do_night(void)
{
  const char *p = arg("on");
  cur.night = p && *p == '1';
  if (!save()) { fail("store"); return; }
  hook("night", cur.night ? "on" : "off");
  head("200 OK");
  printf("{\"night\":%d}\n", cur.night);
}

static void do_status(void)
{
  head("200 OK");
  printf("{\"label\":"); js(cur.label);
  printf(",\"limit\":%d,\"night\":%d,\"changed\":%ld}\n",
         cur.limit, cur.night, cur.changed);
}

static void do_series(void)
{
  const char *n = arg("n");
  int k = n ? atoi(n) : 24, i;
  if (k < 1 || k > 96) { fail("n"); return; }
  head("200 OK");
  printf("{\"watts\":[");
  for (i = 0; i < k; i++)
    printf("%s%d", i ? "," : "", i < k / 2 ? i * 40 : (k - i) * 40);
  printf("]}\n");
}

static const struct { const char *name; void (*fn)(void); } acts[] = {
  { "status", do_status },
  { "series", do_series },
  { "label",  do_label  },
  { "limit",  do_limit  },
  { "night",  do_night  },
};

int main(void)
{
  const char *q = getenv("QUERY_STRING");
  const char *m = getenv("REQUEST_METHOD");
  const char *d;
  size_t i;

  if (!m || strcmp(m, "GET") || !q) { fail("method"); return 0; }
  parse_query(q);
  load();
  d = arg("do");
  for (i = 0; d && i < sizeof acts / sizeof acts[0]; i++)
    if (!strcmp(acts[i].name, d)) { acts[i].fn(); return 0; }
  fail("do");
  return 0;
}
