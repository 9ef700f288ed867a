/*
 * EMG meter concentrator: link task.
 * Tagged datagrams from the head end, UDP 4059:
 *   byte 0-1  0xE5 0x1C
 *   byte 2    sequence
 *   then      tag, length, value ...
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned char  U8;
typedef unsigned short U16;
typedef unsigned int   U32;

#define UDP_PORT      4059
#define TAG_CLOCK     0x31
#define TAG_TARIFF    0x32
#define TAG_PULSES    0x33
#define TAG_REPORT    0x40
#define NTARIFF       4

static struct {
	int  valid;
	char text[48];
	int  countdown;
} ClockOrder;

static U16 Tariff[NTARIFF];
static U32 PulsesPerKwh = 1000;
static U32 Pulses;
static U8  LastSeq;
static volatile sig_atomic_t TickFlag;

static void OnAlarm(int s)
{
	(void)s;
	TickFlag = 1;
}

static void Trace(const char *tag, U32 a, U32 b)
{
	FILE *fp = fopen("/tmp/link.trc", "a");
	if (fp == NULL) return;
	fprintf(fp, "%-8s %08x %08x\n", tag, a, b);
	fclose(fp);
}

static U32 Get32(const U8 *p)
{
	return ((U32)p[0] << 24) | ((U32)p[1] << 16) | ((U32)p[2] << 8) | p[3];
}

static void Put32(U8 *p, U32 v)
{
	p[0] = (U8)(v >> 24); p[1] = (U8)(v >> 16); p[2] = (U8)(v >> 8); p[3] = (U8)v;
}

/* "YYYY-MM-DD hh:mm:ss" */
static int AcceptClock(const U8 *v, U8 len)
{
	char in[40];
	int y, mo, d, h, mi, s;

	if (len >= sizeof(in)) return -1;
	memcpy(in, v, len);
	in[len] = 0;
	if (sscanf(in, "%4d-%2d-%2d %2d:%2d:%2d", &y, &mo, &d, &h, &mi, &s) != 6) return -2;
	if (y < 2010 || y > 2099 || mo < 1 || mo > 12 || d < 1 || d > 31) return -3;
	if (h < 0 || h > 23 || mi < 0 || mi > 59 || s < 0 || s > 59) return -3;
	snprintf(ClockOrder.text, sizeof(ClockOrder.text), "%s", in);
	ClockOrder.countdown = 2;
	ClockOrder.valid = 1;
	return 0;
}

static int AcceptTariff(const U8 *v, U8 len)
{
	int i;

	if (len != 2 * NTARIFF) return -1;
	for (i = 0; i < NTARIFF; i++)
		Tariff[i] = (U16)(v[2 * i] << 8 | v[2 * i + 1]);
	Trace("tariff", Tariff[0], Tariff[1]);
	return 0;
}

static int AcceptPulses(const U8 *v, U8 len)
{
	U32 n;

	if (len != 4) return -1;
	n = Get32(v);
	if (n == 0 || n > 100000) return -3;
	PulsesPerKwh = n;
	return 0;
}

static void SendReport(int sock, const struct sockaddr_in *to)
{
	U8 out[20];

	out[0] = 0xE5;
	out[1] = 0x1D;
	out[2] = LastSeq;
	out[3] = TAG_REPORT;
	Put32(out + 4, Pulses);
	Put32(out + 8, PulsesPerKwh);
	Put32(out + 12, (U32)Tariff[0] << 16 | Tariff[1]);
	Put32(out + 16, (U32)Tariff[2] << 16 | Tariff[3]);
	sendto(sock, out, sizeof(out), 0, (const struct sockaddr *)to, sizeof(*to));
}

static void Datagram(int sock, const U8 *p, int n, const struct sockaddr_in *from)
{
	int rc;

	if (n < 3 || p[0] != 0xE5 || p[1] != 0x1C) return;
	if (p[2] == LastSeq) return;
	LastSeq = p[2];
	p += 3;
	n -= 3;
	while (n >= 2) {
		U8 tag = p[0], len = p[1];

		p += 2;
		n -= 2;
		if (len > n) {
			Trace("short", tag, len);
			return;
		}
		switch (tag) {
		case TAG_CLOCK:  rc = AcceptClock(p, len);  break;
		case TAG_TARIFF: rc = AcceptTariff(p, len); break;
		case TAG_PULSES: rc = AcceptPulses(p, len); break;
		case TAG_REPORT: SendReport(sock, from); rc = 0; break;
		default:         rc = -9; break;
		}
		if (rc != 0) Trace("reject", tag, (U32)rc);
		p += len;
		n -= len;
	}
}

static void ReadPulseCounter(void)
{
	FILE *fp = fopen("/proc/emg/pulses", "r");
	unsigned v;

	if (fp == NULL) return;
	if (fscanf(fp, "%u", &v) == 1) Pulses = v;
	fclose(fp);
}

static void ApplyClock(void)
{
	char cmd[128];

	ClockOrder.valid = 0;
	sprintf(cmd, "date -u -s \"%s\" >/dev/null && hwclock -u -w", ClockOrder.text);
	if (system(cmd) != 0) Trace("clock", 0, (U32)errno);
}

static void EverySecond(void)
{
	ReadPulseCounter();
	if (ClockOrder.valid && --ClockOrder.countdown <= 0)
		ApplyClock();
}

int main(int argc, char **argv)
{
	static U8 buf[512];
	struct sockaddr_in sa, from;
	struct itimerval iv;
	struct sigaction act;
	int sock, n;

	if (argc > 1 && strcmp(argv[1], "-d") == 0)
		if (daemon(0, 0) < 0) return 1;

	sock = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(UDP_PORT);
	sa.sin_addr.s_addr = INADDR_ANY;
	if (sock < 0 || bind(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		perror("link");
		return 1;
	}
	memset(&act, 0, sizeof(act));
	act.sa_handler = OnAlarm;
	sigaction(SIGALRM, &act, NULL);
	iv.it_interval.tv_sec = 1;
	iv.it_interval.tv_usec = 0;
	iv.it_value = iv.it_interval;
	setitimer(ITIMER_REAL, &iv, NULL);

	for (;;) {
		socklen_t fl = sizeof(from);

		n = recvfrom(sock, buf, sizeof(buf), 0, (struct sockaddr *)&from, &fl);
		if (n > 0) Datagram(sock, buf, n, &from);
		if (TickFlag) {
			TickFlag = 0;
			EverySecond();
		}
	}
	return 0;
}
