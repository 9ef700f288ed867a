/* paramd: device param server, keep key=value in ram + flash */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <errno.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define PARAM_FILE   "/config/param.dat"
#define PARAM_PORT   8869
#define PARAM_MAX    40
#define KEY_LEN      32
#define VALUE_LEN    80
#define SYNC_PERIOD  600

typedef struct {
    char key[KEY_LEN];
    char value[VALUE_LEN];
} param_t;

static param_t param_tab[PARAM_MAX];
static int param_cnt = 0;
static volatile sig_atomic_t sec_cnt = 0;
static volatile sig_atomic_t sync_due = 0;

/*---------------- param store ----------------*/
static param_t *param_find(const char *key)
{
    int i;
    for (i = 0; i < param_cnt; i++) {
        if (strcmp(param_tab[i].key, key) == 0)
            return &param_tab[i];
    }
    return NULL;
}

static int param_set(const char *key, const char *value)
{
    param_t *p;

    if (strlen(key) >= KEY_LEN || strlen(value) >= VALUE_LEN)
        return -1;
    p = param_find(key);
    if (p == NULL) {
        if (param_cnt >= PARAM_MAX)
            return -2;
        p = &param_tab[param_cnt++];
        strcpy(p->key, key);
    }
    strcpy(p->value, value);
    return 0;
}

static const char *param_get(const char *key, const char *def)
{
    param_t *p = param_find(key);
    return (p && p->value[0]) ? p->value : def;
}

static int param_get_int(const char *key, int def)
{
    param_t *p = param_find(key);
    return p ? atoi(p->value) : def;
}

static void param_load(void)
{
    FILE *fp;
    char line[KEY_LEN + VALUE_LEN + 8];
    char *eq;

    fp = fopen(PARAM_FILE, "r");
    if (fp == NULL) {
        printf("no %s, use default\n", PARAM_FILE);
        param_set("sys.name", "HomePlug");
        param_set("ntp.enable", "1");
        param_set("ntp.server", "cn.pool.ntp.org");
        return;
    }
    while (fgets(line, sizeof(line), fp)) {
        line[strcspn(line, "\r\n")] = 0;
        eq = strchr(line, '=');
        if (eq) {
            *eq = 0;
            param_set(line, eq + 1);
        }
    }
    fclose(fp);
}

static int param_save(void)
{
    int i;
    FILE *fp = fopen(PARAM_FILE ".new", "w");
    if (fp == NULL)
        return -1;
    for (i = 0; i < param_cnt; i++)
        fprintf(fp, "%s=%s\n", param_tab[i].key, param_tab[i].value);
    fclose(fp);
    return rename(PARAM_FILE ".new", PARAM_FILE);
}

/*---------------- time sync ----------------*/
static const char *ntp_known[] = {
    "cn.pool.ntp.org",
    "ntp.aliyun.com",
    "time.windows.com",
    "time.nist.gov",
    "pool.ntp.org",
};

static const char *ntp_pick(const char *name)
{
    unsigned int i;
    for (i = 0; i < sizeof(ntp_known) / sizeof(ntp_known[0]); i++) {
        if (strcmp(ntp_known[i], name) == 0)
            return ntp_known[i];
    }
    return ntp_known[0];
}

static void time_sync(void)
{
    char cmd[160];
    const char *server;
    int ret;

    if (!param_get_int("ntp.enable", 0))
        return;
    server = ntp_pick(param_get("ntp.server", "cn.pool.ntp.org"));
    sprintf(cmd, "ntpdate -u -t 3 %s >/dev/null 2>&1", server);
    ret = system(cmd);
    printf("sync from %s, ret %d\n", server, ret);
    if (ret == 0)
        system("hwclock -w");
}

static void on_alarm(int sig)
{
    (void)sig;
    sec_cnt++;
    if (sec_cnt >= SYNC_PERIOD) {
        sec_cnt = 0;
        sync_due = 1;
    }
}

/*---------------- network ----------------*/
static int sock_line(int fd, char *buf, int size)
{
    int n = 0, r;
    char c;

    while (n < size - 1) {
        r = recv(fd, &c, 1, 0);
        if (r < 0 && errno == EINTR) {
            if (sync_due && n == 0)
                break;
            continue;
        }
        if (r <= 0)
            return -1;
        if (c == '\n')
            break;
        if (c != '\r')
            buf[n++] = c;
    }
    buf[n] = 0;
    return n;
}

static void sock_puts(int fd, const char *s)
{
    if (send(fd, s, strlen(s), MSG_NOSIGNAL) < 0)
        perror("send");
}

static int handle_line(int fd, char *line)
{
    char out[160];
    char *key, *val;
    int ret;

    if (strncmp(line, "SET ", 4) == 0) {
        key = line + 4;
        val = strchr(key, ' ');
        if (val == NULL) {
            sock_puts(fd, "ERR arg\n");
            return 0;
        }
        *val++ = 0;
        ret = param_set(key, val);
        snprintf(out, sizeof(out), ret ? "ERR %d\n" : "OK\n", ret);
        sock_puts(fd, out);
        return 0;
    }
    if (strncmp(line, "GET ", 4) == 0) {
        snprintf(out, sizeof(out), "OK %s\n", param_get(line + 4, ""));
        sock_puts(fd, out);
        return 0;
    }
    if (strcmp(line, "SAVE") == 0) {
        sock_puts(fd, param_save() ? "ERR save\n" : "OK\n");
        return 0;
    }
    if (strcmp(line, "BYE") == 0)
        return -1;
    sock_puts(fd, "ERR cmd\n");
    return 0;
}

int main(void)
{
    struct sockaddr_in sa;
    struct sigaction act;
    struct itimerval itv;
    char line[200];
    int lfd, cfd = -1, on = 1;

    param_load();

    memset(&act, 0, sizeof(act));
    act.sa_handler = on_alarm;
    sigaction(SIGALRM, &act, NULL);
    itv.it_interval.tv_sec = 1;
    itv.it_interval.tv_usec = 0;
    itv.it_value = itv.it_interval;
    setitimer(ITIMER_REAL, &itv, NULL);

    lfd = socket(AF_INET, SOCK_STREAM, 0);
    if (lfd < 0) {
        perror("socket");
        return 1;
    }
    setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(PARAM_PORT);
    if (bind(lfd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(lfd, 1) < 0) {
        perror("bind");
        return 1;
    }
    while (1) {
        if (sync_due) {
            sync_due = 0;
            time_sync();
        }
        if (cfd < 0) {
            cfd = accept(lfd, NULL, NULL);
            continue;
        }
        if (sock_line(cfd, line, sizeof(line)) < 0 ||
            (line[0] && handle_line(cfd, line) < 0)) {
            close(cfd);
            cfd = -1;
        }
    }
    return 0;
}
