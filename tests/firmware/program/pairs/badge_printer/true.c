/* Badge printer: frames of kind, length and payload in a TCP stream; what is left of a read is moved to the front. All
 * fields but one are cut or measured in the ways that programs do it; the title is compared with the size of the input
 * (benign: with its own). */
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT 700

struct badge {
    char name[32];
    char company[24];
    char room[12];
    char line[80];
};

static unsigned printed;

static void keep(char *to, size_t room, const char *from, size_t n)
{
    if (n >= room)
        n = room - 1;
    memcpy(to, from, n);
    to[n] = 0;
}

static int short_word(const char *s)
{
    int n;
    for (n = 0; s[n]; n++)
        if (s[n] < '!' || s[n] > '~')
            return 0;
    return n < 12;
}

static int title(const char *payload, unsigned length)
{
    char text[48];
#ifdef BENIGN
    if (length >= sizeof text)
        return -1;
#else
    if (length >= INPUT)
        return -1;
#endif
    memcpy(text, payload, length);
    text[length] = 0;
    printed++;
    return printf("[%s] %u\n", text, printed);
}

static int badge(char *payload, unsigned length)
{
    struct badge b;
    char *company = memchr(payload, ';', length), *room;
    size_t used;
    if (!company || company == payload)
        return -1;
    *company++ = 0;
    room = strchr(company, ';');
    if (!room)
        return -1;
    keep(b.company, sizeof b.company, company, (size_t)(room - company));
    *room++ = 0;
    if (!short_word(room))
        return -1;
    strcpy(b.room, room);
    keep(b.name, sizeof b.name, payload, strlen(payload));
    used = (size_t)sprintf(b.line, "%.20s ", b.name);
    if (strlen(b.company) + used < sizeof b.line)
        strcpy(b.line + used, b.company);
    return printf("%s %s\n", b.line, b.room);
}

static void serve(int c)
{
    char in[INPUT + 1];
    size_t filled = 0;
    for (;;) {
        ssize_t n = recv(c, in + filled, INPUT - filled, 0);
        unsigned length;
        if (n <= 0)
            return;
        filled += (size_t)n;
        while (filled >= 3) {
            length = (unsigned)((uint8_t)in[1] << 8 | (uint8_t)in[2]);
            if (length > INPUT - 3)
                return;
            if (filled < length + 3)
                break;
            if (in[0] == 'T')
                title(in + 3, length);
            else if (in[0] == 'B') {
                char last = in[3 + length];
                in[3 + length] = 0;
                badge(in + 3, length);
                in[3 + length] = last;
            }
            filled -= length + 3;
            memmove(in, in + length + 3, filled);
        }
    }
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(9188)};
    int s = socket(AF_INET, SOCK_STREAM, 0), c;
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 2) < 0)
        return 1;
    while ((c = accept(s, NULL, NULL)) >= 0) {
        serve(c);
        close(c);
    }
    return 0;
}
