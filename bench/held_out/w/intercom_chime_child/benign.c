/*
 * panel: IP intercom outdoor panel, control service.
 *
 * The parent serves XML requests of the indoor stations; sound is made by a
 * child, so that a blocked ALSA device never stops the door relay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <errno.h>
#include <time.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

#define PANEL_PORT   8091
#define MAX_STATIONS 6
#define RX_SIZE      2048

struct station {
	int    fd;
	size_t used;
	time_t since;
	char   rx[RX_SIZE];
};

static struct station stations[MAX_STATIONS];
static int  sound_fd = -1;
static pid_t sound_pid;

static struct {
	int    volume;
	int    relay_secs;
	time_t relay_off;
	int    light;
	unsigned rings;
} panel = { 70, 4, 0, 0, 0 };

/* ------------------------------------------------------------ the child */

static int play(int volume, const char *chime)
{
	char cmd[256], out[128];
	FILE *p;

	if (chime[0] == '\0' ||
	    chime[strspn(chime, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0')
		return -1;
	snprintf(cmd, sizeof cmd, "amixer -q sset Speaker %d%%; aplay -q /usr/share/chimes/%s.wav 2>&1",
		 volume, chime);
	p = popen(cmd, "r");
	if (p == NULL)
		return -1;
	while (fgets(out, sizeof out, p))
		fprintf(stderr, "sound: %s", out);
	return pclose(p);
}

static void sound_child(int fd)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t cap = 0;
	char verb[16], chime[96];
	int vol;

	if (in == NULL)
		_exit(1);
	while (getline(&line, &cap, in) > 0) {
		if (sscanf(line, "%15s %d %95[^\n]", verb, &vol, chime) != 3) {
			fprintf(stderr, "sound: odd line\n");
			continue;
		}
		if (vol < 0 || vol > 100)
			vol = 50;
		if (strcmp(verb, "play") == 0 && play(vol, chime) != 0)
			fprintf(stderr, "sound: play failed\n");
	}
	free(line);
	_exit(0);
}

static int start_sound(void)
{
	int p[2];

	if (pipe(p) < 0)
		return -1;
	sound_pid = fork();
	if (sound_pid < 0) {
		close(p[0]);
		close(p[1]);
		return -1;
	}
	if (sound_pid == 0) {
		close(p[1]);
		signal(SIGPIPE, SIG_DFL);
		sound_child(p[0]);
	}
	close(p[0]);
	sound_fd = p[1];
	fcntl(sound_fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static int sound_order(int volume, const char *chime)
{
	char line[192];
	int n;

	n = snprintf(line, sizeof line, "play %d %s\n", volume, chime);
	if (n < 0 || n >= (int)sizeof line)
		return -1;
	if (write(sound_fd, line, (size_t)n) != n) {
		close(sound_fd);
		waitpid(sound_pid, NULL, WNOHANG);
		return start_sound();
	}
	return 0;
}

/* ------------------------------------------------------------------ XML */

static void unescape(char *s)
{
	static const struct { const char *ent; char c; } e[] = {
		{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' },
		{ "&quot;", '"' }, { "&apos;", '\'' },
	};
	char *d = s;
	size_t i;

	while (*s) {
		if (*s == '&') {
			for (i = 0; i < sizeof e / sizeof e[0]; i++)
				if (strncmp(s, e[i].ent, strlen(e[i].ent)) == 0)
					break;
			if (i < sizeof e / sizeof e[0]) {
				*d++ = e[i].c;
				s += strlen(e[i].ent);
				continue;
			}
		}
		*d++ = *s++;
	}
	*d = '\0';
}

static int tag(const char *xml, const char *open, const char *close, char *out, size_t size)
{
	const char *a = strstr(xml, open), *b;
	size_t n;

	if (a == NULL)
		return -1;
	a += strlen(open);
	b = strstr(a, close);
	if (b == NULL)
		return -1;
	n = (size_t)(b - a);
	if (n >= size)
		return -1;
	memcpy(out, a, n);
	out[n] = '\0';
	unescape(out);
	return 0;
}

static void gpio(const char *path, int on)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, on ? "1" : "0", 1) != 1)
		fprintf(stderr, "panel: %s: %s\n", path, strerror(errno));
	close(fd);
}

static int request(const char *xml)
{
	char val[128];
	int known = 0;

	if (tag(xml, "<Volume>", "</Volume>", val, sizeof val) == 0) {
		int v = atoi(val);
		if (v >= 0 && v <= 100)
			panel.volume = v;
		known++;
	}
	if (tag(xml, "<Door>", "</Door>", val, sizeof val) == 0) {
		int s = atoi(val);
		panel.relay_secs = s > 0 && s < 30 ? s : 4;
		panel.relay_off = time(NULL) + panel.relay_secs;
		gpio("/sys/class/gpio/gpio17/value", 1);
		known++;
	}
	if (tag(xml, "<Light>", "</Light>", val, sizeof val) == 0) {
		panel.light = val[0] == '1';
		gpio("/sys/class/gpio/gpio22/value", panel.light);
		known++;
	}
	if (tag(xml, "<Chime>", "</Chime>", val, sizeof val) == 0) {
		panel.rings++;
		if (sound_order(panel.volume, val) < 0)
			return -1;
		known++;
	}
	return known ? 0 : -1;
}

/* -------------------------------------------------------------- service */

static void drop(struct station *st)
{
	close(st->fd);
	st->fd = -1;
	st->used = 0;
}

static void readable(struct station *st)
{
	ssize_t n = recv(st->fd, st->rx + st->used, sizeof st->rx - 1 - st->used, 0);
	char *end;

	if (n <= 0) {
		drop(st);
		return;
	}
	st->used += (size_t)n;
	st->rx[st->used] = '\0';
	while ((end = strstr(st->rx, "</Request>")) != NULL) {
		size_t len = (size_t)(end - st->rx) + 10;
		char keep = st->rx[len];
		const char *ans;

		st->rx[len] = '\0';
		ans = request(st->rx) == 0 ? "<Reply>ok</Reply>\n" : "<Reply>error</Reply>\n";
		st->rx[len] = keep;
		send(st->fd, ans, strlen(ans), MSG_NOSIGNAL);
		memmove(st->rx, st->rx + len, st->used - len + 1);
		st->used -= len;
	}
	if (st->used >= sizeof st->rx - 1)
		drop(st);
}

int main(void)
{
	struct sockaddr_in sa;
	int ls, i, one = 1;

	signal(SIGPIPE, SIG_IGN);
	if (start_sound() < 0)
		return 1;
	for (i = 0; i < MAX_STATIONS; i++)
		stations[i].fd = -1;
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	memset(&sa, 0, sizeof sa);
	sa.sin_family = AF_INET;
	sa.sin_port = htons(PANEL_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 4) < 0) {
		perror("panel");
		return 1;
	}
	for (;;) {
		struct timeval tv = { 1, 0 };
		fd_set rd;
		int max = ls;

		FD_ZERO(&rd);
		FD_SET(ls, &rd);
		for (i = 0; i < MAX_STATIONS; i++)
			if (stations[i].fd >= 0) {
				FD_SET(stations[i].fd, &rd);
				if (stations[i].fd > max)
					max = stations[i].fd;
			}
		if (select(max + 1, &rd, NULL, NULL, &tv) < 0 && errno != EINTR)
			break;
		if (panel.relay_off && time(NULL) >= panel.relay_off) {
			gpio("/sys/class/gpio/gpio17/value", 0);
			panel.relay_off = 0;
		}
		for (i = 0; i < MAX_STATIONS; i++)
			if (stations[i].fd >= 0 && FD_ISSET(stations[i].fd, &rd))
				readable(&stations[i]);
		if (FD_ISSET(ls, &rd)) {
			int fd = accept(ls, NULL, NULL);
			for (i = 0; fd >= 0 && i < MAX_STATIONS; i++)
				if (stations[i].fd < 0) {
					stations[i].fd = fd;
					stations[i].used = 0;
					stations[i].since = time(NULL);
					fd = -1;
				}
			if (fd >= 0)
				close(fd);
		}
	}
	return 0;
}
