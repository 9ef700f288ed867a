/* ippd.c -- minimal Internet Printing Protocol responder for the print server card */
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <time.h>

#define IPP_PORT 631
#define IPP_MAX  16384

typedef unsigned char byte;

typedef struct attr_st {
    byte tag;
    unsigned name_len, val_len;
    const byte *name, *val;
} ATTR;

typedef struct ijob_st {
    int id;
    int state;
    time_t created;
    char user[32];
    char *doc_uri;
    unsigned long octets;
    struct ijob_st *next;
} IJOB;

#define JOB_PENDING   3
#define JOB_DONE      9
#define JOB_CANCELED  7

#define OP_PRINT_JOB      0x0002
#define OP_PRINT_URI      0x0003
#define OP_CANCEL_JOB     0x0008
#define OP_GET_JOBS       0x000a
#define OP_GET_PRINTER    0x000b

static IJOB *g_jobs;
static int g_next_id = 1;
static char g_info[64] = "Parallel port";
static int g_fd;
static byte g_out[1024];
static unsigned g_outn;

static unsigned W(const byte *p) { return (unsigned)p[0] << 8 | p[1]; }

/* ---- output ---- */
static void o_byte(int b) { if (g_outn < sizeof g_out) g_out[g_outn++] = (byte)b; }
static void o_word(unsigned w) { o_byte(w >> 8 & 255); o_byte(w & 255); }
static void o_attr(int tag, const char *name, const char *val)
{
    unsigned i, nl = strlen(name), vl = strlen(val);
    o_byte(tag);
    o_word(nl);
    for (i = 0; i < nl; i++) o_byte(name[i]);
    o_word(vl);
    for (i = 0; i < vl; i++) o_byte(val[i]);
}
static void o_int(const char *name, unsigned long v)
{
    unsigned i, nl = strlen(name);
    o_byte(0x21);
    o_word(nl);
    for (i = 0; i < nl; i++) o_byte(name[i]);
    o_word(4);
    o_word(v >> 16 & 0xffff);
    o_word(v & 0xffff);
}

/* ---- attributes ---- */
static const byte *next_attr(const byte *p, const byte *end, ATTR *a)
{
    for (;;) {
        if (p >= end || *p == 0x03)
            return NULL;
        a->tag = *p++;
        if (a->tag >= 0x10)
            break;
    }
    if (end - p < 2) return NULL;
    a->name_len = W(p);
    p += 2;
    if ((size_t)(end - p) < a->name_len + 2u) return NULL;
    a->name = p;
    p += a->name_len;
    a->val_len = W(p);
    p += 2;
    if ((size_t)(end - p) < a->val_len) return NULL;
    a->val = p;
    return p + a->val_len;
}

static int find_attr(const byte *p, const byte *end, const char *name, ATTR *a)
{
    unsigned n = strlen(name);
    while ((p = next_attr(p, end, a)) != NULL)
        if (a->name_len == n && !memcmp(a->name, name, n))
            return 1;
    return 0;
}

static int hexd(int c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* the last path element of the uri, unescaped, is the document's name */
static char *uri_leaf(const byte *v, unsigned n)
{
    char leaf[96];
    unsigned i, o = 0, start = 0;

    for (i = 0; i < n; i++)
        if (v[i] == '/')
            start = i + 1;
    for (i = start; i < n; i++) {
        if (v[i] == '?' || v[i] == '#')
            break;
        if (v[i] == '%' && i + 2 < n && hexd(v[i + 1]) >= 0 && hexd(v[i + 2]) >= 0) {
            leaf[o++] = (char)(hexd(v[i + 1]) << 4 | hexd(v[i + 2]));
            i += 2;
        } else
            leaf[o++] = (char)v[i];
    }
    leaf[o] = 0;
    return strdup(leaf);
}

static IJOB *job_new(void)
{
    IJOB *j = calloc(1, sizeof *j), **pp;
    int n = 0;
    if (!j) return NULL;
    j->id = g_next_id++;
    j->created = time(NULL);
    j->state = JOB_PENDING;
    for (pp = &g_jobs; *pp; pp = &(*pp)->next)
        n++;
    *pp = j;
    if (n >= 40) {
        IJOB *old = g_jobs;
        g_jobs = old->next;
        free(old->doc_uri);
        free(old);
    }
    return j;
}

static void job_user(IJOB *j, const byte *p, const byte *end)
{
    ATTR a;
    if (find_attr(p, end, "requesting-user-name", &a)) {
        unsigned n = a.val_len < sizeof j->user - 1 ? a.val_len : sizeof j->user - 1;
        memcpy(j->user, a.val, n);
        j->user[n] = 0;
    } else
        strcpy(j->user, "anonymous");
}

static int op_print(const byte *p, const byte *end)
{
    IJOB *j = job_new();
    const byte *q = p;
    if (!j) return 0x0500;
    job_user(j, p, end);
    while (q < end && *q != 0x03) q++;
    j->octets = end - q;
    o_byte(0x02);
    o_int("job-id", j->id);
    return 0;
}

static int op_print_uri(const byte *p, const byte *end)
{
    ATTR a;
    IJOB *j;
    if (!find_attr(p, end, "document-uri", &a) || a.tag != 0x45)
        return 0x0400;
    j = job_new();
    if (!j) return 0x0500;
    job_user(j, p, end);
    j->doc_uri = uri_leaf(a.val, a.val_len);
    o_byte(0x02);
    o_int("job-id", j->id);
    return 0;
}

static int op_cancel(const byte *p, const byte *end)
{
    ATTR a;
    IJOB *j;
    if (!find_attr(p, end, "job-id", &a) || a.val_len != 4)
        return 0x0400;
    for (j = g_jobs; j; j = j->next)
        if (j->id == (int)(W(a.val) << 16 | W(a.val + 2))) {
            j->state = JOB_CANCELED;
            return 0;
        }
    return 0x0406;
}

static int op_jobs(const byte *p, const byte *end)
{
    IJOB *j;
    (void)p; (void)end;
    for (j = g_jobs; j; j = j->next) {
        o_byte(0x02);
        o_int("job-id", j->id);
        o_int("job-state", j->state);
        o_attr(0x42, "job-originating-user-name", j->user);
        if (j->doc_uri)
            o_attr(0x42, "document-name", j->doc_uri);
    }
    return 0;
}

static int op_printer(const byte *p, const byte *end)
{
    (void)p; (void)end;
    o_byte(0x04);
    o_attr(0x41, "printer-info", g_info);
    o_int("printer-state", g_jobs ? 4 : 3);
    return 0;
}

static struct { unsigned op; int (*fn)(const byte *, const byte *); } ops[] = {
    { OP_PRINT_JOB, op_print }, { OP_PRINT_URI, op_print_uri }, { OP_CANCEL_JOB, op_cancel },
    { OP_GET_JOBS, op_jobs }, { OP_GET_PRINTER, op_printer },
};

static void ipp_message(const byte *m, unsigned n)
{
    unsigned i;
    int st = 0x0501;
    if (n < 9) return;
    g_outn = 0;
    o_word(0x0101);
    o_word(0);
    o_word(W(m + 4));
    o_word(W(m + 6));
    o_byte(0x01);
    o_attr(0x47, "attributes-charset", "utf-8");
    for (i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (ops[i].op == W(m + 2))
            st = ops[i].fn(m + 8, m + n);
    g_out[2] = (byte)(st >> 8);
    g_out[3] = (byte)st;
    o_byte(0x03);
}

/* ---- http ---- */
static int get_header_line(char *b, int cap)
{
    int n = 0;
    char c;
    while (recv(g_fd, &c, 1, 0) == 1) {
        if (c == '\n') { b[n] = 0; return n; }
        if (c != '\r' && n < cap - 1) b[n++] = c;
    }
    return -1;
}

static void http_once(void)
{
    char line[256];
    long clen = -1, got = 0;
    byte *body;
    int n;

    if (get_header_line(line, sizeof line) <= 0 || strncmp(line, "POST ", 5))
        return;
    while ((n = get_header_line(line, sizeof line)) > 0)
        if (!strncasecmp(line, "Content-Length:", 15))
            clen = strtol(line + 15, NULL, 10);
    if (n < 0 || clen <= 0 || clen > IPP_MAX || !(body = malloc(clen)))
        return;
    while (got < clen) {
        ssize_t r = recv(g_fd, body + got, clen - got, 0);
        if (r <= 0) break;
        got += r;
    }
    if (got == clen) {
        ipp_message(body, (unsigned)clen);
        n = snprintf(line, sizeof line, "HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\n"
                     "Content-Length: %u\r\n\r\n", g_outn);
        send(g_fd, line, n, MSG_NOSIGNAL);
        send(g_fd, g_out, g_outn, MSG_NOSIGNAL);
    }
    free(body);
}

static void age_jobs(void)
{
    IJOB *j;
    for (j = g_jobs; j; j = j->next)
        if (j->state == JOB_PENDING && time(NULL) - j->created > 30)
            j->state = JOB_DONE;
}

int main(void)
{
    struct sockaddr_in sin;
    int s = socket(PF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    memset(&sin, 0, sizeof sin);
    sin.sin_family = AF_INET;
    sin.sin_port = htons(IPP_PORT);
    if (bind(s, (struct sockaddr *)&sin, sizeof sin) < 0 || listen(s, 2) < 0)
        return 1;
    for (;;) {
        g_fd = accept(s, NULL, NULL);
        if (g_fd < 0) continue;
        http_once();
        close(g_fd);
        age_jobs();
    }
}
