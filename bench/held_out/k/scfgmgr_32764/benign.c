#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <signal.h>
#include <errno.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define SC_PORT     32764
#define SC_MAX      65536
#define SC_KEYLEN   128
#define SC_VALLEN   512

#define SC_OK       0
#define SC_ERR     -1

struct sc_hdr {
  uint8_t  magic[4];
  uint32_t cmd;
  uint32_t len;
};

struct sc_var {
  struct sc_var *next;
  char key[SC_KEYLEN];
  char val[SC_VALLEN];
};

static struct sc_var *sc_head;
static const char sc_magic[4] = { 'S', 'c', 'M', 'M' };

static int rd(int s, void *p, size_t n)
{
  size_t done = 0;
  while (done < n) {
    ssize_t r = recv(s, (char *)p + done, n - done, 0);
    if (r <= 0) return SC_ERR;
    done += (size_t)r;
  }
  return SC_OK;
}

static void reply(int s, int32_t status, const void *p, uint32_t n)
{
  struct sc_hdr h;
  memcpy(h.magic, sc_magic, 4);
  h.cmd = htonl((uint32_t)status);
  h.len = htonl(n);
  if (send(s, &h, sizeof h, MSG_NOSIGNAL) == (ssize_t)sizeof h && n)
    send(s, p, n, MSG_NOSIGNAL);
}

static struct sc_var *lookup(const char *key)
{
  struct sc_var *v;
  for (v = sc_head; v; v = v->next)
    if (strcmp(v->key, key) == 0) return v;
  return NULL;
}

static int store(const char *key, const char *val)
{
  struct sc_var *v = lookup(key);
  if (!v) {
    v = calloc(1, sizeof *v);
    if (!v) return SC_ERR;
    snprintf(v->key, sizeof v->key, "%s", key);
    v->next = sc_head;
    sc_head = v;
  }
  snprintf(v->val, sizeof v->val, "%s", val);
  return SC_OK;
}

static void load_defaults(const char *path)
{
  char line[SC_KEYLEN + SC_VALLEN];
  FILE *f = fopen(path, "r");
  if (!f) return;
  while (fgets(line, sizeof line, f)) {
    char *eq = strchr(line, '=');
    line[strcspn(line, "\r\n")] = 0;
    if (!eq || line[0] == '#') continue;
    *eq = 0;
    store(line, eq + 1);
  }
  fclose(f);
}

static int save_all(const char *path)
{
  struct sc_var *v;
  FILE *f = fopen(path, "w");
  if (!f) return SC_ERR;
  for (v = sc_head; v; v = v->next)
    fprintf(f, "%s=%s\n", v->key, v->val);
  return fclose(f) == 0 ? SC_OK : SC_ERR;
}

/* 1: dump the whole configuration */
static int cmd_dump(int s, const uint8_t *body, uint32_t len)
{
  struct sc_var *v;
  char *out = malloc(SC_MAX);
  size_t n = 0;

  (void)body; (void)len;
  if (!out) return SC_ERR;
  for (v = sc_head; v; v = v->next) {
    int k = snprintf(out + n, SC_MAX - n, "%s=%s", v->key, v->val);
    if (k < 0 || (size_t)k >= SC_MAX - n - 1) break;
    n += (size_t)k + 1;
  }
  reply(s, SC_OK, out, (uint32_t)n);
  free(out);
  return SC_OK;
}

/* 2: one variable */
static int cmd_get(int s, const uint8_t *body, uint32_t len)
{
  char key[SC_KEYLEN];
  struct sc_var *v;

  if (len == 0 || len >= SC_KEYLEN) return SC_ERR;
  memcpy(key, body, len);
  key[len] = 0;
  v = lookup(key);
  if (!v) return SC_ERR;
  reply(s, SC_OK, v->val, (uint32_t)strlen(v->val) + 1);
  return SC_OK;
}

/* 3: key=value */
static int cmd_set(int s, const uint8_t *body, uint32_t len)
{
  char key[SC_KEYLEN], val[SC_VALLEN];
  const uint8_t *eq = memchr(body, '=', len);
  uint32_t kl, vl;

  if (!eq) return SC_ERR;
  kl = (uint32_t)(eq - body);
  vl = len - kl - 1;
  if (kl == 0 || kl >= sizeof key || vl >= sizeof val) return SC_ERR;
  memcpy(key, body, kl);
  key[kl] = 0;
  memcpy(val, eq + 1, vl);
  val[vl] = 0;
  if (strpbrk(key, "\r\n") || strpbrk(val, "\r\n")) return SC_ERR;
  if (store(key, val) != SC_OK) return SC_ERR;
  reply(s, SC_OK, NULL, 0);
  return SC_OK;
}

/* 4: commit */
static int cmd_commit(int s, const uint8_t *body, uint32_t len)
{
  (void)body; (void)len;
  if (save_all("/tmp/nvram.new") != SC_OK) return SC_ERR;
  if (rename("/tmp/nvram.new", "/etc/nvram") != 0) return SC_ERR;
  reply(s, SC_OK, NULL, 0);
  return SC_OK;
}

/* 8: version string */
static int cmd_version(int s, const uint8_t *body, uint32_t len)
{
  static const char ver[] = "scfgmgr 2.14";
  (void)body; (void)len;
  reply(s, SC_OK, ver, sizeof ver);
  return SC_OK;
}

/* 9: lan address */
static int cmd_lan(int s, const uint8_t *body, uint32_t len)
{
  struct sc_var *v = lookup("lan_ipaddr");
  char out[64];
  (void)body; (void)len;
  snprintf(out, sizeof out, "%.60s", v ? v->val : "192.168.1.1");
  reply(s, SC_OK, out, (uint32_t)strlen(out) + 1);
  return SC_OK;
}

typedef int (*sc_fn)(int, const uint8_t *, uint32_t);

static const sc_fn table[] = {
  NULL, cmd_dump, cmd_get, cmd_set, cmd_commit, NULL, NULL, NULL, cmd_version, cmd_lan
};

static int one_request(int s)
{
  struct sc_hdr h;
  uint32_t cmd, len;
  uint8_t *body;
  int rc = SC_ERR;

  if (rd(s, &h, sizeof h) != SC_OK) return SC_ERR;
  if (memcmp(h.magic, sc_magic, 4) != 0) return SC_ERR;
  cmd = ntohl(h.cmd);
  len = ntohl(h.len);
  if (len > SC_MAX) return SC_ERR;
  body = malloc(len + 1);
  if (!body) return SC_ERR;
  if (rd(s, body, len) == SC_OK) {
    body[len] = 0;
    rc = SC_OK;
    if (cmd >= sizeof table / sizeof table[0] || !table[cmd] || table[cmd](s, body, len) != SC_OK)
      reply(s, SC_ERR, NULL, 0);
  }
  free(body);
  return rc;
}

int main(int argc, char **argv)
{
  struct sockaddr_in a;
  struct timeval tv = { 20, 0 };
  int ls, s, one = 1;

  signal(SIGPIPE, SIG_IGN);
  load_defaults(argc > 1 ? argv[1] : "/etc/nvram");
  ls = socket(PF_INET, SOCK_STREAM, 0);
  if (ls < 0) return 1;
  setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  memset(&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_port = htons(SC_PORT);
  a.sin_addr.s_addr = htonl(INADDR_ANY);
  if (bind(ls, (struct sockaddr *)&a, sizeof a) != 0) { perror("bind"); return 1; }
  if (listen(ls, 2) != 0) { perror("listen"); return 1; }
  for (;;) {
    s = accept(ls, NULL, NULL);
    if (s < 0) {
      if (errno == EINTR) continue;
      break;
    }
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    while (one_request(s) == SC_OK)
      ;
    close(s);
  }
  return 0;
}
