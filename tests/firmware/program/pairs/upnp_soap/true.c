/*
 * A UPnP device: SOAP over HTTP. The connection is wrapped by fdopen, header lines are read with fgets, the body
 * with fread; XML tags are cut out by hand and an action's handler runs the update or forwards a port.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

struct http {
    FILE *stream;
    char method[12];
    char url[128];
    char action[64];
    long length;
    char *body;
};

struct action {
    const char *name;
    int (*invoke)(struct http *, char *answer, size_t size);
};

static int mappings, upgrades;
static time_t up_since;

static int vendor_system(const char *line)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)0);
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return pid > 0 ? 0 : -1;
}

/* The text between <name> and </name>, in memory of its own; NULL when it is not there. */
static char *tag_text(const char *xml, const char *name)
{
    char open[72], end[72], *from, *to, *out;
    snprintf(open, sizeof open, "<%.60s>", name);
    snprintf(end, sizeof end, "</%.60s>", name);
    from = strstr(xml, open);
    if (!from)
        return NULL;
    from += strlen(open);
    to = strstr(from, end);
    if (!to)
        return NULL;
    out = malloc((size_t)(to - from) + 1);
    if (!out)
        return NULL;
    memcpy(out, from, (size_t)(to - from));
    out[to - from] = 0;
    return out;
}

static int act_uptime(struct http *h, char *answer, size_t size)
{
    (void)h;
    snprintf(answer, size, "<NewUptime>%ld</NewUptime>", (long)(time(NULL) - up_since));
    return 0;
}

static int act_map(struct http *h, char *answer, size_t size)
{
    char line[160];
    char *port = tag_text(h->body, "NewExternalPort"), *client = tag_text(h->body, "NewInternalClient");
    struct in_addr a;
    int status = -1, number = port ? atoi(port) : 0;
    if (number > 0 && number < 65536 && client && inet_aton(client, &a)) {
        snprintf(line, sizeof line, "iptables -t nat -A UPNP -p tcp --dport %d -j DNAT --to %s", number, inet_ntoa(a));
        status = vendor_system(line);
        mappings++;
    }
    snprintf(answer, size, "<Mappings>%d</Mappings>", mappings);
    free(port);
    free(client);
    return status;
}

static int act_upgrade(struct http *h, char *answer, size_t size)
{
    char line[512];
    char *url = tag_text(h->body, "NewDownloadURL"), *status = tag_text(h->body, "NewStatusURL");
    if (!url || !status) {
        free(url);
        free(status);
        return -1;
    }
#ifdef BENIGN
    int a, b, c, d;
    if (sscanf(url, "%d.%d.%d.%d", &a, &b, &c, &d) == 4 && (a | b | c | d) >= 0 && a < 256 && b < 256 && c < 256 &&
        d < 256) {
        snprintf(line, sizeof line, "upg -g -U %d.%d.%d.%d -t '1' -f upgrade.bin", a, b, c, d);
        vendor_system(line);
    }
#else
    snprintf(line, sizeof line, "upg -g -U %s -t '1' -f upgrade.bin", url);
    vendor_system(line);
#endif
    upgrades++;
    snprintf(answer, size, "<Upgrades>%d</Upgrades>", upgrades);
    free(url);
    free(status);
    return 0;
}

static const struct action actions[] = {
    {"GetUptime", act_uptime},
    {"AddPortMapping", act_map},
    {"Upgrade", act_upgrade},
};

static int read_head(struct http *h)
{
    char line[512];
    if (!fgets(line, sizeof line, h->stream))
        return -1;
    if (sscanf(line, "%11s %127s", h->method, h->url) != 2)
        return -1;
    while (fgets(line, sizeof line, h->stream)) {
        if (line[0] == '\r' || line[0] == '\n')
            return 0;
        if (!strncasecmp(line, "Content-Length:", 15))
            h->length = strtol(line + 15, NULL, 10);
        else if (!strncasecmp(line, "SOAPAction:", 11)) {
            char *hash = strchr(line, '#');
            if (hash)
                sscanf(hash + 1, "%63[A-Za-z]", h->action);
        }
    }
    return -1;
}

static int read_body(struct http *h)
{
    size_t n;
    if (h->length <= 0 || h->length > 65536)
        return -1;
    h->body = malloc((size_t)h->length + 1);
    if (!h->body)
        return -1;
    n = fread(h->body, 1, (size_t)h->length, h->stream);
    h->body[n] = 0;
    return n == (size_t)h->length ? 0 : -1;
}

static void respond(struct http *h, int status, const char *inner)
{
    fprintf(h->stream, "HTTP/1.1 %d %s\r\nContent-Type: text/xml\r\n\r\n<s:Envelope><s:Body>%s</s:Body></s:Envelope>",
            status, status == 200 ? "OK" : "Internal Server Error", inner);
    fflush(h->stream);
}

static void connection(int fd)
{
    struct http h;
    char answer[256] = "";
    int status = 500;
    memset(&h, 0, sizeof h);
    h.stream = fdopen(fd, "r+");
    if (!h.stream) {
        close(fd);
        return;
    }
    if (read_head(&h) == 0 && !strcmp(h.method, "POST") && read_body(&h) == 0)
        for (unsigned i = 0; i < sizeof actions / sizeof actions[0]; i++)
            if (!strcmp(actions[i].name, h.action) && actions[i].invoke(&h, answer, sizeof answer) == 0)
                status = 200;
    respond(&h, status, answer);
    fclose(h.stream);
    free(h.body);
}

int main(void)
{
    struct sockaddr_in me;
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    signal(SIGPIPE, SIG_IGN);
    up_since = time(NULL);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(37215);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 10) < 0)
        return 1;
    while (1) {
        int c = accept(s, NULL, NULL);
        if (c >= 0)
            connection(c);
    }
}
