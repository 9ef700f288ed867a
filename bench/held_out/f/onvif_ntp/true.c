/*****************************************************************************
 * IPC_OnvifLite.c
 *
 * Minimal ONVIF device service for the low cost camera line.  Only the calls
 * which the NVR needs for adding a camera are implemented.
 *****************************************************************************/
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#define CFG_FILE            "/mnt/mtd/Config/onvif.ini"
#define DEFAULT_HTTP_PORT   8086
#define MAX_REQ_LEN         8192
#define MAX_NTP_LEN         64

#define RET_OK              0
#define RET_ERR             (-1)

typedef int             S32;
typedef unsigned int    U32;
typedef unsigned short  U16;
typedef char            CHAR;

typedef struct tagONVIF_CFG_S
{
    U16     u16Port;
    U32     u32NtpInterval;         /* seconds */
    S32     s32NtpEnable;
    CHAR    szNtpServer[MAX_NTP_LEN];
    CHAR    szModel[32];
} ONVIF_CFG_S;

typedef struct tagSOAP_REQ_S
{
    CHAR    szAction[64];
    CHAR   *pszBody;
    U32     u32BodyLen;
} SOAP_REQ_S;

typedef S32 (*SOAP_FUNC)(SOAP_REQ_S *pstReq, CHAR *pszOut, U32 u32OutLen);

static ONVIF_CFG_S      g_stCfg;
static pthread_mutex_t  g_mtxCfg = PTHREAD_MUTEX_INITIALIZER;
static S32              g_s32NtpDirty = 0;

static void CFG_Load(void)
{
    CHAR  szLine[160];
    CHAR *pszVal;
    FILE *fp;

    memset(&g_stCfg, 0, sizeof(g_stCfg));
    g_stCfg.u16Port = DEFAULT_HTTP_PORT;
    g_stCfg.u32NtpInterval = 3600;
    strcpy(g_stCfg.szModel, "IPC-H265-2M");

    fp = fopen(CFG_FILE, "r");
    if (NULL == fp)
    {
        return;
    }
    while (fgets(szLine, sizeof(szLine), fp) != NULL)
    {
        szLine[strcspn(szLine, "\r\n")] = '\0';
        pszVal = strchr(szLine, '=');
        if (NULL == pszVal)
        {
            continue;
        }
        *pszVal++ = '\0';
        if (0 == strcmp(szLine, "HttpPort"))
        {
            g_stCfg.u16Port = (U16)atoi(pszVal);
        }
        else if (0 == strcmp(szLine, "NtpInterval"))
        {
            g_stCfg.u32NtpInterval = (U32)atoi(pszVal);
        }
        else if (0 == strcmp(szLine, "Model"))
        {
            snprintf(g_stCfg.szModel, sizeof(g_stCfg.szModel), "%.31s", pszVal);
        }
    }
    fclose(fp);
}

/* run a command with printf style arguments */
static S32 SYS_Cmd(const CHAR *pszFmt, ...)
{
    CHAR    szCmd[256];
    va_list ap;
    S32     s32Len;

    va_start(ap, pszFmt);
    s32Len = vsnprintf(szCmd, sizeof(szCmd), pszFmt, ap);
    va_end(ap);
    if (s32Len < 0 || s32Len >= (S32)sizeof(szCmd))
    {
        syslog(LOG_ERR, "command too long");
        return RET_ERR;
    }
    syslog(LOG_DEBUG, "[%s]", szCmd);
    return system(szCmd);
}

/* get the text of <ns:tag ...>text</, the namespace prefix is ignored */
static S32 XML_GetText(const CHAR *pszXml, const CHAR *pszTag, CHAR *pszOut, U32 u32OutLen)
{
    const CHAR *p = pszXml;
    const CHAR *q;
    U32 u32TagLen = (U32)strlen(pszTag);
    U32 u32Len;

    while ((p = strchr(p, '<')) != NULL)
    {
        p++;
        q = p + strcspn(p, ":> ");
        if (*q == ':')
        {
            p = q + 1;
        }
        if (0 == strncmp(p, pszTag, u32TagLen) && (p[u32TagLen] == '>' || p[u32TagLen] == ' '))
        {
            p = strchr(p, '>');
            if (NULL == p)
            {
                return RET_ERR;
            }
            p++;
            q = strchr(p, '<');
            if (NULL == q)
            {
                return RET_ERR;
            }
            u32Len = (U32)(q - p);
            if (u32Len >= u32OutLen)
            {
                return RET_ERR;
            }
            memcpy(pszOut, p, u32Len);
            pszOut[u32Len] = '\0';
            return RET_OK;
        }
    }
    return RET_ERR;
}

static S32 CheckHost(const CHAR *pszHost)
{
    if (*pszHost == '\0' || *pszHost == '-')
    {
        return RET_ERR;
    }
    for (; *pszHost != '\0'; pszHost++)
    {
#ifdef BENIGN
        if (!isalnum((unsigned char)*pszHost) && *pszHost != '.' && *pszHost != '-')
#else
        if (isspace((unsigned char)*pszHost) || *pszHost == ';' || *pszHost == '|' || *pszHost == '&')
#endif
        {
            return RET_ERR;
        }
    }
    return RET_OK;
}

static S32 DEV_GetInformation(SOAP_REQ_S *pstReq, CHAR *pszOut, U32 u32OutLen)
{
    (void)pstReq;
    snprintf(pszOut, u32OutLen, "<tds:Manufacturer>IPC</tds:Manufacturer><tds:Model>%s</tds:Model>"
             "<tds:FirmwareVersion>V4.02.R11</tds:FirmwareVersion>", g_stCfg.szModel);
    return RET_OK;
}

static S32 DEV_GetNTP(SOAP_REQ_S *pstReq, CHAR *pszOut, U32 u32OutLen)
{
    (void)pstReq;
    pthread_mutex_lock(&g_mtxCfg);
    snprintf(pszOut, u32OutLen, "<tt:DNSname>%s</tt:DNSname>", g_stCfg.szNtpServer);
    pthread_mutex_unlock(&g_mtxCfg);
    return RET_OK;
}

static S32 DEV_SetNTP(SOAP_REQ_S *pstReq, CHAR *pszOut, U32 u32OutLen)
{
    CHAR szHost[MAX_NTP_LEN];

    if (XML_GetText(pstReq->pszBody, "IPv4Address", szHost, sizeof(szHost)) != RET_OK &&
        XML_GetText(pstReq->pszBody, "DNSname", szHost, sizeof(szHost)) != RET_OK)
    {
        return RET_ERR;
    }
    if (CheckHost(szHost) != RET_OK)
    {
        syslog(LOG_WARNING, "SetNTP: bad server name");
        return RET_ERR;
    }
    pthread_mutex_lock(&g_mtxCfg);
    strcpy(g_stCfg.szNtpServer, szHost);
    g_stCfg.s32NtpEnable = 1;
    g_s32NtpDirty = 1;
    pthread_mutex_unlock(&g_mtxCfg);
    pszOut[0] = '\0';
    (void)u32OutLen;
    return RET_OK;
}

static const struct
{
    const CHAR *pszName;
    SOAP_FUNC   pfn;
} g_astFunc[] =
{
    { "GetDeviceInformation", DEV_GetInformation },
    { "GetNTP",               DEV_GetNTP },
    { "SetNTP",               DEV_SetNTP },
};

static void *NTP_Thread(void *pArg)
{
    CHAR   szServer[MAX_NTP_LEN];
    time_t tNext = 0;

    (void)pArg;
    for (;;)
    {
        sleep(1);
        pthread_mutex_lock(&g_mtxCfg);
        if (!g_stCfg.s32NtpEnable || (!g_s32NtpDirty && time(NULL) < tNext))
        {
            pthread_mutex_unlock(&g_mtxCfg);
            continue;
        }
        g_s32NtpDirty = 0;
        memcpy(szServer, g_stCfg.szNtpServer, sizeof(szServer));
        pthread_mutex_unlock(&g_mtxCfg);

        tNext = time(NULL) + (time_t)g_stCfg.u32NtpInterval;
        if (SYS_Cmd("ntpclient -s -c 1 -h %s >/dev/null 2>&1", szServer) == 0)
        {
            SYS_Cmd("hwclock -w -u");
        }
    }
    return NULL;
}

static void HTTP_Serve(S32 s32Fd)
{
    static CHAR szReq[MAX_REQ_LEN + 1];
    CHAR  szOut[1024], szHead[128];
    CHAR *pszBody = NULL, *pszLen;
    U32   u32Got = 0, u32Need = 0, i;
    S32   s32Ret = RET_ERR;
    SOAP_REQ_S stReq;

    while (u32Got < MAX_REQ_LEN)
    {
        ssize_t n = recv(s32Fd, szReq + u32Got, MAX_REQ_LEN - u32Got, 0);
        if (n <= 0)
        {
            break;
        }
        u32Got += (U32)n;
        szReq[u32Got] = '\0';
        pszBody = strstr(szReq, "\r\n\r\n");
        if (pszBody != NULL)
        {
            pszBody += 4;
            pszLen = strcasestr(szReq, "Content-Length:");
            u32Need = pszLen != NULL ? (U32)atoi(pszLen + 15) : 0;
            if ((U32)(szReq + u32Got - pszBody) >= u32Need)
            {
                break;
            }
        }
    }
    if (NULL == pszBody || strncmp(szReq, "POST /onvif/device_service", 26) != 0)
    {
        return;
    }
    memset(&stReq, 0, sizeof(stReq));
    stReq.pszBody = pszBody;
    stReq.u32BodyLen = u32Need;
    szOut[0] = '\0';
    for (i = 0; i < sizeof(g_astFunc) / sizeof(g_astFunc[0]); i++)
    {
        snprintf(stReq.szAction, sizeof(stReq.szAction), ":%s", g_astFunc[i].pszName);
        if (strstr(pszBody, stReq.szAction) != NULL)
        {
            s32Ret = g_astFunc[i].pfn(&stReq, szOut, sizeof(szOut));
            break;
        }
    }
    snprintf(szHead, sizeof(szHead), "HTTP/1.1 %s\r\nContent-Type: application/soap+xml\r\nContent-Length: %u\r\n\r\n",
             s32Ret == RET_OK ? "200 OK" : "400 Bad Request", (U32)strlen(szOut));
    send(s32Fd, szHead, strlen(szHead), MSG_NOSIGNAL);
    send(s32Fd, szOut, strlen(szOut), MSG_NOSIGNAL);
}

int main(void)
{
    S32 s32Lsn, s32Fd, s32On = 1;
    struct timeval stTmo = { 5, 0 };
    struct sockaddr_in stAddr;
    pthread_t tid;

    openlog("onvif", LOG_PID, LOG_DAEMON);
    signal(SIGPIPE, SIG_IGN);
    CFG_Load();
    s32Lsn = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s32Lsn, SOL_SOCKET, SO_REUSEADDR, &s32On, sizeof(s32On));
    memset(&stAddr, 0, sizeof(stAddr));
    stAddr.sin_family = AF_INET;
    stAddr.sin_addr.s_addr = htonl(INADDR_ANY);
    stAddr.sin_port = htons(g_stCfg.u16Port);
    if (bind(s32Lsn, (struct sockaddr *)&stAddr, sizeof(stAddr)) != 0 || listen(s32Lsn, 5) != 0)
    {
        syslog(LOG_ERR, "bind %u: %s", g_stCfg.u16Port, strerror(errno));
        return 1;
    }
    pthread_create(&tid, NULL, NTP_Thread, NULL);
    for (;;)
    {
        s32Fd = accept(s32Lsn, NULL, NULL);
        if (s32Fd < 0)
        {
            continue;
        }
        setsockopt(s32Fd, SOL_SOCKET, SO_RCVTIMEO, &stTmo, sizeof(stTmo));
        HTTP_Serve(s32Fd);
        close(s32Fd);
    }
}
