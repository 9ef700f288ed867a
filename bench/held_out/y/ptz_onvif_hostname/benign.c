/*
 * onvifd - device management and PTZ service for the PT-2xx pan-tilt cameras
 *
 * Small subset of the ONVIF device/ptz services: enough for the common VMS.
 * One connection at a time, slow operations are deferred to the house keeping.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <netinet/in.h>

#define SVC_PORT      8000
#define REQ_MAX       8192
#define HOST_MAX      64
#define CONF_FILE     "/etc/onvifd.conf"

struct ptz_state { float pan, tilt, zoom; int moving; time_t stop_at; };

struct device {
	int            port;
	int            verbose;
	char           model[32];
	char           hostname[HOST_MAX];
	int            hostname_dirty;
	int            reboot_pending;
	time_t         reboot_at;
	struct ptz_state ptz;
};

static struct device cam = { SVC_PORT, 0, "PT-210", "ptcam", 0, 0, 0 };

static void olog(int lvl, const char *fmt, ...)
{
	va_list ap;

	if (lvl > cam.verbose)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void load_conf(void)
{
	char line[128];
	FILE *fp = fopen(CONF_FILE, "r");

	if (!fp)
		return;
	while (fgets(line, sizeof(line), fp)) {
		int v;
		if (sscanf(line, "port=%d", &v) == 1 && v > 0 && v < 65536)
			cam.port = v;
		else if (sscanf(line, "verbose=%d", &v) == 1)
			cam.verbose = v;
	}
	fclose(fp);
}

/* text of the first element with this local name, whatever its prefix */
static int xml_text(const char *doc, const char *name, char *out, size_t outsz)
{
	size_t nl = strlen(name);
	const char *p = doc;

	while ((p = strchr(p, '<')) != NULL) {
		const char *q = ++p;
		const char *colon;
		size_t i = 0;

		if (*q == '/' || *q == '?')
			continue;
		colon = q;
		while (*colon && *colon != ':' && *colon != '>' && *colon != ' ')
			colon++;
		if (*colon == ':')
			q = colon + 1;
		if (strncmp(q, name, nl) || (q[nl] != '>' && q[nl] != ' '))
			continue;
		q = strchr(q, '>');
		if (!q)
			return -1;
		for (q++; *q && *q != '<' && i + 1 < outsz; q++)
			out[i++] = *q;
		out[i] = '\0';
		return 0;
	}
	return -1;
}

static void reply(int fd, int code, const char *body)
{
	char hdr[256];
	int n = snprintf(hdr, sizeof(hdr),
		"HTTP/1.1 %d %s\r\nContent-Type: application/soap+xml\r\n"
		"Content-Length: %u\r\nConnection: close\r\n\r\n",
		code, code == 200 ? "OK" : "Error", (unsigned)strlen(body));

	send(fd, hdr, n, 0);
	send(fd, body, strlen(body), 0);
}

static int op_get_info(int fd, const char *doc)
{
	char b[512];

	snprintf(b, sizeof(b), "<tds:GetDeviceInformationResponse><tds:Model>%s"
		"</tds:Model></tds:GetDeviceInformationResponse>", cam.model);
	reply(fd, 200, b);
	return 0;
}

static int op_set_hostname(int fd, const char *doc)
{
	char name[HOST_MAX];
	const char *c;

	if (xml_text(doc, "Name", name, sizeof(name)) < 0 || !name[0])
		return -1;
	for (c = name; *c; c++) {
		/* RFC 952 letters only */
		if (!isalnum((unsigned char)*c) && *c != '-')
			return -1;
	}
	strcpy(cam.hostname, name);
	cam.hostname_dirty = 1;
	reply(fd, 200, "<tds:SetHostnameResponse/>");
	return 0;
}

static int op_reboot(int fd, const char *doc)
{
	cam.reboot_pending = 1;
	cam.reboot_at = time(NULL) + 5;
	reply(fd, 200, "<tds:SystemRebootResponse><tds:Message>Rebooting</tds:Message>"
		"</tds:SystemRebootResponse>");
	return 0;
}

static int op_move(int fd, const char *doc)
{
	char v[16];

	if (xml_text(doc, "Pan", v, sizeof(v)) == 0)
		cam.ptz.pan = (float)atof(v);
	if (xml_text(doc, "Tilt", v, sizeof(v)) == 0)
		cam.ptz.tilt = (float)atof(v);
	if (xml_text(doc, "Zoom", v, sizeof(v)) == 0)
		cam.ptz.zoom = (float)atof(v);
	cam.ptz.moving = 1;
	cam.ptz.stop_at = time(NULL) + 10;
	reply(fd, 200, "<tptz:ContinuousMoveResponse/>");
	return 0;
}

static int op_stop(int fd, const char *doc)
{
	cam.ptz.moving = 0;
	reply(fd, 200, "<tptz:StopResponse/>");
	return 0;
}

static const struct {
	const char *op;
	int (*fn)(int, const char *);
} ops[] = {
	{ "GetDeviceInformation", op_get_info },
	{ "SetHostname",          op_set_hostname },
	{ "SystemReboot",         op_reboot },
	{ "ContinuousMove",       op_move },
	{ "Stop",                 op_stop },
};

static void handle(int fd)
{
	static char req[REQ_MAX];
	size_t have = 0, i;
	char *body;

	while (have < sizeof(req) - 1) {
		ssize_t n = recv(fd, req + have, sizeof(req) - 1 - have, 0);
		if (n <= 0)
			break;
		have += n;
		req[have] = '\0';
		if (strstr(req, "Envelope>") && strstr(req, "Body>"))
			break;
	}
	req[have] = '\0';
	body = strstr(req, "\r\n\r\n");
	if (!body || strncmp(req, "POST ", 5)) {
		reply(fd, 400, "");
		return;
	}
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (!strstr(body, ops[i].op))
			continue;
		olog(1, "op %s", ops[i].op);
		if (ops[i].fn(fd, body) < 0)
			reply(fd, 400, "<env:Fault/>");
		return;
	}
	reply(fd, 400, "<env:Fault/>");
}

/* runs about once a second */
static void housekeeping(void)
{
	time_t now = time(NULL);
	char cmd[HOST_MAX + 64];

	if (cam.ptz.moving && now >= cam.ptz.stop_at) {
		cam.ptz.moving = 0;
		olog(1, "ptz timeout");
	}
	if (cam.hostname_dirty) {
		cam.hostname_dirty = 0;
		snprintf(cmd, sizeof(cmd), "hostname %s && cp /etc/hosts.tpl /etc/hosts",
			 cam.hostname);
		if (system(cmd) != 0)
			olog(0, "hostname not set");
	}
	if (cam.reboot_pending && now >= cam.reboot_at)
		system("sync; reboot");
}

int main(void)
{
	struct sockaddr_in sa;
	int ls, one = 1;

	signal(SIGPIPE, SIG_IGN);
	load_conf();
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(cam.port);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 4) < 0) {
		perror("onvifd");
		return 1;
	}
	for (;;) {
		struct timeval tv = { 1, 0 };
		fd_set r;

		FD_ZERO(&r);
		FD_SET(ls, &r);
		if (select(ls + 1, &r, NULL, NULL, &tv) > 0) {
			int c = accept(ls, NULL, NULL);
			if (c >= 0) {
				handle(c);
				close(c);
			}
		}
		housekeeping();
	}
}
