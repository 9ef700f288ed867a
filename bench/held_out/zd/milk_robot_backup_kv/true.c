/*
 * herdbox - remote console of the milking robot
 *
 * Settings live in a small key-value store; every key has a setter which
 * checks it.  "backup" sends the herd data base to the farm's FTP server.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/select.h>
#include <netinet/in.h>

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HB_PORT		7010
#define VALMAX		64

struct setting {
	const char	*key;
	int		(*check)(const char *);
	char		val[VALMAX];
};

static int	ck_any(const char *);
static int	ck_count(const char *);
static int	ck_host(const char *);
static int	ck_serial(const char *);

static struct setting settings[] = {
	{ "robot.serial",	ck_serial,	"MR0001" },
	{ "robot.boxes",	ck_count,	"2" },
	{ "wash.hour",		ck_count,	"3" },
	{ "backup.host",	ck_host,	"192.168.1.10" },
	{ "backup.user",	ck_any,		"herd" },
	{ "backup.pass",	ck_any,		"" },
	{ "backup.every",	ck_count,	"0" },
};
#define NSETTINGS	(sizeof(settings) / sizeof(settings[0]))

static time_t	last_backup;
static int	cows_milked;
static volatile sig_atomic_t ticked;

static int
ck_any(const char *v)
{
	for (; *v != '\0'; v++)
		if (iscntrl((unsigned char)*v))
			return (0);
	return (1);
}

static int
ck_count(const char *v)
{
	size_t i;

	for (i = 0; v[i] != '\0'; i++)
		if (!isdigit((unsigned char)v[i]))
			return (0);
	return (i > 0 && i < 6);
}

static int
ck_host(const char *v)
{
	return (*v != '\0' && *v != '-' && ck_any(v));
}

static int
ck_serial(const char *v)
{
	size_t i;

	for (i = 0; v[i] != '\0'; i++)
		if (!isupper((unsigned char)v[i]) && !isdigit((unsigned char)v[i]))
			return (0);
	return (i > 0 && i <= 12);
}

static struct setting *
kv_find(const char *key)
{
	size_t i;

	for (i = 0; i < NSETTINGS; i++)
		if (strcmp(settings[i].key, key) == 0)
			return (&settings[i]);
	return (NULL);
}

static int
kv_set(const char *key, const char *val)
{
	struct setting *s;

	if ((s = kv_find(key)) == NULL)
		return (ENOENT);
	if (strlen(val) >= sizeof(s->val))
		return (E2BIG);
	if (!s->check(val))
		return (EINVAL);
	strcpy(s->val, val);
	return (0);
}

static const char *
kv_get(const char *key)
{
	struct setting *s = kv_find(key);

	return (s != NULL ? s->val : "");
}

/*
 * Puts s in single quotes for the shell.
 */
static int
shquote(const char *s, char *buf, size_t cap)
{
	size_t n = 0;

	if (cap < 3)
		return (-1);
	buf[n++] = '\'';
	for (; *s != '\0'; s++) {
		if (n + 6 > cap)
			return (-1);
		if (*s == '\'') {
			memcpy(buf + n, "'\\''", 4);
			n += 4;
		} else
			buf[n++] = *s;
	}
	buf[n++] = '\'';
	buf[n] = '\0';
	return (0);
}

static int
do_backup(void)
{
	char user[4 * VALMAX + 8], pass[4 * VALMAX + 8];
	const char *host;
	char cmd[1024];
	int n;

	if (shquote(kv_get("backup.user"), user, sizeof(user)) != 0 ||
	    shquote(kv_get("backup.pass"), pass, sizeof(pass)) != 0)
		return (-1);
	if (*(host = kv_get("backup.host")) == '\0')
		return (-1);
	n = snprintf(cmd, sizeof(cmd),
	    "ftpput -u %s -p %s %s /herd/%s.db /var/db/herd.db",
	    user, pass, host, kv_get("robot.serial"));
	if (n < 0 || (size_t)n >= sizeof(cmd))
		return (-1);
	last_backup = time(NULL);
	return (system(cmd));
}

static void
cmd_set(FILE *f, char *arg)
{
	char *key, *val;
	int e;

	key = strtok(arg, " \t");
	val = strtok(NULL, "");
	if (key == NULL || val == NULL) {
		fprintf(f, "usage: set key value\n");
		return;
	}
	while (*val == ' ' || *val == '\t')
		val++;
	if ((e = kv_set(key, val)) != 0)
		fprintf(f, "%s: %s\n", key, strerror(e));
	else
		fprintf(f, "ok\n");
}

static void
cmd_show(FILE *f, char *arg)
{
	size_t i;

	for (i = 0; i < NSETTINGS; i++)
		if (arg == NULL || strncmp(settings[i].key, arg, strlen(arg)) == 0)
			fprintf(f, "%-14s %s\n", settings[i].key,
			    strstr(settings[i].key, "pass") ? "***" : settings[i].val);
}

static void
cmd_backup(FILE *f, char *arg)
{
	(void)arg;
	fprintf(f, "%s\n", do_backup() == 0 ? "ok" : "backup failed");
}

static void
cmd_status(FILE *f, char *arg)
{
	(void)arg;
	fprintf(f, "milked %d, last backup %ld\n", cows_milked, (long)last_backup);
}

static void
cmd_milked(FILE *f, char *arg)
{
	int n = arg != NULL ? atoi(arg) : 1;

	if (n > 0 && n < 1000)
		cows_milked += n;
	fprintf(f, "ok\n");
}

static const struct cmd {
	const char	*name;
	void		(*fn)(FILE *, char *);
} cmds[] = {
	{ "set",	cmd_set },
	{ "show",	cmd_show },
	{ "backup",	cmd_backup },
	{ "status",	cmd_status },
	{ "milked",	cmd_milked },
};

static void
console(int s)
{
	FILE *in, *out;
	char line[256], *arg;
	size_t i;
	int d;

	if ((d = dup(s)) < 0 || (in = fdopen(s, "r")) == NULL) {
		close(s);
		return;
	}
	if ((out = fdopen(d, "w")) == NULL) {
		close(d);
		fclose(in);
		return;
	}
	setvbuf(out, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), in) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		if ((arg = strchr(line, ' ')) != NULL)
			*arg++ = '\0';
		if (strcmp(line, "quit") == 0)
			break;
		for (i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++)
			if (strcmp(line, cmds[i].name) == 0)
				break;
		if (i == sizeof(cmds) / sizeof(cmds[0]))
			fprintf(out, "unknown command\n");
		else if (cmds[i].fn == cmd_set && arg == NULL)
			fprintf(out, "usage: set key value\n");
		else
			cmds[i].fn(out, arg);
	}
	fclose(in);
	fclose(out);
}

static void
on_alarm(int sig)
{
	(void)sig;
	ticked = 1;
}

static void
periodic(void)
{
	int every = atoi(kv_get("backup.every"));

	ticked = 0;
	if (every > 0 && time(NULL) - last_backup >= every * 60L)
		if (do_backup() != 0)
			warnx("periodic backup failed");
}

int
main(void)
{
	struct itimerval it = { { 10, 0 }, { 10, 0 } };
	struct sigaction sg;
	struct sockaddr_in sin;
	fd_set rd;
	int ls, s, on = 1;

	signal(SIGPIPE, SIG_IGN);
	memset(&sg, 0, sizeof(sg));
	sg.sa_handler = on_alarm;
	sg.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sg, NULL);
	if ((ls = socket(AF_INET, SOCK_STREAM, 0)) < 0)
		err(1, "socket");
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(HB_PORT);
	if (bind(ls, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(ls, 3) < 0)
		err(1, "bind");
	setitimer(ITIMER_REAL, &it, NULL);
	for (;;) {
		FD_ZERO(&rd);
		FD_SET(ls, &rd);
		if (select(ls + 1, &rd, NULL, NULL, NULL) > 0) {
			if ((s = accept(ls, NULL, NULL)) < 0)
				warn("accept");
			else
				console(s);
		}
		if (ticked)
			periodic();
	}
}
