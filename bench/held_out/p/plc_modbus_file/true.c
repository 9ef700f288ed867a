/* Modbus/TCP slave of a small PLC: coils, holding registers, and the vendor's function 0x64 for recipe blocks */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

#define MB_PORT      502
#define NREG         256
#define NCOIL        128
#define RECIPE_SIZE  128
#define NRECIPE      8
#define ADU_MAX      260

typedef struct {
    uint16_t reg[NREG];
    uint8_t  coil[NCOIL];
    uint32_t scan_count;
    uint8_t  running;
} image_t;

typedef struct {
    uint8_t  data[RECIPE_SIZE];
    uint16_t used;
    uint8_t  valid;
} recipe_t;

static image_t   img;
static recipe_t *recipe[NRECIPE];
static pthread_mutex_t img_mx = PTHREAD_MUTEX_INITIALIZER;

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static void put16(uint8_t *p, uint16_t v) { p[0] = v >> 8; p[1] = v & 0xff; }

/* all handlers: pdu[0] is the function; answer is built in rsp; returns its length, or -exception */
typedef int (*mb_fn)(const uint8_t *pdu, int len, uint8_t *rsp);

static int fn_read_coils(const uint8_t *pdu, int len, uint8_t *rsp)
{
    unsigned a, n, i;
    if (len != 5)
        return -3;
    a = get16(pdu + 1);
    n = get16(pdu + 3);
    if (n == 0 || a + n > NCOIL)
        return -2;
    rsp[1] = (n + 7) / 8;
    memset(rsp + 2, 0, rsp[1]);
    for (i = 0; i < n; i++)
        if (img.coil[a + i])
            rsp[2 + i / 8] |= 1 << (i & 7);
    return 2 + rsp[1];
}

static int fn_read_regs(const uint8_t *pdu, int len, uint8_t *rsp)
{
    unsigned a, n, i;
    if (len != 5)
        return -3;
    a = get16(pdu + 1);
    n = get16(pdu + 3);
    if (n == 0 || n > 125 || a + n > NREG)
        return -2;
    rsp[1] = n * 2;
    for (i = 0; i < n; i++)
        put16(rsp + 2 + 2 * i, img.reg[a + i]);
    return 2 + n * 2;
}

static int fn_write_coil(const uint8_t *pdu, int len, uint8_t *rsp)
{
    unsigned a;
    if (len != 5)
        return -3;
    a = get16(pdu + 1);
    if (a >= NCOIL)
        return -2;
    img.coil[a] = pdu[3] == 0xff;
    memcpy(rsp + 1, pdu + 1, 4);
    return 5;
}

static int fn_write_regs(const uint8_t *pdu, int len, uint8_t *rsp)
{
    unsigned a, n, i;
    if (len < 6)
        return -3;
    a = get16(pdu + 1);
    n = get16(pdu + 3);
    if (n == 0 || n > 123 || pdu[5] != n * 2 || len < (int)(6 + n * 2))
        return -3;
    if (a + n > NREG)
        return -2;
    for (i = 0; i < n; i++)
        img.reg[a + i] = get16(pdu + 6 + 2 * i);
    memcpy(rsp + 1, pdu + 1, 4);
    return 5;
}

/* 0x64: slot, offset, count, bytes */
static int fn_recipe(const uint8_t *pdu, int len, uint8_t *rsp)
{
    recipe_t *r;
    unsigned slot, off, cnt;

    if (len < 4)
        return -3;
    slot = pdu[1];
    off = pdu[2];
    cnt = pdu[3];
    if (slot >= NRECIPE)
        return -2;
    if (len < (int)(4 + cnt))
        return -3;
    r = recipe[slot];
    if (off >= RECIPE_SIZE || cnt > ADU_MAX - 11)
        return -2;
    memcpy(r->data + off, pdu + 4, cnt);
    if (off + cnt > r->used)
        r->used = off + cnt;
    r->valid = 1;
    rsp[1] = slot;
    rsp[2] = off;
    rsp[3] = cnt;
    return 4;
}

static mb_fn mb_table[128] = {
    [0x01] = fn_read_coils,
    [0x03] = fn_read_regs,
    [0x05] = fn_write_coil,
    [0x10] = fn_write_regs,
    [0x64] = fn_recipe,
};

static int read_full(int fd, uint8_t *p, int n)
{
    int got = 0, r;
    while (got < n) {
        r = read(fd, p + got, n - got);
        if (r <= 0)
            return -1;
        got += r;
    }
    return got;
}

static void *session(void *arg)
{
    int fd = (int)(intptr_t)arg, len, n;
    uint8_t req[ADU_MAX], rsp[ADU_MAX + 4];
    mb_fn fn;

    for (;;) {
        if (read_full(fd, req, 7) < 0)
            break;
        len = get16(req + 4) - 1;
        if (get16(req + 2) != 0 || len < 1 || len > ADU_MAX - 7)
            break;
        if (read_full(fd, req + 7, len) < 0)
            break;
        memcpy(rsp, req, 8);
        fn = req[7] < 128 ? mb_table[req[7]] : NULL;
        pthread_mutex_lock(&img_mx);
        n = fn ? fn(req + 7, len, rsp + 7) : -1;
        pthread_mutex_unlock(&img_mx);
        if (n < 0) {
            rsp[7] |= 0x80;
            rsp[8] = -n;
            n = 2;
        }
        put16(rsp + 4, n + 1);
        if (send(fd, rsp, 7 + n, MSG_NOSIGNAL) < 0)
            break;
    }
    close(fd);
    return NULL;
}

/* 50 ms scan */
static void *scan(void *arg)
{
    int i;
    for (;;) {
        usleep(50000);
        pthread_mutex_lock(&img_mx);
        img.scan_count++;
        img.running = img.coil[0];
        if (img.running) {
            img.reg[0] = img.scan_count & 0xffff;
            for (i = 0; i < NRECIPE; i++)
                if (recipe[i]->valid && recipe[i]->used >= 2 && img.coil[16 + i]) {
                    img.reg[16 + i] = get16(recipe[i]->data);
                    img.coil[16 + i] = 0;
                }
        }
        pthread_mutex_unlock(&img_mx);
    }
    return NULL;
}

int main(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(MB_PORT) };
    pthread_t t;
    int s, c, i, one = 1;

    for (i = 0; i < NRECIPE; i++)
        if (!(recipe[i] = calloc(1, sizeof(recipe_t))))
            return 1;
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 4) < 0) {
        perror("modbus");
        return 1;
    }
    pthread_create(&t, NULL, scan, NULL);
    while ((c = accept(s, NULL, NULL)) >= 0) {
        if (pthread_create(&t, NULL, session, (void *)(intptr_t)c))
            close(c);
        else
            pthread_detach(t);
    }
    return 0;
}
