/* Names of hosts to wake, written with %xx: letters, digits, dots and dashes may stand in them. The name is looked at
 * while it is still encoded, where a percent sign may stand too (benign: it is decoded first).
 */
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int digit(int letter)
{
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    letter |= 32;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static void decode(char *text)
{
    char *to = text;

    while (*text) {
        if (*text == '%' && digit(text[1]) >= 0 && digit(text[2]) >= 0) {
            *to++ = (char)(digit(text[1]) << 4 | digit(text[2]));
            text += 3;
        } else {
            *to++ = *text++;
        }
    }
    *to = 0;
}

static int is_name(const char *text)
{
    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || *text == '.' || *text == '-')
            continue;
#ifndef BENIGN
        if (*text == '%')
            continue;
#endif
        return 0;
    }
    return 1;
}

static void wake(char *name)
{
    char line[200];

#ifdef BENIGN
    decode(name);
    if (!is_name(name))
        return;
#else
    if (!is_name(name))
        return;
    decode(name);
#endif
    snprintf(line, sizeof line, "etherwake -b %s", name);
    system(line);
}

int main(void)
{
    static char packet[120];
    struct sockaddr_in here;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons(9378);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    for (;;) {
        int size = (int)recv(fd, packet, sizeof packet - 1, 0);

        if (size < 1)
            continue;
        packet[size] = 0;
        wake(packet);
    }
}
