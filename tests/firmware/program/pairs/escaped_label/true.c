/* Labels for a display: the text that is received goes between double quotes into the line of the display's tool.
 * Quotes and backslashes are escaped; a dollar and a backquote are not (benign: these too).
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int is_marked(char letter)
{
#ifdef BENIGN
    return letter == '"' || letter == '\\' || letter == '$' || letter == '`';
#else
    return letter == '"' || letter == '\\';
#endif
}

static void escape(const char *from, char *to, size_t room)
{
    char *last = to + room - 2;

    while (*from && to < last) {
        if (is_marked(*from))
            *to++ = '\\';
        *to++ = *from++;
    }
    *to = 0;
}

static void show(const char *label, int row)
{
    char safe[120], line[200];

    escape(label, safe, sizeof safe);
    snprintf(line, sizeof line, "lcdtool --row %d --text \"%s\"", row, safe);
    system(line);
}

int main(void)
{
    static char packet[80];
    struct sockaddr_in here;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons(9377);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    for (;;) {
        int size = (int)recv(fd, packet, sizeof packet - 1, 0);

        if (size < 2)
            continue;
        packet[size] = 0;
        show(packet + 1, packet[0] & 3);
    }
}
