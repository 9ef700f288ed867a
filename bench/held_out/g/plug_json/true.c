/* plugd: local control of the smart plug.  UDP, JSON hidden by a running xor. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PLUG_PORT 9999
#define PKT_MAX   2048

/* ------------------------------------------------------------------ */
/* job queue                                                            */
/* ------------------------------------------------------------------ */
enum job_kind { JOB_RELAY, JOB_LED, JOB_JOIN, JOB_REBOOT };

struct job {
    enum job_kind kind;
    int num;
    char ssid[64];
    char psk[96];
    struct job *next;
};

struct queue {
    pthread_mutex_t mu;
    pthread_cond_t cv;
    struct job *head, **tail;
    unsigned depth;
};

static struct queue q = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &q.head, 0 };

static struct {
    int relay;
    int led_off;
    time_t on_since;
    char alias[32];
    char ssid[64];
} plug = { .alias = "Plug" };

static int q_put(struct job *j)
{
    int rc = -1;
    pthread_mutex_lock(&q.mu);
    if (q.depth < 16) {
        j->next = NULL;
        *q.tail = j;
        q.tail = &j->next;
        q.depth++;
        pthread_cond_signal(&q.cv);
        rc = 0;
    }
    pthread_mutex_unlock(&q.mu);
    if (rc)
        free(j);
    return rc;
}

static struct job *q_get(void)
{
    struct job *j;
    pthread_mutex_lock(&q.mu);
    while (!q.head)
        pthread_cond_wait(&q.cv, &q.mu);
    j = q.head;
    q.head = j->next;
    if (!q.head)
        q.tail = &q.head;
    q.depth--;
    pthread_mutex_unlock(&q.mu);
    return j;
}

/* ------------------------------------------------------------------ */
/* tiny json: {"a":{"b":{"k":"v"}}}                                     */
/* ------------------------------------------------------------------ */
static const char *js_ws(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
        p++;
    return p;
}

/* find "key": and return what follows the colon */
static const char *js_key(const char *p, const char *key)
{
    size_t n = strlen(key);
    while ((p = strchr(p, '"')) != NULL) {
        p++;
        if (!strncmp(p, key, n) && p[n] == '"') {
            p = js_ws(p + n + 1);
            if (*p == ':')
                return js_ws(p + 1);
        } else {
            while (*p && *p != '"') {
                if (*p == '\\' && p[1])
                    p++;
                p++;
            }
            if (*p)
                p++;
        }
    }
    return NULL;
}

static bool js_string(const char *p, char *out, size_t cap)
{
    size_t n = 0;
    if (!p || *p++ != '"')
        return false;
    while (*p && *p != '"') {
        char c = *p++;
        if (c == '\\') {
            c = *p;
            if (!c)
                return false;
            p++;
            if (c == 'n') c = '\n';
            else if (c == 't') c = '\t';
        }
        if (n + 1 >= cap)
            return false;
        out[n++] = c;
    }
    out[n] = 0;
    return *p == '"';
}

static int js_int(const char *p, int def)
{
    return p ? (int)strtol(p, NULL, 10) : def;
}

/* ------------------------------------------------------------------ */
/* requests                                                             */
/* ------------------------------------------------------------------ */
typedef int (*req_fn)(const char *arg, char *out, size_t cap);

static int rq_sysinfo(const char *arg, char *out, size_t cap)
{
    return snprintf(out, cap, "{\"system\":{\"get_sysinfo\":{\"model\":\"SP110\",\"relay_state\":%d,"
                    "\"led_off\":%d,\"on_time\":%ld,\"err_code\":0}}}",
                    plug.relay, plug.led_off, plug.relay ? (long)(time(NULL) - plug.on_since) : 0L);
}

static struct job *job_new(enum job_kind k, int num)
{
    struct job *j = calloc(1, sizeof(*j));
    if (j) {
        j->kind = k;
        j->num = num;
    }
    return j;
}

static int ack(char *out, size_t cap, int err)
{
    return snprintf(out, cap, "{\"err_code\":%d}", err);
}

static int rq_relay(const char *arg, char *out, size_t cap)
{
    struct job *j = job_new(JOB_RELAY, js_int(js_key(arg, "state"), 0) ? 1 : 0);
    return ack(out, cap, j ? q_put(j) : -1);
}

static int rq_led(const char *arg, char *out, size_t cap)
{
    struct job *j = job_new(JOB_LED, js_int(js_key(arg, "off"), 0) ? 1 : 0);
    return ack(out, cap, j ? q_put(j) : -1);
}

static int rq_alias(const char *arg, char *out, size_t cap)
{
    char tmp[32];
    if (!js_string(js_key(arg, "alias"), tmp, sizeof(tmp)))
        return ack(out, cap, -3);
    memcpy(plug.alias, tmp, sizeof(tmp));
    return ack(out, cap, 0);
}

static int rq_join(const char *arg, char *out, size_t cap)
{
    struct job *j = job_new(JOB_JOIN, js_int(js_key(arg, "key_type"), 3));
    if (!j)
        return ack(out, cap, -1);
    if (!js_string(js_key(arg, "ssid"), j->ssid, 33) ||
        !js_string(js_key(arg, "password"), j->psk, 65)) {
        free(j);
        return ack(out, cap, -3);
    }
    return ack(out, cap, q_put(j));
}

static int rq_reboot(const char *arg, char *out, size_t cap)
{
    struct job *j = job_new(JOB_REBOOT, js_int(js_key(arg, "delay"), 1));
    return ack(out, cap, j ? q_put(j) : -1);
}

static const struct req { const char *name; req_fn fn; } reqs[] = {
    { "get_sysinfo",     rq_sysinfo },
    { "set_relay_state", rq_relay   },
    { "set_led_off",     rq_led     },
    { "set_dev_alias",   rq_alias   },
    { "set_stainfo",     rq_join    },
    { "reboot",          rq_reboot  },
};

static int dispatch(const char *text, char *out, size_t cap)
{
    const struct req *r;
    for (r = reqs; r < reqs + sizeof(reqs) / sizeof(reqs[0]); r++) {
        const char *arg = js_key(text, r->name);
        if (arg)
            return r->fn(arg, out, cap);
    }
    return ack(out, cap, -2);
}

/* ------------------------------------------------------------------ */
/* worker                                                               */
/* ------------------------------------------------------------------ */
static int shell(const char *fmt, ...)
{
    char cmd[1024];
    va_list ap;
    int n;
    va_start(ap, fmt);
    n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(cmd))
        return -1;
    return system(cmd);
}

/* make a string fit between two single quotes */
static bool quote(const char *in, char *out, size_t cap)
{
    size_t n = 0;
    for (; *in; in++) {
        if (n + 5 > cap)
            return false;
        if (*in == '"' || *in == '\\') {
            out[n++] = '\\';
            out[n++] = *in;
            continue;
        }
        out[n++] = *in;
    }
    out[n] = 0;
    return true;
}

static void do_join(const struct job *j)
{
    char s[300], k[300];

    if (!quote(j->ssid, s, sizeof(s)) || !quote(j->psk, k, sizeof(k)))
        return;
    memcpy(plug.ssid, j->ssid, sizeof(plug.ssid));
    if (j->num == 0)
        shell("iwconfig wlan0 essid '%s'", s);
    else
        shell("wpa_passphrase '%s' '%s' > /tmp/wpa.conf && killall -HUP wpa_supplicant", s, k);
}

static void gpio_write(int n, int v)
{
    char path[48];
    FILE *f;
    snprintf(path, sizeof(path), "/sys/class/gpio/gpio%d/value", n);
    if ((f = fopen(path, "w")) != NULL) {
        fprintf(f, "%d", v);
        fclose(f);
    }
}

static void *worker(void *unused)
{
    for (;;) {
        struct job *j = q_get();
        switch (j->kind) {
        case JOB_RELAY:
            gpio_write(12, j->num);
            plug.relay = j->num;
            plug.on_since = time(NULL);
            break;
        case JOB_LED:
            gpio_write(13, !j->num);
            plug.led_off = j->num;
            break;
        case JOB_JOIN:
            do_join(j);
            break;
        case JOB_REBOOT:
            shell("reboot -d %d", j->num & 15);
            break;
        }
        free(j);
    }
    return NULL;
}

/* ------------------------------------------------------------------ */
static void unhide(uint8_t *p, size_t n)
{
    uint8_t k = 171;
    while (n--) {
        uint8_t c = *p;
        *p++ ^= k;
        k = c;
    }
}

static void hide(uint8_t *p, size_t n)
{
    uint8_t k = 171;
    while (n--) {
        *p ^= k;
        k = *p++;
    }
}

int main(void)
{
    static uint8_t in[PKT_MAX + 1], out[PKT_MAX];
    struct sockaddr_in me = { .sin_family = AF_INET, .sin_port = htons(PLUG_PORT) };
    pthread_t th;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&me, sizeof(me)) < 0)
        return EXIT_FAILURE;
    if (pthread_create(&th, NULL, worker, NULL))
        return EXIT_FAILURE;
    for (;;) {
        struct sockaddr_in you;
        socklen_t yl = sizeof(you);
        ssize_t n = recvfrom(fd, in, PKT_MAX, 0, (struct sockaddr *)&you, &yl);
        int m;
        if (n <= 0)
            continue;
        unhide(in, (size_t)n);
        in[n] = 0;
        m = dispatch((const char *)in, (char *)out, sizeof(out));
        if (m > 0 && m < (int)sizeof(out)) {
            hide(out, (size_t)m);
            sendto(fd, out, (size_t)m, 0, (struct sockaddr *)&you, yl);
        }
    }
}
