/* swcli - management shell of the 16 port PoE switch
 * line based, reached through the management VLAN on tcp/2601
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <unistd.h>
#include <signal.h>
#include <time.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <netinet/in.h>

#define PORTS     16
#define NAME_LEN  24
#define LINE_LEN  200

struct swport {
	int   index;
	int   enabled;
	int   limit_mw;
	int   draw_mw;
	char  name[NAME_LEN];
	int (*measure)(struct swport *);
	void (*overload)(struct swport *);
	unsigned trips;
};

struct cli {
	int   fd;
	int   privileged;
	char  line[LINE_LEN];
	size_t fill;
};

static struct swport *port_tab[PORTS];
static pthread_mutex_t port_lock = PTHREAD_MUTEX_INITIALIZER;
static int budget_mw = 120000;
static time_t boot_time;

static void reply(struct cli *c, const char *fmt, ...)
{
	char buf[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(buf))
		n = sizeof(buf) - 1;
	if (n > 0)
		send(c->fd, buf, n, MSG_NOSIGNAL);
}

/* --- PoE controller (PSE) ------------------------------------------ */

static int pse_measure(struct swport *p)
{
	char path[64];
	int mw = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/pse/port%d/power_mw", p->index);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%d", &mw) != 1)
		mw = 0;
	fclose(f);
	return mw;
}

static void pse_set(struct swport *p, int on)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/pse/port%d/enable", p->index);
	f = fopen(path, "w");
	if (f != NULL) {
		fprintf(f, "%d\n", on);
		fclose(f);
	}
	p->enabled = on;
}

static void pse_overload(struct swport *p)
{
	p->trips++;
	pse_set(p, 0);
	fprintf(stderr, "swcli: port %d (%s) over limit, off\n", p->index, p->name);
}

static void *budget_thread(void *arg)
{
	(void)arg;
	for (;;) {
		int i, sum = 0;

		pthread_mutex_lock(&port_lock);
		for (i = 0; i < PORTS; i++) {
			struct swport *p = port_tab[i];

			if (!p->enabled)
				continue;
			p->draw_mw = p->measure(p);
			sum += p->draw_mw;
			if (p->draw_mw > p->limit_mw)
				p->overload(p);
		}
		if (sum > budget_mw)
			port_tab[PORTS - 1]->overload(port_tab[PORTS - 1]);
		pthread_mutex_unlock(&port_lock);
		sleep(2);
	}
	return NULL;
}

/* --- commands ------------------------------------------------------- */

static struct swport *pick(int n)
{
	return n >= 1 && n <= PORTS ? port_tab[n - 1] : NULL;
}

static int do_show(struct cli *c, const char *args)
{
	int i;

	(void)args;
	pthread_mutex_lock(&port_lock);
	for (i = 0; i < PORTS; i++)
		reply(c, "%2d %-23s %-3s %6d/%6d mW %u\r\n", i + 1, port_tab[i]->name,
		      port_tab[i]->enabled ? "on" : "off", port_tab[i]->draw_mw,
		      port_tab[i]->limit_mw, port_tab[i]->trips);
	pthread_mutex_unlock(&port_lock);
	return 0;
}

static int do_name(struct cli *c, const char *args)
{
	struct swport *p;
	int n, rc = -1;

	if (sscanf(args, "%d", &n) != 1 || (p = pick(n)) == NULL)
		return -1;
	pthread_mutex_lock(&port_lock);
	if (sscanf(args, "%*d %s", p->name) == 1) {
		reply(c, "port %d is %s\r\n", n, p->name);
		rc = 0;
	}
	pthread_mutex_unlock(&port_lock);
	return rc;
}

static int do_limit(struct cli *c, const char *args)
{
	struct swport *p;
	int n, mw;

	(void)c;
	if (sscanf(args, "%d %d", &n, &mw) != 2 || (p = pick(n)) == NULL)
		return -1;
	if (mw < 0 || mw > 30000)
		return -1;
	pthread_mutex_lock(&port_lock);
	p->limit_mw = mw;
	pthread_mutex_unlock(&port_lock);
	return 0;
}

static int do_power(struct cli *c, const char *args)
{
	struct swport *p;
	char word[8];
	int n;

	(void)c;
	if (sscanf(args, "%d %7s", &n, word) != 2 || (p = pick(n)) == NULL)
		return -1;
	pthread_mutex_lock(&port_lock);
	pse_set(p, strcasecmp(word, "on") == 0);
	pthread_mutex_unlock(&port_lock);
	return 0;
}

static int do_budget(struct cli *c, const char *args)
{
	int w = atoi(args);

	(void)c;
	if (w < 15 || w > 250)
		return -1;
	budget_mw = w * 1000;
	return 0;
}

static int do_uptime(struct cli *c, const char *args)
{
	(void)args;
	reply(c, "up %ld s\r\n", (long)(time(NULL) - boot_time));
	return 0;
}

static const struct cmd {
	const char *word;
	int (*run)(struct cli *, const char *);
	const char *help;
} cmd_tab[] = {
	{ "show",   do_show,   "show" },
	{ "name",   do_name,   "name <port> <text>" },
	{ "limit",  do_limit,  "limit <port> <mW>" },
	{ "power",  do_power,  "power <port> on|off" },
	{ "budget", do_budget, "budget <W>" },
	{ "uptime", do_uptime, "uptime" },
};
#define NCMD (sizeof(cmd_tab) / sizeof(cmd_tab[0]))

static int execute(struct cli *c)
{
	char *args = c->line;
	size_t i;

	while (*args && *args != ' ')
		args++;
	if (*args)
		*args++ = '\0';
	if (c->line[0] == '\0')
		return 0;
	if (strcmp(c->line, "quit") == 0)
		return -1;
	for (i = 0; i < NCMD; i++)
		if (strcasecmp(cmd_tab[i].word, c->line) == 0) {
			if (cmd_tab[i].run(c, args) < 0)
				reply(c, "usage: %s\r\n", cmd_tab[i].help);
			return 0;
		}
	for (i = 0; i < NCMD; i++)
		reply(c, "  %s\r\n", cmd_tab[i].help);
	return 0;
}

static void *cli_thread(void *arg)
{
	struct cli *c = arg;
	char chunk[64];
	ssize_t n, i;

	reply(c, "PS-16P ready\r\n> ");
	while ((n = recv(c->fd, chunk, sizeof(chunk), 0)) > 0) {
		for (i = 0; i < n; i++) {
			if (chunk[i] == '\r')
				continue;
			if (chunk[i] != '\n') {
				if (c->fill < LINE_LEN - 1)
					c->line[c->fill++] = chunk[i];
				continue;
			}
			c->line[c->fill] = '\0';
			c->fill = 0;
			if (execute(c) < 0)
				goto out;
			reply(c, "> ");
		}
	}
out:
	close(c->fd);
	free(c);
	return NULL;
}

int main(void)
{
	struct sockaddr_in sin;
	pthread_t tid;
	int i, s, on = 1;

	boot_time = time(NULL);
	for (i = 0; i < PORTS; i++) {
		struct swport *p = calloc(1, sizeof(*p));

		if (p == NULL)
			return 1;
		p->index = i;
		p->limit_mw = 15400;
		p->measure = pse_measure;
		p->overload = pse_overload;
		snprintf(p->name, sizeof(p->name), "port%d", i + 1);
		pse_set(p, 1);
		port_tab[i] = p;
	}
	pthread_create(&tid, NULL, budget_thread, NULL);

	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(2601);
	if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(s, 2) < 0) {
		perror("swcli");
		return 1;
	}
	for (;;) {
		struct cli *c = calloc(1, sizeof(*c));

		if (c == NULL)
			return 1;
		c->fd = accept(s, NULL, NULL);
		if (c->fd < 0 || pthread_create(&tid, NULL, cli_thread, c) != 0) {
			free(c);
			continue;
		}
		pthread_detach(tid);
	}
}
