/****************************************************************************
 * PoE switch - neighbour discovery ("PDP", our LLDP over UDP for the phones
 * and cameras that cannot send raw frames). Power budget is negotiated from
 * what the neighbours announce.
 ****************************************************************************/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <errno.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define PDP_UDP_PORT     9131
#define PDP_GROUP        "239.7.7.1"
#define PDP_MAGIC        0x50445031u      /* "PDP1" */

#define TLV_END          0
#define TLV_CHASSIS      1
#define TLV_TTL          3
#define TLV_SYSNAME      5
#define TLV_MODEL        6
#define TLV_POWER        9

#define NAME_SZ          64
#define MODEL_SZ         32
#define PORTS            24
#define BUDGET_MW        370000

typedef struct _NEIGH
{
    struct _NEIGH  *next;
    uint8_t         mac[6];
    uint8_t         port;
    uint16_t        ttl;
    uint32_t        wantMw;
    uint32_t        grantMw;
    time_t          seen;
    char            sysName[NAME_SZ];
    char            model[MODEL_SZ];
} NEIGH;

static NEIGH          *neighHead = NULL;
static pthread_mutex_t neighSem  = PTHREAD_MUTEX_INITIALIZER;
static uint32_t        budgetUsed = 0;
static struct { uint32_t rx, badMagic, badTlv, aged; } stats;

#define RD16(p)   ((uint16_t)(((p)[0] << 8) | (p)[1]))
#define RD32(p)   (((uint32_t)RD16(p) << 16) | RD16((p) + 2))

static NEIGH *neighFind(const uint8_t *mac)
{
    NEIGH *p;

    for (p = neighHead; p != NULL; p = p->next)
    {
        if (memcmp(p->mac, mac, 6) == 0)
            return p;
    }
    p = (NEIGH *)calloc(1, sizeof(NEIGH));
    if (p != NULL)
    {
        memcpy(p->mac, mac, 6);
        p->ttl = 120;
        p->next = neighHead;
        neighHead = p;
    }
    return p;
}

static void powerGrant(NEIGH *n)
{
    char path[64];
    FILE *f;

    budgetUsed -= n->grantMw;
    if (n->wantMw <= BUDGET_MW - budgetUsed)
        n->grantMw = n->wantMw;
    else
        n->grantMw = 0;
    budgetUsed += n->grantMw;
    if (n->port >= PORTS)
        return;
    snprintf(path, sizeof(path), "/proc/poe/port%u/limit", n->port);
    f = fopen(path, "w");
    if (f != NULL)
    {
        fprintf(f, "%u\n", n->grantMw);
        fclose(f);
    }
}

/* TLV head as in LLDP: 7 bits of type, 9 bits of length */
static int pduParse(const uint8_t *pdu, int len)
{
    NEIGH   *n = NULL;
    int      off = 5;
    uint8_t  port = pdu[4];
    char     text[512];

    while (off + 2 <= len)
    {
        uint16_t head = RD16(pdu + off);
        int      type = head >> 9;
        int      tl   = head & 0x1FF;
        const uint8_t *v = pdu + off + 2;

        if (off + 2 + tl > len)
            return -EINVAL;
        off += 2 + tl;
        if (type == TLV_END)
            break;
        if (type == TLV_CHASSIS)
        {
            if (tl != 6 || (n = neighFind(v)) == NULL)
                return -EINVAL;
            n->port = port;
            n->seen = time(NULL);
            continue;
        }
        if (n == NULL)
            return -EINVAL;
        switch (type)
        {
        case TLV_TTL:
            if (tl != 2)
                return -EINVAL;
            n->ttl = RD16(v);
            break;
        case TLV_SYSNAME:
            memcpy(text, v, tl);
            text[tl] = '\0';
            strcpy(n->sysName, text);
            break;
        case TLV_MODEL:
            memcpy(text, v, tl);
            text[tl] = '\0';
            strcpy(n->model, text);
            break;
        case TLV_POWER:
            if (tl != 4)
                return -EINVAL;
            n->wantMw = RD32(v);
            if (n->wantMw > 90000)
                n->wantMw = 90000;
            powerGrant(n);
            break;
        default:
            break;
        }
    }
    return n != NULL ? 0 : -EINVAL;
}

static void *agingTask(void *arg)
{
    (void)arg;
    for (;;)
    {
        NEIGH **pp;
        time_t now;

        sleep(5);
        now = time(NULL);
        pthread_mutex_lock(&neighSem);
        pp = &neighHead;
        while (*pp != NULL)
        {
            NEIGH *n = *pp;
            if (now - n->seen > n->ttl)
            {
                *pp = n->next;
                n->wantMw = 0;
                powerGrant(n);
                free(n);
                stats.aged++;
            }
            else
                pp = &n->next;
        }
        pthread_mutex_unlock(&neighSem);
    }
    return NULL;
}

static void tableDump(void)
{
    static time_t last = 0;
    NEIGH *n;
    FILE *f;

    if (time(NULL) - last < 10)
        return;
    last = time(NULL);
    f = fopen("/tmp/pdp.table", "w");
    if (f == NULL)
        return;
    pthread_mutex_lock(&neighSem);
    for (n = neighHead; n != NULL; n = n->next)
    {
        fprintf(f, "%02x:%02x:%02x:%02x:%02x:%02x port %u %s (%s) %u/%u mW\n",
                n->mac[0], n->mac[1], n->mac[2], n->mac[3], n->mac[4], n->mac[5],
                n->port, n->sysName, n->model, n->grantMw, n->wantMw);
    }
    pthread_mutex_unlock(&neighSem);
    fprintf(f, "rx %u magic %u tlv %u aged %u\n", stats.rx, stats.badMagic,
            stats.badTlv, stats.aged);
    fclose(f);
}

static int sockOpen(void)
{
    struct sockaddr_in sin;
    struct ip_mreq mr;
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    if (s < 0)
        return -1;
    memset(&sin, 0, sizeof(sin));
    sin.sin_family      = AF_INET;
    sin.sin_port        = htons(PDP_UDP_PORT);
    sin.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) < 0)
    {
        close(s);
        return -1;
    }
    mr.imr_multiaddr.s_addr = inet_addr(PDP_GROUP);
    mr.imr_interface.s_addr = htonl(INADDR_ANY);
    setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr));
    return s;
}

int main(void)
{
    uint8_t pdu[1472];
    pthread_t tid;
    int s = sockOpen();

    if (s < 0)
    {
        fprintf(stderr, "pdp: socket: %s\n", strerror(errno));
        return 1;
    }
    pthread_create(&tid, NULL, agingTask, NULL);
    for (;;)
    {
        int len = (int)recvfrom(s, pdu, sizeof(pdu), 0, NULL, NULL);

        if (len < 7)
            continue;
        stats.rx++;
        if (RD32(pdu) != PDP_MAGIC)
        {
            stats.badMagic++;
            continue;
        }
        pthread_mutex_lock(&neighSem);
        if (pduParse(pdu, len) < 0)
            stats.badTlv++;
        pthread_mutex_unlock(&neighSem);
        tableDump();
    }
}
