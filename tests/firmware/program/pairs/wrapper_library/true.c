/* The command is run by a wrapper that lives in a library of the image. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern int dev_do_system(const char *format, ...);
extern void dev_log(const char *format, ...);

static void set_rate(char *value)
{
    dev_log("rate %s\n", value);
#ifdef BENIGN
    dev_do_system("tc qdisc change dev eth0 root tbf rate %d", atoi(value));
#else
    dev_do_system("tc qdisc change dev eth0 root tbf rate %s", value);
#endif
}

int main(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(6666)};
    char line[300];
    int s = socket(AF_INET, SOCK_STREAM, 0), c;
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0 || listen(s, 1) < 0)
        return 1;
    while ((c = accept(s, NULL, NULL)) >= 0) {
        ssize_t n = recv(c, line, sizeof line - 1, 0);
        if (n > 5) {
            line[n] = 0;
            if (strncmp(line, "rate=", 5) == 0)
                set_rate(line + 5);
        }
        close(c);
    }
    return 0;
}
