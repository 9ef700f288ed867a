#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SOAP_PORT     8899
#define SOAP_MAX      8192

typedef struct {
    int   sock;
    char *raw;
    int   raw_len;
    char *body;
    int   body_len;
    int   keep;
} soap_req_t;

static int soap_send(int s, const char *p, int n)
{
    while (n > 0) {
        int w = send(s, p, n, 0);
        if (w <= 0)
            return -1;
        p += w;
        n -= w;
    }
    return 0;
}

static void soap_reply(soap_req_t *r, int code, const char *inner)
{
    char hdr[160];
    char xml[640];
    int n;

    n = snprintf(xml, sizeof(xml),
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">"
        "<s:Body>%s</s:Body></s:Envelope>", inner);
    if (n >= (int)sizeof(xml))
        n = sizeof(xml) - 1;
    snprintf(hdr, sizeof(hdr), "HTTP/1.1 %d OK\r\nContent-Type: application/soap+xml\r\n"
        "Content-Length: %d\r\nConnection: close\r\n\r\n", code, n);
    soap_send(r->sock, hdr, strlen(hdr));
    soap_send(r->sock, xml, n);
}

static const char *skip_prefix(const char *p)
{
    const char *q = p;

    while (*q && *q != ':' && *q != '>' && *q != ' ' && *q != '<')
        q++;
    return *q == ':' ? q + 1 : p;
}

static const char *find_open(const char *xml, const char *tag)
{
    size_t tl = strlen(tag);
    const char *p = xml;

    while ((p = strchr(p, '<')) != NULL) {
        const char *n = skip_prefix(++p);
        if (strncmp(n, tag, tl) == 0 && (n[tl] == '>' || n[tl] == ' ')) {
            n = strchr(n, '>');
            return n ? n + 1 : NULL;
        }
    }
    return NULL;
}

static char *dup_text(const char *from)
{
    const char *e = strchr(from, '<');
    char *out;

    if (!e)
        return NULL;
    out = malloc(e - from + 1);
    if (!out)
        return NULL;
    memcpy(out, from, e - from);
    out[e - from] = 0;
    return out;
}

static char *xml_value(const char *xml, const char *tag)
{
    const char *p = find_open(xml, tag);

    return p ? dup_text(p) : NULL;
}

static int wait_child(pid_t pid)
{
    int st = 0;

    while (waitpid(pid, &st, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static int run_tool(const char *tool, const char *arg)
{
    char *argv[4];
    char *envp[2];
    pid_t pid;

    argv[0] = (char *)tool;
    argv[1] = "--";
    argv[2] = (char *)arg;
    argv[3] = NULL;
    envp[0] = "PATH=/bin:/sbin:/usr/bin:/usr/sbin";
    envp[1] = NULL;
    pid = fork();
    if (pid == 0) {
        execve(tool, argv, envp);
        _exit(127);
    }
    return pid > 0 ? wait_child(pid) : -1;
}

static int set_hostname_file(const char *name)
{
    FILE *f = fopen("/mnt/mtd/etc/hostname", "w");

    if (!f)
        return -1;
    fprintf(f, "%s\n", name);
    fclose(f);
    return 0;
}

static int do_set_hostname(const char *body)
{
    char *name = xml_value(body, "Name");
    int rc = -1;

    if (!name)
        return -1;
    if (name[0] && strlen(name) < 64) {
        set_hostname_file(name);
        rc = run_tool("/bin/hostname", name);
    }
    free(name);
    return rc;
}

static int do_get_hostname(char *out, size_t sz)
{
    char host[65];

    if (gethostname(host, sizeof(host)) < 0)
        return -1;
    host[64] = 0;
    snprintf(out, sz, "<tds:GetHostnameResponse><tt:Name>%s</tt:Name></tds:GetHostnameResponse>", host);
    return 0;
}

static int do_set_ntp(const char *body)
{
    char *mode = xml_value(body, "FromDHCP");
    FILE *f;

    if (!mode)
        return -1;
    f = fopen("/mnt/mtd/etc/ntp.mode", "w");
    if (f) {
        fputs(strcmp(mode, "true") == 0 ? "dhcp\n" : "manual\n", f);
        fclose(f);
    }
    free(mode);
    return f ? 0 : -1;
}

static void soap_dispatch(soap_req_t *r)
{
    char inner[256];

    if (find_open(r->body, "SetHostname")) {
        int rc = do_set_hostname(r->body);
        soap_reply(r, rc == 0 ? 200 : 400, "<tds:SetHostnameResponse/>");
    } else if (find_open(r->body, "SetNTP")) {
        soap_reply(r, do_set_ntp(r->body) == 0 ? 200 : 400, "<tds:SetNTPResponse/>");
    } else if (find_open(r->body, "GetHostname") && do_get_hostname(inner, sizeof(inner)) == 0) {
        soap_reply(r, 200, inner);
    } else {
        soap_reply(r, 400, "<s:Fault/>");
    }
}

static int content_length(const char *hdr)
{
    const char *p = strstr(hdr, "Content-Length:");

    return p ? atoi(p + 15) : 0;
}

static int soap_read(soap_req_t *r)
{
    int need = -1;

    r->raw_len = 0;
    while (r->raw_len < SOAP_MAX) {
        int n = recv(r->sock, r->raw + r->raw_len, SOAP_MAX - r->raw_len, 0);
        if (n <= 0)
            break;
        r->raw_len += n;
        r->raw[r->raw_len] = 0;
        if (need < 0) {
            r->body = strstr(r->raw, "\r\n\r\n");
            if (!r->body)
                continue;
            r->body += 4;
            need = content_length(r->raw);
        }
        if (r->raw_len - (r->body - r->raw) >= need)
            break;
    }
    return r->body ? 0 : -1;
}

static void soap_client(int s)
{
    struct timeval tv = { 10, 0 };
    soap_req_t r;

    memset(&r, 0, sizeof(r));
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    r.sock = s;
    r.raw = calloc(1, SOAP_MAX + 1);
    if (!r.raw)
        return;
    if (soap_read(&r) == 0)
        soap_dispatch(&r);
    free(r.raw);
}

static int soap_listen(void)
{
    struct sockaddr_in sa;
    int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);

    if (s < 0)
        return -1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&sa, 0, sizeof(sa));
    sa.sin_family = AF_INET;
    sa.sin_port = htons(SOAP_PORT);
    if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 4) < 0) {
        close(s);
        return -1;
    }
    return s;
}

int main(void)
{
    int ls = soap_listen();

    if (ls < 0) {
        perror("soapd");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int c = accept(ls, NULL, NULL);
        if (c < 0)
            continue;
        soap_client(c);
        close(c);
    }
}
