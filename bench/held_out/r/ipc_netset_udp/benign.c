#define _GNU_SOURCE
/*
 * SofiaLite - device search & network preset over udp
 *   20 byte head, little endian, then a json body
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <syslog.h>
#include <poll.h>
#include <time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SEARCH_PORT   34569
#define HEAD_LEN      20
#define MAX_DGRAM     2048

#define MSG_SEARCH_REQ  1530
#define MSG_SEARCH_RSP  1531
#define MSG_NETSET_REQ  1532
#define MSG_NETSET_RSP  1533
#define MSG_BEEP_REQ    1540
#define MSG_BEEP_RSP    1541

typedef struct _NetCommon {
    char hostIp[32];
    char subMask[32];
    char gateWay[32];
    char hostName[32];
    int  tcpPort;
    int  httpPort;
    time_t applyAt;
} NetCommon;

typedef struct _Device {
    char mac[20];
    char serial[24];
    NetCommon cur;
    NetCommon *pending;
    int beeps;
} Device;

static Device g_dev;
static int    g_sock = -1;

typedef int (*MsgProc)(const char *json, char *out, int outLen);

static unsigned rd16(const unsigned char *p) { return p[0] | (p[1] << 8); }
static unsigned rd32(const unsigned char *p)
{
    return p[0] | (p[1] << 8) | (p[2] << 16) | ((unsigned)p[3] << 24);
}
static void wr32(unsigned char *p, unsigned v)
{
    p[0] = v; p[1] = v >> 8; p[2] = v >> 16; p[3] = v >> 24;
}

/* "key" : "value" -> value ; only what our tools send */
static int JsonStr(const char *js, const char *key, char *out, int outLen)
{
    const char *p = js;
    int klen = strlen(key), n = 0;

    while ((p = strchr(p, '"')) != NULL) {
        p++;
        if (strncmp(p, key, klen) == 0 && p[klen] == '"') {
            p += klen + 1;
            while (*p == ' ' || *p == ':' || *p == '\t')
                p++;
            if (*p != '"')
                return -1;
            p++;
            while (*p && *p != '"') {
                if (*p == '\\' && p[1])
                    p++;
                if (n < outLen - 1)
                    out[n++] = *p;
                p++;
            }
            out[n] = 0;
            return n;
        }
    }
    return -1;
}

static int JsonInt(const char *js, const char *key, int def)
{
    char pat[40];
    const char *p;

    snprintf(pat, sizeof(pat), "\"%s\"", key);
    p = strstr(js, pat);
    if (!p)
        return def;
    p += strlen(pat);
    while (*p == ' ' || *p == ':')
        p++;
    return (int)strtol(p, NULL, 0);
}

/* addresses come as "0x0A01A8C0" (little endian), old tools send dotted text */
static int GetAddr(const char *js, const char *key, char *out, int outLen)
{
    char val[32];
    int n = JsonStr(js, key, val, sizeof(val));

    if (n <= 0)
        return -1;
    if (val[0] == '0' && (val[1] == 'x' || val[1] == 'X')) {
        unsigned v = strtoul(val + 2, NULL, 16);
        snprintf(out, outLen, "%u.%u.%u.%u", v & 255, (v >> 8) & 255, (v >> 16) & 255, v >> 24);
        return 0;
    }
    struct in_addr ia;
    if (strchr(val, '.') == NULL || inet_aton(val, &ia) == 0) {
        syslog(LOG_WARNING, "%s: strange address", key);
        return -1;
    }
    snprintf(out, outLen, "%s", inet_ntoa(ia));
    return 0;
}

static int OnSearch(const char *json, char *out, int outLen)
{
    NetCommon *c = &g_dev.cur;

    (void)json;
    return snprintf(out, outLen,
        "{ \"NetWork.NetCommon\" : { \"HostIP\" : \"%s\", \"Submask\" : \"%s\", \"GateWay\" : \"%s\", "
        "\"MAC\" : \"%s\", \"SN\" : \"%s\", \"TCPPort\" : %d, \"HttpPort\" : %d }, \"Ret\" : 100 }\n",
        c->hostIp, c->subMask, c->gateWay, g_dev.mac, g_dev.serial, c->tcpPort, c->httpPort);
}

static int OnNetSet(const char *json, char *out, int outLen)
{
    NetCommon *nc;
    char mac[20];
    int ret = 100;

    if (JsonStr(json, "MAC", mac, sizeof(mac)) < 0 || strcasecmp(mac, g_dev.mac)) {
        /* not for us, do not answer */
        return 0;
    }
    nc = malloc(sizeof(*nc));
    if (!nc)
        return 0;
    *nc = g_dev.cur;
    if (GetAddr(json, "HostIP", nc->hostIp, sizeof(nc->hostIp)) < 0 ||
        GetAddr(json, "Submask", nc->subMask, sizeof(nc->subMask)) < 0)
        ret = 102;
    GetAddr(json, "GateWay", nc->gateWay, sizeof(nc->gateWay));
    JsonStr(json, "HostName", nc->hostName, sizeof(nc->hostName));
    nc->tcpPort = JsonInt(json, "TCPPort", nc->tcpPort);
    nc->httpPort = JsonInt(json, "HttpPort", nc->httpPort);
    if (nc->tcpPort < 1 || nc->tcpPort > 65535 || nc->httpPort < 1 || nc->httpPort > 65535)
        ret = 103;

    if (ret == 100) {
        /* give the answer time to leave before the address changes */
        nc->applyAt = time(NULL) + 2;
        free(g_dev.pending);
        g_dev.pending = nc;
    } else
        free(nc);
    return snprintf(out, outLen, "{ \"Name\" : \"\", \"Ret\" : %d }\n", ret);
}

static int OnBeep(const char *json, char *out, int outLen)
{
    int n = JsonInt(json, "Count", 1);

    if (n > 0 && n < 10)
        g_dev.beeps = n;
    return snprintf(out, outLen, "{ \"Ret\" : 100 }\n");
}

static const struct {
    unsigned id, rsp;
    MsgProc proc;
} s_msgs[] = {
    { MSG_SEARCH_REQ, MSG_SEARCH_RSP, OnSearch },
    { MSG_NETSET_REQ, MSG_NETSET_RSP, OnNetSet },
    { MSG_BEEP_REQ,   MSG_BEEP_RSP,   OnBeep },
};

static void HandleDgram(void)
{
    unsigned char buf[MAX_DGRAM + 1], out[1024];
    struct sockaddr_in from;
    socklen_t flen = sizeof(from);
    unsigned id, len, i;
    int n;

    n = recvfrom(g_sock, buf, MAX_DGRAM, 0, (struct sockaddr *)&from, &flen);
    if (n < HEAD_LEN || buf[0] != 0xff)
        return;
    buf[n] = 0;
    id  = rd16(buf + 14);
    len = rd32(buf + 16);
    if (len > (unsigned)(n - HEAD_LEN)) {
        syslog(LOG_NOTICE, "short body %u/%d", len, n - HEAD_LEN);
        return;
    }
    buf[HEAD_LEN + len] = 0;

    for (i = 0; i < sizeof(s_msgs) / sizeof(s_msgs[0]); i++) {
        if (s_msgs[i].id != id)
            continue;
        n = s_msgs[i].proc((char *)buf + HEAD_LEN, (char *)out + HEAD_LEN, sizeof(out) - HEAD_LEN);
        if (n <= 0 || n >= (int)sizeof(out) - HEAD_LEN)
            return;
        memset(out, 0, HEAD_LEN);
        out[0] = 0xff;
        out[14] = s_msgs[i].rsp;
        out[15] = s_msgs[i].rsp >> 8;
        wr32(out + 16, n);
        from.sin_addr.s_addr = htonl(INADDR_BROADCAST);
        sendto(g_sock, out, HEAD_LEN + n, 0, (struct sockaddr *)&from, sizeof(from));
        return;
    }
}

static void ApplyNet(NetCommon *nc)
{
    char cmd[256];
    int rc;

    snprintf(cmd, sizeof(cmd), "ifconfig eth0 %s netmask %s up", nc->hostIp, nc->subMask);
    rc = system(cmd);
    syslog(LOG_INFO, "ifconfig returns %d", rc);
    if (strcmp(nc->gateWay, g_dev.cur.gateWay)) {
        rc = system("route del default 2>/dev/null");
        snprintf(cmd, sizeof(cmd), "route add default gw %s", nc->gateWay);
        rc = system(cmd);
        if (rc)
            syslog(LOG_WARNING, "no gateway (%d)", rc);
    }
    if (nc->hostName[0] && sethostname(nc->hostName, strlen(nc->hostName)) < 0)
        syslog(LOG_WARNING, "sethostname: %m");
    g_dev.cur = *nc;
}

static void OnTick(void)
{
    if (g_dev.pending && time(NULL) >= g_dev.pending->applyAt) {
        NetCommon *nc = g_dev.pending;

        g_dev.pending = NULL;
        ApplyNet(nc);
        free(nc);
    }
    if (g_dev.beeps > 0) {
        FILE *fp = fopen("/proc/gpio/buzzer", "w");

        if (fp) {
            fputs("1", fp);
            fclose(fp);
        }
        g_dev.beeps--;
    }
}

static void LoadDevice(void)
{
    FILE *fp = fopen("/sys/class/net/eth0/address", "r");

    strcpy(g_dev.mac, "00:12:16:fa:17:25");
    if (fp) {
        char line[20];

        if (fgets(line, 18, fp) && strlen(line) == 17)
            strcpy(g_dev.mac, line);
        fclose(fp);
    }
    strcpy(g_dev.serial, "b1a6c1c7d8e2f901");
    strcpy(g_dev.cur.hostIp, "192.168.1.10");
    strcpy(g_dev.cur.subMask, "255.255.255.0");
    strcpy(g_dev.cur.gateWay, "192.168.1.1");
    strcpy(g_dev.cur.hostName, "LocalHost");
    g_dev.cur.tcpPort = 34567;
    g_dev.cur.httpPort = 80;
}

int main(void)
{
    struct sockaddr_in sa;
    struct pollfd pf;
    int on = 1;

    openlog("netsearch", LOG_PID, LOG_DAEMON);
    LoadDevice();
    g_sock = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(g_sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(g_sock, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    sa.sin_port = htons(SEARCH_PORT);
    if (bind(g_sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        syslog(LOG_ERR, "bind: %m");
        return 1;
    }
    pf.fd = g_sock;
    pf.events = POLLIN;
    for (;;) {
        if (poll(&pf, 1, 500) > 0)
            HandleDgram();
        OnTick();
    }
    return 0;
}
