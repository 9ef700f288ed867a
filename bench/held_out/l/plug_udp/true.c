/* wattson smart plug: local LAN control, JSON datagrams on 20561 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>

#define PLUG_PORT	20561
#define GPIO_RELAY	"/sys/class/gpio/gpio12/value"
#define SSID_LEN	32

struct wifi_req {
	char ssid[SSID_LEN + 1];
	int channel;
	time_t when;
	int tries;
};

struct plug_ctx {
	int sock;
	bool relay;
	uint32_t rx_count;
	uint32_t joules;
	char name[24];
	struct wifi_req *pending;
	time_t off_at;
};

static void log_line(const char *what, const char *detail)
{
	FILE *f = fopen("/var/log/plug.log", "a");

	if (!f)
		return;
	fprintf(f, "%ld %s %s\n", (long)time(NULL), what, detail ? detail : "");
	fclose(f);
}

static const char *skip_ws(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')
		p++;
	return p;
}

static const char *find_key(const char *json, const char *key)
{
	size_t kl = strlen(key);
	const char *p = json;

	while ((p = strchr(p, '"')) != NULL) {
		p++;
		if (strncmp(p, key, kl) == 0 && p[kl] == '"') {
			const char *q = skip_ws(p + kl + 1);

			if (*q == ':')
				return skip_ws(q + 1);
		}
	}
	return NULL;
}

static int json_string(const char *json, const char *key, char *out, size_t room)
{
	const char *p = find_key(json, key);
	size_t n = 0;

	if (!p || *p != '"')
		return -ENOENT;
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		if (n + 1 >= room)
			return -E2BIG;
		out[n++] = *p;
	}
	out[n] = '\0';
	return *p == '"' ? (int)n : -EINVAL;
}

static int json_int(const char *json, const char *key, int dflt)
{
	const char *p = find_key(json, key);

	return p ? (int)strtol(p, NULL, 10) : dflt;
}

static int set_relay(struct plug_ctx *ctx, bool on)
{
	FILE *f = fopen(GPIO_RELAY, "w");

	if (!f)
		return -errno;
	fputs(on ? "1\n" : "0\n", f);
	fclose(f);
	ctx->relay = on;
	return 0;
}

static int ask_supplicant(const char *cmd)
{
	char line[80];
	bool ok = false;
	FILE *p = popen(cmd, "r");

	if (!p)
		return -errno;
	while (fgets(line, sizeof(line), p))
		if (strncmp(line, "OK", 2) == 0)
			ok = true;
	return pclose(p) == 0 && ok ? 0 : -EIO;
}

static int join_network(const struct wifi_req *w)
{
	char cmd[192];
	char id[2 * SSID_LEN + 8];

	snprintf(id, sizeof(id), "'\"%s\"'", w->ssid);
	snprintf(cmd, sizeof(cmd), "wpa_cli -i wlan0 set_network 0 ssid %s", id);
	if (ask_supplicant(cmd) < 0)
		return -1;
	if (w->channel > 0) {
		snprintf(cmd, sizeof(cmd), "wpa_cli -i wlan0 set_network 0 scan_freq %d",
			 2407 + 5 * w->channel);
		ask_supplicant(cmd);
	}
	return ask_supplicant("wpa_cli -i wlan0 select_network 0");
}

static int op_wifi(struct plug_ctx *ctx, const char *json)
{
	struct wifi_req *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return -ENOMEM;
	rc = json_string(json, "ssid", w->ssid, sizeof(w->ssid));
	if (rc <= 0) {
		free(w);
		return -EINVAL;
	}
	w->channel = json_int(json, "channel", 0);
	if (w->channel < 0 || w->channel > 13)
		w->channel = 0;
	w->when = time(NULL) + 3;
	free(ctx->pending);
	ctx->pending = w;
	return 0;
}

static int op_switch(struct plug_ctx *ctx, const char *json)
{
	int secs = json_int(json, "for", 0);

	ctx->off_at = 0;
	if (secs > 0 && secs < 86400)
		ctx->off_at = time(NULL) + secs;
	return set_relay(ctx, json_int(json, "on", 0) != 0);
}

static int op_name(struct plug_ctx *ctx, const char *json)
{
	char tmp[sizeof(ctx->name)];

	if (json_string(json, "name", tmp, sizeof(tmp)) <= 0)
		return -EINVAL;
	memcpy(ctx->name, tmp, sizeof(tmp));
	ctx->name[sizeof(ctx->name) - 1] = '\0';
	log_line("renamed", ctx->name);
	return 0;
}

static void on_datagram(struct plug_ctx *ctx)
{
	struct sockaddr_in from;
	socklen_t fl = sizeof(from);
	char pkt[600], op[16], reply[160];
	ssize_t n;
	int rc = -ENOSYS;

	n = recvfrom(ctx->sock, pkt, sizeof(pkt) - 1, 0, (struct sockaddr *)&from, &fl);
	if (n <= 0)
		return;
	pkt[n] = '\0';
	ctx->rx_count++;
	if (json_string(pkt, "op", op, sizeof(op)) < 0)
		return;
	if (strcmp(op, "switch") == 0)
		rc = op_switch(ctx, pkt);
	else if (strcmp(op, "wifi_join") == 0)
		rc = op_wifi(ctx, pkt);
	else if (strcmp(op, "name") == 0)
		rc = op_name(ctx, pkt);
	else if (strcmp(op, "info") == 0)
		rc = 0;
	n = snprintf(reply, sizeof(reply),
		     "{\"rc\":%d,\"relay\":%d,\"rx\":%u,\"wh\":%u,\"name\":\"%s\"}",
		     rc, ctx->relay, (unsigned)ctx->rx_count,
		     (unsigned)(ctx->joules / 3600), ctx->name);
	if (n > 0 && n < (ssize_t)sizeof(reply))
		sendto(ctx->sock, reply, n, 0, (struct sockaddr *)&from, fl);
}

static void on_tick(struct plug_ctx *ctx)
{
	time_t now = time(NULL);
	struct wifi_req *w = ctx->pending;

	if (ctx->relay)
		ctx->joules += 40;
	if (ctx->off_at && now >= ctx->off_at) {
		ctx->off_at = 0;
		set_relay(ctx, false);
	}
	if (w && now >= w->when) {
		if (join_network(w) == 0 || ++w->tries >= 3) {
			log_line("wifi", w->tries < 3 ? "joined" : "gave up");
			ctx->pending = NULL;
			free(w);
		} else {
			w->when = now + 15;
		}
	}
}

int main(void)
{
	struct plug_ctx *ctx = calloc(1, sizeof(*ctx));
	struct sockaddr_in sa = { .sin_family = AF_INET };

	if (!ctx)
		return 1;
	strcpy(ctx->name, "plug");
	ctx->sock = socket(AF_INET, SOCK_DGRAM, 0);
	sa.sin_port = htons(PLUG_PORT);
	sa.sin_addr.s_addr = htonl(INADDR_ANY);
	if (ctx->sock < 0 || bind(ctx->sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		perror("plug");
		return 1;
	}
	set_relay(ctx, false);
	for (;;) {
		struct timeval tv = { 1, 0 };
		fd_set rd;

		FD_ZERO(&rd);
		FD_SET(ctx->sock, &rd);
		if (select(ctx->sock + 1, &rd, NULL, NULL, &tv) > 0)
			on_datagram(ctx);
		on_tick(ctx);
	}
}
