/* bedview.c -- bedside display: patient data from the HL7 feed

   The ward's interface engine connects and sends messages in the usual
   frame, VT text FS CR.  ADT messages give the patient, ORU the last
   results.  The ticker paints the banner on top of the screen.  */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#define HL7_PORT 2575
#define MSG_MAX 4096
#define NFIELDS 24
#define VT 0x0b
#define FS 0x1c

#define NAME_SHOWN 40
#define WARD_SHOWN 12
#define BANNER 80

struct segment
{
  int n;
  char *field[NFIELDS];
};

struct patient
{
  char *name;
  char *ward;
  char sex;
  int admitted;
  int results;
  void (*paint) (const struct patient *);
};

struct message
{
  char control[24];
  char type[8];
  struct patient *draft;
};

static struct patient *in_bed;
static pthread_mutex_t bed_lock = PTHREAD_MUTEX_INITIALIZER;
static int spo2, pulse;
static FILE *screen;

static void
trace (const char *what, const char *more)
{
  char t[16];
  time_t now = time (NULL);
  struct tm tm;

  strftime (t, sizeof t, "%H:%M:%S", localtime_r (&now, &tm));
  fprintf (stderr, "%s bedview: %s %s\n", t, what, more);
}

/* ---- display ---- */

static void
show_row (int row, const char *text)
{
  if (screen == NULL)
    screen = fopen ("/dev/tty1", "w");
  if (screen == NULL)
    return;
  fprintf (screen, "\033[%d;1H\033[K%s", row, text);
  fflush (screen);
}

static void
paint_empty (const struct patient *p)
{
  (void) p;
  show_row (1, "-- bed is free --");
}

static void
paint_patient (const struct patient *p)
{
  char banner[BANNER];

  strcpy (banner, p->name);
  strcat (banner, p->sex == 'F' ? " (f) " : p->sex == 'M' ? " (m) " : " ");
  if (p->ward != NULL)
    strcat (banner, p->ward);
  show_row (1, banner);
}

static void *
ticker (void *unused)
{
  char row[64];

  for (;;)
    {
      sleep (2);
      pthread_mutex_lock (&bed_lock);
      if (in_bed != NULL)
        in_bed->paint (in_bed);
      snprintf (row, sizeof row, "SpO2 %3d %%   pulse %3d", spo2, pulse);
      pthread_mutex_unlock (&bed_lock);
      show_row (3, row);
    }
  return unused;
}

/* ---- patient record ---- */

static void
patient_free (struct patient *p)
{
  if (p == NULL)
    return;
  free (p->name);
  free (p->ward);
  free (p);
}

/* Keeps a copy of a field, or notes that it is long.  */
static void
keep (char **where, const char *text, size_t shown)
{
  char *copy = strdup (text);

  if (copy == NULL)
    return;
  if (strlen (copy) > shown)
    trace ("long field", copy);
  free (*where);
  *where = copy;
}

static struct patient *
draft_of (struct message *m)
{
  if (m->draft == NULL)
    {
      m->draft = calloc (1, sizeof *m->draft);
      if (m->draft != NULL)
        m->draft->paint = paint_empty;
    }
  return m->draft;
}

/* ---- segments ---- */

static void
seg_msh (struct message *m, struct segment *s)
{
  /* MSH-1 is the separator itself, so the numbers are one less */
  if (s->n > 8)
    snprintf (m->type, sizeof m->type, "%.7s", s->field[8]);
  if (s->n > 9)
    snprintf (m->control, sizeof m->control, "%.23s", s->field[9]);
}

static void
seg_pid (struct message *m, struct segment *s)
{
  struct patient *p = draft_of (m);
  char *caret;

  if (p == NULL || s->n < 6)
    return;
  /* PID-5: family^given^... */
  for (caret = s->field[5]; (caret = strchr (caret, '^')) != NULL; caret++)
    *caret = ' ';
  keep (&p->name, s->field[5], NAME_SHOWN);
  if (s->n > 8)
    p->sex = s->field[8][0];
}

static void
seg_pv1 (struct message *m, struct segment *s)
{
  struct patient *p = draft_of (m);

  if (p == NULL || s->n < 4)
    return;
  s->field[3][strcspn (s->field[3], "^")] = '\0';
  keep (&p->ward, s->field[3], WARD_SHOWN);
  p->admitted = s->field[2][0] == 'I';
}

static void
seg_obx (struct message *m, struct segment *s)
{
  int v;

  (void) m;
  if (s->n < 6)
    return;
  v = atoi (s->field[5]);
  pthread_mutex_lock (&bed_lock);
  if (strncmp (s->field[3], "59408-5", 7) == 0 && v >= 0 && v <= 100)
    spo2 = v;
  else if (strncmp (s->field[3], "8867-4", 6) == 0 && v >= 0 && v <= 300)
    pulse = v;
  if (in_bed != NULL)
    in_bed->results++;
  pthread_mutex_unlock (&bed_lock);
}

static const struct
{
  const char *id;
  void (*fn) (struct message *m, struct segment *s);
} segments[] = {
  { "MSH", seg_msh },
  { "PID", seg_pid },
  { "PV1", seg_pv1 },
  { "OBX", seg_obx },
};

static void
split_fields (char *text, struct segment *s)
{
  s->n = 0;
  while (text != NULL && s->n < NFIELDS)
    {
      s->field[s->n++] = text;
      text = strchr (text, '|');
      if (text != NULL)
        *text++ = '\0';
    }
}

/* Puts the message to work; the code for MSA-1 comes back.  */
static const char *
message_take (char *text, struct message *m)
{
  struct segment s;
  struct patient *old = NULL;
  char *line, *save = NULL;
  size_t i;

  memset (m, 0, sizeof *m);
  for (line = strtok_r (text, "\r\n", &save); line; line = strtok_r (NULL, "\r\n", &save))
    {
      split_fields (line, &s);
      for (i = 0; i < sizeof segments / sizeof segments[0]; i++)
        if (strcmp (segments[i].id, s.field[0]) == 0)
          segments[i].fn (m, &s);
    }
  if (strcmp (m->type, "ADT^A01") == 0 || strcmp (m->type, "ADT^A08") == 0)
    {
      if (m->draft == NULL || m->draft->name == NULL)
        {
          patient_free (m->draft);
          return "AE";
        }
      m->draft->paint = paint_patient;
      pthread_mutex_lock (&bed_lock);
      old = in_bed;
      in_bed = m->draft;
      pthread_mutex_unlock (&bed_lock);
      trace ("patient", "admitted");
    }
  else if (strcmp (m->type, "ADT^A03") == 0)
    {
      pthread_mutex_lock (&bed_lock);
      old = in_bed;
      in_bed = calloc (1, sizeof *in_bed);
      if (in_bed != NULL)
        in_bed->paint = paint_empty;
      pthread_mutex_unlock (&bed_lock);
      patient_free (m->draft);
      trace ("patient", "discharged");
    }
  else
    patient_free (m->draft);
  patient_free (old);
  m->draft = NULL;
  return m->control[0] != '\0' ? "AA" : "AR";
}

/* ---- link ---- */

static void
answer (int fd, const char *code, const struct message *m)
{
  char out[160];
  int n;

  n = snprintf (out, sizeof out, "%cMSH|^~\\&|BEDVIEW||||||ACK|%s|P|2.3\rMSA|%s|%s\r%c\r", VT,
                m->control, code, m->control, FS);
  if (send (fd, out, (size_t) n, MSG_NOSIGNAL) < 0)
    trace ("send", strerror (errno));
}

static void
feed (int fd)
{
  char *msg = malloc (MSG_MAX + 1);
  FILE *in = fdopen (fd, "r");
  struct message m;
  size_t n = 0;
  int c, inside = 0;

  while (msg != NULL && in != NULL && (c = getc (in)) != EOF)
    {
      if (c == VT)
        {
          inside = 1;
          n = 0;
        }
      else if (c == FS && inside)
        {
          msg[n] = '\0';
          inside = 0;
          answer (fd, message_take (msg, &m), &m);
        }
      else if (inside && c != '\0')
        {
          if (n == MSG_MAX)
            break;
          msg[n++] = (char) c;
        }
    }
  free (msg);
  if (in != NULL)
    fclose (in);
  else
    close (fd);
}

int
main (void)
{
  struct sockaddr_in sin;
  pthread_t tid;
  int srv, fd, on = 1;

  signal (SIGPIPE, SIG_IGN);
  srv = socket (AF_INET, SOCK_STREAM, 0);
  setsockopt (srv, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  memset (&sin, 0, sizeof sin);
  sin.sin_family = AF_INET;
  sin.sin_port = htons (HL7_PORT);
  if (srv < 0 || bind (srv, (struct sockaddr *) &sin, sizeof sin) < 0 || listen (srv, 1) < 0)
    {
      trace ("bind", strerror (errno));
      return 1;
    }
  if (pthread_create (&tid, NULL, ticker, NULL) != 0)
    return 1;
  for (;;)
    {
      fd = accept (srv, NULL, NULL);
      if (fd < 0)
        continue;
      trace ("feed", "connected");
      feed (fd);
      trace ("feed", "lost");
    }
}
