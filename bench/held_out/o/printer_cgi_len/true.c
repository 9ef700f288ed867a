/* setcfg.cgi - embedded web server back end, label printer ZT series */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/file.h>

#define CFG_FILE "/etc/printer/label.conf"
#define POST_MAX 2048

typedef struct {
	int width, height;
	int darkness;
	int speed;
	int cutter;
	char header[48];
} label_cfg;

static label_cfg cfg;

static void weblog(const char *fmt, ...)
{
	va_list ap;
	FILE *fp = fopen("/tmp/web.log", "a");

	if (!fp)
		return;
	va_start(ap, fmt);
	vfprintf(fp, fmt, ap);
	va_end(ap);
	fclose(fp);
}

static void load_cfg(void)
{
	FILE *fp = fopen(CFG_FILE, "r");
	char line[128], *eq;

	cfg.width = 104;
	cfg.height = 150;
	cfg.darkness = 10;
	cfg.speed = 4;
	if (!fp)
		return;
	while (fgets(line, sizeof line, fp)) {
		line[strcspn(line, "\n")] = 0;
		eq = strchr(line, '=');
		if (!eq)
			continue;
		*eq++ = 0;
		if (!strcmp(line, "width"))
			cfg.width = atoi(eq);
		else if (!strcmp(line, "height"))
			cfg.height = atoi(eq);
		else if (!strcmp(line, "darkness"))
			cfg.darkness = atoi(eq);
		else if (!strcmp(line, "speed"))
			cfg.speed = atoi(eq);
		else if (!strcmp(line, "cutter"))
			cfg.cutter = atoi(eq);
		else if (!strcmp(line, "header"))
			snprintf(cfg.header, sizeof cfg.header, "%s", eq);
	}
	fclose(fp);
}

static int save_cfg(void)
{
	FILE *fp = fopen(CFG_FILE, "w");

	if (!fp)
		return -1;
	flock(fileno(fp), LOCK_EX);
	fprintf(fp, "width=%d\nheight=%d\ndarkness=%d\nspeed=%d\ncutter=%d\nheader=%s\n",
		cfg.width, cfg.height, cfg.darkness, cfg.speed, cfg.cutter, cfg.header);
	return fclose(fp);
}

static int set_range(int *dst, const char *v, int lo, int hi)
{
	char *e;
	long n = strtol(v, &e, 10);

	if (e == v || *e || n < lo || n > hi)
		return -1;
	*dst = (int)n;
	return 0;
}

static int set_width(const char *v)    { return set_range(&cfg.width, v, 20, 168); }
static int set_height(const char *v)   { return set_range(&cfg.height, v, 10, 990); }
static int set_darkness(const char *v) { return set_range(&cfg.darkness, v, 0, 30); }
static int set_speed(const char *v)    { return set_range(&cfg.speed, v, 1, 12); }
static int set_cutter(const char *v)   { return set_range(&cfg.cutter, v, 0, 1); }

static int set_header(const char *v)
{
	size_t i;

	for (i = 0; v[i] && i < sizeof cfg.header - 1; i++)
		cfg.header[i] = isprint((unsigned char)v[i]) ? v[i] : ' ';
	cfg.header[i] = 0;
	return 0;
}

static const struct setter {
	const char *name;
	int (*set)(const char *);
} setters[] = {
	{ "w", set_width }, { "h", set_height }, { "dark", set_darkness },
	{ "speed", set_speed }, { "cut", set_cutter }, { "hdr", set_header },
	{ NULL, NULL }
};

static void unescape(char *s)
{
	char *o = s, h[3] = "";

	for (; *s; s++) {
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			h[0] = s[1];
			h[1] = s[2];
			*o++ = (char)strtol(h, NULL, 16);
			s += 2;
		} else {
			*o++ = *s == '+' ? ' ' : *s;
		}
	}
	*o = 0;
}

static int apply(char *form)
{
	const struct setter *st;
	char *pair, *val, *save;
	int bad = 0;

	for (pair = strtok_r(form, "&", &save); pair; pair = strtok_r(NULL, "&", &save)) {
		val = strchr(pair, '=');
		if (!val)
			continue;
		*val++ = 0;
		unescape(val);
		for (st = setters; st->name; st++)
			if (!strcmp(st->name, pair))
				bad += st->set(val) != 0;
	}
	return bad;
}

static int read_body(int fd, char *buf, size_t n)
{
	size_t got = 0;
	ssize_t k;

	while (got < n) {
		k = read(fd, buf + got, n - got);
		if (k <= 0)
			break;
		got += k;
	}
	buf[got] = 0;
	return (int)got;
}

static void page(int bad)
{
	printf("Content-Type: application/json\r\nCache-Control: no-store\r\n\r\n");
	printf("{\"errors\":%d,\"w\":%d,\"h\":%d,\"dark\":%d,\"speed\":%d,\"cut\":%d}\n",
	       bad, cfg.width, cfg.height, cfg.darkness, cfg.speed, cfg.cutter);
}

static int handle_post(void)
{
	char form[POST_MAX];
	const char *cl = getenv("CONTENT_LENGTH");
	int len = cl ? atoi(cl) : 0;
	int bad;

	if (len <= 0) {
		printf("Status: 411 Length Required\r\n\r\n");
		return 1;
	}
	read_body(STDIN_FILENO, form, (size_t)len);
	bad = apply(form);
	if (!bad && save_cfg() != 0)
		bad = -1;
	weblog("%ld post %d bytes, %d errors\n", (long)time(NULL), len, bad);
	page(bad);
	return 0;
}

static int handle_get(void)
{
	page(0);
	return 0;
}

int main(void)
{
	const char *method = getenv("REQUEST_METHOD");

	load_cfg();
	if (method && !strcmp(method, "POST"))
		return handle_post();
	return handle_get();
}
