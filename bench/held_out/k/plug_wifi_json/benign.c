/* smart plug: pairing service while the soft access point is up */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <signal.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#define PAIR_PORT  6669
#define LINE_MAX_  1024

typedef struct {
	char ssid[128];
	char psk[256];
	char token[64];
	int  region;
	int  tz;
} pair_info_t;

static pair_info_t s_pair;
static int s_relay;
static int s_state;     /* 0 idle, 1 configured, 2 joined */

static int json_string(const char *js, const char *key, char *out, int size)
{
	char pat[40];
	const char *p;
	int n = 0;

	snprintf(pat, sizeof pat, "\"%s\"", key);
	p = strstr(js, pat);
	if (!p)
		return -1;
	p += strlen(pat);
	while (*p == ' ' || *p == ':')
		p++;
	if (*p++ != '"')
		return -1;
	while (*p && *p != '"') {
		char c = *p++;

		if (c == '\\') {
			c = *p;
			if (!c)
				return -1;
			p++;
			if (c == 'n')
				c = '\n';
			else if (c == 't')
				c = '\t';
		}
		if (n >= size - 1)
			return -1;
		out[n++] = c;
	}
	if (*p != '"')
		return -1;
	out[n] = 0;
	return n;
}

static int json_number(const char *js, const char *key, int dflt)
{
	char pat[40];
	const char *p;

	snprintf(pat, sizeof pat, "\"%s\"", key);
	p = strstr(js, pat);
	if (!p)
		return dflt;
	p += strlen(pat);
	while (*p == ' ' || *p == ':')
		p++;
	return (int)strtol(p, NULL, 10);
}

static int shell(const char *line)
{
	int st;
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (pid == 0) {
		int nul = open("/dev/null", O_RDWR);

		if (nul >= 0) {
			dup2(nul, 0);
			dup2(nul, 1);
			dup2(nul, 2);
		}
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

/* shell word '"text"' for wpa_cli */
static int quoted(const char *in, char *out, size_t size)
{
	size_t n = 0;

	if (size < 5)
		return -1;
	out[n++] = '\'';
	out[n++] = '"';
	for (; *in; in++) {
		if (n + 7 > size)
			return -1;
		if (*in == '\'') {
			memcpy(out + n, "'\\''", 4);
			n += 4;
		} else {
			out[n++] = *in;
		}
	}
	if (n + 3 > size)
		return -1;
	out[n++] = '"';
	out[n++] = '\'';
	out[n] = 0;
	return 0;
}

static int wpa_set(const char *var, const char *val)
{
	char word[1200], line[1400];

	if (quoted(val, word, sizeof word) < 0)
		return -1;
	snprintf(line, sizeof line, "wpa_cli -i wlan0 set_network 0 %s %s", var, word);
	return shell(line);
}

static int join_network(void)
{
	if (shell("wpa_cli -i wlan0 remove_network all; wpa_cli -i wlan0 add_network") != 0)
		return -1;
	if (wpa_set("ssid", s_pair.ssid) != 0)
		return -1;
	if (s_pair.psk[0]) {
		if (wpa_set("psk", s_pair.psk) != 0)
			return -1;
	} else if (shell("wpa_cli -i wlan0 set_network 0 key_mgmt NONE") != 0) {
		return -1;
	}
	if (shell("wpa_cli -i wlan0 enable_network 0 && wpa_cli -i wlan0 save_config") != 0)
		return -1;
	shell("udhcpc -i wlan0 -n -t 8");
	s_state = 2;
	return 0;
}

static void relay(int on)
{
	int fd = open("/sys/class/gpio/gpio14/value", O_WRONLY);

	s_relay = !!on;
	if (fd < 0)
		return;
	if (write(fd, s_relay ? "1" : "0", 1) != 1)
		fprintf(stderr, "gpio write failed\n");
	close(fd);
}

static int cmd_info(const char *js, char *out, int size)
{
	(void)js;
	return snprintf(out, size, "{\"type\":\"plug\",\"relay\":%d,\"state\":%d,\"region\":%d}\n",
			s_relay, s_state, s_pair.region);
}

static int cmd_relay(const char *js, char *out, int size)
{
	relay(json_number(js, "on", 0));
	return snprintf(out, size, "{\"relay\":%d}\n", s_relay);
}

static int cmd_pair(const char *js, char *out, int size)
{
	pair_info_t pi;

	memset(&pi, 0, sizeof pi);
	if (json_string(js, "ssid", pi.ssid, sizeof pi.ssid) <= 0)
		return snprintf(out, size, "{\"err\":1}\n");
	if (json_string(js, "passwd", pi.psk, sizeof pi.psk) < 0)
		pi.psk[0] = 0;
	if (json_string(js, "token", pi.token, sizeof pi.token) < 0)
		return snprintf(out, size, "{\"err\":2}\n");
	pi.region = json_number(js, "region", 0);
	pi.tz = json_number(js, "tz", 0);
	s_pair = pi;
	s_state = 1;
	return snprintf(out, size, "{\"err\":0}\n");
}

static const struct {
	const char *name;
	int (*fn)(const char *js, char *out, int size);
} s_cmds[] = {
	{ "info", cmd_info },
	{ "relay", cmd_relay },
	{ "pair", cmd_pair },
};

static void one_line(int fd, const char *js)
{
	char cmd[24], out[256];
	unsigned i;
	int n = -1;

	if (json_string(js, "cmd", cmd, sizeof cmd) < 0)
		return;
	for (i = 0; i < sizeof s_cmds / sizeof s_cmds[0]; i++)
		if (strcmp(cmd, s_cmds[i].name) == 0)
			n = s_cmds[i].fn(js, out, sizeof out);
	if (n < 0)
		n = snprintf(out, sizeof out, "{\"err\":-1}\n");
	if (send(fd, out, (size_t)n, MSG_NOSIGNAL) < 0)
		s_state = s_state ? s_state : 0;
}

static void session(int fd)
{
	char buf[LINE_MAX_];
	size_t used = 0;

	for (;;) {
		char *nl;
		ssize_t n = recv(fd, buf + used, sizeof buf - 1 - used, 0);

		if (n <= 0)
			return;
		used += (size_t)n;
		buf[used] = 0;
		while ((nl = memchr(buf, '\n', used)) != NULL) {
			*nl++ = 0;
			one_line(fd, buf);
			used -= (size_t)(nl - buf);
			memmove(buf, nl, used);
			buf[used] = 0;
		}
		if (used >= sizeof buf - 1)
			return;
	}
}

int main(void)
{
	struct sockaddr_in a;
	int s, c, one = 1, tries;

	s = socket(AF_INET, SOCK_STREAM, 0);
	if (s < 0)
		return 1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	memset(&a, 0, sizeof a);
	a.sin_family = AF_INET;
	a.sin_port = htons(PAIR_PORT);
	a.sin_addr.s_addr = INADDR_ANY;
	if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 1) < 0)
		return 1;
	for (;;) {
		c = accept(s, NULL, NULL);
		if (c < 0)
			continue;
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		session(c);
		close(c);
		if (s_state == 1) {
			for (tries = 0; tries < 3; tries++)
				if (join_network() == 0)
					break;
			if (tries == 3)
				s_state = 0;
		}
	}
}
