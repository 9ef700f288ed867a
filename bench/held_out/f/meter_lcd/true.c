/*
 * hes_link.c - link of the three phase meter to the head end system (HES).
 *
 * The HES connects to TCP port 4059 and sends frames:
 *
 *      u32 magic 'EMTR'   u16 command   u16 length   payload   u16 crc
 *
 * all big endian.  A text message for the customer ("your tariff changes...")
 * is kept until it expires and scrolled through the LCD by the display timer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>

#define HES_PORT        4059
#define HES_MAGIC       0x454D5452UL
#define HES_MAXPAYLOAD  480
#define HES_HDR         8

#define LCD_DEV         "/dev/lcd0"
#define LCD_COLS        40

enum { CMD_IDENT = 1, CMD_READ = 2, CMD_TARIFF = 3, CMD_MESSAGE = 4, CMD_CLEAR = 5 };
enum { ST_OK = 0, ST_CRC = 1, ST_UNKNOWN = 2, ST_RANGE = 3 };

struct reg {
        uint16_t        obis;
        uint32_t        value;
};

struct message {
        time_t          expires;
        uint8_t         prio;
        uint8_t         shown;
        uint16_t        len;
        char            text[];
};

struct meter {
        char            serial[16];
        uint8_t         tariff;
        struct reg      regs[6];
        struct message  *msg;
        int             lcd;
        unsigned        page;
};

static struct meter M = {
        .serial = "EM30014477",
        .tariff = 1,
        .regs = { { 180, 0 }, { 181, 0 }, { 182, 0 }, { 280, 0 }, { 3270, 2301 }, { 5270, 2297 } },
        .lcd = -1,
};

static uint16_t crc16(const uint8_t *p, size_t n)
{
        uint16_t c = 0xffff;
        int i;

        while (n--) {
                c ^= (uint16_t)(*p++ << 8);
                for (i = 0; i < 8; i++)
                        c = (uint16_t)((c & 0x8000) ? (c << 1) ^ 0x1021 : c << 1);
        }
        return c;
}

static uint16_t be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t be32(const uint8_t *p) { return (uint32_t)be16(p) << 16 | be16(p + 2); }

static void put16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16); put16(p + 2, v & 0xffff); }

static int readn(int fd, uint8_t *p, size_t n)
{
        while (n > 0) {
                ssize_t r = recv(fd, p, n, 0);

                if (r < 0 && errno == EINTR)
                        continue;
                if (r <= 0)
                        return -1;
                p += r;
                n -= (size_t)r;
        }
        return 0;
}

static int reply(int fd, unsigned cmd, const uint8_t *pl, size_t n)
{
        uint8_t out[HES_HDR + 128 + 2];

        if (n > 128)
                n = 128;
        put32(out, HES_MAGIC);
        put16(out + 4, cmd | 0x8000);
        put16(out + 6, (unsigned)n);
        memcpy(out + HES_HDR, pl, n);
        put16(out + HES_HDR + n, crc16(out, HES_HDR + n));
        return send(fd, out, HES_HDR + n + 2, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int reply_status(int fd, unsigned cmd, uint8_t st)
{
        return reply(fd, cmd, &st, 1);
}

static int read_regs(int fd, const uint8_t *p, size_t n)
{
        uint8_t out[6 * 6];
        size_t i, o = 0;

        for (i = 0; i < 6; i++) {
                if (n >= 2 && be16(p) != 0 && be16(p) != M.regs[i].obis)
                        continue;
                put16(out + o, M.regs[i].obis);
                put32(out + o + 2, M.regs[i].value);
                o += 6;
        }
        return reply(fd, CMD_READ, out, o);
}

static int set_tariff(int fd, const uint8_t *p, size_t n)
{
        if (n != 1 || p[0] < 1 || p[0] > 4)
                return reply_status(fd, CMD_TARIFF, ST_RANGE);
        M.tariff = p[0];
        syslog(LOG_NOTICE, "tariff %u", M.tariff);
        return reply_status(fd, CMD_TARIFF, ST_OK);
}

/* payload: u32 lifetime in seconds, u8 priority, text */
static int set_message(int fd, const uint8_t *p, size_t n)
{
        struct message *m;

        if (n < 6)
                return reply_status(fd, CMD_MESSAGE, ST_RANGE);
        m = malloc(sizeof(*m) + n - 5 + 1);
        if (m == NULL)
                return -1;
        m->expires = time(NULL) + (time_t)(be32(p) & 0xffffff);
        m->prio = p[4];
        m->shown = 0;
        m->len = (uint16_t)(n - 5);
        memcpy(m->text, p + 5, n - 5);
        m->text[n - 5] = '\0';
        free(M.msg);
        M.msg = m;
        syslog(LOG_INFO, "message of %u characters", m->len);
        return reply_status(fd, CMD_MESSAGE, ST_OK);
}

static void lcd_line(const char *s)
{
        if (M.lcd < 0)
                M.lcd = open(LCD_DEV, O_WRONLY | O_NOCTTY);
        if (M.lcd >= 0 && write(M.lcd, s, strlen(s)) < 0) {
                close(M.lcd);
                M.lcd = -1;
        }
}

/* every two seconds the next page */
static void display_tick(void)
{
        char row[LCD_COLS + 1];
        struct tm tm;
        time_t now = time(NULL);

        if (M.msg && M.msg->expires < now) {
                free(M.msg);
                M.msg = NULL;
        }
        localtime_r(&now, &tm);
        switch (M.page++ % 3) {
        case 0:
                snprintf(row, sizeof(row), "T%u %10lu kWh", M.tariff, (unsigned long)M.regs[0].value);
                break;
        case 1:
                snprintf(row, sizeof(row), "L1 %lu.%lu V", (unsigned long)M.regs[4].value / 10,
                         (unsigned long)M.regs[4].value % 10);
                break;
        default:
                if (M.msg == NULL)
                        return;
#ifdef BENIGN
                snprintf(row, sizeof(row), "%02d:%02d %s", tm.tm_hour, tm.tm_min, M.msg->text);
#else
                sprintf(row, "%02d:%02d %s", tm.tm_hour, tm.tm_min, M.msg->text);
#endif
                M.msg->shown = 1;
                break;
        }
        lcd_line(row);
}

/* pulses of the last second from the measuring chip, 1000 per kWh */
static void pulse_tick(void)
{
        static unsigned rest;
        char buf[16];
        int fd = open("/sys/class/pulse/count", O_RDONLY);
        ssize_t n;

        if (fd < 0)
                return;
        n = read(fd, buf, sizeof(buf) - 1);
        close(fd);
        if (n <= 0)
                return;
        buf[n] = '\0';
        rest += (unsigned)atoi(buf);
        M.regs[0].value += rest / 1000;
        M.regs[M.tariff == 1 ? 1 : 2].value += rest / 1000;
        rest %= 1000;
}

static struct timer {
        void    (*fn)(void);
        int     every;
        time_t  next;
} timers[] = {
        { display_tick, 2, 0 },
        { pulse_tick,   1, 0 },
};

static void run_timers(void)
{
        time_t now = time(NULL);
        size_t i;

        for (i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
                if (now >= timers[i].next) {
                        timers[i].next = now + timers[i].every;
                        timers[i].fn();
                }
}

/* one frame; -1 closes the link */
static int hes_frame(int fd)
{
        static uint8_t f[HES_HDR + HES_MAXPAYLOAD + 2];
        unsigned cmd;
        size_t n;

        if (readn(fd, f, HES_HDR) < 0)
                return -1;
        if (be32(f) != HES_MAGIC) {
                syslog(LOG_WARNING, "no frame, closing");
                return -1;
        }
        cmd = be16(f + 4);
        n = be16(f + 6);
        if (n > HES_MAXPAYLOAD)
                return -1;
        if (readn(fd, f + HES_HDR, n + 2) < 0)
                return -1;
        if (crc16(f, HES_HDR + n) != be16(f + HES_HDR + n))
                return reply_status(fd, cmd, ST_CRC);

        switch (cmd) {
        case CMD_IDENT:
                return reply(fd, cmd, (const uint8_t *)M.serial, strlen(M.serial));
        case CMD_READ:
                return read_regs(fd, f + HES_HDR, n);
        case CMD_TARIFF:
                return set_tariff(fd, f + HES_HDR, n);
        case CMD_MESSAGE:
                return set_message(fd, f + HES_HDR, n);
        case CMD_CLEAR:
                free(M.msg);
                M.msg = NULL;
                return reply_status(fd, cmd, ST_OK);
        }
        return reply_status(fd, cmd, ST_UNKNOWN);
}

int main(void)
{
        struct sockaddr_in sin;
        struct timeval tv;
        fd_set rf;
        int ls, fd = -1, one = 1;

        openlog("hes_link", 0, LOG_LOCAL1);
        ls = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        memset(&sin, 0, sizeof(sin));
        sin.sin_family = AF_INET;
        sin.sin_port = htons(HES_PORT);
        if (bind(ls, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(ls, 1) < 0) {
                syslog(LOG_ERR, "port %d: %m", HES_PORT);
                return 1;
        }
        for (;;) {
                FD_ZERO(&rf);
                FD_SET(fd < 0 ? ls : fd, &rf);
                tv.tv_sec = 1;
                tv.tv_usec = 0;
                if (select((fd < 0 ? ls : fd) + 1, &rf, NULL, NULL, &tv) > 0) {
                        if (fd < 0) {
                                fd = accept(ls, NULL, NULL);
                                if (fd >= 0) {
                                        tv.tv_sec = 3;
                                        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
                                }
                        } else if (hes_frame(fd) < 0) {
                                close(fd);
                                fd = -1;
                        }
                }
                run_timers();
        }
}
