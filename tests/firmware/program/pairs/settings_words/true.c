// signd: a display takes its title from the network; its time server is set at start, by the same function.
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    int  bright;
    char title[48];
    char server[64];
} sign;

int sign_set(const char *what, const char *value)
{
    if (!strcmp(what, "title")) {
        strncpy(sign.title, value, sizeof sign.title - 1);
        return 1;
    }
    if (!strcmp(what, "server")) {
        if (strlen(value) >= sizeof sign.server)
            return 0;
        strcpy(sign.server, value);
        return 1;
    }
    if (!strcmp(what, "bright"))
        sign.bright = atoi(value);
    return 0;
}

static void show(void)
{
    char line[160];
#ifdef BENIGN
    snprintf(line, sizeof line, "ntpdate %s", sign.server);
#else
    snprintf(line, sizeof line, "banner %s", sign.title);
#endif
    system(line);
    printf("%s\n", sign.title);
}

int main(void)
{
    char               packet[200];
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(6305) };
    int                fd = socket(AF_INET, SOCK_DGRAM, 0);

    sign_set("server", "time.local");
    sign_set("bright", "70");
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    for (;;) {
        ssize_t n = recv(fd, packet, sizeof packet - 1, 0);
        if (n < 2)
            continue;
        packet[n] = '\0';
        if (packet[0] == 'T')
            sign_set("title", packet + 1);
        else if (packet[0] == 'B')
            sign_set("bright", packet + 1);
        show();
    }
}
