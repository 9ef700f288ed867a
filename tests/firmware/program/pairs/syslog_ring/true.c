/*
 * A syslog collector: datagrams go into a ring of fixed records; a writer thread takes them out, stores them and
 * raises an alarm with the help of a script for severe ones.
 */
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 32

struct record {
    int facility, severity;
    time_t when;
    char tag[48];
    char message[400];
};

struct ring {
    struct record slot[SLOTS];
    unsigned in, out;
    pthread_mutex_t lock;
    pthread_cond_t some;
};

static struct ring ring = {.lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER};
static long limit = 256 * 1024;
static int alarm_severity = 2;
static unsigned long lost, stored;

static void configure(void)
{
    FILE *f = fopen("/etc/collector.conf", "r");
    char key[32];
    long value;
    if (!f)
        return;
    while (fscanf(f, "%31s %ld", key, &value) == 2) {
        if (!strcmp(key, "limit"))
            limit = value;
        else if (!strcmp(key, "alarm"))
            alarm_severity = (int)value;
    }
    fclose(f);
}

/* <34>tag: message */
static int parse(const char *text, struct record *r)
{
    const char *p = text;
    size_t i = 0;
    int priority = 0;
    if (*p++ != '<')
        return -1;
    while (isdigit((unsigned char)*p) && priority < 1000)
        priority = priority * 10 + (*p++ - '0');
    if (*p++ != '>')
        return -1;
    r->facility = priority >> 3;
    r->severity = priority & 7;
    r->when = time(NULL);
    while (*p && *p != ':' && i < sizeof r->tag - 1) {
#ifdef BENIGN
        r->tag[i++] = isalnum((unsigned char)*p) ? *p : '_';
        p++;
#else
        r->tag[i++] = *p++;
#endif
    }
    r->tag[i] = 0;
    if (*p == ':')
        p++;
    while (*p == ' ')
        p++;
    for (i = 0; *p && i < sizeof r->message - 1; p++)
        r->message[i++] = isprint((unsigned char)*p) ? *p : '?';
    r->message[i] = 0;
    return 0;
}

static void put(const struct record *r)
{
    pthread_mutex_lock(&ring.lock);
    if (ring.in - ring.out == SLOTS) {
        ring.out++;
        lost++;
    }
    ring.slot[ring.in % SLOTS] = *r;
    ring.in++;
    pthread_cond_signal(&ring.some);
    pthread_mutex_unlock(&ring.lock);
}

static void get(struct record *r)
{
    pthread_mutex_lock(&ring.lock);
    while (ring.in == ring.out)
        pthread_cond_wait(&ring.some, &ring.lock);
    *r = ring.slot[ring.out % SLOTS];
    ring.out++;
    pthread_mutex_unlock(&ring.lock);
}

static void rotate(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && st.st_size > limit) {
        char old[80];
        snprintf(old, sizeof old, "%s.0", path);
        rename(path, old);
    }
}

static void store(const struct record *r)
{
    static const char path[] = "/var/log/messages";
    FILE *f;
    rotate(path);
    f = fopen(path, "a");
    if (!f)
        return;
    fprintf(f, "%ld %d.%d %s %s\n", (long)r->when, r->facility, r->severity, r->tag, r->message);
    fclose(f);
    stored++;
}

static void raise_alarm(const struct record *r)
{
    char cmd[128], answer[64];
    FILE *p;
    snprintf(cmd, sizeof cmd, "/usr/bin/alarm.sh -s %d -t %s", r->severity, r->tag);
    p = popen(cmd, "r");
    if (!p)
        return;
    if (fgets(answer, sizeof answer, p))
        fprintf(stderr, "alarm: %s", answer);
    pclose(p);
}

static void *writer(void *unused)
{
    struct record r;
    (void)unused;
    for (;;) {
        get(&r);
        store(&r);
        if (r.severity <= alarm_severity)
            raise_alarm(&r);
    }
    return NULL;
}

static void *reporter(void *unused)
{
    (void)unused;
    for (;;) {
        sleep(300);
        fprintf(stderr, "stored %lu lost %lu\n", stored, lost);
    }
    return NULL;
}

static int open_socket(unsigned short port)
{
    struct sockaddr_in me;
    int s = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(port);
    me.sin_addr.s_addr = INADDR_ANY;
    if (bind(s, (struct sockaddr *)&me, sizeof me) != 0) {
        perror("bind");
        exit(1);
    }
    return s;
}

int main(void)
{
    pthread_t t[2];
    char packet[1024];
    struct record r;
    int s;
    configure();
    s = open_socket(514);
    pthread_create(&t[0], NULL, writer, NULL);
    pthread_create(&t[1], NULL, reporter, NULL);
    for (;;) {
        ssize_t n = recv(s, packet, sizeof packet - 1, 0);
        if (n <= 0)
            continue;
        packet[n] = '\0';
        if (parse(packet, &r) == 0)
            put(&r);
        else
            lost++;
    }
}
