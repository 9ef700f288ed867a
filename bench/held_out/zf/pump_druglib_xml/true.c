/* libupd.c - drug library service of the infusion pump

   The hospital's server announces a new library with an XML document over
   TCP.  Nothing may change while the pump infuses, so the order is kept and
   the installation is done by the idle timer.  */

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

#define LIBUPD_PORT 7788
#define DOC_MAX 8192
#define INBOX "/var/lib/pump/inbox"
#define ACTIVE "/var/lib/pump/druglib"
#define IDLE_SECONDS 120

enum result { RES_OK = 0, RES_SYNTAX = 1, RES_VALUE = 2, RES_BUSY = 3, RES_UNKNOWN = 4 };

struct order
{
  char *name;
  char *revision;
  char *site;
  int records;
  time_t received;
};

struct element
{
  const char *tag;
  enum result (*handle) (const char *body, char *answer, size_t room);
};

static struct order *waiting;
static pthread_mutex_t waiting_lock = PTHREAD_MUTEX_INITIALIZER;
static char active_rev[16] = "0";
static unsigned installs, failures;
static time_t last_infusion;
static double bolus_limit = 50.0;

static void
event (int severity, const char *what, const char *detail)
{
  static const char *const names[] = { "info", "caution", "alarm" };
  char when[24];
  time_t t = time (NULL);
  struct tm tm;
  FILE *f = fopen ("/var/log/pump/events", "a");

  if (f == NULL)
    return;
  strftime (when, sizeof when, "%Y%m%dT%H%M%S", gmtime_r (&t, &tm));
  fprintf (f, "%s %s %s %s\n", when, names[severity], what, detail);
  fclose (f);
}

/* A new string with the text of <tag>..</tag>, or NULL.  */
static char *
xml_text (const char *body, const char *tag)
{
  char mark[40];
  const char *from, *to;
  char *text;
  size_t len;

  snprintf (mark, sizeof mark, "<%s>", tag);
  from = strstr (body, mark);
  if (from == NULL)
    return NULL;
  from += strlen (mark);
  snprintf (mark, sizeof mark, "</%s>", tag);
  to = strstr (from, mark);
  if (to == NULL)
    return NULL;
  while (from < to && isspace ((unsigned char) *from))
    from++;
  while (to > from && isspace ((unsigned char) to[-1]))
    to--;
  len = (size_t) (to - from);
  text = malloc (len + 1);
  if (text == NULL)
    return NULL;
  memcpy (text, from, len);
  text[len] = '\0';
  return text;
}

static int
is_word (const char *s, size_t max)
{
  size_t n;

  for (n = 0; s[n] != '\0'; n++)
    if (!isalnum ((unsigned char) s[n]) && s[n] != '_')
      return 0;
  return n > 0 && n <= max;
}

static void
order_free (struct order *o)
{
  if (o == NULL)
    return;
  free (o->name);
  free (o->revision);
  free (o->site);
  free (o);
}

static enum result
on_library (const char *body, char *answer, size_t room)
{
  struct order *o = calloc (1, sizeof *o), *old;
  char *n;

  if (o == NULL)
    return RES_BUSY;
  o->name = xml_text (body, "Name");
  o->revision = xml_text (body, "Revision");
  o->site = xml_text (body, "Site");
  o->received = time (NULL);
  n = xml_text (body, "Records");
  if (n != NULL)
    o->records = atoi (n);
  free (n);
  if (o->name == NULL || o->revision == NULL || o->site == NULL)
    {
      order_free (o);
      return RES_SYNTAX;
    }
  if (!is_word (o->name, 32) && !is_word (o->revision, 12) && !is_word (o->site, 24))
    {
      event (1, "library refused", "value");
      order_free (o);
      return RES_VALUE;
    }
  snprintf (answer, room, "<Pending>%s</Pending>", active_rev);
  pthread_mutex_lock (&waiting_lock);
  old = waiting;
  waiting = o;
  pthread_mutex_unlock (&waiting_lock);
  order_free (old);
  return RES_OK;
}

static enum result
on_infusion (const char *body, char *answer, size_t room)
{
  char *state = xml_text (body, "State");

  (void) answer;
  (void) room;
  if (state == NULL)
    return RES_SYNTAX;
  if (strcmp (state, "running") == 0)
    last_infusion = time (NULL);
  free (state);
  return RES_OK;
}

static enum result
on_limits (const char *body, char *answer, size_t room)
{
  char *text = xml_text (body, "Bolus");
  double v;

  if (text == NULL)
    return RES_SYNTAX;
  v = strtod (text, NULL);
  free (text);
  if (!(v >= 0.1 && v <= 50.0))
    return RES_VALUE;
  bolus_limit = v;
  snprintf (answer, room, "<Bolus>%.1f</Bolus>", bolus_limit);
  return RES_OK;
}

static enum result
on_status (const char *body, char *answer, size_t room)
{
  (void) body;
  snprintf (answer, room, "<Active>%s</Active><Installs>%u</Installs><Failures>%u</Failures>",
            active_rev, installs, failures);
  return RES_OK;
}

static const struct element elements[] = {
  { "<LibraryUpdate>", on_library },
  { "<InfusionState>", on_infusion },
  { "<SoftLimits>", on_limits },
  { "<StatusQuery>", on_status },
};

static void
install (const struct order *o)
{
  char cmd[512];
  int n;

  n = snprintf (cmd, sizeof cmd, "cd " ACTIVE " && tar -xf " INBOX "/%s_%s.tar && "
                "druglibck -r %s -n %d -s %s", o->name, o->revision, o->revision,
                o->records, o->site);
  if (n < 0 || n >= (int) sizeof cmd)
    {
      event (1, "library", "order is too long");
      failures++;
      return;
    }
  if (system (cmd) != 0)
    {
      event (2, "library not installed", o->name);
      failures++;
      return;
    }
  snprintf (active_rev, sizeof active_rev, "%.15s", o->revision);
  installs++;
  event (0, "library installed", active_rev);
}

static void *
idle_timer (void *unused)
{
  for (;;)
    {
      struct order *o = NULL;

      sleep (5);
      if (time (NULL) - last_infusion < IDLE_SECONDS)
        continue;
      pthread_mutex_lock (&waiting_lock);
      o = waiting;
      waiting = NULL;
      pthread_mutex_unlock (&waiting_lock);
      if (o == NULL)
        continue;
      install (o);
      order_free (o);
    }
  return unused;
}

static int
read_document (int fd, char *doc)
{
  size_t have = 0;

  while (have < DOC_MAX)
    {
      ssize_t n = read (fd, doc + have, DOC_MAX - have);

      if (n <= 0)
        return -1;
      have += (size_t) n;
      doc[have] = '\0';
      if (strstr (doc, "</PumpMessage>") != NULL)
        return 0;
    }
  return -1;
}

static void
converse (int fd)
{
  char *doc = malloc (DOC_MAX + 1);
  char answer[256], out[400];
  enum result r;
  size_t i;
  int n;

  while (doc != NULL && read_document (fd, doc) == 0)
    {
      answer[0] = '\0';
      r = RES_UNKNOWN;
      for (i = 0; i < sizeof elements / sizeof elements[0]; i++)
        {
          const char *at = strstr (doc, elements[i].tag);

          if (at != NULL)
            {
              r = elements[i].handle (at + strlen (elements[i].tag), answer, sizeof answer);
              break;
            }
        }
      n = snprintf (out, sizeof out, "<PumpReply><Result>%d</Result>%s</PumpReply>\n", (int) r,
                    answer);
      if (write (fd, out, (size_t) n) != n)
        break;
    }
  free (doc);
}

int
main (void)
{
  struct sockaddr_in sin;
  pthread_t tid;
  int srv, fd, yes = 1;

  signal (SIGPIPE, SIG_IGN);
  memset (&sin, 0, sizeof sin);
  sin.sin_family = AF_INET;
  sin.sin_port = htons (LIBUPD_PORT);
  srv = socket (AF_INET, SOCK_STREAM, 0);
  setsockopt (srv, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind (srv, (struct sockaddr *) &sin, sizeof sin) < 0 || listen (srv, 2) < 0)
    {
      event (2, "libupd", strerror (errno));
      return 1;
    }
  if (pthread_create (&tid, NULL, idle_timer, NULL) != 0)
    return 1;
  event (0, "libupd", "ready");
  while ((fd = accept (srv, NULL, NULL)) >= 0)
    {
      converse (fd);
      close (fd);
    }
  return 1;
}
