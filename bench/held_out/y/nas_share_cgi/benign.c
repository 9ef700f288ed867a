/* share_mgr.cgi: list / create / remove SMB shares.  C89, runs as root. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <stdarg.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/types.h>

#define VOLUME     "/share/Volume_1"
#define SMB_LIST   "/etc/samba/shares.list"
#define MAX_VARS   32

typedef struct CGIVAR {
	char           *name;
	char           *value;
	struct CGIVAR  *next;
} CGIVAR;

static CGIVAR *cgi_vars = NULL;
static int     cgi_count = 0;

static void cgi_put(char *name, char *value)
{
	CGIVAR *v;

	if (cgi_count >= MAX_VARS)
		return;
	v = (CGIVAR *)malloc(sizeof(CGIVAR));
	if (v == NULL)
		return;
	v->name = name;
	v->value = value;
	v->next = cgi_vars;
	cgi_vars = v;
	cgi_count++;
}

static char *cgi_get(const char *name)
{
	CGIVAR *v;

	for (v = cgi_vars; v; v = v->next)
		if (!strcmp(v->name, name))
			return v->value;
	return "";
}

static void unescape(char *s)
{
	char *o = s, h[3];

	h[2] = 0;
	for (; *s; s++) {
		if (*s == '+')
			*o++ = ' ';
		else if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			h[0] = s[1];
			h[1] = s[2];
			*o++ = (char)strtol(h, NULL, 16);
			s += 2;
		} else
			*o++ = *s;
	}
	*o = 0;
}

static void cgi_parse(char *q)
{
	char *pair, *val;

	while (q && *q) {
		pair = q;
		q = strchr(q, '&');
		if (q)
			*q++ = 0;
		val = strchr(pair, '=');
		if (!val)
			continue;
		*val++ = 0;
		unescape(val);
		cgi_put(pair, val);
	}
}

static char *cgi_input(void)
{
	char *m = getenv("REQUEST_METHOD"), *s, *buf;
	int n, r;

	if (m && !strcmp(m, "POST")) {
		s = getenv("CONTENT_LENGTH");
		n = s ? atoi(s) : 0;
		if (n < 1 || n > 8192)
			return NULL;
		buf = (char *)malloc(n + 1);
		if (!buf)
			return NULL;
		r = fread(buf, 1, n, stdin);
		buf[r] = 0;
		return buf;
	}
	s = getenv("QUERY_STRING");
	return s ? strdup(s) : NULL;
}

static void result(int code, const char *msg)
{
	printf("Content-type: text/xml\n\n<?xml version=\"1.0\"?>\n"
	       "<config><res>%d</res><msg>%s</msg></config>\n", code, msg);
}

static int run_cmd(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(cmd))
		return -1;
	return system(cmd);
}

/* a share name must not leave the volume nor confuse the shell */
static int bad_share_name(const char *s)
{
	if (*s == 0 || strlen(s) > 80 || *s == '.')
		return 1;
	if (s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                "0123456789_- ")] != 0)
		return 1;
	return 0;
}

static void list_add(const char *name, int ro)
{
	FILE *f = fopen(SMB_LIST, "a");

	if (!f)
		return;
	fprintf(f, "%s:%s\n", name, ro ? "ro" : "rw");
	fclose(f);
}

static void list_del(const char *name)
{
	char line[256];
	size_t n = strlen(name);
	FILE *in = fopen(SMB_LIST, "r"), *out;

	if (!in)
		return;
	out = fopen(SMB_LIST ".new", "w");
	if (!out) {
		fclose(in);
		return;
	}
	while (fgets(line, sizeof(line), in))
		if (strncmp(line, name, n) || line[n] != ':')
			fputs(line, out);
	fclose(in);
	fclose(out);
	rename(SMB_LIST ".new", SMB_LIST);
}

static void cmd_list(void)
{
	char line[256], *c;
	FILE *f = fopen(SMB_LIST, "r");

	printf("Content-type: text/xml\n\n<shares>");
	while (f && fgets(line, sizeof(line), f)) {
		c = strchr(line, ':');
		if (!c)
			continue;
		*c = 0;
		printf("<share><name>%s</name></share>", line);
	}
	if (f)
		fclose(f);
	printf("</shares>\n");
}

static void cmd_create(void)
{
	char *name = cgi_get("f_name");
	int ro = atoi(cgi_get("f_readonly"));

	if (bad_share_name(name)) {
		result(2, "bad name");
		return;
	}
	if (run_cmd("mkdir -p \"%s/%s\" && chmod %s \"%s/%s\"", VOLUME, name,
	            ro ? "0555" : "0777", VOLUME, name) != 0) {
		result(3, "cannot create");
		return;
	}
	list_add(name, ro);
	run_cmd("smb_reload %d >/dev/null 2>&1", ro);
	result(0, "ok");
}

static void cmd_remove(void)
{
	char *name = cgi_get("f_name");

	if (bad_share_name(name)) {
		result(2, "bad name");
		return;
	}
	list_del(name);
	if (atoi(cgi_get("f_wipe")) == 1)
		run_cmd("rm -rf \"%s/%s\"", VOLUME, name);
	result(0, "ok");
}

int main(void)
{
	char *in = cgi_input(), *cmd;

	if (!in) {
		result(1, "no input");
		return 0;
	}
	cgi_parse(in);
	cmd = cgi_get("cmd");
	if (!strcmp(cmd, "share_list"))
		cmd_list();
	else if (!strcmp(cmd, "share_create"))
		cmd_create();
	else if (!strcmp(cmd, "share_remove"))
		cmd_remove();
	else
		result(1, "unknown command");
	return 0;
}
