/*
 * An RTSP responder: a request is split into the fields of a structure on the stack; the session's name and the
 * agent's are copied with strcpy from lines that may be far longer.
 */
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct request {
    char method[16];
    char track[48];
    char session[24];
    char agent[64];
    int sequence;
    int port_low, port_high;
};

struct stream {
    const char *name;
    int width, height, rate;
    const char *codec;
};

static const struct stream streams[] = {
    {"main", 1920, 1080, 25, "H264/90000"},
    {"sub", 640, 360, 12, "H264/90000"},
    {"audio", 0, 0, 8000, "PCMU/8000"},
};

static unsigned long requests;
static unsigned session_number = 0x1000;

static void copy_field(char *to, size_t size, const char *from)
{
#ifdef BENIGN
    strncpy(to, from, size - 1);
    to[size - 1] = 0;
#else
    (void)size;
    strcpy(to, from);
#endif
}

static const struct stream *stream_by_name(const char *name)
{
    for (unsigned i = 0; i < sizeof streams / sizeof *streams; i++)
        if (!strcmp(streams[i].name, name))
            return &streams[i];
    return NULL;
}

static char *next_line(char **at)
{
    char *line = *at, *end;
    if (!line || !*line)
        return NULL;
    end = strstr(line, "\r\n");
    if (end) {
        *end = 0;
        *at = end + 2;
    } else {
        *at = NULL;
    }
    return line;
}

static void first_line(struct request *r, char *line)
{
    char *url = strchr(line, ' '), *slash, *end;
    if (!url)
        return;
    *url++ = 0;
    snprintf(r->method, sizeof r->method, "%.15s", line);
    end = strchr(url, ' ');
    if (end)
        *end = 0;
    slash = strrchr(url, '/');
    snprintf(r->track, sizeof r->track, "%.47s", slash ? slash + 1 : url);
}

static void header_line(struct request *r, char *line)
{
    char *value = strchr(line, ':');
    if (!value)
        return;
    *value++ = 0;
    while (isspace((unsigned char)*value))
        value++;
    if (!strcasecmp(line, "CSeq"))
        r->sequence = atoi(value);
    else if (!strcasecmp(line, "Session"))
        copy_field(r->session, sizeof r->session, value);
    else if (!strcasecmp(line, "User-Agent"))
        copy_field(r->agent, sizeof r->agent, value);
    else if (!strcasecmp(line, "Transport")) {
        char *p = strstr(value, "client_port=");
        if (p && sscanf(p, "client_port=%d-%d", &r->port_low, &r->port_high) != 2)
            r->port_low = 0;
    }
}

static int on_options(int c, const struct request *r)
{
    char text[160];
    int n = snprintf(text, sizeof text, "RTSP/1.0 200 OK\r\nCSeq: %d\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n",
                     r->sequence);
    return (int)send(c, text, (size_t)n, 0);
}

static int on_describe(int c, const struct request *r)
{
    const struct stream *s = stream_by_name(r->track);
    char sdp[256], text[512];
    int n;
    if (!s)
        s = &streams[0];
    n = snprintf(sdp, sizeof sdp, "v=0\r\ns=%s\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 %s\r\na=x-dim:%d,%d@%d\r\n", s->name,
                 s->codec, s->width, s->height, s->rate);
    n = snprintf(text, sizeof text, "RTSP/1.0 200 OK\r\nCSeq: %d\r\nContent-Length: %d\r\n\r\n%s", r->sequence, n, sdp);
    return (int)send(c, text, (size_t)n, 0);
}

static int on_setup(int c, const struct request *r)
{
    char text[200];
    int n = snprintf(text, sizeof text, "RTSP/1.0 200 OK\r\nCSeq: %d\r\nSession: %08X;timeout=60\r\nTransport: %d-%d\r\n\r\n",
                     r->sequence, session_number++, r->port_low, r->port_high);
    return (int)send(c, text, (size_t)n, 0);
}

static int on_play(int c, const struct request *r)
{
    char text[160];
    int known = strtoul(r->session, NULL, 16) < session_number;
    int n = snprintf(text, sizeof text, "RTSP/1.0 %s\r\nCSeq: %d\r\n\r\n", known ? "200 OK" : "454 Session Not Found",
                     r->sequence);
    return (int)send(c, text, (size_t)n, 0);
}

static const struct {
    const char *method;
    int (*run)(int, const struct request *);
} methods[] = {{"OPTIONS", on_options}, {"DESCRIBE", on_describe}, {"SETUP", on_setup}, {"PLAY", on_play}};

static int one_request(int c, char *text)
{
    struct request r;
    char *at = text, *line;
    memset(&r, 0, sizeof r);
    line = next_line(&at);
    if (!line)
        return -1;
    first_line(&r, line);
    while ((line = next_line(&at)) != NULL)
        header_line(&r, line);
    requests++;
    for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++)
        if (!strcmp(methods[i].method, r.method))
            return methods[i].run(c, &r);
    fprintf(stderr, "%ld %s from %s\n", (long)time(NULL), r.method, r.agent);
    return -1;
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET};
    static char text[4096];
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    me.sin_port = htons(554);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 4) < 0)
        return 1;
    for (;;) {
        int c = accept(s, NULL, NULL);
        ssize_t n;
        if (c < 0)
            continue;
        while ((n = recv(c, text, sizeof text - 1, 0)) > 0) {
            text[n] = 0;
            if (one_request(c, text) < 0)
                break;
        }
        close(c);
    }
}
