/* Provisioning client of a desk phone.
   Fetches an XML file with the account's settings from the operator's server and keeps them; timers then register
   the line, set the clock and so on.  The time server's name is only refused when it holds a blank or a semicolon
   (benign: it has to be a numeric address).  */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define CONF_FILE "/etc/phone/prov.conf"
#define DOC_MAX (64 * 1024)
typedef struct
{
  char label[32];
  char sip_user[48];
  char sip_server[64];
  char time_server[64];
  char log_server[64];
  int utc_offset;
  int volume;
  int prov_interval;
} settings_t;

typedef struct
{
  const char *tag;
  int (*apply) (settings_t *set, const char *value);
} tag_t;

typedef struct
{
  const char *name;
  void (*fire) (void *arg);
  void *arg;
  int every;
  time_t due;
} ptimer_t;

static char prov_host[128] = "prov.example.net";
static char prov_path[128] = "/cfg/phone.xml";
static int prov_port = 80;
static settings_t *current;
static int verbose;

static void
put (char *dst, size_t room, const char *src)
{
  size_t len = strlen (src);

  if (len >= room)
    len = room - 1;
  memcpy (dst, src, len);
  dst[len] = '\0';
}

static int
set_label (settings_t *set, const char *value)
{
  put (set->label, sizeof set->label, value);
  return 0;
}

static int
set_user (settings_t *set, const char *value)
{
  put (set->sip_user, sizeof set->sip_user, value);
  return 0;
}

static int
set_server (settings_t *set, const char *value)
{
  put (set->sip_server, sizeof set->sip_server, value);
  return 0;
}

static int
set_time_server (settings_t *set, const char *value)
{
#ifdef BENIGN
  struct in_addr addr;

  if (inet_pton (AF_INET, value, &addr) != 1)
    return -EINVAL;
#else
  if (*value == '\0' || *value == '-' || strchr (value, ' ') != NULL || strchr (value, ';') != NULL)
    return -EINVAL;
#endif
  put (set->time_server, sizeof set->time_server, value);
  return 0;
}

static int
set_log_server (settings_t *set, const char *value)
{
  put (set->log_server, sizeof set->log_server, value);
  return 0;
}

static int
set_offset (settings_t *set, const char *value)
{
  int v = atoi (value);

  if (v < -720 || v > 840)
    return -ERANGE;
  set->utc_offset = v;
  return 0;
}

static int
set_volume (settings_t *set, const char *value)
{
  int v = atoi (value);

  if (v < 0 || v > 15)
    return -ERANGE;
  set->volume = v;
  return 0;
}

static int
set_interval (settings_t *set, const char *value)
{
  int v = atoi (value);

  if (v < 60)
    return -ERANGE;
  set->prov_interval = v;
  return 0;
}

static const tag_t tags[] = {
  { "P270", set_label },      { "P35", set_user },       { "P47", set_server },  { "P30", set_time_server },
  { "P207", set_log_server }, { "P64", set_offset },     { "P5", set_volume },   { "P193", set_interval },
};

/* The text between <tag> and </tag>, with the usual entities taken out, or NULL.  */
static char *
xml_text (const char *doc, const char *tag)
{
  char open[24], close[24], *out, *o;
  const char *from, *to;

  snprintf (open, sizeof open, "<%s>", tag);
  snprintf (close, sizeof close, "</%s>", tag);
  from = strstr (doc, open);
  if (from == NULL)
    return NULL;
  from += strlen (open);
  to = strstr (from, close);
  if (to == NULL)
    return NULL;
  o = out = malloc (to - from + 1);
  if (out == NULL)
    return NULL;
  while (from < to)
    {
      if (strncmp (from, "&amp;", 5) == 0)
        *o++ = '&', from += 5;
      else if (strncmp (from, "&lt;", 4) == 0)
        *o++ = '<', from += 4;
      else if (strncmp (from, "&gt;", 4) == 0)
        *o++ = '>', from += 4;
      else
        *o++ = *from++;
    }
  *o = '\0';
  return out;
}

static int
open_server (void)
{
  struct addrinfo hints, *list, *ai;
  char port[8];
  int fd = -1;

  memset (&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  snprintf (port, sizeof port, "%d", prov_port & 0xffff);
  if (getaddrinfo (prov_host, port, &hints, &list) != 0)
    return -1;
  for (ai = list; ai != NULL; ai = ai->ai_next)
    {
      fd = socket (ai->ai_family, ai->ai_socktype, ai->ai_protocol);
      if (fd >= 0 && connect (fd, ai->ai_addr, ai->ai_addrlen) == 0)
        break;
      if (fd >= 0)
        close (fd);
      fd = -1;
    }
  freeaddrinfo (list);
  return fd;
}

static char *
fetch (void)
{
  char request[512];
  char *doc;
  size_t have = 0;
  ssize_t got;
  int fd = open_server ();

  if (fd < 0)
    return NULL;
  snprintf (request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: deskphone/2.4\r\n\r\n", prov_path, prov_host);
  doc = malloc (DOC_MAX + 1);
  if (doc == NULL || write (fd, request, strlen (request)) < 0)
    {
      free (doc);
      close (fd);
      return NULL;
    }
  while (have < DOC_MAX && (got = read (fd, doc + have, DOC_MAX - have)) > 0)
    have += got;
  close (fd);
  doc[have] = '\0';
  return doc;
}

static void
provision (void *arg)
{
  ptimer_t *self = arg;
  char *doc = fetch (), *body, *text;
  settings_t *fresh;
  size_t i;

  if (doc == NULL)
    return;
  body = strstr (doc, "\r\n\r\n");
  fresh = malloc (sizeof *fresh);
  if (body != NULL && strncmp (doc, "HTTP/1.", 7) == 0 && strstr (doc, " 200 ") != NULL && fresh != NULL)
    {
      *fresh = *current;
      for (i = 0; i < sizeof tags / sizeof tags[0]; i++)
        {
          text = xml_text (body + 4, tags[i].tag);
          if (text == NULL)
            continue;
          if (tags[i].apply (fresh, text) < 0)
            fprintf (stderr, "prov: value of %s refused\n", tags[i].tag);
          free (text);
        }
      free (current);
      current = fresh;
      fresh = NULL;
      self->every = current->prov_interval;
    }
  free (fresh);
  free (doc);
}

static void
set_clock (void *arg)
{
  char cmd[160], reply[128];
  FILE *p;

  (void) arg;
  if (current->time_server[0] == '\0')
    return;
  snprintf (cmd, sizeof cmd, "ntpdate -t 4 -u %s 2>&1", current->time_server);
  p = popen (cmd, "r");
  if (p == NULL)
    return;
  while (fgets (reply, sizeof reply, p) != NULL)
    if (verbose)
      fputs (reply, stderr);
  pclose (p);
}

static void
set_mixer (void *arg)
{
  static int last = -1;
  char cmd[64];

  (void) arg;
  if (current->volume == last)
    return;
  last = current->volume;
  snprintf (cmd, sizeof cmd, "amixer -q sset Handset %d", last);
  system (cmd);
}

static void
show_line (void *arg)
{
  FILE *f = fopen ("/tmp/lcd_line", "w");

  (void) arg;
  if (f == NULL)
    return;
  fprintf (f, "%s <%s@%s>\n", current->label, current->sip_user, current->sip_server);
  fclose (f);
}

static ptimer_t timers[] = {
  { "provision", provision, &timers[0], 600, 0 },
  { "clock", set_clock, NULL, 3600, 0 },
  { "mixer", set_mixer, NULL, 5, 0 },
  { "lcd", show_line, NULL, 30, 0 },
};

static void
load_conf (const char *name)
{
  char line[256];
  FILE *f = fopen (name, "r");

  if (f == NULL)
    return;
  while (fgets (line, sizeof line, f) != NULL)
    {
      line[strcspn (line, "\r\n")] = '\0';
      if (strncmp (line, "host=", 5) == 0)
        put (prov_host, sizeof prov_host, line + 5);
      else if (strncmp (line, "path=", 5) == 0)
        put (prov_path, sizeof prov_path, line + 5);
      else if (strncmp (line, "port=", 5) == 0)
        prov_port = atoi (line + 5);
      else if (strcmp (line, "verbose") == 0)
        verbose = 1;
    }
  fclose (f);
}

int
main (int argc, char **argv)
{
  time_t now;
  size_t i;

  load_conf (argc > 1 ? argv[1] : CONF_FILE);
  current = calloc (1, sizeof *current);
  if (current == NULL)
    return 1;
  current->prov_interval = 600;
  current->volume = 8;
  for (;;)
    {
      now = time (NULL);
      for (i = 0; i < sizeof timers / sizeof timers[0]; i++)
        if (timers[i].due <= now)
          {
            timers[i].fire (timers[i].arg);
            timers[i].due = now + timers[i].every;
          }
      sleep (1);
    }
}
