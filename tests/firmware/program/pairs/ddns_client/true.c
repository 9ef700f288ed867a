/*
 * A dynamic-DNS client: connects to its provider over TCP, reads "good <address>" and hands the address to a script.
 * The provider, or whoever stands in the way, decides what is run.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

struct account {
    char host[64];
    char user[32];
    char key[64];
    char provider[64];
    int period;
};

struct result {
    int code;
    char address[128];
};

static struct account account = {"cam.example.net", "user", "key", "members.example.org", 600};
static unsigned failures, updates;
static char last_address[128];

static void read_account(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[160];
    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        if (!strncmp(line, "host ", 5))
            snprintf(account.host, sizeof account.host, "%.63s", line + 5);
        else if (!strncmp(line, "user ", 5))
            snprintf(account.user, sizeof account.user, "%.31s", line + 5);
        else if (!strncmp(line, "key ", 4))
            snprintf(account.key, sizeof account.key, "%.63s", line + 4);
        else if (!strncmp(line, "period ", 7))
            account.period = atoi(line + 7);
    }
    fclose(f);
    if (account.period < 60)
        account.period = 60;
}

static int dial(const char *host, unsigned short port)
{
    struct hostent *e = gethostbyname(host);
    struct sockaddr_in to;
    int s;
    if (!e)
        return -1;
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    memcpy(&to.sin_addr, e->h_addr_list[0], sizeof to.sin_addr);
    s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0)
        return -1;
    if (connect(s, (struct sockaddr *)&to, sizeof to) < 0) {
        syslog(LOG_WARNING, "connect: %s", strerror(errno));
        close(s);
        return -1;
    }
    return s;
}

static int ask(int s)
{
    char text[400];
    int n = snprintf(text, sizeof text,
                     "GET /nic/update?hostname=%s&user=%s&key=%s HTTP/1.0\r\nHost: %s\r\nUser-Agent: ddns/1.2\r\n\r\n",
                     account.host, account.user, account.key, account.provider);
    if (n >= (int)sizeof text)
        return -1;
    return send(s, text, (size_t)n, 0) == n ? 0 : -1;
}

static int receive(int s, char *out, size_t size)
{
    size_t have = 0;
    ssize_t n;
    while (have < size - 1 && (n = recv(s, out + have, size - 1 - have, 0)) > 0)
        have += (size_t)n;
    out[have] = 0;
    return (int)have;
}

static int understand(const char *text, struct result *r)
{
    const char *body = strstr(text, "\r\n\r\n");
    char word[16];
    memset(r, 0, sizeof *r);
    if (sscanf(text, "HTTP/%*s %d", &r->code) != 1 || !body)
        return -1;
    if (sscanf(body + 4, "%15s %127[^\r\n]", word, r->address) < 1)
        return -1;
    if (!strcmp(word, "good"))
        return 1;
    if (!strcmp(word, "nochg"))
        return 0;
    syslog(LOG_ERR, "provider says %s", word);
    return -1;
}

static void tell_script(const char *address)
{
    char line[256];
#ifdef BENIGN
    struct in_addr a;
    char plain[INET_ADDRSTRLEN];
    if (inet_pton(AF_INET, address, &a) != 1 || !inet_ntop(AF_INET, &a, plain, sizeof plain))
        return;
    snprintf(line, sizeof line, "/etc/ddns/changed.sh %s", plain);
#else
    snprintf(line, sizeof line, "/etc/ddns/changed.sh %s", address);
#endif
    if (system(line) != 0)
        syslog(LOG_WARNING, "script failed");
}

static int update(void)
{
    static char text[4096];
    struct result r;
    int s = dial(account.provider, 80), changed;
    if (s < 0)
        return -1;
    if (ask(s) < 0 || receive(s, text, sizeof text) <= 0) {
        close(s);
        return -1;
    }
    close(s);
    changed = understand(text, &r);
    if (changed > 0 && strcmp(last_address, r.address) != 0) {
        strcpy(last_address, r.address);
        tell_script(last_address);
        updates++;
    }
    return changed;
}

static void write_status(void)
{
    FILE *f = fopen("/var/run/ddns.status", "w");
    if (!f)
        return;
    fprintf(f, "address=%s\nupdates=%u\nfailures=%u\ntime=%ld\n", last_address, updates, failures, (long)time(NULL));
    fclose(f);
}

int main(int argc, char **argv)
{
    openlog("ddns", LOG_PID, LOG_DAEMON);
    read_account(argc > 1 ? argv[1] : "/etc/ddns.conf");
    for (;;) {
        if (update() < 0)
            failures++;
        else
            failures = 0;
        write_status();
        sleep((unsigned)account.period * (failures > 3 ? 4 : 1));
    }
}
