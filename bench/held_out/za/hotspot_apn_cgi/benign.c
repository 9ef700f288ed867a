/* admin.cgi - mobile hotspot administration
 *
 * POST body is a form (application/x-www-form-urlencoded) read from stdin;
 * settings live in a small key=value store in flash.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <unistd.h>
#include <time.h>

#define STORE      "/data/hotspot.kv"
#define STORE_TMP  "/data/hotspot.kv.new"
#define KV_MAX     40

struct kv { char key[24]; char val[96]; };

static struct kv store[KV_MAX];
static int       kv_n;
static int       kv_dirty;

static void kv_load(void)
{
	char line[160];
	FILE *f = fopen(STORE, "r");

	if (!f)
		return;
	while (kv_n < KV_MAX && fgets(line, sizeof(line), f)) {
		char *eq = strchr(line, '=');
		if (!eq)
			continue;
		*eq++ = 0;
		eq[strcspn(eq, "\n")] = 0;
		snprintf(store[kv_n].key, sizeof(store[0].key), "%s", line);
		snprintf(store[kv_n].val, sizeof(store[0].val), "%s", eq);
		kv_n++;
	}
	fclose(f);
}

static void kv_commit(void)
{
	FILE *f;
	int i;

	if (!kv_dirty)
		return;
	f = fopen(STORE_TMP, "w");
	if (!f)
		return;
	for (i = 0; i < kv_n; i++)
		fprintf(f, "%s=%s\n", store[i].key, store[i].val);
	fclose(f);
	rename(STORE_TMP, STORE);
	kv_dirty = 0;
}

static const char *kv_get(const char *key, const char *dflt)
{
	int i;

	for (i = 0; i < kv_n; i++)
		if (strcmp(store[i].key, key) == 0)
			return store[i].val;
	return dflt;
}

static int kv_set(const char *key, const char *val)
{
	int i;

	for (i = 0; i < kv_n; i++)
		if (strcmp(store[i].key, key) == 0)
			break;
	if (i == KV_MAX)
		return -1;
	if (i == kv_n) {
		snprintf(store[i].key, sizeof(store[i].key), "%s", key);
		kv_n++;
	}
	snprintf(store[i].val, sizeof(store[i].val), "%s", val);
	kv_dirty = 1;
	return 0;
}

static int hexd(int c)
{
	if (isdigit(c))
		return c - '0';
	return tolower(c) - 'a' + 10;
}

/* decoded copy of one field, control characters dropped */
static int field(const char *body, const char *name, char *out, size_t cap)
{
	size_t nl = strlen(name), o = 0;
	const char *p = body;

	while (p) {
		if (strncmp(p, name, nl) == 0 && p[nl] == '=') {
			p += nl + 1;
			while (*p && *p != '&' && o + 1 < cap) {
				int c = (unsigned char)*p++;
				if (c == '+')
					c = ' ';
				else if (c == '%' && isxdigit((unsigned char)p[0]) &&
					 isxdigit((unsigned char)p[1])) {
					c = hexd((unsigned char)p[0]) * 16 + hexd((unsigned char)p[1]);
					p += 2;
				}
				if (c >= ' ')
					out[o++] = (char)c;
			}
			out[o] = 0;
			return 1;
		}
		p = strchr(p, '&');
		if (p)
			p++;
	}
	return 0;
}

static void json(const char *state, const char *detail)
{
	printf("Content-Type: application/json\r\n\r\n{\"result\":\"%s\",\"detail\":\"%s\"}\n",
	       state, detail);
}

/* runs a command and keeps the first line of its output for the reply */
static int run_first_line(const char *cmd, char *out, size_t cap)
{
	FILE *p = popen(cmd, "r");

	out[0] = 0;
	if (!p)
		return -1;
	if (fgets(out, (int)cap, p))
		out[strcspn(out, "\r\n\"")] = 0;
	return pclose(p);
}

static void wan_apply(void)
{
	char cmd[200], line[100];
	const char *s = kv_get("wan_mtu", "1428");
	long mtu = strtol(s, NULL, 10);

	if (mtu < 576 || mtu > 1500)
		mtu = 1428;
	snprintf(cmd, sizeof(cmd), "ip link set dev wwan0 mtu %ld 2>&1", mtu);
	if (run_first_line(cmd, line, sizeof(line)) != 0)
		json("fail", line);
	else
		json("ok", "wan");
}

static void wifi_apply(void)
{
	FILE *f = fopen("/tmp/hostapd.conf", "w");

	if (!f) {
		json("fail", "hostapd.conf");
		return;
	}
	fprintf(f, "interface=wlan0\nssid=%s\nwpa=2\nwpa_passphrase=%s\nmax_num_sta=%d\n",
		kv_get("ssid", "Hotspot"), kv_get("psk", "12345678"),
		atoi(kv_get("max_sta", "10")));
	fclose(f);
	system("killall -HUP hostapd");
	json("ok", "wifi");
}

static void status(void)
{
	char sig[64];

	run_first_line("modemctl signal", sig, sizeof(sig));
	printf("Content-Type: application/json\r\n\r\n{\"signal\":\"%.20s\",\"up\":%ld}\n",
	       sig, (long)clock());
}

struct page {
	const char *name;
	const char *const keys[4];
	void (*apply)(void);
};

static const struct page pages[] = {
	{ "wan",  { "wan_mtu", "apn", "pdp", NULL },    wan_apply },
	{ "wifi", { "ssid", "psk", "max_sta", NULL },   wifi_apply },
	{ "stat", { NULL },                             status },
};

int main(void)
{
	static char body[3000];
	char page[16], val[96];
	const char *len = getenv("CONTENT_LENGTH");
	size_t want = len ? strtoul(len, NULL, 10) : 0, i;
	int k;

	if (want >= sizeof(body))
		want = sizeof(body) - 1;
	want = fread(body, 1, want, stdin);
	body[want] = 0;
	kv_load();
	if (!field(body, "page", page, sizeof(page))) {
		json("fail", "page");
		return 0;
	}
	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(page, pages[i].name))
			continue;
		for (k = 0; k < 4 && pages[i].keys[k]; k++)
			if (field(body, pages[i].keys[k], val, sizeof(val)))
				kv_set(pages[i].keys[k], val);
		kv_commit();
		pages[i].apply();
		return 0;
	}
	json("fail", "unknown page");
	return 0;
}
