/* apply.cgi - mesh router web interface, form posts */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <ctype.h>
#include <unistd.h>

#define POST_LIMIT 16384

/* posted fields stay in a list; actions look up what they need */
struct field {
	struct field *next;
	char *key;
	char *val;
};
static struct field *fields;

static void trace(const char *fmt, ...)
{
	char buf[256];
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if ((f = fopen("/dev/console", "w")) != NULL) {
		fprintf(f, "apply.cgi: %s\n", buf);
		fclose(f);
	}
}

static void unescape(char *s)
{
	char *w = s;
	unsigned v;

	while (*s) {
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			sscanf(s + 1, "%2x", &v);
			*w++ = (char)v;
			s += 3;
		} else {
			*w++ = *s == '+' ? ' ' : *s;
			s++;
		}
	}
	*w = 0;
}

static void load_fields(char *body)
{
	char *tok, *eq;

	for (tok = strtok(body, "&"); tok; tok = strtok(NULL, "&")) {
		struct field *f;

		eq = strchr(tok, '=');
		if (!eq)
			continue;
		*eq++ = 0;
		unescape(tok);
		unescape(eq);
		f = malloc(sizeof(*f));
		if (!f)
			return;
		f->key = tok;
		f->val = eq;
		f->next = fields;
		fields = f;
	}
}

static char *websGet(const char *key)
{
	struct field *f;

	for (f = fields; f; f = f->next)
		if (!strcmp(f->key, key))
			return f->val;
	return "";
}

static int doCommand(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(cmd))
		return -1;
	return system(cmd);
}

static int is_mac(const char *s)
{
	int i;

	/* aa:bb:cc:dd:ee:ff */
	if (strlen(s) < 17)
		return 0;
	for (i = 0; i < 17; i++) {
		if (i % 3 == 2) {
			if (s[i] != ':')
				return 0;
		} else if (!isxdigit((unsigned char)s[i])) {
			return 0;
		}
	}
	return 1;
}

static int act_block(void)
{
	char *mac = websGet("client_mac");
	int on = atoi(websGet("block"));

	if (!is_mac(mac)) {
		trace("block: bad mac");
		return -1;
	}
	if (on)
		return doCommand("iptables -I MESHBLOCK -m mac --mac-source %s -j DROP", mac);
	return doCommand("iptables -D MESHBLOCK -m mac --mac-source %s -j DROP", mac);
}

static int act_channel(void)
{
	int radio = atoi(websGet("radio"));
	int ch = atoi(websGet("channel"));

	if (radio < 0 || radio > 1 || ch < 1 || ch > 165)
		return -1;
	return doCommand("iwconfig wlan%d channel %d", radio, ch);
}

static int act_leds(void)
{
	const char *mode = websGet("mode");
	FILE *f;

	f = fopen("/sys/class/leds/status/brightness", "w");
	if (!f)
		return -1;
	fputs(strcasecmp(mode, "off") ? "255" : "0", f);
	fclose(f);
	return 0;
}

static int act_reboot(void)
{
	trace("reboot from web");
	return doCommand("(sleep 2; reboot) &");
}

struct action {
	const char *page;
	int (*run)(void);
	const char *next;
};

static struct action actions[] = {
	{ "block.htm",   act_block,   "clients.htm" },
	{ "channel.htm", act_channel, "radio.htm" },
	{ "leds.htm",    act_leds,    "system.htm" },
	{ "reboot.htm",  act_reboot,  "wait.htm" },
	{ NULL, NULL, NULL }
};

static void done(int rc, const char *next)
{
	printf("Status: %s\r\n", rc ? "400 Bad Request" : "303 See Other");
	if (!rc)
		printf("Location: /%s\r\n", next);
	printf("Content-Type: text/plain\r\n\r\n%s\n", rc ? "failed" : "ok");
}

int main(void)
{
	char *method = getenv("REQUEST_METHOD");
	char *cl = getenv("CONTENT_LENGTH");
	char *body;
	struct action *a;
	size_t got;
	long len;

	if (!method || strcmp(method, "POST") || !cl) {
		done(1, NULL);
		return 0;
	}
	len = strtol(cl, NULL, 10);
	if (len <= 0 || len > POST_LIMIT) {
		done(1, NULL);
		return 0;
	}
	body = malloc(len + 1);
	if (!body)
		return 1;
	got = fread(body, 1, len, stdin);
	body[got] = 0;
	load_fields(body);

	for (a = actions; a->page; a++) {
		if (!strcmp(a->page, websGet("page"))) {
			trace("%s", a->page);
			done(a->run() ? 1 : 0, a->next);
			return 0;
		}
	}
	done(1, NULL);
	return 0;
}
