/* meterd - parking ticket machine: tickets and notices come from the city's
 * server by UDP; tickets are kept on the heap and reported when they run out */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define METER_PORT 5099
#define JLINE 256
#define JKEEP 32

struct ticket {
	struct ticket *next;
	char plate[12];
	time_t until;
	char *remark;
};

struct meter {
	struct ticket *tickets;
	int ntickets;
	unsigned price;			/* cent per hour */
	char banner[64];
	char *journal[JKEEP];
	unsigned jcount;
	int sock, timer, ep;
};

typedef int (*verb_fn)(struct meter *m, char *arg, char *ans, size_t cap);

static void jadd(struct meter *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void jadd(struct meter *m, const char *fmt, ...)
{
	char line[JLINE];
	time_t now = time(NULL);
	struct tm tm;
	size_t at;
	va_list ap;

	localtime_r(&now, &tm);
	at = strftime(line, sizeof line, "%F %T ", &tm);
	va_start(ap, fmt);
	vsprintf(line + at, fmt, ap);
	va_end(ap);

	free(m->journal[m->jcount % JKEEP]);
	m->journal[m->jcount++ % JKEEP] = strdup(line);
}

static struct ticket *find(struct meter *m, const char *plate)
{
	struct ticket *t;

	for (t = m->tickets; t; t = t->next)
		if (!strcmp(t->plate, plate))
			return t;
	return NULL;
}

static int plate_copy(char *dst, size_t cap, const char *src)
{
	size_t n = 0;

	if (!src)
		return -1;
	for (; *src; src++) {
		if (*src == '-' || *src == ' ')
			continue;
		if (!isalnum((unsigned char)*src) || n + 1 >= cap)
			return -1;
		dst[n++] = (char)toupper((unsigned char)*src);
	}
	dst[n] = 0;
	return n >= 2 ? 0 : -1;
}

/* PAY plate;minutes;remark */
static int v_pay(struct meter *m, char *arg, char *ans, size_t cap)
{
	char plate[12];
	char *p = strtok(arg, ";"), *min = strtok(NULL, ";"), *rem = strtok(NULL, ";");
	struct ticket *t;
	int minutes = min ? atoi(min) : 0;

	if (plate_copy(plate, sizeof plate, p) || minutes < 1 || minutes > 1440)
		return -1;
	t = find(m, plate);
	if (!t) {
		if (m->ntickets >= 500)
			return -1;
		t = calloc(1, sizeof *t);
		if (!t)
			return -1;
		memcpy(t->plate, plate, sizeof plate);
		t->until = time(NULL);
		t->next = m->tickets;
		m->tickets = t;
		m->ntickets++;
	}
	t->until += minutes * 60;
	if (rem) {
		free(t->remark);
		t->remark = strdup(rem);
	}
	jadd(m, "paid %s %d min", t->plate, minutes);
	snprintf(ans, cap, "until %ld, %u cent", (long)t->until, m->price * (unsigned)minutes / 60);
	return 0;
}

static int v_check(struct meter *m, char *arg, char *ans, size_t cap)
{
	char plate[12];
	struct ticket *t;

	if (plate_copy(plate, sizeof plate, arg))
		return -1;
	t = find(m, plate);
	snprintf(ans, cap, "%s", t && t->until > time(NULL) ? "valid" : "none");
	return 0;
}

static int v_void(struct meter *m, char *arg, char *ans, size_t cap)
{
	char plate[12];
	struct ticket *t;

	if (plate_copy(plate, sizeof plate, arg) || !(t = find(m, plate)))
		return -1;
	t->until = time(NULL);
	snprintf(ans, cap, "void");
	return 0;
}

static int v_price(struct meter *m, char *arg, char *ans, size_t cap)
{
	int c = atoi(arg);

	if (c < 10 || c > 2000)
		return -1;
	m->price = (unsigned)c;
	jadd(m, "price %d", c);
	snprintf(ans, cap, "ok");
	return 0;
}

static int v_banner(struct meter *m, char *arg, char *ans, size_t cap)
{
	snprintf(m->banner, sizeof m->banner, "%s", arg);
	jadd(m, "banner '%s'", m->banner);
	snprintf(ans, cap, "ok");
	return 0;
}

static int v_journal(struct meter *m, char *arg, char *ans, size_t cap)
{
	unsigned back = (unsigned)atoi(arg), i;

	if (back >= JKEEP || back >= m->jcount)
		return -1;
	i = (m->jcount - 1 - back) % JKEEP;
	snprintf(ans, cap, "%s", m->journal[i] ? m->journal[i] : "");
	return 0;
}

static const struct { const char *verb; verb_fn fn; } verbs[] = {
	{ "PAY", v_pay }, { "CHECK", v_check }, { "VOID", v_void },
	{ "PRICE", v_price }, { "BANNER", v_banner }, { "JOURNAL", v_journal },
};

static void on_datagram(struct meter *m)
{
	char dg[1400], ans[300];
	struct sockaddr_in from;
	socklen_t fl = sizeof from;
	ssize_t n;
	char *arg;
	int rc = -1;
	size_t i;

	n = recvfrom(m->sock, dg, sizeof dg - 1, 0, (struct sockaddr *)&from, &fl);
	if (n <= 0)
		return;
	dg[n] = 0;
	dg[strcspn(dg, "\r\n")] = 0;
	arg = strchr(dg, ' ');
	if (arg)
		*arg++ = 0;
	else
		arg = dg + strlen(dg);
	ans[0] = 0;
	for (i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (!strcasecmp(dg, verbs[i].verb))
			rc = verbs[i].fn(m, arg, ans, sizeof ans);
	if (rc)
		snprintf(ans, sizeof ans, "error");
	sendto(m->sock, ans, strlen(ans), 0, (struct sockaddr *)&from, fl);
}

static void on_timer(struct meter *m)
{
	struct ticket **pp = &m->tickets, *t;
	unsigned long long ticks;
	time_t now = time(NULL);

	if (read(m->timer, &ticks, sizeof ticks) != sizeof ticks)
		return;
	while ((t = *pp)) {
		if (t->until > now) {
			pp = &t->next;
			continue;
		}
		*pp = t->next;
		m->ntickets--;
		if (t->remark)
			jadd(m, "expired %s (%s)", t->plate, t->remark);
		else
			jadd(m, "expired %s", t->plate);
		free(t->remark);
		free(t);
	}
}

static int setup(struct meter *m)
{
	struct itimerspec its = { { 1, 0 }, { 1, 0 } };
	struct sockaddr_in sa;
	struct epoll_event ev;

	m->price = 150;
	m->sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	m->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	m->ep = epoll_create1(EPOLL_CLOEXEC);
	if (m->sock < 0 || m->timer < 0 || m->ep < 0)
		return -1;
	memset(&sa, 0, sizeof sa);
	sa.sin_family = AF_INET;
	sa.sin_port = htons(METER_PORT);
	if (bind(m->sock, (struct sockaddr *)&sa, sizeof sa) < 0)
		return -1;
	timerfd_settime(m->timer, 0, &its, NULL);
	memset(&ev, 0, sizeof ev);
	ev.events = EPOLLIN;
	ev.data.fd = m->sock;
	epoll_ctl(m->ep, EPOLL_CTL_ADD, m->sock, &ev);
	ev.data.fd = m->timer;
	epoll_ctl(m->ep, EPOLL_CTL_ADD, m->timer, &ev);
	return 0;
}

int main(void)
{
	static struct meter m;
	struct epoll_event evs[4];
	int n, i;

	if (setup(&m) < 0) {
		fprintf(stderr, "meterd: %s\n", strerror(errno));
		return 1;
	}
	jadd(&m, "start, %u cent per hour", m.price);
	for (;;) {
		n = epoll_wait(m.ep, evs, 4, -1);
		for (i = 0; i < n; i++) {
			if (evs[i].data.fd == m.sock)
				on_datagram(&m);
			else
				on_timer(&m);
		}
	}
}
