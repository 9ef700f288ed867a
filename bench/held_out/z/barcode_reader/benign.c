/*
 * dpmd.c - command channel of the fixed-mount barcode reader
 *
 *   ||>SET  GROUP.NAME value
 *   ||>GET  GROUP.NAME
 *   ||>STAT
 *   ||>SAVE
 *
 * Values live in globals; the ones that touch hardware are pushed out by a
 * half-second timer so that a burst of SETs costs one reconfiguration.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#define CMD_PORT	55256
#define PROMPT		"||>"
#define VLEN		48

static char v_expo[VLEN]  = "180";
static char v_gain[VLEN]  = "12";
static char v_tone[VLEN]  = "2400";
static char v_name[VLEN]  = "READER-1";
static char v_match[VLEN] = "";

static unsigned d_camera, d_tone;
static unsigned long n_reads, n_noread;

#define SAVE_FILE "/flash/reader.cfg"

static int set_number(char *dst, const char *src)
{
	char *end;
	unsigned long n;

	if (!isdigit((unsigned char)src[0]))
		return -ERANGE;
	n = strtoul(src, &end, 10);
	if (*end || n > 20000)
		return -ERANGE;
	snprintf(dst, VLEN, "%lu", n);
	return 0;
}

static int set_text(char *dst, const char *src)
{
	if (strlen(src) >= VLEN)
		return -E2BIG;
	strcpy(dst, src);
	return 0;
}

struct var {
	const char *id;
	char       *val;
	int       (*set)(char *, const char *);
	unsigned   *dirty;
};

#define NUM(id, v, d)	{ id, v, set_number, d }
#define TXT(id, v)	{ id, v, set_text, NULL }

static const struct var vars[] = {
	NUM("CAMERA.EXPOSURE", v_expo, &d_camera),
	NUM("CAMERA.GAIN",     v_gain, &d_camera),
	NUM("BEEPER.TONE",     v_tone, &d_tone),
	TXT("DEVICE.NAME",     v_name),
	TXT("DATA.MATCH",      v_match),
};

static const struct var *var_find(const char *id)
{
	unsigned i;

	for (i = 0; i < sizeof(vars) / sizeof(vars[0]); i++)
		if (!strcasecmp(vars[i].id, id))
			return &vars[i];
	return NULL;
}

static void hw_script(const char *tool, const char *a, const char *b)
{
	char script[160];
	pid_t pid;

	snprintf(script, sizeof(script), "%s %s %s >/dev/null 2>&1", tool, a, b);
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", script, (char *)0);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void push_settings(void)
{
	if (d_camera) {
		d_camera = 0;
		hw_script("/opt/bin/camctl", v_expo, v_gain);
	}
	if (d_tone) {
		d_tone = 0;
		hw_script("/opt/bin/beep", "-f", v_tone);
	}
}

static int save_all(void)
{
	unsigned i;
	FILE *f = fopen(SAVE_FILE ".new", "w");

	if (!f)
		return -errno;
	for (i = 0; i < sizeof(vars) / sizeof(vars[0]); i++)
		fprintf(f, "%s %s\n", vars[i].id, vars[i].val);
	if (fclose(f))
		return -errno;
	return rename(SAVE_FILE ".new", SAVE_FILE) ? -errno : 0;
}

static int command(char *line, char *ans, size_t cap)
{
	const struct var *v;
	char *verb, *id, *val;

	ans[0] = 0;
	if (strncmp(line, PROMPT, 3))
		return -EPROTO;
	val = line + 3;
	verb = strsep(&val, " ");
	if (!strcasecmp(verb, "STAT")) {
		snprintf(ans, cap, "%lu %lu", n_reads, n_noread);
		return 0;
	}
	if (!strcasecmp(verb, "SAVE"))
		return save_all();
	id = strsep(&val, " ");
	if (!id || !(v = var_find(id)))
		return -ENOENT;
	if (!strcasecmp(verb, "GET")) {
		snprintf(ans, cap, "%s", v->val);
		return 0;
	}
	if (!strcasecmp(verb, "SET")) {
		int rc;

		if (!val)
			return -EINVAL;
		rc = v->set(v->val, val);
		if (rc == 0 && v->dirty)
			*v->dirty = 1;
		return rc;
	}
	return -ENOSYS;
}

static int on_client(int fd)
{
	static char acc[512];
	static size_t have;
	char *nl, ans[96], out[128];
	ssize_t n;
	int rc;

	n = read(fd, acc + have, sizeof(acc) - 1 - have);
	if (n <= 0) {
		have = 0;
		return -1;
	}
	have += n;
	acc[have] = 0;
	while ((nl = strchr(acc, '\n')) != NULL) {
		*nl = 0;
		if (nl > acc && nl[-1] == '\r')
			nl[-1] = 0;
		rc = command(acc, ans, sizeof(ans));
		n = snprintf(out, sizeof(out), "%d %s\r\n", rc, ans);
		if (write(fd, out, n) != n)
			return -1;
		have -= (nl + 1 - acc);
		memmove(acc, nl + 1, have + 1);
	}
	if (have == sizeof(acc) - 1)
		have = 0;
	return 0;
}

static void on_decode(int fd)
{
	char sym[128];
	ssize_t n = read(fd, sym, sizeof(sym) - 1);

	if (n <= 0)
		return;
	sym[n] = 0;
	if (v_match[0] && !strstr(sym, v_match))
		n_noread++;
	else
		n_reads++;
}

int main(void)
{
	struct itimerspec it = { { 0, 500000000 }, { 0, 500000000 } };
	struct sockaddr_in sa = { 0 };
	struct pollfd p[4];
	uint64_t ticks;
	int ls, on = 1;

	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(CMD_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) || listen(ls, 1)) {
		fprintf(stderr, "dpmd: %s\n", strerror(errno));
		return 1;
	}
	p[0].fd = ls;
	p[1].fd = timerfd_create(CLOCK_MONOTONIC, 0);
	p[2].fd = open("/dev/decoder0", O_RDONLY | O_NONBLOCK);
	p[3].fd = -1;
	p[0].events = p[1].events = p[2].events = p[3].events = POLLIN;
	timerfd_settime(p[1].fd, 0, &it, NULL);
	for (;;) {
		if (poll(p, 4, -1) < 0)
			continue;
		if (p[3].fd >= 0 && p[3].revents && on_client(p[3].fd) < 0) {
			close(p[3].fd);
			p[3].fd = -1;
		}
		if (p[2].revents & POLLIN)
			on_decode(p[2].fd);
		if (p[1].revents & POLLIN) {
			if (read(p[1].fd, &ticks, sizeof(ticks)) == sizeof(ticks))
				push_settings();
		}
		if (p[0].revents & POLLIN) {
			int fd = accept(ls, NULL, NULL);

			if (p[3].fd >= 0)
				close(fd);
			else
				p[3].fd = fd;
			p[3].revents = 0;
		}
	}
}
