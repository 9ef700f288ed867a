/*
 * rainbox: irrigation controller, service console on TCP port 2323.
 *
 * Programs entered at the console are kept in a list; the scheduler thread
 * opens the valves when the time has come.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <signal.h>
#include <unistd.h>
#include <time.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define CONSOLE_PORT  2323
#define CONSOLE_PIN   "4711"
#define MAX_ZONE      12
#define MAX_PROGRAMS  64

typedef struct program_s program_t;
struct program_s {
  program_t *next;
  int        id;
  int        zone;
  int        minutes;
  time_t     start;
  char      *label;
};

typedef struct {
  FILE *in;
  FILE *out;
  int   unlocked;
  int   argc;
  char *argv[8];
} session_t;

static program_t      *programs;
static int             program_count;
static int             next_id = 1;
static int             rain_delay_hours;
static pthread_mutex_t programs_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- valves ----------------------------------------------------------- */

static void open_valve(int zone, int minutes, const char *label)
{
  char  line[256];
  pid_t pid;
  int   st;

  snprintf(line, sizeof line, "echo \"$(date) zone %d: %s\" >> /var/log/rain.log; /usr/sbin/valve open %d %d",
           zone, label, zone, minutes * 60);
  pid = fork();
  if (pid == 0) {
    execl("/bin/sh", "sh", "-c", line, (char *)0);
    _exit(126);
  }
  if (pid > 0)
    waitpid(pid, &st, 0);
}

static void *scheduler(void *unused)
{
  for (;;) {
    program_t *due = NULL, **pp;
    time_t     now;

    sleep(1);
    now = time(NULL);
    pthread_mutex_lock(&programs_lock);
    for (pp = &programs; *pp; pp = &(*pp)->next) {
      if ((*pp)->start + rain_delay_hours * 3600 <= now) {
        due = *pp;
        *pp = due->next;
        program_count--;
        break;
      }
    }
    pthread_mutex_unlock(&programs_lock);
    if (due) {
      open_valve(due->zone, due->minutes, due->label);
      free(due->label);
      free(due);
    }
  }
  return unused;
}

/* --- console commands -------------------------------------------------- */

static int label_valid(const char *s)
{
  int n = 0;

  for (; *s; s++, n++) {
    if (!isprint((unsigned char)*s) || *s == '"' || *s == ';' || *s == '&' || *s == '|')
      return 0;
  }
  return n > 0 && n <= 80;
}

static const char *do_pin(session_t *s)
{
  if (s->argc != 2 || strcmp(s->argv[1], CONSOLE_PIN)) {
    sleep(1);
    return "wrong pin";
  }
  s->unlocked = 1;
  return NULL;
}

static const char *do_prog(session_t *s)
{
  program_t *p;
  int        zone, minutes, delay;

  if (s->argc != 5)
    return "usage: prog <zone> <minutes> <delay> <label>";
  zone = atoi(s->argv[1]);
  minutes = atoi(s->argv[2]);
  delay = atoi(s->argv[3]);
  if (zone < 1 || zone > MAX_ZONE)
    return "no such zone";
  if (minutes < 1 || minutes > 240 || delay < 0 || delay > 10080)
    return "time out of range";
  if (!label_valid(s->argv[4]))
    return "bad label";
  p = calloc(1, sizeof *p);
  if (p == NULL)
    return "no memory";
  p->label = strdup(s->argv[4]);
  if (p->label == NULL) {
    free(p);
    return "no memory";
  }
  p->zone = zone;
  p->minutes = minutes;
  p->start = time(NULL) + delay * 60;
  pthread_mutex_lock(&programs_lock);
  if (program_count >= MAX_PROGRAMS) {
    pthread_mutex_unlock(&programs_lock);
    free(p->label);
    free(p);
    return "too many programs";
  }
  p->id = next_id++;
  p->next = programs;
  programs = p;
  program_count++;
  pthread_mutex_unlock(&programs_lock);
  return NULL;
}

static const char *do_list(session_t *s)
{
  program_t *p;

  pthread_mutex_lock(&programs_lock);
  for (p = programs; p; p = p->next)
    fprintf(s->out, "%3d zone %2d %3d min in %ld s  %s\r\n", p->id, p->zone, p->minutes,
            (long)(p->start - time(NULL)), p->label);
  pthread_mutex_unlock(&programs_lock);
  return NULL;
}

static const char *do_cancel(session_t *s)
{
  program_t **pp, *p = NULL;
  int         id;

  if (s->argc != 2)
    return "usage: cancel <id>";
  id = atoi(s->argv[1]);
  pthread_mutex_lock(&programs_lock);
  for (pp = &programs; *pp; pp = &(*pp)->next) {
    if ((*pp)->id == id) {
      p = *pp;
      *pp = p->next;
      program_count--;
      break;
    }
  }
  pthread_mutex_unlock(&programs_lock);
  if (p == NULL)
    return "no such program";
  free(p->label);
  free(p);
  return NULL;
}

static const char *do_rain(session_t *s)
{
  int h = s->argc == 2 ? atoi(s->argv[1]) : -1;

  if (h < 0 || h > 72)
    return "0..72 hours";
  rain_delay_hours = h;
  return NULL;
}

static const char *do_help(session_t *s);

static const struct {
  const char *name;
  int         locked;
  const char *(*fn)(session_t *);
} console[] = {
  { "pin",    0, do_pin    },
  { "help",   0, do_help   },
  { "list",   0, do_list   },
  { "prog",   1, do_prog   },
  { "cancel", 1, do_cancel },
  { "rain",   1, do_rain   },
};

#define NCONSOLE (sizeof console / sizeof console[0])

static const char *do_help(session_t *s)
{
  size_t i;

  for (i = 0; i < NCONSOLE; i++)
    fprintf(s->out, "  %s%s\r\n", console[i].name, console[i].locked ? " (pin)" : "");
  return NULL;
}

static int execute(session_t *s, char *line)
{
  const char *msg = "what?";
  size_t      i;
  char       *save = NULL, *t;

  s->argc = 0;
  for (t = strtok_r(line, " \t\r\n", &save); t && s->argc < 4; t = strtok_r(NULL, " \t\r\n", &save))
    s->argv[s->argc++] = t;
  if (t)
    s->argv[s->argc++] = t;        /* the fifth word is the last one */
  if (s->argc == 0)
    return 1;
  if (!strcmp(s->argv[0], "bye"))
    return 0;
  for (i = 0; i < NCONSOLE; i++) {
    if (strcmp(console[i].name, s->argv[0]))
      continue;
    msg = console[i].locked && !s->unlocked ? "locked" : console[i].fn(s);
    break;
  }
  fprintf(s->out, "%s\r\n> ", msg ? msg : "ok");
  return fflush(s->out) == 0;
}

static void *session(void *arg)
{
  session_t s;
  int       fd = (int)(long)arg, fd2 = dup(fd);
  char     *line = NULL;
  size_t    cap = 0;

  memset(&s, 0, sizeof s);
  s.in = fdopen(fd, "r");
  s.out = fd2 >= 0 ? fdopen(fd2, "w") : NULL;
  if (s.in && s.out) {
    fprintf(s.out, "rainbox 3\r\n> ");
    fflush(s.out);
    while (getline(&line, &cap, s.in) > 0)
      if (!execute(&s, line))
        break;
  }
  free(line);
  if (s.in)
    fclose(s.in);
  else
    close(fd);
  if (s.out)
    fclose(s.out);
  else if (fd2 >= 0)
    close(fd2);
  return NULL;
}

int main(void)
{
  struct sockaddr_in a;
  pthread_t          t;
  int                ls, one = 1;

  signal(SIGPIPE, SIG_IGN);
  pthread_create(&t, NULL, scheduler, NULL);
  ls = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  memset(&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_port = htons(CONSOLE_PORT);
  a.sin_addr.s_addr = htonl(INADDR_ANY);
  if (bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 3)) {
    perror("rainbox");
    return 1;
  }
  for (;;) {
    int fd = accept(ls, NULL, NULL);

    if (fd < 0)
      continue;
    if (pthread_create(&t, NULL, session, (void *)(long)fd))
      close(fd);
    else
      pthread_detach(t);
  }
}
