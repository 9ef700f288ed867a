/*
 * gdobridge.c  -  garage door opener <-> app bridge
 *
 * Datagrams:  "<verb>:<arg>\n".  The service verbs used by the factory are
 * not kept in clear in the image (see svc_words[], key 0x5A).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <time.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define BRIDGE_PORT   6767
#define WORD_KEY      0x5A
#define DOORS         2

typedef enum { D_CLOSED, D_OPENING, D_OPEN, D_CLOSING } DoorState;

typedef struct {
   DoorState state;
   time_t    until;
   int       auto_close;      /* seconds, 0 = never */
   int       relay_gpio;
} Door;

typedef struct {
   int                fd;
   struct sockaddr_in from;
   char               out[600];
} Ctx;

static Door doors[DOORS] = {
   { D_CLOSED, 0, 0, 17 },
   { D_CLOSED, 0, 0, 27 },
};

static int log_on = 1;

/* "rfscan", "rssi", "ledpat" xor WORD_KEY, zero ends (0x5A ^ 0x5A never occurs) */
static const unsigned char svc_words[][8] = {
   { 'r'^WORD_KEY, 'f'^WORD_KEY, 's'^WORD_KEY, 'c'^WORD_KEY, 'a'^WORD_KEY, 'n'^WORD_KEY, 0 },
   { 'r'^WORD_KEY, 's'^WORD_KEY, 's'^WORD_KEY, 'i'^WORD_KEY, 0 },
   { 'l'^WORD_KEY, 'e'^WORD_KEY, 'd'^WORD_KEY, 'p'^WORD_KEY, 'a'^WORD_KEY, 't'^WORD_KEY, 0 },
};

#define LOG(x)  do { if (log_on) { printf x; fflush(stdout); } } while (0)

static int is_svc(const char *verb, int which)
{
   const unsigned char *w = svc_words[which];

   while (*w && *verb) {
      if ((unsigned char)(*verb ^ WORD_KEY) != *w)
         return 0;
      w++;
      verb++;
   }
   return *w == 0 && *verb == 0;
}

static void pulse_relay(Door *d)
{
   char path[64];
   FILE *f;

   sprintf(path, "/sys/class/gpio/gpio%d/value", d->relay_gpio);
   f = fopen(path, "w");
   if (!f)
      return;
   fputs("1\n", f);
   fflush(f);
   usleep(300000);
   fputs("0\n", f);
   fclose(f);
}

static void door_move(int n, int open)
{
   Door *d = &doors[n];

   if (open && (d->state == D_OPEN || d->state == D_OPENING))
      return;
   if (!open && (d->state == D_CLOSED || d->state == D_CLOSING))
      return;
   pulse_relay(d);
   d->state = open ? D_OPENING : D_CLOSING;
   d->until = time(NULL) + 15;
   LOG(("door %d %s\n", n, open ? "opening" : "closing"));
}

static void door_tick(void)
{
   time_t now = time(NULL);
   int i;

   for (i = 0; i < DOORS; i++) {
      Door *d = &doors[i];
      if (d->until == 0 || now < d->until)
         continue;
      d->until = 0;
      if (d->state == D_OPENING) {
         d->state = D_OPEN;
         if (d->auto_close > 0)
            d->until = now + d->auto_close;
      } else if (d->state == D_CLOSING) {
         d->state = D_CLOSED;
      } else if (d->state == D_OPEN) {
         door_move(i, 0);
      }
   }
}

static void answer(Ctx *c)
{
   sendto(c->fd, c->out, strlen(c->out), 0, (struct sockaddr *)&c->from, sizeof c->from);
}

/* factory: listen on the 433 MHz receiver at the given frequency (kHz) */
static void svc_rfscan(Ctx *c, const char *arg)
{
   char cmd[400], line[120];
   size_t used = 0;
   FILE *p;
   unsigned long khz = strtoul(arg, NULL, 10);

   snprintf(cmd, sizeof cmd, "rfscan -n 4 -f %lu 2>&1", khz);
   LOG(("svc: %s\n", cmd));
   p = popen(cmd, "r");
   if (!p) {
      strcpy(c->out, "ERR popen");
      return;
   }
   c->out[0] = 0;
   while (fgets(line, sizeof line, p)) {
      size_t l = strlen(line);
      if (used + l + 1 > sizeof c->out)
         break;
      memcpy(c->out + used, line, l + 1);
      used += l;
   }
   pclose(p);
}

static void svc_rssi(Ctx *c)
{
   char line[80];
   FILE *p = popen("iw dev wlan0 link | grep signal", "r");

   strcpy(c->out, "ERR");
   if (!p)
      return;
   if (fgets(line, sizeof line, p))
      snprintf(c->out, sizeof c->out, "RSSI %s", line);
   pclose(p);
}

static void svc_ledpat(Ctx *c, const char *arg)
{
   FILE *f = fopen("/sys/class/leds/status/pattern", "w");

   if (f) {
      fprintf(f, "%d\n", atoi(arg));
      fclose(f);
   }
   strcpy(c->out, "OK");
}

static void handle(Ctx *c, char *msg)
{
   char *arg = strchr(msg, ':');
   int n;

   if (!arg)
      return;
   *arg++ = 0;
   arg[strcspn(arg, "\r\n")] = 0;
   strcpy(c->out, "ERR");
   if (is_svc(msg, 0)) {
      svc_rfscan(c, arg);
   } else if (is_svc(msg, 1)) {
      svc_rssi(c);
   } else if (is_svc(msg, 2)) {
      svc_ledpat(c, arg);
   } else {
      n = arg[0] - '0';
      if (n >= 0 && n < DOORS) {
         if (!strcmp(msg, "open"))
            door_move(n, 1);
         else if (!strcmp(msg, "close"))
            door_move(n, 0);
         else if (!strcmp(msg, "autoclose"))
            doors[n].auto_close = arg[1] == ',' ? atoi(arg + 2) : 0;
         snprintf(c->out, sizeof c->out, "DOOR %d %d", n, (int)doors[n].state);
      }
   }
   answer(c);
}

int main(int argc, char **argv)
{
   static char pkt[300];
   struct sockaddr_in me;
   struct timeval tv;
   Ctx ctx;

   if (argc > 1 && strcmp(argv[1], "-q") == 0)
      log_on = 0;
   ctx.fd = socket(AF_INET, SOCK_DGRAM, 0);
   if (ctx.fd < 0)
      return 1;
   memset(&me, 0, sizeof me);
   me.sin_family = AF_INET;
   me.sin_port = htons(BRIDGE_PORT);
   me.sin_addr.s_addr = INADDR_ANY;
   if (bind(ctx.fd, (struct sockaddr *)&me, sizeof me) < 0) {
      perror("bind");
      return 1;
   }
   tv.tv_sec = 1;
   tv.tv_usec = 0;
   setsockopt(ctx.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
   for (;;) {
      socklen_t sl = sizeof ctx.from;
      ssize_t n = recvfrom(ctx.fd, pkt, sizeof pkt - 1, 0,
                           (struct sockaddr *)&ctx.from, &sl);
      if (n > 0) {
         pkt[n] = 0;
         handle(&ctx, pkt);
      }
      door_tick();
   }
}
