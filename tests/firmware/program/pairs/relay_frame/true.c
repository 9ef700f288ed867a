/* Relay of frames: a header says how long the frame is, the header with it. What is too long is refused; what is
 * shorter than the header is not (benign: that too). The words of a frame go into a line one behind the other, as far
 * as there is room.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct header {
    uint16_t kind;
    uint16_t length;
};

static void collect(const char *frame, int size)
{
    char line[100];
    char *to = line;
    int left = sizeof line - 1;

    while (size > 1) {
        int length = (uint8_t)*frame;

        if (length > left || length >= size)
            break;
        memcpy(to, frame + 1, (size_t)length);
        to += length;
        left -= length;
        frame += length + 1;
        size -= length + 1;
    }
    *to = 0;
    puts(line);
}

static void forward(const uint8_t *packet, int size)
{
    char frame[400];
    struct header head;
    unsigned length;

    if (size < (int)sizeof head)
        return;
    memcpy(&head, packet, sizeof head);
    length = ntohs(head.length);
    if (length > sizeof frame)
        return;
#ifdef BENIGN
    if (length < sizeof head)
        return;
#endif
    length -= sizeof head;
    memcpy(frame, packet + sizeof head, length);
    fwrite(frame, 1, length, stderr);
    if (head.kind == htons(1))
        collect((const char *)packet + sizeof head, (int)length);
}

int main(void)
{
    static uint8_t packet[1024];
    struct sockaddr_in here;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons(9742);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    for (;;) {
        int size = (int)recvfrom(fd, packet, sizeof packet, 0, NULL, NULL);

        if (size > 0)
            forward(packet, size);
    }
}
