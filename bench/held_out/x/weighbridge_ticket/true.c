/*****************************************************************************
 * WBT-200 weigh bridge terminal
 *
 * The office PC sends lines:
 *     TICKET,<plate>,<carrier>,<goods>
 *     TARE,<kg>
 *     WEIGHT
 * A ticket is taken with the weight at this time and printed on the paper
 * printer by the print task.
 *****************************************************************************/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define WBT_PORT     10001
#define LINE_LEN     300
#define PAPER_WIDTH  40
#define MAX_WAITING  10

typedef unsigned char BOOL;

typedef struct TICKET {
    unsigned long  ulNumber;
    time_t         tTime;
    char          *pszPlate;
    char          *pszCarrier;
    char          *pszGoods;
    long           lGross;
    long           lTare;
    struct TICKET *pNext;
} TICKET;

static TICKET         *g_pFirst;
static int             g_nWaiting;
static unsigned long   g_ulNumber = 1000;
static long            g_lTare;
static BOOL            g_bPrinterOk;
static pthread_mutex_t g_Mutex = PTHREAD_MUTEX_INITIALIZER;
static const char     *g_pszPrinter = "/dev/usb/lp0";

static long ReadScale(void)
{
    FILE *fp = fopen("/dev/ttyS1.weight", "r");
    long  lKg = 0;

    if (fp == NULL)
        return 0;
    if (fscanf(fp, "%ld", &lKg) != 1 || lKg < 0 || lKg > 80000)
        lKg = 0;
    fclose(fp);
    return lKg;
}

static void FreeTicket(TICKET *pT)
{
    free(pT->pszPlate);
    free(pT->pszCarrier);
    free(pT->pszGoods);
    free(pT);
}

static BOOL AddTicket(const char *pszPlate, const char *pszCarrier, const char *pszGoods)
{
    TICKET *pT, **pp;

    pT = (TICKET *)calloc(1, sizeof(TICKET));
    if (pT == NULL)
        return 0;
    pT->pszPlate   = strdup(pszPlate);
    pT->pszCarrier = strdup(pszCarrier);
    pT->pszGoods   = strdup(pszGoods);
    if (!pT->pszPlate || !pT->pszCarrier || !pT->pszGoods) {
        FreeTicket(pT);
        return 0;
    }
    pT->tTime  = time(NULL);
    pT->lGross = ReadScale();
    pT->lTare  = g_lTare;

    pthread_mutex_lock(&g_Mutex);
    if (g_nWaiting >= MAX_WAITING) {
        pthread_mutex_unlock(&g_Mutex);
        FreeTicket(pT);
        return 0;
    }
    pT->ulNumber = ++g_ulNumber;
    for (pp = &g_pFirst; *pp; pp = &(*pp)->pNext)
        ;
    *pp = pT;
    g_nWaiting++;
    pthread_mutex_unlock(&g_Mutex);
    return 1;
}

static void PrintTicket(FILE *fpOut, const TICKET *pT)
{
    char szLine[PAPER_WIDTH + 8];
    struct tm tmNow;

    localtime_r(&pT->tTime, &tmNow);
    strftime(szLine, sizeof(szLine), "%d.%m.%Y %H:%M", &tmNow);
    fprintf(fpOut, "%s\n", szLine);
    sprintf(szLine, "No %lu  %-12s", pT->ulNumber, pT->pszPlate);
    fprintf(fpOut, "%s\n", szLine);
    sprintf(szLine, "%-18s %-18s", pT->pszCarrier, pT->pszGoods);
    fprintf(fpOut, "%s\n", szLine);
    fprintf(fpOut, "Gross %8ld kg\nTare  %8ld kg\nNet   %8ld kg\n\n\n\f",
            pT->lGross, pT->lTare, pT->lGross - pT->lTare);
}

/* print task: one look in the list each second */
static void *PrintTask(void *pArg)
{
    TICKET *pT;
    FILE   *fpOut;

    (void)pArg;
    for (;;) {
        sleep(1);
        pthread_mutex_lock(&g_Mutex);
        pT = g_pFirst;
        if (pT) {
            g_pFirst = pT->pNext;
            g_nWaiting--;
        }
        pthread_mutex_unlock(&g_Mutex);
        if (pT == NULL)
            continue;
        fpOut = fopen(g_pszPrinter, "w");
        g_bPrinterOk = fpOut != NULL;
        if (fpOut == NULL)
            fpOut = fopen("/var/spool/tickets.txt", "a");
        if (fpOut) {
            PrintTicket(fpOut, pT);
            fclose(fpOut);
        }
        FreeTicket(pT);
    }
    return NULL;
}

static void HandleLine(int nSock, char *pszLine)
{
    char *pszCmd, *pszA, *pszB, *pszC, *pszSave;
    char  szAnswer[80];

    pszLine[strcspn(pszLine, "\r\n")] = '\0';
    pszCmd = strtok_r(pszLine, ",", &pszSave);
    if (pszCmd == NULL)
        return;
    strcpy(szAnswer, "ERR\r\n");
    if (strcmp(pszCmd, "TICKET") == 0) {
        pszA = strtok_r(NULL, ",", &pszSave);
        pszB = pszA ? strtok_r(NULL, ",", &pszSave) : NULL;
        pszC = pszB ? strtok_r(NULL, ",", &pszSave) : NULL;
        if (pszC && AddTicket(pszA, pszB, pszC))
            snprintf(szAnswer, sizeof(szAnswer), "OK,%lu\r\n", g_ulNumber);
    } else if (strcmp(pszCmd, "TARE") == 0) {
        pszA = strtok_r(NULL, ",", &pszSave);
        if (pszA) {
            g_lTare = strtol(pszA, NULL, 10);
            if (g_lTare < 0 || g_lTare > 40000)
                g_lTare = 0;
            snprintf(szAnswer, sizeof(szAnswer), "OK,%ld\r\n", g_lTare);
        }
    } else if (strcmp(pszCmd, "WEIGHT") == 0) {
        snprintf(szAnswer, sizeof(szAnswer), "W,%ld,%d\r\n", ReadScale(), g_bPrinterOk);
    }
    send(nSock, szAnswer, strlen(szAnswer), MSG_NOSIGNAL);
}

int main(int argc, char *argv[])
{
    struct sockaddr_in Addr;
    pthread_t Thread;
    char  szLine[LINE_LEN];
    FILE *fpIn;
    int   nListen, nSock, nOn = 1;

    if (argc > 1)
        g_pszPrinter = argv[1];
    signal(SIGPIPE, SIG_IGN);
    nListen = socket(PF_INET, SOCK_STREAM, 0);
    setsockopt(nListen, SOL_SOCKET, SO_REUSEADDR, &nOn, sizeof(nOn));
    memset(&Addr, 0, sizeof(Addr));
    Addr.sin_family = AF_INET;
    Addr.sin_port   = htons(WBT_PORT);
    if (bind(nListen, (struct sockaddr *)&Addr, sizeof(Addr)) < 0) {
        perror("bind");
        return 1;
    }
    listen(nListen, 1);
    pthread_create(&Thread, NULL, PrintTask, NULL);
    for (;;) {
        nSock = accept(nListen, NULL, NULL);
        if (nSock < 0)
            continue;
        fpIn = fdopen(nSock, "r");
        if (fpIn == NULL) {
            close(nSock);
            continue;
        }
        while (fgets(szLine, sizeof(szLine), fpIn))
            HandleLine(nSock, szLine);
        fclose(fpIn);
    }
}
