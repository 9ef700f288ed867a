#define _GNU_SOURCE
/*
 * micro httpd with nvram backed apply.cgi, and the rc part that
 * (re)starts services after an apply
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <ctype.h>
#include <errno.h>
#include <unistd.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SERVER_NAME "httpd"
#define DEF_PORT    80
#define ARGV(args...) ((char *[]) { args, NULL })

/* ---- nvram emulation ---- */

struct nvram_tuple {
	struct nvram_tuple *next;
	char *value;
	char name[1];
};

static struct nvram_tuple *nvram_list;
static pthread_mutex_t nvram_mutex = PTHREAD_MUTEX_INITIALIZER;

static int nvram_set(const char *name, const char *value)
{
	struct nvram_tuple *t;

	pthread_mutex_lock(&nvram_mutex);
	for (t = nvram_list; t; t = t->next)
		if (!strcmp(t->name, name))
			break;
	if (!t) {
		t = calloc(1, sizeof(*t) + strlen(name));
		if (!t) {
			pthread_mutex_unlock(&nvram_mutex);
			return -ENOMEM;
		}
		strcpy(t->name, name);
		t->next = nvram_list;
		nvram_list = t;
	}
	/* old values stay, somebody may still hold them */
	t->value = strdup(value);
	pthread_mutex_unlock(&nvram_mutex);
	return 0;
}

static char *nvram_get(const char *name)
{
	struct nvram_tuple *t;
	char *v = NULL;

	pthread_mutex_lock(&nvram_mutex);
	for (t = nvram_list; t; t = t->next)
		if (!strcmp(t->name, name)) {
			v = t->value;
			break;
		}
	pthread_mutex_unlock(&nvram_mutex);
	return v;
}

#define nvram_safe_get(name)	(nvram_get(name) ? : "")
#define nvram_match(name, m)	(!strcmp(nvram_safe_get(name), (m)))

/* ---- rc ---- */

static volatile int rc_signal;
static int ddns_age;

static int eval_bg(char *const argv[])
{
	char cmd[512] = "";
	int i, n = 0;

	for (i = 0; argv[i] && n < (int)sizeof(cmd); i++)
		n += snprintf(cmd + n, sizeof(cmd) - n, "%s ", argv[i]);
	if (n >= (int)sizeof(cmd) - 32)
		return -1;
	strcat(cmd, ">/dev/null 2>&1 &");
	return system(cmd);
}

static void start_ddns(void)
{
	char service[32], login[136];

	if (!nvram_match("ddns_enable", "1"))
		return;
	if (nvram_match("ddns_hostname", "") || nvram_match("ddns_username", ""))
		return;
	switch (atoi(nvram_safe_get("ddns_type"))) {
	case 2:
		strcpy(service, "dyndns-static");
		break;
	case 3:
		strcpy(service, "tzo");
		break;
	case 4:
		strcpy(service, "zoneedit");
		break;
	default:
		strcpy(service, "dyndns");
		break;
	}
	snprintf(login, sizeof(login), "%s:%s", nvram_safe_get("ddns_username"), nvram_safe_get("ddns_passwd"));
	eval_bg(ARGV("ez-ipupdate", "-S", service, "-i", "vlan1", "-u", login,
		     "-h", nvram_safe_get("ddns_hostname"), "-b", "/tmp/ddns.cache", "-d"));
	ddns_age = 0;
}

static void stop_ddns(void)
{
	eval_bg(ARGV("killall", "ez-ipupdate"));
	usleep(200000);
}

static void *rc_main(void *arg)
{
	(void)arg;
	for (;;) {
		sleep(1);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (rc_signal) {
			rc_signal = 0;
			stop_ddns();
			start_ddns();
		} else if (++ddns_age > 86400)
			start_ddns();
	}
	return NULL;
}

/* ---- cgi variables ---- */

#define MAX_CGI 64
static struct { char *name, *value; } cgi_tab[MAX_CGI];
static int n_cgi;

static void unescape(char *s)
{
	unsigned int c;

	while ((s = strpbrk(s, "%+"))) {
		if (*s == '+')
			*s = ' ';
		else if (isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			sscanf(s + 1, "%02x", &c);
			*s = c;
			memmove(s + 1, s + 3, strlen(s + 3) + 1);
			if (!c)
				return;
		}
		s++;
	}
}

static void init_cgi(char *query)
{
	char *name, *value;

	n_cgi = 0;
	if (!query)
		return;
	while ((value = strsep(&query, "&;")) && n_cgi < MAX_CGI) {
		unescape(value);
		name = strsep(&value, "=");
		if (!name || !value)
			continue;
		cgi_tab[n_cgi].name = name;
		cgi_tab[n_cgi++].value = value;
	}
}

static char *get_cgi(const char *name)
{
	int i;

	for (i = 0; i < n_cgi; i++)
		if (!strcmp(cgi_tab[i].name, name))
			return cgi_tab[i].value;
	return NULL;
}

/* ---- variables ---- */

struct variable {
	const char *name;
	const char *longname;
	int (*validate)(FILE *wp, const char *value, struct variable *v);
	char **argv;
	int nullok;
};

static int valid_choice(FILE *wp, const char *value, struct variable *v)
{
	char **c;

	for (c = v->argv; *c; c++)
		if (!strcmp(value, *c))
			return 1;
	fprintf(wp, "Invalid <b>%s</b>: not one of the choices<br>", v->longname);
	return 0;
}

static int valid_range(FILE *wp, const char *value, struct variable *v)
{
	int n = atoi(value);

	if (n < atoi(v->argv[0]) || n > atoi(v->argv[1]) || strspn(value, "0123456789") != strlen(value)) {
		fprintf(wp, "Invalid <b>%s</b>: out of range<br>", v->longname);
		return 0;
	}
	return 1;
}

static int valid_name(FILE *wp, const char *value, struct variable *v)
{
	int n = strlen(value), max = v->argv ? atoi(v->argv[0]) : 64;

	if (n > max) {
		fprintf(wp, "Invalid <b>%s</b>: longer than %d characters<br>", v->longname, max);
		return 0;
	}
	if (strpbrk(value, "\"'<> ")) {
		fprintf(wp, "Invalid <b>%s</b>: no quotes or blanks<br>", v->longname);
		return 0;
	}
	return 1;
}

static struct variable variables[] = {
	{ "ddns_enable",   "DDNS",            valid_choice, ARGV("0", "1"), 0 },
	{ "ddns_type",     "DDNS service",    valid_range,  ARGV("1", "4"), 0 },
	{ "ddns_username", "DDNS user name",  valid_name,   ARGV("63"), 1 },
	{ "ddns_passwd",   "DDNS password",   valid_name,   ARGV("63"), 1 },
	{ "ddns_hostname", "DDNS host name",  valid_name,   ARGV("63"), 1 },
	{ "wl_channel",    "Channel",         valid_range,  ARGV("1", "13"), 0 },
	{ "wl_ssid",       "Network name",    valid_name,   ARGV("32"), 0 },
};

static void send_headers(FILE *fp, int status, const char *title)
{
	char date[64];
	time_t now = time(NULL);

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
	fprintf(fp, "HTTP/1.0 %d %s\r\nServer: %s\r\nDate: %s\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n",
		status, title, SERVER_NAME, date);
}

static void apply_cgi(FILE *fp)
{
	char *action = get_cgi("action"), *value;
	struct variable *v;
	int ok = 1;

	send_headers(fp, 200, "Ok");
	if (!action) {
		fprintf(fp, "no action\n");
		return;
	}
	for (v = variables; v < &variables[sizeof(variables) / sizeof(variables[0])]; v++) {
		if (!(value = get_cgi(v->name)))
			continue;
		if ((!*value && v->nullok) || (*value && v->validate(fp, value, v)))
			nvram_set(v->name, value);
		else
			ok = 0;
	}
	if (!strcmp(action, "Apply") && ok)
		rc_signal = 1;
	fprintf(fp, "<a href=\"/index.asp\">%s</a>\n", ok ? "Continue" : "Back");
}

static void status_cgi(FILE *fp)
{
	send_headers(fp, 200, "Ok");
	fprintf(fp, "ddns=%s age=%d channel=%s\n", nvram_safe_get("ddns_enable"), ddns_age, nvram_safe_get("wl_channel"));
}

static const struct mime_handler {
	const char *pattern;
	void (*output)(FILE *fp);
} mime_handlers[] = {
	{ "apply.cgi", apply_cgi },
	{ "status.cgi", status_cgi },
	{ NULL, NULL }
};

static void handle_request(FILE *fp)
{
	char line[2048], *method, *path, *query, *cur, *post = NULL;
	const struct mime_handler *h;
	int cl = 0;

	if (!fgets(line, sizeof(line), fp))
		return;
	cur = line;
	method = strsep(&cur, " ");
	path = strsep(&cur, " ");
	if (!path || *path != '/')
		return;
	path = strdupa(path + 1);
	method = strdupa(method);
	while (fgets(line, sizeof(line), fp)) {
		if (!strcmp(line, "\n") || !strcmp(line, "\r\n"))
			break;
		if (!strncasecmp(line, "Content-Length:", 15))
			cl = strtoul(line + 15, NULL, 0);
	}
	query = strchr(path, '?');
	if (query)
		*query++ = 0;
	if (!strcasecmp(method, "post")) {
		if (cl < 0 || cl > 10000)
			return;
		post = malloc(cl + 1);
		if (!post)
			return;
		cl = fread(post, 1, cl, fp);
		post[cl] = 0;
		query = post;
	}
	init_cgi(query);
	for (h = mime_handlers; h->pattern; h++)
		if (!strcmp(h->pattern, path))
			break;
	fseek(fp, 0, SEEK_CUR);
	if (h->pattern)
		h->output(fp);
	else
		send_headers(fp, 404, "Not Found");
	fflush(fp);
	free(post);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	pthread_t rc;
	int s, c, on = 1;
	FILE *fp;

	sa.sin_port = htons(argc > 1 ? atoi(argv[1]) : DEF_PORT);
	signal(SIGPIPE, SIG_IGN);
	nvram_set("ddns_enable", "0");
	nvram_set("ddns_type", "1");
	nvram_set("wl_channel", "6");
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) || listen(s, 10)) {
		perror("bind");
		return errno;
	}
	pthread_create(&rc, NULL, rc_main, NULL);
	for (;;) {
		if ((c = accept(s, NULL, NULL)) < 0)
			continue;
		if (!(fp = fdopen(c, "r+"))) {
			close(c);
			continue;
		}
		handle_request(fp);
		fclose(fp);
	}
}
