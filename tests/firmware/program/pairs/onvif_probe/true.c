/*
 * WS-Discovery of an ONVIF camera on UDP 3702: joins the multicast group, answers probes, and reads a maintenance line
 * with sscanf; without widths in the true program.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

struct identity {
    char uuid[40];
    char model[32];
    char location[32];
    char address[16];
};

static struct identity identity = {"00000000-0000-4000-8000-000000000001", "IPC-201", "hall", "0.0.0.0"};
static unsigned probes, hellos;
static int verbose;

static void debug(const char *format, ...)
{
    va_list ap;
    if (!verbose)
        return;
    va_start(ap, format);
    vsyslog(LOG_DEBUG, format, ap);
    va_end(ap);
}

static int load(const char *path)
{
    char line[128];
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "uuid = %39s", identity.uuid) == 1)
            continue;
        if (sscanf(line, "model = %31s", identity.model) == 1)
            continue;
        if (sscanf(line, "location = %31s", identity.location) == 1)
            continue;
        verbose |= !strncmp(line, "verbose", 7);
    }
    fclose(f);
    return 0;
}

static int join(int s)
{
    struct ip_mreq m;
    memset(&m, 0, sizeof m);
    m.imr_multiaddr.s_addr = inet_addr("239.255.255.250");
    m.imr_interface.s_addr = htonl(INADDR_ANY);
    return setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m);
}

static int scope_matches(const char *packet)
{
    return strstr(packet, "onvif://www.onvif.org/") != NULL || strstr(packet, "NetworkVideoTransmitter") != NULL;
}

static void answer_probe(int s, const struct sockaddr_in *to, const char *packet)
{
    char text[900], relates[80] = "";
    const char *id = strstr(packet, "MessageID>");
    int n;
    if (id)
        sscanf(id, "MessageID>%79[^<]", relates);
    n = snprintf(text, sizeof text,
                 "<Envelope><Header><RelatesTo>%s</RelatesTo></Header><Body><ProbeMatches><ProbeMatch>"
                 "<Address>urn:uuid:%s</Address><Scopes>onvif://www.onvif.org/hardware/%s</Scopes>"
                 "<XAddrs>http://%s/onvif/device_service</XAddrs></ProbeMatch></ProbeMatches></Body></Envelope>",
                 relates, identity.uuid, identity.model, identity.address);
    if (n < (int)sizeof text)
        sendto(s, text, (size_t)n, 0, (const struct sockaddr *)to, sizeof *to);
    probes++;
}

/* "#SET <key> <value>": a leftover of the production line */
static void production_line(const char *packet)
{
    char key[16], value[32];
#ifdef BENIGN
    if (sscanf(packet, "#SET %15s %31s", key, value) != 2)
        return;
#else
    if (sscanf(packet, "#SET %s %s", key, value) != 2)
        return;
#endif
    if (!strcmp(key, "model"))
        snprintf(identity.model, sizeof identity.model, "%.31s", value);
    else if (!strcmp(key, "location"))
        snprintf(identity.location, sizeof identity.location, "%.31s", value);
    else if (!strcmp(key, "verbose"))
        verbose = atoi(value);
    debug("set %.15s", key);
}

static void hello(int s)
{
    static time_t last;
    struct sockaddr_in group = {.sin_family = AF_INET, .sin_port = htons(3702)};
    char text[256];
    time_t now = time(NULL);
    int n;
    if (now - last < 600)
        return;
    last = now;
    group.sin_addr.s_addr = inet_addr("239.255.255.250");
    n = snprintf(text, sizeof text, "<Hello><Address>urn:uuid:%s</Address><Location>%s</Location></Hello>", identity.uuid,
                 identity.location);
    sendto(s, text, (size_t)n, 0, (struct sockaddr *)&group, sizeof group);
    hellos++;
}

static void own_address(const struct sockaddr_in *peer)
{
    struct sockaddr_in mine;
    socklen_t size = sizeof mine;
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0)
        return;
    if (connect(s, (const struct sockaddr *)peer, sizeof *peer) == 0 && getsockname(s, (struct sockaddr *)&mine, &size) == 0)
        inet_ntop(AF_INET, &mine.sin_addr, identity.address, sizeof identity.address);
    close(s);
}

static void take(int s, const char *packet, const struct sockaddr_in *from)
{
    if (packet[0] == '#')
        production_line(packet);
    else if (strstr(packet, "Probe") && scope_matches(packet)) {
        own_address(from);
        answer_probe(s, from, packet);
    } else {
        debug("ignored %zu bytes", strlen(packet));
    }
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(3702)};
    struct timeval wait = {30, 0};
    char *packet = malloc(4097);
    int s = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
    openlog("wsdd", LOG_PID, LOG_DAEMON);
    load("/etc/wsdd.conf");
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (!packet || bind(s, (struct sockaddr *)&me, sizeof me) < 0 || join(s) < 0) {
        syslog(LOG_ERR, "cannot start");
        return 1;
    }
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(s, packet, 4096, 0, (struct sockaddr *)&from, &size);
        if (n > 0) {
            packet[n] = 0;
            take(s, packet, &from);
        }
        hello(s);
    }
}
