/*
 *  webui / formGpon.c    GPON ONT web back-end
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <stdarg.h>
#include <signal.h>
#include <errno.h>
#include <unistd.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define WEB_PORT	80
#define LOID_LEN	24
#define LOIDPWD_LEN	12
#define MIB_VAL		64
#define MAX_VARS	24

/* ------------------------------------------------------------------ MIB */
typedef struct mib_entry {
	const char *name;
	char value[MIB_VAL];
	int changed;
} MIB_T;

static MIB_T mib_table[] = {
	{ "GPON_SN", "RTKG12345678", 0 },
	{ "GPON_LOID", "user", 0 },
	{ "GPON_LOID_PASSWD", "password", 0 },
	{ "LAN_IP", "192.168.1.1", 0 },
	{ "LED_SWITCH", "1", 0 },
	{ "VLAN_MODE", "0", 0 },
	{ NULL, "", 0 }
};

static MIB_T *mib_lookup(const char *name)
{
	MIB_T *m;

	for (m = mib_table; m->name; m++)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}

static int mib_set(const char *name, const char *value)
{
	MIB_T *m = mib_lookup(name);

	if (!m || strlen(value) >= MIB_VAL)
		return 0;
	strcpy(m->value, value);
	m->changed = 1;
	return 1;
}

static const char *mib_get(const char *name)
{
	MIB_T *m = mib_lookup(name);

	return m ? m->value : "";
}

/* -------------------------------------------------------------- request */
typedef struct request {
	int fd;
	char uri[128];
	int nvars;
	struct { char *name, *value; } vars[MAX_VARS];
} REQ_T;

static volatile sig_atomic_t apply_tick;
static int apply_pending;

static void do_cmd(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (system(line) == -1)
		fprintf(stderr, "do_cmd: %s\n", strerror(errno));
}

static void url_unescape(char *s)
{
	char *o = s, hex[3];

	for (; *s; s++) {
		if (*s == '+') {
			*o++ = ' ';
		} else if (*s == '%' && isxdigit((unsigned char)s[1]) &&
			   isxdigit((unsigned char)s[2])) {
			hex[0] = s[1];
			hex[1] = s[2];
			hex[2] = 0;
			*o++ = (char)strtol(hex, NULL, 16);
			s += 2;
		} else {
			*o++ = *s;
		}
	}
	*o = 0;
}

static void parse_form(REQ_T *wp, char *body)
{
	char *save, *tok;

	for (tok = strtok_r(body, "&", &save); tok; tok = strtok_r(NULL, "&", &save)) {
		char *eq = strchr(tok, '=');

		if (!eq || wp->nvars >= MAX_VARS)
			continue;
		*eq++ = 0;
		url_unescape(eq);
		wp->vars[wp->nvars].name = tok;
		wp->vars[wp->nvars].value = eq;
		wp->nvars++;
	}
}

static char *req_get_cstream_var(REQ_T *wp, const char *name, char *dflt)
{
	int i;

	for (i = 0; i < wp->nvars; i++)
		if (!strcmp(wp->vars[i].name, name))
			return wp->vars[i].value;
	return dflt;
}

static void send_page(REQ_T *wp, int code, const char *text)
{
	char b[512];
	int n;

	n = snprintf(b, sizeof(b), "HTTP/1.0 %d %s\r\nContent-Type: text/html\r\n\r\n"
		"<html><body>%s</body></html>", code, code == 200 ? "OK" : "Error", text);
	if (n >= (int)sizeof(b))
		n = sizeof(b) - 1;
	write(wp->fd, b, n);
}

static void schedule_apply(int sec)
{
	struct itimerval it;

	memset(&it, 0, sizeof(it));
	it.it_value.tv_sec = sec;
	setitimer(ITIMER_REAL, &it, NULL);
	apply_pending = 1;
}

static void on_alarm(int sig)
{
	(void)sig;
	apply_tick = 1;
}

/* ---------------------------------------------------------------- forms */
static int loid_valid(const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n == 0 || n > max)
		return 0;
	return 1;
}

static void formGpon(REQ_T *wp)
{
	char *loid, *pwd;

	loid = req_get_cstream_var(wp, "fmgpon_loid", "");
	pwd = req_get_cstream_var(wp, "fmgpon_loid_password", "");
	if (!loid_valid(loid, LOID_LEN)) {
		send_page(wp, 400, "LOID is not valid");
		return;
	}
	if (!loid_valid(pwd, LOIDPWD_LEN)) {
		send_page(wp, 400, "LOID password is not valid");
		return;
	}
	mib_set("GPON_LOID", loid);
	mib_set("GPON_LOID_PASSWD", pwd);
	schedule_apply(2);
	send_page(wp, 200, "Saved, the link will be registered again.");
}

static void formLed(REQ_T *wp)
{
	char *on = req_get_cstream_var(wp, "led", "1");

	mib_set("LED_SWITCH", atoi(on) ? "1" : "0");
	schedule_apply(1);
	send_page(wp, 200, "OK");
}

static void formVlan(REQ_T *wp)
{
	int vid = atoi(req_get_cstream_var(wp, "vid", "0"));
	char tmp[16];

	if (vid < 0 || vid > 4094) {
		send_page(wp, 400, "VLAN out of range");
		return;
	}
	sprintf(tmp, "%d", vid);
	mib_set("VLAN_MODE", tmp);
	schedule_apply(1);
	send_page(wp, 200, "OK");
}

static void formStatus(REQ_T *wp)
{
	char t[160];

	snprintf(t, sizeof(t), "SN %s LAN %s", mib_get("GPON_SN"), mib_get("LAN_IP"));
	send_page(wp, 200, t);
}

static const struct form {
	const char *uri;
	void (*handler)(REQ_T *);
} forms[] = {
	{ "/boaform/admin/formStatus", formStatus },
	{ "/boaform/admin/formGpon", formGpon },
	{ "/boaform/admin/formLed", formLed },
	{ "/boaform/admin/formVlan", formVlan },
	{ NULL, NULL }
};

/* ---------------------------------------------------------------- apply */
static void apply_gpon(void)
{
	do_cmd("/bin/omcicli set loid %s %s", mib_get("GPON_LOID"),
	       mib_get("GPON_LOID_PASSWD"));
	do_cmd("/bin/diag gpon deactivate; /bin/diag gpon activate init-state o1");
}

static void apply_led(void)
{
	do_cmd("/bin/mpctl led %s", mib_get("LED_SWITCH"));
}

static void apply_vlan(void)
{
	do_cmd("/bin/omcicli set vlan %d", atoi(mib_get("VLAN_MODE")));
}

static const struct {
	const char *mib;
	void (*apply)(void);
} appliers[] = {
	{ "GPON_LOID", apply_gpon },
	{ "LED_SWITCH", apply_led },
	{ "VLAN_MODE", apply_vlan },
};

static void apply_changes(void)
{
	unsigned i;

	for (i = 0; i < sizeof(appliers) / sizeof(appliers[0]); i++) {
		MIB_T *m = mib_lookup(appliers[i].mib);

		if (m && m->changed) {
			m->changed = 0;
			appliers[i].apply();
		}
	}
	apply_pending = 0;
}

static void handle_conn(int fd)
{
	char buf[4096], *body;
	REQ_T wp;
	int n, i, got = 0;

	memset(&wp, 0, sizeof(wp));
	wp.fd = fd;
	do {
		n = read(fd, buf + got, sizeof(buf) - 1 - got);
		if (n <= 0)
			return;
		got += n;
		buf[got] = 0;
		body = strstr(buf, "\r\n\r\n");
	} while (!body && got < (int)sizeof(buf) - 1);
	if (!body)
		return;
	if (sscanf(buf, "POST %127s", wp.uri) != 1) {
		send_page(&wp, 405, "POST only");
		return;
	}
	parse_form(&wp, body + 4);
	for (i = 0; forms[i].uri; i++)
		if (!strcmp(forms[i].uri, wp.uri)) {
			forms[i].handler(&wp);
			return;
		}
	send_page(&wp, 404, "no such form");
}

int main(void)
{
	struct sockaddr_in sin;
	struct sigaction sa;
	int ls, one = 1;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_alarm;
	sigaction(SIGALRM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(WEB_PORT);
	if (bind(ls, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(ls, 8) < 0) {
		perror("web");
		return 1;
	}
	for (;;) {
		fd_set rd;
		int c;

		if (apply_tick && apply_pending) {
			apply_tick = 0;
			apply_changes();
		}
		FD_ZERO(&rd);
		FD_SET(ls, &rd);
		if (select(ls + 1, &rd, NULL, NULL, NULL) <= 0)
			continue;
		c = accept(ls, NULL, NULL);
		if (c < 0)
			continue;
		handle_conn(c);
		close(c);
	}
}
