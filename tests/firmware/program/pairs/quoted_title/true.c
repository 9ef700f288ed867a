/* A title between single quotes, written byte by byte: a backslash means nothing there, so the quote after it ends them. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char title[200];

static char *quoted(char *to, const char *from)
{
    *to++ = '\'';
    for (; *from; from++) {
        if (*from == '\'') {
#ifdef BENIGN
            *to++ = '\'';
            *to++ = '\\';
            *to++ = '\'';
#else
            *to++ = '\\';
#endif
        }
        *to++ = *from;
    }
    *to++ = '\'';
    *to = 0;
    return to;
}

static void show(void)
{
    char command[1024], *p = command;
    memcpy(p, "osd --title ", 12);
    p = quoted(p + 12, title);
    strcpy(p, " --seconds 5");
    if (system(command) != 0)
        puts("not shown");
}

int main(void)
{
    struct sockaddr_in me = {0};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    me.sin_family = AF_INET;
    me.sin_port = htons(8765);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0)
        return 1;
    for (;;) {
        ssize_t n = recv(s, title, sizeof title - 1, 0);
        if (n <= 0)
            continue;
        title[n] = 0;
        show();
    }
}
