/* ========================================================================
 *  upsagent.c  --  minimal SNMPv1 agent for the PowerKeep UPS card
 *  Only Set/Get of the few writable objects that the utility needs.
 * ======================================================================*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>
#include <errno.h>
#include <sys/types.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

typedef unsigned char  U8;
typedef unsigned short U16;
typedef unsigned int   U32;

#define SNMP_PORT       161
#define PDU_MAX         1472

#define T_INTEGER       0x02
#define T_OCTETS        0x04
#define T_NULL          0x05
#define T_OID           0x06
#define T_SEQ           0x30
#define T_GET           0xA0
#define T_RESPONSE      0xA2
#define T_SET           0xA3

#define E_TOOBIG        1
#define E_NOSUCH        2
#define E_BADVALUE      3
#define E_READONLY      4

#define DISPLAYSTRING_MAX 255

/* ---- configuration image, written to EEPROM as it stands --------------- */
static struct
{
    U32  Magic;
    char Community[16];
    char Contact[64];
    char Location[64];
    char Name[32];
    U32  BeeperOff;
    U32  ShutdownDelay;
    void (*Changed)(const char *what);
} Cfg;

static time_t SaveAt;

typedef struct
{
    U8    Oid[10];
    U8    OidLen;
    U8    Type;
    void *Dest;
    U16   Cap;
    const char *Label;
} OBJECT;

static const OBJECT Objects[] =
{
    { { 0x2B, 6, 1, 2, 1, 1, 4, 0 }, 8, T_OCTETS,  Cfg.Contact,        sizeof(Cfg.Contact),  "sysContact"  },
    { { 0x2B, 6, 1, 2, 1, 1, 5, 0 }, 8, T_OCTETS,  Cfg.Name,           sizeof(Cfg.Name),     "sysName"     },
    { { 0x2B, 6, 1, 2, 1, 1, 6, 0 }, 8, T_OCTETS,  Cfg.Location,       sizeof(Cfg.Location), "sysLocation" },
    { { 0x2B, 6, 1, 2, 1, 33, 1, 9, 8, 0 }, 10, T_INTEGER, &Cfg.BeeperOff,     4, "upsAudible"  },
    { { 0x2B, 6, 1, 2, 1, 33, 1, 8, 2, 0 }, 10, T_INTEGER, &Cfg.ShutdownDelay, 4, "upsShutdown" },
};

static void Trace(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fprintf(stderr, "[%ld] ", (long)time(NULL));
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

static void ConfigChanged(const char *what)
{
    Trace("config: %s changed", what);
    SaveAt = time(NULL) + 5;
}

static void ConfigLoad(void)
{
    memset(&Cfg, 0, sizeof(Cfg));
    Cfg.Magic = 0x55505331;
    strcpy(Cfg.Community, "powerkeep");
    strcpy(Cfg.Contact, "unknown");
    strcpy(Cfg.Name, "UPS");
    Cfg.ShutdownDelay = 120;
    Cfg.Changed = ConfigChanged;
}

static void ConfigSave(void)
{
    FILE *f = fopen("/flash/ups.cfg", "wb");

    if (f == NULL)
    {
        Trace("cannot save: %s", strerror(errno));
        return;
    }
    if (fwrite(&Cfg, 1, (size_t)((char *)&Cfg.Changed - (char *)&Cfg), f) == 0)
    {
        Trace("short write");
    }
    fclose(f);
}

/* ---- BER --------------------------------------------------------------- */

typedef struct
{
    U8 *p;
    U8 *end;
} CURSOR;

/* reads tag and length, leaves c->p on the content; returns tag or -1 */
static int BerHead(CURSOR *c, U32 *len)
{
    int tag;
    U32 n, k;

    if (c->end - c->p < 2)
    {
        return -1;
    }
    tag = *c->p++;
    n = *c->p++;
    if (n & 0x80)
    {
        k = n & 0x7F;
        if (k == 0 || k > 2 || (U32)(c->end - c->p) < k)
        {
            return -1;
        }
        for (n = 0; k != 0; k--)
        {
            n = (n << 8) | *c->p++;
        }
    }
    if (n > (U32)(c->end - c->p))
    {
        return -1;
    }
    *len = n;
    return tag;
}

static int BerExpect(CURSOR *c, int want, U32 *len)
{
    return BerHead(c, len) == want ? 0 : -1;
}

static int BerInteger(CURSOR *c, long *out)
{
    U32 n, i;
    long v = 0;

    if (BerExpect(c, T_INTEGER, &n) != 0 || n == 0 || n > 4)
    {
        return -1;
    }
    for (i = 0; i < n; i++)
    {
        v = (v << 8) | c->p[i];
    }
    c->p += n;
    *out = v;
    return 0;
}

/* ---- objects ----------------------------------------------------------- */

static const OBJECT *FindObject(const U8 *oid, U32 len)
{
    unsigned i;

    for (i = 0; i < sizeof(Objects) / sizeof(Objects[0]); i++)
    {
        if (Objects[i].OidLen == len && memcmp(Objects[i].Oid, oid, len) == 0)
        {
            return &Objects[i];
        }
    }
    return NULL;
}

static int StoreValue(const OBJECT *o, int tag, const U8 *val, U32 len)
{
    if (tag != o->Type)
    {
        return E_BADVALUE;
    }
    if (tag == T_INTEGER)
    {
        U32 v = 0, i;

        if (len == 0 || len > 4)
        {
            return E_BADVALUE;
        }
        for (i = 0; i < len; i++)
        {
            v = (v << 8) | val[i];
        }
        *(U32 *)o->Dest = v;
    }
    else
    {
        char *dst = o->Dest;

        if (len > DISPLAYSTRING_MAX || len >= o->Cap)
        {
            return E_TOOBIG;
        }
        memcpy(dst, val, len);
        dst[len] = '\0';
    }
    if (Cfg.Changed != NULL)
    {
        Cfg.Changed(o->Label);
    }
    return 0;
}

/* Answers in place. Returns the length to send, 0 for nothing. */
static int HandlePacket(U8 *pkt, int len)
{
    CURSOR c;
    U32 n;
    long version, reqid;
    U8 *pduTag, *errStatus, *errIndex;
    int tag, status = 0, index = 0;

    c.p = pkt;
    c.end = pkt + len;
    if (BerExpect(&c, T_SEQ, &n) != 0)
    {
        return 0;
    }
    c.end = c.p + n;
    if (BerInteger(&c, &version) != 0 || version != 0)
    {
        return 0;
    }
    if (BerExpect(&c, T_OCTETS, &n) != 0)
    {
        return 0;
    }
    if (n != strlen(Cfg.Community) || memcmp(c.p, Cfg.Community, n) != 0)
    {
        Trace("bad community");
        return 0;
    }
    c.p += n;
    pduTag = c.p;
    tag = BerHead(&c, &n);
    if (tag != T_SET && tag != T_GET)
    {
        return 0;
    }
    if (BerInteger(&c, &reqid) != 0)
    {
        return 0;
    }
    if (BerExpect(&c, T_INTEGER, &n) != 0 || n != 1)
    {
        return 0;
    }
    errStatus = c.p++;
    if (BerExpect(&c, T_INTEGER, &n) != 0 || n != 1)
    {
        return 0;
    }
    errIndex = c.p++;
    if (BerExpect(&c, T_SEQ, &n) != 0)
    {
        return 0;
    }
    while (status == 0 && c.p < c.end)
    {
        const OBJECT *o;
        int vtag;

        index++;
        if (BerExpect(&c, T_SEQ, &n) != 0 || BerExpect(&c, T_OID, &n) != 0)
        {
            return 0;
        }
        o = FindObject(c.p, n);
        c.p += n;
        vtag = BerHead(&c, &n);
        if (vtag < 0)
        {
            return 0;
        }
        if (o == NULL)
        {
            status = E_NOSUCH;
        }
        else if (tag == T_GET)
        {
            status = E_READONLY;    /* values are read over the web page */
        }
        else
        {
            status = StoreValue(o, vtag, c.p, n);
        }
        c.p += n;
    }
    *pduTag = T_RESPONSE;
    *errStatus = (U8)status;
    *errIndex = (U8)(status != 0 ? index : 0);
    Trace("request %ld status %d", reqid, status);
    return len;
}

int main(void)
{
    static U8 pkt[PDU_MAX];
    struct sockaddr_in me, peer;
    int s;

    ConfigLoad();
    s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof(me));
    me.sin_family = AF_INET;
    me.sin_addr.s_addr = htonl(INADDR_ANY);
    me.sin_port = htons(SNMP_PORT);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof(me)) != 0)
    {
        Trace("bind: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    for (;;)
    {
        struct timeval tv;
        fd_set rd;

        tv.tv_sec = 1;
        tv.tv_usec = 0;
        FD_ZERO(&rd);
        FD_SET(s, &rd);
        if (select(s + 1, &rd, NULL, NULL, &tv) > 0)
        {
            socklen_t pl = sizeof(peer);
            ssize_t r = recvfrom(s, pkt, sizeof(pkt), 0, (struct sockaddr *)&peer, &pl);
            int out = r > 0 ? HandlePacket(pkt, (int)r) : 0;

            if (out > 0)
            {
                sendto(s, pkt, (size_t)out, 0, (struct sockaddr *)&peer, pl);
            }
        }
        if (SaveAt != 0 && time(NULL) >= SaveAt)
        {
            SaveAt = 0;
            ConfigSave();
        }
    }
}
