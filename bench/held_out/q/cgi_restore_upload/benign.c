/*
 * restore.cgi - upload of a saved configuration (web UI, "Maintenance")
 *
 * called by the httpd as POST multipart/form-data with the fields
 *   cfgfile   the archive
 *   reboot    "1" to restart afterwards
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#define UPLOAD_DIR	"/var/tmp/upload"
#define UPLOAD_MAX	(2 * 1024 * 1024)
#define LOGFILE		"/var/log/restore.log"

static char *post_data;
static size_t post_len;
static char boundary[80];

static char *upload_ptr;
static size_t upload_len;
static char upload_name[128];
static int want_reboot;

static void
logit(const char *fmt, ...)
{
	FILE *fp;
	va_list ap;

	if ((fp = fopen(LOGFILE, "a")) == NULL)
		return;
	fprintf(fp, "%ld ", (long)time(NULL));
	va_start(ap, fmt);
	vfprintf(fp, fmt, ap);
	va_end(ap);
	putc('\n', fp);
	fclose(fp);
}

static void
page(const char *title, const char *text)
{
	printf("Content-Type: text/html\r\nCache-Control: no-cache\r\n\r\n");
	printf("<html><head><title>%s</title></head>\n", title);
	printf("<body><h2>%s</h2><p>%s</p>\n", title, text);
	printf("<a href=\"/maint.html\">back</a></body></html>\n");
}

static void
fail(const char *text)
{
	logit("refused: %s", text);
	page("Restore failed", text);
	exit(0);
}

static void
get_boundary(void)
{
	char *ct, *b;
	size_t n;

	ct = getenv("CONTENT_TYPE");
	if (ct == NULL || strncasecmp(ct, "multipart/form-data", 19) != 0)
		fail("wrong form type");
	b = strstr(ct, "boundary=");
	if (b == NULL)
		fail("no boundary");
	b += 9;
	if (*b == '"')
		b++;
	n = strcspn(b, "\"; \r\n");
	if (n == 0 || n > sizeof(boundary) - 3)
		fail("bad boundary");
	boundary[0] = boundary[1] = '-';
	memcpy(boundary + 2, b, n);
	boundary[n + 2] = '\0';
}

static void
read_post(void)
{
	char *cl;
	long want;
	size_t got;

	cl = getenv("CONTENT_LENGTH");
	want = cl ? strtol(cl, NULL, 10) : 0;
	if (want <= 0 || want > UPLOAD_MAX)
		fail("file too large");
	post_data = malloc((size_t)want + 1);
	if (post_data == NULL)
		fail("out of memory");
	while (post_len < (size_t)want) {
		got = fread(post_data + post_len, 1, (size_t)want - post_len, stdin);
		if (got == 0)
			break;
		post_len += got;
	}
	post_data[post_len] = '\0';
}

/* value of a name="..." attribute inside one header line */
static int
header_attr(const char *line, const char *eol, const char *attr, char *out, size_t outlen)
{
	const char *p, *q;
	size_t alen = strlen(attr);

	for (p = line; p + alen + 2 < eol; p++) {
		if (strncasecmp(p, attr, alen) != 0 || p[alen] != '=' || p[alen + 1] != '"')
			continue;
		if (p > line && isalpha((unsigned char)p[-1]))
			continue;
		p += alen + 2;
		q = memchr(p, '"', (size_t)(eol - p));
		if (q == NULL || (size_t)(q - p) >= outlen)
			return -1;
		memcpy(out, p, (size_t)(q - p));
		out[q - p] = '\0';
		return 0;
	}
	return -1;
}

static int
set_upload_name(const char *raw)
{
	const char *base;
	const unsigned char *p;

	/* IE sends the complete path */
	base = strrchr(raw, '\\');
	base = base ? base + 1 : raw;
	if (strrchr(base, '/'))
		base = strrchr(base, '/') + 1;
	if (*base == '\0' || *base == '.' || *base == '-' || strlen(base) >= sizeof(upload_name))
		return -1;
	for (p = (const unsigned char *)base; *p; p++)
		if (!isalnum(*p) && *p != '.' && *p != '-' && *p != '_')
			return -1;
	strcpy(upload_name, base);
	return 0;
}

static int
parse_part(char *hdr, char *body, char *end)
{
	char name[32] = "", file[256] = "";
	char *line, *eol;

	for (line = hdr; line < body; line = eol + 2) {
		eol = memmem(line, (size_t)(body - line), "\r\n", 2);
		if (eol == NULL || eol == line)
			break;
		if (strncasecmp(line, "Content-Disposition:", 20) != 0)
			continue;
		header_attr(line, eol, "name", name, sizeof(name));
		header_attr(line, eol, "filename", file, sizeof(file));
	}
	if (strcmp(name, "cfgfile") == 0) {
		if (set_upload_name(file) < 0)
			return -1;
		upload_ptr = body;
		upload_len = (size_t)(end - body);
	} else if (strcmp(name, "reboot") == 0) {
		want_reboot = (end > body && *body == '1');
	}
	return 0;
}

static void
parse_multipart(void)
{
	char *p, *limit, *body, *next;
	size_t blen = strlen(boundary);

	limit = post_data + post_len;
	p = memmem(post_data, post_len, boundary, blen);
	while (p != NULL) {
		p += blen;
		if (limit - p < 4 || (p[0] == '-' && p[1] == '-'))
			break;
		p += 2;
		body = memmem(p, (size_t)(limit - p), "\r\n\r\n", 4);
		if (body == NULL)
			break;
		body += 4;
		next = memmem(body, (size_t)(limit - body), boundary, blen);
		if (next == NULL || next - body < 2)
			break;
		if (parse_part(p, body, next - 2) < 0)
			fail("illegal file name");
		p = next;
	}
}

static void
store_upload(void)
{
	char path[256];
	FILE *fp;

	snprintf(path, sizeof(path), "%s/%s", UPLOAD_DIR, upload_name);
	fp = fopen(path, "wb");
	if (fp == NULL)
		fail("no space for the file");
	if (fwrite(upload_ptr, 1, upload_len, fp) != upload_len) {
		fclose(fp);
		unlink(path);
		fail("no space for the file");
	}
	fclose(fp);
}

static int
unpack(void)
{
	char cmd[400], line[200];
	int members = 0;
	FILE *fp;

	snprintf(cmd, sizeof(cmd), "cd %s && tar xzvf %s -C /etc/config 2>&1", UPLOAD_DIR, upload_name);
	fp = popen(cmd, "r");
	if (fp == NULL)
		return -1;
	while (fgets(line, sizeof(line), fp) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		logit("  %s", line);
		members++;
	}
	if (pclose(fp) != 0)
		return -1;
	return members;
}

int
main(void)
{
	char *method, text[120];
	int n;

	method = getenv("REQUEST_METHOD");
	if (method == NULL || strcmp(method, "POST") != 0)
		fail("use the form");
	get_boundary();
	read_post();
	parse_multipart();
	if (upload_ptr == NULL)
		fail("no file selected");
	if (upload_len < 32 || memcmp(upload_ptr, "\x1f\x8b", 2) != 0)
		fail("not a saved configuration");
	logit("upload %s, %lu bytes", upload_name, (unsigned long)upload_len);
	store_upload();
	n = unpack();
	if (n < 0)
		fail("archive is damaged");
	snprintf(text, sizeof(text), "%d settings restored%s", n, want_reboot ? ", the unit restarts" : "");
	page("Restore", text);
	fflush(stdout);
	if (want_reboot && system("(sleep 3; reboot) &") != 0)
		logit("reboot failed");
	free(post_data);
	return 0;
}
