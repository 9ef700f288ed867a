/* A record cleared as a whole, one of two fields filled through a pointer; the name goes in lower case into a command. */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct record {
    char host[48];
    char owner[48];
    int count;
};

static void take(struct record *r, char *packet)
{
    char *line;
    for (line = strtok(packet, "\n"); line; line = strtok(NULL, "\n")) {
        char *to = strncmp(line, "host ", 5) == 0 ? r->host : r->owner;
        size_t n = strlen(line + 5);
        if (n > 47)
            n = 47;
        memcpy(to, line + 5, n);
        to[n] = 0;
        r->count++;
    }
}

static void written(char *to, size_t room, const char *from)
{
#ifdef BENIGN
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    for (; *from && n + 2 < room; from++) {
        to[n++] = digits[(unsigned char)*from >> 4];
        to[n++] = digits[*from & 15];
    }
#else
    size_t n = 0;
    for (; *from && n + 1 < room; from++)
        to[n++] = (char)tolower((unsigned char)*from);
#endif
    to[n] = 0;
}

int main(void)
{
    struct sockaddr_in me = {0};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    me.sin_family = AF_INET;
    me.sin_port = htons(5455);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0)
        return 1;
    for (;;) {
        char packet[512], name[97], command[160];
        struct record r;
        ssize_t n = recv(s, packet, sizeof packet - 1, 0);
        if (n <= 0)
            continue;
        packet[n] = 0;
        memset(&r, 0, sizeof r);
        take(&r, packet);
        if (r.host[0] == 0)
            continue;
        written(name, sizeof name, r.host);
        snprintf(command, sizeof command, "mdns-publish %s", name);
        if (system(command) != 0)
            puts("not published");
    }
}
