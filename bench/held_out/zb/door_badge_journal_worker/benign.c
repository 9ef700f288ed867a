/*
 * badged: journal of the access control unit.  Door readers report badges by
 * TCP lines, a receiver thread queues them, a worker writes the journal.
 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BADGE_PORT   4070
#define MAX_READERS  16
#define MAX_QUEUED   200
#define LINE_MAX_LEN 256
#define HOLDER_MAX   40
#define JOURNAL      "/var/log/badges"

typedef struct BadgeMsg {
  struct BadgeMsg *next;
  int door;
  int granted;
  unsigned long card;
  time_t when;
  char *holder;
} BadgeMsg;

typedef struct Reader {
  int fd;
  size_t fill;
  char line[LINE_MAX_LEN];
} Reader;

typedef struct Queue {
  pthread_mutex_t mx;
  pthread_cond_t cv;
  BadgeMsg *first, *last;
  int count;
} Queue;

static Queue queue = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL, 0 };
static Reader readers[MAX_READERS];
static unsigned long entries_of_door[100];

static int queue_put(BadgeMsg *m)
{
  int ok = 0;

  pthread_mutex_lock(&queue.mx);
  if (queue.count < MAX_QUEUED) {
    m->next = NULL;
    if (queue.last)
      queue.last->next = m;
    else
      queue.first = m;
    queue.last = m;
    queue.count++;
    ok = 1;
    pthread_cond_signal(&queue.cv);
  }
  pthread_mutex_unlock(&queue.mx);
  return ok;
}

static BadgeMsg *queue_get(void)
{
  BadgeMsg *m;

  pthread_mutex_lock(&queue.mx);
  while (!queue.first)
    pthread_cond_wait(&queue.cv, &queue.mx);
  m = queue.first;
  queue.first = m->next;
  if (!queue.first)
    queue.last = NULL;
  queue.count--;
  pthread_mutex_unlock(&queue.mx);
  return m;
}

static void msg_free(BadgeMsg *m)
{
  if (m)
    free(m->holder);
  free(m);
}

/* ---- fields of a report:  BADGE;door=3;card=81123;granted=1;holder=A. Smith ---- */

static int f_door(BadgeMsg *m, const char *v)
{
  m->door = atoi(v);
  return m->door >= 0 && m->door < 100;
}

static int f_card(BadgeMsg *m, const char *v)
{
  char *end;

  m->card = strtoul(v, &end, 10);
  return end != v && *end == '\0';
}

static int f_granted(BadgeMsg *m, const char *v)
{
  m->granted = v[0] == '1';
  return 1;
}

static int f_holder(BadgeMsg *m, const char *v)
{
  size_t n = strlen(v);

  if (n > HOLDER_MAX)
    return 0;
  free(m->holder);
  m->holder = strdup(v);
  return m->holder != NULL;
}

static const struct Field {
  const char *name;
  int (*take)(BadgeMsg *, const char *);
} fields[] = {
  { "door",    f_door },
  { "card",    f_card },
  { "granted", f_granted },
  { "holder",  f_holder },
};

static BadgeMsg *parse_report(char *line)
{
  BadgeMsg *m;
  char *tok, *save = NULL;
  size_t i;

  tok = strtok_r(line, ";", &save);
  if (!tok || strcmp(tok, "BADGE") != 0)
    return NULL;
  m = calloc(1, sizeof *m);
  if (!m)
    return NULL;
  m->when = time(NULL);
  while ((tok = strtok_r(NULL, ";", &save)) != NULL) {
    char *v = strchr(tok, '=');

    if (!v)
      goto bad;
    *v++ = '\0';
    for (i = 0; i < sizeof fields / sizeof fields[0]; i++)
      if (strcmp(tok, fields[i].name) == 0 && !fields[i].take(m, v))
        goto bad;
  }
  return m;
bad:
  msg_free(m);
  return NULL;
}

static void take_line(Reader *r, char *line)
{
  static const char nak[] = "NAK\n", ack[] = "ACK\n";
  BadgeMsg *m;

  if (strcmp(line, "PING") == 0) {
    send(r->fd, "PONG\n", 5, MSG_NOSIGNAL);
    return;
  }
  m = parse_report(line);
  if (m && queue_put(m)) {
    send(r->fd, ack, sizeof ack - 1, MSG_NOSIGNAL);
    return;
  }
  msg_free(m);
  send(r->fd, nak, sizeof nak - 1, MSG_NOSIGNAL);
}

static void reader_input(Reader *r)
{
  ssize_t n = recv(r->fd, r->line + r->fill, sizeof r->line - r->fill, 0);
  char *nl;

  if (n <= 0 || r->fill + (size_t)n == sizeof r->line) {
    close(r->fd);
    r->fd = -1;
    return;
  }
  r->fill += (size_t)n;
  while ((nl = memchr(r->line, '\n', r->fill)) != NULL) {
    size_t len = (size_t)(nl + 1 - r->line);

    *nl = '\0';
    if (nl > r->line && nl[-1] == '\r')
      nl[-1] = '\0';
    take_line(r, r->line);
    r->fill -= len;
    memmove(r->line, r->line + len, r->fill);
  }
}

static void *receiver_thread(void *arg)
{
  int ls = *(int *)arg, i;
  struct pollfd pf[MAX_READERS + 1];

  for (i = 0; i < MAX_READERS; i++)
    readers[i].fd = -1;
  for (;;) {
    for (i = 0; i < MAX_READERS; i++) {
      pf[i].fd = readers[i].fd;
      pf[i].events = POLLIN;
      pf[i].revents = 0;
    }
    pf[MAX_READERS].fd = ls;
    pf[MAX_READERS].events = POLLIN;
    if (poll(pf, MAX_READERS + 1, 5000) <= 0)
      continue;
    for (i = 0; i < MAX_READERS; i++)
      if (readers[i].fd >= 0 && pf[i].revents)
        reader_input(&readers[i]);
    if (pf[MAX_READERS].revents & POLLIN) {
      int fd = accept(ls, NULL, NULL);

      for (i = 0; i < MAX_READERS && fd >= 0; i++)
        if (readers[i].fd < 0) {
          readers[i].fd = fd;
          readers[i].fill = 0;
          break;
        }
      if (i == MAX_READERS)
        close(fd);
    }
  }
  return NULL;
}

static void journal(const BadgeMsg *m)
{
  char entry[96], stamp[32];
  struct tm tm;
  FILE *f;

  localtime_r(&m->when, &tm);
  strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &tm);
  sprintf(entry, "%02d %c %lu %s", m->door, m->granted ? '+' : '-', m->card,
          m->holder ? m->holder : "?");
  f = fopen(JOURNAL, "a");
  if (!f)
    return;
  fprintf(f, "%s %s\n", stamp, entry);
  fclose(f);
}

static void on_denied(const BadgeMsg *m)
{
  static unsigned long last_card;
  static int repeats;

  repeats = m->card == last_card ? repeats + 1 : 0;
  last_card = m->card;
  if (repeats < 10)
    journal(m);
}

static void on_granted(const BadgeMsg *m)
{
  entries_of_door[m->door]++;
  journal(m);
}

static void (*const reactions[])(const BadgeMsg *) = { on_denied, on_granted };

static void *worker_thread(void *arg)
{
  (void)arg;
  for (;;) {
    BadgeMsg *m = queue_get();

    reactions[m->granted](m);
    msg_free(m);
  }
  return NULL;
}

int main(void)
{
  struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(BADGE_PORT) };
  pthread_t rx, wk;
  int ls = socket(AF_INET, SOCK_STREAM, 0), yes = 1, d;

  setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(ls, (struct sockaddr *)&a, sizeof a) < 0 || listen(ls, MAX_READERS) < 0) {
    perror("badged");
    return 1;
  }
  if (pthread_create(&rx, NULL, receiver_thread, &ls) != 0 ||
      pthread_create(&wk, NULL, worker_thread, NULL) != 0)
    return 1;
  for (;;) {
    sleep(3600);
    for (d = 0; d < 100; d++)
      if (entries_of_door[d])
        fprintf(stderr, "badged: door %d: %lu entries\n", d, entries_of_door[d]);
  }
}
