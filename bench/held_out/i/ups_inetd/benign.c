/*
 * upsnetd: a small subset of the Network UPS Tools protocol for the
 * management card.  Started by inetd, speaks on stdin/stdout.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <syslog.h>
#include <sys/wait.h>
#include <sys/types.h>

#define DRIVER		"/usr/lib/ups/upsdrvctl"
#define OK(x)		((x) == 0)

/* character classes, filled in by cls_init() */
#define C_OK		1
#define C_SPACE		2

static unsigned char cls[256];

struct var {
	const char *name;
	int rw;
	char value[72];
};

static struct var vars[] = {
	{ "battery.charge", 0, "100" },
	{ "battery.date",   1, "2019/01/01" },
	{ "ups.id",         1, "card0" },
	{ "ups.delay.shutdown", 1, "20" },
	{ "ups.status",     0, "OL" },
	{ NULL, 0, "" }
};

static struct {
	char user[32];
	char pass[32];
	int  logged_in;
	int  shutdown;
} ses;

static void cls_init(void)
{
	int c;

	for (c = '0'; c <= '9'; c++)
		cls[c] = C_OK;
	for (c = 'a'; c <= 'z'; c++)
		cls[c] = cls[c - 'a' + 'A'] = C_OK;
	cls['.'] = cls['-'] = cls['_'] = C_OK;
	cls['/'] = cls[':'] = C_OK;
	cls[' '] = cls['\t'] = C_SPACE;
}

static int all_ok(const char *s)
{
	if (!*s)
		return 0;
	while (*s)
		if (cls[(unsigned char)*s++] != C_OK)
			return 0;
	return 1;
}

static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

static int driver(const char *fmt, ...)
{
	char cmd[256];
	va_list ap;
	pid_t pid;
	int n, st = -1;

	n = snprintf(cmd, sizeof(cmd), "%s ", DRIVER);
	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - n, fmt, ap);
	va_end(ap);

	pid = fork();
	if (pid == 0) {
		dup2(2, 1);
		execl("/bin/sh", "sh", "-c", cmd, (char *)0);
		_exit(126);
	}
	if (pid > 0)
		waitpid(pid, &st, 0);
	return st;
}

static struct var *var_find(const char *name)
{
	struct var *v;

	for (v = vars; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

/* next word of the line, "quoted words" may hold blanks */
static char *word(char **pp)
{
	char *p = *pp, *w;

	while (cls[(unsigned char)*p] == C_SPACE)
		p++;
	if (!*p) {
		*pp = p;
		return NULL;
	}
	if (*p == '"') {
		w = ++p;
		while (*p && *p != '"')
			p++;
	} else {
		w = p;
		while (*p && cls[(unsigned char)*p] != C_SPACE)
			p++;
	}
	if (*p)
		*p++ = '\0';
	*pp = p;
	return w;
}

static int copy_word(char *dst, size_t sz, const char *w)
{
	if (!w || strlen(w) >= sz)
		return -1;
	strcpy(dst, w);
	return 0;
}

/* ---- requests --------------------------------------------------------- */

static int rq_user(char *args)
{
	return copy_word(ses.user, sizeof(ses.user), word(&args));
}

static int rq_pass(char *args)
{
	return copy_word(ses.pass, sizeof(ses.pass), word(&args));
}

static int rq_login(char *args)
{
	char u[32], p[32];
	FILE *f = fopen("/etc/ups/upsd.users", "r");

	if (!f)
		return -1;
	while (!ses.logged_in && fscanf(f, "%31s %31s", u, p) == 2)
		if (!strcmp(u, ses.user) && !strcmp(p, ses.pass))
			ses.logged_in = 1;
	fclose(f);
	return ses.logged_in ? 0 : -1;
}

static int rq_get(char *args)
{
	char *what = word(&args), *ups = word(&args), *name = word(&args);
	struct var *v;

	if (!name || strcmp(what, "VAR") || !(v = var_find(name)))
		return -1;
	say("VAR %s %s \"%s\"", ups, v->name, v->value);
	return 1;
}

static int rq_list(char *args)
{
	struct var *v;

	say("BEGIN LIST VAR");
	for (v = vars; v->name; v++)
		say("VAR ups %s \"%s\"", v->name, v->value);
	say("END LIST VAR");
	return 1;
}

static int rq_set(char *args)
{
	char *what = word(&args), *ups = word(&args), *name = word(&args), *val = word(&args);
	struct var *v;

	if (!val || !ups || strcmp(what, "VAR"))
		return -1;
	v = var_find(name);
	if (!v || !v->rw || !all_ok(val))
		return -1;
	return copy_word(v->value, sizeof(v->value), val);
}

static int cmd_test(void)
{
	return driver("test --id %s", var_find("ups.id")->value);
}

static int cmd_beep(void)
{
	return driver("beeper toggle");
}

static int rq_instcmd(char *args)
{
	char *ups = word(&args), *name = word(&args);

	if (!ups || !name)
		return -1;
	if (!strcmp(name, "test.battery.start"))
		return OK(cmd_test()) ? 0 : -1;
	if (!strcmp(name, "beeper.toggle"))
		return OK(cmd_beep()) ? 0 : -1;
	if (!strcmp(name, "load.off") && ses.logged_in)
		return OK(driver("-k shutdown")) ? 0 : -1;
	return -1;
}

static int rq_logout(char *args)
{
	ses.shutdown = 1;
	return 0;
}

static const struct {
	const char *verb;
	int (*fn)(char *);
} verbs[] = {
	{ "GET", rq_get },	{ "INSTCMD", rq_instcmd },
	{ "LIST", rq_list },	{ "LOGIN", rq_login },
	{ "LOGOUT", rq_logout },	{ "PASSWORD", rq_pass },
	{ "SET", rq_set },	{ "USERNAME", rq_user },
};

static void request(char *line)
{
	char *verb = word(&line);
	size_t i;
	int r;

	if (!verb)
		return;
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verbs[i].verb, verb)) {
			r = verbs[i].fn(line);
			if (r == 0)
				say("OK");
			else if (r < 0)
				say("ERR INVALID-ARGUMENT");
			return;
		}
	say("ERR UNKNOWN-COMMAND");
}

int main(void)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	openlog("upsnetd", LOG_PID, LOG_DAEMON);
	cls_init();
	while (!ses.shutdown && (n = getline(&line, &cap, stdin)) > 0) {
		if (n > 512) {
			syslog(LOG_WARNING, "line too long");
			break;
		}
		line[strcspn(line, "\r\n")] = '\0';
		request(line);
	}
	free(line);
	return 0;
}
