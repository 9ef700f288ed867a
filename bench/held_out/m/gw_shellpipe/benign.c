#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/time.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>

/* tunnel supervisor: keeps one helper shell for all link operations */

#define TUN_PORT  7741
#define TUN_SLOTS 6

enum tun_state { TS_FREE, TS_WANT, TS_UP, TS_DOWN };

struct tunnel {
	enum tun_state state;
	char  name[16];
	char  profile[64];
	time_t since;
};

struct supervisor {
	int      sock;
	pid_t    helper;
	FILE    *to_helper;
	struct tunnel *slot;
	time_t   tick;
};

typedef void (*verb_fn)(struct supervisor *sv, char *args);
struct verb { const char *word; verb_fn fn; };

static int helper_start(struct supervisor *sv)
{
	int pfd[2];

	if (pipe(pfd) < 0)
		return -1;
	sv->helper = fork();
	if (sv->helper < 0) {
		close(pfd[0]);
		close(pfd[1]);
		return -1;
	}
	if (sv->helper == 0) {
		dup2(pfd[0], 0);
		close(pfd[0]);
		close(pfd[1]);
		if (sv->sock >= 0)
			close(sv->sock);
		execl("/bin/sh", "sh", (char *)NULL);
		_exit(127);
	}
	close(pfd[0]);
	sv->to_helper = fdopen(pfd[1], "w");
	if (!sv->to_helper) {
		close(pfd[1]);
		return -1;
	}
	return 0;
}

static void helper_check(struct supervisor *sv)
{
	int st;

	if (sv->helper > 0 && waitpid(sv->helper, &st, WNOHANG) == sv->helper) {
		fclose(sv->to_helper);
		sv->to_helper = NULL;
		sv->helper = -1;
	}
	if (!sv->to_helper)
		helper_start(sv);
}

static struct tunnel *slot_find(struct supervisor *sv, const char *name)
{
	int i;

	for (i = 0; i < TUN_SLOTS; i++)
		if (sv->slot[i].state != TS_FREE && !strcmp(sv->slot[i].name, name))
			return &sv->slot[i];
	return NULL;
}

static struct tunnel *slot_new(struct supervisor *sv)
{
	int i;

	for (i = 0; i < TUN_SLOTS; i++)
		if (sv->slot[i].state == TS_FREE)
			return &sv->slot[i];
	return NULL;
}

static void v_add(struct supervisor *sv, char *args)
{
	char *name = strtok(args, " ");
	char *prof = strtok(NULL, "\r\n");
	struct tunnel *t;

	if (!name || !prof || slot_find(sv, name))
		return;
	t = slot_new(sv);
	if (!t)
		return;
	snprintf(t->name, sizeof(t->name), "%s", name);
	snprintf(t->profile, sizeof(t->profile), "%s", prof);
	t->state = TS_WANT;
	t->since = time(NULL);
}

static void v_del(struct supervisor *sv, char *args)
{
	struct tunnel *t;

	args[strcspn(args, " \r\n")] = 0;
	t = slot_find(sv, args);
	if (t)
		t->state = TS_DOWN;
}

static void v_flush(struct supervisor *sv, char *args)
{
	int i;

	(void)args;
	for (i = 0; i < TUN_SLOTS; i++)
		if (sv->slot[i].state == TS_UP)
			sv->slot[i].state = TS_DOWN;
}

static const struct verb verbs[] = {
	{ "ADD",   v_add },
	{ "DEL",   v_del },
	{ "FLUSH", v_flush },
	{ NULL,    NULL }
};

static const struct {
	const char *profile;
	const char *line;
} profile_tab[] = {
	{ "office",  "/usr/sbin/tunctl up %d office" },
	{ "backup",  "/usr/sbin/tunctl up %d backup" },
	{ "service", "/usr/sbin/tunctl up %d service" },
};

static void bring_up(struct supervisor *sv, int idx, const struct tunnel *t)
{
	size_t k;

	for (k = 0; k < sizeof(profile_tab) / sizeof(profile_tab[0]); k++) {
		if (strcmp(profile_tab[k].profile, t->profile))
			continue;
		fprintf(sv->to_helper, profile_tab[k].line, idx);
		fputc('\n', sv->to_helper);
		fflush(sv->to_helper);
		return;
	}
}

static void take_down(struct supervisor *sv, int idx)
{
	fprintf(sv->to_helper, "/usr/sbin/tunctl down %d\n", idx);
	fflush(sv->to_helper);
}

static void on_tick(struct supervisor *sv)
{
	int i;

	helper_check(sv);
	if (!sv->to_helper)
		return;
	for (i = 0; i < TUN_SLOTS; i++) {
		struct tunnel *t = &sv->slot[i];

		switch (t->state) {
		case TS_WANT:
			bring_up(sv, i, t);
			t->state = TS_UP;
			t->since = sv->tick;
			break;
		case TS_DOWN:
			take_down(sv, i);
			memset(t, 0, sizeof(*t));
			break;
		default:
			break;
		}
	}
}

static void on_datagram(struct supervisor *sv)
{
	char msg[300];
	const struct verb *v;
	ssize_t n = recv(sv->sock, msg, sizeof(msg) - 1, 0);
	char *args;

	if (n <= 0)
		return;
	msg[n] = '\0';
	args = strchr(msg, ' ');
	if (args)
		*args++ = '\0';
	else
		args = msg + n;
	for (v = verbs; v->word; v++)
		if (!strcmp(v->word, msg)) {
			v->fn(sv, args);
			return;
		}
}

int main(void)
{
	struct supervisor sv;
	struct sockaddr_in me;

	memset(&sv, 0, sizeof(sv));
	sv.helper = -1;
	sv.slot = calloc(TUN_SLOTS, sizeof(*sv.slot));
	sv.sock = socket(AF_INET, SOCK_DGRAM, 0);
	if (!sv.slot || sv.sock < 0)
		return 1;
	memset(&me, 0, sizeof(me));
	me.sin_family = AF_INET;
	me.sin_addr.s_addr = htonl(INADDR_ANY);
	me.sin_port = htons(TUN_PORT);
	if (bind(sv.sock, (struct sockaddr *)&me, sizeof(me)) < 0)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		struct timeval tv;
		fd_set rd;

		tv.tv_sec = 2;
		tv.tv_usec = 0;
		FD_ZERO(&rd);
		FD_SET(sv.sock, &rd);
		if (select(sv.sock + 1, &rd, NULL, NULL, &tv) > 0)
			on_datagram(&sv);
		if (time(NULL) - sv.tick >= 3) {
			sv.tick = time(NULL);
			on_tick(&sv);
		}
	}
}
