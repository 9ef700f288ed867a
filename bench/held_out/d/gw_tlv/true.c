/* Zigbee/RS485 gateway: configuration protocol over UDP. A frame is a header and a chain of TLVs; each tag has a handler.
 * The label of a device may come in several pieces which are put together on the stack: every piece is compared with the
 * size of the buffer, but not what is there already (benign: with the room that is left). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define GW_PORT         20108
#define GW_MAGIC        0x47574C31UL
#define GW_MTU          1400
#define GW_MAX_NODES    32

#define OP_QUERY        1
#define OP_CONFIG       2
#define OP_REBOOT       9

#define TAG_NODE        0x01
#define TAG_POLL        0x10
#define TAG_BAUD        0x11
#define TAG_PARITY      0x12
#define TAG_LABEL       0x31
#define TAG_SAVE        0x7F

#define GET16(p)        ((uint16_t)(((p)[0] << 8) | (p)[1]))
#define GET32(p)        (((uint32_t)(p)[0] << 24) | ((uint32_t)(p)[1] << 16) | ((uint32_t)(p)[2] << 8) | (uint32_t)(p)[3])
#define PUT16(p, v)     do { (p)[0] = (uint8_t)((v) >> 8); (p)[1] = (uint8_t)(v); } while (0)
#define PUT32(p, v)     do { PUT16(p, (v) >> 16); PUT16((p) + 2, (v)); } while (0)

typedef int32_t GW_RC;
#define GW_OK           0
#define GW_ERR_LEN      -1
#define GW_ERR_TAG      -2
#define GW_ERR_NODE     -3

typedef struct _NODE {
    uint16_t usAddr;
    uint16_t usPoll;
    uint32_t ulBaud;
    uint8_t  ucParity;
    char    *pszLabel;
    time_t   tSeen;
} NODE;

typedef struct _FRAME_CTX {
    NODE    *pNode;
    int      bSave;
    uint32_t ulUsed;
    uint8_t  aucLabel[96];
} FRAME_CTX;

typedef GW_RC (*TAG_FN)(FRAME_CTX *pCtx, const uint8_t *pVal, uint16_t usLen);

static NODE  g_astNode[GW_MAX_NODES];
static int   g_iNodes;
static int   g_iSock = -1;
static FILE *g_pLog;

static void GwLog(int iLevel, const char *pszWhat, long lVal)
{
    static const char *apszLevel[] = { "ERR", "WRN", "INF" };

    fprintf(g_pLog ? g_pLog : stderr, "%ld %s %s %ld\n", (long)time(NULL), apszLevel[iLevel % 3], pszWhat, lVal);
}

static NODE *NodeGet(uint16_t usAddr, int bCreate)
{
    int i;

    for (i = 0; i < g_iNodes; i++) {
        if (g_astNode[i].usAddr == usAddr) {
            return &g_astNode[i];
        }
    }
    if (!bCreate || g_iNodes >= GW_MAX_NODES) {
        return NULL;
    }
    memset(&g_astNode[g_iNodes], 0, sizeof(NODE));
    g_astNode[g_iNodes].usAddr = usAddr;
    g_astNode[g_iNodes].ulBaud = 9600;
    g_astNode[g_iNodes].usPoll = 1000;
    return &g_astNode[g_iNodes++];
}

static GW_RC TagNode(FRAME_CTX *pCtx, const uint8_t *pVal, uint16_t usLen)
{
    if (usLen != 2) {
        return GW_ERR_LEN;
    }
    pCtx->pNode = NodeGet(GET16(pVal), 1);
    return pCtx->pNode ? GW_OK : GW_ERR_NODE;
}

static GW_RC TagPoll(FRAME_CTX *pCtx, const uint8_t *pVal, uint16_t usLen)
{
    if (usLen != 2) {
        return GW_ERR_LEN;
    }
    if (pCtx->pNode == NULL) {
        return GW_ERR_NODE;
    }
    pCtx->pNode->usPoll = GET16(pVal) < 50 ? 50 : GET16(pVal);
    return GW_OK;
}

static GW_RC TagBaud(FRAME_CTX *pCtx, const uint8_t *pVal, uint16_t usLen)
{
    if (usLen != 4) {
        return GW_ERR_LEN;
    }
    if (pCtx->pNode == NULL) {
        return GW_ERR_NODE;
    }
    pCtx->pNode->ulBaud = GET32(pVal);
    return GW_OK;
}

static GW_RC TagParity(FRAME_CTX *pCtx, const uint8_t *pVal, uint16_t usLen)
{
    if (usLen != 1) {
        return GW_ERR_LEN;
    }
    if (pCtx->pNode == NULL) {
        return GW_ERR_NODE;
    }
    pCtx->pNode->ucParity = pVal[0] % 3;
    return GW_OK;
}

static GW_RC TagLabel(FRAME_CTX *pCtx, const uint8_t *pVal, uint16_t usLen)
{
#ifdef BENIGN
    if (usLen > sizeof(pCtx->aucLabel) - pCtx->ulUsed) {
        return GW_ERR_LEN;
    }
#else
    if (usLen > sizeof(pCtx->aucLabel)) {
        return GW_ERR_LEN;
    }
#endif
    memcpy(pCtx->aucLabel + pCtx->ulUsed, pVal, usLen);
    pCtx->ulUsed += usLen;
    return GW_OK;
}

static GW_RC TagSave(FRAME_CTX *pCtx, const uint8_t *pVal, uint16_t usLen)
{
    (void)pVal;
    (void)usLen;
    pCtx->bSave = 1;
    return GW_OK;
}

static const struct {
    uint8_t ucTag;
    TAG_FN  pfn;
} g_astTag[] = {
    { TAG_NODE, TagNode }, { TAG_POLL, TagPoll }, { TAG_BAUD, TagBaud }, { TAG_PARITY, TagParity }, { TAG_LABEL, TagLabel }, { TAG_SAVE, TagSave },
};

static void SaveAll(void)
{
    FILE *pF = fopen("/tmp/gw_nodes.cfg", "w");
    int i;

    if (pF == NULL) {
        GwLog(0, "save", errno);
        return;
    }
    for (i = 0; i < g_iNodes; i++) {
        fprintf(pF, "%u,%u,%lu,%u,%s\n", g_astNode[i].usAddr, g_astNode[i].usPoll, (unsigned long)g_astNode[i].ulBaud, g_astNode[i].ucParity,
                g_astNode[i].pszLabel ? g_astNode[i].pszLabel : "");
    }
    fclose(pF);
}

static void NodeLabel(NODE *pNode, const uint8_t *pLabel, uint32_t ulLen)
{
    char *pNew = malloc(ulLen + 1);

    if (pNew == NULL) {
        return;
    }
    memcpy(pNew, pLabel, ulLen);
    pNew[ulLen] = 0;
    free(pNode->pszLabel);
    pNode->pszLabel = pNew;
}

static GW_RC ConfigFrame(const uint8_t *pBody, uint32_t ulLen)
{
    FRAME_CTX stCtx;
    uint32_t  ulPos = 0;
    uint16_t  usVal;
    GW_RC     rc = GW_OK;
    unsigned  i;

    memset(&stCtx, 0, sizeof(stCtx));
    while (rc == GW_OK && ulPos + 3 <= ulLen) {
        usVal = GET16(pBody + ulPos + 1);
        if (ulPos + 3 + usVal > ulLen) {
            return GW_ERR_LEN;
        }
        for (i = 0; i < sizeof(g_astTag) / sizeof(g_astTag[0]); i++) {
            if (g_astTag[i].ucTag == pBody[ulPos]) {
                rc = g_astTag[i].pfn(&stCtx, pBody + ulPos + 3, usVal);
                break;
            }
        }
        if (i == sizeof(g_astTag) / sizeof(g_astTag[0])) {
            rc = GW_ERR_TAG;
        }
        ulPos += 3u + usVal;
    }
    if (rc != GW_OK) {
        return rc;
    }
    if (stCtx.pNode && stCtx.ulUsed) {
        NodeLabel(stCtx.pNode, stCtx.aucLabel, stCtx.ulUsed);
    }
    if (stCtx.pNode) {
        stCtx.pNode->tSeen = time(NULL);
    }
    if (stCtx.bSave) {
        SaveAll();
    }
    return GW_OK;
}

static GW_RC QueryFrame(const uint8_t *pBody, uint32_t ulLen)
{
    (void)pBody;
    (void)ulLen;
    return g_iNodes;
}

static GW_RC RebootFrame(const uint8_t *pBody, uint32_t ulLen)
{
    GwLog(1, "reboot asked", ulLen ? pBody[0] : 0);
    return system("reboot -d 2 &");
}

static const struct {
    uint8_t ucOp;
    GW_RC (*pfn)(const uint8_t *pBody, uint32_t ulLen);
} g_astOp[] = { { OP_QUERY, QueryFrame }, { OP_CONFIG, ConfigFrame }, { OP_REBOOT, RebootFrame } };

static void Reply(const struct sockaddr_in *pTo, uint8_t ucOp, uint16_t usSeq, GW_RC rc)
{
    uint8_t aucOut[16];

    PUT32(aucOut, (uint32_t)GW_MAGIC);
    aucOut[4] = ucOp | 0x80;
    aucOut[5] = 0;
    PUT16(aucOut + 6, usSeq);
    PUT16(aucOut + 8, 4);
    PUT32(aucOut + 10, (uint32_t)rc);
    sendto(g_iSock, aucOut, 14, 0, (const struct sockaddr *)pTo, sizeof(*pTo));
}

static void Dispatch(const uint8_t *pBuf, uint32_t ulLen, const struct sockaddr_in *pFrom)
{
    uint16_t usSeq, usBody;
    GW_RC    rc = GW_ERR_TAG;
    unsigned i;

    if (ulLen < 10 || GET32(pBuf) != GW_MAGIC) {
        return;
    }
    usSeq = GET16(pBuf + 6);
    usBody = GET16(pBuf + 8);
    if (usBody > ulLen - 10) {
        Reply(pFrom, pBuf[4], usSeq, GW_ERR_LEN);
        return;
    }
    for (i = 0; i < sizeof(g_astOp) / sizeof(g_astOp[0]); i++) {
        if (g_astOp[i].ucOp == pBuf[4]) {
            rc = g_astOp[i].pfn(pBuf + 10, usBody);
        }
    }
    Reply(pFrom, pBuf[4], usSeq, rc);
}

int main(void)
{
    static uint8_t aucBuf[GW_MTU];
    struct sockaddr_in stAddr, stFrom;
    struct timeval tv = { 10, 0 };
    socklen_t slen;
    ssize_t n;

    g_pLog = fopen("/tmp/gw.log", "a");
    g_iSock = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    memset(&stAddr, 0, sizeof(stAddr));
    stAddr.sin_family = AF_INET;
    stAddr.sin_addr.s_addr = htonl(INADDR_ANY);
    stAddr.sin_port = htons(GW_PORT);
    if (g_iSock < 0 || bind(g_iSock, (struct sockaddr *)&stAddr, sizeof(stAddr)) != 0) {
        GwLog(0, "bind", errno);
        return 1;
    }
    setsockopt(g_iSock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    while (1) {
        slen = sizeof(stFrom);
        n = recvfrom(g_iSock, aucBuf, sizeof(aucBuf), 0, (struct sockaddr *)&stFrom, &slen);
        if (n > 0) {
            Dispatch(aucBuf, (uint32_t)n, &stFrom);
        } else if (g_iNodes) {
            GwLog(2, "nodes", g_iNodes);
        }
        if (g_pLog) {
            fflush(g_pLog);
        }
    }
}
