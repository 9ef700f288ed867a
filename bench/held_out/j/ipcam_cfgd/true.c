/*
 * ipcam_cfgd.c - LAN config service for HI35xx IPC
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <ctype.h>
#include <errno.h>
#include <unistd.h>
#include <time.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CFGD_PORT       9521
#define CFG_FILE        "/mnt/mtd/Config/lan.ini"
#define MAX_PKT         1024
#define RET_OK          0
#define RET_ERR         (-1)

typedef struct tagLAN_CFG_S
{
    char szDevName[32];
    char szNtpHost[64];
    int  nTimeZone;
    int  nVideoFmt;
} LAN_CFG_S;

typedef int (*PFN_CMD)(const char *pszVal, char *pszOut, int nOutLen);

typedef struct tagCMD_ENTRY_S
{
    const char *pszName;
    PFN_CMD     pfnProc;
} CMD_ENTRY_S;

static LAN_CFG_S g_stCfg;
static int g_bDebug = 0;

#define DBG(fmt, ...) do { if (g_bDebug) printf("[%s:%d] " fmt "\n", __FUNCTION__, __LINE__, ##__VA_ARGS__); } while (0)

static int DoSystem(const char *pszFmt, ...)
{
    char szCmd[256];
    va_list ap;
    int nRet;

    va_start(ap, pszFmt);
    vsnprintf(szCmd, sizeof(szCmd), pszFmt, ap);
    va_end(ap);
    DBG("run: %s", szCmd);
    nRet = system(szCmd);
    if (nRet != 0)
    {
        printf("DoSystem ret=%d\n", nRet);
    }
    return nRet;
}

static void CFG_Load(void)
{
    FILE *fp;
    char szLine[160];
    char *p;

    memset(&g_stCfg, 0, sizeof(g_stCfg));
    strcpy(g_stCfg.szDevName, "IPC");
    strcpy(g_stCfg.szNtpHost, "time.windows.com");
    g_stCfg.nTimeZone = 8;

    fp = fopen(CFG_FILE, "r");
    if (fp == NULL)
    {
        return;
    }
    while (fgets(szLine, sizeof(szLine), fp) != NULL)
    {
        szLine[strcspn(szLine, "\r\n")] = '\0';
        p = strchr(szLine, '=');
        if (p == NULL)
        {
            continue;
        }
        *p++ = '\0';
        if (strcmp(szLine, "TimeZone") == 0)
            g_stCfg.nTimeZone = atoi(p);
        else if (strcmp(szLine, "VideoFmt") == 0)
            g_stCfg.nVideoFmt = atoi(p);
        else if (strcmp(szLine, "DevName") == 0)
            snprintf(g_stCfg.szDevName, sizeof(g_stCfg.szDevName), "%s", p);
    }
    fclose(fp);
}

static int CFG_Save(void)
{
    FILE *fp = fopen(CFG_FILE, "w");

    if (fp == NULL)
    {
        printf("save %s fail: %s\n", CFG_FILE, strerror(errno));
        return RET_ERR;
    }
    fprintf(fp, "DevName=%s\n", g_stCfg.szDevName);
    fprintf(fp, "NtpHost=%s\n", g_stCfg.szNtpHost);
    fprintf(fp, "TimeZone=%d\n", g_stCfg.nTimeZone);
    fprintf(fp, "VideoFmt=%d\n", g_stCfg.nVideoFmt);
    fclose(fp);
    return RET_OK;
}

static int IsHostOk(const char *pszHost)
{
    int nLen = (int)strlen(pszHost);

    if (nLen <= 0 || nLen >= (int)sizeof(g_stCfg.szNtpHost))
    {
        return 0;
    }
    if (strpbrk(pszHost, ";|&<> \"'") != NULL)
    {
        return 0;
    }
    return 1;
}

static int CMD_GetVer(const char *pszVal, char *pszOut, int nOutLen)
{
    (void)pszVal;
    snprintf(pszOut, nOutLen, "ver=V4.02.R11.7601&fmt=%d&up=%ld", g_stCfg.nVideoFmt, (long)time(NULL));
    return RET_OK;
}

static int CMD_SetName(const char *pszVal, char *pszOut, int nOutLen)
{
    strncpy(g_stCfg.szDevName, pszVal, sizeof(g_stCfg.szDevName) - 1);
    g_stCfg.szDevName[sizeof(g_stCfg.szDevName) - 1] = '\0';
    snprintf(pszOut, nOutLen, "name=%s", g_stCfg.szDevName);
    return CFG_Save();
}

static int CMD_SetNtp(const char *pszVal, char *pszOut, int nOutLen)
{
    if (!IsHostOk(pszVal))
    {
        snprintf(pszOut, nOutLen, "err=host");
        return RET_ERR;
    }
    strcpy(g_stCfg.szNtpHost, pszVal);
    CFG_Save();
    DoSystem("killall -q ntpclient");
    DoSystem("/usr/sbin/ntpclient -s -i 3600 -h %s &", g_stCfg.szNtpHost);
    snprintf(pszOut, nOutLen, "ntp=ok");
    return RET_OK;
}

static int CMD_SetTz(const char *pszVal, char *pszOut, int nOutLen)
{
    int nTz = atoi(pszVal);

    if (nTz < -12 || nTz > 14)
    {
        snprintf(pszOut, nOutLen, "err=range");
        return RET_ERR;
    }
    g_stCfg.nTimeZone = nTz;
    DoSystem("echo UTC%d > /etc/TZ", -nTz);
    snprintf(pszOut, nOutLen, "tz=%d", nTz);
    return CFG_Save();
}

static int CMD_Reboot(const char *pszVal, char *pszOut, int nOutLen)
{
    (void)pszVal;
    snprintf(pszOut, nOutLen, "reboot=1");
    DoSystem("sync; (sleep 2; reboot) &");
    return RET_OK;
}

static const CMD_ENTRY_S g_astCmd[] =
{
    { "getver",  CMD_GetVer  },
    { "setname", CMD_SetName },
    { "setntp",  CMD_SetNtp  },
    { "settz",   CMD_SetTz   },
    { "reboot",  CMD_Reboot  },
};

static int PKT_Dispatch(char *pszPkt, char *pszOut, int nOutLen)
{
    char *pszCmd;
    char *pszVal;
    unsigned int i;

    if (strncmp(pszPkt, "HCFG", 4) != 0)
    {
        return RET_ERR;
    }
    pszCmd = strstr(pszPkt + 4, "cmd=");
    if (pszCmd == NULL)
    {
        return RET_ERR;
    }
    pszCmd += 4;
    pszVal = strchr(pszCmd, ',');
    if (pszVal != NULL)
    {
        *pszVal++ = '\0';
        if (strncmp(pszVal, "val=", 4) == 0)
        {
            pszVal += 4;
        }
    }
    else
    {
        pszVal = "";
    }

    for (i = 0; i < sizeof(g_astCmd) / sizeof(g_astCmd[0]); i++)
    {
        if (strcasecmp(g_astCmd[i].pszName, pszCmd) == 0)
        {
            DBG("cmd %s", pszCmd);
            return g_astCmd[i].pfnProc(pszVal, pszOut, nOutLen);
        }
    }
    snprintf(pszOut, nOutLen, "err=nocmd");
    return RET_ERR;
}

int main(int argc, char *argv[])
{
    int nSock, nLen, bOn = 1;
    struct sockaddr_in stAddr, stPeer;
    socklen_t nPeerLen;
    char szPkt[MAX_PKT + 1];
    char szOut[256];

    if (argc > 1 && strcmp(argv[1], "-d") == 0)
    {
        g_bDebug = 1;
    }
    CFG_Load();

    nSock = socket(AF_INET, SOCK_DGRAM, 0);
    if (nSock < 0)
    {
        perror("socket");
        return 1;
    }
    setsockopt(nSock, SOL_SOCKET, SO_BROADCAST, &bOn, sizeof(bOn));
    memset(&stAddr, 0, sizeof(stAddr));
    stAddr.sin_family = AF_INET;
    stAddr.sin_port = htons(CFGD_PORT);
    stAddr.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(nSock, (struct sockaddr *)&stAddr, sizeof(stAddr)) < 0)
    {
        perror("bind");
        return 1;
    }

    for (;;)
    {
        nPeerLen = sizeof(stPeer);
        nLen = recvfrom(nSock, szPkt, MAX_PKT, 0, (struct sockaddr *)&stPeer, &nPeerLen);
        if (nLen <= 0)
        {
            continue;
        }
        szPkt[nLen] = '\0';
        szOut[0] = '\0';
        PKT_Dispatch(szPkt, szOut, sizeof(szOut));
        if (szOut[0] != '\0')
        {
            sendto(nSock, szOut, strlen(szOut), 0, (struct sockaddr *)&stPeer, nPeerLen);
        }
    }
    return 0;
}
