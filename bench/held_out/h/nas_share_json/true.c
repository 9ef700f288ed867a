// nas-rpcd: JSON-RPC endpoint of the NAS management plane
#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <netinet/in.h>

#define MAX_SHARES 24
#define MAX_PARAMS 8

typedef struct {
    char name[80];
    char comment[64];
    uint32_t quota_mb;
    bool pending;
    bool used;
} share_t;

typedef struct {
    char key[24];
    char val[128];
} param_t;

typedef struct {
    char method[32];
    int id;
    param_t params[MAX_PARAMS];
    int nparams;
} rpc_req_t;

typedef struct {
    int port;
    char volume[64];
    time_t started;
    share_t *shares;
    unsigned long served;
} nas_ctx_t;

typedef struct {
    const char *p;
    const char *end;
} jcur_t;

/* ---- json ------------------------------------------------------------ */

static void j_ws(jcur_t *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
        c->p++;
}

static bool j_ch(jcur_t *c, char ch)
{
    j_ws(c);
    if (c->p < c->end && *c->p == ch) {
        c->p++;
        return true;
    }
    return false;
}

static int j_hex4(jcur_t *c)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        if (c->p >= c->end)
            return -1;
        char h = *c->p++;
        if (h >= '0' && h <= '9') v = v * 16 + h - '0';
        else if (h >= 'a' && h <= 'f') v = v * 16 + h - 'a' + 10;
        else if (h >= 'A' && h <= 'F') v = v * 16 + h - 'A' + 10;
        else return -1;
    }
    return v;
}

static bool j_str(jcur_t *c, char *out, size_t cap)
{
    size_t n = 0;
    if (!j_ch(c, '"'))
        return false;
    while (c->p < c->end) {
        int ch = (unsigned char)*c->p++;
        if (ch == '"') {
            out[n] = '\0';
            return true;
        }
        if (ch == '\\') {
            if (c->p >= c->end)
                return false;
            ch = (unsigned char)*c->p++;
            switch (ch) {
            case 'n': ch = '\n'; break;
            case 't': ch = '\t'; break;
            case 'r': ch = '\r'; break;
            case 'u':
                ch = j_hex4(c);
                if (ch <= 0 || ch > 126)
                    ch = '?';
                break;
            default: break;
            }
        }
        if (n + 1 >= cap)
            return false;
        out[n++] = (char)ch;
    }
    return false;
}

static bool j_num(jcur_t *c, char *out, size_t cap)
{
    size_t n = 0;
    j_ws(c);
    while (c->p < c->end && ((*c->p >= '0' && *c->p <= '9') || *c->p == '-')) {
        if (n + 1 >= cap)
            return false;
        out[n++] = *c->p++;
    }
    out[n] = '\0';
    return n > 0;
}

static bool j_params(jcur_t *c, rpc_req_t *rq)
{
    if (!j_ch(c, '{'))
        return false;
    if (j_ch(c, '}'))
        return true;
    do {
        if (rq->nparams >= MAX_PARAMS)
            return false;
        param_t *pm = &rq->params[rq->nparams];
        if (!j_str(c, pm->key, sizeof pm->key) || !j_ch(c, ':'))
            return false;
        j_ws(c);
        bool ok = (c->p < c->end && *c->p == '"') ? j_str(c, pm->val, sizeof pm->val)
                                                  : j_num(c, pm->val, sizeof pm->val);
        if (!ok)
            return false;
        rq->nparams++;
    } while (j_ch(c, ','));
    return j_ch(c, '}');
}

static bool rpc_parse(rpc_req_t *rq, const char *buf, size_t len)
{
    jcur_t c = { buf, buf + len };
    char key[24], num[16];

    memset(rq, 0, sizeof *rq);
    if (!j_ch(&c, '{'))
        return false;
    do {
        if (!j_str(&c, key, sizeof key) || !j_ch(&c, ':'))
            return false;
        if (!strcmp(key, "method")) {
            if (!j_str(&c, rq->method, sizeof rq->method))
                return false;
        } else if (!strcmp(key, "id")) {
            if (!j_num(&c, num, sizeof num))
                return false;
            rq->id = atoi(num);
        } else if (!strcmp(key, "params")) {
            if (!j_params(&c, rq))
                return false;
        } else {
            return false;
        }
    } while (j_ch(&c, ','));
    return j_ch(&c, '}') && rq->method[0];
}

static const char *rpc_param(const rpc_req_t *rq, const char *key)
{
    for (int i = 0; i < rq->nparams; i++)
        if (!strcmp(rq->params[i].key, key))
            return rq->params[i].val;
    return NULL;
}

/* ---- shell ----------------------------------------------------------- */

/* out = 'in' as one shell word; false when it does not fit */
static bool sh_word(char *out, size_t cap, const char *in)
{
    size_t n = 0;
    if (cap < 3)
        return false;
    out[n++] = '\'';
    for (; *in; in++) {
        if (n + 2 >= cap)
            return false;
        if (*in == '/' || *in == '\\') {
            out[n++] = '_';
            continue;
        }
        out[n++] = *in;
    }
    out[n++] = '\'';
    out[n] = '\0';
    return true;
}

static int run_tool(const char *cmd, char *res, size_t cap)
{
    FILE *f = popen(cmd, "r");
    if (!f)
        return -1;
    if (!fgets(res, (int)cap, f))
        res[0] = '\0';
    return pclose(f);
}

/* ---- methods --------------------------------------------------------- */

static int m_disk_info(nas_ctx_t *cx, const rpc_req_t *rq, char *res, size_t cap)
{
    struct statvfs sv;
    (void)rq;
    if (statvfs(cx->volume, &sv) < 0)
        return -1;
    snprintf(res, cap, "{\"free_mb\":%lu}", (unsigned long)(sv.f_bavail / 256));
    return 0;
}

static int m_share_commit(nas_ctx_t *cx, const rpc_req_t *rq, char *res, size_t cap)
{
    char word[400], cmd[640], line[64];
    int done = 0;
    (void)rq;
    for (int i = 0; i < MAX_SHARES; i++) {
        share_t *s = &cx->shares[i];
        if (!s->used || !s->pending)
            continue;
        s->pending = false;
        if (!sh_word(word, sizeof word, s->name))
            continue;
        int n = snprintf(cmd, sizeof cmd, "cd /volume1 && mkshare --quota %u -- %s 2>&1",
                         s->quota_mb, word);
        if (n < 0 || n >= (int)sizeof cmd)
            continue;
        if (run_tool(cmd, line, sizeof line) == 0)
            done++;
    }
    snprintf(res, cap, "{\"committed\":%d}", done);
    return 0;
}

static int m_share_create(nas_ctx_t *cx, const rpc_req_t *rq, char *res, size_t cap)
{
    const char *name = rpc_param(rq, "name");
    const char *quota = rpc_param(rq, "quota");
    const char *comment = rpc_param(rq, "comment");

    if (!name || !*name || strlen(name) >= sizeof cx->shares[0].name)
        return -1;
    for (int i = 0; i < MAX_SHARES; i++) {
        share_t *s = &cx->shares[i];
        if (s->used)
            continue;
        snprintf(s->name, sizeof s->name, "%s", name);
        snprintf(s->comment, sizeof s->comment, "%s", comment ? comment : "");
        s->quota_mb = quota ? (uint32_t)strtoul(quota, NULL, 10) : 0;
        s->used = s->pending = true;
        snprintf(res, cap, "{\"slot\":%d}", i);
        return 0;
    }
    return -1;
}

static int m_share_list(nas_ctx_t *cx, const rpc_req_t *rq, char *res, size_t cap)
{
    int n = 0, pend = 0;
    (void)rq;
    for (int i = 0; i < MAX_SHARES; i++) {
        n += cx->shares[i].used;
        pend += cx->shares[i].pending;
    }
    snprintf(res, cap, "{\"shares\":%d,\"pending\":%d}", n, pend);
    return 0;
}

static int m_sys_uptime(nas_ctx_t *cx, const rpc_req_t *rq, char *res, size_t cap)
{
    (void)rq;
    snprintf(res, cap, "{\"uptime\":%ld,\"served\":%lu}", (long)(time(NULL) - cx->started), cx->served);
    return 0;
}

typedef struct {
    const char *name;
    int (*fn)(nas_ctx_t *, const rpc_req_t *, char *, size_t);
} method_t;

static const method_t methods[] = {     /* keep sorted */
    { "disk.info", m_disk_info },
    { "share.commit", m_share_commit },
    { "share.create", m_share_create },
    { "share.list", m_share_list },
    { "sys.uptime", m_sys_uptime },
};

static int cmp_method(const void *k, const void *e)
{
    return strcmp(k, ((const method_t *)e)->name);
}

static void rpc_serve(nas_ctx_t *cx, int fd)
{
    char buf[2048], res[256] = "null", out[384];
    rpc_req_t rq;
    int rc = -32600;

    ssize_t n = recv(fd, buf, sizeof buf, 0);
    if (n <= 0)
        return;
    if (rpc_parse(&rq, buf, (size_t)n)) {
        const method_t *m = bsearch(rq.method, methods, sizeof methods / sizeof methods[0],
                                    sizeof methods[0], cmp_method);
        rc = m ? m->fn(cx, &rq, res, sizeof res) : -32601;
        cx->served++;
    }
    n = snprintf(out, sizeof out, "{\"id\":%d,\"code\":%d,\"result\":%s}\n", rq.id, rc, res);
    send(fd, out, (size_t)n, MSG_NOSIGNAL);
}

static bool load_conf(nas_ctx_t *cx, const char *path)
{
    char line[160];
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (!strncmp(line, "rpc_port=", 9))
            cx->port = atoi(line + 9);
        else if (!strncmp(line, "volume=", 7))
            snprintf(cx->volume, sizeof cx->volume, "%s", line + 7);
    }
    fclose(f);
    return cx->port > 0 && cx->port < 65536;
}

int main(int argc, char **argv)
{
    nas_ctx_t *cx = calloc(1, sizeof *cx);
    if (!cx || !(cx->shares = calloc(MAX_SHARES, sizeof(share_t))))
        return 1;
    snprintf(cx->volume, sizeof cx->volume, "/volume1");
    if (!load_conf(cx, argc > 1 ? argv[1] : "/etc/nas/rpcd.conf"))
        return 1;
    cx->started = time(NULL);

    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)cx->port) };
    if (bind(s, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(s, 8) < 0)
        return 1;
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        rpc_serve(cx, c);
        close(c);
    }
}
