/* slrelay - collects RFC 3164 messages of the radios, normalises them
 * and appends them to one file; a receiver and a writer thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <errno.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define SL_PORT     5140
#define SL_MAXMSG   1024
#define SL_QUEUE    64
#define SL_FILE     "/tmp/radios.log"
#define SL_ROTATE   (512 * 1024L)

struct item {
    struct in_addr from;
    time_t when;
    size_t len;
    char text[SL_MAXMSG];
};

/* ring of pointers; empty when rd == wr */
static struct item *ring[SL_QUEUE];
static unsigned rd, wr;
static pthread_mutex_t mtx = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static unsigned long dropped, per_sev[8];

static void put(struct item *it)
{
    pthread_mutex_lock(&mtx);
    if (wr - rd == SL_QUEUE) {
        free(ring[rd++ % SL_QUEUE]);
        dropped++;
    }
    ring[wr++ % SL_QUEUE] = it;
    pthread_cond_signal(&more);
    pthread_mutex_unlock(&mtx);
}

/* waits up to a few seconds, NULL when nothing came */
static struct item *take(void)
{
    struct item *it = NULL;
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += 5;
    pthread_mutex_lock(&mtx);
    while (rd == wr)
        if (pthread_cond_timedwait(&more, &mtx, &ts) == ETIMEDOUT)
            break;
    if (rd != wr)
        it = ring[rd++ % SL_QUEUE];
    pthread_mutex_unlock(&mtx);
    return it;
}

static void *receiver(void *arg)
{
    int s = *(int *)arg;

    for (;;) {
        struct sockaddr_in sa;
        socklen_t sl = sizeof sa;
        struct item *it = malloc(sizeof *it);
        ssize_t n;

        if (!it) {
            sleep(1);
            continue;
        }
        n = recvfrom(s, it->text, sizeof it->text - 1, 0, (struct sockaddr *)&sa, &sl);
        if (n <= 0) {
            free(it);
            continue;
        }
        it->text[n] = '\0';
        it->len = (size_t)n;
        it->from = sa.sin_addr;
        it->when = time(NULL);
        put(it);
    }
    return NULL;
}

/* ------------------------------------------------------------------- */

static FILE *out;

static void reopen(void)
{
    if (out)
        fclose(out);
    out = fopen(SL_FILE, "a");
}

static void rotate_if_big(void)
{
    if (out && ftell(out) > SL_ROTATE) {
        fclose(out);
        out = NULL;
        rename(SL_FILE, SL_FILE ".0");
        reopen();
    }
}

static const char *sev_name(int sev)
{
    static const char *const n[8] = {
        "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"
    };
    return n[sev & 7];
}

/* "<13>" -> 13, moves *pp behind it */
static int take_pri(char **pp)
{
    char *p = *pp, *e;
    long v;

    if (*p != '<')
        return 13;
    v = strtol(p + 1, &e, 10);
    if (*e != '>' || v < 0 || v > 191)
        return 13;
    *pp = e + 1;
    return (int)v;
}

/* "Oct 11 22:14:15 " */
static void skip_stamp(char **pp)
{
    char *p = *pp;

    if (strlen(p) > 16 && isalpha((unsigned char)p[0]) && p[3] == ' ' &&
        p[6] == ' ' && p[9] == ':' && p[12] == ':' && p[15] == ' ')
        *pp = p + 16;
}

static char *take_word(char **pp, const char *stop)
{
    char *w = *pp;
    size_t n = strcspn(w, stop);

    *pp = w + n;
    if (**pp)
        *(*pp)++ = '\0';
    while (**pp == ' ')
        (*pp)++;
    return w;
}

static void clean(char *s)
{
    for (; *s; s++)
        if (iscntrl((unsigned char)*s))
            *s = ' ';
}

static void write_item(struct item *it)
{
    char line[256], when[24];
    char *p = it->text, *host, *tag;
    struct tm tm;
    int pri;

    pri = take_pri(&p);
    per_sev[pri & 7]++;
    skip_stamp(&p);
    clean(p);
    host = take_word(&p, " ");
    tag = take_word(&p, ":");
    if (*p == '\0') {            /* no tag at all */
        p = tag;
        tag = "-";
    }
    localtime_r(&it->when, &tm);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);

    sprintf(line, "%.20s %.15s %s %.31s %.31s: %.128s", when, inet_ntoa(it->from),
            sev_name(pri), host, tag, p);
    if (out)
        fprintf(out, "%s\n", line);
}

static void mark(time_t now)
{
    static time_t last;
    int i;

    if (!out || now - last < 60)
        return;
    last = now;
    fprintf(out, "-- mark dropped=%lu", dropped);
    for (i = 0; i < 8; i++)
        if (per_sev[i])
            fprintf(out, " %s=%lu", sev_name(i), per_sev[i]);
    fputc('\n', out);
    fflush(out);
}

static void *writer(void *arg)
{
    (void)arg;
    reopen();
    for (;;) {
        struct item *it = take();

        if (it) {
            write_item(it);
            free(it);
        } else if (out) {
            fflush(out);
        }
        rotate_if_big();
        mark(time(NULL));
    }
    return NULL;
}

int main(void)
{
    struct sockaddr_in sa;
    pthread_t a, b;
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(SL_PORT);
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    if (s < 0 || bind(s, (struct sockaddr *)&sa, sizeof sa) != 0) {
        perror("slrelay");
        return 1;
    }
    if (pthread_create(&a, NULL, receiver, &s) || pthread_create(&b, NULL, writer, NULL))
        return 1;
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    return 0;
}
