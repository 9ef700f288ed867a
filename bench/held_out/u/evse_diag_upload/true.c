/*
 * csms_link - link of the wall box to the charge point management system.
 *
 * Messages are JSON arrays, one to a line:
 *     [2,"<id>","<action>",{...}]
 * A receiver thread takes them, short ones are answered at once and the
 * long ones are given to the worker.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <stdarg.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
#include <signal.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define LOGFILE "/var/log/evse/link.log"
#define RING    8

typedef struct {
	char action[32];
	char id[40];
	char location[256];
	int  retries;
} task_t;

struct link_state {
	char server_ip[48];
	int  server_port;
	char charge_point[32];
	int  heartbeat;
	int  max_amps;
	int  fd;
	volatile int up;
	pthread_mutex_t send_lock;
};

static struct link_state ls = {
	"10.8.0.1", 9201, "WB-0001", 300, 16, -1, 0, PTHREAD_MUTEX_INITIALIZER
};

static task_t ring[RING];
static unsigned ring_in, ring_out;
static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ring_cond = PTHREAD_COND_INITIALIZER;

static void logf_(const char *fmt, ...)
{
	FILE *f = fopen(LOGFILE, "a");
	va_list ap;

	if (!f)
		return;
	fprintf(f, "%ld ", (long)time(NULL));
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fputc('\n', f);
	fclose(f);
}

static void send_line(const char *fmt, ...)
{
	char out[600];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, sizeof(out) - 1, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(out) - 1)
		return;
	out[n++] = '\n';
	pthread_mutex_lock(&ls.send_lock);
	if (ls.fd >= 0)
		send(ls.fd, out, n, 0);
	pthread_mutex_unlock(&ls.send_lock);
}

/* ---- a very small JSON reader ---- */

static const char *js_space(const char *p)
{
	while (*p && isspace((unsigned char)*p))
		p++;
	return p;
}

/* reads a string literal, p is at the opening quote */
static const char *js_string(const char *p, char *out, size_t size)
{
	size_t n = 0;

	if (*p++ != '"')
		return NULL;
	while (*p && *p != '"') {
		char c = *p++;
		if (c == '\\') {
			c = *p++;
			if (c == 0)
				return NULL;
			if (c == 'n')
				c = '\n';
			else if (c == 't')
				c = '\t';
		}
		if (n + 1 >= size)
			return NULL;
		out[n++] = c;
	}
	out[n] = 0;
	return *p == '"' ? p + 1 : NULL;
}

static const char *js_member(const char *obj, const char *name)
{
	char key[64];
	const char *p = strchr(obj, '{');

	while (p && (*p == '{' || *p == ',')) {
		p = js_space(p + 1);
		p = js_string(p, key, sizeof(key));
		if (!p)
			return NULL;
		p = js_space(p);
		if (*p++ != ':')
			return NULL;
		p = js_space(p);
		if (!strcmp(key, name))
			return p;
		if (*p == '"') {
			char skip[300];
			p = js_string(p, skip, sizeof(skip));
			if (!p)
				return NULL;
		} else {
			p += strcspn(p, ",}");
		}
		p = js_space(p);
	}
	return NULL;
}

/* ---- the worker ---- */

static void upload(const task_t *t)
{
	pid_t pid;
	int st = -1;

	send_line("[2,\"d1\",\"DiagnosticsStatusNotification\",{\"status\":\"Uploading\"}]");
	pid = fork();
	if (pid == 0) {
		char cmd[512];

		snprintf(cmd, sizeof(cmd), "curl -s --retry %d -T %s --url \"%s\"",
			 t->retries, LOGFILE, t->location);
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &st, 0);
	logf_("diagnostics upload ended: %d", st);
	send_line("[2,\"d2\",\"DiagnosticsStatusNotification\",{\"status\":\"%s\"}]",
		  st == 0 ? "Uploaded" : "UploadFailed");
}

static void *worker(void *unused)
{
	task_t t;

	for (;;) {
		pthread_mutex_lock(&ring_lock);
		while (ring_in == ring_out)
			pthread_cond_wait(&ring_cond, &ring_lock);
		t = ring[ring_out % RING];
		ring_out++;
		pthread_mutex_unlock(&ring_lock);

		if (!strcmp(t.action, "GetDiagnostics"))
			upload(&t);
		else if (!strcmp(t.action, "Reset")) {
			sleep(2);
			system("/etc/init.d/evse restart");
		}
	}
	return NULL;
}

static int enqueue(const task_t *t)
{
	int ok = 0;

	pthread_mutex_lock(&ring_lock);
	if (ring_in - ring_out < RING) {
		ring[ring_in++ % RING] = *t;
		pthread_cond_signal(&ring_cond);
		ok = 1;
	}
	pthread_mutex_unlock(&ring_lock);
	return ok;
}

/* ---- messages ---- */

static void change_config(const char *id, const char *body)
{
	char key[40], value[40];
	const char *k = js_member(body, "key"), *v = js_member(body, "value");
	int num;

	if (!k || !v || !js_string(k, key, sizeof(key)) || !js_string(v, value, sizeof(value)))
		return;
	num = atoi(value);
	if (!strcmp(key, "HeartbeatInterval") && num >= 10)
		ls.heartbeat = num;
	else if (!strcmp(key, "MaxCurrent") && num >= 6 && num <= 32)
		ls.max_amps = num;
	else {
		send_line("[3,\"%s\",{\"status\":\"Rejected\"}]", id);
		return;
	}
	logf_("config %s=%d", key, num);
	send_line("[3,\"%s\",{\"status\":\"Accepted\"}]", id);
}

static void message(const char *line)
{
	task_t t;
	const char *p = js_space(line), *v;

	memset(&t, 0, sizeof(t));
	if (strncmp(p, "[2,", 3))
		return;
	p = js_string(js_space(p + 3), t.id, sizeof(t.id));
	if (!p || *p != ',')
		return;
	p = js_string(js_space(p + 1), t.action, sizeof(t.action));
	if (!p || *p != ',')
		return;
	if (!strcmp(t.action, "ChangeConfiguration")) {
		change_config(t.id, p);
		return;
	}
	if (!strcmp(t.action, "GetDiagnostics")) {
		v = js_member(p, "location");
		if (!v || !js_string(v, t.location, sizeof(t.location)) || strncmp(t.location, "ftp://", 6)) {
			send_line("[4,\"%s\",\"FormationViolation\",\"\",{}]", t.id);
			return;
		}
		v = js_member(p, "retries");
		t.retries = v ? atoi(v) : 1;
		if (t.retries < 0 || t.retries > 10)
			t.retries = 1;
	} else if (strcmp(t.action, "Reset")) {
		send_line("[4,\"%s\",\"NotImplemented\",\"\",{}]", t.id);
		return;
	}
	send_line(enqueue(&t) ? "[3,\"%s\",{\"status\":\"Accepted\"}]" : "[3,\"%s\",{\"status\":\"Rejected\"}]", t.id);
}

static void *receiver(void *unused)
{
	static char buf[1024];
	size_t have = 0;

	for (;;) {
		ssize_t n = recv(ls.fd, buf + have, sizeof(buf) - 1 - have, 0);
		char *nl;

		if (n <= 0)
			break;
		have += n;
		buf[have] = 0;
		while ((nl = memchr(buf, '\n', have)) != NULL) {
			*nl = 0;
			message(buf);
			have -= nl + 1 - buf;
			memmove(buf, nl + 1, have);
		}
		if (have == sizeof(buf) - 1)
			have = 0;
	}
	ls.up = 0;
	logf_("link lost");
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t w, r;
	FILE *f = fopen(argc > 1 ? argv[1] : "/etc/evse/link.conf", "r");

	if (f) {
		if (fscanf(f, "%47s %d %31s %d", ls.server_ip, &ls.server_port, ls.charge_point, &ls.heartbeat) != 4)
			logf_("configuration not complete");
		fclose(f);
	}
	signal(SIGPIPE, SIG_IGN);
	pthread_create(&w, NULL, worker, NULL);
	for (;;) {
		struct sockaddr_in sa = { 0 };
		int fd = socket(AF_INET, SOCK_STREAM, 0), beat = 0;

		sa.sin_family = AF_INET;
		sa.sin_port = htons(ls.server_port);
		inet_pton(AF_INET, ls.server_ip, &sa.sin_addr);
		if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0) {
			fcntl(fd, F_SETFD, FD_CLOEXEC);
			ls.fd = fd;
			ls.up = 1;
			send_line("[2,\"b\",\"BootNotification\",{\"chargePointSerialNumber\":\"%s\"}]", ls.charge_point);
			if (pthread_create(&r, NULL, receiver, NULL) == 0) {
				while (ls.up && beat < 86400) {
					sleep(1);
					if (++beat % ls.heartbeat == 0)
						send_line("[2,\"h\",\"Heartbeat\",{}]");
				}
				shutdown(fd, SHUT_RDWR);
				pthread_join(r, NULL);
			}
			pthread_mutex_lock(&ls.send_lock);
			ls.fd = -1;
			pthread_mutex_unlock(&ls.send_lock);
		}
		close(fd);
		sleep(20);
	}
}
