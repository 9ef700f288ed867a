/* Settings by number: each line of a connection sets one, checked by what kind of setting it is; a command applies
 * them. The kind of the time zone is checked in the benign twin only. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 7355

enum { HOST, PEER, ZONE, COUNT };

static char settings[COUNT][48];
static const char *names[COUNT] = {"host", "peer", "zone"};

static int check(int which, const char *value)
{
    struct in_addr address;

    switch (which) {
    case HOST:
    case PEER:
        return inet_pton(AF_INET, value, &address) == 1;
#ifdef BENIGN
    case ZONE:
        return value[0] && value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-")] == '\0';
#endif
    }
    return 1;
}

static int set(char *line)
{
    char *value = strchr(line, '=');
    int which;

    if (!value)
        return -1;
    *value++ = '\0';
    for (which = 0; which < COUNT; which++)
        if (!strcmp(names[which], line))
            break;
    if (which == COUNT || strlen(value) >= sizeof settings[0] || !check(which, value))
        return -1;
    strcpy(settings[which], value);
    return 0;
}

static void run(const char *command)
{
    pid_t child = fork();

    if (child == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    waitpid(child, NULL, 0);
}

static void apply(void)
{
    char command[160];

    snprintf(command, sizeof command, "echo %s > /etc/TZ", settings[ZONE]);
    run(command);
    snprintf(command, sizeof command, "ping -c 1 %s", settings[HOST]);
    run(command);
}

int main(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int listening = socket(AF_INET, SOCK_STREAM, 0), connection;
    char line[200];

    if (listening < 0 || bind(listening, (struct sockaddr *)&here, sizeof here) < 0 || listen(listening, 4) < 0)
        return 1;
    while ((connection = accept(listening, NULL, NULL)) >= 0) {
        FILE *stream = fdopen(connection, "r+");

        while (stream && fgets(line, sizeof line, stream)) {
            line[strcspn(line, "\r\n")] = '\0';
            if (!strcmp(line, "apply"))
                apply();
            else
                fputs(set(line) ? "ERR\n" : "OK\n", stream);
        }
        if (stream)
            fclose(stream);
    }
    return 0;
}
