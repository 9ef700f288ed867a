/*
 * pumplink.c - HL7 (MLLP) receiver of the infusion pump
 *
 * The hospital system announces patients (ADT^A01) and drug orders (RDE).
 * The patient is kept until the nurse confirms; the display is refreshed
 * from the main loop.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define HL7_PORT   2575
#define SB         0x0b
#define EB         0x1c
#define MSG_SIZE   4096
#define NAME_LEN   32
#define MRN_LEN    16

struct patient {
	char family[NAME_LEN];
	char given[NAME_LEN];
	char middle[NAME_LEN];
	char mrn[MRN_LEN];
	char ward[8];
};

struct infusion {
	char   drug[24];
	double rate;		/* ml/h */
	double volume;		/* ml */
	double given;
};

struct pump {
	struct patient  *pat;
	struct infusion *inf;
	time_t           refresh;
	int              alarms;
	char             ctl_id[24];
};

static struct pump pump;

static void record(const char *fmt, ...)
{
	char buf[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	syslog(LOG_INFO, "%s", buf);
}

/* the n-th field (from 1) of a segment, up to the separator; length in *len */
static const char *field(const char *seg, int n, size_t *len)
{
	while (n-- > 0) {
		seg = strchr(seg, '|');
		if (!seg)
			return NULL;
		seg++;
	}
	*len = strcspn(seg, "|");
	return seg;
}

/* the n-th component (from 1) of a field; too long ones are cut */
static void component(const char *f, size_t flen, int n, char *out, size_t cap)
{
	const char *end = f + flen, *sep;
	size_t len;

	out[0] = '\0';
	while (--n > 0) {
		f = memchr(f, '^', (size_t)(end - f));
		if (!f)
			return;
		f++;
	}
	sep = memchr(f, '^', (size_t)(end - f));
	len = (size_t)((sep ? sep : end) - f);
	if (len >= cap)
		len = cap - 1;
	memcpy(out, f, len);
	out[len] = '\0';
}

/* ---- display ------------------------------------------------------------ */

static void lcd(int row, const char *text)
{
	static FILE *dev;

	if (!dev)
		dev = fopen("/dev/lcd0", "w");
	if (dev) {
		fprintf(dev, "\033[%d;1H%-40.40s", row, text);
		fflush(dev);
	}
}

static void show_patient(const struct pump *pp)
{
	const struct patient *p = pp->pat;
	char label[3 * NAME_LEN + MRN_LEN + 8];

	if (!p)
		return;
	strcpy(label, p->family);
	strcat(label, ", ");
	strcat(label, p->given);
	if (p->middle[0]) {
		strcat(label, " ");
		strcat(label, p->middle);
	}
	strcat(label, " (");
	strcat(label, p->mrn);
	strcat(label, ")");
	lcd(1, label);
}

static void show_infusion(const struct pump *pp)
{
	const struct infusion *i = pp->inf;
	char line[64];

	if (!i)
		return;
	snprintf(line, sizeof(line), "%s %.1f ml/h %.0f/%.0f", i->drug, i->rate,
		 i->given, i->volume);
	lcd(2, line);
}

static void show_state(const struct pump *pp)
{
	char line[64];

	snprintf(line, sizeof(line), "ward %s, %d alarms", pp->pat ? pp->pat->ward : "-",
		 pp->alarms);
	lcd(3, line);
}

static void (*const views[])(const struct pump *) = {
	show_patient, show_infusion, show_state,
};

static void refresh(void)
{
	static unsigned view;
	time_t now = time(NULL);

	if (now < pump.refresh)
		return;
	pump.refresh = now + 1;
	if (pump.inf) {
		pump.inf->given += pump.inf->rate / 3600.0;
		if (pump.inf->given >= pump.inf->volume) {
			pump.alarms++;
			record("infusion finished");
			free(pump.inf);
			pump.inf = NULL;
		}
	}
	views[view](&pump);
	view = (view + 1) % (sizeof(views) / sizeof(views[0]));
}

/* ---- segments ------------------------------------------------------------ */

static int seg_msh(const char *s)
{
	size_t len;
	const char *f = field(s, 9, &len);

	if (f)
		component(f, len, 1, pump.ctl_id, sizeof(pump.ctl_id));
	return f ? 0 : -1;
}

static int seg_pid(const char *s)
{
	struct patient *p;
	const char *f;
	size_t len;

	p = calloc(1, sizeof(*p));
	if (!p)
		return -1;
	f = field(s, 3, &len);
	if (f)
		component(f, len, 1, p->mrn, sizeof(p->mrn));
	f = field(s, 5, &len);
	if (!f || !p->mrn[0]) {
		free(p);
		return -1;
	}
	component(f, len, 1, p->family, sizeof(p->family));
	component(f, len, 2, p->given, sizeof(p->given));
	component(f, len, 3, p->middle, sizeof(p->middle));
	free(pump.pat);
	pump.pat = p;
	pump.refresh = 0;
	return 0;
}

static int seg_pv1(const char *s)
{
	size_t len;
	const char *f = field(s, 3, &len);

	if (!f || !pump.pat)
		return -1;
	component(f, len, 1, pump.pat->ward, sizeof(pump.pat->ward));
	return 0;
}

static int seg_rxe(const char *s)
{
	size_t len;
	const char *drug = field(s, 2, &len), *f;
	struct infusion *i;

	if (!drug || !pump.pat)
		return -1;
	i = calloc(1, sizeof(*i));
	if (!i)
		return -1;
	component(drug, len, 2, i->drug, sizeof(i->drug));
	f = field(s, 3, &len);
	i->volume = f ? strtod(f, NULL) : 0;
	f = field(s, 23, &len);
	i->rate = f ? strtod(f, NULL) : 0;
	if (!(i->rate > 0 && i->rate <= 1200 && i->volume > 0 && i->volume <= 3000)) {
		free(i);
		return -1;
	}
	free(pump.inf);
	pump.inf = i;
	return 0;
}

static const struct {
	char tag[4];
	int (*fn)(const char *);
} segments[] = {
	{ "MSH", seg_msh }, { "PID", seg_pid }, { "PV1", seg_pv1 }, { "RXE", seg_rxe },
};

static void message(int fd, char *msg)
{
	char ack[160], *seg, *save = NULL;
	int bad = 0;
	size_t i;

	pump.ctl_id[0] = '\0';
	for (seg = strtok_r(msg, "\r\n", &save); seg; seg = strtok_r(NULL, "\r\n", &save))
		for (i = 0; i < sizeof(segments) / sizeof(segments[0]); i++)
			if (!strncmp(seg, segments[i].tag, 3) && segments[i].fn(seg) < 0)
				bad = 1;
	record("message %s: %s", pump.ctl_id, bad ? "AE" : "AA");
	snprintf(ack, sizeof(ack), "%cMSH|^~\\&|PUMP||||||ACK\rMSA|%s|%s\r%c\r", SB,
		 bad ? "AE" : "AA", pump.ctl_id, EB);
	send(fd, ack, strlen(ack), MSG_NOSIGNAL);
}

struct rx {
	int    fd;
	int    in;
	size_t n;
	char   buf[MSG_SIZE];
};

static int receive(struct rx *r)
{
	char chunk[512];
	ssize_t k = recv(r->fd, chunk, sizeof(chunk), 0), i;

	if (k <= 0)
		return -1;
	for (i = 0; i < k; i++) {
		char c = chunk[i];

		if (c == SB) {
			r->in = 1;
			r->n = 0;
		} else if (c == EB && r->in) {
			r->buf[r->n] = '\0';
			r->in = 0;
			message(r->fd, r->buf);
		} else if (r->in && c != '\0') {
			if (r->n + 1 >= sizeof(r->buf))
				return -1;
			r->buf[r->n++] = c;
		}
	}
	return 0;
}

int main(void)
{
	static struct rx rx = { .fd = -1 };
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(HL7_PORT) };
	int ls = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	openlog("pumplink", LOG_PID, LOG_LOCAL2);
	signal(SIGPIPE, SIG_IGN);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 1) < 0) {
		record("port %d: %s", HL7_PORT, strerror(errno));
		return 1;
	}
	for (;;) {
		struct pollfd p = { .fd = rx.fd < 0 ? ls : rx.fd, .events = POLLIN };

		if (poll(&p, 1, 500) > 0) {
			if (rx.fd < 0) {
				rx.fd = accept(ls, NULL, NULL);
				rx.in = 0;
			} else if (receive(&rx) < 0) {
				close(rx.fd);
				rx.fd = -1;
			}
		}
		refresh();
	}
}
