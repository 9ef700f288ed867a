/* netset.cgi -- LAN / DDNS / diagnostic page backend
 *
 *   GET /cgi-bin/netset.cgi?action=ddns_save&host=...&user=...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <unistd.h>

#define MAXVARS 24
#define CFG_PATH "/var/etc/netset.conf"

struct var { char name[32]; char value[128]; };

static struct var vars[MAXVARS];
static int nvars;

/* ---- configuration (nvram like, one key=value a line) ---- */
struct cfg_ent { char *key, *val; struct cfg_ent *next; };
static struct cfg_ent *cfg;

static char *cfg_get(const char *key)
{
	struct cfg_ent *e;
	for (e = cfg; e; e = e->next)
		if (!strcmp(e->key, key))
			return e->val;
	return "";
}

static void cfg_set(const char *key, const char *val)
{
	struct cfg_ent *e;
	for (e = cfg; e; e = e->next)
		if (!strcmp(e->key, key)) {
			free(e->val);
			e->val = strdup(val);
			return;
		}
	e = malloc(sizeof(*e));
	e->key = strdup(key);
	e->val = strdup(val);
	e->next = cfg;
	cfg = e;
}

static void cfg_defaults(void)
{
	cfg_set("ddns_provider", "dyndns");
	cfg_set("ddns_enable", "0");
	cfg_set("lan_ip", "192.168.1.1");
}

static void cfg_save(void)
{
	struct cfg_ent *e;
	FILE *f = fopen(CFG_PATH, "w");
	if (!f)
		return;
	for (e = cfg; e; e = e->next)
		fprintf(f, "%s=%s\n", e->key, e->val);
	fclose(f);
}

/* ---- query string ---- */
static int xval(int c)
{
	if (c >= '0' && c <= '9') return c - '0';
	c = tolower(c);
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	return -1;
}

static void unescape(char *s)
{
	char *d = s;
	while (*s) {
		if (*s == '%' && xval((unsigned char)s[1]) >= 0 && xval((unsigned char)s[2]) >= 0) {
			*d++ = (char)(xval((unsigned char)s[1]) * 16 + xval((unsigned char)s[2]));
			s += 3;
		} else if (*s == '+') {
			*d++ = ' ';
			s++;
		} else
			*d++ = *s++;
	}
	*d = 0;
}

/* every parameter goes through here; only harmless characters may pass */
static int harmless(const char *s)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-@:%", *s))
			return 0;
	return 1;
}

static int add_var(char *pair)
{
	char *eq = strchr(pair, '=');
	struct var *v;

	if (!eq || nvars >= MAXVARS)
		return -1;
	*eq++ = 0;
	if (!harmless(eq))
		return -1;
	unescape(eq);
	v = &vars[nvars];
	snprintf(v->name, sizeof(v->name), "%s", pair);
	snprintf(v->value, sizeof(v->value), "%s", eq);
	nvars++;
	return 0;
}

static int parse_query(const char *qs)
{
	char *copy = strdup(qs), *p = copy, *tok;
	int bad = 0;

	while ((tok = strsep(&p, "&")) != NULL)
		if (*tok && add_var(tok) < 0)
			bad++;
	free(copy);
	return bad;
}

static const char *var(const char *name)
{
	int i;
	for (i = 0; i < nvars; i++)
		if (!strcmp(vars[i].name, name))
			return vars[i].value;
	return NULL;
}

/* ---- output ---- */
static void head(const char *type)
{
	printf("Content-Type: %s\r\nCache-Control: no-cache\r\n\r\n", type);
}

static void result(int rc, const char *msg)
{
	printf("{\"result\":%d,\"msg\":\"%s\"}\n", rc, msg);
}

static int run_and_print(const char *cmd)
{
	char line[256];
	int n = 0;
	FILE *p = popen(cmd, "r");

	if (!p)
		return -1;
	while (fgets(line, sizeof(line), p)) {
		fputs(line, stdout);
		n++;
	}
	pclose(p);
	return n;
}

/* ---- actions ---- */
static void act_arp(void)
{
	run_and_print("cat /proc/net/arp");
}

static void act_ddns_save(void)
{
	static const char *keys[] = { "host", "user", "provider" };
	char full[48];
	unsigned i;

	for (i = 0; i < 3; i++) {
		const char *v = var(keys[i]);
		if (!v)
			continue;
		snprintf(full, sizeof(full), "ddns_%s", keys[i]);
		cfg_set(full, v);
	}
	cfg_set("ddns_enable", "1");
	cfg_save();
	result(0, "saved");
}

static void ddns_kick(void)
{
	char cmd[512];

	if (strcmp(cfg_get("ddns_enable"), "1"))
		return;
	if (!*cfg_get("ddns_host"))
		return;
	snprintf(cmd, sizeof(cmd), "/usr/sbin/ddnsc -1 --system %s@dyndns.org --alias %s 2>&1",
		 "default", cfg_get("ddns_host"));
	run_and_print(cmd);
}

static void act_lan(void)
{
	printf("{\"ip\":\"%s\",\"ddns\":%s}\n", cfg_get("lan_ip"), cfg_get("ddns_enable"));
}

static void act_reboot(void)
{
	result(0, "rebooting");
	fflush(stdout);
	system("(sleep 2; reboot) &");
}

static void act_status(void)
{
	FILE *f = fopen("/proc/uptime", "r");
	double up = 0;
	if (f) {
		fscanf(f, "%lf", &up);
		fclose(f);
	}
	printf("{\"uptime\":%.0f}\n", up);
}

struct action { const char *name; void (*fn)(void); int needs_admin; };

/* sorted! bsearch */
static const struct action actions[] = {
	{ "arp",       act_arp,       0 },
	{ "ddns_save", act_ddns_save, 1 },
	{ "lan",       act_lan,       0 },
	{ "reboot",    act_reboot,    1 },
	{ "status",    act_status,    0 },
};

static int cmp_action(const void *k, const void *e)
{
	return strcmp((const char *)k, ((const struct action *)e)->name);
}

int main(void)
{
	const char *qs = getenv("QUERY_STRING");
	const char *user = getenv("REMOTE_USER");
	const char *name;
	const struct action *a;

	cfg_defaults();
	head("application/json");
	if (!qs || parse_query(qs) > 0) {
		result(-1, "bad parameters");
		return 0;
	}
	name = var("action");
	if (!name) {
		result(-2, "no action");
		return 0;
	}
	a = bsearch(name, actions, sizeof(actions) / sizeof(actions[0]), sizeof(actions[0]), cmp_action);
	if (!a) {
		result(-3, "unknown action");
		return 0;
	}
	if (a->needs_admin && (!user || !*user)) {
		result(-4, "denied");
		return 0;
	}
	a->fn();
	ddns_kick();
	return 0;
}
