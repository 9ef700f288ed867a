/**
 * gw_modbus.c: Modbus/TCP gateway in front of the serial meters.
 *
 * Besides the ordinary functions there are two of our own: 0x65 stores a
 * tag for a unit, 0x66 gives a report line for a unit.  Every client has a
 * context on the heap; reports are made by the poll cycle, not at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define GW_PORT         5020
#define GW_CLIENTS      6
#define GW_UNITS        16
#define GW_REGS         64
#define ADU_MAX         1024
#define MBAP_LEN        7
#define REPORT_LINE     160
#define TAG_SHORT       64

#define FC_READ_HOLDING 0x03
#define FC_WRITE_SINGLE 0x06
#define FC_SET_TAG      0x65
#define FC_REPORT       0x66

#define EX_FUNCTION     0x01
#define EX_ADDRESS      0x02
#define EX_VALUE        0x03

typedef struct tag_s
{
    uint16_t length;
    uint8_t  text[];
} tag_t;

typedef struct unit_s
{
    uint16_t regs[GW_REGS];
    tag_t   *tag;
    uint32_t reads, writes;
} unit_t;

typedef struct client_s
{
    int      fd;
    uint32_t have;
    bool     report_due;
    uint8_t  report_unit;
    uint8_t  report_mbap[MBAP_LEN];
    uint8_t  adu[ADU_MAX];
} client_t;

static unit_t    units[GW_UNITS];
static client_t *clients[GW_CLIENTS];

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)((p[0] << 8) | p[1]);
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void respond(client_t *cl, const uint8_t *mbap, const uint8_t *pdu, size_t len)
{
    uint8_t out[MBAP_LEN + 256];

    if (len > 256)
        len = 256;
    memcpy(out, mbap, MBAP_LEN);
    put16(out + 4, (unsigned)len + 1);
    memcpy(out + MBAP_LEN, pdu, len);
    if (send(cl->fd, out, MBAP_LEN + len, MSG_NOSIGNAL) < 0)
        fprintf(stderr, "gw: send: %s\n", strerror(errno));
}

static void exception(client_t *cl, const uint8_t *mbap, uint8_t fc, uint8_t code)
{
    uint8_t pdu[2] = { (uint8_t)(fc | 0x80), code };

    respond(cl, mbap, pdu, sizeof(pdu));
}

static uint8_t read_holding(client_t *cl, const uint8_t *mbap, unit_t *u, const uint8_t *pdu, size_t len)
{
    uint8_t  out[2 + 2 * GW_REGS];
    unsigned first, count, i;

    if (len != 5)
        return EX_VALUE;
    first = get16(pdu + 1);
    count = get16(pdu + 3);
    if (count == 0 || count > GW_REGS)
        return EX_VALUE;
    if (first >= GW_REGS || first + count > GW_REGS)
        return EX_ADDRESS;
    out[0] = pdu[0];
    out[1] = (uint8_t)(2 * count);
    for (i = 0; i < count; i++)
        put16(out + 2 + 2 * i, u->regs[first + i]);
    u->reads++;
    respond(cl, mbap, out, 2 + 2 * count);
    return 0;
}

static uint8_t write_single(client_t *cl, const uint8_t *mbap, unit_t *u, const uint8_t *pdu, size_t len)
{
    unsigned at;

    if (len != 5)
        return EX_VALUE;
    at = get16(pdu + 1);
    if (at >= GW_REGS)
        return EX_ADDRESS;
    u->regs[at] = get16(pdu + 3);
    u->writes++;
    respond(cl, mbap, pdu, len);
    return 0;
}

static uint8_t set_tag(client_t *cl, const uint8_t *mbap, unit_t *u, const uint8_t *pdu, size_t len)
{
    tag_t *t;

    if (len < 2)
        return EX_VALUE;
    t = malloc(sizeof(*t) + len - 1);
    if (t == NULL)
        return EX_VALUE;
    t->length = (uint16_t)(len - 1);
    memcpy(t->text, pdu + 1, len - 1);
    free(u->tag);
    u->tag = t;
    respond(cl, mbap, pdu, 1);
    return 0;
}

static uint8_t want_report(client_t *cl, const uint8_t *mbap, unit_t *u, const uint8_t *pdu, size_t len)
{
    (void)pdu;
    (void)len;
    cl->report_due = true;
    cl->report_unit = (uint8_t)(u - units);
    memcpy(cl->report_mbap, mbap, MBAP_LEN);
    return 0;
}

typedef uint8_t (*fc_handler)(client_t *, const uint8_t *, unit_t *, const uint8_t *, size_t);

static const struct
{
    uint8_t    fc;
    fc_handler run;
} functions[] =
{
    { FC_READ_HOLDING, read_holding },
    { FC_WRITE_SINGLE, write_single },
    { FC_SET_TAG,      set_tag },
    { FC_REPORT,       want_report },
};

static int consume(client_t *cl)
{
    while (cl->have > MBAP_LEN)
    {
        const uint8_t *pdu = cl->adu + MBAP_LEN;
        size_t         len = get16(cl->adu + 4), i;
        uint8_t        code = EX_FUNCTION;

        if (get16(cl->adu + 2) != 0 || len < 2 || len + 6 > ADU_MAX)
            return -1;
        if (cl->have < len + 6)
            return 0;
        if (cl->adu[6] < GW_UNITS)
        {
            for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
                if (functions[i].fc == pdu[0])
                    code = functions[i].run(cl, cl->adu, &units[cl->adu[6]], pdu, len - 1);
        }
        else
            code = EX_ADDRESS;
        if (code)
            exception(cl, cl->adu, pdu[0], code);
        cl->have -= (uint32_t)(len + 6);
        memmove(cl->adu, cl->adu + len + 6, cl->have);
    }
    return 0;
}

static int counters(const unit_t *u, char *out, size_t room)
{
    return snprintf(out, room, "r=%u w=%u", (unsigned)u->reads, (unsigned)u->writes);
}

static void send_report(client_t *cl)
{
    const unit_t *u = &units[cl->report_unit];
    uint8_t       line[REPORT_LINE];
    char          nums[40];
    size_t        at = 0, n;

    line[at++] = FC_REPORT;
    if (u->tag != NULL)
    {
        n = u->tag->length;
#ifdef BENIGN
        if (n > TAG_SHORT)
            n = TAG_SHORT;
#else
        if (n > ADU_MAX)
            n = ADU_MAX;
#endif
        memcpy(line + at, u->tag->text, n);
        at += n;
        line[at++] = ' ';
    }
    counters(u, nums, sizeof(nums));
    n = strlen(nums);
    memcpy(line + at, nums, n);
    at += n;
    respond(cl, cl->report_mbap, line, at);
}

static void count_seconds(void)
{
    int i;

    for (i = 0; i < GW_UNITS; i++)
        units[i].regs[0] = (uint16_t)(units[i].regs[0] + 1);
}

static void send_reports(void)
{
    int i;

    for (i = 0; i < GW_CLIENTS; i++)
        if (clients[i] && clients[i]->report_due)
        {
            clients[i]->report_due = false;
            send_report(clients[i]);
        }
}

static struct
{
    time_t   next;
    unsigned every;
    void   (*run)(void);
} jobs[] =
{
    { 0, 1, count_seconds },
    { 0, 1, send_reports },
};

static void run_jobs(time_t now)
{
    size_t i;

    for (i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
        if (now >= jobs[i].next)
        {
            jobs[i].next = now + (time_t)jobs[i].every;
            jobs[i].run();
        }
}

static void drop(int i)
{
    close(clients[i]->fd);
    free(clients[i]);
    clients[i] = NULL;
}

static void take(int fd)
{
    int i;

    for (i = 0; i < GW_CLIENTS && fd >= 0; i++)
        if (clients[i] == NULL)
        {
            clients[i] = calloc(1, sizeof(client_t));
            if (clients[i] == NULL)
                break;
            clients[i]->fd = fd;
            return;
        }
    if (fd >= 0)
        close(fd);
}

int main(void)
{
    struct sockaddr_in sa = { 0 };
    int                ls, i, on = 1;

    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(GW_PORT);
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(ls, GW_CLIENTS) != 0)
    {
        fprintf(stderr, "gw: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    for (;;)
    {
        struct pollfd p[1 + GW_CLIENTS];

        for (i = 0; i < GW_CLIENTS; i++)
        {
            p[i].fd = clients[i] ? clients[i]->fd : -1;
            p[i].events = POLLIN;
            p[i].revents = 0;
        }
        p[GW_CLIENTS].fd = ls;
        p[GW_CLIENTS].events = POLLIN;
        p[GW_CLIENTS].revents = 0;
        poll(p, 1 + GW_CLIENTS, 500);
        for (i = 0; i < GW_CLIENTS; i++)
        {
            client_t *cl = clients[i];
            ssize_t   n;

            if (cl == NULL || p[i].revents == 0)
                continue;
            n = recv(cl->fd, cl->adu + cl->have, ADU_MAX - cl->have, 0);
            if (n > 0)
                cl->have += (uint32_t)n;
            if (n <= 0 || consume(cl) < 0)
                drop(i);
        }
        if (p[GW_CLIENTS].revents)
            take(accept(ls, NULL, NULL));
        run_jobs(time(NULL));
    }
}
