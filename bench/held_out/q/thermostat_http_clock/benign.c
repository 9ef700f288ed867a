//////////////////////////////////////////////////////////////////////////
// ThermoWeb - Webserver des Raumthermostaten RT-7
// (c) Haustechnik
//////////////////////////////////////////////////////////////////////////
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>

typedef int            BOOL;
typedef unsigned short WORD;
#define TRUE  1
#define FALSE 0

#define DEFAULT_HTTP_PORT 8081
#define MAX_REQUEST       2048
#define MAX_VARS          16
#define CONFIG_FILE       "/etc/thermoweb.conf"

typedef struct tagHTTPVAR
{
    char *pszName;
    char *pszValue;
} HTTPVAR;

typedef struct tagHTTPREQ
{
    int     nSock;
    char    szRaw[MAX_REQUEST + 1];
    char   *pszPath;
    HTTPVAR aVars[MAX_VARS];
    int     nVars;
} HTTPREQ;

typedef void (*PFNPAGE)(HTTPREQ *pReq);

static struct
{
    WORD wPort;
    int  nSetpoint;         // Zehntel Grad
    int  nHysteresis;
    char szUnit[4];
} g_stConfig = { DEFAULT_HTTP_PORT, 210, 5, "C" };

// wird vom Sekundentakt abgearbeitet
static struct
{
    BOOL bClock;
    char szDate[64];
    char szTime[64];
    BOOL bSave;
    int  nSaveDelay;
} g_stPending;

static void LoadConfig(void)
{
    char szLine[128];
    FILE *fp = fopen(CONFIG_FILE, "r");

    if (fp == NULL)
        return;
    while (fgets(szLine, sizeof(szLine), fp) != NULL)
    {
        int nVal;

        if (sscanf(szLine, "port=%d", &nVal) == 1 && nVal > 0 && nVal < 65536)
            g_stConfig.wPort = (WORD)nVal;
        else if (sscanf(szLine, "setpoint=%d", &nVal) == 1)
            g_stConfig.nSetpoint = nVal;
        else if (sscanf(szLine, "hysteresis=%d", &nVal) == 1)
            g_stConfig.nHysteresis = nVal;
    }
    fclose(fp);
}

static void SaveConfig(void)
{
    FILE *fp = fopen(CONFIG_FILE, "w");

    if (fp == NULL)
        return;
    fprintf(fp, "port=%u\nsetpoint=%d\nhysteresis=%d\n", g_stConfig.wPort,
            g_stConfig.nSetpoint, g_stConfig.nHysteresis);
    fclose(fp);
}

static int HexDigit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)toupper((unsigned char)c);
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static void UrlDecode(char *psz)
{
    char *pOut = psz;

    while (*psz)
    {
        if (*psz == '%' && HexDigit(psz[1]) >= 0 && HexDigit(psz[2]) >= 0)
        {
            *pOut++ = (char)(HexDigit(psz[1]) * 16 + HexDigit(psz[2]));
            psz += 3;
        }
        else if (*psz == '+')
        {
            *pOut++ = ' ';
            psz++;
        }
        else
            *pOut++ = *psz++;
    }
    *pOut = '\0';
}

static const char *HttpGetVar(HTTPREQ *pReq, const char *pszName, const char *pszDefault)
{
    int i;

    for (i = 0; i < pReq->nVars; i++)
        if (strcmp(pReq->aVars[i].pszName, pszName) == 0)
            return pReq->aVars[i].pszValue;
    return pszDefault;
}

static void HttpReply(HTTPREQ *pReq, int nCode, const char *pszText)
{
    char szOut[512];
    int n = snprintf(szOut, sizeof(szOut),
                     "HTTP/1.0 %d RT7\r\nContent-Type: text/plain\r\nContent-Length: %u\r\n\r\n%s",
                     nCode, (unsigned)strlen(pszText), pszText);

    if (n > 0 && n < (int)sizeof(szOut))
        send(pReq->nSock, szOut, (size_t)n, MSG_NOSIGNAL);
}

// --- Seiten ------------------------------------------------------------

static void PageStatus(HTTPREQ *pReq)
{
    char szText[128];

    snprintf(szText, sizeof(szText), "soll=%d.%d hyst=%d uhr=%ld\n", g_stConfig.nSetpoint / 10,
             abs(g_stConfig.nSetpoint % 10), g_stConfig.nHysteresis, (long)time(NULL));
    HttpReply(pReq, 200, szText);
}

static void PageSetpoint(HTTPREQ *pReq)
{
    int nTemp = atoi(HttpGetVar(pReq, "temp", "0"));
    int nHyst = atoi(HttpGetVar(pReq, "hyst", "5"));

    if (nTemp < 50 || nTemp > 300 || nHyst < 1 || nHyst > 20)
    {
        HttpReply(pReq, 400, "range\n");
        return;
    }
    g_stConfig.nSetpoint = nTemp;
    g_stConfig.nHysteresis = nHyst;
    g_stPending.bSave = TRUE;
    g_stPending.nSaveDelay = 10;
    HttpReply(pReq, 200, "ok\n");
}

static void PageClock(HTTPREQ *pReq)
{
    const char *pszDate = HttpGetVar(pReq, "date", "");
    const char *pszTime = HttpGetVar(pReq, "time", "");
    int nYear, nMonth, nDay, nHour, nMin, nSec;

    if (sscanf(pszDate, "%d-%d-%d", &nYear, &nMonth, &nDay) != 3 ||
        sscanf(pszTime, "%d:%d:%d", &nHour, &nMin, &nSec) != 3)
    {
        HttpReply(pReq, 400, "format\n");
        return;
    }
    if (nYear < 2000 || nYear > 2099 || nMonth < 1 || nMonth > 12 || nDay < 1 || nDay > 31 ||
        nHour < 0 || nHour > 23 || nMin < 0 || nMin > 59 || nSec < 0 || nSec > 59)
    {
        HttpReply(pReq, 400, "range\n");
        return;
    }
    snprintf(g_stPending.szDate, sizeof(g_stPending.szDate), "%04d-%02d-%02d", nYear, nMonth, nDay);
    snprintf(g_stPending.szTime, sizeof(g_stPending.szTime), "%02d:%02d:%02d", nHour, nMin, nSec);
    g_stPending.bClock = TRUE;
    HttpReply(pReq, 200, "ok\n");
}

static void PageUnit(HTTPREQ *pReq)
{
    const char *pszUnit = HttpGetVar(pReq, "u", "C");

    strcpy(g_stConfig.szUnit, pszUnit[0] == 'F' ? "F" : "C");
    HttpReply(pReq, 200, g_stConfig.szUnit);
}

static const struct
{
    const char *pszPath;
    PFNPAGE     pfnPage;
} g_astPages[] =
{
    { "/",         PageStatus   },
    { "/setpoint", PageSetpoint },
    { "/setclock", PageClock    },
    { "/unit",     PageUnit     },
    { NULL,        NULL         }
};

// --- Takt --------------------------------------------------------------

static void OnSecond(void)
{
    if (g_stPending.bClock)
    {
        char szCmd[192];

        g_stPending.bClock = FALSE;
        snprintf(szCmd, sizeof(szCmd), "date -s \"%s %s\" && hwclock -w", g_stPending.szDate,
                 g_stPending.szTime);
        if (system(szCmd) != 0)
            fprintf(stderr, "thermoweb: clock not set\n");
    }
    if (g_stPending.bSave && --g_stPending.nSaveDelay <= 0)
    {
        g_stPending.bSave = FALSE;
        SaveConfig();
    }
}

static BOOL ParseRequest(HTTPREQ *pReq)
{
    char *psz, *pszEnd, *pszTok;

    if (strncmp(pReq->szRaw, "GET ", 4) != 0)
        return FALSE;
    pReq->pszPath = pReq->szRaw + 4;
    pszEnd = strchr(pReq->pszPath, ' ');
    if (pszEnd == NULL)
        return FALSE;
    *pszEnd = '\0';
    pReq->nVars = 0;
    psz = strchr(pReq->pszPath, '?');
    if (psz == NULL)
        return TRUE;
    *psz++ = '\0';
    for (pszTok = strtok(psz, "&"); pszTok && pReq->nVars < MAX_VARS; pszTok = strtok(NULL, "&"))
    {
        char *pszEq = strchr(pszTok, '=');

        if (pszEq == NULL)
            continue;
        *pszEq++ = '\0';
        UrlDecode(pszEq);
        pReq->aVars[pReq->nVars].pszName = pszTok;
        pReq->aVars[pReq->nVars].pszValue = pszEq;
        pReq->nVars++;
    }
    return TRUE;
}

static void Serve(int nSock)
{
    static HTTPREQ stReq;
    int nLen = 0, i;

    stReq.nSock = nSock;
    while (nLen < MAX_REQUEST)
    {
        int n = (int)recv(nSock, stReq.szRaw + nLen, (size_t)(MAX_REQUEST - nLen), 0);

        if (n <= 0)
            break;
        nLen += n;
        stReq.szRaw[nLen] = '\0';
        if (strstr(stReq.szRaw, "\r\n\r\n"))
            break;
    }
    stReq.szRaw[nLen] = '\0';
    if (!ParseRequest(&stReq))
    {
        HttpReply(&stReq, 400, "bad request\n");
        return;
    }
    for (i = 0; g_astPages[i].pszPath != NULL; i++)
        if (strcmp(g_astPages[i].pszPath, stReq.pszPath) == 0)
        {
            g_astPages[i].pfnPage(&stReq);
            return;
        }
    HttpReply(&stReq, 404, "not found\n");
}

int main(void)
{
    struct sockaddr_in stAddr;
    int nListen, nOn = 1;

    signal(SIGPIPE, SIG_IGN);
    LoadConfig();
    nListen = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(nListen, SOL_SOCKET, SO_REUSEADDR, &nOn, sizeof(nOn));
    memset(&stAddr, 0, sizeof(stAddr));
    stAddr.sin_family = AF_INET;
    stAddr.sin_port = htons(g_stConfig.wPort);
    if (bind(nListen, (struct sockaddr *)&stAddr, sizeof(stAddr)) < 0 || listen(nListen, 3) < 0)
    {
        perror("thermoweb");
        return 1;
    }
    for (;;)
    {
        struct timeval tv = { 1, 0 };
        fd_set fds;

        FD_ZERO(&fds);
        FD_SET(nListen, &fds);
        if (select(nListen + 1, &fds, NULL, NULL, &tv) > 0)
        {
            int nSock = accept(nListen, NULL, NULL);

            if (nSock >= 0)
            {
                struct timeval tvRx = { 3, 0 };

                setsockopt(nSock, SOL_SOCKET, SO_RCVTIMEO, &tvRx, sizeof(tvRx));
                Serve(nSock);
                close(nSock);
            }
        }
        OnSecond();
    }
}
