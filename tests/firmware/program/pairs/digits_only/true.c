/* A channel number that is put into a command as text. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int usable(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > 60)
        return 0;
#ifdef BENIGN
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return 0;
#endif
    return 1;
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(10001)};
    char packet[128], cmd[160];
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0)
        return 1;
    for (;;) {
        ssize_t n = recvfrom(s, packet, sizeof packet - 1, 0, NULL, NULL);
        if (n < 5)
            continue;
        packet[n] = 0;
        if (memcmp(packet, "CHAN", 4) != 0)
            continue;
        if (!usable(packet + 4)) {
            fprintf(stderr, "bad channel\n");
            continue;
        }
        snprintf(cmd, sizeof cmd, "iwconfig ath0 channel %s", packet + 4);
        system(cmd);
    }
}
