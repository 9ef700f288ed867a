/* Media renderer control point: SOAP over HTTP.
 * Actions set properties of the renderer object; a SIGALRM driven
 * announcer publishes them when they have changed. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define HTTP_PORT 49595
#define REQ_MAX 8192

struct property {
  char *name;
  char *text;
  struct property *next;
};

struct renderer {
  struct property *props;
  int volume;
  int muted;
  int room;
  unsigned generation;
  unsigned announced;
};

struct request {
  int fd;
  char *method;
  char *path;
  char *action;
  char *body;
  size_t body_len;
};

static struct renderer *the_renderer;
static volatile sig_atomic_t alarm_seen;

static const char *room_names[] = {"Living", "Kitchen", "Bedroom", "Office"};

static void on_alarm(int sig) {
  (void)sig;
  alarm_seen = 1;
}

static struct property *prop_find(struct renderer *r, const char *name) {
  struct property *p;
  for (p = r->props; p != NULL; p = p->next)
    if (!strcmp(p->name, name)) return p;
  return NULL;
}

static int prop_set(struct renderer *r, const char *name, char *owned) {
  struct property *p = prop_find(r, name);
  if (p == NULL) {
    p = calloc(1, sizeof(*p));
    if (p == NULL) {
      free(owned);
      return -1;
    }
    p->name = strdup(name);
    if (p->name == NULL) {
      free(p);
      free(owned);
      return -1;
    }
    p->next = r->props;
    r->props = p;
  }
  free(p->text);
  p->text = owned;
  r->generation++;
  return 0;
}

/* Text between <tag> and </tag>, entities decoded, on the heap. */
static char *xml_text(const char *xml, const char *tag) {
  char open[48], close_[48];
  const char *a, *b;
  char *out, *o;

  snprintf(open, sizeof open, "<%s>", tag);
  snprintf(close_, sizeof close_, "</%s>", tag);
  a = strstr(xml, open);
  if (a == NULL) return NULL;
  a += strlen(open);
  b = strstr(a, close_);
  if (b == NULL) return NULL;
  out = o = malloc((size_t)(b - a) + 1);
  if (out == NULL) return NULL;
  while (a < b) {
    if (!strncmp(a, "&amp;", 5)) {
      *o++ = '&';
      a += 5;
    } else if (!strncmp(a, "&lt;", 4)) {
      *o++ = '<';
      a += 4;
    } else if (!strncmp(a, "&gt;", 4)) {
      *o++ = '>';
      a += 4;
    } else {
      *o++ = *a++;
    }
  }
  *o = '\0';
  return out;
}

static void http_answer(int fd, int code, const char *body) {
  char head[160];
  int n = snprintf(head, sizeof head,
                   "HTTP/1.1 %d %s\r\nContent-Type: text/xml\r\n"
                   "Content-Length: %u\r\nConnection: close\r\n\r\n",
                   code, code == 200 ? "OK" : "Error", (unsigned)strlen(body));
  send(fd, head, (size_t)n, MSG_NOSIGNAL);
  send(fd, body, strlen(body), MSG_NOSIGNAL);
}

static void set_friendly_name(struct request *rq) {
  char *name = xml_text(rq->body, "FriendlyName");
  if (name == NULL || *name == '\0' || strlen(name) > 200) {
    free(name);
    http_answer(rq->fd, 402, "<e>Invalid Args</e>");
    return;
  }
  prop_set(the_renderer, "FriendlyName", name);
  http_answer(rq->fd, 200, "<SetFriendlyNameResponse/>");
}

static void set_volume(struct request *rq) {
  char *v = xml_text(rq->body, "DesiredVolume");
  int n = v ? atoi(v) : -1;
  free(v);
  if (n < 0 || n > 100) {
    http_answer(rq->fd, 402, "<e>Invalid Args</e>");
    return;
  }
  the_renderer->volume = n;
  http_answer(rq->fd, 200, "<SetVolumeResponse/>");
}

static void set_room(struct request *rq) {
  char *v = xml_text(rq->body, "Room");
  if (v != NULL) the_renderer->room = atoi(v) & 3;
  free(v);
  the_renderer->generation++;
  http_answer(rq->fd, 200, "<SetRoomResponse/>");
}

static void get_volume(struct request *rq) {
  char xml[96];
  snprintf(xml, sizeof xml, "<CurrentVolume>%d</CurrentVolume><Mute>%d</Mute>",
           the_renderer->volume, the_renderer->muted);
  http_answer(rq->fd, 200, xml);
}

static const struct {
  const char *name;
  void (*run)(struct request *);
} actions[] = {
    {"SetFriendlyName", set_friendly_name},
    {"SetVolume", set_volume},
    {"SetRoom", set_room},
    {"GetVolume", get_volume},
};

static void announce(struct renderer *r) {
  struct property *p = prop_find(r, "FriendlyName");
  char line[320];
  FILE *pub;

  if (p == NULL) return;
#ifdef BENIGN
  snprintf(line, sizeof line, "avahi-publish -s \"%s\" _dlna._tcp %d 2>&1",
           room_names[r->room], HTTP_PORT);
#else
  snprintf(line, sizeof line, "avahi-publish -s \"%s\" _dlna._tcp %d 2>&1",
           p->text != NULL ? p->text : room_names[r->room], HTTP_PORT);
#endif
  pub = popen(line, "r");
  if (pub == NULL) return;
  while (fgets(line, sizeof line, pub) != NULL)
    if (strstr(line, "stablished")) break;
  pclose(pub);
}

static void publish_if_due(void) {
  if (!alarm_seen) return;
  alarm_seen = 0;
  if (the_renderer->announced != the_renderer->generation) {
    the_renderer->announced = the_renderer->generation;
    announce(the_renderer);
  }
}

static int parse(struct request *rq, char *text) {
  char *save = NULL, *line, *rest;

  rq->action = NULL;
  rest = strstr(text, "\r\n\r\n");
  if (rest == NULL) return -1;
  *rest = '\0';
  rq->body = rest + 4;
  rq->body_len = strlen(rq->body);
  line = strtok_r(text, "\r\n", &save);
  if (line == NULL) return -1;
  rq->method = line;
  rq->path = strchr(line, ' ');
  if (rq->path == NULL) return -1;
  *rq->path++ = '\0';
  while ((line = strtok_r(NULL, "\r\n", &save)) != NULL) {
    char *hash;
    if (strncasecmp(line, "SOAPAction:", 11)) continue;
    hash = strchr(line, '#');
    if (hash == NULL) return -1;
    rq->action = hash + 1;
    rq->action[strcspn(rq->action, "\"")] = '\0';
  }
  return 0;
}

static void handle(int fd) {
  static char text[REQ_MAX + 1];
  struct request rq;
  size_t have = 0, i;
  ssize_t n;

  while (have < REQ_MAX && (n = recv(fd, text + have, REQ_MAX - have, 0)) > 0) {
    have += (size_t)n;
    text[have] = '\0';
    if (strstr(text, "</s:Envelope>") || !strncmp(text, "GET ", 4)) break;
  }
  text[have] = '\0';
  memset(&rq, 0, sizeof rq);
  rq.fd = fd;
  if (parse(&rq, text) < 0 || rq.action == NULL) {
    http_answer(fd, 400, "<e>Bad Request</e>");
    return;
  }
  for (i = 0; i < sizeof actions / sizeof *actions; i++)
    if (!strcmp(actions[i].name, rq.action)) {
      actions[i].run(&rq);
      return;
    }
  http_answer(fd, 401, "<e>Invalid Action</e>");
}

int main(void) {
  struct sockaddr_in addr;
  struct sigaction sa;
  struct itimerval every = {{2, 0}, {2, 0}};
  int s, c, yes = 1;

  the_renderer = calloc(1, sizeof *the_renderer);
  if (the_renderer == NULL) return 1;
  the_renderer->volume = 30;
  prop_set(the_renderer, "FriendlyName", strdup("Renderer"));
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = on_alarm;
  sigaction(SIGALRM, &sa, NULL);
  setitimer(ITIMER_REAL, &every, NULL);
  s = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  memset(&addr, 0, sizeof addr);
  addr.sin_family = AF_INET;
  addr.sin_port = htons(HTTP_PORT);
  if (s < 0 || bind(s, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(s, 4) < 0) return 1;
  for (;;) {
    c = accept(s, NULL, NULL);
    if (c >= 0) {
      handle(c);
      close(c);
    }
    publish_if_due();
  }
}
