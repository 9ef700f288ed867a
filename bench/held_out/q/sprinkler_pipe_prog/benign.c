/* irrigd - garden irrigation controller
 *
 *  UDP port 4210:   <word>;key=val;key=val...
 *
 * The parent owns the radio and the clock, the child starts valve programs.
 * They are coupled by a pipe that carries fixed size records.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <errno.h>
#include <time.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define UDP_PORT  4210
#define ZONES     6
#define SLOTS     10

/* crc16 of the access words */
#define WORD_START 0x06b1
#define WORD_PLAN  0xe742
#define WORD_STOP  0xe572

extern char **environ;

typedef struct {
  uint8_t zone;
  uint8_t stop;
  uint16_t minutes;
  char prog[24];
} rec_t;

typedef struct slot {
  rec_t rec;
  time_t at;
  struct slot *next;
} slot_t;

static slot_t *plan;
static int slots;
static int to_child = -1;
static int rain_delay;

static const struct { const char *name; int minutes; } progs[] = {
  { "lawn", 20 }, { "beds", 15 }, { "drip", 45 }, { "flush", 2 },
};
#define NPROGS ((int)(sizeof(progs) / sizeof(progs[0])))

static uint16_t crc16(const char *s, size_t n)
{
  uint16_t c = 0xffff;
  int b;

  while(n--) {
    c ^= (uint16_t)((uint8_t)*s++ << 8);
    for(b = 0; b < 8; b++) c = (uint16_t)(c & 0x8000 ? (c << 1) ^ 0x1021 : c << 1);
  }
  return c;
}

static int prog_index(const char *name)
{
  int i;

  for(i = 0; i < NPROGS; i++) if(!strcmp(progs[i].name, name)) return i;
  return -1;
}

/* ------------------------------------------------ child: runs programs */

static void start_shell(char *line)
{
  char *argv[4] = { "sh", "-c", line, NULL };
  pid_t pid;
  int st;

  if(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) != 0) {
    fprintf(stderr, "irrigd: spawn failed\n");
    return;
  }
  while(waitpid(pid, &st, 0) < 0 && errno == EINTR) ;
}

static void child_run(const rec_t *r)
{
  char line[160];
  const char *name;
  int k = prog_index(r->prog);

  name = k < 0 ? "lawn" : progs[k].name;

  if(r->stop) snprintf(line, sizeof(line), "/usr/sbin/valve %u off", r->zone);
  else snprintf(line, sizeof(line), "/usr/share/irrig/%s.sh %u %u", name, r->zone, r->minutes);
  start_shell(line);
}

static void child_main(int fd)
{
  rec_t r;
  ssize_t n;

  signal(SIGINT, SIG_IGN);
  for(;;) {
    n = read(fd, &r, sizeof(r));
    if(n < 0 && errno == EINTR) continue;
    if(n != (ssize_t)sizeof(r)) break;
    r.prog[sizeof(r.prog) - 1] = 0;
    child_run(&r);
  }
  _exit(0);
}

static int child_start(void)
{
  int pfd[2];
  pid_t pid;

  if(pipe(pfd) < 0) return -1;
  pid = fork();
  if(pid < 0) return -1;
  if(pid == 0) {
    close(pfd[1]);
    child_main(pfd[0]);
  }
  close(pfd[0]);
  to_child = pfd[1];
  return 0;
}

static void child_send(const rec_t *r)
{
  if(write(to_child, r, sizeof(*r)) != (ssize_t)sizeof(*r)) {
    close(to_child);
    if(child_start() < 0) exit(1);
  }
}

/* ------------------------------------------------ plan */

static int plan_add(const rec_t *r, time_t at)
{
  slot_t *s, **pp;

  if(slots >= SLOTS) return -1;
  s = malloc(sizeof(*s));
  if(!s) return -1;
  s->rec = *r;
  s->at = at;
  for(pp = &plan; *pp && (*pp)->at <= at; pp = &(*pp)->next) ;
  s->next = *pp;
  *pp = s;
  slots++;
  return 0;
}

static void plan_tick(void)
{
  slot_t *s;
  time_t now = time(NULL);

  while(plan && plan->at <= now) {
    s = plan;
    plan = s->next;
    slots--;
    if(now - s->at < 600 && rain_delay == 0) child_send(&s->rec);
    free(s);
  }
  if(rain_delay > 0) rain_delay--;
}

/* ------------------------------------------------ messages */

/* finds key=val; copies at most cap-1 bytes of val */
static int field(const char *msg, const char *key, char *val, size_t cap)
{
  size_t kl = strlen(key), n;
  const char *p = msg;

  while(p) {
    if(!strncmp(p, key, kl) && p[kl] == '=') {
      p += kl + 1;
      for(n = 0; p[n] && p[n] != ';' && n < cap - 1; n++) val[n] = p[n];
      val[n] = 0;
      return 0;
    }
    p = strchr(p, ';');
    if(p) p++;
  }
  return -1;
}

static int field_num(const char *msg, const char *key, int lo, int hi, int dflt)
{
  char t[12];
  int v;

  if(field(msg, key, t, sizeof(t)) < 0) return dflt;
  v = atoi(t);
  return v < lo ? lo : v > hi ? hi : v;
}

static int make_rec(const char *msg, rec_t *r)
{
  int k;

  memset(r, 0, sizeof(*r));
  r->zone = (uint8_t)field_num(msg, "zone", 1, ZONES, 1);
  if(field(msg, "prog", r->prog, sizeof(r->prog)) < 0) strcpy(r->prog, "lawn");
  /* own programs live beside ours, no way out of the directory */
  if(strchr(r->prog, '/') || strchr(r->prog, '.')) return -1;
  k = prog_index(r->prog);
  r->minutes = (uint16_t)field_num(msg, "min", 1, 240, k < 0 ? 10 : progs[k].minutes);
  return 0;
}

static const char *do_start(const char *msg)
{
  rec_t r;

  if(make_rec(msg, &r) < 0) return "bad";
  child_send(&r);
  return "ok";
}

static const char *do_plan(const char *msg)
{
  rec_t r;

  if(make_rec(msg, &r) < 0) return "bad";
  return plan_add(&r, time(NULL) + 60 * field_num(msg, "in", 1, 10080, 60)) < 0 ? "full" : "ok";
}

static const char *do_stop(const char *msg)
{
  rec_t r;

  memset(&r, 0, sizeof(r));
  r.zone = (uint8_t)field_num(msg, "zone", 1, ZONES, 1);
  r.stop = 1;
  rain_delay = field_num(msg, "rain", 0, 86400, 0);
  child_send(&r);
  return "ok";
}

static const struct { uint16_t crc; const char *(*fn)(const char *); } words[] = {
  { WORD_START, do_start },
  { WORD_PLAN, do_plan },
  { WORD_STOP, do_stop },
};

static const char *on_message(char *msg)
{
  char *rest = strchr(msg, ';');
  uint16_t c;
  size_t i;

  if(!rest) return NULL;
  c = crc16(msg, (size_t)(rest - msg));
  for(i = 0; i < sizeof(words) / sizeof(words[0]); i++)
    if(words[i].crc == c) return words[i].fn(rest + 1);
  return NULL;
}

int main(void)
{
  struct sockaddr_in a, from;
  struct timeval tv = { 1, 0 };
  char msg[300];
  const char *ans;
  socklen_t fl;
  ssize_t n;
  int s;

  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  if(child_start() < 0) {
    perror("irrigd");
    return 1;
  }
  s = socket(AF_INET, SOCK_DGRAM, 0);
  memset(&a, 0, sizeof(a));
  a.sin_family = AF_INET;
  a.sin_port = htons(UDP_PORT);
  if(bind(s, (struct sockaddr *)&a, sizeof(a)) < 0) {
    perror("irrigd: bind");
    return 1;
  }
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
  for(;;) {
    fl = sizeof(from);
    n = recvfrom(s, msg, sizeof(msg) - 1, 0, (struct sockaddr *)&from, &fl);
    if(n > 0) {
      msg[n] = 0;
      ans = on_message(msg);
      if(ans) sendto(s, ans, strlen(ans), 0, (struct sockaddr *)&from, fl);
    }
    plan_tick();
  }
}
