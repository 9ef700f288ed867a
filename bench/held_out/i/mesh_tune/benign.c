/* mesh_tune - satellite side of the repeater "one touch" tuning protocol.
 *
 *   datagram:  <8 byte token> ' ' key=value,key=value,...
 *
 * The main unit sends it to every satellite; values are kept and applied
 * by a timer because a channel change cuts the back haul.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stdint.h>
#include <ctype.h>
#include <signal.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define TUNE_PORT   7788
#define TOKEN_LEN   8
#define TOKEN_FNV   0xeca88eabu

#define LOG(fmt, ...) fprintf(stderr, "mesh_tune: " fmt "\n", ##__VA_ARGS__)

struct tune_state {
    char channel[24];
    char txpower[24];
    int  led;
    int  pending;
};

static struct tune_state st = { "6", "20", 1, 0 };
static volatile sig_atomic_t ticks;
static char ifname[16] = "ra0";

static void on_alarm(int sig)
{
    (void)sig;
    ticks++;
}

static uint32_t fnv1a(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint32_t h = 2166136261u;

    while (n--) {
        h ^= *b++;
        h *= 16777619u;
    }
    return h;
}

static int sh(const char *fmt, ...)
{
    char buf[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    return system(buf);
}

/* numbers are handed on as text, iwpriv wants them so */
static int put_number(char dst[24], const char *val, long lo, long hi)
{
    char *end;
    long v;

    if (!isdigit((unsigned char)val[0]) || strlen(val) >= 24)
        return -1;
    v = strtol(val, &end, 10);
    if (v < lo || v > hi)
        return -1;
    snprintf(dst, 24, "%ld", v);
    return 0;
}

static int key_channel(const char *val)
{
    if (put_number(st.channel, val, 1, 165))
        return -1;
    st.pending |= 1;
    return 0;
}

static int key_power(const char *val)
{
    if (put_number(st.txpower, val, 1, 30))
        return -1;
    st.pending |= 2;
    return 0;
}

static int key_led(const char *val)
{
    st.led = val[0] == '1';
    st.pending |= 4;
    return 0;
}

static int key_wps(const char *val)
{
    st.pending |= 8;
    return 0;
}

static const struct key {
    const char *name;
    int (*set)(const char *val);
} keys[] = {
    { "ch",  key_channel },
    { "led", key_led },
    { "pwr", key_power },
    { "wps", key_wps },
};

static const struct key *find_key(const char *name)
{
    int lo = 0, hi = (int)(sizeof keys / sizeof keys[0]) - 1, mid, c;

    while (lo <= hi) {
        mid = (lo + hi) >> 1;
        c = strcmp(name, keys[mid].name);
        if (c == 0)
            return &keys[mid];
        if (c < 0)
            hi = mid - 1;
        else
            lo = mid + 1;
    }
    return NULL;
}

static int parse_list(char *s)
{
    char *item, *save = NULL, *eq;
    const struct key *k;
    int done = 0;

    for (item = strtok_r(s, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
        eq = strchr(item, '=');
        if (!eq)
            continue;
        *eq++ = 0;
        k = find_key(item);
        if (!k || k->set(eq) < 0)
            LOG("bad item %s", item);
        else
            done++;
    }
    return done;
}

static void apply(void)
{
    int what = st.pending;

    st.pending = 0;
    if (what & 1)
        sh("iwpriv %s set Channel=%s", ifname, st.channel);
    if (what & 2)
        sh("iwpriv %s set TxPower=%s", ifname, st.txpower);
    if (what & 4)
        sh("echo %d > /proc/leds/signal", st.led);
    if (what & 8)
        sh("wps_pbc.sh %s", ifname);
}

static void link_watch(void)
{
    char line[160];
    FILE *f = fopen("/proc/net/wireless", "r");

    if (!f)
        return;
    while (fgets(line, sizeof line, f))
        if (strstr(line, ifname))
            LOG("link %.60s", line);
    fclose(f);
}

static ssize_t get_datagram(int fd, char *buf, size_t cap, struct sockaddr_in *from)
{
    struct iovec iov = { buf, cap - 1 };
    struct msghdr mh;
    ssize_t n;

    memset(&mh, 0, sizeof mh);
    mh.msg_name = from;
    mh.msg_namelen = sizeof *from;
    mh.msg_iov = &iov;
    mh.msg_iovlen = 1;
    n = recvmsg(fd, &mh, 0);
    if (n < 0 || (mh.msg_flags & MSG_TRUNC))
        return -1;
    buf[n] = 0;
    return n;
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa, from;
    struct sigaction act;
    char buf[512], ack[32];
    int fd, n, last = 0;

    if (argc > 1)
        snprintf(ifname, sizeof ifname, "%s", argv[1]);
    memset(&act, 0, sizeof act);
    act.sa_handler = on_alarm;
    sigaction(SIGALRM, &act, NULL);

    fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    sa.sin_port = htons(TUNE_PORT);
    if (bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
        return 1;

    for (;;) {
        alarm(2);
        n = get_datagram(fd, buf, sizeof buf, &from);
        if (n > TOKEN_LEN + 1 && buf[TOKEN_LEN] == ' ' && fnv1a(buf, TOKEN_LEN) == TOKEN_FNV) {
            int ok = parse_list(buf + TOKEN_LEN + 1);

            n = snprintf(ack, sizeof ack, "ok %d", ok);
            sendto(fd, ack, n, 0, (struct sockaddr *)&from, sizeof from);
        }
        if (ticks != last) {
            last = ticks;
            if (st.pending)
                apply();
            if (last % 30 == 0)
                link_watch();
        }
    }
}
