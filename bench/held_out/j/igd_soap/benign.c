/* igd_soap : serveur SOAP minimal pour la passerelle (WANIPConnection:1) */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define IGD_PORT     5431
#define REQ_MAX      8192
#define REDIR_MAX    24

struct redir {
  int  used;
  int  eport, iport;
  char proto[4];
  char client[48];
  char desc[40];
};

struct request {
  char  raw[REQ_MAX + 1];
  int   len;
  char *body;
  char  action[48];
};

struct soap_action {
  const char *name;
  int (*handler)(int fd, struct request *r);
};

static struct redir table[REDIR_MAX];
static const char *wan_if = "ppp0";

static int ipt(const char *fmt, ...)
{
  char cmd[320];
  va_list ap;
  int n;

  n = snprintf(cmd, sizeof cmd, "iptables -t nat ");
  va_start(ap, fmt);
  vsnprintf(cmd + n, sizeof cmd - n, fmt, ap);
  va_end(ap);
  return system(cmd);
}

static void http_send(int fd, int code, const char *body)
{
  char head[160];
  int n = snprintf(head, sizeof head,
                   "HTTP/1.1 %d %s\r\nContent-Type: text/xml\r\nContent-Length: %u\r\nConnection: close\r\n\r\n",
                   code, code == 200 ? "OK" : "Error", (unsigned)strlen(body));

  send(fd, head, n, MSG_NOSIGNAL);
  send(fd, body, strlen(body), MSG_NOSIGNAL);
}

static int soap_fault(int fd, int err)
{
  char b[256];

  snprintf(b, sizeof b, "<s:Fault><faultcode>s:Client</faultcode><detail><UPnPError>"
           "<errorCode>%d</errorCode></UPnPError></detail></s:Fault>", err);
  http_send(fd, 500, b);
  return -1;
}

static int xml_get(const char *xml, const char *tag, char *dst, size_t dstlen)
{
  char open[64], close_[64];
  const char *a, *z;
  size_t n;

  snprintf(open, sizeof open, "<%s>", tag);
  snprintf(close_, sizeof close_, "</%s>", tag);
  a = strstr(xml, open);
  if (!a)
    return -1;
  a += strlen(open);
  z = strstr(a, close_);
  if (!z)
    return -1;
  n = (size_t)(z - a);
  if (n >= dstlen)
    return -1;
  memcpy(dst, a, n);
  dst[n] = '\0';
  return 0;
}

static int xml_get_port(const char *xml, const char *tag)
{
  char tmp[12];
  int p;

  if (xml_get(xml, tag, tmp, sizeof tmp) < 0)
    return -1;
  p = atoi(tmp);
  return (p > 0 && p < 65536) ? p : -1;
}

static struct redir *redir_find(int eport, const char *proto)
{
  int i;

  for (i = 0; i < REDIR_MAX; i++)
    if (table[i].used && table[i].eport == eport && !strcmp(table[i].proto, proto))
      return &table[i];
  return NULL;
}

static struct redir *redir_alloc(void)
{
  int i;

  for (i = 0; i < REDIR_MAX; i++)
    if (!table[i].used)
      return &table[i];
  return NULL;
}

static int get_proto(const char *xml, char *proto, size_t len)
{
  if (xml_get(xml, "NewProtocol", proto, len) < 0)
    return -1;
  return (!strcmp(proto, "TCP") || !strcmp(proto, "UDP")) ? 0 : -1;
}

static int add_mapping(int fd, struct request *r)
{
  char proto[4], client[48];
  struct in_addr host;
  struct redir *e;
  int ep = xml_get_port(r->body, "NewExternalPort");
  int ip = xml_get_port(r->body, "NewInternalPort");

  if (ep < 0 || ip < 0 || get_proto(r->body, proto, sizeof proto) < 0)
    return soap_fault(fd, 402);
  if (xml_get(r->body, "NewInternalClient", client, sizeof client) < 0 || !client[0])
    return soap_fault(fd, 402);
  if (inet_pton(AF_INET, client, &host) != 1 || host.s_addr == INADDR_ANY)
    return soap_fault(fd, 402);
  if (redir_find(ep, proto))
    return soap_fault(fd, 718);
  e = redir_alloc();
  if (!e)
    return soap_fault(fd, 728);
  e->used = 1;
  e->eport = ep;
  e->iport = ip;
  strcpy(e->proto, proto);
  snprintf(e->client, sizeof e->client, "%s", inet_ntoa(host));
  if (xml_get(r->body, "NewPortMappingDescription", e->desc, sizeof e->desc) < 0)
    strcpy(e->desc, "-");
  ipt("-A PREROUTING -i %s -p %s --dport %d -j DNAT --to-destination %s:%d",
      wan_if, e->proto, e->eport, e->client, e->iport);
  http_send(fd, 200, "<u:AddPortMappingResponse/>");
  return 0;
}

static int del_mapping(int fd, struct request *r)
{
  char proto[4];
  struct redir *e;
  int ep = xml_get_port(r->body, "NewExternalPort");

  if (ep < 0 || get_proto(r->body, proto, sizeof proto) < 0)
    return soap_fault(fd, 402);
  e = redir_find(ep, proto);
  if (!e)
    return soap_fault(fd, 714);
  ipt("-D PREROUTING -i %s -p %s --dport %d -j DNAT --to-destination %s:%d",
      wan_if, e->proto, e->eport, e->client, e->iport);
  memset(e, 0, sizeof *e);
  http_send(fd, 200, "<u:DeletePortMappingResponse/>");
  return 0;
}

static int get_status(int fd, struct request *r)
{
  (void)r;
  http_send(fd, 200, "<u:GetStatusInfoResponse><NewConnectionStatus>Connected</NewConnectionStatus>"
            "</u:GetStatusInfoResponse>");
  return 0;
}

static const struct soap_action actions[] = {
  { "AddPortMapping",    add_mapping },
  { "DeletePortMapping", del_mapping },
  { "GetStatusInfo",     get_status  },
};

static int request_read(int fd, struct request *r)
{
  char *end = NULL, *p;
  int n, clen = 0;

  r->len = 0;
  r->body = NULL;
  for (;;) {
    if (r->len >= REQ_MAX)
      return -1;
    n = recv(fd, r->raw + r->len, REQ_MAX - r->len, 0);
    if (n <= 0)
      return -1;
    r->len += n;
    r->raw[r->len] = '\0';
    if (!end) {
      end = strstr(r->raw, "\r\n\r\n");
      if (!end)
        continue;
      p = strcasestr(r->raw, "\ncontent-length:");
      clen = (p && p < end) ? atoi(p + 16) : 0;
      if (clen < 0 || clen > REQ_MAX)
        return -1;
      r->body = end + 4;
    }
    if (r->raw + r->len - r->body >= clen)
      return 0;
  }
}

static void request_serve(int fd, struct request *r)
{
  char *p, *q;
  size_t n, i;

  if (request_read(fd, r) < 0)
    return;
  if (strncmp(r->raw, "POST ", 5)) {
    http_send(fd, 405, "");
    return;
  }
  p = strcasestr(r->raw, "\nsoapaction:");
  p = p ? strchr(p, '#') : NULL;
  if (!p) {
    soap_fault(fd, 401);
    return;
  }
  p++;
  for (q = p; isalnum((unsigned char)*q); q++)
    ;
  n = (size_t)(q - p);
  if (n >= sizeof r->action)
    n = sizeof r->action - 1;
  memcpy(r->action, p, n);
  r->action[n] = '\0';
  for (i = 0; i < sizeof actions / sizeof *actions; i++)
    if (!strcmp(actions[i].name, r->action)) {
      actions[i].handler(fd, r);
      return;
    }
  soap_fault(fd, 401);
}

int main(int argc, char **argv)
{
  static struct request req;
  struct sockaddr_in sin = { .sin_family = AF_INET };
  struct timeval to = { 5, 0 };
  int s, c, on = 1;

  if (argc > 1)
    wan_if = argv[1];
  signal(SIGPIPE, SIG_IGN);
  s = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sin.sin_port = htons(IGD_PORT);
  if (bind(s, (struct sockaddr *)&sin, sizeof sin) < 0 || listen(s, 8) < 0) {
    perror("igd");
    return 1;
  }
  while (1) {
    c = accept(s, NULL, NULL);
    if (c < 0)
      continue;
    setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &to, sizeof to);
    request_serve(c, &req);
    close(c);
  }
}
