/* Gateway device: discovery by SSDP and port mappings by SOAP, two sockets in one select loop.
 * The rule for the packet filter is put together in steps. The address check looks at the remote host and not at the
 * client that the rule names (benign: at both). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define SOAP_PORT 49152
#define SSDP_PORT 1900
#define UUID "uuid:75802409-bccb-40e7-8e6c-fa095ecce13e"
#define MAX_MAPPINGS 32
#define IPT "/sbin/iptables -t nat "

struct mapping {
    struct mapping *next;
    int eport, iport;
    char proto[8];
    char client[64];
    char remote[32];
    char desc[64];
};

struct soap_req {
    int fd;
    char action[48];
    char *body;
};

static struct mapping *map_list;
static int map_count;
static struct {
    char wan_if[16];
    char lan_if[16];
    int enabled;
    struct {
        unsigned long tx, rx;
    } stats;
} gw = {"eth1", "br0", 1, {0, 0}};

static char http_in[8192];
static char soap_out[2048];

static void logmsg(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

/* value of <name>...</name> */
static int xml_get(const char *xml, const char *name, char *out, size_t room)
{
    char tag[64];
    const char *p, *e;
    size_t n;

    out[0] = '\0';
    snprintf(tag, sizeof(tag), "<%s", name);
    p = strcasestr(xml, tag);
    if (p == NULL || (p = strchr(p, '>')) == NULL)
        return -1;
    p++;
    e = strstr(p, "</");
    if (e == NULL)
        return -1;
    n = (size_t)(e - p);
    if (n >= room)
        return -1;
    memcpy(out, p, n);
    out[n] = '\0';
    return (int)n;
}

static void soap_reply(struct soap_req *rq, int code, const char *inner)
{
    int n = snprintf(soap_out, sizeof(soap_out),
                     "HTTP/1.1 %d %s\r\nContent-Type: text/xml; charset=\"utf-8\"\r\nConnection: close\r\n\r\n"
                     "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\">"
                     "<s:Body>%s</s:Body></s:Envelope>\r\n",
                     code, code == 200 ? "OK" : "Internal Server Error", inner);

    if (n > 0 && n < (int)sizeof(soap_out))
        send(rq->fd, soap_out, (size_t)n, MSG_NOSIGNAL);
}

static void soap_error(struct soap_req *rq, int err, const char *why)
{
    char text[256];

    snprintf(text, sizeof(text), "<s:Fault><UPnPError><errorCode>%d</errorCode><errorDescription>%s</errorDescription></UPnPError></s:Fault>",
             err, why);
    soap_reply(rq, 500, text);
}

static int is_address(const char *s)
{
    struct in_addr a;

    return inet_pton(AF_INET, s, &a) == 1;
}

/* iptables command for one mapping; op is A or D */
static void rule_run(const struct mapping *m, char op)
{
    char cmd[384], *p = cmd;

    strcpy(p, IPT);
    p += strlen(p);
    p += sprintf(p, "-%c PREROUTING -i %s -p %s ", op, gw.wan_if, m->proto);
    if (m->remote[0])
        p += sprintf(p, "-s %s ", m->remote);
    p += sprintf(p, "--dport %d -j DNAT ", m->eport);
    p += sprintf(p, "--to %s:%d", m->client, m->iport);
    strcat(p, " 2>/dev/null");
    logmsg("rule: %s", cmd);
    if (system(cmd) != 0)
        logmsg("rule was refused");
}

static struct mapping *map_find(int eport, const char *proto)
{
    struct mapping *m;

    for (m = map_list; m; m = m->next)
        if (m->eport == eport && strcmp(m->proto, proto) == 0)
            return m;
    return NULL;
}

static int map_add(struct mapping *in)
{
    struct mapping *m = map_find(in->eport, in->proto);

    if (m)
        return 718;
    if (map_count >= MAX_MAPPINGS || (m = malloc(sizeof(*m))) == NULL)
        return 501;
    *m = *in;
    m->next = map_list;
    map_list = m;
    map_count++;
    rule_run(m, 'A');
    return 0;
}

static void act_add_mapping(struct soap_req *rq)
{
    struct mapping in;
    char num[16], proto[8];
    int rc;

    memset(&in, 0, sizeof(in));
    xml_get(rq->body, "NewRemoteHost", in.remote, sizeof(in.remote));
    xml_get(rq->body, "NewInternalClient", in.client, sizeof(in.client));
    xml_get(rq->body, "NewPortMappingDescription", in.desc, sizeof(in.desc));
    if (xml_get(rq->body, "NewProtocol", proto, sizeof(proto)) < 0) {
        soap_error(rq, 402, "Invalid Args");
        return;
    }
    strcpy(in.proto, strcasecmp(proto, "UDP") == 0 ? "udp" : "tcp");
    if (xml_get(rq->body, "NewExternalPort", num, sizeof(num)) > 0)
        in.eport = atoi(num);
    if (xml_get(rq->body, "NewInternalPort", num, sizeof(num)) > 0)
        in.iport = atoi(num);
    if (in.client[0] == '\0' || in.eport <= 0 || in.eport > 65535 || in.iport <= 0 || in.iport > 65535) {
        soap_error(rq, 402, "Invalid Args");
        return;
    }
    if (in.remote[0] && !is_address(in.remote)) {
        soap_error(rq, 402, "Invalid Args");
        return;
    }
#ifdef BENIGN
    if (!is_address(in.client)) {
        soap_error(rq, 402, "Invalid Args");
        return;
    }
#endif
    rc = map_add(&in);
    if (rc)
        soap_error(rq, rc, "ConflictInMappingEntry");
    else
        soap_reply(rq, 200, "<u:AddPortMappingResponse/>");
}

static void act_delete_mapping(struct soap_req *rq)
{
    struct mapping **pp, *m;
    char num[16], proto[8];
    int eport;

    if (xml_get(rq->body, "NewExternalPort", num, sizeof(num)) <= 0 || xml_get(rq->body, "NewProtocol", proto, sizeof(proto)) <= 0) {
        soap_error(rq, 402, "Invalid Args");
        return;
    }
    eport = atoi(num);
    for (pp = &map_list; (m = *pp) != NULL; pp = &m->next) {
        if (m->eport == eport && strcasecmp(m->proto, proto) == 0) {
            *pp = m->next;
            map_count--;
            rule_run(m, 'D');
            free(m);
            soap_reply(rq, 200, "<u:DeletePortMappingResponse/>");
            return;
        }
    }
    soap_error(rq, 714, "NoSuchEntryInArray");
}

static void act_status(struct soap_req *rq)
{
    char text[160];

    snprintf(text, sizeof(text), "<u:GetStatusInfoResponse><NewConnectionStatus>%s</NewConnectionStatus><Mappings>%d</Mappings></u:GetStatusInfoResponse>",
             gw.enabled ? "Connected" : "Disconnected", map_count);
    soap_reply(rq, 200, text);
}

static void act_terminate(struct soap_req *rq)
{
    gw.enabled = 0;
    system("ifconfig eth1 down 2>/dev/null");
    soap_reply(rq, 200, "<u:ForceTerminationResponse/>");
}

static const struct {
    const char *name;
    void (*fn)(struct soap_req *rq);
} soap_actions[] = {
    {"AddPortMapping", act_add_mapping},
    {"DeletePortMapping", act_delete_mapping},
    {"GetStatusInfo", act_status},
    {"ForceTermination", act_terminate},
    {NULL, NULL},
};

static void soap_client(int lfd)
{
    struct timeval tv = {2, 0};
    struct soap_req rq;
    char *act, *end;
    int got = 0, n, i;

    rq.fd = accept(lfd, NULL, NULL);
    if (rq.fd < 0)
        return;
    setsockopt(rq.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    http_in[0] = '\0';
    while (got < (int)sizeof(http_in) - 1) {
        n = read(rq.fd, http_in + got, sizeof(http_in) - 1 - got);
        if (n <= 0)
            break;
        got += n;
        http_in[got] = '\0';
        if (strstr(http_in, "Envelope>"))
            break;
    }
    act = strcasestr(http_in, "SOAPAction:");
    rq.body = strstr(http_in, "\r\n\r\n");
    if (act == NULL || rq.body == NULL || (act = strchr(act, '#')) == NULL) {
        close(rq.fd);
        return;
    }
    act++;
    end = act + strcspn(act, "\" \r\n");
    snprintf(rq.action, sizeof(rq.action), "%.*s", (int)(end - act), act);
    for (i = 0; soap_actions[i].name; i++) {
        if (strcmp(soap_actions[i].name, rq.action) == 0) {
            soap_actions[i].fn(&rq);
            break;
        }
    }
    if (soap_actions[i].name == NULL)
        soap_error(&rq, 401, "Invalid Action");
    close(rq.fd);
}

static void ssdp_answer(int fd)
{
    struct sockaddr_in from;
    socklen_t fl = sizeof(from);
    char pkt[1024], out[512];
    int n = recvfrom(fd, pkt, sizeof(pkt) - 1, 0, (struct sockaddr *)&from, &fl);

    if (n <= 0)
        return;
    pkt[n] = '\0';
    if (strncmp(pkt, "M-SEARCH", 8) || strcasestr(pkt, "InternetGatewayDevice") == NULL)
        return;
    n = snprintf(out, sizeof(out), "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nUSN: %s\r\nSERVER: Linux/2.6 UPnP/1.0\r\n\r\n", UUID);
    sendto(fd, out, n, 0, (struct sockaddr *)&from, fl);
}

static int open_port(int type, unsigned short port)
{
    struct sockaddr_in sa;
    int fd = socket(AF_INET, type, 0), on = 1;

    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(port);
    sa.sin_addr.s_addr = INADDR_ANY;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        perror("bind");
        exit(1);
    }
    if (type == SOCK_STREAM)
        listen(fd, 6);
    return fd;
}

int main(void)
{
    int ssdp = open_port(SOCK_DGRAM, SSDP_PORT), soap = open_port(SOCK_STREAM, SOAP_PORT);
    int top = (ssdp > soap ? ssdp : soap) + 1;

    signal(SIGPIPE, SIG_IGN);
    system("iptables -t nat -F PREROUTING 2>/dev/null");
    for (;;) {
        struct timeval tv = {30, 0};
        fd_set rd;

        FD_ZERO(&rd);
        FD_SET(ssdp, &rd);
        FD_SET(soap, &rd);
        if (select(top, &rd, NULL, NULL, &tv) <= 0)
            continue;
        if (FD_ISSET(ssdp, &rd))
            ssdp_answer(ssdp);
        if (FD_ISSET(soap, &rd))
            soap_client(soap);
    }
}
