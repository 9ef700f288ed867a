/* share.cgi - create, drop and list shares on the volume */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define VOLUME		"/mnt/vol1"
#define SHARE_CONF	"/etc/nas/shares.conf"
#define MAX_BODY	4096
#define NSLOTS		31

struct slot {
	struct slot *next;
	char *key;
	char *val;
};

static struct slot *store[NSLOTS];

static unsigned
hash(const char *s)
{
	unsigned h = 5381;

	while (*s)
		h = h * 33 + (unsigned char)*s++;
	return h % NSLOTS;
}

static const char *
kv_get(const char *key)
{
	struct slot *p;

	for (p = store[hash(key)]; p; p = p->next)
		if (!strcmp(p->key, key))
			return p->val;
	return "";
}

static void
kv_set(const char *key, const char *val)
{
	unsigned h = hash(key);
	struct slot *p;

	for (p = store[h]; p; p = p->next) {
		if (!strcmp(p->key, key)) {
			char *nv = strdup(val);

			if (nv) {
				free(p->val);
				p->val = nv;
			}
			return;
		}
	}
	p = malloc(sizeof *p);
	if (!p)
		return;
	p->key = strdup(key);
	p->val = strdup(val);
	if (!p->key || !p->val) {
		free(p->key);
		free(p->val);
		free(p);
		return;
	}
	p->next = store[h];
	store[h] = p;
}

static void
unescape(char *s)
{
	char *d = s;
	char hex[3] = "";

	for (; *s; s++, d++) {
		if (*s == '+') {
			*d = ' ';
		} else if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			hex[0] = s[1];
			hex[1] = s[2];
			*d = (char)strtol(hex, NULL, 16);
			s += 2;
		} else {
			*d = *s;
		}
	}
	*d = 0;
}

static int
load_body(void)
{
	static char body[MAX_BODY + 1];
	const char *cl = getenv("CONTENT_LENGTH");
	char *tok, *save, *eq;
	long want = cl ? strtol(cl, NULL, 10) : 0;
	size_t got;

	if (want <= 0 || want > MAX_BODY)
		return -1;
	got = fread(body, 1, (size_t)want, stdin);
	body[got] = 0;

	for (tok = strtok_r(body, "&", &save); tok; tok = strtok_r(NULL, "&", &save)) {
		eq = strchr(tok, '=');
		if (!eq)
			continue;
		*eq++ = 0;
		unescape(tok);
		unescape(eq);
		kv_set(tok, eq);
	}
	return 0;
}

static int
name_ok(const char *s)
{
	size_t n = strlen(s);

	if (n < 1 || n > 40)
		return 0;
	if (s[0] == '.' || s[0] == '-')
		return 0;
	return strchr(s, '/') == NULL;
}

static int
sh(const char *fmt, ...)
{
	char *cmd = NULL;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = vasprintf(&cmd, fmt, ap);
	va_end(ap);
	if (rc < 0)
		return -1;
	rc = system(cmd);
	free(cmd);
	return rc;
}

static int
conf_append(const char *name)
{
	FILE *f = fopen(SHARE_CONF, "a");

	if (!f)
		return -1;
	fprintf(f, "%s:%d\n", name, !strcmp(kv_get("readonly"), "on"));
	return fclose(f);
}

static void
fail(const char *why)
{
	printf("{\"ok\":false,\"error\":\"%s\"}\n", why);
}

static void
do_create(void)
{
	const char *name = kv_get("share");
	long quota = strtol(kv_get("quota"), NULL, 10);

	if (!name_ok(name)) {
		fail("bad name");
		return;
	}
	if (sh("mkdir -p %s/%s && chown nobody:users %s/%s", VOLUME, name, VOLUME, name) != 0) {
		fail("mkdir");
		return;
	}
	if (quota > 0)
		sh("/usr/sbin/xfs_quota -x -c 'limit bhard=%ldm users' %s", quota, VOLUME);
	if (conf_append(name)) {
		fail("config");
		return;
	}
	printf("{\"ok\":true}\n");
}

static void
do_drop(void)
{
	char path[128];
	const char *name = kv_get("share");

	if (!name_ok(name)) {
		fail("bad name");
		return;
	}
	snprintf(path, sizeof path, "%s/%s", VOLUME, name);
	if (rmdir(path)) {
		fail("not empty");
		return;
	}
	printf("{\"ok\":true}\n");
}

static void
do_list(void)
{
	FILE *f = fopen(SHARE_CONF, "r");
	char *line = NULL;
	size_t cap = 0;
	int first = 1;

	printf("{\"ok\":true,\"shares\":[");
	while (f && getline(&line, &cap, f) > 0) {
		line[strcspn(line, ":\n")] = 0;
		printf("%s\"%s\"", first ? "" : ",", line);
		first = 0;
	}
	printf("]}\n");
	free(line);
	if (f)
		fclose(f);
}

int
main(void)
{
	const char *method = getenv("REQUEST_METHOD");
	const char *op;

	puts("Content-Type: application/json\r\n\r");
	if (!method || strcmp(method, "POST") || load_body()) {
		fail("request");
		return 0;
	}
	op = kv_get("op");
	switch (op[0]) {
	case 'c':
		do_create();
		break;
	case 'd':
		do_drop();
		break;
	case 'l':
		do_list();
		break;
	default:
		fail("op");
	}
	fflush(stdout);
	return 0;
}
