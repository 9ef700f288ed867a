/* roomtvd: receives orders of the hotel management system for one TV set.
   One thread takes datagrams, another one works on them in order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

#define TV_PORT   6112
#define DGRAM     600
#define QLEN      32

typedef enum { OP_POWER, OP_CHANNEL, OP_VOLUME, OP_MESSAGE, OP_WAKE } op_t;

typedef struct order {
  op_t          op;
  int           num;
  char         *text;
  struct order *next;
} order_t;

static struct {
  pthread_mutex_t lock;
  pthread_cond_t  some;
  order_t        *head, **tail;
  int             count;
} q = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &q.head, 0 };

static int room = 0;
static int muted = 0;
static int volume = 20;

static void say (const char *fmt, ...)
{
  va_list ap;
  char stamp[24];
  time_t now = time (NULL);
  struct tm tm;

  localtime_r (&now, &tm);
  strftime (stamp, sizeof (stamp), "%H:%M:%S", &tm);
  fprintf (stderr, "%s roomtvd[%d]: ", stamp, room);
  va_start (ap, fmt);
  vfprintf (stderr, fmt, ap);
  va_end (ap);
  fputc ('\n', stderr);
}

static int q_put (op_t op, int num, const char *text)
{
  order_t *o = calloc (1, sizeof (*o));

  if (!o)
    return -1;
  o->op = op;
  o->num = num;
  if (text && !(o->text = strdup (text)))
    {
      free (o);
      return -1;
    }
  pthread_mutex_lock (&q.lock);
  if (q.count >= QLEN)
    {
      pthread_mutex_unlock (&q.lock);
      free (o->text);
      free (o);
      return -1;
    }
  *q.tail = o;
  q.tail = &o->next;
  q.count++;
  pthread_cond_signal (&q.some);
  pthread_mutex_unlock (&q.lock);
  return 0;
}

static order_t *q_get (void)
{
  order_t *o;

  pthread_mutex_lock (&q.lock);
  while (!q.head)
    pthread_cond_wait (&q.some, &q.lock);
  o = q.head;
  q.head = o->next;
  if (!q.head)
    q.tail = &q.head;
  q.count--;
  pthread_mutex_unlock (&q.lock);
  return o;
}

static int shell (const char *line)
{
  int st;
  pid_t pid = fork ();

  if (pid < 0)
    return -1;
  if (pid == 0)
    {
      execl ("/bin/sh", "sh", "-c", line, (char *) NULL);
      _exit (127);
    }
  while (waitpid (pid, &st, 0) < 0)
    if (errno != EINTR)
      return -1;
  return WIFEXITED (st) ? WEXITSTATUS (st) : -1;
}

/* what the guest sees must not disturb the screen program */
static void clean_text (char *s)
{
  for (; *s; s++)
    {
      switch (*s)
        {
        case ';': case '|': case '&': case '`': case '$':
        case '"': case '<': case '>': case '\\':
          *s = ' ';
          break;
        default:
          break;
        }
    }
}

static void show (const order_t *o)
{
  char line[DGRAM + 80];

  if (!o->text)
    return;
  snprintf (line, sizeof (line), "/usr/bin/osdtext -s %d -m '%s'", o->num, o->text);
  if (shell (line))
    say ("message not shown");
}

static void work_one (order_t *o)
{
  char line[96];

  switch (o->op)
    {
    case OP_POWER:
      shell (o->num ? "/usr/bin/cec on" : "/usr/bin/cec standby");
      break;
    case OP_CHANNEL:
      snprintf (line, sizeof (line), "/usr/bin/tuner %d", o->num);
      shell (line);
      break;
    case OP_VOLUME:
      volume = o->num;
      muted = volume == 0;
      snprintf (line, sizeof (line), "amixer -q set Master %d%%", volume);
      shell (line);
      break;
    case OP_MESSAGE:
      show (o);
      break;
    case OP_WAKE:
      say ("wake up in %d minutes", o->num);
      shell ("/usr/bin/cec on");
      break;
    }
}

static void *worker (void *arg)
{
  (void) arg;
  for (;;)
    {
      order_t *o = q_get ();

      work_one (o);
      free (o->text);
      free (o);
    }
  return NULL;
}

static int ranged (const char *s, int lo, int hi, int *out)
{
  char *end;
  long v;

  if (!s || !*s)
    return -1;
  v = strtol (s, &end, 10);
  if (*end || v < lo || v > hi)
    return -1;
  *out = (int) v;
  return 0;
}

/* room#verb#number#text */
static int parse_order (char *dg)
{
  char *p = dg;
  char *r = strsep (&p, "#");
  char *verb = strsep (&p, "#");
  char *num = strsep (&p, "#");
  char *text = p;
  int n;

  if (ranged (r, 0, 9999, &n) || (room && n && n != room))
    return -1;
  if (!verb)
    return -1;
  if (!strcmp (verb, "PWR"))
    return ranged (num, 0, 1, &n) ? -1 : q_put (OP_POWER, n, NULL);
  if (!strcmp (verb, "CHN"))
    return ranged (num, 1, 999, &n) ? -1 : q_put (OP_CHANNEL, n, NULL);
  if (!strcmp (verb, "VOL"))
    return ranged (num, 0, 100, &n) ? -1 : q_put (OP_VOLUME, n, NULL);
  if (!strcmp (verb, "WAK"))
    return ranged (num, 0, 1440, &n) ? -1 : q_put (OP_WAKE, n, NULL);
  if (!strcmp (verb, "MSG"))
    {
      if (ranged (num, 1, 300, &n) || !text || !*text)
        return -1;
      clean_text (text);
      return q_put (OP_MESSAGE, n, text);
    }
  return -1;
}

static void *receiver (void *arg)
{
  int s = *(int *) arg;
  char dg[DGRAM];

  for (;;)
    {
      struct sockaddr_in peer;
      socklen_t plen = sizeof (peer);
      ssize_t n = recvfrom (s, dg, sizeof (dg) - 1, 0, (struct sockaddr *) &peer, &plen);
      const char *ans;

      if (n < 0)
        {
          if (errno == EINTR)
            continue;
          break;
        }
      dg[n] = '\0';
      ans = parse_order (dg) ? "ERR" : "OK";
      sendto (s, ans, strlen (ans), 0, (struct sockaddr *) &peer, plen);
    }
  return NULL;
}

int main (int argc, char **argv)
{
  struct sockaddr_in me;
  pthread_t rx, wk;
  int s;

  if (argc > 1)
    room = atoi (argv[1]);
  s = socket (AF_INET, SOCK_DGRAM, 0);
  memset (&me, 0, sizeof (me));
  me.sin_family = AF_INET;
  me.sin_port = htons (TV_PORT);
  if (s < 0 || bind (s, (struct sockaddr *) &me, sizeof (me)))
    {
      say ("cannot bind: %s", strerror (errno));
      return 1;
    }
  if (pthread_create (&wk, NULL, worker, NULL) || pthread_create (&rx, NULL, receiver, &s))
    return 1;
  pthread_join (rx, NULL);
  return 0;
}
