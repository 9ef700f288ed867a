/*
 * upsnetd - network card of the UPS.
 *
 * The web page posts the settings, the monitor thread watches the battery
 * and mails what happens.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <pthread.h>
#include <syslog.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define HTTP_PORT 8081
#define STATE_DIR "/run/ups/"

enum event { EV_NONE, EV_ON_BATTERY, EV_MAINS_BACK, EV_LOW, EV_TEST };

struct notify {
	char *rcpt;
	char *subject;
	int delay;
	unsigned mask;
};

static struct notify *notify;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int test_wanted;
static int shutdown_percent = 15;
static int status_input = 230, status_charge = 100;

static const char *const event_text[] = {
	"nothing", "mains failed, on battery", "mains is back", "battery is low", "test message"
};

static int get_status(const char *name, int dflt)
{
	char path[64];
	int v = dflt;
	FILE *fp;

	snprintf(path, sizeof(path), STATE_DIR "%s", name);
	fp = fopen(path, "r");
	if (fp != NULL) {
		if (fscanf(fp, "%d", &v) != 1)
			v = dflt;
		fclose(fp);
	}
	return v;
}

/* ------------------------------------------------------------ mail */

static void send_mail(const char *rcpt, const char *subject, enum event ev)
{
	char cmd[300];
	FILE *pp;

	snprintf(cmd, sizeof(cmd), "/usr/sbin/sendmail -i -f ups@localhost %s", rcpt);
	pp = popen(cmd, "w");
	if (pp == NULL) {
		syslog(LOG_ERR, "sendmail: %m");
		return;
	}
	fprintf(pp, "To: %s\nSubject: %s\n\n", rcpt, subject);
	fprintf(pp, "%s\ninput %d V, charge %d %%\n", event_text[ev], status_input, status_charge);
	if (pclose(pp) != 0)
		syslog(LOG_WARNING, "mail for event %d was not sent", ev);
}

static void tell(enum event ev)
{
	char *rcpt = NULL, *subject = NULL;

	pthread_mutex_lock(&lock);
	if (notify->rcpt != NULL && (ev == EV_TEST || (notify->mask & 1u << ev))) {
		rcpt = strdup(notify->rcpt);
		subject = strdup(notify->subject ? notify->subject : "UPS event");
	}
	pthread_mutex_unlock(&lock);
	syslog(LOG_NOTICE, "event: %s", event_text[ev]);
	if (rcpt != NULL && subject != NULL)
		send_mail(rcpt, subject, ev);
	free(rcpt);
	free(subject);
}

static void *monitor(void *arg)
{
	int on_battery = 0, low = 0, since = 0;

	for (;; sleep(1)) {
		int test;

		status_input = get_status("input", status_input);
		status_charge = get_status("charge", status_charge);
		if (status_input < 180) {
			if (++since == notify->delay + 1) {
				on_battery = 1;
				tell(EV_ON_BATTERY);
			}
		} else {
			since = 0;
			if (on_battery)
				tell(EV_MAINS_BACK);
			on_battery = low = 0;
		}
		if (on_battery && !low && status_charge < shutdown_percent) {
			low = 1;
			tell(EV_LOW);
			system("/usr/lib/ups/shutdown-clients");
		}
		pthread_mutex_lock(&lock);
		test = test_wanted;
		test_wanted = 0;
		pthread_mutex_unlock(&lock);
		if (test)
			tell(EV_TEST);
	}
	return NULL;
}

/* ------------------------------------------------------------ settings */

static int address_ok(const char *a)
{
	const char *at = strchr(a, '@');
	const char *p;

	if (at == NULL || at == a || strlen(a) > 120 || a[0] == '-')
		return 0;
	if (strchr(at, '.') == NULL)
		return 0;
	for (p = a; *p; p++) {
		if (p == at)
			continue;
		if (!isalnum((unsigned char)*p) && strchr("._+-", *p) == NULL)
			return 0;
	}
	return 1;
}

static char *decoded(const char *s)
{
	char *r = malloc(strlen(s) + 1), *d = r;

	while (r != NULL && *s) {
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			char h[3] = { s[1], s[2], 0 };
			int c = (int)strtol(h, NULL, 16);
			if (c >= 32)
				*d++ = (char)c;
			s += 3;
		} else {
			*d++ = *s == '+' ? ' ' : *s;
			s++;
		}
	}
	if (r != NULL)
		*d = 0;
	return r;
}

static const char *apply(const char *name, const char *raw)
{
	char *val = decoded(raw);
	const char *err = NULL;

	if (val == NULL)
		return "memory";
	pthread_mutex_lock(&lock);
	if (!strcmp(name, "rcpt")) {
		if (address_ok(val)) {
			free(notify->rcpt);
			notify->rcpt = val;
			val = NULL;
		} else
			err = "bad address";
	} else if (!strcmp(name, "subject")) {
		if (strlen(val) < 80) {
			free(notify->subject);
			notify->subject = val;
			val = NULL;
		} else
			err = "subject is too long";
	} else if (!strcmp(name, "delay")) {
		notify->delay = atoi(val) < 0 ? 0 : atoi(val) % 600;
	} else if (!strcmp(name, "events")) {
		notify->mask = (unsigned)strtoul(val, NULL, 0);
	} else if (!strcmp(name, "shutdown")) {
		int n = atoi(val);
		if (n >= 5 && n <= 90)
			shutdown_percent = n;
		else
			err = "5 to 90";
	} else if (!strcmp(name, "test")) {
		test_wanted = 1;
	}
	pthread_mutex_unlock(&lock);
	free(val);
	return err;
}

static const char *apply_form(char *form)
{
	char *save = NULL, *p;
	const char *err = NULL, *e;

	for (p = strtok_r(form, "&\r\n", &save); p; p = strtok_r(NULL, "&\r\n", &save)) {
		char *eq = strchr(p, '=');
		if (eq == NULL)
			continue;
		*eq = 0;
		e = apply(p, eq + 1);
		if (e != NULL)
			err = e;
	}
	return err;
}

static void serve(FILE *io)
{
	char *line = NULL, *body;
	char method[8] = "", path[40] = "";
	size_t cap = 0, length = 0, got;
	const char *err;

	if (getline(&line, &cap, io) <= 0 || sscanf(line, "%7s %39s", method, path) != 2) {
		free(line);
		return;
	}
	while (getline(&line, &cap, io) > 0 && line[0] != '\r' && line[0] != '\n') {
		if (!strncasecmp(line, "Content-Length:", 15))
			length = strtoul(line + 15, NULL, 10);
	}
	free(line);
	if (!strcmp(method, "GET") && !strcmp(path, "/status")) {
		fprintf(io, "HTTP/1.0 200 OK\r\n\r\ninput %d\ncharge %d\nshutdown %d\n",
			status_input, status_charge, shutdown_percent);
		return;
	}
	if (strcmp(method, "POST") || strcmp(path, "/notify") || length == 0 || length > 4000) {
		fputs("HTTP/1.0 400 Bad Request\r\n\r\n", io);
		return;
	}
	body = malloc(length + 1);
	if (body == NULL)
		return;
	got = fread(body, 1, length, io);
	body[got] = 0;
	err = apply_form(body);
	free(body);
	fprintf(io, "HTTP/1.0 %s\r\n\r\n%s\n", err ? "422 Refused" : "200 OK", err ? err : "saved");
}

int main(void)
{
	struct sockaddr_in sa;
	pthread_t th;
	int ls, on = 1;

	openlog("upsnetd", LOG_CONS, LOG_DAEMON);
	signal(SIGPIPE, SIG_IGN);
	notify = calloc(1, sizeof(*notify));
	ls = socket(AF_INET, SOCK_STREAM, 0);
	if (notify == NULL || ls < 0)
		return 1;
	notify->mask = ~0u;
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(HTTP_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) || listen(ls, 3)) {
		syslog(LOG_ERR, "bind: %m");
		return 1;
	}
	pthread_create(&th, NULL, monitor, NULL);
	for (;;) {
		int fd = accept(ls, NULL, NULL);
		struct timeval tv = { 5, 0 };
		FILE *io;

		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		io = fdopen(fd, "r+");
		if (io == NULL) {
			close(fd);
			continue;
		}
		serve(io);
		fclose(io);
	}
}
