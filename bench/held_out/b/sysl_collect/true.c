/* Collector of log messages of other devices: configuration from a file, rules with targets, buffers from a pool.
 * The tag of a message is copied byte by byte, with #ooo undone, to a field on the stack; the loop looks for the end
 * of the tag and not for the end of the field (benign: for both). */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEF_PORT 5514
#define CONF_FILE "/etc/slcollect.conf"
#define POOL_SIZE 8
#define MSG_MAX 2048
#define MAX_RULES 8

struct msgbuf {
    int busy;
    int len;
    struct sockaddr_in from;
    struct msgbuf *next;
    char text[MSG_MAX];
};

struct log_rule {
    int facility; /* -1: every one */
    int level;
    char file[64];
    unsigned long hits;
};

struct record {
    int facility;
    int level;
    char stamp[20];
    char host[48];
    char tag[32];
    char text[512];
};

static struct {
    int port;
    long rotate_at;
    int beep;
    int format;
    int nrules;
    struct log_rule rules[MAX_RULES];
    struct {
        unsigned long in, bad, lost;
    } count;
} conf = {DEF_PORT, 262144, 1, 0, 0, {{0, 0, "", 0}}, {0, 0, 0}};

static struct msgbuf pool[POOL_SIZE];
static struct msgbuf *work_head, *work_tail;

/* ---- pool ---- */
static struct msgbuf *pool_get(void)
{
    int i;

    for (i = 0; i < POOL_SIZE; i++) {
        if (!pool[i].busy) {
            pool[i].busy = 1;
            pool[i].next = NULL;
            return &pool[i];
        }
    }
    return NULL;
}

static void pool_put(struct msgbuf *m)
{
    m->busy = 0;
    m->len = 0;
}

/* ---- configuration ---- */
static void conf_rule(char *s)
{
    struct log_rule *r = &conf.rules[conf.nrules];
    char *f = strtok(s, " \t"), *l = strtok(NULL, " \t"), *path = strtok(NULL, " \t\r\n");

    if (!f || !l || !path || conf.nrules >= MAX_RULES)
        return;
    r->facility = *f == '*' ? -1 : atoi(f);
    r->level = atoi(l);
    snprintf(r->file, sizeof(r->file), "%s", path);
    conf.nrules++;
}

static void conf_load(const char *path)
{
    char line[160];
    FILE *fp = fopen(path, "r");

    if (fp) {
        while (fgets(line, sizeof(line), fp)) {
            if (strncmp(line, "port=", 5) == 0)
                conf.port = atoi(line + 5);
            else if (strncmp(line, "rotate=", 7) == 0)
                conf.rotate_at = atol(line + 7);
            else if (strncmp(line, "beep=", 5) == 0)
                conf.beep = atoi(line + 5);
            else if (strncmp(line, "format=raw", 10) == 0)
                conf.format = 1;
            else if (strncmp(line, "rule ", 5) == 0)
                conf_rule(line + 5);
        }
        fclose(fp);
    }
    if (conf.nrules == 0) {
        char all[] = "* 7 /tmp/collected.log", kern[] = "0 4 /tmp/kernel.log";

        conf_rule(all);
        conf_rule(kern);
    }
}

/* ---- parsing ---- */
static const char *parse_pri(const char *p, struct record *r)
{
    int pri = 0, n = 0;

    if (*p != '<')
        return NULL;
    p++;
    while (isdigit((unsigned char)*p) && n++ < 3)
        pri = pri * 10 + (*p++ - '0');
    if (*p != '>' || pri > 191)
        return NULL;
    r->facility = pri >> 3;
    r->level = pri & 7;
    return p + 1;
}

/* Mmm dd hh:mm:ss, or nothing, then now */
static const char *parse_stamp(const char *p, struct record *r)
{
    if (strlen(p) > 16 && p[3] == ' ' && p[6] == ' ' && p[9] == ':' && p[12] == ':') {
        memcpy(r->stamp, p, 15);
        r->stamp[15] = '\0';
        return p + 16;
    } else {
        time_t now = time(NULL);

        strftime(r->stamp, sizeof(r->stamp), "%b %d %H:%M:%S", localtime(&now));
        return p;
    }
}

static const char *parse_host(const char *p, struct record *r)
{
    size_t n = strcspn(p, " ");

    if (n == 0 || n >= sizeof(r->host))
        return NULL;
    memcpy(r->host, p, n);
    r->host[n] = '\0';
    p += n;
    return *p == ' ' ? p + 1 : p;
}

static int octal3(const char *p)
{
    int i, v = 0;

    for (i = 0; i < 3; i++) {
        if (p[i] < '0' || p[i] > '7')
            return -1;
        v = v * 8 + (p[i] - '0');
    }
    return v & 0xff;
}

static const char *parse_tag(const char *p, struct record *r)
{
    char *o = r->tag;
    int c;

    while (*p && *p != ':' && *p != '[' && *p != ' ') {
#ifdef BENIGN
        if (o >= r->tag + sizeof(r->tag) - 1)
            return NULL;
#endif
        if (*p == '#' && (c = octal3(p + 1)) > 0) {
            *o++ = (char)c;
            p += 4;
        } else {
            *o++ = *p++;
        }
    }
    *o = '\0';
    if (*p == '[')
        p += strcspn(p, "]:");
    while (*p == ']' || *p == ':' || *p == ' ')
        p++;
    return p;
}

static void parse_text(const char *p, struct record *r)
{
    size_t n = 0;
    int c;

    while (*p && n + 1 < sizeof(r->text)) {
        if (*p == '#' && (c = octal3(p + 1)) > 0) {
            r->text[n++] = isprint(c) ? (char)c : ' ';
            p += 4;
        } else {
            r->text[n++] = isprint((unsigned char)*p) ? *p : ' ';
            p++;
        }
    }
    r->text[n] = '\0';
}

/* ---- output ---- */
static void rotate(const struct log_rule *rule)
{
    char old[80];
    struct stat st;

    if (stat(rule->file, &st) < 0 || st.st_size < conf.rotate_at)
        return;
    snprintf(old, sizeof(old), "%s.0", rule->file);
    rename(rule->file, old);
    system("sync");
}

static void store(struct log_rule *rule, const struct record *r)
{
    FILE *fp;

    rotate(rule);
    fp = fopen(rule->file, "a");
    if (fp == NULL)
        return;
    fprintf(fp, "%s %s %s: %s\n", r->stamp, r->host, r->tag, r->text);
    fclose(fp);
    rule->hits++;
}

static int handle_bsd(const struct msgbuf *m)
{
    struct record r;
    const char *p;
    int i;

    memset(&r, 0, sizeof(r));
    p = parse_pri(m->text, &r);
    if (p == NULL)
        return -1;
    p = parse_stamp(p, &r);
    p = parse_host(p, &r);
    if (p == NULL)
        return -1;
    p = parse_tag(p, &r);
    if (p == NULL)
        return -1;
    parse_text(p, &r);
    for (i = 0; i < conf.nrules; i++) {
        struct log_rule *rule = &conf.rules[i];

        if ((rule->facility == -1 || rule->facility == r.facility) && r.level <= rule->level)
            store(rule, &r);
    }
    if (r.level <= 1 && conf.beep) {
        char cmd[48];

        snprintf(cmd, sizeof(cmd), "beep -n %d 2>/dev/null", 2 - r.level);
        system(cmd);
    }
    return 0;
}

/* devices that send a line of text and no more */
static int handle_raw(const struct msgbuf *m)
{
    struct record r;

    memset(&r, 0, sizeof(r));
    r.facility = 1;
    r.level = 6;
    strcpy(r.tag, "raw");
    snprintf(r.host, sizeof(r.host), "%s", inet_ntoa(m->from.sin_addr));
    parse_stamp("", &r);
    parse_text(m->text, &r);
    store(&conf.rules[0], &r);
    return 0;
}

static const struct format {
    const char *name;
    int (*handle)(const struct msgbuf *m);
} formats[] = {{"bsd", handle_bsd}, {"raw", handle_raw}};

static void receive(int fd)
{
    struct msgbuf *m = pool_get();
    char drop[16];
    socklen_t fl;

    if (m == NULL) {
        recv(fd, drop, sizeof(drop), 0);
        conf.count.lost++;
        return;
    }
    fl = sizeof(m->from);
    m->len = recvfrom(fd, m->text, sizeof(m->text) - 1, 0, (struct sockaddr *)&m->from, &fl);
    if (m->len <= 0) {
        pool_put(m);
        return;
    }
    m->text[m->len] = '\0';
    conf.count.in++;
    if (work_tail)
        work_tail->next = m;
    else
        work_head = m;
    work_tail = m;
}

static void work(void)
{
    while (work_head) {
        struct msgbuf *m = work_head;

        work_head = m->next;
        if (work_head == NULL)
            work_tail = NULL;
        if (formats[conf.format].handle(m) < 0) {
            conf.count.bad++;
            fprintf(stderr, "bad message from %s, %d bytes\n", inet_ntoa(m->from.sin_addr), m->len);
        }
        pool_put(m);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    int fd, opt;

    conf_load(CONF_FILE);
    while ((opt = getopt(argc, argv, "p:q")) != -1) {
        if (opt == 'p')
            conf.port = atoi(optarg);
        else if (opt == 'q')
            conf.beep = 0;
    }
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons((unsigned short)conf.port);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        perror("bind");
        return 1;
    }
    for (;;) {
        struct timeval tv = {1, 0};
        fd_set rd;
        int n;

        FD_ZERO(&rd);
        FD_SET(fd, &rd);
        n = select(fd + 1, &rd, NULL, NULL, &tv);
        if (n < 0 && errno != EINTR)
            return 1;
        if (n > 0)
            receive(fd);
        work();
    }
}
