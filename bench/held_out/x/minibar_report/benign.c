/*
 * minibar hub: collects the datagrams of the sensors in the rooms and hands
 * a summary to the hotel system every half minute.
 *
 * Datagram:  v1;<node>;<label>;<slot>;<count>
 *            v1;<node>;door;<0|1>
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define HUB_PORT      6215
#define MAX_NODES     32
#define MAX_SLOTS     12
#define LABEL_MAX     100
#define REPORT_SIZE   512
#define REPORT_EVERY  30

struct node {
    char   *label;
    int     door_open;
    int     taken[MAX_SLOTS];
    int     dirty;
    time_t  seen;
};

struct hub {
    pthread_mutex_t mtx;
    struct node    *nodes[MAX_NODES];
    unsigned        packets;
    unsigned        errors;
    const char     *outfile;
};

static struct hub hub = { .mtx = PTHREAD_MUTEX_INITIALIZER, .outfile = "/var/spool/minibar/out" };

static struct node *node_get(int id)
{
    if (id < 0 || id >= MAX_NODES)
        return NULL;
    if (!hub.nodes[id])
        hub.nodes[id] = calloc(1, sizeof(struct node));
    return hub.nodes[id];
}

static int node_label(struct node *n, const char *label)
{
    char *copy;

    if (n->label && !strcmp(n->label, label))
        return 0;
    if (strlen(label) == 0 || strlen(label) > LABEL_MAX)
        return -1;
    copy = strdup(label);
    if (!copy)
        return -1;
    free(n->label);
    n->label = copy;
    return 0;
}

static int datagram(char *text)
{
    char *save, *w[6];
    int   nw = 0, id, slot, count;
    struct node *n;

    for (w[0] = strtok_r(text, ";", &save); w[nw] && nw < 5; w[nw] = strtok_r(NULL, ";\r\n", &save))
        nw++;
    if (nw < 4 || strcmp(w[0], "v1"))
        return -1;
    id = atoi(w[1]);
    n = node_get(id);
    if (!n)
        return -1;
    n->seen = time(NULL);
    if (!strcmp(w[2], "door")) {
        n->door_open = atoi(w[3]) != 0;
        return 0;
    }
    if (nw < 5 || node_label(n, w[2]) < 0)
        return -1;
    slot = atoi(w[3]);
    count = atoi(w[4]);
    if (slot < 0 || slot >= MAX_SLOTS || count < 0 || count > 20)
        return -1;
    if (n->taken[slot] != count) {
        n->taken[slot] = count;
        n->dirty = 1;
    }
    return 0;
}

static int node_total(const struct node *n)
{
    int i, sum = 0;

    for (i = 0; i < MAX_SLOTS; i++)
        sum += n->taken[i];
    return sum;
}

static void write_report(const char *report)
{
    FILE *f = fopen(hub.outfile, "a");

    if (!f) {
        fprintf(stderr, "minibar: %s: %s\n", hub.outfile, strerror(errno));
        return;
    }
    fprintf(f, "%ld %s\n", (long)time(NULL), report);
    fclose(f);
}

/* all the bars that have changed since the last time, in one line */
static void make_report(void)
{
    char report[REPORT_SIZE];
    char item[LABEL_MAX + 40];
    int  i, any = 0;

    strcpy(report, "BARS");
    pthread_mutex_lock(&hub.mtx);
    for (i = 0; i < MAX_NODES; i++) {
        struct node *n = hub.nodes[i];

        if (!n || !n->dirty || !n->label)
            continue;
        snprintf(item, sizeof(item), " %s=%d%s", n->label, node_total(n), n->door_open ? "*" : "");
        if (strlen(report) + strlen(item) >= sizeof(report))
            break;                      /* the rest comes with the next report */
        strcat(report, item);
        n->dirty = 0;
        any = 1;
    }
    pthread_mutex_unlock(&hub.mtx);
    if (any)
        write_report(report);
}

static void expire_nodes(void)
{
    time_t now = time(NULL);
    int i;

    pthread_mutex_lock(&hub.mtx);
    for (i = 0; i < MAX_NODES; i++) {
        struct node *n = hub.nodes[i];

        if (n && now - n->seen > 3600) {
            hub.nodes[i] = NULL;
            free(n->label);
            free(n);
        }
    }
    pthread_mutex_unlock(&hub.mtx);
}

static void *timer_thread(void *arg)
{
    unsigned t = 0;

    (void)arg;
    for (;;) {
        sleep(1);
        t++;
        if (t % REPORT_EVERY == 0)
            make_report();
        if (t % 300 == 0) {
            expire_nodes();
            fprintf(stderr, "minibar: %u packets, %u bad\n", hub.packets, hub.errors);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in me, from;
    socklen_t fl;
    pthread_t th;
    char buf[256];
    int s;

    if (argc > 1)
        hub.outfile = argv[1];
    s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&me, 0, sizeof(me));
    me.sin_family = AF_INET;
    me.sin_port = htons(HUB_PORT);
    if (s < 0 || bind(s, (struct sockaddr *)&me, sizeof(me)) < 0) {
        fprintf(stderr, "minibar: port %d: %s\n", HUB_PORT, strerror(errno));
        return 1;
    }
    if (pthread_create(&th, NULL, timer_thread, NULL))
        return 1;
    for (;;) {
        ssize_t n;
        int rc;

        fl = sizeof(from);
        n = recvfrom(s, buf, sizeof(buf) - 1, 0, (struct sockaddr *)&from, &fl);
        if (n <= 0)
            continue;
        buf[n] = 0;
        pthread_mutex_lock(&hub.mtx);
        hub.packets++;
        rc = datagram(buf);
        if (rc < 0)
            hub.errors++;
        pthread_mutex_unlock(&hub.mtx);
        sendto(s, rc < 0 ? "E" : "K", 1, 0, (struct sockaddr *)&from, fl);
    }
}
