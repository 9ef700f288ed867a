/******************************************************************************
 *  MTR-3P  three phase energy meter  -  Modbus/TCP server task
 *****************************************************************************/
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <time.h>
#include <poll.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define MB_PORT         502
#define MB_MAX_CLI      6
#define MB_MAX_ADU      260
#define MB_HDR          7
#define N_HOLD          128
#define REC_MAX         64

#define EX_ILLEGAL_FUNC 1
#define EX_ILLEGAL_ADDR 2
#define EX_ILLEGAL_VAL  3
#define EX_DEV_FAIL     4

#define BE16(p)         ((uint16_t)(((p)[0] << 8) | (p)[1]))
#define PUT16(p, v)     do { (p)[0] = (uint8_t)((v) >> 8); (p)[1] = (uint8_t)(v); } while (0)

typedef struct {
    int      fd;
    uint16_t fill;
    uint8_t  adu[MB_MAX_ADU];
    time_t   last;
} MB_CLIENT;

typedef struct {
    uint8_t *pdu;
    uint16_t len;
    uint8_t  out[MB_MAX_ADU];
    uint16_t olen;
} MB_REQ;

typedef int (*MB_FUNC)(MB_REQ *);

static MB_CLIENT cli[MB_MAX_CLI];
static uint16_t  hold[N_HOLD];
static uint32_t  energy_wh[3];
static uint16_t  file_crc[16];

static uint16_t crc16(const uint8_t *p, unsigned n)
{
    uint16_t c = 0xFFFF;
    int i;

    while (n--) {
        c ^= *p++;
        for (i = 0; i < 8; i++)
            c = (c & 1) ? (c >> 1) ^ 0xA001 : c >> 1;
    }
    return c;
}

/*--------------------------------------------------------------------------*/

static int fc_read_hold(MB_REQ *r)
{
    uint16_t a, n, i;

    if (r->len < 5)
        return EX_ILLEGAL_VAL;
    a = BE16(r->pdu + 1);
    n = BE16(r->pdu + 3);
    if (n < 1 || n > 100)
        return EX_ILLEGAL_VAL;
    if (a >= N_HOLD || a + n > N_HOLD)
        return EX_ILLEGAL_ADDR;
    r->out[1] = (uint8_t)(n * 2);
    for (i = 0; i < n; i++)
        PUT16(r->out + 2 + i * 2, hold[a + i]);
    r->olen = 2 + n * 2;
    return 0;
}

static int fc_read_input(MB_REQ *r)
{
    int i;

    if (r->len < 5)
        return EX_ILLEGAL_VAL;
    r->out[1] = 12;
    for (i = 0; i < 3; i++) {
        PUT16(r->out + 2 + i * 4, energy_wh[i] >> 16);
        PUT16(r->out + 4 + i * 4, energy_wh[i] & 0xFFFF);
    }
    r->olen = 14;
    return 0;
}

static int fc_write_single(MB_REQ *r)
{
    uint16_t a;

    if (r->len < 5)
        return EX_ILLEGAL_VAL;
    a = BE16(r->pdu + 1);
    if (a >= N_HOLD)
        return EX_ILLEGAL_ADDR;
    hold[a] = BE16(r->pdu + 3);
    memcpy(r->out + 1, r->pdu + 1, 4);
    r->olen = 5;
    return 0;
}

static int fc_write_multi(MB_REQ *r)
{
    uint16_t a, n, i;

    if (r->len < 6)
        return EX_ILLEGAL_VAL;
    a = BE16(r->pdu + 1);
    n = BE16(r->pdu + 3);
    if (n < 1 || n > 123 || r->pdu[5] != n * 2 || r->len < 6 + n * 2)
        return EX_ILLEGAL_VAL;
    if (a >= N_HOLD || a + n > N_HOLD)
        return EX_ILLEGAL_ADDR;
    for (i = 0; i < n; i++)
        hold[a + i] = BE16(r->pdu + 6 + i * 2);
    memcpy(r->out + 1, r->pdu + 1, 4);
    r->olen = 5;
    return 0;
}

/* calibration / tariff records live in small files, padded to REC_MAX */
static int store_record(uint16_t file, uint16_t recno, const uint8_t *src, unsigned bytes)
{
    uint8_t rec[REC_MAX];
    char    path[48];
    FILE   *fp;
    int     rc = 0;

    memset(rec, 0xFF, sizeof(rec));
    memcpy(rec, src, bytes);
    file_crc[file & 15] = crc16(rec, sizeof(rec));

    snprintf(path, sizeof(path), "/mnt/fram/rec%u.bin", file & 15u);
    fp = fopen(path, "r+b");
    if (!fp)
        return EX_DEV_FAIL;
    if (fseek(fp, (long)recno * REC_MAX, SEEK_SET) || fwrite(rec, REC_MAX, 1, fp) != 1)
        rc = EX_DEV_FAIL;
    fclose(fp);
    return rc;
}

static int fc_write_file(MB_REQ *r)
{
    unsigned total, off = 2, bytes;
    uint16_t file, recno;
    int      rc;

    if (r->len < 2)
        return EX_ILLEGAL_VAL;
    total = r->pdu[1] + 2u;
    if (total > r->len)
        return EX_ILLEGAL_VAL;

    while (off + 7 <= total) {
        uint8_t *s = r->pdu + off;

        if (s[0] != 6)
            return EX_ILLEGAL_VAL;
        file  = BE16(s + 1);
        recno = BE16(s + 3);
        bytes = BE16(s + 5) * 2u;
        if (file == 0 || file > 15 || recno > 999)
            return EX_ILLEGAL_ADDR;
        if (bytes > total - off - 7)
            return EX_ILLEGAL_VAL;
        rc = store_record(file, recno, s + 7, bytes);
        if (rc)
            return rc;
        off += 7 + bytes;
    }
    memcpy(r->out + 1, r->pdu + 1, total - 1);
    r->olen = (uint16_t)total;
    return 0;
}

static int fc_dev_id(MB_REQ *r)
{
    static const char id[] = "MTR-3P fw 2.08";

    r->out[1] = sizeof(id) - 1;
    memcpy(r->out + 2, id, sizeof(id) - 1);
    r->olen = 2 + sizeof(id) - 1;
    return 0;
}

static const struct { uint8_t fc; MB_FUNC fn; } mb_tab[] = {
    { 0x03, fc_read_hold    },
    { 0x04, fc_read_input   },
    { 0x06, fc_write_single },
    { 0x10, fc_write_multi  },
    { 0x11, fc_dev_id       },
    { 0x15, fc_write_file   },
};

static MB_FUNC mb_lookup(uint8_t fc)
{
    int lo = 0, hi = (int)(sizeof(mb_tab) / sizeof(mb_tab[0])) - 1;

    while (lo <= hi) {
        int mid = (lo + hi) / 2;

        if (mb_tab[mid].fc == fc)
            return mb_tab[mid].fn;
        if (mb_tab[mid].fc < fc)
            lo = mid + 1;
        else
            hi = mid - 1;
    }
    return NULL;
}

static void mb_handle(MB_CLIENT *c, uint16_t pdulen)
{
    MB_REQ  r;
    MB_FUNC fn;
    uint8_t hdr[MB_HDR];
    int     ex;

    memset(&r, 0, sizeof(r));
    r.pdu = c->adu + MB_HDR;
    r.len = pdulen;
    r.out[0] = r.pdu[0];
    fn = mb_lookup(r.pdu[0]);
    ex = fn ? fn(&r) : EX_ILLEGAL_FUNC;
    if (ex) {
        r.out[0] |= 0x80;
        r.out[1] = (uint8_t)ex;
        r.olen = 2;
    }
    memcpy(hdr, c->adu, MB_HDR);
    PUT16(hdr + 4, r.olen + 1);
    send(c->fd, hdr, MB_HDR, MSG_NOSIGNAL | MSG_MORE);
    send(c->fd, r.out, r.olen, MSG_NOSIGNAL);
}

static int mb_input(MB_CLIENT *c)
{
    ssize_t n = recv(c->fd, c->adu + c->fill, sizeof(c->adu) - c->fill, 0);

    if (n <= 0)
        return -1;
    c->fill += (uint16_t)n;
    c->last = time(NULL);
    while (c->fill >= MB_HDR) {
        unsigned len = BE16(c->adu + 4);

        if (BE16(c->adu + 2) != 0 || len < 2 || len > MB_MAX_ADU - 6)
            return -1;
        if (c->fill < len + 6)
            break;
        mb_handle(c, (uint16_t)(len - 1));
        c->fill -= (uint16_t)(len + 6);
        memmove(c->adu, c->adu + len + 6, c->fill);
    }
    return 0;
}

static void meter_tick(void)
{
    int i;

    for (i = 0; i < 3; i++)
        energy_wh[i] += hold[10 + i] / 60;
    for (i = 0; i < MB_MAX_CLI; i++)
        if (cli[i].fd >= 0 && time(NULL) - cli[i].last > 120) {
            close(cli[i].fd);
            cli[i].fd = -1;
        }
}

int main(void)
{
    struct sockaddr_in sa;
    int ls, i, on = 1;

    for (i = 0; i < MB_MAX_CLI; i++)
        cli[i].fd = -1;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(MB_PORT);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 3) < 0)
        return 1;
    for (;;) {
        struct pollfd pf[MB_MAX_CLI + 1];

        for (i = 0; i < MB_MAX_CLI; i++) {
            pf[i].fd = cli[i].fd;
            pf[i].events = POLLIN;
            pf[i].revents = 0;
        }
        pf[i].fd = ls;
        pf[i].events = POLLIN;
        pf[i].revents = 0;
        if (poll(pf, MB_MAX_CLI + 1, 1000) == 0)
            meter_tick();
        for (i = 0; i < MB_MAX_CLI; i++)
            if (pf[i].revents && mb_input(&cli[i]) < 0) {
                close(cli[i].fd);
                cli[i].fd = -1;
            }
        if (pf[MB_MAX_CLI].revents & POLLIN) {
            int fd = accept(ls, NULL, NULL);

            for (i = 0; i < MB_MAX_CLI && cli[i].fd >= 0; i++)
                ;
            if (fd >= 0 && i < MB_MAX_CLI) {
                cli[i].fd = fd;
                cli[i].fill = 0;
                cli[i].last = time(NULL);
            } else if (fd >= 0)
                close(fd);
        }
    }
}
