/* share.cgi -- share management of the storage box's web interface.
 *
 * GET  share.cgi?cmd=list | usage&name=...
 * POST share.cgi  cmd=create&name=...&quota=...&comment=...  (urlencoded)
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VOLUME     "/mnt/HD_a2"
#define SESSIONS   "/tmp/cgi_sessions"
#define MAX_FIELDS 24
#define MAX_POST   8192

struct field
{
  char *name;
  char *value;
};

struct request
{
  struct field fields[MAX_FIELDS];
  int count;
  char *post;
  char *query;
  int is_post;
};

static void
cgi_header (const char *status)
{
  printf ("Status: %s\r\nContent-Type: text/xml\r\nCache-Control: no-cache\r\n\r\n", status);
}

static int
fail (int code, const char *why)
{
  cgi_header ("200 OK");
  printf ("<result><code>%d</code><text>%s</text></result>\n", code, why);
  return 1;
}

static int
unhex (int c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  c = tolower (c);
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return -1;
}

static void
url_decode (char *s)
{
  char *d = s;
  while (*s)
    {
      int hi, lo;
      if (*s == '+')
        {
          *d++ = ' ';
          s++;
        }
      else if (*s == '%' && (hi = unhex (s[1])) >= 0 && (lo = unhex (s[2])) >= 0)
        {
          *d++ = (char) (hi * 16 + lo);
          s += 3;
        }
      else
        *d++ = *s++;
    }
  *d = 0;
}

static void
split_fields (struct request *r, char *text)
{
  char *part, *save = NULL;
  for (part = strtok_r (text, "&", &save); part && r->count < MAX_FIELDS; part = strtok_r (NULL, "&", &save))
    {
      char *eq = strchr (part, '=');
      if (!eq)
        continue;
      *eq = 0;
      r->fields[r->count].name = part;
      r->fields[r->count].value = eq + 1;
      url_decode (eq + 1);
      r->count++;
    }
}

static const char *
field (const struct request *r, const char *name)
{
  int i;
  for (i = 0; i < r->count; i++)
    if (strcmp (r->fields[i].name, name) == 0)
      return r->fields[i].value;
  return NULL;
}

static int
read_request (struct request *r)
{
  const char *method = getenv ("REQUEST_METHOD");
  const char *query = getenv ("QUERY_STRING");

  memset (r, 0, sizeof *r);
  if (method == NULL)
    return -1;
  if (query && *query)
    {
      r->query = strdup (query);
      if (!r->query)
        return -1;
      split_fields (r, r->query);
    }
  if (strcmp (method, "POST") == 0)
    {
      const char *cl = getenv ("CONTENT_LENGTH");
      long len = cl ? atol (cl) : 0;
      if (len <= 0 || len > MAX_POST)
        return -1;
      r->post = malloc (len + 1);
      if (!r->post)
        return -1;
      len = (long) fread (r->post, 1, len, stdin);
      r->post[len] = 0;
      r->is_post = 1;
      split_fields (r, r->post);
    }
  return 0;
}

/* Runs /bin/sh with the formatted line and waits for it. */
static int
shell (const char *format, ...)
{
  char *line;
  va_list args;
  int status = -1, n;
  pid_t pid;

  va_start (args, format);
  n = vasprintf (&line, format, args);
  va_end (args);
  if (n < 0)
    return -1;
  fflush (stdout);
  pid = fork ();
  if (pid == 0)
    {
      execl ("/bin/sh", "sh", "-c", line, (char *) NULL);
      _exit (127);
    }
  if (pid > 0)
    while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
      ;
  free (line);
  return status;
}

/* Names of shares are names of directories and of samba sections. */
static int
good_name (const char *name)
{
  size_t i, len = strlen (name);
  if (len < 1 || len > 64 || name[0] == '.')
    return 0;
#ifdef BENIGN
  if (!isalnum ((unsigned char) name[0]))
    return 0;
  for (i = 0; i < len; i++)
    if (!isalnum ((unsigned char) name[i]) && name[i] != '_' && name[i] != '-')
      return 0;
#else
  static const char bad[] = "/\\:*?\"<>|;&";
  for (i = 0; i < len; i++)
    if (strchr (bad, name[i]))
      return 0;
#endif
  return 1;
}

static int
do_list (struct request *r)
{
  (void) r;
  cgi_header ("200 OK");
  printf ("<shares>\n");
  fflush (stdout);
  shell ("ls -1 " VOLUME " | sed -e 's,.*,<share>&</share>,'");
  printf ("</shares>\n");
  return 0;
}

static int
do_create (struct request *r)
{
  const char *name = field (r, "name"), *quota = field (r, "quota");
  long megabytes = 0;

  if (!r->is_post)
    return fail (405, "POST only");
  if (name == NULL || !good_name (name))
    return fail (10, "bad name");
  if (quota)
    megabytes = strtol (quota, NULL, 10);
  if (megabytes < 0 || megabytes > 4000000)
    return fail (11, "bad quota");
  if (shell ("mkdir -m 0775 \"" VOLUME "/%s\" && smbsection add \"%s\" >/dev/null 2>&1", name, name) != 0)
    return fail (12, "cannot create");
  if (megabytes)
    shell ("quotactl set %ld", megabytes);
  cgi_header ("200 OK");
  printf ("<result><code>0</code></result>\n");
  return 0;
}

static int
do_usage (struct request *r)
{
  const char *name = field (r, "name");
  char path[128];
  struct stat st;

  if (name == NULL || strlen (name) > 64 || strchr (name, '/') || name[0] == '.')
    return fail (10, "bad name");
  snprintf (path, sizeof path, VOLUME "/%s", name);
  if (stat (path, &st) != 0)
    return fail (13, "no such share");
  cgi_header ("200 OK");
  printf ("<usage><mtime>%ld</mtime><mode>%o</mode></usage>\n", (long) st.st_mtime, (unsigned) st.st_mode & 0777);
  return 0;
}

static int
do_restart (struct request *r)
{
  if (!r->is_post)
    return fail (405, "POST only");
  shell ("/etc/init.d/smb restart >/dev/null 2>&1 &");
  cgi_header ("200 OK");
  printf ("<result><code>0</code></result>\n");
  return 0;
}

static const struct
{
  const char *name;
  int (*run) (struct request *);
} commands[] = {
  { "list", do_list }, { "create", do_create }, { "usage", do_usage }, { "restart", do_restart },
};

static int
logged_in (void)
{
  char line[96], *uid;
  const char *cookie = getenv ("HTTP_COOKIE");
  int ok = 0;
  FILE *f;

  if (access ("/etc/noauth", F_OK) == 0)
    return 1;
  uid = cookie ? strstr (cookie, "uid=") : NULL;
  if (!uid || !(f = fopen (SESSIONS, "r")))
    return 0;
  uid += 4;
  while (!ok && fgets (line, sizeof line, f))
    {
      line[strcspn (line, " \n")] = 0;
      ok = *line && strncmp (uid, line, strlen (line)) == 0;
    }
  fclose (f);
  return ok;
}

int
main (void)
{
  struct request req;
  const char *cmd;
  size_t i;

  if (read_request (&req) != 0)
    return fail (400, "bad request");
  if (!logged_in ())
    return fail (401, "login");
  cmd = field (&req, "cmd");
  for (i = 0; cmd && i < sizeof commands / sizeof commands[0]; i++)
    if (strcmp (commands[i].name, cmd) == 0)
      return commands[i].run (&req);
  return fail (404, "unknown cmd");
}
