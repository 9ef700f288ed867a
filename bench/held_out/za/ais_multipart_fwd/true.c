/* aisfwd - takes NMEA 0183 AIS sentences from the VHF receivers on the
 * ship's LAN, joins multi-part messages and forwards them to the chart
 * server.  Usage: aisfwd [-p port] [-s server-ip] [-d]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define AIS_PORT      10110
#define CHART_PORT    2020
#define MAX_SENTENCE  96
#define MAX_ARMOUR    320
#define PART_TIMEOUT  8

struct assembly {
	struct assembly *next;
	int		seq;
	char		chan;
	int		total;
	int		got;
	time_t		started;
	char		armour[MAX_ARMOUR];
	int		fill;
};

struct counters {
	unsigned long	in, bad_sum, joined, expired, out;
};

static struct assembly *pending;
static struct counters cnt;
static int out_fd = -1;
static struct sockaddr_in chart;
static int debug;

static void
dbg(const char *fmt, ...)
{
	va_list ap;

	if (!debug)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
}

static int
checksum_ok(const char *s)
{
	uint8_t sum = 0;
	const char *p = s + 1;

	while (*p && *p != '*')
		sum ^= (uint8_t)*p++;
	if (*p != '*')
		return 0;
	return (uint8_t)strtoul(p + 1, NULL, 16) == sum;
}

static void
forward(char chan, const char *armour, int fill)
{
	char out[MAX_ARMOUR + 64];
	int n;

	n = snprintf(out, sizeof(out), "AIS %c %d %ld %s\r\n", chan, fill,
	    (long)time(NULL), armour);
	if (n < 0 || n >= (int)sizeof(out))
		return;
	sendto(out_fd, out, n, 0, (struct sockaddr *)&chart, sizeof(chart));
	cnt.out++;
}

static void
unlink_assembly(struct assembly *a)
{
	struct assembly **pp;

	for (pp = &pending; *pp; pp = &(*pp)->next)
		if (*pp == a) {
			*pp = a->next;
			break;
		}
	free(a);
}

static struct assembly *
find_assembly(int seq, char chan)
{
	struct assembly *a;

	for (a = pending; a; a = a->next)
		if (a->seq == seq && a->chan == chan)
			return a;
	return NULL;
}

static void
add_part(int total, int num, int seq, char chan, const char *armour, int fill)
{
	struct assembly *a = find_assembly(seq, chan);

	if (num == 1) {
		if (a)
			unlink_assembly(a);
		a = calloc(1, sizeof(*a));
		if (a == NULL)
			return;
		a->seq = seq;
		a->chan = chan;
		a->total = total;
		a->started = time(NULL);
		a->next = pending;
		pending = a;
	} else if (a == NULL || a->got + 1 != num || a->total != total) {
		dbg("part %d/%d out of order\n", num, total);
		return;
	}
	strcat(a->armour, armour);
	a->got = num;
	if (num == total) {
		cnt.joined++;
		forward(chan, a->armour, fill);
		unlink_assembly(a);
	}
}

/* !AIVDM,2,1,3,B,55P5TL01VIaAL@7W...,0*1C */
static void
sentence(char *s)
{
	char *f[8], *p = s, *star;
	int n = 0, total, num, seq, fill;

	cnt.in++;
	if (strlen(s) > MAX_SENTENCE || s[0] != '!' ||
	    strlen(s) < 12 || strncmp(s + 3, "VDM", 3) != 0)
		return;
	if (!checksum_ok(s)) {
		cnt.bad_sum++;
		return;
	}
	star = strchr(s, '*');
	*star = '\0';
	while (n < 8 && (f[n] = strsep(&p, ",")) != NULL)
		n++;
	if (n < 7)
		return;
	total = atoi(f[1]);
	num = atoi(f[2]);
	seq = f[3][0] ? atoi(f[3]) : -1;
	fill = atoi(f[6]);
	if (total < 1 || total > 9 || num < 1 || num > total)
		return;
	if (total == 1)
		forward(f[4][0] ? f[4][0] : 'A', f[5], fill);
	else
		add_part(total, num, seq, f[4][0], f[5], fill);
}

static void
expire(void)
{
	struct assembly *a = pending, *next;
	time_t now = time(NULL);

	for (; a; a = next) {
		next = a->next;
		if (now - a->started > PART_TIMEOUT) {
			unlink_assembly(a);
			cnt.expired++;
		}
	}
}

static void
report(void)
{
	static time_t last;
	time_t now = time(NULL);

	if (now - last < 60)
		return;
	last = now;
	dbg("in %lu bad %lu joined %lu expired %lu out %lu\n", cnt.in,
	    cnt.bad_sum, cnt.joined, cnt.expired, cnt.out);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in me;
	struct timeval tv = { 1, 0 };
	const char *server = "192.168.76.10";
	int port = AIS_PORT, s, c;

	while ((c = getopt(argc, argv, "p:s:d")) != -1) {
		switch (c) {
		case 'p': port = atoi(optarg); break;
		case 's': server = optarg; break;
		case 'd': debug = 1; break;
		default:
			fprintf(stderr, "usage: aisfwd [-p port] [-s ip] [-d]\n");
			return 2;
		}
	}
	memset(&chart, 0, sizeof(chart));
	chart.sin_family = AF_INET;
	chart.sin_port = htons(CHART_PORT);
	if (inet_aton(server, &chart.sin_addr) == 0)
		return 2;
	out_fd = socket(AF_INET, SOCK_DGRAM, 0);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&me, 0, sizeof(me));
	me.sin_family = AF_INET;
	me.sin_port = htons(port);
	if (out_fd < 0 || s < 0 || bind(s, (struct sockaddr *)&me, sizeof(me)) < 0) {
		perror("aisfwd");
		return 1;
	}
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	for (;;) {
		char buf[1500], *line, *save;
		ssize_t n = recv(s, buf, sizeof(buf) - 1, 0);

		if (n > 0) {
			buf[n] = '\0';
			for (line = strtok_r(buf, "\r\n", &save); line;
			    line = strtok_r(NULL, "\r\n", &save))
				sentence(line);
		}
		expire();
		report();
	}
}
