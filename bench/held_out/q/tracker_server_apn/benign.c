/* gtrack.c
 *
 * Vehicle tracker, link to the tracking server. The tracker opens the
 * connection and then obeys "##,<imei>,<cmd>[,<args>]#" messages.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <time.h>
#include <poll.h>
#include <unistd.h>
#include <signal.h>
#include <netdb.h>
#include <sys/types.h>
#include <sys/socket.h>

#define CONF		"/mnt/flash/gtrack.conf"
#define RXSIZE		512
#define RETRY_MIN	5
#define RETRY_MAX	300

struct apn {
	char name[32];
	char user[32];
	char pass[32];
};

struct tracker {
	char imei[16];
	char server[64];
	char port[8];
	int interval;
	int overspeed;
	int sock;
	int retry;
	time_t next_report;
	time_t apn_at;
	struct apn *new_apn;
	char rx[RXSIZE];
	int rxlen;
};

static struct tracker *T;

static void conf_line(struct tracker *t, char *key, char *val)
{
	if (!strcmp(key, "imei"))
		snprintf(t->imei, sizeof(t->imei), "%s", val);
	else if (!strcmp(key, "server"))
		snprintf(t->server, sizeof(t->server), "%s", val);
	else if (!strcmp(key, "port"))
		snprintf(t->port, sizeof(t->port), "%s", val);
	else if (!strcmp(key, "interval"))
		t->interval = atoi(val);
}

static void conf_load(struct tracker *t)
{
	char buf[160], *eq;
	FILE *fp;

	strcpy(t->imei, "000000000000000");
	strcpy(t->server, "trk.fleet.example");
	strcpy(t->port, "5023");
	t->interval = 30;
	t->overspeed = 130;
	fp = fopen(CONF, "r");
	if (!fp)
		return;
	while (fgets(buf, sizeof(buf), fp)) {
		buf[strcspn(buf, "\r\n")] = 0;
		eq = strchr(buf, '=');
		if (!eq || buf[0] == '#')
			continue;
		*eq = 0;
		conf_line(t, buf, eq + 1);
	}
	fclose(fp);
}

static int server_open(struct tracker *t)
{
	struct addrinfo hints, *res, *ai;
	int s = -1;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(t->server, t->port, &hints, &res) != 0)
		return -1;
	for (ai = res; ai; ai = ai->ai_next) {
		s = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
		if (s < 0)
			continue;
		if (connect(s, ai->ai_addr, ai->ai_addrlen) == 0)
			break;
		close(s);
		s = -1;
	}
	freeaddrinfo(res);
	return s;
}

static int server_say(struct tracker *t, const char *what, const char *more)
{
	char buf[160];
	int n;

	n = snprintf(buf, sizeof(buf), "##,%s,%s,%s#", t->imei, what, more);
	if (n < 0 || n >= (int)sizeof(buf))
		return -1;
	return write(t->sock, buf, n) == n ? 0 : -1;
}

/* -- commands from the server ------------------------------------- */

static int do_interval(struct tracker *t, char *args)
{
	int v = args ? atoi(args) : 0;

	if (v < 5 || v > 86400)
		return -1;
	t->interval = v;
	t->next_report = time(NULL) + v;
	return 0;
}

static int do_overspeed(struct tracker *t, char *args)
{
	int v = args ? atoi(args) : 0;

	if (v < 10 || v > 250)
		return -1;
	t->overspeed = v;
	return 0;
}

/* args: "internet.carrier.example user secret", the last two may miss */
static int do_apn(struct tracker *t, char *args)
{
	char name[32], user[32], pass[32];
	struct apn *a;
	int n;

	name[0] = user[0] = pass[0] = 0;
	if (!args)
		return -1;
	n = sscanf(args, "%31s %31s %31s", name, user, pass);
	if (n < 1 || !strchr(name, '.'))
		return -1;
	a = t->new_apn ? t->new_apn : malloc(sizeof(*a));
	if (!a)
		return -1;
	snprintf(a->name, sizeof(a->name), "%s", name);
	snprintf(a->user, sizeof(a->user), "%s", n > 1 ? user : "");
	snprintf(a->pass, sizeof(a->pass), "%s", n > 2 ? pass : "");
	t->new_apn = a;
	t->apn_at = time(NULL) + 10;
	return 0;
}

static int do_position(struct tracker *t, char *args)
{
	(void)args;
	t->next_report = 0;
	return 0;
}

static const struct {
	const char *code;
	int (*fn)(struct tracker *, char *);
} cmdtab[] = {
	{ "B", do_position },
	{ "C", do_interval },
	{ "H", do_overspeed },
	{ "APN", do_apn },
};

static void handle_message(struct tracker *t, char *msg)
{
	char *p, *imei, *cmd, *args;
	unsigned i;

	p = strstr(msg, "##");
	if (!p)
		return;
	imei = strtok(p + 2, ",");
	cmd = strtok(NULL, ",");
	args = strtok(NULL, "");
	if (!imei || !cmd)
		return;
	if (strcmp(imei, t->imei) && strcmp(imei, "*"))
		return;
	for (i = 0; i < sizeof(cmdtab) / sizeof(cmdtab[0]); i++) {
		if (strcmp(cmdtab[i].code, cmd))
			continue;
		if (cmdtab[i].fn(t, args) == 0)
			server_say(t, cmd, "OK");
		else
			server_say(t, cmd, "ERR");
		return;
	}
	server_say(t, "NAK", "0");
}

static int handle_input(struct tracker *t)
{
	char *end;
	int n, used;

	n = read(t->sock, t->rx + t->rxlen, RXSIZE - 1 - t->rxlen);
	if (n <= 0)
		return -1;
	t->rxlen += n;
	t->rx[t->rxlen] = 0;
	while ((end = memchr(t->rx + 2, '#', t->rxlen > 2 ? t->rxlen - 2 : 0))) {
		*end = 0;
		used = end + 1 - t->rx;
		handle_message(t, t->rx);
		memmove(t->rx, end + 1, t->rxlen - used + 1);
		t->rxlen -= used;
	}
	if (t->rxlen >= RXSIZE - 1)
		t->rxlen = 0;	/* garbage */
	return 0;
}

/* -- periodic work -------------------------------------------------- */

static void write_chat(struct apn *a)
{
	FILE *fp = fopen("/mnt/flash/apn", "w");

	if (!fp)
		return;
	fprintf(fp, "apn=%s\nuser=%s\npass=%s\n", a->name, a->user, a->pass);
	fclose(fp);
}

static void report(struct tracker *t)
{
	char fix[100];
	FILE *fp = fopen("/tmp/gps.fix", "r");

	if (!fp || !fgets(fix, sizeof(fix), fp))
		strcpy(fix, "V");
	if (fp)
		fclose(fp);
	fix[strcspn(fix, "\n")] = 0;
	server_say(t, "POS", fix);
}

static void timers(struct tracker *t)
{
	time_t now = time(NULL);

	if (t->apn_at && now >= t->apn_at) {
		t->apn_at = 0;
		write_chat(t->new_apn);
		free(t->new_apn);
		t->new_apn = NULL;
		shutdown(t->sock, SHUT_RDWR);
	}
	if (now >= t->next_report) {
		t->next_report = now + t->interval;
		report(t);
	}
}

int main(void)
{
	struct pollfd pf;

	signal(SIGPIPE, SIG_IGN);
	T = calloc(1, sizeof(*T));
	if (!T)
		return 1;
	conf_load(T);
	T->retry = RETRY_MIN;
	for (;;) {
		T->sock = server_open(T);
		if (T->sock < 0) {
			sleep(T->retry);
			T->retry = T->retry * 2 > RETRY_MAX ? RETRY_MAX : T->retry * 2;
			continue;
		}
		T->retry = RETRY_MIN;
		T->rxlen = 0;
		server_say(T, "LOGIN", "A");
		for (;;) {
			pf.fd = T->sock;
			pf.events = POLLIN;
			if (poll(&pf, 1, 1000) > 0 && handle_input(T) < 0)
				break;
			timers(T);
		}
		close(T->sock);
	}
}
