/*
 * diag.cgi  --  "Tools > Diagnostics" page of the web interface
 *
 * Called by the web server as  POST /cgi-bin/diag.cgi  with an urlencoded
 * form on stdin.  Parameters are put in the nvram mirror first, the
 * page reads them back from there, so that the fields are filled in
 * again when the user comes back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <unistd.h>
#include <time.h>

#define NV_FILE		"/tmp/diag.nv"
#define NV_MAX		64
#define POST_MAX	4096
#define FORM_MAX	16
#define DIAG_OUT	"/tmp/diag.out"
#define DIAG_LOG	"/tmp/diag.log"

#define ERR_NONE	0
#define ERR_HOST	1
#define ERR_ACTION	2
#define ERR_EXEC	3

/* ------------------------------------------------------------------ */
/* nvram mirror                                                        */
/* ------------------------------------------------------------------ */
struct nv_ent {
	char *name;
	char *value;
};

static struct nv_ent nv_tab[NV_MAX];
static int nv_cnt;
static int nv_dirty;

static char *nvram_get(const char *name)
{
	int i;

	for (i = 0; i < nv_cnt; i++)
		if (strcmp(nv_tab[i].name, name) == 0)
			return nv_tab[i].value;
	return NULL;
}

static const char *nvram_safe_get(const char *name)
{
	char *p = nvram_get(name);

	return p ? p : "";
}

static int nvram_set(const char *name, const char *value)
{
	int i;
	char *dup = strdup(value);

	if (!dup)
		return -1;
	for (i = 0; i < nv_cnt; i++) {
		if (strcmp(nv_tab[i].name, name) == 0) {
			free(nv_tab[i].value);
			nv_tab[i].value = dup;
			nv_dirty = 1;
			return 0;
		}
	}
	if (nv_cnt >= NV_MAX) {
		free(dup);
		return -1;
	}
	nv_tab[nv_cnt].name = strdup(name);
	nv_tab[nv_cnt].value = dup;
	if (!nv_tab[nv_cnt].name) {
		free(dup);
		return -1;
	}
	nv_cnt++;
	nv_dirty = 1;
	return 0;
}

static void nvram_commit(void)
{
	FILE *fp;
	int i;

	if (!nv_dirty)
		return;
	fp = fopen(NV_FILE, "w");
	if (!fp)
		return;
	for (i = 0; i < nv_cnt; i++)
		fprintf(fp, "%s=%s\n", nv_tab[i].name, nv_tab[i].value);
	fclose(fp);
	nv_dirty = 0;
}

/* ------------------------------------------------------------------ */
/* helpers                                                             */
/* ------------------------------------------------------------------ */
static void diag_log(const char *fmt, ...)
{
	va_list ap;
	FILE *fp = fopen(DIAG_LOG, "a");

	if (!fp)
		return;
	fprintf(fp, "[%ld] ", (long)time(NULL));
	va_start(ap, fmt);
	vfprintf(fp, fmt, ap);
	va_end(ap);
	fputc('\n', fp);
	fclose(fp);
}

static int diag_exec(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(line))
		return -1;
	diag_log("exec: %s", line);
	return system(line);
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

static void url_unescape(char *s)
{
	char *d = s;

	while (*s) {
		if (*s == '%' && hexval((unsigned char)s[1]) >= 0 &&
		    hexval((unsigned char)s[2]) >= 0) {
			*d++ = (char)(hexval((unsigned char)s[1]) * 16 +
				      hexval((unsigned char)s[2]));
			s += 3;
		} else if (*s == '+') {
			*d++ = ' ';
			s++;
		} else {
			*d++ = *s++;
		}
	}
	*d = '\0';
}

/* ------------------------------------------------------------------ */
/* form                                                                */
/* ------------------------------------------------------------------ */
struct form_item {
	char *key;
	char *val;
};

static struct form_item form[FORM_MAX];
static int form_cnt;

static char *form_read(void)
{
	const char *cl = getenv("CONTENT_LENGTH");
	const char *rm = getenv("REQUEST_METHOD");
	long len;
	char *buf;

	if (!rm || strcmp(rm, "POST") != 0 || !cl)
		return NULL;
	len = strtol(cl, NULL, 10);
	if (len <= 0 || len > POST_MAX)
		return NULL;
	buf = malloc(len + 1);
	if (!buf)
		return NULL;
	len = (long)fread(buf, 1, len, stdin);
	buf[len] = '\0';
	return buf;
}

static void form_split(char *buf)
{
	char *tok, *eq;

	for (tok = strtok(buf, "&"); tok && form_cnt < FORM_MAX;
	     tok = strtok(NULL, "&")) {
		eq = strchr(tok, '=');
		if (!eq)
			continue;
		*eq++ = '\0';
		url_unescape(tok);
		url_unescape(eq);
		form[form_cnt].key = tok;
		form[form_cnt].val = eq;
		form_cnt++;
	}
}

static const char *form_get(const char *key)
{
	int i;

	for (i = 0; i < form_cnt; i++)
		if (strcmp(form[i].key, key) == 0)
			return form[i].val;
	return "";
}

/* the host goes to a command line: only what a host name is made of */
static int host_valid(const char *h)
{
	size_t len = strlen(h);

	if (len == 0 || len > 63)
		return 0;
	if (h[0] == '-')
		return 0;
	if (strspn(h, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		      "0123456789.-") != len)
		return 0;
	return 1;
}

/* ------------------------------------------------------------------ */
/* actions                                                             */
/* ------------------------------------------------------------------ */
static int act_ping(void)
{
	int cnt = atoi(nvram_safe_get("diag_count"));
	int size = atoi(nvram_safe_get("diag_size"));

	if (cnt < 1 || cnt > 20)
		cnt = 4;
	if (size < 0 || size > 1400)
		size = 56;
	return diag_exec("ping -c %d -s %d %s > " DIAG_OUT " 2>&1",
			 cnt, size, nvram_safe_get("diag_host"));
}

static int act_trace(void)
{
	int hops = atoi(nvram_safe_get("diag_hops"));

	if (hops < 1 || hops > 30)
		hops = 15;
	return diag_exec("traceroute -n -m %d %s > " DIAG_OUT " 2>&1",
			 hops, nvram_safe_get("diag_host"));
}

static int act_lookup(void)
{
	return diag_exec("nslookup %s > " DIAG_OUT " 2>&1",
			 nvram_safe_get("diag_host"));
}

static int act_clear(void)
{
	unlink(DIAG_OUT);
	return 0;
}

static const struct action {
	const char *name;
	int needs_host;
	int (*run)(void);
} actions[] = {
	{ "ping",   1, act_ping },
	{ "trace",  1, act_trace },
	{ "lookup", 1, act_lookup },
	{ "clear",  0, act_clear },
	{ NULL, 0, NULL }
};

static void html_puts(const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<': fputs("&lt;", stdout); break;
		case '>': fputs("&gt;", stdout); break;
		case '&': fputs("&amp;", stdout); break;
		case '"': fputs("&quot;", stdout); break;
		default:  putchar(*s);
		}
	}
}

static void page(int err)
{
	static const char *const msg[] = {
		"OK", "Invalid host name", "Unknown action", "Execution failed"
	};
	char line[256];
	FILE *fp;

	printf("Content-Type: text/html\r\nCache-Control: no-cache\r\n\r\n");
	printf("<html><body><h2>Diagnostics</h2><p>%s</p>", msg[err]);
	printf("<input name=host value=\"");
	html_puts(nvram_safe_get("diag_host"));
	printf("\"><pre>");
	fp = fopen(DIAG_OUT, "r");
	if (fp) {
		while (fgets(line, sizeof(line), fp))
			html_puts(line);
		fclose(fp);
	}
	printf("</pre></body></html>\n");
}

int main(void)
{
	const struct action *a;
	const char *host, *name;
	char *body, num[16];
	int err = ERR_NONE;

	nvram_set("diag_count", "4");
	nvram_set("diag_size", "56");
	nvram_set("diag_hops", "15");

	body = form_read();
	if (!body) {
		page(ERR_ACTION);
		return 0;
	}
	form_split(body);

	host = form_get("host");
	if (*host) {
		if (host_valid(host))
			nvram_set("diag_host", host);
		else
			err = ERR_HOST;
	}
	snprintf(num, sizeof(num), "%d", atoi(form_get("count")));
	nvram_set("diag_count", num);
	snprintf(num, sizeof(num), "%d", atoi(form_get("hops")));
	nvram_set("diag_hops", num);

	name = form_get("action");
	for (a = actions; a->name; a++)
		if (strcmp(a->name, name) == 0)
			break;
	if (!a->name)
		err = ERR_ACTION;
	else if (a->needs_host && !nvram_get("diag_host"))
		err = ERR_HOST;

	if (err == ERR_NONE && a->run() < 0)
		err = ERR_EXEC;
	nvram_commit();
	page(err);
	free(body);
	return 0;
}
