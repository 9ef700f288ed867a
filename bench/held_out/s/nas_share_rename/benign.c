/*
 * sharemgr.cgi - share administration for the two-bay box
 *
 * POST op=list|create|rename|quota|delete
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#define VOL		"/mnt/vol1"
#define SHARES_DB	"/etc/nas/shares.tab"
#define SESSION_FILE	"/tmp/nas.sid"
#define MAX_POST	8192
#define NAME_LEN	64

struct param {
	struct param *next;
	char *name;
	char *value;
};

struct share {
	struct share *next;
	unsigned int id;
	unsigned long quota;
	char name[NAME_LEN];
};

static struct param *params;
static struct share *shares;
static unsigned int last_id;

static void reply(int ok, const char *text)
{
	printf("Content-Type: text/plain\r\nCache-Control: no-store\r\n\r\n");
	printf("%s %s\n", ok ? "OK" : "ERR", text);
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

static char *url_decode(const char *s, size_t len)
{
	char *out = malloc(len + 1);
	size_t i, o = 0;

	if (!out)
		return NULL;
	for (i = 0; i < len; i++) {
		if (s[i] == '+') {
			out[o++] = ' ';
		} else if (s[i] == '%' && i + 2 < len &&
			   hexval((unsigned char)s[i + 1]) >= 0 &&
			   hexval((unsigned char)s[i + 2]) >= 0) {
			out[o++] = (char)(hexval((unsigned char)s[i + 1]) * 16 +
					  hexval((unsigned char)s[i + 2]));
			i += 2;
		} else {
			out[o++] = s[i];
		}
	}
	out[o] = '\0';
	return out;
}

static void params_parse(const char *body)
{
	while (*body) {
		size_t len = strcspn(body, "&");
		const char *eq = memchr(body, '=', len);

		if (eq) {
			struct param *p = calloc(1, sizeof(*p));

			if (!p)
				return;
			p->name = url_decode(body, eq - body);
			p->value = url_decode(eq + 1, len - (eq + 1 - body));
			p->next = params;
			params = p;
		}
		body += len;
		if (*body == '&')
			body++;
	}
}

static const char *param_get(const char *name)
{
	struct param *p;

	for (p = params; p; p = p->next)
		if (p->name && p->value && strcmp(p->name, name) == 0)
			return p->value;
	return "";
}

static int run_fmt(const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(line))
		return -1;
	syslog(LOG_DEBUG, "run: %s", line);
	return system(line);
}

/* one word for the shell: '...' with every ' written as '\'' */
static int quote_word(char *dst, size_t size, const char *src)
{
	size_t o = 0;

	if (size < 3)
		return -1;
	dst[o++] = '\'';
	for (; *src; src++) {
		if (o + 6 > size)
			return -1;
		if (*src == '\'') {
			memcpy(dst + o, "'\\''", 4);
			o += 4;
		} else {
			dst[o++] = *src;
		}
	}
	dst[o++] = '\'';
	dst[o] = '\0';
	return 0;
}

static void shares_load(void)
{
	char line[256];
	FILE *f = fopen(SHARES_DB, "r");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		struct share *s = calloc(1, sizeof(*s));

		if (!s)
			break;
		if (sscanf(line, "%u\t%63[^\t\n]\t%lu", &s->id, s->name,
			   &s->quota) != 3) {
			free(s);
			continue;
		}
		if (s->id > last_id)
			last_id = s->id;
		s->next = shares;
		shares = s;
	}
	fclose(f);
}

static int shares_save(void)
{
	struct share *s;
	FILE *f = fopen(SHARES_DB ".new", "w");

	if (!f)
		return -1;
	for (s = shares; s; s = s->next)
		fprintf(f, "%u\t%s\t%lu\n", s->id, s->name, s->quota);
	if (fclose(f) != 0)
		return -1;
	return rename(SHARES_DB ".new", SHARES_DB);
}

static struct share *share_find(const char *name)
{
	struct share *s;

	for (s = shares; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

/* names come from the browser, keep them inside the volume and printable */
static int name_ok(const char *name)
{
	const unsigned char *p = (const unsigned char *)name;
	size_t len = strlen(name);

	if (len == 0 || len >= NAME_LEN || name[0] == '.' || name[0] == '-')
		return 0;
	for (; *p; p++)
		if (*p < 0x20 || strchr(";|&<>\"'\\/*?", *p))
			return 0;
	return 1;
}

static int op_list(void)
{
	struct share *s;

	printf("Content-Type: text/plain\r\n\r\n");
	for (s = shares; s; s = s->next)
		printf("%u %lu %s\n", s->id, s->quota, s->name);
	return 0;
}

static int op_create(void)
{
	const char *name = param_get("share");
	char path[128];
	struct share *s;

	if (!name_ok(name) || share_find(name)) {
		reply(0, "bad or used name");
		return -1;
	}
	snprintf(path, sizeof(path), VOL "/%s", name);
	if (mkdir(path, 0775) < 0) {
		reply(0, strerror(errno));
		return -1;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -1;
	s->id = ++last_id;
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->next = shares;
	shares = s;
	shares_save();
	reply(1, "created");
	return 0;
}

static int op_rename(void)
{
	const char *newname = param_get("newname");
	struct share *s = share_find(param_get("share"));
	char from[4 * NAME_LEN + 8], to[4 * NAME_LEN + 8];

	if (!s) {
		reply(0, "no such share");
		return -1;
	}
	if (!name_ok(newname) || share_find(newname)) {
		reply(0, "bad or used name");
		return -1;
	}
	/* the folder may sit on the other disk, so let mv copy it */
	if (quote_word(from, sizeof(from), s->name) < 0 ||
	    quote_word(to, sizeof(to), newname) < 0 ||
	    run_fmt("mv -- " VOL "/%s " VOL "/%s", from, to) != 0) {
		reply(0, "rename failed");
		return -1;
	}
	snprintf(s->name, sizeof(s->name), "%s", newname);
	shares_save();
	reply(1, "renamed");
	return 0;
}

static int op_quota(void)
{
	struct share *s = share_find(param_get("share"));
	unsigned long mb = strtoul(param_get("mb"), NULL, 10);

	if (!s || mb > 16UL * 1024 * 1024) {
		reply(0, "no such share or quota too large");
		return -1;
	}
	s->quota = mb;
	if (run_fmt("setquota -P %u 0 %luM 0 0 " VOL, s->id, mb) != 0) {
		reply(0, "quota failed");
		return -1;
	}
	shares_save();
	reply(1, "quota set");
	return 0;
}

static int op_delete(void)
{
	struct share **pp, *s = share_find(param_get("share"));
	char from[128], to[128];

	if (!s) {
		reply(0, "no such share");
		return -1;
	}
	snprintf(from, sizeof(from), VOL "/%s", s->name);
	snprintf(to, sizeof(to), VOL "/.trash/%u", s->id);
	if (rename(from, to) < 0) {
		reply(0, strerror(errno));
		return -1;
	}
	for (pp = &shares; *pp; pp = &(*pp)->next)
		if (*pp == s) {
			*pp = s->next;
			break;
		}
	free(s);
	shares_save();
	reply(1, "moved to the bin");
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(void);
	int write;
} ops[] = {
	{ "list", op_list, 0 },
	{ "create", op_create, 1 },
	{ "rename", op_rename, 1 },
	{ "quota", op_quota, 1 },
	{ "delete", op_delete, 1 },
};

static int session_ok(void)
{
	const char *cookie = getenv("HTTP_COOKIE");
	char want[64];
	FILE *f = fopen(SESSION_FILE, "r");
	int ok = 0;

	if (!f)
		return 0;
	if (cookie && fgets(want, sizeof(want), f)) {
		want[strcspn(want, "\r\n")] = '\0';
		cookie = strstr(cookie, "sid=");
		if (cookie && strlen(want) >= 16 &&
		    strncmp(cookie + 4, want, strlen(want)) == 0)
			ok = 1;
	}
	fclose(f);
	return ok;
}

int main(void)
{
	const char *method = getenv("REQUEST_METHOD");
	const char *cl = getenv("CONTENT_LENGTH");
	const char *op;
	char *body;
	size_t len, got, i;

	openlog("sharemgr", LOG_PID, LOG_USER);
	if (!method || strcmp(method, "POST") != 0 || !cl) {
		reply(0, "POST only");
		return 0;
	}
	len = strtoul(cl, NULL, 10);
	if (len == 0 || len > MAX_POST) {
		reply(0, "size");
		return 0;
	}
	body = malloc(len + 1);
	if (!body)
		return 1;
	got = fread(body, 1, len, stdin);
	body[got] = '\0';
	params_parse(body);
	free(body);

	shares_load();
	op = param_get("op");
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(ops[i].name, op) != 0)
			continue;
		if (ops[i].write && !session_ok()) {
			reply(0, "login first");
			return 0;
		}
		if (ops[i].fn() < 0)
			syslog(LOG_WARNING, "%s failed", ops[i].name);
		return 0;
	}
	reply(0, "unknown op");
	return 0;
}
