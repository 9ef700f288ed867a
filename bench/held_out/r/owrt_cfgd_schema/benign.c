#define _GNU_SOURCE
/*
 * cfgd - small configuration daemon
 *
 * line protocol:
 *   auth <pin> | get <key> | set <key>=<value> | show | commit | quit
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <ctype.h>
#include <unistd.h>
#include <errno.h>
#include <signal.h>
#include <syslog.h>
#include <getopt.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CFG_FILE	"/etc/config/cfgd"
#define HASH_SIZE	32
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

struct kv {
	struct kv *next;
	char *key;
	char *val;
	int dirty;
};

struct opt_schema {
	const char *key;
	const char *def;
	int (*valid)(const char *val);
	void (*apply)(const char *val);
};

static struct kv *kv_tab[HASH_SIZE];
static pthread_mutex_t kv_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile sig_atomic_t commit_pending;
static int listen_port = 4044;
static char pin[16] = "0000";

/* ------------------------------------------------------------ store */

static unsigned kv_hash(const char *s)
{
	unsigned h = 0;

	while (*s)
		h = h * 33 + (unsigned char)*s++;
	return h % HASH_SIZE;
}

static struct kv *kv_find(const char *key)
{
	struct kv *k;

	for (k = kv_tab[kv_hash(key)]; k; k = k->next)
		if (!strcmp(k->key, key))
			return k;
	return NULL;
}

static int kv_set(const char *key, const char *val)
{
	struct kv *k;
	unsigned h;
	char *nv = strdup(val);

	if (!nv)
		return -ENOMEM;
	pthread_mutex_lock(&kv_lock);
	k = kv_find(key);
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k || !(k->key = strdup(key))) {
			pthread_mutex_unlock(&kv_lock);
			free(k);
			free(nv);
			return -ENOMEM;
		}
		h = kv_hash(key);
		k->next = kv_tab[h];
		kv_tab[h] = k;
	}
	if (!k->val || strcmp(k->val, nv))
		k->dirty = 1;
	free(k->val);
	k->val = nv;
	pthread_mutex_unlock(&kv_lock);
	return 0;
}

static char *kv_get(const char *key)
{
	struct kv *k;
	char *v = NULL;

	pthread_mutex_lock(&kv_lock);
	k = kv_find(key);
	if (k && k->val)
		v = strdup(k->val);
	pthread_mutex_unlock(&kv_lock);
	return v;
}

/* ------------------------------------------------------- validators */

static int v_bool(const char *v)
{
	return !strcmp(v, "0") || !strcmp(v, "1");
}

static int v_uint(const char *v)
{
	size_t n = strlen(v);

	return n > 0 && n < 9 && strspn(v, "0123456789") == n;
}

static int v_text(const char *v)
{
	size_t n = 0;

	for (; *v; v++, n++)
		if (!isprint((unsigned char)*v))
			return 0;
	return n < 64;
}

static int v_host(const char *v)
{
	size_t n = 0;

	if (*v == '-')
		return 0;
	for (; *v; v++, n++)
		if (!isalnum((unsigned char)*v) && *v != '-' && *v != '.')
			return 0;
	return n > 0 && n < 64;
}

static int v_endpoint(const char *v)
{
	char host[64];
	const char *c = strchr(v, ':');

	if (!c)
		return v_host(v);
	if ((size_t)(c - v) >= sizeof(host))
		return 0;
	memcpy(host, v, c - v);
	host[c - v] = '\0';
	return v_host(host) && v_uint(c + 1);
}

/* ---------------------------------------------------------- appliers */

static int shell(const char *fmt, ...)
{
	char cmd[256], line[128];
	va_list ap;
	FILE *fp;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(cmd))
		return -1;
	fp = popen(cmd, "r");
	if (!fp)
		return -1;
	while (fgets(line, sizeof(line), fp)) {
		line[strcspn(line, "\n")] = '\0';
		syslog(LOG_DEBUG, "> %s", line);
	}
	return pclose(fp);
}

static void ap_hostname(const char *val)
{
	if (sethostname(val, strlen(val)) < 0)
		syslog(LOG_ERR, "sethostname: %m");
}

static void ap_led(const char *val)
{
	FILE *fp = fopen("/sys/class/leds/power/brightness", "w");

	if (fp) {
		fputs(val, fp);
		fclose(fp);
	}
}

static void ap_remote_log(const char *val)
{
	char *size = kv_get("log.size");

	if (!*val)
		shell("killall syslogd; syslogd -s %s 2>&1", size ? size : "64");
	else
		shell("killall syslogd; syslogd -L -R %s -s %s 2>&1", val, size ? size : "64");
	free(size);
}

static void ap_time_peer(const char *val)
{
	shell("ntpclient -s -c 1 -h %s 2>&1", val);
}

static void ap_none(const char *val)
{
	(void)val;
}

static const struct opt_schema schema[] = {
	{ "system.hostname",    "gateway",     v_host,     ap_hostname },
	{ "system.description", "",            v_text,     ap_none },
	{ "system.led",         "1",           v_bool,     ap_led },
	{ "log.size",           "64",          v_uint,     ap_none },
	{ "log.remote",         "10.0.0.2:514", v_endpoint, ap_remote_log },
	{ "time.peer",          "pool.ntp.org", v_host,    ap_time_peer },
	{ "mgmt.controller",    "10.0.0.1:8443", v_endpoint, ap_none },
};

static const struct opt_schema *find_opt(const char *key)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(schema); i++)
		if (!strcasecmp(schema[i].key, key))
			return &schema[i];
	return NULL;
}

/* ------------------------------------------------------------- file */

static void cfg_save(void)
{
	size_t i;
	FILE *fp = fopen(CFG_FILE ".new", "w");

	if (!fp)
		return;
	for (i = 0; i < ARRAY_SIZE(schema); i++) {
		char *v = kv_get(schema[i].key);

		fprintf(fp, "%s=%s\n", schema[i].key, v ? v : "");
		free(v);
	}
	fclose(fp);
	if (rename(CFG_FILE ".new", CFG_FILE) < 0)
		syslog(LOG_ERR, "rename: %m");
}

static void cfg_load(void)
{
	char line[256], *eq;
	size_t i;
	FILE *fp;

	for (i = 0; i < ARRAY_SIZE(schema); i++)
		kv_set(schema[i].key, schema[i].def);
	fp = fopen(CFG_FILE, "r");
	if (!fp)
		return;
	while (fgets(line, sizeof(line), fp)) {
		const struct opt_schema *o;

		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '#' || !(eq = strchr(line, '=')))
			continue;
		*eq++ = '\0';
		o = find_opt(line);
		if (o && o->valid(eq))
			kv_set(o->key, eq);
	}
	fclose(fp);
}

static void apply_dirty(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(schema); i++) {
		struct kv *k;
		char *v = NULL;

		pthread_mutex_lock(&kv_lock);
		k = kv_find(schema[i].key);
		if (k && k->dirty && k->val) {
			k->dirty = 0;
			v = strdup(k->val);
		}
		pthread_mutex_unlock(&kv_lock);
		if (v) {
			syslog(LOG_INFO, "apply %s", schema[i].key);
			schema[i].apply(v);
			free(v);
		}
	}
}

static void *apply_thread(void *arg)
{
	(void)arg;
	for (;;) {
		sleep(2);
		if (!commit_pending)
			continue;
		commit_pending = 0;
		cfg_save();
		apply_dirty();
	}
	return NULL;
}

/* ------------------------------------------------------------ client */

static void do_line(FILE *out, char *line, int *authed)
{
	char *cmd, *arg, *save = NULL;
	const struct opt_schema *o;

	cmd = strtok_r(line, " \t", &save);
	if (!cmd)
		return;
	arg = strtok_r(NULL, "", &save);
	if (!strcmp(cmd, "auth")) {
		*authed = arg && !strcmp(arg, pin);
		fprintf(out, "%s\n", *authed ? "ok" : "denied");
		return;
	}
	if (!*authed) {
		fprintf(out, "denied\n");
		return;
	}
	if (!strcmp(cmd, "set") && arg) {
		char *val = strchr(arg, '=');

		if (!val) {
			fprintf(out, "syntax\n");
			return;
		}
		*val++ = '\0';
		o = find_opt(arg);
		if (!o)
			fprintf(out, "unknown\n");
		else if (!o->valid(val))
			fprintf(out, "invalid\n");
		else
			fprintf(out, "%s\n", kv_set(o->key, val) ? "error" : "ok");
	} else if (!strcmp(cmd, "get") && arg) {
		char *v = kv_get(arg);

		fprintf(out, "%s\n", v ? v : "");
		free(v);
	} else if (!strcmp(cmd, "show")) {
		size_t i;

		for (i = 0; i < ARRAY_SIZE(schema); i++) {
			char *v = kv_get(schema[i].key);

			fprintf(out, "%s=%s\n", schema[i].key, v ? v : "");
			free(v);
		}
	} else if (!strcmp(cmd, "commit")) {
		commit_pending = 1;
		fprintf(out, "ok\n");
	} else
		fprintf(out, "syntax\n");
}

static void serve(int fd)
{
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int authed = 0;

	while (in && out && (n = getline(&line, &cap, in)) > 0) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = '\0';
		if (!strcmp(line, "quit"))
			break;
		do_line(out, line, &authed);
		fflush(out);
	}
	free(line);
	if (out)
		fclose(out);
	if (in)
		fclose(in);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa;
	pthread_t t;
	int ch, s, c, on = 1;

	while ((ch = getopt(argc, argv, "p:P:")) != -1) {
		if (ch == 'p')
			listen_port = atoi(optarg);
		else if (ch == 'P')
			snprintf(pin, sizeof(pin), "%s", optarg);
	}
	signal(SIGPIPE, SIG_IGN);
	openlog("cfgd", 0, LOG_DAEMON);
	cfg_load();
	apply_dirty();
	pthread_create(&t, NULL, apply_thread, NULL);

	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(listen_port);
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 4) < 0) {
		syslog(LOG_ERR, "port %d: %m", listen_port);
		return 1;
	}
	while ((c = accept(s, NULL, NULL)) >= 0)
		serve(c);
	return 0;
}
