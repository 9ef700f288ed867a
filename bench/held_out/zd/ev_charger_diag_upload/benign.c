/*
 * chargepointd - small OCPP-J like agent of the wallbox
 *
 * The local controller (energy manager) connects on TCP and sends one call
 * per line: [2,"<id>","<action>",{...}]. Answers are lines as well.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define CP_PORT		8887
#define CP_LINE		2048
#define URL_MAX		200

enum cp_state { CP_AVAILABLE, CP_PREPARING, CP_CHARGING, CP_FAULTED };

static const char *const state_name[] = {
	"Available", "Preparing", "Charging", "Faulted",
};

struct diag_job {
	int		armed;
	int		retries;
	time_t		due;
	char		url[URL_MAX];
};

static struct {
	enum cp_state	state;
	int		limit_ma;
	int		heartbeat;
	time_t		next_beat;
	unsigned long	meter_wh;
	char		tag[24];
	struct diag_job	diag;
} cp = { .limit_ma = 16000, .heartbeat = 60 };

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static int sh_run(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(cmd)) {
		syslog(LOG_ERR, "command too long");
		return -1;
	}
	rc = system(cmd);
	syslog(LOG_INFO, "exit status %d", rc);
	return rc;
}

/* ---- tiny JSON access ------------------------------------------------ */

static const char *skip_ws(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* copies the string at p (which points at the opening quote) */
static const char *json_string(const char *p, char *out, size_t cap)
{
	size_t n = 0;

	if (*p != '"')
		return NULL;
	for (p++; *p && *p != '"'; p++) {
		char c = *p;

		if (c == '\\') {
			c = *++p;
			switch (c) {
			case 'n': c = '\n'; break;
			case 't': c = '\t'; break;
			case 'r': c = '\r'; break;
			case '"': case '\\': case '/': break;
			default: return NULL;
			}
		}
		if (n + 1 >= cap)
			return NULL;
		out[n++] = c;
	}
	if (*p != '"')
		return NULL;
	out[n] = '\0';
	return p + 1;
}

static const char *json_member(const char *obj, const char *key)
{
	char pat[40];
	const char *p;

	snprintf(pat, sizeof(pat), "\"%s\"", key);
	p = strstr(obj, pat);
	if (!p)
		return NULL;
	p = skip_ws(p + strlen(pat));
	if (*p != ':')
		return NULL;
	return skip_ws(p + 1);
}

static int json_int(const char *obj, const char *key, int dflt)
{
	const char *p = json_member(obj, key);

	if (!p || (!isdigit((unsigned char)*p) && *p != '-'))
		return dflt;
	return (int)strtol(p, NULL, 10);
}

static int json_text(const char *obj, const char *key, char *out, size_t cap)
{
	const char *p = json_member(obj, key);

	return p && json_string(p, out, cap) ? 0 : -1;
}

/* ---- actions ---------------------------------------------------------- */

static int location_ok(const char *url)
{
	if (strncmp(url, "ftp://", 6) && strncmp(url, "http://", 7))
		return 0;
	if (url[strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789:/._-")])
		return 0;
	return 1;
}

static const char *act_heartbeat(const char *arg)
{
	int iv = json_int(arg, "interval", 0);

	if (iv >= 10 && iv <= 86400)
		cp.heartbeat = iv;
	return "Accepted";
}

static const char *act_start(const char *arg)
{
	if (cp.state != CP_AVAILABLE && cp.state != CP_PREPARING)
		return "Rejected";
	if (json_text(arg, "idTag", cp.tag, sizeof(cp.tag)))
		return "Invalid";
	cp.state = CP_CHARGING;
	return "Accepted";
}

static const char *act_stop(const char *arg)
{
	(void)arg;
	if (cp.state != CP_CHARGING)
		return "Rejected";
	cp.state = CP_AVAILABLE;
	cp.tag[0] = '\0';
	return "Accepted";
}

static const char *act_limit(const char *arg)
{
	int ma = json_int(arg, "limit", -1);

	if (ma < 6000 || ma > 32000)
		return "Rejected";
	cp.limit_ma = ma;
	sh_run("evse-ctl current %d", ma);
	return "Accepted";
}

static const char *act_diag(const char *arg)
{
	char url[URL_MAX];

	if (json_text(arg, "location", url, sizeof(url)))
		return "Invalid";
	if (!location_ok(url))
		return "Rejected";
	strcpy(cp.diag.url, url);
	cp.diag.retries = json_int(arg, "retries", 1);
	if (cp.diag.retries > 5 || cp.diag.retries < 0)
		cp.diag.retries = 5;
	cp.diag.due = time(NULL) + 2;
	cp.diag.armed = 1;
	return "Accepted";
}

static const char *act_status(const char *arg)
{
	(void)arg;
	return state_name[cp.state];
}

static const struct action {
	const char *name;
	const char *(*fn)(const char *arg);
} actions[] = {
	{ "Heartbeat",			act_heartbeat },
	{ "RemoteStartTransaction",	act_start },
	{ "RemoteStopTransaction",	act_stop },
	{ "SetCurrentLimit",		act_limit },
	{ "GetDiagnostics",		act_diag },
	{ "StatusNotification",		act_status },
};

static void handle_line(int fd, const char *line)
{
	char id[40], name[48], out[160];
	const char *p = skip_ws(line), *res = "NotImplemented";
	size_t i;

	if (strncmp(p, "[2,", 3))
		return;
	p = json_string(skip_ws(p + 3), id, sizeof(id));
	if (!p || *p++ != ',')
		return;
	p = json_string(skip_ws(p), name, sizeof(name));
	if (!p || *p++ != ',')
		return;
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (!strcmp(actions[i].name, name)) {
			res = actions[i].fn(p);
			break;
		}
	}
	snprintf(out, sizeof(out), "[3,\"%s\",{\"status\":\"%s\"}]\n", id, res);
	if (send(fd, out, strlen(out), MSG_NOSIGNAL) < 0)
		syslog(LOG_WARNING, "send: %s", strerror(errno));
}

/* ---- periodic work ----------------------------------------------------- */

static void tick(void)
{
	time_t now = time(NULL);

	if (cp.state == CP_CHARGING)
		cp.meter_wh += (unsigned long)cp.limit_ma * 230 / 1000 / 3600;
	if (now >= cp.next_beat) {
		syslog(LOG_DEBUG, "state %s, %lu Wh", state_name[cp.state],
		       cp.meter_wh);
		cp.next_beat = now + cp.heartbeat;
	}
	if (cp.diag.armed && now >= cp.diag.due) {
		if (sh_run("curl -s -m 30 -T /var/log/chargepoint.log %s",
			   cp.diag.url) && cp.diag.retries-- > 0)
			cp.diag.due = now + 30;
		else
			cp.diag.armed = 0;
	}
}

int main(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct pollfd pfd[2];
	char buf[CP_LINE], *nl;
	size_t fill = 0;
	int one = 1;

	openlog("chargepointd", LOG_PID, LOG_DAEMON);
	signal(SIGTERM, on_term);
	signal(SIGPIPE, SIG_IGN);

	pfd[0].fd = socket(AF_INET, SOCK_STREAM, 0);
	pfd[0].events = pfd[1].events = POLLIN;
	pfd[1].fd = -1;
	setsockopt(pfd[0].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	sa.sin_port = htons(CP_PORT);
	sa.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(pfd[0].fd, (struct sockaddr *)&sa, sizeof(sa)) ||
	    listen(pfd[0].fd, 2)) {
		syslog(LOG_ERR, "port %d: %s", CP_PORT, strerror(errno));
		return 1;
	}
	while (!stop) {
		pfd[0].revents = pfd[1].revents = 0;
		if (poll(pfd, 2, 1000) < 0 && errno != EINTR)
			break;
		if (pfd[0].revents & POLLIN) {
			int c = accept(pfd[0].fd, NULL, NULL);

			if (c >= 0) {
				if (pfd[1].fd >= 0)
					close(pfd[1].fd);
				pfd[1].fd = c;
				fill = 0;
			}
		} else if (pfd[1].fd >= 0 && pfd[1].revents) {
			ssize_t n = recv(pfd[1].fd, buf + fill,
					 sizeof(buf) - 1 - fill, 0);

			if (n <= 0) {
				close(pfd[1].fd);
				pfd[1].fd = -1;
			} else {
				fill += (size_t)n;
				buf[fill] = '\0';
				while ((nl = strchr(buf, '\n'))) {
					*nl++ = '\0';
					handle_line(pfd[1].fd, buf);
					fill = strlen(nl);
					memmove(buf, nl, fill + 1);
				}
				if (fill == sizeof(buf) - 1)
					fill = 0;
			}
		}
		tick();
	}
	return 0;
}
