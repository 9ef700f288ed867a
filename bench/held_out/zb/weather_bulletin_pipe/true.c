/*
 * Weather display: bulletins come in as UDP datagrams of the base station, the
 * display process gets them through a pipe, as records with a small header.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define STATION_PORT	5005
#define DGRAM_MAX	1400
#define TEXT_MAX	256
#define LINES		8
#define COLS		40

/* datagram: 'W' 'X' kind(1) station(1) length(2) payload */
#define HDR_LEN		6

enum kind { K_TEMP = 1, K_WIND, K_BULLETIN, K_CLEAR, K_LAST };

struct rec_hdr {
	uint16_t kind;
	uint16_t len;
};

struct screen {
	char row[LINES][COLS + 1];
	int next;
	int temp10, wind10;
	time_t updated;
};

static int to_display = -1;
static unsigned counts[K_LAST];
static volatile sig_atomic_t display_gone;

static unsigned be16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* ------------------------------------------------------- display process */

static void draw(const struct screen *sc)
{
	FILE *fb = fopen("/run/display.txt", "w");
	int i;

	if (!fb)
		return;
	fprintf(fb, "%5.1f C %5.1f m/s\n", sc->temp10 / 10.0, sc->wind10 / 10.0);
	for (i = 0; i < LINES; i++)
		fprintf(fb, "%s\n", sc->row[(sc->next + i) % LINES]);
	fclose(fb);
}

static void add_line(struct screen *sc, const char *s, size_t n)
{
	if (n > COLS)
		n = COLS;
	memcpy(sc->row[sc->next], s, n);
	sc->row[sc->next][n] = '\0';
	sc->next = (sc->next + 1) % LINES;
}

static void wrap_text(struct screen *sc, const char *s)
{
	while (*s) {
		size_t n = strcspn(s, "\n");

		if (n > COLS) {
			n = COLS;
			while (n > COLS / 2 && s[n] != ' ')
				n--;
		}
		add_line(sc, s, n);
		s += n;
		while (*s == ' ' || *s == '\n')
			s++;
	}
}

static int skip(FILE *in, size_t n)
{
	while (n--)
		if (getc(in) == EOF)
			return -1;
	return 0;
}

static int rd_temp(FILE *in, struct screen *sc, size_t len)
{
	unsigned char b[2];

	if (len != sizeof(b))
		return skip(in, len);
	if (fread(b, 1, sizeof(b), in) != sizeof(b))
		return -1;
	sc->temp10 = (int16_t)be16(b);
	return 0;
}

static int rd_wind(FILE *in, struct screen *sc, size_t len)
{
	unsigned char b[2];

	if (len != sizeof(b))
		return skip(in, len);
	if (fread(b, 1, sizeof(b), in) != sizeof(b))
		return -1;
	sc->wind10 = (int)be16(b);
	return 0;
}

static int rd_bulletin(FILE *in, struct screen *sc, size_t len)
{
	char text[TEXT_MAX];

	if (len > DGRAM_MAX - HDR_LEN)
		return skip(in, len);
	if (fread(text, 1, len, in) != len)
		return -1;
	text[len] = '\0';
	wrap_text(sc, text);
	return 0;
}

static int rd_clear(FILE *in, struct screen *sc, size_t len)
{
	memset(sc->row, 0, sizeof(sc->row));
	sc->next = 0;
	return skip(in, len);
}

static int (*const readers[K_LAST])(FILE *, struct screen *, size_t) = {
	[K_TEMP] = rd_temp,
	[K_WIND] = rd_wind,
	[K_BULLETIN] = rd_bulletin,
	[K_CLEAR] = rd_clear,
};

static void display_process(int fd)
{
	static struct screen sc;
	FILE *in = fdopen(fd, "rb");
	struct rec_hdr h;

	if (!in)
		_exit(1);
	while (fread(&h, sizeof(h), 1, in) == 1) {
		if (h.kind >= K_LAST || !readers[h.kind])
			break;
		if (readers[h.kind](in, &sc, h.len) < 0)
			break;
		sc.updated = time(NULL);
		draw(&sc);
	}
	fclose(in);
	_exit(0);
}

/* ------------------------------------------------------ receiving process */

static void on_child(int sig)
{
	(void)sig;
	display_gone = 1;
}

static int start_display(void)
{
	int p[2];
	pid_t pid;

	if (to_display >= 0)
		close(to_display);
	to_display = -1;
	if (pipe(p) < 0)
		return -1;
	pid = fork();
	if (pid < 0) {
		close(p[0]);
		close(p[1]);
		return -1;
	}
	if (pid == 0) {
		close(p[1]);
		display_process(p[0]);
	}
	close(p[0]);
	to_display = p[1];
	display_gone = 0;
	syslog(LOG_INFO, "display is process %d", (int)pid);
	return 0;
}

static int forward(unsigned kind, const unsigned char *payload, size_t len)
{
	unsigned char out[sizeof(struct rec_hdr) + DGRAM_MAX];
	struct rec_hdr h;

	h.kind = (uint16_t)kind;
	h.len = (uint16_t)len;
	memcpy(out, &h, sizeof(h));
	memcpy(out + sizeof(h), payload, len);
	len += sizeof(h);
	return write(to_display, out, len) == (ssize_t)len ? 0 : -1;
}

static void datagram(const unsigned char *p, size_t n)
{
	unsigned kind, len;

	if (n < HDR_LEN || p[0] != 'W' || p[1] != 'X')
		return;
	kind = p[2];
	len = be16(p + 4);
	if (kind < K_TEMP || kind >= K_LAST)
		return;
	if (len > n - HDR_LEN) {
		syslog(LOG_NOTICE, "station %u: short datagram", p[3]);
		return;
	}
	counts[kind]++;
	if (forward(kind, p + HDR_LEN, len) < 0)
		display_gone = 1;
}

int main(void)
{
	unsigned char buf[DGRAM_MAX];
	struct sockaddr_in sa;
	struct sigaction act;
	struct timeval tv = { 1, 0 };
	int s;

	openlog("wxdisp", LOG_PID, LOG_USER);
	memset(&act, 0, sizeof(act));
	act.sa_handler = on_child;
	sigaction(SIGCHLD, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(STATION_PORT);
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		syslog(LOG_ERR, "bind: %s", strerror(errno));
		return 1;
	}
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (start_display() < 0)
		return 1;
	for (;;) {
		ssize_t n = recv(s, buf, sizeof(buf), 0);

		if (n > 0)
			datagram(buf, (size_t)n);
		if (display_gone) {
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
			if (start_display() < 0)
				return 1;
		}
	}
}
