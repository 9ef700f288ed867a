/* A host name whose bytes are replaced where they stand before it goes into a command: too few of them. */
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void tidy(char *name)
{
    for (size_t i = 0; name[i]; i++) {
        char c = name[i];
#ifdef BENIGN
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-'))
#else
        if (c == ';' || c == '&' || c == '|' || c == '\n' || c == '>')
#endif
            name[i] = '-';
    }
}

static void announce(char *name)
{
    char line[256];
    tidy(name);
    snprintf(line, sizeof line, "hostname %s", name);
    system(line);
}

int main(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(3705)};
    char packet[160];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) != 0)
        return 1;
    for (;;) {
        ssize_t n = recv(fd, packet, sizeof packet - 1, 0);
        if (n < 8 || memcmp(packet, "NAME", 4) != 0)
            continue;
        packet[n] = 0;
        announce(packet + 4);
    }
}
