/* mbserver - Modbus/TCP server of the compact PLC, with the maker's own
 * function 0x64 for bulk writes (recipes) in frames of up to 2 KiB        */
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

#define MB_PORT        502
#define MB_MBAP        7
#define MB_MAXADU      2048
#define NREGS          1024
#define NCOILS         256
#define RECIPE_BYTES   200

enum { EX_FUNCTION = 1, EX_ADDRESS = 2, EX_VALUE = 3, EX_FAILURE = 4 };

typedef struct {
    const uint8_t *p;       /* behind the function code */
    unsigned       n;
    uint8_t       *out;     /* answer, behind the function code */
    unsigned       nout;
} pdu_t;

typedef struct {
    char     name[16];
    unsigned used;
    uint16_t crc;
    time_t   loaded;
} recipe_t;

static uint16_t regs[NREGS];
static uint8_t  coils[NCOILS];
static recipe_t recipe;
static volatile sig_atomic_t scan;
static unsigned long scans, frames, errors;

static unsigned be16(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }
static void put16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }

static uint16_t crc16(const uint8_t *p, size_t n)
{
    uint16_t c = 0xffff;

    while (n--) {
        c ^= *p++;
        for (int b = 0; b < 8; b++)
            c = (uint16_t)(c & 1 ? c >> 1 ^ 0xa001 : c >> 1);
    }
    return c;
}

static int fc_read_coils(pdu_t *d)
{
    unsigned a, q, i;

    if (d->n != 4)
        return EX_VALUE;
    a = be16(d->p);
    q = be16(d->p + 2);
    if (q < 1 || q > NCOILS || a >= NCOILS || a + q > NCOILS)
        return EX_ADDRESS;
    d->out[0] = (uint8_t)((q + 7) / 8);
    memset(d->out + 1, 0, d->out[0]);
    for (i = 0; i < q; i++)
        if (coils[a + i])
            d->out[1 + i / 8] |= (uint8_t)(1u << i % 8);
    d->nout = 1u + d->out[0];
    return 0;
}

static int fc_read_regs(pdu_t *d)
{
    unsigned a, q, i;

    if (d->n != 4)
        return EX_VALUE;
    a = be16(d->p);
    q = be16(d->p + 2);
    if (q < 1 || q > 125)
        return EX_VALUE;
    if (a + q > NREGS)
        return EX_ADDRESS;
    d->out[0] = (uint8_t)(q * 2);
    for (i = 0; i < q; i++)
        put16(d->out + 1 + 2 * i, regs[a + i]);
    d->nout = 1 + 2 * q;
    return 0;
}

static int fc_write_coil(pdu_t *d)
{
    unsigned a, v;

    if (d->n != 4)
        return EX_VALUE;
    a = be16(d->p);
    v = be16(d->p + 2);
    if (a >= NCOILS)
        return EX_ADDRESS;
    if (v != 0 && v != 0xff00)
        return EX_VALUE;
    coils[a] = v != 0;
    memcpy(d->out, d->p, 4);
    d->nout = 4;
    return 0;
}

static int fc_write_regs(pdu_t *d)
{
    unsigned a, q, i;

    if (d->n < 5)
        return EX_VALUE;
    a = be16(d->p);
    q = be16(d->p + 2);
    if (q < 1 || q > 123 || d->n != 5 + 2 * q)
        return EX_VALUE;
    if (a + q > NREGS)
        return EX_ADDRESS;
    for (i = 0; i < q; i++)
        regs[a + i] = (uint16_t)be16(d->p + 5 + 2 * i);
    memcpy(d->out, d->p, 4);
    d->nout = 4;
    return 0;
}

/* recipe: u8 slot, u16 number of registers, registers */
static int fc_bulk(pdu_t *d)
{
    uint8_t  work[RECIPE_BYTES];
    unsigned count, i;
    unsigned bytes;

    if (d->n < 3 || d->p[0] > 7)
        return EX_VALUE;
    count = be16(d->p + 1);
    if (count == 0 || count * 2 > d->n - 3)
        return EX_VALUE;
    bytes = count * 2;
    if (bytes > sizeof work) {
        errors++;
        return EX_ADDRESS;
    }
    memset(work, 0, sizeof work);
    memcpy(work, d->p + 3, count * 2);

    for (i = 0; i < RECIPE_BYTES / 2; i++)
        regs[d->p[0] * 100u + i] = (uint16_t)be16(work + 2 * i);
    recipe.used = bytes;
    recipe.crc = crc16(work, sizeof work);
    recipe.loaded = time(NULL);
    snprintf(recipe.name, sizeof recipe.name, "slot %u", d->p[0]);
    put16(d->out, recipe.crc);
    d->nout = 2;
    return 0;
}

static int fc_diag(pdu_t *d)
{
    put16(d->out, (unsigned)(frames & 0xffff));
    put16(d->out + 2, (unsigned)(errors & 0xffff));
    put16(d->out + 4, (unsigned)(scans & 0xffff));
    d->nout = 6;
    return 0;
}

typedef int (*fc_t)(pdu_t *);

static fc_t lookup(uint8_t fc)
{
    static const struct { uint8_t fc; fc_t fn; } tab[] = {
        { 0x01, fc_read_coils }, { 0x03, fc_read_regs }, { 0x05, fc_write_coil },
        { 0x08, fc_diag },       { 0x10, fc_write_regs }, { 0x64, fc_bulk },
    };
    for (size_t i = 0; i < sizeof tab / sizeof tab[0]; i++)
        if (tab[i].fc == fc)
            return tab[i].fn;
    return NULL;
}

static int recv_n(int s, uint8_t *b, size_t n)
{
    size_t got = 0;

    while (got < n) {
        ssize_t k = recv(s, b + got, n - got, 0);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return -1;
        got += (size_t)k;
    }
    return 0;
}

static int transact(int s)
{
    uint8_t  rx[MB_MAXADU], tx[MB_MBAP + 1 + 256];
    unsigned len;
    pdu_t    d;
    fc_t     fn;
    int      ex;

    if (recv_n(s, rx, MB_MBAP))
        return -1;
    len = be16(rx + 4);
    if (be16(rx + 2) != 0 || len < 2 || len > MB_MAXADU - MB_MBAP)
        return -1;
    if (recv_n(s, rx + MB_MBAP, len - 1))
        return -1;
    frames++;
    d.p = rx + MB_MBAP + 1;
    d.n = len - 2;
    d.out = tx + MB_MBAP + 1;
    d.nout = 0;
    fn = lookup(rx[MB_MBAP]);
    ex = fn ? fn(&d) : EX_FUNCTION;
    memcpy(tx, rx, MB_MBAP + 1);
    if (ex) {
        tx[MB_MBAP] |= 0x80;
        d.out[0] = (uint8_t)ex;
        d.nout = 1;
    }
    put16(tx + 4, d.nout + 2);
    return send(s, tx, MB_MBAP + 1 + d.nout, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static void on_scan(int sig)
{
    (void)sig;
    scan = 1;
}

/* a stand-in for the user program: pump follows the level */
static void plc_scan(void)
{
    scan = 0;
    scans++;
    coils[0] = regs[10] < regs[11];
    coils[1] = regs[10] > regs[12];
}

int main(void)
{
    struct itimerval it = { { 0, 100000 }, { 0, 100000 } };
    struct sigaction sg;
    struct sockaddr_in a;
    int ls, s = -1, on = 1;

    memset(&sg, 0, sizeof sg);
    sg.sa_handler = on_scan;
    sg.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &sg, NULL);
    setitimer(ITIMER_REAL, &it, NULL);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(MB_PORT);
    if (ls < 0 || bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 2)) {
        perror("mbserver");
        return 1;
    }
    for (;;) {
        if (s < 0)
            s = accept(ls, NULL, NULL);
        if (s >= 0 && transact(s)) {
            close(s);
            s = -1;
        }
        if (scan)
            plc_scan();
    }
}
