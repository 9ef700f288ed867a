/* mdbpay - cashless reader of the coffee machine: talks to the payment host,
 * keeps the open vend and the price list, retries on a timer.            */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <netdb.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>

#define PRODUCTS 12
#define RECEIPT  24

struct Product { char label[20]; int cents; int sold; };

struct Vend {
    int     slot;
    int     state;               /* 0 none 1 asked 2 approved 3 denied */
    char    auth[RECEIPT];
    char    holder[RECEIPT];
    time_t  when;
};

struct Module {
    char host[64];
    char port[8];
    char terminal[16];
    int  retry;
    int  sock;
    struct Vend    *vend;
    struct Product  products[PRODUCTS];
};

static struct Module M;

static void Log(const char *text, const char *arg)
{
    fprintf(stderr, "[%ld] %s %s\n", (long)time(NULL), text, arg);
}

static void LoadConfig(const char *path)
{
    char line[128];
    FILE *f = fopen(path, "r");

    strcpy(M.host, "pay.example.net");
    strcpy(M.port, "7780");
    strcpy(M.terminal, "CM-0001");
    M.retry = 15;
    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        sscanf(line, "host %63s", M.host);
        sscanf(line, "port %7s", M.port);
        sscanf(line, "terminal %15s", M.terminal);
        sscanf(line, "retry %d", &M.retry);
    }
    fclose(f);
    if (M.retry < 1 || M.retry > 600)
        M.retry = 15;
}

static int Connect(void)
{
    struct addrinfo hints, *res, *r;
    struct timeval tv = { 10, 0 };
    int s = -1;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(M.host, M.port, &hints, &res))
        return -1;
    for (r = res; r; r = r->ai_next) {
        s = socket(r->ai_family, r->ai_socktype, r->ai_protocol);
        if (s < 0)
            continue;
        setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        if (connect(s, r->ai_addr, r->ai_addrlen) == 0)
            break;
        close(s);
        s = -1;
    }
    freeaddrinfo(res);
    return s;
}

static int SendLine(const char *fmt, const char *a, int b, int c)
{
    char out[128];
    int n = snprintf(out, sizeof out, fmt, a, b, c);

    if (n >= (int)sizeof out)
        return -1;
    return send(M.sock, out, n, MSG_NOSIGNAL) == n ? 0 : -1;
}

/* one line from the host, without the line end; -1 on loss of the link */
static int RecvLine(char *buf, int cap)
{
    int n = 0;
    char c;

    while (n < cap - 1) {
        if (recv(M.sock, &c, 1, 0) != 1)
            return -1;
        if (c == '\n')
            break;
        if (c != '\r')
            buf[n++] = c;
    }
    buf[n] = 0;
    return n;
}

static void OnPrice(const char *args)
{
    int slot, cents;

    if (sscanf(args, "%d %d", &slot, &cents) != 2)
        return;
    if (slot < 0 || slot >= PRODUCTS || cents < 0 || cents > 2000)
        return;
    M.products[slot].cents = cents;
}

static void OnLabel(const char *args)
{
    int slot;
    char text[20];

    if (sscanf(args, "%d %19[^\n]", &slot, text) != 2)
        return;
    if (slot < 0 || slot >= PRODUCTS)
        return;
    strcpy(M.products[slot].label, text);
}

static void OnApprove(const char *args)
{
    struct Vend *v = M.vend;

    if (v->state != 1)
        Log("late approval", args);
    if (sscanf(args, "%23s %23s", v->auth, v->holder) < 1) {
        Log("approval without code", args);
        return;
    }
    v->state = 2;
    v->when = time(NULL);
    if (v->slot >= 0 && v->slot < PRODUCTS)
        M.products[v->slot].sold++;
}

static void OnDeny(const char *args)
{
    M.vend->state = 3;
    Log("denied", args);
}

static void OnClock(const char *args)
{
    struct timeval tv = { atol(args), 0 };

    if (tv.tv_sec > 1500000000)
        settimeofday(&tv, NULL);
}

static const struct {
    const char *word;
    void (*Do)(const char *);
} Answers[] = {
    { "PRICE",   OnPrice   },
    { "LABEL",   OnLabel   },
    { "APPROVE", OnApprove },
    { "DENY",    OnDeny    },
    { "CLOCK",   OnClock   },
    { NULL,      NULL      }
};

static void Interpret(char *line)
{
    int i;
    char *args = strchr(line, ' ');

    if (args)
        *args++ = 0;
    else
        args = line + strlen(line);
    for (i = 0; Answers[i].word; i++)
        if (!strcmp(Answers[i].word, line)) {
            Answers[i].Do(args);
            return;
        }
    Log("unknown answer", line);
}

/* the selection comes from the front panel over a FIFO */
static int PanelSelection(FILE *panel)
{
    char t[16];

    if (!panel || !fgets(t, sizeof t, panel)) {
        if (panel)
            clearerr(panel);
        return -1;
    }
    return atoi(t) % PRODUCTS;
}

static void Session(FILE *panel)
{
    char line[512];
    int slot;

    if (SendLine("HELLO %s %d %d\n", M.terminal, PRODUCTS, 3) < 0)
        return;
    for (;;) {
        slot = PanelSelection(panel);
        if (slot >= 0) {
            M.vend->slot = slot;
            M.vend->state = 1;
            if (SendLine("VEND %s %d %d\n", M.terminal, slot, M.products[slot].cents) < 0)
                return;
        } else if (SendLine("IDLE %s %d %d\n", M.terminal, M.vend->state, 0) < 0) {
            return;
        }
        if (RecvLine(line, sizeof line) < 0)
            return;
        Interpret(line);
        if (M.vend->state >= 2) {
            printf("slot %d %s %s\n", M.vend->slot,
                   M.vend->state == 2 ? "dispense" : "refuse", M.vend->auth);
            fflush(stdout);
            memset(M.vend, 0, sizeof *M.vend);
        }
    }
}

int main(int argc, char **argv)
{
    FILE *panel;

    LoadConfig(argc > 1 ? argv[1] : "/etc/mdbpay.conf");
    M.vend = calloc(1, sizeof *M.vend);
    if (!M.vend)
        return 1;
    panel = fopen("/var/run/panel.fifo", "r");
    for (;;) {
        M.sock = Connect();
        if (M.sock < 0) {
            Log("no link", strerror(errno));
        } else {
            Session(panel);
            close(M.sock);
        }
        sleep(M.retry);
    }
}
