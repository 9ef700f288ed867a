/* setup.cgi - first time wizard of the AC range extender */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <unistd.h>
#include <time.h>

#define MAX_FIELDS 24
#define MAX_POST   4096
#define LOGFILE    "/var/log/setup.log"

struct field { char *key; char *val; };

static struct field fields[MAX_FIELDS];
static int nfields;
static char post_buf[MAX_POST + 1];

static void logit(const char *fmt, ...)
{
  va_list ap;
  FILE *f = fopen(LOGFILE, "a");
  if (f == NULL) return;
  fprintf(f, "%ld ", (long)time(NULL));
  va_start(ap, fmt);
  vfprintf(f, fmt, ap);
  va_end(ap);
  fputs("\n", f);
  fclose(f);
}

static int unhex(int c)
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
    else if (*s == '%' && unhex((unsigned char)s[1]) >= 0 && unhex((unsigned char)s[2]) >= 0) {
      *d++ = (char)(unhex((unsigned char)s[1]) * 16 + unhex((unsigned char)s[2]));
      s += 3;
    } else *d++ = *s++;
  }
  *d = '\0';
}

static void parse_form(char *s)
{
  char *tok, *eq;
  for (tok = strtok(s, "&"); tok && nfields < MAX_FIELDS; tok = strtok(NULL, "&")) {
    eq = strchr(tok, '=');
    if (eq == NULL) continue;
    *eq++ = '\0';
    url_decode(tok);
    url_decode(eq);
    fields[nfields].key = tok;
    fields[nfields].val = eq;
    nfields++;
  }
}

static const char *form_get(const char *key, const char *def)
{
  int i;
  for (i = 0; i < nfields; i++)
    if (strcmp(fields[i].key, key) == 0) return fields[i].val;
  return def;
}

static void page(const char *title, const char *msg)
{
  printf("Content-Type: text/html\r\nCache-Control: no-cache\r\n\r\n"
         "<html><head><title>%s</title></head><body><p>%s</p></body></html>\n",
         title, msg);
}

/* Put s between single quotes for the shell. */
static int sh_quote(const char *s, char *out, size_t size)
{
  size_t n = 0;
  if (size < 3) return -1;
  out[n++] = '\'';
  for (; *s; s++) {
    if (*s == '\'') {
      if (n + 6 >= size) return -1;
      memcpy(out + n, "'\\''", 4);
      n += 4;
    } else {
      if (n + 3 >= size) return -1;
      out[n++] = *s;
    }
  }
  out[n++] = '\'';
  out[n] = '\0';
  return 0;
}

static int do_scan(void)
{
  FILE *p = popen("iwlist ra0 scan 2>/dev/null", "r");
  char line[256], *e;
  int n = 0;
  if (!p) return -1;
  printf("Content-Type: application/json\r\n\r\n[");
  while (fgets(line, sizeof line, p)) {
    char *s = strstr(line, "ESSID:\"");
    if (!s) continue;
    s += 7;
    e = strrchr(s, '"');
    if (e) *e = 0;
    printf("%s\"%s\"", n++ ? "," : "", s);
  }
  printf("]\n");
  pclose(p);
  return 0;
}

static int do_join(void)
{
  const char *ssid = form_get("ssid", "");
  const char *key = form_get("passphrase", "");
  int chan = atoi(form_get("channel", "0"));
  char q[160], k[300], cmd[640], line[128];
  FILE *p;
  int ok = 0;

  if (strlen(ssid) < 1 || strlen(ssid) > 32) {
    page("Setup", "Network name must have 1 to 32 characters");
    return -1;
  }
  if (strlen(key) != 0 && (strlen(key) < 8 || strlen(key) > 63)) {
    page("Setup", "Passphrase must have 8 to 63 characters");
    return -1;
  }
  if (sh_quote(ssid, q, sizeof q) < 0 || sh_quote(key, k, sizeof k) < 0) {
    page("Setup", "Value too long");
    return -1;
  }
  logit("join channel=%d", chan);
  snprintf(cmd, sizeof cmd, "/sbin/apcli_join -i apcli0 -c %d -s %s -k %s", chan, q, k);
  p = popen(cmd, "r");
  if (!p) {
    page("Setup", "Internal error");
    return -1;
  }
  while (fgets(line, sizeof line, p))
    if (strncmp(line, "CONNECTED", 9) == 0) ok = 1;
  pclose(p);
  page("Setup", ok ? "Connected" : "Could not join this network");
  return 0;
}

static int do_led(void)
{
  int on = strcmp(form_get("state", "on"), "on") == 0;
  FILE *f = fopen("/sys/class/leds/signal/brightness", "w");
  if (f) { fputs(on ? "1" : "0", f); fclose(f); }
  page("LED", on ? "on" : "off");
  return 0;
}

static int do_finish(void)
{
  FILE *f = fopen("/etc/setup_done", "w");
  if (f) fclose(f);
  page("Setup", "Done, restarting");
  fflush(stdout);
  return system("(sleep 2; reboot) &");
}

static const struct { const char *name; int (*run)(void); } actions[] = {
  { "scan", do_scan }, { "join", do_join }, { "led", do_led }, { "finish", do_finish },
};

int main(void)
{
  const char *method = getenv("REQUEST_METHOD");
  const char *cl = getenv("CONTENT_LENGTH");
  const char *act;
  long len;
  size_t got, i;

  if (!method || strcmp(method, "POST") != 0 || !cl) {
    page("Error", "POST expected");
    return 0;
  }
  len = strtol(cl, NULL, 10);
  if (len <= 0 || len > MAX_POST) {
    page("Error", "Bad length");
    return 0;
  }
  got = fread(post_buf, 1, (size_t)len, stdin);
  post_buf[got] = '\0';
  parse_form(post_buf);
  act = form_get("action", "");
  for (i = 0; i < sizeof actions / sizeof actions[0]; i++) {
    if (strcmp(act, actions[i].name) == 0) {
      actions[i].run();
      return 0;
    }
  }
  logit("unknown action");
  page("Error", "Unknown action");
  return 0;
}
