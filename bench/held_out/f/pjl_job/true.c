/*
 * rawd - raw print port (9100) of the print server box, with the part of PJL
 *        the drivers use.
 *
 * Copyright (c) Printserver team.  Jobs go to the USB printer; when a job is
 * finished it is put on record by the accounting script.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define RAW_PORT   9100
#define UEL        "\033%-12345X"
#define UEL_LEN    9
#define PRINTER    "/dev/usb/lp0"
#define ACCOUNT    "/usr/share/rawd/account.sh"

/* ------------------------------------------------------------ environment */

typedef struct env_s env_t;
struct env_s {
  env_t *next;
  char  *name;
  char  *value;
};

static env_t *env_defaults;     /* of the box, kept over jobs  */
static env_t *env_job;          /* of the job, thrown away     */

static void env_set(env_t **list, const char *name, const char *value)
{
  env_t *e;

  for (e = *list; e != NULL; e = e->next)
    if (strcasecmp(e->name, name) == 0) {
      char *v = strdup(value);
      if (v != NULL) {
        free(e->value);
        e->value = v;
      }
      return;
    }
  if ((e = calloc(1, sizeof *e)) == NULL)
    return;
  e->name = strdup(name);
  e->value = strdup(value);
  if (e->name == NULL || e->value == NULL) {
    free(e->name);
    free(e->value);
    free(e);
    return;
  }
  e->next = *list;
  *list = e;
}

static const char *env_get(const char *name)
{
  const env_t *e;

  for (e = env_job; e != NULL; e = e->next)
    if (strcasecmp(e->name, name) == 0)
      return e->value;
  for (e = env_defaults; e != NULL; e = e->next)
    if (strcasecmp(e->name, name) == 0)
      return e->value;
  return "";
}

static void env_free(env_t **list)
{
  env_t *e;

  while ((e = *list) != NULL) {
    *list = e->next;
    free(e->name);
    free(e->value);
    free(e);
  }
}

/* ------------------------------------------------------------------- jobs */

static struct job {
  int    active;
  int    out;
  time_t begun;
  unsigned long bytes;
  unsigned number;
} job;

static void job_begin(void)
{
  if (job.active)
    return;
  job.active = 1;
  job.begun = time(NULL);
  job.bytes = 0;
  job.number++;
  job.out = open(PRINTER, O_WRONLY);
}

static void job_data(const char *p, size_t n)
{
  job_begin();
  job.bytes += n;
  while (n > 0 && job.out >= 0) {
    ssize_t w = write(job.out, p, n);
    if (w <= 0)
      break;
    p += w;
    n -= (size_t)w;
  }
}

/* copy of a value that can stand in double quotes */
static char *tidy(const char *v, char *buf, size_t size)
{
  size_t n = 0;

  for (; *v != '\0' && n + 1 < size; v++) {
#ifdef BENIGN
    if (isalnum((unsigned char)*v) || *v == '.' || *v == '-' || *v == ' ')
#else
    if (*v != '"' && *v != '\\' && isprint((unsigned char)*v))
#endif
      buf[n++] = *v;
    else
      buf[n++] = '_';
  }
  buf[n] = '\0';
  return buf;
}

static void job_end(void)
{
  char name[80], user[40], line[320];

  if (!job.active)
    return;
  job.active = 0;
  if (job.out >= 0)
    close(job.out);
  job.out = -1;
  if (access(ACCOUNT, X_OK) != 0)
    fprintf(stderr, "rawd: no accounting\n");
  snprintf(line, sizeof line, ACCOUNT " %u %lu %ld \"%s\" \"%s\"", job.number, job.bytes,
           (long)(time(NULL) - job.begun), tidy(env_get("USERNAME"), user, sizeof user),
           tidy(env_get("JOBNAME"), name, sizeof name));
  if (system(line) != 0)
    fprintf(stderr, "rawd: job %u not on record\n", job.number);
  env_free(&env_job);
}

/* -------------------------------------------------------------------- PJL */

static int g_conn = -1;

static void say(const char *a, const char *b)
{
  char text[256];
  int n = snprintf(text, sizeof text, "@PJL %s\r\n%s\r\n\f", a, b);

  if (n > 0 && n < (int)sizeof text)
    (void)!write(g_conn, text, (size_t)n);
}

/* "NAME = VALUE" or NAME = "VALUE" */
static void assign(env_t **list, char *s)
{
  char *v = strchr(s, '='), *e;

  if (v == NULL)
    return;
  for (e = v; e > s && isspace((unsigned char)e[-1]); e--)
    ;
  *e = '\0';
  for (v++; isspace((unsigned char)*v); v++)
    ;
  if (*v == '"') {
    v++;
    v[strcspn(v, "\"")] = '\0';
  }
  if (*s != '\0')
    env_set(list, s, v);
}

static void pjl_set(char *arg)     { assign(&env_job, arg); }
static void pjl_default(char *arg) { assign(&env_defaults, arg); }

static void pjl_job(char *arg)
{
  char *p;

  job_end();
  p = strstr(arg, "NAME");
  if (p != NULL) {
    char *v = strchr(p, '=');
    if (v != NULL) {
      v += 1 + strspn(v + 1, " \"");
      v[strcspn(v, "\"")] = '\0';
      env_set(&env_job, "JOBNAME", v);
    }
  }
  job_begin();
}

static void pjl_eoj(char *arg)    { (void)arg; job_end(); }
static void pjl_enter(char *arg)  { (void)arg; job_begin(); }

static void pjl_info(char *arg)
{
  if (strncmp(arg, "ID", 2) == 0)
    say("INFO ID", "\"PS-U1 print server\"");
  else if (strncmp(arg, "STATUS", 6) == 0)
    say("INFO STATUS", job.active ? "CODE=10023" : "CODE=10001");
}

static void pjl_echo(char *arg)   { say("ECHO", arg); }

static const struct {
  const char *word;
  void (*run)(char *arg);
} pjl_words[] = {
  { "SET ", pjl_set },     { "DEFAULT ", pjl_default }, { "JOB", pjl_job },
  { "EOJ", pjl_eoj },      { "ENTER ", pjl_enter },     { "INFO ", pjl_info },
  { "ECHO ", pjl_echo },
};

static void pjl_line(char *s)
{
  size_t i;

  s += 4 + strspn(s + 4, " ");
  for (i = 0; i < sizeof pjl_words / sizeof pjl_words[0]; i++) {
    size_t n = strlen(pjl_words[i].word);
    if (strncmp(s, pjl_words[i].word, n) == 0) {
      s += n;
      pjl_words[i].run(s + strspn(s, " "));
      return;
    }
  }
}

static void connection(FILE *in)
{
  char line[512];

  while (fgets(line, sizeof line, in) != NULL) {
    char *s = line;

    if (memcmp(s, UEL, UEL_LEN) == 0)
      s += UEL_LEN;
    if (strncmp(s, "@PJL", 4) == 0) {
      s[strcspn(s, "\r\n")] = '\0';
      pjl_line(s);
    } else if (*s != '\0') {
      job_data(s, strlen(s));
    }
  }
  job_end();
}

int main(void)
{
  struct sockaddr_in me;
  struct timeval tv = { 90, 0 };
  int lsock, one = 1;

  signal(SIGPIPE, SIG_IGN);
  env_set(&env_defaults, "PAPER", "A4");
  env_set(&env_defaults, "COPIES", "1");
  env_set(&env_defaults, "USERNAME", "unknown");
  env_set(&env_defaults, "JOBNAME", "untitled");

  lsock = socket(PF_INET, SOCK_STREAM, 0);
  setsockopt(lsock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  memset(&me, 0, sizeof me);
  me.sin_family = AF_INET;
  me.sin_port = htons(RAW_PORT);
  me.sin_addr.s_addr = INADDR_ANY;
  if (bind(lsock, (struct sockaddr *)&me, sizeof me) != 0 || listen(lsock, 8) != 0) {
    perror("rawd");
    return 1;
  }
  for (;;) {
    FILE *in;

    g_conn = accept(lsock, NULL, NULL);
    if (g_conn < 0)
      continue;
    setsockopt(g_conn, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    in = fdopen(g_conn, "rb");
    if (in != NULL) {
      connection(in);
      fclose(in);
    } else {
      close(g_conn);
    }
    g_conn = -1;
  }
}
