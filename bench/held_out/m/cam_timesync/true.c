#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <ctype.h>
#include <time.h>
#include <signal.h>
#include <syslog.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define TS_PORT        9010
#define TS_HOST_LEN    96
#define TS_CFG         "/mnt/mtd/Config/timesync.ini"

typedef struct _TS_CONFIG {
	char szHost[TS_HOST_LEN];
	int  nPeriod;
	int  nZone;
	int  bEnable;
	int  bDirty;
} TS_CONFIG;

static TS_CONFIG g_tsCfg;
static time_t    g_tNext;
static int       g_nRuns;

static void TS_Log(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	syslog(LOG_INFO, "%s", line);
}

static int TS_Shell(const char *fmt, ...)
{
	char cmd[320];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(cmd))
		return -1;
	return system(cmd);
}

static void TS_SetDefault(TS_CONFIG *c)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->szHost, sizeof(c->szHost), "%s", "time.nist.gov");
	c->nPeriod = 3600;
	c->bEnable = 1;
}

static int TS_HostValid(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n >= TS_HOST_LEN)
		return 0;
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		n--;
	return n > 0;
}

static int TS_SetHost(TS_CONFIG *c, const char *v)
{
	if (!TS_HostValid(v))
		return -1;
	snprintf(c->szHost, sizeof(c->szHost), "%s", v);
	c->bDirty = 1;
	return 0;
}

static int TS_SetPeriod(TS_CONFIG *c, const char *v)
{
	int n = atoi(v);

	if (n < 60 || n > 86400)
		return -1;
	c->nPeriod = n;
	c->bDirty = 1;
	return 0;
}

static int TS_SetZone(TS_CONFIG *c, const char *v)
{
	int n = atoi(v);

	if (n < -12 || n > 14)
		return -1;
	c->nZone = n;
	c->bDirty = 1;
	return 0;
}

static int TS_SetEnable(TS_CONFIG *c, const char *v)
{
	c->bEnable = (v[0] == '1');
	return 0;
}

static int TS_ApplyPair(TS_CONFIG *c, const char *k, const char *v)
{
	if (!strcmp(k, "Host"))
		return TS_SetHost(c, v);
	if (!strcmp(k, "Period"))
		return TS_SetPeriod(c, v);
	if (!strcmp(k, "Zone"))
		return TS_SetZone(c, v);
	if (!strcmp(k, "Enable"))
		return TS_SetEnable(c, v);
	return -2;
}

static char *TS_Trim(char *s)
{
	char *e;

	while (*s == ' ' || *s == '\t')
		s++;
	e = s + strlen(s);
	while (e > s && (e[-1] == '\r' || e[-1] == '\n' || e[-1] == ' '))
		*--e = 0;
	return s;
}

static int TS_ParseLine(TS_CONFIG *c, char *line)
{
	char *eq = strchr(line, '=');

	if (!eq)
		return -1;
	*eq = 0;
	return TS_ApplyPair(c, TS_Trim(line), TS_Trim(eq + 1));
}

static void TS_Load(TS_CONFIG *c)
{
	char line[160];
	FILE *fp = fopen(TS_CFG, "r");

	if (!fp)
		return;
	while (fgets(line, sizeof(line), fp))
		TS_ParseLine(c, line);
	fclose(fp);
	c->bDirty = 0;
}

static void TS_Save(TS_CONFIG *c)
{
	FILE *fp;

	if (!c->bDirty)
		return;
	fp = fopen(TS_CFG, "w");
	if (!fp)
		return;
	fprintf(fp, "Host=%s\nPeriod=%d\nZone=%d\nEnable=%d\n",
		c->szHost, c->nPeriod, c->nZone, c->bEnable);
	fclose(fp);
	c->bDirty = 0;
}

static void TS_OnTimer(TS_CONFIG *c)
{
	int ret;

	TS_Save(c);
	if (!c->bEnable)
		return;
	ret = TS_Shell("/usr/bin/ntpclient -s -t -h %s -i %d >/dev/null 2>&1",
		       c->szHost, 15);
	g_nRuns++;
	TS_Log("sync #%d ret=%d", g_nRuns, ret);
}

static void TS_CheckTimer(TS_CONFIG *c)
{
	time_t now = time(NULL);

	if (now < g_tNext)
		return;
	g_tNext = now + c->nPeriod;
	TS_OnTimer(c);
}

static int TS_OnPacket(TS_CONFIG *c, char *buf)
{
	char *save = NULL, *tok;
	int ok = 0;

	if (strncmp(buf, "TIMECFG\n", 8))
		return -1;
	for (tok = strtok_r(buf + 8, "\n", &save); tok; tok = strtok_r(NULL, "\n", &save))
		if (TS_ParseLine(c, tok) == 0)
			ok++;
	if (ok)
		g_tNext = time(NULL) + 5;
	return ok;
}

static int TS_Open(void)
{
	struct sockaddr_in a;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		return -1;
	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons(TS_PORT);
	a.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void TS_Receive(int fd)
{
	struct sockaddr_in from;
	socklen_t fl = sizeof(from);
	char buf[1024], reply[32];
	int n, r;

	n = recvfrom(fd, buf, sizeof(buf) - 1, 0, (struct sockaddr *)&from, &fl);
	if (n <= 0)
		return;
	buf[n] = 0;
	r = TS_OnPacket(&g_tsCfg, buf);
	snprintf(reply, sizeof(reply), "TIMECFG %d\n", r);
	sendto(fd, reply, strlen(reply), 0, (struct sockaddr *)&from, fl);
}

int main(void)
{
	int fd;

	openlog("timesync", LOG_PID, LOG_DAEMON);
	TS_SetDefault(&g_tsCfg);
	TS_Load(&g_tsCfg);
	fd = TS_Open();
	if (fd < 0)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		struct timeval tv = { 1, 0 };
		fd_set rs;

		FD_ZERO(&rs);
		FD_SET(fd, &rs);
		if (select(fd + 1, &rs, NULL, NULL, &tv) > 0)
			TS_Receive(fd);
		TS_CheckTimer(&g_tsCfg);
	}
	return 0;
}
