/* A lease with two addresses is checked, copied into the list and put into a command step by step. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct lease {
    int lines;
    char address[40];
    char router[40];
    struct lease *next;
};

static struct lease *leases;

static int is_address(const char *text)
{
    struct in_addr a;
    return inet_pton(AF_INET, text, &a) == 1;
}

static void take(char *to, size_t room, const char *packet, const char *key)
{
    const char *from = strstr(packet, key);
    size_t n;
    *to = 0;
    if (!from)
        return;
    from += strlen(key);
    n = strcspn(from, "\n");
    if (n >= room)
        return;
    memcpy(to, from, n);
    to[n] = 0;
}

static void enter(const struct lease *l)
{
    char command[256], *p = command;
    p += sprintf(p, "ip route replace %s/%d ", l->address, l->lines & 31);
    if (l->router[0])
        p += sprintf(p, "via %s ", l->router);
    strcpy(p, "dev lan0");
    if (system(command) != 0)
        puts("not entered");
}

static void keep(const struct lease *l)
{
    struct lease *copy = malloc(sizeof *copy);
    if (!copy)
        return;
    *copy = *l;
    copy->next = leases;
    leases = copy;
    enter(copy);
}

int main(void)
{
    struct sockaddr_in me = {0};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    me.sin_family = AF_INET;
    me.sin_port = htons(6767);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0)
        return 1;
    for (;;) {
        char packet[600];
        struct lease l;
        ssize_t n = recv(s, packet, sizeof packet - 1, 0);
        if (n <= 0)
            continue;
        packet[n] = 0;
        memset(&l, 0, sizeof l);
        l.lines = (int)n;
        take(l.address, sizeof l.address, packet, "address=");
        take(l.router, sizeof l.router, packet, "router=");
        if (!is_address(l.address))
            continue;
#ifdef BENIGN
        if (l.router[0] && !is_address(l.router))
            continue;
#endif
        keep(&l);
    }
}
