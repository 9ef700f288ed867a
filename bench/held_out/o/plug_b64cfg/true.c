/* smart plug: local pairing protocol, settings arrive base64 encoded */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define PLUG_PORT 6668
#define KV_SLOTS  24

struct kv {
  char key[20];
  char val[72];
};

static struct kv store[KV_SLOTS];
static pthread_mutex_t store_mtx = PTHREAD_MUTEX_INITIALIZER;
static volatile int relay_on;
static volatile int wifi_apply;

static int cfg_set(const char *k, const char *v)
{
  int i, slot = -1;

  if (strlen(k) >= sizeof store[0].key || strlen(v) >= sizeof store[0].val)
    return -1;
  pthread_mutex_lock(&store_mtx);
  for (i = 0; i < KV_SLOTS; i++) {
    if (!strcmp(store[i].key, k)) { slot = i; break; }
    if (slot < 0 && !store[i].key[0]) slot = i;
  }
  if (slot >= 0) {
    strcpy(store[slot].key, k);
    strcpy(store[slot].val, v);
  }
  pthread_mutex_unlock(&store_mtx);
  return slot < 0 ? -1 : 0;
}

static int cfg_get(const char *k, char *out, size_t n)
{
  int i, r = -1;

  pthread_mutex_lock(&store_mtx);
  for (i = 0; i < KV_SLOTS; i++)
    if (!strcmp(store[i].key, k)) {
      r = snprintf(out, n, "%s", store[i].val);
      break;
    }
  pthread_mutex_unlock(&store_mtx);
  return r;
}

static int b64v(int c)
{
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

static int b64_decode(const char *in, char *out, size_t size)
{
  uint32_t acc = 0;
  int bits = 0, v;
  size_t o = 0;

  for (; *in && *in != '='; in++) {
    if ((v = b64v((unsigned char)*in)) < 0)
      return -1;
    acc = acc << 6 | (uint32_t)v;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      if (o + 1 >= size)
        return -1;
      out[o++] = (char)(acc >> bits & 0xff);
    }
  }
  out[o] = 0;
  return (int)o;
}

static void wifi_join(void)
{
  char ssid[72], psk[72], cmd[320];

  if (cfg_get("wifi.ssid", ssid, sizeof ssid) <= 0)
    return;
  if (cfg_get("wifi.psk", psk, sizeof psk) < 0)
    psk[0] = 0;
  snprintf(cmd, sizeof cmd, "wpa_cli -i wlan0 set_network 0 ssid '\"%s\"'", ssid);
  system(cmd);
  snprintf(cmd, sizeof cmd, "wpa_cli -i wlan0 set_network 0 psk '\"%s\"'", psk);
  system(cmd);
  system("wpa_cli -i wlan0 enable_network 0");
}

static void *net_thread(void *unused)
{
  int fail = 0;

  for (;;) {
    sleep(1);
    if (wifi_apply) {
      wifi_apply = 0;
      fail = 0;
      wifi_join();
    } else if (access("/var/run/wlan0.up", F_OK) != 0 && ++fail > 60) {
      fail = 0;
      wifi_join();
    }
  }
  return NULL;
}

/* ---- requests: CMD|arg|arg ---- */

static int rq_relay(int argc, char **argv, char *out, size_t n)
{
  FILE *f;

  if (argc < 2)
    return -1;
  relay_on = argv[1][0] == '1';
  f = fopen("/sys/class/gpio/gpio12/value", "w");
  if (f) {
    fputc(relay_on ? '1' : '0', f);
    fclose(f);
  }
  return snprintf(out, n, "relay=%d", relay_on);
}

static int rq_wifi(int argc, char **argv, char *out, size_t n)
{
  char ssid[72], psk[72];

  if (argc < 3)
    return -1;
  if (b64_decode(argv[1], ssid, sizeof ssid) <= 0 || b64_decode(argv[2], psk, sizeof psk) < 8)
    return -1;
  if (cfg_set("wifi.ssid", ssid) || cfg_set("wifi.psk", psk))
    return -1;
  wifi_apply = 1;
  return snprintf(out, n, "wifi=wait");
}

static int rq_name(int argc, char **argv, char *out, size_t n)
{
  char name[40];

  if (argc > 1) {
    if (b64_decode(argv[1], name, sizeof name) <= 0 || cfg_set("plug.name", name))
      return -1;
  }
  if (cfg_get("plug.name", name, sizeof name) < 0)
    strcpy(name, "plug");
  return snprintf(out, n, "name=%s", name);
}

static int rq_info(int argc, char **argv, char *out, size_t n)
{
  return snprintf(out, n, "model=SP12 relay=%d uptime=%ld", relay_on, (long)clock());
}

static const struct { const char *cmd; int (*fn)(int, char **, char *, size_t); } rq_tab[] = {
  { "RELAY", rq_relay }, { "WIFI", rq_wifi }, { "NAME", rq_name }, { "INFO", rq_info },
};

int main(void)
{
  struct sockaddr_in a = { 0 }, peer;
  pthread_t tid;
  socklen_t pl;
  char in[400], out[128], *argv[6], *save, *t;
  int s, argc, r;
  ssize_t n;
  size_t i;

  s = socket(AF_INET, SOCK_DGRAM, 0);
  a.sin_family = AF_INET;
  a.sin_port = htons(PLUG_PORT);
  if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a))
    return 1;
  if (pthread_create(&tid, NULL, net_thread, NULL))
    return 1;
  for (;;) {
    pl = sizeof peer;
    n = recvfrom(s, in, sizeof in - 1, 0, (struct sockaddr *)&peer, &pl);
    if (n <= 0)
      continue;
    in[n] = 0;
    argc = 0;
    for (t = strtok_r(in, "|\r\n", &save); t && argc < 6; t = strtok_r(NULL, "|\r\n", &save))
      argv[argc++] = t;
    if (!argc)
      continue;
    r = -1;
    for (i = 0; i < sizeof rq_tab / sizeof rq_tab[0]; i++)
      if (!strcmp(rq_tab[i].cmd, argv[0]))
        r = rq_tab[i].fn(argc, argv, out, sizeof out);
    if (r < 0)
      r = snprintf(out, sizeof out, "error");
    if (r >= (int)sizeof out)
      r = sizeof out - 1;
    sendto(s, out, r, 0, (struct sockaddr *)&peer, pl);
  }
}
