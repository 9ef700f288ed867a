/*
 * portctl.cgi  -  Web management of the GS-24 switch, port pages
 *
 * Sessions are small files /var/run/websess_<id> written by login.cgi:
 *    <expires> <level>
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>

#define MAXPORT      24
#define MAXFORM      1024
#define SESSION_IDLE 900

#define LEVEL_NONE   0
#define LEVEL_VIEW   1
#define LEVEL_ADMIN  2

struct port_cfg
{
	int enabled;
	int speed;		/* 0 auto, 10, 100, 1000 */
	int vlan;
	int poe;
};

struct session
{
	int level;
	long expires;
};

static struct port_cfg ports[MAXPORT + 1];
static char form[MAXFORM + 1];

static void error_page(int status, const char *why)
{
	printf("Status: %d\r\nContent-Type: text/html\r\n\r\n", status);
	printf("<html><body><b>%s</b></body></html>\n", why);
	fflush(stdout);
	exit(0);
}

/*----------------------------------------------------------- session ----*/

static int session_read(const char *path, struct session *s)
{
	FILE *fp;
	int ok;

	fp = fopen(path, "r");
	if (!fp)
		return 0;
	ok = fscanf(fp, "%ld %d", &s->expires, &s->level) == 2;
	fclose(fp);
	if (!ok || s->expires < (long)time(NULL)) {
		unlink(path);
		return 0;
	}
	return 1;
}

static void session_touch(const char *path, const struct session *s)
{
	FILE *fp;

	fp = fopen(path, "w");
	if (!fp)
		return;
	fprintf(fp, "%ld %d\n", (long)time(NULL) + SESSION_IDLE, s->level);
	fclose(fp);
}

static int sid_plausible(const char *sid)
{
	const char *p;

	for (p = sid; *p; p++)
		if (*p == '/' || *p == '.' || isspace((unsigned char)*p))
			return 0;
	return p != sid;
}

static int session_level(const char *sid)
{
	struct session s;
	char path[64];

	if (!sid_plausible(sid))
		return LEVEL_NONE;
	sprintf(path, "/var/run/websess_%s", sid);
	s.level = LEVEL_NONE;
	s.expires = 0;
	if (!session_read(path, &s))
		return LEVEL_NONE;
	session_touch(path, &s);
	return s.level;
}

static int login_level(void)
{
	char *cookie, *copy, *tok;
	int level = LEVEL_NONE;

	cookie = getenv("HTTP_COOKIE");
	if (!cookie)
		return LEVEL_NONE;
	copy = strdup(cookie);
	if (!copy)
		return LEVEL_NONE;
	for (tok = strtok(copy, "; "); tok; tok = strtok(NULL, "; ")) {
		if (strncmp(tok, "GSSID=", 6) == 0) {
			level = session_level(tok + 6);
			break;
		}
	}
	free(copy);
	return level;
}

/*------------------------------------------------------ port settings ---*/

static void ports_load(void)
{
	struct port_cfg c;
	char line[80];
	FILE *fp;
	int n;

	for (n = 1; n <= MAXPORT; n++) {
		ports[n].enabled = 1;
		ports[n].speed = 0;
		ports[n].vlan = 1;
		ports[n].poe = 0;
	}
	fp = fopen("/etc/switch/ports", "r");
	if (!fp)
		return;
	while (fgets(line, sizeof(line), fp)) {
		if (sscanf(line, "%d %d %d %d %d", &n, &c.enabled, &c.speed, &c.vlan, &c.poe) != 5)
			continue;
		if (n >= 1 && n <= MAXPORT)
			ports[n] = c;
	}
	fclose(fp);
}

static void ports_store(void)
{
	FILE *fp;
	int n;

	fp = fopen("/etc/switch/ports.new", "w");
	if (!fp)
		error_page(500, "flash is read-only");
	for (n = 1; n <= MAXPORT; n++)
		fprintf(fp, "%d %d %d %d %d\n", n, ports[n].enabled, ports[n].speed, ports[n].vlan,
			ports[n].poe);
	fclose(fp);
	rename("/etc/switch/ports.new", "/etc/switch/ports");
}

static int set_enabled(struct port_cfg *c, int v)
{
	c->enabled = v != 0;
	return 1;
}

static int set_speed(struct port_cfg *c, int v)
{
	if (v != 0 && v != 10 && v != 100 && v != 1000)
		return 0;
	c->speed = v;
	return 1;
}

static int set_vlan(struct port_cfg *c, int v)
{
	if (v < 1 || v > 4094)
		return 0;
	c->vlan = v;
	return 1;
}

static int set_poe(struct port_cfg *c, int v)
{
	c->poe = v != 0;
	return 1;
}

static const struct
{
	char name[8];
	int (*set)(struct port_cfg *, int);
} fields[] = {
	{ "en", set_enabled },
	{ "speed", set_speed },
	{ "vlan", set_vlan },
	{ "poe", set_poe },
};

/* the form has names like "vlan.7" */
static int set_field(char *name, const char *value)
{
	char *dot;
	unsigned i;
	int n;

	dot = strchr(name, '.');
	if (!dot)
		return 0;
	*dot = 0;
	n = atoi(dot + 1);
	if (n < 1 || n > MAXPORT)
		return 0;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i].name, name) == 0)
			return fields[i].set(&ports[n], atoi(value));
	return 0;
}

/*------------------------------------------------------------- pages ----*/

static void page_list(void)
{
	int n;

	printf("Content-Type: text/html\r\n\r\n<html><body><table>\n");
	for (n = 1; n <= MAXPORT; n++)
		printf("<tr><td>%d</td><td>%s</td><td>%d</td><td>%d</td></tr>\n", n,
		       ports[n].enabled ? "up" : "down", ports[n].speed, ports[n].vlan);
	printf("</table></body></html>\n");
}

static void page_json(void)
{
	int n;

	printf("Content-Type: application/json\r\n\r\n[");
	for (n = 1; n <= MAXPORT; n++)
		printf("%s{\"port\":%d,\"vlan\":%d,\"poe\":%d}", n > 1 ? "," : "", n, ports[n].vlan,
		       ports[n].poe);
	printf("]\n");
}

static void do_post(void)
{
	char *cl, *tok, *eq;
	int len, changed = 0;

	cl = getenv("CONTENT_LENGTH");
	len = cl ? atoi(cl) : 0;
	if (len <= 0 || len > MAXFORM)
		error_page(413, "form too large");
	len = (int)fread(form, 1, (size_t)len, stdin);
	form[len] = 0;
	for (tok = strtok(form, "&"); tok; tok = strtok(NULL, "&")) {
		eq = strchr(tok, '=');
		if (!eq)
			continue;
		*eq = 0;
		changed += set_field(tok, eq + 1);
	}
	if (changed)
		ports_store();
	page_list();
}

int main(void)
{
	char *method, *query;
	int level;

	method = getenv("REQUEST_METHOD");
	query = getenv("QUERY_STRING");
	if (!method)
		return 1;
	level = login_level();
	if (level == LEVEL_NONE)
		error_page(403, "please log in");
	ports_load();
	if (strcmp(method, "POST") == 0) {
		if (level < LEVEL_ADMIN)
			error_page(403, "view only");
		do_post();
	} else if (query && strcmp(query, "fmt=json") == 0) {
		page_json();
	} else {
		page_list();
	}
	return 0;
}
