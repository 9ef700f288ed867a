/* HNAP1 endpoint, run by the web server for /HNAP1/ */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <errno.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/stat.h>

#define HNAP_NS		"http://purenetworks.com/HNAP1/"
#define SCRIPT_DIR	"/etc/templates/hnap"
#define SESSION_FILE	"/var/run/hnap_session"
#define BODY_LIMIT	16384

struct hnap_ctx {
	const char *method;
	const char *cookie;
	char *soap;
	char *body;
	size_t body_len;
	int authed;
	char action[128];
};

static int body_get(const struct hnap_ctx *c, const char *tag, char *out, size_t room)
{
	char mark[64];
	const char *s, *e;
	size_t n;

	if (c->body == NULL)
		return -1;
	snprintf(mark, sizeof(mark), "<%s>", tag);
	s = strstr(c->body, mark);
	if (s == NULL)
		return -1;
	s += strlen(mark);
	e = strchr(s, '<');
	if (e == NULL)
		return -1;
	n = e - s;
	if (n >= room)
		n = room - 1;
	memcpy(out, s, n);
	out[n] = '\0';
	return 0;
}

static void print_head(int code, const char *text)
{
	printf("Status: %d %s\r\nContent-Type: text/xml; charset=utf-8\r\n\r\n", code, text);
}

static void soap_result(const char *action, const char *result)
{
	print_head(200, "OK");
	printf("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
	       "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>"
	       "<%sResponse xmlns=\"" HNAP_NS "\"><%sResult>%s</%sResult></%sResponse>"
	       "</soap:Body></soap:Envelope>\n", action, action, result, action, action);
}

static char *read_body(size_t *plen)
{
	const char *s = getenv("CONTENT_LENGTH");
	unsigned long want;
	char *b;
	size_t got;

	*plen = 0;
	if (s == NULL)
		return NULL;
	want = strtoul(s, NULL, 10);
	if (want == 0 || want > BODY_LIMIT)
		return NULL;
	b = malloc(want + 1);
	if (b == NULL)
		return NULL;
	got = fread(b, 1, want, stdin);
	b[got] = '\0';
	*plen = got;
	return b;
}

/* cookie list: a=b; uid=XXXXXXXX */
static int session_valid(const char *cookie)
{
	char copy[512], stored[40];
	char *tok, *save = NULL;
	FILE *f;

	if (cookie == NULL || strlen(cookie) >= sizeof(copy))
		return 0;
	strcpy(copy, cookie);
	f = fopen(SESSION_FILE, "r");
	if (f == NULL)
		return 0;
	if (fgets(stored, sizeof(stored), f) == NULL)
		stored[0] = '\0';
	fclose(f);
	stored[strcspn(stored, "\r\n")] = '\0';
	if (stored[0] == '\0')
		return 0;
	for (tok = strtok_r(copy, ";", &save); tok; tok = strtok_r(NULL, ";", &save)) {
		while (*tok == ' ')
			tok++;
		if (strncmp(tok, "uid=", 4) == 0 && strcmp(tok + 4, stored) == 0)
			return 1;
	}
	return 0;
}

static int split_action(struct hnap_ctx *c)
{
	char *s, *e;

	s = strrchr(c->soap, '/');
	if (s == NULL)
		return -1;
	s++;
	e = s + strlen(s);
	while (e > s && (e[-1] == '"' || isspace((unsigned char)e[-1])))
		*--e = '\0';
	if (*s == '\0' || strlen(s) >= sizeof(c->action))
		return -1;
	strcpy(c->action, s);
	return 0;
}

static void device_settings(void)
{
	char name[64] = "Router", fw[32] = "1.00";
	FILE *f = fopen("/etc/config/image_sign", "r");

	if (f != NULL) {
		if (fscanf(f, "%63s %31s", name, fw) < 1)
			strcpy(name, "Router");
		fclose(f);
	}
	print_head(200, "OK");
	printf("<GetDeviceSettingsResponse><GetDeviceSettingsResult>OK</GetDeviceSettingsResult>"
	       "<Type>GatewayWithWiFi</Type><ModelName>%s</ModelName><FirmwareVersion>%s</FirmwareVersion>"
	       "</GetDeviceSettingsResponse>\n", name, fw);
}

static int save_field(const struct hnap_ctx *c, const char *tag, const char *path)
{
	char val[128];
	FILE *f;

	if (body_get(c, tag, val, sizeof(val)) < 0)
		return -1;
	f = fopen(path, "w");
	if (f == NULL)
		return -1;
	fputs(val, f);
	fclose(f);
	return 0;
}

static int run_script(struct hnap_ctx *c)
{
	char cmd[256];
	int rc;

	snprintf(cmd, sizeof(cmd), "sh %s/%s.sh > /dev/console 2>&1", SCRIPT_DIR, c->action);
	rc = system(cmd);
	return rc == 0 ? 0 : -1;
}

static int dispatch(struct hnap_ctx *c)
{
	if (split_action(c) < 0) {
		print_head(400, "Bad Request");
		return 1;
	}
	if (strcmp(c->action, "GetDeviceSettings") == 0) {
		device_settings();
		return 0;
	}
	if (!c->authed) {
		print_head(401, "Unauthorized");
		return 1;
	}
	if (strcmp(c->action, "SetDeviceSettings") == 0) {
		if (save_field(c, "DeviceName", "/var/run/hnap_name") < 0)
			soap_result("SetDeviceSettings", "ERROR");
		else
			soap_result("SetDeviceSettings", "OK");
		return 0;
	}
	if (run_script(c) < 0) {
		print_head(500, "Internal Server Error");
		return 1;
	}
	print_head(200, "OK");
	printf("<HNAPResult>OK</HNAPResult>\n");
	return 0;
}

int main(void)
{
	struct hnap_ctx c;
	const char *s;
	int rc;

	memset(&c, 0, sizeof(c));
	c.method = getenv("REQUEST_METHOD");
	c.cookie = getenv("HTTP_COOKIE");
	s = getenv("HTTP_SOAPACTION");
	if (c.method == NULL) {
		print_head(400, "Bad Request");
		return 1;
	}
	if (strcasecmp(c.method, "POST") != 0) {
		device_settings();
		return 0;
	}
	if (s == NULL || strstr(s, HNAP_NS) == NULL) {
		print_head(400, "Bad Request");
		return 1;
	}
	c.soap = strdup(s);
	if (c.soap == NULL)
		return 1;
	c.authed = session_valid(c.cookie);
	if (strstr(s, HNAP_NS "GetDeviceSettings") != NULL)
		c.authed = 1;
	c.body = read_body(&c.body_len);
	rc = dispatch(&c);
	free(c.body);
	free(c.soap);
	return rc;
}
