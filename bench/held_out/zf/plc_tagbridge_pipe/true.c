/* tagbridge.c -- text gateway to the tags of the PLC

   The net half takes lines from the SCADA stations and gives up root.
   What needs root (the historian tool, the watchdog, forcing) is asked from
   the other half through a pipe, one line for each order.

   Tag:  <point>[:<unit>]    e.g.  AI03:mV  DO11  TK2LEVEL:m3  */

#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>
#include <grp.h>
#include <pwd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

#define BRIDGE_PORT 9655
#define MAXCONN 8
#define LINELEN 256
#define NTAGS 64

struct conn
{
  int fd;
  size_t have;
  char line[LINELEN];
};

struct tag
{
  char point[16];
  double value;
  int forced;
};

static struct conn conns[MAXCONN];
static struct tag tags[NTAGS];
static int ntags;
static FILE *to_root;

static void
say (struct conn *c, const char *fmt, ...)
{
  char buf[LINELEN];
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vsnprintf (buf, sizeof buf, fmt, ap);
  va_end (ap);
  if (n > 0)
    send (c->fd, buf, strlen (buf), MSG_NOSIGNAL);
}

/* ------------------------------------------------------------------ */
/* root half                                                           */

static int
shell (const char *cmd)
{
  int status;
  pid_t pid = fork ();

  if (pid < 0)
    return -1;
  if (pid == 0)
    {
      execl ("/bin/sh", "sh", "-c", cmd, (char *) NULL);
      _exit (127);
    }
  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      return -1;
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

/* A point is letters and digits, the unit may follow it.  */
static int
tag_is_sane (const char *s)
{
  const char *p;

  for (p = s; *p != '\0' && *p != ':'; p++)
    if (!isalnum ((unsigned char) *p))
      return 0;
  return p > s && p - s <= 15;
}

static void
root_history (char *arg)
{
  char cmd[LINELEN + 96];
  char *tag = strtok (arg, " ");
  char *secs = strtok (NULL, " ");
  int n = secs ? atoi (secs) : 60;

  if (tag == NULL || !tag_is_sane (tag))
    {
      syslog (LOG_WARNING, "history: bad tag");
      return;
    }
  if (n < 1 || n > 86400)
    n = 60;
  snprintf (cmd, sizeof cmd, "/opt/plc/bin/hist -t %s -l %d -o /var/www/hist.csv", tag, n);
  if (shell (cmd) != 0)
    syslog (LOG_ERR, "hist failed for %s", tag);
}

static void
root_force (char *arg)
{
  FILE *f = fopen ("/dev/plcforce", "w");

  if (f == NULL)
    return;
  fprintf (f, "%s\n", arg);
  fclose (f);
}

static void
root_watchdog (char *arg)
{
  char cmd[64];

  snprintf (cmd, sizeof cmd, "/opt/plc/bin/wdset %d", atoi (arg));
  shell (cmd);
}

static void
root_half (int fd)
{
  static const struct { const char *word; void (*fn) (char *); } orders[] = {
    { "history", root_history },
    { "force", root_force },
    { "watchdog", root_watchdog },
  };
  FILE *in = fdopen (fd, "r");
  char line[LINELEN];
  char *arg;
  size_t i;

  while (in != NULL && fgets (line, sizeof line, in) != NULL)
    {
      line[strcspn (line, "\n")] = '\0';
      arg = strchr (line, ' ');
      if (arg == NULL)
        continue;
      *arg++ = '\0';
      for (i = 0; i < sizeof orders / sizeof orders[0]; i++)
        if (strcmp (orders[i].word, line) == 0)
          orders[i].fn (arg);
    }
  exit (0);
}

/* ------------------------------------------------------------------ */
/* net half                                                            */

static struct tag *
tag_find (const char *point)
{
  int i;

  for (i = 0; i < ntags; i++)
    if (strcmp (tags[i].point, point) == 0)
      return &tags[i];
  return NULL;
}

static void
net_read (struct conn *c, int argc, char **argv)
{
  struct tag *t = argc > 1 ? tag_find (argv[1]) : NULL;

  if (t == NULL)
    say (c, "-no such point\n");
  else
    say (c, "+%g%s\n", t->value, t->forced ? " F" : "");
}

static void
net_force (struct conn *c, int argc, char **argv)
{
  struct tag *t = argc > 2 ? tag_find (argv[1]) : NULL;

  if (t == NULL)
    {
      say (c, "-no such point\n");
      return;
    }
  t->value = strtod (argv[2], NULL);
  t->forced = 1;
  fprintf (to_root, "force %s %g\n", t->point, t->value);
  fflush (to_root);
  say (c, "+forced\n");
}

static void
net_history (struct conn *c, int argc, char **argv)
{
  if (argc < 3 || strlen (argv[1]) > 40)
    {
      say (c, "-usage: HISTORY tag seconds\n");
      return;
    }
  fprintf (to_root, "history %s %d\n", argv[1], atoi (argv[2]));
  fflush (to_root);
  say (c, "+see /hist.csv\n");
}

static void
net_watchdog (struct conn *c, int argc, char **argv)
{
  int ms = argc > 1 ? atoi (argv[1]) : 0;

  if (ms < 50 || ms > 5000)
    {
      say (c, "-range\n");
      return;
    }
  fprintf (to_root, "watchdog %d\n", ms);
  fflush (to_root);
  say (c, "+ok\n");
}

static void
net_list (struct conn *c, int argc, char **argv)
{
  int i;

  (void) argc;
  (void) argv;
  for (i = 0; i < ntags; i++)
    say (c, " %s\n", tags[i].point);
  say (c, "+%d points\n", ntags);
}

static const struct
{
  const char *word;
  void (*fn) (struct conn *c, int argc, char **argv);
} verbs[] = {
  { "READ", net_read },
  { "FORCE", net_force },
  { "HISTORY", net_history },
  { "WATCHDOG", net_watchdog },
  { "LIST", net_list },
};

static void
net_line (struct conn *c, char *line)
{
  char *argv[4];
  int argc = 0;
  size_t i;
  char *w;

  for (w = strtok (line, " \t\r"); w != NULL && argc < 4; w = strtok (NULL, " \t\r"))
    argv[argc++] = w;
  if (argc == 0)
    return;
  for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
    if (strcmp (verbs[i].word, argv[0]) == 0)
      {
        verbs[i].fn (c, argc, argv);
        return;
      }
  say (c, "-what?\n");
}

/* Returns 0 when the station is gone.  */
static int
net_input (struct conn *c)
{
  ssize_t n = recv (c->fd, c->line + c->have, sizeof c->line - 1 - c->have, 0);
  char *nl;

  if (n <= 0)
    return 0;
  c->have += (size_t) n;
  c->line[c->have] = '\0';
  while ((nl = memchr (c->line, '\n', c->have)) != NULL)
    {
      size_t used = (size_t) (nl - c->line) + 1;

      *nl = '\0';
      net_line (c, c->line);
      c->have -= used;
      memmove (c->line, c->line + used, c->have + 1);
    }
  return c->have < sizeof c->line - 1;
}

static void
load_tags (void)
{
  FILE *f = fopen ("/etc/plc/points", "r");

  while (f != NULL && ntags < NTAGS
         && fscanf (f, "%15s %lf", tags[ntags].point, &tags[ntags].value) == 2)
    ntags++;
  if (f != NULL)
    fclose (f);
}

static void
drop_root (void)
{
  struct passwd *pw = getpwnam ("scada");

  if (pw == NULL || setgroups (0, NULL) < 0 || setgid (pw->pw_gid) < 0
      || setuid (pw->pw_uid) < 0)
    syslog (LOG_WARNING, "still root: %m");
}

int
main (void)
{
  struct sockaddr_in sin;
  int pipefd[2], srv, fd, i, top, one = 1;
  fd_set set;

  openlog ("tagbridge", LOG_PID, LOG_LOCAL3);
  signal (SIGPIPE, SIG_IGN);
  if (pipe (pipefd) < 0)
    return 1;
  if (fork () == 0)
    {
      close (pipefd[1]);
      root_half (pipefd[0]);
    }
  close (pipefd[0]);
  to_root = fdopen (pipefd[1], "w");
  srv = socket (AF_INET, SOCK_STREAM, 0);
  setsockopt (srv, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  memset (&sin, 0, sizeof sin);
  sin.sin_family = AF_INET;
  sin.sin_port = htons (BRIDGE_PORT);
  if (to_root == NULL || bind (srv, (struct sockaddr *) &sin, sizeof sin) < 0
      || listen (srv, 4) < 0)
    {
      syslog (LOG_ERR, "cannot start: %m");
      return 1;
    }
  load_tags ();
  drop_root ();
  for (i = 0; i < MAXCONN; i++)
    conns[i].fd = -1;
  for (;;)
    {
      FD_ZERO (&set);
      FD_SET (srv, &set);
      for (top = srv, i = 0; i < MAXCONN; i++)
        if (conns[i].fd >= 0)
          {
            FD_SET (conns[i].fd, &set);
            top = conns[i].fd > top ? conns[i].fd : top;
          }
      if (select (top + 1, &set, NULL, NULL, NULL) < 0)
        continue;
      for (i = 0; i < MAXCONN; i++)
        if (conns[i].fd >= 0 && FD_ISSET (conns[i].fd, &set) && !net_input (&conns[i]))
          {
            close (conns[i].fd);
            conns[i].fd = -1;
          }
      if (!FD_ISSET (srv, &set) || (fd = accept (srv, NULL, NULL)) < 0)
        continue;
      for (i = 0; i < MAXCONN && conns[i].fd >= 0; i++)
        ;
      if (i == MAXCONN)
        close (fd);
      else
        {
          conns[i].fd = fd;
          conns[i].have = 0;
        }
    }
}
