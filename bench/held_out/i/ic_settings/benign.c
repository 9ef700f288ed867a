/*
 * settings.cgi of the video intercom indoor unit.
 *   settings.cgi?page=net&outproxy=...&ntp=...&ring=3&apply=1
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <unistd.h>

#define CFG_FILE  "/etc/intercom/settings"
#define CFG_TMP   "/etc/intercom/settings.new"

struct cfg_item {
  char *key;
  char *val;
  int   changed;
  struct cfg_item *next;
};

static struct cfg_item *cfg_list;

/* ------------------------------------------------------------ config */

static struct cfg_item *cfg_lookup(const char *key)
{
  struct cfg_item *it;

  for (it = cfg_list; it; it = it->next)
    if (strcmp(it->key, key) == 0)
      return it;
  return NULL;
}

static void cfg_put(const char *key, const char *val, int changed)
{
  struct cfg_item *it = cfg_lookup(key);

  if (it == NULL) {
    it = calloc(1, sizeof *it);
    if (it == NULL)
      exit(1);
    it->key = strdup(key);
    it->next = cfg_list;
    cfg_list = it;
  } else {
    if (strcmp(it->val, val) == 0)
      return;
    free(it->val);
  }
  it->val = strdup(val);
  it->changed |= changed;
}

static void cfg_load(void)
{
  FILE *f = fopen(CFG_FILE, "r");
  char line[512], *eq;

  if (f == NULL)
    return;
  while (fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = '\0';
    if ((eq = strchr(line, '=')) == NULL)
      continue;
    *eq = '\0';
    cfg_put(line, eq + 1, 0);
  }
  fclose(f);
}

static void cfg_save(void)
{
  struct cfg_item *it;
  FILE *f = fopen(CFG_TMP, "w");

  if (f == NULL)
    return;
  for (it = cfg_list; it; it = it->next)
    fprintf(f, "%s=%s\n", it->key, it->val);
  fclose(f);
  rename(CFG_TMP, CFG_FILE);
}

/* ------------------------------------------------------------- input */

static int hexval(int c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static void url_decode(char *s)
{
  char *d = s;

  while (*s) {
    if (*s == '%' && hexval((unsigned char)s[1]) >= 0 && hexval((unsigned char)s[2]) >= 0) {
      *d++ = (char)(hexval((unsigned char)s[1]) << 4 | hexval((unsigned char)s[2]));
      s += 3;
    } else if (*s == '+') {
      *d++ = ' ';
      s++;
    } else
      *d++ = *s++;
  }
  *d = '\0';
}

/* characters that may stand in a host name, a port or an escape */
static int plain_text(const char *s)
{
  if (*s == '\0' || strlen(s) > 120)
    return 0;
  for (; *s; s++)
    if (!isalnum((unsigned char)*s) && strchr(".-_:%", *s) == NULL)
      return 0;
  return 1;
}

static int small_number(const char *s)
{
  if (*s == '\0' || strlen(s) > 2)
    return 0;
  for (; *s; s++)
    if (!isdigit((unsigned char)*s))
      return 0;
  return 1;
}

/* ------------------------------------------------------------- hooks */

static void hook_outproxy(const char *val)
{
  char cmd[256];

  snprintf(cmd, sizeof cmd, "/usr/sbin/sipcfg --outbound %s --restart", val);
  if (system(cmd) != 0)
    printf("<p>proxy not reachable</p>\n");
}

static void hook_ntp(const char *val)
{
  char *argv[] = { "ntpdate", "-u", (char *)val, NULL };

  if (fork() == 0) {
    execv("/usr/bin/ntpdate", argv);
    _exit(127);
  }
}

static void hook_ring(const char *val)
{
  FILE *f = fopen("/var/run/ringtone", "w");

  if (f) {
    fprintf(f, "%d\n", atoi(val));
    fclose(f);
  }
}

static const struct param {
  const char *name;
  int  (*check)(const char *);
  void (*hook)(const char *);
} params[] = {
  { "ntp",       plain_text,   hook_ntp },
  { "outproxy",  plain_text,   hook_outproxy },
  { "ring",      small_number, hook_ring },
  { "doordelay", small_number, NULL },
};
#define NPARAMS ((int)(sizeof params / sizeof params[0]))

static const struct param *find_param(const char *name)
{
  int i;

  for (i = 0; i < NPARAMS; i++)
    if (strcmp(params[i].name, name) == 0)
      return &params[i];
  return NULL;
}

static int take_param(char *pair)
{
  char *val = strchr(pair, '=');
  const struct param *p;

  if (val == NULL)
    return 0;
  *val++ = '\0';
  if ((p = find_param(pair)) == NULL)
    return 0;
  url_decode(val);
  if (!p->check(val))
    return -1;
  cfg_put(p->name, val, 1);
  return 1;
}

static void run_hooks(void)
{
  int i;

  for (i = 0; i < NPARAMS; i++) {
    struct cfg_item *it = cfg_lookup(params[i].name);

    if (it && it->changed && params[i].hook)
      params[i].hook(it->val);
  }
}

static void show_page(const char *page, int bad)
{
  struct cfg_item *it;

  printf("<html><body><h2>%s</h2>\n", strcmp(page, "sound") ? "Network" : "Sound");
  if (bad)
    printf("<p class=err>%d value(s) refused</p>\n", bad);
  printf("<table>\n");
  for (it = cfg_list; it; it = it->next)
    if (find_param(it->key))
      printf("<tr><td>%s</td><td>%zu chars</td></tr>\n", it->key, strlen(it->val));
  printf("</table></body></html>\n");
}

int main(void)
{
  const char *qs = getenv("QUERY_STRING"), *page = "net";
  char *copy, *tok;
  int bad = 0, good = 0, apply = 0;

  printf("Content-type: text/html\r\n\r\n");
  cfg_load();
  copy = strdup(qs ? qs : "");
  for (tok = strtok(copy, "&"); tok; tok = strtok(NULL, "&")) {
    if (strcmp(tok, "apply=1") == 0)
      apply = 1;
    else if (strncmp(tok, "page=", 5) == 0)
      page = tok + 5;
    else {
      int r = take_param(tok);

      if (r < 0)
        bad++;
      else
        good += r;
    }
  }
  if (apply && good) {
    cfg_save();
    run_hooks();
  }
  show_page(page, bad);
  free(copy);
  return 0;
}
