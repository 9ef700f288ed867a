/**
 * @file  netsrv.c
 * @brief NVR private protocol server (port 34568)
 *
 * A receiver thread per client puts complete messages into a queue, one
 * worker thread executes them so that the configuration needs no locks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdarg.h>
#include <unistd.h>
#include <signal.h>
#include <time.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define NVR_PORT        34568
#define NVR_MAGIC       0xFFu
#define MAX_CHN         16
#define MAX_PAYLOAD     4096
#define TITLE_LEN       32
#define QUEUE_DEPTH     64

/* message identifiers */
#define MSG_KEEPALIVE   1006
#define MSG_SET_TITLE   1048
#define MSG_SET_RECORD  1052
#define MSG_GET_TITLE   1049
#define MSG_SET_IMAGE   1060

typedef struct {
    uint8_t  magic;
    uint8_t  version;
    uint8_t  channel;
    uint8_t  reserved;
    uint32_t session;
    uint32_t sequence;
    uint16_t msg_id;
    uint16_t reserved2;
    uint32_t length;
} __attribute__((packed)) MSG_HEAD_S;

typedef struct tagMSG_NODE {
    struct tagMSG_NODE *pNext;
    MSG_HEAD_S stHead;
    int s32Sock;
    unsigned char *pData;
} MSG_NODE_S;

typedef struct {
    char     szTitle[TITLE_LEN];
    uint8_t  u8Record;
    uint8_t  u8Brightness;
    uint8_t  u8Contrast;
    uint8_t  u8Hue;
    void   (*pfnRedraw)(int s32Chn);
} CHN_CFG_S;

static CHN_CFG_S   g_astChn[MAX_CHN];
static MSG_NODE_S *g_pHead, *g_pTail;
static int         g_s32Depth;
static pthread_mutex_t g_stLock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  g_stCond = PTHREAD_COND_INITIALIZER;

#define NVR_LOG(fmt, ...) \
    fprintf(stderr, "[netsrv %ld] " fmt "\n", (long)time(NULL), ##__VA_ARGS__)

static void OSD_Redraw(int s32Chn)
{
    NVR_LOG("redraw channel %d", s32Chn);
}

static void CFG_Default(void)
{
    int i;

    for (i = 0; i < MAX_CHN; i++) {
        snprintf(g_astChn[i].szTitle, TITLE_LEN, "Camera %02d", i + 1);
        g_astChn[i].u8Record = 1;
        g_astChn[i].u8Brightness = 50;
        g_astChn[i].u8Contrast = 50;
        g_astChn[i].u8Hue = 50;
        g_astChn[i].pfnRedraw = OSD_Redraw;
    }
}

/*----------------------------------------------------------------- queue */

static int QUEUE_Put(MSG_NODE_S *pNode)
{
    int s32Ret = -1;

    pthread_mutex_lock(&g_stLock);
    if (g_s32Depth < QUEUE_DEPTH) {
        pNode->pNext = NULL;
        if (g_pTail)
            g_pTail->pNext = pNode;
        else
            g_pHead = pNode;
        g_pTail = pNode;
        g_s32Depth++;
        pthread_cond_signal(&g_stCond);
        s32Ret = 0;
    }
    pthread_mutex_unlock(&g_stLock);
    return s32Ret;
}

static MSG_NODE_S *QUEUE_Get(void)
{
    MSG_NODE_S *pNode;

    pthread_mutex_lock(&g_stLock);
    while (g_pHead == NULL)
        pthread_cond_wait(&g_stCond, &g_stLock);
    pNode = g_pHead;
    g_pHead = pNode->pNext;
    if (g_pHead == NULL)
        g_pTail = NULL;
    g_s32Depth--;
    pthread_mutex_unlock(&g_stLock);
    return pNode;
}

/*-------------------------------------------------------------- handlers */

static int HDL_KeepAlive(MSG_NODE_S *pMsg)
{
    return 0;
}

static int HDL_SetTitle(MSG_NODE_S *pMsg)
{
    CHN_CFG_S *pstChn = &g_astChn[pMsg->stHead.channel];

    if (pMsg->stHead.length == 0 || pMsg->stHead.length >= sizeof(pstChn->szTitle))
        return -EINVAL;
    memset(pstChn->szTitle, 0, sizeof(pstChn->szTitle));
    memcpy(pstChn->szTitle, pMsg->pData, pMsg->stHead.length);
    pstChn->pfnRedraw(pMsg->stHead.channel);
    return 0;
}

static int HDL_GetTitle(MSG_NODE_S *pMsg)
{
    send(pMsg->s32Sock, g_astChn[pMsg->stHead.channel].szTitle, TITLE_LEN, MSG_NOSIGNAL);
    return 0;
}

static int HDL_SetRecord(MSG_NODE_S *pMsg)
{
    if (pMsg->stHead.length != 1 || pMsg->pData[0] > 2)
        return -EINVAL;
    g_astChn[pMsg->stHead.channel].u8Record = pMsg->pData[0];
    return 0;
}

static int HDL_SetImage(MSG_NODE_S *pMsg)
{
    CHN_CFG_S *pstChn = &g_astChn[pMsg->stHead.channel];

    if (pMsg->stHead.length < 3)
        return -EINVAL;
    pstChn->u8Brightness = pMsg->pData[0] % 101;
    pstChn->u8Contrast = pMsg->pData[1] % 101;
    pstChn->u8Hue = pMsg->pData[2] % 101;
    pstChn->pfnRedraw(pMsg->stHead.channel);
    return 0;
}

static const struct {
    uint16_t u16Id;
    int (*pfnHandler)(MSG_NODE_S *);
} g_astHandlers[] = {
    { MSG_KEEPALIVE,  HDL_KeepAlive },
    { MSG_SET_TITLE,  HDL_SetTitle  },
    { MSG_GET_TITLE,  HDL_GetTitle  },
    { MSG_SET_RECORD, HDL_SetRecord },
    { MSG_SET_IMAGE,  HDL_SetImage  },
};

static void *WORKER_Proc(void *pArg)
{
    for (;;) {
        MSG_NODE_S *pMsg = QUEUE_Get();
        int s32Ret = -ENOSYS;
        size_t i;

        for (i = 0; i < sizeof(g_astHandlers) / sizeof(g_astHandlers[0]); i++) {
            if (g_astHandlers[i].u16Id == pMsg->stHead.msg_id) {
                s32Ret = g_astHandlers[i].pfnHandler(pMsg);
                break;
            }
        }
        if (s32Ret)
            NVR_LOG("msg %u: error %d", pMsg->stHead.msg_id, s32Ret);
        free(pMsg->pData);
        free(pMsg);
    }
    return NULL;
}

/*-------------------------------------------------------------- receiver */

static int SOCK_ReadN(int s32Sock, void *pBuf, size_t n)
{
    unsigned char *p = pBuf;

    while (n > 0) {
        ssize_t r = recv(s32Sock, p, n, 0);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return -1;
        p += r;
        n -= r;
    }
    return 0;
}

static void *RECV_Proc(void *pArg)
{
    int s32Sock = (int)(intptr_t)pArg;

    for (;;) {
        MSG_NODE_S *pMsg = calloc(1, sizeof(*pMsg));

        if (pMsg == NULL)
            break;
        pMsg->s32Sock = s32Sock;
        if (SOCK_ReadN(s32Sock, &pMsg->stHead, sizeof(pMsg->stHead)) ||
            pMsg->stHead.magic != NVR_MAGIC ||
            pMsg->stHead.channel >= MAX_CHN) {
            free(pMsg);
            break;
        }
        /* wire order is big endian */
        pMsg->stHead.msg_id = ntohs(pMsg->stHead.msg_id);
        pMsg->stHead.length = ntohl(pMsg->stHead.length);
        if (pMsg->stHead.length > MAX_PAYLOAD) {
            NVR_LOG("message of %u bytes refused", pMsg->stHead.length);
            free(pMsg);
            break;
        }
        pMsg->pData = malloc(pMsg->stHead.length + 1);
        if (pMsg->pData == NULL || SOCK_ReadN(s32Sock, pMsg->pData, pMsg->stHead.length)) {
            free(pMsg->pData);
            free(pMsg);
            break;
        }
        if (QUEUE_Put(pMsg)) {
            free(pMsg->pData);
            free(pMsg);
        }
    }
    shutdown(s32Sock, SHUT_RDWR);
    close(s32Sock);
    return NULL;
}

int main(void)
{
    struct sockaddr_in stAddr;
    pthread_t tid;
    int s32Listen, s32On = 1;

    signal(SIGPIPE, SIG_IGN);
    CFG_Default();
    s32Listen = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s32Listen, SOL_SOCKET, SO_REUSEADDR, &s32On, sizeof(s32On));
    memset(&stAddr, 0, sizeof(stAddr));
    stAddr.sin_family = AF_INET;
    stAddr.sin_port = htons(NVR_PORT);
    stAddr.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(s32Listen, (struct sockaddr *)&stAddr, sizeof(stAddr)) ||
        listen(s32Listen, 8)) {
        NVR_LOG("bind: %s", strerror(errno));
        return 1;
    }
    pthread_create(&tid, NULL, WORKER_Proc, NULL);
    for (;;) {
        int s = accept(s32Listen, NULL, NULL);

        if (s < 0)
            continue;
        if (pthread_create(&tid, NULL, RECV_Proc, (void *)(intptr_t)s))
            close(s);
        else
            pthread_detach(tid);
    }
}
