/* popen with an argument between single quotes: a quote in the argument ends them. */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int acceptable(const char *s)
{
    if (!*s || strlen(s) > 100)
        return 0;
#ifdef BENIGN
    for (; *s; s++)
        if (!isalnum((unsigned char)*s))
            return 0;
#endif
    return 1;
}

static void look_up(int s, const char *who, struct sockaddr_in *to, socklen_t size)
{
    char cmd[256], out[128];
    FILE *p;
    snprintf(cmd, sizeof cmd, "grep '%s' /var/lib/leases", who);
    p = popen(cmd, "r");
    if (!p)
        return;
    while (fgets(out, sizeof out, p))
        sendto(s, out, strlen(out), 0, (struct sockaddr *)to, size);
    pclose(p);
}

int main(void)
{
    struct sockaddr_in me = {0}, peer;
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    me.sin_family = AF_INET;
    me.sin_port = htons(5351);
    if (bind(s, (struct sockaddr *)&me, sizeof me) < 0)
        return 1;
    for (;;) {
        char name[128];
        socklen_t size = sizeof peer;
        ssize_t n = recvfrom(s, name, sizeof name - 1, 0, (struct sockaddr *)&peer, &size);
        if (n <= 0)
            continue;
        name[n] = 0;
        if (acceptable(name))
            look_up(s, name, &peer, size);
    }
}
