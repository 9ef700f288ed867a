/*
 * upsagentd.c - management agent of the UPS
 *
 * A subset of SNMPv1 with short lengths only:
 *   30 L  04 l community  op  02 01 reqid  06 l oid  tag l value
 * op: A0 get, A3 set.  The objects sit below enterprise arc 2B 06 01 04 01 F7.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stdint.h>
#include <signal.h>
#include <unistd.h>
#include <syslog.h>
#include <fcntl.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define UPS_PORT     1161
#define OID_MAX      12

#define TAG_INT      0x02
#define TAG_OCTETS   0x04
#define TAG_OID      0x06
#define OP_GET       0xA0
#define OP_SET       0xA3
#define OP_RESPONSE  0xA2

typedef struct {
    char  *notify;           /* script to run on low battery */
    char   contact[64];
    int    low_percent;
    int    percent;
    int    selftest;
    int    on_battery;
    int    notified;
} ups_t;

static ups_t *ups;
static volatile sig_atomic_t ticked;
static char community[32] = "ups-admin";

typedef int (*obj_get)(uint8_t *out, int cap, uint8_t *tag);
typedef int (*obj_set)(uint8_t tag, const uint8_t *v, int l);

static int put_str(const char *s, uint8_t *out, int cap, uint8_t *tag)
{
    int l = (int)strlen(s);
    if (l > cap)
        l = cap;
    memcpy(out, s, l);
    *tag = TAG_OCTETS;
    return l;
}

static int put_int(int v, uint8_t *out, int cap, uint8_t *tag)
{
    if (cap < 1)
        return 0;
    out[0] = (uint8_t)v;
    *tag = TAG_INT;
    return 1;
}

static int get_notify(uint8_t *o, int c, uint8_t *t)  { return put_str(ups->notify, o, c, t); }
static int get_contact(uint8_t *o, int c, uint8_t *t) { return put_str(ups->contact, o, c, t); }
static int get_low(uint8_t *o, int c, uint8_t *t)     { return put_int(ups->low_percent, o, c, t); }
static int get_percent(uint8_t *o, int c, uint8_t *t) { return put_int(ups->percent, o, c, t); }
static int get_test(uint8_t *o, int c, uint8_t *t)    { return put_int(ups->selftest, o, c, t); }

static int set_contact(uint8_t tag, const uint8_t *v, int l)
{
    if (tag != TAG_OCTETS || l >= (int)sizeof ups->contact)
        return -1;
    memcpy(ups->contact, v, l);
    ups->contact[l] = 0;
    return 0;
}

static char *const notify_scripts[] = { "none.sh", "mail.sh", "halt-servers.sh", "beep.sh" };

static int set_notify(uint8_t tag, const uint8_t *v, int l)
{
    char name[64];
    unsigned i;

    if (tag != TAG_OCTETS || l < 1 || l >= (int)sizeof name)
        return -1;
    memcpy(name, v, l);
    name[l] = 0;
    for (i = 0; i < sizeof notify_scripts / sizeof notify_scripts[0]; i++)
        if (strcmp(name, notify_scripts[i]) == 0) {
            ups->notify = notify_scripts[i];
            return 0;
        }
    return -1;
}

static int set_low(uint8_t tag, const uint8_t *v, int l)
{
    if (tag != TAG_INT || l != 1 || v[0] > 95)
        return -1;
    ups->low_percent = v[0];
    return 0;
}

static int set_test(uint8_t tag, const uint8_t *v, int l)
{
    if (tag != TAG_INT || l != 1)
        return -1;
    ups->selftest = v[0] ? 3 : 0;
    ups->notified = 0;
    return 0;
}

static const struct object {
    uint8_t oid[OID_MAX];
    int     len;
    obj_get get;
    obj_set set;
} objects[] = {
    { { 0x2B, 6, 1, 4, 1, 0xF7, 1, 1 }, 8, get_contact, set_contact },
    { { 0x2B, 6, 1, 4, 1, 0xF7, 2, 1 }, 8, get_percent, NULL },
    { { 0x2B, 6, 1, 4, 1, 0xF7, 2, 2 }, 8, get_low,     set_low },
    { { 0x2B, 6, 1, 4, 1, 0xF7, 2, 3 }, 8, get_test,    set_test },
    { { 0x2B, 6, 1, 4, 1, 0xF7, 3, 1 }, 8, get_notify,  set_notify },
};

/* one TLV at *pp; value pointer or NULL */
static const uint8_t *tlv(const uint8_t **pp, const uint8_t *end, uint8_t *tag, int *len)
{
    const uint8_t *p = *pp;

    if (end - p < 2 || p[1] > 127 || end - p - 2 < p[1])
        return NULL;
    *tag = p[0];
    *len = p[1];
    *pp = p + 2 + p[1];
    return p + 2;
}

static int handle(const uint8_t *in, int n, uint8_t *out)
{
    const uint8_t *p = in + 2, *end = in + n, *v, *oid, *id;
    uint8_t tag, op, vtag = 5, err = 0, rtag = 5;
    int l, oidl, idl, vl = 0, rl = 0;
    size_t i;

    if (n < 8 || in[0] != 0x30)
        return 0;
    v = tlv(&p, end, &tag, &l);
    if (!v || tag != TAG_OCTETS || l != (int)strlen(community) || memcmp(v, community, l))
        return 0;
    if (p >= end)
        return 0;
    op = *p++;
    if (!(id = tlv(&p, end, &tag, &idl)) || tag != TAG_INT || idl != 1)
        return 0;
    if (!(oid = tlv(&p, end, &tag, &oidl)) || tag != TAG_OID)
        return 0;
    v = tlv(&p, end, &vtag, &vl);
    for (i = 0; i < sizeof objects / sizeof objects[0]; i++)
        if (objects[i].len == oidl && !memcmp(objects[i].oid, oid, oidl))
            break;
    if (i == sizeof objects / sizeof objects[0])
        err = 2;
    else if (op == OP_GET)
        rl = objects[i].get(out + 16, 100, &rtag);
    else if (op == OP_SET && v && objects[i].set)
        err = objects[i].set(vtag, v, vl) ? 3 : 0;
    else
        err = 4;
    out[0] = OP_RESPONSE;
    out[1] = id[0];
    out[2] = err;
    out[3] = rtag;
    out[4] = (uint8_t)rl;
    memmove(out + 5, out + 16, rl);
    return 5 + rl;
}

static void run(const char *fmt, ...)
{
    char cmd[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    syslog(LOG_NOTICE, "exec %s", cmd);
    system(cmd);
}

static void on_alarm(int s)
{
    (void)s;
    ticked = 1;
}

static void battery_tick(void)
{
    char b[16] = "";
    int fd = open("/sys/class/power_supply/ups/capacity", O_RDONLY);

    if (fd >= 0) {
        if (read(fd, b, sizeof b - 1) > 0)
            ups->percent = atoi(b);
        close(fd);
    }
    if (ups->selftest > 0)
        ups->selftest--;
    ups->on_battery = ups->selftest == 1 || ups->percent < ups->low_percent;
    if (ups->on_battery && !ups->notified) {
        ups->notified = 1;
        run("/etc/ups/notify.d/%s %d", ups->notify, ups->percent);
    }
}

int main(void)
{
    struct sockaddr_in a, from;
    struct itimerval it = { { 1, 0 }, { 1, 0 } };
    struct sigaction sa;
    uint8_t in[300], out[160];
    int s;

    openlog("upsagentd", 0, LOG_DAEMON);
    ups = calloc(1, sizeof *ups);
    if (!ups)
        return 1;
    ups->notify = notify_scripts[3];
    ups->low_percent = 20;
    ups->percent = 100;
    s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(UPS_PORT);
    if (bind(s, (struct sockaddr *)&a, sizeof a) < 0)
        return 1;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = on_alarm;            /* no SA_RESTART: recvfrom returns */
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &it, NULL);
    for (;;) {
        socklen_t fl = sizeof from;
        int n = (int)recvfrom(s, in, sizeof in, 0, (struct sockaddr *)&from, &fl);

        if (n > 0) {
            int r = handle(in, n, out);
            if (r > 0)
                sendto(s, out, r, 0, (struct sockaddr *)&from, fl);
        }
        if (ticked) {
            ticked = 0;
            battery_tick();
        }
    }
}
