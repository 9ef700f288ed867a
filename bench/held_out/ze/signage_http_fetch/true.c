/*
 * playctl - control server of the signage player
 *
 *   POST /fetch    url=...&slot=...     download a clip into a slot
 *   POST /volume   level=...
 *   POST /playlist order=1,4,2
 *   GET  /status
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <signal.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

#define CTL_PORT   8088
#define HDR_MAX    4096
#define BODY_MAX   2048
#define SLOTS      24
#define URL_MAX    400

struct job {
	struct job *next;
	int slot;
	char *url;
};

struct http_req {
	int fd;
	char method[8];
	char path[64];
	char *body;
};

static struct {
	pthread_mutex_t mu;
	pthread_cond_t wake;
	struct job *first, **last;
	int queued;
	int loaded[SLOTS];
	int order[SLOTS];
	int order_len;
	int volume;
	char last_error[80];
} player = {
	.mu = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER,
	.last = &player.first,
	.volume = 60,
};

/* ------------------------------------------------------------ downloader */

static void set_error(const char *msg)
{
	pthread_mutex_lock(&player.mu);
	snprintf(player.last_error, sizeof(player.last_error), "%s", msg);
	pthread_mutex_unlock(&player.mu);
}

static int download(const struct job *j)
{
	char cmd[URL_MAX + 80], line[128];
	FILE *p;

	snprintf(cmd, sizeof(cmd), "wget -T 20 -O /media/clips/%02d.tmp \"%s\" 2>&1", j->slot, j->url);
	p = popen(cmd, "r");
	if (!p)
		return -1;
	while (fgets(line, sizeof(line), p)) {
		if (strstr(line, "error") || strstr(line, "ERROR")) {
			line[strcspn(line, "\"\n")] = '\0';
			set_error(line);
		}
	}
	return pclose(p);
}

static void *downloader(void *arg)
{
	char from[48], to[48];
	struct job *j;
	int rc;

	(void)arg;
	for (;;) {
		pthread_mutex_lock(&player.mu);
		while (!player.first)
			pthread_cond_wait(&player.wake, &player.mu);
		j = player.first;
		player.first = j->next;
		if (!player.first)
			player.last = &player.first;
		player.queued--;
		pthread_mutex_unlock(&player.mu);

		rc = download(j);
		if (rc == 0) {
			snprintf(from, sizeof(from), "/media/clips/%02d.tmp", j->slot);
			snprintf(to, sizeof(to), "/media/clips/%02d.mp4", j->slot);
			rc = rename(from, to);
		}
		pthread_mutex_lock(&player.mu);
		player.loaded[j->slot] = rc == 0;
		pthread_mutex_unlock(&player.mu);
		free(j->url);
		free(j);
	}
	return NULL;
}

/* ------------------------------------------------------------------ form */

static int hexval(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	if (isxdigit((unsigned char)c))
		return tolower((unsigned char)c) - 'a' + 10;
	return -1;
}

static void unescape(char *s)
{
	char *o = s;

	for (; *s; s++) {
		if (*s == '+') {
			*o++ = ' ';
		} else if (*s == '%' && hexval(s[1]) >= 0 && hexval(s[2]) >= 0) {
			*o++ = (char)(hexval(s[1]) << 4 | hexval(s[2]));
			s += 2;
		} else {
			*o++ = *s;
		}
	}
	*o = '\0';
}

/* takes the body apart; remembers the values of the wanted names */
static void form(char *body, const char *const *names, char **values, int n)
{
	char *save = NULL, *item;
	int i;

	for (i = 0; i < n; i++)
		values[i] = NULL;
	for (item = strtok_r(body, "&", &save); item; item = strtok_r(NULL, "&", &save)) {
		char *eq = strchr(item, '=');

		if (!eq)
			continue;
		*eq++ = '\0';
		for (i = 0; i < n; i++) {
			if (!strcmp(item, names[i])) {
				unescape(eq);
				values[i] = eq;
			}
		}
	}
}

/* -------------------------------------------------------------- handlers */

static int url_ok(const char *u)
{
	if (strncmp(u, "http://", 7) && strncmp(u, "https://", 8))
		return 0;
	if (strlen(u) >= URL_MAX)
		return 0;
	for (; *u; u++) {
		if ((unsigned char)*u <= ' ' || *u == '"' || *u == '`' || *u == ';' || *u == '|' || *u == '\\')
			return 0;
	}
	return 1;
}

static int h_fetch(struct http_req *rq)
{
	static const char *const names[] = { "url", "slot" };
	char *v[2];
	struct job *j;
	int slot;

	form(rq->body, names, v, 2);
	if (!v[0] || !v[1])
		return 400;
	slot = atoi(v[1]);
	if (slot < 0 || slot >= SLOTS || !url_ok(v[0]))
		return 422;
	j = calloc(1, sizeof(*j));
	if (!j || !(j->url = strdup(v[0]))) {
		free(j);
		return 500;
	}
	j->slot = slot;
	pthread_mutex_lock(&player.mu);
	*player.last = j;
	player.last = &j->next;
	player.queued++;
	pthread_cond_signal(&player.wake);
	pthread_mutex_unlock(&player.mu);
	return 202;
}

static int h_volume(struct http_req *rq)
{
	static const char *const names[] = { "level" };
	char *v[1];
	int level;

	form(rq->body, names, v, 1);
	if (!v[0])
		return 400;
	level = atoi(v[0]);
	if (level < 0 || level > 100)
		return 422;
	player.volume = level;
	return 200;
}

static int h_playlist(struct http_req *rq)
{
	static const char *const names[] = { "order" };
	char *v[1], *save = NULL, *t;
	int n = 0;

	form(rq->body, names, v, 1);
	if (!v[0])
		return 400;
	pthread_mutex_lock(&player.mu);
	for (t = strtok_r(v[0], ",", &save); t && n < SLOTS; t = strtok_r(NULL, ",", &save)) {
		int s = atoi(t);

		if (s >= 0 && s < SLOTS)
			player.order[n++] = s;
	}
	player.order_len = n;
	pthread_mutex_unlock(&player.mu);
	return 200;
}

static int h_status(struct http_req *rq)
{
	(void)rq;
	return 200;
}

static const struct {
	const char *method, *path;
	int (*fn)(struct http_req *);
} routes[] = {
	{ "POST", "/fetch", h_fetch },
	{ "POST", "/volume", h_volume },
	{ "POST", "/playlist", h_playlist },
	{ "GET", "/status", h_status },
};

/* ------------------------------------------------------------------ http */

static void respond(int fd, int code)
{
	char buf[400], js[200];
	int n;

	pthread_mutex_lock(&player.mu);
	snprintf(js, sizeof(js), "{\"queued\":%d,\"volume\":%d,\"playlist\":%d,\"error\":\"%s\"}",
		 player.queued, player.volume, player.order_len, player.last_error);
	pthread_mutex_unlock(&player.mu);
	n = snprintf(buf, sizeof(buf),
		     "HTTP/1.0 %d x\r\nContent-Type: application/json\r\nContent-Length: %u\r\n\r\n%s",
		     code, (unsigned)strlen(js), js);
	send(fd, buf, (size_t)n, MSG_NOSIGNAL);
}

static void serve(int fd)
{
	static char hdr[HDR_MAX + 1];
	static char body[BODY_MAX + 1];
	struct http_req rq = { .fd = fd, .body = body };
	size_t len = 0, have, want = 0, i;
	char *end = NULL, *cl;
	int code = 404;

	while (len < HDR_MAX) {
		ssize_t r = recv(fd, hdr + len, HDR_MAX - len, 0);

		if (r <= 0)
			return;
		len += (size_t)r;
		hdr[len] = '\0';
		if ((end = strstr(hdr, "\r\n\r\n")) != NULL)
			break;
	}
	if (!end)
		return;
	*end = '\0';
	end += 4;
	if (sscanf(hdr, "%7s %63s", rq.method, rq.path) != 2)
		return;
	for (cl = hdr; cl; cl = strchr(cl, '\n')) {
		if (*cl == '\n')
			cl++;
		if (!strncasecmp(cl, "Content-Length:", 15))
			want = strtoul(cl + 15, NULL, 10);
	}
	if (want > BODY_MAX) {
		respond(fd, 413);
		return;
	}
	have = len - (size_t)(end - hdr);
	if (have > want)
		have = want;
	memcpy(body, end, have);
	while (have < want) {
		ssize_t r = recv(fd, body + have, want - have, 0);

		if (r <= 0)
			return;
		have += (size_t)r;
	}
	body[have] = '\0';
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (!strcmp(routes[i].method, rq.method) && !strcmp(routes[i].path, rq.path))
			code = routes[i].fn(&rq);
	respond(fd, code);
}

int main(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	pthread_t th;
	int s, on = 1;

	signal(SIGPIPE, SIG_IGN);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	sa.sin_port = htons(CTL_PORT);
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) || listen(s, 8)) {
		perror("playctl");
		return 1;
	}
	pthread_create(&th, NULL, downloader, NULL);
	for (;;) {
		struct timeval tv = { 10, 0 };
		int c = accept(s, NULL, NULL);

		if (c < 0)
			continue;
		setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		serve(c);
		close(c);
	}
}
