#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <syslog.h>
#include <poll.h>

#define METER_TCP_PORT      7259
#define FRAME_START         0x68u
#define FRAME_STOP          0x16u
#define FRAME_MAX_USER      255u
#define CI_VARIABLE_DATA    0x72u
#define CI_RESET            0x50u
#define DIF_INT32           0x04u
#define DIF_INT16           0x02u
#define DIF_VARIABLE        0x0Du
#define VIF_ENERGY          0x03u
#define VIF_POWER           0x2Bu
#define VIF_CUSTOMER        0x11u

typedef enum { ST_OK = 0, ST_EOF, ST_SYNC, ST_CRC, ST_FORMAT } Status;

typedef struct
{
    uint8_t c_field;
    uint8_t a_field;
    uint8_t ci_field;
    uint8_t user[FRAME_MAX_USER];
    uint8_t user_len;
} Frame;

typedef struct
{
    uint8_t  address;
    uint32_t energy_wh;
    uint16_t power_w;
    char     customer[24];
    unsigned frames;
} Meter;

static Meter g_meters[8];
static size_t g_meter_count;

static Status read_bytes(int fd, uint8_t *dst, size_t count)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    while (count > 0u)
    {
        ssize_t n;

        if (poll(&pfd, 1, 10000) <= 0)
        {
            return ST_EOF;
        }
        n = recv(fd, dst, count, 0);
        if (n <= 0)
        {
            return ST_EOF;
        }
        dst += n;
        count -= (size_t)n;
    }
    return ST_OK;
}

static Status frame_receive(int fd, Frame *f)
{
    uint8_t head[4];
    uint8_t fields[3];
    uint8_t tail[2];
    uint8_t sum;
    Status st = read_bytes(fd, head, sizeof(head));

    if (st != ST_OK)
    {
        return st;
    }
    if (head[0] != FRAME_START || head[3] != FRAME_START || head[1] != head[2] || head[1] < 3u)
    {
        return ST_SYNC;
    }
    st = read_bytes(fd, fields, sizeof(fields));
    if (st != ST_OK)
    {
        return st;
    }
    f->c_field = fields[0];
    f->a_field = fields[1];
    f->ci_field = fields[2];
    f->user_len = (uint8_t)(head[1] - 3u);
    st = read_bytes(fd, f->user, f->user_len);
    if (st != ST_OK)
    {
        return st;
    }
    st = read_bytes(fd, tail, sizeof(tail));
    if (st != ST_OK)
    {
        return st;
    }
    sum = (uint8_t)(fields[0] + fields[1] + fields[2]);
    for (unsigned i = 0; i < f->user_len; i++)
    {
        sum = (uint8_t)(sum + f->user[i]);
    }
    if (sum != tail[0])
    {
        return ST_CRC;
    }
    return (tail[1] == FRAME_STOP) ? ST_OK : ST_SYNC;
}

static Meter *meter_find(uint8_t address)
{
    for (size_t i = 0; i < g_meter_count; i++)
    {
        if (g_meters[i].address == address)
        {
            return &g_meters[i];
        }
    }
    if (g_meter_count >= sizeof(g_meters) / sizeof(g_meters[0]))
    {
        return NULL;
    }
    g_meters[g_meter_count].address = address;
    return &g_meters[g_meter_count++];
}

static void customer_store(Meter *m, const uint8_t *data, size_t len)
{
    char text[24];
    size_t i;

    if (len == 0u || len >= sizeof(text))
    {
        return;
    }
    memcpy(text, data, len);
    for (i = 0; i < sizeof(text) - 1u && i < len; i++)
    {
        if (text[i] < 0x20 || text[i] > 0x7e)
        {
            text[i] = '.';
        }
    }
    text[i] = '\0';
    syslog(LOG_INFO, "meter %u customer '%s'", m->address, text);
    snprintf(m->customer, sizeof(m->customer), "%s", text);
}

static Status records_decode(Meter *m, const uint8_t *p, size_t left)
{
    while (left >= 2u)
    {
        uint8_t dif = p[0];
        uint8_t vif = p[1];
        size_t used = 2u;

        switch (dif)
        {
        case DIF_INT32:
            if (left < 6u)
            {
                return ST_FORMAT;
            }
            if (vif == VIF_ENERGY)
            {
                m->energy_wh = (uint32_t)p[2] | ((uint32_t)p[3] << 8) |
                               ((uint32_t)p[4] << 16) | ((uint32_t)p[5] << 24);
            }
            used += 4u;
            break;
        case DIF_INT16:
            if (left < 4u)
            {
                return ST_FORMAT;
            }
            if (vif == VIF_POWER)
            {
                m->power_w = (uint16_t)(p[2] | (p[3] << 8));
            }
            used += 2u;
            break;
        case DIF_VARIABLE:
            if (left < 3u || left - 3u < p[2])
            {
                return ST_FORMAT;
            }
            if (vif == VIF_CUSTOMER)
            {
                customer_store(m, p + 3, p[2]);
            }
            used += 1u + p[2];
            break;
        default:
            return ST_FORMAT;
        }
        p += used;
        left -= used;
    }
    return ST_OK;
}

static void frame_process(int fd, const Frame *f)
{
    static const uint8_t ack = 0xE5u;
    Meter *m = meter_find(f->a_field);

    if (m == NULL)
    {
        return;
    }
    m->frames++;
    if (f->ci_field == CI_VARIABLE_DATA)
    {
        if (records_decode(m, f->user, f->user_len) != ST_OK)
        {
            syslog(LOG_WARNING, "meter %u: bad record", m->address);
        }
    }
    else if (f->ci_field == CI_RESET)
    {
        m->frames = 0u;
        m->customer[0] = '\0';
    }
    (void)send(fd, &ack, 1u, MSG_NOSIGNAL);
}

static void export_values(void)
{
    FILE *out = fopen("/var/run/meters.csv", "w");

    if (out == NULL)
    {
        return;
    }
    for (size_t i = 0; i < g_meter_count; i++)
    {
        fprintf(out, "%u;%s;%lu;%u;%u\n", g_meters[i].address, g_meters[i].customer,
                (unsigned long)g_meters[i].energy_wh, g_meters[i].power_w, g_meters[i].frames);
    }
    fclose(out);
}

int main(void)
{
    struct sockaddr_in local;
    int srv;

    openlog("mbusd", LOG_PID, LOG_LOCAL2);
    srv = socket(AF_INET, SOCK_STREAM, 0);
    if (srv < 0)
    {
        return EXIT_FAILURE;
    }
    memset(&local, 0, sizeof(local));
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_ANY);
    local.sin_port = htons(METER_TCP_PORT);
    if (bind(srv, (struct sockaddr *)&local, sizeof(local)) != 0 || listen(srv, 2) != 0)
    {
        syslog(LOG_ERR, "cannot listen");
        return EXIT_FAILURE;
    }
    for (;;)
    {
        Frame frame;
        Status st;
        int fd = accept(srv, NULL, NULL);

        if (fd < 0)
        {
            continue;
        }
        while ((st = frame_receive(fd, &frame)) == ST_OK)
        {
            frame_process(fd, &frame);
        }
        if (st != ST_EOF)
        {
            syslog(LOG_NOTICE, "link error %d", (int)st);
        }
        close(fd);
        export_values();
    }
}
