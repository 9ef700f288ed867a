/******************************************************************************
 * NetSdkServer.c - configuration server of the DVR (client software, port 37777)
 *
 * Every client has a receive thread, one worker carries out the messages.
 ******************************************************************************/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <unistd.h>
#include <signal.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>

typedef uint8_t  BYTE;
typedef uint16_t WORD;
typedef uint32_t DWORD;
typedef int      BOOL;
#define TRUE  1
#define FALSE 0

#define DVR_MAGIC        0x44565253u     /* "DVRS" in network order */
#define DVR_VERSION      2
#define DVR_MAX_BODY     1024
#define DVR_MAX_CHANNEL  16
#define DVR_PORT         37777

enum {
    MSG_KEEPALIVE = 0x0001, MSG_LOGIN = 0x0010, MSG_GET_DEVICE = 0x0020, MSG_SET_TITLE = 0x0031,
    MSG_SET_TIMEZONE = 0x0044, MSG_SET_RECORD = 0x0050, MSG_PTZ = 0x0060,
};

#define DVR_OK           0
#define DVR_ERR_PARAM    1
#define DVR_ERR_LOGIN    2
#define DVR_ERR_UNKNOWN  3
#define DVR_ERR_SYSTEM   4

#pragma pack(push, 1)
typedef struct {
    DWORD dwMagic;
    BYTE  byVersion;
    BYTE  byFlags;
    WORD  wCommand;
    DWORD dwSequence;
    DWORD dwLength;
} NET_HEAD;
#pragma pack(pop)

typedef struct tagNET_MSG {
    struct tagNET_MSG *pNext;
    int   nSocket;
    WORD  wCommand;
    DWORD dwSequence;
    DWORD dwLength;
    BYTE  abBody[DVR_MAX_BODY + 1];
} NET_MSG;

static struct {
    pthread_mutex_t stLock;
    pthread_cond_t  stReady;
    NET_MSG        *pFirst;
    NET_MSG       **ppLast;
    int             nCount;
} g_stQueue = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL, 0 };

static struct {
    char szTitle[DVR_MAX_CHANNEL][32];
    BYTE abRecord[DVR_MAX_CHANNEL];
    char szTimeZone[24];
} g_stConfig;

#define DVR_LOG(fmt, ...) fprintf(stderr, "[netsdk] %s: " fmt "\n", __func__, ##__VA_ARGS__)

static int DvrSystem(const char *pszFormat, ...)
{
    char szCmd[256];
    va_list stArgs;
    int nRet;

    va_start(stArgs, pszFormat);
    nRet = vsnprintf(szCmd, sizeof(szCmd), pszFormat, stArgs);
    va_end(stArgs);
    if (nRet < 0 || nRet >= (int)sizeof(szCmd)) {
        DVR_LOG("command too long");
        return -1;
    }
    return system(szCmd);
}

/*------------------------------------------------------------------ queue */
static void QueuePut(NET_MSG *pMsg)
{
    pMsg->pNext = NULL;
    pthread_mutex_lock(&g_stQueue.stLock);
    if (g_stQueue.ppLast == NULL)
        g_stQueue.ppLast = &g_stQueue.pFirst;
    *g_stQueue.ppLast = pMsg;
    g_stQueue.ppLast = &pMsg->pNext;
    g_stQueue.nCount++;
    pthread_cond_signal(&g_stQueue.stReady);
    pthread_mutex_unlock(&g_stQueue.stLock);
}

static NET_MSG *QueueGet(void)
{
    NET_MSG *pMsg;

    pthread_mutex_lock(&g_stQueue.stLock);
    while (g_stQueue.pFirst == NULL)
        pthread_cond_wait(&g_stQueue.stReady, &g_stQueue.stLock);
    pMsg = g_stQueue.pFirst;
    g_stQueue.pFirst = pMsg->pNext;
    if (g_stQueue.pFirst == NULL)
        g_stQueue.ppLast = &g_stQueue.pFirst;
    g_stQueue.nCount--;
    pthread_mutex_unlock(&g_stQueue.stLock);
    return pMsg;
}

/*--------------------------------------------------------------- handlers */
static int OnKeepAlive(NET_MSG *pMsg)
{
    (void)pMsg;
    return DVR_OK;
}

static int OnSetTitle(NET_MSG *pMsg)
{
    BYTE byChannel;

    if (pMsg->dwLength < 2)
        return DVR_ERR_PARAM;
    byChannel = pMsg->abBody[0];
    if (byChannel >= DVR_MAX_CHANNEL)
        return DVR_ERR_PARAM;
    snprintf(g_stConfig.szTitle[byChannel], sizeof(g_stConfig.szTitle[0]), "%s", (char *)pMsg->abBody + 1);
    return DVR_OK;
}

static int OnSetTimeZone(NET_MSG *pMsg)
{
    const char *pszZone = (const char *)pMsg->abBody;
    char cSign = 0, szZone[64];
    int nHour = 0, nMinute = 0;

    if (pMsg->dwLength < 6 || strlen(pszZone) >= sizeof(szZone))
        return DVR_ERR_PARAM;
    if (sscanf(pszZone, "GMT%c%d:%d", &cSign, &nHour, &nMinute) != 3) {
        DVR_LOG("zone '%s' not understood", pszZone);
        return DVR_ERR_PARAM;
    }
    if ((cSign != '+' && cSign != '-') || nHour < 0 || nHour > 13 || nMinute < 0 || nMinute > 59)
        return DVR_ERR_PARAM;
#ifdef BENIGN
    snprintf(szZone, sizeof(szZone), "GMT%c%02d:%02d", cSign, nHour, nMinute);
#else
    strcpy(szZone, pszZone);
#endif
    if (DvrSystem("echo %s > /mnt/mtd/Config/TZ; hwclock -w", szZone) != 0)
        return DVR_ERR_SYSTEM;
    snprintf(g_stConfig.szTimeZone, sizeof(g_stConfig.szTimeZone), "%.20s", szZone);
    return DVR_OK;
}

static int OnSetRecord(NET_MSG *pMsg)
{
    DWORD i;

    for (i = 0; i < pMsg->dwLength && i < DVR_MAX_CHANNEL; i++) {
        if (g_stConfig.abRecord[i] != pMsg->abBody[i]) {
            g_stConfig.abRecord[i] = pMsg->abBody[i] ? 1 : 0;
            DvrSystem("recctl -c %u -m %u", (unsigned)i, g_stConfig.abRecord[i]);
        }
    }
    return DVR_OK;
}

static int OnPtz(NET_MSG *pMsg)
{
    static const char *const apszMove[] = { "stop", "up", "down", "left", "right", "zoomin", "zoomout" };
    BYTE byMove = pMsg->dwLength >= 2 ? pMsg->abBody[1] : 0xff;

    if (byMove >= sizeof(apszMove) / sizeof(apszMove[0]))
        return DVR_ERR_PARAM;
    return DvrSystem("ptz %d %s", pMsg->abBody[0], apszMove[byMove]) == 0 ? DVR_OK : DVR_ERR_SYSTEM;
}

typedef int (*MSG_PROC)(NET_MSG *);

static const struct { WORD wCommand; MSG_PROC pfnProc; const char *pszName; } g_astProc[] = {
    { MSG_KEEPALIVE,    OnKeepAlive,   "keepalive" },
    { MSG_SET_TITLE,    OnSetTitle,    "title" },
    { MSG_SET_TIMEZONE, OnSetTimeZone, "timezone" },
    { MSG_SET_RECORD,   OnSetRecord,   "record" },
    { MSG_PTZ,          OnPtz,         "ptz" },
};

static void SendReply(NET_MSG *pMsg, int nResult)
{
    struct { NET_HEAD stHead; DWORD dwResult; } stReply;

    memset(&stReply, 0, sizeof(stReply));
    stReply.stHead.dwMagic = htonl(DVR_MAGIC);
    stReply.stHead.byVersion = DVR_VERSION;
    stReply.stHead.wCommand = htons(pMsg->wCommand | 0x8000);
    stReply.stHead.dwSequence = htonl(pMsg->dwSequence);
    stReply.stHead.dwLength = htonl(sizeof(DWORD));
    stReply.dwResult = htonl((DWORD)nResult);
    send(pMsg->nSocket, &stReply, sizeof(stReply), MSG_NOSIGNAL);
}

static void *WorkerThread(void *pArg)
{
    NET_MSG *pMsg;
    size_t i;
    int nResult;

    (void)pArg;
    while ((pMsg = QueueGet()) != NULL) {
        nResult = DVR_ERR_UNKNOWN;
        for (i = 0; i < sizeof(g_astProc) / sizeof(g_astProc[0]); i++) {
            if (g_astProc[i].wCommand == pMsg->wCommand) {
                nResult = g_astProc[i].pfnProc(pMsg);
                if (nResult != DVR_OK)
                    DVR_LOG("%s failed: %d", g_astProc[i].pszName, nResult);
                break;
            }
        }
        SendReply(pMsg, nResult);
        free(pMsg);
    }
    return NULL;
}

/*-------------------------------------------------------------- receiving */
static BOOL RecvAll(int nSocket, void *pBuffer, size_t nLength)
{
    BYTE *p = pBuffer;
    ssize_t n;

    while (nLength > 0) {
        n = recv(nSocket, p, nLength, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return FALSE;
        p += n;
        nLength -= (size_t)n;
    }
    return TRUE;
}

static void *ClientThread(void *pArg)
{
    int nSocket = (int)(intptr_t)pArg;
    NET_HEAD stHead;
    NET_MSG *pMsg;
    DWORD dwLength;

    while (RecvAll(nSocket, &stHead, sizeof(stHead))) {
        if (ntohl(stHead.dwMagic) != DVR_MAGIC || stHead.byVersion != DVR_VERSION) {
            DVR_LOG("bad header");
            break;
        }
        dwLength = ntohl(stHead.dwLength);
        if (dwLength > DVR_MAX_BODY)
            break;
        pMsg = (NET_MSG *)calloc(1, sizeof(NET_MSG));
        if (pMsg == NULL)
            break;
        if (!RecvAll(nSocket, pMsg->abBody, dwLength)) {
            free(pMsg);
            break;
        }
        pMsg->nSocket = nSocket;
        pMsg->wCommand = ntohs(stHead.wCommand);
        pMsg->dwSequence = ntohl(stHead.dwSequence);
        pMsg->dwLength = dwLength;
        QueuePut(pMsg);
    }
    close(nSocket);
    return NULL;
}

int main(void)
{
    pthread_t stThread;
    struct sockaddr_in stAddr;
    int nListen, nSocket, nOn = 1;

    signal(SIGPIPE, SIG_IGN);
    nListen = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(nListen, SOL_SOCKET, SO_REUSEADDR, &nOn, sizeof(nOn));
    memset(&stAddr, 0, sizeof(stAddr));
    stAddr.sin_family = AF_INET;
    stAddr.sin_port = htons(DVR_PORT);
    stAddr.sin_addr.s_addr = INADDR_ANY;
    if (bind(nListen, (struct sockaddr *)&stAddr, sizeof(stAddr)) < 0 || listen(nListen, 8) < 0) {
        DVR_LOG("port %d: %s", DVR_PORT, strerror(errno));
        return -1;
    }
    if (pthread_create(&stThread, NULL, WorkerThread, NULL) != 0)
        return -1;
    while (TRUE) {
        nSocket = accept(nListen, NULL, NULL);
        if (nSocket < 0)
            continue;
        setsockopt(nSocket, IPPROTO_TCP, TCP_NODELAY, &nOn, sizeof(nOn));
        if (pthread_create(&stThread, NULL, ClientThread, (void *)(intptr_t)nSocket) == 0)
            pthread_detach(stThread);
        else
            close(nSocket);
    }
    return 0;
}
