/*
 * solard.c
 *
 * Stick logger of the PV inverter. The installer's PC tool talks to it over
 * the LAN in little-endian frames:
 *
 *   A5 len16 ctl16 serial32 payload[len] sum8 15
 *
 * Frames are taken in by one thread per connection and worked off by a
 * single worker, because the RS485 side can only do one thing at a time.
 */

#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTEN_PORT   48899
#define MAX_PAYLOAD   240
#define QUEUE_MAX     32

#define CTL_HEARTBEAT 0x4710
#define CTL_INTERVAL  0x4511
#define CTL_READREG   0x4512
#define CTL_SENDLOG   0x4531
#define CTL_CLOCK     0x4532

struct job
{
  struct job *next;
  uint16_t    ctl;
  uint16_t    len;
  char        payload[MAX_PAYLOAD + 1];
};

struct queue
{
  pthread_mutex_t mtx;
  pthread_cond_t  cv;
  struct job     *head;
  struct job    **tail;
  int             count;
};

static struct queue jobs = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                             NULL, &jobs.head, 0 };
static uint32_t my_serial = 0x6b8f0121;
static unsigned sample_secs = 300;
static uint16_t registers[128];
static long clock_offset;

static int
queue_put (struct queue *q, struct job *j)
{
  int ok = 0;

  j->next = NULL;
  pthread_mutex_lock (&q->mtx);
  if (q->count < QUEUE_MAX)
    {
      *q->tail = j;
      q->tail = &j->next;
      q->count++;
      ok = 1;
      pthread_cond_signal (&q->cv);
    }
  pthread_mutex_unlock (&q->mtx);
  return ok;
}

static struct job *
queue_get (struct queue *q)
{
  struct job *j;

  pthread_mutex_lock (&q->mtx);
  while (q->head == NULL)
    pthread_cond_wait (&q->cv, &q->mtx);
  j = q->head;
  q->head = j->next;
  if (q->head == NULL)
    q->tail = &q->head;
  q->count--;
  pthread_mutex_unlock (&q->mtx);
  return j;
}

static unsigned
le16 (const uint8_t *p)
{
  return p[0] | p[1] << 8;
}

static uint32_t
le32 (const uint8_t *p)
{
  return le16 (p) | (uint32_t) le16 (p + 2) << 16;
}

/* ---- worker side ---- */

static void
do_interval (struct job *j)
{
  if (j->len >= 2)
    {
      unsigned v = le16 ((uint8_t *) j->payload);
      if (v >= 30 && v <= 3600)
        sample_secs = v;
    }
}

static void
do_readreg (struct job *j)
{
  unsigned first, n, i;

  if (j->len < 4)
    return;
  first = le16 ((uint8_t *) j->payload);
  n = le16 ((uint8_t *) j->payload + 2);
  if (first >= 128 || n > 128 - first)
    return;
  for (i = first; i < first + n; i++)
    fprintf (stderr, "reg %u = %u\n", i, registers[i]);
}

static void
do_clock (struct job *j)
{
  if (j->len >= 4)
    clock_offset = (int32_t) le32 ((uint8_t *) j->payload);
}

static int
host_ok (const char *s)
{
  struct in6_addr a;

  if (strlen (s) > 100)
    return 0;
  return inet_pton (AF_INET, s, &a) == 1 || inet_pton (AF_INET6, s, &a) == 1;
}

static int
file_ok (const char *s)
{
  size_t n = strlen (s);

  if (n < 1 || n > 40 || *s == '.' || *s == '-')
    return 0;
  return s[strspn (s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                      "0123456789._")] == '\0';
}

/* payload: "<host>,<file>" */
static void
do_sendlog (struct job *j)
{
  char cmd[256];
  char *file;
  pid_t pid;
  int st;

  file = strchr (j->payload, ',');
  if (file == NULL)
    return;
  *file++ = '\0';
  if (!host_ok (j->payload) || !file_ok (file))
    {
      fprintf (stderr, "sendlog: bad request\n");
      return;
    }
  if (snprintf (cmd, sizeof cmd, "cd /var/log/pv && tftp -p -l %s %s", file,
                j->payload) >= (int) sizeof cmd)
    return;
  pid = fork ();
  if (pid == 0)
    {
      execl ("/bin/sh", "sh", "-c", cmd, (char *) NULL);
      _exit (127);
    }
  if (pid > 0)
    waitpid (pid, &st, 0);
}

static const struct
{
  uint16_t ctl;
  void (*fn) (struct job *);
} work[] = {
  { CTL_INTERVAL, do_interval },
  { CTL_READREG,  do_readreg },
  { CTL_SENDLOG,  do_sendlog },
  { CTL_CLOCK,    do_clock },
};

static void *
worker (void *arg)
{
  (void) arg;
  for (;;)
    {
      struct job *j = queue_get (&jobs);
      size_t i;

      for (i = 0; i < sizeof work / sizeof work[0]; i++)
        if (work[i].ctl == j->ctl)
          work[i].fn (j);
      free (j);
    }
  return NULL;
}

/* ---- receive side ---- */

static int
take (int fd, uint8_t *p, size_t n)
{
  while (n > 0)
    {
      ssize_t r = recv (fd, p, n, 0);
      if (r <= 0)
        return -1;
      p += r;
      n -= (size_t) r;
    }
  return 0;
}

static void *
receiver (void *arg)
{
  int fd = (int) (intptr_t) arg;
  uint8_t h[9], trailer[2];

  while (take (fd, h, 1) == 0)
    {
      struct job *j;
      unsigned len, i;
      uint8_t sum = 0, ack[3];

      if (h[0] != 0xa5)
        continue;
      if (take (fd, h + 1, 8) < 0)
        break;
      len = le16 (h + 1);
      if (len > MAX_PAYLOAD)
        break;
      j = calloc (1, sizeof *j);
      if (j == NULL)
        break;
      j->ctl = (uint16_t) le16 (h + 3);
      j->len = (uint16_t) len;
      if (take (fd, (uint8_t *) j->payload, len) < 0 || take (fd, trailer, 2) < 0)
        {
          free (j);
          break;
        }
      for (i = 1; i < 9; i++)
        sum += h[i];
      for (i = 0; i < len; i++)
        sum += (uint8_t) j->payload[i];
      ack[0] = 0xa5;
      ack[2] = 0x15;
      if (sum != trailer[0] || trailer[1] != 0x15 || le32 (h + 5) != my_serial)
        {
          free (j);
          ack[1] = 2;
        }
      else if (j->ctl == CTL_HEARTBEAT)
        {
          free (j);
          ack[1] = 0;
        }
      else if (queue_put (&jobs, j))
        ack[1] = 0;
      else
        {
          free (j);
          ack[1] = 1;
        }
      if (send (fd, ack, sizeof ack, MSG_NOSIGNAL) != (ssize_t) sizeof ack)
        break;
    }
  close (fd);
  return NULL;
}

static void
load_serial (void)
{
  FILE *f = fopen ("/etc/solard/serial", "r");
  unsigned v;

  if (f == NULL)
    return;
  if (fscanf (f, "%x", &v) == 1)
    my_serial = v;
  fclose (f);
}

int
main (void)
{
  struct sockaddr_in me;
  pthread_t t;
  int s, one = 1;

  load_serial ();
  if (pthread_create (&t, NULL, worker, NULL) != 0)
    return 1;
  s = socket (AF_INET, SOCK_STREAM, 0);
  setsockopt (s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  memset (&me, 0, sizeof me);
  me.sin_family = AF_INET;
  me.sin_port = htons (LISTEN_PORT);
  me.sin_addr.s_addr = INADDR_ANY;
  if (bind (s, (struct sockaddr *) &me, sizeof me) < 0 || listen (s, 4) < 0)
    {
      perror ("solard");
      return 1;
    }
  for (;;)
    {
      int fd = accept (s, NULL, NULL);
      if (fd < 0)
        continue;
      if (pthread_create (&t, NULL, receiver, (void *) (intptr_t) fd) != 0)
        close (fd);
      else
        pthread_detach (t);
    }
}
