/* cfgd - configuration import/export service of the recorder */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define CFG_PORT        8899
#define HEAD_MAX        2048
#define BODY_MAX        (24 * 1024)

typedef struct tagNtpParam {
    char   szServer[96];
    int    nEnable;
    int    nInterval;       /* minutes */
    int    nTimeZone;
    time_t tNext;
    int    nFail;
} NtpParam;

typedef struct tagRecParam {
    int nChannel;
    int nPreRecord;
    int nOverwrite;
} RecParam;

typedef struct tagNvrCfg {
    char      szDevName[48];
    NtpParam *pNtp;
    RecParam *pRec;
    int       nDirty;
} NvrCfg;

static NvrCfg *g_pCfg = NULL;
static FILE   *g_fpLog = NULL;

static void Log(const char *pszFmt, ...)
{
    char    szTime[32];
    time_t  t = time(NULL);
    struct tm tmNow;
    va_list ap;

    if (g_fpLog == NULL)
        return;
    localtime_r(&t, &tmNow);
    strftime(szTime, sizeof(szTime), "%m-%d %H:%M:%S", &tmNow);
    fprintf(g_fpLog, "[%s] ", szTime);
    va_start(ap, pszFmt);
    vfprintf(g_fpLog, pszFmt, ap);
    va_end(ap);
    fputc('\n', g_fpLog);
    fflush(g_fpLog);
}

static NvrCfg *CfgCreate(void)
{
    NvrCfg *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->pNtp = calloc(1, sizeof(NtpParam));
    p->pRec = calloc(1, sizeof(RecParam));
    if (p->pNtp == NULL || p->pRec == NULL) {
        free(p->pNtp);
        free(p->pRec);
        free(p);
        return NULL;
    }
    snprintf(p->szDevName, sizeof(p->szDevName), "%s", "NVR");
    snprintf(p->pNtp->szServer, sizeof(p->pNtp->szServer), "%s", "time.windows.com");
    p->pNtp->nInterval = 60;
    p->pRec->nChannel = 8;
    return p;
}

/* value between <tag> and </tag>, searched from pszFrom on */
static int XmlText(const char *pszFrom, const char *pszTag, char *pszOut, size_t nOut)
{
    char szOpen[40], szClose[40];
    const char *p, *q;
    size_t n;

    snprintf(szOpen, sizeof(szOpen), "<%s>", pszTag);
    snprintf(szClose, sizeof(szClose), "</%s>", pszTag);
    p = strstr(pszFrom, szOpen);
    if (p == NULL)
        return -1;
    p += strlen(szOpen);
    q = strstr(p, szClose);
    if (q == NULL)
        return -1;
    while (p < q && isspace((unsigned char)*p))
        p++;
    while (q > p && isspace((unsigned char)q[-1]))
        q--;
    n = (size_t)(q - p);
    if (n >= nOut)
        return -1;
    memcpy(pszOut, p, n);
    pszOut[n] = '\0';
    return (int)n;
}

static int XmlInt(const char *pszFrom, const char *pszTag, int nMin, int nMax, int *pnVal)
{
    char sz[16];
    long v;

    if (XmlText(pszFrom, pszTag, sz, sizeof(sz)) <= 0)
        return -1;
    v = strtol(sz, NULL, 10);
    if (v < nMin || v > nMax)
        return -1;
    *pnVal = (int)v;
    return 0;
}

static int ImportNtp(const char *pszXml, NtpParam *pNtp)
{
    const char *pSec = strstr(pszXml, "<NTPServer>");
    char szHost[96];

    if (pSec == NULL)
        return 0;
    XmlInt(pSec, "enable", 0, 1, &pNtp->nEnable);
    XmlInt(pSec, "interval", 1, 1440, &pNtp->nInterval);
    XmlInt(pSec, "timeZone", -12, 13, &pNtp->nTimeZone);
    if (XmlText(pSec, "hostName", szHost, sizeof(szHost)) > 0) {
        memcpy(pNtp->szServer, szHost, sizeof(pNtp->szServer));
        pNtp->tNext = time(NULL) + 5;
        pNtp->nFail = 0;
    }
    return 1;
}

static int ImportRecord(const char *pszXml, RecParam *pRec)
{
    const char *pSec = strstr(pszXml, "<RecordParam>");

    if (pSec == NULL)
        return 0;
    XmlInt(pSec, "channel", 1, 32, &pRec->nChannel);
    XmlInt(pSec, "preRecord", 0, 30, &pRec->nPreRecord);
    XmlInt(pSec, "overwrite", 0, 1, &pRec->nOverwrite);
    return 1;
}

static int CfgImport(const char *pszXml)
{
    int n = 0;

    if (strstr(pszXml, "<NVRConfig") == NULL)
        return -1;
    if (XmlText(pszXml, "deviceName", g_pCfg->szDevName, sizeof(g_pCfg->szDevName)) > 0)
        n++;
    n += ImportNtp(pszXml, g_pCfg->pNtp);
    n += ImportRecord(pszXml, g_pCfg->pRec);
    if (n)
        g_pCfg->nDirty = 1;
    Log("import: %d sections", n);
    return n;
}

static void NtpTimer(time_t tNow)
{
    NtpParam *p = g_pCfg->pNtp;
    char szCmd[192], szLine[256];
    FILE *fp;
    int nOk = 0;

    if (!p->nEnable || tNow < p->tNext)
        return;
    p->tNext = tNow + (time_t)p->nInterval * 60;
    if (p->szServer[0] == '\0') {
        Log("ntp: no server");
        return;
    }
    snprintf(szCmd, sizeof(szCmd), "/usr/sbin/ntpdate -t 4 -u %s 2>&1", p->szServer);
    fp = popen(szCmd, "r");
    if (fp == NULL) {
        Log("ntp: popen: %s", strerror(errno));
        return;
    }
    while (fgets(szLine, sizeof(szLine), fp) != NULL) {
        if (strstr(szLine, "offset") != NULL)
            nOk = 1;
    }
    pclose(fp);
    if (nOk) {
        p->nFail = 0;
        system("/sbin/hwclock -w");
    } else if (++p->nFail >= 3) {
        p->tNext = tNow + 6 * 3600;
    }
}

static void Reply(int fd, const char *pszStatus, const char *pszBody)
{
    char sz[1024];
    int n;

    n = snprintf(sz, sizeof(sz), "HTTP/1.0 %s\r\nServer: cfgd\r\nContent-Type: text/xml\r\n"
                 "Content-Length: %u\r\n\r\n%s", pszStatus, (unsigned)strlen(pszBody), pszBody);
    if (n > 0 && n < (int)sizeof(sz))
        (void)!write(fd, sz, (size_t)n);
}

static void ReplyExport(int fd)
{
    char sz[512];

    snprintf(sz, sizeof(sz), "<NVRConfig version=\"1\"><NTPServer><enable>%d</enable><hostName>%s</hostName>"
             "<interval>%d</interval></NTPServer><RecordParam><channel>%d</channel></RecordParam></NVRConfig>",
             g_pCfg->pNtp->nEnable, g_pCfg->pNtp->szServer, g_pCfg->pNtp->nInterval, g_pCfg->pRec->nChannel);
    Reply(fd, "200 OK", sz);
}

static int ReadHead(int fd, char *pBuf, int nMax)
{
    int n = 0;

    while (n < nMax - 1) {
        if (read(fd, pBuf + n, 1) != 1)
            return -1;
        n++;
        pBuf[n] = '\0';
        if (n >= 4 && memcmp(pBuf + n - 4, "\r\n\r\n", 4) == 0)
            return n;
    }
    return -1;
}

static void Serve(int fd)
{
    char szHead[HEAD_MAX];
    char *pBody, *p;
    long nLen = 0;
    int nGot = 0, n;

    if (ReadHead(fd, szHead, sizeof(szHead)) < 0)
        return;
    if (strncmp(szHead, "GET /ConfigExport", 17) == 0) {
        ReplyExport(fd);
        return;
    }
    if (strncmp(szHead, "PUT /ConfigImport", 17) != 0) {
        Reply(fd, "404 Not Found", "");
        return;
    }
    p = strstr(szHead, "Content-Length:");
    if (p != NULL)
        nLen = strtol(p + 15, NULL, 10);
    if (nLen <= 0 || nLen > BODY_MAX) {
        Reply(fd, "413 Too Large", "");
        return;
    }
    pBody = malloc((size_t)nLen + 1);
    if (pBody == NULL)
        return;
    while (nGot < nLen) {
        n = (int)read(fd, pBody + nGot, (size_t)(nLen - nGot));
        if (n <= 0)
            break;
        nGot += n;
    }
    pBody[nGot] = '\0';
    if (CfgImport(pBody) > 0)
        Reply(fd, "200 OK", "<ResponseStatus><statusCode>1</statusCode></ResponseStatus>");
    else
        Reply(fd, "400 Bad Request", "");
    free(pBody);
}

int main(void)
{
    struct sockaddr_in sa;
    int fdListen, on = 1;

    signal(SIGPIPE, SIG_IGN);
    g_fpLog = fopen("/var/log/cfgd.log", "a");
    g_pCfg = CfgCreate();
    if (g_pCfg == NULL)
        return 1;
    fdListen = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fdListen, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(CFG_PORT);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(fdListen, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fdListen, 4) < 0) {
        Log("bind: %s", strerror(errno));
        return 1;
    }
    for (;;) {
        struct timeval tv = { 1, 0 };
        fd_set rs;

        FD_ZERO(&rs);
        FD_SET(fdListen, &rs);
        if (select(fdListen + 1, &rs, NULL, NULL, &tv) > 0) {
            int fd = accept(fdListen, NULL, NULL);
            if (fd >= 0) {
                struct timeval to = { 10, 0 };
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &to, sizeof(to));
                Serve(fd);
                close(fd);
            }
        }
        NtpTimer(time(NULL));
    }
    return 0;
}
