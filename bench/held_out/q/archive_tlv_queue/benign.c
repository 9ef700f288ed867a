/* bkagentd -- network agent of the archive appliance.
   Receives job packets, queues them, one worker writes the cartridges.  */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#define DEFAULT_PORT 6107
#define PACKET_MAGIC 0x424b4152u	/* "BKAR" */
#define BODY_LIMIT   1024
#define QUEUE_LIMIT  32

enum op
{
  OP_STATUS = 1,
  OP_ARCHIVE = 2,
  OP_VERIFY = 3,
  OP_EJECT = 4
};

enum tag
{
  TAG_LABEL = 0x11,
  TAG_VOLUME = 0x12,
  TAG_LEVEL = 0x13,
  TAG_OWNER = 0x14
};

struct header
{
  uint32_t magic;
  uint16_t op;
  uint16_t length;
};

struct job
{
  struct job *next;
  unsigned id;
  enum op op;
  unsigned volume;
  unsigned level;
  char owner[32];
  char label[256];
};

static struct
{
  pthread_mutex_t lock;
  pthread_cond_t ready;
  struct job *first;
  struct job **last;
  unsigned depth;
  unsigned next_id;
  unsigned done, failed;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER,
	    .ready = PTHREAD_COND_INITIALIZER,
	    .last = &queue.first };

static const char *const volumes[] = { "home", "public", "media", "system" };
#define NVOLUMES (sizeof volumes / sizeof volumes[0])

static const char *device = "/dev/nst0";

/* ------------------------------------------------------------------ */

static bool
queue_put (struct job *j)
{
  bool ok = false;

  pthread_mutex_lock (&queue.lock);
  if (queue.depth < QUEUE_LIMIT)
    {
      j->next = NULL;
      j->id = ++queue.next_id;
      *queue.last = j;
      queue.last = &j->next;
      queue.depth++;
      ok = true;
      pthread_cond_signal (&queue.ready);
    }
  pthread_mutex_unlock (&queue.lock);
  return ok;
}

static struct job *
queue_get (void)
{
  struct job *j;

  pthread_mutex_lock (&queue.lock);
  while (queue.first == NULL)
    pthread_cond_wait (&queue.ready, &queue.lock);
  j = queue.first;
  queue.first = j->next;
  if (queue.first == NULL)
    queue.last = &queue.first;
  queue.depth--;
  pthread_mutex_unlock (&queue.lock);
  return j;
}

/* ------------------------------------------------------------------ */

/* Put SRC between single quotes for the shell.  OUT must have room for
   four bytes per input byte and three more.  */
static void
shell_quote (char *out, const char *src)
{
  *out++ = '\'';
  for (; *src != '\0'; src++)
    {
      if (*src == '\'')
	{
	  *out++ = '\'';
	  *out++ = '\\';
	  *out++ = '\'';
	  *out++ = '\'';
	}
      else
	*out++ = *src;
    }
  *out++ = '\'';
  *out = '\0';
}

static int
run_shell (const char *command)
{
  int status;
  pid_t pid = fork ();

  if (pid < 0)
    return -1;
  if (pid == 0)
    {
      execl ("/bin/sh", "sh", "-c", command, (char *) NULL);
      _exit (127);
    }
  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      return -1;
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

static int
do_archive (struct job *j)
{
  char *quoted, *command = NULL;
  int rc = -1;

  quoted = malloc (4 * strlen (j->label) + 3);
  if (quoted == NULL)
    return -1;
  shell_quote (quoted, j->label);
  if (asprintf (&command,
		"cd /volume/%s && tar -c -f %s --label=%s . 2>>/var/log/tar.log",
		volumes[j->volume], device, quoted) >= 0)
    {
      rc = run_shell (command);
      free (command);
    }
  free (quoted);
  return rc;
}

static int
do_verify (struct job *j)
{
  char command[128];

  snprintf (command, sizeof command, "tar -d -f %s -C /volume/%s", device,
	    volumes[j->volume]);
  return run_shell (command);
}

static int
do_eject (struct job *j)
{
  (void) j;
  return run_shell ("mt -f /dev/nst0 offline");
}

static int (*const operations[]) (struct job *) = {
  [OP_ARCHIVE] = do_archive,
  [OP_VERIFY] = do_verify,
  [OP_EJECT] = do_eject,
};

static void *
worker_main (void *unused)
{
  (void) unused;
  for (;;)
    {
      struct job *j = queue_get ();
      int rc;

      syslog (LOG_INFO, "job %u for %s starts", j->id, j->owner);
      rc = operations[j->op] (j);
      pthread_mutex_lock (&queue.lock);
      if (rc == 0)
	queue.done++;
      else
	queue.failed++;
      pthread_mutex_unlock (&queue.lock);
      syslog (rc ? LOG_ERR : LOG_INFO, "job %u ends, code %d", j->id, rc);
      free (j);
    }
  return NULL;
}

/* ------------------------------------------------------------------ */

static bool
read_exactly (int fd, void *where, size_t count)
{
  char *p = where;

  while (count > 0)
    {
      ssize_t got = read (fd, p, count);

      if (got < 0 && errno == EINTR)
	continue;
      if (got <= 0)
	return false;
      p += got;
      count -= got;
    }
  return true;
}

static struct job *
decode_job (enum op op, const unsigned char *body, size_t length)
{
  struct job *j = calloc (1, sizeof *j);
  size_t at = 0;

  if (j == NULL)
    return NULL;
  j->op = op;
  strcpy (j->owner, "nobody");
  strcpy (j->label, "unlabelled");
  while (at + 2 <= length)
    {
      unsigned tag = body[at], len = body[at + 1];
      const unsigned char *value = body + at + 2;

      at += 2 + len;
      if (at > length)
	goto bad;
      switch (tag)
	{
	case TAG_LABEL:
	  memcpy (j->label, value, len);	/* at most 255 */
	  j->label[len] = '\0';
	  break;
	case TAG_VOLUME:
	  if (len != 1 || value[0] >= NVOLUMES)
	    goto bad;
	  j->volume = value[0];
	  break;
	case TAG_LEVEL:
	  if (len != 1 || value[0] > 9)
	    goto bad;
	  j->level = value[0];
	  break;
	case TAG_OWNER:
	  if (len >= sizeof j->owner)
	    goto bad;
	  memcpy (j->owner, value, len);
	  j->owner[len] = '\0';
	  break;
	default:
	  break;		/* newer client */
	}
    }
  return j;

bad:
  free (j);
  return NULL;
}

static void
answer (int fd, uint16_t op, uint32_t value)
{
  struct
  {
    struct header h;
    uint32_t value;
  } reply;

  reply.h.magic = htonl (PACKET_MAGIC);
  reply.h.op = htons (op | 0x8000);
  reply.h.length = htons (4);
  reply.value = htonl (value);
  if (write (fd, &reply, sizeof reply) != (ssize_t) sizeof reply)
    syslog (LOG_DEBUG, "short answer");
}

static void *
connection_main (void *arg)
{
  int fd = (int) (intptr_t) arg;
  unsigned char body[BODY_LIMIT];
  struct header h;

  while (read_exactly (fd, &h, sizeof h))
    {
      uint16_t op = ntohs (h.op), length = ntohs (h.length);
      struct job *j;

      if (ntohl (h.magic) != PACKET_MAGIC || length > sizeof body)
	break;
      if (!read_exactly (fd, body, length))
	break;
      if (op == OP_STATUS)
	{
	  answer (fd, op, queue.depth << 16 | (queue.failed & 0xffff));
	  continue;
	}
      if (op < OP_ARCHIVE || op > OP_EJECT)
	break;
      j = decode_job (op, body, length);
      if (j == NULL || !queue_put (j))
	{
	  free (j);
	  answer (fd, op, 0);
	  continue;
	}
      answer (fd, op, 1);
    }
  close (fd);
  return NULL;
}

int
main (int argc, char **argv)
{
  struct sockaddr_in sin;
  pthread_t thread;
  int port = DEFAULT_PORT, c, s, yes = 1;

  while ((c = getopt (argc, argv, "p:f:")) != -1)
    switch (c)
      {
      case 'p':
	port = atoi (optarg);
	break;
      case 'f':
	device = optarg;
	break;
      default:
	return 2;
      }
  openlog ("bkagentd", LOG_PID, LOG_DAEMON);
  signal (SIGPIPE, SIG_IGN);
  if (pthread_create (&thread, NULL, worker_main, NULL) != 0)
    return 1;
  s = socket (AF_INET, SOCK_STREAM, 0);
  setsockopt (s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  memset (&sin, 0, sizeof sin);
  sin.sin_family = AF_INET;
  sin.sin_port = htons (port);
  if (bind (s, (struct sockaddr *) &sin, sizeof sin) < 0 || listen (s, 8) < 0)
    {
      syslog (LOG_CRIT, "cannot listen on %d: %m", port);
      return 1;
    }
  for (;;)
    {
      int fd = accept (s, NULL, NULL);

      if (fd < 0)
	continue;
      if (pthread_create (&thread, NULL, connection_main,
			  (void *) (intptr_t) fd) != 0)
	close (fd);
      else
	pthread_detach (thread);
    }
}
