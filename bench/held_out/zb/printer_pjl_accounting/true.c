/*
 * rawport.c - raw print port with PJL, and the accounting helper
 *
 * The accounting runs in a child of its own, it gets one line per job
 * through a pipe.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RAW_PORT 9100
#define PJL_LINE 240

extern char **environ;

struct job
{
  char name[128];
  char user[64];
  int copies;
  int duplex;
  unsigned long bytes;
};

static int acct_fd = -1;
static struct job job;
static unsigned jobs_done;

static void
logmsg (const char *what, unsigned long n)
{
  char stamp[32];
  time_t t = time (NULL);

  strftime (stamp, sizeof stamp, "%H:%M:%S", localtime (&t));
  fprintf (stderr, "%s rawport: %s %lu\n", stamp, what, n);
}

/* ---- accounting child ---- */

static int
account (const char *user, int copies, const char *name)
{
  char cmd[512];
  char *argv[4];
  pid_t pid;
  int st = -1;

  snprintf (cmd, sizeof cmd,
            "/usr/sbin/pjlacct --user='%s' --copies=%d --name='%s'",
            user, copies, name);
  argv[0] = "sh";
  argv[1] = "-c";
  argv[2] = cmd;
  argv[3] = NULL;
  if (posix_spawn (&pid, "/bin/sh", NULL, NULL, argv, environ) != 0)
    return -1;
  while (waitpid (pid, &st, 0) < 0 && errno == EINTR)
    ;
  return st;
}

static void
acct_child (int fd)
{
  FILE *in = fdopen (fd, "r");
  char line[512];

  if (in == NULL)
    _exit (1);
  while (fgets (line, sizeof line, in) != NULL)
    {
      char *save = NULL;
      char *user, *copies, *name;

      line[strcspn (line, "\n")] = '\0';
      user = strtok_r (line, "\t", &save);
      copies = strtok_r (NULL, "\t", &save);
      name = strtok_r (NULL, "\t", &save);
      if (user == NULL || copies == NULL || name == NULL)
        continue;
      if (account (user, atoi (copies), name) != 0)
        logmsg ("accounting failed, copies", (unsigned long) atoi (copies));
    }
  fclose (in);
  _exit (0);
}

static int
start_accounting (void)
{
  int p[2];
  pid_t pid;

  if (pipe (p) < 0)
    return -1;
  pid = fork ();
  if (pid < 0)
    return -1;
  if (pid == 0)
    {
      close (p[1]);
      acct_child (p[0]);
    }
  close (p[0]);
  acct_fd = p[1];
  return 0;
}

/* ---- PJL ---- */

/* NAME = "value" or NAME=value */
static int
pjl_value (const char *s, char *out, size_t cap)
{
  size_t n = 0;
  int quoted = 0;

  s = strchr (s, '=');
  if (s == NULL)
    return -1;
  s++;
  while (*s == ' ')
    s++;
  if (*s == '"')
    {
      quoted = 1;
      s++;
    }
  while (*s != '\0' && n + 1 < cap)
    {
      if (quoted ? *s == '"' : *s == ' ')
        break;
      out[n++] = *s == '\t' ? ' ' : *s;
      s++;
    }
  out[n] = '\0';
  return (int) n;
}

static void
pjl_job (const char *arg, int out)
{
  (void) out;
  memset (&job, 0, sizeof job);
  strcpy (job.user, "guest");
  job.copies = 1;
  if (strncasecmp (arg, "NAME", 4) == 0)
    pjl_value (arg, job.name, sizeof job.name);
}

static void
pjl_set (const char *arg, int out)
{
  char num[16];

  (void) out;
  if (strncasecmp (arg, "JOBNAME", 7) == 0)
    pjl_value (arg, job.name, sizeof job.name);
  else if (strncasecmp (arg, "USERNAME", 8) == 0)
    pjl_value (arg, job.user, sizeof job.user);
  else if (strncasecmp (arg, "COPIES", 6) == 0)
    {
      if (pjl_value (arg, num, sizeof num) > 0)
        job.copies = atoi (num);
      if (job.copies < 1 || job.copies > 999)
        job.copies = 1;
    }
  else if (strncasecmp (arg, "DUPLEX", 6) == 0)
    {
      if (pjl_value (arg, num, sizeof num) > 0)
        job.duplex = strcasecmp (num, "ON") == 0;
    }
}

static void
pjl_info (const char *arg, int out)
{
  char text[128];
  int n;

  if (strncasecmp (arg, "ID", 2) == 0)
    n = snprintf (text, sizeof text, "@PJL INFO ID\r\n\"LaserLine 400\"\r\n\f");
  else
    n = snprintf (text, sizeof text,
                  "@PJL INFO STATUS\r\nCODE=10001\r\nJOBS=%u\r\n\f", jobs_done);
  send (out, text, (size_t) n, MSG_NOSIGNAL);
}

static void
pjl_eoj (const char *arg, int out)
{
  char rec[300];
  int n;

  (void) arg;
  (void) out;
  if (job.name[0] == '\0')
    return;
  n = snprintf (rec, sizeof rec, "%s\t%d\t%s\n",
                job.user[0] ? job.user : "guest", job.copies, job.name);
  if (write (acct_fd, rec, (size_t) n) != n)
    logmsg ("accounting pipe, job", jobs_done);
  logmsg ("job bytes", job.bytes);
  jobs_done++;
  memset (&job, 0, sizeof job);
}

static const struct
{
  const char *word;
  void (*fn) (const char *, int);
} pjl_table[] = {
  { "JOB ", pjl_job },
  { "SET ", pjl_set },
  { "INFO ", pjl_info },
  { "EOJ", pjl_eoj },
};

static void
pjl_line (char *line, int out)
{
  size_t i;

  if (strncmp (line, "@PJL ", 5) != 0)
    {
      job.bytes += strlen (line);
      return;
    }
  line += 5;
  for (i = 0; i < sizeof pjl_table / sizeof pjl_table[0]; i++)
    {
      size_t n = strlen (pjl_table[i].word);

      if (strncasecmp (line, pjl_table[i].word, n) == 0)
        {
          pjl_table[i].fn (line + n, out);
          return;
        }
    }
}

static void
serve (int fd)
{
  char buf[1024], line[PJL_LINE];
  size_t used = 0;
  ssize_t n, i;

  memset (&job, 0, sizeof job);
  job.copies = 1;
  while ((n = read (fd, buf, sizeof buf)) > 0)
    for (i = 0; i < n; i++)
      {
        if (buf[i] == '\n' || used == sizeof line - 1)
          {
            while (used > 0 && line[used - 1] == '\r')
              used--;
            line[used] = '\0';
            pjl_line (line, fd);
            used = 0;
          }
        else if (buf[i] != '\0')
          line[used++] = buf[i];
      }
  pjl_eoj ("", fd);
}

int
main (void)
{
  struct sockaddr_in sa;
  struct timeval tv = { 30, 0 };
  int s, one = 1;

  signal (SIGPIPE, SIG_IGN);
  if (start_accounting () < 0)
    return 1;
  s = socket (AF_INET, SOCK_STREAM, 0);
  setsockopt (s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  memset (&sa, 0, sizeof sa);
  sa.sin_family = AF_INET;
  sa.sin_port = htons (RAW_PORT);
  if (bind (s, (struct sockaddr *) &sa, sizeof sa) < 0 || listen (s, 2) < 0)
    {
      perror ("rawport");
      return 1;
    }
  for (;;)
    {
      int c = accept (s, NULL, NULL);

      if (c < 0)
        continue;
      setsockopt (c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
      serve (c);
      close (c);
    }
}
