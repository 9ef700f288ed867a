#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <time.h>
#include <errno.h>
#include <sys/types.h>
#include <sys/wait.h>

/* remote setup console, inetd: 2323 stream tcp nowait root /usr/sbin/setupcli setupcli */

typedef struct kv {
	char *k;
	char *v;
	struct kv *next;
} kv_t;

typedef int (*apply_fn)(void);

typedef struct {
	const char *section;
	apply_fn    apply;
} section_t;

static kv_t *store;
static int   changed;

static kv_t *kv_find(const char *k)
{
	kv_t *e;

	for (e = store; e; e = e->next)
		if (!strcmp(e->k, k))
			return e;
	return NULL;
}

static int kv_set(const char *k, const char *v)
{
	kv_t *e = kv_find(k);
	char *copy = strdup(v);

	if (!copy)
		return -ENOMEM;
	if (e) {
		free(e->v);
		e->v = copy;
		changed = 1;
		return 0;
	}
	e = calloc(1, sizeof(*e));
	if (!e || !(e->k = strdup(k))) {
		free(e);
		free(copy);
		return -ENOMEM;
	}
	e->v = copy;
	e->next = store;
	store = e;
	changed = 1;
	return 0;
}

static const char *kv_get(const char *k, const char *def)
{
	kv_t *e = kv_find(k);

	return e ? e->v : def;
}

static int kv_get_int(const char *k, int lo, int hi, int def)
{
	int n = atoi(kv_get(k, ""));

	return (n < lo || n > hi) ? def : n;
}

static int spawn(const char *line)
{
	pid_t p = fork();
	int st;

	if (p < 0)
		return -1;
	if (p == 0) {
		execl("/bin/sh", "sh", "-c", line, (char *)0);
		_exit(126);
	}
	if (waitpid(p, &st, 0) < 0)
		return -1;
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static int spawnf(const char *fmt, ...)
{
	char *line = NULL;
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	rc = spawn(line);
	free(line);
	return rc;
}

static char *sh_word(const char *s)
{
	size_t n = strlen(s);
	char *out = malloc(2 * n + 3), *d = out;

	if (!out)
		return NULL;
	*d++ = '"';
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			*d++ = '\\';
		*d++ = *s;
	}
	*d++ = '"';
	*d = 0;
	return out;
}

static int apply_wifi(void)
{
	char *ssid = sh_word(kv_get("wifi.ssid", "gateway"));
	int ch = kv_get_int("wifi.channel", 1, 13, 6);
	int rc = -1;

	if (ssid)
		rc = spawnf("/usr/sbin/wlcfg --channel=%d --ssid=%s", ch, ssid);
	free(ssid);
	return rc;
}

static int apply_lan(void)
{
	int a = kv_get_int("lan.subnet", 0, 254, 1);
	int m = kv_get_int("lan.mask", 8, 30, 24);

	return spawnf("ifconfig br0 192.168.%d.1/%d up", a, m);
}

static int apply_led(void)
{
	FILE *f = fopen("/sys/class/leds/status/brightness", "w");

	if (!f)
		return -1;
	fprintf(f, "%d\n", kv_get_int("led.level", 0, 255, 128));
	fclose(f);
	return 0;
}

static const section_t sections[] = {
	{ "wifi", apply_wifi },
	{ "lan",  apply_lan },
	{ "led",  apply_led },
};

static int do_set(char *args)
{
	char *k = strtok(args, " \t");
	char *v = strtok(NULL, "");

	if (!k || !v)
		return -EINVAL;
	while (*v == ' ')
		v++;
	return kv_set(k, v);
}

static int do_get(char *args)
{
	char *k = strtok(args, " \t");

	if (!k)
		return -EINVAL;
	printf("%s\n", kv_get(k, "(unset)"));
	return 0;
}

static int do_show(char *args)
{
	kv_t *e;

	(void)args;
	for (e = store; e; e = e->next)
		printf("%s = %s\n", e->k, e->v);
	return 0;
}

static int do_apply(char *args)
{
	char *s = strtok(args, " \t");
	size_t i;
	int rc = 0;

	for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		if (s && strcmp(s, sections[i].section))
			continue;
		rc |= sections[i].apply();
	}
	changed = 0;
	return rc;
}

static const struct {
	const char *word;
	int (*fn)(char *);
} words[] = {
	{ "set",   do_set },
	{ "get",   do_get },
	{ "show",  do_show },
	{ "apply", do_apply },
};

static int dispatch(char *line)
{
	char *args = line + strcspn(line, " \t");
	size_t i;

	if (*args)
		*args++ = 0;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i].word, line))
			return words[i].fn(args);
	return -ENOENT;
}

int main(void)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	kv_set("wifi.channel", "6");
	kv_set("lan.subnet", "1");
	changed = 0;
	alarm(600);
	printf("setup> ");
	fflush(stdout);
	while ((n = getline(&line, &cap, stdin)) > 0) {
		int rc;

		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = 0;
		if (!strcmp(line, "quit"))
			break;
		if (n) {
			rc = dispatch(line);
			printf("%s %d\n", rc == 0 ? "OK" : "ERR", rc);
		}
		printf("setup%s> ", changed ? "*" : "");
		fflush(stdout);
	}
	free(line);
	return 0;
}
