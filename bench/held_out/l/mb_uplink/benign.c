/*
 * mbuplink: keeps a connection from the RS485 gateway to the portal and passes
 * the register blocks the portal sends on to the bus.
 *
 * Portal frames:  STX  flags  seq  lenHi lenLo  data...
 *   flags bit 0 = first fragment, bit 1 = last fragment
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>

#define STX         0x02
#define FL_FIRST    0x01
#define FL_LAST     0x02
#define BLOCK_SIZE  1024
#define RTU_MAX     256

typedef struct {
    char portal[64];
    char service[8];
    char tty[32];
    int  baud;
    int  retry;
} UplinkConf;

static UplinkConf conf = { "portal.local", "5020", "/dev/ttyS1", 19200, 30 };
static int tty = -1;
static unsigned long frames_in, frames_out, crc_errors;

static void logf_(const char *fmt, ...)
{
    va_list ap;
    FILE *fp = fopen("/var/log/mbuplink", "a");

    if (!fp)
        return;
    fprintf(fp, "%lu ", (unsigned long)time(NULL));
    va_start(ap, fmt);
    vfprintf(fp, fmt, ap);
    va_end(ap);
    fputc('\n', fp);
    fclose(fp);
}

static void read_conf(const char *file)
{
    char row[128], key[24], val[80];
    FILE *fp = fopen(file, "r");

    if (!fp)
        return;
    while (fgets(row, sizeof(row), fp)) {
        if (sscanf(row, " %23[a-z] = %79s", key, val) != 2)
            continue;
        if (!strcmp(key, "portal"))
            snprintf(conf.portal, sizeof(conf.portal), "%.63s", val);
        else if (!strcmp(key, "service"))
            snprintf(conf.service, sizeof(conf.service), "%.7s", val);
        else if (!strcmp(key, "tty"))
            snprintf(conf.tty, sizeof(conf.tty), "%.31s", val);
        else if (!strcmp(key, "baud"))
            conf.baud = atoi(val);
        else if (!strcmp(key, "retry"))
            conf.retry = atoi(val);
    }
    fclose(fp);
    if (conf.retry < 5)
        conf.retry = 5;
}

static int open_bus(void)
{
    struct termios t;
    int fd = open(conf.tty, O_RDWR | O_NOCTTY);

    if (fd < 0)
        return -1;
    if (tcgetattr(fd, &t) == 0) {
        cfmakeraw(&t);
        cfsetspeed(&t, conf.baud == 9600 ? B9600 : conf.baud == 38400 ? B38400 : B19200);
        t.c_cc[VMIN] = 0;
        t.c_cc[VTIME] = 3;
        tcsetattr(fd, TCSANOW, &t);
    }
    return fd;
}

static unsigned crc16(const unsigned char *p, int n)
{
    unsigned crc = 0xffff;
    int i;

    while (n-- > 0) {
        crc ^= *p++;
        for (i = 0; i < 8; i++)
            crc = (crc & 1) ? (crc >> 1) ^ 0xa001 : crc >> 1;
    }
    return crc;
}

/* sends one RTU request on the bus and gets the answer, returns its length */
static int bus_transact(const unsigned char *pdu, int n, unsigned char *ans, int room)
{
    unsigned char rtu[RTU_MAX];
    unsigned crc;
    int got = 0, k;

    if (n < 2 || n > RTU_MAX - 2)
        return -1;
    memcpy(rtu, pdu, n);
    crc = crc16(rtu, n);
    rtu[n] = crc & 0xff;
    rtu[n + 1] = crc >> 8;
    tcflush(tty, TCIFLUSH);
    if (write(tty, rtu, n + 2) != n + 2)
        return -1;
    while (got < room && (k = read(tty, ans + got, room - got)) > 0)
        got += k;
    if (got < 4 || crc16(ans, got) != 0) {
        crc_errors++;
        return -1;
    }
    return got - 2;
}

static int get_bytes(int s, unsigned char *p, int n)
{
    int k, done = 0;

    while (done < n) {
        k = recv(s, p + done, n - done, 0);
        if (k <= 0)
            return -1;
        done += k;
    }
    return done;
}

static int send_frame(int s, int seq, const unsigned char *p, int n)
{
    unsigned char h[5];

    h[0] = STX;
    h[1] = FL_FIRST | FL_LAST;
    h[2] = (unsigned char)seq;
    h[3] = (unsigned char)(n >> 8);
    h[4] = (unsigned char)n;
    if (send(s, h, 5, MSG_NOSIGNAL) != 5)
        return -1;
    frames_out++;
    return n == 0 || send(s, p, n, MSG_NOSIGNAL) == n ? 0 : -1;
}

/* a block is a row of requests, each with a length byte in front */
static int work_block(int s, int seq, const unsigned char *b, int n)
{
    unsigned char ans[RTU_MAX];
    int l, k;

    while (n > 1) {
        l = b[0];
        if (l == 0 || l > n - 1)
            return -1;
        k = bus_transact(b + 1, l, ans, sizeof(ans));
        if (send_frame(s, seq, ans, k < 0 ? 0 : k) < 0)
            return -1;
        b += l + 1;
        n -= l + 1;
    }
    return 0;
}

static void talk(int s)
{
    unsigned char block[BLOCK_SIZE];
    unsigned char h[5];
    int fill = 0, len;

    while (get_bytes(s, h, sizeof(h)) > 0) {
        if (h[0] != STX) {
            logf_("lost sync (%02x)", h[0]);
            return;
        }
        frames_in++;
        len = h[3] << 8 | h[4];
        if (h[1] & FL_FIRST)
            fill = 0;
        if (len > BLOCK_SIZE - fill) {
            logf_("fragment of %d after %d", len, fill);
            return;
        }
        if (len > 0 && get_bytes(s, block + fill, len) < 0)
            return;
        fill += len;
        if (!(h[1] & FL_LAST))
            continue;
        if (fill == 0) {
            if (send_frame(s, h[2], NULL, 0) < 0)
                return;
            continue;
        }
        if (work_block(s, h[2], block, fill) < 0)
            logf_("block %d broken", h[2]);
        fill = 0;
    }
}

static int dial(void)
{
    struct addrinfo hint, *res, *a;
    struct timeval tv = { 120, 0 };
    int s = -1;

    memset(&hint, 0, sizeof(hint));
    hint.ai_family = AF_UNSPEC;
    hint.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(conf.portal, conf.service, &hint, &res) != 0)
        return -1;
    for (a = res; a; a = a->ai_next) {
        s = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (s < 0)
            continue;
        if (connect(s, a->ai_addr, a->ai_addrlen) == 0)
            break;
        close(s);
        s = -1;
    }
    freeaddrinfo(res);
    if (s >= 0)
        setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    return s;
}

int main(int argc, char **argv)
{
    int s;

    read_conf(argc > 1 ? argv[1] : "/etc/mbuplink.conf");
    tty = open_bus();
    if (tty < 0) {
        perror(conf.tty);
        return 1;
    }
    for (;;) {
        s = dial();
        if (s < 0) {
            sleep(conf.retry);
            continue;
        }
        logf_("connected to %s", conf.portal);
        talk(s);
        close(s);
        logf_("closed, in %lu out %lu crc %lu", frames_in, frames_out, crc_errors);
        sleep(2);
    }
}
