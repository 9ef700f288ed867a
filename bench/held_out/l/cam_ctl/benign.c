/*
 * camctl - control channel of the VS-20x dome cameras
 * one text command per line on tcp/9527, answers "+OK ..." or "-ERR ..."
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdarg.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define CTL_PORT     9527
#define MAX_CLI      4
#define LINE_MAX_    256
#define CFG_FILE     "/mnt/mtd/config/camctl.conf"

typedef struct {
    int  fd;
    int  nFill;
    char szLine[LINE_MAX_];
    time_t tLast;
} CLIENT;

typedef struct {
    char szNtp[64];
    int  nInterval;
    int  nBright;
    int  nIrMode;
    int  bFlip;
} CAMCFG;

static CLIENT s_aCli[MAX_CLI];
static CAMCFG s_cfg;
static time_t s_tNextSync;
static int    s_bDirty;

static int RunCmd(const char *pszFmt, ...)
{
    char szCmd[320];
    va_list ap;
    int n;

    va_start(ap, pszFmt);
    n = vsnprintf(szCmd, sizeof(szCmd), pszFmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(szCmd)) {
        syslog(LOG_ERR, "command too long");
        return -1;
    }
    syslog(LOG_DEBUG, "run: %s", szCmd);
    return system(szCmd);
}

static void Reply(CLIENT *pCli, const char *pszFmt, ...)
{
    char szOut[256];
    va_list ap;
    int n;

    va_start(ap, pszFmt);
    n = vsnprintf(szOut, sizeof(szOut) - 2, pszFmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    if (n > (int)sizeof(szOut) - 3)
        n = sizeof(szOut) - 3;
    szOut[n++] = '\r';
    szOut[n++] = '\n';
    if (write(pCli->fd, szOut, n) != n)
        syslog(LOG_WARNING, "short write to client");
}

static int HostOk(const char *psz)
{
    size_t i, n = strlen(psz);

    if (n == 0 || n >= sizeof(s_cfg.szNtp) || psz[0] == '-')
        return 0;
    for (i = 0; i < n; i++) {
        unsigned char c = psz[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') &&
            !(c >= 'A' && c <= 'Z') && c != '.' && c != '-')
            return 0;
    }
    return 1;
}

static void SaveConfig(void)
{
    FILE *fp = fopen(CFG_FILE, "w");

    if (!fp) {
        syslog(LOG_ERR, "%s: %s", CFG_FILE, strerror(errno));
        return;
    }
    fprintf(fp, "ntp=%s\ninterval=%d\nbright=%d\nirmode=%d\nflip=%d\n",
            s_cfg.szNtp, s_cfg.nInterval, s_cfg.nBright, s_cfg.nIrMode, s_cfg.bFlip);
    fclose(fp);
    s_bDirty = 0;
}

static void LoadConfig(void)
{
    char szBuf[128], *pVal;
    FILE *fp;

    strcpy(s_cfg.szNtp, "pool.ntp.org");
    s_cfg.nInterval = 3600;
    s_cfg.nBright = 50;
    fp = fopen(CFG_FILE, "r");
    if (!fp)
        return;
    while (fgets(szBuf, sizeof(szBuf), fp)) {
        szBuf[strcspn(szBuf, "\r\n")] = 0;
        pVal = strchr(szBuf, '=');
        if (!pVal)
            continue;
        *pVal++ = 0;
        if (!strcmp(szBuf, "ntp") && HostOk(pVal))
            strcpy(s_cfg.szNtp, pVal);
        else if (!strcmp(szBuf, "interval"))
            s_cfg.nInterval = atoi(pVal);
        else if (!strcmp(szBuf, "bright"))
            s_cfg.nBright = atoi(pVal);
        else if (!strcmp(szBuf, "irmode"))
            s_cfg.nIrMode = atoi(pVal);
        else if (!strcmp(szBuf, "flip"))
            s_cfg.bFlip = atoi(pVal);
    }
    fclose(fp);
    if (s_cfg.nInterval < 60)
        s_cfg.nInterval = 60;
}

static void OnNtp(CLIENT *pCli, char *pszArg)
{
    if (!HostOk(pszArg)) {
        Reply(pCli, "-ERR bad host");
        return;
    }
    strcpy(s_cfg.szNtp, pszArg);
    s_bDirty = 1;
    s_tNextSync = time(NULL) + 2;
    Reply(pCli, "+OK ntp %s", s_cfg.szNtp);
}

static void OnInterval(CLIENT *pCli, char *pszArg)
{
    int n = atoi(pszArg);

    if (n < 60 || n > 86400) {
        Reply(pCli, "-ERR range");
        return;
    }
    s_cfg.nInterval = n;
    s_bDirty = 1;
    Reply(pCli, "+OK");
}

static void OnBright(CLIENT *pCli, char *pszArg)
{
    int n = atoi(pszArg);

    if (n < 0 || n > 100) {
        Reply(pCli, "-ERR range");
        return;
    }
    s_cfg.nBright = n;
    s_bDirty = 1;
    RunCmd("/usr/sbin/ispset brightness %d", n);
    Reply(pCli, "+OK");
}

static void OnIr(CLIENT *pCli, char *pszArg)
{
    s_cfg.nIrMode = !strcasecmp(pszArg, "auto") ? 2 : !strcasecmp(pszArg, "on");
    s_bDirty = 1;
    RunCmd("echo %d > /proc/driver/ircut", s_cfg.nIrMode);
    Reply(pCli, "+OK");
}

static void OnStatus(CLIENT *pCli, char *pszArg)
{
    (void)pszArg;
    Reply(pCli, "+OK ntp=%s interval=%d bright=%d ir=%d flip=%d", s_cfg.szNtp,
          s_cfg.nInterval, s_cfg.nBright, s_cfg.nIrMode, s_cfg.bFlip);
}

static const struct {
    const char *pszName;
    void (*pfn)(CLIENT *, char *);
} s_aCmd[] = {
    { "NTPSERVER", OnNtp },
    { "NTPPERIOD", OnInterval },
    { "BRIGHT",    OnBright },
    { "IRLED",     OnIr },
    { "STATUS",    OnStatus },
};

static void Dispatch(CLIENT *pCli, char *pszLine)
{
    char *pszArg;
    size_t i;

    pszArg = pszLine + strcspn(pszLine, " ");
    if (*pszArg)
        *pszArg++ = 0;
    while (*pszArg == ' ')
        pszArg++;
    for (i = 0; i < sizeof(s_aCmd) / sizeof(s_aCmd[0]); i++) {
        if (!strcasecmp(pszLine, s_aCmd[i].pszName)) {
            s_aCmd[i].pfn(pCli, pszArg);
            return;
        }
    }
    Reply(pCli, "-ERR unknown");
}

static void DropClient(CLIENT *pCli)
{
    close(pCli->fd);
    pCli->fd = -1;
    pCli->nFill = 0;
}

static void OnReadable(CLIENT *pCli)
{
    char *pNl;
    int n;

    n = read(pCli->fd, pCli->szLine + pCli->nFill, LINE_MAX_ - 1 - pCli->nFill);
    if (n <= 0) {
        DropClient(pCli);
        return;
    }
    pCli->nFill += n;
    pCli->szLine[pCli->nFill] = 0;
    pCli->tLast = time(NULL);
    while ((pNl = memchr(pCli->szLine, '\n', pCli->nFill)) != NULL) {
        int nUsed = pNl + 1 - pCli->szLine;
        *pNl = 0;
        if (pNl > pCli->szLine && pNl[-1] == '\r')
            pNl[-1] = 0;
        Dispatch(pCli, pCli->szLine);
        pCli->nFill -= nUsed;
        memmove(pCli->szLine, pCli->szLine + nUsed, pCli->nFill + 1);
    }
    if (pCli->nFill >= LINE_MAX_ - 1)
        DropClient(pCli);
}

static void Housekeeping(void)
{
    time_t tNow = time(NULL);
    int i;

    if (s_bDirty)
        SaveConfig();
    if (tNow >= s_tNextSync) {
        RunCmd("/usr/sbin/ntpdate -u -t 3 %s >/dev/null 2>&1", s_cfg.szNtp);
        s_tNextSync = time(NULL) + s_cfg.nInterval;
    }
    for (i = 0; i < MAX_CLI; i++)
        if (s_aCli[i].fd >= 0 && tNow - s_aCli[i].tLast > 120)
            DropClient(&s_aCli[i]);
}

int main(void)
{
    struct pollfd aFd[MAX_CLI + 1];
    struct sockaddr_in sa;
    int fdListen, i, on = 1;

    openlog("camctl", LOG_PID, LOG_DAEMON);
    signal(SIGPIPE, SIG_IGN);
    LoadConfig();
    for (i = 0; i < MAX_CLI; i++)
        s_aCli[i].fd = -1;
    fdListen = socket(AF_INET, SOCK_STREAM, 0);
    if (fdListen < 0)
        return 1;
    setsockopt(fdListen, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(CTL_PORT);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(fdListen, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fdListen, 2) < 0) {
        syslog(LOG_ERR, "bind: %s", strerror(errno));
        return 1;
    }
    s_tNextSync = time(NULL) + 10;
    for (;;) {
        aFd[MAX_CLI].fd = fdListen;
        aFd[MAX_CLI].events = POLLIN;
        aFd[MAX_CLI].revents = 0;
        for (i = 0; i < MAX_CLI; i++) {
            aFd[i].fd = s_aCli[i].fd;
            aFd[i].events = POLLIN;
            aFd[i].revents = 0;
        }
        if (poll(aFd, MAX_CLI + 1, 1000) > 0) {
            for (i = 0; i < MAX_CLI; i++)
                if (s_aCli[i].fd >= 0 && (aFd[i].revents & (POLLIN | POLLHUP | POLLERR)))
                    OnReadable(&s_aCli[i]);
            if (aFd[MAX_CLI].revents & POLLIN) {
                int fd = accept(fdListen, NULL, NULL);
                for (i = 0; fd >= 0 && i < MAX_CLI; i++) {
                    if (s_aCli[i].fd < 0) {
                        s_aCli[i].fd = fd;
                        s_aCli[i].nFill = 0;
                        s_aCli[i].tLast = time(NULL);
                        break;
                    }
                }
                if (fd >= 0 && i == MAX_CLI)
                    close(fd);
            }
        }
        Housekeeping();
    }
}
