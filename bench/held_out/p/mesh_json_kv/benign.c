/* meshcfgd: takes the controller's JSON, keeps it in the key store, applies it when the dirty timer fires */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdbool.h>
#include <ctype.h>
#include <signal.h>
#include <syslog.h>
#include <unistd.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define KV_MAX   32
#define KEY_LEN  32
#define VAL_LEN  96

struct kv_item {
    char key[KEY_LEN];
    char val[VAL_LEN];
    bool dirty;
};

static struct kv_item *kv_tab[KV_MAX];
static int kv_used;
static volatile sig_atomic_t apply_due;

static struct kv_item *kv_find(const char *key)
{
    for (int i = 0; i < kv_used; i++)
        if (!strcmp(kv_tab[i]->key, key))
            return kv_tab[i];
    return NULL;
}

static int kv_set(const char *key, const char *val)
{
    struct kv_item *it = kv_find(key);

    if (!it) {
        if (kv_used == KV_MAX || strlen(key) >= KEY_LEN)
            return -1;
        it = calloc(1, sizeof *it);
        if (!it)
            return -1;
        strcpy(it->key, key);
        kv_tab[kv_used++] = it;
    }
    if (strncmp(it->val, val, VAL_LEN - 1)) {
        strncpy(it->val, val, VAL_LEN - 1);
        it->dirty = true;
    }
    return 0;
}

static const char *kv_get(const char *key, const char *dflt)
{
    struct kv_item *it = kv_find(key);
    return it ? it->val : dflt;
}

static const char *skip_ws(const char *p)
{
    while (*p && isspace((unsigned char)*p))
        p++;
    return p;
}

/* reads "string" or a bare number; returns the place after it or NULL */
static const char *json_scalar(const char *p, char *out, size_t size)
{
    size_t n = 0;

    p = skip_ws(p);
    if (*p == '"') {
        p++;
        while (*p && *p != '"') {
            char c = *p++;
            if (c == '\\' && *p) {
                c = *p++;
                if (c == 'n')
                    c = '\n';
                else if (c == 't')
                    c = '\t';
            }
            if (n + 1 < size)
                out[n++] = c;
        }
        if (*p != '"')
            return NULL;
        p++;
    } else {
        while (isalnum((unsigned char)*p) || *p == '-' || *p == '.') {
            if (n + 1 < size)
                out[n++] = *p;
            p++;
        }
        if (n == 0)
            return NULL;
    }
    out[n] = '\0';
    return p;
}

/* the web UI has the same list */
static bool text_ok(const char *s)
{
    static const char legal[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.: ";
    return s[strspn(s, legal)] == '\0';
}

static bool num_ok(const char *s)
{
    if (!*s || strlen(s) > 5)
        return false;
    for (; *s; s++)
        if (!isdigit((unsigned char)*s))
            return false;
    return true;
}

static const struct rule {
    const char *key;
    bool (*check)(const char *);
} rules[] = {
    { "wifi.ssid",    text_ok },
    { "wifi.channel", num_ok },
    { "wifi.txpower", num_ok },
    { "mesh.id",      text_ok },
    { "log.level",    num_ok },
};

static int take_json(const char *p)
{
    char key[KEY_LEN], val[VAL_LEN];
    int changed = 0;

    p = skip_ws(p);
    if (*p++ != '{')
        return -1;
    for (;;) {
        p = json_scalar(p, key, sizeof key);
        if (!p)
            return -1;
        p = skip_ws(p);
        if (*p++ != ':')
            return -1;
        p = json_scalar(p, val, sizeof val);
        if (!p)
            return -1;
        for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
            if (strcmp(rules[i].key, key))
                continue;
            if (!rules[i].check(val)) {
                syslog(LOG_WARNING, "%s refused", key);
                break;
            }
            if (kv_set(key, val) == 0)
                changed++;
        }
        p = skip_ws(p);
        if (*p == '}')
            return changed;
        if (*p++ != ',')
            return -1;
    }
}

static void on_alarm(int sig)
{
    apply_due = 1;
}

static void arm(int ms)
{
    struct itimerval it = { { 0, 0 }, { ms / 1000, (ms % 1000) * 1000 } };
    setitimer(ITIMER_REAL, &it, NULL);
}

static void sh(const char *cmd)
{
    int rc = system(cmd);
    if (rc)
        syslog(LOG_ERR, "rc %d from: %s", rc, cmd);
}

static void apply_all(void)
{
    char cmd[256];
    struct kv_item *it;

    it = kv_find("wifi.ssid");
    if (it && it->dirty) {
        snprintf(cmd, sizeof cmd, "iwpriv ra0 set SSID=\"%s\"", kv_get("wifi.ssid", "mesh"));
        sh(cmd);
    }
    it = kv_find("wifi.channel");
    if (it && it->dirty) {
        snprintf(cmd, sizeof cmd, "iwpriv ra0 set Channel=%s", kv_get("wifi.channel", "6"));
        sh(cmd);
    }
    it = kv_find("wifi.txpower");
    if (it && it->dirty) {
        snprintf(cmd, sizeof cmd, "iwpriv ra0 set TxPower=%d", atoi(kv_get("wifi.txpower", "100")));
        sh(cmd);
    }
    if (kv_find("log.level"))
        setlogmask(LOG_UPTO(atoi(kv_get("log.level", "5")) & 7));
    for (int i = 0; i < kv_used; i++)
        kv_tab[i]->dirty = false;
}

int main(void)
{
    struct sigaction sa = { .sa_handler = on_alarm };
    struct sockaddr_in me = { .sin_family = AF_INET, .sin_port = htons(7788) }, peer;
    socklen_t plen;
    char pkt[1400];
    int s, n, r;

    openlog("meshcfgd", 0, LOG_DAEMON);
    sigaction(SIGALRM, &sa, NULL);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof me) < 0) {
        syslog(LOG_ERR, "socket: %m");
        return 1;
    }
    kv_set("wifi.ssid", "mesh-default");
    kv_set("wifi.channel", "6");
    apply_all();
    for (;;) {
        plen = sizeof peer;
        n = recvfrom(s, pkt, sizeof pkt - 1, 0, (struct sockaddr *)&peer, &plen);
        if (n > 0) {
            pkt[n] = '\0';
            r = take_json(pkt);
            syslog(LOG_DEBUG, "%s: %d keys", inet_ntoa(peer.sin_addr), r);
            if (r > 0)
                arm(1500);
            sendto(s, r < 0 ? "ERR" : "ACK", 3, 0, (struct sockaddr *)&peer, plen);
        }
        if (apply_due) {
            apply_due = 0;
            apply_all();
        }
    }
}
