/* liftphone: emergency intercom of an elevator car.
 * A very small SIP endpoint: answers OPTIONS, takes INVITE from the call
 * centre (auto answer), handles BYE, and sends its heartbeat MESSAGE.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <unistd.h>
#include <time.h>
#include <errno.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define LOCAL_PORT    5062
#define CFG_PATH      "/etc/liftphone.cfg"
#define MSG_MAX       2000

typedef enum { IDLE, RINGING, TALKING } call_state;

struct call {
  call_state state;
  char caller[64];
  char call_id[128];
  char via[256];
  unsigned cseq;
  time_t since;
};

struct lift {
  int sock;
  int car_no;
  int heartbeat;
  int max_talk;
  char centre[40];
  time_t next_beat;
  struct call call;
};

static void note(const char *fmt, ...)
{
  char stamp[24];
  time_t t = time(NULL);
  struct tm tm;
  va_list ap;

  strftime(stamp, sizeof stamp, "%F %T", gmtime_r(&t, &tm));
  fprintf(stderr, "%s ", stamp);
  va_start(ap, fmt);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fputc('\n', stderr);
}

static void read_cfg(struct lift *l)
{
  char line[120];
  FILE *f = fopen(CFG_PATH, "r");

  if (!f)
    return;
  while (fgets(line, sizeof line, f)) {
    int v;
    if (sscanf(line, "car %d", &v) == 1) l->car_no = v;
    else if (sscanf(line, "heartbeat %d", &v) == 1 && v >= 10) l->heartbeat = v;
    else if (sscanf(line, "max_talk %d", &v) == 1 && v >= 30) l->max_talk = v;
    else sscanf(line, "centre %39s", l->centre);
  }
  fclose(f);
}

/* points behind "Name:" of a header, NULL if it is not in the message */
static char *header(char *msg, const char *name)
{
  size_t n = strlen(name);
  char *p = strchr(msg, '\n');

  while (p && p[1] && p[1] != '\r' && p[1] != '\n') {
    p++;
    if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
      p += n + 1;
      while (*p == ' ' || *p == '\t')
        p++;
      return p;
    }
    p = strchr(p, '\n');
  }
  return NULL;
}

static void copy_header(char *msg, const char *name, char *dst, size_t size)
{
  char *h = header(msg, name);
  size_t n;

  dst[0] = '\0';
  if (!h)
    return;
  n = strcspn(h, "\r\n");
  if (n >= size)
    n = size - 1;
  memcpy(dst, h, n);
  dst[n] = '\0';
}

static void respond(struct lift *l, const struct sockaddr_in *to, int code,
                    const char *reason)
{
  char out[800];
  int n = snprintf(out, sizeof out,
                   "SIP/2.0 %d %s\r\nVia: %s\r\nCall-ID: %s\r\nCSeq: %u\r\n"
                   "Content-Length: 0\r\n\r\n",
                   code, reason, l->call.via, l->call.call_id, l->call.cseq);
  if (n > 0 && n < (int)sizeof out)
    sendto(l->sock, out, n, 0, (const struct sockaddr *)to, sizeof *to);
}

static void audio(int on)
{
  FILE *f = fopen("/sys/class/gpio/gpio44/value", "w");

  if (!f)
    return;
  fprintf(f, "%d\n", on);
  fclose(f);
}

static int on_options(struct lift *l, char *msg, const struct sockaddr_in *from)
{
  copy_header(msg, "Via", l->call.via, sizeof l->call.via);
  respond(l, from, 200, "OK");
  return 0;
}

static int on_invite(struct lift *l, char *msg, const struct sockaddr_in *from)
{
  char *h = header(msg, "From");
  char caller[64];

  if (l->call.state != IDLE) {
    respond(l, from, 486, "Busy Here");
    return 0;
  }
  /* From: "Centre" <sip:4711@10.0.0.5>;tag=... */
  if (!h || !(h = strstr(h, "sip:")))
    return -1;
  if (sscanf(h, "sip:%63[^@>;\r\n]", caller) != 1)
    return -1;
  snprintf(l->call.caller, sizeof l->call.caller, "%s", caller);
  copy_header(msg, "Via", l->call.via, sizeof l->call.via);
  copy_header(msg, "Call-ID", l->call.call_id, sizeof l->call.call_id);
  h = header(msg, "CSeq");
  l->call.cseq = h ? (unsigned)strtoul(h, NULL, 10) : 1;
  l->call.state = TALKING;
  l->call.since = time(NULL);
  audio(1);
  note("call from %s", l->call.caller);
  respond(l, from, 200, "OK");
  return 0;
}

static int on_bye(struct lift *l, char *msg, const struct sockaddr_in *from)
{
  char id[128];

  copy_header(msg, "Call-ID", id, sizeof id);
  if (l->call.state == IDLE || strcmp(id, l->call.call_id)) {
    respond(l, from, 481, "No Call");
    return 0;
  }
  l->call.state = IDLE;
  audio(0);
  note("call ended");
  respond(l, from, 200, "OK");
  return 0;
}

static int on_ack(struct lift *l, char *msg, const struct sockaddr_in *from)
{
  return 0;
}

static struct { const char *method; int (*fn)(struct lift *, char *, const struct sockaddr_in *); }
methods[] = {
  { "OPTIONS ", on_options }, { "INVITE ", on_invite },
  { "BYE ", on_bye },         { "ACK ", on_ack },
  { NULL, NULL }
};

static void beat(struct lift *l)
{
  struct sockaddr_in to;
  char out[300];
  int n;

  memset(&to, 0, sizeof to);
  to.sin_family = AF_INET;
  to.sin_port = htons(5060);
  if (inet_aton(l->centre, &to.sin_addr) == 0)
    return;
  n = snprintf(out, sizeof out, "MESSAGE sip:alarm@%s SIP/2.0\r\nSubject: car %d alive\r\n"
               "Content-Length: 0\r\n\r\n", l->centre, l->car_no);
  sendto(l->sock, out, n, 0, (struct sockaddr *)&to, sizeof to);
}

static void timers(struct lift *l)
{
  time_t now = time(NULL);

  if (now >= l->next_beat) {
    beat(l);
    l->next_beat = now + l->heartbeat;
  }
  if (l->call.state == TALKING && now - l->call.since > l->max_talk) {
    note("talk time over");
    l->call.state = IDLE;
    audio(0);
  }
}

int main(void)
{
  static struct lift lift;
  static char msg[MSG_MAX];
  struct sockaddr_in sa;
  struct timeval tv;
  int i;

  lift.heartbeat = 60;
  lift.max_talk = 600;
  read_cfg(&lift);
  lift.sock = socket(AF_INET, SOCK_DGRAM, 0);
  memset(&sa, 0, sizeof sa);
  sa.sin_family = AF_INET;
  sa.sin_port = htons(LOCAL_PORT);
  if (lift.sock < 0 || bind(lift.sock, (struct sockaddr *)&sa, sizeof sa) < 0) {
    note("cannot bind: %s", strerror(errno));
    return 1;
  }
  tv.tv_sec = 1;
  tv.tv_usec = 0;
  setsockopt(lift.sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  note("car %d ready", lift.car_no);
  for (;;) {
    struct sockaddr_in from;
    socklen_t fl = sizeof from;
    ssize_t n = recvfrom(lift.sock, msg, sizeof msg - 1, 0, (struct sockaddr *)&from, &fl);

    if (n > 0) {
      msg[n] = '\0';
      for (i = 0; methods[i].method; i++)
        if (!strncmp(msg, methods[i].method, strlen(methods[i].method)))
          break;
      if (methods[i].method && methods[i].fn(&lift, msg, &from) < 0)
        note("malformed message");
    }
    timers(&lift);
  }
}
