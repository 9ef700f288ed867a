/* console of a baby monitor's service port: words are looked up in a table, text for the little display is put together */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <signal.h>
#include <unistd.h>
#include <time.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define CONS_PORT 2323
#define ARGS_MAX  40

struct lcd {
	char text[80];
	int  line;
	int  until;
	int  fresh;
};

struct settings {
	int volume;
	int night;
	int lullaby;
	int temp_lo, temp_hi;
};

static struct lcd *lcd;
static struct settings st = { 5, 0, 0, 18, 26 };
static pthread_mutex_t lk = PTHREAD_MUTEX_INITIALIZER;

static void put(FILE *o, const char *s)
{
	fputs(s, o);
	fputs("\r\n", o);
	fflush(o);
}

static void c_volume(FILE *o, int ac, char **av)
{
	char b[32];

	if (ac > 1) {
		int v = atoi(av[1]);
		if (v < 0 || v > 10) {
			put(o, "0..10");
			return;
		}
		st.volume = v;
	}
	snprintf(b, sizeof(b), "volume %d", st.volume);
	put(o, b);
}

static void c_night(FILE *o, int ac, char **av)
{
	st.night = ac > 1 && !strcasecmp(av[1], "on");
	put(o, st.night ? "night on" : "night off");
}

static void c_temp(FILE *o, int ac, char **av)
{
	if (ac < 3) {
		put(o, "temp LOW HIGH");
		return;
	}
	st.temp_lo = atoi(av[1]);
	st.temp_hi = atoi(av[2]);
	if (st.temp_lo > st.temp_hi)
		st.temp_lo = st.temp_hi;
	put(o, "ok");
}

static void c_song(FILE *o, int ac, char **av)
{
	static const char *const songs[] = { "off", "stars", "rain", "waves", "heart" };
	unsigned i;

	for (i = 0; ac > 1 && i < sizeof(songs) / sizeof(songs[0]); i++)
		if (!strcasecmp(songs[i], av[1])) {
			st.lullaby = i;
			put(o, "ok");
			return;
		}
	put(o, "off stars rain waves heart");
}

/* message SECONDS WORD... */
static void c_message(FILE *o, int ac, char **av)
{
	int i, sec;

	if (ac < 3) {
		put(o, "message SECONDS TEXT");
		return;
	}
	sec = atoi(av[1]);
	if (sec < 1 || sec > 600)
		sec = 30;
	pthread_mutex_lock(&lk);
	lcd->text[0] = 0;
	for (i = 2; i < ac; i++) {
		if (strlen(lcd->text) + strlen(av[i]) + 2 > sizeof(lcd->text))
			break;
		if (i > 2)
			strcat(lcd->text, " ");
		strcat(lcd->text, av[i]);
	}
	lcd->until = (int)time(NULL) + sec;
	lcd->fresh = 1;
	pthread_mutex_unlock(&lk);
	put(o, "shown");
}

static void c_status(FILE *o, int ac, char **av)
{
	fprintf(o, "volume %d night %d song %d temp %d-%d\r\n",
		st.volume, st.night, st.lullaby, st.temp_lo, st.temp_hi);
	pthread_mutex_lock(&lk);
	fprintf(o, "lcd: %s\r\n", lcd->text);
	pthread_mutex_unlock(&lk);
	fflush(o);
}

static void c_help(FILE *o, int ac, char **av);

static const struct cmd {
	const char *word;
	void (*fn)(FILE *o, int ac, char **av);
	const char *help;
} cmds[] = {
	{ "volume",  c_volume,  "volume [0..10]" },
	{ "night",   c_night,   "night on|off" },
	{ "temp",    c_temp,    "temp LOW HIGH" },
	{ "song",    c_song,    "song NAME" },
	{ "message", c_message, "message SECONDS TEXT" },
	{ "status",  c_status,  "status" },
	{ "help",    c_help,    "help" },
	{ NULL, NULL, NULL }
};

static void c_help(FILE *o, int ac, char **av)
{
	const struct cmd *c;

	for (c = cmds; c->word; c++)
		put(o, c->help);
}

static int split(char *line, char **av)
{
	int n = 0;
	char *t = strtok(line, " \t\r\n");

	while (t && n < ARGS_MAX) {
		av[n++] = t;
		t = strtok(NULL, " \t\r\n");
	}
	return n;
}

static void console(int fd)
{
	FILE *in = fdopen(fd, "r");
	FILE *out = fdopen(dup(fd), "w");
	char line[512], *av[ARGS_MAX];
	const struct cmd *c;
	int ac;

	if (!in || !out) {
		if (in)
			fclose(in);
		else
			close(fd);
		if (out)
			fclose(out);
		return;
	}
	put(out, "BM-200 service console");
	while (fputs("> ", out), fflush(out), fgets(line, sizeof(line), in)) {
		ac = split(line, av);
		if (ac == 0)
			continue;
		if (!strcasecmp(av[0], "quit"))
			break;
		for (c = cmds; c->word; c++)
			if (!strcasecmp(c->word, av[0])) {
				c->fn(out, ac, av);
				break;
			}
		if (!c->word)
			put(out, "?");
	}
	fclose(in);
	fclose(out);
}

static void *lcd_thread(void *arg)
{
	FILE *f;

	for (;;) {
		usleep(250000);
		pthread_mutex_lock(&lk);
		if (lcd->fresh || (lcd->until && time(NULL) > lcd->until)) {
			if (!lcd->fresh) {
				lcd->text[0] = 0;
				lcd->until = 0;
			}
			lcd->fresh = 0;
			f = fopen("/dev/lcd0", "w");
			if (f) {
				fprintf(f, "\f%s", lcd->text);
				fclose(f);
			}
		}
		pthread_mutex_unlock(&lk);
	}
	return NULL;
}

int main(void)
{
	struct sockaddr_in a;
	pthread_t t;
	int s, c, one = 1;

	signal(SIGPIPE, SIG_IGN);
	lcd = calloc(1, sizeof(*lcd));
	if (!lcd)
		return 1;
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons(CONS_PORT);
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 1) < 0)
		return 1;
	pthread_create(&t, NULL, lcd_thread, NULL);
	for (;;) {
		c = accept(s, NULL, NULL);
		if (c >= 0)
			console(c);
	}
}
