#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdbool.h>
#include <ctype.h>
#include <errno.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define TDDP_PORT        1040
#define TDDP_BUF         2048
#define TDDP_VER1        0x01
#define TDDP_HDR1        12

#define CMD_SYS_OPR      0x01
#define CMD_AUTO_TEST    0x02
#define CMD_FTEST_CONFIG 0x31
#define CMD_SYS_PRODUCT  0x40

typedef struct {
    uint8_t  ver;
    uint8_t  type;
    uint8_t  code;
    uint8_t  reply;
    uint32_t len;
    uint16_t id;
    uint8_t  sub;
    uint8_t  rsv;
} tddpHdr_t;

typedef struct {
    int      sock;
    struct sockaddr_in clt;
    uint8_t  rbuf[TDDP_BUF];
    uint8_t  sbuf[TDDP_BUF];
    tddpHdr_t h;
    char     cfgName[64];
    int      fails;
} tddpCtl_t;

static uint32_t getBe32(const uint8_t *p)
{
    return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}

static void putBe32(uint8_t *p, uint32_t v)
{
    p[0] = v >> 24;
    p[1] = v >> 16;
    p[2] = v >> 8;
    p[3] = v;
}

static bool tddp_parseHdr(tddpCtl_t *ctl, int n)
{
    const uint8_t *b = ctl->rbuf;

    if (n < TDDP_HDR1)
        return false;
    ctl->h.ver = b[0];
    ctl->h.type = b[1];
    ctl->h.code = b[2];
    ctl->h.reply = b[3];
    ctl->h.len = getBe32(b + 4);
    ctl->h.id = (uint16_t)((b[8] << 8) | b[9]);
    ctl->h.sub = b[10];
    if (ctl->h.len > (uint32_t)(n - TDDP_HDR1))
        ctl->h.len = (uint32_t)(n - TDDP_HDR1);
    return true;
}

static void tddp_reply(tddpCtl_t *ctl, uint8_t status, const void *data, uint32_t len)
{
    uint8_t *o = ctl->sbuf;

    if (len > TDDP_BUF - TDDP_HDR1)
        len = TDDP_BUF - TDDP_HDR1;
    memset(o, 0, TDDP_HDR1);
    o[0] = ctl->h.ver;
    o[1] = ctl->h.type;
    o[2] = 0x02;
    o[3] = status;
    putBe32(o + 4, len);
    o[8] = ctl->h.id >> 8;
    o[9] = ctl->h.id & 0xff;
    if (len)
        memcpy(o + TDDP_HDR1, data, len);
    sendto(ctl->sock, o, TDDP_HDR1 + len, 0, (struct sockaddr *)&ctl->clt, sizeof(ctl->clt));
}

static int tddp_sysOpr(tddpCtl_t *ctl)
{
    switch (ctl->h.sub) {
    case 0x00:
        tddp_reply(ctl, 0, NULL, 0);
        return 0;
    case 0x02:
        tddp_reply(ctl, 0, NULL, 0);
        sync();
        return system("reboot -d 2 &");
    default:
        return -1;
    }
}

static int tddp_product(tddpCtl_t *ctl)
{
    char line[128] = "";
    FILE *fp = fopen("/etc/product_info", "r");

    if (fp == NULL)
        return -1;
    if (fgets(line, sizeof(line), fp) == NULL)
        line[0] = '\0';
    fclose(fp);
    tddp_reply(ctl, 0, line, (uint32_t)strlen(line));
    return 0;
}

static int tddp_loadCfg(tddpCtl_t *ctl, const char *path, const char *arg)
{
    char line[256];
    FILE *fp;
    int n = 0;

    fp = fopen(path, "r");
    if (fp == NULL) {
        ctl->fails++;
        return -1;
    }
    while (fgets(line, sizeof(line), fp) != NULL) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        n++;
    }
    fclose(fp);
    printf("[tddp] config with %d entries, arg %s\n", n, arg);
    return n;
}

static int tddp_spawnTftp(const char *name, const char *host)
{
    char *av[8];
    pid_t pid;
    int st, i = 0;

    av[i++] = "tftp";
    av[i++] = "-g";
    av[i++] = "-r";
    av[i++] = (char *)name;
    av[i++] = "-l";
    av[i++] = "/tmp/ftest.cfg";
    av[i++] = (char *)host;
    av[i] = NULL;
    pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        execv("/usr/bin/tftp", av);
        _exit(127);
    }
    if (waitpid(pid, &st, 0) < 0)
        return -1;
    return (WIFEXITED(st) && WEXITSTATUS(st) == 0) ? 0 : -1;
}

/* payload "name;arg": the tester offers the file by tftp */
static int tddp_ftest(tddpCtl_t *ctl)
{
    char body[512], name[256], arg[256], host[32];
    uint32_t n = ctl->h.len;
    int rc;

    if (n == 0 || n >= sizeof(body))
        return -1;
    memcpy(body, ctl->rbuf + TDDP_HDR1, n);
    body[n] = '\0';
    name[0] = arg[0] = '\0';
    if (sscanf(body, "%255[^;];%255[^;]", name, arg) != 2) {
        printf("[tddp] bad ftest request\n");
        return -1;
    }
    snprintf(host, sizeof(host), "%s", inet_ntoa(ctl->clt.sin_addr));
    snprintf(ctl->cfgName, sizeof(ctl->cfgName), "%.63s", name);
    unlink("/tmp/ftest.cfg");
    rc = tddp_spawnTftp(name, host);
    if (rc != 0) {
        ctl->fails++;
        tddp_reply(ctl, 0x09, NULL, 0);
        return -1;
    }
    rc = tddp_loadCfg(ctl, "/tmp/ftest.cfg", arg);
    tddp_reply(ctl, rc < 0 ? 0x09 : 0x00, NULL, 0);
    return rc;
}

static int tddp_autoTest(tddpCtl_t *ctl)
{
    char msg[96];
    int n;

    n = snprintf(msg, sizeof(msg), "fails=%d last=%.40s", ctl->fails, ctl->cfgName);
    if (n >= (int)sizeof(msg))
        n = sizeof(msg) - 1;
    tddp_reply(ctl, 0, msg, (uint32_t)n);
    return 0;
}

static void tddp_recv(tddpCtl_t *ctl)
{
    socklen_t sl = sizeof(ctl->clt);
    ssize_t n;
    int rc = -1;

    n = recvfrom(ctl->sock, ctl->rbuf, sizeof(ctl->rbuf), 0, (struct sockaddr *)&ctl->clt, &sl);
    if (n <= 0)
        return;
    if (!tddp_parseHdr(ctl, (int)n))
        return;
    if (ctl->h.ver != TDDP_VER1) {
        printf("[tddp] version %d not supported\n", ctl->h.ver);
        return;
    }
    switch (ctl->h.type) {
    case CMD_SYS_OPR:
        rc = tddp_sysOpr(ctl);
        break;
    case CMD_AUTO_TEST:
        rc = tddp_autoTest(ctl);
        break;
    case CMD_FTEST_CONFIG:
        rc = tddp_ftest(ctl);
        break;
    case CMD_SYS_PRODUCT:
        rc = tddp_product(ctl);
        break;
    default:
        tddp_reply(ctl, 0x02, NULL, 0);
        return;
    }
    if (rc < 0)
        printf("[tddp] cmd 0x%02x sub %d failed\n", ctl->h.type, ctl->h.sub);
}

int main(void)
{
    tddpCtl_t *ctl = calloc(1, sizeof(*ctl));
    struct sockaddr_in sa;
    int opt = 1;

    if (ctl == NULL)
        return 1;
    ctl->sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (ctl->sock < 0)
        return 1;
    setsockopt(ctl->sock, SOL_SOCKET, SO_BROADCAST, &opt, sizeof(opt));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    sa.sin_port = htons(TDDP_PORT);
    if (bind(ctl->sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        printf("[tddp] bind: %s\n", strerror(errno));
        return 1;
    }
    for (;;)
        tddp_recv(ctl);
}
