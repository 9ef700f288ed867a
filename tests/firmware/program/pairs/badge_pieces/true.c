/* Badge printer: lines come in pieces, each a kind, a length and text; a context on the caller's stack collects them.
 * Every piece is compared with the size of the line (benign: with what is left of it).
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct badge {
    int copies;
    unsigned filled;
    char line[120];
    int border;
};

static int add_text(struct badge *b, const uint8_t *text, unsigned length)
{
#ifdef BENIGN
    if (length > sizeof b->line - b->filled)
        return -1;
#else
    if (length > sizeof b->line)
        return -1;
#endif
    memcpy(b->line + b->filled, text, length);
    b->filled += length;
    return 0;
}

static int set_copies(struct badge *b, const uint8_t *text, unsigned length)
{
    if (length != 1)
        return -1;
    b->copies = text[0] % 10;
    return 0;
}

static int set_border(struct badge *b, const uint8_t *text, unsigned length)
{
    b->border = length > 0 && text[0] == 'y';
    return 0;
}

static int (*const kinds[])(struct badge *, const uint8_t *, unsigned) = {add_text, set_copies, set_border};

static int print_badge(const uint8_t *packet, int size)
{
    struct badge b;
    int at = 0;

    memset(&b, 0, sizeof b);
    b.copies = 1;
    while (at + 3 <= size) {
        unsigned length = (unsigned)(packet[at + 1] << 8 | packet[at + 2]);

        if (at + 3 + (int)length > size || packet[at] > 2)
            return -1;
        if (kinds[packet[at]](&b, packet + at + 3, length) < 0)
            return -1;
        at += 3 + (int)length;
    }
    while (b.copies-- > 0)
        fwrite(b.line, 1, b.filled, stdout);
    return b.border;
}

int main(void)
{
    static uint8_t packet[1200];
    struct sockaddr_in here;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons(9741);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    for (;;) {
        int size = (int)recv(fd, packet, sizeof packet, 0);

        if (size > 3)
            print_badge(packet, size);
    }
}
