/*
 * backup.cgi - "Backup Station" page backend. The browser posts one XML
 * document with a list of jobs; they are run one after the other.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#define POST_LIMIT 20000

typedef enum { KIND_NONE, KIND_FULL, KIND_INCR, KIND_CONFIG } backup_kind;
typedef enum { JOB_NEW, JOB_READY, JOB_RAN, JOB_BROKEN } job_state;

typedef struct backup_job {
    struct backup_job *next;
    backup_kind kind;
    job_state state;
    int volume;
    int keep;
    char note[80];
    int status;
    long size;
} backup_job;

typedef struct {
    backup_job *first, **last;
    int count;
    int dry_run;
    char user[32];
} backup_plan;

/* ------------------------------------------------------------------ */
/* small xml helpers: no attributes, no comments, entities &lt; etc.   */

static const char *xml_element(const char *from, const char *end, const char *tag, const char **inner, size_t *len)
{
    char open[40], close[40];
    const char *a, *b;

    snprintf(open, sizeof open, "<%s>", tag);
    snprintf(close, sizeof close, "</%s>", tag);
    a = strstr(from, open);
    if (!a || a >= end)
        return NULL;
    a += strlen(open);
    b = strstr(a, close);
    if (!b || b >= end)
        return NULL;
    *inner = a;
    *len = (size_t)(b - a);
    return b + strlen(close);
}

static void xml_text(char *dst, size_t cap, const char *s, size_t n)
{
    static const struct { const char *ent; size_t len; char ch; } ents[] = {
        { "&lt;", 4, '<' }, { "&gt;", 4, '>' }, { "&amp;", 5, '&' },
        { "&quot;", 6, '"' }, { "&apos;", 6, '\'' },
    };
    size_t o = 0, i = 0, e;

    while (i < n && o + 1 < cap) {
        for (e = 0; s[i] == '&' && e < 5; e++)
            if (ents[e].len <= n - i && !strncmp(s + i, ents[e].ent, ents[e].len))
                break;
        if (s[i] == '&' && e < 5) {
            dst[o++] = ents[e].ch;
            i += ents[e].len;
        } else {
            dst[o++] = s[i++];
        }
    }
    dst[o] = 0;
}

/* ------------------------------------------------------------------ */

/* the note goes into the archive label, the label is "..." on the command line */
static int encode_note(char *dst, size_t cap, const char *note)
{
    size_t o = 0;
    for (; *note; note++) {
        unsigned char c = (unsigned char)*note;
        if (o + 3 > cap)
            return -1;
        if (c == '"' || c == '\\' || c == '`') {
            dst[o++] = '\\';
            dst[o++] = (char)c;
        } else {
            dst[o++] = c < ' ' ? ' ' : (char)c;
        }
    }
    dst[o] = 0;
    return 0;
}

static FILE *command(const char *fmt, ...)
{
    char *line = NULL;
    FILE *p;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&line, fmt, ap) < 0)
        line = NULL;
    va_end(ap);
    if (!line)
        return NULL;
    p = popen(line, "r");
    free(line);
    return p;
}

static int finish(FILE *p, long *bytes)
{
    char out[128];
    if (!p)
        return -1;
    while (fgets(out, sizeof out, p))
        if (!strncmp(out, "Total bytes", 11) && strchr(out, ':'))
            *bytes = atol(strchr(out, ':') + 1);
    return pclose(p);
}

static int run_full(backup_job *j)
{
    char label[200];
    if (encode_note(label, sizeof label, j->note) < 0)
        return -1;
    return finish(command("tar -c --totals -V \"%s\" -f /backup/full-%d-%ld.tar /volume%d 2>&1",
                          label, j->volume, (long)time(NULL), j->volume), &j->size);
}

static int run_incr(backup_job *j)
{
    return finish(command("tar -c --totals -g /backup/snar.%d -f /backup/incr-%d-%ld.tar /volume%d 2>&1",
                          j->volume, j->volume, (long)time(NULL), j->volume), &j->size);
}

static int run_config(backup_job *j)
{
    return finish(command("tar -c --totals -f /backup/config-%ld.tar /etc/config 2>&1", (long)time(NULL)), &j->size);
}

static int prune(backup_job *j)
{
    long dummy = 0;
    if (j->keep < 1 || j->keep > 99)
        return 0;
    return finish(command("/usr/sbin/prune-archives %d %d", j->volume, j->keep), &dummy);
}

static const struct {
    backup_kind kind;
    const char *word;
    int (*run)(backup_job *);
} kinds[] = {
    { KIND_FULL, "full", run_full },
    { KIND_INCR, "incremental", run_incr },
    { KIND_CONFIG, "config", run_config },
};
#define NKINDS (sizeof kinds / sizeof kinds[0])

/* ------------------------------------------------------------------ */

static int number_of(const char *s, const char *end, const char *tag, int dflt)
{
    const char *in;
    size_t n;
    char tmp[12];
    if (!xml_element(s, end, tag, &in, &n))
        return dflt;
    xml_text(tmp, sizeof tmp, in, n);
    return atoi(tmp);
}

static void job_check(backup_job *j)
{
    if (j->kind == KIND_NONE || j->volume < 1 || j->volume > 8)
        j->state = JOB_BROKEN;
    else
        j->state = JOB_READY;
}

static void add_job(backup_plan *pl, const char *s, size_t n)
{
    const char *end = s + n, *in;
    size_t len, i;
    char word[20];
    backup_job *j = calloc(1, sizeof *j);

    if (!j)
        return;
    if (xml_element(s, end, "kind", &in, &len)) {
        xml_text(word, sizeof word, in, len);
        for (i = 0; i < NKINDS; i++)
            if (!strcasecmp(kinds[i].word, word))
                j->kind = kinds[i].kind;
    }
    j->volume = number_of(s, end, "volume", 1);
    j->keep = number_of(s, end, "keep", 0);
    if (xml_element(s, end, "note", &in, &len))
        xml_text(j->note, sizeof j->note, in, len);
    job_check(j);
    *pl->last = j;
    pl->last = &j->next;
    pl->count++;
}

static void parse_plan(backup_plan *pl, const char *doc, size_t n)
{
    const char *p = doc, *end = doc + n, *in;
    size_t len;
    while (pl->count < 16 && (p = xml_element(p, end, "job", &in, &len)) != NULL)
        add_job(pl, in, len);
    pl->dry_run = number_of(doc, end, "dryrun", 0);
}

static void run_plan(backup_plan *pl)
{
    backup_job *j;
    size_t i;
    for (j = pl->first; j; j = j->next) {
        if (j->state != JOB_READY || pl->dry_run)
            continue;
        for (i = 0; i < NKINDS; i++)
            if (kinds[i].kind == j->kind) {
                j->status = kinds[i].run(j);
                if (j->status == 0)
                    prune(j);
            }
        j->state = JOB_RAN;
    }
}

static void report(backup_plan *pl)
{
    backup_job *j;
    printf("Content-Type: text/xml\r\n\r\n<result user=\"%s\">\n", pl->user);
    for (j = pl->first; j; j = j->next)
        printf(" <job state=\"%d\" status=\"%d\" size=\"%ld\"/>\n", j->state, j->status, j->size);
    printf("</result>\n");
}

static char *slurp(size_t *n)
{
    const char *cl = getenv("CONTENT_LENGTH");
    size_t want, got;
    char *b;
    if (!cl || !isdigit((unsigned char)*cl))
        return NULL;
    want = strtoul(cl, NULL, 10);
    if (want == 0 || want > POST_LIMIT || !(b = malloc(want + 1)))
        return NULL;
    got = fread(b, 1, want, stdin);
    b[got] = 0;
    *n = got;
    return b;
}

int main(void)
{
    backup_plan pl;
    const char *user = getenv("REMOTE_USER");
    size_t n, i;
    char *doc;

    memset(&pl, 0, sizeof pl);
    pl.last = &pl.first;
    for (i = 0; user && user[i] && i < sizeof pl.user - 1; i++)
        pl.user[i] = isalnum((unsigned char)user[i]) ? user[i] : '_';
    doc = slurp(&n);
    if (!doc) {
        printf("Status: 400 Bad Request\r\n\r\n");
        return 0;
    }
    parse_plan(&pl, doc, n);
    run_plan(&pl);
    report(&pl);
    free(doc);
    return 0;
}
