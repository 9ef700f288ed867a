/*
 * invd: web side of a solar inverter's data logger.
 * Settings are kept in a small store; the portal thread reads them each
 * period and hands a record to the uplink.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WEB_PORT 8899
#define CONF_FILE "/etc/invd.conf"
#define UPLINK_FILE "/var/spool/uplink"

/* ------------------------------------------------------------------ store */

struct setting
{
  const char *key;
  size_t maxlen;
  int (*check) (const char *);
  char *value;
};

static int
check_any (const char *s)
{
  for (; *s; s++)
    if ((unsigned char) *s < ' ')
      return 0;
  return 1;
}

static int
check_num (const char *s)
{
  return *s && s[strspn (s, "0123456789")] == '\0';
}

static struct setting settings[] = {
  { "period",     5,   check_num, NULL },
  { "portal",     100, check_any, NULL },
  { "site_label", 100, check_any, NULL },
  { "serial",     20,  check_num, NULL },
  { "operator",   64,  check_any, NULL },
};

#define N_SETTINGS (sizeof settings / sizeof settings[0])

static pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;
static int store_dirty;

static struct setting *
store_find (const char *key)
{
  size_t i;

  for (i = 0; i < N_SETTINGS; i++)
    if (!strcmp (settings[i].key, key))
      return &settings[i];
  return NULL;
}

static int
store_set (const char *key, const char *value)
{
  struct setting *s = store_find (key);
  char *copy;

  if (s == NULL || strlen (value) > s->maxlen || !s->check (value))
    return -1;
  copy = strdup (value);
  if (copy == NULL)
    return -1;
  pthread_mutex_lock (&store_lock);
  free (s->value);
  s->value = copy;
  store_dirty = 1;
  pthread_mutex_unlock (&store_lock);
  return 0;
}

/* with the lock held */
static const char *
store_get (const char *key, const char *fallback)
{
  struct setting *s = store_find (key);

  return s != NULL && s->value != NULL ? s->value : fallback;
}

static void
store_load (void)
{
  FILE *f = fopen (CONF_FILE, "r");
  char line[256], *eq;

  if (f == NULL)
    return;
  while (fgets (line, sizeof line, f))
    {
      line[strcspn (line, "\r\n")] = '\0';
      eq = strchr (line, '=');
      if (eq == NULL)
        continue;
      *eq = '\0';
      store_set (line, eq + 1);
    }
  fclose (f);
  store_dirty = 0;
}

static void
store_save (void)
{
  FILE *f;
  size_t i;

  pthread_mutex_lock (&store_lock);
  if (store_dirty && (f = fopen (CONF_FILE, "w")) != NULL)
    {
      for (i = 0; i < N_SETTINGS; i++)
        if (settings[i].value)
          fprintf (f, "%s=%s\n", settings[i].key, settings[i].value);
      fclose (f);
      store_dirty = 0;
    }
  pthread_mutex_unlock (&store_lock);
}

/* ----------------------------------------------------------------- portal */

static double yield_kwh = 12.4;

static void
write_record (void)
{
  char serial[24], label[32];
  FILE *f;

  pthread_mutex_lock (&store_lock);
  strcpy (serial, store_get ("serial", "0"));
  strcpy (label, store_get ("site_label", "roof"));
  pthread_mutex_unlock (&store_lock);

  f = fopen (UPLINK_FILE, "a");
  if (f == NULL)
    return;
  fprintf (f, "%ld;%s;%s;%.1f\n", (long) time (NULL), serial, label, yield_kwh);
  fclose (f);
}

static void
integrate (void)
{
  yield_kwh += 0.001;
}

static struct timed_job
{
  void (*fn) (void);
  const char *period_key;
  int period;
  int left;
} timed_jobs[] = {
  { integrate, NULL, 1, 1 },
  { write_record, "period", 2, 2 },
  { store_save, NULL, 10, 10 },
};

static void *
portal_thread (void *arg)
{
  struct timed_job *j;

  (void) arg;
  for (;;)
    {
      sleep (1);
      for (j = timed_jobs; j < timed_jobs + sizeof timed_jobs / sizeof timed_jobs[0]; j++)
        {
          if (--j->left > 0)
            continue;
          j->fn ();
          j->left = j->period;
          if (j->period_key != NULL)
            {
              pthread_mutex_lock (&store_lock);
              j->left = atoi (store_get (j->period_key, "2"));
              pthread_mutex_unlock (&store_lock);
            }
        }
    }
  return NULL;
}

/* -------------------------------------------------------------------- web */

static int
nibble (int c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void
unescape (char *s)
{
  char *o = s;

  for (; *s; s++)
    if (*s == '%' && nibble (s[1]) >= 0 && nibble (s[2]) >= 0)
      {
        *o++ = (char) (nibble (s[1]) << 4 | nibble (s[2]));
        s += 2;
      }
    else
      *o++ = *s == '+' ? ' ' : *s;
  *o = '\0';
}

static int
web_set (char *query, char *out, size_t cap)
{
  char *pair, *eq, *save = NULL;
  int done = 0, refused = 0;

  for (pair = strtok_r (query, "&", &save); pair; pair = strtok_r (NULL, "&", &save))
    {
      eq = strchr (pair, '=');
      if (eq == NULL)
        continue;
      *eq++ = '\0';
      unescape (eq);
      if (store_set (pair, eq) == 0)
        done++;
      else
        refused++;
    }
  snprintf (out, cap, "%d set, %d refused\n", done, refused);
  return refused ? 400 : 200;
}

static int
web_get (char *query, char *out, size_t cap)
{
  pthread_mutex_lock (&store_lock);
  snprintf (out, cap, "%s=%s\n", query, store_get (query, ""));
  pthread_mutex_unlock (&store_lock);
  return 200;
}

static int
web_yield (char *query, char *out, size_t cap)
{
  (void) query;
  snprintf (out, cap, "%.3f kWh\n", yield_kwh);
  return 200;
}

static const struct
{
  const char *path;
  int (*fn) (char *, char *, size_t);
} routes[] = {
  { "/set", web_set },
  { "/get", web_get },
  { "/yield", web_yield },
};

static void
web_client (int fd)
{
  char req[1500], text[400], head[96];
  char *path, *query, *end;
  int code = 404, n;
  ssize_t got;
  size_t i;

  got = recv (fd, req, sizeof req - 1, 0);
  if (got <= 0)
    return;
  req[got] = '\0';
  strcpy (text, "not here\n");
  if (strncmp (req, "GET ", 4) != 0)
    return;
  path = req + 4;
  end = strpbrk (path, " \r\n");
  if (end == NULL)
    return;
  *end = '\0';
  query = strchr (path, '?');
  if (query != NULL)
    *query++ = '\0';
  else
    query = end;
  for (i = 0; i < sizeof routes / sizeof routes[0]; i++)
    if (!strcmp (path, routes[i].path))
      code = routes[i].fn (query, text, sizeof text);
  n = snprintf (head, sizeof head, "HTTP/1.0 %d -\r\nContent-Length: %zu\r\n\r\n",
                code, strlen (text));
  send (fd, head, (size_t) n, MSG_NOSIGNAL);
  send (fd, text, strlen (text), MSG_NOSIGNAL);
}

int
main (void)
{
  struct sockaddr_in sa;
  struct timeval tv = { 5, 0 };
  pthread_t t;
  int ls, fd, on = 1;

  store_load ();
  ls = socket (AF_INET, SOCK_STREAM, 0);
  setsockopt (ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  memset (&sa, 0, sizeof sa);
  sa.sin_family = AF_INET;
  sa.sin_port = htons (WEB_PORT);
  if (bind (ls, (struct sockaddr *) &sa, sizeof sa) || listen (ls, 5))
    {
      perror ("invd");
      return 1;
    }
  if (pthread_create (&t, NULL, portal_thread, NULL))
    return 1;
  for (;;)
    {
      fd = accept (ls, NULL, NULL);
      if (fd < 0)
        continue;
      setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
      web_client (fd);
      close (fd);
    }
}
