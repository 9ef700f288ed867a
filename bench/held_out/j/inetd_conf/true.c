/* confd.c : service de configuration, une session par connexion (lance par inetd) */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONF_PATH   "/etc/confd.conf"
#define VAL_MAX     96

enum { K_HOSTNAME, K_GATEWAY, K_DOMAIN, K_COUNT };

struct entry {
  const char *key;
  char        val[VAL_MAX];
  int         dirty;
};

static struct entry conf[K_COUNT] = {
  { "hostname", "", 0 },
  { "gateway",  "", 0 },
  { "domain",   "", 0 },
};

struct helper {
  pid_t pid;
  FILE *to;
};

static void chomp(char *s)
{
  size_t n = strlen(s);

  while (n && isspace((unsigned char)s[n - 1]))
    s[--n] = '\0';
}

/* ---- processus fils ---- */

static int helper_exec(const char *verb, const char *value)
{
  char cmd[VAL_MAX + 64];

  if (!strcmp(verb, "H"))
    snprintf(cmd, sizeof cmd, "/bin/hostname %s", value);
  else if (!strcmp(verb, "G"))
    snprintf(cmd, sizeof cmd, "/sbin/route add default gw %s", value);
  else
    return -1;
  return system(cmd);
}

static void helper_loop(int fd)
{
  FILE *in = fdopen(fd, "r");
  char line[VAL_MAX + 16];
  char *sp;

  if (!in)
    _exit(1);
  while (fgets(line, sizeof line, in)) {
    chomp(line);
    sp = strchr(line, ' ');
    if (!sp)
      continue;
    *sp++ = '\0';
    if (helper_exec(line, sp) != 0)
      fprintf(stderr, "confd: %s failed\n", line);
  }
  fclose(in);
  _exit(0);
}

static int helper_start(struct helper *h)
{
  int p[2];

  if (pipe(p) < 0)
    return -1;
  h->pid = fork();
  if (h->pid < 0) {
    close(p[0]);
    close(p[1]);
    return -1;
  }
  if (h->pid == 0) {
    close(p[1]);
    close(0);
    helper_loop(p[0]);
  }
  close(p[0]);
  h->to = fdopen(p[1], "w");
  return h->to ? 0 : -1;
}

static void helper_stop(struct helper *h)
{
  if (h->to)
    fclose(h->to);
  while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
    ;
}

/* ---- configuration ---- */

static struct entry *conf_find(const char *key)
{
  int i;

  for (i = 0; i < K_COUNT; i++)
    if (!strcasecmp(conf[i].key, key))
      return &conf[i];
  return NULL;
}

static void conf_read(void)
{
  FILE *f = fopen(CONF_PATH, "r");
  char buf[160], *v;
  struct entry *e;

  if (!f)
    return;
  while (fgets(buf, sizeof buf, f)) {
    chomp(buf);
    v = strchr(buf, '=');
    if (!v)
      continue;
    *v++ = '\0';
    e = conf_find(buf);
    if (e)
      snprintf(e->val, sizeof e->val, "%s", v);
  }
  fclose(f);
}

static int conf_write(void)
{
  FILE *f = fopen(CONF_PATH, "w");
  int i;

  if (!f)
    return -1;
  for (i = 0; i < K_COUNT; i++)
    fprintf(f, "%s=%s\n", conf[i].key, conf[i].val);
  return fclose(f);
}

static const char *conf_set(char *args)
{
  char *key = strtok(args, " \t");
  char *val = strtok(NULL, "");
  struct entry *e;

  if (!key || !val)
    return "-ERR set <cle> <valeur>";
  e = conf_find(key);
  if (!e)
    return "-ERR inconnu";
  if (strlen(val) >= sizeof e->val)
    return "-ERR trop long";
  strcpy(e->val, val);
  e->dirty = 1;
  return "+OK";
}

static const char *conf_apply(struct helper *h)
{
  if (conf[K_HOSTNAME].dirty)
    fprintf(h->to, "H %s\n", conf[K_HOSTNAME].val);
  if (conf[K_GATEWAY].dirty)
    fprintf(h->to, "G %s\n", conf[K_GATEWAY].val);
  conf[K_HOSTNAME].dirty = conf[K_GATEWAY].dirty = conf[K_DOMAIN].dirty = 0;
  if (fflush(h->to) != 0)
    return "-ERR tube";
  return conf_write() == 0 ? "+OK applique" : "-ERR ecriture";
}

int main(void)
{
  struct helper h = { -1, NULL };
  char line[256];
  int i;

  signal(SIGPIPE, SIG_IGN);
  if (helper_start(&h) < 0)
    return 1;
  conf_read();
  alarm(300);

  printf("+OK confd 0.7\r\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    chomp(line);
    if (!strncasecmp(line, "set ", 4)) {
      printf("%s\r\n", conf_set(line + 4));
    } else if (!strcasecmp(line, "show")) {
      for (i = 0; i < K_COUNT; i++)
        printf("%s=%s%s\r\n", conf[i].key, conf[i].val, conf[i].dirty ? " *" : "");
      printf("+OK\r\n");
    } else if (!strcasecmp(line, "apply")) {
      printf("%s\r\n", conf_apply(&h));
    } else if (!strcasecmp(line, "quit")) {
      break;
    } else {
      printf("-ERR commande\r\n");
    }
    fflush(stdout);
  }
  helper_stop(&h);
  return 0;
}
