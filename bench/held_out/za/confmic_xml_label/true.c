/* Conference system, central unit: delegates' microphone stations announce
 * themselves and rename themselves by XML; the front display shows who
 * has the floor.  (c) conference electronics team */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define CONF_TCP_PORT   8730
#define MSG_LIMIT       4096
#define LCD_COLS        40
#define MAX_OPEN_MICS   4

enum MicState { MIC_OFF, MIC_WAITING, MIC_ON };

struct Station {
    struct Station *pNext;
    int             nSeat;
    enum MicState   eState;
    char           *pszLabel;
    time_t          tOn;
};

struct Display {
    char szRow[2][LCD_COLS + 1];
    int  bDirty;
    FILE *pfLcd;
};

static struct Station  *g_pStations;
static struct Display   g_disp;
static pthread_mutex_t  g_mtx = PTHREAD_MUTEX_INITIALIZER;
static int              g_nMaxSpeak = 300;

static struct Station *StationGet(int nSeat, int bCreate)
{
    struct Station *p;

    for (p = g_pStations; p; p = p->pNext)
        if (p->nSeat == nSeat)
            return p;
    if (!bCreate)
        return NULL;
    p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->nSeat = nSeat;
    p->pszLabel = strdup("Delegate");
    p->pNext = g_pStations;
    g_pStations = p;
    return p;
}

/* <tag>value</tag> -> allocated value */
static char *XmlValue(const char *pszXml, const char *pszTag)
{
    char szOpen[32], szClose[32];
    const char *b, *e;
    char *v;

    snprintf(szOpen, sizeof(szOpen), "<%s>", pszTag);
    snprintf(szClose, sizeof(szClose), "</%s>", pszTag);
    b = strstr(pszXml, szOpen);
    if (!b)
        return NULL;
    b += strlen(szOpen);
    e = strstr(b, szClose);
    if (!e)
        return NULL;
    v = malloc(e - b + 1);
    if (!v)
        return NULL;
    memcpy(v, b, e - b);
    v[e - b] = '\0';
    return v;
}

static int XmlInt(const char *pszXml, const char *pszTag, int nDef)
{
    char *v = XmlValue(pszXml, pszTag);
    int n = nDef;

    if (v) {
        n = atoi(v);
        free(v);
    }
    return n;
}

static int OnAnnounce(int nSeat, const char *pszXml)
{
    struct Station *p = StationGet(nSeat, 1);
    char *v;

    if (!p)
        return -1;
    v = XmlValue(pszXml, "label");
    if (v) {
        free(p->pszLabel);
        p->pszLabel = v;
    }
    return 0;
}

static int OnRequest(int nSeat, const char *pszXml)
{
    struct Station *p = StationGet(nSeat, 0), *q;
    int nOn = 0;

    (void)pszXml;
    if (!p)
        return -1;
    for (q = g_pStations; q; q = q->pNext)
        if (q->eState == MIC_ON)
            nOn++;
    if (nOn >= MAX_OPEN_MICS) {
        p->eState = MIC_WAITING;
        return 1;
    }
    p->eState = MIC_ON;
    p->tOn = time(NULL);
    g_disp.bDirty = 1;
    return 0;
}

static int OnRelease(int nSeat, const char *pszXml)
{
    struct Station *p = StationGet(nSeat, 0);

    (void)pszXml;
    if (!p)
        return -1;
    p->eState = MIC_OFF;
    g_disp.bDirty = 1;
    return 0;
}

static int OnLimit(int nSeat, const char *pszXml)
{
    int n = XmlInt(pszXml, "seconds", 300);

    (void)nSeat;
    if (n < 10 || n > 3600)
        return -1;
    g_nMaxSpeak = n;
    return 0;
}

static const struct {
    const char *pszName;
    int (*pfn)(int, const char *);
} g_aHandlers[] = {
    { "announce", OnAnnounce },
    { "request",  OnRequest },
    { "release",  OnRelease },
    { "limit",    OnLimit },
    { NULL, NULL }
};

static void DisplayRefresh(void)
{
    struct Station *p;
    int nRow = 0;

    memset(g_disp.szRow, 0, sizeof(g_disp.szRow));
    for (p = g_pStations; p && nRow < 2; p = p->pNext) {
        if (p->eState != MIC_ON)
            continue;
        sprintf(g_disp.szRow[nRow], "%03d %s", p->nSeat, p->pszLabel);
        nRow++;
    }
    if (g_disp.pfLcd) {
        fprintf(g_disp.pfLcd, "\f%.40s\n%.40s\n", g_disp.szRow[0], g_disp.szRow[1]);
        fflush(g_disp.pfLcd);
    }
    g_disp.bDirty = 0;
}

static void *DisplayThread(void *pArg)
{
    (void)pArg;
    g_disp.pfLcd = fopen("/dev/lcd0", "w");
    for (;;) {
        struct Station *p;
        time_t now = time(NULL);

        usleep(200 * 1000);
        pthread_mutex_lock(&g_mtx);
        for (p = g_pStations; p; p = p->pNext)
            if (p->eState == MIC_ON && now - p->tOn > g_nMaxSpeak) {
                p->eState = MIC_OFF;
                g_disp.bDirty = 1;
            }
        if (g_disp.bDirty)
            DisplayRefresh();
        pthread_mutex_unlock(&g_mtx);
    }
    return NULL;
}

static void Dispatch(int fd, const char *pszXml)
{
    char *pszOp = XmlValue(pszXml, "op");
    int nSeat = XmlInt(pszXml, "seat", 0);
    char szAns[80];
    int i, rc = -2;

    if (pszOp && nSeat > 0 && nSeat < 1000) {
        pthread_mutex_lock(&g_mtx);
        for (i = 0; g_aHandlers[i].pszName; i++)
            if (strcmp(g_aHandlers[i].pszName, pszOp) == 0)
                rc = g_aHandlers[i].pfn(nSeat, pszXml);
        pthread_mutex_unlock(&g_mtx);
    }
    snprintf(szAns, sizeof(szAns), "<ack><rc>%d</rc></ack>\n", rc);
    send(fd, szAns, strlen(szAns), MSG_NOSIGNAL);
    free(pszOp);
}

static void *ClientThread(void *pArg)
{
    int fd = (int)(long)pArg;
    char *buf = malloc(MSG_LIMIT + 1);
    size_t have = 0;

    while (buf) {
        char *end;
        ssize_t n = recv(fd, buf + have, MSG_LIMIT - have, 0);

        if (n <= 0)
            break;
        have += n;
        buf[have] = '\0';
        while ((end = strstr(buf, "</msg>")) != NULL) {
            size_t used = end + 6 - buf;
            char c = buf[used];

            buf[used] = '\0';
            Dispatch(fd, buf);
            buf[used] = c;
            memmove(buf, buf + used, have - used + 1);
            have -= used;
        }
        if (have >= MSG_LIMIT)
            break;
    }
    free(buf);
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in sin;
    pthread_t th;
    int s, one = 1;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(argc > 1 ? atoi(argv[1]) : CONF_TCP_PORT);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(s, 32) < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    pthread_create(&th, NULL, DisplayThread, NULL);
    while (1) {
        int c = accept(s, NULL, NULL);
        if (c >= 0 && pthread_create(&th, NULL, ClientThread, (void *)(long)c) == 0)
            pthread_detach(th);
    }
}
