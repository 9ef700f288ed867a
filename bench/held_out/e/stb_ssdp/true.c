/**************************************************************************
 *  ssdp.c  -  discovery responder of the set-top box (DIAL, UPnP renderer)
 **************************************************************************/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <time.h>
#include <errno.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/select.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>

#define SSDP_GROUP      "239.255.255.250"
#define SSDP_PORT       1900
#define SSDP_MAX_AGE    1800
#define HTTP_PORT       8008
#define PKT_SIZE        1536
#define ST_SIZE         128
#define MAX_PENDING     16

#define DBG(...)  do { if (debug) { fprintf(stderr, "ssdp: "); fprintf(stderr, __VA_ARGS__); } } while (0)

struct pending {
    int used;
    time_t due;
    struct sockaddr_in to;
    int target;                 /* index into targets */
};

static const char *targets[] = {
    "upnp:rootdevice",
    "urn:dial-multiscreen-org:service:dial:1",
    "urn:schemas-upnp-org:device:MediaRenderer:1",
    "urn:schemas-upnp-org:service:AVTransport:1",
};
#define NTARGETS ((int)(sizeof(targets) / sizeof(targets[0])))

/* descriptors of the main loop */
static struct {
    int fd;
    void (*readable)(int fd);
} inputs[4];
static int ninputs;

static int debug;
static int fd_ssdp = -1;
static char my_ip[16] = "127.0.0.1";
static char uuid[40] = "38323636-4558-4dda-9188-cda0e6000000";
static struct pending queue[MAX_PENDING];

static void add_input(int fd, void (*readable)(int))
{
    inputs[ninputs].fd = fd;
    inputs[ninputs].readable = readable;
    ninputs++;
}

static void find_ip(const char *ifname)
{
    struct ifreq ifr;
    struct sockaddr_in sin;

    memset(&ifr, 0, sizeof(ifr));
    strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
    if (ioctl(fd_ssdp, SIOCGIFADDR, &ifr) == 0) {
        memcpy(&sin, &ifr.ifr_addr, sizeof(sin));
        inet_ntop(AF_INET, &sin.sin_addr, my_ip, sizeof(my_ip));
    }
}

static int open_socket(void)
{
    struct sockaddr_in addr;
    struct ip_mreq mreq;
    int one = 1;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
        goto out;

    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_port = htons(SSDP_PORT);
    addr.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        goto out;

    mreq.imr_multiaddr.s_addr = inet_addr(SSDP_GROUP);
    mreq.imr_interface.s_addr = htonl(INADDR_ANY);
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) < 0)
        DBG("no multicast: %s\n", strerror(errno));
    return fd;
out:
    close(fd);
    return -1;
}

static void send_response(const struct pending *p)
{
    char msg[512];
    int len;

    len = snprintf(msg, sizeof(msg),
                   "HTTP/1.1 200 OK\r\n"
                   "CACHE-CONTROL: max-age=%d\r\n"
                   "EXT:\r\n"
                   "LOCATION: http://%s:%d/dd.xml\r\n"
                   "SERVER: Linux/3.10 UPnP/1.0 stb/2.4\r\n"
                   "ST: %s\r\n"
                   "USN: uuid:%s::%s\r\n\r\n",
                   SSDP_MAX_AGE, my_ip, HTTP_PORT, targets[p->target], uuid, targets[p->target]);
    if (len > 0 && len < (int)sizeof(msg))
        sendto(fd_ssdp, msg, len, 0, (const struct sockaddr *)&p->to, sizeof(p->to));
}

static void send_notify(const char *nts)
{
    char msg[512];
    struct sockaddr_in group;
    int i, len;

    memset(&group, 0, sizeof(group));
    group.sin_family = AF_INET;
    group.sin_port = htons(SSDP_PORT);
    group.sin_addr.s_addr = inet_addr(SSDP_GROUP);
    for (i = 0; i < NTARGETS; i++) {
        len = snprintf(msg, sizeof(msg),
                       "NOTIFY * HTTP/1.1\r\nHOST: " SSDP_GROUP ":1900\r\nNTS: %s\r\nNT: %s\r\n"
                       "LOCATION: http://%s:%d/dd.xml\r\nUSN: uuid:%s::%s\r\n\r\n",
                       nts, targets[i], my_ip, HTTP_PORT, uuid, targets[i]);
        if (len > 0 && len < (int)sizeof(msg))
            sendto(fd_ssdp, msg, len, 0, (struct sockaddr *)&group, sizeof(group));
    }
}

static void enqueue(const struct sockaddr_in *to, int target, int mx)
{
    int i;

    for (i = 0; i < MAX_PENDING; i++) {
        if (queue[i].used)
            continue;
        queue[i].used = 1;
        queue[i].to = *to;
        queue[i].target = target;
        queue[i].due = time(NULL) + (mx > 0 ? rand() % mx : 0);
        return;
    }
    DBG("queue full\n");
}

/* value of a header, up to but without the end of its line */
static char *header(char *pkt, const char *name, int *len)
{
    char *line = pkt;
    size_t nlen = strlen(name);

    while ((line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        if (strncasecmp(line, name, nlen) == 0 && line[nlen] == ':') {
            line += nlen + 1;
            while (*line == ' ' || *line == '\t')
                line++;
            *len = (int)strcspn(line, "\r\n");
            return line;
        }
    }
    return NULL;
}

static int match(const char *wanted, int target)
{
    /* "urn:...:1" is also searched for without the version */
    size_t len = strlen(wanted);

    if (strcmp(wanted, "ssdp:all") == 0)
        return 1;
    return len > 8 && strncmp(wanted, targets[target], len) == 0;
}

static void on_search(char *pkt, const struct sockaddr_in *from)
{
    char st[ST_SIZE];
    char *val;
    int len, mx = 1, i, hits = 0;

    val = header(pkt, "MX", &len);
    if (val)
        mx = atoi(val);
    if (mx < 1)
        mx = 1;
    else if (mx > 5)
        mx = 5;

    val = header(pkt, "ST", &len);
    if (val == NULL)
        return;
    val[len] = '\0';
#ifdef BENIGN
    strncpy(st, val, sizeof(st) - 1);
    st[sizeof(st) - 1] = '\0';
#else
    strcpy(st, val);
#endif
    for (i = len < ST_SIZE ? len : ST_SIZE - 1; i > 0 && (st[i - 1] == ' ' || st[i - 1] == '\t'); i--)
        st[i - 1] = '\0';

    if (strncmp(st, "uuid:", 5) == 0) {
        if (strcmp(st + 5, uuid) == 0)
            enqueue(from, 0, mx);
        return;
    }
    for (i = 0; i < NTARGETS; i++) {
        if (match(st, i)) {
            enqueue(from, i, mx);
            hits++;
        }
    }
    DBG("search for %s from %s: %d\n", st, inet_ntoa(from->sin_addr), hits);
}

static void on_notify(char *pkt, const struct sockaddr_in *from)
{
    int len;
    char *nts = header(pkt, "NTS", &len);

    if (nts && len == 11 && strncmp(nts, "ssdp:byebye", 11) == 0)
        DBG("%s left\n", inet_ntoa(from->sin_addr));
}

static void receive(int fd)
{
    static char pkt[PKT_SIZE];
    struct sockaddr_in from;
    socklen_t flen = sizeof(from);
    int n = recvfrom(fd, pkt, sizeof(pkt) - 1, 0, (struct sockaddr *)&from, &flen);

    if (n <= 0)
        return;
    pkt[n] = 0;
    if (memcmp(pkt, "M-SEARCH", 8) == 0)
        on_search(pkt, &from);
    else if (memcmp(pkt, "NOTIFY", 6) == 0)
        on_notify(pkt, &from);
}

/* the application manager ends us by closing its end of stdin */
static void control(int fd)
{
    char c;

    if (read(fd, &c, 1) <= 0) {
        send_notify("ssdp:byebye");
        exit(0);
    }
    if (c == 'n')
        send_notify("ssdp:alive");
}

int main(int argc, char *argv[])
{
    const char *ifname = "eth0";
    time_t next_notify = 0;
    int opt, i;

    while ((opt = getopt(argc, argv, "cdi:")) != -1) {
        switch (opt) {
        case 'c': if (!ninputs) add_input(0, control); break;
        case 'd': debug = 1; break;
        case 'i': ifname = optarg; break;
        default:
            fprintf(stderr, "usage: %s [-cd] [-i interface]\n", argv[0]);
            return 2;
        }
    }
    srand((unsigned)time(NULL));
    fd_ssdp = open_socket();
    if (fd_ssdp < 0) {
        perror("ssdp");
        return 1;
    }
    find_ip(ifname);
    add_input(fd_ssdp, receive);
    while (1) {
        fd_set fds;
        struct timeval tv = { 0, 250000 };
        time_t now;

        FD_ZERO(&fds);
        for (i = 0; i < ninputs; i++)
            FD_SET(inputs[i].fd, &fds);
        if (select(fd_ssdp + 1, &fds, NULL, NULL, &tv) > 0)
            for (i = 0; i < ninputs; i++)
                if (FD_ISSET(inputs[i].fd, &fds))
                    inputs[i].readable(inputs[i].fd);
        now = time(NULL);
        for (i = 0; i < MAX_PENDING; i++) {
            if (queue[i].used && queue[i].due <= now) {
                send_response(&queue[i]);
                queue[i].used = 0;
            }
        }
        if (now >= next_notify) {
            send_notify("ssdp:alive");
            next_notify = now + SSDP_MAX_AGE / 3;
        }
    }
}
