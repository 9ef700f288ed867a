/*
 * configd: an nvram-like store in a text file. A TCP client sets values; "commit" rewrites the file; "apply" reads
 * the file back line by line and brings interfaces up with what it holds.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define STORE "/data/nvram.txt"

struct var {
    struct var *next;
    char *name;
    char *value;
    int dirty;
};

static struct var *vars;
static time_t last_commit;

static struct var *lookup(const char *name)
{
    struct var *v;
    for (v = vars; v; v = v->next)
        if (!strcmp(v->name, name))
            break;
    return v;
}

static int value_ok(const char *value)
{
    if (strlen(value) > 80)
        return 0;
#ifdef BENIGN
    for (const char *p = value; *p; p++) {
        if (isalnum((unsigned char)*p) || *p == '.' || *p == ':' || *p == '_')
            continue;
        return 0;
    }
#endif
    return 1;
}

static int nvram_set(const char *name, const char *value)
{
    struct var *v;
    if (!value_ok(value))
        return -EINVAL;
    v = lookup(name);
    if (!v) {
        v = calloc(1, sizeof *v);
        if (!v)
            return -ENOMEM;
        v->name = strdup(name);
        v->next = vars;
        vars = v;
    }
    free(v->value);
    v->value = strdup(value);
    v->dirty = 1;
    return v->name && v->value ? 0 : -ENOMEM;
}

static int nvram_commit(void)
{
    FILE *f = fopen(STORE, "w");
    int n = 0;
    if (!f)
        return -errno;
    for (struct var *v = vars; v; v = v->next) {
        fprintf(f, "%s=%s\n", v->name, v->value);
        v->dirty = 0;
        n++;
    }
    fclose(f);
    last_commit = time(NULL);
    syslog(LOG_INFO, "%d values written", n);
    return n;
}

static char *nvram_read(const char *name, char *out, size_t size)
{
    char line[192];
    size_t n = strlen(name);
    char *found = NULL;
    FILE *f = fopen(STORE, "r");
    if (!f)
        return NULL;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, name, n) && line[n] == '=') {
            snprintf(out, size, "%s", line + n + 1);
            found = out;
            break;
        }
    }
    fclose(f);
    return found;
}

static void bring_up_lan(void)
{
    char ip[96], cmd[256];
    if (!nvram_read("lan_ipaddr", ip, sizeof ip))
        return;
    snprintf(cmd, sizeof cmd, "ifconfig br0 %s up", ip);
    if (system(cmd))
        syslog(LOG_ERR, "br0 did not come up");
}

static void bring_up_wifi(void)
{
    char value[32];
    int channel;
    if (!nvram_read("wl_channel", value, sizeof value))
        return;
    channel = atoi(value);
    if (channel < 1 || channel > 13)
        channel = 6;
    snprintf(value, sizeof value, "iw dev wlan0 set channel %d", channel);
    system(value);
}

static void apply(void)
{
    system("/etc/init.d/firewall stop");
    bring_up_lan();
    bring_up_wifi();
    system("/etc/init.d/firewall start");
}

static void show(FILE *out)
{
    for (struct var *v = vars; v; v = v->next)
        fprintf(out, "%s%s=%s\n", v->dirty ? "*" : "", v->name, v->value);
    fprintf(out, "# last commit %ld\n", (long)last_commit);
}

static void one_command(char *line, FILE *out)
{
    char *word = strtok(line, " \r\n");
    int status = 0;
    if (!word)
        return;
    if (!strcmp(word, "set")) {
        char *name = strtok(NULL, "= \r\n"), *value = strtok(NULL, "\r\n");
        status = name && value ? nvram_set(name, value) : -EINVAL;
    } else if (!strcmp(word, "commit")) {
        status = nvram_commit();
    } else if (!strcmp(word, "apply")) {
        apply();
    } else if (!strcmp(word, "show")) {
        show(out);
    } else {
        status = -ENOSYS;
    }
    fprintf(out, "%d\n", status);
    fflush(out);
}

static void session(int c)
{
    char line[256];
    FILE *in = fdopen(c, "r"), *out = fdopen(dup(c), "w");
    if (in && out)
        while (fgets(line, sizeof line, in))
            one_command(line, out);
    if (in)
        fclose(in);
    if (out)
        fclose(out);
}

int main(void)
{
    struct sockaddr_in me;
    int s, one = 1;
    openlog("configd", LOG_PID, LOG_USER);
    s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_port = htons(2601);
    if (bind(s, (struct sockaddr *)&me, sizeof me) || listen(s, 3)) {
        syslog(LOG_ERR, "port in use");
        return 1;
    }
    nvram_set("lan_ipaddr", "192.168.0.1");
    nvram_set("wl_channel", "6");
    nvram_commit();
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c >= 0)
            session(c);
    }
}
