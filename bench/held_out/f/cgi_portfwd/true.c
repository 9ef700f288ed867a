/* forward.cgi -- "Virtual server" page of the broadband router
 *
 * GET  /cgi-bin/forward.cgi?act=list
 * POST /cgi-bin/forward.cgi    act=add&proto=tcp&wport=8080&ip=192.168.1.20&lport=80&name=web
 *
 * 2013-04 first, 2014-11 delete by number, 2016-02 JSON answers
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <time.h>
#include <sys/file.h>
#include <sys/stat.h>

#define RULES_FILE	"/var/run/vserver.rules"
#define LOCK_FILE	"/var/run/vserver.lock"
#define MAX_RULES	20
#define MAX_POST	4096

struct rule {
	int	used;
	char	proto[4];
	int	wport;
	int	lport;
	char	ip[40];
	char	name[24];
};

static struct rule rules[MAX_RULES];
static char *query;		/* the form, still encoded */

/* ---- form ---- */

static int hexval(int c)
{
	if (c >= '0' && c <= '9') return c - '0';
	c = tolower(c);
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	return -1;
}

static void url_decode(char *s)
{
	char *d = s;

	while (*s) {
		if (*s == '+') {
			*d++ = ' ';
			s++;
		} else if (*s == '%' && hexval((unsigned char)s[1]) >= 0 && hexval((unsigned char)s[2]) >= 0) {
			*d++ = (char)(hexval((unsigned char)s[1]) * 16 + hexval((unsigned char)s[2]));
			s += 3;
		} else {
			*d++ = *s++;
		}
	}
	*d = 0;
}

static char *read_form(void)
{
	char *method = getenv("REQUEST_METHOD");
	char *p, *buf;
	int len, got = 0, n;

	if (method && !strcmp(method, "POST")) {
		p = getenv("CONTENT_LENGTH");
		len = p ? atoi(p) : 0;
		if (len <= 0 || len > MAX_POST)
			return NULL;
		buf = malloc(len + 1);
		if (!buf)
			return NULL;
		while (got < len) {
			n = read(STDIN_FILENO, buf + got, len - got);
			if (n <= 0)
				break;
			got += n;
		}
		buf[got] = 0;
		return buf;
	}
	p = getenv("QUERY_STRING");
	return p ? strdup(p) : NULL;
}

/* value of a field, decoded, "" when missing */
static char *web_get(const char *key, char *out, int size)
{
	const char *p = query, *e;
	int klen = strlen(key), n;

	out[0] = 0;
	while (p && *p) {
		e = strchr(p, '&');
		if (!strncmp(p, key, klen) && p[klen] == '=') {
			p += klen + 1;
			n = e ? (int)(e - p) : (int)strlen(p);
			if (n >= size)
				n = size - 1;
			memcpy(out, p, n);
			out[n] = 0;
			url_decode(out);
			break;
		}
		p = e ? e + 1 : NULL;
	}
	return out;
}

static int web_int(const char *key)
{
	char b[12];

	return atoi(web_get(key, b, sizeof(b)));
}

/* ---- store ---- */

static void load_rules(void)
{
	FILE *fp = fopen(RULES_FILE, "rb");

	if (!fp)
		return;
	if (fread(rules, sizeof(struct rule), MAX_RULES, fp) != MAX_RULES)
		memset(rules, 0, sizeof(rules));
	fclose(fp);
}

static void save_rules(void)
{
	FILE *fp = fopen(RULES_FILE ".new", "wb");

	if (!fp)
		return;
	if (fwrite(rules, sizeof(struct rule), MAX_RULES, fp) != MAX_RULES) {
		fclose(fp);
		unlink(RULES_FILE ".new");
		return;
	}
	fclose(fp);
	rename(RULES_FILE ".new", RULES_FILE);
}

static int lock_store(void)
{
	int fd = open(LOCK_FILE, O_CREAT | O_RDWR, 0600);

	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd;
}

/* ---- firewall ---- */

static int iptables(int add, const char *proto, int wport, const char *ip, int lport)
{
	char cmd[256];

	sprintf(cmd, "iptables -t nat -%c VSERVER -p %s --dport %d -j DNAT --to-destination %s:%d",
		add ? 'A' : 'D', proto, wport, ip, lport);
	return system(cmd);
}

static int good_ip(char *ip, int size)
{
	unsigned a, b, c, d;

	if (sscanf(ip, "%u.%u.%u.%u", &a, &b, &c, &d) != 4)
		return 0;
	if (a < 1 || a > 223 || b > 255 || c > 255 || d < 1 || d > 254)
		return 0;
#ifdef BENIGN
	snprintf(ip, size, "%u.%u.%u.%u", a, b, c, d);
	return 1;
#else
	return (int)strlen(ip) < size;
#endif
}

/* ---- pages ---- */

static int answer(const char *what)
{
	printf("Content-Type: application/json\r\nCache-Control: no-cache\r\n\r\n{\"result\":\"%s\"}\n", what);
	return 0;
}

static int act_list(void)
{
	int i, first = 1;

	printf("Content-Type: application/json\r\n\r\n{\"rules\":[");
	for (i = 0; i < MAX_RULES; i++) {
		if (!rules[i].used)
			continue;
		printf("%s{\"id\":%d,\"proto\":\"%s\",\"wport\":%d,\"ip\":\"%s\",\"lport\":%d,\"name\":\"%s\"}",
		       first ? "" : ",", i, rules[i].proto, rules[i].wport, rules[i].ip,
		       rules[i].lport, rules[i].name);
		first = 0;
	}
	printf("]}\n");
	return 0;
}

static int act_add(void)
{
	struct rule r;
	char *p;
	int i;

	memset(&r, 0, sizeof(r));
	web_get("ip", r.ip, sizeof(r.ip));
	web_get("name", r.name, sizeof(r.name));
	web_get("proto", r.proto, sizeof(r.proto));
	r.wport = web_int("wport");
	r.lport = web_int("lport");
	r.used = 1;
	if (r.wport < 1 || r.wport > 65535 || r.lport < 1 || r.lport > 65535)
		return answer("bad port");
	if (strcmp(r.proto, "tcp") && strcmp(r.proto, "udp"))
		return answer("bad protocol");
	if (!good_ip(r.ip, sizeof(r.ip)))
		return answer("bad address");
	for (p = r.name; *p; p++)
		if (!isalnum((unsigned char)*p))
			*p = '_';
	for (i = 0; i < MAX_RULES; i++)
		if (rules[i].used && rules[i].wport == r.wport && !strcmp(rules[i].proto, r.proto))
			return answer("port in use");
	for (i = 0; i < MAX_RULES && rules[i].used; i++)
		;
	if (i == MAX_RULES)
		return answer("full");
	if (iptables(1, r.proto, r.wport, r.ip, r.lport) != 0)
		return answer("firewall error");
	rules[i] = r;
	save_rules();
	return answer("ok");
}

static int act_del(void)
{
	int i = web_int("id");

	if (i < 0 || i >= MAX_RULES || !rules[i].used)
		return answer("no such rule");
	iptables(0, rules[i].proto, rules[i].wport, rules[i].ip, rules[i].lport);
	memset(&rules[i], 0, sizeof(rules[i]));
	save_rules();
	return answer("ok");
}

static int act_flush(void)
{
	memset(rules, 0, sizeof(rules));
	save_rules();
	return answer(system("iptables -t nat -F VSERVER") == 0 ? "ok" : "firewall error");
}

static struct {
	char *name;
	int (*fn)(void);
	int write;
} actions[] = {
	{ "list",  act_list,  0 },
	{ "add",   act_add,   1 },
	{ "del",   act_del,   1 },
	{ "flush", act_flush, 1 },
};

int main(void)
{
	char act[16];
	unsigned i;
	int lock, ret = 1;

	query = read_form();
	if (!query)
		return answer("no data");
	web_get("act", act, sizeof(act));
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(act, actions[i].name))
			continue;
		lock = actions[i].write ? lock_store() : -1;
		load_rules();
		ret = actions[i].fn();
		if (lock >= 0)
			close(lock);
		free(query);
		return ret;
	}
	answer("unknown action");
	free(query);
	return ret;
}
