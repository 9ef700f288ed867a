/* share.cgi - shared folder administration for the DS web console */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MAX_BODY   4096
#define MAX_FIELDS 16
#define VOL_ROOT   "/mnt/HD/HD_a2"

struct field {
	char *name;
	char *value;
};

struct request {
	char method[8];
	char action[32];
	struct field f[MAX_FIELDS];
	int nf;
};

static void cgi_log(const char *what, int rc)
{
	FILE *fp = fopen("/var/log/share_cgi.log", "a");

	if (!fp)
		return;
	fprintf(fp, "%ld %s rc=%d\n", (long)time(NULL), what, rc);
	fclose(fp);
}

static int hexval(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower(c);
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static void url_decode(char *s)
{
	char *d = s;

	while (*s) {
		if (*s == '+') {
			*d++ = ' ';
			s++;
		} else if (*s == '%' && hexval((unsigned char)s[1]) >= 0 &&
			   hexval((unsigned char)s[2]) >= 0) {
			*d++ = hexval((unsigned char)s[1]) * 16 + hexval((unsigned char)s[2]);
			s += 3;
		} else {
			*d++ = *s++;
		}
	}
	*d = 0;
}

static void split_form(struct request *rq, char *body)
{
	char *tok, *eq;

	for (tok = strtok(body, "&"); tok && rq->nf < MAX_FIELDS; tok = strtok(NULL, "&")) {
		eq = strchr(tok, '=');
		if (!eq)
			continue;
		*eq++ = 0;
		url_decode(tok);
		url_decode(eq);
		rq->f[rq->nf].name = tok;
		rq->f[rq->nf].value = eq;
		rq->nf++;
	}
}

static const char *param(const struct request *rq, const char *name)
{
	int i;

	for (i = 0; i < rq->nf; i++)
		if (strcmp(rq->f[i].name, name) == 0)
			return rq->f[i].value;
	return "";
}

static void answer(int code, const char *msg)
{
	printf("Content-Type: text/xml\r\n\r\n");
	printf("<?xml version=\"1.0\"?><config><res>%d</res><msg>%s</msg></config>\n", code, msg);
}

static int shell(const char *cmd)
{
	int st;
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &st, 0) < 0)
		return -1;
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static int name_ok(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 32 || s[0] == '.' || s[0] == '-')
		return 0;
	return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == n;
}

static int do_list(struct request *rq)
{
	char line[256];
	FILE *fp = fopen("/etc/samba/shares.list", "r");

	printf("Content-Type: text/plain\r\n\r\n");
	if (!fp)
		return 0;
	while (fgets(line, sizeof line, fp))
		fputs(line, stdout);
	fclose(fp);
	return 0;
}

static int do_create(struct request *rq)
{
	const char *name = param(rq, "name");
	int ro = atoi(param(rq, "readonly"));
	char cmd[256];
	int rc;

	if (!name_ok(name)) {
		answer(2, "bad folder name");
		return -1;
	}
	snprintf(cmd, sizeof cmd,
		 "mkdir -p " VOL_ROOT "/%s && smbcmd -a %s -r %d", name, name, ro);
	rc = shell(cmd);
	answer(rc ? 1 : 0, rc ? "failed" : "created");
	return rc;
}

static int do_quota(struct request *rq)
{
	long mb = strtol(param(rq, "mb"), NULL, 10);
	long uid = strtol(param(rq, "uid"), NULL, 10);
	char cmd[128];
	int rc;

	if (mb < 0 || mb > 4000000 || uid < 500 || uid > 65000) {
		answer(2, "range");
		return -1;
	}
	snprintf(cmd, sizeof cmd, "setquota -u %ld %ld %ld 0 0 " VOL_ROOT, uid, mb * 1024 / 1024, mb);
	rc = shell(cmd);
	answer(rc ? 1 : 0, "quota");
	return rc;
}

static int do_scan(struct request *rq)
{
	struct stat st;

	answer(stat(VOL_ROOT, &st) == 0 ? 0 : 1, "volume");
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(struct request *);
} actions[] = {
	{ "list",   do_list },
	{ "create", do_create },
	{ "quota",  do_quota },
	{ "scan",   do_scan },
};

int main(void)
{
	static char body[MAX_BODY];
	struct request rq;
	const char *m = getenv("REQUEST_METHOD");
	const char *q = getenv("QUERY_STRING");
	const char *cl = getenv("CONTENT_LENGTH");
	size_t want = 0, got;
	unsigned i;

	memset(&rq, 0, sizeof rq);
	snprintf(rq.method, sizeof rq.method, "%s", m ? m : "GET");
	if (q && strncmp(q, "act=", 4) == 0)
		snprintf(rq.action, sizeof rq.action, "%.*s", (int)strcspn(q + 4, "&"), q + 4);
	if (strcmp(rq.method, "POST") == 0 && cl) {
		want = strtoul(cl, NULL, 10);
		if (want > sizeof body - 1)
			want = sizeof body - 1;
		got = fread(body, 1, want, stdin);
		body[got] = 0;
		split_form(&rq, body);
	}
	for (i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		if (strcmp(actions[i].name, rq.action) == 0) {
			cgi_log(actions[i].name, actions[i].fn(&rq));
			return 0;
		}
	}
	answer(3, "no such action");
	return 0;
}
