/*
 * dbgd.c - IPC service/debug daemon (H1 platform)
 * runs beside the media process, used by the service tool over port 9530
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <ctype.h>
#include <time.h>
#include <errno.h>
#include <signal.h>
#include <syslog.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <netinet/in.h>
#include <arpa/inet.h>

typedef unsigned char  UINT8;
typedef unsigned short UINT16;
typedef unsigned int   UINT32;

#define DBG_PORT      9530
#define MAX_PAYLOAD   512
#define HDR_LEN       6

#define T_USER   1
#define T_HOST   2
#define T_ZONE   3
#define T_PERIOD 4
#define T_LEVEL  5

#define E_OK      0
#define E_FORMAT  1
#define E_STATE   2
#define E_VALUE   3

/* ---- globals, shared by the handlers and by the tick ---- */
static char   g_szNtpHost[64] = "pool.ntp.org";
static UINT32 g_dwNtpPeriod   = 3600;
static int    g_nZone         = 0;
static int    g_bNtpEnable    = 0;
static int    g_bAuthed       = 0;
static int    g_nLogLevel     = 1;
static time_t g_tNextNtp      = 0;
static time_t g_tNextLed      = 0;
static UINT32 g_dwReqCount    = 0;
static int    g_nLed          = 0;

static UINT8  g_abRx[HDR_LEN + MAX_PAYLOAD];
static UINT8  g_abTx[HDR_LEN + 256];

static void DbgLog(int nLevel, const char *pszFmt, ...)
{
    char szLine[200];
    va_list ap;

    if (nLevel > g_nLogLevel)
        return;
    va_start(ap, pszFmt);
    vsnprintf(szLine, sizeof(szLine), pszFmt, ap);
    va_end(ap);
    syslog(LOG_INFO, "dbgd: %s", szLine);
}

static int RunCmd(const char *pszFmt, ...)
{
    char szCmd[256];
    va_list ap;
    int n;

    va_start(ap, pszFmt);
    n = vsnprintf(szCmd, sizeof(szCmd), pszFmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(szCmd)) {
        DbgLog(0, "command too long");
        return -1;
    }
    DbgLog(2, "run %s", szCmd);
    return system(szCmd);
}

/* find a TLV; returns length or -1 */
static int TlvFind(const UINT8 *p, int nLen, UINT8 bType, const UINT8 **ppVal)
{
    int i = 0;

    while (i + 2 <= nLen) {
        int l = p[i + 1];
        if (i + 2 + l > nLen)
            return -1;
        if (p[i] == bType) {
            *ppVal = p + i + 2;
            return l;
        }
        i += 2 + l;
    }
    return -1;
}

static int HostIsGood(const char *psz)
{
    static const char szBad[] = ";|&<> ";
    const char *p;

    if (psz[0] == '\0' || psz[0] == '-')
        return 0;
    for (p = psz; *p; p++) {
        if (strchr(szBad, *p) != NULL)
            return 0;
    }
    return 1;
}

/* ---- handlers ---- */
static int OpHello(const UINT8 *pPay, int nLen, UINT8 *pOut, int *pnOut)
{
    const UINT8 *v;
    int l = TlvFind(pPay, nLen, T_USER, &v);

    if (l != 5 || memcmp(v, "admin", 5) != 0)
        return E_VALUE;
    g_bAuthed = 1;
    pOut[0] = 2;
    pOut[1] = 7;
    *pnOut = 2;
    return E_OK;
}

static int OpGetInfo(const UINT8 *pPay, int nLen, UINT8 *pOut, int *pnOut)
{
    *pnOut = snprintf((char *)pOut, 200, "model=H1-3MP;req=%u;zone=%d;ntp=%s;per=%u",
                      g_dwReqCount, g_nZone, g_szNtpHost, g_dwNtpPeriod);
    return E_OK;
}

static int OpSetNtp(const UINT8 *pPay, int nLen, UINT8 *pOut, int *pnOut)
{
    const UINT8 *v;
    char szHost[64];
    int l;

    if (!g_bAuthed)
        return E_STATE;
    l = TlvFind(pPay, nLen, T_HOST, &v);
    if (l > 0) {
        if (l >= (int)sizeof(szHost))
            return E_FORMAT;
        memcpy(szHost, v, l);
        szHost[l] = '\0';
        if (!HostIsGood(szHost))
            return E_VALUE;
        strcpy(g_szNtpHost, szHost);
    }
    l = TlvFind(pPay, nLen, T_PERIOD, &v);
    if (l == 2) {
        UINT32 d = (v[0] << 8) | v[1];
        if (d < 60)
            return E_VALUE;
        g_dwNtpPeriod = d;
    }
    g_bNtpEnable = 1;
    g_tNextNtp = time(NULL) + 2;
    return E_OK;
}

static int OpSetZone(const UINT8 *pPay, int nLen, UINT8 *pOut, int *pnOut)
{
    const UINT8 *v;

    if (TlvFind(pPay, nLen, T_ZONE, &v) != 1)
        return E_FORMAT;
    if (v[0] > 24)
        return E_VALUE;
    g_nZone = (int)v[0] - 12;
    RunCmd("echo GMT%+d > /tmp/TZ", g_nZone);
    return E_OK;
}

static int OpLogLevel(const UINT8 *pPay, int nLen, UINT8 *pOut, int *pnOut)
{
    const UINT8 *v;

    if (TlvFind(pPay, nLen, T_LEVEL, &v) != 1)
        return E_FORMAT;
    g_nLogLevel = v[0] & 3;
    return E_OK;
}

static int OpBye(const UINT8 *pPay, int nLen, UINT8 *pOut, int *pnOut)
{
    g_bAuthed = 0;
    return E_OK;
}

typedef int (*OPFN)(const UINT8 *, int, UINT8 *, int *);
static const struct { UINT8 bOp; OPFN pfn; } g_aOps[] = {
    { 0x01, OpHello   },
    { 0x02, OpGetInfo },
    { 0x10, OpSetNtp  },
    { 0x11, OpSetZone },
    { 0x20, OpLogLevel},
    { 0x7f, OpBye     },
};

static int Dispatch(UINT8 bOp, const UINT8 *pPay, int nLen, UINT8 *pOut, int *pnOut)
{
    unsigned i;

    g_dwReqCount++;
    for (i = 0; i < sizeof(g_aOps) / sizeof(g_aOps[0]); i++)
        if (g_aOps[i].bOp == bOp)
            return g_aOps[i].pfn(pPay, nLen, pOut, pnOut);
    return E_FORMAT;
}

static int ReadFull(int s, UINT8 *p, int n)
{
    int got = 0;

    while (got < n) {
        int r = recv(s, p + got, n - got, 0);
        if (r <= 0)
            return -1;
        got += r;
    }
    return got;
}

static int ServeOne(int s)
{
    int nLen, nOut = 0, rc;

    if (ReadFull(s, g_abRx, HDR_LEN) < 0)
        return -1;
    if (g_abRx[0] != 'H' || g_abRx[1] != 'K' || g_abRx[2] != 1)
        return -1;
    nLen = (g_abRx[4] << 8) | g_abRx[5];
    if (nLen > MAX_PAYLOAD)
        return -1;
    if (nLen && ReadFull(s, g_abRx + HDR_LEN, nLen) < 0)
        return -1;
    rc = Dispatch(g_abRx[3], g_abRx + HDR_LEN, nLen, g_abTx + HDR_LEN, &nOut);
    g_abTx[0] = 'H';
    g_abTx[1] = 'K';
    g_abTx[2] = (UINT8)rc;
    g_abTx[3] = g_abRx[3];
    g_abTx[4] = (UINT8)(nOut >> 8);
    g_abTx[5] = (UINT8)nOut;
    return send(s, g_abTx, HDR_LEN + nOut, MSG_NOSIGNAL) > 0 ? 0 : -1;
}

static void Tick(void)
{
    time_t now = time(NULL);

    if (now >= g_tNextLed) {
        FILE *fp = fopen("/sys/class/leds/state/brightness", "w");
        g_nLed ^= 1;
        if (fp) {
            fprintf(fp, "%d\n", g_nLed);
            fclose(fp);
        }
        g_tNextLed = now + 5;
    }
    if (g_bNtpEnable && now >= g_tNextNtp) {
        if (RunCmd("ntpdate -u -t 3 %s", g_szNtpHost) != 0)
            DbgLog(0, "ntp failed");
        g_tNextNtp = now + g_dwNtpPeriod;
    }
}

int main(void)
{
    struct sockaddr_in sa;
    int ls, cs = -1, on = 1;

    signal(SIGPIPE, SIG_IGN);
    openlog("dbgd", LOG_PID, LOG_DAEMON);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(DBG_PORT);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 2) < 0) {
        DbgLog(0, "bind failed %d", errno);
        return 1;
    }
    for (;;) {
        fd_set rs;
        struct timeval tv = { 1, 0 };
        int mx = ls;

        FD_ZERO(&rs);
        FD_SET(ls, &rs);
        if (cs >= 0) {
            FD_SET(cs, &rs);
            if (cs > mx)
                mx = cs;
        }
        if (select(mx + 1, &rs, NULL, NULL, &tv) > 0) {
            if (FD_ISSET(ls, &rs)) {
                int n = accept(ls, NULL, NULL);
                if (cs >= 0)
                    close(cs);
                cs = n;
                g_bAuthed = 0;
            } else if (cs >= 0 && FD_ISSET(cs, &rs)) {
                if (ServeOne(cs) < 0) {
                    close(cs);
                    cs = -1;
                }
            }
        }
        Tick();
    }
}
