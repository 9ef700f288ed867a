/*
 * roomctl - room controller network front end
 *
 * The front end runs as 'nobody'; whatever needs root is asked of a small
 * helper forked off at start, over a socketpair with fixed size messages.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define PORT      10009
#define NPOINTS   12

typedef enum { REQ_FAN, REQ_GATEWAY, REQ_BACKLIGHT, REQ_RESTART, REQ_MAX } ReqType;

typedef struct
{
   int    type;
   int    number;
   char   text[120];
} Request;

typedef struct
{
   int    status;
   char   text[60];
} Answer;

typedef struct
{
   const char *name;
   double      value;
   double      lo, hi;
} Point;

static Point points[NPOINTS] = {
   { "zone1.setpoint", 21.0, 5.0, 35.0 },
   { "zone2.setpoint", 21.0, 5.0, 35.0 },
   { "zone1.deadband",  0.5, 0.1,  5.0 },
   { "zone2.deadband",  0.5, 0.1,  5.0 },
   { "damper.min",     10.0, 0.0, 100.0 },
   { "damper.max",     90.0, 0.0, 100.0 },
};

static int helperFd = -1;

/* ---------------------------------------------------------- helper (root) */

static int writeSysfs(const char *path, int number)
{
   char num[16];
   int  n, fd = open(path, O_WRONLY);

   if (fd < 0)
      return -errno;
   n = snprintf(num, sizeof(num), "%d\n", number);
   if (write(fd, num, n) != n)
      n = -EIO;
   close(fd);
   return n < 0 ? n : 0;
}

static int hFan(const Request *rq, Answer *an)
{
   if (rq->number < 0 || rq->number > 255)
      return -EINVAL;
   snprintf(an->text, sizeof(an->text), "fan %d", rq->number);
   return writeSysfs("/sys/class/hwmon/hwmon0/pwm1", rq->number);
}

static int hBacklight(const Request *rq, Answer *an)
{
   if (rq->number < 0 || rq->number > 100)
      return -EINVAL;
   snprintf(an->text, sizeof(an->text), "backlight %d", rq->number);
   return writeSysfs("/sys/class/backlight/panel/brightness", rq->number);
}

static int hGateway(const Request *rq, Answer *an)
{
   struct in_addr addr;
   char           cmd[200];

   if (inet_aton(rq->text, &addr) == 0)
      return -EINVAL;
   if (addr.s_addr == INADDR_ANY || addr.s_addr == INADDR_NONE)
      return -EINVAL;
   snprintf(cmd, sizeof(cmd), "ip route replace default via %s dev eth0", rq->text);
   if (system(cmd) != 0)
      return -EIO;
   snprintf(an->text, sizeof(an->text), "gateway %s", inet_ntoa(addr));
   return 0;
}

static int hRestart(const Request *rq, Answer *an)
{
   static const char *const unit[] = { "bacstack", "trend", "display" };
   char cmd[64];

   if (rq->number < 0 || rq->number >= 3)
      return -EINVAL;
   snprintf(cmd, sizeof(cmd), "/etc/init.d/%s restart", unit[rq->number]);
   snprintf(an->text, sizeof(an->text), "%s", unit[rq->number]);
   return system(cmd) == 0 ? 0 : -EIO;
}

static int (*const helperTable[REQ_MAX])(const Request *, Answer *) = {
   hFan, hGateway, hBacklight, hRestart
};

static void helperMain(int fd)
{
   Request rq;
   Answer  an;

   for (;;)
   {
      size_t have = 0;

      while (have < sizeof(rq))
      {
         ssize_t n = read(fd, (char *)&rq + have, sizeof(rq) - have);

         if (n < 0 && errno == EINTR)
            continue;
         if (n <= 0)
            _exit(0);
         have += n;
      }
      rq.text[sizeof(rq.text) - 1] = '\0';
      memset(&an, 0, sizeof(an));
      if (rq.type < 0 || rq.type >= REQ_MAX)
         an.status = -ENOSYS;
      else
         an.status = helperTable[rq.type](&rq, &an);
      syslog(LOG_INFO, "helper: request %d -> %d", rq.type, an.status);
      if (write(fd, &an, sizeof(an)) != sizeof(an))
         _exit(1);
   }
}

static int startHelper(void)
{
   int   sv[2];
   pid_t pid;

   if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) < 0)
      return -1;
   pid = fork();
   if (pid < 0)
      return -1;
   if (pid == 0)
   {
      close(sv[0]);
      helperMain(sv[1]);
   }
   close(sv[1]);
   helperFd = sv[0];
   return 0;
}

/* ------------------------------------------------------ front end (nobody) */

static int askHelper(ReqType type, int number, const char *text, Answer *an)
{
   Request rq;

   memset(&rq, 0, sizeof(rq));
   rq.type = type;
   rq.number = number;
   if (text)
      strncpy(rq.text, text, sizeof(rq.text) - 1);
   if (write(helperFd, &rq, sizeof(rq)) != sizeof(rq))
      return -EIO;
   if (read(helperFd, an, sizeof(*an)) != sizeof(*an))
      return -EIO;
   return an->status;
}

static void cmdGet(FILE *io, char *arg)
{
   int i;

   for (i = 0; i < NPOINTS && points[i].name; i++)
      if (*arg == '\0' || strcasecmp(arg, points[i].name) == 0)
         fprintf(io, "%s %.1f\r\n", points[i].name, points[i].value);
   fprintf(io, "END\r\n");
}

static void cmdSet(FILE *io, char *arg)
{
   char  *val = strchr(arg, ' ');
   double d;
   int    i;

   if (!val)
   {
      fprintf(io, "ERR usage\r\n");
      return;
   }
   *val++ = '\0';
   d = strtod(val, NULL);
   for (i = 0; i < NPOINTS && points[i].name; i++)
   {
      if (strcasecmp(arg, points[i].name))
         continue;
      if (d < points[i].lo || d > points[i].hi)
      {
         fprintf(io, "ERR range\r\n");
         return;
      }
      points[i].value = d;
      fprintf(io, "OK\r\n");
      return;
   }
   fprintf(io, "ERR point\r\n");
}

static void relay(FILE *io, ReqType type, int number, const char *text)
{
   Answer an;
   int    r = askHelper(type, number, text, &an);

   if (r < 0)
      fprintf(io, "ERR %d\r\n", r);
   else
      fprintf(io, "OK %s\r\n", an.text);
}

static void cmdFan(FILE *io, char *arg)       { relay(io, REQ_FAN, atoi(arg), NULL); }
static void cmdBacklight(FILE *io, char *arg) { relay(io, REQ_BACKLIGHT, atoi(arg), NULL); }
static void cmdRestart(FILE *io, char *arg)   { relay(io, REQ_RESTART, atoi(arg), NULL); }
static void cmdGateway(FILE *io, char *arg)   { relay(io, REQ_GATEWAY, 0, arg); }

static const struct
{
   const char *verb;
   void      (*fn)(FILE *io, char *arg);
} verbs[] = {
   { "GET",       cmdGet },
   { "SET",       cmdSet },
   { "FAN",       cmdFan },
   { "BACKLIGHT", cmdBacklight },
   { "GATEWAY",   cmdGateway },
   { "RESTART",   cmdRestart },
};

static void serve(int fd)
{
   char   line[256];
   FILE  *in = fdopen(fd, "r");
   FILE  *io = fdopen(dup(fd), "w");
   size_t i;

   if (!io || !in)
   {
      close(fd);
      return;
   }
   fprintf(io, "RC-300 ready\r\n");
   fflush(io);
   while (fgets(line, sizeof(line), in))
   {
      char *arg;

      line[strcspn(line, "\r\n")] = '\0';
      if (!strcasecmp(line, "QUIT"))
         break;
      arg = strchr(line, ' ');
      if (arg)
         *arg++ = '\0';
      else
         arg = line + strlen(line);
      for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
         if (!strcasecmp(verbs[i].verb, line))
         {
            verbs[i].fn(io, arg);
            break;
         }
      if (i == sizeof(verbs) / sizeof(verbs[0]))
         fprintf(io, "ERR verb\r\n");
      fflush(io);
   }
   fclose(io);
   fclose(in);
}

int main(void)
{
   struct sockaddr_in sa;
   int s, on = 1;

   signal(SIGPIPE, SIG_IGN);
   openlog("roomctl", LOG_PID, LOG_LOCAL1);
   if (startHelper() < 0)
      return 1;
   s = socket(AF_INET, SOCK_STREAM, 0);
   setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
   memset(&sa, 0, sizeof(sa));
   sa.sin_family = AF_INET;
   sa.sin_port = htons(PORT);
   if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 2) < 0)
   {
      syslog(LOG_ERR, "port %d: %m", PORT);
      return 1;
   }
   if (setgid(65534) < 0 || setuid(65534) < 0)
      syslog(LOG_WARNING, "still root");
   for (;;)
   {
      int fd = accept(s, NULL, NULL);

      if (fd >= 0)
         serve(fd);
   }
}
