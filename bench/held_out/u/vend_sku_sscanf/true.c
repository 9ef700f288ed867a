/* vendctl - price and planogram interface of the vending terminal.
 *
 *   SKU <slot> <name> <price>     set a product
 *   QTY <slot> <count>            refill
 *   LIST                          show the table
 *   SOLD                          sales since the last call
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SLOTS		40
#define CLIENTS		4
#define NAME_MAX_LEN	24
#define DEFAULT_PORT	4004

struct product {
	unsigned int price;		/* cents */
	unsigned short count;
	unsigned short sold;
	char name[NAME_MAX_LEN];
};

struct client {
	int fd;
	unsigned int fill;
	time_t last;
	char line[256];
};

static struct product *table[SLOTS];
static struct client clients[CLIENTS];
static int verbose;
static unsigned int shown;
static FILE *audit;

static void note(const char *what, int slot)
{
	char when[24];
	time_t t = time(NULL);

	if (audit == NULL)
		return;
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", localtime(&t));
	fprintf(audit, "%s %s slot=%d\n", when, what, slot);
	fflush(audit);
}

static void reply(struct client *c, const char *text)
{
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t w = send(c->fd, text, n, MSG_NOSIGNAL);
		if (w <= 0)
			return;
		text += w;
		n -= w;
	}
}

static struct product *slot_get(int slot, int create)
{
	if (slot < 1 || slot > SLOTS)
		return NULL;
	if (table[slot - 1] == NULL && create)
		table[slot - 1] = calloc(1, sizeof(struct product));
	return table[slot - 1];
}

static void do_sku(struct client *c)
{
	struct product *p;
	unsigned int price;
	int slot = 0;

	if (sscanf(c->line, "SKU %d", &slot) != 1 || (p = slot_get(slot, 1)) == NULL) {
		reply(c, "ERR slot\n");
		return;
	}
	if (sscanf(c->line, "SKU %*d %s %u", p->name, &price) != 2) {
		reply(c, "ERR format\n");
		return;
	}
	if (price == 0 || price > 10000) {
		reply(c, "ERR price\n");
		return;
	}
	p->price = price;
	note("sku", slot);
	reply(c, "OK\n");
}

static void do_qty(struct client *c)
{
	struct product *p;
	int slot, count;

	if (sscanf(c->line, "QTY %d %d", &slot, &count) != 2 || count < 0 || count > 99) {
		reply(c, "ERR format\n");
		return;
	}
	p = slot_get(slot, 0);
	if (p == NULL) {
		reply(c, "ERR empty\n");
		return;
	}
	p->count = count;
	note("refill", slot);
	reply(c, "OK\n");
}

static void do_list(struct client *c)
{
	char out[96];
	int i;

	for (i = 0; i < SLOTS; i++) {
		if (table[i] == NULL)
			continue;
		snprintf(out, sizeof out, "%02d %-23.23s %u.%02u %u\n", i + 1, table[i]->name,
			 table[i]->price / 100, table[i]->price % 100, table[i]->count);
		reply(c, out);
	}
	reply(c, "END\n");
}

static void do_sold(struct client *c)
{
	char out[48];
	int i;

	for (i = 0; i < SLOTS; i++) {
		if (table[i] == NULL || table[i]->sold == 0)
			continue;
		snprintf(out, sizeof out, "%02d %u\n", i + 1, table[i]->sold);
		table[i]->sold = 0;
		reply(c, out);
	}
	reply(c, "END\n");
}

static void line_in(struct client *c)
{
	if (verbose)
		fprintf(stderr, "<%d> %s\n", c->fd, c->line);
	if (!strncmp(c->line, "SKU ", 4))
		do_sku(c);
	else if (!strncmp(c->line, "QTY ", 4))
		do_qty(c);
	else if (!strcmp(c->line, "LIST"))
		do_list(c);
	else if (!strcmp(c->line, "SOLD"))
		do_sold(c);
	else
		reply(c, "ERR unknown\n");
}

static void hang_up(struct client *c)
{
	close(c->fd);
	memset(c, 0, sizeof *c);
	c->fd = -1;
}

static void client_in(struct client *c)
{
	char ch[64];
	ssize_t i, n = recv(c->fd, ch, sizeof ch, 0);

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			hang_up(c);
		return;
	}
	c->last = time(NULL);
	for (i = 0; i < n; i++) {
		if (ch[i] == '\r')
			continue;
		if (ch[i] == '\n') {
			c->line[c->fill] = '\0';
			c->fill = 0;
			line_in(c);
		} else if (c->fill < sizeof c->line - 1) {
			c->line[c->fill++] = ch[i];
		}
	}
}

/* the small display shows one product after the other */
static void rotate_display(void)
{
	FILE *lcd;
	int i;

	for (i = 0; i < SLOTS; i++) {
		shown = (shown + 1) % SLOTS;
		if (table[shown] != NULL && table[shown]->count > 0)
			break;
	}
	if (i == SLOTS || (lcd = fopen("/dev/lcd0", "w")) == NULL)
		return;
	fprintf(lcd, "\f%.20s\n%u.%02u EUR", table[shown]->name,
		table[shown]->price / 100, table[shown]->price % 100);
	fclose(lcd);
}

static void poll_motor(void)
{
	int slot = 0;
	FILE *fp = fopen("/run/vend/last", "r");

	if (fp == NULL)
		return;
	if (fscanf(fp, "%d", &slot) == 1) {
		struct product *p = slot_get(slot, 0);
		if (p != NULL && p->count > 0) {
			p->count--;
			p->sold++;
			note("vend", slot);
		}
	}
	fclose(fp);
	unlink("/run/vend/last");
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6 };
	int port = DEFAULT_PORT, ls, opt, i, on = 1;
	time_t next = 0;

	while ((opt = getopt(argc, argv, "p:v")) != -1) {
		if (opt == 'p')
			port = atoi(optarg);
		else
			verbose = 1;
	}
	audit = fopen("/var/log/vend.log", "a");
	for (i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	ls = socket(AF_INET6, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	sa.sin6_port = htons(port);
	if (bind(ls, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(ls, 2) != 0) {
		perror("vendctl");
		return 1;
	}
	for (;;) {
		struct pollfd pf[CLIENTS + 1];

		pf[CLIENTS].fd = ls;
		pf[CLIENTS].events = POLLIN;
		for (i = 0; i < CLIENTS; i++) {
			pf[i].fd = clients[i].fd;
			pf[i].events = POLLIN;
			pf[i].revents = 0;
		}
		if (poll(pf, CLIENTS + 1, 1000) > 0) {
			for (i = 0; i < CLIENTS; i++)
				if (pf[i].revents)
					client_in(&clients[i]);
			if (pf[CLIENTS].revents & POLLIN) {
				int fd = accept4(ls, NULL, NULL, SOCK_NONBLOCK);
				for (i = 0; i < CLIENTS; i++)
					if (clients[i].fd < 0)
						break;
				if (i == CLIENTS) {
					close(fd);
				} else if (fd >= 0) {
					clients[i].fd = fd;
					clients[i].fill = 0;
					clients[i].last = time(NULL);
				}
			}
		}
		poll_motor();
		if (time(NULL) >= next) {
			next = time(NULL) + 4;
			rotate_display();
		}
		for (i = 0; i < CLIENTS; i++)
			if (clients[i].fd >= 0 && time(NULL) - clients[i].last > 300)
				hang_up(&clients[i]);
	}
}
