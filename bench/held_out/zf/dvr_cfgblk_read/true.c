/*
 * ParamServer.c
 *
 * Vehicle DVR, parameter download over the maintenance port.
 * Frame:  'V' 'D' cmd(1) seq(1) bodylen(4, big endian) body crc(2)
 *
 * 2016.03  first version
 * 2017.11  channel OSD and region block added
 * 2019.06  body is read by each handler, saves the 64K static buffer
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdarg.h>
#include <time.h>
#include <errno.h>
#include <unistd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define PARAM_PORT          37810
#define FRAME_HEAD          8
#define FRAME_BODY_MAX      0x4000
#define REGION_BLK_LEN      1024
#define OSD_TEXT_LEN        40
#define CHN_MAX             8
#define REGION_MAX          32

enum
{
    CMD_HELLO = 0x01,
    CMD_LOGIN = 0x02,
    CMD_OSD   = 0x10,
    CMD_SPEED = 0x11,
    CMD_REGION = 0x12,
    CMD_STATUS = 0x20
};

enum { ACK_OK = 0, ACK_BADCMD = 1, ACK_BADLEN = 2, ACK_DENY = 3, ACK_CRC = 4 };

typedef struct
{
    int       iSock;
    int       iLogin;
    uint8_t   ucSeq;
    uint32_t  dwBodyLen;
    uint32_t  dwLeft;       /* part of the body not yet read */
    uint16_t  wCrc;
    char      szPeer[16];
} ParamSession;

typedef struct
{
    int32_t   iLat;         /* 1e-6 degree */
    int32_t   iLon;
    uint16_t  wRadius;      /* metre */
    uint16_t  wSpeedLimit;
} RegionItem;

typedef struct
{
    char      aszOsd[CHN_MAX][OSD_TEXT_LEN];
    int       iSpeedWarn;
    int       iSpeedAlarm;
    int       iRegionNum;
    RegionItem astRegion[REGION_MAX];
    int       iDirty;
} ParamStore;

static ParamStore g_stStore;
static pthread_mutex_t g_mtxStore = PTHREAD_MUTEX_INITIALIZER;
static char g_szPlate[16] = "B-TV0000";
static unsigned g_uiFrames, g_uiCrcErr;

static void PsLog(const char *pszFmt, ...)
{
    char szTime[32];
    time_t t = time(NULL);
    struct tm stTm;
    va_list ap;

    strftime(szTime, sizeof(szTime), "%m-%d %H:%M:%S", localtime_r(&t, &stTm));
    fprintf(stderr, "%s PARAM ", szTime);
    va_start(ap, pszFmt);
    vfprintf(stderr, pszFmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static uint16_t PsCrc(uint16_t wCrc, const uint8_t *pBuf, size_t uLen)
{
    int i;

    while (uLen--)
    {
        wCrc ^= (uint16_t)(*pBuf++ << 8);
        for (i = 0; i < 8; i++)
        {
            wCrc = (wCrc & 0x8000) ? (uint16_t)((wCrc << 1) ^ 0x1021) : (uint16_t)(wCrc << 1);
        }
    }
    return wCrc;
}

static int PsReadFull(int iSock, uint8_t *pBuf, uint32_t dwLen)
{
    uint32_t dwGot = 0;

    while (dwGot < dwLen)
    {
        ssize_t n = read(iSock, pBuf + dwGot, dwLen - dwGot);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        dwGot += (uint32_t)n;
    }
    return 0;
}

/* Takes dwLen bytes of the body of the present frame. */
static int PsBody(ParamSession *pS, void *pBuf, uint32_t dwLen)
{
    if (dwLen > pS->dwLeft || PsReadFull(pS->iSock, pBuf, dwLen) < 0)
        return -1;
    pS->dwLeft -= dwLen;
    pS->wCrc = PsCrc(pS->wCrc, pBuf, dwLen);
    return 0;
}

/* Reads what is left of the body and the CRC; 1 when the CRC fits. */
static int PsFinish(ParamSession *pS)
{
    uint8_t aucTmp[64];

    while (pS->dwLeft > 0)
    {
        uint32_t n = pS->dwLeft < sizeof(aucTmp) ? pS->dwLeft : (uint32_t)sizeof(aucTmp);

        if (PsBody(pS, aucTmp, n) < 0)
            return -1;
    }
    if (PsReadFull(pS->iSock, aucTmp, 2) < 0)
        return -1;
    if (((aucTmp[0] << 8) | aucTmp[1]) != pS->wCrc)
    {
        g_uiCrcErr++;
        return 0;
    }
    return 1;
}

static int32_t GetBe32(const uint8_t *p)
{
    return (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

static int OnHello(ParamSession *pS)
{
    if (PsFinish(pS) <= 0)
        return ACK_CRC;
    PsLog("%s hello, plate %s", pS->szPeer, g_szPlate);
    return ACK_OK;
}

static int OnLogin(ParamSession *pS)
{
    uint8_t aucPin[4];

    if (pS->dwBodyLen != sizeof(aucPin))
        return PsFinish(pS) < 0 ? -1 : ACK_BADLEN;
    if (PsBody(pS, aucPin, sizeof(aucPin)) < 0)
        return -1;
    if (PsFinish(pS) <= 0)
        return ACK_CRC;
    /* the PIN is the digits of the plate, as printed in the manual */
    if (memcmp(aucPin, g_szPlate + 4, sizeof(aucPin)) != 0)
    {
        PsLog("%s wrong pin", pS->szPeer);
        return ACK_DENY;
    }
    pS->iLogin = 1;
    return ACK_OK;
}

static int OnOsd(ParamSession *pS)
{
    uint8_t ucChn;
    char szText[OSD_TEXT_LEN];
    uint32_t dwText;
    int iRet;

    if (pS->dwBodyLen < 2 || pS->dwBodyLen > OSD_TEXT_LEN)
        return PsFinish(pS) < 0 ? -1 : ACK_BADLEN;
    dwText = pS->dwBodyLen - 1;
    memset(szText, 0, sizeof(szText));
    if (PsBody(pS, &ucChn, 1) < 0 || PsBody(pS, szText, dwText) < 0)
        return -1;
    iRet = PsFinish(pS);
    if (iRet <= 0)
        return iRet < 0 ? -1 : ACK_CRC;
    if (ucChn >= CHN_MAX)
        return ACK_BADLEN;
    pthread_mutex_lock(&g_mtxStore);
    memcpy(g_stStore.aszOsd[ucChn], szText, sizeof(szText));
    g_stStore.iDirty = 1;
    pthread_mutex_unlock(&g_mtxStore);
    return ACK_OK;
}

static int OnSpeed(ParamSession *pS)
{
    uint8_t auc[2];
    int iRet;

    if (pS->dwBodyLen < sizeof(auc) || PsBody(pS, auc, sizeof(auc)) < 0)
        return -1;
    iRet = PsFinish(pS);
    if (iRet <= 0)
        return iRet < 0 ? -1 : ACK_CRC;
    pthread_mutex_lock(&g_mtxStore);
    g_stStore.iSpeedWarn = auc[0];
    g_stStore.iSpeedAlarm = auc[1];
    g_stStore.iDirty = 1;
    pthread_mutex_unlock(&g_mtxStore);
    return ACK_OK;
}

static int OnRegion(ParamSession *pS)
{
    uint8_t aucBlk[REGION_BLK_LEN];
    uint32_t dwLen = pS->dwBodyLen;
    int iNum, i, iRet;

    if (dwLen == 0 || dwLen % 12 != 0)
        return PsFinish(pS) < 0 ? -1 : ACK_BADLEN;
    if (PsBody(pS, aucBlk, dwLen) < 0)
        return -1;
    iRet = PsFinish(pS);
    if (iRet <= 0)
        return iRet < 0 ? -1 : ACK_CRC;
    iNum = (int)(dwLen / 12);
    if (iNum > REGION_MAX)
        iNum = REGION_MAX;
    pthread_mutex_lock(&g_mtxStore);
    for (i = 0; i < iNum; i++)
    {
        const uint8_t *p = aucBlk + i * 12;

        g_stStore.astRegion[i].iLat = GetBe32(p);
        g_stStore.astRegion[i].iLon = GetBe32(p + 4);
        g_stStore.astRegion[i].wRadius = (uint16_t)(p[8] << 8 | p[9]);
        g_stStore.astRegion[i].wSpeedLimit = (uint16_t)(p[10] << 8 | p[11]);
    }
    g_stStore.iRegionNum = iNum;
    g_stStore.iDirty = 1;
    pthread_mutex_unlock(&g_mtxStore);
    PsLog("%s %d regions", pS->szPeer, iNum);
    return ACK_OK;
}

static int OnStatus(ParamSession *pS)
{
    if (PsFinish(pS) <= 0)
        return ACK_CRC;
    PsLog("frames %u crc errors %u regions %d", g_uiFrames, g_uiCrcErr, g_stStore.iRegionNum);
    return ACK_OK;
}

static const struct
{
    uint8_t ucCmd;
    uint8_t ucNeedLogin;
    int   (*pfnProc)(ParamSession *pS);
} g_astCmd[] =
{
    { CMD_HELLO,  0, OnHello  },
    { CMD_LOGIN,  0, OnLogin  },
    { CMD_OSD,    1, OnOsd    },
    { CMD_SPEED,  1, OnSpeed  },
    { CMD_REGION, 1, OnRegion },
    { CMD_STATUS, 0, OnStatus },
};

static void *SaveThread(void *pArg)
{
    (void)pArg;
    for (;;)
    {
        ParamStore stCopy;
        FILE *fp;

        sleep(5);
        pthread_mutex_lock(&g_mtxStore);
        stCopy = g_stStore;
        g_stStore.iDirty = 0;
        pthread_mutex_unlock(&g_mtxStore);
        if (!stCopy.iDirty || (fp = fopen("/mnt/flash/param.bin", "wb")) == NULL)
            continue;
        stCopy.iDirty = 0;
        fwrite(&stCopy, sizeof(stCopy), 1, fp);
        fclose(fp);
    }
    return NULL;
}

static void ServeOne(ParamSession *pS)
{
    uint8_t aucHead[FRAME_HEAD];
    uint8_t aucAck[6];
    unsigned i;
    int iRet;

    while (PsReadFull(pS->iSock, aucHead, sizeof(aucHead)) == 0)
    {
        if (aucHead[0] != 'V' || aucHead[1] != 'D')
            return;
        pS->ucSeq = aucHead[3];
        pS->dwBodyLen = (uint32_t)GetBe32(aucHead + 4);
        if (pS->dwBodyLen > FRAME_BODY_MAX)
        {
            PsLog("%s body too long", pS->szPeer);
            return;
        }
        pS->dwLeft = pS->dwBodyLen;
        pS->wCrc = PsCrc(0xffff, aucHead, sizeof(aucHead));
        g_uiFrames++;
        iRet = ACK_BADCMD;
        for (i = 0; i < sizeof(g_astCmd) / sizeof(g_astCmd[0]); i++)
        {
            if (g_astCmd[i].ucCmd == aucHead[2])
                break;
        }
        if (i == sizeof(g_astCmd) / sizeof(g_astCmd[0]))
            iRet = PsFinish(pS) < 0 ? -1 : ACK_BADCMD;
        else if (g_astCmd[i].ucNeedLogin && !pS->iLogin)
            iRet = PsFinish(pS) < 0 ? -1 : ACK_DENY;
        else
            iRet = g_astCmd[i].pfnProc(pS);
        if (iRet < 0)
            return;
        aucAck[0] = 'V';
        aucAck[1] = 'A';
        aucAck[2] = aucHead[2];
        aucAck[3] = pS->ucSeq;
        aucAck[4] = (uint8_t)iRet;
        aucAck[5] = aucAck[2] ^ aucAck[3] ^ aucAck[4];
        if (write(pS->iSock, aucAck, sizeof(aucAck)) != (ssize_t)sizeof(aucAck))
            return;
    }
}

int main(void)
{
    struct sockaddr_in stAddr, stPeer;
    struct timeval tv = { 60, 0 };
    ParamSession stSess;
    socklen_t sl;
    pthread_t tid;
    FILE *fp;
    int iSrv, iOne = 1;

    signal(SIGPIPE, SIG_IGN);
    fp = fopen("/mnt/flash/plate.txt", "r");
    if (fp != NULL)
    {
        if (fgets(g_szPlate, sizeof(g_szPlate), fp) == NULL)
            PsLog("no plate");
        fclose(fp);
    }
    iSrv = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(iSrv, SOL_SOCKET, SO_REUSEADDR, &iOne, sizeof(iOne));
    memset(&stAddr, 0, sizeof(stAddr));
    stAddr.sin_family = AF_INET;
    stAddr.sin_port = htons(PARAM_PORT);
    if (bind(iSrv, (struct sockaddr *)&stAddr, sizeof(stAddr)) != 0 || listen(iSrv, 2) != 0)
    {
        PsLog("bind: %s", strerror(errno));
        return 1;
    }
    pthread_create(&tid, NULL, SaveThread, NULL);
    for (;;)
    {
        memset(&stSess, 0, sizeof(stSess));
        sl = sizeof(stPeer);
        stSess.iSock = accept(iSrv, (struct sockaddr *)&stPeer, &sl);
        if (stSess.iSock < 0)
            continue;
        setsockopt(stSess.iSock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        inet_ntop(AF_INET, &stPeer.sin_addr, stSess.szPeer, sizeof(stSess.szPeer));
        ServeOne(&stSess);
        close(stSess.iSock);
    }
}
