#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <stdint.h>
#include <stdbool.h>
#include <unistd.h>
#include <signal.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>

/*
 * local control of the smart plug
 *   000055aa | seq | cmd | len | payload | crc32 | 0000aa55
 *   len counts payload + crc + tail
 */
#define LAN_PORT        6669
#define FRM_HEAD        0x000055aau
#define FRM_TAIL        0x0000aa55u
#define FRM_MAX_PAYLOAD 1024

#define CMD_CONTROL     0x07
#define CMD_HEART_BEAT  0x09
#define CMD_DP_QUERY    0x0a
#define CMD_UPGRADE     0x12

#define PR_DEBUG(fmt, ...) printf("[D] %s:%d " fmt "\n", __func__, __LINE__, ##__VA_ARGS__)
#define PR_ERR(fmt, ...)   printf("[E] %s:%d " fmt "\n", __func__, __LINE__, ##__VA_ARGS__)

typedef enum { JOB_SWITCH, JOB_COUNTDOWN, JOB_OTA } job_type_t;

typedef struct job {
    struct job *next;
    job_type_t type;
    int value;
    char *url;
    char md5[33];
} job_t;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    job_t *head, **tail;
    int count;
} s_queue = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &s_queue.head, 0 };

static struct {
    bool relay;
    int countdown;
    int ota_state;
} s_dp;

static uint32_t s_crc_tab[256];

static void crc_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = (c & 1) ? 0xedb88320u ^ (c >> 1) : c >> 1;
        s_crc_tab[i] = c;
    }
}

static uint32_t crc32_calc(const uint8_t *p, size_t n)
{
    uint32_t c = 0xffffffffu;
    while (n--)
        c = s_crc_tab[(c ^ *p++) & 0xff] ^ (c >> 8);
    return ~c;
}

static uint32_t get_be32(const uint8_t *p)
{
    return ((uint32_t)p[0] << 24) | (p[1] << 16) | (p[2] << 8) | p[3];
}

static void put_be32(uint8_t *p, uint32_t v)
{
    p[0] = v >> 24; p[1] = v >> 16; p[2] = v >> 8; p[3] = v;
}

static bool queue_put(job_t *j)
{
    bool ok = false;

    pthread_mutex_lock(&s_queue.lock);
    if (s_queue.count < 8) {
        j->next = NULL;
        *s_queue.tail = j;
        s_queue.tail = &j->next;
        s_queue.count++;
        pthread_cond_signal(&s_queue.cond);
        ok = true;
    }
    pthread_mutex_unlock(&s_queue.lock);
    return ok;
}

static job_t *queue_get(void)
{
    job_t *j;

    pthread_mutex_lock(&s_queue.lock);
    while (s_queue.head == NULL)
        pthread_cond_wait(&s_queue.cond, &s_queue.lock);
    j = s_queue.head;
    s_queue.head = j->next;
    if (s_queue.head == NULL)
        s_queue.tail = &s_queue.head;
    s_queue.count--;
    pthread_mutex_unlock(&s_queue.lock);
    return j;
}

static void job_free(job_t *j)
{
    free(j->url);
    free(j);
}

/* ---- tiny json ---- */

static const char *js_find(const char *js, const char *key)
{
    size_t k = strlen(key);

    for (const char *p = strchr(js, '"'); p; p = strchr(p + 1, '"')) {
        if (!strncmp(p + 1, key, k) && p[1 + k] == '"') {
            p += k + 2;
            p += strspn(p, " \t:");
            return p;
        }
    }
    return NULL;
}

static char *js_dup_string(const char *js, const char *key)
{
    const char *p = js_find(js, key), *e;

    if (!p || *p != '"')
        return NULL;
    e = strchr(++p, '"');
    return e ? strndup(p, e - p) : NULL;
}

/* ---- commands ---- */

static bool url_ok(const char *u)
{
    if (strncasecmp(u, "http://", 7) && strncasecmp(u, "https://", 8))
        return false;
    if (strlen(u) > 400)
        return false;
    return strpbrk(u, " \"$`;<>\\") == NULL;
}

static int on_upgrade(const char *js)
{
    char *url = js_dup_string(js, "url");
    char *md5 = js_dup_string(js, "md5");
    job_t *j = NULL;

    if (!url || !md5 || strlen(md5) != 32 || strspn(md5, "0123456789abcdef") != 32)
        goto bad;
    if (!url_ok(url)) {
        PR_ERR("bad url");
        goto bad;
    }
    j = calloc(1, sizeof(*j));
    if (!j)
        goto bad;
    j->type = JOB_OTA;
    j->url = url;
    memcpy(j->md5, md5, 32);
    free(md5);
    if (!queue_put(j)) {
        job_free(j);
        return 1;
    }
    return 0;
bad:
    free(url);
    free(md5);
    return 1;
}

static int on_control(const char *js)
{
    const char *p;
    job_t *j;

    if ((p = js_find(js, "1")) != NULL) {
        if (!(j = calloc(1, sizeof(*j))))
            return 1;
        j->type = JOB_SWITCH;
        j->value = !strncmp(p, "true", 4);
        if (!queue_put(j))
            job_free(j);
    }
    if ((p = js_find(js, "9")) != NULL) {
        if (!(j = calloc(1, sizeof(*j))))
            return 1;
        j->type = JOB_COUNTDOWN;
        j->value = atoi(p);
        if (!queue_put(j))
            job_free(j);
    }
    return 0;
}

static int on_none(const char *js)
{
    (void)js;
    return 0;
}

static const struct {
    uint32_t cmd;
    int (*fn)(const char *js);
} s_cmds[] = {
    { CMD_CONTROL, on_control },
    { CMD_HEART_BEAT, on_none },
    { CMD_DP_QUERY, on_none },
    { CMD_UPGRADE, on_upgrade },
};

static bool recv_full(int fd, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t r = recv(fd, p, n, 0);
        if (r <= 0)
            return false;
        p += r;
        n -= r;
    }
    return true;
}

static void send_frame(int fd, uint32_t seq, uint32_t cmd, uint32_t ret, const char *text)
{
    uint8_t f[256];
    size_t n = strlen(text);

    if (n > sizeof(f) - 28)
        n = sizeof(f) - 28;
    put_be32(f, FRM_HEAD);
    put_be32(f + 4, seq);
    put_be32(f + 8, cmd);
    put_be32(f + 12, n + 12);
    put_be32(f + 16, ret);
    memcpy(f + 20, text, n);
    put_be32(f + 20 + n, crc32_calc(f, 20 + n));
    put_be32(f + 24 + n, FRM_TAIL);
    send(fd, f, 28 + n, MSG_NOSIGNAL);
}

static void *client_thread(void *arg)
{
    int fd = (int)(intptr_t)arg;
    uint8_t *frm = malloc(16 + FRM_MAX_PAYLOAD + 8 + 1);

    while (frm && recv_full(fd, frm, 16)) {
        uint32_t seq = get_be32(frm + 4), cmd = get_be32(frm + 8), len = get_be32(frm + 12);
        char dps[96];
        int ret = 1;

        if (get_be32(frm) != FRM_HEAD || len < 8 || len > FRM_MAX_PAYLOAD + 8)
            break;
        if (!recv_full(fd, frm + 16, len))
            break;
        if (get_be32(frm + 8 + len) != crc32_calc(frm, 8 + len)) {
            PR_ERR("crc");
            continue;
        }
        frm[16 + len - 8] = 0;
        for (size_t i = 0; i < sizeof(s_cmds) / sizeof(s_cmds[0]); i++)
            if (s_cmds[i].cmd == cmd)
                ret = s_cmds[i].fn((char *)frm + 16);
        snprintf(dps, sizeof(dps), "{\"dps\":{\"1\":%s,\"9\":%d,\"ota\":%d}}",
                 s_dp.relay ? "true" : "false", s_dp.countdown, s_dp.ota_state);
        send_frame(fd, seq, cmd, ret, cmd == CMD_DP_QUERY ? dps : "");
    }
    free(frm);
    close(fd);
    return NULL;
}

/* ---- worker ---- */

static void set_relay(int on)
{
    FILE *fp = fopen("/sys/class/gpio/gpio13/value", "w");

    s_dp.relay = on;
    if (fp) {
        fputc(on ? '1' : '0', fp);
        fclose(fp);
    }
}

static FILE *fetch_open(const char *url, pid_t *pid)
{
    int pp[2];

    PR_DEBUG("%s", url);
    *pid = fork();
    if (*pid == 0) {
        execlp("curl", "curl", "-s", "-m", "120", "-o", "/tmp/ota.bin", "--", url, (char *)NULL);
        _exit(127);
    }
    if (*pid < 0)
        return NULL;
    waitpid(*pid, NULL, 0);
    if (pipe(pp) < 0)
        return NULL;
    *pid = fork();
    if (*pid == 0) {
        dup2(pp[1], 1);
        close(pp[0]);
        close(pp[1]);
        execlp("md5sum", "md5sum", "/tmp/ota.bin", (char *)NULL);
        _exit(127);
    }
    close(pp[1]);
    return fdopen(pp[0], "r");
}

static void fetch_close(FILE *fp, pid_t pid)
{
    fclose(fp);
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

static void ota_run(const char *url, const char *md5)
{
    char line[128] = "";
    pid_t pid = 0;
    FILE *fp;

    s_dp.ota_state = 1;
    fp = fetch_open(url, &pid);
    if (!fp) {
        s_dp.ota_state = 4;
        return;
    }
    if (!fgets(line, sizeof(line), fp))
        line[0] = 0;
    fetch_close(fp, pid);
    if (strncmp(line, md5, 32)) {
        PR_ERR("md5 differs");
        unlink("/tmp/ota.bin");
        s_dp.ota_state = 4;
        return;
    }
    s_dp.ota_state = 2;
    if (system("/sbin/fwtool write /tmp/ota.bin") == 0)
        s_dp.ota_state = 3;
}

static void *worker_thread(void *arg)
{
    (void)arg;
    for (;;) {
        job_t *j = queue_get();

        switch (j->type) {
        case JOB_SWITCH:
            set_relay(j->value);
            break;
        case JOB_COUNTDOWN:
            if (j->value >= 0 && j->value <= 86400)
                s_dp.countdown = j->value;
            break;
        case JOB_OTA:
            ota_run(j->url, j->md5);
            break;
        }
        job_free(j);
    }
    return NULL;
}

static void *timer_thread(void *arg)
{
    (void)arg;
    for (;;) {
        sleep(1);
        if (s_dp.countdown > 0 && --s_dp.countdown == 0)
            set_relay(!s_dp.relay);
    }
    return NULL;
}

int main(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(LAN_PORT) };
    pthread_t t;
    int s, on = 1;

    signal(SIGPIPE, SIG_IGN);
    crc_init();
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) || listen(s, 3)) {
        PR_ERR("bind");
        return 1;
    }
    pthread_create(&t, NULL, worker_thread, NULL);
    pthread_create(&t, NULL, timer_thread, NULL);
    for (;;) {
        int c = accept(s, NULL, NULL);

        if (c < 0)
            continue;
        if (pthread_create(&t, NULL, client_thread, (void *)(intptr_t)c))
            close(c);
        else
            pthread_detach(t);
    }
}
