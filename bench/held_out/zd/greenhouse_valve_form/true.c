/* valves.cgi - irrigation page of the greenhouse controller.
 *
 * POST body, form encoded:
 *   plan=night&start=04:30&minutes=12&zone=tomato&zone=basil&zone=...
 * The plan is written to a file; the controller re-reads it on SIGHUP.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PLAN_DIR   "/tmp/plans"
#define PID_FILE   "/var/run/greenhoused.pid"
#define BODY_MAX   16384
#define ZONES_MAX  160

struct plan {
  char name[24];
  int  hour, minute;
  int  duration;
  int  nzones;
};

struct form_key {
  const char *key;
  int (*fn) (struct plan *, char *value, char *zones);
};

static const char *complaint;

static int
fail (const char *why)
{
  complaint = why;
  return -1;
}

/* ------------------------------------------------------------------ */

static int
xdigit (char c)
{
  if (isdigit ((unsigned char) c))
    return c - '0';
  if (isxdigit ((unsigned char) c))
    return tolower ((unsigned char) c) - 'a' + 10;
  return -1;
}

static void
decode (char *s)
{
  char *d = s;
  int h, l;

  for (; *s; s++)
    {
      if (*s == '+')
        *d++ = ' ';
      else if (*s == '%' && (h = xdigit (s[1])) >= 0 && (l = xdigit (s[2])) >= 0)
        {
          *d++ = (char) (h * 16 + l);
          s += 2;
        }
      else
        *d++ = *s;
    }
  *d = '\0';
}

static int
word_ok (const char *s, size_t max)
{
  size_t i;

  for (i = 0; s[i]; i++)
    if (!islower ((unsigned char) s[i]) && !isdigit ((unsigned char) s[i]) && s[i] != '_')
      return 0;
  return i > 0 && i <= max;
}

/* appends a zone name, separated by a comma */
static void
zone_append (char *zones, size_t cap, const char *name)
{
  if (zones[0])
    strncat (zones, ",", cap - 1);
  strncat (zones, name, cap - 1);
}

/* ------------------------------------------------------------------ */
/* form fields                                                        */

static int
f_plan (struct plan *p, char *v, char *zones)
{
  (void) zones;
  if (!word_ok (v, sizeof p->name - 1))
    return fail ("plan name");
  strcpy (p->name, v);
  return 0;
}

static int
f_start (struct plan *p, char *v, char *zones)
{
  (void) zones;
  if (sscanf (v, "%2d:%2d", &p->hour, &p->minute) != 2)
    return fail ("start time");
  if (p->hour < 0 || p->hour > 23 || p->minute < 0 || p->minute > 59)
    return fail ("start time");
  return 0;
}

static int
f_minutes (struct plan *p, char *v, char *zones)
{
  (void) zones;
  p->duration = atoi (v);
  if (p->duration < 1 || p->duration > 240)
    return fail ("duration");
  return 0;
}

static int
f_zone (struct plan *p, char *v, char *zones)
{
  if (!word_ok (v, 20))
    return fail ("zone name");
  zone_append (zones, ZONES_MAX, v);
  p->nzones++;
  return 0;
}

static const struct form_key keys[] = {
  { "plan",    f_plan },
  { "start",   f_start },
  { "minutes", f_minutes },
  { "zone",    f_zone },
};

/* ------------------------------------------------------------------ */

static int
plan_write (const struct plan *p, const char *zones)
{
  char path[96], tmp[96];
  FILE *f;

  if (mkdir (PLAN_DIR, 0755) != 0 && errno != EEXIST)
    return fail ("no directory");
  snprintf (path, sizeof path, PLAN_DIR "/%s.plan", p->name);
  snprintf (tmp, sizeof tmp, PLAN_DIR "/.%s.%d", p->name, (int) getpid ());
  f = fopen (tmp, "w");
  if (!f)
    return fail ("cannot write");
  fprintf (f, "# written %ld\nstart %02d:%02d\nminutes %d\nzones %s\n",
           (long) time (NULL), p->hour, p->minute, p->duration, zones);
  if (fclose (f) != 0 || rename (tmp, path) != 0)
    {
      unlink (tmp);
      return fail ("cannot write");
    }
  return 0;
}

static void
wake_controller (void)
{
  FILE *f = fopen (PID_FILE, "r");
  char line[16];
  int pid;

  if (!f)
    return;
  if (fgets (line, sizeof line, f) && (pid = atoi (line)) > 1)
    kill (pid, SIGHUP);
  fclose (f);
}

static void
reply (const char *status, const char *text)
{
  printf ("Status: %s\r\nContent-Type: text/html\r\n\r\n", status);
  printf ("<html><body><p>%s</p><a href=\"/valves.html\">back</a></body></html>\n", text);
}

static int
parse (char *body, struct plan *p, char *zones)
{
  char *tok, *eq, *save = NULL;
  size_t i;

  for (tok = strtok_r (body, "&", &save); tok; tok = strtok_r (NULL, "&", &save))
    {
      eq = strchr (tok, '=');
      if (!eq)
        continue;
      *eq++ = '\0';
      decode (eq);
      for (i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp (tok, keys[i].key) == 0)
          {
            if (keys[i].fn (p, eq, zones) != 0)
              return -1;
            break;
          }
    }
  if (!p->name[0])
    return fail ("plan is missing");
  if (p->nzones == 0)
    return fail ("no zone");
  return 0;
}

static int
post (void)
{
  const char *cl = getenv ("CONTENT_LENGTH");
  char zones[ZONES_MAX] = "";
  char summary[128];
  struct plan plan;
  long len = cl ? atol (cl) : 0;
  char *body;
  size_t got;
  int rc;

  if (len <= 0 || len > BODY_MAX)
    {
      reply ("413 Payload Too Large", "too much or nothing");
      return 0;
    }
  body = malloc ((size_t) len + 1);
  if (!body)
    return 1;
  got = fread (body, 1, (size_t) len, stdin);
  body[got] = '\0';
  memset (&plan, 0, sizeof plan);
  plan.duration = 10;
  rc = parse (body, &plan, zones);
  if (rc == 0)
    rc = plan_write (&plan, zones);
  free (body);
  if (rc != 0)
    {
      reply ("400 Bad Request", complaint);
      return 0;
    }
  wake_controller ();
  snprintf (summary, sizeof summary, "Plan %s: %d zones at %02d:%02d for %d min",
            plan.name, plan.nzones, plan.hour, plan.minute, plan.duration);
  reply ("200 OK", summary);
  return 0;
}

static int
get (void)
{
  const char *q = getenv ("QUERY_STRING");
  char path[96], line[256];
  FILE *f;

  if (!q || strncmp (q, "plan=", 5) != 0 || !word_ok (q + 5, 23))
    {
      reply ("404 Not Found", "no such plan");
      return 0;
    }
  snprintf (path, sizeof path, PLAN_DIR "/%s.plan", q + 5);
  f = fopen (path, "r");
  if (!f)
    {
      reply ("404 Not Found", "no such plan");
      return 0;
    }
  printf ("Content-Type: text/plain\r\n\r\n");
  while (fgets (line, sizeof line, f))
    fputs (line, stdout);
  fclose (f);
  return 0;
}

static const struct {
  const char *method;
  int (*fn) (void);
} methods[] = {
  { "GET", get }, { "POST", post },
};

int
main (void)
{
  const char *m = getenv ("REQUEST_METHOD");
  size_t i;

  for (i = 0; m && i < sizeof methods / sizeof methods[0]; i++)
    if (strcmp (m, methods[i].method) == 0)
      return methods[i].fn ();
  reply ("405 Method Not Allowed", "method");
  return 0;
}
