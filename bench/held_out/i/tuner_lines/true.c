/* tunerd: control port of the IR-90 internet radio (line protocol).
 * The audio player is started by a small forked helper, so that the daemon
 * itself can drop its realtime priority. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define PORT		6600
#define MAXLINE_	600
#define MAXARG		4
#define MAXLIST		20

static int	helper_fd = -1;
static char	*playlist[MAXLIST];
static int	plist_len, current = -1, volume = 50;

/* ---- helper process --------------------------------------------------- */

static void helper_main(int fd)
{
	char line[2048];
	FILE *in = fdopen(fd, "r");

	signal(SIGPIPE, SIG_DFL);
	while (in && fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		switch (line[0]) {
		case 'X':			/* X<shell line> */
			if (system(line + 1) != 0)
				fprintf(stderr, "helper: failed\n");
			break;
		case 'Q':
			_exit(0);
		}
	}
	_exit(0);
}

static void helper_start(void)
{
	int p[2];

	if (pipe(p) < 0)
		exit(1);
	switch (fork()) {
	case -1:
		exit(1);
	case 0:
		close(p[1]);
		helper_main(p[0]);
	}
	close(p[0]);
	helper_fd = p[1];
}

static void helper_send(const char *line)
{
	size_t n = strlen(line);

	if (write(helper_fd, line, n) != (ssize_t)n)
		helper_start();
}

/* ---- building of command lines ---------------------------------------- */

static int put_quoted(char *d, size_t room, const char *s)
{
	char *e = d + room - 3, *b = d;

	*d++ = '"';
	for (; *s; s++) {
		if (d + 4 >= e)
			return -1;
		if (*s == '"' || *s == '\\')
			*d++ = '\\';
		*d++ = *s;
	}
	*d++ = '"';
	*d = '\0';
	return d - b;
}

static int start_player(void)
{
	char line[1500];
	int n, k;

	if (current < 0 || current >= plist_len)
		return -1;
	n = snprintf(line, sizeof(line), "Xkillall -q mpg123; mpg123 -q -f %d -- ", volume * 327);
	k = put_quoted(line + n, sizeof(line) - n - 8, playlist[current]);
	if (k < 0)
		return -1;
	strcpy(line + n + k, " &\n");
	helper_send(line);
	return 0;
}

/* ---- commands ---------------------------------------------------------- */

static int c_add(FILE *out, int ac, char **av)
{
	if (plist_len == MAXLIST || strncmp(av[1], "http://", 7))
		return -1;
	playlist[plist_len++] = strdup(av[1]);
	return 0;
}

static int c_clear(FILE *out, int ac, char **av)
{
	while (plist_len)
		free(playlist[--plist_len]);
	current = -1;
	return 0;
}

static int c_info(FILE *out, int ac, char **av)
{
	int i;

	for (i = 0; i < plist_len; i++)
		fprintf(out, "file: %s\nPos: %d\n", playlist[i], i);
	return 0;
}

static int c_play(FILE *out, int ac, char **av)
{
	current = ac > 1 ? atoi(av[1]) : 0;
	return start_player();
}

static int c_setvol(FILE *out, int ac, char **av)
{
	int v = atoi(av[1]);

	if (v < 0 || v > 100)
		return -1;
	volume = v;
	return current >= 0 ? start_player() : 0;
}

static int c_status(FILE *out, int ac, char **av)
{
	fprintf(out, "volume: %d\nplaylistlength: %d\nsong: %d\n", volume, plist_len, current);
	return 0;
}

static int c_stop(FILE *out, int ac, char **av)
{
	current = -1;
	helper_send("Xkillall -q mpg123\n");
	return 0;
}

static const struct command {
	const char *name;
	int minarg;
	int (*fn)(FILE *, int, char **);
} commands[] = {
	{ "add",	1, c_add },
	{ "clear",	0, c_clear },
	{ "play",	0, c_play },
	{ "playlistinfo", 0, c_info },
	{ "setvol",	1, c_setvol },
	{ "status",	0, c_status },
	{ "stop",	0, c_stop },
};

/* split in place; args may be "quoted with \" escapes" */
static int split(char *s, char **av)
{
	int n = 0;
	char *w;

	for (;;) {
		while (*s == ' ' || *s == '\t')
			s++;
		if (!*s || n == MAXARG)
			return n;
		if (*s == '"') {
			av[n++] = w = ++s;
			while (*s && *s != '"') {
				if (*s == '\\' && s[1])
					s++;
				*w++ = *s++;
			}
			if (*s)
				s++;
			*w = '\0';
		} else {
			av[n++] = s;
			while (*s && *s != ' ' && *s != '\t')
				s++;
			if (*s)
				*s++ = '\0';
		}
	}
}

static int execute(FILE *out, char *line)
{
	char *av[MAXARG + 1] = { 0 }, *p;
	size_t i;
	int ac;

	for (p = line; *p; p++)
		if ((unsigned char)*p < ' ' && *p != '\t')
			return -1;
	ac = split(line, av);
	if (ac == 0)
		return -1;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcasecmp(av[0], commands[i].name)) {
			if (ac - 1 < commands[i].minarg)
				return -1;
			return commands[i].fn(out, ac, av);
		}
	return -1;
}

static void serve(int fd)
{
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	char line[MAXLINE_];

	if (in && out) {
		fprintf(out, "OK MPD 0.12.0\n");
		fflush(out);
		while (fgets(line, sizeof(line), in)) {
			line[strcspn(line, "\r\n")] = '\0';
			if (!strcmp(line, "close"))
				break;
			if (execute(out, line) < 0)
				fprintf(out, "ACK [5@0] {} error\n");
			else
				fprintf(out, "OK\n");
			fflush(out);
		}
	}
	if (out)
		fclose(out);
	if (in)
		fclose(in);
}

int main(void)
{
	struct sockaddr_in a;
	int s, c, yes = 1;

	helper_start();
	signal(SIGPIPE, SIG_IGN);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	bzero(&a, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons(PORT);
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 2)) {
		perror("tunerd");
		return 1;
	}
	while ((c = accept(s, NULL, NULL)) >= 0)
		serve(c);
	return 0;
}
