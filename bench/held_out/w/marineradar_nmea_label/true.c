/*
 * radar_nmea.c -- NMEA input of the radar display
 *
 * Sentences come by UDP broadcast from the ship's multiplexer.  Target
 * sentences fill the track table, navigation sentences own ship's data;
 * the display refresh (2 Hz) projects and draws what is fresh.
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <time.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define NMEA_PORT   10110
#define MAX_FIELDS  24
#define MAX_TRACKS  40
#define LABEL_LEN   16
#define STALE_SECS  90

struct track {
	int    num;
	char   label[LABEL_LEN];
	double range_nm, bearing;
	double speed_kn, course;
	double cpa_nm, tcpa_min;
	char   status;
	time_t when;
};

static struct track tracks[MAX_TRACKS];
static struct {
	double lat, lon, sog, cog, heading;
	time_t fix;
} own;

static struct { unsigned datagrams, sentences, bad_sum, unknown; } stats;
static volatile sig_atomic_t tick;
static FILE *screen;

static void on_alarm(int sig)
{
	(void)sig;
	tick = 1;
}

static struct track *find_track(int num, int create)
{
	int i, spare = -1;
	time_t oldest = time(NULL) + 1;

	for (i = 0; i < MAX_TRACKS; i++) {
		if (tracks[i].num == num)
			return &tracks[i];
		if (tracks[i].when < oldest) {
			oldest = tracks[i].when;
			spare = i;
		}
	}
	if (!create || spare < 0)
		return NULL;
	memset(&tracks[spare], 0, sizeof tracks[spare]);
	tracks[spare].num = num;
	return &tracks[spare];
}

static int track_number(const char *s)
{
	int n = atoi(s);

	return n >= 1 && n <= 999 ? n : 0;
}

/* ddmm.mmm and hemisphere */
static double nmea_angle(const char *v, const char *hemi)
{
	double raw = strtod(v, NULL);
	int deg = (int)(raw / 100.0);
	double a = deg + (raw - deg * 100.0) / 60.0;

	return *hemi == 'S' || *hemi == 'W' ? -a : a;
}

/* --- sentence handlers ----------------------------------------------- */

static void s_rmc(char **f, int n)
{
	if (n < 9 || f[2][0] != 'A')
		return;
	own.lat = nmea_angle(f[3], f[4]);
	own.lon = nmea_angle(f[5], f[6]);
	own.sog = strtod(f[7], NULL);
	own.cog = strtod(f[8], NULL);
	own.fix = time(NULL);
}

static void s_hdt(char **f, int n)
{
	if (n >= 2)
		own.heading = strtod(f[1], NULL);
}

static void s_ttm(char **f, int n)
{
	struct track *t;
	int num;

	if (n < 13 || (num = track_number(f[1])) == 0)
		return;
	if (f[12][0] == 'L') {
		t = find_track(num, 0);
		if (t)
			memset(t, 0, sizeof *t);
		return;
	}
	t = find_track(num, 1);
	if (!t)
		return;
	t->range_nm = strtod(f[2], NULL);
	t->bearing = strtod(f[3], NULL);
	t->speed_kn = strtod(f[5], NULL);
	t->course = strtod(f[6], NULL);
	t->cpa_nm = strtod(f[8], NULL);
	t->tcpa_min = strtod(f[9], NULL);
	t->status = f[12][0];
	t->when = time(NULL);
}

/* TLB: pairs of target number and label */
static void s_tlb(char **f, int n)
{
	int i;

	for (i = 1; i + 1 < n; i += 2) {
		int num = track_number(f[i]);
		struct track *t;

		if (num == 0)
			continue;
		t = find_track(num, 1);
		if (!t)
			continue;
		strcpy(t->label, f[i + 1]);
		t->when = time(NULL);
	}
}

static void s_osd(char **f, int n)
{
	if (n < 6)
		return;
	own.heading = strtod(f[1], NULL);
	own.cog = strtod(f[3], NULL);
	own.sog = strtod(f[5], NULL);
}

static const struct sentence {
	char type[4];
	void (*handler)(char **, int);
} table[] = {
	{ "RMC", s_rmc }, { "HDT", s_hdt }, { "TTM", s_ttm }, { "TLB", s_tlb }, { "OSD", s_osd },
};

/* --- parser ----------------------------------------------------------- */

static int checksum_ok(char *s)
{
	char *star = strchr(s, '*');
	unsigned char sum = 0;
	char *p;

	if (!star)
		return 0;
	for (p = s; p < star; p++)
		sum ^= (unsigned char)*p;
	if (strtoul(star + 1, NULL, 16) != sum)
		return 0;
	*star = '\0';
	return 1;
}

static void sentence(char *s)
{
	char *field[MAX_FIELDS], *p;
	int n = 0;
	size_t i;

	if (*s != '$')
		return;
	s++;
	stats.sentences++;
	if (!checksum_ok(s)) {
		stats.bad_sum++;
		return;
	}
	while (n < MAX_FIELDS && (p = strsep(&s, ",")) != NULL)
		field[n++] = p;
	if (n < 2 || strlen(field[0]) != 5)
		return;
	for (i = 0; i < sizeof table / sizeof table[0]; i++)
		if (strcmp(table[i].type, field[0] + 2) == 0) {
			table[i].handler(field, n);
			return;
		}
	stats.unknown++;
}

static void datagram(char *buf)
{
	char *line;

	stats.datagrams++;
	while ((line = strsep(&buf, "\r\n")) != NULL)
		sentence(line);
}

/* --- drawing ----------------------------------------------------------- */

static void redraw(void)
{
	time_t now = time(NULL);
	int i;

	fprintf(screen, "CLEAR\nOWN %.4f %.4f %.1f %.1f%s\n", own.lat, own.lon, own.heading, own.sog,
		now - own.fix > 10 ? " NOFIX" : "");
	for (i = 0; i < MAX_TRACKS; i++) {
		struct track *t = &tracks[i];

		if (t->num == 0)
			continue;
		if (now - t->when > STALE_SECS) {
			memset(t, 0, sizeof *t);
			continue;
		}
		fprintf(screen, "TRK %d %.2f %.1f %c \"%s\"%s\n", t->num, t->range_nm, t->bearing,
			t->status ? t->status : 'Q', t->label,
			t->cpa_nm > 0 && t->cpa_nm < 0.5 && t->tcpa_min < 12 ? " ALARM" : "");
	}
	fflush(screen);
}

int main(int argc, char **argv)
{
	struct itimerval iv = { { 0, 500000 }, { 0, 500000 } };
	struct sigaction act;
	struct sockaddr_in sa;
	char buf[1501];
	int s, on = 1;

	screen = argc > 1 ? fopen(argv[1], "w") : stdout;
	if (!screen) {
		perror(argv[1]);
		return 1;
	}
	s = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	memset(&sa, 0, sizeof sa);
	sa.sin_family = AF_INET;
	sa.sin_port = htons(NMEA_PORT);
	sa.sin_addr.s_addr = INADDR_ANY;
	if (bind(s, (struct sockaddr *)&sa, sizeof sa) < 0) {
		perror("bind");
		return 1;
	}
	memset(&act, 0, sizeof act);
	act.sa_handler = on_alarm;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &iv, NULL);

	for (;;) {
		ssize_t n = recvfrom(s, buf, sizeof buf - 1, 0, NULL, NULL);

		if (n > 0) {
			buf[n] = '\0';
			datagram(buf);
		} else if (n < 0 && errno != EINTR) {
			perror("recvfrom");
			break;
		}
		if (tick) {
			tick = 0;
			redraw();
		}
	}
	fprintf(stderr, "%u datagrams, %u sentences, %u bad sums, %u unknown\n",
		stats.datagrams, stats.sentences, stats.bad_sum, stats.unknown);
	return 1;
}
