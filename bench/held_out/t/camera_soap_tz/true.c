/*
 * onvifd - tiny device-management service of the IPC-200 camera line
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <ctype.h>
#include <sys/types.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define ONVIF_PORT   8899
#define REQ_MAX      8192
#define TZ_LEN       96

struct sys_state {
    char tz[TZ_LEN];
    char hostname[64];
    int  tz_pending;
    int  reboot_in;
    int  discovery;
    unsigned long served;
};

static struct sys_state g_sys = { "UTC0", "IPC-200", 0, -1, 1, 0 };
static int g_verbose;

static void dbg(const char *fmt, ...)
{
    va_list ap;

    if (!g_verbose)
        return;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static int sys_run(const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(line)) {
        dbg("command too long");
        return -1;
    }
    dbg("run: %s", line);
    return system(line);
}

/* Copies the text of <..:tag> or <tag> to out, 0 when found */
static int xml_text(const char *xml, const char *tag, char *out, size_t size)
{
    size_t tlen = strlen(tag);
    const char *p = xml;

    while ((p = strchr(p, '<')) != NULL) {
        const char *name = ++p, *colon, *end;
        size_t n;

        end = strchr(name, '>');
        if (end == NULL)
            return -1;
        colon = memchr(name, ':', end - name);
        if (colon)
            name = colon + 1;
        if ((size_t)(end - name) != tlen || strncmp(name, tag, tlen))
            continue;
        p = end + 1;
        end = strchr(p, '<');
        if (end == NULL)
            return -1;
        n = end - p;
        if (n >= size)
            n = size - 1;
        memcpy(out, p, n);
        out[n] = '\0';
        return 0;
    }
    return -1;
}

static void soap_reply(int fd, int code, const char *inner)
{
    char buf[1400];
    int n;

    n = snprintf(buf, sizeof(buf),
        "HTTP/1.1 %d %s\r\nContent-Type: application/soap+xml\r\n"
        "Connection: close\r\n\r\n"
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">"
        "<s:Body>%s</s:Body></s:Envelope>",
        code, code == 200 ? "OK" : "Bad Request", inner);
    if (n > 0)
        send(fd, buf, n < (int)sizeof(buf) ? n : (int)sizeof(buf) - 1, MSG_NOSIGNAL);
}

static void op_get_info(int fd, const char *body)
{
    soap_reply(fd, 200, "<tds:GetDeviceInformationResponse><tds:Manufacturer>IPC"
        "</tds:Manufacturer><tds:Model>200</tds:Model>"
        "</tds:GetDeviceInformationResponse>");
}

static void op_set_time(int fd, const char *body)
{
    char type[16] = "Manual";
    char tz[TZ_LEN];

    xml_text(body, "DateTimeType", type, sizeof(type));
    if (strcmp(type, "Manual") && strcmp(type, "NTP")) {
        soap_reply(fd, 400, "<s:Fault/>");
        return;
    }
    if (xml_text(body, "TZ", tz, sizeof(tz)) == 0 && tz[0]) {
        strcpy(g_sys.tz, tz);
        g_sys.tz_pending = 2;
    }
    soap_reply(fd, 200, "<tds:SetSystemDateAndTimeResponse/>");
}

static void op_set_discovery(int fd, const char *body)
{
    char mode[24];

    if (xml_text(body, "DiscoveryMode", mode, sizeof(mode)) < 0) {
        soap_reply(fd, 400, "<s:Fault/>");
        return;
    }
    g_sys.discovery = strcmp(mode, "Discoverable") == 0;
    soap_reply(fd, 200, "<tds:SetDiscoveryModeResponse/>");
}

static void op_reboot(int fd, const char *body)
{
    g_sys.reboot_in = 5;
    soap_reply(fd, 200, "<tds:SystemRebootResponse><tds:Message>in 5 s"
        "</tds:Message></tds:SystemRebootResponse>");
}

static const struct {
    const char *name;
    void (*fn)(int fd, const char *body);
} ops[] = {
    { "GetDeviceInformation", op_get_info },
    { "SetSystemDateAndTime", op_set_time },
    { "SetDiscoveryMode",     op_set_discovery },
    { "SystemReboot",         op_reboot },
};

static void serve(int fd)
{
    static char req[REQ_MAX + 1];
    size_t have = 0;
    char *body;
    unsigned i;
    struct timeval tv = { 3, 0 };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    while (have < REQ_MAX) {
        ssize_t n = recv(fd, req + have, REQ_MAX - have, 0);
        if (n <= 0)
            break;
        have += n;
        req[have] = '\0';
        if (strstr(req, "Envelope>"))
            break;
    }
    req[have] = '\0';
    body = strstr(req, "\r\n\r\n");
    if (body == NULL || strncmp(req, "POST ", 5)) {
        soap_reply(fd, 400, "<s:Fault/>");
        return;
    }
    body += 4;
    g_sys.served++;
    for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (strstr(body, ops[i].name)) {
            dbg("op %s", ops[i].name);
            ops[i].fn(fd, body);
            return;
        }
    }
    soap_reply(fd, 400, "<s:Fault/>");
}

static void on_tick(void)
{
    if (g_sys.tz_pending > 0 && --g_sys.tz_pending == 0) {
        sys_run("echo '%s' > /etc/TZ", g_sys.tz);
        sys_run("killall -HUP osd_clock");
    }
    if (g_sys.reboot_in > 0 && --g_sys.reboot_in == 0)
        sys_run("sync; reboot");
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa;
    int ls, one = 1;
    time_t last = time(NULL);

    g_verbose = argc > 1 && !strcmp(argv[1], "-v");
    signal(SIGPIPE, SIG_IGN);
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(ONVIF_PORT);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(ls, 4) < 0) {
        perror("onvifd");
        return 1;
    }
    for (;;) {
        fd_set rd;
        struct timeval tv = { 1, 0 };

        FD_ZERO(&rd);
        FD_SET(ls, &rd);
        if (select(ls + 1, &rd, NULL, NULL, &tv) > 0) {
            int fd = accept(ls, NULL, NULL);
            if (fd >= 0) {
                serve(fd);
                close(fd);
            }
        }
        if (time(NULL) != last) {
            last = time(NULL);
            on_tick();
        }
    }
}
