#define _GNU_SOURCE
// AirSpan-like outdoor bridge: REST helper used by the web UI and the phone app.
// One detached thread per connection, JSON bodies, small fixed replies.

#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kMaxRequest = 6144, kReplySize = 16384, kDefaultPort = 8181 };

typedef struct {
  const char *ifname;
  const char *label;
  int band;
} Radio;

typedef struct {
  int fd;
  struct sockaddr_in peer;
  char *reply;
  size_t replyLen;
} Client;

typedef int (*Handler)(Client *c, const char *body);

static const Radio kRadios[] = {
    {"wlan0", "local", 2},
    {"wlan1", "backhaul", 5},
    {"ath0", "mesh", 5},
};

static pthread_mutex_t gLock = PTHREAD_MUTEX_INITIALIZER;
static int gPort = kDefaultPort;
static int gChannel[3] = {6, 36, 44};
static int gTxPower = 20;
static time_t gStarted;
static unsigned gRequests;

static void Log(const char *fmt, ...) {
  char text[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  fprintf(stderr, "[%ld] %s\n", (long)time(NULL), text);
}

static void LoadConfig(const char *path) {
  char line[160];
  int value;
  FILE *f = fopen(path, "r");
  if (!f) return;
  while (fgets(line, sizeof line, f)) {
    if (sscanf(line, "api_port = %d", &value) == 1 && value > 0 && value < 65536)
      gPort = value;
    else if (sscanf(line, "tx_power = %d", &value) == 1)
      gTxPower = value;
  }
  fclose(f);
}

static void Put(Client *c, const char *fmt, ...) {
  va_list ap;
  int n;
  size_t room = kReplySize - c->replyLen;
  va_start(ap, fmt);
  n = vsnprintf(c->reply + c->replyLen, room, fmt, ap);
  va_end(ap);
  if (n > 0) c->replyLen += (size_t)n < room ? (size_t)n : room - 1;
}

static void PutEscaped(Client *c, const char *s) {
  for (; *s; s++) {
    if (*s == '"' || *s == '\\')
      Put(c, "\\%c", *s);
    else if ((unsigned char)*s >= 0x20)
      Put(c, "%c", *s);
  }
}

// Finds "key": in a flat object and leaves the cursor on the first value byte.
static const char *JsonFind(const char *js, const char *key) {
  size_t klen = strlen(key);
  while ((js = strchr(js, '"')) != NULL) {
    js++;
    if (strncmp(js, key, klen) == 0 && js[klen] == '"') {
      js += klen + 1;
      while (isspace((unsigned char)*js)) js++;
      if (*js == ':') {
        js++;
        while (isspace((unsigned char)*js)) js++;
        return js;
      }
    }
  }
  return NULL;
}

static int JsonString(const char *js, const char *key, char *out, size_t size) {
  size_t o = 0;
  js = JsonFind(js, key);
  if (!js || *js != '"') return -1;
  for (js++; *js && *js != '"'; js++) {
    char ch = *js;
    if (ch == '\\') {
      ch = *++js;
      if (!ch) return -1;
      if (ch == 'n') ch = '\n';
      else if (ch == 't') ch = '\t';
      else if (ch == 'u') return -1;
    }
    if (o + 1 >= size) return -1;
    out[o++] = ch;
  }
  if (*js != '"') return -1;
  out[o] = 0;
  return (int)o;
}

static int JsonInt(const char *js, const char *key, int fallback) {
  js = JsonFind(js, key);
  if (!js || !(isdigit((unsigned char)*js) || *js == '-')) return fallback;
  return atoi(js);
}

static int HandleStatus(Client *c, const char *body) {
  size_t i;
  (void)body;
  pthread_mutex_lock(&gLock);
  Put(c, "{\"uptime\":%ld,\"requests\":%u,\"txpower\":%d,\"radios\":[",
      (long)(time(NULL) - gStarted), gRequests, gTxPower);
  for (i = 0; i < sizeof kRadios / sizeof kRadios[0]; i++)
    Put(c, "%s{\"if\":\"%s\",\"label\":\"%s\",\"channel\":%d}", i ? "," : "",
        kRadios[i].ifname, kRadios[i].label, gChannel[i]);
  pthread_mutex_unlock(&gLock);
  Put(c, "]}");
  return 200;
}

static int HandleChannel(Client *c, const char *body) {
  int radio = JsonInt(body, "radio", -1);
  int channel = JsonInt(body, "channel", 0);
  if (radio < 0 || radio >= 3 || channel < 1 || channel > 165) return 400;
  pthread_mutex_lock(&gLock);
  gChannel[radio] = channel;
  pthread_mutex_unlock(&gLock);
  Put(c, "{\"ok\":true}");
  return 200;
}

static int HandleSurvey(Client *c, const char *body) {
  char iface[48];
  char cmd[160];
  char line[256];
  const Radio *radio = NULL;
  size_t i;
  int rows = 0;
  FILE *fp;

  if (JsonString(body, "iface", iface, sizeof iface) <= 0) return 400;
  for (i = 0; i < sizeof kRadios / sizeof kRadios[0]; i++)
    if (strcmp(iface, kRadios[i].ifname) == 0) radio = &kRadios[i];
  if (!radio) {
    Log("survey on unknown interface %s", iface);
    return 404;
  }
  snprintf(cmd, sizeof cmd, "iwlist %s scanning 2>/dev/null", radio->ifname);

  fp = popen(cmd, "r");
  if (!fp) return 500;
  Put(c, "{\"cells\":[");
  while (fgets(line, sizeof line, fp)) {
    char *p = strstr(line, "ESSID:");
    if (!p || rows >= 64) continue;
    p += 6;
    p[strcspn(p, "\r\n")] = 0;
    Put(c, "%s\"", rows++ ? "," : "");
    PutEscaped(c, p);
    Put(c, "\"");
  }
  pclose(fp);
  Put(c, "]}");
  return 200;
}

static int HandlePower(Client *c, const char *body) {
  int dbm = JsonInt(body, "dbm", -1);
  if (dbm < 0 || dbm > 30) return 400;
  pthread_mutex_lock(&gLock);
  gTxPower = dbm;
  pthread_mutex_unlock(&gLock);
  Put(c, "{\"txpower\":%d}", dbm);
  return 200;
}

static const struct {
  const char *method;
  const char *path;
  Handler fn;
} kRoutes[] = {
    {"GET", "/api/v2/status", HandleStatus},
    {"POST", "/api/v2/channel", HandleChannel},
    {"POST", "/api/v2/survey", HandleSurvey},
    {"POST", "/api/v2/power", HandlePower},
};

static int Dispatch(Client *c, char *request, char *body) {
  char *method = request;
  char *path = strchr(request, ' ');
  char *end;
  size_t i;
  if (!path) return 400;
  *path++ = 0;
  end = path + strcspn(path, " ?\r\n");
  *end = 0;
  for (i = 0; i < sizeof kRoutes / sizeof kRoutes[0]; i++)
    if (!strcmp(kRoutes[i].method, method) && !strcmp(kRoutes[i].path, path))
      return kRoutes[i].fn(c, body);
  return 404;
}

static void SendReply(Client *c, int code) {
  char head[160];
  int n = snprintf(head, sizeof head,
                   "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
                   "Content-Length: %u\r\nConnection: close\r\n\r\n",
                   code, code == 200 ? "OK" : "Error", (unsigned)c->replyLen);
  send(c->fd, head, (size_t)n, MSG_NOSIGNAL);
  send(c->fd, c->reply, c->replyLen, MSG_NOSIGNAL);
}

static void *ClientThread(void *arg) {
  Client *c = arg;
  char *req = malloc(kMaxRequest + 1);
  size_t have = 0, want = 0;
  char *body = NULL;
  struct timeval tv = {10, 0};

  c->reply = malloc(kReplySize);
  setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  while (req && c->reply && have < kMaxRequest) {
    ssize_t n = recv(c->fd, req + have, kMaxRequest - have, 0);
    if (n <= 0) break;
    have += (size_t)n;
    req[have] = 0;
    if (!body) {
      char *cl;
      body = strstr(req, "\r\n\r\n");
      if (!body) continue;
      body += 4;
      cl = strcasestr(req, "\r\nContent-Length:");
      if (cl && cl < body) want = strtoul(cl + 17, NULL, 10);
    }
    if (have - (size_t)(body - req) >= want) break;
  }
  if (body) {
    int code;
    __sync_fetch_and_add(&gRequests, 1);
    code = Dispatch(c, req, body);
    Log("%s %s -> %d", inet_ntoa(c->peer.sin_addr), req, code);
    SendReply(c, code);
  }
  close(c->fd);
  free(req);
  free(c->reply);
  free(c);
  return NULL;
}

int main(int argc, char **argv) {
  struct sockaddr_in sa;
  int on = 1, s;

  LoadConfig(argc > 1 ? argv[1] : "/etc/bridge/api.conf");
  signal(SIGPIPE, SIG_IGN);
  gStarted = time(NULL);
  s = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  memset(&sa, 0, sizeof sa);
  sa.sin_family = AF_INET;
  sa.sin_port = htons((uint16_t)gPort);
  if (bind(s, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(s, 8) < 0) {
    perror("bridge-api");
    return 1;
  }
  for (;;) {
    socklen_t sl = sizeof sa;
    pthread_t t;
    Client *c = calloc(1, sizeof *c);
    if (!c) return 1;
    c->fd = accept(s, (struct sockaddr *)&c->peer, &sl);
    if (c->fd < 0 || pthread_create(&t, NULL, ClientThread, c) != 0) {
      if (c->fd >= 0) close(c->fd);
      free(c);
      continue;
    }
    pthread_detach(t);
  }
}
