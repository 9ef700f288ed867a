#define _GNU_SOURCE
/*
 *  web glue for the RTL8196 reference board (boa form handlers + wan timer)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <ctype.h>
#include <unistd.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define MIB_FILE	"/var/config/wan.mib"
#define BOA_CONF	"/etc/boa/boa.conf"
#define MAX_HDR		4096
#define MAX_BODY	8192

enum { MIB_WAN_TYPE = 1, MIB_PPTP_SERVER, MIB_PPTP_USER, MIB_PPTP_PASS, MIB_PPTP_MTU, MIB_DEV_NAME };
enum { T_INT, T_STR };
enum { WAN_DHCP = 1, WAN_STATIC = 0, WAN_PPTP = 4 };

static struct {
	int  wan_type;
	char pptp_server[64];
	char pptp_user[40];
	char pptp_pass[40];
	int  pptp_mtu;
	char dev_name[32];
} Mib;

typedef struct {
	int id;
	int type;
	void *addr;
	int size;
	const char *name;
} mib_table_entry_T;

static mib_table_entry_T mib_table[] = {
	{ MIB_WAN_TYPE,    T_INT, &Mib.wan_type,   sizeof(int), "WAN_DHCP" },
	{ MIB_PPTP_SERVER, T_STR, Mib.pptp_server, sizeof(Mib.pptp_server), "PPTP_SERVER_IP_ADDR" },
	{ MIB_PPTP_USER,   T_STR, Mib.pptp_user,   sizeof(Mib.pptp_user), "PPTP_USER_NAME" },
	{ MIB_PPTP_PASS,   T_STR, Mib.pptp_pass,   sizeof(Mib.pptp_pass), "PPTP_PASSWORD" },
	{ MIB_PPTP_MTU,    T_INT, &Mib.pptp_mtu,   sizeof(int), "PPTP_MTU_SIZE" },
	{ MIB_DEV_NAME,    T_STR, Mib.dev_name,    sizeof(Mib.dev_name), "DEVICE_NAME" },
	{ 0, 0, NULL, 0, NULL }
};

typedef struct request {
	int fd;
	char method[8];
	char path[128];
	char *query;
	char *post_data;
	char *vars[16];
	int nvars;
} request;

static int server_port = 80;
static int wan_restart_cnt;
static int redial_interval = 30;
static int debug;

static int apmib_set(int id, const void *val)
{
	mib_table_entry_T *e;

	for (e = mib_table; e->id; e++) {
		if (e->id != id)
			continue;
		if (e->type == T_INT)
			*(int *)e->addr = *(const int *)val;
		else {
			strncpy(e->addr, val, e->size - 1);
			((char *)e->addr)[e->size - 1] = '\0';
		}
		return 1;
	}
	return 0;
}

static int apmib_get(int id, void *out, int outlen)
{
	mib_table_entry_T *e;

	for (e = mib_table; e->id; e++) {
		if (e->id != id)
			continue;
		if (e->type == T_INT)
			*(int *)out = *(int *)e->addr;
		else
			snprintf(out, outlen, "%s", (char *)e->addr);
		return 1;
	}
	return 0;
}

static void apmib_update(void)
{
	mib_table_entry_T *e;
	FILE *fp = fopen(MIB_FILE, "w");

	if (!fp) {
		perror(MIB_FILE);
		return;
	}
	for (e = mib_table; e->id; e++) {
		if (e->type == T_INT)
			fprintf(fp, "%s=%d\n", e->name, *(int *)e->addr);
		else
			fprintf(fp, "%s=%s\n", e->name, (char *)e->addr);
	}
	fclose(fp);
}

static void apmib_init(void)
{
	Mib.wan_type = WAN_DHCP;
	Mib.pptp_mtu = 1460;
	strcpy(Mib.pptp_server, "172.1.1.1");
	strcpy(Mib.dev_name, "RTK_AP");
}

static int rtl_system(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	int ret;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (debug)
		fprintf(stderr, "[sys] %s\n", cmd);
	ret = system(cmd);
	return WIFEXITED(ret) ? WEXITSTATUS(ret) : -1;
}

static int hexval(int c)
{
	if (isdigit(c))
		return c - '0';
	c = tolower(c);
	return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}

/* value of var in "a=b&c=d", decoded; freed with the request */
static char *get_from_stream(request *wp, const char *s, const char *var)
{
	size_t n = strlen(var);

	while (s && *s) {
		const char *e = strchr(s, '&');
		size_t len = e ? (size_t)(e - s) : strlen(s);

		if (len > n && s[n] == '=' && !strncmp(s, var, n)) {
			char *out, *o;
			const char *p = s + n + 1, *end = s + len;

			if (wp->nvars >= 16 || !(out = malloc(len + 1)))
				return NULL;
			for (o = out; p < end; p++) {
				if (*p == '+')
					*o++ = ' ';
				else if (*p == '%' && end - p > 2 && hexval((unsigned char)p[1]) >= 0 &&
					 hexval((unsigned char)p[2]) >= 0) {
					*o++ = hexval((unsigned char)p[1]) * 16 + hexval((unsigned char)p[2]);
					p += 2;
				} else
					*o++ = *p;
			}
			*o = '\0';
			wp->vars[wp->nvars++] = out;
			return out;
		}
		s = e ? e + 1 : NULL;
	}
	return NULL;
}

static char *req_get_cstream_var(request *wp, const char *var, char *def)
{
	char *v = get_from_stream(wp, wp->post_data, var);

	if (!v)
		v = get_from_stream(wp, wp->query, var);
	return v ? v : def;
}

static void req_format_write(request *wp, const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(buf))
		n = sizeof(buf) - 1;
	if (n > 0)
		send(wp->fd, buf, n, MSG_NOSIGNAL);
}

static void reply_head(request *wp, const char *status)
{
	req_format_write(wp, "HTTP/1.0 %s\r\nServer: Boa/0.94.14rc21\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n", status);
}

static int isIllegalHost(const char *s)
{
	int len = strlen(s);

	if (len < 1 || len > 60)
		return 1;
	if (*s == '-' || *s == '.')
		return 1;
	for (; *s; s++) {
		if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		    (*s >= '0' && *s <= '9') || *s == '.' || *s == '-')
			continue;
		return 1;
	}
	return 0;
}

static int isIllegalCred(const char *s, int max)
{
	if ((int)strlen(s) >= max)
		return 1;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("@._-", *s))
			return 1;
	return 0;
}

static void formPptpSetup(request *wp)
{
	char *server, *user, *pass, *mtu, *type;
	const char *err = NULL;
	int val;

	type = req_get_cstream_var(wp, "wanType", "");
	if (strcmp(type, "pptp")) {
		val = WAN_DHCP;
		apmib_set(MIB_WAN_TYPE, &val);
		goto done;
	}
	server = req_get_cstream_var(wp, "pptpServerAddr", "");
	if (isIllegalHost(server)) {
		err = "Invalid PPTP server address";
		goto fail;
	}
	user = req_get_cstream_var(wp, "pptpUserName", "");
	pass = req_get_cstream_var(wp, "pptpPassword", "");
	if (isIllegalCred(user, 40) || isIllegalCred(pass, 40)) {
		err = "Invalid user name or password";
		goto fail;
	}
	mtu = req_get_cstream_var(wp, "pptpMtuSize", "1460");
	val = strtol(mtu, NULL, 10);
	if (val < 1400 || val > 1460) {
		err = "Invalid MTU size! It should be 1400 - 1460";
		goto fail;
	}
	apmib_set(MIB_PPTP_MTU, &val);
	apmib_set(MIB_PPTP_SERVER, server);
	apmib_set(MIB_PPTP_USER, user);
	apmib_set(MIB_PPTP_PASS, pass);
	val = WAN_PPTP;
	apmib_set(MIB_WAN_TYPE, &val);
done:
	apmib_update();
	wan_restart_cnt = 3;
	reply_head(wp, "200 OK");
	req_format_write(wp, "<html><body><h4>Change setting successfully!</h4></body></html>\n");
	return;
fail:
	reply_head(wp, "200 OK");
	req_format_write(wp, "<html><body><blockquote><h4>%s</h4></body></html>\n", err);
}

static void formDevName(request *wp)
{
	char *name = req_get_cstream_var(wp, "devName", "");

	if (isIllegalCred(name, 32)) {
		reply_head(wp, "400 Bad Request");
		return;
	}
	apmib_set(MIB_DEV_NAME, name);
	apmib_update();
	reply_head(wp, "200 OK");
}

static void formWanStatus(request *wp)
{
	int t = 0;
	char name[32] = "";

	apmib_get(MIB_WAN_TYPE, &t, sizeof(t));
	apmib_get(MIB_DEV_NAME, name, sizeof(name));
	reply_head(wp, "200 OK");
	req_format_write(wp, "name=%s\nwan=%d\nredial=%d\n", name, t, wan_restart_cnt);
}

static struct form_entry {
	const char *name;
	void (*function)(request *wp);
} root_form[] = {
	{ "formPptpSetup", formPptpSetup },
	{ "formDevName",   formDevName },
	{ "formWanStatus", formWanStatus },
	{ NULL, NULL }
};

static void start_pptp(void)
{
	char server[64], user[40], pass[40];
	int mtu = 1460;
	FILE *fp;

	apmib_get(MIB_PPTP_SERVER, server, sizeof(server));
	apmib_get(MIB_PPTP_USER, user, sizeof(user));
	apmib_get(MIB_PPTP_PASS, pass, sizeof(pass));
	apmib_get(MIB_PPTP_MTU, &mtu, sizeof(mtu));
	fp = fopen("/etc/ppp/chap-secrets", "w");
	if (fp) {
		fprintf(fp, "\"%s\" * \"%s\" *\n", user, pass);
		fclose(fp);
	}
	rtl_system("killall pppd 2>/dev/null");
	rtl_system("pppd pty \"pptp %s --nolaunchpppd\" file /etc/ppp/options.pptp mtu %d &", server, mtu);
}

static void wan_timer(void)
{
	int type = 0;

	if (wan_restart_cnt == 0 || --wan_restart_cnt)
		return;
	apmib_get(MIB_WAN_TYPE, &type, sizeof(type));
	if (type == WAN_PPTP) {
		start_pptp();
		if (access("/var/run/ppp0.pid", R_OK) != 0)
			wan_restart_cnt = redial_interval;
	} else
		rtl_system("udhcpc -i eth1 -b -p /var/run/udhcpc.pid");
}

static void process_request(int fd)
{
	request wp;
	char *hdr, *p, *uri;
	int n = 0, r, i, clen = 0, have;
	struct form_entry *f;
	struct timeval tv = { 5, 0 };

	memset(&wp, 0, sizeof(wp));
	wp.fd = fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	hdr = calloc(1, MAX_HDR + 1);
	if (!hdr)
		return;
	for (;;) {
		r = recv(fd, hdr + n, MAX_HDR - n, 0);
		if (r <= 0)
			goto out;
		n += r;
		hdr[n] = '\0';
		if ((p = strstr(hdr, "\r\n\r\n")) != NULL)
			break;
		if (n >= MAX_HDR)
			goto out;
	}
	p += 4;
	have = n - (p - hdr);
	if ((uri = strcasestr(hdr, "\r\nContent-Length:")) != NULL && uri < p)
		clen = atoi(uri + 17);
	if (clen < 0 || clen > MAX_BODY) {
		reply_head(&wp, "413 Request Entity Too Large");
		goto out;
	}
	wp.post_data = calloc(1, clen + 1);
	if (!wp.post_data)
		goto out;
	if (have > clen)
		have = clen;
	memcpy(wp.post_data, p, have);
	while (have < clen && (r = recv(fd, wp.post_data + have, clen - have, 0)) > 0)
		have += r;

	if (sscanf(hdr, "%7s %127s", wp.method, wp.path) != 2) {
		reply_head(&wp, "400 Bad Request");
		goto out;
	}
	if ((wp.query = strchr(wp.path, '?')) != NULL)
		*wp.query++ = '\0';
	if (strncmp(wp.path, "/boafrm/", 8)) {
		reply_head(&wp, "404 Not Found");
		goto out;
	}
	for (f = root_form; f->name; f++) {
		if (!strcmp(f->name, wp.path + 8)) {
			f->function(&wp);
			goto out;
		}
	}
	reply_head(&wp, "404 Not Found");
out:
	for (i = 0; i < wp.nvars; i++)
		free(wp.vars[i]);
	free(wp.post_data);
	free(hdr);
}

static void read_conf(void)
{
	char line[128];
	FILE *fp = fopen(BOA_CONF, "r");

	if (!fp)
		return;
	while (fgets(line, sizeof(line), fp)) {
		if (!strncmp(line, "Port ", 5))
			server_port = atoi(line + 5);
		else if (!strncmp(line, "Redial ", 7))
			redial_interval = atoi(line + 7);
		else if (!strncmp(line, "Debug", 5))
			debug = 1;
	}
	fclose(fp);
}

int main(void)
{
	struct sockaddr_in sa;
	int s, c, on = 1;
	time_t last = time(NULL), now;

	signal(SIGPIPE, SIG_IGN);
	apmib_init();
	read_conf();
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(server_port);
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 16) < 0) {
		perror("bind");
		return 1;
	}
	for (;;) {
		fd_set fds;
		struct timeval tv = { 1, 0 };

		FD_ZERO(&fds);
		FD_SET(s, &fds);
		if (select(s + 1, &fds, NULL, NULL, &tv) > 0) {
			c = accept(s, NULL, NULL);
			if (c >= 0) {
				process_request(c);
				close(c);
			}
		}
		now = time(NULL);
		if (now != last) {
			last = now;
			wan_timer();
		}
	}
}
