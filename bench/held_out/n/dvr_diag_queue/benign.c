/* DvrNetSvc.c : remote maintenance service for DS-16xx recorders */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <signal.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SVC_PORT   6036
#define LINE_CAP   256

typedef enum { JOB_PING, JOB_REBOOT, JOB_HDDSTAT } JobKind;

typedef struct DiagJob {
    JobKind          eKind;
    int              nClient;
    char             szTarget[128];
    int              nCount;
    struct DiagJob  *pNext;
} DiagJob;

typedef struct {
    DiagJob         *pHead, *pTail;
    int              nDepth;
    pthread_mutex_t  mtx;
    pthread_cond_t   cnd;
} JobQueue;

static JobQueue g_stQueue = {
    NULL, NULL, 0, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER
};

static int QueuePush(DiagJob *pJob)
{
    pthread_mutex_lock(&g_stQueue.mtx);
    if (g_stQueue.nDepth >= 16) {
        pthread_mutex_unlock(&g_stQueue.mtx);
        return -1;
    }
    pJob->pNext = NULL;
    if (g_stQueue.pTail)
        g_stQueue.pTail->pNext = pJob;
    else
        g_stQueue.pHead = pJob;
    g_stQueue.pTail = pJob;
    g_stQueue.nDepth++;
    pthread_cond_signal(&g_stQueue.cnd);
    pthread_mutex_unlock(&g_stQueue.mtx);
    return 0;
}

static DiagJob *QueuePop(void)
{
    DiagJob *pJob;

    pthread_mutex_lock(&g_stQueue.mtx);
    while (g_stQueue.pHead == NULL)
        pthread_cond_wait(&g_stQueue.cnd, &g_stQueue.mtx);
    pJob = g_stQueue.pHead;
    g_stQueue.pHead = pJob->pNext;
    if (g_stQueue.pHead == NULL)
        g_stQueue.pTail = NULL;
    g_stQueue.nDepth--;
    pthread_mutex_unlock(&g_stQueue.mtx);
    return pJob;
}

static void Reply(int fd, const char *s)
{
    size_t n = strlen(s);

    while (n > 0) {
        ssize_t k = send(fd, s, n, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        s += k;
        n -= k;
    }
}

static void DoPing(DiagJob *pJob)
{
    char szCmd[256], szOut[256];
    FILE *fp;

    snprintf(szCmd, sizeof(szCmd), "ping -c %d -W 2 %s 2>&1", pJob->nCount, pJob->szTarget);
    fp = popen(szCmd, "r");
    if (fp == NULL) {
        Reply(pJob->nClient, "ERR popen\r\n");
        return;
    }
    while (fgets(szOut, sizeof(szOut), fp))
        Reply(pJob->nClient, szOut);
    pclose(fp);
    Reply(pJob->nClient, "OK\r\n");
}

static void DoHddStat(DiagJob *pJob)
{
    char szOut[256];
    FILE *fp = fopen("/proc/mdstat", "r");

    if (fp) {
        while (fgets(szOut, sizeof(szOut), fp))
            Reply(pJob->nClient, szOut);
        fclose(fp);
    }
    Reply(pJob->nClient, "OK\r\n");
}

static void DoReboot(DiagJob *pJob)
{
    Reply(pJob->nClient, "OK\r\n");
    sync();
    system("/sbin/reboot");
}

static void *DiagWorker(void *pArg)
{
    for (;;) {
        DiagJob *pJob = QueuePop();

        switch (pJob->eKind) {
        case JOB_PING:    DoPing(pJob);    break;
        case JOB_HDDSTAT: DoHddStat(pJob); break;
        case JOB_REBOOT:  DoReboot(pJob);  break;
        }
        close(pJob->nClient);
        free(pJob);
    }
    return NULL;
}

/* Reads up to the end of line, drops CR LF. */
static int ReadLine(int fd, char *buf, int cap)
{
    int n = 0;
    char c;

    while (n < cap - 1) {
        if (recv(fd, &c, 1, 0) != 1)
            return -1;
        if (c == '\n')
            break;
        if (c != '\r')
            buf[n++] = c;
    }
    buf[n] = 0;
    return n;
}

static int ParsePing(DiagJob *pJob, char *pArgs)
{
    char *pSave = NULL;
    char *pHost = strtok_r(pArgs, ",", &pSave);
    char *pCnt  = strtok_r(NULL, ",", &pSave);
    struct in_addr stAddr;

    if (pHost == NULL)
        return -1;
    if (inet_pton(AF_INET, pHost, &stAddr) != 1)
        return -1;
    inet_ntop(AF_INET, &stAddr, pJob->szTarget, sizeof(pJob->szTarget));
    pJob->nCount = pCnt ? atoi(pCnt) : 4;
    if (pJob->nCount < 1 || pJob->nCount > 20)
        pJob->nCount = 4;
    return 0;
}

static void HandleClient(int fd)
{
    char szLine[LINE_CAP];
    DiagJob *pJob;
    int nRet = 0;

    if (ReadLine(fd, szLine, sizeof(szLine)) <= 0) {
        close(fd);
        return;
    }
    pJob = calloc(1, sizeof(*pJob));
    if (pJob == NULL) {
        close(fd);
        return;
    }
    pJob->nClient = fd;
    if (strncasecmp(szLine, "NETTEST=", 8) == 0) {
        pJob->eKind = JOB_PING;
        nRet = ParsePing(pJob, szLine + 8);
    } else if (strcasecmp(szLine, "HDDSTAT") == 0) {
        pJob->eKind = JOB_HDDSTAT;
    } else if (strcasecmp(szLine, "REBOOT") == 0) {
        pJob->eKind = JOB_REBOOT;
    } else {
        nRet = -1;
    }
    if (nRet < 0 || QueuePush(pJob) < 0) {
        Reply(fd, "ERR\r\n");
        close(fd);
        free(pJob);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in stAddr;
    struct timeval tv = { 10, 0 };
    pthread_t tid;
    int nListen, nOn = 1;

    signal(SIGPIPE, SIG_IGN);
    nListen = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(nListen, SOL_SOCKET, SO_REUSEADDR, &nOn, sizeof(nOn));
    memset(&stAddr, 0, sizeof(stAddr));
    stAddr.sin_family = AF_INET;
    stAddr.sin_addr.s_addr = INADDR_ANY;
    stAddr.sin_port = htons(SVC_PORT);
    if (bind(nListen, (struct sockaddr *)&stAddr, sizeof(stAddr)) != 0 || listen(nListen, 8) != 0) {
        perror("DvrNetSvc");
        return -1;
    }
    pthread_create(&tid, NULL, DiagWorker, NULL);
    for (;;) {
        int fd = accept(nListen, NULL, NULL);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        HandleClient(fd);
    }
    return 0;
}
