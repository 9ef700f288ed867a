/*
 * mbgwd - Modbus/TCP side of the GW-200 serial gateway.
 * Registers 100.. carry the settings block of the gateway itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <spawn.h>
#include <errno.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>

typedef unsigned char  U8;
typedef unsigned short U16;

#define REG_COUNT     512
#define R_CTRL        99      /* write 1: apply settings */
#define R_NTP         100     /* 24 registers, two characters each */
#define R_NTP_N       24
#define R_BAUD        130
#define R_UPTIME      200
#define MAXCLI        6

extern char **environ;

U16 g_reg[REG_COUNT];
int g_cli[MAXCLI];
U8  g_rx[MAXCLI][300];
int g_rxn[MAXCLI];
U8  g_tx[300];
time_t g_boot;
int g_baud = 9600;
int g_syncs;

static U16 rd16(const U8 *p) { return (U16)((p[0] << 8) | p[1]); }
static void wr16(U8 *p, U16 v) { p[0] = v >> 8; p[1] = v & 255; }

typedef int (*FC)(const U8 *pdu, int n, U8 *out);

static int except(U8 *out, U8 fc, U8 code)
{
    out[0] = fc | 0x80;
    out[1] = code;
    return 2;
}

static int fc_read(const U8 *pdu, int n, U8 *out)
{
    int a, c, i;
    if (n < 5) return except(out, pdu[0], 3);
    a = rd16(pdu + 1);
    c = rd16(pdu + 3);
    if (c < 1 || c > 125 || a + c > REG_COUNT) return except(out, pdu[0], 2);
    out[0] = pdu[0];
    out[1] = (U8)(c * 2);
    for (i = 0; i < c; i++)
        wr16(out + 2 + 2 * i, g_reg[a + i]);
    return 2 + 2 * c;
}

static int fc_write1(const U8 *pdu, int n, U8 *out)
{
    int a;
    if (n < 5) return except(out, pdu[0], 3);
    a = rd16(pdu + 1);
    if (a >= REG_COUNT) return except(out, pdu[0], 2);
    g_reg[a] = rd16(pdu + 3);
    memcpy(out, pdu, 5);
    return 5;
}

static int fc_writen(const U8 *pdu, int n, U8 *out)
{
    int a, c, i;
    if (n < 6) return except(out, pdu[0], 3);
    a = rd16(pdu + 1);
    c = rd16(pdu + 3);
    if (c < 1 || c > 123 || pdu[5] != c * 2 || n < 6 + c * 2)
        return except(out, pdu[0], 3);
    if (a + c > REG_COUNT) return except(out, pdu[0], 2);
    for (i = 0; i < c; i++)
        g_reg[a + i] = rd16(pdu + 6 + 2 * i);
    memcpy(out, pdu, 5);
    return 5;
}

static int fc_ident(const U8 *pdu, int n, U8 *out)
{
    static const char id[] = "GW-200 rev C";
    (void)n;
    out[0] = pdu[0];
    out[1] = sizeof(id) - 1;
    memcpy(out + 2, id, sizeof(id) - 1);
    return 2 + (int)sizeof(id) - 1;
}

FC g_fc[128];

static void init_fc(void)
{
    g_fc[0x03] = fc_read;
    g_fc[0x04] = fc_read;
    g_fc[0x06] = fc_write1;
    g_fc[0x10] = fc_writen;
    g_fc[0x11] = fc_ident;
}

/* a host name: letters, digits, dots, dashes */
static int host_ok(const char *h)
{
    if (!isalnum((unsigned char)*h))
        return 0;
    while (*h) {
        if (!isalnum((unsigned char)*h) && *h != '-' && *h != '.')
            return 0;
        h++;
    }
    return 1;
}

static void regs_to_text(int first, int count, char *out)
{
    int i;
    for (i = 0; i < count; i++) {
        out[2 * i] = (char)(g_reg[first + i] >> 8);
        out[2 * i + 1] = (char)(g_reg[first + i] & 255);
    }
    out[2 * count] = 0;
}

static int shell(const char *line)
{
    char *av[4];
    pid_t pid;
    int st;
    av[0] = "sh";
    av[1] = "-c";
    av[2] = (char *)line;
    av[3] = NULL;
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, av, environ))
        return -1;
    while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
        ;
    return st;
}

static void sync_time(void)
{
    char host[R_NTP_N * 2 + 1];
    char line[128];

    regs_to_text(R_NTP, R_NTP_N, host);
    if (!host_ok(host)) {
        g_reg[R_CTRL] = 0xffff;
        return;
    }
    snprintf(line, sizeof(line), "ntpdate -b %s >/dev/null 2>&1", host);
    if (shell(line) == 0)
        g_syncs++;
}

static void apply_baud(void)
{
    static const int tab[] = { 1200, 2400, 4800, 9600, 19200, 38400, 0 };
    char line[64];
    int i;
    for (i = 0; tab[i]; i++)
        if (tab[i] == g_reg[R_BAUD] && tab[i] != g_baud) {
            g_baud = tab[i];
            snprintf(line, sizeof(line), "stty -F /dev/ttyS1 %d", g_baud);
            shell(line);
        }
}

static void on_second(void)
{
    g_reg[R_UPTIME] = (U16)(time(NULL) - g_boot);
    if (g_reg[R_CTRL] == 1) {
        g_reg[R_CTRL] = 0;
        apply_baud();
        sync_time();
    }
}

static void adu(int fd, const U8 *p, int pdulen)
{
    int n;
    const U8 *pdu = p + 7;
    if (pdu[0] < 128 && g_fc[pdu[0]])
        n = g_fc[pdu[0]](pdu, pdulen, g_tx + 7);
    else
        n = except(g_tx + 7, pdu[0], 1);
    memcpy(g_tx, p, 4);
    wr16(g_tx + 4, (U16)(n + 1));
    g_tx[6] = p[6];
    send(fd, g_tx, 7 + n, MSG_NOSIGNAL);
}

static void drop(int i)
{
    close(g_cli[i]);
    g_cli[i] = -1;
    g_rxn[i] = 0;
}

static void client_in(int i)
{
    int r = (int)recv(g_cli[i], g_rx[i] + g_rxn[i], sizeof(g_rx[i]) - g_rxn[i], 0);
    if (r <= 0) {
        drop(i);
        return;
    }
    g_rxn[i] += r;
    while (g_rxn[i] >= 8) {
        int len = rd16(g_rx[i] + 4);
        if (len < 2 || len > 254 || rd16(g_rx[i] + 2) != 0) {
            drop(i);
            return;
        }
        if (g_rxn[i] < 6 + len)
            return;
        adu(g_cli[i], g_rx[i], len - 1);
        g_rxn[i] -= 6 + len;
        memmove(g_rx[i], g_rx[i] + 6 + len, g_rxn[i]);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    int s, i, c, on = 1, port = 502;

    while ((c = getopt(argc, argv, "p:b:")) != -1) {
        if (c == 'p') port = atoi(optarg);
        if (c == 'b') g_baud = atoi(optarg);
    }
    init_fc();
    g_boot = time(NULL);
    for (i = 0; i < MAXCLI; i++) g_cli[i] = -1;
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(port);
    if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 3) < 0)
        return 1;
    for (;;) {
        fd_set rs;
        struct timeval tv = { 1, 0 };
        int mx = s;
        FD_ZERO(&rs);
        FD_SET(s, &rs);
        for (i = 0; i < MAXCLI; i++)
            if (g_cli[i] >= 0) {
                FD_SET(g_cli[i], &rs);
                if (g_cli[i] > mx) mx = g_cli[i];
            }
        if (select(mx + 1, &rs, NULL, NULL, &tv) > 0) {
            for (i = 0; i < MAXCLI; i++)
                if (g_cli[i] >= 0 && FD_ISSET(g_cli[i], &rs))
                    client_in(i);
            if (FD_ISSET(s, &rs) && (c = accept(s, NULL, NULL)) >= 0) {
                for (i = 0; i < MAXCLI && g_cli[i] >= 0; i++)
                    ;
                if (i < MAXCLI) g_cli[i] = c;
                else close(c);
            }
        }
        on_second();
    }
}
