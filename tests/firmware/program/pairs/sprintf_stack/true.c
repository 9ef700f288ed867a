/* sprintf of a received string into a stack buffer that is smaller than the packet. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(const char *name, int seq)
{
    char text[64];
#ifdef BENIGN
    snprintf(text, sizeof text, "device=%s seq=%d", name, seq);
#else
    sprintf(text, "device=%s seq=%d", name, seq);
#endif
    puts(text);
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(18999)};
    char *packet = malloc(1024);
    int s = socket(AF_INET, SOCK_DGRAM, 0), seq = 0;
    if (!packet || bind(s, (struct sockaddr *)&me, sizeof me) < 0)
        return 1;
    for (;;) {
        ssize_t n = recv(s, packet, 1023, 0);
        if (n <= 0)
            continue;
        packet[n] = 0;
        note(packet, seq++);
    }
}
