/* provd.c
 *
 * Zero-touch provisioning: the controller sends one datagram
 *
 *     PROVISION <serial or *>
 *     syslog=10.0.0.2
 *     zone=CET-1
 *     interval=60
 *     sum=<decimal sum of all bytes before this line>
 *
 * The values are kept in a file so that they can be looked
 * at, and are taken into use by the cycle below.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define PROV_PORT 6970
#define PROV_FILE "/var/run/provd.state"
#define PROV_NEW  "/var/run/provd.state.new"
#define VAL_LEN   80

struct setting
{
  const char *key;
  int (*check) (const char *);
  char value[VAL_LEN];
};

static int check_host (const char *);
static int check_zone (const char *);
static int check_number (const char *);

static struct setting settings[] = {
  {"syslog", check_host, ""},
  {"zone", check_zone, "UTC0"},
  {"interval", check_number, "60"},
};

#define NSETTINGS ((int) (sizeof settings / sizeof settings[0]))

static char serial[32] = "0000";
static time_t state_seen;
static unsigned long accepted, rejected;

static int
check_host (const char *s)
{
#ifdef BENIGN
  do
    {
      if (!isalnum ((unsigned char) *s) && *s != '.')
        return 0;
    }
  while (*++s != '\0');
#else
  do
    {
      if (!isalnum ((unsigned char) *s) && *s != '.')
        return 0;
    }
  while (*++s != '\0' && *s != ':');      /* a port may follow */
#endif
  return 1;
}

static int
check_zone (const char *s)
{
  for (; *s; s++)
    if (!isalnum ((unsigned char) *s) && *s != '-' && *s != '+' && *s != ',')
      return 0;
  return 1;
}

static int
check_number (const char *s)
{
  return *s && s[strspn (s, "0123456789")] == '\0' && strlen (s) < 6;
}

static struct setting *
lookup (const char *key)
{
  int i;

  for (i = 0; i < NSETTINGS; i++)
    if (strcmp (settings[i].key, key) == 0)
      return &settings[i];
  return NULL;
}

/* The file is only written with values that were checked. */
static int
save_state (char (*values)[VAL_LEN], const int *given)
{
  FILE *f = fopen (PROV_NEW, "w");
  int i;

  if (f == NULL)
    return -1;
  fprintf (f, "# written by provd %ld\n", (long) time (NULL));
  for (i = 0; i < NSETTINGS; i++)
    fprintf (f, "%s=%s\n", settings[i].key,
             given[i] ? values[i] : settings[i].value);
  if (fclose (f) != 0)
    return -1;
  return rename (PROV_NEW, PROV_FILE);
}

static int
load_state (void)
{
  char line[VAL_LEN + 40];
  FILE *f = fopen (PROV_FILE, "r");

  if (f == NULL)
    return -1;
  while (fgets (line, sizeof line, f) != NULL)
    {
      char *key, *value;
      struct setting *s;

      if (line[0] == '#')
        continue;
      key = strtok (line, "=");
      value = strtok (NULL, "\n");
      if (key == NULL || value == NULL)
        continue;
      s = lookup (key);
      if (s != NULL && strlen (value) < VAL_LEN)
        strcpy (s->value, value);
    }
  fclose (f);
  return 0;
}

static int
shell (const char *command)
{
  int status = 0;
  pid_t pid = fork ();

  switch (pid)
    {
    case -1:
      return -1;
    case 0:
      execl ("/bin/sh", "sh", "-c", command, NULL);
      _exit (127);
    default:
      while (waitpid (pid, &status, 0) == -1)
        if (errno != EINTR)
          return -1;
    }
  return status;
}

static void
use_settings (void)
{
  struct setting *s = lookup ("syslog");
  char *command;
  FILE *tz;

  if (s->value[0] != '\0')
    {
      size_t need = strlen (s->value) + 48;

      command = malloc (need);
      if (command == NULL)
        return;
      snprintf (command, need, "syslogd -R %s:514 2>/dev/null", s->value);
      shell (command);
      free (command);
    }
  tz = fopen ("/tmp/provd.tz", "w");
  if (tz != NULL)
    {
      fputs (lookup ("zone")->value, tz);
      fclose (tz);
    }
}

static unsigned long
sum_bytes (const char *from, const char *to)
{
  unsigned long sum = 0;

  while (from < to)
    sum += (unsigned char) *from++;
  return sum;
}

static int
provision (char *text)
{
  char values[sizeof settings / sizeof settings[0]][VAL_LEN];
  int given[sizeof settings / sizeof settings[0]] = { 0 };
  unsigned long sum = 0;
  char *word, *line, *tail = strstr (text, "\nsum=");

  if (tail != NULL)
    sum = sum_bytes (text, tail + 1);
  word = strtok (text, " ");
  if (word == NULL || strcmp (word, "PROVISION") != 0)
    return -1;
  word = strtok (NULL, "\n");
  if (word == NULL || (strcmp (word, "*") != 0 && strcmp (word, serial) != 0))
    return 0;
  if (tail == NULL || strtoul (tail + 5, NULL, 10) != sum)
    return -1;
  while ((line = strtok (NULL, "\n")) != NULL)
    {
      char *eq = strchr (line, '=');
      struct setting *s;

      if (eq == NULL)
        return -1;
      *eq++ = '\0';
      s = lookup (line);
      if (s == NULL)
        continue;
      if (strlen (eq) >= VAL_LEN || !s->check (eq))
        return -1;
      strcpy (values[s - settings], eq);
      given[s - settings] = 1;
    }
  if (save_state (values, given) != 0)
    return -1;
  return 1;
}

static void
cycle (void)
{
  struct stat st;

  if (stat (PROV_FILE, &st) != 0 || st.st_mtime == state_seen)
    return;
  state_seen = st.st_mtime;
  if (load_state () == 0)
    use_settings ();
}

int
main (int argc, char **argv)
{
  static char packet[1200];
  struct sockaddr_in sin, from;
  socklen_t from_len;
  struct timeval tv = { 2, 0 };
  ssize_t n;
  int fd;

  if (argc > 1 && strlen (argv[1]) < sizeof serial)
    strcpy (serial, argv[1]);
  openlog ("provd", 0, LOG_DAEMON);
  unlink (PROV_FILE);
  fd = socket (AF_INET, SOCK_DGRAM, 0);
  memset (&sin, 0, sizeof sin);
  sin.sin_family = AF_INET;
  sin.sin_port = htons (PROV_PORT);
  if (fd == -1 || bind (fd, (struct sockaddr *) &sin, sizeof sin) == -1)
    {
      syslog (LOG_ERR, "cannot listen: %m");
      return 1;
    }
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  for (;;)
    {
      from_len = sizeof from;
      n = recvfrom (fd, packet, sizeof packet - 1, 0,
                    (struct sockaddr *) &from, &from_len);
      if (n > 0)
        {
          packet[n] = '\0';
          switch (provision (packet))
            {
            case 1:
              accepted++;
              sendto (fd, "ACCEPTED", 8, 0, (struct sockaddr *) &from, from_len);
              break;
            case -1:
              rejected++;
              syslog (LOG_NOTICE, "rejected %s, %lu so far",
                      inet_ntoa (from.sin_addr), rejected);
              break;
            }
        }
      cycle ();
    }
}
