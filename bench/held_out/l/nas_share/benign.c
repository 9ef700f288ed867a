/* share.cgi: create and edit shares, called by the admin page with POST */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_ROOT "/mnt/array"
#define BODY_LIMIT 4096

struct kv_item {
    struct kv_item *next;
    char *value;
    char key[1];
};

static struct kv_item *store;

/* ---- key/value store ---- */

static struct kv_item *kv_find(const char *key)
{
    struct kv_item *it;

    for (it = store; it; it = it->next)
        if (strcmp(it->key, key) == 0)
            return it;
    return NULL;
}

static int kv_set(const char *key, const char *value)
{
    struct kv_item *it = kv_find(key);
    char *copy = strdup(value);

    if (!copy)
        return -1;
    if (it) {
        free(it->value);
        it->value = copy;
        return 0;
    }
    it = malloc(sizeof(*it) + strlen(key));
    if (!it) {
        free(copy);
        return -1;
    }
    strcpy(it->key, key);
    it->value = copy;
    it->next = store;
    store = it;
    return 0;
}

static const char *kv_get(const char *key, const char *dflt)
{
    struct kv_item *it = kv_find(key);

    return it && it->value[0] ? it->value : dflt;
}

static int kv_get_int(const char *key, int dflt)
{
    struct kv_item *it = kv_find(key);

    return it ? atoi(it->value) : dflt;
}

/* ---- what a field may hold ---- */

static int is_text(const char *s)
{
    if (strlen(s) > 120)
        return 0;
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || (unsigned char)*s == 0x7f)
            return 0;
    return 1;
}

static int is_ident(const char *s)
{
    size_t n = strlen(s);

    if (n == 0 || n > 32 || !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", s[0]))
        return 0;
    return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == n;
}

static int is_number(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n < 8 && strspn(s, "0123456789") == n;
}

static const struct field {
    const char *name;
    const char *key;
    int (*valid)(const char *);
} fields[] = {
    { "name",    "share.name",    is_ident },
    { "owner",   "share.owner",   is_ident },
    { "comment", "share.comment", is_text },
    { "quota",   "share.quota",   is_number },
    { "ro",      "share.ro",      is_number },
    { "act",     "form.action",   is_ident },
};

/* ---- form ---- */

static int nibble(int c)
{
    if (isdigit(c))
        return c - '0';
    if (isxdigit(c))
        return tolower(c) - 'a' + 10;
    return -1;
}

static void form_decode(char *s)
{
    char *o = s;

    while (*s) {
        if (*s == '%' && s[1] && s[2]) {
            int h = nibble((unsigned char)s[1]), l = nibble((unsigned char)s[2]);
            if (h >= 0 && l >= 0 && (h | l)) {
                *o++ = (char)(h << 4 | l);
                s += 3;
                continue;
            }
        }
        *o++ = *s == '+' ? ' ' : *s;
        s++;
    }
    *o = '\0';
}

static const char *load_form(char *body)
{
    char *save, *pair, *val;
    size_t i;

    for (pair = strtok_r(body, "&\r\n", &save); pair; pair = strtok_r(NULL, "&\r\n", &save)) {
        val = strchr(pair, '=');
        if (!val)
            continue;
        *val++ = '\0';
        form_decode(val);
        for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
            if (strcmp(pair, fields[i].name) != 0)
                continue;
            if (!fields[i].valid(val))
                return fields[i].name;
            kv_set(fields[i].key, val);
        }
    }
    return NULL;
}

static int shell(const char *fmt, ...)
{
    char *cmd = NULL;
    char tmp[512];
    va_list ap;
    int n, rc;

    va_start(ap, fmt);
    n = vsnprintf(tmp, sizeof(tmp), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(tmp))
        return -1;
    cmd = strdup(tmp);
    if (!cmd)
        return -1;
    rc = system(cmd);
    free(cmd);
    return rc;
}

/* ---- actions ---- */

static int write_smb(void)
{
    FILE *f = fopen("/etc/samba/shares.conf", "a");

    if (!f)
        return -1;
    fprintf(f, "[%s]\n\tcomment = %s\n\tpath = " ARRAY_ROOT "/%s\n\tread only = %s\n\n",
            kv_get("share.name", "share"), kv_get("share.comment", ""),
            kv_get("share.name", "share"), kv_get_int("share.ro", 0) ? "yes" : "no");
    return fclose(f);
}

static int act_create(void)
{
    const char *name = kv_get("share.name", NULL);
    int quota = kv_get_int("share.quota", 0);

    if (!name)
        return -1;
    if (shell("mkdir -p " ARRAY_ROOT "/%s", name) != 0)
        return -1;
    shell("chown %s " ARRAY_ROOT "/%s", kv_get("share.owner", "admin"), name);
    if (quota > 0)
        shell("/usr/sbin/setquota_dir %d " ARRAY_ROOT "/%s", quota, name);
    return write_smb();
}

static int act_owner(void)
{
    return shell("/usr/sbin/adduser -D -H -s /bin/false %s", kv_get("share.owner", "admin"));
}

static int act_reload(void)
{
    return shell("killall -HUP smbd");
}

static const struct {
    const char *name;
    int (*fn)(void);
} actions[] = {
    { "create", act_create },
    { "owner", act_owner },
    { "reload", act_reload },
};

static int answer(int code, const char *text)
{
    printf("Status: %d\r\nContent-Type: application/json\r\n\r\n", code);
    printf("{\"code\":%d,\"text\":\"%s\",\"time\":%ld}\n", code, text, (long)time(NULL));
    return 0;
}

int main(void)
{
    static char body[BODY_LIMIT + 1];
    const char *m = getenv("REQUEST_METHOD"), *cl = getenv("CONTENT_LENGTH"), *bad;
    long want = cl ? strtol(cl, NULL, 10) : 0;
    size_t i, got;

    if (!m || strcmp(m, "POST") != 0)
        return answer(405, "post only");
    if (want <= 0 || want > BODY_LIMIT)
        return answer(413, "bad length");
    got = fread(body, 1, (size_t)want, stdin);
    body[got] = '\0';
    bad = load_form(body);
    if (bad)
        return answer(400, bad);
    for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(kv_get("form.action", ""), actions[i].name) == 0)
            return actions[i].fn() == 0 ? answer(200, "done") : answer(500, "failed");
    return answer(404, "no such action");
}
