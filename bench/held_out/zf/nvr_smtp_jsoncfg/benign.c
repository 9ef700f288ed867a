/******************************************************************************
 Copyright (C), 2014-2021, Tianyan Digital Co., Ltd.
 ******************************************************************************
  File Name     : netcfg_main.c
  Description   : NVR network configuration service. One message is a 20 byte
                  head and a JSON body. EMail test runs in the timer task.
******************************************************************************/
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stdint.h>
#include <ctype.h>
#include <time.h>
#include <errno.h>
#include <unistd.h>
#include <signal.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

typedef int            TY_S32;
typedef unsigned int   TY_U32;
typedef unsigned short TY_U16;
typedef unsigned char  TY_U8;
typedef char           TY_CHAR;

#define TY_SUCCESS      0
#define TY_FAILURE      (-1)

#define NETCFG_PORT     34580
#define MSG_HEAD_FLAG   0xFF
#define MSG_HEAD_LEN    20
#define MSG_BODY_MAX    4096

#define MSGID_KEEPALIVE     1006
#define MSGID_SYSINFO       1020
#define MSGID_TIME_SET      1450
#define MSGID_EMAIL_SET     1582
#define MSGID_EMAIL_TEST    1584

enum { RET_OK = 100, RET_ILLEGAL = 103, RET_NOMSG = 107 };

#define CHN_NUM             16

#define TY_ERR(fmt, ...) \
    fprintf(stderr, "[ERR][%s:%d] " fmt "\n", __FUNCTION__, __LINE__, ##__VA_ARGS__)
#define TY_INF(fmt, ...) \
    ((void)(g_s32LogLevel > 1 && fprintf(stderr, "[INF] " fmt "\n", ##__VA_ARGS__)))

typedef struct tagEMAIL_CFG_S
{
    TY_S32  s32Enable;
    TY_S32  s32Port;
    TY_CHAR szServer[64];
    TY_CHAR szFrom[64];
    TY_CHAR szTo[64];
} EMAIL_CFG_S;

typedef struct tagTIMER_ITEM_S
{
    const TY_CHAR *pszName;
    TY_S32  s32Period;
    TY_S32  s32Left;
    void    (*pfnProc)(void);
} TIMER_ITEM_S;

typedef TY_S32 (*MSG_PROC_FN)(const TY_CHAR *pszBody, TY_CHAR *pszRsp, size_t rspLen);

static TY_S32           g_s32LogLevel;
static EMAIL_CFG_S      g_stEmail;
static TY_S32           g_bEmailTest;
static TY_U32           g_u32EmailTestCnt;
static TY_S32           g_s32EmailTestRet = -1;
static pthread_mutex_t  g_stLock = PTHREAD_MUTEX_INITIALIZER;
static time_t           g_tStart;

static TY_S32 SYS_DoCmd(const TY_CHAR *pszFmt, ...)
{
    TY_CHAR szCmd[512];
    va_list ap;
    TY_S32  s32Len;

    va_start(ap, pszFmt);
    s32Len = vsnprintf(szCmd, sizeof(szCmd), pszFmt, ap);
    va_end(ap);
    if (s32Len < 0 || s32Len >= (TY_S32)sizeof(szCmd))
    {
        TY_ERR("command too long");
        return TY_FAILURE;
    }
    TY_INF("do cmd: %s", szCmd);
    return system(szCmd);
}

/* Place of the value behind "key": or NULL */
static const TY_CHAR *JSON_Find(const TY_CHAR *pszJson, const TY_CHAR *pszKey)
{
    TY_CHAR szQuoted[48];
    const TY_CHAR *p;

    snprintf(szQuoted, sizeof(szQuoted), "\"%s\"", pszKey);
    p = strstr(pszJson, szQuoted);
    if (NULL == p)
        return NULL;
    p += strlen(szQuoted);
    while (*p == ' ' || *p == '\t' || *p == ':')
        p++;
    return p;
}

/* Copies a string value with the escapes resolved */
static TY_S32 JSON_GetString(const TY_CHAR *pszJson, const TY_CHAR *pszKey,
                             TY_CHAR *pszOut, size_t outLen)
{
    const TY_CHAR *p = JSON_Find(pszJson, pszKey);
    size_t n = 0;

    if (NULL == p || *p++ != '"')
        return TY_FAILURE;
    while (*p != '\0' && *p != '"')
    {
        TY_CHAR c = *p++;

        if (c == '\\')
        {
            c = *p;
            if (c == '\0')
                return TY_FAILURE;
            p++;
            switch (c)
            {
            case 'n': c = '\n'; break;
            case 't': c = '\t'; break;
            case 'r': c = '\r'; break;
            default: break;
            }
        }
        if (n + 1 >= outLen)
            return TY_FAILURE;
        pszOut[n++] = c;
    }
    pszOut[n] = '\0';
    return (*p == '"') ? TY_SUCCESS : TY_FAILURE;
}

static TY_S32 JSON_GetInt(const TY_CHAR *pszJson, const TY_CHAR *pszKey, TY_S32 *ps32Val)
{
    const TY_CHAR *p = JSON_Find(pszJson, pszKey);

    if (NULL == p || !isdigit((TY_U8)*p))
        return TY_FAILURE;
    *ps32Val = atoi(p);
    return TY_SUCCESS;
}

/* Only what a host name or a mail address is made of */
static TY_S32 CFG_IsLegalText(const TY_CHAR *pszText)
{
    static const TY_CHAR szGood[] = "@._-+";

    if (pszText[0] == '\0' || pszText[0] == '-')
        return 0;
    for (; *pszText != '\0'; pszText++)
    {
        if (!isalnum((TY_U8)*pszText) && strchr(szGood, *pszText) == NULL)
            return 0;
    }
    return 1;
}

static TY_S32 MSG_KeepAlive(const TY_CHAR *pszBody, TY_CHAR *pszRsp, size_t rspLen)
{
    (void)pszBody;
    snprintf(pszRsp, rspLen, "\"AliveInterval\":20");
    return RET_OK;
}

static TY_S32 MSG_SysInfo(const TY_CHAR *pszBody, TY_CHAR *pszRsp, size_t rspLen)
{
    (void)pszBody;
    snprintf(pszRsp, rspLen, "\"Model\":\"TY-N7216\",\"ChnNum\":%d,\"UpTime\":%ld,"
             "\"EmailTest\":{\"Count\":%u,\"Ret\":%d}", CHN_NUM,
             (long)(time(NULL) - g_tStart), g_u32EmailTestCnt, g_s32EmailTestRet);
    return RET_OK;
}

static TY_S32 MSG_TimeSet(const TY_CHAR *pszBody, TY_CHAR *pszRsp, size_t rspLen)
{
    TY_S32 s32Sec;

    (void)pszRsp;
    (void)rspLen;
    if (JSON_GetInt(pszBody, "UtcSec", &s32Sec) != TY_SUCCESS || s32Sec < 1500000000)
        return RET_ILLEGAL;
    SYS_DoCmd("date -u -s @%d > /dev/null; hwclock -w -u", s32Sec);
    return RET_OK;
}

static TY_S32 MSG_EmailSet(const TY_CHAR *pszBody, TY_CHAR *pszRsp, size_t rspLen)
{
    EMAIL_CFG_S stCfg;

    (void)pszRsp;
    (void)rspLen;
    memset(&stCfg, 0, sizeof(stCfg));
    stCfg.s32Port = 25;
    if (JSON_GetString(pszBody, "SmtpServer", stCfg.szServer, sizeof(stCfg.szServer)) != TY_SUCCESS
        || JSON_GetString(pszBody, "SendAddr", stCfg.szFrom, sizeof(stCfg.szFrom)) != TY_SUCCESS
        || JSON_GetString(pszBody, "RecvAddr", stCfg.szTo, sizeof(stCfg.szTo)) != TY_SUCCESS)
    {
        return RET_ILLEGAL;
    }
    JSON_GetInt(pszBody, "SmtpPort", &stCfg.s32Port);
    JSON_GetInt(pszBody, "Enable", &stCfg.s32Enable);
    if (!CFG_IsLegalText(stCfg.szServer) || !CFG_IsLegalText(stCfg.szFrom)
        || !CFG_IsLegalText(stCfg.szTo))
    {
        TY_ERR("illegal email config");
        return RET_ILLEGAL;
    }
    pthread_mutex_lock(&g_stLock);
    g_stEmail = stCfg;
    pthread_mutex_unlock(&g_stLock);
    return RET_OK;
}

static TY_S32 MSG_EmailTest(const TY_CHAR *pszBody, TY_CHAR *pszRsp, size_t rspLen)
{
    (void)pszBody;
    (void)pszRsp;
    (void)rspLen;
    if (g_stEmail.szServer[0] == '\0')
        return RET_ILLEGAL;
    g_bEmailTest = 1;
    return RET_OK;
}

static const struct { TY_U16 u16MsgId; MSG_PROC_FN pfnProc; } g_astMsgTbl[] =
{
    { MSGID_KEEPALIVE,   MSG_KeepAlive  },
    { MSGID_SYSINFO,     MSG_SysInfo    },
    { MSGID_TIME_SET,    MSG_TimeSet    },
    { MSGID_EMAIL_SET,   MSG_EmailSet   },
    { MSGID_EMAIL_TEST,  MSG_EmailTest  },
};

static void TIMER_EmailProc(void)
{
    EMAIL_CFG_S stCfg;

    if (!g_bEmailTest)
        return;
    g_bEmailTest = 0;
    pthread_mutex_lock(&g_stLock);
    stCfg = g_stEmail;
    pthread_mutex_unlock(&g_stLock);
    g_s32EmailTestRet = SYS_DoCmd("/usr/bin/smtpsend -h %s -p %d -f %s -t %s -b /etc/mailtest.txt",
                                  stCfg.szServer, stCfg.s32Port, stCfg.szFrom, stCfg.szTo);
    g_u32EmailTestCnt++;
}

static void TIMER_DogProc(void)
{
    FILE *fp = fopen("/dev/watchdog", "w");

    if (fp != NULL)
    {
        fputc('1', fp);
        fclose(fp);
    }
}

static TIMER_ITEM_S g_astTimer[] =
{
    { "dog",   10, 10, TIMER_DogProc   },
    { "email",  2,  2, TIMER_EmailProc }
};

static void *TIMER_Task(void *pArg)
{
    size_t i;

    (void)pArg;
    for (;;)
    {
        sleep(1);
        for (i = 0; i < sizeof(g_astTimer) / sizeof(g_astTimer[0]); i++)
        {
            if (--g_astTimer[i].s32Left > 0)
                continue;
            g_astTimer[i].s32Left = g_astTimer[i].s32Period;
            g_astTimer[i].pfnProc();
        }
    }
    return NULL;
}

static TY_S32 NET_RecvAll(TY_S32 s32Fd, void *pBuf, size_t len)
{
    TY_U8  *pu8 = pBuf;
    ssize_t n;

    while (len > 0)
    {
        n = recv(s32Fd, pu8, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return TY_FAILURE;
        pu8 += n;
        len -= (size_t)n;
    }
    return TY_SUCCESS;
}

static TY_U32 GET_LE32(const TY_U8 *p)
{
    return (TY_U32)p[0] | (TY_U32)p[1] << 8 | (TY_U32)p[2] << 16 | (TY_U32)p[3] << 24;
}

static void *NET_ClientTask(void *pArg)
{
    TY_S32      s32Fd = (TY_S32)(intptr_t)pArg;
    TY_U8       au8Head[MSG_HEAD_LEN];
    TY_CHAR     szRsp[768], szExtra[512];
    TY_U32      u32Len;
    TY_U16      u16MsgId;
    TY_CHAR    *pszBody = malloc(MSG_BODY_MAX + 1);

    while (pszBody != NULL && NET_RecvAll(s32Fd, au8Head, sizeof(au8Head)) == TY_SUCCESS)
    {
        TY_S32 s32Ret = RET_NOMSG;
        size_t i;

        u16MsgId = (TY_U16)(au8Head[14] | au8Head[15] << 8);
        u32Len   = GET_LE32(&au8Head[16]);
        if (au8Head[0] != MSG_HEAD_FLAG || u32Len > MSG_BODY_MAX
            || NET_RecvAll(s32Fd, pszBody, u32Len) != TY_SUCCESS)
        {
            TY_ERR("bad head flag %02x len %u", au8Head[0], u32Len);
            break;
        }
        pszBody[u32Len] = '\0';
        szExtra[0] = '\0';
        for (i = 0; i < sizeof(g_astMsgTbl) / sizeof(g_astMsgTbl[0]); i++)
        {
            if (g_astMsgTbl[i].u16MsgId == u16MsgId)
                s32Ret = g_astMsgTbl[i].pfnProc(pszBody, szExtra, sizeof(szExtra));
        }
        snprintf(szRsp, sizeof(szRsp), "{\"Ret\":%d,\"SessionID\":\"0x%08x\"%s%s}\n",
                 s32Ret, GET_LE32(&au8Head[4]), szExtra[0] ? "," : "", szExtra);
        au8Head[14]++;
        i = strlen(szRsp);
        memset(&au8Head[16], 0, 4);
        au8Head[16] = (TY_U8)i;
        au8Head[17] = (TY_U8)(i >> 8);
        if (send(s32Fd, au8Head, sizeof(au8Head), MSG_NOSIGNAL) < 0
            || send(s32Fd, szRsp, i, MSG_NOSIGNAL) < 0)
            break;
    }
    free(pszBody);
    close(s32Fd);
    return NULL;
}

int main(int argc, char *argv[])
{
    struct sockaddr_in stAddr;
    pthread_t tid;
    TY_S32 s32Srv, s32Cli, s32On = 1;

    g_s32LogLevel = (argc > 1 && !strcmp(argv[1], "-v")) ? 2 : 1;
    signal(SIGPIPE, SIG_IGN);
    g_tStart = time(NULL);
    s32Srv = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s32Srv, SOL_SOCKET, SO_REUSEADDR, &s32On, sizeof(s32On));
    memset(&stAddr, 0, sizeof(stAddr));
    stAddr.sin_family = AF_INET;
    stAddr.sin_port = htons(NETCFG_PORT);
    stAddr.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(s32Srv, (struct sockaddr *)&stAddr, sizeof(stAddr)) < 0 || listen(s32Srv, 8) < 0)
    {
        TY_ERR("bind port %d fail: %s", NETCFG_PORT, strerror(errno));
        return 1;
    }
    pthread_create(&tid, NULL, TIMER_Task, NULL);
    for (;;)
    {
        s32Cli = accept(s32Srv, NULL, NULL);
        if (s32Cli < 0)
            continue;
        if (pthread_create(&tid, NULL, NET_ClientTask, (void *)(intptr_t)s32Cli) == 0)
            pthread_detach(tid);
        else
            close(s32Cli);
    }
}
