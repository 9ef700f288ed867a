/*
 * wxrelayd - the console of the weather station.
 *
 * Outdoor sensors (or a gateway of another vendor) report by HTTP GET as
 * to the usual weather services; the console keeps the last values and
 * relays them to the service of the owner from time to time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <netinet/in.h>

#define LISTEN_PORT	8080
#define RELAY_SECONDS	60
#define REQ_SIZE	1024

struct reading {
	const char *key;
	const char *unit;
	double value;
	double low;
	double high;
	int valid;
};

static struct reading readings[] = {
	{ "tempf",       "F",    0, -80,  180 },
	{ "humidity",    "%",    0,   0,  100 },
	{ "baromin",     "inHg", 0,  20,   35 },
	{ "windspeedmph","mph",  0,   0,  250 },
	{ "winddir",     "deg",  0,   0,  360 },
	{ "rainin",      "in",   0,   0,   40 },
	{ NULL }
};

struct station {
	char *id;
	char *model;
	time_t last;
	unsigned long reports;
};

static struct {
	char host[64];
	char password[32];
	int every;
} relay = { "rtupdate.wx.example", "", RELAY_SECONDS };

static struct station *sta;
static time_t next_relay;
static char relay_req[256];

static void wlog(const char *what, const char *text)
{
	time_t t = time(NULL);
	struct tm *tm = localtime(&t);

	fprintf(stderr, "%02d:%02d:%02d %s %s\n", tm->tm_hour, tm->tm_min, tm->tm_sec, what, text);
}

static void read_conf(const char *name)
{
	char line[120], *eq;
	FILE *fp = fopen(name, "r");

	if (!fp)
		return;
	while (fgets(line, sizeof(line), fp)) {
		line[strcspn(line, "\r\n")] = 0;
		eq = strchr(line, '=');
		if (!eq)
			continue;
		*eq++ = 0;
		if (!strcmp(line, "host"))
			snprintf(relay.host, sizeof(relay.host), "%s", eq);
		if (!strcmp(line, "password"))
			snprintf(relay.password, sizeof(relay.password), "%s", eq);
		if (!strcmp(line, "every") && atoi(eq) >= 10)
			relay.every = atoi(eq);
	}
	fclose(fp);
}

static void replace(char **where, const char *text)
{
	char *n = strdup(text);

	if (n) {
		free(*where);
		*where = n;
	}
}

static void take_value(const char *key, const char *val)
{
	struct reading *r;
	char *end;
	double d;

	if (!strcmp(key, "ID")) {
		replace(&sta->id, val);
		return;
	}
	if (!strcmp(key, "softwaretype")) {
		replace(&sta->model, val);
		return;
	}
	for (r = readings; r->key; r++) {
		if (strcmp(r->key, key))
			continue;
		d = strtod(val, &end);
		if (end != val && d >= r->low && d <= r->high) {
			r->value = d;
			r->valid = 1;
		}
		return;
	}
}

static void report(char *query)
{
	char *pair, *save = NULL, *eq;

	for (pair = strtok_r(query, "&", &save); pair; pair = strtok_r(NULL, "&", &save)) {
		eq = strchr(pair, '=');
		if (eq) {
			*eq = 0;
			take_value(pair, eq + 1);
		}
	}
	sta->last = time(NULL);
	sta->reports++;
	if (!next_relay)
		next_relay = sta->last + 5;
}

static void show_values(int fd)
{
	char out[800];
	struct reading *r;
	int n;

	n = snprintf(out, sizeof(out), "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nreports %lu\n", sta->reports);
	for (r = readings; r->key; r++)
		if (r->valid && n < (int)sizeof(out) - 64)
			n += snprintf(out + n, sizeof(out) - n, "%s %.2f %s\n", r->key, r->value, r->unit);
	write(fd, out, n);
}

static void serve(int fd)
{
	static const char ok[] = "HTTP/1.0 200 OK\r\n\r\nsuccess\n";
	static const char bad[] = "HTTP/1.0 404 Not Found\r\n\r\n";
	char req[REQ_SIZE];
	size_t have = 0;
	char *end, *q;

	do {
		ssize_t n = recv(fd, req + have, sizeof(req) - 1 - have, 0);
		if (n <= 0)
			return;
		have += n;
		req[have] = 0;
	} while (!strstr(req, "\r\n") && have < sizeof(req) - 1);

	if (strncmp(req, "GET ", 4)) {
		write(fd, bad, sizeof(bad) - 1);
		return;
	}
	end = req + 4 + strcspn(req + 4, " \r\n");
	*end = 0;
	if (!strncmp(req + 4, "/weatherstation/updateweatherstation.php?", 41)) {
		q = req + 4 + 41;
		report(q);
		write(fd, ok, sizeof(ok) - 1);
	} else if (!strcmp(req + 4, "/live")) {
		show_values(fd);
	} else {
		write(fd, bad, sizeof(bad) - 1);
	}
}

static double value_of(const char *key)
{
	struct reading *r;

	for (r = readings; r->key; r++)
		if (!strcmp(r->key, key))
			return r->valid ? r->value : 0;
	return 0;
}

static void relay_send(const char *text, size_t len)
{
	struct addrinfo hints, *ai;
	int s;

	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_INET;
	hints.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(relay.host, "80", &hints, &ai)) {
		wlog("relay", "no address");
		return;
	}
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (s >= 0 && connect(s, ai->ai_addr, ai->ai_addrlen) == 0)
		write(s, text, len);
	else
		wlog("relay", strerror(errno));
	if (s >= 0)
		close(s);
	freeaddrinfo(ai);
}

static void relay_tick(void)
{
	int n;

	if (!next_relay || time(NULL) < next_relay)
		return;
	next_relay = time(NULL) + relay.every;
	if (time(NULL) - sta->last > 600) {
		next_relay = 0;
		wlog("relay", "sensor is silent");
		return;
	}
	n = snprintf(relay_req, sizeof(relay_req),
		    "GET /up?ID=%s&PASSWORD=%s&tempf=%.1f&humidity=%.0f&baromin=%.2f&rainin=%.2f&realtime=1 HTTP/1.0\r\n\r\n",
		    sta->id ? sta->id : "none", relay.password,
		    value_of("tempf"), value_of("humidity"), value_of("baromin"), value_of("rainin"));
	if (n < 0 || n >= (int)sizeof(relay_req)) {
		wlog("relay", "request is too long");
		return;
	}
	relay_send(relay_req, n);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa;
	int ls, one = 1;

	signal(SIGPIPE, SIG_IGN);
	read_conf(argc > 1 ? argv[1] : "/etc/wxrelay.conf");
	sta = calloc(1, sizeof(*sta));
	ls = socket(AF_INET, SOCK_STREAM, 0);
	if (!sta || ls < 0)
		return 1;
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(LISTEN_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) || listen(ls, 4)) {
		wlog("listen", strerror(errno));
		return 1;
	}
	for (;;) {
		struct timeval tv = { 2, 0 };
		fd_set set;

		FD_ZERO(&set);
		FD_SET(ls, &set);
		if (select(ls + 1, &set, NULL, NULL, &tv) > 0) {
			int fd = accept(ls, NULL, NULL);
			if (fd >= 0) {
				struct timeval to = { 3, 0 };
				setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &to, sizeof(to));
				serve(fd);
				close(fd);
			}
		}
		relay_tick();
	}
}
