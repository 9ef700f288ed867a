/*
 * PLC runtime, "maintenance" port.
 *
 * Binary request:
 *   u16 sync (0x5AA5)  u8 cmd  u8 flags  u16 len  u16 crc  payload[len]
 * Firmware is fetched by the PLC itself: the engineering tool only sends the
 * location, the download is started by the cyclic task when the program stops.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <spawn.h>
#include <time.h>
#include <pthread.h>
#include <sys/wait.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define MAINT_PORT  2455
#define SYNC        0x5AA5
#define MAX_PAYLOAD 512

extern char **environ;

typedef struct
{
    uint16_t sync;
    uint8_t  cmd;
    uint8_t  flags;
    uint16_t len;
    uint16_t crc;
} __attribute__((packed)) MaintHead;

typedef struct
{
    char     url[256];
    uint32_t requestedAt;
    uint8_t  force;
} UpdateOrder;

typedef struct
{
    int          running;
    uint32_t     cycles;
    uint16_t     inputs;
    uint16_t     outputs;
    UpdateOrder *order;
    pthread_mutex_t lock;
} PlcState;

static PlcState plc = { 1, 0, 0, 0, NULL, PTHREAD_MUTEX_INITIALIZER };

static uint16_t Crc16(const uint8_t *p, size_t n)
{
    uint16_t crc = 0xFFFF;

    while (n--)
    {
        int b;

        crc ^= *p++;
        for (b = 0; b < 8; b++)
            crc = (crc & 1) ? (crc >> 1) ^ 0xA001 : crc >> 1;
    }
    return crc;
}

static int FetchFirmware(const UpdateOrder *o)
{
    pid_t pid;
    int status;
    char line[384];
    char *argv[4];

    snprintf(line, sizeof(line), "wget -q -O /tmp/fw.bin %s && /sbin/fwcheck /tmp/fw.bin", o->url);
    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = line;
    argv[3] = NULL;
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) != 0)
        return -1;
    if (waitpid(pid, &status, 0) < 0)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void *CyclicTask(void *unused)
{
    struct timespec period = { 0, 10 * 1000 * 1000 };

    for (;;)
    {
        UpdateOrder *o = NULL;

        nanosleep(&period, NULL);
        pthread_mutex_lock(&plc.lock);
        if (plc.running)
        {
            plc.cycles++;
            plc.outputs = plc.inputs;
        }
        if (plc.order && (!plc.running || plc.order->force))
        {
            o = plc.order;
            plc.order = NULL;
        }
        pthread_mutex_unlock(&plc.lock);
        if (o)
        {
            int rc = FetchFirmware(o);

            fprintf(stderr, "update requested at %u: %d\n", (unsigned)o->requestedAt, rc);
            free(o);
        }
    }
    return NULL;
}

static int CmdState(const MaintHead *h, uint8_t *pl, uint8_t *out)
{
    uint32_t c = htonl(plc.cycles);

    out[0] = (uint8_t)plc.running;
    memcpy(out + 1, &c, 4);
    return 5;
}

static int CmdRunStop(const MaintHead *h, uint8_t *pl, uint8_t *out)
{
    plc.running = h->flags & 1;
    out[0] = 0;
    return 1;
}

static int CmdForceInput(const MaintHead *h, uint8_t *pl, uint8_t *out)
{
    if (h->len < 2)
        return -1;
    plc.inputs = (uint16_t)(pl[0] << 8 | pl[1]);
    out[0] = 0;
    return 1;
}

static int CmdUpdate(const MaintHead *h, uint8_t *pl, uint8_t *out)
{
    UpdateOrder *o;

    if (h->len < 8 || h->len >= sizeof(o->url))
        return -1;
    if (memcmp(pl, "http://", 7) != 0)
        return -1;
    o = calloc(1, sizeof(*o));
    if (o == NULL)
        return -1;
    memcpy(o->url, pl, h->len);
    o->requestedAt = (uint32_t)time(NULL);
    o->force = h->flags & 0x80;
    free(plc.order);
    plc.order = o;
    out[0] = 0;
    return 1;
}

typedef int (*MaintFn)(const MaintHead *h, uint8_t *pl, uint8_t *out);

static MaintFn table[16] =
{
    [0x1] = CmdState,
    [0x2] = CmdRunStop,
    [0x3] = CmdForceInput,
    [0x8] = CmdUpdate,
};

static int RecvAll(int s, void *buf, size_t n)
{
    uint8_t *p = buf;

    while (n)
    {
        ssize_t r = recv(s, p, n, 0);

        if (r <= 0)
            return -1;
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

static void Session(int s)
{
    uint8_t pl[MAX_PAYLOAD], out[64];
    MaintHead h;
    int r;

    while (RecvAll(s, &h, sizeof(h)) == 0)
    {
        h.sync = ntohs(h.sync);
        h.len = ntohs(h.len);
        h.crc = ntohs(h.crc);
        if (h.sync != SYNC || h.len > sizeof(pl))
            return;
        if (RecvAll(s, pl, h.len) < 0 || Crc16(pl, h.len) != h.crc)
            return;
        r = -1;
        if (h.cmd < 16 && table[h.cmd])
        {
            pthread_mutex_lock(&plc.lock);
            r = table[h.cmd](&h, pl, out + 2);
            pthread_mutex_unlock(&plc.lock);
        }
        out[0] = h.cmd;
        out[1] = r < 0 ? 0xFF : (uint8_t)r;
        send(s, out, r < 0 ? 2 : (size_t)r + 2, MSG_NOSIGNAL);
    }
}

int main(void)
{
    struct sockaddr_in a;
    pthread_t t;
    int ls, s, on = 1;

    if (pthread_create(&t, NULL, CyclicTask, NULL) != 0)
        return 1;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons(MAINT_PORT);
    if (bind(ls, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(ls, 1) < 0)
        return 1;
    for (;;)
    {
        s = accept(ls, NULL, NULL);
        if (s < 0)
            continue;
        Session(s);
        close(s);
    }
}
