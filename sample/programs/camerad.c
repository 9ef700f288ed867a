/* The camera's own program: tells its server that it is alive. It stands for the maker's application. Sample firmware. */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef FIXED
#define SERVER "cloud.lumencam.example"
#define SERVICE "443"
#else
#define SERVER "cloud.lumencam.example"
#define SERVICE "80"
static const char register_url[] = "http://cloud.lumencam.example/v1/register";
#endif

static int reach(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int fd;

    if (getaddrinfo(SERVER, SERVICE, &hints, &found))
        return -1;
    fd = socket(found->ai_family, found->ai_socktype, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen)) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

int main(void)
{
    for (;;) {
        int fd = reach();
        if (fd >= 0) {
#ifndef FIXED
            char hello[128];
            int n = snprintf(hello, sizeof hello, "POST %s HTTP/1.0\r\n\r\n", register_url);
            send(fd, hello, n, 0);
#endif
            close(fd);
        }
        sleep(60);
    }
}
