/******************************************************************
 * rtsp_srv.c : RTSP control server (H.264 dome cameras)
 * Media itself is produced by the encoder process, see streamd.
 ******************************************************************/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <ctype.h>
#include <time.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>

typedef int             INT32;
typedef unsigned int    UINT32;
typedef char            CHAR;
typedef enum { HI_FALSE, HI_TRUE } BOOL;

#define RTSP_PORT       554
#define RTSP_BUF        4096
#define RTSP_OK         0
#define RTSP_ERR        (-1)
#define SESS_MAX        16

typedef struct tagSESSION {
    struct tagSESSION *pNext;
    UINT32  u32Id;
    UINT32  u32State;           /* 0 init 1 ready 2 playing */
    INT32   s32RtpPort;
    time_t  tLast;
} SESSION_S;

typedef struct tagCLIENT {
    INT32   s32Sock;
    CHAR    acReq[RTSP_BUF];
    CHAR    acUrl[256];
    INT32   s32CSeq;
    BOOL    bAuth;
    CHAR    acUser[32];
    SESSION_S *pstSess;
} CLIENT_S;

static SESSION_S      *g_pstSessList;
static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
static UINT32          g_u32NextId = 0x1000;

/* ---------------------------------------------------------------- */
static SESSION_S *SESS_Create(void)
{
    SESSION_S *p;
    UINT32 n = 0;

    pthread_mutex_lock(&g_lock);
    for (p = g_pstSessList; p != NULL; p = p->pNext)
        n++;
    p = NULL;
    if (n < SESS_MAX && (p = calloc(1, sizeof(*p))) != NULL) {
        p->u32Id = g_u32NextId++;
        p->tLast = time(NULL);
        p->pNext = g_pstSessList;
        g_pstSessList = p;
    }
    pthread_mutex_unlock(&g_lock);
    return p;
}

static void SESS_Destroy(SESSION_S *pDel)
{
    SESSION_S **pp;

    pthread_mutex_lock(&g_lock);
    for (pp = &g_pstSessList; *pp != NULL; pp = &(*pp)->pNext)
        if (*pp == pDel) {
            *pp = pDel->pNext;
            free(pDel);
            break;
        }
    pthread_mutex_unlock(&g_lock);
}

/* ---------------------------------------------------------------- */
static const CHAR *RTSP_Header(const CHAR *pReq, const CHAR *pName)
{
    size_t l = strlen(pName);
    const CHAR *p = pReq;

    while ((p = strstr(p, "\r\n")) != NULL) {
        p += 2;
        if (strncasecmp(p, pName, l) == 0 && p[l] == ':') {
            p += l + 1;
            while (*p == ' ')
                p++;
            return p;
        }
    }
    return NULL;
}

static void RTSP_Reply(CLIENT_S *c, INT32 s32Code, const CHAR *pWhat, const CHAR *pExtra)
{
    CHAR acOut[1024];
    INT32 n;

    n = snprintf(acOut, sizeof(acOut), "RTSP/1.0 %d %s\r\nCSeq: %d\r\nServer: IPDome/2.1\r\n%s\r\n",
                 s32Code, pWhat, c->s32CSeq, pExtra);
    if (n > 0 && n < (INT32)sizeof(acOut))
        send(c->s32Sock, acOut, n, MSG_NOSIGNAL);
}

/* take one attribute  name="value"  out of an Authorization header */
static INT32 AUTH_Attr(const CHAR *pHdr, const CHAR *pName, CHAR *pDst, UINT32 u32Size)
{
    CHAR acKey[24];
    const CHAR *p;
    UINT32 i = 0;

    snprintf(acKey, sizeof(acKey), "%s=\"", pName);
    p = strstr(pHdr, acKey);
    if (p == NULL)
        return RTSP_ERR;
    p += strlen(acKey);
    while (*p != '"' && *p != '\0' && *p != '\r')
        pDst[i++] = *p++;
    pDst[i] = '\0';
    if (*p != '"' || i >= u32Size)
        return RTSP_ERR;
    return (INT32)i;
}

static BOOL AUTH_UserLine(const CHAR *pUser, const CHAR *pResp)
{
    CHAR acLine[160], *pSep;
    BOOL bOk = HI_FALSE;
    FILE *fp = fopen("/etc/rtsp.users", "r");

    if (fp == NULL)
        return HI_FALSE;
    while (!bOk && fgets(acLine, sizeof(acLine), fp) != NULL) {
        acLine[strcspn(acLine, "\r\n")] = '\0';
        if ((pSep = strchr(acLine, ':')) == NULL)
            continue;
        *pSep++ = '\0';
        bOk = (strcmp(acLine, pUser) == 0 && strcasecmp(pSep, pResp) == 0) ? HI_TRUE : HI_FALSE;
    }
    fclose(fp);
    return bOk;
}

static BOOL AUTH_Check(CLIENT_S *c)
{
    CHAR acUser[32], acResp[40];
    const CHAR *pHdr;

    if (c->bAuth)
        return HI_TRUE;
    pHdr = RTSP_Header(c->acReq, "Authorization");
    if (pHdr == NULL || strncasecmp(pHdr, "Digest ", 7) != 0)
        return HI_FALSE;
    if (AUTH_Attr(pHdr, "username", acUser, sizeof(acUser)) <= 0)
        return HI_FALSE;
    if (AUTH_Attr(pHdr, "response", acResp, sizeof(acResp)) <= 0)
        return HI_FALSE;
    c->bAuth = AUTH_UserLine(acUser, acResp);
    if (c->bAuth)
        strcpy(c->acUser, acUser);
    return c->bAuth;
}

/* ---------------------------------------------------------------- */
static INT32 On_Options(CLIENT_S *c)
{
    RTSP_Reply(c, 200, "OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n");
    return RTSP_OK;
}

static INT32 On_Describe(CLIENT_S *c)
{
    static const CHAR acSdp[] = "v=0\r\ns=live\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    CHAR acExtra[128];

    if (!AUTH_Check(c)) {
        RTSP_Reply(c, 401, "Unauthorized", "WWW-Authenticate: Digest realm=\"dome\"\r\n");
        return RTSP_OK;
    }
    snprintf(acExtra, sizeof(acExtra), "Content-Type: application/sdp\r\nContent-Length: %u\r\n",
             (UINT32)sizeof(acSdp) - 1);
    RTSP_Reply(c, 200, "OK", acExtra);
    send(c->s32Sock, acSdp, sizeof(acSdp) - 1, MSG_NOSIGNAL);
    return RTSP_OK;
}

static INT32 On_Setup(CLIENT_S *c)
{
    const CHAR *pTr = RTSP_Header(c->acReq, "Transport");
    CHAR acExtra[160];
    const CHAR *p;

    if (!c->bAuth || pTr == NULL || (p = strstr(pTr, "client_port=")) == NULL) {
        RTSP_Reply(c, 461, "Unsupported Transport", "");
        return RTSP_OK;
    }
    if (c->pstSess == NULL && (c->pstSess = SESS_Create()) == NULL)
        return RTSP_ERR;
    c->pstSess->s32RtpPort = atoi(p + 12) & 0xFFFF;
    c->pstSess->u32State = 1;
    snprintf(acExtra, sizeof(acExtra), "Session: %08X;timeout=60\r\nTransport: RTP/AVP;unicast;client_port=%d\r\n",
             c->pstSess->u32Id, c->pstSess->s32RtpPort);
    RTSP_Reply(c, 200, "OK", acExtra);
    return RTSP_OK;
}

static INT32 On_Play(CLIENT_S *c)
{
    if (c->pstSess == NULL || c->pstSess->u32State == 0) {
        RTSP_Reply(c, 455, "Method Not Valid", "");
        return RTSP_OK;
    }
    c->pstSess->u32State = 2;
    c->pstSess->tLast = time(NULL);
    RTSP_Reply(c, 200, "OK", "");
    return RTSP_OK;
}

static INT32 On_Teardown(CLIENT_S *c)
{
    RTSP_Reply(c, 200, "OK", "");
    return RTSP_ERR;
}

typedef struct { const CHAR *pName; INT32 (*pfn)(CLIENT_S *); } METHOD_S;

static const METHOD_S g_astMethod[] = {
    { "OPTIONS ",  On_Options  },
    { "DESCRIBE ", On_Describe },
    { "SETUP ",    On_Setup    },
    { "PLAY ",     On_Play     },
    { "TEARDOWN ", On_Teardown },
};

static INT32 RTSP_Process(CLIENT_S *c)
{
    const CHAR *p = RTSP_Header(c->acReq, "CSeq");
    UINT32 i;

    c->s32CSeq = p ? atoi(p) : 0;
    for (i = 0; i < sizeof(g_astMethod) / sizeof(g_astMethod[0]); i++) {
        size_t l = strlen(g_astMethod[i].pName);

        if (strncmp(c->acReq, g_astMethod[i].pName, l) != 0)
            continue;
        if (sscanf(c->acReq + l, "%255s", c->acUrl) != 1)
            return RTSP_ERR;
        return g_astMethod[i].pfn(c);
    }
    RTSP_Reply(c, 501, "Not Implemented", "");
    return RTSP_OK;
}

static void *RTSP_Client(void *arg)
{
    CLIENT_S *c = arg;
    INT32 n, fill = 0;
    CHAR *pEnd;

    while ((n = recv(c->s32Sock, c->acReq + fill, RTSP_BUF - 1 - fill, 0)) > 0) {
        fill += n;
        c->acReq[fill] = '\0';
        if ((pEnd = strstr(c->acReq, "\r\n\r\n")) == NULL) {
            if (fill >= RTSP_BUF - 1)
                break;
            continue;
        }
        pEnd[2] = '\0';
        if (RTSP_Process(c) != RTSP_OK)
            break;
        fill = 0;
    }
    if (c->pstSess)
        SESS_Destroy(c->pstSess);
    close(c->s32Sock);
    free(c);
    return NULL;
}

int main(void)
{
    struct sockaddr_in stAddr;
    pthread_attr_t attr;
    INT32 s, on = 1;

    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&stAddr, 0, sizeof(stAddr));
    stAddr.sin_family = AF_INET;
    stAddr.sin_port = htons(RTSP_PORT);
    stAddr.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(s, (struct sockaddr *)&stAddr, sizeof(stAddr)) != 0 || listen(s, 5) != 0) {
        printf("[rtsp] bind %d failed\n", RTSP_PORT);
        return -1;
    }
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (;;) {
        CLIENT_S *c = calloc(1, sizeof(*c));
        pthread_t tid;

        if (c == NULL)
            return -1;
        c->s32Sock = accept(s, NULL, NULL);
        if (c->s32Sock < 0 || pthread_create(&tid, &attr, RTSP_Client, c) != 0)
            free(c);
    }
}
