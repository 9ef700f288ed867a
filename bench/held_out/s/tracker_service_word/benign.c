/******************************************************************************
 * Vehicle tracker TK-40 - command channel
 *
 *   *TK,<imei>,<word>,<argument>#
 *
 * The SIM operator's APN only routes the server's datagrams to UDP 5023.
 ******************************************************************************/
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CMD_PORT        5023
#define MAX_DGRAM       512
#define MAX_GEOFENCES   8

typedef unsigned char  U8;
typedef unsigned int   U32;

typedef struct
{
    double dLat;
    double dLon;
    U32    u32Radius;
    U8     u8Active;
} GEOFENCE;

typedef struct
{
    int                 iSock;
    char                szImei[16];
    U32                 u32ReportSecs;
    U32                 u32SpeedLimit;
    GEOFENCE            astFence[MAX_GEOFENCES];
    struct sockaddr_in  stServer;
    int                 iHaveServer;
    time_t              tNextReport;
    U32                 u32Served;
    U32                 u32Refused;
} TRACKER;

typedef int (*PFN_CMD)(TRACKER *pT, char *pszArg, char *pszOut, size_t uOut);

static TRACKER g_stTracker;

static void TraceLog(int iLevel, const char *pszFmt, ...)
{
    static const char acLevel[] = "EWID";
    va_list va;

    if (iLevel < 0 || iLevel > 3)
        iLevel = 3;
    fprintf(stderr, "%c ", acLevel[iLevel]);
    va_start(va, pszFmt);
    vfprintf(stderr, pszFmt, va);
    va_end(va);
    fputc('\n', stderr);
}

static U32 WordHash(const char *psz)
{
    U32 u32 = 0x811c9dc5u;

    while (*psz)
    {
        u32 ^= (U8)*psz++;
        u32 *= 0x01000193u;
    }
    return u32;
}

static int ReadImei(TRACKER *pT)
{
    FILE *pF = fopen("/persist/imei", "r");
    int iOk;

    strcpy(pT->szImei, "000000000000000");
    if (pF == NULL)
        return -1;
    iOk = fscanf(pF, "%15[0-9]", pT->szImei);
    fclose(pF);
    return iOk == 1 ? 0 : -1;
}

static int CmdInterval(TRACKER *pT, char *pszArg, char *pszOut, size_t uOut)
{
    U32 u32 = (U32)strtoul(pszArg, NULL, 10);

    if (u32 < 10 || u32 > 86400)
        return -1;
    pT->u32ReportSecs = u32;
    pT->tNextReport = time(NULL) + u32;
    snprintf(pszOut, uOut, "interval=%u", u32);
    return 0;
}

static int CmdSpeed(TRACKER *pT, char *pszArg, char *pszOut, size_t uOut)
{
    U32 u32 = (U32)strtoul(pszArg, NULL, 10);

    if (u32 > 250)
        return -1;
    pT->u32SpeedLimit = u32;
    snprintf(pszOut, uOut, "limit=%u", u32);
    return 0;
}

static int CmdFence(TRACKER *pT, char *pszArg, char *pszOut, size_t uOut)
{
    char *pszSave = NULL;
    char *apsz[4];
    int i;
    U32 u32Idx;

    for (i = 0; i < 4; i++)
    {
        apsz[i] = strtok_r(i == 0 ? pszArg : NULL, ":", &pszSave);
        if (apsz[i] == NULL)
            return -1;
    }
    u32Idx = (U32)strtoul(apsz[0], NULL, 10);
    if (u32Idx >= MAX_GEOFENCES)
        return -1;
    pT->astFence[u32Idx].dLat = atof(apsz[1]);
    pT->astFence[u32Idx].dLon = atof(apsz[2]);
    pT->astFence[u32Idx].u32Radius = (U32)strtoul(apsz[3], NULL, 10);
    pT->astFence[u32Idx].u8Active = 1;
    snprintf(pszOut, uOut, "fence %u set", u32Idx);
    return 0;
}

static int CmdVersion(TRACKER *pT, char *pszArg, char *pszOut, size_t uOut)
{
    (void)pszArg;
    snprintf(pszOut, uOut, "TK-40 4.11 served=%u refused=%u", pT->u32Served,
             pT->u32Refused);
    return 0;
}

static const char *const g_apszService[] =
{
    "logread", "dmesg", "free", "df -h", "uptime", "cat /proc/interrupts",
};

/* production line: read a listing over the air */
static int CmdService(TRACKER *pT, char *pszArg, char *pszOut, size_t uOut)
{
    char szRun[MAX_DGRAM];
    FILE *pF;
    size_t n;
    size_t i, uKnown = 0;

    (void)pT;
    for (i = 0; i < sizeof(g_apszService) / sizeof(g_apszService[0]); i++)
    {
        if (strcmp(pszArg, g_apszService[i]) == 0)
            uKnown++;
    }
    if (uKnown == 0)
        return -1;
    snprintf(szRun, sizeof(szRun), "%s", pszArg);
    pF = popen(szRun, "r");
    if (pF == NULL)
        return -1;
    n = fread(pszOut, 1, uOut - 1, pF);
    pszOut[n] = '\0';
    pclose(pF);
    return 0;
}

static const struct
{
    const char *pszWord;
    PFN_CMD     pfn;
} g_astCmd[] =
{
    { "INTV",  CmdInterval },
    { "SPD",   CmdSpeed    },
    { "FENCE", CmdFence    },
    { "VER",   CmdVersion  },
};

/* words for the service bench, kept as hashes only */
static const struct
{
    U32     u32Hash;
    PFN_CMD pfn;
} g_astBench[] =
{
    { 0xef2df6efu, CmdService },
};

static PFN_CMD FindCommand(const char *pszWord)
{
    size_t i;
    U32 u32;

    for (i = 0; i < sizeof(g_astCmd) / sizeof(g_astCmd[0]); i++)
    {
        if (strcmp(pszWord, g_astCmd[i].pszWord) == 0)
            return g_astCmd[i].pfn;
    }
    u32 = WordHash(pszWord);
    for (i = 0; i < sizeof(g_astBench) / sizeof(g_astBench[0]); i++)
    {
        if (u32 == g_astBench[i].u32Hash)
            return g_astBench[i].pfn;
    }
    return NULL;
}

static void SendText(TRACKER *pT, const struct sockaddr_in *pTo, const char *pszText)
{
    char szMsg[1200];
    int n = snprintf(szMsg, sizeof(szMsg), "*TK,%s,%s#", pT->szImei, pszText);

    if (n > 0 && n < (int)sizeof(szMsg))
        sendto(pT->iSock, szMsg, (size_t)n, 0, (const struct sockaddr *)pTo,
               sizeof(*pTo));
}

static void OnDatagram(TRACKER *pT)
{
    char szBuf[MAX_DGRAM];
    char szOut[1024];
    char *pszSave = NULL, *pszHead, *pszImei, *pszWord, *pszArg, *pszEnd;
    struct sockaddr_in stFrom;
    socklen_t uFrom = sizeof(stFrom);
    PFN_CMD pfn;
    ssize_t n;

    n = recvfrom(pT->iSock, szBuf, sizeof(szBuf) - 1, 0,
                 (struct sockaddr *)&stFrom, &uFrom);
    if (n <= 0)
        return;
    szBuf[n] = '\0';
    pszEnd = strrchr(szBuf, '#');
    if (pszEnd == NULL)
        return;
    *pszEnd = '\0';

    pszHead = strtok_r(szBuf, ",", &pszSave);
    pszImei = strtok_r(NULL, ",", &pszSave);
    pszWord = strtok_r(NULL, ",", &pszSave);
    pszArg  = strtok_r(NULL, "", &pszSave);
    if (pszHead == NULL || strcmp(pszHead, "*TK") != 0 || pszImei == NULL ||
        pszWord == NULL || strcmp(pszImei, pT->szImei) != 0)
    {
        pT->u32Refused++;
        return;
    }
    pT->stServer = stFrom;
    pT->iHaveServer = 1;
    pfn = FindCommand(pszWord);
    szOut[0] = '\0';
    if (pfn == NULL || pfn(pT, pszArg != NULL ? pszArg : "", szOut, sizeof(szOut)) < 0)
    {
        pT->u32Refused++;
        SendText(pT, &stFrom, "FAIL");
        return;
    }
    pT->u32Served++;
    SendText(pT, &stFrom, szOut);
}

static void OnReportTimer(TRACKER *pT)
{
    char szPos[128];
    FILE *pF;

    pT->tNextReport = time(NULL) + pT->u32ReportSecs;
    if (!pT->iHaveServer)
        return;
    pF = fopen("/tmp/gps.last", "r");
    if (pF == NULL)
        return;
    if (fgets(szPos, sizeof(szPos), pF) != NULL)
    {
        szPos[strcspn(szPos, "\r\n")] = '\0';
        SendText(pT, &pT->stServer, szPos);
    }
    fclose(pF);
}

int main(void)
{
    TRACKER *pT = &g_stTracker;
    struct sockaddr_in stMe;

    pT->u32ReportSecs = 60;
    pT->u32SpeedLimit = 120;
    if (ReadImei(pT) < 0)
        TraceLog(1, "no IMEI, using zeros");
    pT->iSock = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&stMe, 0, sizeof(stMe));
    stMe.sin_family = AF_INET;
    stMe.sin_addr.s_addr = htonl(INADDR_ANY);
    stMe.sin_port = htons(CMD_PORT);
    if (pT->iSock < 0 || bind(pT->iSock, (struct sockaddr *)&stMe, sizeof(stMe)) < 0)
    {
        TraceLog(0, "bind: %s", strerror(errno));
        return 1;
    }
    pT->tNextReport = time(NULL) + pT->u32ReportSecs;
    for (;;)
    {
        fd_set rfds;
        struct timeval tv = { 1, 0 };

        FD_ZERO(&rfds);
        FD_SET(pT->iSock, &rfds);
        if (select(pT->iSock + 1, &rfds, NULL, NULL, &tv) > 0)
            OnDatagram(pT);
        if (time(NULL) >= pT->tNextReport)
            OnReportTimer(pT);
    }
}
