/* devmgmt: device management service of the IP camera (SOAP over HTTP) */
#define _GNU_SOURCE
#include <ctype.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define DEVMGMT_PORT 10080
#define BODY_MAX     (32 * 1024)

struct request {
    char *action;   /* local name of the first element in the SOAP body */
    char *body;
    FILE *out;
};

static const char env_open[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body>";
static const char env_close[] = "</s:Body></s:Envelope>";

static int sysf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int sysf(const char *fmt, ...)
{
    char *cmd = NULL;
    va_list ap;
    int rc;

    va_start(ap, fmt);
    rc = vasprintf(&cmd, fmt, ap);
    va_end(ap);
    if (rc < 0)
        return -1;
    rc = system(cmd);
    free(cmd);
    return rc;
}

/* Returns a copy of the text inside <prefix:name ...>text</prefix:name>. */
static char *tag_text(const char *xml, const char *name)
{
    size_t nl = strlen(name);

    while ((xml = strchr(xml, '<')) != NULL) {
        const char *p = ++xml;
        const char *q = p + strcspn(p, ":> /");

        if (*q == ':')
            p = q + 1;
        if (strncmp(p, name, nl) == 0 && (p[nl] == '>' || p[nl] == ' ')) {
            const char *start = strchr(p, '>');
            const char *end;

            if (!start || start[-1] == '/')
                return NULL;
            end = strchr(++start, '<');
            if (!end)
                return NULL;
            return strndup(start, (size_t)(end - start));
        }
    }
    return NULL;
}

/* In place: &lt; &gt; &amp; &quot; &apos; and &#nn; */
static void entities(char *s)
{
    static const struct { const char *e; char c; } named[] = {
        { "lt;", '<' }, { "gt;", '>' }, { "amp;", '&' },
        { "quot;", '"' }, { "apos;", '\'' },
    };
    char *d = s;

    while (*s) {
        size_t i;

        if (*s != '&') {
            *d++ = *s++;
            continue;
        }
        if (s[1] == '#') {
            char *end;
            long c = strtol(s + 2, &end, 10);

            if (*end == ';' && c > 0 && c < 128) {
                *d++ = (char)c;
                s = end + 1;
                continue;
            }
        }
        for (i = 0; i < 5; i++)
            if (strncmp(s + 1, named[i].e, strlen(named[i].e)) == 0)
                break;
        if (i < 5) {
            *d++ = named[i].c;
            s += 1 + strlen(named[i].e);
        } else {
            *d++ = *s++;
        }
    }
    *d = '\0';
}

static int name_valid(const char *s)
{
    const char *p;

    if (!*s || strlen(s) > 63 || *s == '-' || *s == '.')
        return 0;
    for (p = s; *p; p++) {
        if (isalnum((unsigned char)*p) || *p == '-' || *p == '.')
            continue;
        return 0;
    }
    return 1;
}

static void fault(struct request *rq, const char *why)
{
    fprintf(rq->out, "HTTP/1.1 400 Bad Request\r\n"
            "Content-Type: application/soap+xml\r\nConnection: close\r\n\r\n"
            "%s<s:Fault><s:Reason><s:Text>%s</s:Text></s:Reason></s:Fault>%s",
            env_open, why, env_close);
}

static void ok(struct request *rq, const char *inner)
{
    fprintf(rq->out, "HTTP/1.1 200 OK\r\n"
            "Content-Type: application/soap+xml\r\nConnection: close\r\n\r\n"
            "%s%s%s", env_open, inner, env_close);
}

static void get_information(struct request *rq)
{
    ok(rq, "<tds:GetDeviceInformationResponse><tds:Manufacturer>Visalto"
           "</tds:Manufacturer><tds:Model>VB-2M</tds:Model><tds:FirmwareVersion>"
           "2.8.1</tds:FirmwareVersion></tds:GetDeviceInformationResponse>");
}

static void get_hostname(struct request *rq)
{
    char name[65] = "", text[256];

    gethostname(name, sizeof(name) - 1);
    snprintf(text, sizeof(text), "<tds:GetHostnameResponse><tt:Name>%s</tt:Name>"
             "</tds:GetHostnameResponse>", name);
    ok(rq, text);
}

static void set_hostname(struct request *rq)
{
    char *name = tag_text(rq->body, "Name");

    if (!name) {
        fault(rq, "Name missing");
        return;
    }
    entities(name);
    if (!name_valid(name)) {
        fault(rq, "InvalidHostname");
        free(name);
        return;
    }
    if (sysf("hostname %s && echo %s > /etc/hostname", name, name) != 0)
        fault(rq, "hostname failed");
    else
        ok(rq, "<tds:SetHostnameResponse/>");
    free(name);
}

static void set_date(struct request *rq)
{
    static const char *const part[] = { "Year", "Month", "Day", "Hour", "Minute", "Second" };
    int v[6];
    struct tm tm;
    struct timeval tv;
    int i;

    for (i = 0; i < 6; i++) {
        char *t = tag_text(rq->body, part[i]);

        if (!t) {
            fault(rq, "InvalidDateTime");
            return;
        }
        v[i] = atoi(t);
        free(t);
    }
    memset(&tm, 0, sizeof(tm));
    tm.tm_year = v[0] - 1900;
    tm.tm_mon = v[1] - 1;
    tm.tm_mday = v[2];
    tm.tm_hour = v[3];
    tm.tm_min = v[4];
    tm.tm_sec = v[5];
    memset(&tv, 0, sizeof(tv));
    tv.tv_sec = timegm(&tm);
    if (settimeofday(&tv, NULL) < 0 || sysf("hwclock -u -w") != 0)
        fault(rq, "clock");
    else
        ok(rq, "<tds:SetSystemDateAndTimeResponse/>");
}

static void reboot_device(struct request *rq)
{
    ok(rq, "<tds:SystemRebootResponse><tds:Message>Rebooting</tds:Message>"
           "</tds:SystemRebootResponse>");
    fflush(rq->out);
    sysf("sleep %d; reboot", 2);
}

static const struct {
    const char *action;
    void (*fn)(struct request *rq);
} actions[] = {
    { "GetDeviceInformation", get_information },
    { "GetHostname",          get_hostname },
    { "SetHostname",          set_hostname },
    { "SetSystemDateAndTime", set_date },
    { "SystemReboot",         reboot_device },
};

static char *action_name(const char *body)
{
    const char *p = strstr(body, ":Body");
    const char *colon;

    if (!p || !(p = strchr(p, '>')) || !(p = strchr(p, '<')))
        return NULL;
    p++;
    colon = p + strcspn(p, ":> /");
    if (*colon == ':')
        p = colon + 1;
    return strndup(p, strcspn(p, "> /"));
}

static void serve(int fd)
{
    struct request rq = { NULL, NULL, NULL };
    FILE *in = fdopen(fd, "r");
    char *line = NULL;
    size_t cap = 0, want = 0, i;

    rq.out = fdopen(dup(fd), "w");
    if (!in || !rq.out)
        return;
    while (getline(&line, &cap, in) > 0) {
        if (line[0] == '\r' || line[0] == '\n')
            break;
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            want = strtoul(line + 15, NULL, 10);
    }
    free(line);
    if (want == 0 || want > BODY_MAX || !(rq.body = malloc(want + 1))) {
        fault(&rq, "length");
        goto out;
    }
    want = fread(rq.body, 1, want, in);
    rq.body[want] = '\0';
    rq.action = action_name(rq.body);
    for (i = 0; rq.action && i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].action, rq.action) == 0) {
            actions[i].fn(&rq);
            goto out;
        }
    fault(&rq, "ActionNotSupported");
out:
    free(rq.action);
    free(rq.body);
    fclose(rq.out);
    fclose(in);
}

int main(void)
{
    struct sockaddr_in sin = { 0 };
    int on = 1, s = socket(AF_INET, SOCK_STREAM, 0);

    signal(SIGCHLD, SIG_IGN);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(DEVMGMT_PORT);
    if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(s, 5) < 0) {
        perror("devmgmt");
        return 1;
    }
    for (;;) {
        int fd = accept(s, NULL, NULL);

        if (fd < 0)
            continue;
        if (fork() == 0) {
            signal(SIGCHLD, SIG_DFL);
            close(s);
            alarm(20);
            serve(fd);
            _exit(0);
        }
        close(fd);
    }
}
