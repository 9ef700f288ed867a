/*
 * tvremoted -- companion-app remote service (JSON lines over TCP).
 * Receiver threads parse requests and queue them, one worker talks to the UI.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define REMOTE_PORT 8002
#define OSD_TEXT    48
#define QUEUE_MAX   32

typedef enum { EV_KEY, EV_TEXT, EV_VOLUME, EV_TITLE } ev_kind;

struct event {
	struct event *next;
	ev_kind       kind;
	int           num;
	char         *str;
};

struct osd {
	char  caption[OSD_TEXT];
	char  input_field[OSD_TEXT];
	int   caret;
	int   volume;
	int   muted;
	void (*redraw)(struct osd *);
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t  more;
	struct event   *head, *tail;
	int             depth;
} q = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL, 0 };

static struct osd *screen;

static void logmsg(const char *what, int num)
{
	fprintf(stderr, "tvremoted: %s (%d)\n", what, num);
}

static void q_push(ev_kind kind, int num, char *str)
{
	struct event *e = malloc(sizeof(*e));

	if (!e) {
		free(str);
		return;
	}
	e->next = NULL;
	e->kind = kind;
	e->num = num;
	e->str = str;
	pthread_mutex_lock(&q.lock);
	if (q.depth >= QUEUE_MAX) {
		pthread_mutex_unlock(&q.lock);
		logmsg("queue full", q.depth);
		free(str);
		free(e);
		return;
	}
	if (q.tail)
		q.tail->next = e;
	else
		q.head = e;
	q.tail = e;
	q.depth++;
	pthread_cond_signal(&q.more);
	pthread_mutex_unlock(&q.lock);
}

static struct event *q_pop(void)
{
	struct event *e;

	pthread_mutex_lock(&q.lock);
	while (!q.head)
		pthread_cond_wait(&q.more, &q.lock);
	e = q.head;
	q.head = e->next;
	if (!q.head)
		q.tail = NULL;
	q.depth--;
	pthread_mutex_unlock(&q.lock);
	return e;
}

/* returns a heap copy of the string member `name`, NULL if absent */
static char *json_str(const char *js, const char *name)
{
	char pat[40], *out, *w;
	const char *p;

	snprintf(pat, sizeof(pat), "\"%s\"", name);
	p = strstr(js, pat);
	if (!p)
		return NULL;
	p += strlen(pat);
	while (*p == ' ' || *p == ':')
		p++;
	if (*p++ != '"')
		return NULL;
	out = w = malloc(strlen(p) + 1);
	if (!out)
		return NULL;
	while (*p && *p != '"') {
		if (*p == '\\' && p[1]) {
			p++;
			*w++ = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
			p++;
		} else
			*w++ = *p++;
	}
	*w = 0;
	return out;
}

static int json_int(const char *js, const char *name, int dflt)
{
	char pat[40];
	const char *p;

	snprintf(pat, sizeof(pat), "\"%s\":", name);
	p = strstr(js, pat);
	return p ? atoi(p + strlen(pat)) : dflt;
}

static void handle_request(int fd, const char *js)
{
	char *method = json_str(js, "method");
	char *val;

	if (!method)
		return;
	if (!strcmp(method, "key")) {
		q_push(EV_KEY, json_int(js, "code", 0), NULL);
	} else if (!strcmp(method, "volume")) {
		q_push(EV_VOLUME, json_int(js, "level", 10), NULL);
	} else if (!strcmp(method, "imeText")) {
		val = json_str(js, "text");
		if (val)
			q_push(EV_TEXT, 0, val);
	} else if (!strcmp(method, "ping")) {
		send(fd, "{\"pong\":1}\n", 11, MSG_NOSIGNAL);
	} else {
		logmsg("unknown method", (int)strlen(method));
	}
	free(method);
}

static void *receiver(void *arg)
{
	int fd = (int)(long)arg;
	char line[1024];
	FILE *in = fdopen(fd, "r");

	if (!in) {
		close(fd);
		return NULL;
	}
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\r\n")] = 0;
		if (line[0] == '{')
			handle_request(fd, line);
	}
	fclose(in);
	return NULL;
}

static void redraw_console(struct osd *o)
{
	printf("[%s] %s| vol %d%s\n", o->caption, o->input_field, o->volume,
	       o->muted ? " (mute)" : "");
	fflush(stdout);
}

static void apply_text(struct osd *o, const char *s)
{
	strncpy(o->input_field, s, sizeof(o->input_field) - 1);
	o->input_field[sizeof(o->input_field) - 1] = 0;
	o->caret = strlen(o->input_field);
}

static void apply_key(struct osd *o, int code)
{
	switch (code) {
	case 8:
		if (o->caret > 0)
			o->input_field[--o->caret] = 0;
		break;
	case 113:
		o->muted = !o->muted;
		break;
	case 114:
	case 115:
		o->volume += code == 115 ? 1 : -1;
		if (o->volume < 0)
			o->volume = 0;
		if (o->volume > 100)
			o->volume = 100;
		break;
	default:
		logmsg("key ignored", code);
	}
}

static void *ui_worker(void *unused)
{
	struct event *e;

	(void)unused;
	for (;;) {
		e = q_pop();
		switch (e->kind) {
		case EV_KEY:
			apply_key(screen, e->num);
			break;
		case EV_TEXT:
			apply_text(screen, e->str);
			break;
		case EV_VOLUME:
			screen->volume = e->num < 0 ? 0 : e->num > 100 ? 100 : e->num;
			break;
		default:
			break;
		}
		screen->redraw(screen);
		free(e->str);
		free(e);
	}
	return NULL;
}

int main(void)
{
	struct sockaddr_in sin;
	pthread_t th;
	int s, c, on = 1;

	screen = calloc(1, sizeof(*screen));
	if (!screen)
		return 1;
	screen->redraw = redraw_console;
	screen->volume = 12;
	snprintf(screen->caption, sizeof(screen->caption), "Living room");
	pthread_create(&th, NULL, ui_worker, NULL);

	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(REMOTE_PORT);
	if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) || listen(s, 8)) {
		logmsg("bind", errno);
		return 1;
	}
	while ((c = accept(s, NULL, NULL)) >= 0) {
		if (pthread_create(&th, NULL, receiver, (void *)(long)c)) {
			close(c);
			continue;
		}
		pthread_detach(th);
	}
	return 0;
}
