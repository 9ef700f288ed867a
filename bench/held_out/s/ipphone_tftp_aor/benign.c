/*
 * provision.c -- the phone fetches <mac>.cfg from its provisioning server by
 * TFTP, keeps the settings in a list and (re)registers its lines.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define TFTP_BLOCK	512
#define CFG_LIMIT	(64 * 1024)
#define LINES		4

struct setting {
	struct setting *next;
	char *key;
	char *value;
};

struct line {
	int   enabled;
	int   expires;
	time_t due;
	unsigned cseq;
};

static struct setting *settings;
static struct line lines[LINES];
static char server_name[128] = "tftp.prov.local";
static char mac[13] = "000b82000000";
static int  sip_fd = -1;

static void log_it(const char *what, const char *detail)
{
	char stamp[32];
	time_t t = time(NULL);

	strftime(stamp, sizeof(stamp), "%H:%M:%S", localtime(&t));
	fprintf(stderr, "%s prov: %s %s\n", stamp, what, detail ? detail : "");
}

/* ---- settings ---- */

static const char *setting_get(const char *key, const char *dflt)
{
	struct setting *s;

	for (s = settings; s != NULL; s = s->next)
		if (strcmp(s->key, key) == 0)
			return s->value;
	return dflt;
}

static const char *line_get(int line, const char *what, const char *dflt)
{
	char key[48];

	snprintf(key, sizeof(key), "line%d_%s", line + 1, what);
	return setting_get(key, dflt);
}

static void setting_put(const char *key, const char *value)
{
	struct setting *s;

	for (s = settings; s != NULL; s = s->next)
		if (strcmp(s->key, key) == 0)
			break;
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return;
		s->key = strdup(key);
		s->next = settings;
		settings = s;
	}
	free(s->value);
	s->value = strdup(value);
}

static char *trim(char *s)
{
	char *e;

	while (isspace((unsigned char)*s))
		s++;
	e = s + strlen(s);
	while (e > s && isspace((unsigned char)e[-1]))
		*--e = '\0';
	return s;
}

static int parse_config(char *text)
{
	char *line, *rest, *eq;
	int n = 0;

	for (line = strtok_r(text, "\r\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\r\n", &rest)) {
		line = trim(line);
		if (*line == '#' || (eq = strchr(line, '=')) == NULL)
			continue;
		*eq++ = '\0';
		setting_put(trim(line), trim(eq));
		n++;
	}
	return n;
}

/* ---- TFTP ---- */

static int resolve(const char *host, int port, struct sockaddr_in *out)
{
	struct hostent *he = gethostbyname(host);

	if (he == NULL || he->h_length != 4)
		return -1;
	memset(out, 0, sizeof(*out));
	out->sin_family = AF_INET;
	out->sin_port = htons((uint16_t)port);
	memcpy(&out->sin_addr, he->h_addr_list[0], 4);
	return 0;
}

static char *tftp_fetch(const char *file)
{
	unsigned char pkt[TFTP_BLOCK + 4];
	struct sockaddr_in to, from;
	struct timeval tv = { 3, 0 };
	socklen_t fl;
	char *data = NULL;
	size_t have = 0;
	unsigned want = 1;
	int fd, n, tries = 0, connected = 0;

	if (resolve(server_name, 69, &to) < 0)
		return NULL;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	n = snprintf((char *)pkt, sizeof(pkt), "%c%c%s%coctet", 0, 1, file, 0);
	sendto(fd, pkt, (size_t)n + 1, 0, (struct sockaddr *)&to, sizeof(to));
	while (tries < 5) {
		fl = sizeof(from);
		n = (int)recvfrom(fd, pkt, sizeof(pkt), 0, (struct sockaddr *)&from, &fl);
		if (n < 4) {
			tries++;
			continue;
		}
		if (from.sin_addr.s_addr != to.sin_addr.s_addr)
			continue;
		if (!connected) {
			to.sin_port = from.sin_port;
			connected = 1;
		}
		if (pkt[1] != 3)
			break;
		if ((unsigned)(pkt[2] << 8 | pkt[3]) == (want & 0xffff)) {
			char *more;

			n -= 4;
			if (have + (size_t)n > CFG_LIMIT ||
			    (more = realloc(data, have + (size_t)n + 1)) == NULL)
				break;
			data = more;
			memcpy(data + have, pkt + 4, (size_t)n);
			have += (size_t)n;
			data[have] = '\0';
			want++;
		} else
			n = TFTP_BLOCK;
		pkt[1] = 4;
		sendto(fd, pkt, 4, 0, (struct sockaddr *)&to, sizeof(to));
		if (n < TFTP_BLOCK) {
			close(fd);
			return data;
		}
	}
	close(fd);
	free(data);
	return NULL;
}

/* ---- registration ---- */

static void send_register(int no)
{
	struct line *ln = &lines[no];
	const char *user = line_get(no, "user", "");
	const char *host = line_get(no, "registrar", "");
	const char *ext = line_get(no, "uri_params", "");
	struct sockaddr_in to;
	char aor[128];
	char msg[1024];
	int n;

	if (*user == '\0' || *host == '\0')
		return;
	if (strlen(user) + strlen(host) + strlen(ext) + 7 > sizeof(aor))
		return;
	strcpy(aor, "sip:");
	strcat(aor, user);
	strcat(aor, "@");
	strcat(aor, host);
	if (*ext != '\0') {
		strcat(aor, ";");
		strcat(aor, ext);
	}
	n = snprintf(msg, sizeof(msg),
		     "REGISTER sip:%.64s SIP/2.0\r\nFrom: <%.127s>;tag=%lx\r\n"
		     "To: <%.127s>\r\nCall-ID: %s-%d\r\nCSeq: %u REGISTER\r\n"
		     "Expires: %d\r\nContent-Length: 0\r\n\r\n",
		     host, aor, random(), aor, mac, no, ++ln->cseq, ln->expires);
	if (n >= (int)sizeof(msg) || resolve(host, 5060, &to) < 0) {
		log_it("cannot register", aor);
		return;
	}
	sendto(sip_fd, msg, (size_t)n, 0, (struct sockaddr *)&to, sizeof(to));
	log_it("REGISTER", aor);
}

static void apply(void)
{
	int i;

	for (i = 0; i < LINES; i++) {
		lines[i].enabled = atoi(line_get(i, "enable", "0"));
		lines[i].expires = atoi(line_get(i, "expires", "300"));
		if (lines[i].expires < 60)
			lines[i].expires = 60;
		lines[i].due = time(NULL) + i;
	}
}

static void timers(void)
{
	time_t now = time(NULL);
	int i;

	for (i = 0; i < LINES; i++)
		if (lines[i].enabled && lines[i].due <= now) {
			lines[i].due = now + lines[i].expires / 2;
			send_register(i);
		}
}

static void provision(void)
{
	char file[32];
	char *text;

	snprintf(file, sizeof(file), "%s.cfg", mac);
	text = tftp_fetch(file);
	if (text == NULL) {
		log_it("no configuration", file);
		return;
	}
	if (parse_config(text) > 0)
		apply();
	free(text);
}

static void local_setup(void)
{
	FILE *f = fopen("/etc/phone.ini", "r");
	char line[192];

	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "server=%127s", server_name);
		sscanf(line, "mac=%12[0-9a-fA-F]", mac);
	}
	fclose(f);
}

int main(void)
{
	time_t next = 0;

	local_setup();
	srandom((unsigned)time(NULL) ^ (unsigned)getpid());
	sip_fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (sip_fd < 0)
		return 1;
	for (;;) {
		if (time(NULL) >= next) {
			int hours = atoi(setting_get("resync_hours", "12"));

			provision();
			hours = hours < 1 || hours > 168 ? 12 : hours;
			next = time(NULL) + hours * 3600;
		}
		timers();
		sleep(1);
	}
}
