#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/stat.h>

#define MAX_BODY    4096
#define MAX_FIELDS  24
#define CONF_PATH   "/etc/conf/ddns.conf"

struct field {
	char *name;
	char *value;
};

struct form {
	struct field f[MAX_FIELDS];
	int n;
};

struct ddns {
	char provider[24];
	char domain[80];
	char user[48];
	int  interval;
};

static int hexval(int c)
{
	if (c >= '0' && c <= '9') return c - '0';
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	if (c >= 'A' && c <= 'F') return c - 'A' + 10;
	return -1;
}

static void url_decode(char *s)
{
	char *d = s;

	while (*s) {
		if (*s == '+') {
			*d++ = ' ';
			s++;
		} else if (*s == '%' && hexval(s[1]) >= 0 && hexval(s[2]) >= 0) {
			*d++ = (char)(hexval(s[1]) * 16 + hexval(s[2]));
			s += 3;
		} else {
			*d++ = *s++;
		}
	}
	*d = 0;
}

static void form_add(struct form *fm, char *item)
{
	char *eq = strchr(item, '=');

	if (!eq || fm->n >= MAX_FIELDS)
		return;
	*eq++ = 0;
	url_decode(item);
	url_decode(eq);
	fm->f[fm->n].name = item;
	fm->f[fm->n].value = eq;
	fm->n++;
}

static void form_parse(struct form *fm, char *body)
{
	char *p;

	fm->n = 0;
	for (p = strtok(body, "&"); p; p = strtok(NULL, "&"))
		form_add(fm, p);
}

static const char *form_get(const struct form *fm, const char *name)
{
	int i;

	for (i = 0; i < fm->n; i++)
		if (strcmp(fm->f[i].name, name) == 0)
			return fm->f[i].value;
	return "";
}

static char *read_body(void)
{
	const char *cl = getenv("CONTENT_LENGTH");
	long len = cl ? atol(cl) : 0;
	char *buf;
	size_t got;

	if (len <= 0 || len > MAX_BODY)
		return NULL;
	buf = malloc((size_t)len + 1);
	if (!buf)
		return NULL;
	got = fread(buf, 1, (size_t)len, stdin);
	buf[got] = 0;
	return buf;
}

static int text_safe(const char *s)
{
	if (strpbrk(s, ";|&<>'\""))
		return 0;
	return strstr(s, "..") == NULL;
}

static int take_text(char *dst, size_t cap, const char *v)
{
	if (strlen(v) >= cap || !text_safe(v))
		return -1;
	memcpy(dst, v, strlen(v) + 1);
	return 0;
}

static int take_provider(struct ddns *d, const char *v)
{
	static const char *const known[] = { "dyndns", "noip", "oray", "3322", NULL };
	int i;

	for (i = 0; known[i]; i++)
		if (strcmp(known[i], v) == 0) {
			snprintf(d->provider, sizeof(d->provider), "%s", known[i]);
			return 0;
		}
	return -1;
}

static int take_interval(struct ddns *d, const char *v)
{
	d->interval = atoi(v);
	if (d->interval < 1)
		d->interval = 1;
	if (d->interval > 1440)
		d->interval = 1440;
	return 0;
}

static int ddns_from_form(struct ddns *d, const struct form *fm)
{
	memset(d, 0, sizeof(*d));
	if (take_provider(d, form_get(fm, "provider")) < 0)
		return 1;
	if (take_text(d->domain, sizeof(d->domain), form_get(fm, "domain")) < 0)
		return 2;
	if (take_text(d->user, sizeof(d->user), form_get(fm, "user")) < 0)
		return 3;
	take_interval(d, form_get(fm, "interval"));
	return 0;
}

static int ddns_store(const struct ddns *d)
{
	FILE *fp = fopen(CONF_PATH, "w");

	if (!fp)
		return -1;
	fprintf(fp, "provider=%s\ndomain=%s\nuser=%s\ninterval=%d\n",
		d->provider, d->domain, d->user, d->interval);
	fclose(fp);
	chmod(CONF_PATH, 0600);
	return 0;
}

static int ddns_test(const struct ddns *d)
{
	char cmd[384];

	snprintf(cmd, sizeof(cmd),
		 "/usr/sbin/ddnsc --system %s --alias %s --user %s --once > /tmp/ddns.log",
		 d->provider, d->domain, d->user);
	return system(cmd);
}

static void page(int code, const char *msg)
{
	printf("Content-Type: text/plain\r\nCache-Control: no-cache\r\n\r\n");
	printf("result=%d\nmessage=%s\n", code, msg);
}

static void show_log(void)
{
	char line[200];
	FILE *fp = fopen("/tmp/ddns.log", "r");

	if (!fp)
		return;
	while (fgets(line, sizeof(line), fp))
		fputs(line, stdout);
	fclose(fp);
}

int main(void)
{
	struct form fm;
	struct ddns d;
	char *body;
	const char *m = getenv("REQUEST_METHOD");
	int rc;

	if (!m || strcmp(m, "POST") != 0) {
		page(405, "method");
		return 0;
	}
	body = read_body();
	if (!body) {
		page(400, "body");
		return 0;
	}
	form_parse(&fm, body);
	rc = ddns_from_form(&d, &fm);
	if (rc) {
		page(rc, "bad parameter");
		free(body);
		return 0;
	}
	if (ddns_store(&d) < 0) {
		page(500, "store");
	} else if (strcmp(form_get(&fm, "action"), "test") == 0) {
		rc = ddns_test(&d);
		page(rc, rc == 0 ? "ok" : "update failed");
		show_log();
	} else {
		page(0, "saved");
	}
	free(body);
	return 0;
}
