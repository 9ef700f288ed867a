/*
 *  LIFTPANEL - car display of the elevator
 *
 *  The shaft controller broadcasts text telegrams:
 *      FLR <car> <floor-name> <arrow>
 *      MSG <car> <seconds> <text...>
 *      BRI <car> <0..15>
 *      CLK <hh:mm>
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <time.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

typedef unsigned char  BYTE;
typedef unsigned short WORD;

#define PANEL_PORT   20480
#define TEL_MAX      512
#define FB_W         96
#define FB_H         16
#define OK           0
#define ERROR        (-1)

#define FLOOR_LEN    8
#define ARROW_LEN    8
#define TEXT_LEN     64

struct panel_state {
    int   car;
    int   bright;
    int   clk_h, clk_m;
    long  msg_until;
    char  floor[FLOOR_LEN];
    char  arrow[ARROW_LEN];
    char  text[TEXT_LEN];
    int   redraw;
};

static struct panel_state ps;
static BYTE framebuf[FB_W * FB_H / 8];
static int  fbfd = -1;
static unsigned long nTel, nBad;

static void trace(const char *s)
{
    static int fd = -2;

    if (fd == -2)
        fd = open("/dev/kmsg", O_WRONLY);
    if (fd >= 0)
        write(fd, s, strlen(s));
}

static void cfg_read(void)
{
    FILE *f = fopen("/etc/liftpanel", "r");

    ps.car = 1;
    ps.bright = 10;
    strcpy(ps.floor, "--");
    if (f) {
        if (fscanf(f, "car %d bright %d", &ps.car, &ps.bright) != 2)
            trace("liftpanel: bad config\n");
        fclose(f);
    }
}

static int tel_floor(const char *t)
{
    int car;
    char floor[FLOOR_LEN] = "";
    char arrow[ARROW_LEN] = "";

    if (sscanf(t, "FLR %d %s %s", &car, floor, arrow) < 2)
        return ERROR;
    if (car != ps.car)
        return OK;
    if (strcmp(floor, ps.floor) != 0 || strcmp(arrow, ps.arrow) != 0)
        ps.redraw = 1;
    memcpy(ps.floor, floor, sizeof(floor));
    memcpy(ps.arrow, arrow, sizeof(arrow));
    return OK;
}

static int tel_message(const char *t)
{
    int car, secs, pos = 0;

    if (sscanf(t, "MSG %d %d %n", &car, &secs, &pos) < 2 || pos == 0)
        return ERROR;
    if (car != ps.car && car != 0)
        return OK;
    if (secs < 1 || secs > 600)
        secs = 15;
    strncpy(ps.text, t + pos, TEXT_LEN - 1);
    ps.text[TEXT_LEN - 1] = 0;
    ps.text[strcspn(ps.text, "\r\n")] = 0;
    ps.msg_until = time(NULL) + secs;
    ps.redraw = 1;
    return OK;
}

static int tel_bright(const char *t)
{
    int car, b;

    if (sscanf(t, "BRI %d %d", &car, &b) != 2 || b < 0 || b > 15)
        return ERROR;
    if (car == ps.car)
        ps.bright = b;
    ps.redraw = 1;
    return OK;
}

static int tel_clock(const char *t)
{
    int h, m;

    if (sscanf(t, "CLK %2d:%2d", &h, &m) != 2 || h > 23 || m > 59 || h < 0 || m < 0)
        return ERROR;
    ps.clk_h = h;
    ps.clk_m = m;
    return OK;
}

struct tel_entry {
    char tag[4];
    int (*handler)(const char *);
};

static struct tel_entry tel_tab[] = {
    { "FLR", tel_floor },
    { "MSG", tel_message },
    { "BRI", tel_bright },
    { "CLK", tel_clock },
};

/* crude 8 x 8 font made of the bits of the character, good enough for tests */
static void put_char(int col, int row, char c)
{
    int i;

    if (col < 0 || col >= FB_W / 8 || row < 0 || row >= FB_H / 8)
        return;
    for (i = 0; i < 8; i++)
        framebuf[(row * 8 + i) * (FB_W / 8) + col] = (BYTE)(c << (i & 1));
}

static void put_text(int col, int row, const char *s)
{
    while (*s && col < FB_W / 8)
        put_char(col++, row, *s++);
}

static void draw(void)
{
    char clk[8];

    memset(framebuf, 0, sizeof(framebuf));
    if (time(NULL) < ps.msg_until)
        put_text(0, 0, ps.text);
    else {
        put_text(0, 0, ps.floor);
        if (strcmp(ps.arrow, "up") == 0)
            put_char(10, 0, '^');
        else if (strcmp(ps.arrow, "down") == 0)
            put_char(10, 0, 'v');
    }
    snprintf(clk, sizeof(clk), "%02d:%02d", ps.clk_h, ps.clk_m);
    put_text(6, 1, clk);
    if (fbfd >= 0) {
        BYTE head[2];
        head[0] = 0x55;
        head[1] = (BYTE)ps.bright;
        write(fbfd, head, 2);
        write(fbfd, framebuf, sizeof(framebuf));
    }
    ps.redraw = 0;
}

static void telegram(const char *t)
{
    size_t i;

    nTel++;
    for (i = 0; i < sizeof(tel_tab) / sizeof(tel_tab[0]); i++) {
        if (memcmp(t, tel_tab[i].tag, 3) == 0) {
            if (tel_tab[i].handler(t) != OK) {
                nBad++;
                trace("liftpanel: bad telegram\n");
            }
            return;
        }
    }
    nBad++;
}

int main(int argc, char *argv[])
{
    struct sockaddr_in sin;
    struct timeval tv;
    char tel[TEL_MAX];
    time_t lastSecond = 0;
    int s, on = 1;

    cfg_read();
    fbfd = open(argc > 1 ? argv[1] : "/dev/ttyS1", O_WRONLY | O_NOCTTY);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s == ERROR)
        return 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(PANEL_PORT);
    sin.sin_addr.s_addr = INADDR_ANY;
    if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) == ERROR) {
        trace("liftpanel: bind\n");
        return 1;
    }
    tv.tv_sec = 0;
    tv.tv_usec = 300000;
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    for (;;) {
        int n = recv(s, tel, TEL_MAX - 1, 0);
        time_t now;

        if (n >= 4) {
            tel[n] = '\0';
            telegram(tel);
        }
        now = time(NULL);
        if (now != lastSecond) {
            lastSecond = now;
            if (ps.msg_until && now >= ps.msg_until) {
                ps.msg_until = 0;
                ps.redraw = 1;
            }
        }
        if (ps.redraw)
            draw();
    }
}
