/* whead - collector of the water meters of one building
 *
 * Meters (or the radio repeaters in the stairways) report with datagrams of
 * text commands separated by semicolons:
 *
 *     REG 00123456 flat-12-left;IDX 00123456 4711.250
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <time.h>
#include <errno.h>
#include <unistd.h>
#include <syslog.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define WH_PORT    7755
#define WH_DGRAM   512
#define WH_TABLE   97
#define SAVE_EVERY 300

struct meter {
	struct meter *chain;
	char serial[12];
	char label[32];
	uint32_t litres;
	uint8_t valve_open;
	uint8_t battery;
	time_t seen;
};

struct stats {
	unsigned datagrams, commands, errors, meters;
};

static struct meter *table[WH_TABLE];
static struct stats stats;
static int dirty;

enum wh_err { WH_OK, WH_SYNTAX, WH_UNKNOWN, WH_LONG, WH_FULL, WH_CMD };

static const char *const err_text[] = {
	"OK", "ERR SYNTAX", "ERR UNKNOWN", "ERR LONG", "ERR FULL", "ERR CMD"
};

static unsigned slot(const char *serial)
{
	unsigned h = 0;

	while (*serial)
		h = h * 131 + (unsigned char)*serial++;
	return h % WH_TABLE;
}

static struct meter *lookup(const char *serial)
{
	struct meter *m = table[slot(serial)];

	while (m && strcmp(m->serial, serial))
		m = m->chain;
	return m;
}

static struct meter *add_meter(const char *serial, const char *label)
{
	struct meter *m = lookup(serial);

	if (!m) {
		unsigned s = slot(serial);

		if (stats.meters >= 500)
			return NULL;
		m = calloc(1, sizeof(*m));
		if (!m)
			return NULL;
		snprintf(m->serial, sizeof(m->serial), "%s", serial);
		m->chain = table[s];
		table[s] = m;
		stats.meters++;
	}
	snprintf(m->label, sizeof(m->label), "%s", label);
	m->seen = time(NULL);
	dirty = 1;
	return m;
}

/* ------------------------------------------------------------- commands */

static enum wh_err on_reg(const char *args)
{
	char serial[12], label[32];

	if (sscanf(args, "%11s %s", serial, label) != 2)
		return WH_SYNTAX;
	if (!add_meter(serial, label))
		return WH_FULL;
	syslog(LOG_INFO, "meter %s registered as %.31s", serial, label);
	return WH_OK;
}

static enum wh_err on_idx(const char *args)
{
	char serial[12];
	unsigned whole, milli = 0;
	struct meter *m;

	if (sscanf(args, "%11s %6u.%3u", serial, &whole, &milli) < 2)
		return WH_SYNTAX;
	m = lookup(serial);
	if (!m)
		return WH_UNKNOWN;
	m->litres = whole * 1000u + milli;
	m->seen = time(NULL);
	dirty = 1;
	return WH_OK;
}

static enum wh_err on_valve(const char *args)
{
	char serial[12], pos[8];
	struct meter *m;

	if (sscanf(args, "%11s %7s", serial, pos) != 2)
		return WH_SYNTAX;
	m = lookup(serial);
	if (!m)
		return WH_UNKNOWN;
	if (!strcmp(pos, "open"))
		m->valve_open = 1;
	else if (!strcmp(pos, "closed"))
		m->valve_open = 0;
	else
		return WH_SYNTAX;
	return WH_OK;
}

static enum wh_err on_batt(const char *args)
{
	char serial[12];
	unsigned pct;
	struct meter *m;

	if (sscanf(args, "%11s %3u", serial, &pct) != 2 || pct > 100)
		return WH_SYNTAX;
	m = lookup(serial);
	if (!m)
		return WH_UNKNOWN;
	m->battery = (uint8_t)pct;
	if (pct < 10)
		syslog(LOG_WARNING, "meter %s: battery %u%%", m->serial, pct);
	return WH_OK;
}

static const struct {
	char word[8];
	enum wh_err (*fn)(const char *args);
} cmds[] = {
	{ "REG",   on_reg },
	{ "IDX",   on_idx },
	{ "VALVE", on_valve },
	{ "BATT",  on_batt },
};

static enum wh_err run_command(char *cmd)
{
	size_t i, n;

	cmd += strspn(cmd, " \r\n");
	n = strcspn(cmd, " ");
	if (cmd[n] == '\0')
		return WH_SYNTAX;
	cmd[n] = '\0';
	for (i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++)
		if (!strcmp(cmds[i].word, cmd))
			return cmds[i].fn(cmd + n + 1);
	return WH_CMD;
}

/* ----------------------------------------------------------------- main */

static void save_table(void)
{
	FILE *f;
	unsigned i;
	struct meter *m;

	f = fopen("/tmp/whead.csv.new", "w");
	if (!f) {
		syslog(LOG_ERR, "save: %m");
		return;
	}
	for (i = 0; i < WH_TABLE; i++)
		for (m = table[i]; m; m = m->chain)
			fprintf(f, "%s;%s;%u;%u;%u;%ld\n", m->serial, m->label, (unsigned)m->litres,
				m->valve_open, m->battery, (long)m->seen);
	if (fclose(f) == 0 && rename("/tmp/whead.csv.new", "/tmp/whead.csv") == 0)
		dirty = 0;
}

static int open_port(void)
{
	struct timeval tv = { 5, 0 };
	struct sockaddr_in sin;
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (s < 0)
		return -1;
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(WH_PORT);
	sin.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) < 0) {
		close(s);
		return -1;
	}
	return s;
}

int main(void)
{
	static char dgram[WH_DGRAM + 1];
	struct sockaddr_in from;
	time_t next_save = time(NULL) + SAVE_EVERY;
	int s;

	openlog("whead", 0, LOG_LOCAL2);
	s = open_port();
	if (s < 0) {
		syslog(LOG_ERR, "port %d: %m", WH_PORT);
		return 1;
	}
	for (;;) {
		socklen_t fl = sizeof(from);
		ssize_t n = recvfrom(s, dgram, WH_DGRAM, 0, (struct sockaddr *)&from, &fl);

		if (n > 0) {
			char *save = NULL, *cmd;
			enum wh_err last = WH_OK;

			dgram[n] = '\0';
			stats.datagrams++;
			for (cmd = strtok_r(dgram, ";", &save); cmd; cmd = strtok_r(NULL, ";", &save)) {
				enum wh_err e = run_command(cmd);

				stats.commands++;
				if (e != WH_OK) {
					stats.errors++;
					last = e;
				}
			}
			sendto(s, err_text[last], strlen(err_text[last]), 0,
			       (struct sockaddr *)&from, fl);
		}
		if (dirty && time(NULL) >= next_save) {
			save_table();
			next_save = time(NULL) + SAVE_EVERY;
		}
	}
}
