// Charge point agent: SOAP requests of the central system (GetDiagnostics,
// ChangeAvailability, Heartbeat), diagnostics uploaded later by a timer thread.
#define _GNU_SOURCE
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const unsigned short kSoapPort = 8085;
enum { kMaxRequest = 16384, kMaxUrl = 200, kConnectors = 2 };

typedef struct {
	int active;
	int retries;
	int interval;
	time_t due;
	char location[kMaxUrl];
} DiagJob;

typedef struct {
	int available[kConnectors];
	int charging[kConnectors];
	DiagJob diag;
	pthread_mutex_t mutex;
} ChargePoint;

static ChargePoint cp = { .available = { 1, 1 }, .mutex = PTHREAD_MUTEX_INITIALIZER };

static void logLine(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("cpagent: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static int runCommand(const char *fmt, ...)
{
	char cmd[400];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof cmd, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof cmd)
		return -1;
	return system(cmd);
}

// Text between <ns:name ...> and the next '<', entities replaced.
static int tagText(const char *doc, const char *name, char *out, size_t cap)
{
	static const struct { const char *ent; char c; } ents[] = {
		{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' },
		{ "&quot;", '"' }, { "&apos;", '\'' },
	};
	size_t nameLen = strlen(name), n = 0, i;
	const char *p = doc;

	while ((p = strchr(p, '<')) != NULL) {
		const char *q = ++p;
		const char *colon = p;

		if (*q == '/')
			continue;
		while (isalnum((unsigned char)*colon))
			colon++;
		if (*colon == ':')
			q = colon + 1;
		if (strncmp(q, name, nameLen) != 0)
			continue;
		q += nameLen;
		if (*q != '>' && *q != ' ')
			continue;
		q = strchr(q, '>');
		if (!q)
			return -1;
		for (q++; *q && *q != '<'; ) {
			size_t step = 1;
			char c = *q;

			if (c == '&')
				for (i = 0; i < sizeof ents / sizeof ents[0]; i++)
					if (strncmp(q, ents[i].ent, strlen(ents[i].ent)) == 0) {
						c = ents[i].c;
						step = strlen(ents[i].ent);
						break;
					}
			if (n + 1 >= cap)
				return -1;
			out[n++] = c;
			q += step;
		}
		out[n] = '\0';
		return (int)n;
	}
	return -1;
}

static int tagInt(const char *doc, const char *name, int dflt, int lo, int hi)
{
	char text[16];
	int v;

	if (tagText(doc, name, text, sizeof text) <= 0)
		return dflt;
	v = atoi(text);
	return (v < lo || v > hi) ? dflt : v;
}

static int urlOk(const char *url)
{
	const char *p;

	if (strncmp(url, "ftp://", 6) == 0)
		p = url + 6;
	else if (strncmp(url, "http://", 7) == 0)
		p = url + 7;
	else
		return 0;
	if (!isalnum((unsigned char)*p))
		return 0;
	for (; *p && *p != '/'; p++) {
		if (isalnum((unsigned char)*p))
			continue;
		switch (*p) {
		case '.': case '-': case '_': case ':': case '/': case '@': case '%': case '~':
			break;
		default:
			return 0;
		}
	}
	return 1;
}

static const char *onGetDiagnostics(const char *doc)
{
	char location[kMaxUrl];
	int delay = tagInt(doc, "delay", 1, 0, 3600);

	if (tagText(doc, "location", location, sizeof location) <= 0)
		return "MissingLocation";
	if (!urlOk(location)) {
		logLine("location refused");
		return "BadLocation";
	}
	pthread_mutex_lock(&cp.mutex);
	cp.diag.retries = tagInt(doc, "retries", 0, 0, 5);
	cp.diag.interval = tagInt(doc, "retryInterval", 60, 5, 3600);
	cp.diag.due = time(NULL) + delay;
	strcpy(cp.diag.location, location);
	cp.diag.active = 1;
	pthread_mutex_unlock(&cp.mutex);
	return "Accepted";
}

static const char *onChangeAvailability(const char *doc)
{
	char type[24];
	int id = tagInt(doc, "connectorId", 0, 1, kConnectors);

	if (id == 0 || tagText(doc, "type", type, sizeof type) <= 0)
		return "Rejected";
	pthread_mutex_lock(&cp.mutex);
	cp.available[id - 1] = strcmp(type, "Operative") == 0;
	pthread_mutex_unlock(&cp.mutex);
	return cp.charging[id - 1] ? "Scheduled" : "Accepted";
}

static const char *onUnlock(const char *doc)
{
	int id = tagInt(doc, "connectorId", 0, 1, kConnectors);

	if (id == 0)
		return "Rejected";
	return runCommand("lockctl --connector %d --open", id) == 0 ? "Accepted" : "Rejected";
}

static const char *onHeartbeat(const char *doc)
{
	(void)doc;
	return "Alive";
}

static const struct {
	const char *element;
	const char *(*handle)(const char *);
} kActions[] = {
	{ "getDiagnosticsRequest>", onGetDiagnostics },
	{ "changeAvailabilityRequest>", onChangeAvailability },
	{ "unlockConnectorRequest>", onUnlock },
	{ "heartbeatRequest>", onHeartbeat },
};

static void *diagTimer(void *unused)
{
	(void)unused;
	for (;;) {
		DiagJob job;
		int ready, rc;

		sleep(1);
		pthread_mutex_lock(&cp.mutex);
		ready = cp.diag.active && time(NULL) >= cp.diag.due;
		job = cp.diag;
		if (ready)
			cp.diag.active = 0;
		pthread_mutex_unlock(&cp.mutex);
		if (!ready)
			continue;
		runCommand("tar czf /tmp/diag.tgz /var/log/cp");
		rc = runCommand("curl -s -T /tmp/diag.tgz \"%s\"", job.location);
		logLine("diagnostics upload: %d", rc);
		if (rc != 0 && job.retries > 0) {
			pthread_mutex_lock(&cp.mutex);
			if (!cp.diag.active) {
				cp.diag.retries = job.retries - 1;
				cp.diag.due = time(NULL) + job.interval;
				cp.diag.active = 1;
			}
			pthread_mutex_unlock(&cp.mutex);
		}
	}
	return NULL;
}

static void serveClient(int fd)
{
	static char req[kMaxRequest + 1];
	char rsp[512];
	const char *status = "NotSupported", *cl;
	char *body = NULL;
	size_t have = 0, need = 0, i;
	int n;

	while (have < kMaxRequest) {
		ssize_t r = recv(fd, req + have, kMaxRequest - have, 0);
		if (r <= 0)
			break;
		have += (size_t)r;
		req[have] = '\0';
		if (!body && (body = strstr(req, "\r\n\r\n")) != NULL) {
			body += 4;
			cl = strcasestr(req, "content-length:");
			need = (size_t)(body - req) + (cl ? strtoul(cl + 15, NULL, 10) : 0);
		}
		if (body && have >= need)
			break;
	}
	if (!body || strncmp(req, "POST /cp ", 9) != 0)
		return;
	for (i = 0; i < sizeof kActions / sizeof kActions[0]; i++)
		if (strstr(body, kActions[i].element)) {
			status = kActions[i].handle(body);
			break;
		}
	n = snprintf(rsp, sizeof rsp,
		"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nConnection: close\r\n\r\n"
		"<s:Envelope><s:Body><status>%s</status></s:Body></s:Envelope>", status);
	send(fd, rsp, (size_t)n, MSG_NOSIGNAL);
}

int main(void)
{
	struct sockaddr_in addr;
	struct timeval tv = { 5, 0 };
	pthread_t timer;
	int srv = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	memset(&addr, 0, sizeof addr);
	addr.sin_family = AF_INET;
	addr.sin_port = htons(kSoapPort);
	setsockopt(srv, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(srv, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(srv, 4) != 0) {
		logLine("cannot listen on %u", kSoapPort);
		return 1;
	}
	if (pthread_create(&timer, NULL, diagTimer, NULL) != 0)
		return 1;
	for (;;) {
		int fd = accept(srv, NULL, NULL);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
		serveClient(fd);
		close(fd);
	}
}
