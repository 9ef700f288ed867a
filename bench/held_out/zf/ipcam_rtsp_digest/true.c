/*
 *  rtsp_main.c  --  live555 is too fat for the 8M flash, so our own one
 *
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <pthread.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#define RTSP_PORT        8554
#define RTSP_BUF         6144
#define RTSP_MAX_CLIENT  6
#define USER_LEN         32
#define FIELD_LEN        128
#define REALM            "IPC-D2"

#define RTSP_DBG(...)  do { if (s_bDebug) printf("[RTSP] " __VA_ARGS__); } while (0)

typedef struct _RTSP_CLIENT
{
    int       bUsed;
    int       fd;
    int       nState;           /* 0 init, 1 ready, 2 playing */
    int       nCseq;
    int       nRtpPort;
    uint32_t  uSession;
    char      szNonce[20];
    char      szPeer[16];
    char     *pBuf;             /* RTSP_BUF bytes, one request */
    time_t    tLast;
} RTSP_CLIENT;

typedef struct _RTSP_USER
{
    char szName[USER_LEN];
    char szPass[USER_LEN];
} RTSP_USER;

static RTSP_CLIENT      s_aClient[RTSP_MAX_CLIENT];
static RTSP_USER        s_aUser[4] = { { "admin", "admin" } };
static pthread_mutex_t  s_Lock = PTHREAD_MUTEX_INITIALIZER;
static int              s_bDebug;

static void UserLoad(void)
{
    FILE *fp = fopen("/mnt/mtd/Config/rtspuser", "r");
    int i = 0;

    if (!fp)
        return;
    while (i < 4 && fscanf(fp, "%31s %31s", s_aUser[i].szName, s_aUser[i].szPass) == 2)
        i++;
    fclose(fp);
}

static uint32_t DigestSum(uint32_t h, const char *p)
{
    while (*p)
    {
        h ^= (uint8_t)*p++;
        h *= 16777619u;
    }
    return (h ^ ':') * 16777619u;
}

/* value of a header line, NULL when the request has none */
static char *HeaderFind(char *pReq, const char *szName)
{
    size_t n = strlen(szName);
    char *p = pReq;

    while ((p = strstr(p, "\r\n")) != NULL)
    {
        p += 2;
        if (strncasecmp(p, szName, n) == 0 && p[n] == ':')
        {
            p += n + 1;
            while (*p == ' ')
                p++;
            return p;
        }
    }
    return NULL;
}

/* name="value" of a Digest header; 1 when found */
static int DigestField(const char *pHdr, const char *szName, char *pOut)
{
    char szKey[24];
    const char *p, *e;
    size_t n;

    snprintf(szKey, sizeof(szKey), "%s=\"", szName);
    p = strstr(pHdr, szKey);
    if (p == NULL)
        return 0;
    p += strlen(szKey);
    e = strchr(p, '"');
    if (e == NULL)
        return 0;
    n = (size_t)(e - p);
    memcpy(pOut, p, n);
    pOut[n] = '\0';
    return 1;
}

static void Reply(RTSP_CLIENT *c, int nCode, const char *szText, const char *szMore,
                  const char *szBody)
{
    char szOut[1536];
    int n;

    n = snprintf(szOut, sizeof(szOut), "RTSP/1.0 %d %s\r\nCSeq: %d\r\n%s", nCode, szText,
                 c->nCseq, szMore ? szMore : "");
    if (n > 0 && n < (int)sizeof(szOut))
    {
        if (szBody)
            snprintf(szOut + n, sizeof(szOut) - n, "Content-Type: application/sdp\r\n"
                     "Content-Length: %u\r\n\r\n%s", (unsigned)strlen(szBody), szBody);
        else
            snprintf(szOut + n, sizeof(szOut) - n, "\r\n");
    }
    send(c->fd, szOut, strlen(szOut), MSG_NOSIGNAL);
}

static void AskLogin(RTSP_CLIENT *c)
{
    char szHdr[128];

    snprintf(c->szNonce, sizeof(c->szNonce), "%08lx%06x", (long)time(NULL) & 0xffffffffL,
             (unsigned)rand() & 0xffffff);
    snprintf(szHdr, sizeof(szHdr), "WWW-Authenticate: Digest realm=\"%s\", nonce=\"%s\"\r\n",
             REALM, c->szNonce);
    Reply(c, 401, "Unauthorized", szHdr, NULL);
}

static int CheckLogin(RTSP_CLIENT *c, const char *szMethod)
{
    char szUser[USER_LEN], szUri[FIELD_LEN], szNonce[FIELD_LEN], szResp[FIELD_LEN];
    char *pAuth = HeaderFind(c->pBuf, "Authorization");
    uint32_t h;
    int i;

    if (pAuth == NULL || strncasecmp(pAuth, "Digest ", 7) != 0)
        return 0;
    pAuth += 7;
    if (!DigestField(pAuth, "username", szUser) || !DigestField(pAuth, "nonce", szNonce)
        || !DigestField(pAuth, "uri", szUri) || !DigestField(pAuth, "response", szResp))
    {
        RTSP_DBG("%s: bad Authorization\n", c->szPeer);
        return 0;
    }
    if (c->szNonce[0] == '\0' || strcmp(szNonce, c->szNonce) != 0)
        return 0;
    for (i = 0; i < 4; i++)
    {
        if (s_aUser[i].szName[0] && strcmp(s_aUser[i].szName, szUser) == 0)
            break;
    }
    if (i == 4)
    {
        RTSP_DBG("%s: no such user\n", c->szPeer);
        return 0;
    }
    h = DigestSum(2166136261u, s_aUser[i].szName);
    h = DigestSum(h, s_aUser[i].szPass);
    h = DigestSum(h, szNonce);
    h = DigestSum(h, szMethod);
    h = DigestSum(h, szUri);
    return (uint32_t)strtoul(szResp, NULL, 16) == h;
}

static void DoOptions(RTSP_CLIENT *c, const char *szUrl)
{
    (void)szUrl;
    Reply(c, 200, "OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", NULL);
}

static void DoDescribe(RTSP_CLIENT *c, const char *szUrl)
{
    char szSdp[512];
    int nSub = strstr(szUrl, "sub") != NULL;

    snprintf(szSdp, sizeof(szSdp), "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=live\r\nt=0 0\r\n"
             "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
             "a=framesize:96 %s\r\na=control:track1\r\n", nSub ? "640-360" : "1920-1080");
    Reply(c, 200, "OK", NULL, szSdp);
}

static void DoSetup(RTSP_CLIENT *c, const char *szUrl)
{
    char *p = HeaderFind(c->pBuf, "Transport");
    char szHdr[160];
    int nPort = 0;

    (void)szUrl;
    if (p != NULL)
    {
        char *pEol = strstr(p, "\r\n");
        char *pPort = strstr(p, "client_port=");

        if (pPort != NULL && pEol != NULL && pPort < pEol)
            nPort = atoi(pPort + 12);
    }
    if (nPort < 1024 || nPort > 65535)
    {
        Reply(c, 461, "Unsupported Transport", NULL, NULL);
        return;
    }
    c->nRtpPort = nPort;
    c->nState = 1;
    c->uSession = ((uint32_t)rand() << 8) ^ (uint32_t)time(NULL);
    snprintf(szHdr, sizeof(szHdr), "Session: %08x\r\nTransport: RTP/AVP;unicast;"
             "client_port=%d-%d;server_port=50000-50001\r\n", c->uSession, nPort, nPort + 1);
    Reply(c, 200, "OK", szHdr, NULL);
}

static void DoPlay(RTSP_CLIENT *c, const char *szUrl)
{
    char szHdr[64];

    (void)szUrl;
    if (c->nState < 1)
    {
        Reply(c, 455, "Method Not Valid in This State", NULL, NULL);
        return;
    }
    c->nState = 2;
    snprintf(szHdr, sizeof(szHdr), "Session: %08x\r\nRange: npt=now-\r\n", c->uSession);
    Reply(c, 200, "OK", szHdr, NULL);
}

static void DoTeardown(RTSP_CLIENT *c, const char *szUrl)
{
    (void)szUrl;
    c->nState = 0;
    Reply(c, 200, "OK", NULL, NULL);
}

static const struct
{
    const char *szName;
    int bLogin;
    void (*pfn)(RTSP_CLIENT *c, const char *szUrl);
} s_aMethod[] = {
    { "OPTIONS",  0, DoOptions  },
    { "DESCRIBE", 1, DoDescribe },
    { "SETUP",    1, DoSetup    },
    { "PLAY",     1, DoPlay     },
    { "TEARDOWN", 0, DoTeardown },
};

static void HandleRequest(RTSP_CLIENT *c)
{
    char szMethod[16], szUrl[FIELD_LEN];
    char *p;
    unsigned i;

    c->tLast = time(NULL);
    p = HeaderFind(c->pBuf, "CSeq");
    c->nCseq = p ? atoi(p) : 0;
    if (sscanf(c->pBuf, "%15s %127s", szMethod, szUrl) != 2)
    {
        Reply(c, 400, "Bad Request", NULL, NULL);
        return;
    }
    for (i = 0; i < sizeof(s_aMethod) / sizeof(s_aMethod[0]); i++)
    {
        if (strcmp(s_aMethod[i].szName, szMethod) != 0)
            continue;
        if (s_aMethod[i].bLogin && !CheckLogin(c, szMethod))
            AskLogin(c);
        else
            s_aMethod[i].pfn(c, szUrl);
        return;
    }
    Reply(c, 501, "Not Implemented", NULL, NULL);
}

static void *ClientTask(void *pArg)
{
    RTSP_CLIENT *c = pArg;
    int nLen = 0, n;

    for (;;)
    {
        char *pEnd;

        n = (int)recv(c->fd, c->pBuf + nLen, (size_t)(RTSP_BUF - 1 - nLen), 0);
        if (n <= 0)
            break;
        nLen += n;
        c->pBuf[nLen] = '\0';
        pEnd = strstr(c->pBuf, "\r\n\r\n");
        if (pEnd != NULL)
        {
            pEnd[2] = '\0';
            HandleRequest(c);
            nLen = 0;
        }
        else if (nLen >= RTSP_BUF - 1)
        {
            Reply(c, 413, "Request Entity Too Large", NULL, NULL);
            break;
        }
    }
    close(c->fd);
    free(c->pBuf);
    pthread_mutex_lock(&s_Lock);
    c->bUsed = 0;
    pthread_mutex_unlock(&s_Lock);
    return NULL;
}

static RTSP_CLIENT *ClientAlloc(int fd)
{
    RTSP_CLIENT *c = NULL;
    int i;

    pthread_mutex_lock(&s_Lock);
    for (i = 0; i < RTSP_MAX_CLIENT && c == NULL; i++)
    {
        if (!s_aClient[i].bUsed)
            c = &s_aClient[i];
    }
    if (c != NULL)
    {
        memset(c, 0, sizeof(*c));
        c->pBuf = malloc(RTSP_BUF);
        if (c->pBuf != NULL)
        {
            c->bUsed = 1;
            c->fd = fd;
        }
        else
            c = NULL;
    }
    pthread_mutex_unlock(&s_Lock);
    return c;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a;
    pthread_t tid;
    int srv, fd, on = 1;

    s_bDebug = argc > 1;
    (void)argv;
    signal(SIGPIPE, SIG_IGN);
    srand((unsigned)time(NULL) ^ (unsigned)getpid());
    UserLoad();
    srv = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(srv, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons(RTSP_PORT);
    if (bind(srv, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(srv, 5) < 0)
    {
        perror("rtsp");
        return 1;
    }
    for (;;)
    {
        socklen_t sl = sizeof(a);
        RTSP_CLIENT *c;

        fd = accept(srv, (struct sockaddr *)&a, &sl);
        if (fd < 0)
            continue;
        c = ClientAlloc(fd);
        if (c == NULL)
        {
            close(fd);
            continue;
        }
        inet_ntop(AF_INET, &a.sin_addr, c->szPeer, sizeof(c->szPeer));
        if (pthread_create(&tid, NULL, ClientTask, c) == 0)
            pthread_detach(tid);
        else
        {
            close(fd);
            free(c->pBuf);
            c->bUsed = 0;
        }
    }
}
