#define _GNU_SOURCE
/* vpn.cgi - site-to-site peers of the gateway, called by the web server.
 *
 *   POST action=add    name, gateway, subnet, ident, psk
 *   POST action=remove name
 *   GET                list as JSON
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <time.h>
#include <unistd.h>
#include <sys/file.h>
#include <arpa/inet.h>

#define MAX_POST    8192
#define PEER_DB     "/etc/vpn/peers.db"
#define LOGFILE     "/var/log/vpncgi.log"

struct param {
    struct param *next;
    char *key;
    char *val;
};

struct peer {
    char name[32];
    char gateway[48];
    char subnet[48];
    char ident[64];
    char psk[64];
};

static struct param *params;

static void note(const char *what, const char *detail)
{
    FILE *f = fopen(LOGFILE, "a");
    char ts[32];
    time_t t = time(NULL);

    if (!f)
        return;
    strftime(ts, sizeof(ts), "%F %T", localtime(&t));
    fprintf(f, "%s %s %s\n", ts, what, detail ? detail : "");
    fclose(f);
}

static void answer(int status, const char *msg)
{
    printf("Status: %d\r\nContent-Type: application/json\r\n\r\n", status);
    printf("{\"status\":%d,\"msg\":\"%s\"}\n", status, msg);
}

static int unhex(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower(c);
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static char *decode(const char *s, size_t len)
{
    char *out = malloc(len + 1), *o = out;
    const char *end = s + len;

    if (!out)
        exit(1);
    while (s < end) {
        if (*s == '%' && end - s > 2 && unhex(s[1]) >= 0 && unhex(s[2]) >= 0) {
            *o++ = (char)(unhex(s[1]) << 4 | unhex(s[2]));
            s += 3;
        } else if (*s == '+') {
            *o++ = ' ';
            s++;
        } else {
            *o++ = *s++;
        }
    }
    *o = '\0';
    return out;
}

static void parse_params(const char *s)
{
    while (*s) {
        size_t pair = strcspn(s, "&");
        size_t klen = strcspn(s, "=&");
        struct param *p = calloc(1, sizeof(*p));

        if (!p)
            exit(1);
        p->key = decode(s, klen);
        p->val = klen < pair ? decode(s + klen + 1, pair - klen - 1) : strdup("");
        p->next = params;
        params = p;
        s += pair;
        if (*s == '&')
            s++;
    }
}

static const char *get(const char *key)
{
    struct param *p;

    for (p = params; p; p = p->next)
        if (strcmp(p->key, key) == 0)
            return p->val;
    return NULL;
}

static int copy_field(char *dst, size_t cap, const char *key)
{
    const char *v = get(key);

    if (!v || !*v || strlen(v) >= cap)
        return -1;
    strcpy(dst, v);
    for (; *dst; dst++)
        if (iscntrl((unsigned char)*dst))
            return -1;
    return 0;
}

/* Returns s as one word for the shell; caller frees. */
static char *shell_word(const char *s)
{
    char *w = malloc(strlen(s) * 4 + 3), *o = w;

    if (!w)
        exit(1);
    *o++ = '\'';
    for (; *s; s++) {
        if (*s == '\'') {
            memcpy(o, "'\\''", 4);
            o += 4;
        } else {
            *o++ = *s;
        }
    }
    *o++ = '\'';
    *o = '\0';
    return w;
}

static int valid_gateway(const char *s)
{
    struct in_addr a4;
    struct in6_addr a6;

    return inet_pton(AF_INET, s, &a4) == 1 || inet_pton(AF_INET6, s, &a6) == 1;
}

static int valid_subnet(const char *s)
{
    unsigned a, b, c, d, m;
    char rest;

    return strspn(s, "0123456789./") == strlen(s) &&
           sscanf(s, "%3u.%3u.%3u.%3u/%2u%c", &a, &b, &c, &d, &m, &rest) == 5 &&
           a < 256 && b < 256 && c < 256 && d < 256 && m <= 32;
}

static int valid_name(const char *s)
{
    for (; *s; s++)
        if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '_')
            return 0;
    return 1;
}

static int swanctl_add(const struct peer *p)
{
    char *ident = shell_word(p->ident), *psk = shell_word(p->psk);
    char *cmd;
    int rc;

    if (asprintf(&cmd, "/usr/sbin/vpnctl add-peer --name %s --remote %s --subnet %s"
                 " --id %s --secret %s >/dev/null 2>&1",
                 p->name, p->gateway, p->subnet, ident, psk) < 0)
        exit(1);
    rc = system(cmd);
    free(cmd);
    free(ident);
    free(psk);
    return rc;
}

static int db_append(const struct peer *p)
{
    FILE *f = fopen(PEER_DB, "ab");
    size_t n;

    if (!f)
        return -1;
    flock(fileno(f), LOCK_EX);
    n = fwrite(p, sizeof(*p), 1, f);
    fclose(f);
    return n == 1 ? 0 : -1;
}

static void do_list(void)
{
    struct peer p;
    FILE *f = fopen(PEER_DB, "rb");
    int first = 1;

    printf("Content-Type: application/json\r\n\r\n[");
    while (f && fread(&p, sizeof(p), 1, f) == 1) {
        if (!p.name[0])
            continue;
        printf("%s{\"name\":\"%.31s\",\"gateway\":\"%.47s\"}", first ? "" : ",",
               p.name, p.gateway);
        first = 0;
    }
    if (f)
        fclose(f);
    printf("]\n");
}

static void do_add(void)
{
    struct peer p;

    memset(&p, 0, sizeof(p));
    if (copy_field(p.name, sizeof(p.name), "name") < 0 || !valid_name(p.name)) {
        answer(400, "bad name");
        return;
    }
    if (copy_field(p.gateway, sizeof(p.gateway), "gateway") < 0 ||
        !valid_gateway(p.gateway)) {
        answer(400, "bad gateway");
        return;
    }
    if (copy_field(p.subnet, sizeof(p.subnet), "subnet") < 0 ||
        !valid_subnet(p.subnet)) {
        answer(400, "bad subnet");
        return;
    }
    if (copy_field(p.ident, sizeof(p.ident), "ident") < 0 ||
        copy_field(p.psk, sizeof(p.psk), "psk") < 0) {
        answer(400, "ident and secret are needed");
        return;
    }
    if (swanctl_add(&p) != 0) {
        note("add failed", p.name);
        answer(500, "vpnctl failed");
        return;
    }
    db_append(&p);
    note("added", p.name);
    answer(200, "added");
}

static void do_remove(void)
{
    struct peer want, p;
    FILE *f;
    char cmd[128];
    long pos = 0;

    memset(&want, 0, sizeof(want));
    if (copy_field(want.name, sizeof(want.name), "name") < 0 || !valid_name(want.name)) {
        answer(400, "bad name");
        return;
    }
    f = fopen(PEER_DB, "r+b");
    while (f && fread(&p, sizeof(p), 1, f) == 1) {
        if (strncmp(p.name, want.name, sizeof(p.name)) == 0) {
            memset(&p, 0, sizeof(p));
            fseek(f, pos, SEEK_SET);
            fwrite(&p, sizeof(p), 1, f);
            break;
        }
        pos = ftell(f);
    }
    if (f)
        fclose(f);
    snprintf(cmd, sizeof(cmd), "/usr/sbin/vpnctl del-peer --name %s", want.name);
    system(cmd);
    note("removed", want.name);
    answer(200, "removed");
}

int main(void)
{
    const char *method = getenv("REQUEST_METHOD");
    const char *cl = getenv("CONTENT_LENGTH");
    static char body[MAX_POST + 1];
    const char *action;
    size_t len;

    if (!method || strcmp(method, "POST") != 0) {
        do_list();
        return 0;
    }
    len = cl ? strtoul(cl, NULL, 10) : 0;
    if (len == 0 || len > MAX_POST) {
        answer(413, "size");
        return 0;
    }
    len = fread(body, 1, len, stdin);
    body[len] = '\0';
    parse_params(body);
    action = get("action");
    if (action && strcmp(action, "add") == 0)
        do_add();
    else if (action && strcmp(action, "remove") == 0)
        do_remove();
    else
        answer(400, "action");
    return 0;
}
