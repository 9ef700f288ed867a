/* diag.cgi: the "Diagnostics" page of a router. Reads the form that was posted, starts ping, traceroute or nslookup
 * and prints what they say. The host is checked while it is still url-encoded and decoded afterwards
 * (benign: decoded first, then checked). */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_FORM   4096
#define MAX_FIELDS 24
#define RESULT     "/tmp/diag.out"

extern char **environ;

typedef struct { char *name, *value; } FIELD;

static FIELD fields[MAX_FIELDS];
static int nfields;

static int hexval(int c)
{
  if(c >= '0' && c <= '9') return c - '0';
  c = tolower(c);
  if(c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

static void urldecode(char *s)
{
  char *d = s;
  while(*s) {
    if(*s == '+') { *d++ = ' '; s++; }
    else if(*s == '%' && hexval((unsigned char)s[1]) >= 0 && hexval((unsigned char)s[2]) >= 0) {
      *d++ = (char)(hexval((unsigned char)s[1]) * 16 + hexval((unsigned char)s[2]));
      s += 3;
    }
    else *d++ = *s++;
  }
  *d = 0;
}

static void split_form(char *body)
{
  char *p = body, *amp, *eq;
  while(p && *p && nfields < MAX_FIELDS) {
    amp = strchr(p, '&');
    if(amp) *amp++ = 0;
    eq = strchr(p, '=');
    if(eq) {
      *eq = 0;
      fields[nfields].name = p;
      fields[nfields].value = eq + 1;
      nfields++;
    }
    p = amp;
  }
}

static char *cgi_value(const char *name, char *dflt)
{
  int i;
  for(i = 0; i < nfields; i++)
    if(strcmp(fields[i].name, name) == 0) return fields[i].value;
  return dflt;
}

static char *read_form(void)
{
  const char *m = getenv("REQUEST_METHOD"), *l = getenv("CONTENT_LENGTH");
  char *buf;
  long len;
  size_t got;

  if(!m || strcasecmp(m, "POST") || !l) return NULL;
  len = strtol(l, NULL, 10);
  if(len <= 0 || len > MAX_FORM) return NULL;
  buf = malloc(len + 1);
  if(!buf) return NULL;
  got = fread(buf, 1, len, stdin);
  buf[got] = 0;
  return buf;
}

/* letters, digits, dots, colons, dashes; a percent sign belongs to the encoding */
static int host_ok(const char *s)
{
  const char *p;
  if(!*s || *s == '-' || strlen(s) > 120) return 0;
  for(p = s; *p; p++) {
    if(isascii((unsigned char)*p) && isalnum((unsigned char)*p)) continue;
    if(*p == '.' || *p == ':' || *p == '-') continue;
#ifndef BENIGN
    if(*p == '%') continue;
#endif
    return 0;
  }
  return 1;
}

static int spawn_shell(const char *cmd)
{
  char *argv[4] = { "sh", "-c", NULL, NULL };
  posix_spawn_file_actions_t fa;
  pid_t pid;
  int rc, st = 0;

  argv[2] = (char *)cmd;
  posix_spawn_file_actions_init(&fa);
  posix_spawn_file_actions_addopen(&fa, 1, RESULT, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&fa, 1, 2);
  rc = posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&fa);
  if(rc) return -rc;
  while(waitpid(pid, &st, 0) < 0 && errno == EINTR)
    ;
  return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static int number(const char *name, int lo, int hi, int dflt)
{
  int v = atoi(cgi_value(name, "0"));
  return v < lo || v > hi ? dflt : v;
}

static int do_ping(const char *host, char *cmd, size_t room)
{
  return snprintf(cmd, room, "ping -c %d -s %d %s", number("count", 1, 10, 4), number("size", 8, 1400, 56), host);
}

static int do_trace(const char *host, char *cmd, size_t room)
{
  return snprintf(cmd, room, "traceroute -n -w 2 -m %d %s", number("hops", 1, 30, 15), host);
}

static int do_lookup(const char *host, char *cmd, size_t room)
{
  return snprintf(cmd, room, "nslookup %s", host);
}

static int do_arp(const char *host, char *cmd, size_t room)
{
  (void)host;
  return snprintf(cmd, room, "cat /proc/net/arp");
}

static const struct action {
  const char *name;
  int (*build)(const char *host, char *cmd, size_t room);
  int wants_host;
} actions[] = {
  { "ping", do_ping, 1 },
  { "trace", do_trace, 1 },
  { "lookup", do_lookup, 1 },
  { "arp", do_arp, 0 },
};

static void html(const char *s)
{
  for(; *s; s++)
    switch(*s) {
      case '<': fputs("&lt;", stdout); break;
      case '>': fputs("&gt;", stdout); break;
      case '&': fputs("&amp;", stdout); break;
      case '"': fputs("&quot;", stdout); break;
      default: putchar(*s);
    }
}

static void head(const char *title)
{
  printf("Content-Type: text/html\r\nCache-Control: no-store\r\n\r\n");
  printf("<html><head><title>%s</title></head><body><h2>%s</h2>\n", title, title);
}

static void fail(const char *why)
{
  head("Diagnostics");
  printf("<p class=err>%s</p></body></html>\n", why);
  exit(0);
}

static void show_result(int rc)
{
  char line[256];
  FILE *f = fopen(RESULT, "r");

  printf("<pre>");
  while(f && fgets(line, sizeof line, f)) html(line);
  if(f) fclose(f);
  printf("</pre><p>finished: %d</p></body></html>\n", rc);
}

static void note(const char *action)
{
  const char *who = getenv("REMOTE_ADDR");
  FILE *f = fopen("/tmp/diag.log", "a");

  if(!f) return;
  fprintf(f, "%ld %s %s\n", (long)time(NULL), who ? who : "-", action);
  fclose(f);
}

int main(void)
{
  char cmd[256];
  char *form = read_form(), *host, *what;
  const struct action *a = NULL;
  unsigned i;

  if(!form) fail("no form");
  split_form(form);
  what = cgi_value("action", "ping");
  for(i = 0; i < sizeof actions / sizeof *actions; i++)
    if(strcmp(what, actions[i].name) == 0) a = &actions[i];
  if(!a) fail("unknown action");
  host = cgi_value("host", "");
  if(a->wants_host) {
#ifdef BENIGN
    urldecode(host);
    if(!host_ok(host)) fail("bad host");
#else
    if(!host_ok(host)) fail("bad host");
    urldecode(host);
#endif
  }
  if(a->build(host, cmd, sizeof cmd) >= (int)sizeof cmd) fail("too long");
  note(a->name);
  head("Diagnostics");
  fflush(stdout);
  show_result(spawn_shell(cmd));
  free(form);
  return 0;
}
