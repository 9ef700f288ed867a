/* finderd.c
 *
 * "NAS Finder" responder.  The desktop utility broadcasts small TLV
 * requests; new settings are first staged, then verified, then committed
 * from the main loop so that the answer gets out before the net goes down.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <errno.h>
#include <sys/wait.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define FINDER_PORT	8097
#define FINDER_MAGIC	"NSFD"
#define HDR_LEN		12		/* magic, op, flags, mac[6] */

#define OP_DISCOVER	0x01
#define OP_IDENTIFY	0x02
#define OP_STAGE	0x10
#define OP_VERIFY	0x11
#define OP_COMMIT	0x12
#define OP_REVERT	0x13

#define TAG_HOSTNAME	0x01
#define TAG_WORKGROUP	0x02
#define TAG_COMMENT	0x03

struct settings {
	char hostname[64];
	char workgroup[32];
	char comment[96];
};

static struct finder {
	int fd;
	uint8_t mac[6];
	struct settings live;
	struct settings staged;
	int staged_ok;
	int commit_at;
	struct sockaddr_in peer;
	uint8_t rsp[512];
	size_t rlen;
} F;

static void rsp_put(uint8_t tag, const char *s)
{
	size_t l = strlen(s);

	if (l > 255 || F.rlen + 2 + l > sizeof(F.rsp))
		return;
	F.rsp[F.rlen++] = tag;
	F.rsp[F.rlen++] = (uint8_t)l;
	memcpy(F.rsp + F.rlen, s, l);
	F.rlen += l;
}

static void rsp_send(uint8_t op, uint8_t status)
{
	memcpy(F.rsp, FINDER_MAGIC, 4);
	F.rsp[4] = op | 0x80;
	F.rsp[5] = status;
	memcpy(F.rsp + 6, F.mac, 6);
	sendto(F.fd, F.rsp, F.rlen, 0, (struct sockaddr *)&F.peer, sizeof(F.peer));
}

static int shell(const char *cmd)
{
	int st;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		return -1;
	while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	return st;
}

/* letters, digits and inner dashes, as the RFC wants it */
static int label_ok(const char *s)
{
	size_t i, n = strlen(s);

	if (n == 0 || n > 15)
		return 0;
	for (i = 0; i < n; i++) {
		char c = s[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
			continue;
		if (c == '-' && i > 0 && i + 1 < n)
			continue;
		return 0;
	}
	return 1;
}

static void copy_field(char *dst, size_t cap, const uint8_t *v, size_t n)
{
	if (n >= cap)
		n = cap - 1;
	memcpy(dst, v, n);
	dst[n] = '\0';
}

static int op_discover(const uint8_t *p, size_t n)
{
	rsp_put(TAG_HOSTNAME, F.live.hostname);
	rsp_put(TAG_WORKGROUP, F.live.workgroup);
	rsp_put(TAG_COMMENT, F.live.comment);
	return 0;
}

static int op_identify(const uint8_t *p, size_t n)
{
	return shell("/usr/sbin/ledctl blink 10 &") == 0 ? 0 : 5;
}

static int op_stage(const uint8_t *p, size_t n)
{
	size_t off = 0;

	if (F.commit_at)
		return 3;
	F.staged_ok = 0;
	while (off + 2 <= n) {
		uint8_t tag = p[off], len = p[off + 1];

		off += 2;
		if (len > n - off)
			return 2;
		switch (tag) {
		case TAG_HOSTNAME:
			copy_field(F.staged.hostname, sizeof(F.staged.hostname), p + off, len);
			break;
		case TAG_WORKGROUP:
			copy_field(F.staged.workgroup, sizeof(F.staged.workgroup), p + off, len);
			break;
		case TAG_COMMENT:
			copy_field(F.staged.comment, sizeof(F.staged.comment), p + off, len);
			break;
		}
		off += len;
	}
	return 0;
}

static int op_verify(const uint8_t *p, size_t n)
{
	if (!label_ok(F.staged.hostname) || !label_ok(F.staged.workgroup))
		return 4;
	F.staged_ok = 1;
	return 0;
}

static int op_commit(const uint8_t *p, size_t n)
{
	if (!F.staged_ok)
		return 4;
	F.commit_at = (int)time(NULL) + 2;
	return 0;
}

static int op_revert(const uint8_t *p, size_t n)
{
	F.staged = F.live;
	F.staged_ok = 0;
	F.commit_at = 0;
	return 0;
}

static const struct {
	uint8_t op;
	uint8_t unicast_only;
	int (*fn)(const uint8_t *, size_t);
} ops[] = {
	{ OP_DISCOVER, 0, op_discover },
	{ OP_IDENTIFY, 1, op_identify },
	{ OP_STAGE,    1, op_stage },
	{ OP_VERIFY,   1, op_verify },
	{ OP_COMMIT,   1, op_commit },
	{ OP_REVERT,   1, op_revert },
};

static void handle(const uint8_t *p, size_t n)
{
	unsigned i;

	if (n < HDR_LEN || memcmp(p, FINDER_MAGIC, 4) != 0)
		return;
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (ops[i].op != p[4])
			continue;
		if (ops[i].unicast_only && memcmp(p + 6, F.mac, 6) != 0)
			return;
		F.rlen = HDR_LEN;
		rsp_send(p[4], (uint8_t)ops[i].fn(p + HDR_LEN, n - HDR_LEN));
		return;
	}
}

static void write_comment(void)
{
	FILE *f = fopen("/etc/nas/comment", "w");

	if (f) {
		fputs(F.live.comment, f);
		fclose(f);
	}
}

static void commit_tick(void)
{
	char cmd[320];

	if (!F.commit_at || time(NULL) < F.commit_at)
		return;
	F.commit_at = 0;
	F.live = F.staged;
	snprintf(cmd, sizeof(cmd), "/usr/sbin/setname -h %s -w %s && /etc/init.d/smb restart",
		 F.live.hostname, F.live.workgroup);
	shell(cmd);
	write_comment();
	F.staged_ok = 0;
}

static void read_mac(void)
{
	unsigned m[6];
	int i;
	FILE *f = fopen("/sys/class/net/eth0/address", "r");

	if (!f)
		return;
	if (fscanf(f, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) == 6)
		for (i = 0; i < 6; i++)
			F.mac[i] = (uint8_t)m[i];
	fclose(f);
}

int main(void)
{
	struct sockaddr_in sa;
	uint8_t pkt[1400];
	int on = 1;

	strcpy(F.live.hostname, "nas");
	strcpy(F.live.workgroup, "WORKGROUP");
	F.staged = F.live;
	read_mac();
	F.fd = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(F.fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(FINDER_PORT);
	if (bind(F.fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return 1;
	for (;;) {
		struct timeval tv = { 1, 0 };
		fd_set rd;

		FD_ZERO(&rd);
		FD_SET(F.fd, &rd);
		if (select(F.fd + 1, &rd, NULL, NULL, &tv) > 0) {
			socklen_t sl = sizeof(F.peer);
			ssize_t n = recvfrom(F.fd, pkt, sizeof(pkt), 0, (struct sockaddr *)&F.peer, &sl);

			if (n > 0)
				handle(pkt, (size_t)n);
		}
		commit_tick();
	}
}
