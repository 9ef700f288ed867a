/* The camera's web server. Built plainly for 1.0, with -DFIXED for 2.0. Sample firmware. */
#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 80

static void reply(int fd, const char *status, const char *body)
{
    char head[128];
    int n = snprintf(head, sizeof head, "HTTP/1.0 %s\r\nContent-Length: %zu\r\n\r\n", status, strlen(body));
    if (send(fd, head, n, 0) == n)
        send(fd, body, strlen(body), 0);
}

static void ping(int fd, const char *host)
{
#ifdef FIXED
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) != 1) {
        reply(fd, "400 Bad Request", "host must be an address\n");
        return;
    }
    if (fork() == 0) {
        execl("/bin/ping", "ping", "-c", "1", host, (char *)0);
        _exit(1);
    }
    wait(0);
#else
    char command[256];
    snprintf(command, sizeof command, "/bin/ping -c 1 %s", host);
    system(command);
#endif
    reply(fd, "200 OK", "sent\n");
}

static void note_agent(const char *request)
{
    char agent[64];
    const char *field = strstr(request, "User-Agent: ");
    if (!field)
        return;
    field += strlen("User-Agent: ");
#ifdef FIXED
    snprintf(agent, sizeof agent, "%.*s", (int)strcspn(field, "\r\n"), field);
#else
    strcpy(agent, field);
#endif
    fprintf(stderr, "request by %s\n", agent);
}

static void serve(int fd)
{
    char request[2048], *path, *end;
    int n = recv(fd, request, sizeof request - 1, 0);
    if (n <= 0)
        return;
    request[n] = 0;
    note_agent(request);
    if (strncmp(request, "GET ", 4))
        return;
    path = request + 4;
    end = strchr(path, ' ');
    if (!end)
        return;
    *end = 0;
    if (strncmp(path, "/ping?host=", 11) == 0)
        ping(fd, path + 11);
    else if (strcmp(path, "/status") == 0)
        reply(fd, "200 OK", "camera is up\n");
    else
        reply(fd, "404 Not Found", "no such page\n");
}

int main(void)
{
#ifdef FIXED
    /* Strangers speak TLS to a front end (not part of this sample), which speaks to us here. */
    struct sockaddr_un here = {.sun_family = AF_UNIX, .sun_path = "/run/camhttpd.sock"};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
#else
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
#endif
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 8))
        return 1;
#ifdef FIXED
    /* What reads strangers' bytes does not need root. */
    if (setgroups(0, 0) || setgid(100) || setuid(100))
        return 1;
#endif
    for (;;) {
        int fd = accept(listener, 0, 0);
        if (fd < 0)
            continue;
        serve(fd);
        close(fd);
    }
}
