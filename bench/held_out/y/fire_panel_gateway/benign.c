/* FIREGW.C - gateway between the fire alarm panels of a site and the
 * alarm receiving centre display.  Panels report over TCP in a SIA like
 * form:   <CRLF>"acct|zone=12|type=FA|text=Smoke detector 2nd floor|..."<CR>
 * Receiver thread: splits the report.  Display thread: builds the journal
 * record and keeps the last ones for the annunciator.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <time.h>
#include <pthread.h>
#include <syslog.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <netinet/in.h>

#define GW_PORT       12000
#define REPORT_MAX    1024
#define RING          16
#define JOURNAL       32
#define RECORD_LEN    200

typedef unsigned char BYTE;

typedef struct tagREPORT {
    char   szRaw[REPORT_MAX];
    time_t tWhen;
} REPORT;

typedef struct tagRECORD {
    char szText[RECORD_LEN];
    int  nZone;
    BYTE bAcked;
} RECORD;

static REPORT          g_Ring[RING];
static unsigned        g_uIn, g_uOut;
static pthread_mutex_t g_Mtx = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  g_Avail = PTHREAD_COND_INITIALIZER;
static RECORD          g_Journal[JOURNAL];
static unsigned        g_uJournal;
static int             g_nLinkFail;

static const struct { const char *pszCode; const char *pszName; int nPrio; } g_Types[] = {
    { "FA", "FIRE ALARM", 1 },
    { "FT", "FIRE TROUBLE", 3 },
    { "FS", "FIRE SUPERVISORY", 2 },
    { "FR", "FIRE RESTORAL", 4 },
    { "AT", "AC TROUBLE", 5 },
};

static int FindType(const char *pszCode)
{
    unsigned i;
    for (i = 0; i < sizeof(g_Types) / sizeof(g_Types[0]); i++)
        if (!strncmp(g_Types[i].pszCode, pszCode, 2))
            return (int)i;
    return -1;
}

/* start of the value of a field; the length ends at the next bar */
static const char *Field(const char *pszRaw, const char *pszName, size_t *puLen)
{
    size_t      n = strlen(pszName);
    const char *p = pszRaw;

    while ((p = strchr(p, '|')) != NULL) {
        p++;
        if (!strncmp(p, pszName, n) && p[n] == '=') {
            p += n + 1;
            *puLen = strcspn(p, "|");
            return p;
        }
    }
    return NULL;
}

static void Annunciate(const RECORD *pRec, int nPrio)
{
    FILE *f = fopen("/dev/annunciator", "w");

    syslog(nPrio <= 2 ? LOG_ALERT : LOG_NOTICE, "%s", pRec->szText);
    if (!f) {
        g_nLinkFail++;
        return;
    }
    fprintf(f, "%d;%d;%s\n", nPrio, pRec->nZone, pRec->szText);
    fclose(f);
}

static void MakeRecord(const REPORT *pRep)
{
    char        szStamp[32];
    char        szLoc[128];
    const char *pType, *pZone, *pText;
    size_t      uType, uZone, uText;
    int         nType, nZone;
    struct tm   tm;
    RECORD     *pRec;

    pType = Field(pRep->szRaw, "type", &uType);
    pZone = Field(pRep->szRaw, "zone", &uZone);
    pText = Field(pRep->szRaw, "text", &uText);
    if (!pType || !pZone)
        return;
    nType = FindType(pType);
    if (nType < 0)
        return;
    nZone = atoi(pZone);
    localtime_r(&pRep->tWhen, &tm);
    strftime(szStamp, sizeof(szStamp), "%d.%m. %H:%M:%S", &tm);

    if (pText) {
        snprintf(szLoc, sizeof(szLoc), "zone %d / %.*s", nZone, (int)uText, pText);
    } else {
        sprintf(szLoc, "zone %d", nZone);
    }

    pRec = &g_Journal[g_uJournal++ % JOURNAL];
    pRec->nZone = nZone;
    pRec->bAcked = 0;
    snprintf(pRec->szText, sizeof(pRec->szText), "%s %s %s", szStamp,
             g_Types[nType].pszName, szLoc);
    Annunciate(pRec, g_Types[nType].nPrio);
}

static void *DisplayThread(void *pArg)
{
    REPORT rep;

    for (;;) {
        pthread_mutex_lock(&g_Mtx);
        while (g_uIn == g_uOut)
            pthread_cond_wait(&g_Avail, &g_Mtx);
        rep = g_Ring[g_uOut % RING];
        g_uOut++;
        pthread_mutex_unlock(&g_Mtx);
        MakeRecord(&rep);
    }
    return pArg;
}

static int Queue(const char *pszRaw)
{
    int nRet = -1;

    pthread_mutex_lock(&g_Mtx);
    if (g_uIn - g_uOut < RING) {
        REPORT *p = &g_Ring[g_uIn % RING];
        strncpy(p->szRaw, pszRaw, REPORT_MAX - 1);
        p->szRaw[REPORT_MAX - 1] = '\0';
        p->tWhen = time(NULL);
        g_uIn++;
        nRet = 0;
        pthread_cond_signal(&g_Avail);
    }
    pthread_mutex_unlock(&g_Mtx);
    return nRet;
}

static void PanelLoop(int s)
{
    char   szBuf[REPORT_MAX];
    size_t uUsed = 0;
    int    bQuoted = 0;
    char   c;

    while (recv(s, &c, 1, 0) == 1) {
        if (c == '\n')
            continue;
        if (c == '"') {
            bQuoted = !bQuoted;
            if (bQuoted)
                uUsed = 0;
            continue;
        }
        if (c == '\r') {
            szBuf[uUsed] = '\0';
            if (uUsed > 4)
                send(s, Queue(szBuf) == 0 ? "ACK\r" : "NAK\r", 4, 0);
            uUsed = 0;
            bQuoted = 0;
            continue;
        }
        if (bQuoted && uUsed < sizeof(szBuf) - 1)
            szBuf[uUsed++] = c;
    }
}

static void *PanelThread(void *pArg)
{
    int s = (int)(long)pArg;

    syslog(LOG_INFO, "panel connected");
    PanelLoop(s);
    close(s);
    return NULL;
}

int main(int argc, char *argv[])
{
    struct sockaddr_in addr;
    pthread_attr_t     attr;
    pthread_t          tid;
    int                sListen, nOne = 1;

    openlog("firegw", LOG_PID, LOG_USER);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&tid, &attr, DisplayThread, NULL) != 0)
        return 1;
    sListen = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(sListen, SOL_SOCKET, SO_REUSEADDR, &nOne, sizeof(nOne));
    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_ANY);
    addr.sin_port = htons(GW_PORT);
    if (bind(sListen, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(sListen, 8) < 0) {
        syslog(LOG_ERR, "port %d: %m", GW_PORT);
        return 1;
    }
    for (;;) {
        int s = accept(sListen, NULL, NULL);
        if (s < 0)
            continue;
        if (pthread_create(&tid, &attr, PanelThread, (void *)(long)s) != 0)
            close(s);
    }
}
