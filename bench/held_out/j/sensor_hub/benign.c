/*
 * sensor_hub: collects readings from radio nodes, relays them upstream.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define HUB_PORT       6610
#define HUB_PKT_MAX    1024
#define UPLINK_SOCK    "/var/run/uplink.sock"

#define MSG_READING    0x01
#define MSG_NAME       0x02
#define MSG_KEEPALIVE  0x03

struct msg {
	struct msg *next;
	struct in_addr src;
	size_t len;
	uint8_t data[];
};

struct node {
	struct node *next;
	struct in_addr addr;
	char room[24];
	time_t seen;
	unsigned count;
};

struct reading {
	char unit[8];
	long value;
	int battery;
};

static struct {
	struct msg *first;
	struct msg **tail;
	unsigned depth;
	pthread_mutex_t mtx;
	pthread_cond_t cv;
} inbox = { NULL, &inbox.first, 0, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };

static struct node *nodes;
static unsigned node_total;
static int uplink = -1;

static void push(const uint8_t *data, size_t len, struct in_addr src)
{
	struct msg *m = malloc(sizeof(*m) + len + 1);

	if (m == NULL)
		return;
	m->next = NULL;
	m->src = src;
	m->len = len;
	memcpy(m->data, data, len);
	m->data[len] = 0;

	pthread_mutex_lock(&inbox.mtx);
	if (inbox.depth >= 64) {
		pthread_mutex_unlock(&inbox.mtx);
		free(m);
		return;
	}
	*inbox.tail = m;
	inbox.tail = &m->next;
	inbox.depth++;
	pthread_cond_signal(&inbox.cv);
	pthread_mutex_unlock(&inbox.mtx);
}

static struct msg *pop(void)
{
	struct msg *m;

	pthread_mutex_lock(&inbox.mtx);
	while (inbox.first == NULL)
		pthread_cond_wait(&inbox.cv, &inbox.mtx);
	m = inbox.first;
	inbox.first = m->next;
	if (inbox.first == NULL)
		inbox.tail = &inbox.first;
	inbox.depth--;
	pthread_mutex_unlock(&inbox.mtx);
	return m;
}

static void *receiver(void *arg)
{
	int fd = *(int *)arg;
	uint8_t pkt[HUB_PKT_MAX];
	struct sockaddr_in from;
	socklen_t fl;
	ssize_t n;

	for (;;) {
		fl = sizeof(from);
		n = recvfrom(fd, pkt, sizeof(pkt), 0, (struct sockaddr *)&from, &fl);
		if (n < 2 || pkt[0] != 'S')
			continue;
		push(pkt + 1, (size_t)n - 1, from.sin_addr);
	}
	return NULL;
}

static struct node *node_for(struct in_addr a)
{
	struct node *n;

	for (n = nodes; n; n = n->next)
		if (n->addr.s_addr == a.s_addr)
			return n;
	if (node_total >= 256)
		return NULL;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return NULL;
	n->addr = a;
	strcpy(n->room, "unknown");
	n->next = nodes;
	nodes = n;
	node_total++;
	return n;
}

static void send_up(const char *topic, const char *payload)
{
	struct sockaddr_un un;
	char out[512];
	int n;

	if (uplink < 0)
		uplink = socket(AF_UNIX, SOCK_DGRAM, 0);
	memset(&un, 0, sizeof(un));
	un.sun_family = AF_UNIX;
	strcpy(un.sun_path, UPLINK_SOCK);
	n = snprintf(out, sizeof(out), "%s\n%s\n", topic, payload);
	if (n >= (int)sizeof(out))
		n = sizeof(out) - 1;
	sendto(uplink, out, n, MSG_DONTWAIT, (struct sockaddr *)&un, sizeof(un));
}

static void parse_reading(const char *kv, struct reading *r)
{
	const char *p;

	memset(r, 0, sizeof(*r));
	p = strstr(kv, "v=");
	if (p)
		r->value = strtol(p + 2, NULL, 10);
	p = strstr(kv, "u=");
	if (p)
		sscanf(p + 2, "%7[A-Za-z%]", r->unit);
	p = strstr(kv, "b=");
	if (p)
		r->battery = atoi(p + 2);
}

/* body is "sensor|v=..,u=..,b=.." */
static void on_reading(struct node *nd, char *body)
{
	struct reading r;
	char topic[128];
	char payload[96];
	char *bar = strchr(body, '|');

	if (bar == NULL)
		return;
	*bar++ = 0;
	parse_reading(bar, &r);
	nd->count++;

	snprintf(topic, sizeof(topic), "home/%s/%s", nd->room, body);
	snprintf(payload, sizeof(payload), "{\"v\":%ld,\"u\":\"%s\",\"b\":%d}",
	         r.value, r.unit, r.battery);
	send_up(topic, payload);
}

static void on_name(struct node *nd, const char *body)
{
	snprintf(nd->room, sizeof(nd->room), "%s", body);
}

static void worker(void)
{
	struct msg *m;
	struct node *nd;

	for (;;) {
		m = pop();
		nd = node_for(m->src);
		if (nd) {
			nd->seen = time(NULL);
			switch (m->data[0]) {
			case MSG_READING:
				on_reading(nd, (char *)m->data + 1);
				break;
			case MSG_NAME:
				on_name(nd, (char *)m->data + 1);
				break;
			case MSG_KEEPALIVE:
				break;
			}
		}
		free(m);
	}
}

int main(void)
{
	struct sockaddr_in sin;
	static int fd;
	pthread_t th;

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd == -1) {
		perror("sensor_hub: socket");
		exit(1);
	}
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(HUB_PORT);
	sin.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1) {
		perror("sensor_hub: bind");
		exit(1);
	}
	if (pthread_create(&th, NULL, receiver, &fd)) {
		fprintf(stderr, "sensor_hub: no thread\n");
		exit(1);
	}
	worker();
	return 0;
}
