/* CGI program that takes files from a form: multipart body on stdin, parts are saved below a directory of their kind.
 * The path of a part is put together on the stack from the file name in the body, without a bound (benign: with one). */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define POST_MAX (256 * 1024)
#define BOUNDARY_MAX 72
#define MAX_PARTS 6
#define BASE "/tmp/upload"

struct part {
    char *field;
    char *filename;
    char *type;
    char *data;
    size_t len;
    struct part *next;
};

struct upload {
    char *body;
    size_t len;
    char boundary[BOUNDARY_MAX + 3];
    size_t blen;
    struct part *parts;
    int nparts;
    int saved, refused;
};

static char post_buf[POST_MAX + 1];

static void page(int status, const char *text, const struct upload *up)
{
    printf("Status: %d\r\nContent-Type: text/html\r\n\r\n<html><body><h3>%s</h3>", status, text);
    if (up)
        printf("<p>%d saved, %d refused</p>", up->saved, up->refused);
    printf("</body></html>\n");
}

/* ---- body ---- */
static int read_body(struct upload *up)
{
    const char *cl = getenv("CONTENT_LENGTH");
    long len = cl ? strtol(cl, NULL, 10) : -1;
    size_t got = 0, n;

    if (len <= 0 || len > POST_MAX)
        return -1;
    while (got < (size_t)len && (n = fread(post_buf + got, 1, (size_t)len - got, stdin)) > 0)
        got += n;
    post_buf[got] = '\0';
    up->body = post_buf;
    up->len = got;
    return 0;
}

static int read_boundary(struct upload *up)
{
    const char *ct = getenv("CONTENT_TYPE"), *b;
    size_t n;

    if (ct == NULL || strncasecmp(ct, "multipart/form-data", 19) != 0 || (b = strstr(ct, "boundary=")) == NULL)
        return -1;
    b += 9;
    n = strcspn(b, "; \t\r\n");
    if (n == 0 || n > BOUNDARY_MAX)
        return -1;
    up->boundary[0] = up->boundary[1] = '-';
    memcpy(up->boundary + 2, b, n);
    up->boundary[n + 2] = '\0';
    up->blen = n + 2;
    return 0;
}

/* value of name="..." inside of a header, cut out in place */
static char *quoted(char *head, const char *name)
{
    char key[24], *p, *e;

    snprintf(key, sizeof(key), " %s=\"", name);
    p = strstr(head, key);
    if (p == NULL)
        return NULL;
    p += strlen(key);
    e = strchr(p, '"');
    if (e == NULL)
        return NULL;
    *e = '\0';
    return p;
}

static struct part *part_parse(char *head, char *data, size_t len)
{
    struct part *pt = calloc(1, sizeof(*pt));
    char *line, *save = NULL;

    if (pt == NULL)
        return NULL;
    for (line = strtok_r(head, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        if (strncasecmp(line, "Content-Disposition:", 20) == 0) {
            /* the last one first, as each ends the text */
            pt->filename = quoted(line + 20, "filename");
            pt->field = quoted(line + 20, "name");
        } else if (strncasecmp(line, "Content-Type:", 13) == 0) {
            pt->type = line + 13;
            while (*pt->type == ' ')
                pt->type++;
        }
    }
    pt->data = data;
    pt->len = len;
    return pt;
}

static int split_parts(struct upload *up)
{
    char *p = memmem(up->body, up->len, up->boundary, up->blen), *end = up->body + up->len;

    while (p && up->nparts < MAX_PARTS) {
        char *head = p + up->blen, *data, *next;
        struct part *pt;

        if (end - head < 4 || strncmp(head, "--", 2) == 0)
            break;
        head += 2;
        data = memmem(head, end - head, "\r\n\r\n", 4);
        if (data == NULL)
            break;
        *data = '\0';
        data += 4;
        next = memmem(data, end - data, up->boundary, up->blen);
        if (next == NULL || next - data < 2)
            break;
        pt = part_parse(head, data, next - data - 2);
        if (pt) {
            pt->next = up->parts;
            up->parts = pt;
            up->nparts++;
        }
        p = next;
    }
    return up->nparts;
}

/* ---- kinds of files ---- */
static int check_config(const struct part *pt)
{
    return pt->len > 8 && memcmp(pt->data, "CFGB", 4) == 0;
}

static int check_logo(const struct part *pt)
{
    return pt->len > 16 && pt->len < 65536 && memcmp(pt->data, "GIF8", 4) == 0;
}

static int check_cert(const struct part *pt)
{
    return pt->len > 27 && memcmp(pt->data, "-----BEGIN CERTIFICATE-----", 27) == 0;
}

static const struct kind {
    const char *field;
    const char *dir;
    int (*check)(const struct part *pt);
    const char *after;
} kinds[] = {
    {"config", BASE "/config", check_config, "/usr/sbin/cfgload -n >/dev/null 2>&1"},
    {"logo", BASE "/logo", check_logo, NULL},
    {"cert", BASE "/cert", check_cert, "/usr/sbin/certreload >/dev/null 2>&1"},
    {NULL, NULL, NULL, NULL},
};

static const char *base_name(const char *name)
{
    const char *s = strrchr(name, '/'), *b;

    if (s)
        name = s + 1;
    b = strrchr(name, '\\');
    if (b)
        name = b + 1;
    return name;
}

static int name_ok(const char *name)
{
    const char *p;

    if (*name == '\0' || *name == '.')
        return 0;
    for (p = name; *p; p++)
        if (*p == '/' || *p == '\\' || *p == '*' || *p == '?')
            return 0;
    return 1;
}

static int write_file(const char *path, const char *data, size_t len)
{
    FILE *fp = fopen(path, "wb");
    size_t n;

    if (fp == NULL)
        return -1;
    n = fwrite(data, 1, len, fp);
    fclose(fp);
    chmod(path, 0600);
    return n == len ? 0 : -1;
}

static int save_part(const struct kind *k, const struct part *pt)
{
    const char *name = base_name(pt->filename);
    char path[128];

    if (!name_ok(name))
        return -1;
    mkdir(BASE, 0755);
    mkdir(k->dir, 0755);
#ifdef BENIGN
    if (snprintf(path, sizeof(path), "%s/%s", k->dir, name) >= (int)sizeof(path))
        return -1;
#else
    sprintf(path, "%s/%s", k->dir, name);
#endif
    return write_file(path, pt->data, pt->len);
}

static const struct kind *kind_find(const char *field)
{
    const struct kind *k;

    for (k = kinds; k->field; k++)
        if (strcmp(k->field, field) == 0)
            return k;
    return NULL;
}

static void handle_parts(struct upload *up)
{
    struct part *pt;
    const struct kind *k;

    for (pt = up->parts; pt; pt = pt->next) {
        if (pt->field == NULL || pt->filename == NULL)
            continue;
        k = kind_find(pt->field);
        if (k == NULL || !k->check(pt) || save_part(k, pt) < 0) {
            up->refused++;
            continue;
        }
        up->saved++;
        if (k->after)
            system(k->after);
    }
}

static void free_parts(struct upload *up)
{
    while (up->parts) {
        struct part *next = up->parts->next;

        free(up->parts);
        up->parts = next;
    }
}

int main(void)
{
    static struct upload up;
    const char *method = getenv("REQUEST_METHOD");

    if (method == NULL || strcmp(method, "POST") != 0) {
        page(405, "POST only", NULL);
        return 0;
    }
    if (read_boundary(&up) < 0 || read_body(&up) < 0) {
        page(400, "bad form", NULL);
        return 0;
    }
    if (split_parts(&up) == 0) {
        page(400, "nothing in the form", NULL);
        return 0;
    }
    handle_parts(&up);
    free_parts(&up);
    page(200, "upload", &up);
    return 0;
}
