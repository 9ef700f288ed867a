/* lpd_mini - line printer daemon (RFC 1179 subset) for the USB print server */
#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <signal.h>
#include <errno.h>
#include <time.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define LPD_PORT        515
#define MAX_TITLE       64
#define MAX_CONTROL     4096
#define SPOOL_DIR       "/tmp/lpdspool"

#define C_TITLE         0x01    /* may stand in a job title  */
#define C_HOST          0x02    /* may stand in a host name  */

typedef unsigned char BYTE;

typedef struct tagJOB {
    int   nNumber;
    long  cbData;
    char  szHost[MAX_TITLE];
    char  szUser[MAX_TITLE];
    char  szTitle[MAX_TITLE];
    int   bHasData;
    int   nCopies;
} JOB;

static BYTE g_abClass[256];
static JOB  g_Job;
static int  g_nPrinted;
static FILE *g_pLog;

static void Log(const char *pszFmt, ...)
{
    va_list args;

    if (!g_pLog)
        return;
    fprintf(g_pLog, "[%ld] ", (long)time(NULL));
    va_start(args, pszFmt);
    vfprintf(g_pLog, pszFmt, args);
    va_end(args);
    fputc('\n', g_pLog);
    fflush(g_pLog);
}

static void InitClasses(void)
{
    int c;

    for (c = 'A'; c <= 'Z'; c++)
        g_abClass[c] |= C_TITLE;
    for (c = 'a'; c <= 'z'; c++)
        g_abClass[c] |= C_TITLE | C_HOST;
    for (c = '0'; c <= '9'; c++)
        g_abClass[c] |= C_TITLE | C_HOST;
    g_abClass['_'] |= C_TITLE;
    g_abClass['.'] |= C_TITLE | C_HOST;
    g_abClass['-'] |= C_HOST;
}

/* copies what is allowed, everything else becomes '_' */
static void CopyClass(char *pszDst, size_t cbDst, const char *pszSrc, BYTE bMask)
{
    size_t i;

    for (i = 0; i + 1 < cbDst && pszSrc[i]; i++)
        pszDst[i] = (g_abClass[(BYTE)pszSrc[i]] & bMask) ? pszSrc[i] : '_';
    pszDst[i] = 0;
}

static int Shell(const char *pszFmt, ...)
{
    char szCmd[512];
    va_list args;
    int n;

    va_start(args, pszFmt);
    n = vsnprintf(szCmd, sizeof(szCmd), pszFmt, args);
    va_end(args);
    if (n < 0 || n >= (int)sizeof(szCmd))
        return -1;
    Log("run: %s", szCmd);
    return system(szCmd);
}

static int PrintJob(JOB *pJob)
{
    int n, rc = 0;

    for (n = 0; n < pJob->nCopies && rc == 0; n++)
        rc = Shell("/usr/lib/filter/usbout -t %s %s/data > /dev/usb/lp0",
                   pJob->szTitle[0] ? pJob->szTitle : "untitled", SPOOL_DIR);
    if (rc == 0)
        g_nPrinted++;
    return rc;
}

/* ---- control file --------------------------------------------------- */

static void CtlHost(JOB *pJob, const char *psz)
{
    CopyClass(pJob->szHost, sizeof(pJob->szHost), psz, C_HOST);
}

static void CtlUser(JOB *pJob, const char *psz)
{
    CopyClass(pJob->szUser, sizeof(pJob->szUser), psz, C_HOST);
}

static void CtlTitle(JOB *pJob, const char *psz)
{
    CopyClass(pJob->szTitle, sizeof(pJob->szTitle), psz, C_TITLE);
}

static void CtlPrint(JOB *pJob, const char *psz)
{
    (void)psz;
    if (pJob->nCopies < 10)
        pJob->nCopies++;
}

static const struct {
    char cCode;
    void (*pfn)(JOB *, const char *);
} g_aCtl[] = {
    { 'H', CtlHost }, { 'P', CtlUser }, { 'J', CtlTitle }, { 'f', CtlPrint }, { 'l', CtlPrint },
};

static void ParseControl(JOB *pJob, char *pszText)
{
    char *pszLine, *pszNext;
    size_t i;

    for (pszLine = pszText; pszLine && *pszLine; pszLine = pszNext) {
        pszNext = strchr(pszLine, '\n');
        if (pszNext)
            *pszNext++ = 0;
        for (i = 0; i < sizeof(g_aCtl) / sizeof(g_aCtl[0]); i++)
            if (g_aCtl[i].cCode == pszLine[0])
                g_aCtl[i].pfn(pJob, pszLine + 1);
    }
}

/* ---- network ---------------------------------------------------------- */

static int RecvByte(int s)
{
    BYTE b;
    return recv(s, &b, 1, 0) == 1 ? b : -1;
}

static int RecvLine(int s, char *psz, size_t cb)
{
    size_t n = 0;
    int c;

    while ((c = RecvByte(s)) >= 0 && c != '\n')
        if (n + 1 < cb)
            psz[n++] = (char)c;
    psz[n] = 0;
    return c < 0 ? -1 : (int)n;
}

static void Ack(int s, BYTE b)
{
    send(s, &b, 1, MSG_NOSIGNAL);
}

static int RecvControl(int s, long cb)
{
    static char szText[MAX_CONTROL];
    long n = 0;
    ssize_t k;

    if (cb <= 0 || cb >= (long)sizeof(szText))
        return -1;
    Ack(s, 0);
    while (n < cb) {
        k = recv(s, szText + n, (size_t)(cb - n), 0);
        if (k <= 0)
            return -1;
        n += k;
    }
    szText[n] = 0;
    if (RecvByte(s) != 0)
        return -1;
    ParseControl(&g_Job, szText);
    Ack(s, 0);
    return 0;
}

static int RecvData(int s, long cb)
{
    char ab[1024];
    FILE *fp;
    ssize_t k;

    if (cb <= 0 || cb > 8L * 1024 * 1024)
        return -1;
    fp = fopen(SPOOL_DIR "/data", "wb");
    Ack(s, 0);
    while (cb > 0) {
        k = recv(s, ab, cb < (long)sizeof(ab) ? (size_t)cb : sizeof(ab), 0);
        if (k <= 0)
            break;
        if (fp)
            fwrite(ab, 1, (size_t)k, fp);
        cb -= k;
    }
    if (fp)
        fclose(fp);
    if (cb > 0 || RecvByte(s) != 0)
        return -1;
    g_Job.bHasData = 1;
    Ack(s, 0);
    return 0;
}

static void ReceiveJob(int s)
{
    char szLine[128];
    int c;

    memset(&g_Job, 0, sizeof(g_Job));
    g_Job.nNumber = g_nPrinted + 1;
    Ack(s, 0);
    while ((c = RecvByte(s)) >= 0) {
        if (RecvLine(s, szLine, sizeof(szLine)) < 0)
            break;
        if (c == 1)
            return;
        if (c == 2) {
            if (RecvControl(s, strtol(szLine, NULL, 10)) < 0)
                return;
        } else if (c == 3) {
            g_Job.cbData = strtol(szLine, NULL, 10);
            if (RecvData(s, g_Job.cbData) < 0)
                return;
        } else {
            Ack(s, 1);
        }
    }
    if (g_Job.bHasData && g_Job.nCopies > 0)
        Log("job %d of %s@%s: %d", g_Job.nNumber, g_Job.szUser, g_Job.szHost, PrintJob(&g_Job));
}

static void SendState(int s)
{
    char szText[160];

    snprintf(szText, sizeof(szText), "lp is ready, %d jobs printed\n", g_nPrinted);
    send(s, szText, strlen(szText), MSG_NOSIGNAL);
}

static void Connection(int s)
{
    char szQueue[64];
    int c = RecvByte(s);

    if (c < 0 || RecvLine(s, szQueue, sizeof(szQueue)) < 0)
        return;
    switch (c) {
    case 1:  Ack(s, 0); break;
    case 2:  ReceiveJob(s); break;
    case 3:
    case 4:  SendState(s); break;
    default: Ack(s, 1); break;
    }
}

int main(void)
{
    struct sockaddr_in addr;
    struct timeval tv = { 10, 0 };
    int sListen, s, nOn = 1;

    signal(SIGPIPE, SIG_IGN);
    g_pLog = fopen("/tmp/lpd.log", "a");
    InitClasses();
    if (Shell("mkdir -p %s", SPOOL_DIR))
        Log("no spool");
    sListen = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(sListen, SOL_SOCKET, SO_REUSEADDR, &nOn, sizeof(nOn));
    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_port = htons(LPD_PORT);
    if (bind(sListen, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(sListen, 5) < 0) {
        Log("port %d: %s", LPD_PORT, strerror(errno));
        return 1;
    }
    for (;;) {
        s = accept(sListen, NULL, NULL);
        if (s < 0)
            continue;
        setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        Connection(s);
        close(s);
    }
    return 0;
}
