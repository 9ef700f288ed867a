/*
 * provd - auto provisioning of the phone adapter
 *
 * Fetches http://<server>:<port>/ata/<mac>.cfg, a list of "Key = Value"
 * lines, and brings the network and the SIP stack in line with it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>

#define PROV_CONF     "/etc/provd.conf"
#define PROV_PORT     "8090"
#define PROV_INTERVAL 3600

typedef struct param Param;

struct param {
   const char *key;
   int       (*check)(Param *p, char *value);
   long        lo, hi;
   unsigned    group;
   char        value[96];
};

enum { G_NONE = 0, G_VLAN = 1, G_SIP = 2, G_TONE = 4 };

static int checkNumber(Param *p, char *value);
static int checkText(Param *p, char *value);
static int checkFlag(Param *p, char *value);

static Param params[] = {
   { "VlanEnable",   checkFlag,   0, 1,     G_VLAN, "0" },
   { "VlanId",       checkNumber, 1, 4094,  G_VLAN, "1" },
   { "VlanPriority", checkNumber, 0, 7,     G_VLAN, "0" },
   { "SipProxy",     checkText,   0, 0,     G_SIP,  "" },
   { "SipUser",      checkText,   0, 0,     G_SIP,  "" },
   { "SipPassword",  checkText,   0, 0,     G_SIP,  "" },
   { "SipPort",      checkNumber, 1, 65535, G_SIP,  "5060" },
   { "ToneCountry",  checkText,   0, 0,     G_TONE, "de" },
};

#define NPARAMS (sizeof params / sizeof params[0])

static char     provServer[80] = "prov.voice.example";
static char     provPort[8] = PROV_PORT;
static char     provMac[16] = "000b82000000";
static unsigned changedGroups;

/* ------------------------------------------------------------- params */

static Param *paramFind(const char *key)
{
   unsigned i;

   for (i = 0; i < NPARAMS; i++)
      if (strcasecmp(params[i].key, key) == 0)
         return &params[i];
   return NULL;
}

static const char *paramGet(const char *key)
{
   Param *p = paramFind(key);

   return p ? p->value : "";
}

static int checkNumber(Param *p, char *value)
{
   long n = atol(value);

   if (n < p->lo || n > p->hi)
      return -1;
   sprintf(value, "%ld", n);
   return 0;
}

static int checkFlag(Param *p, char *value)
{
   (void)p;
   return (value[0] == '0' || value[0] == '1') && value[1] == '\0' ? 0 : -1;
}

static int checkText(Param *p, char *value)
{
   (void)p;
   for (; *value; value++)
      if (iscntrl((unsigned char)*value))
         return -1;
   return 0;
}

static int paramSet(const char *key, const char *value)
{
   Param *p = paramFind(key);
   char   copy[sizeof p->value];

   if (!p)
      return -ENOENT;
   if (strlen(value) >= sizeof copy)
      return -E2BIG;
   strcpy(copy, value);
   if (p->check(p, copy) < 0)
      return -EINVAL;
   if (strcmp(copy, p->value) != 0) {
      strcpy(p->value, copy);
      changedGroups |= p->group;
   }
   return 0;
}

/* ------------------------------------------------------------ actions */

static int doCommand(const char *fmt, ...)
{
   va_list ap;
   char   *cmd;
   int     rc;

   va_start(ap, fmt);
   rc = vasprintf(&cmd, fmt, ap);
   va_end(ap);
   if (rc < 0)
      return -1;
   syslog(LOG_DEBUG, "run: %s", cmd);
   rc = system(cmd);
   free(cmd);
   return rc;
}

static void applyVlan(void)
{
   doCommand("ip link del voice0 2>/dev/null");
   if (paramGet("VlanEnable")[0] != '1')
      return;
   if (doCommand("ip link add link eth0 name voice0 type vlan id %s", paramGet("VlanId")) != 0)
      syslog(LOG_ERR, "vlan not created");
   doCommand("ip link set voice0 type vlan egress-qos-map 0:%s", paramGet("VlanPriority"));
   doCommand("ip link set voice0 up");
}

static void applySip(void)
{
   FILE *fp = fopen("/var/run/sip.conf", "w");

   if (!fp)
      return;
   fprintf(fp, "proxy %s\nport %s\nuser %s\nsecret %s\n", paramGet("SipProxy"),
           paramGet("SipPort"), paramGet("SipUser"), paramGet("SipPassword"));
   fclose(fp);
   doCommand("killall -HUP sipua");
}

static void applyTone(void)
{
   static const char *const known[] = { "de", "at", "ch", "uk", "us" };
   unsigned i;

   for (i = 0; i < sizeof known / sizeof known[0]; i++)
      if (strcmp(known[i], paramGet("ToneCountry")) == 0)
         doCommand("slicctl -t /usr/share/tones/%s.bin", known[i]);
}

static const struct {
   unsigned group;
   void   (*apply)(void);
} actions[] = {
   { G_VLAN, applyVlan }, { G_SIP, applySip }, { G_TONE, applyTone },
};

/* -------------------------------------------------------------- fetch */

static int dial(void)
{
   struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
   int             fd = -1, rc;

   rc = getaddrinfo(provServer, provPort, &hints, &list);
   if (rc) {
      syslog(LOG_WARNING, "%s: %s", provServer, gai_strerror(rc));
      return -1;
   }
   for (a = list; a && fd < 0; a = a->ai_next) {
      fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
      if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
         close(fd);
         fd = -1;
      }
   }
   freeaddrinfo(list);
   return fd;
}

static char *trim(char *s)
{
   char *e;

   while (isspace((unsigned char)*s))
      s++;
   e = s + strlen(s);
   while (e > s && isspace((unsigned char)e[-1]))
      *--e = '\0';
   return s;
}

static void configLine(char *line)
{
   char *eq, *key, *value;
   int   rc;

   key = trim(line);
   if (*key == '\0' || *key == '#')
      return;
   eq = strchr(key, '=');
   if (!eq)
      return;
   *eq = '\0';
   value = trim(eq + 1);
   key = trim(key);
   rc = paramSet(key, value);
   if (rc && rc != -ENOENT)
      syslog(LOG_WARNING, "%s: value refused", key);
}

static int fetch(void)
{
   int     fd, lines = 0;
   FILE   *net;
   char   *line = NULL;
   size_t  cap = 0;

   fd = dial();
   if (fd < 0)
      return -1;
   net = fdopen(fd, "r+");
   if (!net) {
      close(fd);
      return -1;
   }
   fprintf(net, "GET /ata/%s.cfg HTTP/1.0\r\nHost: %s\r\nUser-Agent: ata2/1.9\r\n\r\n",
           provMac, provServer);
   fflush(net);
   if (getline(&line, &cap, net) < 12 || strncmp(line, "HTTP/1.", 7) || atoi(line + 9) != 200) {
      syslog(LOG_WARNING, "no configuration for %s", provMac);
      goto out;
   }
   while (getline(&line, &cap, net) > 2)
      ;                            /* header */
   while (getline(&line, &cap, net) > 0 && lines++ < 500)
      configLine(line);
out:
   free(line);
   fclose(net);
   return lines;
}

static void loadLocal(void)
{
   char  line[128], *eq;
   FILE *fp = fopen(PROV_CONF, "r");

   if (!fp)
      return;
   while (fgets(line, sizeof line, fp)) {
      if (!(eq = strchr(line, '=')))
         continue;
      *eq++ = '\0';
      eq[strcspn(eq, "\r\n")] = '\0';
      if (!strcmp(line, "server"))
         snprintf(provServer, sizeof provServer, "%s", eq);
      else if (!strcmp(line, "port"))
         snprintf(provPort, sizeof provPort, "%s", eq);
      else if (!strcmp(line, "mac"))
         snprintf(provMac, sizeof provMac, "%s", eq);
   }
   fclose(fp);
}

int main(void)
{
   time_t   next = 0;
   unsigned i;

   openlog("provd", LOG_PID, LOG_LOCAL3);
   signal(SIGPIPE, SIG_IGN);
   loadLocal();
   for (;;) {
      if (time(NULL) >= next)
         next = time(NULL) + (fetch() > 0 ? PROV_INTERVAL : 60);
      for (i = 0; i < sizeof actions / sizeof actions[0]; i++)
         if (changedGroups & actions[i].group) {
            changedGroups &= ~actions[i].group;
            actions[i].apply();
         }
      sleep(1);
   }
}
