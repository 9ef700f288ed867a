/* =====================================================================
 * blegw -- takes HCI traffic of remote BLE radio heads over TCP and puts
 * the L2CAP frames together again.
 *
 * radio head -> gateway:  type(1) [H4]  + HCI packet
 *   0x02 ACL   handle+flags(2le) length(2le) data
 *   0x04 EVENT code(1) length(1) data
 *   0x7e HEARTBEAT
 * ===================================================================== */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#define BLEGW_PORT_DEFAULT  4810
#define BLEGW_MAX_LINKS     32
#define BLEGW_SCALE_CID     0x0004      /* ATT */

#define H4_ACL        0x02
#define H4_EVENT      0x04
#define H4_HEARTBEAT  0x7e

#define PB_FIRST      0x02
#define PB_CONT       0x01

typedef struct link link_t;

struct link {
    uint16_t  handle;
    uint16_t  want;                 /* bytes of the frame in rx */
    uint16_t  have;
    uint8_t   rx[320];
    void    (*deliver)(link_t *l);
    time_t    last_seen;
    unsigned  frames;
    unsigned  broken;
};

typedef struct {
    int      fd;
    uint8_t  buf[1100];             /* type + ACL header + data */
} head_t;

static link_t  *links[BLEGW_MAX_LINKS];
static uint16_t listen_port = BLEGW_PORT_DEFAULT;
static int      verbose;

static uint16_t le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

/* ---- consumers ---------------------------------------------------- */

static void deliver_measurement(link_t *l)
{
    const uint8_t *att = l->rx + 4;
    uint16_t       n = l->want - 4;
    FILE          *fp;

    l->frames++;
    if (le16(l->rx + 2) != BLEGW_SCALE_CID || n < 5 || att[0] != 0x1b)
        return;
    fp = fopen("/tmp/scale.csv", "a");
    if (fp == NULL)
        return;
    fprintf(fp, "%ld,%u,%u.%02u\n", (long)time(NULL), l->handle,
            le16(att + 3) / 200u, le16(att + 3) % 200u / 2);
    fclose(fp);
}

static link_t *link_get(uint16_t handle, int create)
{
    int i, slot = -1;

    for (i = 0; i < BLEGW_MAX_LINKS; i++) {
        if (links[i] == NULL) {
            if (slot < 0)
                slot = i;
        } else if (links[i]->handle == handle) {
            return links[i];
        }
    }
    if (!create || slot < 0)
        return NULL;
    links[slot] = (link_t *)calloc(1, sizeof(link_t));
    if (links[slot] != NULL) {
        links[slot]->handle = handle;
        links[slot]->deliver = deliver_measurement;
    }
    return links[slot];
}

static void link_drop(uint16_t handle)
{
    int i;

    for (i = 0; i < BLEGW_MAX_LINKS; i++)
        if (links[i] != NULL && links[i]->handle == handle) {
            free(links[i]);
            links[i] = NULL;
        }
}

static void links_expire(void)
{
    time_t now = time(NULL);
    int    i;

    for (i = 0; i < BLEGW_MAX_LINKS; i++)
        if (links[i] != NULL && now - links[i]->last_seen > 120) {
            if (verbose)
                fprintf(stderr, "blegw: link %u silent\n", links[i]->handle);
            free(links[i]);
            links[i] = NULL;
        }
}

/* ---- reassembly --------------------------------------------------- */

static void acl_input(const uint8_t *p, uint16_t len)
{
    uint16_t hf = le16(p);
    uint8_t  pb = (hf >> 12) & 3;
    link_t  *l;

    p += 4;
    l = link_get(hf & 0x0fff, 1);
    if (l == NULL)
        return;
    l->last_seen = time(NULL);

    switch (pb) {
    case PB_FIRST:
        if (len < 4) {
            l->broken++;
            return;
        }
        if (le16(p) + 4u > sizeof(l->rx) || len > le16(p) + 4u) {
            l->broken++;
            l->want = 0;
            return;
        }
        l->want = le16(p) + 4;
        memcpy(l->rx, p, len);
        l->have = len;
        break;

    case PB_CONT:
        if (l->want == 0)
            return;
        memcpy(l->rx + l->have, p, len);
        l->have += len;
        break;

    default:
        l->broken++;
        return;
    }
    if (l->have >= l->want) {
        l->deliver(l);
        l->want = l->have = 0;
    }
}

static void event_input(const uint8_t *p, uint8_t len)
{
    /* disconnection complete: status, handle, reason */
    if (p[0] == 0x05 && len >= 4 && p[2] == 0)
        link_drop(le16(p + 3) & 0x0fff);
    else if (verbose)
        fprintf(stderr, "blegw: event %02x\n", p[0]);
}

/* ---- radio head --------------------------------------------------- */

static int get(int fd, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t r = read(fd, p, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return -1;
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

static int head_input(head_t *h)
{
    uint8_t *b = h->buf;
    uint16_t len;

    if (get(h->fd, b, 1) < 0)
        return -1;
    switch (b[0]) {
    case H4_ACL:
        if (get(h->fd, b + 1, 4) < 0)
            return -1;
        len = le16(b + 3);
        if (len > sizeof(h->buf) - 5)
            return -1;
        if (get(h->fd, b + 5, len) < 0)
            return -1;
        acl_input(b + 1, len);
        return 0;
    case H4_EVENT:
        if (get(h->fd, b + 1, 2) < 0 || get(h->fd, b + 3, b[2]) < 0)
            return -1;
        event_input(b + 1, b[2]);
        return 0;
    case H4_HEARTBEAT:
        return write(h->fd, b, 1) == 1 ? 0 : -1;
    default:
        return -1;
    }
}

static void read_config(const char *name)
{
    char     line[100];
    unsigned v;
    FILE    *fp = fopen(name, "r");

    if (fp == NULL)
        return;
    while (fgets(line, sizeof(line), fp) != NULL) {
        if (sscanf(line, "listen_port %u", &v) == 1 && v > 0 && v < 65536)
            listen_port = (uint16_t)v;
        else if (sscanf(line, "verbose %u", &v) == 1)
            verbose = (int)v;
    }
    fclose(fp);
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    head_t            *head = NULL;
    int                ls, one = 1;

    signal(SIGPIPE, SIG_IGN);
    read_config(argc > 1 ? argv[1] : "/etc/blegw.conf");
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(listen_port);
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 1) < 0) {
        perror("blegw");
        return 1;
    }
    for (;;) {
        struct timeval tv = { 10, 0 };
        fd_set         rd;
        int            top = ls;

        FD_ZERO(&rd);
        FD_SET(ls, &rd);
        if (head != NULL) {
            FD_SET(head->fd, &rd);
            if (head->fd > top)
                top = head->fd;
        }
        if (select(top + 1, &rd, NULL, NULL, &tv) < 0)
            continue;
        if (head != NULL && FD_ISSET(head->fd, &rd) && head_input(head) < 0) {
            close(head->fd);
            free(head);
            head = NULL;
        }
        if (FD_ISSET(ls, &rd)) {
            int fd = accept(ls, NULL, NULL);

            if (fd >= 0 && head == NULL && (head = malloc(sizeof(*head))) != NULL) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                head->fd = fd;
            } else if (fd >= 0) {
                close(fd);
            }
        }
        links_expire();
    }
}
