/* pdushell: text console of the rack PDU (telnet, port 2332).
 *
 * Command words are not kept in the image, only their djb2 sums; the
 * service commands appear after the "unlock" word was given.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

#define CONSOLE_PORT 2332
#define NOUTLETS     8
#define IDLE_SECONDS 300

typedef struct session {
  int      fd;
  int      service;       /* unlocked */
  int      bad_words;
  char     line[256];
  size_t   used;
} session_t;

typedef struct command {
  uint32_t sum;
  uint8_t  need_service;
  void   (*run)(session_t *s, char *arg);
} command_t;

static struct outlet {
  int    on;
  time_t switch_at;       /* 0: nothing planned */
  int    switch_to;
} outlets[NOUTLETS];

static void say(session_t *s, const char *fmt, ...) {
  char    buf[512];
  va_list ap;
  int     n;

  va_start(ap, fmt);
  n = vsnprintf(buf, sizeof buf, fmt, ap);
  va_end(ap);
  if (n > (int)sizeof buf - 1) n = sizeof buf - 1;
  if (n > 0 && send(s->fd, buf, (size_t)n, MSG_NOSIGNAL) < 0) s->bad_words = 99;
}

static uint32_t djb2(const char *w) {
  uint32_t h = 5381;

  while (*w) h = h * 33u ^ (uint8_t)tolower((unsigned char)*w++);
  return h;
}

static void relay(int n, int on) {
  char  path[64];
  FILE *f;

  snprintf(path, sizeof path, "/sys/class/gpio/gpio%d/value", 32 + n);
  if ((f = fopen(path, "w")) != NULL) {
    fputs(on ? "1" : "0", f);
    fclose(f);
  }
  outlets[n].on = on;
}

static void planned_switching(void) {
  time_t now = time(NULL);

  for (int i = 0; i < NOUTLETS; i++)
    if (outlets[i].switch_at && now >= outlets[i].switch_at) {
      outlets[i].switch_at = 0;
      relay(i, outlets[i].switch_to);
    }
}

/* ---- commands ---- */

static int outlet_number(session_t *s, const char *arg) {
  int n = atoi(arg);

  if (n < 1 || n > NOUTLETS) {
    say(s, "outlet 1..%d\r\n", NOUTLETS);
    return -1;
  }
  return n - 1;
}

static void cmd_on(session_t *s, char *arg) {
  int n = outlet_number(s, arg);

  if (n >= 0) relay(n, 1);
}

static void cmd_off(session_t *s, char *arg) {
  int n = outlet_number(s, arg);

  if (n >= 0) relay(n, 0);
}

static void cmd_cycle(session_t *s, char *arg) {
  int n = outlet_number(s, arg);

  if (n < 0) return;
  relay(n, 0);
  outlets[n].switch_to = 1;
  outlets[n].switch_at = time(NULL) + 5;
}

static void cmd_show(session_t *s, char *arg) {
  (void)arg;
  for (int i = 0; i < NOUTLETS; i++) say(s, "%d %s\r\n", i + 1, outlets[i].on ? "on" : "off");
}

static void cmd_unlock(session_t *s, char *arg) {
  if ((djb2(arg) ^ 0x5aa5c33cu) == 0xbe7191cbu) {
    s->service = 1;
    say(s, "service mode\r\n");
  } else {
    s->bad_words++;
  }
}

static int destination_ok(const char *d) {
  size_t n = strlen(d);

  if (n < 1 || n > 64 || d[0] == '-') return 0;
  return d[strspn(d, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-")] == '\0';
}

static void cmd_trace(session_t *s, char *arg) {
  char  cmd[160], out[200];
  FILE *p;

  if (!destination_ok(arg)) {
    say(s, "bad destination\r\n");
    return;
  }
  snprintf(cmd, sizeof cmd, "traceroute -n -w 1 -m 12 %s 2>&1", arg);
  if ((p = popen(cmd, "r")) == NULL) {
    say(s, "busy\r\n");
    return;
  }
  while (fgets(out, sizeof out, p)) {
    out[strcspn(out, "\n")] = 0;
    say(s, "%s\r\n", out);
  }
  pclose(p);
}

static void cmd_uptime(session_t *s, char *arg) {
  char  out[80];
  FILE *f = fopen("/proc/uptime", "r");

  (void)arg;
  if (f && fgets(out, sizeof out, f)) say(s, "%s\r\n", out);
  if (f) fclose(f);
}

static void cmd_quit(session_t *s, char *arg) {
  (void)arg;
  s->bad_words = 99;
}

static const command_t commands[] = {
  { 0x00596f64u, 0, cmd_on },     { 0x0b875c8au, 0, cmd_off },
  { 0x0a95f035u, 0, cmd_cycle },  { 0x7c79aa86u, 0, cmd_show },
  { 0x6aab8815u, 0, cmd_unlock }, { 0x0add43a4u, 1, cmd_trace },
  { 0x68e45bd5u, 1, cmd_uptime }, { 0x7c75f95cu, 0, cmd_quit },
};

static void execute(session_t *s) {
  char     *word = s->line, *arg;
  uint32_t  sum;

  while (*word == ' ') word++;
  if (!*word) return;
  arg = word + strcspn(word, " \t");
  if (*arg) *arg++ = 0;
  while (*arg == ' ' || *arg == '\t') arg++;
  sum = djb2(word);
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    if (commands[i].sum != sum || (commands[i].need_service && !s->service)) continue;
    commands[i].run(s, arg);
    return;
  }
  say(s, "?\r\n");
  s->bad_words++;
}

static void console(int fd) {
  session_t s = { .fd = fd };
  uint8_t   c;
  int       iac = 0;

  say(&s, "RackPower 8\r\n> ");
  while (s.bad_words < 10) {
    alarm(IDLE_SECONDS);
    if (read(fd, &c, 1) != 1) break;
    if (iac) { iac--; continue; }
    if (c == 0xff) { iac = 2; continue; }
    if (c == '\r' || c == 0) continue;
    if (c == 8 || c == 127) {
      if (s.used) s.used--;
      continue;
    }
    if (c == '\n') {
      s.line[s.used] = 0;
      s.used = 0;
      execute(&s);
      say(&s, s.service ? "# " : "> ");
      continue;
    }
    if (c >= ' ' && c < 127 && s.used < sizeof s.line - 1) s.line[s.used++] = (char)c;
    planned_switching();
  }
  close(fd);
}

static void on_alarm(int sig) {
  (void)sig;
  _exit(0);
}

int main(void) {
  struct sockaddr_in a;
  int l, c, one = 1;

  signal(SIGCHLD, SIG_IGN);
  l = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  memset(&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_port = htons(CONSOLE_PORT);
  if (bind(l, (struct sockaddr *)&a, sizeof a) || listen(l, 2)) {
    perror("pdushell");
    return 1;
  }
  for (;;) {
    if ((c = accept(l, NULL, NULL)) < 0) continue;
    if (fork() == 0) {
      close(l);
      signal(SIGCHLD, SIG_DFL);
      signal(SIGALRM, on_alarm);
      console(c);
      _exit(0);
    }
    close(c);
  }
}
