/*
 * rtspd.c -- RTSP control part of the four channel video recorder.
 * RTP itself is done by another process which reads the session table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define RTSP_PORT      554
#define MAX_SESSIONS   8
#define MAX_LINE       512
#define CHANNELS       4

struct session {
        char            id[20];
        int             channel;
        int             rtp_port;
        int             playing;
        time_t          touched;
};

struct request {
        char            method[16];
        char            url[256];
        int             cseq;
        int             channel;
        int             have_range;
        double          range_from;
        int             client_port;
        struct session *sess;
};

static struct session sessions[MAX_SESSIONS];
static pthread_mutex_t sess_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned sess_seed = 4711;

static const char *const ch_name[CHANNELS] = { "entrance", "yard", "cash", "store" };

/* ------------------------------------------------------------------ */

static struct session *sess_find(const char *id)
{
        int i;

        for (i = 0; i < MAX_SESSIONS; i++)
                if (sessions[i].id[0] && strcmp(sessions[i].id, id) == 0)
                        return &sessions[i];
        return NULL;
}

static struct session *sess_new(int channel)
{
        int i;

        for (i = 0; i < MAX_SESSIONS; i++)
                if (sessions[i].id[0] == '\0') {
                        struct session *s = &sessions[i];

                        snprintf(s->id, sizeof(s->id), "%08X", rand_r(&sess_seed));
                        s->channel = channel;
                        s->playing = 0;
                        s->touched = time(NULL);
                        return s;
                }
        return NULL;
}

static void *reaper(void *arg)
{
        (void)arg;
        for (;;) {
                int i;

                sleep(10);
                pthread_mutex_lock(&sess_lock);
                for (i = 0; i < MAX_SESSIONS; i++)
                        if (sessions[i].id[0] && time(NULL) - sessions[i].touched > 60)
                                sessions[i].id[0] = '\0';
                pthread_mutex_unlock(&sess_lock);
        }
        return NULL;
}

/* ------------------------------------------------------------------ */
/* header lines: each gets the text behind "Name:"                     */

static void h_cseq(struct request *r, const char *v)
{
        r->cseq = atoi(v);
}

static void h_session(struct request *r, const char *v)
{
        char id[32];

        if (sscanf(v, "%s", id) != 1)
                return;
        id[strcspn(id, ";")] = '\0';
        pthread_mutex_lock(&sess_lock);
        r->sess = sess_find(id);
        if (r->sess)
                r->sess->touched = time(NULL);
        pthread_mutex_unlock(&sess_lock);
}

static void h_transport(struct request *r, const char *v)
{
        char proto[24], cast[24];
        const char *p;
        int lo, hi;

        if (sscanf(v, " %23[^;];%23[^;]", proto, cast) != 2)
                return;
        if (strcasecmp(proto, "RTP/AVP") != 0 || strcasecmp(cast, "unicast") != 0)
                return;
        p = strstr(v, "client_port=");
        if (p && sscanf(p + 12, "%d-%d", &lo, &hi) == 2 && lo > 1023 && hi == lo + 1 && hi < 65536)
                r->client_port = lo;
}

static void h_range(struct request *r, const char *v)
{
        const char *p = strstr(v, "npt=");

        if (p) {
                r->range_from = strtod(p + 4, NULL);
                r->have_range = 1;
        }
}

static const struct {
        const char *name;
        void (*fn)(struct request *, const char *);
} headers[] = {
        { "CSeq",      h_cseq },
        { "Session",   h_session },
        { "Transport", h_transport },
        { "Range",     h_range },
};

static void header_line(struct request *r, char *line)
{
        char *colon = strchr(line, ':');
        size_t i;

        if (!colon)
                return;
        *colon++ = '\0';
        for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
                if (strcasecmp(line, headers[i].name) == 0)
                        headers[i].fn(r, colon);
}

/* ------------------------------------------------------------------ */
/* methods                                                              */

static int m_options(struct request *r, FILE *f)
{
        fprintf(f, "RTSP/1.0 200 OK\r\nCSeq: %d\r\n"
                "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n", r->cseq);
        return 0;
}

static int m_describe(struct request *r, FILE *f)
{
        char sdp[256];

        if (r->channel < 0)
                return 404;
        snprintf(sdp, sizeof(sdp), "v=0\r\ns=%s\r\nm=video 0 RTP/AVP 96\r\n"
                 "a=rtpmap:96 H264/90000\r\n", ch_name[r->channel]);
        fprintf(f, "RTSP/1.0 200 OK\r\nCSeq: %d\r\nContent-Type: application/sdp\r\n"
                "Content-Length: %u\r\n\r\n%s", r->cseq, (unsigned)strlen(sdp), sdp);
        return 0;
}

static int m_setup(struct request *r, FILE *f)
{
        struct session *s;

        if (r->channel < 0)
                return 404;
        if (!r->client_port)
                return 461;
        pthread_mutex_lock(&sess_lock);
        s = sess_new(r->channel);
        if (s)
                s->rtp_port = r->client_port;
        pthread_mutex_unlock(&sess_lock);
        if (!s)
                return 453;
        fprintf(f, "RTSP/1.0 200 OK\r\nCSeq: %d\r\nSession: %s;timeout=60\r\n"
                "Transport: RTP/AVP;unicast;client_port=%d-%d\r\n\r\n",
                r->cseq, s->id, r->client_port, r->client_port + 1);
        return 0;
}

static int m_play(struct request *r, FILE *f)
{
        if (!r->sess)
                return 454;
        r->sess->playing = 1;
        fprintf(f, "RTSP/1.0 200 OK\r\nCSeq: %d\r\nSession: %s\r\nRange: npt=%.3f-\r\n\r\n",
                r->cseq, r->sess->id, r->have_range ? r->range_from : 0.0);
        return 0;
}

static int m_teardown(struct request *r, FILE *f)
{
        if (!r->sess)
                return 454;
        pthread_mutex_lock(&sess_lock);
        r->sess->id[0] = '\0';
        pthread_mutex_unlock(&sess_lock);
        fprintf(f, "RTSP/1.0 200 OK\r\nCSeq: %d\r\n\r\n", r->cseq);
        return 0;
}

static const struct {
        const char *name;
        int (*fn)(struct request *, FILE *);
} methods[] = {
        { "OPTIONS", m_options }, { "DESCRIBE", m_describe }, { "SETUP", m_setup },
        { "PLAY", m_play }, { "TEARDOWN", m_teardown },
};

static int channel_of(const char *url)
{
        const char *slash = strrchr(url, '/');
        int i;

        for (i = 0; slash && i < CHANNELS; i++)
                if (strcmp(slash + 1, ch_name[i]) == 0)
                        return i;
        return -1;
}

static int one_request(FILE *in, FILE *out)
{
        struct request r;
        char line[MAX_LINE];
        int code = 501;
        size_t i;

        memset(&r, 0, sizeof(r));
        if (!fgets(line, sizeof(line), in))
                return -1;
        if (sscanf(line, "%15s %255s RTSP/1.0", r.method, r.url) != 2)
                return -1;
        r.channel = channel_of(r.url);
        while (fgets(line, sizeof(line), in)) {
                line[strcspn(line, "\r\n")] = '\0';
                if (line[0] == '\0')
                        break;
                header_line(&r, line);
        }
        for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
                if (strcmp(r.method, methods[i].name) == 0)
                        code = methods[i].fn(&r, out);
        if (code)
                fprintf(out, "RTSP/1.0 %d Error\r\nCSeq: %d\r\n\r\n", code, r.cseq);
        return fflush(out);
}

static void *client(void *arg)
{
        int fd = (int)(long)arg;
        FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");

        while (in && out && one_request(in, out) == 0)
                ;
        if (in)
                fclose(in);
        if (out)
                fclose(out);
        return NULL;
}

int main(void)
{
        struct sockaddr_in sa;
        pthread_t th;
        int ls, c, on = 1;

        signal(SIGPIPE, SIG_IGN);
        ls = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        memset(&sa, 0, sizeof(sa));
        sa.sin_family = AF_INET;
        sa.sin_addr.s_addr = htonl(INADDR_ANY);
        sa.sin_port = htons(RTSP_PORT);
        if (bind(ls, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(ls, 8) != 0) {
                fprintf(stderr, "rtspd: %s\n", strerror(errno));
                return 1;
        }
        pthread_create(&th, NULL, reaper, NULL);
        pthread_detach(th);
        for (;;) {
                c = accept(ls, NULL, NULL);
                if (c < 0)
                        continue;
                if (pthread_create(&th, NULL, client, (void *)(long)c) != 0)
                        close(c);
                else
                        pthread_detach(th);
        }
}
