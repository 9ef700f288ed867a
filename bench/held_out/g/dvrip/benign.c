/*
 * DVR control channel (port 34567).  Packets: 20 byte header, little endian,
 * then "dataLen" bytes.  JSON for most commands, raw structs for PTZ presets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DVR_HEAD        0xff
#define DVR_HDR_SIZE    20
#define DVR_MAX_CHAN    16
#define DVR_MAX_PRESET  32

#define CMD_LOGIN       1000
#define CMD_KEEPALIVE   1006
#define CMD_SYSINFO     1020
#define CMD_PTZ         1400
#define CMD_PRESET_PUT  1402
#define CMD_PRESET_GET  1404

typedef struct DvrHeader {
    uint8_t  head;
    uint8_t  version;
    uint32_t sessionId;
    uint32_t sequence;
    uint16_t msgId;
    int32_t  dataLen;
} DvrHeader;

typedef struct PtzPreset {
    uint8_t  channel;
    uint8_t  index;
    int16_t  pan, tilt, zoom;
    char     title[24];
} PtzPreset;

typedef struct DvrClient {
    int       sock;
    uint32_t  session;
    uint32_t  seq;
    int       loggedIn;
    struct DvrClient *next;
} DvrClient;

typedef int (*DvrHandler)(DvrClient *cl, const DvrHeader *h);

static PtzPreset        gPresets[DVR_MAX_CHAN][DVR_MAX_PRESET];
static pthread_mutex_t  gLock = PTHREAD_MUTEX_INITIALIZER;
static DvrClient       *gClients;
static uint32_t         gNextSession = 1;

static uint32_t le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint16_t le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = v; p[1] = v >> 8; p[2] = v >> 16; p[3] = v >> 24;
}

/* read exactly len bytes from the client, a segment at a time */
static int RecvBytes(int sock, void *dst, size_t len)
{
    uint8_t *p = dst;

    while (len > 0) {
        ssize_t n = recv(sock, p, len > 1400 ? 1400 : len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int SkipBytes(int sock, int32_t len)
{
    uint8_t bin[64];

    while (len > 0) {
        int32_t k = len > (int32_t)sizeof(bin) ? (int32_t)sizeof(bin) : len;
        if (RecvBytes(sock, bin, (size_t)k) < 0)
            return -1;
        len -= k;
    }
    return 0;
}

static int Reply(DvrClient *cl, uint16_t msg, const void *data, size_t len)
{
    uint8_t h[DVR_HDR_SIZE];

    memset(h, 0, sizeof(h));
    h[0] = DVR_HEAD;
    h[1] = 1;
    put32(h + 4, cl->session);
    put32(h + 8, cl->seq);
    h[14] = (uint8_t)msg;
    h[15] = (uint8_t)(msg >> 8);
    put32(h + 16, (uint32_t)len);
    if (send(cl->sock, h, sizeof(h), MSG_NOSIGNAL) != sizeof(h))
        return -1;
    return len == 0 || send(cl->sock, data, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

static int ReplyRet(DvrClient *cl, uint16_t msg, int ret)
{
    char js[96];
    int n = snprintf(js, sizeof(js), "{ \"Ret\" : %d, \"SessionID\" : \"0x%08X\" }\n", ret, cl->session);
    return Reply(cl, msg, js, (size_t)n);
}

/* ---- handlers ------------------------------------------------------ */

static int OnLogin(DvrClient *cl, const DvrHeader *h)
{
    char *body;
    int ok;

    if (h->dataLen <= 0 || h->dataLen > 4096)
        return -1;
    body = malloc((size_t)h->dataLen + 1);
    if (body == NULL)
        return -1;
    if (RecvBytes(cl->sock, body, (size_t)h->dataLen) < 0) {
        free(body);
        return -1;
    }
    body[h->dataLen] = '\0';
    ok = strstr(body, "\"UserName\" : \"admin\"") != NULL;
    free(body);
    cl->loggedIn = ok;
    return ReplyRet(cl, CMD_LOGIN + 1, ok ? 100 : 203);
}

static int OnKeepAlive(DvrClient *cl, const DvrHeader *h)
{
    if (SkipBytes(cl->sock, h->dataLen) < 0)
        return -1;
    return ReplyRet(cl, CMD_KEEPALIVE + 1, 100);
}

static int OnSysInfo(DvrClient *cl, const DvrHeader *h)
{
    static const char info[] = "{ \"Name\" : \"SystemInfo\", \"HardWare\" : \"NVR-16P\", \"Ret\" : 100 }\n";

    if (SkipBytes(cl->sock, h->dataLen) < 0)
        return -1;
    return Reply(cl, CMD_SYSINFO + 1, info, sizeof(info) - 1);
}

static int OnPtz(DvrClient *cl, const DvrHeader *h)
{
    uint8_t act[4];
    FILE *uart;

    if (h->dataLen != (int32_t)sizeof(act) || RecvBytes(cl->sock, act, sizeof(act)) < 0)
        return -1;
    uart = fopen("/dev/ttyS1", "w");
    if (uart != NULL) {
        uint8_t pelco[7] = { 0xff, act[0], 0, act[1], act[2], act[3], 0 };
        for (int i = 1; i < 6; i++)
            pelco[6] += pelco[i];
        fwrite(pelco, 1, sizeof(pelco), uart);
        fclose(uart);
    }
    return ReplyRet(cl, CMD_PTZ + 1, 100);
}

static void StorePreset(const uint8_t *raw, size_t len)
{
    PtzPreset p;

    memset(&p, 0, sizeof(p));
    p.channel = raw[0] % DVR_MAX_CHAN;
    p.index = raw[1] % DVR_MAX_PRESET;
    p.pan = (int16_t)le16(raw + 2);
    p.tilt = (int16_t)le16(raw + 4);
    p.zoom = (int16_t)le16(raw + 6);
    if (len > 8) {
        size_t t = len - 8;
        if (t > sizeof(p.title) - 1)
            t = sizeof(p.title) - 1;
        memcpy(p.title, raw + 8, t);
    }
    pthread_mutex_lock(&gLock);
    gPresets[p.channel][p.index] = p;
    pthread_mutex_unlock(&gLock);
}

/* preset record: channel, index, pan, tilt, zoom, then an optional title */
static int OnPresetPut(DvrClient *cl, const DvrHeader *h)
{
    uint8_t raw[128];

    if (!cl->loggedIn) {
        if (SkipBytes(cl->sock, h->dataLen) < 0)
            return -1;
        return ReplyRet(cl, CMD_PRESET_PUT + 1, 105);
    }
    memset(raw, 0, sizeof(raw));
    if ((uint32_t)h->dataLen > sizeof(raw))
        return -1;
    if (RecvBytes(cl->sock, raw, (size_t)h->dataLen) < 0)
        return -1;
    StorePreset(raw, (size_t)h->dataLen);
    return ReplyRet(cl, CMD_PRESET_PUT + 1, 100);
}

static int OnPresetGet(DvrClient *cl, const DvrHeader *h)
{
    uint8_t sel[2];
    char js[160];
    PtzPreset p;
    int n;

    if (h->dataLen != 2 || RecvBytes(cl->sock, sel, 2) < 0)
        return -1;
    pthread_mutex_lock(&gLock);
    p = gPresets[sel[0] % DVR_MAX_CHAN][sel[1] % DVR_MAX_PRESET];
    pthread_mutex_unlock(&gLock);
    n = snprintf(js, sizeof(js), "{ \"Pan\" : %d, \"Tilt\" : %d, \"Zoom\" : %d, \"Title\" : \"%.23s\" }\n",
                 p.pan, p.tilt, p.zoom, p.title);
    return Reply(cl, CMD_PRESET_GET + 1, js, (size_t)n);
}

/* must stay sorted by id: searched by halves */
static const struct { uint16_t id; DvrHandler fn; } gTable[] = {
    { CMD_LOGIN,      OnLogin },
    { CMD_KEEPALIVE,  OnKeepAlive },
    { CMD_SYSINFO,    OnSysInfo },
    { CMD_PTZ,        OnPtz },
    { CMD_PRESET_PUT, OnPresetPut },
    { CMD_PRESET_GET, OnPresetGet },
};

static DvrHandler FindHandler(uint16_t id)
{
    int lo = 0, hi = (int)(sizeof(gTable) / sizeof(gTable[0])) - 1;

    while (lo <= hi) {
        int mid = (lo + hi) / 2;
        if (gTable[mid].id == id)
            return gTable[mid].fn;
        if (gTable[mid].id < id)
            lo = mid + 1;
        else
            hi = mid - 1;
    }
    return NULL;
}

static int ReadHeader(DvrClient *cl, DvrHeader *h)
{
    uint8_t b[DVR_HDR_SIZE];

    if (RecvBytes(cl->sock, b, sizeof(b)) < 0 || b[0] != DVR_HEAD)
        return -1;
    h->head = b[0];
    h->version = b[1];
    h->sessionId = le32(b + 4);
    h->sequence = le32(b + 8);
    h->msgId = le16(b + 14);
    h->dataLen = (int32_t)le32(b + 16);
    return 0;
}

static void *ClientMain(void *arg)
{
    DvrClient *cl = arg;
    DvrHeader h;

    while (ReadHeader(cl, &h) == 0) {
        DvrHandler fn = FindHandler(h.msgId);
        cl->seq = h.sequence;
        if (fn == NULL) {
            if (SkipBytes(cl->sock, h.dataLen) < 0 || ReplyRet(cl, h.msgId + 1, 102) < 0)
                break;
            continue;
        }
        if (fn(cl, &h) < 0)
            break;
    }
    close(cl->sock);
    pthread_mutex_lock(&gLock);
    for (DvrClient **pp = &gClients; *pp != NULL; pp = &(*pp)->next)
        if (*pp == cl) {
            *pp = cl->next;
            break;
        }
    pthread_mutex_unlock(&gLock);
    free(cl);
    return NULL;
}

int main(void)
{
    struct sockaddr_in addr = { 0 };
    int yes = 1, srv = socket(AF_INET, SOCK_STREAM, 0);

    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_ANY);
    addr.sin_port = htons(34567);
    setsockopt(srv, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(srv, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(srv, 4) != 0)
        return 1;
    for (;;) {
        pthread_t th;
        DvrClient *cl = calloc(1, sizeof(*cl));

        if (cl == NULL)
            return 1;
        cl->sock = accept(srv, NULL, NULL);
        if (cl->sock < 0) {
            free(cl);
            continue;
        }
        pthread_mutex_lock(&gLock);
        cl->session = gNextSession++;
        cl->next = gClients;
        gClients = cl;
        pthread_mutex_unlock(&gLock);
        if (pthread_create(&th, NULL, ClientMain, cl) == 0)
            pthread_detach(th);
        else
            close(cl->sock);
    }
}
