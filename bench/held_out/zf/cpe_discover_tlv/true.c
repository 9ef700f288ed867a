/*
 *  wdiscd - discovery and first set-up of the outdoor CPE by the installer
 *           tool ("WisFinder").  UDP, broadcast or unicast.
 *
 *  datagram:  ver(1) op(1) len(2, network order)  { type(1) len(2) value }*
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <ctype.h>
#include <signal.h>
#include <unistd.h>
#include <errno.h>
#include <syslog.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define WDISC_PORT      10006
#define WDISC_VER       3
#define PKT_MAX         1472

#define OP_QUERY        0x00
#define OP_REPLY        0x01
#define OP_SETUP        0x10
#define OP_LOCATE       0x11

#define TLV_MAC         0x01
#define TLV_IPV4        0x02
#define TLV_TOKEN       0x05
#define TLV_UPTIME      0x0A
#define TLV_HOSTNAME    0x0B
#define TLV_PLATFORM    0x0C
#define TLV_ESSID       0x0D
#define TLV_CHANNEL     0x0F
#define TLV_TXPOWER     0x10

#define NAME_MIN_LEN    2
#define NAME_MAX_LEN    63
#define NB_NAME_LEN     15          /* what a NetBIOS name holds */

typedef struct
{
    unsigned char *pBuf;
    unsigned       uLen;
    unsigned       uCap;
} tPktOut;

typedef struct
{
    int  bDirty;
    char acHostName[NAME_MAX_LEN + 1];
    int  iChannel;                  /* 0: leave alone */
    int  iTxPower;
} tPending;

typedef struct
{
    int  bTokenOk;
    tPending stNew;
} tSetupCtx;

/* installer token of the tool, each byte is turned by its place */
static const unsigned char g_aucToken[] = {
    0x4c, 0x68, 0x74, 0x7c, 0x5d, 0x65, 0x64, 0x60, 0x3d, 0x39,
};

static tPending g_stPend;
static char     g_acHostName[NAME_MAX_LEN + 1] = "WisCPE";
static unsigned char g_aucMac[6] = { 0x00, 0x1d, 0x6a, 0x00, 0x00, 0x01 };
static volatile sig_atomic_t g_iAlarm;
static int      g_iLocateLeft;
static int      g_iSock = -1;

static void OnAlarm(int iSig)
{
    (void)iSig;
    g_iAlarm = 1;
}

static int TokenIsOk(const unsigned char *pVal, unsigned uLen)
{
    unsigned i, uDiff = 0;

    if (uLen != sizeof(g_aucToken))
        return 0;
    for (i = 0; i < uLen; i++)
        uDiff |= (unsigned)(pVal[i] ^ g_aucToken[i]) ^ (i + 5);
    return uDiff == 0;
}

static int NameIsOk(const char *pcName)
{
    int i;

    if (pcName[0] == '-')
        return 0;
    for (i = 0; i < NB_NAME_LEN && pcName[i] != '\0'; i++)
    {
        if (!isalnum((unsigned char)pcName[i]) && pcName[i] != '-')
            return 0;
    }
    return 1;
}

static int TlvToken(tSetupCtx *pCtx, const unsigned char *pVal, unsigned uLen)
{
    pCtx->bTokenOk = TokenIsOk(pVal, uLen);
    return pCtx->bTokenOk ? 0 : -1;
}

static int TlvHostName(tSetupCtx *pCtx, const unsigned char *pVal, unsigned uLen)
{
    char acName[NAME_MAX_LEN + 1];

    if (uLen < NAME_MIN_LEN || uLen > NAME_MAX_LEN)
        return -1;
    memcpy(acName, pVal, uLen);
    acName[uLen] = '\0';
    if (!NameIsOk(acName))
    {
        syslog(LOG_WARNING, "setup: bad host name");
        return -1;
    }
    memcpy(pCtx->stNew.acHostName, acName, sizeof(acName));
    return 0;
}

static int TlvChannel(tSetupCtx *pCtx, const unsigned char *pVal, unsigned uLen)
{
    if (uLen != 1 || pVal[0] < 1 || pVal[0] > 173)
        return -1;
    pCtx->stNew.iChannel = pVal[0];
    return 0;
}

static int TlvTxPower(tSetupCtx *pCtx, const unsigned char *pVal, unsigned uLen)
{
    if (uLen != 1 || pVal[0] > 30)
        return -1;
    pCtx->stNew.iTxPower = pVal[0];
    return 0;
}

static const struct
{
    unsigned char ucType;
    int (*pfnTake)(tSetupCtx *pCtx, const unsigned char *pVal, unsigned uLen);
} g_astTlv[] = {
    { TLV_TOKEN,    TlvToken    },
    { TLV_HOSTNAME, TlvHostName },
    { TLV_CHANNEL,  TlvChannel  },
    { TLV_TXPOWER,  TlvTxPower  },
};

static void PutTlv(tPktOut *pOut, int iType, const void *pVal, unsigned uLen)
{
    unsigned char *p = pOut->pBuf + pOut->uLen;

    if (pOut->uLen + 3 + uLen > pOut->uCap)
        return;
    p[0] = (unsigned char)iType;
    p[1] = (unsigned char)(uLen >> 8);
    p[2] = (unsigned char)uLen;
    memcpy(p + 3, pVal, uLen);
    pOut->uLen += 3 + uLen;
}

static void SendReply(int iOp, int iCode, const struct sockaddr_in *pTo)
{
    unsigned char aucBuf[512];
    tPktOut stOut = { aucBuf, 4, sizeof(aucBuf) };
    struct sysinfo stInfo;
    uint32_t u32Up = 0;

    if (sysinfo(&stInfo) == 0)
        u32Up = htonl((uint32_t)stInfo.uptime);
    PutTlv(&stOut, TLV_MAC, g_aucMac, sizeof(g_aucMac));
    PutTlv(&stOut, TLV_UPTIME, &u32Up, sizeof(u32Up));
    PutTlv(&stOut, TLV_HOSTNAME, g_acHostName, (unsigned)strlen(g_acHostName));
    PutTlv(&stOut, TLV_PLATFORM, "WIS-L5819", 9);
    aucBuf[0] = WDISC_VER;
    aucBuf[1] = (unsigned char)(iOp | OP_REPLY | (iCode ? 0x80 : 0));
    aucBuf[2] = (unsigned char)((stOut.uLen - 4) >> 8);
    aucBuf[3] = (unsigned char)(stOut.uLen - 4);
    sendto(g_iSock, aucBuf, stOut.uLen, 0, (const struct sockaddr *)pTo, sizeof(*pTo));
}

static int DoSetup(const unsigned char *p, unsigned uLen)
{
    tSetupCtx stCtx;

    memset(&stCtx, 0, sizeof(stCtx));
    stCtx.stNew.iTxPower = -1;
    while (uLen >= 3)
    {
        unsigned uVal = (unsigned)p[1] << 8 | p[2];
        unsigned i;

        if (uVal > uLen - 3)
            return -1;
        for (i = 0; i < sizeof(g_astTlv) / sizeof(g_astTlv[0]); i++)
        {
            if (g_astTlv[i].ucType == p[0] && g_astTlv[i].pfnTake(&stCtx, p + 3, uVal) < 0)
                return -1;
        }
        p += 3 + uVal;
        uLen -= 3 + uVal;
    }
    if (!stCtx.bTokenOk)
        return -1;
    g_stPend = stCtx.stNew;
    g_stPend.bDirty = 1;
    return 0;
}

static void HandlePacket(const unsigned char *p, unsigned uLen, const struct sockaddr_in *pFrom)
{
    unsigned uBody;

    if (uLen < 4 || p[0] != WDISC_VER)
        return;
    uBody = (unsigned)p[2] << 8 | p[3];
    if (uBody > uLen - 4)
        return;
    switch (p[1])
    {
    case OP_QUERY:
        SendReply(OP_QUERY, 0, pFrom);
        break;
    case OP_LOCATE:
        g_iLocateLeft = 30;
        SendReply(OP_LOCATE, 0, pFrom);
        break;
    case OP_SETUP:
        SendReply(OP_SETUP, DoSetup(p + 4, uBody), pFrom);
        break;
    default:
        break;
    }
}

/* One second tick: changes are put to work here, so that the reply
 * is out before the radio goes down. */
static void ApplyPending(void)
{
    char acCmd[192];

    if (g_stPend.bDirty)
    {
        g_stPend.bDirty = 0;
        if (g_stPend.acHostName[0] != '\0')
        {
            memcpy(g_acHostName, g_stPend.acHostName, sizeof(g_acHostName));
            snprintf(acCmd, sizeof(acCmd), "hostname %s && cfgtool set sys.name %s",
                     g_acHostName, g_acHostName);
            if (system(acCmd) != 0)
                syslog(LOG_ERR, "cannot set the host name");
        }
        if (g_stPend.iChannel > 0 || g_stPend.iTxPower >= 0)
        {
            snprintf(acCmd, sizeof(acCmd), "iwcfg ath0 chan %d pwr %d",
                     g_stPend.iChannel, g_stPend.iTxPower);
            if (system(acCmd) != 0)
                syslog(LOG_ERR, "radio set-up failed");
        }
    }
    if (g_iLocateLeft > 0 && --g_iLocateLeft % 2 == 0)
    {
        FILE *fp = fopen("/sys/class/leds/sig4/brightness", "w");

        if (fp != NULL)
        {
            fputs(g_iLocateLeft % 4 ? "1" : "0", fp);
            fclose(fp);
        }
    }
}

static void ReadMac(void)
{
    FILE *fp = fopen("/sys/class/net/eth0/address", "r");
    unsigned au[6];
    int i;

    if (fp == NULL)
        return;
    if (fscanf(fp, "%2x:%2x:%2x:%2x:%2x:%2x", &au[0], &au[1], &au[2], &au[3], &au[4], &au[5]) == 6)
    {
        for (i = 0; i < 6; i++)
            g_aucMac[i] = (unsigned char)au[i];
    }
    fclose(fp);
}

int main(void)
{
    unsigned char aucPkt[PKT_MAX];
    struct sockaddr_in stAddr;
    struct sigaction sa;
    struct itimerval it = { { 1, 0 }, { 1, 0 } };

    openlog("wdiscd", LOG_PID, LOG_DAEMON);
    ReadMac();
    g_iSock = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&stAddr, 0, sizeof(stAddr));
    stAddr.sin_family = AF_INET;
    stAddr.sin_port = htons(WDISC_PORT);
    stAddr.sin_addr.s_addr = INADDR_ANY;
    if (g_iSock < 0 || bind(g_iSock, (struct sockaddr *)&stAddr, sizeof(stAddr)) < 0)
    {
        syslog(LOG_ERR, "bind: %s", strerror(errno));
        return 1;
    }
    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = OnAlarm;        /* no SA_RESTART: recvfrom comes back */
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &it, NULL);
    for (;;)
    {
        struct sockaddr_in stFrom;
        socklen_t sl = sizeof(stFrom);
        ssize_t n = recvfrom(g_iSock, aucPkt, sizeof(aucPkt), 0,
                             (struct sockaddr *)&stFrom, &sl);

        if (n > 0)
            HandlePacket(aucPkt, (unsigned)n, &stFrom);
        if (g_iAlarm)
        {
            g_iAlarm = 0;
            ApplyPending();
        }
    }
}
