/* wifi.cgi : page de raccordement au reseau sans fil */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/wait.h>

#define CORPS_MAX   2048
#define SSID_MAX    32
#define PSK_MAX     63

enum mode { MODE_OPEN, MODE_WPA };

typedef struct {
  char      ssid[SSID_MAX + 1];
  char      psk[PSK_MAX + 1];
  enum mode mode;
  int       channel;
} wifi_conf;

typedef struct {
  char  *txt;
  size_t n;
  size_t max;
} cmdline;

static int  lire_corps(char *dst, size_t max);
static int  champ(const char *corps, const char *nom, char *dst, size_t max);
static int  cmd_add(cmdline *c, const char *s);
static int  cmd_add_value(cmdline *c, const char *s);
static int  cmd_run(const cmdline *c);
static void page(const char *titre, const char *msg);

static int lire_corps(char *dst, size_t max)
{
  char *cl = getenv("CONTENT_LENGTH");
  size_t want, got = 0, r;

  if (!cl)
    return -1;
  want = strtoul(cl, NULL, 10);
  if (want == 0 || want >= max)
    return -1;
  while (got < want) {
    r = fread(dst + got, 1, want - got, stdin);
    if (r == 0)
      break;
    got += r;
  }
  dst[got] = '\0';
  return (int)got;
}

static int nibble(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/* extrait et decode un champ de formulaire, -1 si absent ou trop long */
static int champ(const char *corps, const char *nom, char *dst, size_t max)
{
  size_t ln = strlen(nom), n = 0;
  const char *p = corps;

  while (p) {
    if (!strncmp(p, nom, ln) && p[ln] == '=') {
      p += ln + 1;
      while (*p && *p != '&') {
        char c = *p++;

        if (c == '+')
          c = ' ';
        else if (c == '%') {
          int h = nibble(p[0]);
          int l = h < 0 ? -1 : nibble(p[1]);

          if (l < 0)
            return -1;
          c = (char)((h << 4) | l);
          p += 2;
        }
        if (c == '\0' || n + 1 >= max)
          return -1;
        dst[n++] = c;
      }
      dst[n] = '\0';
      return (int)n;
    }
    p = strchr(p, '&');
    if (p)
      p++;
  }
  return -1;
}

static int cmd_add(cmdline *c, const char *s)
{
  size_t l = strlen(s);

  if (c->n + l >= c->max)
    return -1;
  memcpy(c->txt + c->n, s, l + 1);
  c->n += l;
  return 0;
}

static int cmd_add_value(cmdline *c, const char *s)
{
  char one[3];

  if (cmd_add(c, "0x") < 0)
    return -1;
  for (; *s; s++) {
    snprintf(one, sizeof one, "%02x", (unsigned)(unsigned char)*s);
    if (cmd_add(c, one) < 0)
      return -1;
  }
  return 0;
}

static int cmd_run(const cmdline *c)
{
  int st;
  pid_t pid;

  fflush(stdout);
  pid = fork();
  if (pid < 0)
    return -1;
  if (pid == 0) {
    execl("/bin/sh", "sh", "-c", c->txt, (char *)0);
    _exit(126);
  }
  while (waitpid(pid, &st, 0) < 0)
    if (errno != EINTR)
      return -1;
  return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static int wl_set(const char *var, const char *val)
{
  char buf[512];
  cmdline c = { buf, 0, sizeof buf };

  if (cmd_add(&c, "/usr/sbin/wlanctl wlan0 set ") < 0 ||
      cmd_add(&c, var) < 0 ||
      cmd_add(&c, " ") < 0 ||
      cmd_add_value(&c, val) < 0 ||
      cmd_add(&c, " >/dev/null") < 0)
    return -1;
  return cmd_run(&c);
}

static int wl_do(const char *verbe)
{
  char buf[128];
  cmdline c = { buf, 0, sizeof buf };

  if (cmd_add(&c, "/usr/sbin/wlanctl wlan0 ") < 0 || cmd_add(&c, verbe) < 0)
    return -1;
  return cmd_run(&c);
}

static int appliquer(const wifi_conf *w)
{
  int rc;

  rc = wl_set("ssid", w->ssid);
  if (rc)
    return rc;
  if (w->mode == MODE_WPA)
    rc = wl_set("psk", w->psk);
  else
    rc = wl_do("set auth open");
  if (rc)
    return rc;
  if (w->channel > 0) {
    char v[48];

    snprintf(v, sizeof v, "set freq %d", 2407 + 5 * w->channel);
    wl_do(v);
  }
  return wl_do("join");
}

static void page(const char *titre, const char *msg)
{
  printf("<!DOCTYPE html><html><head><title>%s</title></head><body><h2>%s</h2><p>%s</p></body></html>\n",
         titre, titre, msg);
}

int main(void)
{
  static char corps[CORPS_MAX];
  wifi_conf w;
  char tmp[8];

  fputs("Content-Type: text/html\r\n\r\n", stdout);
  memset(&w, 0, sizeof w);
  if (lire_corps(corps, sizeof corps) < 0) {
    page("Erreur", "requete vide");
    return 0;
  }
  if (champ(corps, "ssid", w.ssid, sizeof w.ssid) <= 0) {
    page("Erreur", "nom du reseau invalide");
    return 0;
  }
  w.mode = MODE_OPEN;
  if (champ(corps, "sec", tmp, sizeof tmp) > 0 && !strcmp(tmp, "wpa")) {
    w.mode = MODE_WPA;
    if (champ(corps, "psk", w.psk, sizeof w.psk) < 8) {
      page("Erreur", "cle trop courte");
      return 0;
    }
  }
  if (champ(corps, "chan", tmp, sizeof tmp) > 0) {
    w.channel = atoi(tmp);
    if (w.channel < 0 || w.channel > 13)
      w.channel = 0;
  }
  if (appliquer(&w) != 0)
    page("Erreur", "le module radio ne repond pas");
  else
    page("Wi-Fi", "connexion en cours");
  return 0;
}
