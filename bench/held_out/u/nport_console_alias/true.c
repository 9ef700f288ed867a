/*
 * conmgr - management console of the 8 port serial device server
 *
 * A telnet-like console; the commands are split into words and looked up
 * in a table.  The port data themselves are handled by another program,
 * which reads the file written here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <errno.h>
#include <time.h>
#include <poll.h>
#include <termios.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define NPORTS		8
#define NSESS		3
#define ALIAS_LEN	16
#define MAXWORDS	8
#define PORT_BASE	4001
#define MGMT_PORT	2300

struct serport {
	int	baud;
	char	parity;
	int	databits;
	int	mode;			/* 0 raw, 1 rfc2217, 2 udp */
	unsigned long rx, tx;
	char	alias[ALIAS_LEN];
	char	tty[12];
};

struct sess {
	int	fd;
	int	prompted;
	int	fill;
	time_t	last;
	char	line[128];
};

static struct serport *ports;
static struct sess sess[NSESS];
static int idle_limit = 600;
static int unsaved;

static void put(struct sess *s, const char *fmt, ...)
{
	char out[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, sizeof out, fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof out)
		n = sizeof out - 1;
	if (n > 0)
		send(s->fd, out, n, MSG_NOSIGNAL);
}

static struct serport *port_arg(struct sess *s, const char *w)
{
	int n = w ? atoi(w) : 0;

	if (n < 1 || n > NPORTS) {
		put(s, "port is 1 to %d\r\n", NPORTS);
		return NULL;
	}
	return &ports[n - 1];
}

/* ---- commands: argv[0] is the command word ---- */

static void c_show(struct sess *s, int argc, char **argv)
{
	static const char *const modes[] = { "raw", "rfc2217", "udp" };
	int i;

	for (i = 0; i < NPORTS; i++)
		put(s, "%d %-16.16s %6d %d%c1 %-8s rx %lu tx %lu\r\n", i + 1, ports[i].alias,
		    ports[i].baud, ports[i].databits, ports[i].parity, modes[ports[i].mode],
		    ports[i].rx, ports[i].tx);
}

static void c_baud(struct sess *s, int argc, char **argv)
{
	static const int legal[] = { 300, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200 };
	struct serport *p;
	unsigned i;

	if (argc != 3 || (p = port_arg(s, argv[1])) == NULL)
		return;
	for (i = 0; i < sizeof legal / sizeof legal[0]; i++) {
		if (legal[i] == atoi(argv[2])) {
			p->baud = legal[i];
			unsaved = 1;
			return;
		}
	}
	put(s, "no such rate\r\n");
}

static void c_alias(struct sess *s, int argc, char **argv)
{
	struct serport *p;

	if (argc != 3) {
		put(s, "alias <port> <name>\r\n");
		return;
	}
	p = port_arg(s, argv[1]);
	if (p == NULL)
		return;
	strcpy(p->alias, argv[2]);
	unsaved = 1;
}

static void c_mode(struct sess *s, int argc, char **argv)
{
	struct serport *p;

	if (argc != 3 || (p = port_arg(s, argv[1])) == NULL)
		return;
	if (!strcmp(argv[2], "raw"))
		p->mode = 0;
	else if (!strcmp(argv[2], "rfc2217"))
		p->mode = 1;
	else if (!strcmp(argv[2], "udp"))
		p->mode = 2;
	else
		put(s, "raw, rfc2217 or udp\r\n");
	unsaved = 1;
}

static void c_frame(struct sess *s, int argc, char **argv)
{
	struct serport *p;

	if (argc != 3 || (p = port_arg(s, argv[1])) == NULL)
		return;
	if ((argv[2][0] != '7' && argv[2][0] != '8') || !argv[2][1] || !strchr("NEO", argv[2][1])) {
		put(s, "8N, 8E, 7E ...\r\n");
		return;
	}
	p->databits = argv[2][0] - '0';
	p->parity = argv[2][1];
	unsaved = 1;
}

static void c_idle(struct sess *s, int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0;

	if (n >= 30 && n <= 86400)
		idle_limit = n;
	put(s, "idle limit %d s\r\n", idle_limit);
}

static void c_save(struct sess *s, int argc, char **argv)
{
	FILE *fp = fopen("/etc/conmgr/ports", "w");
	int i;

	if (fp == NULL) {
		put(s, "save: %s\r\n", strerror(errno));
		return;
	}
	for (i = 0; i < NPORTS; i++)
		fprintf(fp, "%d %d %c %d %d\n", PORT_BASE + i, ports[i].baud, ports[i].parity,
			ports[i].databits, ports[i].mode);
	fclose(fp);
	unsaved = 0;
	put(s, "saved\r\n");
}

static void c_help(struct sess *s, int argc, char **argv);

static const struct command {
	const char *word;
	const char *help;
	void (*fn)(struct sess *, int, char **);
} commands[] = {
	{ "show",  "state of the ports", c_show },
	{ "baud",  "<port> <rate>", c_baud },
	{ "alias", "<port> <name>", c_alias },
	{ "mode",  "<port> raw|rfc2217|udp", c_mode },
	{ "frame", "<port> 8N", c_frame },
	{ "idle",  "<seconds>", c_idle },
	{ "save",  "write the settings", c_save },
	{ "help",  "this", c_help },
};
#define NCOMMANDS (sizeof commands / sizeof commands[0])

static void c_help(struct sess *s, int argc, char **argv)
{
	unsigned i;

	for (i = 0; i < NCOMMANDS; i++)
		put(s, "%-6s %s\r\n", commands[i].word, commands[i].help);
}

static void sess_end(struct sess *s)
{
	close(s->fd);
	s->fd = -1;
}

static void run_line(struct sess *s)
{
	char *argv[MAXWORDS + 1], *w;
	int argc = 0;
	unsigned i;

	for (w = strtok(s->line, " \t"); w != NULL && argc < MAXWORDS; w = strtok(NULL, " \t"))
		argv[argc++] = w;
	argv[argc] = NULL;
	if (argc == 0)
		return;
	if (!strcmp(argv[0], "exit")) {
		sess_end(s);
		return;
	}
	for (i = 0; i < NCOMMANDS; i++) {
		if (!strcmp(commands[i].word, argv[0])) {
			commands[i].fn(s, argc, argv);
			return;
		}
	}
	put(s, "'%.20s'? try help\r\n", argv[0]);
}

static void sess_input(struct sess *s)
{
	unsigned char buf[128];
	int i, n = recv(s->fd, buf, sizeof buf, 0);

	if (n <= 0) {
		sess_end(s);
		return;
	}
	s->last = time(NULL);
	for (i = 0; i < n && s->fd >= 0; i++) {
		if (buf[i] == '\r' || buf[i] == 0)
			continue;
		if (buf[i] == 255) {		/* telnet negotiation */
			i += 2;
			continue;
		}
		if (buf[i] == '\b' || buf[i] == 127) {
			if (s->fill > 0)
				s->fill--;
		} else if (buf[i] == '\n') {
			s->line[s->fill] = 0;
			s->fill = 0;
			run_line(s);
			if (s->fd >= 0)
				put(s, unsaved ? "nport*> " : "nport> ");
		} else if (s->fill < (int)sizeof s->line - 1) {
			s->line[s->fill++] = buf[i];
		}
	}
}

static void count_traffic(void)
{
	char name[40], t[64];
	FILE *fp;
	int i;

	for (i = 0; i < NPORTS; i++) {
		snprintf(name, sizeof name, "/run/serial/%d.stat", i);
		if ((fp = fopen(name, "r")) == NULL)
			continue;
		if (fgets(t, sizeof t, fp) != NULL)
			sscanf(t, "%lu %lu", &ports[i].rx, &ports[i].tx);
		fclose(fp);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa;
	int i, ls, on = 1;

	ports = calloc(NPORTS, sizeof *ports);
	if (ports == NULL)
		return 1;
	for (i = 0; i < NPORTS; i++) {
		ports[i].baud = 9600;
		ports[i].databits = 8;
		ports[i].parity = 'N';
		snprintf(ports[i].alias, ALIAS_LEN, "port%d", i + 1);
		snprintf(ports[i].tty, sizeof ports[i].tty, "/dev/ttyM%d", i);
	}
	for (i = 0; i < NSESS; i++)
		sess[i].fd = -1;
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	memset(&sa, 0, sizeof sa);
	sa.sin_family = AF_INET;
	sa.sin_port = htons(argc > 1 ? atoi(argv[1]) : MGMT_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(ls, 2) < 0) {
		perror("conmgr");
		return 1;
	}
	for (;;) {
		struct pollfd pf[NSESS + 1];

		for (i = 0; i < NSESS; i++) {
			pf[i].fd = sess[i].fd;
			pf[i].events = POLLIN;
			pf[i].revents = 0;
		}
		pf[NSESS].fd = ls;
		pf[NSESS].events = POLLIN;
		if (poll(pf, NSESS + 1, 2000) <= 0)
			count_traffic();
		for (i = 0; i < NSESS; i++) {
			if (sess[i].fd >= 0 && pf[i].revents)
				sess_input(&sess[i]);
			if (sess[i].fd >= 0 && time(NULL) - sess[i].last > idle_limit)
				sess_end(&sess[i]);
		}
		if (pf[NSESS].revents & POLLIN) {
			int fd = accept(ls, NULL, NULL);
			for (i = 0; i < NSESS && sess[i].fd >= 0; i++)
				;
			if (i == NSESS || fd < 0) {
				if (fd >= 0)
					close(fd);
				continue;
			}
			sess[i].fd = fd;
			sess[i].fill = 0;
			sess[i].last = time(NULL);
			put(&sess[i], "NPort 8 console\r\nnport> ");
		}
	}
}
