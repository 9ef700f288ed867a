#define _GNU_SOURCE
/* webs with form symbol table, MAC access list page */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <unistd.h>
#include <signal.h>
#include <time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define T(s)            s
#define WEBS_BUF        16384
#define SYM_BUCKETS     17
#define ACL_MAX         1024

typedef char char_t;

typedef struct sym {
	struct sym *next;
	char_t *name;
	void *value;
} sym_t;

typedef struct {
	sym_t *bucket[SYM_BUCKETS];
} symtab_t;

typedef struct websRec {
	int sid;
	char_t *data;
	char_t *url;
	symtab_t vars;
	int code;
} *webs_t;

typedef void (*formFunc_t)(webs_t wp, char_t *path, char_t *query);

static symtab_t formSymtab;
static int websPort = 8080;
static int acl_timer;
static int acl_mode;

static struct {
	char_t list[ACL_MAX];
	int count;
	char_t note[64];
} g_acl;

/* ------------------------------------------------ symbols */

static unsigned symHash(const char_t *s)
{
	unsigned h = 0;

	while (*s)
		h = (h << 3) ^ (h >> 11) ^ (unsigned char)*s++;
	return h % SYM_BUCKETS;
}

static void *symLookup(symtab_t *t, const char_t *name)
{
	sym_t *s;

	for (s = t->bucket[symHash(name)]; s; s = s->next)
		if (!strcmp(s->name, name))
			return s->value;
	return NULL;
}

static int symEnter(symtab_t *t, const char_t *name, void *value)
{
	sym_t *s = malloc(sizeof(*s));
	unsigned h = symHash(name);

	if (!s || !(s->name = strdup(name))) {
		free(s);
		return -1;
	}
	s->value = value;
	s->next = t->bucket[h];
	t->bucket[h] = s;
	return 0;
}

static void symClose(symtab_t *t)
{
	int i;

	for (i = 0; i < SYM_BUCKETS; i++)
		while (t->bucket[i]) {
			sym_t *s = t->bucket[i];

			t->bucket[i] = s->next;
			free(s->name);
			free(s->value);
			free(s);
		}
}

/* ------------------------------------------------ webs */

static void websFormDefine(const char_t *name, formFunc_t fn)
{
	symEnter(&formSymtab, name, (void *)fn);
}

static char_t *websGetVar(webs_t wp, const char_t *name, char_t *def)
{
	char_t *v = symLookup(&wp->vars, name);

	return v ? v : def;
}

static void websWrite(webs_t wp, const char_t *fmt, ...)
{
	char_t *buf = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&buf, fmt, ap);
	va_end(ap);
	if (n > 0 && send(wp->sid, buf, n, MSG_NOSIGNAL) < 0)
		wp->code = 0;
	if (n >= 0)
		free(buf);
}

static void websHeader(webs_t wp, int code)
{
	wp->code = code;
	websWrite(wp, T("HTTP/1.0 %d %s\r\nServer: GoAhead-Webs\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"),
		  code, code == 200 ? T("OK") : T("Error"));
}

static void websDecode(char_t *s)
{
	char_t *o = s;
	unsigned c;

	for (; *s; s++) {
		if (*s == '+')
			*o++ = ' ';
		else if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			sscanf(s + 1, "%2x", &c);
			*o++ = c;
			s += 2;
		} else
			*o++ = *s;
	}
	*o = '\0';
}

static void websSetVars(webs_t wp, char_t *q)
{
	char_t *pair, *val, *save = NULL;

	for (pair = strtok_r(q, "&", &save); pair; pair = strtok_r(NULL, "&", &save)) {
		val = strchr(pair, '=');
		if (val)
			*val++ = '\0';
		else
			val = pair + strlen(pair);
		websDecode(pair);
		websDecode(val);
		symEnter(&wp->vars, pair, strdup(val));
	}
}

/* ------------------------------------------------ forms */

static int isMac(const char_t *s)
{
	int i;

	for (i = 0; i < 17; i++) {
		if (i % 3 == 2) {
			if (s[i] != ':')
				return 0;
		} else if (!isxdigit((unsigned char)s[i]))
			return 0;
	}
	return s[17] == '\0';
}

static void formMacAdd(webs_t wp, char_t *path, char_t *query)
{
	char_t rule[128];
	char_t *mac, *name, *on;
	size_t have;

	(void)path;
	(void)query;
	mac = websGetVar(wp, T("macaddr"), T(""));
	name = websGetVar(wp, T("hostname"), T(""));
	on = websGetVar(wp, T("enable"), T("1"));
	if (!isMac(mac)) {
		websHeader(wp, 200);
		websWrite(wp, T("alert('bad mac address');\n"));
		return;
	}
	if (strlen(name) > 32 || strchr(name, ';') || strchr(name, ',')) {
		websHeader(wp, 200);
		websWrite(wp, T("alert('bad host name');\n"));
		return;
	}
	if (g_acl.count >= 16) {
		websHeader(wp, 200);
		websWrite(wp, T("alert('table full');\n"));
		return;
	}
	sprintf(rule, T("%s,%s,%d;"), mac, name, atoi(on) ? 1 : 0);
	have = strlen(g_acl.list);
	if (have + strlen(rule) < sizeof(g_acl.list)) {
		strcat(g_acl.list, rule);
		g_acl.count++;
		acl_timer = 2;
	}
	websHeader(wp, 200);
	websWrite(wp, T("location='/mac.asp';\n"));
}

static void formMacDel(webs_t wp, char_t *path, char_t *query)
{
	int idx = atoi(websGetVar(wp, T("index"), T("-1")));
	char_t *p = g_acl.list, *e;

	(void)path;
	(void)query;
	while (idx > 0 && (p = strchr(p, ';')) != NULL) {
		p++;
		idx--;
	}
	if (p && *p && idx == 0 && (e = strchr(p, ';')) != NULL) {
		memmove(p, e + 1, strlen(e + 1) + 1);
		g_acl.count--;
		acl_timer = 2;
	}
	websHeader(wp, 200);
	websWrite(wp, T("location='/mac.asp';\n"));
}

static void formMacMode(webs_t wp, char_t *path, char_t *query)
{
	(void)path;
	(void)query;
	acl_mode = atoi(websGetVar(wp, T("mode"), T("0"))) & 3;
	snprintf(g_acl.note, sizeof(g_acl.note), T("%s"), websGetVar(wp, T("note"), T("")));
	acl_timer = 2;
	websHeader(wp, 200);
	websWrite(wp, T("ok\n"));
}

static void formMacList(webs_t wp, char_t *path, char_t *query)
{
	const char_t *p;

	(void)path;
	(void)query;
	websHeader(wp, 200);
	websWrite(wp, T("mode=%d\ncount=%d\n"), acl_mode, g_acl.count);
	for (p = g_acl.list; *p; p++)
		websWrite(wp, T("%c"), *p == ';' ? '\n' : *p);
}

/* rules go to the wireless driver through its proc file */
static void aclApply(void)
{
	char_t line[32];
	const char_t *p = g_acl.list;
	FILE *fp = fopen("/proc/wlan0/mib_acl", "w");

	if (!fp)
		return;
	fprintf(fp, "mode %d\n", acl_mode);
	while (*p) {
		if (strlen(p) > 17) {
			memcpy(line, p, 17);
			line[17] = '\0';
			fprintf(fp, "add %s\n", line);
		}
		p = strchr(p, ';');
		if (!p)
			break;
		p++;
	}
	fclose(fp);
}

static void websProcess(int sid)
{
	struct websRec rec, *wp = &rec;
	char_t *p, *body, *form, *query, *cl;
	formFunc_t fn;
	int n = 0, r, len = 0;
	struct timeval tv = { 4, 0 };

	memset(wp, 0, sizeof(*wp));
	wp->sid = sid;
	setsockopt(sid, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	wp->data = malloc(WEBS_BUF + 1);
	if (!wp->data)
		return;
	wp->data[0] = '\0';
	body = NULL;
	while (n < WEBS_BUF && (r = recv(sid, wp->data + n, WEBS_BUF - n, 0)) > 0) {
		n += r;
		wp->data[n] = '\0';
		if (!body && (p = strstr(wp->data, "\r\n\r\n")) != NULL) {
			body = p + 4;
			if ((cl = strcasestr(wp->data, "Content-Length:")) != NULL && cl < body)
				len = atoi(cl + 15);
		}
		if (body && wp->data + n - body >= len)
			break;
	}
	if (!body)
		goto out;
	body[-4] = '\0';
	form = strstr(wp->data, "/goform/");
	if (!form) {
		websHeader(wp, 404);
		goto out;
	}
	form += 8;
	if ((p = strpbrk(form, " \r\n")) != NULL)
		*p = '\0';
	query = strchr(form, '?');
	if (query)
		*query++ = '\0';
	if (query)
		websSetVars(wp, query);
	websSetVars(wp, body);
	fn = (formFunc_t)symLookup(&formSymtab, form);
	if (fn)
		fn(wp, form, query);
	else
		websHeader(wp, 404);
out:
	symClose(&wp->vars);
	free(wp->data);
}

static void loadConf(void)
{
	char line[64];
	FILE *fp = fopen("/etc/goahead.conf", "r");

	if (!fp)
		return;
	while (fgets(line, sizeof(line), fp))
		if (sscanf(line, "port %d", &websPort) == 1)
			break;
	fclose(fp);
}

int main(void)
{
	struct sockaddr_in sa;
	int ls, c, on = 1;

	signal(SIGPIPE, SIG_IGN);
	loadConf();
	websFormDefine(T("macAdd"), formMacAdd);
	websFormDefine(T("macDel"), formMacDel);
	websFormDefine(T("macMode"), formMacMode);
	websFormDefine(T("macList"), formMacList);
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(websPort);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 8) < 0) {
		perror("webs");
		return 1;
	}
	for (;;) {
		fd_set rd;
		struct timeval tv = { 1, 0 };

		FD_ZERO(&rd);
		FD_SET(ls, &rd);
		if (select(ls + 1, &rd, NULL, NULL, &tv) > 0 && (c = accept(ls, NULL, NULL)) >= 0) {
			websProcess(c);
			close(c);
		}
		if (acl_timer > 0 && --acl_timer == 0)
			aclApply();
	}
}
