/* hivehub - weighs the bee-hives, measures temperature and hum, and pushes
 * the readings to the beekeeper's server.  Tiny built-in web server.  */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define WEB_PORT   8380
#define CFG_FILE   "/data/hivehub.cfg"
#define VAL_MAX    64
#define REQ_MAX    4096

typedef struct webs {
	int   fd;
	char *path;
	char *query;
	char *body;
} *webs_t;

/* ---- validators ------------------------------------------------------ */

static int is_host(const char *v)
{
	size_t n = 0;

	for (; *v; v++, n++)
		if (!isalnum((unsigned char)*v) && *v != '.' && *v != '-')
			return 0;
	return n > 0;
}

static int is_word(const char *v)
{
	if (!*v)
		return 0;
	for (; *v; v++)
		if (!isalnum((unsigned char)*v) && *v != '_')
			return 0;
	return 1;
}

static int is_num(const char *v)
{
	size_t n = strspn(v, "0123456789");

	return n > 0 && n < 6 && v[n] == 0;
}

/* ---- settings -------------------------------------------------------- */

static struct setting {
	const char *key;
	char        val[VAL_MAX];
	int       (*valid)(const char *);
} settings[] = {
	{ "push_host", "hives.example.org", is_host },
	{ "push_port", "8086",              is_num  },
	{ "push_user", "hive",              is_word },
	{ "push_key",  "nokey",             is_word },
	{ "interval",  "300",               is_num  },
	{ "tare",      "0",                 is_num  },
};
#define NSETTINGS (sizeof(settings) / sizeof(settings[0]))

static pthread_mutex_t cfg_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int    push_now;
static unsigned        pushes, push_errors;
static int             weight_g, temp_c10;

static struct setting *cfg_find(const char *key)
{
	size_t i;

	for (i = 0; i < NSETTINGS; i++)
		if (strcmp(settings[i].key, key) == 0)
			return &settings[i];
	return NULL;
}

/* raw store, no check: for values out of our own flash */
static int cfg_put(const char *key, const char *val)
{
	struct setting *s = cfg_find(key);

	if (!s || strlen(val) >= VAL_MAX)
		return -1;
	pthread_mutex_lock(&cfg_lock);
	strcpy(s->val, val);
	pthread_mutex_unlock(&cfg_lock);
	return 0;
}

static int cfg_set(const char *key, const char *val)
{
	struct setting *s = cfg_find(key);

	if (!s || !s->valid(val))
		return -1;
	return cfg_put(key, val);
}

static void cfg_get(const char *key, char *out)
{
	struct setting *s = cfg_find(key);

	pthread_mutex_lock(&cfg_lock);
	strcpy(out, s ? s->val : "");
	pthread_mutex_unlock(&cfg_lock);
}

static void cfg_write(void)
{
	size_t i;
	FILE *f = fopen(CFG_FILE, "w");

	if (!f)
		return;
	for (i = 0; i < NSETTINGS; i++)
		fprintf(f, "%s=%s\n", settings[i].key, settings[i].val);
	fclose(f);
}

static void cfg_load(void)
{
	char line[128], *eq;
	FILE *f = fopen(CFG_FILE, "r");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if ((eq = strchr(line, '=')) != NULL) {
			*eq = 0;
			cfg_put(line, eq + 1);
		}
	}
	fclose(f);
}

/* ---- web ------------------------------------------------------------- */

static char *websGetVar(webs_t wp, const char *name, char *buf, size_t cap)
{
	size_t nl = strlen(name), n;
	char *p = wp->query;

	while (p && *p) {
		if (strncmp(p, name, nl) == 0 && p[nl] == '=') {
			p += nl + 1;
			n = strcspn(p, "&");
			if (n >= cap)
				return NULL;
			memcpy(buf, p, n);
			buf[n] = 0;
			return buf;
		}
		if ((p = strchr(p, '&')) != NULL)
			p++;
	}
	return NULL;
}

static void websReply(webs_t wp, int code, const char *text)
{
	char h[200];
	int n = snprintf(h, sizeof(h), "HTTP/1.0 %d hive\r\nContent-Length: %d\r\n\r\n%.80s",
			 code, (int)strlen(text), text);

	send(wp->fd, h, n, MSG_NOSIGNAL);
}

static void form_save(webs_t wp)
{
	char v[VAL_MAX];
	size_t i;
	int bad = 0;

	for (i = 0; i < NSETTINGS; i++)
		if (websGetVar(wp, settings[i].key, v, sizeof(v)))
			if (cfg_set(settings[i].key, v) < 0)
				bad++;
	cfg_write();
	websReply(wp, bad ? 400 : 200, bad ? "some values refused" : "saved");
}

/* restores a backup: the body is a copy of the settings file */
static void form_import(webs_t wp)
{
	char *line, *eq, *save = NULL;
	int n = 0;

	for (line = strtok_r(wp->body, "\r\n", &save); line;
	     line = strtok_r(NULL, "\r\n", &save)) {
		if (*line == '#' || (eq = strchr(line, '=')) == NULL)
			continue;
		*eq++ = 0;
		if (cfg_set(line, eq) == 0)
			n++;
	}
	cfg_write();
	websReply(wp, n ? 200 : 400, n ? "imported" : "nothing imported");
}

static void form_push(webs_t wp)
{
	push_now = 1;
	websReply(wp, 200, "queued");
}

static void form_status(webs_t wp)
{
	char t[80];

	snprintf(t, sizeof(t), "weight=%d temp=%d push=%u err=%u", weight_g, temp_c10,
		 pushes, push_errors);
	websReply(wp, 200, t);
}

static const struct {
	const char *path;
	void (*fn)(webs_t);
} forms[] = {
	{ "/goform/save",   form_save },
	{ "/goform/import", form_import },
	{ "/goform/push",   form_push },
	{ "/status",        form_status },
};

static void serve(int fd)
{
	char req[REQ_MAX];
	struct webs w = { fd, NULL, NULL, NULL };
	struct timeval tv = { 5, 0 };
	int have = 0, n;
	size_t i;
	char *e;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	req[0] = 0;
	while (have < REQ_MAX - 1 && (n = recv(fd, req + have, REQ_MAX - 1 - have, 0)) > 0) {
		char *cl, *b;
		have += n;
		req[have] = 0;
		b = strstr(req, "\r\n\r\n");
		cl = strstr(req, "Content-Length:");
		if (b && (!cl || cl > b || have - (b + 4 - req) >= atoi(cl + 15)))
			break;
	}
	w.body = strstr(req, "\r\n\r\n");
	if (!w.body || !(w.path = strchr(req, ' ')))
		return;
	w.body += 4;
	w.path++;
	e = w.path + strcspn(w.path, " \r\n");
	*e = 0;
	if ((w.query = strchr(w.path, '?')) != NULL)
		*w.query++ = 0;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strcmp(forms[i].path, w.path) == 0) {
			forms[i].fn(&w);
			return;
		}
	websReply(&w, 404, "not here");
}

/* ---- sensors and upload ---------------------------------------------- */

static int read_sensor(const char *path)
{
	int v = 0;
	FILE *f = fopen(path, "r");

	if (f) {
		if (fscanf(f, "%d", &v) != 1)
			v = 0;
		fclose(f);
	}
	return v;
}

static void push(void)
{
	char host[VAL_MAX], port[VAL_MAX], user[VAL_MAX], key[VAL_MAX], cmd[480];

	cfg_get("push_host", host);
	cfg_get("push_port", port);
	cfg_get("push_user", user);
	cfg_get("push_key", key);
	snprintf(cmd, sizeof(cmd), "curl -s -m 20 -u %s:%s -d 'w=%d&t=%d' http://%s:%s/push",
		 user, key, weight_g, temp_c10, host, port);
	pushes++;
	if (system(cmd) != 0)
		push_errors++;
}

static void *upload_thread(void *arg)
{
	time_t next = 0;
	char iv[VAL_MAX];

	(void)arg;
	for (;;) {
		sleep(1);
		weight_g = read_sensor("/sys/bus/iio/devices/iio:device0/in_weight_raw");
		temp_c10 = read_sensor("/sys/bus/iio/devices/iio:device1/in_temp_raw");
		if (time(NULL) < next && !push_now)
			continue;
		push_now = 0;
		cfg_get("interval", iv);
		next = time(NULL) + (atoi(iv) < 30 ? 30 : atoi(iv));
		push();
	}
	return NULL;
}

int main(void)
{
	struct sockaddr_in a;
	pthread_t t;
	int s, c, on = 1;

	signal(SIGPIPE, SIG_IGN);
	cfg_load();
	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons(WEB_PORT);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 5) < 0)
		return 1;
	pthread_create(&t, NULL, upload_thread, NULL);
	while (1) {
		if ((c = accept(s, NULL, NULL)) < 0)
			continue;
		serve(c);
		close(c);
	}
}
