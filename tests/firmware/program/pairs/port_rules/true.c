/* Port rules of a router: three texts of a request are put into a record, which is checked as a whole, linked into a
 * list when it is right and released when it is not. A timer makes firewall rules of the list. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define PORT 7310

struct rule {
    struct rule *next;
    char *port;
    char *client;
    char *proto;
    char label[24];
    int active;
};

static struct rule *rules;
static unsigned refused;

static char *field(const char *text, const char *name)
{
    const char *start = strstr(text, name);
    size_t length;
    char *out;

    if (!start)
        return NULL;
    start += strlen(name);
    length = strcspn(start, "&");
    out = malloc(length + 1);
    if (!out)
        return NULL;
    memcpy(out, start, length);
    out[length] = '\0';
    return out;
}

static int is_number(const char *text)
{
    if (!text || !*text)
        return 0;
    for (; *text; text++)
        if (!isdigit((unsigned char)*text))
            return 0;
    return 1;
}

static int is_client(const char *text)
{
#ifdef BENIGN
    return text && *text && text[strspn(text, "0123456789.")] == '\0';
#else
    return text && *text && strchr(text, ' ') == NULL;
#endif
}

static void release(struct rule *rule)
{
    free(rule->port);
    free(rule->client);
    free(rule->proto);
    free(rule);
}

static int add(const char *text)
{
    struct rule *rule = calloc(1, sizeof *rule);

    if (!rule)
        return -1;
    rule->port = field(text, "port=");
    rule->client = field(text, "client=");
    rule->proto = field(text, "proto=");
    snprintf(rule->label, sizeof rule->label, "rule%u", refused);
    if (!is_number(rule->port) || !rule->proto || (strcmp(rule->proto, "tcp") && strcmp(rule->proto, "udp")) ||
        !is_client(rule->client)) {
        release(rule);
        refused++;
        return -1;
    }
    rule->next = rules;
    rules = rule;
    return 0;
}

static void apply(void)
{
    struct rule *rule;
    char command[200];

    for (rule = rules; rule; rule = rule->next) {
        if (rule->active)
            continue;
        snprintf(command, sizeof command, "iptables -A FORWARD -p %s --dport %s -d %s -j ACCEPT", rule->proto,
                 rule->port, rule->client);
        rule->active = system(command) == 0;
    }
}

int main(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct timeval wait = {2, 0};
    char packet[400];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    for (;;) {
        ssize_t got = recv(fd, packet, sizeof packet - 1, 0);

        if (got > 0) {
            packet[got] = '\0';
            if (strncmp(packet, "ADD ", 4) == 0)
                add(packet + 4);
        }
        apply();
    }
}
