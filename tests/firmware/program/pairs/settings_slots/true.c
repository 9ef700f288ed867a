/* Settings of a wall display lie in one array and are put there by number: any text is a title, any text a time
   server too. */
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TITLE, SERVER, FOOTER, COUNT };

static char settings[COUNT][64];

#ifdef BENIGN
static int is_host(const char *text)
{
    size_t n = 0;

    for (; text[n]; n++)
        if (!isalnum((unsigned char)text[n]) && text[n] != '.' && text[n] != '-')
            return 0;
    return n > 0 && n < 60;
}
#endif

__attribute__((noinline)) static void put(int which, const char *text)
{
    if (which < 0 || which >= COUNT)
        return;
    snprintf(settings[which], sizeof settings[which], "%s", text);
}

__attribute__((noinline)) static const char *get(int which)
{
    return which >= 0 && which < COUNT ? settings[which] : "";
}

static void synchronise(void)
{
    char command[128];

    if (!*get(SERVER))
        return;
    snprintf(command, sizeof command, "ntpdate -u %s", get(SERVER));
    system(command);
}

int main(void)
{
    struct sockaddr_in here;
    char line[256];
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons(9381);
    if (bind(s, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    for (;;) {
        ssize_t n = recv(s, line, sizeof line - 1, 0);
        if (n <= 0)
            continue;
        line[n] = 0;
        if (!strncmp(line, "title ", 6))
            put(TITLE, line + 6);
        else if (!strncmp(line, "footer ", 7))
            put(FOOTER, line + 7);
        else if (!strncmp(line, "server ", 7)) {
#ifdef BENIGN
            if (!is_host(line + 7))
                continue;
#endif
            put(SERVER, line + 7);
        }
        else if (!strcmp(line, "sync"))
            synchronise();
        else
            printf("%s\n%s\n", get(TITLE), get(FOOTER));
    }
}
