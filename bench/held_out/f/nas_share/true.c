/* nasmgrd -- share management of the NAS.

   The network side runs as "nobody" and talks to a helper, forked at start
   and still root, over a pipe.  The helper creates volumes and restarts
   services; it gets fixed size requests and sends a status back.  */

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#define DEFAULT_PORT 5466
#define VOLUME "/share/volume1"
#define MAX_SHARES 16

enum op
{
  OP_CREATE,
  OP_REMOVE,
  OP_QUOTA,
  OP_RELOAD
};

struct request
{
  enum op op;
  unsigned int mbytes;
  char name[40];
};

struct share
{
  int used;
  char name[40];
  unsigned int quota;
};

static struct share shares[MAX_SHARES];
static int to_helper = -1;
static int from_helper = -1;

/* ---------------------------------------------------------------- helper */

static int
run_shell (const char *command)
{
  int status;
  pid_t pid = fork ();

  if (pid < 0)
    return -1;
  if (pid == 0)
    {
      execl ("/bin/sh", "sh", "-c", command, (char *) NULL);
      _exit (127);
    }
  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      return -1;
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

static int
perform (const struct request *rq)
{
  char command[256];

  switch (rq->op)
    {
    case OP_CREATE:
      snprintf (command, sizeof command,
                "mkdir -p " VOLUME "/%s && chown nobody:users " VOLUME "/%s",
                rq->name, rq->name);
      return run_shell (command);
    case OP_REMOVE:
      snprintf (command, sizeof command, "mv " VOLUME "/%s " VOLUME "/.trash/",
                rq->name);
      return run_shell (command);
    case OP_QUOTA:
      snprintf (command, sizeof command,
                "xfs_quota -x -c 'limit -p bhard=%um %s' " VOLUME, rq->mbytes,
                rq->name);
      return run_shell (command);
    case OP_RELOAD:
      return run_shell ("/etc/init.d/smb reload");
    }
  return -1;
}

static void
helper_loop (int in, int out)
{
  struct request rq;
  int status;

  signal (SIGINT, SIG_IGN);
  while (read (in, &rq, sizeof rq) == (ssize_t) sizeof rq)
    {
      rq.name[sizeof rq.name - 1] = '\0';
      status = perform (&rq);
      if (write (out, &status, sizeof status) != (ssize_t) sizeof status)
        break;
    }
  _exit (0);
}

static void
start_helper (void)
{
  int a[2], b[2];
  pid_t pid;

  if (pipe (a) < 0 || pipe (b) < 0 || (pid = fork ()) < 0)
    {
      perror ("nasmgrd: helper");
      exit (1);
    }
  if (pid == 0)
    {
      close (a[1]);
      close (b[0]);
      helper_loop (a[0], b[1]);
    }
  close (a[0]);
  close (b[1]);
  to_helper = a[1];
  from_helper = b[0];
}

static int
ask_helper (enum op op, const char *name, unsigned int mbytes)
{
  struct request rq;
  int status = -1;

  memset (&rq, 0, sizeof rq);
  rq.op = op;
  rq.mbytes = mbytes;
  if (name)
    strncpy (rq.name, name, sizeof rq.name - 1);
  if (write (to_helper, &rq, sizeof rq) != (ssize_t) sizeof rq
      || read (from_helper, &status, sizeof status) != (ssize_t) sizeof status)
    {
      fputs ("nasmgrd: helper is gone\n", stderr);
      exit (1);
    }
  return status;
}

/* ---------------------------------------------------------- network side */

static struct share *
find_share (const char *name)
{
  int i;

  for (i = 0; i < MAX_SHARES; i++)
    if (shares[i].used && strcmp (shares[i].name, name) == 0)
      return &shares[i];
  return NULL;
}

/* A share is a directory directly below the volume.  */
static int
good_name (const char *name)
{
  size_t n = strlen (name);

  if (n == 0 || n >= sizeof shares[0].name || name[0] == '.' || name[0] == '-')
    return 0;
#ifdef BENIGN
  while (*name)
    {
      if (!isalnum ((unsigned char) *name) && *name != '_' && *name != '-')
        return 0;
      name++;
    }
  return 1;
#else
  return strchr (name, '/') == NULL && strstr (name, "..") == NULL;
#endif
}

static const char *
do_create (char *name, char *rest)
{
  int i;

  (void) rest;
  if (!good_name (name))
    return "ERR name\n";
  if (find_share (name))
    return "ERR exists\n";
  for (i = 0; i < MAX_SHARES; i++)
    if (!shares[i].used)
      {
        if (ask_helper (OP_CREATE, name, 0) != 0)
          return "ERR create\n";
        shares[i].used = 1;
        shares[i].quota = 0;
        strcpy (shares[i].name, name);
        ask_helper (OP_RELOAD, NULL, 0);
        return "OK\n";
      }
  return "ERR full\n";
}

static const char *
do_remove (char *name, char *rest)
{
  struct share *s = find_share (name);

  (void) rest;
  if (!s)
    return "ERR unknown\n";
  if (ask_helper (OP_REMOVE, s->name, 0) != 0)
    return "ERR remove\n";
  s->used = 0;
  return "OK\n";
}

static const char *
do_quota (char *name, char *rest)
{
  struct share *s = find_share (name);

  if (!s)
    return "ERR unknown\n";
  s->quota = (unsigned int) strtoul (rest, NULL, 10);
  return ask_helper (OP_QUOTA, s->name, s->quota) == 0 ? "OK\n" : "ERR quota\n";
}

static const char *
do_list (char *name, char *rest)
{
  static char text[MAX_SHARES * 64];
  int i, len = 0;

  (void) name;
  (void) rest;
  text[0] = '\0';
  for (i = 0; i < MAX_SHARES; i++)
    if (shares[i].used)
      len += snprintf (text + len, sizeof text - (size_t) len, "%s %u\n",
                       shares[i].name, shares[i].quota);
  return text;
}

static const struct
{
  const char *word;
  const char *(*fn) (char *name, char *rest);
} verbs[] = {
  { "CREATE", do_create },
  { "REMOVE", do_remove },
  { "QUOTA", do_quota },
  { "LIST", do_list },
};

/* Lines are "VERB\tNAME\tVALUE".  */
static void
session (int fd)
{
  char line[256];
  FILE *f = fdopen (fd, "r");
  size_t i;

  if (!f)
    {
      close (fd);
      return;
    }
  while (fgets (line, sizeof line, f))
    {
      char *p = line, *verb, *name, *rest;
      const char *answer = "ERR verb\n";

      line[strcspn (line, "\r\n")] = '\0';
      verb = strsep (&p, "\t");
      name = p ? strsep (&p, "\t") : NULL;
      rest = p ? strsep (&p, "\t") : NULL;
      for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp (verb, verbs[i].word) == 0)
          answer = verbs[i].fn (name ? name : "", rest ? rest : "0");
      if (send (fd, answer, strlen (answer), 0) < 0)
        break;
    }
  fclose (f);
}

int
main (int argc, char **argv)
{
  int opt, port = DEFAULT_PORT, on = 1, ls, fd;
  struct sockaddr_in sin;
  struct passwd *pw = getpwnam ("nobody");

  while ((opt = getopt (argc, argv, "p:")) != -1)
    if (opt == 'p')
      port = atoi (optarg);
  signal (SIGPIPE, SIG_IGN);
  start_helper ();
  ls = socket (AF_INET, SOCK_STREAM, 0);
  setsockopt (ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  memset (&sin, 0, sizeof sin);
  sin.sin_family = AF_INET;
  sin.sin_port = htons ((unsigned short) port);
  if (bind (ls, (struct sockaddr *) &sin, sizeof sin) < 0 || listen (ls, 4) < 0)
    {
      perror ("nasmgrd");
      return 1;
    }
  if (pw && (setgid (pw->pw_gid) < 0 || setuid (pw->pw_uid) < 0))
    perror ("nasmgrd: drop");
  while ((fd = accept (ls, NULL, NULL)) >= 0 || errno == EINTR)
    if (fd >= 0)
      session (fd);
  return 0;
}
