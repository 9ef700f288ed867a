/* tiny rtsp front: speaks just enough for VLC/NVRs, hands RTP to the encoder process */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ST_INIT, ST_READY, ST_PLAYING };

typedef struct session_s {
  struct session_s *next;
  unsigned id;
  int state;
  int rtp_port;
  int channel;
  time_t touched;
} session_t;

typedef struct conn_s {
  int fd;
  char *rx;
  size_t rxlen, rxcap;
  int cseq;
  session_t *sess;
} conn_t;

typedef struct request_s {
  char *method;
  char *url;
  char *headers;   /* \r\n separated, NUL terminated */
} request_t;

static session_t *sessions;
static pthread_mutex_t sess_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned next_id = 0x1000;

static session_t *session_new(void) {
  session_t *s = calloc(1, sizeof(*s));
  if (!s) return NULL;
  pthread_mutex_lock(&sess_lock);
  s->id = next_id++;
  s->next = sessions;
  sessions = s;
  pthread_mutex_unlock(&sess_lock);
  s->touched = time(NULL);
  return s;
}

static session_t *session_find(unsigned id) {
  session_t *s;
  pthread_mutex_lock(&sess_lock);
  for (s = sessions; s && s->id != id; s = s->next)
    ;
  pthread_mutex_unlock(&sess_lock);
  return s;
}

static void session_drop(session_t *dead) {
  session_t **pp;
  pthread_mutex_lock(&sess_lock);
  for (pp = &sessions; *pp; pp = &(*pp)->next)
    if (*pp == dead) {
      *pp = dead->next;
      break;
    }
  pthread_mutex_unlock(&sess_lock);
  free(dead);
}

/* ---- header helpers ---- */

static const char *hdr_find(const request_t *r, const char *name) {
  const char *p = r->headers;
  size_t n = strlen(name);
  while (p && *p) {
    if (!strncasecmp(p, name, n) && p[n] == ':') {
      p += n + 1;
      while (*p == ' ') p++;
      return p;
    }
    p = strchr(p, '\n');
    if (p) p++;
  }
  return NULL;
}

/* copy a parameter value: up to ';' ',' or end of line */
static int param_copy(char *dst, int room, const char *src) {
  int n = 0;
  while (n < room - 1 && *src && *src != ';' && *src != ',' && *src != '\r' && *src != '\n')
    dst[n++] = *src++;
  dst[n] = 0;
  return n;
}

static void reply(conn_t *c, int code, const char *text, const char *extra) {
  char out[1024];
  int n = snprintf(out, sizeof(out), "RTSP/1.0 %d %s\r\nCSeq: %d\r\nServer: IPCam/2.1\r\n%s\r\n",
                   code, text, c->cseq, extra ? extra : "");
  if (n > 0 && n < (int)sizeof(out)) send(c->fd, out, n, MSG_NOSIGNAL);
}

/* ---- methods ---- */

static void m_options(conn_t *c, request_t *r) {
  reply(c, 200, "OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n");
}

static void m_describe(conn_t *c, request_t *r) {
  char extra[256];
  const char sdp[] = "v=0\r\ns=cam\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
  snprintf(extra, sizeof(extra), "Content-Type: application/sdp\r\nContent-Length: %d\r\n", (int)sizeof(sdp) - 1);
  reply(c, 200, "OK", extra);
  send(c->fd, sdp, sizeof(sdp) - 1, MSG_NOSIGNAL);
}

static int parse_transport(const char *t, int *port, int *tcp) {
  char proto[32], ports[24];
  const char *p;

  param_copy(proto, sizeof(proto), t);
  if (!strncasecmp(proto, "RTP/AVP/TCP", 11))
    *tcp = 1;
  else if (!strncasecmp(proto, "RTP/AVP", 7))
    *tcp = 0;
  else
    return -1;
  p = strstr(t, "client_port=");
  if (!p)
    return *tcp ? 0 : -1;
  if (param_copy(ports, sizeof(ports), p + 12) == 0)
    return -1;
  *port = atoi(ports);
  return *port > 1023 && *port < 65535 ? 0 : -1;
}

static void m_setup(conn_t *c, request_t *r) {
  char extra[128];
  int port = 0, tcp = 0;
  const char *t = hdr_find(r, "Transport");

  if (!t || parse_transport(t, &port, &tcp) < 0) {
    reply(c, 461, "Unsupported Transport", NULL);
    return;
  }
  if (!c->sess) c->sess = session_new();
  if (!c->sess) {
    reply(c, 500, "Internal Error", NULL);
    return;
  }
  c->sess->rtp_port = port;
  c->sess->state = ST_READY;
  c->sess->channel = strstr(r->url, "ch2") ? 2 : 1;
  snprintf(extra, sizeof(extra), "Session: %u;timeout=60\r\nTransport: RTP/AVP%s;unicast;client_port=%d-%d\r\n",
           c->sess->id, tcp ? "/TCP" : "", port, port + 1);
  reply(c, 200, "OK", extra);
}

static void encoder_notify(session_t *s, int on) {
  FILE *f = fopen("/var/run/encoder.fifo", "w");
  if (!f) return;
  fprintf(f, "%s ch%d port %d\n", on ? "start" : "stop", s->channel, s->rtp_port);
  fclose(f);
}

static void m_play(conn_t *c, request_t *r) {
  const char *h = hdr_find(r, "Session");
  session_t *s = h ? session_find((unsigned)strtoul(h, NULL, 10)) : NULL;
  if (!s || s != c->sess || s->state < ST_READY) {
    reply(c, 454, "Session Not Found", NULL);
    return;
  }
  s->state = ST_PLAYING;
  s->touched = time(NULL);
  encoder_notify(s, 1);
  reply(c, 200, "OK", "Range: npt=0.000-\r\n");
}

static void m_teardown(conn_t *c, request_t *r) {
  if (c->sess) {
    encoder_notify(c->sess, 0);
    session_drop(c->sess);
    c->sess = NULL;
  }
  reply(c, 200, "OK", NULL);
}

static struct {
  const char *name;
  void (*fn)(conn_t *, request_t *);
} methods[] = {
    {"OPTIONS", m_options}, {"DESCRIBE", m_describe}, {"SETUP", m_setup},
    {"PLAY", m_play},       {"TEARDOWN", m_teardown}, {NULL, NULL},
};

static int handle_request(conn_t *c, char *text) {
  request_t r;
  char *save = NULL;
  const char *h;
  int i;

  r.headers = strchr(text, '\n');
  if (!r.headers) return -1;
  *r.headers++ = 0;
  r.method = strtok_r(text, " ", &save);
  r.url = strtok_r(NULL, " ", &save);
  if (!r.method || !r.url) return -1;
  h = hdr_find(&r, "CSeq");
  c->cseq = h ? atoi(h) : 0;
  for (i = 0; methods[i].name; i++)
    if (!strcmp(methods[i].name, r.method)) {
      methods[i].fn(c, &r);
      return 0;
    }
  reply(c, 501, "Not Implemented", NULL);
  return 0;
}

static int conn_fill(conn_t *c) {
  ssize_t n;
  if (c->rxlen + 1 >= c->rxcap) {
    size_t cap = c->rxcap ? c->rxcap * 2 : 2048;
    char *p;
    if (cap > 65536 || !(p = realloc(c->rx, cap))) return -1;
    c->rx = p;
    c->rxcap = cap;
  }
  n = recv(c->fd, c->rx + c->rxlen, c->rxcap - c->rxlen - 1, 0);
  if (n <= 0) return -1;
  c->rxlen += n;
  c->rx[c->rxlen] = 0;
  return 0;
}

static void *conn_main(void *arg) {
  conn_t *c = arg;
  while (conn_fill(c) == 0) {
    char *end;
    while ((end = strstr(c->rx, "\r\n\r\n")) != NULL) {
      size_t used = end + 4 - c->rx;
      *end = 0;
      if (handle_request(c, c->rx) < 0) goto out;
      memmove(c->rx, c->rx + used, c->rxlen - used + 1);
      c->rxlen -= used;
    }
  }
out:
  if (c->sess) session_drop(c->sess);
  close(c->fd);
  free(c->rx);
  free(c);
  return NULL;
}

int main(void) {
  struct sockaddr_in a;
  int one = 1, l = socket(AF_INET, SOCK_STREAM, 0);

  memset(&a, 0, sizeof(a));
  a.sin_family = AF_INET;
  a.sin_port = htons(554);
  setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(l, (struct sockaddr *)&a, sizeof(a)) || listen(l, 8)) {
    perror("rtspd");
    return 1;
  }
  for (;;) {
    pthread_t t;
    conn_t *c = calloc(1, sizeof(*c));
    if (!c) return 1;
    c->fd = accept(l, NULL, NULL);
    if (c->fd < 0) {
      free(c);
      continue;
    }
    if (pthread_create(&t, NULL, conn_main, c) == 0)
      pthread_detach(t);
    else {
      close(c->fd);
      free(c);
    }
  }
}
