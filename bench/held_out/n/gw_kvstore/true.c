/*
 * paramd - parameter store of the field gateway.
 *   SET name value | GET name | LIST | COMMIT
 * one connection at a time, line oriented.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <unistd.h>
#include <syslog.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define PARAMD_PORT 4840

typedef struct param {
    struct param *next;
    char         *name;
    char         *value;
} param_t;

static param_t *buckets[31];

static unsigned hash_name(const char *s)
{
    unsigned h = 5381;

    while (*s)
        h = h * 33 + (unsigned char)*s++;
    return h % 31;
}

static const char *param_get(const char *name)
{
    param_t *p;

    for (p = buckets[hash_name(name)]; p; p = p->next)
        if (strcmp(p->name, name) == 0)
            return p->value;
    return NULL;
}

static int param_set(const char *name, const char *value)
{
    unsigned h = hash_name(name);
    param_t *p;
    char *v = strdup(value);

    if (!v)
        return -1;
    for (p = buckets[h]; p; p = p->next) {
        if (strcmp(p->name, name) == 0) {
            free(p->value);
            p->value = v;
            return 0;
        }
    }
    p = calloc(1, sizeof(*p));
    if (!p || !(p->name = strdup(name))) {
        free(p);
        free(v);
        return -1;
    }
    p->value = v;
    p->next = buckets[h];
    buckets[h] = p;
    return 0;
}

static int ok_text(const char *v)
{
    return strlen(v) < 64;
}

static int ok_number(const char *v)
{
    if (!*v || strlen(v) > 6)
        return 0;
    while (*v)
        if (!isdigit((unsigned char)*v++))
            return 0;
    return 1;
}

static int ok_ipv4(const char *v)
{
    struct in_addr a;

    return inet_pton(AF_INET, v, &a) == 1;
}

static const struct {
    const char *name;
    const char *dflt;
    int (*valid)(const char *);
} schema[] = {
    { "sys.location", "cabinet 1",   ok_text },
    { "bus.baud",     "19200",       ok_number },
    { "net.mtu",      "1500",        ok_number },
    { "net.addr",     "192.168.0.5", ok_ipv4 },
    { "net.gateway",  "192.168.0.1", ok_text },
};
#define NSCHEMA (sizeof(schema) / sizeof(schema[0]))

static int run_shell(const char *script)
{
    pid_t pid = fork();
    int st;

    if (pid < 0)
        return -1;
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, &st, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void cmd_set(FILE *io, char *arg)
{
    char *name = strtok(arg, " ");
    char *value = strtok(NULL, "");
    size_t i;

    if (!name || !value) {
        fputs("-ERR usage\n", io);
        return;
    }
    for (i = 0; i < NSCHEMA; i++) {
        if (strcmp(schema[i].name, name) != 0)
            continue;
        if (!schema[i].valid(value)) {
            syslog(LOG_NOTICE, "value for %s refused", schema[i].name);
            fputs("-ERR value\n", io);
        } else if (param_set(name, value) == 0) {
            fputs("+OK\n", io);
        } else {
            fputs("-ERR memory\n", io);
        }
        return;
    }
    fputs("-ERR unknown\n", io);
}

static void cmd_get(FILE *io, char *arg)
{
    const char *v = param_get(arg);

    if (v)
        fprintf(io, "+%s\n", v);
    else
        fputs("-ERR unknown\n", io);
}

static void cmd_list(FILE *io, char *arg)
{
    size_t i;

    (void)arg;
    for (i = 0; i < NSCHEMA; i++)
        fprintf(io, " %s=%s\n", schema[i].name, param_get(schema[i].name));
    fputs("+OK\n", io);
}

static void cmd_commit(FILE *io, char *arg)
{
    char script[512];
    int rc;

    (void)arg;
    snprintf(script, sizeof(script),
             "ifconfig eth0 %s mtu %s up && route add default gw %s",
             param_get("net.addr"), param_get("net.mtu"), param_get("net.gateway"));
    rc = run_shell(script);
    syslog(LOG_INFO, "network commit: %d", rc);
    fprintf(io, rc == 0 ? "+OK\n" : "-ERR %d\n", rc);
}

static const struct {
    const char *verb;
    void (*fn)(FILE *, char *);
} verbs[] = {
    { "SET", cmd_set }, { "GET", cmd_get }, { "LIST", cmd_list }, { "COMMIT", cmd_commit },
};

static void serve(int fd)
{
    FILE *in = fdopen(fd, "r");
    FILE *out = fdopen(dup(fd), "w");
    char line[200];

    if (!in || !out)
        goto done;
    setvbuf(out, NULL, _IOLBF, 0);
    fputs("+paramd 1.4\n", out);
    while (fgets(line, sizeof(line), in)) {
        char *arg;
        size_t i;

        line[strcspn(line, "\r\n")] = '\0';
        arg = strchr(line, ' ');
        if (arg)
            *arg++ = '\0';
        else
            arg = line + strlen(line);
        for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
            if (strcmp(verbs[i].verb, line) == 0) {
                verbs[i].fn(out, arg);
                break;
            }
        }
        if (i == sizeof(verbs) / sizeof(verbs[0]))
            fputs("-ERR verb\n", out);
    }
done:
    if (out)
        fclose(out);
    if (in)
        fclose(in);
    else
        close(fd);
}

int main(void)
{
    struct sockaddr_in sin;
    size_t i;
    int ls, on = 1;

    openlog("paramd", LOG_PID, LOG_DAEMON);
    signal(SIGPIPE, SIG_IGN);
    for (i = 0; i < NSCHEMA; i++)
        if (param_set(schema[i].name, schema[i].dflt) < 0)
            return 1;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(PARAMD_PORT);
    if (bind(ls, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(ls, 2) < 0) {
        syslog(LOG_ERR, "bind: %m");
        return 1;
    }
    for (;;) {
        int fd = accept(ls, NULL, NULL);
        if (fd >= 0)
            serve(fd);
    }
}
