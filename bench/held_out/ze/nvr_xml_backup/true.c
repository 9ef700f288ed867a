/*
 * bkserv.c
 *
 * Backup service of the eight channel recorder.  Clients send <request>
 * documents over TCP; a receiver thread collects them, the worker thread
 * executes them one after the other because mounting can take long.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <ctype.h>
#include <signal.h>
#include <unistd.h>
#include <errno.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define BK_PORT     34890
#define DOC_MAX     8192
#define RING        16
#define END_TAG     "</request>"

typedef struct REQ
{
    int   Sock;
    char *Xml;
} REQ;

typedef struct BACKUP_CFG
{
    char Server[64];
    char Share[96];
    char User[48];
    int  Hour;
    int  KeepDays;
    int  Valid;
} BACKUP_CFG;

static BACKUP_CFG      Cfg = { "", "", "guest", 3, 14, 0 };
static REQ             Ring[RING];
static unsigned        RingIn, RingOut;
static pthread_mutex_t RingLock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  RingCond = PTHREAD_COND_INITIALIZER;

static void Trace(const char *Fmt, ...)
{
    va_list Ap;

    va_start(Ap, Fmt);
    fputs("bkserv: ", stderr);
    vfprintf(stderr, Fmt, Ap);
    fputc('\n', stderr);
    va_end(Ap);
}

static int Shell(const char *Fmt, ...)
{
    char    Line[512];
    va_list Ap;
    int     N;

    va_start(Ap, Fmt);
    N = vsnprintf(Line, sizeof(Line), Fmt, Ap);
    va_end(Ap);
    if (N < 0 || (size_t)N >= sizeof(Line))
        return -1;
    N = system(Line);
    if (N != 0)
        Trace("command failed (%d)", N);
    return N;
}

/* ------------------------------------------------------------------ XML */

static const struct
{
    const char *Name;
    char        Ch;
} Entities[] =
{
    { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' },
};

static int GetTag(const char *Xml, const char *Tag, char *Out, size_t Size)
{
    char        Open[40];
    const char *P;
    size_t      N = 0, I;

    snprintf(Open, sizeof(Open), "<%s>", Tag);
    P = strstr(Xml, Open);
    if (P == NULL)
        return -1;
    P += strlen(Open);
    while (*P && *P != '<')
    {
        char C = *P++;

        if (N + 1 >= Size)
            return -1;
        if (C == '&')
        {
            for (I = 0; I < sizeof(Entities) / sizeof(Entities[0]); I++)
            {
                size_t L = strlen(Entities[I].Name);

                if (strncmp(P - 1, Entities[I].Name, L) == 0)
                {
                    C = Entities[I].Ch;
                    P += L - 1;
                    break;
                }
            }
        }
        Out[N++] = C;
    }
    Out[N] = '\0';
    return *P == '<' ? (int)N : -1;
}

/* ------------------------------------------------------------- handlers */

static void Answer(int Sock, int Code, const char *Text)
{
    char Buf[256];
    int  N = snprintf(Buf, sizeof(Buf), "<reply><code>%d</code><text>%s</text></reply>\n", Code, Text);

    if (N > 0 && N < (int)sizeof(Buf))
        send(Sock, Buf, (size_t)N, MSG_NOSIGNAL);
}

static int FieldOk(const char *S)
{
    if (*S == '\0')
        return 0;
    for (; *S; S++)
    {
        if (strchr("\"';|&<>\\", *S) != NULL || iscntrl((unsigned char)*S))
            return 0;
    }
    return 1;
}

static void DoSetBackup(const REQ *R)
{
    BACKUP_CFG New = Cfg;
    char       Num[8];

    if (GetTag(R->Xml, "server", New.Server, sizeof(New.Server)) <= 0 ||
        GetTag(R->Xml, "share", New.Share, sizeof(New.Share)) <= 0)
    {
        Answer(R->Sock, 400, "server or share missing");
        return;
    }
    if (GetTag(R->Xml, "user", New.User, sizeof(New.User)) < 0)
        strcpy(New.User, "guest");
    if (!FieldOk(New.Server) || !FieldOk(New.Share) || !FieldOk(New.User))
    {
        Answer(R->Sock, 422, "illegal character");
        return;
    }
    if (GetTag(R->Xml, "hour", Num, sizeof(Num)) > 0)
        New.Hour = abs(atoi(Num)) % 24;
    if (GetTag(R->Xml, "keep", Num, sizeof(Num)) > 0)
        New.KeepDays = abs(atoi(Num)) % 366;
    New.Valid = 1;
    Cfg = New;
    Trace("backup at %02d:00, %d days", Cfg.Hour, Cfg.KeepDays);
    Answer(R->Sock, 200, "stored");
}

static void DoRunBackup(const REQ *R)
{
    if (!Cfg.Valid)
    {
        Answer(R->Sock, 409, "not configured");
        return;
    }
    Shell("umount /mnt/backup 2>/dev/null; true");
    if (Shell("mount -t cifs \"//%s/%s\" /mnt/backup -o \"user=%s,password=\"",
              Cfg.Server, Cfg.Share, Cfg.User) != 0)
    {
        Answer(R->Sock, 500, "mount failed");
        return;
    }
    Shell("find /mnt/backup -name '*.h264' -mtime +%d -delete", Cfg.KeepDays);
    Shell("cp -u /rec/export/* /mnt/backup/");
    Answer(R->Sock, 200, "done");
}

static void DoGetBackup(const REQ *R)
{
    char Text[64];

    snprintf(Text, sizeof(Text), "%d;%d;%d", Cfg.Valid, Cfg.Hour, Cfg.KeepDays);
    Answer(R->Sock, 200, Text);
}

static const struct
{
    const char *Cmd;
    void      (*Fn)(const REQ *);
} Handlers[] =
{
    { "SetBackup", DoSetBackup },
    { "RunBackup", DoRunBackup },
    { "GetBackup", DoGetBackup },
};

static void *Worker(void *Arg)
{
    (void)Arg;
    for (;;)
    {
        char   Cmd[32];
        REQ    R;
        size_t I;

        pthread_mutex_lock(&RingLock);
        while (RingIn == RingOut)
            pthread_cond_wait(&RingCond, &RingLock);
        R = Ring[RingOut++ % RING];
        pthread_mutex_unlock(&RingLock);

        if (GetTag(R.Xml, "cmd", Cmd, sizeof(Cmd)) > 0)
        {
            for (I = 0; I < sizeof(Handlers) / sizeof(Handlers[0]); I++)
                if (strcmp(Handlers[I].Cmd, Cmd) == 0)
                    Handlers[I].Fn(&R);
        }
        close(R.Sock);
        free(R.Xml);
    }
    return NULL;
}

/* ------------------------------------------------------------- receiver */

static int Enqueue(int Sock, char *Xml)
{
    int Ok = 0;

    pthread_mutex_lock(&RingLock);
    if (RingIn - RingOut < RING)
    {
        Ring[RingIn % RING].Sock = Sock;
        Ring[RingIn % RING].Xml = Xml;
        RingIn++;
        pthread_cond_signal(&RingCond);
        Ok = 1;
    }
    pthread_mutex_unlock(&RingLock);
    return Ok;
}

static void *Receiver(void *Arg)
{
    int Listen = *(int *)Arg;

    for (;;)
    {
        struct timeval Tv = { 5, 0 };
        int            S = accept(Listen, NULL, NULL);
        size_t         Len = 0;
        char          *Doc;

        if (S < 0)
            continue;
        setsockopt(S, SOL_SOCKET, SO_RCVTIMEO, &Tv, sizeof(Tv));
        Doc = malloc(DOC_MAX + 1);
        while (Doc != NULL && Len < DOC_MAX)
        {
            ssize_t N = recv(S, Doc + Len, DOC_MAX - Len, 0);

            if (N <= 0)
                break;
            Len += (size_t)N;
            Doc[Len] = '\0';
            if (strstr(Doc, END_TAG) != NULL)
                break;
        }
        if (Len == 0 || strstr(Doc, END_TAG) == NULL || !Enqueue(S, Doc))
        {
            free(Doc);
            close(S);
        }
    }
    return NULL;
}

int main(void)
{
    static int         Listen;
    struct sockaddr_in Addr;
    pthread_t          Rx, Wk;
    int                On = 1;

    signal(SIGPIPE, SIG_IGN);
    Listen = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(Listen, SOL_SOCKET, SO_REUSEADDR, &On, sizeof(On));
    memset(&Addr, 0, sizeof(Addr));
    Addr.sin_family = AF_INET;
    Addr.sin_port = htons(BK_PORT);
    Addr.sin_addr.s_addr = INADDR_ANY;
    if (bind(Listen, (struct sockaddr *)&Addr, sizeof(Addr)) != 0 || listen(Listen, 4) != 0)
    {
        Trace("cannot listen: %s", strerror(errno));
        return 1;
    }
    pthread_create(&Wk, NULL, Worker, NULL);
    pthread_create(&Rx, NULL, Receiver, &Listen);
    pthread_join(Wk, NULL);
    pthread_join(Rx, NULL);
    return 0;
}
