/* snapcfg.cgi -- snapshot upload settings of the camera

   GET only, as the player plug-in can do nothing else:

     snapcfg.cgi?cmd=get
     snapcfg.cgi?cmd=set&server=..&port=..&folder=..&interval=..
     snapcfg.cgi?cmd=test          uploads one picture, shows the client's words
     snapcfg.cgi?cmd=stop  */

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define CONF "/mnt/conf/snapftp.conf"
#define CONF_NEW CONF ".tmp"
#define SNAPD_PID "/var/run/snapd.pid"
#define SNAPSHOT "/tmp/snap/current.jpg"
#define QUERY_MAX 1024
#define MAXPARAM 16

struct param
{
  char *name;
  char *value;
};

struct snapconf
{
  char server[80];
  char folder[80];
  int port;
  int interval;
  int active;
};

static struct param params[MAXPARAM];
static int nparams;
static struct snapconf conf = { "", "snap", 21, 60, 0 };

static void
fail (const char *fmt, ...)
{
  va_list ap;

  printf ("Content-Type: text/plain\r\n\r\nresult=-1\nreason=");
  va_start (ap, fmt);
  vprintf (fmt, ap);
  va_end (ap);
  putchar ('\n');
  exit (0);
}

static void
ok (void)
{
  printf ("Content-Type: text/plain\r\n\r\nresult=0\n");
}

static int
xdigit (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

/* %xx in place */
static void
unescape (char *s)
{
  char *to = s;

  while (*s != '\0')
    {
      if (s[0] == '%' && xdigit (s[1]) >= 0 && xdigit (s[2]) >= 0)
        {
          *to++ = (char) (xdigit (s[1]) << 4 | xdigit (s[2]));
          s += 3;
        }
      else
        *to++ = *s++;
    }
  *to = '\0';
}

/* The values end in file names and commands: let pass only what is harmless
   there.  */
static int
clean (const char *s)
{
  if (*s == '-')
    return 0;
  for (; *s != '\0'; s++)
    if (!isalnum ((unsigned char) *s) && strchr ("._-/%", *s) == NULL)
      return 0;
  return 1;
}

static void
split_query (char *query)
{
  char *word, *eq;

  for (word = strtok (query, "&"); word != NULL; word = strtok (NULL, "&"))
    {
      eq = strchr (word, '=');
      if (eq == NULL || nparams == MAXPARAM)
        continue;
      *eq = '\0';
      params[nparams].name = word;
      params[nparams].value = eq + 1;
      if (!clean (params[nparams].value))
        fail ("%s has bad characters", word);
      unescape (params[nparams].value);
      nparams++;
    }
}

static const char *
param (const char *name)
{
  int i;

  for (i = 0; i < nparams; i++)
    if (strcmp (params[i].name, name) == 0)
      return params[i].value;
  return NULL;
}

static int
number (const char *name, int low, int high, int dflt)
{
  const char *s = param (name);
  int n;

  if (s == NULL)
    return dflt;
  n = atoi (s);
  if (n < low || n > high)
    fail ("%s out of range", name);
  return n;
}

static void
conf_read (void)
{
  char line[128];
  char *value;
  FILE *f = fopen (CONF, "r");

  if (f == NULL)
    return;
  while (fgets (line, sizeof line, f) != NULL)
    {
      line[strcspn (line, "\n")] = '\0';
      value = strchr (line, ' ');
      if (value == NULL)
        continue;
      *value++ = '\0';
      if (strcmp (line, "server") == 0)
        snprintf (conf.server, sizeof conf.server, "%s", value);
      else if (strcmp (line, "folder") == 0)
        snprintf (conf.folder, sizeof conf.folder, "%s", value);
      else if (strcmp (line, "port") == 0)
        conf.port = atoi (value);
      else if (strcmp (line, "interval") == 0)
        conf.interval = atoi (value);
      else if (strcmp (line, "active") == 0)
        conf.active = atoi (value);
    }
  fclose (f);
}

static int
conf_write (void)
{
  FILE *f = fopen (CONF_NEW, "w");

  if (f == NULL)
    return -1;
  fprintf (f, "server %s\nfolder %s\nport %d\ninterval %d\nactive %d\n", conf.server,
           conf.folder, conf.port, conf.interval, conf.active);
  if (fclose (f) != 0)
    return -1;
  return rename (CONF_NEW, CONF);
}

static void
tell_snapd (void)
{
  FILE *f = fopen (SNAPD_PID, "r");
  int pid;

  if (f == NULL)
    return;
  if (fscanf (f, "%d", &pid) == 1 && pid > 1)
    kill ((pid_t) pid, SIGHUP);
  fclose (f);
}

static void
cmd_get (void)
{
  ok ();
  printf ("server=%s\nport=%d\nfolder=%s\ninterval=%d\nactive=%d\n", conf.server, conf.port,
          conf.folder, conf.interval, conf.active);
}

static void
cmd_set (void)
{
  const char *server = param ("server");
  const char *folder = param ("folder");

  if (server != NULL)
    {
      if (strlen (server) >= sizeof conf.server)
        fail ("server too long");
      strcpy (conf.server, server);
    }
  if (folder != NULL)
    {
      if (strlen (folder) >= sizeof conf.folder)
        fail ("folder too long");
      strcpy (conf.folder, folder);
    }
  conf.port = number ("port", 1, 65535, conf.port);
  conf.interval = number ("interval", 5, 3600, conf.interval);
  conf.active = conf.server[0] != '\0';
  if (conf_write () < 0)
    fail ("%s", strerror (errno));
  tell_snapd ();
  ok ();
}

static void
cmd_stop (void)
{
  conf.active = 0;
  if (conf_write () < 0)
    fail ("%s", strerror (errno));
  tell_snapd ();
  ok ();
}

static void
cmd_test (void)
{
  char cmd[320], line[160];
  const char *server = param ("server");
  const char *folder = param ("folder");
  int port = number ("port", 1, 65535, conf.port);
  struct stat st;
  FILE *p;

  if (server == NULL || server[0] == '\0')
    fail ("no server");
  if (folder == NULL || folder[0] == '\0')
    folder = "snap";
  if (strlen (server) > 79 || strlen (folder) > 79)
    fail ("too long");
  if (stat (SNAPSHOT, &st) < 0 || st.st_size == 0)
    fail ("no picture yet");
  snprintf (cmd, sizeof cmd, "ftpput -v -P %d %s %s/test.jpg " SNAPSHOT " 2>&1", port, server,
            folder);
  p = popen (cmd, "r");
  if (p == NULL)
    fail ("%s", strerror (errno));
  ok ();
  while (fgets (line, sizeof line, p) != NULL)
    printf ("log=%s", line);
  printf ("exit=%d\n", pclose (p));
}

static const struct
{
  const char *name;
  void (*fn) (void);
} commands[] = {
  { "get", cmd_get },
  { "set", cmd_set },
  { "test", cmd_test },
  { "stop", cmd_stop },
};

int
main (void)
{
  static char query[QUERY_MAX];
  const char *env = getenv ("QUERY_STRING");
  const char *cmd;
  size_t i;

  if (env == NULL || strlen (env) >= sizeof query)
    fail ("query");
  strcpy (query, env);
  split_query (query);
  conf_read ();
  cmd = param ("cmd");
  if (cmd == NULL)
    cmd = "get";
  for (i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (strcmp (commands[i].name, cmd) == 0)
      {
        commands[i].fn ();
        return 0;
      }
  fail ("no such command");
  return 0;
}
