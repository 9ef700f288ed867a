/*
 * NetCfgSrv.c
 * Network configuration server of the H.264 recorder (XML over TCP)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <stdint.h>
#include <unistd.h>
#include <signal.h>
#include <spawn.h>
#include <pthread.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define NETCFG_PORT     34599
#define XML_MAX         (16 * 1024)

extern char **environ;

typedef struct _TIME_CFG {
    int     bAutoSync;
    int     nInterval;          /* minutes */
    int     nZone;              /* minutes from UTC */
    char    szServer[80];
} TIME_CFG;

typedef struct _REC_CFG {
    int     nPreRecord;
    int     nPacketLen;
} REC_CFG;

static TIME_CFG        g_stTime = { 0, 60, 480, "pool.ntp.org" };
static REC_CFG         g_stRec = { 5, 60 };
static pthread_mutex_t g_mtx = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  g_cond = PTHREAD_COND_INITIALIZER;
static int             g_bKick;

/* copy the text of <tag>..</tag>; -1 when it is missing or too long */
static int XmlText(const char *pXml, const char *pTag, char *pOut, int nSize)
{
    char szOpen[40], szClose[40];
    const char *s, *e;

    snprintf(szOpen, sizeof(szOpen), "<%s>", pTag);
    snprintf(szClose, sizeof(szClose), "</%s>", pTag);
    s = strstr(pXml, szOpen);
    if (s == NULL)
        return -1;
    s += strlen(szOpen);
    e = strstr(s, szClose);
    if (e == NULL || e - s >= nSize)
        return -1;
    memcpy(pOut, s, e - s);
    pOut[e - s] = 0;
    return (int)(e - s);
}

static int XmlInt(const char *pXml, const char *pTag, int nDef)
{
    char sz[16];

    return XmlText(pXml, pTag, sz, sizeof(sz)) > 0 ? atoi(sz) : nDef;
}

static int ValidHost(const char *p)
{
    if (!isalnum((unsigned char)*p))
        return 0;
    for (; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '.' && *p != '-')
            return 0;
    return 1;
}

static int SetTime(const char *pXml, char *pRsp, int nRsp)
{
    TIME_CFG st;

    pthread_mutex_lock(&g_mtx);
    st = g_stTime;
    pthread_mutex_unlock(&g_mtx);
    st.bAutoSync = XmlInt(pXml, "AutoSync", st.bAutoSync);
    st.nInterval = XmlInt(pXml, "Interval", st.nInterval);
    st.nZone = XmlInt(pXml, "TimeZone", st.nZone);
    if (XmlText(pXml, "NtpServer", st.szServer, sizeof(st.szServer)) == 0)
        return -1;
    if (st.nInterval < 1 || st.nInterval > 10080)
        return -1;
    if (!ValidHost(st.szServer))
        return -1;
    pthread_mutex_lock(&g_mtx);
    g_stTime = st;
    g_bKick = 1;
    pthread_cond_signal(&g_cond);
    pthread_mutex_unlock(&g_mtx);
    return snprintf(pRsp, nRsp, "<Ret>0</Ret>");
}

static int GetTime(const char *pXml, char *pRsp, int nRsp)
{
    int n;

    pthread_mutex_lock(&g_mtx);
    n = snprintf(pRsp, nRsp, "<AutoSync>%d</AutoSync><Interval>%d</Interval><NtpServer>%s</NtpServer>",
                 g_stTime.bAutoSync, g_stTime.nInterval, g_stTime.szServer);
    pthread_mutex_unlock(&g_mtx);
    return n;
}

static int SetRecord(const char *pXml, char *pRsp, int nRsp)
{
    int nPre = XmlInt(pXml, "PreRecord", g_stRec.nPreRecord);
    int nLen = XmlInt(pXml, "PacketLen", g_stRec.nPacketLen);

    if (nPre < 0 || nPre > 30 || nLen < 1 || nLen > 120)
        return -1;
    g_stRec.nPreRecord = nPre;
    g_stRec.nPacketLen = nLen;
    return snprintf(pRsp, nRsp, "<Ret>0</Ret>");
}

typedef struct _XML_CMD {
    const char *pName;
    int (*pfn)(const char *, char *, int);
} XML_CMD;

static const XML_CMD g_astCmd[] = {
    { "SetTime",   SetTime   },
    { "GetTime",   GetTime   },
    { "SetRecord", SetRecord },
};

static void Spawn(char *const argv[])
{
    pid_t pid;
    int st;

    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0) {
        printf("[NetCfg] spawn %s failed\n", argv[0]);
        return;
    }
    waitpid(pid, &st, 0);
    printf("[NetCfg] %s status %d\n", argv[0], st);
}

static void *SyncThread(void *pArg)
{
    TIME_CFG st;
    struct timespec ts;
    char szCmd[200];
    char *argv[4];

    for (;;) {
        pthread_mutex_lock(&g_mtx);
        clock_gettime(CLOCK_REALTIME, &ts);
        ts.tv_sec += g_stTime.nInterval * 60;
        while (!g_bKick)
            if (pthread_cond_timedwait(&g_cond, &g_mtx, &ts) != 0)
                break;
        g_bKick = 0;
        st = g_stTime;
        pthread_mutex_unlock(&g_mtx);
        if (!st.bAutoSync)
            continue;
        snprintf(szCmd, sizeof(szCmd), "ntpclient -s -h %s -i 5 && hwclock -w", st.szServer);
        argv[0] = "/bin/sh";
        argv[1] = "-c";
        argv[2] = szCmd;
        argv[3] = NULL;
        Spawn(argv);
    }
    return NULL;
}

static void *ClientThread(void *pArg)
{
    int fd = (int)(intptr_t)pArg;
    uint8_t ucHead[8];
    uint32_t nLen, nGot = 0;
    char *pXml, szCmd[32], szRsp[512];
    int i, n = -1;

    if (recv(fd, ucHead, sizeof(ucHead), MSG_WAITALL) != sizeof(ucHead) || memcmp(ucHead, "XCFG", 4))
        goto out;
    memcpy(&nLen, ucHead + 4, 4);
    nLen = ntohl(nLen);
    if (nLen == 0 || nLen > XML_MAX)
        goto out;
    pXml = malloc(nLen + 1);
    if (pXml == NULL)
        goto out;
    while (nGot < nLen) {
        ssize_t k = recv(fd, pXml + nGot, nLen - nGot, 0);
        if (k <= 0)
            break;
        nGot += k;
    }
    pXml[nGot] = 0;
    if (XmlText(pXml, "Command", szCmd, sizeof(szCmd)) > 0)
        for (i = 0; i < (int)(sizeof(g_astCmd) / sizeof(g_astCmd[0])); i++)
            if (!strcmp(g_astCmd[i].pName, szCmd))
                n = g_astCmd[i].pfn(pXml, szRsp, sizeof(szRsp));
    if (n < 0)
        n = snprintf(szRsp, sizeof(szRsp), "<Ret>-1</Ret>");
    send(fd, szRsp, n, MSG_NOSIGNAL);
    free(pXml);
out:
    close(fd);
    return NULL;
}

int main(void)
{
    struct sockaddr_in st = { 0 };
    pthread_t tid;
    pthread_attr_t attr;
    int s, c;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_create(&tid, &attr, SyncThread, NULL);
    s = socket(AF_INET, SOCK_STREAM, 0);
    st.sin_family = AF_INET;
    st.sin_port = htons(NETCFG_PORT);
    if (bind(s, (struct sockaddr *)&st, sizeof(st)) < 0 || listen(s, 8) < 0)
        return -1;
    for (;;) {
        c = accept(s, NULL, NULL);
        if (c >= 0 && pthread_create(&tid, &attr, ClientThread, (void *)(intptr_t)c) != 0)
            close(c);
    }
}
