/* mbmeter - three phase sub-meter, Modbus/TCP slave with file records */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <signal.h>
#include <unistd.h>
#include <pthread.h>
#include <time.h>
#include <netinet/in.h>
#include <sys/socket.h>

typedef uint8_t  u8;
typedef uint16_t u16;

#define MB_PORT   502
#define ADU_MAX   260
#define MBAP      7
#define HOLDING   40
#define UNIT_ID   1

/* exception codes */
#define EX_FUNC   1
#define EX_ADDR   2
#define EX_VALUE  3

struct meter {
    u16   input[24];              /* measured: U, I, P, E per phase      */
    u16   holding[HOLDING];       /* CT ratio, VT ratio, tariff, names   */
    u16   journal[16];
    void (*on_write)(struct meter *, u16, u16);
    unsigned long writes;
};

static struct meter *meter;
static pthread_mutex_t mx = PTHREAD_MUTEX_INITIALIZER;

static u16 be16(const u8 *p) { return (u16)(p[0] << 8 | p[1]); }
static void put16(u8 *p, unsigned v) { p[0] = (u8)(v >> 8); p[1] = (u8)v; }

static int except(u8 *pdu, u8 code)
{
    pdu[0] |= 0x80;
    pdu[1] = code;
    return 2;
}

static void journal_write(struct meter *m, u16 addr, u16 count)
{
    memmove(m->journal + 2, m->journal, sizeof m->journal - 2 * sizeof(u16));
    m->journal[0] = addr;
    m->journal[1] = count;
    m->writes++;
}

/* 03 / 04 */
static int fn_read(u8 *pdu, int len)
{
    u16 addr, qty;
    int i, max;
    const u16 *src;

    if (len < 5)
        return except(pdu, EX_VALUE);
    addr = be16(pdu + 1);
    qty = be16(pdu + 3);
    src = pdu[0] == 3 ? meter->holding : meter->input;
    max = pdu[0] == 3 ? HOLDING : 24;
    if (qty < 1 || qty > 120)
        return except(pdu, EX_VALUE);
    if (addr + qty > max)
        return except(pdu, EX_ADDR);
    pdu[1] = (u8)(qty * 2);
    for (i = 0; i < qty; i++)
        put16(pdu + 2 + 2 * i, src[addr + i]);
    return 2 + qty * 2;
}

/* 06 */
static int fn_write_one(u8 *pdu, int len)
{
    u16 addr;

    if (len < 5)
        return except(pdu, EX_VALUE);
    addr = be16(pdu + 1);
    if (addr >= HOLDING)
        return except(pdu, EX_ADDR);
    meter->holding[addr] = be16(pdu + 3);
    meter->on_write(meter, addr, 1);
    return 5;
}

/* 16 */
static int fn_write_many(u8 *pdu, int len)
{
    u16 block[HOLDING];
    u16 addr, qty, i;
    u8  bytes;

    if (len < 6)
        return except(pdu, EX_VALUE);
    addr = be16(pdu + 1);
    qty = be16(pdu + 3);
    bytes = pdu[5];
    if (qty < 1 || addr + qty > HOLDING)
        return except(pdu, EX_ADDR);
    if (len < 6 + bytes)
        return except(pdu, EX_VALUE);
    memcpy(block, pdu + 6, bytes);
    for (i = 0; i < qty; i++)
        meter->holding[addr + i] = ntohs(block[i]);
    meter->on_write(meter, addr, qty);
    return 5;
}

/* 17 */
static int fn_ident(u8 *pdu, int len)
{
    static const char id[] = "SUBM-3P 1.04";

    (void)len;
    pdu[1] = sizeof id;
    memcpy(pdu + 2, id, sizeof id - 1);
    pdu[1 + sizeof id] = 0xff;
    return 2 + (int)sizeof id;
}

static const struct {
    u8    code;
    int (*fn)(u8 *, int);
} functions[] = {
    { 0x03, fn_read },
    { 0x04, fn_read },
    { 0x06, fn_write_one },
    { 0x10, fn_write_many },
    { 0x11, fn_ident },
};

static int execute(u8 *pdu, int len)
{
    unsigned i;
    int n;

    for (i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (functions[i].code == pdu[0]) {
            pthread_mutex_lock(&mx);
            n = functions[i].fn(pdu, len);
            pthread_mutex_unlock(&mx);
            return n;
        }
    return except(pdu, EX_FUNC);
}

static int get_all(int s, u8 *p, int n)
{
    int r, have = 0;

    while (have < n) {
        r = recv(s, p + have, n - have, 0);
        if (r <= 0)
            return -1;
        have += r;
    }
    return have;
}

static void *master(void *arg)
{
    int s = (int)(intptr_t)arg, len, n;
    u8 adu[ADU_MAX];

    for (;;) {
        if (get_all(s, adu, MBAP) < 0)
            break;
        len = be16(adu + 4) - 1;
        if (be16(adu + 2) != 0 || len < 1 || len > ADU_MAX - MBAP)
            break;
        if (get_all(s, adu + MBAP, len) < 0)
            break;
        if (adu[6] != UNIT_ID && adu[6] != 0xff)
            continue;
        n = execute(adu + MBAP, len);
        put16(adu + 4, n + 1);
        if (send(s, adu, MBAP + n, MSG_NOSIGNAL) != MBAP + n)
            break;
    }
    close(s);
    return NULL;
}

/* one measuring cycle per second, counters from the metering chip */
static void *measure(void *arg)
{
    unsigned v[24];
    char line[256], *p, *end;
    FILE *f;
    int i;

    (void)arg;
    for (;;) {
        sleep(1);
        f = fopen("/sys/class/metering/ade0/snapshot", "r");
        if (!f)
            continue;
        p = fgets(line, sizeof line, f);
        fclose(f);
        if (!p)
            continue;
        for (i = 0; i < 24; i++) {
            v[i] = (unsigned)strtoul(p, &end, 10);
            if (end == p)
                break;
            p = end;
        }
        pthread_mutex_lock(&mx);
        while (i-- > 0)
            meter->input[i] = (u16)v[i];
        pthread_mutex_unlock(&mx);
    }
    return NULL;
}

static void load_defaults(struct meter *m)
{
    m->holding[0] = 100;          /* CT ratio x 100 */
    m->holding[1] = 1;            /* VT ratio       */
    m->holding[2] = 0;            /* tariff         */
    m->on_write = journal_write;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a;
    pthread_t t;
    int s, c, one = 1, port = MB_PORT;
    char *env = getenv("MB_PORT");

    if (env && atoi(env) > 0)
        port = atoi(env);
    meter = calloc(1, sizeof *meter);
    if (!meter)
        return 1;
    load_defaults(meter);
    if (pthread_create(&t, NULL, measure, NULL))
        return 1;
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons((u16)port);
    if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 4) < 0) {
        perror("mbmeter");
        return 1;
    }
    for (;;) {
        c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        if (pthread_create(&t, NULL, master, (void *)(intptr_t)c))
            close(c);
        else
            pthread_detach(t);
    }
}
