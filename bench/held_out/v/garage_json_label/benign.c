// garagectl: LAN API of the belt-drive opener (newline separated JSON).
// {"cmd":"adduser","name":"Ann","pin":"4711"}  {"cmd":"open","pin":"4711"} ...
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdbool.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { API_PORT = 8899, MAX_CLIENTS = 6, LINE_CAP = 768, MAX_USERS = 8 };
enum door_state { DOOR_CLOSED, DOOR_OPENING, DOOR_OPEN, DOOR_CLOSING, DOOR_FAULT };

#define JS_STR_MAX 256              /* longest string the parser hands out */

struct user {
	bool used;
	char name[24];
	char pin[8];
	uint32_t opens;
};

struct client {
	int fd;
	size_t fill;
	char line[LINE_CAP];
};

struct opener {
	enum door_state state;
	time_t moving_since;
	int travel_sec;
	int autoclose_min;
	time_t opened_at;
	int gpio_relay;
	struct user users[MAX_USERS];
	unsigned bad_pins;
	time_t locked_until;
};

static struct opener op = {
	.state = DOOR_CLOSED, .travel_sec = 14, .autoclose_min = 10, .gpio_relay = -1,
};
static struct client clients[MAX_CLIENTS];

static void trace(const char *ev, const char *arg)
{
	fprintf(stderr, "%ld garage: %s %s\n", (long)time(NULL), ev, arg ? arg : "");
}

/* ---- tiny JSON reader: flat objects only ---- */

static const char *js_value(const char *js, const char *key)
{
	char pat[40];
	const char *p;

	snprintf(pat, sizeof pat, "\"%s\"", key);
	p = strstr(js, pat);
	if (!p)
		return NULL;
	p += strlen(pat);
	while (*p == ' ' || *p == ':' || *p == '\t')
		p++;
	return p;
}

/* copy a string value; cap is the room in out, longer values are cut */
static bool js_string(const char *js, const char *key, char *out, size_t cap)
{
	const char *p = js_value(js, key), *e;
	size_t n;

	if (!p || *p != '"')
		return false;
	e = strchr(++p, '"');
	if (!e)
		return false;
	n = (size_t)(e - p);
	if (n > cap - 1)
		n = cap - 1;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

static bool js_int(const char *js, const char *key, int *out)
{
	const char *p = js_value(js, key);
	char *end;
	long v;

	if (!p)
		return false;
	v = strtol(p, &end, 10);
	if (end == p)
		return false;
	*out = (int)v;
	return true;
}

/* ---- relay and motion ---- */

static void relay_pulse(void)
{
	if (op.gpio_relay >= 0) {
		write(op.gpio_relay, "1", 1);
		usleep(300 * 1000);
		write(op.gpio_relay, "0", 1);
	}
}

static void door_move(enum door_state to)
{
	op.state = to;
	op.moving_since = time(NULL);
	relay_pulse();
	trace("move", to == DOOR_OPENING ? "open" : "close");
}

static struct user *user_by_pin(const char *pin)
{
	for (int i = 0; i < MAX_USERS; i++)
		if (op.users[i].used && strcmp(op.users[i].pin, pin) == 0)
			return &op.users[i];
	return NULL;
}

static void reply(struct client *c, const char *status, const char *extra)
{
	char b[160];
	int n = snprintf(b, sizeof b, "{\"status\":\"%s\"%s%s}\n", status,
			 extra ? "," : "", extra ? extra : "");

	if (n >= (int)sizeof b)
		n = sizeof b - 1;
	send(c->fd, b, n, MSG_NOSIGNAL);
}

/* ---- commands ---- */

static bool cmd_status(struct client *c, const char *js)
{
	static const char *const names[] = { "closed", "opening", "open", "closing", "fault" };
	char e[64];

	(void)js;
	snprintf(e, sizeof e, "\"door\":\"%s\",\"autoclose\":%d", names[op.state],
		 op.autoclose_min);
	reply(c, "ok", e);
	return true;
}

static bool cmd_adduser(struct client *c, const char *js)
{
	struct user *u = NULL;

	for (int i = 0; i < MAX_USERS && !u; i++)
		if (!op.users[i].used)
			u = &op.users[i];
	if (!u) {
		reply(c, "full", NULL);
		return false;
	}
	if (!js_string(js, "pin", u->pin, sizeof u->pin) || strlen(u->pin) < 4) {
		reply(c, "badpin", NULL);
		return false;
	}
	if (!js_string(js, "name", u->name, sizeof u->name))
		strcpy(u->name, "guest");
	u->opens = 0;
	u->used = true;
	trace("user added", u->name);
	reply(c, "ok", NULL);
	return true;
}

static bool cmd_deluser(struct client *c, const char *js)
{
	char name[JS_STR_MAX];

	if (!js_string(js, "name", name, sizeof name))
		return false;
	for (int i = 0; i < MAX_USERS; i++)
		if (op.users[i].used && !strcmp(op.users[i].name, name))
			memset(&op.users[i], 0, sizeof op.users[i]);
	reply(c, "ok", NULL);
	return true;
}

static bool cmd_door(struct client *c, const char *js)
{
	char pin[JS_STR_MAX] = "", what[JS_STR_MAX] = "";
	struct user *u;

	js_string(js, "pin", pin, sizeof pin);
	js_string(js, "cmd", what, sizeof what);
	if (time(NULL) < op.locked_until) {
		reply(c, "locked", NULL);
		return false;
	}
	u = user_by_pin(pin);
	if (!u) {
		if (++op.bad_pins >= 5) {
			op.locked_until = time(NULL) + 300;
			op.bad_pins = 0;
		}
		reply(c, "denied", NULL);
		return false;
	}
	op.bad_pins = 0;
	u->opens++;
	door_move(strcmp(what, "open") ? DOOR_CLOSING : DOOR_OPENING);
	reply(c, "ok", NULL);
	return true;
}

static bool cmd_config(struct client *c, const char *js)
{
	int v;

	if (js_int(js, "autoclose", &v) && v >= 0 && v <= 120)
		op.autoclose_min = v;
	if (js_int(js, "travel", &v) && v >= 5 && v <= 60)
		op.travel_sec = v;
	reply(c, "ok", NULL);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(struct client *, const char *);
} commands[] = {
	{ "status", cmd_status }, { "adduser", cmd_adduser }, { "deluser", cmd_deluser },
	{ "open", cmd_door }, { "close", cmd_door }, { "config", cmd_config },
};

static void dispatch(struct client *c, const char *js)
{
	char cmd[32];

	if (!js_string(js, "cmd", cmd, sizeof cmd)) {
		reply(c, "nocmd", NULL);
		return;
	}
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(commands[i].name, cmd)) {
			commands[i].run(c, js);
			return;
		}
	reply(c, "unknown", NULL);
}

static void client_drop(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	c->fill = 0;
}

static void client_input(struct client *c)
{
	ssize_t n = recv(c->fd, c->line + c->fill, LINE_CAP - 1 - c->fill, 0);
	char *nl;

	if (n <= 0) {
		client_drop(c);
		return;
	}
	c->fill += (size_t)n;
	c->line[c->fill] = '\0';
	while ((nl = memchr(c->line, '\n', c->fill)) != NULL) {
		size_t used = (size_t)(nl - c->line) + 1;

		*nl = '\0';
		dispatch(c, c->line);
		memmove(c->line, c->line + used, c->fill - used);
		c->fill -= used;
	}
	if (c->fill >= LINE_CAP - 1)
		client_drop(c);
}

static void tick(void)
{
	time_t now = time(NULL);

	if ((op.state == DOOR_OPENING || op.state == DOOR_CLOSING) &&
	    now - op.moving_since >= op.travel_sec) {
		op.state = op.state == DOOR_OPENING ? DOOR_OPEN : DOOR_CLOSED;
		op.opened_at = now;
	}
	if (op.state == DOOR_OPEN && op.autoclose_min &&
	    now - op.opened_at > op.autoclose_min * 60)
		door_move(DOOR_CLOSING);
}

int main(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(API_PORT) };
	struct pollfd pf[MAX_CLIENTS + 1];
	int ls = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	for (int i = 0; i < MAX_CLIENTS; i++)
		clients[i].fd = -1;
	op.gpio_relay = open("/sys/class/gpio/gpio17/value", O_WRONLY);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, 3)) {
		trace("bind", strerror(errno));
		return 1;
	}
	for (;;) {
		pf[0] = (struct pollfd){ .fd = ls, .events = POLLIN };
		for (int i = 0; i < MAX_CLIENTS; i++)
			pf[i + 1] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
		if (poll(pf, MAX_CLIENTS + 1, 500) > 0) {
			for (int i = 0; i < MAX_CLIENTS; i++)
				if (clients[i].fd >= 0 && pf[i + 1].revents)
					client_input(&clients[i]);
			if (pf[0].revents & POLLIN) {
				int fd = accept(ls, NULL, NULL), i;

				for (i = 0; i < MAX_CLIENTS && clients[i].fd >= 0; i++)
					;
				if (i < MAX_CLIENTS)
					clients[i].fd = fd;
				else if (fd >= 0)
					close(fd);
			}
		}
		tick();
	}
}
