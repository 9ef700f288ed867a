// signage-player control daemon.
// The head-end pushes a playlist over a line protocol:
//   LIST <name>
//   ITEM <seconds> <file> <transition>
//   END | STATUS | QUIT
// The list is handed to the display thread when END has been seen.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>
#include <signal.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define CTRL_PORT 5433

typedef struct item_s {
	unsigned seconds;
	char file[64];
	char transition[16];
	struct item_s *next;
} item_t;

typedef struct playlist_s {
	char name[32];
	unsigned count;
	item_t *first, *last;
} playlist_t;

static struct {
	pthread_mutex_t lock;
	pthread_cond_t  changed;
	playlist_t     *active;
	playlist_t     *pending;
	unsigned long   shown;
} player = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };

static bool g_debug;
#define DBG(...) do { if (g_debug) fprintf(stderr, "player: " __VA_ARGS__); } while (0)

static void playlist_free(playlist_t *pl)
{
	item_t *i, *n;

	if (!pl)
		return;
	for (i = pl->first; i; i = n) {
		n = i->next;
		free(i);
	}
	free(pl);
}

static playlist_t *playlist_new(const char *name)
{
	playlist_t *pl = calloc(1, sizeof *pl);

	if (pl)
		snprintf(pl->name, sizeof pl->name, "%s", name);
	return pl;
}

static int playlist_add(playlist_t *pl, unsigned secs, const char *file, const char *trans)
{
	item_t *it;

	if (secs == 0 || secs > 86400)
		return -1;
	if (pl->count >= 500)
		return -1;
	it = calloc(1, sizeof *it);
	if (!it)
		return -1;
	it->seconds = secs;
	strcpy(it->file, file);
	strcpy(it->transition, trans);
	if (pl->last)
		pl->last->next = it;
	else
		pl->first = it;
	pl->last = it;
	pl->count++;
	return 0;
}

static void show(const item_t *it)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof path, "/media/content/%.64s", it->file);
	DBG("show %s for %us (%s)\n", path, it->seconds, it->transition);
	f = fopen("/var/run/renderer.fifo", "w");
	if (f) {
		fprintf(f, "%s\t%s\n", path, it->transition);
		fclose(f);
	}
	player.shown++;
}

static void *display_main(void *arg)
{
	item_t *cur = NULL;

	pthread_mutex_lock(&player.lock);
	for (;;) {
		struct timespec until;

		if (player.pending) {
			playlist_free(player.active);
			player.active = player.pending;
			player.pending = NULL;
			cur = player.active->first;
		}
		if (!cur && player.active)
			cur = player.active->first;
		if (!cur) {
			pthread_cond_wait(&player.changed, &player.lock);
			continue;
		}
		show(cur);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += cur->seconds;
		while (!player.pending)
			if (pthread_cond_timedwait(&player.changed, &player.lock, &until))
				break;
		cur = cur->next;
	}
	return NULL;
}

static void strip(char *s)
{
	s[strcspn(s, "\r\n")] = '\0';
}

static void session(int fd)
{
	FILE *in = fdopen(fd, "r");
	FILE *out = fdopen(dup(fd), "w");
	char *line = NULL;
	size_t cap = 0;
	playlist_t *pl = NULL;

	if (!in || !out)
		goto done;
	setvbuf(out, NULL, _IOLBF, 0);
	fputs("220 signage\r\n", out);
	while (getline(&line, &cap, in) > 0) {
		char *save, *verb;

		strip(line);
		verb = strtok_r(line, " ", &save);
		if (!verb)
			continue;
		if (!strcasecmp(verb, "LIST")) {
			char *name = strtok_r(NULL, "", &save);
			playlist_free(pl);
			pl = playlist_new(name ? name : "default");
			fputs(pl ? "250 ok\r\n" : "451 no memory\r\n", out);
		} else if (!strcasecmp(verb, "ITEM")) {
			char *secs = strtok_r(NULL, " ", &save);
			char *file = strtok_r(NULL, " ", &save);
			char *trans = strtok_r(NULL, " ", &save);
			if (!pl || !secs || !file) {
				fputs("503 bad sequence\r\n", out);
				continue;
			}
			if (playlist_add(pl, strtoul(secs, NULL, 10), file,
					 trans ? trans : "cut") < 0)
				fputs("501 bad item\r\n", out);
			else
				fputs("250 ok\r\n", out);
		} else if (!strcasecmp(verb, "END")) {
			if (!pl || !pl->count) {
				fputs("503 empty\r\n", out);
				continue;
			}
			fprintf(out, "250 %u items\r\n", pl->count);
			pthread_mutex_lock(&player.lock);
			playlist_free(player.pending);
			player.pending = pl;
			pl = NULL;
			pthread_cond_signal(&player.changed);
			pthread_mutex_unlock(&player.lock);
		} else if (!strcasecmp(verb, "STATUS")) {
			pthread_mutex_lock(&player.lock);
			fprintf(out, "200 %s %lu\r\n",
				player.active ? player.active->name : "-", player.shown);
			pthread_mutex_unlock(&player.lock);
		} else if (!strcasecmp(verb, "QUIT")) {
			break;
		} else {
			fputs("500 unknown\r\n", out);
		}
	}
done:
	free(line);
	playlist_free(pl);
	if (out)
		fclose(out);
	if (in)
		fclose(in);
	else
		close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin;
	pthread_t th;
	int ls, on = 1;

	g_debug = argc > 1 && !strcmp(argv[1], "-d");
	signal(SIGPIPE, SIG_IGN);
	pthread_create(&th, NULL, display_main, NULL);
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	memset(&sin, 0, sizeof sin);
	sin.sin_family = AF_INET;
	sin.sin_port = htons(CTRL_PORT);
	sin.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(ls, (struct sockaddr *)&sin, sizeof sin) || listen(ls, 2)) {
		perror("player");
		return 1;
	}
	for (;;) {
		int fd = accept(ls, NULL, NULL);
		if (fd >= 0)
			session(fd);
	}
}
