/* ntripd - relay for RTCM corrections of a GNSS base station radio.
 *
 * Sources:  SOURCE <password> /<mount>\r\nSource-Agent: ..\r\nSTR: ..\r\n\r\n
 * Rovers:   GET /<mount> HTTP/1.0\r\n\r\n      (GET / gives the source table)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <unistd.h>
#include <errno.h>
#include <time.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define MAXCONN 24
#define REQSZ   1024

typedef struct mount {
	struct mount *next;
	char  name[32];
	char *agent;
	char *str;              /* what the source told about itself */
	int   conn;             /* feeding connection or -1 */
	time_t since;
} mount_t;

typedef enum { ST_FREE, ST_REQ, ST_SOURCE, ST_ROVER } cstate_t;

typedef struct conn {
	int fd;
	cstate_t st;
	int fill;
	char req[REQSZ];
	mount_t *mp;
} conn_t;

struct conf {
	int  port;
	char password[32];
	char country[8];
	char operator[32];
};

static mount_t *mounts;
static conn_t conns[MAXCONN];
static struct conf conf = { 0, "", "XXX", "none" };

static void conf_read(const char *name)
{
	char line[200], *k, *v, *save;
	FILE *f = fopen(name, "r");

	if (!f) {
		perror(name);
		exit(2);
	}
	while (fgets(line, sizeof line, f)) {
		k = strtok_r(line, " \t\r\n", &save);
		v = strtok_r(NULL, " \t\r\n", &save);
		if (!k || !v || *k == '#')
			continue;
		if (!strcmp(k, "port"))
			conf.port = atoi(v);
		if (!strcmp(k, "password"))
			snprintf(conf.password, sizeof conf.password, "%s", v);
		if (!strcmp(k, "country"))
			snprintf(conf.country, sizeof conf.country, "%.3s", v);
		if (!strcmp(k, "operator"))
			snprintf(conf.operator, sizeof conf.operator, "%s", v);
	}
	fclose(f);
}

static void put(int fd, const char *fmt, ...)
{
	char b[1200];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(b, sizeof b, fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof b)
		n = sizeof b - 1;
	if (n > 0)
		send(fd, b, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ------------------------------------------------------------------ mounts */

static mount_t *mount_find(const char *name)
{
	mount_t *m;

	for (m = mounts; m; m = m->next)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}

static mount_t *mount_make(const char *name)
{
	mount_t *m = mount_find(name);

	if (m)
		return m;
	m = calloc(1, sizeof *m);
	if (!m)
		return NULL;
	strncpy(m->name, name, sizeof m->name - 1);
	m->conn = -1;
	m->next = mounts;
	mounts = m;
	return m;
}

static char *header_dup(const char *req, const char *name)
{
	const char *p = req;
	size_t l = strlen(name);

	while ((p = strstr(p, "\r\n")) != NULL) {
		p += 2;
		if (!strncasecmp(p, name, l)) {
			p += l;
			p += strspn(p, " ");
			return strndup(p, strcspn(p, "\r\n"));
		}
	}
	return strdup("");
}

/* ------------------------------------------------------------- source table */

static int table_row(const mount_t *m, int fd)
{
	char row[256];

	snprintf(row, sizeof row, "STR;%s;%s;", m->name, conf.country);
	strcat(row, *m->str ? m->str : "RTCM 3.1;;2;GPS");
	if (m->conn < 0)
		strcat(row, ";off");
	put(fd, "%s\r\n", row);
	return (int)strlen(row) + 2;
}

static void send_table(int fd)
{
	mount_t *m;
	int total = 0;

	put(fd, "SOURCETABLE 200 OK\r\nServer: ntripd/0.4\r\nContent-Type: text/plain\r\n\r\n");
	for (m = mounts; m; m = m->next)
		total += table_row(m, fd);
	put(fd, "NET;%s;%s;N;N;;;;%d\r\nENDSOURCETABLE\r\n", conf.country, conf.operator, total);
}

/* ------------------------------------------------------------------ requests */

static int rq_get(conn_t *c, char *arg)
{
	mount_t *m;

	arg[strcspn(arg, " \r\n")] = '\0';
	if (*arg == '/')
		arg++;
	if (!*arg || !(m = mount_find(arg))) {
		send_table(c->fd);
		return -1;
	}
	c->mp = m;
	c->st = ST_ROVER;
	put(c->fd, "ICY 200 OK\r\n\r\n");
	return 0;
}

static int rq_source(conn_t *c, char *arg)
{
	char *agent = header_dup(c->req, "Source-Agent:");
	char *str = header_dup(c->req, "STR:");
	char *pw, *name;
	mount_t *m;

	arg[strcspn(arg, "\r\n")] = '\0';
	pw = strsep(&arg, " ");
	name = arg ? arg + strspn(arg, "/ ") : NULL;
	if (!name || !*name || strlen(name) > 31 || (conf.password[0] && strcmp(pw, conf.password)) ||
	    (m = mount_make(name)) == NULL || m->conn >= 0) {
		put(c->fd, "ERROR - Bad Password\r\n");
		free(agent);
		free(str);
		return -1;
	}
	free(m->agent);
	free(m->str);
	m->agent = agent;
	m->str = str;
	m->conn = (int)(c - conns);
	m->since = time(NULL);
	c->mp = m;
	c->st = ST_SOURCE;
	put(c->fd, "ICY 200 OK\r\n");
	return 0;
}

static const struct {
	const char *verb;
	int (*fn)(conn_t *, char *);
} verbs[] = {
	{ "GET ", rq_get },
	{ "SOURCE ", rq_source },
};

static int request(conn_t *c)
{
	size_t i;

	for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (!strncmp(c->req, verbs[i].verb, strlen(verbs[i].verb)))
			return verbs[i].fn(c, c->req + strlen(verbs[i].verb));
	return -1;
}

static void conn_close(conn_t *c)
{
	if (c->st == ST_SOURCE && c->mp)
		c->mp->conn = -1;
	close(c->fd);
	memset(c, 0, sizeof *c);
}

static int conn_read(conn_t *c)
{
	char data[2048];
	ssize_t n;
	int i;

	if (c->st == ST_REQ) {
		n = recv(c->fd, c->req + c->fill, REQSZ - 1 - c->fill, 0);
		if (n <= 0)
			return -1;
		c->fill += n;
		c->req[c->fill] = '\0';
		if (strstr(c->req, "\r\n\r\n"))
			return request(c);
		return c->fill < REQSZ - 1 ? 0 : -1;
	}
	n = recv(c->fd, data, sizeof data, 0);
	if (n <= 0)
		return -1;
	if (c->st == ST_SOURCE)
		for (i = 0; i < MAXCONN; i++)
			if (conns[i].st == ST_ROVER && conns[i].mp == c->mp)
				send(conns[i].fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa;
	int ls, i, one = 1;

	conf_read(argc > 1 ? argv[1] : "/etc/ntripd.conf");
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	memset(&sa, 0, sizeof sa);
	sa.sin_family = AF_INET;
	sa.sin_port = htons(conf.port);
	if (bind(ls, (struct sockaddr *)&sa, sizeof sa) || listen(ls, 4)) {
		perror("ntripd");
		return 1;
	}
	for (;;) {
		int top = ls;
		fd_set r;

		FD_ZERO(&r);
		FD_SET(ls, &r);
		for (i = 0; i < MAXCONN; i++)
			if (conns[i].st != ST_FREE) {
				FD_SET(conns[i].fd, &r);
				if (conns[i].fd > top)
					top = conns[i].fd;
			}
		if (select(top + 1, &r, NULL, NULL, NULL) < 0)
			continue;
		for (i = 0; i < MAXCONN; i++)
			if (conns[i].st != ST_FREE && FD_ISSET(conns[i].fd, &r) && conn_read(&conns[i]) < 0)
				conn_close(&conns[i]);
		if (FD_ISSET(ls, &r)) {
			int fd = accept(ls, NULL, NULL);

			for (i = 0; i < MAXCONN && conns[i].st != ST_FREE; i++)
				;
			if (fd >= 0 && i < MAXCONN) {
				conns[i].fd = fd;
				conns[i].st = ST_REQ;
			} else if (fd >= 0)
				close(fd);
		}
	}
}
