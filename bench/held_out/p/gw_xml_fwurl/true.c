/* cpe management: polls nothing, waits for the ACS to push an RPC as XML over TCP */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <time.h>
#include <poll.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define CWMP_PORT 7547
#define BODY_MAX  8192

struct DownloadState {
	char Url[256];
	char FileType[40];
	char Key[33];
	long Delay;
	time_t Start;
	int Pending;
	int Result;
};

struct Cpe {
	struct DownloadState *Dl;
	int  InformInterval;
	int  Reboot;
	FILE *Log;
};

static struct Cpe g_cpe;

static void Trace(const char *what, const char *arg)
{
	if (!g_cpe.Log)
		return;
	fprintf(g_cpe.Log, "%ld %s %s\n", (long)time(NULL), what, arg ? arg : "");
	fflush(g_cpe.Log);
}

/* text between <tag> and </tag>, entities resolved */
static int XmlText(const char *doc, const char *tag, char *out, int max)
{
	char open[48], close[48];
	const char *b, *e;
	int n = 0;

	snprintf(open, sizeof(open), "<%s>", tag);
	snprintf(close, sizeof(close), "</%s>", tag);
	b = strstr(doc, open);
	if (!b)
		return -1;
	b += strlen(open);
	e = strstr(b, close);
	if (!e)
		return -1;
	while (b < e && n < max - 1) {
		if (!strncmp(b, "&amp;", 5)) {
			out[n++] = '&';
			b += 5;
		} else if (!strncmp(b, "&lt;", 4)) {
			out[n++] = '<';
			b += 4;
		} else if (!strncmp(b, "&gt;", 4)) {
			out[n++] = '>';
			b += 4;
		} else {
			out[n++] = *b++;
		}
	}
	out[n] = 0;
	return n;
}

static int CheckUrl(const char *u)
{
	if (strncmp(u, "http://", 7) && strncmp(u, "https://", 8))
		return 0;
	for (; *u; u++) {
		switch (*u) {
		case ';': case '|': case '"': case '\'': case '<': case '>': case ' ':
			return 0;
		}
	}
	return 1;
}

static int RpcDownload(const char *doc, char *rsp, size_t max)
{
	struct DownloadState *d = g_cpe.Dl;
	char url[256], num[16];

	if (d->Pending) {
		snprintf(rsp, max, "<FaultCode>9001</FaultCode>");
		return -1;
	}
	if (XmlText(doc, "URL", url, sizeof(url)) < 0 || !CheckUrl(url)) {
		snprintf(rsp, max, "<FaultCode>9003</FaultCode>");
		return -1;
	}
	memcpy(d->Url, url, sizeof(d->Url));
	if (XmlText(doc, "FileType", d->FileType, sizeof(d->FileType)) < 0)
		strcpy(d->FileType, "1 Firmware Upgrade Image");
	if (XmlText(doc, "CommandKey", d->Key, sizeof(d->Key)) < 0)
		d->Key[0] = 0;
	d->Delay = 0;
	if (XmlText(doc, "DelaySeconds", num, sizeof(num)) > 0)
		d->Delay = strtol(num, NULL, 10);
	if (d->Delay < 0 || d->Delay > 3600)
		d->Delay = 0;
	d->Start = time(NULL) + d->Delay;
	d->Pending = 1;
	Trace("download", d->FileType);
	snprintf(rsp, max, "<DownloadResponse><Status>1</Status></DownloadResponse>");
	return 0;
}

static int RpcReboot(const char *doc, char *rsp, size_t max)
{
	g_cpe.Reboot = 1;
	snprintf(rsp, max, "<RebootResponse/>");
	return 0;
}

static int RpcSetInform(const char *doc, char *rsp, size_t max)
{
	char num[16];
	int v;

	if (XmlText(doc, "PeriodicInformInterval", num, sizeof(num)) < 0)
		return -1;
	v = atoi(num);
	if (v >= 30)
		g_cpe.InformInterval = v;
	snprintf(rsp, max, "<SetParameterValuesResponse><Status>0</Status></SetParameterValuesResponse>");
	return 0;
}

struct Rpc {
	const char *Name;
	int (*Run)(const char *doc, char *rsp, size_t max);
};

static const struct Rpc Rpcs[] = {
	{ "<cwmp:Download>", RpcDownload },
	{ "<cwmp:Reboot>", RpcReboot },
	{ "<cwmp:SetParameterValues>", RpcSetInform },
	{ NULL, NULL }
};

static void StartDownload(struct DownloadState *d)
{
	char cmd[400], line[128];
	FILE *p;

	snprintf(cmd, sizeof(cmd), "wget -q -T 30 -O /tmp/fw.bin %s && fwcheck /tmp/fw.bin", d->Url);
	p = popen(cmd, "r");
	if (!p) {
		d->Result = 9010;
		d->Pending = 0;
		return;
	}
	while (fgets(line, sizeof(line), p))
		Trace("fw", line);
	d->Result = pclose(p) ? 9010 : 0;
	d->Pending = 0;
	if (d->Result == 0)
		g_cpe.Reboot = 1;
}

static void Session(int fd)
{
	char *body = malloc(BODY_MAX), rsp[512], head[640];
	const struct Rpc *r;
	int got = 0, n;

	if (!body)
		return;
	while (got < BODY_MAX - 1) {
		n = read(fd, body + got, BODY_MAX - 1 - got);
		if (n <= 0)
			break;
		got += n;
		body[got] = 0;
		if (strstr(body, "Envelope>") && strstr(body, "</"))
			break;
	}
	body[got] = 0;
	strcpy(rsp, "<FaultCode>9000</FaultCode>");
	for (r = Rpcs; r->Name; r++)
		if (strstr(body, r->Name)) {
			r->Run(body, rsp, sizeof(rsp));
			break;
		}
	n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n%s",
		     (unsigned)strlen(rsp), rsp);
	write(fd, head, n);
	free(body);
}

int main(void)
{
	struct sockaddr_in sin;
	struct pollfd pf;
	int c, on = 1;

	g_cpe.Log = fopen("/var/log/cwmp.log", "a");
	g_cpe.InformInterval = 300;
	g_cpe.Dl = calloc(1, sizeof(*g_cpe.Dl));
	if (!g_cpe.Dl)
		return 1;
	pf.fd = socket(AF_INET, SOCK_STREAM, 0);
	pf.events = POLLIN;
	setsockopt(pf.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(CWMP_PORT);
	if (bind(pf.fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(pf.fd, 2))
		return 1;
	while (!g_cpe.Reboot) {
		if (poll(&pf, 1, 1000) > 0) {
			c = accept(pf.fd, NULL, NULL);
			if (c >= 0) {
				Session(c);
				close(c);
			}
		}
		if (g_cpe.Dl->Pending && time(NULL) >= g_cpe.Dl->Start)
			StartDownload(g_cpe.Dl);
	}
	Trace("reboot", NULL);
	return system("/sbin/reboot");
}
