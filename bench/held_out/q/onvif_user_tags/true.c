/**
 * @file   dev_service.c
 * @brief  ONVIF device service, user management part
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>

#define ONVIF_PORT      8899
#define HTTP_HEAD_MAX   2048
#define HTTP_BODY_MAX   8192
#define TAG_VALUE_MAX   256

#define LOGI(...) do { fprintf(stderr, "onvif: " __VA_ARGS__); fputc('\n', stderr); } while (0)

typedef enum { LEVEL_USER, LEVEL_OPERATOR, LEVEL_ADMIN } user_level_t;

typedef struct user_node {
    char              username[32];
    char              password[32];
    user_level_t      level;
    time_t            created;
    struct user_node *next;
} user_node_t;

typedef struct {
    user_node_t    *users;
    unsigned        count;
    bool            dirty;
    pthread_mutex_t mutex;
} user_db_t;

static user_db_t g_db = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/**
 * Finds the element <tag>...</tag> and copies its text.
 * @return pointer behind the element or NULL when there is none
 */
static const char *xml_get(const char *xml, const char *tag, char *out, size_t out_size)
{
    char        open[64], close[64];
    const char *start, *stop;
    size_t      len;

    snprintf(open, sizeof(open), "<%s>", tag);
    snprintf(close, sizeof(close), "</%s>", tag);
    start = strstr(xml, open);
    if (!start) {
        return NULL;
    }
    start += strlen(open);
    stop = strstr(start, close);
    if (!stop) {
        return NULL;
    }
    len = (size_t)(stop - start);
    if (len >= out_size) {
        len = out_size - 1;
    }
    memcpy(out, start, len);
    out[len] = '\0';
    return stop + strlen(close);
}

static user_node_t *db_find(const char *name)
{
    user_node_t *u;

    for (u = g_db.users; u; u = u->next) {
        if (strcmp(u->username, name) == 0) {
            return u;
        }
    }
    return NULL;
}

static void db_flush(void)
{
    FILE        *fp;
    user_node_t *u;

    pthread_mutex_lock(&g_db.mutex);
    if (g_db.dirty && (fp = fopen("/mnt/mtd/onvif_users", "w")) != NULL) {
        for (u = g_db.users; u; u = u->next) {
            fprintf(fp, "%d\t%s\t%s\n", (int)u->level, u->username, u->password);
        }
        fclose(fp);
        g_db.dirty = false;
    }
    pthread_mutex_unlock(&g_db.mutex);
}

static void *flush_thread(void *arg)
{
    (void)arg;
    for (;;) {
        sleep(5);
        db_flush();
    }
    return NULL;
}

static user_level_t level_of(const char *text)
{
    if (strcmp(text, "Administrator") == 0) {
        return LEVEL_ADMIN;
    }
    return strcmp(text, "Operator") == 0 ? LEVEL_OPERATOR : LEVEL_USER;
}

/* ------------------------------------------------------------------------- */

static int op_create_users(const char *body, char *reply, size_t reply_size)
{
    const char  *pos = body;
    char         level[TAG_VALUE_MAX];
    user_node_t *u;
    unsigned     made = 0;

    while ((pos = strstr(pos, "<tds:User>")) != NULL) {
        const char *next;

        if (g_db.count >= 16) {
            return 500;
        }
        u = calloc(1, sizeof(*u));
        if (!u) {
            return 500;
        }
        next = xml_get(pos, "tt:Username", u->username, TAG_VALUE_MAX);
        if (!next || !xml_get(pos, "tt:Password", u->password, TAG_VALUE_MAX)) {
            free(u);
            return 400;
        }
        if (xml_get(pos, "tt:UserLevel", level, sizeof(level))) {
            u->level = level_of(level);
        }
        u->created = time(NULL);
        pthread_mutex_lock(&g_db.mutex);
        if (u->username[0] == '\0' || db_find(u->username)) {
            pthread_mutex_unlock(&g_db.mutex);
            free(u);
            return 400;
        }
        u->next = g_db.users;
        g_db.users = u;
        g_db.count++;
        g_db.dirty = true;
        pthread_mutex_unlock(&g_db.mutex);
        made++;
        pos = next;
    }
    LOGI("%u users created", made);
    snprintf(reply, reply_size, "<tds:CreateUsersResponse/>");
    return 200;
}

static int op_delete_users(const char *body, char *reply, size_t reply_size)
{
    char          name[TAG_VALUE_MAX];
    user_node_t **pp, *u;
    bool          found = false;

    if (!xml_get(body, "tds:Username", name, sizeof(name))) {
        return 400;
    }
    pthread_mutex_lock(&g_db.mutex);
    for (pp = &g_db.users; (u = *pp) != NULL; pp = &u->next) {
        if (strcmp(u->username, name) == 0) {
            *pp = u->next;
            free(u);
            g_db.count--;
            g_db.dirty = true;
            found = true;
            break;
        }
    }
    pthread_mutex_unlock(&g_db.mutex);
    snprintf(reply, reply_size, "<tds:DeleteUsersResponse/>");
    return found ? 200 : 400;
}

static int op_get_time(const char *body, char *reply, size_t reply_size)
{
    struct tm tm;
    time_t    now = time(NULL);

    (void)body;
    gmtime_r(&now, &tm);
    snprintf(reply, reply_size,
             "<tds:GetSystemDateAndTimeResponse><tt:Hour>%d</tt:Hour><tt:Minute>%d</tt:Minute>"
             "</tds:GetSystemDateAndTimeResponse>", tm.tm_hour, tm.tm_min);
    return 200;
}

static int op_get_info(const char *body, char *reply, size_t reply_size)
{
    (void)body;
    snprintf(reply, reply_size,
             "<tds:GetDeviceInformationResponse><tds:Model>NC-4200</tds:Model>"
             "<tds:FirmwareVersion>2.4.11</tds:FirmwareVersion></tds:GetDeviceInformationResponse>");
    return 200;
}

typedef int (*soap_op_t)(const char *body, char *reply, size_t reply_size);

static const struct {
    const char *element;
    soap_op_t   run;
} g_ops[] = {
    { "tds:GetSystemDateAndTime", op_get_time },
    { "tds:GetDeviceInformation", op_get_info },
    { "tds:CreateUsers", op_create_users },
    { "tds:DeleteUsers", op_delete_users },
};

static int soap_dispatch(const char *body, char *reply, size_t reply_size)
{
    const char *p = strstr(body, "Body>");
    size_t      i, n;

    if (!p || !(p = strchr(p, '<')) || p[1] == '/') {
        return 400;
    }
    p++;
    n = strcspn(p, " />");
    for (i = 0; i < sizeof(g_ops) / sizeof(g_ops[0]); i++) {
        if (strlen(g_ops[i].element) == n && strncmp(g_ops[i].element, p, n) == 0) {
            return g_ops[i].run(p, reply, reply_size);
        }
    }
    return 400;
}

static int http_read(int fd, char *head, char *body)
{
    size_t have = 0, want, rest;
    char  *end = NULL, *cl;
    long   length;

    while (!end && have < HTTP_HEAD_MAX - 1) {
        ssize_t n = recv(fd, head + have, HTTP_HEAD_MAX - 1 - have, 0);
        if (n <= 0) {
            return -1;
        }
        have += (size_t)n;
        head[have] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    if (!end || strncmp(head, "POST /onvif/device_service", 26) != 0) {
        return -1;
    }
    end += 4;
    rest = have - (size_t)(end - head);
    cl = strcasestr(head, "\r\nContent-Length:");
    length = cl ? strtol(cl + 17, NULL, 10) : -1;
    if (length <= 0 || length >= HTTP_BODY_MAX) {
        return -1;
    }
    want = (size_t)length;
    if (rest > want) {
        rest = want;
    }
    memcpy(body, end, rest);
    while (rest < want) {
        ssize_t n = recv(fd, body + rest, want - rest, 0);
        if (n <= 0) {
            return -1;
        }
        rest += (size_t)n;
    }
    body[want] = '\0';
    return 0;
}

static void serve(int fd)
{
    static char head[HTTP_HEAD_MAX], body[HTTP_BODY_MAX];
    char        reply[512] = "", out[1024];
    int         code, n;

    if (http_read(fd, head, body) != 0) {
        return;
    }
    code = soap_dispatch(body, reply, sizeof(reply));
    n = snprintf(out, sizeof(out),
                 "HTTP/1.1 %d X\r\nContent-Type: application/soap+xml\r\nConnection: close\r\n\r\n"
                 "<s:Envelope><s:Body>%s</s:Body></s:Envelope>", code, reply);
    if (send(fd, out, (size_t)n, MSG_NOSIGNAL) != n) {
        LOGI("reply lost");
    }
}

int main(void)
{
    struct sockaddr_in addr = { 0 };
    struct timeval     tv = { 10, 0 };
    pthread_t          tid;
    int                lfd, fd, on = 1;

    signal(SIGPIPE, SIG_IGN);
    pthread_create(&tid, NULL, flush_thread, NULL);
    lfd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    addr.sin_family = AF_INET;
    addr.sin_port = htons(ONVIF_PORT);
    if (bind(lfd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(lfd, 5) != 0) {
        LOGI("cannot listen");
        return 1;
    }
    while (1) {
        fd = accept(lfd, NULL, NULL);
        if (fd >= 0) {
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
            serve(fd);
            close(fd);
        }
    }
}
