/* Stands for a server of somebody else's: listens, greets, hangs up. Built once for each port. Sample firmware. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, TYPE, 0);
    char request[256];

    if (bind(fd, (struct sockaddr *)&here, sizeof here))
        return 1;
    if (TYPE == SOCK_DGRAM)
        for (;;)
            recv(fd, request, sizeof request, 0);
    listen(fd, 4);
    for (;;) {
        int peer = accept(fd, 0, 0);
        if (peer >= 0) {
            send(peer, GREETING, strlen(GREETING), 0);
            close(peer);
        }
    }
}
