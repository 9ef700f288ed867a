/*
 * mbgw - Modbus/TCP slave of the I/O gateway
 *
 * One thread per master (at most MB_MASTERS), a register file shared by
 * all, and a scan thread which copies the outputs to the terminals.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define MB_PORT        502
#define MB_MASTERS     4
#define MB_NREGS       128
#define MB_MAX_WRITE   32
#define MB_PDU_MAX     253

struct mbap {
	uint16_t transaction;
	uint16_t protocol;
	uint16_t length;		/* unit id + PDU */
	uint8_t  unit;
} __attribute__((packed));

struct pdu_rw {
	uint8_t  func;
	uint16_t addr;
	uint16_t qty;
} __attribute__((packed));

struct pdu_wm {
	uint8_t  func;
	uint16_t addr;
	uint16_t qty;
	uint8_t  bytes;
	uint8_t  data[];
} __attribute__((packed));

enum mb_exc {
	EXC_NONE = 0,
	EXC_FUNCTION = 1,
	EXC_ADDRESS = 2,
	EXC_VALUE = 3,
};

struct reply {
	uint8_t  buf[MB_PDU_MAX];
	uint16_t len;
};

typedef enum mb_exc (*mb_handler)(const uint8_t *pdu, uint16_t len, struct reply *r);

static uint16_t regs[MB_NREGS];
static uint8_t terminals[MB_NREGS * 2];
static pthread_mutex_t reg_lock = PTHREAD_MUTEX_INITIALIZER;
static int masters;

static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v & 0xff;
}

static enum mb_exc mb_read_holding(const uint8_t *pdu, uint16_t len, struct reply *r)
{
	const struct pdu_rw *q = (const void *)pdu;
	uint16_t addr, qty, i;

	if (len != sizeof(*q))
		return EXC_VALUE;
	addr = ntohs(q->addr);
	qty = ntohs(q->qty);
	if (qty == 0 || qty > 120)
		return EXC_VALUE;
	if (addr >= MB_NREGS || qty > MB_NREGS - addr)
		return EXC_ADDRESS;
	r->buf[0] = q->func;
	r->buf[1] = qty * 2;
	pthread_mutex_lock(&reg_lock);
	for (i = 0; i < qty; i++)
		put16(&r->buf[2 + 2 * i], regs[addr + i]);
	pthread_mutex_unlock(&reg_lock);
	r->len = 2 + 2 * qty;
	return EXC_NONE;
}

static enum mb_exc mb_write_single(const uint8_t *pdu, uint16_t len, struct reply *r)
{
	const struct pdu_rw *q = (const void *)pdu;

	if (len != sizeof(*q))
		return EXC_VALUE;
	if (ntohs(q->addr) >= MB_NREGS)
		return EXC_ADDRESS;
	pthread_mutex_lock(&reg_lock);
	regs[ntohs(q->addr)] = ntohs(q->qty);
	pthread_mutex_unlock(&reg_lock);
	memcpy(r->buf, pdu, len);
	r->len = len;
	return EXC_NONE;
}

static enum mb_exc mb_write_multiple(const uint8_t *pdu, uint16_t len, struct reply *r)
{
	const struct pdu_wm *q = (const void *)pdu;
	uint16_t words[MB_MAX_WRITE];
	uint16_t addr, qty, i;

	if (len < sizeof(*q))
		return EXC_VALUE;
	addr = ntohs(q->addr);
	qty = ntohs(q->qty);
	if (qty == 0 || qty > MB_MAX_WRITE)
		return EXC_VALUE;
	if (q->bytes > len - sizeof(*q) || q->bytes != qty * 2)
		return EXC_VALUE;
	if (addr >= MB_NREGS || qty > MB_NREGS - addr)
		return EXC_ADDRESS;

	/* the PDU is not aligned, take a copy before touching words */
	memcpy(words, q->data, q->bytes);
	pthread_mutex_lock(&reg_lock);
	for (i = 0; i < qty; i++)
		regs[addr + i] = ntohs(words[i]);
	pthread_mutex_unlock(&reg_lock);

	r->buf[0] = q->func;
	put16(&r->buf[1], addr);
	put16(&r->buf[3], qty);
	r->len = 5;
	return EXC_NONE;
}

static enum mb_exc mb_slave_id(const uint8_t *pdu, uint16_t len, struct reply *r)
{
	static const char id[] = "IOGW-8 rev C";

	(void)len;
	r->buf[0] = pdu[0];
	r->buf[1] = sizeof(id);
	memcpy(&r->buf[2], id, sizeof(id) - 1);
	r->buf[1 + sizeof(id)] = 0xff;
	r->len = 2 + sizeof(id);
	return EXC_NONE;
}

static const struct {
	uint8_t func;
	mb_handler fn;
} handlers[] = {
	{ 0x03, mb_read_holding },
	{ 0x06, mb_write_single },
	{ 0x10, mb_write_multiple },
	{ 0x11, mb_slave_id },
};

static int recv_all(int fd, void *p, size_t n)
{
	uint8_t *d = p;

	while (n > 0) {
		ssize_t k = recv(fd, d, n, 0);
		if (k <= 0)
			return -1;
		d += k;
		n -= (size_t)k;
	}
	return 0;
}

static int mb_transact(int fd)
{
	struct mbap h;
	uint8_t pdu[MB_PDU_MAX];
	uint8_t out[sizeof(struct mbap) + MB_PDU_MAX];
	struct reply r;
	enum mb_exc exc = EXC_FUNCTION;
	uint16_t len;
	size_t i;

	if (recv_all(fd, &h, sizeof(h)) < 0)
		return -1;
	len = ntohs(h.length);
	if (h.protocol != 0 || len < 2 || len > MB_PDU_MAX + 1)
		return -1;
	len--;
	if (recv_all(fd, pdu, len) < 0)
		return -1;

	memset(&r, 0, sizeof(r));
	for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (handlers[i].func == pdu[0]) {
			exc = handlers[i].fn(pdu, len, &r);
			break;
		}
	}
	if (exc != EXC_NONE) {
		r.buf[0] = pdu[0] | 0x80;
		r.buf[1] = (uint8_t)exc;
		r.len = 2;
	}
	h.length = htons(r.len + 1);
	memcpy(out, &h, sizeof(h));
	memcpy(out + sizeof(h), r.buf, r.len);
	return send(fd, out, sizeof(h) + r.len, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static void *master_thread(void *arg)
{
	int fd = (int)(intptr_t)arg;

	while (mb_transact(fd) == 0)
		;
	close(fd);
	__sync_fetch_and_sub(&masters, 1);
	return NULL;
}

static void *scan_thread(void *arg)
{
	int i;

	(void)arg;
	for (;;) {
		usleep(100000);
		pthread_mutex_lock(&reg_lock);
		for (i = 0; i < MB_NREGS; i++)
			put16(&terminals[2 * i], regs[i]);
		pthread_mutex_unlock(&reg_lock);
	}
	return NULL;
}

int main(void)
{
	struct sockaddr_in sa;
	pthread_t t;
	int ls, fd, one = 1;

	signal(SIGPIPE, SIG_IGN);
	if (pthread_create(&t, NULL, scan_thread, NULL))
		return 1;
	ls = socket(AF_INET, SOCK_STREAM, 0);
	if (ls < 0)
		return 1;
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(MB_PORT);
	if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) || listen(ls, MB_MASTERS)) {
		perror("mbgw");
		return 1;
	}
	for (;;) {
		fd = accept(ls, NULL, NULL);
		if (fd < 0)
			continue;
		if (__sync_add_and_fetch(&masters, 1) > MB_MASTERS ||
		    pthread_create(&t, NULL, master_thread, (void *)(intptr_t)fd)) {
			__sync_fetch_and_sub(&masters, 1);
			close(fd);
			continue;
		}
		pthread_detach(t);
	}
}
