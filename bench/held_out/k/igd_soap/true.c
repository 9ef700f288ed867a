/*
 * miniigd: WANIPConnection service
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <signal.h>
#include <errno.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define IGD_PORT   52869
#define REQ_MAX    8192
#define MAX_MAP    32

struct portmap {
  struct portmap *next;
  int eport, iport;
  int tcp;
  char iaddr[64];
  char desc[64];
};

static struct portmap *maps;
static int nmaps;
static const char *wan_if = "ppp0";

static int run_cmd(const char *fmt, ...)
{
  char buf[384];
  va_list ap;
  int n;

  va_start(ap, fmt);
  n = vsnprintf(buf, sizeof(buf), fmt, ap);
  va_end(ap);
  if (n < 0 || n >= (int)sizeof(buf))
    return -1;
  return system(buf);
}

static int soap_arg(const char *body, const char *name, char *dst, int dstlen)
{
  const char *s = body, *e;
  size_t nl = strlen(name);
  int l;

  while ((s = strchr(s, '<')) != NULL) {
    s++;
    if (strncmp(s, name, nl) == 0 && (s[nl] == '>' || s[nl] == ' '))
      break;
  }
  if (!s || !(s = strchr(s, '>')))
    return -1;
  s++;
  e = strchr(s, '<');
  if (!e)
    return -1;
  l = (int)(e - s);
  if (l > dstlen - 1)
    l = dstlen - 1;
  memcpy(dst, s, l);
  dst[l] = '\0';
  return l;
}

static int soap_port(const char *body, const char *name)
{
  char t[12];
  int v;

  if (soap_arg(body, name, t, sizeof(t)) <= 0)
    return -1;
  v = atoi(t);
  return (v > 0 && v < 65536) ? v : -1;
}

static void http_send(int s, int code, const char *reason, const char *body)
{
  char h[256];
  int n = snprintf(h, sizeof(h),
      "HTTP/1.1 %d %s\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
      code, reason, (int)strlen(body));
  if (send(s, h, n, 0) == n)
    send(s, body, strlen(body), 0);
}

static void soap_error(int s, int err, const char *text)
{
  char b[512];
  snprintf(b, sizeof(b),
      "<s:Envelope><s:Body><s:Fault><faultcode>s:Client</faultcode><detail><UPnPError>"
      "<errorCode>%d</errorCode><errorDescription>%s</errorDescription>"
      "</UPnPError></detail></s:Fault></s:Body></s:Envelope>", err, text);
  http_send(s, 500, "Internal Server Error", b);
}

static void soap_ok(int s, const char *action, const char *inner)
{
  char b[768];
  snprintf(b, sizeof(b),
      "<s:Envelope><s:Body><u:%sResponse>%s</u:%sResponse></s:Body></s:Envelope>", action, inner, action);
  http_send(s, 200, "OK", b);
}

static struct portmap *map_find(int eport, int tcp)
{
  struct portmap *m;
  for (m = maps; m; m = m->next)
    if (m->eport == eport && m->tcp == tcp)
      return m;
  return NULL;
}

static int map_apply(char op, const struct portmap *m)
{
  return run_cmd("iptables -t nat -%c PREROUTING -i %s -p %s --dport %d -j DNAT --to %s:%d",
      op, wan_if, m->tcp ? "tcp" : "udp", m->eport, m->iaddr, m->iport);
}

static int get_proto(const char *body)
{
  char p[8];
  if (soap_arg(body, "NewProtocol", p, sizeof(p)) <= 0)
    return -1;
  if (!strcasecmp(p, "TCP"))
    return 1;
  return strcasecmp(p, "UDP") ? -1 : 0;
}

static void act_add(int s, const char *body)
{
  struct portmap *m, *old;
  char client[64];
  int ep = soap_port(body, "NewExternalPort");
  int ip = soap_port(body, "NewInternalPort");
  int tcp = get_proto(body);

  if (ep < 0 || ip < 0 || tcp < 0 || soap_arg(body, "NewInternalClient", client, sizeof(client)) <= 0) {
    soap_error(s, 402, "Invalid Args");
    return;
  }
  old = map_find(ep, tcp);
  if (old) {
    map_apply('D', old);
    m = old;
  } else {
    if (nmaps >= MAX_MAP || !(m = calloc(1, sizeof(*m)))) {
      soap_error(s, 501, "Action Failed");
      return;
    }
    m->next = maps;
    maps = m;
    nmaps++;
  }
  m->eport = ep;
  m->iport = ip;
  m->tcp = tcp;
  strcpy(m->iaddr, client);
  if (soap_arg(body, "NewPortMappingDescription", m->desc, sizeof(m->desc)) < 0)
    m->desc[0] = '\0';
  map_apply('I', m);
  soap_ok(s, "AddPortMapping", "");
}

static void act_del(int s, const char *body)
{
  struct portmap **pp, *m;
  int ep = soap_port(body, "NewExternalPort");
  int tcp = get_proto(body);

  for (pp = &maps; (m = *pp) != NULL; pp = &m->next) {
    if (m->eport == ep && m->tcp == tcp) {
      map_apply('D', m);
      *pp = m->next;
      free(m);
      nmaps--;
      soap_ok(s, "DeletePortMapping", "");
      return;
    }
  }
  soap_error(s, 714, "NoSuchEntryInArray");
}

static void act_extip(int s, const char *body)
{
  char ip[32] = "0.0.0.0", inner[96];
  FILE *f = fopen("/var/run/wan_ip", "r");

  (void)body;
  if (f) {
    if (fscanf(f, "%31s", ip) != 1)
      strcpy(ip, "0.0.0.0");
    fclose(f);
  }
  snprintf(inner, sizeof(inner), "<NewExternalIPAddress>%s</NewExternalIPAddress>", ip);
  soap_ok(s, "GetExternalIPAddress", inner);
}

static const struct {
  const char *name;
  void (*fn)(int, const char *);
} actions[] = {
  { "AddPortMapping", act_add },
  { "DeletePortMapping", act_del },
  { "GetExternalIPAddress", act_extip },
  { NULL, NULL }
};

static void handle(int s)
{
  char *req, *body, *hdr, *act;
  int n = 0, r, need = -1, i;

  if (!(req = malloc(REQ_MAX + 1)))
    return;
  for (;;) {
    r = recv(s, req + n, REQ_MAX - n, 0);
    if (r <= 0)
      break;
    n += r;
    req[n] = '\0';
    if (need < 0 && (body = strstr(req, "\r\n\r\n")) != NULL) {
      char *cl = strcasestr(req, "Content-Length:");
      need = (int)(body + 4 - req);
      if (cl && cl < body) {
        r = atoi(cl + 15);
        if (r > 0 && r < REQ_MAX)
          need += r;
      }
    }
    if ((need >= 0 && n >= need) || n >= REQ_MAX)
      break;
  }
  req[n] = '\0';
  body = strstr(req, "\r\n\r\n");
  if (!body || strncmp(req, "POST ", 5)) {
    http_send(s, 404, "Not Found", "");
    goto out;
  }
  *body = '\0';
  body += 4;
  hdr = strcasestr(req, "SOAPAction:");
  act = hdr ? strchr(hdr, '#') : NULL;
  if (!act) {
    http_send(s, 400, "Bad Request", "");
    goto out;
  }
  act++;
  for (i = 0; actions[i].name; i++) {
    if (!strncmp(act, actions[i].name, strlen(actions[i].name))) {
      actions[i].fn(s, body);
      goto out;
    }
  }
  soap_error(s, 401, "Invalid Action");
out:
  free(req);
}

int main(int argc, char **argv)
{
  struct sockaddr_in a;
  int ls, s, one = 1;

  if (argc > 1)
    wan_if = argv[1];
  signal(SIGPIPE, SIG_IGN);
  ls = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  memset(&a, 0, sizeof(a));
  a.sin_family = AF_INET;
  a.sin_port = htons(IGD_PORT);
  if (bind(ls, (struct sockaddr *)&a, sizeof(a)) || listen(ls, 5)) {
    perror("miniigd");
    return 1;
  }
  while ((s = accept(ls, NULL, NULL)) >= 0 || errno == EINTR) {
    if (s < 0)
      continue;
    handle(s);
    close(s);
  }
  return 0;
}
